//! Pages for readers, done: a page is read from the top, and each of its steps is taken.
//!
//! - `sh` runs in one shell for the whole page, so that later blocks can use the variables of
//!   earlier ones.
//! - `console` is a terminal of its own, with a command that keeps running (`pintle serve …`, a
//!   receiver) until the page ends or the same address is served anew.
//! - `json` and `text` are what the block before them prints; a shell block without one must print
//!   nothing.
//! - `csv` is the file `tokens.csv`; `yaml`, `python`, `ini` and so on with a first line `# NAME`
//!   are the file NAME. A file is there from the start, and replaced where it stands again.
//! - `sh by-hand` is not run: only for what no test can do, see `BY_HAND`.
//! - `sh project`, and what it prints, is not run here: `.ci/project` does, which has compiled one.
//! - Any other is for readers alone; commands have no business there.
//!
//! In an expected answer `…` stands for anything, and white space does not count, so that long
//! lines can be broken for readers. Addresses of the text become those of the servers: a server has
//! the address that `--listen` says, else [`ADDRESS`]; another program the first one of its command
//! that is new. `cargo run --release -- ` stands for `pintle `, other calls of cargo are not
//! repeated here. Everything happens in a directory of its own, where `examples` is.

mod terminal;

pub(crate) use terminal::Desk;

/// The address that a server of a page listens on unless the page says otherwise.
pub(crate) const ADDRESS: &str = "127.0.0.1:8080";

/// Programs that a page may show and no test can run, and why.
const BY_HAND: [(&str, &str); 3] = [
    ("sudo", "changes the machine"),
    ("docker", "needs an engine"),
    ("kubectl", "is not on every machine; `.ci/kubernetes` drives it"),
];

/// What a project of a user's has to be compiled for.
const PROJECT: &str = "sh project";

/// Languages that would look as if they were run.
const MISLEADING: [&str; 5] = ["bash", "shell", "zsh", "shell-session", "sh-session"];

/// What a reader types, and what it is said to print.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) command: String,
    pub(crate) expected: Option<String>,
}

/// What a reader does next.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Writes a file.
    File { name: String, text: String },
    /// Runs commands in the shell.
    Shell(Block),
    /// Starts something in a terminal of its own.
    Terminal(Block),
}

/// Takes every step of a page. The same as a reader's afternoon, in a second.
pub(crate) async fn check(text: &str) {
    let steps = steps(text);
    let mut desk = Desk::new(&steps);
    for step in &steps {
        desk.take(step).await;
    }
}

/// What is between fences: language and text.
fn fenced(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let fenced = text.split("```").skip(1).step_by(2);
    fenced.map(|fenced| fenced.split_once('\n').expect("a block has lines"))
}

/// The steps of a page, in order.
pub(crate) fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut before = "";
    for (language, body) in fenced(text) {
        match language {
            "json" | "text" if before == PROJECT => {}
            "json" | "text" => answer(&mut steps, body),
            "sh by-hand" => check_by_hand(body),
            PROJECT => {}
            _ => steps.extend(step(language, body)),
        }
        before = language;
    }
    steps
}

fn step(language: &str, body: &str) -> Option<Step> {
    assert!(!MISLEADING.contains(&language), "say sh instead of {language}:\n{body}");
    let body = body.replace("cargo run --release -- ", "pintle ");
    let block = |command: String| Block { command, expected: None };
    match language {
        "sh" if body.starts_with("cargo ") => None,
        "sh" => Some(Step::Shell(block(body))),
        "console" => Some(Step::Terminal(block(body))),
        "csv" => Some(Step::File { name: "tokens.csv".to_owned(), text: body }),
        _ => {
            let name = file_name(&body).map(str::to_owned);
            assert!(name.is_some() || !has_commands(&body), "this is not run:\n{body}");
            name.map(|name| Step::File { name, text: body })
        }
    }
}

