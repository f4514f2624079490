//! `estelam crl show`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::entry::EntryFacts;
use super::{LIMITS, Source};
use crate::asn1::UnixTime;
use crate::cli::{Common, Exit, Failure, output};
use crate::clock::{Clock as _, SystemClock};
use crate::crl::{CrlExtensions, CrlSummary, Version, reason_name};
use crate::identity::SerialNumber;
use crate::signer::Name;

/// Show what a CRL says: of whom it is, since when and until when it holds, its number and scope, and
/// how many entries it has
///
/// Any CRL will do, of any size: full, delta, indirect or partitioned, in date or not. Its signature is
/// not checked.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  estelam crl show ca.crl
  estelam crl show ca.crl --serial 0A3F
  curl -sS http://crl.example.org/ca.crl | estelam crl show - --entries")]
pub(super) struct ShowArguments {
    /// The CRL, DER or PEM; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the entries instead, one a line
    #[arg(long, conflicts_with = "serial")]
    entries: bool,
    /// Print the entry of this certificate alone; exits with 7 if it has none
    #[arg(long, value_name = "HEX")]
    serial: Option<String>,
}

pub(super) fn run(common: &Common, arguments: &ShowArguments) -> Result<Exit, Failure> {
    let wanted = arguments.serial.as_deref().map(SerialNumber::from_hex);
    let wanted = wanted
        .transpose()
        .map_err(|error| Failure::new(Exit::Usage, format!("--serial: {error}")))?;
    let Source { name, input } = Source::open(&arguments.file)?;
    let mut found = None;
    let mut list = arguments.entries.then(|| List::new(common.json));
    let summary = CrlSummary::read(input, LIMITS, |_, entry, date| {
        if let Some(list) = &mut list {
            list.add(&EntryFacts::new(entry, date));
        } else if wanted.is_some_and(|wanted| wanted.as_bytes() == entry.serial_number) {
            found = Some(EntryFacts::new(entry, date));
        }
    })
    .map_err(|error| Source::failure(&name, &error))?;
    if let Some(list) = list {
        return list.finish();
    }
    if let Some(wanted) = wanted {
        return match found {
            Some(entry) => output::facts(common, &entry, || entry.to_string()),
            None => Err(Failure::new(
                Exit::Refused,
                format!("{name}: no entry has the serial number {wanted}"),
            )),
        };
    }
    let facts = Facts::new(name, &summary);
    output::facts(common, &facts, || facts.text(SystemClock.now()))
}

/// Entries on their way to stdout.
struct List {
    out: BufWriter<io::StdoutLock<'static>>,
    json: bool,
    /// The first failure; what comes after it goes nowhere.
    failed: Option<io::Error>,
}

impl List {
    fn new(json: bool) -> Self {
        Self {
            out: BufWriter::new(io::stdout().lock()),
            json,
            failed: None,
        }
    }

    fn add(&mut self, entry: &EntryFacts) {
        if self.failed.is_some() {
            return;
        }
        let written = if self.json {
            serde_json::to_writer(&mut self.out, entry)
                .map_err(io::Error::from)
                .and_then(|()| self.out.write_all(b"\n"))
        } else {
            writeln!(self.out, "{entry}")
        };
        self.failed = written.err();
    }

    fn finish(mut self) -> Result<Exit, Failure> {
        let written = match self.failed.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        };
        match written {
            Ok(()) => Ok(Exit::Success),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                // Nothing more is written at drop either.
                drop(self.out.into_parts());
                Ok(Exit::Success)
            }
            Err(error) => Err(Failure::new(
                Exit::Storage,
                format!("cannot write to stdout: {error}"),
            )),
        }
    }
}

/// What is printed of a CRL.
#[derive(Debug, Serialize)]
struct Facts {
    name: String,
    kind: String,
    version: u8,
    issuer: String,
    signature_algorithm: String,
    authority_key_id: Option<String>,
    this_update: String,
    next_update: Option<String>,
    crl_number: Option<String>,
    base_crl_number: Option<String>,
    distribution_points: Vec<String>,
    octets: u64,
    sha256: String,
    entries: u32,
    bad_entries: u32,
    reasons: BTreeMap<String, u32>,
    first_revocation: Option<String>,
    last_revocation: Option<String>,
    /// What makes it a CRL that others may refuse.
    faults: Vec<String>,
    #[serde(skip)]
    times: (UnixTime, Option<UnixTime>),
}

impl Facts {
    fn new(name: String, summary: &CrlSummary) -> Self {
        let head = &summary.head;
        let none = CrlExtensions::default();
        let extensions = summary.extensions.as_ref().unwrap_or(&none);
        let mut reasons = BTreeMap::new();
        for (code, count) in &summary.reasons {
            let sum = reasons.entry(reason_name(*code)).or_insert(0_u32);
            *sum = sum.saturating_add(*count);
        }
        let text = |time: UnixTime| time.to_string();
        Self {
            name,
            kind: kind(extensions),
            version: match head.version {
                Version::V1 => 1,
                Version::V2 => 2,
            },
            issuer: Name::new(&head.issuer_der).to_string(),
            signature_algorithm: algorithm(&head.signature_algorithm_der),
            authority_key_id: extensions.authority_key_id.as_deref().map(hex),
            this_update: text(head.this_update),
            next_update: head.next_update.map(text),
            crl_number: extensions.crl_number.map(|number| number.to_string()),
            base_crl_number: extensions.base_crl_number.map(|number| number.to_string()),
            distribution_points: (extensions.issuing_distribution_point.as_ref())
                .and_then(|point| point.distribution_point.as_ref())
                .map(|name| name.uris().map(str::to_owned).collect())
                .unwrap_or_default(),
            octets: summary.octets,
            sha256: hex(&summary.sha256),
            entries: summary.entry_count,
            bad_entries: summary.bad_entry_count,
            reasons,
            first_revocation: summary.revocation_dates.map(|(first, _)| text(first)),
            last_revocation: summary.revocation_dates.map(|(_, last)| text(last)),
            faults: faults(summary, extensions),
            times: (head.this_update, head.next_update),
        }
    }

