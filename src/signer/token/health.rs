//! Whether a token works, and when to try again where it does not.

use std::time::{Duration, Instant};

use super::TokenError;

/// How it stands.
#[derive(Default)]
pub(super) enum Health {
    /// It works, or nobody knows better yet.
    #[default]
    Well,
    /// It failed, and everything that could be done about it did too.
    Down(Box<Down>),
}

/// A token that does not work.
pub(super) struct Down {
    why: TokenError,
    /// How long is waited after the next failure.
    pause: Duration,
    next: Instant,
    /// Somebody tries now.
    is_tried: bool,
}

impl Health {
    /// Notes a failure. True when that is news.
    pub(super) fn failed(&mut self, why: TokenError, now: Instant) -> bool {
        let (is_news, pause) = match self {
            Self::Well => (true, PAUSE_MIN),
            Self::Down(down) => {
                let pause = if down.is_tried || now >= down.next {
                    (down.pause * 2).min(PAUSE_MAX)
                } else {
                    // One of several that failed at the same time.
                    down.pause
                };
                (down.why.to_string() != why.to_string(), pause)
            }
        };
        *self = Self::Down(Box::new(Down {
            why,
            pause,
            next: now + pause,
            is_tried: false,
        }));
        is_news
    }

    /// Notes a success. True when that is news.
    pub(super) fn succeeded(&mut self) -> bool {
        let is_news = matches!(self, Self::Down(_));
        *self = Self::Well;
        is_news
    }

    /// Why nothing can be asked of it now.
    pub(super) fn refusal(&self, now: Instant) -> Option<TokenError> {
        match self {
            Self::Well => None,
            Self::Down(down) if !down.is_tried && now >= down.next => None,
            Self::Down(down) => Some(down.why.clone()),
        }
    }

    /// The right to try whether it works again, for one at a time.
    pub(super) fn take_trial(&mut self, now: Instant) -> bool {
        match self {
            Self::Down(down) if !down.is_tried && now >= down.next => {
                down.is_tried = true;
                true
            }
            _ => false,
        }
    }

    /// How long until somebody may try.
    pub(super) fn until_trial(&self, now: Instant) -> Option<Duration> {
        match self {
            Self::Well => None,
            // Whoever tries now says how it ended.
            Self::Down(down) if down.is_tried => Some(PAUSE_MAX),
            Self::Down(down) => Some(down.next.saturating_duration_since(now)),
        }
    }
}

/// The first pause after a failure; each one is twice as long, until a fault that ends is followed by
/// signatures within five seconds with time to spare.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_end_and_one_tries_at_a_time() {
        let mut health = Health::default();
        let mut now = Instant::now();
        assert!(health.refusal(now).is_none() && !health.take_trial(now));
        assert!(health.failed(TokenError::Stopped, now));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let pause = health.until_trial(now).unwrap();
            pauses.push(pause.as_millis());
            assert!(health.refusal(now).is_some() && !health.take_trial(now));
            now += pause;
            assert!(health.refusal(now).is_none());
            assert!(health.take_trial(now) && !health.take_trial(now));
            assert!(health.refusal(now).is_some());
            assert!(!health.failed(TokenError::Stopped, now));
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000, 2000]);
        assert!(health.succeeded() && !health.succeeded());
        assert!(health.refusal(now).is_none());
    }

    #[test]
    fn failures_at_the_same_time_are_one() {
        let mut health = Health::default();
        let now = Instant::now();
        for _ in 0..16 {
            health.failed(TokenError::Stale, now);
        }
        assert_eq!(health.until_trial(now), Some(PAUSE_MIN));
    }
}
