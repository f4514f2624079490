//! Signs the log's head now and then, and keeps what was signed.

use std::{
    io,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{AuditError, Checkpoint, CheckpointError, LedgerKey, NoteError, VerifierKey};
use crate::{
    clock::Clock,
    ledger::{
        KeptCheckpoint, Ledger, LedgerError, LedgerSnapshot,
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
/// since the last one. Nothing is signed that does not begin with the last one that was kept of this key.
/// Those of another key bind that one: a restored ledger may have another key than the lost one had.
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
        epoch_begins_at: snapshot.epoch_begins_at(),
        head: snapshot.tree_head()?,
    };
    if let Some((last, signed)) = last_of(&key.verifier(), snapshot.checkpoints()?)? {
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

/// The last kept checkpoint that `key` has signed.
fn last_of(
    key: &VerifierKey,
    kept: Vec<KeptCheckpoint>,
) -> Result<Option<(KeptCheckpoint, Checkpoint)>, AuditError> {
    for last in kept.into_iter().rev() {
        match Checkpoint::verified(&last.note, key) {
            Ok(signed) => return Ok(Some((last, signed))),
            Err(CheckpointError::Note(NoteError::NotSigned { .. })) => {}
            Err(source) => {
                let size = last.size;
                return Err(AuditError::KeptCheckpoint { size, source });
            }
        }
    }
    Ok(None)
}

/// The last kept checkpoint, if `key` has not signed it: how many entries it covers.
///
/// # Errors
/// Those of the ledger.
pub fn last_is_of_other_key(
    snapshot: &LedgerSnapshot,
    key: &VerifierKey,
) -> Result<Option<u64>, LedgerError> {
    let last = snapshot.checkpoints()?.pop();
    Ok(last
        .filter(|last| Checkpoint::verified(&last.note, key).is_err())
        .map(|last| last.size))
}

/// Judged by a proof, which shows it from the two roots alone.
fn extends(
    snapshot: &LedgerSnapshot,
    old: &Checkpoint,
    new: &Checkpoint,
) -> Result<bool, AuditError> {
    if old.head.size > new.head.size || old.epoch_begins_at > new.epoch_begins_at {
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
        let other = ledger
            .snapshot()
            .and_then(|snapshot| last_is_of_other_key(&snapshot, &key.verifier()));
        if let Ok(Some(entries)) = other {
            tracing::warn!(
                entries,
                key = key.name(),
                "the last kept checkpoint of the ledger is not signed by its key: was the key replaced, or \
                 a backup restored without it? Whoever verifies needs the new key: estelam audit key"
            );
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{asn1::UnixTime, audit::verify_ledger, change::Source, ledger::Floor};

    const NOW_MS: u64 = 1_790_000_000_000;

    fn grow(ledger: &Ledger) {
        let source = Source::new("test", "").unwrap();
        let time = UnixTime::from_secs(NOW_MS / 1_000).unwrap();
        ledger.accept_clock(time, &source, NOW_MS).unwrap();
    }

    #[test]
    fn another_key_goes_on_and_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        let (lost, key) = (LedgerKey::for_tests("log"), LedgerKey::for_tests("log"));
        grow(&ledger);
        sign_head(&ledger, &lost, NOW_MS).unwrap();
        let report = |key: &LedgerKey| {
            let snapshot = ledger.snapshot().unwrap();
            let go_on = &mut |_| std::ops::ControlFlow::Continue(());
            let report = verify_ledger(&snapshot, &key.verifier(), None, go_on).unwrap();
            let report = report.unwrap();
            (report.sound, report.notes.len(), report.checkpoints)
        };
        // Nobody who has this key has signed, and nothing was restored.
        assert_eq!(report(&key), (false, 0, 0));
        let other = last_is_of_other_key(&ledger.snapshot().unwrap(), &key.verifier());
        assert_eq!(other.unwrap(), Some(1));

        let floor = Floor {
            sequence: 999,
            answers: None,
            why: String::new(),
        };
        let source = Source::new("restore", "").unwrap();
        ledger.open_epoch(&floor, &source, NOW_MS).unwrap();
        assert_eq!(report(&key), (true, 1, 0));
        let first = sign_head(&ledger, &key, NOW_MS).unwrap();
        assert!(first.note.starts_with("log/epoch-1000\n2\n"), "{first:?}");
        grow(&ledger);
        sign_head(&ledger, &key, NOW_MS).unwrap();
        assert_eq!(report(&key), (true, 1, 2));
    }

    /// A backup that is restored twice, the second time beside what the first one went on with.
    #[test]
    fn no_origin_stands_for_two_logs() {
        let key = LedgerKey::for_tests("log");
        let mut origins = Vec::new();
        for sequence in [999, 1_999] {
            let dir = tempfile::tempdir().unwrap();
            let ledger = Ledger::open(dir.path()).unwrap();
            grow(&ledger);
            let floor = Floor {
                sequence,
                answers: None,
                why: String::new(),
            };
            let source = Source::new("restore", "").unwrap();
            ledger.open_epoch(&floor, &source, NOW_MS).unwrap();
            let signed = sign_head(&ledger, &key, NOW_MS).unwrap();
            origins.push(signed.note.lines().next().unwrap().to_owned());
        }
        assert_eq!(origins, ["log/epoch-1000", "log/epoch-2000"]);
    }
}
