//! What the catalog promises, over real folders.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::manifest::Manifest;
use super::*;
use crate::asn1::{CrlReason, UnixTime};
use crate::identity::SerialNumber;
use crate::ocsp::{CertId, HashAlgorithm, IssuerHashes};
use crate::segment::disk::{
    self,
    faults::{self, Fault},
};
use crate::segment::testing::{
    BOTH, ISSUER, OTHER_ISSUER, Owned, hash, revoked, serial, spec, template, time, write,
};
use crate::segment::{RecordStatus, SegmentFile, SegmentKind, SegmentSpec, SegmentWriter, names};

const GOOD: RecordStatus = RecordStatus::Good;

fn entry() -> IssuerEntry {
    IssuerEntry {
        id: ISSUER,
        name: "the issuer".to_owned(),
        subject_der: b"a name".to_vec(),
        public_key_octets: b"a key".to_vec(),
        policy: IssuerPolicy::default(),
    }
}

fn table() -> Publication {
    Publication::IssuerTable(Arc::new(IssuerTable::new(vec![entry()]).unwrap()))
}

/// Open, with the issuer in the table.
fn opened(folder: &Path) -> (Catalog, OpenReport) {
    let (catalog, report) = Catalog::open(folder, 0).unwrap();
    catalog.publish(&[table()]).unwrap();
    (catalog, report)
}

fn caught_up(as_of: u64) -> Publication {
    Publication::CaughtUp {
        issuer: ISSUER,
        as_of,
    }
}

fn mask(number: u32, sequence: u64, status: RecordStatus) -> Publication {
    Publication::Mask {
        issuer: ISSUER,
        changes: vec![MaskEntry {
            serial: serial(number),
            sequence,
            status,
        }],
    }
}

fn fresh(number: u32, sequence: u64, status: RecordStatus, this_update: u64) -> Publication {
    Publication::FreshAnswer {
        issuer: ISSUER,
        answers: vec![FreshAnswer {
            serial: serial(number),
            sequence,
            status,
            this_update: time(this_update),
            produced_at: time(this_update),
            next_update: time(this_update + 1000),
            next_sign: time(0),
            single_extensions: None,
            columns: Vec::new(),
        }],
    }
}

fn published(file: &SegmentFile) -> Publication {
    Publication::Segment {
        issuer: ISSUER,
        file: file.clone(),
    }
}

/// A segment that says this of serials; those of other shards are left out.
fn segment(
    folder: &Path,
    (kind, depth, shard): (SegmentKind, u8, u32),
    as_of: u64,
    statuses: &[(u32, RecordStatus)],
) -> SegmentFile {
    let spec = SegmentSpec {
        kind,
        depth,
        shard,
        as_of,
        snapshot_time: time(as_of),
        ..spec(&[])
    };
    let records: Vec<_> = statuses
        .iter()
        .map(|(number, status)| Owned::unsigned(serial(*number), *status))
        .filter(|record| hash(&record.serial).shard(depth.into()) == u64::from(shard))
        .collect();
    write(folder, &spec, &records).unwrap()
}

fn base(folder: &Path, as_of: u64, statuses: &[(u32, RecordStatus)]) -> SegmentFile {
    segment(folder, (SegmentKind::Base, 0, 0), as_of, statuses)
}

fn patch(folder: &Path, as_of: u64, statuses: &[(u32, RecordStatus)]) -> SegmentFile {
    segment(folder, (SegmentKind::Patch, 0, 0), as_of, statuses)
}

/// A finding that owns what it shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Found {
    Absent,
    Segment(RecordStatus),
    Fresh(RecordStatus),
    Masked(RecordStatus),
    Damaged,
    CatchingUp,
    Stale,
}

impl Found {
    const fn status(self) -> Option<RecordStatus> {
        match self {
            Self::Segment(status) | Self::Fresh(status) | Self::Masked(status) => Some(status),
            _ => None,
        }
    }
}

fn find_in(snapshot: &Snapshot, serial: &SerialNumber) -> Found {
    match snapshot
        .issuer_by_id(&ISSUER)
        .unwrap()
        .find(serial.as_bytes())
    {
        Finding::Absent => Found::Absent,
        Finding::Segment { record, .. } => {
            assert_eq!(record.serial(), serial.as_bytes());
            Found::Segment(record.status())
        }
        Finding::Fresh(answer) => Found::Fresh(answer.status),
        Finding::Masked { status, .. } => Found::Masked(status),
        Finding::Damaged => Found::Damaged,
        Finding::CatchingUp => Found::CatchingUp,
        Finding::Stale => Found::Stale,
    }
}

fn find(catalog: &Catalog, number: u32) -> Found {
    find_in(&catalog.snapshot(), &serial(number))
}

fn overlay_len(catalog: &Catalog) -> usize {
    catalog
        .snapshot()
        .issuer_by_id(&ISSUER)
        .unwrap()
        .overlay_len()
}

fn included_up_to(catalog: &Catalog) -> u64 {
    catalog
        .snapshot()
        .issuer_by_id(&ISSUER)
        .unwrap()
        .included_up_to()
}

fn files(folder: &Path) -> BTreeSet<String> {
    disk::names(folder).unwrap().into_iter().collect()
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

fn segment_name(file: &SegmentFile) -> String {
    names::name(&file.sha256, names::SEGMENT)
}

fn overwrite(file: &SegmentFile, change: impl FnOnce(&mut Vec<u8>)) {
    let mut octets = fs::read(&file.path).unwrap();
    change(&mut octets);
    fs::remove_file(&file.path).unwrap();
    fs::write(&file.path, octets).unwrap();
}

#[test]
fn nothing_is_served_before_the_issuer_has_caught_up() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, report) = opened(folder.path());
    assert_eq!(report.manifest, ManifestState::New);
    catalog
        .publish(&[published(&base(folder.path(), 10, &[(1, GOOD)]))])
        .unwrap();
    catalog.publish(&[mask(2, 11, GOOD)]).unwrap();
    assert_eq!([1, 2, 3].map(|n| find(&catalog, n)), [Found::CatchingUp; 3]);
    catalog.publish(&[caught_up(11)]).unwrap();
    assert_eq!(
        [1, 2, 3].map(|n| find(&catalog, n)),
        [Found::Segment(GOOD), Found::Masked(GOOD), Found::Absent]
    );
    let snapshot = catalog.snapshot();
    let issuer = snapshot.issuer_by_id(&ISSUER).unwrap();
    assert_eq!((issuer.caught_up(), issuer.entry()), (Some(11), &entry()));
    catalog
        .publish(&[Publication::CatchingUp { issuer: ISSUER }])
        .unwrap();
    assert_eq!(find(&catalog, 1), Found::CatchingUp);
    // The old snapshot is what it was.
    assert_eq!(find_in(&snapshot, &serial(1)), Found::Segment(GOOD));
}

