//! What a catalog's folder shows though nobody has it open: for going on from a backup.

use std::path::Path;
use std::sync::Arc;

use super::manifest::{self, Manifest};
use crate::asn1::UnixTime;
use crate::segment::disk::{self, DiskError};
use crate::segment::{Segment, names};

/// The traces of what was served.
#[derive(Debug, Default)]
pub struct Survey {
    /// Every segment that opens, whether the manifest names it or not; the newest as-of first.
    pub segments: Vec<Arc<Segment>>,
    /// Files and lines that tell nothing, each with the reason.
    pub unreadable: Vec<String>,
    /// The highest ledger sequence that a segment or line of the manifest speaks for, and which.
    pub highest: Option<(u64, String)>,
    /// The newest time that any of them was signed with.
    pub newest: Option<UnixTime>,
}

/// Looks through a catalog's folder and changes nothing in it. One that is not there shows nothing.
///
/// # Errors
/// A disk that refuses.
pub fn survey(folder: &Path) -> Result<Survey, DiskError> {
    let mut survey = Survey::default();
    if !folder.is_dir() {
        return Ok(survey);
    }
    let names = disk::names(folder)?;
    if names.iter().any(|name| name == manifest::NAME) {
        match Manifest::decode(&disk::read(&folder.join(manifest::NAME))?) {
            Ok(manifest) => {
                for listed in manifest.segments {
                    let name = names::name(&listed.sha256, names::SEGMENT);
                    survey.speaks(listed.as_of, listed.snapshot_time, &name);
                    if !names.contains(&name) {
                        survey.unreadable.push(format!("{name} is missing"));
                    }
                }
            }
            Err(_) => survey
                .unreadable
                .push(format!("{} is damaged", manifest::NAME)),
        }
    }
    for name in &names {
        let Some(sha256) = names::parse(name, names::SEGMENT) else {
            if name.ends_with(QUARANTINED) {
                let line = format!("{name} was set aside as damaged");
                survey.unreadable.push(line);
            }
            continue;
        };
        let path = folder.join(name);
        let len = disk::length(&disk::open(&path)?, &path)?;
        match Segment::open(folder, sha256, len) {
            Ok(segment) => {
                survey.speaks(segment.as_of(), segment.snapshot_time(), name);
                survey.segments.push(segment);
            }
            Err(error) => survey.unreadable.push(format!("{name}: {error}")),
        }
    }
    survey
        .segments
        .sort_by_key(|segment| std::cmp::Reverse((segment.as_of(), segment.snapshot_time())));
    Ok(survey)
}

impl Survey {
    fn speaks(&mut self, as_of: u64, time: UnixTime, name: &str) {
        if self
            .highest
            .as_ref()
            .is_none_or(|(highest, _)| as_of > *highest)
        {
            self.highest = Some((as_of, format!("the catalog's {name}")));
        }
        self.newest = self.newest.max(Some(time));
    }
}

const QUARANTINED: &str = ".seg.quarantined";
