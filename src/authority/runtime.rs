//! The authority's threads, and what they share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::bustle::Bustle;
use super::dating::Basis;
use super::error::with_causes;
use super::feeding::Feeding;
use super::issuer::{Issuer, Issuers};
use super::lineage::Lineage;
use super::publishing::{self, Publishing};
use super::signing::SigningClock;
use super::{
    AuthorityStats, Clerk, ErrorClass, OperationError, crl_files, keeper, live, renewal, scrub,
};
use crate::asn1::UnixTime;
use crate::catalog::shown::{Shown, ShownJournal};
use crate::catalog::{Catalog, CatalogError, IssuerTableError, MaskEntry, Publication};
use crate::clock::Clock;
use crate::identity::{IssuerId, SerialHash, SerialNumber};
use crate::ledger::{
    AppliedEntry, Durable, GroupCommit, GroupOptions, Ledger, LedgerError, Revocation,
    RevokedIssuer, StatusRecord,
};
use crate::ocsp::RequestLimits;
use crate::presign::{PresignError, ShardRecord, WindowError};
use crate::publish::Time;
use crate::responder::AskedQuestion;
use crate::segment::{HeaderError, RecordStatus, Segment, SegmentError};
use crate::signer::SignerError;

/// The running authority.
pub struct Authority {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    commits: Arc<GroupCommit>,
    feeding: OnceLock<Feeding>,
}

