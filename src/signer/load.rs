//! Which certificate and key may sign for an issuer (RFC 6960 §4.2.2.2, BR §7.1.2.8, Mozilla
//! Root Store Policy §5.2 and §6).

use std::{fmt, sync::Arc};

use const_oid::db::{rfc5280::ID_KP_OCSP_SIGNING, rfc6960::ID_PKIX_OCSP_NOCHECK};

use super::{
    Defect, Keys, LoadError, Signer, SignerError, Warning, certificate_signature,
    defect::Name,
    public_key::{KeyKind, key_kind},
    signature_scheme::Hash,
    verify,
};
use crate::{
    asn1::{Certificate, KeyUsage, SignatureAlgorithm, UnixTime},
    config,
    ocsp::ResponderId,
};

/// A signer that may sign for one issuer.
#[derive(Clone)]
pub struct LoadedSigner {
    /// Who signs.
    pub signer: Arc<dyn Signer>,
    /// The signer's certificate; for [`Role::CaDirect`] the CA's.
    pub certificate: Arc<Certificate>,
    /// In which right.
    pub role: Role,
    /// The responderID of its answers: byKey, SHA-1 over its own public key octets (RFC 6960 §4.2.1),
    /// unless [`LoadedSigner::named_by_subject`] says otherwise.
    pub responder_id: ResponderId,
    /// certs of the response: the delegate's certificate in DER, nothing for [`Role::CaDirect`]
    /// (RFC 9919 §3.2.2).
    pub certificates_to_send: Vec<Vec<u8>>,
    /// nextUpdate must not be after this (Mozilla §6).
    pub not_after: UnixTime,
    /// What is odd, to be shown to the operator.
    pub warnings: Vec<Warning>,
}

impl fmt::Debug for LoadedSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedSigner")
            .field("algorithm", &self.signer.algorithm())
            .field("role", &self.role)
            .field("not_after", &self.not_after)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

impl LoadedSigner {
    /// Signs a line that nobody needs, to see whether the key is there.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn probe(&self) -> Result<(), SignerError> {
        probe(&*self.signer)
    }

    /// The same signer, whose answers name it by its certificate's subject.
    #[must_use]
    pub fn named_by_subject(mut self) -> Self {
        self.responder_id = ResponderId::ByName(self.certificate.subject_der().to_vec());
        self
    }
}

/// In which right a signer signs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// The CA itself, with the key that signs its certificates.
    CaDirect,
    /// A delegate that the CA issued a certificate for OCSP signing.
    Delegated,
}

/// Loads a signer as configured: its certificate from a file, its key from `keys`.
///
/// # Errors
/// [`LoadError`], which names the file; no other key is tried.
pub fn open(
    issuer: &Certificate,
    settings: &config::Signer,
    keys: &Keys,
    now: UnixTime,
) -> Result<LoadedSigner, LoadError> {
    let certificate = config::read_certificate(&settings.certificate)?;
    let (signer, warnings) = keys.open(&settings.configured_key())?;
    let mut loaded =
        load(issuer, certificate, signer, now).map_err(|defect| LoadError::Defect {
            certificate: settings.certificate.clone(),
            defect,
        })?;
    loaded.warnings.extend(warnings);
    Ok(loaded)
}

/// Judges whether `signer`, whose certificate is `certificate`, may sign for `issuer` at `now`.
///
/// # Errors
/// The first [`Defect`] found.
pub fn load(
    issuer: &Certificate,
    certificate: Certificate,
    signer: Arc<dyn Signer>,
    now: UnixTime,
) -> Result<LoadedSigner, Defect> {
    judge_issuer(issuer)?;
    judge_key(&certificate, &*signer)?;
    let role = role(issuer, &certificate);
    let mut warnings = Vec::new();
    judge_validity(&certificate, now, &mut warnings)?;
    let (not_after, certificates_to_send) = match role {
        Role::CaDirect => {
            judge_ca_direct(issuer, now, &mut warnings)?;
            (certificate.not_after().min(issuer.not_after()), Vec::new())
        }
        Role::Delegated => {
            judge_delegate(issuer, &certificate, now, &mut warnings)?;
            (certificate.not_after(), vec![certificate.der().to_owned()])
        }
    };
    Ok(LoadedSigner {
        responder_id: ResponderId::by_key(certificate.public_key_octets()),
        signer,
        certificate: Arc::new(certificate),
        role,
        certificates_to_send,
        not_after,
        warnings,
    })
}

