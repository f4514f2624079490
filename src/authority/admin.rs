//! The operator's commands, as they arrive at a running server.

use std::io::{BufRead, BufReader};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::admin_audit;
use super::auditor::Auditor;
use super::background;
use super::clerk::{
    BackupRequest, ChangeRequest, Clerk, HistoryRequest, PastBy, PastRequest, PublishCrlRequest,
    RevokeAllRequest, StatusRequest,
};
use super::observer::AuthorityStats;
use super::{Authority, ErrorClass, FeedHealth, OperationError};
use crate::change::Source;
use crate::feed::ImportOrder;
use crate::feed::live::FeedKey;
use crate::http::admin::{
    AdminBackend, AdminBody, AdminReply, AdminRequest, BodyError, ClientGone, LineSender, Peer,
    Query,
};
use crate::observe::{Counters, HttpStats};
use crate::responder::QuestionQueue;

/// Answers the admin socket from a running authority.
pub struct Admin {
    authority: Arc<Authority>,
    clerk: Clerk,
    counters: Arc<Counters>,
    questions: QuestionQueue,
    auditor: Auditor,
}

impl Admin {
    /// The commands over this authority and its ledger; `counters` and `questions` are the responder's.
    #[must_use]
    pub fn new(
        authority: Arc<Authority>,
        counters: Arc<Counters>,
        questions: QuestionQueue,
        auditor: Auditor,
    ) -> Self {
        Self {
            clerk: authority.clerk(),
            authority,
            counters,
            questions,
            auditor,
        }
    }

    async fn route(&self, request: AdminRequest) -> Result<AdminReply, OperationError> {
        if request.path.starts_with("/audit/") {
            return admin_audit::route(&self.auditor, request).await;
        }
        let AdminRequest {
            peer,
            method,
            path,
            query,
            body,
        } = request;
        match (&method, path.as_str()) {
            (&Method::GET, "/stats") => self.stats().await,
            (&Method::GET, "/status") => {
                let clerk = self.clerk.clone();
                let request = StatusRequest {
                    issuer: query.value("issuer").map(str::to_owned),
                    serial: query.value("serial").unwrap_or_default().to_owned(),
                };
                blocking(move || clerk.status(&request)).await
            }
            (&Method::GET, "/status-at") => {
                let clerk = self.clerk.clone();
                let request = past_request(&query)?;
                blocking(move || clerk.status_at(&request)).await
            }
            (&Method::GET, "/history") => {
                let clerk = self.clerk.clone();
                let request = HistoryRequest {
                    issuer: query.value("issuer").map(str::to_owned),
                    serial: query.value("serial").unwrap_or_default().to_owned(),
                    limit: number(&query, "limit")?,
                    from: number(&query, "from")?,
                };
                blocking(move || clerk.history(&request)).await
            }
            (&Method::POST, "/change") => {
                let clerk = self.clerk.clone();
                let request: ChangeRequest = body
                    .json(CHANGE_OCTETS_MAX)
                    .await
                    .map_err(|error| body_error(&error))?;
                audit(peer, &request);
                blocking(move || clerk.change(&request)).await
            }
            (&Method::GET, "/revoke-all") => {
                let clerk = self.clerk.clone();
                let issuer = query.value("issuer").unwrap_or_default().to_owned();
                blocking(move || clerk.preview_revoke_all(&issuer)).await
            }
            (&Method::POST, "/revoke-all") => {
                let clerk = self.clerk.clone();
                let request: RevokeAllRequest = body
                    .json(CHANGE_OCTETS_MAX)
                    .await
                    .map_err(|error| body_error(&error))?;
                let (uid, pid) = (peer.uid, peer.pid);
                tracing::warn!(uid, pid, ?request, "revocation of a whole issuer asked for");
                blocking(move || clerk.revoke_all(&request)).await
            }
            (&Method::POST, "/import") => {
                let clerk = self.clerk.clone();
                let order = import_order(&query)?;
                tracing::info!(
                    uid = peer.uid,
                    pid = peer.pid,
                    source = order.request.kind(),
                    file = order.name,
                    issuer = order.issuer,
                    "import"
                );
                let reader = BufReader::with_capacity(READ_OCTETS, body.into_reader());
                let (reply, lines) = AdminReply::lines();
                tokio::task::spawn_blocking(move || import(&clerk, &order, reader, lines));
                Ok(reply)
            }
            (&Method::POST, "/crl/publish") => {
                let clerk = self.clerk.clone();
                let request: PublishCrlRequest = body
                    .json(CHANGE_OCTETS_MAX)
                    .await
                    .map_err(|error| body_error(&error))?;
                tracing::info!(
                    uid = peer.uid,
                    pid = peer.pid,
                    issuer = request.issuer,
                    "CRL asked for"
                );
                blocking(move || background::run(|| clerk.publish_crl(&request))?).await
            }
            (&Method::POST, "/backup") => {
                let clerk = self.clerk.clone();
                let request: BackupRequest = body
                    .json(CHANGE_OCTETS_MAX)
                    .await
                    .map_err(|error| body_error(&error))?;
                tracing::info!(uid = peer.uid, pid = peer.pid, ?request, "backup");
                let (reply, lines) = AdminReply::lines();
                background::spawn(move || backup(&clerk, &request, lines));
                Ok(reply)
            }
            (&Method::POST, "/ca/reserve") => {
                let (clerk, request) = (self.clerk.clone(), issuance(body).await?);
                tracing::info!(uid = peer.uid, pid = peer.pid, "serial numbers asked for");
                blocking(move || clerk.reserve_serials(&request)).await
            }
            (&Method::POST, "/ca/issued") => {
                let (clerk, request) = (self.clerk.clone(), issuance(body).await?);
                blocking(move || clerk.record_issued(&request)).await
            }
            (&Method::GET, "/feeds") => {
                let authority = Arc::clone(&self.authority);
                let health = move || {
                    let feeds = authority.feeds();
                    Ok(feeds
                        .map(|feeds| feeds.board().health())
                        .unwrap_or_default())
                };
                blocking(health).await
            }
            (&Method::POST, "/feeds/poll") => {
                let authority = Arc::clone(&self.authority);
                let request: FeedPoll = body
                    .json(CHANGE_OCTETS_MAX)
                    .await
                    .map_err(|error| body_error(&error))?;
                let (uid, pid) = (peer.uid, peer.pid);
                tracing::info!(uid, pid, ?request, "poll of a feed asked for");
                blocking(move || poll_feed(&authority, &request)).await
            }
            (&Method::POST, "/clock/accept") => {
                let authority = Arc::clone(&self.authority);
                tracing::info!(uid = peer.uid, pid = peer.pid, "clock accepted");
                blocking(move || accept_clock(&authority)).await
            }
            _ => Ok(AdminReply::error(
                StatusCode::NOT_FOUND,
                "not_found",
                &format!("this server has no {method} {path}"),
            )),
        }
    }

