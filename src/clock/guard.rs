//! When the clock may date a signature, and when signing pauses.
//!
//! thisUpdate must never step back, and an answer dated ahead of the true time outlives its truth. So
//! signing pauses while either of two signs shows that the wall is wrong:
//!
//! - it **parted** by more than 5 s from the time that really passed since a baseline: somebody
//!   stepped it, or it was wrong before and has just been corrected;
//! - it is **behind the high-water mark**, the newest time already signed with.
//!
//! Both heal by themselves when the wall comes back. Where the wall is right and the mark or the
//! baseline wrong (a server that ran a day ahead), an operator accepts the wall as it is.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::Clock;
use crate::asn1::UnixTime;

/// Decides whether the wall can be trusted to date a signature.
///
/// The high-water mark lives in memory; whoever owns the guard keeps it across restarts. One lock,
/// held for a few instructions: ask once a batch or once an answer, not once an octet.
pub struct Guard {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct State {
    /// The wall and the monotonic side, taken together, when they were last believed.
    baseline_wall_millis: u64,
    baseline_monotonic: Duration,
    high_water: UnixTime,
}

impl Guard {
    /// How far the wall may part from the time that passed since the baseline.
    pub const TOLERANCE: Duration = Duration::from_secs(5);

    /// How much of the parting is forgiven for each [`Guard::FORGIVEN_EVERY`] without a pause. A
    /// clock that a daily job steps by half a second would otherwise add up to a pause in ten days.
    pub const FORGIVEN: Duration = Duration::from_secs(2);

    /// See [`Guard::FORGIVEN`].
    pub const FORGIVEN_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

    /// A guard that takes the clock as it is now for its baseline, and `high_water`, the newest time
    /// that was ever signed with, as the moment before which nothing is signed.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, high_water: UnixTime) -> Self {
        let state = Mutex::new(State::from_clock(&*clock, high_water));
        Self { clock, state }
    }

    /// The time to sign with: the wall, when it can be trusted.
    ///
    /// # Errors
    /// [`Pause`] while it cannot; ask again later.
    pub fn signing_time(&self) -> Result<UnixTime, Pause> {
        let mut state = self.lock();
        let wall_millis = self.clock.now_millis();
        let now = to_time(wall_millis);
        let passed = self
            .clock
            .monotonic()
            .saturating_sub(state.baseline_monotonic);
        let ahead_millis = ahead(
            wall_millis,
            state.baseline_wall_millis.saturating_add(millis(passed)),
        );

        if ahead_millis.unsigned_abs() > millis(Self::TOLERANCE) {
            return Err(Pause::Parted { now, ahead_millis });
        }
        if now < state.high_water {
            return Err(Pause::BehindHighWater {
                now,
                high_water: state.high_water,
            });
        }
        if passed >= Self::FORGIVEN_EVERY {
            state.forgive(passed, ahead_millis);
        }
        Ok(now)
    }

    /// Remembers that `time` was signed with; an older time changes nothing.
    pub fn raise_high_water(&self, time: UnixTime) {
        let mut state = self.lock();
        state.high_water = state.high_water.max(time);
    }

    /// The newest time known to be signed with.
    #[must_use]
    pub fn high_water(&self) -> UnixTime {
        self.lock().high_water
    }

    /// An operator confirms that the wall is right as it is now: it becomes the new baseline, and the
    /// high-water mark comes down to it if it was ahead. This alone lets thisUpdate step back, so the
    /// caller records what is returned before it signs on.
    pub fn accept(&self) -> Acceptance {
        let mut state = self.lock();
        let before = state.high_water;
        *state = State::from_clock(&*self.clock, before);
        let now = to_time(state.baseline_wall_millis);
        state.high_water = before.min(now);
        Acceptance {
            now,
            high_water_before: before,
        }
    }

    /// A poisoned lock is taken all the same: the state is plain values, whole at every step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn from_clock(clock: &dyn Clock, high_water: UnixTime) -> Self {
        Self {
            baseline_wall_millis: clock.now_millis(),
            baseline_monotonic: clock.monotonic(),
            high_water,
        }
    }

    /// Moves the baseline to now, less what of the parting is not forgiven.
    fn forgive(&mut self, passed: Duration, ahead_millis: i64) {
        let limit = i64::try_from(millis(Guard::FORGIVEN)).unwrap_or(i64::MAX);
        self.baseline_wall_millis = self
            .baseline_wall_millis
            .saturating_add(millis(passed))
            .saturating_add_signed(ahead_millis.clamp(limit.saturating_neg(), limit));
        self.baseline_monotonic = self.baseline_monotonic.saturating_add(passed);
    }
}

