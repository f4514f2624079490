//! responderID: who signed (RFC 6960 §4.2.1).

use super::HashAlgorithm;
use crate::asn1::{put_header, put_tlv, tag, tlv_len};

/// ```text
/// ResponderID ::= CHOICE { byName [1] Name, byKey [2] KeyHash }
/// KeyHash ::= OCTET STRING  -- SHA-1 of the responder's public key bits
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum ResponderId {
    /// What new responders use (RFC 9919 §3.2.2). SHA-1 by definition, not as a security measure.
    ByKey([u8; 20]),
    /// The signer's subject, a whole DER `Name`; for old clients.
    ByName(Vec<u8>),
}

impl ResponderId {
    /// The byKey form for the signer with this subjectPublicKey (without tag, length and unused-bits
    /// octet): its own key, neither its AKI nor its literal SKI.
    #[must_use]
    pub fn by_key(public_key_octets: &[u8]) -> Self {
        let hash = HashAlgorithm::Sha1.digest(public_key_octets);
        let mut key_hash = [0; 20];
        for (place, octet) in key_hash.iter_mut().zip(hash.as_bytes()) {
            *place = *octet;
        }
        Self::ByKey(key_hash)
    }

    pub(super) fn der_len(&self) -> usize {
        match self {
            Self::ByKey(key_hash) => tlv_len(tlv_len(key_hash.len())),
            Self::ByName(name) => tlv_len(name.len()),
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::ByKey(key_hash) => {
                put_header(out, tag::constructed(2), tlv_len(key_hash.len()));
                put_tlv(out, tag::OCTET_STRING, key_hash);
            }
            Self::ByName(name) => put_tlv(out, tag::constructed(1), name),
        }
    }
}
