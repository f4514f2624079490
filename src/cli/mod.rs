//! The command line: one file a subcommand, no logic of its own.

mod audit;
mod backup;
mod ca;
mod check;
mod clock;
mod connection;
mod crl;
mod demo;
mod exit;
mod feed;
mod import;
mod init;
mod mirror;
mod output;
mod past;
mod push;
mod push_listener;
mod restore;
mod revocation;
mod revoke_all;
mod serve;
mod service;
mod signer;
mod stats;
mod status;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

pub use exit::{Exit, Failure};

/// Parses the process's arguments, runs the command and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap prints help and version to stdout with 0, mistakes to stderr with 2.
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Success
            };
            return match error.print() {
                Ok(()) => exit.into(),
                Err(_) => Exit::Internal.into(),
            };
        }
    };
    match run(arguments) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::error(&failure.message);
            failure.exit.into()
        }
    }
}

fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let Arguments { common, command } = arguments;
    match command {
        Command::Init(arguments) => init::run(&common, &arguments),
        Command::Demo(arguments) => demo::run(&common, &arguments),
        Command::Check => check::run(&common),
        Command::Serve => serve::run(&common),
        Command::Signer(arguments) => signer::run(&common, &arguments),
        Command::Import(arguments) => import::run(&common, &arguments),
        Command::Revoke(arguments) => revocation::revoke(&common, arguments),
        Command::Hold(arguments) => revocation::hold(&common, arguments),
        Command::Release(arguments) => revocation::release(&common, arguments),
        Command::Status(arguments) => status::run(&common, &arguments),
        Command::Stats => stats::run(&common),
        Command::Feed(arguments) => feed::run(&common, &arguments),
        Command::Backup(arguments) => backup::run(&common, &arguments),
        Command::Restore(arguments) => restore::run(&common, &arguments),
        Command::Clock(arguments) => clock::run(&common, &arguments),
        Command::Push(arguments) => push::run(&common, &arguments),
        Command::Ca(arguments) => ca::run(&common, &arguments),
        Command::Crl(arguments) => crl::run(&common, &arguments),
        Command::Mirror(arguments) => mirror::run(&common, &arguments),
        Command::Audit(arguments) => audit::run(&common, &arguments),
        Command::Token(arguments) => token::run(&common, &arguments),
    }
}

/// A validation authority in one binary: presigned OCSP from a durable ledger of certificate status.
#[derive(Debug, Parser)]
#[command(name = "estelam", version, after_help = AFTER_HELP, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Args, Debug)]
struct Common {
    /// The configuration file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = CONFIG_DEFAULT
    )]
    config: PathBuf,
    /// Print facts as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArguments),
    Init(init::InitArguments),
    /// Judge the configuration, the certificates and the keys, without changing anything
    #[command(after_help = "Example:\n  estelam check --config /etc/estelam/estelam.toml")]
    Check,
    /// Serve OCSP until SIGTERM or Ctrl-C
    #[command(after_help = "Example:\n  estelam serve --config /etc/estelam/estelam.toml")]
    Serve,
    Signer(signer::SignerArguments),
    Import(import::ImportArguments),
    Revoke(revocation::RevokeArguments),
    Hold(revocation::HoldArguments),
    Release(revocation::ReleaseArguments),
    Status(status::StatusArguments),
    /// What happens now: answers by kind, freshness, signers, ledger
    #[command(after_help = "Example:\n  estelam stats --json")]
    Stats,
    Feed(feed::FeedArguments),
    Clock(clock::ClockArguments),
    Push(push::PushArguments),
    Backup(backup::BackupArguments),
    Restore(restore::RestoreArguments),
    Ca(ca::CaArguments),
    Crl(crl::CrlArguments),
    Mirror(mirror::MirrorArguments),
    Audit(audit::AuditArguments),
    Token(token::TokenArguments),
}

const CONFIG_DEFAULT: &str = "estelam.toml";

const AFTER_HELP: &str = "\
First steps:
  estelam demo                    a whole PKI to play with
or, for your own CA:
  estelam init --issuer-certificate ca.pem --signer-certificate ocsp.pem --signer-key ocsp.key
  estelam import index index.txt
  estelam serve

Exit codes: 0 done, 1 internal error, 2 usage, 3 configuration, 4 key, 5 input refused,
6 bad input skipped as asked, 7 change refused, 8 state damaged, 9 state of another version,
10 busy, 11 storage, 12 no server answers, 13 not valid, 14 not in date.";
