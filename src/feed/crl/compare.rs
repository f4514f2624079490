//! A CRL against what the ledger knows of its issuer's revocations.

use crate::{
    asn1::{CrlNumber, CrlReason, UnixTime},
    change::{Action, Change, Evidence, Refusal, RevocationClaim, ScopeTag},
    feed::{
        import::{Findings, Record},
        problems::{Problems, Unit},
    },
    identity::{IssuerId, SerialNumber},
};

use super::{Crl, CrlRefusal, EvidenceSink, KnownRevocation, Removal, table::Table};

/// What the ledger knows and the CRL does not list.
#[derive(Debug)]
pub(super) struct Comparison {
    /// Entries of the CRL whose certificates were revoked or on hold before.
    pub(super) kept: u64,
    /// Revocations that the CRL should list and does not, of certificates that have not expired.
    pub(super) missing: u64,
    /// The same with those of which nobody knows whether this CRL or one of another scope should.
    unlisted: u64,
    /// Entries of a delta that remove a certificate which the ledger has as revoked or on hold.
    pub(super) removed: u64,
    /// Holds that the CRL ends.
    pub(super) releases: Releases,
}

/// Of which revocations a CRL speaks by not listing them.
struct Reach {
    /// Those that came from CRLs of its scope.
    scope: ScopeTag,
    /// And those that came from elsewhere than a CRL.
    speaks_of_all: bool,
    /// thisUpdate
    made: UnixTime,
}

/// What is known of the certificates for whose entries something is left to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Left {
    /// Not revoked yet.
    pub(super) new: u64,
    /// Of these, known to be issued, and so answered good until now.
    pub(super) known_as_good: u64,
}

impl Comparison {
    fn new(issuer: IssuerId) -> Self {
        Self {
            kept: 0,
            missing: 0,
            unlisted: 0,
            removed: 0,
            releases: Releases {
                issuer,
                serials: Vec::new(),
                problems: Problems::of(Unit::Entry),
            },
        }
    }

    /// Takes in a revocation that the CRL does not list, or removes.
    fn not_listed(&mut self, known: &KnownRevocation, reach: &Reach, now: UnixTime) {
        let same_scope = known.crl_scope == Some(reach.scope);
        let from_elsewhere = known.crl_scope.is_none();
        if is_hold(&known.claim) {
            // One that was made otherwise since then the CRL does not know.
            let ended =
                same_scope || from_elsewhere && reach.speaks_of_all && known.recorded < reach.made;
            if ended {
                self.releases.serials.push(known.serial);
            }
        } else if known.not_after.is_none_or(|not_after| not_after > now) {
            if same_scope || from_elsewhere && reach.speaks_of_all {
                self.missing = self.missing.saturating_add(1);
            }
            if same_scope || from_elsewhere {
                self.unlisted = self.unlisted.saturating_add(1);
            }
        }
    }
}

impl Crl {
    /// Whether the CRL is at least as new as the newest of its scope that was taken before.
    pub(super) fn check_order(&self, known: Option<&Evidence>) -> Result<(), CrlRefusal> {
        let Some(known) = known.filter(|known| self.evidence.is_older_than(known)) else {
            return Ok(());
        };
        let Evidence {
            this_update,
            crl_number,
            ..
        } = self.evidence;
        match (crl_number, known.crl_number) {
            (None, Some(known)) => Err(CrlRefusal::NoCrlNumber { known }),
            (Some(crl_number), Some(known)) if crl_number < known => {
                Err(CrlRefusal::LowerCrlNumber { crl_number, known })
            }
            _ => Err(CrlRefusal::OlderThisUpdate {
                this_update,
                known: known.this_update,
            }),
        }
    }

    /// Whether a delta can be added to what was taken: the complete CRL that it and the deltas before it
    /// stand upon has the number of the base, or a later one (RFC 5280 §5.2.4 (c)). Gives that CRL.
    pub(super) fn check_base(
        base: CrlNumber,
        known: Option<&Evidence>,
    ) -> Result<&Evidence, CrlRefusal> {
        let known = known.ok_or(CrlRefusal::DeltaAlone { base })?;
        if known.crl_number.is_some_and(|number| number >= base) {
            return Ok(known);
        }
        Err(CrlRefusal::DeltaAhead {
            base,
            known: known.crl_number,
        })
    }

