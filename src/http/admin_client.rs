//! The client of the admin socket, for commands: it blocks, and brings its own runtime.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use hyper::{
    Method, Request, Response,
    body::{Body, Bytes, Frame, Incoming},
    client::conn::http1,
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::UnixStream, sync::mpsc};

use super::admin::{NDJSON, PROTOCOL_VERSION, Query, UNSUPPORTED_VERSION};

/// Octets read from a stream at a time.
const PIECE_OCTETS: usize = 64 * 1_024;

/// Pieces read ahead of the socket.
const PIECES_WAITING_MAX: usize = 4;

/// A reply, or a line of one, that is longer is not from our server.
const REPLY_OCTETS_MAX: usize = 64 << 20;

/// Speaks to the server behind one admin socket; a connection for each request.
#[derive(Clone, Debug)]
pub struct AdminClient {
    socket: PathBuf,
}

/// The body of a POST.
pub enum Upload {
    /// None.
    Nothing,
    /// One value.
    Json(Value),
    /// A stream of any length, read on a thread of its own.
    Stream(Box<dyn Read + Send>),
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Json(_) => "Json",
            Self::Stream(_) => "Stream",
        })
    }
}

impl AdminClient {
    /// A client of the server at `socket`, which is not looked for yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks for `path`, which begins with `/` and does not name the version.
    ///
    /// # Errors
    /// [`AdminClientError`]; [`AdminClientError::NotRunning`] when there is no server to ask.
    ///
    /// # Panics
    /// Within a tokio runtime, which it would block.
    pub fn get(&self, path: &str, query: &Query) -> Result<Value, AdminClientError> {
        self.request(Method::GET, path, query, Upload::Nothing, &mut |_| {})
    }

    /// The same; `on_progress` sees each line of progress as it arrives.
    ///
    /// # Errors
    /// As [`AdminClient::get`].
    ///
    /// # Panics
    /// Within a tokio runtime, which it would block.
    pub fn get_with_progress(
        &self,
        path: &str,
        query: &Query,
        on_progress: &mut dyn FnMut(&Value),
    ) -> Result<Value, AdminClientError> {
        self.request(Method::GET, path, query, Upload::Nothing, on_progress)
    }

    /// Posts `upload` to `path`. `on_progress` sees each line of progress as it arrives.
    ///
    /// # Errors
    /// [`AdminClientError`]; [`AdminClientError::NotRunning`] when there is no server to ask.
    ///
    /// # Panics
    /// Within a tokio runtime, which it would block.
    pub fn post(
        &self,
        path: &str,
        query: &Query,
        upload: Upload,
        on_progress: &mut dyn FnMut(&Value),
    ) -> Result<Value, AdminClientError> {
        self.request(Method::POST, path, query, upload, on_progress)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        query: &Query,
        upload: Upload,
        on_progress: &mut dyn FnMut(&Value),
    ) -> Result<Value, AdminClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(|source| self.io_error(source))?;
        let result = runtime.block_on(self.exchange(method, path, query, upload, on_progress));
        // A thread that waits for standard input must not keep the command from ending.
        runtime.shutdown_background();
        result
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        query: &Query,
        upload: Upload,
        on_progress: &mut dyn FnMut(&Value),
    ) -> Result<Value, AdminClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| self.io_error(source))?;
        let (body, failure) = UploadBody::start(upload);
        let request = Request::builder()
            .method(method)
            .uri(target(path, query))
            .header(HOST, "localhost")
            .body(body)?;
        let result = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let response = sender.send_request(request).await?;
            read_reply(response, on_progress).await
        }
        .await;
        // What went wrong on our side explains what the other side saw of it.
        match Arc::into_inner(failure).and_then(OnceLock::into_inner) {
            Some(source) => Err(AdminClientError::Upload(source)),
            None => result,
        }
    }

    fn io_error(&self, source: io::Error) -> AdminClientError {
        let socket = self.socket.clone();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                AdminClientError::NotRunning { socket }
            }
            io::ErrorKind::PermissionDenied => AdminClientError::Permission { socket },
            _ => AdminClientError::Io { socket, source },
        }
    }
}

fn target(path: &str, query: &Query) -> String {
    let query = query.to_string();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("/v{PROTOCOL_VERSION}{path}{mark}{query}")
}

async fn read_reply(
    response: Response<Incoming>,
    on_progress: &mut dyn FnMut(&Value),
) -> Result<Value, AdminClientError> {
    let (head, mut body) = response.into_parts();
    let is_lines = head
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes() == NDJSON.as_bytes());
    let mut unread = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(piece) = frame?.into_data() else {
            continue;
        };
        unread.extend_from_slice(&piece);
        if is_lines && let Some(end) = read_lines(&mut unread, on_progress)? {
            return end;
        }
        if unread.len() > REPLY_OCTETS_MAX {
            return Err(AdminClientError::NotUnderstood);
        }
    }
    if is_lines {
        return Err(AdminClientError::Interrupted);
    }
    let value: Value =
        serde_json::from_slice(&unread).map_err(|_| AdminClientError::NotUnderstood)?;
    if head.status.is_success() {
        Ok(value)
    } else {
        Err(refusal(&value))
    }
}

