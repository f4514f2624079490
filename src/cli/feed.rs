//! `estelam feed`: looks at the feeds of the running server.

use std::fmt::Write;

use clap::{Args, Subcommand};

use super::connection::Server;
use super::{Common, Exit, Failure, output};
use crate::authority::{FeedHealth, FeedPoll, FeedState};
use crate::http::admin::Query;

/// Look at feeds, poll one now, or accept what looks wrong with one
#[derive(Args, Debug)]
pub(super) struct FeedArguments {
    #[command(subcommand)]
    action: FeedAction,
}

#[derive(Debug, Subcommand)]
enum FeedAction {
    /// How every feed is, the troubled ones first
    #[command(after_help = "Example:\n  estelam feed list --json")]
    List,
    /// Look at a feed now, whatever its interval
    #[command(after_help = "Example:\n  estelam feed poll ca index")]
    Poll(Named),
    /// Take a feed as it is, once: it lost most of what it had, and that is right
    ///
    /// Nothing that is revoked becomes good by it. The next poll, which is at once, takes the file or
    /// CRL although much of the one before is gone.
    #[command(after_help = "Example:\n  estelam feed accept ca index")]
    Accept(Named),
}

#[derive(Args, Debug)]
struct Named {
    /// The issuer's name in the configuration
    #[arg(value_name = "ISSUER")]
    issuer: String,
    /// The feed's name: that of its kind, unless it has another
    #[arg(value_name = "FEED")]
    feed: String,
}

pub(super) fn run(common: &Common, arguments: &FeedArguments) -> Result<Exit, Failure> {
    match &arguments.action {
        FeedAction::List => list(common),
        FeedAction::Poll(named) => poll(common, named, false),
        FeedAction::Accept(named) => poll(common, named, true),
    }
}

fn list(common: &Common) -> Result<Exit, Failure> {
    let mut feeds: Vec<FeedHealth> = Server::connect(common)?.get("/feeds", &Query::default())?;
    feeds.sort_by_key(|feed| match feed.state {
        FeedState::Stale => 0,
        FeedState::Failing => 1,
        FeedState::Waiting => 2,
        FeedState::Fine => 3,
    });
    output::facts(common, &feeds, || {
        if feeds.is_empty() {
            return "no feeds are configured: add an [[issuer.feed]] table (`estelam init` shows them)"
                .to_owned();
        }
        let mut text = String::new();
        for feed in &feeds {
            describe(&mut text, feed);
        }
        text
    })
}

fn poll(common: &Common, named: &Named, accept: bool) -> Result<Exit, Failure> {
    let request = FeedPoll {
        issuer: Some(named.issuer.clone()),
        feed: named.feed.clone(),
        accept,
    };
    let feed: FeedHealth = Server::connect(common)?.post("/feeds/poll", &request)?;
    output::facts(common, &feed, || {
        let mut text = String::new();
        describe(&mut text, &feed);
        text
    })?;
    match &feed.fault {
        None => Ok(Exit::Success),
        Some(fault) => Err(Failure::new(Exit::Input, fault.message.clone())),
    }
}

/// One feed in a few lines.
fn describe(text: &mut String, feed: &FeedHealth) {
    line(
        text,
        &format!("{} of {:?}: {}", feed.name, feed.issuer, summary(feed)),
    );
    for fact in facts(feed) {
        line(text, &format!("  {fact}"));
    }
}

/// How it is, in one line.
pub(super) fn summary(feed: &FeedHealth) -> String {
    let since = match feed.last_success_age_secs {
        None => "has not worked since the server started".to_owned(),
        Some(secs) => format!("worked {} ago", duration(secs)),
    };
    let state = match feed.state {
        FeedState::Stale => "STALE",
        FeedState::Failing => "FAILING",
        FeedState::Waiting => "waiting",
        FeedState::Fine => "fine",
    };
    let mut summary = format!("{state} ({}), {since}, {} applied", feed.kind, feed.applied);
    if feed.left_out > 0 {
        summary.push_str(&format!(", {} left out", feed.left_out));
    }
    summary
}

/// What else there is to know.
fn facts(feed: &FeedHealth) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(fault) = &feed.fault {
        let next = feed.next_attempt.as_ref();
        let next = next
            .map(|next| format!("; next at {next}"))
            .unwrap_or_default();
        facts.push(format!(
            "{} ({} failed{next})",
            fault.message, feed.failures
        ));
    }
    if let Some(secs) = feed.polling_secs.filter(|secs| *secs >= SLOW_SECS) {
        facts.push(format!("a poll is under way for {}", duration(secs)));
    }
    if let (Some(time), Some(secs)) = (&feed.evidence, feed.evidence_age_secs) {
        facts.push(format!("the source is of {time}, {} ago", duration(secs)));
    }
    if let Some(first) = &feed.first_left_out {
        facts.push(format!("left out: {first}"));
    }
    if feed.missing > 0 {
        facts.push(format!(
            "{} revoked certificates are not on the newest CRL; they stay revoked",
            feed.missing
        ));
    }
    if feed.reconciled > 0 {
        facts.push(format!(
            "{} certificates were on the CRL and good until then: another feed lost them",
            feed.reconciled
        ));
    }
    facts.extend(feed.notes.iter().cloned());
    facts
}

/// What an operator has to look at, and what to do. Issuers that are stale are told apart.
pub(super) fn problems(feed: &FeedHealth) -> Vec<String> {
    let FeedHealth { issuer, name, .. } = feed;
    let mut problems = Vec::new();
    if let Some(fault) = &feed.fault {
        problems.push(format!(
            "issuer {issuer:?}: feed {name:?} fails ({} times): {}",
            feed.failures, fault.message
        ));
    } else if let Some(secs) = feed.polling_secs.filter(|secs| *secs >= SLOW_SECS) {
        problems.push(format!(
            "issuer {issuer:?}: a poll of feed {name:?} is under way for {}: does its disk or server \
             answer?",
            duration(secs)
        ));
    }
    if feed.left_out > 0 {
        let first = feed.first_left_out.as_deref().unwrap_or_default();
        problems.push(format!(
            "issuer {issuer:?}: {} of feed {name:?} cannot be used and were left out. Mend them at the \
             source; the first: {first}",
            feed.left_out
        ));
    }
    if feed.reconciled > 0 {
        problems.push(format!(
            "issuer {issuer:?}: {} certificates were revoked by feed {name:?}, a CRL, while they were good \
             here: find out why the other feeds missed them",
            feed.reconciled
        ));
    }
    if feed.missing > 0 {
        problems.push(format!(
            "issuer {issuer:?}: {} revoked certificates are missing on the newest CRL of feed {name:?}; \
             they stay revoked here. Ask the CA why",
            feed.missing
        ));
    }
    problems
}

/// Seconds as people say them.
pub(super) fn duration(secs: u64) -> String {
    // Nobody counts days in hours.
    if secs >= 2 * DAY {
        return format!("{} days", secs / DAY);
    }
    let duration = std::time::Duration::from_secs(secs);
    jiff::SignedDuration::try_from(duration)
        .map_or_else(|_| format!("{secs} s"), |duration| format!("{duration:#}"))
}

fn line(text: &mut String, what: &str) {
    // Writing to a String cannot fail.
    let _infallible = writeln!(text, "{what}");
}

const DAY: u64 = 86_400;
/// A poll that takes longer is worth a word.
const SLOW_SECS: u64 = 30;
