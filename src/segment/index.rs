//! The index: from the hash of a serial to the records that may be its own.

use super::checksum::Seed;
use super::format::{BUCKET_LEN, BUCKETS_MAX, PROBE_LIMIT};
use super::octets::index;

const SLOTS: usize = 15;
const EMPTY: u32 = u32::MAX;
const RECORD_BITS: u32 = 21;
const RECORD_MASK: u32 = (1 << RECORD_BITS) - 1;
const FINGERPRINT_MASK: u64 = (1 << 11) - 1;
/// Mean load of a bucket: 10 of 15 slots overflow seldom, and cost 6.4 octets a record.
const LOAD: u32 = 10;
/// How often the writer tries again with other and more buckets.
const ATTEMPTS: u32 = 8;

/// Where the search for a serial begins, and what to look for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Placement {
    home: u32,
    bucket_count: u32,
    fingerprint: u32,
}

impl Placement {
    pub(super) fn new(hash: u64, salt: u64, bucket_count: u32) -> Self {
        let mixed = mix(hash ^ salt);
        let scaled = (mixed >> 32).saturating_mul(bucket_count.into()) >> 32;
        Self {
            home: u32::try_from(scaled).unwrap_or(0),
            bucket_count,
            fingerprint: u32::try_from(mixed & FINGERPRINT_MASK).unwrap_or(0),
        }
    }

    /// The buckets to search, in order, until one has a free slot.
    pub(super) fn buckets(self) -> impl Iterator<Item = u32> {
        let limit = u32::from(PROBE_LIMIT).min(self.bucket_count);
        (0..limit).map(move |step| {
            let bucket = self.home.saturating_add(step);
            bucket.checked_sub(self.bucket_count).unwrap_or(bucket)
        })
    }

    const fn slot(self, record: u32) -> u32 {
        (self.fingerprint << RECORD_BITS) | record
    }
}

/// The finaliser of MurmurHash3: one to one, every bit of the input moves every bit of the output. The
/// hash's high bits, alike in all serials of a shard, so do not matter here.
const fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

/// One bucket whose checksum holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket<'a>(&'a [[u8; 4]]);

impl<'a> Bucket<'a> {
    /// `None` when the bucket is damaged.
    pub(super) fn decode(line: &'a [u8; BUCKET_LEN], seed: Seed, number: u32) -> Option<Self> {
        let (checksum, slots) = line.split_first_chunk::<4>()?;
        (seed.checksum(number, slots) == u32::from_be_bytes(*checksum))
            .then_some(Self(slots.as_chunks().0))
    }

    /// The records in it with the fingerprint looked for; a miss must be confirmed by the serial.
    pub(super) fn candidates(self, placement: Placement) -> impl Iterator<Item = u32> + 'a {
        self.0
            .iter()
            .map(|slot| u32::from_be_bytes(*slot))
            .filter(move |slot| slot >> RECORD_BITS == placement.fingerprint && *slot != EMPTY)
            .map(|slot| slot & RECORD_MASK)
    }

    /// Whether the search goes on in the next bucket.
    pub(super) fn is_full(self) -> bool {
        self.0
            .last()
            .is_some_and(|slot| u32::from_be_bytes(*slot) != EMPTY)
    }
}

/// A finished index.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) bucket_count: u32,
    pub(super) salt: u64,
    slots: Vec<u32>,
}

/// Why there is no index.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum BuildError<E> {
    /// The serials of these two records have the same hash, and are the same.
    Twice(u32),
    /// No attempt kept every record within the probe limit.
    Crowded,
    /// The comparison of two serials failed.
    Compare(E),
}

impl Index {
    /// Places the records with these hashes, in order of their number. Tries more buckets and another
    /// salt when one lies beyond the probe limit; only serials with one and the same 64-bit hash stay
    /// together under every salt, and at least 100 of them fit.
    ///
    /// `same` says whether two records with equal hashes have the same serial.
    pub(super) fn build<E>(
        hashes: &[u64],
        salt: u64,
        mut same: impl FnMut(u32, u32) -> Result<bool, E>,
    ) -> Result<Self, BuildError<E>> {
        let count = u32::try_from(hashes.len()).map_err(|_| BuildError::Crowded)?;
        let least = count.div_ceil(LOAD).max(1);
        for attempt in 0..ATTEMPTS {
            let more = least.div_ceil(4).saturating_mul(attempt);
            let mut index = Self {
                bucket_count: least.saturating_add(more).min(BUCKETS_MAX),
                salt: salt.wrapping_add(attempt.into()),
                slots: Vec::new(),
            };
            index.slots = vec![EMPTY; self::index(index.bucket_count).saturating_mul(SLOTS)];
            let mut fits = true;
            for (record, hash) in (0..).zip(hashes) {
                if !index.place(record, *hash, hashes, &mut same)? {
                    fits = false;
                    break;
                }
            }
            if fits {
                return Ok(index);
            }
        }
        Err(BuildError::Crowded)
    }

