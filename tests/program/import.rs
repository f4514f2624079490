//! `estelam import index`: the whole file or nothing, and as often as one likes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::tools::{Finished, read_text, run, text};
use crate::common::{OpensslCa, Plan, Random, SHARED, Site, Status};

fn import(site: &Site, lines: &str, options: &[&str]) -> Finished {
    let file = site.path("given.txt");
    std::fs::write(&file, lines).unwrap();
    site.run(&[&["import", "index", text(&file)][..], options].concat())
}

fn status(site: &Site, serial: &str) -> String {
    let told = site.run(&["status", serial, "--json"]).expect(0).json();
    told["status"].as_str().expect("a status").to_owned()
}

#[test]
fn one_bad_line_and_nothing_is_applied() {
    let site = Site::new(&SHARED.get());
    let lines = "V\t361119031722Z\t\tA1\tunknown\t/CN=a\n\
                 V\t361119031722Z\t\tA2\tunknown\n\
                 R\t361119031722Z\t260105120000Z,stolen\tA3\tunknown\t/CN=c\n\
                 V\t361319031722Z\t\tA4\tunknown\t/CN=d\n\
                 R\t361119031722Z\t260105120000Z,superseded\tA5\tunknown\t/CN=e\n";
    for server in [None, Some(site.serve())] {
        let said = import(&site, lines, &[]).expect(5);
        let said = said.says(&[
            "given.txt",
            "line 2",
            "line 3",
            "stolen",
            "line 4",
            "--skip-bad",
        ]);
        assert!(!said.to_string().contains("line 5"), "{said}");
        for serial in ["A1", "A2", "A3", "A4", "A5"] {
            assert_eq!(status(&site, serial), "not_issued");
        }
        drop(server);
    }
    let report = import(&site, lines, &["--skip-bad", "--json"])
        .expect(6)
        .json();
    assert_eq!(
        (&report["applied"], &report["skipped"]),
        (&2.into(), &3.into()),
        "{report}"
    );
    assert_eq!(report["errors"][1]["line"], 3);
    for (serial, due) in [
        ("A1", "good"),
        ("A2", "not_issued"),
        ("A3", "not_issued"),
        ("A5", "revoked"),
    ] {
        assert_eq!(status(&site, serial), due);
    }
}

#[test]
fn what_was_revoked_does_not_become_valid_again() {
    let site = Site::new(&SHARED.get());
    let revoked = "R\t361119031722Z\t260105120000Z,superseded\tB1\tunknown\t/CN=a\n\
                   R\t361119031722Z\t260105120000Z,certificateHold\tB2\tunknown\t/CN=b\n";
    import(&site, revoked, &[]).expect(0);
    let older = "V\t361119031722Z\t\tB0\tunknown\t/CN=new\n\
                 V\t361119031722Z\t\tB1\tunknown\t/CN=a\n\
                 V\t361119031722Z\t\tB2\tunknown\t/CN=b\n";
    for server in [None, Some(site.serve())] {
        import(&site, older, &[])
            .expect(5)
            .says(&["line 2", "B1", "superseded", "line 3", "B2"]);
        assert_eq!(status(&site, "B0"), "not_issued");
        import(&site, older, &["--skip-bad"])
            .expect(6)
            .says(&["B1"]);
        for serial in ["B1", "B2"] {
            assert_eq!(status(&site, serial), "revoked");
        }
        assert_eq!(status(&site, "B0"), "good");
        if let Some(server) = &server {
            assert!(
                server.log().iter().all(|line| !line.contains("panic")),
                "{:?}",
                server.log()
            );
        }
        // Undone for the second round.
        let fresh = older.replace("B0", "BF");
        import(&site, &fresh, &["--skip-bad"]).expect(6);
        drop(server);
        if status(&site, "BF") == "good" {
            break;
        }
    }
    // The end of a hold is said, not inferred; afterwards a V says nothing new.
    site.run(&["release", "B2"]).expect(0);
    import(&site, "V\t361119031722Z\t\tB2\tunknown\t/CN=b\n", &[]).expect(0);
    assert_eq!(status(&site, "B2"), "good");
}

#[test]
fn lines_that_contradict_each_other_are_both_named() {
    let site = Site::new(&SHARED.get());
    let lines = "V\t361119031722Z\t\tC1\tunknown\t/CN=a\n\
                 R\t361119031722Z\t260105120000Z\tC1\tunknown\t/CN=a\n";
    import(&site, lines, &[])
        .expect(5)
        .says(&["line 1", "line 2", "C1"]);
    let ahead = "R\t361119031722Z\t491231235959Z\tC2\tunknown\t/CN=a\n";
    import(&site, ahead, &[])
        .expect(5)
        .says(&["line 1", "C2", "2049"]);
    let other_kinds = [
        &b"\x7fELF\0\0\0\xff\xfe"[..],
        b"-----BEGIN CERTIFICATE-----\nMIIB\n",
        b"\n\n\n",
    ];
    for octets in other_kinds {
        let file = site.path("other");
        std::fs::write(&file, octets).unwrap();
        site.run(&["import", "index", text(&file)])
            .expect(5)
            .says(&["line 1"]);
    }
    for nothing in ["", "# made by hand\n"] {
        import(&site, nothing, &[])
            .expect(5)
            .says(&["given.txt", "there is no certificate in it"]);
    }
    site.run(&["import", "index", "/nonexistent/index.txt"])
        .expect(2)
        .says(&["/nonexistent"]);
    for serial in ["C1", "C2"] {
        assert_eq!(status(&site, serial), "not_issued");
    }
}

