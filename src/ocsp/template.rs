//! What the presigned responses of a segment have in common, and how one is put together again.
//!
//! Of a response of 600 to 1,000 octets only serial number, status and signature belong to one
//! certificate. A [`Template`] holds the rest, encoded, for one issuer, signer, CertID hash and set of
//! times; a stored record and the template give the response, octet for octet as it was signed.
//!
//! # Stored form
//!
//! All integers are big-endian.
//!
//! ```text
//! offset  octets  field
//!      0       4  length of everything, this field included
//!      4       1  version: 1, or 2 with archiveCutoff
//!      5       3  signature algorithm: code, then octets of the RSA modulus (0 unless RSA)
//!      8       1  CertID hash: 1 SHA-1, 2 SHA-256, 3 SHA-384, 4 SHA-512
//!      9       8  producedAt, seconds since 1970
//!     17       8  thisUpdate
//!     25       8  nextUpdate
//!              8  archiveCutoff, in version 2 alone
//!              h  issuerNameHash, h = 20, 32, 48 or 64 octets as the hash makes
//!              h  issuerKeyHash
//!              4  length n of the responderID
//!              n  ResponderID, DER: [1] byName or [2] byKey
//!              2  number of certificates
//!                 for each: 4 octets length, then its DER
//! ```
//!
//! A reader refuses another version, a code or time it does not know, a length that does not come out
//! even, and a responderID or certificate that is not one DER element of its kind. It does not look
//! for flipped bits inside hashes, names or certificates: the file around it keeps a checksum over
//! these octets, the same as [`Template::checksum`].

use super::{
    CertId, CertStatus, EncodeError, HashAlgorithm, IssuerHashes, ResponderId,
    basic_response::{Envelope, SignatureBits, certs_der},
    cert_status::put_generalized_time,
    extensions::{archive_cutoff_extension, list_of, put_wrapped_lists, wrapped_lists_len},
    response_data::put_updates,
};
use crate::{
    asn1::{Elements, SignatureAlgorithm, UnixTime, put_header, put_tlv, tag, tlv_len, total},
    octets::Octets,
};

/// The constant octets of presigned responses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    issuer_hashes: IssuerHashes,
    produced_at: UnixTime,
    this_update: UnixTime,
    next_update: UnixTime,
    signature_algorithm: SignatureAlgorithm,
    /// responderID and producedAt.
    response_data_head: Box<[u8]>,
    /// hashAlgorithm, issuerNameHash and issuerKeyHash.
    cert_id_head: Box<[u8]>,
    /// thisUpdate and nextUpdate.
    updates: Box<[u8]>,
    archive_cutoff: Option<UnixTime>,
    /// What is in every singleExtensions: archiveCutoff, if there is one.
    single_extensions: Box<[u8]>,
    /// `[0]` certs; empty when the CA signs itself.
    certs: Box<[u8]>,
    stored: Box<[u8]>,
    checksum: u32,
}

/// What a template is made from.
#[derive(Clone, Copy, Debug)]
pub struct TemplateParams<'a> {
    /// The signer.
    pub responder_id: &'a ResponderId,
    /// The issuer of the certificates that are answered for, under the hash of the CertIDs.
    pub issuer_hashes: &'a IssuerHashes,
    /// When the responses are signed.
    pub produced_at: UnixTime,
    /// When the statuses were known to be right.
    pub this_update: UnixTime,
    /// Until when they may be relied on.
    pub next_update: UnixTime,
    /// What the signatures are made with.
    pub signature_algorithm: SignatureAlgorithm,
    /// Since when the status of certificates that expired is still told (RFC 6960 §4.4.4): in every
    /// response, if it is set.
    pub archive_cutoff: Option<UnixTime>,
    /// The DER of the certificates to send, the delegate's first; none when the CA signs itself.
    pub certificates: &'a [&'a [u8]],
}

