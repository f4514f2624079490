//! Every profile under every kind of key.

use const_oid::ObjectIdentifier;

use super::*;

fn official() -> Name {
    NameBuilder::new()
        .country("IR")
        .organization("وزارت نمونه")
        .organization_identifier("NTRIR-14000000001")
        .title("مدیر\u{200c}کل")
        .surname("نمونه\u{200c}پور")
        .given_name("سارا")
        .serial_number("0012345678")
        .common_name("سارا نمونه\u{200c}پور")
        .build()
        .unwrap()
}

fn profiles() -> Vec<(Profile, &'static str)> {
    vec![
        (Profile::DocumentSigning, "smimesign"),
        (Profile::DocumentSigningOfficial, "smimesign"),
        (
            Profile::TlsServer {
                dns_names: vec!["localhost".to_owned(), "*.example.ir".to_owned()],
                ip_addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
            },
            "sslserver",
        ),
        (Profile::TlsClient, "sslclient"),
        (Profile::CodeSigning, "any"),
        (Profile::Timestamping, "timestampsign"),
        (Profile::OcspSigning, "ocsphelper"),
    ]
}

#[test]
fn openssl_verifies_every_profile_under_every_kind_of_key() {
    let folder = Folder::new();
    for key_type in KNOWN_TO_OPENSSL_3_0 {
        let root = root(key_type);
        let below = RootRequest {
            subject: named("میانی"),
            key: signer(key_type),
            path_len: Some(0),
            ..root_request(key_type)
        };
        let below = RootRequest {
            validity: Validity::days(a_year().not_before, 1000),
            ..below
        };
        let issuing = root
            .issue_intermediate(&below, &mut UnrecordedSerials)
            .unwrap();
        folder.write("root.pem", pem(root.certificate().der()));
        folder.write("ca.pem", pem(issuing.certificate().der()));
        for (profile, purpose) in profiles() {
            let subject = official();
            let request =
                CertificateRequest::new(subject, subject_key(key_type), profile.clone(), a_year());
            let der = issuing.issue(&request, &mut UnrecordedSerials).unwrap();
            folder.write("leaf.pem", pem(&der));
            let said = folder.openssl(&[
                "verify",
                "-x509_strict",
                "-purpose",
                purpose,
                "-CAfile",
                "root.pem",
                "-untrusted",
                "ca.pem",
                "leaf.pem",
            ]);
            assert_eq!(said, "leaf.pem: OK\n", "{key_type} {profile:?}");
            assert_eq!(
                certificate(&der).issuer_der(),
                issuing.certificate().subject_der()
            );
        }
    }
}

/// OpenSSL 3.0 knows no ML-DSA, so RustCrypto reads the certificates and verifies them.
#[test]
fn another_implementation_verifies_every_profile_under_ml_dsa() {
    use ml_dsa::{EncodedVerifyingKey, MlDsa44, MlDsa65, MlDsaParams, Signature, VerifyingKey};
    use x509_cert::der::{Decode as _, Encode as _};

    fn is_signed<P: MlDsaParams>(der: &[u8], issuer: &[u8]) -> bool {
        let read = |der| x509_cert::Certificate::from_der(der).unwrap();
        let (certificate, issuer) = (read(der), read(issuer));
        let key = issuer.tbs_certificate().subject_public_key_info();
        let key = EncodedVerifyingKey::<P>::try_from(key.subject_public_key.raw_bytes()).unwrap();
        let signature = Signature::<P>::try_from(certificate.signature().raw_bytes()).unwrap();
        let tbs = certificate.tbs_certificate();
        assert_eq!(tbs.signature(), certificate.signature_algorithm());
        assert_eq!(certificate.signature_algorithm().parameters, None);
        assert_eq!(tbs.issuer(), issuer.tbs_certificate().subject());
        VerifyingKey::<P>::decode(&key).verify_with_context(&tbs.to_der().unwrap(), &[], &signature)
    }

    for key_type in [KeyType::MlDsa44, KeyType::MlDsa65] {
        let is_signed = match key_type {
            KeyType::MlDsa44 => is_signed::<MlDsa44>,
            _ => is_signed::<MlDsa65>,
        };
        let root = root(key_type);
        let own = root.certificate().der();
        assert!(is_signed(own, own));
        for (profile, _) in profiles() {
            let der = issue(&root, key_type, profile);
            assert!(is_signed(&der, own));
        }
        let mut other = issue(&root, key_type, Profile::OcspSigning);
        let last = other.len() - 1_000;
        other[last] ^= 1;
        assert!(!is_signed(&other, own));
    }
}

