//! Who is in the demo: its issuers, the certificates that have a name, and how many others.
//!
//! Everything here follows from the number of certificates alone, so that two demos of one size differ
//! in keys, serial numbers and dates only.

use std::time::Duration;

use crate::asn1::CrlReason;

/// The population of a demo.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// The intermediates; the one with a certificate of every kind comes first.
    pub intermediates: Vec<IntermediatePlan>,
}

/// One intermediate and what it issues.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IntermediatePlan {
    /// Who it is.
    pub body: &'static Body,
    /// The certificates that people will try, each with its key beside it.
    pub named: Vec<NamedPlan>,
    /// How many others it issued.
    pub bulk: u64,
}

/// Who runs an issuer.
#[derive(Debug, Eq, PartialEq)]
pub struct Body {
    /// The issuer's name in the configuration, and its folder.
    pub name: &'static str,
    /// commonName of the CA.
    pub common_name: &'static str,
    /// organizationName of the CA and of those who work there.
    pub organization: &'static str,
    /// organizationIdentifier of its officials.
    pub organization_identifier: &'static str,
    /// What a serial number gets that it never issued.
    pub not_issued: &'static str,
    /// What becomes of a nonce.
    pub nonce: &'static str,
}

/// A certificate that people will try.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedPlan {
    /// What it is called; the name of its file.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// What became of it.
    pub standing: Standing,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A person who signs documents.
    Person,
    /// Somebody who signs documents in office.
    Official,
    /// A TLS server called `localhost`.
    LocalServer,
    /// A TLS server that has only a name.
    Server,
    /// A TLS client.
    Client,
    /// Who signs programs.
    CodeSigner,
    /// A time-stamping unit.
    TimestampUnit,
}

/// What became of a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// In use.
    Good,
    /// Over, and never revoked: still good.
    Expired,
    /// Revoked so long ago; `None` for unspecified.
    Revoked(Option<CrlReason>, Duration),
}

/// One of the many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BulkPlan {
    /// What it is for.
    pub kind: Kind,
    /// What became of it.
    pub standing: Standing,
    /// How long ago it began.
    pub age: Duration,
}

impl Plan {
    /// Certificates with a name: the fewest that a demo can have.
    pub const CERTS_MIN: u64 = 16 + 6 * 4;
    /// The most; they take about two minutes and 2 GB.
    pub const CERTS_MAX: u64 = 1_000_000;

    /// The population with `certs` end-entity certificates in all, delegates not counted; `None` when
    /// that is less than [`Plan::CERTS_MIN`] or more than [`Plan::CERTS_MAX`].
    #[must_use]
    pub fn new(certs: u64) -> Option<Self> {
        if certs > Self::CERTS_MAX {
            return None;
        }
        let bulk = certs.checked_sub(Self::CERTS_MIN)?;
        let count = u64::try_from(BODIES.len()).ok()?;
        let intermediates = (0..count).zip(&BODIES).map(|(index, body)| {
            let one_more = u64::from(index < bulk % count);
            IntermediatePlan {
                body,
                named: if index == 0 {
                    every_kind()
                } else {
                    some_kinds(index)
                },
                bulk: (bulk / count).saturating_add(one_more),
            }
        });
        Some(Self {
            intermediates: intermediates.collect(),
        })
    }
}

impl BulkPlan {
    /// The bulk certificate with this number: one in 25 is revoked or on hold.
    #[must_use]
    pub fn new(number: u64) -> Self {
        let kind = match number % 20 {
            3 => Kind::Official,
            7 => Kind::Client,
            11 => Kind::Server,
            _ => Kind::Person,
        };
        // Three years is what they last.
        let age = days(40_u64.saturating_add(number.wrapping_mul(37) % 900));
        let standing = if number % 25 == 12 {
            let reason = REASONS.get(usize::try_from(number / 25 % 9).unwrap_or(0));
            let ago = days(1_u64.saturating_add(number.wrapping_mul(13) % 38));
            let second = Duration::from_secs(number.wrapping_mul(7_919) % 86_400);
            Standing::Revoked(reason.copied().flatten(), ago.saturating_add(second))
        } else {
            Standing::Good
        };
        Self {
            kind,
            standing,
            age,
        }
    }
}

