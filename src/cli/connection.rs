//! How a command reaches the ledger: through the running server, or by itself when none runs.

use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Common, Exit, Failure, crl, output};
use crate::asn1::Certificate;
use crate::authority::{
    BackupReply, BackupRequest, ChangeReply, ChangeRequest, Clerk, ErrorClass, HistoryReply,
    HistoryRequest, IssuedReply, IssuedRequest, Issuer, Issuers, OperationError, PastBy, PastReply,
    PastRequest, PublishCrlReply, PublishCrlRequest, ReserveReply, ReserveRequest,
    RevokeAllPreview, RevokeAllReply, RevokeAllRequest, StatusReply, StatusRequest,
    agreed_with_catalog, remembered_by_catalog, with_causes,
};
use crate::backup::{self, Unfinished};
use crate::change::Source;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::feed::{ImportOrder, ImportReport, Progress};
use crate::http::admin::Query;
use crate::http::admin_client::{AdminClient, AdminClientError, Upload};
use crate::identity::SerialNumber;
use crate::ledger::{IssuerIdentity, Ledger, LedgerError};

/// The configuration that `--config` names.
pub(super) fn load_config(common: &Common) -> Result<Config, Failure> {
    Config::load(&common.config).map_err(|error| Failure::new(Exit::Config, with_causes(&error)))
}

/// Opens the ledger of a configuration and makes its issuers known to it. To one that the answers were not
/// signed from, nothing is written: the server would refuse it.
pub(super) fn open_ledger(config: &Config, issuers: &Issuers) -> Result<Ledger, Failure> {
    let refused = |error: LedgerError| Failure::from(OperationError::from(&error));
    create_state_dir(&config.state_dir)?;
    finish_restore(&config.state_dir)?;
    is_not_lost(&config.state_dir)?;
    let ledger = Ledger::open(&config.state_dir.join("ledger")).map_err(refused)?;
    agreed_with_catalog(&config.state_dir.join("catalog"), &ledger)
        .map_err(|error| OperationError::from(&error))?;
    let source = Source::new("config", "")
        .map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
    let now_ms = SystemClock.now_millis();
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

/// Begins no empty ledger where answers were signed from one that is gone.
fn is_not_lost(state_dir: &Path) -> Result<(), Failure> {
    let (ledger, catalog) = (state_dir.join("ledger"), state_dir.join("catalog"));
    let remembered = remembered_by_catalog(&catalog)
        .map_err(|error| Failure::new(Exit::Storage, with_causes(&error)))?;
    if ledger.join("CURRENT").exists() || remembered.is_none() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Damaged,
        format!(
            "there is no ledger in {}, though the answers in {} were signed from one: go on from a backup \
             with `estelam restore BACKUP`; to begin with an empty ledger, move the catalog's folder away",
            ledger.display(),
            catalog.display()
        ),
    ))
}

/// Brings a restore that was interrupted to its end, and says so.
pub(super) fn finish_restore(state_dir: &Path) -> Result<Unfinished, Failure> {
    let unfinished = backup::finish(state_dir).map_err(|error| OperationError::from(&error))?;
    match &unfinished {
        Unfinished::Nothing => {}
        Unfinished::Withdrawn => output::warning(
            "a restore had been interrupted before it took effect: the ledger is as it was before, and \
             what had been built is removed. Run `estelam restore` again if it is still wanted",
        ),
        Unfinished::Finished(restored) => {
            let aside = restored
                .set_aside
                .as_ref()
                .map_or_else(String::new, |name| {
                    format!(
                        "; the ledger before is kept as {}",
                        state_dir.join(name).display()
                    )
                });
            output::warning(&format!(
                "a restore of {} had been interrupted in its last step, which is done now: the restored \
                 ledger (epoch {}) is in force{aside}",
                restored.backup.display(),
                restored.epoch
            ));
        }
    }
    Ok(unfinished)
}

