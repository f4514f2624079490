//! Values of single fields. Their refusals quote what was given, short and on one line.

use super::{EntryRefusal, entry::refused};
use crate::{
    asn1::{CrlReason, UnixTime},
    identity::SerialNumber,
};

/// A positive serial number in hexadecimal.
pub(super) fn serial(digits: &str) -> Result<SerialNumber, EntryRefusal> {
    let serial = SerialNumber::from_hex(digits).map_err(|error| {
        let detail = format!("serial {}: {error}; hexadecimal is meant", shown(digits));
        refused("serial_malformed", detail)
    })?;
    if serial.as_bytes() == [0] {
        return Err(refused("serial_malformed", "the serial number is zero"));
    }
    Ok(serial)
}

/// RFC 3339.
pub(super) fn time(field: &str, text: Option<&str>) -> Result<Option<UnixTime>, EntryRefusal> {
    let read = |text| {
        UnixTime::from_rfc3339(text).map_err(|error| {
            let detail = format!(
                "{field} {}: {error}; write it like 2026-03-21T08:30:00Z",
                shown(text)
            );
            refused("time_malformed", detail)
        })
    };
    text.map(read).transpose()
}

/// 64 hexadecimal digits.
pub(super) fn sha256(digits: Option<&str>) -> Result<Option<[u8; 32]>, EntryRefusal> {
    let Some(digits) = digits else {
        return Ok(None);
    };
    let read = || -> Option<[u8; 32]> {
        let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
            return None;
        };
        let mut octets = [0_u8; 32];
        if pairs.len() != octets.len() {
            return None;
        }
        for (octet, [high, low]) in octets.iter_mut().zip(pairs) {
            let value = |digit: &u8| char::from(*digit).to_digit(16);
            *octet = u8::try_from(value(high)? << 4 | value(low)?).ok()?;
        }
        Some(octets)
    };
    read().map(Some).ok_or_else(|| {
        let detail = format!(
            "certificate_sha256 {}: not 64 hexadecimal digits",
            shown(digits)
        );
        refused("hash_malformed", detail)
    })
}

/// A reason by its name in RFC 5280 §5.3.1, letter case aside; none for `unspecified`. Numbers are not
/// taken: other systems number reasons in other ways.
pub(super) fn reason(name: Option<&str>) -> Result<Option<CrlReason>, EntryRefusal> {
    let Some(name) = name else {
        return Ok(None);
    };
    if name.eq_ignore_ascii_case("unspecified") {
        return Ok(None);
    }
    CrlReason::from_name(name).map(Some).ok_or_else(|| {
        let names = CrlReason::ALL.map(CrlReason::name).join(", ");
        let detail = format!(
            "reason {} is none of RFC 5280: unspecified, {names}",
            shown(name)
        );
        refused("reason_unknown", detail)
    })
}

/// The reason of a hold, which needs none to be stated and may have no other.
pub(super) fn hold_reason(name: Option<&str>) -> Result<Option<CrlReason>, EntryRefusal> {
    match reason(name)? {
        None if name.is_none() => {}
        Some(CrlReason::CertificateHold) => {}
        _ => {
            let detail =
                "a hold has the reason certificateHold: leave the reason out, or say revoked";
            return Err(refused("fields_contradict", detail));
        }
    }
    Ok(Some(CrlReason::CertificateHold))
}

/// What somebody wrote, quoted, without control characters and short.
pub(super) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 64;
    let mut short: String = text.chars().take(CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

/// Words that quote what somebody wrote, in one short line.
pub(super) fn one_line(text: &str) -> String {
    const CHARS_MAX: usize = 400;
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().take(CHARS_MAX).map(plain).collect()
}
