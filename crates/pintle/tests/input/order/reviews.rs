//! Questions about rights, asked at the door.

use serde_json::{Value, json};

use super::{ALICE, CONTROLLER, MALLORY, ROOT, guarded};
use crate::table::assert_sound;

fn may(verb: &str, subresource: &str) -> Value {
    json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "verb": verb, "group": "infra.example.io", "resource": "devices",
            "subresource": subresource, "namespace": "default",
        }},
    })
}

#[tokio::test]
async fn the_answer_is_what_would_happen() {
    let guarded = guarded(None).await;
    let server = &guarded.server;
    let path = "/selfsubjectaccessreviews";
    let cases = [
        (ALICE, may("update", ""), true),
        (ALICE, may("update", "status"), false),
        (CONTROLLER, may("update", ""), false),
        (CONTROLLER, may("update", "status"), true),
        (MALLORY, may("get", ""), false),
        (ROOT, may("frob", ""), true),
    ];
    for (who, question, expected) in cases {
        let reply = server.json("POST", path, &who, &question).await.expect(201);
        assert_eq!(reply.at("/status/allowed"), expected, "{who:?} {question}");
        assert_eq!(reply.at("/spec"), question["spec"], "{who:?}");
    }
    let qualified = "/selfsubjectaccessreviews.authorization.k8s.io";
    server.json("POST", qualified, &ALICE, &may("get", "")).await.expect(201);

    let who = server.json("POST", "/selfsubjectreviews", &ALICE, &json!({})).await.expect(201);
    assert_eq!(who.at("/status/userInfo/username"), "alice");
    let rules = json!({"spec": {"namespace": "default"}});
    let rules = server.json("POST", "/selfsubjectrulesreviews", &ALICE, &rules).await.expect(201);
    assert!(rules.text().contains(r#""resources":["devices"]"#), "{}", rules.text());
    assert_sound(server).await;
}

/// A question is a right of its own: everybody who is known may ask about themselves, nobody but an
/// administrator about others.
#[tokio::test]
async fn asking_is_a_right() {
    let guarded = guarded(None).await;
    let server = &guarded.server;
    let about_alice =
        json!({"spec": {"user": "alice", "nonResourceAttributes": {"path": "/x", "verb": "get"}}});
    let local = json!({"spec": {"user": "alice", "resourceAttributes": {"namespace": "default"}}});
    let empty = json!({});
    let cases = [
        ("POST", "/subjectaccessreviews", MALLORY.as_slice(), &about_alice, 403),
        ("POST", "/subjectaccessreviews", &ROOT, &about_alice, 201),
        ("POST", "/subjectaccessreviews", &ROOT, &empty, 422),
        ("POST", "/localsubjectaccessreviews?namespace=default", &MALLORY, &local, 403),
        ("POST", "/localsubjectaccessreviews?namespace=default", &ROOT, &local, 201),
        ("POST", "/localsubjectaccessreviews?namespace=other", &ROOT, &local, 422),
        ("POST", "/localsubjectaccessreviews", &ROOT, &local, 422),
        ("POST", "/selfsubjectreviews", &[], &empty, 401),
        ("POST", "/selfsubjectaccessreviews", &MALLORY, &empty, 422),
        ("GET", "/selfsubjectreviews", &MALLORY, &empty, 405),
        ("POST", "/selfsubjectreviews/x", &MALLORY, &empty, 404),
        ("POST", "/selfsubjectreviews?nonsense", &MALLORY, &empty, 400),
    ];
    for (method, path, who, body, status) in cases {
        let reply = server.json(method, path, who, body).await;
        assert_eq!(reply.status, status, "{method} {path} {who:?}: {}", reply.text());
    }
    let headers = [MALLORY.as_slice(), &[("content-type", "text/plain")]].concat();
    server.send("POST", "/selfsubjectreviews", &headers, "{}").await.expect(415);
    server.send("POST", "/selfsubjectreviews", &MALLORY, "[]").await.expect(400);
    assert_sound(server).await;
}