impl Authority {
    /// Starts keeping `catalog` true to `ledger`.
    ///
    /// When this returns, no answer that the ledger contradicts can be served: an issuer whose changes
    /// are not masked yet is *catching up*, and its questions go to the live signer.
    ///
    /// # Errors
    /// [`AuthorityError`] when the catalog or ledger fails.
    pub fn start(
        issuers: Issuers,
        ledger: Arc<Ledger>,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        questions: tokio::sync::mpsc::Receiver<AskedQuestion>,
        limits: RequestLimits,
    ) -> Result<Self, AuthorityError> {
        let lineage = Lineage::open(catalog.folder(), &ledger, catalog.has_segments())?;
        let high_water = ledger.signing_high_water()?;
        let shown = ShownJournal::open(catalog.folder()).map_err(CatalogError::from)?;
        let (keeper_wake, keeper_woken) = wake_pair();
        let (renewal_wake, renewal_woken) = wake_pair();
        let (scrub_wake, scrub_woken) = wake_pair();
        let (crl_files_wake, crl_files_woken) = wake_pair();
        let shared = Arc::new(Shared {
            issuers,
            ledger,
            catalog,
            lineage,
            shown,
            signing: SigningClock::new(clock, high_water),
            dating: Mutex::new(()),
            limits,
            stop: AtomicBool::new(false),
            keeper_wake,
            renewal_wake,
            scrub_wake,
            publishing: OnceLock::new(),
            crl_files_wake,
            counters: Counters::default(),
            keys_came: AtomicBool::new(false),
            masked_up_to: AtomicU64::new(0),
            renewing: Mutex::default(),
            bustle: Bustle::default(),
        });
        super::catch_up::announce(&shared)?;

        let masks = Arc::clone(&shared);
        // What is older is the catch-up's to mask.
        let visible = shared.ledger.last_sequence()?;
        let clock = Arc::clone(shared.signing.clock());
        let commits = GroupCommit::start(
            Arc::clone(&shared.ledger),
            GroupOptions::new(visible),
            move || clock.now_millis(),
            move |durable| masks.show(durable),
        )
        .map_err(|source| AuthorityError::Thread { source })?;
        let spawn = |name: &'static str, mut work: Box<dyn FnMut(&Shared) + Send>| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || run_again_after_panics(name, &shared, &mut *work))
                .map_err(|source| AuthorityError::Thread { source })
        };
        let mut questions = questions;
        let threads = vec![
            spawn(
                "keeper",
                Box::new(move |shared| keeper::run(shared, &keeper_woken)),
            )?,
            spawn(
                "renewal",
                Box::new(move |shared| renewal::run(shared, &renewal_woken)),
            )?,
            spawn(
                "live",
                Box::new(move |shared| live::run(shared, &mut questions)),
            )?,
            spawn(
                "scrub",
                Box::new(move |shared| scrub::run(shared, &scrub_woken)),
            )?,
            spawn(
                "crl-files",
                Box::new(move |shared| crl_files::run(shared, &crl_files_woken)),
            )?,
        ];
        Ok(Self {
            shared,
            threads: Mutex::new(threads),
            commits: Arc::new(commits),
            feeding: OnceLock::new(),
        })
    }

    /// Starts looking at the issuers' feeds, once. `folder` is for what they remember. To be called before
    /// anybody is answered: what was stale when the server stopped is stale when this returns.
    ///
    /// # Errors
    /// [`AuthorityError`] when the folder or the ledger fails, or there are no threads to be had.
    pub fn start_feeds(&self, folder: &Path) -> Result<(), AuthorityError> {
        let feeding = Feeding::start(&self.shared, self.clerk(), folder)?;
        if let Err(second) = self.feeding.set(feeding) {
            second.stop();
        }
        Ok(())
    }

    /// Starts making the CRLs that are configured, once: those that are due now are made at once, on a
    /// thread of their own. `with` adds what goes with them and who is told of them.
    ///
    /// # Errors
    /// [`OperationError`] when their folder cannot be used, or there are no threads to be had.
    pub fn start_publishing(
        &self,
        state_dir: &Path,
        with: impl FnOnce(Publishing) -> Publishing,
    ) -> Result<(), OperationError> {
        let shared = &self.shared;
        let publishing = Publishing::open(
            shared.issuers.clone(),
            Arc::clone(&shared.ledger),
            Arc::clone(shared.signing.clock()),
            Box::new(GuardedTime(Arc::clone(shared))),
            state_dir,
        )?;
        let placed = Arc::clone(shared);
        let publishing = with(publishing.telling(move |listing| {
            let publication = Publication::Crls(Arc::clone(listing));
            let published = placed.publish(&[publication]);
            placed.crl_files_wake.notify();
            published.map_err(|error| with_causes(&error))
        }));
        let publishing = Arc::new(publishing);
        let (waker, wake) = wake_pair();
        publishing.woken_by(waker);
        if shared.publishing.set(publishing).is_err() {
            return Ok(());
        }
        let shared = Arc::clone(shared);
        let thread = std::thread::Builder::new()
            .name("crl".to_owned())
            .spawn(move || {
                run_again_after_panics("crl", &shared, &mut |shared| {
                    publishing::run(shared, &wake);
                });
            })
            .map_err(|source| OperationError::from(&AuthorityError::Thread { source }))?;
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    }

    /// The feeds, once they are started.
    #[must_use]
    pub fn feeds(&self) -> Option<&Feeding> {
        self.feeding.get()
    }

    /// A clerk whose changes are visible before they are acknowledged.
    #[must_use]
    pub fn clerk(&self) -> Clerk {
        let Shared {
            issuers,
            ledger,
            signing,
            ..
        } = &*self.shared;
        let (shared, dated) = (Arc::clone(&self.shared), Arc::clone(&self.shared));
        Clerk::of_authority(
            issuers.clone(),
            Arc::clone(ledger),
            Arc::clone(&self.commits),
            Arc::clone(signing.clock()),
        )
        .and_signing_time(move || dated.signing.now().map_err(|paused| paused.to_string()))
        .and_after_evidence(move || shared.evidence_came())
        .and_publishing(self.shared.publishing.get().cloned())
    }

    /// The facts of this moment.
    ///
    /// # Errors
    /// [`AuthorityError`] when the ledger cannot be read.
    pub fn stats(&self) -> Result<AuthorityStats, AuthorityError> {
        super::observer::observe(&self.shared, self.feeds().map(|feeds| &**feeds.board()))
    }

    /// To be called when a key that was away may be back: what waits for it is tried at once.
    pub fn keys_came(&self) {
        self.shared.keys_came.store(true, Ordering::Relaxed);
        self.shared.renewal_wake.notify();
        self.shared.keeper_wake.notify();
        if let Some(publishing) = self.shared.publishing.get() {
            publishing.wake();
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Stops the threads and waits for them. Nothing has to be saved: what was acknowledged is in the
    /// ledger, and what was not signed into a segment is masked at the next start.
    pub fn stop(&self) {
        if let Some(feeding) = self.feeding.get() {
            feeding.stop();
        }
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.keeper_wake.notify();
        self.shared.renewal_wake.notify();
        self.shared.scrub_wake.notify();
        if let Some(publishing) = self.shared.publishing.get() {
            publishing.wake();
        }
        self.shared.crl_files_wake.notify();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a thread of the authority had panicked");
            }
        }
    }
}

