//! Batches that CA systems push: judged, recorded with their answer, and answered with a receipt.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Clerk, with_causes};
use crate::asn1::UnixTime;
use crate::authority::feeding::FeedBoard;
use crate::authority::{ErrorClass, Issuer, OperationError};
use crate::change::{Action, Change, Source};
use crate::config;
use crate::feed::live::FeedKey;
use crate::feed::push::{BatchError, Form, PushIssuer, Pushed, Reading};
use crate::identity::IssuerId;
use crate::ledger::{
    CommitError, PushFate, PushRecord, PushRequest, Receipt, Refused, Run, RunResult, SubmitError,
};

/// A batch as a client sent it.
#[derive(Clone, Copy, Debug)]
pub(in crate::authority) struct PushOrder<'a> {
    /// The client's name.
    pub(in crate::authority) client: &'a str,
    /// The names of the issuers that it may speak for.
    pub(in crate::authority) issuers: &'a [String],
    /// Its idempotency key: visible ASCII.
    pub(in crate::authority) key: &'a str,
    /// What it sent.
    pub(in crate::authority) body: &'a [u8],
    /// SHA-256 of that.
    pub(in crate::authority) body_sha256: [u8; 32],
    /// In which form.
    pub(in crate::authority) form: Form,
    /// Whether nothing is to be applied if anything is refused.
    pub(in crate::authority) all_or_nothing: bool,
}

impl Clerk {
    /// Reads a batch and submits it; never waits for the disk. The receipt says what became of it once it
    /// is durable and visible.
    ///
    /// # Errors
    /// [`PushError`]; then nothing was submitted.
    pub(in crate::authority) fn push(&self, order: &PushOrder<'_>) -> Result<Submitted, PushError> {
        let Some(commits) = &self.commits else {
            return Err(PushError::Submit(SubmitError::Stopped));
        };
        let allowed = self.issuers_of(order.issuers);
        let issuers: Vec<PushIssuer<'_>> = allowed
            .iter()
            .map(|issuer| PushIssuer {
                name: &issuer.name,
                id: issuer.id,
                certificate: &issuer.certificate,
            })
            .collect();
        let reading = Reading {
            issuers: &issuers,
            now: self.clock.now(),
        };
        let pushed = reading.read(order.body, order.form)?;
        let mut request = PushRequest {
            client: order.client.to_owned(),
            key: order.key.to_owned(),
            body_sha256: order.body_sha256,
            all_or_nothing: order.all_or_nothing,
            entries: pushed.len(),
            refused: Vec::new(),
        };
        let mut changes = Vec::with_capacity(pushed.len());
        let mut said = SaidOf::new(allowed.clone());
        for (place, pushed) in pushed.into_iter().enumerate() {
            match pushed {
                Pushed::Change {
                    mut change,
                    time_is_ours,
                } => {
                    if time_is_ours {
                        self.keep_known_time(&mut change)?;
                    }
                    said.note(Some(change.issuer));
                    changes.push(change);
                }
                Pushed::Refused(why) => {
                    said.note(None);
                    let (code, detail) = (why.code.to_owned(), why.detail);
                    request.refused.push((place, Refused { code, detail }));
                }
            }
        }
        // A client's name and key are bounded, so that they fit.
        let cursor = format!("{}: {}", order.client, order.key);
        let source = Source::new(SOURCE, cursor).map_err(|error| {
            PushError::Operation(OperationError::new(ErrorClass::Usage, error.to_string()))
        })?;
        let now = Instant::now();
        let deadline = now.checked_add(TURN_WAIT).unwrap_or(now);
        let receipt = commits.submit_push(request, changes, source, deadline)?;
        Ok(Submitted { receipt, said })
    }

    fn issuers_of(&self, names: &[String]) -> Vec<Arc<Issuer>> {
        let named = |issuer: &&Arc<Issuer>| names.contains(&issuer.name);
        self.issuers.iter().filter(named).map(Arc::clone).collect()
    }

    /// A revocation that states no time and is known for the same reason has the time known, so that it
    /// may be said again.
    fn keep_known_time(&self, change: &mut Change) -> Result<(), PushError> {
        let Action::Revoke { claim, .. } = &mut change.action else {
            return Ok(());
        };
        let status = self
            .ledger
            .status(&change.issuer, &change.serial)
            .map_err(|error| PushError::Operation(OperationError::from(&error)))?;
        let known = status.and_then(|status| status.revocation);
        if let Some(known) = known.filter(|known| known.claim.reason == claim.reason) {
            claim.revocation_time = known.claim.revocation_time;
        }
        Ok(())
    }
}

/// A batch that was submitted.
#[derive(Debug)]
pub(in crate::authority) struct Submitted {
    /// What comes of it.
    pub(in crate::authority) receipt: Receipt,
    /// Of whom it speaks.
    pub(in crate::authority) said: SaidOf,
}

/// Of which issuers the entries of a batch speak.
pub(in crate::authority) struct SaidOf {
    /// Those of the client.
    issuers: Vec<Arc<Issuer>>,
    /// For each entry the place of its issuer among those, if it is known. Nothing for a client of one
    /// issuer.
    places: Vec<Option<u16>>,
}