#[test]
fn an_issuer_is_found_by_the_cert_id_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let snapshot = catalog.snapshot();
    for algorithm in HashAlgorithm::ALL {
        let hashes = IssuerHashes::new(algorithm, b"a name", b"a key");
        let asked = CertId {
            hash_algorithm: Some(algorithm),
            issuer_name_hash: hashes.name_hash(),
            issuer_key_hash: hashes.key_hash(),
            serial_number: &[1],
            der: &[],
        };
        assert_eq!(snapshot.issuer(&asked).unwrap().entry().id, ISSUER);
        let other = CertId {
            issuer_name_hash: hashes.key_hash(),
            ..asked
        };
        assert!(snapshot.issuer(&other).is_none());
        let unknown = CertId {
            hash_algorithm: None,
            ..asked
        };
        assert!(snapshot.issuer(&unknown).is_none());
    }
    assert!(snapshot.issuer_by_id(&OTHER_ISSUER).is_none());
    assert_eq!(snapshot.issuers().len(), 1);
}

#[test]
fn a_revocation_during_a_re_sign_survives_the_swap() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let old = base(folder.path(), 10, &[(1, GOOD), (2, GOOD), (3, GOOD)]);
    catalog.publish(&[published(&old), caught_up(10)]).unwrap();
    let at = revoked(time(5));

    catalog.publish(&[mask(1, 11, at)]).unwrap();
    // The snapshot to sign from is taken here, as of 11; while it is signed, another one is revoked.
    catalog.publish(&[mask(2, 12, at)]).unwrap();
    let new = base(folder.path(), 11, &[(1, at), (2, GOOD), (3, GOOD)]);
    let before = catalog.snapshot();
    catalog.publish(&[published(&new)]).unwrap();

    assert_eq!(find(&catalog, 1), Found::Segment(at));
    assert_eq!(find(&catalog, 2), Found::Masked(at));
    assert_eq!(find(&catalog, 3), Found::Segment(GOOD));
    assert_eq!(overlay_len(&catalog), 1);
    assert_eq!(find_in(&before, &serial(1)), Found::Masked(at));
    assert_eq!(find_in(&before, &serial(3)), Found::Segment(GOOD));
    // A mask that the segment includes comes late: it does not hide the signed answer again.
    catalog.publish(&[mask(1, 11, at)]).unwrap();
    assert_eq!(find(&catalog, 1), Found::Segment(at));
}

#[test]
fn the_replaced_file_goes_and_its_readers_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let old = base(folder.path(), 10, &[(1, GOOD)]);
    catalog.publish(&[published(&old), caught_up(10)]).unwrap();
    let before = catalog.snapshot();
    let new = base(folder.path(), 11, &[(2, GOOD)]);
    catalog.publish(&[published(&new)]).unwrap();
    assert_eq!(
        files(folder.path()),
        set([manifest::NAME, &segment_name(&new)])
    );
    assert_eq!(find_in(&before, &serial(1)), Found::Segment(GOOD));
    assert_eq!(find(&catalog, 1), Found::Absent);
}

#[test]
fn a_signed_answer_takes_the_place_of_its_mask_and_newer_ones_of_older() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let at = revoked(time(5));
    catalog
        .publish(&[
            published(&base(folder.path(), 10, &[(1, GOOD), (2, GOOD)])),
            caught_up(10),
        ])
        .unwrap();
    let this_update = |number: u32| {
        let snapshot = catalog.snapshot();
        match snapshot
            .issuer_by_id(&ISSUER)
            .unwrap()
            .find(serial(number).as_bytes())
        {
            Finding::Fresh(answer) => Some(answer.this_update.as_secs()),
            _ => None,
        }
    };
    catalog
        .publish(&[mask(1, 11, at), fresh(1, 11, at, 100)])
        .unwrap();
    assert_eq!(find(&catalog, 1), Found::Fresh(at));
    catalog.publish(&[mask(1, 11, at)]).unwrap();
    assert_eq!(this_update(1), Some(100));
    catalog.publish(&[fresh(1, 11, at, 99)]).unwrap();
    assert_eq!(this_update(1), Some(100));
    catalog.publish(&[fresh(1, 11, at, 200)]).unwrap();
    assert_eq!(this_update(1), Some(200));
    catalog.publish(&[mask(1, 12, GOOD)]).unwrap();
    assert_eq!(find(&catalog, 1), Found::Masked(GOOD));
    // A signature that was under way when the status changed again.
    catalog.publish(&[fresh(1, 11, at, 300)]).unwrap();
    assert_eq!(find(&catalog, 1), Found::Masked(GOOD));
    // One that contradicts the mask of its own sequence.
    catalog.publish(&[fresh(1, 12, at, 300)]).unwrap();
    assert_eq!(find(&catalog, 1), Found::Masked(GOOD));

    // Beside a segment's record: the same sequence will do, unless signed before the segment.
    catalog.publish(&[fresh(2, 10, GOOD, 9)]).unwrap();
    assert_eq!(find(&catalog, 2), Found::Segment(GOOD));
    catalog.publish(&[fresh(2, 9, GOOD, 999)]).unwrap();
    assert_eq!(find(&catalog, 2), Found::Segment(GOOD));
    catalog.publish(&[fresh(2, 10, GOOD, 10)]).unwrap();
    assert_eq!(find(&catalog, 2), Found::Fresh(GOOD));
}

#[test]
fn a_fresh_answer_offers_a_column_for_each_hash() {
    let columns = BOTH.map(|hash| FreshColumn {
        template: Arc::new(template(hash)),
        signature: Box::new([0; 64]),
    });
    let Publication::FreshAnswer { answers, .. } = fresh(1, 1, GOOD, 1) else {
        unreachable!("made above");
    };
    let answer = FreshAnswer {
        columns: columns.into(),
        ..answers[0].clone()
    };
    for algorithm in BOTH {
        let column = answer.column(algorithm).unwrap();
        assert_eq!(column.template.hash_algorithm(), algorithm);
    }
    assert!(answer.column(HashAlgorithm::Sha384).is_none());
}

