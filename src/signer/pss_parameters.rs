//! The parameters that bind an RSASSA-PSS key to a hash (RFC 4055 §3.1).
//!
//! ```text
//! RSASSA-PSS-params ::= SEQUENCE {
//!     hashAlgorithm     [0] HashAlgorithm     DEFAULT sha1Identifier,
//!     maskGenAlgorithm  [1] MaskGenAlgorithm  DEFAULT mgf1SHA1Identifier,
//!     saltLength        [2] INTEGER           DEFAULT 20,
//!     trailerField      [3] INTEGER           DEFAULT 1 }
//! ```

use hex_literal::hex;

use super::signature_scheme::Hash;
use crate::asn1::{DerError, Elements, tag};

/// The hash in the content octets of these parameters, where it is the same throughout and one that is
/// not refused; `None` for all others.
///
/// In a key saltLength is the least that a signature has to have, and ours are as long as the hash.
pub(super) fn hash(parameters: &[u8]) -> Option<Hash> {
    read(parameters).ok().flatten()
}

fn read(parameters: &[u8]) -> Result<Option<Hash>, DerError> {
    let mut fields = Elements::new(parameters);
    let hash_algorithm = fields.optional(tag::constructed(0))?;
    let mask = fields.optional(tag::constructed(1))?;
    let salt = fields.optional(tag::constructed(2))?;
    // DER leaves out the one trailerField that there is.
    fields.finish()?;
    let (Some(hash_algorithm), Some(mask)) = (hash_algorithm, mask) else {
        // The defaults are SHA-1.
        return Ok(None);
    };
    let mut mask = Elements::inside(mask.content, tag::SEQUENCE)?;
    let mask_oid = mask.oid()?;
    let mask_hash = mask.required(tag::SEQUENCE)?;
    mask.finish()?;
    let found = known(hash_algorithm.content)?;
    if mask_oid != MGF1 || known(mask_hash.der)? != found {
        return Ok(None);
    }
    let Some((hash, octets)) = found else {
        return Ok(None);
    };
    let salt = match salt {
        None => SALT_DEFAULT,
        Some(salt) => {
            let mut salt = Elements::new(salt.content);
            let octets = salt.integer()?;
            salt.finish()?;
            match octets {
                [octets @ 0..=0x7f] => *octets,
                // Longer than any hash, or negative.
                _ => return Ok(None),
            }
        }
    };
    Ok((salt <= octets).then_some(hash))
}

/// The hash that an AlgorithmIdentifier names, and its octets. RFC 4055 §2.1 takes absent parameters for
/// NULL.
fn known(algorithm: &[u8]) -> Result<Option<(Hash, u8)>, DerError> {
    let mut fields = Elements::inside(algorithm, tag::SEQUENCE)?;
    let oid = fields.oid()?;
    if let Some(null) = fields.optional(tag::NULL)?
        && !null.content.is_empty()
    {
        return Ok(None);
    }
    fields.finish()?;
    Ok(match oid {
        SHA256 => Some((Hash::Sha256, 32)),
        SHA384 => Some((Hash::Sha384, 48)),
        SHA512 => Some((Hash::Sha512, 64)),
        _ => None,
    })
}

const SALT_DEFAULT: u8 = 20;
// Content octets of OBJECT IDENTIFIERs: 1.2.840.113549.1.1.8 and 2.16.840.1.101.3.4.2.1 to .3.
const MGF1: &[u8] = &hex!("2a864886f70d010108");
const SHA256: &[u8] = &hex!("608648016503040201");
const SHA384: &[u8] = &hex!("608648016503040202");
const SHA512: &[u8] = &hex!("608648016503040203");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        asn1::{PSS_SHA256, PSS_SHA384, PSS_SHA512},
        signer::test_pki::Pki,
    };

    /// The content of the parameters in an AlgorithmIdentifier.
    fn parameters(algorithm: &[u8]) -> &[u8] {
        &algorithm[15..]
    }

    #[test]
    fn the_three_of_signatures_are_those_of_keys_too() {
        assert_eq!(hash(parameters(PSS_SHA256)), Some(Hash::Sha256));
        assert_eq!(hash(parameters(PSS_SHA384)), Some(Hash::Sha384));
        assert_eq!(hash(parameters(PSS_SHA512)), Some(Hash::Sha512));
    }

    #[test]
    fn what_is_bound_to_weak_or_mixed_hashes_is_refused() {
        // All defaults: SHA-1.
        assert_eq!(hash(b""), None);
        let good = parameters(PSS_SHA256);
        for (at, octet) in [(14, 0x02), (16, 0x04), (45, 0x03), (51, 33), (51, 0xff)] {
            let mut bad = good.to_vec();
            assert_ne!(bad[at], octet);
            bad[at] = octet;
            assert_eq!(hash(&bad), None, "{at}");
        }
        for end in 0..good.len() {
            // Without saltLength it is whole again, with 20.
            let expected = (end == good.len() - 5).then_some(Hash::Sha256);
            assert_eq!(hash(&good[..end]), expected, "{end}");
        }
        let trailing = [good, b"\x05\x00"].concat();
        assert_eq!(hash(&trailing), None);
    }

    #[test]
    fn keys_of_openssl_are_read() {
        let pki = Pki::new();
        let kind = |arguments: &[&str]| {
            let fixed = ["RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"];
            pki.key("k", &[&fixed, arguments].concat());
            pki.self_signed("k", "/CN=k", "");
            crate::signer::key_kind(pki.certificate("k").spki_der())
        };
        use crate::signer::{KeyKind, PublicKeyError};
        assert_eq!(kind(&[]), Ok(KeyKind::RsaPss(None)));
        let bound = [
            "-pkeyopt",
            "rsa_pss_keygen_md:sha384",
            "-pkeyopt",
            "rsa_pss_keygen_mgf1_md:sha384",
            "-pkeyopt",
            "rsa_pss_keygen_saltlen:48",
        ];
        assert_eq!(kind(&bound), Ok(KeyKind::RsaPss(Some(Hash::Sha384))));
        // OpenSSL 3.0 then leaves MGF1 at its default, SHA-1.
        let half = ["-pkeyopt", "rsa_pss_keygen_md:sha256"];
        assert_eq!(kind(&half), Err(PublicKeyError::PssParameters));
    }
}
