//! The push listener as the configuration has it.

use super::{Exit, Failure};
use crate::authority::with_causes;
use crate::config::{Config, Sha256Digest};
use crate::http::push::{Client, Clients, OpenError, PushLimits, PushServer, TlsFiles};

/// Reads its certificate and binds its address, if there is to be one.
///
/// # Errors
/// When either cannot be used.
pub(super) fn open(config: &Config) -> Result<Option<PushServer>, Failure> {
    let Some(push) = &config.push else {
        return Ok(None);
    };
    let hashes = |digests: &[Sha256Digest]| digests.iter().map(|digest| digest.0).collect();
    let clients = push.clients.iter().map(|client| Client {
        name: client.name.clone(),
        issuers: client.issuers.clone(),
        tokens: hashes(&client.token_sha256),
        certificates: hashes(&client.certificate_sha256),
    });
    let files = TlsFiles {
        certificate: push.certificate.clone(),
        key: push.key.clone(),
        client_ca: push.client_ca.clone(),
    };
    let limits = PushLimits {
        connections_max: u32::try_from(push.connections).unwrap_or(u32::MAX),
        body_octets_max: push.body_octets,
        header_timeout: push.header_timeout,
        body_timeout: push.body_timeout,
        idle_timeout: push.idle_timeout,
        write_timeout: config.limits.write_timeout,
        drain_timeout: config.limits.drain_time,
    };
    let opened = PushServer::open(push.listen, files, Clients::new(clients), limits);
    opened.map(Some).map_err(|error| {
        let exit = match error {
            OpenError::Bind(_) => Exit::Busy,
            _ => Exit::Key,
        };
        Failure::new(exit, format!("push: {}", with_causes(&error)))
    })
}
