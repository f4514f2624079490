//! Signs the log's head now and then, and keeps what was signed.

use std::{
    io,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{AuditError, Checkpoint, LedgerKey};
use crate::{
    clock::Clock,
    ledger::{
        Ledger, LedgerSnapshot,
        log::{SnapshotNodes, consistency_proof, proves_consistency},
    },
};

/// A signed checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
}

/// Signs the head of the log as it is, and keeps the checkpoint in the ledger if the log has grown
/// since the last one. Nothing is signed that does not begin with the last one that was kept.
///
/// # Errors
/// [`AuditError::NotExtended`], [`AuditError::KeptCheckpoint`], or those of the ledger.
pub fn sign_head(
    ledger: &Ledger,
    key: &LedgerKey,
    now_ms: u64,
) -> Result<SignedCheckpoint, AuditError> {
    let snapshot = ledger.snapshot()?;
    let checkpoint = Checkpoint {
        epoch: snapshot.epochs().last().number,
        head: snapshot.tree_head()?,
    };
    if let Some(last) = snapshot.checkpoints()?.pop() {
        let size = last.size;
        let signed = Checkpoint::verified(&last.note, &key.verifier())
            .map_err(|source| AuditError::KeptCheckpoint { size, source })?;
        if !extends(&snapshot, &signed, &checkpoint)? {
            return Err(AuditError::NotExtended {
                entries: checkpoint.head.size,
                signed: signed.head.size,
            });
        }
        if signed == checkpoint {
            let note = last.note;
            return Ok(SignedCheckpoint { checkpoint, note });
        }
    }
    let note = key.sign_note(&checkpoint.text(key.name()));
    if checkpoint.head.size > 0 {
        ledger.keep_checkpoint(&checkpoint.head, &note, now_ms)?;
    }
    Ok(SignedCheckpoint { checkpoint, note })
}

/// Judged by a proof, which shows it from the two roots alone.
fn extends(
    snapshot: &LedgerSnapshot,
    old: &Checkpoint,
    new: &Checkpoint,
) -> Result<bool, AuditError> {
    if old.head.size > new.head.size || old.epoch > new.epoch {
        return Ok(false);
    }
    let mut nodes = SnapshotNodes::new(snapshot)?;
    let proof = consistency_proof(&mut nodes, old.head.size, new.head.size)?;
    Ok(proves_consistency(&proof, &old.head, &new.head))
}

/// Signs every minute while the log grows, and once more when it is stopped.
#[derive(Debug)]
pub struct CheckpointKeeper {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// How long entries may wait for a checkpoint that covers them.
const EVERY: Duration = Duration::from_mins(1);

impl CheckpointKeeper {
    /// Starts the thread; it begins by signing what there is.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        ledger: Arc<Ledger>,
        key: Arc<LedgerKey>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let sign = move || match sign_head(&ledger, &key, clock.now_millis()) {
            Ok(signed) => tracing::debug!(entries = signed.checkpoint.head.size, "checkpoint"),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "no checkpoint of the ledger could be signed");
            }
        };
        let thread = thread::Builder::new()
            .name("checkpoints".to_owned())
            .spawn(move || {
                loop {
                    sign();
                    match stopped.recv_timeout(EVERY) {
                        Err(mpsc::RecvTimeoutError::Timeout) => {}
                        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => break,
                    }
                }
                sign();
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

/// Signs what there is, and ends.
impl Drop for CheckpointKeeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that signs checkpoints had ended in a panic");
        }
    }
}
