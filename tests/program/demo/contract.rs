//! `demo.json` and the files it names.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::common::demo::{status_of, x509};
use crate::common::tools::{read_text, run, text, tool};
use crate::common::{Demo, Status};

#[test]
fn demo_json_names_what_the_contract_says() {
    let demo = Demo::built(&["--certs", "45"]);
    let description = demo.description();
    assert_eq!(
        keys(&description),
        ["issuers", "ocsp_url", "root", "root_crl"]
    );
    let url = description["ocsp_url"].as_str().unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/ocsp"));

    let issuers = demo.issuers();
    assert_eq!(issuers.len(), 8);
    let mut end_entities = 0;
    for (number, issuer) in issuers.iter().enumerate() {
        let described = &issuer.described;
        assert_eq!(
            keys(described),
            [
                "certs",
                "crl",
                "inventory",
                "issuer",
                "key_type",
                "name",
                "never_issued",
                "nonce",
                "not_issued",
                "responder"
            ]
        );
        assert_eq!(described["key_type"], "ec-p256");
        let echoes = described["name"] == "treasury";
        assert_eq!(described["nonce"], if echoes { "echo" } else { "ignore" });
        assert!(described["never_issued"].as_array().unwrap().len() >= 2);
        let policies = ["unauthorized", "unknown", "extended_revoked"];
        assert!(policies.contains(&described["not_issued"].as_str().unwrap()));

        let listed: BTreeSet<_> = issuer.inventory.iter().map(|line| &line.0).collect();
        assert_eq!(listed.len(), issuer.inventory.len(), "no serial twice");
        let responder = serial(&issuer.responder);
        assert!(
            listed.contains(&responder),
            "the delegate is one of its own"
        );
        for certificate in issuer.certs() {
            let status = status_of(certificate);
            let file = demo.file(&certificate["cert"]);
            let key = demo.file(&certificate["key"]);
            assert_eq!(certificate["serial"], serial(&file));
            let line = (certificate["serial"].as_str().unwrap().to_owned(), status);
            assert!(issuer.inventory.contains(&line), "{line:?}");
            belongs_to(&key, &file);
        }
        // The delegate is no end-entity certificate as they are counted, and neither is a CA.
        if number < 7 {
            end_entities += issuer.inventory.len() - 1;
        }
    }
    assert_eq!(end_entities, 45);

    let root = issuers.last().unwrap();
    assert_eq!(root.described["issuer"], description["root"]);
    let below: Vec<_> = root
        .certs()
        .iter()
        .map(|it| demo.file(&it["cert"]))
        .collect();
    let intermediates: Vec<_> = issuers[..7]
        .iter()
        .map(|it| it.certificate.clone())
        .collect();
    assert_eq!(below, intermediates, "the root's are the seven");
    let policies: BTreeSet<_> = issuers
        .iter()
        .map(|it| it.described["not_issued"].as_str().unwrap())
        .collect();
    assert_eq!(policies.len(), 3, "people can try each policy");
}

#[test]
fn the_first_intermediate_has_a_certificate_of_every_kind() {
    let demo = Demo::built(&["--certs", "40"]);
    let first = demo.issuers().remove(0);
    let certificate = |name: &str| {
        let found = first.certs().iter().find(|it| it["name"] == name);
        demo.file(&found.unwrap_or_else(|| panic!("{name}"))["cert"])
    };
    let reasons: Vec<_> = first
        .certs()
        .iter()
        .filter_map(|it| match status_of(it) {
            Status::Revoked { reason, .. } => Some(reason.unwrap_or(0)),
            _ => None,
        })
        .collect();
    assert_eq!(reasons, [0, 1, 2, 3, 4, 5, 9, 10, 6]);
    let expired = first.certs().last().unwrap();
    assert_eq!(
        (&expired["name"], &expired["expected"]),
        (&"expired".into(), &"good".into())
    );
    let mut check = tool("openssl");
    check.args(["x509", "-noout", "-checkend", "0", "-in"]);
    run(check.arg(certificate("expired"))).expect(1);

    let aia = format!(
        "OCSP - URI:{}",
        demo.description()["ocsp_url"].as_str().unwrap()
    );
    for (name, words) in [
        (
            "person",
            &[
                "Digital Signature, Non Repudiation",
                "\u{200c}",
                "GN=",
                "SN=",
            ][..],
        ),
        (
            "official",
            &[
                "Digital Signature, Non Repudiation",
                "title=",
                "GN=",
                "SN=",
                "serialNumber=",
                "organizationIdentifier=",
            ],
        ),
        (
            "tls-server",
            &[
                "DNS:localhost",
                "IP Address:127.0.0.1",
                "IP Address:0:0:0:0:0:0:0:1",
                "TLS Web Server Authentication",
            ],
        ),
        ("tls-client", &["TLS Web Client Authentication"]),
        ("code-signer", &["Code Signing"]),
        ("timestamping", &["Time Stamping"]),
    ] {
        let said = x509(
            &certificate(name),
            &["-text", "-nameopt", "utf8,sep_comma_plus"],
        );
        for word in words.iter().chain([&&*aia]) {
            assert!(said.contains(word), "{name} has not {word:?}: {said}");
        }
        // Its shard, the full CRL and the delta.
        let crl = &demo.description()["issuers"][0]["crl"];
        let full = format!("URI:{}", crl["full"].as_str().unwrap());
        assert_eq!(said.matches(&full).count(), 1, "{said}");
        let delta = format!("URI:{}", crl["delta"].as_str().unwrap());
        assert!(
            said.contains("Freshest CRL") && said.contains(&delta),
            "{said}"
        );
        let shards = crl["shards"].as_array().unwrap().iter();
        let named = shards.filter(|url| said.contains(&format!("URI:{}", url.as_str().unwrap())));
        assert_eq!(named.count(), 1, "{said}");
    }
}

