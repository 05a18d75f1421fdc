//! Where a subscription begins, and with which objects.

use http::StatusCode;
use pintle_engine::{Refusal, Selection, Start};
use pintle_http::{Subject, answer};
use pintle_model::{FieldTerm, GroupResource, Revision};
use serde_json::Value;

use crate::executor::input::Input;
use crate::fault::Fault;

/// With the state, or after a version.
///
/// Without a version, the state comes first unless it is declined; then it begins with what
/// happens next. With a version, its changes follow; with the state on top of that, the state is
/// one that is not older than the version.
pub(crate) fn start(input: Input<'_>, newest: Revision) -> Result<Start, Fault> {
    let state = input.get("sendInitialEvents").and_then(Value::as_bool);
    let Some(given) = input.text("resourceVersion") else {
        return Ok(if state == Some(false) { Start::After(newest) } else { Start::WithState });
    };
    let asked = revision(given)?;
    if asked > newest {
        let subject = Subject { resource: GroupResource::from_text(""), name: String::new() };
        return Err(Fault::of(answer(&Refusal::FromTheFuture { asked, newest }, &subject)));
    }
    Ok(if state == Some(true) { Start::WithState } else { Start::After(asked) })
}

fn revision(given: &str) -> Result<Revision, Fault> {
    let parsed = Revision::parse(given).ok().filter(|revision| *revision > Revision::ZERO);
    parsed.ok_or_else(|| {
        let short: String = given.chars().take(64).collect();
        let message = format!(
            "resourceVersion {short:?} is none that this server gave out; leave it out to begin \
             with everything that exists"
        );
        Fault::new("INVALID_RESOURCE_VERSION", StatusCode::BAD_REQUEST, message)
    })
}

/// Only the object of this name.
pub(crate) fn select_name(selection: &mut Selection, name: Option<&str>) {
    let Some(name) = name else { return };
    let path = "metadata.name".to_owned();
    selection.fields.terms.push(FieldTerm { path, value: name.to_owned(), equal: true });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_watch_begins_with_the_state_or_after_a_version() {
        let after = |revision| Ok(Start::After(Revision(revision)));
        let invalid = || Err("INVALID_RESOURCE_VERSION");
        for (arguments, expected) in [
            (json!({}), Ok(Start::WithState)),
            (json!({"resourceVersion": null, "sendInitialEvents": null}), Ok(Start::WithState)),
            (json!({"sendInitialEvents": true}), Ok(Start::WithState)),
            (json!({"sendInitialEvents": false}), after(42)),
            (json!({"resourceVersion": "7"}), after(7)),
            (json!({"resourceVersion": "42"}), after(42)),
            (json!({"resourceVersion": "7", "sendInitialEvents": false}), after(7)),
            (json!({"resourceVersion": "7", "sendInitialEvents": true}), Ok(Start::WithState)),
            (json!({"resourceVersion": "43"}), invalid()),
            (json!({"resourceVersion": "43", "sendInitialEvents": true}), invalid()),
            (json!({"resourceVersion": "0"}), invalid()),
            (json!({"resourceVersion": ""}), invalid()),
            (json!({"resourceVersion": "-1"}), invalid()),
            (json!({"resourceVersion": "7.0"}), invalid()),
            (json!({"resourceVersion": "99999999999999999999999"}), invalid()),
        ] {
            let fields = arguments.as_object().unwrap();
            let found = start(Input::of(fields), Revision(42)).map_err(|fault| fault.code);
            assert_eq!(found, expected, "{arguments}");
        }
    }
}
