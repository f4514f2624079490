//! What is read of a database: one table for most, two for step-ca.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::{
    asn1::Certificate,
    config::feed::{SqlEngine, SqlFeed, SqlPreset},
};

use super::{
    engine::{Column, Kind, quoted_table},
    error::SqlError,
    preset::{cfssl, ejbca, step_ca},
    row::{Field, Layout},
    rules::{Mapping, Rules},
    statement::{Condition, Selection},
};

/// One table, as the configuration has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Part {
    /// What its memory is kept under.
    pub(super) name: &'static str,
    pub(super) engine: SqlEngine,
    /// What stands behind FROM.
    from: String,
    /// The same with a column of changes, and the column that has to be there for it.
    with_changes: Option<(&'static str, String)>,
    fields: Vec<Wanted>,
    conditions: Vec<(String, Vec<String>)>,
    filter: Option<String>,
    key: String,
    updated: Option<String>,
    rows_max: usize,
    pub(super) rules: Rules,
    /// Rows are added and never changed: while their number is the same, nothing is new.
    pub(super) is_append_only: bool,
    /// It is no sign of anything that there are none.
    pub(super) may_be_empty: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Wanted {
    field: Field,
    column: String,
    is_optional: bool,
}

/// One table, as the database has it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) selection: Selection,
    pub(super) layout: Layout,
    /// Of each of the selection's columns.
    pub(super) kinds: Vec<Kind>,
}

impl Part {
    /// What `feed` reads for the issuer.
    pub(super) fn all(feed: &SqlFeed, engine: SqlEngine, issuer: &Certificate) -> Vec<Self> {
        match feed.preset {
            None => vec![Self::mapped(feed, engine)],
            Some(SqlPreset::Ejbca) => vec![Self::ejbca(feed, engine, issuer)],
            Some(SqlPreset::StepCa) => Self::step_ca(feed, engine),
            Some(SqlPreset::Cfssl) => vec![Self::cfssl(feed, engine, issuer)],
        }
    }

    fn new(name: &'static str, engine: SqlEngine, feed: &SqlFeed, rules: Rules) -> Self {
        Self {
            name,
            engine,
            from: String::new(),
            with_changes: None,
            fields: Vec::new(),
            conditions: Vec::new(),
            filter: feed.filter.clone(),
            key: String::new(),
            updated: None,
            rows_max: feed.page_rows,
            rules,
            is_append_only: false,
            may_be_empty: false,
        }
    }

    fn with(mut self, field: Field, column: &str) -> Self {
        self.fields.push(Wanted {
            field,
            column: column.to_owned(),
            is_optional: false,
        });
        self
    }

    fn with_if_there(mut self, field: Field, column: &str) -> Self {
        self = self.with(field, column);
        if let Some(wanted) = self.fields.last_mut() {
            wanted.is_optional = true;
        }
        self
    }

    fn mapped(feed: &SqlFeed, engine: SqlEngine) -> Self {
        let columns = &feed.columns;
        let mut part = Self::new("rows", engine, feed, Rules::Mapped(Mapping::new(feed)));
        part.from = match (&feed.table, &feed.query) {
            (Some(table), _) => quoted_table(engine, table),
            (None, query) => {
                let query = query.as_deref().unwrap_or_default().trim();
                let query = query.strip_suffix(';').unwrap_or(query);
                // On lines of its own: a comment in it ends with its line.
                format!("(\n{query}\n) AS estelam_rows")
            }
        };
        let serial = columns.serial.clone().unwrap_or_default();
        for (field, column) in [
            (Field::Serial, &columns.serial),
            (Field::Status, &columns.status),
            (Field::Reason, &columns.reason),
            (Field::RevocationTime, &columns.revocation_time),
            (Field::InvalidityDate, &columns.invalidity_date),
            (Field::NotBefore, &columns.not_before),
            (Field::NotAfter, &columns.not_after),
            (Field::Sha256, &columns.sha256),
            (Field::Certificate, &columns.certificate),
        ] {
            if let Some(column) = column {
                part = part.with(field, column);
            }
        }
        part.key = columns.key.clone().unwrap_or(serial);
        part.updated.clone_from(&columns.updated);
        part
    }

