//! What the answer of an endpoint means.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, Response, StatusCode};
use pintle_delivery::Outcome;

/// What became of a request that was answered.
///
/// - 2xx: taken.
/// - 429 and 503, and whatever has `Retry-After`: the endpoint asks for patience.
/// - 408, 425 and the other 5xx: it fails at it, which may pass.
/// - The rest, redirects among them: it does not want this.
pub(crate) fn outcome(answer: &Response<()>, now: SystemTime) -> Outcome {
    let status = answer.status();
    if status.is_success() {
        return Outcome::Taken;
    }
    let why = format!("the answer is {status}");
    let wait = retry_after(answer.headers(), now);
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Outcome::Away { why, wait }
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => Outcome::Failing { why, wait },
        _ if status.is_server_error() => Outcome::Failing { why, wait },
        _ if status.is_redirection() => {
            Outcome::Refused { why: format!("{why}, and redirects are not followed") }
        }
        _ => Outcome::Refused { why },
    }
}

/// How long to wait: seconds, or until a date (RFC 9110, 10.2.3). What cannot be read is no wish.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, retry_after: &str) -> (&'static str, Option<u64>) {
        let mut answer = Response::builder().status(status);
        if !retry_after.is_empty() {
            answer = answer.header(RETRY_AFTER, retry_after);
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        match outcome(&answer.body(()).unwrap(), now) {
            Outcome::Taken => ("taken", None),
            Outcome::Away { wait, .. } => ("away", wait.map(|it| it.as_secs())),
            Outcome::Failing { wait, .. } => ("failing", wait.map(|it| it.as_secs())),
            Outcome::Refused { .. } => ("refused", None),
        }
    }

    #[test]
    fn answers_are_told_apart() {
        for (status, retry_after, expected) in [
            (200, "", ("taken", None)),
            (202, "5", ("taken", None)),
            (204, "", ("taken", None)),
            (301, "", ("refused", None)),
            (307, "", ("refused", None)),
            (400, "", ("refused", None)),
            (401, "9", ("refused", None)),
            (404, "", ("refused", None)),
            (408, "", ("failing", None)),
            (410, "", ("refused", None)),
            (413, "", ("refused", None)),
            (425, "1", ("failing", Some(1))),
            (429, "", ("away", None)),
            (429, "120", ("away", Some(120))),
            (500, "", ("failing", None)),
            (502, " 7 ", ("failing", Some(7))),
            (503, "Sun, 06 Nov 1994 08:49:47 GMT", ("away", Some(10))),
            (503, "Sun, 06 Nov 1994 08:49:27 GMT", ("away", Some(0))),
            (503, "soon", ("away", None)),
            (503, "-1", ("away", None)),
            (503, "99999999999999999999999", ("away", None)),
            (599, "", ("failing", None)),
        ] {
            assert_eq!(check(status, retry_after), expected, "{status} {retry_after:?}");
        }
    }
}
