//! `estelam signer`.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use clap::Args;

use super::connection::load_config;
use super::service::{self, stop_signal};
use super::{Common, Exit, Failure};
use crate::authority::with_causes;
use crate::config::Config;
use crate::signer::forbid_core_dumps;
use crate::signer::process::{Desk, ListenError, SignerListener, serve};
use crate::signer::token::when_stuck;

/// Keep the keys that are to live in a process of their own, and sign with them for the server
///
/// The server starts this process itself, unless `socket` is set in `[signer_process]`: then a service
/// manager runs it, and the server connects to that socket. It opens neither ledger nor catalog, listens
/// nowhere else, and leaves no core dump.
#[derive(Args, Debug)]
#[command(
    after_help = "Example, where [signer_process] has socket = \"/run/estelam/signer.sock\":\n  \
                  estelam signer --config /etc/estelam/estelam.toml"
)]
pub(super) struct SignerArguments {
    /// Serve whoever is at the other end of standard input, a socket, and end with it: how the server
    /// starts it
    #[arg(long)]
    connected: bool,
}

pub(super) fn run(common: &Common, arguments: &SignerArguments) -> Result<Exit, Failure> {
    if arguments.connected {
        die_with_parent();
    }
    let config = load_config(common)?;
    service::start_log("info");
    forbid_core_dumps();
    // Its successor has all its threads, and a module that was initialised anew.
    when_stuck(|error| {
        tracing::error!("{error}: this process ends, for another one to take its place");
        std::process::abort();
    });
    let keys = config.keys().into_iter().filter(|key| key.own_process);
    let keys: Vec<_> = keys.map(|key| key.place).collect();
    if keys.is_empty() {
        let why = "no key is to live in a process of its own: set signer_process = true beside one";
        return Err(Failure::new(Exit::Config, why.to_owned()));
    }
    tracing::info!(keys = keys.len(), pid = std::process::id(), "keeping keys");
    let desk =
        Desk::start(keys).map_err(|error| Failure::new(Exit::Internal, with_causes(&error)))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Internal, format!("cannot start: {error}")))?;
    let signal = {
        let _within = runtime.enter();
        stop_signal()?
    };
    if arguments.connected {
        let stream = standard_input()?;
        let (ended, end) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name("server".to_owned())
            .spawn(move || drop(ended.send(serve(&desk, stream, None))))
            .map_err(|error| Failure::new(Exit::Internal, format!("cannot start: {error}")))?;
        return runtime.block_on(async {
            tokio::select! {
                () = signal => Ok(Exit::Success),
                ended = end => match ended {
                    // The server went.
                    Ok(Ok(())) | Err(_) => Ok(Exit::Success),
                    Ok(Err(error)) => Err(Failure::new(Exit::Internal, error.to_string())),
                },
            }
        });
    }
    let listener = listen(&config)?;
    listener
        .start(&desk, config.signer_process.server_uid)
        .map_err(|error| Failure::new(Exit::Internal, format!("cannot start: {error}")))?;
    runtime.block_on(signal);
    tracing::info!("stopped");
    Ok(Exit::Success)
}

fn listen(config: &Config) -> Result<SignerListener, Failure> {
    let settings = &config.signer_process;
    let Some(path) = &settings.socket else {
        let why = "nothing says where to listen: set socket in [signer_process], or leave it to the server \
                   to start this process";
        return Err(Failure::new(Exit::Config, why.to_owned()));
    };
    let listener = SignerListener::bind(path, settings.server_uid.is_some()).map_err(|error| {
        let exit = match error {
            ListenError::InUse { .. } => Exit::Busy,
            _ => Exit::Storage,
        };
        Failure::new(exit, with_causes(&error))
    })?;
    tracing::info!("listening at {}", path.display());
    Ok(listener)
}

/// The socket that the server left as standard input.
fn standard_input() -> Result<UnixStream, Failure> {
    let refused = |error: io::Error| {
        Failure::new(
            Exit::Usage,
            format!("--connected is how the server starts this process: {error}"),
        )
    };
    let copy = io::stdin().as_fd().try_clone_to_owned().map_err(refused)?;
    let stream = UnixStream::from(copy);
    stream.peer_addr().map_err(refused)?;
    Ok(stream)
}

/// The kernel kills this process when the server's thread that started it goes, also where it is stopped
/// or hangs in a token's library and would not see its socket end.
fn die_with_parent() {
    use rustix::process::{Signal, set_parent_process_death_signal};
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        tracing::warn!(%error, "this process may outlive its server");
    }
    // What is shown beside it otherwise is the name of the link that was run.
    drop(std::fs::write("/proc/self/comm", "estelam-signer"));
}
