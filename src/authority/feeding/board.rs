//! How the feeds are: what `stats` shows, and whether an issuer has gone stale.
//!
//! A feed with `stale_after` is fresh for so long after its last success; one that never succeeded, for
//! so long after it was configured. Time is counted by the clock that nobody can set; over a restart by
//! the wall, and a success that lies ahead of the wall is not believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::asn1::UnixTime;
use crate::clock::Clock;
use crate::config::{Feed, FeedKind};
use crate::feed::ImportReport;
use crate::feed::live::{FeedError, FeedErrorKind, FeedKey, LeftOut, Polled, PolledChange};
use crate::identity::IssuerId;

use super::health::{FeedFault, FeedHealth, FeedState};
use super::memory::{Kept, KeptFeed};

/// The state of every configured feed. Shared by whoever polls, is pushed to, or looks.
pub struct FeedBoard {
    clock: Arc<dyn Clock>,
    rows: Mutex<BTreeMap<FeedKey, Row>>,
    /// Called when a feed succeeded that was stale.
    on_fresh: Box<dyn Fn() + Send + Sync>,
}

/// How often a feed was polled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Polls {
    /// Polls that came to their end, whichever.
    pub(super) ended: u64,
    /// Whether another is under way.
    pub(super) is_running: bool,
}

/// One feed.
#[derive(Clone, Debug)]
struct Row {
    issuer: IssuerId,
    kind: FeedKind,
    interval: Option<Duration>,
    stale_after: Option<Duration>,
    /// When it was configured first, and its last success.
    since: UnixTime,
    last_success: Option<UnixTime>,
    /// When it is stale, by the monotonic clock; `None` for never.
    stale_at: Option<Duration>,
    last_attempt: Option<UnixTime>,
    polling_since: Option<UnixTime>,
    next: Option<UnixTime>,
    polls: u64,
    failures: u64,
    fault: Option<FeedFault>,
    evidence: Option<UnixTime>,
    applied: u64,
    unchanged: u64,
    reconciled: u64,
    missing: u64,
    left_out: LeftOut,
    notes: Vec<String>,
}

impl FeedBoard {
    /// These feeds, none of which was looked at yet. `kept` is what was known of them when the server
    /// stopped; `on_fresh` is called when a feed succeeded that was stale.
    pub(super) fn new<'a>(
        feeds: impl IntoIterator<Item = (FeedKey, IssuerId, &'a Feed)>,
        clock: Arc<dyn Clock>,
        kept: &Kept,
        on_fresh: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let (now, monotonic) = (clock.now(), clock.monotonic());
        let rows = feeds.into_iter().map(|(key, issuer, feed)| {
            let known = kept.feed(&issuer, feed.name());
            (key, Row::new(issuer, feed, known, now, monotonic))
        });
        Self {
            rows: Mutex::new(rows.collect()),
            clock,
            on_fresh: Box::new(on_fresh),
        }
    }

    /// Notes that a poll begins.
    pub fn begins(&self, key: &FeedKey) {
        let now = self.clock.now();
        if let Some(row) = self.rows().get_mut(key) {
            row.last_attempt = Some(now);
            row.polling_since = Some(now);
        }
    }

    /// Notes what a poll saw, or what came of a batch that was pushed. `next` is when it is looked at
    /// again, if that is known.
    pub fn succeeded(&self, key: &FeedKey, polled: &Polled, next: Option<UnixTime>) {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let mut rows = self.rows();
        let Some(row) = rows.get_mut(key) else { return };
        let was_stale = !polled.is_partial && row.is_stale(monotonic);
        if row.failures > 0 && !polled.is_partial {
            tracing::info!(
                issuer = key.issuer,
                feed = key.feed,
                failures = row.failures,
                "the feed works again"
            );
        }
        row.last_attempt = Some(now);
        row.polling_since = None;
        row.polls = row.polls.saturating_add(1);
        row.next = next;
        // With more to read, what is still to come may be the revocation that somebody asks about.
        if !polled.is_partial {
            row.last_success = Some(now);
            row.stale_at = (row.stale_after).map(|after| monotonic.saturating_add(after));
            row.failures = 0;
            row.fault = None;
        }
        row.evidence = polled.evidence.or(row.evidence);
        row.note(key, &polled.notes);
        if let Some(left_out) = &polled.left_out {
            row.leave_out(key, left_out);
        }
        match &polled.change {
            PolledChange::Unchanged => row.unchanged = row.unchanged.saturating_add(1),
            PolledChange::Imported(report) => row.take(key, report),
        }
        drop(rows);
        if was_stale {
            (self.on_fresh)();
        }
    }

