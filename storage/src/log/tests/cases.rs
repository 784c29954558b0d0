//! What a log promises, seed after seed, and case by case.

use super::world::{Report, Rules, run};

const RULES: Rules = Rules { has_page_rule: true, faults: true };

/// Seeds of a test run; `NATRIUM_LOG_SEEDS` asks for more of them, `NATRIUM_LOG_SEED` for one.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    match number("NATRIUM_LOG_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("NATRIUM_LOG_SEEDS").unwrap_or(400),
    }
}

#[test]
fn nothing_acknowledged_is_lost() {
    let mut all = Report::default();
    let mut lost = Vec::new();
    for seed in seeds() {
        let report = match run(seed, RULES) {
            Ok(report) => report,
            Err(error) => {
                lost.push(format!("seed {seed}: {error}"));
                continue;
            }
        };
        all.crashes += report.crashes;
        all.closes += report.closes;
        all.interrupted_recoveries += report.interrupted_recoveries;
        all.replayed_files += report.replayed_files;
        all.refused += report.refused;
        all.acknowledged += report.acknowledged;
        all.folds += report.folds;
        all.directs += report.directs;
        all.log_failures += report.log_failures;
    }
    let is_all = seeds().end - seeds().start >= 400;
    let seen = [
        all.closes,
        all.interrupted_recoveries,
        all.replayed_files,
        all.refused,
        all.folds,
        all.directs,
        all.log_failures,
    ];
    assert!(!is_all || seen.iter().all(|&count| count > 0), "the worlds leave something out: {all:?}");
    assert!(lost.is_empty(), "{} seeds: {:#?}", lost.len(), &lost[..lost.len().min(5)]);
}

#[test]
fn without_the_page_rule_something_is_lost() {
    let lost = (0..400).find_map(|seed| run(seed, Rules { has_page_rule: false, faults: false }).err());
    assert!(lost.is_some(), "the worlds do not see what the page rule is for");
}

#[test]
fn a_seed_says_it_all() {
    for seed in 0..5 {
        assert_eq!(run(seed, RULES), run(seed, RULES), "seed {seed}");
    }
}
