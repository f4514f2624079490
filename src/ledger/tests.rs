//! The ledger as a whole: against a model, over reopenings, and with damaged files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use proptest::prelude::*;

use crate::{
    asn1::{CrlReason, UnixTime},
    change::{Action, Change, Inventory, Outcome, Refusal, RevocationClaim, Source, Verdict},
    identity::{IssuerId, SerialHash, SerialNumber},
};

use super::{
    transition::{Standing, Transition, transition},
    *,
};

mod history;
mod issuer_wide;
mod log;
mod pushes;
mod verify;

const NOW_MS: u64 = 1_790_000_000_500;

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs).unwrap()
}

fn identity(label: &str) -> IssuerIdentity {
    IssuerIdentity {
        subject_der: label.as_bytes().to_vec(),
        spki_der: vec![0x30],
        label: label.to_owned(),
    }
}

fn source() -> Source {
    Source::new("test", "cursor").unwrap()
}

fn serial(number: u32) -> SerialNumber {
    SerialNumber::from_hex(&format!("7{number:08x}")).unwrap()
}

fn define(ledger: &Ledger, label: &str) -> IssuerId {
    let defined = ledger.define_issuer(&identity(label), &source(), NOW_MS);
    defined.unwrap().id
}

fn issue(issuer: IssuerId, number: u32) -> Change {
    let inventory = Inventory {
        not_after: Some(at(1_900_000_000)),
        ..Inventory::default()
    };
    Change {
        issuer,
        serial: serial(number),
        action: Action::Issue(inventory),
    }
}

fn revoke(issuer: IssuerId, number: u32, reason: Option<CrlReason>) -> Change {
    let claim = RevocationClaim {
        revocation_time: at(1_780_000_000),
        reason,
        invalidity_date: None,
    };
    Change {
        issuer,
        serial: serial(number),
        action: Action::Revoke {
            claim,
            inventory: None,
        },
    }
}

fn commit(ledger: &Ledger, changes: &[Change]) -> Vec<Outcome> {
    let committed = ledger.commit(changes, &source(), NOW_MS).unwrap();
    committed.outcomes
}

fn applied(sequence: u64) -> Outcome {
    Outcome::Applied { sequence }
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    let ledger = Ledger::open(&path).unwrap();
    let issuer = define(&ledger, "ca");
    let changes = [
        issue(issuer, 1),
        revoke(issuer, 1, None),
        issue(issuer, 2),
        issue(issuer, 2),
        issue(issuer, 1),
    ];
    let refused = Outcome::Refused(Refusal::Revoked {
        revocation_time: at(1_780_000_000),
        reason: None,
    });
    let outcomes = [
        applied(2),
        applied(3),
        applied(4),
        Outcome::Unchanged,
        refused,
    ];
    assert_eq!(commit(&ledger, &changes), outcomes);
    ledger.raise_signing_high_water(at(77)).unwrap();
    ledger.raise_signing_high_water(at(76)).unwrap();
    let record = ledger.status(&issuer, &serial(1)).unwrap();
    drop(ledger);

    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.status(&issuer, &serial(1)).unwrap(), record);
    assert_eq!(ledger.last_sequence().unwrap(), 4);
    assert_eq!(ledger.signing_high_water().unwrap(), at(77));
    assert_eq!(ledger.issuers().unwrap().len(), 1);
    assert_eq!(ledger.accept_clock(at(70), &source(), NOW_MS).unwrap(), 5);
    assert_eq!(ledger.signing_high_water().unwrap(), at(70));

    let snapshot = ledger.snapshot().unwrap();
    let history = snapshot.history(&issuer, &serial(1)).unwrap();
    let history: Vec<_> = history.map(Result::unwrap).collect();
    let sequences: Vec<_> = history.iter().map(|entry| entry.sequence).collect();
    assert_eq!(sequences, [3, 2]);
    assert_eq!(history[0].source, source());
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn an_issuer_is_defined_once_and_by_one_label() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let first = ledger.define_issuer(&identity("ca"), &source(), 1).unwrap();
    let again = ledger.define_issuer(&identity("ca"), &source(), 2).unwrap();
    assert_eq!((first.number, first.sequence), (1, 1));
    assert_eq!(first, again);
    let renamed = IssuerIdentity {
        label: "other".to_owned(),
        ..identity("ca")
    };
    assert!(matches!(
        ledger.define_issuer(&renamed, &source(), 3),
        Err(LedgerError::LabelDiffers { .. })
    ));
    let taken = IssuerIdentity {
        spki_der: vec![0x31],
        ..identity("ca")
    };
    assert!(matches!(
        ledger.define_issuer(&taken, &source(), 3),
        Err(LedgerError::LabelTaken { .. })
    ));
    let second = ledger.define_issuer(&identity("cb"), &source(), 4).unwrap();
    assert_eq!((second.number, second.sequence), (2, 2));

    let stranger = IssuerId::from_bytes([0; 32]);
    assert_eq!(
        commit(&ledger, &[issue(stranger, 1)]),
        [Outcome::Refused(Refusal::UnknownIssuer)]
    );
}

