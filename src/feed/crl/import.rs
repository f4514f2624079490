//! A CRL into the ledger: its entries, the ends of holds, and last the evidence.

use crate::{
    asn1::UnixTime,
    change::Evidence,
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
    /// Whether the issuer has a faster source, so that a certificate which was good until now should
    /// have been revoked by that one.
    pub reconcile: bool,
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
    let known = sink
        .evidence(&crl.issuer, &crl.evidence.scope)
        .map_err(failed)?;
    let known = known.as_ref();
    // The same CRL was taken before, perhaps with deltas since. Its evidence is recorded last: nothing of
    // it can be missing.
    let sha256 = Some(crl.evidence.crl_sha256);
    let again = known
        .is_some_and(|known| Some(known.crl_sha256) == sha256 || known.complete_sha256 == sha256);
    let mut complete = None;
    if let Some(base) = crl.base {
        complete = Some(Crl::check_base(base, known)?);
    }
    // Of a delta that is not newer than what was taken, all is known: a full CRL and a delta of one number
    // say the same (RFC 5280 §5.2.3). Nothing is added twice, and nothing out of order.
    let said = complete.is_some_and(|complete| {
        complete.crl_number >= crl.evidence.crl_number
            && complete.this_update >= crl.evidence.this_update
    });
    if !again && !said {
        crl.check_order(known)?;
    }
    let mut comparison = match complete {
        None => crl.compare(sink, options.now).map_err(failed)?,
        Some(_) if said => crl.compare_nothing(),
        Some(_) => crl.compare_delta(sink, options.now).map_err(failed)?,
    };
    if again || said {
        crl.settle_all(&mut comparison);
    }
    if !options.accept_shrink && complete.is_none() {
        Crl::check_size(known, &comparison)?;
    }
    // What the first CRL brings was nobody's to bring before.
    let reconcile = options.reconcile && known.is_some();
    let count = reconcile || complete.is_some();
    let left = crl.look_at_what_is_left(sink, count).map_err(failed)?;
    if let Some(complete) = complete {
        crl.evidence.follow(complete, left.new, comparison.removed);
    }

    let mut report = import(&crl, sink, options.import, progress)?;
    if report.result == ImportResult::NothingApplied {
        return Ok(report);
    }
    report.differing = report.differing.saturating_add(crl.differing);
    report.missing = comparison.missing;
    if reconcile {
        report.reconciled = left.known_as_good.min(report.applied);
    }
    if said && !again {
        report.notes.push(SAID.to_owned());
    }
    // With entries left out the list does not say who is not on it: nobody is released, and no answer is
    // dated by it.
    if report.result != ImportResult::Complete {
        report.notes.push(LEFT_OUT.to_owned());
        return Ok(report);
    }
    report.released = import(&comparison.releases, sink, options.import, progress)?.applied;
    if complete.is_some() {
        // They have entries of their own.
        report.applied = report.applied.saturating_add(report.released);
        report.unchanged = report.unchanged.saturating_sub(report.released);
    }
    if again || said {
        return Ok(report);
    }
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

impl Evidence {
    /// That of a delta, added to what was taken.
    fn follow(&mut self, complete: &Self, new: u64, removed: u64) {
        self.complete_sha256 = complete.complete_sha256.or(Some(complete.crl_sha256));
        let listed = u64::from(complete.entry_count)
            .saturating_add(new)
            .saturating_sub(removed);
        self.entry_count = u32::try_from(listed).unwrap_or(u32::MAX);
    }
}

const SAID: &str =
    "it is not newer than what was taken before, and so says nothing new (RFC 5280 §5.2.3, §5.2.4)";
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
