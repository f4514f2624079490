//! `estelam crl publish`.

use clap::Args;

use crate::authority::{PublishCrlReply, PublishCrlRequest};
use crate::cli::connection::Desk;
use crate::cli::{Common, Exit, Failure, output};

/// Make an issuer's full CRL from the ledger as it is now
///
/// Needs an [issuer.crl] in the configuration. The CRL is written beside its place, signed, read again
/// and compared with the ledger, and only then renamed into its place: a reader of the file sees the old
/// one or the new one. Its number was never used before. Entries of expired certificates leave it after
/// they were on one CRL that was made after their end.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  estelam crl publish --issuer ca")]
pub(super) struct PublishArguments {
    /// The issuer's name in the configuration; needed when there are several
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
}

pub(super) fn run(common: &Common, arguments: &PublishArguments) -> Result<Exit, Failure> {
    let request = PublishCrlRequest {
        issuer: arguments.issuer.clone(),
    };
    let reply = Desk::open(common)?.publish_crl(&request)?;
    output::facts(common, &reply, || text(&reply))
}

fn text(reply: &PublishCrlReply) -> String {
    format!(
        "{}: CRL {} of {:?}, {} to {}, {} entries, {} octets, as of ledger entry {}",
        reply.file,
        reply.crl_number,
        reply.issuer,
        reply.this_update,
        reply.next_update,
        reply.entries,
        reply.octets,
        reply.as_of
    )
}
