//! `estelam import csv`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::{Bar, Given};
use crate::cli::{Common, Exit, Failure};
use crate::feed::ImportRequest;
use crate::feed::csv::{CsvColumn, CsvField, CsvMapping, CsvSerials, CsvStatus, CsvTimes};

/// Import a CSV file with a line for each certificate
///
/// The fields are serial, status, reason, revocation_time, invalidity_date, not_before, not_after and
/// sha256; serial and status have to be there. Each is taken from the column that is headed so, or as
/// --column says. Reasons are the names or numbers of RFC 5280. Columns that hold no field are not
/// used, and the report names them.
///
/// The whole file is judged first: one bad line, and nothing is applied. An import that was
/// interrupted is completed by running it again; run once more, it changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  estelam import csv inventory.csv --issuer ca

Other headers and words:
  estelam import csv certificates.csv --column serial=Number --column status=State \\
      --statuses V=good,R=revoked --delimiter ';'

Columns by number, where there is no header line:
  estelam import csv revoked.csv --column serial=1 --column revocation_time=2 --every-status revoked

EJBCA's table CertificateData:
  estelam import csv ejbca.csv --serials decimal --times unix-ms \\
      --column serial=serialNumber --column reason=revocationReason \\
      --column revocation_time=revocationDate --column not_after=expireDate \\
      --statuses 20=good,21=good,40=revoked,60=by-time")]
pub(super) struct CsvArguments {
    /// The CSV file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    given: Given,
    /// The column of a field, by its header; by its number, if the file has no header line
    #[arg(long = "column", value_name = "FIELD=HEADER", value_parser = column)]
    columns: Vec<(CsvField, CsvColumn)>,
    /// What stands between fields; `tab` for a tab
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter, default_value = ",")]
    delimiter: char,
    /// How serial numbers are written: hex or decimal
    #[arg(long, value_name = "FORM", default_value = "hex")]
    serials: CsvSerials,
    /// How times are written: rfc3339 (2026-03-21T08:30:00Z), unix (seconds), unix-ms (milliseconds)
    /// or utc (2026-03-21 08:30:00)
    #[arg(long, value_name = "FORM", default_value = "rfc3339")]
    times: CsvTimes,
    /// What words of the status column mean: good, revoked, hold, or by-time (revoked where a
    /// revocation time is given). Once given, no other words are known
    #[arg(long, value_name = "WORD=MEANING", value_delimiter = ',', value_parser = status)]
    statuses: Vec<(String, CsvStatus)>,
    /// What every line means, in a file without a status column
    #[arg(long, value_name = "MEANING", conflicts_with = "statuses")]
    every_status: Option<CsvStatus>,
}

pub(super) fn run(common: &Common, arguments: &CsvArguments) -> Result<Exit, Failure> {
    let mapping = CsvMapping {
        columns: once("column", &arguments.columns)?,
        delimiter: Some(arguments.delimiter),
        serials: arguments.serials,
        times: arguments.times,
        statuses: once("statuses", &arguments.statuses)?,
        every_status: arguments.every_status,
    };
    let file = super::open(&arguments.file, "the CSV file in it")?;
    let name = arguments.file.display().to_string();
    let order = arguments.given.order(name, ImportRequest::Csv { mapping });
    let bar = Bar::new();
    super::carry_out(common, &order, bar.over(file), &bar)
}

/// Pairs by what stands before the sign, which stands there once.
fn once<K: Clone + Ord + std::fmt::Display, V: Clone>(
    option: &str,
    pairs: &[(K, V)],
) -> Result<BTreeMap<K, V>, Failure> {
    let mut map = BTreeMap::new();
    for (key, value) in pairs {
        if map.insert(key.clone(), value.clone()).is_some() {
            return Err(Failure::new(
                Exit::Usage,
                format!("--{option} {key}=… is given twice"),
            ));
        }
    }
    Ok(map)
}

fn column(text: &str) -> Result<(CsvField, CsvColumn), String> {
    let (field, header) = text.split_once('=').ok_or("write FIELD=HEADER")?;
    let field = field
        .parse::<CsvField>()
        .map_err(|error| error.to_string())?;
    Ok((field, header.trim().into()))
}

fn status(text: &str) -> Result<(String, CsvStatus), String> {
    let (word, meaning) = text.rsplit_once('=').ok_or("write WORD=MEANING")?;
    let meaning = meaning
        .parse::<CsvStatus>()
        .map_err(|error| error.to_string())?;
    Ok((word.trim().to_ascii_lowercase(), meaning))
}

fn delimiter(text: &str) -> Result<char, String> {
    let mut characters = text.chars();
    match (text, characters.next(), characters.next()) {
        ("tab" | "\\t", ..) => Ok('\t'),
        (_, Some(one), None) => Ok(one),
        _ => Err("write one character, or `tab`".to_owned()),
    }
}
