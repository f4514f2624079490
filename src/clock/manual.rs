//! A clock that stands still until a test moves it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::Clock;
use crate::asn1::UnixTime;

/// A clock for tests: both sides move only when told to.
#[derive(Debug)]
pub struct ManualClock {
    wall_millis: AtomicU64,
    monotonic_millis: AtomicU64,
}

impl ManualClock {
    /// A clock whose wall shows `now`.
    #[must_use]
    pub const fn new(now: UnixTime) -> Self {
        Self {
            wall_millis: AtomicU64::new(now.as_secs().saturating_mul(1_000)),
            monotonic_millis: AtomicU64::new(60_000),
        }
    }

    /// Time passes, on both sides.
    pub fn advance(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.wall_millis.fetch_add(millis, Ordering::SeqCst);
        self.monotonic_millis.fetch_add(millis, Ordering::SeqCst);
    }

    /// Somebody moves the wall by so many milliseconds, forwards or back; no time passes.
    pub fn step_wall_millis(&self, millis: i64) {
        let wall = self.wall_millis.load(Ordering::SeqCst);
        self.wall_millis
            .store(wall.saturating_add_signed(millis), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_millis(&self) -> u64 {
        self.wall_millis.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic_millis.load(Ordering::SeqCst))
    }
}
