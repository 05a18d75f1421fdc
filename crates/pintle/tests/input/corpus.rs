//! The kinds of well-known projects, as their repositories have them: every definition is in force
//! or refused for a reason that Kubernetes would give too, every sample is there, and statuses are
//! written and read back. Skipped, with a line that says so, where the files are not at hand.

mod project;
mod report;

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::harness::server::{Launch, Server};
use crate::table::{assert_sound, condition, judged};
use project::Project;
use report::Report;

/// Where the files are, when they are.
fn crds() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/crds");
    let found = folder.canonicalize().ok();
    if found.is_none() {
        println!("skipped: there is no {}", folder.display());
    }
    found
}

/// The folders of the projects, in the order of their names.
fn projects(crds: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(crds).expect("the folder can be read");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut folders: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// So many servers at once: as many as small machines have cores.
static SEATS: Semaphore = Semaphore::const_new(2);

#[tokio::test]
async fn the_kinds_of_every_project_are_served() {
    let Some(crds) = crds() else { return };
    let folders = projects(&crds);
    let mut running = JoinSet::new();
    for folder in folders.clone() {
        running.spawn(async move {
            let _seat = SEATS.acquire().await.expect("it is never closed");
            try_project(&folder).await
        });
    }
    let mut reports = running.join_all().await;
    reports.sort_by(|one, other| one.project.cmp(&other.project));
    println!("{}", report::table(&reports));
    // Nothing was left out.
    let sum = |of: fn(&Report) -> usize| reports.iter().map(of).sum::<usize>();
    let files = |below: &str| {
        folders.iter().map(|folder| project::files_in(&folder.join(below)).len()).sum::<usize>()
    };
    assert_eq!(sum(|report| report.definitions), files(""));
    assert_eq!(sum(|report| report.samples + report.refused.len()), files("samples"));
    assert!(reports.iter().all(|report| report.established == report.definitions));
}

/// Serves one project, without the samples that no server of these definitions can have.
async fn try_project(folder: &Path) -> Report {
    let project = Project::read(folder);
    let refused = project.unserved();
    let copy = tempfile::tempdir().expect("a temporary directory");
    project.copy(copy.path(), &refused);
    let begun = Instant::now();
    let server = Launch::bare().path(copy.path()).arg("--store=memory").start().await;
    let start = begun.elapsed();
    let definitions = judged(&server, &[]).await;
    let mut report = Report::new(&project, start, &definitions, refused);
    for definition in &definitions {
        assert_eq!(
            condition(definition, "Established"),
            "True",
            "{}",
            definition["metadata"]["name"]
        );
    }
    report.samples = project.every_sample_exists(&server, &report.refused).await;
    report.statuses = project.write_statuses(&server, &definitions).await;
    assert_sound(&server).await;
    report
}

/// What cannot be served stops the start, with the name of its file and the reason.
#[tokio::test]
async fn a_sample_of_a_version_that_is_not_served_stops_the_start() {
    let Some(crds) = crds() else { return };
    let project = Project::read(&crds.join("gateway-api"));
    let refused = project.unserved();
    let one = refused.first().expect("some versions of its kinds are not served");
    let file = project.folder.join("samples").join(&one.file);
    let kinds = project::files_in(&project.folder);
    let kind = kinds.iter().find(|path| path.to_string_lossy().contains(&one.plural));
    let mut launch = Launch::bare().arg("--store=memory").path(kind.expect("it is declared"));
    launch = launch.path(&file);
    let output = launch.output();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(&one.file) && stderr.contains("has no served version"), "{stderr}");
}

/// All projects at once, on SQLite: which of two files declares a kind, and that a second start
/// over the same data writes nothing.
#[tokio::test]
async fn all_projects_at_once() {
    let Some(crds) = crds() else { return };
    let _seats = SEATS.acquire_many(2).await.expect("it is never closed");
    let copy = copy_of_all(&crds);
    let begun = Instant::now();
    let mut server = Launch::bare().path(copy.path()).start().await;
    let started = begun.elapsed();
    let definitions = judged(&server, &[]).await;
    for definition in &definitions {
        assert_eq!(
            condition(definition, "Established"),
            "True",
            "{}",
            definition["metadata"]["name"]
        );
    }
    assert_last_files_count(&server, copy.path(), &definitions);
    let resident = resident_kib(&server);
    let before = (newest(&server).await, definitions.len());
    let begun = Instant::now();
    server.restart().await;
    let again = begun.elapsed();
    assert_eq!((newest(&server).await, judged(&server, &[]).await.len()), before, "written again");
    println!(
        "all projects on SQLite: {} kinds, first start {started:.2?}, {resident} KiB resident, \
         stopped and started again in {again:.2?}",
        before.1
    );
    assert_sound(&server).await;
}

/// The files of all projects, but for samples of versions that are not served.
fn copy_of_all(crds: &Path) -> TempDir {
    let copy = tempfile::tempdir().expect("a temporary directory");
    for folder in projects(crds) {
        let project = Project::read(&folder);
        let refused = project.unserved();
        project.copy(&copy.path().join(&project.name), &refused);
    }
    copy
}

/// Some projects carry the definitions of others. The file that is read last is the one that
/// counts, and it is said which ones do not.
fn assert_last_files_count(server: &Server, copy: &Path, definitions: &[Value]) {
    let files: Vec<PathBuf> =
        projects(copy).iter().flat_map(|folder| project::files_in(folder)).collect();
    let name = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    for (index, file) in files.iter().enumerate() {
        let name = name(file);
        let twin = files.iter().skip(index + 1).find(|later| later.file_stem() == file.file_stem());
        if twin.is_some() {
            let log = server.stderr();
            assert!(log.contains(&file.display().to_string()), "{name} twice, and not a word");
            continue;
        }
        let stored = definitions.iter().find(|it| it["metadata"]["name"] == *name);
        let stored = stored.unwrap_or_else(|| panic!("{name} is not there"));
        let declared = project::document(file);
        let annotations = declared["metadata"]["annotations"].as_object();
        for (key, value) in annotations.into_iter().flatten() {
            assert_eq!(stored["metadata"]["annotations"][key], *value, "{name} {key}");
        }
    }
}

async fn newest(server: &Server) -> String {
    let list = server.get("/namespaces?limit=1").await.expect(200);
    list.header("pintle-resource-version").to_owned()
}

/// What the process has in memory; zero where the system does not tell.
fn resident_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
