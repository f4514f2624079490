//! Looks at the feeds while the server runs.
//!
//! A few threads take what is due from an [`Agenda`](agenda::Agenda): some for files, some for what may
//! wait for another machine, so that a database that does not answer holds up no file. A feed is polled
//! by one thread at a time. One that fails is looked at less and less often; one that panics is made
//! anew, and none of the others notices. The *freshness* thread marks issuers stale and fresh, and keeps
//! what a restart must know.

mod agenda;
mod board;
mod desk;
mod health;
mod memory;
mod sources;

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::runtime::{Shared, Waker, wake_pair};
use super::{AuthorityError, Clerk, ErrorClass, OperationError};
use crate::catalog::Publication;
use crate::clock::Clock;
use crate::config::{Feed, WhenStale};
use crate::feed::live::{FeedError, FeedErrorKind, FeedIssuer, FeedKey, LiveSource, Polled};
use crate::identity::IssuerId;

use agenda::{Agenda, backoff};
use desk::ClerkDesk;
use memory::Memory;

pub use board::FeedBoard;
pub use health::{FeedFault, FeedHealth, FeedState};

/// The feeds of a running server.
pub struct Feeding {
    room: Arc<Room>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    freshness: Waker,
}

/// What the threads share.
struct Room {
    shared: Arc<Shared>,
    clerk: Clerk,
    memory: Memory,
    board: Arc<FeedBoard>,
    clock: Arc<dyn Clock>,
    stop: Arc<AtomicBool>,
    feeds: Vec<Configured>,
    files: Desk,
    remote: Desk,
    jitter: RandomState,
    /// The issuers that are stale, as far as the catalog was told.
    stale: Mutex<BTreeSet<IssuerId>>,
}

/// One feed as configured.
struct Configured {
    key: FeedKey,
    issuer: FeedIssuer,
    settings: Feed,
    /// `None` while it is polled, and where nothing is to be polled.
    source: Mutex<Option<Box<dyn LiveSource>>>,
    /// Whether the next poll takes what looks wrong.
    accept: AtomicBool,
    /// Whether it is to be polled again as soon as it is through.
    again: AtomicBool,
}

/// What one sort of threads has before it.
#[derive(Default)]
struct Desk {
    agenda: Mutex<Agenda>,
    bell: Condvar,
}

