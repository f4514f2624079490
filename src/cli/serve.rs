//! `estelam serve`: both roles in one process.

use std::net::SocketAddr;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;

use super::connection::{create_state_dir, load_config, open_ledger};
use super::{Common, Exit, Failure};
use crate::authority::{Admin, Authority, AuthorityError, Issuers, OperationError, with_causes};
use crate::catalog::{Catalog, ManifestState, OpenReport};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, FileError};
use crate::http::admin::AdminServer;
use crate::http::{Limits, Mounts, Server};
use crate::observe::Counters;
use crate::ocsp::RequestLimits;
use crate::responder::{Responder, question_queue};
use crate::signer::{KeyError, LoadError};

pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let config = load_config(common)?;
    start_log();
    let issuers = Issuers::new(&config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    load_signers(&issuers, &*clock)?;

    raise_open_files_limit();

    // The address first: a port in use is found before anything is touched.
    let addresses: Vec<SocketAddr> = config
        .listeners
        .iter()
        .map(|listener| listener.address)
        .collect();
    let server = Server::bind(&addresses, limits(&config))
        .map_err(|error| Failure::new(Exit::Busy, with_causes(&error)))?;
    let mounts = Mounts::new(&config.http.ocsp_paths)
        .map_err(|error| Failure::new(Exit::Config, with_causes(&error)))?;

    create_state_dir(&config.state_dir)?;
    let ledger = Arc::new(open_ledger(&config, &issuers)?);
    let (catalog, report) = Catalog::open(&config.state_dir.join("catalog"), clock.now_millis())
        .map_err(|error| authority_failure(&error.into()))?;
    tell(&report);
    let catalog = Arc::new(catalog);
    let admin = AdminServer::bind(&config.admin_socket())
        .map_err(|error| Failure::new(Exit::Busy, with_causes(&error)))?;

    let request_limits = RequestLimits {
        octets_max: config.limits.request_octets,
        cert_ids_max: config.limits.cert_ids,
        ..RequestLimits::default()
    };
    let (questions, asked) = question_queue(config.limits.live_queue, config.limits.live_deadline);
    let authority = Arc::new(
        Authority::start(
            issuers,
            ledger,
            Arc::clone(&catalog),
            Arc::clone(&clock),
            asked,
            request_limits,
        )
        .map_err(|error| authority_failure(&error))?,
    );
    let responder = Arc::new(Responder::new(
        catalog,
        clock,
        questions.clone(),
        request_limits,
    ));
    let counters = Arc::new(Counters::default());
    let admin_backend = Arc::new(Admin::new(
        Arc::clone(&authority),
        Arc::clone(&counters),
        questions,
    ));

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Internal, format!("cannot start threads: {error}")))?;
    let outcome = runtime.block_on(async {
        let (stop, _) = tokio::sync::watch::channel(());
        let stopped = |mut stop: tokio::sync::watch::Receiver<()>| async move {
            // An error means that the sender is gone, which is a stop as well.
            drop(stop.changed().await);
        };
        let signal = stop_signal()?;
        for address in server.addresses() {
            tracing::info!("listening on http://{address}");
        }
        let admin = tokio::spawn(admin.serve(admin_backend, stopped(stop.subscribe())));
        let drained = server
            .serve(responder, mounts, counters, signal)
            .await
            .map_err(|error| Failure::new(Exit::Internal, format!("cannot serve: {error}")))?;
        if drained.cut > 0 {
            tracing::warn!(connections = drained.cut, "cut while they were still busy");
        }
        drop(stop);
        drop(admin.await);
        Ok(Exit::Success)
    });
    authority.stop();
    tracing::info!("stopped");
    outcome
}

/// Every signer that may speak. One whose key is missing now is left for later; one that is wrong
/// stops the start, so that no client discovers it.
fn load_signers(issuers: &Issuers, clock: &dyn Clock) -> Result<(), Failure> {
    for issuer in issuers.iter() {
        match issuer.load_signer(clock.now()) {
            Ok(()) => {
                for warning in issuer.signer().iter().flat_map(|signer| &signer.warnings) {
                    tracing::warn!(issuer = issuer.name, "{warning}");
                }
            }
            Err(LoadError::Key(KeyError::File(error)))
                if matches!(error, FileError::NotFound { .. }) =>
            {
                tracing::error!(
                    issuer = issuer.name,
                    "{error}: answers that are signed are served until they end, all others are \
                     tryLater until the key is back"
                );
            }
            Err(error) => {
                return Err(Failure::new(
                    Exit::Key,
                    format!("issuer {:?}: {}", issuer.name, with_causes(&error)),
                ));
            }
        }
    }
    Ok(())
}

fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        connections_max: u32::try_from(limits.connections).unwrap_or(u32::MAX),
        path_octets_max: limits.get_path_octets,
        request_octets_max: limits.request_octets,
        head_timeout: limits.header_timeout,
        idle_timeout: limits.idle_timeout,
        body_timeout: limits.header_timeout,
        write_timeout: limits.write_timeout,
        drain_timeout: limits.drain_time,
        ..Limits::default()
    }
}

/// A connection is a file descriptor, and the usual soft limit is 1,024 of them.
fn raise_open_files_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

/// SIGTERM or Ctrl-C. Both are caught from here on.
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let catch = |kind| {
        signal(kind)
            .map_err(|error| Failure::new(Exit::Internal, format!("cannot catch signals: {error}")))
    };
    let (mut terminate, mut interrupt) = (
        catch(SignalKind::terminate())?,
        catch(SignalKind::interrupt())?,
    );
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests in progress are answered first");
    })
}

/// To stderr; `RUST_LOG` chooses what (`info` when it is not set).
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second start in one process would fail, and there is none.
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .with_target(false)
            .try_init(),
    );
}

fn tell(report: &OpenReport) {
    for quarantined in &report.quarantined {
        tracing::error!(
            kept = ?quarantined.kept,
            cause = %quarantined.cause,
            "a segment of the catalog was damaged and is taken out; it is signed again; check the disk"
        );
    }
    match &report.manifest {
        ManifestState::Loaded | ManifestState::New => {}
        ManifestState::Missing => tracing::error!(
            "the catalog's manifest is missing: its segments are not used, everything is signed again"
        ),
        ManifestState::Damaged { set_aside } => tracing::error!(
            kept = %set_aside.display(),
            "the catalog's manifest is damaged: its segments are not used, everything is signed again"
        ),
    }
}

fn authority_failure(error: &AuthorityError) -> Failure {
    OperationError::from(error).into()
}
