//! Samples as a table for people and as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::goal::Goal;
use crate::machine::Machine;
use crate::sample::{Metric, Sample, medians};
use crate::server::Variant;

pub(crate) struct Report {
    pub(crate) scenarios: Vec<ScenarioResult>,
    pub(crate) failures: Vec<String>,
    pub(crate) skipped: Vec<String>,
}

pub(crate) struct ScenarioResult {
    pub(crate) name: String,
    pub(crate) goals: Vec<Goal>,
    pub(crate) runs: Vec<Runs>,
}

/// The samples of one server, a round each.
pub(crate) struct Runs {
    pub(crate) variant: Variant,
    pub(crate) samples: Vec<Sample>,
}

impl Report {
    /// A Markdown table: a row for each figure, a column for each server.
    pub(crate) fn table(&self) -> String {
        let mut variants = Vec::<&Variant>::new();
        for runs in self.scenarios.iter().flat_map(|scenario| &scenario.runs) {
            if !variants.contains(&&runs.variant) {
                variants.push(&runs.variant);
            }
        }
        let head = ["scenario".to_owned(), "figure".to_owned()];
        let names = variants.iter().map(|variant| variant.name());
        let mut rows: Vec<Vec<String>> =
            vec![head.into_iter().chain(names).chain(["goal".to_owned()]).collect()];
        for scenario in &self.scenarios {
            scenario.add_rows(&variants, &mut rows);
        }
        let mut text = aligned(&rows);
        for (label, lines) in [("skipped", &self.skipped), ("FAILED", &self.failures)] {
            for line in lines {
                let _ = write!(text, "\n{label}: {line}");
            }
        }
        text + "\n"
    }

    pub(crate) fn markdown(&self, machine: &Machine, command: &str) -> String {
        format!(
            "## {}\n\nCommit {}, {} x {}, Linux {}, loopback, the load generator on the same CPUs. Medians; in brackets the \
             ratio to nats-server in the same run.\n\n```sh\n{command}\n```\n\n{}",
            machine.date,
            machine.commit,
            machine.cpus,
            machine.cpu_model,
            machine.kernel,
            self.table()
        )
    }

    pub(crate) fn json(&self, machine: &Machine, command: &str) -> Value {
        json!({
            "commit": machine.commit,
            "date": machine.date,
            "kernel": machine.kernel,
            "cpu": machine.cpu_model,
            "cpus": machine.cpus,
            "command": command,
            "scenarios": self.scenarios.iter().map(ScenarioResult::json).collect::<Vec<_>>(),
            "skipped": self.skipped,
            "failed": self.failures,
        })
    }

    /// Goals met, and goals judged.
    pub(crate) fn goals_met(&self) -> (usize, usize) {
        let verdicts = self.scenarios.iter().flat_map(|scenario| {
            scenario.goals.iter().filter_map(|goal| scenario.verdict(goal).map(|(_, is_met)| is_met))
        });
        verdicts.fold((0, 0), |(met, judged), is_met| (met + usize::from(is_met), judged + 1))
    }
}

impl ScenarioResult {
    fn medians_of(&self, variant: &Variant) -> Sample {
        self.runs
            .iter()
            .find(|runs| runs.variant == *variant)
            .map(|runs| medians(&runs.samples))
            .unwrap_or_default()
    }

    fn reference(&self) -> Sample {
        let reference = self.runs.iter().find(|runs| runs.variant.is_reference());
        reference.map(|runs| medians(&runs.samples)).unwrap_or_default()
    }

    fn add_rows(&self, variants: &[&Variant], rows: &mut Vec<Vec<String>>) {
        let reference = self.reference();
        let columns: Vec<Sample> = variants.iter().map(|variant| self.medians_of(variant)).collect();
        let mut metrics: Vec<Metric> = columns.iter().flat_map(|sample| sample.keys().copied()).collect();
        metrics.sort_unstable();
        metrics.dedup();
        for (row, metric) in metrics.into_iter().enumerate() {
            let name = if row == 0 { self.name.clone() } else { String::new() };
            let mut cells = vec![name, metric.label().to_owned()];
            for (variant, sample) in variants.iter().zip(&columns) {
                let Some(value) = sample.get(&metric) else {
                    cells.push(String::new());
                    continue;
                };
                let base = reference.get(&metric).filter(|_| !variant.is_reference());
                let ratio = base.map(|base| format!(" ({:.2})", value / base)).unwrap_or_default();
                cells.push(figure(*value) + &ratio);
            }
            let goals = self.goals.iter().filter(|goal| goal.metric == metric);
            cells.push(goals.map(|goal| self.goal_text(goal)).collect::<Vec<_>>().join(", "));
            rows.push(cells);
        }
    }

