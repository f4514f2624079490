//! CSV files as people and databases write them, whole and broken. Rows are written by the `csv` crate,
//! which knows nothing of the reader here.

use proptest::prelude::*;

use super::*;
use crate::{
    asn1::{CrlReason, TimeError, UnixTime},
    change::{Action, Inventory, RevocationClaim},
    identity::{SerialNumber, SerialNumberError},
};

const ISSUER: IssuerId = IssuerId::from_bytes([7; 32]);

fn read_with(text: impl AsRef<[u8]>, mapping: &CsvMapping) -> Result<Csv, CsvError> {
    Csv::read(text.as_ref(), ISSUER, mapping)
}

fn read(text: impl AsRef<[u8]>) -> Csv {
    read_with(text, &CsvMapping::default()).unwrap()
}

/// One row under the header that the demo writes.
fn row(row: impl AsRef<[u8]>) -> Csv {
    let mut text = b"serial,status,reason,revocation_time\n".to_vec();
    text.extend_from_slice(row.as_ref());
    text.push(b'\n');
    read(text)
}

fn problems(csv: &Csv) -> Vec<String> {
    let first = csv.problems().first();
    first.iter().map(ToString::to_string).collect()
}

/// What each row says, in the order of the file.
fn said(csv: &Csv) -> Vec<(u64, String, Option<RevocationClaim>, Option<Inventory>)> {
    let mut records: Vec<_> = csv.records().collect();
    records.sort_by_key(|record| record.line);
    records
        .into_iter()
        .map(|record| {
            let (claim, inventory) = match record.change.action {
                Action::Issue(inventory) => (None, Some(inventory)),
                Action::Revoke { claim, inventory } => (Some(claim), inventory),
                Action::Release | Action::Correct(_) => panic!("no row says so"),
            };
            (
                record.line,
                record.change.serial.to_string(),
                claim,
                inventory,
            )
        })
        .collect()
}

fn at(text: &str) -> UnixTime {
    UnixTime::from_rfc3339(text).unwrap()
}

fn claim(time: &str, reason: Option<CrlReason>) -> Option<RevocationClaim> {
    Some(RevocationClaim {
        revocation_time: at(time),
        reason,
        invalidity_date: None,
    })
}

const NOON: &str = "2026-01-05T12:00:00Z";

#[test]
fn the_default_names_need_no_mapping() {
    let csv = read(
        "serial,status,reason,revocation_time\r\n\
         0A1B,good,,\r\n\
         \r\n\
         0A1C,Revoked,superseded,2026-01-05T15:30:00+03:30\r\n\
         0A1D,revoked,,2026-01-05T12:00:00Z\r\n\
         0A1E,revoked,CERTIFICATEHOLD,2026-01-05T12:00:00Z\r\n\
         0A1F,hold,,2026-01-05T12:00:00.75Z\r\n",
    );
    let unknown = Some(Inventory::default());
    let hold = Some(CrlReason::CertificateHold);
    assert_eq!(
        said(&csv),
        [
            (2, "0A1B".into(), None, unknown),
            (
                4,
                "0A1C".into(),
                claim(NOON, Some(CrlReason::Superseded)),
                unknown
            ),
            (5, "0A1D".into(), claim(NOON, None), unknown),
            (6, "0A1E".into(), claim(NOON, hold), unknown),
            (7, "0A1F".into(), claim(NOON, hold), unknown),
        ]
    );
    assert_eq!((csv.line_count(), csv.problems().total()), (5, 0));
    assert_eq!(csv.notes(), [""; 0]);
}

