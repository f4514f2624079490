//! The whole story: a CA that `openssl ca` drives, and every client gets right answers about it.

use crate::common::answer::Single;
use crate::common::ask::{cert_id, get_paths, request_of_cert_ids};
use crate::common::clock::{generalized_time, now};
use crate::common::judge::{
    Case, ask_with_openssl, judge_ca_signed_with_gnutls, judge_with_gnutls, judge_with_openssl,
    judge_with_python,
};
use crate::common::tools::{read_text, run, text, tool};
use crate::common::{
    Answer, Certificate, Hash, OpensslCa, Plan, SHARED, Server, Settings, Site, Status, request_of,
};

#[test]
fn a_ca_of_openssl_is_served_from_its_folder_to_every_client() {
    let ca = SHARED.get();
    let site = Site::new(&ca);
    init(&site);
    site.run(&["check"]).expect(0).says(&["ca", "signer"]);
    site.import_index().expect(0).says(&["imported"]);
    let server = site.serve_settled();

    let certificates = ca.certificates();
    let cases = ask_by_get_and_post(&ca, &server, &certificates);
    judge_with_python(&ca, "ocsp.pem", &cases, 40);
    // Processes of their own for each answer: every certificate that exists, and some lines.
    let exists = |case: &&Case| case.certificate.pem.is_some();
    let sample = cases.iter().filter(exists).chain(cases.iter().step_by(101));
    for case in sample {
        judge_with_openssl(&ca, case);
        judge_with_gnutls(&ca, case);
    }
}

/// Replaces the configuration by what `estelam init` writes.
fn init(site: &Site) {
    let file = |name| site.ca.path(name);
    std::fs::remove_file(site.path("estelam.toml")).unwrap();
    site.run(&[
        "init",
        "--issuer-certificate",
        text(&file("ca.pem")),
        "--signer-certificate",
        text(&file("ocsp.pem")),
        "--signer-key",
        text(&file("ocsp.key")),
    ])
    .expect(0);
    let path = site.path("estelam.toml");
    let config = read_text(&path);
    assert!(
        config.contains("127.0.0.1:8080"),
        "the default listener: {config}"
    );
    std::fs::write(&path, config.replace("127.0.0.1:8080", "127.0.0.1:0")).unwrap();
}

/// Asks about every certificate with both hashes, in all ways; the bodies have to be the same.
fn ask_by_get_and_post(ca: &OpensslCa, server: &Server, certificates: &[Certificate]) -> Vec<Case> {
    let mut connection = server.connect();
    let mut cases = Vec::new();
    for certificate in certificates {
        for hash in Hash::BOTH {
            let request = request_of(ca, hash, &[&certificate.serial]);
            let posted = connection.post("/ocsp", &request);
            let (_, path) = get_paths("/ocsp", &request).swap_remove(1);
            let got = connection.get(&path);
            assert_eq!((posted.status, got.status), (200, 200));
            assert_eq!(posted.body, got.body, "{} by {path}", certificate.serial);
            assert_eq!(
                Answer::of(&got.body).single().status,
                certificate.status,
                "{certificate:?}"
            );
            let certificate = certificate.clone();
            cases.push(Case {
                certificate,
                hash,
                request,
                response: got.body,
            });
        }
    }
    cases
}

#[test]
fn clients_that_follow_the_url_accept_what_they_get() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve();
    for certificate in ca.certificates() {
        let Some(pem) = &certificate.pem else {
            continue;
        };
        for hash in Hash::BOTH {
            let told = ask_with_openssl(&ca, &server.url(), hash, &certificate.serial);
            assert_eq!(told.as_ref(), Ok(&certificate.status), "{certificate:?}");
        }
        let mut command = tool("ocsptool");
        command.args([&format!("--ask={}", server.url()), "--load-cert", text(pem)]);
        let (issuer, signer) = (ca.path("ca.pem"), ca.path("ocsp.pem"));
        command.args([
            "--load-issuer",
            text(&issuer),
            "--load-signer",
            text(&signer),
        ]);
        let revoked = matches!(certificate.status, Status::Revoked { .. });
        let status = if revoked {
            "Certificate Status: revoked"
        } else {
            "Certificate Status: good"
        };
        run(&mut command).says(&["Verifying OCSP Response: Success", status]);
    }
}

