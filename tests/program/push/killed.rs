//! kill -9 and failing disks while several clients push: nothing acknowledged is lost, and nothing is
//! there twice.
//!
//! The test keeps every acknowledgement. After each round the server is started again, every batch of the
//! round is sent again under its key, and then there has to be: for each acknowledged batch the same answer
//! to the octet; for every entry the result `applied`, since serials are never used twice, so that an entry
//! applied a second time would be `unchanged`; one leaf of the ledger's log for each entry; and OpenSSL has
//! to see every revocation.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};

use super::api::small_ca;
use crate::common::push::{PushPki, Pusher, TOKEN, push_url};
use crate::common::tools::{python, run, text, tool};
use crate::common::{OpensslCa, Random, Server, Site};

#[test]
fn killed_at_random_moments() {
    let mut rounds = Rounds::new(1);
    for _ in 0..110 {
        let acknowledged = rounds.random.below(CLIENTS * BATCHES + 1);
        rounds.round(|server, driver, random| {
            let seen = driver.until(acknowledged);
            // Now, or while the next one is under way.
            for _ in 0..random.below(20_000) {
                std::hint::spin_loop();
            }
            server.kill_now();
            seen
        });
    }
    rounds.end();
}

#[test]
fn killed_between_system_calls() {
    let mut rounds = Rounds::new(2);
    for (call, most) in CALLS.into_iter().cycle().take(50) {
        rounds.round_traced(|_, server, random| {
            let when = 1 + random.below(most);
            server.inject(call, &format!("signal=KILL:when={when}"), None)
        });
    }
    rounds.end();
}

#[test]
fn a_full_or_failing_disk_acknowledges_nothing_that_is_lost() {
    let mut rounds = Rounds::new(3);
    for (call, error) in FAULTS.into_iter().cycle().take(40) {
        rounds.round_traced(|site, server, random| {
            let when = 1 + random.below(6);
            let more = random.below(3);
            let what = format!("error={error}:when={when}..{}", when + more);
            // Only the ledger's own files: a disk does not fail the runtime's pipes.
            let file = match call {
                "write" => Some(log_of(site)),
                "pwrite64" => Some(site.path("state/ledger/acknowledged")),
                _ => None,
            };
            server.inject(call, &what, file.as_deref())
        });
    }
    assert!(
        rounds.failed > 10,
        "only {} batches met a fault",
        rounds.failed
    );
    rounds.end();
}

/// RocksDB's write-ahead log: the newest.
fn log_of(site: &Site) -> PathBuf {
    let files = std::fs::read_dir(site.path("state/ledger")).expect("the ledger");
    let logs = files.filter_map(|file| {
        let path = file.expect("a file").path();
        path.extension()
            .is_some_and(|end| end == "log")
            .then_some(path)
    });
    logs.max().expect("a log")
}

/// Where the server writes, syncs, wakes and acknowledges.
const CALLS: [(&str, usize); 10] = [
    ("fdatasync", 2),
    ("fdatasync", 8),
    ("write", 4),
    ("write", 12),
    ("pwrite64", 2),
    ("pwrite64", 8),
    ("sendto", 4),
    ("writev", 4),
    ("futex", 30),
    ("recvfrom", 10),
];

const FAULTS: [(&str, &str); 6] = [
    ("fdatasync", "EIO"),
    ("write", "ENOSPC"),
    ("fdatasync", "ENOSPC"),
    ("pwrite64", "EIO"),
    ("write", "EIO"),
    ("pwrite64", "ENOSPC"),
];

const CLIENTS: usize = 3;
const BATCHES: usize = 4;

/// One ledger through all rounds.
struct Rounds {
    ca: Arc<OpensslCa>,
    pki: Arc<PushPki>,
    site: Site,
    driver: Driver,
    random: Random,
    /// Serials used so far.
    serials: u64,
    /// Entries that are in the ledger for certain.
    entries: u64,
    keys: u64,
    /// Batches that were not acknowledged in their round.
    failed: usize,
    server: Option<Server>,
}