#[test]
fn the_same_file_again_changes_nothing() {
    let ca = SHARED.get();
    let site = Site::new(&ca);
    site.import_index().expect(0);
    let sequence = |serial: &str| {
        let told = site.run(&["status", serial, "--json"]).expect(0).json();
        told["sequence"].as_u64().expect("a sequence")
    };
    let certificates = ca.certificates();
    let before: Vec<u64> = certificates
        .iter()
        .step_by(500)
        .map(|it| sequence(&it.serial))
        .collect();
    for server in [None, Some(site.serve())] {
        let index = ca.path("index.txt");
        let report = site
            .run(&["import", "index", text(&index), "--json"])
            .expect(0)
            .json();
        assert_eq!(
            (&report["applied"], &report["result"]),
            (&0.into(), &"complete".into())
        );
        assert_eq!(report["unchanged"], certificates.len());
        drop(server);
    }
    let after: Vec<u64> = certificates
        .iter()
        .step_by(500)
        .map(|it| sequence(&it.serial))
        .collect();
    assert_eq!(before, after);
}

/// Killed anywhere, a second run completes it and a third changes nothing.
#[test]
fn an_import_killed_half_way_is_completed_by_the_next() {
    let ca = Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 9_000,
    }));
    let certificates = ca.certificates();
    let index = ca.path("index.txt");
    let mut random = Random(4);
    let mut partial = 0;
    // The ledger notes with pwrite64 what it has acknowledged: at the first the issuer is known, at the
    // second and third a part of the lines is. The others hit any place.
    let mut deaths = vec![
        ("pwrite64", 1),
        ("pwrite64", 2),
        ("pwrite64", 3),
        ("rename", 2),
    ];
    for (call, most) in [
        ("fdatasync", 25),
        ("write", 40),
        ("fsync", 12),
        ("futex", 20),
    ] {
        deaths.extend([
            (call, 1 + random.below(most)),
            (call, 1 + random.below(most)),
        ]);
    }
    for (call, when) in deaths {
        let site = Site::new(&ca);
        let inject = format!("inject={call}:signal=KILL:when={when}");
        let arguments = ["import", "index", text(&index)];
        let killed = run(&mut site.command_under_strace(&["-e", &inject], &arguments));
        assert!(matches!(killed.code, 0 | 137), "{inject}: {killed}");
        let report = site
            .run(&[&arguments[..], &["--json"]].concat())
            .expect(0)
            .json();
        assert_eq!(report["result"], "complete", "{inject}");
        let applied = report["applied"].as_u64().unwrap() as usize;
        partial += usize::from(0 < applied && applied < certificates.len());
        let report = site
            .run(&[&arguments[..], &["--json"]].concat())
            .expect(0)
            .json();
        assert_eq!(report["applied"], 0, "{inject}");
        let server = site.serve();
        for certificate in certificates.iter().step_by(997) {
            server.answers(certificate);
        }
    }
    assert!(
        partial > 0,
        "no import was killed between its first and its last batch"
    );
}

#[test]
fn the_index_of_openssl_is_read_to_the_last_line() {
    let ca = SHARED.get();
    let site = Site::new(&ca);
    let lines = read_text(&ca.path("index.txt"));
    // The last line cut short is a file that is still being written: not a shorter truth.
    import(&site, &lines[..lines.len() - 4], &[])
        .expect(5)
        .says(&[&format!("line {}", lines.lines().count())]);
    import(&site, &lines, &[]).expect(0);
    let last = ca.certificates().pop().unwrap();
    let due = if last.status == Status::Good {
        "good"
    } else {
        "revoked"
    };
    assert_eq!(status(&site, &last.serial), due);
}

#[test]
fn what_a_running_server_takes_in_is_signed_soon_however_much_it_is() {
    let ca = Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 3_000,
    }));
    let site = Site::new(&ca);
    let server = site.serve();
    site.import_index().expect(0);
    site.settle();
    // Now that there is a shard, as much again, none of which it knows.
    let index = read_text(&ca.path("index.txt"));
    let more: String = index
        .lines()
        .filter(|line| line.starts_with('V'))
        .enumerate()
        .map(|(number, line)| {
            let mut columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
            columns[3] = format!("7F{number:06X}");
            columns.join("\t") + "\n"
        })
        .collect();
    let path = site.path("more.txt");
    std::fs::write(&path, more).unwrap();
    site.run(&["import", "index", text(&path)]).expect(0);
    let began = Instant::now();
    site.settle();
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "signing waited for something: {:?}",
        began.elapsed()
    );
    drop(server);
}
