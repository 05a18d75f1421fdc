//! The types and root fields of one kind.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use pintle_schema::{Definition, Version};
use serde_json::{Map, Value};

use super::names::{camel, capitalized, sanitized};
use super::shapes::{Registry, Shapes, Use, description, is_required};

/// What of an object is not body.
const NOT_IN_BODY: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];
/// The fields that every object type and every main input has anyway.
const FIXED_FIELDS: [&str; 11] = [
    "id",
    "json",
    "apiVersion",
    "kind",
    "metadata",
    "status",
    "ref",
    "resourceVersion",
    "uid",
    "dryRun",
    "clientMutationId",
];

/// A kind, as the schema has it.
#[derive(Debug, Clone)]
pub struct KindTypes {
    /// The kind.
    pub definition: Arc<Definition>,
    /// The version of it that the types are of.
    pub version: Arc<Version>,
    /// The name of its object type: `Device`.
    pub type_name: Box<str>,
    /// The field of a query for one object, and of payloads: `device`.
    pub singular: Box<str>,
    /// The field of a query for many: `devices`.
    pub plural: Box<str>,
    /// Fields of the body and their JSON names: `spec`.
    pub body: BTreeMap<Box<str>, Box<str>>,
    /// Whether there are status mutations.
    pub has_status: bool,
    /// Whether conditions can be applied.
    pub has_conditions: bool,
}

/// The text of one kind: its types, and its fields of the three roots.
#[derive(Debug, Default)]
pub(crate) struct KindText {
    pub(crate) types: String,
    pub(crate) query: String,
    pub(crate) mutation: String,
    pub(crate) subscription: String,
}

/// What is taken already.
#[derive(Debug, Default, Clone)]
pub(crate) struct Taken {
    pub(crate) types: HashSet<String>,
    pub(crate) fields: HashSet<String>,
}

/// The names of a kind: short ones, or long ones that carry its group.
pub(crate) fn names_of(definition: &Definition, long: bool) -> (String, String, String) {
    let kind = &definition.kind;
    let suffix = if long { format!("_{}", sanitized(&kind.group)) } else { String::new() };
    let type_name = format!("{}{suffix}", sanitized(&kind.kind));
    let singular = format!("{}{suffix}", camel(&kind.singular));
    let plural = format!("{}{suffix}", camel(&kind.plural));
    if singular == plural {
        // One object and many of them need two names.
        return (type_name, singular, format!("{plural}List"));
    }
    (type_name, singular, plural)
}

/// Writes a kind with these names; or says which name is taken.
pub(crate) fn write(
    definition: &Arc<Definition>,
    version: &Arc<Version>,
    names: (String, String, String),
    taken: &mut Taken,
    registry: &mut Registry,
) -> Result<(KindTypes, KindText), String> {
    let (type_name, singular, plural) = names;
    let schema = version.schema_document.to_value();
    let mut shapes = Shapes::new(registry, &mut taken.types);
    let body = body_fields(&schema);
    let conditions = version.conditions && version.status_subresource;
    let kind = KindTypes {
        definition: Arc::clone(definition),
        version: Arc::clone(version),
        body: body.iter().map(|(field, json)| ((**field).into(), (**json).into())).collect(),
        has_status: version.status_subresource && status_schema(&schema).is_some(),
        has_conditions: conditions && status_schema(&schema).is_some(),
        type_name: type_name.into(),
        singular: singular.into(),
        plural: plural.into(),
    };
    let mut text = KindText::default();
    kind.object_type(&mut shapes, &schema, &mut text.types);
    kind.connection(&mut shapes, &mut text);
    kind.main_mutations(&mut shapes, &schema, &mut text);
    if kind.has_status {
        kind.status_mutations(&mut shapes, &schema, &mut text);
    }
    kind.watch(&mut shapes, &mut text);
    text.types.push_str(&shapes.sdl);
    if let Some(collision) = shapes.collision.take() {
        return Err(collision);
    }
    for field in kind.root_fields() {
        if !taken.fields.insert(field.clone()) {
            return Err(field);
        }
    }
    Ok((kind, text))
}

