//! What a segment promises, over real files.

use std::collections::HashMap;
use std::path::Path;
use std::{env, fs};

use proptest::prelude::*;

use super::disk::faults::{self, Fault};
use super::testing::{
    BOTH, ISSUER, Owned, hash, open, put_version, records, revoked, serial, spec, template,
    template_by, time, write,
};
use super::*;
use crate::asn1::SignatureAlgorithm;
use crate::identity::{SerialHash, SerialNumber};
use crate::ocsp::{CertStatus, HashAlgorithm};

/// What a segment says about serials: the answers, without how they lie in the file.
fn answers(segment: &Segment, serials: &[SerialNumber]) -> Vec<Option<Option<Owned>>> {
    let answer = |serial: &SerialNumber| match segment.lookup(hash(serial), serial.as_bytes()) {
        Lookup::Damaged => None,
        Lookup::Absent => Some(None),
        Lookup::Found(record) => Some(Some(owned(&record))),
    };
    serials.iter().map(answer).collect()
}

fn owned(record: &Record<'_>) -> Owned {
    Owned {
        serial: SerialNumber::from_content(record.serial()).unwrap(),
        status: record.status(),
        single_extensions: record.single_extensions().map(<[u8]>::to_vec),
        signatures: record.signatures().unwrap_or_default().to_vec(),
    }
}

/// The serials of the records, then as many that are absent.
fn present_and_absent(records: &[Owned]) -> Vec<SerialNumber> {
    let present = records.iter().map(|record| record.serial);
    present
        .chain((1000..1000 + u32::try_from(records.len()).unwrap()).map(serial))
        .collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names = disk::names(folder).unwrap();
    names.sort();
    names
}

#[test]
fn what_was_written_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(&BOTH);
    let file = write(folder.path(), &spec, &records()).unwrap();
    let segment = open(folder.path(), &file).unwrap();

    let found: Vec<_> = segment
        .iter()
        .map(|record| owned(&record.unwrap()))
        .collect();
    assert_eq!(found, records());
    for (answer, record) in answers(&segment, &present_and_absent(&records()))
        .into_iter()
        .zip(records().into_iter().map(Some).chain([const { None }; 5]))
    {
        assert_eq!(answer, Some(record));
    }

    let first = serial(0);
    let Lookup::Found(record) = segment.lookup(hash(&first), first.as_bytes()) else {
        panic!("the first record is there");
    };
    assert_eq!(record.signature(0), Some(&records()[0].signatures[..64]));
    assert_eq!(record.signature(1), Some(&records()[0].signatures[64..]));
    assert_eq!(record.signature(2), None);
    assert_eq!(CertStatus::from(record.status()), CertStatus::Good);

    let (column, found) = segment.template(HashAlgorithm::Sha256).unwrap();
    assert_eq!((column, found), (1, &template(HashAlgorithm::Sha256)));
    assert_eq!(segment.template(HashAlgorithm::Sha384), None);
    assert_eq!(segment.templates(), spec.templates);
    assert_eq!(
        (
            segment.issuer(),
            segment.signer(),
            segment.algorithm(),
            segment.kind()
        ),
        (&spec.issuer, &spec.signer, spec.algorithm, spec.kind)
    );
    assert_eq!(
        (
            segment.depth(),
            segment.shard(),
            segment.as_of(),
            segment.record_count()
        ),
        (0, 0, 100, 5)
    );
    assert_eq!(
        (segment.snapshot_time(), segment.next_sign()),
        (spec.snapshot_time, spec.next_sign)
    );
    assert_eq!(segment.sha256(), &file.sha256);
    assert_eq!(segment.file_len(), fs::metadata(&file.path).unwrap().len());
}