#[test]
fn what_ejbca_exports_is_read() {
    let mapping = CsvMapping {
        columns: [
            (CsvField::Serial, "serialNumber".into()),
            (CsvField::Reason, "revocationReason".into()),
            (CsvField::RevocationTime, "revocationDate".into()),
            (CsvField::NotBefore, "notBefore".into()),
            (CsvField::NotAfter, "expireDate".into()),
        ]
        .into(),
        delimiter: Some(';'),
        serials: CsvSerials::Decimal,
        times: CsvTimes::UnixMs,
        statuses: [
            ("20".to_owned(), CsvStatus::Good),
            ("21".to_owned(), CsvStatus::Good),
            ("40".to_owned(), CsvStatus::Revoked),
            ("60".to_owned(), CsvStatus::ByTime),
        ]
        .into(),
        every_status: None,
    };
    let text = "\
        serialNumber;status;revocationReason;revocationDate;notBefore;expireDate;subjectDN\n\
        255;20;-1;-1;1767614400000;1925294400999;CN=a\n\
        256;40;1;1767614400000;;;\"CN=\"\"b;\"\",O=c\"\n\
        257;60;-1;-1;;;\n\
        258;60;6;1767614400000;;;\n\
        259;20;8;-1;;;\n";
    let csv = read_with(text, &mapping).unwrap();
    assert_eq!(problems(&csv), [""; 0]);
    let unknown = Some(Inventory::default());
    let dated = Inventory {
        not_before: Some(at(NOON)),
        not_after: UnixTime::from_secs(1_925_294_400),
        certificate_sha256: None,
        distribution_point: None,
    };
    assert_eq!(
        said(&csv),
        [
            (2, "FF".into(), None, Some(dated)),
            (
                3,
                "0100".into(),
                claim(NOON, Some(CrlReason::KeyCompromise)),
                unknown
            ),
            (4, "0101".into(), None, unknown),
            (
                5,
                "0102".into(),
                claim(NOON, Some(CrlReason::CertificateHold)),
                unknown
            ),
            (6, "0103".into(), None, unknown),
        ]
    );
    assert_eq!(
        csv.notes(),
        ["columns that are not used: \"subjectDN\""],
        "nobody should believe that it was"
    );
}

#[test]
fn columns_by_number_are_those_of_a_file_without_a_header() {
    let mapping = CsvMapping {
        columns: [
            (CsvField::Serial, "2".into()),
            (CsvField::RevocationTime, "1".into()),
        ]
        .into(),
        times: CsvTimes::Utc,
        every_status: Some(CsvStatus::Revoked),
        ..CsvMapping::default()
    };
    let csv = read_with(
        "2026-01-05 12:00:00,01\n2026-01-05 12:00:00.5,02\n9999-12-31T23:59:59,03\n,04\n",
        &mapping,
    )
    .unwrap();
    let serials: Vec<String> = said(&csv).into_iter().map(|row| row.1).collect();
    assert_eq!(serials, ["01", "02", "03"]);
    assert_eq!(
        problems(&csv),
        ["line 4, column 1: the status says revoked, but no revocation_time is given: \"\""]
    );
}

#[test]
fn every_reason_has_its_name_and_its_number() {
    // RFC 5280 §5.3.1; 0 is expressed by absence, 7 does not exist, 8 revokes nothing.
    for (code, name) in [
        (1, "keyCompromise"),
        (2, "cACompromise"),
        (3, "affiliationChanged"),
        (4, "superseded"),
        (5, "cessationOfOperation"),
        (6, "certificateHold"),
        (9, "privilegeWithdrawn"),
        (10, "aACompromise"),
    ] {
        for word in [code.to_string(), name.to_owned(), name.to_uppercase()] {
            let csv = row(format!("01,revoked,{word},{NOON}"));
            let [(_, _, Some(claim), _)] = said(&csv)[..] else {
                panic!("{word}: {:?}", problems(&csv));
            };
            let reason = claim.reason.unwrap();
            assert_eq!((reason.code(), reason.name()), (code, name));
        }
    }
    for word in ["", "0", "-1", "unspecified", " Unspecified "] {
        let csv = row(format!("01,revoked,{word},{NOON}"));
        assert_eq!(said(&csv)[0].2, claim(NOON, None), "{word}");
    }
    for word in [
        "7",
        "11",
        "255",
        "256",
        "-2",
        "+1",
        "1.0",
        "key compromise",
        "8",
        "removeFromCRL",
    ] {
        let csv = row(format!("01,revoked,{word},{NOON}"));
        assert_eq!(csv.problems().total(), 1, "{word}");
    }
}

