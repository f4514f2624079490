//! One entry: what it says, if its values can be used and agree with one another.

use std::borrow::Cow;
use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de};

use super::{EntryRefusal, PushIssuer, Pushed, Reading, value};
use crate::{
    asn1::{Certificate, CrlReason, UnixTime, pem_blocks},
    change::{Action, Change, Inventory, RevocationClaim},
    feed::certificates::{self, CERTIFICATE_OCTETS_MAX, Issued},
    identity::{IssuerId, SerialNumber},
};

/// An entry that is an object: serde takes an array of the fields' values for one as well, in whatever
/// order they stand below.
pub(super) struct RawObject<'a>(pub(super) RawEntry<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> de::Visitor<'de> for Object {
            type Value = RawObject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an entry, which is an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                RawEntry::deserialize(de::value::MapAccessDeserializer::new(map)).map(RawObject)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// An entry as it is written; borrowed from the body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEntry<'a> {
    #[serde(borrow, default)]
    issuer: Option<Text<'a>>,
    #[serde(borrow, default)]
    serial: Option<Text<'a>>,
    status: Status,
    #[serde(borrow, default)]
    revocation_time: Option<Text<'a>>,
    #[serde(borrow, default)]
    reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    invalidity_date: Option<Text<'a>>,
    #[serde(borrow, default)]
    not_before: Option<Text<'a>>,
    #[serde(borrow, default)]
    not_after: Option<Text<'a>>,
    #[serde(borrow, default)]
    certificate_sha256: Option<Text<'a>>,
    #[serde(borrow, default)]
    certificate: Option<Text<'a>>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Issued,
    Revoked,
    Hold,
    Released,
}

/// A string, copied only where it is escaped.
#[derive(Debug)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> de::Visitor<'de> for Borrowed {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowed)
    }
}

fn text<'t>(field: Option<&'t Text<'_>>) -> Option<&'t str> {
    field.map(|text| &*text.0)
}

/// Judges an entry by itself; the error is the name of an issuer that its sender may not speak for.
pub(super) fn judge<'e>(raw: &'e RawEntry<'_>, reading: &Reading<'_>) -> Result<Pushed, &'e str> {
    let named = match text(raw.issuer.as_ref()) {
        None => None,
        Some(name) => {
            let issuer = reading.issuers.iter().find(|issuer| issuer.name == name);
            Some(issuer.ok_or(name)?)
        }
    };
    let judged = change(raw, named, reading);
    Ok(judged.unwrap_or_else(Pushed::Refused))
}

fn change(
    raw: &RawEntry<'_>,
    named: Option<&PushIssuer<'_>>,
    reading: &Reading<'_>,
) -> Result<Pushed, EntryRefusal> {
    let mut inventory = Inventory {
        not_before: value::time("not_before", text(raw.not_before.as_ref()))?,
        not_after: value::time("not_after", text(raw.not_after.as_ref()))?,
        certificate_sha256: value::sha256(text(raw.certificate_sha256.as_ref()))?,
        distribution_point: None,
    };
    let stated = text(raw.serial.as_ref()).map(value::serial).transpose()?;
    let (issuer, serial) = match text(raw.certificate.as_ref()) {
        Some(certificate) => {
            let (issuer, issued) = verified(certificate, named, reading.issuers)?;
            inventory = agreed(stated, &inventory, &issued)?;
            (issuer, issued.serial)
        }
        None => {
            let serial = stated.ok_or_else(|| {
                refused(
                    "serial_missing",
                    "neither a serial nor a certificate is given",
                )
            })?;
            (alone(named, reading.issuers)?, serial)
        }
    };
    let said = Said {
        time: value::time("revocation_time", text(raw.revocation_time.as_ref()))?,
        reason: text(raw.reason.as_ref()),
        invalidity_date: value::time("invalidity_date", text(raw.invalidity_date.as_ref()))?,
    };
    let (action, time_is_ours) = match raw.status {
        Status::Issued => {
            said.nothing("issued")?;
            (Action::Issue(inventory), false)
        }
        Status::Released => {
            said.nothing("released")?;
            (Action::Release, false)
        }
        Status::Revoked => said.revocation(value::reason(said.reason)?, inventory, reading.now),
        Status::Hold => said.revocation(value::hold_reason(said.reason)?, inventory, reading.now),
    };
    Ok(Pushed::Change {
        change: Change {
            issuer,
            serial,
            action,
        },
        time_is_ours,
    })
}

/// What an entry says of a revocation.
struct Said<'a> {
    time: Option<UnixTime>,
    reason: Option<&'a str>,
    invalidity_date: Option<UnixTime>,
}

