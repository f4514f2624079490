//! `kind = "push"`: changes that a client sends.

use std::time::Duration;

use serde::Deserialize;

use crate::config::duration;

/// A client of the push interface. It is not asked; it comes by itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PushFeed {
    /// What operators call it. Default `push`.
    pub name: Option<String>,
    /// The name of the client whose batches it stands for.
    pub client: String,
    /// How long after the last batch the issuer is stale. Default never.
    #[serde(default, deserialize_with = "duration::optional")]
    pub stale_after: Option<Duration>,
}
