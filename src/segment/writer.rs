//! Writing a segment.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise};

use super::checksum::Seeds;
use super::disk;
use super::error::SegmentError;
use super::format::{
    COLUMNS_MAX, HEADER_LEN, Header, RECORDS_MAX, SERIAL_WIDTH_MAX, SegmentKind, TEMPLATES_LEN_MAX,
};
use super::index::{BuildError, Index};
use super::octets::{index, long};
use super::record::{EncodedRecords, RecordData, RecordEncoder};
use super::side::SideTable;
use super::spec::SegmentSpec;
use super::{names, scrub, templates};
use crate::identity::SerialNumber;

/// Records that `push` collects before it writes.
const PENDING_MAX: usize = 1024;
/// Index buckets encoded and written at once: 256 KiB.
const BUCKETS_AT_ONCE: u32 = 4096;

/// A segment being written, under a temporary name until [`SegmentWriter::finish`].
///
/// In memory it holds nine octets a record and, while finishing, 6.4 to 18 more for the index, not the
/// records. Dropped unfinished, it removes its file; after a crash the next
/// [`Catalog::open`](crate::catalog::Catalog::open) does.
#[derive(Debug)]
pub struct SegmentWriter {
    folder: PathBuf,
    file: File,
    temporary: Temporary,
    /// Its record count is the one announced until the segment is finished.
    header: Header,
    encoder: RecordEncoder,
    pending: EncodedRecords,
    /// By record number; meaningless where nothing is written yet.
    hashes: Vec<u64>,
    written: Vec<bool>,
    side: SideTable,
    given_up: bool,
}

/// A finished segment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SegmentFile {
    /// SHA-256 of its octets, which names it.
    pub sha256: [u8; 32],
    /// Its length in octets.
    pub len: u64,
    /// Where it lies.
    pub path: PathBuf,
}

impl SegmentWriter {
    /// Begins a segment of at most `record_count` records whose serials have at most `serial_width`
    /// octets.
    ///
    /// # Errors
    /// [`SegmentError::Spec`] for a segment that cannot be, [`SegmentError::Disk`] when the file
    /// cannot be created or written.
    pub fn create(
        folder: &Path,
        spec: &SegmentSpec,
        record_count: usize,
        serial_width: usize,
    ) -> Result<Self, SegmentError> {
        let mut random = [0; 48];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| SegmentError::Random)?;
        let (file_id, rest) = random
            .split_first_chunk::<16>()
            .ok_or(SegmentError::Random)?;
        let (salt, rest) = rest.split_first_chunk().ok_or(SegmentError::Random)?;
        let (name, _) = rest.split_first_chunk::<16>().ok_or(SegmentError::Random)?;

        let seeds = Seeds::new(file_id);
        let templates = templates::encode(&spec.templates, seeds.template);
        let header = Header {
            kind: spec.kind,
            algorithm: spec.algorithm,
            columns: limited(spec.templates.len(), COLUMNS_MAX, "number of templates")?,
            serial_width: limited(serial_width, SERIAL_WIDTH_MAX, "serial width")?,
            depth: limited(spec.depth, SegmentKind::DEPTH_MAX, "depth")?,
            shard: spec.shard,
            record_count: limited(record_count, RECORDS_MAX, "record count")?,
            bucket_count: 1,
            side_count: 0,
            index_salt: u64::from_be_bytes(*salt),
            as_of: spec.as_of,
            snapshot_time: spec.snapshot_time,
            next_sign: spec.next_sign,
            templates_len: limited(templates.len(), TEMPLATES_LEN_MAX, "length of templates")?,
            side_len: 0,
            file_id: *file_id,
            issuer: spec.issuer,
            signer: spec.signer,
        };
        if serial_width == 0 {
            return Err(SegmentError::Spec("serial width"));
        }
        if u64::from(spec.shard) >> spec.depth != 0 {
            return Err(SegmentError::Spec("shard"));
        }
        if templates::decode(&templates, &header, seeds.template).is_err() {
            return Err(SegmentError::Spec("set of templates"));
        }

