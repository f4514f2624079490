//! `estelam token`: keys on PKCS#11 tokens; a file for each command.

mod csr;
mod generate;
mod list;
mod place;
mod test;

use clap::{Args, Subcommand};

use super::{Common, Exit, Failure};
use crate::signer::token::TokenError;

/// Look at PKCS#11 tokens, make keys on them and try them out
#[derive(Args, Debug)]
#[command(after_help = "\
A token is one of the configuration's [[token]] tables (--token NAME, or the only one), or one that is \
described on the command line:
  --module /usr/lib/softhsm/libsofthsm2.so --label hsm --pin-file hsm.pin

From a bare token to a signer:
  estelam token list --module /usr/lib/softhsm/libsofthsm2.so
  estelam token generate --token hsm --key-label ocsp-2026
  estelam token csr --token hsm --key pkcs11:object=ocsp-2026 --subject \"CN=Example OCSP\" --out ocsp.csr
  (have the CA issue ocsp.pem, and write it and key = \"pkcs11:object=ocsp-2026\" into [[issuer.signer]])
  estelam token test --token hsm --key pkcs11:object=ocsp-2026
  estelam check")]
pub(super) struct TokenArguments {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    List(list::ListArguments),
    Generate(generate::GenerateArguments),
    Csr(csr::CsrArguments),
    Test(test::TestArguments),
}

pub(super) fn run(common: &Common, arguments: &TokenArguments) -> Result<Exit, Failure> {
    super::service::start_log("off");
    match &arguments.command {
        TokenCommand::List(arguments) => list::run(common, arguments),
        TokenCommand::Generate(arguments) => generate::run(common, arguments),
        TokenCommand::Csr(arguments) => csr::run(common, arguments),
        TokenCommand::Test(arguments) => test::run(common, arguments),
    }
}

/// What a token's refusal means for the command.
fn token_failure(error: &TokenError) -> Failure {
    let exit = match error {
        TokenError::ModuleMissing { .. }
        | TokenError::ModuleUnloadable { .. }
        | TokenError::NotAModule { .. }
        | TokenError::Ambiguous { .. } => Exit::Config,
        TokenError::KeyExists { .. } => Exit::Usage,
        TokenError::Thread(_) | TokenError::Stopped => Exit::Internal,
        _ => Exit::Key,
    };
    Failure::new(exit, error.to_string())
}
