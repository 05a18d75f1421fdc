//! The part of Kubernetes' JSON path language that printer columns are written in.
//!
//! A path leads to the values below it: `.spec.ports[0].name`, `.metadata.labels['a.b/c']`,
//! `.status.conditions[?(@.type=="Ready")].status`, `.spec.items[*].name`. Recursive descent,
//! ranges and unions are no part of it: a column with such a path is empty.

use std::borrow::Cow;

use serde_json::Value;

/// A path, read once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonPath {
    steps: Vec<Step>,
    /// Something else that is made of values.
    made: Option<Box<Made>>,
}

/// What only built-in kinds show.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Made {
    /// How many entries there are at these paths together.
    Count(Vec<JsonPath>),
    /// Of two maps with the same keys, each entry as `key: one/other`; those alone whose keys begin
    /// (or do not begin) with this text.
    Shares { of: [JsonPath; 2], prefix: String, begins: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    /// From the end when it is negative.
    Index(i64),
    All,
    /// Those whose value at a path is (or is not) this text.
    Filter {
        path: JsonPath,
        equal: bool,
        value: String,
    },
}

/// Brackets nest at most so deep.
const DEPTH_MAX: usize = 4;

impl JsonPath {
    /// Reads a path; nothing when it is not of the language.
    ///
    /// Built-in kinds have more forms, which no declared kind can use: `count(.data,.binaryData)`,
    /// and `shares(.status.used,.status.hard,limits.)`, with `!limits.` for all others.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_at(text.trim(), DEPTH_MAX)
    }

    pub(crate) fn parse_built_in(text: &str) -> Option<Self> {
        let inside = |name| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        let made = if let Some(listed) = inside("count") {
            Made::Count(listed.split(',').map(Self::parse).collect::<Option<_>>()?)
        } else if let Some(listed) = inside("shares") {
            let mut listed = listed.splitn(3, ',');
            let of = [Self::parse(listed.next()?)?, Self::parse(listed.next()?)?];
            let prefix = listed.next()?;
            let others = prefix.strip_prefix('!');
            let begins = others.is_none();
            Made::Shares { of, prefix: others.unwrap_or(prefix).to_owned(), begins }
        } else {
            return Self::parse(text);
        };
        Some(Self { steps: Vec::new(), made: Some(Box::new(made)) })
    }

    /// The path that leads nowhere.
    pub(crate) fn nowhere() -> Self {
        Self { steps: vec![Step::All, Step::Field(String::new())], made: None }
    }

    fn parse_at(text: &str, depth: usize) -> Option<Self> {
        let text = text.strip_prefix('{').and_then(|it| it.strip_suffix('}')).unwrap_or(text);
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = match rest.strip_prefix('[') {
                Some(inside) => bracket(inside, depth)?,
                None => field(rest)?,
            };
            steps.extend(step);
            rest = after;
        }
        Some(Self { steps, made: None })
    }

    /// The first value that it leads to.
    pub fn first<'v>(&self, root: &'v Value) -> Option<Cow<'v, Value>> {
        match &self.made {
            None => find(&self.steps, root).map(Cow::Borrowed),
            Some(made) => Some(Cow::Owned(made.of(root))),
        }
    }
}

