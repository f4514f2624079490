//! The public server: accepts connections on several listeners and drains them at the end.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use hyper::server::conn::http1;
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
};

use super::{
    bind::{self, BindError},
    connection,
    limits::Limits,
    mounts::Mounts,
    progress::{Moment, Stopwatch},
};
use crate::{observe::Counters, responder::Backend};

/// The pause after an `accept` that failed for want of something, during which connections may end
/// and give it back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listening sockets that are bound and not yet served, so that a port in use is known before
/// anything else is started.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<(SocketAddr, TcpListener)>,
    limits: Limits,
}

impl Server {
    /// Binds every address, or none.
    ///
    /// # Errors
    /// [`BindError`] for the first address that cannot be bound.
    pub fn bind(addresses: &[SocketAddr], limits: Limits) -> Result<Self, BindError> {
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            let listener = bind::listen(*address, limits.backlog)?;
            let bound = listener.local_addr().unwrap_or(*address);
            listeners.push((bound, listener));
        }
        Ok(Self { listeners, limits })
    }

    /// The bound addresses in the order configured, with the port that was found where 0 was asked.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.listeners.iter().map(|(address, _)| *address)
    }

    /// Serves until `shutdown` is ready, then stops accepting, lets requests that have begun end, and
    /// cuts what is still busy after [`Limits::drain_timeout`]. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// When the runtime cannot take a listener, before the first connection is accepted.
    pub async fn serve<B: Backend>(
        self,
        backend: Arc<B>,
        mounts: Mounts,
        counters: Arc<Counters>,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<Drained> {
        let shared = Arc::new(Shared {
            protocol: protocol(&self.limits),
            connections: Arc::new(Semaphore::new(
                usize::try_from(self.limits.connections_max).unwrap_or(Semaphore::MAX_PERMITS),
            )),
            limits: self.limits,
            backend,
            mounts,
            counters,
            stopwatch: Stopwatch::start(),
            drain: Notify::new(),
            drain_deadline: AtomicU64::new(Moment::NEVER.nanos()),
        });
        let mut accepting = JoinSet::new();
        for (address, listener) in self.listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            accepting.spawn(accept(address, listener, Arc::clone(&shared)));
        }
        shutdown.await;
        accepting.shutdown().await;
        Ok(shared.drain_connections().await)
    }
}

/// How the end of the last connections went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Drained {
    /// Connections that were busy for longer than [`Limits::drain_timeout`] and were cut.
    pub cut: u64,
}

/// What all connections of one server share. Read-only but for the end.
pub(super) struct Shared<B> {
    pub(super) backend: Arc<B>,
    pub(super) mounts: Mounts,
    pub(super) limits: Limits,
    pub(super) counters: Arc<Counters>,
    pub(super) stopwatch: Stopwatch,
    pub(super) protocol: http1::Builder,
    /// Wakes every connection when draining begins, after `drain_deadline` is set.
    pub(super) drain: Notify,
    drain_deadline: AtomicU64,
    connections: Arc<Semaphore>,
}

impl<B> Shared<B> {
    /// [`Moment::NEVER`] until draining begins.
    pub(super) fn drain_deadline(&self) -> Moment {
        Moment::from_nanos(self.drain_deadline.load(SeqCst))
    }

    async fn drain_connections(&self) -> Drained {
        let allowed = self.limits.drain_timeout;
        let deadline = self.stopwatch.now().plus(allowed);
        self.drain_deadline.store(deadline.nanos(), SeqCst);
        self.drain.notify_waiters();
        // Every connection ends itself at the deadline; a task that is stuck in the backend does not.
        let all = self.limits.connections_max;
        let grace = allowed.saturating_add(Duration::from_secs(1));
        let ended = self.connections.acquire_many(all);
        let stuck = tokio::time::timeout(grace, ended).await.is_err();
        if stuck {
            tracing::warn!("connections are stuck in the backend and are left behind");
        }
        Drained {
            cut: self.counters.drain_cuts(),
        }
    }
}

fn protocol(limits: &Limits) -> http1::Builder {
    /// What hyper can be told at the least.
    const BUFFER_OCTETS_MIN: usize = 8_192;
    let mut protocol = http1::Builder::new();
    protocol
        // Ours cost no allocation and no timer per request: see `connection`.
        .header_read_timeout(None)
        // A client may close its side once it has asked; it still wants its answer.
        .half_close(true)
        // Copying an answer of a kilobyte behind its head costs less than a second iovec (0.2 µs of
        // 6). A body of megabytes must come in pieces: hyper's buffer keeps the size it once had.
        .writev(false)
        .max_header_size(limits.head_octets_max)
        .max_buf_size(limits.head_octets_max.max(BUFFER_OCTETS_MIN));
    protocol
}

async fn accept<B: Backend>(
    address: SocketAddr,
    listener: tokio::net::TcpListener,
    server: Arc<Shared<B>>,
) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                failing = false;
                match Arc::clone(&server.connections).try_acquire_owned() {
                    Ok(permit) => {
                        tokio::spawn(connection::serve(stream, Arc::clone(&server), permit));
                    }
                    Err(_) => server.counters.connection_refused(),
                }
            }
            Err(error) => {
                server.counters.accept_failed();
                if is_of_one_connection(&error) {
                    continue;
                }
                if !failing {
                    failing = true;
                    tracing::error!(
                        %address, %error,
                        "cannot accept connections and tries again; raise the limit of open files \
                         (systemd: LimitNOFILE=) if it is exhausted"
                    );
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The connection failed before it was accepted (accept(2): Linux passes its network errors on); the
/// next one need not.
pub(super) fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        NetworkDown, NetworkUnreachable, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | TimedOut
    )
}
