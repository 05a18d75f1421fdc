//! [`RestDoor`]: from a request to the function that answers it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::request::Parts;
use http::{Method, Request, Response};
use pintle_authz::{Ask, Asks, Granted, Verb};
use pintle_engine::{Engine, Served};
use pintle_events::Bus;
use pintle_http::health;
use pintle_http::{
    Body, Caller, Door, Entrance, EventCache, Exchange, Metrics, Phase, Recording, RequestBody,
};
use pintle_model::{GroupResource, ObjectKey, Scope, Uid};
use pintle_schema::Version;

use crate::openapi::{Description, Terms};
use crate::query::Query;
use crate::reply::{Failure, Page, answer_failure};
use crate::route::{Operation, Place, Route};
use crate::watch::Told;
use crate::{accept, events, read, reply, review, watch, write};

/// What the REST door can be told.
#[derive(Debug, Clone, Default)]
pub struct RestSettings {
    /// What it asks of callers, as every door does.
    pub entrance: Entrance,
    /// Refuse status writes that do not say which version they were computed from (428).
    pub require_status_precondition: bool,
    /// What is counted and timed, for the page that shows it. It has to be among the observers.
    /// Without it there is no such page.
    pub metrics: Option<Arc<Metrics>>,
}

impl RestSettings {
    /// What of it shows in the description of the door.
    pub(crate) const fn terms(&self) -> Terms {
        Terms {
            authenticates: self.entrance.authentication.asks(),
            takes_certificates: self.entrance.authentication.takes_certificates(),
            serves_anonymous: self.entrance.authentication.takes_anonymous(),
            requires_status_precondition: self.require_status_precondition,
        }
    }
}

/// The REST door over one engine.
#[derive(Debug)]
pub struct RestDoor {
    pub(crate) engine: Arc<Engine>,
    pub(crate) settings: RestSettings,
    pub(crate) bus: Arc<Bus>,
    pub(crate) events: EventCache<Told>,
    pub(crate) description: Description,
}

impl RestDoor {
    /// A door over this engine, with events from its bus.
    pub fn new(engine: Arc<Engine>, bus: Arc<Bus>, settings: RestSettings) -> Arc<Self> {
        let (events, description) = (EventCache::default(), Description::default());
        Arc::new(Self { engine, settings, bus, events, description })
    }

    async fn answer(self: Arc<Self>, request: Request<RequestBody>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let recording = Recording::begin("rest", &self.settings.entrance.observers, &parts);
        let routed = Arc::clone(&self).route(&parts, body, &recording).await;
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
        let route = Route::parse(parts.uri.path())?;
        recording.note(|exchange| exchange.path = route.template());
        if let Route::Fixed(page) = route {
            if let Some(path) = page.guarded_path() {
                let caller = self.identify(parts, recording).await?;
                self.check_path(&caller, &parts.method, path)?;
                recording.note(Exchange::allowed_path);
            }
            return Box::pin(self.on_page(parts, page)).await;
        }
        let caller = self.identify(parts, recording).await?;
        let (name, place) = match route {
            Route::Resource { name, place } => (name, place),
            Route::Review(kind) => {
                let reviewed = review::review(&self, parts, body, recording, &caller, kind);
                return Box::pin(reviewed).await;
            }
            Route::Events | Route::Fixed(_) => {
                self.check_path(&caller, &parts.method, "/events")?;
                return Box::pin(events::events(&self, parts, caller, recording)).await;
            }
        };
        let stranger = self.settings.entrance.is_stranger(&caller);
        recording.note(|exchange| exchange.verb = place.verb(&parts.method));
        let answered = match self.open(parts, recording, caller, &name, &place) {
            Ok((call, operation)) => self.on_resource(call, operation, place, body).await,
            // Which of its faults is told would say whether the kind exists.
            Err(_) if stranger => Err(Failure::LoginRequired),
            Err(failure) => Err(failure),
        };
        answered.map_err(|failure| {
            if stranger && failure.tells_of_kinds() { Failure::LoginRequired } else { failure }
        })
    }

    /// Who calls, or whom the caller acts as.
    async fn identify(&self, parts: &Parts, recording: &Recording) -> Result<Caller, Failure> {
        let entrance = &self.settings.entrance;
        let caller = entrance.identify(parts, recording).await?;
        Ok(entrance.acting(&self.engine, caller, &parts.headers, recording)?)
    }

