//! Questions about the state, which the thread that owns it answers between two loads.

use std::collections::VecDeque;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::instant;
use crate::detect::Detect;

/// How long somebody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Questions that may wait; HTTP asks at most eight at one time.
const WAITING: usize = 16;
/// After an answer that took some time the state is left alone for this many times as long: readers cost the main
/// path one part in twenty at most.
const REST: u32 = 19;

type Question = Box<dyn FnOnce(&Detect) + Send>;

/// What waits to be answered.
#[derive(Default)]
pub(super) struct Questions {
    waiting: Mutex<VecDeque<Question>>,
    /// Before this no question is answered.
    rests_until: Mutex<Option<Instant>>,
}

impl Questions {
    /// Asks and waits; `None` where there is no answer in time.
    pub(super) fn ask<T, F>(&self, ask: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce(&Detect) -> T + Send + 'static,
    {
        let (sender, answer) = sync_channel(1);
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= WAITING {
                return None;
            }
            // Who asked may be gone by then.
            waiting.push_back(Box::new(move |detect| drop(sender.try_send(ask(detect)))));
        }
        answer.recv_timeout(PATIENCE).ok()
    }

    /// Answers one question, where one waits and the last was long enough ago.
    pub(super) fn answer(&self, detect: &Detect) {
        let began = instant();
        let mut rests_until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        if rests_until.is_some_and(|until| began < until) {
            return;
        }
        let next = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if let Some(question) = next {
            question(detect);
            *rests_until = Some(instant() + began.elapsed() * REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::detect::Settings;

    #[test]
    fn a_question_is_answered_and_a_long_answer_is_followed_by_rest() {
        let (questions, detect) = (Arc::new(Questions::default()), Detect::new(Settings::default()));
        let asker = {
            let questions = Arc::clone(&questions);
            std::thread::spawn(move || questions.ask(|detect| detect.sizes().series))
        };
        while !asker.is_finished() {
            questions.answer(&detect);
            std::thread::yield_now();
        }
        assert_eq!(asker.join().unwrap(), Some(0));
        assert!(questions.rests_until.lock().unwrap().is_some());
        *questions.rests_until.lock().unwrap() = Some(instant() + Duration::from_secs(3600));
        questions.waiting.lock().unwrap().push_back(Box::new(|_| panic!("not yet")));
        questions.answer(&detect);
        assert_eq!(questions.waiting.lock().unwrap().len(), 1);
    }

    #[test]
    fn who_finds_too_many_waiting_is_turned_away() {
        let questions = Questions::default();
        for _ in 0..WAITING {
            questions.waiting.lock().unwrap().push_back(Box::new(|_| ()));
        }
        assert_eq!(questions.ask(|_| ()), None);
    }
}
