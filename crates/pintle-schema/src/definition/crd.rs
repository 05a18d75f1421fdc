//! From a `CustomResourceDefinition` to a definition.
//!
//! The shape of the document is checked by the schema that `CustomResourceDefinition` itself has;
//! what a schema cannot say is checked here. The rules are those of apiextensions-apiserver's
//! `apis/apiextensions/validation`. What the annotations must say is in [`super::approval`].

mod check;

use std::collections::HashSet;
use std::sync::Arc;

use pintle_model::{FieldError, FieldErrorKind, FieldPath, Json, Kind, NameRule, Scope};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Column, Definition, Scale, SelectableField, Version};
use crate::core_kinds::declaration_schema;
use crate::faults::Faults;
use crate::schema::Compiler;
use crate::{Habits, JsonPath};

/// Reads and checks a declaration.
pub(super) fn read(name: &str, body: &Map<String, Value>) -> Result<Definition, Vec<FieldError>> {
    let faults = declaration_schema().validate_fields(body, &["status"]);
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut reader = Reader::new();
    let document = body.get("spec").unwrap_or(&Value::Null);
    let spec = parse(document)?;
    reader.check_names(name, &spec);
    reader.check_versions(&spec);
    reader.check_conversion(&spec);
    reader.definition(&spec, document)
}

/// Fills in the names that are left out.
pub(super) fn complete(body: &mut Map<String, Value>) {
    let names = body.get_mut("spec").and_then(|spec| spec.get_mut("names"));
    let Some(Value::Object(names)) = names else { return };
    let Some(kind) = names.get("kind").and_then(Value::as_str).map(str::to_owned) else { return };
    let absent = |value: Option<&Value>| value.is_none_or(|it| it.is_null() || *it == *"");
    for (field, text) in [("singular", kind.to_lowercase()), ("listKind", format!("{kind}List"))] {
        if absent(names.get(field)) {
            names.insert(field.to_owned(), Value::String(text));
        }
    }
}

