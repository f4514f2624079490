//! What clients were shown: the revocations that became visible since the segments were signed.
//!
//! A mask touches no disk, for it follows from the ledger. Should the ledger be lost, the segments tell
//! what was revoked when they were signed, and this file what came after: so a backup can be restored
//! without taking back a revocation that clients have seen. It lies with the answers, not in the ledger's
//! folder, and is written before a change becomes visible, but not synced each time: killing the process
//! loses nothing, a power cut perhaps the last seconds (which the ledger has, unless it is lost too).
//!
//! Append-only, `revocations.shown`, big-endian, records of 96 octets; the first one is the file's head:
//!
//! ```text
//! head     8  magic "ESTLMSHN"
//!          2  version, 1
//!         82  zeros
//!          4  CRC-32C of the 92 octets before
//!
//! record  32  issuer id
//!          1  serial length, 0 for all certificates of the issuer
//!         20  serial content octets, zeros behind
//!          8  sequence of the ledger's entry
//!          8  recorded time, milliseconds since 1970
//!          1  flags: 0x01 revoked or on hold, else its hold has ended; 0x02 invalidityDate
//!          8  revocationTime as claimed, seconds since 1970, 0 unless revoked
//!          1  reasonCode, 0 for none
//!          8  invalidityDate, 0 unless flagged
//!          5  zeros
//!          4  CRC-32C of the 92 octets before
//! ```
//!
//! A reader passes over a record whose checksum does not hold or that says what cannot be, and counts it;
//! it refuses a file without the head. Records that a segment has taken in leave when a shard was signed
//! ([`ShownJournal::prune`]).

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::asn1::{CrlReason, UnixTime};
use crate::change::RevocationClaim;
use crate::identity::{IssuerId, SerialNumber};
use crate::octets::Octets;
use crate::segment::disk::{self, DiskError};

/// One thing that clients were shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shown {
    /// Whose certificate.
    pub issuer: IssuerId,
    /// Which one; `None` for all of the issuer's.
    pub serial: Option<SerialNumber>,
    /// The number of the ledger's entry.
    pub sequence: u64,
    /// When that was recorded, in milliseconds since 1970.
    pub recorded_ms: u64,
    /// The revocation or hold; `None` where a hold has ended.
    pub revocation: Option<RevocationClaim>,
}

/// The open file of what was shown.
#[derive(Debug)]
pub struct ShownJournal {
    path: PathBuf,
    file: Mutex<Journal>,
}

#[derive(Debug)]
struct Journal {
    /// `None` after a failed write, until the file was written anew.
    file: Option<File>,
    /// The highest sequence in it when it was opened.
    known_up_to: u64,
    records: u64,
    /// Below this many it is not worth a look.
    prune_at: u64,
}

impl Shown {
    /// The revocation of all certificates of an issuer, if it is that.
    #[must_use]
    pub fn claim(&self) -> Option<RevocationClaim> {
        self.revocation.filter(|_| self.serial.is_none())
    }
}

impl ShownJournal {
    /// Opens the file in the catalog's folder, or begins it. One that cannot be read is begun anew, and
    /// kept beside; damaged records leave.
    ///
    /// # Errors
    /// A disk that refuses.
    pub fn open(folder: &Path) -> Result<Self, DiskError> {
        let path = folder.join(NAME);
        let (mut known_up_to, mut records) = (0, 0_u64);
        match read(folder)? {
            Found::Nothing => disk::replace(folder, NAME, TEMPORARY, &head())?,
            Found::Unreadable => {
                let aside = folder.join(DAMAGED);
                disk::rename(&path, &aside)?;
                tracing::error!(
                    kept = %aside.display(),
                    "the file of what clients were shown is damaged and begun anew: until all shards \
                     are signed again, it would lack something if the ledger were lost"
                );
                disk::replace(folder, NAME, TEMPORARY, &head())?;
            }
            Found::Records(mut rows) => {
                let mut is_whole = true;
                for row in rows.by_ref() {
                    is_whole &= row.is_some();
                    let Some(shown) = row else { continue };
                    records = records.saturating_add(1);
                    // What came after the first damage is noted again: one of them may be missing.
                    if is_whole {
                        known_up_to = known_up_to.max(shown.sequence);
                    }
                }
                if rows.damaged() > 0 {
                    mend(folder, rows.is_cut_off)?;
                }
            }
        }
        let journal = Journal {
            file: Some(append_to(&path)?),
            known_up_to,
            records,
            prune_at: PRUNED_FROM.max(records.saturating_mul(2)),
        };
        Ok(Self {
            path,
            file: Mutex::new(journal),
        })
    }

