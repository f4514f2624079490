//! The issuers that are answered for: their certificates, policies and signers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;

use crate::asn1::{Certificate, UnixTime};
use crate::catalog::crls::url_path;
use crate::catalog::files::CaCertificate;
use crate::catalog::{IssuerEntry, IssuerPolicy, NotIssued};
use crate::change::ExpectedScope;
use crate::config::{self, Config};
use crate::identity::IssuerId;
use crate::ocsp::{CertId, HashAlgorithm, IssuerHashes};
use crate::presign::{Archive, ValidityPolicy};
use crate::signer::{Keys, LoadError, LoadedSigner, SignerError};

use super::profile::Rules;
use super::{ErrorClass, OperationError};

/// One issuer as configured.
pub struct Issuer {
    /// Name and key.
    pub id: IssuerId,
    /// The operator's name for it.
    pub name: String,
    /// Its certificate.
    pub certificate: Arc<Certificate>,
    /// Certificates of its name, not its own, that may sign its CRLs as well. Their keys' right to do
    /// so is judged with the CRL.
    pub crl_signers: Vec<Arc<Certificate>>,
    /// Certificates of other names whose indirect CRLs count for it.
    pub crl_issuers: Vec<Arc<Certificate>>,
    /// Whether its answers are as fresh as the ledger, or as the newest CRL taken for it.
    pub evidence: config::Evidence,
    /// The scopes of its CRLs that together list all its certificates. At least one.
    pub crl_scopes: Vec<ExpectedScope>,
    /// How its answers name their signer.
    pub responder_id: config::ResponderId,
    /// Its hashes under every algorithm that is signed ahead of time.
    pub presigned: Vec<IssuerHashes>,
    /// What the responder has to know of it.
    pub policy: IssuerPolicy,
    /// How long answers hold.
    pub validity: ValidityPolicy,
    /// What its profile wants.
    pub(super) rules: Rules,
    /// Until when the status of its expired certificates is answered.
    pub keep_expired: config::Retention,
    /// How its CRL is made, if it is made here.
    pub crl: Option<config::Crl>,
    /// Where its certificates' status comes from.
    pub feeds: Vec<config::Feed>,
    /// What is answered while one of them is silent for too long.
    pub when_stale: config::WhenStale,
    /// Where its certificate is served.
    certificate_url: Option<String>,
    signer_config: Option<config::Signer>,
    /// Who opens its keys.
    pub(super) keys: Arc<Keys>,
    signer: ArcSwapOption<LoadedSigner>,
    /// See [`Issuer::is_left_to_renewal`].
    left_to_renewal: AtomicBool,
    /// Whether it was told that nothing can be signed for want of a CRL in date.
    stale: AtomicBool,
    /// See [`Issuer::is_held_back`].
    held_back: AtomicBool,
    /// Whether it was told that its key is away.
    key_away: AtomicBool,
    /// See [`Issuer::found_breach`].
    breach_told: AtomicBool,
}

