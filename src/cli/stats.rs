//! `estelam stats`.

use std::fmt::Write;
use std::time::Duration;

use super::connection::Server;
use super::{Common, Exit, Failure, output};
use crate::authority::{
    AuthorityStats, EvidenceStats, FeedState, IssuerStats, ServerStats, SignerState,
};
use crate::http::admin::Query;
use crate::signer::process::{ProcessHealth, ProcessState};

pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let stats: ServerStats = Server::connect(common)?.get("/stats", &Query::default())?;
    output::facts(common, &stats, || text(&stats))
}

/// Problems first, then the facts with their units.
fn text(stats: &ServerStats) -> String {
    let AuthorityStats {
        sequence,
        generation,
        issuers,
        ..
    } = &stats.authority;
    let mut text = String::new();
    for problem in problems(stats) {
        line(&mut text, format_args!("PROBLEM  {problem}"));
    }
    line(
        &mut text,
        format_args!("{:<30}{}", "estelam", stats.version),
    );
    line(
        &mut text,
        format_args!("{:<30}{sequence} entries", "ledger"),
    );
    line(
        &mut text,
        format_args!("{:<30}generation {generation}", "catalog"),
    );
    for issuer in issuers {
        issuer_text(&mut text, issuer);
    }
    let authority = &stats.authority;
    if let Some(process) = &authority.signer_process {
        line(
            &mut text,
            format_args!("{:<30}{}", "signing process", signer_process(process)),
        );
    }
    for (name, value) in super::crl::health::target_lines(&authority.targets) {
        line(&mut text, format_args!("{name:<30}{value}"));
    }
    line(&mut text, format_args!("live answers"));
    for (name, count) in [
        ("signed", authority.live_answers),
        ("refused", authority.live_refused),
        ("failed signings", authority.signing_failures),
    ] {
        line(&mut text, format_args!("  {name:<28}{count}"));
    }
    line(
        &mut text,
        format_args!("  {:<28}{}", "waiting now", stats.questions_waiting),
    );
    line(
        &mut text,
        format_args!("shards signed since start     {}", authority.shards_signed),
    );
    text.push_str(&stats.http.to_string());
    text
}

/// The process that keys live in, in a line.
fn signer_process(process: &ProcessHealth) -> String {
    let state = match process.state {
        ProcessState::Starting => "is being started",
        ProcessState::Running => "running",
        ProcessState::Down => "DOWN",
    };
    let place = match (process.pid, &process.socket) {
        (Some(pid), _) => format!(", pid {pid}"),
        (None, Some(socket)) => format!(" at {}", socket.display()),
        (None, None) => String::new(),
    };
    let ready = process.keys.iter().filter(|key| key.problem.is_none());
    format!(
        "{state}{place}, {} of {} keys ready, {} signatures, started {} times ({} hung)",
        ready.count(),
        process.keys.len(),
        process.signed,
        process.starts,
        process.hangs
    )
}

fn issuer_text(text: &mut String, issuer: &IssuerStats) {
    let none = || "none".to_owned();
    line(text, format_args!("issuer {:?}", issuer.name));
    let mut certificates = format!("{} ({} revoked)", issuer.certificates, issuer.revoked);
    if let Some(whole) = &issuer.revoked_as_a_whole {
        certificates = format!(
            "{}, {}",
            issuer.certificates,
            super::revoke_all::since(whole)
        );
    }
    let changed = format!("{} ({} not signed yet)", issuer.overlay, issuer.unsigned);
    let signer = match &issuer.signer {
        SignerState::Ready { not_after } => format!("ready, until {not_after}"),
        SignerState::Missing => "missing".to_owned(),
        SignerState::None => none(),
    };
    for (name, value) in [
        ("certificates", certificates),
        ("changed since signed", changed),
        ("segments", issuer.segments.to_string()),
        (
            "oldest thisUpdate",
            issuer.oldest_this_update.clone().unwrap_or_else(none),
        ),
        (
            "next signing due",
            issuer.next_sign.clone().unwrap_or_else(none),
        ),
        ("signer", signer),
    ] {
        line(text, format_args!("  {name:<28}{value}"));
    }
    for feed in &issuer.feeds {
        line(
            text,
            format_args!(
                "  {:<28}{}",
                format!("feed {}", feed.name),
                super::feed::summary(feed)
            ),
        );
    }
    for (name, value) in super::crl::health::lines(&issuer.crls) {
        line(text, format_args!("  {name:<28}{value}"));
    }
    if let Some(evidence) = &issuer.evidence {
        line(
            text,
            format_args!("  {:<28}{}", "newest CRL", newest_crl(evidence)),
        );
        for crl in &evidence.scopes {
            let scope = crl.scope.as_deref().unwrap_or("all certificates");
            line(
                text,
                format_args!(
                    "    of {scope}: {}, until {}",
                    crl.this_update, crl.next_update
                ),
            );
        }
    }
}

