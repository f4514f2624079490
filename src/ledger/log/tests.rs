//! The tree against its definition, written down again as RFC 6962 §2.1 has it, and against the
//! vectors of the certificate-transparency reference implementation.

use hex_literal::hex;
use proptest::prelude::*;

use super::*;

/// MTH, by its definition.
pub(in crate::ledger) fn naive_root(leaves: &[Vec<u8>]) -> Hash {
    use sha2::{Digest, Sha256};
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => Sha256::digest([&[0], &leaf[..]].concat()).into(),
        leaves => {
            let k = leaves.len().next_power_of_two() / 2;
            let (left, right) = (naive_root(&leaves[..k]), naive_root(&leaves[k..]));
            Sha256::digest([&[1], &left[..], &right[..]].concat()).into()
        }
    }
}

/// certificate-transparency, `merkletree/merkle_tree_test.cc`: the leaves, and the roots of the trees
/// over the first 1, 2, … of them.
const LEAVES: [&[u8]; 8] = [
    &[],
    &[0x00],
    &[0x10],
    &[0x20, 0x21],
    &[0x30, 0x31],
    &[0x40, 0x41, 0x42, 0x43],
    &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
    &hex!("606162636465666768696a6b6c6d6e6f"),
];
const ROOTS: [Hash; 8] = [
    hex!("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    hex!("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    hex!("aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    hex!("d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    hex!("4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    hex!("76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    hex!("ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    hex!("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
];

#[test]
fn roots_are_those_of_the_reference_implementation() {
    let mut frontier = Frontier::default();
    let empty = hex!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(
        frontier.head(),
        TreeHead {
            size: 0,
            root: empty
        }
    );
    for (size, (leaf, root)) in (1..).zip(LEAVES.iter().zip(ROOTS)) {
        frontier.push(leaf_hash(leaf), |_, _, _| {});
        assert_eq!(frontier.head(), TreeHead { size, root });
    }
    let first: Vec<_> = LEAVES.iter().map(|leaf| leaf.to_vec()).collect();
    assert_eq!(naive_root(&first), ROOTS[7]);
}

#[test]
fn epochs_say_which_leaf_has_which_sequence() {
    let epoch = |number, first_sequence, first_leaf| Epoch {
        number,
        first_sequence,
        first_leaf,
    };
    // Sequences 1 to 3, none, 10 to 14, 20 on.
    let epochs = Epochs::new(vec![
        Epoch::FIRST,
        epoch(2, 8, 3),
        epoch(3, 10, 3),
        epoch(4, 20, 8),
    ])
    .unwrap();
    let sequences: Vec<_> = (0..11).map(|leaf| epochs.sequence_of(leaf)).collect();
    let expected = [1, 2, 3, 10, 11, 12, 13, 14, 20, 21, 22];
    assert_eq!(sequences, expected.map(Some));
    for (leaf, sequence) in (0..).zip(expected) {
        assert_eq!(epochs.leaf_of(sequence), Some(leaf));
    }
    for gap in [0, 4, 7, 8, 9, 15, 19] {
        assert_eq!(epochs.leaf_of(gap), None, "{gap}");
    }
    let mut sequence = 0;
    for next in expected {
        assert_eq!(epochs.next_after(sequence), Some(next));
        sequence = next;
    }
    assert_eq!(epochs.next_after(5), Some(10));
    assert_eq!(epochs.next_after(14), Some(20));
    assert_eq!(epochs.next_after(u64::MAX), None);

    for wrong in [
        vec![],
        vec![epoch(1, 2, 0)],
        vec![epoch(2, 1, 0)],
        vec![Epoch::FIRST, epoch(3, 10, 2)],
        vec![Epoch::FIRST, epoch(2, 2, 2)],
        vec![Epoch::FIRST, epoch(2, 10, 2), epoch(3, 20, 1)],
        vec![Epoch::FIRST, epoch(2, u64::MAX, 2), epoch(3, u64::MAX, 4)],
    ] {
        assert_eq!(Epochs::new(wrong.clone()), None, "{wrong:?}");
    }
}

proptest! {
    #[test]
    fn the_edge_gives_the_root_of_the_naive_tree(
        leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..600),
    ) {
        let mut frontier = Frontier::default();
        let mut complete = 0_u64;
        for leaf in &leaves {
            frontier.push(leaf_hash(leaf), |level, index, hash| {
                complete += 1;
                let width = 1_usize << level;
                let first = usize::try_from(index).unwrap() * width;
                assert_eq!(*hash, naive_root(&leaves[first..first + width]));
            });
        }
        prop_assert_eq!(frontier.head().root, naive_root(&leaves));
        prop_assert_eq!(frontier.size(), u64::try_from(leaves.len()).unwrap());
        // A tree over n leaves has 2n - (bits set in n) complete nodes.
        let peaks = u64::from(frontier.size().count_ones());
        prop_assert_eq!(complete, 2 * frontier.size() - peaks);
        let octets = frontier.encode();
        prop_assert_eq!(Frontier::decode(&octets), Some(frontier));
        prop_assert_eq!(Frontier::decode(&octets[..octets.len() - 1]), None);
        prop_assert_eq!(Frontier::decode(&[&octets[..], &[0]].concat()), None);
    }
}

// --- Proofs ------------------------------------------------------------------------------------

/// Nodes by their definition.
struct NaiveNodes<'a>(&'a [Vec<u8>]);

impl Nodes for NaiveNodes<'_> {
    type Error = std::convert::Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        let width = 1_usize << level;
        let first = usize::try_from(index).unwrap() * width;
        Ok(naive_root(&self.0[first..first + width]))
    }
}