impl Desk {
    fn agenda(&self) -> MutexGuard<'_, Agenda> {
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feeding {
    /// Starts looking at all feeds of the authority's issuers; the first poll of each is at once. What
    /// was stale when the server stopped is stale when this returns.
    ///
    /// # Errors
    /// [`AuthorityError`] when the folder for what they remember cannot be made, the ledger cannot be read,
    /// or there are no threads to be had.
    pub(super) fn start(
        shared: &Arc<Shared>,
        clerk: Clerk,
        folder: &Path,
    ) -> Result<Self, AuthorityError> {
        let clock = Arc::clone(shared.signing.clock());
        let memory = Memory::open(folder).map_err(|error| AuthorityError::Catalog(error.into()))?;
        let kept = memory.kept(&shared.ledger, clock.now())?;
        let (freshness, freshness_woken) = wake_pair();
        let feeds = configured(shared, folder);
        let board = {
            let freshness = freshness.clone();
            let clock = Arc::clone(&clock);
            let rows = feeds
                .iter()
                .map(|feed| (feed.key.clone(), feed.issuer.id, &feed.settings));
            let on_fresh = move || freshness.notify();
            Arc::new(FeedBoard::new(rows, clock, &kept, on_fresh))
        };
        let stop = Arc::new(AtomicBool::new(false));
        let room = Arc::new(Room {
            shared: Arc::clone(shared),
            clerk: clerk.until(&stop),
            memory,
            board,
            stop,
            feeds,
            files: Desk::default(),
            remote: Desk::default(),
            jitter: RandomState::new(),
            stale: Mutex::default(),
            clock,
        });
        // Before anybody is answered.
        room.tell_freshness()?;
        room.keep();
        let now = room.clock.monotonic();
        for (number, feed) in (0..).zip(&room.feeds) {
            if feed.source().is_some() {
                room.desk(feed).agenda().add(number, now);
            }
        }
        let mut threads = Vec::new();
        for (is_remote, name, most) in [
            (false, "feed", FILE_THREADS),
            (true, "feed-net", REMOTE_THREADS),
        ] {
            let feeds = room.feeds.iter();
            let feeds = feeds.filter(|feed| feed.settings.kind().is_remote() == is_remote);
            let count = feeds
                .filter(|feed| feed.source().is_some())
                .count()
                .min(most);
            for _ in 0..count {
                let room = Arc::clone(&room);
                threads.push(spawn(name, move || room.work(is_remote))?);
            }
        }
        if !room.feeds.is_empty() {
            let room = Arc::clone(&room);
            threads.push(spawn("freshness", move || {
                room.watch_freshness(&freshness_woken);
            })?);
        }
        Ok(Self {
            room,
            threads: Mutex::new(threads),
            freshness,
        })
    }

    /// How the feeds are.
    #[must_use]
    pub fn board(&self) -> &Arc<FeedBoard> {
        &self.room.board
    }

    /// Polls a feed at once; with `accept`, it also takes what looks wrong with its source as a whole.
    ///
    /// # Errors
    /// When there is no such feed, or it is one that is not polled.
    pub fn poll(&self, key: &FeedKey, accept: bool) -> Result<(), OperationError> {
        let room = &self.room;
        let found = (0..).zip(&room.feeds).find(|(_, feed)| feed.key == *key);
        let usage = |message| OperationError::new(ErrorClass::Usage, message);
        let Some((number, feed)) = found else {
            let known: Vec<String> = (room.feeds.iter())
                .filter(|feed| feed.key.issuer == key.issuer)
                .map(|feed| feed.key.feed.clone())
                .collect();
            return Err(usage(match known.as_slice() {
                [] => format!("issuer {:?} has no feed", key.issuer),
                known => format!(
                    "issuer {:?} has no feed {:?}; it has: {}",
                    key.issuer,
                    key.feed,
                    known.join(", ")
                ),
            }));
        };
        if feed.settings.interval().is_none() {
            return Err(usage(format!("{key} is not polled: it comes by itself")));
        }
        if accept {
            feed.accept.store(true, Ordering::SeqCst);
        }
        feed.again.store(true, Ordering::SeqCst);
        let desk = room.desk(feed);
        desk.agenda().hasten(number, room.clock.monotonic());
        desk.bell.notify_all();
        Ok(())
    }

    /// The same, and waits until that poll is through; how the feed is then. Gives up waiting after a while:
    /// the poll goes on.
    ///
    /// # Errors
    /// As [`Feeding::poll`].
    pub fn poll_and_wait(&self, key: &FeedKey, accept: bool) -> Result<FeedHealth, OperationError> {
        let board = self.board();
        let before = board.polls(key);
        // One that is under way began before it was asked for.
        let enough = before
            .ended
            .saturating_add(if before.is_running { 2 } else { 1 });
        self.poll(key, accept)?;
        let mut waited = Duration::ZERO;
        while board.polls(key).ended < enough && waited < POLL_WAIT && !self.room.stopping() {
            std::thread::park_timeout(POLL_LOOK);
            waited = waited.saturating_add(POLL_LOOK);
        }
        let health = board.health().into_iter();
        let mut health = health.filter(|feed| feed.issuer == key.issuer && feed.name == key.feed);
        let gone =
            || OperationError::new(ErrorClass::Internal, format!("{key} is not on the board"));
        health.next().ok_or_else(gone)
    }

    /// Stops the threads and waits for them.
    pub(super) fn stop(&self) {
        let room = &self.room;
        room.stop.store(true, Ordering::SeqCst);
        for desk in [&room.files, &room.remote] {
            // Nobody is between looking at `stop` and waiting for the bell.
            drop(desk.agenda());
            desk.bell.notify_all();
        }
        self.freshness.notify();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the feeds had panicked");
            }
        }
        room.keep();
    }
}

