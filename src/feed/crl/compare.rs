//! A CRL against what the ledger knows of its issuer's revocations.

use crate::{
    asn1::{CrlReason, UnixTime},
    change::{Action, Change, Evidence, Refusal, RevocationClaim},
    feed::{
        import::{Findings, Record},
        problems::{Problems, Unit},
    },
    identity::{IssuerId, SerialNumber},
};

use super::{Crl, CrlRefusal, EvidenceSink, KnownRevocation, table::Table};

/// What the ledger knows and the CRL does not list.
#[derive(Debug)]
pub(super) struct Comparison {
    /// Entries of the CRL whose certificates were revoked or on hold before.
    pub(super) kept: u64,
    /// Revocations that the CRL does not list, of certificates that have not expired.
    pub(super) missing: u64,
    /// Holds that the CRL ends.
    pub(super) releases: Releases,
}

impl Crl {
    /// Whether the CRL is at least as new as the newest that was taken before.
    pub(super) fn check_order(&self, known: Option<&Evidence>) -> Result<(), CrlRefusal> {
        let Some(known) = known else { return Ok(()) };
        let Evidence {
            this_update,
            crl_number,
            ..
        } = self.evidence;
        if let (Some(crl_number), Some(known)) = (crl_number, known.crl_number)
            && crl_number < known
        {
            return Err(CrlRefusal::LowerCrlNumber { crl_number, known });
        }
        if this_update < known.this_update {
            return Err(CrlRefusal::OlderThisUpdate {
                this_update,
                known: known.this_update,
            });
        }
        Ok(())
    }

    /// Compares the CRL with every revocation of its issuer, and settles the entries that the ledger
    /// has already: one pass over the ledger instead of a look-up an entry.
    pub(super) fn compare<S: EvidenceSink>(
        &mut self,
        sink: &mut S,
        now: UnixTime,
    ) -> Result<Comparison, S::Error> {
        let issuer = self.issuer;
        let mut comparison = Comparison {
            kept: 0,
            missing: 0,
            releases: Releases {
                issuer,
                serials: Vec::new(),
                problems: Problems::of(Unit::Entry),
            },
        };
        let mut holds = Vec::new();
        sink.each_revoked(&issuer, &mut |known| {
            if self.meet(known) {
                comparison.kept = comparison.kept.saturating_add(1);
            } else if is_hold(&known.claim) {
                holds.push(*known);
            } else if known.not_after.is_none_or(|not_after| not_after > now) {
                comparison.missing = comparison.missing.saturating_add(1);
            }
        })?;
        // Nothing is looked up any more.
        self.left = self
            .table
            .take()
            .map_or_else(Vec::new, Table::into_unsettled);
        self.settle_ended_holds(sink)?;
        for hold in holds {
            let ended =
                hold.recorded < self.evidence.this_update || sink.is_from_crl(hold.sequence)?;
            if ended {
                comparison.releases.serials.push(hold.serial);
            }
        }
        Ok(comparison)
    }

    /// A hold that ended after the CRL was made has ended: the CRL cannot know of it.
    fn settle_ended_holds<S: EvidenceSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        let (kept, issuer, made) = (&self.kept, &self.issuer, self.evidence.this_update);
        let mut failure = None;
        let before = self.left.len();
        self.left.retain(|offset| {
            let hold = kept.at(*offset).filter(|entry| is_hold(&entry.claim));
            let Some(hold) = hold.filter(|_| failure.is_none()) else {
                return true;
            };
            let released = sink.released(issuer, &hold.serial);
            let released = released.unwrap_or_else(|error| {
                failure = Some(error);
                None
            });
            released.is_none_or(|released| released < made)
        });
        let ended = before.saturating_sub(self.left.len());
        self.count_settled(ended);
        self.differing = self
            .differing
            .saturating_add(u64::try_from(ended).unwrap_or(u64::MAX));
        failure.map_or(Ok(()), Err)
    }

    /// Settles all entries: the same CRL was taken before, and what happened since is newer.
    pub(super) fn settle_all(&mut self, comparison: &mut Comparison) {
        self.count_settled(self.left.len());
        self.left = Vec::new();
        comparison.releases.serials.clear();
    }

    fn count_settled(&mut self, entries: usize) {
        let entries = u64::try_from(entries).unwrap_or(u64::MAX);
        self.settled = self.settled.saturating_add(entries);
    }

    /// Whether the CRL lists a certificate that is revoked. If nothing is left to do for the entry, it
    /// is settled.
    fn meet(&mut self, known: &KnownRevocation) -> bool {
        let Some(table) = &mut self.table else {
            return false;
        };
        let Some(place) = table.find(&self.kept, &known.serial) else {
            return false;
        };
        // Contradictory entries, and those that were met before, are settled.
        let entry = self.kept.at(place.offset);
        let Some(entry) = entry.filter(|_| !table.is_settled(place)) else {
            return true;
        };
        let is_same = entry.claim == known.claim;
        // A hold may become a revocation; whatever else was said first stands.
        let may_change = is_hold(&known.claim) && !is_hold(&entry.claim);
        if is_same || !may_change {
            table.settle(place);
            self.settled = self.settled.saturating_add(1);
        }
        if !is_same && !may_change {
            self.differing = self.differing.saturating_add(1);
        }
        true
    }

    /// Whether so much of the CRL before is gone that somebody should look at it: a CA that lost its
    /// database signs an empty CRL.
    ///
    /// `known` told how many certificates it listed. Those of them that this one lists too are among
    /// the `kept`, so at least the rest is gone; expired certificates may be.
    pub(super) fn check_size(
        known: Option<&Evidence>,
        comparison: &Comparison,
    ) -> Result<(), CrlRefusal> {
        let listed = known.map_or(0, |known| u64::from(known.entry_count));
        let holds = u64::try_from(comparison.releases.serials.len()).unwrap_or(u64::MAX);
        let lost = listed
            .saturating_sub(comparison.kept)
            .min(comparison.missing.saturating_add(holds));
        if lost > LOST_MAX && lost.saturating_mul(10) > listed {
            return Err(CrlRefusal::Shrunk { lost, listed });
        }
        Ok(())
    }
}

/// So many may go at any time, however short the list.
const LOST_MAX: u64 = 10;

fn is_hold(claim: &RevocationClaim) -> bool {
    claim.reason == Some(CrlReason::CertificateHold)
}

/// The certificates whose hold a CRL ends by not listing them.
#[derive(Debug)]
pub(super) struct Releases {
    issuer: IssuerId,
    pub(super) serials: Vec<SerialNumber>,
    problems: Problems<&'static str>,
}

impl Findings for Releases {
    type Cause = &'static str;

    const UNIT: Unit = Unit::Entry;

    fn line_count(&self) -> u64 {
        u64::try_from(self.serials.len()).unwrap_or(u64::MAX)
    }

    fn repeated(&self) -> u64 {
        0
    }

    fn problems(&self) -> &Problems<&'static str> {
        &self.problems
    }

    /// A hold that somebody else has ended or made final meanwhile is left as it is.
    fn passes_over(&self, _: &Refusal) -> bool {
        true
    }

    fn records(&self) -> impl Iterator<Item = Record> + '_ {
        self.serials.iter().zip(1..).map(|(serial, line)| Record {
            line,
            change: Change {
                issuer: self.issuer,
                serial: *serial,
                action: Action::Release,
            },
        })
    }
}
