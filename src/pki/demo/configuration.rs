//! The demo's `estelam.toml`: an ordinary configuration, as an operator would write it.

use std::{fmt::Write as _, net::SocketAddr};

use super::places::Places;

/// One issuer's part; paths are relative to the file.
#[derive(Clone, Debug)]
pub(super) struct IssuerSettings<'a> {
    pub(super) name: &'a str,
    pub(super) certificate: &'a str,
    pub(super) key: &'a str,
    pub(super) responder: &'a str,
    pub(super) responder_key: &'a str,
    pub(super) not_issued: &'a str,
    pub(super) nonce: &'a str,
}

/// The file. `origin` is what certificates name.
pub(super) fn configuration(
    listen: SocketAddr,
    origin: &str,
    issuers: &[IssuerSettings<'_>],
) -> String {
    let mut text = format!(
        "# Configuration of the demo in this folder. `estelam init` writes one with every setting.\n\
         state_dir = \"state\"\n\n\
         # The certificates name this port.\n\
         [[listen]]\naddress = \"{listen}\"\n"
    );
    for issuer in issuers {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let places = Places::new(origin, issuer.name);
        // Writing to a String cannot fail.
        let _infallible = write!(
            text,
            "\n[[issuer]]\nname = {}\ncertificate = {}\ncertificate_url = {}\nnot_issued = {}\n\
             nonce = {}\n\n\
             [[issuer.signer]]\ncertificate = {}\nkey = {}\n\n\
             [issuer.crl]\nurl = {}\nkey = {}\nafter_revocation = \"10s\"\n\n\
             [issuer.crl.delta]\nurl = {}\nbase_url = {}\nafter_revocation = \"0s\"\n\n\
             [issuer.crl.shards]\nurl = {}\ncount = {}\nafter_revocation = \"0s\"\n\n\
             # What `estelam ca issue` needs.\n\
             [issuer.ca]\nkey = {}\nocsp_urls = [{}]\n",
            quoted(issuer.name),
            quoted(issuer.certificate),
            quoted(&places.certificate),
            quoted(issuer.not_issued),
            quoted(issuer.nonce),
            quoted(issuer.responder),
            quoted(issuer.responder_key),
            quoted(&places.crl),
            quoted(issuer.key),
            quoted(&places.delta),
            quoted(&places.base),
            quoted(&places.shards.url),
            places.shards.count,
            quoted(issuer.key),
            quoted(&places.ocsp),
        );
    }
    text
}
