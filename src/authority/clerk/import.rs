//! One-off imports.

use std::io::BufRead;

use serde::{Deserialize, Serialize};

use super::{Clerk, source};
use crate::authority::{ErrorClass, Issuer, OperationError, with_causes};
use crate::feed::{
    Findings, ImportError, ImportOptions, ImportReport, Index, LedgerSinkError, Progress,
    SinkFailure,
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
            ImportRequest::Crl { accept_shrink } => {
                self.import_crl(order, *accept_shrink, input, progress)
            }
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
        self.take_in(&index, order, "index", progress)
    }

    /// The issuer that the order names.
    pub(super) fn import_issuer(&self, order: &ImportOrder) -> Result<&Issuer, OperationError> {
        self.issuers
            .by_name(order.issuer.as_deref())
            .map(|issuer| &**issuer)
    }

    /// Judges what was found and brings it into the ledger. `kind` names the source in its entries.
    fn take_in(
        &self,
        findings: &impl Findings,
        order: &ImportOrder,
        kind: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImportReport, OperationError> {
        let mut sink = self.sink(source(kind, &order.name)?);
        let options = ImportOptions {
            source: &order.name,
            skip_bad: order.skip_bad,
        };
        crate::feed::import(findings, &mut sink, options, progress)
            .map_err(|error| import_error(&error))
    }
}

/// An import, as asked for. What is imported follows it as a stream of octets.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ImportOrder {
    /// The issuer's configured name; needed when there are several and the source does not tell.
    pub issuer: Option<String>,
    /// What the source is called in messages and in the ledger's entries.
    pub name: String,
    /// Leave out what is bad or refused and apply the rest.
    pub skip_bad: bool,
    /// What kind of source it is.
    pub request: ImportRequest,
}

/// The kinds of sources, with what each needs to be told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "source", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ImportRequest {
    /// The `index.txt` of `openssl ca`.
    Index,
    /// A full CRL.
    Crl {
        /// Take it although much of the CRL before is gone.
        accept_shrink: bool,
    },
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
