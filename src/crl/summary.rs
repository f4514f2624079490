//! What a CRL says as a whole: read once, as a stream, whatever its size.

use std::{collections::BTreeMap, io::BufRead};

use aws_lc_rs::digest;

use super::{
    CrlError, CrlExtensions, CrlExtensionsError, CrlReader, Entry, EntryError, Head, Limits, Tap,
};
use crate::asn1::{CrlReason, TimeError, UnixTime};

/// A CRL without its entries.
#[derive(Clone, Debug)]
pub struct CrlSummary {
    /// What stands before the entries.
    pub head: Head,
    /// What stands behind them, or why it cannot be read.
    pub extensions: Result<CrlExtensions, CrlExtensionsError>,
    /// How many octets of DER it has.
    pub octets: u64,
    /// SHA-256 of its DER.
    pub sha256: [u8; 32],
    /// How many entries it has, the bad ones included.
    pub entry_count: u32,
    /// How many of them cannot be read.
    pub bad_entry_count: u32,
    /// The first that cannot be read: its place in the list, counted from 1, and why.
    pub first_bad_entry: Option<(u32, EntryFault)>,
    /// How many entries have each reasonCode; `None` for those without one.
    pub reasons: BTreeMap<Option<u8>, u32>,
    /// The earliest and the latest revocationDate.
    pub revocation_dates: Option<(UnixTime, UnixTime)>,
}

/// Why an entry cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryFault {
    /// Its structure.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// Its revocationDate.
    #[error("revocationDate: {0}")]
    RevocationDate(#[from] TimeError),
}

impl CrlSummary {
    /// Reads a CRL, DER or PEM, and tells `each` of its entries with its place, counted from 1, and
    /// revocationDate. Its signature is not looked at.
    ///
    /// # Errors
    /// [`CrlError`] when it cannot be read to its end. What is wrong with one entry or with the extensions
    /// is in the summary instead.
    pub fn read(
        input: impl BufRead,
        limits: Limits,
        mut each: impl FnMut(u32, &Entry<'_>, UnixTime),
    ) -> Result<Self, CrlError> {
        let mut reader = CrlReader::open(input, limits)?;
        let mut digest = Sha256(digest::Context::new(&digest::SHA256));
        let (mut bad_entry_count, mut first_bad_entry) = (0_u32, None);
        let mut reasons = BTreeMap::new();
        let mut revocation_dates: Option<(UnixTime, UnixTime)> = None;
        while let Some(raw) = reader.next_entry(&mut digest)? {
            let number = raw.number;
            let decoded = raw.decode().map_err(EntryFault::from).and_then(|entry| {
                let date = entry.revocation_date.to_unix()?;
                Ok((entry, date))
            });
            match decoded {
                Ok((entry, date)) => {
                    let count = reasons.entry(entry.extensions.reason_code).or_insert(0_u32);
                    *count = count.saturating_add(1);
                    let (first, last) = revocation_dates.unwrap_or((date, date));
                    revocation_dates = Some((first.min(date), last.max(date)));
                    each(number, &entry, date);
                }
                Err(fault) => {
                    bad_entry_count = bad_entry_count.saturating_add(1);
                    first_bad_entry.get_or_insert((number, fault));
                }
            }
        }
        let (head, octets) = (reader.head().clone(), reader.octets());
        let tail = reader.finish(&mut digest)?;
        Ok(Self {
            head,
            extensions: tail.extensions(),
            octets,
            sha256: digest.finish(),
            entry_count: tail.entry_count,
            bad_entry_count,
            first_bad_entry,
            reasons,
            revocation_dates,
        })
    }
}

/// The name of a reasonCode (RFC 5280 §5.3.1), or its number where there is no name.
#[must_use]
pub fn reason_name(code: Option<u8>) -> String {
    match code {
        None | Some(0) => "unspecified".to_owned(),
        Some(8) => "removeFromCRL".to_owned(),
        Some(code) => CrlReason::from_code(code).map_or_else(
            || format!("reasonCode {code}"),
            |reason| reason.name().to_owned(),
        ),
    }
}

/// SHA-256 of what passes by.
struct Sha256(digest::Context);

impl Sha256 {
    fn finish(self) -> [u8; 32] {
        let mut octets = [0; 32];
        for (octet, source) in octets.iter_mut().zip(self.0.finish().as_ref()) {
            *octet = *source;
        }
        octets
    }
}

impl Tap for Sha256 {
    fn whole(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    fn tbs(&mut self, _: &[u8]) {}
}
