//! `estelam crl publish`.

use clap::Args;

use crate::authority::{PublishCrlReply, PublishCrlRequest, WhichCrls};
use crate::cli::connection::Desk;
use crate::cli::{Common, Exit, Failure, output};

/// Make an issuer's CRLs that are due, from the ledger as it is now
///
/// Needs an [issuer.crl] in the configuration; a running server makes what is due by itself. Each CRL is
/// written beside its place, signed, read again, compared with the ledger and with the CRL before, and only
/// then put into its place: whoever reads it sees the old one or the new one. Its number was never used
/// before. Entries of expired certificates leave after they were on one CRL that was made on schedule after
/// their end. A running server brings them to every [[publish.target]] afterwards (`estelam stats` tells how
/// far that is); without a server this command waits until they are there.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  estelam crl publish --issuer ca\n  \
                        estelam crl publish --issuer ca --now")]
pub(super) struct PublishArguments {
    /// The issuer's name in the configuration; needed when there are several
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// All that are configured, whether they are due or not
    #[arg(long, conflicts_with_all = ["delta", "last"])]
    now: bool,
    /// The delta alone, whether it is due or not
    #[arg(long, conflicts_with = "last")]
    delta: bool,
    /// The last CRL of a CA that ends, valid until 9999: no other follows, and what is revoked later is on
    /// none. Needs --yes
    #[arg(long, requires = "yes")]
    last: bool,
    /// It is meant
    #[arg(long, requires = "last")]
    yes: bool,
    /// Publish although certificates are missing that the CRL before has
    #[arg(long)]
    accept_losses: bool,
}

pub(super) fn run(common: &Common, arguments: &PublishArguments) -> Result<Exit, Failure> {
    let which = match arguments {
        PublishArguments { now: true, .. } => WhichCrls::All,
        PublishArguments { delta: true, .. } => WhichCrls::Delta,
        PublishArguments { last: true, .. } => WhichCrls::Last,
        _ => WhichCrls::Due,
    };
    let request = PublishCrlRequest {
        issuer: arguments.issuer.clone(),
        which,
        accept_losses: arguments.accept_losses,
    };
    let reply = Desk::open_to_publish(common)?.publish_crl(&request)?;
    output::facts(common, &reply, || text(&reply))
}

fn text(reply: &PublishCrlReply) -> String {
    if reply.crls.is_empty() {
        let Some(next) = reply
            .next_due
            .as_deref()
            .filter(|next| !next.starts_with("9999"))
        else {
            return format!(
                "The last CRL of {:?} was published: only --last replaces it.",
                reply.issuer
            );
        };
        return format!(
            "Nothing of {:?} is due before {next}; --now makes all anyway.",
            reply.issuer
        );
    }
    let lines = reply.crls.iter().map(|crl| {
        let edition = &crl.edition;
        let base = edition
            .base
            .map_or_else(String::new, |base| format!(" on {base}"));
        let entries = match edition.entries {
            1 => "1 entry".to_owned(),
            count => format!("{count} entries"),
        };
        format!(
            "{} {}{base} of {:?}, {} to {}, {entries}, {} octets, as of ledger entry {}\n  {}\n  {}",
            edition.kind,
            edition.number,
            reply.issuer,
            edition.this_update,
            edition.next_update,
            edition.octets,
            edition.as_of,
            edition.url,
            crl.file
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}
