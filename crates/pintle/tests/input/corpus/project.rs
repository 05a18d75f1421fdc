//! One folder: its definitions, its samples, and what is done with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pintle::manifests::{ManifestLimits, load};
use serde_json::{Map, Value, json};

use crate::harness::server::Server;

/// The files of one project.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) definitions: Vec<PathBuf>,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    file: String,
    object: Value,
}

/// A sample of a version that its definition does not serve: Kubernetes has no such resource
/// either.
#[derive(Debug, Clone)]
pub(super) struct Unserved {
    pub(super) file: String,
    pub(super) plural: String,
    pub(super) kind: String,
    pub(super) version: String,
}

/// The YAML files of a folder, in the order of their names; none where there is no folder.
pub(super) fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "yaml")).collect();
    files.sort();
    files
}

/// The one document of a file, read as the server reads it.
pub(super) fn document(file: &Path) -> Value {
    let found = load(&[file.to_owned()], &ManifestLimits::default()).expect("the file can be used");
    let [manifest] = found.manifests.as_slice() else { panic!("{} is one", file.display()) };
    manifest.value()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn file_name(path: &Path) -> String {
    path.file_name().expect("files have names").to_string_lossy().into_owned()
}

impl Project {
    pub(super) fn read(folder: &Path) -> Self {
        let samples = files_in(&folder.join("samples"));
        let samples = samples
            .iter()
            .map(|path| Sample { file: file_name(path), object: document(path) })
            .collect();
        Self {
            name: file_name(folder),
            folder: folder.to_owned(),
            definitions: files_in(folder),
            samples,
        }
    }

    /// The samples that no server of these definitions can have.
    ///
    /// Only the text around `served: false` is looked at, because reading all definitions here too
    /// would take longer than serving them.
    pub(super) fn unserved(&self) -> Vec<Unserved> {
        let mut unserved = Vec::new();
        for path in &self.definitions {
            let text = std::fs::read_to_string(path).expect("the file can be read");
            if text.contains("served: false") {
                unserved.extend(self.unserved_of(&document(path)));
            }
        }
        unserved
    }

    fn unserved_of(&self, definition: &Value) -> Vec<Unserved> {
        let (group, kind) = (text(definition, "/spec/group"), text(definition, "/spec/names/kind"));
        let versions =
            definition["spec"]["versions"].as_array().expect("definitions have versions");
        let hidden = versions.iter().filter(|version| version["served"] == false);
        let hidden: Vec<&str> = hidden.map(|version| text(version, "/name")).collect();
        let of_it = self.samples.iter().filter_map(|sample| {
            let (given, version) = text(&sample.object, "/apiVersion").split_once('/')?;
            let same = given == group && text(&sample.object, "/kind") == kind;
            (same && hidden.contains(&version)).then(|| Unserved {
                file: sample.file.clone(),
                plural: text(definition, "/spec/names/plural").to_owned(),
                kind: kind.to_owned(),
                version: version.to_owned(),
            })
        });
        of_it.collect()
    }

    /// Copies the files to another folder, but for some samples.
    pub(super) fn copy(&self, to: &Path, without: &[Unserved]) {
        let samples = to.join("samples");
        std::fs::create_dir_all(&samples).expect("a temporary directory");
        let copy = |from: &Path, folder: &Path| {
            std::fs::copy(from, folder.join(file_name(from))).expect("there is room");
        };
        for path in &self.definitions {
            copy(path, to);
        }
        for path in files_in(&self.folder.join("samples")) {
            if without.iter().all(|unserved| unserved.file != file_name(&path)) {
                copy(&path, &samples);
            }
        }
    }

    /// How many samples are there. Of several with one name the first one is; the others are made
    /// here, under names of their own.
    pub(super) async fn every_sample_exists(&self, server: &Server, without: &[Unserved]) -> usize {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut found = 0;
        let mut generated: BTreeMap<(String, String), usize> = BTreeMap::new();
        let kinds = Kinds::of(server).await;
        for sample in &self.samples {
            if without.iter().any(|unserved| unserved.file == sample.file) {
                continue;
            }
            let object = &sample.object;
            let place = kinds.place(object);
            let name = text(object, "/metadata/name");
            if name.is_empty() {
                let prefix = text(object, "/metadata/generateName").to_owned();
                *generated.entry((place.collection(), prefix)).or_default() += 1;
            } else {
                let path = place.object(name);
                let turn = seen.entry(path.clone()).and_modify(|turn| *turn += 1).or_insert(1);
                if *turn > 1 {
                    post_renamed(server, &place, object, *turn, &sample.file).await;
                }
                let reply = server.get(&path).await;
                assert_eq!(reply.status, 200, "{}: {}", sample.file, reply.text());
                assert!(kinds.keeps(object, &reply.json()), "{}: {}", sample.file, reply.text());
            }
            found += 1;
        }
        for ((collection, prefix), count) in generated {
            let list = server.get(&collection).await.expect(200).json();
            let objects = list.as_array().expect("a list").iter();
            let made = objects.filter(|it| text(it, "/metadata/generateName") == prefix).count();
            assert_eq!(made, count, "{collection} {prefix}");
        }
        found
    }

    /// Gives a status to an object of every kind that has one, and to every sample of it; says how
    /// many.
    pub(super) async fn write_statuses(&self, server: &Server, definitions: &[Value]) -> usize {
        let mut written = 0;
        for definition in definitions {
            let resource = text(definition, "/metadata/name");
            let list = server.get(&format!("/{resource}")).await.expect(200).json();
            for object in list.as_array().expect("a list") {
                let version = version_of(definition, object);
                if version.pointer("/subresources/status").is_some() {
                    write_status(server, resource, version, object).await;
                    written += 1;
                }
            }
        }
        written
    }
}

async fn post_renamed(server: &Server, place: &Place, object: &Value, turn: usize, file: &str) {
    let mut object = object.clone();
    let name = format!("{}.{turn}", text(&object, "/metadata/name"));
    object["metadata"]["name"] = json!(name);
    let reply = server.post(&place.collection(), &object).await;
    assert_eq!(reply.status, 201, "{file}: {}", reply.text());
}

/// The definitions, by group and kind.
struct Kinds(BTreeMap<(String, String), Value>);

impl Kinds {
    async fn of(server: &Server) -> Self {
        let list = server.get("/customresourcedefinitions").await.expect(200).json();
        let Value::Array(definitions) = list else { panic!("{list} is no list") };
        let key = |definition: &Value| {
            let at = |pointer| text(definition, pointer).to_owned();
            (at("/spec/group"), at("/spec/names/kind"))
        };
        Self(definitions.into_iter().map(|definition| (key(&definition), definition)).collect())
    }

    fn definition(&self, object: &Value) -> &Value {
        let group = text(object, "/apiVersion").split('/').next().unwrap_or_default();
        let key = (group.to_owned(), text(object, "/kind").to_owned());
        self.0.get(&key).expect("the kind is declared")
    }

    fn place(&self, object: &Value) -> Place {
        let definition = self.definition(object);
        let namespaced = text(definition, "/spec/scope") == "Namespaced";
        let namespace = match (namespaced, text(object, "/metadata/namespace")) {
            (false, _) => String::new(),
            (true, "") => "?namespace=default".to_owned(),
            (true, namespace) => format!("?namespace={namespace}"),
        };
        Place { resource: text(definition, "/metadata/name").to_owned(), namespace }
    }

    /// Whether a status that stands in a file was stored, or left out because it has a writer of
    /// its own.
    fn keeps(&self, object: &Value, stored: &Value) -> bool {
        let version = version_of(self.definition(object), object);
        match (object.get("status"), version.pointer("/subresources/status")) {
            (None, _) => true,
            (Some(status), None) => contains(&stored["status"], status),
            (Some(_), Some(_)) => stored["status"] == json!({}),
        }
    }
}

struct Place {
    resource: String,
    namespace: String,
}

impl Place {
    fn collection(&self) -> String {
        format!("/{}{}", self.resource, self.namespace)
    }

    fn object(&self, name: &str) -> String {
        format!("/{}/{name}{}", self.resource, self.namespace)
    }
}

/// The version that an object is in.
fn version_of<'d>(definition: &'d Value, object: &Value) -> &'d Value {
    let shown = text(object, "/apiVersion").rsplit('/').next().unwrap_or_default();
    let versions = definition["spec"]["versions"].as_array().expect("definitions have versions");
    versions.iter().find(|version| version["name"] == shown).expect("it is one of its own")
}

