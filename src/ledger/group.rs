//! Group commit: many submit, one thread writes, one sync for all that is waiting.
//!
//! The order that everything else rests on: **synced, then visible, then acknowledged**. Nobody is
//! told that a change is recorded before it is on the disk and `on_durable` has made it visible to
//! every question asked from then on. When a step fails, nobody is told so, though the entries may be
//! in the ledger: they are made visible before anything else is acknowledged.

use std::{
    error::Error,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    task::{Context, Poll},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::change::{Change, Outcome, Source};

use super::{
    error::LedgerError,
    idempotency::{PushFate, PushRequest},
    issuer_wide::{Durable, IssuerRevocationOrder},
    log::TreeHead,
    store::{AppliedEntry, CHANGES_MAX, Committed, Ledger, Submission},
};

/// How a [`GroupCommit`] behaves.
#[derive(Clone, Copy, Debug)]
pub struct GroupOptions {
    /// Up to which sequence everything is visible already; later entries are made visible first.
    pub visible: u64,
    /// How many submissions may wait; more are turned away.
    pub submissions_max: usize,
    /// How many changes may wait in all submissions together; more are turned away. At least
    /// [`CHANGES_MAX`], or the largest submission never fits.
    pub changes_max: usize,
}

impl GroupOptions {
    /// 1,024 submissions and 262,144 changes (about 40 MB) may wait.
    #[must_use]
    pub const fn new(visible: u64) -> Self {
        Self {
            visible,
            submissions_max: 1024,
            changes_max: 4 * CHANGES_MAX,
        }
    }
}

/// The one thread that writes, and its queue. Dropping it finishes what waits.
#[derive(Debug)]
pub struct GroupCommit {
    queue: Option<SyncSender<Job>>,
    waiting: Arc<Waiting>,
    thread: Option<JoinHandle<()>>,
}

impl GroupCommit {
    /// Starts the thread. `now_ms` tells it the time, in milliseconds since 1970; `on_durable` makes
    /// entries visible that are on the disk, and is given each at least once, in order.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start<V, E>(
        ledger: Arc<Ledger>,
        options: GroupOptions,
        now_ms: impl Fn() -> u64 + Send + 'static,
        on_durable: V,
    ) -> io::Result<Self>
    where
        V: FnMut(Durable<'_>) -> Result<(), E> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let (queue, jobs) = sync_channel(options.submissions_max);
        let waiting = Arc::new(Waiting {
            changes: AtomicUsize::new(0),
            changes_max: options.changes_max,
        });
        let worker = Worker {
            ledger,
            jobs,
            held_back: None,
            now_ms,
            on_durable,
            visible: options.visible,
            forgotten: Instant::now(),
        };
        let thread = thread::Builder::new()
            .name("ledger-commit".to_owned())
            .spawn(move || worker.run())?;
        Ok(Self {
            queue: Some(queue),
            waiting,
            thread: Some(thread),
        })
    }

    /// Submits changes, to be judged and recorded in this order, in one batch; never waits. If they
    /// are not being written by `deadline`, they are not written at all.
    ///
    /// # Errors
    /// [`SubmitError`]; then nothing was submitted.
    pub fn submit(
        &self,
        changes: Vec<Change>,
        source: Source,
        deadline: Instant,
    ) -> Result<Receipt, SubmitError> {
        self.submit_work(Work::Changes(changes), source, deadline)
    }

    /// Submits changes that are pushed under an idempotency key. Its receipt says what became of the push,
    /// now or when it was first submitted.
    ///
    /// # Errors
    /// [`SubmitError`]; then nothing was submitted.
    pub fn submit_push(
        &self,
        request: PushRequest,
        changes: Vec<Change>,
        source: Source,
        deadline: Instant,
    ) -> Result<Receipt, SubmitError> {
        let push = Push { request, changes };
        self.submit_work(Work::Push(Box::new(push)), source, deadline)
    }

    /// Submits an order to revoke an issuer as a whole; never waits. Its receipt gives the outcome of the
    /// order, then those of the changes that belong to it (none if it was refused).
    ///
    /// # Errors
    /// [`SubmitError`]; then nothing was submitted.
    pub fn submit_issuer_revocation(
        &self,
        order: IssuerRevocationOrder,
        source: Source,
        deadline: Instant,
    ) -> Result<Receipt, SubmitError> {
        self.submit_work(Work::Issuer(order), source, deadline)
    }

    fn submit_work(
        &self,
        work: Work,
        source: Source,
        deadline: Instant,
    ) -> Result<Receipt, SubmitError> {
        let changes = work.changes().len();
        if changes > CHANGES_MAX {
            return Err(SubmitError::TooManyChanges {
                given: changes,
                changes_max: CHANGES_MAX,
            });
        }
        let queue = self.queue.as_ref().ok_or(SubmitError::Stopped)?;
        let permit = self.waiting.enter(changes)?;
        let (reply, outcome) = oneshot::channel();
        let job = Job {
            work,
            source,
            deadline,
            reply,
            _permit: permit,
        };
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => SubmitError::Busy,
            TrySendError::Disconnected(_) => SubmitError::Stopped,
        })?;
        Ok(Receipt(outcome))
    }
}

