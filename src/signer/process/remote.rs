//! A key in the signing process, which signs like any other.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::Digest;

use super::chunks::Pace;
use super::connection::{Connection, Fault};
use super::frame::{Frame, Lane, PAYLOAD_OCTETS_MAX};
use super::link::Link;
use super::memory_file::sealed;
use super::reply::Reply;
use super::request::Request;
use crate::asn1::SignatureAlgorithm;
use crate::signer::{Signer, SignerError, message_digest};

/// A key that lives in the signing process. It stays the same key when that process is started again:
/// another one under its name does not sign.
///
/// What it signs is not verified here: [`Checked`](crate::signer::Checked) does.
pub struct RemoteSigner {
    link: Arc<Link>,
    name: String,
    algorithm: SignatureAlgorithm,
    public_key: Box<[u8]>,
    pace: Pace,
}

impl RemoteSigner {
    pub(super) fn new(
        link: Arc<Link>,
        name: String,
        algorithm: SignatureAlgorithm,
        public_key: Box<[u8]>,
    ) -> Self {
        Self {
            link,
            name,
            algorithm,
            public_key,
            pace: Pace::new(),
        }
    }

    /// Asks and waits. Whether the process hangs is found out by its supervisor, which breaks the
    /// connection then: that it has much to do is no fault.
    fn ask(
        &self,
        connection: &Connection,
        request: &Request<'_>,
        lane: Lane,
        file: Option<BorrowedFd<'_>>,
    ) -> Result<Frame, SignerError> {
        connection
            .ask(request, lane, file, PATIENCE)
            .map_err(|why| self.away(&why))
    }

    /// The connection of this moment, and the key's number there.
    fn reach(&self) -> Result<(Arc<Connection>, u16), SignerError> {
        self.link
            .reach(&self.name, self.algorithm, &self.public_key)
            .map_err(|why| SignerError::Unavailable { why })
    }

    fn away(&self, why: &str) -> SignerError {
        SignerError::Unavailable {
            why: format!("the signing process: {why}"),
        }
    }

    /// Copies the signatures of an answer to where they belong.
    fn take(
        &self,
        connection: &Connection,
        frame: &Frame,
        signatures: &mut [&mut [u8]],
    ) -> Result<(), SignerError> {
        match Reply::decode(frame.kind, &frame.payload) {
            Ok(Reply::Signatures(made))
                if made.len() == signatures.len()
                    && made
                        .iter()
                        .all(|one| one.len() == self.algorithm.stored_len()) =>
            {
                for (signature, made) in signatures.iter_mut().zip(made) {
                    signature.copy_from_slice(made);
                }
                Ok(())
            }
            Ok(Reply::Refused { cause, why }) => Err(cause.error(why)),
            _ => {
                let why = "it answered something else than it was asked".to_owned();
                let hangs = false;
                Err(self.away(&connection.break_off(Fault { why, hangs })))
            }
        }
    }

    fn check_len(&self, signature: &[u8]) -> Result<(), SignerError> {
        let (expected, actual) = (self.algorithm.stored_len(), signature.len());
        if actual == expected {
            Ok(())
        } else {
            Err(SignerError::BufferLength { expected, actual })
        }
    }

    /// Signs some messages that fit into one request.
    fn sign_some(
        &self,
        lane: Lane,
        messages: &[&[u8]],
        signatures: &mut [&mut [u8]],
    ) -> Result<(), SignerError> {
        let (connection, key) = self.reach()?;
        let request = Request::Sign {
            key,
            messages: messages.to_vec(),
        };
        let frame = self.ask(&connection, &request, lane, None)?;
        self.take(&connection, &frame, signatures)
    }

