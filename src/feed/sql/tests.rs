//! The source over a file of SQLite and a ledger of its own, by a clock that the test sets.

use std::{
    cell::{Cell, RefCell},
    fmt::Write as _,
    io::BufRead,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::SqlSource;
use crate::{
    asn1::{Certificate, UnixTime},
    change::Source,
    config::feed::SqlFeed,
    feed::{
        HoldEndingSink, ImportOptions, ImportReport, ImportRequest, LedgerSink, import,
        live::{
            FeedDesk, FeedError, FeedErrorKind, FeedIssuer, LiveSource as _, Polled, PolledChange,
            Rows,
        },
    },
    identity::SerialNumber,
    ledger::{IssuerIdentity, Ledger, StatusRecord},
};

/// 2026-11-22T00:00:00Z
const NOW: u64 = 1_795_305_600;

struct World {
    folder: tempfile::TempDir,
    ledger: Ledger,
    issuer: FeedIssuer,
    now: Cell<u64>,
    remembered: RefCell<Option<String>>,
    accepted: Cell<bool>,
    /// How many batches may still be taken.
    takes: Cell<usize>,
    taken_rows: Cell<u64>,
}

impl FeedDesk for World {
    fn import(
        &self,
        _: &str,
        _: ImportRequest,
        _: &mut dyn BufRead,
    ) -> Result<ImportReport, FeedError> {
        panic!("a table is no file")
    }

    fn take(&self, place: &str, rows: &Rows) -> Result<ImportReport, FeedError> {
        let left = self.takes.get().checked_sub(1);
        let left = left.ok_or_else(|| FeedError::new(FeedErrorKind::Ledger, "no space left"))?;
        self.takes.set(left);
        self.taken_rows.set(self.taken_rows.get() + rows.count());
        let source = Source::new("sql", format!("test: {place}")).unwrap();
        let now_ms = || self.now.get() * 1_000;
        let sink = LedgerSink::alone(&self.ledger, source.clone(), now_ms);
        let mut sink = HoldEndingSink::new(sink, rows, &source);
        let options = ImportOptions {
            source: "test",
            skip_bad: true,
        };
        Ok(import(rows, &mut sink, options, &mut |_| {}).unwrap())
    }

    fn remembered(&self) -> Result<Option<String>, FeedError> {
        Ok(self.remembered.borrow().clone())
    }

    fn remember(&self, text: &str) -> Result<(), FeedError> {
        *self.remembered.borrow_mut() = Some(text.to_owned());
        Ok(())
    }

    fn is_accepted(&self) -> bool {
        self.accepted.get()
    }

    fn is_stopping(&self) -> bool {
        false
    }
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/ocsp/ca.pem");
        let certificate = Certificate::from_pem(&std::fs::read(ca).unwrap()).unwrap();
        let identity = IssuerIdentity {
            subject_der: certificate.subject_der().to_vec(),
            spki_der: certificate.spki_der().to_vec(),
            label: "test".to_owned(),
        };
        let source = Source::new("config", "").unwrap();
        let issuer = ledger
            .define_issuer(&identity, &source, NOW * 1_000)
            .unwrap();
        let world = Self {
            issuer: FeedIssuer {
                name: "test".to_owned(),
                id: issuer.id,
                certificate: Arc::new(certificate),
                crl_signers: Vec::new(),
            },
            folder,
            ledger,
            now: Cell::new(NOW),
            remembered: RefCell::new(None),
            accepted: Cell::new(false),
            takes: Cell::new(usize::MAX),
            taken_rows: Cell::new(0),
        };
        world.sql(
            "create table certs (id integer primary key, serial text, status text, reason int, \
             revoked int, changed int)",
        );
        world
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.db")
    }

    fn sql(&self, sql: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let options = SqliteConnectOptions::new()
                .filename(self.file())
                .create_if_missing(true);
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            let executed = sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut connection)
                .await;
            executed.unwrap_or_else(|error| panic!("{sql}: {error}"));
            connection.close().await.unwrap();
        });
    }

    /// A row for each number, good and changed when the world began.
    fn rows(&self, numbers: std::ops::Range<u32>) {
        let mut sql = String::from("begin;");
        for number in numbers {
            let changed = NOW - 1_000;
            write!(
                sql,
                "insert into certs values ({number}, '{number:04x}', 'good', -1, null, {changed});"
            )
            .unwrap();
        }
        self.sql(&(sql + "commit;"));
    }

    fn settings(&self) -> SqlFeed {
        let address = format!("sqlite:{}", self.file().display());
        let text = format!(
            "database = {address:?}\ntable = \"certs\"\ntimes = \"unix\"\npage_rows = 100\n[columns]\n\
             serial = \"serial\"\nstatus = \"status\"\nreason = \"reason\"\nrevocation_time = \
             \"revoked\"\nupdated = \"changed\"\nkey = \"id\"\n"
        );
        toml::from_str(&text).unwrap()
    }

    fn source(&self) -> SqlSource {
        SqlSource::new(
            &self.settings(),
            self.issuer.clone(),
            Duration::from_secs(5),
        )
    }

    fn poll(&self, source: &mut SqlSource) -> Result<Polled, FeedError> {
        self.taken_rows.set(0);
        source.poll(self, UnixTime::from_secs(self.now.get()).unwrap())
    }

    /// Polls, and gives the report of a poll that brought something.
    #[track_caller]
    fn polled(&self, source: &mut SqlSource) -> ImportReport {
        match self.poll(source).unwrap().change {
            PolledChange::Imported(report) => *report,
            PolledChange::Unchanged => panic!("nothing was read"),
        }
    }

    fn pass(&self, seconds: u64) {
        self.now.set(self.now.get() + seconds);
    }

    fn status(&self, number: u32) -> Option<StatusRecord> {
        let serial = SerialNumber::from_hex(&format!("{number:04x}")).unwrap();
        self.ledger.status(&self.issuer.id, &serial).unwrap()
    }

    fn is_revoked(&self, number: u32) -> bool {
        self.status(number)
            .is_some_and(|status| status.revocation.is_some())
    }

    fn revoke(&self, number: u32, changed: u64) {
        let revoked = self.now.get();
        self.sql(&format!(
            "update certs set status = 'revoked', reason = 1, revoked = {revoked}, changed = {changed} \
             where id = {number}"
        ));
    }
}

