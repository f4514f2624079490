//! Answers signed on a token.

use std::fs;
use std::sync::Arc;

use super::hsm::SoftHsm;
use crate::common::judge::{
    Case, judge_pss_with_python, judge_with_gnutls, judge_with_openssl, judge_with_python,
};
use crate::common::{Hash, OpensslCa, Plan, Server, request_of};

fn ca() -> Arc<OpensslCa> {
    Arc::new(OpensslCa::new(Plan {
        every_form: true,
        bulk: 300,
    }))
}

fn answers(ca: &OpensslCa, server: &Server) -> Vec<Case> {
    let mut cases = Vec::new();
    for certificate in ca.certificates().into_iter().take(12) {
        for hash in [Hash::Sha1, Hash::Sha256] {
            let request = request_of(ca, hash, &[&certificate.serial]);
            let response = server.ask(hash, &certificate.serial);
            cases.push(Case {
                certificate: certificate.clone(),
                hash,
                request,
                response,
            });
        }
    }
    cases
}

/// Other people's clients accept every answer.
fn judge(ca: &OpensslCa, server: &Server, name: &str) {
    let cases = answers(ca, server);
    for case in &cases {
        judge_with_openssl(ca, case);
        judge_with_gnutls(ca, case);
    }
    judge_with_python(ca, &format!("{name}.pem"), &cases, 5);
}

#[test]
fn every_client_accepts_what_a_token_signed() {
    let (hsm, ca) = (SoftHsm::new(), ca());
    for (key_type, lines) in [
        ("ec-p256", "in_process = true"),
        ("ec-p384", ""),
        ("ed25519", "in_process = true"),
        ("rsa-2048", "in_process = true"),
    ] {
        let key = hsm.delegate(&ca, key_type, key_type);
        let site = hsm.site(&ca, key_type, &key, lines);
        hsm.run_at(&site, &["check"]).expect(0);
        site.import_index().expect(0);
        let server = hsm.serve(&site);
        site.settle();
        judge(&ca, &server, key_type);
        server.terminate().expect(0);
    }
}

#[test]
fn an_rsa_key_on_a_token_signs_as_it_is_told() {
    let (hsm, ca) = (SoftHsm::new(), ca());
    let told = |key: &str, name: &str, signature: &str, lines: &str| {
        let site = hsm.site(&ca, name, key, lines);
        let settings = fs::read_to_string(site.path("estelam.toml")).unwrap();
        let settings = format!("{settings}signature = \"{signature}\"\n");
        fs::write(site.path("estelam.toml"), settings).unwrap();
        site
    };
    for (signature, lines) in [("pss", "in_process = true"), ("pss-sha384", "")] {
        let key = hsm.delegate(&ca, signature, "rsa-2048");
        let site = told(&key, signature, signature, lines);
        hsm.run_at(&site, &["check"]).expect(0);
        site.import_index().expect(0);
        let server = hsm.serve(&site);
        site.settle();
        let cases = answers(&ca, &server);
        for case in &cases {
            judge_with_openssl(&ca, case);
        }
        // GnuTLS 3.7 takes the other for this one (it reads no parameters in OCSP), and Python is told to.
        if signature == "pss" {
            cases.iter().for_each(|case| judge_with_gnutls(&ca, case));
            judge_pss_with_python(&ca, "pss.pem", &cases, 5);
        }
        server.terminate().expect(0);
    }
    let key = hsm.delegate(&ca, "ec", "ec-p256");
    let site = told(&key, "ec", "pss", "");
    hsm.run_at(&site, &["check"])
        .expect(4)
        .says(&["is no RSA key", "leave it out"]);
}

/// A token that is away at the start is taken when it comes.
#[test]
fn the_server_starts_without_its_token() {
    let (hsm, ca) = (SoftHsm::new(), ca());
    let key = hsm.delegate(&ca, "on-token", "ec-p256");
    let site = hsm.site(&ca, "on-token", &key, "in_process = true");
    site.import_index().expect(0);
    fs::rename(hsm.path("tokens"), hsm.path("away")).unwrap();
    fs::create_dir(hsm.path("tokens")).unwrap();
    hsm.run_at(&site, &["check"])
        .expect(4)
        .says(&["no token with label \"hsm\""]);
    let server = hsm.serve(&site);
    server.wait_for("no token with label \"hsm\"");
    fs::remove_dir(hsm.path("tokens")).unwrap();
    fs::rename(hsm.path("away"), hsm.path("tokens")).unwrap();
    server.wait_for("the signing key is back");
    site.settle();
    judge(&ca, &server, "on-token");
    server.terminate().expect(0);
}

/// A PIN that was refused is not tried again; another one is.
#[test]
fn a_wrong_pin_is_tried_once_until_it_is_another() {
    use super::hsm::{PIN, SHIM, SOFTHSM};
    let (hsm, ca) = (SoftHsm::new(), ca());
    let key = hsm.delegate(&ca, "on-token", "ec-p256");
    hsm.write_pin("hunter2");
    let module = SHIM.module();
    let site = hsm.site_with_module(
        &ca,
        "on-token",
        &key,
        module.to_str().unwrap(),
        "in_process = true",
    );
    let mut command = site.command(&["serve"]);
    hsm.among(&mut command);
    let log = hsm.path("calls");
    command.env("SHIM_MODULE", SOFTHSM).env("SHIM_LOG", &log);
    site.import_index().expect(0);
    let server = site.serve_by(command);
    // It is told again each time that the server looks for its key, and that comes from memory.
    server.wait_for("still without the signing key");
    let logins = || {
        let calls = fs::read_to_string(&log).unwrap();
        calls.lines().filter(|call| *call == "C_Login").count()
    };
    assert_eq!(logins(), 1);
    hsm.write_pin(PIN);
    server.wait_for("the signing key is back");
    assert_eq!(logins(), 2);
    site.settle();
    judge(&ca, &server, "on-token");
    let said = server.terminate().expect(0);
    for secret in ["hunter2", PIN] {
        assert!(!said.stderr.contains(secret), "{said}");
    }
}
