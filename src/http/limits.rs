//! Every bound that the HTTP side enforces, with its default and its reason.

use std::time::Duration;

/// Bounds of the OCSP listeners. The defaults suit a public responder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Connections served at once, over all listeners; one more is closed as soon as it is accepted,
    /// since a client that is refused asks elsewhere and one that waits hangs. Default 16,384; each
    /// needs a file descriptor, 2 KiB while it waits and 20 KiB while it is busy.
    pub connections_max: u32,
    /// Connections the kernel completes before `accept` takes them, per listener. Default 1,024; the
    /// kernel lowers it to `net.core.somaxconn`.
    pub backlog: u32,
    /// Octets of a request's head, first line included. Default 16 KiB; above it 431. hyper's buffer
    /// cannot be told to hold less than 8 KiB.
    pub head_octets_max: usize,
    /// Octets of a request's path. Default 8 KiB: an OCSP request of the default
    /// `request_octets_max` in base64, and room for escapes. Above it 414.
    pub path_octets_max: usize,
    /// Octets of a DER OCSPRequest, in a body or decoded from a path. Default 4 KiB: eight CertIDs
    /// with SHA-512, and a signature. Above it 413, or in a path malformedRequest.
    pub request_octets_max: usize,
    /// From the accepted connection, or the first octet of a later head, to the head's end.
    /// Default 10 s.
    pub head_timeout: Duration,
    /// From an answer to the first octet of the next head. Default 60 s, longer than proxies keep
    /// theirs.
    pub idle_timeout: Duration,
    /// A connection that waits for longer than this for a head is reduced to about 2 KiB, from about
    /// 20. Default 1 s: a busy connection pays one timer each time.
    pub park_after: Duration,
    /// From the head's end to the body's end, however much arrives between. Default 10 s.
    pub body_timeout: Duration,
    /// For the backend to answer; a last resort behind the live queue's own deadline. Default 15 s.
    pub answer_timeout: Duration,
    /// For the client to take an answer, or each 16 KiB of a longer one. Default 10 s.
    pub write_timeout: Duration,
    /// From the shutdown signal until connections still busy are cut. Default 10 s.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            backlog: 1_024,
            head_octets_max: 16 * 1_024,
            path_octets_max: 8 * 1_024,
            request_octets_max: 4 * 1_024,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            park_after: Duration::from_secs(1),
            body_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(15),
            write_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
        }
    }
}
