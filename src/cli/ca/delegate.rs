//! `estelam ca delegate`: a new signer of OCSP answers.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::files::{create_folder, refuse_existing, write_public, write_secret};
use super::made::{DELEGATE_DAYS, generate, pem, quoted, serial, signer};
use super::open::{key_type_of, open, validity};
use super::register::DeskRegister;
use super::{Exit, Failure, ca_failure};
use crate::asn1::Certificate;
use crate::authority::with_causes;
use crate::cli::connection::Desk;
use crate::cli::{Common, output};
use crate::clock::{Clock as _, SystemClock};
use crate::pki::ca::{KeyType, SubjectKey};

/// Issue a new key and certificate for signing OCSP answers
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  estelam ca delegate --issuer \"Example Issuing CA\" --out issuing/2026-11")]
pub(super) struct DelegateArguments {
    /// The issuer's name in the configuration; it needs an [issuer.ca]
    #[arg(long, value_name = "NAME")]
    issuer: String,
    /// The folder for ocsp.pem and ocsp.key
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// ec-p256, ec-p384, ed25519, rsa-2048, rsa-3072, rsa-4096, ml-dsa-44 or ml-dsa-65 [default: as the CA's]
    #[arg(long, value_name = "TYPE")]
    key_type: Option<KeyType>,
    /// How long it is valid: short, because it cannot be revoked [default: 90, and no longer than
    /// the CA]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=397))]
    days: Option<u32>,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    issuer: String,
    serial: String,
    not_after: String,
    certificate: String,
    key: String,
}

pub(super) fn run(common: &Common, arguments: &DelegateArguments) -> Result<Exit, Failure> {
    let now = SystemClock.now();
    let out = std::path::absolute(&arguments.out).map_err(|error| {
        Failure::new(Exit::Usage, format!("{}: {error}", arguments.out.display()))
    })?;
    let (certificate, key) = (out.join("ocsp.pem"), out.join("ocsp.key"));
    refuse_existing(&[&certificate, &key])?;
    let ca = open(common, &arguments.issuer, now)?;
    let key_type = arguments
        .key_type
        .unwrap_or_else(|| key_type_of(&**ca.signer()));
    let new = generate(key_type)?;
    let subject_key =
        SubjectKey::of_signer(&signer(&new)?).map_err(|error| ca_failure(&error.into()))?;
    let validity = validity(&ca, now, arguments.days, DELEGATE_DAYS)?;
    let desk = Desk::open(common)?;
    let mut register = DeskRegister::new(&desk);
    let name = ca.ocsp_signer_name();
    let der = match ca.issue_ocsp_signer(name, subject_key, validity, &mut register) {
        Ok(der) => der,
        Err(error) => return Err(register.failure(&error)),
    };
    create_folder(&out)?;
    write_secret(&key, new.to_pem().as_bytes())?;
    write_public(&certificate, pem(&der).as_bytes())?;
    let delegate = Certificate::from_der(der)
        .map_err(|error| Failure::new(Exit::Internal, with_causes(&error)))?;
    let path = |path: &Path| path.display().to_string();
    let made = Made {
        issuer: arguments.issuer.clone(),
        serial: serial(&delegate),
        not_after: delegate.not_after().to_string(),
        certificate: path(&certificate),
        key: path(&key),
    };
    output::facts(common, &made, || made.text())
}

impl Made {
    fn text(&self) -> String {
        let Self {
            issuer,
            serial,
            not_after,
            certificate,
            key,
        } = self;
        format!(
            "issued a signer for {issuer:?}: serial {serial}, valid until {not_after}\n\n\
             in the configuration:\n\n[[issuer.signer]]\ncertificate = {}\nkey = {}\n\n\
             next: put these two lines in place of the old signer's and restart the server",
            quoted(certificate),
            quoted(key)
        )
    }
}
