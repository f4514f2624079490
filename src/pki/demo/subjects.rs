//! The people, offices and machines of the demo. All of them are invented.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::plan::{Body, Kind};
use crate::pki::ca::{Name, NameBuilder, NameError, Profile};

/// The subject of the certificate with this number.
///
/// # Errors
/// [`NameError`] never; the texts here fit.
pub(super) fn subject(body: &Body, kind: Kind, number: u64) -> Result<Name, NameError> {
    let name = NameBuilder::new().country("IR");
    let (given_name, surname) = person(number);
    match kind {
        Kind::Person => name
            .given_name(given_name)
            .surname(surname)
            .serial_number(identifier(number))
            .common_name(format!("{given_name} {surname}")),
        Kind::Official => name
            .organization(body.organization)
            .organization_identifier(body.organization_identifier)
            .title(pick(&TITLES, number / 7))
            .given_name(given_name)
            .surname(surname)
            .serial_number(identifier(number))
            .common_name(format!("{given_name} {surname}")),
        Kind::LocalServer => name
            .organization(body.organization)
            .common_name("localhost"),
        Kind::Server => name
            .organization(body.organization)
            .common_name(host(number)),
        Kind::Client => name
            .organization(body.organization)
            .common_name(format!("Gateway {number}")),
        Kind::CodeSigner => name
            .organization(body.organization)
            .common_name("واحد انتشار نرم‌افزار (نمایشی) - Demo Software Release"),
        Kind::TimestampUnit => name
            .organization(body.organization)
            .common_name("مهر زمانی (نمایشی) - Demo Time-Stamping Unit"),
    }
    .build()
}

/// The subject of a CA.
///
/// # Errors
/// [`NameError`] never; the texts here fit.
pub(super) fn ca_subject(body: &Body) -> Result<Name, NameError> {
    NameBuilder::new()
        .country("IR")
        .organization(body.organization)
        .common_name(body.common_name)
        .build()
}

/// The subject of a CA's delegate.
///
/// # Errors
/// [`NameError`] never; the texts here fit.
pub(super) fn delegate_subject(body: &Body) -> Result<Name, NameError> {
    NameBuilder::new()
        .country("IR")
        .organization(body.organization)
        .common_name(format!("Demo OCSP Signer ({})", body.name))
        .build()
}

/// What the certificate of this kind may be used for.
pub(super) fn profile(kind: Kind, number: u64) -> Profile {
    match kind {
        Kind::Person => Profile::DocumentSigning,
        Kind::Official => Profile::DocumentSigningOfficial,
        Kind::LocalServer => Profile::TlsServer {
            dns_names: vec!["localhost".to_owned()],
            ip_addresses: vec![
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ],
        },
        Kind::Server => Profile::tls_server(host(number)),
        Kind::Client => Profile::TlsClient,
        Kind::CodeSigner => Profile::CodeSigning,
        Kind::TimestampUnit => Profile::Timestamping,
    }
}

/// A host under the domain that RFC 2606 keeps for examples.
fn host(number: u64) -> String {
    format!("service-{number}.example")
}

/// A natural person's identifier (ETSI EN 319 412-1 §5.1.3) that no registry gives out.
fn identifier(number: u64) -> String {
    format!("PNOIR-000{number:07}")
}

/// Given name and surname; neighbours differ in both.
fn person(number: u64) -> (&'static str, &'static str) {
    (
        pick(&GIVEN_NAMES, number),
        pick(&SURNAMES, number.wrapping_mul(7).wrapping_add(number / 24)),
    )
}

fn pick(texts: &[&'static str], number: u64) -> &'static str {
    u64::try_from(texts.len())
        .ok()
        .and_then(|count| number.checked_rem(count))
        .and_then(|place| texts.get(usize::try_from(place).ok()?))
        .copied()
        .unwrap_or_default()
}

/// Many with a zero-width non-joiner (U+200C), as they are written.
const GIVEN_NAMES: [&str; 24] = [
    "علی‌رضا",
    "مریم",
    "محمد‌رضا",
    "نرگس",
    "امیر‌حسین",
    "زهرا",
    "غلام‌رضا",
    "پریسا",
    "محمد‌مهدی",
    "سپیده",
    "حمید‌رضا",
    "نیلوفر",
    "آرش",
    "گل‌ناز",
    "کیان",
    "مه‌سا",
    "بهرام",
    "فاطمه",
    "سیاوش",
    "شیرین",
    "امید",
    "لاله",
    "نیک‌رخ",
    "ژاله",
];

const SURNAMES: [&str; 23] = [
    "گل‌محمدی",
    "نیک‌نام",
    "خوش‌نویس",
    "رستگار",
    "پاک‌نژاد",
    "مهربان",
    "دریا‌دل",
    "کوه‌پیما",
    "سپهری‌پور",
    "بهرامی‌نیا",
    "راد‌منش",
    "شب‌آهنگ",
    "خوش‌سیما",
    "گل‌پرور",
    "نور‌افشان",
    "فرزانه",
    "جوان‌مرد",
    "پیش‌رو",
    "هنر‌دوست",
    "آزاد‌منش",
    "نیک‌بین",
    "سبز‌پوش",
    "روشن‌دل",
];

const TITLES: [&str; 5] = [
    "رئیس اداره",
    "معاون ثبت",
    "سردفتر اسناد رسمی",
    "ذی‌حساب",
    "کارشناس مسئول",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::pki::demo::plan::ROOT;

    #[test]
    fn every_name_can_be_written() {
        let kinds = [
            Kind::Person,
            Kind::Official,
            Kind::LocalServer,
            Kind::Server,
            Kind::Client,
            Kind::CodeSigner,
            Kind::TimestampUnit,
        ];
        for kind in kinds {
            for number in (0..600).chain([9_999_999]) {
                subject(&ROOT, kind, number).unwrap();
            }
        }
        ca_subject(&ROOT).unwrap();
        delegate_subject(&ROOT).unwrap();
    }

    #[test]
    fn the_first_person_has_a_non_joiner_in_both_names_and_few_people_share_theirs() {
        let (given_name, surname) = person(0);
        assert!(given_name.contains('\u{200c}') && surname.contains('\u{200c}'));
        let people: BTreeSet<_> = (0..552).map(person).collect();
        assert!(people.len() > 500, "{}", people.len());
    }
}
