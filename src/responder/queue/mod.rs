//! The bounded way from the responder to the live signer.
//!
//! **Asking** ([`QuestionQueue`]) takes no lock, since it is done by the threads that answer everybody
//! else: two counters are raised, the question goes into a lock-free channel, and a sleeping signer is
//! woken. What has no place, or would not be answered in time, is turned away there and then.
//!
//! **Taking** ([`Questions`]) is the signers' own affair, under a lock that they alone take: questions
//! are sorted by issuer, issuers take turns, and a question whose very octets wait already joins the one
//! that waits. One that a signer has taken is never joined: its status has been looked up, perhaps
//! before somebody was told of a change that the later question has to see.

mod asked;
mod counts;
mod scheduler;
mod sleepers;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

pub use self::asked::AskedQuestion;
use self::asked::asked;
use self::counts::Counts;
use self::scheduler::Scheduler;
use self::sleepers::Sleepers;
use super::{Question, Response};
use crate::observe::{LaneStats, LiveStats};

/// How much may wait, for how long, for whom.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QueueSettings {
    /// Questions that may wait; at least one.
    pub length: usize,
    /// How long each may wait until it is answered.
    pub patience: Duration,
    /// Issuers, each with a lane of its own; at least one.
    pub lanes: usize,
    /// Threads that take questions; at least one.
    pub threads: usize,
}

/// A queue of questions: the asking end, and the taking end.
#[must_use]
pub fn question_queue(settings: &QueueSettings) -> (QuestionQueue, Questions) {
    let lanes = settings.lanes.max(1);
    let (sender, arrived) = channel();
    let state = Arc::new(State {
        length: settings.length.max(1),
        patience: settings.patience,
        lanes: (0..lanes).map(|_| Lane::default()).collect(),
        waiting: AtomicUsize::new(0),
        busy_lanes: AtomicUsize::new(0),
        in_service: AtomicUsize::new(0),
        service_nanos: AtomicU64::new(0),
        sleepers: Sleepers::new(settings.threads.max(1)),
        counts: Counts::default(),
    });
    let queue = QuestionQueue {
        sender,
        state: Arc::clone(&state),
    };
    let scheduler = Mutex::new(Scheduler::new(arrived, lanes));
    (queue, Questions { state, scheduler })
}

/// The asking end.
#[derive(Clone, Debug)]
pub struct QuestionQueue {
    sender: Sender<AskedQuestion>,
    state: Arc<State>,
}

impl QuestionQueue {
    /// Asks. Takes no lock, and waits for nothing.
    ///
    /// # Errors
    /// [`Shed`] where it is turned away at once.
    pub fn ask(&self, question: Question) -> Result<Waiting, Shed> {
        let state = &self.state;
        let lane = question.lane % state.lanes.len();
        state.counts.asked(question.why);
        state.lane(lane).asked.fetch_add(1, Ordering::Relaxed);
        state.enter(lane).inspect_err(|shed| {
            state.shed(lane, *shed);
        })?;
        let now = Instant::now();
        let (reply, answer) = oneshot::channel();
        let asked = asked(question, lane, now, now + state.patience, reply);
        if self.sender.send(asked).is_err() {
            state.leave(lane, 1);
            state.shed(lane, Shed::Stopped);
            return Err(Shed::Stopped);
        }
        state.sleepers.wake_one();
        Ok(Waiting {
            answer,
            lane,
            state: Arc::clone(state),
        })
    }

    /// How many questions wait now.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.state.waiting.load(Ordering::Relaxed)
    }
}

/// A question that is in the queue.
#[derive(Debug)]
pub struct Waiting {
    answer: oneshot::Receiver<Response>,
    lane: usize,
    state: Arc<State>,
}

impl Waiting {
    /// Waits for the answer, no longer than the queue's patience.
    ///
    /// # Errors
    /// [`Shed::Expired`] when it does not come in time, [`Shed::Stopped`] when it never will.
    pub async fn answer(self) -> Result<Response, Shed> {
        let shed = match tokio::time::timeout(self.state.patience, self.answer).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(_)) => Shed::Stopped,
            Err(_) => Shed::Expired,
        };
        self.state.shed(self.lane, shed);
        Err(shed)
    }
}