    fn ejbca(feed: &SqlFeed, engine: SqlEngine, issuer: &Certificate) -> Self {
        let mut part = Self::new("rows", engine, feed, Rules::Ejbca)
            .with(Field::Serial, "serialNumber")
            .with(Field::Status, "status")
            .with(Field::Reason, "revocationReason")
            .with(Field::RevocationTime, "revocationDate")
            .with(Field::NotAfter, "expireDate")
            .with_if_there(Field::NotBefore, "notBefore")
            .with_if_there(Field::InvalidityDate, "invalidityDate");
        part.from = named_or_own(feed, engine, ejbca::TABLE);
        part.key = "fingerprint".to_owned();
        part.updated = Some("updateTime".to_owned());
        if let Some(name) = &feed.issuer_dn {
            part.conditions
                .push(("issuerDN".to_owned(), vec![name.clone()]));
        }
        let mut fingerprints = feed.ca_fingerprints.clone();
        if fingerprints.is_empty() && feed.issuer_dn.is_none() {
            fingerprints.push(sha1_hex(issuer.der()));
        }
        for fingerprint in &mut fingerprints {
            fingerprint.make_ascii_lowercase();
        }
        if !fingerprints.is_empty() {
            part.conditions
                .push(("cAFingerprint".to_owned(), fingerprints));
        }
        part
    }

    /// Revocations come first: of a certificate that was issued and revoked meanwhile nobody shall hear
    /// that it is good.
    fn step_ca(feed: &SqlFeed, engine: SqlEngine) -> Vec<Self> {
        let table = |name, table: &str, rules| {
            let mut part = Self::new(name, engine, feed, rules).with(Field::Serial, "nkey");
            // It creates its tables in quotes.
            part.from = quoted_table(engine, table);
            part.key = "nkey".to_owned();
            part
        };
        let mut revocations = table("revocations", step_ca::REVOCATIONS, Rules::StepCaRevocation)
            .with(Field::Document, "nvalue");
        revocations.may_be_empty = true;
        let mut certificates = table(
            "certificates",
            step_ca::CERTIFICATES,
            Rules::StepCaCertificate,
        )
        .with(Field::Certificate, "nvalue");
        certificates.is_append_only = true;
        vec![revocations, certificates]
    }

    fn cfssl(feed: &SqlFeed, engine: SqlEngine, issuer: &Certificate) -> Self {
        let mut part = Self::new("rows", engine, feed, Rules::Cfssl)
            .with(Field::Serial, "serial_number")
            .with(Field::Status, "status")
            .with(Field::Reason, "reason")
            .with(Field::RevocationTime, "revoked_at")
            .with(Field::NotAfter, "expiry")
            .with_if_there(Field::NotBefore, "not_before")
            .with(Field::Certificate, "pem");
        part.from = named_or_own(feed, engine, cfssl::TABLE);
        part.with_changes = Some(("issued_at", cfssl::with_changes(engine, &part.from)));
        part.key = "serial_number".to_owned();
        let of_issuer = || {
            let octets = issuer.subject_key_id()?;
            Some(octets.iter().map(|octet| format!("{octet:02x}")).collect())
        };
        let key = feed.authority_key_identifier.clone().or_else(of_issuer);
        if let Some(key) = key {
            let key = key.to_ascii_lowercase();
            part.conditions
                .push(("authority_key_identifier".to_owned(), vec![key]));
        }
        part
    }

