//! What is broken is named, with what to do, and never answered wrongly.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::common::clock::generalized_time;
use crate::common::http::post;
use crate::common::tools::{run, text};
use crate::common::{
    Answer, Certificate, Hash, Mounts, OpensslCa, Plan, Random, Server, Settings, Site, Status,
    request_of,
};

#[test]
fn a_signer_that_may_not_sign_is_refused_by_name() {
    let ca = small_ca(20);
    let other = small_ca(0);
    ca.new_delegate(
        "expired",
        "delegate",
        "-startdate 20200101000000Z -enddate 20210101000000Z",
    );
    ca.new_delegate(
        "future",
        "delegate",
        "-startdate 20400101000000Z -enddate 20410101000000Z",
    );
    ca.new_delegate("tls", "delegate_for_tls", "-days 100");
    ca.new_delegate("subca", "delegate_that_is_a_ca", "-days 100");
    ca.new_delegate("second", "delegate", "-days 100");
    ca.openssl("genrsa -out weak.key 1024");
    fs::write(
        ca.path("garbage.pem"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n",
    )
    .unwrap();
    fs::write(ca.path("garbage.key"), "no key").unwrap();
    let elsewhere = text(&other.path("ocsp.pem")).to_owned();
    let elsewhere_key = text(&other.path("ocsp.key")).to_owned();
    for (certificate, key, words) in [
        ("ocsp.pem", "second.key", &["ocsp.pem", "key"][..]),
        ("ocsp.pem", "ca.key", &["ocsp.pem", "key"]),
        ("expired.pem", "expired.key", &["expired.pem", "2021-01-01"]),
        ("future.pem", "future.key", &["future.pem", "2040-01-01"]),
        ("tls.pem", "tls.key", &["tls.pem", "OCSPSigning"]),
        ("subca.pem", "subca.key", &["subca.pem", "CA"]),
        (&elsewhere, &elsewhere_key, &["ocsp.pem"]),
        ("garbage.pem", "ocsp.key", &["garbage.pem"]),
        ("ocsp.pem", "garbage.key", &["garbage.key"]),
        ("ocsp.pem", "weak.key", &["weak.key"]),
    ] {
        let site = Site::with(&ca, &Settings::with_signer(certificate, key));
        site.run(&["check"]).expect(4).says(words);
        site.start_fails(site.command(&["serve"]))
            .expect(4)
            .says(words);
        assert!(!site.path("state/admin.sock").exists());
        // Nothing is in the way of the right one.
        site.configure(&Settings::default());
        site.import_index().expect(0);
        site.serve().answers(&ca.certificates()[5]);
    }
}

#[test]
fn a_delegate_without_nocheck_signs_and_is_warned_about() {
    let ca = small_ca(5);
    ca.new_delegate("nagging", "delegate_without_nocheck", "-days 100");
    let site = Site::with(&ca, &Settings::with_signer("nagging.pem", "nagging.key"));
    site.run(&["check"]).expect(0).says(&["nocheck"]);
}

#[test]
fn a_missing_or_unreadable_file_is_named() {
    let ca = small_ca(5);
    let site = Site::new(&ca);
    let configure = |from: &str, to: &str| {
        let config = fs::read_to_string(site.path("estelam.toml")).unwrap();
        assert!(config.contains(from), "{config}");
        fs::write(site.path("estelam.toml"), config.replace(from, to)).unwrap();
    };
    configure("/ca.pem", "/missing.pem");
    for command in ["check", "serve"] {
        site.run(&[command]).expect(3).says(&["missing.pem"]);
    }
    site.run(&["status", "01"]).expect(3).says(&["missing.pem"]);
    configure("/missing.pem", "/certs");
    site.run(&["check"]).expect(3).says(&["certs"]);
    configure("/certs", "/index.txt");
    site.run(&["check"]).expect(3).says(&["index.txt"]);
    // Not the issuer that its delegate is for: the leaf is no CA.
    configure("/index.txt", "/ocsp.pem");
    site.run(&["check"]).expect(4).says(&["ca"]);

    for (certificate, key) in [("missing.pem", "ocsp.key"), ("ocsp.pem", "missing.key")] {
        site.configure(&Settings::with_signer(certificate, key));
        site.run(&["check"]).expect(4).says(&["missing."]);
    }
}

#[test]
fn the_passphrase_comes_from_a_file_the_environment_or_systemd() {
    let ca = small_ca(5);
    ca.openssl("pkcs8 -topk8 -in ocsp.key -v2 aes-256-cbc -passout pass:s3cret -out locked.key");
    let site = Site::new(&ca);
    site.import_index().expect(0);
    fs::write(site.path("right"), "s3cret\n").unwrap();
    fs::write(site.path("wrong"), "guess\n").unwrap();
    let folder = site.path("right");
    let folder = folder.parent().unwrap();
    for (line, good) in [
        ("passphrase_file = \"right\"", true),
        ("passphrase_file = \"wrong\"", false),
        ("passphrase_file = \"missing\"", false),
        ("", false),
        ("passphrase_env = \"RIGHT\"", true),
        ("passphrase_env = \"WRONG\"", false),
        ("passphrase_env = \"MISSING\"", false),
        ("passphrase_credential = \"right\"", true),
        ("passphrase_credential = \"wrong\"", false),
        ("passphrase_credential = \"missing\"", false),
    ] {
        let settings = Settings::with_signer("ocsp.pem", "locked.key");
        site.configure(&Settings {
            signer_lines: line.to_owned(),
            ..settings
        });
        let command = |words: &[&str]| {
            let mut command = site.command(words);
            command
                .env("RIGHT", "s3cret")
                .env("WRONG", "guess")
                .env("CREDENTIALS_DIRECTORY", folder);
            command
        };
        let checked = run(&mut command(&["check"]));
        let everything = checked.to_string();
        assert!(
            !everything.contains("s3cret") && !everything.contains("guess"),
            "{everything}"
        );
        if good {
            checked.expect(0);
            let server = site.serve_by(command(&["serve"]));
            server.answers(&ca.certificates()[1]);
            assert!(server.log().iter().all(|line| !line.contains("s3cret")));
        } else {
            checked.expect(4).says(&["passphrase"]);
        }
        if line.contains("wrong") || line.contains("WRONG") {
            site.start_fails(command(&["serve"]))
                .expect(4)
                .says(&["passphrase"]);
        }
    }
    // Without systemd there is no such folder.
    let settings = Settings::with_signer("ocsp.pem", "locked.key");
    let signer_lines = "passphrase_credential = \"right\"".to_owned();
    site.configure(&Settings {
        signer_lines,
        ..settings
    });
    site.run(&["check"])
        .expect(4)
        .says(&["CREDENTIALS_DIRECTORY"]);
}

#[test]
fn an_address_or_a_ledger_in_use_is_told() {
    let ca = small_ca(20);
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let site = Site::with(
        &ca,
        &Settings {
            listen: vec![address.clone()],
            ..Settings::default()
        },
    );
    site.import_index().expect(0);
    site.start_fails(site.command(&["serve"]))
        .expect(10)
        .says(&[&address]);
    site.configure(&Settings::default());
    let server = site.serve();
    let certificates = ca.certificates();

    // A second server on the same state ends, and leaves the first one's socket alone.
    site.start_fails(site.command(&["serve"]))
        .expect(10)
        .says(&["ledger"]);
    server.answers(&certificates[3]);
    site.run(&["stats"]).expect(0);

    // A ledger that is held by somebody who cannot be asked.
    fs::remove_file(site.path("state/admin.sock")).unwrap();
    for arguments in [&["status", "01"][..], &["revoke", &certificates[3].serial]] {
        site.run(arguments).expect(10).says(&["ledger"]);
    }
    server.answers(&certificates[3]);
    server.terminate().expect(0);
    site.run(&["status", "01"]).expect(0);
    let taken = "192.0.2.1:80".to_owned();
    site.configure(&Settings {
        listen: vec![taken.clone()],
        ..Settings::default()
    });
    let said = site.start_fails(site.command(&["serve"])).says(&[&taken]);
    assert!(matches!(said.code, 3 | 10), "{said}");
}

#[test]
fn a_full_disk_stops_changes_and_nothing_else() {
    let ca = small_ca(400);
    let site = Site::new(&ca);
    let state = site.path("state");
    fs::create_dir(&state).unwrap();
    let mounts = Mounts::new(&format!(
        "mount -t tmpfs -o size=16m tmpfs {}",
        text(&state)
    ));
    let filler = state.join("filler");
    let fill = format!(
        "dd if=/dev/zero of={} oflag=append conv=notrunc bs=4k 2>/dev/null; true",
        text(&filler)
    );
    let free = format!("rm {}", text(&filler));
    let estelam = |words: &[&str]| run(&mut site.command_among(&mounts, words));

    // Nothing fits: an import from nothing.
    mounts.run(&fill).expect(0);
    let index = ca.path("index.txt");
    estelam(&["import", "index", text(&index)])
        .expect(11)
        .says(&["space"]);
    let ended = site.start_fails(site.command_among(&mounts, &["serve"]));
    ended.expect(11).says(&["space"]);
    mounts.run(&free).expect(0);
    estelam(&["import", "index", text(&index)]).expect(0);

    // It fills up under a running server.
    let server = site.serve_by(site.command_among(&mounts, &["serve"]));
    let mut good = ca.certificates();
    good.retain(|certificate| certificate.status == Status::Good);
    let revoke = |certificate: &Certificate| {
        let words = [
            "revoke",
            &certificate.serial,
            "--revocation-time",
            "2026-02-03T04:05:06Z",
        ];
        estelam(&words)
    };
    // RocksDB claims room for its log in advance; these use it up.
    let more = ca.path("more.txt");
    let import_more = |round: usize| {
        let lines = (0..400).map(|number| {
            format!("V\t360101000000Z\t\tF0{round:04X}{number:04X}\tunknown\t/CN=more\n")
        });
        fs::write(&more, lines.collect::<String>()).unwrap();
        let said = estelam(&["import", "index", text(&more)]);
        assert!(matches!(said.code, 0 | 11), "{said}");
    };
    let mut acknowledged = Vec::new();
    let mut refused = None;
    for (round, certificate) in good.iter().enumerate() {
        import_more(round);
        // Again and again: what the server clears away makes room.
        mounts.run(&fill).expect(0);
        let said = revoke(certificate);
        if said.code != 0 {
            said.expect(11).says(&["space"]);
            refused = Some(certificate);
            break;
        }
        acknowledged.push(certificate);
    }
    let refused = refused.expect("the disk is full at some point");
    assert_revoked(&server, &acknowledged);
    for certificate in ca.certificates().iter().take(100) {
        if !acknowledged
            .iter()
            .any(|known| known.serial == certificate.serial)
        {
            may_answer(&server, certificate, &[Answer::TRY_LATER]);
        }
    }
    // Nobody restarts it.
    mounts.run(&free).expect(0);
    let begun = std::time::Instant::now();
    loop {
        let said = revoke(refused);
        if said.code == 0 {
            break;
        }
        assert!(
            begun.elapsed().as_secs() < 20,
            "it does not recover: {said}"
        );
    }
    acknowledged.push(refused);
    assert_revoked(&server, &acknowledged);
    server.kill();
    let server = site.serve_by(site.command_among(&mounts, &["serve"]));
    assert_revoked(&server, &acknowledged);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let ca = small_ca(20);
    let site = Site::new(&ca);
    let certificate = &ca.certificates()[4];
    let folder = site.path("state");
    let folder = text(folder.parent().unwrap());
    let read_only = format!("mount --bind {folder} {folder} && mount -o remount,ro,bind {folder}");
    // Before there is any state, and with one.
    for _ in 0..2 {
        let mounts = Mounts::new(&read_only);
        let ended = site.start_fails(site.command_among(&mounts, &["serve"]));
        ended.expect(11).says(&["state"]);
        let index = ca.path("index.txt");
        for words in [
            &["import", "index", text(&index)][..],
            &["revoke", &certificate.serial],
        ] {
            run(&mut site.command_among(&mounts, words))
                .expect(11)
                .says(&["state"]);
        }
        let init = run(&mut site.command_among(&mounts, &["init", "--force"]));
        init.expect(11).says(&["estelam.toml"]);
        drop(mounts);
        site.import_index().expect(0);
        site.serve().answers(certificate);
    }
}

/// Bits flip under the running server, which maps the file: every answer stays right.
#[test]
fn a_damaged_segment_never_gives_a_wrong_answer() {
    let ca = small_ca(300);
    let site = Site::imported(&ca);
    let server = site.serve_settled();
    let certificates = ca.certificates();
    let mut random = Random(5);
    let mut touched = 0;
    for _ in 0..60 {
        let Some(segment) = segments(&site).into_iter().next() else {
            site.settle();
            continue;
        };
        let Ok(file) = OpenOptions::new().read(true).write(true).open(&segment) else {
            continue;
        };
        let len = file.metadata().unwrap().len();
        let place = random.next() % len;
        let mut octet = [0];
        file.read_exact_at(&mut octet, place).unwrap();
        file.write_all_at(&[octet[0] ^ (1 << random.below(8))], place)
            .unwrap();
        for certificate in &certificates {
            may_answer(&server, certificate, &[Answer::TRY_LATER]);
        }
        file.write_all_at(&octet, place).unwrap();
        touched += 1;
    }
    assert!(touched > 30, "{touched}");
    server.terminate().expect(0);

    // The same across a restart, the header included: what cannot be opened is set aside.
    for place in [0, 11, 40, 100, 255, 300, 700, 2_000, 5_000, 20_000] {
        server_restarts_right_after(&site, &certificates, |segment| {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(segment)
                .unwrap();
            let place = place % file.metadata().unwrap().len();
            let mut octet = [0];
            file.read_exact_at(&mut octet, place).unwrap();
            file.write_all_at(&[octet[0] ^ 0x40], place).unwrap();
        });
    }
}

#[test]
fn a_segment_cut_short_is_set_aside_at_the_next_start() {
    let ca = small_ca(300);
    let site = Site::imported(&ca);
    let certificates = ca.certificates();
    for len in [0, 1, 255, 256, 5_000] {
        server_restarts_right_after(&site, &certificates, |segment| {
            OpenOptions::new()
                .write(true)
                .open(segment)
                .unwrap()
                .set_len(len)
                .unwrap();
        });
    }
    server_restarts_right_after(&site, &certificates, |segment| {
        fs::remove_file(segment).unwrap()
    });
    let aside: Vec<PathBuf> = files(&site.path("state/catalog"), "quarantined");
    assert!(
        !aside.is_empty(),
        "what was set aside is kept for inspection"
    );
}

/// Stops a settled server, lets `damage` at its segments, and demands right answers after the start.
fn server_restarts_right_after(site: &Site, certificates: &[Certificate], damage: impl Fn(&Path)) {
    site.serve_settled().terminate().expect(0);
    let all = segments(site);
    assert!(!all.is_empty());
    for segment in &all {
        damage(segment);
    }
    let server = site.serve();
    for certificate in certificates {
        may_answer(&server, certificate, &[Answer::TRY_LATER]);
    }
    site.settle();
    for certificate in certificates {
        server.answers(certificate);
    }
    server.terminate().expect(0);
}

/// The kernel kills who reads a page that is gone; the next start knows whose page it was.
#[test]
fn a_segment_truncated_under_the_server_is_quarantined_after_sigbus() {
    let ca = small_ca(2_000);
    let site = Site::imported(&ca);
    let certificates = ca.certificates();
    let mut server = site.serve_settled();
    for segment in segments(&site) {
        OpenOptions::new()
            .write(true)
            .open(&segment)
            .unwrap()
            .set_len(4_096)
            .unwrap();
    }
    let dead = certificates.iter().position(|certificate| {
        let request = request_of(&ca, Hash::Sha1, &[&certificate.serial]);
        let octets = post("/ocsp", "Connection: close\r\n", &request);
        let mut answer = Vec::new();
        let asked = TcpStream::connect(server.address()).and_then(|mut stream| {
            stream.write_all(&octets)?;
            stream.read_to_end(&mut answer)
        });
        asked.is_err() || answer.is_empty()
    });
    assert!(dead.is_some(), "no answer was on the pages that are gone");
    let ended = server.wait();
    assert_eq!(ended.code, 128 + 7, "SIGBUS: {ended}");
    let server = site.serve();
    for certificate in &certificates {
        may_answer(&server, certificate, &[Answer::TRY_LATER]);
    }
    site.settle();
    for certificate in certificates.iter().step_by(50) {
        server.answers(certificate);
    }
    assert!(!files(&site.path("state/catalog"), "quarantined").is_empty());
}

#[test]
fn a_manifest_lost_damaged_or_half_written_costs_signatures_only() {
    let ca = small_ca(300);
    let site = Site::imported(&ca);
    let certificates = ca.certificates();
    type Damage = fn(&Path);
    let damages: [Damage; 5] = [
        |manifest| fs::remove_file(manifest).unwrap(),
        |manifest| fs::write(manifest, "").unwrap(),
        |manifest| {
            let text = fs::read(manifest).unwrap();
            fs::write(manifest, &text[..text.len() / 2]).unwrap();
        },
        |manifest| {
            let text = fs::read_to_string(manifest).unwrap();
            fs::write(manifest, text.replace("\"as_of\": ", "\"as_of\": 9")).unwrap();
        },
        |manifest| fs::write(manifest.with_extension("manifest.tmp"), "half").unwrap(),
    ];
    for damage in damages {
        server_restarts_right_after(&site, &certificates, |_| {});
        damage(&site.path("state/catalog/catalog.manifest"));
        let server = site.serve();
        for certificate in &certificates {
            may_answer(&server, certificate, &[Answer::TRY_LATER]);
        }
    }
}

#[test]
fn state_of_a_newer_version_is_left_alone() {
    let ca = small_ca(50);
    let site = Site::imported(&ca);
    let server = site.serve_settled();
    server.terminate().expect(0);
    let manifest = site.path("state/catalog/catalog.manifest");
    let ours = fs::read_to_string(&manifest).unwrap();
    let newer = ours.replacen("estelam-catalog 2 ", "estelam-catalog 3 ", 1);
    assert_ne!(ours, newer);
    fs::write(&manifest, &newer).unwrap();
    site.start_fails(site.command(&["serve"]))
        .expect(9)
        .says(&["catalog.manifest", "newer"]);
    assert_eq!(fs::read_to_string(&manifest).unwrap(), newer);
    fs::write(&manifest, &ours).unwrap();

    let segment = segments(&site).swap_remove(0);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&segment)
        .unwrap();
    let mut ours = [0; 256];
    file.read_exact_at(&mut ours, 0).unwrap();
    let mut newer = ours;
    newer[9] = 2;
    let checksum = crc32c::crc32c(&newer[..252]).to_be_bytes();
    newer[252..].copy_from_slice(&checksum);
    file.write_all_at(&newer, 0).unwrap();
    site.start_fails(site.command(&["serve"]))
        .expect(9)
        .says(&["newer"]);
    assert!(segment.exists());
    file.write_all_at(&ours, 0).unwrap();
    let server = site.serve();
    for certificate in ca.certificates() {
        server.answers(&certificate);
    }
}