/// The CRL that an issuer's answers rest on, or that was imported last.
fn newest_crl(evidence: &EvidenceStats) -> String {
    let Some(crl) = &evidence.crl else {
        return "none, so nothing is signed".to_owned();
    };
    let number = crl
        .crl_number
        .as_ref()
        .map(|number| format!("number {number}, "))
        .unwrap_or_default();
    let age = Duration::from_secs(crl.age_secs);
    let age = jiff::SignedDuration::try_from(age)
        .map_or_else(|_| format!("{} s", crl.age_secs), |age| format!("{age:#}"));
    let stale = match (evidence.stale, evidence.required) {
        (false, _) => "",
        (true, true) => " (ENDED: nothing is signed)",
        (true, false) => " (ended)",
    };
    format!(
        "{number}of {} ({age} old), until {}{stale}",
        crl.this_update, crl.next_update
    )
}

/// What an operator has to look at, and what to do.
fn problems(stats: &ServerStats) -> Vec<String> {
    let mut problems: Vec<String> = stats.authority.signing_paused.iter().cloned().collect();
    if let Some(process) = &stats.authority.signer_process {
        if process.state == ProcessState::Down {
            problems.push(format!(
                "the signing process is down: {}. What is signed is served until it ends; it is started \
                 again every few seconds",
                process.last_fault.as_deref().unwrap_or("nobody knows why")
            ));
        } else {
            let keys = process.keys.iter();
            problems.extend(keys.filter_map(|key| {
                let problem = key.problem.as_ref()?;
                Some(format!(
                    "the signing process: the key {}: {problem}",
                    key.name
                ))
            }));
        }
    }
    for issuer in &stats.authority.issuers {
        let name = &issuer.name;
        if matches!(issuer.signer, SignerState::Missing) {
            problems.push(format!(
                "issuer {name:?}: its signing key is missing; answers are served until they end. Put \
                 the key back: the server looks for it every 10 seconds (`estelam check` says why)"
            ));
        }
        if issuer.catching_up {
            problems.push(format!(
                "issuer {name:?}: the catalog is being brought up to the ledger; every answer is \
                 signed on demand meanwhile"
            ));
        }
        let stale = issuer
            .feeds
            .iter()
            .filter(|feed| feed.state == FeedState::Stale);
        let stale: Vec<&str> = stale.map(|feed| feed.name.as_str()).collect();
        if !stale.is_empty() {
            let effect = if issuer.held_back {
                "every answer but \"revoked\" is tryLater until it works again"
            } else {
                "what was known last is served on"
            };
            problems.push(format!(
                "issuer {name:?}: feed {} was without success for longer than its stale_after; {effect}",
                stale.join(", ")
            ));
        }
        problems.extend(issuer.feeds.iter().flat_map(super::feed::problems));
        problems.extend(super::crl::health::problems(name, &issuer.crls));
        if let Some(evidence) = &issuer.evidence
            && evidence.required
            && evidence.stale
        {
            let ended = match &evidence.crl {
                _ if !evidence.lacking.is_empty() => format!(
                    "no CRL of the scope {} was imported yet",
                    evidence.lacking.join(", nor of ")
                ),
                Some(crl) => format!("its newest CRL ended at {}", crl.next_update),
                None => "no CRL of it was imported yet".to_owned(),
            };
            problems.push(format!(
                "issuer {name:?}: {ended}; its answers come from CRLs alone, so nothing is signed. \
                 Import a CRL in date (`estelam import crl`)"
            ));
        }
    }
    for crl in &stats.authority.crls_left_out {
        let instead = if crl.previous_served {
            "the one before it is served instead"
        } else {
            "clients get 503"
        };
        problems.push(format!(
            "issuer {:?}: the CRL at {} is damaged ({}); {instead}. Check the disk, and publish it again \
             (`estelam crl publish`)",
            crl.issuer, crl.url, crl.why
        ));
    }
    problems.extend(super::crl::health::target_problems(
        &stats.authority.targets,
    ));
    if stats.authority.quarantined > 0 {
        problems.push(format!(
            "{} damaged segments were taken out since the start: check the disk",
            stats.authority.quarantined
        ));
    }
    problems
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _infallible = writeln!(text, "{arguments}");
}