#[test]
fn a_second_owner_is_turned_away() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    assert!(matches!(
        Ledger::open(dir.path()),
        Err(LedgerError::Locked { .. })
    ));
    // A snapshot keeps the database open, and so locked, after the ledger itself is gone.
    let snapshot = ledger.snapshot().unwrap();
    drop(ledger);
    assert!(matches!(
        Ledger::open(dir.path()),
        Err(LedgerError::Locked { .. })
    ));
    drop(snapshot);
    Ledger::open(dir.path()).unwrap();
}

#[test]
fn a_snapshot_does_not_see_what_comes_later() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let issuer = define(&ledger, "ca");
    commit(&ledger, &[issue(issuer, 1)]);
    let snapshot = ledger.snapshot().unwrap();
    commit(&ledger, &[revoke(issuer, 1, None), issue(issuer, 2)]);
    let other = define(&ledger, "cb");
    assert_eq!(snapshot.last_sequence(), 2);
    assert_eq!(snapshot.record_count(&issuer).unwrap(), 1);
    assert_eq!(snapshot.revoked(&issuer).unwrap().count(), 0);
    assert_eq!(snapshot.issuers().count(), 1);
    assert_eq!(snapshot.entries_since(0).unwrap().count(), 2);
    let record = snapshot.status(&issuer, &serial(1)).unwrap().unwrap();
    assert_eq!(record.revocation, None);
    assert_eq!(snapshot.record_count(&other).unwrap(), 0);
    assert!(snapshot.revoked(&other).unwrap().next().is_none());
}

#[test]
fn after_a_failed_write_it_is_reopened_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let issuer = define(&ledger, "ca");
    commit(&ledger, &[issue(issuer, 1), issue(issuer, 2)]);
    ledger.mark_failed();
    let snapshot = ledger.snapshot().unwrap();
    let mut rows = snapshot.shard_records(&issuer, 0, 0).unwrap();
    assert!(rows.next().unwrap().is_ok(), "reads go on");

    let error = ledger.commit(&[issue(issuer, 3)], &source(), NOW_MS);
    assert!(
        matches!(error, Err(LedgerError::Reopening { .. })),
        "while somebody reads"
    );
    let end = rows.next();
    assert!(
        matches!(end, Some(Err(LedgerError::Reopening { .. }))),
        "who is told to end"
    );
    assert!(rows.next().is_none());
    assert!(ledger.needs_recovery());
    drop(rows);
    drop(snapshot);

    assert_eq!(commit(&ledger, &[issue(issuer, 3)]), [applied(4)]);
    assert!(!ledger.needs_recovery());
    assert_eq!(read_rows(&ledger, &issuer), 3);
    ledger.mark_failed();
    ledger.recover().unwrap();
    assert_eq!(read_rows(&ledger, &issuer), 3);
}

fn read_rows(ledger: &Ledger, issuer: &IssuerId) -> usize {
    let snapshot = ledger.snapshot().unwrap();
    let rows = snapshot.shard_records(issuer, 0, 0).unwrap();
    rows.map(Result::unwrap).count()
}

#[test]
fn a_creation_that_a_crash_interrupted_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    drop(rocksdb::DB::open(&options, dir.path()).unwrap());
    let ledger = Ledger::open(dir.path()).unwrap();
    let issuer = define(&ledger, "ca");
    assert_eq!(commit(&ledger, &[issue(issuer, 1)]), [applied(2)]);
}

