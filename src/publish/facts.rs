//! What a finished CRL says of itself, read again by whoever brings it somewhere.

use std::io::BufRead;

use aws_lc_rs::digest;

use crate::{
    asn1::{Certificate, CrlNumber, KeyUsage, UnixTime},
    catalog::crls::CrlEdition,
    crl::{CrlError, CrlReader, Limits, Tap},
    segment::names::hexadecimal,
    signer::{SignedMessage, SignedOctets},
};

/// What was read.
pub(crate) struct CrlFacts {
    /// issuer, the whole Name as encoded.
    pub(crate) issuer_der: Vec<u8>,
    pub(crate) this_update: UnixTime,
    pub(crate) next_update: Option<UnixTime>,
    pub(crate) number: Option<CrlNumber>,
    pub(crate) base: Option<CrlNumber>,
    pub(crate) entries: u64,
    /// Of the whole file, in hexadecimal.
    pub(crate) sha256: String,
    /// Where the signature was wanted, and its algorithm is known.
    signed: Option<SignedMessage>,
    authority_key_id: Option<Vec<u8>>,
    signature: Vec<u8>,
}

struct Digests {
    whole: digest::Context,
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

impl CrlFacts {
    /// Reads a CRL to its end.
    pub(crate) fn read(input: impl BufRead, with_signature: bool) -> Result<Self, CrlError> {
        let mut reader = CrlReader::open(input, Limits::MOST)?;
        let head = reader.head().clone();
        let tbs = with_signature.then(|| SignedOctets::new(&head.signature_algorithm_der).ok());
        let mut digests = Digests {
            whole: digest::Context::new(&digest::SHA256),
            tbs: tbs.flatten(),
        };
        while reader.next_entry(&mut digests)?.is_some() {}
        let tail = reader.finish(&mut digests)?;
        // Extensions that cannot be read say nothing, as those that are absent.
        let extensions = tail.extensions().unwrap_or_default();
        Ok(Self {
            issuer_der: head.issuer_der,
            this_update: head.this_update,
            next_update: head.next_update,
            number: extensions.crl_number,
            base: extensions.base_crl_number,
            entries: tail.entry_count.into(),
            sha256: hexadecimal(digests.whole.finish().as_ref()),
            signed: digests.tbs.map(SignedOctets::finish),
            authority_key_id: extensions.authority_key_id,
            signature: tail.signature,
        })
    }

    /// Whether this is the CRL that is described; else in what it differs.
    pub(crate) fn agrees(&self, edition: &CrlEdition) -> Result<(), String> {
        let differs = |what: &str, says: &dyn std::fmt::Display, is: Option<String>| {
            let is = is.unwrap_or_else(|| "none".to_owned());
            Err(format!("its {what} is {is}, and the manifest says {says}"))
        };
        let number = CrlNumber::from(edition.number);
        if self.number != Some(number) {
            let is = self.number.map(|number| number.to_string());
            return differs("CRLNumber", &number, is);
        }
        if self.base != edition.base.map(CrlNumber::from) {
            let says = edition
                .base
                .map_or_else(|| "none".to_owned(), |base| base.to_string());
            return differs(
                "BaseCRLNumber",
                &says,
                self.base.map(|base| base.to_string()),
            );
        }
        if self.this_update != edition.this_update {
            let is = Some(self.this_update.to_string());
            return differs("thisUpdate", &edition.this_update, is);
        }
        if self.next_update != Some(edition.next_update) {
            let is = self.next_update.map(|time| time.to_string());
            return differs("nextUpdate", &edition.next_update, is);
        }
        if self.entries != edition.entries {
            let is = Some(self.entries.to_string());
            return differs("number of entries", &edition.entries, is);
        }
        Ok(())
    }

    /// Whether one of these certificates signed it (RFC 5280 §6.3.3 (f), (g)).
    pub(crate) fn is_signed_by_one_of(&self, certificates: &[Certificate]) -> Result<(), String> {
        let is_issuer = |one: &&Certificate| one.subject_der() == self.issuer_der;
        let of_issuer = || certificates.iter().filter(is_issuer);
        if of_issuer().next().is_none() {
            return Err("none of the certificates of --issuer is its issuer's".to_owned());
        }
        let Some(signed) = &self.signed else {
            return Err("its signature has an algorithm that is weak or not known".to_owned());
        };
        let mut why = "none of the certificates of --issuer has the key that it names".to_owned();
        for signer in of_issuer() {
            let named = (self.authority_key_id.as_deref(), signer.subject_key_id());
            if let (Some(named), Some(own)) = named
                && named != own
            {
                continue;
            }
            let usage = signer.key_usage();
            if signer.is_v3() && !usage.is_some_and(|usage| usage.contains(KeyUsage::CRL_SIGN)) {
                "the certificate of --issuer may not sign CRLs (keyUsage)".clone_into(&mut why);
                continue;
            }
            match signed.verify(signer, &self.signature) {
                Ok(()) => return Ok(()),
                Err(fault) => why = format!("its signature does not hold: {fault}"),
            }
        }
        Err(why)
    }
}
