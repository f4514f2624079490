//! The nodes that are kept: the roots of complete tiles of 256, on every level of tiles.
//!
//! The tree is cut into tiles of height 8, as C2SP tlog-tiles cuts it. The lowest tile, of 256 leaves,
//! is computed from its entries; the root of each complete one is kept, 32 octets for 256 entries, and
//! so is that of each tile of 256 such roots, and so on. Any node of the tree then costs one scan of at
//! most 256 entries or rows, and a proof one such scan a level of tiles.
//!
//! The column family `tree`:
//!
//! ```text
//! key    1  level of tiles, from 1: the node is the root of 256^level leaves
//!        8  its index among those of this level, from 0
//! value 32  the hash
//! ```

/// How many levels of the tree one of tiles has.
pub(in crate::ledger) const TILE_HEIGHT: u32 = 8;
/// How many nodes a complete tile has on its lowest level.
pub(in crate::ledger) const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;
/// The highest level of tiles that a tree of 2⁶⁴ leaves has.
pub(in crate::ledger) const TILE_LEVEL_MAX: u8 = 7;

/// The key of a node by its level in the tree, if it is one that is kept.
pub(super) fn kept(level: u32, index: u64) -> Option<[u8; 9]> {
    if level == 0 || !level.is_multiple_of(TILE_HEIGHT) {
        return None;
    }
    let tile_level = u8::try_from(level / TILE_HEIGHT).ok()?;
    Some(key(tile_level, index))
}

/// The key of the `index`-th root on a level of tiles.
pub(in crate::ledger) fn key(tile_level: u8, index: u64) -> [u8; 9] {
    let [a, b, c, d, e, f, g, h] = index.to_be_bytes();
    [tile_level, a, b, c, d, e, f, g, h]
}

/// The level of tiles and the index in a key of the column family.
pub(in crate::ledger) fn place(key: &[u8]) -> Option<(u8, u64)> {
    let (level, index) = key.split_first()?;
    Some((*level, u64::from_be_bytes(index.try_into().ok()?)))
}

/// How many nodes of a level of tiles a tree of `size` leaves has complete.
pub(in crate::ledger) fn complete(tile_level: u8, size: u64) -> u64 {
    let shift = u32::from(tile_level).saturating_mul(TILE_HEIGHT);
    size.checked_shr(shift).unwrap_or(0)
}
