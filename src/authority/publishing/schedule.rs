//! The thread that makes CRLs when they are due.

use std::time::Duration;

use super::board::Line;
use super::{Publishing, may_publish};
use crate::asn1::UnixTime;
use crate::authority::Issuer;
use crate::authority::runtime::{Shared, Wake};
use crate::catalog::crls::CrlKind;
use crate::publish::Wanted;

/// Runs until told to stop.
pub(in crate::authority) fn run(shared: &Shared, wake: &Wake) {
    // Nobody waits for it: answers and changes go first. Refused, it works as it is.
    let _result = rustix::process::nice(10);
    let Some(publishing) = shared.publishing.get() else {
        return;
    };
    if let Err(error) = publishing.drop_what_is_not_configured() {
        tracing::error!("CRLs that are not configured any more stay in service: {error}");
    }
    publishing.note_what_came_meanwhile(shared);
    while !shared.stopping() {
        let mut pause = LOOK;
        if let Err(error) = publishing.tell_again() {
            tracing::error!("CRLs could not be brought into service: {error}");
            pause = RETELL;
        }
        for issuer in shared.issuers.iter() {
            pause = pause.min(publishing.make_what_is_due(shared, issuer));
        }
        wake.wait(pause);
    }
}

/// The longest pause: a clock that was set is noticed.
const LOOK: Duration = Duration::from_secs(15);
/// The pause after a listing could not be told of.
const RETELL: Duration = Duration::from_secs(1);
/// Where something is about to end.
const LOOK_SOON: Duration = Duration::from_millis(200);
/// The shortest.
const LOOK_MIN: Duration = Duration::from_millis(5);

impl Publishing {
    /// What changed after the last CRLs and before this start.
    fn note_what_came_meanwhile(&self, shared: &Shared) {
        let listing = self.shelf().listing();
        for issuer in shared.issuers.iter() {
            let editions = listing.editions.iter();
            let own = editions
                .filter(|edition| edition.issuer == issuer.name && edition.kind != CrlKind::Base);
            let Some(oldest) = own.map(|edition| edition.as_of).min() else {
                continue;
            };
            let changed = self.publisher.has_changed_since(&issuer.id, oldest);
            // What cannot be told is made anew.
            if changed.unwrap_or(true) {
                self.changed_as_a_whole(&issuer.id);
            }
        }
    }

    /// Gives how long until the next look at this issuer.
    fn make_what_is_due(&self, shared: &Shared, issuer: &Issuer) -> Duration {
        let Some(settings) = &issuer.crl else {
            return LOOK;
        };
        let Ok(now) = self.publisher.now() else {
            // The clock is not trusted, which is told elsewhere.
            return LOOK;
        };
        if self.has_ended(issuer) {
            for line in [Line::Full, Line::Delta, Line::Shards] {
                self.board.take(&issuer.id, line);
            }
            return LOOK;
        }
        let monotonic = self.clock.monotonic();
        if let Some(pause) = self.waits(shared, issuer, monotonic) {
            return pause;
        }
        let mut pause = LOOK;
        let full_waits = self
            .board
            .retry_at(&issuer.id, Line::Full)
            .saturating_sub(monotonic);
        if !full_waits.is_zero() {
            // Deltas are made meanwhile.
            pause = pause.min(full_waits);
        }
        let mut due = self.due(issuer, now, !full_waits.is_zero());
        let delta = settings.delta.as_ref();
        let shards = settings.shards.as_ref();
        let changes = [
            (Line::Full, settings.after_revocation),
            (Line::Delta, delta.and_then(|delta| delta.after_revocation)),
            (
                Line::Shards,
                shards.and_then(|shards| shards.after_revocation),
            ),
        ];
        for (line, after) in changes {
            let (Some((changed_at, shards)), Some(after)) =
                (self.board.waiting(&issuer.id, line), after)
            else {
                continue;
            };
            let left = changed_at.saturating_add(after).saturating_sub(monotonic);
            if line == Line::Full && !full_waits.is_zero() {
                continue;
            }
            if left.is_zero() {
                add(&mut due, line, shards);
            } else {
                pause = pause.min(left);
            }
        }
        for wanted in due {
            if shared.stopping() {
                return LOOK;
            }
            let line = line(&wanted);
            let wait = self
                .board
                .retry_at(&issuer.id, line)
                .saturating_sub(self.clock.monotonic());
            if !wait.is_zero() {
                pause = pause.min(wait);
                continue;
            }
            pause = pause.min(self.make_one(issuer, &wanted, line));
        }
        pause.min(self.until_next(issuer, now)).max(LOOK_MIN)
    }

