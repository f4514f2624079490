//! What is kept of a row.

use super::facts::Facts;
use crate::{
    asn1::{CrlReason, UnixTime},
    change::{Action, Change, Inventory, RevocationClaim},
    feed::{import::Record, repetition::Said},
    identity::{IssuerId, SerialNumber},
};

/// One certificate of a CSV file, packed: a million of them are judged before the first is applied.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    serial: SerialNumber,
    reason: Option<CrlReason>,
    line: u32,
    /// Seconds, or [`ABSENT`], as the others.
    not_before: u64,
    not_after: u64,
    revocation_time: u64,
    invalidity_date: u64,
    /// Few files have one.
    sha256: Option<Box<[u8; 32]>>,
}

/// A million entries take 72 MB.
const _: () = assert!(size_of::<Entry>() <= 72, "an entry has grown");

/// No second of [`UnixTime`].
const ABSENT: u64 = u64::MAX;

impl Entry {
    pub(super) fn new(line: u32, facts: Facts) -> Self {
        let secs = |time: Option<UnixTime>| time.map_or(ABSENT, UnixTime::as_secs);
        let Facts {
            serial,
            revocation,
            inventory,
        } = facts;
        Self {
            serial,
            reason: revocation.and_then(|revocation| revocation.reason),
            line,
            not_before: secs(inventory.not_before),
            not_after: secs(inventory.not_after),
            revocation_time: secs(revocation.map(|revocation| revocation.revocation_time)),
            invalidity_date: secs(revocation.and_then(|revocation| revocation.invalidity_date)),
            sha256: inventory.certificate_sha256.map(Box::new),
        }
    }

    pub(super) fn line(&self) -> u64 {
        u64::from(self.line)
    }

    /// The row as a change of one of `issuer`'s certificates.
    pub(super) fn record(&self, issuer: IssuerId) -> Record {
        let Facts {
            serial,
            revocation,
            inventory,
        } = self.facts();
        let action = match revocation {
            None => Action::Issue(inventory),
            Some(claim) => Action::Revoke {
                claim,
                inventory: Some(inventory),
            },
        };
        Record {
            line: self.line(),
            change: Change {
                issuer,
                serial,
                action,
            },
        }
    }

    fn facts(&self) -> Facts {
        Facts {
            serial: self.serial,
            revocation: UnixTime::from_secs(self.revocation_time).map(|revocation_time| {
                RevocationClaim {
                    revocation_time,
                    reason: self.reason,
                    invalidity_date: UnixTime::from_secs(self.invalidity_date),
                }
            }),
            inventory: Inventory {
                not_before: UnixTime::from_secs(self.not_before),
                not_after: UnixTime::from_secs(self.not_after),
                certificate_sha256: self.sha256.as_deref().copied(),
                distribution_point: None,
            },
        }
    }
}

impl Said for Entry {
    fn serial(&self) -> SerialNumber {
        self.serial
    }

    /// The same facts, whatever the line and the words.
    fn says_the_same_as(&self, other: &Self) -> bool {
        self.facts() == other.facts()
    }
}
