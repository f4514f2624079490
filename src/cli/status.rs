//! `estelam status`.

use std::fmt::Write;

use clap::Args;

use super::connection::Desk;
use super::{Common, Exit, Failure, output};
use crate::authority::{StatusReply, StatusRequest};

/// What the ledger knows of a certificate
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  estelam status 0A3F\n  estelam status certificate.pem")]
pub(super) struct StatusArguments {
    /// The certificate's serial number in hexadecimal, or the certificate itself (PEM or DER file)
    #[arg(value_name = "SERIAL|CERTIFICATE")]
    certificate: String,
    /// The issuer's name in the configuration; needed when there are several
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
}

pub(super) fn run(common: &Common, arguments: &StatusArguments) -> Result<Exit, Failure> {
    let desk = Desk::open(common)?;
    let (issuer, serial) = desk.certificate(&arguments.certificate, arguments.issuer.clone())?;
    let reply = desk.status(&StatusRequest { issuer, serial })?;
    output::facts(common, &reply, || text(&reply))
}

/// The facts, one a line.
pub(super) fn text(reply: &StatusReply) -> String {
    let mut text = format!("{:<18} {}", reply.serial, reply.status);
    let facts = [
        ("issuer", Some(reply.issuer.clone())),
        ("reason", reply.reason.clone()),
        ("revocation time", reply.revocation_time.clone()),
        ("invalidity date", reply.invalidity_date.clone()),
        ("recorded", reply.recorded.clone()),
        ("not before", reply.not_before.clone()),
        ("not after", reply.not_after.clone()),
        (
            "ledger entry",
            reply.sequence.map(|sequence| sequence.to_string()),
        ),
        (
            "revoked with",
            reply
                .revoked_with_issuer
                .map(|entry| format!("all certificates of its issuer, by ledger entry {entry}")),
        ),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "\n  {name:<17}{value}");
        }
    }
    text
}
