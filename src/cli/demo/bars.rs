//! Progress of what takes longer than a second, on a terminal; nothing elsewhere.

use std::cell::RefCell;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of a known length.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(super) fn new(what: &'static str, of: u64) -> Self {
        Self(std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(of).with_message(what);
            if let Ok(style) =
                ProgressStyle::with_template("{msg:<9} {wide_bar} {human_pos}/{human_len} {eta}")
            {
                bar.set_style(style);
            }
            bar
        }))
    }

    pub(super) fn show(&self, done: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(done);
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// The bar of signing, whose length is known once the ledger was read.
pub(super) struct SigningBar(RefCell<Option<Bar>>);

impl SigningBar {
    pub(super) const fn new() -> Self {
        Self(RefCell::new(None))
    }

    pub(super) fn show(&self, done: u64, of: u64) {
        self.0
            .borrow_mut()
            .get_or_insert_with(|| Bar::new("signing", of))
            .show(done);
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &*self.0.borrow() {
            bar.finish();
        }
    }
}
