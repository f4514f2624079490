//! Checksums that know where their block belongs.

/// Octets that say which file a block belongs to.
pub(super) type FileId = [u8; 16];

/// Where the checksums of a file's blocks start from, one for each kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Seeds {
    pub(super) template: Seed,
    pub(super) record: Seed,
    pub(super) side: Seed,
    pub(super) bucket: Seed,
}

impl Seeds {
    pub(super) fn new(file_id: &FileId) -> Self {
        let of_file = crc32c::crc32c(file_id);
        let seed = |kind: u8| Seed(crc32c::crc32c_append(of_file, &[kind]));
        Self {
            template: seed(b'T'),
            record: seed(b'R'),
            side: seed(b'S'),
            bucket: seed(b'B'),
        }
    }
}

/// The start for one kind of block in one file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Seed(u32);

impl Seed {
    /// The checksum of block `number`.
    ///
    /// A CRC maps its start to its end one to one for given octets, so the same octets have another
    /// checksum under each number.
    pub(super) fn checksum(self, number: u32, octets: &[u8]) -> u32 {
        crc32c::crc32c_append(self.0 ^ number, octets)
    }

    /// The checksum of block `number` when its octets lie in two places.
    pub(super) fn checksum_of_two(self, number: u32, first: &[u8], second: &[u8]) -> u32 {
        crc32c::crc32c_append(self.checksum(number, first), second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_in_another_place_or_file_has_another_checksum() {
        let seeds = Seeds::new(&[1; 16]);
        let octets = [7; 64];
        let right = seeds.bucket.checksum(3, &octets);
        assert_ne!(right, seeds.bucket.checksum(4, &octets));
        assert_ne!(right, seeds.record.checksum(3, &octets));
        assert_ne!(right, Seeds::new(&[2; 16]).bucket.checksum(3, &octets));
        let halves = octets.split_at(20);
        assert_eq!(right, seeds.bucket.checksum_of_two(3, halves.0, halves.1));
    }
}
