//! What is remembered of the CRLs that were made of an issuer: numbers never come twice.
//!
//! ```text
//! meta   "crl made" ‖ issuer number u32 → 8  the last number that was reserved
//!                                       5  thisUpdate of the last CRL that was published, 0 for none
//!                                       8  the last ledger entry that it speaks for
//! ```

use rocksdb::WriteBatch;

use super::{
    engine::Engine,
    error::{Damage, LedgerError},
    keys,
    record::put_time,
    store::Ledger,
};
use crate::{asn1::UnixTime, identity::IssuerId, octets::Octets};

/// The last CRL of an issuer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LastCrl {
    /// The highest number that was reserved, 0 for none.
    pub number: u64,
    /// thisUpdate of the last that was published; 1970 where none was.
    pub this_update: UnixTime,
    /// The last entry of the ledger that it speaks for, 0 for none.
    pub as_of: u64,
}

impl LastCrl {
    const NONE: Self = Self {
        number: 0,
        this_update: UnixTime::EPOCH,
        as_of: 0,
    };

    fn encode(&self) -> Vec<u8> {
        let mut out = self.number.to_be_bytes().to_vec();
        put_time(&mut out, self.this_update);
        out.extend_from_slice(&self.as_of.to_be_bytes());
        out
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let mut octets = Octets::new(value);
        let last = Self {
            number: octets.u64()?,
            this_update: octets.u40().and_then(UnixTime::from_secs)?,
            as_of: octets.u64()?,
        };
        octets.is_empty().then_some(last)
    }
}

impl Ledger {
    /// What is remembered of an issuer's CRLs.
    ///
    /// # Errors
    /// [`LedgerError::UnknownIssuer`], or what reading gives.
    pub fn last_crl(&self, issuer: &IssuerId) -> Result<LastCrl, LedgerError> {
        let engine = self.engine()?;
        read(&engine, number(&engine, issuer)?)
    }

    /// Reserves a CRLNumber, synced: the next one, or `at_least` where that is higher. No other CRL of
    /// the issuer ever gets it.
    ///
    /// # Errors
    /// [`LedgerError::UnknownIssuer`], or what reading or writing gives.
    pub fn reserve_crl_number(&self, issuer: &IssuerId, at_least: u64) -> Result<u64, LedgerError> {
        let reserved = self.change_crl(issuer, |last| LastCrl {
            number: last.number.saturating_add(1).max(at_least),
            ..last
        })?;
        Ok(reserved.number)
    }

    /// Remembers that a CRL was published.
    ///
    /// # Errors
    /// [`LedgerError::UnknownIssuer`], or what reading or writing gives.
    pub fn note_crl(
        &self,
        issuer: &IssuerId,
        this_update: UnixTime,
        as_of: u64,
    ) -> Result<(), LedgerError> {
        self.change_crl(issuer, |last| LastCrl {
            this_update: this_update.max(last.this_update),
            as_of: as_of.max(last.as_of),
            ..last
        })?;
        Ok(())
    }

    fn change_crl(
        &self,
        issuer: &IssuerId,
        change: impl FnOnce(LastCrl) -> LastCrl,
    ) -> Result<LastCrl, LedgerError> {
        let mut writer = self.writer();
        let engine = self.writable(&mut writer)?;
        let number = number(&engine, issuer)?;
        let changed = change(read(&engine, number)?);
        let mut batch = WriteBatch::default();
        batch.put_cf(
            engine.family(keys::META)?,
            keys::crl(number),
            changed.encode(),
        );
        self.write(&mut writer, &engine, batch)?;
        Ok(changed)
    }
}

fn number(engine: &Engine, issuer: &IssuerId) -> Result<u32, LedgerError> {
    let number = engine.issuers().number(issuer);
    number.ok_or(LedgerError::UnknownIssuer { issuer: *issuer })
}

fn read(engine: &Engine, number: u32) -> Result<LastCrl, LedgerError> {
    let family = keys::META;
    let value = engine
        .db()
        .get_pinned_cf(engine.family(family)?, keys::crl(number))
        .map_err(|error| engine.error(error))?;
    match value {
        None => Ok(LastCrl::NONE),
        Some(value) => {
            LastCrl::decode(&value).ok_or_else(|| engine.damaged(Damage::Value { family }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{change::Source, ledger::IssuerIdentity};

    #[test]
    fn numbers_rise_over_a_restart_and_never_come_twice() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        let identity = IssuerIdentity {
            subject_der: vec![0x30, 0],
            spki_der: vec![0x30],
            label: "ca".to_owned(),
        };
        let source = Source::new("test", "").unwrap();
        let issuer = ledger.define_issuer(&identity, &source, 1).unwrap().id;
        assert_eq!(ledger.last_crl(&issuer).unwrap(), LastCrl::NONE);
        assert_eq!(ledger.reserve_crl_number(&issuer, 1_000).unwrap(), 1_000);
        assert_eq!(ledger.reserve_crl_number(&issuer, 1_000).unwrap(), 1_001);
        let at = |secs| UnixTime::from_secs(secs).unwrap();
        ledger.note_crl(&issuer, at(50), 7).unwrap();
        drop(ledger);

        let ledger = Ledger::open(dir.path()).unwrap();
        let expected = LastCrl {
            number: 1_001,
            this_update: at(50),
            as_of: 7,
        };
        assert_eq!(ledger.last_crl(&issuer).unwrap(), expected);
        ledger.note_crl(&issuer, at(49), 6).unwrap();
        assert_eq!(ledger.reserve_crl_number(&issuer, 5).unwrap(), 1_002);
        let last = ledger.last_crl(&issuer).unwrap();
        assert_eq!((last.this_update, last.as_of), (at(50), 7));
        let stranger = IssuerId::from_bytes([9; 32]);
        assert!(ledger.reserve_crl_number(&stranger, 1).is_err());
    }
}
