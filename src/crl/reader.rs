//! The walk through a CertificateList.

use std::io::BufRead;
use std::ops::Range;

use super::{
    CrlError, Head, RawEntry, Tail, Version,
    head::{HEAD_OCTETS_MAX, Layout, add},
    input::Input,
    window::Window,
};
use crate::asn1::{DerError, Elements, tag};

/// How much of a CRL is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Octets of the whole DER, and of the text around it in PEM.
    pub octets_max: u64,
    /// Entries.
    pub entries_max: u32,
}

impl Limits {
    /// As much as lengths of four octets can say.
    pub const MOST: Self = Self {
        octets_max: 1 << 32,
        entries_max: u32::MAX,
    };
}

/// Hears the octets of a CRL in order, while it is read.
pub trait Tap {
    /// Octets of the whole CertificateList.
    fn whole(&mut self, octets: &[u8]);

    /// Octets of tbsCertList, which the signature is over.
    fn tbs(&mut self, octets: &[u8]);
}

/// Hears nothing.
struct Deaf;

impl Tap for Deaf {
    fn whole(&mut self, _: &[u8]) {}
    fn tbs(&mut self, _: &[u8]) {}
}

/// A CRL whose head has been read, and whose entries come next.
///
/// Call [`Self::next_entry`] until it gives `None`, then [`Self::finish`]: only then has the tap heard
/// everything, and only then is it known that the CRL is whole.
#[derive(Debug)]
pub struct CrlReader<R> {
    window: Window<R>,
    head: Head,
    entries_max: u32,
    entry_count: u32,
    tbs: Range<u64>,
    entries_end: u64,
    end: u64,
}

/// The longest entry. certificateIssuer, with a Name in it, is the longest of the usual extensions.
const ENTRY_OCTETS_MAX: usize = 8 << 10;
/// The longest crlExtensions: an issuing distribution point or freshest CRL is a few URIs.
const EXTENSIONS_OCTETS_MAX: usize = 32 << 10;
/// The longest signatureAlgorithm and signatureValue: SLH-DSA signatures have up to 49,856 octets.
const SIGNATURE_OCTETS_MAX: usize = 56 << 10;

impl<R: BufRead> CrlReader<R> {
    /// Reads the head of the CRL in `input`, DER or PEM.
    ///
    /// # Errors
    /// [`CrlError`] when it cannot be read, or is larger than `limits`.
    pub fn open(input: R, limits: Limits) -> Result<Self, CrlError> {
        let mut window = Window::new(Input::new(input, limits.octets_max)?);
        // Nothing leaves the window while only the head has been read, so nothing is missed.
        window.fill(HEAD_OCTETS_MAX, &(0..0), &mut Deaf)?;
        let layout = Layout::decode(window.octets(), limits.octets_max)?;
        window.consume(usize::try_from(layout.entries.start).unwrap_or(usize::MAX));
        Ok(Self {
            window,
            head: layout.head,
            entries_max: limits.entries_max,
            entry_count: 0,
            tbs: layout.tbs,
            entries_end: layout.entries.end,
            end: layout.end,
        })
    }

