//! How callers are known besides the token file.

use std::path::PathBuf;

/// The settings of JSON Web Tokens.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct JwtConfig {
    /// Issuer of JSON Web Tokens to trust; its keys are found through it unless --jwks says where
    #[arg(long, value_name = "URL")]
    pub jwt_issuer: Option<String>,

    /// Audience that a JSON Web Token has to name
    #[arg(long, value_name = "NAME")]
    pub jwt_audience: Option<String>,

    /// Public keys of the issuer, a JWK set
    #[arg(long, value_name = "FILE|URL", value_hint = clap::ValueHint::AnyPath)]
    pub jwks: Option<String>,

    /// Certificates (PEM) to believe when keys are fetched, besides those that the machine trusts
    #[arg(long, value_name = "FILE")]
    pub jwt_ca: Option<PathBuf>,

    /// Claim that holds the name of the user
    #[arg(long, value_name = "CLAIM", default_value = "sub")]
    pub jwt_username_claim: String,

    /// Text to put before that name
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub jwt_username_prefix: String,

    /// Claim that holds the groups of the user
    #[arg(long, value_name = "CLAIM", default_value = "groups")]
    pub jwt_groups_claim: String,

    /// Text to put before each group
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub jwt_groups_prefix: String,
}

impl Default for JwtConfig {
    fn default() -> Self {
        Self {
            jwt_issuer: None,
            jwt_audience: None,
            jwks: None,
            jwt_ca: None,
            jwt_username_claim: "sub".to_owned(),
            jwt_username_prefix: String::new(),
            jwt_groups_claim: "groups".to_owned(),
            jwt_groups_prefix: String::new(),
        }
    }
}

/// Whether a setting that may be a file or a URL is a URL.
pub(crate) fn is_url(text: &str) -> bool {
    text.contains("://")
}
