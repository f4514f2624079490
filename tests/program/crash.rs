//! kill -9, at any moment and between any two system calls: what was acknowledged stays.
//!
//! The tests are the outside process that records each acknowledgement (a command's exit code 0).
//! After the restart OpenSSL asks about every change: one that was acknowledged has to be visible, one
//! that was under way may be, and nothing else may have happened. Then the server is killed again and
//! started without its key: what was revoked is answered `revoked` or `tryLater`, never `good`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::common::judge::ask_with_openssl;
use crate::common::tools::text;
use crate::common::{
    Answer, Hash, OpensslCa, Plan, Random, SHARED, Server, Settings, Site, Status,
};

#[test]
fn killed_at_random_moments_of_revoking() {
    let ca = ca();
    for seed in 0..14 {
        assert!(Round::new(&ca, seed).revoke_until(Death::AfterAcknowledgement));
    }
}

#[test]
fn killed_between_system_calls_of_revoking() {
    let ca = ca();
    let mut random = Random(1);
    let rounds = REVOKING
        .into_iter()
        .enumerate()
        .map(|(seed, (call, most))| {
            let death = Death::At {
                call,
                when: 1 + random.below(most),
            };
            Round::new(&ca, 100 + seed as u64).revoke_until(death)
        });
    enough_were_killed(rounds.collect());
}

#[test]
fn killed_between_system_calls_of_signing_everything_again() {
    let ca = ca();
    let mut random = Random(2);
    let rounds = SIGNING.into_iter().enumerate().map(|(seed, (call, most))| {
        let round = Round::new(&ca, 200 + seed as u64);
        // Signed by one delegate; another takes over, and has everything to sign from the start on.
        round.site.serve_settled().terminate().expect(0);
        round
            .site
            .configure(&Settings::with_signer("second.pem", "second.key"));
        round.revoke_until(Death::FromTheStart {
            call,
            when: 1 + random.below(most),
        })
    });
    enough_were_killed(rounds.collect());
}

#[test]
fn killed_between_system_calls_of_an_import_through_the_server() {
    let ca = ca();
    let mut random = Random(3);
    let rounds = IMPORTING.into_iter().map(|(call, most)| {
        let when = 1 + random.below(most);
        let site = Site::new(&ca);
        let mut server = site.serve();
        let tracer = server.inject(call, &format!("signal=KILL:when={when}"), None);
        let index = ca.path("index.txt");
        let said = site.run(&["import", "index", text(&index)]);
        let killed = said.code != 0 || server.has_ended();
        if said.code == 0 {
            server.kill();
        } else {
            let ended = server.wait();
            assert_eq!(ended.code, 137, "{call} {when}: {said}, {ended}");
            // Whatever it had applied, the next run completes it.
            site.import_index().expect(0);
        }
        drop(tracer);
        let server = site.serve();
        for certificate in ca.certificates() {
            server.answers(&certificate);
        }
        killed
    });
    enough_were_killed(rounds.collect());
}

/// The riskiest moment: a new signer has everything to sign, and changes arrive all the while.
#[test]
fn what_is_revoked_while_everything_is_signed_again_stays_revoked() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    site.serve_settled().terminate().expect(0);
    site.configure(&Settings::with_signer("ca.pem", "ca.key"));
    let server = site.serve();
    let mut revoked = Vec::new();
    let certificates = ca.certificates();
    for certificate in certificates
        .iter()
        .filter(|it| it.status == Status::Good)
        .step_by(40)
    {
        site.run(&["revoke", &certificate.serial, "--reason", "superseded"])
            .expect(0);
        revoked.push(&certificate.serial);
        for serial in &revoked {
            let answer = Answer::of(&server.ask(Hash::Sha1, serial));
            assert!(
                matches!(answer.single().status, Status::Revoked { .. }),
                "{serial}"
            );
        }
    }
    site.settle();
    server.wait_for("shard signed");
    for certificate in &certificates {
        let answer = Answer::of(&server.ask(Hash::Sha256, &certificate.serial));
        let status = &answer.single().status;
        let now = revoked.contains(&&certificate.serial);
        assert!(
            now && *status != Status::Good || *status == certificate.status,
            "{certificate:?}"
        );
    }
    server.kill();
    let missing = text(&site.path("no.key")).to_owned();
    site.configure(&Settings::with_signer("ca.pem", &missing));
    let server = site.serve();
    for serial in revoked {
        for hash in Hash::BOTH {
            never_good(&server, hash, serial);
        }
    }
}

