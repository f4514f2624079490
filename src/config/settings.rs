//! Every setting: meaning, unit, default. Limits on the values are in `judge`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use super::{
    ca::Ca,
    crl::Crl,
    duration,
    feed::Feed,
    key::SignerProcess,
    profile::Profile,
    publish::Publish,
    push::Push,
    retention::Retention,
    rsa_signature::RsaSignature,
    token::{Key, Token},
};
use crate::change::ExpectedScope;

/// The whole configuration.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folder for everything the program keeps: the ledger, the presigned answers and the
    /// admin socket. Default `state`. Who can write there can change the status of certificates.
    pub state_dir: PathBuf,
    /// The operator's door.
    pub admin: Admin,
    /// What signs for the ledger.
    pub ledger: LedgerSettings,
    /// Where OCSP requests are taken. Default: one listener at 127.0.0.1, port 8080.
    #[serde(rename = "listen")]
    pub listeners: Vec<Listen>,
    /// How requests are recognised.
    pub http: Http,
    /// What one client, and all together, may cost.
    pub limits: Limits,
    /// Where CA systems report issuance and revocation. Default: nowhere.
    pub push: Option<Push>,
    /// Where CRLs are brought, and what lists them.
    pub publish: Publish,
    /// Where keys are that never leave their hardware. Default none.
    #[serde(rename = "token")]
    pub tokens: Vec<Token>,
    /// The process that keys live in which are not to live in the server.
    pub signer_process: SignerProcess,
    /// Whose certificates are answered for. At least one.
    #[serde(rename = "issuer")]
    pub issuers: Vec<Issuer>,
}

impl Config {
    /// Where the admin socket lies: as configured, else `admin.sock` in the state folder.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.admin
            .socket
            .clone()
            .unwrap_or_else(|| self.state_dir.join("admin.sock"))
    }

    /// Where the ledger's key lies: as configured, else `keys/ledger.key` in the state folder.
    #[must_use]
    pub fn ledger_key(&self) -> PathBuf {
        self.ledger
            .key
            .clone()
            .unwrap_or_else(|| self.state_dir.join("keys/ledger.key"))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: PathBuf::from("state"),
            admin: Admin::default(),
            ledger: LedgerSettings::default(),
            listeners: vec![Listen {
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            }],
            http: Http::default(),
            limits: Limits::default(),
            push: None,
            publish: Publish::default(),
            tokens: Vec::new(),
            signer_process: SignerProcess::default(),
            issuers: Vec::new(),
        }
    }
}

/// `[admin]`
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// The Unix socket that `revoke`, `status`, `stats` and the like use while a server runs.
    /// Default: `admin.sock` in the state folder. Who can connect to it can revoke.
    pub socket: Option<PathBuf>,
}

/// `[ledger]`
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerSettings {
    /// The key that signs checkpoints of the ledger: an Ed25519 key, PKCS#8 PEM, not encrypted. Made
    /// where there is none. Default: `keys/ledger.key` in the state folder. Who can read it can sign a
    /// ledger of their own in this one's name.
    pub key: Option<PathBuf>,
    /// The name that the ledger's log goes by in checkpoints, for instance `example.org/revocations`:
    /// no spaces, no plus. Others verify under it, so it is chosen once. Default: `estelam/` and 16
    /// hexadecimal digits of the hash of its key.
    pub origin: Option<String>,
}

/// `[[listen]]`
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Address and port, for instance `0.0.0.0:80` or `[::]:80`; port 0 takes any free one.
    /// Everybody who can reach it may ask; nothing asked there changes anything.
    pub address: SocketAddr,
}

/// `[http]`
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// The paths that OCSP requests are posted to and that GET requests begin with. The longest
    /// that fits counts. Default `/ocsp` and `/`.
    pub ocsp_paths: Vec<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            ocsp_paths: vec!["/ocsp".to_owned(), "/".to_owned()],
        }
    }
}

