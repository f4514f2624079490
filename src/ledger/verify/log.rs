//! The entries against the log: each is hashed again, and what is kept and signed compared.
//!
//! Two trees grow side by side: one from the entries' own hashes, one from the kept roots of tiles.
//! Where a tile's two roots differ, the next head that is known tells which of them is true.

use std::{sync::mpsc, thread};

use rocksdb::{DB, DBRawIteratorWithThreadMode};

use super::{
    Progress, VerifyStep,
    finding::{Finding, Findings},
};
use crate::ledger::{
    engine::be_u64,
    entry::{Entry, EntryKind},
    error::LedgerError,
    keys,
    log::{
        Epoch, Epochs, Frontier, Hash, LEAF_PREFIX, TILE_HEIGHT, TILE_WIDTH, TreeHead, joined_root,
        prefixed_leaf_hash, tile_key,
    },
    snapshot::LedgerSnapshot,
};

/// What the entries were found to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogRead {
    /// How many entries were read.
    pub(super) entries: u64,
    /// How many leaves are covered by the last signed head that the entries have.
    pub(super) covered: u64,
}

/// Reads every entry from the tile that holds leaf `from`'s size on.
pub(super) fn check(
    snapshot: &LedgerSnapshot,
    from: Option<&TreeHead>,
    heads: &[TreeHead],
    findings: &mut Findings,
    progress: &mut Progress<'_>,
) -> Result<LogRead, LedgerError> {
    let edge = snapshot.frontier()?;
    let begin = from.map_or(0, |from| from.size);
    let later = heads.iter().filter(|head| head.size > begin);
    let heads: Vec<TreeHead> = from.into_iter().chain(later).copied().collect();
    let mut check = Check {
        snapshot,
        epochs: snapshot.epochs(),
        edge: &edge,
        heads: &heads,
        findings,
        computed: Frontier::default(),
        kept: Frontier::default(),
        tile: Frontier::default(),
        tile_state: TileState::default(),
        leaf: 0,
        covered: 0,
        is_told_rewritten: false,
        doubt: None,
        undecided: Vec::new(),
    };
    check.ends(findings_of_size(snapshot, &edge));
    if let Some(from) = from {
        check.begin_at(from)?;
    }
    let entries = check.read(progress)?;
    check.compare_edge()?;
    Ok(LogRead {
        entries,
        covered: check.covered,
    })
}

fn findings_of_size(snapshot: &LedgerSnapshot, edge: &Frontier) -> Option<Finding> {
    let expected = match edge.size().checked_sub(1) {
        None => Some(0),
        Some(last) => snapshot.epochs().sequence_of(last),
    };
    let found = snapshot.last_sequence();
    let expected = expected.unwrap_or(u64::MAX);
    (found != expected).then_some(Finding::LastSequence { found, expected })
}

struct Check<'a> {
    snapshot: &'a LedgerSnapshot,
    epochs: &'a Epochs,
    edge: &'a Frontier,
    /// Signed heads that are still ahead, in the order of their sizes.
    heads: &'a [TreeHead],
    findings: &'a mut Findings,
    /// Over the roots of tiles as they follow from the entries.
    computed: Frontier,
    /// Over those that are kept.
    kept: Frontier,
    /// Over the leaves of the tile that is being read.
    tile: Frontier,
    tile_state: TileState,
    /// The index of the next leaf.
    leaf: u64,
    covered: u64,
    /// After one head that neither tree has, later ones say nothing new.
    is_told_rewritten: bool,
    /// A signed head within the tile that is being read, which neither tree has.
    doubt: Option<TreeHead>,
    /// Tiles whose two roots differ, until a head decides.
    undecided: Vec<Undecided>,
}

#[derive(Clone, Copy, Default)]
struct TileState {
    /// Some of its entries are missing: it has no root of its own.
    has_hole: bool,
    /// What is wrong with it is told already.
    is_told: bool,
}

#[derive(Clone, Copy)]
struct Undecided {
    tile: u64,
    /// The leaves that can be the altered ones: from the first to before the last.
    first: u64,
    end: u64,
    is_told: bool,
}

impl<'a> Check<'a> {
    fn ends(&mut self, finding: Option<Finding>) {
        if let Some(finding) = finding {
            self.findings.add(finding);
        }
    }

