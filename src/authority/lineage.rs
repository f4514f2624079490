//! Whether the catalog was signed from this ledger.
//!
//! Segments say which ledger sequence they speak for, and masks at or below it are taken for known.
//! That holds for one history only. Over a ledger that was restored from a backup, or that belongs to
//! another installation, the same numbers are given to other changes, and a revocation could be
//! acknowledged that the old segments outrank. So the catalog's folder names the newest entry that its
//! segments speak for, by number and digest, and a ledger without that very entry is refused; unless it
//! says itself that it goes on after it: a restored backup begins an epoch above all numbers of the
//! catalog that was found, and names that entry (`ledger::EpochOpened`).
//!
//! `ledger.lineage` is one line: `estelam-lineage 1 SEQUENCE SHA-256`, the digest that of the entry's
//! canonical octets, in hexadecimal. It is replaced as a whole, before the segment is published.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::AuthorityError;
use crate::ledger::Ledger;
use crate::segment::{
    disk::{self, DiskError},
    names,
};

/// The catalog's memory of the ledger.
#[derive(Debug)]
pub(super) struct Lineage {
    folder: PathBuf,
    /// The newest sequence on the disk.
    newest: Mutex<u64>,
}

impl Lineage {
    /// Compares the catalog in `folder` with the ledger. `speaks` says whether any segment is there: a
    /// catalog without one contradicts no ledger.
    ///
    /// # Errors
    /// [`AuthorityError::OtherLedger`], [`AuthorityError::NoLineage`], or a disk that refuses.
    pub(super) fn open(
        folder: &Path,
        ledger: &Ledger,
        speaks: bool,
    ) -> Result<Self, AuthorityError> {
        let newest = match agreed(folder, ledger)? {
            Some(sequence) => sequence,
            None if speaks => {
                return Err(AuthorityError::NoLineage {
                    folder: folder.to_owned(),
                });
            }
            None => 0,
        };
        Ok(Self {
            folder: folder.to_owned(),
            newest: Mutex::new(newest),
        })
    }

    /// To be called before a segment as of `as_of` is published.
    ///
    /// # Errors
    /// When the ledger cannot be read or the disk refuses; nothing is to be published then.
    pub(super) fn record(&self, ledger: &Ledger, as_of: u64) -> Result<(), AuthorityError> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if as_of <= *newest {
            return Ok(());
        }
        if let Some(digest) = ledger.snapshot()?.entry_sha256(as_of)? {
            self.write(as_of, &digest).map_err(storage)?;
            *newest = as_of;
        }
        Ok(())
    }

    fn write(&self, sequence: u64, digest: &[u8; 32]) -> Result<(), DiskError> {
        let digest = names::hexadecimal(digest);
        let line = format!("{MAGIC} {VERSION} {sequence} {digest}\n");
        disk::replace(&self.folder, NAME, TEMPORARY, line.as_bytes())
    }
}

fn storage(error: DiskError) -> AuthorityError {
    AuthorityError::Catalog(error.into())
}

/// The newest entry that the segments in a catalog's folder speak for, if the ledger goes on after it.
/// `None` where nothing names one.
///
/// # Errors
/// [`AuthorityError::OtherLedger`], [`AuthorityError::NoLineage`] where what names it cannot be read, or a
/// disk that refuses.
pub(crate) fn agreed(folder: &Path, ledger: &Ledger) -> Result<Option<u64>, AuthorityError> {
    let path = folder.join(NAME);
    if !path.exists() {
        return Ok(None);
    }
    let known = disk::read(&path).map_err(storage)?;
    let (sequence, digest) = parse(&known).ok_or_else(|| AuthorityError::NoLineage {
        folder: folder.to_owned(),
    })?;
    if !ledger.snapshot()?.goes_on_after(sequence, &digest)? {
        return Err(AuthorityError::OtherLedger {
            folder: folder.to_owned(),
            sequence,
        });
    }
    Ok(Some(sequence))
}

/// What the catalog in a folder remembers: the newest entry that its segments speak for, by number and
/// SHA-256. `None` where there is nothing, or nothing that can be read.
///
/// # Errors
/// A disk that refuses.
pub(crate) fn remembered(folder: &Path) -> Result<Option<(u64, [u8; 32])>, DiskError> {
    let path = folder.join(NAME);
    match path.exists() {
        true => Ok(parse(&disk::read(&path)?)),
        false => Ok(None),
    }
}

