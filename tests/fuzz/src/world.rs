//! A small catalog whose every answer is known, and the check of what is answered from it.

use std::sync::{Arc, LazyLock};

use der_07::Decode as _;
use estelam::asn1::{CrlReason, SignatureAlgorithm, UnixTime};
use estelam::catalog::{
    Catalog, FreshAnswer, FreshColumn, IssuerEntry, IssuerPolicy, IssuerTable, MaskEntry,
    NotIssued, Publication,
};
use estelam::identity::{IssuerId, SerialNumber};
use estelam::ocsp::{
    CertId, HashAlgorithm, IssuerHashes, OcspRequest, OcspResponseStatus, RequestLimits,
    ResponderId, Template, TemplateParams,
};
use estelam::responder::{Answer, AnswerKind, answer};
use estelam::segment::{RecordData, RecordStatus, SegmentKind, SegmentSpec, SegmentWriter};
use x509_ocsp::{BasicOcspResponse, OcspResponse, SingleResponse};

/// Subject and key of the issuers: one that is silent about what it did not issue, one that says
/// `unknown`, and one that catches up. No two differ in both.
pub const ISSUERS: [(&[u8], &[u8]); 3] = [
    (b"a name", b"a key"),
    (b"a name", b"another key"),
    (b"another name", b"a key"),
];
const SILENT: usize = 0;
const CATCHING_UP: usize = 2;

pub const THIS_UPDATE: u64 = 1_700_000_000;
pub const NEXT_UPDATE: u64 = 1_700_345_600;

/// What is known of one serial, the same for both issuers that answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Known {
    /// Signed, in the segment.
    Presigned(RecordStatus),
    /// Signed, in the overlay.
    Fresh(RecordStatus),
    /// The status is known, and no signature.
    Unsigned,
}

pub const SERIALS: [(&[u8], Known); 9] = [
    (&[0x01], Known::Presigned(RecordStatus::Good)),
    (&[0x02], Known::Presigned(REVOKED)),
    (&[0x00, 0x80], Known::Presigned(UNSPECIFIED)),
    (&[0x7f; 20], Known::Presigned(RecordStatus::Good)),
    (&[0x03], Known::Unsigned),
    (&[0x04], Known::Fresh(REVOKED)),
    (&[0x05], Known::Fresh(RecordStatus::Good)),
    // Good in the segment, and masked since.
    (&[0x06], Known::Unsigned),
    // Has single extensions.
    (&[0x07, 0x00], Known::Presigned(RecordStatus::Good)),
];

const REVOKED: RecordStatus = RecordStatus::Revoked {
    revocation_time: match UnixTime::from_secs(1_600_000_000) {
        Some(time) => time,
        None => UnixTime::EPOCH,
    },
    reason: Some(CrlReason::KeyCompromise),
};
const UNSPECIFIED: RecordStatus = RecordStatus::Revoked {
    revocation_time: UnixTime::MAX,
    reason: None,
};

pub fn time(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs).expect("before 9999")
}

/// Asks for an answer and judges it.
pub fn ask(request_der: &[u8], now: UnixTime) {
    let limits = RequestLimits::default();
    let given = answer(request_der, &WORLD.catalog.snapshot(), now, &limits);
    let Ok(request) = OcspRequest::decode(request_der, &limits) else {
        assert_unsigned(
            given,
            OcspResponseStatus::MalformedRequest,
            AnswerKind::MalformedRequest,
        );
        return;
    };
    let asked: Vec<_> = request.cert_ids().collect();
    match expected(&asked, now) {
        Expected::Unauthorized => {
            assert_unsigned(
                given,
                OcspResponseStatus::Unauthorized,
                AnswerKind::Unauthorized,
            );
        }
        Expected::Question => match given {
            Answer::Ask(question) => assert_eq!(*question.request_der, *request_der),
            Answer::Ready(response) => panic!("answered at once: {response:?}"),
        },
        Expected::Signed(status, kind) => {
            let Answer::Ready(response) = given else {
                panic!("not answered at once");
            };
            assert_eq!(response.kind, kind);
            let freshness = response.freshness.expect("a signed answer is cacheable");
            let max_age = now.as_secs() + freshness.max_age.as_secs();
            assert!(
                max_age < NEXT_UPDATE,
                "caches may keep it beyond nextUpdate"
            );
            check_signed(&response.body, &asked[0], status);
        }
    }
}

enum Expected {
    Unauthorized,
    Question,
    Signed(RecordStatus, AnswerKind),
}

