//! A page of rows, read and understood.
//!
//! Rows with the same key (and the same time of change, in that order) are one *group*. The next page
//! begins behind a group, so a group must not be cut in two: of a full page the last one is left for the
//! next. Thus keys need not be unique, as long as no group fills a page.

use crate::asn1::Certificate;

use super::{
    error::SqlError,
    facts::{BadRow, Facts},
    part::{Part, Plan},
    row::{Field, Row},
    time::{Moment, moment},
    value::Value,
};

/// The order that a page's rows are in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    Key,
    Change,
}

/// A page of rows.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// What each row says, in the order of the page.
    pub(super) said: Vec<Said>,
    /// Rows of other issuers.
    pub(super) of_others: u64,
    /// All rows.
    pub(super) rows: u64,
    /// Where the next page begins; `None` where there is none.
    pub(super) next: Option<Last>,
    /// The newest change, as far as it is a time.
    pub(super) newest: Option<Moment>,
}

/// What one row says.
#[derive(Debug)]
pub(super) struct Said {
    /// The row's key, for people.
    pub(super) key: String,
    /// When the row was changed.
    pub(super) changed: Option<Moment>,
    pub(super) facts: Result<Facts, BadRow>,
}

/// A row that a page ends with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Last {
    pub(super) key: Value,
    pub(super) change: Value,
}

impl Page {
    pub(super) fn new(
        part: &Part,
        plan: &Plan,
        order: Order,
        rows: &[Vec<Value>],
        issuer: &Certificate,
    ) -> Result<Self, SqlError> {
        let layout = &plan.layout;
        let row = |place: usize| {
            let values = rows.get(place).map_or(&[][..], Vec::as_slice);
            Row { layout, values }
        };
        let is_full = rows.len() >= plan.selection.rows_max;
        let mut taken = rows.len();
        if let Some(last) = rows.len().checked_sub(1).filter(|_| is_full) {
            while taken > 0 && is_same(order, &row(taken.saturating_sub(1)), &row(last)) {
                taken = taken.saturating_sub(1);
            }
            if taken == 0 {
                return Err(SqlError::KeyNotUnique {
                    column: plan.selection.key.name.clone(),
                    value: row(last).value(Field::Key).shown(),
                });
            }
        }
        let mut page = Self {
            rows: u64::try_from(taken).unwrap_or(u64::MAX),
            ..Self::default()
        };
        for place in 0..taken {
            page.push(part, &row(place), issuer);
        }
        if is_full {
            let mut keyed = (0..taken).rev().map(row);
            let last = keyed.find(|row| !row.value(Field::Key).is_null());
            let last = last.ok_or_else(|| SqlError::KeyMissing {
                column: plan.selection.key.name.clone(),
            })?;
            page.next = Some(Last {
                key: last.value(Field::Key).clone(),
                change: last.value(Field::Updated).clone(),
            });
        }
        Ok(page)
    }

    fn push(&mut self, part: &Part, row: &Row<'_>, issuer: &Certificate) {
        let changed = changed(part, row);
        self.newest = self.newest.max(changed);
        match part.rules.read(row, issuer).transpose() {
            None => self.of_others = self.of_others.saturating_add(1),
            Some(facts) => self.said.push(Said {
                key: row.value(Field::Key).shown(),
                changed,
                facts,
            }),
        }
    }
}

/// Whether the database may hold two rows for the same as far as the order goes. Its texts may be the
/// same to it in either letter case.
fn is_same(order: Order, a: &Row<'_>, b: &Row<'_>) -> bool {
    let alike = |field| {
        let (a, b) = (a.value(field), b.value(field));
        a == b || matches!((a, b), (Value::Text(a), Value::Text(b)) if a.eq_ignore_ascii_case(b))
    };
    alike(Field::Key) && (order == Order::Key || alike(Field::Updated))
}

/// When a row was changed; `None` where it does not say, or says what is no time.
fn changed(part: &Part, row: &Row<'_>) -> Option<Moment> {
    if !row.has(Field::Updated) {
        return None;
    }
    let text = row.value(Field::Updated).text()?;
    moment(&text, part.rules.numbers()).ok().flatten()
}
