//! Makes one issuer of the demo: its key, its delegate, what it issued and what became of it.

use std::{ops::ControlFlow, sync::Arc};

use super::{
    BulkPlan, CertificateDescription, DemoError, ExpectedStatus, IntermediatePlan,
    IssuerDescription, Kind, NamedPlan, Standing,
    configuration::IssuerSettings,
    description::INVENTORY_HEAD,
    files::{Files, Stream, pem},
    places::Places,
    plan::{Body, ROOT, days},
    subjects::{ca_subject, delegate_subject, profile, subject},
};
use crate::{
    asn1::{Certificate, UnixTime},
    change::{Action, Change, Outcome, RevocationClaim, Source},
    feed::{LedgerSink, StatusSink as _},
    identity::{IssuerId, SerialNumber},
    ledger::{IssuerIdentity, Ledger},
    pki::ca::{
        CertificateAuthority, CertificateRequest, GeneratedKey, KeyType, RootRequest, SinkRegister,
        SubjectKey, Urls, Validity,
    },
};

/// What all issuers of a demo are made with.
pub(super) struct Workshop<'a> {
    pub(super) files: Files<'a>,
    pub(super) ledger: &'a Ledger,
    pub(super) source: Source,
    pub(super) now_ms: &'a dyn Fn() -> u64,
    pub(super) now: UnixTime,
    pub(super) key_type: KeyType,
    /// The host and port that certificates name.
    pub(super) origin: String,
    /// The keys that the bulk shares.
    pub(super) bulk_keys: Vec<SubjectKey>,
    /// End-entity certificates so far; also what they are numbered by.
    pub(super) issued: u64,
    pub(super) progress: &'a mut dyn FnMut(u64) -> ControlFlow<()>,
}

/// An issuer that is made.
pub(super) struct Issued {
    pub(super) description: IssuerDescription,
    pub(super) certificate_pem: String,
    key: String,
    responder_key: String,
}

impl Issued {
    pub(super) fn settings(&self) -> IssuerSettings<'_> {
        IssuerSettings {
            name: &self.description.name,
            certificate: &self.description.issuer,
            key: &self.key,
            responder: &self.description.responder,
            responder_key: &self.responder_key,
            not_issued: &self.description.not_issued,
            nonce: &self.description.nonce,
        }
    }
}

/// What people hold, whatever the CA's keys are: read by everything.
const HOLDER_KEY: KeyType = KeyType::EcP256;

/// Keys that the bulk shares.
const BULK_KEYS: usize = 64;

/// Certificates that are issued together.
const TOGETHER: u64 = 4_096;

impl<'a> Workshop<'a> {
    /// What the certificates of an issuer name.
    pub(super) fn urls(&self, name: &str) -> Urls {
        Places::new(&self.origin, name).urls()
    }

    /// Keys of subjects that nobody will ask to sign: their private halves are thrown away.
    pub(super) fn make_bulk_keys(&mut self) -> Result<(), DemoError> {
        for _ in 0..BULK_KEYS {
            let (_, key) = generate(HOLDER_KEY)?;
            self.bulk_keys.push(key);
        }
        Ok(())
    }

    /// Makes an issuer known to the ledger, as a server would that has it in its configuration.
    pub(super) fn define(&self, ca: &CertificateAuthority, name: &str) -> Result<(), DemoError> {
        let identity = IssuerIdentity {
            subject_der: ca.certificate().subject_der().to_vec(),
            spki_der: ca.certificate().spki_der().to_vec(),
            label: name.to_owned(),
        };
        self.ledger
            .define_issuer(&identity, &self.source, (self.now_ms)())?;
        Ok(())
    }

    fn sink(&self) -> LedgerSink<'a, &'a dyn Fn() -> u64> {
        LedgerSink::alone(self.ledger, self.source.clone(), self.now_ms)
    }

