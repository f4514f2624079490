//! The past of certificates, against a model that keeps every state; and epochs in the entries.

use super::*;
use crate::change::Evidence;

/// Seconds at which the changes of a test are recorded.
const FIRST: u64 = 1_790_000_000;

fn commit_at(ledger: &Ledger, issuer: IssuerId, action: Action, secs: u64) -> Outcome {
    let change = Change {
        issuer,
        serial: serial(1),
        action,
    };
    let committed = ledger.commit(&[change], &source(), secs * 1_000 + 250);
    committed.unwrap().outcomes[0]
}

fn revoking(secs: u64, reason: Option<CrlReason>) -> Action {
    Action::Revoke {
        claim: claim(secs, reason),
        inventory: None,
    }
}

fn claim(secs: u64, reason: Option<CrlReason>) -> RevocationClaim {
    RevocationClaim {
        revocation_time: at(secs),
        reason,
        invalidity_date: None,
    }
}

fn issuing(not_before: Option<u64>) -> Action {
    Action::Issue(Inventory {
        not_before: not_before.map(at),
        not_after: Some(at(1_900_000_000)),
        certificate_sha256: None,
        distribution_point: None,
    })
}

/// Since when, and why.
type Claimed = (u64, Option<CrlReason>);

/// What a past comes to: since when and why, where it is revoked.
type Told = Option<Option<Claimed>>;

fn told(past: Past) -> Told {
    match past {
        Past::NotKnown => None,
        Past::Good { .. } => Some(None),
        Past::Revoked { revocation, .. } => Some(Some((
            revocation.signing_time().as_secs(),
            revocation.claim.reason,
        ))),
    }
}

#[test]
fn a_moment_is_told_as_it_was_known_and_as_it_is_known() {
    use CrlReason::{CertificateHold as Hold, KeyCompromise as Key, Superseded};
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let issuer = define(&ledger, "ca");
    let commit = |action, secs| {
        let outcome = commit_at(&ledger, issuer, action, FIRST + secs);
        assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    };
    commit(issuing(Some(FIRST - 100)), 0);
    commit(revoking(FIRST + 9, Some(Hold)), 10);
    commit(Action::Release, 20);
    commit(revoking(FIRST + 25, Some(Superseded)), 30);
    commit(Action::Correct(claim(FIRST + 5, Some(Key))), 40);
    let snapshot = ledger.snapshot().unwrap();
    let ask = |secs: u64, by| {
        let at = at((FIRST + secs).saturating_sub(1_000));
        told(snapshot.status_at(&issuer, &serial(1), at, by).unwrap())
    };
    let hold = Some(Some((FIRST + 9, Some(Hold))));
    let superseded = Some(Some((FIRST + 25, Some(Superseded))));
    let corrected = Some(Some((FIRST + 5, Some(Key))));
    // Seconds after FIRST - 1000, so that times before it can be written.
    for (secs, then, today) in [
        (899, None, None),
        (900, None, Some(None)),
        (999, None, Some(None)),
        (1_000, Some(None), Some(None)),
        (1_004, Some(None), Some(None)),
        (1_005, Some(None), corrected),
        (1_009, Some(None), corrected),
        (1_010, hold, corrected),
        (1_019, hold, corrected),
        (1_020, Some(None), corrected),
        (1_029, Some(None), corrected),
        (1_030, superseded, corrected),
        (1_039, superseded, corrected),
        (1_040, corrected, corrected),
        (99_999, corrected, corrected),
    ] {
        assert_eq!(ask(secs, By::Recorded), then, "{secs} as known then");
        assert_eq!(ask(secs, By::Effective), today, "{secs} as known today");
    }
    let entries = snapshot.history(&issuer, &serial(1)).unwrap();
    let kinds: Vec<_> = entries
        .map(|entry| match entry.unwrap().kind {
            EntryKind::Certificate(entry) => (entry.previous, entry.statement),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds.len(), 5);
    assert_eq!(
        kinds[0],
        (5, Statement::Corrected(claim(FIRST + 5, Some(Key))))
    );
    // What is revoked now is as corrected, and still known since it was recorded first.
    let revocation = ledger
        .status(&issuer, &serial(1))
        .unwrap()
        .unwrap()
        .revocation;
    assert_eq!(revocation.unwrap().recorded_ms, (FIRST + 30) * 1_000 + 250);
    // Of a stranger nothing is known.
    let past = snapshot.status_at(&issuer, &serial(2), at(FIRST + 99), By::Recorded);
    assert_eq!(past.unwrap(), Past::NotKnown);
}

#[test]
fn the_revocation_of_an_issuer_is_part_of_the_past() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let issuer = define(&ledger, "ca");
    commit_at(&ledger, issuer, issuing(None), FIRST);
    let order = IssuerRevocationOrder {
        issuer,
        claim: claim(FIRST + 15, Some(CrlReason::CaCompromise)),
        with: Vec::new(),
    };
    let committed = ledger.revoke_issuer(&order, &source(), (FIRST + 20) * 1_000);
    assert!(matches!(
        committed.unwrap().outcome,
        Outcome::Applied { sequence: 3 }
    ));
    commit_at(&ledger, issuer, issuing(Some(FIRST)), FIRST + 30);
    let snapshot = ledger.snapshot().unwrap();
    let revoked = Some(Some((FIRST + 15, Some(CrlReason::CaCompromise))));
    for (secs, then, today) in [
        (14, Some(None), Some(None)),
        (15, Some(None), revoked),
        (19, Some(None), revoked),
        (20, revoked, revoked),
        (40, revoked, revoked),
    ] {
        let ask = |by| {
            let past = snapshot.status_at(&issuer, &serial(1), at(FIRST + secs), by);
            told(past.unwrap())
        };
        assert_eq!(
            (ask(By::Recorded), ask(By::Effective)),
            (then, today),
            "{secs}"
        );
    }
    // In pages of one, each from where the last one ended.
    let mut sequences = Vec::new();
    let mut page = snapshot.history(&issuer, &serial(1)).unwrap();
    loop {
        sequences.extend(page.next().map(|entry| entry.unwrap().sequence));
        let Some(next) = page.resumes_at() else { break };
        page = snapshot.history_from(&issuer, &serial(1), next).unwrap();
    }
    assert_eq!(sequences, [4, 3, 2]);
    for strange in [0, 1, 99] {
        let mut page = snapshot.history_from(&issuer, &serial(1), strange).unwrap();
        assert!(page.next().is_none(), "{strange}");
    }
}

