//! One line of the log for each request.

use std::time::Duration;

use tracing::Level;

use super::{Exchange, Observer, Outcome};

/// Writes a line for each request that was answered: at `debug`; at `info` when the caller was
/// turned away or the client was gone; at `warn` when it was slow or could not be served; at
/// `error` when the server is at fault.
///
/// It names no query, no body and no header but the name of the request.
#[derive(Debug, Clone, Copy)]
pub struct RequestLog {
    /// What takes longer is slow.
    pub slow: Duration,
}

impl Default for RequestLog {
    fn default() -> Self {
        Self { slow: Duration::from_secs(1) }
    }
}

impl RequestLog {
    fn level(&self, exchange: &Exchange) -> Level {
        let status = exchange.status.map_or(0, |status| status.as_u16());
        match status {
            500 => Level::ERROR,
            501.. => Level::WARN,
            _ if exchange.duration > self.slow => Level::WARN,
            _ if exchange.is_turned_away() || exchange.outcome == Outcome::Abandoned => Level::INFO,
            _ => Level::DEBUG,
        }
    }
}

/// Levels of lines are fixed where they are written.
macro_rules! line {
    ($level:expr, $exchange:expr, $message:literal) => {{
        let exchange = $exchange;
        tracing::event!(
            target: "pintle::request",
            $level,
            request_id = %exchange.id,
            trace_id = exchange.trace.as_ref().map(tracing::field::display),
            door = exchange.door,
            method = exchange.method.as_str(),
            path = exchange.path,
            verb = exchange.verb.as_ref().map(pintle_authz::Verb::as_str),
            resource = exchange.resource.as_ref().map(tracing::field::display),
            subresource = exchange.subresource.as_ref().map(pintle_authz::Subresource::as_str),
            namespace = exchange.namespace.as_deref(),
            name = exchange.name.as_deref(),
            user = exchange.caller.as_ref().map(|caller| &*caller.user.name),
            decision = exchange.decision.as_str(),
            status = exchange.status.map(|status| status.as_u16()),
            reason = exchange.reason.map(crate::Reason::as_str),
            outcome = exchange.outcome.as_str(),
            revision = exchange.revision.map(|revision| revision.0),
            bytes = exchange.bytes_out,
            micros = u64::try_from(exchange.duration.as_micros()).unwrap_or(u64::MAX),
            $message
        )
    }};
}

impl Observer for RequestLog {
    fn answered(&self, exchange: &Exchange) {
        match self.level(exchange) {
            Level::ERROR => line!(Level::ERROR, exchange, "answered"),
            Level::WARN => line!(Level::WARN, exchange, "answered"),
            Level::INFO => line!(Level::INFO, exchange, "answered"),
            _ => line!(Level::DEBUG, exchange, "answered"),
        }
    }

    fn ended(&self, exchange: &Exchange) {
        line!(Level::DEBUG, exchange, "stream ended");
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, StatusCode};

    use super::*;
    use crate::Decision;

    #[test]
    fn what_is_worth_a_look_is_louder() {
        let (parts, ()) = Request::new(()).into_parts();
        for (status, decision, millis, level) in [
            (200, Decision::Allowed, 1, Level::DEBUG),
            (404, Decision::Allowed, 1, Level::DEBUG),
            (401, Decision::Unauthenticated, 1, Level::INFO),
            (403, Decision::Forbidden, 1, Level::INFO),
            (403, Decision::ForeignHost, 1, Level::INFO),
            (200, Decision::Allowed, 1_001, Level::WARN),
            (503, Decision::Allowed, 1, Level::WARN),
            (500, Decision::Allowed, 1, Level::ERROR),
        ] {
            let mut exchange = Exchange::new("test", &parts);
            exchange.status = StatusCode::from_u16(status).ok();
            exchange.outcome = Outcome::Shown;
            exchange.decision = decision;
            exchange.duration = Duration::from_millis(millis);
            assert_eq!(RequestLog::default().level(&exchange), level, "{status} {millis}");
        }
    }
}