#[test]
fn a_damaged_ledger_is_refused_or_answered_from_rightly() {
    let ca = small_ca(2_000);
    let pristine = Site::imported(&ca);
    let server = pristine.serve_settled();
    pristine
        .run(&["hold", &ca.certificates()[7].serial])
        .expect(0);
    server.terminate().expect(0);
    let mut certificates = ca.certificates();
    certificates.remove(7);

    let copy = || {
        let site = Site::new(&ca);
        let (from, to) = (pristine.path("state"), site.path("state"));
        run(std::process::Command::new("cp").args(["-a", text(&from), text(&to)])).expect(0);
        site
    };
    let must_refuse = |site: &Site, what: &str| {
        for words in [
            &["serve"][..],
            &["status", "01"],
            &["revoke", &certificates[9].serial],
        ] {
            let said = run(&mut site.command(words));
            assert_eq!(said.code, 8, "{what}: {said}");
            said.says(&["ledger", "backup"]);
        }
    };
    let site = copy();
    fs::remove_file(site.path("state/ledger/CURRENT")).unwrap();
    must_refuse(&site, "CURRENT is gone");
    let site = copy();
    fs::write(site.path("state/ledger/CURRENT"), "MANIFEST-999999\n").unwrap();
    must_refuse(&site, "CURRENT names nothing");
    let site = copy();
    let manifest = files(&site.path("state/ledger"), "MANIFEST").swap_remove(0);
    OpenOptions::new()
        .write(true)
        .open(&manifest)
        .unwrap()
        .set_len(60)
        .unwrap();
    must_refuse(&site, "MANIFEST cut short");
    let site = copy();
    for table in files(&site.path("state/ledger"), ".sst") {
        fs::remove_file(table).unwrap();
    }
    must_refuse(&site, "tables are gone");

    // A flipped octet somewhere: it may go unnoticed at the start, but never gives a wrong answer.
    let mut random = Random(6);
    for _ in 0..12 {
        let site = copy();
        let mut all = files(&site.path("state/ledger"), "");
        all.retain(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            fs::metadata(file).unwrap().len() > 0
                && !name.starts_with("LOG")
                && !name.contains("OPTIONS")
        });
        let file = random.pick(&all).clone();
        let len = fs::metadata(&file).unwrap().len();
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&file)
            .unwrap();
        let place = random.next() % len;
        let mut octet = [0];
        opened.read_exact_at(&mut octet, place).unwrap();
        opened.write_all_at(&[octet[0] ^ 0x10], place).unwrap();
        match site.try_serve(site.command(&["serve"])) {
            Err(ended) => {
                ended.expect(8).says(&["ledger"]);
            }
            Ok(server) => {
                for certificate in certificates.iter().step_by(7) {
                    let errors = [Answer::TRY_LATER, Answer::Error(2)];
                    may_answer(&server, certificate, &errors);
                }
            }
        }
    }
}

