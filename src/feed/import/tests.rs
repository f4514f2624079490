//! The driver against a ledger in memory, fed from index.txt.

use std::{collections::BTreeMap, io};

use proptest::prelude::*;

use super::*;
use crate::{
    change::{Action, Refusal, RevocationClaim},
    feed::{ImportResult, Index},
    identity::{IssuerId, SerialNumber},
};

/// Enough of a ledger: revoked is final. It fails, as a process that is killed, before the batch
/// number `fails_at`.
#[derive(Clone, Default)]
struct Memory {
    statuses: BTreeMap<SerialNumber, Option<RevocationClaim>>,
    batches: usize,
    fails_at: Option<usize>,
    /// Revoked by someone else between judging and applying.
    revoked_meanwhile: Option<(SerialNumber, RevocationClaim)>,
}

impl Memory {
    fn verdict(&self, change: &Change) -> Verdict {
        let claimed = claim(change);
        match (self.statuses.get(&change.serial), claimed) {
            (Some(known), claimed) if *known == claimed => Verdict::Unchanged,
            (Some(Some(known)), _) => Verdict::Refused(Refusal::Revoked {
                revocation_time: known.revocation_time,
                reason: known.reason,
            }),
            _ => Verdict::Applies,
        }
    }
}

impl StatusSink for Memory {
    type Error = io::Error;

    fn judge(&mut self, changes: &[Change]) -> io::Result<Vec<Verdict>> {
        Ok(changes.iter().map(|change| self.verdict(change)).collect())
    }

    fn apply(&mut self, changes: &[Change]) -> io::Result<Vec<Outcome>> {
        if self.fails_at == Some(self.batches) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.batches += 1;
        if let Some((serial, claim)) = self.revoked_meanwhile.take() {
            self.statuses.insert(serial, Some(claim));
        }
        let apply = |change: &Change| match self.verdict(change) {
            Verdict::Refused(refusal) => Outcome::Refused(refusal),
            Verdict::Unchanged => Outcome::Unchanged,
            Verdict::Applies => {
                self.statuses.insert(change.serial, claim(change));
                Outcome::Applied { sequence: 1 }
            }
        };
        Ok(changes.iter().map(apply).collect())
    }
}

fn claim(change: &Change) -> Option<RevocationClaim> {
    match change.action {
        Action::Revoke { claim, .. } => Some(claim),
        Action::Issue(_) | Action::Release => None,
    }
}

fn index(text: &str) -> Index {
    Index::read(text.as_bytes(), IssuerId::from_bytes([7; 32])).unwrap()
}

fn valid(serial: usize) -> String {
    format!("V\t301231235959Z\t\t{serial:08X}\tunknown\t/CN={serial}\n")
}

fn revoked(serial: usize) -> String {
    format!("R\t301231235959Z\t260105120000Z,superseded\t{serial:08X}\tunknown\t/CN={serial}\n")
}

fn many(count: usize) -> String {
    let line = |n| if n % 10 == 3 { revoked(n) } else { valid(n) };
    (0..count).map(line).collect()
}

fn run(
    text: &str,
    sink: &mut Memory,
    skip_bad: bool,
) -> Result<ImportReport, ImportError<io::Error>> {
    let options = ImportOptions {
        source: "index.txt",
        skip_bad,
    };
    import(&index(text), sink, options, &mut |_| {})
}

fn counts(report: &ImportReport) -> [u64; 6] {
    [
        report.lines,
        report.applied,
        report.unchanged,
        report.bad,
        report.refused,
        report.skipped,
    ]
}

#[test]
fn a_second_import_changes_nothing() {
    let text = many(10_000);
    let mut sink = Memory::default();
    let first = run(&text, &mut sink, false).unwrap();
    assert_eq!(first.result, ImportResult::Complete);
    assert_eq!(counts(&first), [10_000, 10_000, 0, 0, 0, 0]);
    assert_eq!(sink.batches, 3, "4,096 records a batch");

    let second = run(&text, &mut sink, false).unwrap();
    assert_eq!(counts(&second), [10_000, 0, 10_000, 0, 0, 0]);
    assert_eq!(sink.batches, 3, "nothing was sent");
}

