//! How a CRL follows the one before it: never backwards, and how many entries came and left.

use std::{
    cmp::Ordering,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::BufRead,
};

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::{
    CrlInput, Which,
    finding::Findings,
    open,
    reading::{Read, Reading},
};
use crate::{crl::CrlError, feed::crl::Authority};

/// What is different between the entries of two CRLs that follow one another.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Succession {
    /// Entries that the one before has not.
    pub came: u64,
    /// Entries that the one before has and this has not: they expired, were released from hold, or are lost.
    pub left: u64,
    /// Serial numbers in both.
    pub stayed: u64,
}

/// Two lists that are read side by side as long as both are sorted.
pub(super) struct Comparison<R> {
    before: Reading<R>,
    /// The serial number of the one before that comes next.
    next: Vec<u8>,
    place: Place,
    /// The later one's.
    last: Option<Vec<u8>>,
    /// Both are.
    is_sorted: bool,
    counts: Succession,
}

/// Where the list before is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// `next` was looked at, or nothing was read yet.
    Behind,
    /// `next` comes next.
    Waiting,
    /// Nothing comes.
    AtEnd,
}

impl<R: BufRead> Comparison<R> {
    pub(super) const fn new(before: Reading<R>) -> Self {
        Self {
            before,
            next: Vec::new(),
            place: Place::Behind,
            last: None,
            is_sorted: true,
            counts: Succession {
                came: 0,
                left: 0,
                stayed: 0,
            },
        }
    }

    /// Takes in the next serial number of the later one.
    pub(super) fn meet(&mut self, serial: &[u8]) -> Result<(), CrlError> {
        let rises = |last: &Vec<u8>| by_number(last, serial) == Ordering::Less;
        if !self.is_sorted || !self.last.as_ref().is_none_or(rises) {
            self.is_sorted = false;
            return Ok(());
        }
        let last = self.last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(serial);
        while self.is_sorted {
            self.fill()?;
            let counts = &mut self.counts;
            let (count, place, is_met) = match (self.place, by_number(&self.next, serial)) {
                (Place::AtEnd, _) | (_, Ordering::Greater) => (&mut counts.came, self.place, true),
                (_, Ordering::Less) => (&mut counts.left, Place::Behind, false),
                (_, Ordering::Equal) => (&mut counts.stayed, Place::Behind, true),
            };
            *count = count.saturating_add(1);
            self.place = place;
            if is_met {
                break;
            }
        }
        Ok(())
    }

    /// Has the next serial number of the one before, if there is one.
    fn fill(&mut self) -> Result<(), CrlError> {
        if self.place != Place::Behind {
            return Ok(());
        }
        let Some(raw) = self.before.next_entry()? else {
            self.place = Place::AtEnd;
            return Ok(());
        };
        // One that cannot be read has no serial number that anybody could look for.
        let serial = raw.serial_number().unwrap_or_default();
        // Nothing is less than the first, as no serial number is empty.
        self.is_sorted &= by_number(&self.next, serial) == Ordering::Less;
        self.next.clear();
        self.next.extend_from_slice(serial);
        self.place = Place::Waiting;
        Ok(())
    }

    /// Reads what is left of the one before, and judges whether the later one may follow it. Counts
    /// nothing where one is a delta and the other is not, or what is not sorted cannot be read again.
    pub(super) fn finish(
        mut self,
        read: &Read,
        authority: &Authority<'_>,
        input: &mut CrlInput<'_>,
        previous: &mut CrlInput<'_>,
        findings: &mut Findings,
    ) -> Result<Option<Succession>, (Which, CrlError)> {
        let of_previous = |error| (Which::Previous, error);
        while self.is_sorted && self.place != Place::AtEnd {
            if self.place == Place::Waiting {
                self.counts.left = self.counts.left.saturating_add(1);
                self.place = Place::Behind;
            }
            self.fill().map_err(of_previous)?;
        }
        while self.before.next_entry().map_err(of_previous)?.is_some() {}
        let before = self.before.finish(authority).map_err(of_previous)?;
        judge(read, &before, findings);
        let is_delta = |read: &Read| {
            let extensions = read.extensions.as_ref();
            extensions.is_ok_and(|known| known.base_crl_number.is_some())
        };
        if is_delta(read) != is_delta(&before) {
            return Ok(None);
        }
        if self.is_sorted {
            return Ok(Some(self.counts));
        }
        if !input.again || !previous.again {
            return Ok(None);
        }
        let keys = Keys::new();
        let now = keys.of(input).map_err(|error| (Which::Judged, error))?;
        let before = keys.of(previous).map_err(of_previous)?;
        Ok(Some(count(&now, &before)))
    }
}

