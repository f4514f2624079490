//! What certificates say of a revocation: nothing.

use crate::{
    change::{Change, Outcome, Refusal, Verdict},
    feed::StatusSink,
};

/// A sink for certificates. A list that shows a revoked certificate as valid contradicts the ledger;
/// the certificate itself does not. So what is revoked already and gains nothing is unchanged here.
#[derive(Debug)]
pub struct IssuanceSink<S>(
    /// The ledger.
    pub S,
);

impl<S: StatusSink> StatusSink for IssuanceSink<S> {
    type Error = S::Error;

    fn judge(&mut self, changes: &[Change]) -> Result<Vec<Verdict>, S::Error> {
        let mut verdicts = self.0.judge(changes)?;
        for verdict in &mut verdicts {
            if matches!(verdict, Verdict::Refused(Refusal::Revoked { .. })) {
                *verdict = Verdict::Unchanged;
            }
        }
        Ok(verdicts)
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, S::Error> {
        let mut outcomes = self.0.apply(changes)?;
        for outcome in &mut outcomes {
            if matches!(outcome, Outcome::Refused(Refusal::Revoked { .. })) {
                *outcome = Outcome::Unchanged;
            }
        }
        Ok(outcomes)
    }
}
