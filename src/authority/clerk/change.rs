//! Revoking, holding and releasing one certificate.

use serde::{Deserialize, Serialize};

use super::{Clerk, IssuerBelow, StatusReply, serial, source};
use crate::asn1::{CrlReason, UnixTime};
use crate::authority::{ErrorClass, OperationError};
use crate::change::{Action, Change, Outcome, RevocationClaim};
use crate::feed::StatusSink;

impl Clerk {
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
        if let Action::Revoke { claim, .. } | Action::Correct(claim) = &action {
            issuer.rules.judge_reason(claim.reason).map_err(|breach| {
                OperationError::new(
                    ErrorClass::Refused,
                    format!("serial {serial} of issuer {:?}: {breach}", issuer.name),
                )
            })?;
        }
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
        let issuer_below = match request.action {
            ClerkAction::Revoke { .. } | ClerkAction::Hold => self.issuer_below(issuer, serial)?,
            ClerkAction::Correct { .. } | ClerkAction::Release => None,
        };
        Ok(ChangeReply {
            outcome,
            visible: self.visible(),
            status: self.status_of(issuer, serial)?,
            issuer_below,
        })
    }
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
    /// Correct what was recorded of its final revocation. What is left out stays as it was.
    Correct {
        /// CRLReason by name.
        reason: Option<String>,
        /// RFC 3339; not later than before.
        revocation_time: Option<String>,
        /// RFC 3339; not later than before.
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
        Ok(match self {
            Self::Revoke {
                reason,
                revocation_time,
                invalidity_date,
            } => {
                let reason = reason.as_deref().map(reason_by_name).transpose()?.flatten();
                revocation(RevocationClaim {
                    revocation_time: stated_time(revocation_time.as_deref())?
                        .unwrap_or_else(|| unstated(reason)),
                    reason,
                    invalidity_date: stated_time(invalidity_date.as_deref())?,
                })
            }
            Self::Correct {
                reason,
                revocation_time,
                invalidity_date,
            } => {
                // What is not revoked at all is refused by the ledger, whatever is claimed.
                let known = claimed.unwrap_or(RevocationClaim {
                    revocation_time: now,
                    reason: None,
                    invalidity_date: None,
                });
                let reason = reason.as_deref().map(reason_by_name).transpose()?;
                Action::Correct(RevocationClaim {
                    revocation_time: stated_time(revocation_time.as_deref())?
                        .unwrap_or(known.revocation_time),
                    reason: reason.unwrap_or(known.reason),
                    invalidity_date: stated_time(invalidity_date.as_deref())?
                        .or(known.invalidity_date),
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

/// A time as operators write it.
pub(super) fn stated_time(text: Option<&str>) -> Result<Option<UnixTime>, OperationError> {
    text.map(|text| {
        UnixTime::from_rfc3339(text).map_err(|error| {
            OperationError::new(
                ErrorClass::Usage,
                format!("{text:?}: {error}; write it like 2026-03-21T08:30:00Z"),
            )
        })
    })
    .transpose()
}

pub(super) fn reason_by_name(name: &str) -> Result<Option<CrlReason>, OperationError> {
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
    /// The issuer whose own certificate it is, if it is one: this revoked none of its certificates.
    #[serde(default)]
    pub issuer_below: Option<IssuerBelow>,
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
        // A correction keeps what it does not state.
        let known = RevocationClaim {
            invalidity_date: Some(at(2)),
            ..claim(reason, at(5))
        };
        let correct = |reason: Option<&str>, time: Option<&str>| ClerkAction::Correct {
            reason: reason.map(str::to_owned),
            revocation_time: time.map(str::to_owned),
            invalidity_date: None,
        };
        for (action, expected) in [
            (correct(None, None), known),
            (
                correct(Some("unspecified"), None),
                RevocationClaim {
                    reason: None,
                    ..known
                },
            ),
            (
                correct(None, Some("1970-01-01T00:00:04Z")),
                RevocationClaim {
                    revocation_time: at(4),
                    ..known
                },
            ),
        ] {
            let told = action.to_ledger(at(9), Some(known)).unwrap();
            assert_eq!(told, Action::Correct(expected));
        }
    }
}
