//! Who is at the other end: bearer tokens and client certificates, by their SHA-256.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use hyper::header::HeaderValue;

/// One system that may push.
#[derive(Clone, Debug)]
pub struct Client {
    /// What it is called.
    pub name: String,
    /// The names of the issuers that it may speak for.
    pub issuers: Vec<String>,
    /// SHA-256 of its tokens; none: it needs no token.
    pub tokens: Vec<[u8; 32]>,
    /// SHA-256 of its certificates; none: it needs no certificate.
    pub certificates: Vec<[u8; 32]>,
}

/// All that may push.
#[derive(Clone, Debug)]
pub struct Clients(Vec<Arc<Client>>);

/// What a client showed.
#[derive(Clone, Copy, Default)]
pub(super) struct Shown {
    /// SHA-256 of the certificate that it proved to have the key of.
    pub(super) certificate: Option<[u8; 32]>,
    /// SHA-256 of its bearer token.
    pub(super) token: Option<[u8; 32]>,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown")
            .field("certificate", &self.certificate.is_some())
            .field("token", &self.token.is_some())
            .finish()
    }
}

impl Clients {
    /// These clients.
    #[must_use]
    pub fn new(clients: impl IntoIterator<Item = Client>) -> Self {
        Self(clients.into_iter().map(Arc::new).collect())
    }

    /// The client with these credentials. It needs one of its tokens if it has any, and one of its
    /// certificates if it has any. The time it takes tells nothing of the hashes.
    pub(super) fn find(&self, shown: &Shown) -> Option<Arc<Client>> {
        let mut found = None;
        for client in &self.0 {
            let has_any = !client.tokens.is_empty() || !client.certificates.is_empty();
            let token = is_one_of(&client.tokens, shown.token.as_ref());
            let certificate = is_one_of(&client.certificates, shown.certificate.as_ref());
            if has_any & token & certificate && found.is_none() {
                found = Some(Arc::clone(client));
            }
        }
        found
    }
}

/// True where there is nothing to be shown.
fn is_one_of(hashes: &[[u8; 32]], shown: Option<&[u8; 32]>) -> bool {
    let Some(shown) = shown else {
        return hashes.is_empty();
    };
    let equal = |hash: &[u8; 32]| verify_slices_are_equal(hash, shown).is_ok();
    let any = hashes.iter().fold(false, |any, hash| any | equal(hash));
    any | hashes.is_empty()
}

/// SHA-256 of the token in an Authorization header; `None` where it is of another scheme.
pub(super) fn bearer_token(header: &HeaderValue) -> Option<[u8; 32]> {
    let (scheme, token) = header.as_bytes().split_at_checked("Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then(|| sha256(token))
}

/// SHA-256.
pub(super) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    for (place, octet) in hash.iter_mut().zip(digest(&SHA256, octets).as_ref()) {
        *place = *octet;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_needs_one_of_each_kind_that_it_has() {
        let client = |name: &str, tokens: &[u8], certificates: &[u8]| Client {
            name: name.to_owned(),
            issuers: Vec::new(),
            tokens: tokens.iter().map(|octet| [*octet; 32]).collect(),
            certificates: certificates.iter().map(|octet| [*octet; 32]).collect(),
        };
        let clients = Clients::new([
            client("token", &[1, 2], &[]),
            client("certificate", &[], &[3]),
            client("both", &[4], &[5, 6]),
            client("nothing", &[], &[]),
        ]);
        let find = |token: Option<u8>, certificate: Option<u8>| {
            let shown = Shown {
                token: token.map(|octet| [octet; 32]),
                certificate: certificate.map(|octet| [octet; 32]),
            };
            clients.find(&shown).map(|client| client.name.clone())
        };
        for (token, certificate, expected) in [
            (Some(1), None, Some("token")),
            (Some(2), Some(9), Some("token")),
            (None, Some(3), Some("certificate")),
            (Some(9), Some(3), Some("certificate")),
            (Some(4), Some(5), Some("both")),
            (Some(4), Some(6), Some("both")),
            (Some(4), None, None),
            (None, Some(5), None),
            (Some(4), Some(9), None),
            (None, None, None),
            (Some(0), Some(0), None),
        ] {
            let found = find(token, certificate);
            assert_eq!(found.as_deref(), expected, "{token:?} {certificate:?}");
        }
    }

    #[test]
    fn only_a_bearer_token_is_one() {
        let token = |text| bearer_token(&HeaderValue::from_static(text));
        let abc = Some(sha256(b"abc"));
        assert_eq!(token("Bearer abc"), abc);
        assert_eq!(token("bearer  abc "), abc);
        for other in ["", "Bearer", "Bearer ", "Basic abc", "abc", "Bearerabc"] {
            assert_eq!(token(other), None, "{other:?}");
        }
    }
}
