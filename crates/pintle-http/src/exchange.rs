//! [`Exchange`]: what is known of one request. It is filled in on the way through a door, and told
//! to [`Observer`]s when it was answered, and when its stream has ended.

mod details;
mod log;
mod observers;
mod recording;
mod request_id;
mod trace;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use pintle_authz::{Ask, Granted, Grounds, Subresource, User, Verb};
use pintle_engine::{Refusal, Written};
use pintle_model::{GroupResource, Object, ObjectKey, Revision, Uid};
use pintle_rules::Refusal as RulesRefusal;

pub use details::{Details, Phase, Step};
pub use log::RequestLog;
pub use observers::{Gate, Observer, Observers, Pass, Passage};
pub use recording::Recording;
pub use request_id::RequestId;
pub use trace::TraceParent;

use crate::{Answer, Caller, Connection, Reason};

/// What is known of one request.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Its name in answers, logs and records.
    pub id: RequestId,
    /// The trace that the caller counts it to.
    pub trace: Option<TraceParent>,
    /// The door that it came through.
    pub door: &'static str,
    /// Where it came from.
    pub peer: Option<SocketAddr>,
    /// The HTTP method.
    pub method: Method,
    /// The path with placeholders for what callers make up, such as `/{resource}/{id}`; never the
    /// path itself. Empty when nothing has such a path.
    pub path: &'static str,
    /// What sent it, as it says.
    pub user_agent: Option<HeaderValue>,
    /// Who sent it, once that is known.
    pub caller: Option<Caller>,
    /// Whom the caller acts as, where that is somebody else.
    pub acts_as: Option<Arc<User>>,
    /// What is to be done.
    pub verb: Option<Verb>,
    /// To which resource.
    pub resource: Option<GroupResource>,
    /// Whether there is such a resource.
    pub serving: Serving,
    /// To which part of it: the lane of a write.
    pub subresource: Option<Subresource>,
    /// In which namespace; nothing for all of them, and where there is none.
    pub namespace: Option<Arc<str>>,
    /// To which object. A create has none before it is carried out.
    pub name: Option<Arc<str>>,
    /// The uid of the object, when it was seen.
    pub uid: Option<Uid>,
    /// What the rules said.
    pub decision: Decision,
    /// Why the rules allowed it.
    pub grounds: Option<Grounds>,
    /// Why the caller was turned away.
    pub why: Option<Arc<str>>,
    /// What was wrong with what the caller showed, where nothing was proved by it.
    pub unproven: Option<&'static str>,
    /// Whether nothing was to be written.
    pub dry_run: bool,
    /// Whether the [`Gate`] has let it pass.
    pub admitted: bool,
    /// How it was answered; nothing when it was not.
    pub status: Option<StatusCode>,
    /// The code of the refusal.
    pub reason: Option<Reason>,
    /// The revision that was written, or was met.
    pub revision: Option<Revision>,
    /// How it ended.
    pub outcome: Outcome,
    /// Bytes of the request's body that were read.
    pub bytes_in: u64,
    /// Bytes of the answer's body; those of a stream are counted as they go out.
    pub bytes_out: u64,
    /// Events that a stream has told.
    pub events: u64,
    /// Whether the answer is a stream that only ends with the client or the server.
    pub endless: bool,
    /// How it was addressed, and where its time went, when an observer wants to know.
    pub details: Option<Box<Details>>,
    /// When it came.
    pub came: SystemTime,
    /// How long it took until it was answered; of a stream that has ended, until then.
    pub duration: Duration,
    began: Instant,
}

/// Whether a resource that was asked about is one of the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Serving {
    /// It is served.
    #[default]
    Served,
    /// It is only what the caller calls it, and may be anything.
    Unserved,
}

/// What the rules said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Decision {
    /// They were not asked.
    #[default]
    Undecided,
    /// Yes.
    Allowed,
    /// No.
    Forbidden,
    /// Nothing: who calls is not known, and has to be.
    Unauthenticated,
    /// Nothing: the request is for, or from, another machine.
    ForeignHost,
}

impl Decision {
    /// As logs and records write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::Allowed => "allowed",
            Self::Forbidden => "forbidden",
            Self::Unauthenticated => "unauthenticated",
            Self::ForeignHost => "foreign_host",
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Outcome {
    /// It was not answered, because its client was gone before. A write may have been carried out.
    #[default]
    Abandoned,
    /// Something was shown.
    Shown,
    /// Something was written, or would have been without `dry_run`.
    Changed,
    /// Everything was as it was wanted already, and nothing was written.
    Unchanged,
    /// The object was no longer the one that the caller had seen.
    Conflict,
    /// The caller asked for what cannot be, or what they may not.
    Refused,
    /// The server could not do it.
    Failed,
}

impl Outcome {
    /// As logs and records write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::Shown => "shown",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl Exchange {
    /// What is known when a request has come.
    pub fn new(door: &'static str, parts: &Parts) -> Self {
        let connection = parts.extensions.get::<Connection>();
        Self {
            trace: TraceParent::of(&parts.headers),
            peer: connection.and_then(|connection| connection.peer),
            user_agent: parts.headers.get(USER_AGENT).cloned(),
            ..Self::blank(RequestId::of(&parts.headers), door, parts.method.clone())
        }
    }

