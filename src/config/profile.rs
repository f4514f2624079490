//! Whose rules an issuer keeps to.

use std::{fmt, time::Duration};

use serde::Deserialize;

/// `profile` of an issuer: defaults and checks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Those of the RFCs alone.
    #[default]
    Private,
    /// The Baseline Requirements of the CA/Browser Forum, for publicly trusted TLS.
    Br,
    /// Qualified certificates under ETSI EN 319 411-2: their status is told long after they expired.
    EtsiQualified,
}

impl Profile {
    /// The name that people write.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Br => "br",
            Self::EtsiQualified => "etsi-qualified",
        }
    }

    /// The longest that caches may keep an answer where nothing else is configured.
    pub(super) const fn cache_max_age(self) -> Duration {
        match self {
            Self::Private | Self::EtsiQualified => Duration::from_secs(3_600),
            // Public CAs are asked most and change least.
            Self::Br => Duration::from_secs(12 * 3_600),
        }
    }

    /// Whether answers carry archiveCutoff where nothing else is configured.
    pub(super) const fn archive_cutoff(self) -> bool {
        matches!(self, Self::EtsiQualified)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
