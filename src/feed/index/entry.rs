//! What is kept of a line.

use crate::{
    asn1::{CrlReason, UnixTime},
    change::{Action, Change, Inventory, RevocationClaim},
    feed::{import::Record, repetition::Said},
    identity::{IssuerId, SerialNumber},
};

use super::line::Facts;

/// One certificate of an index, packed: a million of them are judged before the first is applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    serial: SerialNumber,
    reason: Option<CrlReason>,
    line: u32,
    not_after: UnixTime,
    /// Seconds, or [`ABSENT`].
    revocation_time: u64,
    /// Seconds, or [`ABSENT`].
    invalidity_date: u64,
}

/// A million entries take 56 MB; an `Option<UnixTime>` would need 8 octets more each.
const _: () = assert!(size_of::<Entry>() <= 56, "an entry has grown");

/// No second of [`UnixTime`].
const ABSENT: u64 = u64::MAX;

impl Entry {
    pub(super) fn new(line: u32, facts: &Facts) -> Self {
        let secs = |time: Option<UnixTime>| time.map_or(ABSENT, UnixTime::as_secs);
        let revocation = facts.revocation;
        Self {
            serial: facts.serial,
            reason: revocation.and_then(|revocation| revocation.reason),
            line,
            not_after: facts.not_after,
            revocation_time: secs(revocation.map(|revocation| revocation.revocation_time)),
            invalidity_date: secs(revocation.and_then(|revocation| revocation.invalidity_date)),
        }
    }

    pub(super) fn line(&self) -> u64 {
        u64::from(self.line)
    }

    /// The line as a change of one of `issuer`'s certificates.
    pub(super) fn record(&self, issuer: IssuerId) -> Record {
        let inventory = Inventory {
            not_after: Some(self.not_after),
            ..Inventory::default()
        };
        let action = match self.revocation() {
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
                serial: self.serial,
                action,
            },
        }
    }

    fn revocation(&self) -> Option<RevocationClaim> {
        let revocation_time = UnixTime::from_secs(self.revocation_time)?;
        Some(RevocationClaim {
            revocation_time,
            reason: self.reason,
            invalidity_date: UnixTime::from_secs(self.invalidity_date),
        })
    }

    fn facts(&self) -> Facts {
        Facts {
            serial: self.serial,
            not_after: self.not_after,
            revocation: self.revocation(),
        }
    }
}

impl Said for Entry {
    fn serial(&self) -> SerialNumber {
        self.serial
    }

    /// The same facts, whatever the line and the letters: V and E differ only by the day on which
    /// they were written.
    fn says_the_same_as(&self, other: &Self) -> bool {
        self.facts() == other.facts()
    }
}
