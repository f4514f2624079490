//! The certificates in one file: PEM blocks among other text, or DER.

use std::io::{self, BufRead, Chain, Cursor, Read as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{CERTIFICATE_OCTETS_MAX, CertificateCause};
use crate::feed::lines::{Line, Lines};

/// The DER of one certificate, or why it cannot be had.
pub(super) type Block = Result<Vec<u8>, CertificateCause>;

/// Reads one file's certificates, one at a time; memory is bounded by the longest certificate.
pub(super) enum Blocks<R> {
    Der(Option<Chain<Cursor<Vec<u8>>, R>>),
    Pem {
        lines: Lines<Chain<Cursor<Vec<u8>>, R>>,
        labels: Vec<String>,
        /// A `BEGIN` that was met where an `END` was due: its line.
        begun: Option<u64>,
    },
}

impl<R: BufRead> Blocks<R> {
    /// Looks at the file's first octets.
    pub(super) fn new(mut content: R) -> io::Result<Self> {
        let mut first = Vec::with_capacity(2);
        content.by_ref().take(2).read_to_end(&mut first)?;
        // A SEQUENCE of more than 127 octets; its length is no ASCII.
        let is_der = matches!(*first, [0x30, 0x81..=0x84]);
        let content = Cursor::new(first).chain(content);
        Ok(if is_der {
            Self::Der(Some(content))
        } else {
            Self::Pem {
                lines: Lines::new(content, BASE64_OCTETS_MAX),
                labels: Vec::new(),
                begun: None,
            }
        })
    }

    /// The next certificate.
    pub(super) fn next_block(&mut self) -> io::Result<Option<Block>> {
        match self {
            Self::Der(content) => content.take().map(whole).transpose(),
            Self::Pem {
                lines,
                labels,
                begun,
            } => next_pem(lines, labels, begun),
        }
    }

    /// What is wrong with a file that had no certificate.
    pub(super) fn why_none(self) -> CertificateCause {
        let labels = match self {
            Self::Der(_) => Vec::new(),
            Self::Pem { labels, .. } => labels,
        };
        CertificateCause::NoCertificate { labels }
    }
}

/// All of a file that is one certificate.
fn whole(content: impl BufRead) -> io::Result<Block> {
    let room = u64::try_from(CERTIFICATE_OCTETS_MAX).unwrap_or(u64::MAX);
    let mut der = Vec::new();
    content.take(room.saturating_add(1)).read_to_end(&mut der)?;
    Ok(if der.len() <= CERTIFICATE_OCTETS_MAX {
        Ok(der)
    } else {
        Err(too_long())
    })
}

fn next_pem<R: BufRead>(
    lines: &mut Lines<R>,
    labels: &mut Vec<String>,
    begun: &mut Option<u64>,
) -> io::Result<Option<Block>> {
    let begin = match begun.take() {
        Some(begin) => begin,
        None => loop {
            let Some((number, line)) = lines.next_line()? else {
                return Ok(None);
            };
            let (Line::Whole(text) | Line::Unterminated(text)) = line else {
                continue;
            };
            let Some(label) = boundary(text, b"-----BEGIN ") else {
                continue;
            };
            if is_certificate(label) {
                break number;
            }
            let label = label.escape_ascii().to_string();
            if labels.len() < LABELS_MAX
                && label.len() < LABEL_CHARS_MAX
                && !labels.contains(&label)
            {
                labels.push(label);
            }
        },
    };
    let mut base64 = Vec::new();
    let mut is_too_long = false;
    while let Some((number, line)) = lines.next_line()? {
        let text = match line {
            Line::Whole(text) | Line::Unterminated(text) => text.trim_ascii(),
            Line::TooLong(_) => {
                is_too_long = true;
                continue;
            }
        };
        if boundary(text, b"-----END ").is_some_and(is_certificate) {
            if is_too_long {
                return Ok(Some(Err(too_long())));
            }
            let der = STANDARD.decode(&base64);
            return Ok(Some(
                der.map_err(|_| CertificateCause::Base64 { line: begin }),
            ));
        }
        if text.starts_with(b"-----") {
            if boundary(text, b"-----BEGIN ").is_some_and(is_certificate) {
                *begun = Some(number);
            }
            return Ok(Some(Err(CertificateCause::NoEnd { line: begin })));
        }
        if base64.len().saturating_add(text.len()) > BASE64_OCTETS_MAX {
            is_too_long = true;
            base64.clear();
        }
        if !is_too_long {
            base64.extend_from_slice(text);
        }
    }
    Ok(Some(Err(CertificateCause::NoEnd { line: begin })))
}

fn boundary<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    line.trim_ascii()
        .strip_prefix(start)?
        .strip_suffix(b"-----")
}

/// RFC 7468 §5.1, and the label of old OpenSSL.
fn is_certificate(label: &[u8]) -> bool {
    matches!(label, b"CERTIFICATE" | b"X509 CERTIFICATE")
}

const fn too_long() -> CertificateCause {
    CertificateCause::TooLong {
        octets_max: CERTIFICATE_OCTETS_MAX,
    }
}

/// The longest certificate in base64, on however many lines; longer lines are no PEM.
const BASE64_OCTETS_MAX: usize = CERTIFICATE_OCTETS_MAX.div_ceil(3) * 4;

/// Labels that are told of a file without a certificate.
const LABELS_MAX: usize = 8;
const LABEL_CHARS_MAX: usize = 64;
