//! The header and the arithmetic of the layout that [`super`] draws.

use std::ops::Range;

use super::checksum::FileId;
use super::error::HeaderError;
use super::octets::{Pen, long};
use crate::asn1::{SignatureAlgorithm, UnixTime};
use crate::identity::IssuerId;
use crate::octets::Octets;

pub(super) const HEADER_LEN: usize = 256;
/// The newest version that this program reads, and the one it writes.
pub(super) const VERSION: u16 = 1;
/// Record numbers have 21 bits, and the last one stands for an empty slot.
pub(super) const RECORDS_MAX: u32 = (1 << 21) - 1;
pub(super) const BUCKETS_MAX: u32 = 1 << 22;
pub(super) const BUCKET_LEN: usize = 64;
/// No record lies further than this many buckets from its home, its home included.
pub(super) const PROBE_LIMIT: u8 = 16;
pub(super) const COLUMNS_MAX: u8 = 4;
pub(super) const TEMPLATES_LEN_MAX: u32 = 1 << 20;
/// Octets of a record besides serial and signatures: length, flags, time, checksum.
pub(super) const RECORD_OVERHEAD: usize = 11;
pub(super) const SERIAL_WIDTH_MAX: u8 = 20;
pub(super) const SIDE_ENTRY_LEN: usize = 16;
/// All entries and extensions of a file.
pub(super) const SIDE_LEN_MAX: u32 = 1 << 26;
/// One record's single extensions.
pub(super) const SINGLE_EXTENSIONS_LEN_MAX: usize = 4096;

const MAGIC: [u8; 8] = *b"ESTLMSEG";
const ALIGNMENT: u64 = 64;

/// What a segment's records are to the others of its issuer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SegmentKind {
    /// Every serial of one shard that was issued as of its sequence.
    Base,
    /// A sealed overlay: serials whose status changed, which outrank bases of a lower as-of.
    Patch,
}

impl SegmentKind {
    /// More bits of a hash than this never choose a shard.
    pub const DEPTH_MAX: u8 = 20;
}

