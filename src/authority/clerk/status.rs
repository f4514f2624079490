//! The status of one certificate.

use serde::{Deserialize, Serialize};

use super::{Clerk, serial};
use crate::asn1::UnixTime;
use crate::authority::{Issuer, OperationError};
use crate::identity::SerialNumber;
use crate::ledger::StatusRecord;

impl Clerk {
    /// The current status of one certificate.
    ///
    /// # Errors
    /// [`OperationError`] for an unknown issuer, a serial that is none, or a ledger that fails.
    pub fn status(&self, request: &StatusRequest) -> Result<StatusReply, OperationError> {
        let issuer = self.issuers.by_name(request.issuer.as_deref())?;
        self.status_of(issuer, serial(&request.serial)?)
    }

    pub(super) fn status_of(
        &self,
        issuer: &Issuer,
        serial: SerialNumber,
    ) -> Result<StatusReply, OperationError> {
        let record = self.find(issuer, serial)?;
        let now = self.clock.now();
        Ok(StatusReply::new(issuer, serial, record.as_ref(), now))
    }
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
    /// Its status.
    pub status: CertificateState,
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
    /// Until when clients were answered about it, RFC 3339, where that is past: it expired, and the
    /// issuer's `keep_expired` is over. What was signed before runs out by itself.
    #[serde(default)]
    pub answered_until: Option<String>,
    /// The ledger entry it follows from.
    pub sequence: Option<u64>,
    /// The ledger entry that revoked all certificates of the issuer, if it is revoked by that.
    #[serde(default)]
    pub revoked_with_issuer: Option<u64>,
}

/// What the ledger says of a certificate.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateState {
    /// Issued and not revoked.
    Good,
    /// Revoked or on hold.
    Revoked,
    /// The ledger has not seen it.
    NotIssued,
}

impl std::fmt::Display for CertificateState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Revoked => "revoked",
            Self::NotIssued => "not issued",
        })
    }
}

impl StatusReply {
    fn new(
        issuer: &Issuer,
        serial: SerialNumber,
        record: Option<&StatusRecord>,
        now: UnixTime,
    ) -> Self {
        let revocation = record.and_then(|record| record.revocation);
        let claim = revocation.map(|revocation| revocation.claim);
        let issued = record.and_then(|record| record.issued);
        let not_after = record.and_then(StatusRecord::not_after);
        let until = issuer.keep_expired.answered_until(not_after);
        let text = |time: UnixTime| time.to_string();
        Self {
            issuer: issuer.name.clone(),
            serial: serial.to_string(),
            status: match (record, revocation) {
                (None, _) => CertificateState::NotIssued,
                (Some(_), None) => CertificateState::Good,
                (Some(_), Some(_)) => CertificateState::Revoked,
            },
            reason: claim
                .and_then(|it| it.reason)
                .map(|reason| reason.name().to_owned()),
            revocation_time: claim.map(|it| text(it.revocation_time)),
            invalidity_date: claim.and_then(|it| it.invalidity_date).map(text),
            recorded: record
                .and_then(|record| UnixTime::from_secs(record.recorded_ms / 1_000))
                .map(text),
            not_before: issued.and_then(|it| it.not_before).map(text),
            not_after: not_after.map(text),
            answered_until: until.filter(|until| now > *until).map(text),
            sequence: record.map(|record| record.sequence),
            revoked_with_issuer: revocation.and_then(|it| it.by_issuer),
        }
    }
}
