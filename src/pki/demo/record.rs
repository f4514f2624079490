//! The files of a demo that change: its record, `demo.json` and the inventories.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{
    DemoError,
    description::{Description, ExpectedStatus, INVENTORY_HEAD, IssuerDescription, Record},
    folder::RECORD,
};
use crate::{
    config::read_certificate,
    identity::{IssuerId, SerialNumber},
    ledger::{Ledger, LedgerSnapshot, StatusRecord},
};

/// The file that lists everything.
pub const DESCRIPTION: &str = "demo.json";

/// What a demo remembers of itself.
///
/// # Errors
/// [`DemoError::Record`] when it cannot be read.
pub fn read_record(dir: &Path) -> Result<Record, DemoError> {
    let path = dir.join(RECORD);
    let refuse = |why: String| DemoError::Record {
        path: path.clone(),
        why,
    };
    let text = fs::read_to_string(&path).map_err(|error| refuse(error.to_string()))?;
    let record: Record = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
    if record.version != Record::VERSION {
        return Err(refuse(format!("its version is {}", record.version)));
    }
    Ok(record)
}

/// Takes `demo.json` away: nobody answers yet.
///
/// # Errors
/// [`DemoError::Write`].
pub fn withdraw(dir: &Path) -> Result<(), DemoError> {
    let path = dir.join(DESCRIPTION);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(DemoError::Write { path, source })
        }
        _ => Ok(()),
    }
}

/// Puts `demo.json` there, all at once: the port answers.
///
/// # Errors
/// [`DemoError::Write`].
pub fn publish(description: &Description, dir: &Path) -> Result<(), DemoError> {
    replace(&dir.join(DESCRIPTION), &to_json(description)?)
}

/// Brings a description and its inventories to what the ledger says now.
///
/// # Errors
/// [`DemoError`] when the ledger or a file fails.
pub fn refresh(
    description: &mut Description,
    dir: &Path,
    ledger: &Ledger,
) -> Result<(), DemoError> {
    let snapshot = ledger.snapshot()?;
    for issuer in &mut description.issuers {
        let path = dir.join(&issuer.issuer);
        let certificate = read_certificate(&path).map_err(|error| DemoError::Record {
            path,
            why: error.to_string(),
        })?;
        refresh_issuer(issuer, dir, &snapshot, &certificate.issuer_id())?;
    }
    Ok(())
}

fn refresh_issuer(
    issuer: &mut IssuerDescription,
    dir: &Path,
    snapshot: &LedgerSnapshot,
    id: &IssuerId,
) -> Result<(), DemoError> {
    let mut inventory = INVENTORY_HEAD.to_owned();
    for row in snapshot.shard_records(id, 0, 0)? {
        let (serial, status) = row?;
        inventory.push_str(&expected(&status).inventory_line(&serial));
    }
    replace(&dir.join(&issuer.inventory), inventory.as_bytes())?;
    for certificate in &mut issuer.certs {
        let known = SerialNumber::from_hex(&certificate.serial)
            .ok()
            .map(|serial| snapshot.status(id, &serial))
            .transpose()?
            .flatten();
        let status = known.ok_or_else(|| DemoError::Record {
            path: dir.join(RECORD),
            why: format!("the ledger does not know its serial {}", certificate.serial),
        })?;
        certificate.status = expected(&status);
    }
    Ok(())
}

fn expected(status: &StatusRecord) -> ExpectedStatus {
    status.revocation.map_or(ExpectedStatus::Good, |revoked| {
        ExpectedStatus::revoked(revoked.claim.reason, revoked.signing_time())
    })
}

pub(super) fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>, DemoError> {
    let mut json = serde_json::to_vec_pretty(value).map_err(|_| DemoError::Json)?;
    json.push(b'\n');
    Ok(json)
}

/// Writes a file beside its place and renames it.
fn replace(path: &Path, content: &[u8]) -> Result<(), DemoError> {
    let mut made = path.as_os_str().to_owned();
    made.push(".new");
    let made = PathBuf::from(made);
    fs::File::create(&made)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&made, path))
        .map_err(|source| DemoError::Write {
            path: path.to_owned(),
            source,
        })
}
