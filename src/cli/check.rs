//! `estelam check`: judges the configuration and the keys before anything is started.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::{Common, Exit, Failure, output};
use crate::authority::{Issuer, Issuers, judge_crl_key, with_causes};
use crate::catalog::NotIssued;
use crate::clock::{Clock, SystemClock};
use crate::config::feed::SqlAddress;
use crate::config::{self, Config, Evidence, Feed, duration_text};
use crate::feed::live::FeedError;
use crate::signer::Role;

/// One issuer's verdict.
#[derive(Serialize)]
struct Verdict {
    issuer: String,
    /// How OpenSSL prints it would need a name printer; the id is what the files are keyed by.
    id: String,
    signer: Option<String>,
    /// Whose rules its answers keep to.
    profile: &'static str,
    /// The CA's own key, for an issuer that this installation issues for.
    ca_key: Option<String>,
    /// What dates its answers.
    evidence: &'static str,
    /// Who may sign its CRLs beside itself, by the id of name and key.
    crl_signers: Vec<String>,
    /// Where the status of its certificates comes from.
    feeds: Vec<String>,
    /// The CRLs that are made of it here.
    crls: Option<String>,
    problems: Vec<String>,
    warnings: Vec<String>,
}

pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let config = super::connection::load_config(common)?;
    let issuers = Issuers::new(&config)?;
    let verdicts: Vec<Verdict> = issuers
        .iter()
        .zip(&config.issuers)
        .map(|(issuer, settings)| {
            let mut verdict = judge(issuer);
            if settings.ca.is_some() {
                judge_ca(common, &mut verdict);
            }
            for feed in &settings.feeds {
                judge_feed(feed, &mut verdict);
            }
            judge_silence(&settings.feeds, &mut verdict);
            verdict
        })
        .collect();
    output::facts(common, &verdicts, || text(common, &config, &verdicts))?;
    let bad = verdicts
        .iter()
        .filter(|verdict| !verdict.problems.is_empty())
        .count();
    if bad == 0 {
        return Ok(Exit::Success);
    }
    Err(Failure::new(
        Exit::Key,
        format!("{bad} of {} issuers cannot be served", verdicts.len()),
    ))
}

/// Whether the issuer can issue, as `estelam ca` will find it.
fn judge_ca(common: &Common, verdict: &mut Verdict) {
    match super::ca::open(common, &verdict.issuer, SystemClock.now()) {
        Ok(_) => verdict.ca_key = Some("opens, and is the certificate's".to_owned()),
        Err(failure) => verdict.problems.push(failure.message),
    }
}

/// Whether what a feed names can be read, and is of its kind. What is not there now may come: the server
/// starts without it, and so this is a warning.
fn judge_feed(feed: &Feed, verdict: &mut Verdict) {
    let watched = match feed {
        Feed::Index(feed) => Some((&feed.path, false)),
        Feed::Csv(feed) => Some((&feed.path, false)),
        Feed::CrlFolder(feed) => Some((&feed.path, true)),
        Feed::CertificateFolder(feed) => Some((&feed.path, true)),
        _ => None,
    };
    let mut told = format!("{} ({})", feed.name(), feed.kind());
    if let Some(interval) = feed.interval() {
        let every = jiff::SignedDuration::try_from(interval);
        let every = every.map_or_else(|_| format!("{interval:?}"), |every| format!("{every:#}"));
        told.push_str(&format!(", every {every}"));
    }
    match feed {
        Feed::CrlUrl(feed) => {
            for (crl, scope) in feed.crls() {
                told.push_str(&format!(": {} ({scope})", crl.url));
            }
        }
        // The address without user and password.
        Feed::Sql(feed) => {
            if let Ok(address) = feed.database.parse::<SqlAddress>() {
                told.push_str(&format!(": {address}"));
            }
        }
        _ => {}
    }
    if let Some((path, is_folder)) = watched {
        told.push_str(&format!(": {}", path.display()));
        if let Some(why) = unreadable(path, is_folder) {
            verdict
                .warnings
                .push(format!("feed {:?}: {why}", feed.name()));
        }
    }
    verdict.feeds.push(told);
}

/// An issuer none of whose feeds has `stale_after` may be silent for ever. With one, somebody thought of
/// it: a slow source beside a fast one needs none.
fn judge_silence(feeds: &[Feed], verdict: &mut Verdict) {
    if feeds.is_empty() || feeds.iter().any(|feed| feed.stale_after().is_some()) {
        return;
    }
    verdict.warnings.push(
        "no feed of it has a stale_after: should they fall silent, what was known last is served for as \
         long as nobody looks at `estelam stats`"
            .to_owned(),
    );
}

/// Why a path is not a file or folder that can be read.
fn unreadable(path: &Path, is_folder: bool) -> Option<String> {
    let shown = path.display();
    let of_path = |error: &std::io::Error| FeedError::of_path(path, error).message;
    match std::fs::metadata(path) {
        Err(error) => Some(of_path(&error)),
        Ok(metadata) if is_folder && !metadata.is_dir() => {
            Some(format!("{shown} is no folder: name the folder"))
        }
        Ok(metadata) if !is_folder && !metadata.is_file() => {
            Some(format!("{shown} is no file: name the file"))
        }
        Ok(_) if is_folder => std::fs::read_dir(path).err().map(|error| of_path(&error)),
        Ok(_) => std::fs::File::open(path).err().map(|error| of_path(&error)),
    }
}

