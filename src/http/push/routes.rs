//! The routes, in the order in which a request is judged: path, method, credential, head, body.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{
        AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, SERVER,
    },
    http::request::Parts,
};

use super::{
    ANSWER_TIMEOUT, Answer, Client, PushBackend, PushReply, PushedBatch,
    credentials::{Shown, bearer_token},
    problem::Problem,
    server::Shared,
    stream::Watch,
};
use crate::http::{
    admin::{NDJSON, Query, percent_decoded},
    progress::Phase,
};

/// The document that describes these routes (OpenAPI 3.1).
const OPENAPI: &str = include_str!("openapi.json");

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

const SERVER_NAME: &str = concat!("estelam/", env!("CARGO_PKG_VERSION"));

/// Answers one request of a client with this certificate.
pub(super) async fn answer<B: PushBackend>(
    server: Arc<Shared<B>>,
    watch: Arc<Watch>,
    peer: SocketAddr,
    certificate: Option<[u8; 32]>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    watch.enter(Phase::Body);
    let asked = Asked {
        server: &server,
        watch: &watch,
        peer,
        certificate,
    };
    let answered = asked.route(request).await;
    let mut response = answered.unwrap_or_else(Problem::into_response);
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    watch.enter(Phase::Write);
    Ok(response)
}

struct Asked<'a, B> {
    server: &'a Arc<Shared<B>>,
    watch: &'a Watch,
    peer: SocketAddr,
    certificate: Option<[u8; 32]>,
}

type Reply = Result<Response<Full<Bytes>>, Problem>;

impl<B: PushBackend> Asked<'_, B> {
    async fn route(&self, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        match path {
            "/v1/health" => {
                is_method(&head, &Method::GET, "GET")?;
                let health = self.within(self.server.backend.health()).await?;
                Ok(closing(response(JSON, health)))
            }
            "/v1/openapi.json" => {
                is_method(&head, &Method::GET, "GET")?;
                Ok(closing(response(
                    JSON,
                    Bytes::from_static(OPENAPI.as_bytes()),
                )))
            }
            "/v1/checkpoint" => {
                is_method(&head, &Method::GET, "GET")?;
                self.client(&head.headers)?;
                let checkpoint = self.within(self.server.backend.checkpoint()).await?;
                Ok(response(TEXT, checkpoint))
            }
            "/v1/entries" => {
                is_method(&head, &Method::POST, "POST")?;
                let client = self.client(&head.headers)?;
                self.push(client, &head, body).await
            }
            _ => {
                let status = path.strip_prefix("/v1/status/");
                let Some((issuer, serial)) = status.and_then(|rest| rest.split_once('/')) else {
                    return Err(not_found());
                };
                is_method(&head, &Method::GET, "GET")?;
                let client = self.client(&head.headers)?;
                let (issuer, serial) = (percent_decoded(issuer), percent_decoded(serial));
                let status = self.server.backend.status(client, issuer, serial);
                Ok(response(JSON, self.within(status).await?))
            }
        }
    }

    async fn push(&self, client: Arc<Client>, head: &Parts, body: Incoming) -> Reply {
        let key = idempotency_key(&head.headers)?;
        let is_lines = is_lines(&head.headers)?;
        let all_or_nothing = all_or_nothing(head.uri.query().unwrap_or_default())?;
        let name = client.name.clone();
        let held = self.server.room.read(body, &self.server.limits).await?;
        let batch = PushedBatch {
            client,
            key,
            body: held.octets,
            is_lines,
            all_or_nothing,
        };
        let pushed = self.within(self.server.backend.push(batch)).await;
        drop(held.room);
        let PushReply { body, repeated } = pushed.inspect_err(|problem| {
            self.server.complaints.refused.say(|kept_back| {
                let (code, why) = (problem.code(), problem.detail());
                tracing::warn!(
                    client = name,
                    code,
                    kept_back,
                    "a batch was not taken: {why}"
                );
            });
        })?;
        let mut response = response(JSON, body);
        if repeated {
            let replayed = HeaderValue::from_static("true");
            response
                .headers_mut()
                .insert(IDEMPOTENCY_REPLAYED.clone(), replayed);
        }
        Ok(response)
    }

    /// Who asks.
    fn client(&self, headers: &HeaderMap) -> Result<Arc<Client>, Problem> {
        let shown = Shown {
            certificate: self.certificate,
            token: headers.get(AUTHORIZATION).and_then(bearer_token),
        };
        self.server.clients.find(&shown).ok_or_else(|| {
            let peer = self.peer;
            self.server.complaints.unauthorized.say(|kept_back| {
                tracing::warn!(%peer, ?shown, kept_back, "no push client has this credential");
            });
            Problem::unauthorized()
        })
    }

    /// The backend's answer, while its time runs.
    async fn within<T>(&self, answer: Answer<'_, T>) -> Result<T, Problem> {
        self.watch.enter(Phase::Answer);
        match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_slow",
                "the ledger took too long, and may still record it: send it again with the same \
                 Idempotency-Key",
            )
            .retry_after(5)),
        }
    }
}

fn is_method(head: &Parts, method: &Method, allow: &'static str) -> Result<(), Problem> {
    if head.method == *method {
        Ok(())
    } else {
        Err(Problem::method_not_allowed(allow))
    }
}

/// Ends the connection: whoever shows no credential does not hold one that a CA needs.
fn closing(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing at this path: GET /v1/openapi.json tells what there is",
    )
    .closing()
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let bad = |code, detail| Err(Problem::new(StatusCode::BAD_REQUEST, code, detail).closing());
    let mut values = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return bad(
            "idempotency_key_missing",
            "send an Idempotency-Key, another one for each batch, and the same one when you send a batch \
             again",
        );
    };
    let octets = value.as_bytes();
    let is_visible = octets.iter().all(u8::is_ascii_graphic);
    if values.next().is_some() || !(1..=255).contains(&octets.len()) || !is_visible {
        return bad(
            "idempotency_key_malformed",
            "the Idempotency-Key is one header of 1 to 255 visible ASCII characters",
        );
    }
    Ok(String::from_utf8_lossy(octets).into_owned())
}

/// Whether the body is one entry a line.
fn is_lines(headers: &HeaderMap) -> Result<bool, Problem> {
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let essence = value
        .unwrap_or_default()
        .split(|octet| *octet == b';')
        .next();
    let essence = essence.unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(NDJSON.as_bytes()) {
        Ok(true)
    } else if essence.eq_ignore_ascii_case(JSON.as_bytes()) {
        Ok(false)
    } else {
        Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "a batch is application/json or application/x-ndjson",
        )
        .closing())
    }
}

fn all_or_nothing(query: &str) -> Result<bool, Problem> {
    let query = Query::parse(query);
    let bad =
        |detail: String| Problem::new(StatusCode::BAD_REQUEST, "query_malformed", detail).closing();
    if let Some(other) = query.names().find(|name| *name != "all_or_nothing") {
        return Err(bad(format!(
            "there is no parameter {other:?}: all_or_nothing=true is"
        )));
    }
    let mut values = query.values("all_or_nothing");
    match (values.next(), values.next()) {
        (None | Some("false"), None) => Ok(false),
        (Some("true"), None) => Ok(true),
        _ => Err(bad("all_or_nothing is true or false, once".to_owned())),
    }
}

fn response(content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
