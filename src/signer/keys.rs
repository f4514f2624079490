//! Who opens keys: this process, or the one that keeps them.

use std::sync::Arc;

use super::{Checked, LoadError, Signer, Warning, open_key::open_here, process::SignerProcess};
use crate::config::ConfiguredKey;

/// Opens the keys that a configuration names, each where it is to live.
pub struct Keys {
    process: Option<Arc<SignerProcess>>,
}

impl Keys {
    /// All keys live in this process: for commands that sign a little and end, for tests, and for the
    /// signing process itself.
    #[must_use]
    pub fn here() -> Arc<Self> {
        Arc::new(Self { process: None })
    }

    /// Keys that are to live apart are in `process`.
    #[must_use]
    pub fn apart(process: Arc<SignerProcess>) -> Arc<Self> {
        Arc::new(Self {
            process: Some(process),
        })
    }

    /// The process that has keys, if there is one.
    #[must_use]
    pub fn process(&self) -> Option<&Arc<SignerProcess>> {
        self.process.as_ref()
    }

    /// Opens a key. With it comes what is odd about it; of a key in another process that one tells.
    ///
    /// # Errors
    /// [`LoadError`], which names the key.
    pub fn open(&self, key: &ConfiguredKey) -> Result<(Arc<dyn Signer>, Vec<Warning>), LoadError> {
        let name = || key.place.to_string();
        let unverifiable = |error| LoadError::Unverifiable {
            key: name(),
            source: error,
        };
        if let Some(process) = self.process.as_ref().filter(|_| key.own_process) {
            let signer = Checked::new(process.key(&name())?).map_err(unverifiable)?;
            return Ok((Arc::new(signer), Vec::new()));
        }
        let (signer, warnings) = open_here(&key.place)?;
        if key.place.is_on_token() {
            let signer = Checked::new(signer).map_err(unverifiable)?;
            return Ok((Arc::new(signer), warnings));
        }
        Ok((signer, warnings))
    }
}
