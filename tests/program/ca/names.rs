//! Names are carried byte for byte, whatever wrote them.

use super::*;
use crate::common::der::{children, only};

/// CA names as OpenSSL writes them: the string type, the subject, what the type's tag is.
const NAMES: [(&str, &str, u8); 6] = [
    ("MASK:0x2", "/C=IR/O=Example Org/CN=Printable CA", 0x13),
    ("utf8only", "/C=IR/O=سازمان نمونه/CN=گواهی\u{200c}ها", 0x0c),
    ("MASK:0x800", "/C=IR/O=سازمان نمونه/CN=مرکز ۱", 0x1e),
    ("MASK:0x4", "/C=IR/O=Café/CN=Teletex CA", 0x14),
    ("utf8only", "/CN=Odd order/C=IR/OU=b/O=a/OU=c", 0x0c),
    (
        "utf8only",
        "/C=IR/O=Example+OU=Unit+L=تهران/CN=Two+serialNumber=12",
        0x0c,
    ),
];

#[test]
fn a_ca_of_any_name_issues_under_the_very_same_octets() {
    let office = Office::new();
    for (number, (mask, subject, _)) in NAMES.iter().enumerate() {
        let folder = office.path(&format!("ca{number}"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(
            office.path("ca.cnf"),
            format!(
                "[req]\nstring_mask={mask}\ndistinguished_name=d\nx509_extensions=e\n[d]\n[e]\n\
                 basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n\
                 subjectKeyIdentifier=hash\n"
            ),
        )
        .unwrap();
        let (key, certificate) = (format!("ca{number}/ca.key"), format!("ca{number}/ca.pem"));
        office.openssl(&[&["genpkey", "-out", &key, "-algorithm"], EC_P256].concat());
        office.openssl(&[
            "req",
            "-x509",
            "-new",
            "-config",
            "ca.cnf",
            "-utf8",
            "-multivalue-rdn",
            "-days",
            "30",
            "-subj",
            subject,
            "-key",
            &key,
            "-out",
            &certificate,
        ]);
        add(&office, number);
    }
    issue_and_ask(&office, NAMES.len());
    for (number, (_, _, tag)) in NAMES.iter().enumerate() {
        let strings = string_tags(&subject_of(&der_of(&office, &format!("ca{number}/ca.pem"))));
        assert!(strings.contains(tag), "{number}: {strings:02x?}");
    }
}

/// A delegate needs the CA in the configuration, and the configuration a delegate: `ca delegate` reads
/// a configuration that names one that is not there yet.
fn add(office: &Office, number: usize) {
    office.append(&format!(
        "[[issuer]]\nname = \"ca{number}\"\ncertificate = \"ca{number}/ca.pem\"\n\
         [[issuer.signer]]\ncertificate = \"ca{number}/ocsp.pem\"\nkey = \"ca{number}/ocsp.key\"\n\
         [issuer.ca]\nkey = \"ca{number}/ca.key\"\nocsp_urls = [\"http://127.0.0.1:1/ocsp\"]\n"
    ));
}

fn issue_and_ask(office: &Office, cas: usize) {
    // The subject of the request is no less odd.
    office.request(
        "leaf",
        EC_P256,
        &[
            "-subj",
            "/CN=نام\u{200c}ها+OU=b/O=a/C=IR",
            "-multivalue-rdn",
        ],
    );
    for number in 0..cas {
        let (ca, folder) = (format!("ca{number}"), format!("ca{number}"));
        office
            .run(&["ca", "delegate", "--issuer", &ca, "--out", &folder])
            .expect(0);
        let files = ["leaf.csr".to_owned(), format!("leaf{number}.pem")];
        office
            .run(&Office::issue_words(&ca, &files, "person"))
            .expect(0);
        let ca_file = format!("ca{number}/ca.pem");
        let subject = subject_of(&der_of(office, &ca_file));
        for issued in [&files[1], &format!("ca{number}/ocsp.pem")] {
            assert_eq!(
                issuer_of(&der_of(office, issued)),
                subject,
                "{number} {issued}"
            );
            office.openssl(&[
                "verify",
                "-x509_strict",
                "-partial_chain",
                "-CAfile",
                &ca_file,
                issued,
            ]);
        }
        let request = tool("openssl")
            .args([
                "req",
                "-in",
                text(&office.path("leaf.csr")),
                "-outform",
                "DER",
            ])
            .output()
            .unwrap();
        let info = children(only(&request.stdout, 0x30))[0].content;
        let asked = children(info)[1].whole;
        assert_eq!(subject_of(&der_of(office, &files[1])), asked, "{number}");
    }
    let server = office.site.serve();
    for number in 0..cas {
        let certificate = format!("leaf{number}.pem");
        office.good_by_openssl(&server, &format!("ca{number}/ca.pem"), &certificate);
    }
    server.terminate().expect(0);
}

/// `issuer` and `subject` are the fourth and the sixth part of a tbsCertificate of version 3.
fn issuer_of(certificate: &[u8]) -> Vec<u8> {
    part(certificate, 3)
}

fn subject_of(certificate: &[u8]) -> Vec<u8> {
    part(certificate, 5)
}

fn part(certificate: &[u8], place: usize) -> Vec<u8> {
    let tbs = children(only(certificate, 0x30))[0].content;
    children(tbs)[place].whole.to_vec()
}

/// The tags of the values in a name.
fn string_tags(name: &[u8]) -> Vec<u8> {
    children(only(name, 0x30))
        .iter()
        .flat_map(|rdn| children(rdn.content))
        .map(|attribute| children(attribute.content)[1].whole[0])
        .collect()
}