/// The clock that everything is signed by.
struct GuardedTime(Arc<Shared>);

impl Time for GuardedTime {
    fn signing_time(&self) -> Result<UnixTime, String> {
        self.0.signing.now().map_err(|paused| paused.to_string())
    }

    fn millis(&self) -> u64 {
        self.0.signing.clock().now_millis()
    }
}

/// Does the work of a thread, anew after a panic: what panicked over one record or question must not
/// end signing for all others until somebody looks.
fn run_again_after_panics(name: &str, shared: &Shared, work: &mut dyn FnMut(&Shared)) {
    // The state that the threads share is whole between any two steps, or behind a lock that says so.
    while catch_unwind(AssertUnwindSafe(|| work(shared))).is_err() {
        shared.counters.panics.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            thread = name,
            "panicked, which is a defect of this program: please report it; it goes on"
        );
        std::thread::park_timeout(AFTER_PANIC);
        if shared.stopping() {
            return;
        }
    }
}

/// So that a panic that comes back does not fill the log.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// What the threads share.
pub(super) struct Shared {
    pub(super) issuers: Issuers,
    pub(super) ledger: Arc<Ledger>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) lineage: Lineage,
    /// Beside the ledger, what became visible since the segments were signed.
    pub(super) shown: ShownJournal,
    pub(super) signing: SigningClock,
    /// Held while a signing time is recorded and its answers are published, and while the clock is
    /// accepted: a time from before the acceptance must not come after it.
    pub(super) dating: Mutex<()>,
    pub(super) limits: RequestLimits,
    pub(super) stop: AtomicBool,
    pub(super) keeper_wake: Waker,
    pub(super) renewal_wake: Waker,
    pub(super) scrub_wake: Waker,
    /// Who makes CRLs, once started.
    pub(super) publishing: OnceLock<Arc<Publishing>>,
    pub(super) crl_files_wake: Waker,
    pub(super) counters: Counters,
    /// Whether a key may be back that was missing.
    pub(super) keys_came: AtomicBool,
    /// The last change that [`Shared::mask`] made visible, with all before it since the start.
    masked_up_to: AtomicU64,
    /// The shard that is being signed at the moment.
    renewing: Mutex<Option<Renewing>>,
    /// Tells an import under way from single changes.
    pub(super) bustle: Bustle,
}

/// A shard that is being signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renewing {
    pub(super) issuer: IssuerId,
    pub(super) depth: u8,
    pub(super) shard: u32,
}

impl Renewing {
    /// Whether it is the shard of a serial with this hash.
    pub(super) fn covers(&self, issuer: &IssuerId, hash: SerialHash) -> bool {
        self.issuer == *issuer && hash.shard(self.depth.into()) == u64::from(self.shard)
    }
}

impl Shared {
    pub(super) fn masked_up_to(&self) -> u64 {
        self.masked_up_to.load(Ordering::Acquire)
    }

