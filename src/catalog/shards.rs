//! The segments of one issuer: bases by shard, patches by age.

use std::sync::Arc;

use super::manifest::Listed;
use crate::asn1::UnixTime;
use crate::identity::SerialHash;
use crate::segment::{Segment, SegmentKind};

/// A shard whose answers are lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WithheldShard {
    /// How many of a serial hash's high bits choose the shard.
    pub depth: u8,
    /// The shard.
    pub shard: u32,
    /// The latest thisUpdate that its answers had.
    pub this_update: UnixTime,
    /// When the last of them ends.
    pub next_update: UnixTime,
}

/// A segment in the manifest, and its map unless it is withheld.
#[derive(Debug)]
pub(super) struct Holding {
    pub(super) listed: Listed,
    /// `None` when withheld: damaged, missing, or retired with nothing in its place.
    pub(super) segment: Option<Arc<Segment>>,
}

/// All segments of one issuer, immutable.
///
/// The bases form a directory as in extendible hashing: 2^depth slots, each segment in all slots whose
/// number begins with the bits of its shard.
#[derive(Debug)]
pub(super) struct Shards {
    /// In the order of their publication: where two bases cover one slot, the later one has it.
    listing: Vec<Arc<Holding>>,
    depth: u8,
    slots: Vec<Option<Arc<Holding>>>,
    /// Newest first.
    patches: Vec<Arc<Holding>>,
}

/// A base would take the place of this newer one.
#[derive(Debug)]
pub(super) struct Newer {
    pub(super) as_of: u64,
}

impl Shards {
    pub(super) fn new(listing: Vec<Arc<Holding>>) -> Self {
        let bases = || listing.iter().filter(|holding| holding.is_base());
        let depth = bases().map(|base| base.listed.depth).max().unwrap_or(0);
        let mut slots = vec![None; 1 << depth];
        for base in bases() {
            for slot in slots
                .iter_mut()
                .skip(base.first_slot(depth))
                .take(base.slots(depth))
            {
                *slot = Some(Arc::clone(base));
            }
        }
        let mut shards = Self {
            listing,
            depth,
            slots,
            patches: Vec::new(),
        };
        shards.drop_outranked();
        shards
    }

    /// With one more segment; what it leaves without a slot, and patches that every base includes, are
    /// gone.
    pub(super) fn with(&self, holding: Arc<Holding>) -> Result<Self, Newer> {
        let depth = self.depth.max(holding.listed.depth);
        if holding.is_base() {
            let (first, count) = (holding.first_slot(depth), holding.slots(depth));
            let shift = depth.saturating_sub(self.depth);
            let covered = first >> shift..=first.saturating_add(count).saturating_sub(1) >> shift;
            let last = covered
                .end()
                .saturating_sub(*covered.start())
                .saturating_add(1);
            let slots = self.slots.iter().skip(*covered.start()).take(last);
            for current in slots.flatten().map(|current| &current.listed) {
                let place = |listed: &Listed| (listed.as_of, listed.snapshot_time);
                if place(current) > place(&holding.listed) {
                    return Err(Newer {
                        as_of: current.as_of,
                    });
                }
            }
        }
        let mut listing = self.listing.clone();
        listing.push(holding);
        Ok(Self::new(listing))
    }

    /// With a segment withheld. `None` when there is no such segment in service.
    pub(super) fn withhold(&self, sha256: &[u8; 32]) -> Option<Self> {
        let mut listing = self.listing.clone();
        let holding = listing
            .iter_mut()
            .find(|holding| holding.segment.is_some() && holding.listed.sha256 == *sha256)?;
        *holding = Arc::new(Holding {
            listed: holding.listed.withheld(),
            segment: None,
        });
        Some(Self::new(listing))
    }

    /// With a base withheld, or without a patch, in service or not. `None` when there is no such
    /// segment.
    pub(super) fn retire(&self, sha256: &[u8; 32]) -> Option<Self> {
        let mut patches = self.patches.iter();
        if !patches.any(|patch| patch.listed.sha256 == *sha256) {
            return self.withhold(sha256);
        }
        let mut listing = self.listing.clone();
        listing.retain(|holding| holding.listed.sha256 != *sha256);
        Some(Self::new(listing))
    }