/// PATH(m, D), by its definition.
fn naive_path(m: usize, leaves: &[Vec<u8>]) -> Vec<Hash> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (mut path, beside) = match m < k {
        true => (naive_path(m, &leaves[..k]), naive_root(&leaves[k..])),
        false => (naive_path(m - k, &leaves[k..]), naive_root(&leaves[..k])),
    };
    path.push(beside);
    path
}

/// SUBPROOF(m, D, b), by its definition.
fn naive_subproof(m: usize, leaves: &[Vec<u8>], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return match whole {
            true => Vec::new(),
            false => vec![naive_root(leaves)],
        };
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (mut path, beside) = match m <= k {
        true => (
            naive_subproof(m, &leaves[..k], whole),
            naive_root(&leaves[k..]),
        ),
        false => (
            naive_subproof(m - k, &leaves[k..], false),
            naive_root(&leaves[..k]),
        ),
    };
    path.push(beside);
    path
}

fn reference_leaves() -> Vec<Vec<u8>> {
    LEAVES.iter().map(|leaf| leaf.to_vec()).collect()
}

/// certificate-transparency, `merkletree/merkle_tree_test.cc`: paths and consistency proofs.
#[test]
fn proofs_are_those_of_the_reference_implementation() {
    let leaves = reference_leaves();
    let mut nodes = NaiveNodes(&leaves);
    let a = hex!("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7");
    let b = hex!("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e");
    let c = hex!("6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4");
    let d = hex!("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b");
    let e = hex!("ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0");
    let f = hex!("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a");
    let three = ROOTS[3];
    assert_eq!(inclusion_proof(&mut nodes, 0, 8), Ok(vec![a, b, c]));
    assert_eq!(inclusion_proof(&mut nodes, 5, 8), Ok(vec![d, e, three]));
    assert_eq!(consistency_proof(&mut nodes, 1, 1), Ok(vec![]));
    assert_eq!(consistency_proof(&mut nodes, 1, 8), Ok(vec![a, b, c]));
    assert_eq!(consistency_proof(&mut nodes, 6, 8), Ok(vec![f, e, three]));
    assert_eq!(consistency_proof(&mut nodes, 2, 5), Ok(vec![b, d]));
}

#[test]
fn every_proof_of_small_trees_is_that_of_the_definition_and_no_other_is_believed() {
    let leaves: Vec<Vec<u8>> = (0..33_u8).map(|octet| vec![octet]).collect();
    let head = |size: usize| TreeHead {
        size: u64::try_from(size).unwrap(),
        root: naive_root(&leaves[..size]),
    };
    for size in 1..=leaves.len() {
        let mut nodes = NaiveNodes(&leaves);
        let new = head(size);
        assert_eq!(head_at(&mut nodes, new.size), Ok(new));
        for index in 0..size {
            let place = u64::try_from(index).unwrap();
            let path = inclusion_proof(&mut nodes, place, new.size).unwrap();
            assert_eq!(path, naive_path(index, &leaves[..size]));
            let leaf = leaf_hash(&leaves[index]);
            assert!(proves_inclusion(&path, &leaf, place, &new));
            assert!(!proves_inclusion(&path, &leaf, place + 1, &new));
            assert!(!proves_inclusion(&path, &leaf_hash(b"other"), place, &new));
            let longer = [&path[..], &[leaf]].concat();
            assert!(!proves_inclusion(&longer, &leaf, place, &new));
            if let Some((_, shorter)) = path.split_last() {
                assert!(!proves_inclusion(shorter, &leaf, place, &new));
            }
        }
        for old in 0..=size {
            let old = head(old);
            let path = consistency_proof(&mut nodes, old.size, new.size).unwrap();
            if old.size > 0 {
                let m = usize::try_from(old.size).unwrap();
                assert_eq!(path, naive_subproof(m, &leaves[..size], true));
            }
            assert!(proves_consistency(&path, &old, &new), "{} {size}", old.size);
            let forged = TreeHead {
                root: [7; 32],
                ..old
            };
            assert!(!proves_consistency(&path, &forged, &new));
            let forged = TreeHead {
                root: [7; 32],
                ..new
            };
            assert_eq!(proves_consistency(&path, &old, &forged), old.size == 0);
            let longer = [&path[..], &[[9; 32]]].concat();
            assert!(!proves_consistency(&longer, &old, &new));
        }
    }
}
