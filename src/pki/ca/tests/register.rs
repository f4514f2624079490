//! Serial numbers are unused and recorded, or nothing is signed.

use std::{collections::HashMap, convert::Infallible};

use super::*;
use crate::{
    change::{Action, Change, Inventory, Outcome, Refusal, Verdict},
    feed::StatusSink,
    identity::SerialNumber,
};

/// A ledger of one issuer in memory.
#[derive(Default)]
struct Memory {
    known: HashMap<SerialNumber, Inventory>,
    applied: Vec<Change>,
}

impl StatusSink for &mut Memory {
    type Error = Infallible;

    fn judge(&mut self, changes: &[Change]) -> Result<Vec<Verdict>, Infallible> {
        Ok(changes
            .iter()
            .map(|change| match self.known.get(&change.serial) {
                None => Verdict::Refused(Refusal::NotKnown),
                Some(_) => Verdict::Refused(Refusal::NotOnHold),
            })
            .collect())
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, Infallible> {
        self.applied.extend_from_slice(changes);
        let mut outcome = |change: &Change| {
            let Action::Issue(given) = change.action else {
                panic!("a register only issues")
            };
            let known = self.known.entry(change.serial).or_default();
            *known = known.merged(&given).unwrap();
            Outcome::Applied { sequence: 1 }
        };
        Ok(changes.iter().map(&mut outcome).collect())
    }
}

fn serial(number: u8) -> SerialNumber {
    SerialNumber::from_content(&[number]).unwrap()
}

#[test]
fn a_serial_is_recorded_with_its_validity_before_and_its_digest_after_signing() {
    let root = root(KeyType::EcP256);
    let mut memory = Memory::default();
    let request = CertificateRequest::new(
        named("a"),
        subject_key(KeyType::EcP256),
        Profile::TlsClient,
        a_year(),
    );
    let der = root
        .issue(&request, &mut SinkRegister::new(&mut memory))
        .unwrap();
    let serial = SerialNumber::from_content(certificate(&der).serial_number()).unwrap();
    let issue = |certificate_sha256| Change {
        issuer: *root.id(),
        serial,
        action: Action::Issue(Inventory {
            not_before: Some(request.validity.not_before),
            not_after: Some(request.validity.not_after),
            certificate_sha256,
            distribution_point: None,
        }),
    };
    let sha256 = <sha2::Sha256 as sha2::Digest>::digest(&der);
    assert_eq!(memory.applied, [issue(None), issue(Some(sha256.into()))]);
}

#[test]
fn a_serial_that_is_known_or_drawn_twice_is_drawn_again() {
    let root = root(KeyType::EcP256);
    let mut memory = Memory::default();
    memory.known.insert(serial(1), Inventory::default());
    let mut drawn = [1, 2, 2, 1, 3].into_iter();
    let mut register = SinkRegister::with_draw(&mut memory, || Ok(serial(drawn.next().unwrap())));
    let planned = PlannedCertificate { validity: a_year() };
    let reserved = register.reserve(root.id(), &[planned, planned]).unwrap();
    assert_eq!(reserved, [serial(2), serial(3)]);
}

#[test]
fn random_numbers_that_are_none_end_in_an_error_and_nothing_is_recorded() {
    let root = root(KeyType::EcP256);
    let mut memory = Memory::default();
    memory.known.insert(serial(1), Inventory::default());
    let mut register = SinkRegister::with_draw(&mut memory, || Ok(serial(1)));
    let planned = PlannedCertificate { validity: a_year() };
    let error = register.reserve(root.id(), &[planned]).unwrap_err();
    assert!(matches!(error, RegisterError::AlwaysTaken { .. }));
    assert_eq!(memory.applied, []);
}
