//! Tables of the command line.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::{
    AuditConfig, AuthorizationChoice, EventConfig, GraphqlConfig, JwtConfig, LogFormat, NatsConfig,
    OperationConfig, StoreChoice, TlsConfig, UrlText, WebhookConfig,
};

fn parsed(arguments: &[&str]) -> Result<Command, CliError> {
    let arguments = ["pintle"].iter().chain(arguments).map(OsString::from);
    parse(arguments, &|_| None)
}

fn serve(arguments: &[&str]) -> ServeConfig {
    match parsed(arguments).unwrap() {
        Command::Serve(config) => *config,
        other => panic!("{arguments:?} asks for {other:?}"),
    }
}

#[test]
fn what_is_left_out_has_a_default() {
    let config = serve(&["serve"]);
    let expected = ServeConfig {
        paths: Vec::new(),
        config: None,
        listen: "127.0.0.1:8080".parse().unwrap(),
        data_dir: "pintle-data".into(),
        store: StoreChoice::Sqlite,
        policy: Vec::new(),
        tokens: None,
        tls: TlsConfig::default(),
        jwt: JwtConfig::default(),
        authorization: AuthorizationChoice::Auto,
        require_status_precondition: false,
        history_age: Duration::from_mins(5),
        history_events: None,
        history_bytes_max: 1024 * 1024 * 1024,
        body_bytes_max: 16 * 1024 * 1024,
        graphql: GraphqlConfig::default(),
        events: EventConfig {
            event_type_prefix: "pintle".to_owned(),
            condition_event_prefix: None,
            event_source: "pintle".to_owned(),
        },
        webhooks: WebhookConfig::default(),
        nats: NatsConfig::default(),
        operation: OperationConfig::default(),
        log_format: LogFormat::Auto,
        audit: AuditConfig::default(),
    };
    assert_eq!(config, expected);
}

fn events() -> EventConfig {
    EventConfig {
        event_type_prefix: "a.b".to_owned(),
        condition_event_prefix: Some("c".to_owned()),
        event_source: "s".to_owned(),
    }
}

fn webhooks() -> WebhookConfig {
    WebhookConfig {
        webhook: vec![UrlText("http://a".to_owned()), UrlText("http://b".to_owned())],
        webhooks: Some("w".into()),
    }
}

fn operation() -> OperationConfig {
    OperationConfig {
        metrics: false,
        otel_endpoint: Some(UrlText("http://127.0.0.1:4318".to_owned())),
        shutdown_delay: Duration::from_secs(7),
    }
}

#[test]
fn every_option_is_read() {
    let config = serve(&[
        "serve",
        "a.yaml",
        "--listen",
        "[::1]:1",
        "--data-dir=d",
        "--store",
        "memory",
        "--policy",
        "p1",
        "--policy",
        "p2",
        "--tokens",
        "t",
        "--authorization",
        "rbac",
        "--require-status-precondition",
        "--history-age",
        "1h",
        "--history-events",
        "50",
        "--history-bytes-max",
        "2MB",
        "--body-bytes-max",
        "1MiB",
        "--event-type-prefix",
        "a.b",
        "--condition-event-prefix",
        "c",
        "--event-source",
        "s",
        "--webhook=http://a",
        "--webhook",
        "http://b",
        "--webhooks=w",
        "--nats=n",
        "--metrics=false",
        "--otel-endpoint=http://127.0.0.1:4318",
        "--shutdown-delay=7s",
        "--log-format",
        "json",
        "--",
        "--odd-name",
    ]);
    let expected = ServeConfig {
        paths: vec!["a.yaml".into(), "--odd-name".into()],
        config: None,
        listen: "[::1]:1".parse().unwrap(),
        data_dir: "d".into(),
        store: StoreChoice::Memory,
        policy: vec!["p1".into(), "p2".into()],
        tokens: Some("t".into()),
        tls: TlsConfig::default(),
        jwt: JwtConfig::default(),
        authorization: AuthorizationChoice::Rbac,
        require_status_precondition: true,
        history_age: Duration::from_hours(1),
        history_events: Some(50),
        history_bytes_max: 2_000_000,
        body_bytes_max: 1024 * 1024,
        graphql: GraphqlConfig::default(),
        events: events(),
        webhooks: webhooks(),
        nats: NatsConfig { nats: Some("n".into()) },
        operation: operation(),
        log_format: LogFormat::Json,
        audit: AuditConfig::default(),
    };
    assert_eq!(config, expected);
    assert!(!serve(&["serve", "--require-status-precondition=false"]).require_status_precondition);
}

#[test]
fn wrong_options_are_named() {
    let cases = [
        (
            &["serve", "--listen", "8080"][..],
            "error: invalid value '8080' for '--listen <ADDR:PORT>': expected an IP address and a \
             port, such as 127.0.0.1:8080 or [::1]:8080",
        ),
        (
            &["serve", "--history-age", "5"],
            "error: invalid value '5' for '--history-age <DURATION>': expected a duration in d, h, \
             m, s or ms, such as 5m, 300s or 1h30m",
        ),
        (
            &["serve", "--history-events", "0"],
            "error: invalid value '0' for '--history-events <COUNT>': 0 is not in 1..",
        ),
        (&["serve", "--store", "etcd"], "error: invalid value 'etcd' for '--store <STORE>'"),
        (&["serve", "--webhok", "x"], "error: unexpected argument '--webhok' found"),
        (&["serve", "--tokens"], "error: a value is required for '--tokens <FILE>'"),
        (&["serve", "--tokens", ""], "error: a value is required for '--tokens <FILE>'"),
        (&["srve"], "error: unrecognized subcommand 'srve'"),
    ];
    for (arguments, expected) in cases {
        let error = parsed(arguments).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{arguments:?}: {error}");
        assert_eq!(error.exit_code(), 2, "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_no_failures() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["--version"]] {
        assert_eq!(parsed(arguments).unwrap_err().exit_code(), 0, "{arguments:?}");
    }
    assert_eq!(parsed(&["version"]).unwrap(), Command::Version);
    assert_eq!(parsed(&["--version"]).unwrap_err().to_string().trim_end(), version());
}

#[test]
fn every_option_has_help_and_names_its_variable() {
    let mut grammar = grammar();
    grammar.build();
    let serve = grammar.find_subcommand("serve").unwrap();
    let options = serve.get_arguments().filter(|option| option.get_long().is_some());
    for option in options.filter(|option| option.get_id() != "help") {
        let help = option.get_help().unwrap().to_string();
        let variable = option.get_id().as_str().to_ascii_uppercase();
        assert!(help.ends_with(&format!(" [env: PINTLE_{variable}]")), "{help}");
    }
    grammar.debug_assert();
}

#[test]
fn the_example_serves_everybody_on_this_machine() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/devices");
    let config = serve(&["serve", directory]);
    assert_eq!(config.config.as_deref(), Some(&*Path::new(directory).join("pintle.yaml")));
    assert!(config.listen.ip().is_loopback());
    assert_eq!((config.policy, config.tokens), (Vec::new(), None));
    assert_eq!(config.authorization, AuthorizationChoice::Auto);
}
