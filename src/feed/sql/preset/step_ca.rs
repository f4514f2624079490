//! step-ca's tables in PostgreSQL and MySQL: a key and a value each (`smallstep/nosql`).
//!
//! | table | nkey | nvalue |
//! | --- | --- | --- |
//! | x509_certs | serial number, decimal digits | the certificate, DER |
//! | revoked_x509_certs | serial number, decimal digits | JSON: `Serial`, `ReasonCode`, `RevokedAt`, … |
//!
//! (`db/db.go` of `smallstep/certificates`.) A revocation says nothing of its issuer; one of a
//! certificate of an earlier intermediate CA revokes a serial number here that was never issued.
//! Rows of `x509_certs` are added and never changed.

use serde::Deserialize;

use crate::{
    asn1::{Certificate, UnixTime},
    change::Action,
    config::feed::{SqlSerials, SqlTimes},
    feed::sql::{
        cause::RowCause,
        facts::{BadRow, Facts, GivenReason, claim, inventory_of, is_of},
        row::{Field, Row},
        rules::same_serial,
        time::{Moment, moment},
    },
};

pub(in crate::feed::sql) const CERTIFICATES: &str = "x509_certs";
pub(in crate::feed::sql) const REVOCATIONS: &str = "revoked_x509_certs";

/// `RevokedCertificateInfo`, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Revocation {
    serial: String,
    reason_code: i64,
    revoked_at: String,
}

pub(in crate::feed::sql) fn read_revocation(row: &Row<'_>) -> Result<Facts, BadRow> {
    let serial = row.serial(SqlSerials::Decimal)?;
    let bad = |cause| row.bad(Field::Document, cause);
    let document = row.value(Field::Document).octets();
    let revocation: Revocation = serde_json::from_slice(&document).map_err(|error| {
        bad(RowCause::Document {
            message: error.to_string(),
        })
    })?;
    if revocation.serial.trim_start_matches('0') != key_digits(row).trim_start_matches('0') {
        let message = "its Serial is not that of the row".to_owned();
        return Err(bad(RowCause::Document { message }));
    }
    let given = GivenReason::from_code(revocation.reason_code);
    let given = given.ok_or_else(|| bad(RowCause::Reason))?;
    let time = moment(&revocation.revoked_at, SqlTimes::None);
    let time = time.map_err(|fault| bad(RowCause::Time(fault)))?;
    let time: Option<UnixTime> = time.map(Moment::to_unix);
    if time.is_none() {
        return Err(bad(RowCause::RevocationMissing));
    }
    Ok(Facts {
        serial,
        action: Action::Revoke {
            claim: claim(row, time, given, None)?,
            inventory: None,
        },
    })
}

fn key_digits(row: &Row<'_>) -> String {
    let text = row.value(Field::Serial).text();
    text.unwrap_or_default().into_owned()
}

pub(in crate::feed::sql) fn read_certificate(
    row: &Row<'_>,
    issuer: &Certificate,
) -> Result<Option<Facts>, BadRow> {
    let serial = row.serial(SqlSerials::Decimal)?;
    let no_certificate = || row.bad(Field::Certificate, RowCause::NoCertificate);
    let certificate = row.certificate()?.ok_or_else(no_certificate)?;
    if !is_of(&certificate, issuer) {
        return Ok(None);
    }
    same_serial(row, serial, &certificate)?;
    Ok(Some(Facts {
        serial,
        action: Action::Issue(inventory_of(&certificate)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        asn1::CrlReason,
        change::RevocationClaim,
        feed::sql::{row::Layout, value::Value},
    };

    fn revocation(key: &str, document: &str) -> Result<Facts, BadRow> {
        let mut layout = Layout::default();
        layout.push(Field::Serial, "nkey");
        layout.push(Field::Document, "nvalue");
        let values = [key, document].map(|text| Value::Octets(text.as_bytes().to_vec()));
        read_revocation(&Row {
            layout: &layout,
            values: &values,
        })
    }

    /// As `json.Marshal` of `RevokedCertificateInfo` writes it.
    const DOCUMENT: &str = r#"{"Serial":"255","ProvisionerID":"p","ReasonCode":1,"Reason":"","RevokedAt":"2026-01-05T12:00:00.123456789Z","ExpiresAt":"2026-01-06T12:00:00Z","TokenID":"t","MTLS":false,"ACME":false}"#;

    #[test]
    fn a_revocation_is_read_from_its_document() {
        let facts = revocation("255", DOCUMENT).unwrap();
        assert_eq!(facts.serial.to_string(), "FF");
        let claim = RevocationClaim {
            revocation_time: UnixTime::from_rfc3339("2026-01-05T12:00:00Z").unwrap(),
            reason: Some(CrlReason::KeyCompromise),
            invalidity_date: None,
        };
        let inventory = None;
        assert_eq!(facts.action, Action::Revoke { claim, inventory });
    }

    #[test]
    fn a_document_that_does_not_fit_is_told() {
        for (key, document, expected) in [
            ("255", "{}", "it is not what step-ca writes: missing field"),
            ("255", "", "it is not what step-ca writes: EOF"),
            ("256", DOCUMENT, "it is not what step-ca writes: its Serial"),
            ("0xff", DOCUMENT, "the serial number is not decimal"),
            (
                "255",
                &DOCUMENT.replace(":1,", ":77,"),
                "the revocation reason is unknown",
            ),
            (
                "255",
                &DOCUMENT.replace("2026-01-05T", "soon"),
                "the time cannot be used",
            ),
            (
                "255",
                &DOCUMENT.replace("2026-01-05T12:00:00.123456789Z", "0001-01-01T00:00:00Z"),
                "the status says revoked, but there is no",
            ),
        ] {
            let bad = revocation(key, document).unwrap_err();
            assert!(
                bad.cause.to_string().starts_with(expected),
                "{document}: {}",
                bad.cause
            );
        }
    }
}
