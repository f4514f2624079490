//! `estelam audit prove`.

use clap::Args;

use super::super::{Common, Exit, Failure, output};
use super::desk::Desk;
use crate::authority::ProveRequest;

/// Print a proof of everything that was recorded about a certificate
///
/// The proof is one JSON document: the entries, and for each the hashes that lead from it to a signed
/// checkpoint. Whoever has the ledger's key (`estelam audit key`) verifies it without the ledger.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  estelam audit prove 0A3F > 0A3F.proof\n  \
                        estelam audit verify --proof 0A3F.proof --key estelam.vkey")]
pub(super) struct ProveArguments {
    /// The certificate's serial number in hexadecimal
    #[arg(value_name = "SERIAL")]
    serial: String,
    /// The issuer's name; needed when there are several
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
}

pub(super) fn run(common: &Common, arguments: &ProveArguments) -> Result<Exit, Failure> {
    let proof = Desk::open(common)?.prove(&ProveRequest {
        issuer: arguments.issuer.clone(),
        serial: arguments.serial.clone(),
    })?;
    let text = serde_json::to_string_pretty(&proof)
        .map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
    output::line(&text)
}
