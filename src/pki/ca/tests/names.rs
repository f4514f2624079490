//! Names, byte for byte.

use der::{Decode as _, Encode as _};
use hex_literal::hex;
use proptest::prelude::*;

use super::*;

/// What x509-cert makes of a name: it knows the string types and RFC 4514 on its own.
fn theirs(name: &Name) -> x509_cert::name::Name {
    x509_cert::name::Name::from_der(name.as_der()).unwrap()
}

#[test]
fn a_text_is_read_last_rdn_first() {
    let name = Name::parse("CN=Example CA + OU=b, O=A\\, B\\C3\\A9 , C=IR").unwrap();
    // Written by hand from RFC 4514 §2 and RFC 5280 §4.1.2.4.
    let der = [
        &hex!("303d 310b 3009 0603550406 1302")[..],
        b"IR",
        &hex!("310f 300d 060355040a 0c06"),
        "A, Bé".as_bytes(),
        &hex!("311d 3008 060355040b 0c01 62 3011 0603550403 0c0a"),
        b"Example CA",
    ];
    assert_eq!(name.as_der(), der.concat());
    let expected = NameBuilder::new()
        .country("IR")
        .organization("A, Bé")
        .combined(&[
            (AttributeType::OrganizationalUnit, "b"),
            (AttributeType::CommonName, "Example CA"),
        ])
        .build()
        .unwrap();
    assert_eq!(name, expected);
    assert_eq!(name.to_string(), "OU=b+CN=Example CA,O=A\\, Bé,C=IR");
    assert_eq!(Name::parse("").unwrap().as_der(), [0x30, 0x00]);
    assert_eq!(
        Name::parse("2.5.4.3=#0c0141").unwrap(),
        Name::parse("CN=A").unwrap()
    );
}

#[test]
fn what_is_no_name_is_refused_with_the_reason() {
    let long = format!("CN={}", "x".repeat(65));
    for (text, reason) in [
        ("Example CA", "KEYWORD=VALUE"),
        ("CN=a,", "KEYWORD=VALUE"),
        ("CM=a", "\"CM\""),
        ("CN=", "empty"),
        ("CN=a\\", "after \\"),
        ("CN=\\FF", "UTF-8"),
        ("CN=a<b", "escaped"),
        ("CN=#0c02", "ends too early"),
        ("CN=#30", "ends too early"),
        ("C=ir", "capital"),
        ("C=IRN", "longer"),
        (&long, "longer"),
        ("serialNumber=۱۲۳", "PrintableString"),
        ("E=نمونه@example.ir", "ASCII"),
        ("CN=a\u{0}", "escaped"),
        ("CN=a\\00", "control"),
    ] {
        let error = Name::parse(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn names_of_every_string_type_are_kept_and_read() {
    // PrintableString, UTF8String with ZWNJ, BMPString, TeletexString, a two-valued RDN.
    for (der, shown) in [
        (&hex!("300c 310a 3008 0603550403 1301 41")[..], "CN=A"),
        (
            &hex!("3014 3112 3010 0603550403 0c09 d985d8a7e2808cd986"),
            "CN=ما\u{200c}ن",
        ),
        (&hex!("300f 310d 300b 0603550403 1e04 06410627"), "CN=فا"),
        (&hex!("300d 310b 3009 0603550403 1402 41e9"), "CN=#140241e9"),
        (
            &hex!("3016 3114 3008 0603550403 0c01 41 3008 060355040b 0c01 42"),
            "CN=A+OU=B",
        ),
    ] {
        let name = Name::from_der(der).unwrap();
        assert_eq!(name.as_der(), der);
        assert_eq!(name.to_string(), shown);
        assert_eq!(theirs(&name).to_der().unwrap(), der);
    }
}

#[test]
fn names_that_are_not_der_are_refused() {
    for der in [
        &hex!("")[..],
        &hex!("3000 00"),
        &hex!("3002 3100"),
        &hex!("3100"),
        // An RDN out of order, and one with the same attribute twice.
        &hex!("3016 3114 3008 060355040b 0c01 42 3008 0603550403 0c01 41"),
        &hex!("3016 3114 3008 0603550403 0c01 41 3008 0603550403 0c01 41"),
        // PrintableString with `@`, UTF8String that is none, BMPString of three octets, empty values.
        &hex!("300c 310a 3008 0603550403 1301 40"),
        &hex!("300c 310a 3008 0603550403 0c01 ff"),
        &hex!("300e 310c 300a 0603550403 1e03 064106"),
        &hex!("300b 3109 3007 0603550403 0c00"),
        &hex!("300b 3109 3007 0603550403 1400"),
        // Three parts in an attribute.
        &hex!("300e 310c 300a 0603550403 0c01 41 0500"),
    ] {
        assert!(Name::from_der(der).is_err(), "{der:02x?}");
    }
    let long = NameBuilder::new().attribute(AttributeType::Surname, "x".repeat(1024));
    let long = (0..4).fold(long, |long, _| {
        long.attribute(AttributeType::Surname, "y".repeat(1024))
    });
    assert!(matches!(long.build(), Err(NameError::TooLong { .. })));
}

/// Values as people have them: letters of several scripts, joiners, what RFC 4514 escapes.
fn value() -> impl Strategy<Value = String> {
    let characters = prop::sample::select(vec![
        'a', 'Z', '0', ' ', ',', '+', '"', '\\', '<', '>', ';', '=', '#', '/', '\'', 'é', 'س', 'ی',
        'ۀ', '\u{200c}', '\u{200f}', '字', '😀', '@', '*',
    ]);
    prop::collection::vec(characters, 1..40).prop_map(|it| it.into_iter().collect::<String>())
}

proptest! {
    /// What is built means the same to x509-cert's decoder, and what is shown is read again.
    #[test]
    fn built_names_mean_the_same_to_another_decoder(
        parts in prop::collection::vec(
            (prop::sample::select(AttributeType::ALL.to_vec()), value(), any::<bool>()), 1..6),
    ) {
        let builder = parts.iter().fold(NameBuilder::new(), |builder, (kind, value, joined)| {
            match joined {
                true => builder.combined(&[(*kind, value), (AttributeType::Pseudonym, "p")]),
                false => builder.attribute(*kind, value),
            }
        });
        let Ok(name) = builder.build() else { return Ok(()) };
        let theirs = theirs(&name);
        prop_assert_eq!(theirs.to_der().unwrap(), name.as_der());
        let flat: Vec<_> = theirs.iter_rdn().collect();
        prop_assert_eq!(flat.len(), parts.len());
        for (rdn, (kind, value, _)) in flat.iter().zip(&parts) {
            let found = rdn.iter().find(|it| it.oid == kind.oid()).unwrap();
            let text = std::str::from_utf8(found.value.value()).unwrap();
            prop_assert!(text == value || *kind == AttributeType::Pseudonym);
        }
        prop_assert_eq!(Name::parse(&name.to_string()), Ok(name));
    }

    /// Whatever octets come: no panic, and what is taken is kept, as x509-cert reads it.
    #[test]
    fn any_octets_are_refused_or_kept(octets in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(name) = Name::from_der(&octets) {
            prop_assert_eq!(name.as_der(), octets);
            theirs(&name);
            let _shown = name.to_string();
        }
    }

    #[test]
    fn any_text_is_a_name_or_an_error(text in "\\PC{0,40}") {
        let _read = Name::parse(&text);
    }
}
