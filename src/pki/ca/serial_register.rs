//! Serial numbers, recorded before anything is signed with them (BR §7.1, Mozilla §5.2, EN 319 411-1).

use crate::change::PointTag;
use std::{collections::HashSet, error::Error};

use crate::{
    change::{Action, Change, Inventory, Outcome, Refusal, Verdict},
    feed::StatusSink,
    identity::{IssuerId, SerialNumber},
};

use super::Validity;

/// A certificate that is about to be signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PlannedCertificate {
    /// From when to when.
    pub validity: Validity,
}

impl PlannedCertificate {
    const fn inventory(&self) -> Inventory {
        Inventory {
            not_before: Some(self.validity.not_before),
            not_after: Some(self.validity.not_after),
            certificate_sha256: None,
            distribution_point: None,
        }
    }
}

/// A certificate that was signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IssuedCertificate {
    /// Its serial number.
    pub serial: SerialNumber,
    /// From when to when.
    pub validity: Validity,
    /// SHA-256 of the whole certificate's DER.
    pub sha256: [u8; 32],
    /// The CRL distribution point that it names, if any.
    pub distribution_point: Option<PointTag>,
}

impl IssuedCertificate {
    const fn inventory(&self) -> Inventory {
        Inventory {
            not_before: Some(self.validity.not_before),
            not_after: Some(self.validity.not_after),
            certificate_sha256: Some(self.sha256),
            distribution_point: self.distribution_point,
        }
    }
}

/// Where serial numbers are recorded.
pub trait SerialRegister {
    /// Draws a serial number for each planned certificate that the issuer never used, and records it
    /// as issued. When this returns they are durable: killed at any later moment, each has a status.
    ///
    /// # Errors
    /// [`RegisterError`]; then none may be used. Some may be recorded all the same, as certificates
    /// that nobody has.
    fn reserve(
        &mut self,
        issuer: &IssuerId,
        wanted: &[PlannedCertificate],
    ) -> Result<Vec<SerialNumber>, RegisterError>;

    /// Records what was signed.
    ///
    /// # Errors
    /// [`RegisterError`]; the certificates have their status all the same.
    fn issued(
        &mut self,
        issuer: &IssuerId,
        certificates: &[IssuedCertificate],
    ) -> Result<(), RegisterError>;
}

/// A fresh serial number: 127 random bits in 16 octets, the first of which is not zero, so that it is
/// positive and as long as every other (BR §7.1 asks for 64 bits).
///
/// # Errors
/// [`RegisterError::Random`].
pub(super) fn draw() -> Result<SerialNumber, RegisterError> {
    loop {
        let mut octets = [0; 16];
        aws_lc_rs::rand::fill(&mut octets).map_err(|_| RegisterError::Random)?;
        let [first, ..] = &mut octets;
        *first &= 0x7f;
        if *first != 0 {
            return SerialNumber::from_content(&octets).map_err(|_| RegisterError::Random);
        }
    }
}

/// The ledger as a register.
#[derive(Debug)]
pub struct SinkRegister<S, Draw = fn() -> Result<SerialNumber, RegisterError>> {
    sink: S,
    draw: Draw,
}

impl<S: StatusSink> SinkRegister<S> {
    /// A register over the ledger that this sink writes.
    pub fn new(sink: S) -> Self {
        Self { sink, draw }
    }
}

impl<S: StatusSink, Draw: FnMut() -> Result<SerialNumber, RegisterError>> SinkRegister<S, Draw>
where
    S::Error: Send + Sync + 'static,
{
    /// The same with other serial numbers.
    #[cfg(test)]
    pub(super) const fn with_draw(sink: S, draw: Draw) -> Self {
        Self { sink, draw }
    }

    /// `count` serial numbers that the ledger does not know, no two of them equal.
    fn unused(
        &mut self,
        issuer: &IssuerId,
        count: usize,
    ) -> Result<Vec<SerialNumber>, RegisterError> {
        let mut drawn = HashSet::new();
        let mut unused = Vec::with_capacity(count);
        for _ in 0..ROUNDS_MAX {
            let missing = count.saturating_sub(unused.len());
            if missing == 0 {
                return Ok(unused);
            }
            let mut round = Vec::with_capacity(missing);
            for _ in 0..missing {
                let serial = (self.draw)()?;
                if drawn.insert(serial) {
                    round.push(serial);
                }
            }
            unused.extend(self.unknown(issuer, &round)?);
        }
        Err(RegisterError::AlwaysTaken { rounds: ROUNDS_MAX })
    }

    /// Those that the ledger does not know. A release is judged: of all changes it alone is refused
    /// for being unknown and for nothing else.
    fn unknown(
        &mut self,
        issuer: &IssuerId,
        serials: &[SerialNumber],
    ) -> Result<Vec<SerialNumber>, RegisterError> {
        let releases: Vec<Change> = serials
            .iter()
            .map(|serial| change(issuer, *serial, Action::Release))
            .collect();
        let verdicts = self.sink.judge(&releases).map_err(sink_error)?;
        count_matches(releases.len(), verdicts.len())?;
        let mut unknown = Vec::with_capacity(serials.len());
        for (serial, verdict) in serials.iter().zip(verdicts) {
            match verdict {
                Verdict::Refused(Refusal::NotKnown) => unknown.push(*serial),
                Verdict::Refused(Refusal::UnknownIssuer) => {
                    return Err(RegisterError::UnknownIssuer);
                }
                _ => {}
            }
        }
        Ok(unknown)
    }

    fn issue(
        &mut self,
        issuer: &IssuerId,
        inventories: impl Iterator<Item = (SerialNumber, Inventory)>,
        is_first: bool,
    ) -> Result<(), RegisterError> {
        let changes: Vec<Change> = inventories
            .map(|(serial, inventory)| change(issuer, serial, Action::Issue(inventory)))
            .collect();
        for batch in changes.chunks(BATCH_CHANGES) {
            let outcomes = self.sink.apply(batch).map_err(sink_error)?;
            count_matches(batch.len(), outcomes.len())?;
            for (change, outcome) in batch.iter().zip(outcomes) {
                let serial = change.serial;
                match outcome {
                    Outcome::Refused(refusal) => {
                        return Err(RegisterError::Refused { serial, refusal });
                    }
                    // Somebody else has drawn the same one since it was judged.
                    Outcome::Unchanged if is_first => return Err(RegisterError::Taken { serial }),
                    Outcome::Applied { .. } | Outcome::Unchanged => {}
                }
            }
        }
        Ok(())
    }
}

