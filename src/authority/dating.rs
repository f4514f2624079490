//! What an issuer's answers rest on, and how that dates them.
//!
//! What the ledger has of most issuers is true now: every change comes to it at once. Of an issuer that
//! CRLs alone feed (`evidence = "feed"`) it is true as of the newest CRL, and nothing says more than
//! that CRL did (RFC 6960 §2.4); where several together list its certificates, as of the oldest of them
//! and until the first of them ends. Something known from elsewhere is newer than the CRL: a revocation
//! made by hand, or the end of a hold. Its answers are dated by itself, and signed live until a CRL comes
//! that is newer. What is kept ahead of time has the CRLs' thisUpdate and no other, so that it never
//! falls: their thisUpdate rises.

use crate::asn1::UnixTime;
use crate::change::{ExpectedScope, ScopeTag};
use crate::config;
use crate::ledger::{EvidenceEntry, Ledger, LedgerError, LedgerSnapshot, StatusRecord};
use crate::presign::{CrlLife, Phase, SigningWindow, WindowError};
use crate::signer::LoadedSigner;

use super::issuer::Issuer;

/// What an issuer's answers rest on at one moment.
///
/// To be read before the statuses that it dates, or from the same snapshot: changes of a CRL are
/// recorded before its evidence, so that whoever sees the evidence sees them all.
#[derive(Clone, Debug)]
pub(super) enum Basis {
    /// The ledger as it is now.
    Ledger,
    /// The newest CRL of each of the issuer's scopes.
    Crls(Crls),
}

/// The newest CRLs taken for an issuer.
#[derive(Clone, Debug)]
pub(super) struct Crls {
    /// From when until when what they say together holds.
    life: Result<CrlLife, Undated>,
    /// One a scope.
    taken: Vec<Taken>,
}

/// When a CRL was taken.
#[derive(Clone, Copy, Debug)]
struct Taken {
    scope: ScopeTag,
    sequence: u64,
    recorded_ms: u64,
}

impl Basis {
    /// As of now.
    pub(super) fn now(issuer: &Issuer, ledger: &Ledger) -> Result<Self, LedgerError> {
        Ok(match issuer.evidence {
            config::Evidence::Ledger => Self::Ledger,
            // Known for good, and a CA that has ended signs no CRL that could say it again.
            config::Evidence::Feed if ledger.revoked_issuer(&issuer.id)?.is_some() => Self::Ledger,
            config::Evidence::Feed => Self::crls(&issuer.crl_scopes, ledger.evidences(&issuer.id)?),
        })
    }

    /// As of a snapshot.
    pub(super) fn of(issuer: &Issuer, ledger: &LedgerSnapshot) -> Result<Self, LedgerError> {
        Ok(match issuer.evidence {
            config::Evidence::Ledger => Self::Ledger,
            config::Evidence::Feed if ledger.revoked_issuer(&issuer.id).is_some() => Self::Ledger,
            config::Evidence::Feed => Self::crls(&issuer.crl_scopes, ledger.evidences(&issuer.id)?),
        })
    }

    /// By these CRLs, where `expected` together list all certificates.
    fn crls(expected: &[ExpectedScope], mut found: Vec<EvidenceEntry>) -> Self {
        found.retain(|entry| {
            let scope = &entry.evidence.scope;
            expected.iter().any(|expected| expected.includes(scope))
        });
        let lacking = expected.iter().find(|expected| {
            let is_it = |entry: &EvidenceEntry| expected.includes(&entry.evidence.scope);
            !found.iter().any(is_it)
        });
        let lives = found.iter().map(|entry| CrlLife {
            this_update: entry.evidence.this_update,
            next_update: entry.evidence.next_update,
        });
        let together = lives.reduce(|a, b| CrlLife {
            this_update: a.this_update.min(b.this_update),
            next_update: a.next_update.min(b.next_update),
        });
        let life = match (lacking, together) {
            (None, Some(life)) => Ok(life),
            (lacking, _) => Err(Undated::NoCrl {
                // Of one that has but one scope there is nothing to tell apart.
                scope: lacking.filter(|_| expected.len() > 1).cloned(),
            }),
        };
        let taken = found.iter().map(|entry| Taken {
            scope: entry.evidence.scope.tag(),
            sequence: entry.sequence,
            recorded_ms: entry.recorded_ms,
        });
        Self::Crls(Crls {
            life,
            taken: taken.collect(),
        })
    }

