//! The CA's own key on a token: CRLs and certificates.

use std::fs;
use std::sync::Arc;

use super::hsm::{PIN, SoftHsm};
use crate::common::tools::{run, text, tool};
use crate::common::{OpensslCa, Plan};

#[test]
fn crls_and_certificates_are_signed_on_the_token() {
    let plan = Plan {
        every_form: true,
        bulk: 50,
    };
    let ca = Arc::new(OpensslCa::new(plan));
    let hsm = SoftHsm::new();
    let mut import = tool("softhsm2-util");
    import.args([
        "--import",
        text(&ca.path("ca.key")),
        "--token",
        "hsm",
        "--pin",
        PIN,
    ]);
    import.args(["--label", "ca", "--id", "0a"]);
    run(hsm.among(&mut import)).expect(0);

    // The CA answers itself, from the same key.
    let site = hsm.site(&ca, "ca", "pkcs11:object=ca", "in_process = true");
    let mut settings = fs::read_to_string(site.path("estelam.toml")).unwrap();
    settings.push_str(
        "[issuer.crl]\nurl = \"http://crl.invalid/ca.crl\"\nkey = \"pkcs11:object=ca\"\ntoken = \"hsm\"\n\
         [issuer.ca]\nkey = \"pkcs11:id=%0a\"\nocsp_urls = [\"http://ocsp.invalid/\"]\n",
    );
    fs::write(site.path("estelam.toml"), settings).unwrap();
    hsm.run_at(&site, &["check"])
        .expect(0)
        .says(&["the CA itself", "is the certificate's"]);
    site.import_index().expect(0);

    let made = hsm
        .run_at(&site, &["crl", "publish", "--json"])
        .expect(0)
        .json();
    let crl = made["crls"][0]["file"].as_str().unwrap();
    let mut openssl = tool("openssl");
    openssl.args([
        "crl",
        "-inform",
        "DER",
        "-noout",
        "-in",
        crl,
        "-CAfile",
        text(&ca.path("ca.pem")),
    ]);
    run(&mut openssl).expect(0).says(&["verify OK"]);

    ca.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out web.key");
    ca.openssl("req -new -key web.key -subj /CN=www.example.org -addext subjectAltName=DNS:www.example.org -out web.csr");
    let (csr, out) = (ca.path("web.csr"), site.path("web.pem"));
    let words = ["ca", "issue", "--issuer", "ca", "--csr", text(&csr)];
    let words = [
        &words[..],
        &["--profile", "tls-server", "--out", text(&out)],
    ]
    .concat();
    hsm.run_at(&site, &words).expect(0);
    let mut openssl = tool("openssl");
    openssl.args(["verify", "-CAfile", text(&ca.path("ca.pem")), text(&out)]);
    run(&mut openssl).expect(0).says(&["OK"]);
}
