//! `estelam import`: one-off feeds.

use std::fs::File;
use std::io::{BufReader, IsTerminal};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::connection::Desk;
use super::{Common, Exit, Failure, output};
use crate::feed::{ImportResult, Phase, Progress};

/// Bring the certificates of a CA into the ledger
#[derive(Args, Debug)]
pub(super) struct ImportArguments {
    #[command(subcommand)]
    source: ImportSource,
}

#[derive(Debug, Subcommand)]
enum ImportSource {
    Index(IndexArguments),
}

/// Import the index.txt of `openssl ca`
///
/// The whole file is judged first: one bad line, and nothing is applied. An import that was
/// interrupted is completed by running it again; run once more, it changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  estelam import index /etc/ssl/demoCA/index.txt --issuer ca")]
struct IndexArguments {
    /// The index.txt
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The issuer's name in the configuration; needed when there are several
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// Leave bad lines out and apply the rest; exits with 6 if there were any
    #[arg(long)]
    skip_bad: bool,
}

pub(super) fn run(common: &Common, arguments: &ImportArguments) -> Result<Exit, Failure> {
    let ImportSource::Index(arguments) = &arguments.source;
    let name = arguments.file.display().to_string();
    let file = File::open(&arguments.file)
        .map_err(|error| Failure::new(Exit::Storage, format!("{name}: {error}")))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Failure::new(
            Exit::Usage,
            format!("{name} is a folder: name the index.txt in it"),
        ));
    }
    let desk = Desk::open(common)?;
    let bar = Bar::new();
    let report = desk.import_index(
        arguments.issuer.as_deref(),
        &name,
        BufReader::with_capacity(1 << 16, file),
        arguments.skip_bad,
        &mut |progress| bar.show(progress),
    );
    bar.finish();
    let report = report?;
    output::facts(common, &report, || report.to_string())?;
    Ok(match report.result {
        ImportResult::Complete => Exit::Success,
        ImportResult::Skipped => Exit::Skipped,
        ImportResult::NothingApplied => {
            return Err(Failure::new(
                Exit::Input,
                format!(
                    "{name}: nothing was applied; mend the lines above, or leave them out with --skip-bad"
                ),
            ));
        }
        _ => Exit::Internal,
    })
}

/// A progress bar on a terminal; nothing elsewhere.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new() -> Self {
        Self(std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template(
                "{msg:<9} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}",
            ) {
                bar.set_style(style);
            }
            bar
        }))
    }

    fn show(&self, progress: Progress) {
        let Some(bar) = &self.0 else { return };
        bar.set_message(match progress.phase {
            Phase::Judging => "judging",
            Phase::Applying => "applying",
        });
        bar.set_length(progress.of);
        bar.set_position(progress.done);
    }

    fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
