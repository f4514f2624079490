//! Revoking all certificates of an issuer, and what that would do.

use serde::{Deserialize, Serialize};

use super::change::{ChangeOutcome, Visible, reason_by_name, stated_time};
use super::{Clerk, source};
use crate::asn1::{CrlReason, UnixTime};
use crate::authority::{ErrorClass, Issuer, OperationError};
use crate::change::{Action, Change, Outcome, Refusal, RevocationClaim};
use crate::identity::SerialNumber;
use crate::ledger::{IssuerRevocationOrder, RevokedIssuer};
use crate::signer::is_signed_by;

impl Clerk {
    /// What [`Clerk::revoke_all`] would do. Nothing changes.
    ///
    /// # Errors
    /// [`OperationError`] for an unknown issuer or a ledger that fails.
    pub fn preview_revoke_all(&self, issuer: &str) -> Result<RevokeAllPreview, OperationError> {
        self.preview(self.issuers.by_name(Some(issuer))?)
    }

    /// Revokes all certificates of an issuer for good, those that it issues later included, and the
    /// issuer's own certificate with them, in one batch. When this returns the change is durable, and with
    /// a running server visible to every request that begins afterwards.
    ///
    /// # Errors
    /// [`OperationError`]; nothing has changed then.
    pub fn revoke_all(&self, request: &RevokeAllRequest) -> Result<RevokeAllReply, OperationError> {
        let issuer = self.issuers.by_name(Some(&request.issuer))?;
        let known = self.revoked_issuer(issuer)?;
        let claim = request.claim(self.clock.now(), known.as_ref())?;
        let own = self.own_certificate(issuer)?;
        let with = match &own {
            Own {
                parent: Some(parent),
                state: CaCertificateState::Good | CaCertificateState::OnHold,
                serial,
            } if !request.keep_ca_certificate => vec![Change {
                issuer: parent.id,
                serial: *serial,
                action: Action::Revoke {
                    claim: of_ca_certificate(claim),
                    inventory: None,
                },
            }],
            _ => Vec::new(),
        };
        let order = IssuerRevocationOrder {
            issuer: issuer.id,
            claim,
            with,
        };
        let outcomes = self
            .sink(source("cli", "")?)
            .revoke_issuer(&order)
            .map_err(|error| OperationError::from(&error))?;
        let refused = |refusal: &Refusal| {
            let name = &issuer.name;
            OperationError::new(ErrorClass::Refused, format!("issuer {name:?}: {refusal}"))
        };
        let applied = match outcomes.first() {
            Some(Outcome::Refused(refusal)) => return Err(refused(refusal)),
            Some(Outcome::Applied { .. }) => true,
            _ => false,
        };
        let ca_certificate_revoked = matches!(outcomes.get(1), Some(Outcome::Applied { .. }));
        Ok(RevokeAllReply {
            outcome: if applied || ca_certificate_revoked {
                ChangeOutcome::Applied
            } else {
                ChangeOutcome::Unchanged
            },
            visible: self.visible(),
            ca_certificate_revoked,
            now: self.preview(issuer)?,
        })
    }

    fn preview(&self, issuer: &Issuer) -> Result<RevokeAllPreview, OperationError> {
        let failed = |error| OperationError::from(&error);
        let ledger = self.ledger.snapshot().map_err(failed)?;
        let own = ledger.own_statuses(&issuer.id).map_err(failed)?;
        Ok(RevokeAllPreview {
            issuer: issuer.name.clone(),
            good: own.good,
            on_hold: own.on_hold,
            revoked: own.revoked,
            ca_certificate: self.own_certificate(issuer)?.shown(),
            revoked_as_a_whole: ledger
                .revoked_issuer(&issuer.id)
                .map(|revoked| WholeRevocation::new(&revoked)),
        })
    }

    fn revoked_issuer(&self, issuer: &Issuer) -> Result<Option<RevokedIssuer>, OperationError> {
        self.ledger
            .revoked_issuer(&issuer.id)
            .map_err(|error| OperationError::from(&error))
    }

