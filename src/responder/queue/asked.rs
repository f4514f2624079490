//! A question on its way, with everybody who waits for its answer.

use std::time::Instant;

use tokio::sync::oneshot;

use crate::responder::{Question, Response, Why};

/// A question on its way, with the moment after which nobody waits for the answer.
#[derive(Debug)]
pub struct AskedQuestion {
    /// What was asked.
    pub question: Question,
    lane: usize,
    asked_at: Instant,
    deadline: Instant,
    reply: oneshot::Sender<Response>,
    /// Of those who asked the same meanwhile.
    others: Vec<oneshot::Sender<Response>>,
}

pub(super) fn asked(
    question: Question,
    lane: usize,
    asked_at: Instant,
    deadline: Instant,
    reply: oneshot::Sender<Response>,
) -> AskedQuestion {
    AskedQuestion {
        question,
        lane,
        asked_at,
        deadline,
        reply,
        others: Vec::new(),
    }
}

impl AskedQuestion {
    /// Hands the answer to those who still wait.
    pub fn reply(self, response: Response) {
        // A closed channel means that the client hung up or its deadline passed: nothing to tell.
        for other in self.others {
            drop(other.send(response.clone()));
        }
        drop(self.reply.send(response));
    }

    /// True once nobody waits any more, so that no signature is spent on it.
    #[must_use]
    pub fn is_abandoned(&self, now: Instant) -> bool {
        let is_closed = |reply: &oneshot::Sender<Response>| reply.is_closed();
        now >= self.deadline || is_closed(&self.reply) && self.others.iter().all(is_closed)
    }

    pub(super) const fn lane(&self) -> usize {
        self.lane
    }

    pub(super) const fn asked_at(&self) -> Instant {
        self.asked_at
    }

    /// Whether another question with the same octets may have the same answer. One with a nonce may
    /// too, but nobody else asks it.
    pub(super) const fn may_be_shared(&self) -> bool {
        !matches!(self.question.why, Why::Nonce)
    }

    /// How many places in the queue it takes.
    pub(super) fn places(&self) -> usize {
        self.others.len().saturating_add(1)
    }

    /// Lets those who asked `same` have its answer.
    pub(super) fn join(&mut self, same: Self) {
        self.deadline = self.deadline.max(same.deadline);
        self.others.push(same.reply);
        self.others.extend(same.others);
    }
}