/// A batch: what is sent, and which serials it revokes.
#[derive(Clone, Debug)]
struct Batch {
    key: String,
    body: String,
    entries: u64,
    revoked: Vec<String>,
}

impl Rounds {
    fn new(seed: u64) -> Self {
        let (ca, pki) = (small_ca(), PushPki::get());
        let site = pki.site(&ca);
        let driver = Driver::new(&pki);
        let server = Some(site.serve());
        Self {
            ca,
            pki,
            site,
            driver,
            random: Random(seed),
            serials: 0,
            // The issuer's own.
            entries: 1,
            keys: 0,
            failed: 0,
            server,
        }
    }

    /// Pushes while `kill` kills the server; it gives what was acknowledged before.
    fn round(&mut self, kill: impl FnOnce(&Server, &mut Driver, &mut Random) -> Acknowledged) {
        let batches = self.batches();
        let mut server = self.server.take().expect("it runs between rounds");
        self.driver.begin(&push_url(&server), &batches);
        let mut acknowledged = kill(&server, &mut self.driver, &mut self.random);
        acknowledged.extend(self.driver.rest());
        server.wait().expect(137);
        self.check(&batches, &acknowledged);
    }

    /// Pushes while something is done to the server's system calls; it is killed afterwards if that did
    /// not kill it.
    fn round_traced(
        &mut self,
        trace: impl FnOnce(&Site, &Server, &mut Random) -> crate::common::site::Tracer,
    ) {
        let batches = self.batches();
        let mut server = self.server.take().expect("it runs between rounds");
        let tracer = trace(&self.site, &server, &mut self.random);
        self.driver.begin(&push_url(&server), &batches);
        let acknowledged = self.driver.rest();
        drop(tracer);
        server.kill_now();
        server.wait().expect(137);
        self.check(&batches, &acknowledged);
    }

    /// For each client a few batches of new certificates, some of which are revoked in it.
    fn batches(&mut self) -> Vec<Vec<Batch>> {
        (0..CLIENTS)
            .map(|_| (0..BATCHES).map(|_| self.batch()).collect())
            .collect()
    }

    fn batch(&mut self) -> Batch {
        self.keys += 1;
        let mut batch = Batch {
            key: format!("key-{}", self.keys),
            body: String::new(),
            entries: 0,
            revoked: Vec::new(),
        };
        for _ in 0..1 + self.random.below(3) {
            self.serials += 1;
            let serial = format!("{:010X}", 0x10_0000_0000 + self.serials);
            batch.body.push_str(&format!(
                "{{\"serial\":\"{serial}\",\"status\":\"issued\"}}\n"
            ));
            batch.entries += 1;
            if self.random.below(2) == 0 {
                batch.body.push_str(&format!(
                    "{{\"serial\":\"{serial}\",\"status\":\"revoked\",\"reason\":\"superseded\"}}\n"
                ));
                batch.entries += 1;
                batch.revoked.push(serial);
            }
        }
        batch
    }

    /// Starts the server again and demands that all is there, once.
    fn check(&mut self, batches: &[Vec<Batch>], acknowledged: &Acknowledged) {
        let server = self.site.serve();
        let url = push_url(&server);
        let all: Vec<Batch> = batches.iter().flatten().cloned().collect();
        self.failed += all.len() - acknowledged.len();
        self.driver.begin(&url, std::slice::from_ref(&all));
        let again = self.driver.rest();
        for batch in &all {
            let Some(answer) = again.get(&batch.key) else {
                panic!(
                    "{} was not taken after the restart: {:?}",
                    batch.key,
                    server.log()
                )
            };
            if let Some(first) = acknowledged.get(&batch.key) {
                assert_eq!(first, answer, "{} has another answer now", batch.key);
            }
            let answer: Value = serde_json::from_str(answer).expect("JSON");
            assert_eq!(answer["applied"], batch.entries, "{}: {answer}", batch.key);
            self.entries += batch.entries;
        }
        let pusher = Pusher::new(&self.pki, &server);
        let checkpoint = pusher.get("/v1/checkpoint").body;
        let size = checkpoint.lines().nth(1).expect("a size");
        assert_eq!(
            size,
            self.entries.to_string(),
            "entries are missing or there twice"
        );
        let revoked: Vec<&String> = all.iter().flat_map(|batch| &batch.revoked).collect();
        for some in revoked.chunks(8) {
            are_revoked(&self.ca, &server, some);
        }
        self.server = Some(server);
    }

