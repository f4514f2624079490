//! Many changes at once: which certificates they touch, in the order of the column family `status`,
//! with what is known of each before.
//!
//! Sorting costs little and makes the look-ups cheap: an issuer without certificates needs none; where
//! the changes touch a good part of the certificates between the first and the last of them, both are
//! read in step, like two sorted lists; otherwise they are asked for in sorted batches. So batches that
//! are cut from a sorted source read the issuer's certificates once altogether, not once each.

use std::borrow::Borrow;

use rocksdb::ReadOptions;

use crate::change::Change;
use crate::identity::SerialNumber;

use super::{
    engine::{Count, Engine},
    error::LedgerError,
    issuer_wide::IssuerWide,
    issuers::IssuerTable,
    keys::{self, Key},
    record::StatusRecord,
};

/// Where a change belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    number: u32,
    hash_prefix: u32,
    /// Its place among the changes. A million changes are sorted: four octets, not eight.
    index: u32,
}

impl Place {
    pub(super) fn index(self) -> usize {
        usize::try_from(self.index).unwrap_or(usize::MAX)
    }
}

/// All changes of one certificate, in the order in which they were given.
pub(super) struct Group<'a> {
    pub(super) issuer_number: u32,
    pub(super) serial: SerialNumber,
    /// Its key in `status`.
    pub(super) key: Key,
    pub(super) places: &'a [Place],
    /// The revocation of its issuer as a whole.
    pub(super) whole: Option<IssuerWide>,
}

/// Sorts changes by certificate. Those of issuers that are not known go to `unknown_issuer`.
///
/// There must be fewer than 2³² changes; those beyond are left out.
pub(super) fn places<C: Borrow<Change>>(
    table: &IssuerTable,
    changes: &[C],
    mut unknown_issuer: impl FnMut(usize),
) -> Vec<Place> {
    let mut places = Vec::with_capacity(changes.len());
    // Changes come by the thousand from one issuer.
    let mut last = None;
    for ((position, change), index) in changes.iter().enumerate().zip(0..) {
        let Change { issuer, serial, .. } = change.borrow();
        let number = match last {
            Some((last, number)) if last == issuer => number,
            _ => table.number(issuer),
        };
        last = Some((issuer, number));
        match number {
            None => unknown_issuer(position),
            Some(number) => places.push(Place {
                number,
                hash_prefix: keys::hash_prefix(issuer, serial),
                index,
            }),
        }
    }
    let octets = |place: &Place| serial_octets(changes, *place);
    places.sort_unstable_by(|a, b| {
        (a.number, a.hash_prefix)
            .cmp(&(b.number, b.hash_prefix))
            .then_with(|| octets(a).cmp(octets(b)))
            .then(a.index.cmp(&b.index))
    });
    places
}

/// Calls `each` for every certificate among the changes, sorted as `status` is, with what is known of
/// it before the first of them.
pub(super) fn for_each_group<C: Borrow<Change>>(
    engine: &Engine,
    changes: &[C],
    places: &[Place],
    mut each: impl FnMut(Group<'_>, Option<StatusRecord>) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    for of_issuer in places.chunk_by(|a, b| a.number == b.number) {
        let Some(first) = of_issuer.first() else {
            continue;
        };
        let count = engine.count(first.number)?;
        let whole = engine.issuer_wide(first.number)?;
        let mut groups = groups(changes, of_issuer, whole);
        match look_up(count, of_issuer) {
            LookUp::Nothing => groups.try_for_each(|group| each(group, None))?,
            LookUp::InStep { records } => in_step(engine, records, groups, &mut each)?,
            LookUp::ByKey => by_key(engine, groups, &mut each)?,
        }
    }
    Ok(())
}

enum LookUp {
    Nothing,
    /// About so many records lie between the first and the last change.
    InStep {
        records: u64,
    },
    ByKey,
}

