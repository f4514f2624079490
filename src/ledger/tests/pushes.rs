//! Pushes: each is answered once and for all, in the batch that records it.

use std::ops::ControlFlow;

use rocksdb::{DB, IteratorMode};

use crate::ledger::tests::log::raw;

use super::*;

fn push(key: &str, body: u8, all_or_nothing: bool, entries: usize) -> PushRequest {
    PushRequest {
        client: "ca-1".to_owned(),
        key: key.to_owned(),
        body_sha256: [body; 32],
        all_or_nothing,
        entries,
        refused: Vec::new(),
    }
}

fn take(ledger: &Ledger, now_ms: u64, pushes: &[(&PushRequest, &[Change])]) -> Committed {
    let source = source();
    let submissions: Vec<Submission<'_>> = pushes
        .iter()
        .map(|(push, changes)| Submission {
            push: Some(push),
            ..Submission::new(changes, &source)
        })
        .collect();
    ledger.commit_all(&submissions, now_ms).unwrap()
}

fn record(fate: &Option<PushFate>) -> (&PushRecord, bool) {
    match fate {
        Some(PushFate::Recorded(record)) => (record, false),
        Some(PushFate::Repeated(record)) => (record, true),
        other => panic!("{other:?}"),
    }
}

fn results(record: &PushRecord) -> Vec<String> {
    let result = |run: &Run| match &run.result {
        RunResult::Applied { first } => format!("{} from {first}", run.count),
        RunResult::Unchanged => format!("{} unchanged", run.count),
        RunResult::Refused(why) => format!("{} {}", run.count, why.code),
    };
    record.runs.iter().map(result).collect()
}

#[test]
fn a_push_that_comes_again_gets_its_first_answer_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let issuer = define(&ledger, "ca");
    let changes = [issue(issuer, 1), issue(issuer, 2)];
    let request = push("k", 1, false, 2);
    let first = take(&ledger, NOW_MS, &[(&request, &changes)]);
    let (first, _) = record(&first.pushes[0]);
    assert_eq!(results(first), ["2 from 2"]);
    assert_eq!(
        (first.head, first.last_sequence),
        (ledger.tree_head().unwrap(), 3)
    );

    // The hold of what it issued does not matter: its answer is what it was. Over a reopening too.
    commit(
        &ledger,
        &[revoke(issuer, 1, Some(CrlReason::CertificateHold))],
    );
    let ledger = {
        drop(ledger);
        Ledger::open(dir.path()).unwrap()
    };
    let again = take(&ledger, NOW_MS + 9, &[(&request, &changes)]);
    assert_eq!(record(&again.pushes[0]), (first, true));
    assert_eq!(again.outcomes.len(), 2);
    assert_eq!(ledger.last_sequence().unwrap(), 4);
    for other in [push("k", 2, false, 2), push("k", 1, true, 2)] {
        let reused = take(&ledger, NOW_MS, &[(&other, &changes)]);
        assert!(matches!(reused.pushes[0], Some(PushFate::KeyReused)));
    }
    // Another client's key of the same name, and an empty batch.
    let other = PushRequest {
        client: "ca-2".to_owned(),
        ..push("k", 3, false, 0)
    };
    let taken = take(&ledger, NOW_MS, &[(&other, &[])]);
    assert!(!record(&taken.pushes[0]).1);
    assert_eq!(ledger.last_sequence().unwrap(), 4);
}

