//! Why a token did not do what it was asked.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use super::fault::{Fault, Remedy};
use crate::signer::{PassphraseError, PublicKeyError, SignerError};

/// Why a token, or a key on it, is of no use now. Cheap to clone: everybody who waits gets one.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// No file at the module's path.
    #[error(
        "the PKCS#11 module {} does not exist: name the vendor's shared library (.so)",
        path.display()
    )]
    ModuleMissing {
        /// The path.
        path: PathBuf,
    },
    /// A file that cannot be loaded.
    #[error("the PKCS#11 module {} cannot be loaded: {why}", path.display())]
    ModuleUnloadable {
        /// The path.
        path: PathBuf,
        /// What the loader says.
        why: String,
    },
    /// A library, but of something else.
    #[error(
        "{} is a library, but no PKCS#11 module (it has no C_GetFunctionList): name the one that the \
         token's vendor means for applications",
        path.display()
    )]
    NotAModule {
        /// The path.
        path: PathBuf,
    },
    /// The token is not there.
    #[error(
        "no token with {wanted} is there; the module has {}. Is it plugged in, and its service running?",
        listed(present, "no token")
    )]
    Absent {
        /// What was looked for.
        wanted: String,
        /// What is there.
        present: Vec<String>,
    },
    /// More than one token fits.
    #[error(
        "several tokens have {wanted}: {}. Say which one is meant, by label, serial or slot",
        present.join("; ")
    )]
    Ambiguous {
        /// What was looked for.
        wanted: String,
        /// What is there.
        present: Vec<String>,
    },
    /// The token that was found is not the one that the key's URI speaks of.
    #[error("{uri} speaks of another token than this one, {token}")]
    AnotherToken {
        /// The key's URI.
        uri: String,
        /// What was found.
        token: String,
    },
    /// The token wants a PIN, and none is configured.
    #[error(
        "the token {token} wants a PIN: name its place with pin_file, pin_env or pin_credential (on the \
         command line --pin-file or --pin-env)"
    )]
    NoPin {
        /// The token.
        token: String,
    },
    /// The PIN's place has none.
    #[error("the PIN of the token: {0}")]
    Pin(Arc<PassphraseError>),
    /// The token refused the PIN. It was tried once.
    #[error(
        "the token {token} refuses the PIN{}. It is not tried again before it is another one (or the \
         program is started anew), because tokens lock themselves",
        because(why)
    )]
    PinRefused {
        /// The token.
        token: String,
        /// More, where the token says more.
        why: &'static str,
    },
    /// The token takes no PIN any more.
    #[error(
        "the PIN of the token {token} is locked after too many wrong ones: its security officer has to \
         set a new one"
    )]
    PinLocked {
        /// The token.
        token: String,
    },
    /// One wrong PIN would lock it.
    #[error(
        "one more wrong PIN locks the token {token}, so that ours is not tried: log in once with the \
         vendor's own tool, which resets the count"
    )]
    PinFinalTry {
        /// The token.
        token: String,
    },
    /// The token has no user PIN yet.
    #[error("the token {token} has no user PIN yet: set one with the vendor's own tool")]
    PinNotSet {
        /// The token.
        token: String,
    },
    /// No such key.
    #[error(
        "no private key with {wanted} is on the token {token}, which has {}",
        listed(present, "none")
    )]
    KeyAbsent {
        /// What was looked for.
        wanted: String,
        /// The token.
        token: String,
        /// The private keys that are there.
        present: Vec<String>,
    },
    /// Several keys fit.
    #[error(
        "several private keys on the token {token} have {wanted}: {}. Name the one that is meant by id \
         as well",
        present.join("; ")
    )]
    KeyAmbiguous {
        /// What was looked for.
        wanted: String,
        /// The token.
        token: String,
        /// Those that fit.
        present: Vec<String>,
    },
    /// A key of a kind that cannot sign here.
    #[error("the key {key} cannot be used: {reason}")]
    KeyKind {
        /// Which key.
        key: String,
        /// What is wrong with it.
        reason: KeyKindProblem,
    },
    /// A key that could be copied.
    #[error(
        "the key {key} is {what}, so that it could be copied off the token: make one there with \
         `estelam token generate`, or set allow_extractable = true in its [[token]]"
    )]
    KeyExtractable {
        /// Which key.
        key: String,
        /// Which attribute is wrong.
        what: &'static str,
    },
    /// A key that is there for something else.
    #[error("the key {key} may not sign (CKA_SIGN is false)")]
    KeyMayNotSign {
        /// Which key.
        key: String,
    },
    /// A key that wants the PIN each time.
    #[error(
        "the key {key} wants the PIN for every signature (CKA_ALWAYS_AUTHENTICATE), which no server can \
         give: make another key"
    )]
    AlwaysAuthenticate {
        /// Which key.
        key: String,
    },
    /// Nothing says what the public key is.
    #[error(
        "the token has no public key that belongs to {key}, and no certificate says what it is: put the \
         public key (or the certificate) beside it under the same id"
    )]
    NoPublicKey {
        /// Which key.
        key: String,
    },
    /// The certificate is another key's.
    #[error(
        "the key {key} does not belong to the certificate {}: configure the key that it was issued for",
        certificate.display()
    )]
    NotOfCertificate {
        /// Which key.
        key: String,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// How an RSA key signs was set for another one.
    #[error("the key {key} is no RSA key, and only for one can `signature` be set: leave it out")]
    NotRsa {
        /// Which key.
        key: String,
    },
    /// The public key on the token does not verify what the private key signs.
    #[error(
        "a test signature of {key} does not verify with its public key: the token is damaged, or the \
         public object beside the key is another key's"
    )]
    SelfTest {
        /// Which key.
        key: String,
    },
    /// Behind the same name is another key than when it was opened.
    #[error(
        "the key {key} is another one than before: put the old key back, or restart with a certificate for \
         the new one"
    )]
    KeyChanged {
        /// Which key.
        key: String,
    },
    /// The token cannot sign with such a key.
    #[error(
        "the token {token} has no mechanism to sign with the key {key} (needed: {needed}): another module \
         version, or another kind of key"
    )]
    MechanismMissing {
        /// The token.
        token: String,
        /// Which key.
        key: String,
        /// What would do.
        needed: String,
    },
    /// A signature that is none.
    #[error("the token gave {found} octets for a signature of {expected}")]
    SignatureLength {
        /// What it should be.
        expected: usize,
        /// What it was.
        found: usize,
    },
    /// A key or label that is to be made is there already.
    #[error("the token {token} has a key with {wanted} already: choose another one")]
    KeyExists {
        /// The token.
        token: String,
        /// What is taken.
        wanted: String,
    },
    /// A function of the module failed.
    #[error("{0}")]
    Fault(Fault),
    /// A call did not come back.
    #[error(
        "{call} of the module did not return within {after:?}: it is given up; should it go on, restart the \
         token's service"
    )]
    Hung {
        /// The function.
        call: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// So many calls did not come back that no more are risked.
    #[error(
        "{calls} calls of the module never returned: nothing more is tried until one does. Restart the \
         token's service, then this program"
    )]
    Stuck {
        /// How many.
        calls: usize,
    },
    /// Nobody had time for it.
    #[error("the token did nothing within {after:?} of what waits for it")]
    Busy {
        /// How long it was waited for.
        after: Duration,
    },
    /// The module was re-initialised in the meantime.
    #[error("the module was initialised anew meanwhile")]
    Stale,
    /// The program ends.
    #[error("the program ends")]
    Stopped,
    /// No thread for a session.
    #[error("no thread for a session of the token: {0}")]
    Thread(Arc<std::io::Error>),
}

