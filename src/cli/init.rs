//! `estelam init`: writes a commented configuration.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Common, Exit, Failure, output};

/// Write a commented configuration with every setting at its default
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  estelam init --issuer-certificate ca.pem --signer-certificate ocsp.pem --signer-key ocsp.key")]
pub(super) struct InitArguments {
    /// What to call the issuer
    #[arg(long, value_name = "NAME", default_value = "ca")]
    issuer_name: String,
    /// The CA's certificate
    #[arg(long, value_name = "FILE", requires = "signer_certificate")]
    issuer_certificate: Option<PathBuf>,
    /// The certificate that signs answers: a delegate's, or the CA's own
    #[arg(
        long,
        value_name = "FILE",
        requires = "signer_key",
        requires = "issuer_certificate"
    )]
    signer_certificate: Option<PathBuf>,
    /// Its private key, PKCS#8 PEM
    #[arg(long, value_name = "FILE", requires = "signer_certificate")]
    signer_key: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
}

pub(super) fn run(common: &Common, arguments: &InitArguments) -> Result<Exit, Failure> {
    let path = &common.config;
    let mut text = crate::config::EXAMPLE.to_owned();
    if let (Some(issuer), Some(certificate), Some(key)) = (
        &arguments.issuer_certificate,
        &arguments.signer_certificate,
        &arguments.signer_key,
    ) {
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        text = filled(
            &text,
            &[
                ("#[[issuer]]", "[[issuer]]".to_owned()),
                ("#name = ", assigned("name", &arguments.issuer_name)),
                (
                    "#certificate = ",
                    assigned("certificate", &beside(folder, issuer)?),
                ),
                ("#[[issuer.signer]]", "[[issuer.signer]]".to_owned()),
                (
                    "#certificate = ",
                    assigned("certificate", &beside(folder, certificate)?),
                ),
                ("#key = ", assigned("key", &beside(folder, key)?)),
            ],
        );
    }
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(arguments.force)
        .create_new(!arguments.force);
    options
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
        })
        .map_err(|error| failure(path, &error))?;
    let next = if arguments.issuer_certificate.is_some() {
        "next: `estelam check`, then `estelam import index index.txt` and `estelam serve`"
    } else {
        "next: fill in an [[issuer]], then `estelam check`"
    };
    output::line(&format!("wrote {}\n{next}", path.display()))
}

/// The file as the configuration has to name it: relative paths count from the configuration's
/// folder, those on the command line from the working folder.
fn beside(folder: &Path, file: &Path) -> Result<String, Failure> {
    let path = if folder.as_os_str().is_empty() || file.is_absolute() {
        file.to_owned()
    } else {
        std::path::absolute(file).map_err(|error| failure(file, &error))?
    };
    path.into_os_string().into_string().map_err(|path| {
        Failure::new(
            Exit::Usage,
            format!("{}: a path in a TOML file has to be UTF-8", path.display()),
        )
    })
}

/// The text with these lines, which are found by their beginnings one below the other, in the places of
/// those that are commented out: so that the tables that belong to them follow them.
fn filled(text: &str, lines: &[(&str, String)]) -> String {
    let mut wanted = lines.iter().peekable();
    let mut filled = String::with_capacity(text.len());
    for line in text.lines() {
        let given = wanted.next_if(|(beginning, _)| line.starts_with(beginning));
        filled.push_str(given.map_or(line, |(_, given)| given));
        filled.push('\n');
    }
    filled
}

fn assigned(key: &str, value: &str) -> String {
    format!("{key} = {}", toml::Value::from(value))
}

fn failure(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        ErrorKind::AlreadyExists => Failure::new(
            Exit::Usage,
            format!("{path} exists already; --force replaces it, --config FILE names another"),
        ),
        _ => Failure::new(Exit::Storage, format!("{path}: {error}")),
    }
}
