//! Whose question comes next.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use super::asked::AskedQuestion;

/// Questions by issuer. Issuers take turns, and each of their questions waits for the ones before it.
#[derive(Debug)]
pub(super) struct Scheduler {
    arrived: Receiver<AskedQuestion>,
    lanes: Vec<Line>,
    /// The lanes in which somebody waits, in the order of their turns.
    turns: VecDeque<usize>,
    /// Where questions wait that others may join, by their octets.
    alike: HashMap<Arc<[u8]>, Place>,
}

/// Those who wait in one lane.
#[derive(Debug, Default)]
struct Line {
    questions: VecDeque<AskedQuestion>,
    /// How many have left it, so that places keep their numbers.
    gone: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    lane: usize,
    /// Counted from the first that ever waited in the lane.
    number: usize,
}

impl Scheduler {
    pub(super) fn new(arrived: Receiver<AskedQuestion>, lanes: usize) -> Self {
        Self {
            arrived,
            lanes: (0..lanes).map(|_| Line::default()).collect(),
            turns: VecDeque::new(),
            alike: HashMap::new(),
        }
    }

    /// Puts what has arrived into its lanes; how many of it joined another.
    pub(super) fn sort_in(&mut self) -> u64 {
        let mut joined = 0;
        while let Ok(asked) = self.arrived.try_recv() {
            joined += u64::from(!self.put(asked));
        }
        joined
    }

    /// False where it joined one that waits.
    fn put(&mut self, asked: AskedQuestion) -> bool {
        let lane = asked.lane();
        if asked.may_be_shared()
            && let Some(same) = self.waiting_alike(&asked)
        {
            same.join(asked);
            return false;
        }
        let Some(line) = self.lanes.get_mut(lane) else {
            return true;
        };
        if asked.may_be_shared() {
            let number = line.gone.wrapping_add(line.questions.len());
            let octets = Arc::clone(&asked.question.request_der);
            self.alike.insert(octets, Place { lane, number });
        }
        if line.questions.is_empty() {
            self.turns.push_back(lane);
        }
        line.questions.push_back(asked);
        true
    }

    fn waiting_alike(&mut self, asked: &AskedQuestion) -> Option<&mut AskedQuestion> {
        let place = self.alike.get(&asked.question.request_der)?;
        // Octets name their issuer, so this is the same lane but for a table that changed meanwhile. Each
        // lane counts its own places.
        let line = self
            .lanes
            .get_mut(asked.lane())
            .filter(|_| place.lane == asked.lane())?;
        line.questions.get_mut(place.number.wrapping_sub(line.gone))
    }

    /// Takes up to `at_most` questions of the lane whose turn it is; its next turn comes after the
    /// others'. Those that nobody waits for any more are dropped on the way. `left` hears of every lane
    /// and how many places became free in it.
    pub(super) fn take(
        &mut self,
        now: Instant,
        at_most: usize,
        taken: &mut Vec<AskedQuestion>,
        left: &mut dyn FnMut(usize, usize),
    ) {
        while taken.is_empty()
            && let Some(lane) = self.turns.pop_front()
        {
            let Some(line) = self.lanes.get_mut(lane) else {
                continue;
            };
            while taken.len() < at_most.max(1)
                && let Some(asked) = line.questions.pop_front()
            {
                line.gone = line.gone.wrapping_add(1);
                if asked.may_be_shared() {
                    self.alike.remove(&asked.question.request_der);
                }
                left(lane, asked.places());
                if !asked.is_abandoned(now) {
                    taken.push(asked);
                }
            }
            if !line.questions.is_empty() {
                self.turns.push_back(lane);
            }
        }
    }
}