    /// What is known of one of several things that this request does.
    pub(crate) fn part(&self) -> Self {
        Self {
            trace: self.trace,
            peer: self.peer,
            path: self.path,
            user_agent: self.user_agent.clone(),
            caller: self.caller.clone(),
            details: self.details.as_ref().map(|it| Box::new(it.without_steps())),
            ..Self::blank(self.id.clone(), self.door, self.method.clone())
        }
    }

    fn blank(id: RequestId, door: &'static str, method: Method) -> Self {
        Self {
            id,
            trace: None,
            door,
            peer: None,
            method,
            path: "",
            user_agent: None,
            caller: None,
            acts_as: None,
            verb: None,
            resource: None,
            serving: Serving::default(),
            subresource: None,
            namespace: None,
            name: None,
            uid: None,
            decision: Decision::default(),
            grounds: None,
            why: None,
            unproven: None,
            dry_run: false,
            admitted: false,
            status: None,
            reason: None,
            revision: None,
            outcome: Outcome::default(),
            bytes_in: 0,
            bytes_out: 0,
            events: 0,
            endless: false,
            details: None,
            came: SystemTime::now(),
            duration: Duration::ZERO,
            began: Instant::now(),
        }
    }

    /// A step has ended.
    pub(crate) fn took(&mut self, phase: Phase, began: Instant, took: Duration) {
        if let Some(details) = &mut self.details {
            details.add(phase, self.began, began, took);
        }
    }

    /// Whether it is there to change something.
    pub const fn is_write(&self) -> bool {
        match &self.verb {
            Some(Verb::Get | Verb::List | Verb::Watch) | None => false,
            Some(
                Verb::Create
                | Verb::Update
                | Verb::Patch
                | Verb::Delete
                | Verb::DeleteCollection
                | Verb::Other(_),
            ) => true,
        }
    }

    /// Whether the caller was turned away: not known, not allowed to, or not meant for this server.
    pub const fn is_turned_away(&self) -> bool {
        matches!(
            self.decision,
            Decision::Forbidden | Decision::Unauthenticated | Decision::ForeignHost
        )
    }

    /// The rules allow this. What is allowed in several namespaces is in none that could be named.
    pub fn allowed<A>(&mut self, granted: &Granted<A>) {
        let ask = granted.ask();
        let several = self.decision == Decision::Allowed && self.namespace != ask.namespace;
        self.asked(ask);
        self.decision = Decision::Allowed;
        self.grounds = Some(granted.grounds().clone());
        if several {
            self.namespace = None;
        }
    }

    /// The rules allow to see a page that belongs to no kind.
    pub fn allowed_path(&mut self) {
        self.verb = Some(Verb::Get);
        self.decision = Decision::Allowed;
    }

    /// This was asked of the rules.
    fn asked(&mut self, ask: &Ask) {
        self.verb = Some(ask.verb.clone());
        self.resource = Some(ask.resource.clone());
        self.subresource.clone_from(&ask.subresource);
        self.namespace.clone_from(&ask.namespace);
        self.name.clone_from(&ask.name);
    }

    /// This is what was read.
    pub fn shown(&mut self, object: &Object) {
        self.at(&object.key);
        self.uid = Some(object.uid().clone());
        self.revision = Some(object.revision);
    }

    /// The write was carried out.
    pub fn written(&mut self, written: &Written) {
        self.shown(&written.object);
        self.outcome = if written.changed { Outcome::Changed } else { Outcome::Unchanged };
    }

    fn at(&mut self, key: &ObjectKey) {
        self.namespace = key.namespace().and(Some(Arc::clone(&key.name.namespace)));
        self.name = Some(Arc::clone(&key.name.name));
    }

    /// The engine refused.
    pub fn refused(&mut self, refusal: &Refusal) {
        match refusal {
            Refusal::Forbidden(forbidden) => {
                self.asked(&forbidden.ask);
                self.decision = Decision::Forbidden;
                self.why = Some(forbidden.to_string().into());
            }
            Refusal::Rules(RulesRefusal::Conflict(conflict)) => {
                self.revision = Some(conflict.current);
                self.outcome = Outcome::Conflict;
            }
            Refusal::Rules(RulesRefusal::UidMismatch { .. }) => self.outcome = Outcome::Conflict,
            _ => {}
        }
    }

    /// The door says no, in these words.
    pub fn told(&mut self, answer: &Answer) {
        self.reason = Some(answer.reason);
        let turned_away = match answer.reason {
            Reason::Unauthenticated => Some(Decision::Unauthenticated),
            Reason::ForeignHost => Some(Decision::ForeignHost),
            // Also where no rule about a kind was asked, as for a page.
            Reason::Forbidden if self.decision == Decision::Undecided => Some(Decision::Forbidden),
            _ => None,
        };
        if let Some(decision) = turned_away {
            self.decision = decision;
            self.why.get_or_insert_with(|| answer.message.as_str().into());
        }
        self.outcome = match (answer.status, self.outcome) {
            (status, _) if status.is_server_error() => Outcome::Failed,
            (_, Outcome::Conflict) => Outcome::Conflict,
            _ => Outcome::Refused,
        };
    }

    /// It was answered with this status, just now.
    fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
        if self.outcome == Outcome::Abandoned {
            self.outcome = Outcome::Shown;
        }
        self.took_until_now();
    }

    fn took_until_now(&mut self) {
        self.duration = self.began.elapsed();
    }
}