// --- Against a model ---------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(u8, u8, Action)>),
    /// All certificates of an issuer, and one of the other's with them.
    RevokeIssuer(u8, RevocationClaim, u8),
    Reopen,
    Crash,
}

/// What the ledger should hold.
#[derive(Default)]
struct Model {
    /// Their own records.
    certificates: BTreeMap<(usize, u8), StatusRecord>,
    /// The revocations of the issuers.
    whole: [Option<Revocation>; 2],
    /// What was last told of certificates of revoked issuers.
    told: BTreeMap<(usize, u8), Revocation>,
    history: BTreeMap<(usize, u8), Vec<u64>>,
    last_sequence: u64,
}

impl Model {
    fn commit(&mut self, issuer: usize, number: u8, action: &Action) -> Outcome {
        let key = (issuer, number);
        let known = self.certificates.get(&key);
        let standing = known.map(Standing::from).unwrap_or_default();
        let whole = self.whole[issuer].as_ref();
        match transition(&standing, whole, action, NOW_MS) {
            Transition::Unchanged => Outcome::Unchanged,
            Transition::Refuse(refusal) => Outcome::Refused(refusal),
            Transition::Apply(next) => {
                self.last_sequence += 1;
                let record = StatusRecord {
                    sequence: self.last_sequence,
                    recorded_ms: NOW_MS,
                    issued: next.issued,
                    revocation: next.revocation,
                    released: next.released,
                    crl_scope: None,
                };
                self.certificates.insert(key, record);
                self.history
                    .entry(key)
                    .or_default()
                    .push(self.last_sequence);
                applied(self.last_sequence)
            }
        }
    }

    fn revoke_issuer(&mut self, issuer: usize, claim: RevocationClaim) -> Outcome {
        if let Some(known) = &self.whole[issuer] {
            let (revocation_time, reason) = (known.claim.revocation_time, known.claim.reason);
            return match known.claim == claim {
                true => Outcome::Unchanged,
                false => Outcome::Refused(Refusal::RevokedOtherwise {
                    revocation_time,
                    reason,
                }),
            };
        }
        if claim.reason == Some(CrlReason::CertificateHold) {
            return Outcome::Refused(Refusal::HoldOfIssuer);
        }
        if claim.revocation_time > at(1_800_000_000) {
            let revocation_time = claim.revocation_time;
            return Outcome::Refused(Refusal::TimeAhead { revocation_time });
        }
        self.last_sequence += 1;
        self.whole[issuer] = Some(Revocation {
            claim,
            recorded_ms: NOW_MS,
            by_issuer: Some(self.last_sequence),
        });
        applied(self.last_sequence)
    }

    /// Whether a certificate is revoked by its issuer's revocation.
    fn is_covered(&self, key: (usize, u8)) -> bool {
        let own = self.certificates[&key].revocation;
        let reason = own.map(|own| own.claim.reason);
        self.whole[key.0].is_some() && matches!(reason, None | Some(HOLD))
    }

    /// What is true of a certificate, under its own latest entry.
    fn status(&self, key: (usize, u8)) -> StatusRecord {
        let own = self.certificates[&key];
        match self.is_covered(key) {
            false => own,
            true => StatusRecord {
                revocation: self.whole[key.0],
                released: false,
                ..own
            },
        }
    }

    /// The same as it is read.
    fn read(&self, key: (usize, u8)) -> StatusRecord {
        let status = self.status(key);
        let whole = status
            .revocation
            .and_then(|revocation| revocation.by_issuer);
        StatusRecord {
            sequence: status.sequence.max(whole.unwrap_or(0)),
            ..status
        }
    }

    /// Of a revoked issuer, no certificate is good and what was told of one stays.
    fn tell(&mut self) {
        let keys: Vec<_> = self.certificates.keys().copied().collect();
        for key in keys.into_iter().filter(|key| self.whole[key.0].is_some()) {
            let revocation = self.read(key).revocation.expect("it is revoked");
            let told = *self.told.entry(key).or_insert(revocation);
            assert_eq!(told, revocation);
        }
    }
}

const HOLD: Option<CrlReason> = Some(CrlReason::CertificateHold);

