//! A module that fails on command, under a server that signs with it in its own process.
//!
//! Each case is a revocation while something is wrong. What is answered meanwhile is never wrong and never
//! the old answer; and once the fault is over, the revocation is signed without a restart.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::hsm::{SHIM, SOFTHSM, SoftHsm};
use crate::common::judge::{Case, judge_with_openssl};
use crate::common::{Answer, Certificate, Hash, OpensslCa, Plan, Server, Site, Status, request_of};

struct Bench {
    hsm: SoftHsm,
    ca: Arc<OpensslCa>,
    site: Site,
    server: Server,
    control: PathBuf,
    next: AtomicUsize,
    /// What has not been revoked yet.
    good: Vec<Certificate>,
}

impl Bench {
    fn new(lines: &str) -> Self {
        let hsm = SoftHsm::new();
        let plan = Plan {
            every_form: false,
            bulk: 400,
        };
        let ca = Arc::new(OpensslCa::new(plan));
        let key = hsm.delegate(&ca, "on-token", "ec-p256");
        let module = SHIM.module();
        let lines = format!("in_process = true\ndeadline = \"500ms\"\nsessions = 2\n{lines}");
        let module = module.to_str().unwrap();
        let site = hsm.site_with_module(&ca, "on-token", &key, module, &lines);
        site.import_index().expect(0);
        let control = hsm.path("control");
        fs::write(&control, "").unwrap();
        let mut command = site.command(&["serve"]);
        hsm.among(&mut command);
        command.env("SHIM_MODULE", SOFTHSM);
        command.env("SHIM_CONTROL", &control);
        let server = site.serve_by(command);
        site.settle();
        let good = ca.certificates().into_iter();
        let good = good.filter(|one| one.status == Status::Good).collect();
        Self {
            hsm,
            ca,
            site,
            server,
            control,
            next: AtomicUsize::new(0),
            good,
        }
    }

    /// From now on this goes wrong; nothing does where `orders` is empty.
    fn order(&self, orders: &str) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let beside = self.hsm.path("control.new");
        fs::write(&beside, format!("{orders}\n# {number}\n")).unwrap();
        fs::rename(&beside, &self.control).unwrap();
    }

    /// Revokes a certificate; gives its serial number.
    fn revoke(&self) -> Certificate {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let one = self
            .good
            .get(number / 2)
            .expect("certificates enough")
            .clone();
        self.site
            .run(&["revoke", &one.serial, "--reason", "superseded"])
            .expect(0);
        one
    }

    /// Asks until the revocation is answered; whatever comes before is no answer about its status.
    fn wait_for_revoked(&self, one: &Certificate, case: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let response = self.server.ask(Hash::Sha1, &one.serial);
            match Answer::of(&response) {
                Answer::Basic { .. } => {
                    let status = Answer::of(&response).single().status.clone();
                    assert!(
                        matches!(status, Status::Revoked { .. }),
                        "{case}: {status:?}"
                    );
                    self.judge(one, response, status);
                    return;
                }
                other => assert_eq!(other, Answer::TRY_LATER, "{case}"),
            }
            assert!(Instant::now() < until, "{case}: it stays without an answer");
        }
    }

    fn judge(&self, one: &Certificate, response: Vec<u8>, status: Status) {
        let certificate = Certificate {
            status,
            ..one.clone()
        };
        let request = request_of(&self.ca, Hash::Sha1, &[&one.serial]);
        judge_with_openssl(
            &self.ca,
            &Case {
                certificate,
                hash: Hash::Sha1,
                request,
                response,
            },
        );
    }
}

