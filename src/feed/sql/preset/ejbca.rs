//! EJBCA's `CertificateData`.
//!
//! | column | holds |
//! | --- | --- |
//! | fingerprint | the key: SHA-1 of the certificate, hexadecimal |
//! | serialNumber | decimal digits |
//! | status | 20 active, 21 active and somebody was told that it will expire, 40 revoked, 60 archived |
//! | revocationDate, revocationReason | milliseconds; CRLReason; -1 for none |
//! | notBefore, expireDate, invalidityDate | milliseconds; the first and last are not in every version |
//! | updateTime | milliseconds, by the clock of the application |
//!
//! (`CertificateConstants`, `RevokedCertInfo`.) 30 was "temporarily revoked" in old versions and is
//! taken as revoked. An archived certificate is revoked if its reason says so, as EJBCA's own responder
//! judges it. Reason 8, removeFromCRL, is how a hold ends: EJBCA writes it beside the status 20 until the
//! next CRL is made, and -1 after that. Statuses 0, 10 and 11 are of certificates that are not in use
//! yet: such rows are told and left out.

use crate::{
    change::{Action, Inventory},
    config::feed::{SqlSerials, SqlTimes},
    feed::sql::{
        cause::RowCause,
        facts::{BadRow, Facts, GivenReason, claim},
        row::{Field, Row},
    },
};

pub(in crate::feed::sql) const TABLE: &str = "CertificateData";

pub(in crate::feed::sql) fn read(row: &Row<'_>) -> Result<Facts, BadRow> {
    let serial = row.serial(SqlSerials::Decimal)?;
    let inventory = Inventory {
        not_before: row.time(Field::NotBefore, MS)?,
        not_after: row.time(Field::NotAfter, MS)?,
        certificate_sha256: None,
        distribution_point: None,
    };
    let given = GivenReason::from_code(row.number(Field::Reason)?)
        .ok_or_else(|| row.bad(Field::Reason, RowCause::Reason))?;
    let is_given = !matches!(given, GivenReason::None | GivenReason::RemoveFromCrl);
    let is_revoked = match row.number(Field::Status)? {
        ACTIVE | NOTIFIED if is_given => {
            return Err(row.bad(Field::Reason, RowCause::RevocationUnexpected));
        }
        ACTIVE | NOTIFIED => false,
        TEMPORARILY_REVOKED | REVOKED => true,
        ARCHIVED => is_given,
        _ => {
            let known = "20, 21, 40, 60".to_owned();
            return Err(row.bad(Field::Status, RowCause::Status { known }));
        }
    };
    let action = if is_revoked {
        let time = row.time(Field::RevocationTime, MS)?;
        let invalidity_date = row.time(Field::InvalidityDate, MS)?;
        Action::Revoke {
            claim: claim(row, time, given, invalidity_date)?,
            inventory: Some(inventory),
        }
    } else {
        Action::Issue(inventory)
    };
    Ok(Facts { serial, action })
}

const MS: SqlTimes = SqlTimes::UnixMs;