/// The longest records that there are, of which 65,536 octets hold not five.
#[test]
fn the_signatures_of_ml_dsa_fit() {
    const ALL: [HashAlgorithm; 4] = HashAlgorithm::ALL;
    for algorithm in [SignatureAlgorithm::MlDsa44, SignatureAlgorithm::MlDsa65] {
        let signature_len = algorithm.stored_len();
        for columns in 1..=ALL.len() {
            let folder = tempfile::tempdir().unwrap();
            let mut spec = spec(&[]);
            spec.algorithm = algorithm;
            spec.templates = ALL[..columns]
                .iter()
                .map(|hash| template_by(*hash, algorithm))
                .collect();
            let records: Vec<Owned> = (0..40_u8)
                .map(|number| Owned {
                    signatures: (0..columns * signature_len)
                        .map(|at| u8::try_from(at % 251).unwrap() ^ number)
                        .collect(),
                    ..Owned::unsigned(serial(number.into()), RecordStatus::Good)
                })
                .collect();
            let file = write(folder.path(), &spec, &records).unwrap();
            let segment = open(folder.path(), &file).unwrap();
            assert_eq!(segment.algorithm(), algorithm);
            // Serial and overhead: 31 octets.
            let octets = 40 * (31 + columns * signature_len);
            assert!(usize::try_from(segment.file_len()).unwrap() > octets);
            for record in &records {
                let asked = record.serial;
                let Lookup::Found(found) = segment.lookup(hash(&asked), asked.as_bytes()) else {
                    panic!("{asked:?}");
                };
                assert_eq!(&owned(&found), record);
                for column in 0..columns {
                    let expected = &record.signatures[column * signature_len..][..signature_len];
                    assert_eq!(found.signature(column), Some(expected));
                }
            }
            assert!(segment.iter().all(|record| record.is_ok()));
        }
    }
}

#[test]
fn a_finished_file_is_read_only_and_named_by_its_digest() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), &spec(&BOTH), &records()).unwrap();
    let octets = fs::read(&file.path).unwrap();
    assert_eq!(
        HashAlgorithm::Sha256.digest(&octets).as_bytes(),
        file.sha256
    );
    assert_eq!(
        names(folder.path()),
        [names::name(&file.sha256, names::SEGMENT)]
    );
    let mode = fs::metadata(&file.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o400);
}

#[test]
fn an_empty_segment_knows_that_everything_is_absent() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), &spec(&[]), &[]).unwrap();
    let segment = open(folder.path(), &file).unwrap();
    assert_eq!(segment.iter().count(), 0);
    assert_eq!(answers(&segment, &[serial(1)]), [Some(None)]);
}

#[test]
fn sizes_are_those_of_the_design() {
    for (hashes, octets_a_certificate) in [(&BOTH[..], 175), (&BOTH[..1], 110)] {
        let folder = tempfile::tempdir().unwrap();
        let count = 100_000;
        let mut writer = SegmentWriter::create(folder.path(), &spec(hashes), count, 20).unwrap();
        let signatures = vec![0x5a; 64 * hashes.len()];
        for number in 0..u32::try_from(count).unwrap() {
            let record = RecordData {
                serial: serial(number),
                status: revoked(time(1)),
                single_extensions: None,
                signatures: &signatures,
            };
            writer.push(&record).unwrap();
        }
        let file = writer.finish().unwrap();
        let len = usize::try_from(file.len).unwrap();
        assert!(len <= count * octets_a_certificate, "{len} octets");
        let segment = open(folder.path(), &file).unwrap();
        for number in (0..u32::try_from(count).unwrap()).step_by(97) {
            let serial = serial(number);
            let found = segment.lookup(hash(&serial), serial.as_bytes());
            assert!(matches!(found, Lookup::Found(_)), "{number}");
        }
    }
}

/// Writes `octets` in place of the segment and compares its answers with `right` ones: the same, or
/// none.
fn assert_never_another_answer(
    folder: &Path,
    file: &SegmentFile,
    octets: &[u8],
    serials: &[SerialNumber],
    right: &[Option<Option<Owned>>],
    what: &str,
) {
    fs::remove_file(&file.path).unwrap();
    fs::write(&file.path, octets).unwrap();
    let Ok(segment) = open(folder, file) else {
        return;
    };
    for (answer, right) in answers(&segment, serials).iter().zip(right) {
        assert!(
            answer.is_none() || answer == right,
            "{what}: {answer:?} for {right:?}"
        );
    }
    for (record, right) in segment.iter().zip(records()) {
        assert!(
            record.is_err() || owned(&record.unwrap()) == right,
            "{what}"
        );
    }
    assert_eq!(segment.templates(), spec(&BOTH).templates, "{what}");
}

