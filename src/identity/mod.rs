//! What a status belongs to: an issuer (name and key) and a serial number.
//!
//! Every table of the program, on disk and in memory, is keyed by ([`IssuerId`], [`SerialNumber`]),
//! never by a subject, a key alone or a number: two issuers may share a name (key rollover) or a key
//! (a renamed or cross-certified CA), and a serial is a string of octets, not a decimal.

mod issuer_id;
mod serial_hash;
mod serial_number;

pub use issuer_id::IssuerId;
pub use serial_hash::SerialHash;
pub use serial_number::{SerialNumber, SerialNumberError};
