//! Keys that are made, and keys that are refused.

use der::{Encode as _, asn1::BitString};
use hex_literal::hex;

use super::*;
use crate::signer::{Passphrase, Signer as _, open_key};

#[test]
fn keys_of_every_kind_are_read_by_openssl_and_by_this_program() {
    let folder = Folder::new();
    folder.write("pass", "geheim\n");
    let source = crate::config::PassphraseSource::File(folder.path("pass"));
    let passphrase = Passphrase::read(&source).unwrap();
    for key_type in KNOWN_TO_OPENSSL_3_0 {
        let key = key_type.generate().unwrap();
        folder.write("plain.key", key.to_pem().as_bytes());
        folder.write(
            "secret.key",
            key.to_encrypted_pem(&passphrase).unwrap().as_bytes(),
        );
        let plain = folder.openssl(&["pkey", "-in", "plain.key", "-pubout"]);
        let secret = folder.openssl(&[
            "pkey",
            "-in",
            "secret.key",
            "-passin",
            "pass:geheim",
            "-pubout",
        ]);
        assert_eq!(plain, secret);
        folder.openssl(&["pkey", "-in", "plain.key", "-check", "-noout"]);

        let signer = key.signer().unwrap();
        let subject_key = SubjectKey::of_signer(&signer).unwrap();
        let (_, theirs) = der::Document::from_pem(&plain).unwrap();
        assert_eq!(subject_key.spki_der(), theirs.as_bytes(), "{key_type}");
        assert_eq!(subject_key.public_key_octets(), signer.public_key_octets());
        assert_eq!(
            SubjectKey::from_spki(theirs.as_bytes()),
            Ok(subject_key.clone())
        );

        let (read, warnings) = open_key(&folder.path("secret.key"), Some(&source), None).unwrap();
        assert_eq!(read.public_key_octets(), signer.public_key_octets());
        // The files of a test are open to others by default, and that is told.
        assert!(warnings.len() <= 2);
    }
}

/// The oracle: the key and the certificate of RFC 9881 appendix C.
#[test]
fn ml_dsa_keys_are_those_of_rfc_9881() {
    let fixture = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/ml-dsa/");
        std::path::Path::new(folder).join(name)
    };
    let folder = Folder::new();
    for key_type in [KeyType::MlDsa44, KeyType::MlDsa65] {
        let name = key_type.name().to_uppercase();
        let certificate =
            crate::config::read_certificate(&fixture(&format!("{name}.crt"))).unwrap();
        let (theirs, _) = open_key(&fixture(&format!("{name}-seed.priv")), None, None).unwrap();
        let key = SubjectKey::of_signer(&theirs).unwrap();
        assert_eq!(key.spki_der(), certificate.spki_der());
        assert_eq!(
            SubjectKey::from_spki(certificate.spki_der()),
            Ok(key.clone())
        );
        // Ours has the same form as theirs, octet for octet up to the seed.
        let made = key_type.generate().unwrap();
        let pem = fs::read_to_string(fixture(&format!("{name}-seed.priv"))).unwrap();
        let (_, document) = der::Document::from_pem(&pem).unwrap();
        let (form, seed) = made.pkcs8().split_at(document.as_bytes().len() - 32);
        assert!(document.as_bytes().starts_with(form));
        assert_eq!(seed.len(), 32);
        folder.write("made.key", made.to_pem().as_bytes());
        let (read, _) = open_key(&folder.path("made.key"), None, None).unwrap();
        assert_eq!(
            read.public_key_octets(),
            made.signer().unwrap().public_key_octets()
        );
        // With parameters, and an octet short.
        let mut with_null = certificate.spki_der().to_vec();
        with_null[5] += 2;
        with_null.splice(17..17, [5, 0]);
        let longer = u16::from_be_bytes([with_null[2], with_null[3]]) + 2;
        with_null[2..4].copy_from_slice(&longer.to_be_bytes());
        assert!(refused(&with_null).contains("malformed"));
        let short = certificate.spki_der().split_last().unwrap().1;
        assert!(refused(short).contains("malformed"));
    }
}

fn refused(spki: &[u8]) -> String {
    SubjectKey::from_spki(spki).unwrap_err().to_string()
}

/// What OpenSSL makes of these arguments of `genpkey`.
fn spki_by_openssl(folder: &Folder, arguments: &[&str]) -> Vec<u8> {
    folder.openssl(&[&["genpkey", "-out", "k.key", "-algorithm"], arguments].concat());
    folder.openssl(&[
        "pkey", "-in", "k.key", "-pubout", "-outform", "DER", "-out", "k.der",
    ]);
    folder.read("k.der")
}

