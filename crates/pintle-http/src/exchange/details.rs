//! [`Details`]: what is known of a request beyond its outcome, for observers who want it.

use std::time::{Duration, Instant};

use http::header::HOST;
use http::request::Parts;
use http::{HeaderValue, Version};

/// A text that a caller sends is kept up to so many bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// So many steps of a request are kept. More would be the same steps again.
const STEPS_MAX: usize = 16;

/// How a request was addressed, and where its time went. It is only kept when an observer
/// [wants it](crate::Observer::wants_details).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The path, without the query, which may hold what is nobody's business.
    pub path: Box<str>,
    /// The host that it was for, as its client wrote it.
    pub host: Option<HeaderValue>,
    /// The version of HTTP.
    pub version: Version,
    /// What else there is to know of the trace (W3C Trace Context, `tracestate`).
    pub trace_state: Option<HeaderValue>,
    /// The steps that took time, in the order in which they ended.
    pub steps: Vec<Step>,
}

/// One step of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What was done.
    pub phase: Phase,
    /// How long after the request it began.
    pub after: Duration,
    /// How long it took.
    pub took: Duration,
}

/// What takes time in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Finding out who calls.
    Authentication,
    /// Asking the rules.
    Authorization,
    /// Waiting for the body.
    Body,
    /// Waiting for room for the record of a change.
    Audit,
    /// Deciding a write and making it durable.
    Write,
    /// Waiting for the store, within that.
    Commit,
}

impl Phase {
    /// As traces write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Authorization => "authorization",
            Self::Body => "body",
            Self::Audit => "audit",
            Self::Write => "write",
            Self::Commit => "commit",
        }
    }
}

impl Details {
    /// Of one of several things that the request does.
    pub(super) fn without_steps(&self) -> Self {
        Self { steps: Vec::new(), ..self.clone() }
    }

    pub(super) fn of(parts: &Parts) -> Self {
        let short = |value: &&HeaderValue| value.len() <= TEXT_BYTES_MAX;
        let header = |name| parts.headers.get(name).filter(short).cloned();
        Self {
            path: cut(parts.uri.path()).into(),
            host: header(HOST),
            version: parts.version,
            trace_state: header(http::HeaderName::from_static("tracestate")),
            steps: Vec::new(),
        }
    }

    /// A step of a request that came at `came` has ended.
    pub(super) fn add(&mut self, phase: Phase, came: Instant, began: Instant, took: Duration) {
        if self.steps.len() < STEPS_MAX {
            self.steps.push(Step { phase, after: began.saturating_duration_since(came), took });
        }
    }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn everything_has_a_limit() {
        let path = format!("/{}", "a".repeat(2 * TEXT_BYTES_MAX));
        let host = "h".repeat(TEXT_BYTES_MAX + 1);
        let request = Request::get(format!("{path}?secret=1")).header(HOST, host);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut details = Details::of(&parts);
        assert_eq!((details.path.len(), details.host.clone()), (TEXT_BYTES_MAX, None));
        let now = Instant::now();
        for _ in 0..2 * STEPS_MAX {
            details.add(Phase::Body, now, now, Duration::ZERO);
        }
        assert_eq!(details.steps.len(), STEPS_MAX);
    }

    #[test]
    fn a_query_is_not_kept() {
        let (parts, ()) = Request::get("/a/b?token=secret").body(()).unwrap().into_parts();
        assert_eq!(&*Details::of(&parts).path, "/a/b");
        assert!(!format!("{:?}", Details::of(&parts)).contains("secret"));
    }
}
