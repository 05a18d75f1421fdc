//! What upstream's messages look like. Made by the program in `upstream/` from the Go
//! types of Kubernetes v1.37; not to be changed by hand.

use crate::forms::{
    JSON, MICRO_TIME, QUANTITY, SCHEMA_OR_BOOL, SCHEMA_OR_LIST, SCHEMA_OR_NAMES, TEXT_LIST, TIME,
};
use crate::table::Content::{Bool, Bytes, Double, Form, Int, Part, Text};
use crate::table::{Message, many, map, message, one};

/// The kinds that can be read: apiVersion, kind, and the message.
pub(crate) static KINDS: &[(&str, &str, &Message)] = &[
    ("v1", "Namespace", &NAMESPACE),
    ("v1", "ConfigMap", &CONFIG_MAP),
    ("v1", "Secret", &SECRET),
    ("v1", "Event", &EVENT),
    ("v1", "ServiceAccount", &SERVICE_ACCOUNT),
    ("v1", "ResourceQuota", &RESOURCE_QUOTA),
    ("events.k8s.io/v1", "Event", &EVENTS_EVENT),
    ("coordination.k8s.io/v1", "Lease", &LEASE),
    ("rbac.authorization.k8s.io/v1", "Role", &ROLE),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", &CLUSTER_ROLE),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", &ROLE_BINDING),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", &CLUSTER_ROLE_BINDING),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", &CUSTOM_RESOURCE_DEFINITION),
    ("authorization.k8s.io/v1", "SubjectAccessReview", &SUBJECT_ACCESS_REVIEW),
    ("authorization.k8s.io/v1", "LocalSubjectAccessReview", &LOCAL_SUBJECT_ACCESS_REVIEW),
    ("authorization.k8s.io/v1", "SelfSubjectAccessReview", &SELF_SUBJECT_ACCESS_REVIEW),
    ("authorization.k8s.io/v1", "SelfSubjectRulesReview", &SELF_SUBJECT_RULES_REVIEW),
    ("authentication.k8s.io/v1", "TokenReview", &TOKEN_REVIEW),
    ("authentication.k8s.io/v1", "TokenRequest", &TOKEN_REQUEST),
    ("authentication.k8s.io/v1", "SelfSubjectReview", &SELF_SUBJECT_REVIEW),
    ("autoscaling/v1", "Scale", &SCALE),
    ("meta.k8s.io/v1", "DeleteOptions", &DELETE_OPTIONS),
];

pub(crate) static AGGREGATION_RULE: Message =
    message(&[many(1, "clusterRoleSelectors", Part(&LABEL_SELECTOR))]);

pub(crate) static BOUND_OBJECT_REFERENCE: Message = message(&[
    one(1, "kind", Text).unless_zero(),
    one(2, "apiVersion", Text).unless_zero(),
    one(3, "name", Text).unless_zero(),
    one(4, "uid", Text).unless_zero(),
]);

pub(crate) static CLUSTER_ROLE: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    many(2, "rules", Part(&POLICY_RULE)),
    one(3, "aggregationRule", Part(&AGGREGATION_RULE)),
]);

pub(crate) static CLUSTER_ROLE_BINDING: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    many(2, "subjects", Part(&SUBJECT)),
    one(3, "roleRef", Part(&ROLE_REF)),
]);

pub(crate) static CONFIG_MAP: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    map(2, "data", Text),
    map(3, "binaryData", Bytes),
    one(4, "immutable", Bool),
]);

pub(crate) static CUSTOM_RESOURCE_COLUMN_DEFINITION: Message = message(&[
    one(1, "name", Text),
    one(2, "type", Text),
    one(3, "format", Text).unless_zero(),
    one(4, "description", Text).unless_zero(),
    one(5, "priority", Int).unless_zero(),
    one(6, "jsonPath", Text),
]);

pub(crate) static CUSTOM_RESOURCE_CONVERSION: Message =
    message(&[one(1, "strategy", Text), one(2, "webhook", Part(&WEBHOOK_CONVERSION))]);

