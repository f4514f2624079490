//! Everything that can be wrong with a module, a token, a PIN or a key has its own message.

use super::hsm::{PIN, SOFTHSM, SoftHsm};
use crate::common::tools::{run, tool};
use crate::common::{OpensslCa, Plan, Site};
use std::sync::Arc;

fn ca() -> Arc<OpensslCa> {
    Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 0,
    }))
}

#[test]
fn modules_that_are_none() {
    let hsm = SoftHsm::new();
    let list = |module: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_estelam"));
        command.args(["token", "list", "--module", module]);
        run(hsm.among(&mut command))
    };
    list("/nowhere/p11.so")
        .expect(3)
        .says(&["/nowhere/p11.so", "does not exist"]);
    list("/etc/passwd")
        .expect(3)
        .says(&["/etc/passwd", "cannot be loaded"]);
    let libc = "/lib/x86_64-linux-gnu/libm.so.6";
    list(libc)
        .expect(3)
        .says(&["no PKCS#11 module", "C_GetFunctionList"]);
}

#[test]
fn tokens_and_keys_that_are_not_there_or_there_twice() {
    let hsm = SoftHsm::empty();
    let test = |key: &str, place: &[&str]| {
        let words = ["token", "test", "--seconds", "1", "--key", key];
        hsm.run(&[&words[..], place].concat())
    };
    test("pkcs11:object=k", &[])
        .expect(4)
        .says(&["no token with any label", "no token"]);
    hsm.add_token("hsm");
    hsm.add_token("hsm");
    let twice = test("pkcs11:object=k", &["--label", "hsm"]).expect(3);
    twice.says(&["several tokens have label \"hsm\"", "serial", "slot"]);
    hsm.add_token("one");
    let place = ["--label", "one"];
    test("pkcs11:object=k", &["--label", "two"])
        .expect(4)
        .says(&["no token with label \"two\"", "\"one\" (serial"]);
    test("pkcs11:object=k", &place)
        .expect(4)
        .says(&["no private key with label \"k\"", "which has none"]);
    let generate = ["token", "generate", "--label", "one", "--key-label"];
    hsm.run(&[&generate[..], &["a", "--id", "01"]].concat())
        .expect(0);
    test("pkcs11:object=k", &place)
        .expect(4)
        .says(&["\"a\" (id %01)"]);
    // Another of the same label, as other programs make it: it can leave the token.
    make_extractable(&hsm, "one", "a", "02");
    test("pkcs11:object=a", &place).expect(4).says(&[
        "several private keys",
        "%01",
        "%02",
        "by id as well",
    ]);
    test("pkcs11:object=a;id=%01", &place).expect(0);
    test("pkcs11:id=%02", &place)
        .expect(4)
        .says(&["could be copied off the token", "allow_extractable"]);
    test("pkcs11:id=%01;token=another", &place)
        .expect(4)
        .says(&["speaks of another token", "\"one\""]);
    test("pkcs11:token=one", &place)
        .expect(2)
        .says(&["it names no key"]);
}

/// A key as others make it, which may be exported.
fn make_extractable(hsm: &SoftHsm, token: &str, label: &str, id: &str) {
    let mut tool = tool("pkcs11-tool");
    tool.args([
        "--module",
        SOFTHSM,
        "--token-label",
        token,
        "--login",
        "--pin",
        PIN,
    ]);
    tool.args([
        "--keypairgen",
        "--key-type",
        "EC:prime256v1",
        "--label",
        label,
        "--id",
        id,
    ]);
    tool.args(["--usage-sign", "--extractable"]);
    run(hsm.among(&mut tool)).expect(0);
}

/// A key that was brought from elsewhere, without its public half: the certificate says what it is.
#[test]
fn a_key_without_a_public_one_is_its_certificates() {
    let (hsm, ca) = (SoftHsm::new(), ca());
    ca.new_delegate("outside", "delegate", "-days 30");
    let mut p11tool = tool("p11tool");
    p11tool.args([
        "--provider",
        SOFTHSM,
        "--login",
        "--batch",
        "--set-pin",
        PIN,
        "--write",
    ]);
    p11tool.args([
        "--label",
        "outside",
        "--id",
        "01",
        "--mark-sign",
        "--load-privkey",
    ]);
    p11tool.arg(ca.path("outside.key")).arg("pkcs11:token=hsm");
    run(hsm.among(&mut p11tool)).expect(0);
    let words = [
        "token",
        "test",
        "--label",
        "hsm",
        "--key",
        "pkcs11:object=outside",
    ];
    hsm.run(&words)
        .expect(4)
        .says(&["has no public key", "no certificate"]);
    let check = |certificate: &str| {
        let site = hsm.site(&ca, certificate, "pkcs11:object=outside", "");
        hsm.run_at(&site, &["check"])
    };
    check("outside").expect(0).says(&["a delegate"]);
    check("ocsp")
        .expect(4)
        .says(&["does not belong to the certificate", "ocsp.pem"]);
}

#[test]
fn pins_that_are_missing_wrong_or_not_set() {
    let hsm = SoftHsm::new();
    let key = hsm.generate("k", "ec-p256");
    let test = |place: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_estelam"));
        command.args(["token", "test", "--seconds", "1", "--key", &key]);
        command
            .args(["--module", SOFTHSM, "--label", "hsm"])
            .args(place);
        command
            .env("RIGHT", PIN)
            .env("WRONG", "hunter2")
            .env("SHORT", "1");
        run(hsm.among(&mut command))
    };
    test(&[]).expect(4).says(&["wants a PIN", "--pin-file"]);
    test(&["--pin-env", "NOWHERE"])
        .expect(4)
        .says(&["NOWHERE is not set"]);
    test(&["--pin-env", "RIGHT"]).expect(0);
    let wrong = test(&["--pin-env", "WRONG"]).expect(4);
    assert!(!wrong.stderr.contains("hunter2"), "{wrong}");
    wrong.says(&["refuses the PIN", "not tried again"]);
    test(&["--pin-env", "SHORT"])
        .expect(4)
        .says(&["refuses the PIN"]);
}

#[test]
fn a_certificate_of_another_key_and_a_key_that_is_no_signers() {
    let (hsm, ca) = (SoftHsm::new(), ca());
    let first = hsm.delegate(&ca, "first", "ec-p256");
    let second = hsm.generate("second", "ec-p256");
    let check = |site: &Site| hsm.run_at(site, &["check"]);
    check(&hsm.site(&ca, "first", &first, ""))
        .expect(0)
        .says(&["a delegate"]);
    let other = hsm.site(&ca, "first", &second, "");
    check(&other)
        .expect(4)
        .says(&["does not belong to the certificate", "first.pem"]);
    // Nothing of that heals by waiting: it stops the start.
    let mut serve = other.command(&["serve"]);
    hsm.among(&mut serve);
    other
        .start_fails(serve)
        .expect(4)
        .says(&["does not belong"]);
    let unknown = hsm.site(&ca, "first", "pkcs11:object=none", "");
    check(&unknown)
        .expect(4)
        .says(&["no private key with label \"none\""]);
}