    /// Notes what is about to be visible. A disk that refuses is told once, and stops nothing: the ledger
    /// has it.
    pub fn note(&self, shown: impl Iterator<Item = Shown>) {
        let mut journal = self.lock();
        let mut octets = Vec::new();
        let mut count = 0_u64;
        for shown in shown {
            if shown.sequence > journal.known_up_to {
                octets.extend_from_slice(&encode(&shown));
                count = count.saturating_add(1);
            }
        }
        let Some(file) = journal.file.as_mut().filter(|_| count > 0) else {
            return;
        };
        match file.write_all(&octets) {
            Ok(()) => journal.records = journal.records.saturating_add(count),
            Err(error) => {
                journal.file = None;
                tracing::error!(
                    path = %self.path.display(), %error,
                    "what clients are shown cannot be noted beside the ledger: until all shards are \
                     signed again, it would be missing if the ledger were lost"
                );
            }
        }
    }

    /// Lets records go that `is_signed` says a segment has taken in, if there are many.
    ///
    /// # Errors
    /// A disk that refuses; then nothing has gone.
    pub fn prune(&self, is_signed: impl Fn(&Shown) -> bool) -> Result<(), DiskError> {
        let mut journal = self.lock();
        if journal.file.is_some() && journal.records < journal.prune_at {
            return Ok(());
        }
        let Some(folder) = self.path.parent() else {
            return Ok(());
        };
        let mut kept = head().to_vec();
        let mut records = 0_u64;
        if let Found::Records(rows) = read(folder)? {
            for shown in rows.flatten().filter(|shown| !is_signed(shown)) {
                kept.extend_from_slice(&encode(&shown));
                records = records.saturating_add(1);
            }
        }
        disk::replace(folder, NAME, TEMPORARY, &kept)?;
        journal.file = Some(append_to(&self.path)?);
        journal.records = records;
        journal.prune_at = PRUNED_FROM.max(records.saturating_mul(2));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Journal> {
        // A panic leaves at worst a record cut short, which readers pass over.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What lies in a catalog's folder.
#[derive(Debug)]
pub enum Found {
    /// No such file.
    Nothing,
    /// A file without our head.
    Unreadable,
    /// Its records.
    Records(ShownRows),
}

/// Reads what clients were shown, from a catalog's folder that nobody has to have open.
///
/// # Errors
/// A disk that refuses.
pub fn read(folder: &Path) -> Result<Found, DiskError> {
    let path = folder.join(NAME);
    if !path.exists() {
        return Ok(Found::Nothing);
    }
    let mut reader = BufReader::with_capacity(READ_OCTETS, disk::open(&path)?);
    let mut first = [0; RECORD_OCTETS];
    if reader.read_exact(&mut first).is_err() || first != head() {
        return Ok(Found::Unreadable);
    }
    Ok(Found::Records(ShownRows {
        reader,
        damaged: 0,
        is_cut_off: false,
    }))
}

/// The records of a file, in the order in which they were written.
#[derive(Debug)]
pub struct ShownRows {
    reader: BufReader<File>,
    damaged: u64,
    /// Whether the disk did not give all of it.
    is_cut_off: bool,
}

impl ShownRows {
    /// How many records were passed over so far: the torn end that a crash leaves counts as one.
    #[must_use]
    pub const fn damaged(&self) -> u64 {
        self.damaged
    }
}

/// An item is `None` for a record that was passed over.
impl Iterator for ShownRows {
    type Item = Option<Shown>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut octets = [0; RECORD_OCTETS];
        let mut filled = 0;
        while let Some(rest) = octets.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest) {
                Ok(0) if filled == 0 => return None,
                Ok(count) if count > 0 => filled = filled.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Cut short, or a disk that does not give it.
                ended @ (Ok(_) | Err(_)) => {
                    self.is_cut_off = ended.is_err();
                    self.damaged = self.damaged.saturating_add(1);
                    return None;
                }
            }
        }
        let shown = decode(&octets);
        if shown.is_none() {
            self.damaged = self.damaged.saturating_add(1);
        }
        Some(shown)
    }
}

/// Writes the records anew that can be read: behind a torn one, those that are appended would not begin
/// where a reader expects them. A file that the disk does not give to its end is kept beside.
fn mend(folder: &Path, is_cut_off: bool) -> Result<(), DiskError> {
    let mut kept = head().to_vec();
    if let Found::Records(rows) = read(folder)? {
        for shown in rows.flatten() {
            kept.extend_from_slice(&encode(&shown));
        }
    }
    if is_cut_off {
        disk::rename(&folder.join(NAME), &folder.join(DAMAGED))?;
    }
    tracing::warn!(
        path = %folder.join(NAME).display(),
        "the file of what clients were shown was damaged, as a crash may leave it; the records that can \
         be read are kept, and what may be missing is noted again from the ledger"
    );
    disk::replace(folder, NAME, TEMPORARY, &kept)
}

