//! One connection from accept to close: hyper drives the protocol, this task the deadlines.
//!
//! There is one timer a connection. It is not touched per request: it is set again when it fires,
//! or when what the connection waits for ends sooner than the timer would.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit, time::Sleep};

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

    /// When the connection is cut unless it gets on, and what it is counted as then.
    fn deadline(&self) -> (Moment, Timeout) {
        let (mut phase, mut since) = self.progress.phase();
        if phase == Phase::Arriving {
            (phase, since) = (Phase::Head, self.now());
            self.progress.enter(phase, since);
        }
        let limits = &self.server.limits;
        let (timeout, allowed) = allowance(phase, limits);
        let deadline = since.plus(allowed);
        let drained = self.server.drain_deadline();
        if drained < deadline {
            (drained, Timeout::Drain)
        } else {
            (deadline, timeout)
        }
    }
}

const fn allowance(phase: Phase, limits: &Limits) -> (Timeout, Duration) {
    match phase {
        Phase::Head | Phase::Arriving => (Timeout::Head, limits.head_timeout),
        Phase::Idle => (Timeout::Idle, limits.idle_timeout),
        Phase::Body => (Timeout::Body, limits.body_timeout),
        Phase::Answer => (Timeout::Answer, limits.answer_timeout),
        Phase::Write => (Timeout::Write, limits.write_timeout),
    }
}

/// Serves `stream` until either side closes it, its time is up or the server has drained; `permit`
/// is given back then.
pub(super) async fn serve<B: Backend>(
    stream: TcpStream,
    server: Arc<Shared<B>>,
    permit: OwnedSemaphorePermit,
) {
    server.counters.connection_accepted();
    let end = drive(stream, &server).await;
    let counters = &server.counters;
    match end {
        End::Closed => {}
        End::TimedOut(timeout) => counters.timed_out(timeout),
        End::BadRequest => counters.http_error(HttpError::BadRequest),
        End::HeadTooLarge => counters.http_error(HttpError::HeadTooLarge),
        End::Aborted => counters.connection_aborted(),
    }
    counters.connection_closed();
    drop(permit);
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

async fn drive<B: Backend>(stream: TcpStream, server: &Arc<Shared<B>>) -> End {
    let connection = Arc::new(Connection {
        server: Arc::clone(server),
        progress: Progress::new(Phase::Head, server.stopwatch.now()),
    });
    let stream = WatchedStream::new(stream, Arc::clone(&connection));
    let mut http = server
        .protocol
        .serve_connection(TokioIo::new(stream), OcspService(Arc::clone(&connection)));
    let mut timer = pin!(tokio::time::sleep(server.limits.head_timeout));
    let mut set_to = Moment::NEVER;

    // Polled once, so that draining wakes this task. Later polls look at the drain's deadline, which
    // is set before the wake-up, and take no lock.
    let mut drain = pin!(server.drain.notified());
    let mut awaits_drain = false;
    let mut draining = false;

    std::future::poll_fn(|cx| {
        if !awaits_drain {
            awaits_drain = drain.as_mut().poll(cx).is_pending();
        }
        if !draining && server.drain_deadline() < Moment::NEVER {
            draining = true;
            Pin::new(&mut http).graceful_shutdown();
        }
        if let Poll::Ready(result) = Pin::new(&mut http).poll(cx) {
            return Poll::Ready(End::from(result));
        }
        poll_deadline(&connection, timer.as_mut(), &mut set_to, cx).map(End::TimedOut)
    })
    .await
}

/// Ready when the connection's time is up. `timer` was last set to `set_to`; [`Moment::NEVER`] says
/// that it was not.
fn poll_deadline<B>(
    connection: &Connection<B>,
    mut timer: Pin<&mut Sleep>,
    set_to: &mut Moment,
    cx: &mut Context<'_>,
) -> Poll<Timeout> {
    loop {
        let (deadline, timeout) = connection.deadline();
        if deadline >= *set_to && !timer.is_elapsed() {
            return Poll::Pending;
        }
        if deadline <= connection.now() {
            return Poll::Ready(timeout);
        }
        *set_to = deadline;
        let instant = connection.server.stopwatch.instant(deadline);
        timer.as_mut().reset(instant.into());
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
    }
}
