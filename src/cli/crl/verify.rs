//! `estelam crl verify`.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::{READ_OCTETS, Source};
use crate::asn1::Certificate;
use crate::cli::{Common, Exit, Failure, output};
use crate::clock::{Clock as _, SystemClock};
use crate::config::read_certificate;
use crate::feed::Authority;
use crate::feed::crl::{
    CertificateVerdict, CrlInput, CrlJudgement, CrlVerdict, Severity, Which, verify,
};

/// Verify a CRL: its signature, and whether it keeps the rules of RFC 5280
///
/// Every rule that is broken is told with its clause, one a line. Exits with 0 if none is, with 13 if one
/// is, and with 14 if none is but the CRL does not hold now.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  estelam crl verify ca.crl --issuer ca.pem
  estelam crl verify delta.crl --issuer ca.pem --base ca.crl
  estelam crl verify today.crl --issuer ca.pem --previous yesterday.crl --json
  estelam crl verify shard7.crl --issuer ca.pem --certificate alice.pem")]
pub(super) struct VerifyArguments {
    /// The CRL, DER or PEM; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The certificate of the CA that should have made it
    #[arg(long, value_name = "CERT")]
    issuer: PathBuf,
    /// Another certificate of the same name whose key may have signed it
    #[arg(long, value_name = "CERT")]
    crl_signer: Vec<PathBuf>,
    /// The complete CRL that a delta adds to
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// The CRL of the same scope before it, which it must not fall behind
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// A certificate whose status it should tell
    #[arg(long, value_name = "CERT")]
    certificate: Vec<PathBuf>,
}

pub(super) fn run(common: &Common, arguments: &VerifyArguments) -> Result<Exit, Failure> {
    let issuer = certificate(&arguments.issuer)?;
    let signers: Vec<Arc<Certificate>> = (arguments.crl_signer.iter())
        .map(|path| certificate(path).map(Arc::new))
        .collect::<Result<_, _>>()?;
    let certificates: Vec<Certificate> = (arguments.certificate.iter())
        .map(|path| certificate(path))
        .collect::<Result<_, _>>()?;
    // What is missing is told in the words of every other command.
    let name = |path: &Path| Source::open(path).map(|source| source.name);
    let judged = name(&arguments.file)?;
    let base = arguments.base.as_deref().map(name).transpose()?;
    let previous = arguments.previous.as_deref().map(name).transpose()?;
    let mut open_judged = || open(&arguments.file);
    let mut open_base = || open(arguments.base.as_deref().unwrap_or_else(|| Path::new("")));
    let mut open_previous = || {
        open(
            arguments
                .previous
                .as_deref()
                .unwrap_or_else(|| Path::new("")),
        )
    };
    let judgement = CrlJudgement {
        authority: Authority {
            id: issuer.issuer_id(),
            certificate: &issuer,
            crl_signers: &signers,
            crl_issuers: &[],
        },
        base: base.is_some().then_some(CrlInput {
            open: &mut open_base,
            again: true,
        }),
        previous: previous.is_some().then_some(CrlInput {
            open: &mut open_previous,
            again: true,
        }),
        certificates: &certificates,
        now: SystemClock.now(),
    };
    let input = CrlInput {
        open: &mut open_judged,
        again: arguments.file != Path::new("-"),
    };
    let verdict = verify(input, judgement).map_err(|error| {
        let which = match error.which {
            Which::Judged => Some(&judged),
            Which::Base => base.as_ref(),
            Which::Previous => previous.as_ref(),
        };
        Source::failure(which.map_or("", String::as_str), &error.source)
    })?;
    let names = arguments.certificate.iter().map(|path| path.display());
    let facts = Facts::new(judged.clone(), &verdict, names.map(|name| name.to_string()));
    output::facts(common, &facts, || facts.text())?;
    Ok(match verdict.worst() {
        Some(Severity::Fault) => Exit::NotValid,
        Some(Severity::NotInDate) => Exit::NotInDate,
        Some(Severity::Note) | None => Exit::Success,
    })
}

