//! A PEM block, decoded as it is read: a CRL of a million entries is not held as text.
//!
//! As lax as RFC 7468 §3 allows parsers to be: text before and after the block, lines of any width.

use std::io::{BufRead, ErrorKind, Read};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::CrlError;

/// What stands between `-----BEGIN X509 CRL-----` and `-----END X509 CRL-----`.
#[derive(Debug)]
pub(super) struct PemBody<R> {
    reader: R,
    octets_max: u64,
    /// Base64 digits without white space: fewer than four between two reads.
    digits: Vec<u8>,
    /// Whether `=` was seen: nothing may follow it.
    padded: bool,
    ended: bool,
}

const BEGIN: &[u8] = b"-----BEGIN X509 CRL-----";
const END: &[u8] = b"-----END X509 CRL-----";

/// The longest piece of a line that is looked at. No boundary is longer.
const LINE_OCTETS_MAX: u64 = 256;

impl<R: BufRead> PemBody<R> {
    /// Passes over everything up to the boundary.
    pub(super) fn find(mut reader: R, octets_max: u64) -> Result<Self, CrlError> {
        if !skip_to_begin(&mut reader, octets_max)? {
            return Err(CrlError::NotCrl);
        }
        Ok(Self {
            reader,
            octets_max,
            digits: Vec::new(),
            padded: false,
            ended: false,
        })
    }

    /// Decodes some octets into `into`, which has room for at least 3; 0 at the end of the block.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<usize, CrlError> {
        // Three octets for four digits.
        let digits_max = (into.len() / 3).saturating_mul(4);
        while !self.ended && self.digits.len() < digits_max {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if buffer.is_empty() {
                return Err(CrlError::NoPemEnd);
            }
            let room = digits_max.saturating_sub(self.digits.len());
            let piece = buffer.get(..room).unwrap_or(buffer);
            let text = piece.split(|octet| *octet == b'-').next().unwrap_or(piece);
            for line in text.split(u8::is_ascii_whitespace) {
                self.digits.extend_from_slice(line);
            }
            let (taken, at_boundary) = (text.len(), text.len() < piece.len());
            self.reader.consume(taken);
            if at_boundary {
                self.end()?;
            }
        }
        let whole = self.digits.len() - self.digits.len() % 4;
        if whole == 0 {
            // RFC 4648 §3.2: the last group is padded too.
            return if self.digits.is_empty() {
                Ok(0)
            } else {
                Err(CrlError::Base64)
            };
        }
        if self.padded {
            return Err(CrlError::Base64);
        }
        let now = self.digits.get(..whole).unwrap_or_default();
        self.padded = now.ends_with(b"=");
        let decoded = STANDARD
            .decode_slice(now, into)
            .map_err(|_| CrlError::Base64)?;
        self.digits.drain(..whole);
        Ok(decoded)
    }

    /// Reads the line that ends the block.
    fn end(&mut self) -> Result<(), CrlError> {
        let mut line = Vec::new();
        let mut limited = self.reader.by_ref().take(LINE_OCTETS_MAX);
        limited.read_until(b'\n', &mut line)?;
        if line.trim_ascii() != END {
            return Err(CrlError::NoPemEnd);
        }
        self.ended = true;
        Ok(())
    }

    /// Looks through what follows the block.
    pub(super) fn finish(mut self) -> Result<(), CrlError> {
        if skip_to_begin(&mut self.reader, self.octets_max)? {
            Err(CrlError::SeveralCrls)
        } else {
            Ok(())
        }
    }
}

/// Passes over lines up to one that begins a CRL; false when there is none.
fn skip_to_begin(reader: &mut impl BufRead, octets_max: u64) -> Result<bool, CrlError> {
    let mut passed = 0_u64;
    let mut line = Vec::new();
    let mut at_line_start = true;
    loop {
        line.clear();
        let mut limited = reader.by_ref().take(LINE_OCTETS_MAX);
        let read = limited.read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(false);
        }
        if at_line_start && line.trim_ascii() == BEGIN {
            return Ok(true);
        }
        at_line_start = line.ends_with(b"\n");
        passed = passed.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if passed > octets_max {
            return Err(CrlError::TooLong {
                octets: passed,
                octets_max,
            });
        }
    }
}
