//! What an import of a CRL asks of the ledger beyond its changes.

use crate::{
    asn1::UnixTime,
    change::{CrlScope, Evidence, RevocationClaim, ScopeTag},
    feed::StatusSink,
    identity::{IssuerId, SerialNumber},
};

/// A ledger that knows how fresh it is.
pub trait EvidenceSink: StatusSink {
    /// The newest CRL of this scope taken for an issuer.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn evidence(
        &mut self,
        issuer: &IssuerId,
        scope: &CrlScope,
    ) -> Result<Option<Evidence>, Self::Error>;

    /// Calls `each` for every certificate of the issuer that is revoked or on hold.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn each_revoked(
        &mut self,
        issuer: &IssuerId,
        each: &mut dyn FnMut(&KnownRevocation),
    ) -> Result<(), Self::Error>;

    /// What is known of one certificate; `None` for nothing.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn status(
        &mut self,
        issuer: &IssuerId,
        serial: &SerialNumber,
    ) -> Result<Option<KnownStatus>, Self::Error>;

    /// Records evidence, durably: whatever it stands for is durable already.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    fn record_evidence(
        &mut self,
        issuer: &IssuerId,
        evidence: &Evidence,
    ) -> Result<EvidenceOutcome, Self::Error>;
}

/// A revocation in the ledger.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KnownRevocation {
    /// Of which certificate.
    pub serial: SerialNumber,
    /// As it was claimed.
    pub claim: RevocationClaim,
    /// When it was recorded.
    pub recorded: UnixTime,
    /// notAfter, if known.
    pub not_after: Option<UnixTime>,
    /// Of which scope the CRL was that made it; `None` where no CRL did.
    pub crl_scope: Option<ScopeTag>,
}

/// A certificate in the ledger.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KnownStatus {
    /// Whether some source knows that it was issued.
    pub issued: bool,
    /// Its revocation; `None` when it is good.
    pub revocation: Option<KnownRevocation>,
    /// When its hold was ended, if nothing happened to its revocation since.
    pub released: Option<UnixTime>,
}

/// What became of evidence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EvidenceOutcome {
    /// It is recorded, or was before.
    Known,
    /// Newer was recorded meanwhile.
    Older {
        /// What the ledger has.
        known: Box<Evidence>,
    },
}
