//! Makes the CRLs of the issuers that have `[issuer.crl]`: on schedule, soon after a revocation where the
//! configuration says so, and when an operator asks.

mod board;
mod schedule;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub use board::PublishedCrlStats;
use board::{Board, Line};

use super::error::with_causes;
use super::runtime::Waker;
use super::{ErrorClass, Issuer, Issuers, OperationError};
use crate::asn1::{KeyUsage, UnixTime};
use crate::catalog::crls::{CrlEdition, CrlKind, CrlListing, Shelf, SignedDocument, url_path};
use crate::clock::Clock;
use crate::config;
use crate::identity::IssuerId;
use crate::ledger::{AppliedEntry, Ledger};
use crate::publish::{
    Couriers, CrlIssuer, PublishError, Publisher, ShardRule, TargetHealth, Time, Wanted,
};
use crate::signer::{LoadError, Signer, SignerError, Warning, probe};

pub(super) use schedule::run;

/// Whoever makes the CRLs, with and without a running server.
pub struct Publishing {
    issuers: Issuers,
    publisher: Publisher,
    clock: Arc<dyn Clock>,
    /// Keys as they were last read.
    keys: Mutex<HashMap<IssuerId, Arc<dyn Signer>>>,
    /// Whose key was away the last time.
    away: Mutex<HashSet<IssuerId>>,
    /// Which certificate is in which shard, of issuers with shards.
    rules: HashMap<IssuerId, ShardRule>,
    board: Board,
    waker: OnceLock<Waker>,
    couriers: Option<Arc<Couriers>>,
}

impl Publishing {
    /// Opens the folder of CRLs in a state directory.
    ///
    /// # Errors
    /// When the folder or its listing cannot be used.
    pub fn open(
        issuers: Issuers,
        ledger: Arc<Ledger>,
        clock: Arc<dyn Clock>,
        time: Box<dyn Time>,
        state_dir: &Path,
    ) -> Result<Self, OperationError> {
        let shelf = Shelf::open(&Shelf::folder_in(state_dir))
            .map_err(|error| OperationError::new(ErrorClass::Storage, with_causes(&error)))?;
        let rules = issuers.iter().filter_map(|issuer| {
            let shards = issuer.crl.as_ref()?.shards.as_ref()?;
            Some((issuer.id, ShardRule::new(shards)))
        });
        let rules = rules.collect();
        Ok(Self {
            publisher: Publisher::new(ledger, shelf, time),
            board: Board::default(),
            keys: Mutex::default(),
            away: Mutex::default(),
            waker: OnceLock::new(),
            couriers: None,
            issuers,
            clock,
            rules,
        })
    }

    /// The same, with documents for every listing.
    #[must_use]
    pub fn with_documents(
        mut self,
        documents: impl Fn(&CrlListing) -> Result<Vec<SignedDocument>, String> + Send + Sync + 'static,
    ) -> Self {
        self.publisher = self.publisher.with_documents(documents);
        self
    }

    /// The same, which has every listing brought to targets.
    #[must_use]
    pub fn with_couriers(mut self, couriers: Couriers) -> Self {
        couriers.announce(&self.shelf().listing(), self.clock.now());
        let couriers = Arc::new(couriers);
        self.couriers = Some(Arc::clone(&couriers));
        let clock = Arc::clone(&self.clock);
        self.telling(move |listing| {
            couriers.announce(listing, clock.now());
            Ok(())
        })
    }

