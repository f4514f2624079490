//! What is to be imported, and how.

use serde::{Deserialize, Serialize};

use super::CsvMapping;
use crate::change::ExpectedScope;

/// An import, as asked for. What is imported follows it as a stream of octets.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ImportOrder {
    /// The issuer's configured name; needed when there are several and the source does not tell.
    pub issuer: Option<String>,
    /// What the source is called in messages and in the ledger's entries.
    pub name: String,
    /// Leave out what is bad or refused and apply the rest.
    pub skip_bad: bool,
    /// What kind of source it is.
    pub request: ImportRequest,
}

/// The kinds of sources, with what each needs to be told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "source", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ImportRequest {
    /// The `index.txt` of `openssl ca`.
    Index,
    /// A CRL.
    Crl {
        /// Take it although much of the CRL before is gone.
        accept_shrink: bool,
        /// Which certificates it must list; `None` for one of the issuer's configured scopes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<ExpectedScope>,
    },
    /// Certificates, as a [`stream`](super::certificates::stream) of files.
    Certificates,
    /// A CSV file.
    Csv {
        /// What its columns mean.
        #[serde(default)]
        mapping: CsvMapping,
    },
}

impl ImportRequest {
    /// The word for it in logs and in the ledger's entries.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Crl { .. } => "crl",
            Self::Certificates => "certificates",
            Self::Csv { .. } => "csv",
        }
    }
}