/// The header's fields that are not fixed by the version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Header {
    pub(super) kind: SegmentKind,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) columns: u8,
    pub(super) serial_width: u8,
    pub(super) depth: u8,
    pub(super) shard: u32,
    pub(super) record_count: u32,
    pub(super) bucket_count: u32,
    pub(super) side_count: u32,
    pub(super) index_salt: u64,
    pub(super) as_of: u64,
    pub(super) snapshot_time: UnixTime,
    pub(super) next_sign: UnixTime,
    pub(super) templates_len: u32,
    pub(super) side_len: u32,
    pub(super) file_id: FileId,
    pub(super) issuer: IssuerId,
    pub(super) signer: [u8; 32],
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_LEN] {
        let kind = match self.kind {
            SegmentKind::Base => 1,
            SegmentKind::Patch => 2,
        };
        let layout = self.layout();
        let stride = u16::try_from(layout.stride).unwrap_or(0);
        let mut octets = [0; HEADER_LEN];
        let mut out = Pen(&mut octets);
        out.put(&MAGIC);
        out.put(&VERSION.to_be_bytes());
        out.put(&u16::try_from(HEADER_LEN).unwrap_or(0).to_be_bytes());
        out.put(&[kind]);
        out.put(&self.algorithm.stored_code());
        out.put(&[self.columns, self.serial_width, self.depth, PROBE_LIMIT]);
        out.put(&stride.to_be_bytes());
        out.put(&[0; 2]);
        out.put(&self.shard.to_be_bytes());
        out.put(&self.record_count.to_be_bytes());
        out.put(&self.bucket_count.to_be_bytes());
        out.put(&self.side_count.to_be_bytes());
        out.put(&self.index_salt.to_be_bytes());
        out.put(&self.as_of.to_be_bytes());
        out.put(&self.snapshot_time.as_secs().to_be_bytes());
        out.put(&self.next_sign.as_secs().to_be_bytes());
        out.put(&self.templates_len.to_be_bytes());
        out.put(&self.side_len.to_be_bytes());
        out.put(&layout.file_len.to_be_bytes());
        out.put(&self.file_id);
        out.put(self.issuer.as_bytes());
        out.put(&self.signer);
        if let Some((checked, checksum)) = octets.split_last_chunk_mut::<4>() {
            *checksum = crc32c::crc32c(checked).to_be_bytes();
        }
        octets
    }

    /// Reads a header and refuses what [`super`] says a reader must refuse in it.
    pub(super) fn decode(octets: &[u8; HEADER_LEN]) -> Result<Self, HeaderError> {
        let mut fields = Octets::new(octets);
        if fields.array() != Some(MAGIC) {
            return Err(HeaderError::Magic);
        }
        // Before the version, which a flipped bit must not make a newer one.
        let (checked, checksum) = octets
            .split_last_chunk::<4>()
            .ok_or(HeaderError::Checksum)?;
        if crc32c::crc32c(checked) != u32::from_be_bytes(*checksum) {
            return Err(HeaderError::Checksum);
        }
        match fields.u16() {
            Some(VERSION) => {}
            Some(found) if found > VERSION => return Err(HeaderError::NewerVersion { found }),
            _ => return Err(HeaderError::Field("version")),
        }
        Self::decode_fields(fields)
    }

    fn decode_fields(mut fields: Octets<'_>) -> Result<Self, HeaderError> {
        use HeaderError::Field;

        if fields.u16().map(usize::from) != Some(HEADER_LEN) {
            return Err(Field("header length"));
        }
        let kind = match fields.u8() {
            Some(1) => SegmentKind::Base,
            Some(2) => SegmentKind::Patch,
            _ => return Err(Field("kind")),
        };
        let algorithm = fields
            .array()
            .and_then(SignatureAlgorithm::from_stored_code);
        let algorithm = algorithm.ok_or(Field("signature algorithm"))?;
        let mut limited = |name, max: u8| match fields.u8() {
            Some(value) if value <= max => Ok(value),
            _ => Err(Field(name)),
        };
        let columns = limited("columns", COLUMNS_MAX)?;
        let serial_width = limited("serial width", SERIAL_WIDTH_MAX)?;
        let depth = limited("depth", SegmentKind::DEPTH_MAX)?;
        if serial_width == 0 {
            return Err(Field("serial width"));
        }
        if fields.u8() != Some(PROBE_LIMIT) {
            return Err(Field("probe limit"));
        }
        let stride = fields.u16().map(usize::from);
        if fields.u16() != Some(0) {
            return Err(Field("zeros"));
        }
        let mut limited = |name, max: u32| match fields.u32() {
            Some(value) if value <= max => Ok(value),
            _ => Err(Field(name)),
        };
        let shard = limited("shard", u32::MAX)?;
        if u64::from(shard) >> depth != 0 {
            return Err(Field("shard"));
        }
        let record_count = limited("record count", RECORDS_MAX)?;
        let bucket_count = limited("bucket count", BUCKETS_MAX)?;
        if bucket_count == 0 {
            return Err(Field("bucket count"));
        }
        let side_count = limited("side table entries", record_count)?;
        let index_salt = fields.u64().ok_or(Field("index salt"))?;
        let as_of = fields.u64().ok_or(Field("as-of"))?;
        let mut time = |name| {
            let secs = fields.u64();
            secs.and_then(UnixTime::from_secs).ok_or(Field(name))
        };
        let snapshot_time = time("snapshot time")?;
        let next_sign = time("next signing")?;
        let templates_len = fields.u32().filter(|len| *len <= TEMPLATES_LEN_MAX);
        let templates_len = templates_len.ok_or(Field("octets of templates"))?;
        let side_len = fields.u32().filter(|len| *len <= SIDE_LEN_MAX);
        let side_len = side_len.ok_or(Field("octets of the side table"))?;
        let file_len = fields.u64().ok_or(Field("file length"))?;
        let file_id = fields.array().ok_or(Field("file id"))?;
        let issuer = fields.array().ok_or(Field("issuer id"))?;
        let signer = fields.array().ok_or(Field("signer"))?;
        let zeros = fields
            .rest()
            .split_last_chunk::<4>()
            .map(|(zeros, _)| zeros);
        if !zeros.is_some_and(|zeros| zeros.iter().all(|octet| *octet == 0)) {
            return Err(Field("zeros"));
        }
        let header = Self {
            kind,
            algorithm,
            columns,
            serial_width,
            depth,
            shard,
            record_count,
            bucket_count,
            side_count,
            index_salt,
            as_of,
            snapshot_time,
            next_sign,
            templates_len,
            side_len,
            file_id,
            issuer: IssuerId::from_bytes(issuer),
            signer,
        };
        let layout = header.layout();
        if stride != Some(layout.stride) {
            return Err(Field("record stride"));
        }
        if u64::from(side_len) < layout.side_entries_len {
            return Err(Field("octets of the side table"));
        }
        if file_len != layout.file_len {
            return Err(Field("file length"));
        }
        Ok(header)
    }

    /// Where everything lies. All products and sums stay below 2^35: 2^21 records of at most
    /// 13,267 octets (four ML-DSA-65 signatures) are less than 2^35 - 2^32, buckets at most 2^28, the side table at most 2^26.
    pub(super) fn layout(&self) -> Layout {
        let signatures_len = usize::from(self.columns).saturating_mul(self.algorithm.stored_len());
        let stride = usize::from(self.serial_width)
            .saturating_add(signatures_len)
            .saturating_add(RECORD_OVERHEAD);
        let templates_end = long(HEADER_LEN).saturating_add(self.templates_len.into());
        let records_at = templates_end.next_multiple_of(ALIGNMENT);
        let records_len = u64::from(self.record_count).saturating_mul(long(stride));
        let side_at = records_at.saturating_add(records_len);
        let side_end = side_at.saturating_add(self.side_len.into());
        let index_at = side_end.next_multiple_of(ALIGNMENT);
        let index_len = u64::from(self.bucket_count).saturating_mul(long(BUCKET_LEN));
        Layout {
            stride,
            serial_width: self.serial_width.into(),
            signature_len: self.algorithm.stored_len(),
            signatures_len,
            templates_end,
            records_at,
            side_at,
            side_entries_len: u64::from(self.side_count).saturating_mul(long(SIDE_ENTRY_LEN)),
            side_end,
            index_at,
            file_len: index_at.saturating_add(index_len),
        }
    }
}