/// Writes a status that the schema allows, reads it back, and looks that nothing else changed.
async fn write_status(server: &Server, resource: &str, version: &Value, object: &Value) {
    let schema = &version["schema"]["openAPIV3Schema"]["properties"]["status"];
    let status = some_status(schema);
    let path = format!("/{resource}/{}", text(object, "/metadata/uid"));
    let reply = server.put(&format!("{path}/status"), &json!({"status": status})).await;
    assert_eq!(reply.status, 200, "{path} {status}: {}", reply.text());
    let read = server.get(&path).await.expect(200).json();
    assert!(contains(&read["status"], &status), "{path}: {status} became {}", read["status"]);
    assert_eq!(without_status(&read), without_status(object), "{path}: more than status changed");
}

/// An object without its status, and without what a write to it changes.
fn without_status(object: &Value) -> Value {
    let mut object = object.clone();
    object.as_object_mut().expect("it is an object").remove("status");
    let metadata = object["metadata"].as_object_mut().expect("objects have metadata");
    metadata.remove("resourceVersion");
    metadata.remove("updatedAt");
    object
}

/// Whether a value has everything that another one has; what else it has are defaults, and the
/// times of conditions are the server's.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part.iter().all(|(key, value)| {
            key == "lastTransitionTime" || whole.get(key).is_some_and(|it| contains(it, value))
        }),
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len()
                && whole.iter().zip(part).all(|(it, value)| contains(it, value))
        }
        (whole, part) => whole == part,
    }
}

