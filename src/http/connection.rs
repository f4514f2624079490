//! One connection from accept to close: hyper drives the protocol, this task the deadlines.
//!
//! There is one timer a connection. It is not touched per request: it is set again when it fires,
//! or when what the connection waits for ends sooner than the timer would.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, futures::Notified},
    time::Sleep,
};

use super::{
    limits::Limits,
    ocsp_route::OcspService,
    progress::{Moment, Phase, Progress},
    server::Shared,
    stream::WatchedStream,
};
use crate::{
    observe::{HttpError, Timeout},
    responder::Backend,
};

/// What the stream, the service and the deadlines of one connection share.
pub(super) struct Connection<B> {
    pub(super) server: Arc<Shared<B>>,
    pub(super) progress: Progress,
}

impl<B> Connection<B> {
    pub(super) fn now(&self) -> Moment {
        self.server.stopwatch.now()
    }

    /// What is due next unless the connection gets on, and when.
    fn deadline(&self, hyper: Hyper) -> (Moment, Due) {
        let (mut phase, mut since) = self.progress.phase();
        if phase == Phase::Arriving {
            (phase, since) = (Phase::Head, self.now());
            self.progress.enter(phase, since);
        }
        let (timeout, allowed) = allowance(phase, &self.server.limits);
        let cut = since.plus(allowed);
        let park = since.plus(self.server.limits.park_after);
        let drained = self.server.drain_deadline();
        let is_waiting = matches!(phase, Phase::Head | Phase::Idle);
        if hyper == Hyper::Runs && is_waiting && park < cut.min(drained) {
            (park, Due::Park)
        } else if drained < cut {
            (drained, Due::Cut(Timeout::Drain))
        } else {
            (cut, Due::Cut(timeout))
        }
    }
}

const fn allowance(phase: Phase, limits: &Limits) -> (Timeout, Duration) {
    match phase {
        Phase::Head | Phase::Arriving => (Timeout::Head, limits.head_timeout),
        Phase::Idle => (Timeout::Idle, limits.idle_timeout),
        Phase::Body => (Timeout::Body, limits.body_timeout),
        Phase::Answer => (Timeout::Answer, limits.answer_timeout),
        Phase::Write | Phase::Stream => (Timeout::Write, limits.write_timeout),
    }
}

/// Serves `stream` until either side closes it, its time is up or the server has drained; `permit`
/// is given back then.
pub(super) async fn serve<B: Backend>(
    stream: TcpStream,
    server: Arc<Shared<B>>,
    permit: OwnedSemaphorePermit,
) {
    let open = Open::new(&server, permit);
    let end = drive(stream, &server).await;
    let counters = &server.counters;
    match end {
        End::Closed => {}
        End::TimedOut(timeout) => counters.timed_out(timeout),
        End::BadRequest => counters.http_error(HttpError::BadRequest),
        End::HeadTooLarge => counters.http_error(HttpError::HeadTooLarge),
        End::Aborted => counters.connection_aborted(),
    }
    drop(open);
}

/// An open connection: counted as one and holding its permit until dropped, also by a panic.
struct Open<'server, B> {
    server: &'server Shared<B>,
    permit: Option<OwnedSemaphorePermit>,
}

impl<'server, B> Open<'server, B> {
    fn new(server: &'server Shared<B>, permit: OwnedSemaphorePermit) -> Self {
        server.counters.connection_accepted();
        Self {
            server,
            permit: Some(permit),
        }
    }
}

impl<B> Drop for Open<'_, B> {
    fn drop(&mut self) {
        // First, so that who sees the count knows that there is room.
        drop(self.permit.take());
        self.server.counters.connection_closed();
    }
}

enum End {
    Closed,
    TimedOut(Timeout),
    /// hyper has answered 400, or found nothing that could be answered.
    BadRequest,
    /// hyper has answered 431, or 414.
    HeadTooLarge,
    Aborted,
}

impl From<hyper::Result<()>> for End {
    fn from(result: hyper::Result<()>) -> Self {
        match result {
            Ok(()) => Self::Closed,
            Err(error) if error.is_parse_too_large() => Self::HeadTooLarge,
            Err(error) if error.is_parse() => Self::BadRequest,
            Err(_) => Self::Aborted,
        }
    }
}

