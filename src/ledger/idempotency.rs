//! What was answered to a push, kept under its idempotency key: the same request again gets the same
//! answer, and changes nothing a second time.
//!
//! A row is written in the batch that writes the entries, so there is no moment at which a push is in the
//! ledger and its answer is not. It is read under the writer's lock, in the turn of the push that asks: of
//! two that come at once, the second finds what the first wrote. Rows older than [`KEPT_MS`] are removed, a
//! few with each push and some more when nothing else is to be written.
//!
//! Column family `pushes`:
//!
//! ```text
//! 'k' ‖ id                    → row
//! 't' ‖ recorded_ms u64 ‖ id  → empty; the order in which rows are removed
//!
//! id = SHA-256(client ‖ 0x00 ‖ key); neither holds 0x00
//! ```
//!
//! A row, big-endian:
//!
//! ```text
//! u8    version, 1
//! u8    1: it was to be applied as a whole or not at all; else 0
//! [32]  SHA-256 of the request's body
//! u64   when it was recorded, milliseconds since 1970
//! u64   number of the last entry of the batch that it was recorded with
//! u64   leaves of the log then ‖ [32] its root
//! u8 n, n octets: client     u16 n, n octets: key
//! then runs of entries with one result each, until the end:
//!   u8 0 ‖ u32 count ‖ u64 number of the first entry    applied, with numbers that follow one another
//!   u8 1 ‖ u32 count                                    unchanged
//!   u8 2 ‖ u32 count ‖ u8 n, code ‖ u16 n, detail       refused
//! ```
//!
//! A reader refuses another version, a run of none, and octets that are missing.

use std::sync::Arc;

use aws_lc_rs::digest;
use rocksdb::WriteBatch;

use crate::{change::Outcome, octets::Octets};

use super::{
    engine::Engine,
    error::{Damage, LedgerError},
    keys,
    log::TreeHead,
};

/// How long an answer is kept: seven days.
pub const KEPT_MS: u64 = 7 * 24 * 3_600 * 1_000;

/// How many old rows go with each push: more than come.
pub(super) const REMOVED_WITH_A_PUSH: usize = 16;

/// A batch that is pushed, beside its changes.
#[derive(Clone, Debug)]
pub struct PushRequest {
    /// Who pushes: at most 255 octets, no 0x00.
    pub client: String,
    /// Its idempotency key: at most 65,535 octets, no 0x00.
    pub key: String,
    /// SHA-256 of what it sent.
    pub body_sha256: [u8; 32],
    /// Whether nothing is to be applied if anything is refused.
    pub all_or_nothing: bool,
    /// How many entries it has. Those that are not in `refused` are the changes, in their order.
    pub entries: usize,
    /// Entries that were refused before they came here: their places, rising, and why.
    pub refused: Vec<(usize, Refused)>,
}

/// Why an entry of a push was refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// For programs: at most 255 octets.
    pub code: String,
    /// For people: at most 65,535 octets; what is beyond is cut.
    pub detail: String,
}

/// What became of a push.
#[derive(Clone, Debug)]
pub enum PushFate {
    /// It was recorded.
    Recorded(Arc<PushRecord>),
    /// It had been recorded before; nothing was done now.
    Repeated(Arc<PushRecord>),
    /// Another request had the same key; nothing was done.
    KeyReused,
}

/// A push as it was recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PushRecord {
    /// Who pushed.
    pub client: String,
    /// Under which key.
    pub key: String,
    /// SHA-256 of what was sent.
    pub body_sha256: [u8; 32],
    /// Whether nothing was to be applied if anything was refused.
    pub all_or_nothing: bool,
    /// When it was recorded, in milliseconds since 1970.
    pub recorded_ms: u64,
    /// The number of the last entry of the batch that it was recorded with.
    pub last_sequence: u64,
    /// The head of the log that covers that entry.
    pub head: TreeHead,
    /// What became of its entries, in their order.
    pub runs: Vec<Run>,
}

/// Entries that follow one another and have the same result.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Run {
    /// How many, at least one.
    pub count: u32,
    /// What became of them.
    pub result: RunResult,
}

