//! The past of certificates, asked of a running server: five million certificates with two entries each,
//! and one that was put on hold and released two thousand times. Prints how long `status --at`, the first
//! page of a history and a whole history take through the admin socket, and a backup meanwhile.
//!
//! `cargo bench --bench history`; `BENCH_ENTRIES` sets another number of entries, `BENCH_DIR` another disk.

#![allow(
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "prints its figures; a failure ends it"
)]

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use estelam::{
    asn1::{Certificate, CrlReason, UnixTime},
    change::{Action, Change, Inventory, RevocationClaim, Source},
    http::{
        admin::Query,
        admin_client::{AdminClient, Upload},
    },
    identity::{IssuerId, SerialNumber},
    ledger::{IssuerIdentity, Ledger},
};

const BATCH: u64 = 16_384;
/// Recorded from here on, one second a batch.
const FIRST: u64 = 1_700_000_000;
const HOLDS: u64 = 2_000;
const QUESTIONS: u64 = 2_000;

fn main() {
    let entries: u64 =
        std::env::var("BENCH_ENTRIES").map_or(10_000_000, |entries| entries.parse().unwrap());
    let dir = std::env::var("BENCH_DIR").unwrap_or_else(|_| "/tmp".into());
    let dir = tempfile::tempdir_in(dir).unwrap();
    let certificates = entries / 2;
    configure(dir.path());
    let begun = Instant::now();
    let last = fill(dir.path(), certificates);
    println!("{entries} entries written in {:?}", begun.elapsed());

    let server = Server::start(dir.path());
    let client = AdminClient::new(dir.path().join("state/admin.sock"));
    wait(|| client.get("/stats", &Query::default()).is_ok());
    let mut random = Random(1);
    for by in ["recorded", "effective"] {
        let mut times = Vec::new();
        for _ in 0..QUESTIONS {
            let number = random.below(certificates);
            let at = UnixTime::from_secs(FIRST + random.below(last - FIRST)).unwrap();
            let (serial, at) = (serial(number).to_string(), at.to_string());
            let query = Query::of(&[("serial", &serial), ("at", &at), ("by", by)]);
            let asked = Instant::now();
            client.get("/status-at", &query).unwrap();
            times.push(asked.elapsed());
        }
        report(&format!("status --at, by {by}"), times);
    }
    let held = serial(certificates).to_string();
    let mut times = Vec::new();
    for round in 0..100 {
        let at = UnixTime::from_secs(FIRST + round * (last - FIRST) / 100)
            .unwrap()
            .to_string();
        let query = Query::of(&[("serial", &held), ("at", &at)]);
        let asked = Instant::now();
        client.get("/status-at", &query).unwrap();
        times.push(asked.elapsed());
    }
    report(&format!("status --at, of {} entries", 2 * HOLDS + 1), times);
    let mut times = Vec::new();
    for _ in 0..100 {
        let query = Query::of(&[("serial", &*held), ("limit", "100")]);
        let asked = Instant::now();
        client.get("/history", &query).unwrap();
        times.push(asked.elapsed());
    }
    report("a page of 100 entries", times);

    let begun = Instant::now();
    let order = serde_json::json!({ "to": dir.path().join("backup") });
    let backup = {
        let client = client.clone();
        std::thread::spawn(move || {
            let query = Query::default();
            client
                .post("/backup", &query, Upload::Json(order), &mut |_| {})
                .unwrap();
        })
    };
    let mut times = Vec::new();
    while !backup.is_finished() {
        let number = random.below(certificates);
        let change = serde_json::json!({
            "issuer": "ca", "serial": serial(number).to_string(),
            "action": { "revoke": { "reason": "superseded" } },
        });
        let asked = Instant::now();
        // Half of them are revoked already, and refused after the same work.
        drop(client.post(
            "/change",
            &Query::default(),
            Upload::Json(change),
            &mut |_| {},
        ));
        times.push(asked.elapsed());
    }
    backup.join().unwrap();
    println!("a backup                          {:?}", begun.elapsed());
    report("changes while it is made", times);
    drop(server);
}

