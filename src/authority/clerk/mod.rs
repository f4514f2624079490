//! What operators may do to the ledger and read from it, the same with and without a running server.
//! A file for each kind of request, with its reply.

mod backup;
mod change;
mod crl;
mod crl_publication;
mod import;
mod issuance;
mod issuer_wide;
mod past;
mod push;
mod status;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::error::with_causes;
use super::publishing::Publishing;
use super::{ErrorClass, Issuer, Issuers, OperationError};
use crate::asn1::UnixTime;
use crate::audit::Checkpoint;
use crate::change::Source;
use crate::clock::Clock;
use crate::feed::{LedgerSink, LedgerSinkError};
use crate::identity::SerialNumber;
use crate::ledger::{CommitError, GroupCommit, Ledger, LedgerError, StatusRecord};

pub use backup::{BackupReply, BackupRequest};
pub use change::{ChangeOutcome, ChangeReply, ChangeRequest, ClerkAction, Visible};
pub use crl_publication::{PublishCrlReply, PublishCrlRequest, PublishedCrl, WhichCrls};
pub use issuance::{
    IssuedReply, IssuedRequest, IssuedSerial, PlannedSerial, ReserveReply, ReserveRequest,
};
pub use issuer_wide::{
    CaCertificate, CaCertificateState, IssuerBelow, RevokeAllPreview, RevokeAllReply,
    RevokeAllRequest, WholeRevocation,
};
pub use past::{
    CrlFacts, HistoryEntry, HistoryReply, HistoryRequest, PastBy, PastReply, PastRequest, PastState,
};
pub(super) use push::{
    PushError, PushOrder, Submitted, answer as push_answer, record_of as push_record,
};
pub use status::{CertificateState, StatusReply, StatusRequest};

/// Tells the time to sign with, or why it is not trusted.
type SigningTime = dyn Fn() -> Result<UnixTime, String> + Send + Sync;

/// Carries changes to the ledger and statuses back.
#[derive(Clone)]
pub struct Clerk {
    issuers: Issuers,
    ledger: Arc<Ledger>,
    clock: Arc<dyn Clock>,
    /// The running authority's, so that changes are visible before they are acknowledged; `None` when
    /// nobody serves.
    commits: Option<Arc<GroupCommit>>,
    /// The time to sign with, or why there is none now; `None` when nobody serves.
    signing_time: Option<Arc<SigningTime>>,
    /// Called when evidence was recorded; `None` when nobody serves.
    after_evidence: Option<Arc<dyn Fn() + Send + Sync>>,
    /// Set when imports are to be left at what was applied; `None` for those of operators, who wait.
    stop: Option<Arc<AtomicBool>>,
    /// Who makes CRLs; `None` where nobody does.
    publishing: Option<Arc<Publishing>>,
}

impl Clerk {
    /// A clerk over a ledger that no server holds.
    #[must_use]
    pub fn direct(issuers: Issuers, ledger: Arc<Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self {
            issuers,
            ledger,
            clock,
            commits: None,
            signing_time: None,
            after_evidence: None,
            stop: None,
            publishing: None,
        }
    }

    /// A clerk of the running authority.
    #[must_use]
    pub fn of_authority(
        issuers: Issuers,
        ledger: Arc<Ledger>,
        commits: Arc<GroupCommit>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            issuers,
            ledger,
            clock,
            commits: Some(commits),
            signing_time: None,
            after_evidence: None,
            stop: None,
            publishing: None,
        }
    }

    /// The same, which signs by the clock that everything else is signed by.
    #[must_use]
    pub fn and_signing_time(
        mut self,
        time: impl Fn() -> Result<UnixTime, String> + Send + Sync + 'static,
    ) -> Self {
        self.signing_time = Some(Arc::new(time));
        self
    }

    /// The same, which has CRLs made by `publishing`.
    #[must_use]
    pub fn and_publishing(mut self, publishing: Option<Arc<Publishing>>) -> Self {
        self.publishing = publishing;
        self
    }

    /// The same, which calls somebody when it has recorded evidence.
    #[must_use]
    pub fn and_after_evidence(mut self, call: impl Fn() + Send + Sync + 'static) -> Self {
        self.after_evidence = Some(Arc::new(call));
        self
    }

    /// The same, whose imports end with the batch that is being written once `stop` is set.
    #[must_use]
    pub(super) fn until(mut self, stop: &Arc<AtomicBool>) -> Self {
        self.stop = Some(Arc::clone(stop));
        self
    }

    /// The ledger that it carries to.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The ledger as a sink of changes.
    fn sink(&self, source: Source) -> LedgerSink<'_, impl Fn() -> u64> {
        let now_ms = || self.clock.now_millis();
        let sink = match &self.commits {
            None => LedgerSink::alone(&self.ledger, source, now_ms),
            Some(commits) => LedgerSink::shared(&self.ledger, commits, source, now_ms),
        };
        sink.until(self.stop.as_deref())
    }

    /// Applies changes as any request does.
    #[cfg(test)]
    pub(super) fn apply_for_tests(
        &self,
        changes: &[crate::change::Change],
        source: Source,
    ) -> Vec<crate::change::Outcome> {
        use crate::feed::StatusSink as _;
        self.sink(source).apply(changes).unwrap()
    }

    /// Tells a running server that an issuer's answers rest on something newer.
    fn evidence_came(&self) {
        if let Some(call) = &self.after_evidence {
            call();
        }
    }

    /// When clients see what was just recorded.
    const fn visible(&self) -> Visible {
        if self.commits.is_some() {
            Visible::Now
        } else {
            Visible::AtNextStart
        }
    }

    /// Whether the ledger takes changes now, as far as is known.
    pub(super) fn can_record(&self) -> bool {
        !self.ledger.needs_recovery()
    }

    /// The head of the ledger's log, and its epoch.
    pub(super) fn checkpoint(&self) -> Result<Checkpoint, OperationError> {
        let read = || -> Result<Checkpoint, LedgerError> {
            let snapshot = self.ledger.snapshot()?;
            Ok(Checkpoint {
                epoch_begins_at: snapshot.epoch_begins_at(),
                head: snapshot.tree_head()?,
            })
        };
        read().map_err(|error| OperationError::from(&error))
    }

    fn find(
        &self,
        issuer: &Issuer,
        serial: SerialNumber,
    ) -> Result<Option<StatusRecord>, OperationError> {
        self.ledger
            .status(&issuer.id, &serial)
            .map_err(|error| OperationError::from(&error))
    }
}

impl From<&LedgerSinkError> for OperationError {
    fn from(error: &LedgerSinkError) -> Self {
        let class = match error {
            LedgerSinkError::Ledger(error) => error.into(),
            LedgerSinkError::Commit(CommitError::Ledger(error)) => (&**error).into(),
            _ => ErrorClass::Busy,
        };
        Self::new(class, with_causes(error))
    }
}

fn source(name: &str, cursor: &str) -> Result<Source, OperationError> {
    Source::new(name, cursor)
        .map_err(|error| OperationError::new(ErrorClass::Usage, error.to_string()))
}

fn serial(digits: &str) -> Result<SerialNumber, OperationError> {
    SerialNumber::from_hex(digits).map_err(|error| {
        OperationError::new(
            ErrorClass::Usage,
            format!("{digits:?}: {error}; serials are written in hexadecimal, as `openssl x509 -serial` prints them"),
        )
    })
}
