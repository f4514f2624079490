//! The entries of a CRL in the order of their serial numbers, whatever their number.
//!
//! The ledger has revoked certificates in the order of their hashes. They are sorted in runs that fit
//! into memory, each written to a file that has no name, and merged when they are read.
//!
//! ```text
//! record   4  shard, 0 where there are none
//!          1  octets of the serial number
//!         20  serial number, zeros behind it
//!          5  revocationDate, seconds since 1970
//!          1  reasonCode, 0 for none
//!          5  invalidityDate, all ones for none
//! ```
//!
//! The first 25 octets sort by shard, and within one as positive numbers do.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::{File, OpenOptions},
    hash::{BuildHasher as _, RandomState},
    io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use siphasher::sip128::SipHasher13;

use crate::{
    asn1::{CrlReason, UnixTime},
    crl::writer::{EntryReason, Listing, RevokedEntry},
    identity::SerialNumber,
};

const RECORD_OCTETS: usize = 4 + 1 + SerialNumber::OCTETS_MAX + 5 + 1 + 5;

/// A record as integers, most significant first: they compare as the octets do, and in a few
/// instructions.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
struct Record([u64; 4], u32);

impl Record {
    fn from_octets(octets: &[u8; RECORD_OCTETS]) -> Self {
        let mut record = Self::default();
        let (words, last) = octets.as_chunks::<8>();
        for (word, octets) in record.0.iter_mut().zip(words) {
            *word = u64::from_be_bytes(*octets);
        }
        record.1 = last
            .first_chunk()
            .map_or(0, |last| u32::from_be_bytes(*last));
        record
    }

    fn to_octets(self) -> [u8; RECORD_OCTETS] {
        let mut octets = [0; RECORD_OCTETS];
        let (words, last) = octets.as_chunks_mut::<8>();
        for (place, word) in words.iter_mut().zip(self.0) {
            *place = word.to_be_bytes();
        }
        last.copy_from_slice(&self.1.to_be_bytes());
        octets
    }
}

/// How many records are sorted at once: 5 MiB.
const RUN_RECORDS: usize = 1 << 17;
/// How much of each run is read at once: a hundred million entries have 763 runs.
const RUN_BUFFER_OCTETS: usize = 16 << 10;
/// What stands for no invalidityDate: no time reaches it.
const NO_DATE: [u8; 5] = [0xff; 5];

/// Entries, collected.
#[derive(Debug)]
pub(super) struct SortedEntries {
    file: File,
    /// How many records each run has; all but the last have [`RUN_RECORDS`].
    runs: Vec<usize>,
    /// One for each shard.
    listings: Vec<Listing>,
    sums: Vec<Sum>,
    hasher: EntryHasher,
}

/// What entries come to, in whatever order: the sum of their hashes. Two lists that are not the same
/// have the same sum with a probability of 2⁻¹²⁸.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Sum(u128);

impl Sum {
    /// With another entry.
    pub(super) fn add(&mut self, hasher: &EntryHasher, entry: &RevokedEntry) {
        self.add_octets(hasher, &pack(0, entry));
    }

    fn add_octets(&mut self, hasher: &EntryHasher, octets: &[u8; RECORD_OCTETS]) {
        // Without the shard.
        let hash = hasher.0.hash(octets.get(4..).unwrap_or_default());
        self.0 = self.0.wrapping_add(hash.as_u128());
    }
}

/// Hashes entries under a key that nobody knows.
#[derive(Clone, Debug)]
pub(super) struct EntryHasher(SipHasher13);

impl EntryHasher {
    fn new() -> Self {
        let random = RandomState::new();
        let key = |which: u8| random.hash_one(which);
        Self(SipHasher13::new_with_keys(key(0), key(1)))
    }
}