fn parse(octets: &[u8]) -> Option<(u64, [u8; 32])> {
    let line = str::from_utf8(octets).ok()?.strip_suffix('\n')?;
    let mut words = line.split(' ');
    let start = (words.next(), words.next());
    let (sequence, digest, end) = (words.next()?, words.next()?, words.next());
    (start == (Some(MAGIC), Some(VERSION)) && end.is_none()).then_some(())?;
    Some((sequence.parse().ok()?, names::octets(digest)?))
}

const NAME: &str = "ledger.lineage";
const TEMPORARY: &str = "ledger.lineage.tmp";
const MAGIC: &str = "estelam-lineage";
const VERSION: &str = "1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Action, Change, Source};
    use crate::identity::SerialNumber;
    use crate::ledger::{Floor, IssuerIdentity};

    /// A ledger of an issuer and these certificates.
    fn ledger(folder: &Path, serials: &[&str]) -> Ledger {
        let ledger = Ledger::open(folder).unwrap();
        let source = Source::new("test", "").unwrap();
        let identity = IssuerIdentity {
            subject_der: vec![0x30, 0],
            spki_der: vec![0x30],
            label: "test".to_owned(),
        };
        let issuer = ledger.define_issuer(&identity, &source, NOW_MS).unwrap();
        for serial in serials {
            let change = Change {
                issuer: issuer.id,
                serial: SerialNumber::from_hex(serial).unwrap(),
                action: Action::Issue(crate::change::Inventory::default()),
            };
            ledger.commit(&[change], &source, NOW_MS).unwrap();
        }
        ledger
    }

    const NOW_MS: u64 = 1_790_000_000_500;

    #[test]
    fn a_ledger_that_goes_on_after_the_entry_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let first = ledger(&at("first"), &["01", "02", "03"]);
        let lineage = Lineage::open(folder.path(), &first, false).unwrap();
        lineage.record(&first, 4).unwrap();
        let answers = remembered(folder.path()).unwrap();
        assert_eq!(answers.unwrap().0, 4);

        let restored = ledger(&at("restored"), &["01"]);
        let open = || Lineage::open(folder.path(), &restored, true);
        let source = Source::new("restore", "").unwrap();
        let mut floor = Floor {
            sequence: 99,
            answers: None,
            why: String::new(),
        };
        restored.open_epoch(&floor, &source, NOW_MS).unwrap();
        assert!(matches!(open(), Err(AuthorityError::OtherLedger { .. })));
        floor.sequence = 199;
        floor.answers = answers;
        restored.open_epoch(&floor, &source, NOW_MS).unwrap();
        let lineage = open().unwrap();
        // From now on they speak for the epoch.
        lineage.record(&restored, 200).unwrap();
        assert_eq!(remembered(folder.path()).unwrap().unwrap().0, 200);
        assert!(matches!(
            Lineage::open(folder.path(), &first, true),
            Err(AuthorityError::OtherLedger { sequence: 200, .. })
        ));
        open().unwrap();
    }

    #[test]
    fn a_ledger_without_the_entry_that_segments_speak_for_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let open = |ledger: &Ledger, speaks| Lineage::open(folder.path(), ledger, speaks);
        let at = |name: &str| folder.path().join(name);
        let first = ledger(&at("first"), &["01", "02", "03"]);
        assert!(matches!(
            open(&first, true),
            Err(AuthorityError::NoLineage { .. })
        ));
        let lineage = open(&first, false).unwrap();
        lineage.record(&first, 3).unwrap();
        lineage.record(&first, 2).unwrap();
        assert_eq!(*open(&first, true).unwrap().newest.lock().unwrap(), 3);

        // Restored from before, and gone on from there; and one that only reached the same number.
        for (name, serials) in [("shorter", &["01"][..]), ("other", &["01", "09", "03"])] {
            let ledger = ledger(&at(name), serials);
            // Commands ask it before they write to the ledger.
            assert!(agreed(folder.path(), &ledger).is_err(), "{name}");
            assert!(
                matches!(
                    open(&ledger, true),
                    Err(AuthorityError::OtherLedger { sequence: 3, .. })
                ),
                "{name}"
            );
        }
        for damaged in ["", "estelam-lineage 1 3 00\n", "estelam-lineage 2 3"] {
            std::fs::write(at(NAME), damaged).unwrap();
            assert!(matches!(
                open(&first, true),
                Err(AuthorityError::NoLineage { .. })
            ));
        }
    }
}