#[test]
fn the_first_poll_reads_all_pages_and_later_ones_what_changed() {
    let world = World::new();
    world.rows(1..1_235);
    let mut source = world.source();
    let report = world.polled(&mut source);
    assert_eq!((report.lines, report.applied), (1_234, 1_234));
    assert!(world.status(1).is_some() && world.status(1_234).is_some());

    // All rows were changed in one second: the overlap shows them again, once.
    let report = world.polled(&mut source);
    assert_eq!((report.lines, report.applied), (1_234, 0));
    world.pass(1_000);
    world.revoke(700, world.now.get());
    let report = world.polled(&mut source);
    assert_eq!((report.applied, world.is_revoked(700)), (1, true));
    // From now on the old ones are out of sight.
    world.pass(5);
    world.revoke(701, world.now.get());
    assert_eq!(world.polled(&mut source).lines, 2);
    assert!(world.is_revoked(701));
}

#[test]
fn a_restart_goes_on_where_the_last_one_was() {
    let world = World::new();
    world.rows(1..1_001);
    // The ledger fails in the middle of the first sweep.
    world.takes.set(4);
    let mut source = world.source();
    let error = world.poll(&mut source).unwrap_err();
    assert_eq!(error.kind, FeedErrorKind::Ledger);
    world.takes.set(usize::MAX);
    let mut source = world.source();
    assert_eq!(world.polled(&mut source).applied, 1_000 - 4 * 99);
    assert!((1..1_001).all(|number| world.status(number).is_some()));

    world.pass(2_000);
    world.revoke(3, world.now.get());
    let mut source = world.source();
    world.polled(&mut source);
    assert!(world.is_revoked(3));
    // The revoked row alone, were it not for the overlap of the first second.
    world.pass(1);
    let mut source = world.source();
    assert_eq!(world.polled(&mut source).lines, 1);
}

#[test]
fn other_settings_read_everything_again() {
    let world = World::new();
    world.rows(1..301);
    world.polled(&mut world.source());
    let settings = SqlFeed {
        filter: Some("id < 1000".to_owned()),
        ..world.settings()
    };
    let mut source = SqlSource::new(&settings, world.issuer.clone(), Duration::from_secs(5));
    let report = world.polled(&mut source);
    assert_eq!((report.lines, report.unchanged), (300, 300));
}

#[test]
fn a_row_of_the_future_hides_no_other() {
    let world = World::new();
    world.rows(1..11);
    world.sql("update certs set changed = 4070908800 where id = 5");
    let mut source = world.source();
    world.polled(&mut source);
    world.pass(3_600);
    world.revoke(6, world.now.get());
    world.polled(&mut source);
    assert!(world.is_revoked(6));
    // A database whose clock is behind, and a transaction that took its time.
    world.pass(60);
    world.revoke(7, world.now.get() - 290);
    world.polled(&mut source);
    assert!(world.is_revoked(7));
}

