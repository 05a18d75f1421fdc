//! The GraphQL door from outside: documents, and what comes back.

mod extremes;
mod http;
mod reads;
mod schema;
mod spec;
mod status;

use serde_json::{Value, json};

use crate::harness::http::Reply;
use crate::harness::server::Server;

/// Sends a document with variables.
async fn ask(server: &Server, query: &str, variables: &Value) -> Reply {
    ask_as(server, query, variables, &[]).await
}

/// Sends a document with more headers.
async fn ask_as(
    server: &Server,
    query: &str,
    variables: &Value,
    headers: &[(&str, &str)],
) -> Reply {
    let body = json!({"query": query, "variables": variables});
    server.json("POST", "/graphql", headers, &body).await
}

/// The data of an answer without errors.
#[track_caller]
fn data(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.at("/errors"), Value::Null, "{}", reply.text());
    reply.at("/data")
}

/// The code of the first error beside the data.
#[track_caller]
fn code(reply: &Reply) -> String {
    let code = reply.at("/errors/0/extensions/code");
    code.as_str().unwrap_or_else(|| panic!("no code in {}", reply.text())).to_owned()
}

/// Makes a device through the REST door, and gives back its version.
async fn device(server: &Server, name: &str) -> String {
    let device = json!({"metadata": {"name": name}, "spec": {"name": name, "location": "dc1"}});
    server.post("/devices", &device).await.expect(201).version().to_string()
}

/// A field of the payload of a mutation, by its pointer in the data.
#[track_caller]
fn at(data: &Value, pointer: &str) -> Value {
    data.pointer(pointer).cloned().unwrap_or_else(|| panic!("no {pointer} in {data}"))
}
