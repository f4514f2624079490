//! `estelam demo`: a working PKI in a folder, built where there is none and served.

mod bars;
mod suggestions;

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::PossibleValuesParser;

use self::bars::{Bar, SigningBar};
use self::suggestions::{Suggestions, Tale};
use super::connection::load_config;
use super::service::{self, Running, Service, Then};
use super::{Common, Exit, Failure, output};
use crate::authority::with_causes;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Listen};
use crate::http::Server;
use crate::pki::ca::KeyType;
use crate::pki::demo::{self, Blueprint, DemoError, FolderError, Found, Plan, Record};

/// Build a working national PKI in a folder and serve it: CAs, certificates, OCSP
///
/// One root, seven intermediates with OCSP delegates, people, officials, servers, revoked ones, each
/// with its key, and thousands of others. Run again on the folder, it serves what is there. The file
/// demo.json in it, written when the port answers, lists everything and what to expect of it.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  estelam demo
  estelam demo --dir /tmp/pki --listen 127.0.0.1:0 --certs 500 --key-type ed25519 --once

The certificates name the address: 0.0.0.0 and [::] stand in them as 127.0.0.1 and [::1].")]
pub(super) struct DemoArguments {
    /// The folder: a new one, an empty one, or that of a demo
    #[arg(long, value_name = "DIR", default_value = "estelam-demo")]
    dir: PathBuf,
    /// Where to answer; port 0 takes a free one, and a demo keeps its port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// How many certificates of people, servers and the like: 40 to 1000000 [default: 10000]
    #[arg(long, value_name = "N")]
    certs: Option<u64>,
    /// The keys of CAs and delegates [default: ec-p256]
    #[arg(long, value_name = "TYPE", value_parser = PossibleValuesParser::new(KEY_TYPES))]
    key_type: Option<String>,
    /// Build everything, sign all answers, and exit
    #[arg(long)]
    once: bool,
}

const KEY_TYPES: [&str; 6] = [
    "ec-p256",
    "ec-p384",
    "ed25519",
    "rsa-2048",
    "ml-dsa-44",
    "ml-dsa-65",
];
const CERTS: u64 = 10_000;
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

pub(super) fn run(common: &Common, arguments: &DemoArguments) -> Result<Exit, Failure> {
    if common.config != Path::new("estelam.toml") {
        return Err(Failure::new(
            Exit::Usage,
            "a demo has its configuration in its own folder: leave --config out, --dir names the folder",
        ));
    }
    service::start_log("warn");
    let ready = match demo::look(&arguments.dir)? {
        Found::Nothing => build(arguments)?,
        Found::Demo => reopen(arguments)?,
    };
    let service = Service::new(ready.config, &arguments.dir.join("estelam.toml"))?;
    // Only now: where the port was taken, another process may serve this demo and its demo.json.
    demo::withdraw(&arguments.dir)?;
    let host = Host {
        dir: arguments.dir.clone(),
        record: ready.record,
        built_in: ready.built_in,
        once: arguments.once,
        json: common.json,
    };
    service.run(ready.server, move |running| host.accompany(running))
}

/// A demo that can be served.
struct Ready {
    config: Config,
    server: Server,
    record: Record,
    /// How long it took to build it; none for one that was there.
    built_in: Option<Duration>,
}

fn build(arguments: &DemoArguments) -> Result<Ready, Failure> {
    let began = Instant::now();
    let certs = arguments.certs.unwrap_or(CERTS);
    let plan = Plan::new(certs).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            format!(
                "--certs {certs}: a demo has {} to {} certificates, so that there is one of every kind",
                Plan::CERTS_MIN,
                Plan::CERTS_MAX
            ),
        )
    })?;
    let listen = arguments.listen.unwrap_or(LISTEN);
    let server = service::bind(&Config {
        listeners: vec![Listen { address: listen }],
        ..Config::default()
    })
    .map_err(|failure| choose_another(&failure))?;
    let listen = server.addresses().next().unwrap_or(listen);
    let blueprint = Blueprint {
        plan,
        certs,
        key_type: key_type(arguments.key_type.as_deref().unwrap_or("ec-p256"))?,
        listen,
        now: SystemClock.now(),
    };
    let stop = Stop::watch()?;
    let bar = Bar::new("building", certs);
    let now_ms = || SystemClock.now_millis();
    let built = blueprint.build(&arguments.dir, &now_ms, &mut |done| {
        bar.show(done);
        stop.was_asked()
    });
    bar.finish();
    let record = built?;
    if stop.was_asked().is_break() {
        return Err(Failure::new(
            Exit::Internal,
            "stopped; the demo is built, and run again it is signed and served",
        ));
    }
    Ok(Ready {
        config: config_of(&arguments.dir)?,
        server,
        record,
        built_in: Some(began.elapsed()),
    })
}

/// SIGTERM or Ctrl-C while there is no server that could end by it: a build is told to stop, so that it
/// takes away what it made.
struct Stop(Arc<AtomicBool>);

