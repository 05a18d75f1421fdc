//! Who is calling, asked of the real server: tokens that are stolen, over, meant for others or
//! taken back; TLS, and client certificates.

#[path = "../../../pintle-identity/tests/support/issuer.rs"]
mod issuer;

use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use crate::harness::server::{Launch, Server, devices};
use crate::harness::within;
use issuer::{SigningKey, encode, hmac_signed, key_set, now};

const ISSUER: &str = "https://issuer.example";

fn claims(changes: &[(&str, Value)]) -> Value {
    let mut claims = json!({"iss": ISSUER, "aud": "pintle", "sub": "bob", "exp": now() + 600});
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    claims
}

/// Trusts the keys in `keys.json` and the tokens in `tokens.csv` of this directory.
async fn server(directory: &Path) -> Server {
    let launch = Launch::devices().arg("--policy").arg(devices().join("policy.yaml"));
    let launch = launch.arg("--tokens").arg(directory.join("tokens.csv"));
    let launch = launch.arg("--jwks").arg(directory.join("keys.json"));
    launch.arg(format!("--jwt-issuer={ISSUER}")).arg("--jwt-audience=pintle").start().await
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

async fn get(server: &Server, token: &str) -> (u16, String) {
    let authorization = bearer(token);
    let reply = server.send("GET", "/devices", &[("authorization", &authorization)], "").await;
    (reply.status, reply.text())
}

#[tokio::test]
async fn tokens_that_prove_nothing_get_401_and_are_shown_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let (key, thief) = (SigningKey::p256("k1"), SigningKey::p256("k1"));
    std::fs::write(dir.path().join("keys.json"), key_set(&[&key])).unwrap();
    std::fs::write(dir.path().join("tokens.csv"), "static-s3cret,alice,1\n").unwrap();
    let server = server(dir.path()).await;
    let good = key.token("ES256", &claims(&[]));
    assert_eq!(get(&server, &good).await.0, 200);
    assert_eq!(get(&server, "static-s3cret").await.0, 200);
    let (head, rest) = good.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let root = encode(claims(&[("sub", json!("root"))]).to_string().as_bytes());
    let none = encode(br#"{"alg":"none"}"#);
    let with = |name, value| key.token("ES256", &claims(&[(name, value)]));
    let hs256 = r#"{"alg":"HS256","kid":"k1"}"#;
    let cases = [
        ("nobody's", "other-s3cret-token".to_owned(), "not known"),
        ("expired", with("exp", json!(now() - 1)), "has expired"),
        ("another audience", with("aud", json!("another")), "aud"),
        ("another issuer", with("iss", json!("https://other.example")), "iss"),
        ("too early", with("nbf", json!(now() + 3600)), "nbf"),
        ("a name of ours", with("sub", json!("system:admin")), "system:"),
        ("a thief's key", thief.token("ES256", &claims(&[])), "signature"),
        ("changed", format!("{head}.{root}.{signature}"), "signature"),
        ("alg none", format!("{none}.{root}."), "alg"),
        ("HMAC", hmac_signed(hs256, &claims(&[]), key.jwk().to_string().as_bytes()), "alg"),
        ("an unknown key", SigningKey::p256("k2").token("ES256", &claims(&[])), "kid"),
        ("too long", format!("{good}{}", "x".repeat(20_000)), "longer"),
    ];
    for (what, token, why) in &cases {
        let (status, text) = get(&server, token).await;
        assert_eq!(status, 401, "{what}: {text}");
        assert!(text.contains(why) && text.contains("UNAUTHENTICATED"), "{what}: {text}");
        assert!(!text.contains(token.as_str()), "{what}: {text}");
    }
    let said = format!("{}{}", server.stdout(), server.stderr());
    let secrets = cases.iter().map(|case| case.1.as_str()).chain([signature, "static-s3cret"]);
    for secret in secrets {
        let part = secret.rsplit('.').next().filter(|it| !it.is_empty()).unwrap_or(secret);
        assert!(!said.contains(part), "a secret is in the log");
    }
}

#[tokio::test]
async fn what_is_taken_back_ends_what_was_begun_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (SigningKey::p256("old"), SigningKey::ed25519("new"));
    let (keys, tokens) = (dir.path().join("keys.json"), dir.path().join("tokens.csv"));
    std::fs::write(&keys, key_set(&[&old])).unwrap();
    std::fs::write(&tokens, "static-1,bob,1\nstatic-2,bob,1\n").unwrap();
    let server = server(dir.path()).await;
    let (signed, renewed) = (old.token("ES256", &claims(&[])), new.token("EdDSA", &claims(&[])));
    let over = old.token("ES256", &claims(&[("exp", json!(now() + 3))]));
    let watch = async |token: &str| {
        let path = "/devices?watch=true";
        let lines = crate::harness::stream::Framing::Lines;
        let mut watch =
            server.watch_as(path, lines, &[("authorization", &bearer(token))]).await.unwrap();
        watch.state().await;
        watch
    };
    let ends = async |mut watch: crate::harness::stream::Watch, token: &str| {
        let event = watch.event().await;
        assert_eq!((event.kind.as_str(), &event.object["code"]), ("ERROR", &json!(401)));
        assert!(within("the end", watch.next()).await.is_none());
        assert_eq!(get(&server, token).await.0, 401);
    };
    let (by_token, by_key, by_time) =
        (watch("static-1").await, watch(&signed).await, watch(&over).await);
    ends(by_time, &over).await;
    assert!(now() >= claims_end(&over), "not before its time");
    assert_eq!(get(&server, &renewed).await.0, 401, "a key that is not known yet");
    // A file that cannot be used takes nothing back.
    std::fs::write(&tokens, "broken\n").unwrap();
    std::fs::write(&keys, key_set(&[&new])).unwrap();
    ends(by_key, &signed).await;
    assert_eq!(get(&server, &renewed).await.0, 200);
    assert_eq!(get(&server, "static-1").await.0, 200);
    std::fs::write(&tokens, "static-2,bob,1\n").unwrap();
    ends(by_token, "static-1").await;
    assert_eq!(get(&server, "static-2").await.0, 200);
}

