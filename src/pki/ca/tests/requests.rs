//! PKCS#10 requests, made by OpenSSL and then spoiled.

use const_oid::db::rfc5280::ID_KP_OCSP_SIGNING;
use proptest::prelude::*;

use super::*;

/// A request by `openssl req` for the key `k.key`, with these lines of its configuration.
fn request(folder: &Folder, subject: &str, extensions: &str, options: &[&str]) -> Vec<u8> {
    let reference = if extensions.is_empty() {
        ""
    } else {
        "req_extensions=e\n"
    };
    folder.write(
        "req.cnf",
        format!("[req]\nstring_mask=utf8only\nutf8=yes\ndistinguished_name=d\n{reference}[d]\n[e]\n{extensions}"),
    );
    let fixed = [
        "req", "-new", "-config", "req.cnf", "-key", "k.key", "-utf8", "-subj", subject,
        "-outform", "DER", "-out", "r.der",
    ];
    folder.openssl(&[&fixed, options].concat());
    folder.read("r.der")
}

fn key(folder: &Folder, arguments: &[&str]) {
    folder.openssl(&[&["genpkey", "-out", "k.key", "-algorithm"], arguments].concat());
}

const EC_P256: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

#[test]
fn requests_for_every_kind_of_key_and_hash_are_read() {
    let folder = Folder::new();
    for (arguments, hashes) in [
        (
            &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"][..],
            &["-sha256", "-sha384", "-sha512"][..],
        ),
        (EC_P256, &["-sha256", "-sha384"]),
        (
            &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            &["-sha256", "-sha384"],
        ),
        (&["ED25519"], &["-sha256"]),
    ] {
        key(&folder, arguments);
        folder.openssl(&[
            "pkey", "-in", "k.key", "-pubout", "-outform", "DER", "-out", "k.der",
        ]);
        for hash in hashes {
            let der = request(&folder, "/C=IR/O=نمونه/CN=سارا\u{200c}پور", "", &[hash]);
            let read = Pkcs10::from_der(&der)
                .unwrap_or_else(|error| panic!("{arguments:?} {hash}: {error}"));
            assert_eq!(read.key().spki_der(), folder.read("k.der"));
            assert_eq!(
                read.subject().to_string(),
                "CN=سارا\u{200c}پور,O=نمونه,C=IR"
            );
            assert_eq!(*read.wishes(), Wishes::default());
            folder.openssl(&["req", "-inform", "DER", "-in", "r.der", "-out", "r.pem"]);
            let pem = Pkcs10::from_pem(&folder.read("r.pem")).unwrap();
            assert_eq!(pem.subject(), read.subject());
        }
    }
}

#[test]
fn wishes_are_read_and_rights_are_not_granted() {
    let folder = Folder::new();
    key(&folder, EC_P256);
    let der = request(
        &folder,
        "/CN=a",
        "subjectAltName=DNS:a.example.ir,IP:127.0.0.1,IP:::1,email:a@example.ir\n\
         basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n\
         extendedKeyUsage=serverAuth,OCSPSigning\nnoCheck=ignored\ntlsfeature=status_request\n",
        &[],
    );
    let read = Pkcs10::from_der(&der).unwrap();
    let wishes = read.wishes();
    assert_eq!(wishes.dns_names, ["a.example.ir"]);
    assert_eq!(wishes.ip_addresses.len(), 2);
    assert!(wishes.ca && wishes.purposes.contains(&ID_KP_OCSP_SIGNING));
    let told: Vec<String> = wishes
        .not_granted(&Profile::tls_server("a.example.ir"))
        .iter()
        .map(ToString::to_string)
        .collect();
    for (told, expected) in told.iter().zip([
        "rights of a CA",
        "OCSPSigning",
        "1 alternative names",
        "1.3.6.1.5.5.7.48.1.5",
        "1.3.6.1.5.5.7.1.24",
    ]) {
        assert!(told.contains(expected), "{told}");
    }
    assert_eq!(told.len(), 5, "{told:?}");
    // For a person the host names have no place either.
    let told = wishes.not_granted(&Profile::DocumentSigning);
    assert!(told.contains(&Wish::Names(4)), "{told:?}");
}

#[test]
fn a_request_that_only_wants_a_server_is_granted_whole() {
    let folder = Folder::new();
    key(&folder, EC_P256);
    let wishes = "subjectAltName=DNS:a.ir\nextendedKeyUsage=serverAuth\n\
                  keyUsage=critical,digitalSignature\nbasicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\n";
    let der = request(&folder, "/CN=a", wishes, &[]);
    let read = Pkcs10::from_der(&der).unwrap();
    assert_eq!(read.wishes().not_granted(&Profile::tls_server("a.ir")), []);
}

#[test]
fn a_spoiled_request_is_refused_and_never_a_panic() {
    let folder = Folder::new();
    key(&folder, EC_P256);
    let der = request(
        &folder,
        "/CN=abcdefgh",
        "subjectAltName=DNS:a.example.ir\n",
        &[],
    );
    for at in 0..der.len() {
        assert!(Pkcs10::from_der(&der[..at]).is_err());
        for bit in 0..8 {
            let mut spoiled = der.clone();
            spoiled[at] ^= 1 << bit;
            assert!(Pkcs10::from_der(&spoiled).is_err(), "octet {at}, bit {bit}");
        }
    }
    assert!(Pkcs10::from_der(&[&der[..], &[0]].concat()).is_err());
    let mut signature = der;
    *signature.last_mut().unwrap() ^= 1;
    assert_eq!(
        Pkcs10::from_der(&signature).unwrap_err(),
        Pkcs10Error::Signature
    );
}

#[test]
fn weak_keys_and_broken_hashes_are_refused_with_the_reason() {
    let folder = Folder::new();
    for (arguments, options, reason) in [
        (
            &["RSA", "-pkeyopt", "rsa_keygen_bits:1024"][..],
            &[][..],
            "1024 bits",
        ),
        (
            &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            &["-sha1"],
            "sha1WithRSAEncryption",
        ),
        (
            &["EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
            &[],
            "1.3.132.0.10",
        ),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-521"], &[], "P-521"),
        (
            &[
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-pkeyopt",
                "ec_param_enc:explicit",
            ],
            &[],
            "spells out",
        ),
    ] {
        key(&folder, arguments);
        let der = request(&folder, "/CN=a", "", options);
        let error = Pkcs10::from_der(&der).unwrap_err().to_string();
        assert!(error.contains(reason), "{arguments:?}: {error}");
    }
}

#[test]
fn pem_files_with_no_or_two_requests_are_refused() {
    let folder = Folder::new();
    key(&folder, EC_P256);
    request(&folder, "/CN=a", "", &[]);
    folder.openssl(&["req", "-inform", "DER", "-in", "r.der", "-out", "r.pem"]);
    let pem = folder.read("r.pem");
    assert_eq!(Pkcs10::from_pem(b"").unwrap_err(), Pkcs10Error::NoRequest);
    let twice = [&pem[..], &pem].concat();
    assert_eq!(
        Pkcs10::from_pem(&twice).unwrap_err(),
        Pkcs10Error::SeveralRequests
    );
    let certificate = super::pem(&[0x30, 0]);
    assert_eq!(
        Pkcs10::from_pem(certificate.as_bytes()).unwrap_err(),
        Pkcs10Error::NoRequest
    );
}

proptest! {
    #[test]
    fn any_octets_are_refused(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Pkcs10::from_der(&octets).is_err());
    }
}