impl Drop for GroupCommit {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the ledger had ended in a panic");
        }
    }
}

/// What was submitted is on the disk and visible.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    /// What became of each change, in the order given; of an order to revoke an issuer, of that first.
    pub outcomes: Vec<Outcome>,
    /// When it was recorded, in milliseconds since 1970.
    pub recorded_ms: u64,
    /// The number of the last entry of the batch that it was recorded with.
    pub last_sequence: u64,
    /// The head of the log that covers that entry, and with it all that was submitted.
    pub head: TreeHead,
    /// What became of a push.
    pub push: Option<PushFate>,
}

/// What comes of a submission: a future, or something to block on.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Result<Acknowledged, CommitError>>);

impl Receipt {
    /// Blocks until the changes are recorded and visible, or have failed.
    ///
    /// # Errors
    /// [`CommitError`].
    ///
    /// # Panics
    /// When called from asynchronous code; await it there.
    pub fn wait(self) -> Result<Acknowledged, CommitError> {
        self.0.blocking_recv().unwrap_or(Err(CommitError::Stopped))
    }
}

impl Future for Receipt {
    type Output = Result<Acknowledged, CommitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|received| received.unwrap_or(Err(CommitError::Stopped)))
    }
}

/// Why changes were not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The queue is full.
    #[error("too many changes wait to be recorded: try again later")]
    Busy,
    /// More changes than one batch takes.
    #[error("{given} changes in one submission: at most {changes_max} are recorded at once")]
    TooManyChanges {
        /// How many were given.
        given: usize,
        /// The limit.
        changes_max: usize,
    },
    /// The thread that writes has ended.
    #[error("the ledger takes no more changes")]
    Stopped,
}

/// Why changes were not acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// They waited too long, and were not recorded.
    #[error("the changes waited past their deadline and were not recorded")]
    DeadlinePassed,
    /// They could not be written. They may turn up in the ledger all the same: submitting them again
    /// does no harm.
    #[error("the changes could not be recorded")]
    Ledger(#[source] Arc<LedgerError>),
    /// They are recorded, but could not be made visible yet; that is tried again.
    #[error("the changes are recorded, but not visible yet")]
    NotVisible(#[source] Arc<dyn Error + Send + Sync>),
    /// The thread that writes ended before their turn.
    #[error("the ledger takes no more changes")]
    Stopped,
}

impl From<LedgerError> for CommitError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(Arc::new(error))
    }
}

/// What is submitted.
#[derive(Debug)]
enum Work {
    Changes(Vec<Change>),
    Push(Box<Push>),
    /// Written alone: the changes around it are judged before or after it.
    Issuer(IssuerRevocationOrder),
}

impl Work {
    fn changes(&self) -> &[Change] {
        match self {
            Self::Changes(changes) => changes,
            Self::Push(push) => &push.changes,
            Self::Issuer(order) => &order.with,
        }
    }

    const fn push(&self) -> Option<&PushRequest> {
        match self {
            Self::Push(push) => Some(&push.request),
            _ => None,
        }
    }

    /// Whether it may not be written with `others`. Of pushes with one key the second is to find what the
    /// first wrote; one that is applied as a whole or not at all would have the others judged twice.
    fn is_apart_from(&self, others: &[Job]) -> bool {
        match self {
            Self::Changes(_) => false,
            Self::Issuer(_) => !others.is_empty(),
            Self::Push(push) => {
                let has_key = |other: &Job| {
                    let other = other.work.push();
                    other.is_some_and(|other| other.has_key_of(&push.request))
                };
                others.iter().any(has_key) || push.request.all_or_nothing && !others.is_empty()
            }
        }
    }

