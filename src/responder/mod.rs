//! Decides what a request is answered with.
//!
//! [`answer()`] is a pure function of the request, the catalog's snapshot and the time: no socket, disk,
//! lock, key or clock. What no presigned answer fits becomes a [`Question`] to the authority, which
//! takes the status from its own side; [`Responder`] carries it there and back under a deadline, and
//! knows what is answered where it does not come back.
//! Nothing here can reach a key or the ledger.

mod answer;
mod question;
mod queue;
mod response;
mod service;

pub use crate::observe::AnswerKind;
pub use answer::{Answer, Wish, answer, answer_as};
pub use question::{Question, Why};
pub use queue::{
    AskedQuestion, Batch, QuestionQueue, Questions, QueueSettings, Shed, Waiting, question_queue,
};
pub use response::{Backend, EntityTag, FileReply, Freshness, Reply, Response};
pub use service::Responder;
