//! Both roles in one process, until it is told to stop: what `serve` and `demo` run.
//!
//! A start goes through the steps that can fail before those that change anything: certificates and
//! keys, the address, the ledger, the catalog, the admin socket; then threads.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use super::connection::{create_state_dir, open_ledger_in_turn};
use super::{Exit, Failure, push_listener};
use crate::audit::CheckpointKeeper;
use crate::authority::{
    Admin, Auditor, Authority, AuthorityError, AuthorityStats, Issuers, OperationError, PushOffice,
    open_ledger_key, with_causes,
};
use crate::catalog::crls::Shelf;
use crate::catalog::{Catalog, ManifestState, OpenReport};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::http::admin::AdminServer;
use crate::http::{Limits, Mounts, Server};
use crate::ledger::Ledger;
use crate::observe::Counters;
use crate::ocsp::RequestLimits;
use crate::publish::{Couriers, Target, manifest};
use crate::responder::{Responder, question_queue};
use crate::signer::Keys;
use crate::signer::process::{Reach, SignerProcess};

/// A configuration whose certificates and keys were judged; nothing is open yet.
pub(super) struct Service {
    config: Config,
    issuers: Issuers,
    clock: Arc<dyn Clock>,
    /// Where keys live that do not live here.
    signer_process: Option<Arc<SignerProcess>>,
}

/// What a companion wants next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Then {
    /// To be served on until a signal.
    ServeOn,
    /// To end, as by a signal.
    Stop,
}

impl Service {
    /// Reads the certificates and loads the signers.
    ///
    /// # Errors
    /// When one of them cannot be used; a key that is missing is left for later.
    pub(super) fn new(config: Config, path: &Path) -> Result<Self, Failure> {
        let signer_process = start_signer_process(&config, path)?;
        let keys = signer_process.clone().map_or_else(Keys::here, Keys::apart);
        let issuers = Issuers::with_keys(&config, &keys)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        load_signers(&issuers, &*clock)?;
        Ok(Self {
            config,
            issuers,
            clock,
            signer_process,
        })
    }

