//! A mirror: a folder that has the CRLs of a signed manifest, whole, checked and never older than before.
//!
//! ```text
//! DIR/PATH                 each CRL, at the path of its URL; the manifest at its own
//! DIR/.estelam-mirror/     0700: lock, state.json, SHA256.part and SHA256.json (a CRL that is not whole yet)
//! ```
//!
//! One round asks for the manifest with the ETag of the last one. A 304 ends it: nothing is read but the
//! lengths and times of the files. Otherwise the manifest's signature is verified, its generation may not
//! be lower than any before, and what changed is fetched, resumed where a connection broke, and checked:
//! length and SHA-256 while it comes, then its issuer, number, times and entries, and its signature where
//! certificates were given.
//!
//! **Order.** Within an issuer full CRLs and shards get their names before deltas. A delta says what
//! changed since its base, and is of use only beside a full CRL that is as new as that: so no reader may
//! see a delta whose base is newer than the full CRL beside it. The other way round, a delta that is older
//! than the full CRL says nothing that the full one does not. The manifest comes last, and what it no
//! longer names is removed after it, if at all.
//!
//! **Trust.** The manifest's key is trusted for what it lists; servers and caches on the way for nothing.
//! Who holds the key can have a mirror take other CRLs, but none with a lower number; and without the
//! CA's key none that a relying party believes.

mod download;
mod round;
mod state;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    asn1::{Certificate, UnixTime},
    audit::VerifierKey,
    catalog::crls::{CrlEdition, CrlKind},
    clock::Clock,
    config::feed::Target,
    fetch::{FetchError, FetchErrorKind, FetchSettings, Fetcher, Words},
    publish::{
        ManifestError, ServedPath, ServedPathError,
        manifest::{MANIFEST_OCTETS_MAX, Manifest},
        tree::{Tree, TreeError},
    },
};

use state::State;

/// What to mirror, and how.
#[derive(Debug)]
pub struct MirrorSettings {
    /// Where the manifest is: that of all issuers, or of one.
    pub url: Target,
    /// What it has to be signed by.
    pub key: VerifierKey,
    /// The folder.
    pub folder: PathBuf,
    /// The certificates of issuers that must have signed the CRLs; none: signatures of CRLs are not
    /// looked at.
    pub issuers: Vec<Certificate>,
    /// Whether CRLs are fetched from the URLs that the manifest names, and not from the manifest's host.
    pub from_urls: bool,
    /// Whether CRLs that the manifest no longer names are removed.
    pub prune: bool,
    /// Whether a manifest of a lower generation is taken, once.
    pub accept_older: bool,
    /// Whether addresses that are not public are asked.
    pub allow_private: bool,
    /// How long one file may take.
    pub timeout: Duration,
    /// The certificates that servers are trusted by, PEM.
    pub tls_roots: PathBuf,
}

/// A file that changed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Change {
    /// `placed` or `removed`.
    pub change: &'static str,
    /// Its path, as it is served.
    pub path: String,
    /// What it is, where it is a CRL that is in the manifest.
    #[serde(flatten)]
    pub crl: Option<ChangedCrl>,
}

/// The CRL that was placed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ChangedCrl {
    /// The issuer's name.
    pub issuer: String,
    /// Which of its CRLs.
    pub kind: CrlKind,
    /// CRLNumber
    pub number: u64,
    /// Its length.
    pub octets: u64,
    /// How many of them had come before a connection broke.
    pub resumed: u64,
}

/// What a round found.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Round {
    /// The manifest's generation.
    pub generation: u64,
    /// How many CRLs it names.
    pub crls: usize,
    /// How many files changed.
    pub changed: usize,
    /// Whether the server said that the manifest did not change.
    pub not_modified: bool,
    /// URLs of CRLs whose nextUpdate has passed: whoever makes them, or brings the manifest there, has
    /// stopped.
    pub ended: Vec<String>,
    /// When the next CRL is due.
    #[serde(skip)]
    pub next_due: Option<UnixTime>,
}

