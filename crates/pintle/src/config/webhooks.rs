//! Settings of webhooks: who is told of events.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Who is told of events over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct WebhookConfig {
    /// URL that all events are sent to, in the HTTP binding of CloudEvents; may be given more than
    /// once
    #[arg(long, value_name = "URL")]
    pub webhook: Vec<UrlText>,

    /// File of endpoints that events are sent to, with what each of them wants
    #[arg(long, value_name = "FILE")]
    pub webhooks: Option<PathBuf>,
}

/// What may be a URL. URLs can hold passwords, so neither `Debug` nor the parser of settings, whose
/// errors repeat what they could not read, shows or judges it.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlText(pub String);

impl FromStr for UrlText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for UrlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlText").finish_non_exhaustive()
    }
}