impl Issuer {
    /// Reads the issuer's certificate. The signer is not loaded yet.
    ///
    /// # Errors
    /// When a certificate cannot be read, or a signer of CRLs bears another name than the issuer.
    pub fn new(config: &config::Issuer, keys: &Arc<Keys>) -> Result<Self, OperationError> {
        let refused = |why: &dyn std::fmt::Display| {
            let message = format!("issuer {:?}: {why}", config.name);
            OperationError::new(ErrorClass::Config, message)
        };
        let read = |path| config::read_certificate(path).map_err(|error| refused(&error));
        let certificate = read(&config.certificate)?;
        let mut crl_signers = Vec::new();
        for path in &config.crl_signers {
            let signer = read(path)?;
            if signer.subject_der() != certificate.subject_der() {
                return Err(refused(&format_args!(
                    "the certificate {} may not sign its CRLs: its subject is not the CA's, octet for \
                     octet (who makes indirect CRLs belongs under crl_issuers)",
                    path.display()
                )));
            }
            crl_signers.push(Arc::new(signer));
        }
        let mut crl_issuers = Vec::new();
        for path in &config.crl_issuers {
            let other = read(path)?;
            if other.subject_der() == certificate.subject_der() {
                return Err(refused(&format_args!(
                    "the certificate {} of crl_issuers bears the CA's own name: another key that signs its \
                     CRLs belongs under crl_signers",
                    path.display()
                )));
            }
            crl_issuers.push(Arc::new(other));
        }
        let rules = Rules::new(config.profile, &certificate);
        if let Some(crl) = &config.crl {
            rules.judge_crl(crl).map_err(|breach| refused(&breach))?;
        }
        let presigned: Vec<HashAlgorithm> = (config.cert_id_hashes.iter())
            .map(|hash| algorithm(*hash))
            .collect();
        Ok(Self {
            id: certificate.issuer_id(),
            name: config.name.clone(),
            presigned: hashes(&certificate, &presigned).collect(),
            policy: IssuerPolicy {
                not_issued: not_issued(config.not_issued),
                cache_max_age: config.cache_max_age(),
                echoes_nonce: config.nonce == config::Nonce::Echo,
                signs_afresh: config.fresh,
                presigned_when_busy: config.when_busy == config::WhenBusy::Presigned,
                has_other_algorithms: config.signers.len() > 1,
            },
            validity: ValidityPolicy {
                validity: config.validity,
                renew_every: config.renew,
                archive: config.archive_cutoff().then(|| Archive {
                    since: certificate.not_before(),
                    kept: config.keep_expired.time(),
                }),
                bounds: rules.bounds(),
            },
            rules,
            keep_expired: config.keep_expired,
            crl: config.crl.clone(),
            certificate_url: config.certificate_url.clone(),
            signer_config: config.signers.first().cloned(),
            keys: Arc::clone(keys),
            signer: ArcSwapOption::empty(),
            left_to_renewal: AtomicBool::new(false),
            stale: AtomicBool::new(false),
            held_back: AtomicBool::new(false),
            key_away: AtomicBool::new(false),
            breach_told: AtomicBool::new(false),
            feeds: config.feeds.clone(),
            when_stale: config.when_stale,
            crl_signers,
            crl_issuers,
            evidence: config.evidence,
            crl_scopes: config.crl_scopes(),
            responder_id: config.responder_id,
            certificate: Arc::new(certificate),
        })
    }

    /// Its certificate, if it is served.
    pub(super) fn served_certificate(&self) -> Option<CaCertificate> {
        let url = self.certificate_url.as_deref()?;
        Some(CaCertificate {
            path: url_path(url).to_owned(),
            der: self.certificate.der().to_vec(),
        })
    }

