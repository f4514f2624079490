//! `estelam token list`: what modules, tokens and keys there are.

use std::fmt::Write as _;

use clap::Args;

use super::place::Place;
use super::{Exit, Failure, token_failure};
use crate::cli::{Common, output};
use crate::signer::token::{Inventory, ListedKey, ListedToken, inventory};

/// List tokens, what they can sign with, and (with a PIN) the private keys on them
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  estelam token list
  estelam token list --module /usr/lib/softhsm/libsofthsm2.so
  estelam token list --module /usr/lib/softhsm/libsofthsm2.so --label hsm --pin-file hsm.pin --json")]
pub(super) struct ListArguments {
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(common: &Common, arguments: &ListArguments) -> Result<Exit, Failure> {
    let mut listed = Vec::new();
    for token in arguments.place.tokens(common)? {
        listed.push(inventory(&token).map_err(|error| token_failure(&error))?);
    }
    output::facts(common, &listed, || {
        let texts: Vec<String> = listed.iter().map(text).collect();
        texts.join("\n")
    })
}

fn text(inventory: &Inventory) -> String {
    let Inventory {
        module,
        description,
        manufacturer,
        version,
        pkcs11_version,
        tokens,
    } = inventory;
    let mut text = format!(
        "module {module}\n  {description} {version} by {manufacturer}, PKCS#11 {pkcs11_version}\n"
    );
    if tokens.is_empty() {
        text.push_str("  no token\n");
    }
    for token in tokens {
        put_token(&mut text, token);
    }
    text
}

fn put_token(text: &mut String, token: &ListedToken) {
    let ListedToken {
        slot,
        label,
        serial,
        manufacturer,
        model,
        pin,
        ..
    } = token;
    let _infallible = if token.initialized {
        writeln!(
            text,
            "\n  token {label:?} in slot {slot}\n    {model} by {manufacturer}, serial {serial}, PIN {pin}"
        )
    } else {
        writeln!(
            text,
            "\n  slot {slot}: a token that is not initialised ({model} by {manufacturer})"
        )
    };
    if let Some(most) = token.sessions_max {
        let _infallible = writeln!(text, "    at most {most} sessions");
    }
    if !token.initialized {
        return;
    }
    let names: Vec<&str> = (token.mechanisms.iter())
        .map(|name| name.trim_start_matches("CKM_"))
        .filter(|name| OURS.contains(name))
        .collect();
    let _infallible = writeln!(
        text,
        "    signs here with {}",
        if names.is_empty() {
            "nothing".to_owned()
        } else {
            names.join(", ")
        }
    );
    match &token.keys {
        None => text.push_str("    keys are listed with the PIN (--pin-file)\n"),
        Some(keys) if keys.is_empty() => text.push_str("    no private key\n"),
        Some(keys) => keys.iter().for_each(|key| put_key(text, key)),
    }
}

fn put_key(text: &mut String, key: &ListedKey) {
    let ListedKey {
        label,
        kind,
        sensitive,
        extractable,
        signs,
        uri,
        ..
    } = key;
    let mut odd = Vec::new();
    if *signs == Some(false) {
        odd.push("may not sign");
    }
    if *sensitive != Some(true) {
        odd.push("NOT SENSITIVE");
    }
    if *extractable != Some(false) {
        odd.push("EXTRACTABLE");
    }
    let odd = if odd.is_empty() {
        String::new()
    } else {
        format!(", {}", odd.join(", "))
    };
    let _infallible = writeln!(text, "    key {label:?}: {kind}{odd}");
    if let Some(uri) = uri {
        let _infallible = writeln!(text, "      key = \"{uri}\"");
    }
}

/// The mechanisms that we sign with; a token has dozens of others.
const OURS: [&str; 10] = [
    "ECDSA",
    "ECDSA_SHA256",
    "ECDSA_SHA384",
    "EDDSA",
    "RSA_PKCS",
    "SHA256_RSA_PKCS",
    "RSA_PKCS_PSS",
    "SHA256_RSA_PKCS_PSS",
    "SHA384_RSA_PKCS_PSS",
    "SHA512_RSA_PKCS_PSS",
];
