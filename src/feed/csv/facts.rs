//! What a row says about a certificate.

use super::{
    BadRow, CsvCause, CsvField, CsvMapping, CsvStatus,
    mapping::Columns,
    rows::Fields,
    value::{self, GivenReason},
};
use crate::{
    asn1::{CrlReason, UnixTime},
    change::{Inventory, RevocationClaim},
    feed::problems::BadPart,
    identity::SerialNumber,
};

/// What one row says about one certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Facts {
    pub(super) serial: SerialNumber,
    pub(super) revocation: Option<RevocationClaim>,
    pub(super) inventory: Inventory,
}

impl Facts {
    pub(super) fn from_row(
        fields: &Fields<'_>,
        columns: &Columns,
        mapping: &CsvMapping,
    ) -> Result<Self, BadRow> {
        let reader = Reader {
            fields,
            columns,
            mapping,
        };
        reader.judge_text()?;
        if fields.count() != columns.count() {
            return Err(BadRow {
                part: None,
                cause: CsvCause::FieldCount {
                    found: fields.count(),
                    expected: columns.count(),
                },
            });
        }
        let serial = reader.read(CsvField::Serial, |octets| {
            value::serial(octets, mapping.serials)
        })?;
        let inventory = Inventory {
            not_before: reader.time(CsvField::NotBefore)?,
            not_after: reader.time(CsvField::NotAfter)?,
            certificate_sha256: reader.read(CsvField::Sha256, value::sha256)?,
            distribution_point: None,
        };
        Ok(Self {
            serial,
            revocation: reader.revocation()?,
            inventory,
        })
    }
}

/// One row, its columns and their meaning.
struct Reader<'a> {
    fields: &'a Fields<'a>,
    columns: &'a Columns,
    mapping: &'a CsvMapping,
}

impl Reader<'_> {
    /// The whole row is UTF-8 without NUL, the columns that are not used included: what is not text
    /// is damage, and damage does not keep to columns.
    fn judge_text(&self) -> Result<(), BadRow> {
        let octets = self.fields.octets();
        let cause = if octets.contains(&0) {
            CsvCause::Nul
        } else if str::from_utf8(octets).is_err() {
            CsvCause::NotUtf8
        } else {
            return Ok(());
        };
        let is_bad = |value: &[u8]| value.contains(&0) || str::from_utf8(value).is_err();
        let place = self.fields.iter().position(is_bad);
        Err(self.bad_at(place, cause))
    }

    fn revocation(&self) -> Result<Option<RevocationClaim>, BadRow> {
        let status = match self.mapping.every_status {
            Some(status) => status,
            None => self.read(CsvField::Status, |octets| {
                value::status(octets, self.mapping)
            })?,
        };
        let revocation_time = self.time(CsvField::RevocationTime)?;
        let invalidity_date = self.time(CsvField::InvalidityDate)?;
        let given = self.read(CsvField::Reason, value::reason)?;
        let reason = match (status, revocation_time) {
            (CsvStatus::Good, _) | (CsvStatus::ByTime, None) => {
                let has_reason = !matches!(given, GivenReason::None | GivenReason::RemoveFromCrl);
                for (field, is_given) in [
                    (CsvField::RevocationTime, revocation_time.is_some()),
                    (CsvField::Reason, has_reason),
                    (CsvField::InvalidityDate, invalidity_date.is_some()),
                ] {
                    if is_given {
                        return Err(self.bad(field, CsvCause::RevocationUnexpected { field }));
                    }
                }
                return Ok(None);
            }
            (CsvStatus::Hold, _) => match given {
                GivenReason::None | GivenReason::Reason(CrlReason::CertificateHold) => {
                    Some(CrlReason::CertificateHold)
                }
                _ => return Err(self.bad(CsvField::Reason, CsvCause::HoldReason)),
            },
            (CsvStatus::Revoked | CsvStatus::ByTime, _) => match given {
                GivenReason::None | GivenReason::Unspecified => None,
                GivenReason::Reason(reason) => Some(reason),
                GivenReason::RemoveFromCrl => {
                    return Err(self.bad(CsvField::Reason, CsvCause::RemoveFromCrl));
                }
            },
        };
        let revocation_time = revocation_time
            .ok_or_else(|| self.bad(CsvField::RevocationTime, CsvCause::RevocationMissing))?;
        Ok(Some(RevocationClaim {
            revocation_time,
            reason,
            invalidity_date,
        }))
    }

    fn time(&self, field: CsvField) -> Result<Option<UnixTime>, BadRow> {
        self.read(field, |octets| value::time(octets, self.mapping.times))
    }

    /// The value of a field; what `read` makes of nothing where there is no such column.
    fn read<T>(
        &self,
        field: CsvField,
        read: impl FnOnce(&[u8]) -> Result<T, CsvCause>,
    ) -> Result<T, BadRow> {
        let place = self.columns.place(field);
        let value = place.and_then(|place| self.fields.value(place));
        read(value.unwrap_or_default().trim_ascii()).map_err(|cause| self.bad_at(place, cause))
    }

    fn bad(&self, field: CsvField, cause: CsvCause) -> BadRow {
        self.bad_at(self.columns.place(field), cause)
    }

    fn bad_at(&self, place: Option<usize>, cause: CsvCause) -> BadRow {
        let part = place.and_then(|place| {
            let number = u64::try_from(place).ok()?.checked_add(1)?;
            let value = self.fields.value(place)?;
            Some(BadPart::of_field(number, self.columns.name(place), value))
        });
        BadRow { part, cause }
    }
}
