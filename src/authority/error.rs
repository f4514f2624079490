//! What an operation tells its caller when it fails, in the same process or across the admin socket.

use crate::backup::BackupError;
use crate::ledger::LedgerError;
use crate::signer::LoadError;

/// What kind of failure it is: decides the exit code and the admin protocol's HTTP status.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The caller asked for something that does not exist or is not well formed.
    Usage,
    /// The configuration, or a file that it names, is wrong.
    Config,
    /// A key, its certificate or its passphrase is wrong or missing.
    Key,
    /// The input was judged and refused; nothing was applied.
    Input,
    /// The input is older than what was taken before; nothing was applied.
    Older,
    /// The input lacks much of what was taken before; nothing was applied.
    Shrunk,
    /// The change contradicts what the ledger holds; nothing was applied.
    Refused,
    /// The state is damaged.
    Damaged,
    /// The state was written by another version, which alone can read it.
    NewerState,
    /// Somebody else holds the address, the ledger or the socket.
    Busy,
    /// The disk is full or a folder cannot be written.
    Storage,
    /// Nothing of the above.
    Internal,
}

impl ErrorClass {
    /// The admin protocol's code for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Config => "config",
            Self::Key => "key",
            Self::Input => "input",
            Self::Older => "older",
            Self::Shrunk => "shrunk",
            Self::Refused => "refused",
            Self::Damaged => "damaged",
            Self::NewerState => "newer_state",
            Self::Busy => "busy",
            Self::Storage => "storage",
            Self::Internal => "internal",
        }
    }

    /// The class with this code; [`ErrorClass::Internal`] for one that is not known.
    #[must_use]
    pub fn from_code(code: &str) -> Self {
        [
            Self::Usage,
            Self::Config,
            Self::Key,
            Self::Input,
            Self::Older,
            Self::Shrunk,
            Self::Refused,
            Self::Damaged,
            Self::NewerState,
            Self::Busy,
            Self::Storage,
        ]
        .into_iter()
        .find(|class| class.code() == code)
        .unwrap_or(Self::Internal)
    }
}

/// A failed operation: what was wrong, where, and what to do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct OperationError {
    /// The kind.
    pub class: ErrorClass,
    /// For people.
    pub message: String,
}

impl OperationError {
    /// An error of this kind.
    #[must_use]
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
        }
    }
}

/// An error and all its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        // Some messages tell their cause themselves.
        if !text.contains(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = error.source();
    }
    text
}

impl From<&LedgerError> for ErrorClass {
    fn from(error: &LedgerError) -> Self {
        match error {
            LedgerError::Locked { .. } => Self::Busy,
            LedgerError::NewerVersion { .. } | LedgerError::OlderVersion { .. } => Self::NewerState,
            LedgerError::Damaged { .. } => Self::Damaged,
            LedgerError::NoSpace { .. }
            | LedgerError::Permission { .. }
            | LedgerError::NotADirectory { .. }
            | LedgerError::Io { .. }
            | LedgerError::Reopening { .. } => Self::Storage,
            LedgerError::NoLedger { .. }
            | LedgerError::LabelTaken { .. }
            | LedgerError::LabelDiffers { .. }
            | LedgerError::UnknownIssuer { .. } => Self::Config,
            _ => Self::Internal,
        }
    }
}

impl From<&BackupError> for ErrorClass {
    fn from(error: &BackupError) -> Self {
        match error {
            BackupError::NotEmpty { .. } | BackupError::NoPlace { .. } => Self::Usage,
            BackupError::Damaged { .. } => Self::Input,
            BackupError::OtherVersion { .. } => Self::NewerState,
            BackupError::UnderWay { .. } | BackupError::RestoreUnderWay { .. } => Self::Busy,
            BackupError::RestoreInterrupted { .. } | BackupError::NotReentered { .. } => {
                Self::Damaged
            }
            BackupError::Ledger(error) => error.into(),
            _ => Self::Storage,
        }
    }
}

impl From<&BackupError> for OperationError {
    fn from(error: &BackupError) -> Self {
        Self::new(error.into(), with_causes(error))
    }
}

impl From<&LedgerError> for OperationError {
    fn from(error: &LedgerError) -> Self {
        Self::new(error.into(), with_causes(error))
    }
}

impl From<&LoadError> for ErrorClass {
    /// All of them keep an issuer from being signed for.
    fn from(_: &LoadError) -> Self {
        Self::Key
    }
}