pub(crate) static CUSTOM_RESOURCE_DEFINITION: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    one(2, "spec", Part(&CUSTOM_RESOURCE_DEFINITION_SPEC)),
    one(3, "status", Part(&CUSTOM_RESOURCE_DEFINITION_STATUS)),
]);

pub(crate) static CUSTOM_RESOURCE_DEFINITION_CONDITION: Message = message(&[
    one(1, "type", Text),
    one(2, "status", Text),
    one(3, "lastTransitionTime", Form(&TIME)),
    one(4, "reason", Text).unless_zero(),
    one(5, "message", Text).unless_zero(),
    one(6, "observedGeneration", Int).unless_zero(),
]);

pub(crate) static CUSTOM_RESOURCE_DEFINITION_NAMES: Message = message(&[
    one(1, "plural", Text),
    one(2, "singular", Text).unless_zero(),
    many(3, "shortNames", Text),
    one(4, "kind", Text),
    one(5, "listKind", Text).unless_zero(),
    many(6, "categories", Text),
]);

pub(crate) static CUSTOM_RESOURCE_DEFINITION_SPEC: Message = message(&[
    one(1, "group", Text),
    one(3, "names", Part(&CUSTOM_RESOURCE_DEFINITION_NAMES)),
    one(4, "scope", Text),
    many(7, "versions", Part(&CUSTOM_RESOURCE_DEFINITION_VERSION)),
    one(9, "conversion", Part(&CUSTOM_RESOURCE_CONVERSION)),
    one(10, "preserveUnknownFields", Bool).unless_zero(),
]);

pub(crate) static CUSTOM_RESOURCE_DEFINITION_STATUS: Message = message(&[
    many(1, "conditions", Part(&CUSTOM_RESOURCE_DEFINITION_CONDITION)),
    one(2, "acceptedNames", Part(&CUSTOM_RESOURCE_DEFINITION_NAMES)),
    many(3, "storedVersions", Text),
    one(4, "observedGeneration", Int).unless_zero(),
]);

pub(crate) static CUSTOM_RESOURCE_DEFINITION_VERSION: Message = message(&[
    one(1, "name", Text),
    one(2, "served", Bool),
    one(3, "storage", Bool),
    one(4, "schema", Part(&CUSTOM_RESOURCE_VALIDATION)),
    one(5, "subresources", Part(&CUSTOM_RESOURCE_SUBRESOURCES)),
    many(6, "additionalPrinterColumns", Part(&CUSTOM_RESOURCE_COLUMN_DEFINITION)),
    one(7, "deprecated", Bool).unless_zero(),
    one(8, "deprecationWarning", Text),
    many(9, "selectableFields", Part(&SELECTABLE_FIELD)),
]);

pub(crate) static CUSTOM_RESOURCE_SUBRESOURCES: Message = message(&[
    one(1, "status", Part(&CUSTOM_RESOURCE_SUBRESOURCE_STATUS)),
    one(2, "scale", Part(&CUSTOM_RESOURCE_SUBRESOURCE_SCALE)),
]);

pub(crate) static CUSTOM_RESOURCE_SUBRESOURCE_SCALE: Message = message(&[
    one(1, "specReplicasPath", Text),
    one(2, "statusReplicasPath", Text),
    one(3, "labelSelectorPath", Text),
]);

pub(crate) static CUSTOM_RESOURCE_SUBRESOURCE_STATUS: Message = message(&[]);

pub(crate) static CUSTOM_RESOURCE_VALIDATION: Message =
    message(&[one(1, "openAPIV3Schema", Part(&JSON_SCHEMA_PROPS))]);

pub(crate) static DELETE_OPTIONS: Message = message(&[
    one(1, "gracePeriodSeconds", Int),
    one(2, "preconditions", Part(&PRECONDITIONS)),
    one(3, "orphanDependents", Bool),
    one(4, "propagationPolicy", Text),
    many(5, "dryRun", Text),
    one(6, "ignoreStoreReadErrorWithClusterBreakingPotential", Bool),
]);

