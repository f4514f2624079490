//! Where everything of a demo is found: what its certificates name and its server answers at.

use super::description::CrlDescription;
use crate::{
    config::{CrlShards, SHARD},
    pki::ca::Urls,
};

/// The URLs of one issuer.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) ocsp: String,
    pub(super) certificate: String,
    pub(super) crl: String,
    pub(super) delta: String,
    pub(super) base: String,
    pub(super) shards: CrlShards,
}

/// Enough to see what they are.
const SHARDS: u32 = 4;

impl Places {
    /// Those of the issuer `name` at `origin`, `http://` with host and port.
    pub(super) fn new(origin: &str, name: &str) -> Self {
        let crl = |end: &str| format!("{origin}/crl/{name}{end}");
        Self {
            ocsp: ocsp_url(origin),
            certificate: format!("{origin}/ca/{name}.cer"),
            crl: crl(".crl"),
            delta: crl("-delta.crl"),
            base: crl("-base.crl"),
            shards: CrlShards::new(&crl(&format!("/{SHARD}.crl")), SHARDS),
        }
    }

    /// For certificates.
    pub(super) fn urls(self) -> Urls {
        Urls {
            crl_shards: self.shards.urls().collect(),
            ca_issuers: vec![self.certificate],
            crl: vec![self.crl],
            freshest_crl: vec![self.delta],
            ..Urls::ocsp(self.ocsp)
        }
    }

    /// For `demo.json`.
    pub(super) fn crl(self) -> CrlDescription {
        CrlDescription {
            shards: self.shards.urls().collect(),
            full: self.crl,
            delta: self.delta,
            base: self.base,
        }
    }
}

/// Where every issuer of it is asked.
pub(super) fn ocsp_url(origin: &str) -> String {
    format!("{origin}/ocsp")
}
