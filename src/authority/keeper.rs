//! Keeps the overlay small and signed.
//!
//! What was masked a moment ago is signed into the overlay, so that it is served lock-free again; what
//! is too much for that is sealed into a patch segment and left to the renewal of its shard. The
//! overlay itself is the work list, so nothing is forgotten over an error or a restart.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::AuthorityError;
use super::dating::{Basis, Undated};
use super::issuer::Issuer;
use super::runtime::{Shared, Wake};
use crate::asn1::CrlReason;
use crate::catalog::{IssuerSnapshot, OVERLAY_ENTRIES_MAX, OverlayTruth, Publication};
use crate::identity::{SerialHash, SerialNumber};
use crate::presign::{AnswerSigner, ShardJob, ShardRecord, SigningWindow, sign_shard};
use crate::segment::{RecordStatus, SegmentKind};
use crate::signer::LoadedSigner;

/// Runs until told to stop.
pub(super) fn run(shared: &Shared, wake: &Wake) {
    while !shared.stopping() {
        let mut again = IDLE;
        if let Err(error) = super::catch_up::run(shared) {
            again = RETRY;
            tracing::error!(%error, "the catalog could not be brought up to the ledger; questions \
                go to the live signer until it is");
        }
        for issuer in shared.issuers.iter() {
            match tend(shared, issuer) {
                Ok(Tended::Done) => {}
                Ok(Tended::Later) => again = again.min(RETRY),
                Err(error) => {
                    again = again.min(RETRY);
                    shared.counters.signing_failed();
                    if error
                        .of_signer()
                        .is_some_and(|error| issuer.key_went_away(error))
                    {
                        continue;
                    }
                    tracing::error!(issuer = issuer.name, %error, "changes could not be signed; \
                        they are answered tryLater until it works again");
                }
            }
        }
        wake.wait(again);
    }
}

/// Whether the overlay of an issuer needs another look soon.
enum Tended {
    Done,
    Later,
}

fn tend(shared: &Shared, issuer: &Arc<Issuer>) -> Result<Tended, AuthorityError> {
    // Before the snapshot, so that the snapshot has every mask up to it.
    let masked_up_to = shared.masked_up_to();
    let snapshot = shared.catalog.snapshot();
    let Some(view) = snapshot.issuer_by_id(&issuer.id) else {
        return Ok(Tended::Done);
    };
    // Until it has caught up, the overlay has gaps.
    let Some(caught_up) = view.caught_up() else {
        return Ok(Tended::Later);
    };
    let masked_up_to = masked_up_to.max(caught_up);
    if view.overlay_len() > OVERLAY_ENTRIES_MAX {
        seal(shared, issuer, masked_up_to)?;
        shared.renewal_wake.notify();
        return Ok(Tended::Done);
    }
    let masked: Vec<(SerialHash, SerialNumber)> = view
        .overlay_entries()
        .filter(|entry| matches!(entry.truth(), OverlayTruth::Masked(_)))
        .map(|entry| (entry.hash(), *entry.serial()))
        .collect();
    if masked.is_empty() {
        return Ok(Tended::Done);
    }
    let Some(signer) = issuer.signer() else {
        return Ok(Tended::Later);
    };
    let mut tended = Tended::Done;
    for some in masked.chunks(PUBLISHED_TOGETHER) {
        if shared.stopping() {
            break;
        }
        if masked.len() > IMPORTED && is_left_to_renewal(shared, issuer) {
            shared.renewal_wake.notify();
            return Ok(Tended::Later);
        }
        if let Tended::Later = sign(shared, issuer, &signer, view, some)? {
            tended = Tended::Later;
        }
    }
    Ok(tended)
}