impl Stop {
    fn watch() -> Result<Self, Failure> {
        let asked = Arc::new(AtomicBool::new(false));
        let failed = |error: std::io::Error| {
            Failure::new(Exit::Internal, format!("cannot catch signals: {error}"))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let signal = runtime.block_on(async { service::stop_signal() })?;
        let told = Arc::clone(&asked);
        // It waits as long as the process lives; a server catches signals for itself.
        std::thread::Builder::new()
            .name("stop".to_owned())
            .spawn(move || {
                runtime.block_on(signal);
                told.store(true, Ordering::Relaxed);
            })
            .map_err(failed)?;
        Ok(Self(asked))
    }

    fn was_asked(&self) -> ControlFlow<()> {
        if self.0.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

fn choose_another(failure: &Failure) -> Failure {
    Failure::new(
        failure.exit,
        format!("{}; --listen 127.0.0.1:0 takes a free one", failure.message),
    )
}

fn key_type(name: &str) -> Result<KeyType, Failure> {
    name.parse()
        .map_err(|error| Failure::new(Exit::Usage, with_causes(&error)))
}

fn reopen(arguments: &DemoArguments) -> Result<Ready, Failure> {
    let dir = &arguments.dir;
    let record = demo::read_record(dir)?;
    let config = config_of(dir)?;
    let address = config.listeners.first().map_or(LISTEN, |it| it.address);
    let differs = |what: &str, has: String| {
        Err(Failure::new(
            Exit::Usage,
            format!(
                "the demo in {} has {has}, and {what} cannot change that: leave it out, or name \
                 another folder with --dir",
                dir.display()
            ),
        ))
    };
    match arguments.listen {
        Some(asked) if asked.port() == 0 && asked.ip() == address.ip() => {}
        Some(asked) if asked != address => {
            return differs("--listen", format!("certificates that name {address}"));
        }
        _ => {}
    }
    if arguments.certs.is_some_and(|asked| asked != record.certs) {
        return differs("--certs", format!("{} certificates", record.certs));
    }
    if let Some(asked) = &arguments.key_type
        && *asked != record.key_type
    {
        return differs("--key-type", format!("{} keys", record.key_type));
    }
    let server = service::bind(&config).map_err(|failure| {
        Failure::new(
            failure.exit,
            format!(
                "{}; the certificates in {} name this address. If the demo runs already, that is it",
                failure.message,
                dir.display()
            ),
        )
    })?;
    Ok(Ready {
        config,
        server,
        record,
        built_in: None,
    })
}

fn config_of(dir: &Path) -> Result<Config, Failure> {
    load_config(&Common {
        config: dir.join("estelam.toml"),
        json: false,
    })
}

/// What runs beside the server.
struct Host {
    dir: PathBuf,
    record: Record,
    built_in: Option<Duration>,
    once: bool,
    json: bool,
}

impl Host {
    fn accompany(mut self, running: &Running) -> Result<Then, Failure> {
        let began = Instant::now();
        let bar = SigningBar::new();
        let signed = running.wait_until_signed(|done, of| bar.show(done, of));
        bar.finish();
        if !signed? || !running.wait_until_published()? {
            return if self.once {
                Err(Failure::new(
                    Exit::Internal,
                    "stopped before every answer was signed; run again, it goes on from there",
                ))
            } else {
                Ok(Then::Stop)
            };
        }
        let signed_in = began.elapsed();
        if self.built_in.is_none() {
            // The operator may have revoked and issued since it was built.
            demo::refresh(&mut self.record.description, &self.dir, running.ledger())?;
        }
        demo::publish(&self.record.description, &self.dir)?;
        let stats = running.stats()?;
        let sum = |count: fn(&crate::authority::IssuerStats) -> u64| {
            stats.issuers.iter().map(count).sum::<u64>()
        };
        let tale = Tale {
            record: &self.record,
            certificates: sum(|issuer| issuer.certificates),
            revoked: sum(|issuer| issuer.revoked),
            built_in: self.built_in,
            signed_in,
            serves_on: !self.once,
        };
        let suggestions = Suggestions::new(&self.record.description, &self.dir, !self.once)?;
        let common = Common {
            config: PathBuf::new(),
            json: self.json,
        };
        output::facts(&common, &suggestions.facts(&tale), || {
            suggestions.text(&tale)
        })?;
        Ok(if self.once { Then::Stop } else { Then::ServeOn })
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        let exit = match &error {
            FolderError::Incomplete { .. } => Exit::Damaged,
            FolderError::BeingBuilt { .. } => Exit::Busy,
            FolderError::Io { .. } | FolderError::NotReplaced { .. } => Exit::Storage,
            _ => Exit::Usage,
        };
        Self::new(exit, with_causes(&error))
    }
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        let exit = match error {
            DemoError::Folder(error) => return error.into(),
            DemoError::Ledger(ref error) => {
                return crate::authority::OperationError::from(error).into();
            }
            DemoError::Write { .. } => Exit::Storage,
            DemoError::Record { .. } => Exit::Damaged,
            _ => Exit::Internal,
        };
        Self::new(exit, with_causes(&error))
    }
}
