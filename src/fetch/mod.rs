//! Fetching a file by HTTP or HTTPS from a server that may be gone, slow, wrong or hostile.
//!
//! Each request has a connection of its own, to an address that was looked at first: the one that is
//! connected to is the one that was judged, so that no name can turn into a neighbour's address between
//! the two. Redirections are followed by hand, at most [`REDIRECTIONS_MAX`], never from `https` to
//! `http`, never in a circle, and each is judged as the first URL was. The body goes to a file as it
//! comes. Every wait has an end, and all of them together one more.
//!
//! The body is wanted as it is (`Accept-Encoding: identity`); one that is encoded all the same is
//! refused, since what it grows to is known only when it has grown. Proxies are not used.

#![cfg_attr(
    not(feature = "rocksdb"),
    allow(
        dead_code,
        reason = "what only mirrors use, which come with the ledger"
    )
)]

mod address;
mod error;
mod part;
mod tls;

use std::fs::File;
use std::future::Future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use crate::config::feed::Target;

pub(crate) use error::{FetchError, FetchErrorKind};
pub(crate) use part::Part;
use part::{Begun, Question, follows, stored};
use tls::Tls;

/// What may be fetched, and how long that may take.
#[derive(Clone, Debug)]
pub(crate) struct FetchSettings {
    /// Whether addresses that are not public are asked.
    pub(crate) allow_private: bool,
    /// The longest body.
    pub(crate) octets_max: u64,
    /// From the first look-up to the last octet, redirections included.
    pub(crate) timeout: Duration,
    /// The certificates that servers are trusted by, PEM.
    pub(crate) tls_roots: PathBuf,
    /// What an operator sets these by.
    pub(crate) words: Words,
}

/// What an operator sets the limits by, for messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    /// Lets private addresses be asked.
    pub(crate) allow_private: &'static str,
    /// Is the longest body.
    pub(crate) octets_max: &'static str,
    /// Is the longest time.
    pub(crate) timeout: &'static str,
}

/// What a server said of a file, to ask it whether the file changed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Validators {
    /// Where it was in the end: what another URL says of its own file says nothing of this.
    url: String,
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Validators {
    /// Without the date, which knows no two changes in one second; `None` where nothing is left.
    pub(crate) fn strict(self) -> Option<Self> {
        self.etag.is_some().then_some(Self {
            last_modified: None,
            ..self
        })
    }
}

/// What came of asking.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// The file is the one that the validators are of.
    NotModified,
    /// A file.
    Body {
        validators: Validators,
        sha256: [u8; 32],
    },
}

