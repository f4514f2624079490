//! Keys and certificates for tests, made by the real `openssl` in a folder of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use aws_lc_rs::signature::{ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, PqdsaKeyPair};
use der::pem::LineEnding;
use pkcs8::SecretDocument;
use tempfile::TempDir;

use super::{Defect, LoadedSigner, SoftwareSigner, key_file, load};
use crate::{
    asn1::{Certificate, UnixTime},
    clock::{Clock as _, SystemClock},
    config::read_certificate,
};

pub(super) const EC_P256: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
pub(super) const EC_P384: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
pub(super) const EC_P521: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-521"];
pub(super) const RSA_2048: &[&str] = &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
pub(super) const ED25519: &[&str] = &["ED25519"];
/// Made by aws-lc-rs, since OpenSSL 3.0 knows none.
pub(super) const ML_DSA_44: &[&str] = &["ML-DSA-44"];
pub(super) const ML_DSA_65: &[&str] = &["ML-DSA-65"];

/// What a CA's certificate has.
pub(super) const CA: &str = "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign,\
                             digitalSignature\nsubjectKeyIdentifier=hash\n";

/// What a certificate for OCSP signing has (BR §7.1.2.8).
pub(super) const DELEGATE: &str = "basicConstraints=critical,CA:false\nkeyUsage=critical,\
                                   digitalSignature\nextendedKeyUsage=OCSPSigning\nnoCheck=ignored\n";

/// A folder with keys `NAME.key` and certificates `NAME.pem`.
pub(super) struct Pki {
    folder: TempDir,
}

impl Pki {
    pub(super) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A folder with a P-256 CA called `ca` and a delegate called `ocsp`.
    pub(super) fn with_delegate() -> Self {
        let pki = Self::new();
        pki.key("ca", EC_P256);
        pki.self_signed("ca", "/CN=Test CA", CA);
        pki.key("ocsp", EC_P256);
        pki.issue("ocsp", "ca", DELEGATE, &[]);
        pki
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `openssl` in the folder.
    pub(super) fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(&self.folder)
            .output()
            .expect("the tests need the `openssl` command");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments:?}: {error}");
    }

    pub(super) fn key(&self, name: &str, algorithm: &[&str]) {
        let file = format!("{name}.key");
        let ml_dsa = match algorithm {
            ["ML-DSA-44"] => Some(&ML_DSA_44_SIGNING),
            ["ML-DSA-65"] => Some(&ML_DSA_65_SIGNING),
            _ => None,
        };
        if let Some(algorithm) = ml_dsa {
            let key = PqdsaKeyPair::generate(algorithm).unwrap();
            let der = SecretDocument::try_from(key.to_pkcs8v1().unwrap().as_ref()).unwrap();
            let pem = der.to_pem("PRIVATE KEY", LineEnding::LF).unwrap();
            fs::write(self.path(&file), pem.as_bytes()).unwrap();
            return;
        }
        self.openssl(&[&["genpkey", "-out", &file, "-algorithm"], algorithm].concat());
    }

    pub(super) fn self_signed(&self, name: &str, subject: &str, extensions: &str) {
        self.self_signed_with(name, subject, extensions, &[]);
    }

    pub(super) fn self_signed_with(
        &self,
        name: &str,
        subject: &str,
        extensions: &str,
        options: &[&str],
    ) {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let (strings, section) = match extensions.strip_prefix("printable\n") {
            Some(rest) => ("nombstr", rest),
            None => ("utf8only", extensions),
        };
        let reference = if section.is_empty() {
            ""
        } else {
            "x509_extensions=e\n"
        };
        let config = format!(
            "[req]\nstring_mask={strings}\ndistinguished_name=d\n{reference}[d]\n[e]\n{section}"
        );
        fs::write(self.path("req.cnf"), config).unwrap();
        let fixed = [
            "req",
            "-x509",
            "-new",
            "-config",
            "req.cnf",
            "-days",
            "30",
            "-subj",
            subject,
            "-key",
            &key,
            "-out",
            &certificate,
        ];
        self.openssl(&[&fixed, options].concat());
    }

    /// Issues `name` (whose key exists) under the CA `issuer`, for 30 days from now.
    pub(super) fn issue(&self, name: &str, issuer: &str, extensions: &str, options: &[&str]) {
        let file = |name: &str, end| format!("{name}.{end}");
        self.self_signed_with(name, &format!("/CN={name}"), "", &[]);
        fs::write(self.path("ext.cnf"), extensions).unwrap();
        self.openssl(&[
            "x509",
            "-x509toreq",
            "-in",
            &file(name, "pem"),
            "-signkey",
            &file(name, "key"),
            "-out",
            "r.csr",
        ]);
        let (ca, ca_key, out) = (file(issuer, "pem"), file(issuer, "key"), file(name, "pem"));
        let fixed = [
            "x509",
            "-req",
            "-in",
            "r.csr",
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-days",
            "30",
            "-extfile",
            "ext.cnf",
            "-out",
            &out,
        ];
        self.openssl(&[&fixed, options].concat());
    }

    pub(super) fn certificate(&self, name: &str) -> Certificate {
        read_certificate(&self.path(&format!("{name}.pem"))).unwrap()
    }

    pub(super) fn signer(&self, name: &str) -> SoftwareSigner {
        let key = key_file::read(&self.path(&format!("{name}.key")), None).unwrap();
        SoftwareSigner::from_pkcs8(key.pkcs8.as_bytes()).unwrap()
    }

    /// Judges the certificate and key called `name` against the CA called `issuer`, now.
    pub(super) fn load(&self, issuer: &str, name: &str) -> Result<LoadedSigner, Defect> {
        self.load_at(issuer, name, SystemClock.now())
    }

    pub(super) fn load_at(
        &self,
        issuer: &str,
        name: &str,
        now: UnixTime,
    ) -> Result<LoadedSigner, Defect> {
        let signer = Arc::new(self.signer(name));
        load(
            &self.certificate(issuer),
            self.certificate(name),
            signer,
            now,
        )
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}
