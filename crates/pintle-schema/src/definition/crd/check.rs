//! The checks of a declaration that a schema cannot make.

use std::collections::HashSet;
use std::sync::Arc;

use pintle_model::{FieldError, FieldErrorKind, FieldPath, NameRule, validate_name};
use serde_json::Value;

use super::{ColumnSpec, Names, Reader, ScaleSpec, Spec, VersionSpec, list_kind, singular};
use crate::Schema;

const SELECTABLE_MAX: usize = 8;
const DEPRECATION_WARNING_BYTES_MAX: usize = 256;
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] =
    ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

const DNS_1035_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters \
     or '-', start with an alphabetic character, and end with an alphanumeric character";

impl Reader {
    pub(super) fn check_names(&mut self, name: &str, spec: &Spec) {
        let root = FieldPath::ROOT.field("spec");
        let metadata = FieldPath::ROOT.field("metadata");
        if name != format!("{}.{}", spec.names.plural, spec.group) {
            let detail = "must be spec.names.plural+\".\"+spec.group";
            self.invalid(metadata.field("name"), name, detail);
        }
        self.check_group(root.field("group"), &spec.group);
        self.check_kind_names(root.field("names"), &spec.names);
    }

    fn check_group(&mut self, path: FieldPath<'_>, group: &str) {
        if group.is_empty() {
            self.push(FieldError::required(path, ""));
        } else if let Err(fault) = validate_name(path, group, NameRule::Subdomain) {
            self.push(fault);
        } else if !group.contains('.') {
            self.invalid(path, group, "should be a domain with at least one dot");
        }
    }

    fn check_kind_names(&mut self, path: FieldPath<'_>, names: &Names) {
        let list_kind = list_kind(names);
        self.check_label(path.field("plural"), &names.plural);
        self.check_label(path.field("singular"), &singular(names));
        for (field, name) in [("kind", &names.kind), ("listKind", &list_kind)] {
            if !is_dns_1035_label(&name.to_lowercase()) {
                let detail =
                    format!("may have mixed case, but should otherwise match: {DNS_1035_LABEL}");
                self.invalid(path.field(field), name, detail);
            }
        }
        if names.kind == list_kind {
            let detail = "kind and listKind may not be the same";
            self.invalid(path.field("listKind"), &list_kind, detail);
        }
        for (field, list) in [("shortNames", &names.short_names), ("categories", &names.categories)]
        {
            let path = path.field(field);
            for (index, name) in list.iter().flatten().enumerate() {
                self.check_label(path.index(index), name);
            }
        }
    }

    fn check_label(&mut self, path: FieldPath<'_>, name: &str) {
        if name.is_empty() {
            self.push(FieldError::required(path, ""));
        } else if !is_dns_1035_label(name) {
            self.invalid(path, name, DNS_1035_LABEL);
        }
    }

    pub(super) fn check_versions(&mut self, spec: &Spec) {
        let root = FieldPath::ROOT.field("spec");
        let path = root.field("versions");
        let mut names = HashSet::new();
        for (index, version) in spec.versions.iter().enumerate() {
            let path = path.index(index);
            if !names.insert(&version.name) {
                let detail = "must contain unique version names";
                self.invalid(path.field("name"), &version.name, detail);
            }
            self.check_version(path, version);
        }
        if spec.versions.iter().filter(|version| version.storage).count() != 1 {
            let detail = "must have exactly one version marked as storage version";
            self.push(FieldError::new(path, FieldErrorKind::Invalid, detail));
        }
    }

    fn check_version(&mut self, path: FieldPath<'_>, version: &VersionSpec) {
        self.check_label(path.field("name"), &version.name);
        self.check_deprecation(path.field("deprecationWarning"), version);
        let columns = path.field("additionalPrinterColumns");
        for (index, column) in version.additional_printer_columns.iter().flatten().enumerate() {
            self.check_column(columns.index(index), column);
        }
        if let Some(scale) = version.subresources.as_ref().and_then(|sub| sub.scale.as_ref()) {
            let path = path.field("subresources");
            self.check_scale(path.field("scale"), scale);
        }
        let selectable = version.selectable_fields.as_ref().map_or(0, Vec::len);
        if selectable > SELECTABLE_MAX {
            self.push(FieldError::with_value(
                path.field("selectableFields"),
                FieldErrorKind::TooMany,
                &Value::from(selectable),
                format!("must have at most {SELECTABLE_MAX} items"),
            ));
        }
    }

    fn check_deprecation(&mut self, path: FieldPath<'_>, version: &VersionSpec) {
        let Some(warning) = &version.deprecation_warning else { return };
        if version.deprecated != Some(true) {
            self.invalid(path, warning, "can only be set for deprecated versions");
        }
        if !(1..=DEPRECATION_WARNING_BYTES_MAX).contains(&warning.len()) {
            let detail = format!("must be 1 to {DEPRECATION_WARNING_BYTES_MAX} bytes long");
            self.invalid(path, warning, detail);
        }
        if warning.contains(char::is_control) {
            self.invalid(path, warning, "must not contain control characters");
        }
    }

