//! `estelam audit verify`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::super::{Common, Exit, Failure, output};
use super::bar::Bar;
use super::desk::Desk;
use crate::audit::export::{ExportError, ExportReport, verify};
use crate::audit::{AuditReport, ProvenStatement, VerifierKey, verify_proof};
use crate::authority::{VerifyRequest, with_causes};

/// Verify that nothing in the ledger was altered: whole, from a checkpoint, or from a file alone
///
/// Every entry is read and hashed again and compared with the log and with each signed checkpoint that
/// was kept; then everything else in the ledger is derived from the entries anew. What was altered is
/// named. Exits with 8 if something was.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  estelam audit verify
  estelam audit verify --from 2026-11-22.checkpoint
  estelam audit verify --export ledger.log --key estelam.vkey
  estelam audit verify --proof 0A3F.proof --key estelam.vkey")]
pub(super) struct VerifyArguments {
    /// A signed checkpoint to begin from: the entries that it covers are not read again
    #[arg(long, value_name = "FILE", conflicts_with_all = ["export", "proof"])]
    from: Option<PathBuf>,
    /// An exported log to verify instead of the ledger
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with = "proof")]
    export: Option<PathBuf>,
    /// A proof to verify instead of the ledger
    #[arg(long, value_name = "FILE", requires = "key")]
    proof: Option<PathBuf>,
    /// The key that checkpoints are verified with (as `estelam audit key` prints it), or a file with it.
    /// By default the one beside the ledger; an auditor brings his own
    #[arg(long, value_name = "VKEY|FILE")]
    key: Option<String>,
}

pub(super) fn run(common: &Common, arguments: &VerifyArguments) -> Result<Exit, Failure> {
    let key = arguments.key.as_deref().map(key_text).transpose()?;
    match (&arguments.export, &arguments.proof, &key) {
        (Some(file), _, Some(key)) => export(common, file, &verifier(key)?),
        (None, Some(file), Some(key)) => proof(common, file, &verifier(key)?),
        _ => ledger(common, arguments.from.as_deref(), key),
    }
}

fn ledger(common: &Common, from: Option<&Path>, vkey: Option<String>) -> Result<Exit, Failure> {
    let from = from.map(small_file).transpose()?;
    let desk = Desk::open(common)?;
    let bar = Bar::new();
    let request = VerifyRequest { from, vkey };
    let report = desk.verify(&request, &mut |progress| {
        let what = match progress.hashing {
            true => "hashing",
            false => "deriving",
        };
        bar.show(what, progress.done, progress.of);
    });
    drop(bar);
    let report = report?;
    output::facts(common, &report, || text(&report))?;
    match report.sound {
        true => Ok(Exit::Success),
        false => Err(Failure::new(
            Exit::Damaged,
            "the ledger is not as it was recorded: what is named above was altered; restore it from a \
             backup, and keep this one for whoever finds out how",
        )),
    }
}

fn text(report: &AuditReport) -> String {
    let mut text = String::new();
    for problem in &report.problems {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{}", problem.message);
    }
    if report.more_problems > 0 {
        let _infallible = writeln!(text, "and {} more", report.more_problems);
    }
    for note in &report.notes {
        let _infallible = writeln!(text, "Note: {note}");
    }
    if !report.sound {
        return text;
    }
    let (count, begun) = match report.from {
        None => (report.entries, String::new()),
        Some(from) => (
            report.entries.saturating_sub(from),
            format!(" after the {from} of the checkpoint"),
        ),
    };
    let _infallible = write!(
        text,
        "{count} entries{begun} are as they were recorded, the last is number {}\n  log               {}\n  \
         root              {}\n  certificates      {} derived anew\n  checkpoints       {}",
        report.last_sequence,
        report.log,
        report.root,
        report.certificates,
        match report.checkpoints {
            0 => "none was kept yet: nobody has signed for this log".to_owned(),
            count => format!("{count} fit; the last covers {} entries", report.covered),
        }
    );
    text
}

