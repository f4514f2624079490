//! The sessions with one token, each on a thread of its own, and the queue before them.
//!
//! Nobody calls a module on his own thread: a call that hangs would take him along. He leaves a [`Job`] and
//! waits; while he waits, he looks whether the session that has it is stuck, gives it up if so and puts a new
//! one in its place. No thread beside is needed for that.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    TokenError,
    health::Health,
    job::{Asked, Job},
    key::KnownKey,
    module::{Module, User},
    session::Session,
    watch::Watch,
    worker,
};
use crate::config;

/// The sessions with one token.
pub(super) struct Pool {
    shared: Arc<Shared>,
}

/// What the sessions of a pool share.
pub(super) struct Shared {
    pub(super) token: Arc<config::Token>,
    pub(super) may_write: bool,
    pub(super) user: User,
    /// How many sessions there are to be.
    sessions: AtomicUsize,
    queue: Mutex<Queue>,
    /// For workers: there is a job, or an end.
    work: Condvar,
    /// For callers: there is room in the queue.
    room: Condvar,
    health: Mutex<Health>,
    workers: Mutex<Vec<Arc<Worker>>>,
    /// Those that live, or hang.
    threads: Mutex<Vec<(Arc<Worker>, JoinHandle<()>)>>,
    /// Threads that hang in the module.
    lost: AtomicUsize,
    next_number: AtomicUsize,
    /// When a job was done last.
    progress: Mutex<Instant>,
    /// What is signed with to see whether the token works.
    pub(super) recent: Mutex<Weak<KnownKey>>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Arc<Job>>,
    is_stopped: bool,
}

/// One session's thread, as others see it.
pub(super) struct Worker {
    pub(super) number: usize,
    pub(super) watch: Arc<Watch>,
    given_up: AtomicBool,
    has_ended: AtomicBool,
    job: Mutex<Option<Arc<Job>>>,
}

/// What a worker does next.
pub(super) enum Next {
    Job(Arc<Job>),
    /// There is nothing to do: see whether the token is well.
    Idle,
    Stop,
}

impl Pool {
    /// Starts the threads. Nothing is asked of the token before somebody asks for it.
    pub(super) fn start(token: &Arc<config::Token>, may_write: bool) -> Result<Self, TokenError> {
        let module = Module::load(&token.module)?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let sessions = token.sessions.unwrap_or(cores).max(1);
        let shared = Shared {
            token: Arc::clone(token),
            may_write,
            user: module.join(),
            sessions: AtomicUsize::new(sessions),
            queue: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
            health: Mutex::default(),
            workers: Mutex::default(),
            threads: Mutex::default(),
            lost: AtomicUsize::new(0),
            next_number: AtomicUsize::new(0),
            progress: Mutex::new(Instant::now()),
            recent: Mutex::default(),
        };
        let pool = Self {
            shared: Arc::new(shared),
        };
        let mut workers = pool.shared.workers();
        for _ in 0..sessions {
            workers.push(pool.shared.spawn()?);
        }
        drop(workers);
        Ok(pool)
    }

    /// How many sessions sign.
    pub(super) fn sessions(&self) -> usize {
        self.shared.sessions.load(Ordering::Relaxed)
    }

