//! Statements that many connections in a row may lead to are told once in a while only, so that whoever knocks often does
//! not fill the log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What was told lately. Owned by the thread that tells it, so that nobody waits for anybody.
#[derive(Debug, Default)]
pub struct Repeats {
    /// When each statement was told last. Statements are few, being literals of the code; `told` never holds more than
    /// [`STATEMENTS_MAX`].
    told: BTreeMap<&'static str, Instant>,
}

/// As long as the reference's, which looks once a second and so may take nearly twice as long.
const PERIOD: Duration = Duration::from_secs(1);
/// More are not remembered, and so told each time: a line too many is better than one too few.
const STATEMENTS_MAX: usize = 64;

impl Repeats {
    /// Whether `statement` is to be told at `now`. It names what is said without who it is said of and without numbers:
    /// the next connection with the same trouble says nothing new.
    pub fn is_news(&mut self, statement: &'static str, now: Instant) -> bool {
        if self.told.get(statement).is_some_and(|told| now.saturating_duration_since(*told) < PERIOD) {
            return false;
        }
        if self.told.len() >= STATEMENTS_MAX {
            self.told.retain(|_, told| now.saturating_duration_since(*told) < PERIOD);
        }
        if self.told.len() < STATEMENTS_MAX {
            self.told.insert(statement, now);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "Warning number 1";
    const TWO: &str = "Warning number 2";

    // go: server/server_test.go TestServerRateLimitLogging
    #[test]
    fn a_statement_is_told_once_in_a_period() {
        let mut repeats = Repeats::default();
        let start = Instant::now();
        for round in 0..3 {
            let begin = start + round * PERIOD;
            let told = [ONE, TWO, ONE, TWO].map(|statement| repeats.is_news(statement, begin));
            assert_eq!(told, [true, true, false, false]);
            assert!(!repeats.is_news(ONE, begin + PERIOD - Duration::from_nanos(1)));
        }
    }

    #[test]
    fn what_is_repeated_all_the_time_is_told_all_the_same() {
        let mut repeats = Repeats::default();
        let start = Instant::now();
        let told = (0..100).filter(|at| repeats.is_news(ONE, start + *at * (PERIOD / 10))).count();
        assert_eq!(told, 10);
    }

    #[test]
    fn there_is_room_for_a_number_of_statements_and_it_is_given_back() {
        let mut repeats = Repeats::default();
        let start = Instant::now();
        let statements: Vec<&'static str> =
            (0..=STATEMENTS_MAX).map(|number| &*number.to_string().leak()).collect();
        assert!(statements.iter().all(|statement| repeats.is_news(statement, start)));
        let again: Vec<bool> = statements.iter().map(|statement| repeats.is_news(statement, start)).collect();
        // The one there was no room for is told again.
        assert_eq!(again.iter().filter(|told| **told).count(), 1);
        assert!(again[STATEMENTS_MAX]);
        assert!(repeats.is_news(ONE, start + PERIOD));
        assert_eq!(repeats.told.len(), 1);
    }
}