    /// Notes a batch that a client pushed: how many entries were applied, said nothing new, were refused.
    /// Batches come by the hundred a second, so there is no line in the log for each.
    pub fn pushed(&self, key: &FeedKey, [applied, unchanged, refused]: [u64; 3]) {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let mut rows = self.rows();
        let Some(row) = rows.get_mut(key) else { return };
        let was_stale = row.is_stale(monotonic);
        row.last_attempt = Some(now);
        row.last_success = Some(now);
        row.stale_at = (row.stale_after).map(|after| monotonic.saturating_add(after));
        row.evidence = Some(now);
        row.applied = row.applied.saturating_add(applied);
        row.unchanged = row.unchanged.saturating_add(unchanged);
        // As of a poll: those of the last batch.
        row.left_out = LeftOut {
            count: refused,
            first: None,
        };
        drop(rows);
        if was_stale {
            (self.on_fresh)();
        }
    }

    /// Notes that a poll failed, or that what was pushed was not taken.
    pub fn failed(&self, key: &FeedKey, error: &FeedError, next: Option<UnixTime>) {
        let now = self.clock.now();
        let mut rows = self.rows();
        let Some(row) = rows.get_mut(key) else { return };
        row.last_attempt = Some(now);
        row.polling_since = None;
        row.polls = row.polls.saturating_add(1);
        if error.kind == FeedErrorKind::Stopped {
            return;
        }
        row.next = next;
        row.failures = row.failures.saturating_add(1);
        // One part of it failed, and others did not.
        row.note(key, &error.notes);
        if let Some(report) = &error.brought {
            row.take(key, report);
        }
        // One line for each change, not for each poll.
        if row
            .fault
            .as_ref()
            .is_none_or(|known| known.kind != error.kind)
        {
            tracing::warn!(
                issuer = key.issuer,
                feed = key.feed,
                kind = error.kind.name(),
                "the feed failed: {error}"
            );
        }
        row.fault = Some(FeedFault {
            kind: error.kind,
            message: error.message.clone(),
        });
    }

    /// Polls of a feed since the start.
    pub(super) fn polls(&self, key: &FeedKey) -> Polls {
        let rows = self.rows();
        let polls = rows.get(key).map(|row| Polls {
            ended: row.polls,
            is_running: row.polling_since.is_some(),
        });
        polls.unwrap_or_default()
    }

    /// How many polls of a feed failed since the last one that worked.
    pub(super) fn failures(&self, key: &FeedKey) -> u64 {
        self.rows().get(key).map_or(0, |row| row.failures)
    }

    /// How every feed is, in the order of issuers' and feeds' names.
    #[must_use]
    pub fn health(&self) -> Vec<FeedHealth> {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let rows = self.rows();
        rows.iter()
            .map(|(key, row)| row.health(key, now, monotonic))
            .collect()
    }

    /// The issuers of which a feed is stale.
    pub(super) fn stale_issuers(&self) -> BTreeSet<IssuerId> {
        let monotonic = self.clock.monotonic();
        let rows = self.rows();
        let stale = rows.values().filter(|row| row.is_stale(monotonic));
        stale.map(|row| row.issuer).collect()
    }

