//! What is served by name beside OCSP answers: CRLs, documents that are signed already, CA certificates.
//!
//! Holds the table from path to file that a [`Snapshot`](super::Snapshot) has. Promises that whatever is
//! in it was found to have the length and SHA-256 that its listing gives, before it became visible, and
//! that a CRL which does not is left out while the one before it stays. Leaves to `http` how it is sent.

mod coding;
mod load;
mod table;

pub use crate::observe::FileKind;
pub use coding::{Coding, CodingError, compress, compressed_path};
pub use load::LeftOut;
pub(super) use load::{CrlFiles, Opened};
pub use table::{Content, FileTable, Form, ServedFile, Validity};

/// A CA certificate at its path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CaCertificate {
    /// The path, octet for octet.
    pub path: String,
    /// The certificate.
    pub der: Vec<u8>,
}

#[cfg(test)]
mod tests;
