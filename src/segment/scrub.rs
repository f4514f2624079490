//! The check of every octet of a file, read with pread so that a bad sector is an error, not a signal.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use aws_lc_rs::digest;

use super::checksum::Seeds;
use super::disk;
use super::error::{Damage, SegmentError};
use super::format::{BUCKET_LEN, HEADER_LEN, Header, Layout, SIDE_ENTRY_LEN};
use super::index::Bucket;
use super::octets::{index, long, short};
use super::reader::Segment;
use super::record::Parts;
use super::side::SideEntry;
use super::templates;

/// Octets read at once, about.
const CHUNK: usize = 1 << 18;
/// How many damaged parts are named.
const NAMED_MAX: usize = 64;

/// What a scrub found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scrub {
    /// Every octet is as it was written.
    Intact,
    /// The file is not the one that its name says.
    Damaged {
        /// The digest of what lies there now.
        sha256: [u8; 32],
        /// The first 64 parts that are damaged; empty when the octets are in order among themselves,
        /// so that this is another file under this name.
        damage: Vec<Damage>,
    },
    /// The caller wanted to stop.
    Stopped,
}

impl Segment {
    /// Reads a whole file and compares its SHA-256; says which parts are damaged.
    ///
    /// Calls `keep_going` with the number of octets after each read of about 256 KiB; it may take its
    /// time to throttle the scrub, and ends it by returning false. Holds one chunk, the templates and
    /// the side table in memory.
    ///
    /// # Errors
    /// [`SegmentError::Disk`] when an octet cannot be read.
    pub fn scrub(
        path: &Path,
        sha256: &[u8; 32],
        keep_going: impl FnMut(usize) -> bool,
    ) -> Result<Scrub, SegmentError> {
        let file = disk::open(path)?;
        let Some(verified) = verify(&file, path, keep_going)? else {
            return Ok(Scrub::Stopped);
        };
        if verified.sha256 == *sha256 {
            return Ok(Scrub::Intact);
        }
        Ok(Scrub::Damaged {
            sha256: verified.sha256,
            damage: verified.damage,
        })
    }
}

pub(super) struct Verified {
    pub(super) sha256: [u8; 32],
    pub(super) damage: Vec<Damage>,
}

/// Reads a file once from its first octet to its last, for its digest and its checksums. `None` when
/// stopped.
pub(super) fn verify(
    file: &File,
    path: &Path,
    keep_going: impl FnMut(usize) -> bool,
) -> Result<Option<Verified>, SegmentError> {
    let len = disk::length(file, path)?;
    let mut pass = Pass {
        file,
        path,
        keep_going,
        at: 0,
        digest: digest::Context::new(&digest::SHA256),
        buffer: Vec::new(),
        damage: Vec::new(),
    };
    match pass.run(len) {
        Ok(()) => {}
        Err(Stop::Wanted) => return Ok(None),
        Err(Stop::Disk(error)) => return Err(error),
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(pass.digest.finish().as_ref());
    Ok(Some(Verified {
        sha256,
        damage: pass.damage,
    }))
}

enum Stop {
    Wanted,
    Disk(SegmentError),
}

struct Pass<'a, K> {
    file: &'a File,
    path: &'a Path,
    keep_going: K,
    at: u64,
    digest: digest::Context,
    buffer: Vec<u8>,
    damage: Vec<Damage>,
}

