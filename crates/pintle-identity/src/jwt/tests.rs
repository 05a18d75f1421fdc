//! Tables of tokens, good and bad.

#[path = "../../tests/support/issuer.rs"]
mod issuer;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pintle_outbound::{Client, ClientSettings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::Lapsed;
use crate::life::Life;
use issuer::{SigningKey, encode, hmac_signed, key_set, now};

const ISSUER: &str = "https://issuer.example";

/// Made once: an RSA key takes its time.
static RSA: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::rsa("rsa"));
static P256: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::p256("p256"));
static P384: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::p384("p384"));
static ED: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::ed25519("ed"));
/// Nobody trusts it.
static OTHER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::p256("p256"));

fn rules() -> ClaimRules {
    ClaimRules {
        issuer: ISSUER.to_owned(),
        audience: "pintle".to_owned(),
        username_claim: "sub".to_owned(),
        username_prefix: String::new(),
        groups_claim: "groups".to_owned(),
        groups_prefix: String::new(),
    }
}

fn trusting(keys: &str) -> JwtAuthenticator {
    let keys = KeySet::parse(keys.as_bytes()).unwrap();
    JwtAuthenticator::new(Arc::new(Keys::fixed(keys)), rules())
}

fn all() -> JwtAuthenticator {
    trusting(&key_set(&[&RSA, &P256, &P384, &ED]))
}

/// Good claims, with these in the place of some of them; `null` takes one out.
#[expect(clippy::needless_pass_by_value, reason = "it is written in place")]
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": "pintle", "sub": "alice", "exp": now() + 600, "groups": ["ops"],
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    claims
}

async fn name(jwt: &JwtAuthenticator, token: &str) -> Result<String, JwtError> {
    jwt.caller(token, SystemTime::now()).await.map(|caller| caller.user.name.to_string())
}

#[tokio::test]
async fn every_algorithm_is_checked_with_its_kind_of_key() {
    let jwt = all();
    let rsa = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].map(|alg| (&*RSA, alg));
    let others = [(&*P256, "ES256"), (&*P384, "ES384"), (&*ED, "EdDSA"), (&*ED, "Ed25519")];
    let keys = [&*RSA, &*P256, &*P384, &*ED];
    for (key, algorithm) in rsa.into_iter().chain(others) {
        let token = key.token(algorithm, &claims(json!({})));
        assert_eq!(name(&jwt, &token).await, Ok("alice".to_owned()), "{algorithm}");
        // The same name of an algorithm over the keys of all other families.
        for wrong in keys.into_iter().filter(|it| it.id != key.id) {
            let token = wrong.token(algorithm, &claims(json!({})));
            let found = name(&jwt, &token).await;
            assert_eq!(found, Err(JwtError::UnknownKey), "{algorithm} with {}", wrong.id);
        }
    }
}

