//! A watched `index.txt` (and CSV) over a real ledger.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::BufRead;

use super::*;
use crate::change::Source;
use crate::config::feed::IndexFeed;
use crate::feed::live::{IndexSource, PolledChange, Rows};
use crate::feed::{
    Csv, CsvMapping, Findings, ImportOptions, ImportReport, Index, LedgerSink, import,
};
use crate::identity::{IssuerId, SerialNumber};
use crate::ledger::{IssuerIdentity, Ledger};

const START: u64 = 1_790_000_000; // 2026-09-21

/// A folder with the file, and the ledger that it is brought into.
struct World {
    folder: tempfile::TempDir,
    ledger: Ledger,
    issuer: IssuerId,
    source: RefCell<Box<dyn LiveSource>>,
    now: Cell<u64>,
    memory: RefCell<Option<String>>,
    accepted: Cell<bool>,
    stopping: Cell<bool>,
    ledger_fails: Cell<bool>,
    /// Lines that each import was shown.
    imports: RefCell<Vec<u64>>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let identity = IssuerIdentity {
            subject_der: vec![0x30, 0],
            spki_der: vec![0x30],
            label: "test".to_owned(),
        };
        let source = Source::new("test", "").unwrap();
        let issuer = ledger
            .define_issuer(&identity, &source, START * 1_000)
            .unwrap();
        let path = folder.path().join("index.txt");
        Self {
            source: RefCell::new(Self::index(&path)),
            folder,
            ledger,
            issuer: issuer.id,
            now: Cell::new(START),
            memory: RefCell::default(),
            accepted: Cell::new(false),
            stopping: Cell::new(false),
            ledger_fails: Cell::new(false),
            imports: RefCell::default(),
        }
    }

    fn index(path: &Path) -> Box<dyn LiveSource> {
        let key = FeedKey {
            issuer: "my ca".to_owned(),
            feed: "index".to_owned(),
        };
        let settings = IndexFeed {
            name: None,
            path: path.to_owned(),
            interval: None,
            stale_after: None,
        };
        Box::new(IndexSource::new(key, &settings))
    }

    fn restart(&self) {
        *self.source.borrow_mut() = Self::index(&self.path());
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("index.txt")
    }

    /// Replaces the file, as `openssl ca` does: written beside and renamed.
    fn write(&self, text: &str) {
        let beside = self.folder.path().join("index.txt.new");
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, self.path()).unwrap();
    }

    /// A poll some seconds later.
    fn poll(&self) -> Result<Polled, FeedError> {
        self.now.set(self.now.get() + 5);
        let now = UnixTime::from_secs(self.now.get()).unwrap();
        self.source.borrow_mut().poll(self, now)
    }

    #[track_caller]
    fn takes(&self) -> ImportReport {
        match self.poll().unwrap().change {
            PolledChange::Imported(report) => *report,
            PolledChange::Unchanged => panic!("nothing new was seen"),
        }
    }

    #[track_caller]
    fn sees_nothing_new(&self) {
        let sequence = self.ledger.last_sequence().unwrap();
        let polled = self.poll().unwrap();
        assert!(
            matches!(polled.change, PolledChange::Unchanged),
            "{polled:?}"
        );
        assert_eq!(self.ledger.last_sequence().unwrap(), sequence);
    }

    #[track_caller]
    fn refuses(&self, kind: FeedErrorKind, words: &str) {
        let sequence = self.ledger.last_sequence().unwrap();
        let error = self.poll().unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(words), "{error}");
        assert_eq!(self.ledger.last_sequence().unwrap(), sequence);
    }

    fn is_revoked(&self, serial: usize) -> bool {
        let serial = SerialNumber::from_hex(&format!("{serial:08X}")).unwrap();
        let status = self.ledger.status(&self.issuer, &serial).unwrap().unwrap();
        status.revocation.is_some()
    }

    fn take_in(&self, findings: &impl Findings) -> Result<ImportReport, FeedError> {
        if findings.line_count() == 0 {
            return Err(FeedError::new(FeedErrorKind::Rejected, "nothing in it"));
        }
        self.imports.borrow_mut().push(findings.line_count());
        let source = Source::new("index", "index: here").unwrap();
        let now = self.now.get();
        let mut sink = LedgerSink::alone(&self.ledger, source, || now * 1_000);
        let options = ImportOptions {
            source: "here",
            skip_bad: true,
        };
        Ok(import(findings, &mut sink, options, &mut |_| {}).unwrap())
    }
}

impl FeedDesk for World {
    fn import(
        &self,
        _place: &str,
        request: ImportRequest,
        input: &mut dyn BufRead,
    ) -> Result<ImportReport, FeedError> {
        let failed = |error: &dyn std::fmt::Display| {
            FeedError::new(FeedErrorKind::Ledger, error.to_string())
        };
        if self.ledger_fails.get() {
            return Err(failed(&"disk full"));
        }
        match request {
            ImportRequest::Index => {
                let index = Index::read(input, self.issuer).map_err(|error| failed(&error))?;
                self.take_in(&index)
            }
            ImportRequest::Csv { mapping } => {
                let csv = Csv::read(input, self.issuer, &mapping).map_err(|e| failed(&e))?;
                self.take_in(&csv)
            }
            other => panic!("{other:?}"),
        }
    }

