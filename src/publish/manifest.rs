//! The signed list of CRLs that mirrors follow: one for all issuers, and one for each.
//!
//! A manifest is a JWS in the flattened JSON form (RFC 7515 §7.2.2), signed with Ed25519 (RFC 8037 §3.1)
//! by the ledger's key, with its payload as it is (RFC 7797):
//!
//! ```text
//! { "payload":   "{\"version\":1,\"issuer\":null,\"generation\":7,\"time\":…,\"crls\":[…]}",
//!   "protected": BASE64URL({"alg":"EdDSA","b64":false,"crit":["b64"],"kid":NAME,"typ":"crl-manifest+json"}),
//!   "signature": BASE64URL(Ed25519 over protected ‖ "." ‖ payload) }
//! ```
//!
//! Why this form: it is one file that is JSON and that libraries for JOSE verify. The payload is not in
//! base64, so that `jq '.payload | fromjson'` reads it, and what was signed is had by `jq -j` alone, for
//! `openssl pkeyutl -verify`; a signature beside the facts would need a canonical form of JSON, and one
//! in a header or a file of its own can be lost on the way. `kid` is the key's name, as in the vkey that
//! `estelam audit key` prints.
//!
//! The same key signs the log's checkpoints. Those are texts of lines; what is signed here has no line
//! break in it, so neither can be taken for the other.

use std::collections::{BTreeSet, HashSet};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::served_path::{ServedPath, ServedPathError};
use crate::{
    asn1::UnixTime,
    audit::{LedgerKey, VerifierKey},
    catalog::crls::{CrlEdition, CrlKind, CrlListing, SignedDocument},
    config::feed::{Target, TargetError},
};

/// The longest manifest, and the most CRLs in one: some 400 octets each.
pub const MANIFEST_OCTETS_MAX: usize = 32 << 20;
/// See [`MANIFEST_OCTETS_MAX`].
pub const MANIFEST_CRLS_MAX: usize = 65_536;
/// The longest CRL that is followed: what a length of four octets says.
const CRL_OCTETS_MAX: u64 = 1 << 32;
const ISSUER_OCTETS_MAX: usize = 1_024;
/// RFC 7515 §9.2.1 registers it for this form.
const MEDIA_TYPE: &str = "application/jose+json";
const TYPE: &str = "crl-manifest+json";
const VERSION: u64 = 1;

/// What a manifest says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Of this form.
    version: u64,
    /// The issuer whose CRLs these are; `None` for those of all.
    pub issuer: Option<String>,
    /// Rises with every publication.
    pub generation: u64,
    /// When it was made.
    #[serde(with = "crate::catalog::crls::rfc3339")]
    pub time: UnixTime,
    /// The CRLs that are current.
    pub crls: Vec<CrlEdition>,
}

/// The flattened JSON form.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Jws {
    payload: String,
    protected: String,
    signature: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    b64: bool,
    crit: Vec<String>,
    kid: String,
    typ: String,
}

/// The manifests of a listing: at `base_path` that of all issuers, and beside it `ISSUER.json` for each.
///
/// An issuer whose document would lie where another, or a CRL, lies has none of its own, nor has one
/// whose name is longer than a file's may be.
#[must_use]
pub fn documents(
    listing: &CrlListing,
    base_path: &str,
    now: UnixTime,
    key: &LedgerKey,
) -> Vec<SignedDocument> {
    let mut taken: HashSet<&str> = listing.editions.iter().map(CrlEdition::path).collect();
    let issuers: BTreeSet<&str> = listing.editions.iter().map(|it| &*it.issuer).collect();
    let paths: Vec<(Option<&str>, String)> = std::iter::once((None, base_path.to_owned()))
        .chain(
            issuers
                .into_iter()
                .map(|issuer| (Some(issuer), issuer_path(base_path, issuer))),
        )
        .collect();
    let mut documents = Vec::new();
    for (issuer, path) in &paths {
        if ServedPath::parse(path).is_err() || !taken.insert(path) {
            continue;
        }
        let is_in = |edition: &&CrlEdition| issuer.is_none_or(|issuer| edition.issuer == issuer);
        let manifest = Manifest {
            version: VERSION,
            issuer: issuer.map(str::to_owned),
            generation: listing.generation,
            time: now,
            crls: listing.editions.iter().filter(is_in).cloned().collect(),
        };
        documents.push(SignedDocument {
            path: path.clone(),
            media_type: MEDIA_TYPE.to_owned(),
            text: manifest.signed(key),
        });
    }
    documents
}