fn model_serial(number: u8) -> SerialNumber {
    // One and several octets, with and without the sign octet, sharing prefixes.
    match number % 4 {
        0 => SerialNumber::from_hex(&format!("{number:02x}")).unwrap(),
        1 => SerialNumber::from_hex(&format!("80{number:02x}")).unwrap(),
        2 => SerialNumber::from_hex(&format!("{number:02x}{:036x}", 7)).unwrap(),
        _ => SerialNumber::from_hex(&format!("{number:02x}00")).unwrap(),
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let inventory =
        (prop::option::of(8..10_u64), any::<bool>()).prop_map(|(secs, hash)| Inventory {
            not_before: secs.map(|secs| at(secs - 8)),
            not_after: secs.map(at),
            certificate_sha256: hash.then_some([7; 32]),
            distribution_point: None,
        });
    let reasons = [
        None,
        Some(CrlReason::KeyCompromise),
        Some(CrlReason::CertificateHold),
        Some(CrlReason::CertificateHold),
    ];
    let claim = (
        0..3_u64,
        prop::sample::select(reasons.to_vec()),
        any::<bool>(),
    )
        .prop_map(|(secs, reason, invalid)| RevocationClaim {
            revocation_time: at(if secs == 2 { 1_900_000_000 } else { secs }),
            reason,
            invalidity_date: invalid.then(|| at(1)),
        })
        .boxed();
    let whole = claim.clone();
    let action = prop_oneof![
        3 => inventory.clone().prop_map(Action::Issue),
        3 => (claim, prop::option::of(inventory))
            .prop_map(|(claim, inventory)| Action::Revoke { claim, inventory }),
        1 => Just(Action::Release),
    ];
    // Few serials, so that they meet; and batches of every size against every population, so that
    // each way of looking up is taken.
    let change = (0..2_u8, 0..60_u8, action);
    prop::collection::vec(
        prop_oneof![
            3 => prop::collection::vec(change.clone(), 1..4).prop_map(Step::Commit),
            2 => prop::collection::vec(change, 20..120).prop_map(Step::Commit),
            1 => (0..2_u8, whole, 0..60_u8).prop_map(|(issuer, claim, number)| {
                Step::RevokeIssuer(issuer, claim, number)
            }),
            1 => Just(Step::Reopen),
            1 => Just(Step::Crash),
        ],
        1..12,
    )
}

fn len<T>(rows: &[T]) -> u64 {
    u64::try_from(rows.len()).unwrap()
}

/// Copies a ledger, as a crash would leave it if it is open.
fn copy(from: &Path, to: &Path) {
    let files = || -> BTreeMap<_, _> {
        let files = fs::read_dir(from).unwrap().map(Result::unwrap);
        let file = |file: fs::DirEntry| Some((file.file_name(), file.metadata().ok()?.len()));
        files.filter_map(file).collect()
    };
    // Until RocksDB did not remove or write a file meanwhile.
    loop {
        let before = files();
        drop(fs::remove_dir_all(to));
        fs::create_dir_all(to).unwrap();
        let copied = before
            .keys()
            .all(|name| fs::copy(from.join(name), to.join(name)).is_ok());
        if copied && files() == before {
            return;
        }
    }
}

fn check(ledger: &Ledger, issuers: &[IssuerId; 2], model: &Model) {
    let snapshot = ledger.snapshot().unwrap();
    assert_eq!(snapshot.last_sequence(), model.last_sequence);
    for (index, issuer) in issuers.iter().enumerate() {
        let expected: BTreeMap<_, _> = model
            .certificates
            .iter()
            .filter(|((of, _), _)| *of == index)
            .map(|(key, _)| (model_serial(key.1), model.read(*key)))
            .collect();
        let mut revoked: Vec<_> = expected
            .iter()
            .filter_map(|(serial, record)| {
                Some(RevokedRecord {
                    serial: *serial,
                    sequence: record.sequence,
                    recorded_ms: record.recorded_ms,
                    revocation: record.revocation?,
                    not_after: record.issued.and_then(|inventory| inventory.not_after),
                    crl_scope: None,
                    distribution_point: record
                        .issued
                        .and_then(|inventory| inventory.distribution_point),
                })
            })
            .collect();
        revoked.sort_by_key(|record| {
            let serial = record.serial;
            (keys::hash_prefix(issuer, &serial), serial)
        });
        let found: Vec<_> = snapshot
            .revoked(issuer)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            found, revoked,
            "in the order of their hashes, the revoked and no others"
        );
        assert_eq!(snapshot.revoked_count(issuer).unwrap(), len(&revoked));
        assert_eq!(
            snapshot.record_count(issuer).unwrap(),
            u64::try_from(expected.len()).unwrap()
        );

        for depth in [0_u8, 1, 3, 32] {
            let shards: BTreeSet<u32> = match depth {
                32 => expected
                    .keys()
                    .map(|serial| SerialHash::new(issuer, serial.as_bytes()).shard(32))
                    .map(|shard| u32::try_from(shard).unwrap())
                    .collect(),
                depth => (0..1 << depth).collect(),
            };
            let mut found = BTreeMap::new();
            for shard in shards {
                let rows: Vec<_> = snapshot
                    .shard_records(issuer, depth, shard)
                    .unwrap()
                    .map(Result::unwrap)
                    .collect();
                for (serial, record) in rows {
                    let hash = SerialHash::new(issuer, serial.as_bytes());
                    assert_eq!(hash.shard(u32::from(depth)), u64::from(shard));
                    assert!(found.insert(serial, record).is_none(), "in two shards");
                }
            }
            assert_eq!(found, expected, "depth {depth}");
        }
        for ((of, number), history) in &model.history {
            if *of == index {
                let entries = snapshot.history(issuer, &model_serial(*number)).unwrap();
                let entries: Vec<_> = entries.map(Result::unwrap).collect();
                let sequences: Vec<_> = entries.iter().rev().map(|entry| entry.sequence).collect();
                let key = (index, *number);
                let whole = model.whole[index].and_then(|whole| whole.by_issuer);
                let whole = whole.filter(|_| model.is_covered(key));
                let mut expected: Vec<_> = history.iter().copied().chain(whole).collect();
                expected.sort_unstable();
                assert_eq!(sequences, expected);
            }
        }
    }
    let since = model.last_sequence / 2;
    let entries: Vec<_> = snapshot
        .entries_since(since)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let sequences: Vec<_> = entries.iter().map(|entry| entry.sequence).collect();
    assert_eq!(
        sequences,
        (since + 1..=model.last_sequence).collect::<Vec<_>>()
    );
    let latest: Vec<_> = snapshot
        .applied_since(since)
        .unwrap()
        .map(|entry| entry.unwrap().record)
        .collect();
    let mut expected: Vec<_> = model
        .certificates
        .keys()
        .map(|key| model.status(*key))
        .filter(|record| record.sequence > since)
        .collect();
    expected.sort_by_key(|record| record.sequence);
    assert_eq!(latest, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_ledger_is_what_the_model_is(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let mut path = dir.path().join("0");
        let mut ledger = Ledger::open(&path).unwrap();
        let issuers = [define(&ledger, "ca"), define(&ledger, "cb")];
        let mut model = Model { last_sequence: 2, ..Model::default() };
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Commit(changes) => {
                    let expected: Vec<_> = changes
                        .iter()
                        .map(|(issuer, number, action)| {
                            model.commit(usize::from(*issuer), *number, action)
                        })
                        .collect();
                    let changes: Vec<_> = changes
                        .into_iter()
                        .map(|(issuer, number, action)| Change {
                            issuer: issuers[usize::from(issuer)],
                            serial: model_serial(number),
                            action,
                        })
                        .collect();
                    let verdicts = ledger.judge(&changes, NOW_MS).unwrap();
                    let outcomes = commit(&ledger, &changes);
                    prop_assert_eq!(&outcomes, &expected);
                    let judged: Vec<_> = outcomes
                        .into_iter()
                        .map(|outcome| match outcome {
                            Outcome::Applied { .. } => Verdict::Applies,
                            Outcome::Unchanged => Verdict::Unchanged,
                            Outcome::Refused(refusal) => Verdict::Refused(refusal),
                        })
                        .collect();
                    prop_assert_eq!(judged, verdicts);
                }
                Step::RevokeIssuer(issuer, claim, number) => {
                    let (of, other) = (usize::from(issuer), usize::from(1 - issuer));
                    let action = Action::Revoke { claim, inventory: None };
                    let change = Change {
                        issuer: issuers[other],
                        serial: model_serial(number),
                        action,
                    };
                    let order = IssuerRevocationOrder {
                        issuer: issuers[of],
                        claim,
                        with: vec![change],
                    };
                    let done = ledger.revoke_issuer(&order, &source(), NOW_MS).unwrap();
                    prop_assert_eq!(done.outcome, model.revoke_issuer(of, claim));
                    if !matches!(done.outcome, Outcome::Refused(_)) {
                        let with = model.commit(other, number, &action);
                        prop_assert_eq!(done.with.outcomes, [with]);
                    }
                }
                Step::Reopen => {
                    drop(ledger);
                    ledger = Ledger::open(&path).unwrap();
                }
                Step::Crash => {
                    let next = dir.path().join(format!("{}", number + 1));
                    copy(&path, &next);
                    drop(ledger);
                    path = next;
                    ledger = Ledger::open(&path).unwrap();
                }
            }
            model.tell();
            check(&ledger, &issuers, &model);
        }
    }
}

