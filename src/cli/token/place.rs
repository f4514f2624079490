//! Which token a command is about.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::{Exit, Failure};
use crate::cli::{Common, connection};
use crate::config::{Config, Token};

/// The token: one of the configuration's, or one described here.
#[derive(Args, Debug)]
pub(super) struct Place {
    /// The name of a token of the configuration [default: the only one]
    #[arg(long, value_name = "NAME", conflicts_with = "module")]
    pub(super) token: Option<String>,
    /// The vendor's PKCS#11 module; the configuration is not read then
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// The token's label [default: the only token]
    #[arg(long, value_name = "LABEL", requires = "module")]
    label: Option<String>,
    /// The token's serial number
    #[arg(long, value_name = "SERIAL", requires = "module")]
    serial: Option<String>,
    /// The number of the token's slot
    #[arg(long, value_name = "N", requires = "module")]
    slot: Option<u64>,
    /// The file with the PIN of the token's user
    #[arg(
        long,
        value_name = "FILE",
        requires = "module",
        conflicts_with = "pin_env"
    )]
    pin_file: Option<PathBuf>,
    /// The environment variable with the PIN
    #[arg(long, value_name = "NAME", requires = "module")]
    pin_env: Option<String>,
}

impl Place {
    /// The token that is meant.
    pub(super) fn token(&self, common: &Common) -> Result<Arc<Token>, Failure> {
        if let Some(described) = self.described() {
            return Ok(Arc::new(described));
        }
        let tokens = configured(common)?;
        let names: Vec<&str> = tokens.iter().map(|token| token.name.as_str()).collect();
        let all = names.join(", ");
        let Some(name) = &self.token else {
            return match tokens.as_slice() {
                [only] => Ok(Arc::new(only.clone())),
                _ => Err(Failure::new(
                    Exit::Usage,
                    format!("several tokens are configured: name one with --token ({all})"),
                )),
            };
        };
        let found = tokens.iter().find(|token| token.name == *name);
        found.map(|token| Arc::new(token.clone())).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("no [[token]] is called {name:?}; configured are: {all}"),
            )
        })
    }

    /// Every token that may be meant.
    pub(super) fn tokens(&self, common: &Common) -> Result<Vec<Arc<Token>>, Failure> {
        if self.module.is_some() || self.token.is_some() {
            return Ok(vec![self.token(common)?]);
        }
        Ok(configured(common)?.into_iter().map(Arc::new).collect())
    }

    fn described(&self) -> Option<Token> {
        let module = self.module.as_ref()?;
        Some(Token {
            label: self.label.clone(),
            serial: self.serial.clone(),
            slot: self.slot,
            pin_file: self.pin_file.clone(),
            pin_env: self.pin_env.clone(),
            // Making an RSA key takes a while.
            deadline: PATIENCE,
            ..Token::new("token", module)
        })
    }
}

fn configured(common: &Common) -> Result<Vec<Token>, Failure> {
    let Config { tokens, .. } = connection::load_config(common)?;
    if tokens.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            format!(
                "{} has no [[token]]: add one, or describe the token with --module FILE",
                common.config.display()
            ),
        ));
    }
    Ok(tokens)
}

/// Of a command that somebody waits for.
const PATIENCE: Duration = Duration::from_secs(60);