/// Why nothing is signed at the moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Pause {
    /// The wall moved without the time having passed.
    #[error(
        "the clock shows {now}, {} s {} where it should be by the time that passed: signing pauses \
         until it is set right or an operator accepts it (`estelam clock accept`)",
        ahead_millis.unsigned_abs() / 1_000,
        if *ahead_millis > 0 { "ahead of" } else { "behind" }
    )]
    Parted {
        /// The wall.
        now: UnixTime,
        /// How far the wall is ahead of the time that passed (negative: behind it).
        ahead_millis: i64,
    },
    /// Something was already signed with a later time.
    #[error(
        "the clock shows {now}, but answers were already signed at {high_water}: signing pauses until \
         the clock is past that or an operator accepts it (`estelam clock accept`)"
    )]
    BehindHighWater {
        /// The wall.
        now: UnixTime,
        /// The newest time signed with.
        high_water: UnixTime,
    },
}

/// What an operator's acceptance changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Acceptance {
    /// The wall that was accepted.
    pub now: UnixTime,
    /// The mark before; thisUpdate may step back by `now` from it.
    pub high_water_before: UnixTime,
}

fn to_time(wall_millis: u64) -> UnixTime {
    UnixTime::from_secs(wall_millis / 1_000).unwrap_or(UnixTime::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// By how much `wall` is ahead of `expected`.
fn ahead(wall: u64, expected: u64) -> i64 {
    let distance = i64::try_from(wall.abs_diff(expected)).unwrap_or(i64::MAX);
    if wall >= expected {
        distance
    } else {
        distance.saturating_neg()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::ManualClock;

    const START: u64 = 1_800_000_000;

    fn time(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs).unwrap()
    }

    fn guard(high_water: u64) -> (Arc<ManualClock>, Guard) {
        let clock = Arc::new(ManualClock::new(time(START)));
        let guard = Guard::new(Arc::<ManualClock>::clone(&clock), time(high_water));
        (clock, guard)
    }

    #[test]
    fn a_step_of_more_than_five_seconds_pauses_until_it_is_taken_back() {
        for step in [5_001, -5_001, 3_600_000, -86_400_000, 315_360_000_000] {
            let (clock, guard) = guard(0);
            clock.step_wall_millis(step);
            assert!(
                matches!(guard.signing_time(), Err(Pause::Parted { ahead_millis, .. }) if ahead_millis == step),
                "{step}"
            );
            clock.advance(Duration::from_secs(60));
            assert!(guard.signing_time().is_err(), "waiting does not heal it");
            clock.step_wall_millis(-step);
            assert_eq!(guard.signing_time(), Ok(time(START + 60)));
        }
    }

    #[test]
    fn a_step_within_five_seconds_does_not_pause() {
        for step in [5_000, -5_000, 1_000, -1_000] {
            let (clock, guard) = guard(0);
            clock.step_wall_millis(step);
            assert!(guard.signing_time().is_ok(), "{step}");
        }
    }

    #[test]
    fn small_steps_that_add_up_in_a_day_pause() {
        let (clock, guard) = guard(0);
        clock.step_wall_millis(3_000);
        assert!(guard.signing_time().is_ok());
        clock.advance(Duration::from_secs(3_600));
        clock.step_wall_millis(3_000);
        assert!(guard.signing_time().is_err());
    }

    #[test]
    fn a_clock_that_is_stepped_a_little_each_day_is_forgiven_for_years() {
        let (clock, guard) = guard(0);
        for day in 0..2_000 {
            clock.advance(Guard::FORGIVEN_EVERY);
            clock.step_wall_millis(1_900);
            assert!(guard.signing_time().is_ok(), "day {day}");
        }
    }

    #[test]
    fn nothing_is_forgiven_during_a_pause() {
        let (clock, guard) = guard(0);
        clock.step_wall_millis(6_000);
        for _ in 0..100 {
            clock.advance(Guard::FORGIVEN_EVERY);
            assert!(guard.signing_time().is_err());
        }
    }

    #[test]
    fn a_wall_behind_the_high_water_mark_pauses_until_it_is_past_it() {
        let (clock, guard) = guard(START + 30);
        assert_eq!(
            guard.signing_time(),
            Err(Pause::BehindHighWater {
                now: time(START),
                high_water: time(START + 30)
            })
        );
        clock.advance(Duration::from_secs(30));
        assert_eq!(guard.signing_time(), Ok(time(START + 30)));
    }

    #[test]
    fn a_small_step_back_never_signs_before_what_was_signed() {
        let (clock, guard) = guard(0);
        guard.raise_high_water(guard.signing_time().unwrap());
        guard.raise_high_water(time(START - 100));
        clock.step_wall_millis(-2_000);
        assert!(matches!(
            guard.signing_time(),
            Err(Pause::BehindHighWater { .. })
        ));
        clock.advance(Duration::from_secs(2));
        assert_eq!(guard.signing_time(), Ok(time(START)));
    }

    #[test]
    fn an_operator_accepts_a_clock_that_was_put_right() {
        let (clock, guard) = guard(0);
        guard.raise_high_water(time(START));
        clock.step_wall_millis(-86_400_000);
        assert!(guard.signing_time().is_err());

        let true_time = time(START - 86_400);
        let acceptance = guard.accept();
        assert_eq!(
            acceptance,
            Acceptance {
                now: true_time,
                high_water_before: time(START)
            }
        );
        assert_eq!(guard.signing_time(), Ok(true_time));
        assert_eq!(guard.high_water(), true_time);
    }

    #[test]
    fn accepting_a_clock_that_is_ahead_keeps_the_mark() {
        let (clock, guard) = guard(START);
        clock.step_wall_millis(86_400_000);
        guard.accept();
        assert_eq!(guard.high_water(), time(START));
        assert_eq!(guard.signing_time(), Ok(time(START + 86_400)));
    }

    #[test]
    fn a_pause_says_what_the_clock_does_and_what_to_do() {
        let (clock, guard) = guard(0);
        clock.step_wall_millis(-60_000);
        let text = guard.signing_time().unwrap_err().to_string();
        assert!(text.contains("60 s behind") && text.contains("estelam clock accept"));
    }

    #[derive(Clone, Debug)]
    enum Event {
        Passes(u64),
        Step(i64),
        Sign,
        Accept,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => (0..200_000_000_u64).prop_map(Event::Passes),
            2 => (-8_000..8_000_i64).prop_map(Event::Step),
            1 => (-10_000_000_000..10_000_000_000_i64).prop_map(Event::Step),
            4 => Just(Event::Sign),
            1 => Just(Event::Accept),
        ]
    }

    proptest! {
        /// Against a model that knows the true time: between two acceptances nothing is ever signed
        /// before what was signed, nor further from the true time than the tolerance and what was
        /// forgiven on the way.
        #[test]
        fn never_backwards_and_never_far_from_the_truth(
            events in proptest::collection::vec(event(), 1..200)
        ) {
            let (clock, guard) = guard(0);
            let (mut off, mut accepted_off, mut since_accepted) = (0_i64, 0_i64, 0_u64);
            let mut newest = UnixTime::EPOCH;
            for event in events {
                match event {
                    Event::Passes(millis) => {
                        clock.advance(Duration::from_millis(millis));
                        since_accepted += millis;
                    }
                    Event::Step(millis) => {
                        clock.step_wall_millis(millis);
                        off += millis;
                    }
                    Event::Accept => {
                        guard.accept();
                        (accepted_off, since_accepted) = (off, 0);
                        newest = newest.min(clock.now());
                    }
                    Event::Sign => if let Ok(now) = guard.signing_time() {
                        prop_assert!(now >= newest && now == clock.now());
                        let forgiven = since_accepted / 86_400_000 * 2_000;
                        prop_assert!((off - accepted_off).unsigned_abs() <= 5_000 + forgiven);
                        guard.raise_high_water(now);
                        newest = now;
                    }
                }
            }
        }

        #[test]
        fn a_clock_that_only_runs_is_always_trusted(
            steps in proptest::collection::vec(0..10_000_000_u64, 1..100)
        ) {
            let (clock, guard) = guard(START);
            for step in steps {
                clock.advance(Duration::from_millis(step));
                let now = guard.signing_time();
                prop_assert_eq!(now, Ok(clock.now()));
                guard.raise_high_water(clock.now());
            }
        }
    }
}
