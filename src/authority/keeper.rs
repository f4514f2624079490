//! Keeps the overlay small and signed.
//!
//! What was masked a moment ago is signed into the overlay, so that it is served lock-free again; what
//! is too much for that is sealed into a patch segment and left to the renewal of its shard. The
//! overlay itself is the work list, so nothing is forgotten over an error or a restart.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::AuthorityError;
use super::issuer::Issuer;
use super::runtime::{Shared, Wake};
use crate::catalog::{OVERLAY_ENTRIES_MAX, OverlayTruth, Publication};
use crate::identity::SerialNumber;
use crate::presign::{AnswerSigner, ShardJob, ShardRecord, SigningWindow, sign_shard};
use crate::segment::SegmentKind;

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
    let masked: Vec<SerialNumber> = view
        .overlay_entries()
        .filter(|entry| matches!(entry.truth(), OverlayTruth::Masked(_)))
        .map(|entry| *entry.serial())
        .collect();
    if masked.is_empty() {
        return Ok(Tended::Done);
    }
    let Some(signer) = issuer.signer() else {
        return Ok(Tended::Later);
    };
    for some in masked.chunks(PUBLISHED_TOGETHER) {
        if shared.stopping() {
            break;
        }
        if masked.len() > IMPORTED && is_left_to_renewal(shared, issuer) {
            shared.renewal_wake.notify();
            return Ok(Tended::Later);
        }
        let truths = some
            .iter()
            .map(|serial| shared.truth(issuer, *serial))
            .collect::<Result<Vec<_>, _>>()?;
        // The status first, then the time: no revocation in it is later than thisUpdate.
        let Ok(now) = shared.signing.now() else {
            return Ok(Tended::Later);
        };
        let window = issuer.window(&signer, now, None)?;
        let mut answers = AnswerSigner::new(&issuer.presigned, &signer, window);
        let signed = truths
            .iter()
            .map(|(record, sequence)| answers.sign(record, *sequence))
            .collect::<Result<Vec<_>, _>>()?;
        let answers = Publication::FreshAnswer {
            issuer: issuer.id,
            answers: signed,
        };
        if !shared.publish_signed(now, &[answers])? {
            return Ok(Tended::Later);
        }
    }
    Ok(Tended::Done)
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
