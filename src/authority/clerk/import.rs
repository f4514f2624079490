//! One-off imports.

use super::{Clerk, source};
use crate::authority::{ErrorClass, OperationError, with_causes};
use crate::feed::{
    ImportError, ImportOptions, ImportReport, Index, LedgerSinkError, Progress, SinkFailure,
};

impl Clerk {
    /// Imports an `index.txt` of `openssl ca`, named `name` in messages.
    ///
    /// # Errors
    /// [`OperationError`] when nothing was applied; lines that were refused are in the report.
    pub fn import_index(
        &self,
        issuer: Option<&str>,
        name: &str,
        input: impl std::io::BufRead,
        skip_bad: bool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImportReport, OperationError> {
        let issuer = self.issuers.by_name(issuer)?;
        let index = Index::read(input, issuer.id).map_err(|error| {
            OperationError::new(ErrorClass::Storage, format!("{name}: {error}"))
        })?;
        let mut sink = self.sink(source("index", name)?);
        let options = ImportOptions {
            source: name,
            skip_bad,
        };
        crate::feed::import(&index, &mut sink, options, progress)
            .map_err(|error| import_error(&error))
    }
}

fn import_error(error: &ImportError<LedgerSinkError>) -> OperationError {
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
