//! What the threads of the feeds share, and what each of them does.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::asn1::UnixTime;
use crate::authority::runtime::{Shared, Wake};
use crate::authority::{AuthorityError, Clerk};
use crate::catalog::Publication;
use crate::clock::Clock;
use crate::config::{Feed, WhenStale};
use crate::feed::live::{
    FeedDesk, FeedError, FeedErrorKind, FeedIssuer, FeedKey, LiveSource, Polled,
};
use crate::identity::IssuerId;

use super::agenda::{Agenda, backoff};
use super::board::FeedBoard;
use super::desk::ClerkDesk;
use super::hands::Hands;
use super::memory::Memory;
use super::sources;

/// What the threads share.
pub(super) struct Room {
    pub(super) shared: Arc<Shared>,
    pub(super) clerk: Clerk,
    pub(super) memory: Memory,
    pub(super) board: Arc<FeedBoard>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) feeds: Vec<Configured>,
    pub(super) files: Queue,
    pub(super) remote: Queue,
    pub(super) jitter: RandomState,
    pub(super) threads: Mutex<Vec<JoinHandle<()>>>,
    /// The issuers that are stale, as far as the catalog was told.
    pub(super) stale: Mutex<BTreeSet<IssuerId>>,
}

/// One feed as configured.
pub(super) struct Configured {
    pub(super) key: FeedKey,
    pub(super) issuer: FeedIssuer,
    pub(super) settings: Feed,
    /// `None` while it is polled, and where nothing is to be polled.
    pub(super) source: Mutex<Option<Box<dyn LiveSource>>>,
    /// Whether the next poll takes what looks wrong.
    pub(super) accept: AtomicBool,
    /// Whether it is to be polled again as soon as it is through.
    pub(super) again: AtomicBool,
}

/// What one sort of threads has before it.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) agenda: Mutex<Agenda>,
    pub(super) bell: Condvar,
    pub(super) hands: Hands,
}

impl Queue {
    pub(super) fn agenda(&self) -> MutexGuard<'_, Agenda> {
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Configured {
    pub(super) fn source(&self) -> MutexGuard<'_, Option<Box<dyn LiveSource>>> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    pub(super) fn queue(&self, feed: &Configured) -> &Queue {
        if feed.settings.kind().is_remote() {
            &self.remote
        } else {
            &self.files
        }
    }

    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Polls what is due, until it is time to stop.
    pub(super) fn work(&self, is_remote: bool) {
        let queue = if is_remote { &self.remote } else { &self.files };
        while let Some(number) = self.next(queue) {
            let Some(feed) = self.feeds.get(number) else {
                continue;
            };
            queue.hands.takes(number, self.clock.monotonic());
            let wait = self.poll(feed);
            let wait = match feed.again.swap(false, Ordering::SeqCst) {
                // Somebody asked while it was polled.
                true => Duration::ZERO,
                false => wait,
            };
            let due = self.clock.monotonic().saturating_add(wait);
            queue.agenda().add(number, due);
            queue.bell.notify_one();
            if !queue.hands.is_back(number, self.clock.monotonic()) {
                return;
            }
        }
    }

    /// Gets threads in the place of those that hang in a poll, which no system call can be called out of.
    fn replace_hung(self: &Arc<Self>, told: &mut BTreeSet<usize>) {
        let mut hanging = BTreeSet::new();
        for (queue, is_remote, name) in [(&self.files, false, FILES), (&self.remote, true, REMOTE)]
        {
            let (hung, spares) = queue.hands.spares_for(self.clock.monotonic());
            for _ in 0..spares {
                let room = Arc::clone(self);
                if let Err(error) = self.spawn(name, move || room.work(is_remote)) {
                    queue.hands.lacks_one();
                    tracing::error!(%error, "no thread can be had in the place of one that hangs");
                }
            }
            hanging.extend(hung);
        }
        for number in hanging.difference(told) {
            let Some(Configured { key, .. }) = self.feeds.get(*number) else {
                continue;
            };
            tracing::warn!(
                issuer = key.issuer,
                feed = key.feed,
                "a look at the source does not come back, as on a network file system whose server is gone; \
                 the other feeds go on without it"
            );
        }
        *told = hanging;
    }

    /// Starts a thread that is waited for at the end.
    pub(super) fn spawn(
        &self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), AuthorityError> {
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread
            .spawn(work)
            .map_err(|source| AuthorityError::Thread { source })?;
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(())
    }

