//! `estelam mirror`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::service::{start_log, stop_signal};
use super::{Common, Exit, Failure, output};
use crate::audit::VerifierKey;
use crate::clock::{Clock as _, SystemClock};
use crate::config::feed::Target;
use crate::config::{duration, read_certificate};
use crate::mirror::{Change, Mirror, MirrorError, MirrorErrorKind, MirrorSettings, Round};

/// Keep a folder that has the CRLs of a signed manifest, for a web server to serve
///
/// Each CRL lies at the path of its URL, the manifest at its own. Nothing gets its name before it was
/// checked, and nothing goes back: neither the manifest's generation nor a CRL's number. Without --once
/// it goes on until SIGTERM or Ctrl-C, and asks again when the next CRL is due, or after --interval.
///
/// CRLs are fetched from the host of the manifest: certificates may name one that is this mirror itself.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  estelam mirror https://va.example.org/crl/manifest.json /srv/crl --key \"$(cat va.vkey)\"

With --once: 0 all is in place, 5 a signature, digest or form does not hold, 7 it would go back or leave
the folder, 10 another process fills the folder, 11 storage, 12 unreachable.")]
pub(super) struct MirrorArguments {
    /// Where the manifest is: that of all issuers, or of one
    url: String,
    /// The folder; created if need be
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// What the manifest has to be signed by, as `estelam audit key` prints it there
    #[arg(long, value_name = "VKEY")]
    key: String,
    /// Also verify the CRLs' signatures, by these certificates of issuers, PEM or DER
    #[arg(long = "issuer", value_name = "CERT")]
    issuers: Vec<PathBuf>,
    /// Fetch CRLs from the URLs that stand in certificates, not from the host of the manifest
    #[arg(long)]
    from_urls: bool,
    /// Remove CRLs that the manifest does not name any more
    #[arg(long)]
    prune: bool,
    /// Bring the folder up to date, and end
    #[arg(long)]
    once: bool,
    /// How often to ask, at least
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    interval: String,
    /// How long one file may take
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: String,
    /// Ask hosts in private networks
    #[arg(long)]
    allow_private: bool,
    /// The certificates that https servers are trusted by, PEM
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/ssl/certs/ca-certificates.crt"
    )]
    tls_roots: PathBuf,
    /// Take a manifest of a lower generation, once: the authority goes on from a backup
    #[arg(long)]
    accept_older: bool,
}

pub(super) fn run(common: &Common, arguments: &MirrorArguments) -> Result<Exit, Failure> {
    let settings = settings(arguments)?;
    let interval = time("--interval", &arguments.interval)?;
    let is_stopping = Arc::new(AtomicBool::new(false));
    let (stop, stopped) = channel::<()>();
    catch_signals(Arc::clone(&is_stopping), stop)?;
    let is_stopping = || is_stopping.load(SeqCst);
    let mut mirror = Mirror::open(settings).map_err(failure)?;
    if arguments.once {
        let mut changes = Vec::new();
        let mut tell = |change: &Change| changes.push(change.clone());
        let result = mirror.round(SystemClock.now(), &is_stopping, &mut tell);
        // What was placed before something failed is in place all the same.
        if !common.json {
            for change in &changes {
                output::line(&line(change))?;
            }
        }
        let round = result.map_err(failure)?;
        warn_of_ended(&round);
        let facts = Once {
            round: &round,
            changes: &changes,
        };
        return output::facts(common, &facts, || summary(&round));
    }
    start_log("info");
    let json = common.json;
    let mut tell = |change: &Change| tell_change(json, change);
    let mut last = None;
    let mut told = |result: &Result<Round, MirrorError>| tell_result(result, &mut last);
    let wait = |wait: Duration| {
        matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) && !is_stopping()
    };
    let followed = mirror.follow(
        interval,
        &SystemClock,
        &is_stopping,
        &mut tell,
        &mut told,
        &wait,
    );
    followed.map_err(failure)?;
    Ok(Exit::Success)
}

/// What `--once --json` prints.
#[derive(Serialize)]
struct Once<'a> {
    #[serde(flatten)]
    round: &'a Round,
    changes: &'a [Change],
}

