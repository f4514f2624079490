//! `estelam backup`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::connection::{Desk, load_config};
use super::{Common, Exit, Failure, output};
use crate::authority::{BackupReply, BackupRequest, OperationError};
use crate::backup::{self, BackupManifest};

/// Copy the ledger into a folder, also while a server runs
///
/// The backup is the ledger as it is at one moment, with a manifest that names every file and its digest.
/// Changes go on meanwhile. The presigned answers are not in it, they can be signed again; nor are the
/// signing keys, nor, without --with-key, the key that signs the ledger's checkpoints. Files that never
/// change are linked, not copied, where the folder is on the same disk: copy it to another one.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  estelam backup /backup/2026-03-21\n  estelam backup verify /backup/2026-03-21"
)]
pub(super) struct BackupArguments {
    #[command(subcommand)]
    command: Option<BackupCommand>,
    /// The folder that the backup becomes; it must not exist, or be empty
    #[arg(value_name = "DIR", required = true)]
    to: Option<PathBuf>,
    /// Put the ledger's key in it too: who has the backup can then sign checkpoints in its name
    #[arg(long)]
    with_key: bool,
}

#[derive(Debug, Subcommand)]
enum BackupCommand {
    /// Check every octet of a backup, without changing anything
    #[command(after_help = "Example:\n  estelam backup verify /backup/2026-03-21")]
    Verify {
        /// The backup's folder
        #[arg(value_name = "DIR")]
        backup: PathBuf,
    },
}

pub(super) fn run(common: &Common, arguments: &BackupArguments) -> Result<Exit, Failure> {
    match (&arguments.command, &arguments.to) {
        (Some(BackupCommand::Verify { backup }), _) => verify(common, backup),
        (None, Some(to)) => take(common, to, arguments.with_key),
        // clap has demanded one of the two.
        (None, None) => Err(Failure::new(Exit::Usage, "name a folder for the backup")),
    }
}

fn take(common: &Common, to: &Path, with_key: bool) -> Result<Exit, Failure> {
    let absolute = std::path::absolute(to)
        .map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", to.display())))?;
    // A server writes it, and sees the same folders under the same names.
    let path = absolute.to_str().ok_or_else(|| {
        let name = to.display();
        Failure::new(Exit::Usage, format!("{name}: the path is not UTF-8"))
    })?;
    let key = with_key.then(|| load_config(common).map(|config| config.ledger_key()));
    let key = key
        .transpose()?
        .and_then(|key| std::path::absolute(key).ok());
    let desk = Desk::open(common)?;
    let request = BackupRequest {
        to: path.to_owned(),
        key: key.map(|key| key.display().to_string()),
    };
    let bar = bar();
    let reply = desk.backup(&request, &mut |octets| bar.set_position(octets));
    bar.finish_and_clear();
    let reply = reply?;
    output::facts(common, &reply, || taken_text(&reply))
}

fn verify(common: &Common, backup: &Path) -> Result<Exit, Failure> {
    let bar = bar();
    let verified = backup::verify(backup, &mut |octets| bar.set_position(octets));
    bar.finish_and_clear();
    let manifest = verified.map_err(|error| Failure::from(OperationError::from(&error)))?;
    output::facts(common, &manifest, || {
        format!(
            "{}: whole; every file and every entry is as it was when the backup was made\n{}",
            backup.display(),
            facts(&manifest)
        )
    })
}

/// Octets so far; nothing where nobody looks.
pub(super) fn bar() -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{spinner} {bytes} {bytes_per_sec}");
    let bar = indicatif::ProgressBar::new_spinner();
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn taken_text(reply: &BackupReply) -> String {
    let key = match reply.manifest.with_key {
        true => "the ledger's key is in it: keep it as secret as the key",
        false => "the ledger's key is not in it (--with-key)",
    };
    format!(
        "backup made in {}\n{}\n{key}\ncopy it to another machine, and try it there: estelam backup \
         verify DIR",
        reply.to,
        facts(&reply.manifest)
    )
}

fn facts(manifest: &BackupManifest) -> String {
    let mut text = format!(
        "  made             {}\n  last entry       {}, epoch {}\n  tree head        {} {}\n  files            {}",
        manifest.made,
        manifest.last_sequence,
        manifest.epoch,
        manifest.tree_size,
        manifest.tree_root,
        manifest.files.len(),
    );
    for issuer in &manifest.issuers {
        text.push_str(&format!(
            "\n  {:?}: {} certificates, {} revoked",
            issuer.name, issuer.certificates, issuer.revoked
        ));
    }
    text
}
