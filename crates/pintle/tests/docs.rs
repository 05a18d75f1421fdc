//! The README and the book in `docs/`, done: each page is run as its reader would, and shows what
//! really happens. How a page is read stands in `support/pages.rs`.

#![cfg(test)]

#[path = "support/harness.rs"]
mod harness;
#[path = "support/links.rs"]
mod links;
#[path = "support/pages.rs"]
mod pages;

use std::process::Command;

use harness::server::repository;
use pintle_http::Reason;

/// Pages without anything to do in them.
const PROSE: [&str; 2] = ["docs/src/introduction.md", "docs/src/glossary.md"];

/// Pages that only a build with a feature can show; the tests of that feature run them.
const OF_FEATURES: [&str; 2] = ["docs/src/traces.md", "docs/src/nats.md"];

/// A test for the README and for each page of the book.
macro_rules! pages {
    ($($name:ident: $page:literal,)*) => {
        const PAGES: &[&str] = &[$($page),*];
        $(
            #[tokio::test]
            async fn $name() {
                check($page).await;
            }
        )*
    };
}

pages! {
    readme: "README.md",
    introduction: "docs/src/introduction.md",
    quick_start: "docs/src/quick-start.md",
    status_contract: "docs/src/status-contract.md",
    conditions: "docs/src/conditions.md",
    operations: "docs/src/operations.md",
    upgrade: "docs/src/upgrade.md",
    troubleshooting: "docs/src/troubleshooting.md",
    glossary: "docs/src/glossary.md",
    from_fabrica: "docs/src/from-fabrica.md",
    rest: "docs/src/rest.md",
    rust: "docs/src/rust.md",
    identities: "docs/src/identities.md",
    events: "docs/src/events.md",
    webhooks: "docs/src/webhooks.md",
    openapi: "docs/src/openapi.md",
    kubernetes: "docs/src/kubernetes.md",
    graphql: "docs/src/graphql.md",
    graphql_controllers: "docs/src/graphql-controllers.md",
    controllers: "docs/src/controllers.md",
    policy: "docs/src/policy.md",
    files: "docs/src/files.md",
    observability: "docs/src/observability.md",
    commands: "docs/src/commands.md",
    settings: "docs/src/settings.md",
    backup: "docs/src/backup.md",
    audit: "docs/src/audit.md",
}

