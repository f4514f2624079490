//! Why a poll brought nothing.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::feed::ImportReport;
use crate::fetch::{FetchError, FetchErrorKind};

/// Why a poll failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct FeedError {
    /// What sort of failure it is.
    pub kind: FeedErrorKind,
    /// One clear line: what is wrong, where, and what to do.
    pub message: String,
    /// When the other side said to come again.
    pub retry_after: Option<Duration>,
    /// What other parts of the source brought in meanwhile.
    pub brought: Option<Box<ImportReport>>,
    /// What the operator should know besides, once.
    pub notes: Vec<String>,
}

/// Sorts of failures.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FeedErrorKind {
    /// The source is not there, or does not answer.
    Unreachable,
    /// It is there and does not let us in.
    Refused,
    /// What it gave is not of its form, or was cut short.
    Malformed,
    /// It was read and judged, and refused: of another issuer, a wrong signature, an older number.
    Rejected,
    /// What it says last has ended, and nothing newer came.
    Ended,
    /// It is older than what was taken before: there is nothing to do.
    Older,
    /// It is well formed, but so much of it is gone that an operator has to say that this is right.
    Quarantined,
    /// The ledger or the disk failed; the source may be fine.
    Ledger,
    /// The server is stopping. Not told.
    Stopped,
    /// A defect of this program.
    Defect,
}

impl From<FetchError> for FeedError {
    fn from(error: FetchError) -> Self {
        let kind = match error.kind {
            FetchErrorKind::Unreachable => FeedErrorKind::Unreachable,
            FetchErrorKind::Refused | FetchErrorKind::Private => FeedErrorKind::Refused,
            FetchErrorKind::Malformed | FetchErrorKind::Cut | FetchErrorKind::Different => {
                FeedErrorKind::Malformed
            }
            FetchErrorKind::Storage => FeedErrorKind::Ledger,
            FetchErrorKind::Stopped => return Self::stopped(),
        };
        Self {
            retry_after: error.retry_after,
            ..Self::new(kind, error.message)
        }
    }
}

impl FeedErrorKind {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::Rejected => "rejected",
            Self::Ended => "ended",
            Self::Older => "older",
            Self::Quarantined => "quarantined",
            Self::Ledger => "ledger",
            Self::Stopped => "stopped",
            Self::Defect => "defect",
        }
    }
}

impl FeedError {
    /// An error of this kind.
    #[must_use]
    pub fn new(kind: FeedErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry_after: None,
            brought: None,
            notes: Vec::new(),
        }
    }

    /// The server is stopping.
    #[must_use]
    pub fn stopped() -> Self {
        Self::new(FeedErrorKind::Stopped, "the server is stopping")
    }

    /// What the system said of a path that is watched.
    #[must_use]
    pub fn of_path(path: &Path, error: &io::Error) -> Self {
        let path = path.display();
        match error.kind() {
            io::ErrorKind::NotFound => Self::new(
                FeedErrorKind::Unreachable,
                format!("{path} does not exist: is it mounted, and the path right?"),
            ),
            io::ErrorKind::PermissionDenied => Self::new(
                FeedErrorKind::Refused,
                format!(
                    "{path} may not be read by the user that runs this (uid {}): give that user \
                     permission, on the folders above it as well",
                    rustix::process::geteuid().as_raw()
                ),
            ),
            _ => Self::new(
                FeedErrorKind::Unreachable,
                format!("{path} cannot be read: {error}"),
            ),
        }
    }
}