impl Template {
    /// Encodes everything that the responses share.
    #[must_use]
    pub fn new(params: &TemplateParams<'_>) -> Self {
        let hashes = params.issuer_hashes;
        let mut response_data_head = Vec::new();
        params.responder_id.put(&mut response_data_head);
        put_generalized_time(&mut response_data_head, params.produced_at);
        let mut cert_id_head = hashes.algorithm().algorithm_identifier_der().to_vec();
        put_tlv(&mut cert_id_head, tag::OCTET_STRING, hashes.name_hash());
        put_tlv(&mut cert_id_head, tag::OCTET_STRING, hashes.key_hash());
        let mut updates = Vec::new();
        put_updates(&mut updates, params.this_update, params.next_update);
        let stored = stored_form(params);
        Self {
            issuer_hashes: *hashes,
            produced_at: params.produced_at,
            this_update: params.this_update,
            next_update: params.next_update,
            signature_algorithm: params.signature_algorithm,
            response_data_head: response_data_head.into(),
            cert_id_head: cert_id_head.into(),
            updates: updates.into(),
            archive_cutoff: params.archive_cutoff,
            single_extensions: params
                .archive_cutoff
                .map(archive_cutoff_extension)
                .unwrap_or_default()
                .into(),
            certs: certs_der(params.certificates).into(),
            checksum: crc32c::crc32c(&stored),
            stored: stored.into(),
        }
    }

    /// The octets that a file keeps; their first four say how many they are.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.stored.to_vec()
    }

    /// Reads back what [`Self::to_bytes`] gave, exactly that.
    ///
    /// # Errors
    /// [`TemplateError`] for everything else, as the module's documentation says.
    pub fn from_bytes(stored: &[u8]) -> Result<Self, TemplateError> {
        read_stored_form(stored)
    }

    /// CRC-32C of [`Self::to_bytes`]: names the template within an entity tag.
    #[must_use]
    pub const fn checksum(&self) -> u32 {
        self.checksum
    }

    /// The issuer answered for, under the hash of the CertIDs.
    #[must_use]
    pub const fn issuer_hashes(&self) -> &IssuerHashes {
        &self.issuer_hashes
    }

    /// The hash of the CertIDs.
    #[must_use]
    pub const fn hash_algorithm(&self) -> HashAlgorithm {
        self.issuer_hashes.algorithm()
    }

    /// Whether the responses name this responder.
    #[must_use]
    pub fn is_by(&self, responder_id: &ResponderId) -> bool {
        let mut der = Vec::with_capacity(responder_id.der_len());
        responder_id.put(&mut der);
        self.response_data_head.starts_with(&der)
    }

    /// producedAt.
    #[must_use]
    pub const fn produced_at(&self) -> UnixTime {
        self.produced_at
    }

    /// thisUpdate.
    #[must_use]
    pub const fn this_update(&self) -> UnixTime {
        self.this_update
    }

    /// nextUpdate.
    #[must_use]
    pub const fn next_update(&self) -> UnixTime {
        self.next_update
    }

    /// archiveCutoff, if the responses carry it.
    #[must_use]
    pub const fn archive_cutoff(&self) -> Option<UnixTime> {
        self.archive_cutoff
    }

    /// What the signatures are made with.
    #[must_use]
    pub const fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.signature_algorithm
    }

    /// Whether an assembled response for `serial` would carry the CertID asked (hash parameters
    /// aside): the last check before octets go out.
    #[must_use]
    #[inline]
    pub fn answers(&self, asked: &CertId<'_>, serial: &[u8]) -> bool {
        asked.serial_number == serial && asked.is_of(&self.issuer_hashes)
    }

    /// Puts the ResponseData for one certificate into `out`, which is cleared first: what is signed.
    ///
    /// `serial` is serialNumber content octets, `single_extensions` a whole `Extensions` SEQUENCE.
    /// Reserves at most once.
    ///
    /// # Errors
    /// [`EncodeError::EmptySerialNumber`], [`EncodeError::SingleExtensions`].
    pub fn tbs_response_data(
        &self,
        serial: &[u8],
        status: &CertStatus,
        single_extensions: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let lengths = self.lengths(serial, status, single_extensions)?;
        out.clear();
        out.reserve(tlv_len(lengths.response_data));
        self.put_response_data(&lengths, serial, status, out);
        Ok(())
    }

    /// Puts the whole OCSPResponse for one certificate into `out`, which is cleared first.
    ///
    /// The arguments are those that [`Self::tbs_response_data`] was given and the signature that was
    /// made over its octets, in the stored form (r‖s for ECDSA). This is the hot path: one exact
    /// reservation, which costs nothing when `out` has the room, no other allocation, no lock, no
    /// system call and no way to panic.
    ///
    /// # Errors
    /// [`EncodeError`]; `out` is then unchanged.
    pub fn assemble(
        &self,
        serial: &[u8],
        status: &CertStatus,
        single_extensions: Option<&[u8]>,
        signature: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let lengths = self.lengths(serial, status, single_extensions)?;
        let signature = SignatureBits::new(self.signature_algorithm, signature)?;
        let envelope = self.envelope(&lengths, &signature);
        out.clear();
        out.reserve_exact(envelope.len());
        envelope.put(out);
        self.put_response_data(&lengths, serial, status, out);
        out.extend_from_slice(self.signature_algorithm.algorithm_identifier_der());
        signature.put(out);
        out.extend_from_slice(&self.certs);
        Ok(())
    }

    #[inline]
    fn lengths<'a>(
        &self,
        serial: &[u8],
        status: &CertStatus,
        single_extensions: Option<&'a [u8]>,
    ) -> Result<Lengths<'a>, EncodeError> {
        if serial.is_empty() {
            return Err(EncodeError::EmptySerialNumber);
        }
        let single_extensions = list_of(single_extensions).ok_or(EncodeError::SingleExtensions)?;
        let cert_id = total([self.cert_id_head.len(), tlv_len(serial.len())]);
        let single_response = total([
            tlv_len(cert_id),
            status.der_len(),
            self.updates.len(),
            wrapped_lists_len([single_extensions, &self.single_extensions]),
        ]);
        let responses = tlv_len(single_response);
        let response_data = total([self.response_data_head.len(), tlv_len(responses)]);
        Ok(Lengths {
            single_extensions,
            cert_id,
            single_response,
            responses,
            response_data,
        })
    }

    #[inline]
    fn envelope(&self, lengths: &Lengths<'_>, signature: &SignatureBits<'_>) -> Envelope {
        Envelope::around(total([
            tlv_len(lengths.response_data),
            self.signature_algorithm.algorithm_identifier_der().len(),
            signature.der_len(),
            self.certs.len(),
        ]))
    }

    #[inline]
    fn put_response_data(
        &self,
        lengths: &Lengths<'_>,
        serial: &[u8],
        status: &CertStatus,
        out: &mut Vec<u8>,
    ) {
        put_header(out, tag::SEQUENCE, lengths.response_data);
        out.extend_from_slice(&self.response_data_head);
        put_header(out, tag::SEQUENCE, lengths.responses);
        put_header(out, tag::SEQUENCE, lengths.single_response);
        put_header(out, tag::SEQUENCE, lengths.cert_id);
        out.extend_from_slice(&self.cert_id_head);
        put_tlv(out, tag::INTEGER, serial);
        status.put(out);
        out.extend_from_slice(&self.updates);
        put_wrapped_lists(out, [lengths.single_extensions, &self.single_extensions]);
    }
}