/// Every function that signing and reconnecting need, with return values of every kind: once, which nobody
/// notices; ten times; and for ever, until it is taken back.
#[test]
fn faults_pass_without_a_restart_and_without_a_wrong_answer() {
    let bench = Bench::new("");
    // What brings a session down, so that the functions of a new one are called.
    let reconnect = "C_SignInit 0xb3 2\n";
    // What has the module initialised anew, so that the user is logged in again.
    let reinitialise = "C_SignInit 0x190 2\n";
    // The module says "logged in already" and is not; it is tried again.
    bench.order(&format!("{reinitialise}C_Login 0x100 1"));
    let one = bench.revoke();
    bench.wait_for_revoked(&one, "C_Login 0x100");
    // CKR_DEVICE_ERROR, _SESSION_HANDLE_INVALID, _TOKEN_NOT_PRESENT, _CRYPTOKI_NOT_INITIALIZED,
    // _USER_NOT_LOGGED_IN, _KEY_HANDLE_INVALID, _GENERAL_ERROR, _HOST_MEMORY, and one of a vendor's.
    let codes = [
        "0x30",
        "0xb3",
        "0xe0",
        "0x190",
        "0x101",
        "0x60",
        "0x5",
        "0x2",
        "0x80000382",
    ];
    let functions = [
        ("C_Sign", ""),
        ("C_SignInit", ""),
        ("C_OpenSession", reconnect),
        ("C_GetSlotList", reconnect),
        ("C_GetTokenInfo", reconnect),
        ("C_GetSessionInfo", reconnect),
        ("C_FindObjectsInit", reconnect),
        ("C_FindObjects", reconnect),
        ("C_GetAttributeValue", reconnect),
        ("C_CloseSession", reconnect),
        ("C_Login", reinitialise),
        ("C_Initialize", reinitialise),
        ("C_Finalize", reinitialise),
    ];
    for (at, (function, before)) in functions.into_iter().enumerate() {
        for (place, code) in codes.into_iter().enumerate() {
            let case = format!("{function} {code}");
            bench.order(&format!("{before}{function} {code} 1"));
            let one = bench.revoke();
            bench.wait_for_revoked(&one, &format!("{case} once"));
            // The others cost some pauses each; every function and every code has its turn.
            if at % codes.len() != place {
                continue;
            }
            bench.order(&format!("{before}{function} {code} 10"));
            let one = bench.revoke();
            bench.wait_for_revoked(&one, &format!("{case} ten times"));

            bench.order(&format!("{before}{function} {code} -1"));
            let one = bench.revoke();
            let meanwhile = Answer::of(&bench.server.ask(Hash::Sha1, &one.serial));
            if let Answer::Basic { .. } = meanwhile {
                // A fault of closing a session stops nobody.
                assert!(
                    matches!(meanwhile.single().status, Status::Revoked { .. }),
                    "{case}"
                );
            }
            bench.order("");
            bench.wait_for_revoked(&one, &format!("{case} until it ended"));
        }
    }
    bench.server.terminate().expect(0);
}

/// Signatures that are wrong, too short, or never come.
#[test]
fn what_is_no_signature_is_not_handed_out() {
    let bench = Bench::new("");
    for action in ["wrong", "short"] {
        for count in ["1", "3", "-1"] {
            let case = format!("{action} {count}");
            bench.order(&format!("C_Sign {action} {count}"));
            let one = bench.revoke();
            if count == "-1" {
                for _ in 0..20 {
                    let answer = Answer::of(&bench.server.ask(Hash::Sha1, &one.serial));
                    assert_eq!(answer, Answer::TRY_LATER, "{case}");
                }
                bench.order("");
            }
            bench.wait_for_revoked(&one, &case);
        }
    }
    bench.server.terminate().expect(0);
}

/// A call that hangs is given up, and another session does its work.
#[test]
fn calls_that_hang_are_given_up() {
    let bench = Bench::new("");
    for function in ["C_Sign", "C_SignInit", "C_GetSessionInfo"] {
        bench.order(&format!("C_SignInit 0xb3 2\n{function} hang 1"));
        let one = bench.revoke();
        bench.wait_for_revoked(&one, &format!("{function} hangs once"));
        bench.order(&format!("{function} hang -1"));
        let one = bench.revoke();
        bench.server.wait_for("did not return within 500ms");
        bench.order("");
        bench.wait_for_revoked(&one, &format!("{function} hung for a while"));
    }
    bench.order("");
    bench.server.terminate().expect(0);
}

/// The token is taken out and put in again; what changed meanwhile is not answered as it was.
#[test]
fn a_token_that_was_taken_out_is_taken_back() {
    let bench = Bench::new("");
    fs::rename(bench.hsm.path("tokens"), bench.hsm.path("away")).unwrap();
    fs::create_dir(bench.hsm.path("tokens")).unwrap();
    bench.order("C_SignInit 0xe0 2");
    let one = bench.revoke();
    bench.server.wait_for("no token with label \"hsm\"");
    assert_eq!(
        Answer::of(&bench.server.ask(Hash::Sha1, &one.serial)),
        Answer::TRY_LATER
    );
    fs::remove_dir(bench.hsm.path("tokens")).unwrap();
    fs::rename(bench.hsm.path("away"), bench.hsm.path("tokens")).unwrap();
    bench.wait_for_revoked(&one, "the token is back");
    bench.server.terminate().expect(0);
}

/// Longer than any pause of ours on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);
