//! Exit codes that scripts can rely on, and errors on their way out.

use std::fmt;
use std::process::ExitCode;

use crate::authority::{ErrorClass, OperationError};

/// How a command ended. The numbers are part of the interface and never change their meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// 0: done.
    Success,
    /// 1: something else went wrong.
    Internal,
    /// 2: the command line was wrong, or named something that does not exist.
    Usage,
    /// 3: the configuration, or a file that it names, is wrong.
    Config,
    /// 4: a key, its certificate or its passphrase is wrong or missing.
    Key,
    /// 5: the input was refused, nothing was applied.
    Input,
    /// 6: the good part of the input was applied, the bad part skipped as asked.
    Skipped,
    /// 7: the change contradicts the ledger, nothing was applied.
    Refused,
    /// 8: the state is damaged.
    Damaged,
    /// 9: the state was written by another version, which alone can read it.
    NewerState,
    /// 10: the address, the ledger or the socket is held by somebody else.
    Busy,
    /// 11: the disk is full, or a file or folder cannot be read or written.
    Storage,
    /// 12: no server answers.
    Unreachable,
    /// 13: what was to be verified is not valid.
    NotValid,
    /// 14: what was to be verified is valid, but does not hold now.
    NotInDate,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::Key => 4,
            Self::Input => 5,
            Self::Skipped => 6,
            Self::Refused => 7,
            Self::Damaged => 8,
            Self::NewerState => 9,
            Self::Busy => 10,
            Self::Storage => 11,
            Self::Unreachable => 12,
            Self::NotValid => 13,
            Self::NotInDate => 14,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<ErrorClass> for Exit {
    fn from(class: ErrorClass) -> Self {
        match class {
            ErrorClass::Usage => Self::Usage,
            ErrorClass::Config => Self::Config,
            ErrorClass::Key => Self::Key,
            ErrorClass::Input | ErrorClass::Older | ErrorClass::Shrunk => Self::Input,
            ErrorClass::Refused => Self::Refused,
            ErrorClass::Damaged => Self::Damaged,
            ErrorClass::NewerState => Self::NewerState,
            ErrorClass::Busy => Self::Busy,
            ErrorClass::Storage => Self::Storage,
            ErrorClass::Internal => Self::Internal,
        }
    }
}

/// Why a command failed: what was wrong, where, and what to do; and its exit code.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// For people, without a trailing full stop or newline.
    pub message: String,
}

impl Failure {
    /// A failure with this code.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Self {
        Self::new(error.class.into(), error.message)
    }
}
