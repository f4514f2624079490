//! What stands behind the push listener.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Bytes;

use super::clerk::{PushError, PushOrder, StatusRequest, Submitted, push_answer, push_record};
use super::error::with_causes;
use super::feeding::FeedBoard;
use super::{Authority, Clerk, ErrorClass, OperationError};
use crate::audit::LedgerKey;
use crate::feed::push::{BatchError, Form};
use crate::http::push::{Answer, Client, Problem, PushBackend, PushReply, PushedBatch};
use crate::ledger::{Acknowledged, CommitError, SubmitError};

/// Takes batches for a running authority.
pub struct PushOffice {
    clerk: Clerk,
    key: Arc<LedgerKey>,
    /// Where batches show as a feed; `None` where there are no feeds.
    board: Option<Arc<FeedBoard>>,
}

impl PushOffice {
    /// The office of this authority, whose feeds are started; `key` signs receipts and checkpoints.
    #[must_use]
    pub fn new(authority: &Authority, key: Arc<LedgerKey>) -> Self {
        Self {
            clerk: authority.clerk(),
            key,
            board: authority.feeds().map(|feeds| Arc::clone(feeds.board())),
        }
    }
}

/// What is read on the spot; a longer batch goes to a thread that may take its time.
const SMALL_BATCH_OCTETS: usize = 16 * 1_024;

impl PushBackend for PushOffice {
    fn push(&self, batch: PushedBatch) -> Answer<'_, PushReply> {
        Box::pin(async move {
            let is_small = batch.body.len() <= SMALL_BATCH_OCTETS;
            let client = Arc::clone(&batch.client);
            let clerk = self.clerk.clone();
            let begin = move || begin(&clerk, &batch);
            let begun = if is_small {
                begin()
            } else {
                blocking(begin).await?
            };
            let Submitted { receipt, said } = begun.map_err(|error| problem(&error))?;
            let committed = receipt.await;
            let committed = committed.map_err(|error| problem(&PushError::Commit(error)))?;
            let (key, board) = (Arc::clone(&self.key), self.board.clone());
            let finish = move || {
                let reply = finish(&committed, &key)?;
                if let (Some(board), Some(fate)) = (board, &committed.push) {
                    said.tell(&board, &client.name, fate);
                }
                Ok(reply)
            };
            let reply: Result<_, PushError> = if is_small {
                finish()
            } else {
                blocking(finish).await?
            };
            reply.map_err(|error| problem(&error))
        })
    }

    fn status(&self, client: Arc<Client>, issuer: String, serial: String) -> Answer<'_, Bytes> {
        Box::pin(async move {
            if !client.issuers.contains(&issuer) {
                return Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "issuer_not_allowed",
                    "this client's credential does not cover that issuer",
                ));
            }
            let clerk = self.clerk.clone();
            let status = blocking(move || {
                let issuer = Some(issuer);
                clerk.status(&StatusRequest { issuer, serial })
            });
            let status = status.await?.map_err(|error| operation_problem(&error))?;
            Ok(serde_json::to_vec(&status).unwrap_or_default().into())
        })
    }

    fn health(&self) -> Answer<'_, Bytes> {
        Box::pin(async move {
            let clerk = self.clerk.clone();
            if blocking(move || clerk.can_record()).await? {
                let version = env!("CARGO_PKG_VERSION");
                let health = serde_json::json!({ "status": "ok", "version": version });
                Ok(health.to_string().into())
            } else {
                Err(storage("the ledger cannot be written now"))
            }
        })
    }

    fn checkpoint(&self) -> Answer<'_, Bytes> {
        Box::pin(async move {
            let clerk = self.clerk.clone();
            let checkpoint = blocking(move || clerk.checkpoint()).await?;
            let checkpoint = checkpoint.map_err(|error| operation_problem(&error))?;
            let text = checkpoint.text(self.key.name());
            Ok(self.key.sign_note(&text).into())
        })
    }
}

fn begin(clerk: &Clerk, batch: &PushedBatch) -> Result<Submitted, PushError> {
    clerk.push(&PushOrder {
        client: &batch.client.name,
        issuers: &batch.client.issuers,
        key: &batch.key,
        body: &batch.body,
        body_sha256: batch.body_sha256(),
        form: if batch.is_lines {
            Form::Lines
        } else {
            Form::Json
        },
        all_or_nothing: batch.all_or_nothing,
    })
}

fn finish(committed: &Acknowledged, key: &LedgerKey) -> Result<PushReply, PushError> {
    let (record, repeated) = push_record(committed.push.as_ref())?;
    let body = push_answer(record, key.name(), |text| key.sign_note(text));
    Ok(PushReply {
        body: body.into(),
        repeated,
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        let error = error.to_string();
        tracing::error!(error, "a request of a push client failed");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something failed here; the server's log tells what",
        )
    })
}

fn problem(error: &PushError) -> Problem {
    use StatusCode as Code;
    let told = error.to_string();
    match error {
        PushError::Batch(error) => match error {
            BatchError::TooManyEntries => {
                Problem::new(Code::PAYLOAD_TOO_LARGE, "too_many_entries", told)
            }
            BatchError::NotAllowed { .. } => {
                Problem::new(Code::FORBIDDEN, "issuer_not_allowed", told)
            }
            BatchError::Malformed { .. } => {
                Problem::new(Code::BAD_REQUEST, "batch_malformed", told)
            }
        },
        PushError::KeyReused => Problem::new(Code::UNPROCESSABLE_ENTITY, "key_reused", told),
        PushError::Submit(SubmitError::TooManyChanges { .. }) => {
            Problem::new(Code::PAYLOAD_TOO_LARGE, "too_many_entries", told)
        }
        PushError::Submit(SubmitError::Busy) | PushError::Commit(CommitError::DeadlinePassed) => {
            Problem::new(Code::SERVICE_UNAVAILABLE, "busy", told).retry_after(1)
        }
        PushError::Submit(SubmitError::Stopped) | PushError::Commit(CommitError::Stopped) => {
            Problem::new(Code::SERVICE_UNAVAILABLE, "stopping", told).retry_after(5)
        }
        PushError::Commit(_) => storage(&told),
        PushError::Operation(error) => operation_problem(error),
    }
}

/// The batch may be in the ledger all the same: only its key tells.
fn storage(why: &str) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "storage",
        format!("{why}; nothing is acknowledged: send it again with the same Idempotency-Key"),
    )
    .retry_after(5)
}

fn operation_problem(error: &OperationError) -> Problem {
    let told = with_causes(error);
    match error.class {
        ErrorClass::Usage | ErrorClass::Input => {
            Problem::new(StatusCode::BAD_REQUEST, "malformed", told)
        }
        ErrorClass::Busy | ErrorClass::Storage => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "storage", told).retry_after(5)
        }
        _ => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", told),
    }
}
