//! The revoked certificates of an issuer, in the order of their hashes.
//!
//! Those with a revocation of their own lie in the column family `revoked`, and are read from there. Of
//! an issuer that was revoked as a whole every certificate is revoked, and `status`, which has the same
//! order, has them all. Either is one sequential reading.

use super::error::LedgerError;
use super::record::{RevokedRecord, StatusRecord};
use super::snapshot::{Rows, StatusRow};
use crate::identity::SerialNumber;

/// Revoked certificates, read one after another. After an error it is at its end.
#[derive(Debug)]
pub struct RevokedRows<'a>(Way<'a>);

#[derive(Debug)]
enum Way<'a> {
    Own(Rows<'a, RevokedRecord>),
    All(Rows<'a, StatusRow>),
}

impl<'a> RevokedRows<'a> {
    pub(super) const fn own(rows: Rows<'a, RevokedRecord>) -> Self {
        Self(Way::Own(rows))
    }

    /// Of all certificates of an issuer that was revoked as a whole.
    pub(super) const fn all(rows: Rows<'a, StatusRow>) -> Self {
        Self(Way::All(rows))
    }
}

impl Iterator for RevokedRows<'_> {
    type Item = Result<RevokedRecord, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Way::Own(rows) => rows.next(),
            Way::All(rows) => rows.find_map(|row| {
                row.map(|(serial, status)| revoked(serial, &status))
                    .transpose()
            }),
        }
    }
}

fn revoked(serial: SerialNumber, status: &StatusRecord) -> Option<RevokedRecord> {
    Some(RevokedRecord {
        serial,
        sequence: status.sequence,
        recorded_ms: status.recorded_ms,
        revocation: status.revocation?,
        not_after: status.issued.and_then(|inventory| inventory.not_after),
        crl_scope: status.crl_scope,
        distribution_point: status
            .issued
            .and_then(|inventory| inventory.distribution_point),
    })
}
