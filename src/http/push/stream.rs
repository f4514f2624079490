//! The TLS stream as hyper sees it: it notes progress, so that a slow client is told from a busy one.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::progress::{Phase, Progress, Stopwatch};

/// What the stream, the service and the deadlines of one connection share.
pub(super) struct Watch {
    pub(super) progress: Progress,
    pub(super) stopwatch: Stopwatch,
}

impl Watch {
    pub(super) fn enter(&self, phase: Phase) {
        self.progress.enter(phase, self.stopwatch.now());
    }

    fn is_in(&self, phase: Phase) -> bool {
        self.progress.phase().0 == phase
    }
}

/// A stream whose first octet after an answer begins a head, and whose last octet of an answer ends it.
pub(super) struct WatchedTls<S> {
    pub(super) stream: S,
    watch: Arc<Watch>,
    /// Octets that the client took since the write timeout last began.
    taken: usize,
}

/// A client that takes this much of an answer gets the whole write timeout again.
const WRITE_STEP_OCTETS: usize = 16 * 1_024;

impl<S> WatchedTls<S> {
    pub(super) const fn new(stream: S, watch: Arc<Watch>) -> Self {
        Self {
            stream,
            watch,
            taken: 0,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedTls<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before && self.watch.is_in(Phase::Idle) {
            self.watch.enter(Phase::Head);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedTls<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, octets);
        if let Poll::Ready(Ok(count)) = written {
            self.taken = self.taken.saturating_add(count);
            if self.taken >= WRITE_STEP_OCTETS && self.watch.is_in(Phase::Write) {
                self.taken = 0;
                self.watch.enter(Phase::Write);
            }
        }
        written
    }

    /// hyper flushes when nothing is left to write: the answer has left.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() && self.watch.is_in(Phase::Write) {
            self.taken = 0;
            self.watch.enter(Phase::Idle);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
