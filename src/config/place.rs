//! Places in the text of the configuration: from a key to its line, and from an offset to its key.

use std::fmt;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Where in the file: both count from 1, the column in characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl Place {
    /// The place of the octet at `offset`; the end of the text for an offset past it.
    pub(super) fn at(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before
            .rfind('\n')
            .map_or(0, |newline| newline.saturating_add(1));
        Self {
            line: before.matches('\n').count().saturating_add(1),
            column: before
                .get(line_start..)
                .map_or(0, |line| line.chars().count())
                .saturating_add(1),
        }
    }
}

/// `line:column`, as editors take it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One step from a table to a value in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// To the value of this key.
    Key(&'static str),
    /// To this element of an array, counted from 0.
    Index(usize),
}

/// The parsed text with its places kept.
pub(super) struct Map<'a> {
    text: &'a str,
    root: Option<Spanned<DeTable<'a>>>,
}

impl<'a> Map<'a> {
    /// The map of a text; one that is not TOML has no places.
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            root: DeTable::parse(text).ok(),
        }
    }

    /// Where the value at `path` is set; where it is not (a default), its nearest table that is.
    pub(super) fn place(&self, path: &[Step]) -> Place {
        let mut place = 0;
        let mut steps = path.iter();
        let mut value = match (&self.root, steps.next()) {
            (Some(root), Some(Step::Key(key))) => entry(root.get_ref(), key),
            _ => None,
        };
        while let Some((offset, found)) = value {
            place = offset;
            value = match (found.get_ref(), steps.next()) {
                (DeValue::Table(table), Some(Step::Key(key))) => entry(table, key),
                (DeValue::Array(array), Some(Step::Index(index))) => {
                    array.get(*index).map(|value| (value.span().start, value))
                }
                _ => None,
            };
        }
        Place::at(self.text, place)
    }

    /// The dotted key that is set at `offset`, where one is.
    pub(super) fn key_at(&self, offset: usize) -> Option<String> {
        let mut keys = Vec::new();
        let found = find(self.root.as_ref()?.get_ref(), offset, &mut keys);
        found.then(|| keys.join("."))
    }
}

fn entry<'t, 'a>(table: &'t DeTable<'a>, key: &str) -> Option<(usize, &'t Spanned<DeValue<'a>>)> {
    table
        .iter()
        .find(|(name, _)| name.get_ref() == key)
        .map(|(name, value)| (name.span().start, value))
}

/// Leaves in `keys` the way to the deepest entry at `offset`. A `[table]`'s own span is its header, so
/// the entries are looked at whatever the span of what holds them.
fn find(table: &DeTable<'_>, offset: usize, keys: &mut Vec<String>) -> bool {
    table.iter().any(|(name, value)| {
        keys.push(name.get_ref().to_string());
        let here = (name.span().start..value.span().end).contains(&offset)
            || value.span().contains(&offset);
        let deeper = match value.get_ref() {
            DeValue::Table(table) => find(table, offset, keys),
            DeValue::Array(array) => array.iter().any(|element| {
                let inside = match element.get_ref() {
                    DeValue::Table(table) => find(table, offset, keys),
                    _ => false,
                };
                inside || element.span().contains(&offset)
            }),
            _ => false,
        };
        let found = deeper || here;
        if !found {
            keys.pop();
        }
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "state_dir = \"s\"\n\n[limits]\ncert_ids = 8\n\n[[issuer]]\nname = \"نمونه\"\n\
                        [[issuer]]\n  name = \"b\"\n[[issuer.signer]]\nkey = \"k\"\n";

    #[test]
    fn a_key_has_its_line() {
        let map = Map::new(TEXT);
        for (path, place) in [
            (&[Step::Key("state_dir")][..], (1, 1)),
            (&[Step::Key("limits"), Step::Key("cert_ids")], (4, 1)),
            (
                &[Step::Key("issuer"), Step::Index(1), Step::Key("name")],
                (9, 3),
            ),
            (
                &[
                    Step::Key("issuer"),
                    Step::Index(1),
                    Step::Key("signer"),
                    Step::Index(0),
                    Step::Key("key"),
                ],
                (11, 1),
            ),
        ] {
            let (line, column) = place;
            assert_eq!(map.place(path), Place { line, column }, "{path:?}");
        }
    }

    #[test]
    fn a_key_that_is_not_set_has_the_line_of_its_table() {
        let map = Map::new(TEXT);
        let place = |path: &[Step]| map.place(path).line;
        assert_eq!(
            place(&[Step::Key("issuer"), Step::Index(1), Step::Key("renew")]),
            8
        );
        assert_eq!(place(&[Step::Key("http"), Step::Key("ocsp_paths")]), 1);
    }

    #[test]
    fn an_offset_has_its_key() {
        let map = Map::new(TEXT);
        for (word, key) in [
            ("\"s\"", Some("state_dir")),
            ("8", Some("limits.cert_ids")),
            ("\"b\"", Some("issuer.name")),
            ("\"k\"", Some("issuer.signer.key")),
        ] {
            assert_eq!(map.key_at(TEXT.find(word).unwrap()).as_deref(), key);
        }
        assert_eq!(map.key_at(usize::MAX), None);
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(Place::at("a\nنمb", 6), Place { line: 2, column: 3 });
    }
}
