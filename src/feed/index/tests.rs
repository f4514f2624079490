//! Whole files. What `openssl ca` itself writes is read in `tests/index_txt.rs`.

use proptest::prelude::*;

use super::*;
use crate::{
    asn1::{CrlReason, TimeError, UnixTime},
    change::{Action, Inventory, RevocationClaim},
    identity::{SerialNumber, SerialNumberError},
};

fn read(text: impl AsRef<[u8]>) -> Index {
    Index::read(text.as_ref(), IssuerId::from_bytes([7; 32])).unwrap()
}

/// The records in the order of the file.
fn records(index: &Index) -> Vec<Record> {
    let mut records: Vec<_> = index.records().collect();
    records.sort_by_key(|record| record.line);
    records
}

fn lines(index: &Index) -> Vec<u64> {
    records(index).iter().map(|record| record.line).collect()
}

/// Line, serial, notAfter and revocation of each record.
fn said(index: &Index) -> Vec<(u64, String, String, Option<RevocationClaim>)> {
    records(index)
        .into_iter()
        .map(|Record { line, change }| {
            let (inventory, revocation) = match change.action {
                Action::Issue(inventory) => (inventory, None),
                Action::Revoke { claim, inventory } => (inventory.unwrap(), Some(claim)),
                Action::Release | Action::Correct(_) => panic!("index.txt knows neither"),
            };
            let Inventory {
                not_before: None,
                not_after: Some(not_after),
                certificate_sha256: None,
                distribution_point: None,
            } = inventory
            else {
                panic!("index.txt knows notAfter alone: {inventory:?}");
            };
            let serial = change.serial.to_string();
            (line, serial, not_after.to_string(), revocation)
        })
        .collect()
}

fn problems(index: &Index) -> Vec<(u64, &IndexCause)> {
    let first = index.problems().first();
    first
        .iter()
        .map(|bad| (bad.place.line, &bad.cause))
        .collect()
}

fn time(text: &str) -> UnixTime {
    UnixTime::from_rfc3339(text).unwrap()
}

fn claim(
    revocation_time: &str,
    reason: Option<CrlReason>,
    invalidity_date: Option<&str>,
) -> RevocationClaim {
    RevocationClaim {
        revocation_time: time(revocation_time),
        reason,
        invalidity_date: invalidity_date.map(time),
    }
}

