//! `estelam import crl`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Bar, Given};
use crate::change::ExpectedScope;
use crate::cli::{Common, Exit, Failure};
use crate::feed::ImportRequest;

/// Import a CRL, DER or PEM: full, one of several scopes, or a delta
///
/// Its signature, issuer, scope and dates are checked before anything is applied, and every entry is
/// judged: one bad entry, and nothing is applied. Holds that it no longer lists end; whatever else is
/// revoked stays revoked. A delta is added to the CRL that it names, if that or a later one was taken. An import that was interrupted is completed by running it again; run once
/// more, it changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  estelam import crl ca.crl --issuer ca
  curl -sS http://crl.example.org/ca.crl | estelam import crl -
  estelam import crl 7.crl --issuer ca --scope http://crl.example.org/7.crl")]
pub(super) struct CrlArguments {
    /// The CRL; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    given: Given,
    /// Take it although it lacks more than a tenth (and more than ten) of what the CRL before it
    /// listed
    #[arg(long)]
    accept_shrink: bool,
    /// What it must list: full (all certificates), user or ca (end-entity or CA certificates alone), or
    /// the URI of a distribution point, octet for octet; not given, one of the issuer's crl_scopes
    #[arg(long, value_name = "SCOPE")]
    scope: Option<ExpectedScope>,
}

pub(super) fn run(common: &Common, arguments: &CrlArguments) -> Result<Exit, Failure> {
    let request = ImportRequest::Crl {
        accept_shrink: arguments.accept_shrink,
        scope: arguments.scope.clone(),
    };
    let bar = Bar::new();
    if arguments.file == Path::new("-") {
        let order = arguments.given.order("standard input".to_owned(), request);
        return super::carry_out(common, &order, std::io::stdin(), &bar);
    }
    let file = super::open(&arguments.file, "the CRL in it")?;
    let name = arguments.file.display().to_string();
    let order = arguments.given.order(name, request);
    super::carry_out(common, &order, bar.over(file), &bar)
}