    fn check_column(&mut self, path: FieldPath<'_>, column: &ColumnSpec) {
        if column.name.is_empty() {
            self.push(FieldError::required(path.field("name"), ""));
        }
        self.check_one_of(path.field("type"), &column.column_type, &COLUMN_TYPES);
        if let Some(format) = column.format.as_deref().filter(|format| !format.is_empty()) {
            self.check_one_of(path.field("format"), format, &COLUMN_FORMATS);
        }
        self.check_simple_path(path.field("jsonPath"), &column.json_path, &[]);
    }

    fn check_scale(&mut self, path: FieldPath<'_>, scale: &ScaleSpec) {
        let paths = [
            ("specReplicasPath", Some(&scale.spec_replicas_path), &["spec"] as &[_]),
            ("statusReplicasPath", Some(&scale.status_replicas_path), &["status"]),
            ("labelSelectorPath", scale.label_selector_path.as_ref(), &["spec", "status"]),
        ];
        for (field, json_path, tops) in paths {
            if let Some(json_path) = json_path {
                self.check_simple_path(path.field(field), json_path, tops);
            }
        }
    }

    /// `tops` are the top-level fields that the path may go into; none means any.
    fn check_simple_path(&mut self, path: FieldPath<'_>, json_path: &str, tops: &[&str]) {
        if json_path.is_empty() {
            return self.push(FieldError::required(path, ""));
        }
        let Some(rest) = json_path.strip_prefix('.') else {
            return self.invalid(path, json_path, "must be a simple json path starting with .");
        };
        let fits = rest.split_once('.').is_some_and(|(top, rest)| {
            tops.contains(&top) && rest.split('.').all(|part| !part.is_empty())
        });
        if !tops.is_empty() && !fits {
            let tops: Vec<_> = tops.iter().map(|top| format!(".{top}")).collect();
            let detail = format!("should be a json path under {}", tops.join(" or "));
            self.invalid(path, json_path, detail);
        }
    }

    fn check_one_of(&mut self, path: FieldPath<'_>, found: &str, supported: &[&str]) {
        if found.is_empty() {
            return self.push(FieldError::required(path, ""));
        }
        if !supported.contains(&found) {
            let supported: Vec<_> = supported.iter().map(|text| format!("{text:?}")).collect();
            let detail = format!("supported values: {}", supported.join(", "));
            let kind = FieldErrorKind::NotSupported;
            self.push(FieldError::with_value(path, kind, &Value::from(found), detail));
        }
    }

    pub(super) fn check_conversion(&mut self, spec: &Spec) {
        let root = FieldPath::ROOT.field("spec");
        if spec.preserve_unknown_fields == Some(true) {
            self.push(FieldError::invalid(
                root.field("preserveUnknownFields"),
                &Value::Bool(true),
                "must be false; set x-kubernetes-preserve-unknown-fields in the schema instead",
            ));
        }
        let Some(conversion) = &spec.conversion else { return };
        let path = root.field("conversion");
        self.check_one_of(path.field("strategy"), &conversion.strategy, &["None", "Webhook"]);
        let webhook_path = path.field("webhook");
        match (&*conversion.strategy, &conversion.webhook) {
            ("Webhook", None) => {
                let detail = "required when strategy is set to Webhook";
                self.push(FieldError::required(webhook_path.field("clientConfig"), detail));
            }
            ("Webhook", Some(webhook)) => {
                if webhook.client_config.is_none() {
                    let detail = "required when strategy is set to Webhook";
                    self.push(FieldError::required(webhook_path.field("clientConfig"), detail));
                }
                if webhook.conversion_review_versions.is_empty() {
                    let path = webhook_path.field("conversionReviewVersions");
                    self.push(FieldError::required(path, ""));
                }
            }
            (_, Some(_)) => {
                let detail = "should not be set when strategy is not set to Webhook";
                self.push(FieldError::forbidden(webhook_path, detail));
            }
            (_, None) => {}
        }
    }
}

/// The parts of a selectable field's path, when it leads to a scalar that the schema declares.
pub(super) fn selectable_segments(
    json_path: &str,
    schema: &Schema,
) -> Result<Vec<Arc<str>>, &'static str> {
    let rest = json_path.strip_prefix('.').ok_or("must be a simple json path starting with .")?;
    let segments: Vec<Arc<str>> = rest.split('.').map(Into::into).collect();
    if matches!(segments.first().map(|top| &**top), Some("metadata" | "apiVersion" | "kind")) {
        return Err("must not point to apiVersion, kind or metadata");
    }
    let target = segments.iter().try_fold(schema, |schema, segment| schema.property(segment));
    if target.is_some_and(Schema::is_selectable) {
        Ok(segments)
    } else {
        Err("must point to a declared field of type string, boolean or integer, without list items")
    }
}

fn is_dns_1035_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().last().is_some_and(plain)
        && text.bytes().all(|byte| plain(byte) || byte == b'-')
}
