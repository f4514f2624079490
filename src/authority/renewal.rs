//! Signs shards when their deadline comes: the planner.
//!
//! What is due follows from the catalog alone (a deadline in each segment's header, a signer or hash
//! that is no longer the configured one, a shard that is missing, changes that wait unsigned), never
//! from a filter over statuses, so that no certificate can be forgotten.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::AuthorityError;
use super::bustle::Bustle;
use super::dating::{Basis, Undated};
use super::issuer::Issuer;
use super::runtime::{Renewing, Shared, Wake, shard_record};
use crate::asn1::UnixTime;
use crate::catalog::{IssuerSnapshot, Publication, WithheldShard};
use crate::identity::SerialHash;
use crate::ocsp::Template;
use crate::presign::{
    Phase, PresignError, ShardJob, ShardRecord, SigningWindow, shard_depth, sign_shard,
    signer_fingerprint,
};
use crate::segment::{Segment, SegmentKind};
use crate::signer::LoadedSigner;

/// Runs until told to stop.
pub(super) fn run(shared: &Shared, wake: &Wake) {
    shared.set_renewing(None);
    // For this thread and those it starts to sign: nobody waits for them, and answers, changes and live
    // signatures go first. Where all cores are taken, a tenth of one is still left for signing. Refused,
    // it signs as it is.
    let _result = rustix::process::nice(10);
    let mut keys_looked_at = Instant::now();
    while !shared.stopping() {
        let came = shared.keys_came.swap(false, Ordering::Relaxed);
        if came || keys_looked_at.elapsed() >= KEY_RETRY {
            keys_looked_at = Instant::now();
            load_missing_keys(shared);
        }
        let mut retry = None;
        for issuer in shared.issuers.iter() {
            loop {
                if shared.stopping() {
                    return;
                }
                match renew_next(shared, issuer) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(AuthorityError::Presign(PresignError::Stopped)) => return,
                    Err(error) => {
                        shared.counters.signing_failed();
                        if error
                            .of_signer()
                            .is_some_and(|error| issuer.key_went_away(error))
                        {
                            retry.get_or_insert(AWAY_RETRY);
                            break;
                        }
                        retry = Some(RETRY);
                        tracing::error!(issuer = issuer.name, %error, "a shard could not be signed; \
                            its answers are served until their nextUpdate");
                        break;
                    }
                }
            }
        }
        wake.wait(retry.unwrap_or_else(|| pause(shared)));
    }
}

/// A shard to sign.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Due {
    depth: u8,
    shard: u32,
    /// Given at the first signing of an issuer, to spread what follows.
    phase: Option<Phase>,
}

