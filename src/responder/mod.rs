//! Decides what an OCSP request is answered: `answer(request, snapshot, now)`, policies, and the one
//! mapping of errors to OCSPResponseStatus and metric label. No sockets, no disk.

mod response;

pub use response::{AnswerKind, Backend, EntityTag, Freshness, Reply, Response};
