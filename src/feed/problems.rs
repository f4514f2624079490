//! What is wrong with a feed: every bad line counted, the first few kept.

use std::fmt;

/// How many problems are kept to be shown. A file of another kind is wrong in every line, and nobody
/// reads past a screen.
pub const PROBLEMS_SHOWN_MAX: usize = 20;

/// How many places are kept, so that a source which is read again knows what to look at again: half a
/// MiB.
const PLACES_KEPT_MAX: usize = 1 << 16;

/// What a source consists of, and is counted in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Lines of text.
    #[default]
    Line,
    /// Certificates in files.
    Certificate,
    /// Entries of a CRL.
    Entry,
    /// Rows of a table, or messages of a batch.
    Row,
}

impl Unit {
    /// The word for one of them.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Certificate => "certificate",
            Self::Entry => "entry",
            Self::Row => "row",
        }
    }

    /// What problems were counted in before there were other units: not said aloud.
    fn is_line(&self) -> bool {
        *self == Self::Line
    }

    /// The word for `count` of them.
    #[must_use]
    pub const fn of(self, count: u64) -> &'static str {
        match (self, count) {
            (_, 1) => self.name(),
            (Self::Line, _) => "lines",
            (Self::Certificate, _) => "certificates",
            (Self::Entry, _) => "entries",
            (Self::Row, _) => "rows",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where in a source something stands.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Place {
    /// The file, of a source that consists of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What `line` counts: lines, unless it says otherwise.
    #[serde(default, skip_serializing_if = "Unit::is_line")]
    pub unit: Unit,
    /// The number of the line, certificate or entry, counted from 1; 0 for the file as a whole.
    pub line: u64,
}

impl Place {
    /// A place in a source that is one file.
    #[must_use]
    pub const fn new(unit: Unit, line: u64) -> Self {
        Self {
            file: None,
            unit,
            line,
        }
    }
}

/// `line 7`, `certs/a.pem: certificate 3`, `certs/a.pem`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, unit, line } = self;
        match (file, line) {
            (Some(file), 0) => f.write_str(file),
            (None, 0) => f.write_str("all of it"),
            (Some(file), line) => write!(f, "{file}: {unit} {line}"),
            (None, line) => write!(f, "{unit} {line}"),
        }
    }
}

/// One bad line, or whatever else the source consists of.
#[derive(Clone, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Problem<C> {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// The bad part of it; `None` when it is meant as a whole.
    #[serde(flatten)]
    pub part: Option<BadPart>,
    /// What is wrong there.
    pub cause: C,
}

/// The part of a line that is wrong.
#[derive(Clone, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct BadPart {
    /// The octet in the line at which it begins, counted from 1; in a line whose fields have names or
    /// numbers, the number of the field.
    pub column: u64,
    /// The field's name, where fields have names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Its beginning, escaped so that any terminal can show it.
    pub excerpt: String,
}

impl BadPart {
    /// The part of a line that `octets` are and `offset` octets precede.
    #[must_use]
    pub fn new(offset: usize, octets: &[u8]) -> Self {
        Self {
            column: u64::try_from(offset).unwrap_or(u64::MAX).saturating_add(1),
            field: None,
            excerpt: excerpt(octets),
        }
    }

    /// The field that `octets` are: the one with this number, counted from 1, and perhaps a name.
    #[must_use]
    pub fn of_field(column: u64, name: Option<&str>, octets: &[u8]) -> Self {
        Self {
            column,
            field: name.map(str::to_owned),
            excerpt: excerpt(octets),
        }
    }
}

/// The beginning of `octets`, for any terminal.
pub(super) fn excerpt(octets: &[u8]) -> String {
    let (shown, rest) = octets
        .split_at_checked(EXCERPT_OCTETS_MAX)
        .unwrap_or((octets, b""));
    let more = if rest.is_empty() { "" } else { "…" };
    format!("{}{more}", shown.escape_ascii())
}

/// Enough for every form that can be right, and one line of a terminal.
const EXCERPT_OCTETS_MAX: usize = 48;

impl<C: fmt::Display> fmt::Display for Problem<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, part, cause } = self;
        write!(f, "{place}")?;
        match part {
            None => write!(f, ": {cause}"),
            Some(BadPart {
                column,
                field,
                excerpt,
            }) => {
                match field {
                    None => write!(f, ", column {column}")?,
                    Some(field) => write!(f, ", column {field:?}")?,
                }
                write!(f, ": {cause}: \"{excerpt}\"")
            }
        }
    }
}

