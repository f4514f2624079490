//! From a plan to a folder.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::ControlFlow,
    path::Path,
};

use super::{
    Building, DemoError, Description, Found, Plan, Record,
    configuration::{IssuerSettings, configuration},
    files::Files,
    folder::{CONFIG, FolderError, RECORD, look},
    issuer::{Issued, Workshop},
    places::{Places, ocsp_url},
    plan::{ROOT, days},
    record::to_json,
    subjects::ca_subject,
};
use crate::{
    asn1::UnixTime,
    change::Source,
    ledger::Ledger,
    pki::ca::{CertificateAuthority, KeyType, RootRequest, Validity},
};

/// Everything that a new demo is made from.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// Who is in it.
    pub plan: Plan,
    /// End-entity certificates in all.
    pub certs: u64,
    /// The keys of CAs and delegates.
    pub key_type: KeyType,
    /// Where it will answer; the port is known.
    pub listen: SocketAddr,
    /// The time.
    pub now: UnixTime,
}

impl Blueprint {
    /// Where clients of this machine reach it: what the certificates name. An address that stands for
    /// all of the machine's is named by the loopback of its family.
    #[must_use]
    pub fn url(&self) -> String {
        let ip = match self.listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let address = SocketAddr::new(ip, self.listen.port());
        ocsp_url(&format!("http://{address}"))
    }

    /// The host and port that certificates name.
    fn origin(&self) -> String {
        self.url().trim_end_matches("/ocsp").to_owned()
    }

    /// Builds it in `dir`, where nothing or an empty folder is. It is there as a whole when this
    /// returns, or not at all. `progress` is told how many certificates are issued, and may end it.
    ///
    /// # Errors
    /// [`DemoError`].
    pub fn build(
        &self,
        dir: &Path,
        now_ms: &dyn Fn() -> u64,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Record, DemoError> {
        let building = Building::begin(dir)?;
        // Somebody may have finished one since it was looked for.
        if look(dir)? != Found::Nothing {
            return Err(FolderError::BeingBuilt {
                path: dir.to_owned(),
            }
            .into());
        }
        let record = self.fill(building.path(), now_ms, progress)?;
        building.finish()?;
        Ok(record)
    }

    fn fill(
        &self,
        path: &Path,
        now_ms: &dyn Fn() -> u64,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Record, DemoError> {
        let files = Files(path);
        private_folder(&path.join("state"))?;
        let ledger = Ledger::open(&path.join("state/ledger"))?;
        let mut workshop = Workshop {
            files,
            ledger: &ledger,
            source: Source::new("demo", "").map_err(|_| DemoError::Json)?,
            now_ms,
            now: self.now,
            key_type: self.key_type,
            origin: self.origin(),
            bulk_keys: Vec::new(),
            issued: 0,
            progress,
        };
        workshop.make_bulk_keys()?;

        let root = self.root(&workshop)?;
        let mut issuers = Vec::new();
        let mut of_root = Vec::new();
        for plan in &self.plan.intermediates {
            let (intermediate, described) = workshop.intermediate(&root, plan)?;
            of_root.push(described);
            issuers.push(intermediate);
        }
        issuers.push(workshop.root_issuer(&root, of_root)?);
        let chain: String = issuers
            .iter()
            .rev()
            .skip(1)
            .rev()
            .map(|issued| issued.certificate_pem.as_str())
            .collect();
        files.file("intermediates.pem", chain.as_bytes())?;

        let settings: Vec<IssuerSettings<'_>> = issuers.iter().map(Issued::settings).collect();
        let text = configuration(self.listen, &self.origin(), &settings);
        files.file(CONFIG, text.as_bytes())?;
        let record = Record {
            version: Record::VERSION,
            certs: self.certs,
            key_type: self.key_type.to_string(),
            description: Description {
                ocsp_url: self.url(),
                root: "root.pem".to_owned(),
                root_crl: Places::new(&self.origin(), ROOT.name).crl,
                issuers: issuers.into_iter().map(|it| it.description).collect(),
            },
        };
        files.file(RECORD, &to_json(&record)?)?;
        Ok(record)
    }

    fn root(&self, workshop: &Workshop<'_>) -> Result<CertificateAuthority, DemoError> {
        workshop.files.folder(ROOT.name)?;
        let key = self.key_type.generate()?;
        workshop.files.key("root/ca.key", &key)?;
        let root = CertificateAuthority::self_signed(&RootRequest {
            subject: ca_subject(&ROOT)?,
            key: std::sync::Arc::new(key.signer()?),
            validity: Validity {
                not_before: self.now.saturating_sub(days(5 * 365)),
                not_after: self.now.saturating_add(days(15 * 365)),
            },
            path_len: Some(1),
            urls: workshop.urls(ROOT.name),
        })?;
        workshop
            .files
            .certificate("root.pem", root.certificate().der())?;
        workshop.define(&root, ROOT.name)?;
        Ok(root)
    }
}

fn private_folder(path: &Path) -> Result<(), DemoError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(|source| DemoError::Write {
            path: path.to_owned(),
            source,
        })
}
