//! How fresh the ledger is for an issuer that CRLs feed.

use super::Clerk;
use crate::authority::{Issuer, OperationError};
use crate::change::{Evidence, Source};
use crate::ledger::Recorded;

impl Clerk {
    /// Records that a newer CRL was taken for an issuer, after all of its changes were. A running server
    /// then signs the issuer's answers by it.
    ///
    /// # Errors
    /// [`OperationError`] when the ledger fails; a CRL that is older than one taken before is
    /// [`Recorded::Older`].
    pub fn record_evidence(
        &self,
        issuer: &Issuer,
        evidence: &Evidence,
        source: &Source,
    ) -> Result<Recorded, OperationError> {
        let now_ms = self.clock.now_millis();
        let recorded = self
            .ledger
            .record_evidence(&issuer.id, evidence, source, now_ms)
            .map_err(|error| OperationError::from(&error))?;
        if matches!(recorded, Recorded::Entry { .. }) {
            self.evidence_came();
        }
        Ok(recorded)
    }

    /// Tells a running authority to look for newer evidence.
    pub(super) fn evidence_came(&self) {
        if let Some(call) = &self.after_evidence {
            call();
        }
    }
}
