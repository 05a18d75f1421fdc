//! Executes operations: root fields are asked of the engine, everything below them is projected
//! from what it gave back.
//!
//! The root fields of a query go side by side, those of a mutation one after the other, as the
//! specification wants it. What concerns one object in a mutation is data of its payload; what
//! concerns the request, or a read, is an error beside the data.

mod address;
mod bulk;
pub(crate) mod input;
mod mutation_errors;
mod pages;
pub(crate) mod reads;
mod spec;
mod status;
mod writes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apollo_compiler::executable::OperationType;
use apollo_compiler::response::JsonMap;
use futures_util::future::join_all;
use http::StatusCode;
use pintle_engine::{Engine, Refusal, Wait, Written};
use pintle_http::{Caller, Phase, Recording, Subject, answer};
use pintle_model::GroupResource;
use serde_json::{Map, Value};

use crate::data::Data;
use crate::fault::Fault;
use crate::limits::OperationLimits;
use crate::plan::{FieldPlan, ShapeOf};
use crate::prepare::Prepared;
use crate::project::{Bubble, FieldError, Writer};
use crate::schema::{Published, Root};

/// What is the same for all root fields of an operation.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) engine: Arc<Engine>,
    pub(crate) published: Arc<Published>,
    pub(crate) limits: OperationLimits,
    pub(crate) caller: Caller,
    /// Whether the caller has shown nothing, where others do.
    pub(crate) is_stranger: bool,
    pub(crate) recording: Arc<Recording>,
    /// Who writes, where an input does not say it.
    pub(crate) manager: String,
    /// What the writes of the operation have to tell beside their payloads.
    pub(crate) warnings: Mutex<Vec<String>>,
}

/// What an operation came to.
#[derive(Debug)]
pub(crate) struct Executed {
    /// `data`, as JSON text.
    pub(crate) data: String,
    /// What is told beside it.
    pub(crate) faults: Vec<Fault>,
    /// What was ignored or dropped, in full sentences.
    pub(crate) warnings: Vec<String>,
}

/// What became of a root field.
enum Resolved {
    Data(Data),
    /// Answered by the schema.
    Introspection,
    TypeName,
}

/// Executes a query or a mutation.
pub(crate) async fn execute(call: &Call, prepared: &Prepared) -> Executed {
    let introspection = match prepared.introspects().then(|| prepared.introspect(&call.published)) {
        None => JsonMap::new(),
        Some(Ok(found)) => found,
        Some(Err(fault)) => {
            let (data, faults) = ("null".to_owned(), vec![fault]);
            return Executed { data, faults, warnings: Vec::new() };
        }
    };
    let fields = prepared.plan.root.fields.iter().zip(&prepared.arguments);
    let resolved: Vec<Result<Resolved, Fault>> = if prepared.kind() == OperationType::Mutation {
        let writes = fields.clone().filter(|(field, _)| is_asked_of_the_engine(field)).count();
        let mut resolved = Vec::new();
        for (field, arguments) in fields {
            resolved.push(Box::pin(resolve(call, field, arguments, writes > 1)).await);
        }
        resolved
    } else {
        join_all(fields.map(|(field, arguments)| resolve(call, field, arguments, false))).await
    };
    let warnings = std::mem::take(&mut *call.warnings());
    Executed { warnings, ..project(prepared, resolved, &introspection) }
}

fn is_asked_of_the_engine(field: &FieldPlan) -> bool {
    !matches!(field.shape.of, ShapeOf::TypeName | ShapeOf::Introspection)
}

/// Asks the engine for one root field. `apart`: what it writes is recorded by itself.
async fn resolve(
    call: &Call,
    field: &FieldPlan,
    arguments: &Map<String, Value>,
    apart: bool,
) -> Result<Resolved, Fault> {
    match field.shape.of {
        ShapeOf::TypeName => return Ok(Resolved::TypeName),
        ShapeOf::Introspection => return Ok(Resolved::Introspection),
        _ => {}
    }
    let root = call.published.roots.get(&field.name);
    let root = root.ok_or_else(|| Fault::kind_not_served("nothing answers this field"))?;
    let input = input::Input::of(arguments);
    let data = match root {
        Root::Node => reads::node(call, input).await,
        Root::Nodes => reads::nodes(call, input).await,
        Root::Resource => reads::resource(call, input).await,
        Root::Resources => reads::resources(call, input).await,
        Root::Get(kind) => reads::get(call, kind, input).await,
        Root::List(kind) => reads::list(call, kind, input).await,
        Root::Create(kind) => spec::create(call, kind, input.below("input"), apart).await,
        Root::Update(kind) => spec::update(call, kind, input.below("input"), apart).await,
        Root::Patch(kind) => spec::patch(call, kind, input.below("input"), apart).await,
        Root::Delete(kind) => spec::delete(call, kind, input.below("input"), apart).await,
        Root::UpdateStatus(kind) => status::update(call, kind, input.below("input"), apart).await,
        Root::PatchStatus(kind) => status::patch(call, kind, input.below("input"), apart).await,
        Root::ApplyConditions(kind) => {
            status::apply_conditions(call, kind, input.below("input"), apart).await
        }
        Root::BulkUpdateStatus(kind) => bulk::update(call, kind, input.below("input")).await,
        Root::UpdateResourceStatus => {
            status::update_resource(call, input.below("input"), apart).await
        }
        Root::PatchResourceStatus => {
            status::patch_resource(call, input.below("input"), apart).await
        }
        Root::Watch(_) | Root::WatchResources => {
            Err(Fault::bad_input("a subscription needs a transport that can tell more than once"))
        }
    };
    data.map(Resolved::Data)
}

