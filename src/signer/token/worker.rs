//! One session's thread, and the ladder that it climbs when something fails.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError},
    time::Duration,
};

use cryptoki::error::RvError;

use super::{
    TokenError,
    fault::{Fault, Remedy},
    job::Job,
    pool::{Next, Shared, Worker},
    session::Session,
};

/// The life of a thread.
pub(super) fn work(shared: &Arc<Shared>, me: &Arc<Worker>) {
    let mut desk = Desk {
        shared,
        me,
        session: None,
    };
    loop {
        match shared.next(me, KEEP_ALIVE) {
            Next::Job(job) => {
                let outcome = desk.attend(&job);
                if desk.has_retired(&outcome) {
                    break;
                }
                shared.done(me, outcome);
            }
            Next::Idle => desk.keep_alive(),
            Next::Stop => break,
        }
        if me.is_given_up() {
            break;
        }
    }
    desk.close();
    shared.ended(me);
}

struct Desk<'a> {
    shared: &'a Shared,
    me: &'a Worker,
    /// Of which no call has failed: a session that erred is closed, never used again.
    session: Option<Session>,
}

impl Desk<'_> {
    /// Does a job: in the session that there is, in a new one, and after the module was initialised anew.
    fn attend(&mut self, job: &Job) -> Result<(), TokenError> {
        let outcome = self.climb(job.attempts, |session| job.run(session));
        match &outcome {
            Ok(()) => self.shared.is_well(),
            Err(error) if self.is_the_tokens(error) => self.shared.is_down(error),
            Err(_) => {}
        }
        outcome
    }

    /// The ladder.
    fn climb(
        &mut self,
        attempts: u32,
        run: impl Fn(&mut Session) -> Result<(), TokenError>,
    ) -> Result<(), TokenError> {
        let mut attempt = 1;
        loop {
            let generation = self.shared.user.module().generation();
            let outcome = self.in_session(&run);
            let Err(error) = outcome else {
                return Ok(());
            };
            let remedy = error.remedy();
            if remedy > Remedy::None {
                self.close();
            }
            if remedy == Remedy::None || attempt >= attempts || self.me.is_given_up() {
                return Err(error);
            }
            // Of an initialising anew, somebody has told already.
            if !matches!(error, TokenError::Stale) {
                let token = &self.shared.token.name;
                tracing::warn!(token, "{error}: trying again in a new session");
            }
            // A new session is tried first where that may be enough; the last try is with everything new.
            let is_last = attempt.saturating_add(1) >= attempts;
            if remedy == Remedy::Reinitialise && is_last {
                let watch = &self.me.watch;
                if let Err(error) = self.shared.user.reinitialise(watch, generation) {
                    tracing::warn!(token = self.shared.token.name, "{error}");
                }
            }
            attempt = attempt.saturating_add(1);
        }
    }

    fn in_session(
        &mut self,
        run: impl Fn(&mut Session) -> Result<(), TokenError>,
    ) -> Result<(), TokenError> {
        let shared = self.shared;
        let session = match self.session.take() {
            Some(session) => session,
            None => Session::open(
                &shared.user,
                &self.me.watch,
                &shared.token,
                shared.may_write,
            )?,
        };
        let session = self.session.insert(session);
        // A length that no memory has, from a module that is out of its mind, stops this job alone.
        let outcome = catch_unwind(AssertUnwindSafe(|| run(session)));
        outcome.unwrap_or_else(|_| Err(TokenError::Fault(Fault::impossible())))
    }

    /// Sees whether the token works while nobody asks anything of it: a channel that is silent for long is
    /// closed by some, and a fault is better found before a question comes.
    fn keep_alive(&mut self) {
        let is_trial = self.shared.take_trial();
        if !is_trial && (self.session.is_none() || self.shared.is_known_down()) {
            return;
        }
        let key = {
            let recent = self.shared.recent.lock();
            recent.unwrap_or_else(PoisonError::into_inner).upgrade()
        };
        let outcome = self.climb(ATTEMPTS, |session| match &key {
            Some(key) => session.test(key),
            None => session
                .call("C_GetSessionInfo", |session| session.get_session_info())
                .map(drop),
        });
        match outcome {
            Err(error) if self.is_the_tokens(&error) => self.shared.is_down(&error),
            // A key that is gone is nothing that the token should be waited for.
            _ => self.shared.is_well(),
        }
    }

    /// Whether this session is one too many for the token.
    fn has_retired(&self, outcome: &Result<(), TokenError>) -> bool {
        let Err(TokenError::Fault(fault)) = outcome else {
            return false;
        };
        fault.code() == Some(RvError::SessionCount) && self.shared.retire(self.me)
    }

    /// Whether a failure is the token's, and not that of what was asked for.
    fn is_the_tokens(&self, error: &TokenError) -> bool {
        match error {
            TokenError::Fault(fault) => fault.code() != Some(RvError::SessionCount),
            TokenError::Absent { .. }
            | TokenError::Hung { .. }
            | TokenError::Stale
            | TokenError::SignatureLength { .. }
            | TokenError::PinRefused { .. }
            | TokenError::PinLocked { .. }
            | TokenError::PinFinalTry { .. }
            | TokenError::PinNotSet { .. }
            | TokenError::Pin(_) => true,
            _ => false,
        }
    }

    fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.close();
        }
    }
}

/// As it is; in a new session; after initialising anew.
pub(super) const ATTEMPTS: u32 = 3;

/// Less than the 30 s after which channels were seen to be closed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