/// The first line of a block that is a file: `# NAME.EXTENSION`.
fn file_name(body: &str) -> Option<&str> {
    let name = body.lines().next()?.strip_prefix("# ")?;
    (name.contains('.') && !name.contains(' ')).then_some(name)
}

fn has_commands(body: &str) -> bool {
    body.lines().any(|line| ["curl ", "pintle ", "kill "].iter().any(|it| line.starts_with(it)))
}

fn answer(steps: &mut [Step], body: &str) {
    match steps.last_mut() {
        Some(Step::Shell(block) | Step::Terminal(block)) if block.expected.is_none() => {
            block.expected = Some(body.to_owned());
        }
        _ => panic!("this block follows no command:\n{body}"),
    }
}

fn check_by_hand(body: &str) {
    let begins = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    for line in body.lines().filter(|line| !line.starts_with([' ', '#']) && !line.is_empty()) {
        let is_known = BY_HAND.iter().any(|(program, _)| *program == begins(line));
        assert!(is_known, "a test can run this, so it is no block by hand:\n{line}");
    }
}

/// Whether `text` is what `pattern` says, white space aside.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (without_spaces(pattern), without_spaces(text));
    let mut pieces = pattern.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

fn without_spaces(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace()).collect()
}

#[test]
fn dots_stand_for_anything() {
    for (pattern, text, expected) in [
        ("a b", "ab\n", true),
        ("ab", "abc", false),
        ("a…c", "abbc", true),
        ("a…c…", "xabcd", false),
        ("…b…d", "abcd", true),
        ("…b…b", "ab", false),
        ("a…", "a", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern:?} {text:?}");
    }
}

#[test]
fn a_page_is_a_list_of_steps() {
    let page = "```yaml\n# a.yaml\nx: 1\n```\n```console\npintle serve a.yaml\n```\n\
                ```text\nready\n```\n```yaml\nx: 2\n```\n```sh\necho hi\n```\n```text\nhi\n```\n";
    let steps = steps(page);
    let [Step::File { name, text }, Step::Terminal(serve), Step::Shell(echo)] = steps.as_slice()
    else {
        panic!("{steps:?}")
    };
    assert_eq!((name.as_str(), text.as_str()), ("a.yaml", "# a.yaml\nx: 1\n"));
    assert_eq!(serve.command, "pintle serve a.yaml\n");
    assert_eq!(serve.expected.as_deref(), Some("ready\n"));
    assert_eq!(echo.expected.as_deref(), Some("hi\n"));
}

#[test]
fn what_needs_a_project_is_left_to_whoever_has_one() {
    let project = "```sh project\npintle generate\n```\n```text\nsaid there\n```\n";
    let page = format!("{project}```sh\necho hi\n```\n```text\nhi\n```\n");
    assert!(matches!(steps(&page).as_slice(), [Step::Shell(_)]));
    let twice = format!("{project}```text\nan answer to nothing\n```\n");
    assert!(std::panic::catch_unwind(|| steps(&twice)).is_err());
}

#[test]
fn a_page_cannot_hide_what_is_not_run() {
    for page in [
        "```text\nan answer to nothing\n```\n",
        "```bash\ntrue\n```\n",
        "```\ncurl -s http://127.0.0.1:8080/devices\n```\n",
        "```sh by-hand\npintle version\n```\n",
    ] {
        let steps = std::panic::catch_unwind(|| steps(page));
        assert!(steps.is_err(), "{page}");
    }
}

#[tokio::test]
#[should_panic(expected = "should print")]
async fn an_answer_that_is_not_given_fails() {
    check("```sh\necho no\n```\n```text\nyes\n```\n").await;
}

#[tokio::test]
#[should_panic(expected = "should print")]
async fn an_answer_that_nobody_expects_fails() {
    check("```sh\necho no\n```\n").await;
}

#[tokio::test]
#[should_panic(expected = "ended")]
async fn a_command_that_fails_fails_the_page() {
    check("```sh\nfalse | true\n```\n").await;
}
