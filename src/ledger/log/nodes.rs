//! The nodes of a ledger's tree, from its entries and kept roots.

use std::collections::VecDeque;

use crate::ledger::{
    error::{Damage, LedgerError},
    keys,
    snapshot::LedgerSnapshot,
};

use super::{
    frontier::Frontier,
    hash::{Hash, leaf_hash},
    proof::Nodes,
    tiles::{self, TILE_HEIGHT, TILE_WIDTH},
};

/// Reads nodes through a snapshot, a tile at a time, and keeps the last few tiles.
pub struct SnapshotNodes<'a> {
    snapshot: &'a LedgerSnapshot,
    size: u64,
    tiles: VecDeque<Tile>,
}

/// The complete nodes on the lowest level of a tile.
struct Tile {
    level: u8,
    index: u64,
    hashes: Vec<Hash>,
}

/// As many as a proof walks through.
const TILES_KEPT_MAX: usize = 16;

impl<'a> SnapshotNodes<'a> {
    /// Of the whole tree of a snapshot.
    ///
    /// # Errors
    /// [`LedgerError`] when its size cannot be read.
    pub fn new(snapshot: &'a LedgerSnapshot) -> Result<Self, LedgerError> {
        Ok(Self {
            snapshot,
            size: snapshot.frontier()?.size(),
            tiles: VecDeque::new(),
        })
    }

    /// How many leaves there are.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    fn tile(&mut self, level: u8, index: u64) -> Result<&Tile, LedgerError> {
        let kept = |tile: &Tile| tile.level == level && tile.index == index;
        if let Some(place) = self.tiles.iter().position(kept) {
            // The last one used is the last one dropped.
            self.tiles.swap(0, place);
        } else {
            let hashes = self.read(level, index)?;
            if self.tiles.len() >= TILES_KEPT_MAX {
                self.tiles.pop_back();
            }
            self.tiles.push_front(Tile {
                level,
                index,
                hashes,
            });
        }
        Ok(self
            .tiles
            .front()
            .expect("a tile was moved or put to the front"))
    }

    fn read(&self, level: u8, index: u64) -> Result<Vec<Hash>, LedgerError> {
        let first = index.saturating_mul(TILE_WIDTH);
        let end = first
            .saturating_add(TILE_WIDTH)
            .min(tiles::complete(level, self.size));
        let mut hashes = Vec::new();
        if first >= end {
            return Ok(hashes);
        }
        let engine = self.snapshot.engine();
        let mut rows = match level {
            0 => self.snapshot.few_rows(keys::ENTRIES)?,
            _ => self.snapshot.few_rows(keys::TREE)?,
        };
        match level {
            0 => rows.seek(self.sequence(first).to_be_bytes()),
            _ => rows.seek(tiles::key(level, first)),
        }
        for index in first..end {
            let (found, missing) = match level {
                0 => {
                    let sequence = self.sequence(index);
                    let row = rows
                        .item()
                        .filter(|(key, _)| *key == sequence.to_be_bytes());
                    let hash = row.map(|(_, entry)| leaf_hash(entry));
                    (hash, Damage::MissingEntry { sequence })
                }
                _ => {
                    let key = tiles::key(level, index);
                    let row = rows.item().filter(|(found, _)| *found == key);
                    let hash = row.and_then(|(_, value)| Hash::try_from(value).ok());
                    (hash, Damage::LogNode { level, index })
                }
            };
            rows.status().map_err(|error| engine.error(error))?;
            hashes.push(found.ok_or_else(|| engine.damaged(missing))?);
            rows.next();
        }
        Ok(hashes)
    }

    fn sequence(&self, leaf: u64) -> u64 {
        self.snapshot.epochs().sequence_of(leaf).unwrap_or(0)
    }
}

impl Nodes for SnapshotNodes<'_> {
    type Error = LedgerError;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, LedgerError> {
        let tile_level = u8::try_from(level / TILE_HEIGHT).unwrap_or(u8::MAX);
        let above = level % TILE_HEIGHT;
        let first = index.checked_shl(above).unwrap_or(u64::MAX);
        let tile = self.tile(tile_level, first / TILE_WIDTH)?;
        let offset = usize::try_from(first % TILE_WIDTH).unwrap_or(usize::MAX);
        let hashes = tile.hashes.iter().skip(offset).take(1 << above);
        let mut subtree = Frontier::default();
        for hash in hashes {
            subtree.push(*hash, |_, _, _| {});
        }
        match subtree.peaks() {
            [root] if subtree.size() == 1 << above => Ok(*root),
            // Not complete: asked for by nobody who knows the size.
            _ => Err(self.snapshot.engine().damaged(Damage::LogNode {
                level: tile_level,
                index: first,
            })),
        }
    }
}

impl std::fmt::Debug for SnapshotNodes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotNodes")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
