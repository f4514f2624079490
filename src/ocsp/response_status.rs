//! OCSPResponseStatus, and the whole responses that consist of nothing else (RFC 6960 §4.2.1).

/// responseStatus of an OCSPResponse that is refused. `successful` (0) is not among them: it comes with
/// responseBytes, and without them no client could use it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OcspResponseStatus {
    /// malformedRequest (1)
    MalformedRequest,
    /// internalError (2)
    InternalError,
    /// tryLater (3)
    TryLater,
    /// sigRequired (5); 4 is not used.
    SigRequired,
    /// unauthorized (6)
    Unauthorized,
}

impl OcspResponseStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::MalformedRequest,
        Self::InternalError,
        Self::TryLater,
        Self::SigRequired,
        Self::Unauthorized,
    ];

    /// The ENUMERATED value.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::MalformedRequest => 1,
            Self::InternalError => 2,
            Self::TryLater => 3,
            Self::SigRequired => 5,
            Self::Unauthorized => 6,
        }
    }

    /// The whole OCSPResponse: unsigned, without responseBytes.
    #[must_use]
    pub const fn der(self) -> &'static [u8] {
        match self {
            Self::MalformedRequest => &[0x30, 0x03, 0x0a, 0x01, 1],
            Self::InternalError => &[0x30, 0x03, 0x0a, 0x01, 2],
            Self::TryLater => &[0x30, 0x03, 0x0a, 0x01, 3],
            Self::SigRequired => &[0x30, 0x03, 0x0a, 0x01, 5],
            Self::Unauthorized => &[0x30, 0x03, 0x0a, 0x01, 6],
        }
    }

    /// The name as RFC 6960 spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformedRequest",
            Self::InternalError => "internalError",
            Self::TryLater => "tryLater",
            Self::SigRequired => "sigRequired",
            Self::Unauthorized => "unauthorized",
        }
    }
}

impl std::fmt::Display for OcspResponseStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