    async fn stats(&self) -> Result<AdminReply, OperationError> {
        let authority = Arc::clone(&self.authority);
        let http = self.counters.snapshot();
        let questions_waiting = self.questions.depth();
        blocking(move || {
            let authority = authority
                .stats()
                .map_err(|error| OperationError::from(&error))?;
            let version = env!("CARGO_PKG_VERSION").to_owned();
            Ok(ServerStats {
                version,
                questions_waiting,
                authority,
                http,
            })
        })
        .await
    }
}

impl AdminBackend for Admin {
    fn handle(
        &self,
        request: AdminRequest,
    ) -> Pin<Box<dyn Future<Output = AdminReply> + Send + '_>> {
        Box::pin(async move {
            self.route(request)
                .await
                .unwrap_or_else(|error| refuse(&error))
        })
    }
}

/// All that a server tells of itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ServerStats {
    /// The program's version.
    pub version: String,
    /// Questions that wait for the live signer.
    pub questions_waiting: usize,
    /// Ledger, catalog, signers.
    pub authority: AuthorityStats,
    /// Requests and answers.
    pub http: HttpStats,
}

fn past_request(query: &Query) -> Result<PastRequest, OperationError> {
    let by = match query.value("by") {
        None => None,
        Some("recorded") => Some(PastBy::Recorded),
        Some("effective") => Some(PastBy::Effective),
        Some(other) => {
            return Err(OperationError::new(
                ErrorClass::Usage,
                format!("by={other}: it is recorded or effective"),
            ));
        }
    };
    Ok(PastRequest {
        issuer: query.value("issuer").map(str::to_owned),
        serial: query.value("serial").unwrap_or_default().to_owned(),
        at: query.value("at").unwrap_or_default().to_owned(),
        by,
    })
}

fn number<T: std::str::FromStr>(query: &Query, name: &str) -> Result<Option<T>, OperationError> {
    let value = query.value(name).map(|value| {
        value.parse().map_err(|_| {
            OperationError::new(ErrorClass::Usage, format!("{name}={value} is no number"))
        })
    });
    value.transpose()
}

/// What the query of an import says of the octets that follow as its body.
fn import_order(query: &Query) -> Result<ImportOrder, OperationError> {
    serde_json::from_str(query.value("order").unwrap_or_default()).map_err(|error| {
        OperationError::new(
            ErrorClass::Usage,
            format!("the order of the import is not understood: {error}"),
        )
    })
}