#[test]
fn what_changed_without_a_trace_is_found_by_the_sweep() {
    let world = World::new();
    world.rows(1..1_001);
    let mut source = world.source();
    world.polled(&mut source);
    world.pass(3_600);
    world.poll(&mut source).unwrap();
    world.revoke(999, NOW - 100_000);
    world.poll(&mut source).unwrap();
    assert!(!world.is_revoked(999));
    world.pass(86_400);
    // A page at each poll.
    let mut polls = 0;
    while !world.is_revoked(999) {
        world.poll(&mut source).unwrap();
        assert!(world.taken_rows.get() <= 200, "{}", world.taken_rows.get());
        world.pass(5);
        polls += 1;
        assert!(polls < 20);
    }
    assert!(polls > 5, "{polls}");
}

#[test]
fn rows_with_one_key_are_read_together_wherever_a_page_ends() {
    let world = World::new();
    world.sql("create table many (k text, serial text, status text, revoked int)");
    let mut sql = String::from("begin;");
    for number in 1..1_001_u32 {
        // Groups of seven, which do not divide a page.
        let key = number / 7;
        write!(
            sql,
            "insert into many values ('k{key:04}', '{number:04x}', 'good', null);"
        )
        .unwrap();
    }
    world.sql(&(sql + "commit;"));
    let mut settings = world.settings();
    settings.table = Some("many".to_owned());
    settings.columns.key = Some("K".to_owned());
    settings.columns.updated = None;
    settings.columns.reason = None;
    let mut source = SqlSource::new(&settings, world.issuer.clone(), Duration::from_secs(5));
    assert_eq!(world.polled(&mut source).applied, 1_000);
    // Without a column of changes, every poll reads every row.
    assert_eq!(world.polled(&mut source).unchanged, 1_000);

    world.sql("update many set k = 'same'");
    let error = world.poll(&mut source).unwrap_err();
    assert_eq!(error.kind, FeedErrorKind::Malformed);
    assert!(
        error
            .message
            .contains("several rows have same in column \"k\""),
        "{error}"
    );
}

#[test]
fn a_table_that_lost_its_rows_is_told_until_an_operator_says_that_it_is_right() {
    let world = World::new();
    world.rows(1..1_001);
    let mut source = world.source();
    world.polled(&mut source);
    world.sql("delete from certs where id > 100");
    world.pass(86_400);
    let failed = (0..20).find_map(|_| {
        world.pass(5);
        world.poll(&mut source).err()
    });
    let error = failed.unwrap();
    assert_eq!(error.kind, FeedErrorKind::Quarantined);
    assert!(
        error
            .message
            .contains("there are 100 rows where there were 1000"),
        "{error}"
    );
    assert!(world.status(500).is_some());
    let failed = (0..3).find_map(|_| world.poll(&mut source).err());
    assert!(failed.is_some());
    world.accepted.set(true);
    for _ in 0..3 {
        world.poll(&mut source).unwrap();
    }
    world.accepted.set(false);
    world.poll(&mut source).unwrap();
}

#[test]
fn a_table_without_a_row_is_told() {
    let world = World::new();
    let error = world.poll(&mut world.source()).unwrap_err();
    assert_eq!(error.kind, FeedErrorKind::Rejected);
    assert!(
        error.message.contains("no row is of this issuer"),
        "{error}"
    );
    let missing = SqlFeed::new(&format!("sqlite:{}/none.db", world.folder.path().display()));
    let settings = SqlFeed {
        database: missing.database,
        ..world.settings()
    };
    let mut source = SqlSource::new(&settings, world.issuer.clone(), Duration::from_secs(5));
    let error = world.poll(&mut source).unwrap_err();
    assert_eq!(error.kind, FeedErrorKind::Unreachable, "{error}");
    std::fs::write(
        world.folder.path().join("none.db"),
        "this is no database, but long enough to be read",
    )
    .unwrap();
    let error = world.poll(&mut source).unwrap_err();
    assert_eq!(error.kind, FeedErrorKind::Malformed, "{error}");
}