#[test]
fn what_is_wrong_with_a_row_is_named_with_its_line_and_column() {
    for (bad, message) in [
        ("01,good", "line 2: 2 field(s) where there are 4 columns"),
        ("01,good,,,", "line 2: 5 field(s) where there are 4 columns"),
        (
            ",good,,",
            "line 2, column \"serial\": the serial number is empty: \"\"",
        ),
        (
            "-01,good,,",
            "line 2, column \"serial\": the serial number is negative: \"-01\"",
        ),
        (
            "00,good,,",
            "line 2, column \"serial\": the serial number is zero: \"00\"",
        ),
        (
            "800000000000000000000000000000000000000000,good,,",
            "line 2, column \"serial\": the serial number is longer than 20 octets: \
             \"800000000000000000000000000000000000000000\"",
        ),
        (
            "A1B,good,,",
            "line 2, column \"serial\": the serial number has an odd number of digits: \"A1B\"",
        ),
        (
            "0x0A,good,,",
            "line 2, column \"serial\": the serial number is not hexadecimal: \"0x0A\"",
        ),
        (
            "01,valid,,",
            "line 2, column \"status\": the status is none of: good, revoked, hold: \"valid\"",
        ),
        (
            "01,,,",
            "line 2, column \"status\": the status is none of: good, revoked, hold: \"\"",
        ),
        (
            "01,revoked,stolen,2026-01-05T12:00:00Z",
            "line 2, column \"reason\": the revocation reason is unknown: \"stolen\"",
        ),
        (
            "01,revoked,removeFromCRL,2026-01-05T12:00:00Z",
            "line 2, column \"reason\": removeFromCRL is no reason for a revocation: \
             \"removeFromCRL\"",
        ),
        (
            "01,hold,superseded,2026-01-05T12:00:00Z",
            "line 2, column \"reason\": the status says hold, but the reason is another than \
             certificateHold: \"superseded\"",
        ),
        (
            "01,revoked,superseded,",
            "line 2, column \"revocation_time\": the status says revoked, but no revocation_time \
             is given: \"\"",
        ),
        (
            "01,good,,2026-01-05T12:00:00Z",
            "line 2, column \"revocation_time\": the status says good, but revocation_time is \
             given: \"2026-01-05T12:00:00Z\"",
        ),
        (
            "01,good,superseded,",
            "line 2, column \"reason\": the status says good, but reason is given: \"superseded\"",
        ),
        (
            "01,\"good\"x,,",
            "line 2, column 10: text after the closing quotation mark: \"x,,\"",
        ),
        (
            "01,go\"od,,",
            "line 2, column 6: a quotation mark within a field that is not quoted: \"\\\"od,,\"",
        ),
        (
            "01,good\0,,",
            "line 2, column \"status\": a NUL octet: \"good\\x00\"",
        ),
    ] {
        let csv = row(bad);
        assert_eq!(problems(&csv), [message]);
        assert_eq!((csv.line_count(), csv.records().count()), (1, 0));
    }
    let csv = row(&b"01,good,\xff,"[..]);
    assert_eq!(
        problems(&csv),
        ["line 2, column \"reason\": not UTF-8: \"\\xff\""]
    );
    for time in [
        "2026-01-05",
        "2026-02-30T12:00:00Z",
        "yesterday",
        "1767614400",
        "1969-12-31T23:59:59Z",
    ] {
        let csv = row(format!("01,revoked,,{time}"));
        let bad = &csv.problems().first()[0];
        assert!(
            matches!(
                bad.cause,
                CsvCause::Time(TimeError::Form | TimeError::Range | TimeError::Date)
            ),
            "{bad}"
        );
        assert_eq!(
            bad.part.as_ref().unwrap().field.as_deref(),
            Some("revocation_time")
        );
    }
}

#[test]
fn a_file_that_was_cut_short_is_noticed_wherever_it_was_cut() {
    let header = "serial,status,reason,revocation_time,subject\n";
    let whole = format!("{header}01,good,,,CN=a\n02,revoked,,{NOON},\"CN=b, O=c\"\n");
    let second = whole.find("02,").unwrap();
    for end in 1..whole.len() {
        if end == header.len() || end == second {
            continue;
        }
        match read_with(&whole[..end], &CsvMapping::default()) {
            Ok(csv) => assert_eq!(csv.problems().total(), 1, "{end}"),
            Err(CsvError::HeaderCutShort) => assert!(end < header.len()),
            Err(CsvError::Structure { line: 3, fault, .. }) => {
                assert_eq!(fault, QuoteFault::NeverClosed, "{end}");
            }
            Err(other) => panic!("{end}: {other}"),
        }
    }
}

