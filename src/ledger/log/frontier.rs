//! The right edge of the tree: all that appending needs to know of it.

use crate::octets::Octets;

use super::hash::{Hash, empty_root, node_hash};

/// What covers the first `size` entries: the root of the RFC 6962 tree over them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TreeHead {
    /// How many leaves the tree has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

impl Default for TreeHead {
    /// Of the tree without leaves.
    fn default() -> Self {
        let root = empty_root();
        Self { size: 0, root }
    }
}

/// The roots of the complete subtrees that a tree of some size is made of, the largest first: one for
/// each bit that is set in the size.
///
/// In `meta`:
///
/// ```text
///      8  size
///   n×32  the roots, the largest subtree's first; n is the number of bits set in the size
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Of a tree of `size` leaves; `None` when these are not as many as such a tree has.
    #[must_use]
    pub fn new(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        let expected = usize::try_from(size.count_ones()).ok()?;
        (peaks.len() == expected).then_some(Self { size, peaks })
    }

    /// How many leaves there are.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots, the largest subtree's first.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf by its hash. Calls `complete` with the level and the index in it of each node
    /// that is complete with it, the leaf itself (level 0) first.
    pub fn push(&mut self, leaf: Hash, mut complete: impl FnMut(u32, u64, &Hash)) {
        let index = self.size;
        self.size = index.saturating_add(1);
        let mut hash = leaf;
        complete(0, index, &hash);
        // Each low bit set in the index is a subtree as large as that which is complete now.
        for level in 0..index.trailing_ones() {
            let Some(left) = self.peaks.pop() else {
                break;
            };
            hash = node_hash(&left, &hash);
            let level = level.saturating_add(1);
            complete(level, index.checked_shr(level).unwrap_or(0), &hash);
        }
        self.peaks.push(hash);
    }

    /// The head of the tree as it is.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        let root = join(&self.peaks).unwrap_or_else(empty_root);
        let size = self.size;
        TreeHead { size, root }
    }

    pub(in crate::ledger) fn encode(&self) -> Vec<u8> {
        let mut octets = self.size.to_be_bytes().to_vec();
        octets.extend_from_slice(self.peaks.as_flattened());
        octets
    }

    pub(in crate::ledger) fn decode(value: &[u8]) -> Option<Self> {
        let mut octets = Octets::new(value);
        let size = octets.u64()?;
        let mut peaks = Vec::new();
        for _ in 0..size.count_ones() {
            peaks.push(octets.array()?);
        }
        octets.is_empty().then_some(Self { size, peaks })
    }
}

/// The root of the tree that has these complete subtrees, and behind them those of its last tile.
pub(in crate::ledger) fn joined_root(tiles: &[Hash], last: &[Hash]) -> Hash {
    let peaks = [tiles, last].concat();
    join(&peaks).unwrap_or_else(empty_root)
}

/// The root over subtrees that follow one another, the largest first; `None` for none. All but the
/// last are complete.
#[must_use]
pub fn join(peaks: &[Hash]) -> Option<Hash> {
    peaks
        .iter()
        .rev()
        .copied()
        .reduce(|right, left| node_hash(&left, &right))
}
