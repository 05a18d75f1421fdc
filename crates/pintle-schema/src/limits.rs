//! What a quota limits: the names of amounts, and how much of each there may be.
//!
//! Objects are counted, and nothing else: a server without pods has none of what the other names
//! stand for. Those are known all the same, so that the manifests of a cluster are taken.

use pintle_model::{
    FieldError, FieldErrorKind, FieldPath, GroupResource, NameRule, Quantity, validate_name,
    validate_qualified_name,
};
use serde_json::{Map, Value};

/// Every name of an amount without a slash that upstream knows, save those that begin with one of
/// [`PREFIXES`].
const NAMES: [&str; 19] = [
    "configmaps",
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];
const PREFIXES: [&str; 2] = ["hugepages-", "requests.hugepages-"];

/// The core kinds that are also counted under their plural alone, as they were before all kinds
/// were: those of upstream's that exist here.
const COUNTED: [&str; 3] = ["configmaps", "resourcequotas", "secrets"];

/// The resource whose objects are counted under this name: `count/devices.infra.example.io`,
/// `count/secrets`, `secrets`. Nothing for the name of any other amount.
pub fn counted_resource(name: &str) -> Option<GroupResource> {
    let plain = COUNTED.contains(&name).then_some(name);
    name.strip_prefix("count/").or(plain).map(GroupResource::from_text)
}

/// So many faults of one map are told.
const FAULTS_MAX: usize = 50;

/// A map may have so many entries, because they are all looked at with each create in their
/// namespace. Upstream has no bound but the size of the object.
const LIMITS_MAX: usize = 1_000;

/// What is wrong with a map from the names of amounts to how much there may be of each.
pub(crate) fn check(path: FieldPath<'_>, limits: &Map<String, Value>) -> Vec<FieldError> {
    if limits.len() > LIMITS_MAX {
        let why = format!("{} entries; {LIMITS_MAX} are allowed", limits.len());
        return vec![FieldError::new(path, FieldErrorKind::TooMany, why)];
    }
    let faults = limits.iter().flat_map(|(name, value)| {
        let at = path.key(name);
        [check_name(at, name), check_amount(at, name, value)]
    });
    faults.flatten().take(FAULTS_MAX).collect()
}

fn check_name(path: FieldPath<'_>, name: &str) -> Option<FieldError> {
    // Longer than other names may be, so that every kind can be counted.
    if let Some(resource) = name.strip_prefix("count/") {
        return validate_name(path, resource, NameRule::Subdomain).err();
    }
    let invalid = |detail| FieldError::invalid(path, &Value::from(name), detail);
    if let Err(detail) = validate_qualified_name(name) {
        return Some(invalid(detail));
    }
    let known = name.contains('/')
        || NAMES.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let why =
        "must be a standard resource for quota; objects are counted as count/<plural>.<group>";
    (!known).then(|| invalid(why.to_owned()))
}

fn check_amount(path: FieldPath<'_>, name: &str, value: &Value) -> Option<FieldError> {
    let why = match Quantity::of(value) {
        Err(error) => error.to_string(),
        Ok(amount) if amount.is_negative() => "must be greater than or equal to 0".to_owned(),
        Ok(amount) if !amount.is_whole() && counted_resource(name).is_some() => {
            "must be an integer".to_owned()
        }
        Ok(_) => return None,
    };
    Some(FieldError::invalid(path, value, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_counts_are_told_from_others() {
        let cases = [
            ("count/devices.infra.example.io", Some("devices.infra.example.io")),
            ("count/secrets", Some("secrets")),
            ("secrets", Some("secrets")),
            ("configmaps", Some("configmaps")),
            ("resourcequotas", Some("resourcequotas")),
            ("serviceaccounts", None),
            ("services", None),
            ("pods", None),
            ("requests.count/secrets", None),
            ("Count/secrets", None),
            ("cpu", None),
        ];
        for (name, expected) in cases {
            let found = counted_resource(name);
            assert_eq!(found.as_ref().map(GroupResource::as_str), expected, "{name}");
        }
    }

    #[test]
    fn limits_are_checked() {
        let cases = [
            ("count/devices.infra.example.io", json!("5"), None),
            ("count/secrets", json!(5), None),
            ("count/secrets", json!("1k"), None),
            ("count/secrets", json!("0"), None),
            ("requests.cpu", json!("500m"), None),
            ("requests.hugepages-2Mi", json!("1Gi"), None),
            ("requests.example.io/gpu", json!("4"), None),
            ("fast.storageclass.storage.k8s.io/requests.storage", json!("10Gi"), None),
            ("count/secrets", json!("-1"), Some("must be greater than or equal to 0")),
            ("cpu", json!("-500m"), Some("must be greater than or equal to 0")),
            ("count/secrets", json!("1500m"), Some("must be an integer")),
            ("secrets", json!("0.5"), Some("must be an integer")),
            ("count/secrets", json!("ten"), Some("quantities must match")),
            ("memory", json!(""), Some("quantities must match")),
            ("devices", json!("5"), Some("must be a standard resource for quota")),
            ("count/", json!("5"), Some("Required value")),
            ("count/De vices", json!("5"), Some("RFC 1123")),
            ("a/b/c", json!("5"), Some("name part")),
        ];
        for (name, value, expected) in cases {
            let map = [(name.to_owned(), value.clone())].into_iter().collect();
            let faults = check(FieldPath::ROOT.field("hard"), &map);
            let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
            match expected {
                None => assert_eq!(told, [""; 0], "{name}: {value}"),
                Some(why) => {
                    assert_eq!(told.len(), 1, "{name}: {value}: {told:?}");
                    assert!(told[0].starts_with(&format!("hard[{name}]: ")), "{told:?}");
                    assert!(told[0].contains(why), "{told:?}");
                }
            }
        }
        let many = (0..100).map(|n| (format!("wrong{n}"), json!("1"))).collect();
        assert_eq!(check(FieldPath::ROOT, &many).len(), FAULTS_MAX);
        let map = |len: usize| (0..len).map(|n| (format!("count/a{n}"), json!("1"))).collect();
        assert_eq!(check(FieldPath::ROOT, &map(LIMITS_MAX)), []);
        let faults = check(FieldPath::ROOT, &map(LIMITS_MAX + 1));
        assert_eq!(faults[0].to_string(), "Too many: 1001 entries; 1000 are allowed");
    }
}
