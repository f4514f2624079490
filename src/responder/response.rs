//! What the responder hands to `http`: the octets of an OCSPResponse, how long they may be cached,
//! and the label they are counted under.

use std::{pin::Pin, sync::Arc, time::Duration};

use crate::{
    asn1::UnixTime, catalog::files::ServedFile, observe::AnswerKind, ocsp::OcspResponseStatus,
};

/// One OCSPResponse, ready to be sent with HTTP status 200 (RFC 6960 A.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    /// The DER OCSPResponse. Made with its exact capacity, it is sent without being copied.
    pub body: Vec<u8>,
    /// How long caches may keep it; `None` for an answer that carries no signature, and for one with a
    /// nonce, which is of use to nobody else.
    pub freshness: Option<Freshness>,
    /// What it is counted as.
    pub kind: AnswerKind,
}

impl Response {
    /// One of the constant bodies that carry no signature. Here status and metric label are tied, so
    /// that they cannot disagree.
    #[must_use]
    pub fn unsigned(status: OcspResponseStatus) -> Self {
        Self {
            body: status.der().to_vec(),
            freshness: None,
            kind: match status {
                OcspResponseStatus::MalformedRequest => AnswerKind::MalformedRequest,
                OcspResponseStatus::InternalError => AnswerKind::InternalError,
                OcspResponseStatus::TryLater => AnswerKind::TryLater,
                OcspResponseStatus::SigRequired => AnswerKind::SigRequired,
                OcspResponseStatus::Unauthorized => AnswerKind::Unauthorized,
            },
        }
    }
}

/// The caching facts of a signed answer (RFC 9919 §6 and §7.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Freshness {
    /// Last-Modified: producedAt, which equals thisUpdate but where a CRL dates the answers.
    pub last_modified: UnixTime,
    /// Expires: nextUpdate.
    pub expires: UnixTime,
    /// Cache-Control max-age: whole seconds, ending before nextUpdate and before a fresher answer
    /// is due. `http` may round it down.
    pub max_age: Duration,
    /// ETag, strong.
    pub etag: EntityTag,
}

/// The content of a strong entity tag: lower hex, without the quotes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EntityTag(pub [u8; 40]);

impl EntityTag {
    /// Hex of a checksum over the answer's constant octets and of the first 16 octets of its
    /// signature: as unique as the answer, without hashing it.
    #[must_use]
    pub fn new(checksum: u32, signature: &[u8]) -> Self {
        let mut hex = [b'0'; 40];
        let octets = checksum
            .to_be_bytes()
            .into_iter()
            .chain(signature.iter().copied());
        for (place, octet) in hex.chunks_exact_mut(2).zip(octets) {
            for (digit, value) in place.iter_mut().zip([octet >> 4, octet & 0x0f]) {
                let letter = if value < 10 { b'0' } else { b'a' - 10 };
                *digit = letter.saturating_add(value);
            }
        }
        Self(hex)
    }
}

/// What stands behind the OCSP route: a decision, and perhaps a question to the live signer.
pub trait Backend: Send + Sync + 'static {
    /// Answers one DER OCSPRequest. Called on the socket's thread: it must not block.
    fn respond(&self, request_der: &[u8]) -> Reply;

    /// The same for a client that wants nothing that was kept for it. Most backends have nothing fresher.
    fn respond_afresh(&self, request_der: &[u8]) -> Reply {
        self.respond(request_der)
    }

    /// The longest path that [`Backend::file`] may know. Asked at every GET: it has to cost next to
    /// nothing, since most paths are OCSP requests, and longer.
    fn path_octets_max(&self) -> usize {
        0
    }

    /// What is served at a path, octet for octet, that is no OCSP request. Called on the socket's
    /// thread: it must not block.
    fn file(&self, _path: &str) -> Option<FileReply> {
        None
    }
}

/// A file, and the time that it is asked for.
#[derive(Clone, Debug)]
pub struct FileReply {
    /// The file.
    pub file: Arc<ServedFile>,
    /// The time.
    pub now: UnixTime,
}

/// An answer now, or one that waits for a signature.
pub enum Reply {
    /// The answer.
    Ready(Response),
    /// Becomes the answer, within the live queue's own deadline.
    Pending(Pin<Box<dyn Future<Output = Response> + Send>>),
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ready(response) => f.debug_tuple("Ready").field(response).finish(),
            Self::Pending(_) => f.debug_struct("Pending").finish_non_exhaustive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_tag_is_the_checksum_and_the_signatures_beginning() {
        let tag = EntityTag::new(0x0012_abff, &[0x9a; 64]);
        assert_eq!(&tag.0[..8], b"0012abff");
        assert_eq!(&tag.0[8..], "9a".repeat(16).as_bytes());
    }
}