/// Restored from a copy, the ledger would give its next changes the numbers of entries that answers
/// were signed from already; these would hide them.
#[test]
fn a_ledger_that_the_answers_were_not_signed_from_is_refused() {
    let ca = small_ca(50);
    let site = Site::imported(&ca);
    let (ledger, copy) = (site.path("state/ledger"), site.path("copy"));
    run(std::process::Command::new("cp").args(["-a", text(&ledger), text(&copy)])).expect(0);
    let serials = ca.issue(2, "-rand_serial");
    site.import_index().expect(0);
    site.serve_settled().terminate().expect(0);
    fs::remove_dir_all(&ledger).unwrap();
    fs::rename(&copy, &ledger).unwrap();
    for serial in [&ca.certificates()[3].serial, &serials[0], &serials[1]] {
        let ended = site.start_fails(site.command(&["serve"]));
        ended
            .expect(8)
            .says(&["ledger", "restore", "state/catalog"]);
        // Nor is anything written to it: what comes later would look newer than what was lost.
        site.run(&["revoke", serial, "--allow-unissued"])
            .expect(8)
            .says(&["ledger", "restore", "state/catalog"]);
    }

    // What the message says to do.
    fs::rename(site.path("state/catalog"), site.path("away")).unwrap();
    for serial in &serials {
        site.run(&["revoke", serial, "--allow-unissued"]).expect(0);
    }
    let server = site.serve();
    for serial in &serials {
        let answer = Answer::of(&server.ask(Hash::Sha256, serial));
        assert!(matches!(answer.single().status, Status::Revoked { .. }));
    }
    server.answers(&ca.certificates()[4]);
}