    /// How the targets are doing.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetHealth> {
        let couriers = self.couriers.as_ref();
        couriers.map_or_else(Vec::new, |couriers| couriers.health(self.clock.now()))
    }

    /// The same, which tells somebody else of every listing before it says that it is done.
    #[must_use]
    pub fn telling(
        mut self,
        placed: impl Fn(&Arc<CrlListing>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.publisher = self.publisher.telling(placed);
        self
    }

    /// Where the CRLs lie.
    #[must_use]
    pub const fn shelf(&self) -> &Shelf {
        self.publisher.shelf()
    }

    /// Makes CRLs of an issuer now.
    ///
    /// # Errors
    /// [`OperationError`]; the CRLs before are in their places then.
    pub fn make(
        &self,
        issuer: &Issuer,
        wanted: &Wanted,
        accept_losses: bool,
    ) -> Result<Vec<CrlEdition>, OperationError> {
        let refused = |class, why: String| {
            OperationError::new(class, format!("issuer {:?}: {why}", issuer.name))
        };
        let settings = may_publish(issuer).map_err(|(class, why)| refused(class, why))?;
        let key_fault = |fault: KeyFault| {
            self.set_key_away(&issuer.id, fault.may_pass);
            refused(ErrorClass::Key, fault.why)
        };
        let signer = self.key(issuer, settings).map_err(key_fault)?;
        // A million entries are not written for a key that is still away.
        if self.is_key_away(&issuer.id) {
            probe(&*signer).map_err(|error| {
                key_fault(KeyFault {
                    may_pass: matches!(error, SignerError::Unavailable { .. }),
                    why: error.to_string(),
                })
            })?;
            self.set_key_away(&issuer.id, false);
        }
        let made = self.publisher.publish(
            &CrlIssuer {
                name: &issuer.name,
                id: &issuer.id,
                certificate: &issuer.certificate,
                settings,
                signer: &*signer,
            },
            wanted,
            accept_losses,
        );
        match made {
            Ok(editions) => {
                for edition in editions.iter().filter(|it| it.kind != CrlKind::Base) {
                    self.board.made(&issuer.id, line_of(edition.kind));
                    tracing::info!(
                        issuer = issuer.name,
                        crl = %edition.kind,
                        as_of = edition.as_of,
                        number = edition.number,
                        entries = edition.entries,
                        octets = edition.octets,
                        "CRL published"
                    );
                }
                Ok(editions)
            }
            Err(error) => {
                let is_away = matches!(error, PublishError::Sign(SignerError::Unavailable { .. }));
                self.set_key_away(&issuer.id, is_away);
                // It may have been exchanged meanwhile.
                if matches!(error, PublishError::Sign(_) | PublishError::Guard { .. }) {
                    self.keys().remove(&issuer.id);
                }
                Err(refused(class(&error), with_causes(&error)))
            }
        }
    }

    /// What is made for an issuer, and for each which shards.
    pub(super) fn all_of(issuer: &Issuer) -> Vec<Wanted> {
        let Some(settings) = &issuer.crl else {
            return Vec::new();
        };
        let shards = settings.shards.as_ref();
        let shards = shards.map(|shards| Wanted::Shards((0..shards.count).collect()));
        std::iter::once(Wanted::Full).chain(shards).collect()
    }

    /// Why the first CRLs of an issuer are not made by themselves: as long as the ledger knows nothing of it,
    /// an empty list would take the place of whatever its CA had before.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(super) fn waits_for_entries(
        &self,
        issuer: &Issuer,
    ) -> Result<Option<String>, OperationError> {
        let listing = self.shelf().listing();
        let has_some = listing.edition(&issuer.name, CrlKind::Full).is_some();
        let knows_any = || {
            self.publisher
                .knows_any(&issuer.id)
                .map_err(|error| OperationError::new(class(&error), with_causes(&error)))
        };
        if issuer.crl.is_none() || has_some || knows_any()? {
            return Ok(None);
        }
        Ok(Some(format!(
            "issuer {:?}: no CRL is made as long as nothing of it is in the ledger: import what its CA has, \
             or have an empty one made with `estelam crl publish --now`",
            issuer.name
        )))
    }

    /// What of an issuer is due by its schedule; no full CRL if that one waits for its next attempt.
    pub(super) fn due(&self, issuer: &Issuer, now: UnixTime, full_waits: bool) -> Vec<Wanted> {
        let Some(settings) = &issuer.crl else {
            return Vec::new();
        };
        let listing = self.shelf().listing();
        let folder = self.shelf().folder();
        let is_due = |kind, url: &str, interval| {
            let edition = listing.edition(&issuer.name, kind);
            edition.is_none_or(|edition| {
                // The interval may have become shorter, and its file may be gone.
                let due = edition
                    .next_due
                    .min(edition.this_update.saturating_add(interval));
                let file = std::fs::metadata(Shelf::file(folder, edition));
                due <= now
                    || edition.url != url
                    || file.map_or(true, |file| file.len() != edition.octets)
            })
        };
        let mut due = Vec::new();
        let full = listing.edition(&issuer.name, CrlKind::Full);
        if self.has_ended(issuer) {
            return due;
        }
        if !full_waits && is_due(CrlKind::Full, &settings.url, settings.interval) {
            due.push(Wanted::Full);
        }
        let delta = settings.delta.as_ref();
        // The first delta can only come after the first full one; later ones come with it.
        if delta.is_some_and(|delta| is_due(CrlKind::Delta, &delta.url, delta.interval))
            && !(full.is_some() && due.contains(&Wanted::Full))
        {
            due.push(Wanted::Delta);
        }
        if let Some(shards) = &settings.shards {
            let due_shards: Vec<u32> = (0..shards.count)
                .filter(|shard| {
                    let url = shards.url_of(*shard);
                    is_due(CrlKind::Shard(*shard), &url, shards.interval)
                })
                .collect();
            if !due_shards.is_empty() {
                due.push(Wanted::Shards(due_shards));
            }
        }
        due
    }

    /// Certificates were revoked or released: their CRLs may be due.
    pub(super) fn changed(&self, entries: &[AppliedEntry]) {
        let now = self.clock.monotonic();
        let mut is_news = false;
        for entry in entries {
            let status = &entry.record;
            if status.revocation.is_none() && !status.released {
                continue;
            }
            let Some(settings) = self.settings_of(&entry.issuer) else {
                continue;
            };
            let shard = self.rules.get(&entry.issuer).map(|rule| {
                let point = status.issued.and_then(|issued| issued.distribution_point);
                rule.shard(&entry.serial, point)
            });
            is_news |= self.board.changed(&entry.issuer, settings, shard, now);
        }
        if is_news {
            self.wake();
        }
    }

    /// All certificates of an issuer were revoked.
    pub(super) fn changed_as_a_whole(&self, issuer: &IssuerId) {
        if let Some(settings) = self.settings_of(issuer) {
            let now = self.clock.monotonic();
            let mut is_news = self.board.changed(issuer, settings, None, now);
            let shards = settings.shards.as_ref().map_or(0, |shards| shards.count);
            for shard in 0..shards {
                is_news |= self.board.changed(issuer, settings, Some(shard), now);
            }
            if is_news {
                self.wake();
            }
        }
    }

    /// Whether the last CRL of an issuer was published.
    pub(super) fn has_ended(&self, issuer: &Issuer) -> bool {
        let listing = self.shelf().listing();
        let full = listing.edition(&issuer.name, CrlKind::Full);
        full.is_some_and(|full| full.next_due == UnixTime::MAX)
    }

    /// Tells of the current listing once more, where telling failed.
    ///
    /// # Errors
    /// [`OperationError`].
    pub fn tell_again(&self) -> Result<(), OperationError> {
        let told = self.publisher.tell_again();
        told.map_err(|error| OperationError::new(class(&error), with_causes(&error)))
    }

    /// How the CRLs of an issuer stand.
    #[must_use]
    pub fn stats(&self, issuer: &Issuer) -> Vec<PublishedCrlStats> {
        self.board
            .stats(issuer, &self.shelf().listing(), self.clock.now())
    }

    /// Takes out of service what the configuration does not have any more.
    fn drop_what_is_not_configured(&self) -> Result<(), PublishError> {
        let issuers = || self.issuers.iter();
        let settings = issuers().filter_map(|issuer| issuer.crl.as_ref());
        let made: HashSet<String> = settings
            .flat_map(config::Crl::urls)
            .map(|(_, url)| url_path(&url).to_owned())
            .collect();
        self.publisher.retain(|edition| {
            let Some(issuer) = issuers().find(|issuer| issuer.name == edition.issuer) else {
                return false;
            };
            let Some(settings) = &issuer.crl else {
                // Until it ends, unless another CRL is to be found there.
                return !made.contains(edition.path());
            };
            let (delta, shards) = (settings.delta.as_ref(), settings.shards.as_ref());
            let url = match edition.kind {
                CrlKind::Full => Some(settings.url.clone()),
                CrlKind::Delta => delta.map(|delta| delta.url.clone()),
                CrlKind::Base => delta.and_then(|delta| delta.base_url.clone()),
                // Also those beyond the count: certificates name them.
                CrlKind::Shard(shard) => shards.map(|shards| shards.url_of(shard)),
            };
            url.as_ref() == Some(&edition.url)
        })
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.notify();
        }
    }

    /// To be woken by it, once.
    pub(super) fn woken_by(&self, waker: Waker) {
        // There is one thread.
        drop(self.waker.set(waker));
    }

    fn settings_of(&self, issuer: &IssuerId) -> Option<&config::Crl> {
        self.issuers.by_id(issuer)?.crl.as_ref()
    }

    fn keys(&self) -> std::sync::MutexGuard<'_, HashMap<IssuerId, Arc<dyn Signer>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an issuer's key was away the last time, and may be back any moment.
    fn is_key_away(&self, issuer: &IssuerId) -> bool {
        self.away
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(issuer)
    }

    fn set_key_away(&self, issuer: &IssuerId, is_away: bool) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        if is_away {
            away.insert(*issuer);
        } else {
            away.remove(issuer);
        }
    }

    fn key(&self, issuer: &Issuer, settings: &config::Crl) -> Result<Arc<dyn Signer>, KeyFault> {
        if let Some(key) = self.keys().get(&issuer.id) {
            return Ok(Arc::clone(key));
        }
        let (signer, warnings) = open_own(issuer, settings)?;
        for warning in warnings {
            tracing::warn!(issuer = issuer.name, "{warning}");
        }
        self.keys().insert(issuer.id, Arc::clone(&signer));
        Ok(signer)
    }
}