#[test]
fn no_flipped_bit_gives_another_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), &spec(&BOTH), &records()).unwrap();
    let octets = fs::read(&file.path).unwrap();
    let serials = present_and_absent(&records());
    let right = answers(&open(folder.path(), &file).unwrap(), &serials);
    for bit in 0..octets.len() * 8 {
        let mut octets = octets.clone();
        octets[bit / 8] ^= 1 << (bit % 8);
        let what = format!("bit {bit}");
        assert_never_another_answer(folder.path(), &file, &octets, &serials, &right, &what);
        let scrub = Segment::scrub(&file.path, &file.sha256, |_| true).unwrap();
        let Scrub::Damaged { damage, .. } = scrub else {
            panic!("{what}: {scrub:?}");
        };
        assert_eq!(damage.len(), 1, "{what}: {damage:?}");
    }
}

#[test]
fn other_lengths_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), &spec(&BOTH), &records()).unwrap();
    let octets = fs::read(&file.path).unwrap();
    let longer = |more: usize| [&octets[..], &vec![0xff; more]].concat();
    for octets in (0..octets.len())
        .map(|len| octets[..len].to_vec())
        .chain([1, 63, 64, 4096].map(longer))
    {
        fs::remove_file(&file.path).unwrap();
        fs::write(&file.path, &octets).unwrap();
        let error = open(folder.path(), &file).unwrap_err();
        assert!(matches!(error, SegmentError::Length { .. }), "{error}");
        // Also when the manifest agrees with the wrong length.
        let len = u64::try_from(octets.len()).unwrap();
        Segment::open(folder.path(), file.sha256, len).unwrap_err();
        let scrub = Segment::scrub(&file.path, &file.sha256, |_| true).unwrap();
        assert!(matches!(scrub, Scrub::Damaged { .. }), "{scrub:?}");
    }
}

#[test]
fn blocks_that_trade_places_are_found() {
    let folder = tempfile::tempdir().unwrap();
    // Enough for several buckets.
    let many: Vec<_> = (0..40)
        .map(|number| Owned::unsigned(serial(number), revoked(time(number.into()))))
        .collect();
    let file = write(folder.path(), &spec(&[]), &many).unwrap();
    let twin = write(folder.path(), &spec(&[]), &many).unwrap();
    let twin_octets = fs::read(&twin.path).unwrap();
    let octets = fs::read(&file.path).unwrap();
    let serials = present_and_absent(&many);
    let right = answers(&open(folder.path(), &file).unwrap(), &serials);
    let stride = 31;
    let index_at = octets.len() - 64 * 4;

    let mut cases = Vec::new();
    for (at, len, count) in [(256, stride, 40), (index_at, 64, 4)] {
        let block = |number: usize| at + number * len..at + (number + 1) * len;
        for (one, other) in [(0, 1), (1, 3), (2, count - 1)] {
            let mut swapped = octets.clone();
            swapped[block(one)].copy_from_slice(&octets[block(other)]);
            swapped[block(other)].copy_from_slice(&octets[block(one)]);
            cases.push(swapped);
            // The same block of another file with the same content.
            let mut transplanted = octets.clone();
            transplanted[block(one)].copy_from_slice(&twin_octets[block(one)]);
            cases.push(transplanted);
        }
    }
    for (case, octets) in cases.iter().enumerate() {
        fs::remove_file(&file.path).unwrap();
        fs::write(&file.path, octets).unwrap();
        let segment = open(folder.path(), &file).unwrap();
        let found = answers(&segment, &serials);
        for (answer, right) in found.iter().zip(&right) {
            assert!(answer.is_none() || answer == right, "case {case}");
        }
        assert!(
            found.iter().any(Option::is_none),
            "case {case} went unnoticed"
        );
    }
}

