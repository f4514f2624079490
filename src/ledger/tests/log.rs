//! The log in a real folder: every writer appends to it, and its edge is looked at on opening.

use rocksdb::{DB, WriteBatch};

use crate::{
    change::Evidence,
    ledger::{
        entry::{Entry, EntryKind},
        keys,
        log::{Appender, Epoch, Frontier, leaf_hash},
    },
};

use super::*;

/// The head that follows from the entries' octets alone.
fn head_of_entries(ledger: &Ledger) -> TreeHead {
    let snapshot = ledger.snapshot().unwrap();
    let mut frontier = Frontier::default();
    for entry in snapshot.entries_since(0).unwrap() {
        let sequence = entry.unwrap().sequence;
        let octets = snapshot.entry_octets(sequence).unwrap().unwrap();
        frontier.push(leaf_hash(&octets), |_, _, _| {});
    }
    frontier.head()
}

/// The families of a closed ledger, to be tampered with.
pub(in crate::ledger) fn raw(path: &Path) -> DB {
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
    ];
    DB::open_cf(&rocksdb::Options::default(), path, families).unwrap()
}

#[test]
fn every_kind_of_entry_is_a_leaf_and_every_commit_tells_its_head() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    assert_eq!(ledger.tree_head().unwrap(), TreeHead::default());
    let issuer = define(&ledger, "ca");
    let committed = ledger
        .commit(&[issue(issuer, 1), issue(issuer, 2)], &source(), NOW_MS)
        .unwrap();
    assert_eq!((committed.last_sequence, committed.head.size), (3, 3));
    assert_eq!(committed.recorded_ms, NOW_MS);
    assert_eq!(committed.head, head_of_entries(&ledger));
    let again = ledger
        .commit(&[issue(issuer, 1)], &source(), NOW_MS)
        .unwrap();
    assert_eq!((again.last_sequence, again.head), (3, committed.head));

    ledger
        .accept_clock(at(1_790_000_000), &source(), NOW_MS)
        .unwrap();
    let evidence = Evidence {
        this_update: at(1),
        next_update: at(2),
        crl_number: None,
        crl_sha256: [7; 32],
        entry_count: 0,
    };
    ledger
        .record_evidence(&issuer, &evidence, &source(), NOW_MS)
        .unwrap();
    let order = IssuerRevocationOrder {
        issuer,
        claim: RevocationClaim {
            revocation_time: at(1_780_000_000),
            reason: Some(CrlReason::CaCompromise),
            invalidity_date: None,
        },
        with: vec![revoke(issuer, 1, None)],
    };
    let whole = ledger.revoke_issuer(&order, &source(), NOW_MS).unwrap();
    assert_eq!((whole.with.last_sequence, whole.with.head.size), (7, 7));
    assert_eq!(whole.with.head, head_of_entries(&ledger));
    assert_eq!(ledger.tree_head().unwrap(), whole.with.head);
    assert_eq!(
        ledger.snapshot().unwrap().tree_head().unwrap(),
        whole.with.head
    );
}

/// 600 entries: two complete tiles and a part of one.
fn filled(path: &Path) -> TreeHead {
    let ledger = Ledger::open(path).unwrap();
    let issuer = define(&ledger, "ca");
    let changes: Vec<_> = (0..599).map(|number| issue(issuer, number)).collect();
    for some in changes.chunks(100) {
        let committed = ledger.commit(some, &source(), NOW_MS).unwrap();
        assert_eq!(committed.head, ledger.tree_head().unwrap());
    }
    let head = head_of_entries(&ledger);
    assert_eq!(ledger.tree_head().unwrap(), head);
    head
}

