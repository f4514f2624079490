//! The number of the last acknowledged write, kept beside RocksDB: without it, a write-ahead log or
//! MANIFEST that was cut short would open as a ledger that is merely older.
//!
//! Big-endian, two slots, the file `acknowledged` in the ledger's folder:
//!
//! ```text
//! offset 0 and 512
//!      8  magic "ESTLMACK"
//!      8  number
//!      4  CRC-32C of the 16 octets before
//! ```
//!
//! Every batch is numbered in `meta`. After each synced one the older slot is overwritten in place, so that one is whole at any moment.
//! The write is not synced each time: killing the process loses nothing, and after a power cut the
//! number is at worst older than the truth, never newer, since the batch was synced before. What can
//! be read wins; if neither slot can, the file tells nothing and is written anew.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

/// The open file.
#[derive(Debug)]
pub(super) struct HighWater {
    file: File,
    /// What each slot holds; 0 for nothing.
    slots: [u64; 2],
    unsynced: u32,
}

const FILE_NAME: &str = "acknowledged";
const MAGIC: [u8; 8] = *b"ESTLMACK";
const SLOT_OCTETS: usize = 20;
/// In sectors of their own, so that a torn write cannot hit both.
const OFFSETS: [u64; 2] = [0, 512];
/// Bounds how far behind a power cut can leave the number; one sync in 64 costs little.
const UNSYNCED_MAX: u32 = 64;

impl HighWater {
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join(FILE_NAME))?;
        let mut slots = [0; 2];
        for (slot, offset) in slots.iter_mut().zip(OFFSETS) {
            let mut octets = [0; SLOT_OCTETS];
            match file.read_exact_at(&mut octets, offset) {
                Ok(()) => *slot = number(&octets).unwrap_or(0),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self {
            file,
            slots,
            unsynced: 0,
        })
    }

    /// The last acknowledged write as far as is known; 0 when nothing is.
    pub(super) fn number(&self) -> u64 {
        self.slots.into_iter().max().unwrap_or(0)
    }

    /// Raises the number; a lower one changes nothing.
    pub(super) fn raise(&mut self, number: u64) -> io::Result<()> {
        if number <= self.number() {
            return Ok(());
        }
        let [first, second] = self.slots;
        let (slot, offset) = match (&mut self.slots, OFFSETS) {
            ([slot, _], [offset, _]) if first <= second => (slot, offset),
            ([_, slot], [_, offset]) => (slot, offset),
        };
        self.file.write_all_at(&octets(number), offset)?;
        *slot = number;
        self.unsynced = self.unsynced.saturating_add(1);
        if self.unsynced >= UNSYNCED_MAX {
            self.sync()?;
        }
        Ok(())
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.unsynced = 0;
        self.file.sync_data()
    }
}

fn octets(number: u64) -> [u8; SLOT_OCTETS] {
    let mut octets = [0; SLOT_OCTETS];
    if let Some((body, checksum)) = octets.split_last_chunk_mut::<4>() {
        for (octet, value) in body
            .iter_mut()
            .zip(MAGIC.into_iter().chain(number.to_be_bytes()))
        {
            *octet = value;
        }
        *checksum = crc32c::crc32c(body).to_be_bytes();
    }
    octets
}

fn number(octets: &[u8; SLOT_OCTETS]) -> Option<u64> {
    let (body, checksum) = octets.split_last_chunk::<4>()?;
    let (magic, number) = body.split_first_chunk::<8>()?;
    let whole = *magic == MAGIC && *checksum == crc32c::crc32c(body).to_be_bytes();
    let number = number.first_chunk::<8>()?;
    whole.then_some(u64::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slot_survives_any_damage_to_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let mut high_water = HighWater::open(dir.path()).unwrap();
        assert_eq!(high_water.number(), 0);
        for number in [7, 8, 3] {
            high_water.raise(number).unwrap();
        }
        let path = dir.path().join(FILE_NAME);
        let whole = std::fs::read(&path).unwrap();
        for (offset, left) in [(0, 8), (512, 7)] {
            for octet in offset..offset + SLOT_OCTETS {
                let mut octets = whole.clone();
                octets[octet] ^= 0x10;
                std::fs::write(&path, octets).unwrap();
                assert_eq!(HighWater::open(dir.path()).unwrap().number(), left);
            }
        }
    }
}