/// Writes the data, and collects what could not be given.
fn project(
    prepared: &Prepared,
    resolved: Vec<Result<Resolved, Fault>>,
    introspection: &JsonMap,
) -> Executed {
    let mut faults = Vec::new();
    let mut writer = Writer::new(&prepared.variables);
    let mut resolved = resolved.into_iter().enumerate();
    let written = writer.fields(&prepared.plan.root, None, |writer, field, at| {
        let (index, found) = resolved.next().ok_or(Bubble)?;
        match found {
            Ok(Resolved::Data(data)) => writer.value(&data, &field.shape, at),
            Ok(Resolved::TypeName) => {
                writer.type_name(&prepared.plan.root);
                Ok(())
            }
            Ok(Resolved::Introspection) => {
                let value = introspection.get(&*field.key);
                let text = value.map_or_else(|| "null".to_owned(), ToString::to_string);
                writer.out.push_str(&text);
                Ok(())
            }
            Err(fault) => {
                let locations = prepared.location(index);
                faults.push(Fault { locations, path: at.to_values().into(), ..fault });
                writer.absent(field)
            }
        }
    });
    let Writer { out, errors, .. } = writer;
    faults.extend(errors.into_iter().map(|error| field_fault(prepared, error)));
    let data = if written.is_ok() { out } else { "null".to_owned() };
    Executed { data, faults, warnings: Vec::new() }
}

/// A stored value that is not what the schema promises.
pub(crate) fn field_fault(prepared: &Prepared, error: FieldError) -> Fault {
    let FieldError { path, message } = error;
    let key = path.first().and_then(Value::as_str).unwrap_or_default();
    let roots = &prepared.plan.root.fields;
    let root = roots.iter().position(|field| *field.key == *key).unwrap_or_default();
    let locations = prepared.location(root);
    let fault = Fault::new("INVALID_STORED_VALUE", StatusCode::INTERNAL_SERVER_ERROR, message);
    Fault { locations, path: path.into(), ..fault }
}

/// So many warnings an operation collects.
const WARNINGS_MAX: usize = 100;

impl Call {
    fn warnings(&self) -> MutexGuard<'_, Vec<String>> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes down what was written, and what there is to tell of it. Where an operation writes
    /// several objects, a warning says which one it is about.
    pub(crate) fn written_down(&self, recording: &Recording, written: &Written, apart: bool) {
        recording.note(|exchange| exchange.written(written));
        if let Some(Wait { began, took }) = written.waited {
            recording.took(Phase::Commit, began, took);
        }
        if written.warnings.is_empty() {
            return;
        }
        let mut warnings = self.warnings();
        let room = WARNINGS_MAX.saturating_sub(warnings.len());
        let key = &written.object.key;
        let named = |warning: &String| {
            if apart { format!("{key}: {warning}") } else { warning.clone() }
        };
        warnings.extend(written.warnings.iter().take(room).map(named));
    }

    /// A refusal of something that is told beside the data.
    pub(crate) fn refused(&self, refusal: &Refusal, resource: &GroupResource, name: &str) -> Fault {
        if self.is_stranger && matches!(refusal, Refusal::Forbidden(_)) {
            return Self::login_required();
        }
        let subject = Subject { resource: resource.clone(), name: name.to_owned() };
        let found = answer(refusal, &subject);
        self.recording.note(|exchange| {
            exchange.refused(refusal);
            exchange.told(&found);
        });
        match refusal {
            Refusal::Forbidden(forbidden) => {
                let ask = &forbidden.ask;
                let part = ask.subresource.as_ref().map(pintle_authz::Subresource::as_str);
                Fault::of(found)
                    .with("verb", ask.verb.as_str())
                    .with("resource", ask.resource.as_str())
                    .with("subresource", part)
            }
            Refusal::Expired { asked, oldest } => Fault::of(found)
                .with("requestedResourceVersion", asked.to_string())
                .with("oldestResourceVersion", oldest.to_string())
                .with("currentResourceVersion", self.engine.newest().to_string()),
            _ => Fault::of(found),
        }
    }

    fn login_required() -> Fault {
        Fault::unauthenticated("send `Authorization: Bearer <token>`")
    }
}
