//! What the parameters of a request say together: of lists and watches, of writes, of deletes. The
//! rules are those of upstream's `ValidateListOptions` and its kin.

use pintle_model::{FieldError, FieldErrorKind, FieldSelector, LabelSelector, Revision};
use pintle_rules::{DeleteOptions, FieldValidation, Precondition, Propagation};
use serde_json::{Map, Value};

use crate::query::Query;
use crate::reply::Failure;
use crate::status::Status;

/// Which objects, and as of when.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListOptions {
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
    pub(crate) limit: Option<usize>,
    pub(crate) token: Option<String>,
    /// Nothing when it is empty.
    pub(crate) version: Option<Revision>,
    pub(crate) matches: Option<Match>,
    pub(crate) initial_events: Option<bool>,
    pub(crate) bookmarks: bool,
    pub(crate) timeout_seconds: Option<u64>,
}

/// `resourceVersionMatch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    Exact,
    NotOlderThan,
}

impl ListOptions {
    /// Reads and checks what a list or a watch is asked with.
    pub(crate) fn of(query: &Query, watches: bool) -> Result<Self, Failure> {
        let selector = |name| query.first(name).unwrap_or_default();
        let limit = query.number("limit")?.filter(|limit| *limit > 0);
        let version = query.text("resourceVersion").map(revision).transpose()?;
        let options = Self {
            labels: LabelSelector::parse(selector("labelSelector"))?,
            fields: FieldSelector::parse(selector("fieldSelector"))?,
            limit: limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            token: query.text("continue").map(str::to_owned),
            version,
            matches: None,
            initial_events: query.flag("sendInitialEvents")?,
            bookmarks: query.flag("allowWatchBookmarks")?.unwrap_or(false),
            timeout_seconds: query.number("timeoutSeconds")?.filter(|seconds| *seconds > 0),
        };
        let given = query.text("resourceVersionMatch");
        let faults = if watches { options.watch_faults(given) } else { options.list_faults(given) };
        if !faults.is_empty() {
            return Err(Failure::invalid_options("ListOptions", &faults));
        }
        let matches = match given {
            Some("Exact") => Some(Match::Exact),
            Some(_) => Some(Match::NotOlderThan),
            None => None,
        };
        Ok(Self { matches, ..options })
    }

