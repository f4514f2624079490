//! Why nothing was fetched.

use std::time::Duration;

/// Why nothing was fetched.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct FetchError {
    /// What sort of failure it is.
    pub(crate) kind: FetchErrorKind,
    /// One clear line that does not name the URL.
    pub(crate) message: String,
    /// When the server said to come again.
    pub(crate) retry_after: Option<Duration>,
}

/// Sorts of failures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FetchErrorKind {
    /// The server is not there, or does not answer.
    Unreachable,
    /// It is there and does not let us in.
    Refused,
    /// Only a private network has it, and none may be asked.
    Private,
    /// What it says is no HTTP, or not what was asked for.
    Malformed,
    /// The connection ended before the file did.
    Cut,
    /// The file has another length than it was said to have.
    Different,
    /// The file cannot be kept here.
    Storage,
    /// The program is stopping. Not told.
    Stopped,
}

impl FetchError {
    /// An error of this kind.
    pub(crate) fn new(kind: FetchErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry_after: None,
        }
    }

    /// The program is stopping.
    pub(crate) fn stopped() -> Self {
        Self::new(FetchErrorKind::Stopped, "it is stopping")
    }
}