#[tokio::test]
async fn what_is_not_signed_as_it_says_is_refused() {
    let jwt = all();
    let good = claims(json!({}));
    let header = |text: &str| P256.sign(text, &good);
    let es256 = P256.token("ES256", &good);
    let (signed, signature) = es256.rsplit_once('.').unwrap();
    let (head, body) = signed.split_once('.').unwrap();
    let forged = encode(claims(json!({"sub": "root"})).to_string().as_bytes());
    let unsigned = |alg: &str| {
        let header = encode(format!("{{\"alg\":{alg},\"kid\":\"p256\"}}").as_bytes());
        format!("{header}.{body}.")
    };
    let public = P256.jwk().to_string();
    let hs256 = hmac_signed(r#"{"alg":"HS256","kid":"p256"}"#, &good, public.as_bytes());
    let as_es256 = hmac_signed(r#"{"alg":"ES256","kid":"p256"}"#, &good, public.as_bytes());
    let embedded = json!({"alg": "ES256", "kid": "p256", "jwk": OTHER.jwk()}).to_string();
    let long = "x".repeat(token::BYTES_MAX);
    let malformed = |found: &Result<String, JwtError>| matches!(found, Err(JwtError::Malformed(_)));
    let cases = [
        ("none", unsigned("\"none\""), Err(JwtError::Algorithm)),
        ("None", unsigned("\"None\""), Err(JwtError::Algorithm)),
        ("empty alg", unsigned("\"\""), Err(JwtError::Algorithm)),
        ("no signature", format!("{signed}."), Err(JwtError::Signature)),
        ("HS256 with the public key", hs256, Err(JwtError::Algorithm)),
        ("an HMAC as ES256", as_es256, Err(JwtError::Signature)),
        ("lower case", header(r#"{"alg":"es256","kid":"p256"}"#), Err(JwtError::Algorithm)),
        ("other claims", format!("{head}.{forged}.{signature}"), Err(JwtError::Signature)),
        (
            "a short signature",
            es256.get(..es256.len() - 6).unwrap().to_owned(),
            Err(JwtError::Signature),
        ),
        ("another key of that kid", OTHER.token("ES256", &good), Err(JwtError::Signature)),
        ("a key in the header", OTHER.sign(&embedded, &good), Err(JwtError::Signature)),
        ("an unknown kid", header(r#"{"alg":"ES256","kid":"p257"}"#), Err(JwtError::UnknownKey)),
        ("too long", format!("{es256}{long}"), Err(JwtError::TooLong)),
    ];
    for (what, token, expected) in cases {
        assert_eq!(name(&jwt, &token).await, expected, "{what}");
    }
    let cases = [
        ("alg twice", header(r#"{"alg":"ES256","kid":"p256","alg":"none"}"#)),
        ("no alg", header(r#"{"kid":"p256"}"#)),
        ("crit", header(r#"{"alg":"ES256","kid":"p256","crit":["exp"]}"#)),
        ("b64", header(r#"{"alg":"ES256","kid":"p256","b64":false}"#)),
        ("another type", header(r#"{"alg":"ES256","kid":"p256","typ":"logout+jwt"}"#)),
        ("no JSON", header("ES256")),
        ("four parts", format!("{es256}.x")),
        ("two parts", signed.to_owned()),
        ("padding", format!("{es256}==")),
        ("another alphabet", es256.replace(signature, &signature.replace(['-', '_', 'A'], "+"))),
        ("nothing", "..".to_owned()),
    ];
    for (what, token) in cases {
        let found = name(&jwt, &token).await;
        assert!(malformed(&found), "{what}: {found:?}");
    }
    assert_eq!(name(&jwt, &es256).await, Ok("alice".to_owned()));
    let access = header(r#"{"alg":"ES256","kid":"p256","typ":"application/AT+jwt"}"#);
    assert_eq!(name(&jwt, &access).await, Ok("alice".to_owned()));
}

#[tokio::test]
async fn what_a_token_claims_has_to_be_right() {
    let (jwt, now) = (all(), now());
    let claim = |why| Err(JwtError::Claim(why));
    let ok = || Ok("alice".to_owned());
    let no_time = "exp, nbf or iat is not a time";
    let no_name = "the user name is missing or not a text";
    let bad_name = "the user name is empty, too long, or has characters that no name has";
    let reserved = "user names that begin with system: are never taken";
    let no_groups = "the groups are neither a list of texts nor a text";
    let cases = [
        (json!({"exp": now}), Err(JwtError::Expired)),
        (json!({"exp": now - 1}), Err(JwtError::Expired)),
        (json!({"exp": 0}), Err(JwtError::Expired)),
        (json!({"exp": null}), claim("exp is missing, and a token must have an end")),
        (json!({"exp": "9999999999"}), claim(no_time)),
        (json!({"exp": 1e300}), claim(no_time)),
        (json!({"exp": -1}), claim(no_time)),
        (json!({"exp": 9_999_999_999.5}), ok()),
        (json!({"nbf": now + 50}), ok()),
        (json!({"nbf": now + 90}), Err(JwtError::NotYet)),
        (json!({"nbf": [now]}), claim(no_time)),
        (json!({"iat": now + 50}), ok()),
        (json!({"iat": now + 90}), Err(JwtError::FromTheFuture)),
        (json!({"iss": format!("{ISSUER}/")}), Err(JwtError::Issuer)),
        (json!({"iss": null}), Err(JwtError::Issuer)),
        (json!({"iss": [ISSUER]}), Err(JwtError::Issuer)),
        (json!({"aud": "another"}), Err(JwtError::Audience)),
        (json!({"aud": null}), Err(JwtError::Audience)),
        (json!({"aud": []}), Err(JwtError::Audience)),
        (json!({"aud": ["another", "pintle2"]}), Err(JwtError::Audience)),
        (json!({"aud": {"pintle": true}}), Err(JwtError::Audience)),
        (json!({"aud": ["another", "pintle"]}), ok()),
        (json!({"sub": null}), claim(no_name)),
        (json!({"sub": 7}), claim(no_name)),
        (json!({"sub": ""}), claim(bad_name)),
        (json!({"sub": "a\nb"}), claim(bad_name)),
        (json!({"sub": " alice"}), claim(bad_name)),
        (json!({"sub": "x".repeat(1025)}), claim(bad_name)),
        (json!({"sub": "system:admin"}), claim(reserved)),
        (json!({"groups": 7}), claim(no_groups)),
        (json!({"groups": ["a", 7]}), claim(no_groups)),
        (json!({"groups": {"a": "b"}}), claim(no_groups)),
    ];
    for (changes, expected) in cases {
        let token = P256.token("ES256", &claims(changes.clone()));
        assert_eq!(name(&jwt, &token).await, expected, "{changes}");
    }
}

#[test]
fn names_and_groups_come_from_the_claims_that_are_asked_for() {
    let now = SystemTime::now();
    let held = |rules: &ClaimRules, changes: Value| {
        let claims = claims(changes);
        let caller = rules.caller(claims.as_object().unwrap(), Life::new(), now);
        caller.map(|caller| {
            let groups: Vec<String> = caller.user.groups.iter().map(ToString::to_string).collect();
            format!("{} {}", caller.user.name, groups.join(" "))
        })
    };
    let email = ClaimRules {
        username_claim: "email".to_owned(),
        username_prefix: "oidc:".to_owned(),
        groups_claim: "roles".to_owned(),
        groups_prefix: "oidc:".to_owned(),
        ..rules()
    };
    let unverified = Err(JwtError::Claim("email_verified is not true"));
    let cases = [
        (rules(), json!({}), Ok("alice ops system:authenticated")),
        (rules(), json!({"groups": null}), Ok("alice system:authenticated")),
        (rules(), json!({"groups": "one"}), Ok("alice one system:authenticated")),
        (
            rules(),
            json!({"groups": ["system:masters", "b", ""]}),
            Ok("alice b system:authenticated"),
        ),
        (email.clone(), json!({"email": "a@b"}), Ok("oidc:a@b system:authenticated")),
        (
            email.clone(),
            json!({"email": "a@b", "email_verified": true, "roles": ["x"]}),
            Ok("oidc:a@b oidc:x system:authenticated"),
        ),
        (email.clone(), json!({"email": "a@b", "email_verified": false}), unverified),
        (email, json!({"email": "a@b", "email_verified": "true"}), unverified),
    ];
    for (rules, changes, expected) in cases {
        let found = held(&rules, changes.clone());
        assert_eq!(found, expected.map(str::to_owned), "{changes}");
    }
    let reserved = ClaimRules { groups_prefix: "system:x".to_owned(), ..rules() };
    assert_eq!(reserved.check(), Err(ClaimRulesError::ReservedPrefix));
    // A prefix and a name may make a reserved name together.
    let split = ClaimRules { username_prefix: "sys".to_owned(), ..rules() };
    assert_eq!(split.check(), Ok(()));
    assert!(held(&split, json!({"sub": "tem:masters"})).is_err());
}

#[tokio::test]
async fn a_key_is_good_for_what_its_issuer_says() {
    let key = |changes: Value| {
        let mut jwk = RSA.jwk();
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        let set = json!({"keys": [jwk, P384.jwk()]}).to_string();
        trusting(&set)
    };
    let rs256 = RSA.token("RS256", &claims(json!({})));
    let ps256 = RSA.token("PS256", &claims(json!({})));
    let unknown = Err(JwtError::UnknownKey);
    let ok = || Ok("alice".to_owned());
    let cases = [
        (json!({"alg": "RS256"}), ok(), unknown.clone()),
        (json!({"alg": "PS256"}), unknown.clone(), ok()),
        (json!({"alg": "RSA-OAEP"}), unknown.clone(), unknown.clone()),
        (json!({"alg": "ES384"}), unknown.clone(), unknown.clone()),
        (json!({"use": "enc"}), unknown.clone(), unknown.clone()),
        (json!({"key_ops": ["verify"]}), ok(), ok()),
        (json!({"key_ops": ["encrypt"]}), unknown.clone(), unknown.clone()),
        (json!({"kid": "another"}), unknown.clone(), unknown),
    ];
    for (changes, with_rs256, with_ps256) in cases {
        let jwt = key(changes.clone());
        assert_eq!(name(&jwt, &rs256).await, with_rs256, "{changes}");
        assert_eq!(name(&jwt, &ps256).await, with_ps256, "{changes}");
    }
}

#[tokio::test]
async fn a_token_without_a_kid_means_the_only_key_that_fits() {
    let token = P256.sign(r#"{"alg":"ES256"}"#, &claims(json!({})));
    assert_eq!(name(&all(), &token).await, Ok("alice".to_owned()));
    let second = SigningKey::p256("second");
    let two = trusting(&key_set(&[&P256, &second]));
    assert_eq!(name(&two, &token).await, Err(JwtError::NoKeyId));
}

#[test]
fn documents_that_hold_no_keys_are_refused() {
    let jwk = |changes: Value| {
        let mut jwk = json!({"kty": "RSA", "n": encode(&[255; 256]), "e": "AQAB"});
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        json!({"keys": [jwk]}).to_string()
    };
    assert_eq!(KeySet::parse(jwk(json!({})).as_bytes()).unwrap().len(), 1);
    let many = json!({"keys": vec![json!({}); 101]}).to_string();
    let off_curve =
        json!({"kty": "EC", "crv": "P-256", "x": encode(&[1; 32]), "y": encode(&[1; 32])});
    let cases = [
        ("", "it is not a JWK set"),
        ("[]", "it is not a JWK set"),
        ("{}", "it is not a JWK set"),
        (r#"{"keys": []}"#, "none of its 0 keys can check signatures"),
        (&many, "it has 101 keys"),
        (
            &jwk(json!({"kty": "oct", "k": "c2VjcmV0"})),
            "none of its 1 keys can check signatures; keys of type RSA (2048 bits or more), EC (P-256, P-384) and OKP (Ed25519) can (the first: it is symmetric)",
        ),
        (&jwk(json!({"n": encode(&[255; 128])})), "2048 or more"),
        (&jwk(json!({"n": "%"})), "not base64url"),
        (&jwk(json!({"n": null})), "n or e is missing"),
        (&jwk(json!({"kty": 7})), "RFC 7517"),
        (&jwk(json!({"kty": "EC", "crv": "secp256k1"})), "its crv is not known"),
        (&json!({"keys": [off_curve]}).to_string(), "not a point"),
    ];
    for (text, expected) in cases {
        let error = KeySet::parse(text.as_bytes()).unwrap_err().to_string();
        let expected = expected.replace("2048 or more", "less than 2048");
        assert!(error.contains(&expected), "{text}: {error}");
        assert!(!error.contains("c2VjcmV0"), "{error}");
    }
}

#[tokio::test]
async fn a_key_that_is_gone_takes_its_tokens_with_it() {
    let keys = Arc::new(Keys::fixed(KeySet::parse(key_set(&[&P256, &P384]).as_bytes()).unwrap()));
    let jwt = JwtAuthenticator::new(Arc::clone(&keys), rules());
    let tokens = [P256.token("ES256", &claims(json!({}))), P384.token("ES384", &claims(json!({})))];
    let now = SystemTime::now();
    let gone = jwt.caller(&tokens[0], now).await.unwrap();
    let stays = jwt.caller(&tokens[1], now).await.unwrap();
    let next = KeySet::parse(key_set(&[&P384, &ED]).as_bytes()).unwrap();
    assert_eq!(keys.replace(next), (1, 1));
    assert_eq!(name(&jwt, &tokens[0]).await, Err(JwtError::UnknownKey), "also from the cache");
    assert_eq!(name(&jwt, &tokens[1]).await, Ok("alice".to_owned()));
    assert_eq!(gone.lapse().await, Lapsed::Revoked);
    let waits = tokio::time::timeout(Duration::from_millis(50), stays.lapse()).await;
    assert!(waits.is_err(), "a key that stays is the same key");
}

#[tokio::test]
async fn what_was_found_is_forgotten_when_it_expires() {
    let jwt = all();
    let token = P256.token("ES256", &claims(json!({"exp": now() + 100})));
    let at = |seconds| SystemTime::now() + Duration::from_secs(seconds);
    assert!(jwt.caller(&token, at(0)).await.is_ok());
    assert!(jwt.caller(&token, at(90)).await.is_ok());
    assert_eq!(jwt.caller(&token, at(101)).await.unwrap_err(), JwtError::Expired);
}

/// Serves what `answer` says at each path, and counts.
async fn serving(
    count: Arc<AtomicUsize>,
    answer: impl Fn(&str) -> Option<String> + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            count.fetch_add(1, Ordering::SeqCst);
            let (status, body) = answer(&path).map_or((500, String::new()), |body| (200, body));
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    });
    address
}

fn client() -> Client {
    Client::new(&ClientSettings::default()).unwrap()
}

#[tokio::test]
async fn names_of_keys_that_anybody_makes_up_cost_one_fetch() {
    let count = Arc::new(AtomicUsize::new(0));
    let address = serving(Arc::clone(&count), |_| Some(key_set(&[&P256]))).await;
    let remote = Remote::key_set(&format!("http://{address}/keys")).unwrap();
    let keys = Arc::new(Keys::remote(remote, client()));
    let jwt = JwtAuthenticator::new(Arc::clone(&keys), rules());
    // The first token finds no keys at all, and waits for them.
    assert_eq!(name(&jwt, &P256.token("ES256", &claims(json!({})))).await, Ok("alice".to_owned()));
    let made_up = P384.token("ES384", &claims(json!({})));
    let asked = (0..50).map(|_| name(&jwt, &made_up));
    let found = futures_util::future::join_all(asked).await;
    assert!(found.iter().all(|it| *it == Err(JwtError::UnknownKey)), "{found:?}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_last_good_keys_stay_while_the_issuer_is_away() {
    let count = Arc::new(AtomicUsize::new(0));
    let times = Arc::clone(&count);
    let answer = move |_: &str| match times.load(Ordering::SeqCst) {
        1 => Some(key_set(&[&P256])),
        2 => None,
        3 => Some("{\"keys\": []}".to_owned()),
        _ => Some(key_set(&[&P384])),
    };
    let address = serving(Arc::clone(&count), answer).await;
    let remote = Remote::key_set(&format!("http://{address}/keys")).unwrap();
    let keys = Arc::new(Keys::remote(remote, client()));
    let jwt = JwtAuthenticator::new(Arc::clone(&keys), rules());
    let token = P256.token("ES256", &claims(json!({})));
    for (is_fresh, expected) in [
        (true, Ok("alice".to_owned())),
        (false, Ok("alice".to_owned())),
        (false, Ok("alice".to_owned())),
        (true, Err(JwtError::UnknownKey)),
    ] {
        assert_eq!(keys.fetch().await, is_fresh);
        assert_eq!(name(&jwt, &token).await, expected);
    }
}

#[tokio::test]
async fn an_issuer_says_where_its_keys_are() {
    let cases: [(&str, &str, &str, bool); 4] = [
        ("{origin}/r", "{origin}/r", "{origin}/keys", true),
        ("{origin}/r", "{origin}/other", "{origin}/keys", false),
        ("{origin}/r", "{origin}/r", "http://keys.example/keys", false),
        ("{origin}/r", "{origin}/r", "not a URL", false),
    ];
    for (issuer, said, keys_at, expected) in cases {
        let (said, at) = (said.to_owned(), keys_at.to_owned());
        let base = Arc::new(std::sync::OnceLock::<String>::new());
        let known = Arc::clone(&base);
        let answer = move |path: &str| {
            let place = |text: &str| text.replace("{origin}", known.get().unwrap());
            match path {
                "/r/.well-known/openid-configuration" => {
                    Some(json!({"issuer": place(&said), "jwks_uri": place(&at)}).to_string())
                }
                "/keys" => Some(key_set(&[&P256])),
                _ => None,
            }
        };
        let address = serving(Arc::default(), answer).await;
        let origin = format!("http://{address}");
        base.set(origin.clone()).unwrap();
        let remote = Remote::issuer(&issuer.replace("{origin}", &origin)).unwrap();
        let found = Keys::remote(remote, client()).fetch().await;
        assert_eq!(found, expected, "{issuer} {keys_at:?}");
    }
}

#[test]
fn keys_come_encrypted_or_from_this_machine() {
    for (url, expected) in [
        ("https://issuer.example/keys", true),
        ("http://127.0.0.1:1/keys", true),
        ("http://localhost/keys", true),
        ("http://[::1]/keys", true),
        ("http://issuer.example/keys", false),
        ("ftp://issuer.example", false),
        ("issuer", false),
    ] {
        assert_eq!(Remote::key_set(url).is_ok(), expected, "{url}");
        assert_eq!(Remote::issuer(url).is_ok(), expected, "{url}");
    }
}
