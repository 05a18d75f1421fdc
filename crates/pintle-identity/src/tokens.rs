//! Static bearer tokens, from the file that Kubernetes' `--token-auth-file` takes.
//!
//! Each line is `token,user,uid` or `token,user,uid,"group1,group2"`; a field with a comma stands
//! in double quotes. A line that is `#` alone, or begins with `# `, is a comment: no token can,
//! because tokens have no spaces. (`#tok,user,uid` is a token, as upstream.) Only digests of the
//! tokens are kept, and no error and no `Debug` shows a token. Reading the file, and the
//! `Authorization` header, is done elsewhere.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use pintle_authz::{ALL_UNAUTHENTICATED, ANONYMOUS, MASTERS, User};
use sha2::{Digest, Sha256};

use crate::life::Life;
use crate::{Caller, Credential, CredentialKind};

/// A file has at most so many tokens, and a line at most so many bytes.
const TOKENS_MAX: usize = 100_000;
const LINE_BYTES_MAX: usize = 16 * 1024;

/// The tokens that are known now. They can be replaced while callers show them.
#[derive(Debug)]
pub struct TokenFile {
    tokens: ArcSwap<StaticTokens>,
}

/// Who each token stands for.
///
/// Tokens are looked up by their SHA-256 digest, so how long a look-up takes tells nothing about
/// how much of a guess was right.
#[derive(Default)]
pub struct StaticTokens {
    holders: HashMap<TokenDigest, Holder>,
    commented: bool,
}

#[derive(Debug)]
struct Holder {
    user: Arc<User>,
    life: Life,
}

type TokenDigest = [u8; 32];

/// A token file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("token file line {line}: {problem}")]
pub struct TokenFileError {
    /// The number of the line, counted from 1.
    pub line: usize,
    /// What is wrong and what would be right. It never shows the token.
    pub problem: String,
}

/// What became of the tokens that were known before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// So many tokens are new, or stand for somebody else now.
    pub new: usize,
    /// So many are gone, or stand for somebody else now.
    pub revoked: usize,
}

impl TokenFile {
    /// Begins with these tokens.
    pub fn new(tokens: StaticTokens) -> Self {
        Self { tokens: ArcSwap::from_pointee(tokens) }
    }

    /// Puts other tokens in the place of those known so far. What was shown with a token that is
    /// gone, or that stands for another user or other groups now, lapses.
    pub fn replace(&self, mut tokens: StaticTokens) -> Replaced {
        let before = self.tokens.load_full();
        let mut revoked = Vec::new();
        for (digest, holder) in &before.holders {
            match tokens.holders.get_mut(digest) {
                Some(same) if same.user == holder.user => same.life = holder.life.clone(),
                _ => revoked.push(&holder.life),
            }
        }
        let new = tokens.len() + revoked.len() - before.len();
        self.tokens.store(Arc::new(tokens));
        // Only now: whoever comes back at once must not be let in by the old ones.
        for life in &revoked {
            life.end();
        }
        Replaced { new, revoked: revoked.len() }
    }

    /// Who shows `token`.
    pub(crate) fn caller(&self, token: &str) -> Option<Caller> {
        let tokens = self.tokens.load();
        let holder = tokens.holders.get(&digest(token))?;
        let life = Some(holder.life.clone());
        let credential = Credential { kind: CredentialKind::Token, expires: None, life };
        Some(Caller { user: Arc::clone(&holder.user), credential })
    }
}

impl StaticTokens {
    /// Reads the text of the file. Blank lines and comments are skipped.
    pub fn parse(text: &str) -> Result<Self, TokenFileError> {
        let mut tokens = Self::default();
        let mut line_of_token = HashMap::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let number = index + 1;
            if line.trim_end() == "#" || line.starts_with("# ") {
                tokens.commented = true;
                continue;
            }
            let fault = |problem| TokenFileError { line: number, problem };
            let (digest, user) = parse_line(line).map_err(fault)?;
            if let Some(earlier) = line_of_token.insert(digest, number) {
                return Err(fault(format!("the token of line {earlier} stands here again")));
            }
            if tokens.len() == TOKENS_MAX {
                return Err(fault(format!("more than {TOKENS_MAX} tokens")));
            }
            let holder = Holder { user: Arc::new(user), life: Life::new() };
            tokens.holders.insert(digest, holder);
        }
        Ok(tokens)
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.holders.len()
    }

    /// Whether somebody left the file without tokens on purpose: it has a comment. One that has
    /// nothing at all may just be being written.
    pub fn is_empty_on_purpose(&self) -> bool {
        self.is_empty() && self.commented
    }

    /// The users who may do everything, whatever the rules say: those in `system:masters`.
    pub fn masters(&self) -> Vec<&str> {
        let masters = self.holders.values().filter(|holder| holder.user.is_in(MASTERS));
        let mut names: Vec<_> = masters.map(|holder| &*holder.user.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether nobody can show a token that is known.
    pub fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }
}

