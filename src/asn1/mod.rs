//! The few DER helpers that `der` and `x509-cert` lack: times, reasons, lengths, raw slices of
//! certificates.

mod crl_reason;
mod time;

pub use crl_reason::CrlReason;
pub use time::{TimeError, UnixTime};