/// The fields of the body by their GraphQL names. A field that is called as GraphQL would call it
/// keeps its name; the others give way with underscores, in the order of their names in JSON.
fn body_fields(schema: &Value) -> BTreeMap<String, String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let body = properties.into_iter().flat_map(Map::keys);
    let body = body.filter(|property| !NOT_IN_BODY.contains(&property.as_str()));
    let (exact, others): (Vec<_>, Vec<_>) = body.partition(|property| {
        sanitized(property) == **property && !FIXED_FIELDS.contains(&property.as_str())
    });
    let mut fields = BTreeMap::new();
    for property in exact.into_iter().chain(others) {
        let mut name = sanitized(property);
        while FIXED_FIELDS.contains(&name.as_str()) || fields.contains_key(&name) {
            name.push('_');
        }
        fields.insert(name, property.clone());
    }
    fields
}

/// What a status may be; where the schema names none and keeps everything, anything.
fn status_schema(schema: &Value) -> Option<Value> {
    let open = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    let declared = schema.pointer("/properties/status").cloned();
    declared.or_else(|| open.then(|| Value::Object(Map::new())))
}

fn property<'s>(schema: &'s Value, name: &str) -> &'s Value {
    schema.get("properties").and_then(|it| it.get(name)).unwrap_or(&Value::Null)
}

/// Arguments that say which objects a list or a watch is about.
const SELECTION_ARGUMENTS: &str = "namespace: String, labelSelector: String, fieldSelector: String";

impl KindTypes {
    /// `Devices`.
    pub(crate) fn plural_type(&self) -> String {
        capitalized(&self.plural)
    }

    /// `infra.example.io/v1`.
    pub(crate) fn api_version(&self) -> String {
        self.definition.kind.api_version(&self.version.name)
    }

    /// The fields of the roots that this kind has.
    pub(crate) fn root_fields(&self) -> Vec<String> {
        let Self { type_name, singular, plural, .. } = self;
        let mut fields = vec![singular.to_string(), plural.to_string()];
        fields.extend(
            ["create", "update", "patch", "delete"].map(|verb| format!("{verb}{type_name}")),
        );
        fields.push(format!("watch{}", self.plural_type()));
        if self.has_status {
            fields.extend([
                format!("update{type_name}Status"),
                format!("patch{type_name}Status"),
                format!("bulkUpdate{type_name}Status"),
            ]);
        }
        if self.has_conditions {
            fields.push(format!("apply{type_name}Conditions"));
        }
        fields
    }

    fn object_type(&self, shapes: &mut Shapes<'_>, schema: &Value, text: &mut String) {
        let name = &*self.type_name;
        shapes.claim(name);
        text.push('\n');
        description(text, schema, "");
        let mut fields = String::from(
            "  id: ID!\n  apiVersion: String!\n  kind: String!\n  metadata: ObjectMeta!\n",
        );
        for (field, json) in &self.body {
            let schema = property(schema, json);
            let inner = format!("{name}{}", capitalized(field));
            let reference = shapes.reference(schema, &inner, 0, Use::Output);
            description(&mut fields, schema, "  ");
            let _infallible = writeln!(fields, "  {field}: {reference}");
        }
        if let Some(status) = status_schema(schema) {
            let reference = shapes.reference(&status, &format!("{name}Status"), 0, Use::Output);
            description(&mut fields, &status, "  ");
            let _infallible = writeln!(fields, "  status: {reference}");
        }
        let _infallible = writeln!(
            text,
            "type {name} implements Resource & Node {{\n{fields}  \"The whole object, as the REST \
             door shows it.\"\n  json: JSON!\n}}"
        );
    }

    fn connection(&self, shapes: &mut Shapes<'_>, text: &mut KindText) {
        let Self { type_name, singular, plural, .. } = self;
        shapes.claim(&format!("{type_name}Connection"));
        shapes.claim(&format!("{type_name}Edge"));
        let _infallible = write!(
            text.types,
            "\ntype {type_name}Connection {{\n  edges: [{type_name}Edge!]!\n  nodes: \
             [{type_name}!]!\n  pageInfo: PageInfo!\n  \"How many there are; null when it would \
             need another look.\"\n  totalCount: Int\n  \"The version that the list shows: watch \
             from here, and nothing is missed.\"\n  resourceVersion: ResourceVersion!\n}}\n\ntype \
             {type_name}Edge {{\n  cursor: String!\n  node: {type_name}!\n}}\n"
        );
        let _infallible = write!(
            text.query,
            "  \"One object, by its id or its names; null when there is none.\"\n  {singular}(by: \
             ResourceBy!): {type_name}\n  \"Many objects, a page at a time.\"\n  \
             {plural}({SELECTION_ARGUMENTS}, first: Int = 100, after: String, resourceVersion: \
             ResourceVersion, resourceVersionMatch: ResourceVersionMatch): \
             {type_name}Connection!\n"
        );
    }

