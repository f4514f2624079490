//! `estelam restore`: goes on from a backup. It shows what that comes to, and asks before it does it.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::backup::bar;
use super::connection::{Server, finish_restore, load_config};
use super::{Common, Exit, Failure, output};
use crate::authority::{Issuers, OperationError, remembered_by_catalog, with_causes};
use crate::backup::{
    BackupError, BackupManifest, Reentered, RestoreOrder, RestoreReport, Restoring, Step,
    Unfinished,
};
use crate::clock::{Clock as _, SystemClock};
use crate::ledger::IssuerIdentity;

/// Go on from a backup after the ledger was lost or damaged; the server has to be stopped
///
/// The ledger that is there is set aside, not deleted. Numbers go on above every one that was found, in a
/// new epoch. What came after the backup and can still be shown is entered again before anything is signed:
/// from our own newer answers and CRLs in the catalog, from what clients were shown, and from the ledger that
/// is set aside if it can be read. What that comes to is shown first. Interrupted at any moment, either the old
/// ledger or the restored one is in force, and the next command says which.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  estelam restore /backup/2026-03-21")]
pub(super) struct RestoreArguments {
    /// The backup's folder
    #[arg(value_name = "BACKUP_DIR")]
    backup: PathBuf,
    /// Do not ask whether it is meant
    #[arg(long)]
    yes: bool,
}

/// What the command tells.
#[derive(Debug, Serialize)]
struct Told<'a> {
    in_force: bool,
    #[serde(flatten)]
    report: &'a RestoreReport,
}

pub(super) fn run(common: &Common, arguments: &RestoreArguments) -> Result<Exit, Failure> {
    let config = load_config(common)?;
    if Server::connect(common)?.is_running() {
        return Err(Failure::new(
            Exit::Busy,
            "a server runs: stop it first (it answers from the ledger that would be replaced). Nothing \
             was changed",
        ));
    }
    let backup = std::path::absolute(&arguments.backup).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("{}: {error}", arguments.backup.display()),
        )
    })?;
    let issuers = Issuers::new(&config)?;
    let (_, manifest_sha256) = BackupManifest::read(&backup).map_err(failure)?;
    match finish_restore(&config.state_dir) {
        // The very restore that is asked for was interrupted, and is done.
        Ok(Unfinished::Finished(restored)) if restored.is_of(&manifest_sha256) => {
            return output::line("the restore is done; start the server: estelam serve");
        }
        Ok(_) => {}
        // Then there is no ledger, which is why this command is run.
        Err(failure) if failure.exit == Exit::Damaged => {}
        Err(failure) => return Err(failure),
    }
    let catalog = config.state_dir.join("catalog");
    let answers = remembered_by_catalog(&catalog)
        .map_err(|error| Failure::new(Exit::Storage, with_causes(&error)))?;
    let order = RestoreOrder {
        backup,
        state_dir: config.state_dir.clone(),
        key: config.ledger_key(),
        origin: config.ledger.origin.clone(),
        issuers: issuers
            .iter()
            .map(|issuer| IssuerIdentity {
                subject_der: issuer.certificate.subject_der().to_vec(),
                spki_der: issuer.certificate.spki_der().to_vec(),
                label: issuer.name.clone(),
            })
            .collect(),
        certificates: (issuers.iter())
            .map(|issuer| Arc::clone(&issuer.certificate))
            .collect(),
        answers,
        now: SystemClock.now(),
        now_ms: SystemClock.now_millis(),
    };
    let progress = bar();
    let prepared = Restoring::prepare(&order, &mut |step| match step {
        Step::Copying(octets) => progress.set_position(octets),
        Step::Comparing(count) => progress.set_message(format!("{count} certificates compared")),
    });
    progress.finish_and_clear();
    let prepared = prepared.map_err(failure)?;
    if !arguments.yes {
        let text = text(prepared.report(), false);
        let asked = ask(common, &text, prepared.report());
        if let Err(failure) = asked {
            prepared.withdraw().map_err(self::failure)?;
            return Err(failure);
        }
    }
    let report = prepared.put_in_force().map_err(failure)?;
    let told = Told {
        in_force: true,
        report: &report,
    };
    output::facts(common, &told, || text(&report, true))
}

fn failure(error: BackupError) -> Failure {
    OperationError::from(&error).into()
}

/// Shows what would happen, and waits for a yes. On stderr, so that stdout has facts only.
fn ask(common: &Common, text: &str, report: &RestoreReport) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        let told = Told {
            in_force: false,
            report,
        };
        output::facts(common, &told, || text.to_owned())?;
        return Err(Failure::new(
            Exit::Usage,
            "nothing was changed: there is no terminal to ask at. Say --yes if it is meant",
        ));
    }
    let failed = |error| Failure::new(Exit::Usage, format!("nothing was changed: {error}"));
    let mut stderr = io::stderr();
    write!(stderr, "{text}\n\nType yes to go on from this backup: ").map_err(failed)?;
    stderr.flush().map_err(failed)?;
    let mut typed = String::new();
    io::stdin().lock().read_line(&mut typed).map_err(failed)?;
    match typed.trim() {
        "yes" => Ok(()),
        _ => Err(Failure::new(Exit::Usage, "nothing was changed")),
    }
}