#[test]
fn a_shard_may_come_back_as_two_halves_together_or_one_after_the_other() {
    let numbers: Vec<_> = (0..100).map(|number| (number, GOOD)).collect();
    let at = revoked(time(5));
    let after: Vec<_> = (0..100).map(|number| (number, at)).collect();
    let half = |number| hash(&serial(number)).shard(1);

    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let whole = base(folder.path(), 10, &numbers);
    let masks = [
        mask(0, 11, at),
        mask(1, 11, at),
        mask(2, 11, at),
        mask(3, 11, at),
    ];
    catalog
        .publish(&[published(&whole), caught_up(10)])
        .unwrap();
    catalog.publish(&masks).unwrap();

    let half_file = |shard| segment(folder.path(), (SegmentKind::Base, 1, shard), 11, &after);
    let low = half_file(0);
    catalog.publish(&[published(&low)]).unwrap();
    for number in 0..100 {
        let status = if half(number) == 0 { at } else { GOOD };
        let expected = if half(number) == 1 && number < 4 {
            Found::Masked(at)
        } else {
            Found::Segment(status)
        };
        assert_eq!(find(&catalog, number), expected, "{number}");
    }
    assert!(whole.path.exists());
    assert_eq!(included_up_to(&catalog), 10);

    // The same after a restart, but for the masks.
    drop(catalog);
    let (catalog, report) = opened(folder.path());
    assert_eq!(report.manifest, ManifestState::Loaded);
    assert!(report.quarantined.is_empty() && report.removed.is_empty());
    assert_eq!(included_up_to(&catalog), 10);
    catalog.publish(&masks).unwrap();
    catalog.publish(&[caught_up(11)]).unwrap();
    assert_eq!(
        overlay_len(&catalog),
        (0..4).filter(|number| half(*number) == 1).count()
    );

    let high = half_file(1);
    catalog.publish(&[published(&high)]).unwrap();
    assert!(!whole.path.exists());
    for number in 0..100 {
        assert_eq!(find(&catalog, number), Found::Segment(at), "{number}");
    }
    assert_eq!((overlay_len(&catalog), included_up_to(&catalog)), (0, 11));
    let snapshot = catalog.snapshot();
    let issuer = snapshot.issuer_by_id(&ISSUER).unwrap();
    assert_eq!(issuer.base(hash(&serial(7))).unwrap().depth(), 1);

    // And together again.
    let whole = base(folder.path(), 12, &numbers);
    catalog.publish(&[published(&whole)]).unwrap();
    assert!(!low.path.exists() && !high.path.exists());
    assert_eq!(find(&catalog, 50), Found::Segment(GOOD));
}

#[test]
fn an_older_segment_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let current = base(folder.path(), 10, &[(1, GOOD)]);
    let generation = catalog
        .publish(&[published(&current), caught_up(10)])
        .unwrap();
    let older = base(folder.path(), 9, &[(1, revoked(time(5)))]);
    let older_half = segment(folder.path(), (SegmentKind::Base, 1, 0), 9, &[]);
    for stale in [&older, &older_half] {
        let error = catalog
            .publish(&[mask(2, 11, GOOD), published(stale)])
            .unwrap_err();
        assert!(
            matches!(
                error,
                CatalogError::Stale {
                    as_of: 9,
                    current: 10,
                    ..
                }
            ),
            "{error}"
        );
        assert!(!stale.path.exists());
    }
    assert!(current.path.exists());
    let other = SegmentSpec {
        issuer: OTHER_ISSUER,
        ..spec(&[])
    };
    let other = SegmentWriter::create(folder.path(), &other, 0, 20)
        .unwrap()
        .finish()
        .unwrap();
    let error = catalog
        .publish(&[mask(2, 11, GOOD), published(&other)])
        .unwrap_err();
    assert!(matches!(error, CatalogError::OtherIssuer { .. }), "{error}");
    let missing = SegmentFile {
        sha256: [9; 32],
        ..current
    };
    let error = catalog
        .publish(&[mask(2, 11, GOOD), published(&missing)])
        .unwrap_err();
    assert!(matches!(error, CatalogError::Segment(_)), "{error}");
    assert_eq!(
        [1, 2].map(|n| find(&catalog, n)),
        [Found::Segment(GOOD), Found::Absent]
    );
    assert_eq!(catalog.snapshot().generation(), generation);
}

#[test]
fn a_sealed_overlay_outranks_the_base_until_every_shard_includes_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let at = revoked(time(5));
    let (catalog, _) = opened(path);
    let numbers: Vec<_> = (0..20).map(|number| (number, GOOD)).collect();
    let halves = [0, 1].map(|shard| segment(path, (SegmentKind::Base, 1, shard), 10, &numbers));
    catalog
        .publish(&[published(&halves[0]), published(&halves[1]), caught_up(10)])
        .unwrap();

    catalog
        .publish(&[mask(1, 11, at), mask(2, 12, at)])
        .unwrap();
    let sealed: Vec<_> = {
        let snapshot = catalog.snapshot();
        let issuer = snapshot.issuer_by_id(&ISSUER).unwrap();
        let entries = issuer.overlay_entries();
        entries
            .map(|entry| (*entry.serial(), entry.status(), entry.sequence()))
            .collect()
    };
    assert_eq!(sealed.len(), 2);
    let first = patch(path, 12, &[(1, at), (2, at)]);
    // Changed again while the patch is written; and a mask that the patch does not have.
    catalog
        .publish(&[mask(2, 13, GOOD), mask(3, 12, at)])
        .unwrap();
    catalog.publish(&[published(&first)]).unwrap();
    assert_eq!(overlay_len(&catalog), 2);
    let all = |catalog: &Catalog| [1, 2, 3, 4].map(|number| find(catalog, number));
    assert_eq!(
        all(&catalog),
        [
            Found::Segment(at),
            Found::Masked(GOOD),
            Found::Masked(at),
            Found::Segment(GOOD)
        ]
    );
    assert_eq!(included_up_to(&catalog), 12);

    let second = patch(path, 13, &[(2, GOOD), (3, at)]);
    catalog.publish(&[published(&second)]).unwrap();
    let expected = [
        Found::Segment(at),
        Found::Segment(GOOD),
        Found::Segment(at),
        Found::Segment(GOOD),
    ];
    assert_eq!((all(&catalog), overlay_len(&catalog)), (expected, 0));
    assert_eq!(
        catalog
            .snapshot()
            .issuer_by_id(&ISSUER)
            .unwrap()
            .patches()
            .count(),
        2
    );

    // Merged into one.
    let merged = patch(path, 13, &[(1, at), (2, GOOD), (3, at)]);
    let retire = |file: &SegmentFile| Publication::Retire {
        sha256: file.sha256,
    };
    catalog
        .publish(&[published(&merged), retire(&first), retire(&second)])
        .unwrap();
    assert_eq!(all(&catalog), expected);
    assert!(!first.path.exists() && !second.path.exists());
    catalog.publish(&[retire(&first)]).unwrap();

    // One half is signed again, then the other: only then does the patch leave.
    let after: Vec<_> = (0..20)
        .map(|number| (number, if number == 1 || number == 3 { at } else { GOOD }))
        .collect();
    for shard in [0, 1] {
        assert!(merged.path.exists());
        let half = segment(path, (SegmentKind::Base, 1, shard), 13, &after);
        catalog.publish(&[published(&half)]).unwrap();
        assert_eq!(all(&catalog), expected);
    }
    assert!(!merged.path.exists());
    assert_eq!(
        catalog
            .snapshot()
            .issuer_by_id(&ISSUER)
            .unwrap()
            .patches()
            .count(),
        0
    );
}

