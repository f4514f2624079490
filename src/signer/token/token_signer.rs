//! A key on a token as a [`Signer`].

use std::{
    path::Path,
    sync::{
        Arc, LazyLock, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::digest::Digest;

use super::{
    TokenError,
    job::Asked,
    key::{self, Expected, KnownKey},
    pool::Pool,
};
use crate::{
    asn1::{Certificate, SignatureAlgorithm},
    config::{self, KeyUri},
    signer::{Signer, SignerError, forbid_core_dumps},
};

/// Signs with a key on a token. Its signatures are not verified here.
pub struct TokenSigner {
    pool: Arc<Pool>,
    key: Arc<KnownKey>,
}

/// Opens a key on a token: finds it, judges it and has it sign. With the file and the certificate that it is
/// meant for, it has to be that one's; a token that keeps no public key needs it to know what the key is.
///
/// All keys of a token share its sessions.
///
/// # Errors
/// [`TokenError`].
pub fn open(
    token: &Arc<config::Token>,
    uri: &KeyUri,
    certificate: Option<(&Path, &Certificate)>,
) -> Result<TokenSigner, TokenError> {
    forbid_core_dumps();
    open_in(&shared_pool(token)?, uri, certificate)
}

/// The same with sessions of its own.
///
/// # Errors
/// [`TokenError`].
pub fn open_alone(token: &Arc<config::Token>, uri: &KeyUri) -> Result<TokenSigner, TokenError> {
    forbid_core_dumps();
    open_in(&Arc::new(Pool::start(token, false)?), uri, None)
}

fn open_in(
    pool: &Arc<Pool>,
    uri: &KeyUri,
    certificate: Option<(&Path, &Certificate)>,
) -> Result<TokenSigner, TokenError> {
    let expected = certificate.and_then(|(path, certificate)| {
        let algorithm = signing_algorithm(certificate)?;
        Some(Expected {
            path: path.to_owned(),
            algorithm,
            public_key_octets: certificate.public_key_octets().to_vec(),
        })
    });
    let number = NEXT_KEY.fetch_add(1, Ordering::Relaxed);
    let uri = uri.clone();
    let key = pool.run(move |session| key::find(session, &uri, number, expected.as_ref()))?;
    let key = Arc::new(key);
    pool.keep_alive_with(&key);
    Ok(TokenSigner {
        pool: Arc::clone(pool),
        key,
    })
}

/// What the key of a certificate signs with; `None` where it cannot sign here, which is judged elsewhere.
fn signing_algorithm(certificate: &Certificate) -> Option<SignatureAlgorithm> {
    use crate::signer::{KeyKind, key_kind, rsa_numbers};
    Some(match key_kind(certificate.spki_der()).ok()? {
        KeyKind::P256 => SignatureAlgorithm::EcdsaSha256P256,
        KeyKind::P384 => SignatureAlgorithm::EcdsaSha384P384,
        KeyKind::Ed25519 => SignatureAlgorithm::Ed25519,
        KeyKind::Rsa => {
            let (modulus, _) = rsa_numbers(certificate.public_key_octets())?;
            let modulus_octets = u16::try_from(modulus.len()).ok()?;
            SignatureAlgorithm::RsaPkcs1Sha256 { modulus_octets }
        }
        KeyKind::P521 => return None,
    })
}

/// Pools with the settings that they were made from.
type Pools = Vec<(Arc<config::Token>, Weak<Pool>)>;

/// The pools of the process, as long as somebody signs with them.
static POOLS: LazyLock<Mutex<Pools>> = LazyLock::new(Mutex::default);

static NEXT_KEY: AtomicU64 = AtomicU64::new(0);

fn shared_pool(token: &Arc<config::Token>) -> Result<Arc<Pool>, TokenError> {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    pools.retain(|(_, pool)| pool.strong_count() > 0);
    let found = pools.iter().find(|(settings, _)| settings == token);
    if let Some(pool) = found.and_then(|(_, pool)| pool.upgrade()) {
        return Ok(pool);
    }
    let pool = Arc::new(Pool::start(token, false)?);
    pools.push((Arc::clone(token), Arc::downgrade(&pool)));
    Ok(pool)
}

impl TokenSigner {
    /// How many sessions sign for it.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.pool.sessions()
    }

    /// Signs what was prepared of each message, spread over the sessions.
    fn sign_all(
        &self,
        prepared: Vec<Vec<u8>>,
        signatures: &mut [&mut [u8]],
    ) -> Result<(), TokenError> {
        let sessions = self.sessions().max(1);
        let share = prepared.len().div_ceil(sessions).clamp(1, SHARE_MAX);
        let mut asked = Vec::new();
        let mut failed = None;
        for share in prepared.chunks(share) {
            let (key, share) = (Arc::clone(&self.key), share.to_vec());
            match self.ask(key, share) {
                Ok(one) => asked.push(one),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let mut places = signatures.iter_mut();
        for one in asked {
            if failed.is_some() {
                self.pool.take_back(&one);
                continue;
            }
            match self.pool.wait(one) {
                Ok(made) => {
                    // The signatures first: at their end, no place is taken that is the next share's.
                    for (made, place) in made.into_iter().zip(places.by_ref()) {
                        place.copy_from_slice(&made);
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn ask(
        &self,
        key: Arc<KnownKey>,
        share: Vec<Vec<u8>>,
    ) -> Result<Asked<Vec<Vec<u8>>>, TokenError> {
        let work = move |session: &mut super::session::Session| session.sign(&key, &share);
        self.pool.ask(Asked::new(super::worker::ATTEMPTS, work))
    }

    fn check_len(&self, signature: &[u8]) -> Result<(), SignerError> {
        let (expected, actual) = (self.algorithm().stored_len(), signature.len());
        if actual == expected {
            Ok(())
        } else {
            Err(SignerError::BufferLength { expected, actual })
        }
    }
}

impl Signer for TokenSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm
    }

    fn public_key_octets(&self) -> &[u8] {
        &self.key.public_key_octets
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SignerError> {
        self.check_len(signature)?;
        let prepared = vec![self.key.way.prepare(message)];
        Ok(self.sign_all(prepared, &mut [signature])?)
    }

    fn sign_digest(&self, digest: &Digest, signature: &mut [u8]) -> Result<(), SignerError> {
        self.check_len(signature)?;
        let prepared = self.key.way.prepare_digest(digest);
        let prepared = prepared.ok_or(SignerError::NeedsMessage)?;
        Ok(self.sign_all(vec![prepared], &mut [signature])?)
    }

    fn sign_batch(
        &self,
        messages: &[&[u8]],
        signatures: &mut [&mut [u8]],
    ) -> Result<(), SignerError> {
        if messages.len() != signatures.len() {
            return Err(SignerError::Failed);
        }
        for signature in &*signatures {
            self.check_len(signature)?;
        }
        let prepared = messages.iter().map(|message| self.key.way.prepare(message));
        Ok(self.sign_all(prepared.collect(), signatures)?)
    }
}

/// Signatures in a job: so few that somebody who waits for one alone need not wait long behind others.
const SHARE_MAX: usize = 32;
