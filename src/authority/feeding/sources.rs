//! From a feed's settings to its source.

use crate::config::Feed;
use crate::feed::live::{
    CertificateFolderSource, CrlFolderSource, CsvSource, FeedIssuer, FeedKey, IndexSource,
    LiveSource,
};

/// The source of a feed; `None` for one that comes by itself.
pub(super) fn source(
    key: &FeedKey,
    issuer: &FeedIssuer,
    settings: &Feed,
) -> Option<Box<dyn LiveSource>> {
    let key = key.clone();
    Some(match settings {
        Feed::Index(settings) => Box::new(IndexSource::new(key, settings)),
        Feed::Csv(settings) => Box::new(CsvSource::new(key, settings)),
        Feed::CrlFolder(settings) => Box::new(CrlFolderSource::new(key, issuer, settings)),
        Feed::CertificateFolder(settings) => Box::new(CertificateFolderSource::new(key, settings)),
        // Each is added here with its source.
        Feed::CrlUrl(_) | Feed::Sql(_) => return None,
        Feed::Push(_) => return None,
    })
}
