//! All that is known of one issuer's serials, and how publications change it.

use std::sync::Arc;

use super::overlay::{Overlay, OverlayEntry, OverlayTruth};
use super::shards::{Holding, Newer, Shards};
use super::snapshot::Finding;
use crate::asn1::CrlReason;
use crate::identity::{IssuerId, SerialHash, SerialNumber};
use crate::segment::{Damage, Lookup, Record, RecordStatus, SegmentKind};

/// Segments and overlay of one issuer; immutable once in a snapshot, cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Holdings {
    pub(super) issuer: IssuerId,
    /// The sequence up to which masks were published; `None` while catching up.
    pub(super) caught_up: Option<u64>,
    pub(super) shards: Arc<Shards>,
    pub(super) overlay: Overlay,
    /// The revocation of all certificates at once, if there was one.
    pub(super) revoked: Option<IssuerRevoked>,
    /// Whether what says how its certificates stand has been silent for too long.
    pub(super) stale: bool,
}

/// The sequence since which all certificates of an issuer are revoked, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct IssuerRevoked {
    pub(super) sequence: u64,
    pub(super) status: RecordStatus,
}

impl IssuerRevoked {
    /// What becomes of a finding. A final revocation was true before and stays so; everything else is
    /// overtaken, also what is of a higher sequence: nothing of this issuer is good any more.
    fn cover<'a>(&self, found: Finding<'a>) -> Finding<'a> {
        let (status, sequence) = match &found {
            Finding::Segment { segment, record } => (record.status(), segment.as_of()),
            Finding::Fresh(answer) => (answer.status, answer.sequence),
            Finding::Masked { status, sequence } => (*status, *sequence),
            Finding::Absent | Finding::Damaged | Finding::CatchingUp | Finding::Stale => {
                return found;
            }
        };
        if is_final(status) {
            return found;
        }
        Finding::Masked {
            status: self.status,
            sequence: sequence.max(self.sequence),
        }
    }
}

fn is_final(status: RecordStatus) -> bool {
    match status {
        RecordStatus::Good => false,
        RecordStatus::Revoked { reason, .. } => reason != Some(CrlReason::CertificateHold),
    }
}

impl Holdings {
    pub(super) fn new(issuer: IssuerId, listing: Vec<Arc<Holding>>) -> Self {
        Self {
            issuer,
            caught_up: None,
            shards: Arc::new(Shards::new(listing)),
            overlay: Overlay::default(),
            revoked: None,
            stale: false,
        }
    }

