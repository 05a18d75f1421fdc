//! `pintle token`: makes a bearer token that nobody can guess, as a line of the token file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pintle_authz::{ALL_UNAUTHENTICATED, ANONYMOUS, MASTERS};
use pintle_identity::{StaticTokens, TokenFileError};

use crate::input_file;

/// What `pintle token` is told.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct TokenArgs {
    /// Name of the user that the token stands for
    #[arg(value_name = "USER")]
    pub user: String,

    /// Group that the user is in; may be given more than once
    #[arg(long, value_name = "GROUP")]
    pub group: Vec<String>,

    /// What tells this user apart from others who had the name before
    #[arg(long, value_name = "UID", default_value = "")]
    pub uid: String,

    /// Append the line to this token file, made if need be, and print the token alone
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A name that a line of the token file cannot hold.
    #[error("{what} {value:?} cannot stand in a token file: {why}")]
    Name {
        /// Which argument it is.
        what: &'static str,
        /// The name.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The token file cannot be read or written.
    #[error("{} cannot be read or written", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The token file was not usable before.
    #[error("{}: {problem}; nothing was added", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        problem: TokenFileError,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Entropy(String),
    /// The result cannot be printed.
    #[error("the token cannot be printed")]
    Print(#[source] io::Error),
}

/// A token is made of so many random bytes: nobody finds it by trying.
const RANDOM_BYTES: usize = 32;
/// It tells people, and programs that look for leaked secrets, what it is.
const PREFIX: &str = "pintle_";

/// What names begin with that are not people's; Kubernetes' rule.
const RESERVED: &str = "system:";

/// Makes a token. Prints its line, or appends that to a file and prints the token.
pub fn run(args: &TokenArgs, out: &mut impl Write) -> Result<(), TokenError> {
    check(args)?;
    for surprise in surprises(args) {
        drop(writeln!(io::stderr(), "warning: {surprise}"));
    }
    let token = random_token()?;
    let line = line(&token, args);
    let printed = match &args.file {
        None => writeln!(out, "{line}"),
        Some(file) => {
            append(file, &line)?;
            writeln!(out, "{token}")
        }
    };
    printed.and_then(|()| out.flush()).map_err(TokenError::Print)
}

fn random_token() -> Result<String, TokenError> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| TokenError::Entropy(error.to_string()))?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

fn check(args: &TokenArgs) -> Result<(), TokenError> {
    let refuse = |what, value: &str, why| {
        Err(TokenError::Name { what, value: value.chars().take(128).collect(), why })
    };
    let names = [("the user name", &args.user), ("the uid", &args.uid)].into_iter();
    for (what, name) in names.chain(args.group.iter().map(|group| ("the group", group))) {
        if name.chars().any(char::is_control) {
            return refuse(what, name, "it has a character that cannot be printed");
        }
        if name.trim() != name {
            return refuse(what, name, "it begins or ends with a space");
        }
    }
    if args.user.is_empty() {
        return refuse("the user name", &args.user, "it is empty");
    }
    let unsayable = |group: &&String| group.is_empty() || group.contains(',');
    args.group.iter().find(unsayable).map_or(Ok(()), |group| {
        refuse("the group", group, "it is empty, or has a comma, which separates groups")
    })?;
    if args.user == ANONYMOUS {
        return refuse("the user name", &args.user, "it is that of whoever shows no token");
    }
    args.group
        .iter()
        .find(|group| *group == ALL_UNAUTHENTICATED)
        .map_or(Ok(()), |group| refuse("the group", group, "it is that of whoever shows no token"))
}

/// What is worth a second look in a token of this user.
fn surprises(args: &TokenArgs) -> Vec<String> {
    let mut said = Vec::new();
    if args.group.iter().any(|group| group == MASTERS) {
        said.push(format!("who is in {MASTERS} may do everything, whatever the rules say"));
    }
    if args.user.starts_with(RESERVED) {
        said.push(format!(
            "user names that begin with {RESERVED:?} are those of servers and their parts; bindings \
             of Kubernetes manifests may give {:?} rights that nobody thought of",
            args.user
        ));
    }
    said
}

fn line(token: &str, args: &TokenArgs) -> String {
    let mut fields = vec![token.to_owned(), field(&args.user), field(&args.uid)];
    if !args.group.is_empty() {
        fields.push(field(&args.group.join(",")));
    }
    fields.join(",")
}