    /// What stands before the entries.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// How many octets of DER the whole CRL has.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.end
    }

    /// How many octets of DER have been read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.window.position()
    }

    /// The next entry; `None` after the last.
    ///
    /// # Errors
    /// [`CrlError`] when the list itself is malformed; reading cannot go on then.
    #[inline]
    pub fn next_entry<T: Tap>(&mut self, tap: &mut T) -> Result<Option<RawEntry<'_>>, CrlError> {
        let field = Field {
            name: "revokedCertificates",
            at: self.window.position(),
            end: self.entries_end,
            octets_max: ENTRY_OCTETS_MAX,
        };
        if field.at == field.end {
            return Ok(None);
        }
        if self.entry_count == self.entries_max {
            let entries_max = self.entries_max;
            return Err(CrlError::TooManyEntries { entries_max });
        }
        let (content, octets) = self.read(field, tap, |list| {
            let entry = list.required(tag::SEQUENCE)?;
            Ok((entry.content.len(), entry.der.len()))
        })?;
        self.window.consume(octets);
        self.entry_count = self.entry_count.saturating_add(1);
        Ok(Some(RawEntry {
            number: self.entry_count,
            version: self.head.version,
            content: self.window.consumed(content),
        }))
    }

    /// Reads what stands after the entries, to the end of the input.
    ///
    /// # Errors
    /// [`CrlError`] when it is malformed, was cut short, or is followed by something else. Entries
    /// that were not asked for are such an error too.
    pub fn finish<T: Tap>(mut self, tap: &mut T) -> Result<Tail, CrlError> {
        let extensions = self.extensions(tap)?;
        let signature = self.signature(tap)?;
        self.window.tell(&self.tbs, tap);
        self.window.finish()?;
        Ok(Tail {
            entry_count: self.entry_count,
            extensions,
            signature,
        })
    }

    /// `crlExtensions [0] EXPLICIT Extensions OPTIONAL`, which ends tbsCertList.
    fn extensions<T: Tap>(&mut self, tap: &mut T) -> Result<Option<Vec<u8>>, CrlError> {
        let field = Field {
            name: "crlExtensions",
            at: self.window.position(),
            end: self.tbs.end,
            octets_max: EXTENSIONS_OCTETS_MAX,
        };
        if field.at == field.end {
            return Ok(None);
        }
        let extensions = self.read(field, tap, |fields| {
            let wrapper = fields.required(tag::constructed(0))?;
            fields.finish()?;
            let list = Elements::only(wrapper.content, tag::SEQUENCE)?;
            Ok(list.content.to_vec())
        })?;
        if self.head.version == Version::V1 {
            return Err(CrlError::ExtensionsNeedV2);
        }
        self.window.consume(field.octets());
        Ok(Some(extensions))
    }

    /// signatureAlgorithm and signatureValue, which end the CertificateList.
    fn signature<T: Tap>(&mut self, tap: &mut T) -> Result<Vec<u8>, CrlError> {
        let field = Field {
            name: "signatureAlgorithm or signatureValue",
            at: self.window.position(),
            end: self.end,
            octets_max: SIGNATURE_OCTETS_MAX,
        };
        let (algorithm, signature) = self.read(field, tap, |fields| {
            let algorithm = fields.required(tag::SEQUENCE)?.der.to_vec();
            let signature = match fields.required(tag::BIT_STRING)?.content {
                [0, octets @ ..] if !octets.is_empty() => octets.to_vec(),
                _ => return Err(DerError::BitString),
            };
            fields.finish()?;
            Ok((algorithm, signature))
        })?;
        self.window.consume(field.octets());
        if algorithm == self.head.signature_algorithm_der {
            Ok(signature)
        } else {
            Err(CrlError::SignatureAlgorithmsDiffer)
        }
    }

    /// Has the octets of a field in memory, or as many as the longest may have, and reads them.
    #[inline]
    fn read<T: Tap, V>(
        &mut self,
        field: Field,
        tap: &mut T,
        read: impl FnOnce(&mut Elements<'_>) -> Result<V, DerError>,
    ) -> Result<V, CrlError> {
        let octets = field.octets();
        self.window.fill(octets, &self.tbs, tap)?;
        let there = self.window.octets();
        let Some(there) = there.get(..octets) else {
            return Err(CrlError::Truncated {
                read: add(self.window.position(), there.len()),
                expected: self.end,
            });
        };
        read(&mut Elements::new(there)).map_err(|error| field.fault(error))
    }
}

/// Where a field begins, and where it must have ended.
#[derive(Clone, Copy)]
struct Field {
    name: &'static str,
    at: u64,
    end: u64,
    octets_max: usize,
}

impl Field {
    /// How many octets to look at: up to its end, or to the longest it may be.
    fn octets(&self) -> usize {
        usize::try_from(self.end.saturating_sub(self.at))
            .unwrap_or(usize::MAX)
            .min(self.octets_max)
    }

    fn fault(&self, source: DerError) -> CrlError {
        let Self {
            name: field,
            at,
            octets_max,
            ..
        } = *self;
        // What ends too early, and not with the field around it, is longer than what was looked at.
        // What follows it is then the rest of it.
        let is_cut = add(at, octets_max) < self.end;
        match source {
            DerError::Truncated if is_cut => CrlError::FieldTooLong {
                field,
                at,
                octets_max,
            },
            _ => CrlError::Der { field, at, source },
        }
    }
}
