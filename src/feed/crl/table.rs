//! By which an entry is found from its serial number, and the order in which entries are applied.

use crate::identity::{IssuerId, SerialHash, SerialNumber};

use super::kept::Kept;

/// The entries in the order of the ledger: 8 octets and a bit for each.
#[derive(Debug)]
pub(super) struct Table {
    issuer: IssuerId,
    /// The high half of each serial's hash and the entry's offset, sorted.
    places: Vec<u64>,
    /// Where each bucket begins, and where the last ends. A bucket is the places whose hashes have
    /// the same highest bits: about [`BUCKET_PLACES`], so a look-up touches two cache lines here.
    buckets: Vec<u32>,
    bucket_bits: u32,
    /// One bit a place, lowest first: set when nothing is left to do for the entry.
    settled: Vec<u64>,
}

/// Which entry of a [`Table`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Place {
    index: usize,
    /// Where the entry lies.
    pub(super) offset: u32,
}

const BUCKET_PLACES: usize = 16;

impl Table {
    /// The table of all entries, of which there are `count`.
    pub(super) fn new(kept: &Kept, count: usize, issuer: IssuerId) -> Self {
        let mut places = Vec::with_capacity(count);
        places.extend(kept.iter().map(|(offset, entry)| {
            let hash = order(&issuer, entry.serial.as_bytes());
            (hash << 32) | u64::from(offset)
        }));
        places.sort_unstable();
        let bucket_bits = (places.len() / BUCKET_PLACES).max(1).ilog2();
        let count = 1_u64 << bucket_bits;
        let mut buckets = Vec::new();
        let mut filled = 0;
        for (place, index) in places.iter().zip(0_u32..) {
            let bucket = (place >> 32 << bucket_bits) >> 32;
            while filled <= bucket {
                buckets.push(index);
                filled = filled.saturating_add(1);
            }
        }
        let end = u32::try_from(places.len()).unwrap_or(u32::MAX);
        while filled <= count {
            buckets.push(end);
            filled = filled.saturating_add(1);
        }
        Self {
            issuer,
            settled: vec![0; places.len().div_ceil(64)],
            places,
            buckets,
            bucket_bits,
        }
    }

    /// The entry of a serial; the first, if it has several.
    pub(super) fn find(&self, kept: &Kept, serial: &SerialNumber) -> Option<Place> {
        let hash = order(&self.issuer, serial.as_bytes());
        let bucket = usize::try_from((hash << self.bucket_bits) >> 32).ok()?;
        let start = usize::try_from(*self.buckets.get(bucket)?).ok()?;
        let end = usize::try_from(*self.buckets.get(bucket.checked_add(1)?)?).ok()?;
        self.places
            .get(start..end)?
            .iter()
            .zip(start..)
            .filter(|(place, _)| **place >> 32 == hash)
            .map(|(place, index)| Place {
                index,
                offset: offset(*place),
            })
            .find(|place| kept.serial_at(place.offset) == Some(serial.as_bytes()))
    }

    /// The entries for which something is left to do, in order.
    pub(super) fn unsettled(&self) -> impl Iterator<Item = Place> + '_ {
        self.places
            .iter()
            .zip(0..)
            .map(|(place, index)| Place {
                index,
                offset: offset(*place),
            })
            .filter(|place| !self.is_settled(*place))
    }

    /// The offsets of the entries for which something is left to do, in order: half the size of the
    /// table, for whoever looks up nothing more.
    pub(super) fn into_unsettled(self) -> Vec<u32> {
        let mut offsets = Vec::new();
        offsets.reserve_exact(self.unsettled().count());
        offsets.extend(self.unsettled().map(|place| place.offset));
        offsets
    }

    /// Whether nothing is left to do for an entry.
    pub(super) fn is_settled(&self, place: Place) -> bool {
        let word = self.settled.get(place.index / 64);
        word.is_some_and(|word| word >> (place.index % 64) & 1 == 1)
    }

    /// Notes that nothing is left to do for an entry.
    pub(super) fn settle(&mut self, place: Place) {
        if let Some(word) = self.settled.get_mut(place.index / 64) {
            *word |= 1 << (place.index % 64);
        }
    }

    /// The entries that have the same serial number, those of one serial at a time, in the order of
    /// the CRL.
    pub(super) fn each_repetition(&self, kept: &Kept, mut each: impl FnMut(&[Place])) {
        let mut start = 0_usize;
        for same_hash in self.places.chunk_by(|a, b| a >> 32 == b >> 32) {
            let end = start.saturating_add(same_hash.len());
            if same_hash.len() > 1 {
                let places = same_hash.iter().zip(start..);
                let mut places: Vec<Place> = places
                    .map(|(place, index)| Place {
                        index,
                        offset: offset(*place),
                    })
                    .collect();
                let serial = |place: &Place| kept.serial_at(place.offset);
                places.sort_by_key(|place| (serial(place), place.offset));
                for same in places.chunk_by(|a, b| serial(a) == serial(b)) {
                    if same.len() > 1 {
                        each(same);
                    }
                }
            }
            start = end;
        }
    }
}

fn offset(place: u64) -> u32 {
    let [.., a, b, c, d] = place.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// The 32 bits of the serial's hash that order the ledger.
fn order(issuer: &IssuerId, serial: &[u8]) -> u64 {
    u64::from(SerialHash::new(issuer, serial).order())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{asn1::UnixTime, change::RevocationClaim, feed::crl::kept::KeptEntry};

    fn serial(number: u32) -> SerialNumber {
        SerialNumber::from_content(&[&[1], &number.to_be_bytes()[..]].concat()).unwrap()
    }

    #[test]
    fn entries_are_found_whatever_their_number() {
        let issuer = IssuerId::new(b"name", b"key");
        for count in [0, 1, 2, 15, 16, 31, 32, 33, 1000, 5000] {
            let mut kept = Kept::default();
            for number in 0..count {
                let claim = RevocationClaim {
                    revocation_time: UnixTime::EPOCH,
                    reason: None,
                    invalidity_date: None,
                };
                // Every tenth a second time.
                for _ in 0..=u32::from(number % 10 == 0) {
                    let serial = serial(number);
                    kept.push(&KeptEntry { serial, claim }).unwrap();
                }
            }
            let mut table = Table::new(&kept, 0, issuer);
            for number in 0..count {
                let place = table.find(&kept, &serial(number)).unwrap();
                assert_eq!(kept.at(place.offset).unwrap().serial, serial(number));
            }
            assert_eq!(table.find(&kept, &serial(count)), None);
            let mut repeated = Vec::new();
            table.each_repetition(&kept, |same| {
                assert_eq!(same.len(), 2);
                assert!(same[0].offset < same[1].offset);
                assert_eq!(
                    table.find(&kept, &kept.at(same[1].offset).unwrap().serial),
                    Some(same[0])
                );
                repeated.push(same[1]);
            });
            assert_eq!(repeated.len(), usize::try_from(count.div_ceil(10)).unwrap());
            for place in repeated {
                table.settle(place);
                assert!(table.is_settled(place));
            }
            let left = table.unsettled();
            assert_eq!(left.count(), usize::try_from(count).unwrap());
        }
    }
}
