//! Makes keys on a token.

use std::{fmt, str::FromStr, sync::Arc};

use cryptoki::{
    error::RvError,
    mechanism::Mechanism,
    object::{Attribute, ObjectHandle},
};

use super::{TokenError, key, pool::Pool, session::Session};
use crate::config::{self, KeyUri};

/// A kind of key that tokens make.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenKeyType {
    /// ECDSA on P-256.
    EcP256,
    /// ECDSA on P-384.
    EcP384,
    /// Ed25519; older tokens have none.
    Ed25519,
    /// RSA with a modulus of this many bits.
    Rsa(u16),
}

impl TokenKeyType {
    /// Every one of them.
    pub const ALL: [Self; 6] = [
        Self::EcP256,
        Self::EcP384,
        Self::Ed25519,
        Self::Rsa(2048),
        Self::Rsa(3072),
        Self::Rsa(4096),
    ];

    fn mechanism(self) -> Mechanism<'static> {
        match self {
            Self::EcP256 | Self::EcP384 => Mechanism::EccKeyPairGen,
            Self::Ed25519 => Mechanism::EccEdwardsKeyPairGen,
            Self::Rsa(_) => Mechanism::RsaPkcsKeyPairGen,
        }
    }

    /// What says which key is wanted; for Ed25519 there are two spellings, and a token knows one of them.
    fn parameters(self) -> Vec<Vec<Attribute>> {
        let curve = |parameters: &[u8]| vec![Attribute::EcParams(parameters.to_vec())];
        match self {
            Self::EcP256 => vec![curve(P256)],
            Self::EcP384 => vec![curve(P384)],
            Self::Ed25519 => vec![curve(ED25519_OID), curve(ED25519_NAME)],
            Self::Rsa(bits) => vec![vec![
                Attribute::ModulusBits(u64::from(bits).into()),
                Attribute::PublicExponent(vec![1, 0, 1]),
            ]],
        }
    }
}

impl fmt::Display for TokenKeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EcP256 => f.write_str("ec-p256"),
            Self::EcP384 => f.write_str("ec-p384"),
            Self::Ed25519 => f.write_str("ed25519"),
            Self::Rsa(bits) => write!(f, "rsa-{bits}"),
        }
    }
}

impl FromStr for TokenKeyType {
    type Err = TokenKeyTypeError;

    fn from_str(text: &str) -> Result<Self, TokenKeyTypeError> {
        let known = Self::ALL.into_iter();
        let mut found = known.filter(|known| known.to_string().eq_ignore_ascii_case(text));
        found.next().ok_or_else(|| TokenKeyTypeError {
            text: text.to_owned(),
        })
    }
}

/// A text that names no kind of key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{text:?} is no key type that is made on a token: ec-p256, ec-p384, ed25519, rsa-2048, rsa-3072 or \
     rsa-4096"
)]
pub struct TokenKeyTypeError {
    /// What was read.
    pub text: String,
}

/// A key that is to be made.
#[derive(Clone, Debug)]
pub struct NewTokenKey {
    /// Its kind.
    pub key_type: TokenKeyType,
    /// CKA_LABEL, not yet taken.
    pub label: String,
    /// CKA_ID, not yet taken.
    pub id: Vec<u8>,
}

/// Makes a key pair on a token: sensitive, not extractable, tried out. Gives the key's URI.
///
/// # Errors
/// [`TokenError`]. What was made and could not be used is taken away again.
pub fn generate(token: &Arc<config::Token>, new: NewTokenKey) -> Result<KeyUri, TokenError> {
    let settings = config::Token {
        sessions: Some(1),
        ..(**token).clone()
    };
    let pool = Pool::start(&Arc::new(settings), true)?;
    // No other key has the label.
    let uri = KeyUri::object(&new.label);
    // Once: a second try could leave two keys of one name.
    let made = pool.run_once(move |session| make(session, &new).map(|()| uri.clone()))?;
    Ok(made)
}

fn make(session: &mut Session, new: &NewTokenKey) -> Result<(), TokenError> {
    is_free(
        session,
        Attribute::Label(new.label.as_bytes().to_vec()),
        || format!("label {:?}", new.label),
    )?;
    is_free(session, Attribute::Id(new.id.clone()), || {
        "this id".to_owned()
    })?;
    let (public, private) = pair(session, new)?;
    let uri = KeyUri {
        object: Some(new.label.clone()),
        id: Some(new.id.clone()),
        ..KeyUri::default()
    };
    key::find(session, &uri, u64::MAX, None, None)
        .map(drop)
        .inspect_err(|_| {
            for object in [private, public] {
                let gone =
                    session.call("C_DestroyObject", |session| session.destroy_object(object));
                if let Err(error) = gone {
                    tracing::warn!("a key that is of no use was not taken away again: {error}");
                }
            }
        })
}

fn pair(session: &Session, new: &NewTokenKey) -> Result<(ObjectHandle, ObjectHandle), TokenError> {
    let named = || {
        [
            Attribute::Token(true),
            Attribute::Label(new.label.as_bytes().to_vec()),
            Attribute::Id(new.id.clone()),
        ]
    };
    let mut private = named().to_vec();
    private.extend([
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ]);
    let mechanism = new.key_type.mechanism();
    let mut spellings = new.key_type.parameters().into_iter();
    let mut parameters = spellings.next().unwrap_or_default();
    loop {
        let mut public = named().to_vec();
        public.extend([Attribute::Private(false), Attribute::Verify(true)]);
        public.append(&mut parameters);
        let made = session.call("C_GenerateKeyPair", |session| {
            session.generate_key_pair(&mechanism, &public, &private)
        });
        let next = spellings.next();
        match (made, next) {
            (Err(TokenError::Fault(fault)), Some(next)) if is_unknown(fault.code()) => {
                parameters = next;
            }
            (Err(TokenError::Fault(fault)), _)
                if fault.code() == Some(RvError::MechanismInvalid) =>
            {
                return Err(TokenError::MechanismMissing {
                    token: session.found().shown(),
                    key: format!("{:?}", new.label),
                    needed: mechanism.mechanism_type().to_string(),
                });
            }
            (made, _) => return made,
        }
    }
}

/// What tokens say of a curve that they do not know by this spelling.
const fn is_unknown(code: Option<RvError>) -> bool {
    matches!(
        code,
        Some(
            RvError::CurveNotSupported
                | RvError::DomainParamsInvalid
                | RvError::AttributeValueInvalid
                | RvError::TemplateInconsistent
                | RvError::ArgumentsBad
                | RvError::FunctionFailed
                | RvError::GeneralError
        )
    )
}

fn is_free(
    session: &Session,
    attribute: Attribute,
    wanted: impl Fn() -> String,
) -> Result<(), TokenError> {
    let mut template = key::private_keys().to_vec();
    template.push(attribute);
    if key::objects(session, &template)?.is_empty() {
        return Ok(());
    }
    Err(TokenError::KeyExists {
        token: session.found().shown(),
        wanted: wanted(),
    })
}

/// The curves' OIDs in DER, and the name of one as PKCS#11 3.0 has it, a PrintableString.
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519_OID: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
const ED25519_NAME: &[u8] = b"\x13\x0cedwards25519";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_types_are_read_as_they_are_shown() {
        for key_type in TokenKeyType::ALL {
            assert_eq!(key_type.to_string().parse(), Ok(key_type));
        }
        assert!("dsa".parse::<TokenKeyType>().is_err());
    }
}