    fn take(&self, _place: &str, rows: &Rows) -> Result<ImportReport, FeedError> {
        panic!("{rows:?}")
    }

    fn remembered(&self) -> Result<Option<String>, FeedError> {
        Ok(self.memory.borrow().clone())
    }

    fn remember(&self, text: &str) -> Result<(), FeedError> {
        *self.memory.borrow_mut() = Some(text.to_owned());
        Ok(())
    }

    fn is_accepted(&self) -> bool {
        self.accepted.get()
    }

    fn is_stopping(&self) -> bool {
        self.stopping.get()
    }
}

fn valid(serial: usize) -> String {
    format!("V\t301231235959Z\t\t{serial:08X}\tunknown\t/CN={serial}\n")
}

fn revoked(serial: usize) -> String {
    format!("R\t301231235959Z\t260105120000Z,superseded\t{serial:08X}\tunknown\t/CN={serial}\n")
}

fn index(count: usize, is_revoked: impl Fn(usize) -> bool) -> String {
    let line = |n| if is_revoked(n) { revoked(n) } else { valid(n) };
    (0..count).map(line).collect()
}

#[test]
fn only_lines_that_changed_are_read_again() {
    let world = World::new();
    world.write(&index(5_000, |n| n % 10 == 0));
    assert_eq!(world.takes().applied, 5_000);
    world.sees_nothing_new();
    // Rewritten with the same lines in another order, some of them twice.
    let mut lines: Vec<String> = (0..5_000)
        .map(|n| if n % 10 == 0 { revoked(n) } else { valid(n) })
        .collect();
    lines.reverse();
    lines.push(lines[7].clone());
    world.write(&lines.concat());
    world.sees_nothing_new();
    // A hundred changes.
    world.write(&index(5_000, |n| n % 10 == 0 || n % 50 == 1));
    let report = world.takes();
    assert_eq!((report.lines, report.applied), (100, 100));
    assert!(world.is_revoked(51) && !world.is_revoked(52));
    assert_eq!(*world.imports.borrow(), [5_000, 100]);
    // Nothing is remembered of lines over a restart; the ledger knows them.
    world.restart();
    let report = world.takes();
    assert_eq!(
        (report.lines, report.applied, report.unchanged),
        (5_000, 0, 5_000)
    );
}

#[test]
fn a_bad_line_is_left_out_and_told_and_the_rest_is_taken() {
    let world = World::new();
    world.write(&(valid(1) + "V\tsoon\t\t02\tunknown\t/CN=2\n" + &valid(3)));
    let report = world.takes();
    assert_eq!((report.applied, report.bad), (2, 1));
    // Once more, when the stamp has settled.
    let again = world.takes();
    assert_eq!((again.applied, again.bad), (0, 1));
    world.sees_nothing_new();
    // A revocation does not wait for somebody else's mistake; the mistake is told again.
    world.write(&(revoked(1) + "V\tsoon\t\t02\tunknown\t/CN=2\n" + &valid(3)));
    let report = world.takes();
    assert_eq!((report.lines, report.applied, report.bad), (2, 1, 1));
    assert!(world.is_revoked(1));
    // Gone with the line.
    world.write(&(revoked(1) + &valid(3)));
    let polled = world.poll().unwrap();
    assert_eq!(polled.left_out, Some(LeftOut::default()));
}

#[test]
fn what_is_revoked_stays_so_whatever_the_file_says() {
    let world = World::new();
    world.write(&(revoked(1) + &valid(2)));
    world.takes();
    world.write(&(valid(1) + &valid(2)));
    let report = world.takes();
    assert_eq!((report.applied, report.refused), (0, 1));
    assert!(world.is_revoked(1));
    // A revocation of what was never issued, as far as the ledger knows, comes with its line.
    world.write(&(valid(1) + &valid(2) + &revoked(3)));
    assert_eq!(world.takes().applied, 1);
    assert!(world.is_revoked(3));
}

