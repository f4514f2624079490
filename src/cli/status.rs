//! `estelam status`.

use std::fmt::Write;

use clap::Args;

use super::connection::Desk;
use super::{Common, Exit, Failure, output, past};
use crate::authority::{HistoryRequest, PastBy, PastRequest, StatusReply, StatusRequest};

/// What the ledger knows of a certificate, now, at a moment, or ever
///
/// Every entry has two times: since when it counts, and when it was recorded. With --at both views of the
/// moment are told: what was known then, which is what answers of that time said, and what is known today
/// about it, for instance that a revocation recorded later counts from before.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  estelam status 0A3F\n  estelam status certificate.pem --at 2026-03-21T08:30:00Z\n  estelam status 0A3F --history"
)]
pub(super) struct StatusArguments {
    /// The certificate's serial number in hexadecimal, or the certificate itself (PEM or DER file)
    #[arg(value_name = "SERIAL|CERTIFICATE")]
    certificate: String,
    /// The issuer's name in the configuration; needed when there are several
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// What the status was at this moment, like 2026-03-21T08:30:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "history")]
    at: Option<String>,
    /// Tell only what was known then (recorded), or only what is known today (effective)
    #[arg(long, value_name = "WHICH", requires = "at")]
    by: Option<Which>,
    /// All entries about the certificate, the latest first
    #[arg(long)]
    history: bool,
    /// At most so many of them
    #[arg(long, value_name = "NUMBER", requires = "history")]
    limit: Option<usize>,
    /// Go on where an earlier page said that the next one begins
    #[arg(long, value_name = "ENTRY", requires = "history")]
    from: Option<u64>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Which {
    Recorded,
    Effective,
}

pub(super) fn run(common: &Common, arguments: &StatusArguments) -> Result<Exit, Failure> {
    let desk = Desk::open(common)?;
    let (issuer, serial) = desk.certificate(&arguments.certificate, arguments.issuer.clone())?;
    if let Some(at) = &arguments.at {
        let request = PastRequest {
            issuer,
            serial,
            at: at.clone(),
            by: arguments.by.map(|by| match by {
                Which::Recorded => PastBy::Recorded,
                Which::Effective => PastBy::Effective,
            }),
        };
        return past::at(common, &desk, &request);
    }
    if arguments.history {
        let request = HistoryRequest {
            issuer,
            serial,
            limit: arguments.limit,
            from: arguments.from,
        };
        return past::history(common, &desk, request);
    }
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
            "answered until",
            (reply.answered_until.as_ref())
                .map(|until| format!("{until}, by keep_expired; since then unauthorized")),
        ),
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
