//! What came of each project, as a table.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::project::{Project, Unserved};
use crate::table::condition;

/// What came of one project.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) project: String,
    /// Files with definitions.
    pub(super) definitions: usize,
    /// Definitions in force.
    pub(super) established: usize,
    /// Versions that are served.
    pub(super) versions: usize,
    /// Samples that are there.
    pub(super) samples: usize,
    /// Statuses written and read back.
    pub(super) statuses: usize,
    /// Samples that cannot be there.
    pub(super) refused: Vec<Unserved>,
    pub(super) start: Duration,
}

impl Report {
    pub(super) fn new(
        project: &Project,
        start: Duration,
        definitions: &[Value],
        refused: Vec<Unserved>,
    ) -> Self {
        let served = |definition: &Value| {
            let versions = definition["spec"]["versions"].as_array();
            versions.into_iter().flatten().filter(|version| version["served"] == true).count()
        };
        let established = definitions.iter().filter(|it| condition(it, "Established") == "True");
        Self {
            project: project.name.clone(),
            definitions: project.definitions.len(),
            established: established.count(),
            versions: definitions.iter().map(served).sum(),
            samples: 0,
            statuses: 0,
            refused,
            start,
        }
    }

    fn why(&self) -> String {
        match self.refused.first() {
            None => String::new(),
            Some(one) => {
                format!("{}: {} {} is not served", self.refused.len(), one.kind, one.version)
            }
        }
    }
}

/// All of them, in Markdown, with sums.
pub(super) fn table(reports: &[Report]) -> String {
    let mut out =
        "| project | CRDs | established | versions served | samples | statuses written | \
                   samples refused | start |\n|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for report in reports {
        let Report { project, definitions, established, versions, samples, statuses, .. } = report;
        let (why, start) = (report.why(), report.start);
        writeln!(
            out,
            "| {project} | {definitions} | {established} | {versions} | {samples} | {statuses} | \
             {why} | {start:.1?} |"
        )
        .expect("text grows in memory");
    }
    let sum = |of: fn(&Report) -> usize| reports.iter().map(of).sum::<usize>();
    writeln!(
        out,
        "| all | {} | {} | {} | {} | {} | {} | |",
        sum(|report| report.definitions),
        sum(|report| report.established),
        sum(|report| report.versions),
        sum(|report| report.samples),
        sum(|report| report.statuses),
        sum(|report| report.refused.len()),
    )
    .expect("text grows in memory");
    out
}
