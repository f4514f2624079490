//! How close presigning comes to the bare P-256 rate of aws-lc-rs on the same core.
//!
//! `cargo bench --bench presign --no-run`, then `taskset -c 1 target/release/deps/presign-…`; the
//! number of certificates a round can be given as an argument.
//!
//! A round does three things on one thread: signs so many messages of the length of a
//! tbsResponseData with aws-lc-rs alone; reads as many certificates from a ledger, as the renewal does;
//! and makes them a durable segment with `sign_shard` and one worker, two signatures a certificate
//! (SHA-1 and SHA-256 CertIDs), second opinions, checksums, index, fsync and reading back included.
//! One certificate in ten is revoked, one in a hundred has an invalidityDate. The ratios are taken
//! round by round, so that a neighbour's load hits both sides, and the median is printed; that of the
//! CPU times does not depend on neighbours and disk at all. 0.8 is the least that is asked.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "a bench prints, and stops at the first surprise"
)]

use std::{
    hint::black_box,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use estelam::{
    asn1::{Certificate, CrlReason, SignatureAlgorithm, UnixTime},
    change::{Action, Change, Inventory, RevocationClaim, Source},
    identity::{IssuerId, SerialNumber},
    ledger::{IssuerIdentity, Ledger},
    ocsp::{CertStatus, HashAlgorithm, IssuerHashes, ResponderId, Template, TemplateParams},
    presign::{ShardJob, ShardRecord, SigningWindow, sign_shard},
    segment::{RecordStatus, SegmentKind},
    signer::{LoadedSigner, Role, SoftwareSigner},
};

const ROUNDS: usize = 7;
const CERTIFICATES: u64 = 65_536;
const COMMITTED_AT_ONCE: usize = 16_384;
const NOW_MS: u64 = 1_790_000_000_000;

fn main() {
    let certificates = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(CERTIFICATES);
    let folder =
        tempfile::tempdir_in(std::env::var("BENCH_DIR").unwrap_or_else(|_| "/tmp".into())).unwrap();
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let bare = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
    let job = Job::new(folder.path(), pkcs8.as_ref());
    let (ledger, issuer) = fill(&folder.path().join("ledger"), certificates);
    let message = job.message();

    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let bare = timed(|| {
            for _ in 0..2 * certificates {
                black_box(bare.sign(&random, black_box(&message)).unwrap());
            }
        });
        let mut records = Vec::new();
        let scan = timed(|| records = scan(&ledger, issuer));
        assert_eq!(records.len() as u64, certificates);
        let sign = timed(|| job.sign(issuer, &records));
        rounds.push(Round { bare, scan, sign });
    }

    let signatures = 2.0 * certificates as f64;
    let rate = |of: fn(&Round) -> Took| {
        let wall = median(&rounds, |round| of(round).wall.as_secs_f64());
        let cpu = median(&rounds, |round| of(round).cpu.as_secs_f64());
        (
            signatures / wall,
            signatures / cpu,
            1e6 * cpu / certificates as f64,
        )
    };
    println!("{certificates} certificates a round, median of {ROUNDS} rounds");
    println!("                      signatures/s   by CPU time   CPU a certificate");
    for (what, of) in [
        (
            "bare aws-lc-rs P-256",
            (|round| round.bare) as fn(&Round) -> Took,
        ),
        ("sign_shard", |round| round.sign),
        ("scan of the ledger", |round| round.scan),
        ("scan and sign_shard", |round| round.scan + round.sign),
    ] {
        let (wall, cpu, micros) = rate(of);
        println!("{what:<22}{wall:>12.0}{cpu:>14.0}{micros:>16.2} µs");
    }
    for (what, of) in [
        (
            "sign_shard / bare",
            (|round| round.sign) as fn(&Round) -> Took,
        ),
        ("scan and sign_shard / bare", |round| {
            round.scan + round.sign
        }),
    ] {
        let wall = |round: &Round| round.bare.wall.as_secs_f64() / of(round).wall.as_secs_f64();
        let cpu = |round: &Round| round.bare.cpu.as_secs_f64() / of(round).cpu.as_secs_f64();
        println!(
            "{what:<28}{:.3} by wall clock, {:.3} by CPU time",
            median(&rounds, wall),
            median(&rounds, cpu)
        );
    }
}

/// What one thing took, on the clock and of the process's CPU time.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    cpu: Duration,
}

impl std::ops::Add for Took {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            wall: self.wall + other.wall,
            cpu: self.cpu + other.cpu,
        }
    }
}

struct Round {
    bare: Took,
    scan: Took,
    sign: Took,
}

fn timed(work: impl FnOnce()) -> Took {
    let (wall, cpu) = (Instant::now(), cpu_time());
    work();
    Took {
        wall: wall.elapsed(),
        cpu: cpu_time() - cpu,
    }
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap(),
        time.tv_nsec.try_into().unwrap(),
    )
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

struct Job<'a> {
    folder: &'a Path,
    signer: LoadedSigner,
    hashes: [IssuerHashes; 2],
    window: SigningWindow,
}

