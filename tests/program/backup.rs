//! Backups while changes go on, and going on from one after the ledger was lost: OpenSSL asks afterwards,
//! and no revocation that it was shown before is taken back.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::common::judge::ask_with_openssl;
use crate::common::tools::{run, text};
use crate::common::{Certificate, Hash, Mounts, OpensslCa, Plan, Random, Server, Site, Status};

/// Revoked, backed up, revoked more, lost, restored: as it happens to tired people.
#[test]
fn what_clients_were_shown_is_revoked_again_before_the_first_signature() {
    let site = site(300);
    let good = good(&site);
    let server = site.serve_settled();
    revoke(&site, &good[0], "superseded");
    hold(&site, &good[1]);
    hold(&site, &good[2]);
    let backup = site.path("backup");
    let made = site
        .run(&["backup", text(&backup), "--json"])
        .expect(0)
        .json();
    assert_eq!(made["with_key"], false);
    let sequence = made["last_sequence"].as_u64().unwrap();

    // After the backup: seen by clients from the overlay, which is on no disk.
    for certificate in &good[3..6] {
        revoke(&site, certificate, "keyCompromise");
        shown_revoked(&site, &server, certificate);
    }
    site.run(&["release", &good[2].serial]).expect(0);
    site.run(&[
        "revoke",
        &good[1].serial,
        "--reason",
        "cessationOfOperation",
    ])
    .expect(0);
    server.terminate().expect(0);
    let server = site.serve();
    let before: Vec<_> = good[..6]
        .iter()
        .map(|it| shown(&site, &server, it))
        .collect();
    server.kill();
    fs::remove_dir_all(site.path("state/ledger")).unwrap();

    // Nobody may begin an empty one in its place.
    let refused = site.start_fails(site.command(&["serve"])).expect(8);
    refused.says(&["estelam restore"]);
    site.run(&["status", &good[0].serial]).expect(8);
    // Without a terminal and a word nothing is done.
    let asked = site.run(&["restore", text(&backup)]).expect(2);
    assert!(asked.stdout.contains("Nothing has been changed"), "{asked}");
    assert_eq!(names(&site.path("state"), "ledger"), BTreeSet::new());

    let told = site
        .run(&["restore", text(&backup), "--yes", "--json"])
        .expect(0)
        .json();
    assert_eq!(told["in_force"], true);
    assert_eq!(told["last_sequence"], sequence);
    let lacking = &told["lacking"];
    let entered = serials(&lacking["revocations"]);
    let expected: BTreeSet<String> = [1, 3, 4, 5].map(|at| good[at].serial.clone()).into();
    assert_eq!(entered, expected, "{told:#}");
    let first = told["first_sequence"].as_u64().unwrap();
    assert!(first > 1_000_000_000 && first > told["highest_found"].as_u64().unwrap());

    let server = site.serve();
    for (certificate, before) in good[..6].iter().zip(before) {
        // What had been released after the backup is on hold again: nothing becomes milder.
        if certificate.serial == good[2].serial {
            shown_revoked(&site, &server, certificate);
            continue;
        }
        assert_eq!(
            shown(&site, &server, certificate),
            before,
            "{}",
            certificate.serial
        );
    }
    for certificate in site.ca.certificates().iter().skip(6).take(40) {
        if good[..6]
            .iter()
            .all(|known| known.serial != certificate.serial)
        {
            server.answers(certificate);
        }
    }
    // Numbers go on above, and the log says what it continues.
    let status = site
        .run(&["revoke", &good[7].serial, "--json"])
        .expect(0)
        .json();
    let next = status["status"]["sequence"].as_u64().unwrap();
    assert!(next > first, "{status:#}");
    server.terminate().expect(0);
    let server = site.serve_settled();
    for certificate in &good[..8] {
        if certificate.serial != good[6].serial {
            shown_revoked(&site, &server, certificate);
        }
    }
}

