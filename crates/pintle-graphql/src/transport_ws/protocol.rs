//! The protocol `graphql-transport-ws`, without I/O: from a message of a client to what is to be
//! done, and from results to messages.
//!
//! Source: `PROTOCOL.md` of graphql-ws. A message that breaks the protocol closes the socket; what
//! is wrong with one operation ends that operation.

use std::collections::HashSet;

use apollo_compiler::response::JsonMap;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::request::Asked;

/// As the handshake names it.
pub(crate) const PROTOCOL: &str = "graphql-transport-ws";
/// The longest id of an operation, in bytes.
const ID_BYTES_MAX: usize = 256;
/// The longest reason that a close frame can give, in bytes (RFC 6455, section 5.5).
const REASON_BYTES_MAX: usize = 123;

/// How far a socket is, and which operations are going on.
#[derive(Debug)]
pub(crate) struct Protocol {
    phase: Phase,
    operations: HashSet<Box<str>>,
    operations_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The client has said nothing.
    New,
    /// It has said what it shows, and nobody has looked at that yet.
    Greeted,
    /// It may ask.
    Ready,
}

/// What a message of the client leads to.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    Nothing,
    /// Find out who this is, and say [`Protocol::acknowledged`].
    Authenticate(Map<String, Value>),
    /// Send this.
    Send(String),
    /// Begin an operation.
    Begin {
        id: Box<str>,
        asked: Asked,
    },
    /// So many operations are open that this one is not begun. Say so.
    Full {
        id: Box<str>,
        operations_max: usize,
    },
    /// Nobody waits for this operation any more.
    End {
        id: Box<str>,
    },
    Close(Closure),
}

/// Why the server closes a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closure {
    pub(crate) code: u16,
    /// Fits into a close frame.
    pub(crate) reason: String,
}

impl Closure {
    pub(crate) fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        while reason.len() > REASON_BYTES_MAX {
            reason.pop();
        }
        Self { code, reason }
    }

    fn bad_message(why: impl std::fmt::Display) -> Self {
        Self::new(4400, format!("Invalid message: {why}"))
    }

    /// What is shown is no header, or more than can be meant.
    pub(crate) fn bad_greeting(why: impl std::fmt::Display) -> Self {
        Self::bad_message(why)
    }

    pub(crate) fn is_no_text() -> Self {
        Self::bad_message("messages are text")
    }

    pub(crate) fn too_large(bytes_max: usize) -> Self {
        Self::bad_message(format_args!("it is larger than {bytes_max} bytes"))
    }

    fn unauthorized() -> Self {
        Self::new(4401, "Unauthorized")
    }

    pub(crate) fn forbidden(why: impl std::fmt::Display) -> Self {
        Self::new(4403, format!("Forbidden: {why}"))
    }

    pub(crate) fn wrong_subprotocol() -> Self {
        Self::new(4406, "Subprotocol not acceptable")
    }

    pub(crate) fn greeted_too_late() -> Self {
        Self::new(4408, "Connection initialisation timeout")
    }

    fn duplicate(id: &str) -> Self {
        Self::new(4409, format!("Subscriber for {id} already exists"))
    }

    fn greeted_twice() -> Self {
        Self::new(4429, "Too many initialisation requests")
    }

    /// The client reads nothing.
    pub(crate) fn stuck() -> Self {
        Self::new(1013, "what was sent is not read")
    }

    /// The server goes down (RFC 6455, section 7.4.1).
    pub(crate) fn going_away() -> Self {
        Self::new(1001, "the server is shutting down")
    }
}

/// Any message, as it comes.
#[derive(Debug, Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: Box<str>,
    id: Option<Box<str>>,
    payload: Option<Value>,
}

/// The payload of a `subscribe`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscribe {
    query: String,
    operation_name: Option<String>,
    variables: Option<JsonMap>,
    /// There are none, but what is there must be an object.
    #[serde(rename = "extensions")]
    _extensions: Option<JsonMap>,
}

impl Protocol {
    /// A socket that was just opened.
    pub(crate) fn new(operations_max: usize) -> Self {
        Self { phase: Phase::New, operations: HashSet::new(), operations_max }
    }

    /// Whether the client has yet to say what it shows.
    pub(crate) fn is_new(&self) -> bool {
        self.phase == Phase::New
    }

    /// The client is known. This is what it is told.
    pub(crate) fn acknowledged(&mut self) -> String {
        self.phase = Phase::Ready;
        r#"{"type":"connection_ack"}"#.to_owned()
    }

    /// The operation has come to its end, so its id is free.
    pub(crate) fn ended(&mut self, id: &str) {
        self.operations.remove(id);
    }

    /// What is to be done about a message.
    pub(crate) fn received(&mut self, text: &str) -> Step {
        self.step(text).unwrap_or_else(Step::Close)
    }

