//! Which key of a token is meant, what it is, and whether it may be relied on.

use std::path::{Path, PathBuf};

use const_oid::{
    ObjectIdentifier,
    db::{
        rfc5912::{SECP_256_R_1, SECP_384_R_1},
        rfc8410::ID_ED_25519,
    },
};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use der::Decode as _;

use super::{TokenError, error::KeyKindProblem, session::Session, way::Way};
use crate::{
    asn1::{SignatureAlgorithm, put_tlv, tag},
    config::KeyUri,
    signer::{PublicKeyError, rsa_numbers, verify},
};

/// A key that was found, judged and tried.
pub(super) struct KnownKey {
    /// What it is called within the process.
    pub(super) number: u64,
    pub(super) uri: KeyUri,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) public_key_octets: Vec<u8>,
    pub(super) way: Way,
}

/// The certificate that a key is meant for: its file and its public key.
#[derive(Clone)]
pub(super) struct Expected {
    pub(super) path: PathBuf,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) public_key_octets: Vec<u8>,
}

/// Finds a key for the first time.
pub(super) fn find(
    session: &Session,
    uri: &KeyUri,
    number: u64,
    expected: Option<&Expected>,
) -> Result<KnownKey, TokenError> {
    let key = || uri.to_string();
    if !session.found().is_that_of(uri) {
        return Err(TokenError::AnotherToken {
            uri: key(),
            token: session.found().shown(),
        });
    }
    let handle = find_one(session, uri)?;
    judge(session, handle, &key)?;
    let kind = kind(session, handle, &key)?;
    let mut candidates = public_keys(session, handle, &kind, &key)?;
    if let Some(expected) = expected {
        // What the token says comes first, so that a mistaken certificate is found out as such.
        if kind.may_be(expected.algorithm) && candidates.is_empty() {
            candidates.push((expected.algorithm, expected.public_key_octets.clone()));
        }
    }
    let Some((algorithm, public_key_octets)) = candidates.first().cloned() else {
        return Err(match expected {
            Some(expected) => not_of(key(), &expected.path),
            None => TokenError::NoPublicKey { key: key() },
        });
    };
    let is_the_certificates =
        |octets: &[u8]| expected.is_none_or(|expected| expected.public_key_octets == octets);
    let way = way(session, algorithm, &key)?;
    let prepared = way.prepare(TEST_MESSAGE);
    let mechanism = way.mechanism();
    let signature = session.call("C_Sign", |session| {
        session.sign(&mechanism, handle, &prepared)
    })?;
    if !verify(algorithm, &public_key_octets, TEST_MESSAGE, &signature) {
        return Err(match expected {
            Some(expected) if is_the_certificates(&public_key_octets) => {
                not_of(key(), &expected.path)
            }
            _ => TokenError::SelfTest { key: key() },
        });
    }
    if let Some(expected) = expected
        && !is_the_certificates(&public_key_octets)
    {
        return Err(not_of(key(), &expected.path));
    }
    Ok(KnownKey {
        number,
        uri: uri.clone(),
        algorithm,
        public_key_octets,
        way,
    })
}

/// Finds a key that is known in another session. Whether it is still the same one shows when it signs.
pub(super) fn find_again(session: &Session, known: &KnownKey) -> Result<ObjectHandle, TokenError> {
    let handle = find_one(session, &known.uri)?;
    judge(session, handle, &|| known.uri.to_string())?;
    Ok(handle)
}

fn not_of(key: String, certificate: &Path) -> TokenError {
    TokenError::NotOfCertificate {
        key,
        certificate: certificate.to_owned(),
    }
}

fn find_one(session: &Session, uri: &KeyUri) -> Result<ObjectHandle, TokenError> {
    let mut template = vec![
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Token(true),
    ];
    template.extend(
        uri.object
            .iter()
            .map(|label| Attribute::Label(label.as_bytes().to_vec())),
    );
    template.extend(uri.id.iter().map(|id| Attribute::Id(id.clone())));
    let found = objects(session, &template)?;
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(TokenError::KeyAbsent {
            wanted: wanted(uri),
            token: session.found().shown(),
            present: names(session, &objects(session, &private_keys())?)?,
        }),
        several => Err(TokenError::KeyAmbiguous {
            wanted: wanted(uri),
            token: session.found().shown(),
            present: names(session, several)?,
        }),
    }
}

/// Every private key on the token.
pub(super) fn private_keys() -> [Attribute; 2] {
    [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Token(true),
    ]
}

