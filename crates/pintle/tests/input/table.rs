//! Tables of requests and of the answers they must get, and the one function that goes through
//! them.
//!
//! No row of a table may change anything: a row that is accepted is a dry run, or says what is so
//! already. After each row the store is at the revision where it was.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use crate::harness::http::Reply;
use crate::harness::server::Server;
use crate::harness::stream::Framing;

/// One request, and the answer it must get.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    what: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    status: u16,
    reason: &'static str,
    says: String,
}

/// The row that sends `request`, which is a method and a path.
#[track_caller]
pub(crate) fn row(what: impl Into<String>, request: &str) -> Row {
    let (method, path) = request.split_once(' ').expect("a method and a path");
    Row {
        what: what.into(),
        method: method.to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: Bytes::new(),
        status: 0,
        reason: "",
        says: String::new(),
    }
}

impl Row {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A body, of whatever type the headers say.
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// A body of `application/json`.
    pub(crate) fn json(self, body: impl Into<Bytes>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    /// A body of `application/<format>-patch+json`.
    pub(crate) fn patch(self, format: &str, body: impl Into<Bytes>) -> Self {
        self.header("content-type", &format!("application/{format}-patch+json")).body(body)
    }

    /// The answer that must come: its status, its reason (empty for a success), and what its text
    /// must contain.
    pub(crate) fn is(mut self, status: u16, reason: &'static str, says: impl Into<String>) -> Self {
        (self.status, self.reason, self.says) = (status, reason, says.into());
        self
    }

    pub(crate) async fn send(&self, server: &Server) -> Reply {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        server.send(&self.method, &self.path, &headers, self.body.clone()).await
    }

    /// What is wrong with an answer to it.
    fn fault(&self, reply: &Reply) -> Option<String> {
        let text = reply.text();
        let error: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let told = error["error"].as_str().unwrap_or(&text);
        let says_why = self.reason.is_empty()
            || error["reason"] == self.reason && error["code"] == reply.status;
        let right = reply.status == self.status
            // The answer to a HEAD has no body.
            && (self.method == "HEAD" || says_why && told.contains(&self.says));
        let Self { what, method, path, .. } = self;
        (!right).then(|| {
            let answered: String = text.chars().take(400).collect();
            format!(
                "{what}: {method} {path}\n  must be {} {} {:?}\n  but was {} {answered}",
                self.status, self.reason, self.says, reply.status
            )
        })
    }
}

/// Goes through a table, on a server that asks for no credentials.
pub(crate) fn check(
    server: &Server,
    rows: impl IntoIterator<Item = Row>,
) -> impl Future<Output = ()> {
    check_seen_by(server, &[], rows)
}

/// Goes through a table. What there is before and after is looked at with these headers.
pub(crate) fn check_seen_by(
    server: &Server,
    headers: &[(&str, &str)],
    rows: impl IntoIterator<Item = Row>,
) -> impl Future<Output = ()> {
    let rows: Vec<Row> = rows.into_iter().collect();
    async move {
        let before = everything(server, headers).await;
        let wrong = go_through(server, headers, &rows).await;
        assert!(wrong.is_empty(), "{} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));
        assert_eq!(everything(server, headers).await, before, "something was changed");
        assert_sound(server).await;
    }
}

/// What is wrong with the answers to the rows of a table.
async fn go_through(server: &Server, headers: &[(&str, &str)], rows: &[Row]) -> Vec<String> {
    let revision = newest(server, headers).await;
    let mut wrong = Vec::new();
    for row in rows {
        assert_ne!(row.status, 0, "{}: no answer is asked for", row.what);
        wrong.extend(row.fault(&row.send(server).await));
        if newest(server, headers).await != revision {
            wrong.push(format!("{}: {} {} was written", row.what, row.method, row.path));
            break;
        }
    }
    wrong
}

/// The server answers, has not panicked, says nothing of internal errors, and no log line was
/// broken by what a request carried.
pub(crate) async fn assert_sound(server: &Server) {
    server.get("/readyz").await.expect(200);
    let log = server.stderr();
    assert!(!log.contains("panicked"), "{log}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("broken: {line}"));
        assert_ne!(line["level"], "ERROR", "{line}");
    }
}

/// The revision that the store is at.
async fn newest(server: &Server, headers: &[(&str, &str)]) -> String {
    let reply = server.send("GET", "/namespaces?limit=1", headers, "").await.expect(200);
    reply.header("pintle-resource-version").to_owned()
}

/// The text of every object that there is, by its kind.
pub(crate) async fn everything(
    server: &Server,
    headers: &[(&str, &str)],
) -> BTreeMap<String, String> {
    let core = ["customresourcedefinitions", "namespaces.core", "resourcequotas.core"];
    let rbac = ["roles", "rolebindings", "clusterroles", "clusterrolebindings"];
    let core = core.into_iter().chain(rbac).map(str::to_owned);
    let declared = judged(server, headers).await.into_iter().map(|definition| {
        assert_eq!(condition(&definition, "Established"), "True", "{definition}");
        definition["metadata"]["name"].as_str().expect("a name").to_owned()
    });
    let has_phase = |namespace: &Value| namespace["status"]["phase"].is_string();
    settled(server, headers, "namespaces", has_phase).await;
    let mut texts = BTreeMap::new();
    for kind in declared.chain(core) {
        let list = server.send("GET", &format!("/{kind}"), headers, "").await.expect(200);
        texts.insert(kind, list.text());
    }
    texts
}

/// All definitions, when the server has said of each of them what becomes of it.
pub(crate) async fn judged(server: &Server, headers: &[(&str, &str)]) -> Vec<Value> {
    let judged = |definition: &Value| !condition(definition, "Established").is_empty();
    settled(server, headers, "customresourcedefinitions", judged).await
}

/// All objects of a kind, when the server is done with them.
async fn settled(
    server: &Server,
    headers: &[(&str, &str)],
    kind: &str,
    is_done: impl Fn(&Value) -> bool,
) -> Vec<Value> {
    let watch = server.watch_as(&format!("/{kind}?watch"), Framing::Lines, headers).await;
    let mut watch = watch.expect("the kind may be watched");
    let (mut objects, _) = watch.state().await;
    while !objects.iter().all(&is_done) {
        let changed = watch.event().await.object;
        objects.retain(|object| object["metadata"]["uid"] != changed["metadata"]["uid"]);
        objects.push(changed);
    }
    objects
}

/// The status of one condition of an object; empty where it has none of that type.
pub(crate) fn condition<'v>(object: &'v Value, kind: &str) -> &'v str {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == kind);
    found.and_then(|condition| condition["status"].as_str()).unwrap_or_default()
}
