//! What a row says about a certificate.

use crate::change::PointTag;
use sha2::{Digest as _, Sha256};

use crate::{
    asn1::{Certificate, CrlReason, UnixTime, pem_blocks},
    change::{Action, Inventory, RevocationClaim},
    config::feed::{SqlSerials, SqlTimes},
    feed::problems::BadPart,
    identity::SerialNumber,
};

use super::{
    cause::RowCause,
    row::{Field, Row},
    time::{Moment, moment},
};

/// What one row says about one certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Facts {
    pub(super) serial: SerialNumber,
    pub(super) action: Action,
}

/// A row that is not taken: the bad part of it, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct BadRow {
    pub(super) part: Option<BadPart>,
    pub(super) cause: RowCause,
}

impl From<RowCause> for BadRow {
    fn from(cause: RowCause) -> Self {
        Self { part: None, cause }
    }
}

/// A reason as a row gives it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum GivenReason {
    None,
    Unspecified,
    RemoveFromCrl,
    Reason(CrlReason),
}

impl GivenReason {
    /// By its wire value; -1 is none.
    pub(super) fn from_code(code: i64) -> Option<Self> {
        Some(match code {
            -1 => Self::None,
            0 => Self::Unspecified,
            8 => Self::RemoveFromCrl,
            _ => Self::Reason(CrlReason::from_code(u8::try_from(code).ok()?)?),
        })
    }

    fn from_text(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::None);
        }
        if let Ok(code) = text.parse() {
            return Self::from_code(code);
        }
        if text.eq_ignore_ascii_case("unspecified") {
            return Some(Self::Unspecified);
        }
        if text.eq_ignore_ascii_case("removeFromCRL") {
            return Some(Self::RemoveFromCrl);
        }
        CrlReason::from_name(text).map(Self::Reason)
    }
}