    fn goal_text(&self, goal: &Goal) -> String {
        let text = match goal.shards {
            1 => format!("{} at 1 shard", goal.text()),
            shards => format!("{} at {shards}", goal.text()),
        };
        match self.verdict(goal) {
            None => text,
            Some((_, true)) => text + ": met",
            Some((_, false)) => text + ": **missed**",
        }
    }

    /// The figure a goal is about, and whether it is met; `None` where it was not measured.
    fn verdict(&self, goal: &Goal) -> Option<(f64, bool)> {
        let runs = self.runs.iter().find(|runs| match runs.variant {
            Variant::Reference { .. } => false,
            Variant::Natrium { shards, .. } => shards == goal.shards,
        })?;
        let value = *medians(&runs.samples).get(&goal.metric)?;
        let ratio = self.reference().get(&goal.metric).map(|base| value / base);
        goal.is_met(value, ratio).map(|is_met| (value, is_met))
    }

    fn json(&self) -> Value {
        let reference = self.reference();
        let servers = self.runs.iter().map(|runs| {
            let medians = medians(&runs.samples);
            let ratios =
                medians.iter().filter_map(|(metric, value)| Some((*metric, value / reference.get(metric)?)));
            json!({
                "server": runs.variant.name(),
                "medians": object(&medians),
                "ratios": object(&ratios.collect()),
                "rounds": runs.samples.iter().map(object).collect::<Vec<_>>(),
            })
        });
        let goals = self.goals.iter().map(|goal| {
            json!({
                "figure": goal.metric.key(),
                "shards": goal.shards,
                "bound": goal.text(),
                "met": self.verdict(goal).map(|(_, is_met)| is_met),
            })
        });
        json!({
            "scenario": self.name,
            "servers": servers.collect::<Vec<_>>(),
            "goals": goals.collect::<Vec<_>>(),
        })
    }
}

fn object(sample: &Sample) -> Value {
    Value::Object(
        sample.iter().map(|(metric, value)| (metric.key().to_owned(), json!(value))).collect::<Map<_, _>>(),
    )
}

/// Three digits where there are fewer than a thousand, thousands and millions by their letter.
fn figure(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.2} M", value / 1e6),
        value if value >= 1e4 => format!("{:.0} k", value / 1e3),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.4}"),
    }
}

/// The first row is the head.
fn aligned(rows: &[Vec<String>]) -> String {
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if index == 0 {
            for width in &widths {
                let _ = write!(text, "|{}", "-".repeat(width + 2));
            }
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::goal::Bound;

    fn report() -> Report {
        let binary = PathBuf::from("natrium");
        let runs = |variant, rates: [f64; 3]| Runs {
            variant,
            samples: rates.map(|rate| Sample::from([(Metric::Rate, rate)])).to_vec(),
        };
        Report {
            scenarios: vec![ScenarioResult {
                name: "1 -> 1".to_owned(),
                goals: vec![Goal { metric: Metric::Rate, bound: Bound::RatioAtLeast(4.0), shards: 2 }],
                runs: vec![
                    runs(Variant::Reference { binary: binary.clone() }, [2e6, 1e6, 9e6]),
                    runs(Variant::Natrium { binary, shards: 2 }, [7e6, 6e6, 1e6]),
                ],
            }],
            failures: Vec::new(),
            skipped: vec!["TLS".to_owned()],
        }
    }

    #[test]
    fn the_table_has_medians_ratios_and_goals() {
        let table = report().table();
        assert!(table.contains("| 2.00 M"), "{table}");
        assert!(table.contains("| 6.00 M (3.00)"), "{table}");
        assert!(table.contains(">= 4x at 2: **missed**"), "{table}");
        assert!(table.contains("skipped: TLS"), "{table}");
        assert_eq!(report().goals_met(), (0, 1));
    }

    #[test]
    fn json_has_the_ratio_of_medians() {
        let machine = Machine::default();
        let json = report().json(&machine, "command");
        assert_eq!(json["scenarios"][0]["servers"][1]["ratios"]["rate"], json!(3.0));
        assert_eq!(json["scenarios"][0]["goals"][0]["met"], json!(false));
    }
}
