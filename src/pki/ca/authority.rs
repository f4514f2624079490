//! A CA that can issue.

use std::{num::NonZero, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use const_oid::{ObjectIdentifier, db::rfc5280::ID_KP_OCSP_SIGNING};

use super::{
    CaError, IssuedCertificate, Name, PlannedCertificate, Profile, SerialRegister, SubjectKey,
    Urls, Validity,
    build::{Tbs, extensions_of},
    lint::lint,
    serial_register::draw,
    subject_key::key_id,
};
use crate::change::PointTag;
use crate::{
    asn1::{Certificate, KeyUsage},
    identity::{IssuerId, SerialNumber},
    signer::{Signer, fits},
};

/// A CA's certificate with its key, and the URLs that its certificates name.
#[derive(Clone)]
pub struct CertificateAuthority {
    certificate: Arc<Certificate>,
    signer: Arc<dyn Signer>,
    urls: Urls,
    id: IssuerId,
    /// The subjectKeyIdentifier of its certificate; where it has none, what it would be.
    key_id: Vec<u8>,
    path_len: Option<u8>,
}

/// A certificate that is wanted.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    /// Whose it is.
    pub subject: Name,
    /// The holder's key.
    pub key: SubjectKey,
    /// What it is for.
    pub profile: Profile,
    /// From when to when, within the CA's own validity.
    pub validity: Validity,
    /// certificatePolicies; no extension when empty.
    pub policies: Vec<ObjectIdentifier>,
}

impl CertificateRequest {
    /// A certificate without policies.
    #[must_use]
    pub const fn new(subject: Name, key: SubjectKey, profile: Profile, validity: Validity) -> Self {
        Self {
            subject,
            key,
            profile,
            validity,
            policies: Vec::new(),
        }
    }
}

/// A root that is wanted.
pub struct RootRequest {
    /// Its name, and its issuer's.
    pub subject: Name,
    /// Its key, which signs the certificate too.
    pub key: Arc<dyn Signer>,
    /// From when to when.
    pub validity: Validity,
    /// pathLenConstraint.
    pub path_len: Option<u8>,
    /// What the certificates that it issues name; its own names none.
    pub urls: Urls,
}

impl CertificateAuthority {
    /// A CA from its certificate and key.
    ///
    /// # Errors
    /// [`CaError`] when the certificate is no CA's or the key is not its own. Whether it has expired is
    /// not judged: no certificate's validity fits an expired CA's.
    pub fn new(
        certificate: Arc<Certificate>,
        signer: Arc<dyn Signer>,
        urls: Urls,
    ) -> Result<Self, CaError> {
        if !certificate.is_ca() {
            return Err(CaError::NotCa);
        }
        if certificate
            .key_usage()
            .is_some_and(|usage| !usage.contains(KeyUsage::KEY_CERT_SIGN))
        {
            return Err(CaError::MayNotSign);
        }
        if certificate
            .extended_key_usage()
            .contains(&ID_KP_OCSP_SIGNING)
        {
            return Err(CaError::CaWithOcspSigning);
        }
        // Another way to write the same key may have other parameters, never other octets.
        if signer.public_key_octets() != certificate.public_key_octets() {
            return Err(CaError::KeyMismatch);
        }
        let key = SubjectKey::from_spki(certificate.spki_der()).map_err(CaError::CaKey)?;
        if !fits(key.kind(), signer.algorithm()) {
            return Err(CaError::KeyMismatch);
        }
        urls.judge()?;
        let computed = || key_id(certificate.public_key_octets()).to_vec();
        Ok(Self {
            id: certificate.issuer_id(),
            key_id: certificate
                .subject_key_id()
                .map_or_else(computed, <[u8]>::to_vec),
            path_len: certificate.path_len(),
            certificate,
            signer,
            urls,
        })
    }