/// What became of the entries of a [`Run`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RunResult {
    /// Recorded as entries with this number and those that follow it.
    Applied {
        /// The number of the first.
        first: u64,
    },
    /// The ledger said so already.
    Unchanged,
    /// Not recorded.
    Refused(Refused),
}

impl PushRequest {
    fn id(&self) -> [u8; 32] {
        id(&self.client, &self.key)
    }

    /// Whether this is the request that was recorded.
    fn is(&self, record: &PushRecord) -> bool {
        self.body_sha256 == record.body_sha256 && self.all_or_nothing == record.all_or_nothing
    }

    /// Whether both are under one key.
    pub(super) fn has_key_of(&self, other: &Self) -> bool {
        self.client == other.client && self.key == other.key
    }

    /// What was recorded under its key, if anything was.
    pub(super) fn before(&self, engine: &Engine) -> Result<Option<PushFate>, LedgerError> {
        let family = keys::PUSHES;
        let row = engine
            .db()
            .get_pinned_cf(engine.family(family)?, row_key(&self.id()))
            .map_err(|error| engine.error(error))?;
        let Some(row) = row else {
            return Ok(None);
        };
        let record =
            PushRecord::decode(&row).ok_or_else(|| engine.damaged(Damage::Value { family }))?;
        Ok(Some(if self.is(&record) {
            PushFate::Repeated(Arc::new(record))
        } else {
            PushFate::KeyReused
        }))
    }

    /// What is to be recorded of it, with the `outcomes` of its changes.
    pub(super) fn record(
        &self,
        outcomes: &[Outcome],
        recorded_ms: u64,
        last_sequence: u64,
        head: TreeHead,
    ) -> PushRecord {
        let mut runs = Runs(Vec::new());
        let mut refused = self.refused.iter().peekable();
        let mut outcomes = outcomes.iter();
        for place in 0..self.entries {
            if let Some((_, why)) = refused.next_if(|(at, _)| *at == place) {
                runs.refused(why.clone());
                continue;
            }
            match outcomes.next() {
                Some(Outcome::Applied { sequence }) => runs.applied(*sequence),
                // There is an outcome for each change.
                Some(Outcome::Unchanged) | None => runs.unchanged(),
                Some(Outcome::Refused(refusal)) => runs.refused(Refused {
                    code: refusal.code().to_owned(),
                    detail: refusal.to_string(),
                }),
            }
        }
        PushRecord {
            client: self.client.clone(),
            key: self.key.clone(),
            body_sha256: self.body_sha256,
            all_or_nothing: self.all_or_nothing,
            recorded_ms,
            last_sequence,
            head,
            runs: runs.0,
        }
    }

    /// Adds what was recorded of it to the batch.
    pub(super) fn put(
        &self,
        engine: &Engine,
        batch: &mut WriteBatch,
        record: &PushRecord,
    ) -> Result<(), LedgerError> {
        let family = engine.family(keys::PUSHES)?;
        let id = self.id();
        batch.put_cf(family, row_key(&id), record.encode());
        batch.put_cf(family, age_key(record.recorded_ms, &id), []);
        Ok(())
    }
}

/// Adds the removal of at most `rows` rows that are older than they are kept; gives how many. Once in a
/// batch: it reads what is written, and would find the same rows again.
pub(super) fn remove_old(
    engine: &Engine,
    batch: &mut WriteBatch,
    now_ms: u64,
    rows: usize,
) -> Result<usize, LedgerError> {
    let family = engine.family(keys::PUSHES)?;
    let end = age_key(now_ms.saturating_sub(KEPT_MS), &[0; 32]);
    let mut ages = engine.db().raw_iterator_cf(family);
    ages.seek(age_key(0, &[0; 32]));
    let mut removed = 0_usize;
    while removed < rows
        && let Some(key) = ages.key().filter(|key| *key < &end[..])
    {
        if let Some(id) = key.last_chunk::<32>() {
            batch.delete_cf(family, row_key(id));
        }
        batch.delete_cf(family, key);
        removed = removed.saturating_add(1);
        ages.next();
    }
    ages.status().map_err(|error| engine.error(error))?;
    Ok(removed)
}

fn id(client: &str, key: &str) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(client.as_bytes());
    context.update(&[0]);
    context.update(key.as_bytes());
    let mut id = [0; 32];
    for (place, octet) in id.iter_mut().zip(context.finish().as_ref()) {
        *place = *octet;
    }
    id
}

