//! `estelam crl diff`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::entry::{EntryFacts, PackedEntry};
use super::{LIMITS, Source};
use crate::cli::{Common, Exit, Failure, output};
use crate::crl::CrlSummary;

/// Compare two CRLs: what the second lists more, less and otherwise
///
/// Exits with 0 if both list the same, and with 7 if they do not. Their signatures are not checked, and
/// a delta is compared as the list that it is.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  estelam crl diff yesterday.crl today.crl")]
pub(super) struct DiffArguments {
    /// The one before, DER or PEM
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The one after
    #[arg(value_name = "NEW")]
    new: PathBuf,
}

pub(super) fn run(common: &Common, arguments: &DiffArguments) -> Result<Exit, Failure> {
    let (old, new) = (entries(&arguments.old)?, entries(&arguments.new)?);
    let difference = Difference::of(old, new);
    output::facts(common, &difference, || difference.text())?;
    Ok(if difference.is_empty() {
        Exit::Success
    } else {
        Exit::Refused
    })
}

/// All entries, by serial number; of one that is listed twice the first.
fn entries(path: &Path) -> Result<Vec<PackedEntry>, Failure> {
    let Source { name, input } = Source::open(path)?;
    let mut entries = Vec::new();
    let summary = CrlSummary::read(input, LIMITS, |_, entry, date| {
        entries.push(PackedEntry::new(entry, date));
    })
    .map_err(|error| Source::failure(&name, &error))?;
    if let Some((number, fault)) = &summary.first_bad_entry {
        return Err(Failure::new(
            Exit::Input,
            format!("{name}: entry {number} cannot be read: {fault}"),
        ));
    }
    // Stable: of two entries for one certificate the first stays.
    entries.sort_by(|a, b| a.serial.cmp(&b.serial));
    entries.dedup_by(|later, first| later.serial == first.serial);
    Ok(entries)
}

/// What is different.
#[derive(Debug, Serialize)]
struct Difference {
    added: Vec<EntryFacts>,
    removed: Vec<EntryFacts>,
    changed: Vec<Changed>,
    unchanged: u64,
}

#[derive(Debug, Serialize)]
struct Changed {
    old: EntryFacts,
    new: EntryFacts,
}

impl Difference {
    /// Of two lists, both sorted by serial number.
    fn of(old: Vec<PackedEntry>, new: Vec<PackedEntry>) -> Self {
        let mut difference = Self {
            added: Vec::new(),
            removed: Vec::new(),
            changed: Vec::new(),
            unchanged: 0,
        };
        let mut old = old.into_iter().peekable();
        for new in new {
            while let Some(gone) = old.next_if(|old| old.serial < new.serial) {
                difference.removed.push(gone.facts());
            }
            match old.next_if(|old| old.serial == new.serial) {
                None => difference.added.push(new.facts()),
                Some(old) if old == new => {
                    difference.unchanged = difference.unchanged.saturating_add(1);
                }
                Some(old) => difference.changed.push(Changed {
                    old: old.facts(),
                    new: new.facts(),
                }),
            }
        }
        difference.removed.extend(old.map(|gone| gone.facts()));
        difference
    }

    const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    /// A line for each, and a line with the counts.
    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        for entry in &self.added {
            let _infallible = writeln!(text, "+ {entry}");
        }
        for entry in &self.removed {
            let _infallible = writeln!(text, "- {entry}");
        }
        for Changed { old, new } in &self.changed {
            let _infallible = writeln!(text, "< {old}\n> {new}");
        }
        let _infallible = write!(
            text,
            "{} added, {} removed, {} changed, {} the same",
            self.added.len(),
            self.removed.len(),
            self.changed.len(),
            self.unchanged
        );
        text
    }
}
