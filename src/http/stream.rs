//! The TCP stream as hyper sees it: it notes progress, so that [`super::connection`] can tell a slow
//! client from a busy one.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{connection::Connection, progress::Phase};

/// A client that takes this much of an answer gets the whole write timeout again.
const WRITE_STEP_OCTETS: usize = 16 * 1_024;

/// A stream that notes what its connection waits for. On the way of a request that arrives and an
/// answer that leaves in one piece each, that is two loads and two stores.
pub(super) struct WatchedStream<B> {
    stream: TcpStream,
    connection: Arc<Connection<B>>,
    /// A write found the socket's buffer full, and no flush has succeeded since.
    blocked: bool,
    /// Octets taken since then, or since the last whole step.
    taken: usize,
}

impl<B> WatchedStream<B> {
    pub(super) const fn new(stream: TcpStream, connection: Arc<Connection<B>>) -> Self {
        Self {
            stream,
            connection,
            blocked: false,
            taken: 0,
        }
    }

    fn note_write(&mut self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Pending if !self.blocked => {
                self.blocked = true;
                self.taken = 0;
                self.restart_write();
            }
            Poll::Ready(Ok(octets)) if self.blocked => {
                self.taken = self.taken.saturating_add(*octets);
                if self.taken >= WRITE_STEP_OCTETS {
                    self.taken = 0;
                    self.restart_write();
                }
            }
            _ => {}
        }
    }

    /// The write timeout begins again, unless a body is awaited: its deadline covers `100 Continue`.
    fn restart_write(&self) {
        let (phase, _) = self.connection.progress.phase();
        if matches!(phase, Phase::Idle | Phase::Write) {
            let now = self.connection.now();
            self.connection.progress.enter(Phase::Write, now);
        }
    }
}

impl<B> AsyncRead for WatchedStream<B> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before
            && let progress = &self.connection.progress
            && let (Phase::Idle, since) = progress.phase()
        {
            progress.enter(Phase::Arriving, since);
        }
        read
    }
}

impl<B> AsyncWrite for WatchedStream<B> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, octets);
        self.note_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when nothing is left to write: the answer has left.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.blocked = false;
            let progress = &self.connection.progress;
            if let (Phase::Write, since) = progress.phase() {
                progress.enter(Phase::Idle, since);
            }
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A connection cut while its client took nothing is reset: closed politely, the kernel would keep
/// the unsent octets for minutes.
impl<B> Drop for WatchedStream<B> {
    fn drop(&mut self) {
        if self.blocked
            && let Err(error) = self.stream.set_zero_linger()
        {
            tracing::debug!(%error, "a stalled connection closes without a reset");
        }
    }
}