/// What OpenSSL shows of a certificate.
fn shown(folder: &Folder, der: &[u8]) -> String {
    folder.write("shown.pem", pem(der));
    folder.openssl(&[
        "x509",
        "-in",
        "shown.pem",
        "-noout",
        "-text",
        "-nameopt",
        "RFC2253,utf8,-esc_msb",
    ])
}

fn issue(ca: &CertificateAuthority, key_type: KeyType, profile: Profile) -> Vec<u8> {
    let request = CertificateRequest::new(official(), subject_key(key_type), profile, a_year());
    ca.issue(&request, &mut UnrecordedSerials).unwrap()
}

#[test]
fn each_profile_has_its_extensions_as_openssl_shows_them() {
    let folder = Folder::new();
    let mut urls = Urls::ocsp("http://ocsp.example.ir/");
    urls.ca_issuers
        .push("http://ca.example.ir/ca.cer".to_owned());
    urls.crl.push("http://crl.example.ir/ca.crl".to_owned());
    let root = RootRequest {
        urls,
        ..root_request(KeyType::EcP256)
    };
    let root = CertificateAuthority::self_signed(&root).unwrap();
    let status = [
        "OCSP - URI:http://ocsp.example.ir/",
        "CA Issuers - URI:http://ca.example.ir/ca.cer",
        "URI:http://crl.example.ir/ca.crl",
    ];
    for (key_type, profile, has, has_not) in [
        (
            KeyType::EcP256,
            Profile::DocumentSigning,
            &["Key Usage: critical\n                Digital Signature, Non Repudiation\n"][..],
            &["Extended", "Basic Constraints"][..],
        ),
        (
            KeyType::Rsa2048,
            Profile::tls_server("localhost"),
            &[
                "Digital Signature, Key Encipherment\n",
                "Extended Key Usage: \n                TLS Web Server Authentication\n",
                "Subject Alternative Name: \n                DNS:localhost\n",
            ],
            &[],
        ),
        (
            KeyType::EcP256,
            Profile::tls_server("localhost"),
            &["Key Usage: critical\n                Digital Signature\n"],
            &["Key Encipherment"],
        ),
        (
            KeyType::EcP384,
            Profile::TlsClient,
            &["TLS Web Client Authentication\n"],
            &["Alternative"],
        ),
        (
            KeyType::Ed25519,
            Profile::CodeSigning,
            &["Code Signing\n"],
            &[],
        ),
        (
            KeyType::EcP256,
            Profile::Timestamping,
            &["Extended Key Usage: critical\n                Time Stamping\n"],
            &[],
        ),
        (
            KeyType::EcP256,
            Profile::IntermediateCa { path_len: Some(0) },
            &[
                "Basic Constraints: critical\n                CA:TRUE, pathlen:0\n",
                "Key Usage: critical\n                Certificate Sign, CRL Sign\n",
            ],
            &["Extended"],
        ),
    ] {
        let text = shown(&folder, &issue(&root, key_type, profile.clone()));
        for expected in has.iter().chain(&status) {
            assert!(
                text.contains(expected),
                "{profile:?} lacks {expected:?}: {text}"
            );
        }
        for unexpected in has_not {
            assert!(
                !text.contains(unexpected),
                "{profile:?} has {unexpected:?}: {text}"
            );
        }
    }
}

#[test]
fn a_delegate_has_nocheck_and_nothing_that_its_profile_forbids() {
    let folder = Folder::new();
    let root = root(KeyType::EcP256);
    let der = issue(&root, KeyType::EcP256, Profile::OcspSigning);
    let text = shown(&folder, &der);
    for expected in ["OCSP Signing\n", "OCSP No Check", "Digital Signature\n"] {
        assert!(text.contains(expected), "{text}");
    }
    for forbidden in [
        "Authority Information",
        "CRL Distribution",
        "Alternative",
        "Policies",
    ] {
        assert!(!text.contains(forbidden), "{text}");
    }
    let delegate = certificate(&der);
    let nocheck = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");
    assert_eq!(delegate.extension(&nocheck).unwrap().value, [0x05, 0x00]);
    // The program's own judgement of signers has nothing to say against it.
    let key = KeyType::EcP256.generate().unwrap();
    let signer = Arc::new(key.signer().unwrap());
    let subject_key = SubjectKey::of_signer(&*signer).unwrap();
    let der = root
        .issue_ocsp_signer(
            named("OCSP"),
            subject_key,
            Validity::days(now(), 90),
            &mut UnrecordedSerials,
        )
        .unwrap();
    let loaded = crate::signer::load(root.certificate(), certificate(&der), signer, now()).unwrap();
    assert_eq!(loaded.warnings, []);
}

