//! How a CertID names an issuer: the hashes of its name and of its key (RFC 6960 §4.1.1).

use std::hash::{Hash, Hasher};

use super::{HashAlgorithm, HashValue};

/// issuerNameHash and issuerKeyHash under one algorithm.
///
/// Made from an issuer's certificate for the tables, or from a CertID for the look-up; it is the key
/// of the former and costs no allocation in the latter. Both hashes count: an equal key under
/// another name is another issuer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IssuerHashes {
    algorithm: HashAlgorithm,
    name: HashValue,
    key: HashValue,
}

impl IssuerHashes {
    /// The hashes of an issuer.
    ///
    /// `subject_der` is its `Name` exactly as certificates carry it, `public_key_octets` its
    /// subjectPublicKey without tag, length and unused-bits octet.
    #[must_use]
    pub fn new(algorithm: HashAlgorithm, subject_der: &[u8], public_key_octets: &[u8]) -> Self {
        Self {
            algorithm,
            name: algorithm.digest(subject_der),
            key: algorithm.digest(public_key_octets),
        }
    }

    /// Hashes computed elsewhere; `None` unless both have the length of the algorithm's output.
    #[must_use]
    pub fn from_hashes(algorithm: HashAlgorithm, name: &[u8], key: &[u8]) -> Option<Self> {
        let len = algorithm.output_len();
        (name.len() == len && key.len() == len).then(|| Self {
            algorithm,
            name: HashValue::new(name),
            key: HashValue::new(key),
        })
    }

    /// The algorithm of both hashes.
    #[must_use]
    pub const fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// issuerNameHash.
    #[must_use]
    pub fn name_hash(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// issuerKeyHash.
    #[must_use]
    pub fn key_hash(&self) -> &[u8] {
        self.key.as_bytes()
    }
}

impl Hash for IssuerHashes {
    /// Feeds only the octets in use: a look-up hashes 40 octets for SHA-1, not 128.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.name_hash());
        state.write(self.key_hash());
    }
}