/// Fetches, one file after another.
pub(crate) struct Fetcher {
    settings: FetchSettings,
    tls: Tls,
    /// Made when it is needed first; ended in the background, since a look-up of a name cannot be.
    runtime: Option<Runtime>,
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Fetcher {
    pub(crate) fn new(settings: FetchSettings) -> Self {
        Self {
            tls: Tls::new(&settings.tls_roots),
            settings,
            runtime: None,
        }
    }

    /// Fetches the rest of a file whose beginning lies in `file`. What came stays there when the
    /// connection breaks. A server that has another file now, or knows no ranges, sends all of it.
    ///
    /// # Errors
    /// [`FetchError`], with one line that does not name the URL.
    pub(crate) fn resume(
        &mut self,
        url: &Target,
        part: &mut Part<'_>,
        file: &mut File,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<[u8; 32], FetchError> {
        match self.ask_for(url, Question::Part(part), file, is_stopping)? {
            Fetched::Body { sha256, .. } => Ok(sha256),
            // Nothing was asked that this answers.
            Fetched::NotModified => Err(malformed("it did not answer the question".to_owned())),
        }
    }

    /// Fetches what is at `url` into `file`, which is emptied first, unless it is what `known` is of.
    ///
    /// # Errors
    /// [`FetchError`], with one line that does not name the URL.
    pub(crate) fn fetch(
        &mut self,
        url: &Target,
        known: Option<&Validators>,
        file: &mut File,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<Fetched, FetchError> {
        self.ask_for(url, Question::Changed(known), file, is_stopping)
    }

    fn ask_for(
        &mut self,
        url: &Target,
        question: Question<'_, '_>,
        file: &mut File,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<Fetched, FetchError> {
        if self.runtime.is_none() {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| {
                FetchError::new(
                    FetchErrorKind::Storage,
                    format!("no runtime to be had: {error}"),
                )
            })?;
            self.runtime = Some(runtime);
        }
        let Self {
            settings,
            tls,
            runtime: Some(runtime),
        } = self
        else {
            return Err(FetchError::stopped());
        };
        let mut errand = Errand {
            settings,
            tls,
            deadline: Instant::now().checked_add(settings.timeout),
            is_stopping,
        };
        runtime.block_on(errand.run(url, question, file))
    }
}

/// One file to fetch.
struct Errand<'a> {
    settings: &'a FetchSettings,
    tls: &'a mut Tls,
    deadline: Option<Instant>,
    is_stopping: &'a dyn Fn() -> bool,
}

impl Errand<'_> {
    async fn run(
        &mut self,
        url: &Target,
        mut question: Question<'_, '_>,
        file: &mut File,
    ) -> Result<Fetched, FetchError> {
        let mut seen: Vec<Target> = Vec::new();
        let mut url = url.clone();
        loop {
            let headers = question.headers(&url);
            let response = self.ask(&url, &headers).await?;
            if let Question::Part(part) = &mut question
                && response.status() == StatusCode::RANGE_NOT_SATISFIABLE
                && part.octets > 0
            {
                // What is there is of another file, whatever its validator says: from the beginning.
                part.octets = 0;
                part.validators = None;
                continue;
            }
            let Some(next) = redirection(&url, &response)? else {
                let asked = headers.iter().map(|(name, _)| name.clone()).collect();
                return self.take(&url, asked, &mut question, response, file).await;
            };
            seen.push(url);
            if seen.contains(&next) {
                return Err(malformed(format!(
                    "its redirections go in a circle, back to {next}"
                )));
            }
            if seen.len() > REDIRECTIONS_MAX {
                return Err(malformed(format!(
                    "it redirects more than {REDIRECTIONS_MAX} times, the last time to {next}"
                )));
            }
            url = next;
        }
    }

    /// Sends one request, and reads the head of its response.
    async fn ask(
        &mut self,
        url: &Target,
        headers: &[(HeaderName, String)],
    ) -> Result<Response<Incoming>, FetchError> {
        let stream = self.connect(url).await?;
        let builder = {
            let mut builder = http1::Builder::new();
            builder.max_buf_size(HEAD_OCTETS_MAX);
            builder
        };
        let shaken = builder.handshake::<_, Empty<Bytes>>(TokioIo::new(stream));
        let (mut sender, connection) = self
            .within(CONNECT_WAIT, "the connection was not made", shaken)
            .await?
            .map_err(|error| http_error(&error))?;
        // Ends when the response was read, or the runtime ends.
        tokio::spawn(connection);
        let request = request(url, headers)?;
        self.within(HEAD_WAIT, "no response came", sender.send_request(request))
            .await?
            .map_err(|error| http_error(&error))
    }

    /// A connection to one of the host's addresses that may be asked.
    async fn connect(&mut self, url: &Target) -> Result<Box<dyn Stream>, FetchError> {
        let host = url.host.as_str();
        let addresses = tokio::net::lookup_host((host, url.port));
        let found: Vec<SocketAddr> = self
            .within(LOOKUP_WAIT, "the host's address was not found", addresses)
            .await?
            .map_err(|error| unreachable(format!("{host} has no address: {error}")))?
            .collect();
        let mut may_be_asked = found
            .iter()
            .filter(|found| self.settings.allow_private || address::is_public(found.ip()))
            .take(ADDRESSES_MAX)
            .peekable();
        if may_be_asked.peek().is_none() {
            let first = found.first().map(|found| found.ip().to_string());
            return Err(match first {
                None => unreachable(format!("{host} has no address")),
                Some(first) => FetchError::new(
                    FetchErrorKind::Private,
                    format!(
                        "{first} is no public address{}: it is asked only with {}",
                        if first == host {
                            String::new()
                        } else {
                            format!(", and that of {host}")
                        },
                        self.settings.words.allow_private
                    ),
                ),
            });
        }
        let mut failure = None;
        for address in may_be_asked {
            let connecting = TcpStream::connect(*address);
            let connected = self
                .within(CONNECT_WAIT, "it does not answer", connecting)
                .await;
            match connected {
                Ok(Ok(stream)) => {
                    return match url.https {
                        false => Ok(Box::new(stream)),
                        true => self.secure(host, stream).await,
                    };
                }
                Ok(Err(error)) => failure = Some(unreachable(format!("{address}: {error}"))),
                Err(error) if error.kind == FetchErrorKind::Stopped => return Err(error),
                Err(error) => {
                    let why = format!("{address}: {}", error.message);
                    failure = Some(unreachable(why));
                }
            }
        }
        Err(failure.unwrap_or_else(|| unreachable(format!("{host} has no address"))))
    }

    async fn secure(
        &mut self,
        host: &str,
        stream: TcpStream,
    ) -> Result<Box<dyn Stream>, FetchError> {
        let (connector, name) = self.tls.connector(host)?;
        let secured = connector.connect(name, stream);
        let secured = self
            .within(CONNECT_WAIT, "TLS was not agreed upon", secured)
            .await?;
        let stream = secured.map_err(|error| {
            unreachable(format!(
                "TLS with {host} failed: {error} (trusted are the certificates in {})",
                self.settings.tls_roots.display()
            ))
        })?;
        Ok(Box::new(stream))
    }

    /// Takes the body of a response in.
    async fn take(
        &self,
        url: &Target,
        asked: Vec<HeaderName>,
        question: &mut Question<'_, '_>,
        response: Response<Incoming>,
        file: &mut File,
    ) -> Result<Fetched, FetchError> {
        let asked = |name: &HeaderName| asked.contains(name);
        let asked_for_change = asked(&header::IF_NONE_MATCH) || asked(&header::IF_MODIFIED_SINCE);
        let is_part = match response.status() {
            StatusCode::OK => false,
            StatusCode::PARTIAL_CONTENT if asked(&header::RANGE) => true,
            StatusCode::NOT_MODIFIED if asked_for_change => return Ok(Fetched::NotModified),
            status => return Err(refusal(status, response.headers())),
        };
        if let Some(encoding) = response.headers().get(header::CONTENT_ENCODING)
            && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
        {
            return Err(malformed(format!(
                "the server sends it encoded ({}) although it was asked not to: have it send the file \
                 as it is",
                shown(encoding)
            )));
        }
        let validators = Validators {
            url: url.to_string(),
            etag: kept(response.headers(), &header::ETAG),
            last_modified: kept(response.headers(), &header::LAST_MODIFIED),
        };
        let range = response.headers().get(header::CONTENT_RANGE).cloned();
        let body = response.into_body();
        let sha256 = match question {
            Question::Changed(_) => {
                let octets_max = self.settings.octets_max;
                let too_long = || {
                    let of = self.settings.words.octets_max;
                    malformed(format!("it is longer than {octets_max} octets, {of}"))
                };
                let mut begun = Begun::empty(file)?;
                self.spool(body, file, &mut begun, octets_max, &too_long)
                    .await?;
                begun.hasher.finish()
            }
            Question::Part(part) => {
                let mut begun = match is_part {
                    true if follows(range.as_ref(), part) => Begun::after(file, part.octets)?,
                    true => {
                        return Err(malformed(
                            "the server sends another part than was asked for".to_owned(),
                        ));
                    }
                    false => {
                        (part.begins)(&validators).map_err(|error| stored(&error))?;
                        Begun::empty(file)?
                    }
                };
                let expected = part.octets_expected;
                let different = || {
                    FetchError::new(
                        FetchErrorKind::Different,
                        format!("it has not the {expected} octets that it was said to have"),
                    )
                };
                let has = body.size_hint().exact();
                if has.is_some_and(|has| has.saturating_add(begun.octets) != expected) {
                    return Err(different());
                }
                self.spool(body, file, &mut begun, expected, &different)
                    .await?;
                if begun.octets != expected {
                    return Err(different());
                }
                begun.hasher.finish()
            }
        };
        let mut octets = [0; 32];
        octets.copy_from_slice(sha256.as_ref());
        Ok(Fetched::Body {
            validators,
            sha256: octets,
        })
    }

    /// Writes a body behind what there is.
    async fn spool(
        &self,
        mut body: Incoming,
        file: &mut File,
        begun: &mut Begun,
        octets_max: u64,
        too_long: &dyn Fn() -> FetchError,
    ) -> Result<(), FetchError> {
        if body.size_hint().lower().saturating_add(begun.octets) > octets_max {
            return Err(too_long());
        }
        while let Some(frame) = self
            .within(BODY_WAIT, "nothing more came", body.frame())
            .await?
        {
            let frame = frame.map_err(|error| match is_cut(&error) {
                true => FetchError::new(
                    FetchErrorKind::Cut,
                    format!(
                        "it was cut short after {} octets: fetched again at the next poll",
                        begun.octets
                    ),
                ),
                false => http_error(&error),
            })?;
            let Some(some) = frame.data_ref() else {
                continue;
            };
            let len = u64::try_from(some.len()).unwrap_or(u64::MAX);
            begun.octets = begun.octets.saturating_add(len);
            if begun.octets > octets_max {
                return Err(too_long());
            }
            begun.hasher.update(some);
            file.write_all(some).map_err(|error| stored(&error))?;
        }
        Ok(())
    }

    /// Waits for `work`: no longer than `wait`, nor past the deadline of all, nor when the server stops.
    async fn within<T>(
        &self,
        wait: Duration,
        what: &str,
        work: impl Future<Output = T>,
    ) -> Result<T, FetchError> {
        let begun = Instant::now();
        let mut work = std::pin::pin!(work);
        loop {
            if let Ok(done) = tokio::time::timeout(LOOK, &mut work).await {
                return Ok(done);
            }
            if (self.is_stopping)() {
                return Err(FetchError::stopped());
            }
            if begun.elapsed() >= wait {
                let wait = wait.as_secs();
                return Err(unreachable(format!("{what} for {wait} s")));
            }
            self.in_time()?;
        }
    }

    /// Also a server that sends an octet now and then comes to an end.
    fn in_time(&self) -> Result<(), FetchError> {
        match self.deadline {
            Some(deadline) if deadline <= Instant::now() => Err(unreachable(format!(
                "it took longer than {} s, {}",
                self.settings.timeout.as_secs(),
                self.settings.words.timeout
            ))),
            _ => Ok(()),
        }
    }
}

/// What is read from and written to.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

fn request(
    url: &Target,
    headers: &[(HeaderName, String)],
) -> Result<Request<Empty<Bytes>>, FetchError> {
    let mut request = Request::get(&url.path)
        .header(header::HOST, url.origin())
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "application/pkix-crl, */*")
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::CONNECTION, "close");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request
        .body(Empty::new())
        .map_err(|error| malformed(format!("it cannot be asked for: {error}")))
}