impl SortedEntries {
    /// Collects entries of `shards` shards, each with its own, for which a file in `folder` is used that
    /// has no name.
    ///
    /// # Errors
    /// What the entries give, or the file.
    pub(super) fn collect<E: From<io::Error>>(
        folder: &Path,
        shards: u32,
        entries: impl Iterator<Item = Result<(u32, RevokedEntry), E>>,
    ) -> Result<Self, E> {
        let mut out = BufWriter::new(nameless(folder)?);
        let mut runs = Vec::new();
        let shards = usize::try_from(shards).unwrap_or(usize::MAX);
        let mut listings = vec![Listing::default(); shards];
        let mut sums = vec![Sum::default(); shards];
        let hasher = EntryHasher::new();
        let mut run: Vec<Record> = Vec::new();
        let mut end = |run: &mut Vec<Record>| -> io::Result<()> {
            run.sort_unstable();
            runs.push(run.len());
            let mut records = run.iter();
            let written = records.try_for_each(|record| out.write_all(&record.to_octets()));
            run.clear();
            written
        };
        for entry in entries {
            let (shard, entry) = entry?;
            let place = usize::try_from(shard).unwrap_or(usize::MAX);
            let (Some(listing), Some(sum)) = (listings.get_mut(place), sums.get_mut(place)) else {
                return Err(io::Error::other(format!("there is no shard {shard}")).into());
            };
            listing.add(&entry);
            let record = pack(shard, &entry);
            sum.add_octets(&hasher, &record);
            run.push(Record::from_octets(&record));
            if run.len() == RUN_RECORDS {
                end(&mut run)?;
            }
        }
        if !run.is_empty() {
            end(&mut run)?;
        }
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Self {
            file,
            runs,
            listings,
            sums,
            hasher,
        })
    }

    /// How many entries each shard has, and how many octets they take in its CRL.
    #[must_use]
    pub(super) fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// What the entries of each shard come to.
    pub(super) fn sums(&self) -> &[Sum] {
        &self.sums
    }

    /// What the sums were made with.
    pub(super) const fn hasher(&self) -> &EntryHasher {
        &self.hasher
    }

    /// The entries in order, each with its shard.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn iter(&self) -> io::Result<Merge<'_>> {
        let mut merge = Merge {
            runs: Vec::with_capacity(self.runs.len()),
            heads: BinaryHeap::with_capacity(self.runs.len()),
        };
        let mut start = 0_u64;
        for (index, records) in self.runs.iter().enumerate() {
            let octets = records.saturating_mul(RECORD_OCTETS);
            let octets = u64::try_from(octets).unwrap_or(u64::MAX);
            let end = start.saturating_add(octets);
            let part = Part {
                file: &self.file,
                at: start,
                end,
            };
            let mut run = BufReader::with_capacity(RUN_BUFFER_OCTETS, part);
            if let Some(head) = next(&mut run)? {
                merge.heads.push(Reverse((head, index)));
            }
            merge.runs.push(run);
            start = end;
        }
        Ok(merge)
    }
}

/// Sorted runs, read as one.
#[derive(Debug)]
pub(super) struct Merge<'a> {
    runs: Vec<BufReader<Part<'a>>>,
    /// The next record of each run, the least on top.
    heads: BinaryHeap<Reverse<(Record, usize)>>,
}

impl Iterator for Merge<'_> {
    type Item = io::Result<(u32, RevokedEntry)>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut top = self.heads.peek_mut()?;
        let Reverse((record, index)) = *top;
        let following = match self.runs.get_mut(index).map(next) {
            Some(Ok(following)) => following,
            Some(Err(error)) => return Some(Err(error)),
            None => None,
        };
        match following {
            Some(following) => top.0.0 = following,
            None => {
                std::collections::binary_heap::PeekMut::pop(top);
            }
        }
        Some(unpack(&record.to_octets()).ok_or_else(|| io::ErrorKind::InvalidData.into()))
    }
}

/// A part of the file, read without moving its position.
#[derive(Debug)]
struct Part<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let Some(place) = buffer.get_mut(..wanted) else {
            return Ok(0);
        };
        let read = self.file.read_at(place, self.at)?;
        self.at = self.at.saturating_add(u64::try_from(read).unwrap_or(0));
        Ok(read)
    }
}

