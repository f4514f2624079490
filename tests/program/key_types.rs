//! Every type of key that may sign, delegated and by the CA itself, judged by everybody else's clients.
//! P-256 is what every other test uses.

use std::process::Command;
use std::sync::Arc;

use crate::common::ask::{cert_id, get_paths, request_of_cert_ids};
use crate::common::judge::{
    Case, judge_by_name_with_python, judge_ca_signed_with_gnutls, judge_pss_with_python,
    judge_several_with_openssl, judge_several_with_python, judge_with_gnutls, judge_with_openssl,
    judge_with_python,
};
use crate::common::tools::{python, run, text};
use crate::common::{
    Answer, Certificate, Hash, KeyType, OpensslCa, Plan, Server, Settings, Site, Status, request_of,
};

#[test]
fn ec_p384() {
    every_client_accepts(KeyType::EcP384);
}

#[test]
fn ed25519() {
    every_client_accepts(KeyType::Ed25519);
}

#[test]
fn rsa_2048() {
    every_client_accepts(KeyType::Rsa2048);
}

#[test]
fn rsa_3072() {
    every_client_accepts(KeyType::Rsa3072);
}

#[test]
fn rsa_4096() {
    every_client_accepts(KeyType::Rsa4096);
}

#[test]
fn rsa_pss_2048() {
    every_client_accepts(KeyType::RsaPss2048);
}

fn every_client_accepts(key_type: KeyType) {
    let ca = ca_of(key_type);
    for (certificate, key) in [("ocsp.pem", "ocsp.key"), ("ca.pem", "ca.key")] {
        let site = Site::with(&ca, &Settings::with_signer(certificate, key));
        site.run(&["check"]).expect(0);
        site.import_index().expect(0);
        let server = site.serve_settled();
        let mut certificates = ca.certificates();

        let mut cases = presigned(&ca, &server, &certificates);
        cases.extend(with_another_hash(&ca, &server, &certificates));
        // One more is revoked while the server runs: the overlay's signature.
        let last = certificates.last_mut().expect("a certificate");
        assert_eq!(last.status, Status::Good, "the last one is not revoked");
        site.run(&["revoke", &last.serial, "--reason", "superseded"])
            .expect(0);
        site.settle();
        last.status = Answer::of(&server.ask(Hash::Sha1, &last.serial))
            .single()
            .status
            .clone();
        assert!(
            matches!(
                &last.status,
                Status::Revoked {
                    reason: Some(4),
                    ..
                }
            ),
            "{last:?}"
        );
        cases.extend(presigned(&ca, &server, std::slice::from_ref(last)));

        judge_with_python(&ca, certificate, &cases, 5);
        for case in &cases {
            judge_with_openssl(&ca, case);
            if certificate == "ca.pem" {
                judge_ca_signed_with_gnutls(&ca, case);
            } else {
                judge_with_gnutls(&ca, case);
            }
        }
        let two = [certificates[1].clone(), last_but_one(&certificates)];
        let response = ask_about_several(&ca, &server, &two);
        judge_several_with_openssl(&ca, &response, &two);
        judge_several_with_python(&ca, certificate, &response, &two);
        let swapped = [two[1].clone(), two[0].clone()];
        let judged = std::panic::catch_unwind(|| {
            judge_several_with_python(&ca, certificate, &response, &swapped);
        });
        assert!(judged.is_err(), "the judge did not notice");
    }
}

/// The signer is named by its name, of the delegate and of the CA.
#[test]
fn by_name() {
    let ca = ca_of(KeyType::EcP384);
    for (certificate, key) in [("ocsp.pem", "ocsp.key"), ("ca.pem", "ca.key")] {
        let settings = Settings {
            issuer: "responder_id = \"name\"".to_owned(),
            ..Settings::with_signer(certificate, key)
        };
        let site = Site::with(&ca, &settings);
        site.import_index().expect(0);
        let server = site.serve_settled();
        let certificates = ca.certificates();
        let mut cases = presigned(&ca, &server, &certificates);
        cases.extend(with_another_hash(&ca, &server, &certificates));
        judge_by_name_with_python(&ca, certificate, &cases, 5);
        for case in &cases {
            judge_with_openssl(&ca, case);
            if certificate == "ca.pem" {
                judge_ca_signed_with_gnutls(&ca, case);
            } else {
                judge_with_gnutls(&ca, case);
            }
        }
    }
}

/// A plain RSA key signs with RSASSA-PSS where it is told to, and with nothing else.
#[test]
fn a_plain_rsa_key_signs_with_pss() {
    let ca = ca_of(KeyType::Rsa2048);
    for (certificate, key) in [("ocsp.pem", "ocsp.key"), ("ca.pem", "ca.key")] {
        let settings = Settings {
            signer_lines: "signature = \"pss\"".to_owned(),
            ..Settings::with_signer(certificate, key)
        };
        let site = Site::with(&ca, &settings);
        site.run(&["check"])
            .expect(0)
            .says(&["RSASSA-PSS with SHA-256"]);
        site.import_index().expect(0);
        let server = site.serve_settled();
        let certificates = ca.certificates();
        let mut cases = presigned(&ca, &server, &certificates);
        cases.extend(with_another_hash(&ca, &server, &certificates));
        judge_pss_with_python(&ca, certificate, &cases, 5);
        for case in &cases {
            judge_with_openssl(&ca, case);
            if certificate == "ca.pem" {
                judge_ca_signed_with_gnutls(&ca, case);
            } else {
                judge_with_gnutls(&ca, case);
            }
        }
        let judged = std::panic::catch_unwind(|| judge_with_python(&ca, certificate, &cases, 0));
        assert!(judged.is_err(), "they are signed with PKCS#1 v1.5");
    }
    // Of a key that is not RSA there is no other way.
    let settings = Settings {
        signer_lines: "signature = \"pss\"".to_owned(),
        ..Settings::default()
    };
    let site = Site::with(&ca_of(KeyType::EcP256), &settings);
    site.run(&["check"])
        .expect(4)
        .says(&["ocsp.key", "not an RSA key", "`signature`"]);
}

