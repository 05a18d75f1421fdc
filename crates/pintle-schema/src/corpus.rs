//! Declarations and objects of well-known projects: all must be accepted. The files are not part of
//! this repository; without them the test says so and passes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::{Definition, core_definitions};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/crds");

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> Map<String, Value> {
    let text = std::fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text<'a>(object: &'a Map<String, Value>, path: &[&str]) -> &'a str {
    let first = object.get(path[0]);
    let found = path[1..].iter().fold(first, |value, field| value?.get(field));
    found.and_then(Value::as_str).unwrap_or_default()
}

fn body(object: &Map<String, Value>) -> Map<String, Value> {
    let is_body = |name: &str| !["apiVersion", "kind", "metadata", "status"].contains(&name);
    let fields = object.iter().filter(|(name, _)| is_body(name));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[derive(Default)]
struct Tally {
    declarations: usize,
    samples: usize,
    compiling: Duration,
    slowest: (Duration, String),
    checking: Duration,
    faults: Vec<String>,
}

impl Tally {
    fn declaration(&mut self, path: &Path) -> Option<Definition> {
        let object = read(path);
        let mut body = body(&object);
        let name = text(&object, &["metadata", "name"]);
        let declaration = &core_definitions()[0];
        let unknown = declaration.storage_version().normalize_body(&mut body);
        assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
        let start = Instant::now();
        let definition = Definition::from_crd(name, &body);
        let took = start.elapsed();
        self.declarations += 1;
        self.compiling += took;
        if took > self.slowest.0 {
            self.slowest = (took, name.to_owned());
        }
        definition
            .map_err(|faults| {
                self.faults.extend(faults.iter().map(|fault| format!("{name}: {fault}")));
            })
            .ok()
    }

    fn sample(&mut self, path: &Path, definitions: &HashMap<String, Definition>) {
        let object = read(path);
        let (group, version) = text(&object, &["apiVersion"]).split_once('/').unwrap();
        let definition = &definitions[&format!("{group}/{}", text(&object, &["kind"]))];
        let version = definition.version(version).unwrap();
        let mut body = body(&object);
        let mut status = object.get("status").cloned();
        let start = Instant::now();
        version.normalize_body(&mut body);
        let mut faults = version.validate_body(&body);
        if let Some(status) = &mut status {
            version.normalize_status(status);
            faults.extend(version.validate_status(status));
        }
        faults.extend(version.validate_name(text(&object, &["metadata", "name"])));
        self.checking += start.elapsed();
        self.samples += 1;
        self.faults.extend(faults.iter().map(|fault| format!("{}: {fault}", path.display())));
        let mut again = body.clone();
        assert!(version.normalize_body(&mut again).is_empty(), "{}", path.display());
        assert_eq!(again, body, "{}", path.display());
    }
}

#[test]
fn declarations_and_objects_of_well_known_projects_are_accepted() {
    let Ok(projects) = std::fs::read_dir(CORPUS) else {
        println!("skipped: no corpus at {CORPUS}");
        return;
    };
    let mut tally = Tally::default();
    for project in projects.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let mut definitions = HashMap::new();
        for path in yaml_files(&project) {
            if let Some(definition) = tally.declaration(&path) {
                let key = format!("{}/{}", definition.kind.group, definition.kind.kind);
                definitions.insert(key, definition);
            }
        }
        for path in yaml_files(&project.join("samples")) {
            tally.sample(&path, &definitions);
        }
    }
    println!(
        "{} declarations in {:?} (slowest {:?}: {}), {} objects in {:?}",
        tally.declarations,
        tally.compiling,
        tally.slowest.0,
        tally.slowest.1,
        tally.samples,
        tally.checking,
    );
    assert!(tally.faults.is_empty(), "{:#?}", tally.faults);
    assert!(tally.declarations > 0 && tally.samples > 0, "the corpus is empty");
}