    /// Has work done by any session, tried as often as the ladder has rungs, and waits for it.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Session) -> Result<T, TokenError> + Send + Sync + 'static,
    ) -> Result<T, TokenError> {
        self.wait(self.ask(Asked::new(worker::ATTEMPTS, work))?)
    }

    /// The same of work that must not be done twice.
    pub(super) fn run_once<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Session) -> Result<T, TokenError> + Send + Sync + 'static,
    ) -> Result<T, TokenError> {
        self.wait(self.ask(Asked::new(1, work))?)
    }

    /// Leaves work in the queue.
    pub(super) fn ask<T>(&self, asked: Asked<T>) -> Result<Asked<T>, TokenError> {
        let shared = &self.shared;
        let patience = shared.token.deadline;
        let refusal = shared.health().refusal(Instant::now());
        if let Some(why) = refusal {
            // Whoever tries whether it works again may hang.
            shared.look_after();
            return Err(why);
        }
        let mut queue = shared.queue();
        while queue.jobs.len() >= QUEUE_MAX {
            if shared.is_without_progress(Instant::now()) {
                return Err(TokenError::Busy { after: patience });
            }
            let waited = shared.room.wait_timeout(queue, tick(patience));
            let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            drop(again);
            if timeout.timed_out() {
                shared.look_after();
            }
            queue = shared.queue();
        }
        queue.jobs.push_back(Arc::clone(&asked.job));
        drop(queue);
        shared.work.notify_one();
        Ok(asked)
    }

    /// Waits for work that was asked for.
    pub(super) fn wait<T: Send + 'static>(&self, asked: Asked<T>) -> Result<T, TokenError> {
        let tick = tick(self.shared.token.deadline);
        loop {
            if let Some(outcome) = asked.job.wait(tick) {
                outcome?;
                return asked.into_value();
            }
            self.shared.look_after();
            self.shared.give_up_waiting(&asked.job);
        }
    }

    /// Takes back work that nobody waits for any more.
    pub(super) fn take_back<T>(&self, asked: &Asked<T>) {
        asked.job.finish(Err(TokenError::Stopped));
    }

    /// What is signed with while nothing else is to be signed.
    pub(super) fn keep_alive_with(&self, key: &Arc<KnownKey>) {
        let mut recent = self
            .shared
            .recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *recent = Arc::downgrade(key);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.queue().is_stopped = true;
        self.shared.work.notify_all();
        // The threads close their sessions on their own; the last one leaves the module. A command that
        // ends now waits for that, so that the library is not taken down in the middle of a call, but not
        // for one that hangs.
        let until = Instant::now() + FAREWELL;
        let threads = std::mem::take(&mut *self.shared.threads());
        for (worker, thread) in threads {
            while !worker.has_ended() && !worker.is_given_up() && Instant::now() < until {
                let queue = self.shared.queue();
                drop(self.shared.room.wait_timeout(queue, LOOK));
            }
            if worker.has_ended() {
                // It has nothing to do any more but to end.
                drop(thread.join());
            }
        }
    }
}

