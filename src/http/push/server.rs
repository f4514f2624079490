//! The listener: accepts, bounds, renews its certificate, drains at the end.

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
    time::MissedTickBehavior,
};

use super::{
    Clients, PushBackend, PushLimits, TlsError, TlsFiles,
    body::Room,
    connection,
    files::Stamps,
    tls::{Renewed, Tls},
};
use crate::{
    http::{
        bind::{self, BindError},
        progress::{Moment, Stopwatch},
        server::is_of_one_connection,
    },
    observe::Quiet,
};

/// How often the files are looked at.
const RENEWAL_LOOK: Duration = Duration::from_secs(1);

/// After an `accept` that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections that the kernel completes before `accept` takes them.
const BACKLOG: u32 = 256;

/// A listener that is bound, with its certificate, and not served yet.
pub struct PushServer {
    address: SocketAddr,
    listener: TcpListener,
    tls: Tls,
    stamps: Stamps,
    clients: Clients,
    limits: PushLimits,
}

/// Why the listener cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its address cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its certificate, key or client_ca cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl PushServer {
    /// Reads the certificate and binds the address.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        address: SocketAddr,
        files: TlsFiles,
        clients: Clients,
        limits: PushLimits,
    ) -> Result<Self, OpenError> {
        let (tls, stamps) = Tls::open(files)?;
        let listener = bind::listen(address, BACKLOG)?;
        Ok(Self {
            address: listener.local_addr().unwrap_or(address),
            listener,
            tls,
            stamps,
            clients,
            limits,
        })
    }

    /// The bound address, with the port that was found where 0 was asked.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is ready, then stops accepting and lets requests that have begun end.
    /// Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// When the runtime cannot take the listener.
    pub async fn serve<B: PushBackend>(
        self,
        backend: Arc<B>,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let shared = Arc::new(Shared {
            protocol: protocol(),
            connections: Arc::new(Semaphore::new(
                usize::try_from(self.limits.connections_max).unwrap_or(Semaphore::MAX_PERMITS),
            )),
            room: Room::new(&self.limits),
            limits: self.limits,
            clients: self.clients,
            tls: self.tls,
            backend,
            stopwatch: Stopwatch::start(),
            drain: Notify::new(),
            drain_deadline: AtomicU64::new(Moment::NEVER.nanos()),
            complaints: Complaints::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        let renewing = tokio::spawn(renew(Arc::clone(&shared), self.stamps));
        shutdown.await;
        accepting.abort();
        renewing.abort();
        shared.drain_connections().await;
        Ok(())
    }
}

/// What all connections share.
pub(super) struct Shared<B> {
    pub(super) backend: Arc<B>,
    pub(super) clients: Clients,
    pub(super) limits: PushLimits,
    pub(super) room: Room,
    pub(super) tls: Tls,
    pub(super) protocol: http1::Builder,
    pub(super) stopwatch: Stopwatch,
    pub(super) complaints: Complaints,
    /// Wakes every connection when draining begins, after `drain_deadline` is set.
    pub(super) drain: Notify,
    drain_deadline: AtomicU64,
    connections: Arc<Semaphore>,
}

/// Lines that strangers can cause.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    pub(super) handshake: Quiet,
    pub(super) unauthorized: Quiet,
    pub(super) refused: Quiet,
    connections: Quiet,
}

impl<B> Shared<B> {
    /// [`Moment::NEVER`] until draining begins.
    pub(super) fn drain_deadline(&self) -> Moment {
        Moment::from_nanos(self.drain_deadline.load(SeqCst))
    }

    async fn drain_connections(&self) {
        let allowed = self.limits.drain_timeout;
        let deadline = self.stopwatch.now().plus(allowed);
        self.drain_deadline.store(deadline.nanos(), SeqCst);
        self.drain.notify_waiters();
        let all = self.connections.acquire_many(self.limits.connections_max);
        let grace = allowed.saturating_add(Duration::from_secs(1));
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!("push connections were still busy and are cut");
        }
    }
}

fn protocol() -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol
        .header_read_timeout(None)
        .half_close(true)
        .max_header_size(super::HEAD_OCTETS_MAX)
        // A body comes in pieces of this size at the most.
        .max_buf_size(256 * 1_024);
    protocol
}

async fn accept<B: PushBackend>(listener: tokio::net::TcpListener, server: Arc<Shared<B>>) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                failing = false;
                match Arc::clone(&server.connections).try_acquire_owned() {
                    Ok(permit) => {
                        let server = Arc::clone(&server);
                        tokio::spawn(async move {
                            connection::serve(stream, peer, &server).await;
                            drop(permit);
                        });
                    }
                    Err(_) => server.complaints.connections.say(|kept_back| {
                        tracing::warn!(
                            %peer, kept_back,
                            "a push connection was refused: all [push] connections are in use"
                        );
                    }),
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if !failing {
                    failing = true;
                    tracing::error!(%error, "cannot accept push connections and tries again");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Looks at the files again and again.
async fn renew<B: PushBackend>(server: Arc<Shared<B>>, mut stamps: Stamps) {
    let mut looks = tokio::time::interval(RENEWAL_LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let look = Arc::clone(&server);
        let looked = tokio::task::spawn_blocking(move || {
            let renewed = look.tls.renew(&mut stamps);
            (stamps, renewed)
        });
        let Ok((seen, renewed)) = looked.await else {
            return;
        };
        stamps = seen;
        match renewed {
            Renewed::Unchanged => {}
            Renewed::ReadAgain => tracing::info!("the push listener's certificate was read again"),
            Renewed::Failed(error) => tracing::error!(
                %error,
                "the push listener's files have changed and cannot be used: it goes on with those it had"
            ),
        }
    }
}