#[test]
fn all_or_nothing_takes_back_all_of_its_own_and_nothing_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let issuer = define(&ledger, "ca");
    let release = Change {
        action: Action::Release,
        ..issue(issuer, 9)
    };
    // The second revokes what the third revokes otherwise: without the second, the third is right.
    let whole = [
        issue(issuer, 1),
        revoke(issuer, 2, Some(CrlReason::Superseded)),
        release,
    ];
    let after = [revoke(issuer, 2, None), issue(issuer, 3)];
    let (first, second, third) = (
        push("1", 1, false, 1),
        push("2", 2, true, 3),
        push("3", 3, true, 2),
    );
    let taken = take(
        &ledger,
        NOW_MS,
        &[
            (&first, &[issue(issuer, 7)]),
            (&second, &whole),
            (&third, &after),
        ],
    );
    assert_eq!(taken.outcomes.len(), 6);
    let told: Vec<_> = taken
        .pushes
        .iter()
        .map(|fate| results(record(fate).0))
        .collect();
    assert_eq!(
        told,
        [
            vec!["1 from 2"],
            vec!["2 batch_refused", "1 not_known"],
            vec!["2 from 3"]
        ]
    );
    assert_eq!(ledger.last_sequence().unwrap(), 4);
    assert!(ledger.status(&issuer, &serial(1)).unwrap().is_none());
    // Refused before it came here.
    let mut early = push("4", 4, true, 2);
    let why = Refused {
        code: "serial_malformed".to_owned(),
        detail: String::new(),
    };
    early.refused.push((0, why));
    let taken = take(&ledger, NOW_MS, &[(&early, &[issue(issuer, 4)])]);
    assert_eq!(
        results(record(&taken.pushes[0]).0),
        ["1 serial_malformed", "1 batch_refused"]
    );
    assert_eq!(ledger.last_sequence().unwrap(), 4);
}

#[test]
fn old_answers_are_forgotten_a_few_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    define(&ledger, "ca");
    for number in 0..40_u64 {
        let request = push(&format!("old-{number}"), 1, false, 0);
        take(&ledger, NOW_MS + number, &[(&request, &[])]);
    }
    let later = NOW_MS + 40 + KEPT_MS;
    assert_eq!(ledger.forget_old_pushes(later - 41, 100).unwrap(), 0);
    assert_eq!(ledger.forget_old_pushes(later, 4).unwrap(), 4);
    // Sixteen more with each push, also of those that are written together, and the rest.
    let request = |key: &str| push(key, 1, false, 0);
    let (one, two) = (request("new"), request("other"));
    take(&ledger, later, &[(&one, &[]), (&two, &[])]);
    assert_eq!(ledger.forget_old_pushes(later, 100).unwrap(), 4);
    assert_eq!(ledger.forget_old_pushes(later, 100).unwrap(), 0);
    // What is forgotten is new, what is not is kept.
    let repeated = |key: &str| {
        let taken = take(&ledger, later, &[(&push(key, 1, false, 0), &[])]);
        record(&taken.pushes[0]).1
    };
    assert!(!repeated("old-39") && repeated("new"));
}

#[test]
fn two_that_come_at_once_under_one_key_are_one() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(dir.path()).unwrap());
    let issuer = define(&ledger, "ca");
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let options = GroupOptions::new(ledger.last_sequence().unwrap());
    // The first batch waits, so that what follows is written together.
    let on_durable = move |_: Durable<'_>| {
        let _ended = wait.lock().unwrap().recv();
        Ok::<(), std::convert::Infallible>(())
    };
    let commits = GroupCommit::start(Arc::clone(&ledger), options, || NOW_MS, on_durable).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let submit = |request: PushRequest, change: Change| {
        commits
            .submit_push(request, vec![change], source(), deadline)
            .unwrap()
    };
    let held = submit(push("held", 0, false, 1), issue(issuer, 0));
    let same = [0, 1].map(|_| submit(push("k", 1, false, 1), issue(issuer, 1)));
    let whole = submit(push("whole", 2, true, 1), issue(issuer, 2));
    drop(go);
    held.wait().unwrap();
    let [first, second] = same.map(|receipt| receipt.wait().unwrap());
    let ((first, _), (second, repeated)) = (record(&first.push), record(&second.push));
    assert!(repeated);
    assert_eq!(first, second);
    assert_eq!(results(first), ["1 from 3"]);
    assert_eq!(results(record(&whole.wait().unwrap().push).0), ["1 from 4"]);
    assert_eq!(ledger.last_sequence().unwrap(), 4);
}