/// `[limits]`: no client can make the server spend more than this.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The longest request body, in octets. Default 4096: an unsigned request for eight
    /// certificates with a nonce has about 900.
    pub request_octets: usize,
    /// The longest path of a GET request, in octets. Default 8192: the longest body in base64, with
    /// room for percent escapes.
    pub get_path_octets: usize,
    /// The most certificates that one request may ask about. Default 8.
    pub cert_ids: usize,
    /// The most connections open at once, over all listeners. Default 10000.
    pub connections: usize,
    /// How long a client may take to send the head of a request, and as long again for its body.
    /// Default 10 s.
    #[serde(deserialize_with = "duration::deserialize")]
    pub header_timeout: Duration,
    /// How long a connection may stay open without a request. Default 60 s.
    #[serde(deserialize_with = "duration::deserialize")]
    pub idle_timeout: Duration,
    /// How long a client may take to read an answer, or each 16 KiB of it. Default 10 s.
    #[serde(deserialize_with = "duration::deserialize")]
    pub write_timeout: Duration,
    /// The most questions that wait for a fresh signature; the next is answered as the issuer's
    /// `when_busy` says. Of several issuers none may take more places than it leaves free. Default 1024.
    pub live_queue: usize,
    /// How long a question may wait for its fresh signature before it is answered as the issuer's
    /// `when_busy` says. Default 2 s.
    #[serde(deserialize_with = "duration::deserialize")]
    pub live_deadline: Duration,
    /// Threads that sign what is asked, at nice 5. Default 0: half as many as there are cores, and one
    /// at least. A key in another process or on a token may be worth more than that.
    pub live_threads: usize,
    /// How long answers under way may take when the server is told to stop. Default 10 s.
    #[serde(deserialize_with = "duration::deserialize")]
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_octets: 4_096,
            get_path_octets: 8_192,
            cert_ids: 8,
            connections: 10_000,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(10),
            live_queue: 1_024,
            live_deadline: Duration::from_secs(2),
            live_threads: 0,
            drain_time: Duration::from_secs(10),
        }
    }
}

