//! What operators may do to the ledger and read from it, the same with and without a running server.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::with_causes;
use super::{ErrorClass, Issuer, Issuers, OperationError};
use crate::asn1::{CrlReason, UnixTime};
use crate::change::{Action, Change, Outcome, RevocationClaim, Source};
use crate::clock::Clock;
use crate::feed::{
    ImportError, ImportOptions, ImportReport, Index, LedgerSink, LedgerSinkError, Progress,
    SinkFailure, StatusSink,
};
use crate::identity::SerialNumber;
use crate::ledger::{CommitError, GroupCommit, Ledger, StatusRecord};

/// Carries changes to the ledger and statuses back.
#[derive(Clone)]
pub struct Clerk {
    issuers: Issuers,
    ledger: Arc<Ledger>,
    clock: Arc<dyn Clock>,
    /// The running authority's, so that changes are visible before they are acknowledged; `None` when
    /// nobody serves.
    commits: Option<Arc<GroupCommit>>,
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
        }
    }

    /// Revokes, holds or releases one certificate. When this returns the change is durable, and with a
    /// running server visible to every request that begins afterwards.
    ///
    /// # Errors
    /// [`OperationError`]; nothing has changed then.
    pub fn change(&self, request: &ChangeRequest) -> Result<ChangeReply, OperationError> {
        let issuer = self.issuers.by_name(request.issuer.as_deref())?;
        let serial = serial(&request.serial)?;
        let known = self.find(issuer, serial)?;
        if !request.allow_unissued && known.is_none() {
            return Err(OperationError::new(
                ErrorClass::Refused,
                format!(
                    "serial {serial} of issuer {:?} is not in the ledger: check it, import it, or \
                     record the change all the same with --allow-unissued",
                    issuer.name
                ),
            ));
        }
        let revoked = known.and_then(|record| record.revocation);
        let claimed = revoked.map(|revocation| revocation.claim);
        let action = request.action.to_ledger(self.clock.now(), claimed)?;
        let change = Change {
            issuer: issuer.id,
            serial,
            action,
        };
        let outcomes = self
            .sink(source("cli", "")?)
            .apply(&[change])
            .map_err(|error| OperationError::from(&error))?;
        let outcome = match outcomes.first() {
            Some(Outcome::Applied { .. }) => ChangeOutcome::Applied,
            Some(Outcome::Unchanged) => ChangeOutcome::Unchanged,
            Some(Outcome::Refused(refusal)) => {
                return Err(OperationError::new(
                    ErrorClass::Refused,
                    format!("serial {serial} of issuer {:?}: {refusal}", issuer.name),
                ));
            }
            None => {
                return Err(OperationError::new(
                    ErrorClass::Internal,
                    "the ledger gave no answer to the change",
                ));
            }
        };
        let visible = if self.commits.is_some() {
            Visible::Now
        } else {
            Visible::AtNextStart
        };
        let status = self.status_of(issuer, serial)?;
        Ok(ChangeReply {
            outcome,
            visible,
            status,
        })
    }

    /// The current status of one certificate.
    ///
    /// # Errors
    /// [`OperationError`] for an unknown issuer, a serial that is none, or a ledger that fails.
    pub fn status(&self, request: &StatusRequest) -> Result<StatusReply, OperationError> {
        let issuer = self.issuers.by_name(request.issuer.as_deref())?;
        self.status_of(issuer, serial(&request.serial)?)
    }

    /// Imports an `index.txt` of `openssl ca`, named `name` in messages.
    ///
    /// # Errors
    /// [`OperationError`] when nothing was applied; lines that were refused are in the report.
    pub fn import_index(
        &self,
        issuer: Option<&str>,
        name: &str,
        input: impl std::io::BufRead,
        skip_bad: bool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImportReport, OperationError> {
        let issuer = self.issuers.by_name(issuer)?;
        let index = Index::read(input, issuer.id).map_err(|error| {
            OperationError::new(ErrorClass::Storage, format!("{name}: {error}"))
        })?;
        let mut sink = self.sink(source("index", name)?);
        let options = ImportOptions {
            source: name,
            skip_bad,
        };
        crate::feed::import(&index, &mut sink, options, progress)
            .map_err(|error| import_error(&error))
    }

    /// The ledger as a sink of changes.
    fn sink(&self, source: Source) -> LedgerSink<'_, impl Fn() -> u64> {
        let now_ms = || self.clock.now_millis();
        match &self.commits {
            None => LedgerSink::alone(&self.ledger, source, now_ms),
            Some(commits) => LedgerSink::shared(&self.ledger, commits, source, now_ms),
        }
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

    fn status_of(
        &self,
        issuer: &Issuer,
        serial: SerialNumber,
    ) -> Result<StatusReply, OperationError> {
        let record = self.find(issuer, serial)?;
        Ok(StatusReply::new(issuer, serial, record.as_ref()))
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

fn import_error(error: &ImportError<LedgerSinkError>) -> OperationError {
    let class = match error {
        ImportError::Judge(SinkFailure::Sink(cause))
        | ImportError::Apply {
            failure: SinkFailure::Sink(cause),
            ..
        } => OperationError::from(cause).class,
        _ => ErrorClass::Internal,
    };
    OperationError::new(class, with_causes(error))
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

/// A change to one certificate's status, as asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ChangeRequest {
    /// The issuer's configured name; needed when there are several.
    pub issuer: Option<String>,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// What to do.
    pub action: ClerkAction,
    /// Record it even for a serial that the ledger has not seen issued.
    #[serde(default)]
    pub allow_unissued: bool,
}

/// What is done to a certificate.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClerkAction {
    /// Revoke it for good.
    Revoke {
        /// CRLReason by name; none for unspecified.
        reason: Option<String>,
        /// RFC 3339; now when left out.
        revocation_time: Option<String>,
        /// RFC 3339.
        invalidity_date: Option<String>,
    },
    /// Put it on hold.
    Hold,
    /// Release it from hold.
    Release,
}

impl ClerkAction {
    /// What it asks of the ledger. A time that is not stated is `now`; but said again for the reason
    /// that is `claimed` already it is the time claimed then, so that a command may be repeated.
    fn to_ledger(
        &self,
        now: UnixTime,
        claimed: Option<RevocationClaim>,
    ) -> Result<Action, OperationError> {
        let unstated = |reason: Option<CrlReason>| {
            claimed
                .filter(|claim| claim.reason == reason)
                .map_or(now, |claim| claim.revocation_time)
        };
        let time = |text: &Option<String>| {
            text.as_deref()
                .map(|text| {
                    UnixTime::from_rfc3339(text).map_err(|error| {
                        OperationError::new(
                            ErrorClass::Usage,
                            format!("{text:?}: {error}; write it like 2026-03-21T08:30:00Z"),
                        )
                    })
                })
                .transpose()
        };
        Ok(match self {
            Self::Revoke {
                reason,
                revocation_time,
                invalidity_date,
            } => {
                let reason = reason.as_deref().map(reason_by_name).transpose()?.flatten();
                revocation(RevocationClaim {
                    revocation_time: time(revocation_time)?.unwrap_or_else(|| unstated(reason)),
                    reason,
                    invalidity_date: time(invalidity_date)?,
                })
            }
            Self::Hold => revocation(RevocationClaim {
                revocation_time: unstated(Some(CrlReason::CertificateHold)),
                reason: Some(CrlReason::CertificateHold),
                invalidity_date: None,
            }),
            Self::Release => Action::Release,
        })
    }
}

/// What the operator says of a revocation; of the certificate she says nothing new.
const fn revocation(claim: RevocationClaim) -> Action {
    Action::Revoke {
        claim,
        inventory: None,
    }
}

fn reason_by_name(name: &str) -> Result<Option<CrlReason>, OperationError> {
    if name.eq_ignore_ascii_case("unspecified") {
        return Ok(None);
    }
    CrlReason::from_name(name).map(Some).ok_or_else(|| {
        let names: Vec<&str> = CrlReason::ALL.into_iter().map(CrlReason::name).collect();
        OperationError::new(
            ErrorClass::Usage,
            format!(
                "{name:?} is no reason; RFC 5280 has unspecified, {}",
                names.join(", ")
            ),
        )
    })
}

/// What came of a change.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ChangeReply {
    /// Whether the ledger changed.
    pub outcome: ChangeOutcome,
    /// When clients see it.
    pub visible: Visible,
    /// The status now.
    pub status: StatusReply,
}