    /// A new root: it signs its own certificate. Its serial number is recorded nowhere, since nobody
    /// asks a root about itself.
    ///
    /// # Errors
    /// [`CaError`].
    pub fn self_signed(request: &RootRequest) -> Result<Self, CaError> {
        let RootRequest {
            subject,
            key: signer,
            validity,
            path_len,
            urls,
        } = request;
        let key = SubjectKey::of_signer(&**signer).map_err(CaError::CaKey)?;
        let profile = Profile::Root {
            path_len: *path_len,
        };
        profile.judge(subject)?;
        Validity::new(validity.not_before, validity.not_after)?;
        let wanted = CertificateRequest::new(subject.clone(), key, profile, *validity);
        let serial = draw().map_err(|_| CaError::Random)?;
        let own_key_id = wanted.key.key_id();
        let extensions = extensions_of(&wanted, own_key_id, &Urls::default(), None);
        let tbs = Tbs {
            serial,
            issuer: subject.as_der(),
            validity: *validity,
            subject: subject.as_der(),
            spki: wanted.key.spki_der(),
            extensions: &extensions,
        };
        let der = tbs.sign(&**signer)?;
        let certificate = Certificate::from_der(der).map_err(|_| super::Breach::Unreadable)?;
        lint(&certificate, &wanted, serial, &certificate, own_key_id)?;
        Self::new(Arc::new(certificate), Arc::clone(signer), urls.clone())
    }