impl SaidOf {
    const fn new(issuers: Vec<Arc<Issuer>>) -> Self {
        Self {
            issuers,
            places: Vec::new(),
        }
    }

    fn note(&mut self, issuer: Option<IssuerId>) {
        if self.issuers.len() < 2 {
            return;
        }
        let place = |id| self.issuers.iter().position(|issuer| issuer.id == id);
        let place = issuer.and_then(place);
        let place = place.and_then(|place| u16::try_from(place).ok());
        self.places.push(place);
    }

    /// Tells the board of the client's batch. An empty one, or one that speaks of another issuer, says
    /// too that the client is there.
    pub(in crate::authority) fn tell(&self, board: &FeedBoard, client: &str, fate: &PushFate) {
        let runs = match fate {
            PushFate::Recorded(record) => record.runs.as_slice(),
            // What was counted is not counted again.
            PushFate::Repeated(_) => &[],
            PushFate::KeyReused => return,
        };
        for (issuer, own) in self.issuers.iter().zip(0_u16..) {
            for feed in &issuer.feeds {
                let config::Feed::Push(push) = feed else {
                    continue;
                };
                if push.client == client {
                    let key = FeedKey {
                        issuer: issuer.name.clone(),
                        feed: feed.name().to_owned(),
                    };
                    board.pushed(&key, self.counts(runs, own));
                }
            }
        }
    }

    fn counts(&self, runs: &[Run], own: u16) -> [u64; 3] {
        if self.places.is_empty() {
            return counts(runs);
        }
        let mut places = self.places.iter();
        let mut counted = [0_u64; 3];
        for run in runs {
            let count = usize::try_from(run.count).unwrap_or(usize::MAX);
            let of_own = places.by_ref().take(count).filter(|it| **it == Some(own));
            let count = u32::try_from(of_own.count()).unwrap_or(u32::MAX);
            let result = run.result.clone();
            let of_run = counts(&[Run { count, result }]);
            for (sum, count) in counted.iter_mut().zip(of_run) {
                *sum = sum.saturating_add(count);
            }
        }
        counted
    }
}

impl std::fmt::Debug for SaidOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SaidOf")
            .field("entries", &self.places.len())
            .finish_non_exhaustive()
    }
}

/// What the ledger's entries say of where they come from.
const SOURCE: &str = "push";

/// How long a batch waits for its turn; a queue that takes longer belongs to a disk that has stopped.
const TURN_WAIT: Duration = Duration::from_secs(30);

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(in crate::authority) enum PushError {
    /// It is no batch, or not one that this client may push.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The ledger does not take it now.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The ledger took it and could not finish it.
    #[error("{}", with_causes(.0))]
    Commit(#[from] CommitError),
    /// The key stands for another batch.
    #[error(
        "this Idempotency-Key was used for another batch within the last seven days: take a new key for \
         each batch"
    )]
    KeyReused,
    /// The ledger could not be read.
    #[error(transparent)]
    Operation(OperationError),
}

/// The record behind a fate.
///
/// # Errors
/// [`PushError::KeyReused`]; [`PushError::Commit`] where there is none, as of a ledger that has stopped.
pub(in crate::authority) fn record_of(
    fate: Option<&PushFate>,
) -> Result<(&PushRecord, bool), PushError> {
    match fate {
        Some(PushFate::Recorded(record)) => Ok((record, false)),
        Some(PushFate::Repeated(record)) => Ok((record, true)),
        Some(PushFate::KeyReused) => Err(PushError::KeyReused),
        None => Err(PushError::Commit(CommitError::Stopped)),
    }
}

/// The answer to a batch, as JSON: how many entries had which result, each result in the order of the
/// entries, and the receipt that `sign` makes of its text.
#[must_use]
pub(in crate::authority) fn answer(
    record: &PushRecord,
    log: &str,
    sign: impl FnOnce(&str) -> String,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Refusal<'a> {
        result: &'static str,
        code: &'a str,
        detail: &'a str,
    }
    let [applied, unchanged, refused] = counts(&record.runs);
    let entries = applied.saturating_add(unchanged).saturating_add(refused);
    let entries = usize::try_from(entries).unwrap_or(0);
    let mut json = String::with_capacity(entries.saturating_mul(40).saturating_add(1_024));
    // Writing to a String cannot fail.
    let _written = write!(
        json,
        "{{\"applied\":{applied},\"unchanged\":{unchanged},\"refused\":{refused},\"recorded\":\"{}\",\
         \"results\":[",
        time(record.recorded_ms)
    );
    let mut separator = "";
    for run in &record.runs {
        let same = match &run.result {
            RunResult::Applied { first } => {
                for number in 0..run.count {
                    let sequence = first.saturating_add(u64::from(number));
                    let _written = write!(
                        json,
                        "{separator}{{\"result\":\"applied\",\"sequence\":{sequence}}}"
                    );
                    separator = ",";
                }
                continue;
            }
            RunResult::Unchanged => "{\"result\":\"unchanged\"}".to_owned(),
            RunResult::Refused(why) => serde_json::to_string(&Refusal {
                result: "refused",
                code: &why.code,
                detail: &why.detail,
            })
            .unwrap_or_default(),
        };
        for _ in 0..run.count {
            json.push_str(separator);
            json.push_str(&same);
            separator = ",";
        }
    }
    json.push_str("],\"receipt\":");
    let receipt = sign(&receipt_text(record, log));
    json.push_str(&serde_json::to_string(&receipt).unwrap_or_default());
    json.push('}');
    json.into_bytes()
}

