//! The past of a certificate: what was recorded about it, and what its status was at a moment.
//!
//! A moment can be asked about in two ways. [`By::Recorded`]: what the ledger knew then, from the entries
//! that it had. [`By::Effective`]: what it knows today about that moment, by the times that the entries
//! claim: a revocation that was recorded late, or corrected, counts from its revocationTime on.
//!
//! Entries of one certificate are linked from the latest back, so both walk no further than the moment
//! asked about.

use crate::{
    asn1::UnixTime,
    change::RevocationClaim,
    identity::{IssuerId, SerialNumber},
};

use super::{
    entry::{CertificateEntry, Entry, EntryKind, Statement},
    error::{Damage, LedgerError},
    issuer_wide::IssuerWide,
    record::{Revocation, StatusRecord},
    snapshot::LedgerSnapshot,
};

/// Which of the two times of an entry counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum By {
    /// When it was recorded: what was known at that moment.
    Recorded,
    /// Since when it counts: what is known today about that moment.
    Effective,
}

/// What a certificate's status was at a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Past {
    /// Nothing was known of it, or by the effective times it was not issued yet.
    NotKnown,
    /// It was good: since this entry, or where the issuance is known from its notBefore alone, as that
    /// entry tells.
    Good {
        /// The entry's number.
        sequence: u64,
    },
    /// It was revoked or on hold.
    Revoked {
        /// How; [`Revocation::recorded_ms`] is when the revocation itself was recorded.
        revocation: Revocation,
        /// The number of the entry that says so.
        sequence: u64,
    },
}

/// The entries about one certificate, the latest first: its own, and that which revoked its issuer as a
/// whole if it is revoked by that.
#[derive(Debug)]
pub struct History<'a> {
    snapshot: &'a LedgerSnapshot,
    serial: SerialNumber,
    /// The number of the next of its own entries, 0 at the end.
    next: u64,
    /// The issuer's entry, until it was given.
    whole: Option<u64>,
}

impl History<'_> {
    /// The number of the entry that comes next; `None` at the end. Another [`LedgerSnapshot::history_from`]
    /// goes on there.
    #[must_use]
    pub fn resumes_at(&self) -> Option<u64> {
        let next = self.next.max(self.whole.unwrap_or(0));
        (next > 0).then_some(next)
    }

    fn read(&mut self) -> Result<Option<Entry>, LedgerError> {
        let Some(sequence) = self.resumes_at() else {
            return Ok(None);
        };
        let missing = || {
            let damage = Damage::MissingEntry { sequence };
            self.snapshot.engine().damaged(damage)
        };
        let entry = self.snapshot.entry(sequence)?.ok_or_else(missing)?;
        match &entry.kind {
            EntryKind::IssuerRevoked { .. } if self.whole == Some(sequence) => self.whole = None,
            // Decoding has made sure that the previous one is earlier: this ends.
            EntryKind::Certificate(CertificateEntry {
                previous, serial, ..
            }) if *serial == self.serial => self.next = *previous,
            _ => return Err(missing()),
        }
        Ok(Some(entry))
    }
}

impl Iterator for History<'_> {
    type Item = Result<Entry, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.read().transpose();
        if entry.as_ref().is_some_and(Result::is_err) {
            (self.next, self.whole) = (0, None);
        }
        entry
    }
}

impl LedgerSnapshot {
    /// Everything that was recorded about a certificate, the latest first.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn history(
        &self,
        issuer: &IssuerId,
        serial: &SerialNumber,
    ) -> Result<History<'_>, LedgerError> {
        let own = self.own_record(issuer, serial)?;
        let whole = own.and_then(|own| self.covering(issuer, &own));
        Ok(History {
            snapshot: self,
            serial: *serial,
            next: own.map_or(0, |own| own.sequence),
            whole: whole.map(|whole| whole.sequence),
        })
    }

    /// The same from an entry on that [`History::resumes_at`] named; empty where that is none of this
    /// certificate's.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn history_from(
        &self,
        issuer: &IssuerId,
        serial: &SerialNumber,
        position: u64,
    ) -> Result<History<'_>, LedgerError> {
        let mut history = self.history(issuer, serial)?;
        if history.whole.is_some_and(|whole| whole > position) {
            history.whole = None;
        }
        history.next = match self.entry(position)?.map(|entry| entry.kind) {
            Some(EntryKind::Certificate(entry))
                if entry.serial == *serial && self.number(issuer) == Some(entry.issuer_number) =>
            {
                position
            }
            // The issuer's own: what is older of the certificate comes after it.
            Some(EntryKind::IssuerRevoked { .. }) if history.whole == Some(position) => {
                self.latest_before(&history, position)?
            }
            _ => {
                history.whole = None;
                0
            }
        };
        Ok(history)
    }

    /// What the status of a certificate was at a moment.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn status_at(
        &self,
        issuer: &IssuerId,
        serial: &SerialNumber,
        at: UnixTime,
        by: By,
    ) -> Result<Past, LedgerError> {
        let Some(own) = self.own_record(issuer, serial)? else {
            return Ok(Past::NotKnown);
        };
        let history = History {
            snapshot: self,
            serial: *serial,
            next: own.sequence,
            whole: None,
        };
        match by {
            By::Recorded => {
                let past = known_at(history, at)?;
                let number = self.number(issuer);
                let whole = number.and_then(|number| self.whole(number));
                let then = whole.filter(|whole| seconds(whole.revocation.recorded_ms) <= at);
                Ok(past.under(then))
            }
            By::Effective => {
                let past = told_of(history, at, &own)?;
                let whole = self.covering(issuer, &own);
                Ok(past.under(whole.filter(|whole| whole.revocation.signing_time() <= at)))
            }
        }
    }

    /// The revocation of the issuer as a whole, where it decides about this certificate today.
    fn covering(&self, issuer: &IssuerId, own: &StatusRecord) -> Option<&IssuerWide> {
        let whole = self.whole(self.number(issuer)?)?;
        (whole.status_of(*own).revocation == Some(whole.revocation)).then_some(whole)
    }

    fn own_record(
        &self,
        issuer: &IssuerId,
        serial: &SerialNumber,
    ) -> Result<Option<StatusRecord>, LedgerError> {
        match self.number(issuer) {
            Some(number) => self.own_status(number, issuer, serial),
            None => Ok(None),
        }
    }

    /// The newest of a certificate's own entries below a number.
    fn latest_before(&self, history: &History<'_>, below: u64) -> Result<u64, LedgerError> {
        let mut own = History {
            whole: None,
            ..*history
        };
        while own.next > below {
            own.read()?;
        }
        Ok(own.next)
    }
}