    fn text(&self, now: UnixTime) -> String {
        let (this_update, next_update) = self.times;
        let mut text = format!("{}: {} of {}", self.name, self.kind, self.issuer);
        let next = self.next_update.as_ref().zip(next_update);
        let facts = [
            ("number", self.crl_number.clone()),
            ("adds to", self.base_crl_number.clone()),
            (
                "for",
                (!self.distribution_points.is_empty()).then(|| self.distribution_points.join(" ")),
            ),
            (
                "thisUpdate",
                Some(format!(
                    "{} ({})",
                    self.this_update,
                    apart(this_update, now)
                )),
            ),
            (
                "nextUpdate",
                Some(next.map_or_else(
                    || "none".to_owned(),
                    |(text, time)| format!("{text} ({})", apart(time, now)),
                )),
            ),
            (
                "signed",
                Some(match &self.authority_key_id {
                    None => self.signature_algorithm.clone(),
                    Some(key) => format!("{} by the key {key}", self.signature_algorithm),
                }),
            ),
            (
                "size",
                Some(format!("{} octets, version {}", self.octets, self.version)),
            ),
            ("SHA-256", Some(self.sha256.clone())),
            ("entries", Some(self.entries.to_string())),
        ];
        // Writing to a String cannot fail.
        for (name, value) in facts {
            if let Some(value) = value {
                let _infallible = write!(text, "\n  {name:<17}{value}");
            }
        }
        for (reason, count) in &self.reasons {
            let _infallible = write!(text, "\n    {reason:<21}{count}");
        }
        if let Some((first, last)) = self
            .first_revocation
            .as_ref()
            .zip(self.last_revocation.as_ref())
        {
            let _infallible = write!(text, "\n  {:<17}{first} to {last}", "revoked");
        }
        for fault in &self.faults {
            let _infallible = write!(text, "\n  {:<17}{fault}", "fault");
        }
        text
    }
}

fn kind(extensions: &CrlExtensions) -> String {
    let mut kind = match extensions.base_crl_number {
        Some(_) => "delta CRL".to_owned(),
        None => "CRL".to_owned(),
    };
    if let Some(point) = &extensions.issuing_distribution_point {
        for (is, what) in [
            (point.indirect_crl, "indirect"),
            (point.distribution_point.is_some(), "partitioned"),
            (point.only_contains_user_certs, "for end entities alone"),
            (point.only_contains_ca_certs, "for CAs alone"),
            (
                point.only_contains_attribute_certs,
                "for attribute certificates alone",
            ),
            (point.only_some_reasons.is_some(), "for some reasons alone"),
        ] {
            if is {
                kind.push_str(", ");
                kind.push_str(what);
            }
        }
    }
    kind
}

/// What RFC 5280 asks of issuers and this CRL does not keep, as far as it can be told without its
/// issuer's certificate.
fn faults(summary: &CrlSummary, extensions: &CrlExtensions) -> Vec<String> {
    let mut faults = Vec::new();
    let mut tell = |is: bool, fault: &str| {
        if is {
            faults.push(fault.to_owned());
        }
    };
    tell(
        summary.head.next_update.is_none(),
        "it has no nextUpdate (RFC 5280 §5.1.2.5)",
    );
    let lacks = |there: bool| summary.extensions.is_ok() && !there;
    tell(
        lacks(extensions.crl_number.is_some()),
        "it has no CRLNumber (RFC 5280 §5.2.3)",
    );
    tell(
        lacks(extensions.authority_key_id.is_some()),
        "its authorityKeyIdentifier names no key (RFC 5280 §5.2.1)",
    );
    if let Err(error) = &summary.extensions {
        faults.push(error.to_string());
    }
    if let Some(oid) = extensions.unknown_critical {
        faults.push(format!(
            "it has the critical extension {oid}, which is not known here (RFC 5280 §5.2)"
        ));
    }
    if let Some((number, fault)) = &summary.first_bad_entry {
        faults.push(format!(
            "{} of its entries cannot be read; entry {number}: {fault}",
            summary.bad_entry_count
        ));
    }
    faults
}

fn algorithm(identifier_der: &[u8]) -> String {
    use der::Decode as _;
    spki::AlgorithmIdentifierRef::from_der(identifier_der).map_or_else(
        |_| hex(identifier_der),
        |identifier| {
            let name = const_oid::db::DB.by_oid(&identifier.oid);
            name.map_or_else(|| identifier.oid.to_string(), str::to_owned)
        },
    )
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// How far a time is from now, in its two largest units.
fn apart(time: UnixTime, now: UnixTime) -> String {
    let ago = now.since(time).as_secs();
    let (secs, word) = if ago > 0 {
        (ago, "ago")
    } else {
        (time.since(now).as_secs(), "from now")
    };
    let units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let mut rest = secs;
    let mut shown = Vec::new();
    for (unit, length) in units {
        let count = rest / length;
        rest %= length;
        if count > 0 && shown.len() < 2 {
            shown.push(format!("{count} {unit}"));
        }
    }
    if shown.is_empty() {
        "now".to_owned()
    } else {
        format!("{} {word}", shown.join(" "))
    }
}
