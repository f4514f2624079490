//! `estelam revoke`, `hold` and `release`.

use clap::Args;

use super::connection::Desk;
use super::{Common, Exit, Failure, output, revoke_all};
use crate::authority::{
    ChangeOutcome, ChangeReply, ChangeRequest, ClerkAction, RevokeAllRequest, Visible,
};

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

/// Revoke a certificate, or all of an issuer, for good; visible in OCSP when the command returns
///
/// With --all every certificate of the issuer is revoked by one act, those that it issues later included,
/// and the issuer's own certificate at its parent if that is configured here. What this means is shown
/// first, and the issuer's name has to be typed. It cannot be undone.
///
/// With --correct a revocation that was recorded wrongly gets another time, reason or invalidity date. It
/// stays revoked, the history keeps both, and clients see the correction at once. It can make a revocation
/// stricter only: never later, no hold, and no compromise taken back.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  estelam revoke 0A3F --reason keyCompromise\n  estelam revoke --issuer intermediate --all --reason keyCompromise\n  estelam revoke 0A3F --correct --reason keyCompromise --revocation-time 2026-03-01T00:00:00Z"
)]
pub(super) struct RevokeArguments {
    /// The certificate's serial number in hexadecimal, or the certificate itself (PEM or DER file)
    #[arg(
        value_name = "SERIAL|CERTIFICATE",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    certificate: Option<String>,
    /// The issuer's name in the configuration; needed when there are several, and with --all
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// Correct what was recorded of a revocation; what is not named stays as it was
    #[arg(long, conflicts_with_all = ["all", "allow_unissued"])]
    correct: bool,
    /// Revoke all certificates of the issuer
    #[arg(long, requires_all = ["issuer", "reason"])]
    all: bool,
    /// Do not ask whether --all is meant
    #[arg(long, requires = "all")]
    yes: bool,
    /// Leave the issuer's own certificate as it is at its parent
    #[arg(long, requires = "all")]
    keep_ca_certificate: bool,
    /// Record it even if the ledger has not seen the certificate issued
    #[arg(long, conflicts_with = "all")]
    allow_unissued: bool,
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
        certificate,
        issuer,
        correct,
        all,
        yes,
        keep_ca_certificate,
        allow_unissued,
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
            if all {
                "certificateHold is not for good: all certificates of an issuer can only be revoked"
            } else {
                "certificateHold is not for good: use `estelam hold`"
            },
        ));
    }
    // clap has demanded what each of the two forms needs.
    let Some(certificate) = certificate else {
        let request = RevokeAllRequest {
            issuer: issuer.unwrap_or_default(),
            reason: reason.unwrap_or_default(),
            revocation_time,
            invalidity_date,
            keep_ca_certificate,
        };
        return revoke_all::run(common, &request, yes);
    };
    let which = Which {
        certificate,
        issuer,
        allow_unissued,
    };
    if !correct {
        let action = ClerkAction::Revoke {
            reason,
            revocation_time,
            invalidity_date,
        };
        return change(common, which, action);
    }
    if reason.is_none() && revocation_time.is_none() && invalidity_date.is_none() {
        return Err(Failure::new(
            Exit::Usage,
            "say what is to be corrected: --reason, --revocation-time or --invalidity-date",
        ));
    }
    let action = ClerkAction::Correct {
        reason,
        revocation_time,
        invalidity_date,
    };
    change(common, which, action)
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
    output::facts(common, &reply, || text(common, &reply))
}

fn text(common: &Common, reply: &ChangeReply) -> String {
    let outcome = match reply.outcome {
        ChangeOutcome::Applied => "recorded",
        ChangeOutcome::Unchanged => "nothing to change",
    };
    let visible = match reply.visible {
        Visible::Now => "visible in OCSP now",
        Visible::AtNextStart => "no server runs; visible in OCSP from its next start",
    };
    let mut text = format!(
        "{}\n{outcome}; {visible}",
        super::status::text(&reply.status)
    );
    if let Some(below) = &reply.issuer_below {
        text.push_str("\n\n");
        text.push_str(&revoke_all::below_text(common, below));
    }
    text
}
