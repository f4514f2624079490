//! What stands in a row, before anybody knows what it means.

use std::borrow::Cow;

/// One value. Numbers, times and the like come as the text that the database prints for them; only
/// SQLite, whose columns have no type, tells numbers apart.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Value {
    /// NULL
    #[default]
    Null,
    /// A number of SQLite.
    Number(i64),
    /// Text, or what was printed.
    Text(String),
    /// Octets that are no text to the database. They may be text all the same.
    Octets(Vec<u8>),
}

impl Value {
    /// Its text without white space around it; `None` where its octets are not UTF-8. NULL is empty.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => Some(Cow::Borrowed("")),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Text(text) => Some(Cow::Borrowed(text.trim_ascii())),
            Self::Octets(octets) => str::from_utf8(octets.trim_ascii()).ok().map(Cow::Borrowed),
        }
    }

    /// Its octets as they came.
    pub(super) fn octets(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Null => Cow::Borrowed(b""),
            Self::Number(number) => Cow::Owned(number.to_string().into_bytes()),
            Self::Text(text) => Cow::Borrowed(text.as_bytes()),
            Self::Octets(octets) => Cow::Borrowed(octets),
        }
    }

    pub(super) const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// For messages: any terminal can show it, and it is not longer than a line.
    pub(super) fn shown(&self) -> String {
        let text = match self {
            Self::Null => return "NULL".to_owned(),
            Self::Octets(octets) if !octets.is_ascii() => {
                octets.iter().map(|octet| format!("{octet:02x}")).collect()
            }
            other => other.octets().escape_ascii().to_string(),
        };
        match text.char_indices().nth(SHOWN_MAX) {
            None => text,
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        }
    }
}

/// More than any key of the known products (a SHA-1 in hexadecimal, 48 decimal digits).
const SHOWN_MAX: usize = 64;

/// What is sent with a statement. Nothing that comes from a table or a setting becomes part of the
/// statement itself, but for the names and clauses that the operator wrote for that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Bind {
    Number(i64),
    Text(String),
    Octets(Vec<u8>),
}

impl From<&Value> for Bind {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Text(String::new()),
            Value::Number(number) => Self::Number(*number),
            Value::Text(text) => Self::Text(text.clone()),
            Value::Octets(octets) => Self::Octets(octets.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_terminal_can_show_a_value() {
        for (value, shown) in [
            (Value::Null, "NULL"),
            (Value::Number(-7), "-7"),
            (Value::Text("a\u{1b}[31m".to_owned()), "a\\x1b[31m"),
            (Value::Octets(b"123".to_vec()), "123"),
            (Value::Octets(vec![0xff, 0]), "ff00"),
        ] {
            assert_eq!(value.shown(), shown);
        }
        assert_eq!(Value::Text("x".repeat(500)).shown().chars().count(), 65);
    }
}
