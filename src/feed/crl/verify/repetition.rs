//! Whether a serial number is listed twice (RFC 5280 §5.1.2.6), in little memory.
//!
//! Most CRLs are sorted, and then neighbours are enough. Of one that is not, 16 octets an entry are kept:
//! 96 bits of a keyed hash, which no two of ten million serial numbers share by chance (10⁻¹⁵), and the number of the
//! entry.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use siphasher::sip128::{Hasher128 as _, SipHasher13};

/// The serial numbers of a list, as they come.
pub(super) struct Repetitions {
    /// The content octets of the one before.
    last: Vec<u8>,
    is_sorted: bool,
    /// Only where they are kept.
    kept: Option<Vec<[u32; 4]>>,
    keys: (u64, u64),
    first_pair: Option<(u32, u32)>,
    count: u64,
}

/// What was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Repeated {
    /// Every one occurs once.
    No,
    /// So many entries say a serial number again; the first such pair by their numbers.
    Yes { count: u64, first: (u32, u32) },
    /// The list is not sorted and nothing was kept: it has to be read again, keeping them.
    NotKnown,
}

impl Repetitions {
    /// `keep` where the list may not be sorted, and cannot be read again.
    pub(super) fn new(keep: bool) -> Self {
        let random = || RandomState::new().build_hasher().finish();
        Self {
            last: Vec::new(),
            is_sorted: true,
            kept: keep.then(Vec::new),
            keys: (random(), random()),
            first_pair: None,
            count: 0,
        }
    }

    /// The next one, of the certificate issuer `issuer`: empty for that of the CRL.
    pub(super) fn add(&mut self, number: u32, issuer: &[u8], serial: &[u8]) {
        if let Some(kept) = &mut self.kept {
            let mut hasher = SipHasher13::new_with_keys(self.keys.0, self.keys.1);
            hasher.write(issuer);
            hasher.write(serial);
            let [high, low] = [hasher.finish128().h1, hasher.finish128().h2];
            let [a, b, c, d, e, f, g, h] = high.to_be_bytes();
            let [i, j, k, l, ..] = low.to_be_bytes();
            let word = u32::from_be_bytes;
            kept.push([
                word([a, b, c, d]),
                word([e, f, g, h]),
                word([i, j, k, l]),
                number,
            ]);
            return;
        }
        if !self.is_sorted {
            return;
        }
        // Numbers of one issuer, by length and then by octets: minimal and not negative.
        let (before, now) = ((self.last.len(), &self.last[..]), (serial.len(), serial));
        if !issuer.is_empty() || now < before {
            self.is_sorted = false;
        } else if number > 1 && now == before {
            let pair = (number.saturating_sub(1), number);
            self.first_pair.get_or_insert(pair);
            self.count = self.count.saturating_add(1);
        }
        self.last.clear();
        self.last.extend_from_slice(serial);
    }

    pub(super) fn finish(self) -> Repeated {
        let (mut count, mut first_pair) = (self.count, self.first_pair);
        if let Some(mut kept) = self.kept {
            kept.sort_unstable();
            for pair in kept.windows(2) {
                if let [[a, b, c, first], [d, e, f, second]] = pair
                    && (a, b, c) == (d, e, f)
                {
                    count = count.saturating_add(1);
                    let pair = (*first, *second);
                    first_pair = Some(first_pair.map_or(pair, |known| known.min(pair)));
                }
            }
        } else if !self.is_sorted {
            return Repeated::NotKnown;
        }
        match first_pair {
            None => Repeated::No,
            Some(first) => Repeated::Yes { count, first },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(serials: &[&[u8]], keep: bool) -> Repeated {
        let mut repetitions = Repetitions::new(keep);
        for (serial, number) in serials.iter().zip(1..) {
            repetitions.add(number, &[], serial);
        }
        repetitions.finish()
    }

    #[test]
    fn neighbours_are_enough_where_serials_rise() {
        let rising: &[&[u8]] = &[&[1], &[2], &[0x7f], &[0, 0x80], &[1, 0], &[1, 0, 0]];
        let twice: &[&[u8]] = &[&[1], &[2], &[2], &[2], &[3]];
        let unsorted: &[&[u8]] = &[&[2], &[1], &[3], &[2]];
        let first = (2, 3);
        for keep in [false, true] {
            assert_eq!(found(rising, keep), Repeated::No);
            assert_eq!(found(&[], keep), Repeated::No);
            assert_eq!(found(twice, keep), Repeated::Yes { count: 2, first });
        }
        assert_eq!(found(unsorted, false), Repeated::NotKnown);
        let first = (1, 4);
        assert_eq!(found(unsorted, true), Repeated::Yes { count: 1, first });
    }

    #[test]
    fn two_issuers_may_have_one_serial() {
        for (issuer, due) in [
            (
                &[][..],
                Repeated::Yes {
                    count: 1,
                    first: (1, 2),
                },
            ),
            (&[7][..], Repeated::No),
        ] {
            let mut repetitions = Repetitions::new(true);
            repetitions.add(1, &[], &[1]);
            repetitions.add(2, issuer, &[1]);
            assert_eq!(repetitions.finish(), due);
        }
    }
}
