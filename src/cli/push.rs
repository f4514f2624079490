//! `estelam push`: what CA systems that push need.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Common, Exit, Failure, output};

/// Tokens for the systems that push issuance and revocation
#[derive(Args, Debug)]
pub(super) struct PushArguments {
    #[command(subcommand)]
    command: PushCommand,
}

#[derive(Debug, Subcommand)]
enum PushCommand {
    /// Make a bearer token, and the line of its hash for the configuration
    #[command(after_help = "Example:\n  estelam push token")]
    Token,
}

/// A token that was made.
#[derive(Serialize)]
struct Token {
    token: String,
    token_sha256: String,
}

pub(super) fn run(common: &Common, arguments: &PushArguments) -> Result<Exit, Failure> {
    match arguments.command {
        PushCommand::Token => token(common),
    }
}

fn token(common: &Common) -> Result<Exit, Failure> {
    let mut secret = [0_u8; SECRET_OCTETS];
    SystemRandom::new().fill(&mut secret).map_err(|_| {
        Failure::new(
            Exit::Internal,
            "the system's generator gave no random octets",
        )
    })?;
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
    let hash = digest(&SHA256, token.as_bytes());
    let token_sha256 = hash
        .as_ref()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let made = Token {
        token,
        token_sha256,
    };
    output::facts(common, &made, || {
        format!(
            "The token, for the system that pushes; it is shown this once and kept nowhere:\n\n  {}\n\n\
             Its hash, for that system's [[push.client]] in the configuration:\n\n  \
             token_sha256 = \"{}\"\n",
            made.token, made.token_sha256
        )
    })?;
    Ok(Exit::Success)
}

/// 256 bits: nobody guesses it, so that a plain hash of it needs no salt.
const SECRET_OCTETS: usize = 32;

/// By which scanners of sources find a token that was left there.
const PREFIX: &str = "estelam_";
