//! Lines with the same serial number: the same thing said again, or a contradiction.

use crate::identity::{IssuerId, SerialHash, SerialNumber};

/// What one line says, as far as it must not be said twice.
pub(super) trait Said {
    /// Of which certificate.
    fn serial(&self) -> SerialNumber;

    /// Whether `other`, of the same certificate, says nothing else.
    fn says_the_same_as(&self, other: &Self) -> bool;

    /// Of lines that say the same, the first with the lowest rank is kept.
    fn rank(&self) -> u8 {
        0
    }
}

/// Leaves each certificate once in `entries`, in the order of the ledger; or not at all where its lines
/// contradict each other: then `contradiction` hears of each of them, with one that differs. `issuer`
/// tells whose certificate an entry is.
///
/// Returns how many entries were left out because they only repeat. Beside the entries it takes 8
/// octets for each while it works.
pub(super) fn settle<E: Said>(
    entries: &mut Vec<E>,
    issuer: impl Fn(&E) -> IssuerId,
    mut contradiction: impl FnMut(&E, &E),
) -> u64 {
    // Sorting by hash and then looking at the few whose hashes meet is five times as fast as sorting
    // by serial, and it is the order in which the ledger takes them best. It is stable: the lines of
    // one certificate stay in their order.
    let order = |entry: &E| SerialHash::new(&issuer(entry), entry.serial().as_bytes()).order();
    entries.sort_by_cached_key(order);

    let mut repeated = 0_u64;
    let mut left_out = Vec::new();
    let mut begin = 0_usize;
    for same_hash in entries.chunk_by(|a, b| order(a) == order(b)) {
        let positions = begin..;
        begin = begin.saturating_add(same_hash.len());
        if same_hash.len() < 2 {
            continue;
        }
        let mut group: Vec<(usize, &E)> = positions.zip(same_hash).collect();
        let certificate = |entry: &E| (issuer(entry), entry.serial());
        group.sort_unstable_by_key(|(position, entry)| {
            (certificate(entry), entry.rank(), *position)
        });
        for same in group.chunk_by(|(_, a), (_, b)| certificate(a) == certificate(b)) {
            let lines = same.iter().map(|(_, entry)| *entry);
            let kept = if report_contradiction(lines, &mut contradiction) {
                0
            } else {
                repeated = repeated.saturating_add(same.iter().skip(1).map(|_| 1).sum());
                1
            };
            left_out.extend(same.iter().skip(kept).map(|(position, _)| *position));
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

/// Whether the lines of one certificate contradict each other; if so, all are reported.
fn report_contradiction<'a, E: Said + 'a>(
    mut said: impl Iterator<Item = &'a E> + Clone,
    contradiction: &mut impl FnMut(&E, &E),
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
        contradiction(entry, other);
    }
    true
}