    /// Says which shard is being signed. The time that it is signed with is taken after this, so no
    /// answer that somebody signed before, holding [`Shared::renewing`], is newer.
    pub(super) fn set_renewing(&self, shard: Option<Renewing>) {
        *self.renewing() = shard;
    }

    /// Which shard is being signed; no other is begun while this is held.
    pub(super) fn renewing(&self) -> MutexGuard<'_, Option<Renewing>> {
        self.renewing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_renewing(&self, issuer: &IssuerId) -> bool {
        self.renewing().is_some_and(|shard| shard.issuer == *issuer)
    }

    /// A newer CRL was taken for an issuer, so that its shards are due.
    fn evidence_came(&self) {
        self.renewal_wake.notify();
        self.keeper_wake.notify();
    }

    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Publishes answers signed at `signed_at`, after the ledger has remembered that time: nothing is
    /// ever signed before it, also after a restart under a clock that was set back. False, and nothing
    /// is published, when the clock is not trusted any more or was accepted as being behind that time.
    pub(super) fn publish_signed(
        &self,
        signed_at: UnixTime,
        publications: &[Publication],
    ) -> Result<bool, AuthorityError> {
        let _accepting = self.dating.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.signing.now().is_ok_and(|now| now >= signed_at) {
            return Ok(false);
        }
        self.ledger.raise_signing_high_water(signed_at)?;
        self.signing.signed(signed_at);
        self.publish(publications)?;
        Ok(true)
    }

    pub(super) fn publish(&self, publications: &[Publication]) -> Result<(), AuthorityError> {
        if !publications.is_empty() {
            self.catalog.publish(publications)?;
            let is_crls = |publication: &Publication| matches!(publication, Publication::Crls(_));
            if publications.iter().any(is_crls) {
                self.crl_files_wake.notify();
            }
        }
        Ok(())
    }

    /// Makes visible what is durable, before anybody is told that it is durable.
    fn show(&self, durable: Durable<'_>) -> Result<(), AuthorityError> {
        match durable {
            Durable::Certificates(entries) => self.mask(entries),
            Durable::Issuer(revoked) => {
                // Also where its changes are left to the renewal: it stands over what is signed later.
                if self.issuers.by_id(&revoked.issuer).is_some() {
                    self.shown.note(std::iter::once(shown_issuer(revoked)));
                    self.publish(&[issuer_revoked(revoked)])?;
                }
                if let Some(publishing) = self.publishing.get() {
                    publishing.changed_as_a_whole(&revoked.issuer);
                }
                self.keeper_wake.notify();
                self.renewal_wake.notify();
                Ok(())
            }
        }
    }

    fn mask(&self, entries: &[AppliedEntry]) -> Result<(), AuthorityError> {
        self.shown.note(entries.iter().filter_map(shown));
        let mut publications: Vec<Publication> = Vec::new();
        for entry in entries {
            // An issuer that is no longer configured has nothing in the catalog, and one that waits for
            // its first signing is answered from the ledger.
            if self
                .issuers
                .by_id(&entry.issuer)
                .is_none_or(|issuer| issuer.is_left_to_renewal())
            {
                continue;
            }
            let mask = mask_entry(entry);
            match publications.last_mut() {
                Some(Publication::Mask { issuer, changes }) if *issuer == entry.issuer => {
                    changes.push(mask);
                }
                _ => publications.push(Publication::Mask {
                    issuer: entry.issuer,
                    changes: vec![mask],
                }),
            }
        }
        self.publish(&publications)?;
        if let Some(last) = entries.last() {
            self.masked_up_to
                .store(last.record.sequence, Ordering::Release);
        }
        if let Some(publishing) = self.publishing.get() {
            publishing.changed(entries);
        }
        self.bustle.changed(self.signing.clock().monotonic());
        self.keeper_wake.notify();
        Ok(())
    }

    /// Whether a segment is in service now.
    pub(super) fn serves(&self, segment: &Segment) -> bool {
        let snapshot = self.catalog.snapshot();
        snapshot
            .issuers()
            .iter()
            .flat_map(|issuer| issuer.segments())
            .any(|other| other.sha256() == segment.sha256())
    }

