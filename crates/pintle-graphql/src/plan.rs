//! What an operation asks for, worked out once: no name is looked up while it is executed.
//!
//! A plan is made for one operation of one document against one schema, and for one choice of the
//! variables that `@skip` and `@include` look at: which fields there are, and in which order, is
//! settled here, merged as the specification's `CollectFields` does.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use apollo_compiler::ast::{Type, Value as Literal};
use apollo_compiler::executable::{
    ExecutableDocument, Field, Operation, OperationType, Selection as Selected, SelectionSet,
};
use apollo_compiler::response::JsonMap;
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{Name, Node};

use crate::leaf::Leaf;
use crate::schema::Published;

/// An operation, ready to be executed.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) kind: OperationType,
    pub(crate) root: Arc<Selection>,
}

/// The fields to answer with, in order, for a value of one type.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) type_name: Box<str>,
    pub(crate) fields: Vec<FieldPlan>,
}

/// One field of an answer.
#[derive(Debug)]
pub(crate) struct FieldPlan {
    /// The key in the answer.
    pub(crate) key: Box<str>,
    /// The field of the type.
    pub(crate) name: Box<str>,
    /// The member of a stored JSON object that it is, as raw text with quotes.
    pub(crate) json_key: Box<str>,
    pub(crate) shape: Shape,
    /// The first place in the document that asks for it, for coordinates in errors, and for its
    /// arguments.
    pub(crate) asked: Node<Field>,
}

/// What a value must look like.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Whether a null makes its parent null.
    pub(crate) required: bool,
    pub(crate) of: ShapeOf,
}

#[derive(Debug)]
pub(crate) enum ShapeOf {
    /// `__typename`.
    TypeName,
    Leaf(Leaf),
    List(Box<Shape>),
    Object(Arc<Selection>),
    /// By the name of the type that the value turns out to be of.
    Abstract(HashMap<Box<str>, Arc<Selection>>),
    /// Answered by introspection, not by this plan.
    Introspection,
}

impl FieldPlan {
    /// The condition types that `conditions(type: [...])` asks for, where it asks for some by name.
    pub(crate) fn wanted_types<'p>(&'p self, variables: &'p JsonMap) -> Option<Vec<&'p str>> {
        let given = self.asked.specified_argument_by_name("type")?;
        let text = |literal: &'p Literal| match literal {
            Literal::String(text) => Some(text.as_str()),
            Literal::Variable(name) => variables.get(name.as_str())?.as_str(),
            _ => None,
        };
        match &**given {
            Literal::List(types) => Some(types.iter().filter_map(|it| text(it)).collect()),
            Literal::Variable(name) => {
                let given = variables.get(name.as_str())?;
                let list = given.as_array().map(|list| list.iter().filter_map(|it| it.as_str()));
                list.map(Iterator::collect).or_else(|| Some(vec![given.as_str()?]))
            }
            one => Some(vec![text(one)?]),
        }
    }
}

/// Makes plans.
struct Planner<'a> {
    published: &'a Published,
    document: &'a ExecutableDocument,
    variables: &'a JsonMap,
}

/// Plans an operation. Its document must have been validated against this schema.
pub(crate) fn plan(
    published: &Published,
    document: &ExecutableDocument,
    operation: &Operation,
    variables: &JsonMap,
) -> Plan {
    let planner = Planner { published, document, variables };
    let root = planner.selection(operation.object_type(), &[&operation.selection_set]);
    Plan { kind: operation.operation_type, root: Arc::new(root) }
}

/// The names of the variables that decide which fields there are.
pub(crate) fn deciding_variables(
    document: &ExecutableDocument,
    operation: &Operation,
) -> Vec<Name> {
    let mut found = Vec::new();
    let fragments = document.fragments.values().map(|fragment| &fragment.selection_set);
    let mut open: Vec<&SelectionSet> =
        std::iter::once(&operation.selection_set).chain(fragments).collect();
    while let Some(set) = open.pop() {
        for selection in &set.selections {
            for directive in selection.directives() {
                let condition = directive.specified_argument_by_name("if").map(|it| &**it);
                if let (true, Some(Literal::Variable(name))) =
                    (matches!(directive.name.as_str(), "skip" | "include"), condition)
                    && !found.contains(name)
                {
                    found.push(name.clone());
                }
            }
            match selection {
                Selected::Field(field) => open.push(&field.selection_set),
                Selected::InlineFragment(fragment) => open.push(&fragment.selection_set),
                Selected::FragmentSpread(_) => {}
            }
        }
    }
    found
}

/// Fields by their key in the answer, in the order in which the keys first stand.
type Collected<'a> = (Vec<&'a str>, HashMap<&'a str, Vec<&'a Node<Field>>>);

