//! How options, environment and settings file become one [`ServeConfig`].
//!
//! For every setting the strongest layer that has it is found, and the winners are then read as one
//! command line. So each value goes through the one parser of its option, wherever it comes from.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint};

use super::file::{self, Entry, Written};
use super::identity::is_url;
use super::{ConfigError, Environment, Origin, ServeConfig};
use crate::cli::CliError;

/// The settings file that is looked for in the first directory.
pub(crate) const SETTINGS_FILE_NAME: &str = "pintle.yaml";

/// Settings by the name of their option, each from the strongest layer that has it.
type Winners = BTreeMap<String, Vec<OsString>>;

pub(crate) fn resolve(
    options: &ArgMatches,
    environment: &Environment<'_>,
) -> Result<ServeConfig, CliError> {
    let mut winners = Winners::new();
    let grammar = grammar();
    for setting in settings(&grammar) {
        if let Some(values) = from_option(setting, options) {
            winners.insert(key_of(setting), values);
        } else if let Some(values) = from_environment(setting, environment)? {
            winners.insert(key_of(setting), values);
        }
    }
    let paths: Vec<_> = options.get_raw("paths").into_iter().flatten().collect();
    if let Some(file) = settings_file(&winners, &paths) {
        // The file is checked whole, also where a stronger layer hides it.
        for entry in file::read(&file)? {
            let (key, values) = from_entry(&grammar, &file, entry)?;
            winners.entry(key).or_insert(values);
        }
        winners.insert("config".to_owned(), vec![file.into()]);
    }
    let line = command_line(&winners).chain([OsString::from("--")]);
    let matches =
        grammar.try_get_matches_from(line.chain(paths.into_iter().map(OsStr::to_owned)))?;
    Ok(ServeConfig::from_arg_matches(&matches)?)
}

/// What holds when no layer says anything.
pub(super) fn defaults() -> ServeConfig {
    let nothing: [OsString; 0] = [];
    let matches = grammar().try_get_matches_from(nothing);
    let matches = matches.expect("every setting has a default or may be left out");
    ServeConfig::from_arg_matches(&matches).expect("the defaults are values")
}

/// Adds to the help of an option which variable can stand for it.
pub(crate) fn with_variable(option: Arg) -> Arg {
    match (option.get_long(), option.get_help()) {
        (Some(key), Some(help)) => {
            let help = format!("{help} [env: {}]", variable_of(key));
            option.help(help)
        }
        _ => option,
    }
}

fn grammar() -> Command {
    let command = Command::new("settings").no_binary_name(true).disable_help_flag(true);
    ServeConfig::augment_args(command)
}

fn settings(grammar: &Command) -> impl Iterator<Item = &Arg> {
    grammar.get_arguments().filter(|argument| argument.get_long().is_some())
}

fn key_of(setting: &Arg) -> String {
    setting.get_long().expect("settings are the arguments with a long name").to_owned()
}

/// The key that looks most like one that there is not, if it looks like a slip of the pen.
fn nearest(key: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let alike = known.map(|it| (strsim::jaro(&it, key), it));
    let best = alike.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(likeness, _)| *likeness > 0.8).map(|(_, known)| known)
}

fn variable_of(key: &str) -> String {
    format!("PINTLE_{}", key.replace('-', "_").to_ascii_uppercase())
}

fn takes_many(setting: &Arg) -> bool {
    matches!(setting.get_action(), ArgAction::Append)
}

fn names_a_file(setting: &Arg) -> bool {
    setting.get_value_hint() == ValueHint::AnyPath
}

fn from_option(setting: &Arg, options: &ArgMatches) -> Option<Vec<OsString>> {
    let id = setting.get_id().as_str();
    // Not every command takes all of them as options.
    options.try_contains_id(id).ok()?;
    let given = options.value_source(id) == Some(ValueSource::CommandLine);
    given.then(|| options.get_raw(id).into_iter().flatten().map(OsStr::to_owned).collect())
}

