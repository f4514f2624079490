//! What TLS is set up with, and its renewal without a restart.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
    },
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier},
    version::{TLS12, TLS13},
};

use super::files::{Stamps, TlsFiles};
use crate::{
    asn1::{PemError, pem_blocks},
    config::{self, FileError},
};

/// The current set-up, and from which files it was made.
pub(super) struct Tls {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
}

impl Tls {
    pub(super) fn open(files: TlsFiles) -> Result<(Self, Stamps), TlsError> {
        let stamps = files.stamps();
        let current = ArcSwap::from(load(&files)?);
        Ok((Self { files, current }, stamps))
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Reads the files again if they are not those of `seen`. What cannot be used changes nothing.
    pub(super) fn renew(&self, seen: &mut Stamps) -> Renewed {
        let stamps = self.files.stamps();
        if stamps == *seen {
            return Renewed::Unchanged;
        }
        *seen = stamps;
        match load(&self.files) {
            Ok(config) => {
                self.current.store(config);
                Renewed::ReadAgain
            }
            Err(error) => Renewed::Failed(error),
        }
    }
}

/// What came of looking at the files again.
pub(super) enum Renewed {
    Unchanged,
    ReadAgain,
    Failed(TlsError),
}

fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = private_key(&files.key)?;
    let provider = Arc::new(default_provider());
    let unusable = |source| TlsError::Unusable {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(unusable)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let refused = |source| TlsError::ClientCa {
                path: path.clone(),
                source,
            };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                let added = roots.add(certificate);
                added.map_err(|error| refused(ClientCaError::Certificate(error)))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| refused(ClientCaError::Verifier(error)))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A session that is taken up again brings the certificate of its beginning along, which may have
    // ended since; clients that push keep their connections instead.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let blocks = blocks(path)?;
    let certificates: Vec<_> = blocks
        .into_iter()
        .filter(|(label, _)| label == "CERTIFICATE")
        .map(|(_, der)| CertificateDer::from(der))
        .collect();
    if certificates.is_empty() {
        let (path, what) = (path.to_owned(), "CERTIFICATE");
        return Err(TlsError::Nothing { path, what });
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    for (label, der) in blocks(path)? {
        match label.as_str() {
            "PRIVATE KEY" => return Ok(PrivatePkcs8KeyDer::from(der).into()),
            "EC PRIVATE KEY" => return Ok(PrivateSec1KeyDer::from(der).into()),
            "RSA PRIVATE KEY" => return Ok(PrivatePkcs1KeyDer::from(der).into()),
            "ENCRYPTED PRIVATE KEY" => {
                let path = path.to_owned();
                return Err(TlsError::Encrypted { path });
            }
            _ => {}
        }
    }
    let (path, what) = (path.to_owned(), "PRIVATE KEY");
    Err(TlsError::Nothing { path, what })
}

fn blocks(path: &Path) -> Result<Vec<(String, Vec<u8>)>, TlsError> {
    let file = config::read(path, FILE_OCTETS_MAX)?;
    pem_blocks(&file.content)
        .map(|block| block.map(|block| (block.label.to_owned(), block.der)))
        .collect::<Result<_, PemError>>()
        .map_err(|source| TlsError::Pem {
            path: path.to_owned(),
            source,
        })
}

/// A bundle of CAs has a few hundred KiB.
const FILE_OCTETS_MAX: u64 = 1 << 20;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is not PEM.
    #[error("{}: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PemError,
    },
    /// A file holds nothing of what is needed.
    #[error("{} holds no PEM block {what}", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
    },
    /// The key is encrypted.
    #[error("the key {} is encrypted, which is not supported here: decrypt it, for its owner alone", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// The certificate and its key cannot be used, or do not belong together.
    #[error("the certificate {} with the key {}: {source}", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The CAs of clients cannot be used.
    #[error("client_ca {}: {source}", path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ClientCaError,
    },
}

/// Why CAs of clients cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientCaError {
    /// One of them.
    #[error("a certificate in it cannot be used: {0}")]
    Certificate(rustls::Error),
    /// All of them.
    #[error(transparent)]
    Verifier(VerifierBuilderError),
}