    fn main_mutations(&self, shapes: &mut Shapes<'_>, schema: &Value, text: &mut KindText) {
        let name = &*self.type_name;
        let whole = self.body_inputs(shapes, schema, Use::Input);
        let partial = self.body_inputs(shapes, schema, Use::Patch);
        let common = "  fieldManager: String\n  \"Go through everything, and write nothing.\"\n  \
                      dryRun: Boolean = false\n  clientMutationId: String\n";
        let addressed = |version: &str| {
            format!(
                "  ref: NamespacedName!\n  \"The version that it was computed from.\"\n  \
                 resourceVersion: ResourceVersion{version}\n  \"The object that is meant, if it \
                 was made again since.\"\n  uid: ID\n"
            )
        };
        let inputs = [
            ("Create", format!("  metadata: CreateMetadataInput!\n{whole}{common}")),
            (
                "Update",
                format!("{}  metadata: UpdateMetadataInput\n{whole}{common}", addressed("!")),
            ),
            (
                "Patch",
                format!("{}  metadata: PatchMetadataInput\n{partial}{common}", addressed("")),
            ),
            (
                "Delete",
                format!(
                    "{}  propagationPolicy: PropagationPolicy = BACKGROUND\n  \"Go through \
                     everything, and write nothing.\"\n  dryRun: Boolean = false\n  \
                     clientMutationId: String\n",
                    addressed("")
                ),
            ),
        ];
        for (verb, fields) in inputs {
            let (input, payload) = (format!("{verb}{name}Input"), format!("{verb}{name}Payload"));
            shapes.claim(&input);
            let _infallible = writeln!(text.types, "\ninput {input} {{\n{fields}}}");
            self.payload(shapes, &payload, verb == "Delete", &mut text.types);
            let field = format!("{}{name}", verb.to_lowercase());
            let _infallible = writeln!(text.mutation, "  {field}(input: {input}!): {payload}");
        }
    }

    /// The body fields of an input. A whole body is required where its schema says so.
    fn body_inputs(&self, shapes: &mut Shapes<'_>, schema: &Value, use_: Use) -> String {
        let mut text = String::new();
        for (field, json) in &self.body {
            let inner = format!("{}{}", self.type_name, capitalized(field));
            let reference = shapes.reference(property(schema, json), &inner, 0, use_);
            let must = use_ == Use::Input && is_required(schema, json);
            let _infallible =
                writeln!(text, "  {field}: {reference}{}", if must { "!" } else { "" });
        }
        text
    }

    fn payload(&self, shapes: &mut Shapes<'_>, name: &str, removes: bool, text: &mut String) {
        shapes.claim(name);
        let Self { type_name, singular, .. } = self;
        let (object, outcome) = if removes {
            (
                "The last state of the object.",
                "  \"Whether it is gone; false while finalizers keep it.\"\n  removed: Boolean!\n",
            )
        } else {
            (
                "The object after it; null when `errors` is not empty.",
                "  \"Whether anything changed. False: no new version, and no watch event.\"\n  \
                 changed: Boolean!\n",
            )
        };
        let _infallible = writeln!(
            text,
            "\ntype {name} {{\n  \"{object}\"\n  {singular}: {type_name}\n{outcome}  errors: \
             [MutationError!]!\n  clientMutationId: String\n}}"
        );
    }

