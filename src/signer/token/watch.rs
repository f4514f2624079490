//! What a thread does inside a module, and since when, for others to see.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// One thread's calls. A call that does not come back cannot be stopped; it can only be seen.
pub(super) struct Watch {
    deadline: Duration,
    call: Mutex<Option<(&'static str, Instant)>>,
}

impl Watch {
    pub(super) const fn new(deadline: Duration) -> Self {
        Self {
            deadline,
            call: Mutex::new(None),
        }
    }

    /// How long a call may take.
    pub(super) const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// A call begins; it ends with what is returned.
    pub(super) fn mark(&self, what: &'static str) -> Marked<'_> {
        *self.call() = Some((what, Instant::now()));
        Marked(self)
    }

    /// The call that runs for longer than it may.
    pub(super) fn overdue(&self) -> Option<&'static str> {
        let (what, since) = (*self.call())?;
        (since.elapsed() > self.deadline).then_some(what)
    }

    fn call(&self) -> MutexGuard<'_, Option<(&'static str, Instant)>> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that runs.
pub(super) struct Marked<'a>(&'a Watch);

impl Drop for Marked<'_> {
    fn drop(&mut self) {
        *self.0.call() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_that_runs_is_overdue() {
        let watch = Watch::new(Duration::ZERO);
        assert_eq!(watch.overdue(), None);
        let marked = watch.mark("C_Sign");
        while watch.overdue().is_none() {
            std::hint::spin_loop();
        }
        assert_eq!(watch.overdue(), Some("C_Sign"));
        drop(marked);
        assert_eq!(watch.overdue(), None);

        let patient = Watch::new(Duration::MAX);
        let _marked = patient.mark("C_Sign");
        assert_eq!(patient.overdue(), None);
    }
}