    /// The entry of the newest CRL; what is signed of an earlier state may be out of date.
    pub(super) fn sequence(&self) -> Option<u64> {
        match self {
            Self::Ledger => None,
            Self::Crls(crls) => crls.taken.iter().map(|taken| taken.sequence).max(),
        }
    }

    /// The times of what is signed now, at `now`.
    pub(super) fn window(
        &self,
        issuer: &Issuer,
        signer: &LoadedSigner,
        now: UnixTime,
        phase: Option<Phase>,
    ) -> Result<SigningWindow, Undated> {
        let not_after = signer.not_after.min(issuer.certificate.not_after());
        let window = match self {
            Self::Ledger => issuer.validity.window(now, not_after, phase),
            Self::Crls(crls) => {
                let life = crls.life.as_ref().map_err(Clone::clone)?;
                issuer.validity.window_by(life, now, not_after, phase)
            }
        };
        window.map_err(|error| match error {
            WindowError::Stale { next_update } => Undated::Stale { next_update },
            error => Undated::Window(error),
        })
    }

    /// Whether answers about this status are signed live alone: it is known since a moment that no CRL
    /// has reached yet. The next one may be from before that moment too.
    pub(super) fn live_only(&self, status: &StatusRecord) -> bool {
        match self {
            Self::Ledger => false,
            Self::Crls(crls) => {
                let known_since = crls.known_since(status);
                let reached = crls
                    .life
                    .as_ref()
                    .is_ok_and(|life| life.this_update >= known_since);
                !reached
            }
        }
    }

    /// thisUpdate of a live answer about this status: the window's, or when the status was learned by
    /// itself. `None` while that is ahead of the clock.
    pub(super) fn this_update(
        &self,
        window: &SigningWindow,
        status: &StatusRecord,
    ) -> Option<UnixTime> {
        let known_since = match self {
            Self::Ledger => return Some(window.this_update),
            Self::Crls(crls) => crls.known_since(status),
        };
        let this_update = window.this_update.max(known_since);
        (this_update <= window.produced_at).then_some(this_update)
    }
}

impl Crls {
    /// Since when a status is known to be so, where that is not since the CRLs say so.
    ///
    /// What an import of a CRL recorded is said by the CRL, and so known since its thisUpdate. What came
    /// from elsewhere is known since it was recorded: a revocation until a CRL is taken after it, which is
    /// then believed to have it, the end of a hold until a CRL is made after it.
    fn known_since(&self, status: &StatusRecord) -> UnixTime {
        let recorded_at =
            |millis: u64| UnixTime::from_secs(millis / 1_000).unwrap_or(UnixTime::MAX);
        match status.revocation {
            Some(revocation) => {
                let revoked = revocation.signing_time();
                let recorded_ms = revocation.recorded_ms;
                // A later entry may only have added to the inventory.
                if self.is_taken_since(status.crl_scope, status.sequence, recorded_ms) {
                    revoked
                } else {
                    revoked.max(recorded_at(recorded_ms))
                }
            }
            None if !status.released => UnixTime::EPOCH,
            None => match status.crl_scope {
                scope @ Some(_)
                    if self.is_taken_since(scope, status.sequence, status.recorded_ms) =>
                {
                    UnixTime::EPOCH
                }
                _ => recorded_at(status.recorded_ms),
            },
        }
    }

    /// Whether the CRL that made an entry, or for an entry that none made every CRL, was taken after it.
    fn is_taken_since(&self, scope: Option<ScopeTag>, sequence: u64, recorded_ms: u64) -> bool {
        let mut of_scope = self
            .taken
            .iter()
            .filter(|taken| scope.is_none_or(|scope| taken.scope == scope))
            .peekable();
        of_scope.peek().is_some()
            && of_scope.all(|taken| taken.sequence > sequence || taken.recorded_ms >= recorded_ms)
    }
}

