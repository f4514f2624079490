//! Whether changes are pouring in: an import under way, rather than single revocations.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// When the present run of changes began and when it last had one, by the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Bustle(Mutex<Option<(Duration, Duration)>>);

impl Bustle {
    /// A change was made visible.
    pub(super) fn changed(&self, now: Duration) {
        let mut run = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let began = match *run {
            Some((began, last)) if now.saturating_sub(last) < Self::QUIET => began,
            _ => now,
        };
        *run = Some((began, now));
    }

    /// Whether it is worth signing whole shards now. During an import each pass would sign its first
    /// part again, so it is let end, but waited for no longer than [`Bustle::PATIENCE`]; the masks
    /// hold meanwhile.
    pub(super) fn is_settled(&self, now: Duration) -> bool {
        let run = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        run.is_none_or(|(began, last)| {
            now.saturating_sub(last) >= Self::QUIET || now.saturating_sub(began) >= Self::PATIENCE
        })
    }

    /// Without a change for this long, an import is over.
    pub(super) const QUIET: Duration = Duration::from_secs(1);
    const PATIENCE: Duration = Duration::from_secs(30);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_let_end_but_not_waited_for_without_end() {
        let at = Duration::from_millis;
        let bustle = Bustle::default();
        assert!(bustle.is_settled(at(0)));
        bustle.changed(at(5_000));
        assert!(!bustle.is_settled(at(5_999)));
        assert!(bustle.is_settled(at(6_000)));
        for now in (10_000..41_000).step_by(500) {
            bustle.changed(at(now));
            assert_eq!(bustle.is_settled(at(now)), now >= 40_000, "{now}");
        }
        bustle.changed(at(60_000));
        assert!(!bustle.is_settled(at(60_500)));
    }
}
