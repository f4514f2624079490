//! What an import of a CRL asks of the ledger beyond its changes.

use crate::{
    asn1::UnixTime,
    change::{Evidence, RevocationClaim},
    feed::StatusSink,
    identity::{IssuerId, SerialNumber},
};

/// A ledger that knows how fresh it is.
pub trait EvidenceSink: StatusSink {
    /// The newest CRL taken for an issuer.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn evidence(&mut self, issuer: &IssuerId) -> Result<Option<Evidence>, Self::Error>;

    /// Calls `each` for every certificate of the issuer that is revoked or on hold.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn each_revoked(
        &mut self,
        issuer: &IssuerId,
        each: &mut dyn FnMut(&KnownRevocation),
    ) -> Result<(), Self::Error>;

    /// Whether the entry with this sequence number was made by an import of a CRL.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn is_from_crl(&mut self, sequence: u64) -> Result<bool, Self::Error>;

    /// When the hold of a certificate was ended, if nothing happened to its revocation since.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn released(
        &mut self,
        issuer: &IssuerId,
        serial: &SerialNumber,
    ) -> Result<Option<UnixTime>, Self::Error>;

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
    /// The number of the certificate's latest entry.
    pub sequence: u64,
}

/// What became of evidence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EvidenceOutcome {
    /// It is recorded, or was before.
    Known,
    /// Newer was recorded meanwhile.
    Older {
        /// What the ledger has.
        known: Evidence,
    },
}
