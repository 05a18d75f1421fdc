//! What one operation may cost, found out before anything of it is executed. Finding out is cheap
//! itself: every fragment is looked at once, however often it is spread.

use std::collections::HashMap;

use apollo_compiler::ast::Value as Literal;
use apollo_compiler::executable::{ExecutableDocument, Operation, Selection, SelectionSet};
use apollo_compiler::response::{JsonMap, JsonValue};

/// The limits of operations, each with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationLimits {
    /// So many tokens a document may have, the white space between them included.
    pub tokens_max: usize,
    /// So deep selections may nest, without introspection.
    pub depth_max: usize,
    /// So many fields may have another key than their name.
    pub aliases_max: usize,
    /// So many root fields an operation may have.
    pub root_fields_max: usize,
    /// So many directives a document may use.
    pub directives_max: usize,
    /// A value costs one, as often as the lists that it is below may have items; a field that only
    /// holds others costs what they cost.
    pub cost_max: u64,
    /// A page has at most so many objects.
    pub page_max: u64,
    /// So many items a bulk write may have.
    pub bulk_items_max: usize,
}

impl Default for OperationLimits {
    fn default() -> Self {
        Self {
            tokens_max: 5_000,
            depth_max: 15,
            aliases_max: 30,
            root_fields_max: 20,
            directives_max: 50,
            cost_max: 10_000,
            page_max: 1_000,
            bulk_items_max: 500,
        }
    }
}

/// An operation asks for more than is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operation has {name} {actual}; at most {limit} is allowed")]
pub(crate) struct LimitExceeded {
    /// Which limit: `depth`.
    pub(crate) name: &'static str,
    pub(crate) limit: u64,
    pub(crate) actual: u64,
}

/// What a selection set comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    depth: u64,
    aliases: u64,
    directives: u64,
    fields: u64,
    cost: u64,
}

impl OperationLimits {
    /// Refuses an operation that asks for too much. Variables that were not given, or are not
    /// numbers, count as the largest page.
    pub(crate) fn check(
        &self,
        document: &ExecutableDocument,
        operation: &Operation,
        variables: &JsonMap,
    ) -> Result<(), LimitExceeded> {
        let mut tally =
            Tally { document, variables, page_max: self.page_max, fragments: HashMap::new() };
        let sum = tally.set(&operation.selection_set);
        let own = u64::try_from(operation.directives.len()).unwrap_or(u64::MAX);
        let limit = |limit: usize| u64::try_from(limit).unwrap_or(u64::MAX);
        let checks = [
            ("depth", limit(self.depth_max), sum.depth),
            ("aliases", limit(self.aliases_max), sum.aliases),
            ("root fields", limit(self.root_fields_max), sum.fields),
            ("directives", limit(self.directives_max), sum.directives.saturating_add(own)),
            ("cost", self.cost_max, sum.cost),
        ];
        let exceeded = checks.into_iter().find(|(_, limit, actual)| actual > limit);
        match exceeded {
            None => Ok(()),
            Some((name, limit, actual)) => Err(LimitExceeded { name, limit, actual }),
        }
    }
}

struct Tally<'a> {
    document: &'a ExecutableDocument,
    variables: &'a JsonMap,
    page_max: u64,
    /// Nothing while a fragment is being looked at: one that contains itself adds nothing.
    fragments: HashMap<&'a str, Option<Sum>>,
}

impl<'a> Tally<'a> {
    fn set(&mut self, set: &'a SelectionSet) -> Sum {
        let mut sum = Sum::default();
        for selection in &set.selections {
            let mut part = match selection {
                Selection::Field(field) => self.field(field),
                Selection::InlineFragment(fragment) => self.set(&fragment.selection_set),
                Selection::FragmentSpread(spread) => self.fragment(&spread.fragment_name),
            };
            let directives = u64::try_from(selection.directives().len()).unwrap_or(u64::MAX);
            part.directives = part.directives.saturating_add(directives);
            sum = sum.beside(part);
        }
        sum
    }

    fn fragment(&mut self, name: &'a str) -> Sum {
        if let Some(known) = self.fragments.get(name) {
            return known.unwrap_or_default();
        }
        let Some(fragment) = self.document.fragments.get(name) else { return Sum::default() };
        self.fragments.insert(name, None);
        let sum = self.set(&fragment.selection_set);
        self.fragments.insert(name, Some(sum));
        sum
    }

