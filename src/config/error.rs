//! What can be wrong with a configuration, each with its place and its cure.

use std::{fmt, io, net::SocketAddr, path::PathBuf, time::Duration};

use super::{
    duration::text,
    feed::{SqlProblem, TargetError},
    place::Place,
    profile::Profile,
};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read, or is not UTF-8.
    #[error("cannot read the configuration {}: {source}{}", path.display(), read_advice(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not TOML, or does not have the form of a configuration.
    #[error("{}:{place}: {}{message}", path.display(), in_key(key.as_deref()))]
    Form {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: Place,
        /// The dotted key there, where one is.
        key: Option<String>,
        /// What is wrong, with the near miss for a mistyped word.
        message: String,
    },
    /// The form is right, but the values cannot be used; all that was found.
    #[error("{}", findings(path, found))]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong, at least one.
        found: Vec<Finding>,
    },
}

/// One value that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Where in the file; the table that it would be in for a value that is not set.
    pub place: Place,
    /// The dotted key.
    pub key: String,
    /// What is wrong with it.
    pub problem: Problem,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.key, self.problem)
    }
}

/// Why a value cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing to answer for.
    #[error("no issuer is configured: add an [[issuer]] table with the CA's name and certificate")]
    NoIssuer,
    /// Nobody to sign.
    #[error(
        "this issuer has no signer: add an [[issuer.signer]] table with the certificate and the key"
    )]
    NoSigner,
    /// More than one to sign.
    #[error(
        "this issuer has another signer already: one key signs for an issuer at a time, leave the one \
         that is meant"
    )]
    SeveralSigners,
    /// `good` for whatever the ledger has not seen.
    #[error(
        "\"good\" would vouch for serials that this CA never issued, a forger's among them. It is \
         there only for a CA whose status comes from CRLs alone (evidence = \"feed\"), where nobody \
         can tell what was issued; elsewhere take \"unauthorized\", \"unknown\" or \"extended_revoked\""
    )]
    GoodWithoutFeed,
    /// What the issuer's profile forbids.
    #[error("this does not fit profile = \"{profile}\": {why}")]
    AgainstProfile {
        /// The profile.
        profile: Profile,
        /// The clause, and what to do.
        why: &'static str,
    },
    /// Reasons that no CRL speaks of.
    #[error(
        "no scope lists what of {scope} is revoked for {reasons}: a certificate is known as good only when \
         the CRLs together cover every reason (RFC 5280 §6.3.3 (d)); add the scopes of the others"
    )]
    ReasonsMissing {
        /// The scope, without reasons.
        scope: String,
        /// What is missing.
        reasons: String,
    },
    /// Nobody who may push.
    #[error(
        "nobody may push: add a [[push.client]] table with a name, issuers and the token_sha256 that \
         `estelam push token` prints"
    )]
    NoPushClient,
    /// A client that could not prove who it is.
    #[error(
        "this client has no credential: add the token_sha256 that `estelam push token` prints, or its \
         certificate_sha256"
    )]
    NoCredential,
    /// A client certificate that nothing vouches for.
    #[error(
        "a client certificate is only looked at where [push] names the client_ca that issued it: set \
         client_ca, or use token_sha256"
    )]
    NoClientCa,
    /// One token for two clients.
    #[error(
        "another client has the same token: nobody could tell them apart, so make one for each"
    )]
    SharedToken,
    /// A name of no issuer.
    #[error("no issuer is called {name:?}: the name of an [[issuer]] table is meant")]
    NoSuchIssuer {
        /// The name.
        name: String,
    },
    /// A name that stands in file names and in lines that machines read.
    #[error("the name {name:?} cannot be used: 1 to 64 letters, digits, `.`, `_` and `-`")]
    PlainName {
        /// The name.
        name: String,
    },
    /// Nowhere to answer.
    #[error("no listener is configured: add a [[listen]] table with an address")]
    NoListener,
    /// A list that must not be empty.
    #[error("the list is empty: leave the key out for the default")]
    EmptyList,
    /// A text that must not be empty.
    #[error("the value is empty")]
    Empty,
    /// A name that would be awkward in a command, a log or a metric.
    #[error(
        "the name {name:?} cannot be used: up to {max} characters, no control characters, no space at \
         either end"
    )]
    Name {
        /// The name.
        name: String,
        /// The most characters.
        max: usize,
    },
    /// A name of a feed that could not be part of a file's name.
    #[error(
        "the name {name:?} of a feed cannot be used: up to {max} letters, digits, `-`, `_` and `.`, \
         the first a letter or digit"
    )]
    FeedName {
        /// The name.
        name: String,
        /// The most characters.
        max: usize,
    },
    /// No URL of a CRL.
    #[error("{url:?} cannot be fetched: {why}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: TargetError,
    },
    /// A URL for several shards that does not say which.
    #[error("{url:?} is the same for every shard: write {{shard}} where its number belongs")]
    NoShard {
        /// The URL.
        url: String,
    },
    /// A CRL that would end before the next one is made.
    #[error(
        "with a validity of {}, the CRL would end before the next one is made every {}",
        text(*validity), text(*interval)
    )]
    CrlInterval {
        /// From thisUpdate to nextUpdate.
        validity: Duration,
        /// How often one is made.
        interval: Duration,
    },
    /// Two URLs for CRLs of one scope.
    #[error(
        "two URLs are to give CRLs of the scope {scope}: each scope has one URL, and one for its deltas \
         (delta = \"…\")"
    )]
    ScopeTwice {
        /// The scope.
        scope: String,
    },
    /// A setting of a feed from a database.
    #[error("{0}")]
    Sql(SqlProblem),
    /// Columns of a CSV file by header and by number.
    #[error(
        "some columns are given by header and some by number: a file has a header line or none"
    )]
    ColumnsMixed,
    /// A CSV file with and without a status column.
    #[error("statuses say what a status column means, and every_status that there is none")]
    StatusTwice,
    /// The same value twice where each must be its own.
    #[error("{value} is set twice, first in line {first_line}")]
    Twice {
        /// The value.
        value: String,
        /// Where it was set first.
        first_line: usize,
    },
    /// Two listeners of which only one could be opened.
    #[error("{address} is within {other} of line {other_line}: the second could not be opened")]
    ListenersOverlap {
        /// This address.
        address: SocketAddr,
        /// The other address.
        other: SocketAddr,
        /// The other's line.
        other_line: usize,
    },
    /// A number outside its limits.
    #[error("{value} is out of range: {min} to {max}")]
    Number {
        /// The number.
        value: usize,
        /// The least.
        min: usize,
        /// The most.
        max: usize,
    },
    /// A duration outside its limits.
    #[error("{} is out of range: {} to {} ({why})", text(*value), text(*min), text(*max))]
    Duration {
        /// The duration.
        value: Duration,
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
        /// Who says so.
        why: &'static str,
    },
    /// A duration that times in answers, which have whole seconds, cannot express.
    #[error("{} is not a whole number of seconds", text(*value))]
    NotWholeSeconds {
        /// The duration.
        value: Duration,
    },
    /// Answers would be signed afresh too late, by the rules or at all.
    #[error(
        "with a validity of {}, answers must be signed afresh at least every {} ({why}), not every {}",
        text(*validity), text(*latest), text(*renew)
    )]
    RenewTooLate {
        /// How often they would be.
        renew: Duration,
        /// How long an answer is valid.
        validity: Duration,
        /// The longest that renewal may wait.
        latest: Duration,
        /// Who says so.
        why: &'static str,
    },
    /// Caches would be told to keep answers past their end.
    #[error("{} is longer than the validity of an answer, {}", text(*cache_max_age), text(*validity))]
    CachedPastValidity {
        /// How long caches may keep an answer.
        cache_max_age: Duration,
        /// How long it is valid.
        validity: Duration,
    },
    /// Not a path that requests could be sent to.
    #[error(
        "{path:?} is no path for requests: it begins with `/`, ends without one (`/` alone apart), and \
         has only letters, digits, `-`, `_`, `.`, `~` and single `/`"
    )]
    RequestPath {
        /// The path.
        path: String,
    },
    /// A URL that names what is served here.
    #[error("nothing can be served at {url:?}: {why}")]
    ServedUrl {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// One path for two things.
    #[error(
        "{path:?} is where {other} is served already (line {other_line}): each needs a path of its own"
    )]
    PathTaken {
        /// The path.
        path: String,
        /// What has it already.
        other: String,
        /// Its line.
        other_line: usize,
    },
    /// The kernel takes no longer name for a Unix socket.
    #[error(
        "{} has {octets} octets, and a Unix socket's path has at most {max}: set a shorter one",
        path.display()
    )]
    SocketPath {
        /// The path of the socket.
        path: PathBuf,
        /// Its length.
        octets: usize,
        /// The most octets.
        max: usize,
    },
    /// No name for the ledger's log.
    #[error(
        "{origin:?} is no name for a log: 1 to 255 octets without spaces and plus, as example.org/log"
    )]
    Origin {
        /// The name.
        origin: String,
    },
    /// A mode that files of CRLs cannot have.
    #[error(
        "{mode:#o} is no mode for files that are written here and read: 0o600 to 0o666, as 0o644"
    )]
    FileMode {
        /// The mode.
        mode: u32,
    },
    /// No beginning of keys.
    #[error("{prefix:?} is no prefix: names with single `/` between them, and none at either end")]
    StorePrefix {
        /// The prefix.
        prefix: String,
    },
    /// A setting of another kind of store.
    #[error("only a target of kind = {of:?} has this")]
    OtherStore {
        /// The kind.
        of: &'static str,
    },
    /// Half of what is needed to be let in.
    #[error("a store is asked with {what}")]
    StoreCredentials {
        /// What is needed.
        what: &'static str,
    },
    /// A secret from two places.
    #[error("set only one of secret_file, secret_env and secret_credential: which one is meant?")]
    SeveralSecrets,
    /// No address of a cache.
    #[error("{host:?} is no cache: host:port is meant, as 127.0.0.1:8080")]
    PurgeHost {
        /// What is there.
        host: String,
    },
    /// A command that would have to be looked for.
    #[error("the command is empty, or its program has no absolute path")]
    PurgeCommand,
    /// A passphrase from two places.
    #[error(
        "set only one of passphrase_file, passphrase_env and passphrase_credential: which one is meant?"
    )]
    SeveralPassphrases,
    /// A PIN from two places.
    #[error("set only one of pin_file, pin_env and pin_credential: which one is meant?")]
    SeveralPins,
    /// A key on a token, and no token.
    #[error(
        "the key is on a token, and none is configured: add a [[token]] table with name, module and \
         pin_file"
    )]
    NoToken,
    /// A key on one of several tokens.
    #[error("several tokens are configured: name the key's with token = \"…\" ({names})")]
    WhichToken {
        /// Their names.
        names: String,
    },
    /// A name of no token.
    #[error("no token is called {name:?}: the name of a [[token]] table is meant ({names})")]
    NoSuchToken {
        /// The name.
        name: String,
        /// Those that there are.
        names: String,
    },
    /// A token for a key in a file.
    #[error(
        "the key is a file's: for one on the token write its URI, as key = \"pkcs11:object=LABEL\" \
         (`estelam token list` shows it)"
    )]
    FileOnToken,
    /// A passphrase for a key on a token.
    #[error(
        "a key on a token has no passphrase: the PIN's place is in its [[token]] (pin_file, pin_env or \
         pin_credential)"
    )]
    PassphraseOnToken,
    /// No name of a file in systemd's folder of credentials.
    #[error("{name:?} is no name of a systemd credential: a file name without `/` is meant")]
    CredentialName {
        /// The name.
        name: String,
    },
    /// No name of an environment variable; not shown, since it may be the secret itself.
    #[error(
        "no name of an environment variable (letters, digits and `_`): the variable's name is meant, \
         not its value"
    )]
    EnvironmentName,
}

fn findings(path: &std::path::Path, found: &[Finding]) -> String {
    let lines: Vec<String> = found
        .iter()
        .map(|finding| format!("{}:{finding}", path.display()))
        .collect();
    lines.join("\n")
}

fn in_key(key: Option<&str>) -> String {
    key.map(|key| format!("{key}: ")).unwrap_or_default()
}

fn read_advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => " (`estelam init` writes one to start from)",
        io::ErrorKind::IsADirectory => " (name the file in it)",
        _ => "",
    }
}
