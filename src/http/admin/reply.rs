//! What a route replies: one JSON value, or lines of them.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::{
    Response, StatusCode,
    body::{Body, Bytes, Frame, SizeHint},
    header::{CONTENT_TYPE, HeaderValue},
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Lines that may wait for a slow client before the sender has to.
const LINES_WAITING_MAX: usize = 64;

/// A reply in the making.
#[derive(Debug)]
pub struct AdminReply {
    status: StatusCode,
    body: ReplyBody,
}

impl AdminReply {
    /// 200 and `value`.
    #[must_use]
    pub fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(text) => Self {
                status: StatusCode::OK,
                body: ReplyBody::Whole(Some(text.into())),
            },
            Err(error) => Self::error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "not_serializable",
                &error.to_string(),
            ),
        }
    }

    /// An error: `code` for programs, in lower case with underscores; `message` for people, saying
    /// what was wrong, where, and what to do.
    #[must_use]
    pub fn error(status: StatusCode, code: &str, message: &str) -> Self {
        Self {
            status,
            body: ReplyBody::Whole(Some(error_value(code, message).to_string().into())),
        }
    }

    /// 200 and lines, which the sender writes while the client reads.
    #[must_use]
    pub fn lines() -> (Self, LineSender) {
        let (sender, lines) = mpsc::channel(LINES_WAITING_MAX);
        let body = ReplyBody::Lines(lines);
        let status = StatusCode::OK;
        (Self { status, body }, LineSender(sender))
    }

    pub(super) fn into_response(self) -> Response<ReplyBody> {
        let content_type = match self.body {
            ReplyBody::Whole(_) => "application/json",
            ReplyBody::Lines(_) => NDJSON,
        };
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }
}

/// The media type of lines.
pub(in crate::http) const NDJSON: &str = "application/x-ndjson";

fn error_value(code: &str, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message } })
}

/// Writes the lines of a reply. Dropped without [`LineSender::finish`] or [`LineSender::fail`], it
/// leaves a client that knows something broke. Each method has a twin for threads that may block.
#[derive(Debug)]
pub struct LineSender(mpsc::Sender<Bytes>);

impl LineSender {
    /// A line of progress.
    ///
    /// # Errors
    /// [`ClientGone`]: nobody reads any more, and the work may stop.
    pub async fn progress(&self, value: &impl Serialize) -> Result<(), ClientGone> {
        self.send(&json!({ "progress": json_of(value) })).await
    }

    /// The last line of work that succeeded.
    ///
    /// # Errors
    /// [`ClientGone`].
    pub async fn finish(self, value: &impl Serialize) -> Result<(), ClientGone> {
        self.send(&json!({ "result": json_of(value) })).await
    }

    /// The last line of work that did not.
    ///
    /// # Errors
    /// [`ClientGone`].
    pub async fn fail(self, code: &str, message: &str) -> Result<(), ClientGone> {
        self.send(&error_value(code, message)).await
    }

    /// As [`LineSender::progress`].
    ///
    /// # Errors
    /// [`ClientGone`].
    pub fn blocking_progress(&self, value: &impl Serialize) -> Result<(), ClientGone> {
        self.blocking_send(&json!({ "progress": json_of(value) }))
    }

    /// As [`LineSender::finish`].
    ///
    /// # Errors
    /// [`ClientGone`].
    pub fn blocking_finish(self, value: &impl Serialize) -> Result<(), ClientGone> {
        self.blocking_send(&json!({ "result": json_of(value) }))
    }

    /// As [`LineSender::fail`].
    ///
    /// # Errors
    /// [`ClientGone`].
    pub fn blocking_fail(self, code: &str, message: &str) -> Result<(), ClientGone> {
        self.blocking_send(&error_value(code, message))
    }

    async fn send(&self, line: &Value) -> Result<(), ClientGone> {
        self.0.send(octets_of(line)).await.map_err(|_| ClientGone)
    }

    fn blocking_send(&self, line: &Value) -> Result<(), ClientGone> {
        self.0
            .blocking_send(octets_of(line))
            .map_err(|_| ClientGone)
    }
}

/// The client closed the connection before the last line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the client is gone")]
pub struct ClientGone;

/// What cannot be JSON (a map whose keys are no strings) becomes null: a mistake of this program, and
/// no reason to stop half-way.
fn json_of(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

fn octets_of(line: &Value) -> Bytes {
    let mut text = line.to_string();
    text.push('\n');
    text.into()
}

/// The body of a reply.
#[derive(Debug)]
pub(super) enum ReplyBody {
    Whole(Option<Bytes>),
    Lines(mpsc::Receiver<Bytes>),
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut *self {
            Self::Whole(piece) => Poll::Ready(piece.take()),
            Self::Lines(lines) => lines.poll_recv(cx),
        };
        piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(piece) => {
                let length = piece.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Self::Lines(_) => SizeHint::default(),
        }
    }
}