/// `places` are those of one issuer, in order.
fn look_up(count: Count, places: &[Place]) -> LookUp {
    let (Some(first), Some(last), 1..) = (places.first(), places.last(), count.known) else {
        return LookUp::Nothing;
    };
    // Hashes are spread evenly.
    let hashes = u64::from(last.hash_prefix.saturating_sub(first.hash_prefix)).saturating_add(1);
    let records = u128::from(count.known).saturating_mul(u128::from(hashes)) >> u32::BITS;
    let records = u64::try_from(records).unwrap_or(u64::MAX);
    let changes = u64::try_from(places.len()).unwrap_or(u64::MAX);
    if records <= changes.saturating_mul(RECORDS_PER_CHANGE_MAX) {
        LookUp::InStep { records }
    } else {
        LookUp::ByKey
    }
}

/// Reading on to the next record costs about a twelfth of asking for one by its key.
const RECORDS_PER_CHANGE_MAX: u64 = 12;

/// What a record takes in a table, about.
const RECORD_OCTETS: u64 = 64;

/// The most that is read ahead.
const READAHEAD_OCTETS_MAX: u64 = 1 << 20;

/// How many keys are asked for at once.
const LOOK_UPS_AT_ONCE: usize = 512;

fn in_step<'a>(
    engine: &Engine,
    records: u64,
    groups: impl Iterator<Item = Group<'a>>,
    each: &mut impl FnMut(Group<'_>, Option<StatusRecord>) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let mut groups = groups.peekable();
    let Some(first) = groups.peek() else {
        return Ok(());
    };
    let (number, start) = (first.issuer_number, first.key);
    let mut options = ReadOptions::default();
    if let (_, Some(end)) = keys::issuer_range(number) {
        options.set_iterate_upper_bound(end.as_ref());
    }
    options.fill_cache(false);
    let readahead = records
        .saturating_mul(RECORD_OCTETS)
        .min(READAHEAD_OCTETS_MAX);
    options.set_readahead_size(usize::try_from(readahead).unwrap_or(usize::MAX));
    let mut records = engine
        .db()
        .raw_iterator_cf_opt(engine.family(keys::STATUS)?, options);
    records.seek(start);
    for group in groups {
        while records.key().is_some_and(|key| key < group.key.as_ref()) {
            records.next();
        }
        let known = match records.item() {
            Some((key, value)) if key == group.key.as_ref() => {
                Some(engine.decode_status(number, &group.serial, value)?)
            }
            Some(_) => None,
            None => {
                records.status().map_err(|error| engine.error(error))?;
                None
            }
        };
        each(group, known)?;
    }
    Ok(())
}

fn by_key<'a>(
    engine: &Engine,
    mut groups: impl Iterator<Item = Group<'a>>,
    each: &mut impl FnMut(Group<'_>, Option<StatusRecord>) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let family = engine.family(keys::STATUS)?;
    loop {
        let some: Vec<_> = groups.by_ref().take(LOOK_UPS_AT_ONCE).collect();
        if some.is_empty() {
            return Ok(());
        }
        let keys = some.iter().map(|group| &group.key);
        let values = engine.db().batched_multi_get_cf(family, keys, true);
        for (group, value) in some.into_iter().zip(values) {
            let value = value.map_err(|error| engine.error(error))?;
            let known = value
                .map(|value| engine.decode_status(group.issuer_number, &group.serial, &value))
                .transpose()?;
            each(group, known)?;
        }
    }
}

fn groups<'a, C: Borrow<Change>>(
    changes: &'a [C],
    places: &'a [Place],
    whole: Option<IssuerWide>,
) -> impl Iterator<Item = Group<'a>> {
    let octets = |place: &Place| serial_octets(changes, *place);
    places
        .chunk_by(move |a, b| a.hash_prefix == b.hash_prefix && octets(a) == octets(b))
        .filter_map(move |places| {
            let first = places.first()?;
            let serial = changes.get(first.index())?.borrow().serial;
            Some(Group {
                issuer_number: first.number,
                serial,
                key: keys::status(first.number, first.hash_prefix, &serial),
                places,
                whole,
            })
        })
}

fn serial_octets<C: Borrow<Change>>(changes: &[C], place: Place) -> &[u8] {
    // Every place was made from a change.
    changes
        .get(place.index())
        .map_or(&[], |change| change.borrow().serial.as_bytes())
}