/// Each token in the text of the file with the name of its user, in their order, for whoever writes
/// them into a file of another program.
pub fn tokens_in(text: &str) -> Result<Vec<(String, String)>, TokenFileError> {
    StaticTokens::parse(text)?;
    let lines = text.lines().filter_map(|line| split_fields(line).ok());
    let tokens = lines.filter_map(|fields| {
        let mut fields = fields.into_iter();
        Some((fields.next()?, fields.next()?))
    });
    Ok(tokens.collect())
}

impl fmt::Debug for StaticTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticTokens").field("len", &self.len()).finish_non_exhaustive()
    }
}

fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

fn parse_line(line: &str) -> Result<(TokenDigest, User), String> {
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("more than {LINE_BYTES_MAX} bytes"));
    }
    let fields = split_fields(line)?;
    let (token, name, uid, groups) = match fields.as_slice() {
        [token, name, uid] => (token, name, uid, ""),
        [token, name, uid, groups] => (token, name, uid, groups.as_str()),
        [_, _, _, _, ..] => {
            return Err("more than 4 fields; several groups stand in one pair of quotes, as in \
                        token,user,uid,\"group1,group2\""
                .to_owned());
        }
        [_] => return Err("1 field; expected token,user,uid[,\"groups\"]".to_owned()),
        few => return Err(format!("{} fields; expected token,user,uid[,\"groups\"]", few.len())),
    };
    check_token(token)?;
    if name.is_empty() || name.trim() != name {
        return Err("the user name must not be empty, or begin or end with a space".to_owned());
    }
    if name == ANONYMOUS {
        return Err(format!("{ANONYMOUS:?} is who shows no token"));
    }
    let groups = groups.split(',').map(str::trim).filter(|group| !group.is_empty());
    if groups.clone().any(|group| group == ALL_UNAUTHENTICATED) {
        return Err(format!("{ALL_UNAUTHENTICATED:?} is the group of those who show no token"));
    }
    let uid = Some(uid.as_str()).filter(|uid| !uid.is_empty());
    Ok((digest(token), User::authenticated(name, uid, groups.map(Arc::from))))
}

/// A token has to fit into a header, where a space would end it (RFC 6750, section 2.1).
fn check_token(token: &str) -> Result<(), String> {
    if token.is_empty() {
        return Err("the token is empty".to_owned());
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the token has characters that no client could send; use visible ASCII \
                    without spaces"
            .to_owned());
    }
    Ok(())
}

/// The fields of one line (RFC 4180), except that a quoted field ends on the line it began.
fn split_fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => take_quoted(quoted)?,
            None => take_plain(rest)?,
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// A field, and what stands after the comma that follows it.
type Taken<'l> = (String, Option<&'l str>);

fn take_plain(text: &str) -> Result<Taken<'_>, String> {
    let (field, after) = match text.split_once(',') {
        Some((field, after)) => (field, Some(after)),
        None => (text, None),
    };
    if field.contains('"') {
        return Err("a quote stands inside of a field that does not begin with one".to_owned());
    }
    Ok((field.to_owned(), after))
}