/// The first shard of an issuer that has to be signed now, if signing is possible at all.
fn next_due(shared: &Shared, issuer: &Arc<Issuer>) -> Result<Option<Due>, AuthorityError> {
    let (Some(signer), Ok(now)) = (issuer.signer(), shared.signing.now()) else {
        return Ok(None);
    };
    // Its feeds are silent: what is true of it now is not known.
    if issuer.is_held_back() {
        return Ok(None);
    }
    let ledger = shared.ledger.snapshot()?;
    let certificates = ledger.record_count(&issuer.id)?;
    if certificates == 0 {
        return Ok(None);
    }
    let basis = Basis::of(issuer, &ledger)?;
    let window = basis.window(issuer, &signer, now, None);
    note_staleness(issuer, &window);
    let (this_update, next_update) = match window {
        Ok(window) => (window.this_update, window.next_update),
        Err(Undated::NoCrl { .. } | Undated::Stale { .. }) => return Ok(None),
        // Found again, and told, where it is to be signed.
        Err(Undated::Window(_)) => (now, now),
    };
    let snapshot = shared.catalog.snapshot();
    let Some(view) = snapshot.issuer_by_id(&issuer.id) else {
        return Ok(None);
    };
    // What was lost may be in somebody's hands, and binds as what is served does.
    let mut lost = view
        .withheld_shards()
        .filter(|lost| lost.this_update <= this_update || lost.next_update <= now);
    if let Some(WithheldShard { depth, shard, .. }) = lost.next() {
        return Ok(Some(Due {
            depth,
            shard,
            phase: None,
        }));
    }
    let bases: Vec<&Arc<Segment>> = view
        .segments()
        .filter(|segment| segment.kind() == SegmentKind::Base)
        .collect();
    let withheld = view.withheld_shards().map(|lost| (lost.depth, lost.shard));
    let covered: Vec<(u8, u32)> = bases
        .iter()
        .map(|segment| (segment.depth(), segment.shard()))
        .chain(withheld)
        .collect();
    if !shared.bustle.is_settled(shared.signing.clock().monotonic()) {
        return Ok(None);
    }
    if let Some((depth, shard)) = uncovered(&covered, shard_depth(certificates)) {
        return Ok(Some(Due {
            depth,
            shard,
            phase: Some(phase(shared, issuer, depth, shard)),
        }));
    }
    let sealed_up_to = view.patches().map(|patch| patch.as_of()).max();
    // Patches are unsigned; the shards beneath them are due.
    // A restored ledger may lack what they know, and is the truth from its epoch on.
    let epoch = ledger.epochs().as_slice().get(1..).and_then(<[_]>::last);
    let overtaken = sealed_up_to
        .max(view.revoked_since())
        .max(epoch.map(|epoch| epoch.first_sequence));
    let fingerprint = signer_fingerprint(&signer);
    // Of several CRLs the oldest dates all answers, and a newer one of the others changes nothing.
    let outdated = |segment: &Segment| {
        let newer = |template: &Template| {
            let ends_by_the_crl = segment.next_sign() >= template.next_update();
            template.this_update() < this_update
                || ends_by_the_crl && template.next_update() < next_update
        };
        basis
            .sequence()
            .is_some_and(|evidence| segment.as_of() < evidence)
            && segment.templates().iter().any(newer)
    };
    let due = bases.into_iter().find(|segment| {
        let is_due = *segment.signer() != fingerprint
            || segment.next_sign() <= now
            // Signed by a clock that was set back since: nobody is given these answers.
            || segment.snapshot_time() > now
            || issuer
                .presigned
                .iter()
                .any(|hashes| segment.template(hashes.algorithm()).is_none())
            || overtaken.is_some_and(|sequence| segment.as_of() < sequence)
            || outdated(segment)
            || segment
                .templates()
                .iter()
                .any(|template| !template.is_by(&signer.responder_id));
        is_due && !would_fall(segment, this_update, now)
    });
    Ok(due.map(|segment| {
        let (depth, shard) = (segment.depth(), segment.shard());
        // A newer CRL makes all shards due at once: what follows is spread again.
        let phase = outdated(segment).then(|| phase(shared, issuer, depth, shard));
        Due {
            depth,
            shard,
            phase,
        }
    }))
}

/// Whether thisUpdate would fall in answers that still hold: an issuer that was dated by the ledger is
/// dated by CRLs since. They are left to end, or to a CRL that is newer than they are.
fn would_fall(segment: &Segment, this_update: UnixTime, now: UnixTime) -> bool {
    segment
        .templates()
        .iter()
        .any(|template| template.this_update() > this_update && template.next_update() > now)
}

/// Tells once when nothing can be signed for want of a CRL in date, and once when that is over.
fn note_staleness(issuer: &Issuer, window: &Result<SigningWindow, Undated>) {
    match window {
        Err(why @ (Undated::NoCrl { .. } | Undated::Stale { .. })) if issuer.went_stale() => {
            tracing::warn!(
                issuer = issuer.name,
                "{why}: nothing is signed until one in date is imported, and what is signed is served \
                 until it ends"
            );
        }
        Ok(_) if issuer.is_fresh_again() => {
            tracing::info!(issuer = issuer.name, "there is a CRL in date again");
        }
        _ => {}
    }
}

/// The first part of the hash range that none of the shards (depth, number) covers, at least as finely
/// cut as wanted.
fn uncovered(shards: &[(u8, u32)], wanted: u8) -> Option<(u8, u32)> {
    let depth = shards.iter().map(|(depth, _)| *depth).fold(wanted, u8::max);
    let count = 1_u32.checked_shl(u32::from(depth)).unwrap_or(0);
    (0..count).map(|part| (depth, part)).find(|(depth, part)| {
        !shards.iter().any(|(covered, shard)| {
            part.checked_shr(u32::from(depth.saturating_sub(*covered))) == Some(*shard)
        })
    })
}

