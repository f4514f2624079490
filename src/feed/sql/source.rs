//! A database as a live source: what changed since the last poll, and now and then everything.
//!
//! Two ways lead through a table, and both read it page by page, so that memory does not grow with it:
//!
//! - **By change**, at each poll: the rows whose time of change is not older than the newest one that
//!   was seen, less the overlap; once that has been the newest for long, those that are newer. It is
//!   never taken to be later than this host's clock: one row that is dated in the year 2099 would hide
//!   all others.
//! - **By key**, a *sweep*: every row. The first poll is one. After that one begins each time
//!   `full_sweep` has passed, a page or a few at each poll. A table without a column of changes knows no
//!   other way; one whose rows are added and never changed is swept when their number is another.
//!
//! The place that each has come to is remembered when what was read before it is in the ledger. A poll
//! that has worked for [`SLICE`] stops there and asks to be called again, so that it does not keep other
//! feeds waiting.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};

use crate::{
    asn1::UnixTime,
    change::Change,
    config::feed::{SqlAddress, SqlFeed},
    feed::{
        ImportReport, ImportResult, PROBLEMS_SHOWN_MAX,
        live::{FeedDesk, FeedError, FeedErrorKind, FeedIssuer, LiveSource, Polled, Rows},
    },
    identity::SerialHash,
};

use super::{
    connection::Target,
    engine::written,
    error::{SqlError, SqlErrorKind},
    left_out::LeftOut,
    memory::{Changes, Kept, Memory, Paging, PartMemory, Sweep, Swept},
    page::{Order, Page, Said},
    part::{Part, Plan},
    reader::Reader,
    time::Moment,
    value::Bind,
};

/// A table or two of a database.
#[derive(Debug)]
pub struct SqlSource {
    settings: SqlFeed,
    issuer: FeedIssuer,
    interval: Duration,
    page_rows: u64,
    /// `None` before the first poll.
    state: Option<State>,
}

/// What is there once it was polled.
#[derive(Debug)]
struct State {
    address: SqlAddress,
    reader: Reader,
    memory: Memory,
    /// Of each table, by its name.
    left_out: BTreeMap<&'static str, LeftOut>,
}

impl SqlSource {
    /// The source that `settings` describe, for an issuer that it is asked about every `interval`.
    /// Connects to nothing yet.
    #[must_use]
    pub fn new(settings: &SqlFeed, issuer: FeedIssuer, interval: Duration) -> Self {
        Self {
            settings: settings.clone(),
            issuer,
            interval,
            page_rows: u64::try_from(settings.page_rows).unwrap_or(u64::MAX),
            state: None,
        }
    }

    fn begun(&self, desk: &dyn FeedDesk) -> Result<State, FeedError> {
        let feed = &self.settings;
        let refused = |error: SqlError| failure(&feed.database, &error);
        let address = feed.address().map_err(|error| refused(error.into()))?;
        let parts = Part::all(feed, address.engine(), &self.issuer.certificate);
        // All that decides which rows there are and what they mean. `Debug` names every setting; there
        // is no secret among them.
        let described = format!("{} {parts:?}", feed.database);
        let digest = Sha256::digest(described.as_bytes());
        let settings: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
        let memory = match desk.remembered()? {
            Some(text) => Memory::read(&text, &settings),
            None => Memory::new(&settings),
        };
        let target = Target {
            tls: feed.tls_mode(&address),
            address: address.clone(),
            tls_roots: feed.tls_roots.clone(),
            connect_timeout: feed.connect_timeout,
            statement_timeout: feed.statement_timeout,
            lock_timeout: feed.lock_timeout,
        };
        let reader = Reader::new(target, feed.password(), parts).map_err(refused)?;
        Ok(State {
            address,
            reader,
            memory,
            left_out: BTreeMap::new(),
        })
    }
}

impl LiveSource for SqlSource {
    fn poll(&mut self, desk: &dyn FeedDesk, now: UnixTime) -> Result<Polled, FeedError> {
        let mut state = match self.state.take() {
            Some(state) => state,
            None => self.begun(desk)?,
        };
        let before = state.memory.clone();
        state.reader.begin();
        let mut poll = Poll {
            source: self,
            address: &state.address,
            reader: &mut state.reader,
            left_out: &mut state.left_out,
            desk,
            now,
            begun: Instant::now(),
            remembered: Instant::now(),
            report: None,
            of_others: 0,
            is_unfinished: false,
        };
        let polled = poll.all(&mut state.memory);
        let polled = polled.map(|()| poll.polled(&state.memory));
        // Also after a failure: what was taken before it is in the ledger.
        let kept = match state.memory == before {
            true => Ok(()),
            false => desk.remember(&state.memory.text()),
        };
        self.state = Some(state);
        let polled = polled?;
        kept?;
        Ok(polled)
    }
}

