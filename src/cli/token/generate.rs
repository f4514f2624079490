//! `estelam token generate`: a key pair that never leaves its token.

use clap::Args;
use serde::Serialize;

use super::place::Place;
use super::{Exit, Failure, token_failure};
use crate::cli::{Common, output};
use crate::signer::token::{NewTokenKey, TokenKeyType, generate};

/// Make a key pair on a token: sensitive, not extractable, and tried out
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  estelam token generate --token hsm --key-label ocsp-2026
  estelam token generate --token hsm --key-label ocsp-2026 --key-type rsa-3072 --id 0a01")]
pub(super) struct GenerateArguments {
    #[command(flatten)]
    place: Place,
    /// The key's label, which no other key on the token has
    #[arg(long, value_name = "LABEL")]
    key_label: String,
    /// ec-p256, ec-p384, ed25519, rsa-2048, rsa-3072 or rsa-4096
    #[arg(long, value_name = "TYPE", default_value_t = TokenKeyType::EcP256)]
    key_type: TokenKeyType,
    /// The key's identifier in hexadecimal digits [default: random]
    #[arg(long, value_name = "HEX", value_parser = identifier)]
    id: Option<Identifier>,
}

/// CKA_ID.
#[derive(Clone, Debug)]
struct Identifier(Vec<u8>);

/// What was made.
#[derive(Serialize)]
struct Made {
    token: String,
    label: String,
    id: String,
    key_type: String,
    key: String,
}

pub(super) fn run(common: &Common, arguments: &GenerateArguments) -> Result<Exit, Failure> {
    let label = &arguments.key_label;
    if label.trim() != label || label.is_empty() || label.chars().any(char::is_control) {
        return Err(Failure::new(
            Exit::Usage,
            format!(
                "{label:?} is no label for a key: no control characters, no space at either end"
            ),
        ));
    }
    let token = arguments.place.token(common)?;
    let id = match &arguments.id {
        Some(Identifier(id)) => id.clone(),
        None => random()?,
    };
    let new = NewTokenKey {
        key_type: arguments.key_type,
        label: label.clone(),
        id: id.clone(),
    };
    let uri = generate(&token, new).map_err(|error| token_failure(&error))?;
    let made = Made {
        token: token.name.clone(),
        label: label.clone(),
        id: id.iter().map(|octet| format!("{octet:02x}")).collect(),
        key_type: arguments.key_type.to_string(),
        key: uri.to_string(),
    };
    output::facts(common, &made, || {
        format!(
            "made an {} key {label:?} on the token\n\nin the configuration:\n\n  key = \"{uri}\"\n\n\
             next: estelam token csr --key '{uri}' --subject \"CN=…\" --out ocsp.csr, and have the CA issue \
             the certificate",
            made.key_type
        )
    })
}

fn random() -> Result<Vec<u8>, Failure> {
    let mut id = vec![0; ID_OCTETS];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| {
        Failure::new(
            Exit::Internal,
            "the system's generator gave no random octets",
        )
    })?;
    Ok(id)
}

fn identifier(text: &str) -> Result<Identifier, String> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let octets = digits.filter(|digits| digits.len() % 2 == 0 && !digits.is_empty());
    let octets = octets.ok_or("pairs of hexadecimal digits are meant, as 0a01")?;
    let octets = octets.chunks(2).map(|pair| {
        let value = pair.iter().fold(0, |value, digit| value * 16 + digit);
        u8::try_from(value).unwrap_or(0)
    });
    let octets: Vec<u8> = octets.collect();
    if octets.len() > ID_OCTETS_MAX {
        return Err(format!("at most {ID_OCTETS_MAX} octets are taken"));
    }
    Ok(Identifier(octets))
}

/// Enough that no two keys ever have the same.
const ID_OCTETS: usize = 8;

/// More than any token needs; some take no more than 20.
const ID_OCTETS_MAX: usize = 64;
