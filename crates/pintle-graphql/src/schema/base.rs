//! What belongs to no kind: the shared types, and the root fields for all of them.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

use apollo_compiler::Schema;
use apollo_compiler::ast::Document;
use apollo_compiler::validation::Valid;

use super::kind::KindText;

/// The types that belong to no kind.
const TYPES: &str = include_str!("base.graphql");

const QUERY: &str = r#"  "An object by its id; null when there is none, or when the caller may not read it."
  node(id: ID!): Node
  "Objects by their ids, in that order."
  nodes(ids: [ID!]!): [Node]!
  "An object of any kind."
  resource(ref: ResourceRefInput!): Resource
  "Objects of any kind."
  resources(kind: KindRefInput!, namespace: String, labelSelector: String, fieldSelector: String, first: Int = 100, after: String, resourceVersion: ResourceVersion, resourceVersionMatch: ResourceVersionMatch): ResourceConnection!
"#;
const MUTATION: &str = r#"  "The whole status of an object of any kind is replaced."
  updateResourceStatus(input: UpdateResourceStatusInput!): ResourcePayload
  "What is left out of the status stays, a null clears, conditions are merged by type."
  patchResourceStatus(input: PatchResourceStatusInput!): ResourcePayload
"#;
const SUBSCRIPTION: &str = r#"  "Every change of objects of several kinds, in one order, from a version on. Kinds that are declared later can be asked for as well."
  watchResources(kinds: [KindRefInput!]!, namespace: String, labelSelector: String, resourceVersion: ResourceVersion, sendInitialEvents: Boolean, allowBookmarks: Boolean = true, onlyWhenChanged: Boolean = false): ResourceWatchEvent!
"#;

/// The document of a schema without kinds.
static DOCUMENT: LazyLock<Document> =
    LazyLock::new(|| Document::parse(sdl(&[]), "schema.graphql").expect("the tests parse it"));

/// A schema without kinds.
static SCHEMA: LazyLock<Valid<Schema>> =
    LazyLock::new(|| DOCUMENT.to_schema_validate().expect("the tests validate it"));

/// A schema without kinds.
pub(super) fn schema() -> &'static Valid<Schema> {
    &SCHEMA
}

/// The text of a schema of these kinds.
pub(super) fn sdl(kinds: &[&KindText]) -> String {
    let types = kinds.iter().map(|kind| &*kind.types);
    let mut sdl: String = std::iter::once(TYPES).chain(types).collect();
    let roots = [
        ("Query", QUERY, kinds.iter().map(|kind| &*kind.query).collect::<String>()),
        ("Mutation", MUTATION, kinds.iter().map(|kind| &*kind.mutation).collect()),
        ("Subscription", SUBSCRIPTION, kinds.iter().map(|kind| &*kind.subscription).collect()),
    ];
    for (name, fixed, fields) in roots {
        let _infallible = write!(sdl, "\ntype {name} {{\n{fixed}{fields}}}\n");
    }
    sdl
}

/// The schema of one kind alone; or why there is none.
pub(super) fn with(kind: &KindText) -> Result<Valid<Schema>, String> {
    let KindText { types, query, mutation, subscription } = kind;
    let text = format!(
        "{types}\nextend type Query {{\n{query}}}\nextend type Mutation {{\n{mutation}}}\nextend \
         type Subscription {{\n{subscription}}}\n"
    );
    let built = Schema::builder().add_ast(&DOCUMENT).parse(text, "kind.graphql").build();
    let validated = built.and_then(Schema::validate);
    validated.map_err(|invalid| {
        let text = invalid.errors.to_string();
        text.lines().next().unwrap_or_default().chars().take(200).collect()
    })
}

/// The types that no kind can have.
pub(super) fn type_names() -> HashSet<String> {
    let built_in = ["Int", "Float", "String", "Boolean", "ID"].map(str::to_owned);
    SCHEMA.types.keys().map(ToString::to_string).chain(built_in).collect()
}
