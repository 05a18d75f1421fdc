//! From the text of a document to something that can be executed: parsed, validated, within its
//! limits, planned, its variables and arguments read.
//!
//! What follows from the text alone is kept, so that a program which sends the same document again
//! pays for its values only. A cache belongs to one schema and goes with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use apollo_compiler::executable::{ExecutableDocument, Operation, OperationType};
use apollo_compiler::parser::Parser;
use apollo_compiler::request::{RequestError, coerce_variable_values};
use apollo_compiler::response::{GraphQLError, JsonMap, JsonValue};
use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{Name, Node, introspection};
use serde_json::{Map, Value};

use crate::coerce;
use crate::fault::Fault;
use crate::limits::{LimitExceeded, OperationLimits};
use crate::plan::{Plan, ShapeOf, deciding_variables, plan};
use crate::request::Asked;
use crate::schema::Published;

/// Documents that are longer are not kept.
const KEPT_BYTES_MAX: usize = 32 * 1024;
/// So many documents are kept: twice this, half of them not used for a while.
const KEPT_MAX: usize = 512;
/// So many plans of one document are kept.
const PLANS_MAX: usize = 16;
/// So many faults of one document are told.
const FAULTS_MAX: usize = 20;

/// An operation that is ready to be executed.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) plan: Arc<Plan>,
    pub(crate) variables: Valid<JsonMap>,
    /// The arguments of each root field, in the order of the plan.
    pub(crate) arguments: Vec<Map<String, Value>>,
    known: Arc<Known>,
    operation: Node<Operation>,
}

/// A document that fits the schema.
#[derive(Debug)]
struct Known {
    document: Valid<ExecutableDocument>,
    plans: Mutex<Vec<Planned>>,
}

/// A plan, and what it was made for.
#[derive(Debug)]
struct Planned {
    operation: Option<Name>,
    deciding: Vec<Name>,
    decisions: Vec<Option<bool>>,
    plan: Arc<Plan>,
}

/// The documents that were sent lately.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    kept: Mutex<Kept>,
}

/// Two generations: what is asked for comes into the young one; when that is full, it becomes the
/// old one, and what was in the old one is forgotten.
#[derive(Debug, Default)]
struct Kept {
    young: HashMap<Box<str>, Arc<Known>>,
    old: HashMap<Box<str>, Arc<Known>>,
}

impl Kept {
    fn get(&mut self, text: &str) -> Option<Arc<Known>> {
        if let Some(known) = self.young.get(text) {
            return Some(Arc::clone(known));
        }
        let (text, known) = self.old.remove_entry(text)?;
        self.put(text, Arc::clone(&known));
        Some(known)
    }

    fn put(&mut self, text: Box<str>, known: Arc<Known>) {
        if self.young.len() >= KEPT_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(text, known);
    }
}

impl Documents {
    /// Makes ready what was asked for; or says everything that is wrong with it.
    pub(crate) fn prepare(
        &self,
        published: &Published,
        limits: &OperationLimits,
        asked: &Asked,
    ) -> Result<Prepared, Vec<Fault>> {
        let known = self.known(published, limits, &asked.query)?;
        let name = asked.operation_name.as_deref();
        let of_request = |error: RequestError| vec![request_fault(&known.document, &error)];
        let operation = known.document.operations.get(name).map_err(of_request)?.clone();
        let variables = coerce_variable_values(&published.schema, &operation, &asked.variables)
            .map_err(of_request)?;
        introspection::check_max_depth(&known.document, &operation).map_err(of_request)?;
        limits
            .check(&known.document, &operation, &variables)
            .map_err(|exceeded| vec![Fault::from(exceeded)])?;
        let plan = known.plan(published, &operation, &variables);
        let roots = plan.root.fields.iter();
        let arguments = roots.map(|field| coerce::arguments(published, field, &variables));
        let arguments = arguments.collect::<Result<_, _>>().map_err(|bad| vec![bad.into()])?;
        Ok(Prepared { plan, variables, arguments, known, operation })
    }

