//! The names of files, one behind the other: a folder may have a million.

use std::io;

/// Names by number.
#[derive(Debug, Default)]
pub(super) struct Names {
    text: String,
    /// Where each ends in `text`.
    ends: Vec<usize>,
}

impl Names {
    /// Adds a name and gives its number, counted from 0.
    pub(super) fn push(&mut self, name: &str) -> io::Result<u32> {
        let number = u32::try_from(self.ends.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.text.push_str(name);
        self.ends.push(self.text.len());
        Ok(number)
    }

    /// The name with this number.
    pub(super) fn name(&self, number: u32) -> &str {
        let end_of = |place: usize| self.ends.get(place).copied();
        let name = usize::try_from(number).ok().and_then(|place| {
            let start = match place.checked_sub(1) {
                Some(before) => end_of(before)?,
                None => 0,
            };
            self.text.get(start..end_of(place)?)
        });
        name.unwrap_or_default()
    }
}