    fn step(&mut self, text: &str) -> Result<Step, Closure> {
        let Message { kind, id, payload } =
            serde_json::from_str(text).map_err(Closure::bad_message)?;
        match &*kind {
            "connection_init" => self.greet(object(payload)?),
            "ping" => Ok(Step::Send(pong(object(payload)?))),
            "pong" => object(payload).map(|_| Step::Nothing),
            "subscribe" => self.subscribe(operation(id)?, payload),
            "complete" => {
                let id = operation(id)?;
                let known = self.operations.remove(&id);
                Ok(if known { Step::End { id } } else { Step::Nothing })
            }
            other => {
                let other: String = other.chars().take(32).collect();
                Err(Closure::bad_message(format_args!("a client sends no {other:?}")))
            }
        }
    }

    fn greet(&mut self, shown: Option<Map<String, Value>>) -> Result<Step, Closure> {
        if !self.is_new() {
            return Err(Closure::greeted_twice());
        }
        self.phase = Phase::Greeted;
        Ok(Step::Authenticate(shown.unwrap_or_default()))
    }

    fn subscribe(&mut self, id: Box<str>, payload: Option<Value>) -> Result<Step, Closure> {
        if self.phase != Phase::Ready {
            return Err(Closure::unauthorized());
        }
        let Subscribe { query, operation_name, variables, .. } =
            serde_json::from_value(payload.unwrap_or_default()).map_err(Closure::bad_message)?;
        if self.operations.contains(&id) {
            return Err(Closure::duplicate(&id));
        }
        let operations_max = self.operations_max;
        if self.operations.len() >= operations_max {
            return Ok(Step::Full { id, operations_max });
        }
        self.operations.insert(id.clone());
        let asked = Asked { query, operation_name, variables: variables.unwrap_or_default() };
        Ok(Step::Begin { id, asked })
    }
}

fn operation(id: Option<Box<str>>) -> Result<Box<str>, Closure> {
    match id {
        Some(id) if !id.is_empty() && id.len() <= ID_BYTES_MAX => Ok(id),
        Some(id) if !id.is_empty() => {
            Err(Closure::bad_message(format_args!("an id has at most {ID_BYTES_MAX} bytes")))
        }
        _ => Err(Closure::bad_message("an operation has an id")),
    }
}

fn object(payload: Option<Value>) -> Result<Option<Map<String, Value>>, Closure> {
    match payload {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(fields)) => Ok(Some(fields)),
        Some(_) => Err(Closure::bad_message("the payload is an object")),
    }
}