/// Every k-th write, sync, rename… fails once or from then on: the command says so and a later run
/// finds nothing half done.
#[test]
fn a_failing_system_call_is_reported_and_leaves_nothing_half_done() {
    let ca = small_ca(60);
    let index = ca.path("index.txt");
    let mut random = Random(7);
    let certificates = ca.certificates();
    let revoked = certificates
        .iter()
        .find(|it| it.status == Status::Good)
        .unwrap();
    let mut failed = 0;
    for (call, firsts) in [
        ("fdatasync", &[1, 4, 8, 12, 16, 20][..]),
        ("write", &[8, 16, 20, 24]),
        ("fsync", &[1, 5]),
        ("rename", &[1, 3]),
        ("openat", &[24, 40]),
        ("pwrite64", &[1, 2]),
        ("mkdir", &[2]),
        ("ftruncate", &[1]),
    ] {
        for first in firsts {
            let site = Site::new(&ca);
            let error = random.pick(&["ENOSPC", "EIO"]);
            let lasting = random.pick(&["", "+"]);
            // `openat` finds libraries and the terminal too: only what lies in the state counts.
            let inject = format!("inject={call}:error={error}:when={first}{lasting}");
            let arguments = ["import", "index", text(&index)];
            let said = run(&mut site.command_under_strace(&["-e", &inject], &arguments));
            if said.code != 0 {
                failed += 1;
                assert!(!said.stderr.contains("panicked"), "{inject}: {said}");
                // Where even the dynamic linker or stderr fails, there is nobody to say it.
                if !matches!(call, "openat" | "write") {
                    assert!(matches!(said.code, 8 | 11), "{inject}: {said}");
                    assert!(said.stderr.starts_with("error: "), "{inject}: {said}");
                }
            }
            site.import_index().expect(0);
            let said = run(&mut site.command_under_strace(
                &["-e", &inject],
                &["revoke", &revoked.serial, "--reason", "superseded"],
            ));
            let told = site
                .run(&["status", &revoked.serial, "--json"])
                .expect(0)
                .json();
            if said.code == 0 {
                assert_eq!(told["status"], "revoked", "{inject}: acknowledged and lost");
            }
            let server = site.serve();
            for certificate in certificates.iter().filter(|it| it.serial != revoked.serial) {
                server.answers(certificate);
            }
            if told["status"] == "revoked" {
                assert_revoked(&server, &[revoked]);
            }
        }
    }
    assert!(failed >= 10, "the faults hit nothing: {failed}");
}

