//! The statements: pages of a table in the order of its key, or of its changes.

use crate::config::feed::SqlEngine;

use super::{
    engine::{Column, Kind, place, quoted},
    value::{Bind, Value},
};

/// A statement and what is sent with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) binds: Vec<Bind>,
}

/// A column whose value has to be one of these.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Condition {
    pub(super) column: Column,
    pub(super) values: Vec<String>,
}

/// What is read, of which rows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Selection {
    pub(super) engine: SqlEngine,
    /// A table in quotes, or a query in brackets with a name.
    pub(super) from: String,
    /// What rows have to fulfil.
    pub(super) conditions: Vec<Condition>,
    /// The operator's own clause.
    pub(super) filter: Option<String>,
    /// What is read.
    pub(super) columns: Vec<Column>,
    /// What tells rows apart.
    pub(super) key: Column,
    /// When they were changed.
    pub(super) updated: Option<Column>,
    /// The most rows at once.
    pub(super) rows_max: usize,
}

/// A text in the making: binds are numbered as they come.
struct Draft<'a> {
    of: &'a Selection,
    text: String,
    binds: Vec<Bind>,
}

impl Selection {
    /// The next rows in the order of the key, behind the one with the key `after`.
    pub(super) fn by_key(&self, after: Option<&Value>) -> Statement {
        let mut draft = self.rows();
        if let Some(after) = after {
            let key = quoted(self.engine, &self.key.name);
            let after = draft.bind(&self.key, after.into());
            draft.push(&format!(" AND {key} > {after}"));
        }
        draft.ordered(&[&self.key])
    }

    /// The next rows in the order of their changes: none before `from`, those behind the one with the
    /// change and the key `after`. `None` without a column of changes.
    pub(super) fn by_change(
        &self,
        from: Bind,
        after: Option<(&Value, &Value)>,
    ) -> Option<Statement> {
        let updated = self.updated.as_ref()?;
        let mut draft = self.rows();
        let (u, k) = (
            quoted(self.engine, &updated.name),
            quoted(self.engine, &self.key.name),
        );
        match after {
            None => {
                let from = draft.bind(updated, from);
                draft.push(&format!(" AND {u} >= {from}"));
            }
            // MariaDB uses no index for a comparison of rows.
            Some((change, key)) if self.engine == SqlEngine::MariaDb => {
                let from = draft.bind(updated, change.into());
                let same = draft.bind(updated, change.into());
                let key = draft.bind(&self.key, key.into());
                draft.push(&format!(
                    " AND {u} >= {from} AND ({u} > {same} OR {k} > {key})"
                ));
            }
            Some((change, key)) => {
                let change = draft.bind(updated, change.into());
                let key = draft.bind(&self.key, key.into());
                draft.push(&format!(" AND ({u}, {k}) > ({change}, {key})"));
            }
        }
        Some(draft.ordered(&[updated, &self.key]))
    }

    /// When the newest row was changed.
    pub(super) fn newest(&self) -> Option<Statement> {
        let updated = self.updated.as_ref()?;
        let column = Column {
            name: NEWEST.to_owned(),
            ..updated.clone()
        };
        let mut draft = self.draft(&format!(
            "SELECT {} FROM (SELECT max({}) AS {NEWEST}",
            column.selected(self.engine),
            quoted(self.engine, &updated.name),
        ));
        draft.push_source();
        draft.push(") AS estelam_newest_row");
        Some(draft.finish())
    }

    /// How many rows there are.
    pub(super) fn count(&self) -> Statement {
        let number = match self.engine {
            SqlEngine::PostgreSql => "CAST(count(*) AS text)",
            SqlEngine::MariaDb => "CAST(count(*) AS CHAR)",
            SqlEngine::Sqlite => "count(*)",
        };
        let mut draft = self.draft(&format!("SELECT {number}"));
        draft.push_source();
        draft.finish()
    }

    fn draft(&self, text: &str) -> Draft<'_> {
        Draft {
            of: self,
            text: text.to_owned(),
            binds: Vec::new(),
        }
    }

    fn rows(&self) -> Draft<'_> {
        let columns = self
            .columns
            .iter()
            .map(|column| column.selected(self.engine));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let mut draft = self.draft(&format!("SELECT {columns}"));
        draft.push_source();
        draft
    }
}

const NEWEST: &str = "estelam_newest";