/// The objects that fit a template, up to a number that nobody reads to the end.
pub(super) fn objects(
    session: &Session,
    template: &[Attribute],
) -> Result<Vec<ObjectHandle>, TokenError> {
    session.call("C_FindObjects", |session| {
        session.iter_objects(template)?.take(OBJECTS_MAX).collect()
    })
}

fn names(session: &Session, objects: &[ObjectHandle]) -> Result<Vec<String>, TokenError> {
    let shown = objects.iter().take(NAMES_MAX);
    let mut names = shown
        .map(|object| name(session, *object))
        .collect::<Result<Vec<_>, _>>()?;
    if objects.len() > NAMES_MAX {
        names.push("…".to_owned());
    }
    Ok(names)
}

/// `"ocsp" (id %01)`
pub(super) fn name(session: &Session, object: ObjectHandle) -> Result<String, TokenError> {
    let (label, id) = (label(session, object)?, id(session, object)?);
    let id: String = id.iter().map(|octet| format!("%{octet:02x}")).collect();
    let id = if id.is_empty() { "none" } else { &id };
    Ok(format!("{label:?} (id {id})"))
}

/// An object's label.
pub(super) fn label(session: &Session, object: ObjectHandle) -> Result<String, TokenError> {
    Ok(match attribute(session, object, AttributeType::Label)? {
        Some(Attribute::Label(label)) => String::from_utf8_lossy(&label).into_owned(),
        _ => String::new(),
    })
}

/// An object's identifier.
pub(super) fn id(session: &Session, object: ObjectHandle) -> Result<Vec<u8>, TokenError> {
    Ok(match attribute(session, object, AttributeType::Id)? {
        Some(Attribute::Id(id)) => id,
        _ => Vec::new(),
    })
}

fn wanted(uri: &KeyUri) -> String {
    let object = uri.object.iter().map(|label| format!("label {label:?}"));
    let id = uri.id.iter().map(|id| {
        let octets: String = id.iter().map(|octet| format!("%{octet:02x}")).collect();
        format!("id {octets}")
    });
    let parts: Vec<String> = object.chain(id).collect();
    parts.join(" and ")
}

/// Whether the key may be used for this, and only where it is.
fn judge(
    session: &Session,
    handle: ObjectHandle,
    key: &dyn Fn() -> String,
) -> Result<(), TokenError> {
    let flag = |kind| flag(session, handle, kind);
    if flag(AttributeType::Sign)? == Some(false) {
        return Err(TokenError::KeyMayNotSign { key: key() });
    }
    if flag(AttributeType::AlwaysAuthenticate)? == Some(true) {
        return Err(TokenError::AlwaysAuthenticate { key: key() });
    }
    if session.token().allow_extractable {
        return Ok(());
    }
    // What the token does not say is not taken on trust.
    let what = if flag(AttributeType::Sensitive)? != Some(true) {
        "not sensitive (CKA_SENSITIVE)"
    } else if flag(AttributeType::Extractable)? != Some(false) {
        "extractable (CKA_EXTRACTABLE)"
    } else {
        return Ok(());
    };
    Err(TokenError::KeyExtractable { key: key(), what })
}

/// What a flag says; `None` where the token says nothing.
pub(super) fn flag(
    session: &Session,
    handle: ObjectHandle,
    kind: AttributeType,
) -> Result<Option<bool>, TokenError> {
    Ok(match attribute(session, handle, kind)? {
        Some(
            Attribute::Sign(flag)
            | Attribute::AlwaysAuthenticate(flag)
            | Attribute::Sensitive(flag)
            | Attribute::Extractable(flag),
        ) => Some(flag),
        _ => None,
    })
}

/// One attribute; each alone, because one that a token does not know can spoil the answer about all.
pub(super) fn attribute(
    session: &Session,
    handle: ObjectHandle,
    kind: AttributeType,
) -> Result<Option<Attribute>, TokenError> {
    use cryptoki::error::{Error, RvError};
    session.call("C_GetAttributeValue", |session| {
        match session.get_attributes(handle, &[kind]) {
            Ok(found) => Ok(found.into_iter().next()),
            Err(
                Error::Pkcs11(RvError::AttributeTypeInvalid | RvError::AttributeSensitive, _)
                // A value that makes no sense is none.
                | Error::InvalidValue
                | Error::TryFromSlice(_),
            ) => Ok(None),
            Err(error) => Err(error),
        }
    })
}

/// What kind of key it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    P256,
    P384,
    Ed25519,
    Rsa,
}