/// What fails under the running server is refused, and works again without a restart.
#[test]
fn a_server_survives_a_write_that_fails() {
    let ca = small_ca(200);
    let certificates = ca.certificates();
    let mut good: Vec<&Certificate> = certificates
        .iter()
        .filter(|it| it.status == Status::Good)
        .collect();
    let site = Site::imported(&ca);
    let mut server = site.serve_settled();
    let mut revoked: Vec<&Certificate> = Vec::new();
    let mut refused = 0;
    for (call, what) in [
        ("fdatasync", "error=EIO:when=1"),
        ("fdatasync", "error=ENOSPC:when=1..3"),
        ("write", "error=ENOSPC:when=2"),
        ("write", "error=EIO:when=1"),
        ("pwrite64", "error=EIO:when=1"),
        ("fsync,fdatasync", "error=EIO:when=1..2"),
    ] {
        // Of writes only those to the ledger's log: threads wake each other by `write`, too.
        let log = files(&site.path("state/ledger"), ".log").pop();
        let only = log.as_deref().filter(|_| call == "write");
        let tracer = server.inject(call, what, only);
        for _ in 0..3 {
            let certificate = good.pop().expect("there are more");
            let mut arguments = vec!["revoke", &certificate.serial, "--reason", "superseded"];
            // Said in full, it can be said again.
            arguments.extend(["--revocation-time", "2026-02-03T04:05:06Z"]);
            let begun = std::time::Instant::now();
            loop {
                let said = site.run(&arguments);
                if said.code == 0 {
                    break;
                }
                refused += 1;
                said.expect(11).says(&["ledger"]);
                // Refused is not undone: until it is repeated it may have happened or not.
                server.answers(
                    certificates
                        .iter()
                        .find(|it| it.status != Status::Good)
                        .unwrap(),
                );
                assert!(
                    begun.elapsed().as_secs() < 20,
                    "{call} {what}: it does not recover"
                );
            }
            revoked.push(certificate);
            assert_revoked(&server, &revoked);
        }
        server.kill();
        drop(tracer);
        server = site.serve();
        assert_revoked(&server, &revoked);
    }
    assert!(refused > 0, "no fault was met");
    for certificate in certificates.iter().filter(|it| it.status != Status::Good) {
        server.answers(certificate);
    }
}