/// The ledger that is set aside tells more than answers do: nothing of it is lost.
#[test]
fn a_ledger_that_can_be_read_brings_everything_back() {
    let site = site(40);
    let good = good(&site);
    let backup = site.path("backup");
    site.run(&["backup", text(&backup)]).expect(0);
    for certificate in &good[..3] {
        revoke(&site, certificate, "superseded");
    }
    let more = site.path("more.txt");
    fs::write(&more, "V\t360101000000Z\t\tF00001\tunknown\t/CN=more\n").unwrap();
    site.run(&["import", "index", text(&more)]).expect(0);
    let told = site
        .run(&["restore", text(&backup), "--yes", "--json"])
        .expect(0)
        .json();
    assert_eq!(told["set_aside_read"], true);
    assert_eq!(told["lacking"]["issued"], 1);
    let expected: BTreeSet<String> = good[..3].iter().map(|it| it.serial.clone()).collect();
    assert_eq!(serials(&told["lacking"]["revocations"]), expected);
    let aside = PathBuf::from(told["set_aside"].as_str().unwrap());
    assert!(aside.join("CURRENT").exists());
    // notAfter came with it.
    let issued = site.run(&["status", "F00001", "--json"]).expect(0).json();
    assert_eq!(
        (&issued["status"], &issued["not_after"]),
        (&"good".into(), &"2036-01-01T00:00:00Z".into())
    );
    // Once more from the same backup: nothing is lost by being careful.
    let again = site
        .run(&["restore", text(&backup), "--yes", "--json"])
        .expect(0)
        .json();
    assert_eq!(serials(&again["lacking"]["revocations"]), expected);
    assert_eq!(again["epoch"], 2);
    assert!(again["first_sequence"].as_u64() > told["first_sequence"].as_u64());
    let server = site.serve_settled();
    for certificate in &good[..3] {
        shown_revoked(&site, &server, certificate);
    }
}

#[test]
fn a_backup_that_is_not_whole_is_refused() {
    let site = site(30);
    let backup = site.path("backup");
    site.run(&["backup", text(&backup)]).expect(0);
    site.run(&["backup", text(&backup)])
        .expect(2)
        .says(&["not empty"]);
    site.run(&["backup", text(&site.path("no/such"))])
        .expect(2)
        .says(&["folder"]);
    site.run(&["backup", text(&site.path("x")), "--with-key"])
        .expect(4)
        .says(&["key"]);
    site.run(&["backup", "verify", text(&backup)]).expect(0);
    let refuse = |words: &[&str]| {
        site.run(&["backup", "verify", text(&backup)])
            .expect(5)
            .says(words);
        site.run(&["restore", text(&backup), "--yes"])
            .expect(5)
            .says(words);
        assert_eq!(
            names(&site.path("state"), "ledger"),
            BTreeSet::from(["ledger".to_owned()])
        );
    };
    let ledger = backup.join("ledger");
    for name in names(&ledger, "") {
        let path = ledger.join(&name);
        let whole = fs::read(&path).unwrap();
        if whole.is_empty() {
            continue;
        }
        fs::remove_file(&path).unwrap();
        refuse(&[&name, "missing"]);
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        refuse(&[&name, "octets instead of"]);
        let mut other = whole.clone();
        *other.last_mut().unwrap() ^= 1;
        fs::write(&path, other).unwrap();
        refuse(&[&name, "other octets"]);
        fs::write(&path, whole).unwrap();
    }
    let manifest = backup.join("backup.manifest");
    let whole = fs::read(&manifest).unwrap();
    fs::write(&manifest, &whole[..whole.len() - 2]).unwrap();
    refuse(&["backup.manifest", "damaged"]);
    fs::remove_file(&manifest).unwrap();
    refuse(&["backup.manifest", "never finished"]);
    fs::write(&manifest, whole).unwrap();
    site.run(&["backup", "verify", text(&backup)]).expect(0);
    fs::write(ledger.join("more"), "").unwrap();
    site.run(&["backup", "verify", text(&backup)])
        .expect(5)
        .says(&["more", "does not belong"]);
}

