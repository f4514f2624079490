//! Serial numbers for a CA that issues here: reserved before signing, completed after.

use serde::{Deserialize, Serialize};

use super::{Clerk, serial, source};
use crate::asn1::UnixTime;
use crate::authority::{ErrorClass, Issuer, OperationError};
use crate::change::PointTag;
use crate::feed::LedgerSinkError;
use crate::pki::ca::{
    IssuedCertificate, PlannedCertificate, RegisterError, SerialRegister as _, SinkRegister,
    Validity,
};

impl Clerk {
    /// Draws serial numbers and records them as issued. When this returns they are durable, and with a
    /// running server every question about them is answered.
    ///
    /// # Errors
    /// [`OperationError`]; then none may be used.
    pub fn reserve_serials(
        &self,
        request: &ReserveRequest,
    ) -> Result<ReserveReply, OperationError> {
        let issuer = self.issuing(&request.issuer_id)?;
        if request.certificates.len() > CERTIFICATES_MAX {
            return Err(OperationError::new(
                ErrorClass::Usage,
                format!("at most {CERTIFICATES_MAX} serial numbers are reserved at once"),
            ));
        }
        let planned: Vec<PlannedCertificate> = request
            .certificates
            .iter()
            .map(|planned| {
                Ok(PlannedCertificate {
                    validity: planned.validity()?,
                })
            })
            .collect::<Result<_, OperationError>>()?;
        let mut register = SinkRegister::new(self.sink(source("ca", "")?));
        let serials = register
            .reserve(&issuer.id, &planned)
            .map_err(|error| register_error(&error))?;
        Ok(ReserveReply {
            serials: serials.iter().map(ToString::to_string).collect(),
        })
    }

    /// Records the digests of certificates that were signed.
    ///
    /// # Errors
    /// [`OperationError`].
    pub fn record_issued(&self, request: &IssuedRequest) -> Result<IssuedReply, OperationError> {
        let issuer = self.issuing(&request.issuer_id)?;
        let issued: Vec<IssuedCertificate> = request
            .certificates
            .iter()
            .map(IssuedSerial::certificate)
            .collect::<Result<_, OperationError>>()?;
        let mut register = SinkRegister::new(self.sink(source("ca", "")?));
        register
            .issued(&issuer.id, &issued)
            .map_err(|error| register_error(&error))?;
        Ok(IssuedReply {
            recorded: issued.len(),
        })
    }

    /// By its id: the CA that signs must be the one whose answers are given, name and key.
    fn issuing(&self, id: &str) -> Result<&Issuer, OperationError> {
        self.issuers
            .iter()
            .find(|issuer| issuer.id.to_string() == id)
            .map(|issuer| &**issuer)
            .ok_or_else(|| {
                OperationError::new(
                    ErrorClass::Config,
                    "the running server does not know this CA: restart it with the configuration that \
                     names it",
                )
            })
    }
}

/// Serial numbers that are wanted.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ReserveRequest {
    /// The issuer's id in hexadecimal.
    pub issuer_id: String,
    /// What will be signed, at most 10,000.
    pub certificates: Vec<PlannedSerial>,
}

/// A certificate that is about to be signed.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct PlannedSerial {
    /// notBefore in seconds since 1970.
    pub not_before: u64,
    /// notAfter in seconds since 1970.
    pub not_after: u64,
}

impl PlannedSerial {
    /// For this validity.
    #[must_use]
    pub const fn new(validity: &Validity) -> Self {
        Self {
            not_before: validity.not_before.as_secs(),
            not_after: validity.not_after.as_secs(),
        }
    }

    fn validity(&self) -> Result<Validity, OperationError> {
        let time = |seconds| UnixTime::from_secs(seconds).ok_or_else(|| malformed("a time"));
        Validity::new(time(self.not_before)?, time(self.not_after)?)
            .map_err(|error| OperationError::new(ErrorClass::Usage, error.to_string()))
    }
}

/// Serial numbers that are recorded.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ReserveReply {
    /// In hexadecimal, in the order of the request.
    pub serials: Vec<String>,
}

/// Certificates that were signed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct IssuedRequest {
    /// The issuer's id in hexadecimal.
    pub issuer_id: String,
    /// The certificates.
    pub certificates: Vec<IssuedSerial>,
}

/// A certificate that was signed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct IssuedSerial {
    /// In hexadecimal.
    pub serial: String,
    /// From when to when.
    pub validity: PlannedSerial,
    /// SHA-256 of the certificate in hexadecimal.
    pub sha256: String,
    /// The tag of the CRL distribution point that it names, in hexadecimal, if any.
    #[serde(default)]
    pub distribution_point: Option<String>,
}

impl IssuedSerial {
    /// As the admin protocol carries it.
    #[must_use]
    pub fn new(certificate: &IssuedCertificate) -> Self {
        Self {
            serial: certificate.serial.to_string(),
            validity: PlannedSerial::new(&certificate.validity),
            sha256: certificate
                .sha256
                .iter()
                .map(|octet| format!("{octet:02x}"))
                .collect(),
            distribution_point: certificate
                .distribution_point
                .map(|point| format!("{:016x}", u64::from_be_bytes(*point.as_bytes()))),
        }
    }

    fn certificate(&self) -> Result<IssuedCertificate, OperationError> {
        Ok(IssuedCertificate {
            serial: serial(&self.serial)?,
            validity: self.validity.validity()?,
            sha256: digest(&self.sha256).ok_or_else(|| malformed("a digest"))?,
            distribution_point: self.distribution_point.as_deref().map(point).transpose()?,
        })
    }
}

fn point(digits: &str) -> Result<PointTag, OperationError> {
    let point = u64::from_str_radix(digits, 16);
    let point = point.map_err(|_| malformed("the tag of a distribution point"))?;
    Ok(PointTag::from_bytes(point.to_be_bytes()))
}

fn digest(digits: &str) -> Option<[u8; 32]> {
    let mut octets = [0; 32];
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    if pairs.len() != octets.len() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (octet, pair) in octets.iter_mut().zip(pairs) {
        *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(octets)
}

/// How many certificates were recorded.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct IssuedReply {
    /// Their number.
    pub recorded: usize,
}

fn register_error(error: &RegisterError) -> OperationError {
    if let RegisterError::Ledger(cause) = error
        && let Some(cause) = cause.downcast_ref::<LedgerSinkError>()
    {
        return cause.into();
    }
    let class = match error {
        RegisterError::UnknownIssuer => ErrorClass::Config,
        RegisterError::Random => ErrorClass::Internal,
        _ => ErrorClass::Refused,
    };
    OperationError::new(class, error.to_string())
}

fn malformed(what: &str) -> OperationError {
    OperationError::new(
        ErrorClass::Usage,
        format!("{what} in the request is malformed"),
    )
}

/// Enough for a batch, and a request of a megabyte.
const CERTIFICATES_MAX: usize = 10_000;
