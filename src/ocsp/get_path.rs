//! The request inside a GET path: `{url}/{url-encoding of base64 of the DER}` (RFC 6960 A.1,
//! RFC 9919 §6).
//!
//! Clients and the proxies before us write it in many ways, and each of them once took a responder
//! down: `/`, `+` and `=` as they are or percent-encoded in either case, one `/` too many in front,
//! padding left out, the base64url alphabet. All of these are taken. What would change the question
//! is not done: no `+` becomes a space, no slashes are merged, no dots resolved, nothing is decoded
//! twice. White space and every other character are refused.

/// Decodes what follows the mount path, raw as it came in the request line, into `out`; returns how
/// many octets were written. Allocates nothing and cannot panic.
///
/// `raw` may begin with the `/` that separates it from the mount path, and with one more.
///
/// # Errors
/// [`GetPathError`]; each is answered with `malformedRequest`.
pub fn decode_get_path(raw: &[u8], out: &mut [u8]) -> Result<usize, GetPathError> {
    let capacity = out.len();
    let mut room = out;
    let mut characters = Unescaped {
        raw: without_leading_slashes(raw),
    };
    let mut decoder = Base64::default();
    let mut padding: u8 = 0;
    loop {
        if decoder.is_between_groups() && padding == 0 {
            room = characters.plain_groups(room)?;
        }
        let Some(character) = characters.next()? else {
            break;
        };
        if character == b'=' {
            padding = padding.saturating_add(1);
            continue;
        }
        let value = sextet(character).ok_or(GetPathError::Character(character))?;
        if padding > 0 {
            return Err(GetPathError::Padding);
        }
        if let Some(octet) = decoder.push(value) {
            let (place, rest) = room.split_first_mut().ok_or(GetPathError::TooLong)?;
            *place = octet;
            room = rest;
        }
    }
    decoder.finish(padding)?;
    match capacity.saturating_sub(room.len()) {
        0 => Err(GetPathError::Empty),
        written => Ok(written),
    }
}

/// The path without the slash that separates it from the mount path and one more. A request is a
/// SEQUENCE (0x30), so its base64 begins with `M`: a slash in front never belongs to it.
fn without_leading_slashes(raw: &[u8]) -> &[u8] {
    (0..2).fold(raw, |path, _| match path {
        [b'/', rest @ ..] | [b'%', b'2', b'F' | b'f', rest @ ..] => rest,
        other => other,
    })
}

/// Characters of a path with `%XX` resolved, once.
struct Unescaped<'a> {
    raw: &'a [u8],
}

impl Unescaped<'_> {
    /// Decodes groups of four characters for as long as none is escaped, padding or wrong: all of a
    /// usual path but its last group. Returns the room that is left.
    fn plain_groups<'out>(
        &mut self,
        mut room: &'out mut [u8],
    ) -> Result<&'out mut [u8], GetPathError> {
        while let Some((group, rest)) = self.raw.split_first_chunk::<4>() {
            let [Some(a), Some(b), Some(c), Some(d)] = group.map(sextet) else {
                break;
            };
            let (place, left) = room.split_first_chunk_mut().ok_or(GetPathError::TooLong)?;
            *place = [(a << 2) | (b >> 4), (b << 4) | (c >> 2), (c << 6) | d];
            (self.raw, room) = (rest, left);
        }
        Ok(room)
    }

    #[inline]
    fn next(&mut self) -> Result<Option<u8>, GetPathError> {
        let (character, rest) = match self.raw {
            [] => return Ok(None),
            [b'%', high, low, rest @ ..] => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => ((high << 4) | low, rest),
                _ => return Err(GetPathError::PercentEncoding),
            },
            [b'%', ..] => return Err(GetPathError::PercentEncoding),
            [character, rest @ ..] => (*character, rest),
        };
        self.raw = rest;
        Ok(Some(character))
    }
}

const fn hex_digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'A'..=b'F' => Some(character - b'A' + 10),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

/// Up to three sextets that wait for the one that completes an octet.
#[derive(Default)]
struct Base64 {
    bits: u8,
    /// Bits in `bits` that belong to no octet yet, at its low end: 0, 6, 4 or 2 of them.
    pending: u8,
}