    fn status_mutations(&self, shapes: &mut Shapes<'_>, schema: &Value, text: &mut KindText) {
        let name = &*self.type_name;
        let status = status_schema(schema).unwrap_or_default();
        let inner = format!("{name}Status");
        let whole = shapes.reference(&status, &inner, 0, Use::Input);
        let partial = shapes.reference(&status, &inner, 0, Use::Patch);
        let addressed = "  ref: NamespacedName!\n  \"The version that the status was computed \
                         from.\"\n  resourceVersion: ResourceVersion!\n  \"The object that is \
                         meant, if it was made again since.\"\n  uid: ID\n";
        let tail = "  \"Go through everything, and write nothing.\"\n  dryRun: Boolean = false\n  \
                    clientMutationId: String\n";
        let scope = "  conflictScope: ConflictScope = OBJECT\n  fieldManager: String\n";
        let payload = format!("{name}StatusPayload");
        self.payload(shapes, &payload, false, &mut text.types);
        // A free-form status has free-form conditions.
        let item = status.pointer("/properties/conditions/items").filter(|_| whole != "JSON");
        let inner = format!("{name}StatusConditions");
        let conditions = item.map(|item| shapes.reference(item, &inner, 1, Use::Input));
        let mut write = |verb: &str, what: &str, doc: &str, fields: &str| {
            let input = format!("{}{name}{what}Input", capitalized(verb));
            shapes.claim(&input);
            let _infallible = writeln!(text.types, "\ninput {input} {{\n{fields}}}");
            let _infallible = writeln!(
                text.mutation,
                "  \"{doc}\"\n  {verb}{name}{what}(input: {input}!): {payload}"
            );
        };
        let fields = format!("{addressed}  status: {whole}!\n{scope}{tail}");
        write("update", "Status", "The whole status is replaced.", &fields);
        let doc = "What is left out of the status stays, a null clears, conditions are merged by \
                   type.";
        write("patch", "Status", doc, &format!("{addressed}  status: {partial}!\n{scope}{tail}"));
        if self.has_conditions {
            let conditions = conditions.as_deref().unwrap_or("JSON");
            let fields = format!(
                "{addressed}  \"The generation that the conditions were found with, for those that \
                 name none.\"\n  observedGeneration: Long\n  conditions: [{conditions}!]!\n  \"Types \
                 whose condition goes.\"\n  removeTypes: [String!]\n  conflictScope: ConflictScope = \
                 CONDITIONS\n  \"Who owns the conditions from now on.\"\n  fieldManager: \
                 String!\n  \"Take over what another manager owns.\"\n  force: Boolean = \
                 false\n{tail}"
            );
            let doc = "Sets and removes the listed conditions, and touches no others.";
            write("apply", "Conditions", doc, &fields);
        }
        self.bulk(shapes, &payload, text);
    }

    fn bulk(&self, shapes: &mut Shapes<'_>, payload: &str, text: &mut KindText) {
        let name = &*self.type_name;
        let (input, bulk) =
            (format!("BulkUpdate{name}StatusInput"), format!("BulkUpdate{name}StatusPayload"));
        shapes.claim(&input);
        shapes.claim(&bulk);
        let _infallible = write!(
            text.types,
            "\ninput {input} {{\n  mode: BulkMode! = INDEPENDENT\n  \"At most 500, and no object \
             twice.\"\n  items: [Patch{name}StatusInput!]!\n  clientMutationId: String\n}}\n\ntype \
             {bulk} {{\n  \"One for each item, in order.\"\n  results: [{payload}!]!\n  succeeded: \
             Int!\n  failed: Int!\n  \"The last version that was made; null when none was.\"\n  \
             resourceVersion: ResourceVersion\n  clientMutationId: String\n}}\n"
        );
        let _infallible = writeln!(
            text.mutation,
            "  \"Many status patches at once.\"\n  bulkUpdate{name}Status(input: {input}!): {bulk}"
        );
    }

    fn watch(&self, shapes: &mut Shapes<'_>, text: &mut KindText) {
        let Self { type_name, .. } = self;
        let event = format!("{type_name}WatchEvent");
        shapes.claim(&event);
        let _infallible = write!(
            text.types,
            "\ntype {event} {{\n  type: WatchEventType!\n  \"The version to resume from.\"\n  \
             resourceVersion: ResourceVersion!\n  \"The object; its last state when it is gone, \
             null in a bookmark.\"\n  object: {type_name}\n  \"Whether this bookmark ends the state \
             that the watch began with.\"\n  initialEventsEnd: Boolean!\n}}\n"
        );
        let _infallible = writeln!(
            text.subscription,
            "  \"Every change, in order, from a version on.\"\n  watch{}({SELECTION_ARGUMENTS}, \
             name: String, resourceVersion: ResourceVersion, sendInitialEvents: Boolean, \
             allowBookmarks: Boolean = true, onlyWhenChanged: Boolean = false): {event}!",
            self.plural_type()
        );
    }
}
