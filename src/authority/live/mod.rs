//! Answers what no presigned answer fits, from the ledger, with a fresh signature.
//!
//! Threads take what waits for one issuer together: one look at the ledger, one time, and where the key
//! is elsewhere one journey to it. They run behind the threads that serve answers, and ahead of those
//! that sign ahead of time ([`Courtesy`]).

mod courtesy;
mod facts;
mod refusal;
mod response;
mod speaker;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(super) use self::courtesy::Courtesy;
use self::facts::{Facts, Sources};
pub(super) use self::refusal::LiveTrouble;
use self::refusal::Refusal;
use self::response::Draft;
use super::runtime::Shared;
use crate::responder::{AskedQuestion, Batch, Response};
use crate::signer::{LoadedSigner, SignerError};

/// Answers questions until the authority stops, as thread number `thread` of those that do.
pub(super) fn run(shared: &Shared, thread: usize) {
    // Behind the threads that serve answers, and ahead of renewal. Refused, it signs as it is.
    let _result = rustix::process::setpriority_process(None, NICE);
    shared.questions.join(thread);
    while !shared.stopping() {
        if let Some(batch) = shared.questions.next(thread, TAKEN_TOGETHER, PATIENCE) {
            answer(shared, batch);
        }
    }
}

/// Answers everything in a batch.
fn answer(shared: &Shared, mut batch: Batch<'_>) {
    let questions = std::mem::take(&mut batch.questions);
    let responses = responses(shared, &questions);
    // Together, when the last is signed: on a machine with few cores whoever is answered wants the core.
    for (asked, response) in questions.into_iter().zip(responses) {
        asked.reply(response);
    }
}

/// The response to each question, in their order.
fn responses(shared: &Shared, questions: &[AskedQuestion]) -> Vec<Response> {
    let refused = |refusal: &Refusal| {
        shared.counters.live_refused.fetch_add(1, Ordering::Relaxed);
        refusal.response()
    };
    let drafts = drafts(shared, questions);
    let mut responses: Vec<Option<Response>> = Vec::with_capacity(questions.len());
    let mut to_sign: Vec<(usize, Draft)> = Vec::with_capacity(questions.len());
    for (place, draft) in drafts.into_iter().enumerate() {
        responses.push(match draft {
            Ok(draft) => {
                to_sign.push((place, draft));
                None
            }
            Err(refusal) => Some(refused(&refusal)),
        });
    }
    while let Some(signer) = to_sign.first().map(|(_, draft)| Arc::clone(draft.signer())) {
        let is_its = |(_, draft): &mut (usize, Draft)| Arc::ptr_eq(draft.signer(), &signer);
        let its: Vec<(usize, Draft)> = to_sign.extract_if(.., is_its).collect();
        for ((place, draft), signature) in its.iter().zip(sign(shared, &signer, &its)) {
            let signed = signature.and_then(|signature| draft.response(&signature));
            if let Some(response) = responses.get_mut(*place) {
                *response = Some(signed.map_or_else(
                    |refusal| refused(&refusal),
                    |signed| {
                        shared.counters.live_answers.fetch_add(1, Ordering::Relaxed);
                        signed
                    },
                ));
            }
        }
    }
    let missing = || refused(&Refusal::CannotSign);
    responses
        .into_iter()
        .map(|response| response.unwrap_or_else(missing))
        .collect()
}

/// What is to be signed for each question.
fn drafts(shared: &Shared, questions: &[AskedQuestion]) -> Vec<Result<Draft, Refusal>> {
    // After the questions were asked, and so after everything that those who asked were told.
    let mut sources = match Sources::now(shared) {
        Ok(sources) => sources,
        Err(refusal) => return questions.iter().map(|_| Err(refusal)).collect(),
    };
    let facts: Vec<Result<Facts<'_>, Refusal>> = questions
        .iter()
        .map(|asked| Facts::find(shared, &mut sources, &asked.question.request_der))
        .collect();
    // The status first, then the time: no revocation in it is later than thisUpdate.
    let now = shared.signing.now();
    facts
        .into_iter()
        .map(|facts| {
            let now = now.as_ref().map_err(|_| Refusal::CannotSign);
            facts.and_then(|facts| Draft::new(&facts, *now?))
        })
        .collect()
}

/// The signature of each draft. A key that computes here signs one after another, and lets whoever
/// serves answers have the core in between; one elsewhere gets all of them at once.
fn sign(
    shared: &Shared,
    signer: &LoadedSigner,
    drafts: &[(usize, Draft)],
) -> Vec<Result<Vec<u8>, Refusal>> {
    let key = &signer.signer;
    let buffer = || vec![0; key.algorithm().stored_len()];
    let failed = |error: &SignerError| {
        shared.counters.signing_failed();
        shared.live_trouble.tell(error);
        Refusal::CannotSign
    };
    if key.computes_here() || drafts.len() == 1 {
        let last = drafts.len().saturating_sub(1);
        return drafts
            .iter()
            .enumerate()
            .map(|(place, (_, draft))| {
                let mut signature = buffer();
                let signed = key.sign(draft.tbs(), &mut signature);
                if place < last {
                    std::thread::yield_now();
                }
                signed.map_err(|error| failed(&error))?;
                Ok(signature)
            })
            .collect();
    }
    let messages: Vec<&[u8]> = drafts.iter().map(|(_, draft)| draft.tbs()).collect();
    let mut signatures: Vec<Vec<u8>> = drafts.iter().map(|_| buffer()).collect();
    let mut places: Vec<&mut [u8]> = signatures.iter_mut().map(Vec::as_mut_slice).collect();
    match key.sign_batch(&messages, &mut places) {
        Ok(()) => signatures.into_iter().map(Ok).collect(),
        Err(error) => {
            let refusal = failed(&error);
            drafts.iter().map(|_| Err(refusal)).collect()
        }
    }
}

/// How many questions of one issuer are answered together: a quarter of a millisecond of P-256. Another
/// issuer's waits no longer than that for each issuer before it.
const TAKEN_TOGETHER: usize = 16;
/// How long to sleep when nobody asks.
const PATIENCE: Duration = Duration::from_secs(1);
const NICE: i32 = 5;