#[test]
fn the_ledgers_key_goes_with_a_backup_on_demand_alone() {
    let site = site(20);
    site.serve().terminate().expect(0);
    let key = site.path("state/keys/ledger.key");
    let secret = fs::read(&key).unwrap();
    let (without, with) = (site.path("without"), site.path("with"));
    site.run(&["backup", text(&without)]).expect(0);
    assert_eq!(names(&without, "keys"), BTreeSet::new());
    site.run(&["backup", text(&with), "--with-key"]).expect(0);
    site.run(&["backup", "verify", text(&with)]).expect(0);
    // Whoever has a key keeps it, and whoever has none gets the backup's.
    let restore = |backup: &Path| {
        let words = ["restore", text(backup), "--yes", "--json"];
        site.run(&words).expect(0).json()["key_installed"].clone()
    };
    assert_eq!(restore(&with), false);
    fs::remove_dir_all(site.path("state/keys")).unwrap();
    assert_eq!(restore(&without), false);
    assert_eq!(restore(&with), true);
    assert_eq!(fs::read(&key).unwrap(), secret);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o400);
    site.serve().terminate().expect(0);
    site.run(&["audit", "verify"]).expect(0);
}

#[test]
fn a_running_server_is_not_restored_under() {
    let site = site(20);
    let backup = site.path("backup");
    let server = site.serve_settled();
    site.run(&["backup", text(&backup)]).expect(0);
    site.run(&["restore", text(&backup), "--yes"])
        .expect(10)
        .says(&["stop it first"]);
    // Its socket is gone, and it still has the ledger.
    fs::remove_file(site.path("state/admin.sock")).unwrap();
    site.run(&["restore", text(&backup), "--yes"])
        .expect(10)
        .says(&["in use"]);
    server.kill();
    site.run(&["restore", text(&backup), "--yes"]).expect(0);
}