/// Where a response sends us; `None` where it is the answer.
fn redirection<B>(url: &Target, response: &Response<B>) -> Result<Option<Target>, FetchError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION);
    let location = location.and_then(|location| location.to_str().ok());
    let Some(location) = location else {
        return Err(malformed("it redirects without saying where to".to_owned()));
    };
    let next = url.join(location).map_err(|error| {
        let location: String = location.chars().take(SHOWN_MAX).collect();
        malformed(format!("it redirects to {location:?}: {error}"))
    })?;
    if url.https && !next.https {
        return Err(malformed(format!(
            "it redirects from https to {next}, where anybody on the way could withhold it"
        )));
    }
    Ok(Some(next))
}

/// What a response says that is no file.
fn refusal(status: StatusCode, headers: &HeaderMap) -> FetchError {
    let words = match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => "there is nothing there: is the URL right?",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "the server does not let us in",
        StatusCode::NOT_MODIFIED => {
            "the server says that it did not change, and was not asked that"
        }
        StatusCode::TOO_MANY_REQUESTS => "the server wants to be asked less often",
        status if status.is_server_error() => "the server has a fault",
        _ => "this is no answer to the question",
    };
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => FetchErrorKind::Refused,
        status if status.is_success() || status == StatusCode::NOT_MODIFIED => {
            FetchErrorKind::Malformed
        }
        _ => FetchErrorKind::Unreachable,
    };
    FetchError {
        kind,
        message: format!("HTTP {}: {words}", status.as_u16()),
        retry_after: retry_after(headers),
    }
}

