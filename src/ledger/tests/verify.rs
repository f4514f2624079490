//! Whatever was altered in the files of a real ledger is found and named.

use std::ops::ControlFlow;

use rocksdb::{DB, IteratorMode};

use crate::{
    change::Evidence,
    ledger::{
        entry::{CertificateEntry, Entry, EntryKind, Statement},
        keys,
        log::{Frontier, leaf_hash, tile_key},
        record::StatusRecord,
        tests::log::raw,
    },
};

use super::*;

/// Three tiles and a part, of two issuers, with every kind of entry; gives the heads along the way.
fn built(path: &Path) -> Vec<TreeHead> {
    let ledger = Ledger::open(path).unwrap();
    let (ca, cb) = (define(&ledger, "ca"), define(&ledger, "cb"));
    let mut heads = Vec::new();
    let mut commit = |changes: &[Change]| {
        let committed = ledger.commit(changes, &source(), NOW_MS).unwrap();
        heads.push(committed.head);
    };
    let changes: Vec<_> = (0..700)
        .map(|number| match number % 7 {
            0 => revoke(ca, number, None),
            1 => revoke(ca, number, Some(CrlReason::CertificateHold)),
            _ => issue(ca, number),
        })
        .collect();
    for some in changes.chunks(150) {
        commit(some);
    }
    let release = |number| Change {
        issuer: ca,
        serial: serial(number),
        action: Action::Release,
    };
    commit(&[issue(ca, 0), release(1), release(8), revoke(ca, 2, None)]);
    commit(&(0..20).map(|number| issue(cb, number)).collect::<Vec<_>>());
    let evidence = Evidence {
        scope: crate::change::CrlScope::FULL,
        complete_sha256: None,
        this_update: at(1),
        next_update: at(2),
        crl_number: None,
        crl_sha256: [7; 32],
        entry_count: 0,
    };
    ledger
        .record_evidence(&ca, &evidence, &source(), NOW_MS)
        .unwrap();
    let order = IssuerRevocationOrder {
        issuer: cb,
        claim: RevocationClaim {
            revocation_time: at(1_780_000_000),
            reason: Some(CrlReason::CaCompromise),
            invalidity_date: None,
        },
        // Of the issuer itself, in the same batch: judged as if before it.
        with: vec![
            revoke(ca, 3, None),
            revoke(cb, 4, Some(CrlReason::CaCompromise)),
        ],
    };
    ledger.revoke_issuer(&order, &source(), NOW_MS).unwrap();
    ledger.accept_clock(at(1), &source(), NOW_MS).unwrap();
    let last = ledger
        .commit(&[issue(cb, 100)], &source(), NOW_MS + 1)
        .unwrap();
    heads.push(last.head);
    heads
}

fn verify_from(path: &Path, heads: &[TreeHead], from: Option<TreeHead>) -> Verified {
    let snapshot = LedgerSnapshot::inspect_owned(path).unwrap();
    let options = VerifyOptions {
        heads,
        from,
        log_only: false,
    };
    let verified = snapshot.verify(&options, &mut |_| ControlFlow::Continue(()));
    verified.unwrap().unwrap()
}

fn verify(path: &Path, heads: &[TreeHead]) -> Vec<Finding> {
    verify_from(path, heads, None).findings
}

fn entry(db: &DB, sequence: u64) -> Vec<u8> {
    let entries = db.cf_handle("entries").unwrap();
    db.get_cf(entries, sequence.to_be_bytes()).unwrap().unwrap()
}

fn put_entry(db: &DB, sequence: u64, octets: &[u8]) {
    let entries = db.cf_handle("entries").unwrap();
    db.put_cf(entries, sequence.to_be_bytes(), octets).unwrap();
}

fn delete_entry(db: &DB, sequence: u64) {
    let entries = db.cf_handle("entries").unwrap();
    db.delete_cf(entries, sequence.to_be_bytes()).unwrap();
}

/// A change of an entry that is still canonical: other words of its source.
fn reworded(octets: &[u8]) -> Vec<u8> {
    let mut entry = Entry::decode(octets).unwrap();
    entry.source = Source::new("forger", "cursor").unwrap();
    let mut octets = Vec::new();
    entry.encode(&mut octets).unwrap();
    octets
}

/// The same entry under another number.
fn renumbered(octets: &[u8], sequence: u64) -> Vec<u8> {
    let mut octets = octets.to_vec();
    octets[2..10].copy_from_slice(&sequence.to_be_bytes());
    octets
}