    /// An intermediate with everything it issued; and how the root's list names it.
    pub(super) fn intermediate(
        &mut self,
        root: &CertificateAuthority,
        plan: &IntermediatePlan,
    ) -> Result<(Issued, CertificateDescription), DemoError> {
        let name = plan.body.name;
        self.files.folder(name)?;
        let key = self.key_type.generate()?;
        let (certificate_file, key_file) = (format!("{name}/ca.pem"), format!("{name}/ca.key"));
        self.files.key(&key_file, &key)?;
        let request = RootRequest {
            subject: ca_subject(plan.body)?,
            key: Arc::new(key.signer()?),
            validity: Validity {
                not_before: self.now.saturating_sub(days(4 * 365)),
                not_after: self.now.saturating_add(days(8 * 365)),
            },
            path_len: Some(0),
            urls: self.urls(name),
        };
        let ca = root.issue_intermediate(&request, &mut SinkRegister::new(self.sink()))?;
        let certificate_pem = pem(ca.certificate().der())?;
        self.files
            .file(&certificate_file, certificate_pem.as_bytes())?;
        self.define(&ca, name)?;
        let described = CertificateDescription {
            name: name.to_owned(),
            cert: certificate_file.clone(),
            key: key_file.clone(),
            serial: serial(ca.certificate())?.to_string(),
            status: ExpectedStatus::Good,
        };

        let mut inventory = self.files.stream(&format!("{name}/inventory.csv"))?;
        inventory.push(INVENTORY_HEAD)?;
        let (responder, responder_key) = self.delegate(&ca, plan.body, &mut inventory)?;
        let certs = self.named(&ca, plan, &mut inventory)?;
        self.bulk(&ca, plan, &mut inventory)?;
        inventory.finish()?;
        let issued = Issued {
            description: IssuerDescription {
                name: name.to_owned(),
                issuer: certificate_file,
                key_type: self.key_type.to_string(),
                responder,
                nonce: plan.body.nonce.to_owned(),
                not_issued: plan.body.not_issued.to_owned(),
                crl: Places::new(&self.origin, name).crl(),
                certs,
                inventory: format!("{name}/inventory.csv"),
                never_issued: self.never_issued(ca.id())?,
            },
            certificate_pem,
            key: key_file,
            responder_key,
        };
        Ok((issued, described))
    }

    /// The root, once its intermediates are issued.
    pub(super) fn root_issuer(
        &mut self,
        root: &CertificateAuthority,
        certs: Vec<CertificateDescription>,
    ) -> Result<Issued, DemoError> {
        let inventory_file = format!("{}/inventory.csv", ROOT.name);
        let mut inventory = self.files.stream(&inventory_file)?;
        inventory.push(INVENTORY_HEAD)?;
        for certificate in &certs {
            inventory.push(&certificate.status.inventory_line(&certificate.serial))?;
        }
        let (responder, responder_key) = self.delegate(root, &ROOT, &mut inventory)?;
        inventory.finish()?;
        Ok(Issued {
            description: IssuerDescription {
                name: ROOT.name.to_owned(),
                issuer: "root.pem".to_owned(),
                key_type: self.key_type.to_string(),
                responder,
                nonce: ROOT.nonce.to_owned(),
                not_issued: ROOT.not_issued.to_owned(),
                crl: Places::new(&self.origin, ROOT.name).crl(),
                certs,
                inventory: inventory_file,
                never_issued: self.never_issued(root.id())?,
            },
            certificate_pem: pem(root.certificate().der())?,
            key: format!("{}/ca.key", ROOT.name),
            responder_key,
        })
    }

    /// A delegate for OCSP; gives its certificate's and key's files. A year, so that a demo that was
    /// left in a drawer still runs; a CA in earnest would give weeks.
    fn delegate(
        &self,
        ca: &CertificateAuthority,
        body: &Body,
        inventory: &mut Stream,
    ) -> Result<(String, String), DemoError> {
        let (private, key) = generate(self.key_type)?;
        let validity = Validity {
            not_before: self.now.saturating_sub(days(1)),
            not_after: self.now.saturating_add(days(365)),
        };
        let mut register = SinkRegister::new(self.sink());
        let der = ca.issue_ocsp_signer(delegate_subject(body)?, key, validity, &mut register)?;
        let certificate_file = format!("{}/ocsp.pem", body.name);
        let key_file = format!("{}/ocsp.key", body.name);
        self.files.certificate(&certificate_file, &der)?;
        self.files.key(&key_file, &private)?;
        inventory.push(&ExpectedStatus::Good.inventory_line(&serial(&read(der)?)?))?;
        Ok((certificate_file, key_file))
    }

    fn named(
        &mut self,
        ca: &CertificateAuthority,
        plan: &IntermediatePlan,
        inventory: &mut Stream,
    ) -> Result<Vec<CertificateDescription>, DemoError> {
        let mut requests = Vec::new();
        let mut keys = Vec::new();
        for (number, named) in (self.issued..).zip(&plan.named) {
            let (private, key) = generate(HOLDER_KEY)?;
            keys.push(private);
            requests.push(CertificateRequest::new(
                subject(plan.body, named.kind, number)?,
                key,
                profile(named.kind, number),
                self.validity(named),
            ));
        }
        let certificates = ca.issue_many(&requests, &mut SinkRegister::new(self.sink()))?;
        let mut described = Vec::new();
        let mut changes = Vec::new();
        for ((named, private), der) in plan.named.iter().zip(&keys).zip(certificates) {
            let cert = format!("{}/{}.pem", plan.body.name, named.name);
            let key = format!("{}/{}.key", plan.body.name, named.name);
            self.files.certificate(&cert, &der)?;
            self.files.key(&key, private)?;
            let serial = serial(&read(der)?)?;
            let status = self.standing(ca.id(), serial, named.standing, &mut changes);
            inventory.push(&status.inventory_line(&serial))?;
            described.push(CertificateDescription {
                name: named.name.clone(),
                cert,
                key,
                serial: serial.to_string(),
                status,
            });
        }
        self.revoke(&changes)?;
        self.count(requests.len())?;
        Ok(described)
    }