    /// How long until a feed goes stale that is fresh; `None` when none can.
    pub(super) fn until_next_stale(&self) -> Option<Duration> {
        let monotonic = self.clock.monotonic();
        let rows = self.rows();
        let deadlines = rows.values().filter_map(|row| row.stale_at);
        let ahead = deadlines.filter(|deadline| *deadline > monotonic).min()?;
        Some(ahead.saturating_sub(monotonic))
    }

    /// What is kept for the next start.
    pub(super) fn to_keep(&self) -> Vec<(IssuerId, String, KeptFeed)> {
        let rows = self.rows();
        rows.iter()
            .filter(|(_, row)| row.stale_after.is_some())
            .map(|(key, row)| {
                let kept = KeptFeed {
                    since: row.since,
                    last_success: row.last_success,
                };
                (row.issuer, key.feed.clone(), kept)
            })
            .collect()
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<FeedKey, Row>> {
        // Each row is whole between two statements.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    fn new(
        issuer: IssuerId,
        feed: &Feed,
        known: KeptFeed,
        now: UnixTime,
        monotonic: Duration,
    ) -> Self {
        let trusted = known.last_success.unwrap_or(known.since);
        let stale_at = |stale_after: Duration| {
            // What lies ahead of the wall was said by another clock.
            let left = if trusted <= now {
                stale_after.saturating_sub(now.since(trusted))
            } else {
                Duration::ZERO
            };
            monotonic.saturating_add(left)
        };
        Self {
            issuer,
            kind: feed.kind(),
            interval: feed.interval(),
            stale_after: feed.stale_after(),
            since: known.since,
            last_success: known.last_success,
            stale_at: feed.stale_after().map(stale_at),
            last_attempt: None,
            polling_since: None,
            next: None,
            polls: 0,
            failures: 0,
            fault: None,
            evidence: None,
            applied: 0,
            unchanged: 0,
            reconciled: 0,
            missing: 0,
            left_out: LeftOut::default(),
            notes: Vec::new(),
        }
    }

    fn is_stale(&self, monotonic: Duration) -> bool {
        self.stale_at.is_some_and(|deadline| deadline <= monotonic)
    }

    /// Tells what is new among these notes, and shows them.
    fn note(&mut self, key: &FeedKey, notes: &[String]) {
        for note in notes {
            if !self.notes.contains(note) {
                tracing::info!(issuer = key.issuer, feed = key.feed, "{note}");
            }
        }
        if !notes.is_empty() {
            self.notes = notes.to_vec();
            self.notes.truncate(NOTES_MAX);
        }
    }

    /// Counts what was imported, and tells what an operator must know of it, once.
    fn take(&mut self, key: &FeedKey, report: &ImportReport) {
        let FeedKey { issuer, feed } = key;
        self.applied = self.applied.saturating_add(report.applied);
        if report.applied > 0 || report.released > 0 {
            tracing::info!(
                issuer,
                feed,
                applied = report.applied,
                released = report.released,
                "taken from the feed"
            );
        }
        if report.missing > 0 && report.missing != self.missing {
            tracing::warn!(
                issuer,
                feed,
                missing = report.missing,
                "certificates that are revoked are not on the newest CRL; they stay revoked"
            );
        }
        self.missing = report.missing;
        let reconciled = report.reconciled;
        if reconciled > 0 {
            tracing::warn!(
                issuer,
                feed,
                reconciled,
                "certificates on the CRL were good until now: another feed of this issuer lost them"
            );
        }
        self.reconciled = self.reconciled.saturating_add(reconciled);
    }

    /// Notes what of the source cannot be used, and tells it when it is something else than before.
    fn leave_out(&mut self, key: &FeedKey, left_out: &LeftOut) {
        let FeedKey { issuer, feed } = key;
        if left_out.count > 0 && *left_out != self.left_out {
            tracing::warn!(
                issuer,
                feed,
                left_out = left_out.count,
                first = left_out.first.as_deref().unwrap_or_default(),
                "some of the feed cannot be used and is left out; the rest is taken"
            );
        }
        self.left_out.clone_from(left_out);
    }

    fn health(&self, key: &FeedKey, now: UnixTime, monotonic: Duration) -> FeedHealth {
        let secs = |duration: Duration| duration.as_secs();
        let age = |time: UnixTime| now.since(time).as_secs();
        let stale = self.is_stale(monotonic);
        FeedHealth {
            issuer: key.issuer.clone(),
            name: key.feed.clone(),
            kind: self.kind.name().to_owned(),
            state: match (&self.fault, self.last_attempt, self.last_success) {
                _ if stale => FeedState::Stale,
                (Some(_), ..) => FeedState::Failing,
                (None, None, _) => FeedState::Waiting,
                (None, Some(_), None) => FeedState::Waiting,
                (None, Some(_), Some(_)) => FeedState::Fine,
            },
            last_attempt: self.last_attempt.map(|time| time.to_string()),
            last_success: self.last_success.map(|time| time.to_string()),
            last_success_age_secs: self.last_success.map(age),
            polling_secs: self.polling_since.map(age),
            next_attempt: self.next.map(|time| time.to_string()),
            interval_secs: self.interval.map(|interval| interval.as_secs_f64()),
            stale_after_secs: self.stale_after.map(secs),
            failures: self.failures,
            fault: self.fault.clone(),
            evidence: self.evidence.map(|time| time.to_string()),
            evidence_age_secs: self.evidence.map(age),
            applied: self.applied,
            unchanged: self.unchanged,
            left_out: self.left_out.count,
            first_left_out: self.left_out.first.clone(),
            reconciled: self.reconciled,
            missing: self.missing,
            notes: self.notes.clone(),
        }
    }
}

/// So many notes of a feed are shown.
const NOTES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::clock::ManualClock;
    use crate::config::feed::PushFeed;