    /// Compares a complete CRL with every revocation of its issuer, and settles the entries that the
    /// ledger has already: one pass over the ledger instead of a look-up an entry.
    pub(super) fn compare<S: EvidenceSink>(
        &mut self,
        sink: &mut S,
        now: UnixTime,
    ) -> Result<Comparison, S::Error> {
        let issuer = self.issuer;
        let scope = self.reach();
        let mut comparison = Comparison::new(issuer);
        sink.each_revoked(&issuer, &mut |known| {
            if self.meet(known) {
                comparison.kept = comparison.kept.saturating_add(1);
            } else {
                comparison.not_listed(known, &scope, now);
            }
        })?;
        self.look_up_no_more();
        Ok(comparison)
    }

    /// Compares a delta with what the ledger knows of the certificates that it speaks of.
    pub(super) fn compare_delta<S: EvidenceSink>(
        &mut self,
        sink: &mut S,
        now: UnixTime,
    ) -> Result<Comparison, S::Error> {
        let scope = Reach {
            // The delta names the certificate, so it is one of its scope, whoever revoked it first.
            speaks_of_all: true,
            ..self.reach()
        };
        let mut comparison = Comparison::new(self.issuer);
        for Removal { serial, .. } in &self.removals {
            let known = sink.status(&self.issuer, serial)?;
            // Held and released between the base and the delta, or released by hand.
            let Some(known) = known.and_then(|known| known.revocation) else {
                continue;
            };
            comparison.removed = comparison.removed.saturating_add(1);
            comparison.not_listed(&known, &scope, now);
        }
        self.look_up_no_more();
        Ok(comparison)
    }

    /// Compares nothing: all that it says is known.
    pub(super) fn compare_nothing(&mut self) -> Comparison {
        self.look_up_no_more();
        Comparison::new(self.issuer)
    }

    fn reach(&self) -> Reach {
        Reach {
            scope: self.evidence.scope.tag(),
            speaks_of_all: self.evidence.scope.is_full(),
            made: self.evidence.this_update,
        }
    }

    /// Half the memory, since no serial is looked for any more.
    fn look_up_no_more(&mut self) {
        self.left = self
            .table
            .take()
            .map_or_else(Vec::new, Table::into_unsettled);
    }

    /// Looks at what the ledger knows of the certificates for whose entries something is left to do.
    ///
    /// A hold that ended after the CRL was made has ended: the CRL cannot know of it. All other entries
    /// are looked at only where somebody wants to `count` them.
    pub(super) fn look_at_what_is_left<S: EvidenceSink>(
        &mut self,
        sink: &mut S,
        count: bool,
    ) -> Result<Left, S::Error> {
        let (kept, issuer, made) = (&self.kept, &self.issuer, self.evidence.this_update);
        let mut failure = None;
        let mut left = Left::default();
        let before = self.left.len();
        self.left.retain(|offset| {
            let Some(entry) = kept.at(*offset).filter(|_| failure.is_none()) else {
                return true;
            };
            let is_hold = is_hold(&entry.claim);
            if !is_hold && !count {
                return true;
            }
            let known = match sink.status(issuer, &entry.serial) {
                Ok(known) => known,
                Err(error) => {
                    failure = Some(error);
                    return true;
                }
            };
            let released = known.and_then(|known| known.released);
            if is_hold && released.is_some_and(|released| released >= made) {
                return false;
            }
            if known.is_none_or(|known| known.revocation.is_none()) {
                left.new = left.new.saturating_add(1);
                let was_good = known.is_some_and(|known| known.issued);
                left.known_as_good = left.known_as_good.saturating_add(u64::from(was_good));
            }
            true
        });
        let ended = before.saturating_sub(self.left.len());
        self.count_settled(ended);
        self.differing = self
            .differing
            .saturating_add(u64::try_from(ended).unwrap_or(u64::MAX));
        failure.map_or(Ok(left), Err)
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
            .min(comparison.unlisted.saturating_add(holds));
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
