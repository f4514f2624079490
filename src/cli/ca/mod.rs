//! `estelam ca`: issuing certificates. The CA's key is read here, by the command, and never by the
//! server; a serial number is recorded in the ledger before anything is signed with it.

mod delegate;
pub(in crate::cli) mod files;
mod intermediate;
mod issue;
mod made;
mod open;

pub(super) use open::open;

mod register;
mod root;

use clap::{Args, Subcommand};

use super::{Common, Exit, Failure};
use crate::pki::ca::{CaError, Name, NameError};

/// Make CAs and issue certificates whose status is known from the start
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  estelam ca root --subject \"CN=Example Root,O=Example,C=IR\" --out root
  estelam init && cat root/issuer.toml >> estelam.toml
  estelam ca issue --issuer \"Example Root\" --csr web.csr --profile tls-server --out web.pem")]
pub(super) struct CaArguments {
    #[command(subcommand)]
    command: CaCommand,
}

#[derive(Debug, Subcommand)]
enum CaCommand {
    Root(root::RootArguments),
    Intermediate(intermediate::IntermediateArguments),
    Issue(issue::IssueArguments),
    Delegate(delegate::DelegateArguments),
}

pub(super) fn run(common: &Common, arguments: &CaArguments) -> Result<Exit, Failure> {
    match &arguments.command {
        CaCommand::Root(arguments) => root::run(common, arguments),
        CaCommand::Intermediate(arguments) => intermediate::run(common, arguments),
        CaCommand::Issue(arguments) => issue::run(common, arguments),
        CaCommand::Delegate(arguments) => delegate::run(common, arguments),
    }
}

/// A subject as the command line has it.
fn subject(text: &str) -> Result<Name, Failure> {
    Name::parse(text).map_err(|error| name_failure(&error))
}

fn name_failure(error: &NameError) -> Failure {
    Failure::new(Exit::Usage, error.to_string())
}

/// What a CA's refusal means for the command.
fn ca_failure(error: &CaError) -> Failure {
    let exit = match error {
        CaError::NotCa
        | CaError::MayNotSign
        | CaError::CaWithOcspSigning
        | CaError::KeyMismatch
        | CaError::CaKey(_)
        | CaError::Signing(_)
        | CaError::Breach(_) => Exit::Key,
        CaError::SubjectKey(_) => Exit::Input,
        CaError::Url(_) | CaError::NoOcspUrl => Exit::Config,
        CaError::Register(_) | CaError::RegisterDigest(_) => Exit::Refused,
        CaError::Random => Exit::Internal,
        _ => Exit::Usage,
    };
    Failure::new(exit, error.to_string())
}
