//! The making of an issuer's CRLs from one snapshot, up to files that have no place yet.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use super::{
    CrlIssuer, PublishError, Publisher, ShardRule, Wanted,
    guard::Due,
    loss::{self, Comparison},
    selection::{self, Listed, SelectionError},
    sorted::{Merge, SortedEntries},
    write::{self, CrlOrder, WrittenCrl},
};
use crate::{
    asn1::{CrlNumber, UnixTime},
    catalog::crls::{CrlEdition, CrlKind, CrlListing, Shelf, Unfinished},
    config,
    crl::writer::{Listing, RevokedEntry},
    identity::SerialNumber,
    ledger::{CrlSequence, LastCrl, LedgerError, LedgerSnapshot, MadeCrl},
};

/// CRLs of one issuer in the making, all from one snapshot.
pub(super) struct Making<'a> {
    publisher: &'a Publisher,
    issuer: &'a CrlIssuer<'a>,
    snapshot: &'a LedgerSnapshot,
    now: UnixTime,
    as_of: u64,
    before: Arc<CrlListing>,
    accept_losses: bool,
    made: Made,
}

/// What was made, to be put into its place together.
#[derive(Default)]
pub(super) struct Made {
    /// A base is the full CRL before, by another URL.
    pub(super) finished: Vec<(Option<Unfinished>, CrlEdition)>,
    pub(super) notes: Vec<(CrlSequence, MadeCrl)>,
}

/// Times of a CRL, as configured.
struct Times {
    validity: Duration,
    interval: Duration,
    after_revocation: Option<Duration>,
}

/// The complete CRL that a delta adds to.
#[derive(Clone, Copy)]
struct Base {
    number: u64,
    as_of: u64,
}

impl<'a> Making<'a> {
    pub(super) fn new(
        publisher: &'a Publisher,
        issuer: &'a CrlIssuer<'a>,
        snapshot: &'a LedgerSnapshot,
        now: UnixTime,
        accept_losses: bool,
    ) -> Self {
        Self {
            publisher,
            issuer,
            snapshot,
            now,
            as_of: snapshot.last_sequence(),
            before: publisher.shelf().listing(),
            accept_losses,
            made: Made::default(),
        }
    }

    pub(super) fn made(self) -> Made {
        self.made
    }

    pub(super) fn make(&mut self, wanted: &Wanted) -> Result<(), PublishError> {
        match wanted {
            Wanted::Full => self.full(false),
            Wanted::Last => {
                self.full(true)?;
                let count = self.issuer.settings.shards.as_ref();
                let all = count.map(|shards| (0..shards.count).collect::<Vec<u32>>());
                all.map_or(Ok(()), |all| self.shards(&all, true))
            }
            Wanted::Delta => self.delta_alone(),
            Wanted::Shards(shards) => self.shards(shards, false),
        }
    }

    fn full(&mut self, is_last: bool) -> Result<(), PublishError> {
        let settings = self.issuer.settings;
        let last = self.last(CrlSequence::Full, is_last)?;
        let listed = Listed::after(&last, settings.keep_expired);
        let rows = selection::full(self.snapshot, self.issuer.id, listed)?;
        let entries = self.sorted(1, rows.map(|row| Ok((0, selection::entry(&row?)))))?;
        let number = self.reserve(CrlSequence::Full)?;
        let previous = self.edition(CrlKind::Full);
        let times = Times {
            validity: settings.validity,
            interval: settings.interval,
            after_revocation: settings.after_revocation,
        };
        let mut edition = self.blank(CrlKind::Full, settings.url.clone(), number, &times);
        let is_scheduled = self.schedule(&mut edition, previous.as_ref(), is_last);
        let delta = settings.delta.as_ref().filter(|_| !is_last);
        let order = CrlOrder {
            freshest: delta.map(|delta| delta.url.as_str()),
            ..self.order(&edition)
        };
        let file = self.publisher.shelf().unfinished();
        let mut entries_in_order = merged(&entries)?;
        let written = write::crl(
            &order,
            due(&entries, 0),
            part(&mut entries_in_order, due(&entries, 0).listing),
            self.comparison(previous.as_ref(), &|serial| {
                self.may_leave(serial, CrlKind::Full, listed)
            }),
            &file,
        )?;
        self.finish(file, fill(edition, &written));
        self.note(CrlSequence::Full, is_scheduled, is_last);
        let (Some(delta), Some(previous)) = (delta, previous) else {
            return Ok(());
        };
        // Made together, the two have one number (RFC 5280 §5.2.3).
        match self.base(delta, &previous) {
            Some(base) => self.delta(delta, base, number),
            None => Ok(()),
        }
    }