#[test]
fn the_newest_crl_of_a_moment_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let (issuer, other) = (define(&ledger, "ca"), define(&ledger, "cb"));
    for (number, secs) in [(1, 10), (2, 20), (3, 30)] {
        let evidence = Evidence {
            scope: crate::change::CrlScope::FULL,
            complete_sha256: None,
            this_update: at(FIRST + number),
            next_update: at(FIRST + 100),
            crl_number: None,
            crl_sha256: [0; 32],
            entry_count: 0,
        };
        let now_ms = (FIRST + secs) * 1_000 + 999;
        ledger
            .record_evidence(&issuer, &evidence, &source(), now_ms)
            .unwrap();
    }
    let snapshot = ledger.snapshot().unwrap();
    for (secs, found) in [
        (9, None),
        (10, Some(3)),
        (29, Some(4)),
        (30, Some(5)),
        (99, Some(5)),
    ] {
        let entry = snapshot.evidence_at(&issuer, at(FIRST + secs)).unwrap();
        assert_eq!(entry.map(|entry| entry.sequence), found, "{secs}");
    }
    assert_eq!(snapshot.evidence_at(&other, at(FIRST + 99)).unwrap(), None);
}

#[test]
fn an_epoch_begins_above_its_floor_and_says_what_it_continues() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let issuer = define(&ledger, "ca");
    commit_at(&ledger, issuer, issuing(None), FIRST);
    let before = ledger.tree_head().unwrap();
    let floor = |sequence| Floor {
        sequence,
        answers: None,
        why: "because".to_owned(),
    };
    assert!(ledger.open_epoch(&floor(1), &source(), NOW_MS).is_err());
    let opened = ledger.open_epoch(&floor(999), &source(), NOW_MS).unwrap();
    assert_eq!((opened.epoch, opened.last_sequence), (2, 2));
    assert_eq!((opened.leaves, opened.root), (before.size, before.root));
    let outcome = commit_at(&ledger, issuer, revoking(FIRST, None), FIRST + 1);
    assert_eq!(outcome, applied(1_001));
    drop(ledger);
    let ledger = Ledger::open(dir.path()).unwrap();
    let snapshot = ledger.snapshot().unwrap();
    assert_eq!(snapshot.opened_epochs().unwrap(), [opened]);
    assert_eq!(snapshot.epoch_begins_at(), 1_000);
    // The history of a certificate crosses the gap, and so does what is to be masked.
    let entries = snapshot.history(&issuer, &serial(1)).unwrap();
    let sequences: Vec<_> = entries.map(|entry| entry.unwrap().sequence).collect();
    assert_eq!(sequences, [1_001, 2]);
    for since in [1, 2, 3, 500, 1_000] {
        let masked = snapshot.applied_since(since).unwrap();
        let masked: Vec<_> = masked.map(|it| it.unwrap().record.sequence).collect();
        assert_eq!(masked, [1_001], "{since}");
    }
    let again = ledger.open_epoch(&floor(1_999), &source(), NOW_MS).unwrap();
    assert_eq!((again.epoch, again.last_sequence), (3, 1_001));
}