/// The bad lines of one source: all counted, the [`PROBLEMS_SHOWN_MAX`] that come first kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problems<C> {
    unit: Unit,
    total: u64,
    /// The order of each of `first`.
    orders: Vec<u64>,
    /// In their order.
    first: Vec<Problem<C>>,
    /// The orders of all, in no order, unless there are more than [`PLACES_KEPT_MAX`].
    places: Vec<u64>,
}

impl<C> Problems<C> {
    /// No bad line.
    #[must_use]
    pub const fn new() -> Self {
        Self::of(Unit::Line)
    }

    /// None of these is bad.
    #[must_use]
    pub const fn of(unit: Unit) -> Self {
        Self {
            unit,
            total: 0,
            orders: Vec::new(),
            first: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Counts the bad line `line`, and keeps what `describe` says of it if it is among the first;
    /// only then is that called.
    pub fn push(&mut self, line: u64, describe: impl FnOnce() -> (Option<BadPart>, C)) {
        let unit = self.unit;
        self.push_at(line, || {
            let (part, cause) = describe();
            let place = Place::new(unit, line);
            Problem { place, part, cause }
        });
    }

    /// Counts one, and keeps what `describe` says of it if `order` is among the lowest; only then is
    /// that called. For sources whose places are more than a number.
    pub fn push_at(&mut self, order: u64, describe: impl FnOnce() -> Problem<C>) {
        self.total = self.total.saturating_add(1);
        if self.places.len() < PLACES_KEPT_MAX {
            self.places.push(order);
        }
        let place = self.orders.partition_point(|known| *known <= order);
        if place < PROBLEMS_SHOWN_MAX {
            let kept = PROBLEMS_SHOWN_MAX.saturating_sub(1);
            self.orders.truncate(kept);
            self.first.truncate(kept);
            self.orders.insert(place, order);
            self.first.insert(place, describe());
        }
    }

    /// How many lines are bad.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The first of them, in the order of the source.
    #[must_use]
    pub fn first(&self) -> &[Problem<C>] {
        &self.first
    }

    /// The first of them, in the order of the source, and the places of all as far as they were kept.
    #[must_use]
    pub fn into_first(self) -> (Vec<Problem<C>>, Vec<u64>) {
        (self.first, self.places)
    }
}

impl<C: fmt::Display> Problems<C> {
    /// The same, with the causes as text.
    #[must_use]
    pub fn to_text(&self) -> Problems<String> {
        Problems {
            unit: self.unit,
            total: self.total,
            orders: self.orders.clone(),
            places: self.places.clone(),
            first: self
                .first
                .iter()
                .map(|problem| Problem {
                    place: problem.place.clone(),
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
    fn a_place_is_told_in_the_words_of_its_source() {
        let place = |file: Option<&str>, unit, line| Place {
            file: file.map(str::to_owned),
            unit,
            line,
        };
        let field = BadPart::of_field(3, Some("reason"), b"lost");
        for (place, part, told) in [
            (
                place(Some("certs/a.pem"), Unit::Certificate, 3),
                None,
                "certs/a.pem: certificate 3: bad",
            ),
            (
                place(Some("certs/a.pem"), Unit::Certificate, 0),
                None,
                "certs/a.pem: bad",
            ),
            (
                place(None, Unit::Line, 7),
                Some(field),
                "line 7, column \"reason\": bad: \"lost\"",
            ),
            (
                place(None, Unit::Line, 7),
                Some(BadPart::of_field(3, None, b"")),
                "line 7, column 3: bad: \"\"",
            ),
            (place(None, Unit::Entry, 17), None, "entry 17: bad"),
        ] {
            let cause = "bad";
            assert_eq!(Problem { place, part, cause }.to_string(), told);
        }
    }

    #[test]
    fn problems_of_earlier_versions_are_read() {
        let known = r#"{"line":2,"column":17,"excerpt":"x","cause":"bad"}"#;
        let problem: Problem<String> = serde_json::from_str(known).unwrap();
        assert_eq!(problem.place, Place::new(Unit::Line, 2));
        assert_eq!(serde_json::to_string(&problem).unwrap(), known);
    }

    #[test]
    fn an_excerpt_is_short() {
        assert_eq!(
            BadPart::new(0, &[b'x'; 4096]).excerpt,
            format!("{}…", "x".repeat(48))
        );
    }
}
