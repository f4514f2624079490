//! A whole CertificateList, written front to back.

use std::io::{self, Seek, SeekFrom, Write};

use super::{
    ExtensionsWriter, RevokedEntry,
    entry::{put_time, time_len},
};
use crate::{
    asn1::{SignatureAlgorithm, UnixTime, put_header, put_tlv, tag, tlv_len, total},
    crl::Tap,
    identity::SerialNumber,
};

/// What stands around the entries.
#[derive(Clone, Copy, Debug)]
pub struct CrlHead<'a> {
    /// signature and signatureAlgorithm.
    pub algorithm: SignatureAlgorithm,
    /// issuer, the whole Name: octet for octet the subject of the CA's certificate (§5.1.2.3).
    pub issuer_der: &'a [u8],
    /// thisUpdate
    pub this_update: UnixTime,
    /// nextUpdate
    pub next_update: UnixTime,
    /// crlExtensions
    pub extensions: &'a ExtensionsWriter,
}

/// How much the entries take: the first of the two times that they are gone through.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Listing {
    count: u64,
    octets: usize,
}

impl Listing {
    /// Counts an entry in.
    pub fn add(&mut self, entry: &RevokedEntry) {
        self.count = self.count.saturating_add(1);
        self.octets = self.octets.saturating_add(entry.der_len());
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }
}

/// A CRL whose entries are being written. `tap` hears the octets of tbsCertList.
#[derive(Debug)]
pub struct CertificateListWriter<W, T> {
    out: W,
    tap: T,
    /// Written when it is full.
    buffer: Vec<u8>,
    /// How much of the listing is still to come.
    left: Listing,
    last: Option<SerialNumber>,
    extensions: Vec<u8>,
    around: Around,
}

/// Where things lie.
#[derive(Clone, Copy, Debug)]
struct Around {
    algorithm: SignatureAlgorithm,
    /// Where the CRL begins in what is written to.
    start: u64,
    /// Octets of the outermost header, which is written last.
    header_octets: usize,
    tbs_octets: usize,
}

const BUFFER_OCTETS: usize = 64 << 10;