impl Made {
    fn of(&self, root: &Value) -> Value {
        match self {
            Self::Count(paths) => {
                let entries = |path: &JsonPath| match find(&path.steps, root) {
                    Some(Value::Object(fields)) => fields.len(),
                    Some(Value::Array(items)) => items.len(),
                    _ => 0,
                };
                Value::from(paths.iter().map(entries).sum::<usize>())
            }
            Self::Shares { of: [one, other], prefix, begins } => {
                let one = find(&one.steps, root);
                let other = find(&other.steps, root).and_then(Value::as_object);
                let shown = other.into_iter().flatten();
                let shown = shown.filter(|(key, _)| key.starts_with(prefix) == *begins);
                let share = |(key, other): (&String, &Value)| {
                    let one =
                        one.and_then(|it| it.get(key)).map_or_else(|| "0".to_owned(), text_of);
                    format!("{key}: {one}/{}", text_of(other))
                };
                Value::from(shown.map(share).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn find<'v>(steps: &[Step], value: &'v Value) -> Option<&'v Value> {
    let Some((step, rest)) = steps.split_first() else { return Some(value) };
    match step {
        Step::Field(name) => find(rest, value.get(name)?),
        Step::Index(index) => {
            let items = value.as_array()?;
            let length = i64::try_from(items.len()).ok()?;
            let index = if *index < 0 { length + index } else { *index };
            find(rest, items.get(usize::try_from(index).ok()?)?)
        }
        Step::All => children(value)?.into_iter().find_map(|child| find(rest, child)),
        Step::Filter { path, equal, value: wanted } => {
            let holds = |child: &&Value| {
                let found = find(&path.steps, child);
                found.is_some_and(|found| (text_of(found) == *wanted) == *equal)
            };
            children(value)?.into_iter().filter(holds).find_map(|child| find(rest, child))
        }
    }
}

fn children(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Array(items) => Some(items.iter().collect()),
        Value::Object(fields) => Some(fields.values().collect()),
        _ => None,
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `.name`, with `\.` for a dot in the name; `.` alone is no step.
fn field(text: &str) -> Option<(Option<Step>, &str)> {
    let text = text.strip_prefix('.').unwrap_or(text);
    let mut name = String::new();
    let mut letters = text.char_indices();
    let mut end = text.len();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => name.push(letters.next()?.1),
            '.' | '[' => {
                end = at;
                break;
            }
            other => name.push(other),
        }
    }
    let rest = text.get(end..)?;
    match &*name {
        "" if rest.starts_with('.') => None,
        "" => Some((None, rest)),
        "*" => Some((Some(Step::All), rest)),
        _ => Some((Some(Step::Field(name)), rest)),
    }
}

/// What stands in brackets, and what follows them.
fn bracket(text: &str, depth: usize) -> Option<(Option<Step>, &str)> {
    let depth = depth.checked_sub(1)?;
    let (inside, rest) = closing(text)?;
    let inside = inside.trim();
    let step = if let Some(name) = quoted(inside) {
        Step::Field(name)
    } else if let Some(condition) = inside.strip_prefix("?(").and_then(|it| it.strip_suffix(')')) {
        filter(condition.trim(), depth)?
    } else if inside == "*" {
        Step::All
    } else {
        Step::Index(inside.parse().ok()?)
    };
    Some((Some(step), rest))
}

fn filter(condition: &str, depth: usize) -> Option<Step> {
    let found = condition.split_once("==").map(|(path, value)| (path, value, true));
    let unequal = || condition.split_once("!=").map(|(path, value)| (path, value, false));
    let (path, value, equal) = found.or_else(unequal)?;
    let path = JsonPath::parse_at(path.trim().strip_prefix('@')?, depth)?;
    let value = value.trim();
    Some(Step::Filter { path, equal, value: quoted(value).unwrap_or_else(|| value.to_owned()) })
}

/// The text up to the bracket that closes, which is not one inside quotes.
fn closing(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let mut open = 0_usize;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(mark), letter) if letter == mark => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, '[') => open += 1,
            (None, ']') if open == 0 => return Some((text.get(..at)?, text.get(at + 1..)?)),
            (None, ']') => open -= 1,
            (Some(_) | None, _) => {}
        }
    }
    None
}

fn quoted(text: &str) -> Option<String> {
    ['"', '\''].into_iter().find_map(|mark| {
        let inside = text.strip_prefix(mark)?.strip_suffix(mark)?;
        Some(inside.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_lead_to_values() {
        let value = json!({
            "spec": {"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}], "a.b": 3},
            "metadata": {"labels": {"x.y/z": "w"}},
            "status": {"conditions": [
                {"type": "Done", "status": "False"},
                {"type": "Ready", "status": "True"},
            ]},
        });
        let cases = [
            (".spec.ports[1].name", json!("b")),
            (".spec.ports[-1].name", json!("b")),
            (".spec.ports[*].port", json!(1)),
            ("{.spec.ports[0].port}", json!(1)),
            ("$.spec.ports[0].port", json!(1)),
            (r".spec.a\.b", json!(3)),
            (".metadata.labels['x.y/z']", json!("w")),
            (r#".status.conditions[?(@.type=="Ready")].status"#, json!("True")),
            (".status.conditions[?(@.type == 'Done')].status", json!("False")),
            (".status.conditions[?(@.type!='Done')].status", json!("True")),
        ];
        for (path, expected) in cases {
            let parsed = JsonPath::parse(path).unwrap();
            assert_eq!(parsed.first(&value).as_deref(), Some(&expected), "{path}");
        }
        for path in [".spec.none", ".spec.ports[7]", ".status.conditions[?(@.type=='No')].status"] {
            assert_eq!(JsonPath::parse(path).unwrap().first(&value), None, "{path}");
        }
        let count = JsonPath::parse_built_in("count(.spec.ports,.none,.metadata.labels)").unwrap();
        assert_eq!(count.first(&value).as_deref(), Some(&json!(3)));
    }

    #[test]
    fn shares_are_told_entry_by_entry() {
        let value = json!({"used": {"count/a.b": "3", "limits.cpu": 2, "more": "1"},
                           "hard": {"count/a.b": "5", "limits.cpu": "4", "cpu": "1"}});
        let cases = [
            ("shares(.used,.hard,limits.)", "limits.cpu: 2/4"),
            ("shares(.used,.hard,!limits.)", "count/a.b: 3/5, cpu: 0/1"),
            ("shares(.none,.hard,c)", "count/a.b: 0/5, cpu: 0/1"),
            ("shares(.used,.none,c)", ""),
        ];
        for (path, expected) in cases {
            let parsed = JsonPath::parse_built_in(path).unwrap();
            assert_eq!(parsed.first(&value).as_deref(), Some(&json!(expected)), "{path}");
        }
        assert_eq!(JsonPath::parse_built_in("shares(.used,.hard)"), None);
    }

    #[test]
    fn what_is_no_path_is_not_read() {
        for path in ["..a", ".a[", ".a[x]", ".a[?(@.b)]", ".a[[[[[0]]]]]", ".a[1:2]"] {
            assert_eq!(JsonPath::parse(path), None, "{path}");
        }
    }
}
