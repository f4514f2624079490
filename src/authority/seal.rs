//! Signs receipts and checkpoints.

use crate::ledger::TreeHead;

/// TEMPORARY
pub struct Seal;

impl Seal {
    /// name
    #[must_use]
    pub fn name(&self) -> &str {
        "log"
    }

    /// note
    #[must_use]
    pub fn sign_note(&self, text: &str) -> String {
        format!("{text}\n— log AAAA\n")
    }

    /// checkpoint
    #[must_use]
    pub fn checkpoint(&self, head: &TreeHead) -> String {
        self.sign_note(&format!("log\n{}\n", head.size))
    }
}
