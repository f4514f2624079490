//! One line of `index.txt`: its six fields, and the facts in four of them.

use crate::{
    asn1::{TimeError, UnixTime},
    change::RevocationClaim,
    identity::{SerialNumber, SerialNumberError},
};

use super::revocation::{RevocationError, revocation_claim};

/// What one line says about one certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Facts {
    pub(super) serial: SerialNumber,
    pub(super) not_after: UnixTime,
    /// `None` for V and E.
    pub(super) revocation: Option<RevocationClaim>,
}

impl Facts {
    /// Reads one line without its line feed.
    ///
    /// The file name and the subject are not looked at: OCSP needs neither, and a subject can be in
    /// any encoding. A carriage return before the line feed is part of the subject, so files that
    /// passed through Windows read the same.
    pub(super) fn from_line(line: &[u8]) -> Result<Self, BadField> {
        let [status, expiry, revocation, serial, _file_name, _subject] = split(line)?;
        let revoked = match status.octets {
            // E is what V becomes once notAfter has passed; the ledger knows notAfter itself.
            b"V" | b"E" => false,
            b"R" => true,
            _ => return Err(status.bad(IndexCause::Status)),
        };
        let not_after = time(expiry.octets).map_err(|e| expiry.bad(IndexCause::Expiry(e)))?;
        let revocation = match (revoked, revocation.octets) {
            (false, b"") => None,
            (false, _) => return Err(revocation.bad(IndexCause::RevocationUnexpected)),
            (true, b"") => return Err(revocation.bad(IndexCause::RevocationMissing)),
            (true, octets) => Some(
                revocation_claim(octets).map_err(|e| revocation.bad(IndexCause::Revocation(e)))?,
            ),
        };
        let serial_number = serial_number(serial.octets).map_err(|cause| serial.bad(cause))?;
        Ok(Self {
            serial: serial_number,
            not_after,
            revocation,
        })
    }
}

/// A time as certificates carry it: 13 characters of UTCTime or 15 of GeneralizedTime, ending in Z.
pub(super) fn time(octets: &[u8]) -> Result<UnixTime, TimeError> {
    match octets.len() {
        13 => UnixTime::from_utc_time(octets),
        _ => UnixTime::from_generalized_time(octets),
    }
}

/// A serial as OpenSSL prints it: whole octets, two digits each. A digit short is a digit lost: the
/// line would speak for another certificate.
fn serial_number(octets: &[u8]) -> Result<SerialNumber, IndexCause> {
    let digits = str::from_utf8(octets)
        .map_err(|_| IndexCause::Serial(SerialNumberError::NotHexadecimal))?;
    let serial = SerialNumber::from_hex(digits).map_err(IndexCause::Serial)?;
    if !octets.len().is_multiple_of(2) {
        return Err(IndexCause::SerialHalfOctet);
    }
    Ok(serial)
}

/// One field and where it begins.
#[derive(Clone, Copy, Debug)]
struct Field<'a> {
    /// The octets before it in its line.
    offset: usize,
    octets: &'a [u8],
}

impl Field<'_> {
    fn bad(&self, cause: IndexCause) -> BadField {
        BadField {
            part: Some((self.offset, self.octets.len())),
            cause,
        }
    }
}

/// The six fields of OpenSSL's TXT_DB: separated by tabs, where a tab behind a backslash is text.
fn split(line: &[u8]) -> Result<[Field<'_>; FIELDS], BadField> {
    let mut fields = [Field {
        offset: 0,
        octets: b"",
    }; FIELDS];
    let mut found = 0_usize;
    let mut offset = 0_usize;
    let mut rest = line;
    loop {
        let end = unescaped_tab(rest);
        let (octets, behind) = rest
            .split_at_checked(end.unwrap_or(rest.len()))
            .unwrap_or((rest, b""));
        if let Some(field) = fields.get_mut(found) {
            *field = Field { offset, octets };
        }
        found = found.saturating_add(1);
        let Some((_tab, next)) = behind.split_first() else {
            break;
        };
        offset = offset.saturating_add(octets.len()).saturating_add(1);
        rest = next;
    }
    if found == FIELDS {
        Ok(fields)
    } else {
        Err(BadField {
            part: None,
            cause: IndexCause::FieldCount { found },
        })
    }
}

fn unescaped_tab(octets: &[u8]) -> Option<usize> {
    let mut escaped = false;
    octets.iter().position(|octet| {
        let ends = *octet == b'\t' && !escaped;
        escaped = *octet == b'\\';
        ends
    })
}

/// status, expiry, revocation, serial, file name, subject
const FIELDS: usize = 6;

/// A field that cannot be believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct BadField {
    /// The octets before it in its line, and its own; `None` when the whole line is meant.
    pub(super) part: Option<(usize, usize)>,
    pub(super) cause: IndexCause,
}

/// Why a line of `index.txt` is not applied.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexCause {
    /// Another number of tab-separated fields; also what a blank line is.
    #[error("{found} tab-separated field(s) where index.txt has 6")]
    FieldCount {
        /// How many there are.
        found: usize,
    },
    /// The first field.
    #[error("the status is not V, R or E")]
    Status,
    /// notAfter, the second field.
    #[error("the expiry date cannot be used: {0}")]
    Expiry(TimeError),
    /// V or E, with a third field that is not empty.
    #[error("a revocation is given, but the status is not R")]
    RevocationUnexpected,
    /// R with an empty third field.
    #[error("the status is R, but no revocation date is given")]
    RevocationMissing,
    /// The third field.
    #[error(transparent)]
    Revocation(RevocationError),
    /// The fourth field.
    #[error("{0}")]
    Serial(SerialNumberError),
    /// The fourth field, with an odd number of digits.
    #[error("the serial number has an odd number of digits")]
    SerialHalfOctet,
    /// More octets than [`LINE_OCTETS_MAX`](super::LINE_OCTETS_MAX).
    #[error("the line is longer than {octets_max} octets")]
    LineTooLong {
        /// The limit.
        octets_max: usize,
    },
    /// The last line has no line feed. `openssl ca` ends every line and passes over such a rest.
    #[error("the file ends in the middle of this line: it was cut short")]
    CutShort,
    /// Another line gives the same serial number another status, date or reason.
    #[error(
        "serial number {serial} is given again with another status, date or reason on line {other}"
    )]
    Contradiction {
        /// The serial number that both carry.
        serial: SerialNumber,
        /// The nearest line that differs.
        other: u64,
    },
}
