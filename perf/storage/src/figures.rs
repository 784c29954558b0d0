//! Figures of the rounds, their medians, and the table they make.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::error::RigError;
use crate::machine::Machine;
use crate::scenario::Scale;

/// What one run of a scenario measured, in the order of the table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(Vec<(String, f64)>);

impl Figures {
    pub(crate) fn add(&mut self, label: impl Into<String>, value: f64) {
        self.0.push((label.into(), value));
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// As [`Self::read`] takes them.
    pub(crate) fn lines(&self) -> String {
        self.0.iter().fold(String::new(), |text, (label, value)| text + &format!("{label}\t{value}\n"))
    }

    pub(crate) fn read(text: &str) -> Self {
        let figure = |line: &str| {
            let (label, value) = line.split_once('\t')?;
            Some((label.to_owned(), value.parse().ok()?))
        };
        Self(text.lines().filter_map(figure).collect())
    }
}

/// What is wanted of a figure.
#[derive(Clone, Copy, Debug)]
enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// Figure by figure what is wanted, with the scenario each belongs to.
const GOALS: &[(&str, &str, Goal)] = &[
    ("append, 128 B, 1,000 in flight", "acknowledged/s", Goal::AtLeast(400e3)),
    ("append, 128 B, 1,000 in flight", "CPU us a message", Goal::AtMost(1.2)),
    ("append, 16 KiB, 1,000 in flight", "of the bare loop", Goal::AtLeast(0.7)),
    ("append, one at a time", "times as long as the bare loop", Goal::AtMost(1.3)),
    ("1,000 streams", "of the bare loop", Goal::AtLeast(0.8)),
    ("1,000 streams, a slower sync", "of the bare loop", Goal::AtLeast(0.8)),
    ("1,000 streams, a slower sync", "times one at a time", Goal::AtLeast(20.0)),
    ("read, 128 B", "cached, in sequence/s", Goal::AtLeast(3e6)),
    ("read, 128 B", "from disk, in sequence/s", Goal::AtLeast(1e6)),
    ("read, 128 B", "disk reads a message at random", Goal::AtMost(1.0)),
    ("recovery, 1 subject", "recovery s", Goal::AtMost(0.3)),
    ("recovery, 1 subject", "MB at rest with 100 M messages", Goal::AtMost(50.0)),
    ("recovery, a subject a message", "recovery s", Goal::AtMost(2.0)),
    ("recovery, a subject a message", "B a subject over its bytes", Goal::AtMost(100.0)),
];

pub(crate) struct Report {
    scale: Scale,
    scenarios: Vec<(&'static str, Vec<Figures>)>,
    failures: Vec<String>,
}

impl Report {
    pub(crate) fn new(scale: Scale) -> Self {
        Self { scale, scenarios: Vec::new(), failures: Vec::new() }
    }

    pub(crate) fn add(&mut self, scenario: &'static str, figures: Figures) {
        match self.scenarios.iter_mut().find(|(name, _)| *name == scenario) {
            Some((_, rounds)) => rounds.push(figures),
            None => self.scenarios.push((scenario, vec![figures])),
        }
    }

    pub(crate) fn fail(&mut self, scenario: &str, error: &RigError) {
        eprintln!("  {error}");
        self.failures.push(format!("{scenario}: {error}"));
    }

    pub(crate) fn has_failures(&self) -> bool {
        !self.failures.is_empty()
    }

    /// A Markdown table: a row for each figure with its median, its least and its most.
    pub(crate) fn table(&self) -> String {
        let head = ["scenario", "figure", "median", "least", "most", "goal"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for (scenario, rounds) in &self.scenarios {
            let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
            for (label, value) in rounds.iter().flat_map(|figures| &figures.0) {
                values.entry(label).or_default().push(*value);
            }
            let labels = rounds.first().into_iter().flat_map(|figures| &figures.0).map(|(label, _)| label);
            for (at, label) in labels.enumerate() {
                let Some(values) = values.get_mut(label.as_str()) else { continue };
                values.sort_unstable_by(f64::total_cmp);
                let median = values[values.len() / 2];
                rows.push(vec![
                    if at == 0 { (*scenario).to_owned() } else { String::new() },
                    label.clone(),
                    text_of(median),
                    text_of(values[0]),
                    text_of(values[values.len() - 1]),
                    self.verdict(scenario, label, median),
                ]);
            }
        }
        let mut text = aligned(&rows);
        for failure in &self.failures {
            let _ = write!(text, "\nFAILED: {failure}");
        }
        text
    }

    pub(crate) fn markdown(&self, machine: &Machine, command: &str) -> String {
        let Machine { commit, date, kernel, cpu_model, cpus } = machine;
        format!(
            "## {date}\n\nCommit {commit}, {cpus} x {cpu_model}, Linux {kernel}, a shared disk and shared CPUs.\n\n\
             ```sh\n{command}\n```\n\n{}\n",
            self.table()
        )
    }

    fn verdict(&self, scenario: &str, label: &str, value: f64) -> String {
        let goal = GOALS.iter().find(|(of, figure, _)| *of == scenario && *figure == label);
        let Some((.., goal)) = goal else { return String::new() };
        let (text, is_met) = match goal {
            Goal::AtLeast(least) => (format!(">= {}", text_of(*least)), value >= *least),
            Goal::AtMost(most) => (format!("<= {}", text_of(*most)), value <= *most),
        };
        match (self.scale, is_met) {
            // So little load measures nothing.
            (Scale::Quick, _) => text,
            (Scale::Full, true) => text + ": met",
            (Scale::Full, false) => text + ": **missed**",
        }
    }
}

fn text_of(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.2} M", value / 1e6),
        value if value >= 1e4 => format!("{:.1} k", value / 1e3),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 0.1 || value == 0.0 => format!("{value:.2}"),
        value => format!("{value:.4}"),
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text += "|\n";
        if at == 0 {
            for width in &widths {
                let _ = write!(text, "|{}", "-".repeat(width + 2));
            }
            text += "|\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_back_from_their_lines() {
        let mut figures = Figures::default();
        figures.add("a rate", 0.1 + 0.2);
        figures.add("b", 4e9);
        assert_eq!(Figures::read(&figures.lines()).0, figures.0);
    }

    #[test]
    fn the_table_has_medians_and_verdicts() {
        let mut report = Report::new(Scale::Full);
        for value in [500e3, 300e3, 450e3] {
            let mut figures = Figures::default();
            figures.add("acknowledged/s", value);
            report.add(GOALS[0].0, figures);
        }
        let table = report.table();
        let cells: Vec<&str> = table.lines().last().unwrap().split('|').map(str::trim).collect();
        assert_eq!(cells[2..7], ["acknowledged/s", "450.0 k", "300.0 k", "500.0 k", ">= 400.0 k: met"]);
    }

    #[test]
    fn every_goal_is_of_a_scenario() {
        for (scenario, ..) in GOALS {
            assert!(crate::scenario::SCENARIOS.iter().any(|known| known.name == *scenario), "{scenario}");
        }
    }
}