    const START: u64 = 1_790_000_000;
    const ISSUER: IssuerId = IssuerId::from_bytes([7; 32]);

    struct World {
        clock: Arc<ManualClock>,
        board: FeedBoard,
        fresh: Arc<AtomicU32>,
    }

    fn key(feed: &str) -> FeedKey {
        FeedKey {
            issuer: "ca".to_owned(),
            feed: feed.to_owned(),
        }
    }

    fn feed(name: &str, stale_after: Option<u64>) -> Feed {
        Feed::Push(PushFeed {
            name: Some(name.to_owned()),
            client: "ra".to_owned(),
            stale_after: stale_after.map(Duration::from_secs),
        })
    }

    fn world(feeds: &[Feed], kept: &Kept) -> World {
        let clock = Arc::new(ManualClock::new(UnixTime::from_secs(START).unwrap()));
        let fresh = Arc::new(AtomicU32::new(0));
        let rows = feeds.iter().map(|feed| (key(feed.name()), ISSUER, feed));
        let count = Arc::clone(&fresh);
        let on_fresh = move || {
            count.fetch_add(1, Ordering::SeqCst);
        };
        let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let board = FeedBoard::new(rows, shared, kept, on_fresh);
        World {
            clock,
            board,
            fresh,
        }
    }

    fn new() -> Kept {
        Kept::new(UnixTime::from_secs(START).unwrap())
    }

    impl World {
        fn is_stale(&self) -> bool {
            self.board.stale_issuers().contains(&ISSUER)
        }

        fn advance(&self, secs: u64) {
            self.clock.advance(Duration::from_secs(secs));
        }

        fn succeed(&self, feed: &str) {
            self.board.succeeded(&key(feed), &Polled::unchanged(), None);
        }

        fn fail(&self, feed: &str, kind: FeedErrorKind) {
            let error = FeedError::new(kind, "gone");
            self.board.failed(&key(feed), &error, None);
        }
    }

