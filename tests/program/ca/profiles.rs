//! Every profile under every kind of key, and the commands around it.

use serde_json::json;

use super::*;
use crate::common::tools::{python, run_with_input};

/// What OpenSSL calls the purpose of each profile.
const PROFILES: [(&str, &str); 7] = [
    ("person", "smimesign"),
    ("official", "smimesign"),
    ("tls-server", "sslserver"),
    ("tls-client", "sslclient"),
    ("code-signing", "any"),
    ("timestamping", "timestampsign"),
    ("ocsp", "ocsphelper"),
];

const OFFICIAL: &str = "CN=سارا نمونه\u{200c}پور,serialNumber=0012345678,GN=سارا,SN=نمونه\u{200c}پور,\
                        T=مدیر\u{200c}کل,organizationIdentifier=NTRIR-14000000001,O=وزارت نمونه,C=IR";

#[test]
fn others_accept_every_profile_under_every_kind_of_key() {
    let office = Office::new();
    let mut cases = Vec::new();
    for key_type in [
        "ec-p256", "ec-p384", "ed25519", "rsa-2048", "rsa-3072", "rsa-4096",
    ] {
        let (root, below) = (format!("root-{key_type}"), format!("ca-{key_type}"));
        office.make_root(&root, key_type, &[]);
        let subject = format!("CN={below},O=سازمان نمونه,C=IR");
        office
            .run(&[
                "ca",
                "intermediate",
                "--issuer",
                &root,
                "--subject",
                &subject,
                "--out",
                &below,
                "--key-type",
                key_type,
                "--name",
                &below,
            ])
            .expect(0);
        office.append_issuer(&below);
        let (root_file, ca_file) = (format!("{root}/ca.pem"), format!("{below}/ca.pem"));
        cases.push((root_file.clone(), root_file.clone()));
        cases.push((format!("{root}/ocsp.pem"), root_file.clone()));
        cases.push((ca_file.clone(), root_file.clone()));
        cases.push((format!("{below}/ocsp.pem"), ca_file.clone()));
        office.request(
            &format!("leaf-{key_type}"),
            EC_P256,
            &["-addext", "subjectAltName=DNS:www.example.ir,IP:127.0.0.1"],
        );
        for (profile, purpose) in PROFILES {
            let files = [
                format!("leaf-{key_type}.csr"),
                format!("{key_type}-{profile}.pem"),
            ];
            let words = Office::issue_words(&below, &files, profile);
            let official: &[&str] = match profile {
                "official" => &["--subject", OFFICIAL],
                _ => &[],
            };
            office.run(&[&words, official].concat()).expect(0);
            let file = &files[1];
            office.openssl(&[
                "verify",
                "-x509_strict",
                "-purpose",
                purpose,
                "-CAfile",
                &root_file,
                "-untrusted",
                &ca_file,
                file,
            ]);
            verify_with_gnutls(&office, &root_file, &[file, &ca_file]);
            assert_eq!(office.status(file, &below), "good");
            cases.push((file.clone(), ca_file.clone()));
        }
    }
    let cases: Vec<_> = cases
        .iter()
        .map(|(certificate, issuer)| {
            json!({
                "name": certificate,
                "certificate": office.path(certificate),
                "issuer": office.path(issuer),
            })
        })
        .collect();
    let mut command = python();
    command.args(["-c", include_str!("../../common/certificates.py")]);
    let judged = run_with_input(&mut command, &json!(cases).to_string());
    assert_eq!(judged.code, 0, "the judge itself failed: {}", judged.stderr);
    let problems: Vec<String> = serde_json::from_str(&judged.stdout).unwrap();
    assert!(
        problems.is_empty(),
        "{} problems: {problems:#?}",
        problems.len()
    );
}

