//! Which column is which field, and how its values are written.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a CSV file means. The default reads `serial,status,reason,revocation_time` and the other
/// fields by their own names.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsvMapping {
    /// The columns of fields whose header is not their own name.
    pub columns: BTreeMap<CsvField, CsvColumn>,
    /// What stands between fields: an ASCII character; a comma when left out.
    pub delimiter: Option<char>,
    /// How serial numbers are written.
    pub serials: CsvSerials,
    /// How times are written.
    pub times: CsvTimes,
    /// The words of the status column, letter case aside; `good`, `revoked` and `hold` when empty.
    pub statuses: BTreeMap<String, CsvStatus>,
    /// The status of every line, in a file without a status column.
    pub every_status: Option<CsvStatus>,
}

impl CsvMapping {
    /// Whether the first line names the columns: it does unless all columns are given by number.
    pub(super) fn has_header(&self) -> Result<bool, ColumnError> {
        let numbers = self.columns.values().filter(|column| column.is_number());
        match (numbers.count(), self.columns.len()) {
            (0, _) => Ok(true),
            (numbers, all) if numbers == all => Ok(false),
            _ => Err(ColumnError::NamesAndNumbers),
        }
    }

    pub(super) fn delimiter_octet(&self) -> Result<u8, ColumnError> {
        let delimiter = self.delimiter.unwrap_or(',');
        let usable = delimiter == '\t'
            || (delimiter.is_ascii_punctuation() && !matches!(delimiter, '"' | '-' | ':' | '.'));
        u8::try_from(delimiter)
            .ok()
            .filter(|_| usable)
            .ok_or(ColumnError::Delimiter { delimiter })
    }
}

/// What a column can hold.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CsvField {
    /// serialNumber
    Serial,
    /// Whether it is revoked.
    Status,
    /// reasonCode
    Reason,
    /// revocationTime
    RevocationTime,
    /// invalidityDate
    InvalidityDate,
    /// notBefore
    NotBefore,
    /// notAfter
    NotAfter,
    /// SHA-256 of the certificate.
    Sha256,
}

impl CsvField {
    /// Every field.
    pub const ALL: [Self; 8] = [
        Self::Serial,
        Self::Status,
        Self::Reason,
        Self::RevocationTime,
        Self::InvalidityDate,
        Self::NotBefore,
        Self::NotAfter,
        Self::Sha256,
    ];

    /// Its name, and the header it has unless the mapping says otherwise.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::Status => "status",
            Self::Reason => "reason",
            Self::RevocationTime => "revocation_time",
            Self::InvalidityDate => "invalidity_date",
            Self::NotBefore => "not_before",
            Self::NotAfter => "not_after",
            Self::Sha256 => "sha256",
        }
    }
}

impl fmt::Display for CsvField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CsvField {
    type Err = MappingWordError;

    fn from_str(word: &str) -> Result<Self, MappingWordError> {
        chosen(word, &Self::ALL.map(|field| (field.name(), field)))
    }
}

/// A column of the file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CsvColumn {
    /// The one with this header.
    Named(String),
    /// The one with this number, counted from 1, in a file without a header.
    Number(usize),
}

impl CsvColumn {
    const fn is_number(&self) -> bool {
        matches!(self, Self::Number(_))
    }
}

/// Digits alone are a number.
impl From<&str> for CsvColumn {
    fn from(text: &str) -> Self {
        match text.parse() {
            Ok(number) if text.bytes().all(|octet| octet.is_ascii_digit()) => Self::Number(number),
            _ => Self::Named(text.to_owned()),
        }
    }
}

/// How serial numbers are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CsvSerials {
    /// Hexadecimal digits, two an octet.
    #[default]
    Hex,
    /// Decimal digits.
    Decimal,
}

impl FromStr for CsvSerials {
    type Err = MappingWordError;

    fn from_str(word: &str) -> Result<Self, MappingWordError> {
        chosen(word, &[("hex", Self::Hex), ("decimal", Self::Decimal)])
    }
}

