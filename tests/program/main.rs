//! Drives the built program: one module a surface.
//!
//! Every tool that a test needs is installed by `./setup`; one that is missing fails the test. Tests
//! wait for conditions, never for time, have folders and ports of their own and leave nothing behind.

#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::let_underscore_must_use,
    reason = "a test may panic: that is how it fails"
)]
#![allow(
    unreachable_pub,
    reason = "helpers are public to the other modules, and nobody else is there"
)]

mod audit;
mod backup;
mod ca;
mod cli;
#[path = "../common/mod.rs"]
mod common;
mod crash;
mod crl_feed;
mod crl_mirror;
mod crl_publish;
mod crl_serving;
mod crl_show;
mod crl_verify;
mod custom_vectors;
mod demo;
mod evidence;
mod example;
mod faults;
mod feeds;
mod history;
mod http;
mod import;
mod import_certs;
mod import_crl;
mod import_csv;
mod issuer_wide;
mod key_types;
mod many_issuers;
mod openssl_ca;
mod pkits;
mod push;
mod retention;
mod same_name_same_key;
mod signer_process;
mod sql_feed;
mod token;