    /// What has to be described before there can be a plan: the second, where the first has the column
    /// in between.
    pub(super) fn from(&self) -> (&str, Option<(&'static str, &str)>) {
        let with_changes = self.with_changes.as_ref();
        let with_changes = with_changes.map(|(column, from)| (*column, from.as_str()));
        (&self.from, with_changes)
    }

    /// How to read a table that has these columns.
    pub(super) fn plan(&self, from: &str, known: &[Column]) -> Result<Plan, SqlError> {
        let find = |name: &str| find(known, name);
        let (mut layout, mut columns) = (Layout::default(), Vec::new());
        for wanted in &self.fields {
            match find(&wanted.column) {
                Ok(column) => {
                    layout.push(wanted.field, &column.name);
                    columns.push(column.clone());
                }
                Err(_) if wanted.is_optional => {}
                Err(error) => return Err(error),
            }
        }
        let key = find(&self.key)?.clone();
        if !key.can_be_key(self.engine) {
            let wanted = "a key is text, a whole number, octets or a UUID";
            return Err(cannot_be(&key, "key", wanted));
        }
        layout.push(Field::Key, &key.name);
        columns.push(key.clone());
        let updated = match (&self.updated, from == self.from) {
            (Some(updated), _) => Some(find(updated)?.clone()),
            (None, false) => Some(find(cfssl::CHANGED)?.clone()),
            (None, true) => None,
        };
        if let Some(updated) = &updated {
            if !updated.can_be_updated(self.engine) {
                let wanted = "a row's time of change is a timestamp or a number";
                return Err(cannot_be(updated, "updated", wanted));
            }
            layout.push(Field::Updated, &updated.name);
            columns.push(updated.clone());
        }
        let mut conditions = Vec::new();
        for (column, values) in &self.conditions {
            conditions.push(Condition {
                column: find(column)?.clone(),
                values: values.clone(),
            });
        }
        let kinds = columns
            .iter()
            .map(|column| column.kind(self.engine))
            .collect();
        Ok(Plan {
            selection: Selection {
                engine: self.engine,
                from: from.to_owned(),
                conditions,
                filter: self.filter.clone(),
                columns,
                key,
                updated,
                rows_max: self.rows_max,
            },
            layout,
            kinds,
        })
    }

    /// What its rows have to be, for a message that there are none.
    pub(super) fn looked_for(&self) -> String {
        let conditions = self.conditions.iter().map(|(column, values)| {
            let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
            format!("{column} = {}", values.join(" or "))
        });
        let conditions: Vec<String> = conditions.collect();
        match conditions.as_slice() {
            [] => String::new(),
            some => format!(" ({})", some.join(" and ")),
        }
    }
}

/// The operator's name of a preset's table; else the product's, without quotes, so that the database
/// makes of its letter case what it made of it when the product created it.
fn named_or_own(feed: &SqlFeed, engine: SqlEngine, own: &str) -> String {
    feed.table
        .as_ref()
        .map_or_else(|| own.to_owned(), |table| quoted_table(engine, table))
}

/// The column with this name, letter case aside where that leaves no doubt.
fn find<'a>(known: &'a [Column], name: &str) -> Result<&'a Column, SqlError> {
    if let Some(column) = known.iter().find(|column| column.name == name) {
        return Ok(column);
    }
    let mut alike = known
        .iter()
        .filter(|column| column.name.eq_ignore_ascii_case(name));
    match (alike.next(), alike.next()) {
        (Some(column), None) => Ok(column),
        _ => {
            let names: Vec<&str> = known.iter().map(|column| column.name.as_str()).collect();
            Err(SqlError::NoColumn {
                column: name.to_owned(),
                known: names.join(", "),
            })
        }
    }
}

fn cannot_be(column: &Column, used_as: &'static str, wanted: &'static str) -> SqlError {
    SqlError::ColumnType {
        column: column.name.clone(),
        type_name: column.type_name.clone(),
        used_as,
        wanted,
    }
}

fn sha1_hex(octets: &[u8]) -> String {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, octets);
    hash.as_ref()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}