/// Why a question was not answered with a signature.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Shed {
    /// The queue is full.
    #[error("the live queue is full")]
    Full,
    /// The issuer has as many places as are free: the rest is for the others.
    #[error("the live queue has no more places for this issuer")]
    Quota,
    /// So many wait before it that it would not be answered in time.
    #[error("too many questions wait for the live signer")]
    Late,
    /// It was not answered in time.
    #[error("the live signer did not answer in time")]
    Expired,
    /// The signer is gone, or failed over this question.
    #[error("the live signer is gone")]
    Stopped,
}

impl Shed {
    /// All, in the order of [`Shed::index`].
    pub const ALL: [Self; 5] = [
        Self::Full,
        Self::Quota,
        Self::Late,
        Self::Expired,
        Self::Stopped,
    ];

    /// Place in [`Shed::ALL`], for tables of counters.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Full => 0,
            Self::Quota => 1,
            Self::Late => 2,
            Self::Expired => 3,
            Self::Stopped => 4,
        }
    }

    /// The metric label, in lower case with underscores.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Full => "queue_full",
            Self::Quota => "issuer_quota",
            Self::Late => "would_be_late",
            Self::Expired => "deadline",
            Self::Stopped => "stopped",
        }
    }
}

/// The taking end, for any number of threads.
#[derive(Debug)]
pub struct Questions {
    state: Arc<State>,
    scheduler: Mutex<Scheduler>,
}

impl Questions {
    /// How many threads it was made for.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.state.sleepers.count()
    }

    /// Says that this thread is number `thread` of those that take questions, so that it is woken when
    /// one comes.
    pub fn join(&self, thread: usize) {
        self.state.sleepers.join(thread);
    }

    /// The next questions, at most `at_most` and all of one issuer's lane; `None` when none came for
    /// `at_most_for`, or the thread was unparked. To be called by thread number `thread` alone.
    pub fn next(&self, thread: usize, at_most: usize, at_most_for: Duration) -> Option<Batch<'_>> {
        let sleepers = &self.state.sleepers;
        if let Some(batch) = self.take(at_most) {
            return Some(batch);
        }
        // First the note, then another look: whoever asks between the two finds the note.
        sleepers.lie_down(thread);
        if self.state.waiting.load(Ordering::SeqCst) == 0 {
            sleepers.sleep(thread, at_most_for);
        }
        sleepers.get_up(thread);
        self.take(at_most)
    }

    /// Whether anybody waits, or a signer is at work.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.state.waiting.load(Ordering::Relaxed) > 0
            || self.state.in_service.load(Ordering::Relaxed) > 0
    }

    /// The counts of this moment.
    #[must_use]
    pub fn stats(&self) -> LiveStats {
        self.state
            .counts
            .stats(self.threads(), self.state.waiting.load(Ordering::Relaxed))
    }

    /// The counts of the issuer at a place of the catalog's table.
    #[must_use]
    pub fn lane_stats(&self, lane: usize) -> LaneStats {
        let lane = self.state.lane(lane % self.state.lanes.len());
        LaneStats {
            asked: lane.asked.load(Ordering::Relaxed),
            shed: lane.shed.load(Ordering::Relaxed),
            waiting: lane.waiting.load(Ordering::Relaxed),
        }
    }

    fn take(&self, at_most: usize) -> Option<Batch<'_>> {
        let state = &*self.state;
        let now = Instant::now();
        let mut questions = Vec::new();
        {
            let mut scheduler = self.scheduler();
            let joined = scheduler.sort_in();
            state.counts.joined(joined);
            scheduler.take(now, at_most, &mut questions, &mut |lane, places| {
                state.leave(lane, places);
            });
        }
        if questions.is_empty() {
            return None;
        }
        for asked in &questions {
            state
                .counts
                .taken(now.saturating_duration_since(asked.asked_at()));
        }
        state
            .in_service
            .fetch_add(questions.len(), Ordering::Relaxed);
        Some(Batch {
            count: questions.len(),
            questions,
            began: now,
            state,
        })
    }

    fn scheduler(&self) -> MutexGuard<'_, Scheduler> {
        self.scheduler
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Questions that were taken together. When it is dropped they count as answered, and the time since
/// they were taken as what answering them took.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The questions; each is answered or dropped.
    pub questions: Vec<AskedQuestion>,
    count: usize,
    began: Instant,
    state: &'a State,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.state
            .in_service
            .fetch_sub(self.count, Ordering::Relaxed);
        self.state.learn(self.began.elapsed(), self.count);
    }
}

