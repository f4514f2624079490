//! What is remembered of the CRLs that were made of an issuer: numbers never come twice, and no entry
//! leaves before its time.
//!
//! ```text
//! meta   "crl made" ‖ issuer number u32 ‖ sequence
//!                                     → 8  the last number that was reserved
//!                                       5  thisUpdate of the last CRL that was published, 0 for none
//!                                       5  thisUpdate of the last complete one made on schedule, 0 for none
//!                                       8  the last ledger entry that this one speaks for
//!                                       1  1 if the last CRL of the CA was published, else 0
//! sequence   0 for the full CRL and its deltas, 1 ‖ u32 for a shard
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

/// CRLs that are numbered together: of one scope (RFC 5280 §5.2.3).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CrlSequence {
    /// The full CRL and its deltas.
    Full,
    /// A shard.
    Shard(u32),
}

impl CrlSequence {
    /// What follows the issuer's number in its key.
    pub(super) fn key(self) -> Vec<u8> {
        match self {
            Self::Full => vec![0],
            Self::Shard(shard) => {
                let mut key = vec![1];
                key.extend_from_slice(&shard.to_be_bytes());
                key
            }
        }
    }
}

/// The last CRLs of a sequence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LastCrl {
    /// The highest number that was reserved, 0 for none.
    pub number: u64,
    /// thisUpdate of the last that was published; 1970 where none was.
    pub this_update: UnixTime,
    /// thisUpdate of the last complete one that was made on schedule; 1970 where none was.
    pub scheduled_at: UnixTime,
    /// The last entry of the ledger that it speaks for, 0 for none.
    pub scheduled_as_of: u64,
    /// Whether no other is to follow.
    pub is_final: bool,
}

impl LastCrl {
    const NONE: Self = Self {
        number: 0,
        this_update: UnixTime::EPOCH,
        scheduled_at: UnixTime::EPOCH,
        scheduled_as_of: 0,
        is_final: false,
    };

    fn encode(&self) -> Vec<u8> {
        let mut out = self.number.to_be_bytes().to_vec();
        put_time(&mut out, self.this_update);
        put_time(&mut out, self.scheduled_at);
        out.extend_from_slice(&self.scheduled_as_of.to_be_bytes());
        out.push(u8::from(self.is_final));
        out
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let mut octets = Octets::new(value);
        let last = Self {
            number: octets.u64()?,
            this_update: octets.u40().and_then(UnixTime::from_secs)?,
            scheduled_at: octets.u40().and_then(UnixTime::from_secs)?,
            scheduled_as_of: octets.u64()?,
            is_final: match octets.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            },
        };
        octets.is_empty().then_some(last)
    }
}

/// A CRL that was published, for what is remembered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MadeCrl {
    /// thisUpdate
    pub this_update: UnixTime,
    /// The last entry of the ledger that it speaks for.
    pub as_of: u64,
    /// Whether it is complete and was made on schedule.
    pub is_scheduled: bool,
    /// Whether no other is to follow.
    pub is_final: bool,
}

impl Ledger {
    /// What is remembered of a sequence of an issuer's CRLs.
    ///
    /// # Errors
    /// [`LedgerError::UnknownIssuer`], or what reading gives.
    pub fn last_crl(
        &self,
        issuer: &IssuerId,
        sequence: CrlSequence,
    ) -> Result<LastCrl, LedgerError> {
        let engine = self.engine()?;
        read(&engine, number(&engine, issuer)?, sequence)
    }

    /// Reserves a CRLNumber, synced: the next one, or `at_least` where that is higher. No other CRL of
    /// the sequence ever gets it.
    ///
    /// # Errors
    /// [`LedgerError::UnknownIssuer`], or what reading or writing gives.
    pub fn reserve_crl_number(
        &self,
        issuer: &IssuerId,
        sequence: CrlSequence,
        at_least: u64,
    ) -> Result<u64, LedgerError> {
        let reserved = self.change_crl(issuer, sequence, |last| LastCrl {
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
        sequence: CrlSequence,
        made: MadeCrl,
    ) -> Result<(), LedgerError> {
        self.change_crl(issuer, sequence, |last| {
            let noted = LastCrl {
                this_update: made.this_update.max(last.this_update),
                is_final: made.is_final || last.is_final,
                ..last
            };
            if !made.is_scheduled {
                return noted;
            }
            LastCrl {
                scheduled_at: made.this_update.max(last.scheduled_at),
                scheduled_as_of: made.as_of.max(last.scheduled_as_of),
                ..noted
            }
        })?;
        Ok(())
    }

    fn change_crl(
        &self,
        issuer: &IssuerId,
        sequence: CrlSequence,
        change: impl FnOnce(LastCrl) -> LastCrl,
    ) -> Result<LastCrl, LedgerError> {
        let mut writer = self.writer();
        let engine = self.writable(&mut writer)?;
        let number = number(&engine, issuer)?;
        let changed = change(read(&engine, number, sequence)?);
        let mut batch = WriteBatch::default();
        batch.put_cf(
            engine.family(keys::META)?,
            keys::crl(number, sequence),
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

fn read(engine: &Engine, number: u32, sequence: CrlSequence) -> Result<LastCrl, LedgerError> {
    let family = keys::META;
    let value = engine
        .db()
        .get_pinned_cf(engine.family(family)?, keys::crl(number, sequence))
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
        let full = CrlSequence::Full;
        let reserve = |ledger: &Ledger, sequence, at_least| {
            ledger.reserve_crl_number(&issuer, sequence, at_least)
        };
        assert_eq!(ledger.last_crl(&issuer, full).unwrap(), LastCrl::NONE);
        assert_eq!(reserve(&ledger, full, 1_000).unwrap(), 1_000);
        assert_eq!(reserve(&ledger, full, 1_000).unwrap(), 1_001);
        assert_eq!(reserve(&ledger, CrlSequence::Shard(0), 7).unwrap(), 7);
        let at = |secs| UnixTime::from_secs(secs).unwrap();
        let made = |secs, as_of, is_scheduled| MadeCrl {
            this_update: at(secs),
            as_of,
            is_scheduled,
            is_final: false,
        };
        ledger.note_crl(&issuer, full, made(50, 7, true)).unwrap();
        ledger.note_crl(&issuer, full, made(60, 9, false)).unwrap();
        drop(ledger);

        let ledger = Ledger::open(dir.path()).unwrap();
        let expected = LastCrl {
            number: 1_001,
            this_update: at(60),
            scheduled_at: at(50),
            scheduled_as_of: 7,
            is_final: false,
        };
        assert_eq!(ledger.last_crl(&issuer, full).unwrap(), expected);
        ledger.note_crl(&issuer, full, made(49, 6, true)).unwrap();
        assert_eq!(ledger.last_crl(&issuer, full).unwrap(), expected);
        assert_eq!(reserve(&ledger, full, 5).unwrap(), 1_002);
        assert_eq!(reserve(&ledger, CrlSequence::Shard(0), 5).unwrap(), 8);
        assert_eq!(reserve(&ledger, CrlSequence::Shard(1), 5).unwrap(), 5);
        let last = MadeCrl {
            is_final: true,
            ..made(70, 9, true)
        };
        ledger.note_crl(&issuer, full, last).unwrap();
        ledger.note_crl(&issuer, full, made(80, 9, true)).unwrap();
        assert!(ledger.last_crl(&issuer, full).unwrap().is_final);
        let stranger = IssuerId::from_bytes([9; 32]);
        assert!(ledger.reserve_crl_number(&stranger, full, 1).is_err());
    }
}