/// The first intermediate's: one of every kind.
fn every_kind() -> Vec<NamedPlan> {
    let mut named: Vec<NamedPlan> = [
        ("person", Kind::Person),
        ("official", Kind::Official),
        ("tls-server", Kind::LocalServer),
        ("tls-client", Kind::Client),
        ("code-signer", Kind::CodeSigner),
        ("timestamping", Kind::TimestampUnit),
    ]
    .into_iter()
    .map(|(name, kind)| NamedPlan::new(name, kind, Standing::Good))
    .collect();
    named.extend(
        (0..)
            .zip(REASONS)
            .map(|(index, reason)| revoked(index, reason)),
    );
    named.push(NamedPlan::new("expired", Kind::Person, Standing::Expired));
    named
}

/// Another one's.
fn some_kinds(index: u64) -> Vec<NamedPlan> {
    let reason = REASONS
        .get(usize::try_from(index).unwrap_or(0))
        .copied()
        .flatten();
    vec![
        NamedPlan::new("person", Kind::Person, Standing::Good),
        NamedPlan::new("official", Kind::Official, Standing::Good),
        NamedPlan::new("tls-server", Kind::LocalServer, Standing::Good),
        revoked(index, reason),
    ]
}

fn revoked(index: u64, reason: Option<CrlReason>) -> NamedPlan {
    let name = match reason {
        Some(CrlReason::CertificateHold) => "on-hold".to_owned(),
        Some(reason) => format!("revoked-{}", reason.name()),
        None => "revoked-unspecified".to_owned(),
    };
    let ago = days(index.saturating_add(2)).saturating_add(Duration::from_secs(3_599));
    NamedPlan::new(&name, Kind::Person, Standing::Revoked(reason, ago))
}

impl NamedPlan {
    fn new(name: &str, kind: Kind, standing: Standing) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            standing,
        }
    }
}

/// So many days.
#[must_use]
pub(super) const fn days(count: u64) -> Duration {
    Duration::from_secs(count.saturating_mul(86_400))
}

/// Every reason that a certificate can be revoked for, the one that is not told, and the hold.
const REASONS: [Option<CrlReason>; 9] = [
    None,
    Some(CrlReason::KeyCompromise),
    Some(CrlReason::CaCompromise),
    Some(CrlReason::AffiliationChanged),
    Some(CrlReason::Superseded),
    Some(CrlReason::CessationOfOperation),
    Some(CrlReason::PrivilegeWithdrawn),
    Some(CrlReason::AaCompromise),
    Some(CrlReason::CertificateHold),
];

/// The root.
pub(super) const ROOT: Body = Body {
    name: "root",
    common_name: "ریشهٔ ملی گواهی الکترونیکی (نمایشی) - Demo National Root CA",
    organization: "شورای سیاست‌گذاری گواهی الکترونیکی (نمایشی)",
    organization_identifier: "GOVIR-DEMO-00",
    not_issued: "unauthorized",
    nonce: "ignore",
};

