//! What became of an import, for people, scripts and the admin protocol.

use std::fmt;

use crate::change::Refusal;

use super::{
    import::{Findings, Record},
    problems::{Place, Problem, Problems, Unit},
};

/// What became of an import.
///
/// Every line is counted once: `lines` = `applied` + `unchanged` + `bad` + `refused`, unless the
/// result is [`ImportResult::NothingApplied`]: then the rest are lines that would have been applied.
#[derive(Clone, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct ImportReport {
    /// The name of the source.
    pub source: String,
    /// Whether it was applied.
    pub result: ImportResult,
    /// What the source consists of, and the counts count: lines, unless it says otherwise.
    #[serde(default)]
    pub unit: Unit,
    /// Lines (certificates, entries) that speak of a certificate.
    pub lines: u64,
    /// Lines that brought something new, now recorded.
    pub applied: u64,
    /// Lines that say what is known already.
    pub unchanged: u64,
    /// Lines that cannot be read or contradict another.
    pub bad: u64,
    /// Lines that contradict the ledger.
    pub refused: u64,
    /// Lines among the unchanged whose certificates the ledger has revoked with another time or
    /// reason: what was recorded first stands.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub differing: u64,
    /// Lines among those applied whose certificates the ledger had as good, although the issuer has a
    /// source that should have told of their revocation before this one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reconciled: u64,
    /// Holds that the source ended by not listing them. No lines.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub released: u64,
    /// Revocations in the ledger, of certificates that have not expired, that the source does not
    /// list although it should. They stay. No lines.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing: u64,
    /// Of the refused lines, those that lie ahead of our clock: they may be right later.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ahead: u64,
    /// Bad and refused lines that were left out while the rest was applied.
    pub skipped: u64,
    /// The bad and refused lines with the lowest numbers, at most
    /// [`PROBLEMS_SHOWN_MAX`](super::PROBLEMS_SHOWN_MAX).
    pub errors: Vec<Problem<String>>,
    /// Where bad and refused lines stand, by [`Record::line`], in no order; fewer than there are when
    /// there are very many. For whoever reads the source again.
    #[serde(skip)]
    pub left_out: Vec<u64>,
    /// What else the operator should know of the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over references"
)]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Whether an import was applied.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportResult {
    /// Every line is in the ledger.
    Complete,
    /// All but the skipped lines are in the ledger.
    Skipped,
    /// Something was bad or refused, and the ledger is as it was.
    NothingApplied,
    /// The import did not come to its end; it can be run again.
    Unfinished,
}

/// The summary in one line, then a line for each error and each note.
impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            unit,
            lines,
            ..
        } = self;
        let result = match self.result {
            ImportResult::Complete => "imported",
            ImportResult::Skipped => "imported in part",
            ImportResult::NothingApplied => "nothing was applied",
            ImportResult::Unfinished => "not finished",
        };
        write!(f, "{source}: {result}: {lines} {}", unit.of(*lines))?;
        for (count, word) in [
            (self.applied, "applied"),
            (self.unchanged, "unchanged"),
            (self.bad, "bad"),
            (self.refused, "refused"),
            (self.skipped, "skipped"),
        ] {
            if count > 0 {
                write!(f, ", {count} {word}")?;
            }
        }
        for (count, note) in [
            (
                self.differing,
                "known with another time or reason, which stands",
            ),
            (
                self.reconciled,
                "revoked that were good until now, which a faster source should have told before",
            ),
            (self.released, "no longer on hold"),
            (
                self.missing,
                "revoked earlier and not listed, which stay revoked",
            ),
        ] {
            if count > 0 {
                write!(f, "; {count} {note}")?;
            }
        }
        for error in &self.errors {
            match error.place.file {
                None => write!(f, "\n{source}: {error}")?,
                Some(_) => write!(f, "\n{error}")?,
            }
        }
        let errors = u64::try_from(self.errors.len()).unwrap_or(u64::MAX);
        match self.bad.saturating_add(self.refused).saturating_sub(errors) {
            0 => {}
            more => write!(f, "\n{source}: and {more} more")?,
        }
        let mut notes = self.notes.iter();
        notes.try_for_each(|note| write!(f, "\n{source}: {note}"))
    }
}

/// The counts of an import on its way.
#[derive(Debug)]
pub(super) struct Tally {
    source: String,
    unit: Unit,
    lines: u64,
    repeated: u64,
    bad: u64,
    applied: u64,
    unchanged: u64,
    differing: u64,
    ahead: u64,
    problems: Problems<String>,
    notes: Vec<String>,
}

impl Tally {
    /// What is known when the source has been read.
    pub(super) fn new<F: Findings>(source: &str, findings: &F) -> Self {
        let problems = findings.problems().to_text();
        Self {
            source: source.to_owned(),
            unit: F::UNIT,
            lines: findings.line_count(),
            repeated: findings.repeated(),
            bad: problems.total(),
            applied: 0,
            unchanged: 0,
            differing: 0,
            ahead: 0,
            problems,
            notes: findings.notes(),
        }
    }

    /// The lines that are good and no repetitions.
    pub(super) const fn records(&self) -> u64 {
        self.lines
            .saturating_sub(self.repeated)
            .saturating_sub(self.bad)
    }

    pub(super) const fn bad(&self) -> u64 {
        self.bad
    }

    pub(super) const fn refused(&self) -> u64 {
        self.problems.total().saturating_sub(self.bad)
    }

    pub(super) const fn add_applied(&mut self) {
        self.applied = self.applied.saturating_add(1);
    }

    pub(super) const fn add_unchanged(&mut self) {
        self.unchanged = self.unchanged.saturating_add(1);
    }

    /// `place` tells where the record stands.
    /// Known otherwise, and left as it is known.
    pub(super) const fn add_differing(&mut self) {
        self.add_unchanged();
        self.differing = self.differing.saturating_add(1);
    }

    pub(super) fn add_refused(
        &mut self,
        record: &Record,
        refusal: &Refusal,
        place: impl FnOnce() -> Place,
    ) {
        let Record { line, change } = record;
        if matches!(refusal, Refusal::TimeAhead { .. }) {
            self.ahead = self.ahead.saturating_add(1);
        }
        self.problems.push_at(*line, || Problem {
            place: place(),
            part: None,
            cause: format!("serial number {}: {refusal}", change.serial),
        });
    }

    /// The report of an import that came to its end.
    pub(super) fn finish(self) -> ImportReport {
        let result = match self.problems.total() {
            0 => ImportResult::Complete,
            _ => ImportResult::Skipped,
        };
        self.report(result)
    }

    pub(super) fn report(self, result: ImportResult) -> ImportReport {
        let refused = self.refused();
        let total = self.problems.total();
        let (errors, left_out) = self.problems.into_first();
        ImportReport {
            source: self.source,
            result,
            unit: self.unit,
            lines: self.lines,
            applied: self.applied,
            unchanged: self.unchanged.saturating_add(self.repeated),
            bad: self.bad,
            refused,
            differing: self.differing,
            reconciled: 0,
            released: 0,
            missing: 0,
            skipped: match result {
                ImportResult::Complete | ImportResult::NothingApplied => 0,
                ImportResult::Skipped | ImportResult::Unfinished => total,
            },
            ahead: self.ahead,
            errors,
            left_out,
            notes: self.notes,
        }
    }
}