fn export(common: &Common, path: &Path, key: &VerifierKey) -> Result<Exit, Failure> {
    let name = path.display();
    let file = File::open(path)
        .map_err(|error| Failure::new(Exit::Storage, format!("{name}: {error}")))?;
    let mut input = BufReader::with_capacity(READ_OCTETS, file);
    let bar = Bar::new();
    let report = verify(&mut input, key, &mut |done, of| {
        bar.show("hashing", done, of)
    });
    drop(bar);
    let report = report.map_err(|error| {
        let exit = match error {
            ExportError::CutOff { .. } | ExportError::Checkpoint(_) => Exit::Damaged,
            ExportError::Read(_) => Exit::Storage,
            _ => Exit::Input,
        };
        Failure::new(exit, format!("{name}: {}", with_causes(&error)))
    })?;
    let facts = ExportFacts::new(key, &report);
    output::facts(common, &facts, || facts.text())?;
    match report.faults.is_empty() {
        true => Ok(Exit::Success),
        false => Err(Failure::new(
            Exit::Damaged,
            format!("{name}: it is not what was signed"),
        )),
    }
}

#[derive(Serialize)]
struct ExportFacts {
    sound: bool,
    log: String,
    epoch_begins_at: u64,
    covers: u64,
    entries: u64,
    first_sequence: Option<u64>,
    last_sequence: Option<u64>,
    problems: Vec<String>,
}

impl ExportFacts {
    fn new(key: &VerifierKey, report: &ExportReport) -> Self {
        Self {
            sound: report.faults.is_empty(),
            log: key.name().to_owned(),
            epoch_begins_at: report.checkpoint.epoch_begins_at,
            covers: report.checkpoint.head.size,
            entries: report.entries,
            first_sequence: report.sequences.map(|(first, _)| first),
            last_sequence: report.sequences.map(|(_, last)| last),
            problems: report.faults.iter().map(ToString::to_string).collect(),
        }
    }

    fn text(&self) -> String {
        match self.sound {
            false => self.problems.join("\n"),
            true => format!(
                "{} entries are what {} signed for, which covers {} in all",
                self.entries, self.log, self.covers
            ),
        }
    }
}

fn proof(common: &Common, path: &Path, key: &VerifierKey) -> Result<Exit, Failure> {
    let text = small_file(path)?;
    let (checkpoint, statements) = verify_proof(&text, key).map_err(|error| {
        let message = format!("{}: {}", path.display(), with_causes(&error));
        Failure::new(Exit::Damaged, message)
    })?;
    let facts = ProofFacts {
        log: key.name().to_owned(),
        covers: checkpoint.head.size,
        statements,
    };
    output::facts(common, &facts, || facts.text())
}

#[derive(Serialize)]
struct ProofFacts {
    log: String,
    covers: u64,
    statements: Vec<ProvenStatement>,
}

impl ProofFacts {
    fn text(&self) -> String {
        let mut text = format!("proved to be in {}, of {} entries:", self.log, self.covers);
        for it in &self.statements {
            let _infallible = write!(
                text,
                "\n  {:<9} {} {} (by {})",
                it.sequence, it.recorded, it.says, it.source
            );
        }
        text
    }
}

/// The key itself, or what the file of that name holds.
fn key_text(text: &str) -> Result<String, Failure> {
    match Path::new(text).is_file() {
        true => Ok(small_file(Path::new(text))?.trim().to_owned()),
        false => Ok(text.to_owned()),
    }
}

fn verifier(text: &str) -> Result<VerifierKey, Failure> {
    VerifierKey::parse(text)
        .map_err(|error| Failure::new(Exit::Usage, format!("--key {text:?}: {error}")))
}

fn small_file(path: &Path) -> Result<String, Failure> {
    let name = path.display();
    let failed = |error| Failure::new(Exit::Storage, format!("{name}: {error}"));
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(SMALL_OCTETS_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

/// A proof has some KiB for each entry of a certificate.
const SMALL_OCTETS_MAX: u64 = 64 << 20;
const READ_OCTETS: usize = 256 * 1_024;