/// What a key of the column family leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PushRow {
    /// The row of a push.
    Answer([u8; 32]),
    /// Nothing: it says when which row is removed.
    Age {
        /// When it was recorded.
        recorded_ms: u64,
        /// Of which row.
        id: [u8; 32],
    },
}

impl PushRow {
    /// Reads a key; `None` for one that is none.
    pub(super) fn of(key: &[u8]) -> Option<Self> {
        match key.split_first()? {
            (b'k', id) => Some(Self::Answer(id.try_into().ok()?)),
            (b't', rest) => {
                let (recorded_ms, id) = rest.split_first_chunk()?;
                Some(Self::Age {
                    recorded_ms: u64::from_be_bytes(*recorded_ms),
                    id: id.try_into().ok()?,
                })
            }
            _ => None,
        }
    }

    /// The key of a row.
    pub(super) fn answer(id: &[u8; 32]) -> [u8; 33] {
        row_key(id)
    }

    /// The key that says when a row is removed.
    pub(super) fn age(recorded_ms: u64, id: &[u8; 32]) -> [u8; 41] {
        age_key(recorded_ms, id)
    }
}

fn row_key(id: &[u8; 32]) -> [u8; 33] {
    let mut key = [b'k'; 33];
    if let Some(place) = key.last_chunk_mut() {
        *place = *id;
    }
    key
}

fn age_key(recorded_ms: u64, id: &[u8; 32]) -> [u8; 41] {
    let mut key = [b't'; 41];
    if let Some((_, rest)) = key.split_first_mut()
        && let Some((time, place)) = rest.split_first_chunk_mut::<8>()
    {
        *time = recorded_ms.to_be_bytes();
        place.copy_from_slice(id);
    }
    key
}

/// Runs in the making.
struct Runs(Vec<Run>);

impl Runs {
    fn applied(&mut self, sequence: u64) {
        if let Some(Run {
            count,
            result: RunResult::Applied { first },
        }) = self.0.last_mut()
            && first.checked_add(u64::from(*count)) == Some(sequence)
        {
            *count = count.saturating_add(1);
        } else {
            self.begin(RunResult::Applied { first: sequence });
        }
    }

    fn unchanged(&mut self) {
        self.same(RunResult::Unchanged);
    }

    fn refused(&mut self, mut why: Refused) {
        cut(&mut why.code, usize::from(u8::MAX));
        cut(&mut why.detail, usize::from(u16::MAX));
        self.same(RunResult::Refused(why));
    }

    fn same(&mut self, result: RunResult) {
        match self.0.last_mut() {
            Some(run) if run.result == result => run.count = run.count.saturating_add(1),
            _ => self.begin(result),
        }
    }

    fn begin(&mut self, result: RunResult) {
        self.0.push(Run { count: 1, result });
    }
}

fn cut(text: &mut String, octets_max: usize) {
    let end = text.floor_char_boundary(octets_max);
    text.truncate(end);
}

const VERSION: u8 = 1;

impl PushRecord {
    fn encode(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(128);
        octets.extend([VERSION, u8::from(self.all_or_nothing)]);
        octets.extend(self.body_sha256);
        octets.extend(self.recorded_ms.to_be_bytes());
        octets.extend(self.last_sequence.to_be_bytes());
        octets.extend(self.head.size.to_be_bytes());
        octets.extend(self.head.root);
        counted_u8(&mut octets, &self.client);
        counted_u16(&mut octets, &self.key);
        for run in &self.runs {
            let tag = match run.result {
                RunResult::Applied { .. } => 0,
                RunResult::Unchanged => 1,
                RunResult::Refused(_) => 2,
            };
            octets.push(tag);
            octets.extend(run.count.to_be_bytes());
            match &run.result {
                RunResult::Applied { first } => octets.extend(first.to_be_bytes()),
                RunResult::Unchanged => {}
                RunResult::Refused(why) => {
                    counted_u8(&mut octets, &why.code);
                    counted_u16(&mut octets, &why.detail);
                }
            }
        }
        octets
    }

