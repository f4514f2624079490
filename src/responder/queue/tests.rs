//! The queue against a model, and its promises one by one.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::responder::{AnswerKind, Why};

const HOUR: Duration = Duration::from_secs(3_600);

fn settings(length: usize, lanes: usize) -> QueueSettings {
    QueueSettings {
        length,
        patience: HOUR,
        lanes,
        threads: 1,
    }
}

fn question(octets: &[u8], lane: usize, why: Why) -> Question {
    Question {
        request_der: Arc::from(octets),
        lane,
        why,
        has_presigned: false,
    }
}

fn response(number: u32) -> Response {
    Response {
        body: number.to_be_bytes().to_vec(),
        freshness: None,
        kind: AnswerKind::Live,
    }
}

/// What there is now, without waiting for more.
fn take(questions: &Questions, at_most: usize) -> Option<Batch<'_>> {
    questions.take(at_most)
}

fn reply_all(batch: &mut Batch<'_>, number: u32) {
    for asked in batch.questions.drain(..) {
        asked.reply(response(number));
    }
}

#[test]
fn a_full_queue_turns_away_and_a_place_that_is_free_again_is_given_out() {
    let (queue, questions) = question_queue(&settings(2, 1));
    let ask = |octets: &[u8]| queue.ask(question(octets, 0, Why::Nonce));
    let _first = ask(b"a").unwrap();
    let _second = ask(b"b").unwrap();
    assert_eq!(ask(b"c").unwrap_err(), Shed::Full);
    assert_eq!(queue.depth(), 2);
    drop(take(&questions, 1).unwrap());
    let _third = ask(b"c").unwrap();
    assert_eq!(ask(b"d").unwrap_err(), Shed::Full);
    assert_eq!(questions.stats().shed["queue_full"], 2);
    assert_eq!(questions.lane_stats(0).shed, 2);
    assert_eq!(questions.lane_stats(0).asked, 5);
}

#[test]
fn a_flood_leaves_places_for_the_other_issuers() {
    let (queue, questions) = question_queue(&settings(12, 3));
    let mut waiting = Vec::new();
    let mut fill = |lane: usize| {
        let mut taken = 0;
        for number in 0_u8..20 {
            match queue.ask(question(&[number], lane, Why::Nonce)) {
                Ok(place) => {
                    waiting.push(place);
                    taken += 1;
                }
                Err(shed) => assert_eq!(shed, Shed::Quota),
            }
        }
        taken
    };
    // Half of it, half of the rest, and again.
    assert_eq!(fill(0), 6);
    assert_eq!(fill(1), 3);
    assert_eq!(fill(2), 2);
    assert!(questions.is_busy());
    // And they are served in turns, whoever came first.
    let lanes: Vec<usize> = std::iter::from_fn(|| take(&questions, 2))
        .map(|batch| batch.questions[0].lane())
        .collect();
    assert_eq!(lanes, [0, 1, 2, 0, 1, 0]);
    assert_eq!(queue.depth(), 0);
    assert!(!questions.is_busy());
}

#[test]
fn the_only_issuer_has_all_places() {
    let (queue, _questions) = question_queue(&settings(5, 1));
    let ask = |number: u8| queue.ask(question(&[number], 0, Why::Nonce));
    let waiting: Vec<_> = (0..5).map(|number| ask(number).unwrap()).collect();
    assert_eq!(waiting.len(), 5);
}

#[test]
fn a_question_that_nobody_waits_for_costs_nothing_and_leaves() {
    let (queue, questions) = question_queue(&settings(4, 1));
    let gone = queue.ask(question(b"a", 0, Why::Hash)).unwrap();
    let same = queue.ask(question(b"a", 0, Why::Hash)).unwrap();
    let stays = queue.ask(question(b"b", 0, Why::Hash)).unwrap();
    drop(gone);
    // The other one who asked the same still waits.
    let mut batch = take(&questions, 4).unwrap();
    assert_eq!(batch.questions.len(), 2);
    reply_all(&mut batch, 1);
    drop(batch);
    assert_eq!(same.answer.blocking_recv().unwrap(), response(1));
    assert_eq!(stays.answer.blocking_recv().unwrap(), response(1));

    drop(queue.ask(question(b"c", 0, Why::Hash)).unwrap());
    assert!(take(&questions, 4).is_none());
    assert_eq!(queue.depth(), 0);
}