/// What both ends know. Every field is an atomic by itself.
#[derive(Debug)]
struct State {
    length: usize,
    patience: Duration,
    lanes: Box<[Lane]>,
    /// In the channel and the lanes.
    waiting: AtomicUsize,
    /// Lanes in which something waits.
    busy_lanes: AtomicUsize,
    /// Taken, and not answered yet.
    in_service: AtomicUsize,
    /// What one answer takes one thread, of late; 0 before the first.
    service_nanos: AtomicU64,
    sleepers: Sleepers,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: AtomicUsize,
    asked: AtomicU64,
    shed: AtomicU64,
}

impl State {
    fn lane(&self, lane: usize) -> &Lane {
        self.lanes
            .get(lane)
            .expect("a lane's number is taken modulo their count")
    }

    /// Takes a place in a lane.
    fn enter(&self, lane: usize) -> Result<(), Shed> {
        let all = self.waiting.fetch_add(1, Ordering::SeqCst);
        let give_back = || {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
        };
        let Some(free) = self.length.checked_sub(all).filter(|free| *free > 0) else {
            give_back();
            return Err(Shed::Full);
        };
        let in_lane = self.lane(lane).waiting.load(Ordering::Relaxed);
        // Choudhury and Hahne's dynamic threshold: a lane grows only while it is shorter than what is
        // free. One flood takes half of the queue, two a third each, and whoever comes finds a place.
        if self.lanes.len() > 1 && in_lane >= free {
            give_back();
            return Err(Shed::Quota);
        }
        if self.expected_wait(in_lane, all) > self.patience {
            give_back();
            return Err(Shed::Late);
        }
        if self.lane(lane).waiting.fetch_add(1, Ordering::SeqCst) == 0 {
            self.busy_lanes.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn leave(&self, lane: usize, places: usize) {
        let before = self.lane(lane).waiting.fetch_sub(places, Ordering::SeqCst);
        if before == places {
            self.busy_lanes.fetch_sub(1, Ordering::Relaxed);
        }
        self.waiting.fetch_sub(places, Ordering::SeqCst);
    }

    /// How long the next question of a lane will wait: lanes take turns, so a short one is not held up
    /// by a long one.
    fn expected_wait(&self, in_lane: usize, all: usize) -> Duration {
        let lanes = self.busy_lanes.load(Ordering::Relaxed).max(1);
        let before = all.min(in_lane.saturating_add(1).saturating_mul(lanes));
        let before = u64::try_from(before).unwrap_or(u64::MAX);
        let threads = u64::try_from(self.sleepers.count().max(1)).unwrap_or(1);
        let nanos = self.service_nanos.load(Ordering::Relaxed);
        Duration::from_nanos(nanos.saturating_mul(before) / threads)
    }

    /// Learns how long answers take: an eighth of what is new, so that one hiccup turns nobody away.
    fn learn(&self, took: Duration, answers: usize) {
        let answers = u64::try_from(answers.max(1)).unwrap_or(u64::MAX);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / answers;
        let known = self.service_nanos.load(Ordering::Relaxed);
        let learned = match known {
            0 => nanos,
            known => known - known / 8 + nanos / 8,
        };
        // Two threads that learn at once: one of the two is forgotten, and the next is learned.
        self.service_nanos.store(learned.max(1), Ordering::Relaxed);
    }

    fn shed(&self, lane: usize, shed: Shed) {
        self.counts.shed(shed);
        self.lane(lane).shed.fetch_add(1, Ordering::Relaxed);
    }
}