#[test]
fn clients_that_follow_the_certificates_find_their_crls() {
    let demo = Demo::place();
    let server = demo.serve(&["--certs", "60"]);
    server.wait_for("# Ask again");
    let first = &demo.issuers()[0];
    let judged = |name: &str| {
        let mut certs = first.certs().iter();
        let cert = certs.find(|cert| cert["name"] == name).unwrap();
        let mut verify = tool("openssl");
        verify.args(["verify", "-crl_download", "-crl_check", "-CAfile"]);
        verify.arg(demo.path("root.pem")).arg("-untrusted");
        verify.arg(demo.path(first.described["issuer"].as_str().unwrap()));
        run(verify.arg(demo.path(cert["cert"].as_str().unwrap())))
    };
    judged("person").expect(0);
    judged("tls-server").expect(0);
    let revoked = "certificate revoked";
    judged("revoked-keyCompromise").expect(2).says(&[revoked]);
    judged("on-hold").expect(2).says(&[revoked]);
    let crl = &first.described["crl"];
    let shards = crl["shards"].as_array().unwrap().iter();
    let urls = [
        &crl["full"],
        &crl["delta"],
        &crl["base"],
        &demo.description()["root_crl"],
    ];
    for url in urls.into_iter().chain(shards) {
        let url = url.as_str().unwrap();
        let fetched = demo.path("fetched.crl");
        run(tool("curl").args(["-sSf", "-o", text(&fetched), url])).expect(0);
        let ca = match url.contains("/root") {
            true => "root.pem",
            false => first.described["issuer"].as_str().unwrap(),
        };
        let mut verify = tool("openssl");
        verify.args([
            "crl",
            "-inform",
            "DER",
            "-noout",
            "-in",
            text(&fetched),
            "-CAfile",
        ]);
        run(verify.arg(demo.path(ca)))
            .expect(0)
            .says(&["verify OK"]);
    }
    server.terminate().expect(0);
}

#[test]
fn every_certificate_verifies_up_to_the_root() {
    let demo = Demo::built(&["--certs", "60"]);
    let root = demo.path("root.pem");
    let chain = demo.path("intermediates.pem");
    for issuer in demo.issuers() {
        for certificate in issuer.certs() {
            let mut command = tool("openssl");
            command.args(["verify", "-x509_strict", "-CAfile", text(&root)]);
            command.args(["-untrusted", text(&chain)]);
            if certificate["name"] == "expired" {
                command.arg("-no_check_time");
            }
            run(command.arg(demo.file(&certificate["cert"]))).expect(0);
        }
        belongs_to(&issuer.responder.with_extension("key"), &issuer.responder);
    }
    // Everybody in bulk too.
    let bulk = read_text(&demo.path("justice/bulk.pem"));
    let end = "-----END CERTIFICATE-----\n";
    assert!(bulk.matches(end).count() >= 2);
    for (number, one) in bulk.split_inclusive(end).enumerate() {
        let file = demo.around().join(format!("{number}.pem"));
        std::fs::write(&file, one).unwrap();
        let mut command = tool("openssl");
        command.args(["verify", "-x509_strict", "-CAfile", text(&root)]);
        run(command.args(["-untrusted", text(&chain)]).arg(file)).expect(0);
    }
}

fn keys(value: &serde_json::Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn serial(certificate: &Path) -> String {
    let said = x509(certificate, &["-serial"]);
    said.trim().strip_prefix("serial=").unwrap().to_owned()
}

/// The key is its owner's alone, PKCS#8, and the certificate's.
fn belongs_to(key: &Path, certificate: &Path) {
    let mode = std::fs::metadata(key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{}", key.display());
    assert!(read_text(&key.to_owned()).starts_with("-----BEGIN PRIVATE KEY-----"));
    let mut command = tool("openssl");
    let public = run(command.args(["pkey", "-pubout", "-in", text(key)])).expect(0);
    assert_eq!(public.stdout, x509(certificate, &["-pubkey"]));
}