    fn list_faults(&self, matches: Option<&str>) -> Vec<FieldError> {
        let mut faults = Vec::new();
        if self.initial_events.is_some() {
            let why = "sendInitialEvents is forbidden for list";
            faults.push(FieldError::forbidden("sendInitialEvents", why));
        }
        let Some(given) = matches else { return faults };
        let mut forbidden =
            |why: &str| faults.push(FieldError::forbidden("resourceVersionMatch", why));
        if self.version.is_none() {
            forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if self.token.is_some() {
            forbidden("resourceVersionMatch is forbidden when continue is provided");
        }
        if given == "Exact" && self.version == Some(Revision::ZERO) {
            forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
        if !matches!(given, "Exact" | "NotOlderThan") {
            faults.push(unsupported("resourceVersionMatch", given, &["Exact", "NotOlderThan"]));
        }
        faults
    }

    fn watch_faults(&self, matches: Option<&str>) -> Vec<FieldError> {
        let field = "resourceVersionMatch";
        match (self.initial_events, matches) {
            (None, None) | (Some(_), Some("NotOlderThan")) => Vec::new(),
            (None, Some(_)) => {
                let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is \
                           provided";
                vec![FieldError::forbidden(field, why)]
            }
            (Some(_), None) => {
                let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
                vec![FieldError::forbidden(field, why)]
            }
            (Some(_), Some(other)) => vec![unsupported(field, other, &["NotOlderThan"])],
        }
    }
}

/// A version in a parameter.
pub(crate) fn revision(text: &str) -> Result<Revision, Failure> {
    Revision::parse(text)
        .map_err(|_| Status::bad_request(format!("resourceVersion: Invalid value: {text:?}")))
        .map_err(Failure::told)
}

fn unsupported(field: &str, given: &str, supported: &[&str]) -> FieldError {
    let listed: Vec<String> = supported.iter().map(|it| format!("{it:?}")).collect();
    let detail = format!("supported values: {}", listed.join(", "));
    FieldError::with_value(field, FieldErrorKind::NotSupported, &Value::from(given), detail)
}

/// How a write is to be carried out.
#[derive(Debug, Clone, Default)]
pub(crate) struct WriteOptions {
    pub(crate) dry_run: bool,
    pub(crate) validation: FieldValidation,
    pub(crate) manager: Option<String>,
}

/// The longest name of a field manager.
const MANAGER_CHARS_MAX: usize = 128;

impl WriteOptions {
    /// Reads and checks what a write is asked with: `CreateOptions`, `UpdateOptions`,
    /// `PatchOptions`.
    pub(crate) fn of(query: &Query, kind: &str) -> Result<Self, Failure> {
        let mut faults = Vec::new();
        let dry_run = dry_run(query.all("dryRun"), &mut faults);
        let validation = match query.text("fieldValidation") {
            None | Some("Warn") => FieldValidation::Warn,
            Some("Ignore") => FieldValidation::Ignore,
            Some("Strict") => FieldValidation::Strict,
            Some(other) => {
                let known = ["Ignore", "Warn", "Strict"];
                faults.push(unsupported("fieldValidation", other, &known));
                FieldValidation::Warn
            }
        };
        let manager = query.text("fieldManager");
        if let Some(manager) = manager
            && (manager.chars().count() > MANAGER_CHARS_MAX
                || manager.chars().any(char::is_control))
        {
            let why = format!("must be printable, and at most {MANAGER_CHARS_MAX} characters");
            faults.push(FieldError::invalid("fieldManager", &Value::from("…"), why));
        }
        if query.text("force").is_some() {
            faults.push(FieldError::forbidden("force", "may not be specified for non-apply patch"));
        }
        if !faults.is_empty() {
            return Err(Failure::invalid_options(kind, &faults));
        }
        Ok(Self { dry_run, validation, manager: manager.map(str::to_owned) })
    }
}

fn dry_run<T: AsRef<str>>(values: impl Iterator<Item = T>, faults: &mut Vec<FieldError>) -> bool {
    let mut dry = false;
    for value in values {
        match value.as_ref() {
            "All" => dry = true,
            other => faults.push(unsupported("dryRun", other, &["All"])),
        }
    }
    dry
}

/// How something is to be deleted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deletion {
    pub(crate) options: DeleteOptions,
    pub(crate) precondition: Precondition,
    pub(crate) dry_run: bool,
}

impl Deletion {
    /// Reads `DeleteOptions`: from the body, or where there is none, from the parameters. The group
    /// is that of what is deleted.
    pub(crate) fn of(query: &Query, body: Option<&Value>, group: &str) -> Result<Self, Failure> {
        let empty = Map::new();
        let given = match body {
            None => &empty,
            Some(Value::Object(fields)) => fields,
            Some(_) => return Err(Failure::bad_request("the body must be DeleteOptions")),
        };
        check_is_deletion(given, group)?;
        let mut faults = Vec::new();
        let text = |name: &str| given.get(name).and_then(Value::as_str);
        let flags = given.get("dryRun").and_then(Value::as_array).into_iter().flatten();
        let in_body = dry_run(flags.map(|it| it.as_str().unwrap_or("?")), &mut faults);
        let dry = in_body || (body.is_none() && dry_run(query.all("dryRun"), &mut faults));
        let policy = text("propagationPolicy")
            .or_else(|| query.text("propagationPolicy").filter(|_| body.is_none()));
        let orphans = given.get("orphanDependents").and_then(Value::as_bool);
        let propagation = match (policy.filter(|it| !it.is_empty()), orphans) {
            (Some(_), Some(_)) => {
                let why = "orphanDependents and deletionPropagation cannot be both set";
                let value = Value::from(policy.unwrap_or_default());
                faults.push(FieldError::invalid("propagationPolicy", &value, why));
                Propagation::default()
            }
            (Some("Background"), None) | (None, Some(false)) => Propagation::Background,
            (Some("Foreground"), None) => Propagation::Foreground,
            (Some("Orphan"), None) | (None, Some(true)) => Propagation::Orphan,
            (Some(other), None) => {
                let known = ["Foreground", "Background", "Orphan"];
                faults.push(unsupported("propagationPolicy", other, &known));
                Propagation::default()
            }
            (None, None) => Propagation::default(),
        };
        if !faults.is_empty() {
            return Err(Failure::invalid_options("DeleteOptions", &faults));
        }
        let precondition = match given.get("preconditions") {
            Some(Value::Object(wanted)) => preconditions(wanted)?,
            _ => Precondition::default(),
        };
        let options = DeleteOptions { propagation, ..DeleteOptions::default() };
        Ok(Self { options, precondition, dry_run: dry })
    }
}

/// Options may be those of any version of the group of what is deleted, as old clients send them,
/// and say nothing of it at all.
fn check_is_deletion(given: &Map<String, Value>, group: &str) -> Result<(), Failure> {
    let text = |field: &str| match given.get(field) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(Failure::bad_request(format!("{field} must be a string"))),
    };
    let (kind, version) = (text("kind")?, text("apiVersion")?);
    let of = version.split_once('/').map_or("", |(group, _)| group);
    let known = matches!(kind, "" | "DeleteOptions")
        && (matches!(version, "" | "v1") || of == "meta.k8s.io" || (!of.is_empty() && of == group));
    if known {
        return Ok(());
    }
    let shown = |text: &str| text.chars().take(128).collect::<String>();
    let (kind, version) = (shown(kind), shown(version));
    Err(Failure::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a DeleteOptions"
    )))
}

fn preconditions(wanted: &Map<String, Value>) -> Result<Precondition, Failure> {
    let text = |name: &str| wanted.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
    Ok(Precondition {
        revision: text("resourceVersion").map(revision).transpose()?,
        uid: text("uid").map(Into::into),
        ..Precondition::default()
    })
}
