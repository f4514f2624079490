//! Where an audit is carried out: in the running server, or on the ledger itself.
//!
//! No issuer's certificate is read: what the ledger knows of its issuers is enough.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::super::connection::{Server, Turn, load_config};
use super::super::{Common, Exit, Failure};
use crate::audit::{AuditReport, CertificateProof, LedgerKey};
use crate::authority::{
    Auditor, CheckpointReply, ExportPiece, ExportReply, ExportRequest, OperationError,
    ProveRequest, VerifyProgress, VerifyRequest, agreed_with_catalog, open_ledger_key,
    verify_snapshot,
};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::http::admin::Query;
use crate::ledger::{Ledger, LedgerError, LedgerSnapshot};

/// What every audit begins with.
pub(super) struct Desk {
    config: Config,
    server: Option<Server>,
}

impl Desk {
    pub(super) fn open(common: &Common) -> Result<Self, Failure> {
        let config = load_config(common)?;
        let server = Server::running(&config);
        Ok(Self { config, server })
    }

    pub(super) fn checkpoint(&self) -> Result<CheckpointReply, Failure> {
        match &self.server {
            Some(server) => server.post("/audit/checkpoint", &Value::Null),
            None => Ok(self.auditor()?.checkpoint()?),
        }
    }

    pub(super) fn prove(&self, request: &ProveRequest) -> Result<CertificateProof, Failure> {
        let Some(server) = &self.server else {
            return Ok(self.auditor()?.prove(request)?);
        };
        let mut pairs = vec![("serial", request.serial.as_str())];
        pairs.extend(request.issuer.as_deref().map(|issuer| ("issuer", issuer)));
        server.get("/audit/prove", &Query::of(&pairs))
    }

    pub(super) fn export(
        &self,
        request: &ExportRequest,
        out: &mut dyn Write,
    ) -> Result<ExportReply, Failure> {
        let Some(server) = &self.server else {
            return Ok(self.auditor()?.export(request, out)?);
        };
        let from = request.from.map(|from| from.to_string());
        let pairs: Vec<_> = from.iter().map(|from| ("from", from.as_str())).collect();
        let mut written: io::Result<()> = Ok(());
        let reply = server.get_with_progress("/audit/export", &Query::of(&pairs), &mut |piece| {
            if written.is_ok() {
                written = write_piece(piece, out);
            }
        });
        written.map_err(|error| Failure::new(Exit::Storage, format!("cannot write: {error}")))?;
        reply
    }

    pub(super) fn verify(
        &self,
        request: &VerifyRequest,
        progress: &mut dyn FnMut(VerifyProgress),
    ) -> Result<AuditReport, Failure> {
        if let Some(server) = &self.server {
            return server.post_with_progress("/audit/verify", request, &mut |value| {
                if let Ok(value) = serde_json::from_value(value.clone()) {
                    progress(value);
                }
            });
        }
        let key = request.verifier(&*self.key()?)?;
        let dir = self.config.state_dir.join("ledger");
        let snapshot = self.in_turn(|| LedgerSnapshot::inspect_owned(&dir))?;
        let report = verify_snapshot(&snapshot, &key, request, &mut |step| {
            progress(step);
            ControlFlow::Continue(())
        })?;
        report.ok_or_else(|| Failure::new(Exit::Internal, "the verification was stopped"))
    }

    /// The ledger's key, which lies beside it.
    pub(super) fn key(&self) -> Result<Arc<LedgerKey>, Failure> {
        let origin = self.config.ledger.origin.as_deref();
        Ok(open_ledger_key(&self.config.ledger_key(), origin)?)
    }

    fn auditor(&self) -> Result<Auditor, Failure> {
        let dir = self.config.state_dir.join("ledger");
        let ledger = self.in_turn(|| match dir.join("CURRENT").exists() {
            true => Ledger::open(&dir),
            false => Err(LedgerError::NoLedger { path: dir.clone() }),
        })?;
        // What is signed is kept in it: not in one that the answers were not signed from.
        agreed_with_catalog(&self.config.state_dir.join("catalog"), &ledger)
            .map_err(|error| OperationError::from(&error))?;
        let clock = Arc::new(SystemClock);
        Ok(Auditor::new(Arc::new(ledger), self.key()?, clock))
    }

    /// After whoever has the ledger for a moment.
    fn in_turn<T>(&self, open: impl Fn() -> Result<T, LedgerError>) -> Result<T, Failure> {
        let turn = Turn::begin();
        loop {
            match open() {
                Ok(opened) => return Ok(opened),
                Err(error) => turn.wait(OperationError::from(&error).into())?,
            }
        }
    }
}

fn write_piece(piece: &Value, out: &mut dyn Write) -> io::Result<()> {
    let not_ours = || io::Error::new(io::ErrorKind::InvalidData, "the server sent something else");
    let piece: ExportPiece = serde_json::from_value(piece.clone()).map_err(|_| not_ours())?;
    let octets = STANDARD.decode(piece.octets).map_err(|_| not_ours())?;
    out.write_all(&octets)
}