pub(crate) static EVENT: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    one(2, "involvedObject", Part(&OBJECT_REFERENCE)),
    one(3, "reason", Text).unless_zero(),
    one(4, "message", Text).unless_zero(),
    one(5, "source", Part(&EVENT_SOURCE)),
    one(6, "firstTimestamp", Form(&TIME)),
    one(7, "lastTimestamp", Form(&TIME)),
    one(8, "count", Int).unless_zero(),
    one(9, "type", Text).unless_zero(),
    one(10, "eventTime", Form(&MICRO_TIME)),
    one(11, "series", Part(&EVENT_SERIES)),
    one(12, "action", Text).unless_zero(),
    one(13, "related", Part(&OBJECT_REFERENCE)),
    one(14, "reportingComponent", Text),
    one(15, "reportingInstance", Text),
]);

pub(crate) static EVENTS_EVENT: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    one(2, "eventTime", Form(&MICRO_TIME)),
    one(3, "series", Part(&EVENTS_EVENT_SERIES)),
    one(4, "reportingController", Text).unless_zero(),
    one(5, "reportingInstance", Text).unless_zero(),
    one(6, "action", Text).unless_zero(),
    one(7, "reason", Text).unless_zero(),
    one(8, "regarding", Part(&OBJECT_REFERENCE)),
    one(9, "related", Part(&OBJECT_REFERENCE)),
    one(10, "note", Text).unless_zero(),
    one(11, "type", Text).unless_zero(),
    one(12, "deprecatedSource", Part(&EVENT_SOURCE)),
    one(13, "deprecatedFirstTimestamp", Form(&TIME)),
    one(14, "deprecatedLastTimestamp", Form(&TIME)),
    one(15, "deprecatedCount", Int).unless_zero(),
]);

pub(crate) static EVENTS_EVENT_SERIES: Message =
    message(&[one(1, "count", Int), one(2, "lastObservedTime", Form(&MICRO_TIME))]);

pub(crate) static EVENT_SERIES: Message =
    message(&[one(1, "count", Int).unless_zero(), one(2, "lastObservedTime", Form(&MICRO_TIME))]);

pub(crate) static EVENT_SOURCE: Message =
    message(&[one(1, "component", Text).unless_zero(), one(2, "host", Text).unless_zero()]);

pub(crate) static EXTERNAL_DOCUMENTATION: Message =
    message(&[one(1, "description", Text).unless_zero(), one(2, "url", Text).unless_zero()]);

pub(crate) static FIELD_SELECTOR_ATTRIBUTES: Message = message(&[
    one(1, "rawSelector", Text).unless_zero(),
    many(2, "requirements", Part(&FIELD_SELECTOR_REQUIREMENT)),
]);

pub(crate) static FIELD_SELECTOR_REQUIREMENT: Message =
    message(&[one(1, "key", Text), one(2, "operator", Text), many(3, "values", Text)]);

