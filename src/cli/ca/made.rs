//! A CA in its folder: certificate, key, delegate, and the lines for the configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use der::pem::{LineEnding, encode_string};
use serde::Serialize;

use super::files::{create_folder, refuse_existing, write_public, write_secret};
use super::{Exit, Failure, ca_failure};
use crate::asn1::{Certificate, UnixTime};
use crate::authority::with_causes;
use crate::config::PassphraseSource;
use crate::pki::ca::{
    AttributeType, CertificateAuthority, GeneratedKey, KeyType, Name, SubjectKey,
    UnrecordedSerials, Urls, Validity,
};
use crate::signer::{Passphrase, SoftwareSigner};

/// What is asked of a new CA.
#[derive(Args, Debug)]
pub(super) struct NewCaArguments {
    /// Its name as RFC 4514 writes it, for instance "CN=Example CA,O=Example,C=IR"
    #[arg(long, value_name = "DN")]
    pub(super) subject: String,
    /// The folder for ca.pem, ca.key, ocsp.pem, ocsp.key and issuer.toml
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// What to call it in the configuration [default: the common name]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// ec-p256, ec-p384, ed25519, rsa-2048, rsa-3072, rsa-4096, ml-dsa-44 or ml-dsa-65; for the delegate's key too
    #[arg(long, value_name = "TYPE", default_value = "ec-p256")]
    pub(super) key_type: KeyType,
    /// Where the status of its certificates will be asked; may be repeated
    #[arg(long = "ocsp-url", value_name = "URL")]
    pub(super) ocsp_urls: Vec<String>,
    /// How many levels of CAs may follow below it
    #[arg(long, value_name = "N")]
    pub(super) path_len: Option<u8>,
    /// Encrypt ca.key with the passphrase in this file
    #[arg(long, value_name = "FILE")]
    pub(super) passphrase_file: Option<PathBuf>,
}

/// Where the parts of a new CA go.
pub(super) struct Folder {
    /// The folder, if it was made for this and nothing is in it yet.
    made: Option<PathBuf>,
    certificate: PathBuf,
    key: PathBuf,
    delegate: PathBuf,
    delegate_key: PathBuf,
    settings: PathBuf,
}

impl Folder {
    /// The folder that `--out` names, with nothing in it that would be written over.
    pub(super) fn new(out: &Path) -> Result<Self, Failure> {
        let out = std::path::absolute(out)
            .map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", out.display())))?;
        let made = (!out.exists()).then(|| out.clone());
        let folder = Self {
            made,
            certificate: out.join("ca.pem"),
            key: out.join("ca.key"),
            delegate: out.join("ocsp.pem"),
            delegate_key: out.join("ocsp.key"),
            settings: out.join("issuer.toml"),
        };
        refuse_existing(&[
            &folder.certificate,
            &folder.key,
            &folder.delegate,
            &folder.delegate_key,
            &folder.settings,
        ])?;
        create_folder(&out)?;
        Ok(folder)
    }
}

/// A command that failed leaves no empty folder.
impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(made) = &self.made {
            // One with something in it stays: that is what is asked for.
            drop(std::fs::remove_dir(made));
        }
    }
}

/// A new CA's key, before it has a certificate.
pub(super) struct NewKey {
    key: GeneratedKey,
    pub(super) signer: Arc<SoftwareSigner>,
    passphrase: Option<(PathBuf, Passphrase)>,
}

impl NewKey {
    pub(super) fn generate(arguments: &NewCaArguments) -> Result<Self, Failure> {
        let passphrase = match &arguments.passphrase_file {
            None => None,
            Some(path) => {
                let source = PassphraseSource::File(path.clone());
                let read = Passphrase::read(&source)
                    .map_err(|error| Failure::new(Exit::Key, with_causes(&error)))?;
                let path = std::path::absolute(path).map_err(|error| {
                    Failure::new(Exit::Usage, format!("{}: {error}", path.display()))
                })?;
                Some((path, read))
            }
        };
        let key = generate(arguments.key_type)?;
        let signer = Arc::new(signer(&key)?);
        Ok(Self {
            key,
            signer,
            passphrase,
        })
    }

    fn to_pem(&self) -> Result<zeroize::Zeroizing<String>, Failure> {
        match &self.passphrase {
            None => Ok(self.key.to_pem()),
            Some((_, passphrase)) => self
                .key
                .to_encrypted_pem(passphrase)
                .map_err(|error| Failure::new(Exit::Internal, error.to_string())),
        }
    }
}

pub(super) fn generate(key_type: KeyType) -> Result<GeneratedKey, Failure> {
    key_type
        .generate()
        .map_err(|error| Failure::new(Exit::Internal, error.to_string()))
}

pub(super) fn signer(key: &GeneratedKey) -> Result<SoftwareSigner, Failure> {
    key.signer()
        .map_err(|error| Failure::new(Exit::Internal, error.to_string()))
}

/// What a command says of the CA that it made.
#[derive(Serialize)]
pub(super) struct Made {
    name: String,
    subject: String,
    serial: String,
    not_after: String,
    certificate: String,
    key: String,
    signer_certificate: String,
    signer_key: String,
    settings: String,
    #[serde(skip)]
    block: String,
}

