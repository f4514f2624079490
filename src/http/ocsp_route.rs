//! The OCSP route (RFC 6960 A.1, RFC 9919 §6): finds the request in a path or a body, asks the
//! backend, and wraps its answer. What has a path of its own is left to [`files`].
//!
//! Every OCSP-level answer, errors included, has status 200: clients that find another status do not
//! read the body. An HTTP error means that no OCSP request was looked for.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response as HttpResponse,
    body::{Body as _, Bytes, Incoming},
    header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderValue},
    http::request::Parts,
    service::Service,
};

use super::{
    cache,
    connection::Connection,
    files::{self, AnswerBody},
    progress::{Moment, Phase},
    refusal,
};
use crate::{
    observe::{self, HttpError},
    ocsp::{OcspResponseStatus, decode_get_path},
    responder::{AnswerKind, Backend, FileReply, Reply, Response},
};

/// A refused body is read up to here before the refusal, so that a client that writes all before it
/// reads does see it. Above, the refusal is sent at once and the connection closed.
const DISCARDED_OCTETS_MAX: u64 = 64 * 1_024;

/// GET requests up to this size are decoded on the stack: one CertID of any hash, and a nonce.
const SMALL_REQUEST_OCTETS: usize = 512;

/// The service of one connection.
pub(super) struct OcspService<B>(pub(super) Arc<Connection<B>>);

impl<B: Backend> Service<Request<Incoming>> for OcspService<B> {
    type Response = HttpResponse<AnswerBody<B>>;
    type Error = Infallible;
    type Future = Answering<B>;

    /// Answers a GET here and now, if the backend does.
    fn call(&self, request: Request<Incoming>) -> Answering<B> {
        let connection = &self.0;
        let began = connection.now();
        let (head, body) = request.into_parts();
        let route = route(connection, &head, &body);
        let refused = match route {
            Ok(Route::Path { rest, method }) => {
                match ask_by_path(connection, rest, head.uri.query(), &head.headers) {
                    Ok(reply) => return answer(connection, reply, method, head.headers, began),
                    Err(error) => Some(error),
                }
            }
            Ok(Route::File { reply, method }) => {
                connection.progress.enter(Phase::Write, began);
                let response = files::answer(connection, &reply, method, head.headers);
                return Answering::Ready(Some(response));
            }
            Ok(Route::Body) => None,
            Err(error) => Some(error),
        };
        if let Some(error) = refused
            && !may_be_discarded(&head.headers, &body)
        {
            return refuse(connection, error, began);
        }
        connection.progress.enter(Phase::Body, began);
        Answering::Body(ReadBody {
            connection: Arc::clone(connection),
            body,
            request: Vec::new(),
            received: 0,
            headers: head.headers,
            refused,
        })
    }
}

/// Where in an HTTP request the OCSP request is.
enum Route<'head> {
    /// In the path, after the mount.
    Path {
        rest: &'head str,
        method: observe::Method,
    },
    /// In the body.
    Body,
    /// There is none: a file is asked for.
    File {
        reply: FileReply,
        method: observe::Method,
    },
}

fn route<'head, B: Backend>(
    connection: &Connection<B>,
    head: &'head Parts,
    body: &Incoming,
) -> Result<Route<'head>, HttpError> {
    let server = &connection.server;
    let path = head.uri.path();
    if head.headers.get(EXPECT).is_some_and(is_unknown_expectation) {
        return Err(HttpError::ExpectationFailed);
    }
    if path.len() > server.limits.path_octets_max {
        return Err(HttpError::UriTooLong);
    }
    // Nearly every OCSP request is longer than any of these paths, and by POST none is looked for.
    let method = match head.method {
        Method::GET => Some(observe::Method::Get),
        Method::HEAD => Some(observe::Method::Head),
        _ => None,
    };
    if let Some(method) = method
        && path.len() <= server.backend.path_octets_max()
        && let Some(reply) = server.backend.file(path)
    {
        return Ok(Route::File { reply, method });
    }
    let rest = server.mounts.strip(path).ok_or(HttpError::NotFound)?;
    let names_no_request = rest.bytes().all(|octet| octet == b'/');
    match head.method {
        Method::GET | Method::HEAD if names_no_request => Err(HttpError::NotFound),
        Method::GET => Ok(Route::Path {
            rest,
            method: observe::Method::Get,
        }),
        Method::HEAD => Ok(Route::Path {
            rest,
            method: observe::Method::Head,
        }),
        Method::POST if !names_no_request => Err(HttpError::NotFound),
        Method::POST if !is_ocsp_request(&head.headers) => Err(HttpError::UnsupportedMediaType),
        Method::POST if body.size_hint().lower() > octets(server.limits.request_octets_max) => {
            Err(HttpError::ContentTooLarge)
        }
        Method::POST => Ok(Route::Body),
        _ => Err(HttpError::MethodNotAllowed),
    }
}

