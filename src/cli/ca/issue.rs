//! `estelam ca issue`: a certificate for a PKCS#10 request.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use const_oid::ObjectIdentifier;
use serde::Serialize;

use super::files::{refuse_existing, write_public};
use super::made::{DELEGATE_DAYS, pem, serial};
use super::open::{open, validity};
use super::register::DeskRegister;
use super::{Exit, Failure, subject};
use crate::asn1::Certificate;
use crate::authority::with_causes;
use crate::cli::connection::Desk;
use crate::cli::{Common, output};
use crate::clock::{Clock as _, SystemClock};
use crate::pki::ca::{CertificateRequest, Pkcs10, Profile};

/// Issue a certificate for a PKCS#10 request
///
/// The request has to be signed with the key that it names. What it asks for beside a name and host
/// names is not granted: the profile decides. The serial number is in the ledger before the
/// certificate is signed, so its status is known from the start.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout web.key \\
      -subj /CN=www.example.ir -addext subjectAltName=DNS:www.example.ir -out web.csr
  estelam ca issue --issuer \"Example Issuing CA\" --csr web.csr --profile tls-server --out web.pem")]
pub(super) struct IssueArguments {
    /// The issuer's name in the configuration; it needs an [issuer.ca]
    #[arg(long, value_name = "NAME")]
    issuer: String,
    /// The request, PEM or DER
    #[arg(long, value_name = "FILE")]
    csr: PathBuf,
    /// What the certificate is for
    #[arg(long, value_name = "PROFILE")]
    profile: ProfileName,
    /// The holder's name in place of the request's, as RFC 4514 writes it
    #[arg(long, value_name = "DN")]
    subject: Option<String>,
    /// A TLS server's host name in place of the request's; may be repeated
    #[arg(long = "dns", value_name = "NAME")]
    dns_names: Vec<String>,
    /// A TLS server's address in place of the request's; may be repeated
    #[arg(long = "ip", value_name = "ADDRESS")]
    ip_addresses: Vec<IpAddr>,
    /// A certificate policy's OID; may be repeated
    #[arg(long = "policy", value_name = "OID")]
    policies: Vec<ObjectIdentifier>,
    /// How long it is valid [default: 90 for servers and OCSP, 365 for clients and code signing, 730
    /// for persons, 1826 for timestamping, and no longer than the CA]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36525))]
    days: Option<u32>,
    /// Where the certificate goes, as PEM
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProfileName {
    /// Who signs documents
    Person,
    /// The same in office: title, givenName, surname, serialNumber and organizationIdentifier
    Official,
    /// A TLS server
    TlsServer,
    /// A TLS client
    TlsClient,
    /// Who signs programs
    CodeSigning,
    /// A time stamping unit
    Timestamping,
    /// A delegate that signs OCSP answers for the CA
    Ocsp,
}

impl ProfileName {
    const fn usual_days(self) -> u32 {
        match self {
            Self::TlsServer => 90,
            Self::Ocsp => DELEGATE_DAYS,
            Self::TlsClient | Self::CodeSigning => 365,
            Self::Person | Self::Official => 730,
            Self::Timestamping => 1826,
        }
    }

    fn profile(self, arguments: &IssueArguments, request: &Pkcs10) -> Result<Profile, Failure> {
        let (dns_names, ip_addresses) = (&arguments.dns_names, &arguments.ip_addresses);
        let named = !dns_names.is_empty() || !ip_addresses.is_empty();
        Ok(match self {
            Self::TlsServer if named => Profile::TlsServer {
                dns_names: dns_names.clone(),
                ip_addresses: ip_addresses.clone(),
            },
            Self::TlsServer => Profile::TlsServer {
                dns_names: request.wishes().dns_names.clone(),
                ip_addresses: request.wishes().ip_addresses.clone(),
            },
            _ if named => {
                return Err(Failure::new(
                    Exit::Usage,
                    "--dns and --ip are for --profile tls-server",
                ));
            }
            Self::Person => Profile::DocumentSigning,
            Self::Official => Profile::DocumentSigningOfficial,
            Self::TlsClient => Profile::TlsClient,
            Self::CodeSigning => Profile::CodeSigning,
            Self::Timestamping => Profile::Timestamping,
            Self::Ocsp => Profile::OcspSigning,
        })
    }
}

/// What was issued.
#[derive(Serialize)]
struct Issued {
    issuer: String,
    subject: String,
    serial: String,
    not_before: String,
    not_after: String,
    certificate: String,
    /// What the request asked for and did not get.
    not_granted: Vec<String>,
}

pub(super) fn run(common: &Common, arguments: &IssueArguments) -> Result<Exit, Failure> {
    let now = SystemClock.now();
    refuse_existing(&[&arguments.out])?;
    let request = read_request(&arguments.csr)?;
    let profile = arguments.profile.profile(arguments, &request)?;
    let not_granted: Vec<String> = request
        .wishes()
        .not_granted(&profile)
        .iter()
        .map(ToString::to_string)
        .collect();
    for wish in &not_granted {
        output::warning(wish);
    }
    let ca = open(common, &arguments.issuer, now)?;
    let subject = match &arguments.subject {
        Some(text) => subject(text)?,
        None => request.subject().clone(),
    };
    let wanted = CertificateRequest {
        policies: arguments.policies.clone(),
        ..CertificateRequest::new(
            subject,
            request.key().clone(),
            profile,
            validity(&ca, now, arguments.days, arguments.profile.usual_days())?,
        )
    };
    let desk = Desk::open(common)?;
    let mut register = DeskRegister::new(&desk);
    let der = match ca.issue(&wanted, &mut register) {
        Ok(der) => der,
        Err(error) => return Err(register.failure(&error)),
    };
    write_public(&arguments.out, pem(&der).as_bytes())?;
    let certificate = Certificate::from_der(der)
        .map_err(|error| Failure::new(Exit::Internal, with_causes(&error)))?;
    let issued = Issued {
        issuer: arguments.issuer.clone(),
        subject: wanted.subject.to_string(),
        serial: serial(&certificate),
        not_before: certificate.not_before().to_string(),
        not_after: certificate.not_after().to_string(),
        certificate: arguments.out.display().to_string(),
        not_granted,
    };
    output::facts(common, &issued, || issued.text())
}

impl Issued {
    fn text(&self) -> String {
        let Self {
            subject,
            serial,
            not_after,
            certificate,
            ..
        } = self;
        format!("issued {certificate} for {subject}\nserial {serial}, valid until {not_after}")
    }
}

fn read_request(path: &Path) -> Result<Pkcs10, Failure> {
    let octets_max = u64::try_from(Pkcs10::OCTETS_MAX.saturating_mul(2)).unwrap_or(u64::MAX);
    let file = crate::config::read(path, octets_max)
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    // DER begins with the SEQUENCE tag, which is `0` in ASCII: no PEM file begins with it.
    let request = if file.content.first() == Some(&0x30) {
        Pkcs10::from_der(&file.content)
    } else {
        Pkcs10::from_pem(&file.content)
    };
    request.map_err(|error| {
        Failure::new(
            Exit::Input,
            format!(
                "the request {} is refused: {}",
                path.display(),
                with_causes(&error)
            ),
        )
    })
}