/// Makes the delegate and writes everything. The delegate's serial number can be recorded only once
/// the configuration knows the CA; the words at the end say how.
pub(super) fn finish(
    arguments: &NewCaArguments,
    folder: &Folder,
    key: &NewKey,
    ca: &CertificateAuthority,
    now: UnixTime,
) -> Result<Made, Failure> {
    let delegate_key = generate(arguments.key_type)?;
    let subject_key = SubjectKey::of_signer(&signer(&delegate_key)?)
        .map_err(|error| ca_failure(&error.into()))?;
    let not_before = now.max(ca.validity().not_before);
    let validity = Validity::days(not_before, DELEGATE_DAYS)
        .clamped_to(&ca.validity())
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let delegate = ca
        .issue_ocsp_signer(
            ca.ocsp_signer_name(),
            subject_key,
            validity,
            &mut UnrecordedSerials,
        )
        .map_err(|error| ca_failure(&error))?;
    let name = name_of(arguments, ca)?;
    let block = block(&name, folder, key, ca.urls());
    // Keys first: a certificate without its key is of no use to anybody.
    write_secret(&folder.key, key.to_pem()?.as_bytes())?;
    write_secret(&folder.delegate_key, delegate_key.to_pem().as_bytes())?;
    write_public(&folder.certificate, pem(ca.certificate().der()).as_bytes())?;
    write_public(&folder.delegate, pem(&delegate).as_bytes())?;
    write_public(&folder.settings, block.as_bytes())?;
    let path = |path: &Path| path.display().to_string();
    Ok(Made {
        name,
        subject: ca.name().to_string(),
        serial: serial(ca.certificate()),
        not_after: ca.certificate().not_after().to_string(),
        certificate: path(&folder.certificate),
        key: path(&folder.key),
        signer_certificate: path(&folder.delegate),
        signer_key: path(&folder.delegate_key),
        settings: path(&folder.settings),
        block,
    })
}

impl Made {
    /// For people: what was made, the lines for the configuration, and what to do next.
    pub(super) fn text(&self) -> String {
        let Self {
            name,
            subject,
            serial,
            not_after,
            certificate,
            key,
            signer_certificate,
            settings,
            block,
            ..
        } = self;
        format!(
            "made the CA {subject}, serial {serial}, valid until {not_after}\n\
             certificate {certificate}\nkey         {key} (keep it safe: the server does not need it)\n\
             signer      {signer_certificate}\n\n\
             for the configuration, also in {settings}:\n\n{block}\n\
             next: append these lines to the configuration (`estelam init` writes one), then\n\
             `estelam import certs {} --issuer {}`, so that the signer's own \
             status is known,\nand `estelam serve` (restart it if it runs)",
            shell_quoted(signer_certificate),
            shell_quoted(name),
        )
    }
}

/// The configuration's lines for a new CA.
fn block(name: &str, folder: &Folder, key: &NewKey, urls: &Urls) -> String {
    let path = |path: &Path| quoted(&path.display().to_string());
    let list = |urls: &[String]| {
        let quoted: Vec<String> = urls.iter().map(|url| quoted(url)).collect();
        format!("[{}]", quoted.join(", "))
    };
    let passphrase = key
        .passphrase
        .as_ref()
        .map_or_else(String::new, |(file, _)| {
            format!("passphrase_file = {}\n", path(file))
        });
    format!(
        "[[issuer]]\nname = {}\ncertificate = {}\n\n\
         [[issuer.signer]]\ncertificate = {}\nkey = {}\n\n\
         [issuer.ca]\nkey = {}\n{passphrase}ocsp_urls = {}\n",
        quoted(name),
        path(&folder.certificate),
        path(&folder.delegate),
        path(&folder.delegate_key),
        path(&folder.key),
        list(&urls.ocsp),
    )
}

/// What operators will call it.
fn name_of(arguments: &NewCaArguments, ca: &CertificateAuthority) -> Result<String, Failure> {
    if let Some(name) = &arguments.name {
        return Ok(name.clone());
    }
    common_name(&ca.name()).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "the subject has no common name to call the CA by: say what to call it with --name",
        )
    })
}

fn common_name(name: &Name) -> Option<String> {
    let oid = AttributeType::CommonName.oid();
    name.attributes()
        .find(|attribute| attribute.oid == oid.as_bytes())?
        .text()
}

pub(super) fn serial(certificate: &Certificate) -> String {
    crate::identity::SerialNumber::from_content(certificate.serial_number())
        .map_or_else(|_| String::new(), |serial| serial.to_string())
}

/// A certificate as a file holds it.
pub(super) fn pem(der: &[u8]) -> String {
    encode_string("CERTIFICATE", LineEnding::LF, der)
        .expect("PEM's own label, and a certificate has a few KiB")
}

/// A word that a shell takes as it is; Rust's own quoting would escape a joiner in a Persian name.
fn shell_quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:@".contains(c);
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A TOML string.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Short, because nocheck means that it cannot be revoked (RFC 9919 §3.2.2).
pub(super) const DELEGATE_DAYS: u32 = 90;
