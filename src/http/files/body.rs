//! Sends a file in frames of bounded size.

use std::{
    io,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::pem;
use crate::{
    catalog::files::Content,
    http::{connection::Connection, progress::Phase},
    segment::{MappedFile, Unreadable},
};

/// Octets of a frame: the most that a client which takes nothing keeps in hyper's buffer, apart from
/// what was there. As large as the blocks that a mapped file is checked by.
const FRAME: usize = 32 * 1_024;
/// Frames that a client which takes all of them at once gets in one go: 0.1 ms of a thread's time, after
/// which others on it have their turn. (hyper asks once more after the first refusal, so it is twice
/// this.)
const BURST: u8 = 4;

/// The body of any answer of a public listener.
pub(in crate::http) enum AnswerBody<B> {
    /// In one piece.
    Whole(Full<Bytes>),
    /// A part of a file, or all of it.
    File(Box<FileBody<B>>),
}

/// What is still to be sent of a file. Nothing of it is copied but to the socket's buffer.
pub(in crate::http) struct FileBody<B> {
    connection: Arc<Connection<B>>,
    source: Source,
    left: Range<usize>,
    /// Frames since others had their turn.
    burst: u8,
}

enum Source {
    Memory(Bytes),
    Mapped { file: Arc<MappedFile>, whole: Bytes },
    Pem(Arc<MappedFile>),
}

/// The octets of a file, for [`Bytes`] to hold.
struct Whole(Arc<MappedFile>);

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        self.0.unchecked()
    }
}

/// The same of what lies in memory.
struct InMemory(Arc<[u8]>);

impl AsRef<[u8]> for InMemory {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<B> FileBody<B> {
    pub(super) fn of(
        connection: &Arc<Connection<B>>,
        content: &Content,
        part: Range<usize>,
    ) -> AnswerBody<B> {
        let source = match content {
            Content::Memory(octets) => {
                Source::Memory(Bytes::from_owner(InMemory(Arc::clone(octets))))
            }
            Content::Mapped(file) => Source::Mapped {
                whole: Bytes::from_owner(Whole(Arc::clone(file))),
                file: Arc::clone(file),
            },
            Content::Pem(file) => Source::Pem(Arc::clone(file)),
        };
        AnswerBody::File(Box::new(Self {
            connection: Arc::clone(connection),
            source,
            left: part,
            burst: 0,
        }))
    }

    /// Whether it is time for others.
    fn yields(&mut self, cx: &Context<'_>) -> bool {
        let is_over = self.burst >= BURST;
        self.burst = if is_over {
            0
        } else {
            self.burst.saturating_add(1)
        };
        if is_over {
            cx.waker().wake_by_ref();
        }
        is_over
    }

    fn frame(&mut self) -> io::Result<Option<Bytes>> {
        let Range { start, end } = self.left;
        if start >= end {
            return Ok(None);
        }
        let piece = self.source.piece(start, end);
        let piece = piece.map_err(|why| self.source.complain(why))?;
        self.left.start = start.saturating_add(piece.len());
        let counters = &self.connection.server.counters;
        counters.file_octets(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        // hyper asks for a frame when those before it are taken, so this is progress; after the last
        // one the answer ends as any other.
        let is_last = self.left.start >= end;
        let phase = if is_last { Phase::Write } else { Phase::Stream };
        self.connection.progress.enter(phase, self.connection.now());
        Ok(Some(piece))
    }
}

impl Source {
    fn piece(&self, start: usize, end: usize) -> Result<Bytes, Unreadable> {
        // To the next multiple of a frame, so that each block is checked once.
        let next = (start / FRAME).saturating_add(1).saturating_mul(FRAME);
        let piece = start..next.min(end);
        match self {
            Self::Memory(octets) => Ok(octets.slice(piece)),
            Self::Mapped { file, whole } => {
                file.read(piece.clone())?;
                Ok(whole.slice(piece))
            }
            Self::Pem(file) => pem::piece(file, start, end).map(Bytes::from),
        }
    }

    /// The connection is cut: the client sees that its copy is not whole.
    fn complain(&self, why: Unreadable) -> io::Error {
        if let Self::Mapped { file, .. } | Self::Pem(file) = self
            && why == Unreadable::Damaged
        {
            tracing::error!(
                file = %file.path().display(),
                "a CRL's octets changed on the disk while it was served: it is not served any more. \
                 Check the disk, and publish it again (`estelam crl publish`)"
            );
        }
        io::Error::other(why)
    }
}

impl<B> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(whole) => Pin::new(whole)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Self::File(file) => {
                if file.yields(cx) {
                    return Poll::Pending;
                }
                Poll::Ready(file.frame().transpose().map(|it| it.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::File(file) => file.left.start >= file.left.end,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::File(file) => {
                SizeHint::with_exact(u64::try_from(file.left.len()).unwrap_or(u64::MAX))
            }
        }
    }
}
