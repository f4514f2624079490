//! Lines of a text feed, one at a time, none longer than a limit.

use std::io::{self, BufRead, Read};

/// Reads lines into one buffer that is used again for each.
///
/// Memory is bounded by `octets_max`: what is longer is passed over without being kept.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: R,
    octets_max: usize,
    buffer: Vec<u8>,
    number: u64,
}

/// One line, without its line feed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Line<'a> {
    /// A line that a line feed ends.
    Whole(&'a [u8]),
    /// The last line of a source that does not end in a line feed.
    Unterminated(&'a [u8]),
    /// A line of more octets than the limit; its beginning.
    TooLong(&'a [u8]),
}

impl<R: BufRead> Lines<R> {
    pub(crate) const fn new(reader: R, octets_max: usize) -> Self {
        Self {
            reader,
            octets_max,
            buffer: Vec::new(),
            number: 0,
        }
    }

    /// The next line and its number, counted from 1; `None` at the end.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        self.buffer.clear();
        // The line feed has room beside the longest line.
        let room = u64::try_from(self.octets_max)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let read = self
            .reader
            .by_ref()
            .take(room)
            .read_until(b'\n', &mut self.buffer)?;
        if read == 0 {
            return Ok(None);
        }
        self.number = self.number.saturating_add(1);
        let line = match self.buffer.split_last() {
            Some((b'\n', line)) => Line::Whole(line),
            _ if self.buffer.len() <= self.octets_max => Line::Unterminated(&self.buffer),
            _ => {
                self.reader.skip_until(b'\n')?;
                Line::TooLong(&self.buffer)
            }
        };
        Ok(Some((self.number, line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_whole_unterminated_or_too_long() {
        let mut lines = Lines::new(&b"abcd\n\nabcde\nabcdefghij\nend"[..], 4);
        for (number, line) in [
            (1, Line::Whole(b"abcd")),
            (2, Line::Whole(b"")),
            (3, Line::TooLong(b"abcde")),
            (4, Line::TooLong(b"abcde")),
            (5, Line::Unterminated(b"end")),
        ] {
            assert_eq!(lines.next_line().unwrap(), Some((number, line)));
        }
        assert_eq!(lines.next_line().unwrap(), None);
    }

    #[test]
    fn a_source_without_a_line_feed_takes_no_memory() {
        let mut lines = Lines::new(io::BufReader::new(io::repeat(b'x').take(1 << 24)), 64);
        assert!(matches!(
            lines.next_line().unwrap(),
            Some((1, Line::TooLong(_)))
        ));
        assert_eq!(lines.next_line().unwrap(), None);
        assert!(lines.buffer.capacity() < 1024);
    }
}
