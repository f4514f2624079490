//! What a feed remembers between polls, and over a restart.
//!
//! One JSON object: losing it costs reading the tables again.
//!
//! ```text
//! { "format": 1,
//!   "settings": "…",                  SHA-256 of what is read and how; another forgets all of it
//!   "parts": { "rows": {
//!     "changes": { "seen_us": 1767614400000000,   the newest change that was seen, at most the clock's now
//!                  "since": 1767614405,           since when it is, by this host's clock
//!                  "is_number": true,             how SQLite writes times
//!                  "paging": { "from_us": …, "change": VALUE, "key": VALUE } },  a poll not done yet
//!     "sweep": { "after": VALUE, "rows": 20000 },  one that is under way
//!     "swept": { "at": 1767614400, "rows": 1000000, "count": 1000000 },    the last one
//!     "is_short": false } } }          whether one after it met far fewer rows
//! ```
//!
//! A VALUE is `{"number": 17}`, `{"text": "…"}` or `{"octets": "hexadecimal"}`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::value::Value;

/// The memory of a whole feed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    format: u32,
    settings: String,
    pub(super) parts: BTreeMap<String, PartMemory>,
}

/// The memory of one table.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PartMemory {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) changes: Option<Changes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sweep: Option<Sweep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) swept: Option<Swept>,
    /// Whether the last sweep met far fewer rows than the one before.
    pub(super) is_short: bool,
}

/// How far changes were followed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Changes {
    pub(super) seen_us: u64,
    /// Since when that is the newest, by this host's clock: seconds since 1970.
    pub(super) since: u64,
    pub(super) is_number: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) paging: Option<Paging>,
}

/// Where among the changes a poll stopped.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Paging {
    pub(super) from_us: u64,
    pub(super) change: Kept,
    pub(super) key: Kept,
}

/// A sweep that is under way.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Sweep {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<Kept>,
    pub(super) rows: u64,
    /// How many there were when it began, where that is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<u64>,
}

/// A sweep that is done.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Swept {
    /// When it was.
    pub(super) at: u64,
    pub(super) rows: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<u64>,
}

/// A value that is kept.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kept {
    Number(i64),
    Text(String),
    Octets(String),
}

impl Kept {
    /// `None` for NULL.
    pub(super) fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Number(number) => Self::Number(*number),
            Value::Text(text) => Self::Text(text.clone()),
            Value::Octets(octets) => {
                Self::Octets(octets.iter().map(|octet| format!("{octet:02x}")).collect())
            }
        })
    }

    /// `None` where it is not what was kept.
    pub(super) fn value(&self) -> Option<Value> {
        Some(match self {
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => Value::Text(text.clone()),
            Self::Octets(digits) => {
                let pairs = digits.as_bytes().chunks(2).map(|pair| {
                    let pair = str::from_utf8(pair).ok()?;
                    u8::from_str_radix(pair, 16).ok()
                });
                Value::Octets(pairs.collect::<Option<_>>()?)
            }
        })
    }
}

impl Memory {
    /// Nothing yet, of a feed with these settings.
    pub(super) fn new(settings: &str) -> Self {
        Self {
            format: FORMAT,
            settings: settings.to_owned(),
            parts: BTreeMap::new(),
        }
    }

    /// What was kept; nothing, where it is of other settings or cannot be read.
    pub(super) fn read(text: &str, settings: &str) -> Self {
        serde_json::from_str(text)
            .ok()
            .filter(|memory: &Self| memory.format == FORMAT && memory.settings == settings)
            .unwrap_or_else(|| Self::new(settings))
    }

    pub(super) fn text(&self) -> String {
        // Maps with text as keys, and numbers: nothing in it can fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn part(&mut self, name: &str) -> &mut PartMemory {
        self.parts.entry(name.to_owned()).or_default()
    }
}

const FORMAT: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_comes_back_for_the_same_settings_alone() {
        let mut memory = Memory::new("a");
        memory.part("rows").sweep = Some(Sweep {
            after: Kept::of(&Value::Octets(vec![0, 255])),
            rows: 7,
            count: None,
        });
        let text = memory.text();
        assert_eq!(Memory::read(&text, "a"), memory);
        assert_eq!(Memory::read(&text, "b"), Memory::new("b"));
        assert_eq!(Memory::read("{", "a"), Memory::new("a"));
        let older = text.replace("\"format\":1", "\"format\":0");
        assert_eq!(Memory::read(&older, "a"), Memory::new("a"));
    }

    #[test]
    fn every_value_can_be_kept() {
        for value in [
            Value::Number(-3),
            Value::Text("ö".to_owned()),
            Value::Octets(vec![0, 1, 0xfe]),
        ] {
            assert_eq!(Kept::of(&value).unwrap().value(), Some(value));
        }
        assert_eq!(Kept::of(&Value::Null), None);
        assert_eq!(Kept::Octets("0g".to_owned()).value(), None);
    }
}