/// Opens the key that an issuer's CRLs are made with, and judges whether it may. Nothing for an issuer whose
/// CRLs are not made here.
///
/// # Errors
/// What stands in the way, in words.
pub fn judge_crl_key(issuer: &Issuer) -> Result<Vec<String>, String> {
    if issuer.crl.is_none() {
        return Ok(Vec::new());
    }
    let settings = may_publish(issuer).map_err(|(_, why)| why)?;
    let (_, warnings) = open_own(issuer, settings).map_err(|fault| fault.why)?;
    Ok(warnings.iter().map(ToString::to_string).collect())
}

/// Why there is no key to make CRLs with.
struct KeyFault {
    why: String,
    /// Whether it may be back any moment, without anybody doing anything.
    may_pass: bool,
}

fn open_own(
    issuer: &Issuer,
    settings: &config::Crl,
) -> Result<(Arc<dyn Signer>, Vec<Warning>), KeyFault> {
    let key = settings.configured_key();
    let opened = issuer.keys.open(&key);
    let (signer, warnings) = opened.map_err(|error: LoadError| KeyFault {
        why: with_causes(&error),
        // A file that is missing waits for somebody.
        may_pass: !matches!(error, LoadError::Key(_)) && error.may_pass(),
    })?;
    if signer.public_key_octets() != issuer.certificate.public_key_octets() {
        return Err(KeyFault {
            why: format!(
                "the key of its CRLs in {} is not that of its certificate",
                key.place
            ),
            may_pass: false,
        });
    }
    Ok((signer, warnings))
}

