//! The audit's commands, as they arrive at a running server.

use std::io::{self, Write};
use std::ops::ControlFlow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::auditor::{Auditor, ExportRequest, ProveRequest, VerifyRequest};
use super::error::with_causes;
use super::{ErrorClass, OperationError, background};
use crate::http::admin::{AdminReply, AdminRequest, LineSender};

/// A piece of an exported log.
#[derive(Debug, Deserialize, Serialize)]
pub struct ExportPiece {
    /// Octets in base64.
    pub octets: String,
}

pub(super) async fn route(
    auditor: &Auditor,
    request: AdminRequest,
) -> Result<AdminReply, OperationError> {
    let AdminRequest {
        method,
        path,
        query,
        body,
        peer,
    } = request;
    let auditor = auditor.clone();
    match (&method, path.as_str()) {
        (&Method::POST, "/audit/checkpoint") => blocking(move || auditor.checkpoint()).await,
        (&Method::GET, "/audit/prove") => {
            let request = ProveRequest {
                issuer: query.value("issuer").map(str::to_owned),
                serial: query.value("serial").unwrap_or_default().to_owned(),
            };
            blocking(move || auditor.prove(&request)).await
        }
        (&Method::GET, "/audit/export") => {
            let from = query.value("from").map(str::parse).transpose();
            let from = from.map_err(|_| {
                OperationError::new(ErrorClass::Usage, "from is no number of an entry")
            })?;
            tracing::info!(uid = peer.uid, pid = peer.pid, "export of the log");
            let (reply, lines) = AdminReply::lines();
            let request = ExportRequest { from };
            background::spawn(move || export(&auditor, &request, lines));
            Ok(reply)
        }
        (&Method::POST, "/audit/verify") => {
            let request: VerifyRequest = body
                .json(VERIFY_OCTETS_MAX)
                .await
                .map_err(|error| OperationError::new(ErrorClass::Usage, with_causes(&error)))?;
            let (reply, lines) = AdminReply::lines();
            background::spawn(move || verify(&auditor, &request, lines));
            Ok(reply)
        }
        _ => Ok(AdminReply::error(
            StatusCode::NOT_FOUND,
            "not_found",
            &format!("this server has no {method} {path}"),
        )),
    }
}

async fn blocking<T: Serialize + Send + 'static>(
    work: impl FnOnce() -> Result<T, OperationError> + Send + 'static,
) -> Result<AdminReply, OperationError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => Ok(AdminReply::json(&outcome?)),
        Err(error) => Err(OperationError::new(ErrorClass::Internal, error.to_string())),
    }
}

fn export(auditor: &Auditor, request: &ExportRequest, lines: LineSender) {
    let pieces = Pieces { lines: &lines };
    let mut out = io::BufWriter::with_capacity(PIECE_OCTETS, pieces);
    let outcome = auditor
        .export(request, &mut out)
        .and_then(|reply| match out.flush() {
            Ok(()) => Ok(reply),
            Err(error) => Err(OperationError::new(ErrorClass::Storage, error.to_string())),
        });
    drop(out);
    let told = match outcome {
        Ok(reply) => lines.blocking_finish(&reply),
        Err(error) => lines.blocking_fail(error.class.code(), &error.message),
    };
    if told.is_err() {
        tracing::warn!("nobody waited for the end of the export");
    }
}

/// Lines of pieces, as a file. A client that went away ends the export.
struct Pieces<'a> {
    lines: &'a LineSender,
}

impl Write for Pieces<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let octets_sent = octets.len();
        let octets = STANDARD.encode(octets);
        self.lines
            .blocking_progress(&ExportPiece { octets })
            .map_err(|gone| io::Error::new(io::ErrorKind::BrokenPipe, gone))?;
        Ok(octets_sent)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn verify(auditor: &Auditor, request: &VerifyRequest, lines: LineSender) {
    let outcome = auditor.verify(
        request,
        &mut |progress| match lines.blocking_progress(&progress) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        },
    );
    let told = match outcome {
        Ok(Some(report)) => {
            if !report.sound {
                for problem in report.problems.iter().take(LOGGED_MAX) {
                    tracing::error!("audit: {}", problem.message);
                }
            }
            lines.blocking_finish(&report)
        }
        // Stopped, since nobody waits.
        Ok(None) => Ok(()),
        Err(error) => lines.blocking_fail(error.class.code(), &error.message),
    };
    if told.is_err() {
        tracing::warn!("nobody waited for the end of the verification");
    }
}

/// A checkpoint has some hundred octets.
const VERIFY_OCTETS_MAX: usize = 128 * 1_024;
/// Three quarters of a line of 64 KiB.
const PIECE_OCTETS: usize = 48 * 1_024;
/// How many problems go to the server's own log.
const LOGGED_MAX: usize = 10;