impl Kind {
    /// Whether a key of this kind may be the one of this algorithm.
    const fn may_be(self, algorithm: SignatureAlgorithm) -> bool {
        matches!(
            (self, algorithm),
            (Self::P256, SignatureAlgorithm::EcdsaSha256P256)
                | (Self::P384, SignatureAlgorithm::EcdsaSha384P384)
                | (Self::Ed25519, SignatureAlgorithm::Ed25519)
                | (Self::Rsa, SignatureAlgorithm::RsaPkcs1Sha256 { .. })
        )
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::P256 => "EC P-256",
            Self::P384 => "EC P-384",
            Self::Ed25519 => "Ed25519",
            Self::Rsa => "RSA",
        })
    }
}

/// The kind of a private key.
pub(super) fn kind(
    session: &Session,
    handle: ObjectHandle,
    key: &dyn Fn() -> String,
) -> Result<Kind, TokenError> {
    let wrong = |reason| TokenError::KeyKind { key: key(), reason };
    let malformed = |what| wrong(KeyKindProblem::Malformed(what));
    let Some(Attribute::KeyType(kind)) = attribute(session, handle, AttributeType::KeyType)? else {
        return Err(malformed("no CKA_KEY_TYPE"));
    };
    if kind == KeyType::RSA {
        return Ok(Kind::Rsa);
    }
    if kind != KeyType::EC && kind != KeyType::EC_EDWARDS {
        return Err(wrong(KeyKindProblem::Type(kind.to_string())));
    }
    let parameters = attribute(session, handle, AttributeType::EcParams)?;
    let Some(Attribute::EcParams(parameters)) = parameters else {
        return Err(malformed("no CKA_EC_PARAMS"));
    };
    match ObjectIdentifier::from_der(&parameters) {
        Ok(SECP_256_R_1) => Ok(Kind::P256),
        Ok(SECP_384_R_1) => Ok(Kind::P384),
        Ok(ID_ED_25519) => Ok(Kind::Ed25519),
        Ok(curve) => Err(wrong(PublicKeyError::Curve { curve }.into())),
        // PKCS#11 3.0 has the name as well, as a PrintableString.
        Err(_) if parameters.get(2..) == Some(b"edwards25519") => Ok(Kind::Ed25519),
        Err(_) => Err(wrong(PublicKeyError::ExplicitCurve.into())),
    }
}

/// The public keys that may belong to a private one: those under its id (or, where it has none, its label),
/// and for RSA the private object itself.
fn public_keys(
    session: &Session,
    handle: ObjectHandle,
    kind: &Kind,
    key: &dyn Fn() -> String,
) -> Result<Vec<(SignatureAlgorithm, Vec<u8>)>, TokenError> {
    let mut template = vec![Attribute::Class(ObjectClass::PUBLIC_KEY)];
    let id = id(session, handle)?;
    let label = label(session, handle)?;
    if !id.is_empty() {
        template.push(Attribute::Id(id));
    } else if !label.is_empty() {
        template.push(Attribute::Label(label.into_bytes()));
    } else {
        // Any public key would fit.
        return Ok(Vec::new());
    }
    let mut objects = objects(session, &template)?;
    if *kind == Kind::Rsa {
        objects.push(handle);
    }
    let mut found = Vec::new();
    for object in objects {
        found.extend(public_key(session, object, *kind, key)?);
    }
    Ok(found)
}

fn public_key(
    session: &Session,
    object: ObjectHandle,
    kind: Kind,
    key: &dyn Fn() -> String,
) -> Result<Option<(SignatureAlgorithm, Vec<u8>)>, TokenError> {
    let wrong = |reason| TokenError::KeyKind { key: key(), reason };
    if kind == Kind::Rsa {
        let numbers = (
            attribute(session, object, AttributeType::Modulus)?,
            attribute(session, object, AttributeType::PublicExponent)?,
        );
        let (Some(Attribute::Modulus(modulus)), Some(Attribute::PublicExponent(exponent))) =
            numbers
        else {
            return Ok(None);
        };
        let octets = rsa_public_key(&modulus, &exponent);
        let (modulus, _) =
            rsa_numbers(&octets).ok_or_else(|| wrong(KeyKindProblem::Malformed("CKA_MODULUS")))?;
        let Ok(modulus_octets @ 256..=512) = u16::try_from(modulus.len()) else {
            let bits = u32::try_from(modulus.len().saturating_mul(8)).unwrap_or(u32::MAX);
            return Err(wrong(PublicKeyError::RsaSigningLength { bits }.into()));
        };
        let algorithm = SignatureAlgorithm::RsaPkcs1Sha256 { modulus_octets };
        return Ok(Some((algorithm, octets)));
    }
    let Some(Attribute::EcPoint(point)) = attribute(session, object, AttributeType::EcPoint)?
    else {
        return Ok(None);
    };
    let (algorithm, octets) = match kind {
        Kind::P256 => (SignatureAlgorithm::EcdsaSha256P256, 65),
        Kind::P384 => (SignatureAlgorithm::EcdsaSha384P384, 97),
        Kind::Ed25519 | Kind::Rsa => (SignatureAlgorithm::Ed25519, 32),
    };
    Ok(point_octets(&point, octets).map(|octets| (algorithm, octets.to_vec())))
}

