//! `estelam token`: from a bare token to a certification request.

use super::hsm::{PIN, SOFTHSM, SoftHsm};
use crate::common::tools::{run, text, tool};

#[test]
fn keys_of_every_type_are_made_listed_and_asked_certificates_for() {
    let hsm = SoftHsm::new();
    let bare = hsm.run(&["token", "list", "--label", "hsm"]).expect(0);
    bare.says(&[
        "SoftHSM",
        "token \"hsm\"",
        "no private key",
        "ECDSA",
        "EDDSA",
    ]);
    let types = ["ec-p256", "ec-p384", "ed25519", "rsa-2048", "rsa-3072"];
    for key_type in types {
        let uri = hsm.generate(key_type, key_type);
        assert!(uri.contains(&format!("object={key_type}")), "{uri}");

        let csr = hsm.path(&format!("{key_type}.csr"));
        let words = ["token", "csr", "--label", "hsm", "--key", &uri];
        let name = [
            "--subject",
            "CN=OCSP on a token,O=گواهی,C=IR",
            "--out",
            text(&csr),
        ];
        hsm.run(&[&words[..], &name].concat()).expect(0);
        let mut openssl = tool("openssl");
        openssl.args([
            "req",
            "-in",
            text(&csr),
            "-noout",
            "-verify",
            "-text",
            "-nameopt",
            "utf8",
        ]);
        run(&mut openssl).expect(0).says(&[
            "verify OK",
            "OCSP Signing",
            "OCSP No Check",
            "Digital Signature",
            "CN=OCSP on a token",
        ]);

        let words = [
            "token",
            "test",
            "--label",
            "hsm",
            "--key",
            &uri,
            "--seconds",
            "1",
        ];
        let tested = hsm.run(&[&words[..], &["--sessions", "2", "--json"]].concat());
        let tested = tested.expect(0).json();
        assert!(
            tested["runs"][0]["signatures"].as_u64() > Some(0),
            "{tested}"
        );
    }
    let listed = hsm
        .run(&["token", "list", "--label", "hsm", "--json"])
        .expect(0)
        .json();
    let tokens = listed[0]["tokens"].as_array().unwrap();
    let token = tokens.iter().find(|token| token["label"] == "hsm").unwrap();
    let keys = token["keys"].as_array().unwrap();
    assert_eq!(keys.len(), types.len());
    for key in keys {
        assert_eq!(
            (&key["sensitive"], &key["extractable"], &key["signs"]),
            (&true.into(), &false.into(), &true.into()),
            "{key}"
        );
    }
    // OpenSC's and GnuTLS's readers see the same: p11tool lists the URIs.
    let mut p11tool = tool("p11tool");
    p11tool.args([
        "--provider",
        SOFTHSM,
        "--list-privkeys",
        "--login",
        "--batch",
        "--set-pin",
        PIN,
    ]);
    p11tool.arg("pkcs11:token=hsm");
    let said = run(hsm.among(&mut p11tool)).expect(0);
    for key_type in types {
        assert!(
            said.stdout.contains(&format!("Label: {key_type}")),
            "{said}"
        );
    }
}

#[test]
fn a_key_is_made_once() {
    let hsm = SoftHsm::new();
    hsm.generate("k", "ec-p256");
    let words = ["token", "generate", "--label", "hsm", "--key-label"];
    hsm.run(&[&words[..], &["k"]].concat())
        .expect(2)
        .says(&["label \"k\" already"]);
    let id = ["other", "--id", "0a01"];
    hsm.run(&[&words[..], &id].concat())
        .expect(0)
        .says(&["pkcs11:object=other"]);
    let id = ["third", "--id", "0a01"];
    hsm.run(&[&words[..], &id].concat())
        .expect(2)
        .says(&["this id already"]);
    for wrong in ["0a0", "xy", ""] {
        hsm.run(&[&words[..], &["x", "--id", wrong]].concat())
            .expect(2);
    }
}

#[test]
fn the_configuration_names_the_token() {
    let hsm = SoftHsm::new();
    hsm.add_token("other");
    let settings = |tokens: &str| {
        let path = hsm.path("estelam.toml");
        let text = format!(
            "{tokens}[[issuer]]\nname = \"a\"\ncertificate = \"a\"\n[[issuer.signer]]\n\
             certificate = \"a\"\nkey = \"a\"\n"
        );
        std::fs::write(path, text).unwrap();
    };
    let token = |name: &str| {
        format!(
            "[[token]]\nname = \"{name}\"\nmodule = \"{SOFTHSM}\"\nlabel = \"{name}\"\npin_file = \"pin\"\n"
        )
    };
    let token_command = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_estelam"));
        command
            .arg("token")
            .args(arguments)
            .current_dir(hsm.path(""));
        run(hsm.among(&mut command))
    };
    settings("");
    token_command(&["list"])
        .expect(2)
        .says(&["has no [[token]]", "--module"]);
    settings(&token("hsm"));
    token_command(&["generate", "--key-label", "k"])
        .expect(0)
        .says(&["ec-p256"]);
    settings(&format!("{}{}", token("hsm"), token("other")));
    let several = ["generate", "--key-label", "k2"];
    token_command(&several)
        .expect(2)
        .says(&["--token", "hsm, other"]);
    token_command(&["generate", "--key-label", "k2", "--token", "x"])
        .expect(2)
        .says(&["no [[token]] is called \"x\"", "hsm, other"]);
    token_command(&["generate", "--key-label", "k2", "--token", "other"]).expect(0);
    token_command(&["list"])
        .expect(0)
        .says(&["key \"k\"", "key \"k2\""]);
}