/// What is signed for a client: the same whenever it is asked for again.
///
/// ```text
/// estelam push receipt 1
/// log NAME
/// client NAME
/// key KEY
/// body sha256 HEX
/// recorded RFC 3339, with milliseconds
/// head LEAVES BASE64 of the root
/// entries COUNT
/// FIRST-LAST applied SEQUENCE-SEQUENCE
/// FIRST-LAST unchanged
/// FIRST-LAST refused CODE
/// ```
///
/// The last three as often as results change from one entry to the next; entries are counted from 1.
fn receipt_text(record: &PushRecord, log: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let [applied, unchanged, refused] = counts(&record.runs);
    let mut text = String::with_capacity(512);
    text.push_str("estelam push receipt 1\n");
    let _written = write!(
        text,
        "log {log}\nclient {}\nkey {}\nbody sha256 ",
        record.client, record.key
    );
    for octet in record.body_sha256 {
        let _written = write!(text, "{octet:02x}");
    }
    let _written = write!(
        text,
        "\nrecorded {}\nhead {} {}\nentries {}\n",
        time(record.recorded_ms),
        record.head.size,
        STANDARD.encode(record.head.root),
        applied.saturating_add(unchanged).saturating_add(refused)
    );
    let mut first = 1_u64;
    for run in &record.runs {
        let count = u64::from(run.count);
        let last = first.saturating_add(count).saturating_sub(1);
        let _written = match &run.result {
            RunResult::Applied { first: sequence } => {
                let last_sequence = sequence.saturating_add(count).saturating_sub(1);
                writeln!(text, "{first}-{last} applied {sequence}-{last_sequence}")
            }
            RunResult::Unchanged => writeln!(text, "{first}-{last} unchanged"),
            RunResult::Refused(why) => writeln!(text, "{first}-{last} refused {}", why.code),
        };
        first = last.saturating_add(1);
    }
    text
}

/// Applied, unchanged, refused.
fn counts(runs: &[Run]) -> [u64; 3] {
    let mut counts = [0_u64; 3];
    let [applied, unchanged, refused] = &mut counts;
    for run in runs {
        let place = match run.result {
            RunResult::Applied { .. } => &mut *applied,
            RunResult::Unchanged => &mut *unchanged,
            RunResult::Refused(_) => &mut *refused,
        };
        *place = place.saturating_add(u64::from(run.count));
    }
    counts
}

/// RFC 3339 with milliseconds.
fn time(millis: u64) -> String {
    let second = UnixTime::from_secs(millis / 1_000).unwrap_or(UnixTime::MAX);
    let second = second.to_string();
    let second = second.trim_end_matches('Z');
    format!("{second}.{:03}Z", millis % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::TreeHead;

    fn record() -> PushRecord {
        let run = |count, result| Run { count, result };
        let refused = Refused {
            code: "not_on_hold".to_owned(),
            detail: "not \"on\" hold".to_owned(),
        };
        PushRecord {
            client: "ca".to_owned(),
            key: "k-1".to_owned(),
            body_sha256: [0xab; 32],
            all_or_nothing: false,
            recorded_ms: 1_790_000_000_007,
            last_sequence: 12,
            head: TreeHead {
                size: 12,
                root: [0; 32],
            },
            runs: vec![
                run(2, RunResult::Applied { first: 10 }),
                run(1, RunResult::Unchanged),
                run(2, RunResult::Refused(refused)),
            ],
        }
    }

    #[test]
    fn the_answer_has_a_result_for_each_entry_and_a_receipt() {
        let json = answer(&record(), "log", |text| format!("{text}signed"));
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            (&json["applied"], &json["unchanged"], &json["refused"]),
            (&2.into(), &1.into(), &2.into())
        );
        assert_eq!(json["recorded"], "2026-09-21T14:13:20.007Z");
        let results = json["results"].as_array().unwrap();
        assert_eq!(results.len(), 5);
        assert_eq!(results[1]["sequence"], 11);
        assert_eq!(results[2]["result"], "unchanged");
        assert_eq!(results[4]["detail"], "not \"on\" hold");
        let expected = format!(
            "estelam push receipt 1\nlog log\nclient ca\nkey k-1\nbody sha256 {}\n\
             recorded 2026-09-21T14:13:20.007Z\nhead 12 {}=\nentries 5\n1-2 applied 10-11\n\
             3-3 unchanged\n4-5 refused not_on_hold\nsigned",
            "ab".repeat(32),
            "A".repeat(43)
        );
        assert_eq!(json["receipt"], expected);
    }
}