/// Offsets and widths that follow from a header. Sections follow each other in this order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Layout {
    pub(super) stride: usize,
    pub(super) serial_width: usize,
    /// One signature.
    pub(super) signature_len: usize,
    /// All signatures of a record.
    pub(super) signatures_len: usize,
    pub(super) templates_end: u64,
    pub(super) records_at: u64,
    pub(super) side_at: u64,
    pub(super) side_entries_len: u64,
    pub(super) side_end: u64,
    pub(super) index_at: u64,
    pub(super) file_len: u64,
}

impl Layout {
    /// The two gaps that must hold zeros.
    pub(super) fn padding(&self) -> [Range<u64>; 2] {
        [
            self.templates_end..self.records_at,
            self.side_end..self.index_at,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(in super::super) fn header() -> Header {
        Header {
            kind: SegmentKind::Patch,
            algorithm: SignatureAlgorithm::EcdsaSha256P256,
            columns: 2,
            serial_width: 20,
            depth: 3,
            shard: 5,
            record_count: 100,
            bucket_count: 10,
            side_count: 2,
            index_salt: 0x0123_4567_89ab_cdef,
            as_of: 77,
            snapshot_time: UnixTime::from_secs(1_700_000_000).unwrap(),
            next_sign: UnixTime::from_secs(1_700_086_400).unwrap(),
            templates_len: 1000,
            side_len: 40,
            file_id: [0xaa; 16],
            issuer: IssuerId::from_bytes([0xbb; 32]),
            signer: [0xcc; 32],
        }
    }

    #[test]
    fn the_drawing_is_right() {
        let octets = header().encode();
        assert_eq!(
            &octets[..24],
            b"ESTLMSEG\x00\x01\x01\x00\x02\x01\0\0\x02\x14\x03\x10\x00\x9f\0\0"
        );
        assert_eq!(&octets[24..28], [0, 0, 0, 5]);
        assert_eq!(&octets[28..32], [0, 0, 0, 100]);
        assert_eq!(&octets[48..56], [0, 0, 0, 0, 0, 0, 0, 77]);
        assert_eq!(&octets[72..76], [0, 0, 3, 232]);
        // 256 + 1000 is 1256, up to 1280; 100 records of 159 and 40: 17220, up to 17280; 10 buckets.
        assert_eq!(&octets[80..88], 17_920_u64.to_be_bytes());
        assert_eq!(&octets[88..104], [0xaa; 16]);
        assert_eq!(&octets[104..136], [0xbb; 32]);
        assert_eq!(&octets[136..168], [0xcc; 32]);
        assert_eq!(Header::decode(&octets), Ok(header()));
    }

    #[test]
    fn a_newer_version_is_named_as_such() {
        let mut octets = header().encode();
        octets[9] = 3;
        assert_eq!(Header::decode(&octets), Err(HeaderError::Checksum));
        crate::segment::testing::put_version(&mut octets, 3);
        assert_eq!(
            Header::decode(&octets),
            Err(HeaderError::NewerVersion { found: 3 })
        );
    }

    #[test]
    fn fields_out_of_range_are_refused_even_under_a_good_checksum() {
        for (at, value, field) in [
            (9, 0, "version"),
            (10, 2, "header length"),
            (12, 0, "kind"),
            (12, 3, "kind"),
            (13, 9, "signature algorithm"),
            (16, 5, "columns"),
            (17, 0, "serial width"),
            (17, 21, "serial width"),
            (18, 21, "depth"),
            (19, 15, "probe limit"),
            (21, 0x9e, "record stride"),
            (22, 1, "zeros"),
            (27, 8, "shard"),
            (28, 0xff, "record count"),
            (32, 0xff, "bucket count"),
            (39, 101, "side table entries"),
            (56, 1, "snapshot time"),
            (64, 1, "next signing"),
            (72, 1, "octets of templates"),
            (79, 31, "octets of the side table"),
            (87, 1, "file length"),
            (168, 1, "zeros"),
            (251, 1, "zeros"),
        ] {
            let mut octets = header().encode();
            octets[at] = value;
            let checksum = crc32c::crc32c(&octets[..252]).to_be_bytes();
            octets[252..].copy_from_slice(&checksum);
            assert_eq!(
                Header::decode(&octets),
                Err(HeaderError::Field(field)),
                "{at}"
            );
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let octets = header().encode();
        for bit in 0..HEADER_LEN * 8 {
            let mut octets = octets;
            octets[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&octets).is_err(), "{bit}");
        }
    }
}
