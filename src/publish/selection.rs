//! Which certificates are on a CRL, and what it says of each.

use std::{collections::HashMap, io};

use crate::{
    asn1::UnixTime,
    change::PointTag,
    config,
    crl::writer::{EntryReason, RevokedEntry},
    identity::{IssuerId, SerialNumber},
    ledger::{LastCrl, LedgerError, LedgerSnapshot, RevokedRecord, StatusRecord},
};

/// Why entries could not be chosen or kept.
#[derive(Debug)]
pub(super) enum SelectionError {
    /// The ledger cannot be read.
    Ledger(LedgerError),
    /// They cannot be kept.
    Io(io::Error),
}

impl From<LedgerError> for SelectionError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<io::Error> for SelectionError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Which revocations are on a complete CRL.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    /// The last that was made on schedule.
    last_at: UnixTime,
    last_as_of: u64,
    keep_expired: bool,
}

impl Listed {
    /// After the CRL `last`.
    #[must_use]
    pub(super) const fn after(last: &LastCrl, keep_expired: bool) -> Self {
        Self {
            last_at: last.scheduled_at,
            last_as_of: last.scheduled_as_of,
            keep_expired,
        }
    }

    /// Whether a revocation whose latest entry is `sequence` belongs on the next CRL. One of a certificate
    /// that has expired stays until it was on a CRL made on schedule after its end (RFC 5280 §3.3).
    #[must_use]
    pub(super) fn includes(&self, not_after: Option<UnixTime>, sequence: u64) -> bool {
        self.keep_expired
            || not_after.is_none_or(|end| end >= self.last_at)
            || sequence > self.last_as_of
    }
}

/// The revoked certificates of an issuer that belong on its next full CRL.
///
/// # Errors
/// [`LedgerError`]; each item for itself when reading fails.
pub(super) fn full(
    snapshot: &LedgerSnapshot,
    issuer: &IssuerId,
    listed: Listed,
) -> Result<impl Iterator<Item = Result<RevokedRecord, LedgerError>>, LedgerError> {
    let rows = snapshot.revoked(issuer)?;
    Ok(rows.filter(move |row| {
        row.as_ref()
            .map_or(true, |row| listed.includes(row.not_after, row.sequence))
    }))
}

/// What a delta lists: every certificate that was revoked, corrected or released after entry
/// `base_as_of` (RFC 5280 §5.2.4). One released is listed also where it was put on hold after the base,
/// as another delta may have said so.
///
/// # Errors
/// [`LedgerError`]; each item for itself when reading fails.
pub(super) fn delta<'a>(
    snapshot: &'a LedgerSnapshot,
    issuer: &'a IssuerId,
    base_as_of: u64,
) -> Result<Box<dyn Iterator<Item = Result<RevokedEntry, LedgerError>> + 'a>, LedgerError> {
    let revoked = snapshot
        .revoked_issuers()
        .find(|revoked| revoked.issuer == *issuer);
    if revoked.is_some_and(|revoked| revoked.sequence > base_as_of) {
        // All of them changed at once.
        let rows = snapshot.revoked(issuer)?;
        return Ok(Box::new(rows.map(|row| row.map(|row| entry(&row)))));
    }
    let changes = snapshot.applied_since(base_as_of)?;
    Ok(Box::new(changes.filter_map(move |change| {
        change
            .map(|change| {
                let is_own = change.issuer == *issuer;
                is_own
                    .then(|| changed(change.serial, &change.record))
                    .flatten()
            })
            .transpose()
    })))
}

fn changed(serial: SerialNumber, status: &StatusRecord) -> Option<RevokedEntry> {
    match status.revocation {
        Some(revocation) => Some(RevokedEntry {
            serial,
            revocation_date: revocation.signing_time(),
            reason: revocation.claim.reason.into(),
            invalidity_date: revocation.claim.invalidity_date,
        }),
        None if status.released => Some(RevokedEntry {
            serial,
            // When it was released: the field is not optional, and this is what is known.
            revocation_date: UnixTime::from_secs(status.recorded_ms / 1_000)
                .unwrap_or(UnixTime::MAX),
            reason: EntryReason::RemoveFromCrl,
            invalidity_date: None,
        }),
        None => None,
    }
}

/// The entry of a revocation.
#[must_use]
pub(super) fn entry(record: &RevokedRecord) -> RevokedEntry {
    let claim = record.revocation.claim;
    RevokedEntry {
        serial: record.serial,
        revocation_date: record.revocation.signing_time(),
        reason: claim.reason.into(),
        invalidity_date: claim.invalidity_date,
    }
}

/// Which shard a certificate is in: the one that it names itself, as far as that is known; for all
/// others [`SerialNumber::crl_shard`].
#[derive(Clone, Debug)]
pub struct ShardRule {
    named: HashMap<PointTag, u32>,
    count: u32,
}

impl ShardRule {
    /// The rule for the configured shards.
    #[must_use]
    pub fn new(shards: &config::CrlShards) -> Self {
        Self {
            named: (0..)
                .zip(shards.urls())
                .map(|(shard, url)| (PointTag::of(&url), shard))
                .collect(),
            count: shards.count,
        }
    }

    /// The shard of a certificate.
    #[must_use]
    pub fn shard(&self, serial: &SerialNumber, point: Option<PointTag>) -> u32 {
        let named = point.and_then(|point| self.named.get(&point));
        named
            .copied()
            .unwrap_or_else(|| serial.crl_shard(self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_in_the_shard_that_it_names() {
        let shards = config::CrlShards::new("http://crl.example/{shard}.crl", 4);
        let rule = ShardRule::new(&shards);
        let serial = SerialNumber::from_content(&[7]).unwrap();
        for shard in 0..4 {
            let url = format!("http://crl.example/{shard}.crl");
            assert_eq!(rule.shard(&serial, Some(PointTag::of(&url))), shard);
        }
        // `printf '\x07' | sha256sum` begins with ca358758, which is 0 modulo 4.
        assert_eq!(rule.shard(&serial, None), 0);
        let elsewhere = PointTag::of("http://crl.example/4.crl");
        assert_eq!(rule.shard(&serial, Some(elsewhere)), 0);
        let serial = SerialNumber::from_content(&[0]).unwrap();
        // … and `printf '\x00' | sha256sum` with 6e340b9c, `\x01` with 4bf5122f.
        assert_eq!(rule.shard(&serial, None), 0);
        let serial = SerialNumber::from_content(&[1]).unwrap();
        assert_eq!(rule.shard(&serial, None), 3);
    }
}