impl Row<'_> {
    /// A bad row, with its bad value.
    pub(super) fn bad(&self, field: Field, cause: RowCause) -> BadRow {
        let name = self.layout.name(field);
        let place = self.layout.place(field);
        let part = place.map(|place| {
            let number = u64::try_from(place).unwrap_or(u64::MAX).saturating_add(1);
            BadPart::of_field(number, name, &self.value(field).octets())
        });
        BadRow { part, cause }
    }

    /// A positive serial number.
    pub(super) fn serial(&self, written: SqlSerials) -> Result<SerialNumber, BadRow> {
        let value = self.value(Field::Serial);
        let bad = |cause| self.bad(Field::Serial, cause);
        if value.is_null() {
            return Err(bad(RowCause::NoSerial));
        }
        let serial = match written {
            SqlSerials::Octets => {
                let octets = value.octets();
                let digits: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
                SerialNumber::from_hex(&digits)
            }
            SqlSerials::Hex | SqlSerials::Decimal => {
                let digits = value.text().ok_or_else(|| bad(RowCause::NotText))?;
                match written {
                    SqlSerials::Decimal => SerialNumber::from_decimal(&digits),
                    SqlSerials::Hex | SqlSerials::Octets => SerialNumber::from_hex(&digits),
                }
            }
        };
        let serial = serial.map_err(|cause| bad(RowCause::Serial(cause)))?;
        if !serial.is_positive() {
            return Err(bad(RowCause::SerialZero));
        }
        Ok(serial)
    }

    pub(super) fn moment(&self, field: Field, numbers: SqlTimes) -> Result<Option<Moment>, BadRow> {
        let text = self.value(field).text();
        let text = text.ok_or_else(|| self.bad(field, RowCause::NotText))?;
        moment(&text, numbers).map_err(|fault| self.bad(field, RowCause::Time(fault)))
    }

    pub(super) fn time(&self, field: Field, numbers: SqlTimes) -> Result<Option<UnixTime>, BadRow> {
        Ok(self.moment(field, numbers)?.map(Moment::to_unix))
    }

    pub(super) fn reason(&self) -> Result<GivenReason, BadRow> {
        let bad = |cause| self.bad(Field::Reason, cause);
        let text = self.value(Field::Reason).text();
        let text = text.ok_or_else(|| bad(RowCause::NotText))?;
        GivenReason::from_text(&text).ok_or_else(|| bad(RowCause::Reason))
    }

    /// A whole number.
    pub(super) fn number(&self, field: Field) -> Result<i64, BadRow> {
        let text = self.value(field).text();
        let number = text.and_then(|text| text.parse().ok());
        number.ok_or_else(|| self.bad(field, RowCause::NotNumber))
    }

    /// SHA-256 of the certificate, if it is given.
    pub(super) fn sha256(&self) -> Result<Option<[u8; 32]>, BadRow> {
        let value = self.value(Field::Sha256);
        let octets = value.octets();
        if octets.trim_ascii().is_empty() {
            return Ok(None);
        }
        if let Ok(hash) = <[u8; 32]>::try_from(&*octets) {
            return Ok(Some(hash));
        }
        let bad = || self.bad(Field::Sha256, RowCause::Sha256);
        let text = value.text().filter(|text| text.len() == 64);
        let text = text.ok_or_else(bad)?;
        let mut hash = [0_u8; 32];
        for (place, pair) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = str::from_utf8(pair).ok();
            let is_hex = |pair: &&str| pair.bytes().all(|octet| octet.is_ascii_hexdigit());
            let value = pair
                .filter(is_hex)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok());
            *place = value.ok_or_else(bad)?;
        }
        Ok(Some(hash))
    }

    /// The certificate, if it is given.
    pub(super) fn certificate(&self) -> Result<Option<Certificate>, BadRow> {
        let value = self.value(Field::Certificate);
        let octets = value.octets();
        let octets = octets.trim_ascii();
        let der = match octets.first() {
            None => return Ok(None),
            Some(0x30) => value.octets().into_owned(),
            Some(_) => {
                let block = pem_blocks(octets).flatten().next();
                let bad = || self.bad(Field::Certificate, RowCause::NoCertificate);
                block.ok_or_else(bad)?.der
            }
        };
        let certificate = Certificate::from_der(der);
        let bad = |cause| self.bad(Field::Certificate, RowCause::Certificate(cause));
        certificate.map(Some).map_err(bad)
    }
}

/// What a certificate says of itself.
pub(super) fn inventory_of(certificate: &Certificate) -> Inventory {
    Inventory {
        not_before: Some(certificate.not_before()),
        not_after: Some(certificate.not_after()),
        certificate_sha256: Some(Sha256::digest(certificate.der()).into()),
        distribution_point: PointTag::of_certificate(certificate),
    }
}

/// Whether a certificate is one of `issuer`: of its name, and of its key as far as both certificates
/// name that.
pub(super) fn is_of(certificate: &Certificate, issuer: &Certificate) -> bool {
    let keys = certificate.authority_key_id().zip(issuer.subject_key_id());
    certificate.issuer_der() == issuer.subject_der()
        && keys.is_none_or(|(of_certificate, of_issuer)| of_certificate == of_issuer)
}

/// A claim out of its parts.
pub(super) fn claim(
    row: &Row<'_>,
    time: Option<UnixTime>,
    given: GivenReason,
    invalidity_date: Option<UnixTime>,
) -> Result<RevocationClaim, BadRow> {
    let revocation_time =
        time.ok_or_else(|| row.bad(Field::RevocationTime, RowCause::RevocationMissing))?;
    let reason = match given {
        GivenReason::None | GivenReason::Unspecified => None,
        GivenReason::Reason(reason) => Some(reason),
        GivenReason::RemoveFromCrl => {
            return Err(row.bad(Field::Reason, RowCause::RemoveFromCrl));
        }
    };
    Ok(RevocationClaim {
        revocation_time,
        reason,
        invalidity_date,
    })
}
