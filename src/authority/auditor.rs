//! The audit's commands over a ledger that is open for writing: a running server's, or a command's own.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::with_causes;
use super::{ErrorClass, OperationError};
use crate::audit::export::{ExportSummary, write};
use crate::audit::{
    AuditError, AuditReport, CertificateProof, Checkpoint, LedgerKey, LedgerKeyError,
    SignedCheckpoint, VerifierKey, prove, sign_head, verify_ledger,
};
use crate::clock::Clock;
use crate::identity::SerialNumber;
use crate::ledger::{DefinedIssuer, Ledger, LedgerSnapshot, VerifyStep};

/// Signs, proves, exports and verifies.
#[derive(Clone)]
pub struct Auditor {
    ledger: Arc<Ledger>,
    key: Arc<LedgerKey>,
    clock: Arc<dyn Clock>,
}

impl Auditor {
    /// Over this ledger with its key.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>, key: Arc<LedgerKey>, clock: Arc<dyn Clock>) -> Self {
        Self { ledger, key, clock }
    }

    /// Signs the log's head as it is, and keeps it.
    ///
    /// # Errors
    /// [`OperationError`].
    pub fn checkpoint(&self) -> Result<CheckpointReply, OperationError> {
        let signed = self.sign()?;
        Ok(CheckpointReply {
            entries: signed.checkpoint.head.size,
            checkpoint: signed.note,
            vkey: self.key.vkey(),
        })
    }

    /// Proves what was recorded about a certificate.
    ///
    /// # Errors
    /// [`OperationError`] for an unknown issuer or certificate, or a ledger that fails.
    pub fn prove(&self, request: &ProveRequest) -> Result<CertificateProof, OperationError> {
        let serial = SerialNumber::from_hex(&request.serial).map_err(|error| {
            OperationError::new(ErrorClass::Usage, format!("{:?}: {error}", request.serial))
        })?;
        let signed = self.sign()?;
        let snapshot = self.snapshot()?;
        let issuer = issuer(&snapshot, request.issuer.as_deref())?;
        Ok(prove(
            &snapshot,
            &signed,
            self.key.name(),
            &issuer,
            &serial,
        )?)
    }

    /// Writes the log to `out`, up to a fresh checkpoint.
    ///
    /// # Errors
    /// [`OperationError`].
    pub fn export(
        &self,
        request: &ExportRequest,
        out: &mut dyn Write,
    ) -> Result<ExportReply, OperationError> {
        let signed = self.sign()?;
        let snapshot = self.snapshot()?;
        let summary = write(&snapshot, &signed, request.from, out)?;
        Ok(ExportReply::new(&summary, &self.key))
    }

    /// Verifies the ledger on a snapshot, so that nobody has to wait for it; `None` when `progress`
    /// stopped it.
    ///
    /// # Errors
    /// [`OperationError`].
    pub fn verify(
        &self,
        request: &VerifyRequest,
        progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<Option<AuditReport>, OperationError> {
        let key = request.verifier(&self.key)?;
        verify_snapshot(&self.snapshot()?, &key, request, progress)
    }

    fn sign(&self) -> Result<SignedCheckpoint, OperationError> {
        let now_ms = self.clock.now_millis();
        Ok(sign_head(&self.ledger, &self.key, now_ms)?)
    }

    fn snapshot(&self) -> Result<LedgerSnapshot, OperationError> {
        let snapshot = self.ledger.snapshot();
        snapshot.map_err(|error| OperationError::from(&error))
    }
}

/// Verifies what a snapshot shows.
///
/// # Errors
/// [`OperationError`].
pub fn verify_snapshot(
    snapshot: &LedgerSnapshot,
    key: &VerifierKey,
    request: &VerifyRequest,
    progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
) -> Result<Option<AuditReport>, OperationError> {
    let from = request.from.as_deref().map(|note| {
        Checkpoint::verified(note, key).map_err(|error| {
            let message = format!("the checkpoint to begin from is refused: {error}");
            OperationError::new(ErrorClass::Input, message)
        })
    });
    let from = from.transpose()?;
    let mut tell = |step| progress(VerifyProgress::from(step));
    Ok(verify_ledger(snapshot, key, from.as_ref(), &mut tell)?)
}

