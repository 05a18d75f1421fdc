//! What somebody may do, as a table: the columns are those of `kubectl auth can-i --list`.

use std::fmt::Write as _;

use serde_json::Value;

const COLUMNS: [&str; 4] = ["Resources", "Non-Resource URLs", "Resource Names", "Verbs"];

/// The status of a `SelfSubjectRulesReview` as a table.
pub(super) fn table(status: &Value) -> String {
    let rules = |field: &str| status.get(field).and_then(Value::as_array).into_iter().flatten();
    let mut rows: Vec<[String; 4]> = rules("resourceRules").flat_map(of_resources).collect();
    rows.sort();
    rows.extend(rules("nonResourceRules").map(|rule| {
        [String::new(), list(rule, "nonResourceURLs"), "[]".to_owned(), list(rule, "verbs")]
    }));
    let rows: Vec<_> = std::iter::once(COLUMNS.map(str::to_owned)).chain(rows).collect();
    let widths = [0, 1, 2].map(|column| width(&rows, column));
    let mut out = String::new();
    for [resources, paths, names, verbs] in &rows {
        let [first, second, third] = widths;
        writeln!(out, "{resources:first$}   {paths:second$}   {names:third$}   {verbs}")
            .expect("text grows in memory");
    }
    if let Some(error) = status.get("evaluationError").and_then(Value::as_str) {
        writeln!(out, "(incomplete: {error})").expect("text grows in memory");
    }
    out.trim_end().to_owned()
}

/// One row for each resource of a rule, as `devices.infra.example.io/status`.
fn of_resources(rule: &Value) -> Vec<[String; 4]> {
    let (groups, resources) = (texts(rule, "apiGroups"), texts(rule, "resources"));
    let pairs = groups.iter().flat_map(|group| resources.iter().map(move |name| (*group, *name)));
    let row = |(group, name)| {
        [qualified(group, name), "[]".to_owned(), list(rule, "resourceNames"), list(rule, "verbs")]
    };
    pairs.map(row).collect()
}

fn qualified(group: &str, name: &str) -> String {
    let (plural, part) = name.split_once('/').map_or((name, None), |(it, part)| (it, Some(part)));
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    let part = part.map(|part| format!("/{part}")).unwrap_or_default();
    format!("{plural}{group}{part}")
}

fn texts<'r>(rule: &'r Value, field: &str) -> Vec<&'r str> {
    let list = rule.get(field).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn list(rule: &Value, field: &str) -> String {
    format!("[{}]", texts(rule, field).join(" "))
}

fn width(rows: &[[String; 4]], column: usize) -> usize {
    let widths = rows.iter().filter_map(|row| row.get(column)).map(String::len);
    widths.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rights_are_listed_as_kubectl_lists_them() {
        let status = json!({
            "resourceRules": [
                {"verbs": ["get", "list"], "apiGroups": ["infra.example.io"],
                 "resources": ["devices", "devices/status"]},
                {"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"],
                 "resourceNames": ["one"]},
            ],
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/docs", "/version"]}],
        });
        let expected = "\
Resources                         Non-Resource URLs   Resource Names   Verbs
configmaps                        []                  [one]            [get]
devices.infra.example.io          []                  []               [get list]
devices.infra.example.io/status   []                  []               [get list]
                                  [/docs /version]    []               [get]";
        assert_eq!(table(&status), expected);
    }
}
