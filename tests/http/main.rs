//! The HTTP side over loopback sockets, with a backend that echoes what it was asked.
#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod admin;
mod caching;
mod connections;
mod files;
mod framing;
mod pipelining;
mod routes;
mod support;