#[test]
fn what_would_be_late_is_turned_away_at_once() {
    let (queue, questions) = question_queue(&QueueSettings {
        patience: Duration::from_secs(1),
        ..settings(100, 2)
    });
    // A third of a second each.
    questions.state.learn(Duration::from_millis(333 * 8), 8);
    let ask = |number: u8, lane| queue.ask(question(&[number], lane, Why::Nonce));
    let _waiting: Vec<_> = (0..4).map(|number| ask(number, 0).unwrap()).collect();
    assert_eq!(ask(4, 0).unwrap_err(), Shed::Late);
    // Another issuer's turn comes before all of these.
    let _other = ask(5, 1).unwrap();
    assert_eq!(questions.stats().shed["would_be_late"], 1);
}

#[test]
fn a_batch_that_is_dropped_tells_everybody() {
    let (queue, questions) = question_queue(&settings(4, 1));
    let waiting = queue.ask(question(b"a", 0, Why::Nonce)).unwrap();
    drop(take(&questions, 4).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let answer = runtime.block_on(waiting.answer());
    assert_eq!(answer.unwrap_err(), Shed::Stopped);
}

#[test]
fn patience_ends() {
    let (queue, questions) = question_queue(&QueueSettings {
        patience: Duration::from_millis(5),
        ..settings(4, 1)
    });
    let waiting = queue.ask(question(b"a", 0, Why::Nonce)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let answer = runtime.block_on(waiting.answer());
    assert_eq!(answer.unwrap_err(), Shed::Expired);
    assert!(take(&questions, 4).is_none());
    assert_eq!(questions.stats().shed["deadline"], 1);
}

/// Would hang if a question could slip by a signer that is about to sleep.
#[test]
fn sleeping_signers_are_woken() {
    const ROUNDS: u32 = 20_000;
    const THREADS: usize = 3;
    let (queue, questions) = question_queue(&QueueSettings {
        threads: THREADS,
        ..settings(64, 2)
    });
    let stop = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        let signers: Vec<_> = (0..THREADS)
            .map(|number| {
                let (questions, stop) = (&questions, &stop);
                scope.spawn(move || {
                    questions.join(number);
                    while !stop.load(Ordering::Relaxed) {
                        if let Some(mut batch) = questions.next(number, 2, HOUR) {
                            reply_all(&mut batch, 7);
                        }
                    }
                })
            })
            .collect();
        let askers: Vec<_> = (0..2)
            .map(|lane| {
                let queue = queue.clone();
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let octets = round.to_be_bytes();
                        let waiting = queue.ask(question(&octets, lane, Why::Hash)).unwrap();
                        assert_eq!(waiting.answer.blocking_recv().unwrap(), response(7));
                    }
                })
            })
            .collect();
        let asked: Vec<_> = askers.into_iter().map(|asker| asker.join()).collect();
        // Before anything is demanded: a scope waits for its threads.
        stop.store(true, Ordering::Relaxed);
        for signer in &signers {
            signer.thread().unpark();
        }
        assert!(asked.iter().all(Result::is_ok));
    });
    assert_eq!(queue.depth(), 0);
}

#[test]
fn what_is_alike_in_another_lane_is_counted_there() {
    let (queue, questions) = question_queue(&settings(8, 2));
    let _first = queue.ask(question(b"a", 0, Why::Hash)).unwrap();
    let _other = queue.ask(question(b"a", 1, Why::Hash)).unwrap();
    let _same = queue.ask(question(b"a", 1, Why::Hash)).unwrap();
    let taken = |batch: Batch<'_>| (batch.questions[0].lane(), batch.questions[0].places());
    assert_eq!(take(&questions, 4).map(taken), Some((0, 1)));
    assert_eq!(take(&questions, 4).map(taken), Some((1, 2)));
    assert_eq!(questions.lane_stats(0).waiting, 0);
    assert_eq!(questions.lane_stats(1).waiting, 0);
    assert_eq!(queue.depth(), 0);
}

/// What a test does with the queue.
#[derive(Clone, Debug)]
enum Step {
    /// Asks one of a few things.
    Ask {
        what: u8,
        lane: usize,
        has_nonce: bool,
    },
    /// A signer takes some, and looks at the truth.
    Take { at_most: usize },
    /// The signer who took first answers.
    Answer,
    /// The truth changes, and somebody is told so.
    Change,
    /// A client hangs up.
    HangUp { which: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..3_u8, 0..3_usize, any::<bool>()).prop_map(|(what, lane, has_nonce)| Step::Ask {
            what,
            lane,
            has_nonce,
        }),
        2 => (1..4_usize).prop_map(|at_most| Step::Take { at_most }),
        2 => Just(Step::Answer),
        1 => Just(Step::Change),
        1 => any::<usize>().prop_map(|which| Step::HangUp { which }),
    ]
}