fn settings(arguments: &MirrorArguments) -> Result<MirrorSettings, Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let url = Target::parse(&arguments.url)
        .map_err(|error| usage(format!("{}: {error}", arguments.url)))?;
    let key = VerifierKey::parse(&arguments.key).map_err(|error| {
        usage(format!(
            "--key: {error}: what `estelam audit key` prints at the authority is meant"
        ))
    })?;
    let issuers = arguments.issuers.iter().map(|path| {
        read_certificate(path).map_err(|error| Failure::new(Exit::Config, error.to_string()))
    });
    Ok(MirrorSettings {
        url,
        key,
        folder: arguments.folder.clone(),
        issuers: issuers.collect::<Result<_, _>>()?,
        from_urls: arguments.from_urls,
        prune: arguments.prune,
        accept_older: arguments.accept_older,
        allow_private: arguments.allow_private,
        timeout: time("--timeout", &arguments.timeout)?,
        tls_roots: arguments.tls_roots.clone(),
    })
}

fn time(option: &str, text: &str) -> Result<Duration, Failure> {
    let found = duration::parse(text).filter(|time| *time >= Duration::from_secs(1));
    found.ok_or_else(|| {
        let message = format!("{option} {text}: a time of a second or more is meant, as 60s or 5m");
        Failure::new(Exit::Usage, message)
    })
}

/// From here on a signal ends what is under way, on a thread that ends with the process.
fn catch_signals(
    is_stopping: Arc<AtomicBool>,
    stop: std::sync::mpsc::Sender<()>,
) -> Result<(), Failure> {
    let internal = |what: &str, error: std::io::Error| {
        Failure::new(Exit::Internal, format!("{what}: {error}"))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| internal("no runtime", error))?;
    let signal = {
        let _inside = runtime.enter();
        stop_signal()?
    };
    let wait = move || {
        runtime.block_on(signal);
        is_stopping.store(true, SeqCst);
        // Nobody listens where it is done already.
        let _nobody = stop.send(());
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    let started = thread.spawn(wait);
    started.map_err(|error| internal("cannot start a thread", error))?;
    Ok(())
}

fn failure(error: MirrorError) -> Failure {
    let exit = match error.kind {
        MirrorErrorKind::Unreachable => Exit::Unreachable,
        MirrorErrorKind::Private => Exit::Usage,
        MirrorErrorKind::Untrusted => Exit::Input,
        MirrorErrorKind::Refused => Exit::Refused,
        MirrorErrorKind::Busy => Exit::Busy,
        MirrorErrorKind::Storage => Exit::Storage,
        MirrorErrorKind::Stopped => Exit::Internal,
    };
    Failure::new(exit, error.message)
}

fn line(change: &Change) -> String {
    let what = match &change.crl {
        Some(crl) => format!(
            ": {} of {:?}, CRL {}, {} octets",
            crl.kind, crl.issuer, crl.number, crl.octets
        ),
        None => String::new(),
    };
    format!("{} {}{what}", change.change, change.path)
}

fn summary(round: &Round) -> String {
    format!(
        "generation {}: {} CRLs in place, {} files changed",
        round.generation, round.crls, round.changed
    )
}

fn warn_of_ended(round: &Round) {
    for url in &round.ended {
        output::warning(&ended(url));
    }
}

fn ended(url: &str) -> String {
    format!(
        "{url}: the newest CRL has ended: whoever makes them, or brings them there, has stopped"
    )
}

fn tell_change(json: bool, change: &Change) {
    tracing::info!("{}", line(change));
    if json {
        let text = serde_json::to_string(change).unwrap_or_default();
        // Whoever read it is gone; the mirror goes on.
        drop(output::line(&text));
    }
}

/// One line for each change of how it goes, not for each round.
fn tell_result(result: &Result<Round, MirrorError>, last: &mut Option<String>) {
    let now = match result {
        Err(error) => Some(error.message.clone()),
        Ok(round) => round.ended.first().map(|url| ended(url)),
    };
    if now != *last {
        match (&now, result) {
            (Some(what), Err(_)) => tracing::error!("{what}"),
            (Some(what), Ok(_)) => tracing::warn!("{what}"),
            (None, _) => tracing::info!("all is well again"),
        }
    }
    if let Ok(round) = result
        && round.changed > 0
    {
        tracing::info!("{}", summary(round));
    }
    *last = now;
}
