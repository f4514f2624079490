//! RSASSA-PKCS1-v1_5 and RSASSA-PSS verification (RFC 8017 §8.2.2, §8.1.2) on `crypto-bigint` and `sha2`.
//!
//! Written out here because RustCrypto's `rsa` has an open advisory (RUSTSEC-2023-0071, about private
//! keys, which are not touched here), and verifying takes one power and one comparison.

use std::marker::PhantomData;

use crypto_bigint::{
    BoxedUint, Odd,
    modular::{BoxedMontyForm, BoxedMontyParams},
};
use hex_literal::hex;
use sha2::{Digest, Sha256};

use super::Verifier;
use crate::signer::public_key::{bits, rsa_numbers};

/// A public key.
struct Key {
    modulus: BoxedMontyParams,
    modulus_octets: usize,
    modulus_bits: usize,
    exponent: BoxedUint,
}

impl Key {
    fn new(rsa_public_key: &[u8]) -> Option<Self> {
        let (modulus, exponent) = rsa_numbers(rsa_public_key)?;
        let odd = Odd::new(BoxedUint::from_be_slice_vartime(modulus)).into_option()?;
        Some(Self {
            modulus: BoxedMontyParams::new_vartime(odd),
            modulus_octets: modulus.len(),
            modulus_bits: usize::try_from(bits(modulus)).ok()?,
            exponent: BoxedUint::from_be_slice_vartime(exponent),
        })
    }

    /// RSAVP1 (RFC 8017 §5.2.2): the signature's power, in as many octets as the modulus has.
    fn recover(&self, signature: &[u8]) -> Option<Vec<u8>> {
        let bits = self.modulus.bits_precision();
        let number = BoxedUint::from_be_slice(signature, bits).ok()?;
        if signature.len() != self.modulus_octets || number >= *self.modulus.modulus().as_ref() {
            return None;
        }
        let power = BoxedMontyForm::new(number, &self.modulus)
            .pow(&self.exponent)
            .retrieve();
        let octets = power.to_be_bytes();
        // The limbs may be longer than the modulus.
        let (zeros, recovered) =
            octets.split_at_checked(octets.len().saturating_sub(self.modulus_octets))?;
        (zeros.iter().all(|octet| *octet == 0)).then(|| recovered.to_vec())
    }
}

/// sha256WithRSAEncryption.
pub(super) struct Pkcs1Sha256(Key);

impl Pkcs1Sha256 {
    pub(super) fn new(rsa_public_key: &[u8]) -> Option<Self> {
        Key::new(rsa_public_key).map(Self)
    }

    /// EMSA-PKCS1-v1_5 (RFC 8017 §9.2): `00 01 FF…FF 00 DigestInfo`.
    fn encoded_message(&self, message: &[u8]) -> Option<Vec<u8>> {
        let padding = self
            .0
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
        let recovered = self.0.recover(signature);
        recovered.is_some() && recovered == self.encoded_message(message)
    }
}

/// DigestInfo of SHA-256 up to the hash (RFC 8017 §9.2 note 1).
const DIGEST_INFO: [u8; 19] = hex!("3031 300d 0609 608648016503040201 0500 0420");

/// RSASSA-PSS, with MGF1 over the same hash and a salt as long as it.
pub(super) struct Pss<H> {
    key: Key,
    hash: PhantomData<fn() -> H>,
}

impl<H: Digest> Pss<H> {
    pub(super) fn new(rsa_public_key: &[u8]) -> Option<Self> {
        Some(Self {
            key: Key::new(rsa_public_key)?,
            hash: PhantomData,
        })
    }

    /// EMSA-PSS-VERIFY (RFC 8017 §9.1.2); `None` and false are both "inconsistent".
    fn verify(&self, message: &[u8], signature: &[u8]) -> Option<bool> {
        let hash_len = <H as Digest>::output_size();
        let encoded_bits = self.key.modulus_bits.checked_sub(1)?;
        let encoded_len = encoded_bits.div_ceil(8);
        let recovered = self.key.recover(signature)?;
        // One octet fewer than the modulus where that has one bit in its first.
        let (above, encoded) =
            recovered.split_at_checked(recovered.len().checked_sub(encoded_len)?)?;
        let (masked, rest) = encoded.split_at_checked(encoded_len.checked_sub(hash_len + 1)?)?;
        let (hash, trailer) = rest.split_at_checked(hash_len)?;
        if above.iter().any(|octet| *octet != 0) || trailer != [0xbc] {
            return Some(false);
        }
        // The bits of the first octet that the encoded message has not.
        let unused = encoded_len.checked_mul(8)?.checked_sub(encoded_bits)?;
        let used = 0xff_u8.checked_shr(u32::try_from(unused).ok()?)?;
        if masked.first()? & !used != 0 {
            return Some(false);
        }
        let mut block = masked.to_vec();
        for (octet, mask) in block.iter_mut().zip(mgf1::<H>(hash)) {
            *octet ^= mask;
        }
        *block.first_mut()? &= used;
        let (padding, salt) = block.split_at_checked(block.len().checked_sub(hash_len)?)?;
        let (one, zeros) = padding.split_last()?;
        if *one != 0x01 || zeros.iter().any(|octet| *octet != 0) {
            return Some(false);
        }
        let again = H::new()
            .chain_update([0; 8])
            .chain_update(H::digest(message))
            .chain_update(salt)
            .finalize();
        Some(again.as_slice() == hash)
    }
}

impl<H: Digest> Verifier for Pss<H> {
    fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verify(message, signature) == Some(true)
    }
}

/// MGF1 (RFC 8017 §B.2.1): the octets of the mask, as many as are taken.
fn mgf1<H: Digest>(seed: &[u8]) -> impl Iterator<Item = u8> {
    let block = move |counter: u32| {
        H::new()
            .chain_update(seed)
            .chain_update(counter.to_be_bytes())
            .finalize()
            .to_vec()
    };
    (0..=u32::MAX).flat_map(block)
}
