//! The side table: single extensions of the few records that have any.

use super::checksum::Seed;
use super::format::{SIDE_ENTRY_LEN, SIDE_LEN_MAX, SINGLE_EXTENSIONS_LEN_MAX};
use super::octets::index;
use crate::octets::Octets;

/// Collects entries and writes them out. In memory until then: 16 octets and the extensions, for rare
/// records.
#[derive(Debug, Default)]
pub(super) struct SideTable(Vec<(u32, Box<[u8]>)>);

impl SideTable {
    pub(super) fn push(&mut self, record: u32, single_extensions: Box<[u8]>) {
        self.0.push((record, single_extensions));
    }

    /// The number of entries and their octets; `None` when they outgrow the table.
    pub(super) fn encode(mut self, seed: Seed) -> Option<(u32, Vec<u8>)> {
        self.0.sort_unstable_by_key(|(record, _)| *record);
        let mut entries = Vec::new();
        let mut blobs = Vec::new();
        for (record, single_extensions) in &self.0 {
            let mut entry = Vec::with_capacity(SIDE_ENTRY_LEN);
            entry.extend(record.to_be_bytes());
            entry.extend(u32::try_from(blobs.len()).ok()?.to_be_bytes());
            entry.extend(u32::try_from(single_extensions.len()).ok()?.to_be_bytes());
            let checksum = seed.checksum_of_two(*record, &entry, single_extensions);
            entry.extend(checksum.to_be_bytes());
            entries.extend(entry);
            blobs.extend_from_slice(single_extensions);
        }
        entries.extend(blobs);
        let fits = u32::try_from(entries.len()).is_ok_and(|len| len <= SIDE_LEN_MAX);
        let count = u32::try_from(self.0.len()).ok()?;
        fits.then_some((count, entries))
    }
}

/// One entry's fields, not yet believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct SideEntry {
    pub(super) record: u32,
    pub(super) offset: u32,
    pub(super) len: u32,
    checked: [u8; 12],
    checksum: u32,
}

impl SideEntry {
    pub(super) fn decode(octets: &[u8; SIDE_ENTRY_LEN]) -> Option<Self> {
        let (checked, _) = octets.split_first_chunk::<12>()?;
        let mut fields = Octets::new(octets);
        Some(Self {
            record: fields.u32()?,
            offset: fields.u32()?,
            len: fields.u32()?,
            checked: *checked,
            checksum: fields.u32()?,
        })
    }

    /// Whether entry and extensions are as written.
    pub(super) fn holds(&self, seed: Seed, single_extensions: &[u8]) -> bool {
        (1..=SINGLE_EXTENSIONS_LEN_MAX).contains(&single_extensions.len())
            && seed.checksum_of_two(self.record, &self.checked, single_extensions) == self.checksum
    }
}

/// The single extensions of a record that is flagged to have some; `None` when the table is damaged.
///
/// No allocation, no system call.
pub(super) fn find<'a>(
    entries: &[u8],
    blobs: &'a [u8],
    seed: Seed,
    record: u32,
) -> Option<&'a [u8]> {
    let (entries, _) = entries.as_chunks::<SIDE_ENTRY_LEN>();
    let at = entries
        .binary_search_by_key(&record, |entry| {
            SideEntry::decode(entry).map_or(u32::MAX, |entry| entry.record)
        })
        .ok()?;
    let entry = SideEntry::decode(entries.get(at)?)?;
    let single_extensions = blobs.get(index(entry.offset)..)?.get(..index(entry.len))?;
    entry
        .holds(seed, single_extensions)
        .then_some(single_extensions)
}

#[cfg(test)]
mod tests {
    use super::super::checksum::Seeds;
    use super::*;

    #[test]
    fn entries_are_found_whatever_order_they_came_in() {
        let seed = Seeds::new(&[0; 16]).side;
        let mut table = SideTable::default();
        for record in [7_u32, 1, 4] {
            table.push(record, vec![record.to_be_bytes()[3]; index(record)].into());
        }
        let (count, octets) = table.encode(seed).unwrap();
        let (entries, blobs) = octets.split_at(index(count) * SIDE_ENTRY_LEN);
        for record in [1_u32, 4, 7] {
            let found = find(entries, blobs, seed, record).unwrap();
            assert_eq!(found, vec![record.to_be_bytes()[3]; index(record)]);
        }
        assert_eq!(find(entries, blobs, seed, 2), None);
        for bit in 0..octets.len() * 8 {
            let mut octets = octets.clone();
            octets[bit / 8] ^= 1 << (bit % 8);
            let (entries, blobs) = octets.split_at(index(count) * SIDE_ENTRY_LEN);
            for record in [1_u32, 4, 7] {
                if let Some(found) = find(entries, blobs, seed, record) {
                    assert_eq!(found, vec![record.to_be_bytes()[3]; index(record)]);
                }
            }
        }
    }
}