/// Signs what of these serials is to be kept ahead of time.
fn sign(
    shared: &Shared,
    issuer: &Issuer,
    signer: &LoadedSigner,
    view: &IssuerSnapshot,
    masked: &[(SerialHash, SerialNumber)],
) -> Result<Tended, AuthorityError> {
    // What is signed here must not be newer than the shard that takes its place, and the time of a
    // shard that is being signed lies behind already.
    let renewing = shared.renewing();
    let is_renewed =
        |hash: SerialHash| renewing.is_some_and(|shard| shard.covers(&issuer.id, hash));
    // Before the statuses, which it dates.
    let basis = Basis::now(issuer, &shared.ledger)?;
    let mut tended = Tended::Done;
    let mut truths = Vec::new();
    for (hash, serial) in masked {
        if is_renewed(*hash) {
            tended = Tended::Later;
            continue;
        }
        let (record, sequence) = shared.truth(issuer, &basis, *serial)?;
        if issuer.is_held_back() && !is_final(record.status) {
            // Looked at again when its feeds speak again: that rings the bell.
            continue;
        }
        truths.push((*hash, record, sequence));
    }
    // The status first, then the time: no revocation in it is later than thisUpdate.
    let Ok(now) = shared.signing.now() else {
        return Ok(Tended::Later);
    };
    let window = match basis.window(issuer, signer, now, None) {
        Ok(window) => window,
        // They stay masked until a CRL comes, and with it their shard's renewal.
        Err(Undated::NoCrl { .. } | Undated::Stale { .. }) => return Ok(tended),
        Err(Undated::Window(error)) => return Err(AuthorityError::Window(error)),
    };
    let mut answers = AnswerSigner::new(&issuer.presigned, signer, window);
    let kept: Vec<(ShardRecord, u64)> = truths
        .iter()
        .filter(|(hash, record, _)| is_kept(view, *hash, record, &window))
        .map(|(_, record, sequence)| (*record, *sequence))
        .collect();
    if kept.is_empty() {
        return Ok(tended);
    }
    let signed = answers.sign(&kept)?;
    issuer.key_signed();
    let answers = Publication::FreshAnswer {
        issuer: issuer.id,
        answers: signed,
    };
    if !shared.publish_signed(now, &[answers])? {
        return Ok(Tended::Later);
    }
    Ok(tended)
}

const fn is_final(status: RecordStatus) -> bool {
    match status {
        RecordStatus::Good => false,
        RecordStatus::Revoked { reason, .. } => !matches!(reason, Some(CrlReason::CertificateHold)),
    }
}

/// Whether an answer of this window is signed ahead of time; else it is signed live until its shard's
/// renewal.
///
/// Never one that is dated later than the window: a hold made by hand and ended again before the next CRL
/// would leave it behind, and that CRL, dated before it, would follow. Nor one that would follow a later
/// one of its shard, whose issuer was dated by the ledger when it was signed, and is dated by CRLs since.
fn is_kept(
    view: &IssuerSnapshot,
    hash: SerialHash,
    record: &ShardRecord,
    window: &SigningWindow,
) -> bool {
    let this_update = window.this_update;
    let would_fall = view.base(hash).is_some_and(|base| {
        let mut templates = base.templates().iter();
        templates.any(|template| template.this_update() > this_update)
    });
    record.may_be_signed(this_update) && !would_fall
}

/// Whether the changes of an import are better signed with their shard: more are coming and may be
/// sealed, or the shards are being signed already, as of a time that must not lie behind what is signed
/// here. The masks hold meanwhile.
fn is_left_to_renewal(shared: &Shared, issuer: &Issuer) -> bool {
    let now = shared.signing.clock().monotonic();
    !shared.bustle.is_settled(now) || shared.is_renewing(&issuer.id)
}

/// Moves the overlay as it is now into an unsigned patch segment. The status of each entry stays known
/// and outranks the shard's; its signature comes with the shard's renewal or a question.
///
/// `as_of` is the sequence up to which the overlay and the segments lack nothing of the issuer: the
/// next start takes the patch's word for it and masks later changes only. It is not the newest entry's:
/// a signed answer, or a change made while catching up, may be ahead of masks still to come.
pub(super) fn seal(
    shared: &Shared,
    issuer: &Arc<Issuer>,
    as_of: u64,
) -> Result<(), AuthorityError> {
    let snapshot = shared.catalog.snapshot();
    let Some(view) = snapshot.issuer_by_id(&issuer.id) else {
        return Ok(());
    };
    // Nothing unsigned is ever assembled into an answer, so the extensions can stay in the ledger.
    let records: Vec<ShardRecord> = view
        .overlay_entries()
        .map(|entry| ShardRecord {
            serial: *entry.serial(),
            status: entry.status(),
            invalidity_date: None,
            live_only: false,
        })
        .collect();
    let now = shared.signing.clock().now();
    let job = ShardJob {
        dir: shared.catalog.folder(),
        issuer: issuer.id,
        hashes: &[],
        signer: None,
        kind: SegmentKind::Patch,
        depth: 0,
        shard: 0,
        as_of,
        window: SigningWindow {
            this_update: now,
            produced_at: now,
            next_update: now,
            next_sign: now,
        },
        workers: 1,
        stop: &shared.stop,
    };
    let file = sign_shard(&job, &records)?;
    shared.lineage.record(&shared.ledger, as_of)?;
    shared.publish(&[Publication::Segment {
        issuer: issuer.id,
        file,
    }])?;
    shared.counters.sealed.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// More masks than this at once are an import: a tenth of a second of P-256 on one core.
const IMPORTED: usize = 2_048;
/// Fresh answers that become visible in one swap.
const PUBLISHED_TOGETHER: usize = 64;
/// How soon to try again what could not be signed.
const RETRY: Duration = Duration::from_secs(1);
/// How long to sleep when nobody calls.
const IDLE: Duration = Duration::from_secs(60);