    /// Loads (or loads again) the signer and judges it. The one loaded before stays when this
    /// fails.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load_signer(&self, now: UnixTime) -> Result<(), LoadError> {
        let Some(settings) = &self.signer_config else {
            return Ok(());
        };
        let loaded = crate::signer::open(&self.certificate, settings, &self.keys, now)?;
        self.rules
            .judge_signer(&loaded)
            .map_err(|breach| LoadError::Profile {
                certificate: settings.certificate.clone(),
                breach: Box::new(breach),
            })?;
        let loaded = match self.responder_id {
            config::ResponderId::Key => loaded,
            config::ResponderId::Name => loaded.named_by_subject(),
        };
        self.signer.store(Some(Arc::new(loaded)));
        Ok(())
    }

    /// Whose rules it keeps to.
    #[must_use]
    pub const fn profile(&self) -> config::Profile {
        self.rules.profile()
    }

    /// Whether a signer is configured at all.
    #[must_use]
    pub const fn has_signer_configured(&self) -> bool {
        self.signer_config.is_some()
    }

    /// The signer, if it is loaded.
    #[must_use]
    pub fn signer(&self) -> Option<Arc<LoadedSigner>> {
        self.signer.load_full()
    }

    /// All signers that are loaded, the one of the presigned answers first.
    pub fn signers(&self) -> impl Iterator<Item = Arc<LoadedSigner>> {
        self.signer().into_iter()
    }

    /// Whether every signer that is configured is loaded.
    #[must_use]
    pub fn has_all_signers(&self) -> bool {
        self.signer_config.is_none() || self.signer.load().is_some()
    }

    /// Whether its changes need no masks: nothing of it was ever signed, so that every question about
    /// it is answered from the ledger until its shards are. An import of any size then costs the
    /// overlay nothing, also without the key.
    pub(super) fn is_left_to_renewal(&self) -> bool {
        self.left_to_renewal.load(Ordering::SeqCst)
    }

    pub(super) fn leave_to_renewal(&self, left: bool) {
        self.left_to_renewal.store(left, Ordering::SeqCst);
    }

    /// Notes that there is no CRL in date; true when that is news.
    pub(super) fn went_stale(&self) -> bool {
        !self.stale.swap(true, Ordering::Relaxed)
    }

    /// Notes that there is a CRL in date; true when that is news.
    pub(super) fn is_fresh_again(&self) -> bool {
        self.stale.swap(false, Ordering::Relaxed)
    }

    /// Notes that a status cannot be told since it breaks the profile; true when that is news.
    pub(super) fn found_breach(&self) -> bool {
        !self.breach_told.swap(true, Ordering::Relaxed)
    }

    /// Whether a feed of it is silent for too long, so that nothing is signed for it but that a
    /// certificate is revoked for good.
    pub(super) fn is_held_back(&self) -> bool {
        self.held_back.load(Ordering::SeqCst)
    }

    pub(super) fn set_held_back(&self, held_back: bool) {
        self.held_back.store(held_back, Ordering::SeqCst);
    }

    /// Whether its key was away when something was to be signed last.
    pub(super) fn is_key_away(&self) -> bool {
        self.key_away.load(Ordering::Relaxed)
    }

    /// Whether a signing failed since the key is away, which is told once: work waits and is tried again,
    /// many times a minute.
    pub(super) fn key_went_away(&self, error: &SignerError) -> bool {
        let SignerError::Unavailable { why } = error else {
            return false;
        };
        if !self.key_away.swap(true, Ordering::Relaxed) {
            tracing::error!(
                issuer = self.name,
                "{why}: what is signed is served until it ends, and signing goes on when the key is back"
            );
        }
        true
    }

    /// Something was signed.
    pub(super) fn key_signed(&self) {
        if self.is_key_away() && self.key_away.swap(false, Ordering::Relaxed) {
            tracing::info!(issuer = self.name, "the signing key is back");
        }
    }

    /// How CertIDs under these algorithms name it.
    fn hashes(&self, algorithms: &[HashAlgorithm]) -> impl Iterator<Item = IssuerHashes> {
        hashes(&self.certificate, algorithms)
    }

    /// What the responder needs to know.
    #[must_use]
    pub fn catalog_entry(&self) -> IssuerEntry {
        IssuerEntry {
            id: self.id,
            name: self.name.clone(),
            subject_der: self.certificate.subject_der().to_vec(),
            public_key_octets: self.certificate.public_key_octets().to_vec(),
            policy: self.policy,
        }
    }
}

fn hashes(
    certificate: &Certificate,
    algorithms: &[HashAlgorithm],
) -> impl Iterator<Item = IssuerHashes> {
    algorithms.iter().map(|algorithm| {
        IssuerHashes::new(
            *algorithm,
            certificate.subject_der(),
            certificate.public_key_octets(),
        )
    })
}

const fn algorithm(hash: config::CertIdHash) -> HashAlgorithm {
    match hash {
        config::CertIdHash::Sha1 => HashAlgorithm::Sha1,
        config::CertIdHash::Sha256 => HashAlgorithm::Sha256,
    }
}

const fn not_issued(policy: config::NotIssued) -> NotIssued {
    match policy {
        config::NotIssued::Unauthorized => NotIssued::Unauthorized,
        config::NotIssued::Unknown => NotIssued::Unknown,
        config::NotIssued::ExtendedRevoked => NotIssued::ExtendedRevoked,
        config::NotIssued::Good => NotIssued::Good,
    }
}

