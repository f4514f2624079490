//! Proofs (RFC 6962 §2.1.1, §2.1.2): that an entry is in a tree, and that one tree begins with
//! another. Made from whatever gives the nodes of complete subtrees, judged from hashes alone.

use super::{
    frontier::{TreeHead, join},
    hash::{Hash, empty_root, node_hash},
};

/// Gives the roots of complete subtrees.
pub trait Nodes {
    /// Why one cannot be given.
    type Error;

    /// The root of the `index`-th subtree of 2^`level` leaves, which must be complete.
    ///
    /// # Errors
    /// When it cannot be given.
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The head of the tree over the first `size` leaves.
///
/// # Errors
/// When a node cannot be given.
pub fn head_at<N: Nodes>(nodes: &mut N, size: u64) -> Result<TreeHead, N::Error> {
    let root = match size {
        0 => empty_root(),
        _ => range_root(nodes, 0, size)?,
    };
    Ok(TreeHead { size, root })
}

/// The proof that leaf `index` is in the tree over the first `size` leaves: the hashes beside the way
/// from the leaf to the root, the leaf's neighbour first. `index` must be smaller than `size`.
///
/// # Errors
/// When a node cannot be given.
pub fn inclusion_proof<N: Nodes>(
    nodes: &mut N,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, N::Error> {
    let (mut first, mut end) = (0_u64, size);
    let mut path = Vec::new();
    // At most 64 steps: the range is split each time.
    while end.saturating_sub(first) > 1 {
        let middle = first.saturating_add(left_width(end.saturating_sub(first)));
        if index < middle {
            path.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(nodes, first, middle)?);
            first = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree over the first `new` leaves begins with that over the first `old` ones.
/// Empty for `old` = 0 and for `old` = `new`; `old` may not be larger.
///
/// # Errors
/// When a node cannot be given.
pub fn consistency_proof<N: Nodes>(
    nodes: &mut N,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, N::Error> {
    let mut path = Vec::new();
    if old == 0 || old >= new {
        return Ok(path);
    }
    let (mut first, mut end) = (0_u64, new);
    let mut is_whole_old = true;
    while end != old {
        let middle = first.saturating_add(left_width(end.saturating_sub(first)));
        if old <= middle {
            path.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(nodes, first, middle)?);
            first = middle;
            is_whole_old = false;
        }
    }
    if !is_whole_old {
        path.push(range_root(nodes, first, end)?);
    }
    path.reverse();
    Ok(path)
}

/// Whether `path` proves that `leaf` is the `index`-th of the tree with this head.
#[must_use]
pub fn proves_inclusion(path: &[Hash], leaf: &Hash, index: u64, head: &TreeHead) -> bool {
    // RFC 9162 §2.1.3.2.
    if index >= head.size {
        return false;
    }
    let (mut node, mut last) = (index, head.size.saturating_sub(1));
    let mut hash = *leaf;
    for beside in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(beside, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, beside);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && hash == head.root
}

/// Whether `path` proves that the tree with the head `new` begins with that with the head `old`.
#[must_use]
pub fn proves_consistency(path: &[Hash], old: &TreeHead, new: &TreeHead) -> bool {
    // RFC 9162 §2.1.4.2.
    if old.size == 0 {
        return path.is_empty() && old.root == empty_root();
    }
    if old.size >= new.size {
        return path.is_empty() && old == new;
    }
    let (mut node, mut last) = (old.size.saturating_sub(1), new.size.saturating_sub(1));
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let mut path = path.iter();
    // Where the old tree is one complete subtree, its root is where the way begins.
    let start = match node {
        0 => Some(&old.root),
        _ => path.next(),
    };
    let Some(start) = start else {
        return false;
    };
    let (mut old_root, mut new_root) = (*start, *start);
    for beside in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_root = node_hash(beside, &old_root);
            new_root = node_hash(beside, &new_root);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new_root = node_hash(&new_root, beside);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && old_root == old.root && new_root == new.root
}

/// The root over the leaves from `first` to before `end`, which is not empty. `first` is a multiple of
/// every power of two that is smaller than the range is long, as all ranges of these proofs begin.
fn range_root<N: Nodes>(nodes: &mut N, first: u64, end: u64) -> Result<Hash, N::Error> {
    Ok(join(&range_peaks(nodes, first, end)?).unwrap_or_else(empty_root))
}

/// The roots of the complete subtrees of the tree over the first `size` leaves, the largest first.
///
/// # Errors
/// When a node cannot be given.
pub fn peaks_at<N: Nodes>(nodes: &mut N, size: u64) -> Result<Vec<Hash>, N::Error> {
    range_peaks(nodes, 0, size)
}

fn range_peaks<N: Nodes>(nodes: &mut N, mut first: u64, end: u64) -> Result<Vec<Hash>, N::Error> {
    let mut peaks = Vec::new();
    while first < end {
        // The largest complete subtree that begins here and ends in time.
        let width = end.saturating_sub(first);
        let level = width.ilog2();
        let index = first.checked_shr(level).unwrap_or(0);
        peaks.push(nodes.node(level, index)?);
        first = first.saturating_add(1_u64.checked_shl(level).unwrap_or(u64::MAX));
    }
    Ok(peaks)
}

/// How many leaves the left part of a tree of `size` has: the largest power of two below `size`.
const fn left_width(size: u64) -> u64 {
    let below = size.saturating_sub(1);
    match below.checked_ilog2() {
        Some(level) => 1 << level,
        None => 0,
    }
}