impl<'a> Job<'a> {
    fn new(folder: &'a Path, pkcs8: &[u8]) -> Self {
        // Not this key's certificate, which nobody checks here; as long as one.
        let delegate = include_bytes!("../fixtures/ocsp/delegate.pem");
        let certificate = Arc::new(Certificate::from_pem(delegate).unwrap());
        let this_update = UnixTime::from_secs(NOW_MS / 1_000).unwrap();
        let later = |secs| this_update.saturating_add(Duration::from_secs(secs));
        Self {
            folder,
            signer: LoadedSigner {
                signer: Arc::new(SoftwareSigner::from_pkcs8(pkcs8).unwrap()),
                certificates_to_send: vec![certificate.der().to_vec()],
                certificate,
                role: Role::Delegated,
                responder_id: ResponderId::ByKey([7; 20]),
                not_after: UnixTime::MAX,
                warnings: Vec::new(),
            },
            hashes: [HashAlgorithm::Sha1, HashAlgorithm::Sha256]
                .map(|hash| IssuerHashes::new(hash, b"a name", b"a key")),
            window: SigningWindow {
                this_update,
                produced_at: this_update,
                next_update: later(4 * 86_400 - 1),
                next_sign: later(86_400),
                archive_cutoff: None,
            },
        }
    }

    /// A tbsResponseData of the usual length.
    fn message(&self) -> Vec<u8> {
        let template = Template::new(&TemplateParams {
            responder_id: &self.signer.responder_id,
            issuer_hashes: &self.hashes[0],
            produced_at: self.window.this_update,
            this_update: self.window.this_update,
            next_update: self.window.next_update,
            signature_algorithm: SignatureAlgorithm::EcdsaSha256P256,
            archive_cutoff: None,
            certificates: &[],
        });
        let mut tbs = Vec::new();
        template
            .tbs_response_data(serial(1).as_bytes(), &CertStatus::Good, None, &mut tbs)
            .unwrap();
        tbs
    }

    fn sign(&self, issuer: IssuerId, records: &[ShardRecord]) {
        let job = ShardJob {
            dir: self.folder,
            issuer,
            hashes: &self.hashes,
            signer: Some(&self.signer),
            kind: SegmentKind::Base,
            depth: 0,
            shard: 0,
            as_of: 1,
            window: self.window,
            workers: 1,
            stop: &AtomicBool::new(false),
        };
        let file = sign_shard(&job, records).unwrap();
        std::fs::remove_file(file.path).unwrap();
    }
}

/// As `authority::renewal` collects a shard.
fn scan(ledger: &Ledger, issuer: IssuerId) -> Vec<ShardRecord> {
    let snapshot = ledger.snapshot().unwrap();
    let rows = snapshot.shard_records(&issuer, 0, 0).unwrap();
    let record = |row: Result<_, _>| {
        let row: (SerialNumber, estelam::ledger::StatusRecord) = row.unwrap();
        let (serial, status) = row;
        ShardRecord {
            live_only: false,
            serial,
            status: status
                .revocation
                .map_or(RecordStatus::Good, |revoked| RecordStatus::Revoked {
                    revocation_time: revoked.signing_time(),
                    reason: revoked.claim.reason,
                }),
            invalidity_date: status
                .revocation
                .and_then(|revoked| revoked.claim.invalidity_date),
        }
    };
    rows.map(record).collect()
}

fn fill(path: &Path, certificates: u64) -> (Ledger, IssuerId) {
    let ledger = Ledger::open(path).unwrap();
    let source = Source::new("bench", "").unwrap();
    let identity = IssuerIdentity {
        subject_der: vec![0x30, 0],
        spki_der: vec![0x30, 0],
        label: "bench".to_owned(),
    };
    let issuer = ledger.define_issuer(&identity, &source, NOW_MS).unwrap().id;
    let changes: Vec<Change> = (0..certificates)
        .map(|number| change(issuer, number))
        .collect();
    for batch in changes.chunks(COMMITTED_AT_ONCE) {
        ledger.commit(batch, &source, NOW_MS).unwrap();
    }
    (ledger, issuer)
}

fn change(issuer: IssuerId, number: u64) -> Change {
    let inventory = Inventory {
        not_after: UnixTime::from_secs(1_800_000_000 + number),
        ..Inventory::default()
    };
    let earlier = |secs| UnixTime::from_secs(NOW_MS / 1_000 - secs).unwrap();
    let action = if number.is_multiple_of(10) {
        Action::Revoke {
            claim: RevocationClaim {
                revocation_time: earlier(1_000),
                reason: Some(CrlReason::KeyCompromise),
                invalidity_date: number.is_multiple_of(100).then(|| earlier(2_000)),
            },
            inventory: Some(inventory),
        }
    } else {
        Action::Issue(inventory)
    };
    Change {
        issuer,
        serial: serial(number),
        action,
    }
}

/// 16 octets that do not compress (splitmix64).
fn serial(number: u64) -> SerialNumber {
    let random = |salt: u64| {
        let mut z = (number * 2 + salt + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut content = [random(0).to_be_bytes(), random(1).to_be_bytes()].concat();
    content[0] = 0x40 | content[0] >> 2;
    SerialNumber::from_content(&content).unwrap()
}
