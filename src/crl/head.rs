//! What stands before the entries.

use std::ops::Range;

use super::{CrlError, Time};
use crate::asn1::{DerError, Elements, UnixTime, split_header, tag};

/// The fields of tbsCertList before revokedCertificates.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// version
    pub version: Version,
    /// signature: the whole AlgorithmIdentifier, the same as signatureAlgorithm.
    pub signature_algorithm_der: Vec<u8>,
    /// issuer, the whole Name as encoded.
    pub issuer_der: Vec<u8>,
    /// thisUpdate
    pub this_update: UnixTime,
    /// nextUpdate; RFC 5280 §5.1.2.5 asks issuers for it.
    pub next_update: Option<UnixTime>,
    /// Whether both have the form that RFC 5280 §5.1.2.4 asks for ([`Time::has_due_form`]).
    pub times_have_due_form: bool,
    /// Whether revokedCertificates is there, which should be absent when nothing is in it (§5.1.2.6).
    pub has_revoked_certificates: bool,
}

/// `Version ::= INTEGER { v1(0), v2(1) }`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// Without any extensions; the field is absent.
    V1,
    /// With extensions.
    V2,
}

/// The longest head: a Name of a few hundred octets is long.
pub(super) const HEAD_OCTETS_MAX: usize = 32 << 10;
const MAX: u64 = 32 << 10;

/// The head, and where the parts of the CRL lie, counted from its beginning.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) head: Head,
    pub(super) tbs: Range<u64>,
    /// The contents of revokedCertificates; empty where there are none.
    pub(super) entries: Range<u64>,
    pub(super) end: u64,
}

impl Layout {
    /// Reads the head from the first [`HEAD_OCTETS_MAX`] octets of a CRL, or from all of it.
    pub(super) fn decode(octets: &[u8], octets_max: u64) -> Result<Self, CrlError> {
        let mut octets = Octets {
            rest: octets.get(..HEAD_OCTETS_MAX).unwrap_or(octets),
            at: 0,
        };
        let outer = octets.enter("CertificateList", u64::MAX)?;
        if outer.end > octets_max {
            let octets = outer.end;
            return Err(CrlError::TooLong { octets, octets_max });
        }
        let read = octets.end();
        if read < outer.end.min(MAX) {
            let expected = outer.end;
            return Err(CrlError::Truncated { read, expected });
        }
        let tbs_start = octets.at;
        let tbs = octets.enter("tbsCertList", outer.end)?;
        octets.end_at(tbs.end);
        let version = match octets.field("version", |fields| fields.optional(tag::INTEGER))? {
            None => Version::V1,
            Some(version) if version.content == [1] => Version::V2,
            Some(_) => return Err(CrlError::Version),
        };
        let signature_algorithm_der = octets
            .field("signature", |fields| fields.required(tag::SEQUENCE))?
            .der
            .to_vec();
        let issuer_der = octets
            .field("issuer", |fields| fields.required(tag::SEQUENCE))?
            .der
            .to_vec();
        let this_update = octets.field("thisUpdate", Time::decode)?;
        let next_update = octets.field("nextUpdate", |fields| {
            let is_time = matches!(
                fields.rest().first(),
                Some(&tag::UTC_TIME | &tag::GENERALIZED_TIME)
            );
            is_time.then(|| Time::decode(fields)).transpose()
        })?;
        let head = Head {
            version,
            signature_algorithm_der,
            issuer_der,
            this_update: unix("thisUpdate", this_update)?,
            next_update: next_update
                .map(|time| unix("nextUpdate", time))
                .transpose()?,
            times_have_due_form: this_update.has_due_form()
                && next_update.is_none_or(Time::has_due_form),
            has_revoked_certificates: octets.rest.first() == Some(&tag::SEQUENCE),
        };
        let entries = if head.has_revoked_certificates {
            octets.enter("revokedCertificates", tbs.end)?
        } else {
            octets.at..octets.at
        };
        Ok(Self {
            head,
            tbs: tbs_start..tbs.end,
            entries,
            end: outer.end,
        })
    }
}

fn unix(field: &'static str, time: Time<'_>) -> Result<UnixTime, CrlError> {
    time.to_unix()
        .map_err(|source| CrlError::Time { field, source })
}

/// The octets of a CRL that are in memory, from `at` on.
struct Octets<'a> {
    rest: &'a [u8],
    at: u64,
}

impl<'a> Octets<'a> {
    fn end(&self) -> u64 {
        add(self.at, self.rest.len())
    }

    /// Looks no further than `end`.
    fn end_at(&mut self, end: u64) {
        let len = usize::try_from(end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        self.rest = self.rest.get(..len).unwrap_or(self.rest);
    }

    /// Goes into a SEQUENCE that need not be in memory whole, and must end by `end`. Gives where its
    /// content lies.
    fn enter(&mut self, field: &'static str, end: u64) -> Result<Range<u64>, CrlError> {
        let (at, whole) = (self.at, self.rest.len());
        let fault = |source| CrlError::Der { field, at, source };
        let (found, len, rest) = split_header(self.rest).map_err(fault)?;
        let expected = tag::SEQUENCE;
        if found != expected {
            return Err(fault(DerError::UnexpectedTag { expected, found }));
        }
        self.at = add(at, whole.saturating_sub(rest.len()));
        self.rest = rest;
        let content = self.at..add(self.at, len);
        if content.end > end {
            return Err(fault(DerError::Truncated));
        }
        Ok(content)
    }

    /// Reads one field.
    fn field<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Elements<'a>) -> Result<T, DerError>,
    ) -> Result<T, CrlError> {
        let mut fields = Elements::new(self.rest);
        let value = read(&mut fields).map_err(|source| {
            // What ends too early, and not with the field around it, is longer than what is held.
            if source == DerError::Truncated && self.end() == MAX {
                CrlError::FieldTooLong {
                    field,
                    at: self.at,
                    octets_max: HEAD_OCTETS_MAX,
                }
            } else {
                let at = self.at;
                CrlError::Der { field, at, source }
            }
        })?;
        let consumed = self.rest.len().saturating_sub(fields.rest().len());
        self.at = add(self.at, consumed);
        self.rest = fields.rest();
        Ok(value)
    }
}

pub(super) fn add(position: u64, octets: usize) -> u64 {
    position.saturating_add(u64::try_from(octets).unwrap_or(u64::MAX))
}