/// The same, after whoever has the ledger for a moment: a command that found no server.
pub(super) fn open_ledger_in_turn(config: &Config, issuers: &Issuers) -> Result<Ledger, Failure> {
    let turn = Turn::begin();
    loop {
        match open_ledger(config, issuers) {
            Ok(ledger) => return Ok(ledger),
            Err(failure) => turn.wait(failure)?,
        }
    }
}

/// Patience with a ledger in use. A command is through with it in a moment, and a server takes it a
/// moment before it answers on its socket.
pub(super) struct Turn(Instant);

impl Turn {
    pub(super) fn begin() -> Self {
        Self(Instant::now())
    }

    /// Waits a little; gives the failure back when it is another one or lasts too long.
    pub(super) fn wait(&self, failure: Failure) -> Result<(), Failure> {
        if failure.exit != Exit::Busy || self.0.elapsed() >= TURN_WAIT {
            return Err(failure);
        }
        std::thread::park_timeout(TURN_LOOK);
        Ok(())
    }
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

    /// The server of a configuration, if it runs.
    pub(super) fn running(config: &Config) -> Option<Self> {
        let server = Self(AdminClient::new(config.admin_socket()));
        server.is_running().then_some(server)
    }

    /// A GET whose reply tells of progress.
    pub(super) fn get_with_progress<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query,
        on_progress: &mut dyn FnMut(&Value),
    ) -> Result<T, Failure> {
        let reply = self.0.get_with_progress(path, query, on_progress);
        decode(reply.map_err(|error| failure(&error))?)
    }

    /// A POST whose reply tells of progress.
    pub(super) fn post_with_progress<T: DeserializeOwned>(
        &self,
        path: &str,
        value: &impl Serialize,
        on_progress: &mut dyn FnMut(&Value),
    ) -> Result<T, Failure> {
        let upload = Upload::Json(to_json(value)?);
        let reply = self.0.post(path, &Query::default(), upload, on_progress);
        decode(reply.map_err(|error| failure(&error))?)
    }

    pub(super) fn is_running(&self) -> bool {
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
        Self::open_as(common, false)
    }

    /// The same, which can make CRLs.
    pub(super) fn open_to_publish(common: &Common) -> Result<Self, Failure> {
        Self::open_as(common, true)
    }

    fn open_as(common: &Common, publishes: bool) -> Result<Self, Failure> {
        let config = load_config(common)?;
        let issuers = Issuers::new(&config)?;
        let turn = Turn::begin();
        loop {
            let server = Server(AdminClient::new(config.admin_socket()));
            if server.is_running() {
                return Ok(Self {
                    issuers,
                    way: Way::Server(server),
                });
            }
            match open_ledger(&config, &issuers) {
                Ok(ledger) => {
                    let ledger = Arc::new(ledger);
                    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
                    let publishing = publishes
                        .then(|| crl::alone(&config, &issuers, &ledger, &clock))
                        .transpose()?;
                    let clerk = Clerk::direct(issuers.clone(), ledger, clock)
                        .and_publishing(publishing.map(Arc::new));
                    return Ok(Self {
                        issuers,
                        way: Way::Ledger(clerk),
                    });
                }
                Err(failure) => turn.wait(failure)?,
            }
        }
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
            // The name of a file, then: digits have neither.
            if text.contains(['/', '.']) {
                return Err(Failure::new(
                    Exit::Usage,
                    format!(
                        "there is no file {text}; name a certificate, or its serial number in hexadecimal"
                    ),
                ));
            }
            return Ok((issuer, text.to_owned()));
        }
        let certificate = crate::config::read_certificate(path)
            .map_err(|error| Failure::new(Exit::Usage, with_causes(&error)))?;
        let name = self.issuer_of(&certificate, text)?.name.clone();
        if let Some(other) = issuer.filter(|other| *other != name) {
            return Err(Failure::new(
                Exit::Usage,
                format!("{text} was issued by {name:?}, not by {other:?}"),
            ));
        }
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

    pub(super) fn preview_revoke_all(&self, issuer: &str) -> Result<RevokeAllPreview, Failure> {
        match &self.way {
            Way::Server(server) => server.get("/revoke-all", &Query::of(&[("issuer", issuer)])),
            Way::Ledger(clerk) => Ok(clerk.preview_revoke_all(issuer)?),
        }
    }

    pub(super) fn revoke_all(&self, request: &RevokeAllRequest) -> Result<RevokeAllReply, Failure> {
        match &self.way {
            Way::Server(server) => server.post("/revoke-all", request),
            Way::Ledger(clerk) => Ok(clerk.revoke_all(request)?),
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

    pub(super) fn publish_crl(
        &self,
        request: &PublishCrlRequest,
    ) -> Result<PublishCrlReply, Failure> {
        match &self.way {
            Way::Server(server) => server.post("/crl/publish", request),
            Way::Ledger(clerk) => Ok(clerk.publish_crl(request)?),
        }
    }

    pub(super) fn status_at(&self, request: &PastRequest) -> Result<PastReply, Failure> {
        match &self.way {
            Way::Server(server) => {
                let mut pairs = vec![("serial", &*request.serial), ("at", &request.at)];
                pairs.extend(request.issuer.as_deref().map(|issuer| ("issuer", issuer)));
                pairs.extend(request.by.map(|by| match by {
                    PastBy::Recorded => ("by", "recorded"),
                    PastBy::Effective => ("by", "effective"),
                }));
                server.get("/status-at", &Query::of(&pairs))
            }
            Way::Ledger(clerk) => Ok(clerk.status_at(request)?),
        }
    }

    pub(super) fn history(&self, request: &HistoryRequest) -> Result<HistoryReply, Failure> {
        match &self.way {
            Way::Server(server) => {
                let (limit, from) = (
                    request.limit.map(|limit| limit.to_string()),
                    request.from.map(|from| from.to_string()),
                );
                let mut pairs = vec![("serial", &*request.serial)];
                pairs.extend(request.issuer.as_deref().map(|issuer| ("issuer", issuer)));
                pairs.extend(limit.as_deref().map(|limit| ("limit", limit)));
                pairs.extend(from.as_deref().map(|from| ("from", from)));
                server.get("/history", &Query::of(&pairs))
            }
            Way::Ledger(clerk) => Ok(clerk.history(request)?),
        }
    }

    /// Makes a backup.
    pub(super) fn backup(
        &self,
        request: &BackupRequest,
        progress: &mut dyn FnMut(u64),
    ) -> Result<BackupReply, Failure> {
        match &self.way {
            Way::Server(server) => {
                let upload = Upload::Json(to_json(request)?);
                let mut told = |value: &Value| progress(value.as_u64().unwrap_or_default());
                let reply = (server.0).post("/backup", &Query::default(), upload, &mut told);
                decode(reply.map_err(|error| failure(&error))?)
            }
            Way::Ledger(clerk) => Ok(clerk.backup(request, progress)?),
        }
    }

    pub(super) fn reserve_serials(
        &self,
        request: &ReserveRequest,
    ) -> Result<ReserveReply, Failure> {
        match &self.way {
            Way::Server(server) => server.post("/ca/reserve", request),
            Way::Ledger(clerk) => Ok(clerk.reserve_serials(request)?),
        }
    }

    pub(super) fn record_issued(&self, request: &IssuedRequest) -> Result<IssuedReply, Failure> {
        match &self.way {
            Way::Server(server) => server.post("/ca/issued", request),
            Way::Ledger(clerk) => Ok(clerk.record_issued(request)?),
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
        AdminClientError::Upload(_) | AdminClientError::Permission { .. } => Exit::Storage,
        AdminClientError::Refused { code, .. } => ErrorClass::from_code(code).into(),
        _ => Exit::Internal,
    };
    Failure::new(exit, with_causes(error))
}

const READ_OCTETS: usize = 64 * 1_024;
/// How long to wait for a ledger that somebody else has.
const TURN_WAIT: Duration = Duration::from_secs(2);
/// How often to look whether it is free, or its owner answers.
const TURN_LOOK: Duration = Duration::from_millis(20);
