//! From octets to entries, one after another, so that a bad batch costs no more than its good part.

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::{
    BatchError, ENTRIES_MAX, Pushed, Reading, TextPlace, entry,
    entry::{RawEntry, RawObject},
    value,
};

/// How entries follow one another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// One JSON value: an array, or an object with `entries` (`application/json`).
    Json,
    /// One entry a line; empty lines are passed over (`application/x-ndjson`).
    Lines,
}

pub(super) fn read(
    body: &[u8],
    form: Form,
    reading: &Reading<'_>,
) -> Result<Vec<Pushed>, BatchError> {
    let text = str::from_utf8(body).map_err(|error| {
        let before = body.get(..error.valid_up_to()).unwrap_or_default();
        let line_start = before.iter().rposition(|octet| *octet == b'\n');
        let line_start = line_start.map_or(0, |place| place.saturating_add(1));
        let newlines = before.iter().filter(|octet| **octet == b'\n').count();
        BatchError::Malformed {
            place: TextPlace {
                line: newlines.saturating_add(1),
                column: before.len().saturating_sub(line_start).saturating_add(1),
            },
            what: "not UTF-8".to_owned(),
        }
    })?;
    let mut taken = Taken {
        reading,
        pushed: Vec::new(),
        stopped: None,
    };
    match form {
        Form::Json => taken.read_json(text)?,
        Form::Lines => taken.read_lines(text)?,
    }
    Ok(taken.pushed)
}

/// What was read so far.
struct Taken<'a, 'r> {
    reading: &'a Reading<'r>,
    pushed: Vec<Pushed>,
    /// Why reading ended before the body did.
    stopped: Option<BatchError>,
}

impl Taken<'_, '_> {
    fn read_lines(&mut self, text: &str) -> Result<(), BatchError> {
        for (line, number) in text.split('\n').zip(1_usize..) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let RawObject(raw) = serde_json::from_str(line)
                .map_err(|error| malformed(&error, number.saturating_sub(1)))?;
            self.take(&raw)?;
        }
        Ok(())
    }

    fn read_json(&mut self, text: &str) -> Result<(), BatchError> {
        let mut json = serde_json::Deserializer::from_str(text);
        let read = Body(self).deserialize(&mut json).and_then(|()| json.end());
        match (self.stopped.take(), read) {
            (Some(stopped), _) => Err(stopped),
            (None, Err(error)) => Err(malformed(&error, 0)),
            (None, Ok(())) => Ok(()),
        }
    }

    fn take(&mut self, raw: &RawEntry<'_>) -> Result<(), BatchError> {
        if self.pushed.len() >= ENTRIES_MAX {
            return Err(BatchError::TooManyEntries);
        }
        let pushed = entry::judge(raw, self.reading).map_err(|issuer| BatchError::NotAllowed {
            entry: self.pushed.len().saturating_add(1),
            issuer: value::shown(issuer),
        })?;
        self.pushed.push(pushed);
        Ok(())
    }
}

/// An array of entries, or an object that holds one.
struct Body<'t, 'a, 'r>(&'t mut Taken<'a, 'r>);

impl<'de> DeserializeSeed<'de> for Body<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Body<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of entries, or {\"entries\": [ … ]}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        Entries(self.0).visit_seq(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = false;
        while let Some(Key) = map.next_key()? {
            if std::mem::replace(&mut seen, true) {
                return Err(de::Error::duplicate_field("entries"));
            }
            map.next_value_seed(Entries(&mut *self.0))?;
        }
        match seen {
            true => Ok(()),
            false => Err(de::Error::missing_field("entries")),
        }
    }
}

/// The one key of a batch that is an object.
struct Key;

impl<'de> de::Deserialize<'de> for Key {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(field_identifier, rename_all = "lowercase")]
        enum Field {
            Entries,
        }
        Field::deserialize(deserializer).map(|Field::Entries| Self)
    }
}

struct Entries<'t, 'a, 'r>(&'t mut Taken<'a, 'r>);

impl<'de> DeserializeSeed<'de> for Entries<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(RawObject(raw)) = list.next_element()? {
            if let Err(stopped) = self.0.take(&raw) {
                self.0.stopped = Some(stopped);
                return Err(de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

/// `lines_before` the text that was read.
fn malformed(error: &serde_json::Error, lines_before: usize) -> BatchError {
    let told = error.to_string();
    // serde_json ends its words with the place, which counts from the text that it was given.
    let (what, _) = told.rsplit_once(" at line ").unwrap_or((&told, ""));
    BatchError::Malformed {
        place: TextPlace {
            line: error.line().max(1).saturating_add(lines_before),
            column: error.column(),
        },
        what: value::one_line(what),
    }
}