// --- Damage ------------------------------------------------------------------------------------

/// A closed ledger with two thousand certificates, all in tables.
fn closed_ledger(path: &Path) -> IssuerId {
    let ledger = Ledger::open(path).unwrap();
    let issuer = define(&ledger, "ca");
    let changes: Vec<_> = (0..2_000).map(|number| issue(issuer, number)).collect();
    commit(&ledger, &changes);
    issuer
}

/// A ledger as a crash leaves it after ten commits: all in the log.
fn crashed_ledger(path: &Path) -> IssuerId {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let issuer = define(&ledger, "ca");
    for number in 0..10 {
        commit(&ledger, &[issue(issuer, number)]);
    }
    copy(dir.path(), path);
    issuer
}

fn files(path: &Path, matching: impl Fn(&str) -> bool) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| matching(path.file_name().unwrap().to_str().unwrap()))
        .collect();
    files.sort();
    files
}

/// Reads everything.
fn read_all(path: &Path) -> Result<u64, LedgerError> {
    let ledger = Ledger::open(path)?;
    let snapshot = ledger.snapshot()?;
    let mut sum = snapshot.last_sequence();
    for issuer in snapshot.issuers() {
        for row in snapshot.shard_records(&issuer.id, 0, 0)? {
            row?;
            sum += 1;
        }
        for row in snapshot.revoked(&issuer.id)? {
            row?;
        }
    }
    for entry in snapshot.entries_since(0)? {
        entry?;
    }
    Ok(sum)
}

