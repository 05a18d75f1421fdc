//! Everything that the REST door decides, as tables over [`check`]: a request, and what must be in
//! the answer.

mod bodies;
mod fields;
mod lists;
mod names;
mod patches;
mod preconditions;
mod reads;

use serde_json::{Value, json};

use crate::harness::http::Reply;
use crate::harness::server::Server;

const JSON: (&str, &str) = ("content-type", "application/json");

/// One row: what is sent, the status of the answer, and a text that its body holds.
type Row<'a> = (&'a str, &'a str, &'a str, u16, &'a str);

/// Sends each row with a JSON body, one after the other, and compares.
async fn check(server: &Server, rows: &[Row<'_>]) {
    for (method, path, body, status, holds) in rows {
        let reply = server.send(method, path, &[JSON], (*body).to_owned()).await;
        assert_answer(&reply, &format!("{method} {path} {body}"), *status, holds);
    }
}

#[track_caller]
fn assert_answer(reply: &Reply, request: &str, status: u16, holds: &str) {
    let text = reply.text();
    assert_eq!(reply.status, status, "{request} answers {text}");
    assert!(text.contains(holds), "{request}: {holds} is missing in {text}");
    if status >= 400 {
        let body = reply.json();
        assert_eq!(body["code"], status, "{request} answers {text}");
        assert!(
            body["error"].is_string() && body["reason"].is_string(),
            "{request} answers {text}"
        );
    }
}

/// Makes a device in the namespace `default`, and gives back the answer.
async fn device(server: &Server, name: &str) -> Reply {
    let device = json!({"metadata": {"name": name}, "spec": {"name": name, "location": "dc1"}});
    server.post("/devices", &device).await.expect(201)
}

/// The names in a list.
fn names(list: &Reply) -> Vec<String> {
    let list = list.json();
    let objects = list.as_array().expect("a list is a bare array").iter();
    objects.map(|object| text(&object["metadata"]["name"])).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