/// Content octets of the nested elements of ResponseData.
struct Lengths<'a> {
    /// The list of single extensions that is the certificate's own.
    single_extensions: &'a [u8],
    cert_id: usize,
    single_response: usize,
    responses: usize,
    response_data: usize,
}

const STORED_VERSION: u8 = 1;
const STORED_VERSION_WITH_ARCHIVE_CUTOFF: u8 = 2;

fn stored_form(params: &TemplateParams<'_>) -> Vec<u8> {
    let hashes = params.issuer_hashes;
    let mut responder_id = Vec::new();
    params.responder_id.put(&mut responder_id);
    let mut out = vec![0; 4];
    out.push(match params.archive_cutoff {
        None => STORED_VERSION,
        Some(_) => STORED_VERSION_WITH_ARCHIVE_CUTOFF,
    });
    out.extend(params.signature_algorithm.stored_code());
    out.push(hashes.algorithm().stored_code());
    let times = [params.produced_at, params.this_update, params.next_update];
    for time in times.into_iter().chain(params.archive_cutoff) {
        out.extend(time.as_secs().to_be_bytes());
    }
    out.extend(hashes.name_hash());
    out.extend(hashes.key_hash());
    put_sized(&mut out, &responder_id);
    out.extend(
        u16::try_from(params.certificates.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes(),
    );
    for certificate in params.certificates.iter().take(usize::from(u16::MAX)) {
        put_sized(&mut out, certificate);
    }
    let len = u32::try_from(out.len()).unwrap_or(u32::MAX).to_be_bytes();
    for (place, octet) in out.iter_mut().zip(len) {
        *place = octet;
    }
    out
}

fn put_sized(out: &mut Vec<u8>, octets: &[u8]) {
    out.extend(
        u32::try_from(octets.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes(),
    );
    out.extend(octets);
}

fn read_stored_form(stored: &[u8]) -> Result<Template, TemplateError> {
    let mut fields = Fields(Octets::new(stored));
    let len = u32::from_be_bytes(fields.array()?);
    let len = usize::try_from(len).map_err(|_| TemplateError::Truncated)?;
    if len != stored.len() {
        return Err(TemplateError::Length {
            expected: len,
            actual: stored.len(),
        });
    }
    let [version] = fields.array()?;
    if !matches!(version, STORED_VERSION | STORED_VERSION_WITH_ARCHIVE_CUTOFF) {
        return Err(TemplateError::Version(version));
    }
    let signature_algorithm = SignatureAlgorithm::from_stored_code(fields.array()?)
        .ok_or(TemplateError::SignatureAlgorithm)?;
    let [hash] = fields.array()?;
    let hash = HashAlgorithm::from_stored_code(hash).ok_or(TemplateError::HashAlgorithm(hash))?;
    let (produced_at, this_update, next_update) = (fields.time()?, fields.time()?, fields.time()?);
    let archive_cutoff = (version == STORED_VERSION_WITH_ARCHIVE_CUTOFF)
        .then(|| fields.time())
        .transpose()?;
    let name = fields.take(hash.output_len())?;
    let key = fields.take(hash.output_len())?;
    let issuer_hashes =
        IssuerHashes::from_hashes(hash, name, key).ok_or(TemplateError::Truncated)?;
    let responder_id = read_responder_id(fields.sized()?)?;
    let count = u16::from_be_bytes(fields.array()?);
    let mut certificates = Vec::new();
    for _ in 0..count {
        let certificate = fields.sized()?;
        Elements::only(certificate, tag::SEQUENCE).map_err(|_| TemplateError::Certificate)?;
        certificates.push(certificate);
    }
    if !fields.0.is_empty() {
        return Err(TemplateError::TrailingOctets);
    }
    Ok(Template::new(&TemplateParams {
        responder_id: &responder_id,
        issuer_hashes: &issuer_hashes,
        produced_at,
        this_update,
        next_update,
        signature_algorithm,
        archive_cutoff,
        certificates: &certificates,
    }))
}

fn read_responder_id(der: &[u8]) -> Result<ResponderId, TemplateError> {
    let invalid = |_| TemplateError::ResponderId;
    let mut elements = Elements::new(der);
    let choice = elements.any().map_err(invalid)?;
    elements.finish().map_err(invalid)?;
    if choice.tag == tag::constructed(1) {
        let name = Elements::only(choice.content, tag::SEQUENCE).map_err(invalid)?;
        return Ok(ResponderId::ByName(name.der.to_vec()));
    }
    if choice.tag != tag::constructed(2) {
        return Err(TemplateError::ResponderId);
    }
    let key_hash = Elements::only(choice.content, tag::OCTET_STRING)
        .map_err(invalid)?
        .content;
    let key_hash = key_hash
        .try_into()
        .map_err(|_| TemplateError::ResponderId)?;
    Ok(ResponderId::ByKey(key_hash))
}

/// [`Octets`] whose end is an error of its own.
struct Fields<'a>(Octets<'a>);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], TemplateError> {
        self.0.take(len).ok_or(TemplateError::Truncated)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TemplateError> {
        self.0.array().ok_or(TemplateError::Truncated)
    }