    /// Signs a message of any size as it lies in memory.
    fn sign_file(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SignerError> {
        let octets = u64::try_from(message.len()).map_err(|_| SignerError::Failed)?;
        let file = sealed(message).map_err(|error| SignerError::Unavailable {
            why: format!(
                "there is no memory for the {octets} octets that are to be signed: {error}"
            ),
        })?;
        let (connection, key) = self.reach()?;
        let request = Request::SignFile { key, octets };
        let frame = self.ask(&connection, &request, Lane::Bulk, Some(file.as_fd()))?;
        self.take(&connection, &frame, &mut [signature])
    }
}

impl Signer for RemoteSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn public_key_octets(&self) -> &[u8] {
        &self.public_key
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SignerError> {
        self.sign_batch(&[message], &mut [signature])
    }

    fn sign_digest(&self, digest: &Digest, signature: &mut [u8]) -> Result<(), SignerError> {
        self.check_len(signature)?;
        if message_digest(self.algorithm) != Some(digest.algorithm()) {
            return Err(SignerError::NeedsMessage);
        }
        let (connection, key) = self.reach()?;
        let digest = digest.as_ref();
        let request = Request::SignDigest { key, digest };
        let frame = self.ask(&connection, &request, Lane::Bulk, None)?;
        self.take(&connection, &frame, &mut [signature])
    }

    fn sign_batch(
        &self,
        messages: &[&[u8]],
        signatures: &mut [&mut [u8]],
    ) -> Result<(), SignerError> {
        if messages.len() != signatures.len() {
            return Err(SignerError::Failed);
        }
        signatures
            .iter()
            .try_for_each(|signature| self.check_len(signature))?;
        // Live answers and what changed a moment ago come in small numbers.
        let lane = if messages.len() <= URGENT_MAX {
            Lane::Urgent
        } else {
            Lane::Bulk
        };
        let (mut messages, mut signatures) = (messages, signatures);
        while let Some(first) = messages.first() {
            let count = if first.len() > INLINE_OCTETS_MAX {
                1
            } else {
                fitting(messages, self.pace.at_once())
            };
            let (Some((some, rest)), Some((made, left))) = (
                messages.split_at_checked(count),
                signatures.split_at_mut_checked(count),
            ) else {
                return Err(SignerError::Failed);
            };
            match (some, &mut *made) {
                ([long], [signature]) if long.len() > INLINE_OCTETS_MAX => {
                    self.sign_file(long, signature)?;
                }
                _ => {
                    let begun = Instant::now();
                    self.sign_some(lane, some, made)?;
                    self.pace.note(count, begun.elapsed());
                }
            }
            (messages, signatures) = (rest, left);
        }
        Ok(())
    }
}

/// How many of the first messages go into one request: at least one.
fn fitting(messages: &[&[u8]], at_once: usize) -> usize {
    let mut room = usize::try_from(PAYLOAD_OCTETS_MAX / 2).unwrap_or(INLINE_OCTETS_MAX);
    let mut count = 0_usize;
    for message in messages.iter().take(at_once) {
        let needed = message.len().saturating_add(4);
        if message.len() > INLINE_OCTETS_MAX || needed > room {
            break;
        }
        room = room.saturating_sub(needed);
        count = count.saturating_add(1);
    }
    count.max(1)
}

/// Longer than any that is not lost, with as many before it as there may be.
const PATIENCE: Duration = Duration::from_secs(600);
/// A longer message goes as a file.
const INLINE_OCTETS_MAX: usize = 64 * 1_024;
/// Of more messages at once nobody waits for a single one.
const URGENT_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_is_longer_than_a_frame() {
        let small = vec![0; 300];
        assert_eq!(fitting(&vec![&small[..]; 300], 256), 256);
        assert_eq!(fitting(&vec![&small[..]; 300], 7), 7);
        let large = vec![0; INLINE_OCTETS_MAX];
        let count = fitting(&vec![&large[..]; 300], 256);
        assert_eq!(count, 15);
        let longer = vec![0; INLINE_OCTETS_MAX + 1];
        assert_eq!(fitting(&[&small[..], &longer, &small], 256), 1);
        assert_eq!(fitting(&[&longer[..]], 256), 1);
    }
}