#[test]
fn policies_are_there_only_when_asked_for() {
    let folder = Folder::new();
    let root = root(KeyType::EcP256);
    let mut request = CertificateRequest::new(
        official(),
        subject_key(KeyType::EcP256),
        Profile::TlsClient,
        a_year(),
    );
    let without = root.issue(&request, &mut UnrecordedSerials).unwrap();
    request
        .policies
        .push(ObjectIdentifier::new_unwrap("1.3.6.1.4.1.99999.1.2"));
    let with = root.issue(&request, &mut UnrecordedSerials).unwrap();
    assert!(!shown(&folder, &without).contains("Policies"));
    assert!(shown(&folder, &with).contains("Policy: 1.3.6.1.4.1.99999.1.2"));
}

#[test]
fn a_server_without_a_subject_has_critical_names() {
    let folder = Folder::new();
    let root = root(KeyType::EcP256);
    let request = CertificateRequest::new(
        NameBuilder::new().build().unwrap(),
        subject_key(KeyType::EcP256),
        Profile::tls_server("localhost"),
        a_year(),
    );
    let der = root.issue(&request, &mut UnrecordedSerials).unwrap();
    assert!(shown(&folder, &der).contains("Alternative Name: critical"));
}

#[test]
fn times_past_2049_are_generalized_times() {
    let folder = Folder::new();
    let at = |text| UnixTime::from_rfc3339(text).unwrap();
    let validity = Validity::new(at("2026-01-01T00:00:00Z"), UnixTime::MAX).unwrap();
    let root = RootRequest {
        validity,
        ..root_request(KeyType::EcP256)
    };
    let root = CertificateAuthority::self_signed(&root).unwrap();
    let text = shown(&folder, root.certificate().der());
    assert!(
        text.contains("Not Before: Jan  1 00:00:00 2026 GMT"),
        "{text}"
    );
    assert!(
        text.contains("Not After : Dec 31 23:59:59 9999 GMT"),
        "{text}"
    );
}

#[test]
fn what_a_ca_may_not_issue_is_refused_before_a_serial_is_recorded() {
    let root_request = RootRequest {
        path_len: Some(1),
        ..root_request(KeyType::EcP256)
    };
    let root = CertificateAuthority::self_signed(&root_request).unwrap();
    let key = subject_key(KeyType::EcP256);
    let of =
        |profile, validity| CertificateRequest::new(official(), key.clone(), profile, validity);
    let outside = Validity::days(root.validity().not_before, 3651);
    let early = Validity::days(
        root.validity()
            .not_before
            .saturating_sub(Duration::from_secs(1)),
        2,
    );
    let intermediate = |path_len| Profile::IntermediateCa { path_len };
    let nobody = NameBuilder::new().build().unwrap();
    let ordinary = named("کسی");
    let same = CertificateRequest {
        subject: root.name(),
        ..of(intermediate(Some(0)), a_year())
    };
    let past = UnixTime::from_secs(1).unwrap();
    for (request, message) in [
        (of(Profile::TlsClient, outside), "outlive"),
        (of(Profile::TlsClient, early), "outlive"),
        (
            of(
                Profile::TlsClient,
                Validity {
                    not_after: past,
                    ..a_year()
                },
            ),
            "ends before it begins",
        ),
        (of(intermediate(None), a_year()), "pathLenConstraint is 1"),
        (
            of(intermediate(Some(1)), a_year()),
            "pathLenConstraint is 1",
        ),
        (
            of(Profile::Root { path_len: None }, a_year()),
            "signs itself",
        ),
        (same, "same name"),
        (of(Profile::tls_server("a b"), a_year()), "a b"),
        (
            of(
                Profile::TlsServer {
                    dns_names: vec![],
                    ip_addresses: vec![],
                },
                a_year(),
            ),
            "needs a DNS name",
        ),
        (
            CertificateRequest {
                subject: nobody,
                ..of(Profile::TlsClient, a_year())
            },
            "subject is empty",
        ),
        (
            CertificateRequest {
                subject: ordinary,
                ..of(Profile::DocumentSigningOfficial, a_year())
            },
            "title (T)",
        ),
    ] {
        let error = root
            .issue(&request, &mut Untouched)
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{error}");
    }
    assert!(root.judge(&of(intermediate(Some(0)), a_year())).is_ok());
}

