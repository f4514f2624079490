//! One way through a CRL: what stands before, in and behind its entries, and the digests of it.

use std::io::BufRead;

use aws_lc_rs::digest;

use crate::{
    crl::{
        CrlError, CrlExtensions, CrlExtensionsError, CrlReader, Head, Limits, RawEntry, Tap,
        directory_name,
    },
    feed::crl::{Authority, CrlRefusal, signature},
    signer::{SignatureAlgorithmError, SignedOctets},
};

/// A CRL whose entries are read one after the other.
pub(super) struct Reading<R> {
    reader: CrlReader<R>,
    digests: Digests,
    algorithm: Option<SignatureAlgorithmError>,
}

/// One that was read to its end.
pub(super) struct Read {
    pub(super) head: Head,
    pub(super) extensions: Result<CrlExtensions, CrlExtensionsError>,
    /// The content of crlExtensions.
    pub(super) list: Option<Vec<u8>>,
    pub(super) sha256: [u8; 32],
    pub(super) octets: u64,
    pub(super) entry_count: u32,
    /// Whether a key of the authority that it was read for signed it.
    pub(super) signature: Result<(), CrlRefusal>,
}

impl<R: BufRead> Reading<R> {
    pub(super) fn open(input: R) -> Result<Self, CrlError> {
        let reader = CrlReader::open(input, Limits::MOST)?;
        let (tbs, algorithm) = match SignedOctets::new(&reader.head().signature_algorithm_der) {
            Ok(tbs) => (Some(tbs), None),
            Err(error) => (None, Some(error)),
        };
        let whole = digest::Context::new(&digest::SHA256);
        Ok(Self {
            reader,
            digests: Digests { whole, tbs },
            algorithm,
        })
    }

    pub(super) const fn head(&self) -> &Head {
        self.reader.head()
    }

    pub(super) fn next_entry(&mut self) -> Result<Option<RawEntry<'_>>, CrlError> {
        self.reader.next_entry(&mut self.digests)
    }

    pub(super) fn finish(self, authority: &Authority<'_>) -> Result<Read, CrlError> {
        let Self {
            reader,
            mut digests,
            algorithm,
        } = self;
        let (head, octets) = (reader.head().clone(), reader.octets());
        let tail = reader.finish(&mut digests)?;
        let extensions = tail.extensions();
        let key_id = extensions
            .as_ref()
            .ok()
            .and_then(|known| known.authority_key_id.as_deref());
        let signature = match (digests.tbs, algorithm) {
            (Some(tbs), _) => {
                // Names are judged apart: with another one the keys are still tried.
                let name = authority.certificate.subject_der();
                signature::check(authority, name, key_id, &tbs.finish(), &tail.signature)
            }
            (None, Some(error)) => Err(error.into()),
            (None, None) => Ok(()),
        };
        let mut sha256 = [0; 32];
        for (octet, source) in sha256.iter_mut().zip(digests.whole.finish().as_ref()) {
            *octet = *source;
        }
        Ok(Read {
            head,
            extensions,
            list: tail.extension_list().map(<[u8]>::to_vec),
            sha256,
            octets,
            entry_count: tail.entry_count,
            signature,
        })
    }
}

/// The certificate issuer that entries are of: certificateIssuer counts until the next one
/// (RFC 5280 §5.3.3).
#[derive(Debug, Default)]
pub(in crate::feed::crl) struct CertificateIssuer {
    names: Option<Vec<u8>>,
}

impl CertificateIssuer {
    /// Takes in what an entry says: the whole GeneralNames, if it has the extension.
    pub(in crate::feed::crl) fn follow(&mut self, certificate_issuer: Option<&[u8]>) {
        if let Some(names) = certificate_issuer {
            self.names = Some(names.to_vec());
        }
    }

    /// The GeneralNames in force; nothing before the first.
    pub(in crate::feed::crl) fn names(&self) -> &[u8] {
        self.names.as_deref().unwrap_or_default()
    }

    /// Whether it is the CA with this Name, in a CRL of `crl_issuer`.
    pub(in crate::feed::crl) fn is(&self, name_der: &[u8], crl_issuer: &[u8]) -> bool {
        use crate::asn1::{Elements, tag};
        let Some(names) = &self.names else {
            return name_der == crl_issuer;
        };
        let wanted = directory_name(name_der);
        Elements::inside(names, tag::SEQUENCE).is_ok_and(|mut names| {
            std::iter::from_fn(|| names.any().ok()).any(|name| name.der == wanted)
        })
    }
}

/// What is computed over the octets on their way.
struct Digests {
    whole: digest::Context,
    /// Nothing where the algorithm is of no use.
    tbs: Option<SignedOctets>,
}

impl Tap for Digests {
    fn whole(&mut self, octets: &[u8]) {
        self.whole.update(octets);
    }

    fn tbs(&mut self, octets: &[u8]) {
        if let Some(tbs) = &mut self.tbs {
            tbs.update(octets);
        }
    }
}
