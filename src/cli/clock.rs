//! `estelam clock accept`: the operator confirms a clock that stepped.

use clap::{Args, Subcommand};

use super::connection::Server;
use super::{Common, Exit, Failure, output};
use crate::authority::ClockReply;

/// Confirm the system's clock after a step
#[derive(Args, Debug)]
pub(super) struct ClockArguments {
    #[command(subcommand)]
    command: ClockCommand,
}

#[derive(Debug, Subcommand)]
enum ClockCommand {
    /// Take the system's clock as right from now on, record that, and sign again
    #[command(after_help = "Example:\n  estelam clock accept")]
    Accept,
}

pub(super) fn run(common: &Common, arguments: &ClockArguments) -> Result<Exit, Failure> {
    let ClockCommand::Accept = arguments.command;
    let reply: ClockReply =
        Server::connect(common)?.post("/clock/accept", &serde_json::Value::Null)?;
    output::facts(common, &reply, || {
        format!("the clock is accepted: {}", reply.now)
    })
}