#[test]
fn keys_that_nobody_should_have_are_refused_with_the_reason() {
    let folder = Folder::new();
    for (arguments, reason) in [
        (
            &["RSA", "-pkeyopt", "rsa_keygen_bits:1024"][..],
            "1024 bits",
        ),
        (&["RSA", "-pkeyopt", "rsa_keygen_bits:2040"], "2040 bits"),
        (
            &["EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
            "1.3.132.0.10",
        ),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "P-521"),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-224"], "curve"),
        (
            &[
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-pkeyopt",
                "ec_param_enc:explicit",
            ],
            "spells out the curve",
        ),
        (&["ED448"], "1.3.101.113"),
        (&["X25519"], "1.3.101.110"),
        (
            &[
                "RSA-PSS",
                "-pkeyopt",
                "rsa_keygen_bits:2048",
                "-pkeyopt",
                "rsa_pss_keygen_md:sha1",
            ],
            "RSASSA-PSS",
        ),
    ] {
        let spki = spki_by_openssl(&folder, arguments);
        assert!(
            refused(&spki).contains(reason),
            "{arguments:?}: {}",
            refused(&spki)
        );
    }
}

#[test]
fn points_that_are_none_are_refused() {
    let folder = Folder::new();
    for curve in ["P-256", "P-384"] {
        let curve = format!("ec_paramgen_curve:{curve}");
        let mut spki = spki_by_openssl(&folder, &["EC", "-pkeyopt", &curve]);
        assert!(SubjectKey::from_spki(&spki).is_ok());
        *spki.last_mut().unwrap() ^= 1;
        assert!(
            refused(&spki).contains("not on the curve"),
            "{}",
            refused(&spki)
        );
    }
    // RFC 8410 §10.3's identifier before points of small order: the neutral one and one of order 8.
    for point in [
        hex!("0100000000000000000000000000000000000000000000000000000000000000"),
        hex!("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    ] {
        let spki = [&hex!("302a 3005 0603 2b6570 0321 00")[..], &point].concat();
        assert!(refused(&spki).contains("small order"), "{}", refused(&spki));
    }
}

/// An RSA SubjectPublicKeyInfo by x509-cert's encoders.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let uint = |octets| der::asn1::UintRef::new(octets).unwrap().to_der().unwrap();
    let numbers = [uint(modulus), uint(exponent)].concat();
    let sequence = der::Any::new(der::Tag::Sequence, numbers)
        .unwrap()
        .to_der()
        .unwrap();
    spki::SubjectPublicKeyInfo {
        algorithm: spki::AlgorithmIdentifier {
            oid: const_oid::db::rfc5912::RSA_ENCRYPTION,
            parameters: Some(der::asn1::Null),
        },
        subject_public_key: BitString::from_bytes(&sequence).unwrap(),
    }
    .to_der()
    .unwrap()
}

#[test]
fn rsa_keys_that_prove_nothing_are_refused() {
    let folder = Folder::new();
    folder.openssl(&["genrsa", "-out", "k.key", "2048"]);
    let modulus = folder.openssl(&["rsa", "-in", "k.key", "-noout", "-modulus"]);
    let digits = modulus.trim().strip_prefix("Modulus=").unwrap();
    let modulus: Vec<u8> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect();
    assert!(SubjectKey::from_spki(&rsa(&modulus, &hex!("010001"))).is_ok());
    assert!(SubjectKey::from_spki(&rsa(&modulus, &hex!("03"))).is_ok());
    for exponent in [&hex!("01")[..], &hex!("02"), &hex!("010000"), &hex!("00")] {
        let error = refused(&rsa(&modulus, exponent));
        assert!(
            error.contains("exponent") || error.contains("malformed"),
            "{error}"
        );
    }
    let mut even = modulus.clone();
    *even.last_mut().unwrap() &= 0xfe;
    assert!(refused(&rsa(&even, &hex!("010001"))).contains("divisible by 2"));
    // 2^2048 - 1 is divisible by 3.
    assert!(refused(&rsa(&[0xff; 256], &hex!("010001"))).contains("divisible by 3"));
}

#[test]
fn another_way_to_write_a_key_is_refused() {
    let key = subject_key(KeyType::Rsa2048);
    // rsaEncryption without its NULL (RFC 3279 §2.3.1).
    let null = hex!("0609 2a864886f70d010101 0500");
    let at = key
        .spki_der()
        .windows(null.len())
        .position(|part| part == null)
        .unwrap();
    let mut without = key.spki_der().to_vec();
    without.drain(at + null.len() - 2..at + null.len());
    without[at - 1] -= 2;
    let length = u16::from_be_bytes([without[2], without[3]]) - 2;
    without[2..4].copy_from_slice(&length.to_be_bytes());
    assert!(
        refused(&without).contains("RFC 3279"),
        "{}",
        refused(&without)
    );
}

#[test]
fn garbage_is_no_key_and_no_panic() {
    let key = subject_key(KeyType::EcP256);
    for at in 0..key.spki_der().len() {
        assert!(SubjectKey::from_spki(&key.spki_der()[..at]).is_err());
    }
    assert!(SubjectKey::from_spki(&[key.spki_der(), &[0]].concat()).is_err());
}