fn import(clerk: &Clerk, order: &ImportOrder, mut reader: impl BufRead, lines: LineSender) {
    // A client that went away does not stop what has begun: every batch is whole, and run again the
    // import completes.
    let outcome = clerk.import(order, &mut reader, &mut |progress| {
        let _told: Result<(), ClientGone> = lines.blocking_progress(&progress);
    });
    // A reply that overtakes the request is lost with the connection that the client still writes to.
    if outcome.is_err() {
        drop(std::io::copy(&mut reader, &mut std::io::sink()));
    }
    let told = match outcome {
        Ok(report) => lines.blocking_finish(&report),
        Err(error) => lines.blocking_fail(error.class.code(), &error.message),
    };
    if told.is_err() {
        tracing::warn!(file = order.name, "nobody waited for the end of the import");
    }
}

/// A client that went away does not stop it: the backup is made all the same.
fn backup(clerk: &Clerk, request: &BackupRequest, lines: LineSender) {
    let outcome = clerk.backup(request, &mut |octets| {
        let _told: Result<(), ClientGone> = lines.blocking_progress(&octets);
    });
    match &outcome {
        Ok(reply) => tracing::info!(
            to = reply.to,
            last_sequence = reply.manifest.last_sequence,
            "backup made"
        ),
        Err(error) => tracing::error!(to = request.to, %error, "no backup was made"),
    }
    let _told: Result<(), ClientGone> = match outcome {
        Ok(reply) => lines.blocking_finish(&reply),
        Err(error) => lines.blocking_fail(error.class.code(), &error.message),
    };
}

fn accept_clock(authority: &Authority) -> Result<ClockReply, OperationError> {
    let shared = authority.shared();
    let source = Source::new("cli", "")
        .map_err(|error| OperationError::new(ErrorClass::Internal, error.to_string()))?;
    let clock = shared.signing.clock();
    let _dating = shared.dating.lock().unwrap_or_else(PoisonError::into_inner);
    // Recorded before it takes effect: nothing is signed with a time that nobody answered for.
    let now = clock.now();
    shared
        .ledger
        .accept_clock(now, &source, clock.now_millis())
        .map_err(|error| OperationError::from(&error))?;
    let accepted = shared.signing.accept();
    shared.keeper_wake.notify();
    shared.renewal_wake.notify();
    Ok(ClockReply {
        now: accepted.now.to_string(),
    })
}

fn poll_feed(authority: &Authority, request: &FeedPoll) -> Result<FeedHealth, OperationError> {
    let nothing = || OperationError::new(ErrorClass::Usage, "no feeds are configured");
    let feeds = authority.feeds().ok_or_else(nothing)?;
    let key = FeedKey {
        issuer: authority
            .shared()
            .issuers
            .by_name(request.issuer.as_deref())?
            .name
            .clone(),
        feed: request.feed.clone(),
    };
    feeds.poll_and_wait(&key, request.accept)
}

/// A poll that an operator asks for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FeedPoll {
    /// The issuer's configured name; needed when there are several.
    pub issuer: Option<String>,
    /// The feed's name.
    pub feed: String,
    /// Whether to take what looks wrong with the source as a whole.
    pub accept: bool,
}

/// The clock that was accepted.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ClockReply {
    /// RFC 3339.
    pub now: String,
}

/// Runs what waits for the disk where it may.
async fn blocking<T: Serialize + Send + 'static>(
    work: impl FnOnce() -> Result<T, OperationError> + Send + 'static,
) -> Result<AdminReply, OperationError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => Ok(AdminReply::json(&outcome?)),
        Err(error) => Err(OperationError::new(ErrorClass::Internal, error.to_string())),
    }
}

fn refuse(error: &OperationError) -> AdminReply {
    let status = match error.class {
        ErrorClass::Usage | ErrorClass::Input | ErrorClass::Older | ErrorClass::Shrunk => {
            StatusCode::BAD_REQUEST
        }
        ErrorClass::Refused => StatusCode::CONFLICT,
        ErrorClass::Busy | ErrorClass::Storage => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    AdminReply::error(status, error.class.code(), &error.message)
}

async fn issuance<T: serde::de::DeserializeOwned>(body: AdminBody) -> Result<T, OperationError> {
    let request = body.json(ISSUANCE_OCTETS_MAX).await;
    request.map_err(|error| body_error(&error))
}

fn body_error(error: &BodyError) -> OperationError {
    OperationError::new(ErrorClass::Usage, super::error::with_causes(error))
}

/// One line for each administrative act: who, what, from where.
fn audit(peer: Peer, request: &ChangeRequest) {
    tracing::info!(
        uid = peer.uid,
        pid = peer.pid,
        issuer = request.issuer,
        serial = request.serial,
        action = ?request.action,
        "change asked for"
    );
}

const CHANGE_OCTETS_MAX: usize = 16 * 1_024;
/// 10,000 certificates of 200 octets each.
const ISSUANCE_OCTETS_MAX: usize = 2 * 1_024 * 1_024;
const READ_OCTETS: usize = 64 * 1_024;
