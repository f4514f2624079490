//! `kind = "sql"`: a database table that is asked again and again.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use crate::config::duration;

/// A table of a database.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct SqlFeed {
    /// What operators call it. Default `sql`.
    pub name: Option<String>,
    /// How often it is asked. Default 5 s.
    #[serde(default, deserialize_with = "duration::optional")]
    pub interval: Option<Duration>,
    /// How long after the last success the issuer is stale. Default never.
    #[serde(default, deserialize_with = "duration::optional")]
    pub stale_after: Option<Duration>,
}

impl SqlFeed {
    /// The paths that are relative to the configuration's folder.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        Vec::new()
    }
}
