//! An open segment.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checksum::Seeds;
use super::disk::{self, DiskError};
use super::error::{Damage, SegmentError};
use super::fault::Watched;
use super::format::{BUCKET_LEN, HEADER_LEN, Header, Layout, SegmentKind};
use super::index::{Bucket, Placement};
use super::map::Mapping;
use super::octets::{index, long, short};
use super::record::{Parts, Record};
use super::{names, side, templates};
use crate::asn1::{SignatureAlgorithm, UnixTime};
use crate::identity::{IssuerId, SerialHash};
use crate::ocsp::{HashAlgorithm, Template};

/// A mapped segment: immutable, shared by all threads, valid also after its file is unlinked.
#[derive(Debug)]
pub struct Segment {
    sha256: [u8; 32],
    path: PathBuf,
    header: Header,
    layout: Layout,
    seeds: Seeds,
    templates: Vec<Template>,
    map: Mapping,
}

/// What a segment says about a serial.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lookup<'a> {
    /// No record, and every octet that says so is as it was written.
    Absent,
    /// The serial's record.
    Found(Record<'a>),
    /// What would tell is damaged.
    Damaged,
}

impl Segment {
    /// Opens the segment of this name in `folder` and maps it. Reads and checks header, templates and
    /// padding; the time this takes does not grow with the number of records.
    ///
    /// # Errors
    /// [`SegmentError`]: unreadable, of another length, not a segment, of a newer version, damaged.
    pub fn open(folder: &Path, sha256: [u8; 32], len: u64) -> Result<Arc<Self>, SegmentError> {
        let path = folder.join(names::name(&sha256, names::SEGMENT));
        let file = disk::open(&path)?;
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(SegmentError::NotAFile { path });
        }
        let actual = disk::length(&file, &path)?;
        if actual != len {
            return Err(SegmentError::Length {
                path,
                expected: len,
                actual,
            });
        }
        let header = read_header(&file, &path, len)?;
        let layout = header.layout();
        let seeds = Seeds::new(&header.file_id);
        let templates = read_templates(&file, &path, &header)?;
        for gap in layout.padding() {
            let mut zeros = vec![0; short(gap.end.saturating_sub(gap.start))];
            disk::read_at(&file, &path, &mut zeros, gap.start)?;
            if zeros.iter().any(|octet| *octet != 0) {
                let damage = Damage::Padding;
                return Err(SegmentError::Damaged { path, damage });
            }
        }
        let map = Watched::new(folder, sha256).and_then(|watched| Mapping::new(&file, watched));
        let map = map.map_err(|source| DiskError {
            action: "map",
            path: path.clone(),
            source,
        })?;
        Ok(Arc::new(Self {
            sha256,
            path,
            header,
            layout,
            seeds,
            templates,
            map,
        }))
    }

    /// The record of a serial, given as content octets and their hash under this segment's issuer.
    ///
    /// No allocation, no lock, no system call; a page that is not in memory is read from the disk.
    /// Checks each bucket and record that it reads. About 1.1 index buckets and one record.
    #[must_use]
    pub fn lookup(&self, hash: SerialHash, serial: &[u8]) -> Lookup<'_> {
        if serial.len() > self.layout.serial_width {
            return Lookup::Absent;
        }
        let Header {
            index_salt,
            bucket_count,
            ..
        } = self.header;
        let placement = Placement::new(hash.as_u64(), index_salt, bucket_count);
        // A damaged record may have been the one; it only counts if no other is.
        let mut absence = Lookup::Absent;
        for number in placement.buckets() {
            let Some(bucket) = self.bucket(number) else {
                return Lookup::Damaged;
            };
            for number in bucket.candidates(placement) {
                match self.record(number) {
                    Some(record) if record.serial() == serial => return Lookup::Found(record),
                    Some(_) => {}
                    None => absence = Lookup::Damaged,
                }
            }
            if !bucket.is_full() {
                break;
            }
        }
        absence
    }

    /// All records in the order of the file, for merging and scans; a damaged one is an error in its
    /// place.
    #[must_use]
    pub const fn iter(&self) -> Records<'_> {
        Records {
            segment: self,
            next: 0,
        }
    }

    /// The column of signatures and the template for CertIDs with this hash.
    #[must_use]
    pub fn template(&self, algorithm: HashAlgorithm) -> Option<(usize, &Template)> {
        let mut columns = self.templates.iter().enumerate();
        columns.find(|(_, template)| template.hash_algorithm() == algorithm)
    }

    /// All templates, in the order of the columns.
    #[must_use]
    pub fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// The digest that names the file.
    #[must_use]
    pub const fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Where the file lies, or lay before it was retired.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The length of the file in octets.
    #[must_use]
    pub const fn file_len(&self) -> u64 {
        self.layout.file_len
    }

    /// The random octets that tell this file from every other, also from one of the same content.
    #[must_use]
    pub const fn file_id(&self) -> &[u8; 16] {
        &self.header.file_id
    }

    /// The issuer of all serials in it.
    #[must_use]
    pub const fn issuer(&self) -> &IssuerId {
        &self.header.issuer
    }

    /// SHA-256 of the signer's certificate; zeros when nothing in it is signed.
    #[must_use]
    pub const fn signer(&self) -> &[u8; 32] {
        &self.header.signer
    }

    /// How its signatures were made.
    #[must_use]
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.header.algorithm
    }

    /// Base or patch.
    #[must_use]
    pub const fn kind(&self) -> SegmentKind {
        self.header.kind
    }

    /// How many bits of the serial's hash choose the shard.
    #[must_use]
    pub const fn depth(&self) -> u8 {
        self.header.depth
    }

    /// The value of these bits.
    #[must_use]
    pub const fn shard(&self) -> u32 {
        self.header.shard
    }

    /// Whether a serial with this hash belongs to the segment's shard.
    #[must_use]
    pub fn covers(&self, hash: SerialHash) -> bool {
        hash.shard(self.header.depth.into()) == u64::from(self.header.shard)
    }

    /// The last ledger sequence that its statuses include.
    #[must_use]
    pub const fn as_of(&self) -> u64 {
        self.header.as_of
    }

    /// When its statuses were known.
    #[must_use]
    pub const fn snapshot_time(&self) -> UnixTime {
        self.header.snapshot_time
    }

    /// When its planner wants it replaced.
    #[must_use]
    pub const fn next_sign(&self) -> UnixTime {
        self.header.next_sign
    }

    /// How many records it has.
    #[must_use]
    pub const fn record_count(&self) -> u32 {
        self.header.record_count
    }

    fn bucket(&self, number: u32) -> Option<Bucket<'_>> {
        let at = index(number).checked_mul(BUCKET_LEN)?;
        let at = short(self.layout.index_at).checked_add(at)?;
        let line = self.map.get(at..)?.first_chunk()?;
        Bucket::decode(line, self.seeds.bucket, number)
    }

    /// `None` when the record, or its side entry, is damaged.
    fn record(&self, number: u32) -> Option<Record<'_>> {
        if number >= self.header.record_count {
            return None;
        }
        let at = index(number).checked_mul(self.layout.stride)?;
        let at = short(self.layout.records_at).checked_add(at)?;
        let octets = self.map.get(at..)?.get(..self.layout.stride)?;
        let parts = Parts::decode(octets, &self.layout, self.seeds.record, number)?;
        let side = if parts.has_side {
            Some(self.single_extensions(number)?)
        } else {
            None
        };
        Some(parts.with_side(side))
    }

    fn single_extensions(&self, record: u32) -> Option<&[u8]> {
        let table = short(self.layout.side_at)..short(self.layout.side_end);
        let entries_len = short(self.layout.side_entries_len);
        let (entries, blobs) = self.map.get(table)?.split_at_checked(entries_len)?;
        side::find(entries, blobs, self.seeds.side, record)
    }
}

