//! How a feed is, for `stats` and `feed list`.

use serde::{Deserialize, Serialize};

use crate::feed::live::FeedErrorKind;

/// The state of one feed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FeedHealth {
    /// The issuer's configured name.
    pub issuer: String,
    /// The feed's name.
    pub name: String,
    /// What kind it is, in the configuration's word.
    pub kind: String,
    /// In one word.
    pub state: FeedState,
    /// The last poll or batch, RFC 3339.
    pub last_attempt: Option<String>,
    /// The last one that worked, RFC 3339; of this start or one before.
    pub last_success: Option<String>,
    /// Seconds since then.
    pub last_success_age_secs: Option<u64>,
    /// Seconds since a poll began that has not ended.
    pub polling_secs: Option<u64>,
    /// The next poll, RFC 3339.
    pub next_attempt: Option<String>,
    /// Seconds between polls.
    pub interval_secs: Option<f64>,
    /// Seconds without success until the issuer is stale.
    pub stale_after_secs: Option<u64>,
    /// Polls that failed since the last one that worked.
    pub failures: u64,
    /// Why the last one failed.
    pub fault: Option<FeedFault>,
    /// How fresh the source itself is: thisUpdate of its CRL, its newest row, RFC 3339.
    pub evidence: Option<String>,
    /// Seconds since then.
    pub evidence_age_secs: Option<u64>,
    /// Changes recorded since the start.
    pub applied: u64,
    /// Polls since the start that saw nothing new.
    pub unchanged: u64,
    /// Lines, rows or entries that could not be used when it was read last.
    pub left_out: u64,
    /// The first of them.
    pub first_left_out: Option<String>,
    /// Certificates since the start that a CRL revoked and the ledger had as good: another feed of the
    /// issuer had lost them.
    pub reconciled: u64,
    /// Certificates that are revoked and, although they should, not on the newest CRL.
    pub missing: u64,
    /// What else was told of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A feed in one word.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedState {
    /// Not heard of yet since the start.
    Waiting,
    /// The last poll worked.
    Fine,
    /// The last poll failed.
    Failing,
    /// Without success for its `stale_after`.
    Stale,
}

impl FeedState {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Fine => "fine",
            Self::Failing => "failing",
            Self::Stale => "stale",
        }
    }
}

/// Why a poll failed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FeedFault {
    /// What sort of failure it is.
    pub kind: FeedErrorKind,
    /// One line.
    pub message: String,
}
