//! A piece of work for a session, and its outcome.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{TokenError, session::Session};

/// What a session is to do. It may be done again in another one.
type Work = dyn Fn(&mut Session) -> Result<(), TokenError> + Send + Sync;

/// Work that waits, runs, or is done.
pub(super) struct Job {
    work: Box<Work>,
    /// How often it is tried.
    pub(super) attempts: u32,
    pub(super) asked: Instant,
    has_begun: AtomicBool,
    state: Mutex<Option<Result<(), TokenError>>>,
    done: Condvar,
}

/// Work whose outcome has a value.
pub(super) struct Asked<T> {
    pub(super) job: Arc<Job>,
    value: Arc<Mutex<Option<T>>>,
}

impl<T: Send + 'static> Asked<T> {
    pub(super) fn new(
        attempts: u32,
        work: impl Fn(&mut Session) -> Result<T, TokenError> + Send + Sync + 'static,
    ) -> Self {
        let value = Arc::new(Mutex::new(None));
        let place = Arc::clone(&value);
        let work = move |session: &mut Session| {
            let value = work(session)?;
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        };
        let job = Job {
            work: Box::new(work),
            attempts,
            asked: Instant::now(),
            has_begun: AtomicBool::new(false),
            state: Mutex::new(None),
            done: Condvar::new(),
        };
        Self {
            job: Arc::new(job),
            value,
        }
    }

    /// The value, once the job is done with success.
    pub(super) fn into_value(self) -> Result<T, TokenError> {
        let value = self
            .value
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Done without a value: given up in the moment that it succeeded.
        value.ok_or(TokenError::Stopped)
    }
}

impl Job {
    pub(super) fn run(&self, session: &mut Session) -> Result<(), TokenError> {
        self.has_begun.store(true, Ordering::Relaxed);
        (self.work)(session)
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Sets the outcome. The first counts: a thread that was given up may come back with another.
    pub(super) fn finish(&self, outcome: Result<(), TokenError>) {
        self.state().get_or_insert(outcome);
        self.done.notify_all();
    }

    pub(super) fn is_done(&self) -> bool {
        self.state().is_some()
    }

    /// The outcome, if it is there within `patience`.
    pub(super) fn wait(&self, patience: Duration) -> Option<Result<(), TokenError>> {
        let state = self.state();
        let waited = self
            .done
            .wait_timeout_while(state, patience, |state| state.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn state(&self) -> MutexGuard<'_, Option<Result<(), TokenError>>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
