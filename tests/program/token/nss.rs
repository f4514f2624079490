//! A second module: NSS's softoken. It wants its database told at C_Initialize, which only NSS itself does;
//! the shim does it for us, and forwards everything else as it is.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use super::hsm::{PIN, SHIM};
use crate::common::tools::{Finished, run, text, tool};

/// Where Debian has it on the architectures that we build for.
const SOFTOKEN: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/libsoftokn3.so",
    "/usr/lib/aarch64-linux-gnu/libsoftokn3.so",
];

struct Nss {
    folder: TempDir,
}

impl Nss {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("pin"), format!("{PIN}\n")).expect("the PIN file");
        let mut certutil = tool("certutil");
        certutil.args(["-N", "-d", &format!("sql:{}", text(folder.path())), "-f"]);
        run(certutil.arg(folder.path().join("pin"))).expect(0);
        Self { folder }
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let softoken = SOFTOKEN
            .iter()
            .find(|path| fs::exists(path).unwrap_or(false));
        let mut command = Command::new(env!("CARGO_BIN_EXE_estelam"));
        command
            .arg("token")
            .args(arguments)
            .arg("--module")
            .arg(SHIM.module());
        command.args(["--label", "NSS Certificate DB", "--pin-file"]);
        command.arg(self.folder.path().join("pin"));
        command.env("SHIM_MODULE", softoken.expect("libnss3 is installed"));
        command.env(
            "SHIM_RESERVED",
            format!(
                "configdir='sql:{}' certPrefix='' keyPrefix='' secmod='' flags= updatedir='' \
                 updateCertPrefix='' updateKeyPrefix='' updateid='' updateTokenDescription=''",
                text(self.folder.path())
            ),
        );
        run(&mut command)
    }
}

#[test]
fn another_vendors_module_works_too() {
    let nss = Nss::new();
    nss.run(&["list"])
        .expect(0)
        .says(&["NSS Certificate DB", "Mozilla", "ECDSA"]);
    for key_type in ["ec-p256", "ec-p384", "rsa-2048"] {
        let made = nss.run(&[
            "generate",
            "--key-label",
            key_type,
            "--key-type",
            key_type,
            "--json",
        ]);
        let made = made.expect(0).json();
        let key = made["key"].as_str().unwrap();
        nss.run(&["test", "--key", key, "--seconds", "1", "--sessions", "2"])
            .expect(0)
            .says(&["every signature was verified"]);
        let csr = nss
            .run(&["csr", "--key", key, "--subject", "CN=OCSP in NSS"])
            .expect(0);
        let file = nss.folder.path().join("csr");
        fs::write(&file, csr.stdout).unwrap();
        let mut openssl = tool("openssl");
        openssl.args(["req", "-noout", "-verify", "-in", text(&file)]);
        run(&mut openssl).expect(0).says(&["verify OK"]);
    }
    nss.run(&["list"])
        .expect(0)
        .says(&["key \"ec-p256\"", "key \"rsa-2048\""]);
}