/// Why a round did not end with everything in place. What it did place stays.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct MirrorError {
    /// What sort of failure it is.
    pub kind: MirrorErrorKind,
    /// One clear line.
    pub message: String,
    /// When the server said to come again.
    pub retry_after: Option<Duration>,
}

/// Sorts of failures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum MirrorErrorKind {
    /// The server is not there, or has not got what it should.
    Unreachable,
    /// Only a private network has it, and none may be asked.
    Private,
    /// A signature, digest or form that does not hold.
    Untrusted,
    /// It would go back, or leave the folder.
    Refused,
    /// Another process fills the folder.
    Busy,
    /// The disk.
    Storage,
    /// It was told to stop.
    Stopped,
}

impl MirrorError {
    fn new(kind: MirrorErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry_after: None,
        }
    }

    /// Of what was asked for at `url`.
    fn fetching(url: &Target, error: FetchError) -> Self {
        let kind = match error.kind {
            FetchErrorKind::Unreachable | FetchErrorKind::Cut | FetchErrorKind::Refused => {
                MirrorErrorKind::Unreachable
            }
            FetchErrorKind::Private => MirrorErrorKind::Private,
            FetchErrorKind::Malformed | FetchErrorKind::Different => MirrorErrorKind::Untrusted,
            FetchErrorKind::Storage => MirrorErrorKind::Storage,
            FetchErrorKind::Stopped => MirrorErrorKind::Stopped,
        };
        Self {
            kind,
            message: format!("{url}: {}", error.message),
            retry_after: error.retry_after,
        }
    }
}

impl From<TreeError> for MirrorError {
    fn from(error: TreeError) -> Self {
        let kind = match error.source.kind() {
            std::io::ErrorKind::WouldBlock => MirrorErrorKind::Busy,
            _ => MirrorErrorKind::Storage,
        };
        Self::new(kind, error.to_string())
    }
}

/// A folder that follows a manifest.
pub struct Mirror {
    settings: MirrorSettings,
    tree: Tree,
    state: State,
    fetcher: Fetcher,
    /// Where the manifest lies in the folder.
    manifest_path: ServedPath,
    /// The one that everything in the folder is as it says, once it is.
    manifest: Option<Manifest>,
}

impl Mirror {
    /// Opens the folder, created if need be; nothing is asked yet.
    ///
    /// # Errors
    /// [`MirrorError`]
    pub fn open(settings: MirrorSettings) -> Result<Self, MirrorError> {
        let path = crate::catalog::crls::url_path(&settings.url.path);
        let manifest_path = ServedPath::parse(path).map_err(|error: ServedPathError| {
            let message = format!(
                "{}: no file can have the path of this URL: {error}",
                settings.url
            );
            MirrorError::new(MirrorErrorKind::Refused, message)
        })?;
        let mut tree = Tree::open(&settings.folder, "mirror", 0o644, Default::default())?;
        let mut state = State::read(&tree.own(state::FILE))?;
        tree.placed = std::mem::take(&mut state.files);
        let fetcher = Fetcher::new(FetchSettings {
            allow_private: settings.allow_private,
            octets_max: u64::try_from(MANIFEST_OCTETS_MAX).unwrap_or(u64::MAX),
            timeout: settings.timeout,
            tls_roots: settings.tls_roots.clone(),
            words: Words {
                allow_private: "--allow-private",
                octets_max: "the most that a manifest has",
                timeout: "the --timeout",
            },
        });
        let mut mirror = Self {
            settings,
            tree,
            state,
            fetcher,
            manifest_path,
            manifest: None,
        };
        mirror.state.begin(&mirror.settings);
        Ok(mirror)
    }

    /// Brings the folder up to date, and tells each file that changed.
    ///
    /// # Errors
    /// [`MirrorError`]: the worst of what failed.
    pub fn round(
        &mut self,
        now: UnixTime,
        is_stopping: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(&Change),
    ) -> Result<Round, MirrorError> {
        round::Errand {
            mirror: self,
            is_stopping,
            tell,
            changed: 0,
        }
        .run(now)
    }

