//! Several files as one stream, on its way to the process that holds the ledger.
//!
//! ```text
//! {"file": NAME, "octets": N} LF, then N octets     a file
//! {"file": NAME, "unreadable": WHY} LF              one that could not be opened
//! ```
//!
//! NAME is at most [`NAME_OCTETS_MAX`] octets of UTF-8, N at most [`FILE_OCTETS_MAX`]. The stream ends
//! behind a file; ended elsewhere, it was cut short.

use std::io::{self, BufRead, Read as _, Take};

use serde::{Deserialize, Serialize};

use crate::feed::lines::{Line, Lines};

/// The longest file name, in octets: what Linux allows for a path.
pub const NAME_OCTETS_MAX: usize = 4096;

/// The largest file, in octets: a bundle of ten million certificates.
pub const FILE_OCTETS_MAX: u64 = 16 << 30;

/// What stands before a file's octets.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileHead {
    /// Its name in messages.
    pub file: String,
    /// How many octets follow.
    #[serde(default)]
    pub octets: u64,
    /// Why it could not be opened; nothing follows then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

impl FileHead {
    /// The head's line.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        // A struct of text and a number is JSON in any case.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// Reads a stream of files.
#[derive(Debug)]
pub struct Files<R> {
    reader: R,
}

impl<R: BufRead> Files<R> {
    /// Reads from `reader`.
    pub const fn new(reader: R) -> Self {
        Self { reader }
    }

    /// The next file; `None` at the end. The one before must have been read to its end.
    ///
    /// # Errors
    /// What reading gives; `InvalidData` for a head of another form, `UnexpectedEof` within one.
    pub fn next_file(&mut self) -> io::Result<Option<File<'_, R>>> {
        let mut lines = Lines::new(&mut self.reader, HEAD_OCTETS_MAX);
        let line = match lines.next_line()? {
            None => return Ok(None),
            Some((_, Line::Whole(line))) => line,
            Some((_, Line::Unterminated(_))) => return Err(cut_short()),
            Some((_, Line::TooLong(_))) => return Err(invalid("a file's head is too long")),
        };
        let head: FileHead = serde_json::from_slice(line)
            .map_err(|error| invalid(&format!("not the head of a file: {error}")))?;
        if head.file.len() > NAME_OCTETS_MAX {
            return Err(invalid("a file's name is too long"));
        }
        if head.octets > FILE_OCTETS_MAX || (head.unreadable.is_some() && head.octets > 0) {
            return Err(invalid("a file is larger than it may be"));
        }
        let content = self.reader.by_ref().take(head.octets);
        Ok(Some(File { head, content }))
    }
}

/// One file of a stream.
#[derive(Debug)]
pub struct File<'a, R> {
    head: FileHead,
    content: Take<&'a mut R>,
}

impl<'a, R: BufRead> File<'a, R> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.head.file
    }

    /// Why it could not be opened, if so.
    #[must_use]
    pub fn unreadable(&self) -> Option<&str> {
        self.head.unreadable.as_deref()
    }

    /// What is in it.
    pub const fn content(&mut self) -> &mut Take<&'a mut R> {
        &mut self.content
    }

    /// Passes over what was not read.
    ///
    /// # Errors
    /// What reading gives; `UnexpectedEof` when the stream ends before the file does.
    pub fn skip_rest(mut self) -> io::Result<()> {
        io::copy(&mut self.content, &mut io::sink())?;
        match self.content.limit() {
            0 => Ok(()),
            _ => Err(cut_short()),
        }
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn cut_short() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the stream of files was cut short",
    )
}

/// The longest name with every octet escaped, a reason as long, and what stands around them.
const HEAD_OCTETS_MAX: usize = 64 << 10;
