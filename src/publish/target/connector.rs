//! HTTP for stores: `object_store` speaks their protocols, and this carries its requests by the client
//! that the rest of the program has, so that there is one TLS in it.

use std::{
    fmt,
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

use http_body_util::BodyExt as _;
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector as TcpConnector},
    rt::TokioExecutor,
};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequestBody, HttpResponseBody,
        HttpService,
    },
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// Connects to stores that these certificates vouch for.
#[derive(Debug)]
pub(super) struct Connector {
    config: ClientConfig,
}

impl Connector {
    /// Reads the certificates.
    pub(super) fn new(tls_roots: &Path, is_https: bool) -> Result<Self, RootsError> {
        let refused = |why: String| RootsError {
            path: tls_roots.to_owned(),
            why,
        };
        let mut roots = RootCertStore::empty();
        if is_https {
            let found = CertificateDer::pem_file_iter(tls_roots);
            for certificate in found.map_err(|error| refused(error.to_string()))? {
                let certificate = certificate.map_err(|error| refused(error.to_string()))?;
                // A bundle may hold what this program does not know; the others are as good.
                let _unknown = roots.add(certificate);
            }
            if roots.is_empty() {
                return Err(refused("there is no certificate in it".to_owned()));
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self {
            config: config.with_root_certificates(roots).with_no_client_auth(),
        })
    }
}

/// The certificates that a store is trusted by cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "the certificates that the store is trusted by cannot be read: {}: {why} (set tls_roots, or install \
     ca-certificates)",
    path.display()
)]
pub(super) struct RootsError {
    path: PathBuf,
    why: String,
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(self.config.clone())
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(HttpClient::new(Service { client }))
    }
}

struct Service {
    client: Client<HttpsConnector<TcpConnector>, HttpRequestBody>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

type Answering<'a> =
    Pin<Box<dyn Future<Output = Result<Response<HttpResponseBody>, HttpError>> + Send + 'a>>;

impl HttpService for Service {
    // As `async_trait` would write it.
    fn call<'life, 'future>(&'life self, request: Request<HttpRequestBody>) -> Answering<'future>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            let answer = self.client.request(request).await.map_err(|error| {
                let kind = match error.is_connect() {
                    true => HttpErrorKind::Connect,
                    false => HttpErrorKind::Request,
                };
                HttpError::new(kind, error)
            })?;
            Ok(answer.map(|body| {
                let failed = |error| HttpError::new(HttpErrorKind::Interrupted, error);
                HttpResponseBody::new(body.map_err(failed))
            }))
        })
    }
}