#[test]
fn rows_that_cannot_be_used_are_told_until_they_are_mended() {
    let world = World::new();
    world.rows(1..301);
    world.sql(
        "update certs set serial = '-1' where id = 250; update certs set serial = null where id = 7; \
         update certs set status = 'lost' where id = 9; update certs set revoked = 'soon' where id = 11;",
    );
    world.revoke(13, NOW - 1_000);
    world.sql("update certs set revoked = 2000000000 where id = 13; update certs set revoked = 5 where id = 14");
    let mut source = world.source();
    let report = world.polled(&mut source);
    assert_eq!((report.applied, report.bad + report.refused), (294, 6));
    let told = report.to_string();
    for expected in [
        "row 250, column \"serial\": the serial number is negative: \"-1\"",
        "row 7, column \"serial\": the row has no serial number",
        "row 9, column \"status\": the status is none of: good, revoked, hold: \"lost\"",
        "row 11, column \"revoked\": the time cannot be used: it is neither a timestamp nor",
        "row 13: serial number 0D: revoked at 2033-05-18T03:33:20Z, which is more than",
        "row 14, column \"status\": the status says good, but there is a revocation time",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    world.pass(10_000);
    world.revoke(20, world.now.get());
    let report = world.polled(&mut source);
    assert_eq!((report.applied, report.bad), (1, 6));
    world.sql(&format!(
        "update certs set serial = '0707', changed = {} where id = 7",
        world.now.get()
    ));
    let report = world.polled(&mut source);
    assert_eq!((report.applied, report.bad), (1, 5));
    // Deleted rows are gone with the next sweep.
    world.sql("delete from certs where id in (9, 11, 13, 14, 250)");
    world.pass(86_400);
    for _ in 0..5 {
        world.poll(&mut source).unwrap();
    }
    world.revoke(21, world.now.get());
    assert_eq!(world.polled(&mut source).bad, 0);
}

#[test]
fn a_hold_ends_with_its_row_and_a_revocation_does_not() {
    let world = World::new();
    world.rows(1..11);
    let mut source = world.source();
    world.polled(&mut source);
    world.pass(100);
    let hold = |number: u32, at: u64| {
        world.sql(&format!(
            "update certs set status = 'hold', reason = 6, revoked = {at}, changed = {at} where id = \
             {number}"
        ));
    };
    let good = |number: u32, changed: u64| {
        world.sql(&format!(
            "update certs set status = 'good', reason = 8, revoked = null, changed = {changed} where id \
             = {number}"
        ));
    };
    let now = world.now.get();
    hold(1, now);
    world.revoke(2, now);
    world.polled(&mut source);
    assert!(world.is_revoked(1) && world.is_revoked(2));
    // A copy of the table from before the hold.
    good(1, now - 50);
    good(2, now - 50);
    world.polled(&mut source);
    assert!(world.is_revoked(1) && world.is_revoked(2));
    world.pass(60);
    good(1, now + 30);
    good(2, now + 30);
    let report = world.polled(&mut source);
    assert_eq!((world.is_revoked(1), world.is_revoked(2)), (false, true));
    assert!(
        report
            .to_string()
            .contains("row 2: serial number 02: already revoked"),
        "{report}"
    );
    assert!(world.status(1).unwrap().released);
    // The same rows again change nothing.
    assert_eq!(world.polled(&mut source).applied, 0);
}

#[test]
fn values_of_a_table_never_become_part_of_a_statement() {
    let world = World::new();
    world.sql(
        "create table odd (\"a \"\"b\" text primary key, serial text, status text, revoked int)",
    );
    let mut sql = String::from("begin;");
    for number in 1..251_u32 {
        write!(
            sql,
            "insert into odd values ('x''; drop table certs; -- {number:04}', '{number:04x}', 'good', \
             null);"
        )
        .unwrap();
    }
    world.sql(&(sql + "commit;"));
    let mut settings = world.settings();
    settings.table = Some("odd".to_owned());
    settings.columns.key = Some("a \"b".to_owned());
    settings.columns.updated = None;
    settings.columns.reason = None;
    let mut source = SqlSource::new(&settings, world.issuer.clone(), Duration::from_secs(5));
    assert_eq!(world.polled(&mut source).applied, 250);
    // It is still there.
    world.rows(1..2);
}

#[test]
fn what_is_left_out_of_one_table_is_told_while_another_is_read_again() {
    let world = World::new();
    world.sql(
        "create table x509_certs (nkey blob primary key, nvalue blob); create table \
         revoked_x509_certs (nkey blob primary key, nvalue blob); insert into x509_certs values ('77', \
         'hello'); insert into revoked_x509_certs values ('78', '{}'), ('79', \
         '{\"Serial\":\"79\",\"ReasonCode\":1,\"RevokedAt\":\"2026-01-05T12:00:00Z\"}');",
    );
    let mut settings = SqlFeed::new(&world.settings().database);
    settings.preset = Some(crate::config::feed::SqlPreset::StepCa);
    let mut source = SqlSource::new(&settings, world.issuer.clone(), Duration::from_secs(5));
    let report = world.polled(&mut source);
    assert_eq!((report.applied, report.bad), (1, 2), "{report}");
    assert!(world.is_revoked(0x4f));
    // Certificates are as many as they were, and not read again.
    let report = world.polled(&mut source);
    assert_eq!((report.lines, report.bad), (2, 2), "{report}");
}