/// The next record of a run; `None` at its end.
fn next(run: &mut impl Read) -> io::Result<Option<Record>> {
    let mut octets = [0; RECORD_OCTETS];
    match run.read_exact(&mut octets) {
        Ok(()) => Ok(Some(Record::from_octets(&octets))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn pack(shard: u32, entry: &RevokedEntry) -> [u8; RECORD_OCTETS] {
    let reason = match entry.reason {
        EntryReason::Unspecified => 0,
        EntryReason::Reason(reason) => reason.code(),
        EntryReason::RemoveFromCrl => REMOVE_FROM_CRL,
    };
    let len = u8::try_from(entry.serial.as_bytes().len()).unwrap_or(u8::MAX);
    let mut record = [0; RECORD_OCTETS];
    let mut rest = &mut record[..];
    let mut put = |octets: &[u8]| {
        if let Some((place, after)) = std::mem::take(&mut rest).split_at_mut_checked(octets.len()) {
            place.copy_from_slice(octets);
            rest = after;
        }
    };
    put(&shard.to_be_bytes());
    put(&[len]);
    put(entry.serial.padded());
    put(&secs(entry.revocation_date));
    put(&[reason]);
    put(&entry.invalidity_date.map_or(NO_DATE, secs));
    record
}

fn unpack(record: &[u8; RECORD_OCTETS]) -> Option<(u32, RevokedEntry)> {
    let (shard, rest) = record.split_first_chunk()?;
    let (len, rest) = rest.split_first()?;
    let (serial, rest) = rest.split_at_checked(SerialNumber::OCTETS_MAX)?;
    let (date, rest) = rest.split_first_chunk()?;
    let (reason, invalidity_date) = rest.split_first()?;
    let invalidity_date = match <[u8; 5]>::try_from(invalidity_date).ok()? {
        NO_DATE => None,
        date => Some(unix(date)?),
    };
    let entry = RevokedEntry {
        serial: SerialNumber::from_content(serial.get(..usize::from(*len))?).ok()?,
        revocation_date: unix(*date)?,
        reason: match *reason {
            0 => EntryReason::Unspecified,
            REMOVE_FROM_CRL => EntryReason::RemoveFromCrl,
            code => EntryReason::Reason(CrlReason::from_code(code)?),
        },
        invalidity_date,
    };
    Some((u32::from_be_bytes(*shard), entry))
}

const REMOVE_FROM_CRL: u8 = 8;

fn secs(time: UnixTime) -> [u8; 5] {
    let [_, _, _, octets @ ..] = time.as_secs().to_be_bytes();
    octets
}

fn unix([a, b, c, d, e]: [u8; 5]) -> Option<UnixTime> {
    UnixTime::from_secs(u64::from_be_bytes([0, 0, 0, a, b, c, d, e]))
}

/// A file that only this process has, and that is gone when it is closed.
fn nameless(folder: &Path) -> io::Result<File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Relaxed);
    let path = folder.join(format!("{}-sorting-{number}.tmp", std::process::id()));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let mut file = match options.open(&path) {
        // Left by a process of the same number that was killed between two steps.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(&path)?;
            options.open(&path)?
        }
        opened => opened?,
    };
    std::fs::remove_file(&path)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::crl::writer::order;

    #[derive(Debug)]
    struct Failed;

    impl From<io::Error> for Failed {
        fn from(_: io::Error) -> Self {
            Self
        }
    }

    impl From<Infallible> for Failed {
        fn from(never: Infallible) -> Self {
            match never {}
        }
    }

    fn entry(number: u64) -> RevokedEntry {
        let octets = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let skip = usize::try_from(number % 7).unwrap();
        let mut content = octets[skip..].to_vec();
        content.insert(0, 1);
        RevokedEntry {
            serial: SerialNumber::from_content(&content).unwrap(),
            revocation_date: UnixTime::from_secs(number).unwrap(),
            reason: match number % 3 {
                0 => EntryReason::Unspecified,
                1 => EntryReason::Reason(CrlReason::AaCompromise),
                _ => EntryReason::RemoveFromCrl,
            },
            invalidity_date: number
                .is_multiple_of(5)
                .then(|| UnixTime::from_secs(number * 2).unwrap()),
        }
    }

    #[test]
    fn entries_come_back_in_order_from_several_runs() {
        let folder = tempfile::tempdir().unwrap();
        let count = u64::try_from(RUN_RECORDS).unwrap() * 2 + 17;
        let shard = |number: u64| u32::try_from(number % 3).unwrap();
        let entries = (0..count).map(|number| Ok::<_, Failed>((shard(number), entry(number))));
        let sorted = SortedEntries::collect(folder.path(), 3, entries).unwrap();
        assert_eq!(sorted.runs.len(), 3);
        let counts = sorted.listings().iter().map(Listing::count);
        assert_eq!(counts.sum::<u64>(), count);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut expected: Vec<(u32, RevokedEntry)> = (0..count)
            .map(|number| (shard(number), entry(number)))
            .collect();
        expected.sort_by(|a, b| (a.0, order(&a.1.serial)).cmp(&(b.0, order(&b.1.serial))));
        for _ in 0..2 {
            let found: Vec<(u32, RevokedEntry)> =
                sorted.iter().unwrap().map(Result::unwrap).collect();
            assert!(found == expected);
        }
    }

    #[test]
    fn none_are_none_and_failures_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let none = std::iter::empty::<Result<(u32, RevokedEntry), Failed>>();
        let sorted = SortedEntries::collect(folder.path(), 1, none).unwrap();
        assert!(sorted.iter().unwrap().next().is_none());
        let failing = [Ok((0, entry(1))), Err(Failed)].into_iter();
        assert!(SortedEntries::collect(folder.path(), 1, failing).is_err());
        let nowhere = folder.path().join("nowhere");
        let none = std::iter::empty::<Result<(u32, RevokedEntry), Failed>>();
        assert!(SortedEntries::collect(&nowhere, 1, none).is_err());
        let stray = std::iter::once(Ok::<_, Failed>((1, entry(1))));
        assert!(SortedEntries::collect(folder.path(), 1, stray).is_err());
    }
}