/// The place of a shard among those that are signed together: among the issuer's, or, where it is the
/// only one, the issuer's among all issuers.
fn phase(shared: &Shared, issuer: &Issuer, depth: u8, shard: u32) -> Phase {
    let count = 1_u32.checked_shl(u32::from(depth)).unwrap_or(1);
    if count > 1 {
        return Phase {
            index: shard,
            count,
        };
    }
    let count = shared.issuers.iter().len();
    let index = shared.issuers.position(&issuer.id).unwrap_or(0);
    // The last of all is first: it waits the whole interval when it is the only one.
    Phase {
        index: u32::try_from(index).unwrap_or(0),
        count: u32::try_from(count).unwrap_or(1),
    }
}

/// Signs the next shard that is due; false when none is.
fn renew_next(shared: &Shared, issuer: &Arc<Issuer>) -> Result<bool, AuthorityError> {
    match next_due(shared, issuer)? {
        Some(due) => {
            shared.set_renewing(Some(Renewing {
                issuer: issuer.id,
                depth: due.depth,
                shard: due.shard,
            }));
            let renewed = renew(shared, issuer, due);
            shared.set_renewing(None);
            // What was masked meanwhile, and an issuer that was signed for the first time, waits for
            // this.
            shared.keeper_wake.notify();
            renewed
        }
        None => Ok(false),
    }
}

/// Signs one shard from one state of the ledger and swaps it in.
fn renew(shared: &Shared, issuer: &Arc<Issuer>, due: Due) -> Result<bool, AuthorityError> {
    let Some(signer) = issuer.signer() else {
        return Ok(false);
    };
    let started = Instant::now();
    let ledger = shared.ledger.snapshot()?;
    let basis = Basis::of(issuer, &ledger)?;
    let dated = |now| match basis.window(issuer, &signer, now, due.phase) {
        Ok(window) => Ok(Some(window)),
        Err(Undated::NoCrl { .. } | Undated::Stale { .. }) => Ok(None),
        Err(Undated::Window(error)) => Err(AuthorityError::Window(error)),
    };
    // As is a key that is still away.
    if issuer.is_key_away() {
        signer.probe()?;
    }
    // A certificate that has ended is found before a million records are read for nothing.
    if dated(shared.signing.clock().now())?.is_none() {
        return Ok(false);
    }
    let begun = shared.signing.clock().now();
    let mut records = Vec::new();
    for row in ledger.shard_records(&issuer.id, due.depth, due.shard)? {
        let (serial, status) = row?;
        records.push(shard_record(issuer, serial, &status, &basis, begun));
        if shared.stopping() {
            return Err(PresignError::Stopped.into());
        }
    }
    // The snapshot first, then the time: no revocation in it is later than thisUpdate.
    let Ok(now) = shared.signing.now() else {
        return Ok(false);
    };
    let Some(window) = dated(now)? else {
        return Ok(false);
    };
    let as_of = ledger.last_sequence();
    drop(ledger);
    let mut publications = Vec::new();
    for (depth, shard, records) in split(issuer, due, records) {
        let file = sign(
            shared,
            issuer,
            &signer,
            &records,
            (depth, shard),
            as_of,
            window,
        )?;
        publications.push(Publication::Segment {
            issuer: issuer.id,
            file,
        });
    }
    issuer.key_signed();
    shared.lineage.record(&shared.ledger, as_of)?;
    // A clock that stepped meanwhile makes these times untrue.
    if !shared.publish_signed(now, &publications)? {
        shared.catalog.discard(&publications);
        return Ok(false);
    }
    shared
        .counters
        .shards_signed
        .fetch_add(1, Ordering::Relaxed);
    prune_shown(shared);
    tracing::info!(
        issuer = issuer.name,
        shard = due.shard,
        as_of,
        took_ms = started.elapsed().as_millis(),
        "shard signed"
    );
    Ok(true)
}