/// Every feed of every issuer, with its source.
fn configured(shared: &Shared, folder: &Path) -> Vec<Configured> {
    let mut all = Vec::new();
    for issuer in shared.issuers.iter() {
        for settings in &issuer.feeds {
            let key = FeedKey {
                issuer: issuer.name.clone(),
                feed: settings.name().to_owned(),
            };
            let owner = FeedIssuer {
                name: issuer.name.clone(),
                id: issuer.id,
                certificate: Arc::clone(&issuer.certificate),
                crl_signers: issuer.crl_signers.clone(),
            };
            all.push(Configured {
                source: Mutex::new(sources::source(&key, &owner, settings, folder)),
                key,
                issuer: owner,
                settings: settings.clone(),
                accept: AtomicBool::new(false),
                again: AtomicBool::new(false),
            });
        }
    }
    all
}

impl Configured {
    fn source(&self) -> MutexGuard<'_, Option<Box<dyn LiveSource>>> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn desk(&self, feed: &Configured) -> &Desk {
        if feed.settings.kind().is_remote() {
            &self.remote
        } else {
            &self.files
        }
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Polls what is due, until it is time to stop.
    fn work(&self, is_remote: bool) {
        let desk = if is_remote { &self.remote } else { &self.files };
        while let Some(number) = self.next(desk) {
            let Some(feed) = self.feeds.get(number) else {
                continue;
            };
            let wait = self.poll(feed);
            let wait = match feed.again.swap(false, Ordering::SeqCst) {
                // Somebody asked while it was polled.
                true => Duration::ZERO,
                false => wait,
            };
            let due = self.clock.monotonic().saturating_add(wait);
            desk.agenda().add(number, due);
            desk.bell.notify_one();
        }
    }

    /// Waits for a feed that is due; `None` when it is time to stop.
    fn next(&self, desk: &Desk) -> Option<usize> {
        let mut agenda = desk.agenda();
        loop {
            if self.stopping() {
                return None;
            }
            let now = self.clock.monotonic();
            if let Some(number) = agenda.take_due(now) {
                return Some(number);
            }
            let wait = agenda
                .until_next(now)
                .unwrap_or(LONGEST_WAIT)
                .min(LONGEST_WAIT);
            let (woken, _) = desk
                .bell
                .wait_timeout(agenda, wait)
                .unwrap_or_else(PoisonError::into_inner);
            agenda = woken;
        }
    }

