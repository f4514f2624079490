//! The revoked certificates of an issuer, sorted by serial number as CRLs are.
//!
//! Those with a revocation of their own lie sorted in the column family `revoked`, and are read from
//! there. Of an issuer that was revoked as a whole every certificate is revoked, and `status`, which has
//! them all, is sorted by hash. It is read once for each [`PAGE`] of certificates then, and each time the
//! next ones by serial number are kept: memory stays bounded, nothing is written, and a million
//! certificates take two readings.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::vec::IntoIter;

use crate::identity::{IssuerId, SerialNumber};

use super::error::LedgerError;
use super::record::RevokedRecord;
use super::snapshot::{LedgerSnapshot, Rows};

/// Revoked certificates, read one after another. After an error it is at its end.
#[derive(Debug)]
pub struct RevokedRows<'a>(Way<'a>);

#[derive(Debug)]
enum Way<'a> {
    Own(Rows<'a, RevokedRecord>),
    All(All<'a>),
}

impl<'a> RevokedRows<'a> {
    pub(super) const fn own(rows: Rows<'a, RevokedRecord>) -> Self {
        Self(Way::Own(rows))
    }

    pub(super) fn all(snapshot: &'a LedgerSnapshot, issuer: IssuerId) -> Self {
        Self(Way::All(All::new(snapshot, issuer, PAGE)))
    }
}

impl Iterator for RevokedRows<'_> {
    type Item = Result<RevokedRecord, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Way::Own(rows) => rows.next(),
            Way::All(all) => all.next().transpose(),
        }
    }
}

/// Every certificate of an issuer, page by page.
#[derive(Debug)]
pub(super) struct All<'a> {
    snapshot: &'a LedgerSnapshot,
    issuer: IssuerId,
    page_max: usize,
    page: IntoIter<BySerial>,
    /// The last that was given.
    last: Option<SerialNumber>,
    /// Whether there may be another page.
    more: bool,
}

impl<'a> All<'a> {
    pub(super) fn new(snapshot: &'a LedgerSnapshot, issuer: IssuerId, page_max: usize) -> Self {
        Self {
            snapshot,
            issuer,
            page_max,
            page: Vec::new().into_iter(),
            last: None,
            more: true,
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<RevokedRecord>, LedgerError> {
        if self.page.as_slice().is_empty() && self.more {
            self.more = false;
            let page = self.read()?;
            self.more = page.len() >= self.page_max;
            self.page = page.into_iter();
        }
        let next = self.page.next().map(|BySerial(record)| record);
        self.last = next.map(|record| record.serial).or(self.last);
        Ok(next)
    }

    /// The next page: of all after the last, those with the lowest serial numbers.
    fn read(&self) -> Result<Vec<BySerial>, LedgerError> {
        let mut page: BinaryHeap<BySerial> = BinaryHeap::new();
        for row in self.snapshot.shard_records(&self.issuer, 0, 0)? {
            let (serial, status) = row?;
            // Of a revoked issuer, all are.
            let Some(revocation) = status.revocation else {
                continue;
            };
            let is_after = |last: &SerialNumber| order(&serial, last).is_gt();
            if !self.last.as_ref().is_none_or(is_after) {
                continue;
            }
            let next = BySerial(RevokedRecord {
                serial,
                sequence: status.sequence,
                recorded_ms: status.recorded_ms,
                revocation,
                not_after: status.issued.and_then(|inventory| inventory.not_after),
            });
            if page.len() < self.page_max {
                page.push(next);
            } else if let Some(mut highest) = page.peek_mut()
                && next < *highest
            {
                *highest = next;
            }
        }
        Ok(page.into_sorted_vec())
    }
}

/// As the keys of `revoked` sort: by length, then octets, which is by number.
fn order(a: &SerialNumber, b: &SerialNumber) -> Ordering {
    let key = |serial: &SerialNumber| serial.as_bytes().len();
    key(a)
        .cmp(&key(b))
        .then_with(|| a.as_bytes().cmp(b.as_bytes()))
}

#[derive(Clone, Copy, Debug)]
struct BySerial(RevokedRecord);

impl Ord for BySerial {
    fn cmp(&self, other: &Self) -> Ordering {
        order(&self.0.serial, &other.0.serial)
    }
}

impl PartialOrd for BySerial {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for BySerial {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for BySerial {}

/// Certificates in memory at once: about 64 MiB.
const PAGE: usize = 1 << 19;
