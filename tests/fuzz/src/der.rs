//! A DER encoder that is not the one under test.

pub fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    match u32::try_from(content.len()).expect("less than 4 GiB") {
        len @ 0..0x80 => out.push(len as u8),
        len => {
            let octets = len.to_be_bytes();
            let zeros = octets.iter().take_while(|octet| **octet == 0).count();
            out.push(0x80 | (4 - zeros) as u8);
            out.extend(&octets[zeros..]);
        }
    }
    out.extend(content);
    out
}

/// The content of the element that `der` begins with, if its length is well formed.
pub fn content(der: &[u8]) -> Option<&[u8]> {
    let (first, rest) = der.get(1..)?.split_first()?;
    let (len, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let len = octets.iter().try_fold(0_usize, |len, octet| {
            len.checked_mul(256)?.checked_add(usize::from(*octet))
        })?;
        (len, rest)
    };
    rest.get(..len)
}
