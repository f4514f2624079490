//! A backup of the ledger.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Clerk;
use crate::authority::{ErrorClass, OperationError};
use crate::backup::{self, BackupManifest, BackupOrder};

impl Clerk {
    /// Makes a backup while changes go on. `told` is given the octets that were read so far.
    ///
    /// # Errors
    /// [`OperationError`]; then there is no backup.
    pub fn backup(
        &self,
        request: &BackupRequest,
        told: &mut dyn FnMut(u64),
    ) -> Result<BackupReply, OperationError> {
        let to = PathBuf::from(&request.to);
        if !to.is_absolute() {
            return Err(OperationError::new(
                ErrorClass::Usage,
                format!(
                    "{}: the path of a backup has to be absolute here",
                    to.display()
                ),
            ));
        }
        let key = request.key.as_deref().map(ledger_key).transpose()?;
        let order = BackupOrder {
            to,
            key,
            now: self.clock.now(),
        };
        let manifest = backup::take(&self.ledger, &order, told)
            .map_err(|error| OperationError::from(&error))?;
        Ok(BackupReply {
            to: request.to.clone(),
            manifest,
        })
    }
}

fn ledger_key(path: &str) -> Result<PathBuf, OperationError> {
    let key = PathBuf::from(path);
    if key.is_file() {
        return Ok(key);
    }
    Err(OperationError::new(
        ErrorClass::Key,
        format!("there is no ledger key at {path}: leave out --with-key"),
    ))
}

/// A backup that is asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct BackupRequest {
    /// The folder that it becomes, an absolute path.
    pub to: String,
    /// The ledger's key, an absolute path, if it is to go with it.
    pub key: Option<String>,
}

/// A backup that was made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct BackupReply {
    /// The folder.
    pub to: String,
    /// What it holds.
    #[serde(flatten)]
    pub manifest: BackupManifest,
}