    /// What an issuer's own certificate is to its parent, if that is an issuer here too. The parent is who
    /// signed it: a name or a key alone may be another's.
    fn own_certificate(&self, issuer: &Issuer) -> Result<Own<'_>, OperationError> {
        let certificate = &issuer.certificate;
        let serial = SerialNumber::from_content(certificate.serial_number()).map_err(|error| {
            let name = &issuer.name;
            let message = format!("the certificate of issuer {name:?}: {error}");
            OperationError::new(ErrorClass::Config, message)
        })?;
        let has_signed = |other: &Issuer| {
            other.certificate.subject_der() == certificate.issuer_der()
                && is_signed_by(certificate, &other.certificate)
        };
        let own = |parent, state| Own {
            serial,
            parent,
            state,
        };
        if has_signed(issuer) {
            return Ok(own(None, CaCertificateState::SelfSigned));
        }
        let Some(parent) = self.issuers.iter().find(|other| has_signed(other)) else {
            return Ok(own(None, CaCertificateState::ParentNotConfigured));
        };
        let record = self.find(parent, serial)?;
        let state = match record.map(|record| record.revocation) {
            None => CaCertificateState::NotIssued,
            Some(None) => CaCertificateState::Good,
            Some(Some(revocation)) if revocation.is_hold() => CaCertificateState::OnHold,
            Some(Some(_)) => CaCertificateState::Revoked,
        };
        Ok(own(Some(parent), state))
    }

    /// The issuer whose own certificate this is, and what is under it.
    pub(super) fn issuer_below(
        &self,
        parent: &Issuer,
        serial: SerialNumber,
    ) -> Result<Option<IssuerBelow>, OperationError> {
        let is_it = |issuer: &&std::sync::Arc<Issuer>| {
            issuer.id != parent.id
                && issuer.certificate.serial_number() == serial.as_bytes()
                && issuer.certificate.issuer_der() == parent.certificate.subject_der()
                && is_signed_by(&issuer.certificate, &parent.certificate)
        };
        let Some(issuer) = self.issuers.iter().find(is_it) else {
            return Ok(None);
        };
        let preview = self.preview(issuer)?;
        Ok(Some(IssuerBelow {
            issuer: issuer.name.clone(),
            good: preview.good,
            on_hold: preview.on_hold,
            revoked: preview.revoked,
            revoked_as_a_whole: preview.revoked_as_a_whole.is_some(),
        }))
    }
}

/// An issuer's own certificate.
struct Own<'a> {
    serial: SerialNumber,
    parent: Option<&'a Issuer>,
    state: CaCertificateState,
}

impl Own<'_> {
    fn shown(&self) -> CaCertificate {
        CaCertificate {
            serial: self.serial.to_string(),
            parent: self.parent.map(|parent| parent.name.clone()),
            state: self.state,
        }
    }
}

/// The same for the issuer's own certificate: a compromised key is a CA's there (RFC 5280 §5.3.1).
fn of_ca_certificate(claim: RevocationClaim) -> RevocationClaim {
    let reason = match claim.reason {
        Some(CrlReason::KeyCompromise) => Some(CrlReason::CaCompromise),
        other => other,
    };
    RevocationClaim { reason, ..claim }
}

/// An order to revoke all certificates of an issuer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RevokeAllRequest {
    /// The issuer's configured name.
    pub issuer: String,
    /// CRLReason by name, or unspecified; not certificateHold.
    pub reason: String,
    /// RFC 3339; now when left out.
    #[serde(default)]
    pub revocation_time: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub invalidity_date: Option<String>,
    /// Leave the issuer's own certificate as it is at its parent.
    #[serde(default)]
    pub keep_ca_certificate: bool,
}