    fn sized(&mut self) -> Result<&'a [u8], TemplateError> {
        self.0.counted_u32().ok_or(TemplateError::Truncated)
    }

    fn time(&mut self) -> Result<UnixTime, TemplateError> {
        UnixTime::from_secs(u64::from_be_bytes(self.array()?)).ok_or(TemplateError::Time)
    }
}

/// Why stored octets are no template.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The octets end inside a field.
    #[error("the template ends too early")]
    Truncated,
    /// The length that the octets state is not theirs.
    #[error("the template says that it has {expected} octets, and has {actual}")]
    Length {
        /// What the first field says.
        expected: usize,
        /// What was given.
        actual: usize,
    },
    /// Octets follow the last certificate.
    #[error("octets follow the template's last field")]
    TrailingOctets,
    /// Written by another version of the program.
    #[error("the template has version {0}, this program reads 1 and 2")]
    Version(u8),
    /// A signature algorithm that does not exist.
    #[error("the template names an unknown signature algorithm")]
    SignatureAlgorithm,
    /// A CertID hash that does not exist.
    #[error("the template names the unknown CertID hash {0}")]
    HashAlgorithm(u8),
    /// A time past the year 9999.
    #[error("the template has a time past the year 9999")]
    Time,
    /// Not the DER of a ResponderID.
    #[error("the template's responderID is malformed")]
    ResponderId,
    /// Not one DER SEQUENCE.
    #[error("a certificate in the template is malformed")]
    Certificate,
}