impl Shared {
    /// What a worker does next; waits for it.
    pub(super) fn next(&self, worker: &Worker, idle: Duration) -> Next {
        let mut queue = self.queue();
        let until = Instant::now() + idle;
        loop {
            if queue.is_stopped {
                return Next::Stop;
            }
            while let Some(job) = queue.jobs.pop_front() {
                self.room.notify_one();
                if !job.is_done() {
                    drop(queue);
                    *worker.job() = Some(Arc::clone(&job));
                    return Next::Job(job);
                }
            }
            let now = Instant::now();
            let trial = self.health().until_trial(now);
            let left = until.saturating_duration_since(now);
            let left = trial.map_or(left, |trial| trial.min(left));
            if left.is_zero() {
                return Next::Idle;
            }
            let waited = self.work.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A worker is done with a job.
    pub(super) fn done(&self, worker: &Worker, outcome: Result<(), TokenError>) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        if let Some(job) = worker.job().take() {
            job.finish(outcome);
        }
    }

    /// A worker cannot have a session, because the token has no more of them; the others do its work.
    pub(super) fn retire(&self, worker: &Worker) -> bool {
        let mut workers = self.workers();
        if workers.len() < 2 {
            return false;
        }
        workers.retain(|other| other.number != worker.number);
        self.sessions.store(workers.len(), Ordering::Relaxed);
        drop(workers);
        if let Some(job) = worker.job().take() {
            self.queue().jobs.push_front(job);
            self.work.notify_one();
        }
        true
    }

    /// A worker's thread ends.
    pub(super) fn ended(&self, worker: &Worker) {
        if worker.is_given_up() {
            self.lost.fetch_sub(1, Ordering::Relaxed);
        }
        self.workers().retain(|other| other.number != worker.number);
        self.threads()
            .retain(|(other, _)| other.number != worker.number || self.is_stopped());
        worker.has_ended.store(true, Ordering::Release);
        self.room.notify_all();
    }

    fn is_stopped(&self) -> bool {
        self.queue().is_stopped
    }

    /// The token works.
    pub(super) fn is_well(&self) {
        if self.health().succeeded() {
            tracing::info!(token = self.token.name, "the token works again");
        }
        self.user.is_well(true);
    }

    /// The token does not work, and nothing that could be done about it helped.
    pub(super) fn is_down(&self, why: &TokenError) {
        let is_news = self.health().failed(why.clone(), Instant::now());
        self.user.is_well(false);
        if is_news {
            tracing::error!(
                token = self.token.name,
                "{why}. The token is tried again every few seconds until it works"
            );
        }
        // Whoever waits has to wait for another moment now.
        self.work.notify_all();
    }

    /// Whether it is known not to work.
    pub(super) fn is_known_down(&self) -> bool {
        self.health().until_trial(Instant::now()).is_some()
    }

    /// See [`Health::take_trial`].
    pub(super) fn take_trial(&self) -> bool {
        self.health().take_trial(Instant::now())
    }

    /// Gives up every session whose call does not come back, and puts another one in its place.
    fn look_after(self: &Arc<Self>) {
        let mut stuck = Vec::new();
        let mut workers = self.workers();
        for place in workers.iter_mut() {
            let Some(call) = place.watch.overdue() else {
                continue;
            };
            place.given_up.store(true, Ordering::Release);
            let lost = self.lost.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            stuck.push((Arc::clone(place), call, lost));
        }
        workers.retain(|worker| !worker.is_given_up());
        for (_, _, lost) in &stuck {
            if *lost <= LOST_MAX && !self.queue().is_stopped {
                match self.spawn() {
                    Ok(worker) => workers.push(worker),
                    Err(error) => tracing::error!(token = self.token.name, "{error}"),
                }
            }
        }
        drop(workers);
        for (worker, call, lost) in stuck {
            let after = self.token.deadline;
            let why = if lost <= LOST_MAX {
                TokenError::Hung { call, after }
            } else {
                let why = TokenError::Stuck { calls: lost };
                super::stuck(&why);
                why
            };
            self.is_down(&why);
            if let Some(job) = worker.job().take() {
                job.finish(Err(why));
            }
        }
    }

    /// Ends a job's waiting when nothing moves.
    fn give_up_waiting(&self, job: &Job) {
        let now = Instant::now();
        let patience = self.token.deadline;
        // Each rung of the ladder is some calls.
        let longest = if job.has_begun() {
            patience.saturating_mul(ATTEMPT_CALLS)
        } else {
            patience
        };
        let refusal = self.health().refusal(now);
        match refusal {
            Some(why) if !job.has_begun() => job.finish(Err(why)),
            _ if now.duration_since(job.asked) > longest && self.is_without_progress(now) => {
                job.finish(Err(TokenError::Busy { after: longest }));
            }
            _ => {}
        }
    }

    fn is_without_progress(&self, now: Instant) -> bool {
        let progress = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        now.duration_since(progress) > self.token.deadline
    }

    fn spawn(self: &Arc<Self>) -> Result<Arc<Worker>, TokenError> {
        let worker = Arc::new(Worker {
            number: self.next_number.fetch_add(1, Ordering::Relaxed),
            watch: Arc::new(Watch::new(self.token.deadline)),
            given_up: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            job: Mutex::default(),
        });
        let (shared, its) = (Arc::clone(self), Arc::clone(&worker));
        let thread = thread::Builder::new()
            .name(format!("token-{}", worker.number))
            .spawn(move || worker::work(&shared, &its))
            .map_err(|error| TokenError::Thread(Arc::new(error)))?;
        self.threads().push((Arc::clone(&worker), thread));
        Ok(worker)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<(Arc<Worker>, JoinHandle<()>)>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn workers(&self) -> MutexGuard<'_, Vec<Arc<Worker>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    /// Whether nobody counts on it any more.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    fn job(&self) -> MutexGuard<'_, Option<Arc<Job>>> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often somebody who waits looks whether anything moves.
fn tick(deadline: Duration) -> Duration {
    (deadline / 8).clamp(Duration::from_millis(5), Duration::from_millis(250))
}

/// Jobs that wait; a job is up to some dozens of signatures.
const QUEUE_MAX: usize = 1_024;

/// Threads that may hang in a module before no more are put in their place: each has a stack and, maybe, a
/// session of the token.
const LOST_MAX: usize = 16;

/// Calls that a job makes at most beside signing: finding token and key, logging in, initialising anew.
const ATTEMPT_CALLS: u32 = 24;

/// How long a pool's end is waited for, and how often it is looked for.
const FAREWELL: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(5);
