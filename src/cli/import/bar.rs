//! How far an import is.

use std::fs::File;
use std::io::{self, IsTerminal, Read};

use indicatif::{ProgressBar, ProgressStyle};

use crate::feed::{Phase, Progress};

/// A progress bar on a terminal; nothing elsewhere.
#[derive(Clone)]
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

    pub(super) fn show(&self, progress: Progress) {
        let Some(bar) = &self.0 else { return };
        bar.set_message(match progress.phase {
            Phase::Judging => "judging",
            Phase::Applying => "applying",
        });
        bar.set_length(progress.of);
        bar.set_position(progress.done);
    }

    /// So much of the input has been read: octets or files, whichever of them is known.
    pub(super) fn reading(&self, done: u64, of: u64) {
        let Some(bar) = &self.0 else { return };
        bar.set_message("reading");
        bar.set_length(of);
        bar.set_position(done);
    }

    /// A file that tells the bar how much of it has been read.
    pub(super) fn over(&self, file: File) -> impl Read + Send + use<> {
        Watched {
            of: file.metadata().map_or(0, |metadata| metadata.len()),
            file,
            bar: self.clone(),
            done: 0,
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// See [`Bar::over`].
struct Watched {
    file: File,
    bar: Bar,
    done: u64,
    of: u64,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.done = self
            .done
            .saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if read > 0 {
            self.bar.reading(self.done, self.of);
        }
        Ok(read)
    }
}