#[test]
fn a_revocation_is_visible_when_the_command_returns() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve();
    let good: Vec<Certificate> = good(&ca).take(20).collect();
    let reasons = [
        (None, None),
        (Some("unspecified"), None),
        (Some("keyCompromise"), Some(1)),
        (Some("cACompromise"), Some(2)),
        (Some("affiliationChanged"), Some(3)),
        (Some("superseded"), Some(4)),
        (Some("cessationOfOperation"), Some(5)),
        (Some("privilegeWithdrawn"), Some(9)),
        (Some("aACompromise"), Some(10)),
    ];
    let mut cases = Vec::new();
    for (certificate, (reason, number)) in good.iter().zip(reasons) {
        let before = now();
        let mut arguments = vec!["revoke", &certificate.serial];
        arguments.extend(reason.iter().flat_map(|reason| ["--reason", reason]));
        site.run(&arguments)
            .expect(0)
            .says(&["visible in OCSP now"]);
        let times = generalized_time(before)..=generalized_time(now());
        for hash in Hash::BOTH {
            let response = server.ask(hash, &certificate.serial);
            let Single { status, .. } = Answer::of(&response).single().clone();
            let Status::Revoked { time, reason } = &status else {
                panic!("{status:?}")
            };
            assert!(times.contains(time), "{time} is not when it was revoked");
            assert_eq!(*reason, number);
            let request = request_of(&ca, hash, &[&certificate.serial]);
            let certificate = Certificate {
                status,
                ..certificate.clone()
            };
            cases.push(Case {
                certificate,
                hash,
                request,
                response,
            });
        }
    }
    judge_with_python(&ca, "ocsp.pem", &cases, 1);
    for case in &cases {
        judge_with_openssl(&ca, case);
        judge_with_gnutls(&ca, case);
    }
}

#[test]
fn a_revocation_keeps_the_times_that_it_is_given() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve();
    site.settle();
    let certificate = good(&ca).nth(30).unwrap();
    site.run(&[
        "revoke",
        &certificate.serial,
        "--reason",
        "keyCompromise",
        "--revocation-time",
        "2026-03-21T08:30:00Z",
        "--invalidity-date",
        "2026-03-20T00:00:00Z",
    ])
    .expect(0);
    site.settle();
    let time = "20260321083000Z".to_owned();
    let revoked = Certificate {
        status: Status::Revoked {
            time,
            reason: Some(1),
        },
        invalidity_date: Some("20260320000000Z".to_owned()),
        ..certificate
    };
    let cases = ask_by_get_and_post(&ca, &server, &[revoked]);
    judge_with_python(&ca, "ocsp.pem", &cases, 1);
}

#[test]
fn a_hold_can_be_released_and_a_revocation_cannot() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve();
    let mut certificates = good(&ca);
    let (held, revoked) = (certificates.next().unwrap(), certificates.next().unwrap());
    let reason_of =
        |serial: &str| match &Answer::of(&server.ask(Hash::Sha1, serial)).single().status {
            Status::Revoked { reason, .. } => Some(*reason),
            Status::Good => None,
            Status::Unknown => panic!("unknown"),
        };

    site.run(&["hold", &held.serial]).expect(0);
    assert_eq!(reason_of(&held.serial), Some(Some(6)));
    site.run(&["release", &held.serial]).expect(0);
    assert_eq!(reason_of(&held.serial), None);
    site.run(&["hold", &held.serial]).expect(0);
    site.run(&["revoke", &held.serial, "--reason", "superseded"])
        .expect(0);
    assert_eq!(reason_of(&held.serial), Some(Some(4)));

    site.run(&["revoke", &revoked.serial]).expect(0);
    site.run(&["release", &revoked.serial])
        .expect(7)
        .says(&[&revoked.serial]);
    assert_eq!(reason_of(&revoked.serial), Some(None));
    drop(server.terminate().expect(0));
    let server = site.serve();
    for serial in [&held.serial, &revoked.serial] {
        let answer = Answer::of(&server.ask(Hash::Sha256, serial));
        assert!(
            matches!(answer.single().status, Status::Revoked { .. }),
            "{answer:?}"
        );
    }
}

#[test]
fn a_revocation_without_a_server_is_visible_at_the_next_start() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    // Once with segments signed before the revocation, once before anything was signed.
    for certificate in good(&ca).take(2) {
        site.run(&["revoke", &certificate.serial, "--reason", "superseded"])
            .expect(0)
            .says(&["next start"]);
        let server = site.serve();
        let told = ask_with_openssl(&ca, &server.url(), Hash::Sha256, &certificate.serial);
        assert!(
            matches!(
                told,
                Ok(Status::Revoked {
                    reason: Some(4),
                    ..
                })
            ),
            "{told:?}"
        );
        server.terminate().expect(0);
    }
}

