//! A row: its values by what they hold.

use super::value::Value;

/// What a value of a row holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Field {
    Serial,
    Status,
    Reason,
    RevocationTime,
    InvalidityDate,
    NotBefore,
    NotAfter,
    Sha256,
    Certificate,
    /// A document with several of the above.
    Document,
    Updated,
    Key,
}

impl Field {
    const COUNT: usize = 12;

    const fn index(self) -> usize {
        match self {
            Self::Serial => 0,
            Self::Status => 1,
            Self::Reason => 2,
            Self::RevocationTime => 3,
            Self::InvalidityDate => 4,
            Self::NotBefore => 5,
            Self::NotAfter => 6,
            Self::Sha256 => 7,
            Self::Certificate => 8,
            Self::Document => 9,
            Self::Updated => 10,
            Self::Key => 11,
        }
    }
}

/// Which place of a row has what, and under which name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Layout {
    places: [Option<usize>; Field::COUNT],
    names: Vec<String>,
}

impl Layout {
    /// The next place of a row holds this.
    pub(super) fn push(&mut self, field: Field, name: &str) {
        let place = self.names.len();
        self.names.push(name.to_owned());
        self.also(field, place);
    }

    /// A place that is there holds this too.
    pub(super) fn also(&mut self, field: Field, place: usize) {
        if let Some(slot) = self.places.get_mut(field.index()) {
            *slot = Some(place);
        }
    }

    pub(super) fn place(&self, field: Field) -> Option<usize> {
        self.places.get(field.index()).copied().flatten()
    }

    /// The name of the column.
    pub(super) fn name(&self, field: Field) -> Option<&str> {
        Some(self.names.get(self.place(field)?)?.as_str())
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) layout: &'a Layout,
    pub(super) values: &'a [Value],
}

impl<'a> Row<'a> {
    /// A value; NULL where there is no such column.
    pub(super) fn value(&self, field: Field) -> &'a Value {
        self.layout
            .place(field)
            .and_then(|place| self.values.get(place))
            .unwrap_or(&Value::Null)
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.layout.place(field).is_some()
    }
}