/// The same, of a key without its certificate.
///
/// # Errors
/// [`SignerError`].
pub fn probe(signer: &dyn Signer) -> Result<(), SignerError> {
    let mut signature = vec![0; signer.algorithm().stored_len()];
    signer.sign(SELF_TEST, &mut signature)
}

/// What is signed to see whether, and what, a key signs: nothing that anybody takes for something else.
const SELF_TEST: &[u8] = b"estelam: does this key sign what this certificate verifies?";

fn judge_issuer(issuer: &Certificate) -> Result<(), Defect> {
    // A version 1 root has no extensions to say that it is a CA; nothing else is taken on trust.
    let is_v1_root =
        issuer.extensions().next().is_none() && issuer.issuer_der() == issuer.subject_der();
    if !issuer.is_ca() && !is_v1_root {
        return Err(Defect::IssuerNotCa);
    }
    if issuer.extended_key_usage().contains(&ID_KP_OCSP_SIGNING) {
        return Err(Defect::IssuerHasOcspSigning);
    }
    Ok(())
}

/// The key pair: equal public keys, and a signature that the certificate's key verifies.
fn judge_key(certificate: &Certificate, signer: &dyn Signer) -> Result<(), Defect> {
    let kind =
        key_kind(certificate.spki_der()).map_err(|reason| Defect::CertificateKey { reason })?;
    let algorithm = signer.algorithm();
    let public_key = certificate.public_key_octets();
    if !fits(kind, algorithm) || public_key != signer.public_key_octets() {
        return Err(Defect::KeyMismatch);
    }
    let message = SELF_TEST;
    let mut signature = vec![0; algorithm.stored_len()];
    signer.sign(message, &mut signature)?;
    if !verify(algorithm, public_key, message, &signature) {
        return Err(Defect::SelfTest);
    }
    Ok(())
}

/// Whether a key of this kind makes such signatures.
pub(crate) const fn fits(kind: KeyKind, algorithm: SignatureAlgorithm) -> bool {
    matches!(
        (kind, algorithm),
        (KeyKind::P256, SignatureAlgorithm::EcdsaSha256P256)
            | (KeyKind::P384, SignatureAlgorithm::EcdsaSha384P384)
            | (KeyKind::Ed25519, SignatureAlgorithm::Ed25519)
            | (
                KeyKind::Rsa,
                SignatureAlgorithm::RsaPkcs1Sha256 { .. }
                    | SignatureAlgorithm::RsaPssSha256 { .. }
                    | SignatureAlgorithm::RsaPssSha384 { .. }
            )
            | (
                KeyKind::RsaPss(None | Some(Hash::Sha256)),
                SignatureAlgorithm::RsaPssSha256 { .. }
            )
            | (
                KeyKind::RsaPss(None | Some(Hash::Sha384)),
                SignatureAlgorithm::RsaPssSha384 { .. }
            )
            | (KeyKind::MlDsa44, SignatureAlgorithm::MlDsa44)
            | (KeyKind::MlDsa65, SignatureAlgorithm::MlDsa65)
    )
}

/// The CA's own certificate, or another one of the same name and key (renewed, cross-certified).
fn role(issuer: &Certificate, certificate: &Certificate) -> Role {
    if certificate.issuer_id() == issuer.issuer_id() {
        Role::CaDirect
    } else {
        Role::Delegated
    }
}

fn judge_validity(
    certificate: &Certificate,
    now: UnixTime,
    warnings: &mut Vec<Warning>,
) -> Result<(), Defect> {
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    if now < not_before {
        return Err(Defect::NotYetValid { not_before, now });
    }
    // At notAfter itself the certificate is valid, but no answer could end after it began.
    if now >= not_after {
        return Err(Defect::Expired { not_after, now });
    }
    let life = not_after.since(not_before);
    if now.since(not_before) > life / 3 * 2 {
        warnings.push(Warning::RenewalDue { not_after });
    }
    Ok(())
}

