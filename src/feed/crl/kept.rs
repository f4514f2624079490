//! The entries of a CRL in memory, packed: a million are judged before the first is applied.
//!
//! ```text
//! entry    1  octets of the serial number, 0x20 with an invalidityDate, 0xc0 the high two of the four
//!             bits of reasonCode (0 for none); 0x00 alone stands for a bad entry
//!          5  the low two bits of reasonCode, 38 bits of revocationDate: seconds since 1970
//!          n  serial number
//!          5  invalidityDate                    if flagged
//! ```
//!
//! So 22 octets for a serial of 16.

use crate::{
    asn1::{CrlReason, UnixTime},
    change::RevocationClaim,
    identity::SerialNumber,
};

/// All entries in the order of the CRL.
#[derive(Debug, Default)]
pub(super) struct Kept {
    octets: Vec<u8>,
    count: u32,
    /// Where every [`STRIDE`]-th entry begins, so that the number of one is found from its offset.
    strides: Vec<u32>,
}

const STRIDE: u32 = 1024;

/// One entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct KeptEntry {
    pub(super) serial: SerialNumber,
    pub(super) claim: RevocationClaim,
}

const LEN: u8 = 0x1f;
const INVALIDITY_DATE: u8 = 0x20;

/// More entries than can be addressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Full;

impl Kept {
    /// Adds the next entry.
    pub(super) fn push(&mut self, entry: &KeptEntry) -> Result<(), Full> {
        self.begin()?;
        let KeptEntry { serial, claim } = entry;
        let serial = serial.as_bytes();
        let len = u8::try_from(serial.len()).unwrap_or(LEN);
        let dated = match claim.invalidity_date {
            None => 0,
            Some(_) => INVALIDITY_DATE,
        };
        let reason = claim.reason.map_or(0, CrlReason::code);
        let [time, rest @ ..] = secs(claim.revocation_time);
        self.octets
            .extend_from_slice(&[len | dated | reason >> 2 << 6, time | reason << 6]);
        self.octets.extend_from_slice(&rest);
        self.octets.extend_from_slice(serial);
        if let Some(time) = claim.invalidity_date {
            self.octets.extend_from_slice(&secs(time));
        }
        Ok(())
    }

    /// Counts a bad entry, so that those after it keep their numbers.
    pub(super) fn push_bad(&mut self) -> Result<(), Full> {
        self.begin()?;
        self.octets.push(0);
        Ok(())
    }

    /// The offset of the entry that comes next.
    pub(super) fn end(&self) -> u64 {
        u64::try_from(self.octets.len()).unwrap_or(u64::MAX)
    }

    /// Makes place for an entry.
    fn begin(&mut self) -> Result<(), Full> {
        let offset = u32::try_from(self.octets.len()).map_err(|_| Full)?;
        if self.count.is_multiple_of(STRIDE) {
            self.strides.push(offset);
        }
        self.count = self.count.checked_add(1).ok_or(Full)?;
        Ok(())
    }

    /// The place in the CRL, counted from 1, of the entry at an offset.
    pub(super) fn number(&self, offset: u32) -> u64 {
        let strides = self.strides.partition_point(|start| *start <= offset);
        let before = strides.saturating_sub(1);
        let start = self.strides.get(before).copied().unwrap_or_default();
        let within = self.from(start).take_while(|(at, _)| *at <= offset).count();
        let before = u64::try_from(before).unwrap_or(u64::MAX);
        before
            .saturating_mul(u64::from(STRIDE))
            .saturating_add(u64::try_from(within).unwrap_or(u64::MAX))
    }

    /// All entries from the one at `start` on with their offsets; `None` for a bad one.
    fn from(&self, start: u32) -> impl Iterator<Item = (u32, Option<KeptEntry>)> + '_ {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let mut rest = self.octets.get(start..).unwrap_or_default();
        std::iter::from_fn(move || {
            let offset = self.octets.len().saturating_sub(rest.len());
            let (entry, after) = decode(rest)?;
            rest = after;
            Some((u32::try_from(offset).ok()?, entry))
        })
    }

    /// The good entries in order, with their offsets.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, KeptEntry)> + '_ {
        self.from(0)
            .filter_map(|(offset, entry)| Some((offset, entry?)))
    }

    /// The entry at an offset.
    pub(super) fn at(&self, offset: u32) -> Option<KeptEntry> {
        let rest = self.octets.get(usize::try_from(offset).ok()?..)?;
        decode(rest)?.0
    }

    /// The serial at an offset.
    #[inline]
    pub(super) fn serial_at(&self, offset: u32) -> Option<&[u8]> {
        let rest = self.octets.get(usize::try_from(offset).ok()?..)?;
        let (head, rest) = rest.split_first()?;
        rest.get(FIXED..FIXED.saturating_add(usize::from(head & LEN)))
    }
}

