//! Whether the log's edge fits the entries: looked at whenever the ledger is opened.

use crate::ledger::{
    engine::{Engine, be_u64},
    error::{Damage, LedgerError},
    keys,
};

use super::{
    frontier::Frontier,
    hash::{Hash, leaf_hash},
    tiles::{self, TILE_LEVEL_MAX, TILE_WIDTH},
};

/// Compares the kept edge with what follows from the last tile's entries and the kept roots beside
/// it: at most 256 entries and as many rows a level of tiles, whatever the size of the ledger. What
/// lies further back is for `estelam audit verify`.
pub(in crate::ledger) fn check(engine: &Engine) -> Result<(), LedgerError> {
    let frontier = engine.frontier()?;
    let last_sequence = engine.last_sequence()?;
    let size = match last_sequence {
        0 => Some(0),
        last => engine
            .epochs()
            .leaf_of(last)
            .and_then(|leaf| leaf.checked_add(1)),
    };
    if size != Some(frontier.size()) {
        return Err(engine.damaged(Damage::LogSize {
            leaves: frontier.size(),
            last_sequence,
        }));
    }
    let Some(last_leaf) = frontier.size().checked_sub(1) else {
        return Ok(());
    };
    let first_leaf = last_leaf / TILE_WIDTH * TILE_WIDTH;
    let mut rebuilt = from_tiles(engine, first_leaf)?;
    let mut roots = Vec::new();
    let missing = |sequence| engine.damaged(Damage::MissingEntry { sequence });
    let first = engine.epochs().sequence_of(first_leaf).unwrap_or(u64::MAX);
    let mut expected = Some(first);
    let mut entries = engine.db().raw_iterator_cf(engine.family(keys::ENTRIES)?);
    entries.seek(first.to_be_bytes());
    while rebuilt.size() < frontier.size() {
        let sequence = expected.unwrap_or(u64::MAX);
        match entries.item() {
            Some((key, value)) if be_u64(key) == Some(sequence) => {
                rebuilt.push(leaf_hash(value), |level, index, hash| {
                    if let Some(key) = tiles::kept(level, index) {
                        roots.push((key, *hash));
                    }
                });
            }
            _ => {
                entries.status().map_err(|error| engine.error(error))?;
                return Err(missing(sequence));
            }
        }
        expected = engine.epochs().next_after(sequence);
        entries.next();
    }
    let mut fits = rebuilt == frontier;
    for (key, hash) in roots {
        fits &= row(engine, key)? == hash;
    }
    match fits {
        true => Ok(()),
        false => Err(engine.damaged(Damage::LogEdge {
            first,
            last: last_sequence,
        })),
    }
}

/// The edge of a tree of `size` leaves, a multiple of 256, from the kept roots.
fn from_tiles(engine: &Engine, size: u64) -> Result<Frontier, LedgerError> {
    let mut peaks = Vec::new();
    for level in (1..=TILE_LEVEL_MAX).rev() {
        let complete = tiles::complete(level, size);
        let first = complete / TILE_WIDTH * TILE_WIDTH;
        let mut tile = Frontier::default();
        for index in first..complete {
            tile.push(row(engine, tiles::key(level, index))?, |_, _, _| {});
        }
        peaks.extend_from_slice(tile.peaks());
    }
    Frontier::new(size, peaks).ok_or_else(|| {
        // Only for a size that is no multiple of 256.
        engine.damaged(Damage::Value { family: keys::TREE })
    })
}

fn row(engine: &Engine, key: [u8; 9]) -> Result<Hash, LedgerError> {
    let value = engine
        .db()
        .get_pinned_cf(engine.family(keys::TREE)?, key)
        .map_err(|error| engine.error(error))?;
    let hash = value.and_then(|value| Hash::try_from(&*value).ok());
    hash.ok_or_else(|| {
        let (level, index) = tiles::place(&key).unwrap_or_default();
        engine.damaged(Damage::LogNode { level, index })
    })
}
