//! GraphQL over HTTP: methods, media types, statuses, limits.

use serde_json::{Value, json};

use super::{ask, ask_as, code, data};
use crate::harness::server::{Launch, Server, devices};

const QUERY: &str = "{ __typename }";
const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table is read whole: one row a request")]
async fn requests_come_as_the_draft_has_them() {
    let server = Server::devices().await;
    let body = json!({"query": QUERY}).to_string();
    let cases = [
        ("POST", "/graphql", vec![JSON], &*body, 200, ""),
        (
            "POST",
            "/graphql",
            vec![("content-type", "application/json; charset=utf-8")],
            &body,
            200,
            "",
        ),
        ("GET", "/graphql?query=%7B__typename%7D", vec![], "", 200, ""),
        ("GET", "/graphql?query=%7B__typename%7D&variables=%7B%7D", vec![], "", 200, ""),
        ("GET", "/graphql", vec![], "", 400, "BAD_USER_INPUT"),
        ("GET", "/graphql?query=mutation%7B__typename%7D", vec![], "", 405, "METHOD_NOT_ALLOWED"),
        ("PUT", "/graphql", vec![JSON], &body, 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/graphql", vec![], "", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/graphql", vec![], &body, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (
            "POST",
            "/graphql",
            vec![("content-type", "text/plain")],
            &body,
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        ("POST", "/graphql", vec![JSON, ("accept", "text/html")], &body, 406, "NOT_ACCEPTABLE"),
        ("POST", "/graphql", vec![JSON], "nonsense", 400, "BAD_USER_INPUT"),
        ("POST", "/graphql", vec![JSON], "[]", 400, "BAD_USER_INPUT"),
        ("POST", "/graphql", vec![JSON], r#"{"query":"{"}"#, 400, "GRAPHQL_PARSE_FAILED"),
        (
            "POST",
            "/graphql",
            vec![JSON],
            r#"{"query":"{ nothing }"}"#,
            400,
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "POST",
            "/graphql",
            vec![JSON],
            r#"{"query":"query A{__typename} query B{__typename}"}"#,
            400,
            "BAD_USER_INPUT",
        ),
        (
            "POST",
            "/graphql",
            vec![JSON],
            r#"{"query":"{__typename}","operationName":"C"}"#,
            400,
            "BAD_USER_INPUT",
        ),
        ("POST", "/graphql", vec![JSON], r#"{"query":"query($a: Int!) {__typename}"}"#, 400, ""),
        ("POST", "/graphql/nothing", vec![JSON], &body, 404, "NOT_FOUND"),
        (
            "POST",
            "/graphql",
            vec![JSON, ("origin", "https://evil.example")],
            &body,
            403,
            "FOREIGN_HOST",
        ),
    ];
    for (method, path, headers, body, status, expected) in cases {
        let reply = server.send(method, path, &headers, body.to_owned()).await;
        assert_eq!(reply.status, status, "{method} {path} {headers:?} {body}: {}", reply.text());
        if status == 200 {
            assert_eq!(reply.json(), json!({"data": {"__typename": "Query"}}));
            continue;
        }
        let error = reply.at("/errors/0/extensions");
        assert_eq!(reply.at("/data"), Value::Null);
        assert_eq!(error["httpStatus"], status, "{method} {path} {body}");
        assert_eq!(error["requestId"], json!(reply.header("x-request-id")));
        if !expected.is_empty() {
            assert_eq!(code(&reply), expected, "{method} {path} {body}");
        }
        if status == 405 {
            assert!(!reply.header("allow").is_empty(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn an_answer_is_of_the_media_type_that_was_asked_for() {
    let server = Server::devices().await;
    let plain = "application/json; charset=utf-8";
    let own = "application/graphql-response+json; charset=utf-8";
    let cases = [
        ("*/*", plain, 400),
        ("application/json", plain, 200),
        ("application/graphql-response+json", own, 400),
        ("application/graphql-response+json, application/json;q=0.9", own, 400),
    ];
    for (accept, media_type, when_invalid) in cases {
        let good = ask_as(&server, QUERY, &json!({}), &[("accept", accept)]).await;
        assert_eq!((good.status, good.header("content-type")), (200, media_type), "{accept}");
        let bad = ask_as(&server, "{ nothing }", &json!({}), &[("accept", accept)]).await;
        assert_eq!(
            (bad.status, bad.header("content-type")),
            (when_invalid, media_type),
            "{accept}"
        );
        assert_eq!(code(&bad), "GRAPHQL_VALIDATION_FAILED");
    }
}

#[tokio::test]
async fn operations_have_limits() {
    let server = Server::devices().await;
    let deep = |depth: usize| {
        let (open, close) = ("{ fields { type ".repeat(depth), " } }".repeat(depth));
        format!("{{ __type(name: \"Device\") {open} {{ name }} {close} }}")
    };
    let aliases = |count: usize| {
        let fields: Vec<_> = (0..count).map(|index| format!("a{index}: kind")).collect();
        let fields = fields.join(" ");
        format!("{{ device(by: {{ref: {{name: \"x\"}}}}) {{ {fields} }} }}")
    };
    let roots = |count: usize| {
        let fields: Vec<_> = (0..count).map(|index| format!("a{index}: __typename")).collect();
        format!("{{ {} }}", fields.join(" "))
    };
    let tokens = |count: usize| format!("{{ {} }}", "__typename ".repeat(count));
    let list = |fields: &str| format!("{{ devices(first: 1000) {{ nodes {{ {fields} }} }} }}");
    let cases = [
        (aliases(30), ""),
        (aliases(31), "aliases"),
        (roots(20), ""),
        (roots(21), "root fields"),
        (tokens(2_000), "root fields"),
        (tokens(2_500), "tokens"),
        (
            list(
                "id kind apiVersion metadata { name uid namespace generation labels } spec { model name }",
            ),
            "",
        ),
        (
            list(
                "id kind apiVersion metadata { name uid namespace generation labels } spec { model name location }",
            ),
            "cost",
        ),
    ];
    for (query, name) in cases {
        let reply = ask(&server, &query, &json!({})).await;
        let short: String = query.chars().take(80).collect();
        if name.is_empty() {
            assert_eq!(reply.status, 200, "{short}: {}", reply.text());
        } else {
            let error = reply.at("/errors/0/extensions");
            assert_eq!((&error["code"], &error["name"]), (&json!("LIMIT_EXCEEDED"), &json!(name)));
            assert!(error["limit"].as_u64() < error["actual"].as_u64(), "{short}: {error}");
            assert_eq!(reply.status, 400);
        }
    }
    assert_eq!(ask(&server, &deep(8), &json!({})).await.status, 400);
    let large = "x".repeat(3 * 1024 * 1024);
    let reply = ask(&server, &large, &json!({})).await;
    assert_eq!((reply.status, &*code(&reply)), (413, "LIMIT_EXCEEDED"));
}

/// What `@skip` and `@include` decide is planned for each decision.
#[tokio::test]
async fn the_same_document_is_answered_by_its_variables() {
    let server = Server::devices().await;
    let query = "query($with: Boolean!) { device(by: {ref: {name: \"dev-123\"}}) { \
                 kind @include(if: $with) spec { location @skip(if: $with) name } } }";
    for _ in 0..2 {
        for with in [true, false] {
            let found = data(&ask(&server, query, &json!({"with": with})).await);
            assert_eq!(found["device"].get("kind").is_some(), with, "{found}");
            assert_eq!(found["device"]["spec"].get("location").is_some(), !with, "{found}");
        }
    }
}

#[tokio::test]
async fn who_may_not_see_the_schema_cannot_ask_for_it() {
    let launch = Launch::devices().arg("--policy").arg(devices().join("policy.yaml"));
    let server = launch.arg("--tokens").arg(devices().join("tokens.csv")).start().await;
    let introspection = "{ __schema { queryType { name } } }";
    let alice = [("authorization", "Bearer alice-token")];
    let found = data(&ask_as(&server, introspection, &json!({}), &alice).await);
    assert_eq!(found, json!({"__schema": {"queryType": {"name": "Query"}}}));
    let schema = server.send("GET", "/graphql/schema.graphql", &alice, "").await.expect(200);
    assert!(schema.text().contains("type Device implements"), "{}", schema.text());
    for (method, path) in [("GET", "/graphql/schema.graphql"), ("POST", "/graphql")] {
        let body = json!({"query": introspection}).to_string();
        let reply = server.send(method, path, &[JSON], body).await;
        assert_eq!((reply.status, &*code(&reply)), (401, "UNAUTHENTICATED"), "{method} {path}");
        assert!(reply.header("www-authenticate").starts_with("Bearer"));
    }
}

#[tokio::test]
async fn limits_are_settings() {
    let launch = Launch::devices().arg("--graphql-depth-max=2").arg("--graphql-page-max=3");
    let launch = launch.arg("--graphql-bulk-max=1").arg("--graphql-body-bytes-max=1KiB");
    let server = launch.start().await;
    let item = "{ref: {name: \"x\"}, resourceVersion: \"1\", status: {}}";
    let bulk = |items: &str| {
        format!("mutation {{ bulkUpdateDeviceStatus(input: {{items: [{items}]}}) {{ failed }} }}")
    };
    let long = format!("{{ {} }}", "__typename ".repeat(100));
    let cases = [
        ("{ devices(first: 3) { totalCount } }", 200, ""),
        ("{ devices(first: 3) { nodes { id } } }", 400, "depth"),
        ("{ devices(first: 4) { totalCount } }", 200, "first"),
        (&bulk(item), 200, ""),
        (&bulk(&format!("{item} {item}")), 200, "items"),
        (&long, 413, "body bytes"),
    ];
    for (query, status, name) in cases {
        let reply = ask(&server, query, &json!({})).await;
        assert_eq!(reply.status, status, "{query}: {}", reply.text());
        let found = reply.at("/errors/0/extensions/name");
        assert_eq!(found.as_str().unwrap_or_default(), name, "{query}: {}", reply.text());
    }
}