#[test]
fn a_retired_or_quarantined_base_leaves_no_serial_that_looks_never_issued() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let file = base(folder.path(), 10, &[(1, GOOD), (2, GOOD)]);
    catalog
        .publish(&[published(&file), caught_up(10), mask(2, 11, GOOD)])
        .unwrap();
    let generation = catalog.quarantine(&file.sha256).unwrap();
    assert_eq!(catalog.quarantine(&file.sha256).unwrap(), generation);
    let all = |catalog: &Catalog| [1, 2, 3].map(|number| find(catalog, number));
    let withheld = [Found::Damaged, Found::Masked(GOOD), Found::Damaged];
    assert_eq!(all(&catalog), withheld);
    let kept = names::name(&file.sha256, ".seg.quarantined");
    assert_eq!(files(folder.path()), set([manifest::NAME, &kept]));

    drop(catalog);
    let (catalog, report) = opened(folder.path());
    assert!(report.quarantined.is_empty());
    catalog
        .publish(&[mask(2, 11, GOOD), caught_up(11)])
        .unwrap();
    assert_eq!(all(&catalog), withheld);
    let snapshot = catalog.snapshot();
    let issuer = snapshot.issuer_by_id(&ISSUER).unwrap();
    let withheld: Vec<_> = issuer.withheld_shards().collect();
    assert_eq!(withheld.len(), 1);
    assert_eq!((withheld[0].depth, withheld[0].shard), (0, 0));
    assert_eq!(issuer.segments().count(), 0);

    let file = base(folder.path(), 11, &[(1, GOOD), (2, GOOD)]);
    catalog.publish(&[published(&file)]).unwrap();
    assert_eq!(
        all(&catalog),
        [Found::Segment(GOOD), Found::Segment(GOOD), Found::Absent]
    );
    catalog
        .publish(&[Publication::Retire {
            sha256: file.sha256,
        }])
        .unwrap();
    assert_eq!(all(&catalog), [Found::Damaged; 3]);
    assert!(!file.path.exists());
}

#[test]
fn what_a_quarantined_patch_said_is_caught_up_with_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let at = revoked(time(5));
    let (catalog, _) = opened(path);
    catalog
        .publish(&[
            published(&base(path, 10, &[(1, GOOD), (2, GOOD)])),
            caught_up(10),
        ])
        .unwrap();
    let [first, second] = [patch(path, 11, &[(1, at)]), patch(path, 12, &[(2, at)])];
    catalog
        .publish(&[published(&first), published(&second)])
        .unwrap();
    assert_eq!(included_up_to(&catalog), 12);

    catalog.quarantine(&first.sha256).unwrap();
    assert_eq!([1, 2].map(|n| find(&catalog, n)), [Found::CatchingUp; 2]);
    assert_eq!(included_up_to(&catalog), 10);
    catalog
        .publish(&[mask(1, 11, at), mask(2, 12, at), caught_up(12)])
        .unwrap();
    let right = [Found::Masked(at), Found::Segment(at)];
    assert_eq!([1, 2].map(|n| find(&catalog, n)), right);

    // Masks are not kept on disk, so the next start must begin there again.
    drop(catalog);
    let (catalog, _) = opened(path);
    assert_eq!(included_up_to(&catalog), 10);
    catalog
        .publish(&[mask(1, 11, at), mask(2, 12, at), caught_up(12)])
        .unwrap();
    assert_eq!([1, 2].map(|n| find(&catalog, n)), right);
    catalog
        .publish(&[published(&base(path, 12, &[(1, at), (2, at)]))])
        .unwrap();
    assert_eq!(included_up_to(&catalog), 12);
    assert_eq!([1, 2].map(|n| find(&catalog, n)), [Found::Segment(at); 2]);
}

/// Found by the model below: the second patch seemed to include what only the first one said.
#[test]
fn of_two_patches_of_one_sequence_the_first_one_still_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    catalog.publish(&[caught_up(3), mask(1, 3, GOOD)]).unwrap();
    let first = patch(folder.path(), 3, &[(1, GOOD)]);
    let second = patch(folder.path(), 3, &[]);
    catalog.publish(&[published(&first)]).unwrap();
    catalog.publish(&[published(&second)]).unwrap();
    assert_eq!(
        (find(&catalog, 1), included_up_to(&catalog)),
        (Found::Segment(GOOD), 3)
    );
    catalog.quarantine(&first.sha256).unwrap();
    assert_eq!(included_up_to(&catalog), 0);
}

/// Found by the model below: masks were not asked for in a withheld shard, and its patch was served.
#[test]
fn masks_above_a_withheld_base_are_caught_up_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let at = revoked(time(5));
    let (catalog, _) = opened(path);
    let halves = [0, 1].map(|shard| segment(path, (SegmentKind::Base, 1, shard), 10, &[(1, GOOD)]));
    catalog.publish(&halves.each_ref().map(published)).unwrap();
    catalog
        .publish(&[published(&patch(path, 11, &[(1, GOOD)])), caught_up(11)])
        .unwrap();
    let shard = usize::try_from(hash(&serial(1)).shard(1)).unwrap();
    let newer = segment(path, (SegmentKind::Base, 1, u32::from(shard == 0)), 20, &[]);
    catalog
        .publish(&[published(&newer), mask(1, 12, at)])
        .unwrap();
    catalog.quarantine(&halves[shard].sha256).unwrap();
    assert_eq!(find(&catalog, 1), Found::Masked(at));
    assert_eq!(included_up_to(&catalog), 11);
}

/// Found by the model below: a merged patch brought a status back that a base had outranked.
#[test]
fn a_merged_patch_holds_nothing_that_was_outranked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let at = revoked(time(5));
    let (catalog, _) = opened(path);
    // 1 and another serial in the other shard, so that the patch stays when the base comes.
    let shard = u32::try_from(hash(&serial(1)).shard(1)).unwrap();
    let other = (2..)
        .find(|n| hash(&serial(*n)).shard(1) != u64::from(shard))
        .unwrap();
    let first = patch(path, 4, &[(1, GOOD), (other, GOOD), (98, GOOD), (99, GOOD)]);
    catalog.publish(&[published(&first), caught_up(4)]).unwrap();
    let base = segment(path, (SegmentKind::Base, 1, shard), 7, &[(1, at)]);
    catalog
        .publish(&[mask(98, 8, at), published(&base)])
        .unwrap();
    catalog
        .publish(&[published(&patch(path, 8, &[(98, at)])), mask(99, 9, at)])
        .unwrap();
    let snapshot = catalog.snapshot();
    let issuer = snapshot.issuer_by_id(&ISSUER).unwrap();
    let merged: BTreeMap<_, _> = issuer.changes().map(Result::unwrap).collect();
    assert_eq!(issuer.changes().count(), merged.len());
    let expected = [(other, GOOD), (98, at), (99, at)];
    let expected = expected.map(|(number, status)| (serial(number), status));
    assert_eq!(merged, BTreeMap::from(expected));
    assert_eq!(issuer.patch_digests().count(), 2);
}