/// The one problem of a file with one bad line.
fn cause_of(line: impl AsRef<[u8]>) -> IndexCause {
    let index = read([line.as_ref(), b"\n"].concat());
    assert_eq!(index.records().count(), 0);
    match problems(&index)[..] {
        [(1, cause)] => cause.clone(),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn valid_revoked_and_expired_lines_are_read() {
    let index = read(
        "V\t301231235959Z\t\t1F\tunknown\t/CN=a\n\
         R\t20510101000000Z\t260105120000Z,superseded\t20\tunknown\t/CN=b\n\
         E\t491231235959Z\t\tFF\tunknown\t/CN=c\n",
    );
    let superseded = claim("2026-01-05T12:00:00Z", Some(CrlReason::Superseded), None);
    assert_eq!(
        said(&index),
        [
            (1, "1F".into(), "2030-12-31T23:59:59Z".into(), None),
            (
                2,
                "20".into(),
                "2051-01-01T00:00:00Z".into(),
                Some(superseded)
            ),
            (3, "FF".into(), "2049-12-31T23:59:59Z".into(), None),
        ]
    );
    assert_eq!((index.line_count(), index.problems().total()), (3, 0));
}

#[test]
fn every_reason_is_read() {
    for (field, reason, invalidity_date) in [
        ("260105120000Z", None, None),
        ("20260105120000Z", None, None),
        ("260105120000Z,unspecified", None, None),
        (
            "260105120000Z,keyCompromise",
            Some(CrlReason::KeyCompromise),
            None,
        ),
        (
            "260105120000Z,CACompromise",
            Some(CrlReason::CaCompromise),
            None,
        ),
        (
            "260105120000Z,affiliationChanged",
            Some(CrlReason::AffiliationChanged),
            None,
        ),
        (
            "260105120000Z,superseded",
            Some(CrlReason::Superseded),
            None,
        ),
        (
            "260105120000Z,cessationOfOperation",
            Some(CrlReason::CessationOfOperation),
            None,
        ),
        (
            "260105120000Z,certificateHold",
            Some(CrlReason::CertificateHold),
            None,
        ),
        ("260105120000Z,removeFromCRL", None, None),
        (
            "260105120000Z,privilegeWithdrawn",
            Some(CrlReason::PrivilegeWithdrawn),
            None,
        ),
        (
            "260105120000Z,holdInstruction,1.2.840.10040.2.3",
            Some(CrlReason::CertificateHold),
            None,
        ),
        (
            "260105120000Z,holdInstruction,holdInstructionReject",
            Some(CrlReason::CertificateHold),
            None,
        ),
        (
            "260105120000Z,keyTime,20251224180000Z",
            Some(CrlReason::KeyCompromise),
            Some("2025-12-24T18:00:00Z"),
        ),
        (
            "260105120000Z,CAkeyTime,20251224180000Z",
            Some(CrlReason::CaCompromise),
            Some("2025-12-24T18:00:00Z"),
        ),
    ] {
        let index = read(format!("R\t301231235959Z\t{field}\t01\tunknown\t/CN=a\n"));
        let expected = claim("2026-01-05T12:00:00Z", reason, invalidity_date);
        let [(_, _, _, Some(revocation))] = said(&index)[..] else {
            panic!("{field}: {:?}", problems(&index));
        };
        assert_eq!(revocation, expected, "{field}");
    }
}

#[test]
fn a_bad_field_is_reported_with_its_line_column_and_text() {
    let index = read(
        "V\t301231235959Z\t\t01\tunknown\t/CN=a\n\
         R\t301231235959Z\t260105120000Z,stolen\t02\tunknown\t/CN=b\n",
    );
    assert_eq!(
        index.problems().first()[0].to_string(),
        "line 2, column 17: the revocation reason is unknown: \"260105120000Z,stolen\""
    );
    assert_eq!(said(&index).len(), 1, "the good line is still there");
}

#[test]
fn what_is_wrong_with_a_line_is_named() {
    let revocation = IndexCause::Revocation;
    for (line, cause) in [
        ("", IndexCause::FieldCount { found: 1 }),
        (
            "V\t301231235959Z\t\t01\tunknown",
            IndexCause::FieldCount { found: 5 },
        ),
        (
            "V\t301231235959Z\t\t01\tunknown\t/CN=a\t",
            IndexCause::FieldCount { found: 7 },
        ),
        (
            "V 301231235959Z  01 unknown /CN=a",
            IndexCause::FieldCount { found: 1 },
        ),
        ("S\t301231235959Z\t\t01\tunknown\t/CN=a", IndexCause::Status),
        ("v\t301231235959Z\t\t01\tunknown\t/CN=a", IndexCause::Status),
        (
            "VR\t301231235959Z\t\t01\tunknown\t/CN=a",
            IndexCause::Status,
        ),
        ("\t301231235959Z\t\t01\tunknown\t/CN=a", IndexCause::Status),
        (
            "V\t\t\t01\tunknown\t/CN=a",
            IndexCause::Expiry(TimeError::Form),
        ),
        (
            "V\t3012312359Z\t\t01\tunknown\t/CN=a",
            IndexCause::Expiry(TimeError::Form),
        ),
        (
            "V\t301231235959+0330\t\t01\tunknown\t/CN=a",
            IndexCause::Expiry(TimeError::Form),
        ),
        (
            "V\t300230000000Z\t\t01\tunknown\t/CN=a",
            IndexCause::Expiry(TimeError::Date),
        ),
        (
            "V\t500101000000Z\t\t01\tunknown\t/CN=a",
            IndexCause::Expiry(TimeError::Range),
        ),
        (
            "V\t301231235959Z\t260105120000Z\t01\tunknown\t/CN=a",
            IndexCause::RevocationUnexpected,
        ),
        (
            "E\t301231235959Z\t260105120000Z\t01\tunknown\t/CN=a",
            IndexCause::RevocationUnexpected,
        ),
        (
            "R\t301231235959Z\t\t01\tunknown\t/CN=a",
            IndexCause::RevocationMissing,
        ),
        (
            "R\t301231235959Z\t,keyCompromise\t01\tu\t/",
            revocation(RevocationError::Date(TimeError::Form)),
        ),
        (
            "R\t301231235959Z\t260105120000Z,\t01\tu\t/",
            revocation(RevocationError::UnknownReason),
        ),
        (
            "R\t301231235959Z\t260105120000Z,aACompromised\t01\tu\t/",
            revocation(RevocationError::UnknownReason),
        ),
        (
            "R\t301231235959Z\t260105120000Z,holdInstruction\t01\tu\t/",
            revocation(RevocationError::HoldInstruction),
        ),
        (
            "R\t301231235959Z\t260105120000Z,holdInstruction,\t01\tu\t/",
            revocation(RevocationError::HoldInstruction),
        ),
        (
            "R\t301231235959Z\t260105120000Z,holdInstruction,1.2\\\t3\t01\tu\t/",
            revocation(RevocationError::HoldInstruction),
        ),
        (
            "R\t301231235959Z\t260105120000Z,keyTime\t01\tu\t/",
            revocation(RevocationError::CompromiseTime(TimeError::Form)),
        ),
        (
            "R\t301231235959Z\t260105120000Z,keyTime,260105120000Z\t01\tu\t/",
            revocation(RevocationError::CompromiseTime(TimeError::Form)),
        ),
        (
            "R\t301231235959Z\t260105120000Z,CAkeyTime,20260230000000Z\t01\tu\t/",
            revocation(RevocationError::CompromiseTime(TimeError::Date)),
        ),
        (
            "R\t301231235959Z\t260105120000Z,superseded,now\t01\tu\t/",
            revocation(RevocationError::Argument),
        ),
        (
            "V\t301231235959Z\t\t\tunknown\t/CN=a",
            IndexCause::Serial(SerialNumberError::Empty),
        ),
        (
            "V\t301231235959Z\t\t-01\tunknown\t/CN=a",
            IndexCause::Serial(SerialNumberError::Negative),
        ),
        (
            "V\t301231235959Z\t\t0x01\tunknown\t/CN=a",
            IndexCause::Serial(SerialNumberError::NotHexadecimal),
        ),
        (
            "V\t301231235959Z\t\t1\tunknown\t/CN=a",
            IndexCause::SerialHalfOctet,
        ),
        (
            "V\t301231235959Z\t\t800000000000000000000000000000000000000000\tu\t/",
            IndexCause::Serial(SerialNumberError::TooLong),
        ),
    ] {
        assert_eq!(cause_of(line), cause, "{line}");
    }
    assert_eq!(
        cause_of(b"V\t301231235959Z\t\t\xd9\xa1\tunknown\t/CN=a"),
        IndexCause::Serial(SerialNumberError::NotHexadecimal)
    );
}

#[test]
fn a_serial_of_zero_or_of_twenty_octets_is_a_serial() {
    let longest = "7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF";
    let index = read(format!(
        "V\t301231235959Z\t\t00\tunknown\t/CN=a\nV\t301231235959Z\t\t{longest}\tunknown\t/CN=b\n"
    ));
    let serials: Vec<String> = said(&index).into_iter().map(|line| line.1).collect();
    assert_eq!(serials, ["00", longest]);
}

#[test]
fn the_subject_can_hold_any_octets() {
    // A tab that OpenSSL escaped, ISO 8859-1, a carriage return, nothing at all.
    let index = read(
        &b"V\t301231235959Z\t\t01\tunknown\t/CN=a\\\tb\n\
           V\t301231235959Z\t\t02\tunknown\t/CN=M\xfcller\0\n\
           V\t301231235959Z\t\t03\tunknown\t/CN=c\r\n\
           V\t301231235959Z\t\t04\tunknown\t\n"[..],
    );
    assert_eq!(problems(&index), []);
    assert_eq!(index.records().count(), 4);
}

#[test]
fn an_empty_file_and_comments_say_nothing() {
    assert_eq!(said(&read("")), []);
    let index = read("# made by hand\n#\tV\n");
    assert_eq!((index.line_count(), index.problems().total()), (0, 0));
}

#[test]
fn a_file_that_was_cut_short_is_noticed() {
    let whole =
        "V\t301231235959Z\t\t01\tunknown\t/CN=a\nV\t301231235959Z\t\t02\tunknown\t/CN=long\n";
    let second = whole.find("V\t301231235959Z\t\t02").unwrap();
    for end in second + 1..whole.len() {
        let index = read(&whole[..end]);
        assert_eq!(problems(&index), [(2, &IndexCause::CutShort)], "{end}");
    }
}

#[test]
fn a_line_that_never_ends_is_one_bad_line() {
    let endless = "x".repeat(LINE_OCTETS_MAX + 1);
    let index = read(format!(
        "{endless}\nV\t301231235959Z\t\t01\tunknown\t/CN=a\n"
    ));
    let octets_max = LINE_OCTETS_MAX;
    assert_eq!(
        problems(&index),
        [(1, &IndexCause::LineTooLong { octets_max })]
    );
    assert_eq!(index.records().count(), 1);
    assert!(index.problems().first()[0].to_string().len() < 200);
}

#[test]
fn the_same_said_twice_is_one_certificate() {
    let index = read(
        "V\t301231235959Z\t\t01\tunknown\t/CN=a\n\
         R\t301231235959Z\t260105120000Z\t02\tunknown\t/CN=b\n\
         E\t20301231235959Z\t\t0001\tunknown\t/CN=renamed\n\
         R\t301231235959Z\t260105120000Z,unspecified\t02\tunknown\t/CN=b\n",
    );
    assert_eq!(lines(&index), [1, 2]);
    assert_eq!((index.line_count(), index.repeated()), (4, 2));
    assert_eq!(problems(&index), []);
}

#[test]
fn lines_that_contradict_each_other_are_all_bad_and_name_each_other() {
    let index = read(
        "V\t301231235959Z\t\t0A\tunknown\t/CN=a\n\
         V\t301231235959Z\t\t0B\tunknown\t/CN=b\n\
         R\t301231235959Z\t260105120000Z\t0A\tunknown\t/CN=a\n\
         V\t301231235959Z\t\t0a\tunknown\t/CN=a\n",
    );
    let serial = SerialNumber::from_hex("0A").unwrap();
    let contradiction = |other| IndexCause::Contradiction { serial, other };
    assert_eq!(
        problems(&index),
        [
            (1, &contradiction(3)),
            (3, &contradiction(1)),
            (4, &contradiction(3)),
        ]
    );
    assert_eq!(index.repeated(), 0);
    assert_eq!(lines(&index), [2]);
}

#[test]
fn of_many_bad_lines_all_are_counted_and_the_first_shown() {
    let index = read("nothing of the kind\n".repeat(1_000));
    assert_eq!(index.problems().total(), 1_000);
    assert_eq!(index.problems().first().len(), 20);
    assert_eq!(index.problems().first()[19].place.line, 20);
}

#[derive(Clone, Debug)]
struct Row {
    not_after: UnixTime,
    revocation: Option<(UnixTime, &'static str, Option<UnixTime>)>,
    serial: u128,
    subject: String,
}

fn any_row() -> impl Strategy<Value = Row> {
    let times = || (0..=UnixTime::MAX.as_secs()).prop_map(|s| UnixTime::from_secs(s).unwrap());
    let reasons = prop::sample::select(vec![
        "",
        ",unspecified",
        ",keyCompromise",
        ",superseded",
        ",certificateHold",
        ",holdInstruction,1.2.840.10040.2.2",
        ",keyTime,",
        ",CAkeyTime,",
    ]);
    let revocation = (times(), reasons, times()).prop_map(|(revoked, reason, compromised)| {
        (
            revoked,
            reason,
            reason.ends_with("Time,").then_some(compromised),
        )
    });
    (
        times(),
        prop::option::of(revocation),
        any::<u128>(),
        "\\PC{0,40}",
    )
        .prop_map(|(not_after, revocation, serial, subject)| Row {
            not_after,
            revocation,
            serial,
            subject,
        })
}

/// A time as OpenSSL prints it: UTCTime until 2049.
fn asn1_time(time: UnixTime) -> String {
    let octets = time.to_generalized_time();
    let text = str::from_utf8(&octets).unwrap();
    match text[..4].parse() {
        Ok(1970..=2049_u16) => text[2..].to_owned(),
        _ => text.to_owned(),
    }
}

/// A row as OpenSSL's TXT_DB writes it.
fn openssl_line(row: &Row) -> String {
    let expiry = asn1_time(row.not_after);
    let (status, revocation) = match row.revocation {
        None => ("V", String::new()),
        Some((revoked, reason, compromised)) => {
            let compromised = compromised.map(UnixTime::to_generalized_time);
            let argument = compromised.as_ref().map_or(&b""[..], |octets| octets);
            let argument = str::from_utf8(argument).unwrap();
            ("R", format!("{}{reason}{argument}", asn1_time(revoked)))
        }
    };
    let hex = format!("{:X}", row.serial);
    let even = if hex.len().is_multiple_of(2) { "" } else { "0" };
    let subject = row.subject.replace('\t', "\\\t").replace('\n', " ");
    format!("{status}\t{expiry}\t{revocation}\t{even}{hex}\tunknown\t/CN={subject}\n")
}

proptest! {
    #[test]
    fn what_openssl_writes_is_read_back(
        rows in prop::collection::hash_map(any::<u128>(), any_row(), 0..20)
    ) {
        let rows: Vec<Row> = rows.into_iter().map(|(serial, row)| Row { serial, ..row }).collect();
        let text: String = rows.iter().map(openssl_line).collect();
        let index = read(&text);
        prop_assert_eq!(problems(&index), []);
        let read_back = said(&index);
        prop_assert_eq!(read_back.len(), rows.len());
        for (row, (_, serial, not_after, revocation)) in rows.iter().zip(read_back) {
            prop_assert_eq!(u128::from_str_radix(&serial, 16).unwrap(), row.serial);
            prop_assert_eq!(not_after, row.not_after.to_string());
            prop_assert_eq!(
                revocation.map(|claim| (claim.revocation_time, claim.invalidity_date)),
                row.revocation.map(|(revoked, _, compromised)| (revoked, compromised))
            );
        }
    }

    #[test]
    fn damaged_octets_never_panic_and_every_line_is_accounted_for(
        rows in prop::collection::vec(any_row(), 1..8),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
    ) {
        let mut octets: Vec<u8> = rows.iter().flat_map(|row| openssl_line(row).into_bytes()).collect();
        for (place, octet) in damage {
            let place = place.index(octets.len());
            octets[place] = octet;
        }
        let index = read(&octets);
        let records = u64::try_from(index.records().count()).unwrap();
        prop_assert_eq!(
            records + index.repeated() + index.problems().total(),
            index.line_count()
        );
        for problem in index.problems().first() {
            prop_assert!(!problem.to_string().contains(['\n', '\t', '\r']));
        }
    }

    #[test]
    fn any_octets_are_read_without_a_panic(octets in prop::collection::vec(any::<u8>(), 0..512)) {
        read(&octets);
    }
}
