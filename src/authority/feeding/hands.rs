//! How many threads of one sort there are, and how many there should be.
//!
//! A look at a file takes microseconds, unless it lies on a network file system whose server is gone: then
//! the system call does not come back, nothing can call it off, and a few such feeds would hold up all
//! others. So a thread that has been in one poll for [`HUNG_AFTER`] is counted out and a spare one takes
//! its place, up to a bound; when it comes back after all, there is one too many, and it ends.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The threads that poll from one queue.
#[derive(Debug, Default)]
pub(super) struct Hands {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many there are when none hangs.
    usual: usize,
    /// How many there are.
    there: usize,
    /// The feeds that are being polled, and since when by the monotonic clock.
    polling: BTreeMap<usize, Duration>,
}

impl Hands {
    /// Says how many there are at the beginning.
    pub(super) fn begin_with(&self, count: usize) {
        let mut state = self.state();
        state.usual = count;
        state.there = count;
    }

    /// Notes that a feed is being polled.
    pub(super) fn takes(&self, feed: usize, now: Duration) {
        self.state().polling.insert(feed, now);
    }

    /// Notes that the poll is through. False for a thread that is one too many: it is not counted any more,
    /// and has to end.
    #[must_use]
    pub(super) fn is_back(&self, feed: usize, now: Duration) -> bool {
        let mut state = self.state();
        state.polling.remove(&feed);
        let stays = state.there <= state.wanted(now);
        if !stays {
            state.there = state.there.saturating_sub(1);
        }
        stays
    }

    /// The feeds whose polls hang, and how many threads have to be added for them, which counts as done.
    pub(super) fn spares_for(&self, now: Duration) -> (Vec<usize>, usize) {
        let mut state = self.state();
        let more = state.wanted(now).saturating_sub(state.there);
        state.there = state.there.saturating_add(more);
        (state.hung(now).collect(), more)
    }

    /// Notes that a thread could not be had.
    pub(super) fn lacks_one(&self) {
        let mut state = self.state();
        state.there = state.there.saturating_sub(1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn hung(&self, now: Duration) -> impl Iterator<Item = usize> {
        let polling = self.polling.iter();
        polling
            .filter(move |(_, since)| now.saturating_sub(**since) >= HUNG_AFTER)
            .map(|(feed, _)| *feed)
    }

    fn wanted(&self, now: Duration) -> usize {
        self.usual
            .saturating_add(self.hung(now).count().min(SPARES_MAX))
    }
}

/// Longer than any poll that works, but the first of a very large file, for which a spare thread does no
/// harm.
const HUNG_AFTER: Duration = Duration::from_secs(120);
/// A thread that hangs costs a stack that is hardly touched.
const SPARES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn one_that_hangs_is_replaced_and_ends_when_it_comes_back() {
        let hands = Hands::default();
        hands.begin_with(2);
        hands.takes(7, at(0));
        hands.takes(8, at(100));
        assert_eq!(hands.spares_for(at(119)), (vec![], 0));
        assert_eq!(hands.spares_for(at(120)), (vec![7], 1));
        // Once.
        assert_eq!(hands.spares_for(at(121)), (vec![7], 0));
        // One that polls in time is none too many.
        assert!(hands.is_back(8, at(121)));
        assert!(!hands.is_back(7, at(122)));
        // It is gone, and is not missed.
        assert_eq!(hands.spares_for(at(123)), (vec![], 0));
        hands.takes(8, at(123));
        assert!(hands.is_back(8, at(124)));
    }

    #[test]
    fn spares_are_bounded_and_one_that_cannot_be_had_is_wanted_again() {
        let hands = Hands::default();
        hands.begin_with(1);
        for feed in 0..100 {
            hands.takes(feed, at(0));
        }
        assert_eq!(hands.spares_for(at(200)).1, SPARES_MAX);
        hands.lacks_one();
        assert_eq!(hands.spares_for(at(201)).1, 1);
        // The spares end with what hangs: as many as there were before stay.
        let stay = (0..100).filter(|feed| hands.is_back(*feed, at(300)));
        assert_eq!(stay.count(), 100 - SPARES_MAX);
    }
}