/// Changes are acknowledged while a backup is made, and those before it began are in it.
#[test]
fn changes_go_on_while_a_backup_is_made() {
    let site = Arc::new(site(200));
    let good = good(&site);
    let server = site.serve_settled();
    let done = Arc::new(AtomicBool::new(false));
    let (before, during) = good.split_at(20);
    for certificate in before {
        revoke(&site, certificate, "superseded");
    }
    let writer = {
        let (site, done, during) = (Arc::clone(&site), Arc::clone(&done), during.to_vec());
        std::thread::spawn(move || {
            let mut revoked = 0;
            for certificate in &during {
                revoke(&site, certificate, "superseded");
                revoked += 1;
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
            revoked
        })
    };
    let mut last = 0;
    for round in 0..4 {
        let backup = site.path(&format!("backup{round}"));
        let made = site
            .run(&["backup", text(&backup), "--json"])
            .expect(0)
            .json();
        assert!(made["last_sequence"].as_u64().unwrap() >= last);
        last = made["last_sequence"].as_u64().unwrap();
        let verified = site
            .run(&["backup", "verify", text(&backup), "--json"])
            .expect(0)
            .json();
        assert_eq!(verified["tree_root"], made["tree_root"]);
        assert!(verified["issuers"][0]["revoked"].as_u64().unwrap() >= 20);
    }
    done.store(true, Ordering::Relaxed);
    assert!(writer.join().unwrap() > 0);
    drop(server);
}

#[test]
fn killed_while_a_backup_is_made_there_is_none() {
    let site = site(60);
    let mut random = Random(11);
    let mut killed = 0;
    for (round, (call, most)) in [
        ("fsync", 12),
        ("fsync", 30),
        ("fdatasync", 6),
        ("link", 8),
        ("write", 40),
        ("rename", 3),
        ("mkdir", 4),
        ("openat", 120),
        ("getdents64", 6),
    ]
    .into_iter()
    .enumerate()
    {
        let backup = site.path(&format!("backup{round}"));
        let when = 1 + random.below(most);
        let inject = format!("inject={call}:signal=KILL:when={when}");
        let trace = format!("trace={call}");
        let words = ["backup", text(&backup)];
        let said = run(&mut site.command_under_strace(&["-e", &trace, "-e", &inject], &words));
        killed += usize::from(said.code != 0);
        let verified = site.run(&["backup", "verify", text(&backup)]);
        match backup.exists() {
            true => drop(verified.expect(0)),
            false => {
                verified.expect(5).says(&["no whole backup"]);
                // What was begun is in nobody's way.
                site.run(&words).expect(0);
                site.run(&["backup", "verify", text(&backup)]).expect(0);
            }
        }
    }
    assert!(killed >= 4, "{killed}");
    assert_eq!(names(&site.path("."), ".backup"), BTreeSet::new());
}

/// Killed between any two steps: the old ledger or the restored one, and the next command says which.
#[test]
fn killed_while_restoring_the_next_command_finishes_or_withdraws() {
    let ca = small_ca(40);
    let mut random = Random(12);
    let (mut killed, mut finished, mut withdrawn) = (0, 0, 0);
    for (round, (call, most)) in [
        ("rename", 3),
        ("rename", 4),
        ("rename", 5),
        ("rename", 5),
        ("rename", 6),
        ("rename", 6),
        ("rename", 7),
        ("fsync", 10),
        ("fsync", 40),
        ("fsync", 60),
        ("fdatasync", 3),
        ("fdatasync", 12),
        ("write", 60),
        ("mkdir", 2),
        ("unlinkat", 3),
        ("flock", 3),
    ]
    .into_iter()
    .enumerate()
    {
        let site = Site::imported(&ca);
        let good = good(&site);
        let lost = round % 2 == 1;
        let backup = site.path("backup");
        site.run(&["backup", text(&backup)]).expect(0);
        let server = site.serve_settled();
        for certificate in &good[..3] {
            revoke(&site, certificate, "keyCompromise");
            shown_revoked(&site, &server, certificate);
        }
        server.kill();
        if lost {
            fs::remove_dir_all(site.path("state/ledger")).unwrap();
        }
        let when = match round < 7 {
            true => most,
            false => 1 + random.below(most),
        };
        let inject = format!("inject={call}:signal=KILL:when={when}");
        let trace = format!("trace={call}");
        let words = ["restore", text(&backup), "--yes"];
        let said = run(&mut site.command_under_strace(&["-e", &trace, "-e", &inject], &words));
        killed += usize::from(said.code != 0);
        // Whatever comes next never begins an empty ledger, and is told what happened.
        let next = site.run(&["status", &good[0].serial, "--json"]);
        let context = format!("{call} {when}, lost: {lost}: {said}; {next}");
        finished += usize::from(next.stderr.contains("interrupted in its last step"));
        withdrawn += usize::from(next.stderr.contains("before it took effect"));
        if next.code != 0 {
            assert!(lost, "{context}");
            assert!(next.stderr.contains("estelam restore"), "{context}");
            site.run(&words).expect(0);
        } else {
            assert_eq!(next.json()["status"], "revoked", "{context}");
        }
        let left = names(&site.path("state"), "ledger.restoring");
        assert_eq!(left, BTreeSet::new(), "{context}");
        let server = site.serve();
        for certificate in &good[..3] {
            shown_revoked(&site, &server, certificate);
        }
        for certificate in &good[3..6] {
            server.answers(certificate);
        }
    }
    assert!(
        killed >= 8 && finished >= 1 && withdrawn >= 1,
        "{killed} {finished} {withdrawn}"
    );
}

#[test]
fn a_full_disk_stops_backup_and_restore_and_harms_nothing() {
    let site = site(60);
    let small = site.path("small");
    fs::create_dir(&small).unwrap();
    let mounts = Mounts::new(&format!(
        "mount -t tmpfs -o size=64k tmpfs {}",
        text(&small)
    ));
    let estelam = |words: &[&str]| run(&mut site.command_among(&mounts, words));
    estelam(&["backup", text(&small.join("backup"))])
        .expect(11)
        .says(&["space"]);
    mounts
        .run(&format!("test -z \"$(ls -A {})\"", text(&small)))
        .expect(0);

    let backup = site.path("backup");
    site.run(&["backup", text(&backup)]).expect(0);
    let state = site.path("state");
    let kept = site.path("kept");
    fs::rename(&state, &kept).unwrap();
    fs::create_dir(&state).unwrap();
    let mounts = Mounts::new(&format!(
        "mount -t tmpfs -o size=2m tmpfs {state} && cp -a {kept}/. {state} && \
         dd if=/dev/zero of={state}/filler bs=4k 2>/dev/null; true",
        state = text(&state),
        kept = text(&kept),
    ));
    let estelam = |words: &[&str]| run(&mut site.command_among(&mounts, words));
    let said = estelam(&["restore", text(&backup), "--yes"]);
    said.expect(11).says(&["space"]);
    mounts.run(&format!("rm {}/filler", text(&state))).expect(0);
    let status = estelam(&["status", &good(&site)[0].serial, "--json"]).expect(0);
    assert_eq!(status.json()["status"], "good");
}

/// Every number that was ever told belongs to one entry.
#[test]
fn no_number_is_given_twice() {
    let site = site(60);
    let good = good(&site);
    let mut told = BTreeSet::new();
    let mut number = |value: &Value| {
        let sequence = value["sequence"].as_u64().unwrap();
        assert!(told.insert(sequence), "{sequence} was given twice");
    };
    let backup = site.path("backup");
    site.run(&["backup", text(&backup)]).expect(0);
    for (round, some) in good.chunks(4).take(5).enumerate() {
        let server = site.serve_settled();
        for certificate in some {
            number(&revoke(&site, certificate, "superseded")["status"]);
        }
        server.kill();
        match round % 2 {
            0 => fs::remove_dir_all(site.path("state/ledger")).unwrap(),
            _ => fs::write(site.path("state/ledger/CURRENT"), "torn").unwrap(),
        }
        let report = site
            .run(&["restore", text(&backup), "--yes", "--json"])
            .expect(0)
            .json();
        for entered in report["lacking"]["revocations"].as_array().unwrap() {
            number(entered);
        }
        // All rounds so far.
        let revoked = 4 * (round + 1);
        assert_eq!(serials(&report["lacking"]["revocations"]).len(), revoked);
    }
    let server = site.serve();
    for certificate in &good[..20] {
        shown_revoked(&site, &server, certificate);
    }
}

fn site(bulk: usize) -> Site {
    Site::imported(&small_ca(bulk))
}

fn small_ca(bulk: usize) -> Arc<OpensslCa> {
    Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk,
    }))
}

