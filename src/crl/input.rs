//! Octets of DER, from DER or from PEM: which of the two it is, the first octet tells.

use std::io::{BufRead, ErrorKind};

use super::{CrlError, pem::PemBody};

/// A source of DER octets.
#[derive(Debug)]
pub(super) enum Input<R> {
    Der(R),
    Pem(PemBody<R>),
}

impl<R: BufRead> Input<R> {
    /// Looks at the first octet, and in PEM for the boundary. Text of up to `octets_max` octets may
    /// stand before it: `openssl crl -text` writes every entry there.
    pub(super) fn new(mut reader: R, octets_max: u64) -> Result<Self, CrlError> {
        let first = loop {
            match reader.fill_buf() {
                Ok(buffer) => break buffer.first().copied(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        };
        match first {
            None => Err(CrlError::Empty),
            Some(0x30) => Ok(Self::Der(reader)),
            Some(_) => PemBody::find(reader, octets_max).map(Self::Pem),
        }
    }

    /// Reads some octets into `into`, which has room for at least 3; 0 at the end.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<usize, CrlError> {
        match self {
            Self::Der(reader) => loop {
                match reader.read(into) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    read => return Ok(read?),
                }
            },
            Self::Pem(body) => body.read(into),
        }
    }

    /// Reads what may follow the last octet of DER: nothing, or text without a second CRL.
    pub(super) fn finish(self) -> Result<(), CrlError> {
        match self {
            // The window has met the end already.
            Self::Der(_) => Ok(()),
            Self::Pem(body) => body.finish(),
        }
    }
}
