//! The issuers that are answered for, and how a CertID names them.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use crate::identity::IssuerId;
use crate::ocsp::{HashAlgorithm, IssuerHashes};

/// What is said of a serial that was never issued.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum NotIssued {
    /// The unsigned OCSPResponseStatus `unauthorized` (RFC 9919 §3.2.3).
    #[default]
    Unauthorized,
    /// A signed `unknown` (RFC 6960 §2.2).
    Unknown,
    /// A signed `revoked` with the extended-revoke extension (RFC 6960 §2.2, §4.4.8).
    ExtendedRevoked,
    /// A signed `good`, for an issuer that is fed by CRLs alone.
    Good,
}

/// How an issuer's requests are answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IssuerPolicy {
    /// For a serial that was never issued.
    pub not_issued: NotIssued,
    /// The longest max-age that a cache is told.
    pub cache_max_age: Duration,
    /// Whether a nonce is echoed, for which an answer has to be signed.
    pub echoes_nonce: bool,
    /// Whether whoever asks for it gets a fresh signature where a presigned answer would do.
    pub signs_afresh: bool,
    /// Whether the presigned answer goes out where the one with the nonce, or the fresh one, does not
    /// come in time. Else it is `tryLater`.
    pub presigned_when_busy: bool,
    /// Whether it has signers of other algorithms, which a client may prefer.
    pub has_other_algorithms: bool,
}

impl Default for IssuerPolicy {
    fn default() -> Self {
        Self {
            not_issued: NotIssued::default(),
            cache_max_age: Duration::from_secs(3600),
            echoes_nonce: false,
            signs_afresh: false,
            presigned_when_busy: false,
            has_other_algorithms: false,
        }
    }
}

/// One issuer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuerEntry {
    /// Its name and key.
    pub id: IssuerId,
    /// What operators call it.
    pub name: String,
    /// DER of its `Name`, as its certificate carries it.
    pub subject_der: Vec<u8>,
    /// The value of its subjectPublicKey BIT STRING without the unused-bits octet.
    pub public_key_octets: Vec<u8>,
    /// How it is answered for.
    pub policy: IssuerPolicy,
}

/// All issuers, found by id or by the hashes in a CertID.
#[derive(Clone, Debug, Default)]
pub struct IssuerTable {
    entries: Vec<Arc<IssuerEntry>>,
    by_id: HashMap<IssuerId, usize>,
    by_hashes: HashMap<IssuerHashes, usize, FirstOctets>,
}

impl IssuerTable {
    /// A table of these issuers, each under the hashes of all four algorithms.
    ///
    /// # Errors
    /// [`IssuerTableError`] when two entries cannot be told apart.
    pub fn new(entries: Vec<IssuerEntry>) -> Result<Self, IssuerTableError> {
        let mut table = Self::default();
        for entry in entries {
            let place = table.entries.len();
            if let Some(other) = table.by_id.insert(entry.id, place) {
                return Err(table.twice(other, entry));
            }
            for algorithm in HashAlgorithm::ALL {
                let hashes =
                    IssuerHashes::new(algorithm, &entry.subject_der, &entry.public_key_octets);
                if let Some(other) = table.by_hashes.insert(hashes, place) {
                    return Err(table.twice(other, entry));
                }
            }
            table.entries.push(Arc::new(entry));
        }
        Ok(table)
    }

    /// The issuers in the order given.
    #[must_use]
    pub fn entries(&self) -> &[Arc<IssuerEntry>] {
        &self.entries
    }

    /// The place of an issuer in [`IssuerTable::entries`].
    #[must_use]
    pub fn position(&self, id: &IssuerId) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// The place of the issuer whose name and key have these hashes. No allocation.
    #[must_use]
    pub fn position_by_hashes(&self, hashes: &IssuerHashes) -> Option<usize> {
        self.by_hashes.get(hashes).copied()
    }

    fn twice(&self, other: usize, entry: IssuerEntry) -> IssuerTableError {
        IssuerTableError::Twice {
            one: self
                .entries
                .get(other)
                .map_or_else(String::new, |other| other.name.clone()),
            other: entry.name,
        }
    }
}

/// Why there is no such table.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerTableError {
    /// Two entries with one name and key: no CertID could tell them apart.
    #[error("issuers {one:?} and {other:?} have the same name and key")]
    Twice {
        /// The first one.
        one: String,
        /// The second one.
        other: String,
    },
}

/// Hashes [`IssuerHashes`] by the first octets of each of their hashes, which are uniform already. A
/// requester can choose what to look up, not what is there, so this is no way to make it slow.
#[derive(Clone, Copy, Debug, Default)]
struct FirstOctets;

impl BuildHasher for FirstOctets {
    type Hasher = Word;

    fn build_hasher(&self) -> Word {
        Word(0)
    }
}

struct Word(u64);

impl Hasher for Word {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        let first = octets
            .first_chunk()
            .map_or(0, |chunk| u64::from_be_bytes(*chunk));
        self.0 = self.0.rotate_left(32) ^ first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, subject: u8, key: u8) -> IssuerEntry {
        IssuerEntry {
            id: IssuerId::new(&[subject; 10], &[key; 20]),
            name: name.to_owned(),
            subject_der: vec![subject; 10],
            public_key_octets: vec![key; 20],
            policy: IssuerPolicy::default(),
        }
    }

    #[test]
    fn an_issuer_is_found_by_each_hash_of_its_name_and_its_key_together() {
        // One name with two keys, and one key under two names.
        let entries = [entry("a", 1, 1), entry("b", 1, 2), entry("c", 2, 2)];
        let table = IssuerTable::new(entries.to_vec()).unwrap();
        for algorithm in HashAlgorithm::ALL {
            let find = |subject: &[u8], key: &[u8]| {
                table.position_by_hashes(&IssuerHashes::new(algorithm, subject, key))
            };
            for (place, entry) in entries.iter().enumerate() {
                let (subject, key) = (&entry.subject_der, &entry.public_key_octets);
                assert_eq!(find(subject, key), Some(place));
                assert_eq!(find(key, subject), None);
            }
            assert_eq!(find(&[2; 10], &[1; 20]), None);
        }
        assert_eq!(table.position(&entries[2].id), Some(2));
    }

    #[test]
    fn two_issuers_that_no_request_can_tell_apart_are_refused() {
        let error = IssuerTable::new(vec![entry("a", 1, 1), entry("b", 1, 1)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "issuers \"a\" and \"b\" have the same name and key"
        );
        // The same key bits under another algorithm identifier: another id, the same CertID.
        let mut other = entry("b", 1, 1);
        other.id = IssuerId::from_bytes([9; 32]);
        assert!(IssuerTable::new(vec![entry("a", 1, 1), other]).is_err());
    }
}
