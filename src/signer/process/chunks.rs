//! How much is asked for at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::wire::MESSAGES_MAX;

/// How fast a key signs, as it was seen last, and how many messages it is therefore sent at once: so many
/// that the journey does not count, and so few that nobody waits long behind them.
pub(super) struct Pace(AtomicU64);

impl Pace {
    pub(super) const fn new() -> Self {
        Self(AtomicU64::new(UNKNOWN))
    }

    /// How many messages to send at once.
    pub(super) fn at_once(&self) -> usize {
        let each = self.0.load(Ordering::Relaxed);
        // Of an unknown key one, since it may be one that takes a second for it.
        let fits = TARGET_NANOS.checked_div(each).unwrap_or(1);
        usize::try_from(fits)
            .unwrap_or(MESSAGES_MAX)
            .clamp(1, MESSAGES_MAX)
    }

    /// So many took so long.
    pub(super) fn note(&self, messages: usize, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let messages = u64::try_from(messages.max(1)).unwrap_or(1);
        let each = took.checked_div(messages).unwrap_or(took);
        let before = self.0.load(Ordering::Relaxed);
        // Of several threads one notes: the next note is not far.
        let mean = if before == UNKNOWN {
            each
        } else {
            before / 4 * 3 + each / 4
        };
        self.0.store(mean.max(1), Ordering::Relaxed);
    }
}

/// What waits behind a request for very many signatures: others of the same key.
const TARGET_NANOS: u64 = 50_000_000;
const UNKNOWN: u64 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_follows_the_pace() {
        let pace = Pace::new();
        assert_eq!(pace.at_once(), 1);
        for _ in 0..40 {
            let count = pace.at_once();
            pace.note(
                count,
                Duration::from_micros(20) * u32::try_from(count).unwrap(),
            );
        }
        assert_eq!(pace.at_once(), MESSAGES_MAX);
        for _ in 0..40 {
            let count = pace.at_once();
            pace.note(
                count,
                Duration::from_millis(10) * u32::try_from(count).unwrap(),
            );
        }
        assert_eq!(pace.at_once(), 5);
        for _ in 0..60 {
            pace.note(1, Duration::from_secs(2));
        }
        assert_eq!(pace.at_once(), 1);
        pace.note(0, Duration::MAX);
        assert_eq!(pace.at_once(), 1);
    }
}