impl Base64 {
    const fn is_between_groups(&self) -> bool {
        self.pending == 0
    }

    #[inline]
    fn push(&mut self, sextet: u8) -> Option<u8> {
        let (octet, bits, pending) = match self.pending {
            6 => (Some((self.bits << 2) | (sextet >> 4)), sextet & 0x0f, 4),
            4 => (Some((self.bits << 4) | (sextet >> 2)), sextet & 0x03, 2),
            2 => (Some((self.bits << 6) | sextet), 0, 0),
            _ => (None, sextet, 6),
        };
        (self.bits, self.pending) = (bits, pending);
        octet
    }

    /// At the end no octet is half done, the bits left over are zero, and there is no more padding
    /// than the last group asks for (less is taken: see the module).
    fn finish(&self, padding: u8) -> Result<(), GetPathError> {
        let padding_max = match self.pending {
            0 => 0,
            2 => 1,
            4 => 2,
            _ => return Err(GetPathError::Incomplete),
        };
        if self.bits != 0 {
            return Err(GetPathError::Incomplete);
        }
        if padding > padding_max {
            Err(GetPathError::Padding)
        } else {
            Ok(())
        }
    }
}

#[inline]
fn sextet(character: u8) -> Option<u8> {
    let value = SEXTETS.get(usize::from(character)).copied();
    value.filter(|value| *value != NOT_BASE64)
}

const NOT_BASE64: u8 = 0xff;

