//! `estelam import`: one-off feeds, a file for each kind of source.

mod bar;
mod certs;
mod crl;
mod csv;
mod index;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use clap::{Args, Subcommand};

use super::connection::Desk;
use super::{Common, Exit, Failure, output};
use crate::feed::{ImportOrder, ImportRequest, ImportResult};

use bar::Bar;

/// Bring the certificates of a CA into the ledger
#[derive(Args, Debug)]
pub(super) struct ImportArguments {
    #[command(subcommand)]
    source: ImportSource,
}

#[derive(Debug, Subcommand)]
enum ImportSource {
    Index(index::IndexArguments),
    Crl(crl::CrlArguments),
    Certs(certs::CertsArguments),
    Csv(csv::CsvArguments),
}

/// What every import takes.
#[derive(Args, Debug)]
struct Given {
    /// The issuer's name in the configuration; needed when there are several
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// Leave out what is bad and apply the rest; exits with 6 if there was any
    #[arg(long)]
    skip_bad: bool,
}

impl Given {
    fn order(&self, name: String, request: ImportRequest) -> ImportOrder {
        ImportOrder {
            issuer: self.issuer.clone(),
            name,
            skip_bad: self.skip_bad,
            request,
        }
    }
}

pub(super) fn run(common: &Common, arguments: &ImportArguments) -> Result<Exit, Failure> {
    match &arguments.source {
        ImportSource::Index(arguments) => index::run(common, arguments),
        ImportSource::Crl(arguments) => crl::run(common, arguments),
        ImportSource::Certs(arguments) => certs::run(common, arguments),
        ImportSource::Csv(arguments) => csv::run(common, arguments),
    }
}

/// Opens a source that is one file; `instead` says what to name where a folder was named.
fn open(path: &Path, instead: &str) -> Result<File, Failure> {
    let name = path.display();
    let file = File::open(path)
        .map_err(|error| Failure::new(Exit::Storage, format!("{name}: {error}")))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Failure::new(
            Exit::Usage,
            format!("{name} is a folder: name {instead}"),
        ));
    }
    Ok(file)
}

/// Imports what `input` holds, shows how far it is, and tells what came of it.
fn carry_out(
    common: &Common,
    order: &ImportOrder,
    input: impl Read + Send + 'static,
    bar: &Bar,
) -> Result<Exit, Failure> {
    let desk = Desk::open(common)?;
    let report = desk.import(order, input, &mut |progress| bar.show(progress));
    bar.finish();
    let report = report?;
    output::facts(common, &report, || report.to_string())?;
    match report.result {
        ImportResult::Complete => Ok(Exit::Success),
        ImportResult::Skipped => Ok(Exit::Skipped),
        ImportResult::NothingApplied => Err(Failure::new(
            Exit::Input,
            format!(
                "{}: nothing was applied; mend what is named above, or leave it out with --skip-bad",
                order.name
            ),
        )),
        ImportResult::Unfinished => Ok(Exit::Internal),
    }
}