impl<'a> Planner<'a> {
    /// The fields that several selection sets ask of a value of one object type.
    fn selection(&self, type_name: &str, sets: &[&'a SelectionSet]) -> Selection {
        let mut collected = Collected::default();
        let mut visited = Vec::new();
        for set in sets {
            self.collect(type_name, set, &mut collected, &mut visited);
        }
        let (keys, mut fields) = collected;
        let plans = keys.into_iter().filter_map(|key| {
            let asked = fields.remove(key)?;
            Some(self.field(type_name, key, &asked))
        });
        Selection { type_name: type_name.into(), fields: plans.collect() }
    }

    fn collect(
        &self,
        type_name: &str,
        set: &'a SelectionSet,
        into: &mut Collected<'a>,
        visited: &mut Vec<&'a str>,
    ) {
        for selection in &set.selections {
            if !self.is_included(selection) {
                continue;
            }
            match selection {
                Selected::Field(field) => {
                    let key = field.response_key().as_str();
                    let (keys, fields) = &mut *into;
                    fields
                        .entry(key)
                        .or_insert_with(|| {
                            keys.push(key);
                            Vec::new()
                        })
                        .push(field);
                }
                Selected::InlineFragment(fragment) => {
                    let on = fragment.type_condition.as_ref();
                    if on.is_none_or(|on| self.applies(on, type_name)) {
                        self.collect(type_name, &fragment.selection_set, into, visited);
                    }
                }
                Selected::FragmentSpread(spread) => {
                    let name = spread.fragment_name.as_str();
                    let Some(fragment) = self.document.fragments.get(name) else { continue };
                    if !visited.contains(&name) {
                        visited.push(name);
                        if self.applies(fragment.type_condition(), type_name) {
                            self.collect(type_name, &fragment.selection_set, into, visited);
                        }
                    }
                }
            }
        }
    }

    fn is_included(&self, selection: &Selected) -> bool {
        let says = |name: &str| {
            let directive = selection.directives().get(name)?;
            match &**directive.specified_argument_by_name("if")? {
                Literal::Boolean(value) => Some(*value),
                Literal::Variable(name) => self.variables.get(name.as_str())?.as_bool(),
                _ => None,
            }
        };
        says("skip") != Some(true) && says("include") != Some(false)
    }

    fn applies(&self, condition: &Name, type_name: &str) -> bool {
        condition == type_name || self.published.schema.is_subtype(condition, type_name)
    }

    fn field(&self, type_name: &str, key: &str, asked: &[&'a Node<Field>]) -> FieldPlan {
        let first = asked.first().copied().expect("a key stands because a field has it");
        let sets: Vec<&SelectionSet> = asked.iter().map(|field| &field.selection_set).collect();
        let shape = match first.name.as_str() {
            "__typename" => Shape { required: true, of: ShapeOf::TypeName },
            "__schema" | "__type" => Shape { required: false, of: ShapeOf::Introspection },
            _ => self.shape(&first.definition.ty, &sets),
        };
        FieldPlan {
            key: key.into(),
            name: first.name.as_str().into(),
            json_key: self.published.json_key(type_name, &first.name),
            shape,
            asked: first.clone(),
        }
    }

    fn shape(&self, ty: &Type, sets: &[&'a SelectionSet]) -> Shape {
        let of = match ty {
            Type::Named(name) | Type::NonNullNamed(name) => self.named(name, sets),
            Type::List(item) | Type::NonNullList(item) => {
                ShapeOf::List(Box::new(self.shape(item, sets)))
            }
        };
        Shape { required: ty.is_non_null(), of }
    }

    fn named(&self, name: &Name, sets: &[&'a SelectionSet]) -> ShapeOf {
        if let Some(leaf) = self.published.leaf(name).map(Cow::into_owned) {
            return ShapeOf::Leaf(leaf);
        }
        match self.published.schema.types.get(name) {
            Some(ExtendedType::Enum(values)) => {
                let same = values.values.keys().map(|it| (it.as_str().into(), it.as_str().into()));
                ShapeOf::Leaf(Leaf::Enum(same.collect()))
            }
            Some(ExtendedType::Interface(_) | ExtendedType::Union(_)) => {
                let possible = self.published.implementers.get(name);
                let possible = possible.into_iter().flat_map(|it| it.objects.iter());
                let planned =
                    possible.map(|it| (it.as_str().into(), Arc::new(self.selection(it, sets))));
                ShapeOf::Abstract(planned.collect())
            }
            _ => ShapeOf::Object(Arc::new(self.selection(name, sets))),
        }
    }
}
