//! `estelam` (Persian استعلام, "asking for a status"): a validation authority in one binary.
//!
//! It knows the status of every certificate of one or many CAs and answers OCSP (RFC 6960, RFC 9919)
//! from responses signed ahead of time. The modules, in the order a status change meets them on its
//! way to a client:
//!
//! - [`identity`] names what has a status: an issuer and a serial number;
//! - [`asn1`] holds times, reasons and the octets of certificates;
//! - [`crl`] reads revocation lists as they are on the wire;
//! - [`change`] is what a source says about a certificate; [`feed`] reads sources;
//! - [`ledger`] keeps every status change, durably, and the status that follows;
//! - [`backup`] copies it, and goes on from a copy;
//! - [`audit`] proves that what it keeps was not altered;
//! - [`ocsp`] is the wire: requests, templates, responses;
//! - [`signer`] holds keys, and judges which may speak for whom;
//! - [`segment`] is the mapped file of presigned answers;
//! - [`presign`] signs answers ahead of time into segments;
//! - [`catalog`] is what may be served now, swapped atomically;
//! - [`authority`] keeps the catalog true to the ledger;
//! - [`responder`] decides what a request is answered;
//! - [`pki`] issues certificates whose status is then known from the start;
//! - [`http`] carries it, and the operator's commands over a local socket;
//! - `fetch` asks other servers for files; [`publish`] and [`mirror`] bring CRLs to others and from others;
//! - `octets` reads the fields of our own file formats;
//! - [`observe`], [`clock`], [`config`] and [`cli`] are what the name says.

pub mod asn1;
#[cfg(feature = "rocksdb")]
pub mod audit;
#[cfg(feature = "rocksdb")]
pub mod authority;
#[cfg(feature = "rocksdb")]
pub mod backup;
pub mod catalog;
pub mod change;
#[cfg(feature = "rocksdb")]
pub mod cli;
pub mod clock;
pub mod config;
pub mod crl;
pub mod feed;
mod fetch;
pub mod http;
pub mod identity;
#[cfg(feature = "rocksdb")]
pub mod ledger;
#[cfg(feature = "rocksdb")]
pub mod mirror;
pub mod observe;
pub mod ocsp;
mod octets;
pub mod pki;
pub mod presign;
#[cfg(feature = "rocksdb")]
pub mod publish;
pub mod responder;
pub mod segment;
pub mod signer;