    fn end(mut self) {
        let server = self.server.take().expect("it runs between rounds");
        let certificates = self.serials;
        let stats = self.site.run(&["stats", "--json"]).expect(0).json();
        assert_eq!(
            stats["authority"]["issuers"][0]["certificates"],
            certificates
        );
        server.terminate().expect(0);
        self.site.run(&["audit", "verify"]).expect(0);
    }
}

/// OpenSSL asks about several at once.
#[track_caller]
fn are_revoked(ca: &OpensslCa, server: &Server, serials: &[&String]) {
    let issuer = ca.path("ca.pem");
    let mut command = tool("openssl");
    command.args([
        "ocsp",
        "-no_nonce",
        "-url",
        &server.url(),
        "-issuer",
        text(&issuer),
    ]);
    for serial in serials {
        command.args(["-serial", &format!("0x{serial}")]);
    }
    command.args(["-CAfile", text(&issuer), "-no-CApath", "-no-CAstore"]);
    let said = run(&mut command).expect(0).says(&["Response verify OK"]);
    for serial in serials {
        let revoked = format!("0x{serial}: revoked");
        assert!(said.stdout.contains(&revoked), "{revoked}: {said}");
    }
}

/// Answers by their keys.
type Acknowledged = BTreeMap<String, String>;

/// The Python that pushes.
struct Driver {
    child: Child,
    orders: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
    is_done: bool,
}

impl Driver {
    fn new(pki: &PushPki) -> Self {
        let mut command = python();
        command.args([
            "-c",
            include_str!("client.py"),
            text(&pki.path("tls.pem")),
            TOKEN,
        ]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("Python runs");
        Self {
            orders: child.stdin.take(),
            lines: BufReader::new(child.stdout.take().expect("it is piped")),
            child,
            is_done: true,
        }
    }

    fn begin(&mut self, url: &str, clients: &[Vec<Batch>]) {
        assert!(self.is_done, "one order at a time");
        let clients: Vec<Vec<Value>> = clients
            .iter()
            .map(|batches| {
                let push = |batch: &Batch| json!({"key": batch.key, "body": batch.body});
                batches.iter().map(push).collect()
            })
            .collect();
        let order = json!({"address": url.trim_start_matches("https://"), "clients": clients});
        let orders = self.orders.as_mut().expect("it runs");
        writeln!(orders, "{order}").expect("Python reads");
        self.is_done = false;
    }

    /// What is acknowledged up to so many acknowledgements, or the end.
    fn until(&mut self, count: usize) -> Acknowledged {
        let mut acknowledged = Acknowledged::new();
        while acknowledged.len() < count && !self.is_done {
            self.next(&mut acknowledged);
        }
        acknowledged
    }

    /// What else is acknowledged.
    fn rest(&mut self) -> Acknowledged {
        self.until(usize::MAX)
    }

    fn next(&mut self, acknowledged: &mut Acknowledged) {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("Python writes");
        let told: Value = serde_json::from_str(&line).expect("Python tells JSON");
        if told["done"] == true {
            self.is_done = true;
        } else if let Some(answer) = told["answer"].as_str() {
            let key = told["key"].as_str().expect("a key");
            acknowledged.insert(key.to_owned(), answer.to_owned());
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.orders.take());
        drop(self.child.wait());
    }
}