/// What the shards have taken in need not be noted beside the ledger any more.
fn prune_shown(shared: &Shared) {
    let snapshot = shared.catalog.snapshot();
    let pruned = shared.shown.prune(|shown| {
        let Some(serial) = shown.serial else {
            return false;
        };
        let hash = SerialHash::new(&shown.issuer, serial.as_bytes());
        snapshot
            .issuer_by_id(&shown.issuer)
            .and_then(|view| view.base(hash))
            .is_some_and(|base| base.as_of() >= shown.sequence)
    });
    if let Err(error) = pruned {
        tracing::warn!(%error, "the file of what clients were shown stays longer than it need be");
    }
}

fn sign(
    shared: &Shared,
    issuer: &Issuer,
    signer: &LoadedSigner,
    records: &[ShardRecord],
    (depth, shard): (u8, u32),
    as_of: u64,
    window: SigningWindow,
) -> Result<crate::segment::SegmentFile, AuthorityError> {
    let job = ShardJob {
        dir: shared.catalog.folder(),
        issuer: issuer.id,
        hashes: &issuer.presigned,
        signer: Some(signer),
        kind: SegmentKind::Base,
        depth,
        shard,
        as_of,
        window,
        workers: std::thread::available_parallelism().map_or(1, usize::from),
        stop: &shared.stop,
    };
    Ok(sign_shard(&job, records)?)
}

/// A shard that outgrew its size comes back as two of half the hash range.
fn split(issuer: &Issuer, due: Due, records: Vec<ShardRecord>) -> Vec<(u8, u32, Vec<ShardRecord>)> {
    let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
    if shard_depth(count) == 0 {
        return vec![(due.depth, due.shard, records)];
    }
    let depth = due.depth.saturating_add(1);
    let low = due.shard.saturating_mul(2);
    let (right, left): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| {
        let hash = SerialHash::new(&issuer.id, record.serial.as_bytes());
        hash.shard(u32::from(depth)) & 1 == 1
    });
    vec![(depth, low, left), (depth, low.saturating_add(1), right)]
}

/// A key that was missing may be back: no restart for that.
fn load_missing_keys(shared: &Shared) {
    for issuer in shared.issuers.iter() {
        if issuer.has_signer_configured() && issuer.signer().is_none() {
            match issuer.load_signer(shared.signing.clock().now()) {
                Ok(()) => {
                    tracing::info!(issuer = issuer.name, "the signing key is back");
                    shared.keeper_wake.notify();
                }
                Err(error) => {
                    tracing::warn!(issuer = issuer.name, %error, "still without the signing key");
                }
            }
        }
    }
}

/// Until the next deadline, or the next look at what may have changed without a call.
fn pause(shared: &Shared) -> Duration {
    let now = shared.signing.clock().now();
    let snapshot = shared.catalog.snapshot();
    let next = snapshot
        .issuers()
        .iter()
        .flat_map(IssuerSnapshot::segments)
        .filter(|segment| segment.kind() == SegmentKind::Base)
        // What is overdue cannot be signed: without its key, or a CRL in date.
        .filter(|segment| segment.next_sign() > now)
        .map(|segment| segment.next_sign().since(now))
        .min();
    let settled = shared.bustle.is_settled(shared.signing.clock().monotonic());
    let longest = if settled { LOOK } else { Bustle::QUIET };
    next.unwrap_or(longest)
        .min(longest)
        .max(Duration::from_millis(100))
}

/// How soon to try a failed shard again.
const RETRY: Duration = Duration::from_secs(5);
/// How soon to ask again for a key that is away: signing goes on within seconds of its return.
const AWAY_RETRY: Duration = Duration::from_secs(1);
/// How often to look for a missing key.
const KEY_RETRY: Duration = Duration::from_secs(10);
/// The longest pause between two looks.
const LOOK: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_the_hash_range_is_forgotten() {
        assert_eq!(uncovered(&[], 0), Some((0, 0)));
        assert_eq!(uncovered(&[(0, 0)], 0), None);
        // One shard serves on when a finer cut is wanted; it splits when it is signed next.
        assert_eq!(uncovered(&[(0, 0)], 3), None);
        assert_eq!(uncovered(&[(2, 0), (2, 1), (2, 3)], 2), Some((2, 2)));
        assert_eq!(uncovered(&[(1, 0), (2, 3)], 1), Some((2, 2)));
        assert_eq!(uncovered(&[(1, 0), (2, 2), (2, 3)], 0), None);
    }
}