/// A field of a line (RFC 4180).
fn field(text: &str) -> String {
    if text.contains([',', '"']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Adds a line to a file, which only its owner may read if it is made here. A file that could not
/// be used before stays as it is.
fn append(file: &Path, line: &str) -> Result<(), TokenError> {
    let failed = |source| TokenError::File { file: file.to_owned(), source };
    let before = match input_file::read_text(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let separator = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let added = format!("{separator}{line}\n");
    StaticTokens::parse(&format!("{before}{added}"))
        .map_err(|problem| TokenError::Unusable { file: file.to_owned(), problem })?;
    let mut open =
        OpenOptions::new().append(true).create(true).mode(0o600).open(file).map_err(failed)?;
    // One write, so that a server that reads the file meanwhile finds whole lines.
    open.write_all(added.as_bytes()).and_then(|()| open.sync_all()).map_err(failed)?;
    warn_of_readers(file, &open);
    Ok(())
}

fn warn_of_readers(file: &Path, open: &File) {
    let mode = open.metadata().map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o077 != 0 {
        let said = "others on this machine can read the tokens in it; chmod 600 ends that";
        drop(writeln!(io::stderr(), "warning: {}: {said}", file.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(user: &str, uid: &str, groups: &[&str], file: Option<&Path>) -> TokenArgs {
        TokenArgs {
            user: user.to_owned(),
            uid: uid.to_owned(),
            group: groups.iter().map(|group| (*group).to_owned()).collect(),
            file: file.map(Path::to_owned),
        }
    }

    fn printed(args: &TokenArgs) -> String {
        let mut out = Vec::new();
        run(args, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_is_one_that_the_server_reads() {
        let cases: [(&str, &str, &[&str], &str); 5] = [
            ("alice", "", &[], ",alice,\n"),
            ("alice", "7", &["ops"], ",alice,7,ops\n"),
            ("alice", "", &["ops", "system:masters"], ",alice,,\"ops,system:masters\"\n"),
            ("O\"Hara, P", "", &[], ",\"O\"\"Hara, P\",\n"),
            ("\u{e9}va", "", &["\u{fc}"], ",\u{e9}va,,\u{fc}\n"),
        ];
        for (user, uid, groups, expected) in cases {
            let line = printed(&args(user, uid, groups, None));
            let token = line.strip_suffix(expected).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(token.len(), PREFIX.len() + 43, "{line}");
            assert_eq!(StaticTokens::parse(&line).unwrap().len(), 1, "{line}");
        }
        let all: std::collections::BTreeSet<_> =
            (0..100).map(|_| printed(&args("alice", "", &[], None))).collect();
        assert_eq!(all.len(), 100);
    }

    #[test]
    fn names_that_a_line_cannot_hold_are_refused() {
        let cases: [(&str, &str, &[&str]); 9] = [
            ("system:anonymous", "", &[]),
            ("alice", "", &["ops", "system:unauthenticated"]),
            ("", "", &[]),
            (" alice", "", &[]),
            ("alice\nroot,root,0,system:masters", "", &[]),
            ("alice", "1\t", &[]),
            ("alice", "", &[""]),
            ("alice", "", &["ops", "a,b"]),
            ("alice", "", &["ops "]),
        ];
        for (user, uid, groups) in cases {
            let error = run(&args(user, uid, groups, None), &mut Vec::new()).unwrap_err();
            assert!(matches!(error, TokenError::Name { .. }), "{user:?} {uid:?} {groups:?}");
        }
    }

    #[test]
    fn what_gives_more_than_it_looks_is_warned_of() {
        for (user, groups, expected) in [
            ("alice", &["ops"] as &[&str], 0),
            ("alice", &["system:monitoring"], 0),
            ("alice", &["system:masters"], 1),
            ("system:kube-scheduler", &["ops"], 1),
            ("system:admin", &["ops", "system:masters"], 2),
        ] {
            assert_eq!(
                surprises(&args(user, "", groups, None)).len(),
                expected,
                "{user} {groups:?}"
            );
        }
    }

    #[test]
    fn a_file_grows_by_lines_that_only_its_owner_reads() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens.csv");
        let first = printed(&args("alice", "", &[], Some(&file)));
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, format!("{},alice,\n", first.trim()));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "old-token,old,1").unwrap();
        let second = printed(&args("bob", "2", &["ops"], Some(&file)));
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, format!("old-token,old,1\n{},bob,2,ops\n", second.trim()));

        std::fs::write(&file, "broken\n").unwrap();
        let error = run(&args("eve", "", &[], Some(&file)), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("line 1"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "broken\n");
        let error = run(&args("eve", "", &[], Some(dir.path())), &mut Vec::new()).unwrap_err();
        assert!(matches!(error, TokenError::File { .. }), "{error}");
    }
}
