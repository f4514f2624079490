//! Brings a catalog that was closed (or killed) up to the ledger.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::AuthorityError;
use super::issuer::Issuer;
use super::keeper::seal;
use super::runtime::{Shared, issuer_revoked, mask_entry, revocation_status, shown, shown_issuer};
use crate::catalog::{Finding, IssuerTable, MaskEntry, OVERLAY_ENTRIES_MAX, Publication, Snapshot};
use crate::identity::IssuerId;
use crate::ledger::{LedgerSnapshot, RevokedRecord};

/// Publishes the issuers. Every one begins as catching up; those that the catalog lacks nothing of are
/// released at once, so that their presigned answers are served from the first request.
pub(super) fn announce(shared: &Shared) -> Result<(), AuthorityError> {
    let entries = shared
        .issuers
        .iter()
        .map(|issuer| issuer.catalog_entry())
        .collect();
    let mut announced = vec![Publication::IssuerTable(Arc::new(IssuerTable::new(
        entries,
    )?))];
    let certificates = shared.issuers.iter();
    let certificates = certificates.filter_map(|issuer| issuer.served_certificate());
    announced.push(Publication::Certificates(certificates.collect()));
    // With them, so that no answer is ever served that an issuer's revocation as a whole has overtaken.
    let ledger = shared.ledger.snapshot()?;
    announced.extend(
        ledger
            .revoked_issuers()
            .filter(|revoked| shared.issuers.by_id(&revoked.issuer).is_some())
            .map(|revoked| issuer_revoked(&revoked)),
    );
    let revoked = ledger.revoked_issuers();
    shared
        .shown
        .note(revoked.map(|revoked| shown_issuer(&revoked)));
    shared.publish(&announced)?;
    let catalog = shared.catalog.snapshot();
    let as_of = ledger.last_sequence();
    let mut released = Vec::new();
    for issuer in shared.issuers.iter() {
        if lacks_since(&ledger, &catalog, issuer)?.is_none_or(|since| since >= as_of) {
            released.push(Publication::CaughtUp {
                issuer: issuer.id,
                as_of,
            });
        }
    }
    shared.publish(&released)
}

/// Masks everything that changed since the segments were signed. Until it is done, questions about
/// the issuers that it concerns are answered from the ledger. Also after a patch was lost.
pub(super) fn run(shared: &Shared) -> Result<(), AuthorityError> {
    let behind = behind(shared)?;
    let Some(since) = behind.iter().map(|(_, since)| *since).min() else {
        return Ok(());
    };
    let started = Instant::now();
    let snapshot = shared.ledger.snapshot()?;
    let mut pending: HashMap<IssuerId, Pending<'_>> = (behind.into_iter())
        .map(|(issuer, since)| (issuer.id, Pending::new(issuer, since)))
        .collect();
    let mut masked = 0_u64;
    for Pending { issuer, since, .. } in pending.values() {
        masked = masked.saturating_add(mask_older_epoch(shared, &snapshot, issuer, *since)?);
    }
    for applied in snapshot.applied_since(since)? {
        let applied = applied?;
        if shared.stopping() {
            return Ok(());
        }
        let Some(Pending {
            issuer,
            since,
            changes,
        }) = pending.get_mut(&applied.issuer)
        else {
            continue;
        };
        if applied.record.sequence <= *since {
            continue;
        }
        masked = masked.saturating_add(1);
        shared.shown.note(shown(&applied).into_iter());
        changes.push(mask_entry(&applied));
        if changes.len() >= BATCH {
            let changes = std::mem::take(changes);
            shared.publish(&[Publication::Mask {
                issuer: issuer.id,
                changes,
            }])?;
            if shared.overlay_len(issuer) > OVERLAY_ENTRIES_MAX {
                // Of this issuer, nothing up to here is missing any more.
                seal(shared, issuer, applied.record.sequence)?;
            }
        }
    }
    let as_of = snapshot.last_sequence();
    let publications: Vec<Publication> = pending
        .into_iter()
        .flat_map(|(issuer, Pending { changes, .. })| {
            [
                Publication::Mask { issuer, changes },
                Publication::CaughtUp { issuer, as_of },
            ]
        })
        .collect();
    shared.publish(&publications)?;
    shared.renewal_wake.notify();
    let took_ms = started.elapsed().as_millis();
    tracing::info!(changes = masked, took_ms, "caught up with the ledger");
    Ok(())
}