/// One poll.
struct Poll<'a> {
    source: &'a SqlSource,
    address: &'a SqlAddress,
    reader: &'a mut Reader,
    left_out: &'a mut BTreeMap<&'static str, LeftOut>,
    desk: &'a dyn FeedDesk,
    now: UnixTime,
    begun: Instant,
    remembered: Instant,
    report: Option<ImportReport>,
    of_others: u64,
    is_unfinished: bool,
}

impl Poll<'_> {
    fn all(&mut self, memory: &mut Memory) -> Result<(), FeedError> {
        for index in 0..self.reader.parts().len() {
            let Some(part) = self.reader.parts().get(index).cloned() else {
                break;
            };
            let plan = self
                .reader
                .plan(index, self.desk)
                .map_err(|error| self.failure(&error))?;
            if plan.selection.updated.is_some() {
                self.changes(&part, &plan, memory)?;
            }
            self.sweep(&part, &plan, memory)?;
        }
        Ok(())
    }

    /// Follows the changes of a table.
    fn changes(&mut self, part: &Part, plan: &Plan, memory: &mut Memory) -> Result<(), FeedError> {
        let kept = memory.part(part.name);
        let Some(mut changes) = kept.changes.clone() else {
            return self.begin_changes(part, plan, kept);
        };
        let mut after = None;
        let mut from = self.from(part, &changes);
        if let Some(paging) = changes.paging.take()
            && let Some(place) = paging.change.value().zip(paging.key.value())
        {
            from = Moment::from_micros(paging.from_us);
            after = Some(place);
        }
        loop {
            let engine = part.engine;
            let written = written(engine, from, changes.is_number, part.rules.numbers());
            // SQLite compares a number with text by type alone.
            let from_bind = match written.parse() {
                Ok(number) if engine == crate::config::feed::SqlEngine::Sqlite => {
                    Bind::Number(number)
                }
                _ => Bind::Text(written),
            };
            let place = after.as_ref().map(|(change, key)| (change, key));
            let Some(statement) = plan.selection.by_change(from_bind, place) else {
                return Ok(());
            };
            let page = self.page(part, plan, Order::Change, &statement)?;
            self.take(part, &page)?;
            let seen = page.newest.map_or(0, Moment::as_micros);
            let seen = seen.min(Moment::of(self.now).as_micros());
            if seen > changes.seen_us {
                changes.seen_us = seen;
                changes.since = self.now.as_secs();
            }
            changes.paging = None;
            let Some(next) = page.next else {
                memory.part(part.name).changes = Some(changes);
                return Ok(());
            };
            let kept = Kept::of(&next.change).zip(Kept::of(&next.key));
            changes.paging = kept.map(|(change, key)| Paging {
                from_us: from.as_micros(),
                change,
                key,
            });
            memory.part(part.name).changes = Some(changes.clone());
            if self.pause(memory)? {
                return Ok(());
            }
            after = Some((next.change, next.key));
        }
    }

    /// Where among the changes to begin: the overlap before the newest that was seen. Once that is the
    /// newest for twice the overlap, whoever was late or had a clock that differs by no more than that
    /// has come, and only what is newer can be new: else a table that was filled at once would be read
    /// again and again.
    fn from(&self, part: &Part, changes: &Changes) -> Moment {
        let overlap = self.source.settings.overlap;
        let seen = Moment::from_micros(changes.seen_us);
        let since = UnixTime::from_secs(changes.since).unwrap_or(UnixTime::MAX);
        if self.now >= since && self.now.since(since) >= overlap.saturating_mul(2).max(SAME_INSTANT)
        {
            return seen.next(changes.is_number, part.rules.numbers());
        }
        seen.earlier(overlap)
    }

    /// From now on changes are followed; what was before is for a sweep, which begins after this.
    fn begin_changes(
        &mut self,
        part: &Part,
        plan: &Plan,
        kept: &mut PartMemory,
    ) -> Result<(), FeedError> {
        let newest = self.reader.newest(plan, part, self.desk);
        let newest = newest.map_err(|error| self.failure(&error))?;
        if let Some((newest, is_number)) = newest {
            let newest = newest.unwrap_or(Moment::EPOCH).min(Moment::of(self.now));
            kept.changes = Some(Changes {
                seen_us: newest.as_micros(),
                since: self.now.as_secs(),
                is_number,
                paging: None,
            });
            kept.sweep = Some(Sweep::default());
        }
        Ok(())
    }

    /// Reads every row of a table, or goes on with that.
    fn sweep(&mut self, part: &Part, plan: &Plan, memory: &mut Memory) -> Result<(), FeedError> {
        let kept = memory.part(part.name);
        if kept.is_short && self.desk.is_accepted() {
            kept.is_short = false;
            kept.swept.iter_mut().for_each(|swept| swept.rows = 0);
        }
        if kept.sweep.is_none() {
            let Some(sweep) = self.begin_sweep(part, plan, kept)? else {
                return Ok(());
            };
            self.left_out.entry(part.name).or_default().begin_sweep();
            kept.sweep = Some(sweep);
        }
        let mut pages = self.pages_a_poll(plan, kept);
        loop {
            let kept = memory.part(part.name);
            let Some(sweep) = &mut kept.sweep else {
                return Ok(());
            };
            let after = sweep.after.as_ref().and_then(Kept::value);
            let statement = plan.selection.by_key(after.as_ref());
            let page = self.page(part, plan, Order::Key, &statement)?;
            self.take(part, &page)?;
            sweep.rows = sweep.rows.saturating_add(page.rows);
            let Some(next) = page.next else {
                let sweep = sweep.clone();
                kept.sweep = None;
                return self.swept(part, kept, &sweep);
            };
            sweep.after = Kept::of(&next.key);
            pages = pages.saturating_sub(1);
            if pages == 0 || self.pause(memory)? {
                return Ok(());
            }
        }
    }

    /// A sweep, where one is due.
    fn begin_sweep(
        &mut self,
        part: &Part,
        plan: &Plan,
        kept: &PartMemory,
    ) -> Result<Option<Sweep>, FeedError> {
        let mut sweep = Sweep::default();
        if part.is_append_only {
            let count = self.reader.count(plan, self.desk);
            sweep.count = Some(count.map_err(|error| self.failure(&error))?);
        }
        let Some(swept) = &kept.swept else {
            return Ok(Some(sweep));
        };
        let at = UnixTime::from_secs(swept.at).unwrap_or(UnixTime::MAX);
        // A clock that was set back makes none wait.
        let is_due = self.now < at || self.now.since(at) >= self.source.settings.full_sweep;
        let has_changes = plan.selection.updated.is_some();
        let is_same = part.is_append_only && sweep.count == swept.count;
        Ok((is_due || !(has_changes || is_same)).then_some(sweep))
    }

    /// The load of a sweep is spread over a quarter of the time until the next; but the first one, and
    /// one that is the only way to see changes, is made as fast as it goes.
    fn pages_a_poll(&self, plan: &Plan, kept: &PartMemory) -> u64 {
        let is_slow = plan.selection.updated.is_some() && !kept.is_short;
        let Some(swept) = kept.swept.as_ref().filter(|_| is_slow) else {
            return u64::MAX;
        };
        let polls =
            self.source.settings.full_sweep.as_secs() / 4 / self.source.interval.as_secs().max(1);
        let pages = swept.rows / self.source.page_rows.max(1);
        pages / polls.max(1) + 1
    }

    /// A sweep has come to its end.
    fn swept(
        &mut self,
        part: &Part,
        kept: &mut PartMemory,
        sweep: &Sweep,
    ) -> Result<(), FeedError> {
        self.left_out.entry(part.name).or_default().end_sweep();
        let before = kept.swept.as_ref().map_or(0, |swept| swept.rows);
        let now = sweep.rows;
        if now == 0 && before == 0 && !part.may_be_empty && !self.desk.is_accepted() {
            let looked_for = part.looked_for();
            return Err(self.failure(&SqlError::NoRows { looked_for }));
        }
        if before >= ROWS_THAT_COUNT && now < before / 2 {
            kept.is_short = true;
            return Err(self.failure(&SqlError::RowsLost { before, now }));
        }
        kept.is_short = false;
        kept.swept = Some(Swept {
            at: self.now.as_secs(),
            rows: now,
            count: sweep.count,
        });
        Ok(())
    }

    fn page(
        &mut self,
        part: &Part,
        plan: &Plan,
        order: Order,
        statement: &super::statement::Statement,
    ) -> Result<Page, FeedError> {
        let rows = self.reader.rows(plan, statement, self.desk);
        let issuer = &self.source.issuer.certificate;
        let page = rows.and_then(|rows| Page::new(part, plan, order, &rows, issuer));
        page.map_err(|error| self.failure(&error))
    }

    /// Brings a page into the ledger.
    fn take(&mut self, part: &Part, page: &Page) -> Result<(), FeedError> {
        self.of_others = self.of_others.saturating_add(page.of_others);
        if page.said.is_empty() {
            return Ok(());
        }
        let issuer = self.source.issuer.id;
        let mut rows = Rows::new();
        if part.rules.only_issuances() {
            rows.only_issuances();
        }
        let name = |said: &Said| format!("row {}", said.key);
        rows.name_all(page.said.iter().map(name).collect());
        let mut good = Vec::with_capacity(page.said.len());
        for (number, said) in (1..).zip(&page.said) {
            match &said.facts {
                Ok(facts) => {
                    let order = SerialHash::new(&issuer, facts.serial.as_bytes()).order();
                    good.push((order, number, said.changed, facts));
                }
                Err(bad) => rows.bad_part(number, bad.part.clone(), &bad.cause),
            }
        }
        // As the ledger takes them best. Rows of one certificate stay in their order.
        good.sort_by_key(|(order, ..)| *order);
        for (_, number, changed, facts) in good {
            let change = Change {
                issuer,
                serial: facts.serial,
                action: facts.action,
            };
            match changed {
                Some(changed) => rows.push_changed(number, change, changed.as_millis()),
                None => rows.push(number, change),
            }
        }
        let last = page.said.last().map(|said| said.key.as_str());
        let place = format!("{}: {} to {}", self.address, part.name, last.unwrap_or("-"));
        let report = self.desk.take(&place, &rows)?;
        let left_out = self.left_out.entry(part.name).or_default();
        left_out.page(rows.names(), &report);
        match &mut self.report {
            None => self.report = Some(report),
            Some(all) => add(all, report),
        }
        Ok(())
    }

    /// Whether to stop here and go on at the next poll.
    fn pause(&mut self, memory: &Memory) -> Result<bool, FeedError> {
        if self.desk.is_stopping() {
            return Err(FeedError::stopped());
        }
        if self.begun.elapsed() >= SLICE {
            self.is_unfinished = true;
            return Ok(true);
        }
        if self.remembered.elapsed() >= REMEMBER {
            self.desk.remember(&memory.text())?;
            self.remembered = Instant::now();
        }
        Ok(false)
    }

    fn polled(&mut self, memory: &Memory) -> Polled {
        let mut polled = match self.report.take() {
            None => Polled::unchanged(),
            Some(mut report) => {
                LeftOut::complete(self.left_out.values(), &mut report);
                Polled::imported(report)
            }
        };
        polled.is_partial = self.is_unfinished;
        polled.next = self.is_unfinished.then_some(Duration::ZERO);
        let seen = memory
            .parts
            .values()
            .filter_map(|part| part.changes.as_ref());
        let newest = seen
            .map(|changes| changes.seen_us)
            .max()
            .filter(|us| *us > 0);
        polled.evidence = newest.map(|us| Moment::from_micros(us).to_unix());
        if self.of_others > 0 {
            let note = "rows of other issuers are passed over: is the certificate of the issuer the \
                        one that this database is about?";
            polled.notes.push(note.to_owned());
        }
        polled
    }

    fn failure(&self, error: &SqlError) -> FeedError {
        failure(self.address, error)
    }
}

