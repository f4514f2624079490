//! What is wrong with a feed file: every bad line counted, the first few kept.

use std::fmt;

/// How many problems are kept to be shown. A file of another kind is wrong in every line, and nobody
/// reads past a screen.
pub const PROBLEMS_SHOWN_MAX: usize = 20;

/// One bad line.
#[derive(Clone, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Problem<C> {
    /// The line, counted from 1.
    pub line: u64,
    /// The bad part of it; `None` when the line as a whole is meant.
    #[serde(flatten)]
    pub part: Option<BadPart>,
    /// What is wrong there.
    pub cause: C,
}

/// The part of a line that is wrong.
#[derive(Clone, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct BadPart {
    /// The octet in the line at which it begins, counted from 1.
    pub column: u64,
    /// Its beginning, escaped so that any terminal can show it.
    pub excerpt: String,
}

impl BadPart {
    /// The part of a line that `octets` are and `offset` octets precede.
    #[must_use]
    pub fn new(offset: usize, octets: &[u8]) -> Self {
        let (shown, rest) = octets
            .split_at_checked(EXCERPT_OCTETS_MAX)
            .unwrap_or((octets, b""));
        let more = if rest.is_empty() { "" } else { "…" };
        Self {
            column: u64::try_from(offset).unwrap_or(u64::MAX).saturating_add(1),
            excerpt: format!("{}{more}", shown.escape_ascii()),
        }
    }
}

/// Enough for every form that can be right, and one line of a terminal.
const EXCERPT_OCTETS_MAX: usize = 48;

impl<C: fmt::Display> fmt::Display for Problem<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, cause, .. } = self;
        match &self.part {
            None => write!(f, "line {line}: {cause}"),
            Some(BadPart { column, excerpt }) => {
                write!(f, "line {line}, column {column}: {cause}: \"{excerpt}\"")
            }
        }
    }
}

/// The bad lines of one file: all counted, the [`PROBLEMS_SHOWN_MAX`] of the lowest number kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problems<C> {
    total: u64,
    /// Ordered by line.
    first: Vec<Problem<C>>,
}

impl<C> Problems<C> {
    /// No bad line.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            total: 0,
            first: Vec::new(),
        }
    }

    /// Counts the bad line `line`, and keeps what `describe` says of it if it is among the first;
    /// only then is that called.
    pub fn push(&mut self, line: u64, describe: impl FnOnce() -> (Option<BadPart>, C)) {
        self.total = self.total.saturating_add(1);
        let place = self.first.partition_point(|known| known.line <= line);
        if place < PROBLEMS_SHOWN_MAX {
            self.first.truncate(PROBLEMS_SHOWN_MAX.saturating_sub(1));
            let (part, cause) = describe();
            self.first.insert(place, Problem { line, part, cause });
        }
    }

    /// How many lines are bad.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The first of them, ordered by line.
    #[must_use]
    pub fn first(&self) -> &[Problem<C>] {
        &self.first
    }

    /// The first of them, ordered by line.
    #[must_use]
    pub fn into_first(self) -> Vec<Problem<C>> {
        self.first
    }
}

impl<C: fmt::Display> Problems<C> {
    /// The same, with the causes as text.
    #[must_use]
    pub fn to_text(&self) -> Problems<String> {
        Problems {
            total: self.total,
            first: self
                .first
                .iter()
                .map(|problem| Problem {
                    line: problem.line,
                    part: problem.part.clone(),
                    cause: problem.cause.to_string(),
                })
                .collect(),
        }
    }
}

impl<C> Default for Problems<C> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_lines_are_kept_in_order() {
        let mut problems = Problems::new();
        for line in (1..=50).rev() {
            problems.push(line, || (None, line));
        }
        assert_eq!(problems.total(), 50);
        let kept: Vec<u64> = problems.first().iter().map(|known| known.cause).collect();
        assert_eq!(kept, (1..=20).collect::<Vec<u64>>());
    }

    #[test]
    fn a_cause_beyond_those_shown_is_not_made() {
        let mut problems = Problems::new();
        for line in 1..=20 {
            problems.push(line, || (Some(BadPart::new(2, b"a\xff\tb")), "shown"));
        }
        problems.push(21, || unreachable!("only the first 20 are made"));
        assert_eq!(
            problems.first()[0].to_string(),
            r#"line 1, column 3: shown: "a\xff\tb""#
        );
    }

    #[test]
    fn an_excerpt_is_short() {
        assert_eq!(
            BadPart::new(0, &[b'x'; 4096]).excerpt,
            format!("{}…", "x".repeat(48))
        );
    }
}