#[test]
fn opening_removes_what_no_manifest_names_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let named = base(folder.path(), 10, &[(1, GOOD)]);
    catalog.publish(&[published(&named)]).unwrap();
    drop(catalog);
    let unnamed = base(folder.path(), 11, &[(1, GOOD)]);
    let marker = names::name(&[7; 32], names::MARKER);
    let kept = [
        "notes.txt",
        "catalog.manifest.damaged",
        "aa.seg",
        "x.seg.quarantined",
    ];
    let unfinished = ["00.seg.tmp", manifest::TEMPORARY];
    for name in kept
        .iter()
        .chain(&unfinished)
        .copied()
        .chain([marker.as_str()])
    {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let (_, report) = opened(folder.path());
    let removed: BTreeSet<_> = report.removed.into_iter().collect();
    assert_eq!(
        removed,
        BTreeSet::from([folder.path().join(unfinished[0]), unnamed.path])
    );
    let named = segment_name(&named);
    let expected = kept.into_iter().chain([manifest::NAME, &named]);
    assert_eq!(files(folder.path()), set(expected));
}

#[test]
fn an_old_mask_does_not_stand_in_for_a_damaged_patch_record() {
    let folder = tempfile::tempdir().unwrap();
    let at = revoked(time(5));
    let (catalog, _) = opened(folder.path());
    let file = patch(folder.path(), 8, &[(1, at)]);
    // The header ends at 256, and the only record follows.
    overwrite(&file, |octets| octets[260] ^= 1);
    catalog.publish(&[published(&file), caught_up(8)]).unwrap();
    assert_eq!(find(&catalog, 1), Found::Damaged);
    catalog.publish(&[mask(1, 5, GOOD)]).unwrap();
    assert_eq!(find(&catalog, 1), Found::Damaged);
    catalog.publish(&[mask(1, 9, GOOD)]).unwrap();
    assert_eq!(find(&catalog, 1), Found::Masked(GOOD));
}

#[test]
fn segments_that_do_not_open_are_set_aside_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (catalog, _) = opened(path);
    let shards: Vec<_> = (0..8)
        .map(|shard| segment(path, (SegmentKind::Base, 3, shard), 10, &[(1, GOOD)]))
        .collect();
    let publications: Vec<_> = shards.iter().map(published).collect();
    catalog.publish(&publications).unwrap();
    drop(catalog);

    overwrite(&shards[0], |octets| octets[200] = 1);
    overwrite(&shards[1], |octets| octets.truncate(100));
    overwrite(&shards[2], |octets| octets.push(0));
    fs::remove_file(&shards[3].path).unwrap();
    fs::write(path.join(names::name(&shards[4].sha256, names::MARKER)), "").unwrap();
    // An older file of the same shard and length under the name of the newer one.
    let twin = segment(path, (SegmentKind::Base, 3, 5), 10, &[(1, GOOD)]);
    fs::rename(&twin.path, &shards[5].path).unwrap();

    let (catalog, report) = opened(path);
    let causes: Vec<_> = report
        .quarantined
        .iter()
        .map(|found| found.cause.to_string())
        .collect();
    let quarantined: Vec<_> = report
        .quarantined
        .iter()
        .map(|found| found.sha256)
        .collect();
    let expected: Vec<_> = shards.iter().take(6).map(|file| file.sha256).collect();
    assert_eq!(quarantined, expected, "{causes:?}");
    for (found, shard) in report.quarantined.iter().zip(&shards) {
        assert_eq!(found.issuer, ISSUER);
        assert!(!shard.path.exists());
        match &found.kept {
            Some(kept) => assert!(kept.exists()),
            None => assert_eq!(found.sha256, shards[3].sha256),
        }
    }
    assert_eq!(causes[4], "a page of it could not be read");
    assert_eq!(causes[5], "another segment lies under its name");
    catalog.publish(&[caught_up(10)]).unwrap();
    for number in 0..100 {
        let shard = hash(&serial(number)).shard(3);
        let expected = match (shard, number) {
            (0..6, _) => Found::Damaged,
            (_, 1) => Found::Segment(GOOD),
            _ => Found::Absent,
        };
        assert_eq!(find(&catalog, number), expected);
    }
    drop(catalog);
    let (_, report) = opened(path);
    assert!(report.quarantined.is_empty() && report.removed.is_empty());
}

#[test]
fn a_segment_of_a_newer_version_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let file = base(folder.path(), 10, &[(1, GOOD)]);
    catalog.publish(&[published(&file)]).unwrap();
    drop(catalog);
    overwrite(&file, |octets| {
        crate::segment::testing::put_version(octets, 2)
    });
    let error = Catalog::open(folder.path(), 0).unwrap_err();
    assert!(
        error.to_string().contains("newer than this program"),
        "{error}"
    );
    assert!(file.path.exists());
}

#[test]
fn a_flipped_bit_in_the_version_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let file = base(folder.path(), 10, &[(1, GOOD)]);
    catalog.publish(&[published(&file)]).unwrap();
    drop(catalog);
    overwrite(&file, |octets| octets[9] ^= 2);
    let (_, report) = opened(folder.path());
    assert_eq!(report.quarantined.len(), 1);
}

#[test]
fn a_damaged_manifest_is_set_aside_and_its_segments_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let file = base(folder.path(), 10, &[(1, GOOD)]);
    catalog.publish(&[published(&file)]).unwrap();
    drop(catalog);
    let manifest = folder.path().join(manifest::NAME);
    let mut octets = fs::read(&manifest).unwrap();
    octets[100] ^= 1;
    fs::write(&manifest, &octets).unwrap();

    let (catalog, report) = opened(folder.path());
    let ManifestState::Damaged { set_aside } = report.manifest else {
        panic!("{report:?}");
    };
    assert_eq!(fs::read(set_aside).unwrap(), octets);
    assert!(file.path.exists());
    catalog.publish(&[caught_up(10)]).unwrap();
    assert_eq!(find(&catalog, 1), Found::Absent);
    drop(catalog);
    let (_, report) = opened(folder.path());
    assert_eq!(report.removed, [file.path]);

    fs::remove_file(&manifest).unwrap();
    let file = base(folder.path(), 10, &[(1, GOOD)]);
    let (_, report) = opened(folder.path());
    assert_eq!(report.manifest, ManifestState::Missing);
    assert!(file.path.exists());
}

#[test]
fn one_folder_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let error = Catalog::open(folder.path(), 0).unwrap_err();
    assert!(matches!(error, CatalogError::Locked { .. }), "{error}");
    drop(catalog);
    opened(folder.path());
}