impl RevokeAllRequest {
    /// A time that is not stated is `now`; but said again for the reason that is `known` already it is the
    /// time claimed then, so that the command may be repeated.
    fn claim(
        &self,
        now: UnixTime,
        known: Option<&RevokedIssuer>,
    ) -> Result<RevocationClaim, OperationError> {
        let reason = reason_by_name(&self.reason)?;
        if reason == Some(CrlReason::CertificateHold) {
            return Err(OperationError::new(
                ErrorClass::Usage,
                "certificateHold is not for good: all certificates of an issuer can only be revoked",
            ));
        }
        let known = known
            .map(|known| known.revocation.claim)
            .filter(|claim| claim.reason == reason);
        let known_time = known.map(|claim| claim.revocation_time);
        let known_date = known.and_then(|claim| claim.invalidity_date);
        let revocation_time = stated_time(self.revocation_time.as_deref())?;
        let invalidity_date = stated_time(self.invalidity_date.as_deref())?;
        Ok(RevocationClaim {
            revocation_time: revocation_time.or(known_time).unwrap_or(now),
            reason,
            invalidity_date: invalidity_date.or(known_date),
        })
    }
}

/// What revoking all certificates of an issuer meets.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RevokeAllPreview {
    /// The issuer's configured name.
    pub issuer: String,
    /// Certificates that are good by themselves.
    pub good: u64,
    /// Certificates that are on hold by themselves.
    pub on_hold: u64,
    /// Certificates that are revoked for good by themselves: they keep their revocation.
    pub revoked: u64,
    /// The issuer's own certificate.
    pub ca_certificate: CaCertificate,
    /// How all its certificates are revoked already, if they are.
    pub revoked_as_a_whole: Option<WholeRevocation>,
}

/// An issuer's own certificate.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CaCertificate {
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// The configured name of the issuer that has signed it.
    pub parent: Option<String>,
    /// What it is to that issuer.
    pub state: CaCertificateState,
}

/// What an issuer's own certificate is to its parent.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaCertificateState {
    /// The issuer is a root: nobody above it can revoke it.
    SelfSigned,
    /// Another CA has signed it, which is not answered for here.
    ParentNotConfigured,
    /// The parent's certificates are here, and it is not among them.
    NotIssued,
    /// Good.
    Good,
    /// On hold.
    OnHold,
    /// Revoked for good.
    Revoked,
}

/// How all certificates of an issuer were revoked.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct WholeRevocation {
    /// The ledger entry.
    pub sequence: u64,
    /// CRLReason; none for unspecified.
    pub reason: Option<String>,
    /// The claimed revocation time, RFC 3339.
    pub revocation_time: String,
    /// The invalidityDate, RFC 3339.
    pub invalidity_date: Option<String>,
}

impl WholeRevocation {
    pub(in crate::authority) fn new(revoked: &RevokedIssuer) -> Self {
        let claim = revoked.revocation.claim;
        Self {
            sequence: revoked.sequence,
            reason: claim.reason.map(|reason| reason.name().to_owned()),
            revocation_time: claim.revocation_time.to_string(),
            invalidity_date: claim.invalidity_date.map(|time| time.to_string()),
        }
    }
}

/// What came of revoking all certificates of an issuer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RevokeAllReply {
    /// Whether the ledger changed.
    pub outcome: ChangeOutcome,
    /// When clients see it.
    pub visible: Visible,
    /// Whether this revoked the issuer's own certificate at its parent.
    pub ca_certificate_revoked: bool,
    /// How it is now.
    #[serde(flatten)]
    pub now: RevokeAllPreview,
}

/// An issuer that stands under a certificate.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct IssuerBelow {
    /// Its configured name.
    pub issuer: String,
    /// Its certificates that are good by themselves.
    pub good: u64,
    /// Its certificates that are on hold by themselves.
    pub on_hold: u64,
    /// Its certificates that are revoked for good by themselves.
    pub revoked: u64,
    /// Whether all of them are revoked with it.
    pub revoked_as_a_whole: bool,
}
