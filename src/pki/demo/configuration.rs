//! The demo's `estelam.toml`: an ordinary configuration, as an operator would write it.

use std::{fmt::Write as _, net::SocketAddr};

/// One issuer's part; paths are relative to the file.
#[derive(Clone, Debug)]
pub(super) struct IssuerSettings<'a> {
    pub(super) name: &'a str,
    pub(super) certificate: &'a str,
    pub(super) key: &'a str,
    pub(super) responder: &'a str,
    pub(super) responder_key: &'a str,
    pub(super) not_issued: &'a str,
}

/// The file. `url` is what certificates name.
pub(super) fn configuration(
    listen: SocketAddr,
    url: &str,
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
        // Writing to a String cannot fail.
        let _infallible = write!(
            text,
            "\n[[issuer]]\nname = {}\ncertificate = {}\nnot_issued = {}\n\n\
             [[issuer.signer]]\ncertificate = {}\nkey = {}\n\n\
             # What `estelam ca issue` needs.\n\
             [issuer.ca]\nkey = {}\nocsp_urls = [{}]\n",
            quoted(issuer.name),
            quoted(issuer.certificate),
            quoted(issuer.not_issued),
            quoted(issuer.responder),
            quoted(issuer.responder_key),
            quoted(issuer.key),
            quoted(url),
        );
    }
    text
}