/// Where the manifest of one issuer lies: beside that of all, under its name. What a file's name cannot
/// have stands in it as `%XX`, and all of it is escaped once more for the URL.
#[must_use]
pub fn issuer_path(base_path: &str, issuer: &str) -> String {
    use std::fmt::Write as _;
    let mut name = String::new();
    for sign in issuer.chars() {
        let is_own = name.is_empty() && sign == '.';
        if is_own || matches!(sign, '/' | '\\' | '%') || sign.is_control() {
            let mut octets = [0; 4];
            for octet in sign.encode_utf8(&mut octets).bytes() {
                // Writing to a String cannot fail.
                let _infallible = write!(name, "%{octet:02X}");
            }
        } else {
            name.push(sign);
        }
    }
    let folder = base_path.rfind('/').and_then(|at| base_path.get(..=at));
    let mut path = folder.unwrap_or("/").to_owned();
    for octet in name.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            path.push(char::from(octet));
        } else {
            let _infallible = write!(path, "%{octet:02X}");
        }
    }
    path.push_str(".json");
    path
}

impl Manifest {
    /// The signed document.
    fn signed(&self, key: &LedgerKey) -> String {
        let header = Header {
            alg: "EdDSA".to_owned(),
            b64: false,
            crit: vec!["b64".to_owned()],
            kid: key.name().to_owned(),
            typ: TYPE.to_owned(),
        };
        let json = |value: serde_json::Result<String>| value.expect("texts, numbers and lists");
        let protected = URL_SAFE_NO_PAD.encode(json(serde_json::to_string(&header)));
        let payload = json(serde_json::to_string(self));
        let signature = key.sign_line(&format!("{protected}.{payload}"));
        let jws = Jws {
            payload,
            protected,
            signature: URL_SAFE_NO_PAD.encode(signature),
        };
        let mut text = json(serde_json::to_string_pretty(&jws));
        text.push('\n');
        text
    }

    /// Reads a manifest that `key` signed.
    ///
    /// # Errors
    /// [`ManifestError`]: nothing of one that is refused is to be used.
    pub fn verified(octets: &[u8], key: &VerifierKey) -> Result<Self, ManifestError> {
        let jws = parsed(octets)?;
        let header = URL_SAFE_NO_PAD.decode(&jws.protected);
        let header = header.map_err(|_| ManifestError::Base64)?;
        let header: Header = serde_json::from_slice(&header).map_err(ManifestError::Json)?;
        if header.alg != "EdDSA" || header.b64 || header.crit != ["b64"] || header.typ != TYPE {
            return Err(ManifestError::Header);
        }
        if header.kid != key.name() {
            return Err(ManifestError::AnotherKey {
                found: header.kid,
                expected: key.name().to_owned(),
            });
        }
        let signature = URL_SAFE_NO_PAD.decode(&jws.signature);
        let signature = signature.map_err(|_| ManifestError::Base64)?;
        let signed = format!("{}.{}", jws.protected, jws.payload);
        if signed.contains('\n') || !key.verifies(&signed, &signature) {
            return Err(ManifestError::Signature {
                key: key.name().to_owned(),
            });
        }
        Self::read(&jws.payload)
    }

    /// Reads a manifest whose signature is not looked at: one of our own, or one that only serves to
    /// compare.
    ///
    /// # Errors
    /// [`ManifestError`]
    pub fn unverified(octets: &[u8]) -> Result<Self, ManifestError> {
        Self::read(&parsed(octets)?.payload)
    }

    fn read(payload: &str) -> Result<Self, ManifestError> {
        let manifest: Self = serde_json::from_str(payload).map_err(ManifestError::Json)?;
        manifest.judge()?;
        Ok(manifest)
    }

    fn judge(&self) -> Result<(), ManifestError> {
        if self.version != VERSION {
            return Err(ManifestError::Version(self.version));
        }
        if self.crls.len() > MANIFEST_CRLS_MAX {
            return Err(ManifestError::TooLong);
        }
        let mut kinds = HashSet::new();
        let mut paths = BTreeSet::new();
        for crl in &self.crls {
            judge_edition(crl)?;
            let is_of_another = self.issuer.as_ref().is_some_and(|own| *own != crl.issuer);
            if is_of_another || !kinds.insert((&crl.issuer, crl.kind)) {
                return Err(ManifestError::Edition {
                    what: named(crl),
                    why: "it is there twice, or of another issuer",
                });
            }
            let path = ServedPath::parse(crl.path()).map_err(|source| ManifestError::Path {
                url: crl.url.clone(),
                source,
            })?;
            if !paths.insert(path) {
                return Err(ManifestError::Overlap {
                    url: crl.url.clone(),
                });
            }
        }
        let is_folder = |path: &&ServedPath| {
            let folders = path.as_str().match_indices('/');
            let mut folders = folders.filter_map(|(at, _)| path.as_str().get(..at));
            folders.any(|folder| paths.contains(folder))
        };
        if let Some(path) = paths.iter().find(is_folder) {
            return Err(ManifestError::Overlap {
                url: path.to_string(),
            });
        }
        Ok(())
    }