const ACTIVE: i64 = 20;
const NOTIFIED: i64 = 21;
const TEMPORARILY_REVOKED: i64 = 30;
const REVOKED: i64 = 40;
const ARCHIVED: i64 = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        asn1::{CrlReason, UnixTime},
        change::RevocationClaim,
        feed::sql::{row::Layout, value::Value},
    };

    const COLUMNS: [(Field, &str); 6] = [
        (Field::Serial, "serialNumber"),
        (Field::Status, "status"),
        (Field::Reason, "revocationReason"),
        (Field::RevocationTime, "revocationDate"),
        (Field::NotAfter, "expireDate"),
        (Field::InvalidityDate, "invalidityDate"),
    ];

    fn facts(values: [&str; 6]) -> Result<Facts, BadRow> {
        let mut layout = Layout::default();
        for (field, name) in COLUMNS {
            layout.push(field, name);
        }
        let values = values.map(|text| Value::Text(text.to_owned()));
        read(&Row {
            layout: &layout,
            values: &values,
        })
    }

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs).unwrap()
    }

    const EXPIRES: &str = "1830000000000";
    const REVOKED_AT: &str = "1767614400123";

    #[test]
    fn the_status_follows_from_three_columns() {
        let inventory = Inventory {
            not_after: Some(at(1_830_000_000)),
            ..Inventory::default()
        };
        let revoked = |reason, invalidity_date| Action::Revoke {
            claim: RevocationClaim {
                revocation_time: at(1_767_614_400),
                reason,
                invalidity_date,
            },
            inventory: Some(inventory),
        };
        let good = Action::Issue(inventory);
        for (status, reason, date, invalidity, action) in [
            ("20", "-1", "-1", "", good),
            ("21", "-1", "-1", "", good),
            // Off hold, before and after the next CRL.
            ("20", "8", REVOKED_AT, "", good),
            ("20", "-1", REVOKED_AT, "", good),
            ("40", "0", REVOKED_AT, "", revoked(None, None)),
            (
                "40",
                "1",
                REVOKED_AT,
                "-1",
                revoked(Some(CrlReason::KeyCompromise), None),
            ),
            (
                "40",
                "1",
                REVOKED_AT,
                "1767000000000",
                revoked(Some(CrlReason::KeyCompromise), Some(at(1_767_000_000))),
            ),
            (
                "40",
                "6",
                REVOKED_AT,
                "",
                revoked(Some(CrlReason::CertificateHold), None),
            ),
            (
                "30",
                "6",
                REVOKED_AT,
                "",
                revoked(Some(CrlReason::CertificateHold), None),
            ),
            ("40", "-1", REVOKED_AT, "", revoked(None, None)),
            (
                "60",
                "4",
                REVOKED_AT,
                "",
                revoked(Some(CrlReason::Superseded), None),
            ),
            ("60", "-1", "-1", "", good),
            ("60", "8", REVOKED_AT, "", good),
        ] {
            let facts = facts(["17", status, reason, date, EXPIRES, invalidity]).unwrap();
            assert_eq!(facts.serial.to_string(), "11");
            assert_eq!(facts.action, action, "{status} {reason}");
        }
    }

    #[test]
    fn a_malformed_row_is_told_and_never_good() {
        for (values, expected) in [
            (
                ["", "20", "-1", "-1", EXPIRES, ""],
                "the serial number is empty",
            ),
            (
                ["-5", "20", "-1", "-1", EXPIRES, ""],
                "the serial number is negative",
            ),
            (
                ["0", "20", "-1", "-1", EXPIRES, ""],
                "the serial number is not positive",
            ),
            (
                ["1A", "20", "-1", "-1", EXPIRES, ""],
                "the serial number is not decimal",
            ),
            (
                [
                    "730750818665451459101842416358141509827966271488",
                    "20",
                    "-1",
                    "-1",
                    EXPIRES,
                    "",
                ],
                "the serial number is longer than 20 octets",
            ),
            (
                ["17", "10", "-1", "-1", EXPIRES, ""],
                "the status is none of: 20, 21, 40, 60",
            ),
            (
                ["17", "50", "-1", "-1", EXPIRES, ""],
                "the status is none of",
            ),
            (["17", "x", "-1", "-1", EXPIRES, ""], "not a whole number"),
            (
                ["17", "40", "7", REVOKED_AT, EXPIRES, ""],
                "the revocation reason is unknown",
            ),
            (
                ["17", "40", "264", REVOKED_AT, EXPIRES, ""],
                "the revocation reason is unknown",
            ),
            (
                ["17", "40", "8", REVOKED_AT, EXPIRES, ""],
                "the status says revoked, but the reason",
            ),
            (
                ["17", "40", "1", "-1", EXPIRES, ""],
                "the status says revoked, but there is no",
            ),
            (
                ["17", "20", "1", REVOKED_AT, EXPIRES, ""],
                "the status says good, but there is",
            ),
            (
                ["17", "20", "-1", "-1", "soon", ""],
                "the time cannot be used",
            ),
        ] {
            let bad = facts(values).unwrap_err();
            assert!(
                bad.cause.to_string().starts_with(expected),
                "{values:?}: {}",
                bad.cause
            );
            assert!(bad.part.is_some(), "{values:?}");
        }
    }
}