    /// Polls one feed and tells the board; how long until its next poll.
    fn poll(&self, feed: &Configured) -> Duration {
        let Configured { key, settings, .. } = feed;
        let Some(mut source) = feed.source().take() else {
            return LONGEST_WAIT;
        };
        feed.again.store(false, Ordering::SeqCst);
        let desk = ClerkDesk {
            clerk: &self.clerk,
            memory: &self.memory,
            stop: &self.stop,
            key,
            kind: settings.kind(),
            issuer: feed.issuer.id,
            is_accepted: feed.accept.swap(false, Ordering::SeqCst),
        };
        self.board.begins(key);
        let now = self.clock.now();
        // A source that panicked is dropped; what it had brought in is in the ledger, whole.
        let polled = catch_unwind(AssertUnwindSafe(|| source.poll(&desk, now)));
        let longest = source.longest_backoff();
        let polled = polled.unwrap_or_else(|_| {
            self.shared.counters.panicked();
            tracing::error!(
                issuer = key.issuer,
                feed = key.feed,
                "the feed panicked, which is a defect of this program: please report it; it goes on"
            );
            drop(std::mem::replace(
                &mut source,
                sources::source(key, &feed.issuer, settings, self.memory.folder())
                    .unwrap_or_else(|| Box::new(Nothing)),
            ));
            let message =
                "it panicked, which is a defect of this program: see the log, and report it";
            Err(FeedError::new(FeedErrorKind::Defect, message))
        });
        *feed.source() = Some(source);
        let interval = settings.interval().unwrap_or(LONGEST_WAIT);
        let now = self.clock.now();
        match polled {
            Ok(polled) => {
                let wait = polled.next.unwrap_or(interval).max(SHORTEST_WAIT);
                self.board
                    .succeeded(key, &polled, Some(now.saturating_add(wait)));
                wait
            }
            Err(error) => {
                let failures = self.board.failures(key).saturating_add(1);
                let jitter = self.jitter.hash_one((key, failures));
                let wait = backoff(interval, failures, longest, jitter);
                let wait = wait.max(error.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX));
                self.board
                    .failed(key, &error, Some(now.saturating_add(wait)));
                wait
            }
        }
    }

    /// Marks issuers stale and fresh again, until it is time to stop.
    fn watch_freshness(&self, woken: &super::runtime::Wake) {
        let mut kept = self.clock.monotonic();
        while !self.stopping() {
            if let Err(error) = self.tell_freshness() {
                tracing::error!(%error, "the catalog could not be told which issuers are stale");
            }
            let now = self.clock.monotonic();
            if now.saturating_sub(kept) >= KEEP_EVERY {
                kept = now;
                self.keep();
            }
            let wait = self.board.until_next_stale().unwrap_or(LONGEST_WAIT);
            woken.wait(wait.min(KEEP_EVERY).max(Duration::from_millis(1)));
        }
    }

    /// Tells the catalog and the signers what changed.
    fn tell_freshness(&self) -> Result<(), AuthorityError> {
        let mut told = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        let stale = self.board.stale_issuers();
        for id in stale.symmetric_difference(&told) {
            let is_stale = stale.contains(id);
            let Some(issuer) = self.shared.issuers.by_id(id) else {
                continue;
            };
            let name = &issuer.name;
            match (is_stale, issuer.when_stale) {
                (true, WhenStale::TryLater) => tracing::error!(
                    issuer = name,
                    "a feed has been without success for its stale_after: every answer but \"revoked\" is \
                     tryLater until it works again (`estelam feed list` says why)"
                ),
                (true, WhenStale::Serve) => tracing::error!(
                    issuer = name,
                    "a feed has been without success for its stale_after; what was known last is served \
                     on, as configured (`estelam feed list` says why)"
                ),
                (false, _) => tracing::info!(issuer = name, "all its feeds are fresh again"),
            }
            if issuer.when_stale == WhenStale::TryLater {
                issuer.set_held_back(is_stale);
                self.shared.publish(&[Publication::Freshness {
                    issuer: *id,
                    stale: is_stale,
                }])?;
            }
        }
        if *told != stale {
            *told = stale;
            self.shared.renewal_wake.notify();
            self.shared.keeper_wake.notify();
        }
        Ok(())
    }

    /// Keeps what the next start must know. A failure is told and tried again: what is there is older,
    /// so that at worst an issuer is stale too early.
    fn keep(&self) {
        let feeds = self.board.to_keep();
        if feeds.is_empty() {
            return;
        }
        if let Err(error) = self.memory.keep(&self.shared.ledger, &feeds) {
            tracing::warn!(%error, "the feeds' last successes could not be kept for the next start");
        }
    }
}

/// Takes the place of a source that cannot be made again.
struct Nothing;

impl LiveSource for Nothing {
    fn poll(
        &mut self,
        _: &dyn crate::feed::live::FeedDesk,
        _: crate::asn1::UnixTime,
    ) -> Result<Polled, FeedError> {
        Err(FeedError::new(FeedErrorKind::Defect, "there is no source"))
    }
}

fn spawn(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, AuthorityError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|source| AuthorityError::Thread { source })
}

/// A look at a file takes microseconds, and reading one is bounded by the disk.
const FILE_THREADS: usize = 4;
/// Each may wait for another machine that does not answer.
const REMOTE_THREADS: usize = 16;
/// How long an operator waits for a poll, and how often it is looked at meanwhile.
const POLL_WAIT: Duration = Duration::from_secs(60);
const POLL_LOOK: Duration = Duration::from_millis(20);
const SHORTEST_WAIT: Duration = Duration::from_millis(50);
/// Nobody waits longer without a look around.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// However long the other side wants us to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// How often the last successes are written down. Killed, the next start knows of one that is older by
/// that: an issuer can only be stale too early.
const KEEP_EVERY: Duration = Duration::from_secs(5);