    fn known(
        &self,
        published: &Published,
        limits: &OperationLimits,
        text: &str,
    ) -> Result<Arc<Known>, Vec<Fault>> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept().get(text) {
            return Ok(known);
        }
        let document = read(published, limits, text)?;
        let known = Arc::new(Known { document, plans: Mutex::default() });
        if text.len() <= KEPT_BYTES_MAX {
            kept().put(text.into(), Arc::clone(&known));
        }
        Ok(known)
    }
}

impl Prepared {
    pub(crate) fn kind(&self) -> OperationType {
        self.plan.kind
    }

    /// Whether it asks for the schema itself.
    pub(crate) fn introspects(&self) -> bool {
        let mut roots = self.plan.root.fields.iter();
        roots.any(|field| matches!(field.shape.of, ShapeOf::Introspection))
    }

    /// What introspection answers, by the keys of the root fields that ask for it.
    pub(crate) fn introspect(&self, published: &Published) -> Result<JsonMap, Fault> {
        let executed = introspection::partial_execute(
            &published.schema,
            &published.implementers,
            &self.known.document,
            &self.operation,
            &self.variables,
        );
        let response = executed.map_err(|error| request_fault(&self.known.document, &error))?;
        Ok(response.data.unwrap_or_default())
    }

    /// Where in the document a root field is asked for.
    pub(crate) fn location(&self, root: usize) -> Vec<(usize, usize)> {
        let field = self.plan.root.fields.get(root);
        let span = field.and_then(|field| field.asked.name.location());
        let place = span.and_then(|span| span.line_column(&self.known.document.sources));
        place.into_iter().map(|place| (place.line, place.column)).collect()
    }
}

impl Known {
    fn plan(&self, published: &Published, operation: &Operation, variables: &JsonMap) -> Arc<Plan> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let decisions = |deciding: &[Name]| -> Vec<Option<bool>> {
            let values = deciding.iter().map(|name| variables.get(name.as_str()));
            values.map(|value| value.and_then(JsonValue::as_bool)).collect()
        };
        let fits = |it: &&Planned| {
            it.operation == operation.name && decisions(&it.deciding) == it.decisions
        };
        if let Some(planned) = plans.iter().find(fits) {
            return Arc::clone(&planned.plan);
        }
        let made = Arc::new(plan(published, &self.document, operation, variables));
        let deciding = deciding_variables(&self.document, operation);
        if plans.len() >= PLANS_MAX {
            plans.clear();
        }
        plans.push(Planned {
            operation: operation.name.clone(),
            decisions: decisions(&deciding),
            deciding,
            plan: Arc::clone(&made),
        });
        made
    }
}

fn read(
    published: &Published,
    limits: &OperationLimits,
    text: &str,
) -> Result<Valid<ExecutableDocument>, Vec<Fault>> {
    let mut parser = Parser::new().token_limit(limits.tokens_max);
    let parsed = parser.parse_ast(text, "request.graphql");
    let tokens = parser.tokens_reached();
    if tokens > limits.tokens_max {
        let count = |tokens: usize| u64::try_from(tokens).unwrap_or(u64::MAX);
        let (limit, actual) = (count(limits.tokens_max), count(tokens));
        return Err(vec![LimitExceeded { name: "tokens", limit, actual }.into()]);
    }
    let parsed = parsed.map_err(|invalid| faults(&invalid.errors, Fault::parse))?;
    parsed
        .to_executable_validate(&published.schema)
        .map_err(|invalid| faults(&invalid.errors, Fault::validation))
}

fn faults(errors: &DiagnosticList, make: impl Fn(String) -> Fault) -> Vec<Fault> {
    let told = errors.iter().take(FAULTS_MAX);
    told.map(|error| located(make(String::new()), error.to_json())).collect()
}

fn request_fault(document: &ExecutableDocument, error: &RequestError) -> Fault {
    located(Fault::bad_input("").of_document(), error.to_graphql_error(&document.sources))
}

fn located(fault: Fault, error: GraphQLError) -> Fault {
    let locations = error.locations.iter().map(|place| (place.line, place.column)).collect();
    Fault { message: error.message, locations, ..fault }
}
