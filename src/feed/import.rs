//! Brings what a source says into the ledger: all of it judged before any of it is applied.
//!
//! 1. The source has been read whole. One bad line, and nothing is applied, unless bad lines are to
//!    be skipped.
//! 2. Every record is judged against the ledger as it is. One refusal, and nothing is applied,
//!    unless bad lines are to be skipped. A line is one change: a certificate whose revocation cannot
//!    be taken is not recorded as issued either, which would make it look good.
//! 3. What remains is applied, a batch at a time, each durable before the next begins. Killed between
//!    two batches, the import is completed by running it again: what is there is unchanged.
//!
//! The ledger is behind [`StatusSink`], so that the same driver serves a command that owns the ledger
//! and a server that shares it.

use std::fmt;

use crate::change::{Change, Outcome, Refusal, Verdict};

use super::{
    problems::{Place, Problems, Unit},
    report::{ImportReport, ImportResult, Tally},
};

/// What a source says, read whole.
pub trait Findings {
    /// Why one of its lines is bad.
    type Cause: fmt::Display;

    /// What the source consists of.
    const UNIT: Unit = Unit::Line;

    /// How many lines (or other units of the source) speak of a certificate, the bad ones and the
    /// repetitions among them.
    fn line_count(&self) -> u64;

    /// How many good lines say nothing that an earlier one does not say.
    fn repeated(&self) -> u64;

    /// The bad lines.
    fn problems(&self) -> &Problems<Self::Cause>;

    /// The good lines without repetitions: no two of them speak of the same certificate.
    ///
    /// Any order is right. That of the ledger, by [`SerialHash::order`], makes an import several times
    /// as fast: a batch then touches one stretch of the ledger, which is read and written in sequence.
    ///
    /// [`SerialHash::order`]: crate::identity::SerialHash::order
    fn records(&self) -> impl Iterator<Item = Record> + '_;

    /// Whether a record that the ledger refuses for this is left as the ledger has it, and counted as
    /// unchanged.
    fn passes_over(&self, _refusal: &Refusal) -> bool {
        false
    }

    /// What the operator should know beside the counts.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// The place that [`Record::line`] stands for.
    fn place(&self, line: u64) -> Place {
        Place::new(Self::UNIT, line)
    }
}

/// What one line says about one certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Record {
    /// Where the source says it: the number of the line, counted from 1, unless
    /// [`Findings::place`] says otherwise. Later ones are higher.
    pub line: u64,
    /// What it says.
    pub change: Change,
}

/// Where changes are judged and applied: the ledger, seen from a feed.
pub trait StatusSink {
    /// Why the sink cannot be asked.
    type Error: std::error::Error;

    /// What would become of each change if all were applied in order, one verdict a change. Changes
    /// nothing.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn judge(&mut self, changes: &[Change]) -> Result<Vec<Verdict>, Self::Error>;

    /// Applies the changes in order, one outcome a change. What it returns is durable, and visible to
    /// every question asked from then on.
    ///
    /// # Errors
    /// When the ledger cannot be written; nothing of this batch is then acknowledged.
    fn apply(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, Self::Error>;
}

/// How to import.
#[derive(Clone, Copy, Debug)]
pub struct ImportOptions<'a> {
    /// The name of the source, for the report.
    pub source: &'a str,
    /// Leave out what is bad or refused and apply the rest.
    pub skip_bad: bool,
}

/// How far an import is; told once a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Records done in this phase.
    pub done: u64,
    /// Records in this phase.
    pub of: u64,
}

/// What an import does; reading comes before.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Asking whether each record fits.
    Judging,
    /// Recording them.
    Applying,
}

