//! Names of files: 64 hexadecimal digits of a SHA-256, and what follows them.

/// A published segment.
pub(crate) const SEGMENT: &str = ".seg";
/// A segment whose damage killed the process.
pub(crate) const MARKER: &str = ".sigbus";
pub(crate) const MARKER_LEN: usize = 64 + MARKER.len();
/// A segment being written: its name is 32 random digits.
pub(crate) const TEMPORARY: &str = ".seg.tmp";

pub(crate) fn name(sha256: &[u8; 32], suffix: &str) -> String {
    let mut name = hexadecimal(sha256);
    name.push_str(suffix);
    name
}

/// The digest in a name with exactly this suffix.
pub(crate) fn parse(name: &str, suffix: &str) -> Option<[u8; 32]> {
    octets(name.strip_suffix(suffix)?)
}

/// What [`hexadecimal`] made digits of; only lower-case ones are read.
pub(crate) fn octets<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let mut octets = [0; N];
    if pairs.len() != N {
        return None;
    }
    for (octet, [high, low]) in octets.iter_mut().zip(pairs) {
        *octet = (value(*high)? << 4) | value(*low)?;
    }
    Some(octets)
}

pub(crate) fn hexadecimal(octets: &[u8]) -> String {
    octets
        .iter()
        .flat_map(|octet| [octet >> 4, octet & 0xf])
        .map(|nibble| char::from(digit(nibble)))
        .collect()
}

/// The digit of a value below 16.
pub(crate) const fn digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0'.saturating_add(nibble),
        _ => b'a'.saturating_sub(10).saturating_add(nibble),
    }
}

const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.saturating_sub(b'0')),
        b'a'..=b'f' => Some(digit.saturating_sub(b'a').saturating_add(10)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_as_its_digest() {
        let mut sha256 = [0x5a; 32];
        sha256[0] = 0x09;
        sha256[1] = 0xff;
        let name = name(&sha256, SEGMENT);
        assert!(name.starts_with("09ff5a5a") && name.ends_with("5a.seg"));
        assert_eq!(parse(&name, SEGMENT), Some(sha256));
        assert_eq!(parse(&name, MARKER), None);
        assert_eq!(parse(&name.to_uppercase(), ".SEG"), None);
        assert_eq!(parse(&name[2..], SEGMENT), None);
        assert_eq!(parse("0é.seg", SEGMENT), None);
    }
}