#[test]
fn damage_and_other_files_are_told_apart_by_a_scrub() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), &spec(&BOTH), &records()).unwrap();
    let other = write(folder.path(), &spec(&BOTH), &records()).unwrap();
    let scrub = |file: &SegmentFile| Segment::scrub(&file.path, &file.sha256, |_| true).unwrap();
    assert_eq!(scrub(&file), Scrub::Intact);
    fs::rename(&other.path, &file.path).unwrap();
    assert_eq!(
        scrub(&file),
        Scrub::Damaged {
            sha256: other.sha256,
            damage: Vec::new(),
        }
    );
    let mut read = 0;
    let stopped = Segment::scrub(&file.path, &file.sha256, |octets| {
        read += octets;
        read < 300
    });
    assert_eq!(stopped.unwrap(), Scrub::Stopped);
    let missing = Segment::scrub(&folder.path().join("x.seg"), &file.sha256, |_| true);
    assert!(matches!(missing, Err(SegmentError::Disk(_))));
}

#[test]
fn batches_encoded_by_workers_may_come_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let records: Vec<_> = (0..1000)
        .map(|number| Owned {
            single_extensions: (number % 100 == 7).then(|| vec![0x30; 3]),
            ..Owned::unsigned(serial(number), RecordStatus::Good)
        })
        .collect();
    let mut writer = SegmentWriter::create(folder.path(), &spec(&[]), 2000, 20).unwrap();
    let batches: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = records
            .chunks(128)
            .zip((0..).step_by(128))
            .map(|(chunk, first)| {
                let encoder = writer.encoder();
                scope.spawn(move || {
                    let mut batch = encoder.batch(first, chunk.len());
                    for record in chunk {
                        encoder.encode(&mut batch, &record.data()).unwrap();
                    }
                    batch
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });
    for batch in batches.into_iter().rev() {
        writer.push_encoded(batch).unwrap();
    }
    let late = Owned::unsigned(serial(5000), RecordStatus::Good);
    writer.push(&late.data()).unwrap();
    let file = writer.finish().unwrap();
    let segment = open(folder.path(), &file).unwrap();
    let found: Vec<_> = segment
        .iter()
        .map(|record| owned(&record.unwrap()))
        .collect();
    assert_eq!(found, [&records[..], &[late]].concat());
}

#[test]
fn what_no_segment_can_hold_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let fails = |spec: &SegmentSpec, count, width| {
        let error = SegmentWriter::create(folder, spec, count, width).unwrap_err();
        assert!(matches!(error, SegmentError::Spec(_)), "{error}");
    };
    let spec = spec(&BOTH);
    fails(&spec, 1, 0);
    fails(&spec, 1, 21);
    fails(&spec, 1 << 21, 20);
    let with = |change: &dyn Fn(&mut SegmentSpec)| {
        let mut spec = spec.clone();
        change(&mut spec);
        spec
    };
    fails(&with(&|spec| spec.depth = 21), 1, 20);
    fails(&with(&|spec| spec.shard = 1), 1, 20);
    fails(
        &with(&|spec| spec.templates[1] = spec.templates[0].clone()),
        1,
        20,
    );
    fails(
        &with(&|spec| spec.algorithm = SignatureAlgorithm::Ed25519),
        1,
        20,
    );

    let create = |count| SegmentWriter::create(folder, &spec, count, 4).unwrap();
    let small = |number: u8| {
        Owned::unsigned(
            SerialNumber::from_content(&[number]).unwrap(),
            RecordStatus::Good,
        )
    };
    let mut writer = create(9);
    let mut wrong = small(1);
    wrong.signatures = vec![0; 64];
    let refused = |error| matches!(error, Err(SegmentError::Record(_)));
    assert!(refused(writer.push(&wrong.data())));
    wrong.signatures.clear();
    wrong.single_extensions = Some(Vec::new());
    assert!(refused(writer.push(&wrong.data())));
    assert!(refused(
        writer.push(&Owned::unsigned(serial(1), RecordStatus::Good).data())
    ));
    // A refused record is no reason to give up.
    writer.push(&small(1).data()).unwrap();
    writer.push(&small(1).data()).unwrap();
    assert!(
        matches!(writer.finish(), Err(SegmentError::SerialTwice { serial }) if serial == small(1).serial)
    );

    let mut writer = create(1);
    writer.push(&small(1).data()).unwrap();
    writer.push(&small(2).data()).unwrap();
    let error = writer.finish().unwrap_err();
    assert!(matches!(
        error,
        SegmentError::RecordNumber {
            number: 1,
            announced: 1
        }
    ));

    let mut writer = create(9);
    let encoder = writer.encoder();
    let batch = |first| {
        let mut batch = encoder.batch(first, 1);
        encoder.encode(&mut batch, &small(7).data()).unwrap();
        batch
    };
    writer.push_encoded(batch(1)).unwrap();
    assert!(matches!(
        writer.finish(),
        Err(SegmentError::RecordMissing { number: 0 })
    ));
    let mut other = create(9);
    assert!(matches!(
        other.push_encoded(batch(0)),
        Err(SegmentError::ForeignRecords)
    ));
    assert!(matches!(other.finish(), Err(SegmentError::GivenUp)));

    let shard = SegmentSpec {
        depth: 1,
        shard: 1,
        ..spec.clone()
    };
    let mut writer = SegmentWriter::create(folder, &shard, 100, 20).unwrap();
    for number in 0..100 {
        let record = Owned::unsigned(serial(number), RecordStatus::Good);
        let taken = writer.push(&record.data()).is_ok();
        assert_eq!(taken, hash(&record.serial).shard(1) == 1);
    }
    drop(writer);
    assert_eq!(names(folder), [""; 0]);
}

