//! What a mirror remembers. Losing it costs a round that reads every file, and the protection against an
//! older manifest; the CRLs themselves still do not go back.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::{MirrorError, MirrorSettings};
use crate::{
    fetch::Validators,
    publish::tree::{Placed, TreeError, write_whole},
};

pub(super) const FILE: &str = "state.json";

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// The key that everything below is of.
    pub(super) key: String,
    /// The highest generation that was signed by it.
    pub(super) generation: u64,
    /// SHA-256 of the manifest with that generation at that URL: there are no two.
    pub(super) url: String,
    pub(super) sha256: String,
    /// What the server said of it; only while everything is as it says.
    pub(super) validators: Option<Validators>,
    /// What was placed.
    pub(super) files: Placed,
}

impl State {
    /// Empty where there is none, or one that cannot be read: nothing depends on it.
    pub(super) fn read(path: &Path) -> Result<Self, MirrorError> {
        match fs::read(path) {
            Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(TreeError {
                path: path.to_owned(),
                source,
            }
            .into()),
        }
    }

    /// What is remembered of another key or URL does not bind this one; the files' numbers do.
    pub(super) fn begin(&mut self, settings: &MirrorSettings) {
        let (key, url) = (settings.key.to_string(), settings.url.to_string());
        if self.key != key {
            self.key = key;
            self.generation = 0;
            self.url.clear();
        }
        if self.url != url {
            self.url = url;
            self.sha256.clear();
            self.validators = None;
        }
    }

    pub(super) fn write(&self, path: &Path, files: &Placed) -> Result<(), MirrorError> {
        let whole = Self {
            files: files.clone(),
            ..self.clone()
        };
        let text = serde_json::to_vec(&whole).map_err(|error| TreeError {
            path: path.to_owned(),
            source: error.into(),
        })?;
        Ok(write_whole(path, &text)?)
    }
}