/// Records in the order of the file.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    segment: &'a Segment,
    next: u32,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.next;
        if number >= self.segment.record_count() {
            return None;
        }
        self.next = number.saturating_add(1);
        Some(self.segment.record(number).ok_or(Damage::Record(number)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = index(self.segment.record_count().saturating_sub(self.next));
        (left, Some(left))
    }
}

impl ExactSizeIterator for Records<'_> {}

impl<'a> IntoIterator for &'a Segment {
    type Item = Result<Record<'a>, Damage>;
    type IntoIter = Records<'a>;

    fn into_iter(self) -> Records<'a> {
        self.iter()
    }
}

fn read_header(file: &File, path: &Path, len: u64) -> Result<Header, SegmentError> {
    let mut octets = [0; HEADER_LEN];
    if len < long(HEADER_LEN) {
        return Err(SegmentError::Damaged {
            path: path.to_owned(),
            damage: Damage::Length,
        });
    }
    disk::read_at(file, path, &mut octets, 0)?;
    let header = Header::decode(&octets).map_err(|source| SegmentError::Header {
        path: path.to_owned(),
        source,
    })?;
    if header.layout().file_len != len {
        return Err(SegmentError::Damaged {
            path: path.to_owned(),
            damage: Damage::Length,
        });
    }
    Ok(header)
}

fn read_templates(
    file: &File,
    path: &Path,
    header: &Header,
) -> Result<Vec<Template>, SegmentError> {
    let mut octets = vec![0; index(header.templates_len)];
    disk::read_at(file, path, &mut octets, long(HEADER_LEN))?;
    let seed = Seeds::new(&header.file_id).template;
    templates::decode(&octets, header, seed).map_err(|refused| {
        let path = path.to_owned();
        match refused {
            templates::Refused::Damaged(damage) => SegmentError::Damaged { path, damage },
            templates::Refused::Template(column, source) => SegmentError::Template {
                path,
                column,
                source,
            },
        }
    })
}
