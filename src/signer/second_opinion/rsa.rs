//! RSASSA-PKCS1-v1_5 verification (RFC 8017 §8.2.2) on `crypto-bigint` and `sha2`.
//!
//! Written out here because RustCrypto's `rsa` has an open advisory (RUSTSEC-2023-0071, about private
//! keys, which are not touched here), and verifying takes one power and one comparison.

use crypto_bigint::{
    BoxedUint, Odd,
    modular::{BoxedMontyForm, BoxedMontyParams},
};
use hex_literal::hex;
use sha2::{Digest as _, Sha256};

use super::Verifier;
use crate::signer::public_key::rsa_numbers;

/// sha256WithRSAEncryption.
pub(super) struct Pkcs1Sha256 {
    modulus: BoxedMontyParams,
    modulus_octets: usize,
    exponent: BoxedUint,
}

impl Pkcs1Sha256 {
    pub(super) fn new(rsa_public_key: &[u8]) -> Option<Self> {
        let (modulus, exponent) = rsa_numbers(rsa_public_key)?;
        let odd = Odd::new(BoxedUint::from_be_slice_vartime(modulus)).into_option()?;
        Some(Self {
            modulus: BoxedMontyParams::new_vartime(odd),
            modulus_octets: modulus.len(),
            exponent: BoxedUint::from_be_slice_vartime(exponent),
        })
    }

    /// EMSA-PKCS1-v1_5 (RFC 8017 §9.2): `00 01 FF…FF 00 DigestInfo`.
    fn encoded_message(&self, message: &[u8]) -> Option<Vec<u8>> {
        let padding = self
            .modulus_octets
            .checked_sub(3 + DIGEST_INFO.len() + 32)?;
        let mut encoded = vec![0x00, 0x01];
        encoded.resize(encoded.len().checked_add(padding)?, 0xff);
        encoded.push(0x00);
        encoded.extend(DIGEST_INFO);
        encoded.extend(Sha256::digest(message));
        Some(encoded)
    }
}

impl Verifier for Pkcs1Sha256 {
    fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        let bits = self.modulus.bits_precision();
        let Ok(number) = BoxedUint::from_be_slice(signature, bits) else {
            return false;
        };
        if signature.len() != self.modulus_octets || number >= *self.modulus.modulus().as_ref() {
            return false;
        }
        let power = BoxedMontyForm::new(number, &self.modulus)
            .pow(&self.exponent)
            .retrieve();
        let octets = power.to_be_bytes();
        // The limbs may be longer than the modulus.
        let start = octets.len().saturating_sub(self.modulus_octets);
        octets
            .split_at_checked(start)
            .is_some_and(|(zeros, recovered)| {
                zeros.iter().all(|octet| *octet == 0)
                    && self.encoded_message(message).as_deref() == Some(recovered)
            })
    }
}

/// DigestInfo of SHA-256 up to the hash (RFC 8017 §9.2 note 1).
const DIGEST_INFO: [u8; 19] = hex!("3031 300d 0609 608648016503040201 0500 0420");
