//! The push listener: HTTPS for the systems of CAs, who report issuance and revocation there.
//!
//! TLS 1.3 and 1.2, HTTP/1.1, and never without TLS. A client proves who it is with a bearer token, a
//! client certificate or both ([`Clients`]). Bounded are connections, handshake, head, body, what all
//! bodies together hold, idling and the answer ([`PushLimits`]). Errors are `application/problem+json`
//! ([`Problem`]) with codes that never change their meaning. What may be asked stands in the OpenAPI
//! document that the listener serves; what is answered comes from the [`PushBackend`], which alone knows
//! issuers and certificates.

mod body;
mod connection;
mod credentials;
mod files;
mod problem;
mod routes;
mod server;
mod stream;
mod tls;

use std::{pin::Pin, sync::Arc, time::Duration};

use hyper::body::Bytes;

pub use credentials::{Client, Clients};
pub use files::TlsFiles;
pub use problem::Problem;
pub use server::{OpenError, PushServer};
pub use tls::{ClientCaError, TlsError};

/// What stands behind the listener.
pub trait PushBackend: Send + Sync + 'static {
    /// Judges and records a batch; answers when it is durable and visible. What has begun goes on when
    /// the client leaves.
    fn push(&self, batch: PushedBatch) -> Answer<'_, PushReply>;

    /// One certificate's status, as JSON.
    fn status(&self, client: Arc<Client>, issuer: String, serial: String) -> Answer<'_, Bytes>;

    /// Whether batches can be taken now, as JSON.
    fn health(&self) -> Answer<'_, Bytes>;

    /// The ledger's signed head: text.
    fn checkpoint(&self) -> Answer<'_, Bytes>;
}

/// An answer, some time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

/// A batch as it came.
#[derive(Debug)]
pub struct PushedBatch {
    /// Who sent it.
    pub client: Arc<Client>,
    /// Its idempotency key: 1 to 255 visible ASCII characters.
    pub key: String,
    /// What was sent.
    pub body: Bytes,
    /// Whether it is one entry a line, rather than one JSON value.
    pub is_lines: bool,
    /// Whether nothing is to be applied if anything is refused.
    pub all_or_nothing: bool,
}

impl PushedBatch {
    /// SHA-256 of what was sent.
    #[must_use]
    pub fn body_sha256(&self) -> [u8; 32] {
        credentials::sha256(&self.body)
    }
}

/// What is answered to a batch.
#[derive(Debug)]
pub struct PushReply {
    /// JSON.
    pub body: Bytes,
    /// Whether it had been recorded before.
    pub repeated: bool,
}

/// Bounds of the listener.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PushLimits {
    /// Connections served at once; one more is closed as soon as it is accepted.
    pub connections_max: u32,
    /// Octets of a body. What all bodies together hold is at most [`BODIES_AT_ONCE`] times this.
    pub body_octets_max: usize,
    /// For the handshake, and again for a head from its first octet.
    pub header_timeout: Duration,
    /// From the head's end to the body's end.
    pub body_timeout: Duration,
    /// From an answer to the first octet of the next head.
    pub idle_timeout: Duration,
    /// For the client to take an answer, or each 16 KiB of a longer one.
    pub write_timeout: Duration,
    /// From the shutdown signal until connections still busy are cut.
    pub drain_timeout: Duration,
}

/// How many of the longest bodies are held at once.
pub const BODIES_AT_ONCE: usize = 4;

/// How long the backend may take; a last resort behind its own deadlines.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// Octets of a head, first line included.
const HEAD_OCTETS_MAX: usize = 16 * 1_024;