    /// The base for a serial with this hash; `None` when no segment ever covered its shard.
    pub(super) fn base(&self, hash: SerialHash) -> Option<&Holding> {
        let slot = usize::try_from(hash.shard(self.depth.into())).ok()?;
        self.slots.get(slot)?.as_deref()
    }

    /// Patches, withheld ones included, newest first.
    pub(super) fn patches(&self) -> &[Arc<Holding>] {
        &self.patches
    }

    pub(super) fn listing(&self) -> &[Arc<Holding>] {
        &self.listing
    }

    /// The shards whose base is withheld.
    pub(super) fn withheld_bases(&self) -> impl Iterator<Item = WithheldShard> {
        let withheld = self.listing.iter();
        let withheld = withheld.filter(|holding| holding.is_base() && holding.segment.is_none());
        withheld.map(|holding| WithheldShard {
            depth: holding.listed.depth,
            shard: holding.listed.shard,
            this_update: holding.listed.this_update,
            next_update: holding.listed.next_update,
        })
    }

    /// The sequence such that these segments include every change up to it; those of withheld bases are
    /// lost, but not because a mask is missing.
    pub(super) fn included_up_to(&self) -> u64 {
        (0..)
            .zip(&self.slots)
            .map(|(slot, base)| {
                let base = base.as_ref().map_or(0, |base| base.listed.as_of);
                // Oldest first. Behind a patch that is withheld, changes are missing.
                let patches = self.patches.iter().rev();
                patches
                    .filter(|patch| patch.listed.as_of > base && patch.touches(slot, self.depth))
                    .take_while(|patch| patch.segment.is_some())
                    .last()
                    .map_or(base, |patch| patch.listed.as_of)
            })
            .min()
            .unwrap_or(0)
    }

    fn drop_outranked(&mut self) {
        let included = |patch: &Holding| {
            let (first, count) = patch.touched(self.depth);
            let mut slots = self.slots.iter().skip(first).take(count);
            slots.all(|base| {
                let base = base.as_ref().filter(|base| base.segment.is_some());
                base.is_some_and(|base| base.listed.as_of >= patch.listed.as_of)
            })
        };
        // Of two as of one sequence, the later one was sealed on top of the other.
        let patches = self.listing.iter().rev();
        let patches = patches.filter(|holding| !holding.is_base() && !included(holding));
        self.patches = patches.cloned().collect();
        self.patches
            .sort_by_key(|patch| std::cmp::Reverse(patch.listed.as_of));
        let placed = |holding: &Arc<Holding>| {
            let mut slots = self.slots.iter().flatten();
            slots.any(|other| Arc::ptr_eq(other, holding))
                || self.patches.iter().any(|other| Arc::ptr_eq(other, holding))
        };
        self.listing = self
            .listing
            .iter()
            .filter(|holding| placed(holding))
            .cloned()
            .collect();
    }
}

impl Holding {
    fn is_base(&self) -> bool {
        self.listed.kind == SegmentKind::Base
    }

    /// The first slot of a directory that is at least as deep as the segment.
    fn first_slot(&self, depth: u8) -> usize {
        let shard = usize::try_from(self.listed.shard).unwrap_or(0);
        shard << depth.saturating_sub(self.listed.depth)
    }

    fn slots(&self, depth: u8) -> usize {
        1 << depth.saturating_sub(self.listed.depth)
    }

    /// The slots, first and count, of a directory of any depth that hold serials of the segment.
    fn touched(&self, depth: u8) -> (usize, usize) {
        let excess = self.listed.depth.saturating_sub(depth);
        (self.first_slot(depth) >> excess, self.slots(depth))
    }

    fn touches(&self, slot: usize, depth: u8) -> bool {
        let (first, count) = self.touched(depth);
        (first..first.saturating_add(count)).contains(&slot)
    }
}