#[test]
fn a_failing_disk_leaves_no_file_or_a_whole_one() {
    for errno in [libc::ENOSPC, libc::EIO] {
        for k in 0.. {
            let folder = tempfile::tempdir().unwrap();
            faults::arm(k, Fault::Once(errno));
            let result = write(folder.path(), &spec(&BOTH), &records());
            if !faults::disarm() {
                result.unwrap();
                assert!(k > 10, "only {k} operations");
                break;
            }
            // Only the removal of the temporary name, after the rename, may fail unnoticed.
            let Err(error) = result else {
                let kept = names(folder.path());
                assert!(
                    kept.len() == 1 && kept[0].ends_with(names::SEGMENT),
                    "{kept:?}"
                );
                continue;
            };
            let SegmentError::Disk(error) = error else {
                panic!("{error}");
            };
            assert_eq!(error.source.raw_os_error(), Some(errno));
            assert!(error.path.starts_with(folder.path()));
            let text = error.to_string();
            assert!(
                text.starts_with("cannot ") && text.contains("os error"),
                "{text}"
            );
            // Whole and durable but for its name, or nothing.
            for name in names(folder.path()) {
                let sha256 = names::parse(&name, names::SEGMENT).unwrap();
                let path = folder.path().join(&name);
                assert_eq!(
                    Segment::scrub(&path, &sha256, |_| true).unwrap(),
                    Scrub::Intact
                );
            }
        }
    }
}

#[test]
fn a_crash_leaves_a_temporary_file_or_a_whole_one() {
    for k in 0.. {
        let folder = tempfile::tempdir().unwrap();
        faults::arm(k, Fault::Crash);
        let result = write(folder.path(), &spec(&BOTH), &records());
        if !faults::disarm() {
            break;
        }
        drop(result);
        for name in names(folder.path()) {
            if !name.ends_with(names::TEMPORARY) {
                let sha256 = names::parse(&name, names::SEGMENT).unwrap();
                let path = folder.path().join(&name);
                assert_eq!(
                    Segment::scrub(&path, &sha256, |_| true).unwrap(),
                    Scrub::Intact
                );
            }
        }
    }
}

#[test]
fn a_newer_version_has_its_own_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), &spec(&BOTH), &records()).unwrap();
    let mut octets = fs::read(&file.path).unwrap();
    put_version(&mut octets, 2);
    fs::remove_file(&file.path).unwrap();
    fs::write(&file.path, octets).unwrap();
    let error = open(folder.path(), &file).unwrap_err();
    let SegmentError::Header { source, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*source, HeaderError::NewerVersion { found: 2 });
    assert!(
        error
            .to_string()
            .ends_with("segment format 2 is newer than this program, which reads up to 1")
    );
}