#[test]
fn an_issuer_that_leaves_the_table_and_returns_has_lost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let file = base(folder.path(), 10, &[(1, GOOD)]);
    catalog.publish(&[published(&file), caught_up(10)]).unwrap();
    let empty = Arc::new(IssuerTable::new(Vec::new()).unwrap());
    catalog.publish(&[Publication::IssuerTable(empty)]).unwrap();
    assert!(catalog.snapshot().issuers().is_empty());
    catalog.publish(&[mask(2, 11, GOOD)]).unwrap();
    catalog.publish(&[table()]).unwrap();
    assert_eq!(
        [1, 2].map(|n| find(&catalog, n)),
        [Found::Segment(GOOD), Found::Masked(GOOD)]
    );
}

#[test]
fn a_newer_manifest_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join(manifest::NAME);
    fs::write(&manifest, "estelam-catalog 3 whatever\nit is").unwrap();
    let error = Catalog::open(folder.path(), 0).unwrap_err();
    assert!(
        matches!(error, CatalogError::NewerManifest { found: 3, .. }),
        "{error}"
    );
    assert_eq!(files(folder.path()), set([manifest::NAME]));
}

#[test]
fn generations_rise_over_restarts_and_a_lost_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = 0;
    let mut run = |floor, publications: u64| {
        let (catalog, report) = Catalog::open(folder.path(), floor).unwrap();
        assert!(report.generation >= last);
        last = report.generation;
        for sequence in 1..=publications {
            let generation = catalog.publish(&[mask(1, sequence, GOOD)]).unwrap();
            assert!(generation > last);
            assert_eq!(catalog.snapshot().generation(), generation);
            last = generation;
        }
    };
    run(0, 10);
    run(0, 10);
    run(1 << 40, 10);
    run(0, 10);
    fs::remove_file(folder.path().join(manifest::NAME)).unwrap();
    run(1 << 41, 1);
}

#[test]
fn masks_touch_no_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    faults::arm(0, Fault::Crash);
    let result = catalog.publish(&[mask(1, 1, GOOD), fresh(2, 1, GOOD, 1), caught_up(1)]);
    assert_eq!(find(&catalog, 1), Found::Masked(GOOD));
    faults::disarm();
    result.unwrap();
}

#[test]
fn generations_beyond_the_reserved_ones_are_reserved_first() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, report) = Catalog::open(folder.path(), 0).unwrap();
    let manifest = || Manifest::decode(&fs::read(folder.path().join(manifest::NAME)).unwrap());
    let reserved = manifest().unwrap().generation_below;
    assert!(report.generation < reserved);
    catalog.skip_generations_to(reserved - 2);
    for sequence in 1..5 {
        let generation = catalog.publish(&[mask(1, sequence, GOOD)]).unwrap();
        assert!(generation < manifest().unwrap().generation_below);
    }
    assert!(catalog.snapshot().generation() > reserved);
}

/// Runs a publication that replaces one segment by another while the disk fails at its k-th operation.
fn with_failing_disk(fault: Fault, check: impl Fn(&Path, Catalog, Result<u64, CatalogError>)) {
    for k in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let (catalog, _) = opened(folder.path());
        let old = base(folder.path(), 10, &[(1, GOOD)]);
        catalog.publish(&[published(&old), caught_up(10)]).unwrap();
        let new = base(folder.path(), 11, &[(1, revoked(time(5)))]);
        faults::arm(k, fault);
        let result = catalog.publish(&[published(&new)]);
        let struck = faults::disarm();
        check(folder.path(), catalog, result);
        if !struck {
            assert!(k > 8, "only {k} operations");
            break;
        }
    }
}

#[test]
fn a_failing_disk_refuses_a_publication_and_serves_on() {
    for errno in [libc::ENOSPC, libc::EIO] {
        with_failing_disk(Fault::Once(errno), |folder, catalog, result| {
            let (old, new) = (Found::Segment(GOOD), Found::Segment(revoked(time(5))));
            assert_eq!(find(&catalog, 1), if result.is_ok() { new } else { old });
            if let Err(error) = result {
                assert!(error.to_string().contains("os error"), "{error}");
            }
            // Once the disk works again, so does publishing, without a restart.
            let next = base(folder, 12, &[(1, GOOD), (2, GOOD)]);
            catalog.publish(&[published(&next)]).unwrap();
            assert_eq!(find(&catalog, 2), Found::Segment(GOOD));
            drop(catalog);
            let (catalog, report) = opened(folder);
            assert!(report.quarantined.is_empty());
            catalog.publish(&[caught_up(12)]).unwrap();
            assert_eq!(find(&catalog, 2), Found::Segment(GOOD));
            assert_eq!(files(folder), set([manifest::NAME, &segment_name(&next)]));
        });
    }
}

#[test]
fn a_crash_leaves_the_old_catalog_or_the_new_one() {
    with_failing_disk(Fault::Crash, |folder, catalog, result| {
        let generation = catalog.snapshot().generation();
        drop(catalog);
        let (catalog, report) = opened(folder);
        assert_eq!(report.manifest, ManifestState::Loaded);
        assert!(report.quarantined.is_empty(), "{report:?}");
        assert!(report.generation > generation);
        catalog.publish(&[caught_up(11)]).unwrap();
        let (old, new) = (Found::Segment(GOOD), Found::Segment(revoked(time(5))));
        let found = find(&catalog, 1);
        assert!(
            found == new || (found == old && result.is_err()),
            "{found:?}"
        );
    });
}

#[test]
fn an_overlay_of_many_thousands_is_found_entry_by_entry() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let changes = (0..70_000)
        .map(|number| MaskEntry {
            serial: serial(number),
            sequence: u64::from(number) + 1,
            status: revoked(time(number.into())),
        })
        .collect();
    let masks = Publication::Mask {
        issuer: ISSUER,
        changes,
    };
    catalog.publish(&[masks, caught_up(70_000)]).unwrap();
    assert_eq!(overlay_len(&catalog), 70_000);
    for number in (0..70_000).step_by(101) {
        assert_eq!(
            find(&catalog, number),
            Found::Masked(revoked(time(number.into())))
        );
    }
    assert_eq!(find(&catalog, 70_000), Found::Absent);
    // One half of the shards is signed as of 40,000.
    let half = segment(folder.path(), (SegmentKind::Base, 1, 1), 40_000, &[]);
    catalog.publish(&[published(&half)]).unwrap();
    let left = (0..70_000)
        .filter(|number| *number >= 40_000 || hash(&serial(*number)).shard(1) == 0)
        .count();
    assert_eq!(overlay_len(&catalog), left);
    let snapshot = catalog.snapshot();
    let entries = snapshot.issuer_by_id(&ISSUER).unwrap().overlay_entries();
    let hashes: Vec<_> = entries.map(OverlayEntry::hash).collect();
    assert!(hashes.is_sorted() && hashes.len() == left);
}

fn issuer_revoked(sequence: u64, status: RecordStatus) -> Publication {
    Publication::IssuerRevoked {
        issuer: ISSUER,
        sequence,
        status,
    }
}

const ON_HOLD: RecordStatus = RecordStatus::Revoked {
    revocation_time: UnixTime::EPOCH,
    reason: Some(CrlReason::CertificateHold),
};

