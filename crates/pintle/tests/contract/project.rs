//! `pintle init`, `add resource` and `generate` on disk: what is written, what never is, and what
//! is said. That such a project builds and runs is shown by `.ci/project`, which compiles one.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::embedded::device_kind;

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A project `api` with a kind, and a Cargo that says what its kinds are without compiling
    /// them.
    fn with_project() -> Self {
        let place = Self::new();
        place.run(&["init", "api", "--group=infra.example.io", "--resource=Device"]).good();
        place.define(&[device_kind()]);
        place
    }

    fn define(&self, definitions: &[Value]) {
        let said = self.dir.path().join("definitions.json");
        std::fs::write(&said, json!(definitions).to_string()).unwrap();
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = run ]; then exec cat '{}'; fi\nexec '{cargo}' \"$@\"\n",
            said.display()
        );
        let fake = self.dir.path().join("cargo");
        std::fs::write(&fake, script).unwrap();
        std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, "")
    }

    fn run_with(&self, args: &[&str], typed: &str) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pintle"));
        command.args(args).current_dir(self.dir.path());
        let fake = self.dir.path().join("cargo");
        if fake.exists() {
            command.env("CARGO", fake);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = command.spawn().unwrap();
        running.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        Ended { output: running.wait_with_output().unwrap() }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// All files of the project, with what is in them.
    fn files(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        collect(&self.path("api"), "", &mut found);
        found
    }
}