/// The octets of a point. CKA_EC_POINT is a DER OCTET STRING of them; some tokens leave the wrapping out, and
/// PKCS#11 3.0 has a BIT STRING for Edwards curves.
fn point_octets(point: &[u8], octets: usize) -> Option<&[u8]> {
    let (header, content) = point.split_at_checked(point.len().checked_sub(octets)?)?;
    let length = u8::try_from(octets).ok()?;
    let is_known = match header {
        [] => true,
        [tag::OCTET_STRING, found] => *found == length,
        [tag::BIT_STRING, found, 0] => *found == length.saturating_add(1),
        _ => false,
    };
    is_known.then_some(content)
}

/// `RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }` (RFC 8017 A.1.1)
fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::with_capacity(modulus.len().saturating_add(16));
    for number in [modulus, exponent] {
        let leading = number.iter().take_while(|octet| **octet == 0).count();
        let number = number.get(leading..).unwrap_or_default();
        let sign: &[u8] = match number.first() {
            Some(0x80..) | None => &[0],
            Some(_) => &[],
        };
        put_tlv(&mut numbers, tag::INTEGER, &[sign, number].concat());
    }
    let mut key = Vec::with_capacity(numbers.len().saturating_add(8));
    put_tlv(&mut key, tag::SEQUENCE, &numbers);
    key
}

/// The best way that the token has to sign with an algorithm.
fn way(
    session: &Session,
    algorithm: SignatureAlgorithm,
    key: &dyn Fn() -> String,
) -> Result<Way, TokenError> {
    let slot = session.found().slot;
    let has = session
        .module()
        .call(session.watch(), "C_GetMechanismList", None, |library| {
            library.get_mechanism_list(slot)
        })?;
    let ways = Way::all(algorithm);
    let way = ways.iter().find(|way| has.contains(&way.mechanism_type()));
    way.copied().ok_or_else(|| {
        let needed: Vec<String> = ways
            .iter()
            .map(|way| way.mechanism_type().to_string())
            .collect();
        TokenError::MechanismMissing {
            token: session.found().shown(),
            key: key(),
            needed: needed.join(" or "),
        }
    })
}

/// What is signed to see whether a key signs. It is no DER, so that it can be taken for nothing else.
pub(super) const TEST_MESSAGE: &[u8] = b"estelam: does this key sign what its public key verifies?";

/// Of objects, and of names in a message.
const OBJECTS_MAX: usize = 1_000;
const NAMES_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_come_wrapped_and_bare() {
        let point = [4; 65];
        assert_eq!(point_octets(&point, 65), Some(&point[..]));
        let wrapped = [&[0x04, 65][..], &point].concat();
        assert_eq!(point_octets(&wrapped, 65), Some(&point[..]));
        let edwards = [9; 32];
        let bits = [&[0x03, 33, 0][..], &edwards].concat();
        assert_eq!(point_octets(&bits, 32), Some(&edwards[..]));
        for wrong in [
            &[0x04, 64][..],
            &[0x04, 66],
            &[0x05, 65],
            &[0x04],
            &[0x04, 0x81, 65],
        ] {
            assert_eq!(point_octets(&[wrong, &point].concat(), 65), None);
        }
        assert_eq!(point_octets(&point[..64], 65), None);
    }

    #[test]
    fn rsa_numbers_get_their_sign_octet_and_lose_their_padding() {
        // SEQUENCE { INTEGER 0x00ff01, INTEGER 3 }
        let der = [0x30, 0x08, 0x02, 0x03, 0x00, 0xff, 0x01, 0x02, 0x01, 0x03];
        assert_eq!(rsa_public_key(&[0xff, 0x01], &[0x03]), der);
        assert_eq!(rsa_public_key(&[0, 0, 0xff, 0x01], &[0, 3]), der);
    }
}
