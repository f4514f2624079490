//! One-off imports.

use std::io::BufRead;
use std::num::NonZeroUsize;

use super::crl::CrlWishes;
use super::{Clerk, source};
use crate::asn1::Certificate;
use crate::authority::{ErrorClass, Issuer, OperationError, with_causes};
use crate::feed::{
    Certificates, Csv, CsvError, CsvMapping, Findings, HoldEndingSink, ImportError, ImportOptions,
    ImportOrder, ImportReport, ImportRequest, Index, LedgerSinkError, Progress, SinkFailure,
    StatusSink,
    certificates::{self, IssuanceSink},
    live::Rows,
};

impl Clerk {
    /// Imports what `input` holds, as `order` says.
    ///
    /// # Errors
    /// [`OperationError`] when nothing was applied; what was refused piece by piece is in the report.
    pub fn import(
        &self,
        order: &ImportOrder,
        input: impl BufRead,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImportReport, OperationError> {
        match &order.request {
            ImportRequest::Index => self.import_index(order, input, progress),
            ImportRequest::Crl {
                accept_shrink,
                scope,
            } => {
                let wishes = CrlWishes {
                    accept_shrink: *accept_shrink,
                    scope: scope.as_ref(),
                };
                self.import_crl(order, wishes, input, progress)
            }
            ImportRequest::Certificates => self.import_certificates(order, input, progress),
            ImportRequest::Csv { mapping } => self.import_csv(order, mapping, input, progress),
        }
    }

    fn import_index(
        &self,
        order: &ImportOrder,
        input: impl BufRead,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImportReport, OperationError> {
        let issuer = self.import_issuer(order)?;
        let index = Index::read(input, issuer.id).map_err(|error| read_error(order, &error))?;
        refuse_empty(&index, order)?;
        self.take_in(&index, order, progress)
    }

    fn import_certificates(
        &self,
        order: &ImportOrder,
        input: impl BufRead,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImportReport, OperationError> {
        let all = self.issuers.iter().map(|issuer| &*issuer.certificate);
        let all: Vec<&Certificate> = all.collect();
        let issuers = match &order.issuer {
            None => certificates::Issuers::any_of(&all),
            Some(_) => certificates::Issuers::one_of(&all, &self.import_issuer(order)?.certificate),
        };
        let certificates = Certificates::read(input, &issuers, self.verifying_threads())
            .map_err(|error| read_error(order, &error))?;
        refuse_empty(&certificates, order)?;
        let mut sink = IssuanceSink(self.sink(source(order.request.kind(), &order.name)?));
        take_in(&certificates, order, &mut sink, progress)
    }

    fn import_csv(
        &self,
        order: &ImportOrder,
        mapping: &CsvMapping,
        input: impl BufRead,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImportReport, OperationError> {
        let issuer = self.import_issuer(order)?;
        let csv = Csv::read(input, issuer.id, mapping).map_err(|error| {
            let class = match &error {
                CsvError::Io(_) => ErrorClass::Storage,
                CsvError::Columns(_) => ErrorClass::Usage,
                _ => ErrorClass::Input,
            };
            let nothing = match class {
                ErrorClass::Input => "; nothing was applied",
                _ => "",
            };
            OperationError::new(class, format!("{}: {error}{nothing}", order.name))
        })?;
        refuse_empty(&csv, order)?;
        self.take_in(&csv, order, progress)
    }

    /// Takes rows that a feed has read, leaving out what is bad. `kind` and `name` are the source and the
    /// place in it for the ledger's entries.
    ///
    /// # Errors
    /// [`OperationError`] when the ledger fails.
    pub fn take_rows(
        &self,
        kind: &str,
        name: &str,
        rows: &Rows,
    ) -> Result<ImportReport, OperationError> {
        let source = source(kind, name)?;
        let mut sink = HoldEndingSink::new(self.sink(source.clone()), rows, &source);
        let options = ImportOptions {
            source: name,
            skip_bad: true,
        };
        let taken = crate::feed::import(rows, &mut sink, options, &mut |_| {});
        taken.map_err(|error| import_error(&error))
    }

    /// All cores; where clients are served, half of them are left to those.
    fn verifying_threads(&self) -> NonZeroUsize {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        match &self.commits {
            None => cores,
            Some(_) => NonZeroUsize::new(cores.get() / 2).unwrap_or(NonZeroUsize::MIN),
        }
    }

    /// The issuer that the order names.
    pub(super) fn import_issuer(&self, order: &ImportOrder) -> Result<&Issuer, OperationError> {
        self.issuers
            .by_name(order.issuer.as_deref())
            .map(|issuer| &**issuer)
    }

    /// Judges what was found and brings it into the ledger.
    fn take_in(
        &self,
        findings: &impl Findings,
        order: &ImportOrder,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImportReport, OperationError> {
        let mut sink = self.sink(source(order.request.kind(), &order.name)?);
        take_in(findings, order, &mut sink, progress)
    }
}

fn take_in(
    findings: &impl Findings,
    order: &ImportOrder,
    sink: &mut impl StatusSink<Error = LedgerSinkError>,
    progress: &mut dyn FnMut(Progress),
) -> Result<ImportReport, OperationError> {
    let options = ImportOptions {
        source: &order.name,
        skip_bad: order.skip_bad,
    };
    crate::feed::import(findings, sink, options, progress).map_err(|error| import_error(&error))
}

/// A source in which nothing is has not been imported: it is not the one that was meant, or was lost.
fn refuse_empty(findings: &impl Findings, order: &ImportOrder) -> Result<(), OperationError> {
    if findings.line_count() > 0 {
        return Ok(());
    }
    let mut message = format!("{}: there is no certificate in it", order.name);
    for note in findings.notes() {
        message.push_str(&format!(" ({note})"));
    }
    message.push_str("; nothing was applied");
    Err(OperationError::new(ErrorClass::Input, message))
}

fn read_error(order: &ImportOrder, error: &std::io::Error) -> OperationError {
    OperationError::new(ErrorClass::Storage, format!("{}: {error}", order.name))
}

pub(super) fn import_error(error: &ImportError<LedgerSinkError>) -> OperationError {
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
