//! Rows that cannot be used, over polls: a poll sees what changed, and a bad row that nobody mends does
//! not change.

use std::collections::{BTreeMap, HashSet};

use crate::feed::{ImportReport, PROBLEMS_SHOWN_MAX, Problem};

/// The rows of one table that are left out.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// By what they are called: the problem, and the number of the sweep that saw it last.
    rows: BTreeMap<String, (Problem<String>, u64)>,
    /// How many more there were in single pages than a page tells.
    untold: u64,
    sweep: u64,
}

impl LeftOut {
    /// A sweep begins: what it does not meet is gone.
    pub(super) const fn begin_sweep(&mut self) {
        self.sweep = self.sweep.saturating_add(1);
        self.untold = 0;
    }

    /// A sweep has met every row.
    pub(super) fn end_sweep(&mut self) {
        let sweep = self.sweep;
        self.rows.retain(|_, (_, seen)| *seen == sweep);
    }

    /// What became of a page with these rows.
    pub(super) fn page<'a>(&mut self, names: impl Iterator<Item = &'a str>, report: &ImportReport) {
        if !self.rows.is_empty() {
            let names: HashSet<&str> = names.collect();
            self.rows.retain(|name, _| !names.contains(name.as_str()));
        }
        let all = report.bad.saturating_add(report.refused);
        let mut told = 0_u64;
        for problem in &report.errors {
            if let Some(name) = &problem.place.file
                && (self.rows.len() < ROWS_MAX || self.rows.contains_key(name))
            {
                told = told.saturating_add(1);
                self.rows
                    .insert(name.clone(), (problem.clone(), self.sweep));
            }
        }
        self.untold = self.untold.saturating_add(all.saturating_sub(told));
    }

    /// Makes of a poll's report one that tells of all that is left out of all tables.
    pub(super) fn complete<'a>(
        all: impl Iterator<Item = &'a Self> + Clone,
        report: &mut ImportReport,
    ) {
        let count = |one: &Self| {
            let rows = u64::try_from(one.rows.len()).unwrap_or(u64::MAX);
            rows.saturating_add(one.untold)
        };
        let left_out: u64 = all.clone().map(count).sum();
        report.bad = left_out.saturating_sub(report.refused);
        let problems = all.flat_map(|one| one.rows.values().map(|(problem, _)| problem.clone()));
        report.errors = problems.take(PROBLEMS_SHOWN_MAX).collect();
    }
}

/// Somebody who has more of them to mend begins with these.
const ROWS_MAX: usize = 1_000;