    /// Begins at the tile that a trusted head ends in, with the kept roots before it. The head itself
    /// is the first that is compared.
    fn begin_at(&mut self, from: &TreeHead) -> Result<(), LedgerError> {
        if from.size > self.edge.size() {
            // Told at the end, as of every head that is not reached.
            return Ok(());
        }
        let tiles = from.size / TILE_WIDTH;
        self.leaf = tiles.saturating_mul(TILE_WIDTH);
        for tile in 0..tiles {
            // 32 octets for 256 entries: reading all of them is a moment.
            let root = self.kept_root(1, tile)?;
            if root.is_none() {
                self.findings.add(Finding::KeptHash {
                    level: 1,
                    index: tile,
                });
            }
            self.kept.push(root.unwrap_or_default(), |_, _, _| {});
        }
        self.computed = self.kept.clone();
        self.compare_heads()
    }

    /// Reads the entries on a thread of its own, so that they are hashed while the next are read.
    fn read(&mut self, progress: &mut Progress<'_>) -> Result<u64, LedgerError> {
        let begin = self.leaf;
        let mut rows = self.snapshot.raw_rows(keys::ENTRIES)?;
        match begin {
            0 => rows.seek_to_first(),
            leaf => rows.seek(self.sequence(leaf).to_be_bytes()),
        }
        let (sender, pieces) = mpsc::sync_channel(PIECES_AHEAD);
        let (used, spare) = mpsc::channel();
        let (entries, ended) = thread::scope(|scope| {
            let reader = scope.spawn(move || read_ahead(rows, &sender, &spare));
            // Dropped on an error, which ends the reader.
            let entries = self.take(pieces, &used, begin, progress);
            (entries, reader.join())
        });
        let entries = entries?;
        if let Ok(Err(error)) = ended {
            self.findings.add(Finding::Broken {
                first: self.sequence(self.leaf),
                message: error.into(),
            });
        }
        let size = self.edge.size();
        if self.leaf < size {
            self.missing(size)?;
        }
        Ok(entries)
    }

    fn take(
        &mut self,
        pieces: mpsc::Receiver<Piece>,
        used: &mpsc::Sender<Piece>,
        begin: u64,
        progress: &mut Progress<'_>,
    ) -> Result<u64, LedgerError> {
        let size = self.edge.size();
        let mut entries = 0_u64;
        for (number, piece) in pieces.into_iter().enumerate() {
            if number.is_multiple_of(PROGRESS_PIECES) {
                self.snapshot.engine().check_open()?;
                let done = self.leaf.saturating_sub(begin);
                let of = size.saturating_sub(begin);
                progress.tell(VerifyStep::Entries { done, of })?;
            }
            for (found, octets) in piece.rows() {
                entries = entries.saturating_add(self.row(found, octets, size)?);
            }
            // The reader may have come to its end.
            drop(used.send(piece));
        }
        Ok(entries)
    }

    /// Takes a row; gives how many entries of the log it is, 0 or 1.
    fn row(&mut self, found: u64, leaf: &[u8], size: u64) -> Result<u64, LedgerError> {
        if self.leaf >= size || self.sequence(self.leaf) != found {
            let later = self.epochs.leaf_of(found);
            match later.filter(|later| *later > self.leaf && *later < size) {
                Some(later) => self.missing(later)?,
                None => {
                    self.findings.add(Finding::Extra { sequence: found });
                    return Ok(0);
                }
            }
        }
        self.entry(found, leaf)?;
        Ok(1)
    }

    fn sequence(&self, leaf: u64) -> u64 {
        self.epochs.sequence_of(leaf).unwrap_or(u64::MAX)
    }

    /// An entry in its place: a leaf's input.
    fn entry(&mut self, sequence: u64, leaf: &[u8]) -> Result<(), LedgerError> {
        match Entry::check(leaf.get(1..).unwrap_or_default()) {
            Ok((found, kind)) if found == sequence => self.epoch(sequence, &kind),
            Ok((found, _)) => {
                self.tile_state.is_told = true;
                self.findings.add(Finding::Misplaced { sequence, found });
            }
            Err(source) => {
                self.tile_state.is_told = true;
                self.findings.add(Finding::Unreadable { sequence, source });
            }
        }
        self.tile.push(prefixed_leaf_hash(leaf), |_, _, _| {});
        self.leaf = self.leaf.saturating_add(1);
        self.passed()
    }

