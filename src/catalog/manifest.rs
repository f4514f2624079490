//! The manifest: which files are the catalog.
//!
//! `catalog.manifest` is text: a first line `estelam-catalog 2 SHA-256`, the digest of everything behind
//! that line in 64 lower-case hexadecimal digits, then JSON. It is replaced as a whole: written beside,
//! synced, renamed, the folder synced. A reader refuses another first line, a newer version (an error
//! of its own), a digest that does not hold, unknown or missing fields and values out of range.
//!
//! Segments are listed in the order of their publication. A withheld one has no file any more: its
//! shard waits for a new base, and its serials are not taken for ones never issued. What its answers said
//! of their time is listed, so that those that come after them do not say less.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::asn1::UnixTime;
use crate::identity::IssuerId;
use crate::ocsp::Template;
use crate::segment::disk::{self, DiskError};
use crate::segment::{Segment, SegmentKind, names};

/// The file's name.
pub(super) const NAME: &str = "catalog.manifest";
/// The name while it is written.
pub(super) const TEMPORARY: &str = "catalog.manifest.tmp";
/// The name that a damaged one is kept under.
const DAMAGED: &str = "catalog.manifest.damaged";

/// The newest version that this program reads, and the one it writes.
pub(super) const VERSION: u64 = 2;
const MAGIC: &str = "estelam-catalog";

/// How the catalog's manifest was found.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ManifestState {
    /// As it was written.
    Loaded,
    /// There is none, and no segment either: a new catalog.
    New,
    /// There is none, though segments lie there. They are ignored, and removed at the next opening.
    Missing,
    /// Not as it was written. The segments are ignored, and removed at the next opening.
    Damaged {
        /// Where it is kept for inspection.
        set_aside: PathBuf,
    },
}

/// The manifest's content.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Manifest {
    /// No generation from this one on was ever handed out.
    pub(super) generation_below: u64,
    pub(super) segments: Vec<Listed>,
}

/// A segment in the manifest: enough to tell another file under its name from it without reading it
/// whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Listed {
    pub(super) sha256: [u8; 32],
    pub(super) len: u64,
    pub(super) file_id: [u8; 16],
    pub(super) issuer: IssuerId,
    pub(super) kind: SegmentKind,
    pub(super) depth: u8,
    pub(super) shard: u32,
    pub(super) as_of: u64,
    pub(super) snapshot_time: UnixTime,
    /// The latest thisUpdate of its answers; the epoch where it has none.
    pub(super) this_update: UnixTime,
    /// The latest nextUpdate of its answers.
    pub(super) next_update: UnixTime,
    pub(super) withheld: bool,
}

impl Listed {
    pub(super) fn of(segment: &Segment) -> Self {
        Self {
            sha256: *segment.sha256(),
            len: segment.file_len(),
            file_id: *segment.file_id(),
            issuer: *segment.issuer(),
            kind: segment.kind(),
            depth: segment.depth(),
            shard: segment.shard(),
            as_of: segment.as_of(),
            snapshot_time: segment.snapshot_time(),
            this_update: latest(segment, Template::this_update),
            next_update: latest(segment, Template::next_update),
            withheld: false,
        }
    }

    pub(super) const fn withheld(self) -> Self {
        Self {
            withheld: true,
            ..self
        }
    }
}

fn latest(segment: &Segment, time: impl Fn(&Template) -> UnixTime) -> UnixTime {
    let times = segment.templates().iter().map(time);
    times.max().unwrap_or(UnixTime::EPOCH)
}

/// Why octets are no manifest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unusable {
    Damaged,
    Newer(u64),
}

impl Manifest {
    pub(super) fn encode(&self) -> Vec<u8> {
        let body = Body {
            generation_below: self.generation_below,
            segments: self.segments.iter().map(Line::from).collect(),
        };
        // Strings and integers only: this cannot fail, and an empty body would be refused when read.
        let body = serde_json::to_vec_pretty(&body).unwrap_or_default();
        let digest = names::hexadecimal(digest::digest(&digest::SHA256, &body).as_ref());
        let mut octets = format!("{MAGIC} {VERSION} {digest}\n").into_bytes();
        octets.extend(body);
        octets
    }

    pub(super) fn decode(octets: &[u8]) -> Result<Self, Unusable> {
        let end = octets.iter().position(|octet| *octet == b'\n');
        let (line, rest) = end
            .and_then(|end| octets.split_at_checked(end))
            .ok_or(Unusable::Damaged)?;
        let body = rest.strip_prefix(b"\n").ok_or(Unusable::Damaged)?;
        let line = str::from_utf8(line).map_err(|_| Unusable::Damaged)?;
        let (version, digest) = line
            .strip_prefix(MAGIC)
            .and_then(|rest| rest.strip_prefix(' '))
            .and_then(|rest| rest.split_once(' '))
            .ok_or(Unusable::Damaged)?;
        match version.parse() {
            Ok(VERSION) if version.len() == 1 => {}
            Ok(newer) if newer > VERSION => return Err(Unusable::Newer(newer)),
            _ => return Err(Unusable::Damaged),
        }
        let actual = digest::digest(&digest::SHA256, body);
        if digest != names::hexadecimal(actual.as_ref()) {
            return Err(Unusable::Damaged);
        }
        let body: Body = serde_json::from_slice(body).map_err(|_| Unusable::Damaged)?;
        let segments = body.segments.iter().map(Line::listed);
        Ok(Self {
            generation_below: body.generation_below,
            segments: segments.collect::<Option<_>>().ok_or(Unusable::Damaged)?,
        })
    }