    /// Its certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Arc<Certificate> {
        &self.certificate
    }

    /// Its key.
    #[must_use]
    pub const fn signer(&self) -> &Arc<dyn Signer> {
        &self.signer
    }

    /// What its certificates name.
    #[must_use]
    pub const fn urls(&self) -> &Urls {
        &self.urls
    }

    /// What its certificates' statuses are recorded under.
    #[must_use]
    pub const fn id(&self) -> &IssuerId {
        &self.id
    }

    /// Its name, byte for byte.
    #[must_use]
    pub fn name(&self) -> Name {
        Name::kept(self.certificate.subject_der())
    }

    /// Its own validity, which that of every certificate lies within.
    #[must_use]
    pub fn validity(&self) -> Validity {
        Validity {
            not_before: self.certificate.not_before(),
            not_after: self.certificate.not_after(),
        }
    }

    /// Issues one certificate and gives its DER.
    ///
    /// # Errors
    /// [`CaError`]; nothing was signed before its serial number was durable.
    pub fn issue(
        &self,
        request: &CertificateRequest,
        register: &mut dyn SerialRegister,
    ) -> Result<Vec<u8>, CaError> {
        let issued = self.issue_many(std::slice::from_ref(request), register)?;
        issued.into_iter().next().ok_or(CaError::Random)
    }

    /// Issues certificates and gives their DER in the order of the requests. All are judged before
    /// any serial number is recorded, all serial numbers are durable before the first signature, and
    /// then every core signs.
    ///
    /// # Errors
    /// [`CaError`]; no certificate is handed out then.
    pub fn issue_many(
        &self,
        requests: &[CertificateRequest],
        register: &mut dyn SerialRegister,
    ) -> Result<Vec<Vec<u8>>, CaError> {
        requests
            .iter()
            .try_for_each(|request| self.judge(request))?;
        let planned: Vec<PlannedCertificate> = requests
            .iter()
            .map(|request| PlannedCertificate {
                validity: request.validity,
            })
            .collect();
        let serials = register
            .reserve(&self.id, &planned)
            .map_err(CaError::Register)?;
        if serials.len() != requests.len() {
            return Err(CaError::Register(super::RegisterError::AnswerCount {
                expected: requests.len(),
                actual: serials.len(),
            }));
        }
        let signed = self.sign_all(requests, &serials)?;
        let issued: Vec<IssuedCertificate> = signed
            .iter()
            .zip(requests)
            .zip(&serials)
            .map(|((der, request), serial)| IssuedCertificate {
                serial: *serial,
                validity: request.validity,
                sha256: sha256(der),
                distribution_point: Certificate::from_der(der.as_slice())
                    .ok()
                    .and_then(|certificate| PointTag::of_certificate(&certificate)),
            })
            .collect();
        register
            .issued(&self.id, &issued)
            .map_err(CaError::RegisterDigest)?;
        Ok(signed)
    }

    /// Issues a CA below this one and makes it ready to issue with `signer`.
    ///
    /// # Errors
    /// [`CaError`].
    pub fn issue_intermediate(
        &self,
        request: &RootRequest,
        register: &mut dyn SerialRegister,
    ) -> Result<Self, CaError> {
        let key = SubjectKey::of_signer(&*request.key)?;
        let profile = Profile::IntermediateCa {
            path_len: request.path_len,
        };
        let wanted =
            CertificateRequest::new(request.subject.clone(), key, profile, request.validity);
        let der = self.issue(&wanted, register)?;
        let certificate = Certificate::from_der(der).map_err(|_| super::Breach::Unreadable)?;
        let signer = Arc::clone(&request.key);
        Self::new(Arc::new(certificate), signer, request.urls.clone())
    }

    /// Issues a delegate that signs OCSP answers for this CA.
    ///
    /// # Errors
    /// [`CaError`].
    pub fn issue_ocsp_signer(
        &self,
        subject: Name,
        key: SubjectKey,
        validity: Validity,
        register: &mut dyn SerialRegister,
    ) -> Result<Vec<u8>, CaError> {
        let request = CertificateRequest::new(subject, key, Profile::OcspSigning, validity);
        self.issue(&request, register)
    }

    /// Whether it would issue this.
    ///
    /// # Errors
    /// [`CaError`].
    pub fn judge(&self, request: &CertificateRequest) -> Result<(), CaError> {
        let CertificateRequest {
            subject,
            profile,
            validity,
            ..
        } = request;
        Validity::new(validity.not_before, validity.not_after)?;
        let ca = self.validity();
        if !ca.contains(validity) {
            return Err(CaError::OutsideOfCa {
                asked: *validity,
                ca,
            });
        }
        profile.judge(subject)?;
        if profile.names_status_urls() && self.urls.ocsp.is_empty() {
            return Err(CaError::NoOcspUrl);
        }
        if subject.as_der() == self.certificate.subject_der() {
            return Err(CaError::SameName);
        }
        match (profile, self.path_len) {
            (Profile::Root { .. }, _) => Err(CaError::RootProfile),
            // RFC 5280 §4.2.1.9: the number of CAs that may follow in a path.
            (Profile::IntermediateCa { path_len }, Some(ca))
                if path_len.is_none_or(|asked| asked >= ca) =>
            {
                let asked = *path_len;
                Err(CaError::PathLen { ca, asked })
            }
            _ => Ok(()),
        }
    }

    /// A name for a delegate: the CA's own, with another common name.
    #[must_use]
    pub fn ocsp_signer_name(&self) -> Name {
        let name = self.name();
        name.with_common_name("OCSP responder")
    }

    fn sign_all(
        &self,
        requests: &[CertificateRequest],
        serials: &[SerialNumber],
    ) -> Result<Vec<Vec<u8>>, CaError> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let work: Vec<(&CertificateRequest, &SerialNumber)> =
            requests.iter().zip(serials).collect();
        let share = work.len().div_ceil(cores).max(SHARE_MIN);
        let sign =
            |(request, serial): &(&CertificateRequest, &SerialNumber)| self.sign(request, **serial);
        if work.len() <= share {
            return work.iter().map(sign).collect();
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = work
                .chunks(share)
                .map(|part| scope.spawn(|| part.iter().map(sign).collect::<Result<Vec<_>, _>>()))
                .collect();
            let mut signed = Vec::with_capacity(work.len());
            for thread in threads {
                match thread.join() {
                    Ok(part) => signed.extend(part?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok(signed)
        })
    }

    fn sign(&self, request: &CertificateRequest, serial: SerialNumber) -> Result<Vec<u8>, CaError> {
        let extensions = extensions_of(request, &self.key_id, &self.urls, Some(serial));
        let tbs = Tbs {
            serial,
            issuer: self.certificate.subject_der(),
            validity: request.validity,
            subject: request.subject.as_der(),
            spki: request.key.spki_der(),
            extensions: &extensions,
        };
        let der = tbs.sign(&*self.signer)?;
        let certificate = Certificate::from_der(der).map_err(|_| super::Breach::Unreadable)?;
        lint(
            &certificate,
            request,
            serial,
            &self.certificate,
            &self.key_id,
        )?;
        Ok(certificate.der().to_vec())
    }
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthority")
            .field("name", &self.name())
            .field("algorithm", &self.signer.algorithm())
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

/// pathLenConstraint of a certificate, 255 for a higher one.
fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, octets).as_ref());
    hash
}

/// Certificates that one thread signs at least: starting one costs about as much as a signature.
const SHARE_MIN: usize = 16;
