//! Which feed is looked at next: a heap of what is due, and how long to wait after failures.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// What is due when, by the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// The time, and the number of the feed.
    due: BinaryHeap<Reverse<(Duration, usize)>>,
}

impl Agenda {
    /// Puts a feed on the agenda.
    pub(super) fn add(&mut self, feed: usize, due: Duration) {
        self.due.push(Reverse((due, feed)));
    }

    /// Takes the feed that has waited longest, if one is due.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<usize> {
        let Reverse((due, _)) = self.due.peek()?;
        if *due > now {
            return None;
        }
        self.due.pop().map(|Reverse((_, feed))| feed)
    }

    /// How long until one is due; `None` when there is none.
    pub(super) fn until_next(&self, now: Duration) -> Option<Duration> {
        let Reverse((due, _)) = self.due.peek()?;
        Some(due.saturating_sub(now))
    }

    /// Puts a feed that is on the agenda first; false if it is not there.
    pub(super) fn hasten(&mut self, feed: usize, now: Duration) -> bool {
        let before = self.due.len();
        self.due.retain(|Reverse((_, other))| *other != feed);
        let was_there = self.due.len() < before;
        if was_there {
            self.add(feed, now);
        }
        was_there
    }
}

/// How long to wait after so many failures in a row: the interval (or a second), twice as long each time, at
/// most `longest` or the interval. `jitter` is a random number: up to a quarter is taken off, so that
/// feeds that failed together do not come back together.
pub(super) fn backoff(
    interval: Duration,
    failures: u64,
    longest: Duration,
    jitter: u64,
) -> Duration {
    let first = interval.max(Duration::from_secs(1));
    let doublings = u32::try_from(failures.saturating_sub(1).min(30)).unwrap_or(30);
    let wait = first
        .saturating_mul(1_u32 << doublings)
        .min(longest.max(interval));
    let quarter = wait / 4;
    let part = u32::try_from(jitter % 1_024).unwrap_or(0);
    wait.saturating_sub(quarter.saturating_mul(part) / 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_one_that_waited_longest_is_first() {
        let mut agenda = Agenda::default();
        for (feed, due) in [(1, 30), (2, 10), (3, 20)] {
            agenda.add(feed, secs(due));
        }
        assert_eq!(agenda.take_due(secs(9)), None);
        assert_eq!(agenda.until_next(secs(4)), Some(secs(6)));
        assert_eq!(agenda.take_due(secs(25)), Some(2));
        assert_eq!(agenda.take_due(secs(25)), Some(3));
        assert_eq!(agenda.take_due(secs(25)), None);
        assert!(agenda.hasten(1, secs(25)));
        assert_eq!(agenda.take_due(secs(25)), Some(1));
        // It is being polled: on the agenda again when it is done.
        assert!(!agenda.hasten(1, secs(25)));
        assert_eq!(agenda.until_next(secs(25)), None);
    }

    #[test]
    fn failures_wait_longer_and_longer_up_to_a_limit() {
        let wait = |interval, failures| backoff(interval, failures, secs(900), 0);
        assert_eq!(wait(secs(1), 1), secs(1));
        assert_eq!(wait(secs(1), 4), secs(8));
        assert_eq!(wait(secs(1), 11), secs(900));
        assert_eq!(wait(secs(1), u64::MAX), secs(900));
        assert_eq!(wait(Duration::from_millis(100), 1), secs(1));
        // One that is looked at once a day is not looked at more often for failing.
        assert_eq!(wait(secs(86_400), 3), secs(86_400));
        for jitter in [0, 1, 1_023, u64::MAX] {
            let wait = backoff(secs(100), 1, secs(900), jitter);
            assert!((secs(75)..=secs(100)).contains(&wait), "{wait:?}");
        }
    }
}