/// What somebody who knows the format does to hide an edit: the log as it follows from the entries.
fn make_log_fit(db: &DB) {
    let (entries, tree, meta) = (
        db.cf_handle("entries").unwrap(),
        db.cf_handle("tree").unwrap(),
        db.cf_handle("meta").unwrap(),
    );
    let mut frontier = Frontier::default();
    let mut last = 0;
    for row in db.iterator_cf(entries, IteratorMode::Start) {
        let (key, value) = row.unwrap();
        last = u64::from_be_bytes(key[..].try_into().unwrap());
        frontier.push(leaf_hash(&value), |level, index, hash| {
            if level == 8 {
                db.put_cf(tree, tile_key(1, index), hash).unwrap();
            }
        });
    }
    let octets = frontier.encode();
    db.put_cf(meta, keys::FRONTIER, octets).unwrap();
    db.put_cf(meta, keys::LAST_SEQUENCE, last.to_be_bytes())
        .unwrap();
}

fn status_key(label: &str, number: u32, issuer_number: u32) -> keys::Key {
    let serial = serial(number);
    let prefix = keys::hash_prefix(&identity(label).id(), &serial);
    keys::status(issuer_number, prefix, &serial)
}

#[test]
fn a_ledger_that_nobody_touched_is_sound_from_wherever_it_is_verified() {
    let dir = tempfile::tempdir().unwrap();
    let heads = built(dir.path());
    let verified = verify_from(dir.path(), &heads, None);
    assert_eq!(verified.findings, []);
    let last = heads.last().unwrap();
    assert_eq!((verified.head, verified.covered), (*last, last.size));
    assert_eq!((verified.entries, verified.certificates), (last.size, 721));
    for from in &heads {
        let verified = verify_from(dir.path(), &heads, Some(*from));
        assert_eq!(verified.findings, [], "from {}", from.size);
        assert!(verified.entries < last.size - from.size + 256);
    }
    // Without a head that was signed, the log speaks for itself.
    let verified = verify_from(dir.path(), &[], None);
    assert_eq!((verified.findings, verified.covered), (vec![], 0));
    let snapshot = LedgerSnapshot::inspect_owned(dir.path()).unwrap();
    let options = VerifyOptions::default();
    let stopped = snapshot.verify(&options, &mut |_| ControlFlow::Break(()));
    assert!(stopped.unwrap().is_none());
}

#[test]
fn what_was_altered_is_named() {
    type Tamper = fn(&DB);
    let altered = |first, last| Finding::Altered { first, last };
    let missing = |first, last| Finding::Missing { first, last };
    let table: Vec<(&str, Tamper, Vec<Finding>)> = vec![
        (
            "an entry is reworded",
            |db| put_entry(db, 100, &reworded(&entry(db, 100))),
            vec![altered(1, 152)],
        ),
        (
            "two tiles have one each",
            |db| {
                put_entry(db, 100, &reworded(&entry(db, 100)));
                put_entry(db, 600, &reworded(&entry(db, 600)));
            },
            vec![altered(1, 152), altered(513, 602)],
        ),
        (
            "an entry is no entry any more",
            |db| {
                let mut octets = entry(db, 100);
                octets[1] = 99;
                put_entry(db, 100, &octets);
            },
            vec![Finding::Unreadable {
                sequence: 100,
                source: EntryError::Kind(99),
            }],
        ),
        (
            "one is removed",
            |db| delete_entry(db, 300),
            vec![missing(300, 300)],
        ),
        (
            "a whole tile and more is removed",
            |db| (200..=520).for_each(|sequence| delete_entry(db, sequence)),
            vec![missing(200, 520)],
        ),
        (
            "the last ones are cut off",
            |db| (720..=732).for_each(|sequence| delete_entry(db, sequence)),
            vec![missing(720, 732)],
        ),
        (
            "the last ones are cut off, and the log made to fit",
            |db| {
                (720..=732).for_each(|sequence| delete_entry(db, sequence));
                make_log_fit(db);
            },
            vec![],
        ),
        (
            "two are swapped",
            |db| {
                let (a, b) = (entry(db, 100), entry(db, 101));
                put_entry(db, 100, &b);
                put_entry(db, 101, &a);
            },
            vec![
                Finding::Misplaced {
                    sequence: 100,
                    found: 101,
                },
                Finding::Misplaced {
                    sequence: 101,
                    found: 100,
                },
            ],
        ),
        (
            "two are swapped and renumbered",
            |db| {
                let (a, b) = (entry(db, 300), entry(db, 301));
                put_entry(db, 300, &renumbered(&b, 300));
                put_entry(db, 301, &renumbered(&a, 301));
            },
            vec![altered(257, 302)],
        ),
        (
            "one is added behind the last",
            |db| put_entry(db, 733, &renumbered(&entry(db, 1), 733)),
            vec![Finding::Extra { sequence: 733 }],
        ),
        (
            "a kept hash is altered",
            |db| {
                let tree = db.cf_handle("tree").unwrap();
                db.put_cf(tree, tile_key(1, 1), [7; 32]).unwrap();
            },
            vec![Finding::KeptHash { level: 1, index: 1 }],
        ),
        (
            "the edge is altered",
            |db| {
                let meta = db.cf_handle("meta").unwrap();
                let mut edge = db.get_cf(meta, keys::FRONTIER).unwrap().unwrap();
                edge[20] ^= 1;
                db.put_cf(meta, keys::FRONTIER, edge).unwrap();
            },
            vec![],
        ),
    ];
    for (what, tamper, expected) in table {
        let dir = tempfile::tempdir().unwrap();
        let heads = built(dir.path());
        assert_eq!(heads.last().unwrap().size, 732, "as the table has it");
        tamper(&raw(dir.path()));
        let found = verify(dir.path(), &heads);
        let about_log: Vec<_> = found
            .iter()
            .filter(|finding| {
                matches!(
                    finding.kind(),
                    "altered" | "missing" | "misplaced" | "extra" | "kept_hash"
                )
            })
            .cloned()
            .collect();
        assert_eq!(about_log, expected, "{what}: {found:?}");
        assert!(!found.is_empty(), "{what}");
    }
}

