//! TLS to servers that files are fetched from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::{FetchError, FetchErrorKind};

/// The certificates that servers are trusted by.
pub(super) struct Tls {
    roots: PathBuf,
    /// Once they were read.
    config: Option<Arc<ClientConfig>>,
}

impl Tls {
    pub(super) fn new(roots: &Path) -> Self {
        Self {
            roots: roots.to_owned(),
            config: None,
        }
    }

    /// What makes a TCP connection one of TLS, and the name that the server must show.
    pub(super) fn connector(
        &mut self,
        host: &str,
    ) -> Result<(TlsConnector, ServerName<'static>), FetchError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            FetchError::new(
                FetchErrorKind::Unreachable,
                format!("{host} is no name that a certificate can be for"),
            )
        })?;
        let config = match &self.config {
            Some(config) => Arc::clone(config),
            None => {
                let config = Arc::new(self.read()?);
                self.config = Some(Arc::clone(&config));
                config
            }
        };
        Ok((TlsConnector::from(config), name))
    }

    fn read(&self) -> Result<ClientConfig, FetchError> {
        let path = self.roots.display();
        let refused = |why: &dyn std::fmt::Display| {
            FetchError::new(
                FetchErrorKind::Refused,
                format!(
                    "the certificates that servers are trusted by cannot be read: {path}: {why} (set \
                     tls_roots, or install ca-certificates)"
                ),
            )
        };
        let mut roots = RootCertStore::empty();
        let found = CertificateDer::pem_file_iter(&self.roots).map_err(|error| refused(&error))?;
        for certificate in found {
            let certificate = certificate.map_err(|error| refused(&error))?;
            // A bundle may hold what this program does not know; the others are as good.
            let _unknown = roots.add(certificate);
        }
        if roots.is_empty() {
            return Err(refused(&"there is no certificate in it"));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(&error))?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}
