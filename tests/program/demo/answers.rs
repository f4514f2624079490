//! What clients get from a demo.

use crate::common::answer::Answer;
use crate::common::demo::{DemoIssuer, status_of};
use crate::common::judge::{
    Case, judge_below_with_openssl, judge_delegate_with_gnutls, judge_files_with_python,
};
use crate::common::tools::{python, run, text};
use crate::common::{Certificate, Connection, Demo, Hash, Status};

#[test]
fn every_line_of_every_inventory_is_what_is_answered() {
    let demo = Demo::place();
    let server = demo.serve(&["--certs", "2500"]);
    let mut connection = server.connect();
    let mut asked = 0;
    for issuer in demo.issuers() {
        for (serial, status) in &issuer.inventory {
            for hash in Hash::BOTH {
                let answer = ask(&mut connection, &issuer, hash, serial);
                assert_eq!(
                    answer.single().status,
                    *status,
                    "{} {serial}",
                    issuer.name()
                );
                asked += 1;
            }
        }
        for certificate in issuer.certs() {
            let serial = certificate["serial"].as_str().unwrap();
            let answer = ask(&mut connection, &issuer, Hash::Sha1, serial);
            assert_eq!(answer.single().status, status_of(certificate));
        }
        for serial in issuer.described["never_issued"].as_array().unwrap() {
            for hash in Hash::BOTH {
                let answer = ask(&mut connection, &issuer, hash, serial.as_str().unwrap());
                not_issued(&issuer, &answer);
            }
        }
    }
    // Seven intermediates and eight delegates beside.
    assert_eq!(asked, 2 * (2_500 + 15));
    // Everything was signed ahead.
    let stats = demo.estelam(&["stats", "--json"]).expect(0).json();
    let issuers = stats["authority"]["issuers"].as_array().unwrap().clone();
    assert!(
        issuers
            .iter()
            .all(|it| it["segments"] == 1 && it["unsigned"] == 0),
        "{stats:#}"
    );
    server.terminate().expect(0);
}

fn ask(connection: &mut Connection, issuer: &DemoIssuer, hash: Hash, serial: &str) -> Answer {
    let reply = connection.post("/ocsp", &issuer.request(hash, serial));
    assert_eq!(reply.status, 200, "{serial}");
    Answer::of(&reply.body)
}

fn not_issued(issuer: &DemoIssuer, answer: &Answer) {
    match issuer.described["not_issued"].as_str().unwrap() {
        "unauthorized" => assert_eq!(*answer, Answer::UNAUTHORIZED),
        "unknown" => assert_eq!(answer.single().status, Status::Unknown),
        // RFC 6960 §2.2 and §4.4.8.
        "extended_revoked" => {
            let status = Status::Revoked {
                time: "19700101000000Z".to_owned(),
                reason: Some(6),
            };
            assert_eq!(answer.single().status, status);
            let Answer::Basic { extensions, .. } = answer else {
                panic!("{answer:?}")
            };
            let extended_revoke = [0x2b, 6, 1, 5, 5, 7, 0x30, 1, 9];
            let found = extensions.as_ref().expect("extensions");
            assert!(found.windows(9).any(|octets| octets == extended_revoke));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn every_client_accepts_ec_p256() {
    every_client_accepts("ec-p256");
}

#[test]
fn every_client_accepts_ec_p384() {
    every_client_accepts("ec-p384");
}

#[test]
fn every_client_accepts_ed25519() {
    every_client_accepts("ed25519");
}

#[test]
fn every_client_accepts_rsa_2048() {
    every_client_accepts("rsa-2048");
}

#[test]
fn python_accepts_ml_dsa_44() {
    python_accepts("ml-dsa-44");
}

#[test]
fn python_accepts_ml_dsa_65() {
    python_accepts("ml-dsa-65");
}

/// Python alone knows ML-DSA, by the OpenSSL that it brings: it follows the chain from the root, judges the
/// answer about every certificate that has a name, and verifies each CRL.
fn python_accepts(key_type: &str) {
    let demo = Demo::place();
    let server = demo.serve(&["--certs", "40", "--key-type", key_type]);
    let mut connection = server.connect();
    for issuer in demo.issuers() {
        assert_eq!(issuer.described["key_type"], key_type);
        let mut cases = Vec::new();
        for described in issuer.certs() {
            let certificate = Certificate {
                serial: described["serial"].as_str().unwrap().to_owned(),
                status: status_of(described),
                invalidity_date: None,
                pem: None,
            };
            for hash in Hash::BOTH {
                let request = issuer.request(hash, &certificate.serial);
                let response = connection.post("/ocsp", &request).body;
                cases.push(Case {
                    certificate: certificate.clone(),
                    hash,
                    request,
                    response,
                });
            }
        }
        judge_files_with_python(&issuer.certificate, &issuer.responder, &cases, 2);

        let mut crls = Vec::new();
        for url in crl_urls(&issuer.described["crl"]) {
            let path = url.splitn(4, '/').nth(3).expect("a path");
            let reply = connection.get(&format!("/{path}"));
            assert_eq!(reply.status, 200, "{url}");
            let file = demo.around().join(format!("{}.crl", crls.len()));
            std::fs::write(&file, &reply.body).unwrap();
            crls.push(file);
        }
        let mut verify = python();
        verify.args([
            "-c",
            include_str!("ml_dsa.py"),
            text(&demo.path("root.pem")),
        ]);
        verify.args([&issuer.certificate, &issuer.responder]);
        let said = run(verify.args(&crls)).expect(0);
        assert_eq!(said.stdout.trim(), format!("{} CRLs", crls.len()), "{said}");
    }
    server.terminate().expect(0);
}

/// Wherever `demo.json` has them.
fn crl_urls(described: &serde_json::Value) -> Vec<String> {
    match described {
        serde_json::Value::String(url) => vec![url.clone()],
        serde_json::Value::Array(all) => all.iter().flat_map(crl_urls).collect(),
        serde_json::Value::Object(all) => all.values().flat_map(crl_urls).collect(),
        _ => Vec::new(),
    }
}

/// OpenSSL, GnuTLS and Python judge the answer about every certificate that has a name, and pkilint
/// those of SHA-1.
fn every_client_accepts(key_type: &str) {
    let demo = Demo::place();
    let server = demo.serve(&["--certs", "40", "--key-type", key_type]);
    let mut connection = server.connect();
    let root = demo.path("root.pem");
    for issuer in demo.issuers() {
        assert_eq!(issuer.described["key_type"], key_type);
        let mut cases = Vec::new();
        for described in issuer.certs() {
            let certificate = Certificate {
                serial: described["serial"].as_str().unwrap().to_owned(),
                status: status_of(described),
                invalidity_date: None,
                pem: None,
            };
            for hash in Hash::BOTH {
                let request = issuer.request(hash, &certificate.serial);
                let response = connection.post("/ocsp", &request).body;
                cases.push(Case {
                    certificate: certificate.clone(),
                    hash,
                    request,
                    response,
                });
            }
        }
        for case in &cases {
            judge_below_with_openssl(&root, &issuer.certificate, case);
            judge_delegate_with_gnutls(&issuer.certificate, case);
        }
        judge_files_with_python(&issuer.certificate, &issuer.responder, &cases, 2);
    }
}