#[test]
fn an_edit_with_the_whole_log_made_to_fit_is_found_by_what_was_signed() {
    let dir = tempfile::tempdir().unwrap();
    let heads = built(dir.path());
    {
        let db = raw(dir.path());
        put_entry(&db, 400, &reworded(&entry(&db, 400)));
        make_log_fit(&db);
    }
    // It fits in itself: it even opens.
    assert_eq!(verify(dir.path(), &[]), []);
    Ledger::open(dir.path()).unwrap();
    // Signed were 152, 302, 452, …: it is after 302 and in 452.
    let expected = Finding::Rewritten {
        first: 303,
        last: 452,
        size: 452,
    };
    assert_eq!(verify(dir.path(), &heads), [expected]);
    let before = verify_from(dir.path(), &heads, Some(heads[1])).findings;
    assert_eq!(before.len(), 1, "from a checkpoint before it too");
    let after = verify_from(dir.path(), &heads, Some(heads[3])).findings;
    let whole = Finding::Rewritten {
        first: 1,
        last: heads[3].size,
        size: heads[3].size,
    };
    assert_eq!(after, [whole]);
}

#[test]
fn entries_that_were_cut_off_are_found_by_what_was_signed() {
    let dir = tempfile::tempdir().unwrap();
    let heads = built(dir.path());
    {
        let db = raw(dir.path());
        (700..=732).for_each(|sequence| delete_entry(&db, sequence));
        make_log_fit(&db);
    }
    let found = verify(dir.path(), &heads);
    let expected = Finding::CutOff {
        size: 699,
        covers: heads[4],
    };
    assert!(found.contains(&expected), "{found:?}");
    let from = verify_from(dir.path(), &[], Some(*heads.last().unwrap())).findings;
    assert!(
        matches!(from[0], Finding::CutOff { size: 699, .. }),
        "{from:?}"
    );
}

