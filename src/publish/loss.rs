//! What the CRL before has and a new one has not: a second opinion on every entry that leaves.

use std::{fs::File, io::BufReader, path::Path};

use super::{CrlIssuer, PublishError, ShardRule, write::Entries};
use crate::{
    asn1::UnixTime,
    catalog::crls::{CrlEdition, CrlKind},
    crl::{CrlReader, Limits, Tap},
    identity::SerialNumber,
    ledger::{LedgerError, StatusRecord},
};

/// Compares the CRL before, in its file, with the entries of the new one. Both rise by serial number.
/// `may_leave` judges each that is not there any more.
///
/// A CRL that cannot be read any more judges nothing: the new one is better than that.
///
/// # Errors
/// [`PublishError::Lost`], or what reading gives.
pub(super) fn none(
    path: &Path,
    previous: &CrlEdition,
    mut entries: impl Entries,
    may_leave: impl Fn(&SerialNumber, CrlKind) -> Result<bool, LedgerError>,
) -> Result<(), PublishError> {
    let (mut count, mut first) = (0_u64, None);
    let mut current = next(&mut entries)?;
    let read = each_serial(path, |serial| {
        while current.is_some_and(|current| order(&current) < order(&serial)) {
            current = next(&mut entries)?;
        }
        if current != Some(serial) && !may_leave(&serial, previous.kind)? {
            count = count.saturating_add(1);
            first.get_or_insert(serial);
        }
        Ok(())
    });
    match read {
        Ok(()) => {}
        Err(Stop::Publish(error)) => return Err(error),
        Err(Stop::Unreadable(why)) => {
            tracing::warn!(
                issuer = previous.issuer,
                crl = %previous.kind,
                "the CRL before cannot be read, so that the new one is not compared with it: {why}"
            );
            return Ok(());
        }
    }
    match first {
        None => Ok(()),
        Some(serial) => Err(PublishError::Lost { count, serial }),
    }
}

/// Whether an entry may leave: its hold ended, it has been on a CRL after its certificate's end, or the
/// certificate turned out to name another shard.
pub(super) fn may_leave(
    status: Option<&StatusRecord>,
    serial: &SerialNumber,
    kind: CrlKind,
    issuer: &CrlIssuer<'_>,
    leaves: &dyn Fn(Option<UnixTime>, u64) -> bool,
) -> bool {
    let Some(status) = status else {
        return false;
    };
    if status.revocation.is_none() {
        return status.released;
    }
    let inventory = status.issued.unwrap_or_default();
    if leaves(inventory.not_after, status.sequence) {
        return true;
    }
    match (kind, &issuer.settings.shards) {
        (CrlKind::Shard(shard), Some(settings)) => {
            ShardRule::new(settings).shard(serial, inventory.distribution_point) != shard
        }
        _ => false,
    }
}

enum Stop {
    Publish(PublishError),
    Unreadable(String),
}

impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Self {
        Self::Publish(error.into())
    }
}

impl From<PublishError> for Stop {
    fn from(error: PublishError) -> Self {
        Self::Publish(error)
    }
}

fn each_serial(
    path: &Path,
    mut each: impl FnMut(SerialNumber) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let unreadable = |error: &dyn std::fmt::Display| Stop::Unreadable(error.to_string());
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let input = BufReader::with_capacity(READ_OCTETS, file);
    let mut reader = CrlReader::open(input, Limits::MOST).map_err(|error| unreadable(&error))?;
    loop {
        let raw = reader
            .next_entry(&mut Deaf)
            .map_err(|error| unreadable(&error))?;
        let Some(raw) = raw else {
            return Ok(());
        };
        let entry = raw.decode().map_err(|error| unreadable(&error))?;
        let serial = SerialNumber::from_content(entry.serial_number);
        each(serial.map_err(|error| unreadable(&error))?)?;
    }
}

fn next(entries: &mut impl Entries) -> Result<Option<SerialNumber>, PublishError> {
    match entries.next() {
        None => Ok(None),
        Some(Ok(entry)) => Ok(Some(entry.serial)),
        Some(Err(source)) => Err(PublishError::Sorting { source }),
    }
}

fn order(serial: &SerialNumber) -> (usize, &[u8]) {
    crate::crl::writer::order(serial)
}

/// Nothing is computed over the octets.
struct Deaf;

impl Tap for Deaf {
    fn whole(&mut self, _: &[u8]) {}

    fn tbs(&mut self, _: &[u8]) {}
}

const READ_OCTETS: usize = 128 << 10;
