//! `estelam ca intermediate`: a CA below a configured one.

use clap::Args;

use super::made::{Folder, NewCaArguments, NewKey, finish};
use super::open::{open, validity};
use super::register::DeskRegister;
use super::root::days;
use super::{Exit, Failure, subject};
use crate::cli::connection::Desk;
use crate::cli::{Common, output};
use crate::clock::{Clock as _, SystemClock};
use crate::pki::ca::{RootRequest, Urls};

/// Issue a CA below a configured one, with a delegate that signs its OCSP answers
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  estelam ca intermediate --issuer \"Example Root\" \\
      --subject \"CN=Example Issuing CA,O=Example,C=IR\" --out issuing")]
pub(super) struct IntermediateArguments {
    /// The issuer's name in the configuration; it needs an [issuer.ca]
    #[arg(long, value_name = "NAME")]
    issuer: String,
    #[command(flatten)]
    new: NewCaArguments,
    /// How long it is valid [default: 10, or as long as its issuer]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    years: Option<u32>,
}

pub(super) fn run(common: &Common, arguments: &IntermediateArguments) -> Result<Exit, Failure> {
    let now = SystemClock.now();
    let new = &arguments.new;
    let subject = subject(&new.subject)?;
    let parent = open(common, &arguments.issuer, now)?;
    let folder = Folder::new(&new.out)?;
    let key = NewKey::generate(new)?;
    let mut urls = Urls {
        ocsp: new.ocsp_urls.clone(),
        ..Urls::default()
    };
    if urls.ocsp.is_empty() {
        urls.ocsp.clone_from(&parent.urls().ocsp);
    }
    let request = RootRequest {
        subject,
        key: key.signer.clone(),
        validity: validity(&parent, now, arguments.years.map(days), days(10))?,
        // None below it unless it is said.
        path_len: Some(new.path_len.unwrap_or(0)),
        urls,
    };
    let desk = Desk::open(common)?;
    let mut register = DeskRegister::new(&desk);
    let ca = match parent.issue_intermediate(&request, &mut register) {
        Ok(ca) => ca,
        Err(error) => return Err(register.failure(&error)),
    };
    let made = finish(new, &folder, &key, &ca, now)?;
    output::facts(common, &made, || made.text())
}
