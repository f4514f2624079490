//! The log: an RFC 6962 Merkle tree over the entries, so that one hash speaks for all of them.
//!
//! Each entry is a leaf, in the order of the sequence, appended in the batch that writes it: the leaf's
//! hash is SHA-256 of 0x00 and the entry's canonical octets, a node's that of 0x01 and the two hashes
//! below. Whoever holds a [`TreeHead`] can tell whether any entry before it was edited, removed, moved
//! or cut off. The index of a leaf is not its sequence: sequences jump where an epoch begins
//! ([`Epochs`]), leaves do not.
//!
//! Kept are the edge ([`Frontier`]) and the roots of complete tiles (`tiles`).

mod append;
mod edge;
mod epochs;
mod frontier;
mod hash;
mod nodes;
mod proof;
mod tiles;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::naive_root;

pub use epochs::{Epoch, Epochs};
pub use frontier::{Frontier, TreeHead, join as joined_peaks};
pub use hash::{HASH_OCTETS, Hash, empty_root, leaf_hash, node_hash};
pub use nodes::SnapshotNodes;
pub use proof::{
    Nodes, consistency_proof, head_at, inclusion_proof, peaks_at, proves_consistency,
    proves_inclusion,
};

pub(super) use append::Appender;
pub(super) use edge::check as check_edge;
pub(super) use frontier::joined_root;
pub(super) use hash::{LEAF_PREFIX, prefixed_leaf_hash};
pub(super) use tiles::{TILE_HEIGHT, TILE_WIDTH, key as tile_key};
