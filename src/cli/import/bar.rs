//! How far an import is.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::feed::{Phase, Progress};

/// A progress bar on a terminal; nothing elsewhere.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(super) fn new() -> Self {
        Self(std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template(
                "{msg:<9} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}",
            ) {
                bar.set_style(style);
            }
            bar
        }))
    }

    pub(super) fn show(&self, progress: Progress) {
        let Some(bar) = &self.0 else { return };
        bar.set_message(match progress.phase {
            Phase::Judging => "judging",
            Phase::Applying => "applying",
        });
        bar.set_length(progress.of);
        bar.set_position(progress.done);
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