    /// The CRLs of an issuer, and what it is called.
    pub fn issuers(&self) -> impl Iterator<Item = (&str, Vec<&CrlEdition>)> {
        let names: BTreeSet<&str> = self.crls.iter().map(|crl| &*crl.issuer).collect();
        names.into_iter().map(|name| {
            let own = self.crls.iter().filter(|crl| crl.issuer == name);
            (name, own.collect())
        })
    }

    /// When the first of its CRLs is due to be followed by another; `None` without any.
    #[must_use]
    pub fn next_due(&self) -> Option<UnixTime> {
        self.crls.iter().map(|crl| crl.next_due).min()
    }
}

fn parsed(octets: &[u8]) -> Result<Jws, ManifestError> {
    if octets.len() > MANIFEST_OCTETS_MAX {
        return Err(ManifestError::TooLong);
    }
    serde_json::from_slice(octets).map_err(ManifestError::Json)
}

fn judge_edition(crl: &CrlEdition) -> Result<(), ManifestError> {
    let wrong = |why| ManifestError::Edition {
        what: named(crl),
        why,
    };
    if crl.issuer.is_empty() || crl.issuer.len() > ISSUER_OCTETS_MAX {
        return Err(wrong("its issuer has no name, or one that is too long"));
    }
    Target::parse(&crl.url).map_err(|source| ManifestError::Url {
        url: crl.url.chars().take(200).collect(),
        source,
    })?;
    let is_digit = |octet: u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
    if crl.sha256.len() != 64 || !crl.sha256.bytes().all(is_digit) {
        return Err(wrong("its sha256 is not 64 lower-case hexadecimal digits"));
    }
    if crl.octets == 0 || crl.octets > CRL_OCTETS_MAX {
        return Err(wrong("no CRL has its length"));
    }
    if crl.this_update > crl.next_update {
        return Err(wrong("it ends before it begins"));
    }
    match crl.base {
        Some(_) if crl.kind != CrlKind::Delta => Err(wrong("only a delta has a base")),
        None if crl.kind == CrlKind::Delta => Err(wrong("a delta has a base")),
        Some(base) if base > crl.number => Err(wrong("its base is newer than itself")),
        _ => Ok(()),
    }
}

fn named(crl: &CrlEdition) -> String {
    let issuer: String = crl.issuer.chars().take(200).collect();
    format!("{} of {issuer:?}", crl.kind)
}

/// Why a manifest is not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Longer than any.
    #[error(
        "it is longer than {MANIFEST_OCTETS_MAX} octets, or names more than {MANIFEST_CRLS_MAX} CRLs"
    )]
    TooLong,
    /// Another form.
    #[error("it is no manifest: {0}")]
    Json(serde_json::Error),
    /// A header or signature that cannot be read.
    #[error("it is no manifest: its header or signature is not base64url without padding")]
    Base64,
    /// A header of something else.
    #[error("its header is not that of a manifest (alg EdDSA, b64 false, typ {TYPE})")]
    Header,
    /// Signed under another name.
    #[error("it is signed by {found:?}, and the key that is trusted is called {expected:?}")]
    AnotherKey {
        /// Its kid.
        found: String,
        /// The name of the key.
        expected: String,
    },
    /// Not signed by the key.
    #[error(
        "its signature does not hold: it was altered, or the key is not that of {key:?} any more (`estelam \
         audit key` prints it)"
    )]
    Signature {
        /// The key's name.
        key: String,
    },
    /// Of a later form.
    #[error("it has version {0}, and this program knows {VERSION}")]
    Version(u64),
    /// A CRL that cannot be.
    #[error("the {what}: {why}")]
    Edition {
        /// Which.
        what: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A URL that cannot be asked.
    #[error("{url:?}: {source}")]
    Url {
        /// The URL.
        url: String,
        /// Why.
        source: TargetError,
    },
    /// A path that leads to no file.
    #[error("{url:?} leads to no place for a file: {source}")]
    Path {
        /// The URL.
        url: String,
        /// Why.
        source: ServedPathError,
    },
    /// Two in one place.
    #[error("{url:?}: another CRL has the same path, or lies in a folder of that name")]
    Overlap {
        /// One of the two.
        url: String,
    },
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