impl Past {
    /// What becomes of it under a revocation of the issuer as a whole.
    fn under(self, whole: Option<&IssuerWide>) -> Self {
        let Some(whole) = whole else {
            return self;
        };
        match self {
            Self::NotKnown => self,
            Self::Revoked { revocation, .. } if !revocation.is_hold() => self,
            Self::Good { .. } | Self::Revoked { .. } => Self::Revoked {
                revocation: whole.revocation,
                sequence: whole.sequence,
            },
        }
    }
}

/// What the entries that had been recorded by `at` say.
fn known_at(history: History<'_>, at: UnixTime) -> Result<Past, LedgerError> {
    let mut issued = None;
    let mut corrected: Option<(RevocationClaim, u64)> = None;
    for entry in history {
        let entry = entry?;
        // What was corrected was known before, whatever the clock said then.
        let known = seconds(entry.recorded_ms) <= at || corrected.is_some();
        let EntryKind::Certificate(CertificateEntry { statement, .. }) = entry.kind else {
            continue;
        };
        let sequence = entry.sequence;
        match statement {
            _ if !known => {}
            Statement::Issued(_) => issued = issued.or(Some(sequence)),
            // What it corrects says when the revocation was recorded.
            Statement::Corrected(claim) => corrected = corrected.or(Some((claim, sequence))),
            Statement::Revoked { claim, .. } => {
                let (claim, sequence) = corrected.unwrap_or((claim, sequence));
                return Ok(revoked(claim, entry.recorded_ms, sequence));
            }
            Statement::Released => return Ok(Past::Good { sequence }),
        }
    }
    Ok(issued.map_or(Past::NotKnown, |sequence| Past::Good { sequence }))
}

/// What all entries say about `at`.
fn told_of(history: History<'_>, at: UnixTime, today: &StatusRecord) -> Result<Past, LedgerError> {
    let not_before = today.issued.and_then(|issued| issued.not_before);
    let mut issued = None;
    // Until when the revocations that come next in the walk, which are earlier ones, had held.
    let mut end: Option<UnixTime> = None;
    let mut corrected: Option<(RevocationClaim, u64)> = None;
    for entry in history {
        let entry = entry?;
        let EntryKind::Certificate(CertificateEntry { statement, .. }) = entry.kind else {
            continue;
        };
        let (sequence, recorded) = (entry.sequence, seconds(entry.recorded_ms));
        match statement {
            Statement::Issued(inventory) => {
                let since = inventory.not_before.or(not_before).unwrap_or(recorded);
                if since <= at {
                    issued = Some(sequence);
                }
            }
            Statement::Released => {
                if recorded <= at {
                    // Everything before it had ended with it.
                    return Ok(Past::Good { sequence });
                }
                end = Some(recorded);
            }
            Statement::Corrected(claim) => corrected = corrected.or(Some((claim, sequence))),
            Statement::Revoked { claim, .. } => {
                let (claim, sequence) = corrected.take().unwrap_or((claim, sequence));
                let past = revoked(claim, entry.recorded_ms, sequence);
                let since = past.since();
                if since.is_some_and(|since| since <= at) && end.is_none_or(|end| at < end) {
                    return Ok(past);
                }
                // It is known to have been issued by then, if nobody ever said so.
                if not_before.is_some_and(|not_before| not_before <= at) {
                    issued = issued.or(Some(sequence));
                }
            }
        }
    }
    Ok(issued.map_or(Past::NotKnown, |sequence| Past::Good { sequence }))
}

impl Past {
    /// Since when it counts as revoked.
    #[must_use]
    pub fn since(&self) -> Option<UnixTime> {
        match self {
            Self::Revoked { revocation, .. } => Some(revocation.signing_time()),
            Self::NotKnown | Self::Good { .. } => None,
        }
    }
}

fn revoked(claim: RevocationClaim, recorded_ms: u64, sequence: u64) -> Past {
    let revocation = Revocation {
        claim,
        recorded_ms,
        by_issuer: None,
    };
    Past::Revoked {
        revocation,
        sequence,
    }
}

fn seconds(millis: u64) -> UnixTime {
    UnixTime::from_secs(millis / 1_000).unwrap_or(UnixTime::MAX)
}