    /// Waits for all threads, and not for ever: one that hangs in a system call ends with the process.
    pub(super) fn join(&self) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waited = Duration::ZERO;
        while !threads.is_empty() {
            for thread in threads.extract_if(.., |thread| thread.is_finished()) {
                if thread.join().is_err() {
                    tracing::error!("a thread of the feeds had panicked");
                }
            }
            if waited >= END_WAIT {
                let left = threads.len();
                tracing::warn!(
                    left,
                    "looks at feeds do not come back: they are not waited for"
                );
                return;
            }
            std::thread::park_timeout(END_LOOK);
            waited = waited.saturating_add(END_LOOK);
        }
    }

    /// Waits for a feed that is due; `None` when it is time to stop.
    fn next(&self, queue: &Queue) -> Option<usize> {
        let mut agenda = queue.agenda();
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
            let (woken, _) = queue
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
        let polled = guarded(&mut source, &desk, self.clock.now(), || {
            self.shared.counters.panicked();
            tracing::error!(
                issuer = key.issuer,
                feed = key.feed,
                "the feed panicked, which is a defect of this program: please report it; it goes on"
            );
            let folder = self.memory.folder();
            let source = sources::source(key, &feed.issuer, settings, folder);
            source.unwrap_or_else(|| Box::new(Nothing))
        });
        let longest = source.longest_backoff();
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
    pub(super) fn watch_freshness(self: &Arc<Self>, woken: &Wake) {
        let mut kept = self.clock.monotonic();
        let mut hanging = BTreeSet::new();
        while !self.stopping() {
            if let Err(error) = self.tell_freshness() {
                tracing::error!(%error, "the catalog could not be told which issuers are stale");
            }
            let now = self.clock.monotonic();
            if now.saturating_sub(kept) >= KEEP_EVERY {
                kept = now;
                self.keep();
                self.replace_hung(&mut hanging);
            }
            let wait = self.board.until_next_stale().unwrap_or(LONGEST_WAIT);
            woken.wait(wait.min(KEEP_EVERY).max(Duration::from_millis(1)));
        }
    }

    /// Tells the catalog and the signers what changed.
    pub(super) fn tell_freshness(&self) -> Result<(), AuthorityError> {
        let mut told = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        let stale = self.board.stale_issuers();
        for id in stale.symmetric_difference(&told) {
            let is_stale = stale.contains(id);
            let Some(issuer) = self.shared.issuers.by_id(id) else {
                continue;
            };
            let name = &issuer.name;
            if issuer.when_stale == WhenStale::TryLater {
                issuer.set_held_back(is_stale);
                self.shared.publish(&[Publication::Freshness {
                    issuer: *id,
                    stale: is_stale,
                }])?;
            }
            // Told when it is so.
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
    pub(super) fn keep(&self) {
        let feeds = self.board.to_keep();
        if feeds.is_empty() {
            return;
        }
        if let Err(error) = self.memory.keep(&self.shared.ledger, &feeds) {
            tracing::warn!(%error, "the feeds' last successes could not be kept for the next start");
        }
    }
}

/// Polls a source. One that panics is dropped, with whatever state it was in, for one that `anew` makes;
/// what it had brought in is in the ledger, whole.
fn guarded(
    source: &mut Box<dyn LiveSource>,
    desk: &dyn FeedDesk,
    now: UnixTime,
    anew: impl FnOnce() -> Box<dyn LiveSource>,
) -> Result<Polled, FeedError> {
    let polled = catch_unwind(AssertUnwindSafe(|| source.poll(desk, now)));
    polled.unwrap_or_else(|_| {
        *source = anew();
        let message = "it panicked, which is a defect of this program: see the log, and report it";
        Err(FeedError::new(FeedErrorKind::Defect, message))
    })
}

/// Takes the place of a source that cannot be made again.
struct Nothing;

impl LiveSource for Nothing {
    fn poll(&mut self, _: &dyn FeedDesk, _: UnixTime) -> Result<Polled, FeedError> {
        Err(FeedError::new(FeedErrorKind::Defect, "there is no source"))
    }
}

/// What the threads are called.
pub(super) const FILES: &str = "feed";
pub(super) const REMOTE: &str = "feed-net";
/// How long the end waits for polls, which look at `stop` now and then, and how often it looks.
const END_WAIT: Duration = Duration::from_secs(30);
const END_LOOK: Duration = Duration::from_millis(5);
const SHORTEST_WAIT: Duration = Duration::from_millis(50);
/// Nobody waits longer without a look around.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// However long the other side wants us to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// How often the last successes are written down. Killed, the next start knows of one that is older by
/// that: an issuer can only be stale too early.
const KEEP_EVERY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::io::BufRead;

    use super::*;
    use crate::feed::live::Rows;
    use crate::feed::{ImportReport, ImportRequest};

    struct NoDesk;

    impl FeedDesk for NoDesk {
        fn import(
            &self,
            _: &str,
            _: ImportRequest,
            _: &mut dyn BufRead,
        ) -> Result<ImportReport, FeedError> {
            Err(FeedError::stopped())
        }

        fn take(&self, _: &str, _: &Rows) -> Result<ImportReport, FeedError> {
            Err(FeedError::stopped())
        }

        fn remembered(&self) -> Result<Option<String>, FeedError> {
            Ok(None)
        }

        fn remember(&self, _: &str) -> Result<(), FeedError> {
            Ok(())
        }

        fn is_accepted(&self) -> bool {
            false
        }

        fn is_stopping(&self) -> bool {
            false
        }
    }

    struct Panics;

    impl LiveSource for Panics {
        fn poll(&mut self, _: &dyn FeedDesk, _: UnixTime) -> Result<Polled, FeedError> {
            panic!("a defect")
        }
    }

    struct Works;

    impl LiveSource for Works {
        fn poll(&mut self, _: &dyn FeedDesk, _: UnixTime) -> Result<Polled, FeedError> {
            Ok(Polled::unchanged())
        }
    }

    #[test]
    fn a_source_that_panics_is_made_anew() {
        let mut source: Box<dyn LiveSource> = Box::new(Panics);
        let mut poll = || guarded(&mut source, &NoDesk, UnixTime::EPOCH, || Box::new(Works));
        assert_eq!(poll().unwrap_err().kind, FeedErrorKind::Defect);
        assert!(poll().is_ok());
    }
}