    /// Asks the rules about a path that belongs to no kind. As for objects, whoever may see a page
    /// may see its headers.
    fn check_path(&self, caller: &Caller, method: &Method, path: &str) -> Result<(), Failure> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let verb = Verb::parse(&method.as_str().to_ascii_lowercase());
        let checked = self.engine.rules().check_path(&caller.user, &verb, path);
        let stranger = self.settings.entrance.is_stranger(caller);
        let refused =
            |no| if stranger { Failure::LoginRequired } else { Failure::PathForbidden(no) };
        checked.map_err(refused)
    }

    /// What is called. A path that cannot do a thing cannot do it with any query.
    fn open<'a>(
        &'a self,
        parts: &'a Parts,
        recording: &'a Arc<Recording>,
        caller: Caller,
        name: &str,
        place: &Place,
    ) -> Result<(Call<'a>, Operation), Failure> {
        let served = find_kind(self, name)?;
        let operation = place.shape().operation(&parts.method)?;
        Ok((Call::new(self, parts, recording, caller, served)?, operation))
    }

    async fn on_resource(
        self: &Arc<Self>,
        call: Call<'_>,
        operation: Operation,
        place: Place,
        body: RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let (id, condition) = place.into_names();
        // A GET runs in place. What keeps more in hand while it waits is boxed, or every request
        // would carry as much.
        match operation {
            Operation::List if call.query.watch => {
                call.recording.note(|exchange| exchange.verb = Some(Verb::Watch));
                Box::pin(watch::watch(self, call)).await
            }
            Operation::List => Box::pin(read::list(call)).await,
            Operation::Create => Box::pin(write::create(call, body)).await,
            Operation::Get => read::get(call, &id, false).await,
            Operation::Replace => Box::pin(write::replace(call, &id, body)).await,
            Operation::Patch => Box::pin(write::patch(call, &id, body)).await,
            Operation::Delete => Box::pin(write::delete(call, &id, body)).await,
            Operation::GetStatus => read::get(call, &id, true).await,
            Operation::ReplaceStatus => Box::pin(write::replace_status(call, &id, body)).await,
            Operation::PatchStatus => Box::pin(write::patch_status(call, &id, body)).await,
            Operation::PutCondition => {
                Box::pin(write::put_condition(call, &id, condition, body)).await
            }
            Operation::RemoveCondition => {
                Box::pin(write::remove_condition(call, &id, condition)).await
            }
        }
    }

    async fn on_page(&self, parts: &Parts, page: Page) -> Result<Response<Body>, Failure> {
        page.check_method(&parts.method)?;
        match page {
            Page::OpenApi => {
                accept::check(&parts.headers)?;
                self.description.answer(self, &parts.headers).await
            }
            Page::Docs(asset) => Ok(asset.response()),
            Page::Metrics => {
                let metrics = self.settings.metrics.as_deref().ok_or(Failure::NoMetrics)?;
                Ok(reply::metrics(&self.engine, metrics, parts))
            }
            Page::Health => Ok(reply::health()),
            Page::Healthz => Ok(reply::checked("healthz", &health::alive(), parts)),
            Page::Livez => Ok(reply::checked("livez", &health::alive(), parts)),
            Page::Readyz => Ok(reply::checked("readyz", &health::ready(&self.engine), parts)),
            Page::Reserved(path) => Err(Failure::ReservedPath { path }),
        }
    }
}

impl Door for RestDoor {
    fn handle(
        self: Arc<Self>,
        request: Request<RequestBody>,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(self.answer(request))
    }
}

/// One call on one resource: everything that is known before the body is read.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) door: &'a RestDoor,
    pub(crate) parts: &'a Parts,
    pub(crate) recording: &'a Arc<Recording>,
    pub(crate) caller: Caller,
    pub(crate) query: Query,
    pub(crate) served: Arc<Served>,
    pub(crate) version: Arc<Version>,
}

impl<'a> Call<'a> {
    fn new(
        door: &'a RestDoor,
        parts: &'a Parts,
        recording: &'a Arc<Recording>,
        caller: Caller,
        served: Arc<Served>,
    ) -> Result<Self, Failure> {
        let query = Query::parse(parts.uri.query())?;
        recording.note(|exchange| {
            exchange.resource = Some(served.resource());
            exchange.dry_run = query.dry_run;
        });
        accept::check(&parts.headers)?;
        let version = reply::negotiate(&served, &parts.headers)?;
        if served.definition.kind.scope == Scope::Cluster && query.namespace.is_some() {
            return Err(Failure::NotNamespaced { resource: served.resource() });
        }
        Ok(Self { door, parts, recording, caller, query, served, version })
    }