fn certificate(path: &Path) -> Result<Certificate, Failure> {
    read_certificate(path).map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = std::fs::File::open(path)?;
    Ok(Box::new(BufReader::with_capacity(READ_OCTETS, file)))
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Facts {
    name: String,
    valid: bool,
    in_date: bool,
    crl_number: Option<String>,
    base_crl_number: Option<String>,
    this_update: Option<String>,
    next_update: Option<String>,
    octets: Option<u64>,
    entries: Option<u32>,
    findings: Vec<FindingFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<SuccessionFacts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    certificates: Vec<CertificateFacts>,
}

#[derive(Debug, Serialize)]
struct FindingFacts {
    severity: &'static str,
    clause: &'static str,
    text: String,
}

#[derive(Debug, Serialize)]
struct SuccessionFacts {
    came: u64,
    left: u64,
    stayed: u64,
}

#[derive(Debug, Serialize)]
struct CertificateFacts {
    name: String,
    /// What the CRL says of it.
    status: &'static str,
    /// The reason of its entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<u32>,
    /// Why the CRL tells nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_covered: Option<String>,
    /// The reasons for which another CRL is needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons_missing: Vec<&'static str>,
}

impl Facts {
    fn new(name: String, verdict: &CrlVerdict, names: impl Iterator<Item = String>) -> Self {
        let is = |severity| (verdict.findings.iter()).any(|finding| finding.severity == severity);
        let extensions = &verdict.extensions;
        let head = verdict.head.as_ref();
        Self {
            name,
            valid: !is(Severity::Fault),
            in_date: !is(Severity::NotInDate),
            crl_number: extensions.crl_number.map(|number| number.to_string()),
            base_crl_number: extensions.base_crl_number.map(|number| number.to_string()),
            this_update: head.map(|head| head.this_update.to_string()),
            next_update: head.and_then(|head| Some(head.next_update?.to_string())),
            octets: verdict.size.map(|(octets, _)| octets),
            entries: verdict.size.map(|(_, entries)| entries),
            findings: (verdict.findings.iter())
                .map(|finding| FindingFacts {
                    severity: match finding.severity {
                        Severity::Note => "note",
                        Severity::NotInDate => "not in date",
                        Severity::Fault => "fault",
                    },
                    clause: finding.clause,
                    text: finding.text.clone(),
                })
                .collect(),
            previous: verdict.succession.map(|succession| SuccessionFacts {
                came: succession.came,
                left: succession.left,
                stayed: succession.stayed,
            }),
            certificates: (names.zip(&verdict.certificates))
                .map(|(name, one)| {
                    CertificateFacts::new(name, one, extensions.base_crl_number.is_some())
                })
                .collect(),
        }
    }

    fn text(&self) -> String {
        let verdict = match (self.valid, self.in_date) {
            (true, true) => "valid, and in date",
            (true, false) => "valid, but not in date",
            (false, true) => "not valid",
            (false, false) => "not valid, and not in date",
        };
        let mut text = format!("{}: {verdict}", self.name);
        // Writing to a String cannot fail.
        if let Some(number) = &self.crl_number {
            let base = self.base_crl_number.as_ref();
            let base = base.map_or_else(String::new, |base| format!(", adds to {base}"));
            let _infallible = write!(text, "\n  number {number}{base}");
        }
        if let Some(entries) = self.entries {
            let _infallible = write!(text, "\n  {entries} entries");
        }
        for finding in &self.findings {
            let FindingFacts {
                severity,
                clause,
                text: what,
            } = finding;
            let _infallible = write!(text, "\n  {severity}: {clause}: {what}");
        }
        if let Some(SuccessionFacts { came, left, stayed }) = &self.previous {
            let _infallible = write!(
                text,
                "\n  against the one before: {came} came, {left} left, {stayed} stayed"
            );
        }
        for certificate in &self.certificates {
            let _infallible = write!(text, "\n  {}: {}", certificate.name, certificate.text());
        }
        text
    }
}

impl CertificateFacts {
    fn new(name: String, verdict: &CertificateVerdict, is_delta: bool) -> Self {
        let reasons_missing = match &verdict.covered {
            Ok(_) => verdict.reasons_missing(),
            Err(_) => Vec::new(),
        };
        let (entry, reason) = verdict.listed.clone().unzip();
        Self {
            name,
            status: match (&verdict.covered, entry) {
                (Err(_), _) => "not told",
                (Ok(_), Some(_)) if reason.as_deref() == Some("removeFromCRL") => {
                    "not revoked any more"
                }
                (Ok(_), Some(_)) => "revoked",
                (Ok(_), None) if is_delta => "as its base says",
                (Ok(_), None) if reasons_missing.is_empty() => "not revoked",
                (Ok(_), None) => "not revoked for some reasons",
            },
            entry,
            reason,
            not_covered: verdict.covered.as_ref().err().map(ToString::to_string),
            reasons_missing,
        }
    }

    fn text(&self) -> String {
        let mut text = self.status.to_owned();
        let more = [
            self.reason.clone(),
            self.entry.map(|entry| format!("entry {entry}")),
            self.not_covered.clone(),
            (!self.reasons_missing.is_empty())
                .then(|| format!("nothing of {}", self.reasons_missing.join(", "))),
        ];
        for part in more.into_iter().flatten() {
            text.push_str(", ");
            text.push_str(&part);
        }
        text
    }
}