        let path = folder.join(names::hexadecimal(name) + names::TEMPORARY);
        let file = disk::create(&path)?;
        let temporary = Temporary(path);
        disk::write_at(&file, &temporary.0, &templates, long(HEADER_LEN))?;
        let encoder = RecordEncoder::new(&header);
        Ok(Self {
            folder: folder.to_owned(),
            file,
            temporary,
            pending: encoder.batch(0, PENDING_MAX.min(record_count)),
            encoder,
            header,
            hashes: vec![0; record_count],
            written: vec![false; record_count],
            side: SideTable::default(),
            given_up: false,
        })
    }

    /// What turns records into octets for [`SegmentWriter::push_encoded`]; clone it for each worker.
    #[must_use]
    pub fn encoder(&self) -> RecordEncoder {
        self.encoder.clone()
    }

    /// Appends a record: its number is one more than that of the last one pushed either way.
    ///
    /// # Errors
    /// [`SegmentError::Record`] when this record cannot be; the segment can go on without it. Any
    /// other error gives the segment up.
    pub fn push(&mut self, record: &RecordData<'_>) -> Result<(), SegmentError> {
        self.encoder.encode(&mut self.pending, record)?;
        if self.pending.len() >= PENDING_MAX {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes records that were encoded elsewhere, in any order of batches; each number once.
    ///
    /// # Errors
    /// [`SegmentError`]; each gives the segment up.
    pub fn push_encoded(&mut self, records: EncodedRecords) -> Result<(), SegmentError> {
        self.flush()?;
        let next = records.next();
        self.write(records)?;
        self.pending.first = self.pending.first.max(next);
        Ok(())
    }

    /// Writes side table, index and header, makes the file durable and read-only, reads it back whole,
    /// and renames it to its digest.
    ///
    /// # Errors
    /// [`SegmentError`]; the temporary file is then removed.
    pub fn finish(mut self) -> Result<SegmentFile, SegmentError> {
        self.flush()?;
        let count = self.written.iter().take_while(|written| **written).count();
        if self.written.iter().skip(count).any(|written| *written) {
            return Err(SegmentError::RecordMissing {
                number: u32::try_from(count).unwrap_or(u32::MAX),
            });
        }
        self.hashes.truncate(count);
        self.header.record_count = limited(count, RECORDS_MAX, "record count")?;
        self.write_side_table()?;
        self.write_index()?;
        let path = &self.temporary.0;
        disk::write_at(&self.file, path, &self.header.encode(), 0)?;
        disk::make_read_only(&self.file, path)?;
        disk::sync(&self.file, path)?;
        let (sha256, len) = self.read_back()?;

        let path = self.folder.join(names::name(&sha256, names::SEGMENT));
        disk::rename(&self.temporary.0, &path)?;
        disk::sync_folder(&self.folder)?;
        Ok(SegmentFile { sha256, len, path })
    }

    fn flush(&mut self) -> Result<(), SegmentError> {
        if self.given_up {
            return Err(SegmentError::GivenUp);
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        let empty = self.encoder.batch(self.pending.next(), PENDING_MAX);
        let full = std::mem::replace(&mut self.pending, empty);
        self.write(full)
    }

    /// Given up unless all of it succeeds: after a failure nobody knows what the file holds.
    fn write(&mut self, records: EncodedRecords) -> Result<(), SegmentError> {
        self.given_up = true;
        if records.file_id != self.header.file_id {
            return Err(SegmentError::ForeignRecords);
        }
        for (number, hash) in (records.first..).zip(&records.hashes) {
            let place = self.hashes.get_mut(index(number));
            let written = self.written.get_mut(index(number));
            match (place, written) {
                (Some(place), Some(written)) if !*written => {
                    *place = *hash;
                    *written = true;
                }
                _ => {
                    return Err(SegmentError::RecordNumber {
                        number,
                        announced: self.header.record_count,
                    });
                }
            }
        }
        let at = self.record_at(records.first);
        disk::write_at(&self.file, &self.temporary.0, &records.octets, at)?;
        for (record, single_extensions) in records.side {
            self.side.push(record, single_extensions);
        }
        self.given_up = false;
        Ok(())
    }

    fn record_at(&self, number: u32) -> u64 {
        let layout = self.header.layout();
        let before = u64::from(number).saturating_mul(long(layout.stride));
        layout.records_at.saturating_add(before)
    }

    fn write_side_table(&mut self) -> Result<(), SegmentError> {
        let seed = Seeds::new(&self.header.file_id).side;
        let (side_count, octets) = std::mem::take(&mut self.side)
            .encode(seed)
            .ok_or(SegmentError::Spec("amount of single extensions"))?;
        self.header.side_count = side_count;
        self.header.side_len = limited(octets.len(), u32::MAX, "amount of single extensions")?;
        let at = self.header.layout().side_at;
        disk::write_at(&self.file, &self.temporary.0, &octets, at)?;
        Ok(())
    }

    fn write_index(&mut self) -> Result<(), SegmentError> {
        let index = Index::build(&self.hashes, self.header.index_salt, |one, other| {
            Ok(self.read_serial(one)? == self.read_serial(other)?)
        });
        let index = match index {
            Ok(index) => index,
            Err(BuildError::Twice(record)) => {
                let serial = self.read_serial(record)?;
                return Err(SegmentError::SerialTwice { serial });
            }
            Err(BuildError::Crowded) => return Err(SegmentError::IndexCrowded),
            Err(BuildError::Compare(error)) => return Err(error),
        };
        self.header.bucket_count = index.bucket_count;
        self.header.index_salt = index.salt;
        let seed = Seeds::new(&self.header.file_id).bucket;
        let mut at = self.header.layout().index_at;
        let mut first = 0;
        let mut octets = Vec::new();
        while first < index.bucket_count {
            octets.clear();
            index.encode(seed, first, BUCKETS_AT_ONCE, &mut octets);
            disk::write_at(&self.file, &self.temporary.0, &octets, at)?;
            at = at.saturating_add(long(octets.len()));
            first = first.saturating_add(BUCKETS_AT_ONCE);
        }
        Ok(())
    }

    fn read_serial(&self, record: u32) -> Result<SerialNumber, SegmentError> {
        let mut octets = vec![0; usize::from(self.header.serial_width).saturating_add(1)];
        let at = self.record_at(record);
        disk::read_at(&self.file, &self.temporary.0, &mut octets, at)?;
        let damaged = || SegmentError::Damaged {
            path: self.temporary.0.clone(),
            damage: super::Damage::Record(record),
        };
        let (len, padded) = octets.split_first().ok_or_else(damaged)?;
        let content = padded.get(..usize::from(*len)).ok_or_else(damaged)?;
        SerialNumber::from_content(content).map_err(|_| damaged())
    }

    /// The digest and length of what the disk gives back, once every checksum in it holds.
    fn read_back(&self) -> Result<([u8; 32], u64), SegmentError> {
        // From the disk, not from the pages just written; only a hint, so failure does not matter.
        let _result = fadvise(&self.file, 0, None, Advice::DontNeed);
        let path = &self.temporary.0;
        let verified = scrub::verify(&self.file, path, |_| true)?;
        let verified = verified.ok_or(SegmentError::GivenUp)?;
        if let Some(damage) = verified.damage.first() {
            return Err(SegmentError::Damaged {
                path: path.clone(),
                damage: *damage,
            });
        }
        Ok((verified.sha256, self.header.layout().file_len))
    }
}

/// Removes the file when dropped; after the rename there is none of this name.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // What stays is removed when the catalog is opened next.
        let _result = disk::remove(&self.0);
    }
}

fn limited<T: PartialOrd, S: TryInto<T>>(
    value: S,
    max: T,
    what: &'static str,
) -> Result<T, SegmentError> {
    match value.try_into() {
        Ok(value) if value <= max => Ok(value),
        _ => Err(SegmentError::Spec(what)),
    }
}