/// One quotation mark too few and a lenient reader takes all that follows for one field.
#[test]
fn a_quotation_mark_that_is_not_closed_refuses_the_file() {
    let header = "serial,status,reason,revocation_time,subject\n";
    for (rows, line, column, fault) in [
        (
            "01,good,,,\"CN=a\n02,good,,,CN=b\n",
            2,
            11,
            QuoteFault::NeverClosed,
        ),
        (
            "01,good,,,\"CN=a\n02,good,,,\"CN=b\"\n03,good,,,CN=c\n",
            2,
            11,
            QuoteFault::After,
        ),
        ("01,good,,,\"", 2, 11, QuoteFault::NeverClosed),
    ] {
        let error = read_with(format!("{header}{rows}"), &CsvMapping::default()).unwrap_err();
        let CsvError::Structure {
            line: found_line,
            column: found_column,
            fault: found,
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((found_line, found_column, found), (line, column, fault));
    }
    let octets_max = ROW_OCTETS_MAX;
    for endless in [
        "x".repeat(ROW_OCTETS_MAX + 1),
        "\"x\n".to_owned() + &"y\n".repeat(ROW_OCTETS_MAX),
    ] {
        let error = read_with(format!("{header}{endless}"), &CsvMapping::default()).unwrap_err();
        assert!(
            matches!(
                error,
                CsvError::Structure { line: 2, fault: QuoteFault::TooLong { octets_max: found }, .. }
                if found == octets_max
            ),
            "{error}"
        );
    }
}

#[test]
fn columns_that_cannot_be_found_are_named_with_those_that_are_there() {
    let named = |field, header: &str| CsvMapping {
        columns: [(field, header.into())].into(),
        ..CsvMapping::default()
    };
    for (text, mapping, message) in [
        (
            "serial,state\n",
            CsvMapping::default(),
            "no column holds the status; the file has: \"serial\", \"state\". Name it with \
             --column status=HEADER, or give all lines one with --every-status",
        ),
        (
            "number,status\n",
            CsvMapping::default(),
            "no column holds the serial; the file has: \"number\", \"status\". Name it with \
             --column serial=HEADER",
        ),
        (
            "serial,status\n",
            named(CsvField::Reason, "why"),
            "no column is headed \"why\", as reason should be; the file has: \"serial\", \"status\"",
        ),
        (
            "serial,status,status\n",
            CsvMapping::default(),
            "two columns are headed \"status\"",
        ),
        (
            "serial,status\n",
            named(CsvField::Reason, "status"),
            "status and reason cannot be the same column",
        ),
        (
            "serial,status\n",
            CsvMapping {
                every_status: Some(CsvStatus::Good),
                ..CsvMapping::default()
            },
            "the file has a status column: leave --every-status out",
        ),
        (
            "01,good\n",
            CsvMapping {
                columns: [
                    (CsvField::Serial, "1".into()),
                    (CsvField::Status, "3".into()),
                ]
                .into(),
                ..CsvMapping::default()
            },
            "there is no column 3 for status: the first line has 2",
        ),
        (
            "serial,status\n",
            CsvMapping {
                columns: [
                    (CsvField::Serial, "1".into()),
                    (CsvField::Status, "status".into()),
                ]
                .into(),
                ..CsvMapping::default()
            },
            "name all columns by their headers, or all by their numbers (for files without headers)",
        ),
        (
            "serial,status\n",
            CsvMapping {
                delimiter: Some('"'),
                ..CsvMapping::default()
            },
            "'\"' cannot be the delimiter: use a comma, a semicolon, a tab or another mark",
        ),
    ] {
        let error = read_with(text, &mapping).unwrap_err();
        assert!(matches!(error, CsvError::Columns(_)), "{error:?}");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn an_empty_file_and_another_encoding_are_told_apart() {
    assert!(matches!(
        read_with("", &CsvMapping::default()),
        Err(CsvError::Empty)
    ));
    assert!(matches!(
        read_with("\n\r\n", &CsvMapping::default()),
        Err(CsvError::Empty)
    ));
    let utf16: Vec<u8> = "\u{feff}serial,status\n"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    let swapped: Vec<u8> = utf16
        .chunks(2)
        .flat_map(|pair| [pair[1], pair[0]])
        .collect();
    for text in [utf16, swapped] {
        assert!(matches!(
            read_with(text, &CsvMapping::default()),
            Err(CsvError::NotUtf8 { utf16: true })
        ));
    }
    assert!(matches!(
        read_with(b"serial,M\xfcnchen\n", &CsvMapping::default()),
        Err(CsvError::NotUtf8 { utf16: false })
    ));
    let marked = read("\u{feff}serial,status\n01,good\n");
    assert_eq!(said(&marked).len(), 1);
    let header_alone = read("serial,status\n");
    assert_eq!(header_alone.line_count(), 0);
}

#[test]
fn the_same_in_other_words_is_one_certificate_and_other_facts_are_a_contradiction() {
    let csv = read(
        "serial,status,reason,revocation_time\n\
         0a,revoked,superseded,2026-01-05T12:00:00Z\n\
         000A,REVOKED,4,2026-01-05T15:30:00+03:30\n\
         0B,good,,\n\
         0B,revoked,,2026-01-05T12:00:00Z\n",
    );
    let serial = SerialNumber::from_hex("0B").unwrap();
    let contradiction = |other| CsvCause::Contradiction { serial, other };
    let found: Vec<_> = csv.problems().first().iter().map(|it| &it.cause).collect();
    assert_eq!(found, [&contradiction(5), &contradiction(4)]);
    assert_eq!((csv.repeated(), csv.records().count()), (1, 1));
}

#[test]
fn a_mapping_travels_as_json() {
    let mapping = CsvMapping {
        columns: [
            (CsvField::Serial, "Nr.".into()),
            (CsvField::NotAfter, "7".into()),
        ]
        .into(),
        delimiter: Some('\t'),
        serials: CsvSerials::Decimal,
        times: CsvTimes::UnixMs,
        statuses: [("R".to_owned(), CsvStatus::ByTime)].into(),
        every_status: Some(CsvStatus::Hold),
    };
    let json = serde_json::to_string(&mapping).unwrap();
    assert_eq!(
        json,
        r#"{"columns":{"serial":{"named":"Nr."},"not_after":{"number":7}},"delimiter":"\t","#
            .to_owned()
            + r#""serials":"decimal","times":"unix_ms","statuses":{"R":"by_time"},"every_status":"hold"}"#
    );
    assert_eq!(serde_json::from_str::<CsvMapping>(&json).unwrap(), mapping);
}

#[derive(Clone, Debug)]
struct Given {
    serial: u128,
    not_after: Option<UnixTime>,
    revocation: Option<(UnixTime, Option<CrlReason>, Option<UnixTime>)>,
    sha256: Option<[u8; 32]>,
    subject: String,
}

fn any_given() -> impl Strategy<Value = Given> {
    let times = || (0..=UnixTime::MAX.as_secs()).prop_map(|s| UnixTime::from_secs(s).unwrap());
    let reasons = prop::option::of(prop::sample::select(CrlReason::ALL.to_vec()));
    (
        Just(0),
        prop::option::of(times()),
        prop::option::of((times(), reasons, prop::option::of(times()))),
        prop::option::of(any::<[u8; 32]>()),
        "(\\PC|[\",;\n\r]){0,20}",
    )
        .prop_map(|(serial, not_after, revocation, sha256, subject)| Given {
            serial,
            not_after,
            revocation,
            sha256,
            subject,
        })
}

/// A time in the mapping's words, made without the reader's help.
fn written(time: UnixTime, times: CsvTimes) -> String {
    let digits = time.to_generalized_time();
    let digits = str::from_utf8(&digits).unwrap();
    let between = |separator| {
        format!(
            "{}-{}-{}{separator}{}:{}:{}",
            &digits[..4],
            &digits[4..6],
            &digits[6..8],
            &digits[8..10],
            &digits[10..12],
            &digits[12..14]
        )
    };
    match times {
        CsvTimes::Rfc3339 => between("T") + "Z",
        CsvTimes::Utc => between(" "),
        CsvTimes::Unix => time.as_secs().to_string(),
        CsvTimes::UnixMs => format!("{}{:03}", time.as_secs(), time.as_secs() % 1_000),
    }
}

proptest! {
    #[test]
    fn what_the_csv_crate_writes_is_read_back(
        given in prop::collection::hash_map(1..=u128::MAX, any_given(), 0..12),
        delimiter in prop::sample::select(vec![',', ';', '\t', '|']),
        times in prop::sample::select(vec![
            CsvTimes::Rfc3339, CsvTimes::Utc, CsvTimes::Unix, CsvTimes::UnixMs
        ]),
        decimal in any::<bool>(),
        crlf in any::<bool>(),
        quote_all in any::<bool>(),
    ) {
        let given: Vec<Given> = given.into_iter().map(|(serial, row)| Given { serial, ..row }).collect();
        let mut writer = csv::WriterBuilder::new()
            .delimiter(u8::try_from(delimiter).unwrap())
            .terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
            .quote_style(if quote_all { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary })
            .from_writer(Vec::new());
        writer.write_record([
            "subject", "sha256", "serial", "status", "reason", "revocation_time",
            "invalidity_date", "not_after",
        ]).unwrap();
        for row in &given {
            let time = |time: Option<UnixTime>| {
                time.map(|time| written(time, times)).unwrap_or_default()
            };
            let (revoked, reason, invalid) = match row.revocation {
                Some((revoked, reason, invalid)) => (Some(revoked), reason, invalid),
                None => (None, None, None),
            };
            writer.write_record([
                row.subject.clone(),
                row.sha256.map(|hash| hash.map(|octet| format!("{octet:02x}")).concat())
                    .unwrap_or_default(),
                if decimal {
                    row.serial.to_string()
                } else {
                    format!("{:032x}", row.serial)
                },
                if revoked.is_some() { "revoked" } else { "good" }.to_owned(),
                reason.map(|reason| reason.code().to_string()).unwrap_or_default(),
                time(revoked),
                time(invalid),
                time(row.not_after),
            ]).unwrap();
        }
        let text = writer.into_inner().unwrap();
        let mapping = CsvMapping {
            delimiter: Some(delimiter),
            times,
            serials: if decimal { CsvSerials::Decimal } else { CsvSerials::Hex },
            ..CsvMapping::default()
        };
        let csv = read_with(&text, &mapping).unwrap();
        prop_assert_eq!(problems(&csv), [""; 0], "{}", String::from_utf8_lossy(&text));
        let read_back = said(&csv);
        prop_assert_eq!(read_back.len(), given.len());
        for (row, (_, serial, claim, inventory)) in given.iter().zip(read_back) {
            prop_assert_eq!(u128::from_str_radix(&serial, 16).unwrap(), row.serial);
            let inventory = inventory.unwrap();
            prop_assert_eq!(inventory.not_after, row.not_after);
            prop_assert_eq!(inventory.certificate_sha256, row.sha256);
            prop_assert_eq!(
                claim.map(|it| (it.revocation_time, it.reason, it.invalidity_date)),
                row.revocation
            );
        }
    }

    #[test]
    fn any_octets_are_read_without_a_panic_and_every_row_is_counted_once(
        octets in prop::collection::vec(
            prop::sample::select(b"0A1,,,\n\n\"\"goodrevoked\r\0\xff".to_vec()), 0..200
        ),
    ) {
        let mut text = b"serial,status,reason\n".to_vec();
        text.extend(octets);
        if let Ok(csv) = read_with(&text, &CsvMapping::default()) {
            let records = u64::try_from(csv.records().count()).unwrap();
            prop_assert_eq!(records + csv.repeated() + csv.problems().total(), csv.line_count());
            for problem in problems(&csv) {
                prop_assert!(!problem.contains(char::is_control));
            }
        }
    }
}

#[test]
fn decimal_serials_are_judged_like_the_others() {
    let mapping = CsvMapping {
        serials: CsvSerials::Decimal,
        ..CsvMapping::default()
    };
    for (serial, cause) in [
        ("0", CsvCause::SerialZero),
        ("-5", CsvCause::Serial(SerialNumberError::Negative)),
        ("0A", CsvCause::Serial(SerialNumberError::NotDecimal)),
        (
            "1461501637330902918203684832716283019655932542976",
            CsvCause::Serial(SerialNumberError::TooLong),
        ),
    ] {
        let csv = read_with(format!("serial,status\n{serial},good\n"), &mapping).unwrap();
        assert_eq!(csv.problems().first()[0].cause, cause, "{serial}");
    }
}
