//! Joins the decision, the catalog, the clock and the question queue.

use std::sync::Arc;

use super::{Answer, AnswerKind, Backend, FileReply, Question, QuestionQueue, Reply, Response};
use super::{Waiting, Wish, answer_as};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::ocsp::{OcspResponseStatus, RequestLimits};

/// Answers requests from the newest snapshot; asks the live signer where no presigned answer fits.
pub struct Responder {
    desk: Arc<Desk>,
    questions: QuestionQueue,
}

/// What a decision needs.
struct Desk {
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    limits: RequestLimits,
}

impl Responder {
    /// A responder over this catalog.
    #[must_use]
    pub fn new(
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        questions: QuestionQueue,
        limits: RequestLimits,
    ) -> Self {
        let desk = Arc::new(Desk {
            catalog,
            clock,
            limits,
        });
        Self { desk, questions }
    }

    fn reply(&self, request_der: &[u8], wish: Wish) -> Reply {
        let question = match self.desk.answer(request_der, wish) {
            Answer::Ready(response) => return Reply::Ready(response),
            Answer::Ask(question) => question,
        };
        // Kept where it may be needed once more: most are not.
        let kept = question.has_presigned.then(|| question.clone());
        match self.questions.ask(question) {
            Ok(waiting) => {
                let desk = Arc::clone(&self.desk);
                Reply::Pending(Box::pin(async move { desk.wait(waiting, kept).await }))
            }
            Err(_) => Reply::Ready(self.desk.instead(kept)),
        }
    }
}

impl Desk {
    fn answer(&self, request_der: &[u8], wish: Wish) -> Answer {
        let snapshot = self.catalog.snapshot();
        answer_as(request_der, &snapshot, self.clock.now(), &self.limits, wish)
    }

    async fn wait(&self, waiting: Waiting, kept: Option<Question>) -> Response {
        match waiting.answer().await {
            // Asked, and not able to sign: for the client that is the same.
            Ok(response) if response.kind != AnswerKind::TryLater || kept.is_none() => response,
            Ok(_) | Err(_) => self.instead(kept),
        }
    }

    /// What is answered where no signature comes: the presigned answer as it is now, where the issuer's
    /// policy lets it stand in, or `tryLater`.
    fn instead(&self, kept: Option<Question>) -> Response {
        let presigned = kept.map(|question| self.answer(&question.request_der, Wish::Presigned));
        match presigned {
            Some(Answer::Ready(response)) => response,
            _ => Response::unsigned(OcspResponseStatus::TryLater),
        }
    }
}

impl Backend for Responder {
    fn respond(&self, request_der: &[u8]) -> Reply {
        self.reply(request_der, Wish::Usual)
    }

    fn respond_afresh(&self, request_der: &[u8]) -> Reply {
        self.reply(request_der, Wish::Fresh)
    }

    fn path_octets_max(&self) -> usize {
        self.desk.catalog.path_octets_max()
    }

    fn file(&self, path: &str) -> Option<FileReply> {
        let snapshot = self.desk.catalog.snapshot();
        let file = snapshot.files().get(path)?;
        Some(FileReply {
            file: Arc::clone(file),
            now: self.desk.clock.now(),
        })
    }
}