#[test]
fn an_edge_that_does_not_fit_the_last_entries_is_named_on_opening() {
    type Tamper = fn(&DB);
    let table: [(Tamper, &str); 6] = [
        (
            |db| {
                let entries = db.cf_handle("entries").unwrap();
                let mut octets = db.get_cf(entries, 555_u64.to_be_bytes()).unwrap().unwrap();
                *octets.last_mut().unwrap() ^= 1;
                db.put_cf(entries, 555_u64.to_be_bytes(), octets).unwrap();
            },
            "an entry among 513 to 600 is not the one that was recorded",
        ),
        (
            |db| {
                let entries = db.cf_handle("entries").unwrap();
                db.delete_cf(entries, 555_u64.to_be_bytes()).unwrap();
            },
            "entry 555 is missing",
        ),
        (
            |db| {
                let (entries, meta) = (
                    db.cf_handle("entries").unwrap(),
                    db.cf_handle("meta").unwrap(),
                );
                db.delete_cf(entries, 600_u64.to_be_bytes()).unwrap();
                db.put_cf(meta, keys::LAST_SEQUENCE, 599_u64.to_be_bytes())
                    .unwrap();
            },
            "the log has 600 leaves, which does not fit the last entry, 599",
        ),
        (
            |db| {
                db.delete_cf(db.cf_handle("meta").unwrap(), keys::FRONTIER)
                    .unwrap()
            },
            "the log's edge is missing",
        ),
        (
            |db| {
                let key = keys::epoch(1);
                db.delete_cf(db.cf_handle("meta").unwrap(), key).unwrap();
            },
            "the rows that say where epochs begin are missing",
        ),
        (
            |db| {
                let tree = db.cf_handle("tree").unwrap();
                db.delete_cf(tree, [1, 0, 0, 0, 0, 0, 0, 0, 1]).unwrap();
            },
            "the log's hash 1 on level 1 of tiles is missing",
        ),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (place, (tamper, expected)) in table.into_iter().enumerate() {
        let path = dir.path().join(place.to_string());
        let head = filled(&path);
        assert_eq!(Ledger::open(&path).unwrap().tree_head().unwrap(), head);
        tamper(&raw(&path));
        let error = Ledger::open(&path).unwrap_err();
        let LedgerError::Damaged { damage, .. } = &error else {
            panic!("{error:?}");
        };
        let told = damage.to_string();
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
fn an_epoch_jumps_in_the_sequence_and_not_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let ledger = Ledger::open(dir.path()).unwrap();
    {
        let mut writer = ledger.writer();
        let engine = ledger.writable(&mut writer).unwrap();
        let mut batch = WriteBatch::default();
        let mut log = Appender::begin(&engine).unwrap();
        assert!(log.open_epoch(&mut batch, 600).is_err());
        let epoch = log.open_epoch(&mut batch, 10_000).unwrap();
        let expected = Epoch {
            number: 2,
            first_sequence: 10_000,
            first_leaf: 600,
        };
        assert_eq!(epoch, expected);
        let entry = |sequence| Entry {
            sequence,
            recorded_ms: NOW_MS,
            source: source(),
            kind: EntryKind::ClockAccepted { time: at(1) },
        };
        assert!(log.append(&mut batch, &entry(601)).is_err());
        log.append(&mut batch, &entry(10_000)).unwrap();
        log.finish(&mut batch);
        ledger.write(&mut writer, &engine, batch).unwrap();
        engine.add_epoch(epoch);
    }
    let issuer = ledger.issuers().unwrap()[0].id;
    let changes: Vec<_> = (1_000..1_300).map(|number| issue(issuer, number)).collect();
    let committed = ledger.commit(&changes, &source(), NOW_MS).unwrap();
    assert_eq!(
        (committed.last_sequence, committed.head.size),
        (10_300, 901)
    );
    assert_eq!(committed.head, head_of_entries(&ledger));
    let snapshot = ledger.snapshot().unwrap();
    let sequences: Vec<_> = snapshot
        .entries_since(599)
        .unwrap()
        .map(|entry| entry.unwrap().sequence)
        .collect();
    assert_eq!(sequences[..3], [600, 10_000, 10_001]);
    assert_eq!(snapshot.entries_since(700).unwrap().count(), 301);
    drop((snapshot, ledger));
    let ledger = Ledger::open(dir.path()).unwrap();
    assert_eq!(ledger.tree_head().unwrap(), committed.head);
    assert_eq!(ledger.snapshot().unwrap().epochs().last().number, 2);
}

#[test]
fn proofs_come_from_kept_tiles() {
    use crate::ledger::log::{
        SnapshotNodes, consistency_proof, head_at, inclusion_proof, proves_consistency,
        proves_inclusion,
    };
    let dir = tempfile::tempdir().unwrap();
    let head = filled(dir.path());
    let ledger = Ledger::open(dir.path()).unwrap();
    let snapshot = ledger.snapshot().unwrap();
    let mut nodes = SnapshotNodes::new(&snapshot).unwrap();
    let mut frontier = Frontier::default();
    for leaf in 0..600 {
        let octets = snapshot.entry_octets(leaf + 1).unwrap().unwrap();
        let hash = leaf_hash(&octets);
        let path = inclusion_proof(&mut nodes, leaf, 600).unwrap();
        assert!(proves_inclusion(&path, &hash, leaf, &head), "leaf {leaf}");
        let old = frontier.head();
        assert_eq!(head_at(&mut nodes, leaf).unwrap(), old);
        let path = consistency_proof(&mut nodes, leaf, 600).unwrap();
        assert!(proves_consistency(&path, &old, &head), "size {leaf}");
        frontier.push(hash, |_, _, _| {});
    }
}