fn good(site: &Site) -> Vec<Certificate> {
    let mut good = site.ca.certificates();
    good.retain(|certificate| certificate.status == Status::Good);
    good
}

#[track_caller]
fn revoke(site: &Site, certificate: &Certificate, reason: &str) -> Value {
    let words = ["revoke", &certificate.serial, "--reason", reason, "--json"];
    site.run(&words).expect(0).json()
}

#[track_caller]
fn hold(site: &Site, certificate: &Certificate) {
    site.run(&["hold", &certificate.serial]).expect(0);
}

/// What OpenSSL is told.
#[track_caller]
fn shown(site: &Site, server: &Server, certificate: &Certificate) -> Status {
    let serial = &certificate.serial;
    ask_with_openssl(&site.ca, &server.url(), Hash::Sha256, serial)
        .unwrap_or_else(|said| panic!("{serial}: {said}"))
}

#[track_caller]
fn shown_revoked(site: &Site, server: &Server, certificate: &Certificate) {
    let status = shown(site, server, certificate);
    assert!(
        matches!(status, Status::Revoked { .. }),
        "{}: {status:?}",
        certificate.serial
    );
}

fn serials(entered: &Value) -> BTreeSet<String> {
    let entered = entered.as_array().expect("a list").iter();
    entered
        .map(|it| it["serial"].as_str().expect("a serial").to_owned())
        .collect()
}

/// The names in a folder that begin with these letters.
fn names(folder: &Path, start: &str) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return BTreeSet::new();
    };
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(start))
        .collect()
}
