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
mod hands;
mod health;
mod memory;
mod room;
mod sources;

use std::hash::RandomState;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::runtime::{Shared, Waker, wake_pair};
use super::{AuthorityError, Clerk, ErrorClass, OperationError};
use crate::feed::live::{FeedIssuer, FeedKey};

use memory::Memory;
use room::{Configured, Queue, Room};

pub use board::FeedBoard;
pub use health::{FeedFault, FeedHealth, FeedState};

/// The feeds of a running server.
pub struct Feeding {
    room: Arc<Room>,
    freshness: Waker,
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
            files: Queue::default(),
            remote: Queue::default(),
            jitter: RandomState::new(),
            threads: Mutex::default(),
            stale: Mutex::default(),
            clock,
        });
        // Before anybody is answered.
        room.tell_freshness()?;
        room.keep();
        let now = room.clock.monotonic();
        for (number, feed) in (0..).zip(&room.feeds) {
            if feed.source().is_some() {
                room.queue(feed).agenda().add(number, now);
            }
        }
        for (is_remote, name, most) in [
            (false, room::FILES, FILE_THREADS),
            (true, room::REMOTE, REMOTE_THREADS),
        ] {
            let feeds = room.feeds.iter();
            let feeds = feeds.filter(|feed| feed.settings.kind().is_remote() == is_remote);
            let count = feeds
                .filter(|feed| feed.source().is_some())
                .count()
                .min(most);
            let queue = if is_remote { &room.remote } else { &room.files };
            queue.hands.begin_with(count);
            for _ in 0..count {
                let worker = Arc::clone(&room);
                room.spawn(name, move || worker.work(is_remote))?;
            }
        }
        if !room.feeds.is_empty() {
            let watcher = Arc::clone(&room);
            room.spawn("freshness", move || {
                watcher.watch_freshness(&freshness_woken);
            })?;
        }
        Ok(Self { room, freshness })
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
        let queue = room.queue(feed);
        queue.agenda().hasten(number, room.clock.monotonic());
        queue.bell.notify_all();
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
        for queue in [&room.files, &room.remote] {
            // Nobody is between looking at `stop` and waiting for the bell.
            drop(queue.agenda());
            queue.bell.notify_all();
        }
        self.freshness.notify();
        room.join();
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

/// A look at a file takes microseconds, and reading one is bounded by the disk.
const FILE_THREADS: usize = 4;
/// Each may wait for another machine that does not answer.
const REMOTE_THREADS: usize = 16;
/// How long an operator waits for a poll, and how often it is looked at meanwhile.
const POLL_WAIT: Duration = Duration::from_secs(60);
const POLL_LOOK: Duration = Duration::from_millis(20);
