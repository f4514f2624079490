//! What `stats` tells of the authority.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::feeding::{FeedBoard, FeedHealth};
use super::issuer::Issuer;
use super::runtime::Shared;
use super::{AuthorityError, PublishedCrlStats, WholeRevocation};
use crate::asn1::UnixTime;
use crate::catalog::OverlayTruth;
use crate::catalog::files::LeftOut;
use crate::change::{Evidence, ExpectedScope};
use crate::config;
use crate::ledger::EvidenceEntry;
use crate::ocsp::Template;
use crate::publish::TargetHealth;
use crate::segment::SegmentKind;
use crate::signer::process::ProcessHealth;

/// One issuer's state.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct IssuerStats {
    /// The operator's name for it.
    pub name: String,
    /// Certificates in the ledger.
    pub certificates: u64,
    /// Of these, revoked or on hold.
    pub revoked: u64,
    /// How all of them were revoked at once, if they were.
    #[serde(default)]
    pub revoked_as_a_whole: Option<WholeRevocation>,
    /// Ledger entries that the shards lack, all of them masked.
    pub overlay: usize,
    /// Of these, the ones that wait for a signature.
    pub unsigned: usize,
    /// Segments in the catalog.
    pub segments: usize,
    /// thisUpdate of the oldest shard, RFC 3339.
    pub oldest_this_update: Option<String>,
    /// The next planned signing, RFC 3339.
    pub next_sign: Option<String>,
    /// True while the catalog is being brought up to the ledger.
    pub catching_up: bool,
    /// The signer.
    pub signer: SignerState,
    /// The newest CRL taken for it; `None` for an issuer that none was taken for and that does not
    /// depend on one.
    #[serde(default)]
    pub evidence: Option<EvidenceStats>,
    /// Whether a feed was silent for too long, so that only certificates that are revoked for good are
    /// answered for.
    #[serde(default)]
    pub held_back: bool,
    /// Where its certificates' status comes from.
    #[serde(default)]
    pub feeds: Vec<FeedHealth>,
    /// The CRLs that are made of it here.
    #[serde(default)]
    pub crls: Vec<PublishedCrlStats>,
}

/// How fresh an issuer is by its CRLs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct EvidenceStats {
    /// Whether its answers are dated by CRLs alone, so that nothing is signed while it is stale.
    pub required: bool,
    /// Whether there is no CRL in date, of one of its scopes at least.
    pub stale: bool,
    /// The newest CRL, if one was ever taken; of several scopes the one that ends first.
    pub crl: Option<CrlStats>,
    /// The newest CRL of each scope, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<CrlStats>,
    /// The configured scopes of which none was ever taken, of an issuer with several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<String>,
}

/// The newest CRL of an issuer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CrlStats {
    /// What it lists, if not all certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// thisUpdate, RFC 3339.
    pub this_update: String,
    /// nextUpdate, RFC 3339.
    pub next_update: String,
    /// Seconds since thisUpdate.
    pub age_secs: u64,
    /// CRLNumber, if it has one.
    pub crl_number: Option<String>,
}

impl EvidenceStats {
    fn new(issuer: &Issuer, evidences: &[EvidenceEntry], now: UnixTime) -> Option<Self> {
        let required = issuer.evidence == config::Evidence::Feed;
        if !required && evidences.is_empty() {
            return None;
        }
        let expected = &issuer.crl_scopes;
        let is_expected = |crl: &&Evidence| expected.iter().any(|one| one.includes(&crl.scope));
        let all: Vec<&Evidence> = evidences.iter().map(|entry| &entry.evidence).collect();
        let counted: Vec<&Evidence> = all.iter().copied().filter(is_expected).collect();
        let lacks =
            |expected: &&ExpectedScope| !all.iter().any(|crl| expected.includes(&crl.scope));
        let stats = |crl: &Evidence| CrlStats {
            scope: (!crl.scope.is_full()).then(|| crl.scope.to_string()),
            this_update: crl.this_update.to_string(),
            next_update: crl.next_update.to_string(),
            age_secs: now.since(crl.this_update).as_secs(),
            crl_number: crl.crl_number.map(|number| number.to_string()),
        };
        let first = counted.iter().min_by_key(|crl| crl.next_update);
        let lacking: Vec<&ExpectedScope> = expected.iter().filter(lacks).collect();
        Some(Self {
            required,
            stale: !lacking.is_empty() || first.is_none_or(|crl| crl.next_update <= now),
            crl: first.map(|crl| stats(crl)),
            scopes: match all.as_slice() {
                [] | [_] => Vec::new(),
                several => several.iter().map(|crl| stats(crl)).collect(),
            },
            lacking: match expected.as_slice() {
                [_] => Vec::new(),
                _ => lacking.iter().map(ToString::to_string).collect(),
            },
        })
    }
}

