//! What is written, and what is refused.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

const TOKENS: &str = "t1,alice,\nt2,bob,,ops\nt3,alice,\n";

struct World {
    dir: tempfile::TempDir,
    settings: ServeConfig,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        std::fs::create_dir_all(data_dir.join("tls")).unwrap();
        Self { dir, settings: ServeConfig { data_dir, ..ServeConfig::default() } }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    fn self_signed(mut self) -> Self {
        self.settings.tls.tls_self_signed = true;
        self
    }

    fn tokens(mut self, text: &str) -> Self {
        self.settings.tokens = Some(self.file("tokens.csv", text));
        self
    }

    fn run(&self, args: &KubeconfigArgs) -> Result<String, String> {
        let mut out = Vec::new();
        run(&self.settings, args, &mut out).map_err(|error| {
            error.to_string().replace(&format!("{}/", self.dir.path().display()), "")
        })?;
        Ok(String::from_utf8(out).unwrap())
    }
}

fn user(name: &str) -> KubeconfigArgs {
    KubeconfigArgs { user: Some(name.to_owned()), ..KubeconfigArgs::default() }
}

#[test]
fn everything_that_a_client_has_to_know_is_in_it() {
    let world = World::new().self_signed().tokens(TOKENS);
    world.file("data/tls/ca.crt", "-----BEGIN CERTIFICATE-----\n");
    let args = KubeconfigArgs { namespace: Some("plant-1".to_owned()), ..user("alice") };
    let expected = r#"apiVersion: v1
kind: Config
current-context: pintle
clusters:
- name: pintle
  cluster:
    server: "https://127.0.0.1:8080"
    certificate-authority-data: "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg=="
contexts:
- name: pintle
  context:
    cluster: pintle
    user: "alice"
    namespace: "plant-1"
users:
- name: "alice"
  user:
    token: "t3"
"#;
    assert_eq!(world.run(&args), Ok(expected.to_owned()));
}

#[test]
fn the_address_is_the_one_that_clients_reach() {
    let cases = [
        ("127.0.0.1:8080", None, Ok("http://127.0.0.1:8080")),
        ("0.0.0.0:9000", None, Ok("http://127.0.0.1:9000")),
        ("[::]:9000", None, Ok("http://[::1]:9000")),
        ("0.0.0.0:0", Some("https://pintle.example.com"), Ok("https://pintle.example.com")),
        (
            "0.0.0.0:0",
            None,
            Err(
                "the server is to listen on a port that it chooses itself; name its address with --server",
            ),
        ),
    ];
    for (listen, server, expected) in cases {
        let mut world = World::new();
        world.settings.listen = listen.parse().unwrap();
        let server = server.map(str::to_owned);
        let found = world.run(&KubeconfigArgs { server, ..KubeconfigArgs::default() });
        match expected {
            Ok(url) => {
                let text = found.unwrap();
                assert!(text.contains(&format!("    server: \"{url}\"\n")), "{text}");
                assert!(text.ends_with("- name: \"anonymous\"\n  user: {}\n"), "{text}");
            }
            Err(why) => assert_eq!(found, Err(why.to_owned())),
        }
    }
    for wrong in ["pintle.example.com", "ftp://x", "https://", "https://a b"] {
        assert!(server_url(wrong).is_err(), "{wrong}");
    }
    assert_eq!(server_url("https://a:1/"), Ok("https://a:1".to_owned()));
}

#[test]
fn a_user_is_found_or_asked_for() {
    let cases = [
        (Some(TOKENS), Some("bob"), Ok("t2")),
        (Some("t1,alice,\n"), None, Ok("t1")),
        (
            Some(TOKENS),
            Some("eve"),
            Err("tokens.csv has no token of \"eve\"; it has tokens of alice, bob"),
        ),
        (Some(TOKENS), None, Err("tokens.csv has tokens of alice, bob; say which with --user")),
        (
            None,
            Some("eve"),
            Err("there is no token file to find the token of \"eve\" in; name it with --tokens"),
        ),
        (
            Some("t1,alice\n"),
            None,
            Err("tokens.csv: token file line 1: 2 fields; expected token,user,uid[,\"groups\"]"),
        ),
    ];
    for (tokens, name, expected) in cases {
        let world = tokens.map_or_else(World::new, |tokens| World::new().tokens(tokens));
        let args = KubeconfigArgs { user: name.map(str::to_owned), ..KubeconfigArgs::default() };
        let found = world.run(&args);
        let expected = expected.map(|token| format!("    token: \"{token}\"\n"));
        match (found, expected) {
            (Ok(text), Ok(token)) => assert!(text.ends_with(&token), "{text}"),
            (found, expected) => assert_eq!(found, expected.map_err(str::to_owned)),
        }
    }
}

#[test]
fn a_certificate_is_shown_instead_of_a_token() {
    let world = World::new().tokens(TOKENS);
    let args = KubeconfigArgs {
        client_certificate: Some(world.file("a.crt", "-----BEGIN CERTIFICATE-----\n")),
        client_key: Some(world.file("a.key", "-----BEGIN PRIVATE KEY-----\n")),
        ..KubeconfigArgs::default()
    };
    let text = world.run(&args).unwrap();
    let end = "    client-certificate-data: \"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==\"\n    \
               client-key-data: \"LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCg==\"\n";
    assert!(text.ends_with(end), "{text}");
    world.file("a.key", "no key");
    assert_eq!(world.run(&args), Err("a.key holds no PEM text".to_owned()));
}

#[test]
fn a_ca_that_was_not_made_yet_is_said() {
    let expected = "there is no data/tls/ca.crt yet: the server makes its CA when it starts \
                    first; start it, and then try again";
    let found = World::new().self_signed().run(&KubeconfigArgs::default());
    assert_eq!(found, Err(expected.to_owned()));
}

#[test]
fn a_file_is_its_owners_alone_and_is_never_overwritten() {
    let world = World::new().tokens(TOKENS);
    let file = world.dir.path().join("kubeconfig.yaml");
    let args = KubeconfigArgs { output: Some(file.clone()), ..user("bob") };
    let said = world.run(&args).unwrap();
    assert!(said.contains("is for bob at http://127.0.0.1:8080."), "{said}");
    assert!(said.contains(&format!("export KUBECONFIG={}", file.display())), "{said}");
    assert!(!said.contains("t2"), "{said}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read_to_string(&file).unwrap();
    let expected = "kubeconfig.yaml is there already, and nothing is merged into it; name another \
                    file, or remove it";
    assert_eq!(world.run(&args), Err(expected.to_owned()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
}