/// The issuer that the ledger knows by this label; without one, the only one there is.
fn issuer(snapshot: &LedgerSnapshot, label: Option<&str>) -> Result<DefinedIssuer, OperationError> {
    let usage = |message: String| OperationError::new(ErrorClass::Usage, message);
    let mut issuers = snapshot.issuers();
    let labels = || {
        let labels = snapshot
            .issuers()
            .map(|issuer| issuer.identity.label.as_str());
        labels.collect::<Vec<_>>().join(", ")
    };
    match label {
        Some(label) => issuers
            .find(|issuer| issuer.identity.label == label)
            .cloned()
            .ok_or_else(|| {
                usage(format!(
                    "the ledger knows no issuer {label:?}: {}",
                    labels()
                ))
            }),
        None => match (issuers.next(), issuers.next()) {
            (Some(only), None) => Ok(only.clone()),
            (None, _) => Err(usage("the ledger knows no issuer yet".to_owned())),
            (Some(_), Some(_)) => Err(usage(format!(
                "there are several issuers; name one with --issuer: {}",
                labels()
            ))),
        },
    }
}

/// A signed checkpoint.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CheckpointReply {
    /// How many entries it covers.
    pub entries: u64,
    /// The signed note.
    pub checkpoint: String,
    /// What verifies it.
    pub vkey: String,
}

/// A certificate whose entries are to be proved.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ProveRequest {
    /// The issuer's label in the ledger; needed when there are several.
    pub issuer: Option<String>,
    /// The serial number in hexadecimal.
    pub serial: String,
}

/// What is to be exported.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ExportRequest {
    /// The sequence to begin at; the block of 256 entries that holds it is the first.
    pub from: Option<u64>,
}

/// What was exported.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ExportReply {
    /// How many entries.
    pub entries: u64,
    /// The sequence of the first.
    pub first_sequence: u64,
    /// How many the checkpoint covers.
    pub covers: u64,
    /// What verifies it.
    pub vkey: String,
}

impl ExportReply {
    fn new(summary: &ExportSummary, key: &LedgerKey) -> Self {
        Self {
            entries: summary.entries,
            first_sequence: summary.first_sequence,
            covers: summary.covers,
            vkey: key.vkey(),
        }
    }
}

/// What is to be verified.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct VerifyRequest {
    /// A signed checkpoint to begin from.
    pub from: Option<String>,
    /// The verifier's key, if it is not to be that beside the ledger.
    pub vkey: Option<String>,
}

impl VerifyRequest {
    /// The key that checkpoints are verified with.
    ///
    /// # Errors
    /// [`OperationError`] when the one that was given is none.
    pub fn verifier(&self, own: &LedgerKey) -> Result<VerifierKey, OperationError> {
        let Some(given) = &self.vkey else {
            return Ok(own.verifier());
        };
        VerifierKey::parse(given)
            .map_err(|error| OperationError::new(ErrorClass::Usage, format!("--key: {error}")))
    }
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct VerifyProgress {
    /// Whether the entries themselves are read, or what follows from them.
    pub hashing: bool,
    /// How many entries were read.
    pub done: u64,
    /// How many will be.
    pub of: u64,
}

impl From<VerifyStep> for VerifyProgress {
    fn from(step: VerifyStep) -> Self {
        let (hashing, done, of) = match step {
            VerifyStep::Entries { done, of } => (true, done, of),
            VerifyStep::Rows { done, of } => (false, done, of),
        };
        Self { hashing, done, of }
    }
}

/// The ledger's key of a configuration.
///
/// # Errors
/// [`OperationError`] of class key.
pub fn open_ledger_key(
    path: &Path,
    origin: Option<&str>,
) -> Result<Arc<LedgerKey>, OperationError> {
    let key = LedgerKey::open_or_create(path, origin).map_err(|error| {
        let class = match error {
            LedgerKeyError::Create { .. } => ErrorClass::Storage,
            _ => ErrorClass::Key,
        };
        OperationError::new(class, with_causes(&error))
    })?;
    if key.is_open_to_others() {
        tracing::warn!(
            "{}: others than its owner may read the ledger's key: chmod 0400",
            path.display()
        );
    }
    Ok(Arc::new(key))
}

impl From<AuditError> for OperationError {
    fn from(error: AuditError) -> Self {
        let class = match &error {
            AuditError::Ledger(error) => error.into(),
            AuditError::Key(_) => ErrorClass::Key,
            AuditError::NotExtended { .. } | AuditError::KeptCheckpoint { .. } => {
                ErrorClass::Damaged
            }
            AuditError::NoEntry { .. } | AuditError::NoSuchSequence { .. } => ErrorClass::Usage,
            AuditError::Write(_) => ErrorClass::Storage,
        };
        Self::new(class, with_causes(&error))
    }
}