fn is_unknown_expectation(value: &HeaderValue) -> bool {
    !value.as_bytes().eq_ignore_ascii_case(b"100-continue")
}

/// `application/ocsp-request`, or silence: a few clients do not say. Not compressed.
fn is_ocsp_request(headers: &HeaderMap) -> bool {
    let is_ours = |value: &HeaderValue| {
        let essence = value.as_bytes().split(|octet| *octet == b';').next();
        essence.is_some_and(|essence| {
            essence
                .trim_ascii()
                .eq_ignore_ascii_case(b"application/ocsp-request")
        })
    };
    let is_identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    headers.get(CONTENT_TYPE).is_none_or(is_ours)
        && headers.get(CONTENT_ENCODING).is_none_or(is_identity)
}

/// Whether a refused body is worth reading to its end. A client that expects 100-continue has not
/// sent it.
fn may_be_discarded(headers: &HeaderMap, body: &Incoming) -> bool {
    !body.is_end_stream()
        && !headers.contains_key(EXPECT)
        && body.size_hint().lower() <= DISCARDED_OCTETS_MAX
}

/// No part of a query is base64: a URL that has one holds no request.
///
/// # Errors
/// [`HttpError::NotFound`] for what is meant as another file than a request: whoever looks for a CRL that
/// is not here must not be given an OCSPResponse.
fn ask_by_path<B: Backend>(
    connection: &Connection<B>,
    rest: &str,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Reply, HttpError> {
    let server = &connection.server;
    let request_octets_max = server.limits.request_octets_max;
    let ask = |buffer: &mut [u8]| match decode_get_path(rest.as_bytes(), buffer) {
        Ok(decoded) if query.is_none() => Ok(match buffer.get(..decoded) {
            Some(request) => respond(&*server.backend, request, headers),
            None => Reply::Ready(malformed_request()),
        }),
        _ if names_a_file(rest) => Err(HttpError::NotFound),
        _ => Ok(Reply::Ready(malformed_request())),
    };
    // Base64 is longer than what it stands for.
    if rest.len() <= SMALL_REQUEST_OCTETS && rest.len() <= request_octets_max {
        ask(&mut [0; SMALL_REQUEST_OCTETS])
    } else {
        ask(&mut vec![0; request_octets_max.min(rest.len())])
    }
}

fn respond<B: Backend>(backend: &B, request_der: &[u8], headers: &HeaderMap) -> Reply {
    if cache::wants_fresh(headers) {
        backend.respond_afresh(request_der)
    } else {
        backend.respond(request_der)
    }
}

/// By its ending. No base64 has a dot.
fn names_a_file(rest: &str) -> bool {
    [".crl", ".pem", ".cer", ".crt", ".json"]
        .iter()
        .any(|ending| rest.ends_with(ending))
}

fn malformed_request() -> Response {
    Response {
        body: OcspResponseStatus::MalformedRequest.der().to_vec(),
        freshness: None,
        kind: AnswerKind::MalformedRequest,
    }
}

/// The backend's reply, `since` it was asked, to a request that came with `headers`.
fn answer<B: Backend>(
    connection: &Arc<Connection<B>>,
    reply: Reply,
    method: observe::Method,
    headers: HeaderMap,
    since: Moment,
) -> Answering<B> {
    match reply {
        Reply::Ready(response) => {
            let now = connection.now();
            let nanos = now.nanos_since(since);
            connection
                .server
                .counters
                .answered(response.kind, method, nanos);
            connection.progress.enter(Phase::Write, now);
            let response = http_response(&connection.server.counters, response, method, headers);
            Answering::Ready(Some(response))
        }
        Reply::Pending(response) => {
            connection.progress.enter(Phase::Answer, since);
            Answering::Waiting(Wait {
                connection: Arc::clone(connection),
                response,
                method,
                headers,
                since,
            })
        }
    }
}

/// The request's headers become the answer's: their map is large enough, and needs no allocation.
fn http_response<B>(
    counters: &observe::Counters,
    response: Response,
    method: observe::Method,
    mut headers: HeaderMap,
) -> HttpResponse<AnswerBody<B>> {
    let freshness = response.freshness.as_ref();
    let not_modified = method != observe::Method::Post
        && freshness.is_some_and(|freshness| cache::is_not_modified(&headers, freshness));
    headers.clear();
    cache::put_caching_fields(&mut headers, response.kind, freshness);
    if not_modified {
        counters.not_modified();
        return refusal::not_modified(headers).map(AnswerBody::Whole);
    }
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/ocsp-response"),
    );
    // hyper adds Content-Length and Date, and leaves the body out for HEAD.
    let body = AnswerBody::Whole(Full::new(Bytes::from(response.body)));
    let mut answer = HttpResponse::new(body);
    *answer.headers_mut() = headers;
    answer
}

