//! The clerk's desk for one poll of one feed.

use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::authority::{Clerk, ErrorClass, OperationError};
use crate::config::FeedKind;
use crate::feed::live::{FeedDesk, FeedError, FeedErrorKind, FeedKey, Rows, source_name};
use crate::feed::{ImportOrder, ImportReport, ImportRequest};
use crate::identity::IssuerId;

use super::memory::Memory;

/// What a source may do while it is polled.
pub(super) struct ClerkDesk<'a> {
    pub(super) clerk: &'a Clerk,
    pub(super) memory: &'a Memory,
    pub(super) stop: &'a AtomicBool,
    pub(super) key: &'a FeedKey,
    pub(super) kind: FeedKind,
    pub(super) issuer: IssuerId,
    pub(super) is_accepted: bool,
}

impl ClerkDesk<'_> {
    fn error(&self, error: &OperationError) -> FeedError {
        if self.is_stopping() {
            return FeedError::stopped();
        }
        feed_error(error)
    }

    /// `FEED: place`, as the ledger keeps it with every entry. A place that is too long loses its
    /// beginning: the end of a path says more.
    fn cursor(&self, place: &str) -> String {
        let mut cursor = format!("{}: ", self.key.feed);
        let room = crate::change::Source::CURSOR_OCTETS_MAX
            .saturating_sub(cursor.len())
            .saturating_sub("…".len());
        let cut = place.len().saturating_sub(room);
        if cut > 0 && place.len() > room.saturating_add("…".len()) {
            cursor.push('…');
            cursor.push_str(
                place
                    .get(place.ceil_char_boundary(cut)..)
                    .unwrap_or_default(),
            );
        } else {
            cursor.push_str(place);
        }
        cursor
    }
}

impl FeedDesk for ClerkDesk<'_> {
    fn import(
        &self,
        place: &str,
        request: ImportRequest,
        input: &mut dyn BufRead,
    ) -> Result<ImportReport, FeedError> {
        let order = ImportOrder {
            issuer: Some(self.key.issuer.clone()),
            name: self.cursor(place),
            skip_bad: true,
            request,
        };
        let imported = self.clerk.import(&order, input, &mut |_| {});
        imported.map_err(|error| self.error(&error))
    }

    fn take(&self, place: &str, rows: &Rows) -> Result<ImportReport, FeedError> {
        let name = self.cursor(place);
        let taken = self.clerk.take_rows(source_name(self.kind), &name, rows);
        taken.map_err(|error| self.error(&error))
    }

    fn remembered(&self) -> Result<Option<String>, FeedError> {
        let ledger = self.clerk.ledger();
        self.memory.remembered(&self.issuer, &self.key.feed, ledger)
    }

    fn remember(&self, text: &str) -> Result<(), FeedError> {
        let ledger = self.clerk.ledger();
        self.memory
            .remember(&self.issuer, &self.key.feed, ledger, text)
    }

    fn is_accepted(&self) -> bool {
        self.is_accepted
    }

    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn feed_error(error: &OperationError) -> FeedError {
    let kind = match error.class {
        ErrorClass::Usage | ErrorClass::Config | ErrorClass::Input | ErrorClass::Refused => {
            FeedErrorKind::Rejected
        }
        ErrorClass::Older => FeedErrorKind::Older,
        ErrorClass::Shrunk => FeedErrorKind::Quarantined,
        _ => FeedErrorKind::Ledger,
    };
    FeedError::new(kind, error.message.clone())
}