    fn place<E>(
        &mut self,
        record: u32,
        hash: u64,
        hashes: &[u64],
        same: &mut impl FnMut(u32, u32) -> Result<bool, E>,
    ) -> Result<bool, BuildError<E>> {
        let placement = Placement::new(hash, self.salt, self.bucket_count);
        let new = placement.slot(record);
        for bucket in placement.buckets() {
            let first = index(bucket).saturating_mul(SLOTS);
            let slots = self.slots.iter_mut().skip(first).take(SLOTS);
            for slot in slots {
                if *slot == EMPTY {
                    *slot = new;
                    return Ok(true);
                }
                let other = *slot & RECORD_MASK;
                let alike = *slot >> RECORD_BITS == placement.fingerprint
                    && hashes.get(index(other)) == Some(&hash);
                if alike && same(other, record).map_err(BuildError::Compare)? {
                    return Err(BuildError::Twice(record));
                }
            }
        }
        Ok(false)
    }

    /// The octets of the buckets from `first` on, at most `count` of them, appended to `out`.
    pub(super) fn encode(&self, seed: Seed, first: u32, count: u32, out: &mut Vec<u8>) {
        let buckets = self.slots.chunks(SLOTS).skip(index(first));
        for (slots, number) in buckets.take(index(count)).zip(first..) {
            let mut octets = [0; BUCKET_LEN];
            let (line, _) = octets.as_chunks_mut::<4>();
            for (place, slot) in line.iter_mut().skip(1).zip(slots) {
                *place = slot.to_be_bytes();
            }
            let checksum = octets.get(4..).map(|slots| seed.checksum(number, slots));
            if let (Some(place), Some(checksum)) = (octets.first_chunk_mut(), checksum) {
                *place = checksum.to_be_bytes();
            }
            out.extend(octets);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::super::checksum::Seeds;
    use super::*;

    fn build(hashes: &[u64]) -> Result<Index, BuildError<Infallible>> {
        Index::build(hashes, 42, |_, _| Ok(false))
    }

    /// How many buckets a search for each hash reads, and the records it meets.
    fn search(built: &Index, hash: u64) -> (usize, Vec<u32>) {
        let seed = Seeds::new(&[9; 16]).bucket;
        let placement = Placement::new(hash, built.salt, built.bucket_count);
        let (mut read, mut found) = (0, Vec::new());
        for number in placement.buckets() {
            let mut line = Vec::new();
            built.encode(seed, number, 1, &mut line);
            let bucket = Bucket::decode(line.first_chunk().unwrap(), seed, number).unwrap();
            read += 1;
            found.extend(bucket.candidates(placement));
            if !bucket.is_full() {
                break;
            }
        }
        (read, found)
    }

    #[test]
    fn a_search_reads_at_most_1_3_buckets_on_average() {
        let hashes: Vec<u64> = (0..20_000_u64).map(|n| mix(n + 1)).collect();
        let built = build(&hashes).unwrap();
        assert_eq!(built.bucket_count, 2_000);
        let (mut present, mut absent, mut false_candidates) = (0, 0, 0);
        for (record, hash) in (0..).zip(&hashes) {
            let (read, found) = search(&built, *hash);
            assert!(found.contains(&record));
            present += read;
            let (read, found) = search(&built, !hash);
            absent += read;
            false_candidates += found.len();
        }
        assert!(present < 26_000, "{present} buckets for 20,000 present");
        assert!(absent < 26_000, "{absent} buckets for 20,000 absent");
        assert!(
            false_candidates < 200,
            "{false_candidates} false candidates"
        );
    }

    #[test]
    fn serials_that_share_half_their_hash_still_fit() {
        // A shard's serials share the high bits; an unlucky or forged set could share the low ones.
        for shift in [0, 32] {
            let hashes: Vec<u64> = (0..5_000_u64)
                .map(|n| (n << shift) | (7 << (32 - shift)))
                .collect();
            let built = build(&hashes).unwrap();
            for (record, hash) in (0..).zip(&hashes) {
                assert!(search(&built, *hash).1.contains(&record));
            }
        }
    }

    #[test]
    fn equal_hashes_fit_up_to_the_probe_limit_and_are_named_beyond() {
        let fitting = vec![3_u64; 240];
        let built = build(&[&fitting[..], &[5, 6, 7]].concat()).unwrap();
        assert_eq!(search(&built, 3).1.len(), 240);
        assert_eq!(build(&[3; 241]).unwrap_err(), BuildError::Crowded);
        // The crowd pushes others out of their home, and the index grows until all are near enough.
        let mut hashes: Vec<u64> = (0..2_000_u64).map(mix).collect();
        hashes.extend(vec![3; 100]);
        let built = build(&hashes).unwrap();
        for (record, hash) in (0..).zip(&hashes) {
            assert!(search(&built, *hash).1.contains(&record));
        }
    }

    #[test]
    fn the_same_serial_twice_is_named() {
        let same = |_, _| Ok::<_, Infallible>(true);
        let error = Index::build(&[1, 2, 1], 0, same).unwrap_err();
        assert_eq!(error, BuildError::Twice(2));
    }

    proptest! {
        #[test]
        fn every_record_is_found_under_its_hash(hashes in prop::collection::vec(0..200_u64, 0..300)) {
            let built = build(&hashes).unwrap();
            for (record, hash) in (0..).zip(&hashes) {
                prop_assert!(search(&built, *hash).1.contains(&record));
            }
        }
    }
}