    pub(crate) fn engine(&self) -> &'a Engine {
        &self.door.engine
    }

    /// Asks the rules. What they say is noted.
    pub(crate) fn grant<A: Asks>(&self, request: A, id: &str) -> Result<Granted<A>, Failure> {
        let asked = self.recording.now();
        let granted = self.engine().rules().grant(&self.caller.user, request);
        if let Some(asked) = asked {
            self.recording.took(Phase::Authorization, asked, asked.elapsed());
        }
        let granted = granted.map_err(|forbidden| self.refused(forbidden.into(), id))?;
        self.recording.note(|exchange| exchange.allowed(&granted));
        Ok(granted)
    }

    /// Asks the rules about something that is only a part of the request. It is noted when they
    /// refuse.
    pub(crate) fn may(&self, ask: Ask, id: &str) -> Result<(), Failure> {
        let granted = self.engine().rules().grant(&self.caller.user, ask);
        granted.map(drop).map_err(|forbidden| self.refused(forbidden.into(), id))
    }

    pub(crate) fn resource(&self) -> GroupResource {
        self.served.resource()
    }

    pub(crate) fn is_namespaced(&self) -> bool {
        self.served.definition.kind.scope == Scope::Namespaced
    }

    /// The namespace that a request without one means.
    pub(crate) fn namespace(&self) -> &str {
        match (self.is_namespaced(), &self.query.namespace) {
            (false, _) => "",
            (true, Some(namespace)) => namespace,
            (true, None) => "default",
        }
    }

    /// Finds the object that a path names: by uid, else by name.
    ///
    /// What looks like a uid and belongs to nothing is addressed in no namespace, so that a caller
    /// who may not look everywhere is refused alike, whether or not it exists elsewhere. It may
    /// still be a name, which is told only to whoever may see the object that has it.
    pub(crate) fn address(&self, id: &str) -> ObjectKey {
        let resource = self.resource();
        let namespace = self.namespace();
        // A namespace that is named is meant: then what is elsewhere is not found, whatever it is.
        let elsewhere =
            |key: &ObjectKey| self.query.namespace.is_some() && *key.name.namespace != *namespace;
        if !self.query.by_name
            && let Some(found) = self.engine().resolve(&resource, &Uid::from(id))
            && !elsewhere(&found.key)
        {
            return found.key.clone();
        }
        let by_name = ObjectKey::new(resource.clone(), namespace, id);
        if self.query.by_name {
            return by_name;
        }
        let unknown_uid = self.is_namespaced()
            && self.query.namespace.is_none()
            && looks_like_uid(id, &self.served.definition.kind.kind);
        let user = &self.caller.user;
        let is_seen = unknown_uid && self.engine().shows_any(user, &by_name);
        if unknown_uid && !is_seen { ObjectKey::new(resource, "", id) } else { by_name }
    }
}

/// `<lowercase kind>-<hex>`, or the UUID of an object that another door made.
fn looks_like_uid(id: &str, kind: &str) -> bool {
    is_uuid(id)
        || id.rsplit_once('-').is_some_and(|(prefix, hex)| {
            prefix == kind.to_lowercase()
                && hex.len() >= 16
                && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}

fn is_uuid(id: &str) -> bool {
    let lengths = id.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && id.bytes().all(|it| it == b'-' || it.is_ascii_hexdigit())
}

/// The kind that a path names: by its plural, or by plural and group.
fn find_kind(door: &RestDoor, name: &str) -> Result<Arc<Served>, Failure> {
    let catalog = door.engine.catalog();
    let found = if let Some((plural, group)) = name.split_once('.') {
        let group = if group == "core" { "" } else { group };
        catalog.get(&GroupResource::new(group, plural)).cloned()
    } else {
        let found = catalog.by_short_name(name).cloned();
        if found.is_none() && catalog.by_plural(name).next().is_some() {
            let names = catalog.by_plural(name).map(|served| qualified(served)).collect();
            return Err(Failure::AmbiguousKind { plural: name.to_owned(), names });
        }
        found
    };
    found.ok_or_else(|| Failure::UnknownKind { name: name.chars().take(128).collect() })
}

/// The name of a kind that always works, as a path.
pub(crate) fn qualified(served: &Served) -> String {
    let kind = &served.definition.kind;
    let group = if kind.group.is_empty() { "core" } else { &kind.group };
    format!("/{}.{group}", kind.plural)
}
