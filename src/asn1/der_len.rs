//! DER identifier and length octets (X.690 §8.1.3, §10.1).
//!
//! Lengths are known before the first octet is written, so a whole structure is put into one buffer
//! from front to back.

/// Octets of a whole element: identifier (one octet), length and `content_len` octets of content.
#[must_use]
pub const fn tlv_len(content_len: usize) -> usize {
    let header = match content_len {
        0..=0x7f => 2,
        0x80..=0xff => 3,
        0x100..=0xffff => 4,
        0x1_0000..=0xff_ffff => 5,
        0x100_0000..=0xffff_ffff => 6,
        // Past 4 GiB: one length octet for every started octet of the number.
        _ => {
            let mut header: usize = 2;
            let mut rest = content_len;
            while rest > 0 {
                rest >>= 8;
                header += 1;
            }
            header
        }
    };
    content_len.saturating_add(header)
}

/// Appends the identifier octet `tag` and the minimal definite length.
#[inline]
pub fn put_header(out: &mut Vec<u8>, tag: u8, content_len: usize) {
    let octets = content_len.to_be_bytes();
    match (content_len, octets) {
        (0..=0x7f, [.., len]) => out.extend_from_slice(&[tag, len]),
        (0x80..=0xff, [.., len]) => out.extend_from_slice(&[tag, 0x81, len]),
        (0x100..=0xffff, [.., high, low]) => out.extend_from_slice(&[tag, 0x82, high, low]),
        _ => {
            let mut significant = octets.as_slice();
            while let [0, rest @ ..] = significant {
                significant = rest;
            }
            let count = u8::try_from(significant.len()).unwrap_or(0);
            out.extend_from_slice(&[tag, 0x80 | count]);
            out.extend_from_slice(significant);
        }
    }
}

/// Appends a whole element.
pub fn put_tlv(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    put_header(out, tag, content.len());
    out.extend_from_slice(content);
}

/// The sum of lengths of things that are in memory.
#[inline]
pub(crate) fn total<const N: usize>(lengths: [usize; N]) -> usize {
    lengths.into_iter().fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use der::Encode;

    use super::*;

    #[test]
    fn headers_agree_with_another_encoder_around_every_boundary() {
        let boundaries = [
            0, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000,
        ];
        for len in boundaries.into_iter().flat_map(|len| [len, len + 1]) {
            let mut ours = Vec::new();
            put_header(&mut ours, 0x30, len);
            let header = der::Header::new(der::Tag::Sequence, der::Length::try_from(len).unwrap());
            assert_eq!(ours, header.to_der().unwrap(), "{len}");
            assert_eq!(tlv_len(len), ours.len() + len);
        }
    }

    #[test]
    fn lengths_past_four_octets_stay_consistent() {
        for len in [u64::from(u32::MAX), u64::from(u32::MAX) + 1, 1 << 40] {
            let len = usize::try_from(len).unwrap();
            let mut header = Vec::new();
            put_header(&mut header, 0x04, len);
            assert_eq!(tlv_len(len), header.len() + len);
        }
        assert_eq!(tlv_len(usize::MAX), usize::MAX);
    }
}
