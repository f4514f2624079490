//! The server of the admin socket.

use std::{convert::Infallible, io, path::Path, pin::pin, sync::Arc, time::Duration};

use hyper::{
    Request, Response, StatusCode, body::Incoming, header, header::HeaderValue,
    server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::{
    AdminBackend, AdminBody, AdminReply, AdminRequest, PROTOCOL_VERSION, Peer, Query,
    UNSUPPORTED_VERSION, reply::ReplyBody, socket::AdminBindError, socket::AdminSocket,
};

/// Commands served at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;

/// For a head to arrive; a command sends it at once.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// For commands in progress at a shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// After an `accept` that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What this server calls itself.
const SERVER: &str = concat!("estelam/", env!("CARGO_PKG_VERSION"));

/// A bound admin socket.
#[derive(Debug)]
pub struct AdminServer(AdminSocket);

impl AdminServer {
    /// Makes the socket `path` with mode 0600. The socket of a process that is gone is replaced.
    ///
    /// # Errors
    /// [`AdminBindError`].
    pub fn bind(path: &Path) -> Result<Self, AdminBindError> {
        AdminSocket::bind(path).map(Self)
    }

    /// Serves until `shutdown` is ready, waits up to 10 s for commands in progress, and removes the
    /// socket. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// When the runtime cannot take the listener.
    pub async fn serve<B: AdminBackend>(
        self,
        backend: Arc<B>,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let (listener, _file) = self.0.into_parts();
        let listener = UnixListener::from_std(listener)?;
        let (stop, stopping) = watch::channel(());
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let next = async {
                let permit = Arc::clone(&permits).acquire_owned().await;
                (permit, listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => continue,
                next = next => next,
            };
            match accepted {
                Ok((stream, _)) => {
                    let backend = Arc::clone(&backend);
                    let stopping = stopping.clone();
                    connections.spawn(async move {
                        serve_connection(stream, backend, stopping).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection to the admin socket");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop((listener, stop));
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIMEOUT, ended).await.is_err() {
            tracing::warn!("commands were still in progress and are cut");
        }
        connections.shutdown().await;
        Ok(())
    }
}

async fn serve_connection<B: AdminBackend>(
    stream: UnixStream,
    backend: Arc<B>,
    mut stopping: watch::Receiver<()>,
) {
    let peer = match stream.peer_cred() {
        Ok(found) => Peer {
            uid: found.uid(),
            gid: found.gid(),
            pid: found.pid(),
        },
        Err(error) => {
            tracing::warn!(%error, "a process at the admin socket has no credentials");
            return;
        }
    };
    let allowed = may_speak(peer, rustix::process::geteuid().as_raw());
    if !allowed {
        tracing::warn!(uid = peer.uid, pid = ?peer.pid, "refused at the admin socket");
    }
    let service = service_fn(async |request| {
        let reply = if allowed {
            dispatch(&*backend, peer, request).await
        } else {
            AdminReply::error(
                StatusCode::FORBIDDEN,
                "forbidden",
                "only the server's own user and root may use its admin socket",
            )
        };
        Ok::<_, Infallible>(with_server_name(reply))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let end = tokio::select! {
        end = connection.as_mut() => end,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = end {
        tracing::debug!(%error, "a connection to the admin socket broke");
    }
}

const fn may_speak(peer: Peer, own_uid: u32) -> bool {
    peer.uid == own_uid || peer.uid == 0
}

fn with_server_name(reply: AdminReply) -> Response<ReplyBody> {
    let mut response = reply.into_response();
    response
        .headers_mut()
        .insert(header::SERVER, HeaderValue::from_static(SERVER));
    response
}

async fn dispatch<B: AdminBackend>(
    backend: &B,
    peer: Peer,
    request: Request<Incoming>,
) -> AdminReply {
    let (head, body) = request.into_parts();
    let Some(path) = strip_version(head.uri.path()) else {
        return AdminReply::error(
            StatusCode::NOT_FOUND,
            UNSUPPORTED_VERSION,
            &format!(
                "the running server ({SERVER}) speaks version {PROTOCOL_VERSION} of the admin \
                 protocol: its paths begin with /v{PROTOCOL_VERSION}/"
            ),
        );
    };
    let request = AdminRequest {
        peer,
        method: head.method,
        path: path.to_owned(),
        query: Query::parse(head.uri.query().unwrap_or_default()),
        body: AdminBody(body),
    };
    backend.handle(request).await
}

/// `/v1/stats` → `/stats`.
fn strip_version(path: &str) -> Option<&str> {
    let (version, _) = path.strip_prefix("/v")?.split_once('/')?;
    let rest = path.get("/v".len().saturating_add(version.len())..)?;
    (version == PROTOCOL_VERSION.to_string()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_servers_user_and_root_may_speak() {
        let peer = |uid| Peer {
            uid,
            gid: 1,
            pid: None,
        };
        assert!(may_speak(peer(1_000), 1_000));
        assert!(may_speak(peer(0), 1_000));
        assert!(!may_speak(peer(1_001), 1_000));
        assert!(!may_speak(peer(1_000), 0));
    }

    #[test]
    fn paths_of_other_versions_are_told_apart() {
        assert_eq!(strip_version("/v1/stats"), Some("/stats"));
        assert_eq!(strip_version("/v1/"), Some("/"));
        for path in [
            "/",
            "/v1",
            "/v2/stats",
            "/v01/stats",
            "/v11/stats",
            "/stats",
            "/V1/stats",
        ] {
            assert_eq!(strip_version(path), None, "{path}");
        }
    }
}
