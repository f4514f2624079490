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
            config::Evidence::Feed => Self::Crl(ledger.evidence_entry(&issuer.id)?),
        })
    }

    /// As of a snapshot.
    pub(super) fn of(issuer: &Issuer, ledger: &LedgerSnapshot) -> Result<Self, LedgerError> {
        Ok(match issuer.evidence {
            config::Evidence::Ledger => Self::Ledger,
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