    /// Follows the manifest until `wait` says to stop: it waits as long as it is told, or less, and says
    /// whether to go on. `told` hears what came of each round.
    ///
    /// # Errors
    /// [`MirrorErrorKind::Private`] at the first round, since that is a matter of how it was started. Whatever
    /// else fails is tried again.
    pub fn follow(
        &mut self,
        interval: Duration,
        clock: &dyn Clock,
        is_stopping: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(&Change),
        told: &mut dyn FnMut(&Result<Round, MirrorError>),
        wait: &dyn Fn(Duration) -> bool,
    ) -> Result<(), MirrorError> {
        let mut pace = Pace::new(interval);
        loop {
            let result = self.round(clock.now(), is_stopping, tell);
            if is_stopping() {
                return Ok(());
            }
            if let Err(error) = &result
                && error.kind == MirrorErrorKind::Private
                && pace.rounds == 0
            {
                return Err(error.clone());
            }
            told(&result);
            // Asked once, an operator's word is not good for ever.
            self.settings.accept_older &= result.is_err();
            if !wait(pace.next(&result, clock.now())) {
                return Ok(());
            }
        }
    }
}

/// How long to wait between rounds.
struct Pace {
    interval: Duration,
    failures: u32,
    jitter: std::hash::RandomState,
    rounds: u64,
    begun: Instant,
}

impl Pace {
    fn new(interval: Duration) -> Self {
        Self {
            interval,
            failures: 0,
            jitter: std::hash::RandomState::new(),
            rounds: 0,
            begun: Instant::now(),
        }
    }

    /// At most the interval, less up to a tenth; as soon as the next CRL is due; after failures longer
    /// and longer, up to five minutes or the interval.
    fn next(&mut self, result: &Result<Round, MirrorError>, now: UnixTime) -> Duration {
        use std::hash::BuildHasher as _;
        self.rounds = self.rounds.wrapping_add(1);
        let share = self.jitter.hash_one((self.rounds, self.begun)) % 1_000;
        let share = u32::try_from(share).unwrap_or(0);
        let part = |of: Duration| of.saturating_mul(share) / 10_000;
        match result {
            Ok(round) => {
                self.failures = 0;
                let usual = self.interval.saturating_sub(part(self.interval));
                let due = round.next_due.map(|due| due.since(now));
                // What is overdue comes when it comes: no reason to ask more often than usual.
                let due = due.filter(|due| !due.is_zero());
                let due = due.map(|due| due + AFTER_DUE + part(due.min(DUE_JITTER_MAX)));
                due.map_or(usual, |due| due.min(usual))
            }
            Err(error) => {
                let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
                self.failures = self.failures.saturating_add(1);
                let first = self.interval.min(FIRST_BACKOFF);
                let longest = self.interval.max(LONGEST_BACKOFF);
                let wait = first.saturating_mul(factor).min(longest);
                let asked = error.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
                wait.saturating_sub(part(wait)).max(asked)
            }
        }
    }
}

/// For a CRL that is due to be there.
const AFTER_DUE: Duration = Duration::from_secs(1);
/// A tenth of this is spread over mirrors that wait for the same CRL.
const DUE_JITTER_MAX: Duration = Duration::from_secs(50);
const FIRST_BACKOFF: Duration = Duration::from_secs(5);
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
/// The longest that a server may tell us to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

fn changed(edition: &CrlEdition, path: &ServedPath, resumed: u64) -> Change {
    Change {
        change: "placed",
        path: path.to_string(),
        crl: Some(ChangedCrl {
            issuer: edition.issuer.clone(),
            kind: edition.kind,
            number: edition.number,
            octets: edition.octets,
            resumed,
        }),
    }
}

fn untrusted(url: &Target, error: &ManifestError) -> MirrorError {
    let kind = match error {
        ManifestError::Path { .. } | ManifestError::Overlap { .. } => MirrorErrorKind::Refused,
        _ => MirrorErrorKind::Untrusted,
    };
    MirrorError::new(
        kind,
        format!("{url}: the manifest is not believed: {error}"),
    )
}