    fn delta_alone(&mut self) -> Result<(), PublishError> {
        let Some(delta) = &self.issuer.settings.delta else {
            return Err(PublishError::NotConfigured {
                what: "deltas",
                table: ".delta",
            });
        };
        self.last(CrlSequence::Full, false)?;
        let full = self.edition(CrlKind::Full);
        let base = full.and_then(|full| self.base(delta, &full));
        let Some(base) = base else {
            // There is nothing yet that a delta could add to.
            return self.full(false);
        };
        let number = self.reserve(CrlSequence::Full)?;
        self.delta(delta, base, number)?;
        self.note(CrlSequence::Full, false, false);
        Ok(())
    }

    /// What a delta adds to, after the full CRL `full`: to that, if it was made on schedule, else to what
    /// the delta before added to. Full ones between two scheduled ones would soon leave nobody with the
    /// base.
    fn base(&mut self, delta: &config::DeltaCrl, full: &CrlEdition) -> Option<Base> {
        let before = self.edition(CrlKind::Delta);
        let before = before.and_then(|delta| Some((delta.base?, delta.base_as_of?)));
        let base = match before {
            Some((number, as_of)) if !full.scheduled => Base { number, as_of },
            // What changed since is not known from before the epoch.
            _ if !self.is_of_this_epoch(full.as_of) => return None,
            _ => {
                if let Some(url) = &delta.base_url {
                    let base = CrlEdition {
                        kind: CrlKind::Base,
                        url: url.clone(),
                        ..full.clone()
                    };
                    self.made.finished.push((None, base));
                }
                Base {
                    number: full.number,
                    as_of: full.as_of,
                }
            }
        };
        self.is_of_this_epoch(base.as_of).then_some(base)
    }

    fn delta(
        &mut self,
        settings: &config::DeltaCrl,
        base: Base,
        number: u64,
    ) -> Result<(), PublishError> {
        let changes = selection::delta(self.snapshot, self.issuer.id, base.as_of)?;
        let entries = self.sorted(1, changes.map(|change| Ok((0, change?))))?;
        let times = Times {
            validity: settings.validity,
            interval: settings.interval,
            after_revocation: settings.after_revocation,
        };
        let mut edition = self.blank(CrlKind::Delta, settings.url.clone(), number, &times);
        edition.base = Some(base.number);
        edition.base_as_of = Some(base.as_of);
        let order = CrlOrder {
            base: Some(CrlNumber::from(base.number)),
            ..self.order(&edition)
        };
        let file = self.publisher.shelf().unfinished();
        let mut entries_in_order = merged(&entries)?;
        let due = due(&entries, 0);
        let entries_in_order = part(&mut entries_in_order, due.listing);
        let nothing = self.comparison(None, &|_| Ok(true));
        let written = write::crl(&order, due, entries_in_order, nothing, &file)?;
        self.finish(file, fill(edition, &written));
        Ok(())
    }

    fn shards(&mut self, wanted: &[u32], is_last: bool) -> Result<(), PublishError> {
        let Some(settings) = &self.issuer.settings.shards else {
            return Err(PublishError::NotConfigured {
                what: "shards",
                table: ".shards",
            });
        };
        let kinds = self.before.editions.iter();
        let was = kinds
            .filter(|it| it.issuer == self.issuer.name && matches!(it.kind, CrlKind::Shard(_)))
            .count();
        if was != 0 && u64::try_from(was) != Ok(settings.count.into()) && !self.accept_losses {
            let is = settings.count;
            return Err(PublishError::ShardCount { was, is });
        }
        // One that there is not yet comes with the others: all of them are there from the first time on.
        let all = 0..settings.count;
        let missing = all.filter(|shard| self.edition(CrlKind::Shard(*shard)).is_none());
        let mut lasts = HashMap::new();
        for shard in missing.chain(wanted.iter().copied()) {
            lasts.insert(shard, self.last(CrlSequence::Shard(shard), is_last)?);
        }
        let keep_expired = self.issuer.settings.keep_expired;
        let listed = |shard: u32| {
            lasts
                .get(&shard)
                .map(|last| Listed::after(last, keep_expired))
        };
        let rule = ShardRule::new(settings);
        let rows = self.snapshot.revoked(self.issuer.id)?;
        let chosen = rows.filter_map(|row| {
            let row = match row {
                Ok(row) => row,
                Err(error) => return Some(Err(error.into())),
            };
            let shard = rule.shard(&row.serial, row.distribution_point);
            let is_listed = listed(shard)?.includes(row.not_after, row.sequence);
            is_listed.then(|| Ok((shard, selection::entry(&row))))
        });
        let entries = self.sorted(settings.count, chosen)?;
        let times = Times {
            validity: settings.validity,
            interval: settings.interval,
            after_revocation: settings.after_revocation,
        };
        let mut entries_in_order = merged(&entries)?;
        for shard in 0..settings.count {
            // One that is not wanted has no entries.
            let Some(listed) = listed(shard) else {
                continue;
            };
            let kind = CrlKind::Shard(shard);
            let number = self.reserve(CrlSequence::Shard(shard))?;
            let previous = self.edition(kind);
            let mut edition = self.blank(kind, settings.url_of(shard), number, &times);
            let is_scheduled = self.schedule(&mut edition, previous.as_ref(), is_last);
            let order = CrlOrder {
                point: Some(&edition.url),
                ..self.order(&edition)
            };
            let file = self.publisher.shelf().unfinished();
            let due = due(&entries, shard);
            let written = write::crl(
                &order,
                due,
                part(&mut entries_in_order, due.listing),
                self.comparison(previous.as_ref(), &|serial| {
                    self.may_leave(serial, kind, listed)
                }),
                &file,
            )?;
            self.finish(file, fill(edition, &written));
            self.note(CrlSequence::Shard(shard), is_scheduled, is_last);
        }
        Ok(())
    }