fn append_to(path: &Path) -> Result<File, DiskError> {
    OpenOptions::new()
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| DiskError {
            action: "open",
            path: path.to_owned(),
            source,
        })
}

fn head() -> [u8; RECORD_OCTETS] {
    sealed(&[&MAGIC[..], &VERSION.to_be_bytes()].concat())
}

/// The octets, zeros up to the checksum, and the checksum.
fn sealed(octets: &[u8]) -> [u8; RECORD_OCTETS] {
    let mut record = [0; RECORD_OCTETS];
    for (place, octet) in record.iter_mut().zip(octets) {
        *place = *octet;
    }
    if let Some((body, checksum)) = record.split_last_chunk_mut::<4>() {
        *checksum = crc32c::crc32c(body).to_be_bytes();
    }
    record
}

fn encode(shown: &Shown) -> [u8; RECORD_OCTETS] {
    let serial = shown
        .serial
        .as_ref()
        .map_or(&[][..], SerialNumber::as_bytes);
    let mut octets = Vec::with_capacity(RECORD_OCTETS);
    octets.extend_from_slice(shown.issuer.as_bytes());
    octets.push(u8::try_from(serial.len()).unwrap_or(0));
    octets.extend_from_slice(serial);
    octets.resize(32 + 1 + SerialNumber::OCTETS_MAX, 0);
    octets.extend_from_slice(&shown.sequence.to_be_bytes());
    octets.extend_from_slice(&shown.recorded_ms.to_be_bytes());
    let claim = shown.revocation;
    let invalidity = claim.and_then(|claim| claim.invalidity_date);
    let flag = |set, flag| if set { flag } else { 0 };
    octets.push(flag(claim.is_some(), REVOKED) | flag(invalidity.is_some(), INVALIDITY_DATE));
    let time = claim.map_or(0, |claim| claim.revocation_time.as_secs());
    octets.extend_from_slice(&time.to_be_bytes());
    let reason = claim.and_then(|claim| claim.reason);
    octets.push(reason.map_or(0, CrlReason::code));
    octets.extend_from_slice(&invalidity.map_or(0, UnixTime::as_secs).to_be_bytes());
    sealed(&octets)
}

fn decode(record: &[u8; RECORD_OCTETS]) -> Option<Shown> {
    let (body, checksum) = record.split_last_chunk::<4>()?;
    if crc32c::crc32c(body) != u32::from_be_bytes(*checksum) {
        return None;
    }
    let mut octets = Octets::new(body);
    let issuer = IssuerId::from_bytes(octets.array()?);
    let len = usize::from(octets.u8()?);
    let padded: [u8; SerialNumber::OCTETS_MAX] = octets.array()?;
    let serial = match padded.get(..len)? {
        [] => None,
        content => Some(SerialNumber::from_content(content).ok()?),
    };
    let (sequence, recorded_ms) = (octets.u64()?, octets.u64()?);
    let flags = octets.u8()?;
    let revocation_time = UnixTime::from_secs(octets.u64()?)?;
    let reason = match octets.u8()? {
        0 => None,
        code => Some(CrlReason::from_code(code)?),
    };
    let invalidity_date = UnixTime::from_secs(octets.u64()?)?;
    Some(Shown {
        issuer,
        serial,
        sequence,
        recorded_ms,
        revocation: (flags & REVOKED != 0).then_some(RevocationClaim {
            revocation_time,
            reason,
            invalidity_date: (flags & INVALIDITY_DATE != 0).then_some(invalidity_date),
        }),
    })
}

