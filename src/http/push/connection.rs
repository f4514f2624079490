//! One connection from accept to close.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    PushBackend, PushLimits,
    credentials::sha256,
    routes,
    server::Shared,
    stream::{Watch, WatchedTls},
};
use crate::http::progress::{Moment, Phase, Progress};

/// A deadline may have moved nearer while its timer ran.
const LOOK: Duration = Duration::from_secs(1);

/// For the client to hear that it is not heard any more, and how much it may send meanwhile.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_OCTETS_MAX: usize = 64 << 20;

/// Serves a connection until either side closes it, its time is up or the server has drained.
pub(super) async fn serve<B: PushBackend>(
    stream: TcpStream,
    peer: SocketAddr,
    server: &Arc<Shared<B>>,
) {
    let Some(stream) = shake_hands(stream, peer, server).await else {
        return;
    };
    let certificate = {
        let (_, tls) = stream.get_ref();
        let chain = tls.peer_certificates().unwrap_or_default();
        chain.first().map(|certificate| sha256(certificate))
    };
    let watch = Arc::new(Watch {
        progress: Progress::new(Phase::Head, server.stopwatch.now()),
        stopwatch: server.stopwatch,
    });
    let service = service_fn(|request: Request<Incoming>| {
        let (server, watch) = (Arc::clone(server), Arc::clone(&watch));
        // hyper wants it to stay where it is.
        Box::pin(routes::answer(server, watch, peer, certificate, request))
    });
    let io = TokioIo::new(WatchedTls::new(stream, Arc::clone(&watch)));
    let mut http = Box::new(server.protocol.serve_connection(io, service));
    let mut draining = false;
    let mut drained = pin!(server.drain.notified());
    loop {
        let deadline = deadline(&watch, server);
        let now = server.stopwatch.now();
        let left = Duration::from_nanos(deadline.nanos_since(now)).min(LOOK);
        let step = tokio::time::timeout(left, async {
            tokio::select! {
                biased;
                ended = std::future::poll_fn(|cx| http.poll_without_shutdown(cx)) => {
                    Step::Ended(ended)
                }
                () = drained.as_mut(), if !draining => Step::Drain,
            }
        });
        match step.await {
            Ok(Step::Ended(ended)) => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "a push connection broke");
                }
                break;
            }
            Ok(Step::Drain) => {
                draining = true;
                std::pin::Pin::new(&mut *http).graceful_shutdown();
            }
            Err(_) if now >= deadline => {
                tracing::debug!(%peer, "a push connection was too slow and is cut");
                return;
            }
            Err(_) => {}
        }
    }
    let stream = http.into_parts().io.into_inner().stream;
    let _cut = tokio::time::timeout(LINGER, linger(stream)).await;
}

enum Step {
    Ended(hyper::Result<()>),
    Drain,
}

async fn shake_hands<B: PushBackend>(
    stream: TcpStream,
    peer: SocketAddr,
    server: &Arc<Shared<B>>,
) -> Option<TlsStream<TcpStream>> {
    let acceptor = TlsAcceptor::from(server.tls.current());
    let handshake = tokio::time::timeout(server.limits.header_timeout, acceptor.accept(stream));
    let error = match handshake.await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it took too long".to_owned(),
    };
    server.complaints.handshake.say(|kept_back| {
        tracing::warn!(%peer, error, kept_back, "a TLS handshake with a push client failed");
    });
    None
}

fn deadline<B>(watch: &Watch, server: &Shared<B>) -> Moment {
    let (phase, since) = watch.progress.phase();
    since
        .plus(allowance(phase, &server.limits))
        .min(server.drain_deadline())
}

fn allowance(phase: Phase, limits: &PushLimits) -> Duration {
    match phase {
        Phase::Head | Phase::Arriving => limits.header_timeout,
        Phase::Idle => limits.idle_timeout,
        // Who reads the body answers first.
        Phase::Body => limits.body_timeout.saturating_add(2 * LOOK),
        Phase::Answer => super::ANSWER_TIMEOUT.saturating_add(2 * LOOK),
        Phase::Write | Phase::Stream => limits.write_timeout,
    }
}

/// Closes so that the client can read the answer though it still sends: closed at once, the kernel
/// would answer what comes with a reset, and drop what was not read.
async fn linger(mut stream: TlsStream<TcpStream>) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let (mut stream, _) = stream.into_inner();
    let mut dropped = 0_usize;
    let mut buffer = vec![0; 16 * 1_024];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        dropped = dropped.saturating_add(count);
        if dropped > LINGER_OCTETS_MAX {
            return;
        }
    }
}
