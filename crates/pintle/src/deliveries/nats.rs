//! Into which streams of NATS events are published: the setting `--nats`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pintle_delivery::Start;
use pintle_nats::{Credentials, Mode, Publisher, PublisherError, Servers, Subjects, Target};
use pintle_outbound::SecretFile;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::numbers::{DeliveryNumbers, OF_NATS};
use super::source::Wanted;
use super::webhooks::{From, Include, name, timeout, types};
use super::{DeliveryError, Receiver, Starting, records};
use crate::config::{EventConfig, ServeConfig};
use crate::{input_file, yaml};

/// There are at most so many targets.
const TARGETS_MAX: usize = 16;

/// Why events cannot be published as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum NatsSettingsError {
    /// The file of targets cannot be read.
    #[error("cannot read {}, which the setting \"nats\" names", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file of targets does not say what it should.
    #[error("{}: {problem}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong, and on which line.
        problem: String,
    },
    /// One target of the file cannot be used.
    #[error("{}, line {line}: {problem}", file.display())]
    Target {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
        /// Why, when something lies behind it.
        source: Option<PublisherError>,
    },
    /// There are too many.
    #[error("{} names {count} targets, and there can be {TARGETS_MAX}", file.display())]
    TooMany {
        /// The file.
        file: PathBuf,
        /// How many there are.
        count: usize,
    },
}

/// The targets of the settings.
#[derive(Debug)]
pub(crate) struct Targets(Vec<Receiver<Publisher>>);

impl Targets {
    pub(crate) fn load(
        config: &ServeConfig,
        data_dir: Option<&Path>,
    ) -> Result<Self, DeliveryError> {
        let Some(file) = &config.nats.nats else { return Ok(Self(Vec::new())) };
        let dir = data_dir.map(|dir| dir.join("nats"));
        let mut receivers = Vec::new();
        for (name, publisher, wanted, start) in read_file(file, &config.events)? {
            let records = records(dir.as_ref(), &name)?;
            let name = name.into();
            receivers.push(Receiver { name, transport: publisher, wanted, start, records });
        }
        Ok(Self(receivers))
    }

    pub(crate) fn start(self, starting: &mut Starting<'_>, all: &mut Vec<DeliveryNumbers>) {
        let mut numbers = DeliveryNumbers::new(&OF_NATS);
        for receiver in self.0 {
            let Target { servers, stream, .. } = receiver.transport.target();
            let name = &*receiver.name;
            tracing::info!(name, %servers, %stream, "events are published to NATS");
            starting.deliver(receiver, &mut numbers);
        }
        all.push(numbers);
    }
}

/// A target as the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Entry {
    name: Spanned<String>,
    url: Spanned<String>,
    stream: Spanned<String>,
    #[serde(default)]
    subject_prefix: Option<Spanned<String>>,
    #[serde(default)]
    types: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    mode: ModeWord,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    password_file: Option<PathBuf>,
    #[serde(default)]
    token_file: Option<PathBuf>,
    #[serde(default)]
    nkey_file: Option<PathBuf>,
    #[serde(default)]
    credentials_file: Option<PathBuf>,
    #[serde(default)]
    ca_file: Option<PathBuf>,
    #[serde(default)]
    create: bool,
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
}

/// What is wrong with an entry, and where.
struct Fault {
    line: u64,
    problem: String,
    source: Option<PublisherError>,
}

impl std::convert::From<super::webhooks::Fault> for Fault {
    fn from(fault: super::webhooks::Fault) -> Self {
        Self { line: fault.line, problem: fault.problem, source: None }
    }
}

type Read = (String, Publisher, Wanted, Start);

fn read_file(file: &Path, events: &EventConfig) -> Result<Vec<Read>, NatsSettingsError> {
    let text = input_file::read_text(file)
        .map_err(|source| NatsSettingsError::Unreadable { file: file.to_owned(), source })?;
    let entries: Vec<Entry> = yaml::read(&text).map_err(|error| {
        let problem = yaml::message(&error);
        NatsSettingsError::Malformed { file: file.to_owned(), problem }
    })?;
    if entries.len() > TARGETS_MAX {
        return Err(NatsSettingsError::TooMany { file: file.to_owned(), count: entries.len() });
    }
    // What an entry names is found from where the entry stands.
    let folder = file.parent().unwrap_or(Path::new(""));
    let (mut read, mut names) = (Vec::new(), BTreeSet::new());
    for entry in entries {
        let line = entry.name.referenced.line();
        let one = entry.read(folder, events).and_then(|one| {
            if names.insert(one.0.clone()) {
                return Ok(one);
            }
            Err(fault(line, format!("there is a target {:?} already", one.0)))
        });
        read.push(one.map_err(|Fault { line, problem, source }| NatsSettingsError::Target {
            file: file.to_owned(),
            line,
            problem,
            source,
        })?);
    }
    Ok(read)
}

