//! From a feed's settings to its source.

use std::path::Path;

use crate::config::Feed;
use crate::feed::live::{
    CertificateFolderSource, CrlFolderSource, CrlUrlSource, CsvSource, FeedIssuer, FeedKey,
    IndexSource, LiveSource,
};
#[cfg(feature = "sql")]
use crate::feed::sql::SqlSource;

/// The source of a feed; `None` for one that comes by itself. What it keeps on the disk is below
/// `folder`.
pub(super) fn source(
    key: &FeedKey,
    issuer: &FeedIssuer,
    settings: &Feed,
    folder: &Path,
) -> Option<Box<dyn LiveSource>> {
    let key = key.clone();
    Some(match settings {
        Feed::Index(settings) => Box::new(IndexSource::new(key, settings)),
        Feed::Csv(settings) => Box::new(CsvSource::new(key, settings)),
        Feed::CrlFolder(settings) => Box::new(CrlFolderSource::new(key, issuer, settings)),
        Feed::CertificateFolder(settings) => Box::new(CertificateFolderSource::new(key, settings)),
        Feed::CrlUrl(crls) => {
            let interval = settings.interval().unwrap_or_default();
            Box::new(CrlUrlSource::new(key, issuer, crls, interval, folder))
        }
        // Each is added here with its source.
        #[cfg(feature = "sql")]
        Feed::Sql(feed) => {
            let interval = settings.interval().unwrap_or_default();
            Box::new(SqlSource::new(feed, issuer.clone(), interval))
        }
        #[cfg(not(feature = "sql"))]
        Feed::Sql(_) => return None,
        Feed::Push(_) => return None,
    })
}
