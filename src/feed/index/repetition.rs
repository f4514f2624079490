//! Lines with the same serial number: the same thing said again, or a contradiction.

use crate::feed::problems::Problems;

use super::{IndexCause, entry::Entry};

/// Leaves each serial number once in `entries`, at its first line; or not at all where its lines
/// contradict each other: then each of them is a problem that names another.
///
/// Returns how many lines were left out because they only repeat. Beside the entries it takes 4
/// octets for each while it works.
pub(super) fn settle(entries: &mut Vec<Entry>, problems: &mut Problems<IndexCause>) -> u64 {
    // Positions are sorted, not entries: reports and progress follow the order of the file.
    let mut by_serial: Vec<u32> = (0..).take(entries.len()).collect();
    let entry = |position: &u32| {
        usize::try_from(*position)
            .ok()
            .and_then(|position| entries.get(position))
    };
    let serial = |position: &u32| entry(position).map(Entry::serial);
    by_serial.sort_unstable_by_key(|position| (serial(position), *position));

    let mut repeated = 0_u64;
    let mut left_out = Vec::new();
    for positions in by_serial.chunk_by(|a, b| serial(a) == serial(b)) {
        let [first, again @ ..] = positions else {
            continue;
        };
        if again.is_empty() {
            continue;
        }
        left_out.extend_from_slice(again);
        if report_contradiction(positions.iter().filter_map(entry), problems) {
            left_out.push(*first);
        } else {
            repeated = repeated.saturating_add(again.iter().map(|_| 1).sum());
        }
    }

    left_out.sort_unstable();
    let mut left_out = left_out.into_iter().peekable();
    let mut positions = 0..;
    entries.retain(|_| {
        let position = positions.next();
        left_out.next_if(|leave| Some(*leave) == position).is_none()
    });
    repeated
}

/// Whether the lines of one serial number contradict each other; if so, all are reported.
fn report_contradiction<'a>(
    mut said: impl Iterator<Item = &'a Entry> + Clone,
    problems: &mut Problems<IndexCause>,
) -> bool {
    let all = said.clone();
    let Some(first) = said.next() else {
        return false;
    };
    let Some(different) = said.find(|other| !other.says_the_same_as(first)) else {
        return false;
    };
    for entry in all {
        let other = if entry.says_the_same_as(first) {
            different
        } else {
            first
        };
        problems.push(entry.line(), || {
            let cause = IndexCause::Contradiction {
                serial: entry.serial(),
                other: other.line(),
            };
            (None, cause)
        });
    }
    true
}
