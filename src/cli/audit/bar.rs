//! How far an audit is.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar on a terminal; nothing elsewhere.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(super) fn new() -> Self {
        Self(io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template(
                "{msg:<9} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}",
            ) {
                bar.set_style(style);
            }
            bar
        }))
    }

    pub(super) fn show(&self, what: &'static str, done: u64, of: u64) {
        let Some(bar) = &self.0 else { return };
        bar.set_message(what);
        bar.set_length(of);
        bar.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