impl Entry {
    fn read(self, folder: &Path, events: &EventConfig) -> Result<Read, Fault> {
        let line = self.name.referenced.line();
        let name = name(&self.name.value).map_err(|problem| fault(line, problem))?;
        let credentials = self.credentials(folder)?;
        let subjects = subjects(self.subject_prefix, self.types.as_ref(), events)?;
        let types = types(self.types)?;
        let secrets = self.include.iter().any(|it| matches!(it, Include::Secrets));
        let target = Target {
            servers: parsed::<Servers>(&self.url)?,
            stream: parsed(&self.stream)?,
            subjects,
            mode: match self.mode {
                ModeWord::Structured => Mode::Structured,
                ModeWord::Binary => Mode::Binary,
            },
            credentials,
            ca_file: self.ca_file.map(|file| folder.join(file)),
            create: self.create,
            timeout: timeout(self.timeout)?,
        };
        let publisher = Publisher::new(target).map_err(|source| Fault {
            line,
            problem: format!("the target {name:?} cannot be used"),
            source: Some(source),
        })?;
        let start = match self.from {
            From::Now => Start::Now,
            From::Start => Start::Oldest,
        };
        Ok((name, publisher, Wanted { types, secrets }, start))
    }

    fn credentials(&self, folder: &Path) -> Result<Credentials, Fault> {
        let secret = |file: &PathBuf| SecretFile::new(folder.join(file));
        let files =
            (&self.password_file, &self.token_file, &self.nkey_file, &self.credentials_file);
        Ok(match (&self.user, files) {
            (None, (None, None, None, None)) => Credentials::None,
            (Some(user), (Some(file), None, None, None)) => {
                Credentials::Password { user: user.clone(), password: secret(file) }
            }
            (None, (None, Some(file), None, None)) => Credentials::Token(secret(file)),
            (None, (None, None, Some(file), None)) => Credentials::Nkey(secret(file)),
            (None, (None, None, None, Some(file))) => Credentials::File(folder.join(file)),
            _ => {
                let problem = "say who publishes in one way: user and passwordFile, tokenFile, \
                               nkeyFile, or credentialsFile";
                return Err(fault(self.name.referenced.line(), problem.to_owned()));
            }
        })
    }
}

/// What events can be published as. The gap is told to everybody.
fn subjects(
    prefix: Option<Spanned<String>>,
    types: Option<&Spanned<Vec<String>>>,
    events: &EventConfig,
) -> Result<Subjects, Fault> {
    let line = prefix.as_ref().map_or(0, |prefix| prefix.referenced.line());
    let prefix = prefix.map(|prefix| prefix.value);
    let lifecycle = &events.event_type_prefix;
    let conditions = events.condition_event_prefix.clone();
    let conditions = conditions.unwrap_or_else(|| format!("{lifecycle}.condition"));
    let mut all = vec![format!("{lifecycle}.**")];
    if !conditions.starts_with(&format!("{lifecycle}.")) && conditions != *lifecycle {
        all.push(format!("{conditions}.**"));
    }
    let wanted = match types {
        // What begins with anything can be anything there is.
        Some(types) if !types.value.iter().any(|it| it.starts_with("**")) => {
            let gap = [format!("{lifecycle}.gap")];
            types.value.iter().cloned().chain(gap).collect()
        }
        _ => all,
    };
    Subjects::new(prefix.as_deref(), wanted).map_err(|error| fault(line, error.to_string()))
}

/// What stands there is not repeated by all of them: it may hold a password.
fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &Spanned<String>,
) -> Result<T, Fault> {
    text.value.parse().map_err(|error: T::Err| fault(text.referenced.line(), error.to_string()))
}

const fn fault(line: u64, problem: String) -> Fault {
    Fault { line, problem, source: None }
}

#[cfg(test)]
mod tests;
