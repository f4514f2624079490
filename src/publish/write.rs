//! One CRL into a file: written, signed and read again.

use std::{fs::File, io, ops::Range, path::Path};

use aws_lc_rs::digest;

use super::{
    PublishError,
    guard::{self, Due},
    loss::Comparison,
};
use crate::{
    asn1::{Certificate, CrlNumber, EcdsaSignature, SignatureAlgorithm, UnixTime},
    catalog::crls::Unfinished,
    crl::{
        Tap,
        writer::{
            CertificateListWriter, CrlHead, DistributionPoint, ExtensionsWriter, Listing,
            RevokedEntry, Signed, UnsignedList, WriteError,
        },
    },
    segment::whole_file,
    signer::{Signer, message_digest},
};

/// What a CRL is to say beside its entries.
#[derive(Clone, Copy)]
pub(super) struct CrlOrder<'a> {
    /// The CA.
    pub(super) issuer: &'a Certificate,
    /// Its key.
    pub(super) signer: &'a dyn Signer,
    /// CRLNumber; reserved for this CRL, and the delta that is made with it.
    pub(super) number: CrlNumber,
    /// BaseCRLNumber, of a delta.
    pub(super) base: Option<CrlNumber>,
    /// thisUpdate
    pub(super) this_update: UnixTime,
    /// nextUpdate
    pub(super) next_update: UnixTime,
    /// The distribution point that it is limited to.
    pub(super) point: Option<&'a str>,
    /// Where its deltas are.
    pub(super) freshest: Option<&'a str>,
    /// Since when certificates must have expired to be left out.
    pub(super) expired_since: Option<UnixTime>,
}

impl CrlOrder<'_> {
    fn extensions(&self) -> ExtensionsWriter {
        let mut extensions = ExtensionsWriter::new();
        if let Some(key_id) = self.issuer.subject_key_id() {
            extensions = extensions.authority_key_id(key_id);
        }
        extensions = extensions.crl_number(self.number);
        if let Some(base) = self.base {
            extensions = extensions.delta_crl_indicator(base);
        }
        if let Some(point) = self.point {
            extensions = extensions.issuing_distribution_point(&DistributionPoint {
                uris: vec![point.to_owned()],
                only: None,
            });
        }
        if let Some(url) = self.freshest {
            extensions = extensions.freshest_crl(&[url.to_owned()]);
        }
        if let Some(since) = self.expired_since {
            extensions = extensions.expired_certs_on_crl(since);
        }
        extensions
    }
}

/// A CRL that was written and checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct WrittenCrl {
    /// How many entries it has.
    pub(super) entry_count: u64,
    /// How many octets.
    pub(super) octets: u64,
    /// SHA-256 of them.
    pub(super) sha256: [u8; 32],
}

/// Entries as they are read.
pub(super) trait Entries: Iterator<Item = io::Result<RevokedEntry>> {}

impl<I: Iterator<Item = io::Result<RevokedEntry>>> Entries for I {}

/// Writes and signs a CRL of the entries that are due, and reads it again beside the one before.
///
/// # Errors
/// [`PublishError`]; the file is no CRL then.
pub(super) fn crl(
    order: &CrlOrder<'_>,
    due: Due<'_>,
    entries: impl Entries,
    before: Comparison<'_>,
    unfinished: &Unfinished,
) -> Result<WrittenCrl, PublishError> {
    let path = unfinished.path();
    let file = unfinished.create().map_err(|source| PublishError::Io {
        path: path.to_owned(),
        source,
    })?;
    let tbs = write(order, due.listing, entries, file, path)?;
    guard::check(order, due, before, path, tbs)
}

fn write(
    order: &CrlOrder<'_>,
    listing: Listing,
    entries: impl Entries,
    file: File,
    path: &Path,
) -> Result<Range<usize>, PublishError> {
    let failed = |source| PublishError::Write {
        path: path.to_owned(),
        source,
    };
    let algorithm = order.signer.algorithm();
    let extensions = order.extensions();
    let head = CrlHead {
        algorithm,
        issuer_der: order.issuer.subject_der(),
        this_update: order.this_update,
        next_update: order.next_update,
        extensions: &extensions,
    };
    let heard = Heard(message_digest(algorithm).map(digest::Context::new));
    let mut list = CertificateListWriter::begin(file, &head, listing, heard).map_err(failed)?;
    for entry in entries {
        let entry = entry.map_err(|source| PublishError::Sorting { source })?;
        list.entry(&entry).map_err(failed)?;
    }
    let mut unsigned = list.finish().map_err(failed)?;
    let tbs = range(unsigned.tbs());
    // Only a length at the edge of two encodings asks for a second signature.
    for _ in 0..SIGNATURES_MAX {
        let signature = sign(order.signer, &unsigned, path)?;
        match unsigned.sign(&signature).map_err(failed)? {
            Signed::Whole(file) => {
                let synced = file.sync_all();
                return synced.map(|()| tbs).map_err(|source| failed(source.into()));
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
            // Signed as it lies in the file, so that its length costs no memory.
            let failed = |source| PublishError::Io {
                path: path.to_owned(),
                source,
            };
            let file = whole_file(unsigned.get_ref()).map_err(failed)?;
            let message = file.as_ref().get(range(unsigned.tbs()));
            let message = message.ok_or_else(|| failed(io::ErrorKind::UnexpectedEof.into()))?;
            signer.sign(message, &mut signature)?;
        }
    }
    Ok(on_the_wire(algorithm, signature))
}

/// Where tbsCertList lies in the file.
fn range((start, octets): (u64, usize)) -> Range<usize> {
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    start..start.saturating_add(octets)
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