#[test]
fn several_certificates_are_answered_in_one_response() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve();
    let certificates = ca.certificates();
    let asked: Vec<&Certificate> = certificates.iter().step_by(499).take(8).collect();
    let cert_ids: Vec<_> = asked
        .iter()
        .enumerate()
        .map(|(number, it)| cert_id(&ca, Hash::BOTH[number % 2], &it.serial))
        .collect();
    let reply = server
        .connect()
        .post("/ocsp", &request_of_cert_ids(&cert_ids));
    let Answer::Basic { singles, .. } = Answer::of(&reply.body) else {
        panic!("{:?}", Answer::of(&reply.body))
    };
    // Each CertID is echoed octet for octet, in the order asked.
    let told: Vec<_> = singles
        .iter()
        .map(|single| (&single.cert_id, &single.status))
        .collect();
    let expected: Vec<_> = cert_ids
        .iter()
        .zip(asked.iter().map(|it| &it.status))
        .collect();
    assert_eq!(told, expected);

    let mut command = tool("openssl");
    let file = ca.path("ca.pem");
    command.args([
        "ocsp",
        "-url",
        &server.url(),
        "-issuer",
        text(&file),
        "-CAfile",
        text(&file),
    ]);
    for certificate in &asked {
        command.args(["-serial", &format!("0x{}", certificate.serial)]);
    }
    let said = run(&mut command).expect(0).says(&["Response verify OK"]);
    for certificate in &asked {
        let status = if certificate.status == Status::Good {
            "good"
        } else {
            "revoked"
        };
        let line = format!("0x{}: {status}", certificate.serial);
        assert!(said.stdout.contains(&line), "{line}: {said}");
    }

    // One more than the limit, and one that was never issued among others.
    let nine = vec![cert_ids[0].clone(); 9];
    let reply = server.connect().post("/ocsp", &request_of_cert_ids(&nine));
    assert_eq!(Answer::of(&reply.body), Answer::MALFORMED_REQUEST);
    let stranger = cert_id(&ca, Hash::Sha1, NEVER_ISSUED);
    let reply = server.connect().post(
        "/ocsp",
        &request_of_cert_ids(&[cert_ids[0].clone(), stranger]),
    );
    assert_eq!(Answer::of(&reply.body), Answer::UNAUTHORIZED);
}

#[test]
fn what_was_never_issued_gets_what_the_issuer_chose() {
    let ca = SHARED.get();
    for policy in ["unauthorized", "unknown", "extended_revoked"] {
        let issuer = format!("not_issued = \"{policy}\"");
        let site = Site::with(
            &ca,
            &Settings {
                issuer,
                ..Settings::default()
            },
        );
        site.import_index().expect(0);
        let server = site.serve();
        // The last is longer than RFC 5280 allows a serial to be.
        for serial in [NEVER_ISSUED, "00", &"7F".repeat(20), &"7F".repeat(21)] {
            for hash in Hash::BOTH {
                let response = server.ask(hash, serial);
                let answer = Answer::of(&response);
                match policy {
                    "unauthorized" => assert_eq!(answer, Answer::UNAUTHORIZED, "{serial}"),
                    "unknown" => assert_eq!(answer.single().status, Status::Unknown, "{serial}"),
                    _ => {
                        let time = "19700101000000Z".to_owned();
                        let expected = Status::Revoked {
                            time,
                            reason: Some(6),
                        };
                        assert_eq!(answer.single().status, expected, "{serial}");
                        let Answer::Basic { extensions, .. } = answer else {
                            unreachable!()
                        };
                        let found = extensions.expect("extended-revoke");
                        assert_eq!(found, EXTENDED_REVOKE, "{found:02x?}");
                    }
                }
            }
        }
    }
}

/// Extensions with extended-revoke alone (RFC 6960 §4.4.8): a NULL, not critical.
const EXTENDED_REVOKE: [u8; 19] = [
    0x30, 0x11, 0x30, 0x0f, 0x06, 0x09, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 9, 0x04, 0x02, 0x05, 0x00,
];

#[test]
fn a_ca_may_sign_its_answers_itself() {
    let ca = SHARED.get();
    let site = Site::with(&ca, &Settings::with_signer("ca.pem", "ca.key"));
    site.import_index().expect(0);
    let server = site.serve_settled();
    let some: Vec<Certificate> = ca.certificates().into_iter().step_by(211).collect();
    let cases = ask_by_get_and_post(&ca, &server, &some);
    judge_with_python(&ca, "ca.pem", &cases, 5);
    for case in &cases {
        judge_with_openssl(&ca, case);
        judge_ca_signed_with_gnutls(&ca, case);
    }
}