/// How times are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CsvTimes {
    /// `2026-03-21T08:30:00Z`, or with an offset
    #[default]
    Rfc3339,
    /// Seconds since 1970; -1 for none.
    Unix,
    /// Milliseconds since 1970; -1 for none.
    UnixMs,
    /// `2026-03-21 08:30:00` in UTC.
    Utc,
}

impl FromStr for CsvTimes {
    type Err = MappingWordError;

    fn from_str(word: &str) -> Result<Self, MappingWordError> {
        chosen(
            word,
            &[
                ("rfc3339", Self::Rfc3339),
                ("unix", Self::Unix),
                ("unix-ms", Self::UnixMs),
                ("utc", Self::Utc),
            ],
        )
    }
}

/// What a word of the status column means.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CsvStatus {
    /// Issued and not revoked.
    Good,
    /// Revoked, or on hold where the reason says so.
    Revoked,
    /// On hold.
    Hold,
    /// Revoked where a revocation time is given, else good.
    ByTime,
}

impl FromStr for CsvStatus {
    type Err = MappingWordError;

    fn from_str(word: &str) -> Result<Self, MappingWordError> {
        chosen(
            word,
            &[
                ("good", Self::Good),
                ("revoked", Self::Revoked),
                ("hold", Self::Hold),
                ("by-time", Self::ByTime),
            ],
        )
    }
}

fn chosen<T: Copy>(word: &str, choices: &[(&'static str, T)]) -> Result<T, MappingWordError> {
    choices
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, choice)| *choice)
        .ok_or_else(|| MappingWordError {
            word: word.to_owned(),
            choices: choices.iter().map(|(name, _)| *name).collect(),
        })
}

/// A word of a mapping that means nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{word:?} is none of: {}", choices.join(", "))]
pub struct MappingWordError {
    /// The word.
    pub word: String,
    /// Those that mean something.
    pub choices: Vec<&'static str>,
}

/// Where in a row each field stands.
#[derive(Debug)]
pub(super) struct Columns {
    /// How many there are.
    count: usize,
    /// Of each of [`CsvField::ALL`].
    places: [Option<usize>; CsvField::ALL.len()],
    /// The header; empty where there is none.
    names: Vec<String>,
}

impl Columns {
    /// Those of a file with a header.
    pub(super) fn named(mapping: &CsvMapping, names: &[String]) -> Result<Self, ColumnError> {
        let find = |name: &str| {
            let mut places = (0..).zip(names).filter(|(_, known)| *known == name);
            let found = places.next().map(|(place, _)| place);
            match places.next() {
                None => Ok(found),
                Some(_) => Err(ColumnError::Twice {
                    header: name.to_owned(),
                }),
            }
        };
        let place = |field: CsvField| match mapping.columns.get(&field) {
            None => find(field.name()),
            Some(CsvColumn::Named(header)) => match find(header)? {
                None => Err(ColumnError::NoSuchHeader {
                    field,
                    header: header.clone(),
                    found: list(names),
                }),
                found => Ok(found),
            },
            Some(CsvColumn::Number(_)) => Err(ColumnError::NamesAndNumbers),
        };
        let mut places = [None; CsvField::ALL.len()];
        for (target, field) in places.iter_mut().zip(CsvField::ALL) {
            *target = place(field)?;
        }
        let columns = Self {
            count: names.len(),
            places,
            names: names.to_vec(),
        };
        columns.judged(mapping)
    }

    /// Those of a file without a header, whose first row has `count` fields.
    pub(super) fn numbered(mapping: &CsvMapping, count: usize) -> Result<Self, ColumnError> {
        let mut places = [None; CsvField::ALL.len()];
        for (target, field) in places.iter_mut().zip(CsvField::ALL) {
            if let Some(CsvColumn::Number(number)) = mapping.columns.get(&field) {
                let place = number.checked_sub(1).filter(|place| *place < count);
                let (number, count) = (*number, count);
                *target = Some(place.ok_or(ColumnError::NoSuchNumber {
                    field,
                    number,
                    count,
                })?);
            }
        }
        let columns = Self {
            count,
            places,
            names: Vec::new(),
        };
        columns.judged(mapping)
    }

