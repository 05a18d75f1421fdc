//! [`KubeDoor`]: from a request to the function that answers it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use pintle_authz::{Ask, Asks, Granted, ReviewKind, Verb};
use pintle_engine::{Engine, Refusal, Served};
use pintle_http::{
    Body, Caller, Door, Entrance, EventCache, Exchange, NotActing, Recording, RequestBody, Serving,
    add_warnings,
};
use pintle_model::{GroupResource, ObjectKey, Scope};
use pintle_schema::Version;

use crate::document::View;
use crate::face::Face;
use crate::query::Query;
use crate::refusals::Deed;
use crate::reply::{Failure, Refused, answer_failure};
use crate::route::{Route, Target};
use crate::status::About;
use crate::{delete, discovery, read, review, scale, watch, write};

/// What the Kubernetes door can be told.
#[derive(Debug, Clone, Default)]
pub struct KubeSettings {
    /// What is the same for all doors of a server.
    pub entrance: Entrance,
}

/// The Kubernetes door over one engine.
#[derive(Debug)]
pub struct KubeDoor {
    pub(crate) engine: Arc<Engine>,
    pub(crate) settings: KubeSettings,
    pub(crate) pages: discovery::Pages,
    pub(crate) events: EventCache<watch::Told>,
}

/// No body is larger, whatever other doors take; as upstream.
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

