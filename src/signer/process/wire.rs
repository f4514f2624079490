//! What requests and replies are made of: limits, counts and texts.

use crate::octets::Octets;

/// The version that this program speaks.
pub(super) const VERSION: u16 = 1;

/// Messages in one request.
pub(super) const MESSAGES_MAX: usize = 256;
/// Keys of one process: one or two an issuer.
pub(super) const KEYS_MAX: usize = 1_024;
/// A key's name: a path, or the URI of one on a token.
pub(super) const NAME_OCTETS_MAX: usize = 512;
/// What is told of a failure.
pub(super) const WHY_OCTETS_MAX: usize = 512;

/// Octets that are no request, or no reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it does not keep to the protocol of version {VERSION}")]
pub struct Malformed;

pub(super) fn count(count: usize) -> [u8; 2] {
    u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes()
}

pub(super) fn text(octets: &mut Vec<u8>, text: &str, octets_max: usize) {
    let text = cut(text, octets_max);
    octets.extend(count(text.len()));
    octets.extend_from_slice(text.as_bytes());
}

/// As much of a text as fits.
pub(super) fn cut(text: &str, octets_max: usize) -> &str {
    let end = (0..=octets_max.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

pub(super) fn counted<'a>(fields: &mut Octets<'a>) -> Option<&'a [u8]> {
    let length = fields.u16()?;
    fields.take(length.into())
}

pub(super) fn read_text<'a>(fields: &mut Octets<'a>, octets_max: usize) -> Option<&'a str> {
    let octets = counted(fields)?;
    if octets.len() > octets_max {
        return None;
    }
    std::str::from_utf8(octets).ok()
}
