//! How the signing process is, for `stats`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The signing process as the server sees it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ProcessHealth {
    /// Whether it answers.
    pub state: ProcessState,
    /// Its process id, where the server started it.
    pub pid: Option<u32>,
    /// Its socket, where somebody else did.
    pub socket: Option<PathBuf>,
    /// How often it was started or connected to.
    pub starts: u64,
    /// Of these, how many ended since it gave no answer in time.
    pub hangs: u64,
    /// Signatures that it made since its start.
    pub signed: u64,
    /// Why it was not there the last time that it was not.
    pub last_fault: Option<String>,
    /// Its keys.
    pub keys: Vec<KeyHealth>,
}

/// Whether the signing process answers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessState {
    /// It was started and has not said yet which keys it has.
    Starting,
    /// It answers.
    Running,
    /// It is gone, and will be started again.
    Down,
}

/// A key of the signing process.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct KeyHealth {
    /// Its name: the path of its file, or its URI on a token.
    pub name: String,
    /// Why it does not sign, if it does not.
    pub problem: Option<String>,
}