#[test]
fn only_what_is_new_is_sent_to_be_applied() {
    let mut sink = Memory::default();
    run(&many(10_000), &mut sink, false).unwrap();
    let longer = many(10_000) + &valid(20_000) + &revoked(20_001);
    let report = run(&longer, &mut sink, false).unwrap();
    assert_eq!(counts(&report), [10_002, 2, 10_000, 0, 0, 0]);
    assert_eq!(sink.batches, 4);
}

#[test]
fn an_import_that_failed_half_way_is_completed_by_the_next() {
    let text = many(10_000);
    let mut sink = Memory {
        fails_at: Some(1),
        ..Memory::default()
    };
    let error = run(&text, &mut sink, false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "only 4096 of 10000 lines were applied; run the import again to complete it"
    );
    let ImportError::Apply { report, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(report.result, ImportResult::Unfinished);
    assert_eq!(sink.statuses.len(), 4_096);

    sink.fails_at = None;
    let second = run(&text, &mut sink, false).unwrap();
    assert_eq!(counts(&second), [10_000, 5_904, 4_096, 0, 0, 0]);
    let third = run(&text, &mut sink, false).unwrap();
    assert_eq!(counts(&third), [10_000, 0, 10_000, 0, 0, 0]);
}

#[test]
fn one_bad_line_and_nothing_is_applied() {
    let text = many(5_000) + "V\t301231235959Z\t\txx\tunknown\t/CN=bad\n";
    let mut sink = Memory::default();
    let report = run(&text, &mut sink, false).unwrap();
    assert_eq!(report.result, ImportResult::NothingApplied);
    assert_eq!(counts(&report), [5_001, 0, 0, 1, 0, 0]);
    assert!(sink.statuses.is_empty());
    assert_eq!(
        report.to_string(),
        "index.txt: nothing was applied: 5001 lines, 1 bad\n\
         index.txt: line 5001, column 18: the serial number is not hexadecimal: \"xx\""
    );

    let report = run(&text, &mut sink, true).unwrap();
    assert_eq!(report.result, ImportResult::Skipped);
    assert_eq!(counts(&report), [5_001, 5_000, 0, 1, 0, 1]);
}

#[test]
fn valid_after_revoked_is_refused_by_name_and_nothing_is_applied() {
    let mut sink = Memory::default();
    run(&revoked(0x2A), &mut sink, false).unwrap();
    let text = valid(0x29) + &valid(0x2A);

    let report = run(&text, &mut sink, false).unwrap();
    assert_eq!(report.result, ImportResult::NothingApplied);
    assert_eq!(counts(&report), [2, 0, 0, 0, 1, 0]);
    let shown = report.errors[0].to_string();
    assert!(shown.starts_with("line 2: serial number 2A: "), "{shown}");
    assert_eq!(sink.statuses.len(), 1);

    let report = run(&text, &mut sink, true).unwrap();
    assert_eq!(report.result, ImportResult::Skipped);
    assert_eq!(counts(&report), [2, 1, 0, 0, 1, 1]);
    let serial = SerialNumber::from_hex("2A").unwrap();
    assert!(sink.statuses[&serial].is_some(), "still revoked");
}

#[test]
fn a_revocation_between_judging_and_applying_is_not_undone() {
    let serial = SerialNumber::from_hex("01").unwrap();
    let claim = claim(&index(&revoked(1)).records().next().unwrap().change).unwrap();
    let mut sink = Memory {
        revoked_meanwhile: Some((serial, claim)),
        ..Memory::default()
    };
    let report = run(&(valid(1) + &valid(2)), &mut sink, false).unwrap();
    assert_eq!(report.result, ImportResult::Skipped);
    assert_eq!(counts(&report), [2, 1, 0, 0, 1, 1]);
    assert_eq!(sink.statuses[&serial], Some(claim));
}

#[test]
fn errors_are_shown_by_line_and_counted_beyond_the_first() {
    let mut sink = Memory::default();
    run(&revoked(1), &mut sink, false).unwrap();
    let text = "bad\n".repeat(18) + &valid(1) + &"bad\n".repeat(12);
    let report = run(&text, &mut sink, true).unwrap();
    assert_eq!(counts(&report), [31, 0, 0, 30, 1, 31]);
    assert_eq!(report.errors.len(), 20);
    assert_eq!(report.errors[18].place.line, 19);
    assert!(report.to_string().ends_with("\nindex.txt: and 11 more"));
}

#[test]
fn a_sink_that_loses_answers_is_not_believed() {
    struct Mute;
    impl StatusSink for Mute {
        type Error = io::Error;
        fn judge(&mut self, _: &[Change]) -> io::Result<Vec<Verdict>> {
            Ok(Vec::new())
        }
        fn apply(&mut self, _: &[Change]) -> io::Result<Vec<Outcome>> {
            unreachable!("nothing was judged")
        }
    }
    let options = ImportOptions {
        source: "index.txt",
        skip_bad: false,
    };
    let error = import(&index(&valid(1)), &mut Mute, options, &mut |_| {}).unwrap_err();
    assert!(matches!(
        error,
        ImportError::Judge(SinkFailure::AnswerCount {
            expected: 1,
            actual: 0
        })
    ));
}

#[test]
fn progress_is_told_for_both_phases() {
    let mut told = Vec::new();
    let options = ImportOptions {
        source: "index.txt",
        skip_bad: false,
    };
    let mut tell = |progress: Progress| told.push((progress.phase, progress.done, progress.of));
    import(
        &index(&many(5_000)),
        &mut Memory::default(),
        options,
        &mut tell,
    )
    .unwrap();
    assert_eq!(
        told,
        [
            (Phase::Judging, 4_096, 5_000),
            (Phase::Judging, 5_000, 5_000),
            (Phase::Applying, 4_096, 5_000),
            (Phase::Applying, 5_000, 5_000),
        ]
    );
}

#[test]
fn a_report_travels_as_json() {
    let report = run("bad\n", &mut Memory::default(), false).unwrap();
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(
        json,
        r#"{"source":"index.txt","result":"nothing_applied","unit":"line","lines":1,"applied":0,"unchanged":0,"#
            .to_owned()
            + r#""bad":1,"refused":0,"skipped":0,"errors":[{"line":1,"column":1,"#
            + r#""excerpt":"bad","cause":"1 tab-separated field(s) where index.txt has 6"}]}"#
    );
    // Places are for who reads the source again, in the same process.
    let told = ImportReport {
        left_out: Vec::new(),
        ..report
    };
    assert_eq!(serde_json::from_str::<ImportReport>(&json).unwrap(), told);
}

proptest! {
    #[test]
    fn every_line_is_counted_once(
        lines in prop::collection::vec((0..12_usize, 0..3_u8), 0..30),
        before in prop::collection::vec((0..12_usize, 0..2_u8), 0..6),
    ) {
        let text = |lines: &[(usize, u8)]| -> String {
            lines.iter().map(|(serial, kind)| match kind {
                0 => valid(*serial),
                1 => revoked(*serial),
                _ => "bad\n".to_owned(),
            }).collect()
        };
        let mut sink = Memory::default();
        run(&text(&before), &mut sink, true).unwrap();
        let known = sink.clone();

        let report = run(&text(&lines), &mut sink, false).unwrap();
        if report.result == ImportResult::NothingApplied {
            prop_assert!(report.bad + report.refused > 0);
            prop_assert_eq!(&sink.statuses, &known.statuses);
        } else {
            prop_assert_eq!(report.result, ImportResult::Complete);
        }
        let report = run(&text(&lines), &mut sink, true).unwrap();
        let [lines, applied, unchanged, bad, refused, skipped] = counts(&report);
        prop_assert_eq!(lines, applied + unchanged + bad + refused);
        prop_assert_eq!(skipped, bad + refused);
        for (serial, status) in &known.statuses {
            if status.is_some() {
                prop_assert_eq!(&sink.statuses[serial], status);
            }
        }
    }
}