fn pong(payload: Option<Map<String, Value>>) -> String {
    match payload {
        None => r#"{"type":"pong"}"#.to_owned(),
        Some(payload) => format!(r#"{{"type":"pong","payload":{}}}"#, Value::Object(payload)),
    }
}

/// A result of an operation, as JSON text.
pub(crate) fn next(id: &str, result: &str) -> String {
    message(id, "next", Some(result))
}

/// The operation ended with these errors, a list as JSON text.
pub(crate) fn error(id: &str, errors: &str) -> String {
    message(id, "error", Some(errors))
}

/// The operation ended.
pub(crate) fn complete(id: &str) -> String {
    message(id, "complete", None)
}

fn message(id: &str, kind: &str, payload: Option<&str>) -> String {
    let id = Value::from(id);
    match payload {
        Some(payload) => format!(r#"{{"id":{id},"type":"{kind}","payload":{payload}}}"#),
        None => format!(r#"{{"id":{id},"type":"{kind}"}}"#),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INIT: &str = r#"{"type":"connection_init"}"#;

    fn subscribe(id: &str) -> String {
        format!(r#"{{"id":"{id}","type":"subscribe","payload":{{"query":"{{a}}"}}}}"#)
    }

    /// What a step comes to, in one word.
    fn word(protocol: &mut Protocol, text: &str) -> String {
        match protocol.received(text) {
            Step::Nothing => "-".to_owned(),
            Step::Authenticate(shown) => {
                protocol.acknowledged();
                format!("init {}", shown.len())
            }
            Step::Send(text) => text,
            Step::Begin { id, asked } => format!("begin {id} {}", asked.query),
            Step::Full { id, operations_max } => format!("full {id} {operations_max}"),
            Step::End { id } => format!("end {id}"),
            Step::Close(Closure { code, reason }) => {
                assert!(reason.len() <= REASON_BYTES_MAX, "{reason}");
                code.to_string()
            }
        }
    }

    /// Messages, and what each leads to.
    fn check(messages: &[(&str, &str)]) {
        let mut protocol = Protocol::new(2);
        for (text, expected) in messages {
            assert_eq!(word(&mut protocol, text), *expected, "{text} of {messages:?}");
        }
    }

    #[test]
    fn operations_come_after_a_greeting_and_have_ids_of_their_own() {
        check(&[(&subscribe("1"), "4401")]);
        check(&[(INIT, "init 0"), (INIT, "4429")]);
        check(&[(r#"{"type":"connection_init","payload":{"a":1}}"#, "init 1")]);
        check(&[(r#"{"type":"connection_init","payload":null}"#, "init 0")]);
        check(&[(INIT, "init 0"), (&subscribe("1"), "begin 1 {a}"), (&subscribe("1"), "4409")]);
        check(&[
            (INIT, "init 0"),
            (&subscribe("1"), "begin 1 {a}"),
            (&subscribe("2"), "begin 2 {a}"),
            (&subscribe("3"), "full 3 2"),
            (r#"{"id":"3","type":"complete"}"#, "-"),
            (r#"{"id":"1","type":"complete"}"#, "end 1"),
            (r#"{"id":"1","type":"complete"}"#, "-"),
            (&subscribe("1"), "begin 1 {a}"),
        ]);
    }

    #[test]
    fn a_greeting_that_is_still_looked_at_opens_nothing() {
        let mut protocol = Protocol::new(1);
        assert!(protocol.is_new());
        assert!(matches!(protocol.received(INIT), Step::Authenticate(_)));
        assert!(!protocol.is_new());
        let Step::Close(closure) = protocol.received(&subscribe("1")) else { panic!() };
        assert_eq!(closure.code, 4401);
        assert_eq!(protocol.acknowledged(), r#"{"type":"connection_ack"}"#);
        assert!(matches!(protocol.received(&subscribe("1")), Step::Begin { .. }));
        protocol.ended("1");
        assert!(matches!(protocol.received(&subscribe("1")), Step::Begin { .. }));
    }

    #[test]
    fn signs_of_life_are_answered_at_any_time() {
        check(&[
            (r#"{"type":"ping"}"#, r#"{"type":"pong"}"#),
            (r#"{"type":"ping","payload":{"a":[1]}}"#, r#"{"type":"pong","payload":{"a":[1]}}"#),
            (r#"{"type":"pong","payload":null}"#, "-"),
            (INIT, "init 0"),
            (r#"{"type":"ping"}"#, r#"{"type":"pong"}"#),
        ]);
    }

    #[test]
    fn what_is_no_message_closes_the_socket() {
        let long_id = format!(r#"{{"id":"{}","type":"complete"}}"#, "x".repeat(257));
        let long_type = format!(r#"{{"type":"{}"}}"#, "ü".repeat(400));
        for text in [
            "",
            "ping",
            "[]",
            "null",
            "{}",
            r#"{"type":7}"#,
            r#"{"type":"next","id":"1","payload":{}}"#,
            r#"{"type":"connection_ack"}"#,
            r#"{"type":"start","id":"1","payload":{"query":"{a}"}}"#,
            r#"{"type":"connection_init","payload":"token"}"#,
            r#"{"type":"ping","payload":[]}"#,
            r#"{"type":"pong","payload":1}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"complete","id":7}"#,
            &long_id,
            &long_type,
        ] {
            check(&[(text, "4400")]);
        }
        for payload in [
            "null",
            "{}",
            r#"{"query":7}"#,
            r#"{"query":"{a}","variables":[]}"#,
            r#"{"query":"{a}","operationName":1}"#,
            r#"{"query":"{a}","extensions":"x"}"#,
        ] {
            let text = format!(r#"{{"id":"1","type":"subscribe","payload":{payload}}}"#);
            check(&[(INIT, "init 0"), (&text, "4400")]);
        }
        check(&[(INIT, "init 0"), (r#"{"id":"1","type":"subscribe"}"#, "4400")]);
        check(&[(INIT, "init 0"), (&subscribe(""), "4400")]);
        let given = r#"{"id":"1","type":"subscribe","payload":{"query":"{a}","variables":null,"operationName":null,"extensions":{},"x":1}}"#;
        check(&[(INIT, "init 0"), (given, "begin 1 {a}")]);
    }

    #[test]
    fn results_become_messages() {
        assert_eq!(next("a\"", "{}"), r#"{"id":"a\"","type":"next","payload":{}}"#);
        assert_eq!(error("1", "[]"), r#"{"id":"1","type":"error","payload":[]}"#);
        assert_eq!(complete("1"), r#"{"id":"1","type":"complete"}"#);
    }

    #[test]
    fn reasons_fit_into_a_close_frame() {
        let Closure { code, reason } = Closure::forbidden("ü".repeat(200));
        assert_eq!(code, 4403);
        assert!(reason.len() <= REASON_BYTES_MAX && reason.starts_with("Forbidden: ü"));
    }
}