/// All configured issuers, in the order of the configuration, found by id or CertID at once: there may
/// be hundreds, and every question and every ledger entry looks for one.
#[derive(Clone)]
pub struct Issuers(Arc<Table>);

struct Table {
    all: Vec<Arc<Issuer>>,
    by_id: HashMap<IssuerId, usize>,
    /// Under the hashes of every algorithm.
    by_hashes: HashMap<IssuerHashes, usize>,
}

impl Issuers {
    /// Reads every issuer's certificate. Their keys are opened in this process.
    ///
    /// # Errors
    /// When one cannot be read, or two are the same issuer under different names.
    pub fn new(config: &Config) -> Result<Self, OperationError> {
        Self::with_keys(config, &Keys::here())
    }

    /// The same, with keys that `keys` opens.
    ///
    /// # Errors
    /// As [`Issuers::new`].
    pub fn with_keys(config: &Config, keys: &Arc<Keys>) -> Result<Self, OperationError> {
        let mut table = Table {
            all: Vec::new(),
            by_id: HashMap::new(),
            by_hashes: HashMap::new(),
        };
        for issuer in &config.issuers {
            let issuer = Arc::new(Issuer::new(issuer, keys)?);
            table.insert(issuer)?;
        }
        Ok(Self(Arc::new(table)))
    }

    /// In the order of the configuration.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Issuer>> {
        self.0.all.iter()
    }

    /// The issuer with this id.
    #[must_use]
    pub fn by_id(&self, id: &IssuerId) -> Option<&Arc<Issuer>> {
        self.0.all.get(self.position(id)?)
    }

    /// The place of an issuer in the configuration.
    #[must_use]
    pub fn position(&self, id: &IssuerId) -> Option<usize> {
        self.0.by_id.get(id).copied()
    }

    /// The issuer with this name; without a name the only one.
    ///
    /// # Errors
    /// When there is no such issuer, or several and none was named.
    pub fn by_name(&self, name: Option<&str>) -> Result<&Arc<Issuer>, OperationError> {
        let known = || {
            let names: Vec<&str> = self.iter().map(|issuer| issuer.name.as_str()).collect();
            names.join(", ")
        };
        match (name, self.0.all.as_slice()) {
            (None, [only]) => Ok(only),
            (None, _) => Err(OperationError::new(
                ErrorClass::Usage,
                format!(
                    "several issuers are configured: name one with --issuer ({})",
                    known()
                ),
            )),
            (Some(name), all) => all
                .iter()
                .find(|issuer| issuer.name == name)
                .ok_or_else(|| {
                    OperationError::new(
                        ErrorClass::Usage,
                        format!("no issuer is called {name:?}; configured are: {}", known()),
                    )
                }),
        }
    }

    /// The issuer that a CertID names, under any hash that is understood: by both its name and its key,
    /// since a key under another name is another issuer (RFC 6960 §4.1.1).
    #[must_use]
    pub fn by_cert_id(&self, cert_id: &CertId<'_>) -> Option<&Arc<Issuer>> {
        let hashes = cert_id.issuer_hashes()?;
        self.0.all.get(*self.0.by_hashes.get(&hashes)?)
    }
}

