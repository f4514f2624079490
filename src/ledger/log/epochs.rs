//! Epochs: where the sequence jumps, while the log goes on.
//!
//! A ledger begins with epoch 1, from sequence 1 and leaf 0. Restoring a backup opens another, whose
//! sequence begins above every number that the lost ledger may have used; the leaves have no gap.
//!
//! An epoch's number counts within one ledger: restoring the same backup twice opens two epochs 2. What
//! names an epoch for good is the sequence of its first entry, which is never given twice; checkpoints
//! use that.
//!
//! In `meta`, "epoch" ‖ number u32:
//!
//! ```text
//!      8  the sequence of its first entry
//!      8  the index of that entry's leaf
//! ```

use crate::octets::Octets;

/// Entries that are numbered without a gap.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Epoch {
    /// Its number in this ledger, from 1.
    pub number: u32,
    /// The sequence of its first entry.
    pub first_sequence: u64,
    /// The index of that entry's leaf, from 0.
    pub first_leaf: u64,
}

impl Epoch {
    /// The first of a new ledger.
    pub const FIRST: Self = Self {
        number: 1,
        first_sequence: 1,
        first_leaf: 0,
    };

    pub(in crate::ledger) fn encode(&self) -> [[u8; 8]; 2] {
        [
            self.first_sequence.to_be_bytes(),
            self.first_leaf.to_be_bytes(),
        ]
    }

    pub(in crate::ledger) fn decode(number: u32, value: &[u8]) -> Option<Self> {
        let mut octets = Octets::new(value);
        let epoch = Self {
            number,
            first_sequence: octets.u64()?,
            first_leaf: octets.u64()?,
        };
        octets.is_empty().then_some(epoch)
    }
}

/// All epochs of a ledger, in order; says which leaf has which sequence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Epochs(Vec<Epoch>);

impl Default for Epochs {
    fn default() -> Self {
        Self(vec![Epoch::FIRST])
    }
}

impl Epochs {
    /// Checks that they follow one another: numbered from 1, the first from sequence 1 and leaf 0, and
    /// each from a sequence above all of the one before. `None` if they do not.
    #[must_use]
    pub fn new(epochs: Vec<Epoch>) -> Option<Self> {
        if epochs.first() != Some(&Epoch::FIRST) {
            return None;
        }
        for pair in epochs.windows(2) {
            let [before, next] = pair else { continue };
            let leaves = next.first_leaf.checked_sub(before.first_leaf)?;
            let end = before.first_sequence.checked_add(leaves)?;
            if before.number.checked_add(1) != Some(next.number) || next.first_sequence < end {
                return None;
            }
        }
        Some(Self(epochs))
    }

    /// In order; never empty.
    #[must_use]
    pub fn as_slice(&self) -> &[Epoch] {
        &self.0
    }

    /// The one that entries are appended to.
    #[must_use]
    pub fn last(&self) -> Epoch {
        self.0.last().copied().unwrap_or(Epoch::FIRST)
    }

    /// The one that the leaf with this index is in.
    #[must_use]
    pub fn of_leaf(&self, leaf: u64) -> Epoch {
        let place = self.0.partition_point(|epoch| epoch.first_leaf <= leaf);
        let epoch = place.checked_sub(1).and_then(|place| self.0.get(place));
        epoch.copied().unwrap_or(Epoch::FIRST)
    }

    /// The index of the leaf of the entry with this sequence; `None` for a number in a gap between
    /// epochs. Of the last epoch, whether there are that many leaves is for the caller to know.
    #[must_use]
    pub fn leaf_of(&self, sequence: u64) -> Option<u64> {
        let place = self
            .0
            .partition_point(|epoch| epoch.first_sequence <= sequence);
        let epoch = self.0.get(place.checked_sub(1)?)?;
        let offset = sequence.checked_sub(epoch.first_sequence)?;
        let leaf = epoch.first_leaf.checked_add(offset)?;
        let ends = self.0.get(place).map(|next| next.first_leaf);
        ends.is_none_or(|end| leaf < end).then_some(leaf)
    }

    /// The sequence of the entry that is the leaf with this index. Whether there is such a leaf is for
    /// the caller to know; `None` when no sequence could have that number.
    #[must_use]
    pub fn sequence_of(&self, leaf: u64) -> Option<u64> {
        let place = self.0.partition_point(|epoch| epoch.first_leaf <= leaf);
        let epoch = self.0.get(place.checked_sub(1)?)?;
        let offset = leaf.checked_sub(epoch.first_leaf)?;
        epoch.first_sequence.checked_add(offset)
    }

    /// The sequence of the entry that comes next after number `sequence`, whether there is one yet or
    /// not: one more, or where the epoch ended, the first of the next one.
    #[must_use]
    pub fn next_after(&self, sequence: u64) -> Option<u64> {
        let next = sequence.checked_add(1)?;
        if self.leaf_of(next).is_some() {
            return Some(next);
        }
        let later = self.0.iter().find(|epoch| {
            epoch.first_sequence > sequence && self.leaf_of(epoch.first_sequence).is_some()
        })?;
        Some(later.first_sequence)
    }

    /// Adds one; whether it follows those before it.
    pub(in crate::ledger) fn push(&mut self, epoch: Epoch) -> bool {
        let mut epochs = self.0.clone();
        epochs.push(epoch);
        match Self::new(epochs) {
            Some(epochs) => {
                *self = epochs;
                true
            }
            None => false,
        }
    }
}
