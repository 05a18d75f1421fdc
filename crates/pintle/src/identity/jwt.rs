//! JSON Web Tokens: the issuer that is trusted, and where its keys are.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pintle_identity::{ClaimRules, JwtAuthenticator, KeySet, Keys, Remote};
use pintle_outbound::{Client, ClientSettings};
use tokio::task::JoinSet;

use super::IdentityError;
use crate::config::{JwtConfig, is_url};
use crate::input_file;
use crate::reload::{FileWatch, Reload};

/// Whoever shows a token with a new key waits at most so long for it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// A set of keys has at most so many bytes.
const KEYS_BYTES_MAX: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Jwt {
    keys: Arc<Keys>,
    rules: ClaimRules,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    File {
        file: PathBuf,
        watch: FileWatch,
    },
    /// With whether the first fetch brought keys.
    Remote {
        is_fresh: bool,
    },
}

impl Jwt {
    pub(super) async fn load(config: &JwtConfig) -> Result<Option<Self>, IdentityError> {
        let Some(rules) = rules(config)? else { return Ok(None) };
        let (keys, origin) = match &config.jwks {
            Some(file) if !is_url(file) => from_file(Path::new(file))?,
            Some(url) => fetched(config, "jwks", Remote::key_set(url)).await?,
            None => fetched(config, "jwt-issuer", Remote::issuer(&rules.issuer)).await?,
        };
        Ok(Some(Self { keys, rules, origin }))
    }

    pub(super) fn authenticator(&self) -> Arc<JwtAuthenticator> {
        Arc::new(JwtAuthenticator::new(Arc::clone(&self.keys), self.rules.clone()))
    }

    /// Keeps the keys fresh.
    pub(super) fn follow(self, following: &mut JoinSet<()>) {
        let keys = self.keys;
        match self.origin {
            Origin::File { file, watch } => {
                following.spawn(watch.follow(move || replace_keys(&file, &keys)))
            }
            Origin::Remote { is_fresh } => following.spawn(keys.keep_fresh(is_fresh)),
        };
    }
}

/// Nothing where no setting is about tokens of an issuer.
fn rules(config: &JwtConfig) -> Result<Option<ClaimRules>, IdentityError> {
    let incomplete = |given, missing, why| Err(IdentityError::Incomplete { given, missing, why });
    let (issuer, audience) = match (&config.jwt_issuer, &config.jwt_audience) {
        (Some(issuer), Some(audience)) => (issuer.clone(), audience.clone()),
        (Some(_), None) => {
            let why = "a token that was made for another service must not be good here";
            return incomplete("jwt-issuer", "jwt-audience", why);
        }
        (None, Some(_)) => {
            return incomplete("jwt-audience", "jwt-issuer", "somebody has to make the tokens");
        }
        (None, None) if config.jwks.is_some() => {
            return incomplete("jwks", "jwt-issuer", "keys are those of an issuer");
        }
        (None, None) => return Ok(None),
    };
    let rules = ClaimRules {
        issuer,
        audience,
        username_claim: config.jwt_username_claim.clone(),
        username_prefix: config.jwt_username_prefix.clone(),
        groups_claim: config.jwt_groups_claim.clone(),
        groups_prefix: config.jwt_groups_prefix.clone(),
    };
    rules.check()?;
    Ok(Some(rules))
}

fn from_file(file: &Path) -> Result<(Arc<Keys>, Origin), IdentityError> {
    let watch = FileWatch::new([file.to_owned()]);
    let text = read(file).map_err(|source| IdentityError::Unreadable {
        file: file.to_owned(),
        setting: "jwks",
        source,
    })?;
    let keys = KeySet::parse(&text)
        .map_err(|problem| IdentityError::KeySet { file: file.to_owned(), problem })?;
    Ok((Arc::new(Keys::fixed(keys)), Origin::File { file: file.to_owned(), watch }))
}

fn read(file: &Path) -> Result<Vec<u8>, std::io::Error> {
    input_file::read(file, KEYS_BYTES_MAX as u64)
}

async fn fetched(
    config: &JwtConfig,
    setting: &'static str,
    remote: Result<Remote, pintle_identity::KeysError>,
) -> Result<(Arc<Keys>, Origin), IdentityError> {
    let remote = remote.map_err(|problem| IdentityError::Keys { setting, problem })?;
    let client = Client::new(&ClientSettings {
        ca_file: config.jwt_ca.clone(),
        timeout: FETCH_TIMEOUT,
        response_bytes_max: KEYS_BYTES_MAX,
        ..ClientSettings::default()
    })?;
    let keys = Arc::new(Keys::remote(remote, client));
    let is_fresh = keys.fetch().await;
    Ok((keys, Origin::Remote { is_fresh }))
}

fn replace_keys(file: &Path, keys: &Keys) -> Reload {
    let text = read(file).map_err(|error| error.to_string())?;
    let set = KeySet::parse(&text).map_err(|error| error.to_string())?;
    let (new, gone) = keys.replace(set);
    Ok((new + gone > 0).then(|| format!("{new} new keys, {gone} gone")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &JwtConfig, expected: &str) {
        let said =
            rules(config).map_or_else(|error| error.to_string(), |rules| format!("{rules:?}"));
        assert!(said.starts_with(expected), "{said}");
    }

    #[test]
    fn settings_that_go_together_are_asked_for() {
        let issuer = Some("https://issuer.example".to_owned());
        let audience = Some("pintle".to_owned());
        let none = JwtConfig::default;
        check(&none(), "None");
        check(
            &JwtConfig { jwt_issuer: issuer.clone(), ..none() },
            "jwt-issuer is set without jwt-audience",
        );
        check(
            &JwtConfig { jwt_audience: audience.clone(), ..none() },
            "jwt-audience is set without",
        );
        check(
            &JwtConfig { jwks: Some("f".to_owned()), ..none() },
            "jwks is set without jwt-issuer",
        );
        let both = JwtConfig { jwt_issuer: issuer, jwt_audience: audience, ..none() };
        check(&both, "Some(ClaimRules");
        let prefix = JwtConfig { jwt_groups_prefix: "system:".to_owned(), ..both };
        check(&prefix, "jwt-username-prefix or jwt-groups-prefix: a prefix that begins");
    }
}
