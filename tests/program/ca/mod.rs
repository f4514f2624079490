//! `estelam ca`: what it issues, judged by OpenSSL, GnuTLS, Python `cryptography` and pkilint.

mod killed;
mod names;
mod profiles;
mod refusals;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::common::tools::{Finished, run, text, tool};
use crate::common::{OpensslCa, Plan, Server, Site};

/// An installation that issues: its configuration grows with the CAs that are made.
struct Office {
    site: Site,
}

impl Office {
    fn new() -> Self {
        // The CA that a `Site` comes with is not used here.
        let unused = Arc::new(OpensslCa::new(Plan {
            every_form: false,
            bulk: 0,
        }));
        let office = Self {
            site: Site::new(&unused),
        };
        std::fs::write(office.config(), "[[listen]]\naddress = \"127.0.0.1:0\"\n").unwrap();
        office
    }

    /// With a P-256 root called `root`, whose certificates name this URL.
    fn with_root() -> Self {
        let office = Self::new();
        office.make_root("root", "ec-p256", &[]);
        office
    }

    fn config(&self) -> PathBuf {
        self.path("estelam.toml")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.site.path(name)
    }

    fn append(&self, lines: &str) {
        let config = std::fs::read_to_string(self.config()).unwrap();
        std::fs::write(self.config(), format!("{config}\n{lines}")).unwrap();
    }

    /// Appends what a command wrote for the configuration.
    fn append_issuer(&self, folder: &str) {
        let lines = std::fs::read_to_string(self.path(&format!("{folder}/issuer.toml"))).unwrap();
        self.append(&lines);
    }

    fn make_root(&self, name: &str, key_type: &str, options: &[&str]) -> Finished {
        let subject = format!("CN={name},O=سازمان نمونه,C=IR");
        let fixed = [
            "ca",
            "root",
            "--subject",
            &subject,
            "--out",
            name,
            "--key-type",
            key_type,
            "--name",
            name,
            "--ocsp-url",
            "http://127.0.0.1:1/ocsp",
        ];
        let made = self.run(&[&fixed, options].concat()).expect(0);
        self.append_issuer(name);
        made
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Finished {
        self.site.run(arguments)
    }

    /// Runs `openssl` in the installation's folder; it has to succeed.
    #[track_caller]
    fn openssl(&self, arguments: &[&str]) -> Finished {
        run(tool("openssl").args(arguments).current_dir(self.path("."))).expect(0)
    }

    /// A request `NAME.csr` with the key `NAME.key`.
    fn request(&self, name: &str, key: &[&str], options: &[&str]) {
        let (key_file, request) = (format!("{name}.key"), format!("{name}.csr"));
        self.openssl(&[&["genpkey", "-out", &key_file, "-algorithm"], key].concat());
        std::fs::write(
            self.path("req.cnf"),
            "[req]\nstring_mask=utf8only\ndistinguished_name=d\n[d]\n",
        )
        .unwrap();
        let subject = format!("/C=IR/O=شرکت نمونه/CN={name}");
        let fixed = [
            "req", "-new", "-config", "req.cnf", "-utf8", "-subj", &subject, "-key", &key_file,
            "-out", &request,
        ];
        self.openssl(&[&fixed, options].concat());
    }

    /// The words of `ca issue` for the request `name`, into `NAME.pem`.
    fn issue_words<'a>(issuer: &'a str, files: &'a [String; 2], profile: &'a str) -> Vec<&'a str> {
        let [request, certificate] = files;
        vec![
            "ca",
            "issue",
            "--issuer",
            issuer,
            "--csr",
            request,
            "--profile",
            profile,
            "--out",
            certificate,
        ]
    }

    #[track_caller]
    fn issue(&self, issuer: &str, name: &str, profile: &str, options: &[&str]) -> Finished {
        let files = files(name);
        let words = Self::issue_words(issuer, &files, profile);
        self.run(&[&words, options].concat())
    }

    /// The serial number of a certificate file, as OpenSSL tells it.
    fn serial(&self, certificate: &str) -> String {
        let said = self.openssl(&["x509", "-in", certificate, "-noout", "-serial"]);
        said.stdout
            .trim()
            .strip_prefix("serial=")
            .unwrap()
            .to_owned()
    }

    /// What the ledger says of a certificate.
    fn status(&self, certificate: &str, issuer: &str) -> String {
        let said = self.run(&["status", certificate, "--issuer", issuer, "--json"]);
        said.expect(0).json()["status"].as_str().unwrap().to_owned()
    }

    /// `openssl ocsp` asks the server about a certificate; it verifies the answer, and its CertID is
    /// computed from the issuer's certificate alone.
    #[track_caller]
    fn good_by_openssl(&self, server: &Server, issuer: &str, certificate: &str) {
        let url = server.url();
        for hash in ["-sha1", "-sha256"] {
            let said = self.openssl(&[
                "ocsp",
                "-url",
                &url,
                "-issuer",
                issuer,
                hash,
                "-cert",
                certificate,
                "-CAfile",
                issuer,
                "-no-CApath",
                "-no-CAstore",
                "-partial_chain",
            ]);
            let expected = format!("{certificate}: good");
            let said = said.says(&["Response verify OK"]);
            assert!(said.stdout.starts_with(&expected), "{said}");
        }
    }
}

/// Request and certificate of this name.
fn files(name: &str) -> [String; 2] {
    [format!("{name}.csr"), format!("{name}.pem")]
}

const EC_P256: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// Octets of a PEM certificate file.
fn der_of(office: &Office, file: &str) -> Vec<u8> {
    let out = tool("openssl")
        .args(["x509", "-in", text(&office.path(file)), "-outform", "DER"])
        .output()
        .unwrap();
    assert!(out.status.success());
    out.stdout
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
