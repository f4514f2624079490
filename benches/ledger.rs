//! A ledger of a million certificates, one in ten revoked: the size that an issuer of a national PKI
//! has, with serials of 16 random octets. Prints how fast it is written, judged again and scanned, and
//! what it takes of memory and disk.
//!
//! `cargo bench --bench ledger`

#![allow(
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "prints its figures; a failure ends it"
)]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use estelam::{
    asn1::UnixTime,
    change::{Action, Change, Inventory, Outcome, RevocationClaim, Source, Verdict},
    identity::{IssuerId, SerialNumber},
    ledger::{IssuerIdentity, Ledger},
};

const CERTIFICATES: u64 = 1_000_000;
const BATCH: usize = 16_384;
const NOW_MS: u64 = 1_790_000_000_000;

fn main() {
    let dir =
        tempfile::tempdir_in(std::env::var("BENCH_DIR").unwrap_or_else(|_| "/tmp".into())).unwrap();
    let path = dir.path().join("ledger");
    let ledger = Ledger::open(&path).unwrap();
    let source = Source::new("index", "/etc/ssl/demoCA/index.txt").unwrap();
    let identity = IssuerIdentity {
        subject_der: vec![0x30, 0],
        spki_der: vec![0x30, 0],
        label: "ca".to_owned(),
    };
    let issuer = ledger.define_issuer(&identity, &source, NOW_MS).unwrap().id;
    let changes: Vec<_> = (0..CERTIFICATES).map(|i| change(issuer, i)).collect();
    let before = resident();
    println!("memory before          {before:>9} KiB");

    let mut commits = Vec::new();
    let started = begin();
    for batch in changes.chunks(BATCH) {
        let commit = Instant::now();
        let committed = ledger.commit(batch, &source, NOW_MS).unwrap();
        commits.push(commit.elapsed());
        assert!(matches!(committed.outcomes[0], Outcome::Applied { .. }));
    }
    report("commit", started, changes.len());
    commits.sort();
    println!(
        "  a batch of {BATCH}: p50 {:?}, max {:?}",
        commits[commits.len() / 2],
        commits[commits.len() - 1]
    );
    println!("memory, more by        {:>9} KiB", resident() - before);
    println!("memory, at most        {:>9} KiB", highest());

    let started = begin();
    let verdicts = ledger.judge(&changes, NOW_MS).unwrap();
    report("judge again, at once", started, verdicts.len());
    assert!(
        verdicts
            .iter()
            .all(|verdict| *verdict == Verdict::Unchanged)
    );
    let started = begin();
    for batch in changes.chunks(BATCH) {
        ledger.judge(batch, NOW_MS).unwrap();
    }
    report("judge again, in batches", started, changes.len());

    let started = begin();
    for change in changes.iter().step_by(10) {
        ledger.status(&issuer, &change.serial).unwrap().unwrap();
    }
    report("status, one by one", started, changes.len() / 10);

    let snapshot = ledger.snapshot().unwrap();
    let started = begin();
    let rows = snapshot.shard_records(&issuer, 0, 0).unwrap();
    report(
        "scan of the status",
        started,
        rows.map(Result::unwrap).count(),
    );
    let started = begin();
    let rows = snapshot.revoked(&issuer).unwrap();
    report(
        "scan of the revoked",
        started,
        rows.map(Result::unwrap).count(),
    );
    let started = begin();
    let rows = snapshot.entries_since(0).unwrap();
    report(
        "scan of the entries",
        started,
        rows.map(Result::unwrap).count(),
    );
    drop(snapshot);

    single_commits(&ledger, issuer, &source);
    println!("bytes a certificate    {:>9}", octets(&path) / CERTIFICATES);
    let crashed = dir.path().join("crashed");
    copy(&path, &crashed);
    let started = Instant::now();
    drop(Ledger::open(&crashed).unwrap());
    println!("start after a crash    {:>9.1?}", started.elapsed());
    ledger.compact().unwrap();
    println!("  compacted            {:>9}", octets(&path) / CERTIFICATES);
    println!("memory, more by        {:>9} KiB", resident() - before);
    println!("memory, at most        {:>9} KiB", highest());
    drop(ledger);
    let started = Instant::now();
    drop(Ledger::open(&path).unwrap());
    println!("start and stop         {:>9.1?}", started.elapsed());
}

fn change(issuer: IssuerId, index: u64) -> Change {
    // Splitmix64: 16 octets that do not compress.
    let random = |salt: u64| {
        let mut z = (index * 2 + salt + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut content = [random(0).to_be_bytes(), random(1).to_be_bytes()].concat();
    content[0] = 0x40 | content[0] >> 2;
    let inventory = Inventory {
        not_after: UnixTime::from_secs(1_800_000_000 + random(0) % 60_000_000),
        ..Inventory::default()
    };
    let action = if index.is_multiple_of(10) {
        let claim = RevocationClaim {
            revocation_time: UnixTime::from_secs(1_700_000_000 + random(1) % 60_000_000).unwrap(),
            reason: None,
            invalidity_date: None,
        };
        Action::Revoke {
            claim,
            inventory: Some(inventory),
        }
    } else {
        Action::Issue(inventory)
    };
    Change {
        issuer,
        serial: SerialNumber::from_content(&content).unwrap(),
        action,
    }
}

fn single_commits(ledger: &Ledger, issuer: IssuerId, source: &Source) {
    let mut commits: Vec<Duration> = (0..500)
        .map(|index| {
            let change = change(issuer, CERTIFICATES + index);
            let started = Instant::now();
            ledger.commit(&[change], source, NOW_MS).unwrap();
            started.elapsed()
        })
        .collect();
    commits.sort();
    println!(
        "one change a commit: p50 {:?}, p99 {:?}",
        commits[250], commits[495]
    );
}

fn report(what: &str, (started, cpu_before): (Instant, f64), count: usize) {
    let secs = started.elapsed().as_secs_f64();
    let cpu = cpu_secs() - cpu_before;
    println!(
        "{what:<24}{:>8.0}/s, {count} in {secs:.2} s, {cpu:.2} s of CPU",
        count as f64 / secs
    );
}

/// CPU of all threads, the kernel's work for them included: what counts on a busy machine.
fn cpu_secs() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.split_whitespace().collect();
    let ticks: u64 = fields[13].parse::<u64>().unwrap() + fields[14].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

fn begin() -> (Instant, f64) {
    (Instant::now(), cpu_secs())
}

fn status_kib(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn resident() -> u64 {
    status_kib("RssAnon")
}

fn highest() -> u64 {
    status_kib("VmHWM")
}

fn octets(path: &Path) -> u64 {
    let files = fs::read_dir(path).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
