//! What is known of the making of CRLs: which changes wait for one, and what went wrong.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::asn1::UnixTime;
use crate::authority::Issuer;
use crate::catalog::crls::{CrlKind, CrlListing};
use crate::config;
use crate::identity::IssuerId;

/// CRLs of an issuer that are made together.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Line {
    Full,
    Delta,
    Shards,
}

/// The lines of all issuers.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<HashMap<(IssuerId, Line), State>>);

#[derive(Clone, Debug, Default)]
struct State {
    /// The first change that waits, by the monotonic clock.
    changed_at: Option<Duration>,
    /// The shards that it and later ones are in.
    shards: BTreeSet<u32>,
    failures: u32,
    /// Not again before, by the monotonic clock.
    retry_at: Duration,
    problem: Option<String>,
}

impl Board {
    /// Notes a change; true when none was waiting before.
    pub(super) fn changed(
        &self,
        issuer: &IssuerId,
        settings: &config::Crl,
        shard: Option<u32>,
        now: Duration,
    ) -> bool {
        let mut states = self.states();
        let mut is_news = false;
        let mut note = |line, after: Option<Duration>, shard: Option<u32>| {
            if after.is_none() {
                return;
            }
            let state = states.entry((*issuer, line)).or_default();
            is_news |= state.changed_at.is_none();
            state.changed_at.get_or_insert(now);
            is_news |= shard.is_some_and(|shard| state.shards.insert(shard));
        };
        note(Line::Full, settings.after_revocation, None);
        if let Some(delta) = &settings.delta {
            note(Line::Delta, delta.after_revocation, None);
        }
        if let (Some(shards), Some(shard)) = (&settings.shards, shard) {
            note(Line::Shards, shards.after_revocation, Some(shard));
        }
        is_news
    }

    /// When the first change of a line was noted, and in which shards changes are.
    pub(super) fn waiting(&self, issuer: &IssuerId, line: Line) -> Option<(Duration, Vec<u32>)> {
        let states = self.states();
        let state = states.get(&(*issuer, line))?;
        Some((state.changed_at?, state.shards.iter().copied().collect()))
    }

    /// Takes the changes that a CRL will have: those noted before its snapshot is taken.
    pub(super) fn take(&self, issuer: &IssuerId, line: Line) {
        if let Some(state) = self.states().get_mut(&(*issuer, line)) {
            state.changed_at = None;
            state.shards.clear();
        }
    }

    /// Puts changes back that no CRL came to have.
    pub(super) fn put_back(&self, issuer: &IssuerId, line: Line, waiting: (Duration, Vec<u32>)) {
        let mut states = self.states();
        let state = states.entry((*issuer, line)).or_default();
        let (changed_at, shards) = waiting;
        let earlier = state.changed_at.map_or(changed_at, |at| at.min(changed_at));
        state.changed_at = Some(earlier);
        state.shards.extend(shards);
    }

    /// None can be made for a reason that is no failure.
    pub(super) fn waits(&self, issuer: &IssuerId, why: String) {
        let mut states = self.states();
        states.entry((*issuer, Line::Full)).or_default().problem = Some(why);
    }

    /// A CRL was made.
    pub(super) fn made(&self, issuer: &IssuerId, line: Line) {
        if let Some(state) = self.states().get_mut(&(*issuer, line)) {
            state.failures = 0;
            state.retry_at = Duration::ZERO;
            state.problem = None;
        }
    }

    /// None was made since its key is away. Gives how long to wait until the next attempt, always the same
    /// short while, and whether that is news.
    pub(super) fn key_is_away(
        &self,
        issuer: &IssuerId,
        line: Line,
        problem: String,
        now: Duration,
    ) -> (Duration, bool) {
        let mut states = self.states();
        let state = states.entry((*issuer, line)).or_default();
        let is_news = state.problem.as_ref() != Some(&problem);
        state.retry_at = now.saturating_add(AWAY_RETRY);
        state.problem = Some(problem);
        (AWAY_RETRY, is_news)
    }

    /// None was made; gives how long to wait until the next attempt.
    pub(super) fn failed(
        &self,
        issuer: &IssuerId,
        line: Line,
        problem: String,
        now: Duration,
    ) -> Duration {
        let mut states = self.states();
        let state = states.entry((*issuer, line)).or_default();
        state.failures = state.failures.saturating_add(1);
        let doublings = state.failures.saturating_sub(1).min(16);
        let pause = RETRY.saturating_mul(1 << doublings).min(RETRY_MAX);
        state.retry_at = now.saturating_add(pause);
        state.problem = Some(problem);
        pause
    }

    /// Not before this is another attempt to be made.
    pub(super) fn retry_at(&self, issuer: &IssuerId, line: Line) -> Duration {
        let states = self.states();
        states
            .get(&(*issuer, line))
            .map_or(Duration::ZERO, |state| state.retry_at)
    }