    /// The configuration.
    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    /// Serves at `server` until SIGTERM or Ctrl-C. Once requests are answered, `companion` runs beside
    /// it, on a thread of its own.
    ///
    /// # Errors
    /// What stops a start, or what the companion gave.
    pub(super) fn run(
        self,
        server: Server,
        companion: impl FnOnce(&Running) -> Result<Then, Failure> + Send + 'static,
    ) -> Result<Exit, Failure> {
        let Self {
            config,
            issuers,
            clock,
            signer_process,
        } = self;
        raise_open_files_limit();
        let push = push_listener::open(&config)?;
        let mounts = Mounts::new(&config.http.ocsp_paths)
            .map_err(|error| Failure::new(Exit::Config, with_causes(&error)))?;
        create_state_dir(&config.state_dir)?;
        let origin = config.ledger.origin.as_deref();
        let ledger_key = open_ledger_key(&config.ledger_key(), origin)?;
        let ledger = Arc::new(open_ledger_in_turn(&config, &issuers)?);
        let targets = open_targets(&config)?;
        let (catalog, report) =
            Catalog::open(&config.state_dir.join("catalog"), clock.now_millis())
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
        let (questions, asked) =
            question_queue(config.limits.live_queue, config.limits.live_deadline);
        let authority = Arc::new(
            Authority::start(
                issuers,
                Arc::clone(&ledger),
                Arc::clone(&catalog),
                Arc::clone(&clock),
                asked,
                request_limits,
            )
            .map_err(|error| authority_failure(&error))?,
        );
        if let Some(process) = &signer_process {
            // Not kept alive by it.
            let authority = Arc::downgrade(&authority);
            process.tell(move || {
                if let Some(authority) = authority.upgrade() {
                    authority.keys_came();
                }
            });
        }
        authority
            .start_feeds(&config.state_dir.join("feeds"))
            .map_err(|error| authority_failure(&error))?;
        let couriers = Couriers::start(targets, &Shelf::folder_in(&config.state_dir), &clock)
            .map_err(|error| {
                Failure::new(Exit::Internal, format!("cannot start a thread: {error}"))
            })?;
        let manifest = config.publish.manifest.clone();
        let (manifest_clock, manifest_key) = (Arc::clone(&clock), Arc::clone(&ledger_key));
        authority.start_publishing(&config.state_dir, |publishing| {
            publishing
                .with_couriers(couriers)
                .with_documents(move |listing| {
                    let now = manifest_clock.now();
                    Ok(manifest::documents(listing, &manifest, now, &manifest_key))
                })
        })?;
        let signing_clock = Arc::clone(&clock);
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
            Auditor::new(
                Arc::clone(&ledger),
                Arc::clone(&ledger_key),
                Arc::clone(&signing_clock),
            ),
        ));
        let push = push.map(|push| {
            let office = PushOffice::new(&authority, Arc::clone(&ledger_key));
            (push, Arc::new(office))
        });
        let checkpoints = CheckpointKeeper::start(Arc::clone(&ledger), ledger_key, signing_clock)
            .map_err(|error| {
            Failure::new(Exit::Internal, format!("cannot start a thread: {error}"))
        })?;

        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| {
                Failure::new(Exit::Internal, format!("cannot start threads: {error}"))
            })?;
        let outcome = runtime.block_on(async {
            let signal = stop_signal()?;
            let (stop, stopping) = watch::channel(false);
            for address in server.addresses() {
                tracing::info!("listening on http://{address}");
            }
            if let Some((push, _)) = &push {
                tracing::info!("taking pushes at https://{}", push.address());
            }
            tokio::spawn({
                let stop = stop.clone();
                async move {
                    signal.await;
                    stop.send_replace(true);
                }
            });
            // The admin socket outlives the last request: a command is not cut for it.
            let (admin_stop, admin_stopping) = watch::channel(false);
            let admin = tokio::spawn(admin.serve(admin_backend, told(admin_stopping)));
            let serving = async {
                let drained = server
                    .serve(responder, mounts, counters, told(stopping.clone()))
                    .await;
                // A server that failed to begin ends its companion too.
                stop.send_replace(true);
                drained
            };
            let pushing = async {
                let Some((push, office)) = push else {
                    return Ok(());
                };
                let pushing = push.serve(office, told(stopping.clone())).await;
                if pushing.is_err() {
                    stop.send_replace(true);
                }
                pushing
            };
            let accompanied = async {
                let running = Running {
                    authority: Arc::clone(&authority),
                    ledger,
                    stopping: stopping.clone(),
                };
                let then = tokio::task::spawn_blocking(move || companion(&running)).await;
                if !matches!(then, Ok(Ok(Then::ServeOn))) {
                    stop.send_replace(true);
                }
                then
            };
            let (drained, pushed, then) = tokio::join!(serving, pushing, accompanied);
            admin_stop.send_replace(true);
            drop(admin.await);
            pushed.map_err(|error| {
                Failure::new(Exit::Internal, format!("cannot take pushes: {error}"))
            })?;
            let drained = drained
                .map_err(|error| Failure::new(Exit::Internal, format!("cannot serve: {error}")))?;
            if drained.cut > 0 {
                tracing::warn!(connections = drained.cut, "cut while they were still busy");
            }
            then.map_err(|error| Failure::new(Exit::Internal, error.to_string()))??;
            Ok(Exit::Success)
        });
        authority.stop();
        // After the last signature.
        if let Some(process) = signer_process {
            process.stop();
        }
        // After the last entry.
        drop(checkpoints);
        tracing::info!("stopped");
        outcome
    }
}

/// Ready once the channel says true, or its sender is gone, which is a stop as well.
async fn told(mut stopping: watch::Receiver<bool>) {
    drop(stopping.wait_for(|stop| *stop).await);
}

/// A service that answers requests.
pub(super) struct Running {
    authority: Arc<Authority>,
    ledger: Arc<Ledger>,
    stopping: watch::Receiver<bool>,
}