    pub(super) fn overlay_len(&self, issuer: &Issuer) -> usize {
        self.catalog
            .snapshot()
            .issuer_by_id(&issuer.id)
            .map_or(0, |view| view.overlay_len())
    }

    /// The current status of one certificate, and the entry it follows from.
    pub(super) fn truth(
        &self,
        issuer: &Issuer,
        basis: &Basis,
        serial: SerialNumber,
    ) -> Result<(ShardRecord, u64), AuthorityError> {
        let status = self
            .ledger
            .status(&issuer.id, &serial)?
            .ok_or(AuthorityError::NotInLedger { serial })?;
        let now = self.signing.clock().now();
        let record = shard_record(issuer, serial, &status, basis, now);
        Ok((record, status.sequence))
    }
}

/// The mask of a durable entry.
pub(super) fn mask_entry(entry: &AppliedEntry) -> MaskEntry {
    MaskEntry {
        serial: entry.serial,
        sequence: entry.record.sequence,
        status: record_status(&entry.record),
    }
}

/// What clients are shown by an entry, where that is a revocation, a hold or its end.
pub(super) fn shown(entry: &AppliedEntry) -> Option<Shown> {
    let record = &entry.record;
    let revocation = record
        .revocation
        .filter(|revoked| revoked.by_issuer.is_none());
    (revocation.is_some() || record.released).then_some(Shown {
        issuer: entry.issuer,
        serial: Some(entry.serial),
        sequence: record.sequence,
        recorded_ms: revocation.map_or(record.recorded_ms, |revoked| revoked.recorded_ms),
        revocation: revocation.map(|revoked| revoked.claim),
    })
}

/// What clients are shown where all certificates are revoked at once.
pub(super) fn shown_issuer(revoked: &RevokedIssuer) -> Shown {
    Shown {
        issuer: revoked.issuer,
        serial: None,
        sequence: revoked.sequence,
        recorded_ms: revoked.revocation.recorded_ms,
        revocation: Some(revoked.revocation.claim),
    }
}

/// The publication of a revocation of all certificates.
pub(super) fn issuer_revoked(revoked: &RevokedIssuer) -> Publication {
    Publication::IssuerRevoked {
        issuer: revoked.issuer,
        sequence: revoked.sequence,
        status: revocation_status(&revoked.revocation),
    }
}

/// What a segment says of a certificate with this status. One that is not answered any more at `now` has
/// its record all the same, unsigned: without one it would be taken for never issued.
///
/// An answer that was signed before that moment runs out by itself, and is not cut short: all answers of
/// a shard share their nextUpdate, and what it says stays true.
pub(super) fn shard_record(
    issuer: &Issuer,
    serial: SerialNumber,
    status: &StatusRecord,
    basis: &Basis,
    now: UnixTime,
) -> ShardRecord {
    let is_over = issuer.keep_expired.is_over(status.not_after(), now);
    ShardRecord {
        live_only: is_over || basis.live_only(status),
        serial,
        status: record_status(status),
        invalidity_date: status
            .revocation
            .and_then(|revoked| revoked.claim.invalidity_date),
    }
}

pub(super) fn record_status(status: &StatusRecord) -> RecordStatus {
    let revocation = status.revocation.as_ref();
    revocation.map_or(RecordStatus::Good, revocation_status)
}

pub(super) fn revocation_status(revocation: &Revocation) -> RecordStatus {
    RecordStatus::Revoked {
        revocation_time: revocation.signing_time(),
        reason: revocation.claim.reason,
    }
}

/// What the threads count, for `stats`.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) signing_failures: AtomicU64,
    pub(super) sealed: AtomicU64,
    pub(super) shards_signed: AtomicU64,
    pub(super) live_answers: AtomicU64,
    pub(super) live_refused: AtomicU64,
    pub(super) quarantined: AtomicU64,
    pub(super) panics: AtomicU64,
}