/// How an issuer's CRLs are made, or why they are not.
fn may_publish(issuer: &Issuer) -> Result<&config::Crl, (ErrorClass, String)> {
    let refused = |class, why: &str| Err((class, why.to_owned()));
    let Some(settings) = &issuer.crl else {
        return refused(
            ErrorClass::Config,
            "its CRLs are not made here: add an [issuer.crl] table with url and key",
        );
    };
    if issuer.evidence == config::Evidence::Feed {
        return refused(
            ErrorClass::Config,
            "it is known from the CRLs of its CA alone, so that one made here would say less; set \
             evidence = \"ledger\", or leave the CRL to its CA",
        );
    }
    if issuer.is_held_back() {
        return refused(
            ErrorClass::Refused,
            "one of its feeds has been silent for too long, so that nobody knows what a CRL would \
             lack: see `estelam stats`",
        );
    }
    let usage = issuer.certificate.key_usage();
    if !usage.is_some_and(|usage| usage.contains(KeyUsage::CRL_SIGN)) {
        return refused(
            ErrorClass::Key,
            "its certificate may not sign CRLs: it has no keyUsage with cRLSign (RFC 10007 §4)",
        );
    }
    Ok(settings)
}

const fn line_of(kind: CrlKind) -> Line {
    match kind {
        CrlKind::Full | CrlKind::Base => Line::Full,
        CrlKind::Delta => Line::Delta,
        CrlKind::Shard(_) => Line::Shards,
    }
}

fn class(error: &PublishError) -> ErrorClass {
    match error {
        PublishError::Ledger(error) => error.into(),
        PublishError::Sorting { .. }
        | PublishError::Write { .. }
        | PublishError::Io { .. }
        | PublishError::Shelf(_)
        | PublishError::Service { .. } => ErrorClass::Storage,
        PublishError::Sign(_) => ErrorClass::Key,
        PublishError::ClockBehind { .. }
        | PublishError::ClockNotTrusted { .. }
        | PublishError::Ended
        | PublishError::Lost { .. } => ErrorClass::Refused,
        PublishError::ShardCount { .. } => ErrorClass::Config,
        PublishError::NotConfigured { .. } => ErrorClass::Config,
        _ => ErrorClass::Internal,
    }
}

/// The machine's clock, where no server watches over it: not before what was signed last.
pub struct PlainTime {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What remembers the last signing.
    pub ledger: Arc<Ledger>,
}

impl Time for PlainTime {
    fn signing_time(&self) -> Result<UnixTime, String> {
        let now = self.clock.now();
        let last = self.ledger.signing_high_water();
        let last = last.map_err(|error| with_causes(&error))?;
        if now < last {
            return Err(format!(
                "it is {now} by this machine's clock, and something was signed at {last}: set the clock, \
                 or wait"
            ));
        }
        Ok(now)
    }

    fn millis(&self) -> u64 {
        self.clock.now_millis()
    }
}
