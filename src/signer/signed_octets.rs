//! A signature over octets that pass by and are not kept.

use aws_lc_rs::{digest, signature::UnparsedPublicKey};

use super::{
    PublicKeyError, SignatureAlgorithmError, public_key::key_kind,
    signature_scheme::SignatureScheme,
};
use crate::asn1::Certificate;

/// Octets that something was signed over, heard piece by piece: of a CRL with a million entries only
/// the digest remains.
///
/// An Ed25519 signature is over the whole message, and its first half is needed before the message
/// (RFC 8032 §5.1.7), but stands behind it in a CRL. An ML-DSA signature is over a hash of the key and
/// then the message (FIPS 204 algorithm 7), and which key it was may be known only behind it. So with these
/// the message is kept, up to [`SignedOctets::KEPT_OCTETS_MAX`].
pub struct SignedOctets {
    scheme: SignatureScheme,
    heard: Heard,
}

enum Heard {
    Digest(digest::Context),
    Message(Vec<u8>),
    TooLong,
}

impl SignedOctets {
    /// The longest message that is kept where a digest of it is not enough: a CRL of one and a half
    /// million entries.
    pub const KEPT_OCTETS_MAX: usize = 64 << 20;

    /// Nothing yet, to be verified by the scheme with this AlgorithmIdentifier.
    ///
    /// # Errors
    /// [`SignatureAlgorithmError`] for one that is weak or not known.
    pub fn new(algorithm_der: &[u8]) -> Result<Self, SignatureAlgorithmError> {
        let scheme = SignatureScheme::from_algorithm_der(algorithm_der)?;
        let heard = scheme.digest().map_or_else(
            || Heard::Message(Vec::new()),
            |algorithm| Heard::Digest(digest::Context::new(algorithm)),
        );
        Ok(Self { scheme, heard })
    }

    /// Checks that the key of `signer` made `signature` over a message that lies there whole. Names, keyUsage
    /// and validity are not judged.
    ///
    /// # Errors
    /// [`SignatureFault`].
    pub fn verify_whole(
        algorithm_der: &[u8],
        message: &[u8],
        signer: &Certificate,
        signature: &[u8],
    ) -> Result<(), SignatureFault> {
        let scheme = SignatureScheme::from_algorithm_der(algorithm_der)
            .map_err(|_| SignatureFault::AnotherKeyType)?;
        let kind = key_kind(signer.spki_der())?;
        let algorithm = scheme
            .verifier(kind)
            .ok_or(SignatureFault::AnotherKeyType)?;
        UnparsedPublicKey::new(algorithm, signer.public_key_octets())
            .verify(message, signature)
            .map_err(|_| SignatureFault::Wrong)
    }

    /// The next octets.
    pub fn update(&mut self, octets: &[u8]) {
        match &mut self.heard {
            Heard::Digest(context) => context.update(octets),
            Heard::Message(message) => {
                if message.len().saturating_add(octets.len()) > Self::KEPT_OCTETS_MAX {
                    self.heard = Heard::TooLong;
                } else {
                    message.extend_from_slice(octets);
                }
            }
            Heard::TooLong => {}
        }
    }

    /// All octets were heard.
    #[must_use]
    pub fn finish(self) -> SignedMessage {
        SignedMessage {
            scheme: self.scheme,
            message: match self.heard {
                Heard::Digest(context) => Message::Digest(context.finish()),
                Heard::Message(message) => Message::Whole(message),
                Heard::TooLong => Message::TooLong,
            },
        }
    }
}

/// What a signature is verified against.
pub struct SignedMessage {
    scheme: SignatureScheme,
    message: Message,
}

enum Message {
    Digest(digest::Digest),
    Whole(Vec<u8>),
    TooLong,
}

impl SignedMessage {
    /// Checks that the key of `signer` made `signature`. Names, keyUsage and validity are not judged.
    ///
    /// # Errors
    /// [`SignatureFault`].
    pub fn verify(&self, signer: &Certificate, signature: &[u8]) -> Result<(), SignatureFault> {
        let kind = key_kind(signer.spki_der())?;
        let algorithm = self
            .scheme
            .verifier(kind)
            .ok_or(SignatureFault::AnotherKeyType)?;
        let key = UnparsedPublicKey::new(algorithm, signer.public_key_octets());
        match &self.message {
            Message::Digest(digest) => key.verify_digest(digest, signature),
            Message::Whole(message) => key.verify(message, signature),
            Message::TooLong => {
                return Err(SignatureFault::MessageTooLong {
                    octets_max: SignedOctets::KEPT_OCTETS_MAX,
                });
            }
        }
        .map_err(|_| SignatureFault::Wrong)
    }
}

/// Why a signature was not verified.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureFault {
    /// The key verifies nothing here.
    #[error("the signer's certificate cannot be used: {0}")]
    Key(#[from] PublicKeyError),
    /// No key of this type makes such signatures.
    #[error("the signature algorithm is not one of the signer's key")]
    AnotherKeyType,
    /// It was not made by this key over these octets.
    #[error("the signature does not verify with the signer's key")]
    Wrong,
    /// Only a digest could have been kept, and the algorithm needs more.
    #[error("Ed25519 and ML-DSA signatures over more than {octets_max} octets are not verified")]
    MessageTooLong {
        /// The limit.
        octets_max: usize,
    },
}