    /// An epoch's first entry, and no other, says which state it continues: the one that the entries
    /// before it come to.
    fn epoch(&mut self, sequence: u64, kind: &EntryKind) {
        let epoch = self.epochs.of_leaf(self.leaf);
        let begins = epoch.first_leaf == self.leaf && epoch != Epoch::FIRST;
        let fits = match kind {
            EntryKind::EpochOpened(opened) => {
                let before = self.leaf.checked_sub(1);
                let last = before.map_or(Some(0), |leaf| self.epochs.sequence_of(leaf));
                let root = |tiles: &Frontier| joined_root(tiles.peaks(), self.tile.peaks());
                // What is missing or altered before it is told already.
                let is_open = self.tile_state.has_hole || !self.undecided.is_empty();
                begins
                    && opened.epoch == epoch.number
                    && opened.floor.checked_add(1) == Some(sequence)
                    && Some(opened.last_sequence) == last
                    && opened.leaves == self.leaf
                    && (is_open || opened.root == root(&self.computed))
            }
            _ => !begins,
        };
        if !fits {
            self.findings.add(Finding::NotAllowed { sequence });
        }
    }

    /// The entries from here to before leaf `later` are not there.
    fn missing(&mut self, later: u64) -> Result<(), LedgerError> {
        self.findings.add(Finding::Missing {
            first: self.sequence(self.leaf),
            last: self.sequence(later.saturating_sub(1)),
        });
        while self.leaf < later {
            let tile = self.leaf / TILE_WIDTH;
            let end = tile.saturating_add(1).saturating_mul(TILE_WIDTH);
            self.leaf = end.min(later);
            self.tile_state.has_hole = true;
            self.tile_state.is_told = true;
            self.passed()?;
        }
        Ok(())
    }

    /// A leaf, or a hole, was passed.
    fn passed(&mut self) -> Result<(), LedgerError> {
        if self.leaf.is_multiple_of(TILE_WIDTH) {
            self.end_tile()?;
        }
        self.compare_heads()
    }

    /// Compares the signed heads that are reached.
    fn compare_heads(&mut self) -> Result<(), LedgerError> {
        while let [head, later @ ..] = self.heads
            && head.size <= self.leaf
        {
            if head.size == self.leaf {
                self.compare(head, true)?;
            }
            self.heads = later;
        }
        Ok(())
    }

    fn end_tile(&mut self) -> Result<(), LedgerError> {
        let tile = (self.leaf / TILE_WIDTH).saturating_sub(1);
        let TileState { has_hole, is_told } = std::mem::take(&mut self.tile_state);
        let leaves = std::mem::take(&mut self.tile);
        let own = match leaves.peaks() {
            [root] if !has_hole => Some(*root),
            _ => None,
        };
        let kept = self.kept_root(1, tile)?;
        let doubt = self.doubt.take();
        if own != kept && (own.is_some() || kept.is_none()) {
            self.undecided.push(Undecided {
                tile,
                first: self.covered.max(tile.saturating_mul(TILE_WIDTH)),
                end: doubt.map_or(self.leaf, |head| head.size),
                is_told,
            });
        } else if let Some(head) = doubt {
            self.rewritten(&head);
        }
        // Where one is missing the other stands in, so that what comes later can be judged.
        let (own, kept) = match (own, kept) {
            (Some(own), kept) => (own, kept.unwrap_or(own)),
            (None, Some(kept)) => (kept, kept),
            (None, None) => ([0; 32], [0; 32]),
        };
        self.computed.push(own, |_, _, _| {});
        let mut above = Vec::new();
        self.kept.push(kept, |level, index, hash| {
            if level > 0 && level.is_multiple_of(TILE_HEIGHT) {
                above.push((level / TILE_HEIGHT, index, *hash));
            }
        });
        for (level, index, hash) in above {
            let level = u8::try_from(level.saturating_add(1)).unwrap_or(u8::MAX);
            if self.kept_root(level, index)? != Some(hash) {
                self.findings.add(Finding::KeptHash { level, index });
            }
        }
        Ok(())
    }

    /// Compares both trees with a head that is signed, or with the log's edge.
    fn compare(&mut self, head: &TreeHead, is_signed: bool) -> Result<(), LedgerError> {
        let root = |tiles: &Frontier| joined_root(tiles.peaks(), self.tile.peaks());
        let has_entries = !self.tile_state.has_hole && root(&self.computed) == head.root;
        let has_kept = !self.tile_state.has_hole && root(&self.kept) == head.root;
        if has_entries || has_kept {
            for undecided in std::mem::take(&mut self.undecided) {
                self.decide(undecided, has_entries);
            }
        }
        // Whichever is not true is put right, so that what comes later is judged by itself.
        if has_entries {
            self.kept.clone_from(&self.computed);
            if is_signed {
                self.covered = head.size;
            }
            return Ok(());
        }
        if has_kept {
            self.computed.clone_from(&self.kept);
        }
        if has_kept || self.tile_state.has_hole || self.is_told_rewritten {
            return Ok(());
        }
        if is_signed && self.tile.size() > 0 {
            // The rest of the tile tells whether the log was made to fit.
            self.doubt.get_or_insert(*head);
        } else if is_signed {
            self.rewritten(head);
        } else if self.tile.size() == 0 || self.covered == self.leaf {
            if self.undecided.is_empty() {
                self.findings.add(Finding::Edge);
            }
        } else if !self.tile_state.is_told {
            let tile_first = self.leaf / TILE_WIDTH * TILE_WIDTH;
            let end = self.doubt.take().map_or(self.leaf, |head| head.size);
            self.findings.add(Finding::Altered {
                first: self.sequence(self.covered.max(tile_first)),
                last: self.sequence(end.saturating_sub(1)),
            });
        }
        Ok(())
    }

