//! How a command reaches the ledger: through the running server, or by itself when none runs.

use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Common, Exit, Failure};
use crate::asn1::Certificate;
use crate::authority::{
    ChangeReply, ChangeRequest, Clerk, ErrorClass, ImportOrder, Issuer, Issuers, OperationError,
    StatusReply, StatusRequest, with_causes,
};
use crate::change::Source;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::feed::{ImportReport, Progress};
use crate::http::admin::Query;
use crate::http::admin_client::{AdminClient, AdminClientError, Upload};
use crate::identity::SerialNumber;
use crate::ledger::{IssuerIdentity, Ledger, LedgerError};

/// The configuration that `--config` names.
pub(super) fn load_config(common: &Common) -> Result<Config, Failure> {
    Config::load(&common.config).map_err(|error| Failure::new(Exit::Config, with_causes(&error)))
}

/// Opens the ledger of a configuration and makes its issuers known to it.
pub(super) fn open_ledger(config: &Config, issuers: &Issuers) -> Result<Ledger, Failure> {
    let refused = |error: LedgerError| Failure::from(OperationError::from(&error));
    create_state_dir(&config.state_dir)?;
    let ledger = Ledger::open(&config.state_dir.join("ledger")).map_err(refused)?;
    let source = Source::new("config", "")
        .map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
    let now_ms = crate::clock::Clock::now_millis(&SystemClock);
    for issuer in issuers.iter() {
        let identity = IssuerIdentity {
            subject_der: issuer.certificate.subject_der().to_vec(),
            spki_der: issuer.certificate.spki_der().to_vec(),
            label: issuer.name.clone(),
        };
        ledger
            .define_issuer(&identity, &source, now_ms)
            .map_err(refused)?;
    }
    Ok(ledger)
}

/// The state folder, for the server's own user alone.
pub(super) fn create_state_dir(dir: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| {
            Failure::new(
                Exit::Storage,
                format!("cannot create the state folder {}: {error}", dir.display()),
            )
        })
}

/// The running server.
pub(super) struct Server(AdminClient);

impl Server {
    /// The server of the configuration, which has to run.
    pub(super) fn connect(common: &Common) -> Result<Self, Failure> {
        Ok(Self(AdminClient::new(load_config(common)?.admin_socket())))
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str, query: &Query) -> Result<T, Failure> {
        decode(self.0.get(path, query).map_err(|error| failure(&error))?)
    }

    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        value: &impl Serialize,
    ) -> Result<T, Failure> {
        let upload = Upload::Json(to_json(value)?);
        let reply = self.0.post(path, &Query::default(), upload, &mut |_| {});
        decode(reply.map_err(|error| failure(&error))?)
    }

    fn is_running(&self) -> bool {
        !matches!(
            self.0.get("/stats", &Query::default()),
            Err(AdminClientError::NotRunning { .. })
        )
    }
}

/// Where a command is carried out.
pub(super) struct Desk {
    issuers: Issuers,
    way: Way,
}

enum Way {
    Server(Server),
    Ledger(Clerk),
}

impl Desk {
    /// The running server's, or else the ledger itself.
    pub(super) fn open(common: &Common) -> Result<Self, Failure> {
        let config = load_config(common)?;
        let issuers = Issuers::new(&config)?;
        let server = Server(AdminClient::new(config.admin_socket()));
        if server.is_running() {
            return Ok(Self {
                issuers,
                way: Way::Server(server),
            });
        }
        let ledger = Arc::new(open_ledger(&config, &issuers)?);
        let clerk = Clerk::direct(issuers.clone(), ledger, Arc::new(SystemClock));
        Ok(Self {
            issuers,
            way: Way::Ledger(clerk),
        })
    }

    /// The issuer's name and the serial number that the operator means: the digits as they are, or
    /// those of the certificate in the file of that name.
    pub(super) fn certificate(
        &self,
        text: &str,
        issuer: Option<String>,
    ) -> Result<(Option<String>, String), Failure> {
        let path = Path::new(text);
        if !path.is_file() {
            return Ok((issuer, text.to_owned()));
        }
        let certificate = crate::config::read_certificate(path)
            .map_err(|error| Failure::new(Exit::Usage, with_causes(&error)))?;
        let name = match issuer {
            Some(name) => name,
            None => self.issuer_of(&certificate, text)?.name.clone(),
        };
        let serial = SerialNumber::from_content(certificate.serial_number())
            .map_err(|error| Failure::new(Exit::Usage, format!("{text}: {error}")))?;
        Ok((Some(name), serial.to_string()))
    }

    /// The configured issuer that signed a certificate.
    fn issuer_of(&self, certificate: &Certificate, text: &str) -> Result<&Issuer, Failure> {
        self.issuers
            .iter()
            .find(|issuer| {
                issuer.certificate.subject_der() == certificate.issuer_der()
                    && crate::signer::is_signed_by(certificate, &issuer.certificate)
            })
            .map(|issuer| &**issuer)
            .ok_or_else(|| {
                Failure::new(
                    Exit::Usage,
                    format!("{text}: no configured issuer has signed this certificate"),
                )
            })
    }

    pub(super) fn change(&self, request: &ChangeRequest) -> Result<ChangeReply, Failure> {
        match &self.way {
            Way::Server(server) => server.post("/change", request),
            Way::Ledger(clerk) => Ok(clerk.change(request)?),
        }
    }

    pub(super) fn status(&self, request: &StatusRequest) -> Result<StatusReply, Failure> {
        match &self.way {
            Way::Server(server) => {
                let mut pairs = vec![("serial", request.serial.as_str())];
                pairs.extend(request.issuer.as_deref().map(|issuer| ("issuer", issuer)));
                server.get("/status", &Query::of(&pairs))
            }
            Way::Ledger(clerk) => Ok(clerk.status(request)?),
        }
    }

    /// Imports what `input` holds.
    pub(super) fn import(
        &self,
        order: &ImportOrder,
        input: impl Read + Send + 'static,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImportReport, Failure> {
        match &self.way {
            Way::Server(server) => {
                let query = to_json(order)?.to_string();
                let upload = Upload::Stream(Box::new(input));
                let mut told = |value: &Value| {
                    if let Ok(value) = serde_json::from_value(value.clone()) {
                        progress(value);
                    }
                };
                let query = Query::of(&[("order", &query)]);
                let reply = server.0.post("/import", &query, upload, &mut told);
                decode(reply.map_err(|error| failure(&error))?)
            }
            Way::Ledger(clerk) => {
                let input = BufReader::with_capacity(READ_OCTETS, input);
                Ok(clerk.import(order, input, progress)?)
            }
        }
    }
}

fn to_json(value: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::new(Exit::Internal, error.to_string()))
}

fn decode<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| {
        Failure::new(
            Exit::Internal,
            format!("the server's reply is not understood ({error}); is it of another version?"),
        )
    })
}

fn failure(error: &AdminClientError) -> Failure {
    let exit = match error {
        AdminClientError::NotRunning { .. } => Exit::Unreachable,
        AdminClientError::Refused { code, .. } => ErrorClass::from_code(code).into(),
        _ => Exit::Internal,
    };
    Failure::new(exit, with_causes(error))
}

const READ_OCTETS: usize = 64 * 1_024;