    /// Whether nothing else may be written with it.
    const fn is_alone(&self) -> bool {
        match self {
            Self::Changes(_) => false,
            Self::Push(push) => push.request.all_or_nothing,
            Self::Issuer(_) => true,
        }
    }
}

#[derive(Debug)]
struct Push {
    request: PushRequest,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Job {
    work: Work,
    source: Source,
    deadline: Instant,
    reply: oneshot::Sender<Result<Acknowledged, CommitError>>,
    _permit: Permit,
}

/// How many changes wait.
#[derive(Debug)]
struct Waiting {
    changes: AtomicUsize,
    changes_max: usize,
}

impl Waiting {
    fn enter(self: &Arc<Self>, changes: usize) -> Result<Permit, SubmitError> {
        self.changes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
                waiting
                    .checked_add(changes)
                    .filter(|waiting| *waiting <= self.changes_max)
            })
            .map_err(|_| SubmitError::Busy)?;
        Ok(Permit {
            waiting: Arc::clone(self),
            changes,
        })
    }
}

/// The right of some changes to wait, given back when dropped.
#[derive(Debug)]
struct Permit {
    waiting: Arc<Waiting>,
    changes: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.waiting
            .changes
            .fetch_sub(self.changes, Ordering::Relaxed);
    }
}

struct Worker<T, V> {
    ledger: Arc<Ledger>,
    jobs: Receiver<Job>,
    /// Taken from the queue, but for the next batch.
    held_back: Option<Job>,
    now_ms: T,
    on_durable: V,
    /// The number of the last entry that was made visible.
    visible: u64,
    /// When old pushes were forgotten last.
    forgotten: Instant,
}

/// How many old pushes are forgotten each time that there is nothing else to do, or that it is time.
const FORGOTTEN_AT_ONCE: usize = 1_024;

/// How long a thread that is never idle goes without forgetting any.
const FORGETS_EVERY: Duration = Duration::from_mins(1);

/// How often an idle thread looks whether there is something to mend.
const IDLE: Duration = Duration::from_secs(1);