impl KubeDoor {
    /// The first segments of the paths that it answers.
    pub const SEGMENTS: &'static [&'static str] = &["api", "apis", "openapi", "version"];

    /// A door over this engine.
    pub fn new(engine: Arc<Engine>, settings: KubeSettings) -> Arc<Self> {
        let mut settings = settings;
        let bytes_max = &mut settings.entrance.body_bytes_max;
        *bytes_max = BODY_BYTES_MAX.min(*bytes_max);
        let (pages, events) = (discovery::Pages::default(), EventCache::default());
        Arc::new(Self { engine, settings, pages, events })
    }

    async fn answer(self: Arc<Self>, request: Request<RequestBody>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let observers = &self.settings.entrance.observers;
        let recording = Recording::begin("kubernetes", observers, &parts);
        let routed = Box::pin(Arc::clone(&self).route(&parts, body, &recording)).await;
        let mut response = routed.unwrap_or_else(|failure| answer_failure(&failure, &recording));
        if let Err(closed) = recording.pass().await {
            response = answer_failure(&Failure::Closed(closed), &recording);
        }
        recording.answered(response)
    }

    async fn route(
        self: Arc<Self>,
        parts: &Parts,
        body: RequestBody,
        recording: &Arc<Recording>,
    ) -> Result<Response<Body>, Failure> {
        self.settings.entrance.check_host(parts)?;
        let route = Route::parse(parts.uri.path());
        let caller = self.settings.entrance.identify(parts, recording).await?;
        let caller = self.acting(caller, parts, recording)?;
        let Some(route) = route else {
            self.check_path(&caller, parts)?;
            return Err(Failure::NoSuchPath);
        };
        recording.note(|exchange| exchange.path = route.template());
        match route {
            Route::Objects(target) => self.on_objects(parts, body, recording, caller, target).await,
            page => {
                self.check_path(&caller, parts)?;
                recording.note(Exchange::allowed_path);
                if parts.method != Method::GET && parts.method != Method::HEAD {
                    return Err(Failure::MethodNotAllowed { allow: "GET, HEAD" });
                }
                discovery::page(&self, parts, &page)
            }
        }
    }

    /// The caller, or whom it asks to act as.
    fn acting(
        &self,
        caller: Caller,
        parts: &Parts,
        recording: &Recording,
    ) -> Result<Caller, Failure> {
        let entrance = &self.settings.entrance;
        let acting = entrance.acting(&self.engine, caller, &parts.headers, recording);
        acting.map_err(|error| match error {
            NotActing::Malformed(why) => Failure::bad_request(why),
            NotActing::Stranger => Failure::LoginRequired,
            NotActing::Forbidden(forbidden) => {
                let plural = forbidden.ask.resource.plural().to_owned();
                let name = forbidden.ask.name.as_deref().unwrap_or_default().to_owned();
                let about = About { plural, name, ..About::default() };
                let refusal = Refusal::Forbidden(*forbidden);
                Failure::Refused(Box::new(Refused { refusal, about, deed: Deed::Read }))
            }
        })
    }

    /// Asks the rules about a path that belongs to no object.
    fn check_path(&self, caller: &Caller, parts: &Parts) -> Result<(), Failure> {
        let method = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
        let verb = Verb::parse(&method.as_str().to_ascii_lowercase());
        let checked = self.engine.rules().check_path(&caller.user, &verb, parts.uri.path());
        let stranger = self.settings.entrance.is_stranger(caller);
        let refused =
            |no| if stranger { Failure::LoginRequired } else { Failure::PathForbidden(no) };
        checked.map_err(refused)
    }

    async fn on_objects(
        self: Arc<Self>,
        parts: &Parts,
        body: RequestBody,
        recording: &Arc<Recording>,
        caller: Caller,
        target: Target,
    ) -> Result<Response<Body>, Failure> {
        let query = Query::parse(parts.uri.query());
        let watches = query.as_ref().is_ok_and(|it| it.flag("watch").ok() == Some(Some(true)));
        let verb = target.verb(&parts.method, watches);
        recording.note(|exchange| exchange.verb.clone_from(&verb));
        let resource = GroupResource::new(&target.at.group, &target.plural);
        let asked = review::Asked { door: &self, parts, recording, caller: &caller };
        if let Some(kind) = review_of(&target, &resource) {
            let question = review::Question { asked, kind };
            return question.answer(&target, body).await;
        }
        if review::asks_about_tokens(&target) {
            return review::token(asked, body).await;
        }
        let found = find(&self.engine, &resource, &target);
        if found.is_err() {
            recording.note(|exchange| exchange.serving = Serving::Unserved);
        }
        let operated = found.and_then(|found| {
            let operation = operation(&target, &found.served, &found.version, verb.as_ref())?;
            Ok((found, operation))
        });
        let (Found { served, version, face }, operation) = match operated {
            Ok(found) => found,
            // Whoever may not is told so first, whether or not there is such a thing.
            Err(failure) => {
                return Err(self.may_at_all(&caller, verb, resource, &target, failure));
            }
        };
        let query = query?;
        recording.note(|exchange| exchange.resource = Some(served.resource()));
        let warning = face.deprecation();
        let call =
            Call { door: &self, parts, recording, caller, query, target, served, version, face };
        let done = Box::pin(self.carry_out(call, operation, body)).await;
        let Some(warning) = warning else { return done };
        let mut response = done.unwrap_or_else(|failure| answer_failure(&failure, recording));
        add_warnings(response.headers_mut(), &[warning]);
        Ok(response)
    }

    async fn carry_out(
        self: &Arc<Self>,
        call: Call<'_>,
        operation: Operation,
        body: RequestBody,
    ) -> Result<Response<Body>, Failure> {
        match operation {
            Operation::List => read::list(call).await,
            Operation::Watch => watch::watch(self, call).await,
            Operation::Get => read::get(call).await,
            Operation::Create => write::create(call, body).await,
            Operation::Replace => write::replace(call, body).await,
            Operation::Patch => write::patch(call, body).await,
            Operation::Delete => delete::delete(call, body).await,
            Operation::DeleteMany => delete::delete_many(call, body).await,
            Operation::Scale => scale::scale(call, body).await,
        }
    }

    fn may_at_all(
        &self,
        caller: &Caller,
        verb: Option<Verb>,
        resource: GroupResource,
        target: &Target,
        failure: Failure,
    ) -> Failure {
        if self.settings.entrance.is_stranger(caller) {
            return Failure::LoginRequired;
        }
        let Some(verb) = verb else { return failure };
        let text = |text: &Option<String>| text.as_deref().map(Arc::from);
        let name = if verb == Verb::Create { None } else { text(&target.name) };
        let about = About {
            group: target.at.group.clone(),
            plural: target.plural.clone(),
            version: target.at.version.clone(),
            kind: String::new(),
            name: target.name.clone().unwrap_or_default(),
        };
        let subresource = target.subresource();
        let ask = Ask { verb, resource, subresource, namespace: text(&target.namespace), name };
        match self.engine.rules().grant(&caller.user, ask) {
            Ok(_) => failure,
            Err(forbidden) => {
                let refusal = forbidden.into();
                Failure::Refused(Box::new(Refused { refusal, about, deed: Deed::Read }))
            }
        }
    }
}