/// `[[issuer]]`: one CA name with one CA key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// What operators call it: `--issuer NAME`, logs, statistics. No default.
    pub name: String,
    /// The CA's certificate, PEM or DER. No default. Who can write it chooses whom we answer for.
    pub certificate: PathBuf,
    /// The URL under which its certificates name the CA's own certificate (caIssuers of
    /// authorityInfoAccess), for instance `http://pki.example.org/ca.cer`: DER is served at its path.
    /// Default: it is not served.
    #[serde(default)]
    pub certificate_url: Option<String>,
    /// Whose rules its answers keep to. What an answer, its signer or a setting would break is refused, and
    /// an answer that breaks its profile is never signed. Default `private`.
    #[serde(default)]
    pub profile: Profile,
    /// What says how fresh the ledger is for this CA. Default `ledger`.
    #[serde(default)]
    pub evidence: Evidence,
    /// Certificates that may sign this CA's CRLs beside its own, PEM or DER, each with the CA's name
    /// as its subject. Default none. Who can write them chooses whose CRLs are believed.
    #[serde(default)]
    pub crl_signers: Vec<PathBuf>,
    /// Certificates of other CAs whose indirect CRLs list this CA's certificates (RFC 5280 §5.3.3), PEM or
    /// DER: those that this CA's certificates name as cRLIssuer. Default none. Who can write them chooses
    /// whose CRLs are believed.
    #[serde(default)]
    pub crl_issuers: Vec<PathBuf>,
    /// The scopes of this CA's CRLs that together list all of its certificates: `full`, `user` and `ca`
    /// (CRLs of end-entity and CA certificates alone), or the name of a distribution point, octet for octet
    /// as the CRL's issuingDistributionPoint has it: a URI, or `directoryName:` and DER in hexadecimal, as
    /// the refusal of such a CRL prints it. A CRL of some reasons alone (onlySomeReasons) is such a scope with
    /// ` reasons=keyCompromise,cACompromise` behind it, and all of these together have to name every reason. A
    /// CRL of one of the `crl_issuers` without a distribution point is that of its issuer's name. No CRL of another scope is taken unasked, and with
    /// `evidence = "feed"` nothing is signed without one in date of each. Default: those of its
    /// `crl_url` feeds, or without such a feed the full CRL. Who can write here can have certificates
    /// answered good that are on a CRL which is not listed.
    #[serde(default)]
    pub crl_scopes: Vec<ExpectedScope>,
    /// How answers name their signer. Default `key`.
    #[serde(default)]
    pub responder_id: ResponderId,
    /// What a serial gets that this CA never issued. Default `unauthorized`.
    #[serde(default)]
    pub not_issued: NotIssued,
    /// What becomes of the nonce in a request (RFC 9654). Default `ignore`.
    #[serde(default)]
    pub nonce: Nonce,
    /// Whether a request with `Cache-Control: no-cache` is answered with a fresh signature, and so a
    /// thisUpdate of now. Clients that keep to RFC 9919 §7.2 send it only after an answer that had ended;
    /// some HTTP libraries send it always. Default false.
    #[serde(default)]
    pub fresh: bool,
    /// What a question gets for which there is a presigned answer, but for its nonce or freshness, when
    /// it cannot be signed in time. Default `try_later`.
    #[serde(default)]
    pub when_busy: WhenBusy,
    /// How long after its notAfter the status of a certificate is answered; then a question about it is
    /// `unauthorized`. What the ledger has of it stays. Default `forever`.
    #[serde(default)]
    pub keep_expired: Retention,
    /// From thisUpdate to nextUpdate. Default 95 h 59 min 59 s, which is four days as they are
    /// counted: both ends included.
    #[serde(
        default = "Issuer::default_validity",
        deserialize_with = "duration::deserialize"
    )]
    pub validity: Duration,
    /// How often every answer is signed afresh. Default 24 h.
    #[serde(
        default = "Issuer::default_renew",
        deserialize_with = "duration::deserialize"
    )]
    pub renew: Duration,
    /// Whether answers about issued certificates carry archiveCutoff (RFC 6960 §4.4.4): the moment since
    /// which the status of expired certificates is told, producedAt less `keep_expired`, and for `forever`
    /// the notBefore of the CA's certificate. Default `true` with `profile = "etsi-qualified"`, else `false`.
    pub archive_cutoff: Option<bool>,
    /// The longest that caches on the way may keep an answer, and so hide a revocation. Default 1 h, with
    /// `profile = "br"` 12 h, and never more than the validity.
    #[serde(default, deserialize_with = "duration::optional")]
    pub cache_max_age: Option<Duration>,
    /// The hashes in CertIDs for which answers are signed ahead; each costs a signature and 64
    /// octets or more a certificate. Default both.
    #[serde(default = "Issuer::default_cert_id_hashes")]
    pub cert_id_hashes: Vec<CertIdHash>,
    /// Who signs: exactly one.
    #[serde(default, rename = "signer")]
    pub signers: Vec<Signer>,
    /// The CA's own key, where this installation issues its certificates. Default: it does not.
    pub ca: Option<Ca>,
    /// The issuer's CRL, where it is made here. Default: it is not.
    pub crl: Option<Crl>,
    /// Where the status of its certificates comes from while the server runs. Default nowhere: by
    /// commands alone.
    #[serde(default, rename = "feed")]
    pub feeds: Vec<Feed>,
    /// What is answered once a feed has been without success for its `stale_after`. Default
    /// `try_later`.
    #[serde(default)]
    pub when_stale: WhenStale,
}

