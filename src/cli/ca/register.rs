//! The ledger as the command reaches it, as a register of serial numbers.

use std::fmt;

use super::{Failure, ca_failure};
use crate::authority::{IssuedRequest, IssuedSerial, PlannedSerial, ReserveRequest};
use crate::cli::connection::Desk;
use crate::identity::{IssuerId, SerialNumber};
use crate::pki::ca::{
    CaError, IssuedCertificate, PlannedCertificate, RegisterError, SerialRegister,
};

/// Records through the running server, or in the ledger itself when none runs.
pub(super) struct DeskRegister<'a> {
    desk: &'a Desk,
    /// Why the desk could not, with its exit code.
    failure: Option<Failure>,
}

impl<'a> DeskRegister<'a> {
    pub(super) const fn new(desk: &'a Desk) -> Self {
        Self {
            desk,
            failure: None,
        }
    }

    /// The failure of an issuance with this register.
    pub(super) fn failure(self, error: &CaError) -> Failure {
        match self.failure {
            Some(failure) => Failure::new(failure.exit, error.to_string()),
            None => ca_failure(error),
        }
    }

    fn keep(&mut self, failure: Failure) -> RegisterError {
        let told = Told(failure.message.clone());
        self.failure = Some(failure);
        RegisterError::Ledger(Box::new(told))
    }
}

impl SerialRegister for DeskRegister<'_> {
    fn reserve(
        &mut self,
        issuer: &IssuerId,
        wanted: &[PlannedCertificate],
    ) -> Result<Vec<SerialNumber>, RegisterError> {
        let request = ReserveRequest {
            issuer_id: issuer.to_string(),
            certificates: wanted
                .iter()
                .map(|planned| PlannedSerial::new(&planned.validity))
                .collect(),
        };
        let reply = match self.desk.reserve_serials(&request) {
            Ok(reply) => reply,
            Err(failure) => return Err(self.keep(failure)),
        };
        reply
            .serials
            .iter()
            .map(|digits| {
                SerialNumber::from_hex(digits)
                    .map_err(|error| RegisterError::Ledger(Box::new(error)))
            })
            .collect()
    }

    fn issued(
        &mut self,
        issuer: &IssuerId,
        certificates: &[IssuedCertificate],
    ) -> Result<(), RegisterError> {
        let request = IssuedRequest {
            issuer_id: issuer.to_string(),
            certificates: certificates.iter().map(IssuedSerial::new).collect(),
        };
        match self.desk.record_issued(&request) {
            Ok(_) => Ok(()),
            Err(failure) => Err(self.keep(failure)),
        }
    }
}

/// A failure's message on its way through the library.
#[derive(Debug)]
struct Told(String);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Told {}
