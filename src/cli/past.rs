//! `estelam status --at` and `--history`: the past of a certificate, for people.

use std::fmt::Write as _;

use super::connection::Desk;
use super::{Common, Exit, Failure, output};
use crate::authority::{
    CertificateState, HistoryEntry, HistoryReply, HistoryRequest, PastReply, PastRequest, PastState,
};

/// Tells what the status was at a moment.
pub(super) fn at(common: &Common, desk: &Desk, request: &PastRequest) -> Result<Exit, Failure> {
    let reply = desk.status_at(request)?;
    output::facts(common, &reply, || text(&reply))
}

/// Tells all that was recorded, page by page: a certificate may have thousands of entries.
pub(super) fn history(
    common: &Common,
    desk: &Desk,
    mut request: HistoryRequest,
) -> Result<Exit, Failure> {
    let limit = request.limit;
    let mut told = 0_usize;
    loop {
        let reply = desk.history(&request)?;
        let first = request.from.is_none();
        let exit = output::facts(common, &reply, || page(&reply, first))?;
        told = told.saturating_add(reply.entries.len());
        request.from = reply.next;
        // With --json each page is one value, which names where the next one begins.
        if reply.next.is_none() || limit.is_some_and(|limit| told >= limit) {
            return Ok(exit);
        }
    }
}

fn text(reply: &PastReply) -> String {
    let mut text = format!(
        "{:<18} at {}\n  {:<17}{}",
        reply.serial, reply.at, "issuer", reply.issuer
    );
    let mut tell = |name: &str, state: &Option<PastState>| {
        if let Some(state) = state {
            line(&mut text, format_args!("\n  {name:<17}{}", status(state)));
            if let Some(entry) = &state.entry {
                line(&mut text, format_args!("\n  {:<17}{}", "", origin(entry)));
            }
        }
    };
    tell("known then", &reply.known_then);
    tell("known today", &reply.known_today);
    if let Some(not_after) = &reply.not_after {
        let expired = if reply.expired {
            ", expired by then"
        } else {
            ""
        };
        line(
            &mut text,
            format_args!("\n  {:<17}{not_after}{expired}", "not after"),
        );
    }
    if let Some(crl) = &reply.newest_crl {
        let number = crl.number.as_deref().unwrap_or("without a number");
        line(
            &mut text,
            format_args!(
                "\n  {:<17}{number}, of {} to {} (entry {}, recorded {})",
                "newest CRL then", crl.this_update, crl.next_update, crl.sequence, crl.recorded
            ),
        );
    }
    if !reply.agree {
        text.push_str(
            "\n  What is known today differs from what was known then: answers of that time said the first.",
        );
    }
    line(
        &mut text,
        format_args!("\n  {:<17}{}", "as of entry", reply.last_sequence),
    );
    text
}

fn status(state: &PastState) -> String {
    match state.status {
        CertificateState::NotIssued => "nothing: not known to be issued".to_owned(),
        CertificateState::Good => "good".to_owned(),
        CertificateState::Revoked => {
            let reason = state.reason.as_deref().unwrap_or("no reason given");
            let since = state.revocation_time.as_deref().unwrap_or_default();
            let mut text = format!("revoked since {since}, {reason}");
            if let Some(date) = &state.invalidity_date {
                line(&mut text, format_args!(", suspect since {date}"));
            }
            text
        }
    }
}

fn origin(entry: &HistoryEntry) -> String {
    let HistoryEntry {
        sequence,
        kind,
        recorded,
        source,
        cursor,
        ..
    } = entry;
    let place = match cursor.is_empty() {
        true => String::new(),
        false => format!(" ({cursor})"),
    };
    let kind = kind.replace('_', " ");
    format!("by entry {sequence}: {kind}, recorded {recorded}, said by {source}{place}")
}

fn page(reply: &HistoryReply, first: bool) -> String {
    let mut text = String::new();
    if first {
        line(
            &mut text,
            format_args!("{} of {:?}", reply.serial, reply.issuer),
        );
        if reply.entries.is_empty() {
            text.push_str("\n  nothing was ever recorded about it");
        }
    }
    for entry in &reply.entries {
        let kind = entry.kind.replace('_', " ");
        line(
            &mut text,
            format_args!(
                "\n  entry {}  {kind}\n    {:<15}{}\n    {:<15}{}\n    {:<15}{}{}",
                entry.sequence,
                "effective",
                entry.effective,
                "recorded",
                entry.recorded,
                "source",
                entry.source,
                match entry.cursor.is_empty() {
                    true => String::new(),
                    false => format!(" ({})", entry.cursor),
                }
            ),
        );
        let facts = [
            ("reason", &entry.reason),
            ("claimed time", &entry.revocation_time),
            ("suspect since", &entry.invalidity_date),
            ("not before", &entry.not_before),
            ("not after", &entry.not_after),
        ];
        for (name, value) in facts {
            if let Some(value) = value {
                line(&mut text, format_args!("\n    {name:<15}{value}"));
            }
        }
    }
    // The first page begins with its heading, the others go on below it.
    text.trim_start_matches('\n').to_owned()
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _infallible = text.write_fmt(arguments);
}