impl Issuer {
    /// An issuer with every setting at its default and no signer yet.
    #[must_use]
    pub fn new(name: &str, certificate: &Path) -> Self {
        Self {
            name: name.to_owned(),
            certificate: certificate.to_owned(),
            certificate_url: None,
            profile: Profile::default(),
            evidence: Evidence::default(),
            crl_signers: Vec::new(),
            crl_issuers: Vec::new(),
            crl_scopes: Vec::new(),
            responder_id: ResponderId::default(),
            not_issued: NotIssued::default(),
            nonce: Nonce::default(),
            fresh: false,
            when_busy: WhenBusy::default(),
            keep_expired: Retention::default(),
            validity: Self::default_validity(),
            renew: Self::default_renew(),
            archive_cutoff: None,
            cache_max_age: None,
            cert_id_hashes: Self::default_cert_id_hashes(),
            signers: Vec::new(),
            ca: None,
            crl: None,
            feeds: Vec::new(),
            when_stale: WhenStale::default(),
        }
    }

    /// The scopes that together list all certificates.
    #[must_use]
    pub fn crl_scopes(&self) -> Vec<ExpectedScope> {
        if !self.crl_scopes.is_empty() {
            return self.crl_scopes.clone();
        }
        let mut scopes = Vec::new();
        for feed in &self.feeds {
            if let Feed::CrlUrl(feed) = feed {
                for (_, scope) in feed.crls() {
                    if !scopes.contains(&scope) {
                        scopes.push(scope);
                    }
                }
            }
        }
        match scopes.as_slice() {
            [] => vec![ExpectedScope::Full],
            _ => scopes,
        }
    }

    /// The longest that caches may keep an answer: as configured, else what is usual in its profile.
    #[must_use]
    pub fn cache_max_age(&self) -> Duration {
        self.cache_max_age
            .unwrap_or_else(|| self.profile.cache_max_age().min(self.validity))
    }

    /// Whether answers carry archiveCutoff: as configured, else what its profile wants.
    #[must_use]
    pub fn archive_cutoff(&self) -> bool {
        self.archive_cutoff
            .unwrap_or_else(|| self.profile.archive_cutoff())
    }

    /// Four days less one second (BR §4.9.9 counts inclusively).
    const fn default_validity() -> Duration {
        Duration::from_secs(4 * 24 * 60 * 60 - 1)
    }

    const fn default_renew() -> Duration {
        Duration::from_secs(24 * 60 * 60)
    }

    fn default_cert_id_hashes() -> Vec<CertIdHash> {
        vec![CertIdHash::Sha1, CertIdHash::Sha256]
    }
}

/// What says how fresh the ledger is for a CA.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The ledger itself: every change comes to it at once, so that what it has is true now.
    #[default]
    Ledger,
    /// The newest CRL that was imported, and nothing else: answers are dated by its thisUpdate and end
    /// with its nextUpdate at the latest. After that nothing is signed until a newer one comes.
    Feed,
}

/// How answers name their signer (responderID, RFC 6960 §4.2.1).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ResponderId {
    /// By the SHA-1 of its key, as RFC 9919 §3.2.2 wants it of new responders.
    #[default]
    Key,
    /// By the subject of its certificate, for old clients that know nothing else.
    Name,
}

/// What a serial gets that its CA never issued.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum NotIssued {
    /// The unsigned OCSPResponseStatus `unauthorized` (RFC 9919 §3.2.3): costs no signature, so that
    /// made-up serials cannot keep the signer busy.
    #[default]
    Unauthorized,
    /// A signed `unknown` (RFC 6960 §2.2).
    Unknown,
    /// A signed `revoked` with certificateHold since 1970 and the extended-revoke extension
    /// (RFC 6960 §2.2, §4.4.8).
    ExtendedRevoked,
    /// A signed `good`: not on the CRL. Only for a CA whose status comes from CRLs alone
    /// (`evidence = "feed"`), where nobody can tell what was issued, and only while a CRL is in date.
    Good,
}

