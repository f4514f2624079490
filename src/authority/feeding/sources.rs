//! From a feed's settings to its source.

use crate::config::Feed;
use crate::feed::live::{CsvSource, FeedIssuer, FeedKey, IndexSource, LiveSource};

/// The source of a feed; `None` for one that comes by itself.
pub(super) fn source(
    key: &FeedKey,
    _issuer: &FeedIssuer,
    settings: &Feed,
) -> Option<Box<dyn LiveSource>> {
    let key = key.clone();
    Some(match settings {
        Feed::Index(settings) => Box::new(IndexSource::new(key, settings)),
        Feed::Csv(settings) => Box::new(CsvSource::new(key, settings)),
        // Each is added here with its source.
        Feed::CrlFolder(_) | Feed::CertificateFolder(_) | Feed::CrlUrl(_) | Feed::Sql(_) => {
            return None;
        }
        Feed::Push(_) => return None,
    })
}
