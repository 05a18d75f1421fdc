//! Files of targets, and what is said about those that cannot be.

use tempfile::TempDir;

use super::*;

const FIRST: &str = "- name: bus\n  url: nats://h:4222\n  stream: EVENTS\n";

fn read(text: &str, events: &EventConfig) -> Result<Vec<Read>, String> {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("nats.yaml");
    std::fs::write(&file, text).unwrap();
    std::fs::write(dir.path().join("secret"), "s3cret\n").unwrap();
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    std::fs::write(dir.path().join("seed"), seed).unwrap();
    read_file(&file, events).map_err(|error| {
        let source = std::error::Error::source(&error).map(|it| format!(": {it}"));
        let text = format!("{error}{}", source.unwrap_or_default());
        text.replace(&format!("{}/", dir.path().display()), "")
    })
}

fn events(lifecycle: &str, conditions: Option<&str>) -> EventConfig {
    EventConfig {
        event_type_prefix: lifecycle.to_owned(),
        condition_event_prefix: conditions.map(str::to_owned),
        event_source: "pintle".to_owned(),
    }
}

#[test]
fn what_is_published_follows_from_prefixes_and_types() {
    for (conditions, more, expected) in [
        (None, "", &["pintle.>"][..]),
        (Some("ready"), "", &["pintle.>", "ready.>"]),
        (Some("pintle.c"), "", &["pintle.>"]),
        (Some("pintled"), "", &["pintle.>", "pintled.>"]),
        (None, "  subjectPrefix: a.b\n", &["a.b.pintle.>"]),
        (None, "  types: ['**.created']\n", &["pintle.>"]),
        (None, "  types: ['pintle.device.*']\n", &["pintle.device.*", "pintle.gap"]),
    ] {
        let read = read(&format!("{FIRST}{more}"), &events("pintle", conditions)).unwrap();
        assert_eq!(read[0].1.target().subjects.wanted(), expected, "{conditions:?} {more}");
    }
}

#[test]
fn everything_can_be_said() {
    let text = "
- name: all
  url: tls://a:1,nats://b:2
  stream: S
  subjectPrefix: x
  types: [a.b]
  mode: binary
  user: u
  passwordFile: secret
  create: true
  from: start
  include: [secrets]
  timeout: 3s
- {name: token, url: 'nats://a', stream: S, tokenFile: secret}
- {name: nkey, url: 'nats://a', stream: S, nkeyFile: seed}
";
    let read = read(text, &events("pintle", None)).unwrap();
    let (name, publisher, wanted, start) = &read[0];
    let target = publisher.target();
    assert_eq!((name.as_str(), wanted.secrets, *start), ("all", true, Start::Oldest));
    assert_eq!((target.mode, target.create, target.timeout.as_secs()), (Mode::Binary, true, 3));
    assert!(matches!(&target.credentials, Credentials::Password { user, .. } if user == "u"));
    assert!(matches!(read[1].1.target().credentials, Credentials::Token(_)));
    assert!(matches!(read[2].1.target().credentials, Credentials::Nkey(_)));
    assert_eq!(read[1].1.target().timeout.as_secs(), 10);
    assert!(!format!("{:?}", read[0].1).contains("s3cret"));
}

#[test]
fn what_cannot_be_is_named_with_its_line() {
    let many = (0..=TARGETS_MAX).map(|number| FIRST.replace("bus", &format!("b{number}")));
    let many = many.collect::<String>();
    let twice = FIRST.repeat(2);
    let with = |more: &str| format!("{FIRST}{more}\n");
    for (text, expected) in [
        ("- name: bus", "nats.yaml: "),
        ("a: b", "nats.yaml: "),
        (&with("  colour: red"), "nats.yaml: unknown field `colour`"),
        (&FIRST.replace("bus", "Bus"), "nats.yaml, line 1: the name \"Bus\" is not valid"),
        (&FIRST.replace("nats://h", "http://h"), "nats.yaml, line 2: the URL has to begin with"),
        (&FIRST.replace("nats://h", "nats://u:s3cret@h"), "line 2: the URL holds a user name"),
        (&FIRST.replace("EVENTS", "A.B"), "line 3: \"A.B\" is no name of a stream"),
        (&with("  subjectPrefix: a.*"), "line 4: \"a.*\" cannot be the beginning of subjects"),
        (&with("  types: []"), "line 4: types is an empty list"),
        (&with("  types: ['a*']"), "line 4: the pattern \"a*\""),
        (&with("  timeout: 0s"), "line 4: timeout has to be more than 0"),
        (&with("  user: u"), "line 1: say who publishes in one way"),
        (&with("  tokenFile: secret\n  nkeyFile: seed"), "line 1: say who publishes in one way"),
        (&with("  tokenFile: gone"), "line 1: the target \"bus\" cannot be used: cannot read"),
        (&with("  nkeyFile: secret"), "cannot be used: secret holds no seed of an nkey"),
        (&with("  credentialsFile: secret"), "cannot be used: secret holds no credentials"),
        (&with("  caFile: secret"), "cannot be used: secret holds no certificate"),
        (&twice, "nats.yaml, line 4: there is a target \"bus\" already"),
        (&many, "nats.yaml names 17 targets, and there can be 16"),
    ] {
        let error = read(text, &events("pintle", None)).expect_err(text);
        assert!(error.contains(expected) && !error.contains("s3cret"), "{error}, not {expected}");
    }
}