impl Table {
    fn insert(&mut self, issuer: Arc<Issuer>) -> Result<(), OperationError> {
        let place = self.all.len();
        let mut same = None;
        match self.by_id.entry(issuer.id) {
            Entry::Occupied(known) => same = Some(*known.get()),
            Entry::Vacant(free) => {
                free.insert(place);
            }
        }
        // Also the same key bits under another algorithm identifier: no CertID tells them apart.
        for hashes in issuer.hashes(&HashAlgorithm::ALL) {
            match self.by_hashes.entry(hashes) {
                Entry::Occupied(known) => same = Some(*known.get()),
                Entry::Vacant(free) => {
                    free.insert(place);
                }
            }
        }
        if let Some(same) = same.and_then(|same| self.all.get(same)) {
            return Err(OperationError::new(
                ErrorClass::Config,
                format!(
                    "issuers {:?} and {:?} have the same name and key: configure it once",
                    same.name, issuer.name
                ),
            ));
        }
        self.all.push(issuer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::ocsp::RequestLimits;

    fn openssl(folder: &Path, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(folder)
            .output()
            .expect("openssl, which `setup` installs");
        assert!(output.status.success(), "{output:?}");
    }

    /// Certificates `NAME.pem` of these names and keys.
    fn certificates(folder: &Path, names_and_keys: &[(&str, &str, &str)]) {
        for (file, name, key) in names_and_keys {
            if !folder.join(format!("{key}.key")).exists() {
                openssl(
                    folder,
                    &format!(
                        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {key}.key"
                    ),
                );
            }
            let days = 10;
            openssl(
                folder,
                &format!(
                    "req -x509 -new -key {key}.key -subj /CN={name} -days {days} -out {file}.pem"
                ),
            );
        }
    }

    fn config(folder: &Path, issuers: &[&str]) -> Config {
        let issuers = issuers.iter().map(|name| {
            let certificate = folder.join(format!("{name}.pem"));
            config::Issuer::new(name, &certificate)
        });
        Config {
            issuers: issuers.collect(),
            ..Config::default()
        }
    }

    #[test]
    fn an_issuer_is_found_by_its_id_and_by_every_certid_that_openssl_makes() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        // One name with two keys, and one key under two names.
        certificates(
            folder,
            &[("a", "one", "k1"), ("b", "one", "k2"), ("c", "two", "k2")],
        );
        let issuers = Issuers::new(&config(folder, &["a", "b", "c"])).unwrap();
        let limits = RequestLimits::default();
        for (place, issuer) in issuers.iter().enumerate() {
            assert_eq!(issuers.position(&issuer.id), Some(place));
            assert_eq!(issuers.by_id(&issuer.id).unwrap().name, issuer.name);
            for hash in ["sha1", "sha256", "sha384", "sha512"] {
                let name = &issuer.name;
                openssl(
                    folder,
                    &format!(
                        "ocsp -issuer {name}.pem -{hash} -serial 5 -no_nonce -reqout request.der"
                    ),
                );
                let request = fs::read(folder.join("request.der")).unwrap();
                let request = crate::ocsp::OcspRequest::decode(&request, &limits).unwrap();
                let cert_id = request.cert_ids().next().unwrap();
                assert_eq!(issuers.by_cert_id(&cert_id).unwrap().name, *name, "{hash}");
            }
        }
        let stranger = IssuerId::from_bytes([1; 32]);
        assert!(issuers.by_id(&stranger).is_none());
    }

    #[test]
    fn one_issuer_under_two_names_and_a_signer_of_another_name_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        certificates(
            folder,
            &[
                ("a", "one", "k1"),
                ("b", "one", "k1"),
                ("c", "two", "k2"),
                ("d", "one", "k2"),
            ],
        );
        let Err(error) = Issuers::new(&config(folder, &["a", "b"])) else {
            panic!("they are one issuer");
        };
        assert_eq!(error.class, ErrorClass::Config);
        assert!(
            error
                .message
                .contains("\"a\" and \"b\" have the same name and key")
        );

        let with_crl_signer = |file: &str| {
            let mut config = config(folder, &["a"]);
            config.issuers[0].crl_signers = vec![folder.join(file)];
            Issuers::new(&config)
        };
        let issuers = with_crl_signer("d.pem").unwrap();
        let issuer = issuers.by_name(None).unwrap();
        assert_eq!(issuer.crl_signers.len(), 1);
        assert_ne!(issuer.crl_signers[0].issuer_id(), issuer.id);
        let Err(error) = with_crl_signer("c.pem") else {
            panic!("it bears another name");
        };
        assert_eq!(error.class, ErrorClass::Config);
        assert!(error.message.contains("c.pem"), "{error}");
        assert!(with_crl_signer("e.pem").is_err());
    }
}