/// A disk that takes no segment: what was signed before is served, the rest is signed on demand.
#[test]
fn a_segment_that_cannot_be_written_costs_nobody_an_answer() {
    let ca = small_ca(200);
    ca.new_delegate("second", "delegate", "-days 300");
    let site = Site::imported(&ca);
    site.configure(&Settings::with_signer("second.pem", "second.key"));
    for inject in [
        "inject=pwrite64:error=ENOSPC:when=3+",
        "inject=fchmod:error=EIO:when=1+",
    ] {
        let server = site.serve_by(site.command_under_strace(&["-e", inject], &["serve"]));
        server.wait_for("ERROR");
        for certificate in ca.certificates() {
            server.answers(&certificate);
        }
    }
    let server = site.serve_settled();
    assert_eq!(segments(&site).len(), 1);
    for certificate in ca.certificates() {
        server.answers(&certificate);
    }
}

/// Without the key what is signed is served; what changed since is never answered as it was.
#[test]
fn without_the_key_what_was_revoked_is_never_good() {
    let ca = small_ca(200);
    let site = Site::imported(&ca);
    let server = site.serve_settled();
    let certificates = ca.certificates();
    let mut good: Vec<&Certificate> = certificates
        .iter()
        .filter(|it| it.status == Status::Good)
        .collect();
    let (signed, masked) = (good.pop().unwrap(), good.pop().unwrap());
    site.run(&["revoke", &signed.serial, "--reason", "superseded"])
        .expect(0);
    server.kill();
    let missing = text(&site.path("no.key")).to_owned();
    site.configure(&Settings::with_signer("ocsp.pem", &missing));
    site.run(&["revoke", &masked.serial, "--reason", "superseded"])
        .expect(0);
    let server = site.serve();
    server.wait_for("no.key");
    server.wait_for("caught up");
    for certificate in [signed, masked] {
        for hash in Hash::BOTH {
            match Answer::of(&server.ask(hash, &certificate.serial)) {
                Answer::Error(code) => assert_eq!(code, 3, "tryLater"),
                other => assert!(matches!(other.single().status, Status::Revoked { .. })),
            }
        }
    }
    // What is signed is served until it ends, and a revocation is taken though it cannot be signed.
    for certificate in certificates.iter().filter(|it| it.status != Status::Good) {
        server.answers(certificate);
    }
    let third = good.pop().unwrap();
    server.answers(third);
    site.run(&["revoke", &third.serial]).expect(0);
    assert_eq!(
        Answer::of(&server.ask(Hash::Sha1, &third.serial)),
        Answer::TRY_LATER
    );
    server.terminate().expect(0);
    // The key is back.
    site.configure(&Settings::default());
    let server = site.serve();
    assert_revoked(&server, &[signed, masked, third]);
}

