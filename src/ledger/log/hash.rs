//! The hashes of the log's tree (RFC 6962 §2.1): SHA-256, a leaf's input told from a node's by its
//! first octet.

use aws_lc_rs::digest::{SHA256, digest};

/// A hash of the tree.
pub type Hash = [u8; HASH_OCTETS];

/// How long one is.
pub const HASH_OCTETS: usize = 32;

/// What is hashed for a leaf before the entry.
pub(in crate::ledger) const LEAF_PREFIX: u8 = 0;
const NODE_PREFIX: u8 = 1;

/// The root of the tree without leaves: the hash of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// The hash of the leaf that is an entry in its canonical form.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut octets = Vec::with_capacity(entry.len().saturating_add(1));
    octets.push(LEAF_PREFIX);
    octets.extend_from_slice(entry);
    sha256(&octets)
}

/// The same, of octets that begin with the leaf's prefix: copies nothing.
pub(in crate::ledger) fn prefixed_leaf_hash(octets: &[u8]) -> Hash {
    debug_assert_eq!(octets.first(), Some(&LEAF_PREFIX));
    sha256(octets)
}

/// The hash of the node over two others.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut octets = [NODE_PREFIX; 1 + 2 * HASH_OCTETS];
    let [_, hashes @ ..] = &mut octets;
    let (first, second) = hashes.split_at_mut(HASH_OCTETS);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    sha256(&octets)
}

fn sha256(octets: &[u8]) -> Hash {
    let hash = digest(&SHA256, octets);
    hash.as_ref()
        .try_into()
        .expect("a digest of SHA-256 has 32 octets")
}
