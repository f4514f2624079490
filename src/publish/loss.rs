//! What the CRL before has and a new one has not: a second opinion on every entry that leaves.

use std::{fs::File, io::BufReader, path::Path};

use aws_lc_rs::digest;

use super::{CrlIssuer, PublishError, ShardRule};
use crate::{
    asn1::UnixTime,
    catalog::crls::{CrlEdition, CrlKind},
    crl::{CrlReader, Limits, Tap, writer::order},
    identity::SerialNumber,
    ledger::{LedgerError, StatusRecord},
    segment::names::hexadecimal,
};

/// Says whether an entry may leave.
type MayLeave<'a> = dyn Fn(&SerialNumber) -> Result<bool, LedgerError> + 'a;

/// The CRL before, read beside the new one. Both rise by serial number.
///
/// One that cannot be read any more judges nothing: the new one is better than that.
pub(super) struct Comparison<'a> {
    previous: Option<Previous>,
    may_leave: &'a MayLeave<'a>,
    count: u64,
    first: Option<SerialNumber>,
}

struct Previous {
    reader: CrlReader<BufReader<File>>,
    next: Option<SerialNumber>,
    told: String,
    digest: Whole,
    sha256: String,
}

impl<'a> Comparison<'a> {
    /// With the CRL in this file, if there is one.
    pub(super) fn new(previous: Option<(&Path, &CrlEdition)>, may_leave: &'a MayLeave<'a>) -> Self {
        let previous = previous.and_then(|(path, edition)| {
            let told = format!("{:?}, {}", edition.issuer, edition.kind);
            match Previous::open(path, told.clone(), edition.sha256.clone()) {
                Ok(previous) => Some(previous),
                Err(why) => {
                    warn(&told, &why);
                    None
                }
            }
        });
        Self {
            previous,
            may_leave,
            count: 0,
            first: None,
        }
    }

    /// The next entry of the new CRL.
    pub(super) fn has(&mut self, serial: &SerialNumber) -> Result<(), LedgerError> {
        while let Some(next) = self.next()
            && order(&next) < order(serial)
        {
            self.lacks(&next)?;
            self.advance();
        }
        if self.next() == Some(*serial) {
            self.advance();
        }
        Ok(())
    }

    /// The new CRL has no more.
    pub(super) fn finish(mut self) -> Result<(), PublishError> {
        while let Some(next) = self.next() {
            self.lacks(&next)?;
            self.advance();
        }
        // What is not what was published judges nothing either.
        if let Some(previous) = self.previous.take()
            && let Err((told, why)) = previous.finish()
        {
            warn(&told, &why);
            return Ok(());
        }
        match self.first {
            None => Ok(()),
            Some(serial) => Err(PublishError::Lost {
                count: self.count,
                serial,
            }),
        }
    }

    fn next(&self) -> Option<SerialNumber> {
        self.previous.as_ref()?.next
    }

    fn advance(&mut self) {
        if let Some(previous) = &mut self.previous
            && let Err(why) = previous.advance()
        {
            warn(&previous.told, &why);
            self.previous = None;
        }
    }

    fn lacks(&mut self, serial: &SerialNumber) -> Result<(), LedgerError> {
        if !(self.may_leave)(serial)? {
            self.count = self.count.saturating_add(1);
            self.first.get_or_insert(*serial);
        }
        Ok(())
    }
}

impl Previous {
    fn open(path: &Path, told: String, sha256: String) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let input = BufReader::with_capacity(READ_OCTETS, file);
        let reader = CrlReader::open(input, Limits::MOST).map_err(|error| error.to_string())?;
        let mut previous = Self {
            reader,
            next: None,
            told,
            digest: Whole(digest::Context::new(&digest::SHA256)),
            sha256,
        };
        previous.advance()?;
        Ok(previous)
    }

    fn advance(&mut self) -> Result<(), String> {
        let raw = self.reader.next_entry(&mut self.digest);
        let raw = raw.map_err(|error| error.to_string())?;
        let serial = raw.map(|raw| {
            let content = raw.serial_number().map_err(|error| error.to_string())?;
            SerialNumber::from_content(content).map_err(|error| error.to_string())
        });
        self.next = serial.transpose()?;
        Ok(())
    }
}

impl Previous {
    /// At its end: whether it is what was published.
    fn finish(self) -> Result<(), (String, String)> {
        let Self {
            reader,
            told,
            mut digest,
            sha256,
            ..
        } = self;
        if let Err(error) = reader.finish(&mut digest) {
            return Err((told, error.to_string()));
        }
        let found = hexadecimal(digest.0.finish().as_ref());
        match found == sha256 {
            true => Ok(()),
            false => Err((told, "it is not what was published".to_owned())),
        }
    }
}

fn warn(told: &str, why: &str) {
    tracing::warn!(
        crl = told,
        "the CRL before cannot be read, so that the new one is not compared with it: {why}"
    );
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

/// The digest of the whole.
struct Whole(digest::Context);

impl Tap for Whole {
    fn whole(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    fn tbs(&mut self, _: &[u8]) {}
}

const READ_OCTETS: usize = 128 << 10;