/// Octets between the first and the serial number.
const FIXED: usize = 5;

/// Times have 38 bits at most, so the two highest of five octets are free for reasonCode.
const _: () = assert!(UnixTime::MAX.as_secs() < 1 << 38);

/// The first entry, `None` inside for a bad one, and what follows it.
#[inline]
fn decode(octets: &[u8]) -> Option<(Option<KeptEntry>, &[u8])> {
    let (head, rest) = octets.split_first()?;
    let len = usize::from(head & LEN);
    if len == 0 {
        return Some((None, rest));
    }
    let ([first, time @ ..], rest) = rest.split_first_chunk::<FIXED>()?;
    let reason = head >> 6 << 2 | first >> 6;
    let [a, b, c, d] = *time;
    let (serial, rest) = rest.split_at_checked(len)?;
    let (invalidity_date, rest) = if head & INVALIDITY_DATE == 0 {
        (None, rest)
    } else {
        let (time, rest) = rest.split_first_chunk()?;
        (Some(unix(*time)?), rest)
    };
    let claim = RevocationClaim {
        revocation_time: unix([first & 0x3f, a, b, c, d])?,
        reason: CrlReason::from_code(reason),
        invalidity_date,
    };
    let serial = SerialNumber::from_content(serial).ok()?;
    Some((Some(KeptEntry { serial, claim }), rest))
}

fn secs(time: UnixTime) -> [u8; 5] {
    let [_, _, _, octets @ ..] = time.as_secs().to_be_bytes();
    octets
}

fn unix([a, b, c, d, e]: [u8; 5]) -> Option<UnixTime> {
    UnixTime::from_secs(u64::from_be_bytes([0, 0, 0, a, b, c, d, e]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(serial: &[u8], secs: u64) -> KeptEntry {
        KeptEntry {
            serial: SerialNumber::from_content(serial).unwrap(),
            claim: RevocationClaim {
                revocation_time: UnixTime::from_secs(secs).unwrap(),
                reason: secs.is_multiple_of(2).then_some(CrlReason::CertificateHold),
                invalidity_date: secs
                    .is_multiple_of(3)
                    .then(|| UnixTime::from_secs(secs / 2).unwrap()),
            },
        }
    }

    #[test]
    fn entries_come_back_with_their_numbers() {
        let mut kept = Kept::default();
        let entries: Vec<KeptEntry> = (1..=200_u8)
            .map(|n| {
                entry(
                    &vec![n % 100 + 1; usize::from(n % 20) + 1],
                    u64::from(n) << 30,
                )
            })
            .collect();
        for (entry, n) in entries.iter().zip(0..) {
            if n % 7 == 0 {
                kept.push_bad().unwrap();
            }
            kept.push(entry).unwrap();
        }
        let placed: Vec<(u32, KeptEntry)> = kept.iter().collect();
        assert_eq!(placed.len(), 200);
        let numbers: Vec<u64> = placed.iter().map(|(at, _)| kept.number(*at)).collect();
        assert_eq!(
            (numbers[0], numbers[6], numbers[7], numbers[199]),
            (2, 8, 10, 229)
        );
        for ((offset, placed), entry) in placed.iter().zip(&entries) {
            assert_eq!(placed, entry);
            assert_eq!(kept.at(*offset), Some(*entry));
            assert_eq!(kept.serial_at(*offset), Some(entry.serial.as_bytes()));
        }
    }

    #[test]
    fn numbers_are_found_beyond_the_first_stride() {
        let mut kept = Kept::default();
        for (n, serial) in (0..5000).zip((1..=100).cycle()) {
            kept.push(&entry(&[serial], n)).unwrap();
        }
        for ((offset, _), number) in kept.iter().zip(1..) {
            assert_eq!(kept.number(offset), number);
        }
    }
}
