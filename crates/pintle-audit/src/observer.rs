//! [`Auditor`]: which requests are recorded, and which have to wait for that.

use std::sync::Arc;

use http::{Method, StatusCode};
use pintle_http::{Answer, Decision, Exchange, Gate, Observer, Outcome, Pass, Reason};

use crate::log::AuditLog;
use crate::record::{Record, Request};

/// Which requests are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Those that are there to change something, and those of callers who were turned away.
    #[default]
    Writes,
    /// Reads as well, and when streams begin and end. Probes of the server's health are not.
    All,
}

impl Level {
    /// As settings and records write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Writes => "writes",
            Self::All => "all",
        }
    }
}

/// Records requests, and holds up changes until there is room for their records.
#[derive(Debug)]
pub struct Auditor {
    log: Arc<AuditLog>,
    level: Level,
}

/// Whoever was refused may try again after so many seconds.
const RETRY_AFTER_SECONDS: u32 = 5;

impl Auditor {
    /// Records into this log.
    pub const fn new(log: Arc<AuditLog>, level: Level) -> Self {
        Self { log, level }
    }

    fn wants(&self, exchange: &Exchange) -> bool {
        match self.level {
            Level::Writes => is_meant_to_change(exchange) || is_turned_away(exchange),
            Level::All => is_turned_away(exchange) || !is_probe(exchange),
        }
    }
}

impl Gate for Auditor {
    fn pass(&self, exchange: &Exchange) -> Pass {
        if !is_about_to_change(exchange) {
            return Pass::Free;
        }
        if self.log.reserve_now() {
            return Pass::Open;
        }
        let room = self.log.reserve();
        Pass::Wait(Box::pin(async move {
            room.await.map_err(|unavailable| {
                let mut answer = Answer::of(Reason::AuditUnavailable, unavailable.to_string());
                answer.retryable = true;
                answer.retry_after = Some(RETRY_AFTER_SECONDS);
                Box::new(answer)
            })
        }))
    }
}

impl Observer for Auditor {
    fn answered(&self, exchange: &Exchange) {
        let request = |exchange| {
            let request = Request::of(exchange);
            if exchange.endless { Record::Opened(request) } else { Record::Request(request) }
        };
        if exchange.admitted {
            self.log.record_change(&request(exchange));
        } else if self.wants(exchange) {
            self.log.record_other(|| request(exchange));
        }
    }

    fn ended(&self, exchange: &Exchange) {
        if self.level == Level::All && exchange.endless {
            self.log.record_other(|| Record::Closed(Request::of(exchange)));
        }
    }
}

/// Whether it is allowed, and is carried out next.
fn is_about_to_change(exchange: &Exchange) -> bool {
    is_meant_to_change(exchange)
        && exchange.decision == Decision::Allowed
        && !exchange.dry_run
        // Whatever was answered already has an outcome.
        && exchange.outcome == Outcome::default()
}

fn is_meant_to_change(exchange: &Exchange) -> bool {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&exchange.method);
    exchange.is_write() || !reads
}

fn is_turned_away(exchange: &Exchange) -> bool {
    let turned_away = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
    exchange.is_turned_away() || exchange.status.is_some_and(|it| turned_away.contains(&it))
}

/// Load balancers ask every second, and nobody wants to know.
fn is_probe(exchange: &Exchange) -> bool {
    ["/health", "/healthz", "/livez", "/readyz"].contains(&exchange.path)
}