    /// See [`super::IssuerSnapshot::find`].
    pub(super) fn find(&self, serial: &[u8]) -> Finding<'_> {
        match (&self.revoked, self.stale) {
            (None, false) => self.find_published(serial),
            _ => self.find_restrained(serial),
        }
    }

    /// The same for an issuer that was revoked as a whole, or is stale.
    #[inline(never)]
    fn find_restrained(&self, serial: &[u8]) -> Finding<'_> {
        let mut found = self.find_published(serial);
        if let Some(revoked) = &self.revoked {
            found = revoked.cover(found);
        }
        let status = match &found {
            Finding::Segment { record, .. } => record.status(),
            Finding::Fresh(answer) => answer.status,
            Finding::Masked { status, .. } => *status,
            // The live signer knows, and knows that it is stale.
            Finding::Damaged | Finding::CatchingUp => return found,
            Finding::Absent | Finding::Stale => RecordStatus::Good,
        };
        if self.stale && !is_final(status) {
            return Finding::Stale;
        }
        found
    }

    // Inlined where it is called, so that issuers that are not revoked pay for one branch and no copy.
    #[inline(always)]
    fn find_published(&self, serial: &[u8]) -> Finding<'_> {
        if self.caught_up.is_none() {
            return Finding::CatchingUp;
        }
        self.find_known(serial)
    }

    /// The same though masks may be missing.
    #[inline(always)]
    pub(super) fn find_known(&self, serial: &[u8]) -> Finding<'_> {
        let hash = SerialHash::new(&self.issuer, serial);
        if let Some(entry) = self.overlay.find(hash, serial) {
            return match entry.truth() {
                OverlayTruth::Masked(status) => Finding::Masked {
                    status: *status,
                    sequence: entry.sequence(),
                },
                OverlayTruth::Fresh(answer) => Finding::Fresh(answer),
            };
        }
        let base = self.shards.base(hash);
        let base_as_of = base.map(|base| base.listed.as_of);
        for patch in self.shards.patches() {
            // `None` is below every sequence. Without its segment, a patch's changes are in the
            // overlay again: catching up did not end before.
            if Some(patch.listed.as_of) <= base_as_of {
                break;
            }
            let Some(segment) = patch.segment.as_deref().filter(|patch| patch.covers(hash)) else {
                continue;
            };
            match segment.lookup(hash, serial) {
                Lookup::Absent => {}
                Lookup::Found(record) => return Finding::Segment { segment, record },
                Lookup::Damaged => return Finding::Damaged,
            }
        }
        match base.map(|base| base.segment.as_deref()) {
            None => Finding::Absent,
            Some(None) => Finding::Damaged,
            Some(Some(segment)) => match segment.lookup(hash, serial) {
                Lookup::Absent => Finding::Absent,
                Lookup::Found(record) => Finding::Segment { segment, record },
                Lookup::Damaged => Finding::Damaged,
            },
        }
    }

    /// See [`super::IssuerSnapshot::changes`].
    pub(super) fn changes(
        &self,
    ) -> impl Iterator<Item = Result<(SerialNumber, RecordStatus), Damage>> {
        let overlay = self.overlay.iter();
        let overlay = overlay.map(|entry| Ok((*entry.serial(), entry.status())));
        let patches = self.shards.patches();
        let sealed = patches.iter().enumerate().flat_map(move |(place, patch)| {
            let records = patch
                .segment
                .iter()
                .flat_map(|segment| (0..).zip(segment.iter()));
            records.filter_map(move |(number, record)| match record {
                Ok(record) => {
                    let newer = patches.iter().take(place);
                    let hash = SerialHash::new(&self.issuer, record.serial());
                    let serial = SerialNumber::from_content(record.serial());
                    let change = serial.map(|serial| (serial, record.status()));
                    let current = !self.is_outranked(hash, &record, patch, newer);
                    current.then_some(change.map_err(|_| Damage::Record(number)))
                }
                Err(damage) => Some(Err(damage)),
            })
        });
        overlay.chain(sealed)
    }

    /// Whether anything but this patch is asked for the serial before it, or instead.
    fn is_outranked<'a>(
        &self,
        hash: SerialHash,
        record: &Record<'_>,
        patch: &Holding,
        newer: impl Iterator<Item = &'a Arc<Holding>>,
    ) -> bool {
        let base = self.shards.base(hash).map(|base| base.listed.as_of);
        let mut newer = newer.filter_map(|newer| newer.segment.as_deref());
        base >= Some(patch.listed.as_of)
            || self.overlay.find(hash, record.serial()).is_some()
            // A newer patch whose record of it is damaged has one, so this one is not true any more.
            || newer.any(|newer| newer.lookup(hash, record.serial()) != Lookup::Absent)
    }

    /// Adds entries that no segment outranks.
    pub(super) fn overlay_with(&mut self, entries: impl Iterator<Item = OverlayEntry>) {
        let entries: Vec<_> = entries
            .filter(|entry| self.outranks_segments(entry))
            .collect();
        self.overlay = self.overlay.with(entries);
    }

    /// Takes a segment into service; the overlay entries that it includes leave.
    pub(super) fn install(&mut self, holding: Holding) -> Result<(), Newer> {
        let Some(segment) = holding.segment.clone() else {
            return Ok(());
        };
        self.shards = Arc::new(self.shards.with(Arc::new(holding))?);
        self.overlay = self
            .overlay
            .without(segment.depth(), segment.shard(), |entry| {
                let serial = entry.serial().as_bytes();
                entry.sequence() <= segment.as_of()
                    && match segment.kind() {
                        SegmentKind::Base => true,
                        // A patch speaks for the serials in it alone.
                        SegmentKind::Patch => {
                            matches!(segment.lookup(entry.hash(), serial), Lookup::Found(_))
                        }
                    }
            });
        Ok(())
    }

    /// Forgets a patch, or withholds the shard of a base. False when there is no such segment.
    pub(super) fn retire(&mut self, sha256: &[u8; 32]) -> bool {
        let Some(shards) = self.shards.retire(sha256) else {
            return false;
        };
        self.shards = Arc::new(shards);
        true
    }

    /// Withholds a damaged segment. What a patch said is lost, so catching up begins again: until the
    /// masks since [`Shards::included_up_to`] are back, nothing of the issuer is believed.
    pub(super) fn quarantine(&mut self, sha256: &[u8; 32]) -> bool {
        let mut patches = self.shards.patches().iter();
        let is_patch = patches.any(|patch| patch.listed.sha256 == *sha256);
        let Some(shards) = self.shards.withhold(sha256) else {
            return false;
        };
        self.shards = Arc::new(shards);
        if is_patch {
            self.caught_up = None;
        }
        true
    }

    /// Whether an entry says more than the segments: a mask must be of a later sequence, a signed
    /// answer at least as late and not signed before.
    fn outranks_segments(&self, entry: &OverlayEntry) -> bool {
        let hash = entry.hash();
        // Also a withheld base knew better than an older mask.
        let base = self.shards.base(hash);
        if base.is_some_and(|base| !outranks(entry, base)) {
            return false;
        }
        let patches = self.shards.patches().iter();
        let mut newer = patches.filter(|patch| !outranks(entry, patch));
        !newer.any(|patch| {
            let segment = patch.segment.as_deref().filter(|patch| patch.covers(hash));
            // A damaged record may be the serial's: nothing older is believed in its stead.
            segment.is_some_and(|segment| {
                segment.lookup(hash, entry.serial().as_bytes()) != Lookup::Absent
            })
        })
    }
}

fn outranks(entry: &OverlayEntry, holding: &Holding) -> bool {
    let listed = &holding.listed;
    match entry.truth() {
        OverlayTruth::Masked(_) => entry.sequence() > listed.as_of,
        OverlayTruth::Fresh(answer) => {
            (entry.sequence(), answer.produced_at) >= (listed.as_of, listed.snapshot_time)
        }
    }
}