    fn field(&mut self, field: &'a apollo_compiler::executable::Field) -> Sum {
        let aliased = u64::from(field.alias.as_ref().is_some_and(|alias| *alias != field.name));
        // Introspection has bounds of its own.
        if field.name.starts_with("__") {
            return Sum { aliases: aliased, fields: 1, cost: 1, ..Sum::default() };
        }
        let below = self.set(&field.selection_set);
        let own = u64::from(field.selection_set.selections.is_empty());
        Sum {
            depth: below.depth.saturating_add(1),
            aliases: below.aliases.saturating_add(aliased),
            directives: below.directives,
            fields: 1,
            cost: below.cost.saturating_mul(self.items(field)).saturating_add(own),
        }
    }

    /// How many objects a field may answer with.
    fn items(&self, field: &apollo_compiler::executable::Field) -> u64 {
        if let Some(ids) = field.specified_argument_by_name("ids") {
            return self.length(ids);
        }
        if field.definition.argument_by_name("first").is_none() {
            return 1;
        }
        match field.argument_by_name("first").ok().map(|it| &**it) {
            Some(Literal::Int(number)) => number.as_str().parse().unwrap_or(self.page_max),
            Some(Literal::Variable(name)) => {
                let given = self.variables.get(name.as_str()).and_then(JsonValue::as_u64);
                given.unwrap_or(self.page_max)
            }
            _ => self.page_max,
        }
    }

    fn length(&self, list: &Literal) -> u64 {
        let length = match list {
            Literal::List(items) => items.len(),
            Literal::Variable(name) => {
                let given = self.variables.get(name.as_str()).and_then(|it| it.as_array());
                given.map_or(1, Vec::len)
            }
            _ => 1,
        };
        u64::try_from(length).unwrap_or(u64::MAX)
    }
}

impl Sum {
    fn beside(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
            fields: self.fields.saturating_add(other.fields),
            cost: self.cost.saturating_add(other.cost),
        }
    }
}

#[cfg(test)]
mod tests {
    use apollo_compiler::Schema;

    use super::*;

    const SCHEMA: &str = "type Query { a: A as(first: Int = 100): [A] nodes(ids: [ID!]!): [A] } \
                          type A { a: A b: Int }";

    fn checked(query: &str) -> Option<(&'static str, u64)> {
        let schema = Schema::parse_and_validate(SCHEMA, "s.graphql").unwrap();
        let document = ExecutableDocument::parse_and_validate(&schema, query, "q.graphql").unwrap();
        let operation = document.operations.get(None).unwrap();
        let limits = OperationLimits {
            depth_max: 3,
            aliases_max: 2,
            root_fields_max: 3,
            directives_max: 1,
            cost_max: 400,
            page_max: 1_000,
            ..OperationLimits::default()
        };
        let exceeded = limits.check(&document, operation, &JsonMap::new()).err()?;
        Some((exceeded.name, exceeded.actual))
    }

    #[test]
    fn each_limit_refuses_on_its_side_of_the_line() {
        let cases = [
            ("{ a { a { b } } }", None),
            ("{ a { a { a { b } } } }", Some(("depth", 4))),
            ("{ x: a { y: b } }", None),
            ("{ x: a { y: b z: b } }", Some(("aliases", 3))),
            ("{ a { b } as { b } nodes(ids: [1]) { b } }", None),
            ("{ a { b } as { b } nodes(ids: [1]) { b } __typename }", Some(("root fields", 4))),
            ("{ a @skip(if: true) { b } }", None),
            ("{ a @skip(if: true) { b @skip(if: true) } }", Some(("directives", 2))),
            // What is below a list of 100 by default counts a hundred times.
            ("{ as { a { b } b } }", None),
            ("{ as(first: 200) { b a { b } } }", None),
            ("{ as(first: 201) { b a { b } } }", Some(("cost", 402))),
            ("{ nodes(ids: [1, 2]) { b } }", None),
            ("query($n: Int) { as(first: $n) { b } }", Some(("cost", 1_000))),
        ];
        for (query, expected) in cases {
            assert_eq!(checked(query), expected, "{query}");
        }
    }

    #[test]
    fn fragments_count_as_often_as_they_are_spread_and_are_looked_at_once() {
        // Each level spreads the next one twice: written out, it would be 2^20 fields.
        let level = |level: u32| {
            let next = level + 1;
            format!(
                " fragment F{level} on A {{ ...F{next} ...G{next} }} fragment G{next} on A {{ \
                 ...F{next} }}"
            )
        };
        let levels: String = (0..20).map(level).collect();
        let query = format!("{{ a {{ ...F0 }} }}{levels} fragment F20 on A {{ b }}");
        assert!(matches!(checked(&query), Some(("cost", cost)) if cost > 1_000_000));
    }
}
