//! `profile` of an issuer: what is refused at the start, what is never told, and what every answer carries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::answer::Answer;
use crate::common::judge::{Case, judge_with_gnutls, judge_with_openssl};
use crate::common::tools::{run, text, tool};
use crate::common::{Hash, OpensslCa, Plan, Server, Settings, Site, Status, request_of};

/// A CA with certificates: good, revoked for keyCompromise, on hold, revoked without a reason, revoked with an
/// invalidityDate. Their serials in this order.
fn ca() -> (Arc<OpensslCa>, Vec<String>) {
    let ca = OpensslCa::new(Plan {
        every_form: false,
        bulk: 0,
    });
    let serials = ca.issue(5, "-rand_serial");
    for (serial, how) in serials[1..].iter().zip([
        "-crl_reason keyCompromise",
        "-crl_reason certificateHold",
        "",
        "-crl_compromise 20251224180000Z",
    ]) {
        ca.revoke(serial, how);
    }
    (Arc::new(ca), serials)
}

fn settings(lines: &str) -> Settings {
    Settings {
        issuer: lines.to_owned(),
        ..Settings::default()
    }
}

fn ask(server: &Server, hash: Hash, serial: &str) -> Answer {
    Answer::of(&server.ask(hash, serial))
}

#[test]
fn what_the_baseline_requirements_forbid_is_never_told() {
    let (ca, serials) = ca();
    let site = Site::with(&ca, &settings("profile = \"br\""));
    site.run(&["check"]).expect(0);
    site.import_index().expect(0);
    let server = site.serve();
    let [good, compromised, on_hold, without_reason, _] = &serials[..] else {
        panic!("five")
    };
    for hash in Hash::ALL {
        // It issues CAs: that is what its certificate says. So a reason is always told.
        for serial in [on_hold, without_reason] {
            assert_eq!(ask(&server, hash, serial), Answer::TRY_LATER, "{serial}");
        }
        assert_eq!(ask(&server, hash, good).single().status, Status::Good);
        assert!(matches!(
            ask(&server, hash, compromised).single().status,
            Status::Revoked {
                reason: Some(1),
                ..
            }
        ));
    }
    // Told once, with what to do.
    server.wait_for("BR §");

    // The operator is told at once, and nothing is recorded.
    let holds = "knows no certificateHold (BR §4.9.13)";
    site.run(&["hold", good]).expect(7).says(&[good, holds]);
    site.run(&["revoke", good, "--reason", "aACompromise"])
        .expect(7)
        .says(&["BR §7.2.2"]);
    site.run(&["revoke", good])
        .expect(7)
        .says(&["wants a reason"]);
    assert_eq!(ask(&server, Hash::Sha1, good).single().status, Status::Good);

    // What is corrected is told.
    site.run(&["revoke", on_hold, "--reason", "superseded"])
        .expect(0);
    let status = ask(&server, Hash::Sha256, on_hold).single().status.clone();
    assert!(matches!(
        status,
        Status::Revoked {
            reason: Some(4),
            ..
        }
    ));
    server.terminate().expect(0);

    // Without the profile all of them are told.
    site.configure(&settings("profile = \"private\""));
    let server = site.serve_settled();
    assert!(matches!(
        ask(&server, Hash::Sha1, without_reason).single().status,
        Status::Revoked { reason: None, .. }
    ));
    server.terminate().expect(0);
}