/// The decision, written down once more: from what RFC 9919 §3 and the tables above say.
fn expected(asked: &[CertId<'_>], now: UnixTime) -> Expected {
    let mut answers = asked.iter().map(|asked| {
        let issuer = issuer_of(asked)?;
        let known = SERIALS
            .iter()
            .find(|(serial, _)| *serial == asked.serial_number);
        match known {
            None if issuer == SILENT => None,
            Some((_, known)) if issuer != CATCHING_UP => Some(Some(*known)),
            _ => Some(None),
        }
    });
    if answers.clone().any(|answer| answer.is_none()) {
        return Expected::Unauthorized;
    }
    let only = answers
        .next()
        .flatten()
        .flatten()
        .filter(|_| asked.len() == 1);
    let is_column = matches!(
        asked[0].hash_algorithm,
        Some(HashAlgorithm::Sha1 | HashAlgorithm::Sha256)
    );
    let is_current = (THIS_UPDATE..NEXT_UPDATE).contains(&now.as_secs());
    match only {
        Some(Known::Presigned(status)) if is_column && is_current => {
            Expected::Signed(status, AnswerKind::Presigned)
        }
        Some(Known::Fresh(status)) if is_column && is_current => {
            Expected::Signed(status, AnswerKind::Overlay)
        }
        _ => Expected::Question,
    }
}

fn issuer_of(asked: &CertId<'_>) -> Option<usize> {
    let algorithm = asked.hash_algorithm?;
    WORLD.hashes.iter().position(|hashes| {
        let place = HashAlgorithm::ALL
            .iter()
            .position(|other| *other == algorithm);
        let hashes = &hashes[place.expect("one of all")];
        hashes.name_hash() == asked.issuer_name_hash && hashes.key_hash() == asked.issuer_key_hash
    })
}

fn assert_unsigned(given: Answer, status: OcspResponseStatus, kind: AnswerKind) {
    let Answer::Ready(response) = given else {
        panic!("a question instead of {status:?}");
    };
    assert_eq!((response.kind, &response.body[..]), (kind, status.der()));
    assert_eq!(response.freshness, None);
}

/// An independent parser reads the one CertID asked, this status, these times and that signature.
fn check_signed(body: &[u8], asked: &CertId<'_>, status: RecordStatus) {
    let response = OcspResponse::from_der(body).expect("an OCSPResponse");
    let basic = response.response_bytes.expect("responseBytes");
    let basic = BasicOcspResponse::from_der(basic.response.as_bytes()).expect("a basic response");
    let [single] = &basic.tbs_response_data.responses[..] else {
        panic!("not one SingleResponse");
    };
    let cert_id = &single.cert_id;
    assert_eq!(cert_id.issuer_name_hash.as_bytes(), asked.issuer_name_hash);
    assert_eq!(cert_id.issuer_key_hash.as_bytes(), asked.issuer_key_hash);
    assert_eq!(cert_id.serial_number.as_bytes(), asked.serial_number);
    let algorithm = asked
        .hash_algorithm
        .expect("known, or it were not answered");
    assert_eq!(cert_id.hash_algorithm.oid.as_bytes(), algorithm.oid());
    assert_eq!(status_of(single), status);
    assert_eq!(
        single.this_update.0.to_unix_duration().as_secs(),
        THIS_UPDATE
    );
    let next_update = single.next_update.expect("nextUpdate");
    assert_eq!(next_update.0.to_unix_duration().as_secs(), NEXT_UPDATE);
}

fn status_of(single: &SingleResponse) -> RecordStatus {
    match single.cert_status {
        x509_ocsp::CertStatus::Good(_) => RecordStatus::Good,
        x509_ocsp::CertStatus::Unknown(_) => panic!("a record is never unknown"),
        x509_ocsp::CertStatus::Revoked(info) => RecordStatus::Revoked {
            revocation_time: time(info.revocation_time.0.to_unix_duration().as_secs()),
            reason: info
                .revocation_reason
                .map(|reason| CrlReason::from_code(reason as u8).expect("a reason")),
        },
    }
}

struct World {
    catalog: Catalog,
    /// For each issuer, under each of [`HashAlgorithm::ALL`].
    hashes: Vec<[IssuerHashes; 4]>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let folder = crate::folder().join("world");
    let (catalog, _) = Catalog::open(&folder, 0).expect("an empty catalog opens");
    let hashes = ISSUERS
        .iter()
        .map(|(subject, key)| HashAlgorithm::ALL.map(|hash| IssuerHashes::new(hash, subject, key)))
        .collect();
    let world = World { catalog, hashes };
    world.publish();
    world
});