/// Four state bodies and three companies, all of them invented.
const BODIES: [Body; 7] = [
    Body {
        name: "civil-registry",
        common_name: "مرکز صدور گواهی ثبت احوال (نمایشی) - Demo Civil Registry CA",
        organization: "سازمان ثبت احوال (نمایشی)",
        organization_identifier: "GOVIR-DEMO-01",
        not_issued: "unauthorized",
        nonce: "ignore",
    },
    Body {
        name: "justice",
        common_name: "مرکز صدور گواهی دادگستری (نمایشی) - Demo Ministry of Justice CA",
        organization: "وزارت دادگستری (نمایشی)",
        organization_identifier: "GOVIR-DEMO-02",
        not_issued: "unauthorized",
        nonce: "ignore",
    },
    Body {
        name: "treasury",
        common_name: "مرکز صدور گواهی خزانه‌داری (نمایشی) - Demo State Treasury CA",
        organization: "خزانه‌داری کل کشور (نمایشی)",
        organization_identifier: "GOVIR-DEMO-03",
        not_issued: "unauthorized",
        nonce: "echo",
    },
    Body {
        name: "health",
        common_name: "مرکز صدور گواهی بهداشت (نمایشی) - Demo Ministry of Health CA",
        organization: "وزارت بهداشت (نمایشی)",
        organization_identifier: "GOVIR-DEMO-04",
        not_issued: "unauthorized",
        nonce: "ignore",
    },
    Body {
        name: "alborz-trust",
        common_name: "اعتماد البرز (نمایشی) - Demo Alborz Trust CA",
        organization: "شرکت اعتماد البرز (نمایشی)",
        organization_identifier: "NTRIR-DEMO-05",
        not_issued: "unauthorized",
        nonce: "ignore",
    },
    Body {
        name: "zagros-sign",
        common_name: "امضای زاگرس (نمایشی) - Demo Zagros Sign CA",
        organization: "شرکت امضای زاگرس (نمایشی)",
        organization_identifier: "NTRIR-DEMO-06",
        not_issued: "unknown",
        nonce: "ignore",
    },
    Body {
        name: "khazar-id",
        common_name: "هویت‌سنجی خزر (نمایشی) - Demo Khazar ID CA",
        organization: "شرکت هویت‌سنجی خزر (نمایشی)",
        organization_identifier: "NTRIR-DEMO-07",
        not_issued: "extended_revoked",
        nonce: "ignore",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all(plan: &Plan) -> u64 {
        let named = plan.intermediates.iter().map(|one| one.named.len());
        let bulk: u64 = plan.intermediates.iter().map(|one| one.bulk).sum();
        u64::try_from(named.sum::<usize>()).unwrap() + bulk
    }

    #[test]
    fn it_has_as_many_certificates_as_asked() {
        for certs in [Plan::CERTS_MIN, 41, 50, 10_000, Plan::CERTS_MAX] {
            let plan = Plan::new(certs).unwrap();
            assert_eq!(plan.intermediates.len(), 7);
            assert_eq!(all(&plan), certs);
        }
        assert_eq!(Plan::new(Plan::CERTS_MIN - 1), None);
        assert_eq!(Plan::new(Plan::CERTS_MAX + 1), None);
    }

    #[test]
    fn the_first_has_every_kind_and_every_reason() {
        let plan = Plan::new(Plan::CERTS_MIN).unwrap();
        let first = &plan.intermediates[0].named;
        let reasons: BTreeSet<_> = first
            .iter()
            .filter_map(|named| match named.standing {
                Standing::Revoked(reason, _) => Some(reason.map_or(0, CrlReason::code)),
                _ => None,
            })
            .collect();
        assert_eq!(reasons, BTreeSet::from([0, 1, 2, 3, 4, 5, 6, 9, 10]));
        assert_eq!(first.len(), 16);
        for one in &plan.intermediates {
            let names: BTreeSet<_> = one.named.iter().map(|named| &named.name).collect();
            assert_eq!(names.len(), one.named.len(), "a file for each: {names:?}");
        }
    }

    #[test]
    fn no_text_of_a_name_is_too_long() {
        // RFC 5280 appendix A.1: ub-common-name and ub-organization-name are 64 characters.
        for body in BODIES.iter().chain([&ROOT]) {
            assert!(body.common_name.chars().count() <= 64, "{body:?}");
            assert!(body.organization.chars().count() <= 64, "{body:?}");
        }
    }

    #[test]
    fn nobody_of_the_many_is_revoked_before_the_certificate_begins_or_ends_meanwhile() {
        let mut revoked = 0;
        for bulk in (0..5_000).map(BulkPlan::new) {
            assert!(bulk.age < days(3 * 365 - 30));
            if let Standing::Revoked(_, ago) = bulk.standing {
                assert!(ago < bulk.age, "{bulk:?}");
                revoked += 1;
            }
        }
        assert_eq!(revoked, 200);
    }
}
