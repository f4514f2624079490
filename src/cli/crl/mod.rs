//! `estelam crl`: certificate revocation lists, our own and anybody's.

mod alone;
mod diff;
mod entry;
pub(super) mod health;
mod publish;
mod show;
mod verify;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use clap::{Args, Subcommand};

use super::{Common, Exit, Failure};
use crate::crl::{CrlError, Limits};
pub(super) use alone::alone;

/// Make CRLs, and look into anybody's
#[derive(Args, Debug)]
pub(super) struct CrlArguments {
    #[command(subcommand)]
    act: CrlAct,
}

#[derive(Debug, Subcommand)]
enum CrlAct {
    Show(show::ShowArguments),
    Verify(Box<verify::VerifyArguments>),
    Diff(diff::DiffArguments),
    Publish(publish::PublishArguments),
}

pub(super) fn run(common: &Common, arguments: &CrlArguments) -> Result<Exit, Failure> {
    match &arguments.act {
        CrlAct::Show(arguments) => show::run(common, arguments),
        CrlAct::Verify(arguments) => verify::run(common, arguments),
        CrlAct::Diff(arguments) => diff::run(common, arguments),
        CrlAct::Publish(arguments) => publish::run(common, arguments),
    }
}

/// Any CRL that a length of four octets can tell, and as many entries.
const LIMITS: Limits = Limits::MOST;

/// A CRL on its way in.
struct Source {
    name: String,
    input: Box<dyn BufRead>,
}

impl Source {
    /// Opens a file, or standard input for `-`.
    fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self {
                name: "standard input".to_owned(),
                input: Box::new(io::stdin().lock()),
            });
        }
        let name = path.display().to_string();
        let refused = |error: io::Error| {
            let exit = match error.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::IsADirectory => Exit::Usage,
                _ => Exit::Storage,
            };
            Failure::new(exit, format!("{name}: {error}"))
        };
        let file = File::open(path).map_err(refused)?;
        if file.metadata().map_err(refused)?.is_dir() {
            return Err(refused(io::ErrorKind::IsADirectory.into()));
        }
        Ok(Self {
            input: Box::new(BufReader::with_capacity(READ_OCTETS, file)),
            name,
        })
    }

    /// Why it is no CRL.
    fn failure(name: &str, error: &CrlError) -> Failure {
        let exit = match error {
            CrlError::Read(_) => Exit::Storage,
            _ => Exit::Input,
        };
        Failure::new(exit, format!("{name}: {error}"))
    }
}

const READ_OCTETS: usize = 128 * 1_024;
