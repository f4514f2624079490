//! kill -9, at any moment and between any two system calls: what was acknowledged stays.
//!
//! The tests are the outside process that records each acknowledgement (a command's exit code 0).
//! After the restart OpenSSL asks about every change: one that was acknowledged has to be visible, one
//! that was under way may be, and nothing else may have happened. Then the server is killed again and
//! started without its key: what was revoked is answered `revoked` or `tryLater`, never `good`.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::common::judge::ask_with_openssl;
use crate::common::tools::{run, text};
use crate::common::{Answer, Hash, OpensslCa, Plan, Random, Server, Settings, Site, Status};

#[test]
fn killed_at_random_moments_of_revoking() {
    let ca = ca();
    for seed in 0..14 {
        Round::new(&ca, seed).revoke_until(Death::AfterAcknowledgement);
    }
}

#[test]
fn killed_between_system_calls_of_revoking() {
    let ca = ca();
    for (seed, (call, most)) in REVOKING.into_iter().enumerate() {
        let when = 1 + Random(seed as u64).below(most);
        Round::new(&ca, 100 + seed as u64).revoke_until(Death::At { call, when });
    }
}

#[test]
fn killed_between_system_calls_of_signing_everything_again() {
    let ca = ca();
    for (seed, (call, most)) in SIGNING.into_iter().enumerate() {
        let when = 1 + Random(seed as u64).below(most);
        let round = Round::new(&ca, 200 + seed as u64);
        // Signed by one delegate; another takes over, and has everything to sign.
        round.site.serve_settled().terminate().expect(0);
        round
            .site
            .configure(&Settings::with_signer("second.pem", "second.key"));
        round.revoke_until(Death::At { call, when });
    }
}

#[test]
fn killed_between_system_calls_of_an_import_through_the_server() {
    let ca = ca();
    for (seed, (call, most)) in IMPORTING.into_iter().enumerate() {
        let when = 1 + Random(seed as u64).below(most);
        let site = Site::new(&ca);
        let mut server = site.try_serve(strace(&site, call, when)).ok();
        let index = ca.path("index.txt");
        let said = site.run(&["import", "index", text(&index)]);
        if let Some(server) = server.take() {
            server.kill();
        }
        if said.code != 0 {
            // Whatever it had applied, the next run completes it.
            site.import_index().expect(0);
        }
        let server = site.serve();
        for certificate in ca.certificates() {
            server.answers(&certificate);
        }
    }
}

/// Where the server writes, syncs, names and acknowledges, and how often at most in these rounds. One
/// thread's calls are counted, and a number that is not reached means a kill at the end.
const REVOKING: [(&str, usize); 14] = [
    ("fdatasync", 3),
    ("fdatasync", 10),
    ("fdatasync", 20),
    ("write", 20),
    ("write", 60),
    ("pwrite64", 10),
    ("pwrite64", 30),
    ("sendto", 10),
    ("writev", 10),
    ("futex", 40),
    ("epoll_wait", 30),
    ("fsync", 6),
    ("rename", 6),
    ("mmap", 60),
];

const SIGNING: [(&str, usize); 14] = [
    ("pwrite64", 4),
    ("pwrite64", 20),
    ("fsync", 3),
    ("fsync", 6),
    ("rename", 3),
    ("rename", 6),
    ("renameat", 3),
    ("fchmod", 2),
    ("unlink", 4),
    ("unlinkat", 2),
    ("mmap", 50),
    ("munmap", 20),
    ("pread64", 20),
    ("openat", 80),
];

const IMPORTING: [(&str, usize); 8] = [
    ("fdatasync", 2),
    ("fdatasync", 4),
    ("write", 20),
    ("pwrite64", 6),
    ("pwrite64", 20),
    ("fsync", 4),
    ("rename", 4),
    ("mmap", 60),
];

/// How the server dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// At the moment of one of the acknowledgements, while another change is under way.
    AfterAcknowledgement,
    /// When a thread enters its `when`th `call`, which is not carried out.
    At { call: &'static str, when: usize },
}

fn strace(site: &Site, call: &str, when: usize) -> Command {
    let inject = format!("inject={call}:signal=KILL:when={when}");
    site.command_under_strace(&["-e", &format!("trace={call}"), "-e", &inject], &["serve"])
}

struct Round {
    site: Site,
    random: Random,
    changes: Mutex<Changes>,
}

/// What is known of each serial that was changed.
type Changes = BTreeMap<String, Known>;

#[derive(Debug)]
struct Known {
    /// The statuses it may have: the last acknowledged one, and what was tried since.
    possible: Vec<Status>,
}

impl Round {
    fn new(ca: &Arc<OpensslCa>, seed: u64) -> Self {
        let changes = Mutex::new(Changes::new());
        Self {
            site: Site::imported(ca),
            random: Random(seed),
            changes,
        }
    }

