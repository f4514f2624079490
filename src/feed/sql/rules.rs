//! What the values of a row mean together.

use crate::{
    asn1::{Certificate, CrlReason},
    change::{Action, Inventory},
    config::feed::{SqlFeed, SqlSerials, SqlStatus, SqlTimes},
    identity::SerialNumber,
};

use super::{
    cause::RowCause,
    facts::{BadRow, Facts, GivenReason, claim, inventory_of, is_of},
    preset::{cfssl, ejbca, step_ca},
    row::{Field, Row},
};

/// What the values of a row mean.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Rules {
    /// As the operator says.
    Mapped(Mapping),
    /// A row of `CertificateData`.
    Ejbca,
    /// A row of `revoked_x509_certs`.
    StepCaRevocation,
    /// A row of `x509_certs`.
    StepCaCertificate,
    /// A row of `certificates`.
    Cfssl,
}

impl Rules {
    /// What a row says; `None` for a certificate of another issuer.
    pub(super) fn read(
        &self,
        row: &Row<'_>,
        issuer: &Certificate,
    ) -> Result<Option<Facts>, BadRow> {
        match self {
            Self::Mapped(mapping) => mapping.read(row, issuer),
            Self::Ejbca => ejbca::read(row).map(Some),
            Self::StepCaRevocation => step_ca::read_revocation(row).map(Some),
            Self::StepCaCertificate => step_ca::read_certificate(row, issuer),
            Self::Cfssl => cfssl::read(row, issuer),
        }
    }

    /// What a number is in a column of times.
    pub(super) const fn numbers(&self) -> SqlTimes {
        match self {
            Self::Mapped(mapping) => mapping.times,
            Self::Ejbca => SqlTimes::UnixMs,
            Self::StepCaRevocation | Self::StepCaCertificate | Self::Cfssl => SqlTimes::None,
        }
    }

    /// Whether a row says no more than that a certificate was issued, whatever became of it then.
    pub(super) const fn only_issuances(&self) -> bool {
        matches!(self, Self::StepCaCertificate)
    }
}

/// The operator's own table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Mapping {
    serials: SqlSerials,
    times: SqlTimes,
    statuses: Vec<(String, SqlStatus)>,
    every_status: Option<SqlStatus>,
}

impl Mapping {
    pub(super) fn new(feed: &SqlFeed) -> Self {
        let given = feed.statuses.iter();
        let mut statuses: Vec<_> = given
            .map(|(word, status)| (word.clone(), *status))
            .collect();
        if statuses.is_empty() {
            statuses = OWN_STATUSES
                .map(|(word, status)| (word.to_owned(), status))
                .to_vec();
        }
        Self {
            serials: feed.serials,
            times: feed.times,
            statuses,
            every_status: feed.every_status,
        }
    }

    fn read(&self, row: &Row<'_>, issuer: &Certificate) -> Result<Option<Facts>, BadRow> {
        let serial = row.serial(self.serials)?;
        let mut inventory = Inventory {
            not_before: row.time(Field::NotBefore, self.times)?,
            not_after: row.time(Field::NotAfter, self.times)?,
            certificate_sha256: row.sha256()?,
            distribution_point: None,
        };
        if let Some(certificate) = row.certificate()? {
            if !is_of(&certificate, issuer) {
                return Ok(None);
            }
            same_serial(row, serial, &certificate)?;
            inventory = inventory_of(&certificate);
        }
        let action = self.action(row, inventory)?;
        Ok(Some(Facts { serial, action }))
    }

    fn action(&self, row: &Row<'_>, inventory: Inventory) -> Result<Action, BadRow> {
        let status = match self.every_status {
            Some(status) => status,
            None => self.status(row)?,
        };
        let time = row.time(Field::RevocationTime, self.times)?;
        let invalidity_date = row.time(Field::InvalidityDate, self.times)?;
        let given = row.reason()?;
        let given = match (status, time) {
            (SqlStatus::Good, _) | (SqlStatus::ByTime, None) => {
                let no_reason = matches!(given, GivenReason::None | GivenReason::RemoveFromCrl);
                if time.is_some() || invalidity_date.is_some() || !no_reason {
                    return Err(row.bad(Field::Status, RowCause::RevocationUnexpected));
                }
                return Ok(Action::Issue(inventory));
            }
            (SqlStatus::Hold, _) => match given {
                GivenReason::None | GivenReason::Reason(CrlReason::CertificateHold) => {
                    GivenReason::Reason(CrlReason::CertificateHold)
                }
                _ => return Err(row.bad(Field::Reason, RowCause::HoldReason)),
            },
            (SqlStatus::Revoked | SqlStatus::ByTime, _) => given,
        };
        Ok(Action::Revoke {
            claim: claim(row, time, given, invalidity_date)?,
            inventory: Some(inventory),
        })
    }

    fn status(&self, row: &Row<'_>) -> Result<SqlStatus, BadRow> {
        let text = row.value(Field::Status).text();
        let bad = |cause| row.bad(Field::Status, cause);
        let text = text.ok_or_else(|| bad(RowCause::NotText))?;
        let mut known = self.statuses.iter();
        let found = known.find(|(word, _)| word.eq_ignore_ascii_case(&text));
        found.map(|(_, status)| *status).ok_or_else(|| {
            let words: Vec<&str> = self
                .statuses
                .iter()
                .map(|(word, _)| word.as_str())
                .collect();
            bad(RowCause::Status {
                known: words.join(", "),
            })
        })
    }
}

const OWN_STATUSES: [(&str, SqlStatus); 3] = [
    ("good", SqlStatus::Good),
    ("revoked", SqlStatus::Revoked),
    ("hold", SqlStatus::Hold),
];

/// A certificate has the serial number of its row.
pub(super) fn same_serial(
    row: &Row<'_>,
    serial: SerialNumber,
    certificate: &Certificate,
) -> Result<(), BadRow> {
    match SerialNumber::from_content(certificate.serial_number()) {
        Ok(own) if own == serial => Ok(()),
        Ok(own) => Err(row.bad(Field::Certificate, RowCause::OtherSerial { serial: own })),
        Err(cause) => Err(row.bad(Field::Certificate, RowCause::Serial(cause))),
    }
}