/// What the last line said: the result, or an error.
type End = Result<Value, AdminClientError>;

/// Takes whole lines off `unread`, until one of them is the last of the reply.
fn read_lines(
    unread: &mut Vec<u8>,
    on_progress: &mut dyn FnMut(&Value),
) -> Result<Option<End>, AdminClientError> {
    while let Some(end) = unread.iter().position(|octet| *octet == b'\n') {
        let line: Vec<u8> = unread.drain(..=end).collect();
        let mut line: Value =
            serde_json::from_slice(&line).map_err(|_| AdminClientError::NotUnderstood)?;
        if let Some(progress) = line.get("progress") {
            on_progress(progress);
        } else if let Some(result) = line.get_mut("result") {
            return Ok(Some(Ok(result.take())));
        } else {
            return Ok(Some(Err(refusal(&line))));
        }
    }
    Ok(None)
}

fn refusal(value: &Value) -> AdminClientError {
    let text = |pointer| value.pointer(pointer).and_then(Value::as_str);
    let (Some(code), Some(message)) = (text("/error/code"), text("/error/message")) else {
        return AdminClientError::NotUnderstood;
    };
    let (code, message) = (code.to_owned(), message.to_owned());
    if code == UNSUPPORTED_VERSION {
        AdminClientError::Version { message }
    } else {
        AdminClientError::Refused { code, message }
    }
}

/// Why a request to the admin socket brought no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminClientError {
    /// Nobody listens: there is no socket, or that of a process that is gone.
    #[error(
        "no server is running at {}: start it with `estelam serve`, or name its configuration with \
         --config",
        socket.display()
    )]
    NotRunning {
        /// The socket.
        socket: PathBuf,
    },
    /// The socket belongs to another user.
    #[error(
        "no permission to use {}: run the command as the server's user, or as root",
        socket.display()
    )]
    Permission {
        /// The socket.
        socket: PathBuf,
    },
    /// The socket cannot be used.
    #[error("cannot use {}: {source}", socket.display())]
    Io {
        /// The socket.
        socket: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The server is of another version.
    #[error(
        "this command speaks version {PROTOCOL_VERSION} of the admin protocol, but {message}. \
         Use the estelam that the server was started from, or restart the server with this one"
    )]
    Version {
        /// What the server said.
        message: String,
    },
    /// The server understood and refused.
    #[error("{message}")]
    Refused {
        /// For programs.
        code: String,
        /// For people.
        message: String,
    },
    /// What was to be sent could not be read to its end. The server saw it break off.
    #[error("cannot read what was to be sent: {0}")]
    Upload(#[source] io::Error),
    /// The server ended in the middle of its work. What it had acknowledged before stays.
    #[error("the server ended before it was done; see its log")]
    Interrupted,
    /// The connection broke.
    #[error("the connection to the server broke: {0}")]
    Broken(#[from] hyper::Error),
    /// The path or query cannot stand in a request.
    #[error("not a request that HTTP can carry: {0}")]
    Unsendable(#[from] hyper::http::Error),
    /// The reply is none of ours.
    #[error("what listens there does not speak estelam's admin protocol")]
    NotUnderstood,
}

/// A request's body on its way to the server.
enum UploadBody {
    Whole(Option<Bytes>),
    Stream(mpsc::Receiver<Result<Bytes, BrokenOff>>),
}

/// Tells hyper to break the request off; the reason waits in the slot that [`UploadBody::start`] gave.
#[derive(Debug, thiserror::Error)]
#[error("the upload broke off")]
struct BrokenOff;

impl UploadBody {
    /// The body, and where an error of its source will be found.
    fn start(upload: Upload) -> (Self, Arc<OnceLock<io::Error>>) {
        let failure = Arc::new(OnceLock::new());
        let body = match upload {
            Upload::Nothing => Self::Whole(None),
            Upload::Json(value) => Self::Whole(Some(value.to_string().into())),
            Upload::Stream(source) => {
                let (sender, pieces) = mpsc::channel(PIECES_WAITING_MAX);
                let failure = Arc::clone(&failure);
                tokio::task::spawn_blocking(move || pump(source, &sender, &failure));
                Self::Stream(pieces)
            }
        };
        (body, failure)
    }
}

fn pump(
    mut source: Box<dyn Read + Send>,
    sender: &mpsc::Sender<Result<Bytes, BrokenOff>>,
    failure: &OnceLock<io::Error>,
) {
    let mut buffer = vec![0; PIECE_OCTETS];
    loop {
        let piece = match source.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => Ok(Bytes::copy_from_slice(buffer.get(..count).unwrap_or(&[]))),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                failure.get_or_init(|| error);
                Err(BrokenOff)
            }
        };
        let is_last = piece.is_err();
        if sender.blocking_send(piece).is_err() || is_last {
            return;
        }
    }
}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut *self {
            Self::Whole(piece) => Poll::Ready(piece.take().map(|piece| Ok(Frame::data(piece)))),
            Self::Stream(pieces) => pieces
                .poll_recv(cx)
                .map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }
}