    #[test]
    fn an_issuer_is_stale_without_success_and_fresh_with_the_next() {
        let world = world(&[feed("a", Some(100)), feed("b", None)], &new());
        // Since it was configured, for a feed that never worked.
        world.advance(99);
        assert!(!world.is_stale());
        assert_eq!(world.board.until_next_stale(), Some(Duration::from_secs(1)));
        world.fail("a", FeedErrorKind::Unreachable);
        world.succeed("b");
        world.advance(1);
        assert!(world.is_stale());
        assert_eq!(world.board.until_next_stale(), None);
        assert_eq!(world.fresh.load(Ordering::SeqCst), 0);
        world.succeed("a");
        assert!(!world.is_stale());
        assert_eq!(world.fresh.load(Ordering::SeqCst), 1);
        // Nobody's clock hand can make it last longer.
        world.clock.step_wall_millis(-1_000_000);
        world.advance(100);
        assert!(world.is_stale());
        let health = world.board.health();
        assert_eq!(health[0].state, FeedState::Stale);
        assert_eq!(health[1].state, FeedState::Fine);
    }

    #[test]
    fn a_restart_does_not_make_a_dead_feed_fresh() {
        let at = |secs| UnixTime::from_secs(secs).unwrap();
        let kept = |since, last_success| KeptFeed {
            since: at(since),
            last_success,
        };
        for (known, stale_now, stale_in_50) in [
            (kept(START - 1_000, Some(at(START - 60))), false, true),
            (kept(START - 1_000, Some(at(START - 100))), true, true),
            (kept(START - 1_000, Some(at(START - 10))), false, false),
            // It never worked, since it was configured.
            (kept(START - 1_000, None), true, true),
            (kept(START, None), false, false),
            // Said by a clock that was ahead.
            (kept(START - 1_000, Some(at(START + 9_999))), true, true),
        ] {
            let feeds = [feed("a", Some(100))];
            let world = world(&feeds, &Kept::of(ISSUER, "a", known, at(START)));
            assert_eq!(world.is_stale(), stale_now, "{known:?}");
            world.advance(50);
            assert_eq!(world.is_stale(), stale_in_50, "{known:?}");
            assert_eq!(world.board.to_keep()[0].2, known);
        }
    }

    #[test]
    fn what_others_brought_counts_though_one_failed() {
        let world = world(&[feed("a", None)], &new());
        let report = r#"{"source": "crl", "result": "complete", "lines": 9, "applied": 7, "unchanged": 2,
            "bad": 0, "refused": 0, "skipped": 0, "errors": []}"#;
        let error = FeedError {
            brought: Some(Box::new(serde_json::from_str(report).unwrap())),
            notes: vec!["readme.txt is no CRL".to_owned()],
            ..FeedError::new(FeedErrorKind::Unreachable, "gone")
        };
        world.board.failed(&key("a"), &error, None);
        let health = world.board.health().remove(0);
        assert_eq!((health.state, health.applied), (FeedState::Failing, 7));
        assert_eq!(health.notes, error.notes);
    }

    #[test]
    fn health_tells_what_failed_and_that_it_is_over() {
        let world = world(&[feed("a", None)], &new());
        assert_eq!(world.board.health()[0].state, FeedState::Waiting);
        world.board.begins(&key("a"));
        assert!(world.board.polls(&key("a")).is_running);
        for _ in 0..3 {
            world.fail("a", FeedErrorKind::Malformed);
        }
        // Stopping is no failure.
        world.fail("a", FeedErrorKind::Stopped);
        let health = world.board.health().remove(0);
        assert_eq!((health.state, health.failures), (FeedState::Failing, 3));
        assert_eq!(health.fault.unwrap().kind, FeedErrorKind::Malformed);
        assert_eq!(world.board.failures(&key("a")), 3);
        world.succeed("a");
        let health = world.board.health().remove(0);
        assert_eq!((health.state, health.failures), (FeedState::Fine, 0));
        assert!(health.fault.is_none());
        // Nobody's feed.
        world.succeed("b");
        assert_eq!(world.board.health().len(), 1);
    }
}