impl Counters {
    pub(super) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn signing_failed(&self) {
        self.signing_failures.fetch_add(1, Ordering::Relaxed);
    }
}

/// The calling end of a thread's bell. A bell that rings already need not be rung again.
#[derive(Clone)]
pub(super) struct Waker(SyncSender<()>);

impl Waker {
    pub(super) fn notify(&self) {
        match self.0.try_send(()) {
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}

/// The hearing end.
pub(super) struct Wake(Receiver<()>);

impl Wake {
    /// Sleeps until called or for `at_most`.
    pub(super) fn wait(&self, at_most: Duration) {
        match self.0.recv_timeout(at_most) {
            Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

pub(super) fn wake_pair() -> (Waker, Wake) {
    let (sender, receiver) = sync_channel(1);
    (Waker(sender), Wake(receiver))
}

/// What stops the authority or one of its works.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Signing a shard failed.
    #[error(transparent)]
    Presign(#[from] PresignError),
    /// Signing an answer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// Two issuers cannot be told apart.
    #[error(transparent)]
    IssuerTable(#[from] IssuerTableError),
    /// A certificate has ended.
    #[error(transparent)]
    Window(WindowError),
    /// A serial of the catalog is not in the ledger: the two do not belong together.
    #[error("serial {serial} is in the catalog but not in the ledger: was one of them restored?")]
    NotInLedger {
        /// The serial.
        serial: SerialNumber,
    },
    /// The catalog's segments speak for an entry that the ledger does not have.
    #[error(
        "the catalog in {} was signed from another ledger, or from a later state of this one: this \
         ledger has not the entry {sequence} that answers in the catalog speak for. To go on from a \
         backup without taking back what clients were shown, run `estelam restore BACKUP`; to go on with \
         this ledger as it is, move the catalog's folder away, and everything is signed again",
        folder.display()
    )]
    OtherLedger {
        /// The catalog's folder.
        folder: PathBuf,
        /// The entry.
        sequence: u64,
    },
    /// Nothing says which ledger the catalog's segments were signed from.
    #[error(
        "the file ledger.lineage in {} is missing or damaged, so nothing says whether the catalog there \
         was signed from this ledger: put it back, or move the catalog's folder away, and everything is \
         signed again (after `estelam restore BACKUP`, if the ledger comes from a backup)",
        folder.display()
    )]
    NoLineage {
        /// The catalog's folder.
        folder: PathBuf,
    },
    /// The system gives no more threads.
    #[error("cannot start a thread: {source}")]
    Thread {
        /// The system's reason.
        source: std::io::Error,
    },
}

impl AuthorityError {
    /// The signer's error, if that is what stopped it.
    pub(super) const fn of_signer(&self) -> Option<&SignerError> {
        match self {
            Self::Signer(error) | Self::Presign(PresignError::Signer(error)) => Some(error),
            _ => None,
        }
    }
}

impl From<&AuthorityError> for ErrorClass {
    fn from(error: &AuthorityError) -> Self {
        match error {
            AuthorityError::Ledger(error) => error.into(),
            AuthorityError::Catalog(
                CatalogError::NewerManifest { .. }
                | CatalogError::Segment(SegmentError::Header {
                    source: HeaderError::NewerVersion { .. },
                    ..
                }),
            ) => Self::NewerState,
            AuthorityError::Catalog(_) => Self::Storage,
            AuthorityError::OtherLedger { .. } | AuthorityError::NoLineage { .. } => Self::Damaged,
            AuthorityError::Signer(_)
            | AuthorityError::Presign(PresignError::Signer(_))
            | AuthorityError::Window(_) => Self::Key,
            _ => Self::Internal,
        }
    }
}

impl From<&AuthorityError> for OperationError {
    fn from(error: &AuthorityError) -> Self {
        Self::new(error.into(), with_causes(error))
    }
}
