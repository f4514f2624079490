//! What an issuer's answers rest on, and how that dates them.
//!
//! What the ledger has of most issuers is true now: every change comes to it at once. Of an issuer that
//! CRLs alone feed (`evidence = "feed"`) it is true as of the newest CRL, and nothing says more than
//! that CRL did (RFC 6960 §2.4). Something known from elsewhere is newer than the CRL: a revocation made
//! by hand, or the end of a hold. Its answers are dated by itself, and none of them that a newer CRL,
//! dated before it, would follow is kept ahead of time: thisUpdate never falls.

use crate::asn1::UnixTime;
use crate::change::Evidence;
use crate::config;
use crate::ledger::{Ledger, LedgerError, LedgerSnapshot, StatusRecord};
use crate::presign::{Phase, SigningWindow, WindowError};
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
    /// The newest CRL taken, if any, as this ledger entry.
    Crl(Option<(u64, Evidence)>),
}

impl Basis {
    /// As of now.
    pub(super) fn now(issuer: &Issuer, ledger: &Ledger) -> Result<Self, LedgerError> {
        Ok(match issuer.evidence {
            config::Evidence::Ledger => Self::Ledger,
            // Known for good, and a CA that has ended signs no CRL that could say it again.
            config::Evidence::Feed if ledger.revoked_issuer(&issuer.id)?.is_some() => Self::Ledger,
            config::Evidence::Feed => Self::Crl(ledger.evidence_entry(&issuer.id)?),
        })
    }

    /// As of a snapshot.
    pub(super) fn of(issuer: &Issuer, ledger: &LedgerSnapshot) -> Result<Self, LedgerError> {
        Ok(match issuer.evidence {
            config::Evidence::Ledger => Self::Ledger,
            config::Evidence::Feed if ledger.revoked_issuer(&issuer.id).is_some() => Self::Ledger,
            config::Evidence::Feed => Self::Crl(ledger.evidence_entry(&issuer.id)?),
        })
    }

    /// The entry of the CRL; what is signed of an earlier state is out of date.
    pub(super) fn sequence(&self) -> Option<u64> {
        match self {
            Self::Ledger | Self::Crl(None) => None,
            Self::Crl(Some((sequence, _))) => Some(*sequence),
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
            Self::Crl(None) => return Err(Undated::NoCrl),
            Self::Crl(Some((_, evidence))) => {
                issuer.validity.window_by(evidence, now, not_after, phase)
            }
        };
        window.map_err(|error| match error {
            WindowError::Stale { next_update } => Undated::Stale { next_update },
            error => Undated::Window(error),
        })
    }

    /// Whether answers about this status are signed live alone: it is good since a hold was ended and no
    /// CRL came since. The next one dates it, and may be from before the hold's end.
    pub(super) fn live_only(&self, status: &StatusRecord) -> bool {
        self.sequence().is_some_and(|sequence| {
            status.revocation.is_none() && status.released && status.sequence > sequence
        })
    }

    /// thisUpdate of a live answer about this status: the window's, or when the status was learned by
    /// itself. `None` while that is ahead of the clock.
    pub(super) fn this_update(
        &self,
        window: &SigningWindow,
        status: &StatusRecord,
    ) -> Option<UnixTime> {
        if matches!(self, Self::Ledger) {
            return Some(window.this_update);
        }
        let known_since = match status.revocation {
            Some(revocation) => revocation.signing_time(),
            None if self.live_only(status) => UnixTime::from_secs(status.recorded_ms / 1_000)?,
            None => UnixTime::EPOCH,
        };
        let this_update = window.this_update.max(known_since);
        (this_update <= window.produced_at).then_some(this_update)
    }
}

/// Why nothing can be signed for an issuer now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Undated {
    /// No CRL was taken yet.
    #[error("no CRL of this issuer was imported yet")]
    NoCrl,
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
    use crate::change::{Inventory, RevocationClaim};
    use crate::ledger::Revocation;

    use super::*;

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs).unwrap()
    }

    /// A CRL of 1,000 to 2,000, taken as entry 10.
    fn crl() -> Basis {
        let evidence = Evidence {
            this_update: at(1_000),
            next_update: at(2_000),
            crl_number: None,
            crl_sha256: [0; 32],
            entry_count: 0,
        };
        Basis::Crl(Some((10, evidence)))
    }

    fn window(this_update: u64, produced_at: u64) -> SigningWindow {
        SigningWindow {
            this_update: at(this_update),
            produced_at: at(produced_at),
            next_update: at(2_000),
            next_sign: at(2_000),
        }
    }

    fn good(sequence: u64, recorded: u64, released: bool) -> StatusRecord {
        StatusRecord {
            sequence,
            recorded_ms: recorded * 1_000,
            issued: Some(Inventory::default()),
            revocation: None,
            released,
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

    #[test]
    fn what_the_crl_does_not_have_is_dated_by_itself() {
        let (basis, window) = (crl(), window(1_000, 1_500));
        for (status, this_update, live_only) in [
            (good(5, 400, false), 1_000, false),
            // Learned of after the CRL, which does not list it.
            (good(11, 1_400, false), 1_000, false),
            (revoked(5, 900, 800), 1_000, false),
            (revoked(11, 1_400, 800), 1_000, false),
            (revoked(11, 1_400, 1_300), 1_300, false),
            // Claimed ahead of our clock: since we know of it.
            (revoked(11, 1_400, 1_600), 1_400, false),
            // The CRL came after the release, so it says the same.
            (good(9, 900, true), 1_000, false),
            (good(11, 1_400, true), 1_400, true),
        ] {
            assert_eq!(basis.this_update(&window, &status), Some(at(this_update)));
            assert_eq!(basis.live_only(&status), live_only, "{status:?}");
        }
        // The clock was set back since it was recorded.
        assert_eq!(basis.this_update(&window, &revoked(11, 1_501, 1_501)), None);
        assert_eq!(basis.this_update(&window, &good(11, 1_501, true)), None);
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
        /// thisUpdate is never in the future, before a revocation, or after the CRL without a reason of
        /// its own; and what is kept ahead of time never falls when a newer CRL comes.
        #[test]
        fn no_answer_is_dated_before_what_it_says(
            sequence in 1_u64..20,
            recorded in 0_u64..3_000,
            revocation_time in prop::option::of(0_u64..3_300),
            released: bool,
            this_update in 0_u64..2_000,
            later in 0_u64..1_000,
        ) {
            let status = match revocation_time {
                Some(time) => revoked(sequence, recorded, time),
                None => good(sequence, recorded, released),
            };
            let (basis, now) = (crl(), 2_000);
            let first = basis.this_update(&window(this_update, now), &status);
            if let Some(dated) = first {
                prop_assert!(dated <= at(now) && dated >= at(this_update));
                if let Some(revocation) = status.revocation {
                    prop_assert!(revocation.signing_time() <= dated);
                    prop_assert!(dated == at(this_update) || dated == revocation.signing_time());
                } else if !basis.live_only(&status) {
                    prop_assert_eq!(dated, at(this_update));
                }
                // The next CRL, in which the status is the same.
                if !basis.live_only(&status) {
                    let next = window(this_update.saturating_add(later), now + 1_000);
                    prop_assert!(basis.this_update(&next, &status) >= first);
                }
            } else {
                prop_assert!(status.recorded_ms > now * 1_000);
            }
        }
    }
}