/// Reads an embedded declaration. Its group may be the core group, and its own kind may be the one
/// that `read` needs.
pub(crate) fn read_core(body: &Map<String, Value>) -> Result<Definition, Vec<FieldError>> {
    let document = body.get("spec").unwrap_or(&Value::Null);
    Reader::new().definition(&parse(document)?, document)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    group: String,
    names: Names,
    scope: String,
    versions: Vec<VersionSpec>,
    conversion: Option<Conversion>,
    preserve_unknown_fields: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Names {
    plural: String,
    singular: Option<String>,
    kind: String,
    list_kind: Option<String>,
    short_names: Option<Vec<String>>,
    categories: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionSpec {
    name: String,
    served: bool,
    storage: bool,
    deprecated: Option<bool>,
    deprecation_warning: Option<String>,
    subresources: Option<Subresources>,
    additional_printer_columns: Option<Vec<ColumnSpec>>,
    selectable_fields: Option<Vec<SelectableSpec>>,
}

#[derive(Debug, Deserialize)]
struct Subresources {
    status: Option<serde::de::IgnoredAny>,
    scale: Option<ScaleSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScaleSpec {
    spec_replicas_path: String,
    status_replicas_path: String,
    label_selector_path: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ColumnSpec {
    name: String,
    #[serde(rename = "type")]
    column_type: String,
    format: Option<String>,
    description: Option<String>,
    priority: Option<i32>,
    json_path: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SelectableSpec {
    json_path: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Conversion {
    strategy: String,
    webhook: Option<Webhook>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    client_config: Option<serde::de::IgnoredAny>,
    conversion_review_versions: Vec<String>,
}

/// The schema lets nothing through that this cannot read; should the two ever differ, it is a fault
/// like any other.
fn parse(document: &Value) -> Result<Spec, Vec<FieldError>> {
    Spec::deserialize(document)
        .map_err(|error| vec![FieldError::new("spec", FieldErrorKind::Invalid, error.to_string())])
}

struct Reader {
    compiler: Compiler,
    faults: Faults,
}

impl Reader {
    fn new() -> Self {
        Self { compiler: Compiler::new(), faults: Faults::new() }
    }

    fn push(&mut self, fault: FieldError) {
        self.faults.push(fault);
    }

    fn invalid(&mut self, path: FieldPath<'_>, value: &str, detail: impl Into<String>) {
        self.push(FieldError::invalid(path, &Value::from(value), detail));
    }

    fn definition(mut self, spec: &Spec, document: &Value) -> Result<Definition, Vec<FieldError>> {
        let root = FieldPath::ROOT.field("spec");
        let path = root.field("versions");
        let documents = document.get("versions").and_then(Value::as_array);
        let mut versions = Vec::new();
        for (index, (version, document)) in
            spec.versions.iter().zip(documents.into_iter().flatten()).enumerate()
        {
            versions.extend(self.version(path.index(index), version, document).map(Arc::new));
        }
        if !self.faults.is_empty() {
            return Err(self.faults.into_vec());
        }
        Ok(Definition {
            kind: kind(spec),
            versions,
            name_rule: NameRule::Subdomain,
            core: false,
            conversion_webhook: spec
                .conversion
                .as_ref()
                .is_some_and(|conversion| conversion.strategy == "Webhook"),
            habits: Habits::default(),
        })
    }

    fn version(
        &mut self,
        path: FieldPath<'_>,
        spec: &VersionSpec,
        document: &Value,
    ) -> Option<Version> {
        let schema_path = path.field("schema");
        let schema_path = schema_path.field("openAPIV3Schema");
        let Some(schema_document) =
            document.get("schema").and_then(|schema| schema.get("openAPIV3Schema"))
        else {
            self.push(FieldError::required(schema_path, "schemas are required"));
            return None;
        };
        let schema = match self.compiler.compile(schema_path, schema_document) {
            Ok(schema) => schema,
            Err(faults) => {
                for fault in faults {
                    self.push(fault);
                }
                return None;
            }
        };
        let subresources = spec.subresources.as_ref();
        Some(Version {
            name: spec.name.as_str().into(),
            served: spec.served,
            storage: spec.storage,
            deprecated: spec.deprecated.unwrap_or(false),
            deprecation_warning: spec.deprecation_warning.clone(),
            status_subresource: subresources.is_some_and(|sub| sub.status.is_some()),
            scale: subresources.and_then(|sub| sub.scale.as_ref()).map(scale),
            columns: spec.additional_printer_columns.iter().flatten().map(column).collect(),
            selectable: self.selectable(path.field("selectableFields"), spec, &schema),
            conditions: super::version::has_conditions(&schema),
            schema_document: Json::from_value(schema_document),
            schema,
        })
    }

    fn selectable(
        &mut self,
        path: FieldPath<'_>,
        spec: &VersionSpec,
        schema: &crate::Schema,
    ) -> Vec<SelectableField> {
        let mut seen = HashSet::new();
        let mut fields = Vec::new();
        for (index, field) in spec.selectable_fields.iter().flatten().enumerate() {
            let path = path.index(index);
            let path = path.field("jsonPath");
            if !seen.insert(field.json_path.as_str()) {
                let value = Value::from(field.json_path.as_str());
                self.push(FieldError::with_value(path, FieldErrorKind::Duplicate, &value, ""));
            }
            match check::selectable_segments(&field.json_path, schema) {
                Ok(segments) => fields.push(SelectableField {
                    path: field.json_path.trim_start_matches('.').into(),
                    segments,
                }),
                Err(detail) => self.invalid(path, &field.json_path, detail),
            }
        }
        fields
    }
}

fn kind(spec: &Spec) -> Kind {
    let names = &spec.names;
    let texts = |texts: &Option<Vec<String>>| {
        texts.iter().flatten().map(|text| text.as_str().into()).collect()
    };
    Kind {
        group: spec.group.as_str().into(),
        kind: names.kind.as_str().into(),
        list_kind: list_kind(names).into(),
        plural: names.plural.as_str().into(),
        singular: singular(names).into(),
        short_names: texts(&names.short_names),
        categories: texts(&names.categories),
        scope: if spec.scope == "Cluster" { Scope::Cluster } else { Scope::Namespaced },
    }
}

fn singular(names: &Names) -> String {
    let declared = names.singular.clone().filter(|name| !name.is_empty());
    declared.unwrap_or_else(|| names.kind.to_lowercase())
}

fn list_kind(names: &Names) -> String {
    let declared = names.list_kind.clone().filter(|name| !name.is_empty());
    declared.unwrap_or_else(|| format!("{}List", names.kind))
}

fn scale(spec: &ScaleSpec) -> Scale {
    Scale {
        spec_replicas_path: spec.spec_replicas_path.as_str().into(),
        status_replicas_path: spec.status_replicas_path.as_str().into(),
        label_selector_path: spec.label_selector_path.as_deref().map(Into::into),
    }
}

fn column(spec: &ColumnSpec) -> Column {
    Column {
        name: spec.name.as_str().into(),
        column_type: spec.column_type.as_str().into(),
        format: spec.format.as_deref().unwrap_or_default().into(),
        description: spec.description.as_deref().unwrap_or_default().into(),
        priority: spec.priority.unwrap_or(0),
        path: JsonPath::parse_built_in(&spec.json_path).unwrap_or_else(JsonPath::nowhere),
        json_path: spec.json_path.as_str().into(),
    }
}
