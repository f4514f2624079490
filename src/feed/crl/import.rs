//! A CRL into the ledger: its entries, the ends of holds, and last the evidence.

use crate::{
    asn1::UnixTime,
    feed::{ImportError, ImportOptions, ImportReport, ImportResult, Progress, SinkFailure, import},
};

use super::{Crl, CrlRefusal, EvidenceOutcome, EvidenceSink};

/// How to import a CRL.
#[derive(Clone, Copy, Debug)]
pub struct CrlImportOptions<'a> {
    /// As for every source.
    pub import: ImportOptions<'a>,
    /// Take it although much of the CRL before is gone.
    pub accept_shrink: bool,
    /// The time.
    pub now: UnixTime,
}

/// Imports a CRL.
///
/// Its evidence is recorded when everything else is durable: only then may answers rely on it. Killed
/// before that, the import is completed by running it again.
///
/// # Errors
/// [`CrlImportError`] when the ledger has newer evidence, or much of the CRL before is gone, or the
/// sink fails. What is wrong with single entries is no error but in the report.
pub fn import_crl<S: EvidenceSink>(
    mut crl: Crl,
    sink: &mut S,
    options: CrlImportOptions<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<ImportReport, CrlImportError<S::Error>> {
    let failed = |error| CrlImportError::Import(ImportError::Judge(SinkFailure::Sink(error)));
    if crl.problems.total() > 0 && !options.import.skip_bad {
        // Nothing is applied; the report says why.
        return Ok(import(&crl, sink, options.import, progress)?);
    }
    let known = sink.evidence(&crl.issuer).map_err(failed)?;
    crl.check_order(known.as_ref())?;
    let comparison = crl.compare(sink, options.now).map_err(failed)?;
    if !options.accept_shrink {
        Crl::check_size(known.as_ref(), &comparison)?;
    }

    let mut report = import(&crl, sink, options.import, progress)?;
    if report.result == ImportResult::NothingApplied {
        return Ok(report);
    }
    report.differing = report.differing.saturating_add(crl.differing);
    report.missing = comparison.missing;
    report.released = import(&comparison.releases, sink, options.import, progress)?.applied;
    let recorded = sink
        .record_evidence(&crl.issuer, &crl.evidence)
        .map_err(|error| {
            CrlImportError::Import(ImportError::Apply {
                failure: SinkFailure::Sink(error),
                report: Box::new(report.clone()),
            })
        })?;
    match recorded {
        EvidenceOutcome::Known => Ok(report),
        // Another import overtook this one.
        EvidenceOutcome::Older { known } => {
            crl.check_order(Some(&known))?;
            Ok(report)
        }
    }
}

/// Why a CRL was not imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrlImportError<E: std::error::Error> {
    /// The CRL is refused.
    #[error(transparent)]
    Refused(#[from] CrlRefusal),
    /// The ledger failed.
    #[error(transparent)]
    Import(#[from] ImportError<E>),
}
