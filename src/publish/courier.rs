//! Threads that bring each listing to each target.
//!
//! Each target has a thread of its own: one that is slow or dead delays no other, nor whoever announces.
//! Only the newest listing matters; those that came while a delivery was under way are left out. What
//! fails is tried again for ever, later and later.

use std::{
    hash::{BuildHasher as _, RandomState},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::target::{Delivery, Target, TargetError};
use crate::{asn1::UnixTime, catalog::crls::CrlListing, clock::Clock};

/// The threads.
pub struct Couriers {
    couriers: Vec<Courier>,
}

struct Courier {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// How a target is doing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TargetHealth {
    /// What operators call it.
    pub name: String,
    /// `folder`, `s3`, `gcs` or `azure`.
    pub kind: String,
    /// The generation of the newest listing that it should have; 0 before any.
    pub announced: u64,
    /// The generation of the last that arrived whole; 0 before any.
    pub delivered: u64,
    /// When the last delivery succeeded.
    pub last_success: Option<UnixTimeText>,
    /// How many tries in a row have failed.
    pub failures: u32,
    /// Why the last one did, in one line.
    pub error: Option<String>,
    /// For how many seconds it has lacked something that was announced.
    pub lag_s: u64,
    /// What an operator should know of it.
    pub remark: Option<String>,
}

/// A time as operators read it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct UnixTimeText(#[serde(with = "crate::catalog::crls::rfc3339")] pub UnixTime);

struct Shared {
    desk: Mutex<Desk>,
    rang: Condvar,
    is_stopping: AtomicBool,
}

/// What the thread and the others share.
struct Desk {
    newest: Option<Arc<CrlListing>>,
    /// Since when something announced has not arrived.
    lacks_since: Option<UnixTime>,
    health: TargetHealth,
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Whoever panicked with it left it as it was.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(SeqCst)
    }
}

impl Couriers {
    /// Starts a thread for each target. `shelf` is the folder that CRLs lie in.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub fn start(
        targets: Vec<Target>,
        shelf: &Path,
        clock: &Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let mut couriers = Self {
            couriers: Vec::new(),
        };
        for target in targets {
            let health = TargetHealth {
                name: target.name().to_owned(),
                kind: target.kind().to_owned(),
                announced: 0,
                delivered: target.delivered(),
                last_success: None,
                failures: 0,
                error: None,
                lag_s: 0,
                remark: None,
            };
            let shared = Arc::new(Shared {
                desk: Mutex::new(Desk {
                    newest: None,
                    lacks_since: None,
                    health,
                }),
                rang: Condvar::new(),
                is_stopping: AtomicBool::new(false),
            });
            let round = Round {
                target,
                shelf: shelf.to_owned(),
                clock: Arc::clone(clock),
                shared: Arc::clone(&shared),
                jitter: RandomState::new(),
            };
            let thread = std::thread::Builder::new().name("courier".to_owned());
            let thread = thread.spawn(move || round.walk())?;
            couriers.couriers.push(Courier {
                shared,
                thread: Some(thread),
            });
        }
        Ok(couriers)
    }

    /// Has a listing brought to every target, soon. Waits for nothing.
    pub fn announce(&self, listing: &Arc<CrlListing>, now: UnixTime) {
        for courier in &self.couriers {
            let mut desk = courier.shared.desk();
            let is_newer = listing.generation > desk.health.announced;
            if is_newer {
                desk.health.announced = listing.generation;
                desk.lacks_since = desk.lacks_since.or(Some(now));
                desk.newest = Some(Arc::clone(listing));
                courier.shared.rang.notify_all();
            }
        }
    }

    /// How each target is doing.
    #[must_use]
    pub fn health(&self, now: UnixTime) -> Vec<TargetHealth> {
        let health = |courier: &Courier| {
            let desk = courier.shared.desk();
            let mut health = desk.health.clone();
            health.lag_s = desk
                .lacks_since
                .map_or(0, |since| now.since(since).as_secs());
            health
        };
        self.couriers.iter().map(health).collect()
    }

    /// Ends the threads. A delivery under way is given up between two pieces; the next start goes on.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        for courier in &self.couriers {
            courier.shared.is_stopping.store(true, SeqCst);
            // Under the lock, so that nobody is between looking and waiting.
            let _desk = courier.shared.desk();
            courier.shared.rang.notify_all();
        }
        for courier in &mut self.couriers {
            if let Some(thread) = courier.thread.take() {
                // One that panicked has told already.
                drop(thread.join());
            }
        }
    }
}