#[test]
fn a_ledger_that_the_catalog_was_not_signed_from_is_refused() {
    let site = Site::imported(&small_ca(20));
    site.serve_settled().terminate().expect(0);
    fs::rename(site.path("state/ledger"), site.path("newest")).unwrap();
    let refused = || {
        site.start_fails(site.command(&["serve"])).expect(8).says(&[
            "state/catalog",
            "restore",
            "backup",
        ]);
    };
    // Lost; and as from a backup of before the import, and then gone on with to the same numbers.
    refused();
    site.import_index().expect(8).says(&["estelam restore"]);
    fs::rename(site.path("state/catalog"), site.path("away")).unwrap();
    site.import_index().expect(0);
    fs::rename(site.path("away"), site.path("state/catalog")).unwrap();
    refused();

    fs::rename(site.path("state/ledger"), site.path("other")).unwrap();
    fs::rename(site.path("newest"), site.path("state/ledger")).unwrap();
    site.serve().terminate().expect(0);

    fs::remove_dir_all(site.path("state/ledger")).unwrap();
    fs::rename(site.path("other"), site.path("state/ledger")).unwrap();
    fs::rename(site.path("state/catalog"), site.path("set aside")).unwrap();
    let server = site.serve_settled();
    for certificate in site.ca.certificates() {
        server.answers(&certificate);
    }
}