/// Whether an issuer's answers can be signed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SignerState {
    /// Loaded; its certificate ends then (RFC 3339).
    Ready {
        /// The certificate's end.
        not_after: String,
    },
    /// Configured, but its key cannot be had now.
    Missing,
    /// None is configured.
    None,
}

/// The authority's part of `stats`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AuthorityStats {
    /// The newest ledger entry.
    pub sequence: u64,
    /// The catalog's generation.
    pub generation: u64,
    /// Why signing is paused, if it is.
    pub signing_paused: Option<String>,
    /// Questions answered with a fresh signature.
    pub live_answers: u64,
    /// Questions refused.
    pub live_refused: u64,
    /// Failed signings.
    pub signing_failures: u64,
    /// Shards signed since the start.
    pub shards_signed: u64,
    /// Overlays sealed since the start.
    pub overlays_sealed: u64,
    /// Damaged segments taken out since the start.
    pub quarantined: u64,
    /// CRLs that are listed and not served, since they are not what the listing says.
    #[serde(default)]
    pub crls_left_out: Vec<LeftOut>,
    /// Times that a thread panicked and was set going again.
    #[serde(default)]
    pub panics: u64,
    /// The process that keys live in which do not live in the server, if there are any.
    #[serde(default)]
    pub signer_process: Option<ProcessHealth>,
    /// Each issuer.
    pub issuers: Vec<IssuerStats>,
    /// Where CRLs are brought.
    #[serde(default)]
    pub targets: Vec<TargetHealth>,
}

/// Collects the facts of this moment.
pub(super) fn observe(
    shared: &Shared,
    board: Option<&FeedBoard>,
) -> Result<AuthorityStats, AuthorityError> {
    use std::sync::atomic::Ordering::Relaxed;
    let snapshot = shared.catalog.snapshot();
    let ledger = shared.ledger.snapshot()?;
    let now = shared.signing.clock().now();
    let mut feeds: HashMap<String, Vec<FeedHealth>> = HashMap::new();
    for feed in board.map(FeedBoard::health).unwrap_or_default() {
        feeds.entry(feed.issuer.clone()).or_default().push(feed);
    }
    let mut issuers = Vec::new();
    for issuer in shared.issuers.iter() {
        let Some(view) = snapshot.issuer_by_id(&issuer.id) else {
            continue;
        };
        let bases = || {
            view.segments()
                .filter(|segment| segment.kind() == SegmentKind::Base)
        };
        let unsigned = view
            .overlay_entries()
            .filter(|entry| matches!(entry.truth(), OverlayTruth::Masked(_)))
            .count();
        issuers.push(IssuerStats {
            name: issuer.name.clone(),
            certificates: ledger.record_count(&issuer.id)?,
            revoked: ledger.revoked_count(&issuer.id)?,
            revoked_as_a_whole: ledger
                .revoked_issuer(&issuer.id)
                .map(|revoked| WholeRevocation::new(&revoked)),
            overlay: view.overlay_len(),
            unsigned,
            segments: view.segments().count(),
            oldest_this_update: bases()
                .flat_map(|segment| segment.templates())
                .map(Template::this_update)
                .min()
                .map(|time| time.to_string()),
            next_sign: bases()
                .map(|segment| segment.next_sign())
                .min()
                .map(|time| time.to_string()),
            catching_up: view.caught_up().is_none(),
            signer: match issuer.signer() {
                Some(signer) => SignerState::Ready {
                    not_after: signer.not_after.to_string(),
                },
                None if issuer.has_signer_configured() => SignerState::Missing,
                None => SignerState::None,
            },
            evidence: EvidenceStats::new(issuer, &ledger.evidences(&issuer.id)?, now),
            held_back: issuer.is_held_back(),
            feeds: feeds.remove(&issuer.name).unwrap_or_default(),
            crls: shared
                .publishing
                .get()
                .map_or_else(Vec::new, |publishing| publishing.stats(issuer)),
        });
    }
    let counters = &shared.counters;
    Ok(AuthorityStats {
        sequence: ledger.last_sequence(),
        generation: snapshot.generation(),
        signing_paused: shared.signing.now().err().map(|paused| paused.to_string()),
        live_answers: counters.live_answers.load(Relaxed),
        live_refused: counters.live_refused.load(Relaxed),
        signing_failures: counters.signing_failures.load(Relaxed),
        shards_signed: counters.shards_signed.load(Relaxed),
        overlays_sealed: counters.sealed.load(Relaxed),
        quarantined: counters.quarantined.load(Relaxed),
        crls_left_out: snapshot.files().left_out().to_vec(),
        panics: counters.panics.load(Relaxed),
        signer_process: shared
            .issuers
            .iter()
            .find_map(|issuer| issuer.keys.process())
            .map(|process| process.health()),
        issuers,
        targets: shared
            .publishing
            .get()
            .map_or_else(Vec::new, |publishing| publishing.targets()),
    })
}