    /// These, if they tell what has to be known.
    fn judged(self, mapping: &CsvMapping) -> Result<Self, ColumnError> {
        let missing = |field| ColumnError::Missing {
            field,
            found: list(&self.names),
        };
        if self.place(CsvField::Serial).is_none() {
            return Err(missing(CsvField::Serial));
        }
        match (self.place(CsvField::Status), mapping.every_status) {
            (None, None) => return Err(missing(CsvField::Status)),
            (Some(_), Some(_)) => return Err(ColumnError::StatusTwice),
            _ => {}
        }
        for (field, place) in CsvField::ALL.into_iter().zip(self.places) {
            let same = |(other, known): &(CsvField, Option<usize>)| {
                *other > field && place.is_some() && *known == place
            };
            if let Some((other, _)) = CsvField::ALL.into_iter().zip(self.places).find(same) {
                return Err(ColumnError::Shared { field, other });
            }
        }
        Ok(self)
    }

    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// The field's place in a row, counted from 0.
    pub(super) fn place(&self, field: CsvField) -> Option<usize> {
        let mut pairs = CsvField::ALL.into_iter().zip(self.places);
        pairs.find(|(known, _)| *known == field)?.1
    }

    /// The header of a place.
    pub(super) fn name(&self, place: usize) -> Option<&str> {
        self.names.get(place).map(String::as_str)
    }

    /// The headers of columns that hold no field.
    pub(super) fn unused(&self) -> impl Iterator<Item = &str> {
        (0..)
            .zip(&self.names)
            .filter(|(place, _)| !self.places.contains(&Some(*place)))
            .map(|(_, name)| name.as_str())
    }
}

/// Headers for a message, of whatever length the file gives them.
fn list(names: &[String]) -> String {
    let shown = names.iter().take(HEADERS_SHOWN_MAX);
    let mut text = shown
        .map(|name| {
            format!(
                "{:?}",
                name.chars().take(HEADER_CHARS_MAX).collect::<String>()
            )
        })
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > HEADERS_SHOWN_MAX {
        text.push_str(", …");
    }
    text
}

const HEADERS_SHOWN_MAX: usize = 40;
const HEADER_CHARS_MAX: usize = 60;

/// Why the mapping and the file's columns do not fit.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnError {
    /// The mapping names a header that the file lacks.
    #[error("no column is headed {header:?}, as {field} should be; the file has: {found}")]
    NoSuchHeader {
        /// The field.
        field: CsvField,
        /// The header.
        header: String,
        /// The headers there are.
        found: String,
    },
    /// A column number past the last.
    #[error("there is no column {number} for {field}: the first line has {count}")]
    NoSuchNumber {
        /// The field.
        field: CsvField,
        /// The number.
        number: usize,
        /// How many columns there are.
        count: usize,
    },
    /// A header that occurs twice.
    #[error("two columns are headed {header:?}")]
    Twice {
        /// The header.
        header: String,
    },
    /// No column for a field that is needed.
    #[error(
        "no column holds the {field}{}",
        match (.field, .found.is_empty()) {
            (_, true) => format!(": add --column {}=NUMBER", .field),
            (CsvField::Status, false) => format!(
                "; the file has: {}. Name it with --column status=HEADER, or give all lines one \
                 with --every-status", .found
            ),
            (_, false) => format!(
                "; the file has: {}. Name it with --column {}=HEADER", .found, .field
            ),
        }
    )]
    Missing {
        /// The field.
        field: CsvField,
        /// The headers there are.
        found: String,
    },
    /// A status column, and a status for every line.
    #[error("the file has a status column: leave --every-status out")]
    StatusTwice,
    /// One column for two fields.
    #[error("{field} and {other} cannot be the same column")]
    Shared {
        /// One.
        field: CsvField,
        /// The other.
        other: CsvField,
    },
    /// Some columns by name and some by number.
    #[error(
        "name all columns by their headers, or all by their numbers (for files without headers)"
    )]
    NamesAndNumbers,
    /// No character to stand between fields.
    #[error(
        "{delimiter:?} cannot be the delimiter: use a comma, a semicolon, a tab or another mark"
    )]
    Delimiter {
        /// The character.
        delimiter: char,
    },
}
