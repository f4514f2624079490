//! CSV: every row is counted once, what is accepted is what the csv crate reads in so many words, and
//! written again by it, it is understood in the same way.
#![no_main]

use std::collections::BTreeSet;

use estelam::asn1::{CrlReason, UnixTime};
use estelam::change::{Action, Change};
use estelam::feed::Findings as _;
use estelam::feed::csv::{Csv, CsvMapping, CsvSerials, CsvStatus, CsvTimes};
use estelam::identity::{IssuerId, SerialHash};
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;

const ISSUER: IssuerId = IssuerId::from_bytes([7; 32]);
const HEADER: [&str; 8] = [
    "serial",
    "status",
    "reason",
    "revocation_time",
    "invalidity_date",
    "not_before",
    "not_after",
    "sha256",
];

// The first octet chooses the mapping.
fuzz_target!(|input: &[u8]| {
    let Some((choice, text)) = input.split_first() else {
        return;
    };
    let mapping = mapping(*choice);
    let read = budget::within(budget::for_input(text) + (128 << 10), || {
        Csv::read(text, ISSUER, &mapping)
    });
    let csv = match read {
        Ok(csv) => csv,
        Err(error) => {
            let shown = error.to_string();
            assert!(!shown.contains(char::is_control), "{shown:?}");
            return;
        }
    };
    for problem in csv.problems().first() {
        let shown = problem.to_string();
        assert!(!shown.contains(char::is_control), "{shown:?}");
    }
    let records: Vec<_> = csv.records().collect();
    let accepted = records.len() as u64 + csv.repeated();
    assert_eq!(accepted + csv.problems().total(), csv.line_count());
    let serials: BTreeSet<_> = records.iter().map(|record| record.change.serial).collect();
    assert_eq!(serials.len(), records.len(), "a serial is there twice");
    // The order of the ledger.
    assert!(records.is_sorted_by_key(|record| {
        SerialHash::new(&ISSUER, record.change.serial.as_bytes()).order()
    }));

    // A bad row may leave another reader within quotes, and without a header there are no names.
    if csv.problems().total() == 0 && mapping.columns.is_empty() {
        compare(text, &mapping, &csv);
    }
    let changes: Vec<Change> = records.iter().map(|record| record.change).collect();
    let printed = print(&changes);
    let again = Csv::read(&printed[..], ISSUER, &CsvMapping::default()).expect("it is CSV");
    assert_eq!(
        again.problems().total(),
        0,
        "{:?}",
        again.problems().first()
    );
    let again: Vec<_> = again.records().map(|record| record.change).collect();
    assert_eq!(again, changes);
});

fn mapping(choice: u8) -> CsvMapping {
    let by_number = choice & 0x40 != 0;
    CsvMapping {
        columns: if by_number {
            [
                ("serial".parse().expect("a field"), "1".into()),
                ("revocation_time".parse().expect("a field"), "2".into()),
            ]
            .into()
        } else {
            Default::default()
        },
        delimiter: Some([',', ';', '\t', '|'][usize::from(choice & 3)]),
        serials: if choice & 4 != 0 {
            CsvSerials::Decimal
        } else {
            CsvSerials::Hex
        },
        times: [
            CsvTimes::Rfc3339,
            CsvTimes::Unix,
            CsvTimes::UnixMs,
            CsvTimes::Utc,
        ][usize::from(choice >> 3 & 3)],
        statuses: if choice & 0x20 != 0 {
            [
                ("20".to_owned(), CsvStatus::Good),
                ("40".to_owned(), CsvStatus::Revoked),
                ("60".to_owned(), CsvStatus::ByTime),
            ]
            .into()
        } else {
            Default::default()
        },
        every_status: by_number.then_some(CsvStatus::ByTime),
    }
}