/// Whether one CRL may come after another.
fn judge(read: &Read, before: &Read, findings: &mut Findings) {
    if let Err(refusal) = &before.signature {
        findings.note("RFC 5280 §6.3.3 (g)", format!("the CRL before: {refusal}"));
    }
    if read.sha256 == before.sha256 {
        findings.note(
            "RFC 5280 §5.2.3",
            "the CRL before is the same, octet for octet",
        );
        return;
    }
    if read.head.issuer_der != before.head.issuer_der {
        findings.fault("RFC 5280 §5.1.2.3", "the CRL before has another issuer");
        return;
    }
    let (Ok(now), Ok(then)) = (&read.extensions, &before.extensions) else {
        return;
    };
    if now.issuing_distribution_point != then.issuing_distribution_point {
        findings.fault(
            "RFC 5280 §5.2.5",
            "the CRL before has another issuingDistributionPoint, and so another scope",
        );
        return;
    }
    let is_delta = now.base_crl_number.is_some();
    match (now.crl_number, then.crl_number) {
        (Some(number), Some(known)) if number < known => findings.fault(
            "RFC 5280 §5.2.3",
            format!("its CRLNumber {number} is lower than {known}, that of the CRL before"),
        ),
        // A complete CRL and a delta that are issued together share one.
        (Some(number), Some(known))
            if number == known
                && (is_delta == then.base_crl_number.is_some()
                    || read.head.this_update != before.head.this_update) =>
        {
            findings.fault(
                "RFC 5280 §5.2.3",
                format!(
                    "its CRLNumber {number} is that of the CRL before, which says something else"
                ),
            );
        }
        _ => {}
    }
    let (this_update, known) = (read.head.this_update, before.head.this_update);
    if this_update < known {
        findings.fault(
            "RFC 5280 §5.1.2.4",
            format!("its thisUpdate {this_update} is before {known}, that of the CRL before"),
        );
    }
}

/// Serial numbers by their 128 bits of a hash under a key that nobody else knows.
struct Keys(u64, u64);

impl Keys {
    fn new() -> Self {
        let random = || RandomState::new().build_hasher().finish();
        Self(random(), random())
    }

    /// Of all serial numbers, sorted, each once.
    fn of(&self, input: &mut CrlInput<'_>) -> Result<Vec<u128>, CrlError> {
        let mut reading = open(input)?;
        let mut keys = Vec::new();
        while let Some(raw) = reading.next_entry()? {
            let mut hasher = SipHasher13::new_with_keys(self.0, self.1);
            hasher.write(raw.serial_number().unwrap_or_default());
            keys.push(hasher.finish128().as_u128());
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }
}

/// Two sorted lists without repetitions.
fn count(now: &[u128], before: &[u128]) -> Succession {
    let mut counts = Succession::default();
    let mut before = before.iter().peekable();
    for key in now {
        while before.next_if(|other| *other < key).is_some() {
            counts.left = counts.left.saturating_add(1);
        }
        let count = match before.next_if_eq(&key) {
            Some(_) => &mut counts.stayed,
            None => &mut counts.came,
        };
        *count = count.saturating_add(1);
    }
    let left = u64::try_from(before.count()).unwrap_or(u64::MAX);
    counts.left = counts.left.saturating_add(left);
    counts
}

/// Content octets of INTEGERs that are minimal and not negative.
fn by_number(one: &[u8], other: &[u8]) -> Ordering {
    (one.len(), one).cmp(&(other.len(), other))
}
