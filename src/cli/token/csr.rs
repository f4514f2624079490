//! `estelam token csr`: what a CA is asked for a certificate with.

use std::path::PathBuf;

use clap::Args;
use der::pem::{self, LineEnding};

use super::place::Place;
use super::{Exit, Failure, token_failure};
use crate::cli::ca::files;
use crate::cli::{Common, output};
use crate::config::KeyUri;
use crate::pki::ca::{Name, delegate_request};
use crate::signer::Checked;
use crate::signer::token::open;

/// Write a certification request (PKCS#10) for a key on a token, for a signer of OCSP answers
///
/// It asks for digitalSignature, the extended key usage OCSPSigning, and ocsp-nocheck; what the CA grants
/// is the CA's decision.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  estelam token csr --token hsm --key pkcs11:object=ocsp-2026 --subject \"CN=Example OCSP,O=Example\"
  estelam token csr --token hsm --key pkcs11:id=%0a%01 --subject \"CN=Example OCSP\" --out ocsp.csr")]
pub(super) struct CsrArguments {
    #[command(flatten)]
    place: Place,
    /// The key: pkcs11:object=LABEL or pkcs11:id=%0a%01
    #[arg(long, value_name = "URI")]
    key: KeyUri,
    /// The subject that is asked for, as CN=Example OCSP,O=Example,C=IR
    #[arg(long, value_name = "NAME")]
    subject: String,
    /// Where the request goes, in PEM [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(common: &Common, arguments: &CsrArguments) -> Result<Exit, Failure> {
    let subject = Name::parse(&arguments.subject)
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    if let Some(out) = &arguments.out {
        files::refuse_existing(&[out])?;
    }
    let token = arguments.place.token(common)?;
    let signer = open(&token, &arguments.key, None, None).map_err(|error| token_failure(&error))?;
    let signer =
        Checked::new(signer).map_err(|error| Failure::new(Exit::Key, error.to_string()))?;
    let der = delegate_request(&subject, &signer)
        .map_err(|error| Failure::new(Exit::Key, error.to_string()))?;
    let text = pem::encode_string("CERTIFICATE REQUEST", LineEnding::LF, &der)
        .map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
    match &arguments.out {
        Some(out) => {
            files::write_public(out, text.as_bytes())?;
            Ok(Exit::Success)
        }
        None => output::line(&text),
    }
}
