//! `estelam audit`: what shows to others that the ledger's past was not altered; a file for each command.

mod bar;
mod checkpoint;
mod desk;
mod export;
mod key;
mod prove;
mod verify;

use clap::{Args, Subcommand};

use super::{Common, Exit, Failure};

/// Verify, sign, export and prove what the ledger recorded
#[derive(Args, Debug)]
pub(super) struct AuditArguments {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    Verify(verify::VerifyArguments),
    /// Sign the log as it is now, and print the checkpoint
    #[command(after_help = "Example:\n  estelam audit checkpoint > 2026-11-22.checkpoint")]
    Checkpoint,
    /// Print the key that verifies checkpoints, exports and proofs
    #[command(after_help = "Example:\n  estelam audit key > estelam.vkey")]
    Key,
    Export(export::ExportArguments),
    Prove(prove::ProveArguments),
}

pub(super) fn run(common: &Common, arguments: &AuditArguments) -> Result<Exit, Failure> {
    match &arguments.command {
        AuditCommand::Verify(arguments) => verify::run(common, arguments),
        AuditCommand::Checkpoint => checkpoint::run(common),
        AuditCommand::Key => key::run(common),
        AuditCommand::Export(arguments) => export::run(common, arguments),
        AuditCommand::Prove(arguments) => prove::run(common, arguments),
    }
}