    fn revoke_until(mut self, death: Death) {
        let server = match death {
            Death::AfterAcknowledgement => Some(self.site.serve()),
            // It may die while it starts: then the commands work without it.
            Death::At { call, when } => self.site.try_serve(strace(&self.site, call, when)).ok(),
        };
        let mut good: Vec<String> = Vec::new();
        for certificate in self.site.ca.certificates() {
            if certificate.status == Status::Good && certificate.pem.is_none() {
                good.push(certificate.serial);
            }
        }
        let start = self.random.below(good.len() - 2 * CHANGES);
        let (mine, yours) = good[start..start + 2 * CHANGES].split_at(CHANGES);
        let fatal = 1 + self.random.below(2 * CHANGES);
        let seeds = [self.random.next(), self.random.next()];
        let acknowledged = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for (serials, seed) in [mine, yours].into_iter().zip(seeds) {
                let (this, server, acknowledged) = (&self, server.as_ref(), &acknowledged);
                scope.spawn(move || {
                    let mut random = Random(seed);
                    for serial in serials {
                        this.change(serial, &mut random, &|| {
                            let count = acknowledged.fetch_add(1, Ordering::Relaxed) + 1;
                            if count == fatal && matches!(death, Death::AfterAcknowledgement) {
                                server.expect("it runs").kill_now();
                            }
                        });
                    }
                });
            }
        });
        drop(server);
        self.check(death);
    }

    /// Revokes, holds, or holds and releases one certificate.
    fn change(&self, serial: &str, random: &mut Random, acknowledged: &dyn Fn()) {
        let hold = Status::Revoked {
            time: ANY_TIME.to_owned(),
            reason: Some(6),
        };
        match random.below(5) {
            0 => self.run(&["hold", serial], hold, acknowledged),
            1 => {
                self.run(&["hold", serial], hold, acknowledged);
                self.run(&["release", serial], Status::Good, acknowledged);
            }
            _ => {
                let (number, reason) = *random.pick(&[
                    (1, "keyCompromise"),
                    (4, "superseded"),
                    (3, "affiliationChanged"),
                ]);
                let (day, hour) = (1 + random.below(28), random.below(24));
                let time = format!("2026-02-{day:02}T{hour:02}:15:30Z");
                let status = Status::Revoked {
                    time: format!("202602{day:02}{hour:02}1530Z"),
                    reason: Some(number),
                };
                let arguments = [
                    "revoke",
                    serial,
                    "--reason",
                    reason,
                    "--revocation-time",
                    &time,
                ];
                self.run(&arguments, status, acknowledged);
            }
        }
    }

    fn run(&self, arguments: &[&str], status: Status, acknowledged: &dyn Fn()) {
        let serial = arguments[1].to_owned();
        let mut changes = self.changes.lock().unwrap();
        let known = changes.entry(serial.clone());
        let known = known.or_insert_with(|| Known {
            possible: vec![Status::Good],
        });
        known.possible.push(status.clone());
        drop(changes);
        let said = self.site.run(arguments);
        if said.code == 0 {
            acknowledged();
            self.changes
                .lock()
                .unwrap()
                .get_mut(&serial)
                .expect("it was inserted")
                .possible = vec![status];
        } else {
            assert!(!said.stderr.contains("panicked"), "{said}");
        }
    }

    fn check(self, death: Death) {
        let Self { site, changes, .. } = self;
        let changes = changes.into_inner().unwrap();
        let server = site.serve();
        let ca = &site.ca;
        let mut revoked = Vec::new();
        for (number, (serial, known)) in changes.iter().enumerate() {
            let hash = Hash::BOTH[number % 2];
            let told = ask_with_openssl(ca, &server.url(), hash, serial)
                .unwrap_or_else(|error| panic!("{death:?}: {serial}: {error}"));
            let told = forget_hold_time(told);
            assert!(
                known.possible.contains(&told),
                "{death:?}: {serial} is {told:?}: {known:?}"
            );
            if told != Status::Good {
                revoked.push(serial);
            }
        }
        server.answers(&ca.certificates()[0]);

        // Killed again, perhaps before what it had caught up with was signed.
        server.kill();
        let missing = text(&site.path("no.key")).to_owned();
        site.configure(&Settings::with_signer("ocsp.pem", &missing));
        let server = site.serve();
        for serial in &revoked {
            for hash in Hash::BOTH {
                never_good(&server, hash, serial);
            }
        }
        server.kill();

        // And with the key, nothing was forgotten.
        site.configure(&Settings::default());
        let server = site.serve();
        for serial in revoked {
            let answer = Answer::of(&server.ask(Hash::Sha1, serial));
            assert!(
                matches!(answer.single().status, Status::Revoked { .. }),
                "{death:?}: {serial}"
            );
        }
    }
}

#[track_caller]
fn never_good(server: &Server, hash: Hash, serial: &str) {
    match Answer::of(&server.ask(hash, serial)) {
        Answer::Error(status) => assert_eq!(status, 3, "{serial}: only tryLater"),
        answer => {
            let status = &answer.single().status;
            assert!(
                matches!(status, Status::Revoked { .. }),
                "{serial} is {status:?}"
            );
        }
    }
}

/// A hold's time is the server's; the test does not know it.
fn forget_hold_time(status: Status) -> Status {
    match status {
        Status::Revoked {
            reason: Some(6), ..
        } => Status::Revoked {
            time: ANY_TIME.to_owned(),
            reason: Some(6),
        },
        other => other,
    }
}

/// One CA for a test's rounds: they change the ledger, not the CA.
fn ca() -> Arc<OpensslCa> {
    let ca = OpensslCa::new(Plan {
        every_form: false,
        bulk: 300,
    });
    ca.new_delegate("second", "delegate", "-days 300");
    Arc::new(ca)
}

/// Changes by each of the two clients of a round.
const CHANGES: usize = 8;
const ANY_TIME: &str = "at some time";

#[test]
fn a_server_under_strace_is_the_process_that_is_killed() {
    let ca = ca();
    let site = Site::imported(&ca);
    let options = [
        "-e",
        "trace=fdatasync",
        "-e",
        "inject=fdatasync:signal=KILL:when=10000",
    ];
    let server = site.serve_by(site.command_under_strace(&options, &["serve"]));
    server.answers(&ca.certificates()[0]);
    assert_eq!(server.kill().code, 137);
    assert_eq!(
        run(&mut site.command(&["status", "01"])).code,
        0,
        "the ledger is free"
    );
}