fn claims_end(token: &str) -> u64 {
    use base64::Engine as _;
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["exp"].as_u64().unwrap()
}

/// What curl prints: the answer, and its status.
fn curl(server: &Server, arguments: &[&str]) -> (bool, String) {
    let url = format!("https://{}/devices", server.client.address);
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--max-time", "20", "-w", " %{http_code}"]).args(arguments);
    let output = curl.arg(url).output().expect("curl starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn a_server_makes_a_certificate_that_its_ca_vouches_for() {
    let server = Launch::devices().arg("--tls-self-signed").start().await;
    let ca = server.data_dir().join("tls/ca.crt").display().to_string();
    let (is_fine, text) = curl(&server, &["--cacert", &ca]);
    assert!(is_fine && text.ends_with(" 200"), "{text}");
    let (is_fine, text) = curl(&server, &["--cacert", &ca, "--tlsv1.2", "--tls-max", "1.2"]);
    assert!(is_fine && text.ends_with(" 200"), "{text}");
    let (is_fine, text) = curl(&server, &[]);
    assert!(!is_fine, "nobody vouches for it without being told so: {text}");
    let plain = server.client.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(plain.starts_with("HTTP/1.1 400 ") && plain.contains("https://"), "{plain}");
    assert!(server.stdout().contains(&format!("--cacert {ca}")), "{}", server.stdout());
}

/// New connections get the new certificate, and a file that cannot be used changes nothing.
#[tokio::test]
async fn a_server_shows_the_certificate_that_its_files_hold_now() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name).display().to_string();
    let pair = || {
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let ((old, old_key), (new, new_key)) = (pair(), pair());
    for (file, text) in
        [("old.crt", &old), ("new.crt", &new), ("server.crt", &old), ("server.key", &old_key)]
    {
        std::fs::write(place(file), text).unwrap();
    }
    let launch = Launch::devices().arg("--tls-cert").arg(place("server.crt"));
    let server = launch.arg("--tls-key").arg(place("server.key")).start().await;
    let trusts = |ca: &str| curl(&server, &["--cacert", &place(ca)]);
    assert!(trusts("old.crt").1.ends_with(" 200") && !trusts("new.crt").0);
    // One without the other: that is said, and the old pair stays.
    std::fs::write(place("server.crt"), &new).unwrap();
    server.until_logged("do not go together").await;
    assert!(trusts("old.crt").1.ends_with(" 200") && !trusts("new.crt").0);
    std::fs::write(place("server.key"), &new_key).unwrap();
    server.until_logged("new connections get the new certificate").await;
    assert!(trusts("new.crt").1.ends_with(" 200") && !trusts("old.crt").0);
}