const VERSION_1: &str = "fixtures/segments/v1";

/// Written anew with `ESTELAM_WRITE_FIXTURES` set, which is right only when a version is begun.
#[test]
fn files_of_version_1_still_say_what_they_said() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(VERSION_1);
    if env::var_os("ESTELAM_WRITE_FIXTURES").is_some() {
        fs::remove_dir_all(&folder).unwrap();
        fs::create_dir_all(&folder).unwrap();
        write(&folder, &spec(&BOTH), &records()).unwrap();
    }
    let [name] = <[String; 1]>::try_from(names(&folder)).unwrap();
    let sha256 = names::parse(&name, names::SEGMENT).unwrap();
    let path = folder.join(name);
    assert_eq!(
        Segment::scrub(&path, &sha256, |_| true).unwrap(),
        Scrub::Intact
    );
    let segment = Segment::open(&folder, sha256, fs::metadata(&path).unwrap().len()).unwrap();
    let found: Vec<_> = segment
        .iter()
        .map(|record| owned(&record.unwrap()))
        .collect();
    assert_eq!(found, records());
    for record in records() {
        assert_eq!(answers(&segment, &[record.serial]), [Some(Some(record))]);
    }
    assert_eq!(segment.templates(), spec(&BOTH).templates);
    assert_eq!(segment.as_of(), spec(&BOTH).as_of);
}

/// Serials of any content that can be one, short ones more often than chance would have them.
fn any_serial() -> impl Strategy<Value = SerialNumber> {
    prop::collection::vec(any::<u8>(), 1..=20).prop_filter_map("not minimal", |content| {
        SerialNumber::from_content(&content).ok()
    })
}

fn any_record() -> impl Strategy<Value = (RecordStatus, Option<Vec<u8>>, Option<u8>)> {
    let status = prop_oneof![
        Just(RecordStatus::Good),
        (0..=253_402_300_799_u64, prop::option::of(0..8_usize)).prop_map(|(secs, reason)| {
            RecordStatus::Revoked {
                revocation_time: time(secs),
                reason: reason.map(|at| crate::asn1::CrlReason::ALL[at]),
            }
        }),
    ];
    let extensions = prop::option::weighted(0.1, prop::collection::vec(any::<u8>(), 1..100));
    (status, extensions, prop::option::of(any::<u8>()))
}

proptest! {
    // Each case syncs files: a quarter of the usual number.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 4))]

    #[test]
    fn a_segment_is_a_map_from_serials_to_records(
        model in prop::collection::hash_map(any_serial(), any_record(), 0..200),
        absent in prop::collection::vec(any_serial(), 50),
        columns in 0..=2_usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let signature = |octet| vec![octet; 64 * columns];
        let records: Vec<_> = model
            .iter()
            .map(|(serial, (status, extensions, signed))| Owned {
                single_extensions: extensions.clone(),
                signatures: signed.map_or_else(Vec::new, signature),
                ..Owned::unsigned(*serial, *status)
            })
            .collect();
        let file = write(folder.path(), &spec(&BOTH[..columns]), &records).unwrap();
        let segment = open(folder.path(), &file).unwrap();
        let by_serial: HashMap<_, _> =
            records.iter().map(|record| (record.serial, record.clone())).collect();
        for serial in model.keys().chain(&absent) {
            let hash = SerialHash::new(&ISSUER, serial.as_bytes());
            match segment.lookup(hash, serial.as_bytes()) {
                Lookup::Found(record) => {
                    prop_assert_eq!(Some(&owned(&record)), by_serial.get(serial));
                }
                Lookup::Absent => prop_assert!(!model.contains_key(serial)),
                Lookup::Damaged => prop_assert!(false, "damaged"),
            }
        }
        // What a request may ask and no serial can be.
        for serial in [&[][..], &[0; 21], &[7; 64]] {
            prop_assert_eq!(segment.lookup(SerialHash::new(&ISSUER, serial), serial), Lookup::Absent);
        }
    }
}
