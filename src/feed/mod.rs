//! Sources of status: what a CA knows, read into changes that the ledger can judge.
//!
//! Each source is one file or folder here. A source is read whole and judged whole before its first
//! change is applied.

pub mod certificates;
pub mod crl;
pub mod csv;
mod hold_ending;
mod import;
pub mod index;
#[cfg(feature = "rocksdb")]
mod ledger_sink;
mod lines;
pub mod live;
mod order;
mod problems;
mod repetition;
mod report;
#[cfg(feature = "sql")]
pub mod sql;

pub use certificates::Certificates;
pub use crl::{
    Authority, Crl, CrlImportError, CrlImportOptions, CrlRefusal, EvidenceOutcome, EvidenceSink,
    KnownRevocation, KnownStatus, UnjudgedCrl, import_crl,
};
pub use csv::{Csv, CsvError, CsvMapping};
pub use hold_ending::{HoldEndingSink, HoldSink, KnownHold};
pub use import::{
    Findings, ImportError, ImportOptions, Phase, Progress, Record, SinkFailure, StatusSink, import,
};
pub use index::Index;
#[cfg(feature = "rocksdb")]
pub use ledger_sink::{LedgerSink, LedgerSinkError};
pub use order::{ImportOrder, ImportRequest};
pub use problems::{BadPart, PROBLEMS_SHOWN_MAX, Place, Problem, Problems, Unit};
pub use report::{ImportReport, ImportResult};
