//! The clocks of the operating system.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use super::Clock;

/// The wall by `CLOCK_REALTIME`, the time since the start by `CLOCK_BOOTTIME`, which runs on while
/// the machine is suspended (`CLOCK_MONOTONIC`, and so `std::time::Instant`, stands still): a laptop
/// or a virtual machine that wakes up has not had its clock stepped.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_millis(&self) -> u64 {
        #[allow(
            clippy::disallowed_methods,
            reason = "this is the one place that reads the wall; all else takes a `Clock`"
        )]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        since_epoch.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }

    fn monotonic(&self) -> Duration {
        // The kernel never gives a negative CLOCK_BOOTTIME.
        Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_milliseconds_and_the_monotonic_side_move_together() {
        let (wall, boot) = (SystemClock.now_millis(), SystemClock.monotonic());
        let now = SystemClock.now();

        assert!(now.as_secs() >= wall / 1_000 && now.as_secs() <= wall / 1_000 + 5);
        assert!(wall > 1_700_000_000_000, "{wall}");
        assert!(boot > Duration::ZERO && SystemClock.monotonic() >= boot);
    }
}
