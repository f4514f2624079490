//! The TCP stream as hyper sees it: it notes progress, so that [`super::connection`] can tell a slow
//! client from a busy one.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{connection::Connection, progress::Phase};

/// Room for most heads, and all that a client which sends none can make us hold.
const HEAD_STEP_OCTETS: usize = 512;

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
    /// Octets that were read while there was no hyper to take them, from `given` on.
    unread: Vec<u8>,
    given: usize,
}

impl<B> WatchedStream<B> {
    pub(super) const fn new(stream: TcpStream, connection: Arc<Connection<B>>) -> Self {
        Self {
            stream,
            connection,
            blocked: false,
            taken: 0,
            unread: Vec::new(),
            given: 0,
        }
    }

    /// Takes back what hyper had read and not used.
    pub(super) fn give_back(&mut self, octets: &[u8]) {
        debug_assert!(
            self.unread.is_empty(),
            "hyper takes all of it at its first read"
        );
        self.unread = octets.to_vec();
    }

    /// Reads until there is a whole head, or something that hyper must judge; `false` when the client
    /// has left.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let limit = self.connection.server.limits.head_octets_max;
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            let before = self.unread.len();
            self.unread.reserve(HEAD_STEP_OCTETS);
            match self.stream.try_read_buf(&mut self.unread) {
                Ok(0) => return Poll::Ready(Ok(before > 0)),
                Ok(_) => {
                    self.note_arrival();
                    let looked_at = before.saturating_sub(2);
                    let judged = self.unread.len() >= limit
                        || !may_begin_a_head(&self.unread)
                        || ends_a_head(self.unread.get(looked_at..).unwrap_or_default());
                    if judged {
                        return Poll::Ready(Ok(true));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn note_arrival(&self) {
        let progress = &self.connection.progress;
        if let (Phase::Idle, since) = progress.phase() {
            progress.enter(Phase::Arriving, since);
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
        let phase = match phase {
            Phase::Idle | Phase::Write => Phase::Write,
            Phase::Stream => Phase::Stream,
            _ => return,
        };
        self.connection.progress.enter(phase, self.connection.now());
    }

    /// Offers octets to a full socket though the kernel has not said that there is room: it says so only
    /// when a third of its buffer is free, which of 4 MB is more than a slow client takes in the whole
    /// write timeout. A connection that waits for its client is polled when its time is up, so this
    /// finds out then whether the client took anything.
    fn offer_again(&self, octets: &[u8]) -> Poll<io::Result<usize>> {
        use rustix::{io::Errno, net::SendFlags};
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match rustix::net::send(&self.stream, octets, flags) {
            Ok(taken) => Poll::Ready(Ok(taken)),
            Err(Errno::AGAIN | Errno::INTR) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

impl<B> AsyncRead for WatchedStream<B> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(unread) = self.unread.get(self.given..)
            && !unread.is_empty()
        {
            let (now, later) = unread.split_at(unread.len().min(buffer.remaining()));
            buffer.put_slice(now);
            if later.is_empty() {
                (self.unread, self.given) = (Vec::new(), 0);
            } else {
                self.given = self.given.saturating_add(now.len());
            }
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.note_arrival();
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
        let mut written = Pin::new(&mut self.stream).poll_write(cx, octets);
        if written.is_pending() && self.blocked {
            written = self.offer_again(octets);
        }
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

/// A method, or the empty lines that may stand before it (RFC 9112 §2.2). Anything else, such as the
/// hello of TLS, is no head however long one waits.
fn may_begin_a_head(octets: &[u8]) -> bool {
    octets
        .first()
        .is_some_and(|octet| octet.is_ascii_alphabetic() || matches!(octet, b'\r' | b'\n'))
}

/// Whether an empty line follows a line.
fn ends_a_head(octets: &[u8]) -> bool {
    let mut rest = octets;
    while let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
        rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
        if matches!(rest, [b'\n', ..] | [b'\r', b'\n', ..]) {
            return true;
        }
    }
    false
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