/// A status: what is required of it, its conditions if it has them, else its first property.
fn some_status(schema: &Value) -> Value {
    let Value::Object(mut status) = some_value(schema) else { return json!({}) };
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let conditions =
        properties.get("conditions").filter(|it| it["items"]["properties"]["type"].is_object());
    if let Some(conditions) = conditions {
        status.insert("conditions".to_owned(), json!([some_condition(&conditions["items"])]));
    } else if let Some((name, schema)) = properties.iter().find(|(_, schema)| is_scalar(schema)) {
        status.insert(name.clone(), some_value(schema));
    } else if schema["x-kubernetes-preserve-unknown-fields"] == true {
        status.insert("tested".to_owned(), json!(true));
    }
    Value::Object(status)
}

fn some_condition(schema: &Value) -> Value {
    let mut condition = some_value(schema);
    condition["type"] = json!("Ready");
    for (name, value) in [("status", "True"), ("reason", "Tested"), ("message", "by a test")] {
        if schema["properties"][name].is_object() {
            condition[name] = json!(value);
        }
    }
    condition
}

fn is_scalar(schema: &Value) -> bool {
    let kind = schema["type"].as_str().unwrap_or_default();
    matches!(kind, "string" | "integer" | "number" | "boolean") && schema["pattern"].is_null()
}

/// The smallest value that a schema allows, as far as the schemas of these projects go.
fn some_value(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten();
            let names = required.filter_map(Value::as_str);
            let value = |name: &str| some_value(&schema["properties"][name]);
            Value::Object(names.map(|name| (name.to_owned(), value(name))).collect())
        }
        Some("array") => {
            let count = schema["minItems"].as_u64().unwrap_or(0);
            (0..count).map(|_| some_value(&schema["items"])).collect()
        }
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("boolean") => json!(true),
        Some("string") => some_text(schema),
        // What may be a number or text, and what may be anything.
        _ => json!(1),
    }
}

fn some_text(schema: &Value) -> Value {
    if schema["format"] == "date-time" {
        return json!("2025-10-24T16:00:00Z");
    }
    let length = schema["minLength"].as_u64().unwrap_or(1).max(1);
    json!("x".repeat(usize::try_from(length).expect("a short text")))
}