    /// What its row is kept under.
    pub(super) fn id(&self) -> [u8; 32] {
        id(&self.client, &self.key)
    }

    /// Reads a row; `None` for one that was written otherwise.
    pub(super) fn decode(row: &[u8]) -> Option<Self> {
        let mut octets = Octets::new(row);
        if octets.u8()? != VERSION {
            return None;
        }
        let all_or_nothing = match octets.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let mut record = Self {
            all_or_nothing,
            body_sha256: octets.array()?,
            recorded_ms: octets.u64()?,
            last_sequence: octets.u64()?,
            head: TreeHead {
                size: octets.u64()?,
                root: octets.array()?,
            },
            client: text(octets.counted_u8()?)?,
            key: text(octets.counted_u16()?)?,
            runs: Vec::new(),
        };
        while !octets.is_empty() {
            let tag = octets.u8()?;
            let count = octets.u32().filter(|count| *count > 0)?;
            let result = match tag {
                0 => RunResult::Applied {
                    first: octets.u64()?,
                },
                1 => RunResult::Unchanged,
                2 => RunResult::Refused(Refused {
                    code: text(octets.counted_u8()?)?,
                    detail: text(octets.counted_u16()?)?,
                }),
                _ => return None,
            };
            record.runs.push(Run { count, result });
        }
        Some(record)
    }
}

fn text(octets: &[u8]) -> Option<String> {
    str::from_utf8(octets).ok().map(str::to_owned)
}

fn counted_u8(octets: &mut Vec<u8>, text: &str) {
    // Longer ones were cut or refused before.
    octets.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    octets.extend(text.bytes().take(usize::from(u8::MAX)));
}

fn counted_u16(octets: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    octets.extend(len.to_be_bytes());
    octets.extend(text.bytes().take(usize::from(u16::MAX)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Refusal;

    fn request() -> PushRequest {
        let why = |code: &str| Refused {
            code: code.to_owned(),
            detail: "نه".to_owned(),
        };
        PushRequest {
            client: "ca".to_owned(),
            key: "k".to_owned(),
            body_sha256: [7; 32],
            all_or_nothing: false,
            entries: 9,
            refused: vec![(0, why("a")), (4, why("b")), (5, why("b"))],
        }
    }

    fn record() -> PushRecord {
        let applied = |sequence| Outcome::Applied { sequence };
        let outcomes = [
            applied(5),
            applied(6),
            applied(8),
            Outcome::Unchanged,
            Outcome::Unchanged,
            Outcome::Refused(Refusal::NotOnHold),
        ];
        let head = TreeHead {
            size: 9,
            root: [3; 32],
        };
        request().record(&outcomes, 1_000, 8, head)
    }

    #[test]
    fn results_stand_in_the_order_of_the_entries() {
        let runs: Vec<_> = record()
            .runs
            .into_iter()
            .map(|run| match run.result {
                RunResult::Applied { first } => format!("{} from {first}", run.count),
                RunResult::Unchanged => format!("{} unchanged", run.count),
                RunResult::Refused(why) => format!("{} {}", run.count, why.code),
            })
            .collect();
        let expected = [
            "1 a",
            "2 from 5",
            "1 from 8",
            "2 b",
            "2 unchanged",
            "1 not_on_hold",
        ];
        assert_eq!(runs, expected);
    }

    #[test]
    fn a_row_is_read_as_it_was_written_or_not_at_all() {
        let record = record();
        let row = record.encode();
        assert_eq!(PushRecord::decode(&row), Some(record));
        // Cut anywhere but between runs, nothing is read.
        let whole: Vec<usize> = (0..row.len())
            .filter(|end| PushRecord::decode(&row[..*end]).is_some())
            .collect();
        assert_eq!(whole.len(), 6, "{whole:?}");
        for (place, octet) in [(0, 2), (1, 2)] {
            let mut other = row.clone();
            other[place] = octet;
            assert_eq!(PushRecord::decode(&other), None);
        }
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let mut runs = Runs(Vec::new());
        runs.refused(Refused {
            code: "c".to_owned(),
            detail: "ن".repeat(40_000),
        });
        let RunResult::Refused(why) = &runs.0[0].result else {
            panic!("it is refused")
        };
        assert_eq!(why.detail.len(), 65_534);
    }
}
