//! The `index.txt` of `openssl ca`, watched.

use crate::asn1::UnixTime;
use crate::config::feed::IndexFeed;
use crate::feed::ImportRequest;

use super::known_lines::LineForm;
use super::watched_file::WatchedFile;
use super::{FeedDesk, FeedError, FeedKey, LiveSource, Polled};

/// A watched `index.txt`.
#[derive(Debug)]
pub struct IndexSource(WatchedFile);

impl IndexSource {
    /// The file of this feed. It is not looked at yet.
    #[must_use]
    pub fn new(key: FeedKey, settings: &IndexFeed) -> Self {
        let request = ImportRequest::Index;
        Self(WatchedFile::new(key, &settings.path, request, FORM))
    }
}

impl LiveSource for IndexSource {
    fn poll(&mut self, desk: &dyn FeedDesk, now: UnixTime) -> Result<Polled, FeedError> {
        self.0.poll(desk, now)
    }

    fn longest_backoff(&self) -> std::time::Duration {
        self.0.longest_backoff()
    }
}

const FORM: LineForm = LineForm {
    blank: b"#\n",
    header: false,
    quotes: false,
    comment: Some(b'#'),
};
