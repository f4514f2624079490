//! Keys in a process of their own: what it signs is verified by others, and whatever happens to it, what
//! is signed is served on and signing comes back by itself.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::judge::{Case, judge_with_openssl};
use crate::common::tools::{run, text, tool};
use crate::common::{
    Answer, Certificate, Hash, KeyType, OpensslCa, Plan, Server, Settings, Site, Status, request_of,
};
use crate::token::hsm::{SHIM, SOFTHSM, SoftHsm};

fn ca(key_type: KeyType) -> Arc<OpensslCa> {
    Arc::new(OpensslCa::of(
        key_type,
        Plan {
            every_form: false,
            bulk: 200,
        },
    ))
}

/// The delegate's key lives apart; with lines before the first table.
fn settings(top: &str) -> Settings {
    Settings {
        top: top.to_owned(),
        signer_lines: "signer_process = true".to_owned(),
        ..Settings::default()
    }
}

fn site(ca: &Arc<OpensslCa>, top: &str) -> Site {
    let site = Site::with(ca, &settings(top));
    site.import_index().expect(0);
    site
}

/// What `stats` says of the signing process.
fn process(site: &Site) -> Value {
    let stats = site.run(&["stats", "--json"]).expect(0).json();
    stats["authority"]["signer_process"].clone()
}

fn pid(site: &Site) -> rustix::process::Pid {
    let pid = until(|| process(site)["pid"].as_i64());
    rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

fn send(pid: rustix::process::Pid, signal: rustix::process::Signal) {
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Waits for something to come, a minute at most.
#[track_caller]
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it does not come");
        park_timeout(Duration::from_millis(20));
    }
}

/// Whether a process is gone; one that nobody has waited for yet is.
fn is_gone(pid: rustix::process::Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_ok_and(|stat| {
        let state = stat.rsplit_once(')').map(|(_, fields)| fields.trim_start());
        state.is_some_and(|state| state.starts_with('Z'))
    }) || !fs::exists(format!("/proc/{}", pid.as_raw_nonzero())).unwrap()
}

/// What a question gets that only a fresh signature answers: no answers are presigned with SHA-384.
fn ask_live(server: &Server, certificate: &Certificate) -> Answer {
    Answer::of(&server.ask(Hash::Sha384, &certificate.serial))
}

fn signs_again(server: &Server, certificate: &Certificate) {
    until(|| match ask_live(server, certificate) {
        Answer::TRY_LATER => None,
        answer => Some(answer.single().status == certificate.status),
    });
}

/// OpenSSL verifies presigned and fresh answers.
fn judged(ca: &Arc<OpensslCa>, server: &Server, certificates: &[Certificate]) {
    for (certificate, hash) in certificates.iter().zip(Hash::ALL.into_iter().cycle()) {
        let case = Case {
            certificate: certificate.clone(),
            hash,
            request: request_of(ca, hash, &[&certificate.serial]),
            response: server.ask(hash, &certificate.serial),
        };
        judge_with_openssl(ca, &case);
    }
}

/// Asks for presigned answers without pause while `meanwhile` runs; each must be there and right.
fn while_presigned_answers_flow<T>(
    server: &Server,
    certificates: &[Certificate],
    meanwhile: impl FnOnce() -> T,
) -> T {
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut connection = server.connect();
            for certificate in certificates.iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let ca = Hash::BOTH[count.fetch_add(1, Ordering::Relaxed) % 2];
                let request = request_of(server_ca(server), ca, &[&certificate.serial]);
                let reply = connection.post("/ocsp", &request);
                let answer = Answer::of(&reply.body);
                assert_eq!(answer.single().status, certificate.status);
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(meanwhile));
        until(|| (count.load(Ordering::Relaxed) > 50 || load.is_finished()).then_some(()));
        stop.store(true, Ordering::Relaxed);
        load.join().unwrap();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn server_ca(server: &Server) -> &OpensslCa {
    server.ca().expect("a CA to ask about")
}