/// What an edit of the rows of pushes comes to.
#[test]
fn verification_names_what_was_done_to_answers() {
    type Tamper = fn(&DB);
    fn rows(db: &DB) -> impl Iterator<Item = (Box<[u8]>, Box<[u8]>)> {
        let family = db.cf_handle("pushes").unwrap();
        db.iterator_cf(family, IteratorMode::Start)
            .map(Result::unwrap)
    }
    fn change(db: &DB, edit: impl Fn(&mut Vec<u8>)) {
        let (key, value) = rows(db).find(|(key, _)| key[0] == b'k').unwrap();
        let mut value = value.to_vec();
        edit(&mut value);
        db.put_cf(db.cf_handle("pushes").unwrap(), key, value)
            .unwrap();
    }
    fn delete(db: &DB, first: u8) {
        let (key, _) = rows(db).find(|(key, _)| key[0] == first).unwrap();
        db.delete_cf(db.cf_handle("pushes").unwrap(), key).unwrap();
    }
    let table: [(&str, Tamper, &str); 11] = [
        (
            "its bare form",
            |db| change(db, |row| row.truncate(40)),
            "was answered to a push was altered",
        ),
        ("the body's digest", |db| change(db, |row| row[2] ^= 1), ""),
        ("when", |db| change(db, |row| row[41] ^= 1), "the age of"),
        (
            "the last entry",
            |db| change(db, |row| row[49] ^= 64),
            "was altered",
        ),
        (
            "the head's size",
            |db| change(db, |row| row[57] ^= 1),
            "was altered",
        ),
        (
            "the head's root",
            |db| change(db, |row| row[58] ^= 1),
            "was altered",
        ),
        (
            "the client",
            |db| change(db, |row| row[91] ^= 1),
            "was altered",
        ),
        (
            "the first entry of a run",
            |db| change(db, |row| *row.last_mut().unwrap() ^= 1),
            "was altered",
        ),
        ("the answer is gone", |db| delete(db, b'k'), "is missing"),
        ("its age is gone", |db| delete(db, b't'), "the age of"),
        (
            "something else is there",
            |db| {
                db.put_cf(db.cf_handle("pushes").unwrap(), b"x", [])
                    .unwrap()
            },
            "a row of the column family pushes was added",
        ),
    ];
    for (what, tamper, expected) in table {
        let dir = tempfile::tempdir().unwrap();
        {
            let ledger = Ledger::open(dir.path()).unwrap();
            let issuer = define(&ledger, "ca");
            // Over more than a tile, and once with nothing applied.
            for number in 0..3_u32 {
                let changes: Vec<_> = (0..200).map(|n| issue(issuer, number * 200 + n)).collect();
                let key = format!("k{number}");
                let now_ms = NOW_MS + u64::from(number);
                take(&ledger, now_ms, &[(&push(&key, 1, false, 200), &changes)]);
                commit(&ledger, &[revoke(issuer, number, None)]);
            }
            take(&ledger, NOW_MS + 9, &[(&push("none", 1, true, 0), &[])]);
        }
        let verify = || {
            let snapshot = LedgerSnapshot::inspect_owned(dir.path()).unwrap();
            let options = VerifyOptions::default();
            let verified = snapshot.verify(&options, &mut |_| ControlFlow::Continue(()));
            verified.unwrap().unwrap().findings
        };
        assert_eq!(verify(), []);
        tamper(&raw(dir.path()));
        let found: Vec<_> = verify().iter().map(ToString::to_string).collect();
        let is_named = match expected {
            // What the client had sent, no entry says.
            "" => found.is_empty(),
            expected => found.iter().any(|found| found.contains(expected)),
        };
        assert!(is_named, "{what}: {found:?}");
    }
}
