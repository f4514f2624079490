//! What feeds remember over a restart, in the folder `feeds` of the state folder.
//!
//! | file | holds |
//! | --- | --- |
//! | `ISSUER.FEED.json` | what one feed remembers: a cursor, an `ETag`; ISSUER is the issuer's id in hexadecimal |
//! | `freshness.json` | of each feed with `stale_after`, when it was configured first and its last success |
//!
//! Both are JSON, replaced as a whole, and name the ledger's state at that time: its last sequence and the
//! digest of that entry. In a ledger that has not that entry (it was restored from a
//! backup) what is remembered is not true: cursors are forgotten, so that all is read again, and no
//! success is believed, so that nothing is good before each feed has succeeded. A file that is damaged
//! is treated alike. One that is missing is that of a new installation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::asn1::UnixTime;
use crate::feed::live::{FeedError, FeedErrorKind};
use crate::identity::IssuerId;
use crate::ledger::{Ledger, LedgerError};
use crate::segment::disk::{self, DiskError};
use crate::segment::names::hexadecimal;

/// The ledger at one moment.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LedgerMark {
    last_sequence: u64,
    /// SHA-256 of that entry's octets, in hexadecimal; empty for a ledger without entries.
    entry_sha256: String,
}

impl LedgerMark {
    /// Of the ledger now.
    pub(super) fn of(ledger: &Ledger) -> Result<Self, LedgerError> {
        let last_sequence = ledger.last_sequence()?;
        Ok(Self {
            last_sequence,
            entry_sha256: entry_sha256(ledger, last_sequence)?,
        })
    }

    /// Whether the ledger has all that it had then.
    fn is_in(&self, ledger: &Ledger) -> Result<bool, LedgerError> {
        Ok(self.last_sequence <= ledger.last_sequence()?
            && self.entry_sha256 == entry_sha256(ledger, self.last_sequence)?)
    }
}

fn entry_sha256(ledger: &Ledger, sequence: u64) -> Result<String, LedgerError> {
    let octets = ledger.snapshot()?.entry_octets(sequence)?;
    let hex = |octets: Vec<u8>| {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, &octets).as_ref());
        hexadecimal(&sha256)
    };
    Ok(octets.map(hex).unwrap_or_default())
}

/// What one feed remembers.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    format: u32,
    ledger: LedgerMark,
    text: String,
}

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    folder: PathBuf,
}

