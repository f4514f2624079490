//! The admin socket: how commands reach a running server.
//!
//! HTTP/1.1 and JSON over a Unix socket. Every path begins with the protocol's version, `/v1/`. A
//! reply is one JSON value, or lines of JSON (NDJSON) where progress is worth showing: any number of
//! `{"progress": …}`, then exactly one `{"result": …}` or `{"error": …}`; lines that end without it
//! come from a server that died. An error is `{"error": {"code": …, "message": …}}`.
//!
//! Who may speak: the server's own user and root, by the credentials that the kernel vouches for
//! (SO_PEERCRED); the socket's mode 0600 says the same. Bodies may be streamed without a bound, for
//! imports; what a route wants whole, it takes with a limit.
//!
//! What the routes do is left to the [`AdminBackend`].

mod body;
mod query;
mod reply;
mod server;
mod socket;

use std::pin::Pin;

use hyper::Method;

pub use body::{AdminBody, BodyError, BodyReader};
pub use query::Query;
pub(super) use query::decode as percent_decoded;
pub(super) use reply::NDJSON;
pub use reply::{AdminReply, ClientGone, LineSender};
pub use server::AdminServer;
pub use socket::AdminBindError;

/// The protocol's version: the first segment of every path, `v1`.
pub const PROTOCOL_VERSION: u32 = 1;

/// The code of the error that answers a path of another version.
pub(super) const UNSUPPORTED_VERSION: &str = "unsupported_version";

/// What stands behind the admin socket.
pub trait AdminBackend: Send + Sync + 'static {
    /// Answers one request. Dropped in the middle when the client goes away before the reply began;
    /// what must not be left half-done belongs on a task of its own.
    fn handle(
        &self,
        request: AdminRequest,
    ) -> Pin<Box<dyn Future<Output = AdminReply> + Send + '_>>;
}

/// One request, from a peer that may speak.
#[derive(Debug)]
pub struct AdminRequest {
    /// Who asks.
    pub peer: Peer,
    /// GET to read, POST to change.
    pub method: Method,
    /// The path after the version, beginning with `/`, for instance `/stats`.
    pub path: String,
    /// The decoded query.
    pub query: Query,
    /// The body.
    pub body: AdminBody,
}

/// A process at the other end of the socket, as the kernel knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Peer {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Process id, where the kernel tells.
    pub pid: Option<i32>,
}