#[test]
fn of_a_revoked_issuer_only_what_is_revoked_for_good_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let (at, all) = (revoked(time(5)), revoked(time(7)));
    let statuses = [(1, GOOD), (2, ON_HOLD), (3, at)];
    let old = base(folder.path(), 10, &statuses);
    catalog.publish(&[published(&old), caught_up(10)]).unwrap();
    catalog
        .publish(&[
            mask(4, 11, GOOD),
            fresh(5, 12, GOOD, 100),
            fresh(6, 13, at, 100),
        ])
        .unwrap();
    let before = catalog.snapshot();
    catalog.publish(&[issuer_revoked(14, all)]).unwrap();
    let all_of = |numbers: [u32; 7]| numbers.map(|number| find(&catalog, number));
    let covered = Found::Masked(all);
    assert_eq!(
        all_of([1, 2, 3, 4, 5, 6, 7]),
        [
            covered,
            covered,
            Found::Segment(at),
            covered,
            covered,
            Found::Fresh(at),
            Found::Absent,
        ]
    );
    assert_eq!(find_in(&before, &serial(1)), Found::Segment(GOOD));
    let revoked_since = || {
        let snapshot = catalog.snapshot();
        snapshot.issuer_by_id(&ISSUER).unwrap().revoked_since()
    };
    assert_eq!(revoked_since(), Some(14));

    // What was being signed meanwhile, or says otherwise with a higher number, changes nothing.
    let late = base(folder.path(), 13, &statuses);
    catalog
        .publish(&[
            published(&late),
            fresh(1, 20, GOOD, 200),
            mask(2, 21, GOOD),
            issuer_revoked(30, revoked(time(9))),
        ])
        .unwrap();
    assert_eq!(all_of([1, 2, 3, 4, 5, 6, 7])[..2], [covered, covered]);
    assert_eq!(revoked_since(), Some(14));
    // Signed again, it is served again.
    let new = base(folder.path(), 21, &[(1, all), (2, all), (3, at), (8, all)]);
    catalog.publish(&[published(&new)]).unwrap();
    assert_eq!(
        all_of([1, 2, 3, 8, 4, 5, 6])[..4],
        [all, all, at, all].map(Found::Segment)
    );
    // Another issuer has nothing to do with it.
    catalog
        .publish(&[Publication::IssuerRevoked {
            issuer: OTHER_ISSUER,
            sequence: 1,
            status: all,
        }])
        .unwrap();
    assert_eq!(find(&catalog, 1), Found::Segment(all));
}

#[test]
fn of_a_stale_issuer_only_what_is_revoked_for_good_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = opened(folder.path());
    let freshness = |stale| Publication::Freshness {
        issuer: ISSUER,
        stale,
    };
    // Told before anything else, as at a start.
    catalog.publish(&[freshness(true)]).unwrap();
    assert_eq!(
        find(&catalog, 1),
        Found::CatchingUp,
        "the live signer knows"
    );
    let at = revoked(time(5));
    let old = base(folder.path(), 10, &[(1, GOOD), (2, ON_HOLD), (3, at)]);
    catalog.publish(&[published(&old), caught_up(10)]).unwrap();
    let changes = [
        mask(4, 11, GOOD),
        mask(5, 12, at),
        fresh(6, 13, GOOD, 100),
        fresh(7, 14, at, 100),
    ];
    catalog.publish(&changes).unwrap();
    let all = |catalog: &Catalog| [1, 2, 3, 4, 5, 6, 7, 8].map(|number| find(catalog, number));
    let stale = Found::Stale;
    assert_eq!(
        all(&catalog),
        [
            stale,
            stale,
            Found::Segment(at),
            stale,
            Found::Masked(at),
            stale,
            Found::Fresh(at),
            stale,
        ]
    );
    let view = catalog.snapshot();
    assert!(view.issuer_by_id(&ISSUER).unwrap().is_stale());
    // A revocation that comes meanwhile is seen at once.
    catalog.publish(&[mask(1, 15, at)]).unwrap();
    assert_eq!(find(&catalog, 1), Found::Masked(at));
    // Revoked as a whole, nothing of it can become good.
    catalog.publish(&[freshness(false)]).unwrap();
    assert_eq!(find(&catalog, 4), Found::Masked(GOOD));
    assert_eq!(find(&catalog, 8), Found::Absent);
    let whole = revoked(time(7));
    catalog
        .publish(&[freshness(true), issuer_revoked(16, whole)])
        .unwrap();
    assert_eq!(find(&catalog, 4), Found::Masked(whole));
    assert_eq!(find(&catalog, 8), Found::Stale);
}

/// What the model test does.
#[derive(Clone, Debug)]
enum Step {
    /// All certificates are revoked.
    RevokeAll(RecordStatus),
    /// A change enters the ledger and is masked.
    Change(u32, RecordStatus),
    /// An old mask comes once more.
    Repeat(prop::sample::Index),
    /// The current status of a serial is signed.
    Sign(u32),
    /// A shard is signed as of an earlier moment.
    Base(u8, u32, prop::sample::Index),
    /// The overlay is sealed.
    Seal,
    /// All patches become one.
    Merge,
    /// The process starts anew.
    Restart,
    /// A segment is found damaged.
    Quarantine(prop::sample::Index),
}

fn any_step() -> impl Strategy<Value = Step> {
    let status = prop_oneof![
        2 => Just(GOOD),
        2 => (0..9_u64).prop_map(|secs| revoked(time(secs))),
        1 => Just(ON_HOLD)
    ];
    prop_oneof![
        1 => (0..9_u64).prop_map(|secs| Step::RevokeAll(revoked(time(secs)))),
        8 => (0..SERIALS, status).prop_map(|(number, status)| Step::Change(number, status)),
        2 => any::<prop::sample::Index>().prop_map(Step::Repeat),
        2 => (0..SERIALS).prop_map(Step::Sign),
        4 => (0..3_u8, 0..4_u32, any::<prop::sample::Index>())
            .prop_map(|(depth, shard, at)| Step::Base(depth, shard & ((1 << depth) - 1), at)),
        2 => Just(Step::Seal),
        1 => Just(Step::Merge),
        1 => Just(Step::Restart),
        1 => any::<prop::sample::Index>().prop_map(Step::Quarantine),
    ]
}

const SERIALS: u32 = 12;

/// The ledger: each change in order, its sequence one more than its place; and how all are revoked since
/// when. That entry is a change of a serial that nobody asks about.
#[derive(Default)]
struct Ledger(Vec<(u32, RecordStatus)>, Option<(u64, RecordStatus)>);

impl Ledger {
    fn last(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap()
    }

    fn as_of(&self, sequence: u64) -> HashMap<u32, (u64, RecordStatus)> {
        let changes = (1..=sequence).zip(&self.0);
        changes
            .filter(|(_, (number, _))| *number < SERIALS)
            .map(|(sequence, (number, status))| (*number, (sequence, *status)))
            .collect()
    }

