//! Tables of manifests: what is read, in which order, and what is refused.

use std::fs;
use std::io::Write as _;

use serde_json::json;
use tempfile::TempDir;

use super::*;

const SMALL: ManifestLimits = ManifestLimits {
    file_bytes_max: 2000,
    total_bytes_max: 3000,
    files_max: 4,
    directory_depth_max: 2,
    depth_max: 100,
    values_max: 1000,
};

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, text) in files {
        let file = directory.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    directory
}

/// Loads the directory, or the file of that name in it.
fn loaded(directory: &TempDir, name: &str, limits: &ManifestLimits) -> Result<Manifests, String> {
    let shortened = |error: ManifestError| {
        error.to_string().replace(&format!("{}/", directory.path().display()), "")
    };
    load(&[directory.path().join(name)], limits).map_err(shortened)
}

/// Loads one file that is named itself.
fn one(text: &str) -> Result<Vec<Value>, String> {
    let limits = ManifestLimits { values_max: 10_000, ..ManifestLimits::default() };
    let directory = directory(&[("a.yaml", text)]);
    let found = loaded(&directory, "a.yaml", &limits)?;
    Ok(found.manifests.into_iter().map(|manifest| manifest.value()).collect())
}

fn object(kind: &str, name: &str) -> String {
    let api_version = match kind {
        "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
        "Role" | "RoleBinding" | "ClusterRole" => "rbac.authorization.k8s.io/v1",
        _ => "v1",
    };
    format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: {name}}}\n")
}

#[test]
fn documents_are_numbered_and_know_their_line() {
    let text = format!(
        "# a comment\n---\n---\n{}---\n# only a comment\n---\nnull\n--- \n\n{}...\n",
        object("A", "one"),
        object("B", "two")
    );
    let directory = directory(&[("a.yaml", &text)]);
    let found = loaded(&directory, "a.yaml", &ManifestLimits::default()).unwrap();
    let places: Vec<_> = found
        .manifests
        .iter()
        .map(|manifest| (manifest.place.document, manifest.place.line))
        .collect();
    assert_eq!(places, [(1, 4), (2, 13)]);
    let shown = found.manifests[1].place.to_string();
    assert!(shown.ends_with("a.yaml, document 2 (line 13)"), "{shown}");
}

#[test]
fn yaml_means_what_it_means_to_kubectl() {
    let cases = [
        ("yes", json!(true)),
        ("off", json!(false)),
        ("y", json!(true)),
        ("N", json!(false)),
        ("'on'", json!("on")),
        ("0644", json!(420)),
        ("0o17", json!(15)),
        ("0x1F", json!(31)),
        ("1_000", json!(1000)),
        ("'0644'", json!("0644")),
        ("12:30:00", json!("12:30:00")),
        ("2025-10-24", json!("2025-10-24")),
        ("2025-10-24T16:00:00Z", json!("2025-10-24T16:00:00Z")),
        ("1.5", json!(1.5)),
        ("~", json!(null)),
        ("", json!(null)),
        ("{y: 1, 1: 2, true: 3}", json!({"y": 1, "1": 2, "true": 3})),
        ("\"\\ud83d\\ude00\"", json!("😀")),
        ("|\n  two\n  lines\n", json!("two\nlines\n")),
        ("&x {a: 1}\nw: *x", json!({"a": 1})),
    ];
    for (text, expected) in cases {
        let values = one(&format!("apiVersion: v1\nkind: A\nv: {text}\n")).unwrap();
        assert_eq!(values[0]["v"], expected, "{text:?}");
    }
}

#[test]
fn json_is_read_too() {
    let text = r#"{"apiVersion":"v1","kind":"A","a":"\u00e9\/","b":[1,2.5,null,true],"":{}}"#;
    let directory = directory(&[("a.json", text)]);
    let found = loaded(&directory, "", &ManifestLimits::default()).unwrap();
    assert_eq!(found.manifests[0].value(), serde_json::from_str::<Value>(text).unwrap());
}

#[test]
fn lists_are_taken_apart() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A}\n\
                - {apiVersion: v1, kind: B}\n";
    let directory = directory(&[("a.yaml", list)]);
    let found = loaded(&directory, "", &ManifestLimits::default()).unwrap();
    let items: Vec<_> =
        found.manifests.iter().map(|manifest| (&*manifest.kind, manifest.place.item)).collect();
    assert_eq!(items, [("A", Some(1)), ("B", Some(2))]);
    for empty in ["items: []", "items:", ""] {
        assert_eq!(one(&format!("apiVersion: v1\nkind: List\n{empty}\n")), Ok(Vec::new()));
    }
}

