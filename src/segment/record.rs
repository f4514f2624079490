//! One record: a serial, its status and its signatures.

use super::checksum::{FileId, Seed, Seeds};
use super::error::RecordError;
use super::format::{Header, Layout, SINGLE_EXTENSIONS_LEN_MAX};
use crate::asn1::{CrlReason, UnixTime};
use crate::identity::{IssuerId, SerialHash, SerialNumber};
use crate::ocsp::CertStatus;

/// The status of an issued certificate.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RecordStatus {
    /// Not revoked.
    Good,
    /// Revoked or on hold.
    Revoked {
        /// Since when.
        revocation_time: UnixTime,
        /// Why; `None` is `unspecified`.
        reason: Option<CrlReason>,
    },
}

impl From<RecordStatus> for CertStatus {
    fn from(status: RecordStatus) -> Self {
        match status {
            RecordStatus::Good => Self::Good,
            RecordStatus::Revoked {
                revocation_time,
                reason,
            } => Self::Revoked {
                revocation_time,
                reason,
            },
        }
    }
}

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub struct RecordData<'a> {
    /// Whose status it is.
    pub serial: SerialNumber,
    /// The status.
    pub status: RecordStatus,
    /// DER of the `Extensions` SEQUENCE of its SingleResponse, 1 to 4096 octets, for the few that
    /// have any.
    pub single_extensions: Option<&'a [u8]>,
    /// Its signatures in stored form, one for each template and in their order; empty when unsigned.
    pub signatures: &'a [u8],
}

/// A record read from a segment. Its octets hold their checksum.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Record<'a> {
    serial: &'a [u8],
    status: RecordStatus,
    signatures: Option<&'a [u8]>,
    signature_len: usize,
    single_extensions: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// Content octets of the serial.
    #[must_use]
    pub const fn serial(&self) -> &'a [u8] {
        self.serial
    }

    /// The status as of the segment's sequence.
    #[must_use]
    pub const fn status(&self) -> RecordStatus {
        self.status
    }

    /// The signature that belongs to the template of this number, in stored form; `None` for an
    /// unsigned record or a column that the segment does not have.
    #[must_use]
    pub fn signature(&self, column: usize) -> Option<&'a [u8]> {
        self.signatures?
            .chunks_exact(self.signature_len)
            .nth(column)
    }

    /// All signatures, in the order of the templates; `None` for an unsigned record.
    #[must_use]
    pub const fn signatures(&self) -> Option<&'a [u8]> {
        self.signatures
    }

    /// DER of the `Extensions` SEQUENCE that its answers carry.
    #[must_use]
    pub const fn single_extensions(&self) -> Option<&'a [u8]> {
        self.single_extensions
    }
}

/// Turns records into the octets that a file carries, without the file: for worker threads.
#[derive(Clone, Debug)]
pub struct RecordEncoder {
    file_id: FileId,
    seed: Seed,
    layout: Layout,
    issuer: IssuerId,
    /// Depth and number; a patch takes serials of its own shard, too.
    shard: (u8, u32),
}

impl RecordEncoder {
    pub(super) fn new(header: &Header) -> Self {
        Self {
            file_id: header.file_id,
            seed: Seeds::new(&header.file_id).record,
            layout: header.layout(),
            issuer: header.issuer,
            shard: (header.depth, header.shard),
        }
    }

    /// An empty batch whose first record will have the number `first`, with room for `capacity`
    /// records.
    #[must_use]
    pub fn batch(&self, first: u32, capacity: usize) -> EncodedRecords {
        EncodedRecords {
            file_id: self.file_id,
            first,
            octets: Vec::with_capacity(self.layout.stride.saturating_mul(capacity)),
            hashes: Vec::with_capacity(capacity),
            side: Vec::new(),
        }
    }