fn judge(issuer: &Issuer) -> Verdict {
    let now = SystemClock.now();
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    if issuer.certificate.not_after() <= now {
        warnings.push(format!(
            "its certificate ended at {}",
            issuer.certificate.not_after()
        ));
    }
    if issuer.policy.not_issued == NotIssued::Good {
        warnings.push(
            "not_issued = \"good\": EVERY serial that is not on the CRL is answered good, also one that \
             this CA never issued, and so a forged certificate. Each such answer is signed on demand, \
             for made-up serials too. Prefer an inventory (`estelam import certs`) and \
             \"unauthorized\" where one can be had"
                .to_owned(),
        );
    }
    for signer in &issuer.crl_signers {
        if signer.not_after() <= now {
            warnings.push(format!(
                "the certificate {} of crl_signers ended at {}",
                signer.issuer_id(),
                signer.not_after()
            ));
        }
        if signer.issuer_id() == issuer.id {
            warnings.push(
                "crl_signers names the CA's own key, which may sign its CRLs anyhow".to_owned(),
            );
        }
    }
    let signer = match issuer.load_signer(now) {
        Ok(()) => issuer.signer().map(|signer| {
            warnings.extend(signer.warnings.iter().map(ToString::to_string));
            let role = match signer.role {
                Role::CaDirect => "the CA itself",
                Role::Delegated => "a delegate",
            };
            format!(
                "{role}, {}, until {}",
                signer.signer.algorithm(),
                signer.not_after
            )
        }),
        Err(error) => {
            problems.push(with_causes(&error));
            None
        }
    };
    match judge_crl_key(issuer) {
        Ok(found) => warnings.extend(found),
        Err(why) => problems.push(why),
    }
    Verdict {
        issuer: issuer.name.clone(),
        id: issuer.id.to_string(),
        signer,
        profile: issuer.profile().name(),
        ca_key: None,
        evidence: match issuer.evidence {
            Evidence::Ledger => "the ledger",
            Evidence::Feed => "CRLs alone; nothing is signed without one in date",
        },
        crl_signers: issuer
            .crl_signers
            .iter()
            .map(|signer| signer.issuer_id().to_string())
            .collect(),
        feeds: Vec::new(),
        crls: issuer.crl.as_ref().map(crls),
        problems,
        warnings,
    }
}

/// Which CRLs are made, how often and where they are.
fn crls(settings: &config::Crl) -> String {
    let one = |kind: &str, interval, after: Option<Duration>, url: &str| {
        let after = after.map_or_else(
            || "not after a revocation before its time".to_owned(),
            |after| format!("{} after a revocation", duration_text(after)),
        );
        format!("{kind} every {}, {after}, {url}", duration_text(interval))
    };
    let full = one(
        "full",
        settings.interval,
        settings.after_revocation,
        &settings.url,
    );
    let delta = settings
        .delta
        .iter()
        .map(|delta| one("delta", delta.interval, delta.after_revocation, &delta.url));
    let shards = settings.shards.iter().map(|shards| {
        let kind = format!("{} shards", shards.count);
        one(&kind, shards.interval, shards.after_revocation, &shards.url)
    });
    let all: Vec<String> = std::iter::once(full).chain(delta).chain(shards).collect();
    all.join("; ")
}

fn text(common: &Common, config: &Config, verdicts: &[Verdict]) -> String {
    let mut text = format!("{}: configuration is well formed", common.config.display());
    for listener in &config.listeners {
        let _infallible = write!(text, "\n  listens on {}", listener.address);
    }
    for verdict in verdicts {
        let _infallible = write!(text, "\nissuer {:?}", verdict.issuer);
        let signer = verdict
            .signer
            .iter()
            .map(|signer| format!("signer: {signer}"));
        let ca_key = verdict.ca_key.iter().map(|key| format!("CA key: {key}"));
        let problems = verdict
            .problems
            .iter()
            .map(|problem| format!("PROBLEM: {problem}"));
        let warnings = verdict
            .warnings
            .iter()
            .map(|warning| format!("warning: {warning}"));
        let profile = format!("profile: {}", verdict.profile);
        let evidence = format!("answers are dated by: {}", verdict.evidence);
        let crl_signers = verdict
            .crl_signers
            .iter()
            .map(|id| format!("its CRLs may also be signed by: {id}"));
        let feeds = verdict.feeds.iter().map(|feed| format!("feed: {feed}"));
        let crls = verdict.crls.iter().map(|crls| format!("CRLs: {crls}"));
        let facts = [profile, evidence]
            .into_iter()
            .chain(crl_signers)
            .chain(feeds)
            .chain(crls);
        for line in signer
            .chain(ca_key)
            .chain(facts)
            .chain(problems)
            .chain(warnings)
        {
            let _infallible = write!(text, "\n  {line}");
        }
    }
    text
}
