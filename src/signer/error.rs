//! Why there is no signature, or no signer.

use std::path::PathBuf;

use super::{Defect, KeyError, PassphraseError};
use crate::config::CertificateFileError;

/// Why something was not signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// Another implementation does not accept a signature of this key: memory, the key or a library
    /// is damaged. The signer is stopped for good; signatures made before are suspect too.
    #[error(
        "a signature of this key was refused by a second implementation: the signer is stopped. \
         Check this machine's memory and restart on another one before signing on"
    )]
    SecondOpinion,
    /// The cryptographic library failed.
    #[error("the cryptographic library could not sign")]
    Failed,
    /// The algorithm signs whole messages, not digests, or digests of another hash.
    #[error("this algorithm cannot sign a digest made by others")]
    NeedsMessage,
    /// The buffer is not the length of a signature.
    #[error("a signature has {expected} octets, the buffer {actual}")]
    BufferLength {
        /// Octets of a signature.
        expected: usize,
        /// Octets of the buffer.
        actual: usize,
    },
}

/// Why a signer was not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No certificate in its file.
    #[error(transparent)]
    Certificate(#[from] CertificateFileError),
    /// No passphrase where it should come from.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// No key that can be used in its file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What the issuer's profile does not allow, though it might sign otherwise.
    #[error("{}: {breach}", certificate.display())]
    Profile {
        /// The file of the certificate.
        certificate: PathBuf,
        /// What it is, as whoever knows the profile says it.
        #[source]
        breach: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Certificate and key are readable, but may not sign for the issuer.
    #[error("{}: {defect}", certificate.display())]
    Defect {
        /// The file of the certificate.
        certificate: PathBuf,
        /// Why.
        #[source]
        defect: Defect,
    },
}