/// `text` begins after the opening quote; two quotes stand for one.
fn take_quoted(text: &str) -> Result<Taken<'_>, String> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"').ok_or("a quote is not closed on its line")?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None if after.is_empty() => return Ok((field, None)),
            None => {
                let after = after.strip_prefix(',').ok_or("expected a comma after a quote")?;
                return Ok((field, Some(after)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "s3cr3t,alice,1,\"ops, dev\"\r\n\n\
                        tok-2,device-controller,\n\
                        \"a,\"\"b\",\"O\"\"Hara\",7,\"\"\n\
                        #tok,bob,3,system:masters\n";

    #[test]
    fn a_token_stands_for_its_user() {
        let tokens = StaticTokens::parse(FILE).unwrap();
        assert_eq!(tokens.len(), 4);
        let tokens = TokenFile::new(tokens);
        let user = |name, uid, groups: &[&str]| {
            Some(User::authenticated(name, uid, groups.iter().copied().map(Arc::from)))
        };
        let cases = [
            ("s3cr3t", user("alice", Some("1"), &["ops", "dev"])),
            ("tok-2", user("device-controller", None, &[])),
            ("a,\"b", user("O\"Hara", Some("7"), &[])),
            ("#tok", user("bob", Some("3"), &["system:masters"])),
            ("s3cr3", None),
            ("s3cr3t ", None),
            ("S3CR3T", None),
            ("", None),
        ];
        for (token, expected) in cases {
            let found = tokens.caller(token).map(|caller| (*caller.user).clone());
            assert_eq!(found, expected, "{token:?}");
        }
        for (text, on_purpose) in [("", false), ("\n \n", false), ("#\n", true), ("# none\n", true)]
        {
            let tokens = StaticTokens::parse(text).unwrap();
            assert!(tokens.is_empty(), "{text:?}");
            assert_eq!(tokens.is_empty_on_purpose(), on_purpose, "{text:?}");
        }
        let tokens = StaticTokens::parse(&format!("# people\n{FILE}")).unwrap();
        assert_eq!((tokens.len(), tokens.is_empty_on_purpose()), (4, false));
        assert_eq!(tokens.masters(), ["bob"]);
    }

    #[test]
    fn a_token_that_is_gone_or_stands_for_somebody_else_is_revoked() {
        let old = "stays,alice,1\ngoes,bob,2\ngrows,carol,3\n";
        let new = "stays,alice,1\ngrows,carol,3,ops\ncomes,dave,4\n";
        let tokens = TokenFile::new(StaticTokens::parse(old).unwrap());
        let known = |token| tokens.caller(token);
        let before = ["stays", "goes", "grows"].map(|token| (token, known(token).unwrap()));
        let replaced = tokens.replace(StaticTokens::parse(new).unwrap());
        assert_eq!(replaced, Replaced { new: 2, revoked: 2 });
        for (token, caller) in before {
            let ended = caller.credential.life.unwrap().has_ended();
            assert_eq!(ended, token != "stays", "{token}");
        }
        let holder = |token| known(token).map(|caller| caller.user.name.to_string());
        assert_eq!(holder("goes"), None);
        assert_eq!(holder("comes").as_deref(), Some("dave"));
        assert!(known("grows").unwrap().user.is_in("ops"));
        let same = tokens.replace(StaticTokens::parse(new).unwrap());
        assert_eq!(same, Replaced { new: 0, revoked: 0 });
        assert!(!known("stays").unwrap().credential.life.unwrap().has_ended());
    }

    #[test]
    fn bad_lines_are_named_and_no_secret_is_shown() {
        let long = format!("s3cr3t,{},1", "x".repeat(LINE_BYTES_MAX));
        let cases = [
            ("s3cr3t", 1, "1 field; expected"),
            ("# s3cr3t\n#s3cr3t", 2, "1 field; expected"),
            ("s3cr3t,system:anonymous,1", 1, "\"system:anonymous\" is who"),
            ("s3cr3t,alice,1,system:unauthenticated", 1, "\"system:unauthenticated\" is the"),
            ("\n\ns3cr3t,alice", 3, "2 fields; expected"),
            ("s3cr3t,alice,1,ops,dev", 1, "more than 4 fields"),
            (",alice,1", 1, "the token is empty"),
            ("s3cr3t,,1", 1, "the user name"),
            ("s3cr3t, alice,1", 1, "the user name"),
            (" s3cr3t,alice,1", 1, "the token has characters"),
            ("s3cr3t\u{e9},alice,1", 1, "the token has characters"),
            ("s3cr3t,alice,1\nother,bob,2\ns3cr3t,eve,3", 3, "the token of line 1 stands here"),
            ("\"s3cr3t,alice,1", 1, "a quote is not closed"),
            ("s3cr3t,alice,1,\"ops\ndev\"", 1, "a quote is not closed"),
            ("\"s3cr3t\"x,alice,1", 1, "expected a comma"),
            ("s3c\"r3t,alice,1", 1, "a quote stands inside"),
            (&long, 1, "more than 16384 bytes"),
        ];
        for (text, line, problem) in cases {
            let error = StaticTokens::parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}");
            assert!(error.problem.starts_with(problem), "{text:?}: {error}");
            assert!(!format!("{error} {error:?}").contains("s3c"), "{text:?}: {error}");
        }
        let shown = format!("{:?}", StaticTokens::parse(FILE).unwrap());
        assert_eq!(shown, "StaticTokens { len: 4, .. }");
    }
}
