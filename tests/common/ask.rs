//! OCSP requests, built by hand around the hashes that OpenSSL computed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ca::OpensslCa;
use super::der::tlv;

/// The hash in a CertID.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hash {
    Sha1,
    Sha256,
    Sha384,
}

impl Hash {
    /// The ones that are signed ahead of time.
    pub const BOTH: [Self; 2] = [Self::Sha1, Self::Sha256];
    /// The ones that tests ask with.
    pub const ALL: [Self; 3] = [Self::Sha1, Self::Sha256, Self::Sha384];

    /// OpenSSL's option for it.
    pub const fn option(self) -> &'static str {
        match self {
            Self::Sha1 => "-sha1",
            Self::Sha256 => "-sha256",
            Self::Sha384 => "-sha384",
        }
    }
}

/// A CertID of a certificate of `ca`.
pub fn cert_id(ca: &OpensslCa, hash: Hash, serial: &str) -> Vec<u8> {
    let mut content = ca.cert_id_start(hash).to_vec();
    content.extend(tlv(0x02, &integer(serial)));
    tlv(0x30, &content)
}

/// A request for these CertIDs.
pub fn request_of_cert_ids(cert_ids: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &tlv(0x30, &request_list(cert_ids)))
}

fn request_list(cert_ids: &[Vec<u8>]) -> Vec<u8> {
    let requests: Vec<u8> = cert_ids
        .iter()
        .flat_map(|cert_id| tlv(0x30, cert_id))
        .collect();
    tlv(0x30, &requests)
}

/// A request for these serials.
pub fn request_of(ca: &OpensslCa, hash: Hash, serials: &[&str]) -> Vec<u8> {
    let cert_ids: Vec<_> = serials
        .iter()
        .map(|serial| cert_id(ca, hash, serial))
        .collect();
    request_of_cert_ids(&cert_ids)
}

/// A request for one serial with a nonce of `len` octets.
pub fn with_nonce(ca: &OpensslCa, hash: Hash, serial: &str, len: usize) -> Vec<u8> {
    with_extensions(&[cert_id(ca, hash, serial)], &[nonce(&vec![0xa5; len])])
}

/// A request for these CertIDs with these extensions.
pub fn with_extensions(cert_ids: &[Vec<u8>], extensions: &[Vec<u8>]) -> Vec<u8> {
    let extensions = tlv(0xa2, &tlv(0x30, &extensions.concat()));
    let list = request_list(cert_ids);
    tlv(0x30, &tlv(0x30, &[list, extensions].concat()))
}

/// The extension with this nonce, as it is in requests and in responses.
pub fn nonce(octets: &[u8]) -> Vec<u8> {
    extension(2, &tlv(0x04, octets))
}

/// The extension id-pkix-ocsp `number`, not critical.
pub fn extension(number: u8, value: &[u8]) -> Vec<u8> {
    let oid = [
        0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, number,
    ];
    tlv(0x30, &[&oid[..], &tlv(0x04, value)].concat())
}

/// The content octets of the INTEGER that `index.txt` writes as `serial`.
pub fn integer(serial: &str) -> Vec<u8> {
    let mut octets: Vec<u8> = (0..serial.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&serial[at..at + 2], 16).expect("pairs of hex digits"))
        .collect();
    while octets.len() > 1 && octets[0] == 0 {
        octets.remove(0);
    }
    if octets[0] >= 0x80 {
        octets.insert(0, 0);
    }
    octets
}

/// Every way in which clients and what lies between write `request` into a path below `mount`, each
/// with a name: they all have to be understood, and alike.
pub fn get_paths(mount: &str, request: &[u8]) -> Vec<(&'static str, String)> {
    let plain = STANDARD.encode(request);
    let escape = |lower: bool| {
        let mut out = String::new();
        for character in plain.chars() {
            match character {
                '/' => out.push_str(if lower { "%2f" } else { "%2F" }),
                '+' => out.push_str(if lower { "%2b" } else { "%2B" }),
                '=' => out.push_str(if lower { "%3d" } else { "%3D" }),
                other => out.push(other),
            }
        }
        out
    };
    let mut alternating = false;
    let mixed: String = plain
        .chars()
        .map(|character| match character {
            '/' => {
                alternating = !alternating;
                if alternating {
                    "%2f".to_owned()
                } else {
                    "/".to_owned()
                }
            }
            other => other.to_string(),
        })
        .collect();
    let every: String = plain.bytes().map(|octet| format!("%{octet:02X}")).collect();
    let bare = plain.trim_end_matches('=');
    let url = plain.replace('+', "-").replace('/', "_");
    vec![
        ("unescaped", format!("{mount}/{plain}")),
        ("escaped", format!("{mount}/{}", escape(false))),
        ("escaped in lower case", format!("{mount}/{}", escape(true))),
        ("some slashes escaped", format!("{mount}/{mixed}")),
        ("every octet escaped", format!("{mount}/{every}")),
        ("a slash too many", format!("{mount}//{plain}")),
        (
            "a slash too many, escaped",
            format!("{mount}//{}", escape(false)),
        ),
        ("without padding", format!("{mount}/{bare}")),
        ("base64url", format!("{mount}/{url}")),
        (
            "base64url without padding",
            format!("{mount}/{}", url.trim_end_matches('=')),
        ),
    ]
}