#[test]
fn what_cannot_be_used_is_named_with_file_document_line_and_reason() {
    let good = object("A", "one");
    let cases = [
        (
            format!("{good}---\na: 1\nb: 2\na: 3\n"),
            "a.yaml, document 2: duplicate mapping key `a` is not allowed here at line 7, column 1",
        ),
        (
            r#"{"apiVersion": "v1", "kind": "A", "kind": "B"}"#.to_owned(),
            "a.yaml, document 1: duplicate mapping key `kind` is not allowed here at line 1, column 35",
        ),
        (format!("{good}---\n- a\n"), "a.yaml, document 2 (line 5): has no apiVersion and no kind"),
        ("kind: A\n".to_owned(), "a.yaml, document 1 (line 1): has a kind and no apiVersion"),
        (
            "apiVersion: v1\n".to_owned(),
            "a.yaml, document 1 (line 1): has an apiVersion and no kind",
        ),
        (
            "apiVersion: 1\nkind: A\n".to_owned(),
            "a.yaml, document 1 (line 1): apiVersion and kind must be text",
        ),
        (
            "apiVersion: v1\nkind: List\nitems: {}\n".to_owned(),
            "a.yaml, document 1 (line 1): is a List whose items are not a list",
        ),
        (
            "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: List}]\n".to_owned(),
            "a.yaml, document 1 (line 1), item 1: is a List inside a List",
        ),
        (
            "apiVersion: v1\nkind: List\nitems: [1]\n".to_owned(),
            "a.yaml, document 1 (line 1), item 1: has no apiVersion and no kind",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(one(&text), Err(expected.to_owned()), "{text}");
    }
    for text in ["a: [1\nb: 2\n", "a: .nan\n", "a: 'x\n", "a: *none\n", "? [a]\n: b\n"] {
        let error = one(&format!("{good}---\n{text}")).unwrap_err();
        assert!(error.starts_with("a.yaml, document 2: "), "{text:?}: {error}");
        assert!(error.contains("line "), "{text:?}: {error}");
    }
}

#[test]
fn directories_are_read_whole_and_in_order() {
    let directory = directory(&[
        ("b.yml", &object("A", "b")),
        ("a.yaml", &object("A", "a")),
        ("samples/c.json", r#"{"apiVersion": "v1", "kind": "A", "metadata": {"name": "c"}}"#),
        ("pintle.yaml", "listen: [not, a, manifest"),
        ("policy.yaml", "- role: user\n"),
        ("values.yaml", "replicas: 3\n---\nmore: true\n"),
        ("tokens.csv", "a,b,c\n"),
        ("README.md", "# [\n"),
        (".hidden.yaml", "{"),
        (".git/d.yaml", "{"),
    ]);
    let found = loaded(&directory, "", &ManifestLimits::default()).unwrap();
    let names: Vec<_> = found
        .manifests
        .iter()
        .map(|manifest| manifest.value()["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    let skipped: Vec<_> = found
        .skipped
        .iter()
        .map(|place| (place.file.file_name().unwrap().to_str().unwrap(), place.document))
        .collect();
    assert_eq!(skipped, [("policy.yaml", 1), ("values.yaml", 1), ("values.yaml", 2)]);
    let named = loaded(&directory, "policy.yaml", &ManifestLimits::default());
    assert_eq!(
        named,
        Err("policy.yaml, document 1 (line 1): has no apiVersion and no kind".to_owned())
    );
    let missing = loaded(&directory, "none.yaml", &ManifestLimits::default()).unwrap_err();
    assert!(missing.starts_with("cannot read none.yaml: "), "{missing}");
}

#[cfg(unix)]
#[test]
fn links_to_files_are_followed_and_links_to_directories_are_not() {
    let directory = directory(&[("..data/real.yaml", &object("A", "a"))]);
    let link = |to: &str, name: &str| {
        std::os::unix::fs::symlink(directory.path().join(to), directory.path().join(name)).unwrap();
    };
    link("..data/real.yaml", "linked.yaml");
    link("", "loop");
    link("gone.yaml", "broken.yaml");
    let found = loaded(&directory, "", &ManifestLimits::default()).unwrap();
    assert_eq!(found.manifests.len(), 1);
}

#[test]
fn what_others_depend_on_comes_first() {
    let text = [
        object("B", "first"),
        object("RoleBinding", "binding"),
        object("A", "second"),
        object("ClusterRole", "role"),
        object("Namespace", "space"),
        object("CustomResourceDefinition", "crd"),
        object("Role", "role"),
    ]
    .join("---\n");
    let kinds: Vec<_> = one(&text)
        .unwrap()
        .iter()
        .map(|value| value["kind"].as_str().unwrap().to_owned())
        .collect();
    let expected =
        ["CustomResourceDefinition", "Namespace", "ClusterRole", "Role", "RoleBinding", "B", "A"];
    assert_eq!(kinds, expected);
}

#[test]
fn limits_hold() {
    let a = object("A", "a");
    let padded = |bytes: usize| format!("{a}# {}\n", "x".repeat(bytes));
    let cases = [
        (vec![("a.yaml", padded(1900))], None),
        (vec![("a.yaml", padded(2000))], Some("a.yaml: larger than 2000 bytes; split it")),
        (
            vec![("a.yaml", padded(1900)), ("b.yaml", padded(1900))],
            Some("b.yaml: all files up to here are larger than 3000 bytes together"),
        ),
        (vec![("1/2/a.yaml", a.clone())], None),
        (vec![("1/2/3/a.yaml", a.clone())], Some("1/2/3: more than 2 directories deep")),
        (
            ["a.yaml", "b.yaml", "1/c.yaml", "1/d.yaml", "1/e.yaml"]
                .map(|name| (name, a.clone()))
                .to_vec(),
            Some("1: more than 4 files and directories up to here"),
        ),
    ];
    for (files, expected) in cases {
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let names: Vec<_> = files.iter().map(|(name, _)| name).collect();
        let directory = directory(&files);
        let found = loaded(&directory, "", &SMALL).err();
        assert_eq!(found.as_deref(), expected, "{names:?}");
    }
}

#[test]
fn bombs_do_not_go_off() {
    let laughs =
        (b'b'..=b'j').fold("a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, name| {
            let (name, before) = (char::from(name), char::from(name - 1));
            let items = vec![format!("*{before}"); 10].join(", ");
            format!("{text}{name}: &{name} [{items}]\n")
        });
    let deep_blocks: Vec<_> = (0..200).map(|depth| format!("{}-\n", " ".repeat(depth))).collect();
    let bombs = [
        laughs,
        format!("a: {}", "[".repeat(100_000)),
        format!("a: {}", "{b: ".repeat(100_000)),
        format!("a: {}{}", "[".repeat(200), "]".repeat(200)),
        deep_blocks.concat(),
        "a: &a [*a]".to_owned(),
        format!("a: [{}]", "1,".repeat(11_000)),
        "\u{0}".to_owned(),
        "a: \"\\ud800\"".to_owned(),
    ];
    for bomb in bombs {
        let error = one(&bomb).unwrap_err();
        assert!(error.starts_with("a.yaml, document 1: "), "{error}");
        assert!(error.len() < 1000, "{error}");
    }
    let flat = format!("apiVersion: v1\nkind: A\na: {}1{}", "[".repeat(99), "]".repeat(99));
    assert_eq!(one(&flat).map(|values| values.len()), Ok(1));
}

#[test]
fn text_has_to_be_utf_8() {
    let directory = directory(&[]);
    let mut file = fs::File::create(directory.path().join("a.yaml")).unwrap();
    file.write_all(b"apiVersion: v1\nkind: \xff\xfe\n").unwrap();
    let error = loaded(&directory, "", &ManifestLimits::default()).unwrap_err();
    assert!(error.starts_with("a.yaml, document 1: "), "{error}");
}

#[test]
fn the_example_loads() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/devices");
    let found = load(&[directory.into()], &ManifestLimits::default()).unwrap();
    let names: Vec<_> = found
        .manifests
        .iter()
        .map(|manifest| manifest.value()["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["devices.infra.example.io", "dev-123"]);
    let skipped: Vec<_> = found.skipped.iter().map(|place| place.file.file_name()).collect();
    assert_eq!(skipped, [Some("policy.yaml".as_ref())]);
}

/// Real kinds of well-known projects, where they are at hand.
#[test]
fn real_projects_load() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/crds"));
    let Ok(projects) = fs::read_dir(root) else {
        println!("skipped: no kinds of real projects here");
        return;
    };
    for project in projects.map(|project| project.unwrap().path()).filter(|path| path.is_dir()) {
        let found = load(std::slice::from_ref(&project), &ManifestLimits::default());
        let found = found.unwrap_or_else(|error| panic!("{error}"));
        assert!(!found.manifests.is_empty(), "{}", project.display());
        assert_eq!(found.skipped, [], "{}", project.display());
    }
}

#[test]
fn what_has_no_end_is_not_read() {
    let error = load(&["/dev/zero".into()], &SMALL).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /dev/zero: it is not a regular file");
}
