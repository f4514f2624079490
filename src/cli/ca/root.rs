//! `estelam ca root`: a self-signed CA with its delegate.

use clap::Args;

use super::made::{Folder, NewCaArguments, NewKey, finish};
use super::{Exit, Failure, ca_failure, subject};
use crate::cli::{Common, output};
use crate::clock::{Clock as _, SystemClock};
use crate::pki::ca::{CertificateAuthority, RootRequest, Urls, Validity};

/// Make a self-signed CA, with a delegate that signs its OCSP answers
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  estelam ca root --subject \"CN=Example Root,O=Example,C=IR\" --out root \\
      --ocsp-url http://ocsp.example.ir/ocsp")]
pub(super) struct RootArguments {
    #[command(flatten)]
    new: NewCaArguments,
    /// How long it is valid
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    years: u32,
}

pub(super) fn run(common: &Common, arguments: &RootArguments) -> Result<Exit, Failure> {
    let now = SystemClock.now();
    let new = &arguments.new;
    let subject = subject(&new.subject)?;
    let folder = Folder::new(&new.out)?;
    let key = NewKey::generate(new)?;
    let mut urls = Urls {
        ocsp: new.ocsp_urls.clone(),
        ..Urls::default()
    };
    if urls.ocsp.is_empty() {
        urls.ocsp.push(DEFAULT_OCSP_URL.to_owned());
        output::warning(&format!(
            "no --ocsp-url: its certificates will name {DEFAULT_OCSP_URL}, where only this host can ask"
        ));
    }
    let ca = CertificateAuthority::self_signed(&RootRequest {
        subject,
        key: key.signer.clone(),
        validity: Validity::days(now, days(arguments.years)),
        path_len: new.path_len,
        urls,
    })
    .map_err(|error| ca_failure(&error))?;
    let made = finish(new, &folder, &key, &ca, now)?;
    output::facts(common, &made, || made.text())
}

/// Years as 365.25 days.
pub(super) const fn days(years: u32) -> u32 {
    years.saturating_mul(1461) / 4
}

/// Where a server with the default configuration listens.
const DEFAULT_OCSP_URL: &str = "http://127.0.0.1:8080/ocsp";