/// Masks what the answers of an earlier epoch show otherwise than a restored ledger has it from before: a
/// hold that had ended after the backup. No entry of the ledger tells of those; all others are entries of
/// the new epoch. Gives how many there were.
fn mask_older_epoch(
    shared: &Shared,
    ledger: &LedgerSnapshot,
    issuer: &Issuer,
    since: u64,
) -> Result<u64, AuthorityError> {
    let epoch = ledger.epochs().last();
    let catalog = shared.catalog.snapshot();
    let view = catalog.issuer_by_id(&issuer.id);
    let Some(view) =
        view.filter(|_| epoch.number > 1 && (1..epoch.first_sequence).contains(&since))
    else {
        return Ok(0);
    };
    let mut changes = Vec::new();
    let mut masked = 0_u64;
    for row in ledger.revoked(&issuer.id)? {
        let RevokedRecord {
            serial,
            sequence,
            revocation,
            ..
        } = row?;
        let status = revocation_status(&revocation);
        let shown = match view.in_segments(serial.as_bytes()) {
            Finding::Segment { record, .. } => Some(record.status()),
            _ => None,
        };
        if sequence >= epoch.first_sequence || shown == Some(status) {
            continue;
        }
        masked = masked.saturating_add(1);
        changes.push(MaskEntry {
            serial,
            sequence: epoch.first_sequence,
            status,
        });
        if changes.len() >= BATCH {
            publish_masks(shared, issuer, std::mem::take(&mut changes))?;
        }
    }
    publish_masks(shared, issuer, changes)?;
    Ok(masked)
}

fn publish_masks(
    shared: &Shared,
    issuer: &Issuer,
    changes: Vec<MaskEntry>,
) -> Result<(), AuthorityError> {
    let issuer = issuer.id;
    shared.publish(&[Publication::Mask { issuer, changes }])
}

/// What has to be masked of one issuer.
struct Pending<'a> {
    issuer: &'a Arc<Issuer>,
    /// Up to here its segments lack nothing.
    since: u64,
    changes: Vec<MaskEntry>,
}

impl<'a> Pending<'a> {
    const fn new(issuer: &'a Arc<Issuer>, since: u64) -> Self {
        Self {
            issuer,
            since,
            changes: Vec::new(),
        }
    }
}

/// The issuers that are catching up, with the sequence that their segments include.
///
/// Without those that have no answers to protect: of an issuer that was never signed, masks would say
/// what the live signer says without them. It is left to the renewal, which has far more to do for it,
/// and is caught up with when that is done.
fn behind(shared: &Shared) -> Result<Vec<(&Arc<Issuer>, u64)>, AuthorityError> {
    let mut behind = Vec::new();
    let catalog = shared.catalog.snapshot();
    let ledger = shared.ledger.snapshot()?;
    for issuer in shared.issuers.iter() {
        let catching_up = catalog
            .issuer_by_id(&issuer.id)
            .is_some_and(|view| view.caught_up().is_none());
        if catching_up {
            let since = lacks_since(&ledger, &catalog, issuer)?;
            let left =
                since == Some(0) && ledger.record_count(&issuer.id)? > SIGNED_RATHER_THAN_MASKED;
            // Before the ledger's snapshot is taken: a change that the snapshot has not is masked by
            // its commit, which looks here after it is written.
            issuer.leave_to_renewal(left);
            if left {
                continue;
            }
            behind.push((
                issuer,
                since.map_or_else(|| shared.ledger.last_sequence(), Ok)?,
            ));
        }
    }
    Ok(behind)
}

/// The sequence after which the catalog lacks an issuer's changes; `None` for an issuer without
/// certificates, which lacks nothing.
fn lacks_since(
    ledger: &LedgerSnapshot,
    catalog: &Snapshot,
    issuer: &Issuer,
) -> Result<Option<u64>, AuthorityError> {
    if ledger.record_count(&issuer.id)? == 0 {
        return Ok(None);
    }
    let view = catalog.issuer_by_id(&issuer.id);
    Ok(Some(view.map_or(0, |view| view.included_up_to())))
}

/// Up to so many certificates masks fit the overlay, and are there in a fraction of a second.
const SIGNED_RATHER_THAN_MASKED: u64 = 65_536;
/// Masks published together.
const BATCH: usize = 8_192;