/// Why nothing can be signed for an issuer now.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Undated {
    /// No CRL was taken yet.
    #[error(
        "no CRL of this issuer{} was imported yet",
        scope.as_ref().map(|scope| format!(" for the scope {scope}")).unwrap_or_default()
    )]
    NoCrl {
        /// Of which of its scopes, where it has several.
        scope: Option<ExpectedScope>,
    },
    /// The newest CRL has ended.
    #[error("the newest CRL of this issuer ended at {next_update}")]
    Stale {
        /// Its nextUpdate.
        next_update: UnixTime,
    },
    /// A certificate has ended.
    #[error(transparent)]
    Window(WindowError),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::asn1::CrlReason;
    use crate::change::{CrlScope, Evidence, Inventory, RevocationClaim};
    use crate::ledger::Revocation;

    use super::*;

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs).unwrap()
    }

    fn entry(
        point: Option<&str>,
        sequence: u64,
        recorded: u64,
        this: u64,
        next: u64,
    ) -> EvidenceEntry {
        let evidence = Evidence {
            scope: CrlScope {
                point: point.map(str::to_owned),
                ..CrlScope::FULL
            },
            this_update: at(this),
            next_update: at(next),
            crl_number: None,
            crl_sha256: [0; 32],
            entry_count: 0,
            complete_sha256: None,
        };
        EvidenceEntry {
            sequence,
            recorded_ms: recorded * 1_000,
            evidence,
        }
    }

    /// A CRL of 1,000 to 2,000, taken at 1,100 as entry 10.
    fn crl() -> Basis {
        let taken = entry(None, 10, 1_100, 1_000, 2_000);
        Basis::crls(&[ExpectedScope::Full], vec![taken])
    }

    fn window(this_update: u64, produced_at: u64) -> SigningWindow {
        SigningWindow {
            this_update: at(this_update),
            produced_at: at(produced_at),
            next_update: at(2_000),
            next_sign: at(2_000),
            archive_cutoff: None,
        }
    }

    fn good(sequence: u64, recorded: u64, released: bool) -> StatusRecord {
        StatusRecord {
            sequence,
            recorded_ms: recorded * 1_000,
            issued: Some(Inventory::default()),
            revocation: None,
            released,
            crl_scope: None,
        }
    }

    fn revoked(sequence: u64, recorded: u64, revocation_time: u64) -> StatusRecord {
        let claim = RevocationClaim {
            revocation_time: at(revocation_time),
            reason: Some(CrlReason::CertificateHold),
            invalidity_date: None,
        };
        StatusRecord {
            revocation: Some(Revocation {
                claim,
                recorded_ms: recorded * 1_000,
                by_issuer: None,
            }),
            ..good(sequence, recorded, false)
        }
    }

    fn by_crl(status: StatusRecord) -> StatusRecord {
        StatusRecord {
            crl_scope: Some(ScopeTag::FULL),
            ..status
        }
    }

    #[test]
    fn what_the_crl_does_not_have_is_dated_by_itself() {
        let (basis, window) = (crl(), window(1_000, 1_500));
        for (status, this_update, live_only) in [
            (good(5, 400, false), 1_000, false),
            // Learned of after the CRL, which does not list it.
            (good(11, 1_400, false), 1_000, false),
            (revoked(5, 900, 800), 1_000, false),
            // Revoked by an import of the CRL, of another scope's, of one that is not whole yet.
            (by_crl(revoked(9, 1_090, 800)), 1_000, false),
            (by_crl(revoked(11, 1_400, 800)), 1_400, true),
            // Before the CRL was taken: it is believed to have it.
            (revoked(9, 1_090, 800), 1_000, false),
            (revoked(9, 1_090, 1_050), 1_050, true),
            // After that: since we know of it, whatever it claims.
            (revoked(11, 1_400, 800), 1_400, true),
            (revoked(11, 1_400, 1_300), 1_400, true),
            (revoked(11, 1_400, 1_600), 1_400, true),
            // Its inventory became known after the CRL.
            (
                StatusRecord {
                    sequence: 12,
                    recorded_ms: 1_450_000,
                    ..by_crl(revoked(9, 1_090, 800))
                },
                1_000,
                false,
            ),
            // The CRL was made after the release, or taken after it alone.
            (good(8, 900, true), 1_000, false),
            (good(9, 1_090, true), 1_090, true),
            (by_crl(good(9, 1_090, true)), 1_000, false),
            (good(11, 1_400, true), 1_400, true),
            (by_crl(good(11, 1_400, true)), 1_400, true),
        ] {
            assert_eq!(
                basis.this_update(&window, &status),
                Some(at(this_update)),
                "{status:?}"
            );
            assert_eq!(basis.live_only(&status), live_only, "{status:?}");
        }
        // The clock was set back since it was recorded.
        assert_eq!(basis.this_update(&window, &revoked(11, 1_501, 1_501)), None);
        assert_eq!(basis.this_update(&window, &good(11, 1_501, true)), None);
    }

    #[test]
    fn the_oldest_of_several_crls_dates_them_all() {
        let scopes = ["http://x/a", "http://x/b"];
        let expected: Vec<ExpectedScope> = scopes.iter().map(|one| one.parse().unwrap()).collect();
        let taken = |scopes: &[(Option<&str>, u64, u64, u64, u64)]| {
            let entries = scopes
                .iter()
                .map(|(point, sequence, recorded, this, next)| {
                    entry(*point, *sequence, *recorded, *this, *next)
                });
            Basis::crls(&expected, entries.collect())
        };
        let life = |basis: &Basis| match basis {
            Basis::Ledger => panic!("it is by CRLs"),
            Basis::Crls(crls) => crls.life.clone(),
        };
        let a = (Some(scopes[0]), 10, 1_100, 1_000, 2_000);
        let b = (Some(scopes[1]), 20, 1_200, 1_150, 1_900);
        let full = (None, 30, 1_300, 1_250, 1_300);
        let both = taken(&[full, a, b]);
        let together = CrlLife {
            this_update: at(1_000),
            next_update: at(1_900),
        };
        assert_eq!(life(&both), Ok(together));
        assert_eq!(both.sequence(), Some(20));
        for (some, lacking) in [
            (&[full, b][..], scopes[0]),
            (&[a], scopes[1]),
            (&[], scopes[0]),
        ] {
            let error = life(&taken(some)).unwrap_err();
            assert!(error.to_string().contains(lacking), "{error}");
        }
        let by = |point: &str, status| StatusRecord {
            crl_scope: Some(
                CrlScope {
                    point: Some(point.to_owned()),
                    ..CrlScope::FULL
                }
                .tag(),
            ),
            ..status
        };
        // By the second of the two, after the first was taken; by hand between the two.
        assert!(!both.live_only(&by(scopes[1], revoked(19, 1_190, 900))));
        assert!(both.live_only(&by(scopes[0], revoked(19, 1_190, 900))));
        assert!(both.live_only(&revoked(19, 1_190, 900)));
        assert!(!both.live_only(&revoked(9, 1_090, 900)));
    }

    #[test]
    fn what_the_ledger_dates_is_known_now() {
        let window = window(1_500, 1_500);
        for status in [
            good(5, 400, false),
            good(11, 1_400, true),
            revoked(11, 1_400, 800),
        ] {
            let this_update = Basis::Ledger.this_update(&window, &status);
            assert_eq!(this_update, Some(at(1_500)));
            assert!(!Basis::Ledger.live_only(&status));
        }
    }

    proptest! {
        /// thisUpdate is never in the future, before what it says, or after the CRL without a reason of
        /// its own; and what is kept ahead of time never falls when a newer CRL comes.
        #[test]
        fn no_answer_is_dated_before_what_it_says(
            sequence in 1_u64..20,
            recorded in 0_u64..3_000,
            revocation_time in prop::option::of(0_u64..3_300),
            released: bool,
            of_the_crl: bool,
            this_update in 0_u64..2_000,
        ) {
            let mut status = match revocation_time {
                Some(time) => revoked(sequence, recorded, time),
                None => good(sequence, recorded, released),
            };
            if of_the_crl {
                status = by_crl(status);
            }
            let now = 2_000;
            let taken = entry(None, 10, this_update + 100, this_update, 9_000);
            let basis = Basis::crls(&[ExpectedScope::Full], vec![taken]);
            let dated = basis.this_update(&window(this_update, now), &status);
            if let Some(dated) = dated {
                prop_assert!(dated <= at(now) && dated >= at(this_update));
                if let Some(revocation) = status.revocation {
                    prop_assert!(revocation.signing_time() <= dated);
                }
                // What is kept ahead of time has the CRL's thisUpdate, whatever it says.
                prop_assert!(basis.live_only(&status) || dated == at(this_update));
                prop_assert!(dated == at(this_update) || dated <= at(recorded));
            } else {
                prop_assert!(status.recorded_ms > now * 1_000);
            }
        }
    }
}