const fn change(issuer: &IssuerId, serial: SerialNumber, action: Action) -> Change {
    Change {
        issuer: *issuer,
        serial,
        action,
    }
}

impl<S: StatusSink, Draw: FnMut() -> Result<SerialNumber, RegisterError>> SerialRegister
    for SinkRegister<S, Draw>
where
    S::Error: Send + Sync + 'static,
{
    fn reserve(
        &mut self,
        issuer: &IssuerId,
        wanted: &[PlannedCertificate],
    ) -> Result<Vec<SerialNumber>, RegisterError> {
        let serials = self.unused(issuer, wanted.len())?;
        let planned = wanted.iter().map(PlannedCertificate::inventory);
        self.issue(issuer, serials.iter().copied().zip(planned), true)?;
        Ok(serials)
    }

    fn issued(
        &mut self,
        issuer: &IssuerId,
        certificates: &[IssuedCertificate],
    ) -> Result<(), RegisterError> {
        let known = certificates.iter().map(|it| (it.serial, it.inventory()));
        self.issue(issuer, known, false)
    }
}

/// Serial numbers that are drawn and recorded nowhere: for a CA that has no ledger yet. Who uses it
/// imports the certificate once there is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnrecordedSerials;

impl SerialRegister for UnrecordedSerials {
    fn reserve(
        &mut self,
        _: &IssuerId,
        wanted: &[PlannedCertificate],
    ) -> Result<Vec<SerialNumber>, RegisterError> {
        wanted.iter().map(|_| draw()).collect()
    }

    fn issued(&mut self, _: &IssuerId, _: &[IssuedCertificate]) -> Result<(), RegisterError> {
        Ok(())
    }
}

fn sink_error(error: impl Error + Send + Sync + 'static) -> RegisterError {
    RegisterError::Ledger(Box::new(error))
}

const fn count_matches(expected: usize, actual: usize) -> Result<(), RegisterError> {
    if expected == actual {
        Ok(())
    } else {
        Err(RegisterError::AnswerCount { expected, actual })
    }
}

/// How often numbers are drawn again that turn out to be used. Once is already unheard of: it means
/// that the random numbers are none.
const ROUNDS_MAX: u32 = 8;

/// Changes that are synced at once, as `feed::import` does it.
const BATCH_CHANGES: usize = 4096;

/// Why serial numbers could not be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The ledger, or the way to it.
    #[error("{0}")]
    Ledger(#[source] Box<dyn Error + Send + Sync>),
    /// The ledger was never told of this issuer.
    #[error("the ledger does not know this issuer: add it to the configuration")]
    UnknownIssuer,
    /// It took a number as unused and then did not record it.
    #[error("serial {serial}: {refusal}")]
    Refused {
        /// The serial number.
        serial: SerialNumber,
        /// Why.
        refusal: Refusal,
    },
    /// Recorded by somebody else in the same moment.
    #[error("serial {serial} was recorded by somebody else: issue again")]
    Taken {
        /// The serial number.
        serial: SerialNumber,
    },
    /// Every number that was drawn is used.
    #[error(
        "{rounds} times serial numbers were drawn that are used already: this machine's random numbers \
         are not random, or nothing may be issued for this issuer any more"
    )]
    AlwaysTaken {
        /// How often they were drawn.
        rounds: u32,
    },
    /// The ledger broke its promise of one answer a change.
    #[error("{actual} answers came back for {expected} changes")]
    AnswerCount {
        /// The changes sent.
        expected: usize,
        /// The answers that came back.
        actual: usize,
    },
    /// No randomness.
    #[error("the cryptographic library has no random numbers")]
    Random,
}
