//! The turn of one commit: which of its submissions are judged, and what is noted of those that are pushes.

use rocksdb::WriteBatch;

use crate::change::{Outcome, Refusal};

use super::{
    batch::Said,
    engine::Engine,
    error::LedgerError,
    idempotency::{PushFate, PushRecord, REMOVED_WITH_A_PUSH, remove_old},
    log::TreeHead,
    store::Submission,
};

/// The submissions of a commit, and how they stand.
pub(super) struct Turn<'s, 'a> {
    submissions: &'s [Submission<'a>],
    standings: Vec<Standing>,
}

enum Standing {
    Judged,
    /// A push that was taken before, or whose key is another's: its changes are not looked at.
    Settled(PushFate),
    /// A push that is applied as a whole or not at all, of which something was refused.
    Withheld(Vec<Outcome>),
}

/// What all that is written together has in common.
#[derive(Clone, Copy)]
pub(super) struct Written {
    pub(super) recorded_ms: u64,
    pub(super) last_sequence: u64,
    pub(super) head: TreeHead,
}

impl<'s, 'a> Turn<'s, 'a> {
    pub(super) fn begin(
        engine: &Engine,
        submissions: &'s [Submission<'a>],
    ) -> Result<Self, LedgerError> {
        let mut standings: Vec<Standing> = Vec::with_capacity(submissions.len());
        for submission in submissions {
            let before = submission
                .push
                .map(|push| push.before(engine))
                .transpose()?;
            standings.push(before.flatten().map_or(Standing::Judged, Standing::Settled));
        }
        Ok(Self {
            submissions,
            standings,
        })
    }

    /// The changes that are judged.
    pub(super) fn said(&self) -> Vec<Said<'a>> {
        self.judged()
            .flat_map(|submission| {
                let source = submission.source;
                let said = move |change| Said { change, source };
                submission.changes.iter().map(said)
            })
            .collect()
    }

    /// Whether something has to be written though there may be no entry.
    pub(super) fn has_new_push(&self) -> bool {
        self.judged().any(|submission| submission.push.is_some()) || self.has_withheld()
    }

    fn has_withheld(&self) -> bool {
        let is_withheld = |it: &Standing| matches!(it, Standing::Withheld(_));
        self.standings.iter().any(is_withheld)
    }

    /// Whether a push is among them that is applied as a whole or not at all.
    pub(super) fn may_withhold(&self) -> bool {
        self.judged()
            .filter_map(|submission| submission.push)
            .any(|push| push.all_or_nothing)
    }

    /// Takes out the first push that is applied as a whole or not at all and of which something was
    /// refused; true if there was one. What follows it is then to be judged anew.
    pub(super) fn withhold(&mut self, outcomes: &[Outcome]) -> bool {
        let mut rest = outcomes;
        for (standing, submission) in self.standings.iter_mut().zip(self.submissions) {
            if !matches!(standing, Standing::Judged) {
                continue;
            }
            let (own, others) = rest
                .split_at_checked(submission.changes.len())
                .unwrap_or((rest, &[]));
            rest = others;
            let Some(push) = submission.push.filter(|push| push.all_or_nothing) else {
                continue;
            };
            let is_refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused(_));
            if push.refused.is_empty() && !own.iter().any(is_refused) {
                continue;
            }
            let withheld = |outcome: &Outcome| match outcome {
                Outcome::Applied { .. } => Outcome::Refused(Refusal::NotAlone),
                other => *other,
            };
            *standing = Standing::Withheld(own.iter().map(withheld).collect());
            return true;
        }
        false
    }

    /// Notes the pushes in the batch that is written, and takes some of what is too old out of the ledger. `outcomes` are those of what was judged; gives what
    /// became of each submission that is a push.
    pub(super) fn note(
        &self,
        engine: &Engine,
        outcomes: &[Outcome],
        written: Written,
        batch: &mut WriteBatch,
    ) -> Result<Vec<Option<PushFate>>, LedgerError> {
        let mut fates = Vec::with_capacity(self.submissions.len());
        let mut rest = outcomes;
        let mut recorded = 0_usize;
        for (standing, submission) in self.standings.iter().zip(self.submissions) {
            let own = match standing {
                Standing::Settled(fate) => {
                    fates.push(Some(fate.clone()));
                    continue;
                }
                Standing::Withheld(own) => own,
                Standing::Judged => {
                    let count = submission.changes.len();
                    let (own, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
                    rest = others;
                    own
                }
            };
            let Some(push) = submission.push else {
                fates.push(None);
                continue;
            };
            let Written {
                recorded_ms,
                last_sequence,
                head,
            } = written;
            let record: PushRecord = push.record(own, recorded_ms, last_sequence, head);
            push.put(engine, batch, &record)?;
            recorded = recorded.saturating_add(1);
            fates.push(Some(PushFate::Recorded(record.into())));
        }
        if recorded > 0 {
            let rows = recorded.saturating_mul(REMOVED_WITH_A_PUSH);
            remove_old(engine, batch, written.recorded_ms, rows)?;
        }
        Ok(fates)
    }

    /// An outcome for each change of every submission: of one that was settled before, that nothing
    /// changed.
    pub(super) fn outcomes_of_all(&self, judged: Vec<Outcome>) -> Vec<Outcome> {
        if self.judged().count() == self.submissions.len() {
            return judged;
        }
        let mut judged = judged.into_iter();
        let mut all = Vec::new();
        for (standing, submission) in self.standings.iter().zip(self.submissions) {
            let count = submission.changes.len();
            match standing {
                Standing::Judged => all.extend(judged.by_ref().take(count)),
                Standing::Withheld(own) => all.extend(own),
                Standing::Settled(_) => all.extend(std::iter::repeat_n(Outcome::Unchanged, count)),
            }
        }
        all
    }

    fn judged(&self) -> impl Iterator<Item = &'s Submission<'a>> {
        let pairs = self.standings.iter().zip(self.submissions);
        pairs.filter_map(|(standing, submission)| {
            matches!(standing, Standing::Judged).then_some(submission)
        })
    }
}
