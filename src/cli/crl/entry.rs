//! One entry of a CRL as it is printed and compared.

use std::fmt;

use serde::Serialize;

use crate::asn1::UnixTime;
use crate::crl::{Entry, reason_name};

/// What an entry says.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct EntryFacts {
    /// In hexadecimal, as `openssl` prints it.
    pub(super) serial: String,
    /// RFC 3339.
    pub(super) revocation_date: String,
    /// reasonCode by name.
    pub(super) reason: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) invalidity_date: Option<String>,
}

/// The same in few octets, for lists with millions of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct PackedEntry {
    /// Content octets, which may be no serial number at all.
    pub(super) serial: Box<[u8]>,
    revocation_date: UnixTime,
    reason_code: Option<u8>,
    invalidity_date: Option<UnixTime>,
}

impl PackedEntry {
    pub(super) fn new(entry: &Entry<'_>, revocation_date: UnixTime) -> Self {
        Self {
            serial: entry.serial_number.into(),
            revocation_date,
            reason_code: entry.extensions.reason_code,
            invalidity_date: entry.extensions.invalidity_date,
        }
    }

    pub(super) fn facts(&self) -> EntryFacts {
        EntryFacts {
            serial: hex(&self.serial),
            revocation_date: self.revocation_date.to_string(),
            reason: reason_name(self.reason_code),
            invalidity_date: self.invalidity_date.map(|time| time.to_string()),
        }
    }
}

impl EntryFacts {
    pub(super) fn new(entry: &Entry<'_>, revocation_date: UnixTime) -> Self {
        PackedEntry::new(entry, revocation_date).facts()
    }
}

/// One line, its fields in columns.
impl fmt::Display for EntryFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            serial,
            revocation_date,
            reason,
            invalidity_date,
        } = self;
        write!(f, "{serial}  {revocation_date}  {reason}")?;
        match invalidity_date {
            Some(time) => write!(f, "  invalid since {time}"),
            None => Ok(()),
        }
    }
}

/// The digits of an INTEGER's content without its sign octet; with a minus where it is negative, which
/// no serial number may be.
fn hex(content: &[u8]) -> String {
    let (sign, octets) = match content {
        [0, rest @ ..] if !rest.is_empty() => ("", rest),
        [0x80..=0xff, ..] => ("negative ", content),
        all => ("", all),
    };
    let digits: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
    format!("{sign}{digits}")
}
