//! The command line as people and scripts meet it.

use std::collections::BTreeSet;

use crate::common::tools::{Finished, run, text};
use crate::common::{SHARED, Settings, Site, Status};

#[test]
fn every_command_has_help_with_an_example() {
    let site = Site::new(&SHARED.get());
    let top = site
        .run(&["--help"])
        .expect(0)
        .says(&["estelam init", "Exit codes"]);
    let mut seen = BTreeSet::new();
    let mut pending: Vec<Vec<String>> = subcommands(&top).map(|name| vec![name]).collect();
    while let Some(words) = pending.pop() {
        let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = site.run(&arguments).expect(0);
        let deeper: Vec<_> = subcommands(&help)
            .map(|name| [&words[..], &[name]].concat())
            .collect();
        if deeper.is_empty() {
            help.says(&["Usage:", "\nExample", "--config", "--json"]);
        }
        pending.extend(deeper);
        seen.insert(words.join(" "));
    }
    for name in [
        "demo",
        "init",
        "check",
        "serve",
        "ca root",
        "ca intermediate",
        "ca issue",
        "ca delegate",
        "crl publish",
        "crl show",
        "crl diff",
        "import index",
        "import crl",
        "import certs",
        "import csv",
        "revoke",
        "hold",
        "release",
        "status",
        "stats",
    ] {
        assert!(seen.contains(name), "{name} is not among {seen:?}");
    }
    site.run(&["--version"]).expect(0).says(&["estelam 0."]);
}

#[test]
fn a_certificate_that_is_not_there_is_not_taken_for_a_serial_number() {
    let site = Site::new(&SHARED.get());
    for command in ["revoke", "hold", "release", "status"] {
        site.run(&[command, "certs/a.pem"])
            .expect(2)
            .says(&["there is no file certs/a.pem"]);
    }
    // Nor is another issuer's certificate taken for a serial number of this one.
    let ca = SHARED.get();
    let certificate = ca.path("ca.pem");
    let said = site.run(&["status", text(&certificate), "--issuer", "nobody"]);
    assert_eq!(said.code, 2, "{said}");
}

/// The commands that a help text lists.
fn subcommands(help: &Finished) -> impl Iterator<Item = String> {
    let lines = help
        .stdout
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1);
    let names = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            // Deeper lines go on with the description of the one before.
            let line = line
                .strip_prefix("  ")
                .filter(|line| !line.starts_with(' '))?;
            line.split(' ').next()
        });
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

#[test]
fn a_wrong_command_line_is_told_from_everything_else() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let serial = ca.certificates()[0].serial.clone();
    let too_long = "7F".repeat(21);
    for (arguments, words) in [
        (&[][..], &["Usage"][..]),
        (&["frobnicate"], &["frobnicate"]),
        (&["serve", "--frobnicate"], &["--frobnicate"]),
        (&["revoke"], &["SERIAL"]),
        (
            &["revoke", &serial, "--reason", "boredom"],
            &["boredom", "keyCompromise"],
        ),
        (
            &["revoke", &serial, "--reason", "removeFromCRL"],
            &["removeFromCRL"],
        ),
        (
            &["revoke", &serial, "--reason", "certificateHold"],
            &["hold"],
        ),
        (
            &["revoke", &serial, "--revocation-time", "yesterday"],
            &["yesterday", "2026-"],
        ),
        (
            &["revoke", &serial, "--issuer", "nobody"],
            &["nobody", "ca"],
        ),
        (
            &["status", &serial, "--issuer", "nobody"],
            &["nobody", "ca"],
        ),
        (&["status", "not-a-serial"], &["not-a-serial"]),
        (&["status", "-01"], &["'-0'"]),
        (&["status", ""], &["serial"]),
        (&["status", &too_long], &["20 octets"]),
        (&["import", "index"], &["FILE"]),
        (&["import", "index", "/"], &["folder"]),
    ] {
        site.run(arguments).expect(2).says(words);
    }
}

