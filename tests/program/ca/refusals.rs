//! What is refused: each has its message and exit code, and leaves nothing behind.

use super::*;

#[test]
fn wrong_words_and_names_that_are_taken() {
    let office = Office::with_root();
    office.request("web", EC_P256, &[]);
    std::fs::write(office.path("taken.pem"), "mine").unwrap();
    let issue = |rest: &[&'static str]| {
        let fixed = ["ca", "issue", "--issuer", "root", "--csr", "web.csr"];
        [&fixed, rest].concat()
    };
    let root = |rest: &[&'static str]| [&["ca", "root"], rest].concat();
    for (words, code, says) in [
        (
            root(&["--subject", "CN=a", "--out", "root"]),
            2,
            &["exists already"][..],
        ),
        (
            root(&["--subject", "a", "--out", "x"]),
            2,
            &["KEYWORD=VALUE", "RFC 4514"],
        ),
        (
            root(&["--subject", "CM=a", "--out", "x"]),
            2,
            &["CM", "organizationIdentifier"],
        ),
        (
            root(&["--subject", "C=IRN", "--out", "x"]),
            2,
            &["countryName"],
        ),
        (
            root(&["--subject", "CN=a", "--out", "x", "--key-type", "dsa"]),
            2,
            &["ec-p256"],
        ),
        (
            root(&["--subject", "CN=a", "--out", "x", "--years", "0"]),
            2,
            &["--years"],
        ),
        (
            root(&[
                "--subject",
                "CN=a",
                "--out",
                "x",
                "--ocsp-url",
                "https://a/",
            ]),
            3,
            &["https://a/", "http://"],
        ),
        (
            root(&[
                "--subject",
                "CN=a",
                "--out",
                "x",
                "--passphrase-file",
                "none",
            ]),
            4,
            &["none", "does not exist"],
        ),
        (
            issue(&["--profile", "person", "--out", "taken.pem"]),
            2,
            &["taken.pem exists already"],
        ),
        (
            issue(&["--profile", "king", "--out", "x.pem"]),
            2,
            &["king", "tls-server"],
        ),
        (
            issue(&["--profile", "tls-server", "--out", "x.pem"]),
            2,
            &["DNS name"],
        ),
        (
            issue(&["--profile", "tls-server", "--dns", "a b", "--out", "x.pem"]),
            2,
            &["\"a b\""],
        ),
        (
            issue(&["--profile", "person", "--dns", "a", "--out", "x.pem"]),
            2,
            &["tls-server"],
        ),
        (
            issue(&["--profile", "official", "--out", "x.pem"]),
            2,
            &["title (T)"],
        ),
        (
            issue(&["--profile", "person", "--days", "36525", "--out", "x.pem"]),
            2,
            &["outlive"],
        ),
        (
            issue(&["--profile", "person", "--out", "none/x.pem"]),
            11,
            &["none/x.pem"],
        ),
        (
            vec![
                "ca",
                "issue",
                "--issuer",
                "nobody",
                "--csr",
                "web.csr",
                "--profile",
                "person",
                "--out",
                "x.pem",
            ],
            2,
            &["nobody", "root"],
        ),
        (
            vec![
                "ca",
                "intermediate",
                "--issuer",
                "root",
                "--subject",
                "CN=root,O=سازمان نمونه,C=IR",
                "--out",
                "x",
            ],
            2,
            &["same name"],
        ),
    ] {
        office.run(&words).expect(code).says(says);
        assert!(!office.path("x.pem").exists(), "{words:?}");
        assert!(!office.path("x/ca.pem").exists(), "{words:?}");
    }
    assert_eq!(std::fs::read(office.path("taken.pem")).unwrap(), b"mine");
    let left = std::fs::read_dir(office.path(".")).unwrap();
    let unfinished =
        left.filter(|it| it.as_ref().unwrap().path().extension() == Some("tmp".as_ref()));
    assert_eq!(unfinished.count(), 0);
}

#[test]
fn requests_that_prove_nothing() {
    let office = Office::with_root();
    office.request("web", EC_P256, &[]);
    let der = |name: &str| {
        office.openssl(&["req", "-in", "web.csr", "-outform", "DER", "-out", name]);
        std::fs::read(office.path(name)).unwrap()
    };
    let mut broken = der("broken.csr");
    *broken.last_mut().unwrap() ^= 1;
    std::fs::write(office.path("broken.csr"), &broken).unwrap();
    std::fs::write(office.path("cut.csr"), &broken[..broken.len() / 2]).unwrap();
    std::fs::write(office.path("empty.csr"), "").unwrap();
    office.request("weak", &["RSA", "-pkeyopt", "rsa_keygen_bits:1024"], &[]);
    office.request(
        "curve",
        &["EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
        &[],
    );
    office.request(
        "sha1",
        &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        &["-sha1"],
    );
    for (name, code, says) in [
        ("broken", 5, &["does not verify with its own key"][..]),
        ("cut", 5, &["not a PKCS#10"]),
        ("empty", 5, &["CERTIFICATE REQUEST"]),
        ("weak", 5, &["1024 bits"]),
        ("curve", 5, &["1.3.132.0.10", "P-256"]),
        ("sha1", 5, &["sha1WithRSAEncryption"]),
        ("missing", 2, &["missing.csr does not exist"]),
    ] {
        office
            .issue("root", name, "person", &[])
            .expect(code)
            .says(says);
        assert!(!office.path(&format!("{name}.pem")).exists(), "{name}");
    }
}

#[test]
fn keys_and_certificates_that_cannot_issue() {
    let office = Office::new();
    std::fs::write(office.path("pass"), "geheim\n").unwrap();
    office.make_root("root", "ec-p256", &["--passphrase-file", "pass"]);
    office.request("web", EC_P256, &[]);
    let issue = || office.issue("root", "web", "person", &[]);
    std::fs::write(office.path("pass"), "falsch\n").unwrap();
    issue()
        .expect(4)
        .says(&["passphrase does not open", "ca.key"]);
    std::fs::write(office.path("pass"), "geheim\n").unwrap();

    let config = std::fs::read_to_string(office.config()).unwrap();
    let (issuer, ca) = config.split_once("[issuer.ca]").unwrap();
    let configured = |text: &str| std::fs::write(office.config(), text).unwrap();
    configured(issuer);
    issue().expect(3).says(&["[issuer.ca]", "ocsp_urls"]);
    configured(&format!(
        "{issuer}[issuer.ca]\nkey = \"none.key\"\nocsp_urls = [\"http://a/\"]\n"
    ));
    issue().expect(4).says(&["none.key does not exist"]);
    configured(&format!(
        "{issuer}[issuer.ca]\nkey = \"web.key\"\nocsp_urls = [\"http://a/\"]\n"
    ));
    issue()
        .expect(4)
        .says(&["does not belong to the CA's certificate"]);
    configured(&config.replace("http://127.0.0.1:1/ocsp", "ocsp.example.ir"));
    issue().expect(3).says(&["ocsp.example.ir", "http://"]);
    configured(&format!(
        "{issuer}[issuer.ca]{}",
        ca.replace("http://127.0.0.1:1/ocsp", "")
    ));
    issue().expect(3);
    configured(&config);
    issue().expect(0);
}

#[test]
fn an_expired_ca_issues_nothing() {
    let office = Office::new();
    std::fs::create_dir(office.path("old")).unwrap();
    std::fs::write(
        office.path("ca.cnf"),
        "[ca]\ndefault_ca=c\n[c]\ndatabase=index\nnew_certs_dir=.\nserial=serial\n\
         default_md=sha256\npolicy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[req]\n\
         distinguished_name=d\n[d]\n[e]\nbasicConstraints=critical,CA:TRUE\n\
         keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n",
    )
    .unwrap();
    std::fs::write(office.path("index"), "").unwrap();
    std::fs::write(office.path("serial"), "01\n").unwrap();
    office.openssl(&[&["genpkey", "-out", "old/ca.key", "-algorithm"], EC_P256].concat());
    office.openssl(&[
        "req",
        "-new",
        "-config",
        "ca.cnf",
        "-subj",
        "/CN=Old",
        "-key",
        "old/ca.key",
        "-out",
        "old.csr",
    ]);
    office.openssl(&[
        "ca",
        "-batch",
        "-selfsign",
        "-config",
        "ca.cnf",
        "-keyfile",
        "old/ca.key",
        "-in",
        "old.csr",
        "-startdate",
        "20200101000000Z",
        "-enddate",
        "20210101000000Z",
        "-out",
        "old/ca.pem",
    ]);
    office.append(
        "[[issuer]]\nname = \"old\"\ncertificate = \"old/ca.pem\"\n[[issuer.signer]]\n\
         certificate = \"old/ocsp.pem\"\nkey = \"old/ocsp.key\"\n[issuer.ca]\nkey = \"old/ca.key\"\n\
         ocsp_urls = [\"http://127.0.0.1:1/\"]\n",
    );
    office.request("web", EC_P256, &[]);
    office
        .issue("old", "web", "person", &[])
        .expect(4)
        .says(&["expired at 2021-01-01T00:00:00Z"]);
    office
        .run(&["ca", "delegate", "--issuer", "old", "--out", "new"])
        .expect(4)
        .says(&["expired"]);
    assert!(!office.path("new").exists());
}
