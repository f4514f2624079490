//! `kind = "crl_url"`: CRLs that are fetched.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use crate::config::duration;

/// CRLs that are fetched by HTTP or HTTPS.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CrlUrlFeed {
    /// What operators call it. Default `crl_url`.
    pub name: Option<String>,
    /// Where the CRLs are. At least one. Who can answer there can withhold a CRL, not forge one.
    pub urls: Vec<String>,
    /// How often they are looked at, unless nextUpdate says sooner. Default 1 h.
    #[serde(default, deserialize_with = "duration::optional")]
    pub interval: Option<Duration>,
    /// How long after the last success the issuer is stale. Default never.
    #[serde(default, deserialize_with = "duration::optional")]
    pub stale_after: Option<Duration>,
}

impl CrlUrlFeed {
    /// The paths that are relative to the configuration's folder.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        Vec::new()
    }
}
