//! PEM as people have it: text before and between the blocks, any line width (RFC 7468 §3, lax).

use base64::{Engine, engine::general_purpose::STANDARD};

/// One `-----BEGIN label-----` block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PemBlock<'a> {
    /// What stands after `BEGIN`.
    pub label: &'a str,
    /// The octets that the block carries.
    pub der: Vec<u8>,
}

/// The blocks of a file, in order. Octets outside of them are skipped, whatever they are.
///
/// Blocks with header lines (`Proc-Type: 4,ENCRYPTED`) are errors when reached.
pub fn pem_blocks(text: &[u8]) -> impl Iterator<Item = Result<PemBlock<'_>, PemError>> {
    let mut lines = text
        .split(|octet| *octet == b'\n')
        .map(<[u8]>::trim_ascii)
        .enumerate();
    std::iter::from_fn(move || {
        let (begin, label) =
            lines.find_map(|(line, text)| Some((line, boundary(text, "-----BEGIN ")?)))?;
        let mut base64 = Vec::new();
        for (_, text) in lines.by_ref() {
            match boundary(text, "-----END ") {
                Some(end) if end == label => {
                    let der = STANDARD.decode(base64).map_err(|_| PemError::Base64 {
                        line: begin.saturating_add(1),
                    });
                    return Some(der.map(|der| PemBlock { label, der }));
                }
                Some(_) => break,
                None => base64.extend_from_slice(text),
            }
        }
        Some(Err(PemError::NoEnd {
            line: begin.saturating_add(1),
        }))
    })
}

fn boundary<'a>(line: &'a [u8], start: &str) -> Option<&'a str> {
    std::str::from_utf8(line)
        .ok()?
        .strip_prefix(start)?
        .strip_suffix("-----")
}

/// Why a block of a PEM file cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// What stands between the boundaries is not base64.
    #[error("the PEM block that begins in line {line} is not base64")]
    Base64 {
        /// The line of `-----BEGIN`, counted from 1.
        line: usize,
    },
    /// The file or the next boundary comes before the matching `-----END`.
    #[error("the PEM block that begins in line {line} has no matching end")]
    NoEnd {
        /// The line of `-----BEGIN`, counted from 1.
        line: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_among_other_text() {
        let text =
            b"Certificate:\n  Data: \xff\n-----BEGIN A-----\r\nAQ\r\nID\r\n-----END A-----\n\n\
            -----BEGIN B KEY-----\nBA==\n-----END B KEY-----";
        let blocks: Vec<_> = pem_blocks(text).map(Result::unwrap).collect();
        assert_eq!(blocks.len(), 2);
        assert_eq!((blocks[0].label, &*blocks[0].der), ("A", &[1, 2, 3][..]));
        assert_eq!((blocks[1].label, &*blocks[1].der), ("B KEY", &[4][..]));
    }

    #[test]
    fn broken_blocks_are_named_by_line() {
        for (text, error) in [
            ("\n-----BEGIN A-----\nAQID\n", PemError::NoEnd { line: 2 }),
            (
                "-----BEGIN A-----\n-----END B-----\n",
                PemError::NoEnd { line: 1 },
            ),
            (
                "-----BEGIN A-----\nA?ID\n-----END A-----\n",
                PemError::Base64 { line: 1 },
            ),
        ] {
            assert_eq!(
                pem_blocks(text.as_bytes()).next(),
                Some(Err(error)),
                "{text}"
            );
        }
        assert_eq!(pem_blocks(b"").next(), None);
    }
}
