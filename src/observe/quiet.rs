//! Log lines that strangers can cause, or that a fault repeats: at most one every ten seconds of each
//! kind.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// One kind of line.
#[derive(Debug, Default)]
pub(crate) struct Quiet(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    said: Option<Instant>,
    kept_back: u64,
}

const EVERY: Duration = Duration::from_secs(10);

impl Quiet {
    /// Calls `say` with how many were kept back since the last one, if it is time for a line.
    pub(crate) fn say(&self, say: impl FnOnce(u64)) {
        let kept_back = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let is_early = |said: Instant| now.saturating_duration_since(said) < EVERY;
            if state.said.is_some_and(is_early) {
                state.kept_back = state.kept_back.saturating_add(1);
                return;
            }
            state.said = Some(now);
            std::mem::take(&mut state.kept_back)
        };
        say(kept_back);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line() {
        let quiet = Quiet::default();
        let mut said = Vec::new();
        for _ in 0..100 {
            quiet.say(|kept_back| said.push(kept_back));
        }
        assert_eq!(said, [0]);
        assert_eq!(quiet.0.lock().unwrap().kept_back, 99);
    }
}
