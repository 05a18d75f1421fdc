//! Who is told of events over HTTP: the settings `--webhook` and `--webhooks`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pintle_delivery::Start;
use pintle_events::Patterns;
use pintle_outbound::{SecretFile, Url, UrlError};
use pintle_webhooks::{Endpoint, Mode, Webhook, WebhookError};
use serde::Deserialize;
use serde_saphyr::Spanned;
use sha2::{Digest as _, Sha256};

use super::source::Wanted;
use crate::config::{self, UrlText, WebhookConfig};
use crate::{input_file, yaml};

/// There are at most so many endpoints.
const ENDPOINTS_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 40;

const TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT_MAX: Duration = Duration::from_mins(10);

/// Why events cannot be sent where the settings say.
#[derive(Debug, thiserror::Error)]
pub enum WebhookSettingsError {
    /// The file of endpoints cannot be read.
    #[error("cannot read {}, which the setting \"webhooks\" names", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file of endpoints does not say what it should.
    #[error("{}: {problem}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong, and on which line.
        problem: String,
    },
    /// One endpoint of the file cannot be used.
    #[error("{}, line {line}: {problem}", file.display())]
    Endpoint {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
        /// Why, when something lies behind it.
        source: Option<WebhookError>,
    },
    /// A URL of the setting `webhook` cannot be used.
    #[error("the URL number {number} of the setting \"webhook\" cannot be used: {problem}")]
    Url {
        /// Which one, from 1.
        number: usize,
        /// What is wrong.
        problem: UrlError,
    },
    /// What such a URL is called with cannot be used.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// One URL stands there twice.
    #[error("the URL number {number} of the setting \"webhook\" stands there twice")]
    Twice {
        /// Which one, from 1.
        number: usize,
    },
    /// There are too many.
    #[error("there are {count} webhooks, and there can be {ENDPOINTS_MAX}")]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

/// An endpoint, ready to be delivered to.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) name: String,
    pub(crate) webhook: Webhook,
    pub(crate) wanted: Wanted,
    pub(crate) start: Start,
}

/// All endpoints of the settings, by name.
pub(crate) fn receivers(
    config: &WebhookConfig,
) -> Result<BTreeMap<String, Receiver>, WebhookSettingsError> {
    let mut receivers = BTreeMap::new();
    for (UrlText(text), number) in config.webhook.iter().zip(1..) {
        let receiver = of_url(text, number)?;
        if receivers.insert(receiver.name.clone(), receiver).is_some() {
            return Err(WebhookSettingsError::Twice { number });
        }
    }
    if let Some(file) = &config.webhooks {
        read_file(file, &mut receivers)?;
    }
    match receivers.len() {
        count if count > ENDPOINTS_MAX => Err(WebhookSettingsError::TooMany { count }),
        _ => Ok(receivers),
    }
}

/// What is remembered of an endpoint is remembered by its name. One without a name is another one
/// when its URL is another.
fn of_url(text: &str, number: usize) -> Result<Receiver, WebhookSettingsError> {
    let url = text.parse().map_err(|problem| WebhookSettingsError::Url { number, problem })?;
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let [a, b, c, d, ..] = digest;
    let endpoint = Endpoint {
        url,
        mode: Mode::default(),
        token: None,
        secret: None,
        ca_file: None,
        timeout: TIMEOUT,
    };
    Ok(Receiver {
        name: format!("url-{:08x}", u32::from_be_bytes([a, b, c, d])),
        webhook: Webhook::new(endpoint)?,
        wanted: Wanted { types: Patterns::everything(), secrets: false },
        start: Start::Now,
    })
}