/// Retry-After (RFC 9110 §10.2.3): seconds, or a date, which is counted from the server's own Date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let value = text(header::RETRY_AFTER)?.trim();
    if let Ok(secs) = value.parse() {
        return Some(Duration::from_secs(secs));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    let now = httpdate::parse_http_date(text(header::DATE)?).ok()?;
    then.duration_since(now).ok()
}

/// A header's value, to be sent back as it is.
fn kept(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (value.len() <= VALIDATOR_OCTETS_MAX).then(|| value.to_owned())
}

fn shown(value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    text.chars().take(SHOWN_MAX).collect()
}

fn unreachable(message: String) -> FetchError {
    FetchError::new(FetchErrorKind::Unreachable, message)
}

fn malformed(message: String) -> FetchError {
    FetchError::new(FetchErrorKind::Malformed, message)
}

/// Whether a body ended before its length was reached.
fn is_cut(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error);
    let cause = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>());
    error.is_incomplete_message()
        || cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::UnexpectedEof)
}

/// Hyper's words with those of what caused it.
fn http_error(error: &hyper::Error) -> FetchError {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    match error.is_parse() || error.is_incomplete_message() {
        true => malformed(format!("the server does not speak HTTP rightly: {message}")),
        false => unreachable(format!("the connection failed: {message}")),
    }
}

/// Redirections from the first URL to the file.
const REDIRECTIONS_MAX: usize = 5;
/// Addresses of one host that are tried, one after another.
const ADDRESSES_MAX: usize = 4;
const LOOKUP_WAIT: Duration = Duration::from_secs(10);
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Until the response's head is there.
const HEAD_WAIT: Duration = Duration::from_secs(30);
/// Between two pieces of the body.
const BODY_WAIT: Duration = Duration::from_secs(30);
/// How often a wait looks whether the server is stopping.
const LOOK: Duration = Duration::from_millis(100);
/// A head with cookies and policies has a few thousand; hyper takes no less than 8 KiB, and may read
/// twice as much before it counts.
const HEAD_OCTETS_MAX: usize = 64 << 10;
const VALIDATOR_OCTETS_MAX: usize = 1024;
/// Characters of what a server says that are shown.
const SHOWN_MAX: usize = 200;
const USER_AGENT: &str = concat!("estelam/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests;