/// Imports what was found in a source.
///
/// # Errors
/// [`ImportError`] when the sink fails. What is wrong with the source is no error but in the report.
pub fn import<F: Findings, S: StatusSink>(
    findings: &F,
    sink: &mut S,
    options: ImportOptions<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<ImportReport, ImportError<S::Error>> {
    let mut tally = Tally::new(options.source, findings);
    if tally.bad() > 0 && !options.skip_bad {
        return Ok(tally.report(ImportResult::NothingApplied));
    }
    let new = judge(findings, sink, &mut tally, progress).map_err(ImportError::Judge)?;
    if tally.refused() > 0 && !options.skip_bad {
        return Ok(tally.report(ImportResult::NothingApplied));
    }
    match apply(findings, &new, sink, &mut tally, progress) {
        Ok(()) => Ok(tally.finish()),
        Err(failure) => Err(ImportError::Apply {
            failure,
            report: Box::new(tally.report(ImportResult::Unfinished)),
        }),
    }
}

/// Which records, in order, bring something new. Refused ones are in the tally.
fn judge<F: Findings, S: StatusSink>(
    findings: &F,
    sink: &mut S,
    tally: &mut Tally,
    progress: &mut dyn FnMut(Progress),
) -> Result<Marks, SinkFailure<S::Error>> {
    let of = tally.records();
    let mut new = Marks::default();
    let mut batch = Batch::new();
    let mut records = findings.records();
    while batch.fill(&mut records) {
        let verdicts = sink.judge(&batch.changes)?;
        for (record, verdict) in batch.answered(verdicts)? {
            new.push(matches!(verdict, Verdict::Applies));
            match verdict {
                Verdict::Applies => {}
                Verdict::Unchanged => tally.add_unchanged(),
                Verdict::Refused(refusal) if findings.passes_over(&refusal) => {
                    tally.add_differing();
                }
                Verdict::Refused(refusal) => {
                    tally.add_refused(&record, &refusal, || findings.place(record.line));
                }
            }
        }
        progress(Progress {
            phase: Phase::Judging,
            done: new.len,
            of,
        });
    }
    Ok(new)
}

/// Applies the records marked in `new`. One that was refused although it was judged fit met another
/// source's change in between.
fn apply<F: Findings, S: StatusSink>(
    findings: &F,
    new: &Marks,
    sink: &mut S,
    tally: &mut Tally,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), SinkFailure<S::Error>> {
    let of = new.set;
    let mut done = 0_u64;
    let mut batch = Batch::new();
    let mut records = findings
        .records()
        .zip(new.iter())
        .filter_map(|(record, new)| new.then_some(record));
    while batch.fill(&mut records) {
        let outcomes = sink.apply(&batch.changes)?;
        for (record, outcome) in batch.answered(outcomes)? {
            match outcome {
                Outcome::Applied { .. } => tally.add_applied(),
                Outcome::Unchanged => tally.add_unchanged(),
                Outcome::Refused(refusal) if findings.passes_over(&refusal) => {
                    tally.add_differing();
                }
                Outcome::Refused(refusal) => {
                    tally.add_refused(&record, &refusal, || findings.place(record.line));
                }
            }
        }
        done = done.saturating_add(count(batch.changes.len()));
        progress(Progress {
            phase: Phase::Applying,
            done,
            of,
        });
    }
    Ok(())
}

/// One bit a record: there may be tens of millions.
#[derive(Default)]
struct Marks {
    /// Lowest bit first.
    words: Vec<u64>,
    len: u64,
    /// How many are set.
    set: u64,
}

impl Marks {
    fn push(&mut self, mark: bool) {
        let bit = self.len % u64::from(u64::BITS);
        if bit == 0 {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(mark) << bit;
        }
        self.len = self.len.saturating_add(1);
        self.set = self.set.saturating_add(u64::from(mark));
    }

    /// The marks, and then false.
    fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        let bits = |word: &u64| {
            let word = *word;
            (0..u64::BITS).map(move |bit| word >> bit & 1 == 1)
        };
        self.words.iter().flat_map(bits)
    }
}

/// Some records: their changes as the sink takes them, and their lines.
struct Batch {
    changes: Vec<Change>,
    lines: Vec<u64>,
}

impl Batch {
    const fn new() -> Self {
        Self {
            changes: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Takes the next records in place of those it had; false when there are none.
    fn fill(&mut self, records: &mut impl Iterator<Item = Record>) -> bool {
        self.changes.clear();
        self.lines.clear();
        for Record { line, change } in records.take(BATCH_RECORDS) {
            self.changes.push(change);
            self.lines.push(line);
        }
        !self.changes.is_empty()
    }

    /// Each record with what the sink answered.
    fn answered<A, E: std::error::Error>(
        &self,
        answers: Vec<A>,
    ) -> Result<impl Iterator<Item = (Record, A)>, SinkFailure<E>> {
        if answers.len() != self.changes.len() {
            return Err(SinkFailure::AnswerCount {
                expected: self.changes.len(),
                actual: answers.len(),
            });
        }
        let records = self.lines.iter().zip(&self.changes);
        let record = |(line, change): (&u64, &Change)| Record {
            line: *line,
            change: *change,
        };
        Ok(records.map(record).zip(answers))
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Records sent to the sink at once. Each batch is synced once, and a sync costs about as much as
/// writing a few hundred entries; past that a larger batch only takes memory (2 MiB at this size).
const BATCH_RECORDS: usize = 4096;

/// Why an import could not be finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError<E: std::error::Error> {
    /// The ledger failed before anything was applied.
    #[error("nothing was applied")]
    Judge(#[source] SinkFailure<E>),
    /// The ledger failed on the way. What the report counts as applied is durable; running the import
    /// again completes it.
    #[error(
        "only {} of {} {} were applied; run the import again to complete it",
        report.applied, report.lines, report.unit.of(report.lines)
    )]
    Apply {
        /// What failed.
        #[source]
        failure: SinkFailure<E>,
        /// How far the import came.
        report: Box<ImportReport>,
    },
}

/// Why the sink gave no verdicts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkFailure<E: std::error::Error> {
    /// The ledger, or the way to it.
    #[error(transparent)]
    Sink(#[from] E),
    /// It broke its promise of one answer a change, so no answer can be told from another.
    #[error("{actual} answers came back for {expected} changes")]
    AnswerCount {
        /// The changes sent.
        expected: usize,
        /// The answers that came back.
        actual: usize,
    },
}

#[cfg(test)]
mod tests;