/// The question about rights that a path names.
fn review_of(target: &Target, resource: &GroupResource) -> Option<ReviewKind> {
    let at_all = target.at.version == "v1" && target.name.is_none();
    ReviewKind::ALL.into_iter().find(|kind| at_all && kind.resource() == *resource)
}

/// The kind and the version that a path names.
struct Found {
    served: Arc<Served>,
    version: Arc<Version>,
    face: Face,
}

fn find(engine: &Engine, resource: &GroupResource, target: &Target) -> Result<Found, Failure> {
    let catalog = engine.catalog();
    if let Some((shown, view)) = catalog.view(resource) {
        let served = catalog.get(&view.of).ok_or(Failure::NoSuchPath)?;
        let version = version(shown, target)?;
        let face = Face { served: Arc::clone(shown), version, fields: view.fields };
        let version = Arc::clone(served.default_version());
        return Ok(Found { served: Arc::clone(served), version, face });
    }
    let served = catalog.get(resource).ok_or(Failure::NoSuchPath)?;
    let version = version(served, target)?;
    let face = Face { served: Arc::clone(served), version: Arc::clone(&version), fields: &[] };
    Ok(Found { served: Arc::clone(served), version, face })
}

fn version(served: &Served, target: &Target) -> Result<Arc<Version>, Failure> {
    let version = served.definition.version(&target.at.version).filter(|it| it.served);
    version.cloned().ok_or(Failure::NoSuchPath)
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    List,
    Watch,
    Get,
    Create,
    Replace,
    Patch,
    Delete,
    DeleteMany,
    Scale,
}

/// What a method does where a path points.
fn operation(
    target: &Target,
    served: &Served,
    version: &Version,
    verb: Option<&Verb>,
) -> Result<Operation, Failure> {
    let namespaced = served.definition.kind.scope == Scope::Namespaced;
    let misplaced = match (&target.namespace, &target.name) {
        (Some(_), _) => !namespaced,
        (None, Some(_)) => namespaced,
        (None, None) => false,
    };
    if misplaced {
        return Err(Failure::NoSuchPath);
    }
    match target.part.as_deref() {
        None => of_objects(target, served, verb),
        Some("status") if version.status_subresource => match verb {
            Some(Verb::Get) => Ok(Operation::Get),
            Some(Verb::Update) => Ok(Operation::Replace),
            Some(Verb::Patch) => Ok(Operation::Patch),
            _ => Err(Failure::MethodNotAllowed { allow: "GET, HEAD, PUT, PATCH" }),
        },
        Some("scale") if version.scale.is_some() => match verb {
            Some(Verb::Get | Verb::Update | Verb::Patch) => Ok(Operation::Scale),
            _ => Err(Failure::MethodNotAllowed { allow: "GET, HEAD, PUT, PATCH" }),
        },
        Some(write::FINALIZE) if served.definition.habits.finalizers.is_some() => match verb {
            Some(Verb::Update) => Ok(Operation::Replace),
            _ => Err(Failure::MethodNotAllowed { allow: "PUT" }),
        },
        Some(_) => Err(Failure::NoSuchPath),
    }
}