impl Memory {
    /// Creates the folder if it is not there.
    pub(super) fn open(folder: &Path) -> Result<Self, DiskError> {
        disk::create_folder(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// What a feed remembered last.
    pub(super) fn remembered(
        &self,
        issuer: &IssuerId,
        feed: &str,
        ledger: &Ledger,
    ) -> Result<Option<String>, FeedError> {
        let path = self.folder.join(name(issuer, feed));
        let Some(octets) = read(&path) else {
            return Ok(None);
        };
        let known = serde_json::from_slice::<Remembered>(&octets).ok();
        let known = known.filter(|known| known.format == FORMAT);
        let Some(known) = known else {
            tracing::warn!(
                file = %path.display(),
                "what the feed remembered is damaged: all of its source is read again"
            );
            return Ok(None);
        };
        if known.ledger.is_in(ledger).map_err(|error| failed(&error))? {
            return Ok(Some(known.text));
        }
        tracing::warn!(
            file = %path.display(),
            "the ledger is not the one that the feed wrote to, or an older state of it: all of its \
             source is read again"
        );
        Ok(None)
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps what a feed remembers.
    pub(super) fn remember(
        &self,
        issuer: &IssuerId,
        feed: &str,
        ledger: &Ledger,
        text: &str,
    ) -> Result<(), FeedError> {
        let known = Remembered {
            format: FORMAT,
            ledger: LedgerMark::of(ledger).map_err(|error| failed(&error))?,
            text: text.to_owned(),
        };
        self.replace(&name(issuer, feed), &known)
    }

    /// What was known of all feeds when the server stopped.
    pub(super) fn kept(&self, ledger: &Ledger, now: UnixTime) -> Result<Kept, LedgerError> {
        let Some(octets) = read(&self.folder.join(FRESHNESS)) else {
            return Ok(Kept::new(now));
        };
        let kept = serde_json::from_slice::<KeptFile>(&octets).ok();
        let Some(kept) = kept.filter(|kept| kept.format == FORMAT) else {
            tracing::warn!("{FRESHNESS} is damaged: no feed is fresh before it has succeeded");
            return Ok(Kept::nothing_believed());
        };
        if !kept.ledger.is_in(ledger)? {
            tracing::warn!(
                "the ledger is not the one that feeds wrote to, or an older state of it: no feed is \
                 fresh before it has succeeded"
            );
            return Ok(Kept::nothing_believed());
        }
        let mut feeds = BTreeMap::new();
        for row in kept.feeds {
            let time = |secs: u64| UnixTime::from_secs(secs).unwrap_or(UnixTime::MAX);
            let feed = KeptFeed {
                since: time(row.since),
                last_success: row.last_success.map(time),
            };
            feeds.insert((row.issuer, row.feed), feed);
        }
        Ok(Kept {
            feeds,
            others_since: now,
        })
    }

    /// Keeps what is known of all feeds.
    pub(super) fn keep(
        &self,
        ledger: &Ledger,
        feeds: &[(IssuerId, String, KeptFeed)],
    ) -> Result<(), FeedError> {
        let rows = feeds.iter().map(|(issuer, feed, kept)| KeptRow {
            issuer: issuer.to_string(),
            feed: feed.clone(),
            since: kept.since.as_secs(),
            last_success: kept.last_success.map(UnixTime::as_secs),
        });
        let kept = KeptFile {
            format: FORMAT,
            ledger: LedgerMark::of(ledger).map_err(|error| failed(&error))?,
            feeds: rows.collect(),
        };
        self.replace(FRESHNESS, &kept)
    }

    fn replace(&self, name: &str, value: &impl Serialize) -> Result<(), FeedError> {
        let refused = |why: &dyn std::fmt::Display| {
            FeedError::new(
                FeedErrorKind::Ledger,
                format!("what the feed remembers cannot be written: {why}"),
            )
        };
        let octets = serde_json::to_vec(value).map_err(|error| refused(&error))?;
        let temporary = format!("{name}.tmp");
        disk::replace(&self.folder, name, &temporary, &octets).map_err(|error| refused(&error))
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    path.exists().then(|| disk::read(path).unwrap_or_default())
}

fn failed(error: &LedgerError) -> FeedError {
    let message = crate::authority::with_causes(error);
    FeedError::new(FeedErrorKind::Ledger, message)
}

/// Names of issuers can be anything, so theirs is the id.
fn name(issuer: &IssuerId, feed: &str) -> String {
    format!("{issuer}.{feed}.json")
}

const FRESHNESS: &str = "freshness.json";
const FORMAT: u32 = 1;

/// What was known of the feeds when the server stopped.
#[derive(Debug)]
pub(super) struct Kept {
    feeds: BTreeMap<(String, String), KeptFeed>,
    /// Since when feeds are there that were not known then.
    others_since: UnixTime,
}

/// What is known of one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct KeptFeed {
    pub(super) since: UnixTime,
    pub(super) last_success: Option<UnixTime>,
}

impl Kept {
    /// Nothing, of a new installation.
    pub(super) const fn new(now: UnixTime) -> Self {
        Self {
            feeds: BTreeMap::new(),
            others_since: now,
        }
    }

    /// Nothing, where there should be something.
    const fn nothing_believed() -> Self {
        Self::new(UnixTime::EPOCH)
    }

    #[cfg(test)]
    pub(super) fn of(issuer: IssuerId, feed: &str, known: KeptFeed, now: UnixTime) -> Self {
        Self {
            feeds: BTreeMap::from([((issuer.to_string(), feed.to_owned()), known)]),
            others_since: now,
        }
    }

    pub(super) fn feed(&self, issuer: &IssuerId, feed: &str) -> KeptFeed {
        let known = self.feeds.get(&(issuer.to_string(), feed.to_owned()));
        known.copied().unwrap_or(KeptFeed {
            since: self.others_since,
            last_success: None,
        })
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KeptFile {
    format: u32,
    ledger: LedgerMark,
    feeds: Vec<KeptRow>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KeptRow {
    issuer: String,
    feed: String,
    /// Seconds since 1970.
    since: u64,
    last_success: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Action, Change, Inventory, Source};
    use crate::identity::SerialNumber;
    use crate::ledger::IssuerIdentity;

    const NOW_MS: u64 = 1_790_000_000_500;

    /// A ledger of an issuer and these certificates.
    fn ledger(folder: &Path, serials: &[&str]) -> (Ledger, IssuerId) {
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
                action: Action::Issue(Inventory::default()),
            };
            ledger.commit(&[change], &source, NOW_MS).unwrap();
        }
        (ledger, issuer.id)
    }

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs).unwrap()
    }

    #[test]
    fn what_is_remembered_is_true_of_its_ledger_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let memory = Memory::open(&path("feeds")).unwrap();
        let (first, issuer) = ledger(&path("first"), &["01", "02"]);
        assert_eq!(memory.remembered(&issuer, "index", &first).unwrap(), None);
        memory
            .remember(&issuer, "index", &first, "a cursor")
            .unwrap();
        let known = |ledger: &Ledger| memory.remembered(&issuer, "index", ledger).unwrap();
        assert_eq!(known(&first).as_deref(), Some("a cursor"));
        assert_eq!(memory.remembered(&issuer, "csv", &first).unwrap(), None);

        let kept = KeptFeed {
            since: at(100),
            last_success: Some(at(200)),
        };
        let feeds = [(issuer, "index".to_owned(), kept)];
        memory.keep(&first, &feeds).unwrap();
        let of = |ledger: &Ledger| memory.kept(ledger, at(300)).unwrap().feed(&issuer, "index");
        assert_eq!(of(&first), kept);

        // Restored from before; or gone on from there to the same number.
        let never = KeptFeed {
            since: UnixTime::EPOCH,
            last_success: None,
        };
        for (name, serials) in [("older", &["01"][..]), ("other", &["01", "09"])] {
            let (other, _) = ledger(&path(name), serials);
            assert_eq!(known(&other), None, "{name}");
            assert_eq!(of(&other), never, "{name}");
        }
        assert_eq!(of(&first), kept);

        // Damaged: nothing is believed. Missing: as of a new installation.
        let freshness = path("feeds").join(FRESHNESS);
        for damage in ["", "{", "{\"format\":2}"] {
            std::fs::write(&freshness, damage).unwrap();
            assert_eq!(of(&first), never, "{damage}");
        }
        std::fs::remove_file(&freshness).unwrap();
        let since_now = KeptFeed {
            since: at(300),
            last_success: None,
        };
        assert_eq!(of(&first), since_now);
        std::fs::write(path("feeds").join(name(&issuer, "index")), "[]").unwrap();
        assert_eq!(known(&first), None);
    }
}
