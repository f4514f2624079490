//! A CRL in PEM, made while it is sent (RFC 7468 §6: `X509 CRL`), as OpenSSL writes it.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::segment::{MappedFile, Unreadable};

const HEAD: &[u8] = b"-----BEGIN X509 CRL-----\n";
const FOOT: &[u8] = b"-----END X509 CRL-----\n";
/// Octets of DER in a line, and of base64 with the line's end.
const LINE_DER: usize = 48;
const LINE: usize = 65;
/// Lines made at once: 32 KiB.
const LINES: usize = 504;

/// How many octets the PEM of so much DER has.
pub(super) const fn octets(der: usize) -> usize {
    HEAD.len()
        .saturating_add(base64_octets(der))
        .saturating_add(FOOT.len())
}

/// Of the base64, with the lines' ends.
const fn base64_octets(der: usize) -> usize {
    let base64 = der.div_ceil(3).saturating_mul(4);
    base64.saturating_add(der.div_ceil(LINE_DER))
}

/// The PEM from octet `at` up to `end`, or a piece of its beginning; not empty where `at` is before both
/// `end` and the PEM's end.
pub(super) fn piece(file: &MappedFile, at: usize, end: usize) -> Result<Vec<u8>, Unreadable> {
    let lines_end = HEAD.len().saturating_add(base64_octets(file.octets()));
    let wanted = end.saturating_sub(at);
    let (mut made, from) = if let Some(head) = HEAD.get(at..).filter(|head| !head.is_empty()) {
        (head.to_vec(), 0)
    } else if at < lines_end {
        let within = at.saturating_sub(HEAD.len());
        (lines(file, within / LINE)?, within % LINE)
    } else {
        (FOOT.to_vec(), at.saturating_sub(lines_end))
    };
    made.drain(..from.min(made.len()));
    made.truncate(wanted);
    Ok(made)
}

fn lines(file: &MappedFile, first: usize) -> Result<Vec<u8>, Unreadable> {
    let start = first.saturating_mul(LINE_DER);
    let der = file.read(start..start.saturating_add(LINES.saturating_mul(LINE_DER)))?;
    let mut lines = Vec::with_capacity(base64_octets(der.len()));
    let mut line = [0; LINE];
    for octets in der.chunks(LINE_DER) {
        let written = STANDARD.encode_slice(octets, &mut line);
        let written = written.expect("a line has room for 64 octets");
        lines.extend_from_slice(line.get(..written).unwrap_or_default());
        lines.push(b'\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use aws_lc_rs::digest;
    use der::pem::LineEnding;

    use super::*;

    #[test]
    fn every_piece_is_of_the_pem_that_another_encoder_writes() {
        let folder = tempfile::tempdir().unwrap();
        for len in [1, 2, 3, 47, 48, 49, 96, 1_000, LINES * LINE_DER, 60_001] {
            let der: Vec<u8> = (0..=252).cycle().take(len).collect();
            let path = folder.path().join(len.to_string());
            fs::write(&path, &der).unwrap();
            let digest = digest::digest(&digest::SHA256, &der);
            let sha256 = digest.as_ref().try_into().unwrap();
            let file = MappedFile::open(&path, u64::try_from(len).unwrap(), sha256).unwrap();
            let expected = der::pem::encode_string("X509 CRL", LineEnding::LF, &der).unwrap();
            let expected = expected.as_bytes();
            assert_eq!(octets(len), expected.len(), "{len}");
            for (start, end) in [
                (0, expected.len()),
                (0, 1),
                (24, 26),
                (25, 26),
                (89, 91),
                (expected.len() / 2, expected.len()),
                (expected.len() - 24, expected.len() - 2),
                (expected.len() - 1, expected.len()),
            ] {
                let end = end.min(expected.len());
                let start = start.min(end);
                let mut got = Vec::new();
                while start + got.len() < end {
                    let piece = piece(&file, start + got.len(), end).unwrap();
                    assert!(!piece.is_empty());
                    got.extend(piece);
                }
                assert_eq!(got, &expected[start..end], "{len}: {start}..{end}");
            }
        }
    }
}