fn assert_damaged(result: Result<u64, LedgerError>, what: &str) {
    match result {
        Err(LedgerError::Damaged { .. }) => {}
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn damage_is_named_and_never_becomes_an_empty_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    closed_ledger(&whole);
    let sum = read_all(&whole).unwrap();
    let mut cases = 0;
    let mut case = |what: &str, damage: &dyn Fn(&Path)| {
        cases += 1;
        let path = dir.path().join(format!("{cases}"));
        copy(&whole, &path);
        damage(&path);
        match read_all(&path) {
            // The end of a MANIFEST may be what nothing depends on.
            Ok(found) if what.contains("MANIFEST") => assert_eq!(found, sum, "{what}"),
            result => assert_damaged(result, what),
        }
    };
    case("no CURRENT", &|path| {
        fs::remove_file(path.join("CURRENT")).unwrap()
    });
    case("empty CURRENT", &|path| {
        fs::write(path.join("CURRENT"), "").unwrap()
    });
    for name in ["MANIFEST", ".sst"] {
        for index in 0..files(&whole, |file| file.contains(name)).len() {
            let damaged = |path: &Path| files(path, |file| file.contains(name))[index].clone();
            let len = fs::metadata(damaged(&whole)).unwrap().len();
            case("removed", &|path| fs::remove_file(damaged(path)).unwrap());
            for cut in [0, 1, len / 2, len - 1] {
                case(
                    &format!("{:?} cut to {cut} of {len}", damaged(&whole)),
                    &|path| {
                        let file = fs::File::options().write(true).open(damaged(path)).unwrap();
                        file.set_len(cut).unwrap();
                    },
                );
            }
        }
    }
    assert_eq!(read_all(&whole).unwrap(), sum);
}

/// A flipped bit is found, or nothing depends on it.
#[test]
fn a_flipped_bit_is_found_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    closed_ledger(&whole);
    let sum = read_all(&whole).unwrap();
    let path = dir.path().join("flipped");
    let (mut found, mut harmless) = (0, 0);
    for original in files(&whole, |_| true) {
        let octets = fs::read(&original).unwrap();
        let step = (octets.len() / 12).max(1);
        for place in (0..octets.len()).step_by(step) {
            copy(&whole, &path);
            let mut flipped = octets.clone();
            flipped[place] ^= 1 << (place % 8);
            fs::write(path.join(original.file_name().unwrap()), flipped).unwrap();
            match read_all(&path) {
                Ok(read) => {
                    assert_eq!(read, sum, "{original:?} at {place}");
                    harmless += 1;
                }
                Err(LedgerError::Damaged { .. }) => found += 1,
                Err(error) => panic!("{original:?} at {place}: {error:?}"),
            }
            fs::remove_dir_all(&path).unwrap();
        }
    }
    assert!(found > harmless, "{found} found, {harmless} harmless");
}