/// Between requests that are further apart than [`Limits::park_after`] there is no hyper: its buffers and state
/// take 20 KiB a connection, a head that has begun half a kilobyte.
async fn drive<B: Backend>(stream: TcpStream, server: &Arc<Shared<B>>) -> End {
    let connection = Arc::new(Connection {
        server: Arc::clone(server),
        progress: Progress::new(Phase::Head, server.stopwatch.now()),
    });
    let mut stream = WatchedStream::new(stream, Arc::clone(&connection));
    let timer = pin!(tokio::time::sleep(server.limits.head_timeout));
    let drain = pin!(server.drain.notified());
    let mut waits = Waits::new(timer, drain);
    loop {
        match poll_fn(|cx| poll_head(&mut stream, &connection, &mut waits, cx)).await {
            Ok(()) => {}
            Err(end) => return end,
        }
        let service = OcspService(Arc::clone(&connection));
        let http = server
            .protocol
            .serve_connection(TokioIo::new(stream), service);
        let mut http = Box::new(http);
        let mut draining = false;
        let end = poll_fn(|cx| {
            if !draining && waits.drains(server, cx) {
                draining = true;
                Pin::new(&mut *http).graceful_shutdown();
            }
            if let Poll::Ready(result) = Pin::new(&mut *http).poll(cx) {
                return Poll::Ready(Some(End::from(result)));
            }
            waits
                .poll_due(&connection, Hyper::Runs, cx)
                .map(|due| match due {
                    Due::Cut(timeout) => Some(End::TimedOut(timeout)),
                    Due::Park => None,
                })
        });
        if let Some(end) = end.await {
            return end;
        }
        let parts = http.into_parts();
        stream = parts.io.into_inner();
        stream.give_back(&parts.read_buf);
    }
}

/// Ready when hyper has something to do, or with the connection's end.
fn poll_head<B>(
    stream: &mut WatchedStream<B>,
    connection: &Connection<B>,
    waits: &mut Waits<'_, '_>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), End>> {
    // What the client has sent before the drain is still answered.
    match stream.poll_head(cx) {
        Poll::Ready(Ok(true)) => return Poll::Ready(Ok(())),
        Poll::Ready(Ok(false)) => return Poll::Ready(Err(End::Closed)),
        Poll::Ready(Err(_)) => return Poll::Ready(Err(End::Aborted)),
        Poll::Pending => {}
    }
    if waits.drains(&connection.server, cx) {
        return Poll::Ready(Err(End::Closed));
    }
    waits
        .poll_due(connection, Hyper::Parked, cx)
        .map(|due| match due {
            Due::Cut(timeout) => Err(End::TimedOut(timeout)),
            Due::Park => Ok(()),
        })
}

/// What may end a connection's wait, apart from its client: the timer, and the server's end.
struct Waits<'task, 'server> {
    timer: Pin<&'task mut Sleep>,
    /// What the timer was last set to; [`Moment::NEVER`] before it was.
    set_to: Moment,
    drain: Pin<&'task mut Notified<'server>>,
    awaits_drain: bool,
}

/// What is to be done because it is time.
enum Due {
    Cut(Timeout),
    /// Hyper should go until the client says something.
    Park,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Hyper {
    Runs,
    Parked,
}

impl<'task, 'server> Waits<'task, 'server> {
    const fn new(timer: Pin<&'task mut Sleep>, drain: Pin<&'task mut Notified<'server>>) -> Self {
        Self {
            timer,
            set_to: Moment::NEVER,
            drain,
            awaits_drain: false,
        }
    }

    /// Whether the server drains. The notification is polled once, so that it wakes this task; after
    /// that only the drain's deadline is looked at, which is set before, and no lock is taken.
    fn drains<B>(&mut self, server: &Shared<B>, cx: &mut Context<'_>) -> bool {
        if !self.awaits_drain {
            self.awaits_drain = self.drain.as_mut().poll(cx).is_pending();
        }
        server.drain_deadline() < Moment::NEVER
    }

    /// Ready when the connection's time is up, or hyper's.
    fn poll_due<B>(
        &mut self,
        connection: &Connection<B>,
        hyper: Hyper,
        cx: &mut Context<'_>,
    ) -> Poll<Due> {
        loop {
            let (deadline, due) = connection.deadline(hyper);
            if deadline >= self.set_to && !self.timer.is_elapsed() {
                return Poll::Pending;
            }
            if deadline <= connection.now() {
                return Poll::Ready(due);
            }
            self.set_to = deadline;
            let instant = connection.server.stopwatch.instant(deadline);
            self.timer.as_mut().reset(instant.into());
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}
