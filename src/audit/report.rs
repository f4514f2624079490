//! The whole ledger, judged: its entries, what follows from them, and the checkpoints that were signed.

use std::ops::ControlFlow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{AuditError, Checkpoint, CheckpointError, NoteError, VerifierKey};
use crate::ledger::{
    Finding, KeptCheckpoint, LedgerSnapshot, VerifyOptions, VerifyStep,
    log::{Epochs, TreeHead},
};

/// What a verification found.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AuditReport {
    /// Whether nothing was found that is not as it was recorded.
    pub sound: bool,
    /// The log's name.
    pub log: String,
    /// How many entries the log has.
    pub entries: u64,
    /// The root over them, in base64.
    pub root: String,
    /// The number of the last entry.
    pub last_sequence: u64,
    /// How many entries the checkpoint covered that it began from; `None` for all of the ledger.
    pub from: Option<u64>,
    /// How many entries were read.
    pub read: u64,
    /// How many certificates' statuses were derived anew.
    pub certificates: u64,
    /// How many kept checkpoints were compared.
    pub checkpoints: usize,
    /// How many entries the last checkpoint covers that fits: nobody has signed for those after it yet.
    pub covered: u64,
    /// What does not fit, the first 1,000 of it.
    pub problems: Vec<Problem>,
    /// How many problems there are beside those.
    pub more_problems: u64,
    /// What an auditor should know besides.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Something that is not as it was recorded.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// One word for programs.
    pub kind: String,
    /// What it is, for people.
    pub message: String,
    /// The sequence of the first entry that it is about.
    pub first: Option<u64>,
    /// That of the last.
    pub last: Option<u64>,
}

impl From<&Finding> for Problem {
    fn from(finding: &Finding) -> Self {
        let sequences = finding.sequences();
        Self {
            kind: finding.kind().to_owned(),
            message: finding.to_string(),
            first: sequences.map(|(first, _)| first),
            last: sequences.map(|(_, last)| last),
        }
    }
}

impl Problem {
    fn checkpoint(message: String) -> Self {
        Self {
            kind: "checkpoint".to_owned(),
            message,
            first: None,
            last: None,
        }
    }
}

/// Verifies a ledger with the key that signs for its log, whole or from a checkpoint. `progress` is
/// told now and then, and may stop it: then there is no report.
///
/// # Errors
/// [`AuditError`] when the ledger cannot be read to its end.
pub fn verify_ledger(
    snapshot: &LedgerSnapshot,
    key: &VerifierKey,
    from: Option<&Checkpoint>,
    progress: &mut dyn FnMut(VerifyStep) -> ControlFlow<()>,
) -> Result<Option<AuditReport>, AuditError> {
    let mut problems = Vec::new();
    let (kept, unreadable) = snapshot.checkpoint_rows()?;
    if unreadable > 0 {
        let message = format!("{unreadable} kept checkpoints were altered: they cannot be read");
        problems.push(Problem::checkpoint(message));
    }
    let mut heads = Vec::new();
    let of_others = of_other_keys(snapshot, &kept, key);
    for (place, kept) in kept.iter().enumerate() {
        let size = kept.size;
        if place < of_others && is_of_other_key(kept, key) {
            continue;
        }
        let judged = Checkpoint::verified(&kept.note, key)
            .map_err(|error| format!("the kept checkpoint of {size} entries is refused: {error}"))
            .and_then(|checkpoint| match checkpoint.head.size == size {
                true => head_of(&checkpoint, snapshot.epochs()),
                false => Err(format!(
                    "the kept checkpoint of {size} entries is that of others"
                )),
            });
        match judged {
            Ok(head) => heads.push(head),
            Err(message) => problems.push(Problem::checkpoint(message)),
        }
    }
    let others = kept.iter().take(of_others);
    let notes = match others.filter(|kept| is_of_other_key(kept, key)).count() {
        0 => Vec::new(),
        count => vec![format!(
            "{count} kept checkpoints are signed by another key than {}, as after a restore that took \
             another one, and were not compared: --key verifies with theirs",
            key.name()
        )],
    };
    let from_head = match from.map(|from| head_of(from, snapshot.epochs())) {
        None => None,
        Some(Ok(head)) => Some(head),
        Some(Err(message)) => {
            problems.push(Problem::checkpoint(message));
            None
        }
    };
    let options = VerifyOptions {
        heads: &heads,
        from: from_head,
        log_only: false,
    };
    let Some(verified) = snapshot.verify(&options, progress)? else {
        return Ok(None);
    };
    problems.extend(verified.findings.iter().map(Problem::from));
    Ok(Some(AuditReport {
        sound: problems.is_empty(),
        log: key.name().to_owned(),
        entries: verified.head.size,
        root: STANDARD.encode(verified.head.root),
        last_sequence: snapshot.last_sequence(),
        from: from_head.map(|head| head.size),
        read: verified.entries,
        certificates: verified.certificates,
        checkpoints: heads.len(),
        covered: verified.covered,
        problems,
        more_problems: verified.more_findings,
        notes,
    }))
}

/// Whether another key alone has signed it.
fn is_of_other_key(kept: &KeptCheckpoint, key: &VerifierKey) -> bool {
    matches!(
        Checkpoint::verified(&kept.note, key),
        Err(CheckpointError::Note(NoteError::NotSigned { .. }))
    )
}

/// Up to which place a checkpoint of another key is no fault: one of this key came after it, or a backup
/// was restored, with which the key may have changed.
fn of_other_keys(snapshot: &LedgerSnapshot, kept: &[KeptCheckpoint], key: &VerifierKey) -> usize {
    let own = kept.iter().rposition(|kept| !is_of_other_key(kept, key));
    let restored_from = snapshot.epochs().last().first_leaf;
    let before = kept.partition_point(|kept| kept.size <= restored_from);
    own.unwrap_or_default().max(before)
}

/// The head that a checkpoint says of the log as it is now. One that was signed before a backup was
/// restored speaks for entries that may be lost: then it says why.
fn head_of(checkpoint: &Checkpoint, epochs: &Epochs) -> Result<TreeHead, String> {
    let head = checkpoint.head;
    let lost = epochs.as_slice().iter().find(|epoch| {
        epoch.first_sequence > checkpoint.epoch_begins_at && epoch.first_leaf < head.size
    });
    match lost {
        None => Ok(head),
        Some(epoch) => Err(format!(
            "a checkpoint of {} entries was signed in the epoch from entry {}; the ledger was restored \
             from a backup that had {} of them (epoch from entry {}), and those after it are lost",
            head.size, checkpoint.epoch_begins_at, epoch.first_leaf, epoch.first_sequence
        )),
    }
}
