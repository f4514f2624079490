//! The URLs that certificates name: where their status is asked and where their issuer is found.

use crate::asn1::{UrlError, judge_url};

/// What a CA's certificates name. OCSP is always among it; a CRL distribution point only once CRLs
/// are served there (Mozilla §5.2).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Urls {
    /// id-ad-ocsp of authorityInfoAccess: where OCSP requests are sent, for instance
    /// `http://ocsp.example.ir/ocsp`.
    pub ocsp: Vec<String>,
    /// id-ad-caIssuers of authorityInfoAccess: where the CA's certificate is found, in DER.
    pub ca_issuers: Vec<String>,
    /// cRLDistributionPoints of every certificate: where the full CRL is found. With
    /// [`Urls::crl_shards`] also empty, there is no extension.
    pub crl: Vec<String>,
    /// Where the shards of the CRL are found, in their order: each certificate names the one that it is in
    /// ([`SerialNumber::crl_shard`](crate::identity::SerialNumber::crl_shard)).
    pub crl_shards: Vec<String>,
    /// freshestCRL: where the deltas of the full CRL are found; no extension when empty.
    pub freshest_crl: Vec<String>,
}

impl Urls {
    /// URLs for OCSP alone.
    #[must_use]
    pub fn ocsp(url: impl Into<String>) -> Self {
        Self {
            ocsp: vec![url.into()],
            ..Self::default()
        }
    }

    /// # Errors
    /// [`UrlError`] for the first that cannot stand in a certificate.
    pub(super) fn judge(&self) -> Result<(), UrlError> {
        let Self {
            ocsp,
            ca_issuers,
            crl,
            crl_shards,
            freshest_crl,
        } = self;
        [ocsp, ca_issuers, crl, crl_shards, freshest_crl]
            .into_iter()
            .flatten()
            .try_for_each(|url| judge_url(url))
    }
}