#[test]
fn a_killed_process_is_started_again_and_what_is_signed_is_served_meanwhile() {
    let ca = ca(KeyType::EcP256);
    let site = site(&ca, "");
    let server = site.serve_settled();
    let certificates = ca.certificates();
    judged(&ca, &server, &certificates[..9]);
    let told = process(&site);
    assert_eq!(
        (&told["state"], &told["starts"]),
        (&"running".into(), &1.into())
    );
    // Both CertIDs of every certificate, and the live ones.
    until(|| (process(&site)["signed"].as_u64()? >= 200).then_some(()));
    let stats = site.run(&["stats"]).expect(0);
    stats.says(&["signing process", "1 of 1 keys ready"]);

    let first = pid(&site);
    while_presigned_answers_flow(&server, &certificates, || {
        send(first, rustix::process::Signal::KILL);
        until(|| (process(&site)["starts"].as_u64()? >= 2).then_some(()));
        signs_again(&server, &certificates[1]);
    });
    assert!(is_gone(first));
    server.wait_for("killed by signal 9");

    // Without its key it signs nothing; nobody notices who asks for what is signed.
    let (key, aside) = (ca.path("ocsp.key"), ca.path("aside"));
    fs::rename(&key, &aside).unwrap();
    while_presigned_answers_flow(&server, &certificates[..50], || {
        send(pid(&site), rustix::process::Signal::KILL);
        until(|| (ask_live(&server, &certificates[1]) == Answer::TRY_LATER).then_some(()));
        // A change is durable and visible all the same.
        let (_, others) = certificates.split_at(50);
        let good = others.iter().rev().find(|one| one.status == Status::Good);
        let last = good.expect("a certificate that is not revoked");
        site.run(&["revoke", &last.serial, "--reason", "keyCompromise"])
            .expect(0);
        for hash in Hash::BOTH {
            let answer = Answer::of(&server.ask(hash, &last.serial));
            assert_eq!(
                answer,
                Answer::TRY_LATER,
                "it is not signed, and not good any more"
            );
        }
        until(|| {
            let told = process(&site);
            let problem = told["keys"][0]["problem"].as_str()?;
            problem.contains("ocsp.key").then_some(())
        });
        let stats = site.run(&["stats"]).expect(0);
        stats.says(&["PROBLEM", "ocsp.key"]);
        fs::rename(&aside, &key).unwrap();
        signs_again(&server, &certificates[1]);
        site.settle();
        let answer = Answer::of(&server.ask(Hash::Sha1, &last.serial));
        assert!(matches!(answer.single().status, Status::Revoked { .. }));
    });
    judged(&ca, &server, &certificates[..3]);
    let last = pid(&site);
    server.terminate().expect(0);
    assert!(is_gone(last));
}

#[test]
fn a_process_that_hangs_is_killed_and_another_one_started() {
    let ca = ca(KeyType::EcP256);
    let site = site(&ca, "signer_process = { deadline = \"1s\" }");
    let server = site.serve_settled();
    let certificates = ca.certificates();
    let first = pid(&site);
    while_presigned_answers_flow(&server, &certificates, || {
        send(first, rustix::process::Signal::STOP);
        // Either the signature, or its wait, comes to an end.
        let answer = ask_live(&server, &certificates[2]);
        assert!(
            answer == Answer::TRY_LATER || answer.single().status == certificates[2].status,
            "{answer:?}"
        );
        until(|| is_gone(first).then_some(()));
        signs_again(&server, &certificates[2]);
    });
    let told = process(&site);
    assert!(told["hangs"].as_u64().unwrap() >= 1, "{told}");
    server.wait_for("no answer within 1000 ms");
    judged(&ca, &server, &certificates[..3]);
}

#[test]
fn the_process_ends_with_its_server_however_that_ends() {
    let ca = ca(KeyType::EcP256);
    let site = site(&ca, "");
    for stops in [false, true] {
        let server = site.serve();
        let child = pid(&site);
        if stops {
            // What hangs does not see that its socket ends.
            send(child, rustix::process::Signal::STOP);
        }
        server.kill().expect(128 + 9);
        until(|| is_gone(child).then_some(()));
    }
    let server = site.serve();
    let child = pid(&site);
    server.interrupt().expect(0);
    assert!(is_gone(child));
}

#[test]
fn nobody_can_look_into_its_memory() {
    let ca = ca(KeyType::EcP256);
    let site = site(&ca, "");
    let server = site.serve();
    let child = pid(&site).as_raw_nonzero();
    let name = fs::read_to_string(format!("/proc/{child}/comm")).unwrap();
    assert_eq!(name.trim(), "estelam-signer");
    server.terminate().expect(0);

    // As a user who would own these files of every process of his that may be looked into (proc(5)).
    site.configure(&settings("signer_process = { socket = \"signer.sock\" }"));
    let folder = site.path("estelam.toml");
    let open = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open(folder.parent().unwrap(), 0o777);
    open(ca.path("ca.pem").parent().unwrap(), 0o755);
    open(&ca.path("ocsp.key"), 0o644);
    let mut command = tool("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    command.arg(env!("CARGO_BIN_EXE_estelam"));
    command.args(["signer", "--config", text(&site.path("estelam.toml"))]);
    let apart = Apart::start_by(command, &site);
    let owner = |file: &str| {
        let path = format!("/proc/{}/{file}", apart.0.id());
        std::os::unix::fs::MetadataExt::uid(&fs::metadata(path).unwrap())
    };
    assert_eq!(owner("mem"), 0);
    assert_eq!(owner("environ"), 0);
}

/// A signing process of its own, as a service manager runs it. It is killed when dropped.
struct Apart(Child);

impl Apart {
    fn start(site: &Site) -> Self {
        Self::start_by(site.command(&["signer"]), site)
    }

    fn start_by(mut command: std::process::Command, site: &Site) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let started = Self(child.unwrap());
        until(|| UnixStream::connect(site.path("signer.sock")).ok());
        started
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        drop(self.0.wait());
    }
}

