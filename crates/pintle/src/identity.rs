//! How callers are known: reads the files that say it, and reads them again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pintle_engine::AccessMode;
use pintle_identity::{
    Authenticators, ClaimRulesError, ClientTrustError, KeySetError, KeysError, Replaced,
    StaticTokens, TokenFile, TokenFileError,
};
use pintle_outbound::CaFileError;
use tokio::task::JoinSet;

use crate::config::ServeConfig;
use crate::input_file;
use crate::reload::{FileWatch, Reload};

mod certificates;
mod jwt;

use certificates::Certificates;
use jwt::Jwt;

/// Why callers cannot be known.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file that the settings name cannot be read.
    #[error(
        "cannot read {}, which the setting {setting:?} names (an option, a variable, or a key of \
         the settings file)",
        file.display()
    )]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The name of the setting.
        setting: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The token file cannot be used.
    #[error("{}: {problem}", file.display())]
    Tokens {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        problem: TokenFileError,
    },
    /// A file holds no keys.
    #[error("{}: {problem}", file.display())]
    KeySet {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        problem: KeySetError,
    },
    /// Keys cannot be fetched from there.
    #[error("the setting {setting:?}: {problem}")]
    Keys {
        /// The name of the setting.
        setting: &'static str,
        /// What is wrong with it.
        problem: KeysError,
    },
    /// Whom to believe when keys are fetched is not known.
    #[error("the setting \"jwt-ca\": {0}")]
    Ca(#[from] CaFileError),
    /// What tokens claim cannot be used so.
    #[error("jwt-username-prefix or jwt-groups-prefix: {0}")]
    Claims(#[from] ClaimRulesError),
    /// The file of those who sign client certificates cannot be used.
    #[error("{}: {problem}", file.display())]
    ClientCa {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: ClientTrustError,
    },
    /// Settings that go together are not all there.
    #[error("{given} is set without {missing}: {why}")]
    Incomplete {
        /// What is set.
        given: &'static str,
        /// What is not.
        missing: &'static str,
        /// Why it is needed.
        why: &'static str,
    },
}

/// What was read, and what is to be read again.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    tokens: Option<Tokens>,
    jwt: Option<Jwt>,
    certificates: Option<Certificates>,
}

#[derive(Debug)]
struct Tokens {
    file: PathBuf,
    watch: FileWatch,
    known: Arc<TokenFile>,
}

impl Identity {
    /// Reads all files. Keys behind a URL are fetched; where that fails, the log says so and it is
    /// tried again.
    pub(crate) async fn load(config: &ServeConfig) -> Result<Self, IdentityError> {
        let tokens = config.tokens.as_deref().map(Tokens::load).transpose()?;
        let jwt = Jwt::load(&config.jwt).await?;
        let certificates = Certificates::load(&config.tls)?;
        Ok(Self { tokens, jwt, certificates })
    }

    /// Unknown callers may go on only where rules decide what they may do.
    pub(crate) fn authenticators(&self, mode: AccessMode) -> Authenticators {
        let none = Authenticators::none().with_anonymous(mode == AccessMode::Rules);
        let tokens = self.tokens.as_ref().map(|tokens| Arc::clone(&tokens.known));
        let some = tokens.into_iter().fold(none, Authenticators::with_tokens);
        let some = self.jwt.iter().map(Jwt::authenticator).fold(some, Authenticators::with_jwt);
        let trust = self.certificates.iter().map(|it| Arc::clone(&it.trust));
        trust.fold(some, Authenticators::with_certificates)
    }

    /// Whether callers can be known at all.
    pub(crate) const fn asks(&self) -> bool {
        self.tokens.is_some() || self.jwt.is_some() || self.certificates.is_some()
    }