/// What is wrong with a kind of key.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyKindProblem {
    /// Its kind is known, but not supported.
    #[error(transparent)]
    Public(#[from] PublicKeyError),
    /// Another kind altogether.
    #[error("its kind (CKA_KEY_TYPE) is {0}: use EC P-256 or P-384, Ed25519 or RSA")]
    Type(String),
    /// The token's answer about it makes no sense.
    #[error("what the token says of it makes no sense ({0})")]
    Malformed(&'static str),
}

impl TokenError {
    /// Whether it may heal without anybody changing the configuration: the token comes back, is restored,
    /// or its PIN is set right.
    #[must_use]
    pub const fn may_heal(&self) -> bool {
        match self {
            Self::Absent { .. }
            | Self::Pin(_)
            | Self::PinRefused { .. }
            | Self::PinLocked { .. }
            | Self::PinFinalTry { .. }
            | Self::PinNotSet { .. }
            | Self::KeyAbsent { .. }
            | Self::KeyChanged { .. }
            | Self::SelfTest { .. }
            | Self::SignatureLength { .. }
            | Self::Fault(_)
            | Self::Hung { .. }
            | Self::Stuck { .. }
            | Self::Busy { .. }
            | Self::Stale
            | Self::Stopped
            | Self::Thread(_) => true,
            Self::ModuleMissing { .. }
            | Self::ModuleUnloadable { .. }
            | Self::NotAModule { .. }
            | Self::Ambiguous { .. }
            | Self::AnotherToken { .. }
            | Self::NoPin { .. }
            | Self::KeyAmbiguous { .. }
            | Self::KeyKind { .. }
            | Self::KeyExtractable { .. }
            | Self::KeyMayNotSign { .. }
            | Self::AlwaysAuthenticate { .. }
            | Self::NoPublicKey { .. }
            | Self::NotOfCertificate { .. }
            | Self::NotRsa { .. }
            | Self::MechanismMissing { .. }
            | Self::KeyExists { .. } => false,
        }
    }

    /// The least that may help.
    pub(super) const fn remedy(&self) -> Remedy {
        match self {
            Self::Fault(fault) => fault.remedy(),
            Self::Stale
            | Self::SignatureLength { .. }
            | Self::SelfTest { .. }
            | Self::KeyAbsent { .. }
            | Self::KeyChanged { .. } => Remedy::NewSession,
            // Some modules see a token that was made or put in only once they are initialised anew.
            Self::Absent { .. } => Remedy::Reinitialise,
            _ => Remedy::None,
        }
    }
}

impl From<TokenError> for SignerError {
    fn from(error: TokenError) -> Self {
        Self::Unavailable {
            why: error.to_string(),
        }
    }
}

impl From<cryptoki::error::Error> for TokenError {
    fn from(error: cryptoki::error::Error) -> Self {
        Self::Fault(Fault::from(error))
    }
}

fn listed(present: &[String], none: &str) -> String {
    if present.is_empty() {
        none.to_owned()
    } else {
        present.join("; ")
    }
}

fn because(why: &str) -> String {
    if why.is_empty() {
        String::new()
    } else {
        format!(" ({why})")
    }
}

/// How a token is called in messages: `"label" (serial 12, slot 0)`.
pub(super) struct Shown<'a> {
    pub(super) label: &'a str,
    pub(super) serial: &'a str,
    pub(super) slot: u64,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            label,
            serial,
            slot,
        } = self;
        write!(f, "{label:?} (serial {serial}, slot {slot})")
    }
}