/// An endpoint as the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Entry {
    name: Spanned<String>,
    url: Spanned<String>,
    #[serde(default)]
    types: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    mode: ModeWord,
    #[serde(default)]
    token_file: Option<PathBuf>,
    #[serde(default)]
    secret_file: Option<PathBuf>,
    #[serde(default)]
    ca_file: Option<PathBuf>,
    #[serde(default)]
    from: From,
    #[serde(default)]
    include: Vec<Include>,
    #[serde(default)]
    timeout: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ModeWord {
    #[default]
    Structured,
    Binary,
    Batch,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum From {
    #[default]
    Now,
    Start,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Include {
    Secrets,
}

/// What is wrong with an entry, and where.
pub(super) struct Fault {
    pub(super) line: u64,
    pub(super) problem: String,
    source: Option<WebhookError>,
}

fn read_file(
    file: &Path,
    receivers: &mut BTreeMap<String, Receiver>,
) -> Result<(), WebhookSettingsError> {
    let text = input_file::read_text(file)
        .map_err(|source| WebhookSettingsError::Unreadable { file: file.to_owned(), source })?;
    let entries: Vec<Entry> = yaml::read(&text).map_err(|error| {
        let problem = yaml::message(&error);
        WebhookSettingsError::Malformed { file: file.to_owned(), problem }
    })?;
    if entries.len() > ENDPOINTS_MAX {
        return Err(WebhookSettingsError::TooMany { count: entries.len() });
    }
    // What an entry names is found from where the entry stands.
    let folder = file.parent().unwrap_or(Path::new(""));
    for entry in entries {
        add(entry, folder, receivers).map_err(|fault| {
            let Fault { line, problem, source } = fault;
            WebhookSettingsError::Endpoint { file: file.to_owned(), line, problem, source }
        })?;
    }
    Ok(())
}

fn add(
    entry: Entry,
    folder: &Path,
    receivers: &mut BTreeMap<String, Receiver>,
) -> Result<(), Fault> {
    let line = entry.name.referenced.line();
    let receiver = entry.receiver(folder)?;
    let name = receiver.name.clone();
    if receivers.insert(name.clone(), receiver).is_some() {
        return Err(fault(line, format!("there is an endpoint {name:?} already")));
    }
    Ok(())
}

impl Entry {
    fn receiver(self, folder: &Path) -> Result<Receiver, Fault> {
        let line = self.name.referenced.line();
        let name = name(&self.name.value).map_err(|problem| fault(line, problem))?;
        let types = types(self.types)?;
        let secrets = self.include.iter().any(|it| matches!(it, Include::Secrets));
        let path = |file: PathBuf| folder.join(file);
        let endpoint = Endpoint {
            url: url(&self.url)?,
            mode: match self.mode {
                ModeWord::Structured => Mode::Structured,
                ModeWord::Binary => Mode::Binary,
                ModeWord::Batch => Mode::Batch,
            },
            token: self.token_file.map(path).map(SecretFile::new),
            secret: self.secret_file.map(path).map(SecretFile::new),
            ca_file: self.ca_file.map(path),
            timeout: timeout(self.timeout)?,
        };
        let webhook = Webhook::new(endpoint).map_err(|source| Fault {
            line,
            problem: format!("the endpoint {name:?} cannot be used"),
            source: Some(source),
        })?;
        let start = match self.from {
            From::Now => Start::Now,
            From::Start => Start::Oldest,
        };
        Ok(Receiver { name, webhook, wanted: Wanted { types, secrets }, start })
    }
}

pub(super) fn name(text: &str) -> Result<String, String> {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edges = !text.starts_with('-') && !text.ends_with('-') && !text.is_empty();
    if edges && text.len() <= NAME_BYTES_MAX && text.bytes().all(inside) {
        return Ok(text.to_owned());
    }
    let shown: String = text.chars().take(NAME_BYTES_MAX).collect();
    Err(format!(
        "the name {shown:?} is not valid: it has to be 1 to {NAME_BYTES_MAX} lower-case letters, \
         digits and hyphens, with no hyphen at its ends"
    ))
}

/// What stands there is not repeated: it may hold a password.
fn url(text: &Spanned<String>) -> Result<Url, Fault> {
    let parsed = text.value.parse::<Url>();
    parsed.map_err(|problem| fault(text.referenced.line(), problem.to_string()))
}

pub(super) fn types(types: Option<Spanned<Vec<String>>>) -> Result<Patterns, Fault> {
    let Some(types) = types else { return Ok(Patterns::everything()) };
    let line = types.referenced.line();
    if types.value.is_empty() {
        let problem = "types is an empty list, so nothing would be sent; leave it out for all";
        return Err(fault(line, problem.to_owned()));
    }
    Patterns::parse(&types.value).map_err(|problem| fault(line, problem.to_string()))
}

pub(super) fn timeout(text: Option<Spanned<String>>) -> Result<Duration, Fault> {
    let Some(text) = text else { return Ok(TIMEOUT) };
    let line = text.referenced.line();
    let timeout = config::duration(&text.value)
        .map_err(|problem| fault(line, format!("timeout: {problem}")))?;
    if timeout.is_zero() || timeout > TIMEOUT_MAX {
        let problem = format!("timeout has to be more than 0 and at most {TIMEOUT_MAX:?}");
        return Err(fault(line, problem));
    }
    Ok(timeout)
}

const fn fault(line: u64, problem: String) -> Fault {
    Fault { line, problem, source: None }
}

#[cfg(test)]
mod tests;