    /// Appends a record to a batch of this encoder.
    ///
    /// # Errors
    /// [`RecordError`] when the segment cannot hold the record; the batch is as before.
    pub fn encode(
        &self,
        batch: &mut EncodedRecords,
        record: &RecordData<'_>,
    ) -> Result<(), RecordError> {
        let Layout {
            serial_width: width,
            signatures_len,
            ..
        } = self.layout;
        let serial = record.serial;
        let content = serial.as_bytes();
        let hash = SerialHash::new(&self.issuer, content);
        let padding = width
            .checked_sub(content.len())
            .ok_or(RecordError::SerialTooWide { serial, width })?;
        let (depth, shard) = self.shard;
        if hash.shard(depth.into()) != u64::from(shard) {
            return Err(RecordError::OtherShard { serial });
        }
        let signed = !record.signatures.is_empty();
        if signed && record.signatures.len() != signatures_len {
            return Err(RecordError::SignaturesLength {
                serial,
                expected: signatures_len,
                actual: record.signatures.len(),
            });
        }
        if let Some(extensions) = record.single_extensions
            && !(1..=SINGLE_EXTENSIONS_LEN_MAX).contains(&extensions.len())
        {
            return Err(RecordError::SingleExtensionsLength {
                serial,
                actual: extensions.len(),
            });
        }

        let number = batch.next();
        let start = batch.octets.len();
        let out = &mut batch.octets;
        out.push(u8::try_from(content.len()).unwrap_or(0));
        out.extend_from_slice(content);
        out.resize(out.len().saturating_add(padding), 0);
        let mut flags = 0;
        let mut time = UnixTime::EPOCH;
        if let RecordStatus::Revoked {
            revocation_time,
            reason,
        } = record.status
        {
            flags |= REVOKED | (reason.map_or(0, CrlReason::code) << REASON_SHIFT);
            time = revocation_time;
        }
        if signed {
            flags |= SIGNED;
        }
        if record.single_extensions.is_some() {
            flags |= SIDE;
        }
        out.push(flags);
        let [_, _, _, time @ ..] = time.as_secs().to_be_bytes();
        out.extend(time);
        if signed {
            out.extend_from_slice(record.signatures);
        } else {
            out.resize(out.len().saturating_add(signatures_len), 0);
        }
        let checksum = self
            .seed
            .checksum(number, out.get(start..).unwrap_or_default());
        out.extend(checksum.to_be_bytes());
        batch.hashes.push(hash.as_u64());
        if let Some(extensions) = record.single_extensions {
            batch.side.push((number, extensions.into()));
        }
        Ok(())
    }
}

/// Records with consecutive numbers, ready for [`SegmentWriter::push_encoded`](super::SegmentWriter).
#[derive(Debug)]
pub struct EncodedRecords {
    pub(super) file_id: FileId,
    pub(super) first: u32,
    pub(super) octets: Vec<u8>,
    pub(super) hashes: Vec<u64>,
    pub(super) side: Vec<(u32, Box<[u8]>)>,
}

impl EncodedRecords {
    /// How many records are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.hashes.len()).unwrap_or(u32::MAX)
    }

    /// The number that the next record gets.
    pub(super) fn next(&self) -> u32 {
        self.first.saturating_add(self.count())
    }
}

/// A record's octets taken apart, with the side table not yet asked.
pub(super) struct Parts<'a> {
    pub(super) record: Record<'a>,
    pub(super) has_side: bool,
}

impl<'a> Parts<'a> {
    /// `None` when the octets are not record `number` as it was written.
    pub(super) fn decode(
        octets: &'a [u8],
        layout: &Layout,
        seed: Seed,
        number: u32,
    ) -> Option<Self> {
        let (checked, checksum) = octets.split_last_chunk::<4>()?;
        if seed.checksum(number, checked) != u32::from_be_bytes(*checksum) {
            return None;
        }
        let (len, rest) = checked.split_first()?;
        let (padded, rest) = rest.split_at_checked(layout.serial_width)?;
        let (flags, signatures) = rest.split_first()?;
        let (time, signatures) = signatures.split_first_chunk::<5>()?;
        let status = decode_status(*flags, *time)?;
        let serial = padded.get(..usize::from(*len))?;
        if serial.is_empty() || signatures.len() != layout.signatures_len {
            return None;
        }
        Some(Self {
            record: Record {
                serial,
                status,
                signatures: (flags & SIGNED != 0).then_some(signatures),
                signature_len: layout.signature_len,
                single_extensions: None,
            },
            has_side: flags & SIDE != 0,
        })
    }

    /// The whole record, given its side entry where it has one.
    pub(super) const fn with_side(self, single_extensions: Option<&'a [u8]>) -> Record<'a> {
        let mut record = self.record;
        record.single_extensions = single_extensions;
        record
    }
}

const REVOKED: u8 = 1;
const SIGNED: u8 = 1 << 1;
const SIDE: u8 = 1 << 2;
const RESERVED: u8 = 1 << 3;
const REASON_SHIFT: u8 = 4;

fn decode_status(flags: u8, time: [u8; 5]) -> Option<RecordStatus> {
    let [a, b, c, d, e] = time;
    let secs = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
    let code = flags >> REASON_SHIFT;
    match (flags & (REVOKED | RESERVED), code, secs) {
        (0, 0, 0) => Some(RecordStatus::Good),
        (REVOKED, 0, _) => Some(RecordStatus::Revoked {
            revocation_time: UnixTime::from_secs(secs)?,
            reason: None,
        }),
        (REVOKED, _, _) => Some(RecordStatus::Revoked {
            revocation_time: UnixTime::from_secs(secs)?,
            reason: Some(CrlReason::from_code(code)?),
        }),
        _ => None,
    }
}
