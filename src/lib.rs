//! `estelam` (Persian استعلام, "asking for a status"): a validation authority in one binary.
//!
//! It knows the status of every certificate of one or many CAs and answers OCSP (RFC 6960, RFC 9919)
//! from responses signed ahead of time. The modules, in the order a status change meets them on its
//! way to a client:

pub mod identity;

pub mod asn1;

pub mod change;

pub mod feed;

#[cfg(feature = "rocksdb")]
pub mod ledger;
