//! Tables of settings: where they come from, and what is said of wrong ones.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::cli::{self, CliError, Command};

/// A directory with this settings file in it.
fn directory(settings: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("pintle.yaml"), settings).unwrap();
    directory
}

/// What `pintle serve DIRECTORY OPTIONS` is told, with these variables set.
fn resolved(
    directory: &Path,
    options: &[&str],
    variables: &[(&str, &str)],
) -> Result<ServeConfig, CliError> {
    let arguments = ["pintle".into(), "serve".into(), directory.as_os_str().to_owned()];
    let arguments = arguments.into_iter().chain(options.iter().map(OsString::from));
    let variable = |name: &str| variables.iter().find(|(set, _)| *set == name);
    match cli::parse(arguments, &|name| variable(name).map(|(_, value)| value.into()))? {
        Command::Serve(config) => Ok(*config),
        other => unreachable!("the arguments begin with serve, not {other:?}"),
    }
}

/// The error text, with the directory's name taken out.
fn complaint(settings: &str, options: &[&str], variables: &[(&str, &str)]) -> String {
    let directory = directory(settings);
    let error = resolved(directory.path(), options, variables).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string().replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn an_option_wins_over_the_environment_and_that_over_the_file() {
    let (option, variable, key) =
        (&["--history-age", "1s"][..], &[("PINTLE_HISTORY_AGE", "2s")][..], "history-age: 3s");
    let cases = [
        (option, variable, key, 1),
        (option, variable, "", 1),
        (option, &[], key, 1),
        (option, &[], "", 1),
        (&[], variable, key, 2),
        (&[], variable, "", 2),
        (&[], &[("PINTLE_HISTORY_AGE", "")], key, 3),
        (&[], &[], key, 3),
        (&[], &[], "", 300),
        // A default that is said is said.
        (&["--history-age", "5m"], variable, key, 300),
    ];
    for (options, variables, settings, expected) in cases {
        let directory = directory(settings);
        let config = resolved(directory.path(), options, variables).unwrap();
        let case = (options, variables, settings);
        assert_eq!(config.history_age.as_secs(), expected, "{case:?}");
    }
}

#[test]
fn a_list_comes_from_one_layer() {
    let settings = "policy: [a.yaml, /b.yaml]\n";
    let directory = directory(settings);
    let policy = |options: &[&str], variables: &[(&str, &str)]| {
        resolved(directory.path(), options, variables).unwrap().policy
    };
    assert_eq!(policy(&[], &[]), [directory.path().join("a.yaml"), "/b.yaml".into()]);
    assert_eq!(policy(&[], &[("PINTLE_POLICY", "c:d")]), [Path::new("c"), Path::new("d")]);
    assert_eq!(policy(&["--policy", "e"], &[("PINTLE_POLICY", "c:d")]), [Path::new("e")]);
}

#[test]
fn a_list_of_urls_is_split_at_spaces() {
    let directory = directory("");
    let variables = [("PINTLE_WEBHOOK", "http://a:1/b  https://c")];
    let config = resolved(directory.path(), &[], &variables).unwrap();
    let expected = ["http://a:1/b", "https://c"].map(|url| UrlText(url.to_owned()));
    assert_eq!(config.webhooks.webhook, expected);
}

#[test]
fn every_setting_can_stand_in_the_file() {
    let directory = directory(
        "# settings\nlisten: '[::1]:1'\ndata-dir: data\nstore: memory\npolicy: p\ntokens: ../t\n\
         authorization: none\nrequire-status-precondition: yes\nhistory-age: 10m\n\
         history-events: 50\nhistory-bytes-max: 1_000_000\nbody-bytes-max: 2048\nlog-format: human\n\
         event-type-prefix: a\ncondition-event-prefix: b\nevent-source: c\n\
         webhook: ['http://a', 'http://b']\nwebhooks: w\nnats: bus.yaml\n\
         metrics: false\notel-endpoint: http://127.0.0.1:4318\nshutdown-delay: 7s\n",
    );
    let at = |name: &str| directory.path().join(name);
    let expected = ServeConfig {
        paths: vec![directory.path().to_owned()],
        config: Some(at("pintle.yaml")),
        listen: "[::1]:1".parse().unwrap(),
        data_dir: at("data"),
        store: StoreChoice::Memory,
        policy: vec![at("p")],
        tokens: Some(at("../t")),
        tls: TlsConfig::default(),
        jwt: JwtConfig::default(),
        authorization: AuthorizationChoice::None,
        require_status_precondition: true,
        history_age: Duration::from_mins(10),
        history_events: Some(50),
        history_bytes_max: 1_000_000,
        body_bytes_max: 2048,
        graphql: GraphqlConfig::default(),
        events: EventConfig {
            event_type_prefix: "a".to_owned(),
            condition_event_prefix: Some("b".to_owned()),
            event_source: "c".to_owned(),
        },
        webhooks: WebhookConfig {
            webhook: ["http://a", "http://b"].map(|url| UrlText(url.to_owned())).to_vec(),
            webhooks: Some(at("w")),
        },
        nats: NatsConfig { nats: Some(at("bus.yaml")) },
        operation: OperationConfig {
            metrics: false,
            otel_endpoint: Some(UrlText("http://127.0.0.1:4318".to_owned())),
            shutdown_delay: Duration::from_secs(7),
        },
        log_format: LogFormat::Human,
        audit: AuditConfig::default(),
    };
    assert_eq!(resolved(directory.path(), &[], &[]).unwrap(), expected);
}

#[test]
fn standard_output_is_in_no_directory() {
    let log = |settings: &str| {
        let directory = directory(settings);
        let config = resolved(directory.path(), &[], &[]).unwrap();
        let file = config.audit.audit_log.unwrap();
        file.strip_prefix(directory.path()).map_or_else(|_| file.clone(), Path::to_owned)
    };
    assert_eq!(log("audit-log: '-'"), Path::new("-"));
    assert_eq!(log("audit-log: a.log"), Path::new("a.log"));
}

#[test]
fn the_settings_file_is_the_named_one_or_that_of_the_first_directory() {
    let first = directory("log-format: json");
    let second = directory("log-format: human");
    let named = second.path().join("pintle.yaml").display().to_string();
    let crd = first.path().join("crd.yaml").display().to_string();
    fs::write(&crd, "").unwrap();
    let bare = TempDir::new().unwrap();
    let also = second.path().display().to_string();
    let cases = [
        (first.path(), vec![], vec![], LogFormat::Json),
        (first.path(), vec![also.as_str()], vec![], LogFormat::Json),
        (Path::new(&crd), vec![also.as_str()], vec![], LogFormat::Human),
        (first.path(), vec!["--config", &named], vec![], LogFormat::Human),
        (first.path(), vec![], vec![("PINTLE_CONFIG", named.as_str())], LogFormat::Human),
        (bare.path(), vec![also.as_str()], vec![], LogFormat::Auto),
    ];
    for (path, options, variables, expected) in cases {
        let config = resolved(path, &options, &variables).unwrap();
        assert_eq!(config.log_format, expected, "{} {options:?} {variables:?}", path.display());
    }
}

#[test]
fn what_is_wrong_in_the_file_is_named_with_line_and_key() {
    let cases = [
        (
            "\nlistn: x\n",
            "pintle.yaml, line 2: unknown key \"listn\"; did you mean \"listen\"? `pintle serve \
             --help` lists the settings",
        ),
        (
            "graphql-timeuot: 3s",
            "pintle.yaml, line 1: unknown key \"graphql-timeuot\"; did you mean \"graphql-timeout\"? \
             `pintle serve --help` lists the settings",
        ),
        (
            "colour: red",
            "pintle.yaml, line 1: unknown key \"colour\". `pintle serve --help` lists the settings",
        ),
        (
            "store: memory\nlisten: 8080\n",
            "pintle.yaml, line 2, key \"listen\": \"8080\" is not valid: expected an IP address \
             and a port, such as 127.0.0.1:8080 or [::1]:8080",
        ),
        (
            "store: etcd",
            "pintle.yaml, line 1, key \"store\": \"etcd\" is not valid: expected sqlite or memory",
        ),
        (
            "require-status-precondition: maybe",
            "pintle.yaml, line 1, key \"require-status-precondition\": \"maybe\" is not valid: \
             expected true or false",
        ),
        (
            "history-bytes-max: 1.5",
            "pintle.yaml, line 1, key \"history-bytes-max\": \"1.5\" is not valid: expected a \
             number of bytes, such as 1073741824, 500MB or 1GiB",
        ),
        (
            "tokens:",
            "pintle.yaml, line 1, key \"tokens\": has no value; give it one or remove the key",
        ),
        ("tokens: ''", "pintle.yaml, line 1, key \"tokens\": the value is empty"),
        ("tokens: [a]", "pintle.yaml, line 1, key \"tokens\": expected one value, not a list"),
        ("tokens: {a: b}", "pintle.yaml, line 1, key \"tokens\": expected a value, not a mapping"),
        (
            "store: memory\nstore: memory\n",
            "pintle.yaml: duplicate mapping key `store` is not allowed here at line 2, column 1",
        ),
    ];
    for (settings, expected) in cases {
        assert_eq!(complaint(settings, &[], &[]), expected, "{settings:?}");
    }
    for settings in ["- a", "text", "a: [", "config: x.yaml", "policy: [[a]]", "a: 1\n---\nb: 2"] {
        let text = complaint(settings, &[], &[]);
        assert!(text.starts_with("pintle.yaml") && text.contains("line "), "{settings:?}: {text}");
    }
}

#[test]
fn a_bad_value_counts_also_where_a_stronger_layer_hides_it() {
    let text = complaint("history-age: soon", &["--history-age", "1s"], &[]);
    assert!(text.starts_with("pintle.yaml, line 1, key \"history-age\": \"soon\""), "{text}");
}

#[test]
fn what_is_wrong_in_the_environment_is_named() {
    let cases = [
        (
            ("PINTLE_STORE", "etcd"),
            "environment variable PINTLE_STORE: \"etcd\" is not valid: expected sqlite or memory",
        ),
        (
            ("PINTLE_BODY_BYTES_MAX", "1"),
            "environment variable PINTLE_BODY_BYTES_MAX: \"1\" is not valid: expected a size from \
             1KiB to 1GiB",
        ),
        (("PINTLE_POLICY", "a::b"), "environment variable PINTLE_POLICY: the value is empty"),
    ];
    for (variable, expected) in cases {
        assert_eq!(complaint("", &[], &[variable]), expected, "{variable:?}");
    }
}

#[test]
fn a_settings_file_that_cannot_be_read_is_named() {
    let text = complaint("", &["--config", "/nowhere/pintle.yaml"], &[]);
    assert!(text.starts_with("cannot read the settings file /nowhere/pintle.yaml: "), "{text}");
    let text = complaint(&format!("store: memory # {}", "x".repeat(1024 * 1024)), &[], &[]);
    let why = "it has more than 1048576 bytes";
    assert_eq!(text, format!("cannot read the settings file pintle.yaml: {why}"));
    let text = complaint("", &["--config", "/dev/zero"], &[]);
    assert_eq!(text, "cannot read the settings file /dev/zero: it is not a regular file");
}