impl World {
    fn publish(&self) {
        let entries = ISSUERS
            .iter()
            .enumerate()
            .map(|(place, (subject, key))| IssuerEntry {
                id: IssuerId::new(subject, key),
                name: place.to_string(),
                subject_der: subject.to_vec(),
                public_key_octets: key.to_vec(),
                policy: IssuerPolicy {
                    not_issued: if place == SILENT {
                        NotIssued::Unauthorized
                    } else {
                        NotIssued::Unknown
                    },
                    ..IssuerPolicy::default()
                },
            });
        let table = IssuerTable::new(entries.collect()).expect("distinct issuers");
        let mut publications = vec![Publication::IssuerTable(Arc::new(table))];
        for (place, (subject, key)) in ISSUERS.iter().enumerate() {
            let issuer = IssuerId::new(subject, key);
            publications.push(self.segment(place, issuer));
            publications.push(Publication::FreshAnswer {
                issuer,
                answers: self.fresh_answers(place),
            });
            publications.push(Publication::Mask {
                issuer,
                changes: vec![MaskEntry {
                    serial: serial(&[0x06]),
                    sequence: 11,
                    status: REVOKED,
                }],
            });
            if place != CATCHING_UP {
                publications.push(Publication::CaughtUp { issuer, as_of: 11 });
            }
        }
        self.catalog.publish(&publications).expect("all of it fits");
    }

    fn templates(&self, place: usize) -> Vec<Template> {
        let [sha1, sha256, ..] = &self.hashes[place];
        [sha1, sha256]
            .map(|issuer_hashes| {
                Template::new(&TemplateParams {
                    responder_id: &ResponderId::ByKey([0x77; 20]),
                    issuer_hashes,
                    produced_at: time(THIS_UPDATE),
                    this_update: time(THIS_UPDATE),
                    next_update: time(NEXT_UPDATE),
                    signature_algorithm: SignatureAlgorithm::EcdsaSha256P256,
                    archive_cutoff: None,
                    certificates: &[],
                })
            })
            .to_vec()
    }

    fn segment(&self, place: usize, issuer: IssuerId) -> Publication {
        let spec = SegmentSpec {
            issuer,
            signer: [0x51; 32],
            algorithm: SignatureAlgorithm::EcdsaSha256P256,
            kind: SegmentKind::Base,
            depth: 0,
            shard: 0,
            as_of: 10,
            snapshot_time: time(THIS_UPDATE),
            next_sign: time(THIS_UPDATE + 86_400),
            templates: self.templates(place),
        };
        let mut writer = SegmentWriter::create(self.catalog.folder(), &spec, SERIALS.len(), 20)
            .expect("a segment can be created");
        for (content, known) in SERIALS {
            let (status, signatures) = match known {
                Known::Presigned(status) => (status, &[0x11; 128][..]),
                // Outranked by the overlay.
                Known::Fresh(_) => (UNSPECIFIED, &[0x22; 128][..]),
                Known::Unsigned if content == [0x06] => (RecordStatus::Good, &[0x33; 128][..]),
                Known::Unsigned => (REVOKED, &[][..]),
            };
            let record = RecordData {
                serial: serial(content),
                status,
                single_extensions: (content == [0x07, 0x00]).then_some(&INVALIDITY_DATE),
                signatures,
            };
            writer.push(&record).expect("the record fits");
        }
        let file = writer.finish().expect("the segment is written");
        Publication::Segment { issuer, file }
    }

    fn fresh_answers(&self, place: usize) -> Vec<FreshAnswer> {
        let columns: Vec<_> = self
            .templates(place)
            .into_iter()
            .map(|template| FreshColumn {
                template: Arc::new(template),
                signature: [0x44; 64].into(),
            })
            .collect();
        let fresh = SERIALS.iter().filter_map(|(content, known)| match known {
            Known::Fresh(status) => Some((content, *status)),
            _ => None,
        });
        fresh
            .map(|(content, status)| FreshAnswer {
                serial: serial(content),
                sequence: 11,
                status,
                this_update: time(THIS_UPDATE),
                produced_at: time(THIS_UPDATE),
                next_update: time(NEXT_UPDATE),
                next_sign: time(THIS_UPDATE + 86_400),
                single_extensions: None,
                columns: columns.clone(),
            })
            .collect()
    }
}

fn serial(content: &[u8]) -> SerialNumber {
    SerialNumber::from_content(content).expect("minimal")
}

/// `Extensions` with one invalidityDate.
const INVALIDITY_DATE: [u8; 28] =
    hex_literal::hex!("301a 3018 0603551d18 0411 180f 32303236303130323033303430355a");