#[test]
fn an_epoch_that_says_another_state_than_it_continues_is_found() {
    use crate::ledger::{Finding, VerifyOptions, entry::EntryKind, log::Appender};
    let say = |change: fn(&mut EpochOpened)| {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        define(&ledger, "ca");
        let mut opened = EpochOpened {
            epoch: 2,
            last_sequence: 1,
            leaves: 1,
            root: ledger.tree_head().unwrap().root,
            floor: 999,
            answers: None,
            why: String::new(),
        };
        change(&mut opened);
        // As `open_epoch` writes it, but for what it says.
        let mut writer = ledger.writer();
        let engine = ledger.writable(&mut writer).unwrap();
        let mut log = Appender::begin(&engine).unwrap();
        let mut batch = rocksdb::WriteBatch::default();
        let epoch = log.open_epoch(&mut batch, 1_000).unwrap();
        let entry = Entry {
            sequence: 1_000,
            recorded_ms: NOW_MS,
            source: source(),
            kind: EntryKind::EpochOpened(opened),
        };
        log.append(&mut batch, &entry).unwrap();
        log.finish(&mut batch);
        ledger.write(&mut writer, &engine, batch).unwrap();
        engine.add_epoch(epoch);
        drop((engine, writer));
        let go_on = &mut |_| std::ops::ControlFlow::Continue(());
        let snapshot = ledger.snapshot().unwrap();
        let verified = snapshot.verify(&VerifyOptions::default(), go_on).unwrap();
        verified.unwrap().findings
    };
    assert_eq!(say(|_| {}), []);
    let wrong: [fn(&mut EpochOpened); 4] = [
        |it| it.epoch = 3,
        |it| it.last_sequence = 2,
        |it| it.leaves = 2,
        |it| it.root[0] ^= 1,
    ];
    for change in wrong {
        assert_eq!(say(change), [Finding::NotAllowed { sequence: 1_000 }]);
    }
}

/// A copy is a ledger of its own, and what goes on in the first is not in it.
#[test]
fn a_checkpoint_is_the_ledger_at_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&dir.path().join("ledger")).unwrap();
    let issuer = define(&ledger, "ca");
    commit_at(&ledger, issuer, issuing(None), FIRST);
    ledger.raise_signing_high_water(at(77)).unwrap();
    let (head, copy) = (ledger.tree_head().unwrap(), dir.path().join("copy"));
    ledger.checkpoint(&copy).unwrap();
    commit_at(&ledger, issuer, revoking(FIRST, None), FIRST + 1);

    let names = || {
        let entries = fs::read_dir(&copy).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names.collect::<BTreeSet<_>>()
    };
    let before = names();
    let snapshot = LedgerSnapshot::of_copy(&copy).unwrap();
    let facts = snapshot.facts().unwrap();
    assert_eq!((facts.last_sequence, facts.epoch, facts.head), (2, 1, head));
    assert_eq!(facts.signing_high_water, at(77));
    drop(snapshot);
    assert_eq!(names(), before, "inspecting leaves no trace");
    Ledger::seal_copy(&copy, &facts).unwrap();
    let copied = Ledger::open(&copy).unwrap();
    assert!(
        copied
            .status(&issuer, &serial(1))
            .unwrap()
            .unwrap()
            .revocation
            .is_none()
    );
    assert_eq!(copied.tree_head().unwrap(), head);
}

