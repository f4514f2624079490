//! The manifest of a backup: `backup.manifest`.
//!
//! Text: a first line `estelam-backup 1 SHA-256`, the digest of everything behind that line in 64
//! lower-case hexadecimal digits, then JSON, as [`BackupManifest`] says. A reader refuses another first
//! line, another version (an error of its own), a digest that does not hold, unknown or missing fields,
//! and file names that lead out of the folder.

use std::path::{Component, Path};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::BackupError;
use crate::segment::disk;
use crate::segment::names;

/// What a backup holds.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BackupManifest {
    /// When it was made, RFC 3339.
    pub made: String,
    /// The version of the program that made it.
    pub program: String,
    /// The ledger's epoch.
    pub epoch: u32,
    /// The number of the last entry in it.
    pub last_sequence: u64,
    /// How many leaves the log has.
    pub tree_size: u64,
    /// The log's root hash, in hexadecimal.
    pub tree_root: String,
    /// The number of the last batch that was written.
    pub writes: u64,
    /// The issuers, with what is known of them.
    pub issuers: Vec<BackupIssuer>,
    /// Whether the ledger's key is in it.
    pub with_key: bool,
    /// Every file but the manifest, by name.
    pub files: Vec<BackupFile>,
}

/// An issuer in a backup.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BackupIssuer {
    /// Its configured name.
    pub name: String,
    /// How many certificates are known.
    pub certificates: u64,
    /// How many of them are revoked or on hold.
    pub revoked: u64,
}

/// A file in a backup.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BackupFile {
    /// Its path in the folder, with `/`.
    pub name: String,
    /// Its length in octets.
    pub len: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

pub(super) const NAME: &str = "backup.manifest";
const TEMPORARY: &str = "backup.manifest.tmp";
const MAGIC: &str = "estelam-backup";
const VERSION: u64 = 1;

impl BackupManifest {
    /// Reads the manifest of the backup in `dir`; gives its digest with it.
    ///
    /// # Errors
    /// [`BackupError`] where there is no whole backup of this version.
    pub fn read(dir: &Path) -> Result<(Self, [u8; 32]), BackupError> {
        let path = dir.join(NAME);
        if !dir.is_dir() {
            return Err(BackupError::damaged(dir, "there is no such folder"));
        }
        if !path.is_file() {
            let why = format!("there is no {NAME} in it, so it was never finished");
            return Err(BackupError::damaged(dir, why));
        }
        Self::decode(dir, &disk::read(&path)?)
    }

    fn decode(dir: &Path, octets: &[u8]) -> Result<(Self, [u8; 32]), BackupError> {
        let damaged = || BackupError::damaged(dir, format!("its {NAME} is damaged"));
        let (line, body) = octets
            .iter()
            .position(|octet| *octet == b'\n')
            .and_then(|end| octets.split_at_checked(end))
            .ok_or_else(damaged)?;
        let body = body.strip_prefix(b"\n").ok_or_else(damaged)?;
        let words = str::from_utf8(line).map_err(|_| damaged())?;
        let mut words = words.split(' ');
        if words.next() != Some(MAGIC) {
            return Err(damaged());
        }
        let version: u64 = words
            .next()
            .and_then(|version| version.parse().ok())
            .ok_or_else(damaged)?;
        if version != VERSION {
            return Err(BackupError::OtherVersion {
                path: dir.to_owned(),
                found: version,
                supported: VERSION,
            });
        }
        let sha256 = sha256(body);
        if words.next() != Some(&names::hexadecimal(&sha256)) || words.next().is_some() {
            return Err(damaged());
        }
        let manifest: Self = serde_json::from_slice(body).map_err(|_| damaged())?;
        let stays = |file: &BackupFile| {
            let mut parts = Path::new(&file.name).components();
            !file.name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
        };
        if !manifest.files.iter().all(stays) {
            return Err(damaged());
        }
        Ok((manifest, sha256))
    }

    fn encode(&self) -> Vec<u8> {
        // Strings and integers only: this cannot fail, and an empty body would be refused when read.
        let body = serde_json::to_vec_pretty(self).unwrap_or_default();
        let digest = names::hexadecimal(&sha256(&body));
        let mut octets = format!("{MAGIC} {VERSION} {digest}\n").into_bytes();
        octets.extend(body);
        octets
    }

    /// Writes it, as the last file of all; gives its digest.
    pub(super) fn write(&self, dir: &Path) -> Result<[u8; 32], BackupError> {
        let octets = self.encode();
        disk::replace(dir, NAME, TEMPORARY, &octets)?;
        Ok(Self::decode(dir, &octets)?.1)
    }
}

pub(super) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest::digest(&digest::SHA256, octets).as_ref());
    sha256
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> BackupManifest {
        BackupManifest {
            made: "2026-03-21T08:30:00Z".to_owned(),
            program: "0.1.0".to_owned(),
            epoch: 1,
            last_sequence: u64::MAX,
            tree_size: 7,
            tree_root: "00".repeat(32),
            writes: 8,
            issuers: vec![BackupIssuer {
                name: "ریشه".to_owned(),
                certificates: 2,
                revoked: 1,
            }],
            with_key: false,
            files: vec![BackupFile {
                name: "ledger/CURRENT".to_owned(),
                len: 16,
                sha256: "11".repeat(32),
            }],
        }
    }

    #[test]
    fn comes_back_as_written_and_no_other_octets_do() {
        let octets = manifest().encode();
        let dir = Path::new("/backup");
        assert_eq!(BackupManifest::decode(dir, &octets).unwrap().0, manifest());
        for bit in 0..octets.len() * 8 {
            let mut octets = octets.clone();
            octets[bit / 8] ^= 1 << (bit % 8);
            assert!(BackupManifest::decode(dir, &octets).is_err(), "{bit}");
        }
        for len in 0..octets.len() {
            assert!(BackupManifest::decode(dir, &octets[..len]).is_err());
        }
    }

    #[test]
    fn another_version_and_a_name_that_leads_out_are_refused() {
        let dir = Path::new("/backup");
        assert!(matches!(
            BackupManifest::decode(dir, b"estelam-backup 2 00\n{}"),
            Err(BackupError::OtherVersion { found: 2, .. })
        ));
        for name in ["../x", "/etc/x", "a/../../x", "", "./x"] {
            let mut manifest = manifest();
            manifest.files[0].name = name.to_owned();
            assert!(matches!(
                BackupManifest::decode(dir, &manifest.encode()),
                Err(BackupError::Damaged { .. })
            ));
        }
    }
}
