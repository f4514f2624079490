//! `estelam revoke`, `hold` and `release`.

use clap::Args;

use super::connection::Desk;
use super::{Common, Exit, Failure, output};
use crate::authority::{ChangeOutcome, ChangeReply, ChangeRequest, ClerkAction, Visible};

/// Which certificate.
#[derive(Args, Debug)]
struct Which {
    /// The certificate's serial number in hexadecimal, or the certificate itself (PEM or DER file)
    #[arg(value_name = "SERIAL|CERTIFICATE")]
    certificate: String,
    /// The issuer's name in the configuration; needed when there are several
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// Record it even if the ledger has not seen the certificate issued
    #[arg(long)]
    allow_unissued: bool,
}

/// Revoke a certificate for good; visible in OCSP when the command returns
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  estelam revoke 0A3F --reason keyCompromise")]
pub(super) struct RevokeArguments {
    #[command(flatten)]
    which: Which,
    /// unspecified, keyCompromise, cACompromise, affiliationChanged, superseded,
    /// cessationOfOperation, privilegeWithdrawn or aACompromise
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// When it was revoked, like 2026-03-21T08:30:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    revocation_time: Option<String>,
    /// Since when the key is known or suspected to be compromised
    #[arg(long, value_name = "TIME")]
    invalidity_date: Option<String>,
}

/// Put a certificate on hold: revoked with certificateHold until it is released or revoked
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  estelam hold 0A3F")]
pub(super) struct HoldArguments {
    #[command(flatten)]
    which: Which,
}

/// Release a certificate from hold
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  estelam release 0A3F")]
pub(super) struct ReleaseArguments {
    #[command(flatten)]
    which: Which,
}

pub(super) fn revoke(common: &Common, arguments: RevokeArguments) -> Result<Exit, Failure> {
    let RevokeArguments {
        which,
        reason,
        revocation_time,
        invalidity_date,
    } = arguments;
    if reason
        .as_deref()
        .is_some_and(|reason| reason.eq_ignore_ascii_case("certificateHold"))
    {
        return Err(Failure::new(
            Exit::Usage,
            "certificateHold is not for good: use `estelam hold`",
        ));
    }
    change(
        common,
        which,
        ClerkAction::Revoke {
            reason,
            revocation_time,
            invalidity_date,
        },
    )
}

pub(super) fn hold(common: &Common, arguments: HoldArguments) -> Result<Exit, Failure> {
    change(common, arguments.which, ClerkAction::Hold)
}

pub(super) fn release(common: &Common, arguments: ReleaseArguments) -> Result<Exit, Failure> {
    change(common, arguments.which, ClerkAction::Release)
}

fn change(common: &Common, which: Which, action: ClerkAction) -> Result<Exit, Failure> {
    let desk = Desk::open(common)?;
    let (issuer, serial) = desk.certificate(&which.certificate, which.issuer)?;
    let request = ChangeRequest {
        issuer,
        serial,
        action,
        allow_unissued: which.allow_unissued,
    };
    let reply = desk.change(&request)?;
    output::facts(common, &reply, || text(&reply))
}

fn text(reply: &ChangeReply) -> String {
    let outcome = match reply.outcome {
        ChangeOutcome::Applied => "recorded",
        ChangeOutcome::Unchanged => "nothing to change",
    };
    let visible = match reply.visible {
        Visible::Now => "visible in OCSP now",
        Visible::AtNextStart => "no server runs; visible in OCSP from its next start",
    };
    format!(
        "{}\n{outcome}; {visible}",
        super::status::text(&reply.status)
    )
}
