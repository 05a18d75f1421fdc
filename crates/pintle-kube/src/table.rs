//! Objects as rows of a `meta.k8s.io` `Table`: what `kubectl get` prints.

use std::time::SystemTime;

use pintle_engine::Served;
use pintle_model::{Object, Timestamp};
use pintle_schema::{Column, Version};
use serde_json::{Value, json};

use crate::document::{self, View, write_object, write_partial};
use crate::read::Include;

/// A table that is being filled.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    served: &'a Served,
    version: &'a Version,
    /// Of `meta.k8s.io`.
    table_version: &'static str,
    include: Include,
    rows: String,
}

impl<'a> Table<'a> {
    pub(crate) const fn new(
        served: &'a Served,
        version: &'a Version,
        table_version: &'static str,
        include: Include,
    ) -> Self {
        Self { served, version, table_version, include, rows: String::new() }
    }

    /// Adds the row of one object.
    pub(crate) fn add(&mut self, object: &Object, view: View) {
        if !self.rows.is_empty() {
            self.rows.push(',');
        }
        let kind = &self.served.definition.kind;
        let tree = document::tree(kind, self.version, object, view);
        self.rows.push_str(r#"{"cells":"#);
        self.rows.push_str(&Value::Array(self.cells(object, &tree)).to_string());
        match self.include {
            Include::None => {}
            Include::Metadata => {
                self.rows.push_str(r#","object":"#);
                write_partial(&mut self.rows, self.table_version, object);
            }
            Include::Object => {
                self.rows.push_str(r#","object":"#);
                write_object(&mut self.rows, kind, self.version, object, view);
            }
        }
        self.rows.push('}');
    }

    fn cells(&self, object: &Object, tree: &Value) -> Vec<Value> {
        let name = Value::from(object.metadata.name.as_str());
        let now = now();
        let declared = self.version.columns.iter().map(|column| cell(column, tree, now));
        let mut cells: Vec<Value> = std::iter::once(name).chain(declared).collect();
        if self.version.columns.is_empty() {
            cells.push(Value::from(age(object.metadata.creation_timestamp, now)));
        }
        cells
    }

    /// The whole table, with the metadata of the list. Events of a watch name the columns once.
    pub(crate) fn finish(&self, metadata: &Value, with_columns: bool) -> String {
        let columns = if with_columns { self.columns() } else { Value::Null };
        format!(
            r#"{{"kind":"Table","apiVersion":"meta.k8s.io/{}","metadata":{metadata},"columnDefinitions":{columns},"rows":[{}]}}"#,
            self.table_version, self.rows
        )
    }

    fn columns(&self) -> Value {
        let definition = |name: &str, kind: &str, format: &str, what: &str, priority: i32| {
            json!({
                "name": name,
                "type": kind,
                "format": format,
                "description": what,
                "priority": priority,
            })
        };
        let mut columns =
            vec![definition("Name", "string", "name", "The name, unique in its namespace.", 0)];
        columns.extend(self.version.columns.iter().map(|it| {
            definition(&it.name, &it.column_type, &it.format, &it.description, it.priority)
        }));
        if self.version.columns.is_empty() {
            columns.push(definition("Age", "date", "", "How long ago it was made.", 0));
        }
        Value::Array(columns)
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The value of a column, as the type of the column shows it; null where there is none.
fn cell(column: &Column, tree: &Value, now: Timestamp) -> Value {
    let Some(value) = column.path.first(tree) else { return Value::Null };
    match (&*column.column_type, &*value) {
        (_, Value::Null) => Value::Null,
        ("integer" | "number", Value::Number(_)) | ("boolean", Value::Bool(_)) => {
            value.into_owned()
        }
        ("date", Value::String(text)) => match Timestamp::parse(text) {
            Some(time) => Value::from(age(time, now)),
            None => Value::from("<invalid>"),
        },
        ("string", Value::String(_)) => value.into_owned(),
        ("string", other) => Value::from(other.to_string()),
        _ => Value::Null,
    }
}

/// How long ago something was, as upstream's `HumanDuration` says it.
fn age(time: Timestamp, now: Timestamp) -> String {
    let seconds = (now.0 - time.0).div_euclid(1_000_000);
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let seconds = seconds.max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let two = |large: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{small_unit}"),
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(days, "d", hours % 24, "h"),
        () if years < 2 => format!("{days}d"),
        () if years < 8 => two(years, "y", days % 365, "d"),
        () => format!("{years}y"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_kubectl_prints_them() {
        let cases = [
            (-5, "<invalid>"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (150, "2m30s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (12_000, "3h20m"),
            (28_800, "8h"),
            (172_800, "2d"),
            (180_000, "2d2h"),
            (691_200, "8d"),
            (63_072_000, "2y"),
            (70_000_000, "2y80d"),
            (300_000_000, "9y"),
        ];
        for (seconds, expected) in cases {
            let now = Timestamp(1_000_000_000_000_000);
            let time = Timestamp(now.0 - seconds * 1_000_000);
            assert_eq!(age(time, now), expected, "{seconds}");
        }
    }
}