/// What becomes of the nonce in a request.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Nonce {
    /// The presigned answer, without it (RFC 9919 §3.2.1).
    #[default]
    Ignore,
    /// A signature of its own for every such request, with the nonce in it: 1 to 128 octets.
    Echo,
}

/// What is answered where a fresh signature does not come in time and a presigned answer exists.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum WhenBusy {
    /// The unsigned OCSPResponseStatus `tryLater`.
    #[default]
    TryLater,
    /// The presigned answer, without the nonce.
    Presigned,
}

/// What is answered while a feed is past its `stale_after`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum WhenStale {
    /// `tryLater` to everything but a certificate that is revoked for good: what the feed may have to
    /// say is not known.
    #[default]
    TryLater,
    /// What was known last. A revocation may be hidden for as long as nobody mends the feed.
    Serve,
}

/// A hash in a CertID for which answers are signed ahead.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum CertIdHash {
    /// What RFC 5019 required and most clients send.
    Sha1,
    /// What RFC 9919 asks new clients to send.
    Sha256,
}

/// `[[issuer.signer]]`: a certificate that may sign for the issuer, with its key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// A certificate for OCSP signing that the CA issued, or the CA's own; PEM or DER. No default.
    pub certificate: PathBuf,
    /// Its private key: the file of one in PKCS#8 PEM, plain or encrypted, or the `pkcs11:` URI of one on a
    /// token. No default. Who can read the file (and its passphrase), or use the token, can sign any status.
    pub key: Key,
    /// The name of the `[[token]]` that the key is on. Default: the only one.
    pub token: Option<String>,
    /// The file with the passphrase of the key; one line break at its end does not count.
    pub passphrase_file: Option<PathBuf>,
    /// The environment variable with the passphrase of the key.
    pub passphrase_env: Option<String>,
    /// The systemd credential with the passphrase of the key: a file of this name in
    /// `$CREDENTIALS_DIRECTORY` (`LoadCredentialEncrypted=` in the unit).
    pub passphrase_credential: Option<String>,
    /// Whether the key lives in a process of its own (`estelam signer`) while a server runs. Default
    /// `false` for a key in a file.
    pub signer_process: Option<bool>,
    /// How an RSA key signs: `pkcs1` (PKCS#1 v1.5 with SHA-256), `pss` (RSASSA-PSS with SHA-256) or
    /// `pss-sha384`. Default: `pkcs1`, and for a key made for RSASSA-PSS alone the hash that it is bound to,
    /// else SHA-256.
    pub signature: Option<RsaSignature>,
}

impl Signer {
    /// A signer whose key is not encrypted.
    #[must_use]
    pub fn new(certificate: &Path, key: &Path) -> Self {
        Self {
            certificate: certificate.to_owned(),
            key: Key::File(key.to_owned()),
            token: None,
            passphrase_file: None,
            passphrase_env: None,
            passphrase_credential: None,
            signer_process: None,
            signature: None,
        }
    }

    /// Where the passphrase comes from; at most one of the three is set in a judged configuration.
    #[must_use]
    pub fn passphrase(&self) -> Option<PassphraseSource> {
        PassphraseSource::first(
            self.passphrase_file.as_deref(),
            self.passphrase_env.as_deref(),
            self.passphrase_credential.as_deref(),
        )
    }
}

/// Where a passphrase comes from. Never the passphrase itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PassphraseSource {
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A file of this name in systemd's `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

impl PassphraseSource {
    /// The one of the three that is set.
    pub(super) fn first(
        file: Option<&Path>,
        environment: Option<&str>,
        credential: Option<&str>,
    ) -> Option<Self> {
        let file = file.map(|path| Self::File(path.to_owned()));
        let environment = || environment.map(|name| Self::Environment(name.to_owned()));
        let credential = || credential.map(|name| Self::Credential(name.to_owned()));
        file.or_else(environment).or_else(credential)
    }
}