    pub(super) fn stats(
        &self,
        issuer: &Issuer,
        listing: &CrlListing,
        now: UnixTime,
    ) -> Vec<PublishedCrlStats> {
        let Some(settings) = &issuer.crl else {
            return Vec::new();
        };
        let states = self.states();
        let one = |kind: CrlKind, line: Line, url: String| {
            let edition = listing.edition(&issuer.name, kind);
            let state = states.get(&(issuer.id, line));
            PublishedCrlStats {
                kind,
                url,
                number: edition.map(|edition| edition.number),
                this_update: edition.map(|edition| edition.this_update.to_string()),
                next_update: edition.map(|edition| edition.next_update.to_string()),
                next_due: edition.map(|edition| edition.next_due.to_string()),
                ended: edition.is_some_and(|edition| edition.next_update <= now),
                entries: edition.map_or(0, |edition| edition.entries),
                octets: edition.map_or(0, |edition| edition.octets),
                as_of: edition.map_or(0, |edition| edition.as_of),
                problem: state.and_then(|state| state.problem.clone()),
            }
        };
        let mut all = vec![one(CrlKind::Full, Line::Full, settings.url.clone())];
        if let Some(delta) = &settings.delta {
            all.push(one(CrlKind::Delta, Line::Delta, delta.url.clone()));
        }
        if let Some(shards) = &settings.shards {
            let shards = (0_u32..).zip(shards.urls());
            all.extend(shards.map(|(shard, url)| one(CrlKind::Shard(shard), Line::Shards, url)));
        }
        all
    }

    fn states(&self) -> MutexGuard<'_, HashMap<(IssuerId, Line), State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const RETRY: Duration = Duration::from_secs(1);
const AWAY_RETRY: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(5 * 60);

/// A CRL that is made here.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PublishedCrlStats {
    /// Which of the issuer's.
    pub kind: CrlKind,
    /// Where it is.
    pub url: String,
    /// CRLNumber of the current one; `None` while there is none.
    pub number: Option<u64>,
    /// thisUpdate of the current one, RFC 3339.
    pub this_update: Option<String>,
    /// nextUpdate of the current one, RFC 3339.
    pub next_update: Option<String>,
    /// When the next one is due by its schedule, RFC 3339.
    pub next_due: Option<String>,
    /// Whether the current one has ended.
    pub ended: bool,
    /// How many entries the current one has.
    pub entries: u64,
    /// Its length.
    pub octets: u64,
    /// The last ledger entry that it speaks for.
    pub as_of: u64,
    /// Why none could be made the last time, if so.
    pub problem: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn changes_wait_for_what_is_made_after_them() {
        let issuer = IssuerId::from_bytes([1; 32]);
        let board = Board::default();
        let secs = Duration::from_secs;
        let settings = config::Crl {
            delta: Some(config::DeltaCrl {
                after_revocation: Some(secs(5)),
                ..config::DeltaCrl::new("http://crl.example/d")
            }),
            shards: Some(config::CrlShards {
                after_revocation: Some(secs(9)),
                ..config::CrlShards::new("http://crl.example/{shard}", 4)
            }),
            ..config::Crl::new("http://crl.example/f", Path::new("ca.key"))
        };
        assert!(board.changed(&issuer, &settings, Some(2), secs(10)));
        assert!(!board.changed(&issuer, &settings, Some(2), secs(11)));
        assert!(board.changed(&issuer, &settings, Some(0), secs(12)));
        assert_eq!(board.waiting(&issuer, Line::Full), None);
        let waiting = board.waiting(&issuer, Line::Delta);
        assert_eq!(waiting, Some((secs(10), vec![])));
        let waiting = board.waiting(&issuer, Line::Shards);
        assert_eq!(waiting, Some((secs(10), vec![0, 2])));
        let taken = board.waiting(&issuer, Line::Shards).unwrap();
        board.take(&issuer, Line::Shards);
        assert_eq!(board.waiting(&issuer, Line::Shards), None);
        board.changed(&issuer, &settings, Some(1), secs(20));
        board.put_back(&issuer, Line::Shards, taken);
        let waiting = board.waiting(&issuer, Line::Shards);
        assert_eq!(waiting, Some((secs(10), vec![0, 1, 2])));
        assert!(board.waiting(&issuer, Line::Delta).is_some());
    }

    #[test]
    fn pauses_grow_to_five_minutes_and_end_with_success() {
        let issuer = IssuerId::from_bytes([1; 32]);
        let board = Board::default();
        let fail = || board.failed(&issuer, Line::Full, "no".to_owned(), Duration::ZERO);
        assert_eq!(fail(), Duration::from_secs(1));
        assert_eq!(fail(), Duration::from_secs(2));
        for _ in 0..100 {
            fail();
        }
        assert_eq!(fail(), Duration::from_secs(300));
        assert_eq!(
            board.retry_at(&issuer, Line::Full),
            Duration::from_secs(300)
        );
        board.made(&issuer, Line::Full);
        assert_eq!(board.retry_at(&issuer, Line::Full), Duration::ZERO);
        assert_eq!(fail(), Duration::from_secs(1));
    }
}
