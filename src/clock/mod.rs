//! The time: the only place that reads the system's clocks.
//!
//! Everything else takes a [`Clock`], so that a test decides what time it is. [`Guard`] stands
//! between the clock and whatever signs: it says when the clock can no longer be trusted to date a
//! signature. What pausing means for those who sign, and where the high-water mark is kept, is
//! theirs.

mod guard;
#[cfg(test)]
mod manual;
mod system;

pub use guard::{Acceptance, Guard, Pause};
#[cfg(test)]
pub use manual::ManualClock;
pub use system::SystemClock;

use std::time::Duration;

use crate::asn1::UnixTime;

/// What time it is, by the wall and by the time since the machine started.
pub trait Clock: Send + Sync {
    /// Wall time in milliseconds since 1970-01-01T00:00:00Z; 0 when the wall is before that.
    fn now_millis(&self) -> u64;

    /// Time that passed since some fixed moment, suspended time included: nobody can set it.
    fn monotonic(&self) -> Duration;

    /// Wall time in whole seconds, at most [`UnixTime::MAX`].
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.now_millis() / 1_000).unwrap_or(UnixTime::MAX)
    }
}
