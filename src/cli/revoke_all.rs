//! `estelam revoke --issuer NAME --all`: shows what it would do, and asks before it does.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::connection::Desk;
use super::{Common, Exit, Failure, output};
use crate::authority::{
    CaCertificate, CaCertificateState, ChangeOutcome, IssuerBelow, RevokeAllPreview,
    RevokeAllReply, RevokeAllRequest, Visible, WholeRevocation,
};

pub(super) fn run(
    common: &Common,
    request: &RevokeAllRequest,
    confirmed: bool,
) -> Result<Exit, Failure> {
    let desk = Desk::open(common)?;
    if !confirmed {
        let preview = desk.preview_revoke_all(&request.issuer)?;
        let text = preview_text(&preview, request);
        if !io::stdin().is_terminal() {
            output::facts(common, &preview, || text)?;
            return Err(Failure::new(
                Exit::Usage,
                "nothing was changed: there is no terminal to ask at. Say --yes if it is meant",
            ));
        }
        confirm(&request.issuer, &text)?;
    }
    let reply = desk.revoke_all(request)?;
    output::facts(common, &reply, || reply_text(&reply))
}

/// Shows what would happen and waits until the operator has typed the issuer's name. On stderr, so that
/// stdout has facts only.
fn confirm(issuer: &str, preview: &str) -> Result<(), Failure> {
    let failed = |error| Failure::new(Exit::Usage, format!("nothing was changed: {error}"));
    let mut asked = io::stderr();
    write!(
        asked,
        "{preview}\nType the issuer's name ({issuer}) to go on: "
    )
    .and_then(|()| asked.flush())
    .map_err(failed)?;
    let mut typed = String::new();
    io::stdin().lock().read_line(&mut typed).map_err(failed)?;
    if typed.trim() != issuer {
        return Err(Failure::new(
            Exit::Usage,
            "nothing was changed: that is not the issuer's name",
        ));
    }
    Ok(())
}

fn preview_text(preview: &RevokeAllPreview, request: &RevokeAllRequest) -> String {
    let RevokeAllPreview {
        issuer,
        good,
        on_hold,
        revoked,
        ca_certificate,
        revoked_as_a_whole,
    } = preview;
    let mut text = format!(
        "Revoking all certificates of issuer {issuer:?} ({}):\n",
        request.reason
    );
    for (count, fate) in [
        (good, "good: revoked"),
        (on_hold, "on hold: revoked, and cannot be released any more"),
        (
            revoked,
            "revoked already: keep their own revocation time and reason",
        ),
    ] {
        line(&mut text, format_args!("  {count:>9}  {fate}"));
    }
    line(
        &mut text,
        format_args!(
            "  certificates that it issues or that are imported later are revoked as well"
        ),
    );
    let kept = request.keep_ca_certificate;
    line(
        &mut text,
        format_args!("  its own certificate, {}", ca_text(ca_certificate, kept)),
    );
    if let Some(whole) = revoked_as_a_whole {
        line(
            &mut text,
            format_args!("They are {} already.", since(whole)),
        );
    }
    text.push_str("This cannot be undone.");
    text
}

fn ca_text(certificate: &CaCertificate, kept: bool) -> String {
    let CaCertificate {
        serial,
        parent,
        state,
    } = certificate;
    let parent = parent.as_deref().unwrap_or_default();
    match state {
        CaCertificateState::SelfSigned => format!(
            "serial {serial}, is a root: no parent can revoke it; take it out of every list of trusted CAs"
        ),
        CaCertificateState::ParentNotConfigured => format!(
            "serial {serial}, was signed by a CA that is not configured here: have it revoked there"
        ),
        CaCertificateState::NotIssued => format!(
            "serial {serial}, is not in the ledger among those of {parent:?}: import it and revoke it there"
        ),
        CaCertificateState::Revoked => {
            format!("serial {serial} of {parent:?}, is revoked already")
        }
        CaCertificateState::Good | CaCertificateState::OnHold if kept => {
            format!("serial {serial} of {parent:?}, stays as it is")
        }
        CaCertificateState::Good | CaCertificateState::OnHold => {
            format!("serial {serial} of {parent:?}, is revoked with them")
        }
    }
}

fn reply_text(reply: &RevokeAllReply) -> String {
    let RevokeAllReply {
        outcome,
        visible,
        ca_certificate_revoked,
        now,
    } = reply;
    let mut text = format!("issuer {:?}: all certificates ", now.issuer);
    match &now.revoked_as_a_whole {
        Some(whole) => text.push_str(&since(whole)),
        None => text.push_str("are not revoked"),
    }
    let affected = now.good.saturating_add(now.on_hold);
    line(
        &mut text,
        format_args!(
            "\n  {affected} of them by this, {} had been revoked before",
            now.revoked
        ),
    );
    let fate = if *ca_certificate_revoked {
        let CaCertificate { serial, parent, .. } = &now.ca_certificate;
        let parent = parent.as_deref().unwrap_or_default();
        format!("serial {serial} of {parent:?}, was revoked with them")
    } else {
        ca_text(&now.ca_certificate, true)
    };
    line(&mut text, format_args!("  its own certificate, {fate}"));
    text.push_str(match outcome {
        ChangeOutcome::Applied => "recorded; ",
        ChangeOutcome::Unchanged => "nothing to change; ",
    });
    text.push_str(match visible {
        Visible::Now => "visible in OCSP now",
        Visible::AtNextStart => "no server runs; visible in OCSP from its next start",
    });
    text
}

/// What an operator should know who revoked an issuer's own certificate.
pub(super) fn below_text(common: &Common, below: &IssuerBelow) -> String {
    let issuer = &below.issuer;
    if below.revoked_as_a_whole {
        return format!(
            "This is the certificate of issuer {issuer:?}, all of whose certificates are revoked already."
        );
    }
    let left = below.good.saturating_add(below.on_hold);
    let default = std::path::Path::new(super::CONFIG_DEFAULT);
    let config = if common.config == default {
        String::new()
    } else {
        format!(" --config {}", word(&common.config.display().to_string()))
    };
    format!(
        "This is the certificate of issuer {issuer:?}. The {left} certificates of it that are not revoked \
         are answered as before;\nto revoke them all:\n  estelam revoke --issuer {} --all --reason \
         cACompromise{config}",
        word(issuer)
    )
}

/// A word as a shell reads it.
fn word(text: &str) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_./@:+,".contains(&octet);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Since when and why all certificates of an issuer are revoked.
pub(super) fn since(whole: &WholeRevocation) -> String {
    let WholeRevocation {
        sequence,
        reason,
        revocation_time,
        ..
    } = whole;
    let reason = reason.as_deref().unwrap_or("unspecified");
    format!("revoked as a whole since {revocation_time} ({reason}, ledger entry {sequence})")
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _infallible = writeln!(text, "{arguments}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_command_can_be_pasted() {
        for (text, printed) in [
            ("ca", "ca"),
            ("/etc/a.toml", "/etc/a.toml"),
            ("", "''"),
            ("the CA", "'the CA'"),
            ("it's; rm", r"'it'\''s; rm'"),
            ("صادرکننده", "'صادرکننده'"),
        ] {
            assert_eq!(word(text), printed);
        }
    }
}