/// The value of every character of both alphabets.
static SEXTETS: [u8; 256] = {
    let mut table = [NOT_BASE64; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut rest: &[u8] = alphabet;
    let mut value = 0;
    while let [character, after @ ..] = rest {
        set(&mut table, *character, value);
        value += 1;
        rest = after;
    }
    set(&mut table, b'+', 62);
    set(&mut table, b'-', 62);
    set(&mut table, b'/', 63);
    set(&mut table, b'_', 63);
    table
};

/// `table[place] = value`, at compile time.
const fn set(table: &mut [u8; 256], place: u8, value: u8) {
    let (mut rest, mut at): (&mut [u8], u8) = (table, 0);
    while let [first, after @ ..] = rest {
        if at == place {
            *first = value;
            return;
        }
        rest = after;
        at += 1;
    }
}

/// Why a GET path carries no request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GetPathError {
    /// Nothing after the mount path.
    #[error("the path carries no request")]
    Empty,
    /// More octets than the buffer holds.
    #[error("the request in the path is too long")]
    TooLong,
    /// A character (percent-decoded) that is in neither base64 alphabet.
    #[error("the path has the character {0:#04x}, which is not base64")]
    Character(u8),
    /// `%` without two hexadecimal digits.
    #[error("the path has a malformed percent-encoding")]
    PercentEncoding,
    /// `=` inside, or too many at the end.
    #[error("the path has misplaced base64 padding")]
    Padding,
    /// The last octet is not complete, or bits are left over.
    #[error("the base64 in the path is not complete")]
    Incomplete,
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose as engines};
    use proptest::prelude::*;

    use super::*;

    fn decode(raw: &str) -> Result<Vec<u8>, GetPathError> {
        let mut out = [0; 4096];
        decode_get_path(raw.as_bytes(), &mut out).map(|len| out[..len].to_vec())
    }

    /// The ways that clients write the same request, each with its name.
    fn spellings(der: &[u8]) -> Vec<(&'static str, String)> {
        let plain = engines::STANDARD.encode(der);
        let escaped = |text: &str| {
            text.replace('+', "%2B")
                .replace('/', "%2F")
                .replace('=', "%3D")
        };
        let every: String = plain.bytes().map(|octet| format!("%{octet:02x}")).collect();
        vec![
            ("escaped", escaped(&plain)),
            (
                "escaped in lower case",
                escaped(&plain).to_lowercase_escapes(),
            ),
            ("unescaped", plain.clone()),
            ("only slashes escaped", plain.replace('/', "%2f")),
            ("only plus escaped", plain.replace('+', "%2b")),
            ("separating slash", format!("/{plain}")),
            ("one leading extra slash", format!("//{plain}")),
            ("no padding", plain.trim_end_matches('=').to_owned()),
            ("base64url", engines::URL_SAFE.encode(der)),
            (
                "base64url without padding",
                engines::URL_SAFE_NO_PAD.encode(der),
            ),
            ("every character escaped", every),
        ]
    }

    trait LowercaseEscapes {
        fn to_lowercase_escapes(&self) -> String;
    }

    impl LowercaseEscapes for String {
        fn to_lowercase_escapes(&self) -> String {
            self.replace("%2B", "%2b")
                .replace("%2F", "%2f")
                .replace("%3D", "%3d")
        }
    }

    proptest! {
        #[test]
        fn every_spelling_is_the_same_request(
            tail in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xff), Just(0xfb)], 0..300),
        ) {
            let der = [&[0x30][..], &tail].concat();
            for (name, raw) in spellings(&der) {
                prop_assert_eq!(decode(&raw), Ok(der.clone()), "{}: {}", name, raw);
            }
        }

        #[test]
        fn any_mixture_of_escapes_is_the_same_request(
            der in prop::collection::vec(any::<u8>(), 1..100), escaped in prop::collection::vec(any::<bool>(), 140),
        ) {
            let plain = engines::STANDARD.encode(&der);
            prop_assume!(!plain.starts_with('/'));
            let raw: String = plain
                .bytes()
                .zip(escaped)
                .map(|(octet, escaped)| if escaped { format!("%{octet:02X}") } else { char::from(octet).to_string() })
                .collect();
            prop_assert_eq!(decode(&raw), Ok(der));
        }

        #[test]
        fn no_octets_can_crash_it(raw in prop::collection::vec(any::<u8>(), 0..200), room in 0..64_usize) {
            let mut out = vec![0; room];
            if let Ok(len) = decode_get_path(&raw, &mut out) {
                prop_assert!(len <= room);
            }
        }

        #[test]
        fn agrees_with_another_decoder(text in "[A-Za-z0-9+/]{0,60}={0,3}") {
            prop_assume!(!text.starts_with('/'));
            if let Ok(theirs) = engines::STANDARD.decode(&text) {
                prop_assert_eq!(decode(&text), if theirs.is_empty() { Err(GetPathError::Empty) } else { Ok(theirs) });
            }
        }
    }

    #[test]
    fn what_would_change_the_question_is_refused() {
        for (raw, error) in [
            ("", GetPathError::Empty),
            ("/", GetPathError::Empty),
            ("==", GetPathError::Padding),
            ("MA%253D%253D", GetPathError::Character(b'%')), // encoded twice
            ("MA ==", GetPathError::Character(b' ')),
            ("MA%20==", GetPathError::Character(b' ')),
            ("MA%0A==", GetPathError::Character(b'\n')),
            ("MA\t==", GetPathError::Character(b'\t')),
            ("MA==?x=1", GetPathError::Character(b'?')),
            ("../MA==", GetPathError::Character(b'.')),
            ("MA==MA==", GetPathError::Padding),
            ("MA===", GetPathError::Padding),
            ("MAAA=", GetPathError::Padding),
            ("MA=%3D%3D", GetPathError::Padding),
            ("M", GetPathError::Incomplete),
            ("MAAAM", GetPathError::Incomplete),
            ("MB==", GetPathError::Incomplete), // bits left over
            ("MA%", GetPathError::PercentEncoding),
            ("MA%3", GetPathError::PercentEncoding),
            ("MA%3g", GetPathError::PercentEncoding),
            ("MA%+1", GetPathError::PercentEncoding),
        ] {
            assert_eq!(decode(raw), Err(error), "{raw:?}");
        }
    }

    #[test]
    fn a_third_slash_belongs_to_the_base64_and_spoils_it() {
        assert_eq!(decode("//MAAA"), Ok(vec![0x30, 0, 0]));
        assert_eq!(decode("///MAAA"), Err(GetPathError::Incomplete));
    }

    #[test]
    fn a_request_too_long_for_the_buffer_is_refused() {
        let mut out = [0; 3];
        assert_eq!(decode_get_path(b"MAAA", &mut out), Ok(3));
        assert_eq!(
            decode_get_path(b"MAAAAA", &mut out),
            Err(GetPathError::TooLong)
        );
    }
}
