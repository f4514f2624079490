//! OCSP responses, taken apart by hand.

use super::der::{children, only};

/// What an OCSPResponse says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// An OCSPResponseStatus other than successful.
    Error(u8),
    /// A signed answer.
    Basic {
        produced_at: String,
        singles: Vec<Single>,
        /// responseExtensions, the whole SEQUENCE.
        extensions: Option<Vec<u8>>,
        certificates: usize,
    },
}

/// A SingleResponse.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Single {
    /// The CertID, whole.
    pub cert_id: Vec<u8>,
    pub status: Status,
    pub this_update: String,
    pub next_update: Option<String>,
    /// singleExtensions, the whole SEQUENCE.
    pub extensions: Option<Vec<u8>>,
}

/// A certStatus, or what is expected to be one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Status {
    Good,
    Unknown,
    Revoked {
        /// Like `20260105120000Z`.
        time: String,
        /// CRLReason's number; none for unspecified.
        reason: Option<u8>,
    },
}

impl Answer {
    pub const MALFORMED_REQUEST: Self = Self::Error(1);
    pub const TRY_LATER: Self = Self::Error(3);
    pub const UNAUTHORIZED: Self = Self::Error(6);

    /// Takes a response apart; panics where it is not one.
    #[track_caller]
    pub fn of(der: &[u8]) -> Self {
        let response = children(only(der, 0x30));
        assert_eq!(response[0].tag, 0x0a, "responseStatus");
        let [status] = response[0].content else {
            panic!("an ENUMERATED of several octets")
        };
        if *status != 0 {
            assert_eq!(response.len(), 1, "an error has no responseBytes");
            return Self::Error(*status);
        }
        let bytes = children(only(only(response[1].whole, 0xa0), 0x30));
        assert_eq!(
            bytes[0].content,
            [0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1],
            "id-pkix-ocsp-basic"
        );
        let basic = children(only(bytes[1].content, 0x30));
        let certificates = basic.get(3).map_or(0, |certs| {
            children(only(only(certs.whole, 0xa0), 0x30)).len()
        });
        let data = children(basic[0].content);
        assert!(
            matches!(data[0].tag, 0xa1 | 0xa2),
            "a responderID, and no version before it"
        );
        let singles = children(data[2].content);
        Self::Basic {
            produced_at: time(data[1].whole, 0x18),
            singles: singles
                .into_iter()
                .map(|single| Single::of(single.content))
                .collect(),
            extensions: data.get(3).map(|found| only(found.whole, 0xa1).to_vec()),
            certificates,
        }
    }

    /// The only SingleResponse; panics if this is no such answer.
    #[track_caller]
    pub fn single(&self) -> &Single {
        match self {
            Self::Basic { singles, .. } if singles.len() == 1 => &singles[0],
            other => panic!("one SingleResponse is expected: {other:?}"),
        }
    }
}

impl Single {
    fn of(content: &[u8]) -> Self {
        let parts = children(content);
        let status = match (parts[1].tag, parts[1].content) {
            (0x80, []) => Status::Good,
            (0x82, []) => Status::Unknown,
            (0xa1, content) => {
                let info = children(content);
                let reason = info.get(1).map(|found| {
                    let [reason] = only(only(found.whole, 0xa0), 0x0a) else {
                        panic!("a CRLReason of several octets")
                    };
                    *reason
                });
                Status::Revoked {
                    time: time(info[0].whole, 0x18),
                    reason,
                }
            }
            other => panic!("no certStatus: {other:?}"),
        };
        let part = |tag| parts.iter().find(|part| part.tag == tag);
        Self {
            cert_id: parts[0].whole.to_vec(),
            status,
            this_update: time(parts[2].whole, 0x18),
            next_update: part(0xa0).map(|found| time(found.content, 0x18)),
            extensions: part(0xa1).map(|found| found.content.to_vec()),
        }
    }

    /// The serial number as `index.txt` writes it.
    pub fn serial(&self) -> String {
        let cert_id = children(only(&self.cert_id, 0x30));
        let octets = cert_id[3].content;
        let octets = octets
            .strip_prefix(&[0])
            .filter(|rest| !rest.is_empty())
            .unwrap_or(octets);
        octets.iter().map(|octet| format!("{octet:02X}")).collect()
    }
}

fn time(der: &[u8], tag: u8) -> String {
    let text = String::from_utf8(only(der, tag).to_vec()).expect("a time is ASCII");
    assert!(
        text.len() == 15 && text.ends_with('Z'),
        "{text}: seconds, no fraction, Z"
    );
    text
}
