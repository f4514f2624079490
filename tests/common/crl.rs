//! CRLs made by hand, for what `openssl ca` does not write. They are signed by `openssl dgst`.

use super::ca::OpensslCa;
use super::clock::{generalized_time, now};
use super::der::{children, only, tlv};
use super::tools::text;

/// A CRL in parts; [`CrlParts::sign`] makes it whole.
#[derive(Clone, Debug)]
pub struct CrlParts {
    /// Seconds since 1970.
    pub this_update: u64,
    /// Seconds since 1970.
    pub next_update: Option<u64>,
    /// crlEntries, each whole.
    pub entries: Vec<Vec<u8>>,
    /// crlExtensions, each whole, beside authorityKeyIdentifier.
    pub extensions: Vec<Vec<u8>>,
    /// keyIdentifier; the CA's own when `None`.
    pub key_id: Option<Vec<u8>>,
    /// AlgorithmIdentifier.
    pub algorithm: Vec<u8>,
    /// The digest as `openssl dgst` calls it.
    pub digest: &'static str,
    /// issuer, the whole Name; the CA's own when `None`.
    pub issuer: Option<Vec<u8>>,
}

impl CrlParts {
    /// A CRL with this number, made a minute ago, that ends tomorrow.
    pub fn new(number: u8) -> Self {
        let now = now();
        Self {
            this_update: now - 60,
            next_update: Some(now + 86_400),
            entries: Vec::new(),
            extensions: vec![extension(20, false, &tlv(2, &[number]))],
            key_id: None,
            algorithm: vec![
                0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
            ],
            digest: "-sha256",
            issuer: None,
        }
    }

    /// The same with these entries: serial number and reasonCode.
    pub fn with(mut self, entries: &[(u32, u8)]) -> Self {
        self.entries = entries
            .iter()
            .map(|(number, reason)| {
                let list = match reason {
                    0 => vec![],
                    code => tlv(0x30, &extension(21, false, &tlv(0x0a, &[*code]))),
                };
                entry(&serial(*number), &list)
            })
            .collect();
        self
    }

    /// The same with one more extension.
    pub fn and(mut self, extension: Vec<u8>) -> Self {
        self.extensions.push(extension);
        self
    }

    /// The CRL in DER, signed by the key of the CA in this file.
    pub fn sign(&self, ca: &OpensslCa, key: &str) -> Vec<u8> {
        let (subject, key_id) = subject_and_key_id(ca, "ca.pem");
        let name = self.issuer.clone().unwrap_or(subject);
        let key_id = self.key_id.clone().unwrap_or(key_id);
        let mut list = extension(35, false, &tlv(0x30, &tlv(0x80, &key_id)));
        list.extend(self.extensions.concat());
        let entries = match self.entries.concat() {
            none if none.is_empty() => none,
            some => tlv(0x30, &some),
        };
        let next_update = self.next_update.map(time).unwrap_or_default();
        let tbs = [
            &[2, 1, 1][..],
            &self.algorithm,
            &name,
            &time(self.this_update),
            &next_update,
            &entries,
            &tlv(0xa0, &tlv(0x30, &list)),
        ];
        let tbs = tlv(0x30, &tbs.concat());
        std::fs::write(ca.path("tbs"), &tbs).expect("tbs");
        ca.openssl(&format!(
            "dgst {} -sign {key} -out tbs.signature tbs",
            self.digest
        ));
        let signature = std::fs::read(ca.path("tbs.signature")).expect("a signature");
        let signature = tlv(3, &[&[0][..], &signature].concat());
        tlv(0x30, &[tbs, self.algorithm.clone(), signature].concat())
    }
}

/// Three octets, so that it is positive.
pub fn serial(number: u32) -> Vec<u8> {
    let [_, a, b, c] = (0x01_0000 + number).to_be_bytes();
    vec![a, b, c]
}

/// An entry revoked on 2026-01-05T12:00:00Z; `list` is its crlEntryExtensions, whole or empty.
pub fn entry(serial: &[u8], list: &[u8]) -> Vec<u8> {
    let date = tlv(0x17, b"260105120000Z");
    tlv(0x30, &[&tlv(2, serial), &date, list].concat())
}

/// An extension under 2.5.29.
pub fn extension(number: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    let oid = [6, 3, 0x55, 0x1d, number];
    tlv(0x30, &[&oid, critical, &tlv(4, value)].concat())
}

/// UTCTime, which RFC 5280 asks for until 2049.
fn time(secs: u64) -> Vec<u8> {
    tlv(0x17, &generalized_time(secs).as_bytes()[2..])
}

/// The subject and the subjectKeyIdentifier of a certificate.
pub fn subject_and_key_id(ca: &OpensslCa, certificate: &str) -> (Vec<u8>, Vec<u8>) {
    let der = ca.path(&format!("{certificate}.der"));
    ca.openssl_with(&[
        "x509",
        "-in",
        certificate,
        "-outform",
        "DER",
        "-out",
        text(&der),
    ]);
    let der = std::fs::read(der).expect("a certificate");
    let tbs = children(only(&der, 0x30))[0].content;
    let fields = children(tbs);
    let list = fields.iter().find(|field| field.tag == 0xa3).expect("v3");
    let key_id = children(only(list.content, 0x30))
        .into_iter()
        .map(|one| children(one.content))
        .find(|parts| parts[0].content == [0x55, 0x1d, 14])
        .map(|parts| only(parts[1].content, 4).to_vec())
        .expect("a subjectKeyIdentifier");
    (fields[5].whole.to_vec(), key_id)
}