#[test]
fn the_newest_time_that_was_signed_with_outlives_the_server() {
    let site = Site::imported(&small_ca(20));
    let serial = site.ca.certificates()[0].serial.clone();
    let server = site.serve_settled();
    let this_update = || {
        let answer = Answer::of(&server.ask(Hash::Sha256, &serial));
        answer.single().this_update.clone()
    };
    let before = this_update();
    let mut action = ["hold", "release"].iter().cycle();
    // Until a change falls into a later second than the shard's signing.
    while this_update() == before {
        let action = action.next().expect("a cycle");
        site.run(&[action, &serial]).expect(0);
        site.settle();
    }
    let newest = this_update();
    server.kill();
    let ledger = estelam::ledger::Ledger::open(&site.path("state/ledger")).unwrap();
    let high_water = ledger.signing_high_water().unwrap().as_secs();
    assert!(generalized_time(high_water) >= newest, "{newest}");
}

fn small_ca(bulk: usize) -> Arc<OpensslCa> {
    Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk,
    }))
}

/// Demands the right status, or one of these errors; one for another reason is wrong too.
#[track_caller]
fn may_answer(server: &Server, certificate: &Certificate, errors: &[Answer]) {
    for hash in Hash::BOTH {
        let answer = Answer::of(&server.ask(hash, &certificate.serial));
        if !errors.contains(&answer) {
            assert!(
                !matches!(answer, Answer::Error(_)),
                "{}: {answer:?}",
                certificate.serial
            );
            assert_eq!(
                answer.single().status,
                certificate.status,
                "{}",
                certificate.serial
            );
            assert_eq!(answer.single().serial(), certificate.serial);
        }
    }
}

#[track_caller]
fn assert_revoked(server: &Server, certificates: &[&Certificate]) {
    for certificate in certificates {
        for hash in Hash::BOTH {
            let answer = Answer::of(&server.ask(hash, &certificate.serial));
            assert!(
                !matches!(answer, Answer::Error(_)),
                "{}: {answer:?}",
                certificate.serial
            );
            let status = &answer.single().status;
            assert!(
                matches!(status, Status::Revoked { .. }),
                "{}",
                certificate.serial
            );
        }
    }
}

fn segments(site: &Site) -> Vec<PathBuf> {
    let mut all = files(&site.path("state/catalog"), ".seg");
    all.retain(|file| file.extension().is_some_and(|extension| extension == "seg"));
    all
}

/// The files of a folder with these words in their names.
fn files(folder: &Path, words: &str) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.is_file() && text(file).rsplit('/').next().unwrap().contains(words));
    files.sort();
    files
}