impl<W: Write + Seek, T: Tap> CertificateListWriter<W, T> {
    /// Begins a CRL of which the entries are those of `listing`, where `out` is now.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn begin(
        mut out: W,
        head: &CrlHead<'_>,
        listing: Listing,
        tap: T,
    ) -> Result<Self, WriteError> {
        let algorithm_der = head.algorithm.algorithm_identifier_der();
        let extensions = head.extensions.to_der();
        let entries = match listing.octets {
            0 => 0,
            octets => tlv_len(octets),
        };
        let tbs_content = total([
            VERSION_2.len(),
            algorithm_der.len(),
            head.issuer_der.len(),
            time_len(head.this_update),
            time_len(head.next_update),
            entries,
            extensions.len(),
        ]);
        let around = Around {
            algorithm: head.algorithm,
            start: out.stream_position()?,
            header_octets: 0,
            tbs_octets: tlv_len(tbs_content),
        };
        // A place for the outermost header. It has this many octets for nearly every length of the
        // signature; for others another signature is asked for.
        let mut buffer = Vec::with_capacity(BUFFER_OCTETS.saturating_add(ENTRY_OCTETS_MAX));
        let content = around.content_octets(signature_octets_max(head.algorithm));
        put_header(&mut buffer, tag::SEQUENCE, content);
        out.write_all(&buffer)?;
        let around = Around {
            header_octets: buffer.len(),
            ..around
        };
        buffer.clear();

        put_header(&mut buffer, tag::SEQUENCE, tbs_content);
        buffer.extend_from_slice(&VERSION_2);
        buffer.extend_from_slice(algorithm_der);
        buffer.extend_from_slice(head.issuer_der);
        put_time(&mut buffer, head.this_update);
        put_time(&mut buffer, head.next_update);
        if entries > 0 {
            put_header(&mut buffer, tag::SEQUENCE, listing.octets);
        }
        Ok(Self {
            out,
            tap,
            buffer,
            left: listing,
            last: None,
            extensions,
            around,
        })
    }

    /// Writes the next entry: one of the listing, with a higher serial number than the one before.
    ///
    /// # Errors
    /// [`WriteError`]; what was written is no CRL then.
    pub fn entry(&mut self, entry: &RevokedEntry) -> Result<(), WriteError> {
        let serial = entry.serial;
        if self.last.is_some_and(|last| order(&last) >= order(&serial)) {
            return Err(WriteError::Order { serial });
        }
        self.last = Some(serial);
        let left = &mut self.left;
        let (Some(count), Some(octets)) = (
            left.count.checked_sub(1),
            left.octets.checked_sub(entry.der_len()),
        ) else {
            return Err(WriteError::Listing);
        };
        (left.count, left.octets) = (count, octets);
        entry.put(&mut self.buffer);
        if self.buffer.len() >= BUFFER_OCTETS {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what comes after the entries; only the signature is missing then.
    ///
    /// # Errors
    /// [`WriteError`]; what was written is no CRL then.
    pub fn finish(mut self) -> Result<UnsignedList<W, T>, WriteError> {
        if self.left != Listing::default() {
            return Err(WriteError::Listing);
        }
        self.buffer.extend_from_slice(&self.extensions);
        self.flush()?;
        Ok(UnsignedList {
            out: self.out,
            tap: self.tap,
            around: self.around,
        })
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        self.tap.tbs(&self.buffer);
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// The order in which entries are written: that of the numbers.
pub(crate) fn order(serial: &SerialNumber) -> (usize, &[u8]) {
    let content = serial.as_bytes();
    // The sign octet makes a number with a high bit longer, and so greater.
    (content.len(), content)
}

/// A CRL without its signature.
#[derive(Debug)]
pub struct UnsignedList<W, T> {
    out: W,
    tap: T,
    around: Around,
}

impl<W: Write + Seek, T> UnsignedList<W, T> {
    /// Where tbsCertList lies in what is written to: its first octet, and how many it has.
    #[must_use]
    pub fn tbs(&self) -> (u64, usize) {
        let Around {
            start,
            header_octets,
            tbs_octets,
            ..
        } = self.around;
        let header = u64::try_from(header_octets).unwrap_or(u64::MAX);
        (start.saturating_add(header), tbs_octets)
    }

    /// What heard tbsCertList.
    pub const fn tap(&self) -> &T {
        &self.tap
    }

    /// What is written to.
    pub const fn get_ref(&self) -> &W {
        &self.out
    }

    /// Adds the octets of signatureValue. Gives the list back where a signature of this length would
    /// move everything before it: an ECDSA signature is a few octets longer or shorter each time, so
    /// the next one fits.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn sign(mut self, signature: &[u8]) -> Result<Signed<W, Self>, WriteError> {
        let mut header = Vec::new();
        let content = self.around.content_octets(signature.len());
        put_header(&mut header, tag::SEQUENCE, content);
        if header.len() != self.around.header_octets {
            return Ok(Signed::NotOfThisLength(self));
        }
        let mut tail = self.around.algorithm.algorithm_identifier_der().to_vec();
        let mut bits = Vec::with_capacity(signature.len().saturating_add(1));
        bits.push(0);
        bits.extend_from_slice(signature);
        put_tlv(&mut tail, tag::BIT_STRING, &bits);
        self.out.write_all(&tail)?;
        self.out.seek(SeekFrom::Start(self.around.start))?;
        self.out.write_all(&header)?;
        self.out.seek(SeekFrom::End(0))?;
        self.out.flush()?;
        Ok(Signed::Whole(self.out))
    }
}

/// What came of a signature.
#[derive(Debug)]
pub enum Signed<W, L> {
    /// The CRL is whole.
    Whole(W),
    /// Another signature is needed.
    NotOfThisLength(L),
}

impl Around {
    /// The content of the outermost SEQUENCE.
    fn content_octets(&self, signature: usize) -> usize {
        total([
            self.tbs_octets,
            self.algorithm.algorithm_identifier_der().len(),
            tlv_len(signature.saturating_add(1)),
        ])
    }
}

/// The longest signatureValue.
fn signature_octets_max(algorithm: SignatureAlgorithm) -> usize {
    if algorithm.is_ecdsa() {
        // SEQUENCE { INTEGER, INTEGER }, each with a sign octet.
        let half = algorithm.stored_len() / 2;
        let integer = tlv_len(half.saturating_add(1));
        tlv_len(integer.saturating_mul(2))
    } else {
        algorithm.stored_len()
    }
}

/// `version INTEGER v2(1)`
const VERSION_2: [u8; 3] = [tag::INTEGER, 1, 1];
const ENTRY_OCTETS_MAX: usize = 128;

/// Why no CRL was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Where it is written to.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An entry does not come after the one before.
    #[error("the entry of {serial} is not in order, or comes twice")]
    Order {
        /// Of which certificate.
        serial: SerialNumber,
    },
    /// The entries are not those that were counted.
    #[error("the entries changed while they were written")]
    Listing,
}