    /// The CRLs of a sequence that are current.
    fn current(&self, sequence: CrlSequence) -> impl Iterator<Item = &CrlEdition> {
        let editions = self.before.editions.iter();
        let own = editions.filter(|edition| edition.issuer == self.issuer.name);
        own.filter(move |edition| match (edition.kind, sequence) {
            (CrlKind::Full | CrlKind::Delta, CrlSequence::Full) => true,
            (CrlKind::Shard(one), CrlSequence::Shard(other)) => one == other,
            _ => false,
        })
    }

    /// What is remembered of a sequence, if another CRL may follow.
    fn last(&self, sequence: CrlSequence, is_last: bool) -> Result<LastCrl, PublishError> {
        let last = self.publisher.ledger().last_crl(self.issuer.id, sequence)?;
        if last.is_final && !is_last {
            return Err(PublishError::Ended);
        }
        // A ledger that was restored may not know of the newest.
        let current = self.current(sequence).map(|edition| edition.this_update);
        let newest = current.fold(last.this_update, UnixTime::max);
        if self.now < newest {
            return Err(PublishError::ClockBehind {
                now: self.now,
                last: newest,
            });
        }
        Ok(last)
    }

    /// Rising with time as well, so that a restored ledger does not fall behind what was published.
    fn reserve(&self, sequence: CrlSequence) -> Result<u64, PublishError> {
        let current = self.current(sequence);
        let above = current.map(|edition| edition.number.saturating_add(1));
        let at_least = above.fold(self.publisher.millis(), u64::max);
        let ledger = self.publisher.ledger();
        Ok(ledger.reserve_crl_number(self.issuer.id, sequence, at_least)?)
    }

    fn edition(&self, kind: CrlKind) -> Option<CrlEdition> {
        self.before.edition(self.issuer.name, kind).cloned()
    }

    /// An edition of which the file is not known yet.
    fn blank(&self, kind: CrlKind, url: String, number: u64, times: &Times) -> CrlEdition {
        // Where one can come at any time, a cache that kept it to the schedule would hide it.
        let max_age = times.after_revocation.map_or(times.interval, |after| {
            times.interval.min(after.max(CACHE_MIN))
        });
        CrlEdition {
            issuer: self.issuer.name.to_owned(),
            kind,
            url,
            number,
            base: None,
            base_as_of: None,
            this_update: self.now,
            next_update: self.now.saturating_add(times.validity),
            scheduled: true,
            next_due: self.now.saturating_add(times.interval),
            max_age: max_age.as_secs(),
            entries: 0,
            octets: 0,
            sha256: String::new(),
            as_of: self.as_of,
        }
    }

    /// Whether it is made on schedule. Between two that are, the schedule stays; after the last one
    /// there is none (EN 319 411-1 §6.3.9).
    fn schedule(
        &self,
        edition: &mut CrlEdition,
        previous: Option<&CrlEdition>,
        is_last: bool,
    ) -> bool {
        if is_last {
            edition.next_update = UnixTime::MAX;
            edition.next_due = UnixTime::MAX;
        } else if let Some(previous) = previous
            && self.now < previous.next_due
        {
            edition.next_due = edition.next_due.min(previous.next_due);
            edition.scheduled = false;
        }
        edition.scheduled
    }