fn judge_ca_direct(
    issuer: &Certificate,
    now: UnixTime,
    warnings: &mut Vec<Warning>,
) -> Result<(), Defect> {
    let not_after = issuer.not_after();
    if now >= not_after {
        return Err(Defect::Expired { not_after, now });
    }
    let usage = issuer.key_usage();
    if usage.is_some_and(|usage| !usage.contains(KeyUsage::DIGITAL_SIGNATURE)) {
        warnings.push(Warning::CaWithoutDigitalSignature);
    }
    Ok(())
}

fn judge_delegate(
    issuer: &Certificate,
    certificate: &Certificate,
    now: UnixTime,
    warnings: &mut Vec<Warning>,
) -> Result<(), Defect> {
    if certificate.issuer_der() != issuer.subject_der() {
        return Err(Defect::WrongIssuer {
            found: Name::new(certificate.issuer_der()),
            expected: Name::new(issuer.subject_der()),
        });
    }
    certificate_signature::check(certificate, issuer)?;
    judge_purposes(certificate, warnings)?;
    if certificate.is_ca() {
        return Err(Defect::DelegateIsCa);
    }
    match certificate.key_usage() {
        None => warnings.push(Warning::NoKeyUsage),
        Some(usage) if !usage.contains(KeyUsage::DIGITAL_SIGNATURE) => {
            return Err(Defect::NoDigitalSignature);
        }
        Some(usage) if usage != KeyUsage::DIGITAL_SIGNATURE => {
            warnings.push(Warning::OtherKeyUsages);
        }
        Some(_) => {}
    }
    match certificate.extension(&ID_PKIX_OCSP_NOCHECK) {
        None => warnings.push(Warning::NoCheckMissing),
        Some(extension) if extension.value != [0x05, 0x00] => return Err(Defect::NoCheckNotNull),
        Some(_) => {}
    }
    if now >= issuer.not_after() {
        let not_after = issuer.not_after();
        warnings.push(Warning::IssuerExpired { not_after });
    }
    Ok(())
}