#[test]
fn a_certificate_issued_and_revoked_later_arrives_with_the_next_import() {
    let ca = std::sync::Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 50,
    }));
    let site = Site::imported(&ca);
    let server = site.serve();
    let serials = ca.issue(3, "-rand_serial");
    for serial in &serials {
        assert_eq!(
            Answer::of(&server.ask(Hash::Sha1, serial)),
            Answer::UNAUTHORIZED
        );
    }
    ca.revoke(&serials[1], "-crl_reason superseded");
    ca.revoke(
        &ca.certificates()[0].serial.clone(),
        "-crl_reason cessationOfOperation",
    );
    site.import_index().expect(0);
    for certificate in ca.certificates() {
        server.answers(&certificate);
    }
}

/// Serials are an issuer's own: two CAs of one name use the same ones, and differ in their keys.
#[test]
fn two_cas_with_the_same_serials_are_kept_apart() {
    let plan = Plan {
        every_form: false,
        bulk: 40,
    };
    let (one, other) = (
        std::sync::Arc::new(OpensslCa::new(plan)),
        OpensslCa::new(plan),
    );
    let site = Site::new(&one);
    let mut config = read_text(&site.path("estelam.toml"));
    config.push_str(&format!(
        "[[issuer]]\nname = \"other\"\ncertificate = {:?}\n[[issuer.signer]]\ncertificate = {:?}\n\
         key = {:?}\n",
        other.path("ca.pem"),
        other.path("ocsp.pem"),
        other.path("ocsp.key"),
    ));
    std::fs::write(site.path("estelam.toml"), config).unwrap();
    site.import_index().expect(2).says(&["--issuer", "other"]);
    let import = |ca: &OpensslCa, name| {
        let index = ca.path("index.txt");
        site.run(&["import", "index", text(&index), "--issuer", name])
            .expect(0);
    };
    import(&one, "ca");
    let server = site.serve();
    let serials: Vec<String> = good(&one).map(|certificate| certificate.serial).collect();
    let status = |ca: &OpensslCa, hash, serial: &str| {
        let request = request_of(ca, hash, &[serial]);
        Answer::of(&server.connect().post("/ocsp", &request).body)
    };
    for serial in &serials {
        assert_eq!(
            status(&one, Hash::Sha1, serial).single().status,
            Status::Good
        );
        assert_eq!(status(&other, Hash::Sha1, serial), Answer::UNAUTHORIZED);
    }
    import(&other, "other");
    for (number, serial) in serials.iter().enumerate() {
        let (name, untouched) = if number % 2 == 0 {
            ("ca", &other)
        } else {
            ("other", &*one)
        };
        site.run(&["revoke", serial, "--issuer", name]).expect(0);
        for hash in Hash::BOTH {
            for ca in [&*one, &other] {
                let answer = status(ca, hash, serial);
                let good = answer.single().status == Status::Good;
                assert_eq!(good, std::ptr::eq(ca, untouched), "{name} {serial}");
                let starts_with = ca.cert_id_start(hash);
                assert!(
                    answer
                        .single()
                        .cert_id
                        .windows(starts_with.len())
                        .any(|it| it == starts_with)
                );
            }
        }
    }
    // One signature cannot speak for both.
    let both = [
        cert_id(&one, Hash::Sha1, &serials[0]),
        cert_id(&other, Hash::Sha1, &serials[0]),
    ];
    let reply = server.connect().post("/ocsp", &request_of_cert_ids(&both));
    assert_eq!(Answer::of(&reply.body), Answer::UNAUTHORIZED);
}

#[test]
fn the_judges_themselves_notice_a_wrong_status() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve_settled();
    let certificate = good(&ca).next().unwrap();
    let mut case = ask_by_get_and_post(&ca, &server, &[certificate]).swap_remove(0);
    case.certificate.status = Status::Revoked {
        time: "20260101000000Z".to_owned(),
        reason: None,
    };
    type Judge = fn(&OpensslCa, &Case);
    let judges: [Judge; 3] = [judge_with_openssl, judge_with_gnutls, |ca, case| {
        judge_with_python(ca, "ocsp.pem", std::slice::from_ref(case), 1);
    }];
    for judge in judges {
        let judged = std::panic::catch_unwind(|| judge(&ca, &case));
        assert!(judged.is_err(), "a judge did not notice");
    }
}

/// Certificates that are good, the ones that `openssl ca` issued first.
fn good(ca: &OpensslCa) -> impl Iterator<Item = Certificate> {
    let mut certificates = ca.certificates();
    certificates.retain(|certificate| certificate.status == Status::Good);
    // The first of all is the delegate.
    certificates.into_iter().skip(1)
}

/// Not in any `index.txt` of these tests.
const NEVER_ISSUED: &str = "0BADC0DE0BADC0DE";