impl Draft<'_> {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The place of a value that `column` is compared with.
    fn bind(&mut self, column: &Column, bind: Bind) -> String {
        self.binds.push(bind);
        column.compared(self.of.engine, &place(self.of.engine, self.binds.len()))
    }

    fn push_source(&mut self) {
        let of = self.of;
        self.push(&format!(" FROM {} WHERE 1 = 1", of.from));
        for condition in &of.conditions {
            self.condition(condition);
        }
        if let Some(filter) = &of.filter {
            // On lines of its own: a comment in it ends with its line.
            self.push(&format!(" AND (\n{filter}\n)"));
        }
    }

    fn condition(&mut self, Condition { column, values }: &Condition) {
        let engine = self.of.engine;
        let is_octets = column.kind(engine) == Kind::Octets;
        let places: Vec<String> = values
            .iter()
            .map(|value| {
                let bind = match is_octets {
                    true => Bind::Octets(value.clone().into_bytes()),
                    false => Bind::Text(value.clone()),
                };
                self.bind(column, bind)
            })
            .collect();
        let name = match engine {
            // Its values are text or octets, whatever the column says.
            SqlEngine::Sqlite => format!("CAST({} AS text)", quoted(engine, &column.name)),
            SqlEngine::PostgreSql | SqlEngine::MariaDb => quoted(engine, &column.name),
        };
        self.push(&format!(" AND {name} IN ({})", places.join(", ")));
    }

    fn ordered(mut self, by: &[&Column]) -> Statement {
        let names = by.iter().map(|column| quoted(self.of.engine, &column.name));
        let names = names.collect::<Vec<_>>().join(", ");
        let rows_max = self.of.rows_max;
        self.push(&format!(" ORDER BY {names} LIMIT {rows_max}"));
        self.finish()
    }

    fn finish(self) -> Statement {
        Statement {
            text: self.text,
            binds: self.binds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, type_name: &str) -> Column {
        Column {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
        }
    }

    fn selection(engine: SqlEngine, types: [&str; 3]) -> Selection {
        let [serial, key, updated] = types;
        Selection {
            engine,
            from: quoted(engine, "certs"),
            conditions: vec![Condition {
                column: column("ca", "VARCHAR"),
                values: vec!["CN=a' OR '1'='1".to_owned()],
            }],
            filter: Some("tenant = 7 -- ours".to_owned()),
            columns: vec![column("serial", serial)],
            key: column("id", key),
            updated: Some(column("changed", updated)),
            rows_max: 100,
        }
    }

    #[test]
    fn pages_follow_each_other_by_key() {
        let of = selection(SqlEngine::PostgreSql, ["BYTEA", "INT8", "TIMESTAMPTZ"]);
        let first = of.by_key(None);
        assert_eq!(
            first.text,
            "SELECT \"serial\" FROM \"certs\" WHERE 1 = 1 AND \"ca\" IN (CAST($1 AS text)) AND \
             (\ntenant = 7 -- ours\n) ORDER BY \"id\" LIMIT 100"
        );
        assert_eq!(first.binds, [Bind::Text("CN=a' OR '1'='1".to_owned())]);
        let next = of.by_key(Some(&Value::Text("17".to_owned())));
        assert!(
            next.text
                .contains(" AND \"id\" > CAST(CAST($2 AS text) AS INT8) ORDER BY"),
            "{}",
            next.text
        );
    }

    #[test]
    fn pages_follow_each_other_by_change() {
        let from = || Bind::Text("2026-01-05 12:00:00.000000+00".to_owned());
        let (change, key) = (Value::Text("c".to_owned()), Value::Text("k".to_owned()));
        let of = selection(SqlEngine::PostgreSql, ["TEXT", "TEXT", "TIMESTAMPTZ"]);
        let text = of.by_change(from(), Some((&change, &key))).unwrap().text;
        assert!(
            text.contains(
                "(\"changed\", \"id\") > (CAST(CAST($2 AS text) AS TIMESTAMPTZ), \
                 CAST($3 AS text)) ORDER BY \"changed\", \"id\" LIMIT 100"
            ),
            "{text}"
        );
        let of = selection(SqlEngine::MariaDb, ["TEXT", "BIGINT UNSIGNED", "BIGINT"]);
        let statement = of.by_change(from(), Some((&change, &key))).unwrap();
        assert!(
            statement.text.contains(
                "`changed` >= CAST(? AS SIGNED) AND (`changed` > CAST(? AS SIGNED) OR `id` > \
                 CAST(? AS UNSIGNED))"
            ),
            "{}",
            statement.text
        );
        assert_eq!(statement.binds.len(), 4);
        let first = of.by_change(from(), None).unwrap().text;
        assert!(
            first.contains(" AND `changed` >= CAST(? AS SIGNED) ORDER"),
            "{first}"
        );
    }

    #[test]
    fn the_newest_change_and_the_count_are_asked_for() {
        let of = selection(SqlEngine::Sqlite, ["", "", ""]);
        assert_eq!(
            of.newest().unwrap().text,
            "SELECT \"estelam_newest\" FROM (SELECT max(\"changed\") AS estelam_newest FROM \
             \"certs\" WHERE 1 = 1 AND CAST(\"ca\" AS text) IN (?) AND (\ntenant = 7 -- ours\n)) AS \
             estelam_newest_row"
        );
        assert!(
            of.count()
                .text
                .starts_with("SELECT count(*) FROM \"certs\"")
        );
    }
}