impl Running {
    /// The ledger.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The facts of this moment.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(super) fn stats(&self) -> Result<AuthorityStats, Failure> {
        self.authority
            .stats()
            .map_err(|error| authority_failure(&error))
    }

    /// Waits until every CRL that is made here was made once. False when told to stop before.
    ///
    /// # Errors
    /// When the ledger cannot be read, or one could not be made.
    pub(super) fn wait_until_published(&self) -> Result<bool, Failure> {
        loop {
            let stats = self.stats()?;
            let mut crls = stats.issuers.iter().flat_map(|issuer| &issuer.crls);
            if let Some(problem) = crls.clone().find_map(|crl| crl.problem.as_ref()) {
                return Err(Failure::new(Exit::Internal, problem.clone()));
            }
            if crls.all(|crl| crl.number.is_some()) {
                return Ok(true);
            }
            if self.is_stopping_within(LOOK) {
                return Ok(false);
            }
        }
    }

    /// Waits until every certificate has its presigned answer; tells how many of how many have. False
    /// when told to stop before.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(super) fn wait_until_signed(
        &self,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<bool, Failure> {
        loop {
            let stats = self.stats()?;
            let (done, of) = signed(&stats);
            progress(done, of);
            if is_settled(&stats) {
                return Ok(true);
            }
            if self.is_stopping_within(LOOK) {
                return Ok(false);
            }
        }
    }

    /// Waits for a stop, `at_most` so long.
    fn is_stopping_within(&self, at_most: Duration) -> bool {
        let stopping = told(self.stopping.clone());
        Handle::current()
            .block_on(async { tokio::time::timeout(at_most, stopping).await })
            .is_ok()
    }
}

/// How often signing is looked at; it takes a fraction of a second an issuer.
const LOOK: Duration = Duration::from_millis(20);

fn is_settled(stats: &AuthorityStats) -> bool {
    stats.issuers.iter().all(|issuer| {
        !issuer.catching_up
            && issuer.unsigned == 0
            && (issuer.certificates == 0 || issuer.segments > 0)
    })
}

/// Certificates of issuers that are signed, of all.
fn signed(stats: &AuthorityStats) -> (u64, u64) {
    let sum = |all: bool| {
        stats
            .issuers
            .iter()
            .filter(|issuer| all || issuer.segments > 0)
            .map(|issuer| issuer.certificates)
            .sum()
    };
    (sum(false), sum(true))
}

/// The targets that CRLs are brought to. None is asked yet.
pub(super) fn open_targets(config: &Config) -> Result<Vec<Target>, Failure> {
    let targets = config.publish.targets.iter();
    targets
        .map(|settings| {
            Target::open(settings, &config.state_dir).map_err(|error| {
                let message = format!(
                    "publish.target {:?}: {}",
                    settings.name(),
                    with_causes(&error)
                );
                Failure::new(Exit::Config, message)
            })
        })
        .collect()
}

/// Binds the configured addresses: a port in use is found before anything is touched.
pub(super) fn bind(config: &Config) -> Result<Server, Failure> {
    let addresses: Vec<SocketAddr> = config
        .listeners
        .iter()
        .map(|listener| listener.address)
        .collect();
    Server::bind(&addresses, limits(config))
        .map_err(|error| Failure::new(Exit::Busy, with_causes(&error)))
}

/// Starts the process that keys live in which are not to live here, or connects to it; none without such
/// keys.
fn start_signer_process(
    config: &Config,
    path: &Path,
) -> Result<Option<Arc<SignerProcess>>, Failure> {
    if !config.keys().iter().any(|key| key.own_process) {
        return Ok(None);
    }
    let settings = &config.signer_process;
    let reach = match &settings.socket {
        Some(socket) => Reach::Socket {
            path: socket.clone(),
            signer_uid: settings.signer_uid,
        },
        None => Reach::own_program(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned())),
    };
    SignerProcess::start(reach, settings.deadline)
        .map(Some)
        .map_err(|error| Failure::new(Exit::Internal, format!("cannot start a thread: {error}")))
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
            Err(error) if error.may_pass() => {
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
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
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

/// To stderr; `RUST_LOG` chooses what, `level` when it is not set.
pub(super) fn start_log(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
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
