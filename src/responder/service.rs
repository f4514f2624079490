//! Joins the decision, the catalog, the clock and the question queue.

use std::sync::Arc;

use super::{Answer, Backend, FileReply, QuestionQueue, Reply, answer};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::ocsp::RequestLimits;

/// Answers requests from the newest snapshot; asks the live signer where no presigned answer fits.
pub struct Responder {
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    questions: QuestionQueue,
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
        Self {
            catalog,
            clock,
            questions,
            limits,
        }
    }
}

impl Backend for Responder {
    fn respond(&self, request_der: &[u8]) -> Reply {
        let snapshot = self.catalog.snapshot();
        match answer(request_der, &snapshot, self.clock.now(), &self.limits) {
            Answer::Ready(response) => Reply::Ready(response),
            Answer::Ask(question) => {
                let questions = self.questions.clone();
                Reply::Pending(Box::pin(async move { questions.ask(question).await }))
            }
        }
    }

    fn path_octets_max(&self) -> usize {
        self.catalog.path_octets_max()
    }

    fn file(&self, path: &str) -> Option<FileReply> {
        let snapshot = self.catalog.snapshot();
        let file = snapshot.files().get(path)?;
        Some(FileReply {
            file: Arc::clone(file),
            now: self.clock.now(),
        })
    }
}