#[test]
fn rows_that_do_not_follow_from_the_entries_are_named() {
    type Tamper = fn(&DB);
    let status = |issuer: &str, number, fault| Finding::Status {
        issuer: issuer.to_owned(),
        serial: serial(number),
        fault,
    };
    let revoked = |number, fault| Finding::Revoked {
        issuer: "ca".to_owned(),
        serial: serial(number),
        fault,
    };
    let row = |what: &str, fault| Finding::Row {
        what: what.to_owned(),
        fault,
    };
    let table: Vec<(Tamper, Vec<Finding>)> = vec![
        (
            // The one that matters: revoked is made good.
            |db| {
                let (status, list) = (
                    db.cf_handle("status").unwrap(),
                    db.cf_handle("revoked").unwrap(),
                );
                let key = status_key("ca", 7, 1);
                let value = db.get_cf(status, key).unwrap().unwrap();
                let mut record = StatusRecord::decode(&value).unwrap();
                record.revocation = None;
                record.issued = Some(Inventory::default());
                let mut value = Vec::new();
                record.encode(&mut value);
                db.put_cf(status, key, value).unwrap();
                db.delete_cf(list, key).unwrap();
            },
            vec![
                status("ca", 7, RowFault::Differs),
                revoked(7, RowFault::Missing),
            ],
        ),
        (
            |db| {
                db.delete_cf(db.cf_handle("status").unwrap(), status_key("cb", 5, 2))
                    .unwrap()
            },
            vec![status("cb", 5, RowFault::Missing)],
        ),
        (
            |db| {
                let family = db.cf_handle("status").unwrap();
                let value = db.get_cf(family, status_key("ca", 5, 1)).unwrap().unwrap();
                db.put_cf(family, status_key("ca", 9_999, 1), value)
                    .unwrap();
            },
            vec![status("ca", 9_999, RowFault::Extra)],
        ),
        (
            |db| {
                let family = db.cf_handle("revoked").unwrap();
                let value = db.get_cf(family, status_key("ca", 7, 1)).unwrap().unwrap();
                db.put_cf(family, status_key("ca", 5, 1), value).unwrap();
            },
            vec![revoked(5, RowFault::Extra)],
        ),
        (
            |db| {
                let (meta, key) = (db.cf_handle("meta").unwrap(), keys::count(1));
                db.put_cf(meta, key, [0; 16]).unwrap();
            },
            vec![row(
                "the number of certificates of \"ca\"",
                RowFault::Differs,
            )],
        ),
        (
            |db| {
                db.delete_cf(
                    db.cf_handle("meta").unwrap(),
                    keys::evidence(1, crate::change::CrlScope::FULL.tag()),
                )
                .unwrap()
            },
            vec![row(
                "the row of an issuer's newest evidence",
                RowFault::Missing,
            )],
        ),
        (
            |db| {
                db.delete_cf(db.cf_handle("meta").unwrap(), keys::issuer_wide(2))
                    .unwrap()
            },
            vec![row("the row of the revoked issuer 2", RowFault::Missing)],
        ),
        (
            // Answers could be dated before others that were given.
            |db| {
                let meta = db.cf_handle("meta").unwrap();
                db.put_cf(meta, keys::SIGNING_HIGH_WATER, [0; 8]).unwrap();
            },
            vec![row(
                "the newest time that was signed with",
                RowFault::Differs,
            )],
        ),
        (
            |db| {
                let family = db.cf_handle("status").unwrap();
                let value = db.get_cf(family, status_key("ca", 5, 1)).unwrap().unwrap();
                db.put_cf(family, status_key("ca", 5, 9), value).unwrap();
            },
            vec![row(
                "a row of an unknown issuer in the column family status",
                RowFault::Extra,
            )],
        ),
    ];
    for (tamper, expected) in table {
        let dir = tempfile::tempdir().unwrap();
        let heads = built(dir.path());
        tamper(&raw(dir.path()));
        assert_eq!(verify(dir.path(), &heads), expected);
    }
}

#[test]
fn entries_that_do_not_follow_from_one_another_are_named() {
    // The log is made to fit, and nothing was signed.
    type Change = fn(&mut CertificateEntry);
    let table: [(u64, Change, Finding); 2] = [
        (
            703,
            |entry| entry.previous = 1,
            Finding::Link {
                sequence: 703,
                found: 1,
                expected: 2 + 1,
            },
        ),
        (
            703,
            |entry| entry.statement = Statement::Released,
            Finding::NotAllowed { sequence: 703 },
        ),
    ];
    for (sequence, change, expected) in table {
        let dir = tempfile::tempdir().unwrap();
        built(dir.path());
        {
            let db = raw(dir.path());
            let mut changed = Entry::decode(&entry(&db, sequence)).unwrap();
            let EntryKind::Certificate(certificate) = &mut changed.kind else {
                panic!("{changed:?}");
            };
            change(certificate);
            let mut octets = Vec::new();
            changed.encode(&mut octets).unwrap();
            put_entry(&db, sequence, &octets);
            make_log_fit(&db);
        }
        let found = verify(dir.path(), &[]);
        assert!(found.contains(&expected), "{found:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// However entries are cut into batches, the log is the same, and the one of the definition.
    #[test]
    fn the_log_does_not_depend_on_how_it_was_committed(
        sizes in prop::collection::vec(1_u32..200, 1..8),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        let issuer = define(&ledger, "ca");
        let mut number = 0;
        let mut heads = Vec::new();
        for size in sizes {
            let changes: Vec<_> = (number..number + size).map(|it| issue(issuer, it)).collect();
            heads.push(ledger.commit(&changes, &source(), NOW_MS).unwrap().head);
            number += size;
        }
        let snapshot = ledger.snapshot().unwrap();
        let leaves: Vec<_> = (1..=u64::from(number) + 1)
            .map(|sequence| snapshot.entry_octets(sequence).unwrap().unwrap())
            .collect();
        for head in &heads {
            let some = &leaves[..usize::try_from(head.size).unwrap()];
            prop_assert_eq!(head.root, crate::ledger::log::naive_root(some));
        }
        let options = VerifyOptions { heads: &heads, from: None, log_only: false };
        let verified = snapshot.verify(&options, &mut |_| ControlFlow::Continue(()));
        prop_assert_eq!(verified.unwrap().unwrap().findings, vec![]);
    }
}