fn failure(place: &dyn std::fmt::Display, error: &SqlError) -> FeedError {
    let kind = match error.kind() {
        SqlErrorKind::Unreachable => FeedErrorKind::Unreachable,
        SqlErrorKind::Refused => FeedErrorKind::Refused,
        SqlErrorKind::Malformed => FeedErrorKind::Malformed,
        SqlErrorKind::Rejected => FeedErrorKind::Rejected,
        SqlErrorKind::Quarantined => FeedErrorKind::Quarantined,
        SqlErrorKind::Stopped => return FeedError::stopped(),
    };
    FeedError::new(kind, format!("{place}: {error}"))
}

/// Adds what became of a page to what became of those before it.
fn add(all: &mut ImportReport, page: ImportReport) {
    for (all, page) in [
        (&mut all.lines, page.lines),
        (&mut all.applied, page.applied),
        (&mut all.unchanged, page.unchanged),
        (&mut all.bad, page.bad),
        (&mut all.refused, page.refused),
        (&mut all.differing, page.differing),
        (&mut all.released, page.released),
        (&mut all.missing, page.missing),
        (&mut all.skipped, page.skipped),
    ] {
        *all = all.saturating_add(page);
    }
    if all.skipped > 0 {
        all.result = ImportResult::Skipped;
    }
    let room = PROBLEMS_SHOWN_MAX.saturating_sub(all.errors.len());
    all.errors.extend(page.errors.into_iter().take(room));
    for note in page.notes {
        if !all.notes.contains(&note) {
            all.notes.push(note);
        }
    }
}

/// How long a poll works before it lets others.
const SLICE: Duration = Duration::from_secs(10);

/// However short the overlap is, rows of one second may be committed one after another.
const SAME_INSTANT: Duration = Duration::from_secs(10);

/// How often a poll that works on remembers where it is.
const REMEMBER: Duration = Duration::from_secs(2);

/// Below this, half of the rows is no sign of anything.
const ROWS_THAT_COUNT: u64 = 100;
