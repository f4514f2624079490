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
/// Its evidence is recorded when everything else is durable, and only if no entry was skipped: only then
/// may answers rely on it. Killed before that, the import is completed by running it again.
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
    let mut comparison = crl.compare(sink, options.now).map_err(failed)?;
    // Its evidence is recorded last: nothing of it can be missing.
    if known
        .as_ref()
        .is_some_and(|known| known.crl_sha256 == crl.evidence.crl_sha256)
    {
        crl.settle_all(&mut comparison);
    }
    if !options.accept_shrink {
        Crl::check_size(known.as_ref(), &comparison)?;
    }

    let mut report = import(&crl, sink, options.import, progress)?;
    if report.result == ImportResult::NothingApplied {
        return Ok(report);
    }
    report.differing = report.differing.saturating_add(crl.differing);
    report.missing = comparison.missing;
    // With entries left out the list does not say who is not on it: nobody is released, and no answer is
    // dated by it.
    if report.result != ImportResult::Complete {
        report.notes.push(LEFT_OUT.to_owned());
        return Ok(report);
    }
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

const LEFT_OUT: &str =
    "entries were left out, so no hold ends by this CRL and no answer is dated by it";

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