proptest! {
    /// Every question is answered once, with what was true when it was asked or later, whoever asked the
    /// same before; questions with a nonce never share; lanes keep their order and take turns.
    #[test]
    fn nobody_is_told_what_was_overtaken_before_he_asked(
        steps in prop::collection::vec(step(), 1..200),
        length in 1..20_usize,
    ) {
        let (queue, questions) = question_queue(&settings(length, 3));
        let mut truth = 0_u32;
        let mut waiting: Vec<(u32, Waiting)> = Vec::new();
        let mut in_service: std::collections::VecDeque<(u32, Batch<'_>)> = Default::default();
        // How many waited of what, by octets; each takes a place.
        let mut model: HashMap<usize, Vec<(Vec<u8>, usize)>> = HashMap::new();
        let mut turns: Vec<usize> = Vec::new();
        let mut unique = 0_u32;
        let settle = |waiting: &mut Vec<(u32, Waiting)>| {
            let mut ok = true;
            waiting.retain_mut(|(asked_at, place)| match place.answer.try_recv() {
                Ok(response) => {
                    let told = u32::from_be_bytes(response.body.try_into().unwrap());
                    ok &= told >= *asked_at;
                    false
                }
                Err(oneshot::error::TryRecvError::Empty) => true,
                Err(oneshot::error::TryRecvError::Closed) => {
                    ok = false;
                    false
                }
            });
            ok
        };
        for step in steps {
            match step {
                Step::Ask { what, lane, has_nonce } => {
                    unique += 1;
                    let mut octets = vec![what, u8::try_from(lane).unwrap()];
                    let why = if has_nonce { Why::Nonce } else { Why::Hash };
                    if has_nonce {
                        octets.extend(unique.to_be_bytes());
                    }
                    let depth = queue.depth();
                    match queue.ask(question(&octets, lane, why)) {
                        Ok(place) => {
                            prop_assert!(depth < length);
                            waiting.push((truth, place));
                            let line = model.entry(lane).or_default();
                            if line.is_empty() {
                                turns.push(lane);
                            }
                            match line.iter_mut().find(|(same, _)| *same == octets) {
                                Some((_, places)) => *places += 1,
                                None => line.push((octets, 1)),
                            }
                        }
                        Err(Shed::Full) => prop_assert_eq!(depth, length),
                        Err(shed) => prop_assert_eq!(shed, Shed::Quota),
                    }
                }
                Step::Take { at_most } => {
                    if let Some(batch) = take(&questions, at_most) {
                        prop_assert!(batch.questions.len() <= at_most);
                        let lane = batch.questions[0].lane();
                        // Abandoned ones may have gone, and with them turns.
                        while turns.first().is_some_and(|turn| *turn != lane) {
                            model.remove(&turns.remove(0));
                        }
                        for asked in &batch.questions {
                            prop_assert_eq!(asked.lane(), lane);
                            let line = model.get_mut(&lane).unwrap();
                            let place = line.iter().position(|(octets, _)| {
                                octets[..] == *asked.question.request_der
                            });
                            let place = place.expect("asked once");
                            prop_assert_eq!(asked.places(), line[place].1);
                            line.drain(..=place);
                        }
                        turns.retain(|turn| *turn != lane);
                        // Of a lane that gave less than it could nothing is left.
                        if batch.questions.len() < at_most {
                            model.remove(&lane);
                        } else if !model[&lane].is_empty() {
                            turns.push(lane);
                        }
                        in_service.push_back((truth, batch));
                    } else {
                        model.clear();
                        turns.clear();
                    }
                }
                Step::Answer => {
                    if let Some((seen, mut batch)) = in_service.pop_front() {
                        reply_all(&mut batch, seen);
                    }
                    prop_assert!(settle(&mut waiting), "told what was overtaken, or nothing");
                }
                Step::Change => truth += 1,
                Step::HangUp { which } => {
                    if !waiting.is_empty() {
                        drop(waiting.remove(which % waiting.len()));
                    }
                }
            }
            prop_assert!(queue.depth() <= length);
        }
        for (seen, mut batch) in in_service.drain(..) {
            reply_all(&mut batch, seen);
        }
        while let Some(mut batch) = take(&questions, 3) {
            reply_all(&mut batch, truth);
        }
        prop_assert!(settle(&mut waiting));
        prop_assert!(waiting.is_empty(), "somebody got no answer");
        prop_assert_eq!(queue.depth(), 0);
        prop_assert!(!questions.is_busy());
    }
}