#[test]
fn without_an_ocsp_url_only_delegates_are_issued() {
    let root_request = RootRequest {
        urls: Urls::default(),
        ..root_request(KeyType::EcP256)
    };
    let root = CertificateAuthority::self_signed(&root_request).unwrap();
    let of = |profile| {
        CertificateRequest::new(official(), subject_key(KeyType::EcP256), profile, a_year())
    };
    let error = root
        .issue(&of(Profile::TlsClient), &mut Untouched)
        .unwrap_err();
    assert!(matches!(error, CaError::NoOcspUrl));
    assert!(
        root.issue(&of(Profile::OcspSigning), &mut UnrecordedSerials)
            .is_ok()
    );
}

#[test]
fn only_a_ca_with_its_own_key_can_issue() {
    let root = root(KeyType::EcP256);
    let new = |certificate: &Certificate, signer| {
        CertificateAuthority::new(Arc::new(certificate.clone()), signer, Urls::default())
    };
    let other = new(root.certificate(), signer(KeyType::EcP256)).unwrap_err();
    assert!(matches!(other, CaError::KeyMismatch));
    let key = signer(KeyType::EcP256);
    let request = CertificateRequest::new(
        official(),
        SubjectKey::of_signer(&*key).unwrap(),
        Profile::TlsClient,
        a_year(),
    );
    let leaf = certificate(&root.issue(&request, &mut UnrecordedSerials).unwrap());
    assert!(matches!(new(&leaf, key).unwrap_err(), CaError::NotCa));
}

/// A signer whose signatures are wrong, as on a damaged machine.
struct Damaged(Arc<dyn crate::signer::Signer>);

impl crate::signer::Signer for Damaged {
    fn sign_digest(
        &self,
        _: &aws_lc_rs::digest::Digest,
        _: &mut [u8],
    ) -> Result<(), crate::signer::SignerError> {
        Err(crate::signer::SignerError::NeedsMessage)
    }

    fn algorithm(&self) -> crate::asn1::SignatureAlgorithm {
        self.0.algorithm()
    }
    fn public_key_octets(&self) -> &[u8] {
        self.0.public_key_octets()
    }
    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), crate::signer::SignerError> {
        self.0.sign(message, signature)?;
        signature[40] ^= 1;
        Ok(())
    }
}

#[test]
fn a_wrong_signature_is_not_handed_out() {
    for key_type in [KeyType::EcP256, KeyType::Rsa2048, KeyType::Ed25519] {
        let root = root(key_type);
        let damaged = Arc::new(Damaged(Arc::clone(root.signer())));
        let damaged =
            CertificateAuthority::new(Arc::clone(root.certificate()), damaged, root.urls().clone())
                .unwrap();
        let request = CertificateRequest::new(
            official(),
            subject_key(KeyType::EcP256),
            Profile::TlsClient,
            a_year(),
        );
        let error = damaged.issue(&request, &mut UnrecordedSerials).unwrap_err();
        assert!(
            matches!(error, CaError::Breach(Breach::Signature)),
            "{error}"
        );
    }
}

/// Panics when it is asked.
pub(super) struct Untouched;

impl SerialRegister for Untouched {
    fn reserve(
        &mut self,
        _: &crate::identity::IssuerId,
        _: &[PlannedCertificate],
    ) -> Result<Vec<crate::identity::SerialNumber>, RegisterError> {
        panic!("no serial number may be recorded")
    }
    fn issued(
        &mut self,
        _: &crate::identity::IssuerId,
        _: &[IssuedCertificate],
    ) -> Result<(), RegisterError> {
        panic!("nothing may be recorded")
    }
}