    /// Replaces the folder's manifest.
    pub(super) fn store(&self, folder: &Path) -> Result<(), DiskError> {
        disk::replace(folder, NAME, TEMPORARY, &self.encode())
    }
}

/// Moves a damaged manifest out of the way.
pub(super) fn set_aside(folder: &Path) -> Result<PathBuf, DiskError> {
    let target = folder.join(DAMAGED);
    disk::rename(&folder.join(NAME), &target)?;
    disk::sync_folder(folder)?;
    Ok(target)
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Body {
    generation_below: u64,
    segments: Vec<Line>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    sha256: String,
    len: u64,
    file_id: String,
    issuer: String,
    kind: Kind,
    depth: u8,
    shard: u32,
    as_of: u64,
    snapshot_time: u64,
    this_update: u64,
    next_update: u64,
    withheld: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Base,
    Patch,
}

impl From<&Listed> for Line {
    fn from(listed: &Listed) -> Self {
        Self {
            sha256: names::hexadecimal(&listed.sha256),
            len: listed.len,
            file_id: names::hexadecimal(&listed.file_id),
            issuer: names::hexadecimal(listed.issuer.as_bytes()),
            kind: match listed.kind {
                SegmentKind::Base => Kind::Base,
                SegmentKind::Patch => Kind::Patch,
            },
            depth: listed.depth,
            shard: listed.shard,
            as_of: listed.as_of,
            snapshot_time: listed.snapshot_time.as_secs(),
            this_update: listed.this_update.as_secs(),
            next_update: listed.next_update.as_secs(),
            withheld: listed.withheld,
        }
    }
}

impl Line {
    fn listed(&self) -> Option<Listed> {
        let in_range =
            self.depth <= SegmentKind::DEPTH_MAX && u64::from(self.shard) >> self.depth == 0;
        in_range.then_some(Listed {
            sha256: names::octets(&self.sha256)?,
            len: self.len,
            file_id: names::octets(&self.file_id)?,
            issuer: IssuerId::from_bytes(names::octets(&self.issuer)?),
            kind: match self.kind {
                Kind::Base => SegmentKind::Base,
                Kind::Patch => SegmentKind::Patch,
            },
            depth: self.depth,
            shard: self.shard,
            as_of: self.as_of,
            snapshot_time: UnixTime::from_secs(self.snapshot_time)?,
            this_update: UnixTime::from_secs(self.this_update)?,
            next_update: UnixTime::from_secs(self.next_update)?,
            withheld: self.withheld,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let listed = Listed {
            sha256: [1; 32],
            len: 1234,
            file_id: [2; 16],
            issuer: IssuerId::from_bytes([3; 32]),
            kind: SegmentKind::Base,
            depth: 2,
            shard: 3,
            as_of: u64::MAX,
            snapshot_time: UnixTime::MAX,
            this_update: UnixTime::EPOCH,
            next_update: UnixTime::MAX,
            withheld: false,
        };
        let patch = Listed {
            kind: SegmentKind::Patch,
            withheld: true,
            ..listed
        };
        Manifest {
            generation_below: u64::MAX - 1,
            segments: vec![listed, patch],
        }
    }

    #[test]
    fn comes_back_as_written() {
        assert_eq!(Manifest::decode(&manifest().encode()), Ok(manifest()));
    }

    #[test]
    fn every_flipped_bit_and_every_other_length_is_refused() {
        let octets = manifest().encode();
        for bit in 0..octets.len() * 8 {
            let mut octets = octets.clone();
            octets[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&octets).is_err(), "{bit}");
        }
        for len in 0..octets.len() {
            assert_eq!(Manifest::decode(&octets[..len]), Err(Unusable::Damaged));
        }
        let longer = [&octets[..], b"\n"].concat();
        assert_eq!(Manifest::decode(&longer), Err(Unusable::Damaged));
    }

    #[test]
    fn a_newer_version_is_named_as_such() {
        for (version, error) in [
            ("3", Unusable::Newer(3)),
            ("1", Unusable::Damaged),
            ("17", Unusable::Newer(17)),
            ("0", Unusable::Damaged),
            ("01", Unusable::Damaged),
            ("-1", Unusable::Damaged),
            ("one", Unusable::Damaged),
        ] {
            let text = format!("{MAGIC} {version} 00\n{{}}");
            assert_eq!(Manifest::decode(text.as_bytes()), Err(error), "{version}");
        }
    }
}