/// Variables that begin with `PINTLE_` and are no setting are left alone: Kubernetes sets some,
/// such as `PINTLE_SERVICE_HOST`, wherever there is a Service of that name.
fn from_environment(
    setting: &Arg,
    environment: &Environment<'_>,
) -> Result<Option<Vec<OsString>>, ConfigError> {
    let name = variable_of(&key_of(setting));
    let Some(text) = environment(&name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let values = match text.to_str() {
        _ if takes_many(setting) && names_a_file(setting) => {
            env::split_paths(&text).map(PathBuf::into_os_string).collect()
        }
        // URLs have colons in them, and no spaces.
        Some(text) if takes_many(setting) => text.split_whitespace().map(OsString::from).collect(),
        _ => vec![text],
    };
    check(setting, &values)
        .map_err(|why| ConfigError::BadValue { origin: Origin::Variable(name), why })?;
    Ok(Some(values))
}

fn settings_file(winners: &Winners, paths: &[&OsStr]) -> Option<PathBuf> {
    if let Some(named) = winners.get("config").and_then(|values| values.first()) {
        return Some(named.into());
    }
    let directory = paths.iter().map(Path::new).find(|path| path.is_dir())?;
    Some(directory.join(SETTINGS_FILE_NAME)).filter(|file| file.exists())
}

fn from_entry(
    grammar: &Command,
    file: &Path,
    entry: Entry,
) -> Result<(String, Vec<OsString>), ConfigError> {
    let Entry { line, key, value } = entry;
    let in_file = |setting: &&Arg| setting.get_long() != Some("config");
    let mut known = settings(grammar).filter(in_file);
    let Some(setting) = known.find(|setting| setting.get_long() == Some(&key)) else {
        let nearest = nearest(&key, settings(grammar).filter(in_file).map(key_of));
        return Err(ConfigError::UnknownKey { file: file.to_owned(), line, key, nearest });
    };
    let values = texts(setting, value).and_then(|texts| {
        let values: Vec<_> = texts.into_iter().map(OsString::from).collect();
        check(setting, &values).map(|()| values)
    });
    let values = values.map_err(|why| {
        let origin = Origin::Key { file: file.to_owned(), line, key: key.clone() };
        ConfigError::BadValue { origin, why }
    })?;
    let directory = file.parent().filter(|_| names_a_file(setting));
    let placed = |value: OsString| match directory {
        // Standard output and other servers are in no directory.
        Some(directory) if value != "-" && !is_url(&value.to_string_lossy()) => {
            directory.join(&value).into()
        }
        _ => value,
    };
    Ok((key, values.into_iter().map(placed).collect()))
}

fn texts(setting: &Arg, value: Written) -> Result<Vec<String>, String> {
    match value {
        Written::One(text) => Ok(vec![text]),
        Written::Many(texts) if takes_many(setting) => Ok(texts),
        Written::Many(_) => Err("expected one value, not a list".to_owned()),
        Written::Mapping => Err("expected a value, not a mapping".to_owned()),
        Written::Nothing => Err("has no value; give it one or remove the key".to_owned()),
    }
}

/// Reads the values of one setting alone, for the sake of the error.
fn check(setting: &Arg, values: &[OsString]) -> Result<(), String> {
    if values.iter().any(|value| value.is_empty()) {
        return Err("the value is empty".to_owned());
    }
    let key = key_of(setting);
    let line = values.iter().map(|value| option(&key, value));
    grammar().try_get_matches_from(line).map(drop).map_err(|error| reason(&error, values))
}

fn reason(error: &clap::Error, values: &[OsString]) -> String {
    let found = values.iter().map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(", ");
    let expected = match (std::error::Error::source(error), error.get(ContextKind::ValidValue)) {
        (Some(source), _) => source.to_string(),
        (None, Some(ContextValue::Strings(valid))) => format!("expected {}", valid.join(" or ")),
        (None, _) => error.kind().to_string(),
    };
    format!("{found:?} is not valid: {expected}")
}

fn command_line(winners: &Winners) -> impl Iterator<Item = OsString> {
    winners.iter().flat_map(|(key, values)| values.iter().map(move |value| option(key, value)))
}

fn option(key: &str, value: &OsStr) -> OsString {
    let mut option = OsString::from(format!("--{key}="));
    option.push(value);
    option
}