#[test]
fn a_file_that_is_cut_is_refused_whole() {
    let world = World::new();
    world.write(&index(30, |_| false));
    world.takes();
    let whole = index(30, |n| n == 3);
    world.write(&whole[..whole.len() - 5]);
    world.refuses(FeedErrorKind::Malformed, "cut short");
    assert!(!world.is_revoked(3));
    // As long as it is so; it is not read for that.
    world.refuses(FeedErrorKind::Malformed, "cut short");
    world.write(&whole);
    assert_eq!(world.takes().applied, 1);
    assert!(world.is_revoked(3));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused_whole() {
    let world = World::new();
    world.write(&index(30, |_| false));
    let path = world.path();
    let stamp = Stamp::of(&fs::metadata(&path).unwrap());
    let extent = Extent {
        lines: 30,
        new: 30,
        is_whole: true,
    };
    let key = FeedKey {
        issuer: "ca".to_owned(),
        feed: "index".to_owned(),
    };
    let judged = |still| self_judge(&path, &key, &world, None, extent, &stamp, still);
    assert!(judged(Ok(stamp)).is_ok());
    fs::write(&path, index(31, |_| false)).unwrap();
    let still = fs::metadata(&path).map(|metadata| Stamp::of(&metadata));
    let Err(End::Refused(error)) = judged(still) else {
        panic!("it changed");
    };
    assert!(
        error.message.contains("changed while it was read"),
        "{error}"
    );
}

#[test]
fn a_file_that_lost_much_waits_for_an_operator() {
    let world = World::new();
    world.write(&index(1_000, |_| false));
    world.takes();
    for few in [String::new(), index(899, |n| n == 5)] {
        world.write(&few);
        world.refuses(
            FeedErrorKind::Quarantined,
            "estelam feed accept \"my ca\" index",
        );
        world.refuses(FeedErrorKind::Quarantined, "where it had 1000");
    }
    assert!(!world.is_revoked(5));
    // Also after a restart.
    world.restart();
    world.refuses(FeedErrorKind::Quarantined, "899 lines");
    // Put right by itself.
    world.write(&index(1_000, |n| n == 6));
    world.takes();
    assert!(world.is_revoked(6));
    // Or accepted, once.
    world.write(&index(100, |n| n == 6 || n == 7));
    world.refuses(FeedErrorKind::Quarantined, "100 lines");
    world.accepted.set(true);
    assert_eq!(world.takes().applied, 1);
    world.accepted.set(false);
    world.sees_nothing_new();
    world.write("");
    world.refuses(FeedErrorKind::Quarantined, "where it had 100");
    // A few may go.
    world.write(&index(95, |n| n == 6 || n == 7));
    world.sees_nothing_new();
}

#[test]
fn a_new_ca_has_an_empty_file() {
    let world = World::new();
    world.write("");
    world.sees_nothing_new();
    world.write(&valid(1));
    assert_eq!(world.takes().applied, 1);
}

#[test]
fn what_lies_ahead_of_the_clock_is_tried_again() {
    let world = World::new();
    world.write(&valid(1));
    world.takes();
    // 2026-09-21T14:23:20Z is 10 minutes ahead.
    world.write("R\t301231235959Z\t260921142320Z\t00000001\tunknown\t/CN=1\n");
    let report = world.takes();
    assert_eq!((report.refused, report.ahead), (1, 1));
    // Once more, when the stamp has settled.
    assert_eq!(world.takes().ahead, 1);
    world.sees_nothing_new();
    world.now.set(START + 120);
    assert_eq!(world.takes().ahead, 1);
    world.now.set(START + 600);
    assert_eq!(world.takes().applied, 1);
    assert!(world.is_revoked(1));
}

#[test]
fn what_is_not_there_is_told_and_what_comes_back_is_taken() {
    let world = World::new();
    world.refuses(FeedErrorKind::Unreachable, "does not exist");
    fs::create_dir(world.path()).unwrap();
    world.refuses(FeedErrorKind::Malformed, "is a folder");
    fs::remove_dir(world.path()).unwrap();
    world.write(&valid(1));
    // A ledger that fails is no fault of the file, which is read again.
    world.ledger_fails.set(true);
    world.refuses(FeedErrorKind::Ledger, "disk full");
    world.ledger_fails.set(false);
    world.stopping.set(true);
    world.refuses(FeedErrorKind::Stopped, "stopping");
    world.stopping.set(false);
    assert_eq!(world.takes().applied, 1);
}

#[test]
fn a_csv_file_is_read_in_the_same_way() {
    let world = World::new();
    let key = FeedKey {
        issuer: "ca".to_owned(),
        feed: "csv".to_owned(),
    };
    let request = ImportRequest::Csv {
        mapping: CsvMapping::default(),
    };
    let form = LineForm {
        blank: b"\n",
        header: true,
        quotes: true,
        comment: None,
    };
    *world.source.borrow_mut() = Box::new(WatchedFile::new(key, &world.path(), request, form));
    let rows = |revoked: usize| {
        let row = |n: usize| match n == revoked {
            true => format!("{n:08X},revoked,2026-01-05T12:00:00Z\n"),
            false => format!("{n:08X},good,\n"),
        };
        "serial,status,revocation_time\n".to_owned() + &(1..=50).map(row).collect::<String>()
    };
    world.write(&rows(0));
    assert_eq!(world.takes().applied, 50);
    world.write(&rows(7));
    let report = world.takes();
    assert_eq!((report.lines, report.applied), (1, 1));
    assert!(world.is_revoked(7));
    world.write(&rows(7).replace("00000008,good", "00000008,gone"));
    let report = world.takes();
    assert_eq!((report.lines, report.bad), (1, 1));
    assert_eq!(report.errors[0].place.line, 9);
    // The one that is mended is asked about; no other.
    world.write(&rows(7));
    let report = world.takes();
    assert_eq!((report.lines, report.unchanged), (1, 1));
    world.sees_nothing_new();
}
