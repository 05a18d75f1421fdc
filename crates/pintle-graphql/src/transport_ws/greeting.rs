//! What the payload of a `connection_init` shows, as headers of HTTP: those of the request for the
//! socket, with what browsers cannot send there.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use pintle_http::asks_to_act;
use serde_json::{Map, Value};

use super::protocol::Closure;

/// So many headers a greeting comes to, with those of the request for the socket; as many as a
/// request may have.
const HEADERS_MAX: usize = 100;

/// The headers that count from the greeting on.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) headers: HeaderMap,
    /// Whether the payload has an `Authorization` of its own.
    pub(super) authorizes: bool,
}

impl Greeting {
    /// What the payload says at its top or among `headers`, in the place of what was said before:
    /// `Authorization`, and `Impersonate-User` and its kin.
    pub(super) fn of(request: &HeaderMap, payload: &Map<String, Value>) -> Result<Self, Closure> {
        let mut headers = request.clone();
        let nested = match payload.get("headers") {
            None | Some(Value::Null) => None,
            Some(Value::Object(nested)) => Some(nested),
            // Whoever shows something there would be taken for somebody else.
            Some(_) => return Err(Closure::bad_greeting("`headers` is no object")),
        };
        let fields = || [Some(payload), nested].into_iter().flatten().flatten();
        let mut authorization = None;
        for (_, value) in fields().filter(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            let text = match value {
                Value::String(text) => text.as_str(),
                Value::Null => continue,
                _ => return Err(Closure::bad_greeting("Authorization is no text")),
            };
            if authorization.is_some_and(|earlier| earlier != text) {
                return Err(Closure::forbidden("Authorization stands there twice"));
            }
            authorization = Some(text);
        }
        if let Some(text) = authorization {
            let value = HeaderValue::from_str(text);
            let refused = |_| Closure::forbidden("Authorization is no header");
            headers.insert(AUTHORIZATION, value.map_err(refused)?);
        }
        let mut acting = fields().filter(|(name, _)| asks_to_act(name)).peekable();
        if acting.peek().is_some() && request.keys().any(|name| asks_to_act(name.as_str())) {
            let why = "the request for the socket says as whom to act, and the payload, too";
            return Err(Closure::bad_greeting(why));
        }
        for (name, value) in acting {
            let refused = || Closure::bad_greeting(format_args!("{name:?} is no header"));
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
            // Groups may be several.
            let texts = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
            if headers.len() + texts.len() > HEADERS_MAX {
                let why = format_args!("more than {HEADERS_MAX} headers");
                return Err(Closure::bad_greeting(why));
            }
            for text in texts {
                let text = text.as_str().and_then(|text| HeaderValue::from_str(text).ok());
                headers.append(header.clone(), text.ok_or_else(refused)?);
            }
        }
        Ok(Self { headers, authorizes: authorization.is_some() })
    }
}