/// All certificates are revoked by one act: after the restart all of them are, or, where it was not
/// acknowledged, perhaps none.
#[test]
fn killed_around_the_revocation_of_a_whole_issuer() {
    let ca = ca();
    let mut random = Random(4);
    let mut rounds = Vec::new();
    for (call, most) in [("", 0)].into_iter().chain(REVOKING) {
        let site = Site::imported(&ca);
        let mut server = site.serve_settled();
        let when = 1 + random.below(most.max(1));
        let tracer =
            (most > 0).then(|| server.inject(call, &format!("signal=KILL:when={when}"), None));
        let said = site.run(&[
            "revoke",
            "--issuer",
            "ca",
            "--all",
            "--reason",
            "keyCompromise",
            "--yes",
        ]);
        rounds.push(server.has_ended());
        server.kill_now();
        server.wait().expect(137);
        drop(tracer);

        let missing = text(&site.path("no.key")).to_owned();
        site.configure(&Settings::with_signer("ocsp.pem", &missing));
        let certificates = ca.certificates();
        let mut server = site.serve();
        let good = certificates.iter().find(|it| it.status == Status::Good);
        let first = site.run(&["status", &good.expect("one").serial, "--json"]);
        let recorded = first.expect(0).json()["revoked_with_issuer"].is_u64();
        assert!(
            recorded || said.code != 0,
            "{call} {when}: it was acknowledged"
        );
        for settings in [None, Some(Settings::default())] {
            if let Some(settings) = settings {
                server.kill();
                site.configure(&settings);
                server = site.serve();
            }
            for certificate in certificates.iter().filter(|_| recorded).step_by(7) {
                for hash in Hash::BOTH {
                    never_good(&server, hash, &certificate.serial);
                }
            }
        }
        for certificate in certificates.iter().step_by(7) {
            let told = Answer::of(&server.ask(Hash::Sha256, &certificate.serial));
            match (&told.single().status, &certificate.status) {
                (
                    Status::Revoked {
                        reason: Some(1), ..
                    },
                    Status::Good,
                ) => assert!(recorded),
                (
                    Status::Revoked {
                        reason: Some(1), ..
                    },
                    Status::Revoked {
                        reason: Some(6), ..
                    },
                ) => {
                    assert!(recorded);
                }
                (told, own) => assert!(told == own && (!recorded || *own != Status::Good)),
            }
        }
    }
    let killed = rounds.iter().filter(|killed| **killed).count();
    assert!(
        killed >= 3,
        "only {killed} were killed by a call: {rounds:?}"
    );
}

/// The rest were killed when their work was done.
#[track_caller]
fn enough_were_killed(rounds: Vec<bool>) {
    let killed = rounds.iter().filter(|killed| **killed).count();
    assert!(
        3 * killed >= rounds.len(),
        "only {killed} of {} rounds: {rounds:?}",
        rounds.len()
    );
}

/// Where the server writes, syncs, names, wakes and acknowledges, and up to which call of a thread it is
/// killed.
const REVOKING: [(&str, usize); 14] = [
    ("fdatasync", 2),
    ("fdatasync", 8),
    ("fdatasync", 16),
    ("write", 4),
    ("write", 16),
    ("pwrite64", 4),
    ("pwrite64", 12),
    ("writev", 2),
    ("writev", 4),
    ("recvfrom", 6),
    ("futex", 8),
    ("futex", 24),
    ("epoll_wait", 8),
    ("accept4", 8),
];

const SIGNING: [(&str, usize); 12] = [
    ("pwrite64", 3),
    ("pwrite64", 8),
    ("fsync", 3),
    ("fsync", 6),
    ("rename", 3),
    ("rename", 5),
    ("fchmod", 1),
    ("unlink", 3),
    ("mmap", 50),
    ("munmap", 20),
    ("pread64", 10),
    ("openat", 80),
];

const IMPORTING: [(&str, usize); 10] = [
    ("fdatasync", 1),
    ("fdatasync", 2),
    ("write", 1),
    ("write", 2),
    ("pwrite64", 1),
    ("pwrite64", 2),
    ("writev", 1),
    ("recvfrom", 2),
    ("futex", 4),
    ("rename", 1),
];

/// How the server dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// At the moment of one of the acknowledgements, while another change is under way.
    AfterAcknowledgement,
    /// When a thread enters its `when`th `call`, counted since the server is ready.
    At { call: &'static str, when: usize },
    /// The same, counted since the process began.
    FromTheStart { call: &'static str, when: usize },
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

    fn revoke_until(mut self, death: Death) -> bool {
        let mut server = match death {
            // It may die while it starts: then the commands work without it.
            Death::FromTheStart { call, when } => {
                let trace = format!("trace={call}");
                let inject = format!("inject={call}:signal=KILL:when={when}");
                let options = ["-e", &trace, "-e", &inject];
                self.site
                    .try_serve(self.site.command_under_strace(&options, &["serve"]))
                    .ok()
            }
            _ => Some(self.site.serve()),
        };
        let tracer = match (&server, death) {
            (Some(server), Death::At { call, when }) => {
                Some(server.inject(call, &format!("signal=KILL:when={when}"), None))
            }
            _ => None,
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
        let killed = match (&mut server, death) {
            (None, _) => true,
            (Some(server), Death::AfterAcknowledgement) => {
                // Killed for certain, perhaps this very moment.
                server.wait().expect(137);
                true
            }
            (Some(server), _) => server.has_ended(),
        };
        drop(server);
        drop(tracer);
        self.check(death);
        killed
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
        site.run(&["audit", "verify"]).expect(0);
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