fn read(page: &str) -> String {
    let file = repository().join(page);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

async fn check(page: &str) {
    let text = read(page);
    let shows = !pages::steps(&text).is_empty();
    assert_ne!(shows, PROSE.contains(&page), "a page shows what it says");
    pages::check(&text).await;
}

/// Reasons that only doors with server-side apply have.
const OF_OTHER_DOORS: [Reason; 1] = [Reason::FieldManagerConflict];

/// The rows of the table of failures: `| 409, 412 | `CONFLICT` | …`.
#[test]
fn every_reason_is_explained_with_its_status() {
    let text = read("docs/src/rest.md");
    let reasons = || Reason::ALL.iter().filter(|reason| !OF_OTHER_DOORS.contains(reason));
    for reason in reasons() {
        let (start, end) = (format!("| {}", reason.status().as_str()), format!(" | `{reason}` | "));
        let is_row = |line: &str| line.starts_with(&start) && line.contains(&end);
        assert!(text.lines().any(is_row), "{reason} with {}", reason.status());
    }
    let is_row = |line: &&str| line.starts_with("| 4") || line.starts_with("| 5");
    assert_eq!(text.lines().filter(is_row).count(), reasons().count());
}

/// The rows of the table of metrics, `| `NAME` | …`, and the families of the page.
#[tokio::test]
async fn every_metric_is_in_the_table_and_no_other() {
    let records = tempfile::tempdir().expect("a temporary directory");
    let launch = harness::server::Launch::devices();
    let server = launch.arg("--audit-log").arg(records.path().join("audit.log")).start().await;
    let page = server.get("/metrics").await.expect(200).text();
    let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut exported: Vec<_> =
        families.filter_map(|family| family.split(' ').next().map(str::to_owned)).collect();
    let text = read("docs/src/observability.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let is_metric = |name: &&str| name.starts_with("pintle_") || name.starts_with("process_");
    let mut explained: Vec<_> = rows.filter(is_metric).map(str::to_owned).collect();
    exported.sort();
    explained.sort();
    assert!(exported.len() > 20);
    assert_eq!(explained, exported);
}

/// Code of other languages cannot be run here, but it is cut out of programs that `.ci` runs.
#[test]
fn controllers_that_are_shown_are_those_that_are_tried() {
    let device = "sdk/pintle-controller/examples/device.rs";
    let sources = [
        ("go", ["interop/go/controller.go"].as_slice()),
        ("rust", &["interop/kube-rs/src/main.rs", device]),
        ("python", &["interop/kopf/handlers.py"]),
    ];
    let text = read("docs/src/controllers.md");
    for (language, files) in sources {
        let sources: Vec<_> = files.iter().map(|file| read(file)).collect();
        let start = format!("```{language}\n");
        let blocks: Vec<_> = text.split(start.as_str()).skip(1).collect();
        assert!(!blocks.is_empty(), "there is no {language}");
        for block in blocks {
            let code = block.split("```").next().unwrap_or_default();
            let is_tried = sources.iter().any(|source| source.contains(code));
            assert!(is_tried, "this {language} is not tried:\n{code}");
        }
    }
}

#[test]
fn every_page_is_in_the_summary_and_run() {
    let summary = read("docs/src/SUMMARY.md");
    for page in std::fs::read_dir(repository().join("docs/src")).expect("there is a book") {
        let name = page.expect("it can be listed").file_name().into_string().expect("UTF-8");
        let listed = name == "SUMMARY.md" || summary.contains(&format!("({name})"));
        assert!(listed, "{name} is missing in docs/src/SUMMARY.md");
        let page = format!("docs/src/{name}");
        let pages = [PAGES, &OF_FEATURES].concat();
        let run = name == "SUMMARY.md" || pages.contains(&page.as_str());
        assert!(run, "{page} is missing in `pages!` of tests/docs.rs");
    }
}

/// What `pintle … --help` prints.
fn help(command: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pintle")).args(command).arg("--help").output();
    String::from_utf8(output.expect("the program starts").stdout).expect("help is UTF-8")
}

/// What can stand behind `pintle …`, as its help lists it.
fn commands_in(command: &[&str]) -> Vec<String> {
    let help = help(command);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed.map_while(|line| line.strip_prefix("  ")?.split(' ').next());
    // Longer descriptions go on in lines that are indented further.
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

#[test]
fn the_table_of_commands_is_complete() {
    let text = read("docs/src/commands.md");
    let mut commands = Vec::new();
    for command in commands_in(&[]) {
        let below = commands_in(&[&command]);
        let is_alone = below.is_empty();
        commands.extend(below.iter().map(|name| format!("{command} {name}")));
        commands.extend(is_alone.then_some(command));
    }
    assert!(commands.len() > 10, "{commands:?}");
    for command in &commands {
        let (row, start) = (format!("| `pintle {command}` |"), format!("| `pintle {command} "));
        let is_row = |line: &str| line.starts_with(&row) || line.starts_with(&start);
        assert!(text.lines().any(is_row), "docs/src/commands.md has no row for {command}");
    }
    let rows = text.lines().filter(|line| line.starts_with("| `pintle ")).count();
    assert_eq!(rows, commands.len(), "each row is a command");
}

#[test]
fn the_table_of_settings_is_complete() {
    let text = read("docs/src/settings.md");
    let help = help(&["serve"]);
    let words = help.split_whitespace();
    let variables: Vec<&str> = words
        .skip_while(|word| *word != "Options:")
        .filter_map(|word| word.strip_suffix(']'))
        .filter(|word| word.starts_with("PINTLE_"))
        .collect();
    assert!(variables.len() > 10, "the help names the variable of each option:\n{help}");
    for variable in variables {
        let name = variable.trim_start_matches("PINTLE_").replace('_', "-").to_lowercase();
        let is_row = |line: &str| {
            line.starts_with(&format!("| `--{name}")) && line.contains(&format!("`{variable}`"))
        };
        assert!(
            text.lines().any(is_row),
            "docs/src/settings.md has no row for --{name} and {variable}"
        );
    }
}
