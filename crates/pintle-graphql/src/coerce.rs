//! Arguments: from literals and variables to the JSON that is meant, as the types of the schema
//! say.
//!
//! Fields of kinds come out under their JSON names and enums as their JSON texts, so that an input
//! of a kind is what is to be stored.

use std::fmt;

use apollo_compiler::ast::{InputValueDefinition, Type, Value as Literal};
use apollo_compiler::response::{JsonMap, JsonValue};
use apollo_compiler::schema::{ExtendedType, InputObjectType};
use apollo_compiler::{Name, Node};
use serde_json::{Map, Value};

use crate::plan::FieldPlan;
use crate::schema::{Keys, Published};

/// An input that cannot be what its type says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub(crate) struct BadInput {
    /// Where: `input.status.phase`.
    pub(crate) path: String,
    /// What would be right. Values are not shown: they may be secret.
    pub(crate) problem: String,
}

/// The arguments of a field. What was left out and has no default is absent.
pub(crate) fn arguments(
    published: &Published,
    field: &FieldPlan,
    variables: &JsonMap,
) -> Result<Map<String, Value>, BadInput> {
    let coercion = Coercion { published, variables };
    let mut found = Map::new();
    for definition in &field.asked.definition.arguments {
        let given = field.asked.arguments.iter().find(|it| it.name == definition.name);
        let path = At::Argument(&definition.name);
        let given = given.map(|given| coercion.json(&given.value, path)).transpose()?.flatten();
        if let Some(value) = coercion.or_default(definition, given, path)? {
            found.insert(definition.name.to_string(), value);
        }
    }
    Ok(found)
}

/// Where in an argument, built on the stack: most inputs are right, and need no text for it.
#[derive(Clone, Copy)]
enum At<'a> {
    Argument(&'a str),
    Field(&'a Self, &'a str),
    Item(&'a Self, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

struct Coercion<'a> {
    published: &'a Published,
    variables: &'a JsonMap,
}

impl Coercion<'_> {
    /// A literal as JSON; nothing for a variable that was left out.
    fn json(&self, literal: &Literal, path: At<'_>) -> Result<Option<Value>, BadInput> {
        Ok(Some(match literal {
            Literal::Null => Value::Null,
            Literal::Boolean(value) => Value::from(*value),
            Literal::String(text) => Value::from(text.as_str()),
            Literal::Enum(name) => Value::from(name.as_str()),
            Literal::Variable(name) => {
                let Some(value) = self.variables.get(name.as_str()) else { return Ok(None) };
                plain(value)
            }
            Literal::Int(digits) => number(digits.as_str(), path)?,
            Literal::Float(digits) => number(digits.as_str(), path)?,
            Literal::List(items) => {
                let items = items.iter().map(|item| self.json(item, path));
                let items = items.map(|item| Ok(item?.unwrap_or_default()));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Literal::Object(fields) => {
                let mut given = Map::new();
                for (name, literal) in fields {
                    if let Some(value) = self.json(literal, At::Field(&path, name))? {
                        given.insert(name.to_string(), value);
                    }
                }
                Value::Object(given)
            }
        }))
    }

    /// What was given, or the default; an error where there must be something.
    fn or_default(
        &self,
        definition: &Node<InputValueDefinition>,
        given: Option<Value>,
        path: At<'_>,
    ) -> Result<Option<Value>, BadInput> {
        let default = definition.default_value.as_deref().filter(|_| given.is_none());
        let default = default.map(|default| self.json(default, path)).transpose()?.flatten();
        match given.or(default) {
            Some(given) => self.value(&definition.ty, given, path).map(Some),
            None if definition.ty.is_non_null() => Err(bad(path, "a value is required")),
            None => Ok(None),
        }
    }

    fn value(&self, ty: &Type, given: Value, path: At<'_>) -> Result<Value, BadInput> {
        if given.is_null() {
            return if ty.is_non_null() { Err(bad(path, "it may not be null")) } else { Ok(given) };
        }
        match ty {
            Type::Named(name) | Type::NonNullNamed(name) => self.named(name, given, path),
            Type::List(item) | Type::NonNullList(item) => {
                // One value stands for a list of it.
                let values = match given {
                    Value::Array(values) => values,
                    one => vec![one],
                };
                let each = values.into_iter().enumerate();
                let each = each.map(|(index, it)| self.value(item, it, At::Item(&path, index)));
                each.collect::<Result<_, _>>().map(Value::Array)
            }
        }
    }

    fn named(&self, name: &Name, given: Value, path: At<'_>) -> Result<Value, BadInput> {
        let found = self.published.schema.types.get(name);
        if let Some(ExtendedType::InputObject(object)) = found {
            return self.object(object, given, path);
        }
        if let Some(leaf) = self.published.leaf(name) {
            return leaf.coerce(&given).map_err(|problem| bad(path, problem));
        }
        match found {
            Some(ExtendedType::Enum(known)) => {
                let is_known = given.as_str().is_some_and(|it| known.values.contains_key(it));
                let names: Vec<_> = known.values.keys().map(Name::as_str).collect();
                let problem = || bad(path, format!("expected one of {}", names.join(", ")));
                if is_known { Ok(given) } else { Err(problem()) }
            }
            _ => Err(bad(path, "no input has this type")),
        }
    }

    fn object(
        &self,
        object: &Node<InputObjectType>,
        given: Value,
        path: At<'_>,
    ) -> Result<Value, BadInput> {
        let Value::Object(mut given) = given else { return Err(bad(path, "expected an object")) };
        let mut fields = Map::new();
        let keys = self.published.json_keys(&object.name);
        for (name, definition) in &object.fields {
            let inner = At::Field(&path, name);
            let value = self.or_default(&definition.node, given.remove(name.as_str()), inner)?;
            if let Some(value) = value {
                fields.insert(json_name(keys, name), value);
            }
        }
        match given.keys().next() {
            None => Ok(Value::Object(fields)),
            Some(unknown) => {
                let unknown: String = unknown.chars().take(64).collect();
                Err(bad(path, format!("{} has no field {unknown:?}", object.name)))
            }
        }
    }
}

/// The name in JSON of a field with these keys.
fn json_name(keys: Option<&Keys>, field: &Name) -> String {
    let Some(key) = keys.and_then(|keys| keys.get(field.as_str())) else {
        return field.to_string();
    };
    let plain = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
    match plain.filter(|plain| !plain.contains('\\')) {
        Some(plain) => plain.to_owned(),
        None => serde_json::from_str(key).unwrap_or_else(|_| field.to_string()),
    }
}

/// A number as it is written. One that JSON cannot have is not to become a null, which clears what
/// is stored.
fn number(digits: &str, path: At<'_>) -> Result<Value, BadInput> {
    serde_json::from_str(digits).map_err(|_| bad(path, "the number is too large"))
}

/// The same JSON in the form that the rest of the server has it in.
fn plain(value: &JsonValue) -> Value {
    match value {
        JsonValue::Null => Value::Null,
        JsonValue::Bool(value) => Value::Bool(*value),
        JsonValue::Number(number) => Value::Number(number.clone()),
        JsonValue::String(text) => Value::from(text.as_str()),
        JsonValue::Array(items) => Value::Array(items.iter().map(plain).collect()),
        JsonValue::Object(fields) => {
            let fields = fields.iter().map(|(name, it)| (name.as_str().to_owned(), plain(it)));
            Value::Object(fields.collect())
        }
    }
}

fn bad(path: At<'_>, problem: impl Into<String>) -> BadInput {
    BadInput { path: path.to_string(), problem: problem.into() }
}
