//! `estelam audit export`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::super::{Common, Exit, Failure, output};
use super::desk::Desk;
use crate::authority::{ExportReply, ExportRequest};

/// Write the log to a file that others verify without the ledger
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  estelam audit export ledger.log\n  \
                        estelam audit verify --export ledger.log --key estelam.vkey")]
pub(super) struct ExportArguments {
    /// The file to write; one that is there is replaced once the new one is whole
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The number of the entry to begin at, or up to 255 before it; the hash of those before is in it
    #[arg(long, value_name = "SEQUENCE")]
    from: Option<u64>,
}

pub(super) fn run(common: &Common, arguments: &ExportArguments) -> Result<Exit, Failure> {
    let desk = Desk::open(common)?;
    let from = arguments.from;
    let reply = replace(&arguments.file, |out| {
        desk.export(&ExportRequest { from }, out)
    })?;
    output::facts(common, &reply, || text(&arguments.file, &reply))
}

fn text(file: &Path, reply: &ExportReply) -> String {
    format!(
        "{}: {} entries from number {} on, signed for up to {}\nto verify it: estelam audit verify \
         --export {} --key {}",
        file.display(),
        reply.entries,
        reply.first_sequence,
        reply.covers,
        file.display(),
        reply.vkey
    )
}

/// Writes beside the file, and puts it in its place once it is whole and on the disk.
fn replace<T>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(Exit::Storage, format!("{}: {error}", path.display()));
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = (|| {
        let file = File::create_new(&beside).map_err(failed)?;
        let mut out = BufWriter::with_capacity(WRITE_OCTETS, file);
        let told = write(&mut out)?;
        let file = out
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        fs::rename(&beside, path).map_err(failed)?;
        Ok(told)
    })();
    if written.is_err() {
        // It may not have come to be.
        drop(fs::remove_file(&beside));
    }
    written
}

const WRITE_OCTETS: usize = 256 * 1_024;