fn collect(dir: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{name}/"), found);
        } else {
            found.insert(name, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
}

struct Ended {
    output: Output,
}

impl Ended {
    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    #[track_caller]
    fn good(self) -> Self {
        assert!(self.output.status.success(), "{}{}", self.stdout(), self.stderr());
        self
    }

    /// It failed with this code, and said this.
    #[track_caller]
    fn bad(self, code: i32, said: &str) {
        let told = self.stderr();
        assert_eq!(self.output.status.code(), Some(code), "{told}");
        assert!(told.contains(said), "{said:?} in {told}");
    }
}

#[test]
fn a_project_begins_once() {
    let place = Place::new();
    let ended = place.run(&["init", "api", "--group=infra.example.io"]).good();
    assert!(ended.stdout().contains("pintle add resource Device"), "{}", ended.stdout());
    let files = place.files();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let expected = [
        ".dockerignore",
        ".gitignore",
        "Cargo.toml",
        "Dockerfile",
        "README.md",
        "justfile",
        "kinds/Cargo.toml",
        "kinds/src/bin/crds.rs",
        "kinds/src/lib.rs",
        "src/client.rs",
        "src/lib.rs",
        "src/main.rs",
        "src/reconcilers.rs",
    ];
    assert_eq!(names, expected);
    for (name, text) in &files {
        assert!(!text.contains("__"), "{name} has a place that was not filled:\n{text}");
    }
    place.run(&["init", "api"]).bad(2, "is there and not empty");
    assert_eq!(place.files(), files);
}

#[test]
fn versions_can_come_from_a_registry() {
    let place = Place::new();
    place.run(&["init", "api", "--published"]).good();
    let manifest = place.read("api/Cargo.toml");
    assert!(manifest.contains("pintle-controller = \"0.1.0\""), "{manifest}");
    place.run(&["init", "other", "--checkout=."]).bad(2, "no checkout of Pintle");
}

#[test]
fn what_is_not_said_is_asked() {
    let place = Place::new();
    let typed = "No Good\napi\n\nRack\n";
    let ended = place.run_with(&["init", "--interactive"], typed).good();
    assert!(ended.stdout().contains("is no name for a project"), "{}", ended.stdout());
    assert!(place.read("api/kinds/src/rack.rs").contains("group = \"example.io\""));
    place.run_with(&["init", "-i"], "").bad(2, "the terminal");
}

#[test]
fn a_kind_is_added_once_and_beside_what_people_wrote() {
    let place = Place::with_project();
    let library = place.path("api/kinds/src/lib.rs");
    let mine =
        format!("{}\n/// Mine.\npub const MINE: u8 = 1;\n", place.read("api/kinds/src/lib.rs"));
    std::fs::write(&library, &mine).unwrap();
    let fields = ["--field=serialNumber:string!", "--field=type:list", "--field=size:integer"];
    let add = [&["add", "resource", "BootConfig", "--dir=api"][..], &fields].concat();
    place.run(&add).good();
    let now = place.read("api/kinds/src/lib.rs");
    for line in mine.lines() {
        assert!(now.contains(line), "{line} is gone from\n{now}");
    }
    assert!(now.contains("<BootConfig as kube::CustomResourceExt>::crd(),"), "{now}");
    let kind = place.read("api/kinds/src/boot_config.rs");
    for part in [
        "pub serial_number: String,",
        "pub r#type: Vec<String>,",
        "pub size: Option<i64>,",
        "plural = \"bootconfigs\"",
        "group = \"infra.example.io\"",
    ] {
        assert!(kind.contains(part), "{part} in\n{kind}");
    }
    assert!(!kind.contains("BTreeMap"), "{kind}");
    let reconcilers = place.read("api/src/reconcilers.rs");
    assert!(reconcilers.contains("manager.with(boot_config::BootConfigReconciler)"));
    let files = place.files();
    place.run(&add).bad(2, "is there already");
    assert_eq!(place.files(), files);
}

#[test]
fn a_version_is_a_copy_and_its_conversions() {
    let place = Place::with_project();
    let first = place.read("api/kinds/src/device.rs");
    let add = |version| ["add", "version", version, "--kind=Device", "--dir=api"];
    place.run(&add("v2")).good();
    assert_eq!(place.read("api/kinds/src/device.rs"), first);
    let copy = first.replace("version = \"v1\"", "version = \"v2\"");
    assert_eq!(place.read("api/kinds/src/device_v2.rs"), copy);
    let conversion = place.read("api/kinds/src/device_v2_conversion.rs");
    for part in [
        "Conversion::between(\"devices.infra.example.io\", \"v1\", \"v2\")",
        "use crate::device_v2 as v2;",
        "impl TryFrom<v2::DeviceStatus> for v1::DeviceStatus",
    ] {
        assert!(conversion.contains(part), "{part} in\n{conversion}");
    }
    let library = place.read("api/kinds/src/lib.rs");
    for line in [
        "mod device_versions;",
        "pub mod device_v2;",
        "device_versions::definition(),",
        "device_versions::conversions(),",
    ] {
        assert!(library.contains(line), "{line} in\n{library}");
    }
    assert!(!library.contains("<Device as kube::CustomResourceExt>::crd(),"), "{library}");

    // One more is made from the newest, and added to what is there.
    place.run(&add("v3alpha1")).good();
    let versions = place.read("api/kinds/src/device_versions.rs");
    for line in [
        "const STORED: &str = \"v1\";",
        "<crate::device_v2::Device as kube::CustomResourceExt>::crd(),",
        "<crate::device_v3alpha1::Device as kube::CustomResourceExt>::crd(),",
        "crate::device_v3alpha1_conversion::conversion(),",
    ] {
        assert!(versions.contains(line), "{line} in\n{versions}");
    }
    let conversion = place.read("api/kinds/src/device_v3alpha1_conversion.rs");
    assert!(conversion.contains("between(\"devices.infra.example.io\", \"v2\", \"v3alpha1\")"));

    let files = place.files();
    for (version, more, said) in [
        ("v2", "--kind=Device", "Device has the versions v3alpha1, v1, v2: there is a v2 already"),
        ("v9", "--from=v7", "there is no v7"),
        ("two", "--kind=Device", "is no version"),
    ] {
        let args: Vec<&str> = match more {
            "--kind=Device" => add(version).to_vec(),
            more => [&add(version)[..], &[more]].concat(),
        };
        place.run(&args).bad(2, said);
    }
    let of_nothing = ["add", "version", "v2", "--kind=Rack", "--dir=api"];
    place
        .run(&of_nothing)
        .bad(2, "the project has no kind Rack; `pintle add resource Rack` adds it");
    assert_eq!(place.files(), files);
}

/// The client has the types and the paths of every version.
#[test]
fn every_version_has_a_client() {
    let place = Place::with_project();
    let mut kind = device_kind();
    let mut second = kind["spec"]["versions"][0].clone();
    second["name"] = json!("v2");
    second["storage"] = json!(false);
    kind["spec"]["versions"].as_array_mut().unwrap().push(second);
    place.define(&[kind]);
    // A version that somebody declares by hand has no types that the client could name.
    place.run(&["generate", "--dir=api"]).good();
    assert!(!place.read("api/src/client.rs").contains("v2"));
    place.run(&["add", "version", "v2", "--kind=Device", "--dir=api"]).good();
    place.run(&["generate", "--dir=api"]).good();
    let client = place.read("api/src/client.rs");
    for part in [
        "use api_kinds::{Device, DeviceStatus};",
        "use api_kinds::device_v2::{Device as DeviceV2, DeviceStatus as DeviceStatusV2};",
        "pub fn devices(&self) -> Api<Device> {",
        "pub fn devices_v2(&self) -> Api<DeviceV2> {",
        "self.raw.resource_of(\"devices\", \"infra.example.io\", \"v2\")",
        "pub async fn update_device_v2_status(",
        "status: &DeviceStatusV2,",
    ] {
        assert!(client.contains(part), "{part} in\n{client}");
    }
}

#[test]
fn nothing_is_written_when_there_is_no_place_for_it() {
    let place = Place::with_project();
    std::fs::write(place.path("api/src/reconcilers.rs"), "// All by hand.\n").unwrap();
    let files = place.files();
    place.run(&["add", "resource", "Rack", "--dir=api"]).bad(2, "pub mod rack;");
    assert_eq!(place.files(), files);
}

#[test]
fn names_that_cannot_be_had() {
    let place = Place::with_project();
    let files = place.files();
    let cases: [(&[&str], &str); 11] = [
        (&["init", "No"], "is no name for a project"),
        (&["init", "../up"], "is no name for a project"),
        (&["init", "tokio"], "a word of Rust or the name of a crate"),
        (&["init", "b", "--group=io"], "is no group"),
        (&["init", "b", "--group=x.k8s.io"], "kept for Kubernetes"),
        (&["init", "b", "--resource=device"], "upper camel case"),
        (&["add", "resource", "Option", "--dir=api"], "its code needs that name"),
        (&["add", "resource", "Rack", "--plural=A", "--dir=api"], "is no plural"),
        (&["add", "resource", "Rack", "--field=a", "--dir=api"], "is no field"),
        (&["add", "resource", "Rack", "--field=a:map", "--field=a:map", "--dir=api"], "twice"),
        (&["add", "resource", "Rack"], "no project of `pintle init`"),
    ];
    for (args, said) in cases {
        place.run(args).bad(2, said);
    }
    assert_eq!(place.files(), files);
    assert!(!place.path("b").exists());
}

#[test]
fn what_is_generated_follows_from_the_kinds_alone() {
    let place = Place::with_project();
    place.run(&["generate", "--check", "--dir=api"]).bad(1, "src/client.rs");
    place.run(&["generate", "--dir=api"]).good();
    let files = place.files();
    let definition = &files["generated/crds/devices.infra.example.io.yaml"];
    assert!(definition.contains("plural: devices"), "{definition}");
    let read: Value = serde_saphyr::from_str(definition).unwrap();
    assert_eq!(read, device_kind(), "YAML that means something else");
    let description: Value = serde_json::from_str(&files["generated/openapi.json"]).unwrap();
    assert!(description["paths"]["/devices/{id}/status"].is_object(), "{description:#}");
    let client = &files["src/client.rs"];
    for method in ["list_devices", "get_device", "update_device_status", "watch_devices"] {
        assert!(client.contains(&format!("fn {method}(")), "{method} in\n{client}");
    }
    assert!(files["policy.yaml"].contains("- devices:update_status"), "{}", files["policy.yaml"]);

    // Once more is nothing more, also after other runs, and what is a person's stays theirs.
    place.run(&["generate", "--check", "--dir=api"]).good();
    std::fs::write(place.path("api/policy.yaml"), "[]\n").unwrap();
    let ended = place.run(&["generate", "--dir=api"]).good();
    assert!(!ended.stdout().contains("generated  "), "{}", ended.stdout());
    assert_eq!(place.read("api/policy.yaml"), "[]\n");

    // A kind that goes takes what followed from it along.
    place.define(&[]);
    place.run(&["generate", "--check", "--dir=api"]).bad(1, "devices.infra.example.io.yaml");
    place.run(&["generate", "--dir=api"]).good();
    assert!(!place.path("api/generated/crds/devices.infra.example.io.yaml").exists());
    assert!(!place.read("api/src/client.rs").contains("devices"));
}

#[test]
fn a_new_kind_has_rules_and_what_a_person_wrote_of_others_stays() {
    let place = Place::with_project();
    place.define(&[]);
    place.run(&["generate", "--dir=api"]).good();
    assert!(!place.path("api/policy.yaml").exists(), "a role without permissions");
    place.define(&[device_kind()]);
    let ended = place.run(&["generate", "--dir=api"]).good();
    assert!(ended.stdout().contains("policy.yaml (from now on yours)"), "{}", ended.stdout());
    let check = ["generate", "--check", "--dir=api"];
    place.run(&check).good();

    // A person has their own say about devices; then there is another kind.
    let begun = place.read("api/policy.yaml");
    let mine = begun.replace("    - devices:delete\n", "");
    let mine = format!("{mine}- {{group: ops, role: user, namespace: lab}}\n");
    std::fs::write(place.path("api/policy.yaml"), &mine).unwrap();
    place.run(&check).good();
    let mut rack = device_kind();
    let names =
        json!({"kind": "Rack", "listKind": "RackList", "plural": "racks", "singular": "rack"});
    (rack["spec"]["names"], rack["metadata"]["name"]) = (names, json!("racks.infra.example.io"));
    place.define(&[device_kind(), rack]);
    place.run(&check).bad(1, "policy.yaml");
    assert_eq!(place.read("api/policy.yaml"), mine);
    let ended = place.run(&["generate", "--dir=api"]).good();
    assert!(ended.stdout().contains("policy.yaml: rules for racks"), "{}", ended.stdout());
    let grown = place.read("api/policy.yaml");
    let kept: Vec<&str> = grown.lines().filter(|line| !line.contains("racks:")).collect();
    assert_eq!(kept, mine.lines().collect::<Vec<_>>());
    place.run(&check).good();
    place.run(&["generate", "--dir=api"]).good();
    assert_eq!(place.read("api/policy.yaml"), grown);
    // The server takes it, and goes by it.
    let tokens = place.path("tokens.csv");
    std::fs::write(&tokens, "t,alice,1\n").unwrap();
    let checked =
        ["check", "--policy=api/policy.yaml", "--tokens=tokens.csv", "api/generated/crds"];
    place.run(&checked).good();

    // Where a comment has gone astray, nothing is written, and that is told.
    let astray = format!("{}# pintle:user\n", mine.replace("    # pintle:", "    # my "));
    std::fs::write(place.path("api/policy.yaml"), &astray).unwrap();
    let ended = place.run(&["generate", "--dir=api"]).good();
    assert!(ended.stdout().contains("has no rules for racks"), "{}", ended.stdout());
    assert_eq!(place.read("api/policy.yaml"), astray);
    place.run(&check).good();
}

#[test]
fn what_a_person_wrote_is_never_overwritten() {
    let place = Place::with_project();
    std::fs::write(place.path("api/src/client.rs"), "//! My own client.\n").unwrap();
    place.run(&["generate", "--dir=api"]).bad(2, "was not written by `pintle generate`");
    assert_eq!(place.read("api/src/client.rs"), "//! My own client.\n");
}

#[test]
fn kinds_that_cannot_be_served_are_not_written_down() {
    let place = Place::with_project();
    let mut broken = device_kind();
    broken["spec"]["versions"] = json!([]);
    place.define(&[broken]);
    let files = place.files();
    place.run(&["generate", "--dir=api"]).bad(2, "the kinds of the project cannot be served");
    assert_eq!(place.files(), files);
}
