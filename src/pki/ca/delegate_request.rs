//! PKCS#10 for a delegate: what an OCSP signer asks its CA for (RFC 2986, RFC 6960 §4.2.2.2).

use const_oid::db::rfc5280::ID_KP_OCSP_SIGNING;

use super::{
    CaError, Name, SubjectKey,
    extensions::{Extensions, tlv},
    pkcs10::EXTENSION_REQUEST,
};
use crate::{
    asn1::{EcdsaSignature, put_tlv, tag},
    signer::Signer,
};

/// A certification request for the key of `signer`, which signs it: digitalSignature, OCSPSigning and
/// nocheck are asked for. In DER.
///
/// # Errors
/// [`CaError`] where the key is none that certificates are issued for, or does not sign.
///
/// # Panics
/// Never: an ECDSA signature is stored as two numbers of the same length.
pub fn delegate_request(subject: &Name, signer: &dyn Signer) -> Result<Vec<u8>, CaError> {
    let key = SubjectKey::of_signer(signer).map_err(CaError::SubjectKey)?;
    let mut extensions = Extensions::default();
    extensions.key_usage(DIGITAL_SIGNATURE);
    extensions.extended_key_usage(ID_KP_OCSP_SIGNING, false);
    extensions.ocsp_no_check();
    let wishes = tlv(tag::SEQUENCE, extensions.list());
    let mut attribute = tlv(tag::OBJECT_IDENTIFIER, EXTENSION_REQUEST.as_bytes());
    put_tlv(&mut attribute, tag::SET, &wishes);
    let attributes = tlv(tag::SEQUENCE, &attribute);

    let mut fields = tlv(tag::INTEGER, &[0]);
    fields.extend_from_slice(subject.as_der());
    fields.extend_from_slice(key.spki_der());
    put_tlv(&mut fields, tag::constructed(0), &attributes);
    let info = tlv(tag::SEQUENCE, &fields);

    let algorithm = signer.algorithm();
    let mut stored = vec![0; algorithm.stored_len()];
    signer.sign(&info, &mut stored)?;
    let signature = if algorithm.is_ecdsa() {
        EcdsaSignature::from_r_s(&stored)
            .expect("a signature of two numbers of the same length")
            .to_der()
    } else {
        stored
    };
    let mut request = info;
    request.extend_from_slice(algorithm.algorithm_identifier_der());
    put_tlv(
        &mut request,
        tag::BIT_STRING,
        &[&[0], &signature[..]].concat(),
    );
    Ok(tlv(tag::SEQUENCE, &request))
}

/// The first bit of keyUsage.
const DIGITAL_SIGNATURE: u8 = 0x80;
