//! Files of endpoints, good and bad.

use super::*;

const GOOD: &str = "
- name: inventory
  url: https://inventory.example.io/events?key=secret
  types: [io.fabrica.device.*, io.fabrica.condition.**]
  mode: binary
  tokenFile: token
  secretFile: secret
  from: start
  include: [secrets]
  timeout: 30s
- {name: other, url: http://127.0.0.1:1}
";

fn read(text: &str) -> Result<BTreeMap<String, Receiver>, WebhookSettingsError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("webhooks.yaml");
    std::fs::write(&file, text).unwrap();
    for name in ["token", "secret"] {
        std::fs::write(dir.path().join(name), "s3cret").unwrap();
    }
    receivers(&WebhookConfig { webhook: vec![], webhooks: Some(file) })
}

fn urls(urls: &[&str]) -> Result<BTreeMap<String, Receiver>, WebhookSettingsError> {
    let webhook = urls.iter().map(|url| UrlText((*url).to_owned())).collect();
    receivers(&WebhookConfig { webhook, webhooks: None })
}

#[test]
fn an_endpoint_says_what_it_wants() {
    let receivers = read(GOOD).unwrap();
    assert_eq!(receivers.keys().collect::<Vec<_>>(), ["inventory", "other"]);
    let (inventory, other) = (&receivers["inventory"], &receivers["other"]);
    let matches = |it: &Receiver, text| it.wanted.types.matches(text);
    assert!(matches(inventory, "io.fabrica.condition.ready"));
    assert!(!matches(inventory, "io.fabrica.rack.created"));
    assert!(matches(other, "io.fabrica.rack.created"));
    assert_eq!((inventory.start, other.start), (Start::Oldest, Start::Now));
    assert!(inventory.wanted.secrets && !other.wanted.secrets);
    let shown = format!("{receivers:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("key="), "{shown}");
}

#[test]
fn mistakes_are_named_with_their_lines() {
    for (text, problem) in [
        ("- name: a\n", "url"),
        ("- url: http://h\n", "name"),
        ("name: a\n", "line 1"),
        ("- name: a\n  url: http://h\n  colour: red\n", "colour"),
        ("- name: a\n  url: http://h\n  mode: fast\n", "fast"),
        ("- name: a\n  url: http://h\n  from: 5\n", "line 3"),
        ("- name: a\n  url: http://h\n  include: [all]\n", "all"),
        ("- name: a\n  url: http://user:hunter2@h\n", "line 2: the URL holds a user name"),
        ("- name: a\n  url: ftp://h\n", "line 2: the URL has to begin with http"),
        ("- name: A\n  url: http://h\n", "line 1: the name \"A\" is not valid"),
        ("- name: ../a\n  url: http://h\n", "line 1: the name \"../a\" is not valid"),
        ("- name: ''\n  url: http://h\n", "line 1: the name \"\" is not valid"),
        ("- name: a\n  url: http://h\n  types: []\n", "line 3: types is an empty list"),
        ("- name: a\n  url: http://h\n  types: [a*]\n", "line 3: the pattern \"a*\""),
        ("- name: a\n  url: http://h\n  timeout: 5\n", "line 3: timeout: "),
        ("- name: a\n  url: http://h\n  timeout: 0s\n", "line 3: timeout has to be more than 0"),
        ("- name: a\n  url: http://h\n  timeout: 1h\n", "line 3: timeout has to be more than 0"),
        (
            "- name: a\n  url: http://h\n- name: a\n  url: http://h\n",
            "line 3: there is an endpoint",
        ),
        ("- name: a\n  url: http://h\n  caFile: x\n", "line 1: the endpoint \"a\" cannot be used"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains("webhooks.yaml") && error.contains(problem), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_url_alone_is_an_endpoint() {
    let receivers = urls(&["http://h/a", "http://h/b"]).unwrap();
    let names: Vec<_> = receivers.keys().collect();
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| name.starts_with("url-") && name.len() == 12), "{names:?}");
    let again = urls(&["http://h/b"]).unwrap();
    assert!(again.keys().all(|name| names.contains(&name)), "the name is that of the URL");
    for (wrong, problem) in [
        (&["http://h", "http://u:hunter2@h"][..], "number 2"),
        (&["http://h", "http://h"], "number 2 of the setting \"webhook\" stands there twice"),
        (&["h"], "http://"),
    ] {
        let error = urls(wrong).unwrap_err().to_string();
        assert!(error.contains(problem) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn endpoints_have_a_limit() {
    let text = |count: usize| {
        let entry = |number| format!("- {{name: n{number}, url: 'http://h'}}\n");
        (0..count).map(entry).collect::<String>()
    };
    assert_eq!(read(&text(ENDPOINTS_MAX)).unwrap().len(), ENDPOINTS_MAX);
    let error = read(&text(ENDPOINTS_MAX + 1)).unwrap_err().to_string();
    assert!(error.contains("there can be 64"), "{error}");
}
