//! Stores that speak the protocols of Amazon S3, Google Cloud Storage and Azure Blob Storage.
//!
//! Before a CRL is put, what lies there is looked at: its number stands in its metadata, and where there is
//! none it is read. The put then has the condition that this has not changed. Some stores accept the
//! condition and do not look at it; so each delivery of a process begins with a probe, an object of a
//! distinctive name that is put with conditions that must fail. Where they do not, a number can go back in
//! the moment between looking and putting, if somebody else puts there too: that is said in the health.

use std::{
    fs::{self, File, OpenOptions},
    future::Future,
    hash::{BuildHasher as _, RandomState},
    io::{BufReader, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::body::Bytes;
use object_store::{
    Attribute, Attributes, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutMode,
    PutOptions, PutPayload, UpdateVersion, path::Path as Key,
};
use tokio::runtime::{Builder, Runtime};

use super::{
    Caching, Carrier, Consignment, Memory, TargetError, may_follow,
    provider::{self, one_line},
};
use crate::{
    asn1::CrlNumber,
    catalog::crls::SignedDocument,
    config::{PublishTarget, StoreTarget},
    publish::{
        ServedPath,
        facts::CrlFacts,
        manifest::MANIFEST_OCTETS_MAX,
        served_path::OWN_PREFIX,
        tree::{Lying, READ_OCTETS, sha256},
    },
    segment::whole_file,
};

pub(super) struct Store {
    kind: &'static str,
    settings: StoreTarget,
    /// Where what lies in the store is kept while it is read.
    spool: PathBuf,
    /// During a delivery: the next one reads the secret again.
    open: Option<Arc<dyn ObjectStore>>,
    runtime: Option<Runtime>,
    /// Whether conditions are honoured, once that was tried.
    is_conditional: Option<bool>,
    /// Why the probe is still there.
    probe_left: Option<String>,
}

/// What lies under a key.
struct Object {
    version: UpdateVersion,
    octets: u64,
    attributes: Attributes,
}

/// What came of a put.
enum Put {
    Done,
    /// What lies there is not what was looked at.
    Overtaken,
}

impl Store {
    pub(super) fn new(settings: &PublishTarget, spool: PathBuf) -> Result<Self, TargetError> {
        let kind = settings.kind();
        let settings = match settings {
            PublishTarget::S3(store) | PublishTarget::Gcs(store) | PublishTarget::Azure(store) => {
                store.clone()
            }
            PublishTarget::Folder(_) => {
                return Err(TargetError::Settings("a folder is no store".to_owned()));
            }
        };
        let store = Self {
            kind,
            settings,
            spool,
            open: None,
            runtime: None,
            is_conditional: None,
            probe_left: None,
        };
        // A secret that is missing is told at the start, not at the first CRL.
        provider::open(store.kind, &store.settings)?;
        Ok(store)
    }

    /// Waits for the store: no longer than one request may take, nor when the server stops.
    fn wait<T>(
        &self,
        key: &Key,
        is_stopping: &dyn Fn() -> bool,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Refusal> {
        let Some(runtime) = &self.runtime else {
            return Err(self.closed().into());
        };
        let limit = self.settings.timeout;
        let waited = runtime.block_on(async {
            let begun = Instant::now();
            let mut work = std::pin::pin!(work);
            loop {
                if let Ok(done) = tokio::time::timeout(LOOK, &mut work).await {
                    return Some(done);
                }
                if is_stopping() || begun.elapsed() >= limit {
                    return None;
                }
            }
        });
        match waited {
            Some(Ok(done)) => Ok(done),
            Some(Err(error)) => Err(Refusal::Store(error)),
            None if is_stopping() => Err(TargetError::Stopped.into()),
            None => {
                let why = format!(
                    "no answer for {} s, the timeout of this target",
                    limit.as_secs()
                );
                let path = key.to_string();
                Err(TargetError::Store { path, why }.into())
            }
        }
    }

    fn store(&self) -> Result<&Arc<dyn ObjectStore>, TargetError> {
        self.open.as_ref().ok_or_else(|| self.closed())
    }

    fn closed(&self) -> TargetError {
        TargetError::Settings(format!(
            "the target {:?} was not opened",
            self.settings.name
        ))
    }

    fn key(&self, path: &str) -> Result<Key, TargetError> {
        let whole = match self.settings.prefix.as_str() {
            "" => path.to_owned(),
            prefix => format!("{prefix}/{path}"),
        };
        Key::parse(&whole).map_err(|error| TargetError::Store {
            path: whole,
            why: error.to_string(),
        })
    }

    /// What lies under a key, without reading it.
    fn look(
        &self,
        key: &Key,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<Option<Object>, TargetError> {
        let store = self.store()?;
        let options = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        match self.wait(key, is_stopping, store.get_opts(key, options)) {
            Ok(found) => Ok(Some(Object {
                version: UpdateVersion {
                    e_tag: found.meta.e_tag,
                    version: found.meta.version,
                },
                octets: found.meta.size,
                attributes: found.attributes,
            })),
            Err(Refusal::Store(Error::NotFound { .. })) => Ok(None),
            Err(error) => Err(error.told(key)),
        }
    }

    /// What it is: by its metadata, or read where somebody else put it there.
    fn lying(
        &self,
        key: &Key,
        object: &Object,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<Lying, TargetError> {
        let said = |name: &'static str| {
            let value = object.attributes.get(&Attribute::Metadata(name.into()));
            value.map(|value| {
                let text: &str = value;
                text.to_owned()
            })
        };
        let number = said(NUMBER).and_then(|number| number.parse::<u64>().ok());
        if let (Some(number), Some(sha256)) = (number, said(SHA256)) {
            return Ok(Lying {
                sha256,
                number: Some(CrlNumber::from(number)),
                is_intact: true,
            });
        }
        let spool = Spool(&self.spool);
        let failed = |error: std::io::Error| TargetError::Store {
            path: key.to_string(),
            why: format!("what lies there cannot be kept while it is read: {error}"),
        };
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(spool.0).map_err(failed)?;
        let mut at = 0;
        while at < object.octets {
            let end = at.saturating_add(PIECE_OCTETS).min(object.octets);
            let piece = self.read(key, object, Some(at..end), is_stopping)?;
            file.write_all(&piece).map_err(failed)?;
            at = end;
        }
        let open = || {
            let file = File::open(spool.0)?;
            Ok(BufReader::with_capacity(READ_OCTETS, file))
        };
        match CrlFacts::read(open().map_err(failed)?, false) {
            Ok(facts) => Ok(Lying {
                sha256: facts.sha256,
                number: facts.number,
                is_intact: false,
            }),
            Err(_) => Ok(Lying {
                sha256: sha256(open().map_err(failed)?).map_err(failed)?,
                number: None,
                is_intact: false,
            }),
        }
    }

    /// Reads what was looked at, or a part of it.
    fn read(
        &self,
        key: &Key,
        object: &Object,
        range: Option<std::ops::Range<u64>>,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<Bytes, TargetError> {
        let store = self.store()?;
        let options = GetOptions {
            if_match: object.version.e_tag.clone(),
            range: range.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let reading = async { store.get_opts(key, options).await?.bytes().await };
        self.wait(key, is_stopping, reading)
            .map_err(|error| error.told(key))
    }

    /// Puts an object, over what was looked at alone where the store can be told so.
    fn put(
        &self,
        key: &Key,
        content: Bytes,
        attributes: Attributes,
        seen: Option<&Object>,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<Put, TargetError> {
        let mode = match (self.is_conditional, seen) {
            (Some(true), Some(seen)) => PutMode::Update(seen.version.clone()),
            (Some(true), None) => PutMode::Create,
            _ => PutMode::Overwrite,
        };
        let options = PutOptions {
            mode,
            attributes,
            ..PutOptions::default()
        };
        let store = self.store()?;
        let putting = store.put_opts(key, PutPayload::from_bytes(content), options);
        match self.wait(key, is_stopping, putting) {
            Ok(_) => Ok(Put::Done),
            Err(Refusal::Store(Error::AlreadyExists { .. } | Error::Precondition { .. })) => {
                Ok(Put::Overtaken)
            }
            Err(error) => Err(error.told(key)),
        }
    }

    /// Whether the store looks at conditions: an object that is there must not be created, nor replaced
    /// where another version of it is meant. Also says why the probe could not be removed, if it could not.
    fn probe(&self, is_stopping: &dyn Fn() -> bool) -> Result<(bool, Option<String>), TargetError> {
        let store = self.store()?;
        let unique = RandomState::new().hash_one(std::process::id());
        let key = self.key(&format!("{OWN_PREFIX}-probe-{unique:016x}"))?;
        let put = |mode: PutMode, content: &'static str| {
            let putting = store.put_opts(
                &key,
                PutPayload::from_static(content.as_bytes()),
                mode.into(),
            );
            self.wait(&key, is_stopping, putting)
        };
        let first = put(PutMode::Overwrite, "1");
        let first = first.map_err(|error| error.told(&key))?;
        let is_refused = |answer: Result<_, Refusal>| match answer {
            Ok(_) => Ok(false),
            Err(Refusal::Store(Error::AlreadyExists { .. } | Error::Precondition { .. })) => {
                Ok(true)
            }
            // One that says that it cannot is as good as one that does not.
            Err(Refusal::Store(
                Error::NotImplemented { .. } | Error::NotSupported { .. } | Error::Generic { .. },
            )) => Ok(false),
            Err(error) => Err(error.told(&key)),
        };
        let created = is_refused(put(PutMode::Create, "2"));
        let updated = put(
            PutMode::Update(UpdateVersion {
                e_tag: first.e_tag.clone(),
                version: first.version.clone(),
            }),
            "3",
        );
        // The version before last: what was put first, and is not there any more.
        let replaced = match updated {
            Ok(_) => is_refused(put(
                PutMode::Update(UpdateVersion {
                    e_tag: first.e_tag,
                    version: first.version,
                }),
                "4",
            )),
            Err(error) => is_refused(Err(error)).map(|_| false),
        };
        // Without the right to delete, CRLs are brought all the same.
        let removed = self.wait(&key, is_stopping, store.delete(&key));
        let left = removed.err().map(|error| error.told(&key).to_string());
        Ok((created? && replaced?, left))
    }
}

impl Carrier for Store {
    fn begin(&mut self, _: &mut Memory, is_stopping: &dyn Fn() -> bool) -> Result<(), TargetError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime
            .map_err(|error| TargetError::Settings(format!("no runtime to be had: {error}")))?;
        self.runtime = Some(runtime);
        self.open = Some(provider::open(self.kind, &self.settings)?);
        if self.is_conditional.is_none() {
            let (is_conditional, left) = self.probe(is_stopping)?;
            self.is_conditional = Some(is_conditional);
            self.probe_left = left;
        }
        Ok(())
    }

    fn crl(
        &mut self,
        crl: &Consignment<'_>,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<bool, TargetError> {
        let source = |why: String| TargetError::Source {
            path: crl.file.clone(),
            why,
        };
        let key = self.key(crl.path.as_str())?;
        let file = File::open(&crl.file).map_err(|error| source(error.to_string()))?;
        let whole = whole_file(&file).map_err(|error| source(error.to_string()))?;
        let whole = Bytes::from_owner(whole);
        if super::sha256_of(&whole) != crl.edition.sha256 {
            return Err(source("it was altered since it was made".to_owned()));
        }
        for _ in 0..OVERTAKEN_MAX {
            let seen = self.look(&key, is_stopping)?;
            if let Some(object) = &seen {
                let lies = self.lying(&key, object, is_stopping)?;
                let may_be = lies.may_be_followed(crl.edition);
                let may_be = may_be.map_err(|source| TargetError::GoesBack {
                    path: key.to_string(),
                    source,
                })?;
                if !may_be {
                    return Ok(false);
                }
            }
            let mut attributes = attributes("application/pkix-crl", &crl.caching);
            attributes.insert(
                Attribute::Metadata(NUMBER.into()),
                crl.edition.number.to_string().into(),
            );
            attributes.insert(
                Attribute::Metadata(SHA256.into()),
                crl.edition.sha256.clone().into(),
            );
            let put = self.put(&key, whole.clone(), attributes, seen.as_ref(), is_stopping)?;
            if let Put::Done = put {
                return Ok(true);
            }
        }
        Err(overtaken(&key))
    }

    fn document(
        &mut self,
        document: &SignedDocument,
        path: &ServedPath,
        caching: &Caching,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<bool, TargetError> {
        let key = self.key(path.as_str())?;
        for _ in 0..OVERTAKEN_MAX {
            let seen = self.look(&key, is_stopping)?;
            let octets_max = u64::try_from(MANIFEST_OCTETS_MAX).unwrap_or(u64::MAX);
            if let Some(object) = seen.as_ref().filter(|object| object.octets <= octets_max) {
                let lies = self.read(&key, object, None, is_stopping)?;
                if !may_follow(&lies, document)? {
                    return Ok(false);
                }
            }
            let content = Bytes::copy_from_slice(document.text.as_bytes());
            let attributes = attributes(&document.media_type, caching);
            let put = self.put(&key, content, attributes, seen.as_ref(), is_stopping)?;
            if let Put::Done = put {
                return Ok(true);
            }
        }
        Err(overtaken(&key))
    }

    fn end(&mut self, _: &mut Memory) {
        self.open = None;
        if let Some(runtime) = self.runtime.take() {
            // A look-up of a name cannot be ended.
            runtime.shutdown_background();
        }
    }

    fn remark(&self) -> Option<String> {
        let ignored = "the store ignores conditions: if something else puts CRLs there too, an older one \
                       could replace a newer one";
        let ignored = (self.is_conditional == Some(false)).then(|| ignored.to_owned());
        let left = self.probe_left.as_ref();
        let left = left.map(|why| format!("the probe of conditions could not be removed: {why}"));
        match (ignored, left) {
            (Some(ignored), Some(left)) => Some(format!("{ignored}; {left}")),
            (ignored, left) => ignored.or(left),
        }
    }
}

/// Why the store did not do it.
enum Refusal {
    Store(Error),
    Other(TargetError),
}

impl From<TargetError> for Refusal {
    fn from(error: TargetError) -> Self {
        Self::Other(error)
    }
}

impl Refusal {
    fn told(self, key: &Key) -> TargetError {
        match self {
            Self::Store(error) => TargetError::Store {
                path: key.to_string(),
                why: one_line(&error),
            },
            Self::Other(error) => error,
        }
    }
}

fn overtaken(key: &Key) -> TargetError {
    TargetError::Store {
        path: key.to_string(),
        why: "somebody else puts there at the same time: is another installation set up for it?"
            .to_owned(),
    }
}

fn attributes(media_type: &str, caching: &Caching) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, media_type.to_owned().into());
    attributes.insert(Attribute::CacheControl, caching.header().into());
    attributes
}

/// A file that is gone when this is.
struct Spool<'a>(&'a PathBuf);

impl Drop for Spool<'_> {
    fn drop(&mut self) {
        // Left behind, it is overwritten by the next.
        drop(fs::remove_file(self.0));
    }
}

/// Metadata of a CRL's object.
const NUMBER: &str = "crlnumber";
const SHA256: &str = "sha256";
const LOOK: Duration = Duration::from_millis(100);
const PIECE_OCTETS: u64 = 8 << 20;
const OVERTAKEN_MAX: usize = 4;
