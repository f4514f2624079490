//! One entry, encoded (RFC 5280 §5.1.2.6, §5.3).

use crate::{
    asn1::{CrlReason, UnixTime, tag},
    identity::SerialNumber,
};

/// An entry of revokedCertificates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RevokedEntry {
    /// userCertificate
    pub serial: SerialNumber,
    /// revocationDate
    pub revocation_date: UnixTime,
    /// reasonCode
    pub reason: EntryReason,
    /// invalidityDate
    pub invalidity_date: Option<UnixTime>,
}

/// What reasonCode says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryReason {
    /// Nothing: the extension is left out, as §5.3.1 wants it for unspecified.
    Unspecified,
    /// A reason.
    Reason(CrlReason),
    /// removeFromCRL: of a delta CRL alone.
    RemoveFromCrl,
}

impl EntryReason {
    const fn code(self) -> Option<u8> {
        match self {
            Self::Unspecified => None,
            Self::Reason(reason) => Some(reason.code()),
            Self::RemoveFromCrl => Some(8),
        }
    }
}

impl From<Option<CrlReason>> for EntryReason {
    fn from(reason: Option<CrlReason>) -> Self {
        reason.map_or(Self::Unspecified, Self::Reason)
    }
}

/// `SEQUENCE { OBJECT IDENTIFIER 2.5.29.21, OCTET STRING { ENUMERATED } }` before its last octet.
const REASON_CODE: [u8; 11] = [
    0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01,
];
/// `SEQUENCE { OBJECT IDENTIFIER 2.5.29.24, OCTET STRING { GeneralizedTime } }` before its time.
const INVALIDITY_DATE: [u8; 11] = [
    0x30, 0x18, 0x06, 0x03, 0x55, 0x1d, 0x18, 0x04, 0x11, 0x18, 0x0f,
];
const GENERALIZED_TIME_OCTETS: usize = 15;

impl RevokedEntry {
    /// How many octets it takes; 81 at most, so that every length in it is one octet.
    pub(super) fn der_len(&self) -> usize {
        self.content_len().saturating_add(2)
    }

    fn content_len(&self) -> usize {
        let serial = self.serial.as_bytes().len().saturating_add(2);
        let extensions = match self.extensions_len() {
            0 => 0,
            len => len.saturating_add(2),
        };
        serial
            .saturating_add(time_len(self.revocation_date))
            .saturating_add(extensions)
    }

    fn extensions_len(&self) -> usize {
        let reason = self
            .reason
            .code()
            .map_or(0, |_| REASON_CODE.len().saturating_add(1));
        let date = self.invalidity_date.map_or(0, |_| {
            INVALIDITY_DATE
                .len()
                .saturating_add(GENERALIZED_TIME_OCTETS)
        });
        reason.saturating_add(date)
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[tag::SEQUENCE, short(self.content_len())]);
        let serial = self.serial.as_bytes();
        out.extend_from_slice(&[tag::INTEGER, short(serial.len())]);
        out.extend_from_slice(serial);
        put_time(out, self.revocation_date);
        let extensions = self.extensions_len();
        if extensions == 0 {
            return;
        }
        out.extend_from_slice(&[tag::SEQUENCE, short(extensions)]);
        if let Some(code) = self.reason.code() {
            out.extend_from_slice(&REASON_CODE);
            out.push(code);
        }
        if let Some(date) = self.invalidity_date {
            out.extend_from_slice(&INVALIDITY_DATE);
            out.extend_from_slice(&date.to_generalized_time());
        }
    }
}

/// A length below 128, as every one in an entry is.
fn short(len: usize) -> u8 {
    u8::try_from(len).unwrap_or(u8::MAX)
}

/// From when on times are GeneralizedTime: 2050-01-01T00:00:00Z.
const GENERALIZED_FROM_SECS: u64 = 2_524_608_000;

/// How many octets a Time takes.
pub(super) const fn time_len(time: UnixTime) -> usize {
    if time.as_secs() < GENERALIZED_FROM_SECS {
        2 + 13
    } else {
        2 + GENERALIZED_TIME_OCTETS
    }
}

/// Appends a Time (RFC 5280 §5.1.2.4).
pub(super) fn put_time(out: &mut Vec<u8>, time: UnixTime) {
    let octets = time.to_generalized_time();
    let [_, _, utc @ ..] = &octets;
    if time.as_secs() < GENERALIZED_FROM_SECS {
        out.extend_from_slice(&[tag::UTC_TIME, short(utc.len())]);
        out.extend_from_slice(utc);
    } else {
        out.extend_from_slice(&[tag::GENERALIZED_TIME, short(octets.len())]);
        out.extend_from_slice(&octets);
    }
}
