//! What the responder hands to `http`: the octets of an OCSPResponse, how long they may be cached,
//! and the label they are counted under.

use std::{pin::Pin, time::Duration};

use crate::{asn1::UnixTime, ocsp::OcspResponseStatus};

/// One OCSPResponse, ready to be sent with HTTP status 200 (RFC 6960 A.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    /// The DER OCSPResponse. Made with its exact capacity, it is sent without being copied.
    pub body: Vec<u8>,
    /// How long caches may keep it; `None` for an answer that carries no signature.
    pub freshness: Option<Freshness>,
    /// What it is counted as.
    pub kind: AnswerKind,
}

impl Response {
    /// One of the constant bodies that carry no signature.
    #[must_use]
    pub fn unsigned(status: OcspResponseStatus, kind: AnswerKind) -> Self {
        Self {
            body: status.der().to_vec(),
            freshness: None,
            kind,
        }
    }
}

/// The caching facts of a signed answer (RFC 9919 §6 and §7.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Freshness {
    /// Last-Modified: producedAt, which equals thisUpdate for what is signed here.
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

/// How an answer came to be, or which OCSPResponseStatus it is: the label of its metric.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum AnswerKind {
    /// Assembled from a segment.
    Presigned,
    /// Assembled from the overlay of fresh answers.
    Overlay,
    /// Signed for this request.
    Live,
    /// OCSPResponseStatus malformedRequest.
    MalformedRequest,
    /// OCSPResponseStatus internalError.
    InternalError,
    /// OCSPResponseStatus tryLater.
    TryLater,
    /// OCSPResponseStatus sigRequired.
    SigRequired,
    /// OCSPResponseStatus unauthorized.
    Unauthorized,
}

impl AnswerKind {
    /// Every kind, in the order of [`AnswerKind::index`].
    pub const ALL: [Self; 8] = [
        Self::Presigned,
        Self::Overlay,
        Self::Live,
        Self::MalformedRequest,
        Self::InternalError,
        Self::TryLater,
        Self::SigRequired,
        Self::Unauthorized,
    ];

    /// Place in [`AnswerKind::ALL`], for tables of counters.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Presigned => 0,
            Self::Overlay => 1,
            Self::Live => 2,
            Self::MalformedRequest => 3,
            Self::InternalError => 4,
            Self::TryLater => 5,
            Self::SigRequired => 6,
            Self::Unauthorized => 7,
        }
    }

    /// The metric label, in lower case with underscores.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Presigned => "presigned",
            Self::Overlay => "overlay",
            Self::Live => "live",
            Self::MalformedRequest => "malformed_request",
            Self::InternalError => "internal_error",
            Self::TryLater => "try_later",
            Self::SigRequired => "sig_required",
            Self::Unauthorized => "unauthorized",
        }
    }
}

/// What stands behind the OCSP route: a decision, and perhaps a question to the live signer.
pub trait Backend: Send + Sync + 'static {
    /// Answers one DER OCSPRequest. Called on the socket's thread: it must not block.
    fn respond(&self, request_der: &[u8]) -> Reply;
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

    #[test]
    fn every_kind_has_its_own_place_and_label() {
        for (place, kind) in AnswerKind::ALL.into_iter().enumerate() {
            assert_eq!(kind.index(), place);
            let same_label = |other: &&AnswerKind| other.label() == kind.label();
            assert_eq!(AnswerKind::ALL.iter().filter(same_label).count(), 1);
        }
    }
}