pub(crate) static JSON_SCHEMA_PROPS: Message = message(&[
    one(1, "id", Text).unless_zero(),
    one(2, "$schema", Text).unless_zero(),
    one(3, "$ref", Text),
    one(4, "description", Text).unless_zero(),
    one(5, "type", Text).unless_zero(),
    one(6, "format", Text).unless_zero(),
    one(7, "title", Text).unless_zero(),
    one(8, "default", Form(&JSON)),
    one(9, "maximum", Double),
    one(10, "exclusiveMaximum", Bool).unless_zero(),
    one(11, "minimum", Double),
    one(12, "exclusiveMinimum", Bool).unless_zero(),
    one(13, "maxLength", Int),
    one(14, "minLength", Int),
    one(15, "pattern", Text).unless_zero(),
    one(16, "maxItems", Int),
    one(17, "minItems", Int),
    one(18, "uniqueItems", Bool).unless_zero(),
    one(19, "multipleOf", Double),
    many(20, "enum", Form(&JSON)),
    one(21, "maxProperties", Int),
    one(22, "minProperties", Int),
    many(23, "required", Text),
    one(24, "items", Form(&SCHEMA_OR_LIST)),
    many(25, "allOf", Part(&JSON_SCHEMA_PROPS)),
    many(26, "oneOf", Part(&JSON_SCHEMA_PROPS)),
    many(27, "anyOf", Part(&JSON_SCHEMA_PROPS)),
    one(28, "not", Part(&JSON_SCHEMA_PROPS)),
    map(29, "properties", Part(&JSON_SCHEMA_PROPS)),
    one(30, "additionalProperties", Form(&SCHEMA_OR_BOOL)),
    map(31, "patternProperties", Part(&JSON_SCHEMA_PROPS)),
    map(32, "dependencies", Form(&SCHEMA_OR_NAMES)),
    one(33, "additionalItems", Form(&SCHEMA_OR_BOOL)),
    map(34, "definitions", Part(&JSON_SCHEMA_PROPS)),
    one(35, "externalDocs", Part(&EXTERNAL_DOCUMENTATION)),
    one(36, "example", Form(&JSON)),
    one(37, "nullable", Bool).unless_zero(),
    one(38, "x-kubernetes-preserve-unknown-fields", Bool),
    one(39, "x-kubernetes-embedded-resource", Bool).unless_zero(),
    one(40, "x-kubernetes-int-or-string", Bool).unless_zero(),
    many(41, "x-kubernetes-list-map-keys", Text),
    one(42, "x-kubernetes-list-type", Text),
    one(43, "x-kubernetes-map-type", Text),
    many(44, "x-kubernetes-validations", Part(&VALIDATION_RULE)),
]);

pub(crate) static LABEL_SELECTOR: Message = message(&[
    map(1, "matchLabels", Text),
    many(2, "matchExpressions", Part(&LABEL_SELECTOR_REQUIREMENT)),
]);

pub(crate) static LABEL_SELECTOR_ATTRIBUTES: Message = message(&[
    one(1, "rawSelector", Text).unless_zero(),
    many(2, "requirements", Part(&LABEL_SELECTOR_REQUIREMENT)),
]);

pub(crate) static LABEL_SELECTOR_REQUIREMENT: Message =
    message(&[one(1, "key", Text), one(2, "operator", Text), many(3, "values", Text)]);

pub(crate) static LEASE: Message =
    message(&[one(1, "metadata", Part(&OBJECT_META)), one(2, "spec", Part(&LEASE_SPEC))]);

pub(crate) static LEASE_SPEC: Message = message(&[
    one(1, "holderIdentity", Text),
    one(2, "leaseDurationSeconds", Int),
    one(3, "acquireTime", Form(&MICRO_TIME)),
    one(4, "renewTime", Form(&MICRO_TIME)),
    one(5, "leaseTransitions", Int),
    one(6, "strategy", Text),
    one(7, "preferredHolder", Text),
]);

pub(crate) static LOCAL_OBJECT_REFERENCE: Message = message(&[one(1, "name", Text).unless_zero()]);

pub(crate) static LOCAL_SUBJECT_ACCESS_REVIEW: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    one(2, "spec", Part(&SUBJECT_ACCESS_REVIEW_SPEC)),
    one(3, "status", Part(&SUBJECT_ACCESS_REVIEW_STATUS)),
]);

pub(crate) static MANAGED_FIELDS_ENTRY: Message = message(&[
    one(1, "manager", Text).unless_zero(),
    one(2, "operation", Text).unless_zero(),
    one(3, "apiVersion", Text).unless_zero(),
    one(4, "time", Form(&TIME)),
    one(6, "fieldsType", Text).unless_zero(),
    one(7, "fieldsV1", Form(&JSON)),
    one(8, "subresource", Text).unless_zero(),
]);

pub(crate) static NAMESPACE: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    one(2, "spec", Part(&NAMESPACE_SPEC)),
    one(3, "status", Part(&NAMESPACE_STATUS)),
]);

pub(crate) static NAMESPACE_CONDITION: Message = message(&[
    one(1, "type", Text),
    one(2, "status", Text),
    one(4, "lastTransitionTime", Form(&TIME)),
    one(5, "reason", Text).unless_zero(),
    one(6, "message", Text).unless_zero(),
]);

