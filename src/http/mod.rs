//! Sockets and HTTP/1.1: listeners, the OCSP route (RFC 6960 A.1, RFC 9919 §6), CRLs and other files
//! (RFC 2585, RFC 9110), caching headers, limits and deadlines, and the local admin socket.
//!
//! Promises: every connection, head, body, answer and write has a bound in size and time
//! ([`Limits`]); a failing `accept` never ends the process; on a presigned hit HTTP allocates no more
//! than a bare hyper server does. What an answer says is left to [`crate::responder`].
//!
//! HTTP/1.1 only, and status without TLS: status must be readable before any TLS certificate can be judged.

pub mod admin;
pub mod admin_client;
pub mod push;

mod bind;
mod cache;
mod connection;
mod files;
mod limits;
mod mounts;
mod ocsp_route;
mod progress;
mod refusal;
mod server;
mod stream;

pub use bind::{BindError, BindProblem};
pub use limits::Limits;
pub use mounts::{MountError, Mounts};
pub use server::{Drained, Server};