/// A CA that others made with ML-DSA: its delegate is taken, its certificates and CRLs are verified, and
/// others judge what is answered for it.
#[test]
fn ml_dsa_of_others() {
    for key_type in ["ml-dsa-44", "ml-dsa-65"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        let mut make = python();
        make.args([
            "-c",
            include_str!("ml_dsa_ca.py"),
            text(folder.path()),
            key_type,
        ]);
        let serial = run(&mut make).expect(0).stdout.trim().to_owned();
        std::fs::write(
            path("estelam.toml"),
            "[[listen]]\naddress = \"127.0.0.1:0\"\n[[issuer]]\nname = \"ca\"\ncertificate = \"ca.pem\"\n\
             [[issuer.signer]]\ncertificate = \"ocsp.pem\"\nkey = \"ocsp.key\"\n",
        )
        .expect("a configuration");
        let estelam = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_estelam"));
            command.args(arguments).current_dir(folder.path());
            run(command.args(["--config", "estelam.toml"]))
        };
        estelam(&["check"])
            .expect(0)
            .says(&[&key_type.to_uppercase()]);
        estelam(&["import", "certs", "leaf.pem"]).expect(0);
        let verify = |crl: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_estelam"));
            command.args(["crl", "verify", crl, "--issuer", "ca.pem"]);
            run(command.current_dir(folder.path()))
        };
        verify("ca.crl").expect(0);
        assert_ne!(verify("forged.crl").code, 0);
        assert_ne!(estelam(&["import", "crl", "forged.crl"]).code, 0);
        estelam(&["import", "crl", "ca.crl"]).expect(0);
        estelam(&["status", &serial]).expect(0).says(&["revoked"]);
        // Of another set, and so not the certificate's.
        std::fs::copy(path("ca.key"), path("ocsp.key")).expect("a key");
        estelam(&["check"]).expect(4).says(&["does not belong"]);
    }
}

/// A CA that has certificates with every kind of status.
fn ca_of(key_type: KeyType) -> Arc<OpensslCa> {
    let ca = OpensslCa::of(
        key_type,
        Plan {
            every_form: false,
            bulk: 0,
        },
    );
    let serials = ca.issue(6, "-rand_serial");
    for (serial, how) in serials.iter().zip([
        "",
        "-crl_reason keyCompromise",
        "-crl_reason certificateHold",
        "-crl_compromise 20251224180000Z",
    ]) {
        ca.revoke(serial, how);
    }
    Arc::new(ca)
}

/// Asks with both presigned hashes by GET and POST; the bodies have to be the same.
fn presigned(ca: &OpensslCa, server: &Server, certificates: &[Certificate]) -> Vec<Case> {
    let mut connection = server.connect();
    let mut cases = Vec::new();
    for certificate in certificates {
        for hash in Hash::BOTH {
            let request = request_of(ca, hash, &[&certificate.serial]);
            let posted = connection.post("/ocsp", &request);
            let (_, path) = get_paths("/ocsp", &request).swap_remove(1);
            let got = connection.get(&path);
            assert_eq!((posted.status, got.status), (200, 200));
            assert_eq!(posted.body, got.body, "{}", certificate.serial);
            cases.push(case(certificate, hash, request, got.body));
        }
    }
    cases
}

/// SHA-384 is not signed ahead of time.
fn with_another_hash(ca: &OpensslCa, server: &Server, certificates: &[Certificate]) -> Vec<Case> {
    let ask = |certificate: &Certificate| {
        let request = request_of(ca, Hash::Sha384, &[&certificate.serial]);
        let response = server.ask(Hash::Sha384, &certificate.serial);
        case(certificate, Hash::Sha384, request, response)
    };
    certificates.iter().map(ask).collect()
}

fn case(certificate: &Certificate, hash: Hash, request: Vec<u8>, response: Vec<u8>) -> Case {
    Case {
        certificate: certificate.clone(),
        hash,
        request,
        response,
    }
}

fn ask_about_several(ca: &OpensslCa, server: &Server, certificates: &[Certificate]) -> Vec<u8> {
    let cert_ids: Vec<_> = certificates
        .iter()
        .map(|certificate| cert_id(ca, Hash::Sha256, &certificate.serial))
        .collect();
    let reply = server
        .connect()
        .post("/ocsp", &request_of_cert_ids(&cert_ids));
    assert_eq!(reply.status, 200);
    reply.body
}

/// A good one, while the last was revoked.
fn last_but_one(certificates: &[Certificate]) -> Certificate {
    let found = certificates.iter().rev().nth(1).expect("several");
    assert_eq!(found.status, Status::Good);
    found.clone()
}
