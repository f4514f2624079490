//! Signers that wait to be woken, without a lock on the side that wakes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::Duration;

/// A bed for each thread.
#[derive(Debug)]
pub(super) struct Sleepers(Box<[Bed]>);

#[derive(Debug, Default)]
struct Bed {
    thread: OnceLock<Thread>,
    is_taken: AtomicBool,
}

impl Sleepers {
    pub(super) fn new(count: usize) -> Self {
        Self((0..count).map(|_| Bed::default()).collect())
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// This thread's bed is number `bed`; said again it changes nothing.
    pub(super) fn join(&self, bed: usize) {
        if let Some(bed) = self.0.get(bed) {
            bed.thread.get_or_init(std::thread::current);
        }
    }

    /// Notes that the thread is about to sleep. What is looked at after this and found empty is told by
    /// [`Sleepers::wake_one`] when it is not empty any more.
    pub(super) fn lie_down(&self, bed: usize) {
        if let Some(bed) = self.0.get(bed) {
            bed.is_taken.store(true, Ordering::SeqCst);
        }
    }

    /// Sleeps until woken, or for `at_most`.
    pub(super) fn sleep(&self, bed: usize, at_most: Duration) {
        // Woken between the note and now, the thread has its token and does not sleep.
        let is_taken = |bed: &Bed| bed.is_taken.load(Ordering::SeqCst);
        if self.0.get(bed).is_none_or(is_taken) {
            std::thread::park_timeout(at_most);
        }
    }

    pub(super) fn get_up(&self, bed: usize) {
        if let Some(bed) = self.0.get(bed) {
            bed.is_taken.store(false, Ordering::SeqCst);
        }
    }

    /// Wakes one that sleeps, or is about to; none when all are up.
    pub(super) fn wake_one(&self) {
        for bed in &self.0 {
            // Looked at before it is written: while all are up, askers only read.
            if bed.is_taken.load(Ordering::SeqCst) && bed.is_taken.swap(false, Ordering::SeqCst) {
                if let Some(thread) = bed.thread.get() {
                    thread.unpark();
                }
                return;
            }
        }
    }
}
