//! What verifying a log costs, against the least that it could: reading the same rows from RocksDB and
//! hashing each once. A million entries and more, committed as an import commits them.
//!
//! `cargo bench --bench audit`; `ENTRIES=10000000` for more.

#![allow(
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "prints its figures; a failure ends it"
)]

use std::{fs, ops::ControlFlow, path::Path, time::Instant};

use aws_lc_rs::digest::{SHA256, digest};
use estelam::{
    asn1::UnixTime,
    change::{Action, Change, Inventory, RevocationClaim, Source},
    identity::{IssuerId, SerialNumber},
    ledger::{
        IssuerIdentity, Ledger, LedgerSnapshot, VerifyOptions,
        log::{SnapshotNodes, inclusion_proof},
    },
};
use rocksdb::{DB, Options, ReadOptions};

const BATCH: usize = 16_384;
const NOW_MS: u64 = 1_790_000_000_000;
const ROUNDS: usize = 5;

fn main() {
    let entries: u64 = std::env::var("ENTRIES").map_or(1_000_000, |count| count.parse().unwrap());
    let dir =
        tempfile::tempdir_in(std::env::var("BENCH_DIR").unwrap_or_else(|_| "/tmp".into())).unwrap();
    let path = dir.path().join("ledger");
    fill(&path, entries);

    // In turns, so that both see the same neighbours; the best of each.
    let (mut bare, mut verified) = ((f64::MAX, f64::MAX), (f64::MAX, f64::MAX));
    for _ in 0..ROUNDS {
        bare = least(bare, timed(|| bare_scan(&path)));
        verified = least(verified, timed(|| verify(&path, true)));
    }
    let rate = |secs: f64| (entries + 1) as f64 / secs;
    println!(
        "bare scan and SHA-256  {:>9.0}/s, {:.2} s of CPU",
        rate(bare.0),
        bare.1
    );
    println!(
        "audit verify, the log  {:>9.0}/s, {:.2} s of CPU",
        rate(verified.0),
        verified.1
    );
    println!(
        "  of the bare scan     {:>9.2} by the clock, {:.2} by CPU",
        bare.0 / verified.0,
        bare.1 / verified.1
    );
    let before = highest();
    let whole = timed(|| verify(&path, false));
    println!(
        "audit verify, whole    {:>9.0}/s, {:.2} s of CPU",
        rate(whole.0),
        whole.1
    );
    println!(
        "memory, at most        {:>9} KiB, {before} KiB before",
        highest()
    );

    let snapshot = LedgerSnapshot::inspect(&path).unwrap();
    let started = Instant::now();
    for index in 0..200 {
        let leaf = (index * 48_271) % entries;
        let mut nodes = SnapshotNodes::new(&snapshot).unwrap();
        inclusion_proof(&mut nodes, leaf, entries).unwrap();
    }
    println!("an inclusion proof     {:>9.1?}", started.elapsed() / 200);
}

fn fill(path: &Path, entries: u64) {
    let ledger = Ledger::open(path).unwrap();
    let source = Source::new("index", "/etc/ssl/demoCA/index.txt").unwrap();
    let identity = IssuerIdentity {
        subject_der: vec![0x30, 0],
        spki_der: vec![0x30, 0],
        label: "ca".to_owned(),
    };
    let issuer = ledger.define_issuer(&identity, &source, NOW_MS).unwrap().id;
    let mut index = 0;
    while index < entries {
        let end = entries.min(index + BATCH as u64);
        let changes: Vec<_> = (index..end).map(|index| change(issuer, index)).collect();
        ledger.record(&changes, &source, NOW_MS).unwrap();
        index = end;
    }
    ledger.compact().unwrap();
}

fn bare_scan(path: &Path) -> u64 {
    let mut options = Options::default();
    options.set_max_open_files(256);
    let families = DB::list_cf(&options, path).unwrap();
    let db = DB::open_cf_for_read_only(&options, path, families, false).unwrap();
    let mut reading = ReadOptions::default();
    reading.fill_cache(false);
    reading.set_readahead_size(1 << 20);
    let mut rows = db.raw_iterator_cf_opt(db.cf_handle("entries").unwrap(), reading);
    rows.seek_to_first();
    let (mut count, mut sum) = (0, 0);
    while let Some((_, value)) = rows.item() {
        sum ^= digest(&SHA256, value).as_ref()[0];
        count += 1;
        rows.next();
    }
    std::hint::black_box(sum);
    count
}

fn verify(path: &Path, log_only: bool) -> u64 {
    let snapshot = LedgerSnapshot::inspect(path).unwrap();
    let options = VerifyOptions {
        log_only,
        ..VerifyOptions::default()
    };
    let verified = snapshot.verify(&options, &mut |_| ControlFlow::Continue(()));
    let verified = verified.unwrap().unwrap();
    assert_eq!(verified.findings, []);
    verified.entries
}

/// By the clock and by CPU, in seconds.
fn timed(work: impl FnOnce() -> u64) -> (f64, f64) {
    let (started, cpu) = (Instant::now(), cpu_secs());
    assert!(work() > 0);
    (started.elapsed().as_secs_f64(), cpu_secs() - cpu)
}

fn least(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0.min(b.0), a.1.min(b.1))
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

/// CPU of all threads, the kernel's work for them included: what counts on a busy machine.
fn cpu_secs() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.split_whitespace().collect();
    let ticks: u64 = fields[13].parse::<u64>().unwrap() + fields[14].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

fn highest() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