#[test]
fn a_log_may_be_torn_after_the_last_acknowledged_entry_only() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    crashed_ledger(&whole);
    let log = |path: &Path| {
        let logs = files(path, |file| file.ends_with(".log"));
        logs.into_iter()
            .max_by_key(|log| fs::metadata(log).unwrap().len())
            .unwrap()
    };
    let octets = fs::read(log(&whole)).unwrap();
    let try_with = |octets: &[u8]| {
        let path = dir.path().join("torn");
        copy(&whole, &path);
        fs::write(log(&path), octets).unwrap();
        let result = read_all(&path);
        fs::remove_dir_all(&path).unwrap();
        result
    };
    let sum = try_with(&octets).unwrap();

    // What a crash leaves of a batch that was never acknowledged: part of a record.
    for torn in [&[0x55; 5][..], &[0x55; 700], &[0; 100]] {
        assert_eq!(try_with(&[&octets, torn].concat()).unwrap(), sum);
    }
    for cut in (0..octets.len()).step_by(octets.len() / 40 + 1) {
        assert_damaged(try_with(&octets[..cut]), &format!("cut to {cut}"));
        let mut flipped = octets.clone();
        flipped[cut] ^= 0x04;
        assert_damaged(try_with(&flipped), &format!("flipped at {cut}"));
    }
}

#[test]
fn what_cannot_be_a_ledger_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(
        Ledger::open(&file),
        Err(LedgerError::NotADirectory { .. })
    ));
    assert!(matches!(
        Ledger::open(&file.join("below")),
        Err(LedgerError::NotADirectory { .. })
    ));

    let path = dir.path().join("other version");
    closed_ledger(&path);
    let with_format = |format: u32| {
        let mut options = rocksdb::Options::default();
        options.create_missing_column_families(true);
        let families = [
            "default",
            "entries",
            "status",
            "revoked",
            "issuers",
            "tree",
            "pushes",
            "checkpoints",
            "meta",
            "later",
        ];
        let db = rocksdb::DB::open_cf(&options, &path, families).unwrap();
        let meta = db.cf_handle("meta").unwrap();
        db.put_cf(meta, "format", format.to_be_bytes()).unwrap();
        drop(db);
        Ledger::open(&path).unwrap_err()
    };
    let error = with_format(5);
    assert!(
        matches!(
            error,
            LedgerError::NewerVersion {
                found: 5,
                supported: 4,
                ..
            }
        ),
        "{error:?}"
    );
    for older in [1, 2] {
        let error = with_format(older);
        assert!(
            matches!(
                error,
                LedgerError::OlderVersion {
                    found,
                    supported: 4,
                    ..
                } if found == older
            ),
            "{error:?}"
        );
        let told = error.to_string();
        assert!(told.contains("begin a new one in another folder"), "{told}");
    }
}

// --- Group commit ------------------------------------------------------------------------------

