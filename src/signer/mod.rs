//! Keys that sign, and the judgement whether they may.
//!
//! A [`Signer`] turns octets into a signature; what the octets mean is not its business. [`open`]
//! takes a certificate and a key from their files and [`load()`] judges them against the issuer
//! (RFC 6960 §4.2.2.2): what does not pass is refused with its defect named, and nothing else is
//! tried in its place. Software keys sign with aws-lc-rs, and one signature in 256 is verified by
//! another implementation.
//!
//! Private keys and passphrases are overwritten when dropped and have no `Debug`.

mod certificate_signature;
mod checked;
mod defect;
mod ecdsa;
mod ed25519;
mod error;
mod key_file;
mod keys;
mod load;
mod no_core_dumps;
mod open_key;
mod passphrase;
pub mod process;
mod public_key;
mod rsa;
mod second_opinion;
mod signature_scheme;
mod signed_octets;
mod software;
#[cfg(test)]
mod test_pki;
pub mod token;
mod verify;

pub(crate) use certificate_signature::check_signature;
pub use certificate_signature::{check as check_certificate, is_signed_by};
pub use checked::Checked;
pub use defect::{Defect, Name, Warning};
pub use error::{LoadError, SignerError};
pub use key_file::KeyError;
pub use keys::Keys;
pub use load::{LoadedSigner, Role, load, open, probe};
pub use no_core_dumps::forbid_core_dumps;
pub use open_key::open_key;
pub use passphrase::{Passphrase, PassphraseError};
pub use public_key::PublicKeyError;
pub(crate) use public_key::{KeyKind, key_kind, rsa_numbers};
pub use signature_scheme::SignatureAlgorithmError;
pub use signed_octets::{SignatureFault, SignedMessage, SignedOctets};
pub use software::{PrivateKeyError, SoftwareSigner};
pub use verify::verify;

use aws_lc_rs::digest::{self, Digest};

use crate::asn1::SignatureAlgorithm;

/// Signs with one private key.
pub trait Signer: Send + Sync {
    /// The algorithm of every signature.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// The octets of the public key's BIT STRING, as a certificate carries them.
    fn public_key_octets(&self) -> &[u8];

    /// Signs `message` into `signature`, which has exactly the algorithm's
    /// [`stored_len`](SignatureAlgorithm::stored_len): r‖s for ECDSA, else the octets of the BIT
    /// STRING. On an error what `signature` holds is not to be used.
    ///
    /// # Errors
    /// [`SignerError`].
    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SignerError>;

    /// The same of a message of which only the digest is at hand, made with
    /// [`message_digest`] of the algorithm.
    ///
    /// # Errors
    /// [`SignerError`]; [`SignerError::NeedsMessage`] for an algorithm that signs no digest.
    fn sign_digest(&self, digest: &Digest, signature: &mut [u8]) -> Result<(), SignerError>;

    /// Signs several messages; `signatures` are as many buffers, each as for [`Signer::sign`]. A key
    /// that is far away makes one journey for all. On an error none of them is to be used.
    ///
    /// # Errors
    /// [`SignerError`] of the first that failed; [`SignerError::Failed`] where there are not as many
    /// buffers as messages.
    fn sign_batch(
        &self,
        messages: &[&[u8]],
        signatures: &mut [&mut [u8]],
    ) -> Result<(), SignerError> {
        if messages.len() != signatures.len() {
            return Err(SignerError::Failed);
        }
        messages
            .iter()
            .zip(signatures)
            .try_for_each(|(message, signature)| self.sign(message, signature))
    }
}

/// The hash whose digest is signed; `None` for Ed25519, which hashes the message twice (RFC 8032
/// §5.1.7).
#[must_use]
pub const fn message_digest(algorithm: SignatureAlgorithm) -> Option<&'static digest::Algorithm> {
    match algorithm {
        SignatureAlgorithm::EcdsaSha256P256 | SignatureAlgorithm::RsaPkcs1Sha256 { .. } => {
            Some(&digest::SHA256)
        }
        SignatureAlgorithm::EcdsaSha384P384 => Some(&digest::SHA384),
        SignatureAlgorithm::Ed25519 => None,
    }
}