impl Drop for Couriers {
    fn drop(&mut self) {
        self.end();
    }
}

/// Brings a listing to each target now, one after another: for a command without a server.
pub fn deliver_once(
    targets: &mut [Target],
    listing: &CrlListing,
    shelf: &Path,
    now: UnixTime,
) -> Vec<(String, Result<Delivery, TargetError>)> {
    let deliver = |target: &mut Target| {
        let delivered = target.deliver(listing, shelf, now, &|| false);
        (target.name().to_owned(), delivered)
    };
    targets.iter_mut().map(deliver).collect()
}

/// One thread's work.
struct Round {
    target: Target,
    shelf: PathBuf,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    jitter: RandomState,
}

impl Round {
    fn walk(mut self) {
        while let Some(listing) = self.next() {
            let shared = Arc::clone(&self.shared);
            let is_stopping = move || shared.is_stopping();
            let now = self.clock.now();
            let delivered = self
                .target
                .deliver(&listing, &self.shelf, now, &is_stopping);
            let failures = self.note(&listing, delivered);
            if failures > 0 {
                self.rest(failures);
            }
        }
    }

    /// The newest listing that has not arrived; waits until there is one, or it is time to end.
    fn next(&self) -> Option<Arc<CrlListing>> {
        let mut desk = self.shared.desk();
        loop {
            if self.shared.is_stopping() {
                return None;
            }
            if let Some(listing) = desk.newest.clone() {
                return Some(listing);
            }
            let waited = self.shared.rang.wait(desk);
            desk = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes what came of it; gives how many tries in a row have failed.
    fn note(&self, listing: &Arc<CrlListing>, delivered: Result<Delivery, TargetError>) -> u32 {
        let mut desk = self.shared.desk();
        desk.health.remark = self.target.remark();
        let name = self.target.name();
        let newest = desk.newest.as_ref();
        let is_newest = newest.is_some_and(|newest| Arc::ptr_eq(newest, listing));
        match delivered {
            Ok(delivery) => {
                if is_newest {
                    desk.newest = None;
                    desk.lacks_since = None;
                }
                desk.health.delivered = delivery.generation;
                desk.health.last_success = Some(UnixTimeText(self.clock.now()));
                let generation = delivery.generation;
                match desk.health.error.take() {
                    None => tracing::info!(target = name, generation, "CRLs brought"),
                    Some(_) => tracing::info!(target = name, generation, "CRLs brought again"),
                }
                desk.health.failures = 0;
            }
            Err(TargetError::Stopped) => {}
            // Its CRLs may be gone already: what counts is how the newest fares.
            Err(_) if !is_newest => return 0,
            Err(error) => {
                let error = error.to_string();
                // One line for each way to fail, not for each try.
                if desk.health.error.as_ref() != Some(&error) {
                    tracing::error!(
                        target = name,
                        "CRLs did not all get there, it is tried again: {error}"
                    );
                }
                desk.health.error = Some(error);
                desk.health.failures = desk.health.failures.saturating_add(1);
            }
        }
        desk.health.failures
    }

    /// Waits after a failure: a second, then twice as long each time, up to five minutes, less up to a
    /// quarter. What is announced meanwhile waits with the rest.
    fn rest(&self, failures: u32) {
        let factor = 1_u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let wait = FIRST_REST.saturating_mul(factor).min(LONGEST_REST);
        let share = u32::try_from(self.jitter.hash_one(failures) % 250).unwrap_or(0);
        let wait = wait.saturating_sub(wait.saturating_mul(share) / 1_000);
        let desk = self.shared.desk();
        let until_stopped = |_: &mut Desk| !self.shared.is_stopping();
        drop(
            self.shared
                .rang
                .wait_timeout_while(desk, wait, until_stopped),
        );
    }
}

const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(300);