fn of_objects(target: &Target, served: &Served, verb: Option<&Verb>) -> Result<Operation, Failure> {
    let namespaced = served.definition.kind.scope == Scope::Namespaced;
    let everywhere = namespaced && target.namespace.is_none();
    let singly = served.definition.habits.deleted_singly;
    match (&target.name, verb) {
        (_, Some(Verb::Watch)) => Ok(Operation::Watch),
        (None, Some(Verb::List)) => Ok(Operation::List),
        (None, Some(Verb::Create)) if !everywhere => Ok(Operation::Create),
        (None, Some(Verb::DeleteCollection)) if !(everywhere || singly) => {
            Ok(Operation::DeleteMany)
        }
        (None, _) if everywhere => Err(Failure::MethodNotAllowed { allow: "GET, HEAD" }),
        (None, _) if singly => Err(Failure::MethodNotAllowed { allow: "GET, HEAD, POST" }),
        (None, _) => Err(Failure::MethodNotAllowed { allow: "GET, HEAD, POST, DELETE" }),
        (Some(_), Some(Verb::Get)) => Ok(Operation::Get),
        (Some(_), Some(Verb::Update)) => Ok(Operation::Replace),
        (Some(_), Some(Verb::Patch)) => Ok(Operation::Patch),
        (Some(_), Some(Verb::Delete)) => Ok(Operation::Delete),
        (Some(_), _) => Err(Failure::MethodNotAllowed { allow: "GET, HEAD, PUT, PATCH, DELETE" }),
    }
}

impl Door for KubeDoor {
    fn handle(
        self: Arc<Self>,
        request: Request<RequestBody>,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(self.answer(request))
    }
}

/// One call on objects of one kind: everything that is known before the body is read.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) door: &'a Arc<KubeDoor>,
    pub(crate) parts: &'a Parts,
    pub(crate) recording: &'a Arc<Recording>,
    pub(crate) caller: Caller,
    pub(crate) query: Query,
    pub(crate) target: Target,
    pub(crate) served: Arc<Served>,
    pub(crate) version: Arc<Version>,
    pub(crate) face: Face,
}

impl<'a> Call<'a> {
    pub(crate) fn engine(&self) -> &'a Engine {
        &self.door.engine
    }

    pub(crate) fn resource(&self) -> GroupResource {
        self.served.resource()
    }

    /// Whether the server has the kind without being told. Upstream treats those differently in
    /// ways that clients see.
    pub(crate) fn is_built_in(&self) -> bool {
        self.served.definition.core
    }

    pub(crate) fn name(&self) -> &str {
        self.target.name.as_deref().unwrap_or_default()
    }

    /// Where the object is that the path names, or would be.
    pub(crate) fn key(&self) -> ObjectKey {
        let namespace = self.target.namespace.as_deref().unwrap_or_default();
        ObjectKey::new(self.resource(), namespace, self.name())
    }

    pub(crate) fn about(&self, name: &str) -> About {
        let kind = &self.face.served.definition.kind;
        About {
            group: kind.group.to_string(),
            plural: kind.plural.to_string(),
            version: self.face.version.name.to_string(),
            kind: kind.kind.to_string(),
            name: name.to_owned(),
        }
    }

    /// Asks the rules. What they say is noted.
    pub(crate) fn grant<A: Asks>(&self, request: A) -> Result<Granted<A>, Failure> {
        let granted = self.engine().rules().grant(&self.caller.user, request);
        let granted =
            granted.map_err(|forbidden| self.refused(forbidden.into(), self.name(), Deed::Read))?;
        self.recording.note(|exchange| exchange.allowed(&granted));
        Ok(granted)
    }

    pub(crate) fn refused(&self, refusal: Refusal, name: &str, deed: Deed) -> Failure {
        let stranger = self.door.settings.entrance.is_stranger(&self.caller);
        if stranger && matches!(refusal, Refusal::Forbidden(_)) {
            return Failure::LoginRequired;
        }
        Failure::Refused(Box::new(Refused { refusal, about: self.about(name), deed }))
    }

    pub(crate) async fn read_body(&self, body: RequestBody) -> Result<Bytes, Failure> {
        let entrance = &self.door.settings.entrance;
        Ok(entrance.read_body(self.parts, body, self.recording).await?)
    }

    /// How much of an object the caller sees in an answer: the body only with the right to it.
    pub(crate) fn view(&self, object: &Arc<pintle_model::Object>) -> View {
        let body = self.engine().shows(&self.caller.user, object);
        View { body, typed: true, fields: self.face.fields }
    }

    /// Whether there is such an object, and the caller may read it.
    pub(crate) fn may_get(&self, key: &ObjectKey) -> bool {
        self.engine().shows_any(&self.caller.user, key)
    }
}