    /// How long until the next look, where nothing can be made now.
    fn waits(&self, shared: &Shared, issuer: &Issuer, monotonic: Duration) -> Option<Duration> {
        if let Err((_, why)) = may_publish(issuer) {
            self.board
                .waits(&issuer.id, format!("issuer {:?}: {why}", issuer.name));
            return Some(LOOK);
        }
        match self.waits_for_entries(issuer) {
            Ok(Some(why)) => {
                self.board.waits(&issuer.id, why);
                return Some(LOOK_SOON);
            }
            Ok(None) => {}
            // Told where the CRL is to be made.
            Err(_) => return None,
        }
        let listing = self.shelf().listing();
        let is_first = listing.edition(&issuer.name, CrlKind::Full).is_none();
        // Half an import is no list of all that is revoked.
        (is_first && !shared.bustle.is_settled(monotonic)).then_some(LOOK_SOON)
    }

    fn make_one(&self, issuer: &Issuer, wanted: &Wanted, line: Line) -> Duration {
        // A full one comes with a delta.
        let lines = match line {
            Line::Full => &[Line::Full, Line::Delta][..],
            Line::Delta => &[Line::Delta],
            Line::Shards => &[Line::Shards],
        };
        // Before the snapshot: what comes from now on waits for the next.
        let mut waiting = Vec::new();
        for line in lines {
            waiting.extend(
                self.board
                    .waiting(&issuer.id, *line)
                    .map(|found| (*line, found)),
            );
            self.board.take(&issuer.id, *line);
        }
        match self.make(issuer, wanted, false) {
            Ok(_) => LOOK,
            Err(error) => {
                for (line, found) in waiting {
                    self.board.put_back(&issuer.id, line, found);
                }
                let now = self.clock.monotonic();
                if self.is_key_away(&issuer.id) {
                    let problem = error.to_string();
                    let (pause, is_news) = self.board.key_is_away(&issuer.id, line, problem, now);
                    if is_news {
                        tracing::error!(
                            "no CRL was made, and what was there before stays until its key is back: {error}"
                        );
                    }
                    return pause;
                }
                let pause = self.board.failed(&issuer.id, line, error.to_string(), now);
                tracing::error!(
                    "no CRL was made, and what was there before stays: {error}; the next attempt is in {} s",
                    pause.as_secs()
                );
                pause
            }
        }
    }

    /// How long until something of an issuer is due by its schedule.
    fn until_next(&self, issuer: &Issuer, now: UnixTime) -> Duration {
        let listing = self.shelf().listing();
        let editions = listing.editions.iter();
        let own = editions.filter(|edition| edition.issuer == issuer.name);
        let next = own.map(|edition| edition.next_due).min();
        // What is overdue waits for its next attempt, which has its own pause.
        next.filter(|next| *next > now)
            .map_or(LOOK, |next| next.since(now))
    }
}

fn line(wanted: &Wanted) -> Line {
    match wanted {
        Wanted::Full | Wanted::Last => Line::Full,
        Wanted::Delta => Line::Delta,
        Wanted::Shards(_) => Line::Shards,
    }
}

/// Adds what changes ask for to what the schedule does.
fn add(due: &mut Vec<Wanted>, line: Line, shards: Vec<u32>) {
    match line {
        Line::Full if !due.contains(&Wanted::Full) => {
            // It comes with a delta.
            due.retain(|wanted| *wanted != Wanted::Delta);
            due.insert(0, Wanted::Full);
        }
        Line::Delta if !due.contains(&Wanted::Full) && !due.contains(&Wanted::Delta) => {
            due.push(Wanted::Delta);
        }
        Line::Full | Line::Delta => {}
        Line::Shards => {
            let scheduled = due.iter_mut().find_map(|wanted| match wanted {
                Wanted::Shards(scheduled) => Some(scheduled),
                _ => None,
            });
            match scheduled {
                None => due.push(Wanted::Shards(shards)),
                Some(scheduled) => {
                    scheduled.extend(shards);
                    scheduled.sort_unstable();
                    scheduled.dedup();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_ask_for_joins_what_is_scheduled() {
        let mut due = vec![Wanted::Delta, Wanted::Shards(vec![3])];
        add(&mut due, Line::Full, vec![]);
        add(&mut due, Line::Delta, vec![]);
        add(&mut due, Line::Shards, vec![1, 3]);
        assert_eq!(due, [Wanted::Full, Wanted::Shards(vec![1, 3])]);
        let mut due = Vec::new();
        add(&mut due, Line::Delta, vec![]);
        add(&mut due, Line::Shards, vec![2]);
        assert_eq!(due, [Wanted::Delta, Wanted::Shards(vec![2])]);
    }
}
