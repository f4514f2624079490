//! The bounded way from the responder to the live signer.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::Response;
use crate::ocsp::OcspResponseStatus;

/// A request that no presigned answer fits, octet for octet.
///
/// It carries no status and nothing to sign: the authority decodes it again, looks the status up and
/// builds the response itself, so a responder cannot make it sign a lie.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// The DER OCSPRequest.
    pub request_der: Vec<u8>,
}

/// A question on its way, with the moment after which nobody waits for the answer.
#[derive(Debug)]
pub struct AskedQuestion {
    /// What was asked.
    pub question: Question,
    /// The client's patience ends here; an answer after it is thrown away.
    pub deadline: Instant,
    reply: oneshot::Sender<Response>,
}

impl AskedQuestion {
    /// Hands the answer to the waiting request, if it still waits.
    pub fn reply(self, response: Response) {
        // A closed channel means that the client hung up or its deadline passed: nothing to tell.
        drop(self.reply.send(response));
    }

    /// True once nobody waits any more, so that no signature is spent on it.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.reply.is_closed() || Instant::now() >= self.deadline
    }
}

/// A queue of at most `length` questions, each answered within `patience` or with `tryLater`.
#[must_use]
pub fn question_queue(
    length: usize,
    patience: Duration,
) -> (QuestionQueue, mpsc::Receiver<AskedQuestion>) {
    let (sender, receiver) = mpsc::channel(length.max(1));
    (QuestionQueue { sender, patience }, receiver)
}

/// The asking end of the queue.
#[derive(Clone, Debug)]
pub struct QuestionQueue {
    sender: mpsc::Sender<AskedQuestion>,
    patience: Duration,
}

impl QuestionQueue {
    /// Asks, and waits until the answer or the deadline. A full queue, a stopped signer and a passed
    /// deadline are all answered `tryLater`.
    pub async fn ask(&self, question: Question) -> Response {
        let (reply, answer) = oneshot::channel();
        let deadline = Instant::now() + self.patience;
        if self
            .sender
            .try_send(AskedQuestion {
                question,
                deadline,
                reply,
            })
            .is_err()
        {
            return try_later();
        }
        match tokio::time::timeout(self.patience, answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) | Err(_) => try_later(),
        }
    }

    /// How many questions wait now.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.sender
            .max_capacity()
            .saturating_sub(self.sender.capacity())
    }
}

fn try_later() -> Response {
    Response::unsigned(OcspResponseStatus::TryLater)
}