#[tokio::test]
async fn a_token_that_is_taken_back_is_refused_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens.csv");
    let all = "stays,alice,1\ngoes,bob,1\ngoes-too,bob,1\n";
    std::fs::write(&tokens, all).unwrap();
    let policy = devices().join("policy.yaml");
    let launch = Launch::devices().arg("--policy").arg(policy).arg("--tokens").arg(&tokens);
    let server = launch.start().await;
    assert!(server.stderr().contains("everybody on this machine can read the tokens"));
    assert_eq!(get(&server, "goes").await.0, 200);
    let lines = crate::harness::stream::Framing::Lines;
    let authorization = bearer("goes");
    let headers = [("authorization", authorization.as_str())];
    let watch = server.watch_as("/devices?watch=true", lines, &headers).await;
    let mut watch = watch.unwrap();
    watch.state().await;
    let since = std::time::Instant::now();
    std::fs::write(&tokens, "stays,alice,1\n").unwrap();
    assert_eq!(watch.event().await.object["code"], json!(401));
    let took = since.elapsed();
    assert!(took < std::time::Duration::from_secs(1), "{took:?}");
    assert_eq!(get(&server, "goes").await.0, 401);
    // A file with nothing in it may just be being written; nobody is locked out by it.
    std::fs::write(&tokens, "").unwrap();
    server.until_logged("lock everybody out").await;
    assert_eq!(get(&server, "stays").await.0, 200);
    std::fs::write(&tokens, "# nobody\n").unwrap();
    server.until_logged("0 new tokens, 1 revoked").await;
    assert_eq!(get(&server, "stays").await.0, 401);
}

#[tokio::test]
async fn keys_that_everybody_can_read_are_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut server = Launch::devices().arg("--tls-self-signed").start().await;
    let warning = "everybody on this machine can read the private key";
    assert!(!server.stderr().contains(warning), "{}", server.stderr());
    let key = server.data_dir().join("tls/ca.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    server.restart().await;
    assert!(server.stderr().contains(warning), "{}", server.stderr());
}

#[tokio::test]
async fn a_client_certificate_says_who_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name).display().to_string();
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), Issuer::new(params, key))
    };
    let client = |file: &str, user: &str, by: &Issuer<'_, KeyPair>| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, by).unwrap().pem();
        std::fs::write(place(file), certificate + &key.serialize_pem()).unwrap();
    };
    let ((pem, ours), (other_pem, theirs)) = (authority("ours"), authority("theirs"));
    std::fs::write(place("ca.crt"), &pem).unwrap();
    client("bob.pem", "bob", &ours);
    client("mallory.pem", "mallory", &ours);
    client("forged.pem", "bob", &theirs);
    client("nobody.pem", "system:anonymous", &ours);
    let launch = Launch::devices().arg("--policy").arg(devices().join("policy.yaml"));
    let launch = launch.arg("--tokens").arg(devices().join("tokens.csv"));
    let launch = launch.arg("--tls-self-signed").arg("--client-ca").arg(place("ca.crt"));
    let server = launch.start().await;
    let ca = server.data_dir().join("tls/ca.crt").display().to_string();
    let with = |arguments: &[&str]| curl(&server, &[&["--cacert", &ca], arguments].concat()).1;
    let (bob, mallory, forged) = (place("bob.pem"), place("mallory.pem"), place("forged.pem"));
    let nobody = place("nobody.pem");
    let token = "authorization: Bearer bob-token";
    let cases: [(&str, &[&str], &str); 7] = [
        ("one that says that it is none", &["--cert", &nobody], " 401"),
        ("a certificate", &["--cert", &bob], " 200"),
        ("one without rights", &["--cert", &mallory], " 403"),
        ("one that nobody signed", &["--cert", &forged], " 401"),
        ("that, with a token", &["--cert", &forged, "-H", token], " 200"),
        ("a token alone", &["-H", token], " 200"),
        ("the certificate wins", &["--cert", &mallory, "-H", token], " 403"),
    ];
    for (what, arguments, expected) in cases {
        let text = with(arguments);
        assert!(text.ends_with(expected), "{what}: {text}");
    }
    assert!(with(&["--cert", &forged]).contains("nobody who is trusted here signed it"));
    std::fs::write(place("ca.crt"), other_pem).unwrap();
    let replaced = async {
        while !with(&["--cert", &forged]).ends_with(" 200") {
            tokio::task::yield_now().await;
        }
    };
    within("the new CA", replaced).await;
    assert!(with(&["--cert", &bob]).ends_with(" 401"));
}

#[test]
fn a_start_without_what_belongs_together_says_so() {
    let cases = [
        (vec!["--jwt-issuer=https://i.example"], "jwt-issuer is set without jwt-audience"),
        (vec!["--jwt-issuer=http://i.example", "--jwt-audience=a"], "is not https"),
        (vec!["--client-ca=x"], "client-ca is set without tls-cert"),
        (vec!["--tls-cert=x"], "tls-cert and tls-key go together"),
        (vec!["--tls-cert=/nowhere", "--tls-key=/nowhere"], "cannot read /nowhere"),
        (vec!["--listen=0.0.0.0:0"], "--client-ca FILE, or listen on a loopback"),
    ];
    for (arguments, expected) in cases {
        let launch = arguments.iter().fold(Launch::devices(), |launch, it| launch.arg(*it));
        let output = launch.output();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}