#[test]
fn signers_and_settings_that_do_not_fit_stop_the_start() {
    let (ca, _) = ca();
    ca.new_delegate("odd", "delegate_without_nocheck", "");
    let odd = |profile: &str| Settings {
        issuer: format!("profile = \"{profile}\""),
        ..Settings::with_signer("odd.pem", "odd.key")
    };
    let site = Site::with(&ca, &odd("br"));
    let words = ["odd.pem", "BR §7.1.2.8", "id-pkix-ocsp-nocheck"];
    site.run(&["check"]).expect(4).says(&words);
    site.start_fails(site.command(&["serve"]))
        .expect(4)
        .says(&words);
    site.configure(&odd("etsi-qualified"));
    site.run(&["check"]).expect(0);

    for (lines, words) in [
        (
            "profile = \"etsi-qualified\"\nkeep_expired = \"10y\"",
            "EN 319 411-2 §6.3.10",
        ),
        (
            "profile = \"etsi-qualified\"\narchive_cutoff = false",
            "archiveCutoff",
        ),
        (
            "profile = \"etsi-qualified\"\ncache_max_age = \"2h\"",
            "60 minutes",
        ),
        (
            "profile = \"br\"\nevidence = \"feed\"\nnot_issued = \"good\"",
            "BR §4.9.9",
        ),
        ("profile = \"bar\"", "did you mean `br`"),
    ] {
        site.configure(&settings(lines));
        let said = site.run(&["check"]).expect(3);
        said.says(&[words]);
    }
}

/// OpenSSL and GnuTLS verify what carries archiveCutoff, and OpenSSL reads it.
#[test]
fn qualified_answers_say_how_far_back_they_reach() {
    let (ca, serials) = ca();
    // Signed ahead without it, and so signed afresh.
    let site = Site::imported(&ca);
    site.serve_settled().terminate().expect(0);
    site.configure(&settings("profile = \"etsi-qualified\""));
    let server = site.serve();
    wait_for_archive_cutoff(&server, &serials, true);
    let mut dates = tool("openssl");
    dates.args([
        "x509",
        "-in",
        text(&ca.path("ca.pem")),
        "-noout",
        "-startdate",
    ]);
    let said = run(&mut dates).expect(0).stdout;
    let begun = said.trim().strip_prefix("notBefore=").expect("a date");
    for certificate in ca.certificates() {
        // The last hash is signed live.
        for hash in Hash::ALL {
            let request = request_of(&ca, hash, &[&certificate.serial]);
            let response = server.ask(hash, &certificate.serial);
            let case = Case {
                certificate: certificate.clone(),
                hash,
                request,
                response,
            };
            judge_with_openssl(&ca, &case);
            judge_with_gnutls(&ca, &case);
            let shown = shown_by_openssl(&case.response);
            let (_, cutoff) = shown
                .split_once("OCSP Archive Cutoff: ")
                .expect("it is there");
            assert!(cutoff.trim_start().starts_with(begun), "{shown}");
            let has_date = certificate.serial == serials[4];
            assert_eq!(shown.contains("Invalidity Date"), has_date, "{shown}");
        }
    }
    // What was never issued is in no archive.
    assert_eq!(ask(&server, Hash::Sha1, "EE"), Answer::UNAUTHORIZED);
    server.terminate().expect(0);

    // Of one that keeps them for a time, producedAt less that; nobody else's answers have it.
    site.configure(&settings("archive_cutoff = true\nkeep_expired = \"1h\""));
    let server = site.serve();
    wait_for_archive_cutoff(&server, &serials, true);
    server.terminate().expect(0);
    site.configure(&settings(""));
    let server = site.serve();
    wait_for_archive_cutoff(&server, &serials, false);
    server.terminate().expect(0);
}

/// Until all that is signed ahead has it, or nothing has.
#[track_caller]
fn wait_for_archive_cutoff(server: &Server, serials: &[String], wanted: bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let is_so = |serial: &String| {
            let has = |hash| {
                let response = server.ask(hash, serial);
                shown_by_openssl(&response).contains("OCSP Archive Cutoff")
            };
            Hash::BOTH.into_iter().all(|hash| has(hash) == wanted)
        };
        if serials.iter().all(is_so) {
            return;
        }
        assert!(Instant::now() < deadline, "nothing is signed afresh");
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

fn shown_by_openssl(response: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), response).expect("a response");
    let mut command = tool("openssl");
    command.args([
        "ocsp",
        "-respin",
        text(file.path()),
        "-resp_text",
        "-noverify",
    ]);
    run(&mut command).expect(0).stdout
}