    fn order<'b>(&'b self, edition: &CrlEdition) -> CrlOrder<'b> {
        let keeps = self.issuer.settings.keep_expired && edition.kind != CrlKind::Delta;
        CrlOrder {
            issuer: self.issuer.certificate,
            signer: self.issuer.signer,
            number: CrlNumber::from(edition.number),
            base: None,
            this_update: edition.this_update,
            next_update: edition.next_update,
            point: None,
            freshest: None,
            // Every certificate of the CA ended after it began.
            expired_since: keeps.then(|| self.issuer.certificate.not_before()),
        }
    }

    /// Whether every change since entry `as_of` is in the ledger: one that was restored from a backup
    /// has another history up to its epoch.
    fn is_of_this_epoch(&self, as_of: u64) -> bool {
        let epochs = self.snapshot.epochs().as_slice();
        epochs
            .get(1..)
            .and_then(<[_]>::last)
            .is_none_or(|epoch| as_of >= epoch.first_sequence)
    }

    fn sorted(
        &self,
        shards: u32,
        entries: impl Iterator<Item = Result<(u32, RevokedEntry), SelectionError>>,
    ) -> Result<SortedEntries, PublishError> {
        let folder = self.publisher.shelf().folder();
        SortedEntries::collect(folder, shards, entries).map_err(|error| match error {
            SelectionError::Ledger(error) => PublishError::Ledger(error),
            SelectionError::Io(source) => PublishError::Sorting { source },
        })
    }

    fn comparison<'b>(
        &self,
        previous: Option<&CrlEdition>,
        may_leave: &'b dyn Fn(&SerialNumber) -> Result<bool, LedgerError>,
    ) -> Comparison<'b> {
        let previous = previous.filter(|_| !self.accept_losses);
        let folder = self.publisher.shelf().folder();
        let path = previous.map(|previous| Shelf::file(folder, previous));
        Comparison::new(path.as_deref().zip(previous), may_leave)
    }

    /// The ledger is asked for each by itself: another way than the one that all entries came.
    fn may_leave(
        &self,
        serial: &SerialNumber,
        kind: CrlKind,
        listed: Listed,
    ) -> Result<bool, LedgerError> {
        let status = self.snapshot.status(self.issuer.id, serial)?;
        let leaves = |not_after, sequence| !listed.includes(not_after, sequence);
        Ok(loss::may_leave(
            status.as_ref(),
            serial,
            kind,
            self.issuer,
            &leaves,
        ))
    }

    /// To be remembered when it is in its place.
    fn note(&mut self, sequence: CrlSequence, is_scheduled: bool, is_final: bool) {
        let made = MadeCrl {
            this_update: self.now,
            as_of: self.as_of,
            is_scheduled,
            is_final,
        };
        self.made.notes.push((sequence, made));
    }

    fn finish(&mut self, file: Unfinished, edition: CrlEdition) {
        self.made.finished.push((Some(file), edition));
    }
}

/// The least that a cache keeps a CRL that may be followed at once.
const CACHE_MIN: Duration = Duration::from_secs(10);

fn fill(edition: CrlEdition, written: &WrittenCrl) -> CrlEdition {
    CrlEdition {
        entries: written.entry_count,
        octets: written.octets,
        sha256: written
            .sha256
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect(),
        ..edition
    }
}

fn merged(entries: &SortedEntries) -> Result<Merge<'_>, PublishError> {
    entries
        .iter()
        .map_err(|source| PublishError::Sorting { source })
}

/// What the CRL of a shard has to have; there is only 0 where there are none.
fn due(entries: &SortedEntries, shard: u32) -> Due<'_> {
    let place = usize::try_from(shard).unwrap_or(usize::MAX);
    let listing = entries.listings().get(place).copied();
    let sum = entries.sums().get(place).copied();
    Due {
        listing: listing.unwrap_or_default(),
        sum: sum.unwrap_or_default(),
        hasher: entries.hasher(),
    }
}

/// The entries of the shard that comes next.
fn part<'a, 'b>(
    entries: &'a mut Merge<'b>,
    listing: Listing,
) -> impl Iterator<Item = io::Result<RevokedEntry>> + use<'a, 'b> {
    let count = usize::try_from(listing.count()).unwrap_or(usize::MAX);
    entries
        .by_ref()
        .take(count)
        .map(|entry| entry.map(|(_, entry)| entry))
}