/// anyExtendedKeyUsage does not stand in for OCSPSigning (RFC 6960 §4.2.2.2 names the one OID).
fn judge_purposes(certificate: &Certificate, warnings: &mut Vec<Warning>) -> Result<(), Defect> {
    let found = certificate.extended_key_usage();
    let others: Vec<_> = found
        .iter()
        .copied()
        .filter(|purpose| *purpose != ID_KP_OCSP_SIGNING)
        .collect();
    if others.len() == found.len() {
        return Err(Defect::NoOcspSigning { found: others });
    }
    if !others.is_empty() {
        warnings.push(Warning::OtherPurposes { others });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

    use super::*;
    use crate::signer::{
        PublicKeyError, SignerError,
        test_pki::{CA, DELEGATE, EC_P256, EC_P384, EC_P521, ED25519, Pki, RSA_2048},
    };

    #[test]
    fn a_delegate_that_the_ca_issued_is_loaded() {
        let pki = Pki::with_delegate();
        let loaded = pki.load("ca", "ocsp").unwrap();

        let certificate = pki.certificate("ocsp");
        assert_eq!(loaded.role, Role::Delegated);
        assert_eq!(loaded.certificates_to_send, [certificate.der()]);
        assert_eq!(loaded.not_after, certificate.not_after());
        assert_eq!(loaded.warnings, []);
        // The oracle: OpenSSL's own digest of the key's BIT STRING.
        pki.openssl(&[
            "x509", "-in", "ocsp.pem", "-noout", "-ocspid", "-out", "id.txt",
        ]);
        let text = fs::read_to_string(pki.path("id.txt")).unwrap();
        let ResponderId::ByKey(key_hash) = &loaded.responder_id else {
            panic!("{:?}", loaded.responder_id);
        };
        let hex: String = key_hash
            .iter()
            .map(|octet| format!("{octet:02X}"))
            .collect();
        assert!(
            text.contains(&format!("Public key OCSP hash: {hex}")),
            "{text}"
        );
        let by_name = loaded.named_by_subject();
        assert_eq!(
            by_name.responder_id,
            ResponderId::ByName(certificate.subject_der().to_vec())
        );
    }

    #[test]
    fn the_ca_itself_is_loaded_and_sends_no_certificate() {
        let pki = Pki::with_delegate();
        let loaded = pki.load("ca", "ca").unwrap();
        assert_eq!(loaded.role, Role::CaDirect);
        assert!(loaded.certificates_to_send.is_empty());
        assert_eq!(loaded.warnings, []);

        // Another certificate of the same name and key is the same CA.
        fs::copy(pki.path("ca.key"), pki.path("again.key")).unwrap();
        pki.self_signed("again", "/CN=Test CA", CA);
        assert_ne!(pki.certificate("again").der(), pki.certificate("ca").der());
        assert_eq!(pki.load("ca", "again").unwrap().role, Role::CaDirect);

        let usual = "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n";
        pki.self_signed("ca", "/CN=Test CA", usual);
        let loaded = pki.load("ca", "ca").unwrap();
        assert_eq!(loaded.warnings, [Warning::CaWithoutDigitalSignature]);
    }

    /// The warnings, or whether a defect is the one expected.
    type Expected = Result<Vec<Warning>, fn(&Defect) -> bool>;

    /// A delegate's extensions, and what they give.
    fn extensions_of_a_delegate() -> Vec<(String, Expected)> {
        let with = |from: &str, to: &str| DELEGATE.replace(from, to);
        vec![
            (
                with("extendedKeyUsage=OCSPSigning\n", ""),
                Err(|defect| matches!(defect, Defect::NoOcspSigning { found } if found.is_empty())),
            ),
            (
                with("=OCSPSigning", "=serverAuth"),
                Err(|defect| matches!(defect, Defect::NoOcspSigning { found } if found.len() == 1)),
            ),
            (
                with("=OCSPSigning", "=anyExtendedKeyUsage"),
                Err(|defect| matches!(defect, Defect::NoOcspSigning { .. })),
            ),
            (
                with("CA:false", "CA:true"),
                Err(|defect| *defect == Defect::DelegateIsCa),
            ),
            (
                with("digitalSignature", "nonRepudiation"),
                Err(|defect| *defect == Defect::NoDigitalSignature),
            ),
            (
                with("noCheck=ignored", "1.3.6.1.5.5.7.48.1.5=DER:0101ff"),
                Err(|defect| *defect == Defect::NoCheckNotNull),
            ),
            (
                with("noCheck=ignored", "1.3.6.1.5.5.7.48.1.5=DER:050000"),
                Err(|defect| *defect == Defect::NoCheckNotNull),
            ),
            (
                with("noCheck=ignored\n", ""),
                Ok(vec![Warning::NoCheckMissing]),
            ),
            (
                with("keyUsage=critical,digitalSignature\n", ""),
                Ok(vec![Warning::NoKeyUsage]),
            ),
            (
                with("digitalSignature", "digitalSignature,nonRepudiation"),
                Ok(vec![Warning::OtherKeyUsages]),
            ),
            (
                with("=OCSPSigning", "=OCSPSigning,clientAuth"),
                Ok(vec![Warning::OtherPurposes {
                    others: vec![const_oid::db::rfc5280::ID_KP_CLIENT_AUTH],
                }]),
            ),
            (with("basicConstraints=critical,CA:false\n", ""), Ok(vec![])),
        ]
    }

    #[test]
    fn each_defect_of_a_delegates_extensions_is_named() {
        let pki = Pki::with_delegate();
        for (extensions, expected) in extensions_of_a_delegate() {
            pki.issue("ocsp", "ca", &extensions, &[]);
            match (pki.load("ca", "ocsp"), expected) {
                (Err(defect), Err(is_expected)) => {
                    assert!(is_expected(&defect), "{extensions}: {defect}");
                }
                (Ok(loaded), Ok(warnings)) => assert_eq!(loaded.warnings, warnings, "{extensions}"),
                (actual, _) => panic!("{extensions}: {actual:?}"),
            }
        }
    }

    #[test]
    fn a_delegate_of_another_issuer_is_refused() {
        let pki = Pki::with_delegate();
        pki.key("other", EC_P256);
        pki.self_signed("other", "/CN=Other CA", CA);
        let defect = pki.load("other", "ocsp").unwrap_err();
        assert!(matches!(defect, Defect::WrongIssuer { .. }));
        let text = defect.to_string();
        assert!(
            text.contains("\"CN=Test CA\"") && text.contains("\"CN=Other CA\""),
            "{text}"
        );

        // The CA after a change of its key.
        pki.self_signed("other", "/CN=Test CA", CA);
        assert_eq!(
            pki.load("other", "ocsp").unwrap_err(),
            Defect::NotSignedByIssuer
        );

        // The same key and the same name, but for its string type: other octets, another issuer.
        fs::copy(pki.path("ca.key"), pki.path("printable.key")).unwrap();
        pki.self_signed("printable", "/CN=Test CA", &format!("printable\n{CA}"));
        let defect = pki.load("printable", "ocsp").unwrap_err();
        assert!(matches!(defect, Defect::WrongIssuer { .. }), "{defect}");
    }

    #[test]
    fn a_certificate_with_one_flipped_bit_is_refused() {
        let pki = Pki::with_delegate();
        let (ca, good) = (pki.certificate("ca"), pki.certificate("ocsp"));
        let now = good.not_before().saturating_add(Duration::from_secs(60));
        let mut judged = 0;
        for at in 0..good.der().len() {
            let mut der = good.der().to_vec();
            der[at] ^= 1;
            let Ok(certificate) = Certificate::from_der(der) else {
                continue;
            };
            judged += 1;
            let signer = Arc::new(pki.signer("ocsp"));
            assert!(load(&ca, certificate, signer, now).is_err(), "octet {at}");
        }
        assert!(judged > 100, "{judged}");
    }

    #[test]
    fn validity_is_judged_at_the_time_given() {
        let pki = Pki::with_delegate();
        let certificate = pki.certificate("ocsp");
        let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
        let second = Duration::from_secs(1);
        let load = |now| pki.load_at("ca", "ocsp", now);

        let now = not_before.saturating_sub(second);
        assert_eq!(
            load(now).unwrap_err(),
            Defect::NotYetValid { not_before, now }
        );
        assert!(load(not_before).unwrap().warnings.is_empty());
        // The CA expired before: its own 30 days began no later.
        let warnings = load(not_after.saturating_sub(second)).unwrap().warnings;
        assert!(warnings.contains(&Warning::RenewalDue { not_after }));
        for now in [not_after, not_after.saturating_add(second)] {
            assert_eq!(load(now).unwrap_err(), Defect::Expired { not_after, now });
        }

        let ca_not_after = pki.certificate("ca").not_after();
        assert!(matches!(
            pki.load_at("ca", "ca", ca_not_after),
            Err(Defect::Expired { .. })
        ));
    }

    #[test]
    fn an_expired_issuer_is_a_warning() {
        let pki = Pki::with_delegate();
        pki.issue("ocsp", "ca", DELEGATE, &["-days", "60"]);
        let not_after = pki.certificate("ca").not_after();
        let loaded = pki.load_at("ca", "ocsp", not_after).unwrap();
        assert_eq!(loaded.warnings, [Warning::IssuerExpired { not_after }]);
    }

    #[test]
    fn a_key_of_another_pair_is_refused() {
        let pki = Pki::with_delegate();
        pki.key("ocsp", EC_P256);
        assert_eq!(pki.load("ca", "ocsp").unwrap_err(), Defect::KeyMismatch);
        pki.key("ocsp", EC_P384);
        assert_eq!(pki.load("ca", "ocsp").unwrap_err(), Defect::KeyMismatch);
    }

    #[test]
    fn a_key_that_signs_wrongly_or_not_at_all_is_refused() {
        struct Broken(Vec<u8>, Result<(), SignerError>);
        impl Signer for Broken {
            fn sign_digest(
                &self,
                _: &aws_lc_rs::digest::Digest,
                _: &mut [u8],
            ) -> Result<(), SignerError> {
                Err(SignerError::NeedsMessage)
            }

            fn algorithm(&self) -> SignatureAlgorithm {
                SignatureAlgorithm::EcdsaSha256P256
            }
            fn public_key_octets(&self) -> &[u8] {
                &self.0
            }
            fn sign(&self, _: &[u8], signature: &mut [u8]) -> Result<(), SignerError> {
                signature.fill(1);
                self.1.clone()
            }
        }
        let pki = Pki::with_delegate();
        let (ca, certificate) = (pki.certificate("ca"), pki.certificate("ocsp"));
        for (outcome, defect) in [
            (Ok(()), Defect::SelfTest),
            (
                Err(SignerError::Failed),
                Defect::Signing(SignerError::Failed),
            ),
        ] {
            let signer = Broken(certificate.public_key_octets().to_vec(), outcome);
            let now = certificate.not_before();
            let loaded = load(&ca, certificate.clone(), Arc::new(signer), now);
            assert_eq!(loaded.unwrap_err(), defect);
        }
    }

    #[test]
    fn an_issuer_that_must_not_be_answered_for_is_refused() {
        let pki = Pki::with_delegate();
        let both = format!("{CA}extendedKeyUsage=OCSPSigning,serverAuth\n");
        pki.self_signed("ca", "/CN=Test CA", &both);
        assert_eq!(
            pki.load("ca", "ca").unwrap_err(),
            Defect::IssuerHasOcspSigning
        );
        pki.issue("ocsp", "ca", DELEGATE, &[]);
        assert_eq!(
            pki.load("ca", "ocsp").unwrap_err(),
            Defect::IssuerHasOcspSigning
        );

        pki.self_signed("ca", "/CN=Test CA", "basicConstraints=CA:false\n");
        assert_eq!(pki.load("ca", "ca").unwrap_err(), Defect::IssuerNotCa);
        // Certificates swapped in the configuration.
        assert_eq!(pki.load("ocsp", "ca").unwrap_err(), Defect::IssuerNotCa);

        // A version 1 root says nothing.
        pki.self_signed("ca", "/CN=Test CA", "");
        assert_eq!(pki.load("ca", "ca").unwrap().role, Role::CaDirect);
    }

    #[test]
    fn issuers_of_every_common_algorithm_vouch_for_a_delegate() {
        let pss = |hash: &'static str| {
            let options = [
                "-sigopt",
                "rsa_padding_mode:pss",
                "-sigopt",
                "rsa_pss_saltlen:digest",
            ];
            [&[hash][..], &options].concat()
        };
        let pki = Pki::new();
        pki.key("ocsp", EC_P256);
        for (algorithm, cases) in [
            (
                EC_P256,
                vec![vec!["-sha256"], vec!["-sha384"], vec!["-sha512"]],
            ),
            (
                EC_P384,
                vec![vec!["-sha256"], vec!["-sha384"], vec!["-sha512"]],
            ),
            (
                EC_P521,
                vec![vec!["-sha256"], vec!["-sha384"], vec!["-sha512"]],
            ),
            (
                RSA_2048,
                vec![
                    vec!["-sha256"],
                    vec!["-sha384"],
                    vec!["-sha512"],
                    pss("-sha256"),
                    pss("-sha384"),
                    pss("-sha512"),
                ],
            ),
            (ED25519, vec![vec![]]),
            // Its certificates are signed as it is bound to.
            (
                &[
                    "RSA-PSS",
                    "-pkeyopt",
                    "rsa_keygen_bits:2048",
                    "-pkeyopt",
                    "rsa_pss_keygen_md:sha384",
                    "-pkeyopt",
                    "rsa_pss_keygen_mgf1_md:sha384",
                    "-pkeyopt",
                    "rsa_pss_keygen_saltlen:48",
                ],
                vec![vec!["-sha384"]],
            ),
        ] {
            pki.key("ca", algorithm);
            pki.self_signed("ca", "/CN=Test CA", CA);
            for options in cases {
                pki.issue("ocsp", "ca", DELEGATE, &options);
                let loaded = pki.load("ca", "ocsp");
                assert!(loaded.is_ok(), "{algorithm:?} {options:?}: {loaded:?}");
            }
        }
    }

    #[test]
    fn weak_and_odd_signatures_on_a_delegate_are_refused() {
        let pki = Pki::with_delegate();
        pki.issue("ocsp", "ca", DELEGATE, &["-sha1"]);
        let weak = |algorithm| Defect::WeakSignature { algorithm };
        assert_eq!(pki.load("ca", "ocsp").unwrap_err(), weak("ecdsa-with-SHA1"));

        pki.key("ca", RSA_2048);
        pki.self_signed("ca", "/CN=Test CA", CA);
        for (options, algorithm) in [
            (&["-sha1"][..], "sha1WithRSAEncryption"),
            (&["-md5"], "md5WithRSAEncryption"),
            (
                // OpenSSL's own choice of the salt's length.
                &["-sha256", "-sigopt", "rsa_padding_mode:pss"],
                "RSASSA-PSS with other parameters than SHA-256, -384 or -512 throughout",
            ),
        ] {
            pki.issue("ocsp", "ca", DELEGATE, options);
            assert_eq!(pki.load("ca", "ocsp").unwrap_err(), weak(algorithm));
        }
        pki.issue("ocsp", "ca", DELEGATE, &["-sha224"]);
        let defect = pki.load("ca", "ocsp").unwrap_err();
        assert!(
            matches!(defect, Defect::SignatureAlgorithm { .. }),
            "{defect}"
        );
    }

    #[test]
    fn issuer_keys_that_cannot_be_relied_on_are_refused() {
        let pki = Pki::new();
        pki.key("ocsp", EC_P256);
        for (algorithm, options, expected) in [
            (
                &["RSA", "-pkeyopt", "rsa_keygen_bits:1024"][..],
                &[][..],
                "1024 bits",
            ),
            (
                &["EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
                &[],
                "1.3.132.0.10",
            ),
            (
                &[
                    "EC",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-pkeyopt",
                    "ec_param_enc:explicit",
                ],
                &[],
                "spells out the curve",
            ),
            (&["ED448"], &[], "1.3.101.113"),
        ] {
            pki.key("ca", algorithm);
            pki.self_signed("ca", "/CN=Test CA", CA);
            pki.issue("ocsp", "ca", DELEGATE, options);
            let defect = pki.load("ca", "ocsp").unwrap_err();
            assert!(matches!(defect, Defect::IssuerKey { .. }), "{defect}");
            assert!(defect.to_string().contains(expected), "{defect}");
        }
    }

    #[test]
    fn a_compressed_public_key_in_the_certificate_is_refused() {
        let pki = Pki::with_delegate();
        pki.openssl(&[
            "ec",
            "-in",
            "ocsp.key",
            "-conv_form",
            "compressed",
            "-out",
            "c.key",
        ]);
        pki.openssl(&[
            "pkcs8", "-topk8", "-nocrypt", "-in", "c.key", "-out", "ocsp.key",
        ]);
        pki.issue("ocsp", "ca", DELEGATE, &[]);
        assert_eq!(
            pki.load("ca", "ocsp").unwrap_err(),
            Defect::CertificateKey {
                reason: PublicKeyError::CompressedPoint
            }
        );
    }

    fn settings(pki: &Pki) -> config::Signer {
        for key in ["ca.key", "ocsp.key"] {
            fs::set_permissions(pki.path(key), fs::Permissions::from_mode(0o600)).unwrap();
        }
        config::Signer::new(&pki.path("ocsp.pem"), &pki.path("ocsp.key"))
    }

    fn open_now(pki: &Pki, settings: &config::Signer) -> Result<LoadedSigner, LoadError> {
        let ca = pki.certificate("ca");
        open(
            &ca,
            settings,
            &Keys::here(),
            pki.certificate("ca")
                .not_before()
                .saturating_add(Duration::from_secs(60)),
        )
    }

    #[test]
    fn a_signer_is_opened_from_its_files() {
        let pki = Pki::with_delegate();
        let mut settings = settings(&pki);
        assert_eq!(open_now(&pki, &settings).unwrap().warnings, []);

        // A certificate in DER, and one with text and its key around it.
        pki.openssl(&[
            "x509", "-in", "ocsp.pem", "-outform", "DER", "-out", "ocsp.der",
        ]);
        settings.certificate = pki.path("ocsp.der");
        assert!(open_now(&pki, &settings).is_ok());
        pki.openssl(&["x509", "-in", "ocsp.pem", "-text", "-out", "text.pem"]);
        let both = [pki.path("text.pem"), pki.path("ocsp.key")].map(|path| fs::read(path).unwrap());
        fs::write(pki.path("both.pem"), both.concat()).unwrap();
        fs::set_permissions(pki.path("both.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        settings = config::Signer::new(&pki.path("both.pem"), &pki.path("both.pem"));
        assert_eq!(open_now(&pki, &settings).unwrap().warnings, []);
    }

    #[test]
    fn files_that_others_may_read_are_warned_of() {
        let pki = Pki::with_delegate();
        let mut settings = settings(&pki);
        let (key, pass) = (pki.path("ocsp.key"), pki.path("pass"));
        let open_to_others = |path: &Path| Warning::OpenToOthers {
            path: path.to_owned(),
        };
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(
            open_now(&pki, &settings).unwrap().warnings,
            [open_to_others(&key)]
        );

        fs::write(&pass, "secret\n").unwrap();
        fs::set_permissions(&pass, fs::Permissions::from_mode(0o640)).unwrap();
        settings.passphrase_file = Some(pass.clone());
        assert_eq!(
            open_now(&pki, &settings).unwrap().warnings,
            [
                open_to_others(&key),
                Warning::PassphraseNotNeeded { path: key.clone() }
            ]
        );
        pki.openssl(&[
            "pkcs8",
            "-topk8",
            "-in",
            "ocsp.key",
            "-passout",
            "file:pass",
            "-out",
            "p8",
        ]);
        settings.key = pki.path("p8").into();
        fs::set_permissions(pki.path("p8"), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(
            open_now(&pki, &settings).unwrap().warnings,
            [open_to_others(&pass)]
        );
    }

    #[test]
    fn every_refusal_names_its_file_and_shows_no_secret() {
        let pki = Pki::with_delegate();
        let good = settings(&pki);
        let refused = |change: &dyn Fn(&mut config::Signer)| {
            let mut settings = good.clone();
            change(&mut settings);
            open_now(&pki, &settings).unwrap_err().to_string()
        };
        fs::write(pki.path("wrong"), "hunter2").unwrap();
        pki.openssl(&[
            "pkcs8",
            "-topk8",
            "-in",
            "ocsp.key",
            "-passout",
            "pass:x1y2",
            "-out",
            "p8",
        ]);
        for (message, parts) in [
            (
                refused(&|signer| signer.certificate = pki.path("no.pem")),
                ["no.pem", "does not exist"],
            ),
            (
                refused(&|signer| signer.key = pki.path("no.key").into()),
                ["no.key", "does not exist"],
            ),
            (
                refused(&|signer| signer.key = pki.folder().to_owned().into()),
                ["", "is a folder"],
            ),
            (
                refused(&|signer| signer.certificate = pki.folder().to_owned()),
                ["", "is a folder"],
            ),
            (
                refused(&|signer| signer.certificate = pki.path("ocsp.key")),
                ["ocsp.key", "not a certificate"],
            ),
            (
                refused(&|signer| signer.key = pki.path("ocsp.pem").into()),
                ["ocsp.pem", "only CERTIFICATE"],
            ),
            (
                refused(&|signer| signer.key = pki.path("ca.key").into()),
                ["ocsp.pem", "does not belong"],
            ),
            (
                refused(&|signer| signer.key = pki.path("p8").into()),
                ["p8", "no passphrase is configured"],
            ),
            (
                refused(&|signer| {
                    signer.key = pki.path("p8").into();
                    signer.passphrase_file = Some(pki.path("wrong"));
                }),
                ["p8", "does not open"],
            ),
            (
                refused(&|signer| signer.passphrase_env = Some("ESTELAM_NO_SUCH_VARIABLE".into())),
                ["ESTELAM_NO_SUCH_VARIABLE", "is not set"],
            ),
        ] {
            for part in parts {
                assert!(message.contains(part), "{part}: {message}");
            }
            assert!(!message.contains("hunter2"));
        }
    }
}