    /// Follows the files for as long as what is returned is kept.
    pub(crate) fn follow(self) -> JoinSet<()> {
        let mut following = JoinSet::new();
        if let Some(Tokens { file, watch, known }) = self.tokens {
            following.spawn(watch.follow(move || replace_tokens(&file, &known)));
        }
        if let Some(jwt) = self.jwt {
            jwt.follow(&mut following);
        }
        if let Some(certificates) = self.certificates {
            certificates.follow(&mut following);
        }
        following
    }
}

impl Tokens {
    fn load(file: &Path) -> Result<Self, IdentityError> {
        let watch = FileWatch::new([file.to_owned()]);
        let tokens = read_tokens(file)?;
        input_file::warn_of_readers(file, "tokens");
        if tokens.is_empty() {
            tracing::warn!(file = %file.display(), "there are no tokens in it: nobody has one");
        }
        let masters = tokens.masters().join(", ");
        if !masters.is_empty() {
            tracing::info!(masters, "tokens of system:masters may do everything, without rules");
        }
        let known = Arc::new(TokenFile::new(tokens));
        Ok(Self { file: file.to_owned(), watch, known })
    }
}

fn read_tokens(file: &Path) -> Result<StaticTokens, IdentityError> {
    let text = input_file::read_text(file).map_err(|source| IdentityError::Unreadable {
        file: file.to_owned(),
        setting: "tokens",
        source,
    })?;
    StaticTokens::parse(&text)
        .map_err(|problem| IdentityError::Tokens { file: file.to_owned(), problem })
}

fn replace_tokens(file: &Path, known: &TokenFile) -> Reload {
    let tokens = input_file::read_text(file).map_err(|error| error.to_string())?;
    let tokens = StaticTokens::parse(&tokens).map_err(|error| error.to_string())?;
    if tokens.is_empty() && !tokens.is_empty_on_purpose() {
        let why = "it has no tokens, which would lock everybody out; if that is meant, leave a \
                   comment in it, as in \"# nobody\"";
        return Err(why.to_owned());
    }
    let Replaced { new, revoked } = known.replace(tokens);
    let changed = new + revoked > 0;
    Ok(changed.then(|| format!("{new} new tokens, {revoked} revoked")))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn what_has_no_end_is_not_read() {
        let error = read_tokens(Path::new("/dev/zero")).unwrap_err();
        assert!(error.to_string().contains("/dev/zero"), "{error}");
        let why = error.source().map(ToString::to_string);
        assert_eq!(why.as_deref(), Some("it is not a regular file"));
    }

    #[test]
    fn a_broken_new_file_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens.csv");
        std::fs::write(&file, "s3cr3t-1,alice,1\n").unwrap();
        let known = TokenFile::new(read_tokens(&file).unwrap());
        assert_eq!(replace_tokens(&file, &known), Ok(None));
        for broken in ["s3cr3t-1\n", "s3cr3t-1,alice,1\ns3cr3t-1,bob,2\n", "\u{e9},a,1"] {
            std::fs::write(&file, broken).unwrap();
            let problem = replace_tokens(&file, &known).unwrap_err();
            assert!(problem.contains("line ") && !problem.contains("s3cr3t"), "{problem}");
        }
        for empty in ["", "\n\n"] {
            std::fs::write(&file, empty).unwrap();
            let problem = replace_tokens(&file, &known).unwrap_err();
            assert!(problem.contains("no tokens"), "{problem}");
        }
        std::fs::remove_file(&file).unwrap();
        replace_tokens(&file, &known).unwrap_err();
        std::fs::write(&file, "s3cr3t-1,alice,1\ns3cr3t-2,bob,2\n").unwrap();
        let found = replace_tokens(&file, &known);
        assert_eq!(found, Ok(Some("1 new tokens, 0 revoked".to_owned())), "alice was never gone");
        std::fs::write(&file, "# nobody\n").unwrap();
        let found = replace_tokens(&file, &known);
        assert_eq!(
            found,
            Ok(Some("0 new tokens, 2 revoked".to_owned())),
            "it says that it is meant"
        );
    }
}