/// Rows as the csv crate sees them, against what was understood.
fn compare(text: &[u8], mapping: &CsvMapping, csv: &Csv) {
    let mut theirs = csv::ReaderBuilder::new()
        .delimiter(mapping.delimiter.expect("it is set") as u8)
        .terminator(csv::Terminator::Any(b'\n'))
        .flexible(true)
        .has_headers(false)
        .from_reader(text);
    let mut rows = theirs
        .records()
        .map(|row| row.expect("UTF-8"))
        // It takes a carriage return alone in its line for a field.
        .filter(|row| row.len() != 1 || !matches!(&row[0], "" | "\r"));
    let header: Vec<String> = rows
        .next()
        .expect("a header")
        .iter()
        .map(|name| name.trim().to_owned())
        .collect();
    let rows: Vec<csv::StringRecord> = rows.collect();
    let place = |name| header.iter().position(|known| known == name);
    assert_eq!(rows.len() as u64, csv.line_count());
    let field = |row: &csv::StringRecord, name| {
        place(name)
            .map(|place| row[place].trim().to_owned())
            .unwrap_or_default()
    };
    let mut rows = rows.iter();
    let mut records: Vec<_> = csv.records().collect();
    records.sort_by_key(|record| record.line);
    for record in records {
        let said = record.change.serial.to_string();
        let said = said.trim_start_matches('0');
        // Repetitions stand between.
        let row = rows
            .find(|row| {
                let written = field(row, "serial").to_ascii_uppercase();
                match mapping.serials {
                    CsvSerials::Hex => written.trim_start_matches('0') == said,
                    _ => match (written.parse::<u128>(), u128::from_str_radix(said, 16)) {
                        (Ok(written), Ok(said)) => written == said,
                        // Too long for the comparison.
                        (written, said) => written.is_err() && said.is_err(),
                    },
                }
            })
            .expect("the row is there");
        let claim = match record.change.action {
            Action::Revoke { claim, .. } => Some(claim),
            _ => None,
        };
        let is_revoked = match field(row, "status").to_ascii_lowercase().as_str() {
            "good" | "20" => false,
            "revoked" | "hold" | "40" => true,
            "60" => claim.is_some(),
            other => panic!("{other} is no status"),
        };
        assert_eq!(is_revoked, claim.is_some());
        let Some(claim) = claim else { continue };
        assert!(!field(row, "revocation_time").is_empty());
        let reason = field(row, "reason").to_ascii_lowercase();
        let code = match reason.as_str() {
            "" | "-1" if field(row, "status").eq_ignore_ascii_case("hold") => 6,
            "" | "-1" | "unspecified" => 0,
            "keycompromise" => 1,
            "cacompromise" => 2,
            "affiliationchanged" => 3,
            "superseded" => 4,
            "cessationofoperation" => 5,
            "certificatehold" => 6,
            "privilegewithdrawn" => 9,
            "aacompromise" => 10,
            number => number.parse().expect("a number"),
        };
        assert_eq!(claim.reason.map_or(0, CrlReason::code), code);
    }
}

/// Written with the default mapping.
fn print(changes: &[Change]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER).expect("memory");
    for Change { serial, action, .. } in changes {
        let (inventory, claim) = match action {
            Action::Issue(inventory) => (*inventory, None),
            Action::Revoke { claim, inventory } => {
                (inventory.expect("a row knows the certificate"), Some(claim))
            }
            Action::Release | Action::Correct(_) => panic!("no row releases or corrects"),
        };
        let reason = claim.and_then(|claim| claim.reason);
        writer
            .write_record([
                serial.to_string(),
                if claim.is_some() { "revoked" } else { "good" }.to_owned(),
                reason.map_or(String::new(), |reason| reason.code().to_string()),
                time(claim.map(|claim| claim.revocation_time)),
                time(claim.and_then(|claim| claim.invalidity_date)),
                time(inventory.not_before),
                time(inventory.not_after),
                inventory.certificate_sha256.map_or(String::new(), |hash| {
                    hash.map(|octet| format!("{octet:02X}")).concat()
                }),
            ])
            .expect("memory");
    }
    writer.into_inner().expect("memory")
}

fn time(time: Option<UnixTime>) -> String {
    time.map_or(String::new(), |time| time.to_string())
}