/// The chain without its root, in one file, against the root.
fn verify_with_gnutls(office: &Office, root: &str, chain: &[&str]) {
    let read = |file: &&str| std::fs::read_to_string(office.path(file)).unwrap();
    std::fs::write(
        office.path("chain.pem"),
        chain.iter().map(read).collect::<String>(),
    )
    .unwrap();
    let mut command = tool("certtool");
    command.args([
        "--verify",
        "--infile",
        "chain.pem",
        "--load-ca-certificate",
        root,
    ]);
    run(command.current_dir(office.path(".")))
        .expect(0)
        .says(&["Chain verification output: Verified"]);
}

#[test]
fn a_root_is_made_served_and_its_delegate_renewed() {
    let office = Office::new();
    std::fs::write(office.path("pass"), "geheim\n").unwrap();
    let made = office.make_root("root", "ec-p256", &["--passphrase-file", "pass"]);
    made.says(&[
        "[[issuer]]",
        "[issuer.ca]",
        "passphrase_file",
        "import certs",
    ]);
    for key in ["root/ca.key", "root/ocsp.key"] {
        assert_eq!(mode(&office.path(key)), 0o600, "{key}");
    }
    let key = std::fs::read_to_string(office.path("root/ca.key")).unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    office.run(&["check"]).expect(0);
    // What the command says to do next, so that the delegate has a status as well.
    office
        .run(&["import", "certs", "root/ocsp.pem", "--issuer", "root"])
        .expect(0);
    assert_eq!(office.status("root/ocsp.pem", "root"), "good");

    // Through the running server, and visible as soon as the command returns.
    let server = office.site.serve();
    office.request("web", EC_P256, &["-addext", "subjectAltName=DNS:localhost"]);
    office.issue("root", "web", "tls-server", &[]).expect(0);
    office.good_by_openssl(&server, "root/ca.pem", "web.pem");
    let said = office
        .run(&["ca", "delegate", "--issuer", "root", "--out", "new"])
        .expect(0);
    said.says(&["[[issuer.signer]]", "new/ocsp.key"]);
    assert_eq!(mode(&office.path("new/ocsp.key")), 0o600);
    server.terminate().expect(0);

    let config = std::fs::read_to_string(office.config()).unwrap();
    std::fs::write(office.config(), config.replace("root/ocsp.", "new/ocsp.")).unwrap();
    let server = office.site.serve();
    office.good_by_openssl(&server, "root/ca.pem", "web.pem");
    office.good_by_openssl(&server, "root/ca.pem", "new/ocsp.pem");
    server.terminate().expect(0);
}

#[test]
fn a_request_can_wish_for_names_and_never_for_rights() {
    let office = Office::with_root();
    office.request(
        "web",
        EC_P256,
        &[
            "-addext",
            "subjectAltName=DNS:a.example.ir,email:a@example.ir",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "extendedKeyUsage=OCSPSigning",
        ],
    );
    office
        .issue("root", "web", "tls-server", &[])
        .expect(0)
        .says(&["rights of a CA", "OCSPSigning", "1 alternative names"]);
    let shown = office
        .openssl(&["x509", "-in", "web.pem", "-noout", "-text"])
        .stdout;
    assert!(shown.contains("DNS:a.example.ir\n"), "{shown}");
    for absent in ["CA:TRUE", "OCSP Signing", "email:", "No Check"] {
        assert!(!shown.contains(absent), "{shown}");
    }
    // The command line's names stand in place of the request's.
    let words = Office::issue_words(
        "root",
        &["web.csr".into(), "other.pem".into()],
        "tls-server",
    )
    .into_iter()
    .map(str::to_owned)
    .collect::<Vec<_>>();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let options = [
        "--dns",
        "b.example.ir",
        "--ip",
        "::1",
        "--subject",
        "CN=b",
        "--json",
    ];
    let said = office
        .run(&[&words[..], &options].concat())
        .expect(0)
        .json();
    assert_eq!(said["subject"], "CN=b");
    assert_eq!(said["serial"], office.serial("other.pem"));
    let shown = office
        .openssl(&["x509", "-in", "other.pem", "-noout", "-text"])
        .stdout;
    assert!(
        shown.contains("DNS:b.example.ir, IP Address:0:0:0:0:0:0:0:1"),
        "{shown}"
    );
}