fn text(report: &RestoreReport, done: bool) -> String {
    let mut text = match done {
        true => format!("restored from {}", report.backup.display()),
        false => format!("to be restored: {}", report.backup.display()),
    };
    let mut fact = |name: &str, value: &str| line(&mut text, format_args!("\n  {name:<17}{value}"));
    fact("made", &report.made);
    fact("its last entry", &report.last_sequence.to_string());
    let goes_on = format!(
        "epoch {}, from entry {}",
        report.epoch, report.first_sequence
    );
    fact("goes on with", &goes_on);
    fact("because", &report.why);
    let aside = match (&report.set_aside, report.set_aside_read) {
        (None, _) => "there is none".to_owned(),
        (Some(path), true) => format!("kept as {}, and was read", path.display()),
        (Some(path), false) => format!("kept as {}; it could not be read", path.display()),
    };
    fact("ledger before", &aside);
    if report.key_installed {
        fact("ledger's key", "taken from the backup, for there was none");
    }
    lacking(&mut text, report);
    for note in &report.notes {
        line(&mut text, format_args!("\n\nNote: {note}."));
    }
    text.push_str(match done {
        true => {
            "\n\nNext: start the server (estelam serve). Then run every feed and import again: what came \
             after the\nbackup and is not listed above is known to the CA alone."
        }
        false => "\n\nNothing has been changed yet.",
    });
    text
}

fn lacking(text: &mut String, report: &RestoreReport) {
    let lacking = &report.lacking;
    if lacking.numbers == 0 {
        text.push_str("\n\nNo trace is newer than the backup.");
    } else {
        line(
            text,
            format_args!(
                "\n\nEntries {} to {} may have come after the backup and are lost. Entered again from \
                 what is left:",
                report.last_sequence.saturating_add(1),
                report.highest_found
            ),
        );
    }
    line(
        text,
        format_args!(
            "\n  {} revoked, {} on hold, {} corrected, {} issued",
            lacking.revoked, lacking.on_hold, lacking.corrected, lacking.issued
        ),
    );
    for issuer in &lacking.issuers {
        line(
            text,
            format_args!("\n  all certificates of {issuer:?} revoked"),
        );
    }
    let entered = lacking.revoked.saturating_add(lacking.on_hold);
    serials(
        text,
        &lacking.revocations,
        entered.saturating_add(lacking.corrected),
    );
    if lacking.holds_ended > 0 {
        let count = lacking.holds_ended;
        line(
            text,
            format_args!(
                "\nOn hold again, though the hold had ended after the backup ({count}): what came after \
                 that may be lost.\nRelease those once more that are to be good:"
            ),
        );
        serials(text, &lacking.holds, count);
    }
    if let Some(path) = &lacking.list {
        line(
            text,
            format_args!(
                "\nAll that was entered again, one a line: {}",
                path.display()
            ),
        );
    }
    list(
        text,
        "could not be entered",
        &lacking.refused,
        lacking.more_refused,
    );
    list(
        text,
        "could not be read",
        &lacking.unread,
        lacking.more_unread,
    );
}

fn serials(text: &mut String, entered: &[Reentered], count: u64) {
    for entered in entered.iter().take(SHOWN) {
        let Reentered {
            issuer,
            serial,
            reason,
            revocation_time,
            evidence,
            ..
        } = entered;
        let reason = reason.unwrap_or("no reason");
        let time = revocation_time.as_deref().unwrap_or("-");
        line(
            text,
            format_args!("\n    {serial} of {issuer:?}, {time}, {reason} ({evidence})"),
        );
    }
    more(text, entered.len().min(SHOWN), count);
}

fn list(text: &mut String, what: &str, lines: &[String], more_lines: u64) {
    if lines.is_empty() {
        return;
    }
    let count = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    let count = count.saturating_add(more_lines);
    line(text, format_args!("\n{count} {what}:"));
    for told in lines.iter().take(SHOWN) {
        line(text, format_args!("\n    {told}"));
    }
    more(text, lines.len().min(SHOWN), count);
}

fn more(text: &mut String, shown: usize, count: u64) {
    let shown = u64::try_from(shown).unwrap_or(u64::MAX);
    if let Some(more) = count.checked_sub(shown).filter(|more| *more > 0) {
        line(text, format_args!("\n    and {more} more"));
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _infallible = text.write_fmt(arguments);
}

/// So many are named to people.
const SHOWN: usize = 20;