#[test]
fn a_process_of_somebody_else_is_connected_to_and_lets_no_stranger_in() {
    let ca = ca(KeyType::EcP256);
    let socket = "signer_process = { socket = \"signer.sock\" }";
    let site = site(&ca, socket);
    let certificates = ca.certificates();
    // The server starts without it, answers what it can, and finds it by itself.
    let server = site.serve();
    assert_eq!(ask_live(&server, &certificates[0]), Answer::TRY_LATER);
    let mut apart = Apart::start(&site);
    signs_again(&server, &certificates[0]);
    site.settle();
    judged(&ca, &server, &certificates[..3]);
    assert_eq!(process(&site)["pid"], Value::Null);

    let path = site.path("signer.sock");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // A second one leaves the first one's socket alone.
    site.run(&["signer"]).expect(10).says(&["signer.sock"]);

    // Garbage, half a frame, and a frame that is too long: each connection ends, the process does not.
    for octets in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        &[0; 4096],
        &[0xff; 4096],
        &[0, 0, 0, 0, 5, 0, 0],
    ] {
        let mut stream = UnixStream::connect(&path).unwrap();
        // It may hang up before all was said.
        let _cut = stream.write_all(octets);
        let _cut = stream.shutdown(std::net::Shutdown::Write);
        let mut said = Vec::new();
        let _reset = stream.read_to_end(&mut said);
        assert_eq!(said, b"");
    }
    // Another user, who got past the file's mode.
    let folder = path.parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let as_nobody = |path: &std::path::Path| {
        run(tool("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .args(["/usr/bin/python3", "-c", STRANGER, text(path)]))
    };
    as_nobody(&path).expect(1).says(&["Permission denied"]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    as_nobody(&path)
        .expect(0)
        .says(&["the other end runs as user 65534"]);
    assert_ne!(ask_live(&server, &certificates[0]), Answer::TRY_LATER);

    // Killed, and started again by somebody.
    apart.0.kill().unwrap();
    apart.0.wait().unwrap();
    until(|| (ask_live(&server, &certificates[0]) == Answer::TRY_LATER).then_some(()));
    site.run(&["stats"])
        .expect(0)
        .says(&["PROBLEM", "signing process"]);
    drop(apart);
    let apart = Apart::start(&site);
    signs_again(&server, &certificates[0]);
    server.terminate().expect(0);
    drop(apart);
}

/// Connects, says hello, and prints what it is told.
const STRANGER: &str = "
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
try:
    s.sendall(bytes.fromhex('0000000c0100000000000000000000ff') + b'estelsig' + bytes([0, 1, 0, 0]))
except BrokenPipeError:
    pass
said = b''
while True:
    try:
        octets = s.recv(4096)
    except ConnectionResetError:
        break
    if not octets:
        break
    said += octets
print(said.decode(errors='replace'))
assert b'keys' not in said and len(said) > 0
";

#[test]
fn a_long_crl_under_ed25519_is_signed_as_a_sealed_file() {
    let ca = ca(KeyType::Ed25519);
    let mut settings = settings("");
    settings.signer_lines = format!(
        "signer_process = true\n[issuer.crl]\nurl = \"http://crl.invalid/ca.crl\"\nkey = {:?}\n\
         signer_process = true\n",
        ca.path("ca.key")
    );
    let site = Site::with(&ca, &settings);
    site.import_index().expect(0);
    // Far more than goes into a request: the list has about 200 KiB.
    let mut rows = String::from("serial,status,revocation_time\n");
    for number in 0..5_000_u32 {
        rows.push_str(&format!(
            "4A00000000{number:08X},revoked,2026-01-01T00:00:00Z\n"
        ));
    }
    let file = site.path("more.csv");
    fs::write(&file, rows).unwrap();
    site.run(&["import", "csv", text(&file)]).expect(0);
    let server = site.serve_settled();
    let told = until(|| {
        let told = process(&site);
        let keys = told["keys"].as_array()?;
        (keys.len() == 2 && keys.iter().all(|key| key["problem"].is_null())).then_some(told)
    });
    let before = told["signed"].as_u64().unwrap();
    let made = site
        .run(&["crl", "publish", "--now", "--json"])
        .expect(0)
        .json();
    let crl = made["crls"][0]["file"].as_str().expect("a file").to_owned();
    assert!(fs::metadata(&crl).unwrap().len() > 100_000);
    until(|| (process(&site)["signed"].as_u64()? > before).then_some(()));
    let mut verify = tool("openssl");
    verify.args(["crl", "-inform", "DER", "-in", &crl, "-noout", "-CAfile"]);
    run(verify.arg(ca.path("ca.pem")))
        .expect(0)
        .says(&["verify OK"]);
    judged(&ca, &server, &ca.certificates()[..3]);

    // Without the process no CRL is made, and the one before stays; with it the next one comes.
    let number = |site: &Site| {
        let stats = site.run(&["stats", "--json"]).expect(0).json();
        stats["authority"]["issuers"][0]["crls"][0]["number"]
            .as_u64()
            .unwrap()
    };
    let first = number(&site);
    let (key, aside) = (ca.path("ca.key"), ca.path("aside"));
    fs::rename(&key, &aside).unwrap();
    send(pid(&site), rustix::process::Signal::KILL);
    until(|| {
        let refused = site.run(&["crl", "publish", "--now"]);
        (refused.code == 4).then_some(())
    });
    assert_eq!(number(&site), first);
    fs::rename(&aside, &key).unwrap();
    until(|| (site.run(&["crl", "publish", "--now"]).code == 0).then_some(()));
    assert!(number(&site) > first);
}

#[test]
fn a_module_that_crashes_hangs_or_signs_wrongly_takes_nothing_with_it() {
    let hsm = SoftHsm::new();
    let ca = ca(KeyType::EcP256);
    let key = hsm.delegate(&ca, "on-token", "ec-p256");
    let lines = "deadline = \"500ms\"\nsessions = 2\n[signer_process]\ndeadline = \"2s\"\n";
    let module = SHIM.module();
    let site = hsm.site_with_module(&ca, "on-token", &key, text(&module), lines);
    site.import_index().expect(0);
    let control = hsm.path("control");
    let order = |orders: &str| {
        let beside = hsm.path("control.new");
        fs::write(&beside, format!("{orders}\n")).unwrap();
        fs::rename(&beside, &control).unwrap();
    };
    order("");
    let mut command = site.command(&["serve"]);
    hsm.among(&mut command)
        .env("SHIM_MODULE", SOFTHSM)
        .env("SHIM_CONTROL", &control)
        .env("SHIM_LOG", hsm.path("calls"));
    let server = site.serve_by(command);
    site.settle();
    let certificates = ca.certificates();
    judged(&ca, &server, &certificates[..9]);
    let told = process(&site);
    assert!(
        told["keys"][0]["name"]
            .as_str()
            .unwrap()
            .starts_with("pkcs11:"),
        "{told}"
    );

    let tried_later = |order_name: &str| {
        until(|| (ask_live(&server, &certificates[1]) == Answer::TRY_LATER).then_some(()));
        let starts = process(&site)["starts"].as_u64();
        assert!(starts.is_some(), "{order_name}");
    };
    while_presigned_answers_flow(&server, &certificates, || {
        order("C_Sign abort -1");
        tried_later("abort");
        server.wait_for("killed by signal 6");
        order("");
        signs_again(&server, &certificates[1]);
        order("C_Sign hang -1");
        tried_later("hang");
        order("# it is over");
        signs_again(&server, &certificates[1]);
        order("C_Sign wrong -1");
        tried_later("wrong");
        order("# that too");
        signs_again(&server, &certificates[1]);
    });
    judged(&ca, &server, &certificates[..9]);
    let last = pid(&site);
    server.terminate().expect(0);
    assert!(is_gone(last));
}

#[test]
fn what_is_configured_wrongly_is_told() {
    let ca = ca(KeyType::EcP256);
    let site = Site::new(&ca);
    site.run(&["signer"])
        .expect(3)
        .says(&["signer_process = true"]);
    site.configure(&settings(""));
    site.run(&["signer"]).expect(3).says(&["socket"]);
    site.run(&["signer", "--connected"])
        .expect(2)
        .says(&["how the server starts"]);
    site.configure(&settings("signer_process = { deadline = \"10ms\" }"));
    site.run(&["check"]).expect(3).says(&["deadline"]);
    site.configure(&settings("signer_process = { sockets = \"a\" }"));
    site.run(&["check"]).expect(3).says(&["socket"]);

    // A wrong key stops the start, as in the server itself.
    fs::write(ca.path("garbage.key"), "no key").unwrap();
    for (key, words) in [
        ("garbage.key", "garbage.key"),
        ("ca.key", "does not belong"),
    ] {
        site.configure(&Settings {
            signer: Some(("ocsp.pem".to_owned(), key.to_owned())),
            ..settings("")
        });
        site.start_fails(site.command(&["serve"]))
            .expect(4)
            .says(&[words]);
    }
}