#[test]
fn a_configuration_that_cannot_be_used_is_named_with_its_place() {
    let ca = SHARED.get();
    let site = Site::new(&ca);
    for (settings, words) in [
        (
            Settings {
                top: "colour = \"blue\"".to_owned(),
                ..Settings::default()
            },
            ":1:",
        ),
        (
            Settings {
                top: "state_dir = ".to_owned(),
                ..Settings::default()
            },
            ":1:",
        ),
        (
            Settings {
                limits: "connections = 0".to_owned(),
                ..Settings::default()
            },
            "connections",
        ),
        (
            Settings {
                issuer: "validity = \"3h\"".to_owned(),
                ..Settings::default()
            },
            "validity",
        ),
        (
            Settings {
                issuer: "not_issued = \"good\"".to_owned(),
                ..Settings::default()
            },
            "good",
        ),
        (
            Settings {
                signer: None,
                ..Settings::default()
            },
            "signer",
        ),
        (
            Settings {
                listen: vec!["localhost".to_owned()],
                ..Settings::default()
            },
            "listen.address",
        ),
    ] {
        site.configure(&settings);
        for command in ["check", "serve", "status"] {
            let arguments = if command == "status" {
                &[command, "01"][..]
            } else {
                &[command]
            };
            site.run(arguments).expect(3).says(&["estelam.toml", words]);
        }
    }
    std::fs::remove_file(site.path("estelam.toml")).unwrap();
    site.run(&["check"])
        .expect(3)
        .says(&["estelam.toml", "estelam init"]);
    assert!(!site.path("state").exists(), "nothing was begun");
}

#[test]
fn init_never_replaces_a_configuration_unasked() {
    let site = Site::new(&SHARED.get());
    site.run(&["init"]).expect(2).says(&["exists", "--force"]);
    site.run(&["init", "--force"]).expect(0);
    site.run(&["check"]).expect(3).says(&["issuer"]);
    let ca = SHARED.get();
    let files = ["ca.pem", "ocsp.pem", "ocsp.key"].map(|name| ca.path(name));
    let [issuer, certificate, key] = files.each_ref().map(|path| text(path));
    site.run(&[
        "init",
        "--force",
        "--issuer-certificate",
        issuer,
        "--signer-certificate",
        certificate,
        "--signer-key",
        key,
    ])
    .expect(0);
    site.run(&["check"]).expect(0);
    // What belongs to an issuer has to follow it.
    let written = std::fs::read_to_string(site.path("estelam.toml")).expect("the configuration");
    let (_, below) = written.split_once("\n[[issuer.signer]]\n").expect("it");
    assert!(below.contains("\n#[issuer.crl]\n"), "{written}");
}

#[test]
fn what_is_asked_for_as_json_is_json() {
    let ca = SHARED.get();
    let site = Site::new(&ca);
    let check = site.run(&["check", "--json"]).expect(0).json();
    assert_eq!(check[0]["issuer"], "ca");
    let index = ca.path("index.txt");
    let report = site
        .run(&["import", "index", text(&index), "--json"])
        .expect(0)
        .json();
    let certificates = ca.certificates();
    assert_eq!(report["lines"], certificates.len());
    assert_eq!(report["applied"], certificates.len());

    let server = site.serve();
    for certificate in certificates.iter().take(30) {
        let told = site
            .run(&["status", "--json", &certificate.serial])
            .expect(0)
            .json();
        let digits = |value: &serde_json::Value| {
            value
                .as_str()
                .map(|text| text.replace(['-', ':', 'T'], "").replace(".000", ""))
        };
        match &certificate.status {
            Status::Revoked { time, .. } => {
                assert_eq!(told["status"], "revoked", "{told}");
                assert_eq!(digits(&told["revocation_time"]).as_ref(), Some(time));
            }
            _ => assert_eq!(told["status"], "good", "{told}"),
        }
        assert_eq!(
            digits(&told["invalidity_date"]),
            certificate.invalidity_date
        );
        assert_eq!(told["serial"], certificate.serial.as_str());
    }
    let unknown = site.run(&["status", "--json", "0BADC0DE"]).expect(0).json();
    assert_eq!(unknown["status"], "not_issued");

    server.answers(&certificates[0]);
    let stats = site.run(&["stats", "--json"]).expect(0).json();
    let told = stats.to_string();
    for word in ["presigned", "certificates", "signer", "sequence"] {
        assert!(told.contains(word), "{word} is not in {told}");
    }
    let good = certificates
        .iter()
        .find(|it| it.status == Status::Good)
        .unwrap();
    let reply = site.run(&["hold", &good.serial, "--json"]).expect(0).json();
    assert_eq!(
        (&reply["outcome"], &reply["visible"]),
        (&"applied".into(), &"now".into())
    );
    assert_eq!(reply["status"]["reason"], "certificateHold");
    // Errors are for people, and never on stdout.
    let failed = site.run(&["release", "0BADC0DE", "--json"]).expect(7);
    assert_eq!(failed.stdout, "");
}