impl<T, V, E> Worker<T, V>
where
    T: Fn() -> u64,
    V: FnMut(Durable<'_>) -> Result<(), E>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    fn run(mut self) {
        self.mend();
        loop {
            let first = match self.held_back.take() {
                Some(job) => job,
                None => match self.jobs.recv_timeout(IDLE) {
                    Ok(job) => job,
                    Err(RecvTimeoutError::Timeout) => {
                        self.mend();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                },
            };
            let jobs = self.collect(first);
            if jobs.is_empty() {
                continue;
            }
            match self.commit(&jobs) {
                Ok(committed) => acknowledge(jobs, committed),
                Err(error) => {
                    for job in jobs {
                        job.answer(Err(error.clone()));
                    }
                }
            }
            if self.forgotten.elapsed() >= FORGETS_EVERY {
                self.forget();
            }
        }
    }

    /// What waits now, as far as it fits one batch and its deadline has not passed.
    fn collect(&mut self, first: Job) -> Vec<Job> {
        let now = Instant::now();
        let mut changes = 0_usize;
        let mut jobs = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            changes = changes.saturating_add(job.work.changes().len());
            if changes > CHANGES_MAX || job.work.is_apart_from(&jobs) {
                self.held_back = Some(job);
                break;
            }
            if job.deadline < now {
                job.answer(Err(CommitError::DeadlinePassed));
            } else {
                let is_alone = job.work.is_alone();
                jobs.push(job);
                if is_alone {
                    break;
                }
            }
            next = self.jobs.try_recv().ok();
        }
        jobs
    }

    fn commit(&mut self, jobs: &[Job]) -> Result<Committing, CommitError> {
        // Also what a failed step left behind: if it cannot be seen, nothing more is promised.
        self.make_rest_visible()?;
        if let [job] = jobs
            && let Work::Issuer(order) = &job.work
        {
            let committed = self
                .ledger
                .revoke_issuer(order, &job.source, (self.now_ms)())?;
            self.make_rest_visible()?;
            let mut outcomes = vec![committed.outcome];
            outcomes.extend(committed.with.outcomes);
            return Ok(Committing {
                all: Acknowledged {
                    outcomes,
                    recorded_ms: committed.with.recorded_ms,
                    last_sequence: committed.with.last_sequence,
                    head: committed.with.head,
                    push: None,
                },
                pushes: Vec::new(),
            });
        }
        let submissions: Vec<_> = jobs
            .iter()
            .map(|job| Submission {
                changes: job.work.changes(),
                source: &job.source,
                push: job.work.push(),
            })
            .collect();
        let Committed {
            outcomes,
            applied,
            recorded_ms,
            last_sequence,
            head,
            pushes,
        } = self.ledger.commit_all(&submissions, (self.now_ms)())?;
        match (applied.first(), applied.last()) {
            (Some(first), Some(last))
                if self.visible.checked_add(1) == Some(first.record.sequence) =>
            {
                self.make_visible(&applied, last.record.sequence)?;
            }
            _ => self.make_rest_visible()?,
        }
        Ok(Committing {
            all: Acknowledged {
                outcomes,
                recorded_ms,
                last_sequence,
                head,
                push: None,
            },
            pushes,
        })
    }

    /// Reopens the ledger after a failed write, and makes visible what is not yet.
    fn mend(&mut self) {
        let mended = match self.ledger.needs_recovery() {
            true => self.ledger.recover().map_err(CommitError::from),
            false => Ok(()),
        };
        if let Err(error) = mended.and_then(|()| self.make_rest_visible()) {
            let error: &dyn Error = &error;
            tracing::warn!(error, "the ledger is not in order yet");
            return;
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.forgotten = Instant::now();
        let forgotten = (self.ledger).forget_old_pushes((self.now_ms)(), FORGOTTEN_AT_ONCE);
        if let Err(error) = forgotten {
            let error: &dyn Error = &error;
            tracing::warn!(error, "what was noted of old pushes could not be removed");
        }
    }

    /// Makes all entries visible that are not yet: none, unless a step failed, the ledger was
    /// reopened or somebody else wrote.
    fn make_rest_visible(&mut self) -> Result<(), CommitError> {
        if self.ledger.needs_recovery() {
            self.ledger.recover()?;
        }
        if self.ledger.last_sequence()? == self.visible {
            return Ok(());
        }
        let snapshot = self.ledger.snapshot()?;
        for issuer in snapshot.revoked_issuers() {
            if issuer.sequence > self.visible {
                self.show(Durable::Issuer(&issuer))?;
            }
        }
        let mut applied = Vec::new();
        for entry in snapshot.applied_since(self.visible)? {
            applied.push(entry?);
            if applied.len() >= CHANGES_MAX
                && let Some(last) = applied.last().map(|entry| entry.record.sequence)
            {
                self.make_visible(&applied, last)?;
                applied.clear();
            }
        }
        let last = snapshot.last_sequence();
        self.make_visible(&applied, last)
    }

    fn make_visible(&mut self, applied: &[AppliedEntry], last: u64) -> Result<(), CommitError> {
        if !applied.is_empty() {
            self.show(Durable::Certificates(applied))?;
        }
        self.visible = last;
        Ok(())
    }

    fn show(&mut self, durable: Durable<'_>) -> Result<(), CommitError> {
        (self.on_durable)(durable).map_err(|error| CommitError::NotVisible(Arc::from(error.into())))
    }
}

impl Job {
    fn answer(self, result: Result<Acknowledged, CommitError>) {
        if self.reply.send(result).is_err() {
            // Whoever submitted no longer waits: it is recorded all the same.
            tracing::debug!("a receipt was dropped before its answer");
        }
    }
}

/// What is acknowledged to several at once.
struct Committing {
    /// With the outcomes of all.
    all: Acknowledged,
    /// For each of them, what became of it if it is a push.
    pushes: Vec<Option<PushFate>>,
}

fn acknowledge(jobs: Vec<Job>, committed: Committing) {
    let Committing { all, pushes } = committed;
    let mut outcomes = all.outcomes.into_iter();
    let mut pushes = pushes.into_iter();
    for job in jobs {
        let count = match &job.work {
            Work::Changes(_) | Work::Push(_) => job.work.changes().len(),
            // It is alone, and has all.
            Work::Issuer(_) => usize::MAX,
        };
        job.answer(Ok(Acknowledged {
            outcomes: outcomes.by_ref().take(count).collect(),
            push: pushes.next().flatten(),
            ..all
        }));
    }
}