/// What a certificate was, kept after every change.
#[derive(Default)]
struct Model {
    /// Recorded second, and what was known from then on.
    known: Vec<(u64, Told)>,
    /// For each stretch of being revoked or on hold: what was claimed, in order, and its end.
    episodes: Vec<(Vec<Claimed>, Option<u64>)>,
    /// For each entry that says it was issued: since when.
    issued: Vec<(u64, Option<u64>)>,
    not_before: Option<u64>,
    revoked_entries: usize,
    released: Vec<u64>,
}

impl Model {
    fn apply(&mut self, action: &Action, recorded: u64) {
        match action {
            Action::Issue(inventory) => {
                let own = inventory.not_before.map(UnixTime::as_secs);
                self.issued.push((recorded, own));
                self.not_before = self.not_before.or(own);
            }
            Action::Revoke { claim, .. } => {
                self.revoked_entries += 1;
                let said = (claim.revocation_time.as_secs().min(recorded), claim.reason);
                match self.episodes.last_mut() {
                    Some((claims, None)) => claims.push(said),
                    _ => self.episodes.push((vec![said], None)),
                }
            }
            Action::Correct(claim) => {
                let (claims, _) = self.episodes.last_mut().unwrap();
                let said = (claim.revocation_time.as_secs(), claim.reason);
                // It was recorded when the revocation was.
                *claims.last_mut().unwrap() = (said.0.min(claims.last().unwrap().0), said.1);
            }
            Action::Release => {
                self.episodes.last_mut().unwrap().1 = Some(recorded);
                self.released.push(recorded);
            }
        }
    }

    fn then(&self, secs: u64) -> Told {
        let known = self.known.iter().rev();
        known
            .into_iter()
            .find(|(recorded, _)| *recorded <= secs)
            .and_then(|(_, told)| *told)
    }

    fn today(&self, secs: u64) -> Told {
        for (claims, end) in self.episodes.iter().rev() {
            if end.is_none_or(|end| secs < end)
                && let Some(said) = claims.iter().rev().find(|(since, _)| *since <= secs)
            {
                return Some(Some(*said));
            }
        }
        let since =
            |(recorded, own): &(u64, Option<u64>)| own.or(self.not_before).unwrap_or(*recorded);
        let issued = self.issued.iter().any(|entry| since(entry) <= secs)
            || self.released.iter().any(|released| *released <= secs)
            || self.revoked_entries > 0 && self.not_before.is_some_and(|since| since <= secs);
        issued.then_some(None)
    }
}

fn actions() -> impl Strategy<Value = Vec<(u64, Action)>> {
    let reason = prop::sample::select(vec![
        None,
        Some(CrlReason::CertificateHold),
        Some(CrlReason::CertificateHold),
        Some(CrlReason::KeyCompromise),
        Some(CrlReason::Superseded),
    ]);
    let time = || (0..400_u64).prop_map(|secs| FIRST - 200 + secs);
    let action = prop_oneof![
        2 => prop::option::of(time()).prop_map(issuing),
        4 => (time(), reason.clone()).prop_map(|(secs, reason)| revoking(secs, reason)),
        2 => Just(Action::Release),
        2 => (time(), reason).prop_map(|(secs, reason)| Action::Correct(claim(secs, reason))),
    ];
    prop::collection::vec((0..25_u64, action), 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_moment_of_a_random_history_is_told_as_it_was(actions in actions()) {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        let issuer = define(&ledger, "ca");
        let mut model = Model::default();
        let mut now = FIRST;
        for (pause, action) in actions {
            now += pause;
            if let Outcome::Applied { .. } = commit_at(&ledger, issuer, action, now) {
                model.apply(&action, now);
                let record = ledger.status(&issuer, &serial(1)).unwrap().unwrap();
                let told = Some(record.revocation.map(|revoked| {
                    (revoked.signing_time().as_secs(), revoked.claim.reason)
                }));
                model.known.push((now, told));
            }
        }
        let snapshot = ledger.snapshot().unwrap();
        for secs in FIRST - 210..=now + 210 {
            let ask = |by| {
                let past = snapshot.status_at(&issuer, &serial(1), at(secs), by);
                told(past.unwrap())
            };
            prop_assert_eq!(ask(By::Recorded), model.then(secs), "{} as known then", secs);
            prop_assert_eq!(ask(By::Effective), model.today(secs), "{} as known today", secs);
        }
    }
}