#[test]
fn a_certificate_can_be_named_by_its_file() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let certificates = ca.certificates();
    let certificate = certificates
        .iter()
        .filter(|it| it.status == Status::Good)
        .nth(1)
        .unwrap();
    let pem = certificate.pem.as_ref().expect("openssl ca issued it");
    let der = site.path("certificate.der");
    ca.openssl(&format!(
        "x509 -in {} -outform DER -out {}",
        text(pem),
        text(&der)
    ));
    for file in [pem, &der] {
        let told = site.run(&["status", text(file), "--json"]).expect(0).json();
        assert_eq!(told["serial"], certificate.serial.as_str());
        assert_eq!(told["status"], "good");
    }
    site.run(&["revoke", text(pem), "--reason", "superseded"])
        .expect(0);
    let told = site
        .run(&["status", &certificate.serial, "--json"])
        .expect(0)
        .json();
    assert_eq!(
        (&told["status"], &told["reason"]),
        (&"revoked".into(), &"superseded".into())
    );
    // A certificate of nobody we answer for.
    ca.openssl(
        "req -config openssl.cnf -x509 -new -key leaf.key -subj /CN=stranger -out stranger.pem",
    );
    site.run(&["status", text(&ca.path("stranger.pem"))])
        .expect(2)
        .says(&["stranger.pem"]);
}

#[test]
fn a_change_that_contradicts_the_ledger_is_refused() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let certificates = ca.certificates();
    let good = certificates
        .iter()
        .find(|it| it.status == Status::Good)
        .unwrap();
    let revoked = certificates
        .iter()
        .find(|it| {
            matches!(
                it.status,
                Status::Revoked {
                    reason: Some(1),
                    ..
                }
            )
        })
        .unwrap();
    for _ in ["without a server", "with one"] {
        site.run(&["revoke", "0BADC0DE"])
            .expect(7)
            .says(&["0BADC0DE", "--allow-unissued"]);
        site.run(&["release", &good.serial])
            .expect(7)
            .says(&[&good.serial, "hold"]);
        site.run(&["release", &revoked.serial])
            .expect(7)
            .says(&[&revoked.serial, "keyCompromise"]);
        site.run(&["hold", &revoked.serial])
            .expect(7)
            .says(&[&revoked.serial, "keyCompromise"]);
        site.run(&[
            "revoke",
            &good.serial,
            "--revocation-time",
            "2099-01-01T00:00:00Z",
        ])
        .expect(7)
        .says(&["2099"]);
        site.run(&["status", &good.serial])
            .expect(0)
            .says(&["good"]);
        drop(site.serve());
    }
    let arguments = ["revoke", "0BADC0DE", "--allow-unissued"];
    site.run(&arguments).expect(0);
    site.serve();
    site.run(&["status", "0BADC0DE"])
        .expect(0)
        .says(&["revoked"]);
    let again = [
        "--revocation-time",
        "2026-01-01T00:00:00Z",
        "--reason",
        "superseded",
    ];
    let again = [&["revoke", &good.serial][..], &again].concat();
    site.run(&again).expect(0).says(&["recorded"]);
    site.run(&again).expect(0).says(&["nothing to change"]);
}

#[test]
fn stats_need_a_server() {
    let site = Site::new(&SHARED.get());
    site.run(&["stats"]).expect(12).says(&["estelam serve"]);
    let server = site.serve();
    site.run(&["stats"]).expect(0).says(&["OCSP answers"]);
    server.kill();
    // Its socket is still there, and nobody behind it.
    site.run(&["stats"]).expect(12);
}

#[test]
fn output_to_nobody_is_no_error_and_to_a_full_disk_is_one() {
    let site = Site::new(&SHARED.get());
    let exe = env!("CARGO_BIN_EXE_estelam");
    let script = format!("{exe} --help > /dev/full; echo $?");
    assert_eq!(
        run(std::process::Command::new("sh").args(["-c", &script]))
            .stdout
            .trim(),
        "1"
    );
    let config = site.path("estelam.toml");
    let script = format!(
        "{exe} check --config {} > /dev/full; echo $?",
        text(&config)
    );
    assert_eq!(
        run(std::process::Command::new("sh").args(["-c", &script]))
            .stdout
            .trim(),
        "11"
    );
    let script = format!("{exe} check --config {} | true", text(&config));
    let said = run(std::process::Command::new("bash").args(["-c", &script]));
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
}