/// Whether the ledger changed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeOutcome {
    /// It did.
    Applied,
    /// It said so already.
    Unchanged,
}

/// When clients see a change.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Visible {
    /// Every request that begins now does.
    Now,
    /// No server runs; the next one starts with it.
    AtNextStart,
}

/// A certificate that is asked about.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StatusRequest {
    /// The issuer's configured name; needed when there are several.
    pub issuer: Option<String>,
    /// The serial number in hexadecimal.
    pub serial: String,
}

/// A certificate's status in the ledger.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StatusReply {
    /// The issuer's configured name.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// `good`, `revoked` or `not-issued`.
    pub status: String,
    /// CRLReason, when revoked with one.
    pub reason: Option<String>,
    /// The claimed revocation time, RFC 3339.
    pub revocation_time: Option<String>,
    /// The invalidityDate, RFC 3339.
    pub invalidity_date: Option<String>,
    /// When the ledger learned the current status, RFC 3339.
    pub recorded: Option<String>,
    /// The certificate's notBefore, where known.
    pub not_before: Option<String>,
    /// The certificate's notAfter, where known.
    pub not_after: Option<String>,
    /// The ledger entry it follows from.
    pub sequence: Option<u64>,
}

impl StatusReply {
    fn new(issuer: &Issuer, serial: SerialNumber, record: Option<&StatusRecord>) -> Self {
        let revocation = record.and_then(|record| record.revocation);
        let claim = revocation.map(|revocation| revocation.claim);
        let issued = record.and_then(|record| record.issued);
        let text = |time: UnixTime| time.to_string();
        Self {
            issuer: issuer.name.clone(),
            serial: serial.to_string(),
            status: match (record, revocation) {
                (None, _) => "not-issued",
                (Some(_), None) => "good",
                (Some(_), Some(_)) => "revoked",
            }
            .to_owned(),
            reason: claim
                .and_then(|it| it.reason)
                .map(|reason| reason.name().to_owned()),
            revocation_time: claim.map(|it| text(it.revocation_time)),
            invalidity_date: claim.and_then(|it| it.invalidity_date).map(text),
            recorded: record
                .and_then(|record| UnixTime::from_secs(record.recorded_ms / 1_000))
                .map(text),
            not_before: issued.and_then(|it| it.not_before).map(text),
            not_after: issued.and_then(|it| it.not_after).map(text),
            sequence: record.map(|record| record.sequence),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_said_again_keeps_its_time() {
        let at = |secs| UnixTime::from_secs(secs).unwrap();
        let claim = |reason, revocation_time| RevocationClaim {
            revocation_time,
            reason,
            invalidity_date: None,
        };
        let superseded = ClerkAction::Revoke {
            reason: Some("superseded".to_owned()),
            revocation_time: None,
            invalidity_date: None,
        };
        let hold = Some(CrlReason::CertificateHold);
        let reason = Some(CrlReason::Superseded);
        for (action, known, told) in [
            (&superseded, None, claim(reason, at(9))),
            (
                &superseded,
                Some(claim(reason, at(5))),
                claim(reason, at(5)),
            ),
            (&superseded, Some(claim(hold, at(5))), claim(reason, at(9))),
            (
                &ClerkAction::Hold,
                Some(claim(hold, at(5))),
                claim(hold, at(5)),
            ),
            (&ClerkAction::Hold, None, claim(hold, at(9))),
        ] {
            assert_eq!(action.to_ledger(at(9), known).unwrap(), revocation(told));
        }
    }
}