    fn rewritten(&mut self, head: &TreeHead) {
        if !std::mem::replace(&mut self.is_told_rewritten, true) {
            self.findings.add(Finding::Rewritten {
                first: self.sequence(self.covered),
                last: self.sequence(head.size.saturating_sub(1)),
                size: head.size,
            });
        }
    }

    /// Whether the entries of a tile or its kept root were altered.
    fn decide(&mut self, undecided: Undecided, entries_are_true: bool) {
        if entries_are_true {
            let (level, index) = (1, undecided.tile);
            self.findings.add(Finding::KeptHash { level, index });
        } else if !undecided.is_told {
            self.findings.add(Finding::Altered {
                first: self.sequence(undecided.first),
                last: self.sequence(undecided.end.saturating_sub(1)),
            });
        }
    }

    fn compare_edge(&mut self) -> Result<(), LedgerError> {
        let head = self.edge.head();
        if self.leaf == head.size {
            self.compare(&head, false)?;
        }
        // What is still in doubt fits the edge, and not what was signed.
        if let Some(head) = self.doubt.take()
            && !self.tile_state.is_told
        {
            self.rewritten(&head);
        }
        for undecided in std::mem::take(&mut self.undecided) {
            self.decide(undecided, false);
        }
        if let Some(covers) = self.heads.first().copied() {
            let size = head.size;
            self.findings.add(Finding::CutOff { size, covers });
        }
        Ok(())
    }

    fn kept_root(&self, level: u8, index: u64) -> Result<Option<Hash>, LedgerError> {
        let value = self.snapshot.get(keys::TREE, &tile_key(level, index))?;
        Ok(value.and_then(|value| Hash::try_from(value).ok()))
    }
}

/// Rows of `entries` that were read: each a leaf's input, its prefix and the entry.
#[derive(Default)]
struct Piece {
    octets: Vec<u8>,
    /// The number in each row's key, and where its octets end.
    rows: Vec<(u64, usize)>,
}

impl Piece {
    fn rows(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut begin = 0;
        self.rows.iter().map(move |(found, end)| {
            let octets = self.octets.get(begin..*end).unwrap_or_default();
            begin = *end;
            (*found, octets)
        })
    }
}

/// Reads rows to their end, or until nobody takes them any more.
fn read_ahead(
    mut rows: DBRawIteratorWithThreadMode<'_, DB>,
    pieces: &mpsc::SyncSender<Piece>,
    spare: &mpsc::Receiver<Piece>,
) -> Result<(), rocksdb::Error> {
    let mut piece = Piece::default();
    while let Some((key, value)) = rows.item() {
        piece.octets.push(LEAF_PREFIX);
        piece.octets.extend_from_slice(value);
        // A key of another length is no number: what it is called then says so.
        let found = be_u64(key).unwrap_or(u64::MAX);
        piece.rows.push((found, piece.octets.len()));
        if piece.rows.len() >= PIECE_ROWS || piece.octets.len() >= PIECE_OCTETS {
            let mut next = spare.try_recv().unwrap_or_default();
            next.octets.clear();
            next.rows.clear();
            if pieces.send(std::mem::replace(&mut piece, next)).is_err() {
                return Ok(());
            }
        }
        rows.next();
    }
    let ended = rows.status();
    // Nobody takes it: then nobody waits for it.
    drop(pieces.send(piece));
    ended
}

/// With [`PIECES_AHEAD`], no more than about 2 MiB is read ahead of the hashing.
const PIECE_ROWS: usize = 1_024;
const PIECE_OCTETS: usize = 256 << 10;
const PIECES_AHEAD: usize = 6;
/// How often progress is told.
const PROGRESS_PIECES: usize = 8;