const NAME: &str = "revocations.shown";
const TEMPORARY: &str = "revocations.shown.tmp";
const DAMAGED: &str = "revocations.shown.damaged";
const MAGIC: [u8; 8] = *b"ESTLMSHN";
const VERSION: u16 = 1;
const RECORD_OCTETS: usize = 96;
const REVOKED: u8 = 0x01;
const INVALIDITY_DATE: u8 = 0x02;
/// 400 KiB.
const PRUNED_FROM: u64 = 4_096;
const READ_OCTETS: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(number: u8, sequence: u64, claim: Option<RevocationClaim>) -> Shown {
        Shown {
            issuer: IssuerId::from_bytes([7; 32]),
            serial: (number > 0).then(|| SerialNumber::from_content(&[number]).unwrap()),
            sequence,
            recorded_ms: 1_790_000_000_123,
            revocation: claim,
        }
    }

    fn claim(reason: Option<CrlReason>, invalidity_date: Option<u64>) -> RevocationClaim {
        let at = |secs| UnixTime::from_secs(secs).unwrap();
        RevocationClaim {
            revocation_time: at(1_790_000_000),
            reason,
            invalidity_date: invalidity_date.map(at),
        }
    }

    fn all(folder: &Path) -> Vec<Option<Shown>> {
        match read(folder).unwrap() {
            Found::Records(rows) => rows.collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_noted_is_read_also_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(folder.path()).unwrap(), Found::Nothing));
        let said = [
            shown(1, 5, Some(claim(Some(CrlReason::KeyCompromise), Some(9)))),
            shown(2, 6, Some(claim(None, None))),
            shown(2, 7, None),
            shown(0, 8, Some(claim(Some(CrlReason::CaCompromise), None))),
        ];
        let journal = ShownJournal::open(folder.path()).unwrap();
        journal.note(said.iter().copied().take(2));
        journal.note(said.iter().copied().skip(2));
        drop(journal);
        let expected: Vec<_> = said.into_iter().map(Some).collect();
        assert_eq!(all(folder.path()), expected);

        // A second start masks them again; they are here once.
        let journal = ShownJournal::open(folder.path()).unwrap();
        journal.note(said.into_iter());
        assert_eq!(all(folder.path()), expected);

        let path = folder.path().join(NAME);
        let whole = std::fs::read(&path).unwrap();
        for len in RECORD_OCTETS..whole.len() {
            std::fs::write(&path, &whole[..len]).unwrap();
            let count = len / RECORD_OCTETS - 1;
            assert_eq!(all(folder.path()), expected[..count]);
        }
        for at in RECORD_OCTETS..whole.len() {
            let mut octets = whole.clone();
            octets[at] ^= 0x10;
            std::fs::write(&path, octets).unwrap();
            let place = at / RECORD_OCTETS - 1;
            let read = all(folder.path());
            assert_eq!(read.len(), 4);
            for (index, row) in read.into_iter().enumerate() {
                assert_eq!(row, expected[index].filter(|_| index != place));
            }
        }
        std::fs::write(&path, b"something else").unwrap();
        assert!(matches!(read(folder.path()).unwrap(), Found::Unreadable));
        ShownJournal::open(folder.path()).unwrap();
        assert_eq!(all(folder.path()), []);
        assert!(folder.path().join(DAMAGED).exists());
    }

    #[test]
    fn after_a_torn_end_all_is_noted_that_comes() {
        let said: Vec<_> = (1..6)
            .map(|number| shown(number, u64::from(number), Some(claim(None, None))))
            .collect();
        let octets_of = |count: usize| RECORD_OCTETS * (count + 1);
        let (torn, flipped) = (octets_of(3) - 40, octets_of(1) + 7);
        for damage in [torn, flipped] {
            let folder = tempfile::tempdir().unwrap();
            let journal = ShownJournal::open(folder.path()).unwrap();
            journal.note(said.iter().copied().take(3));
            drop(journal);
            let path = folder.path().join(NAME);
            let mut octets = std::fs::read(&path).unwrap();
            match damage == torn {
                true => octets.truncate(damage),
                false => octets[damage] ^= 1,
            }
            std::fs::write(&path, octets).unwrap();

            // The start notes all that the ledger has again.
            let journal = ShownJournal::open(folder.path()).unwrap();
            journal.note(said.iter().copied().take(4));
            drop(journal);
            let journal = ShownJournal::open(folder.path()).unwrap();
            journal.note(said.iter().copied());
            drop(journal);
            let found = all(folder.path());
            for shown in &said {
                assert!(found.contains(&Some(*shown)), "{damage}: {found:?}");
            }
            assert!(found.iter().all(Option::is_some), "{damage}");
        }
    }

    #[test]
    fn what_segments_have_taken_in_goes_when_there_is_much() {
        let folder = tempfile::tempdir().unwrap();
        let journal = ShownJournal::open(folder.path()).unwrap();
        let some = |range: std::ops::Range<u64>| {
            range.map(|sequence| shown(1, sequence, Some(claim(None, None))))
        };
        journal.note(some(1..100));
        journal.prune(|_| true).unwrap();
        assert_eq!(all(folder.path()).len(), 99);
        journal.note(some(100..PRUNED_FROM + 1));
        journal.prune(|shown| shown.sequence < 4_000).unwrap();
        assert_eq!(all(folder.path()).len(), 97);
        journal.note(some(5_000..5_001));
        assert_eq!(all(folder.path()).len(), 98);
    }
}