impl Said<'_> {
    fn nothing(&self, status: &str) -> Result<(), EntryRefusal> {
        for (field, is_given) in [
            ("revocation_time", self.time.is_some()),
            ("reason", self.reason.is_some()),
            ("invalidity_date", self.invalidity_date.is_some()),
        ] {
            if is_given {
                let detail =
                    format!("{field} is given of a certificate that is said to be {status}");
                return Err(refused("fields_contradict", detail));
            }
        }
        Ok(())
    }

    fn revocation(
        &self,
        reason: Option<CrlReason>,
        inventory: Inventory,
        now: UnixTime,
    ) -> (Action, bool) {
        let claim = RevocationClaim {
            revocation_time: self.time.unwrap_or(now),
            reason,
            invalidity_date: self.invalidity_date,
        };
        let inventory = (inventory != Inventory::default()).then_some(inventory);
        (Action::Revoke { claim, inventory }, self.time.is_none())
    }
}

/// The issuer that is named, or the only one there is.
fn alone(
    named: Option<&PushIssuer<'_>>,
    issuers: &[PushIssuer<'_>],
) -> Result<IssuerId, EntryRefusal> {
    match (named, issuers) {
        (Some(issuer), _) => Ok(issuer.id),
        (None, [only]) => Ok(only.id),
        (None, _) => Err(refused(
            "issuer_missing",
            "this client speaks for several issuers: name the one that is meant",
        )),
    }
}

/// The certificate, if its issuer is the one named, or one of those that may be, and signed it.
fn verified(
    written: &str,
    named: Option<&PushIssuer<'_>>,
    issuers: &[PushIssuer<'_>],
) -> Result<(IssuerId, Issued), EntryRefusal> {
    let der = certificate_der(written)?;
    let all: Vec<&Certificate> = issuers.iter().map(|issuer| issuer.certificate).collect();
    let those = match named {
        Some(issuer) => certificates::Issuers::one_of(&all, issuer.certificate),
        None => certificates::Issuers::any_of(&all),
    };
    match certificates::judge(&der, &those) {
        Ok(certificates::Verdict::Issued(issued)) => {
            let mut ids = those.ids();
            let id = ids.nth(usize::from(issued.issuer)).ok_or_else(|| {
                refused(
                    "certificate_not_of_issuer",
                    "its issuer is none of this client's",
                )
            })?;
            Ok((id, issued))
        }
        Ok(certificates::Verdict::OwnOfIssuer) => Err(refused(
            "certificate_not_of_issuer",
            "it is the certificate of an issuer itself, and none of this client's issuers signed it",
        )),
        Err(cause) => {
            use certificates::CertificateCause as Cause;
            let code = match cause {
                Cause::OtherIssuer { .. }
                | Cause::NotSigned { .. }
                | Cause::Unverifiable { .. } => "certificate_not_of_issuer",
                _ => "certificate_malformed",
            };
            Err(refused(code, format!("certificate: {cause}")))
        }
    }
}

fn certificate_der(written: &str) -> Result<Vec<u8>, EntryRefusal> {
    let malformed = |what: &str| refused("certificate_malformed", format!("certificate: {what}"));
    let der = if written.contains("-----BEGIN") {
        let mut found = None;
        for block in pem_blocks(written.as_bytes()) {
            let block = block.map_err(|error| malformed(&error.to_string()))?;
            if block.label == "CERTIFICATE" && found.replace(block.der).is_some() {
                return Err(malformed(
                    "it holds several PEM blocks: send each in its own entry",
                ));
            }
        }
        found.ok_or_else(|| malformed("no PEM block in it is a CERTIFICATE"))?
    } else {
        STANDARD
            .decode(written)
            .map_err(|_| malformed("neither base64 of DER nor PEM"))?
    };
    if der.len() > CERTIFICATE_OCTETS_MAX {
        return Err(malformed("it is longer than any certificate"));
    }
    Ok(der)
}

/// What the certificate says, if the entry says nothing else.
fn agreed(
    serial: Option<SerialNumber>,
    stated: &Inventory,
    issued: &Issued,
) -> Result<Inventory, EntryRefusal> {
    let differs = |what: &str| {
        let detail = format!("{what} is another in the certificate than in the entry");
        Err(refused("certificate_differs", detail))
    };
    if serial.is_some_and(|serial| serial != issued.serial) {
        return differs("serial");
    }
    let inventory = Inventory {
        not_before: Some(issued.not_before),
        not_after: Some(issued.not_after),
        certificate_sha256: issued.certificate_sha256(),
        distribution_point: None,
    };
    let agrees =
        |stated: Option<UnixTime>, found| stated.is_none_or(|stated| Some(stated) == found);
    if !agrees(stated.not_before, inventory.not_before) {
        return differs("not_before");
    }
    if !agrees(stated.not_after, inventory.not_after) {
        return differs("not_after");
    }
    match (stated.certificate_sha256, inventory.certificate_sha256) {
        (Some(stated), Some(found)) if stated != found => differs("certificate_sha256"),
        (stated, None) => Ok(Inventory {
            certificate_sha256: stated,
            distribution_point: None,
            ..inventory
        }),
        _ => Ok(inventory),
    }
}

pub(super) fn refused(code: &'static str, detail: impl Into<String>) -> EntryRefusal {
    EntryRefusal {
        code,
        detail: detail.into(),
    }
}
