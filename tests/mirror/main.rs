//! Mirrors and targets of CRLs from outside: the built program against real web servers, the library's
//! deliveries against real folders, caches and stores.
//!
//! CRLs are made by OpenSSL, manifests by the library, and verified by jwcrypto, `cryptography` and OpenSSL.

#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::let_underscore_must_use,
    reason = "a test may panic: that is how it fails"
)]
#![allow(
    unreachable_pub,
    dead_code,
    unused_imports,
    reason = "helpers are public to the other modules, and each test binary uses some of them"
)]

mod authority;
#[path = "../common/mod.rs"]
mod common;
mod faults;
mod follow;
mod manifest;
#[cfg(feature = "stores")]
mod server;
mod servers;
#[cfg(feature = "stores")]
mod store;
mod targets;