pub(crate) static NAMESPACE_SPEC: Message = message(&[many(1, "finalizers", Text)]);

pub(crate) static NAMESPACE_STATUS: Message = message(&[
    one(1, "phase", Text).unless_zero(),
    many(2, "conditions", Part(&NAMESPACE_CONDITION)),
]);

pub(crate) static NON_RESOURCE_ATTRIBUTES: Message =
    message(&[one(1, "path", Text).unless_zero(), one(2, "verb", Text).unless_zero()]);

pub(crate) static NON_RESOURCE_RULE: Message =
    message(&[many(1, "verbs", Text), many(2, "nonResourceURLs", Text)]);

pub(crate) static OBJECT_META: Message = message(&[
    one(1, "name", Text).unless_zero(),
    one(2, "generateName", Text).unless_zero(),
    one(3, "namespace", Text).unless_zero(),
    one(4, "selfLink", Text).unless_zero(),
    one(5, "uid", Text).unless_zero(),
    one(6, "resourceVersion", Text).unless_zero(),
    one(7, "generation", Int).unless_zero(),
    one(8, "creationTimestamp", Form(&TIME)).unless_zero(),
    one(9, "deletionTimestamp", Form(&TIME)),
    one(10, "deletionGracePeriodSeconds", Int),
    map(11, "labels", Text),
    map(12, "annotations", Text),
    many(13, "ownerReferences", Part(&OWNER_REFERENCE)),
    many(14, "finalizers", Text),
    many(17, "managedFields", Part(&MANAGED_FIELDS_ENTRY)),
]);

pub(crate) static OBJECT_REFERENCE: Message = message(&[
    one(1, "kind", Text).unless_zero(),
    one(2, "namespace", Text).unless_zero(),
    one(3, "name", Text).unless_zero(),
    one(4, "uid", Text).unless_zero(),
    one(5, "apiVersion", Text).unless_zero(),
    one(6, "resourceVersion", Text).unless_zero(),
    one(7, "fieldPath", Text).unless_zero(),
]);

pub(crate) static OWNER_REFERENCE: Message = message(&[
    one(1, "kind", Text),
    one(3, "name", Text),
    one(4, "uid", Text),
    one(5, "apiVersion", Text),
    one(6, "controller", Bool),
    one(7, "blockOwnerDeletion", Bool),
]);

pub(crate) static POLICY_RULE: Message = message(&[
    many(1, "verbs", Text),
    many(2, "apiGroups", Text),
    many(3, "resources", Text),
    many(4, "resourceNames", Text),
    many(5, "nonResourceURLs", Text),
]);

pub(crate) static PRECONDITIONS: Message =
    message(&[one(1, "uid", Text), one(2, "resourceVersion", Text)]);

pub(crate) static RESOURCE_ATTRIBUTES: Message = message(&[
    one(1, "namespace", Text).unless_zero(),
    one(2, "verb", Text).unless_zero(),
    one(3, "group", Text).unless_zero(),
    one(4, "version", Text).unless_zero(),
    one(5, "resource", Text).unless_zero(),
    one(6, "subresource", Text).unless_zero(),
    one(7, "name", Text).unless_zero(),
    one(8, "fieldSelector", Part(&FIELD_SELECTOR_ATTRIBUTES)),
    one(9, "labelSelector", Part(&LABEL_SELECTOR_ATTRIBUTES)),
]);

pub(crate) static RESOURCE_QUOTA: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    one(2, "spec", Part(&RESOURCE_QUOTA_SPEC)),
    one(3, "status", Part(&RESOURCE_QUOTA_STATUS)),
]);

pub(crate) static RESOURCE_QUOTA_SPEC: Message = message(&[
    map(1, "hard", Form(&QUANTITY)),
    many(2, "scopes", Text),
    one(3, "scopeSelector", Part(&SCOPE_SELECTOR)),
]);

