//! A full CRL into a file.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;

use super::{PublishError, SortedEntries, guard};
use crate::{
    asn1::{Certificate, CrlNumber, EcdsaSignature, SignatureAlgorithm, UnixTime},
    crl::{
        Tap,
        writer::{
            CertificateListWriter, CrlHead, ExtensionsWriter, Signed, UnsignedList, WriteError,
        },
    },
    signer::{SignedOctets, Signer, message_digest},
};

/// What the CRL is to say beside its entries.
#[derive(Clone, Copy)]
pub struct CrlOrder<'a> {
    /// The CA.
    pub issuer: &'a Certificate,
    /// Its key.
    pub signer: &'a dyn Signer,
    /// CRLNumber; reserved for this CRL alone.
    pub number: CrlNumber,
    /// thisUpdate
    pub this_update: UnixTime,
    /// nextUpdate
    pub next_update: UnixTime,
    /// Where it is to lie.
    pub path: &'a Path,
}

/// What was published.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PublishedCrl {
    /// How many entries it has.
    pub entry_count: u64,
    /// How many octets.
    pub octets: u64,
    /// SHA-256 of them.
    pub sha256: [u8; 32],
}

/// Writes, signs and checks a CRL beside its place, and then renames it there.
///
/// # Errors
/// [`PublishError`]; the file that was there before is there still.
pub fn publish(
    order: &CrlOrder<'_>,
    entries: &SortedEntries,
) -> Result<PublishedCrl, PublishError> {
    let unfinished = Unfinished::beside(order.path);
    let failed = |source| PublishError::Io {
        path: unfinished.path.clone(),
        source,
    };
    let file = unfinished.create().map_err(failed)?;
    write(order, entries, file, &unfinished.path)?;
    let published = guard::check(order, entries, &unfinished.path)?;
    fs::rename(&unfinished.path, order.path).map_err(failed)?;
    let folder = match order.path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    Ok(published)
}

/// A file that is removed unless it got its name.
struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    fn beside(path: &Path) -> Self {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        Self {
            path: path.with_file_name(name),
        }
    }

    fn create(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o644);
        match options.open(&self.path) {
            // Left by a process of the same number that was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&self.path)?;
                options.open(&self.path)
            }
            opened => opened,
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the rename there is none.
        drop(fs::remove_file(&self.path));
    }
}

fn write(
    order: &CrlOrder<'_>,
    entries: &SortedEntries,
    file: File,
    path: &Path,
) -> Result<(), PublishError> {
    let failed = |source| PublishError::Write {
        path: path.to_owned(),
        source,
    };
    let sorting = |source| PublishError::Sorting {
        path: order.path.to_owned(),
        source,
    };
    let algorithm = order.signer.algorithm();
    let mut extensions = ExtensionsWriter::new();
    if let Some(key_id) = order.issuer.subject_key_id() {
        extensions = extensions.authority_key_id(key_id);
    }
    let extensions = extensions.crl_number(order.number);
    let head = CrlHead {
        algorithm,
        issuer_der: order.issuer.subject_der(),
        this_update: order.this_update,
        next_update: order.next_update,
        extensions: &extensions,
    };
    let heard = Heard(message_digest(algorithm).map(digest::Context::new));
    let listing = entries.listing();
    let mut list = CertificateListWriter::begin(file, &head, listing, heard).map_err(failed)?;
    for entry in entries.iter().map_err(sorting)? {
        list.entry(&entry.map_err(sorting)?).map_err(failed)?;
    }
    let mut unsigned = list.finish().map_err(failed)?;
    // Only a length at the edge of two encodings asks for a second signature.
    for _ in 0..SIGNATURES_MAX {
        let signature = sign(order.signer, &unsigned, path)?;
        match unsigned.sign(&signature).map_err(failed)? {
            Signed::Whole(file) => {
                return file.sync_all().map_err(|source| failed(source.into()));
            }
            Signed::NotOfThisLength(list) => unsigned = list,
        }
    }
    Err(failed(WriteError::Io(io::Error::other(
        "no signature of a length that fits was made",
    ))))
}

const SIGNATURES_MAX: u32 = 256;

/// The octets of signatureValue.
fn sign(
    signer: &dyn Signer,
    unsigned: &UnsignedList<File, Heard>,
    path: &Path,
) -> Result<Vec<u8>, PublishError> {
    let algorithm = signer.algorithm();
    let mut signature = vec![0; algorithm.stored_len()];
    match &unsigned.tap().0 {
        Some(context) => signer.sign_digest(&context.clone().finish(), &mut signature)?,
        None => {
            let (start, octets) = unsigned.tbs();
            if octets > SignedOctets::KEPT_OCTETS_MAX {
                return Err(PublishError::TooLongToSign {
                    octets,
                    octets_max: SignedOctets::KEPT_OCTETS_MAX,
                });
            }
            let mut message = vec![0; octets];
            let file = unsigned.get_ref();
            file.read_exact_at(&mut message, start)
                .map_err(|source| PublishError::Io {
                    path: path.to_owned(),
                    source,
                })?;
            signer.sign(&message, &mut signature)?;
        }
    }
    Ok(on_the_wire(algorithm, signature))
}

/// ECDSA signatures are r‖s in memory and a SEQUENCE on the wire.
fn on_the_wire(algorithm: SignatureAlgorithm, stored: Vec<u8>) -> Vec<u8> {
    if !algorithm.is_ecdsa() {
        return stored;
    }
    match EcdsaSignature::from_r_s(&stored) {
        Some(signature) => signature.to_der(),
        // Its length was the algorithm's.
        None => stored,
    }
}

/// The digest of what passes by, where a digest is signed.
struct Heard(Option<digest::Context>);

impl Tap for Heard {
    fn whole(&mut self, _: &[u8]) {}

    fn tbs(&mut self, octets: &[u8]) {
        if let Some(context) = &mut self.0 {
            context.update(octets);
        }
    }
}
