//! Why there is no signature, or no signer.

use std::path::PathBuf;

use super::{Defect, KeyError, PassphraseError, token::TokenError};
use crate::config::{CertificateFileError, FileError};

/// Why something was not signed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The key's token or process is not there at the moment. It may come back: what was to be signed
    /// waits and is tried again.
    #[error("the key cannot be reached at the moment: {why}")]
    Unavailable {
        /// What happened, and what to do where somebody has to do something.
        why: String,
    },
    /// Another implementation does not accept a signature of this key: memory, the key or a library
    /// is damaged. The signer is stopped for good; signatures made before are suspect too.
    #[error(
        "a signature of this key was refused by a second implementation: the signer is stopped. \
         Check this machine's memory and restart on another one before signing on"
    )]
    SecondOpinion,
    /// A signature was made that does not verify with the key's public half; nobody was given it.
    #[error(
        "a signature that the key made does not verify with its public key: it was thrown away. If it \
         happens again, the token, its driver or this machine's memory is damaged"
    )]
    Wrong,
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
    /// The token, or the key on it, is of no use.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A key on a token that was never configured.
    #[error("the key {key} has no [[token]]")]
    NoToken {
        /// The key.
        key: String,
    },
    /// The process that keys live in does not have it now, or not at all.
    #[error("the key {key}: {why}")]
    Process {
        /// The key's name.
        key: String,
        /// What that process says, or what became of it.
        why: String,
        /// Whether that may change by itself.
        may_pass: bool,
    },
    /// Its public half is none that signatures could be verified with.
    #[error("the key {key}: what it signs cannot be verified: {source}")]
    Unverifiable {
        /// The key's name.
        key: String,
        /// Why.
        source: SignerError,
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

impl LoadError {
    /// Whether the key may be there later without anybody correcting the configuration, so that a server
    /// starts without it and goes on looking.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Key(KeyError::File(error)) => matches!(error, FileError::NotFound { .. }),
            Self::Process { may_pass, .. } => *may_pass,
            Self::Token(error) => error.may_heal(),
            Self::Defect { defect, .. } => {
                matches!(defect, Defect::Signing(SignerError::Unavailable { .. }))
            }
            _ => false,
        }
    }

    /// Whether it was a mistake that a token counts, and locks its keys after a few of: it must not be made
    /// again by a process that does not know of it.
    #[must_use]
    pub const fn counts_as_mistake(&self) -> bool {
        matches!(self, Self::Token(TokenError::PinRefused { .. }))
    }
}
