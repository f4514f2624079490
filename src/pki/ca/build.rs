//! A certificate's octets: tbsCertificate from slices, signed (RFC 5280 §4.1).

use super::{
    CaError, CertificateRequest, Profile, Urls, Validity,
    extensions::{Extensions, tlv},
};
use crate::{
    asn1::{EcdsaSignature, put_header, tag, tlv_len, total},
    identity::SerialNumber,
    signer::Signer,
};

/// The parts of a tbsCertificate, each as DER but for the serial number.
pub(super) struct Tbs<'a> {
    pub(super) serial: SerialNumber,
    /// The whole Name, the very octets of the issuer's certificate.
    pub(super) issuer: &'a [u8],
    pub(super) validity: Validity,
    pub(super) subject: &'a [u8],
    pub(super) spki: &'a [u8],
    pub(super) extensions: &'a Extensions,
}

impl Tbs<'_> {
    /// The whole Certificate.
    ///
    /// ```text
    /// TBSCertificate ::= SEQUENCE { version [0] EXPLICIT v3(2), serialNumber, signature, issuer,
    ///     validity, subject, subjectPublicKeyInfo, extensions [3] EXPLICIT }
    /// Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING }
    /// ```
    pub(super) fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>, CaError> {
        let algorithm = signer.algorithm();
        let algorithm_der = algorithm.algorithm_identifier_der();
        let (validity, extensions) = (self.validity.to_der(), self.extensions.to_der());
        let serial = tlv(tag::INTEGER, self.serial.as_bytes());
        let fields: [&[u8]; 8] = [
            VERSION_3,
            &serial,
            algorithm_der,
            self.issuer,
            &validity,
            self.subject,
            self.spki,
            &extensions,
        ];
        let tbs_len = total(fields.map(<[u8]>::len));
        let mut tbs = Vec::with_capacity(tlv_len(tbs_len));
        put_header(&mut tbs, tag::SEQUENCE, tbs_len);
        for field in fields {
            tbs.extend_from_slice(field);
        }

        let mut stored = vec![0; algorithm.stored_len()];
        signer.sign(&tbs, &mut stored)?;
        let signature = if algorithm.is_ecdsa() {
            EcdsaSignature::from_r_s(&stored)
                .expect("a signature of two numbers of the same length")
                .to_der()
        } else {
            stored
        };
        let bits_len = signature.len().saturating_add(1);
        let content_len = total([tbs.len(), algorithm_der.len(), tlv_len(bits_len)]);
        let mut der = Vec::with_capacity(tlv_len(content_len));
        put_header(&mut der, tag::SEQUENCE, content_len);
        der.extend_from_slice(&tbs);
        der.extend_from_slice(algorithm_der);
        put_header(&mut der, tag::BIT_STRING, bits_len);
        der.push(0);
        der.extend_from_slice(&signature);
        Ok(der)
    }
}

const VERSION_3: &[u8] = &[0xa0, 0x03, 0x02, 0x01, 0x02];

/// The extensions that follow from a request. `authority_key_id` is the issuer's SKI.
pub(super) fn extensions_of(
    request: &CertificateRequest,
    authority_key_id: &[u8],
    urls: &Urls,
    serial: Option<SerialNumber>,
) -> Extensions {
    let CertificateRequest {
        subject,
        key,
        profile,
        policies,
        ..
    } = request;
    let mut extensions = Extensions::default();
    extensions.authority_key_id(authority_key_id);
    extensions.subject_key_id(key.key_id());
    if profile.is_ca() {
        extensions.basic_constraints_of_ca(profile.path_len());
    }
    extensions.key_usage(profile.key_usage_bits(key));
    if let Some(purpose) = profile.purpose() {
        extensions.extended_key_usage(purpose, *profile == Profile::Timestamping);
    }
    if let Profile::TlsServer {
        dns_names,
        ip_addresses,
    } = profile
    {
        extensions.subject_alt_name(dns_names, ip_addresses, subject.is_empty());
    }
    if !policies.is_empty() {
        extensions.certificate_policies(policies);
    }
    if profile.names_status_urls() {
        extensions.status_urls(urls, serial);
    }
    if *profile == Profile::OcspSigning {
        extensions.ocsp_no_check();
    }
    extensions
}