pub(crate) static RESOURCE_QUOTA_STATUS: Message =
    message(&[map(1, "hard", Form(&QUANTITY)), map(2, "used", Form(&QUANTITY))]);

pub(crate) static RESOURCE_RULE: Message = message(&[
    many(1, "verbs", Text),
    many(2, "apiGroups", Text),
    many(3, "resources", Text),
    many(4, "resourceNames", Text),
]);

pub(crate) static ROLE: Message =
    message(&[one(1, "metadata", Part(&OBJECT_META)), many(2, "rules", Part(&POLICY_RULE))]);

pub(crate) static ROLE_BINDING: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    many(2, "subjects", Part(&SUBJECT)),
    one(3, "roleRef", Part(&ROLE_REF)),
]);

pub(crate) static ROLE_REF: Message =
    message(&[one(1, "apiGroup", Text), one(2, "kind", Text), one(3, "name", Text)]);

pub(crate) static SCALE: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    one(2, "spec", Part(&SCALE_SPEC)),
    one(3, "status", Part(&SCALE_STATUS)),
]);

pub(crate) static SCALE_SPEC: Message = message(&[one(1, "replicas", Int).unless_zero()]);

pub(crate) static SCALE_STATUS: Message =
    message(&[one(1, "replicas", Int), one(2, "selector", Text).unless_zero()]);

pub(crate) static SCOPED_RESOURCE_SELECTOR_REQUIREMENT: Message =
    message(&[one(1, "scopeName", Text), one(2, "operator", Text), many(3, "values", Text)]);

pub(crate) static SCOPE_SELECTOR: Message =
    message(&[many(1, "matchExpressions", Part(&SCOPED_RESOURCE_SELECTOR_REQUIREMENT))]);

pub(crate) static SECRET: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    map(2, "data", Bytes),
    one(3, "type", Text).unless_zero(),
    map(4, "stringData", Text),
    one(5, "immutable", Bool),
]);

pub(crate) static SELECTABLE_FIELD: Message = message(&[one(1, "jsonPath", Text)]);

pub(crate) static SELF_SUBJECT_ACCESS_REVIEW: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    one(2, "spec", Part(&SELF_SUBJECT_ACCESS_REVIEW_SPEC)),
    one(3, "status", Part(&SUBJECT_ACCESS_REVIEW_STATUS)),
]);

pub(crate) static SELF_SUBJECT_ACCESS_REVIEW_SPEC: Message = message(&[
    one(1, "resourceAttributes", Part(&RESOURCE_ATTRIBUTES)),
    one(2, "nonResourceAttributes", Part(&NON_RESOURCE_ATTRIBUTES)),
]);

pub(crate) static SELF_SUBJECT_REVIEW: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    one(2, "status", Part(&SELF_SUBJECT_REVIEW_STATUS)),
]);

pub(crate) static SELF_SUBJECT_REVIEW_STATUS: Message =
    message(&[one(1, "userInfo", Part(&USER_INFO))]);

pub(crate) static SELF_SUBJECT_RULES_REVIEW: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    one(2, "spec", Part(&SELF_SUBJECT_RULES_REVIEW_SPEC)),
    one(3, "status", Part(&SUBJECT_RULES_REVIEW_STATUS)),
]);

pub(crate) static SELF_SUBJECT_RULES_REVIEW_SPEC: Message =
    message(&[one(1, "namespace", Text).unless_zero()]);

pub(crate) static SERVICE_ACCOUNT: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    many(2, "secrets", Part(&OBJECT_REFERENCE)),
    many(3, "imagePullSecrets", Part(&LOCAL_OBJECT_REFERENCE)),
    one(4, "automountServiceAccountToken", Bool),
]);

pub(crate) static SERVICE_REFERENCE: Message = message(&[
    one(1, "namespace", Text),
    one(2, "name", Text),
    one(3, "path", Text),
    one(4, "port", Int),
]);

pub(crate) static SUBJECT: Message = message(&[
    one(1, "kind", Text),
    one(2, "apiGroup", Text).unless_zero(),
    one(3, "name", Text),
    one(4, "namespace", Text).unless_zero(),
]);

