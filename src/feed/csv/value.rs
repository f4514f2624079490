//! Values of single fields, without white space around them.

use super::{CsvCause, CsvMapping, CsvSerials, CsvStatus, CsvTimes};
use crate::{
    asn1::{CrlReason, TimeError, UnixTime},
    identity::SerialNumber,
};

/// A positive serial number.
pub(super) fn serial(octets: &[u8], written: CsvSerials) -> Result<SerialNumber, CsvCause> {
    let digits = str::from_utf8(octets).map_err(|_| CsvCause::NotUtf8)?;
    let serial = match written {
        CsvSerials::Hex => SerialNumber::from_hex(digits),
        CsvSerials::Decimal => SerialNumber::from_decimal(digits),
    }
    .map_err(CsvCause::Serial)?;
    if written == CsvSerials::Hex && !octets.len().is_multiple_of(2) {
        return Err(CsvCause::SerialHalfOctet);
    }
    if serial.as_bytes() == [0] {
        return Err(CsvCause::SerialZero);
    }
    Ok(serial)
}

/// A word for a status, letter case aside.
pub(super) fn status(octets: &[u8], mapping: &CsvMapping) -> Result<CsvStatus, CsvCause> {
    let word = str::from_utf8(octets).map_err(|_| CsvCause::NotUtf8)?;
    let is = |known: &str| known.eq_ignore_ascii_case(word);
    let known = |(known, status): (&str, CsvStatus)| is(known).then_some(status);
    let found = if mapping.statuses.is_empty() {
        OWN_STATUSES.into_iter().find_map(known)
    } else {
        let mut given = mapping.statuses.iter();
        given.find_map(|(word, status)| known((word, *status)))
    };
    found.ok_or_else(|| CsvCause::Status {
        known: if mapping.statuses.is_empty() {
            OWN_STATUSES.map(|(word, _)| word).join(", ")
        } else {
            let words: Vec<&str> = mapping.statuses.keys().map(String::as_str).collect();
            words.join(", ")
        },
    })
}

const OWN_STATUSES: [(&str, CsvStatus); 3] = [
    ("good", CsvStatus::Good),
    ("revoked", CsvStatus::Revoked),
    ("hold", CsvStatus::Hold),
];

/// A reason as a source gives it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum GivenReason {
    None,
    Unspecified,
    RemoveFromCrl,
    Reason(CrlReason),
}

/// A reason by the name that RFC 5280 §5.3.1 gives it, letter case aside, or by its wire value. -1 is
/// what EJBCA writes for none.
pub(super) fn reason(octets: &[u8]) -> Result<GivenReason, CsvCause> {
    if matches!(octets, b"" | b"-1") {
        return Ok(GivenReason::None);
    }
    let word = str::from_utf8(octets).map_err(|_| CsvCause::NotUtf8)?;
    let is_code = octets.iter().all(u8::is_ascii_digit);
    let code = word.parse::<u8>().ok().filter(|_| is_code);
    if is_code {
        return match code {
            Some(0) => Ok(GivenReason::Unspecified),
            Some(8) => Ok(GivenReason::RemoveFromCrl),
            _ => code
                .and_then(CrlReason::from_code)
                .map(GivenReason::Reason)
                .ok_or(CsvCause::Reason),
        };
    }
    if word.eq_ignore_ascii_case("unspecified") {
        return Ok(GivenReason::Unspecified);
    }
    if word.eq_ignore_ascii_case("removeFromCRL") {
        return Ok(GivenReason::RemoveFromCrl);
    }
    CrlReason::from_name(word)
        .map(GivenReason::Reason)
        .ok_or(CsvCause::Reason)
}

/// A time, if one is given.
pub(super) fn time(octets: &[u8], written: CsvTimes) -> Result<Option<UnixTime>, CsvCause> {
    if octets.is_empty() {
        return Ok(None);
    }
    let text = str::from_utf8(octets).map_err(|_| CsvCause::NotUtf8)?;
    let time = match written {
        CsvTimes::Rfc3339 => UnixTime::from_rfc3339(text),
        CsvTimes::Utc => utc(octets),
        // What EJBCA writes for none.
        CsvTimes::Unix | CsvTimes::UnixMs if text == "-1" => return Ok(None),
        CsvTimes::Unix => number(text).and_then(seconds),
        CsvTimes::UnixMs => number(text).and_then(|millis| seconds(millis / 1_000)),
    };
    time.map(Some).map_err(CsvCause::Time)
}

fn number(text: &str) -> Result<u64, TimeError> {
    if !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(TimeError::Form);
    }
    text.parse().map_err(|_| TimeError::Range)
}

fn seconds(secs: u64) -> Result<UnixTime, TimeError> {
    UnixTime::from_secs(secs).ok_or(TimeError::Range)
}

/// `YYYY-MM-DD HH:MM:SS`, with a fraction that is dropped: what databases print for UTC.
fn utc(octets: &[u8]) -> Result<UnixTime, TimeError> {
    let (second, fraction) = octets.split_at_checked(19).ok_or(TimeError::Form)?;
    let fraction_is_one = match fraction {
        [] => true,
        [b'.', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let mut digits = [b'Z'; 15];
    let mut places = digits.iter_mut();
    for (octet, expected) in second.iter().zip(b"dddd-dd-dd dd:dd:dd") {
        match (octet, expected) {
            (b'0'..=b'9', b'd') => {
                if let Some(place) = places.next() {
                    *place = *octet;
                }
            }
            (b'T', b' ') => {}
            (octet, expected) if octet == expected && *expected != b'd' => {}
            _ => return Err(TimeError::Form),
        }
    }
    if !fraction_is_one {
        return Err(TimeError::Form);
    }
    UnixTime::from_generalized_time(&digits)
}

/// SHA-256 of the certificate, if it is given.
pub(super) fn sha256(octets: &[u8]) -> Result<Option<[u8; 32]>, CsvCause> {
    if octets.is_empty() {
        return Ok(None);
    }
    let mut hash = [0_u8; 32];
    if octets.len() != 2 * hash.len() {
        return Err(CsvCause::Sha256);
    }
    for (place, pair) in hash.iter_mut().zip(octets.chunks(2)) {
        for digit in pair {
            let value = char::from(*digit).to_digit(16).ok_or(CsvCause::Sha256)?;
            *place = (*place << 4) | u8::try_from(value).map_err(|_| CsvCause::Sha256)?;
        }
    }
    Ok(Some(hash))
}
