//! A CSV file, watched.

use std::time::Duration;

use crate::asn1::UnixTime;
use crate::config::feed as settings;
use crate::feed::ImportRequest;
use crate::feed::csv::{CsvColumn, CsvField, CsvMapping, CsvSerials, CsvStatus, CsvTimes};

use super::known_lines::LineForm;
use super::watched_file::WatchedFile;
use super::{FeedDesk, FeedError, FeedKey, LiveSource, Polled};

/// A watched CSV file.
#[derive(Debug)]
pub struct CsvSource(WatchedFile);

impl CsvSource {
    /// The file of this feed. It is not looked at yet.
    #[must_use]
    pub fn new(key: FeedKey, settings: &settings::CsvFeed) -> Self {
        let request = ImportRequest::Csv {
            mapping: mapping(settings),
        };
        Self(WatchedFile::new(key, &settings.path, request, FORM))
    }
}

impl LiveSource for CsvSource {
    fn poll(&mut self, desk: &dyn FeedDesk, now: UnixTime) -> Result<Polled, FeedError> {
        self.0.poll(desk, now)
    }

    fn longest_backoff(&self) -> Duration {
        self.0.longest_backoff()
    }
}

/// Blank lines are passed over. The first line is the header; where there is none, it is read each time.
const FORM: LineForm = LineForm {
    blank: b"\n",
    header: true,
    quotes: true,
    comment: None,
};

/// The settings in the words of the reader.
fn mapping(csv: &settings::CsvFeed) -> CsvMapping {
    let status = |status| match status {
        settings::CsvStatus::Good => CsvStatus::Good,
        settings::CsvStatus::Revoked => CsvStatus::Revoked,
        settings::CsvStatus::Hold => CsvStatus::Hold,
        settings::CsvStatus::ByTime => CsvStatus::ByTime,
    };
    CsvMapping {
        columns: csv
            .columns
            .iter()
            .map(|(name, column)| (field(*name), CsvColumn::from(column.as_str())))
            .collect(),
        delimiter: csv.delimiter,
        serials: match csv.serials {
            settings::CsvSerials::Hex => CsvSerials::Hex,
            settings::CsvSerials::Decimal => CsvSerials::Decimal,
        },
        times: match csv.times {
            settings::CsvTimes::Rfc3339 => CsvTimes::Rfc3339,
            settings::CsvTimes::Unix => CsvTimes::Unix,
            settings::CsvTimes::UnixMs => CsvTimes::UnixMs,
            settings::CsvTimes::Utc => CsvTimes::Utc,
        },
        statuses: csv
            .statuses
            .iter()
            .map(|(word, meaning)| (word.to_ascii_lowercase(), status(*meaning)))
            .collect(),
        every_status: csv.every_status.map(status),
    }
}

const fn field(name: settings::CsvField) -> CsvField {
    match name {
        settings::CsvField::Serial => CsvField::Serial,
        settings::CsvField::Status => CsvField::Status,
        settings::CsvField::Reason => CsvField::Reason,
        settings::CsvField::RevocationTime => CsvField::RevocationTime,
        settings::CsvField::InvalidityDate => CsvField::InvalidityDate,
        settings::CsvField::NotBefore => CsvField::NotBefore,
        settings::CsvField::NotAfter => CsvField::NotAfter,
        settings::CsvField::Sha256 => CsvField::Sha256,
    }
}