impl<K: FnMut(usize) -> bool> Pass<'_, K> {
    fn run(&mut self, len: u64) -> Result<(), Stop> {
        let header = self.header(len)?;
        if let Some(header) = header {
            let layout = header.layout();
            let seeds = Seeds::new(&header.file_id);
            self.templates(&header, &seeds)?;
            self.padding(layout.padding()[0].clone())?;
            self.records(&layout, &seeds)?;
            self.side(&header, &layout, &seeds)?;
            self.padding(layout.padding()[1].clone())?;
            self.buckets(&layout, &seeds)?;
        }
        // What no header explains still has a digest.
        while self.at < len {
            self.read(short(len.saturating_sub(self.at)).min(CHUNK))?;
        }
        Ok(())
    }

    fn header(&mut self, len: u64) -> Result<Option<Header>, Stop> {
        if len < long(HEADER_LEN) {
            self.found(Damage::Length);
            return Ok(None);
        }
        self.read(HEADER_LEN)?;
        let header = self.buffer.first_chunk().map(Header::decode);
        let Some(Ok(header)) = header else {
            self.found(Damage::Header);
            return Ok(None);
        };
        if header.layout().file_len != len {
            self.found(Damage::Length);
            return Ok(None);
        }
        Ok(Some(header))
    }

    fn templates(&mut self, header: &Header, seeds: &Seeds) -> Result<(), Stop> {
        self.read(index(header.templates_len))?;
        match templates::decode(&self.buffer, header, seeds.template) {
            Ok(_) => {}
            Err(templates::Refused::Damaged(damage)) => self.found(damage),
            Err(templates::Refused::Template(column, _)) => self.found(Damage::Template(column)),
        }
        Ok(())
    }

    fn records(&mut self, layout: &Layout, seeds: &Seeds) -> Result<(), Stop> {
        self.blocks(layout.side_at, layout.stride, |number, octets| {
            Parts::decode(octets, layout, seeds.record, number)
                .is_none()
                .then_some(Damage::Record(number))
        })
    }

    fn buckets(&mut self, layout: &Layout, seeds: &Seeds) -> Result<(), Stop> {
        self.blocks(layout.file_len, BUCKET_LEN, |number, octets| {
            let line = octets.first_chunk()?;
            Bucket::decode(line, seeds.bucket, number)
                .is_none()
                .then_some(Damage::Bucket(number))
        })
    }

    fn side(&mut self, header: &Header, layout: &Layout, seeds: &Seeds) -> Result<(), Stop> {
        self.read(index(header.side_len))?;
        let entries_len = short(layout.side_entries_len);
        let (entries, blobs) = self
            .buffer
            .split_at_checked(entries_len)
            .unwrap_or_default();
        let entries = entries.as_chunks::<SIDE_ENTRY_LEN>().0;
        let holds = |octets| {
            let entry = SideEntry::decode(octets)?;
            let blob = blobs.get(index(entry.offset)..)?;
            let blob = blob.get(..index(entry.len))?;
            entry.holds(seeds.side, blob).then_some(())
        };
        let damage: Vec<_> = (0..)
            .zip(entries)
            .filter(|(_, octets)| holds(octets).is_none())
            .map(|(number, _)| Damage::Side(number))
            .collect();
        damage.into_iter().for_each(|damage| self.found(damage));
        Ok(())
    }

    fn padding(&mut self, gap: Range<u64>) -> Result<(), Stop> {
        self.read(short(gap.end.saturating_sub(gap.start)))?;
        if self.buffer.iter().any(|octet| *octet != 0) {
            self.found(Damage::Padding);
        }
        Ok(())
    }

    /// Reads blocks of one length, numbered from 0, up to an offset.
    fn blocks(
        &mut self,
        end: u64,
        block_len: usize,
        check: impl Fn(u32, &[u8]) -> Option<Damage>,
    ) -> Result<(), Stop> {
        let chunk = CHUNK
            .checked_div(block_len)
            .unwrap_or(1)
            .max(1)
            .saturating_mul(block_len);
        let mut number = 0;
        while self.at < end {
            self.read(short(end.saturating_sub(self.at)).min(chunk))?;
            let buffer = std::mem::take(&mut self.buffer);
            for block in buffer.chunks(block_len) {
                if let Some(damage) = check(number, block) {
                    self.found(damage);
                }
                number = number.saturating_add(1);
            }
            self.buffer = buffer;
        }
        Ok(())
    }

    /// Fills the buffer with the next `len` octets.
    fn read(&mut self, len: usize) -> Result<(), Stop> {
        self.buffer.resize(len, 0);
        disk::read_at(self.file, self.path, &mut self.buffer, self.at)
            .map_err(|error| Stop::Disk(error.into()))?;
        self.digest.update(&self.buffer);
        self.at = self.at.saturating_add(long(len));
        if (self.keep_going)(len) {
            Ok(())
        } else {
            Err(Stop::Wanted)
        }
    }

    fn found(&mut self, damage: Damage) {
        if self.damage.len() < NAMED_MAX {
            self.damage.push(damage);
        }
    }
}