fn far() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[test]
fn many_submitters_share_commits_and_see_their_own_outcomes() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(dir.path()).unwrap());
    let issuer = define(&ledger, "ca");
    let visible = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&visible);
    let group = GroupCommit::start(
        Arc::clone(&ledger),
        GroupOptions::new(0),
        || NOW_MS,
        move |durable: Durable<'_>| {
            let applied = durable.certificates();
            let sequences = applied.iter().map(|entry| entry.record.sequence);
            seen.lock().unwrap().extend(sequences);
            Ok::<_, std::io::Error>(())
        },
    )
    .unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (group, visible) = (&group, &visible);
            scope.spawn(move || {
                for round in 0..50 {
                    let number = thread * 100 + round;
                    let changes = vec![issue(issuer, number), issue(issuer, number)];
                    let receipt = group.submit(changes, source(), far()).unwrap();
                    let told = receipt.wait().unwrap();
                    let [Outcome::Applied { sequence }, Outcome::Unchanged] = told.outcomes[..]
                    else {
                        panic!("{told:?}");
                    };
                    assert!((sequence..=401).contains(&told.last_sequence));
                    assert_eq!(told.head.size, told.last_sequence);
                    assert_eq!(told.recorded_ms, NOW_MS);
                    assert!(visible.lock().unwrap().contains(&sequence));
                }
            });
        }
    });
    drop(group);
    let sequences: Vec<_> = (2..=401).collect();
    assert_eq!(*visible.lock().unwrap(), sequences, "each once, in order");
}

#[test]
fn what_is_not_visible_is_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(dir.path()).unwrap());
    let issuer = define(&ledger, "ca");
    let (sender, made_visible) = mpsc::channel();
    let mut failures = 2;
    let group = GroupCommit::start(
        Arc::clone(&ledger),
        GroupOptions::new(1),
        || NOW_MS,
        move |durable: Durable<'_>| {
            let applied = durable.certificates();
            if failures > 0 {
                failures -= 1;
                return Err("no");
            }
            sender.send(applied.to_vec()).unwrap();
            Ok(())
        },
    )
    .unwrap();
    let submit = |number| {
        let submitted = group.submit(vec![issue(issuer, number)], source(), far());
        submitted.unwrap().wait().map(|told| told.outcomes)
    };
    assert!(matches!(submit(1), Err(CommitError::NotVisible(_))));
    assert!(matches!(submit(1), Err(CommitError::NotVisible(_))));
    // Recorded by the first, unchanged now, and acknowledged only after it is visible.
    assert_eq!(submit(1).unwrap(), [Outcome::Unchanged]);
    assert_eq!(made_visible.try_recv().unwrap()[0].serial, serial(1));
    assert_eq!(submit(2).unwrap(), [applied(3)]);
    assert_eq!(made_visible.try_recv().unwrap()[0].serial, serial(2));

    // Written past the group: visible before the group says anything.
    commit(&ledger, &[issue(issuer, 3)]);
    assert_eq!(submit(3).unwrap(), [Outcome::Unchanged]);
    assert_eq!(made_visible.try_recv().unwrap()[0].serial, serial(3));

    let late = group.submit(
        vec![issue(issuer, 9)],
        source(),
        Instant::now() - Duration::from_secs(1),
    );
    assert!(matches!(
        late.unwrap().wait(),
        Err(CommitError::DeadlinePassed)
    ));
    assert_eq!(ledger.status(&issuer, &serial(9)).unwrap(), None);
}

#[test]
fn the_queue_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(dir.path()).unwrap());
    let issuer = define(&ledger, "ca");
    let (go, wait) = mpsc::channel::<()>();
    let options = GroupOptions {
        submissions_max: 2,
        changes_max: CHANGES_MAX,
        ..GroupOptions::new(1)
    };
    let group = GroupCommit::start(
        Arc::clone(&ledger),
        options,
        || NOW_MS,
        move |_: Durable<'_>| {
            // Ends when the sender is dropped.
            wait.recv().or(Ok::<_, std::io::Error>(()))
        },
    )
    .unwrap();
    let submit = |number| group.submit(vec![issue(issuer, number)], source(), far());
    let first = submit(0).unwrap();
    let receipts: Vec<_> = (1..100).map_while(|number| submit(number).ok()).collect();
    assert!(receipts.len() <= 3, "one is being written, two wait");
    assert_eq!(submit(200).unwrap_err(), SubmitError::Busy);
    let many = vec![issue(issuer, 1); CHANGES_MAX + 1];
    assert!(matches!(
        group.submit(many, source(), far()),
        Err(SubmitError::TooManyChanges { .. })
    ));
    drop(go);
    first.wait().unwrap();
    for receipt in receipts {
        receipt.wait().unwrap();
    }
}
