//! CFSSL's `certificates`.
//!
//! | column | holds |
//! | --- | --- |
//! | serial_number | decimal digits, in a column of octets |
//! | authority_key_identifier | hexadecimal digits, in a column of octets |
//! | status | `good` or `revoked`, in a column of octets |
//! | reason | CRLReason |
//! | revoked_at, expiry, issued_at, not_before | timestamps; the last two are not in every version |
//! | pem | the certificate |
//!
//! (`certdb`.) No column says when a row was changed, but both changes that CFSSL makes have a time: a
//! row that says revoked was changed at revoked_at, any other at issued_at. Rows that were written
//! before there was an issued_at are found by the full sweep.

use crate::{
    asn1::Certificate,
    change::{Action, Inventory},
    config::feed::{SqlEngine, SqlSerials, SqlTimes},
    feed::sql::{
        cause::RowCause,
        facts::{BadRow, Facts, claim, inventory_of, is_of},
        row::{Field, Row},
        rules::same_serial,
    },
};

pub(in crate::feed::sql) const TABLE: &str = "certificates";
/// The column that [`with_changes`] adds.
pub(in crate::feed::sql) const CHANGED: &str = "estelam_changed";

/// `table` (in quotes) with a column that says when a row was changed.
pub(in crate::feed::sql) fn with_changes(engine: SqlEngine, table: &str) -> String {
    let status = match engine {
        SqlEngine::Sqlite => "CAST(status AS text)",
        SqlEngine::PostgreSql | SqlEngine::MariaDb => "status",
    };
    format!(
        "(SELECT {table}.*, CASE WHEN {status} = 'revoked' THEN revoked_at ELSE issued_at END AS \
         {CHANGED} FROM {table}) AS estelam_rows"
    )
}

pub(in crate::feed::sql) fn read(
    row: &Row<'_>,
    issuer: &Certificate,
) -> Result<Option<Facts>, BadRow> {
    let serial = row.serial(SqlSerials::Decimal)?;
    let inventory = match row.certificate()? {
        Some(certificate) if !is_of(&certificate, issuer) => return Ok(None),
        Some(certificate) => {
            same_serial(row, serial, &certificate)?;
            inventory_of(&certificate)
        }
        None => Inventory {
            not_before: row.time(Field::NotBefore, SqlTimes::None)?,
            not_after: row.time(Field::NotAfter, SqlTimes::None)?,
            certificate_sha256: None,
            distribution_point: None,
        },
    };
    let status = row.value(Field::Status).text();
    let status = status.ok_or_else(|| row.bad(Field::Status, RowCause::NotText))?;
    let action = match &*status {
        "good" => Action::Issue(inventory),
        "revoked" => {
            let time = row.time(Field::RevocationTime, SqlTimes::None)?;
            Action::Revoke {
                claim: claim(row, time, row.reason()?, None)?,
                inventory: Some(inventory),
            }
        }
        _ => {
            let known = "good, revoked".to_owned();
            return Err(row.bad(Field::Status, RowCause::Status { known }));
        }
    };
    Ok(Some(Facts { serial, action }))
}