    fn masks_since(&self, sequence: u64) -> Publication {
        let changes = (1..).zip(&self.0).filter(|(other, _)| *other > sequence);
        Publication::Mask {
            issuer: ISSUER,
            changes: changes
                .filter(|(_, (number, _))| *number < SERIALS)
                .map(|(sequence, (number, status))| MaskEntry {
                    serial: serial(*number),
                    sequence,
                    status: *status,
                })
                .collect(),
        }
    }
}

fn catch_up(catalog: &Catalog, ledger: &Ledger) {
    let masks = ledger.masks_since(included_up_to(catalog));
    let all = ledger.1;
    let all = all.map(|(sequence, status)| issuer_revoked(sequence, status));
    let publications = all
        .into_iter()
        .chain([masks, caught_up(ledger.last())])
        .collect::<Vec<_>>();
    catalog.publish(&publications).unwrap();
}

fn take(catalog: Catalog, folder: &Path, ledger: &mut Ledger, step: &Step) -> Catalog {
    match step {
        Step::RevokeAll(status) => {
            if ledger.1.is_none() {
                ledger.0.push((SERIALS, *status));
                ledger.1 = Some((ledger.last(), *status));
                catalog
                    .publish(&[issuer_revoked(ledger.last(), *status)])
                    .unwrap();
            }
        }
        Step::Change(number, status) => {
            ledger.0.push((*number, *status));
            catalog
                .publish(&[mask(*number, ledger.last(), *status)])
                .unwrap();
        }
        Step::Repeat(at) => {
            if !ledger.0.is_empty() {
                let at = at.index(ledger.0.len());
                let (number, status) = ledger.0[at];
                let sequence = u64::try_from(at).unwrap() + 1;
                if number < SERIALS {
                    catalog.publish(&[mask(number, sequence, status)]).unwrap();
                }
            }
        }
        Step::Sign(number) => {
            if let Some((sequence, status)) = ledger.as_of(ledger.last()).get(number) {
                catalog
                    .publish(&[fresh(*number, *sequence, *status, 1 << 20)])
                    .unwrap();
            }
        }
        Step::Base(depth, shard, at) => {
            let as_of = u64::try_from(at.index(ledger.0.len() + 1)).unwrap();
            let statuses: Vec<_> = ledger
                .as_of(as_of)
                .into_iter()
                .map(|(number, (_, status))| (number, status))
                .collect();
            let file = segment(
                folder,
                (SegmentKind::Base, *depth, *shard),
                as_of,
                &statuses,
            );
            match catalog.publish(&[published(&file)]) {
                Ok(_) => {}
                Err(CatalogError::Stale { .. }) => assert!(!file.path.exists()),
                Err(error) => panic!("{error}"),
            }
        }
        Step::Seal => {
            let statuses: Vec<_> = {
                let snapshot = catalog.snapshot();
                let issuer = snapshot.issuer_by_id(&ISSUER).unwrap();
                let numbers: BTreeMap<_, _> = (0..SERIALS)
                    .map(|number| (serial(number), number))
                    .collect();
                let entries = issuer.overlay_entries();
                entries
                    .map(|entry| (numbers[entry.serial()], entry.status()))
                    .collect()
            };
            let file = patch(folder, ledger.last(), &statuses);
            catalog.publish(&[published(&file)]).unwrap();
        }
        Step::Merge => {
            let mut statuses = BTreeMap::new();
            let mut publications = Vec::new();
            {
                let snapshot = catalog.snapshot();
                let issuer = snapshot.issuer_by_id(&ISSUER).unwrap();
                for (changed, status) in issuer.changes().map(Result::unwrap) {
                    let number = (0..SERIALS)
                        .find(|number| serial(*number) == changed)
                        .unwrap();
                    assert_eq!(statuses.insert(number, status), None);
                }
                publications.extend(issuer.patch_digests().map(|sha256| {
                    let sha256 = *sha256;
                    Publication::Retire { sha256 }
                }));
            }
            let statuses: Vec<_> = statuses.into_iter().collect();
            publications.insert(0, published(&patch(folder, ledger.last(), &statuses)));
            catalog.publish(&publications).unwrap();
        }
        Step::Restart => {
            let generation = catalog.snapshot().generation();
            drop(catalog);
            let (catalog, report) = opened(folder);
            assert!(
                report.quarantined.is_empty() && report.removed.is_empty(),
                "{report:?}"
            );
            assert!(report.generation > generation);
            catch_up(&catalog, ledger);
            return catalog;
        }
        Step::Quarantine(at) => {
            let segments: Vec<_> = {
                let snapshot = catalog.snapshot();
                let issuer = snapshot.issuer_by_id(&ISSUER).unwrap();
                issuer.segments().map(|segment| *segment.sha256()).collect()
            };
            if !segments.is_empty() {
                catalog
                    .quarantine(&segments[at.index(segments.len())])
                    .unwrap();
                catch_up(&catalog, ledger);
            }
        }
    }
    catalog
}

proptest! {
    // Each case syncs files: a quarter of the usual number.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 4))]

    /// Whatever is published, in whatever order, the answer is the ledger's, or none where a segment was
    /// taken away.
    #[test]
    fn the_highest_sequence_wins(steps in prop::collection::vec(any_step(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let (mut catalog, _) = opened(folder.path());
        let mut ledger = Ledger::default();
        catalog.publish(&[caught_up(0)]).unwrap();
        for step in &steps {
            catalog = take(catalog, folder.path(), &mut ledger, step);
            let truth = ledger.as_of(ledger.last());
            let withheld: Vec<_> = {
                let snapshot = catalog.snapshot();
                let issuer = snapshot.issuer_by_id(&ISSUER).unwrap();
                issuer.withheld_shards().collect()
            };
            for number in 0..SERIALS {
                let found = find(&catalog, number);
                let hash = hash(&serial(number));
                let may_be_lost = withheld
                    .iter()
                    .any(|lost| hash.shard(lost.depth.into()) == u64::from(lost.shard));
                if may_be_lost && found == Found::Damaged {
                    continue;
                }
                let mut expected = truth.get(&number).map(|(_, status)| *status);
                if let (Some(GOOD | ON_HOLD), Some((_, all))) = (expected, ledger.1) {
                    expected = Some(all);
                    prop_assert_eq!(found, Found::Masked(all), "{} after {:?}", number, step);
                }
                prop_assert_eq!(found.status(), expected, "{} after {:?}", number, step);
                prop_assert_eq!(found == Found::Absent, expected.is_none());
            }
        }
        // Nothing is left over.
        let segments = {
            let snapshot = catalog.snapshot();
            snapshot.issuer_by_id(&ISSUER).unwrap().segments().count()
        };
        let names = files(folder.path());
        let left = names.iter().filter(|name| name.ends_with(names::SEGMENT)).count();
        prop_assert_eq!(left, segments, "{:?}", names);
    }
}