pub(crate) static SUBJECT_ACCESS_REVIEW: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    one(2, "spec", Part(&SUBJECT_ACCESS_REVIEW_SPEC)),
    one(3, "status", Part(&SUBJECT_ACCESS_REVIEW_STATUS)),
]);

pub(crate) static SUBJECT_ACCESS_REVIEW_SPEC: Message = message(&[
    one(1, "resourceAttributes", Part(&RESOURCE_ATTRIBUTES)),
    one(2, "nonResourceAttributes", Part(&NON_RESOURCE_ATTRIBUTES)),
    one(3, "user", Text).unless_zero(),
    many(4, "groups", Text),
    map(5, "extra", Form(&TEXT_LIST)),
    one(6, "uid", Text).unless_zero(),
]);

pub(crate) static SUBJECT_ACCESS_REVIEW_STATUS: Message = message(&[
    one(1, "allowed", Bool),
    one(2, "reason", Text).unless_zero(),
    one(3, "evaluationError", Text).unless_zero(),
    one(4, "denied", Bool).unless_zero(),
]);

pub(crate) static SUBJECT_RULES_REVIEW_STATUS: Message = message(&[
    many(1, "resourceRules", Part(&RESOURCE_RULE)),
    many(2, "nonResourceRules", Part(&NON_RESOURCE_RULE)),
    one(3, "incomplete", Bool),
    one(4, "evaluationError", Text).unless_zero(),
]);

pub(crate) static TOKEN_REQUEST: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    one(2, "spec", Part(&TOKEN_REQUEST_SPEC)),
    one(3, "status", Part(&TOKEN_REQUEST_STATUS)),
]);

pub(crate) static TOKEN_REQUEST_SPEC: Message = message(&[
    many(1, "audiences", Text),
    one(3, "boundObjectRef", Part(&BOUND_OBJECT_REFERENCE)),
    one(4, "expirationSeconds", Int),
    map(5, "attestations", Form(&TEXT_LIST)),
]);

pub(crate) static TOKEN_REQUEST_STATUS: Message =
    message(&[one(1, "token", Text), one(2, "expirationTimestamp", Form(&TIME))]);

pub(crate) static TOKEN_REVIEW: Message = message(&[
    one(1, "metadata", Part(&OBJECT_META)),
    one(2, "spec", Part(&TOKEN_REVIEW_SPEC)),
    one(3, "status", Part(&TOKEN_REVIEW_STATUS)),
]);

pub(crate) static TOKEN_REVIEW_SPEC: Message =
    message(&[one(1, "token", Text).unless_zero(), many(2, "audiences", Text)]);

pub(crate) static TOKEN_REVIEW_STATUS: Message = message(&[
    one(1, "authenticated", Bool).unless_zero(),
    one(2, "user", Part(&USER_INFO)),
    one(3, "error", Text).unless_zero(),
    many(4, "audiences", Text),
]);

pub(crate) static USER_INFO: Message = message(&[
    one(1, "username", Text).unless_zero(),
    one(2, "uid", Text).unless_zero(),
    many(3, "groups", Text),
    map(4, "extra", Form(&TEXT_LIST)),
]);

pub(crate) static VALIDATION_RULE: Message = message(&[
    one(1, "rule", Text),
    one(2, "message", Text).unless_zero(),
    one(3, "messageExpression", Text).unless_zero(),
    one(4, "reason", Text),
    one(5, "fieldPath", Text).unless_zero(),
    one(6, "optionalOldSelf", Bool),
]);

pub(crate) static WEBHOOK_CLIENT_CONFIG: Message = message(&[
    one(1, "service", Part(&SERVICE_REFERENCE)),
    one(2, "caBundle", Bytes).unless_zero(),
    one(3, "url", Text),
]);

pub(crate) static WEBHOOK_CONVERSION: Message = message(&[
    one(2, "clientConfig", Part(&WEBHOOK_CLIENT_CONFIG)),
    many(3, "conversionReviewVersions", Text),
]);
