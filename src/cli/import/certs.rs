//! `estelam import certs`.

use std::path::PathBuf;

use clap::Args;

use super::{Bar, Given};
use crate::authority::with_causes;
use crate::cli::{Common, Exit, Failure};
use crate::feed::ImportRequest;
use crate::feed::certificates::files::{FileStream, list};

/// Import certificates: PEM bundles, DER files, folders of them
///
/// Each certificate is recorded as issued, if its signature is one of a configured issuer: of
/// --issuer, or else of any. A PEM file may hold any number of certificates among other text; a DER
/// file is one. The certificate of a configured issuer that comes along as part of a chain is passed
/// over.
///
/// Folders are searched to any depth, in the order of their files' names; names that begin with a dot
/// are left out, and links to files are followed. Everything else has to be a file with certificates.
/// All of it is judged first: one bad file or certificate, and nothing is applied. An import that was
/// interrupted is completed by running it again; run once more, it changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  estelam import certs issued/

Several at once, and what is bad among them left out:
  estelam import certs 2026-03.pem extra.der --issuer ca
  estelam import certs demoCA/newcerts --skip-bad")]
pub(super) struct CertsArguments {
    /// Files and folders
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    given: Given,
}

pub(super) fn run(common: &Common, arguments: &CertsArguments) -> Result<Exit, Failure> {
    let files =
        list(&arguments.paths).map_err(|error| Failure::new(Exit::Storage, with_causes(&error)))?;
    let order = arguments
        .given
        .order(name(&arguments.paths), ImportRequest::Certificates);
    let bar = Bar::new();
    let of = u64::try_from(files.len()).unwrap_or(u64::MAX);
    let reading = bar.clone();
    let stream = FileStream::new(files, move |done| reading.reading(done, of));
    super::carry_out(common, &order, stream, &bar)
}

/// What all of it is called.
fn name(paths: &[PathBuf]) -> String {
    let Some((first, others)) = paths.split_first() else {
        return String::new();
    };
    match others.len() {
        0 => first.display().to_string(),
        more => format!("{} and {more} more", first.display()),
    }
}
