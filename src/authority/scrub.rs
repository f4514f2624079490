//! Reads every segment again and again, so that damage is found before a client meets it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::runtime::{Shared, Wake};
use crate::segment::{Scrub, Segment};

/// Runs until told to stop.
pub(super) fn run(shared: &Shared, wake: &Wake) {
    while !shared.stopping() {
        let segments: Vec<Arc<Segment>> = shared
            .catalog
            .snapshot()
            .issuers()
            .iter()
            .flat_map(|issuer| issuer.segments().cloned())
            .collect();
        for segment in segments {
            check(shared, wake, &segment);
            // Asked here: the check may have heard the bell that calls to stop.
            if shared.stopping() {
                return;
            }
        }
        wake.wait(ROUND);
    }
}

fn check(shared: &Shared, wake: &Wake, segment: &Segment) {
    let started = Instant::now();
    let mut read = 0_u64;
    let verdict = Segment::scrub(segment.path(), segment.sha256(), |octets| {
        read = read.saturating_add(u64::try_from(octets).unwrap_or(u64::MAX));
        let due = Duration::from_millis(read / OCTETS_PER_MS);
        if let Some(early) = due
            .checked_sub(started.elapsed())
            .filter(|early| *early > PAUSE_MIN)
        {
            wake.wait(early);
        }
        !shared.stopping()
    });
    let damage = match verdict {
        Ok(Scrub::Intact | Scrub::Stopped) => return,
        Ok(Scrub::Damaged { damage, .. }) => damage
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        // Replaced and removed while it was its turn.
        Err(_) if !shared.serves(segment) => return,
        Err(error) => error.to_string(),
    };
    shared.counters.quarantined.fetch_add(1, Ordering::Relaxed);
    tracing::error!(segment = %segment.path().display(), damage, "a segment is damaged: it is taken \
        out, its certificates are answered live until it is signed again; check the disk");
    if let Err(error) = shared.catalog.quarantine(segment.sha256()) {
        tracing::error!(%error, "the damaged segment could not be taken out");
    }
    shared.keeper_wake.notify();
    shared.renewal_wake.notify();
}

/// A gentle pace: 16 MiB a second, a million certificates in eleven.
const OCTETS_PER_MS: u64 = 16 * 1024;
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// From the end of one round to the next.
const ROUND: Duration = Duration::from_secs(3_600);