fn configure(dir: &Path) {
    let status = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args(["-subj", "/CN=bench", "-days", "365", "-outform", "DER"])
        .arg("-keyout")
        .arg(dir.join("ca.key"))
        .arg("-out")
        .arg(dir.join("ca.der"))
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    // The key is not where it should be: nothing is signed meanwhile.
    let config = format!(
        "state_dir = {:?}\n[[listen]]\naddress = \"127.0.0.1:0\"\n[[issuer]]\nname = \"ca\"\n\
         certificate = {:?}\n[[issuer.signer]]\ncertificate = {:?}\nkey = {:?}\n",
        dir.join("state"),
        dir.join("ca.der"),
        dir.join("ca.der"),
        dir.join("none.key"),
    );
    fs::write(dir.join("estelam.toml"), config).unwrap();
}

/// Issues all, revokes every second, and holds and releases one more; gives the last second.
fn fill(dir: &Path, certificates: u64) -> u64 {
    let ledger = Ledger::open(&dir.join("state/ledger")).unwrap();
    let certificate = Certificate::from_der(fs::read(dir.join("ca.der")).unwrap()).unwrap();
    let identity = IssuerIdentity {
        subject_der: certificate.subject_der().to_vec(),
        spki_der: certificate.spki_der().to_vec(),
        label: "ca".to_owned(),
    };
    let source = Source::new("index", "/etc/ssl/demoCA/index.txt").unwrap();
    let issuer = ledger
        .define_issuer(&identity, &source, FIRST * 1_000)
        .unwrap()
        .id;
    let mut now = FIRST;
    let mut commit = |changes: &[Change]| {
        now += 1;
        ledger.record(changes, &source, now * 1_000).unwrap();
    };
    for first in (0..certificates).step_by(BATCH as usize) {
        let numbers = first..certificates.min(first + BATCH);
        let issue = numbers
            .clone()
            .map(|number| change(issuer, number, issued()));
        commit(&issue.collect::<Vec<_>>());
    }
    for first in (0..certificates).step_by(BATCH as usize) {
        let numbers = first..certificates.min(first + BATCH);
        let revoke = numbers.map(|number| change(issuer, number, revoked(None)));
        commit(&revoke.collect::<Vec<_>>());
    }
    commit(&[change(issuer, certificates, issued())]);
    for _ in 0..HOLDS {
        commit(&[change(
            issuer,
            certificates,
            revoked(Some(CrlReason::CertificateHold)),
        )]);
        commit(&[change(issuer, certificates, Action::Release)]);
    }
    now
}

fn change(issuer: IssuerId, number: u64, action: Action) -> Change {
    Change {
        issuer,
        serial: serial(number),
        action,
    }
}

fn issued() -> Action {
    Action::Issue(Inventory {
        not_before: UnixTime::from_secs(FIRST - 1_000),
        not_after: UnixTime::from_secs(FIRST + 100_000_000),
        certificate_sha256: None,
        distribution_point: None,
    })
}

fn revoked(reason: Option<CrlReason>) -> Action {
    Action::Revoke {
        claim: RevocationClaim {
            revocation_time: UnixTime::from_secs(FIRST - 500).unwrap(),
            reason,
            invalidity_date: None,
        },
        inventory: None,
    }
}

/// Random to the ledger: 16 octets.
fn serial(number: u64) -> SerialNumber {
    let mix = |number: u64| {
        let mixed = (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    };
    let hex = format!(
        "4{:015x}{:016x}",
        mix(number) >> 4,
        mix(number + 7) ^ number
    );
    SerialNumber::from_hex(&hex).unwrap()
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "{what:<33} {:>5} asked: p50 {:?}, p99 {:?}, max {:?}",
        times.len(),
        at(50),
        at(99),
        at(100)
    );
}

fn wait(ready: impl Fn() -> bool) {
    let begun = Instant::now();
    while !ready() {
        assert!(begun.elapsed().as_secs() < 60, "the server does not answer");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

struct Server(Child);

impl Server {
    fn start(dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_estelam"));
        command
            .arg("serve")
            .arg("--config")
            .arg(dir.join("estelam.toml"));
        Self(command.stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
