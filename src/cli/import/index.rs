//! `estelam import index`.

use std::path::PathBuf;

use clap::Args;

use super::{Bar, Given};
use crate::cli::{Common, Exit, Failure};
use crate::feed::ImportRequest;

/// Import the index.txt of `openssl ca`
///
/// The whole file is judged first: one bad line, and nothing is applied. An import that was
/// interrupted is completed by running it again; run once more, it changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  estelam import index /etc/ssl/demoCA/index.txt --issuer ca")]
pub(super) struct IndexArguments {
    /// The index.txt
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    given: Given,
}

pub(super) fn run(common: &Common, arguments: &IndexArguments) -> Result<Exit, Failure> {
    let file = super::open(&arguments.file, "the index.txt in it")?;
    let name = arguments.file.display().to_string();
    let order = arguments.given.order(name, ImportRequest::Index);
    let bar = Bar::new();
    super::carry_out(common, &order, bar.over(file), &bar)
}
