//! What a connection is waiting for, and since when.
//!
//! The service, the stream and the task that drives a connection all touch this, always from that one
//! task; it is atomic only so that they may share it without a lock. Deadlines follow from it, so
//! that no timer is set per request.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// Nanoseconds since the server's start: a moment that fits an atomic, for 73 years.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Moment(u64);

impl Moment {
    /// Later than every deadline.
    pub(super) const NEVER: Self = Self(u64::MAX >> PHASE_BITS);

    pub(super) fn plus(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos)).min(Self::NEVER)
    }

    pub(super) fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    pub(super) const fn nanos(self) -> u64 {
        self.0
    }

    pub(super) const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }
}

/// The monotonic clock of one server, counted from its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> Moment {
        let elapsed = self.0.elapsed();
        let nanos = elapsed
            .as_secs()
            .saturating_mul(1_000_000_000)
            .saturating_add(u64::from(elapsed.subsec_nanos()));
        Moment(nanos).min(Moment::NEVER)
    }

    pub(super) fn instant(self, moment: Moment) -> Instant {
        let far = Duration::from_secs(365 * 86_400);
        let offset = Duration::from_nanos(moment.0);
        self.0.checked_add(offset).unwrap_or(self.0 + far)
    }
}

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// The end of a head, since the connection was accepted or the head's first octets were seen.
    Head,
    /// The next head, since the last answer was made.
    Idle,
    /// As `Idle`, but octets have arrived and were not yet looked at. If they turn out to be less
    /// than a head, `Head` begins: only then is the clock read.
    Arriving,
    /// The end of a body, since its head ended.
    Body,
    /// The backend, since it was asked.
    Answer,
    /// The client to take the answer, since it was made or 16 KiB of it were taken.
    Write,
    /// The same of an answer in many pieces, of which some are still to be made: a flush in between
    /// does not end it.
    Stream,
}

const PHASE_BITS: u32 = 3;

/// A [`Phase`] and the [`Moment`] it began, in one word.
#[derive(Debug)]
pub(super) struct Progress(AtomicU64);

impl Progress {
    pub(super) fn new(phase: Phase, since: Moment) -> Self {
        Self(AtomicU64::new(pack(phase, since)))
    }

    pub(super) fn enter(&self, phase: Phase, since: Moment) {
        self.0.store(pack(phase, since), Relaxed);
    }

    pub(super) fn phase(&self) -> (Phase, Moment) {
        let word = self.0.load(Relaxed);
        let phase = match word & ((1 << PHASE_BITS) - 1) {
            0 => Phase::Head,
            1 => Phase::Idle,
            2 => Phase::Arriving,
            3 => Phase::Body,
            4 => Phase::Answer,
            5 => Phase::Write,
            _ => Phase::Stream,
        };
        (phase, Moment(word >> PHASE_BITS))
    }
}

const fn pack(phase: Phase, since: Moment) -> u64 {
    let phase = match phase {
        Phase::Head => 0,
        Phase::Idle => 1,
        Phase::Arriving => 2,
        Phase::Body => 3,
        Phase::Answer => 4,
        Phase::Write => 5,
        Phase::Stream => 6,
    };
    since.0 << PHASE_BITS | phase
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_and_moments_come_back() {
        let progress = Progress::new(Phase::Head, Moment(0));
        for phase in [
            Phase::Head,
            Phase::Idle,
            Phase::Arriving,
            Phase::Body,
            Phase::Answer,
            Phase::Write,
            Phase::Stream,
        ] {
            for since in [Moment(0), Moment(1), Moment::NEVER] {
                progress.enter(phase, since);
                assert_eq!(progress.phase(), (phase, since));
            }
        }
    }

    #[test]
    fn no_deadline_is_later_than_never() {
        assert_eq!(Moment(7).plus(Duration::from_nanos(5)), Moment(12));
        assert_eq!(Moment(7).plus(Duration::MAX), Moment::NEVER);
        assert_eq!(Moment::NEVER.plus(Duration::from_secs(1)), Moment::NEVER);
    }
}
