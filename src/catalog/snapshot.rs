//! What may be served now.

use std::sync::Arc;

use super::files::FileTable;
use super::holdings::Holdings;
use super::issuer_table::{IssuerEntry, IssuerTable};
use super::overlay::OverlayEntry;
use super::publication::FreshAnswer;
use super::shards::WithheldShard;
use crate::identity::{IssuerId, SerialHash, SerialNumber};
use crate::ocsp::CertId;
use crate::segment::{Damage, Record, RecordStatus, Segment};

/// One generation of the catalog: immutable, whole, and readable without waiting.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) generation: u64,
    pub(super) table: Arc<IssuerTable>,
    /// In the order of the table.
    pub(super) issuers: Vec<IssuerSnapshot>,
    pub(super) files: Arc<FileTable>,
}

impl Snapshot {
    /// Its number; a later snapshot has a higher one, also after a restart.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The issuer that a CertID asks about. No allocation, no system call.
    #[must_use]
    pub fn issuer(&self, asked: &CertId<'_>) -> Option<&IssuerSnapshot> {
        Some(self.issuer_with_place(asked)?.1)
    }

    /// The same, with its place among [`Snapshot::issuers`].
    #[must_use]
    pub fn issuer_with_place(&self, asked: &CertId<'_>) -> Option<(usize, &IssuerSnapshot)> {
        let place = self.table.position_by_hashes(&asked.issuer_hashes()?)?;
        Some((place, self.issuers.get(place)?))
    }

    /// The issuer with this id, if it is in the table.
    #[must_use]
    pub fn issuer_by_id(&self, id: &IssuerId) -> Option<&IssuerSnapshot> {
        self.issuers.get(self.table.position(id)?)
    }

    /// What is served by name beside OCSP answers.
    #[must_use]
    pub fn files(&self) -> &Arc<FileTable> {
        &self.files
    }

    /// All issuers of the table, in its order.
    #[must_use]
    pub fn issuers(&self) -> &[IssuerSnapshot] {
        &self.issuers
    }
}

/// One issuer in a snapshot.
#[derive(Clone, Debug)]
pub struct IssuerSnapshot {
    pub(super) entry: Arc<IssuerEntry>,
    pub(super) holdings: Arc<Holdings>,
}

impl IssuerSnapshot {
    /// Name and policy.
    #[must_use]
    pub fn entry(&self) -> &IssuerEntry {
        &self.entry
    }

    /// What is known of a serial, given as content octets: of all that was published about it, what
    /// has the highest sequence. After [`IssuerRevoked`](super::Publication::IssuerRevoked), what is not
    /// revoked for good by that is [`Finding::Masked`].
    ///
    /// No allocation, no lock, no system call (see [`Segment::lookup`] on pages). Where nothing was
    /// published for the serial's shard, that is [`Finding::Absent`], so an issuer must not be declared
    /// caught up before its shards have their bases or all their changes are in the overlay.
    #[must_use]
    pub fn find(&self, serial: &[u8]) -> Finding<'_> {
        self.holdings.find(serial)
    }

    /// What was published about a serial so far, while catching up too and whatever became of the issuer:
    /// for whoever publishes what is missing, never to be served.
    #[must_use]
    pub fn in_segments(&self, serial: &[u8]) -> Finding<'_> {
        self.holdings.find_known(serial)
    }

    /// The sequence up to which all masks were published; `None` while catching up.
    #[must_use]
    pub fn caught_up(&self) -> Option<u64> {
        self.holdings.caught_up
    }

    /// The ledger sequence since which all certificates are revoked; `None` for most issuers. What was
    /// signed as of an earlier one is due.
    #[must_use]
    pub fn revoked_since(&self) -> Option<u64> {
        self.holdings.revoked.map(|revoked| revoked.sequence)
    }

    /// To catch up, publish the masks of all changes above this sequence: the segments include the
    /// others.
    #[must_use]
    pub fn included_up_to(&self) -> u64 {
        self.holdings.shards.included_up_to()
    }

    /// Whether what says how its certificates stand has been silent for too long.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.holdings.stale
    }

    /// How many entries the overlay has; past [`OVERLAY_ENTRIES_MAX`](super::OVERLAY_ENTRIES_MAX) it
    /// should be sealed into a patch.
    #[must_use]
    pub fn overlay_len(&self) -> usize {
        self.holdings.overlay.len()
    }

    /// The overlay's entries, to seal into one more patch: sorted by hash, so shard by shard.
    pub fn overlay_entries(&self) -> impl Iterator<Item = &OverlayEntry> {
        self.holdings.overlay.iter()
    }

    /// The segments in service, bases and patches, in the order of their publication.
    pub fn segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        let listing = self.holdings.shards.listing().iter();
        listing.filter_map(|holding| holding.segment.as_ref())
    }

    /// The patches in service, newest first, to merge when they are many: each is asked before the
    /// base.
    pub fn patches(&self) -> impl Iterator<Item = &Arc<Segment>> {
        let patches = self.holdings.shards.patches().iter();
        patches.filter_map(|holding| holding.segment.as_ref())
    }

    /// The digests of all patches, withheld ones included.
    pub fn patch_digests(&self) -> impl Iterator<Item = &[u8; 32]> {
        let patches = self.holdings.shards.patches().iter();
        patches.map(|patch| &patch.listed.sha256)
    }

    /// What a patch must hold that takes the place of all others: each serial that the overlay or a
    /// patch in service knows better than its base, once, in no order. It is as of the sequence up to
    /// which the overlay is complete, and is published together with a
    /// [`Retire`](super::Publication::Retire) for each of [`IssuerSnapshot::patch_digests`].
    ///
    /// Do not merge patches by [`Segment::iter`]: what a base or the overlay has outranked would come
    /// back to life.
    pub fn changes(&self) -> impl Iterator<Item = Result<(SerialNumber, RecordStatus), Damage>> {
        self.holdings.changes()
    }

    /// The base in service for serials with this hash.
    #[must_use]
    pub fn base(&self, hash: SerialHash) -> Option<&Arc<Segment>> {
        self.holdings.shards.base(hash)?.segment.as_ref()
    }

    /// The shards whose bases are withheld: they need a new segment soon, and until then their
    /// serials are [`Finding::Damaged`].
    pub fn withheld_shards(&self) -> impl Iterator<Item = WithheldShard> {
        self.holdings.shards.withheld_bases()
    }
}

/// What the catalog knows of a serial.
#[derive(Clone, Copy, Debug)]
pub enum Finding<'a> {
    /// It was never issued, as far as anybody published.
    Absent,
    /// A segment has its record, signed or not.
    Segment {
        /// The segment, for its template.
        segment: &'a Segment,
        /// The record.
        record: Record<'a>,
    },
    /// A signed answer in the overlay.
    Fresh(&'a FreshAnswer),
    /// The status is known, and no signature for it: to be signed now, or `tryLater`; never an older
    /// answer.
    Masked {
        /// The status.
        status: RecordStatus,
        /// The ledger sequence it is known from.
        sequence: u64,
    },
    /// What would tell is damaged or withheld: to be signed from the ledger, or `tryLater`.
    Damaged,
    /// Masks of the issuer may be missing: to be signed from the ledger, or `tryLater`.
    CatchingUp,
    /// Not revoked for good as far as is known, and what would know more is silent: `tryLater`.
    Stale,
}
