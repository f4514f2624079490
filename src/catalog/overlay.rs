//! The overlay: what changed since the segments were signed.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::publication::{FreshAnswer, MaskEntry};
use crate::identity::{IssuerId, SerialHash, SerialNumber};
use crate::segment::RecordStatus;

/// With more entries than this an overlay should be sealed into a patch: entries cost memory and, after
/// a restart, time to publish again.
pub const OVERLAY_ENTRIES_MAX: usize = 1 << 16;

/// Buckets are chosen by the highest bits of the hash, like shards, so that a shard's entries lie
/// together. At [`OVERLAY_ENTRIES_MAX`] a bucket has 64.
const BUCKET_BITS: u32 = 10;
const BUCKETS: usize = 1 << BUCKET_BITS;

/// Entries by serial, immutable; a changed overlay shares all buckets that did not change.
///
/// One change copies 1024 pointers and one bucket.
#[derive(Clone, Debug, Default)]
pub(super) struct Overlay {
    len: usize,
    /// `None` when there is no entry.
    buckets: Option<Arc<[Bucket]>>,
}

/// Sorted by hash and serial.
type Bucket = Arc<[OverlayEntry]>;

/// What is known of one serial besides the segments.
#[derive(Clone, Debug)]
pub struct OverlayEntry {
    hash: SerialHash,
    serial: SerialNumber,
    sequence: u64,
    truth: OverlayTruth,
}

/// A status, with or without a signed answer.
#[derive(Clone, Debug)]
pub enum OverlayTruth {
    /// Known and not signed.
    Masked(RecordStatus),
    /// Signed.
    Fresh(Arc<FreshAnswer>),
}

impl OverlayEntry {
    pub(super) fn masked(issuer: &IssuerId, mask: &MaskEntry) -> Self {
        Self {
            hash: SerialHash::new(issuer, mask.serial.as_bytes()),
            serial: mask.serial,
            sequence: mask.sequence,
            truth: OverlayTruth::Masked(mask.status),
        }
    }

    pub(super) fn fresh(issuer: &IssuerId, answer: &FreshAnswer) -> Self {
        Self {
            hash: SerialHash::new(issuer, answer.serial.as_bytes()),
            serial: answer.serial,
            sequence: answer.sequence,
            truth: OverlayTruth::Fresh(Arc::new(answer.clone())),
        }
    }

    /// The serial's place among shards.
    #[must_use]
    pub const fn hash(&self) -> SerialHash {
        self.hash
    }

    /// The serial.
    #[must_use]
    pub const fn serial(&self) -> &SerialNumber {
        &self.serial
    }

    /// The ledger sequence that the entry speaks for.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What it says.
    #[must_use]
    pub const fn truth(&self) -> &OverlayTruth {
        &self.truth
    }

    /// The status, signed or not.
    #[must_use]
    pub fn status(&self) -> RecordStatus {
        match &self.truth {
            OverlayTruth::Masked(status) => *status,
            OverlayTruth::Fresh(answer) => answer.status,
        }
    }

    /// Whether it takes the place of another entry for the same serial: it speaks for a higher
    /// sequence, or is a newer answer for the same one. A signature that contradicts the mask of its
    /// own sequence is a defect upstream and loses.
    fn replaces(&self, other: &Self) -> bool {
        if self.sequence != other.sequence {
            return self.sequence > other.sequence;
        }
        match (&self.truth, &other.truth) {
            (OverlayTruth::Masked(_), _) => false,
            (OverlayTruth::Fresh(answer), OverlayTruth::Masked(status)) => {
                let good = |status| matches!(status, RecordStatus::Good);
                good(answer.status) == good(*status)
            }
            (OverlayTruth::Fresh(answer), OverlayTruth::Fresh(other)) => {
                (answer.this_update, answer.produced_at) >= (other.this_update, other.produced_at)
            }
        }
    }

    fn key(&self) -> (SerialHash, &[u8]) {
        (self.hash, self.serial.as_bytes())
    }

    fn bucket(&self) -> usize {
        bucket_of(self.hash)
    }
}

impl Overlay {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// No allocation; one branch when empty.
    pub(super) fn find(&self, hash: SerialHash, serial: &[u8]) -> Option<&OverlayEntry> {
        let bucket = self.buckets.as_ref()?.get(bucket_of(hash))?;
        let at = bucket.binary_search_by(|entry| entry.key().cmp(&(hash, serial)));
        bucket.get(at.ok()?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &OverlayEntry> {
        self.buckets
            .iter()
            .flat_map(|buckets| buckets.iter())
            .flat_map(|bucket| bucket.iter())
    }

    /// With these entries, except where one is there that they do not replace.
    #[must_use]
    pub(super) fn with(&self, entries: impl IntoIterator<Item = OverlayEntry>) -> Self {
        let mut changed: BTreeMap<usize, Vec<OverlayEntry>> = BTreeMap::new();
        for entry in entries {
            let number = entry.bucket();
            let bucket = changed
                .entry(number)
                .or_insert_with(|| self.bucket(number).to_vec());
            match bucket.binary_search_by(|other| other.key().cmp(&entry.key())) {
                Ok(at) => {
                    if let Some(other) = bucket.get_mut(at)
                        && entry.replaces(other)
                    {
                        *other = entry;
                    }
                }
                Err(at) => bucket.insert(at, entry),
            }
        }
        self.replaced(changed)
    }

    /// Without the entries of a shard that `leaves` says leave.
    #[must_use]
    pub(super) fn without(
        &self,
        depth: u8,
        shard: u32,
        mut leaves: impl FnMut(&OverlayEntry) -> bool,
    ) -> Self {
        let mut changed = BTreeMap::new();
        let depth = u32::from(depth);
        for (number, bucket) in self
            .buckets
            .iter()
            .flat_map(|buckets| buckets.iter())
            .enumerate()
        {
            let in_shard = |entry: &&OverlayEntry| entry.hash.shard(depth) == u64::from(shard);
            // A bucket has one value of the highest bits, so its first entry tells for shallow shards.
            if depth <= BUCKET_BITS && !bucket.first().as_ref().is_some_and(in_shard) {
                continue;
            }
            let stay: Vec<_> = bucket
                .iter()
                .filter(|entry| !(in_shard(entry) && leaves(entry)))
                .cloned()
                .collect();
            if stay.len() != bucket.len() {
                changed.insert(number, stay);
            }
        }
        self.replaced(changed)
    }

    fn bucket(&self, number: usize) -> &[OverlayEntry] {
        self.buckets
            .as_ref()
            .and_then(|buckets| buckets.get(number))
            .map_or(&[], |bucket| bucket)
    }

    fn replaced(&self, changed: BTreeMap<usize, Vec<OverlayEntry>>) -> Self {
        if changed.is_empty() {
            return self.clone();
        }
        let mut len = self.len;
        let mut buckets: Vec<Bucket> = self
            .buckets
            .as_ref()
            .map_or_else(|| vec![EMPTY.clone(); BUCKETS], |buckets| buckets.to_vec());
        for (number, entries) in changed {
            if let Some(bucket) = buckets.get_mut(number) {
                len = len
                    .saturating_sub(bucket.len())
                    .saturating_add(entries.len());
                *bucket = entries.into();
            }
        }
        Self {
            len,
            buckets: (len > 0).then(|| buckets.into()),
        }
    }
}

static EMPTY: LazyLock<Bucket> = LazyLock::new(|| Arc::new([]));

fn bucket_of(hash: SerialHash) -> usize {
    usize::try_from(hash.shard(BUCKET_BITS)).unwrap_or(0)
}