    fn bulk(
        &mut self,
        ca: &CertificateAuthority,
        plan: &IntermediatePlan,
        inventory: &mut Stream,
    ) -> Result<(), DemoError> {
        let mut bundle = self.files.stream(&format!("{}/bulk.pem", plan.body.name))?;
        let mut left = plan.bulk;
        while left > 0 {
            let together = left.min(TOGETHER);
            left = left.saturating_sub(together);
            let numbers = self.issued..self.issued.saturating_add(together);
            let plans: Vec<BulkPlan> = numbers.clone().map(BulkPlan::new).collect();
            let requests = numbers
                .zip(&plans)
                .zip(self.bulk_keys.iter().cycle())
                .map(|((number, bulk), key)| {
                    let not_before = self.now.saturating_sub(bulk.age);
                    Ok(CertificateRequest::new(
                        subject(plan.body, bulk.kind, number)?,
                        key.clone(),
                        profile(bulk.kind, number),
                        Validity::days(not_before, 3 * 365),
                    ))
                })
                .collect::<Result<Vec<_>, DemoError>>()?;
            let certificates = ca.issue_many(&requests, &mut SinkRegister::new(self.sink()))?;
            let mut changes = Vec::new();
            for (bulk, der) in plans.iter().zip(certificates) {
                bundle.push(&pem(&der)?)?;
                let serial = serial(&read(der)?)?;
                let status = self.standing(ca.id(), serial, bulk.standing, &mut changes);
                inventory.push(&status.inventory_line(&serial))?;
            }
            self.revoke(&changes)?;
            self.count(requests.len())?;
        }
        bundle.finish()
    }

    fn validity(&self, named: &NamedPlan) -> Validity {
        let (ago, lasts) = match (named.standing, named.kind) {
            (Standing::Expired, _) => (400, 365),
            // BR §6.3.2: at most 398 days.
            (_, Kind::LocalServer | Kind::Server) => (30, 397),
            _ => (30, 3 * 365),
        };
        Validity::days(self.now.saturating_sub(days(ago)), lasts)
    }

    /// What answers have to say of a certificate, and the change that brings it about.
    fn standing(
        &self,
        issuer: &IssuerId,
        serial: SerialNumber,
        standing: Standing,
        changes: &mut Vec<Change>,
    ) -> ExpectedStatus {
        let Standing::Revoked(reason, ago) = standing else {
            return ExpectedStatus::Good;
        };
        let revocation_time = self.now.saturating_sub(ago);
        changes.push(Change {
            issuer: *issuer,
            serial,
            action: Action::Revoke {
                claim: RevocationClaim {
                    revocation_time,
                    reason,
                    invalidity_date: None,
                },
                inventory: None,
            },
        });
        ExpectedStatus::revoked(reason, revocation_time)
    }

    fn revoke(&self, changes: &[Change]) -> Result<(), DemoError> {
        for outcome in self.sink().apply(changes)? {
            if let Outcome::Refused(refusal) = outcome {
                return Err(DemoError::Refused(refusal));
            }
        }
        Ok(())
    }

    fn count(&mut self, issued: usize) -> Result<(), DemoError> {
        let issued = u64::try_from(issued).unwrap_or(u64::MAX);
        self.issued = self.issued.saturating_add(issued);
        match (self.progress)(self.issued) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(DemoError::Stopped),
        }
    }

    /// Serial numbers like those that were issued, and were not.
    fn never_issued(&self, issuer: &IssuerId) -> Result<Vec<String>, DemoError> {
        let mut never = Vec::new();
        while never.len() < NEVER_ISSUED {
            let serial = random_serial()?;
            if self.ledger.status(issuer, &serial)?.is_none() {
                never.push(serial.to_string());
            }
        }
        Ok(never)
    }
}

const NEVER_ISSUED: usize = 3;

fn generate(key_type: KeyType) -> Result<(GeneratedKey, SubjectKey), DemoError> {
    let private = key_type.generate()?;
    let key = SubjectKey::of_signer(&private.signer()?)?;
    Ok((private, key))
}

fn random_serial() -> Result<SerialNumber, DemoError> {
    let mut octets = [0; 16];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| DemoError::Unreadable)?;
    let [first, ..] = &mut octets;
    *first = *first & 0x3f | 0x40;
    SerialNumber::from_content(&octets).map_err(|_| DemoError::Unreadable)
}

fn read(der: Vec<u8>) -> Result<Certificate, DemoError> {
    Certificate::from_der(der).map_err(|_| DemoError::Unreadable)
}

fn serial(certificate: &Certificate) -> Result<SerialNumber, DemoError> {
    SerialNumber::from_content(certificate.serial_number()).map_err(|_| DemoError::Unreadable)
}