fn refuse<B>(connection: &Connection<B>, error: HttpError, now: Moment) -> Answering<B> {
    connection.server.counters.http_error(error);
    connection.progress.enter(Phase::Write, now);
    Answering::Ready(Some(refusal::response(error).map(AnswerBody::Whole)))
}

/// An answer in the making. Three states and no allocation of its own.
pub(super) enum Answering<B> {
    Ready(Option<HttpResponse<AnswerBody<B>>>),
    Body(ReadBody<B>),
    Waiting(Wait<B>),
}

impl<B: Backend> Future for Answering<B> {
    type Output = Result<HttpResponse<AnswerBody<B>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut *self {
                Self::Ready(response) => {
                    let response = response.take();
                    return Poll::Ready(
                        Ok(response.expect("a future is not polled after its end")),
                    );
                }
                Self::Body(body) => *self = ready!(body.poll_answer(cx)),
                Self::Waiting(wait) => return wait.poll_answer(cx).map(Ok),
            }
        }
    }
}

/// Reads a body, of which no more than the limit is kept.
pub(super) struct ReadBody<B> {
    connection: Arc<Connection<B>>,
    body: Incoming,
    request: Vec<u8>,
    received: u64,
    headers: HeaderMap,
    refused: Option<HttpError>,
}

impl<B: Backend> ReadBody<B> {
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answering<B>> {
        while let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            let Ok(frame) = frame else {
                // Broken off, or not the framing it claims to be.
                return Poll::Ready(self.refuse(HttpError::BadRequest));
            };
            if let Some(octets) = frame.data_ref() {
                self.take(octets);
            }
            if let Some(error) = self.refused
                && self.received > DISCARDED_OCTETS_MAX
            {
                return Poll::Ready(self.refuse(error));
            }
        }
        Poll::Ready(match self.refused {
            Some(error) => self.refuse(error),
            None => self.ask(),
        })
    }

    fn take(&mut self, piece: &Bytes) {
        let limit = self.connection.server.limits.request_octets_max;
        self.received = self.received.saturating_add(octets(piece.len()));
        if self.received > octets(limit) {
            self.refused.get_or_insert(HttpError::ContentTooLarge);
            self.request = Vec::new();
        } else if self.refused.is_none() {
            let announced = self.body.size_hint().lower().min(octets(limit));
            let rest = usize::try_from(announced).unwrap_or(0);
            self.request.reserve_exact(piece.len().saturating_add(rest));
            self.request.extend_from_slice(piece);
        }
    }

    fn ask(&mut self) -> Answering<B> {
        let headers = std::mem::take(&mut self.headers);
        let asked = self.connection.now();
        let backend = &*self.connection.server.backend;
        let reply = respond(backend, &self.request, &headers);
        answer(
            &self.connection,
            reply,
            observe::Method::Post,
            headers,
            asked,
        )
    }

    fn refuse(&self, error: HttpError) -> Answering<B> {
        refuse(&self.connection, error, self.connection.now())
    }
}

/// Waits for the backend's answer.
pub(super) struct Wait<B> {
    connection: Arc<Connection<B>>,
    response: Pin<Box<dyn Future<Output = Response> + Send>>,
    method: observe::Method,
    headers: HeaderMap,
    since: Moment,
}

impl<B: Backend> Wait<B> {
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<HttpResponse<AnswerBody<B>>> {
        let response = ready!(self.response.as_mut().poll(cx));
        let Connection { server, progress } = &*self.connection;
        let now = self.connection.now();
        let nanos = now.nanos_since(self.since);
        let counters = &server.counters;
        counters.answered_after_waiting(response.kind, self.method, nanos);
        progress.enter(Phase::Write, now);
        let headers = std::mem::take(&mut self.headers);
        Poll::Ready(http_response(counters, response, self.method, headers))
    }
}

fn octets(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
