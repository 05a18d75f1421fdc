//! The contract as properties of arbitrary objects and arbitrary writes, valid and not.

use std::sync::Arc;

use pintle_model::{Manner, Object, Put, Revision, Uid};
use pintle_rules::{
    ApplyConditions, ConditionEdit, Conduct, ConflictScope, DeleteOptions, Document, Edit,
    FieldValidation, ForeignLane, Intent, Lane, MetadataMode, Patch, PatchFormat, PatchRoot,
    Precondition, Propagation, Refusal, Scaling, UidForm, Verdict,
};
use pintle_schema::Schema;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::world::{World, fields, main, merge_status, replace, replace_status};

/// Names that mean something somewhere, and some that only look so.
const NAMES: &str = "spec status metadata kind apiVersion name namespace uid labels annotations \
     finalizers ownerReferences resourceVersion generation deletionTimestamp location replicas \
     weight settings health load raw conditions type reason observedGeneration \
     lastTransitionTime Status __proto__ sp~ec a/b";

fn name() -> impl Strategy<Value = String> {
    let names: Vec<_> = NAMES.split(' ').chain([""]).collect();
    proptest::sample::select(names).prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..4).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(
            &["True", "Ready", "Healthy", "dev-1", "device-1", "11", "x y", ""][..]
        )
        .prop_map(Value::from),
    ]
}

/// Any JSON at all, out of the words above. Strategies of this size are boxed: as they are, their
/// values would fill the stack of a test.
fn anything() -> BoxedStrategy<Value> {
    scalar()
        .prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                btree_map(name(), inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
        .boxed()
}

fn any_fields() -> impl Strategy<Value = Map<String, Value>> {
    btree_map(name(), anything(), 0..5).prop_map(|fields| fields.into_iter().collect())
}

/// The optional fields that are there.
fn some(fields: Vec<(&str, Option<Value>)>) -> Value {
    let there = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

fn condition() -> impl Strategy<Value = Value> {
    let text = |from: &'static [&'static str]| proptest::sample::select(from).prop_map(Value::from);
    let types = text(&["Ready", "Synced", "Fresh"]);
    let times = text(&["2025-01-01T00:00:00Z", "yesterday"]);
    let statuses = text(&["True", "False", "Unknown"]);
    (types, statuses, option::of(scalar()), option::of(0_i64..3), option::of(times)).prop_map(
        |(kind, status, reason, observed, time)| {
            some(vec![
                ("type", Some(kind)),
                ("status", Some(status)),
                ("reason", reason.filter(Value::is_string)),
                ("observedGeneration", observed.map(Value::from)),
                ("lastTransitionTime", time),
            ])
        },
    )
}

/// A status that mostly is one.
fn status() -> impl Strategy<Value = Value> {
    let health = proptest::sample::select(&["Healthy", "Degraded", "Failed"][..]);
    let conditions = vec(condition(), 0..4);
    let parts = (
        option::of(health),
        option::of(0_i64..3),
        option::of(any::<f64>()),
        option::of(anything()),
        option::of(conditions),
    );
    parts.prop_map(|(health, observed, load, raw, conditions)| {
        some(vec![
            ("health", health.map(Value::from)),
            ("observedGeneration", observed.map(Value::from)),
            ("load", load.map(Value::from)),
            ("raw", raw.filter(Value::is_object)),
            ("conditions", conditions.map(Value::from)),
        ])
    })
}

/// A spec that mostly is one.
fn spec() -> impl Strategy<Value = Value> {
    let location = proptest::sample::select(&["dc1", "dc2"][..]);
    let parts = (
        option::of(location),
        option::of(-1_i64..3),
        option::of(any::<f64>()),
        option::of(anything()),
    );
    parts.prop_map(|(location, replicas, weight, settings)| {
        some(vec![
            ("location", location.map(Value::from)),
            ("replicas", replicas.map(Value::from)),
            ("weight", weight.map(Value::from)),
            ("settings", settings.filter(Value::is_object)),
        ])
    })
}

/// Metadata that a client may send, mostly.
fn metadata() -> impl Strategy<Value = Value> {
    let map = || option::of(btree_map("[a-c]", "[a-c]", 0..3));
    let finalizers = option::of(vec("example\\.io/[a-c]", 0..2));
    let parts = (map(), map(), finalizers, option::weighted(0.1, anything()));
    parts.prop_map(|(labels, annotations, finalizers, extra)| {
        some(vec![
            ("labels", labels.map(|map| json!(map))),
            ("annotations", annotations.map(|map| json!(map))),
            ("finalizers", finalizers.map(|list| json!(list))),
            ("ownerReferences", extra),
        ])
    })
}

/// What a client may send as an object, sensible or not.
fn document() -> BoxedStrategy<Value> {
    let sensible = (option::of(metadata()), option::of(spec()), option::of(status()));
    let sensible = sensible.prop_map(|(metadata, spec, status)| {
        some(vec![("metadata", metadata), ("spec", spec), ("status", status)])
    });
    prop_oneof![4 => sensible, 1 => anything()].boxed()
}

fn patch() -> BoxedStrategy<Edit> {
    let root = prop_oneof![Just(PatchRoot::Object), Just(PatchRoot::Lane)];
    let of_format = patch_document().prop_map(|(format, document)| Patch::parse(format, &document));
    let strategic = (document(), option::of(status()));
    let strategic = strategic.prop_map(|(mut document, status)| {
        if let (Some(fields), Some(status)) = (document.as_object_mut(), status) {
            fields.insert("$patch".to_owned(), "replace".into());
            fields.insert("status".to_owned(), status);
        }
        Patch::strategic(&document, &Schema::anything())
    });
    (prop_oneof![4 => of_format, 1 => strategic], root)
        .prop_filter_map("a patch", |(patch, root)| Some(Edit::Patch(patch.ok()?, root)))
        .boxed()
}

fn patch_document() -> impl Strategy<Value = (PatchFormat, Value)> {
    let paths = vec((vec(name(), 0..4), anything()), 0..3).prop_map(|paths| {
        let fields = paths.into_iter().map(|(path, value)| (path.join("."), value));
        Value::Object(fields.collect())
    });
    prop_oneof![
        document().prop_map(|document| (PatchFormat::Merge, document)),
        status().prop_map(|document| (PatchFormat::Merge, document)),
        vec(operation(), 0..4).prop_map(|operations| (PatchFormat::Json, json!(operations))),
        paths.prop_map(|document| (PatchFormat::Shorthand, document)),
    ]
}

fn operation() -> BoxedStrategy<Value> {
    let op = proptest::sample::select(&["add", "remove", "replace", "move", "copy", "test"][..]);
    let value = prop_oneof![anything(), status(), condition()];
    (op, pointer(), pointer(), value)
        .prop_map(
            |(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}),
        )
        .boxed()
}

fn pointer() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(
        &[
            "",
            "/spec",
            "/spec/location",
            "/status",
            "/status/health",
            "/status/conditions/0",
            "/status/conditions/-",
            "/metadata/labels",
            "/metadata/resourceVersion",
            "/metadata/finalizers/0",
            "/health",
            "/conditions/0/status",
        ][..],
    );
    let any = vec(name(), 0..4).prop_map(|path| {
        path.iter().fold(String::new(), |path, name| {
            path + "/" + &name.replace('~', "~0").replace('/', "~1")
        })
    });
    prop_oneof![known.prop_map(str::to_owned), any]
}

fn condition_edit() -> BoxedStrategy<Edit> {
    let kind = proptest::sample::select(&["Ready", "Synced", ""][..]).prop_map(str::to_owned);
    let given = prop_oneof![condition().prop_map(fields), any_fields()];
    let put = (kind.clone(), given).prop_map(|(kind, fields)| ConditionEdit::Put { kind, fields });
    prop_oneof![put, kind.prop_map(|kind| ConditionEdit::Remove { kind })]
        .prop_map(Edit::Condition)
        .boxed()
}

fn applied() -> BoxedStrategy<Edit> {
    let types =
        proptest::sample::select(&["Ready", "Synced", "Absent"][..]).prop_map(str::to_owned);
    let set = vec(condition().prop_map(fields), 0..3);
    (set, vec(types, 0..2), option::of(0_i64..3), any::<bool>())
        .prop_map(|(set, remove, observed_generation, force)| {
            Edit::ApplyConditions(ApplyConditions { set, remove, observed_generation, force })
        })
        .boxed()
}

/// Documents that no door would make, too.
fn raw_document() -> BoxedStrategy<Document> {
    let parts = (
        option::of(any_fields()),
        option::of(any_fields()),
        option::of(anything()),
        vec(name(), 0..2),
    );
    parts
        .prop_map(|(metadata, body, status, foreign)| Document { metadata, body, status, foreign })
        .boxed()
}

fn status_edit() -> BoxedStrategy<Edit> {
    prop_oneof![
        3 => status().prop_map(|status| replace_status(json!({"status": status}))),
        1 => document().prop_map(replace_status),
        1 => raw_document().prop_map(Edit::Replace),
        3 => patch(),
        2 => condition_edit(),
        2 => status().prop_map(|status| merge_status(json!({"status": status}))),
        1 => raw_document().prop_map(Edit::MergeStatus),
        2 => applied(),
    ]
    .boxed()
}

fn main_edit() -> BoxedStrategy<Edit> {
    prop_oneof![
        3 => document().prop_map(replace),
        1 => raw_document().prop_map(Edit::Replace),
        3 => patch(),
    ]
    .boxed()
}

fn any_edit() -> BoxedStrategy<Edit> {
    let propagation = prop_oneof![
        Just(Propagation::Background),
        Just(Propagation::Foreground),
        Just(Propagation::Orphan)
    ];
    prop_oneof![
        2 => status_edit(),
        2 => main_edit(),
        1 => raw_document().prop_map(Edit::Create),
        1 => (-1_i64..4).prop_map(|replicas| Edit::Scale(Scaling::Put(replicas))),
        1 => propagation.prop_map(|propagation| Edit::Delete(DeleteOptions { propagation, ..DeleteOptions::default() })),
    ]
    .boxed()
}

fn conduct() -> impl Strategy<Value = Conduct> {
    (any::<bool>(), any::<bool>(), 0..3, any::<bool>()).prop_map(
        |(refuse, named_only, unknown, keeps_conditions)| Conduct {
            foreign: if refuse { ForeignLane::Refuse } else { ForeignLane::Ignore },
            metadata: if named_only { MetadataMode::NamedOnly } else { MetadataMode::Whole },
            unknown_fields: match unknown {
                0 => FieldValidation::Ignore,
                1 => FieldValidation::Warn,
                _ => FieldValidation::Strict,
            },
            keeps_conditions,
            patches_are: Manner::Patched,
            uids: UidForm::Kind,
        },
    )
}

fn precondition() -> impl Strategy<Value = Precondition> {
    let uid = proptest::sample::select(&["device-1", "device-2"][..]).prop_map(Uid::from);
    let scope = proptest::sample::select(
        &[ConflictScope::Object, ConflictScope::Status, ConflictScope::Conditions][..],
    );
    let parts = (option::weighted(0.3, 0_u64..16), option::weighted(0.1, uid), scope, 0..20, 0..5);
    parts.prop_map(|(revision, uid, scope, absent, required)| Precondition {
        revision: revision.map(Revision),
        uid,
        scope,
        absent: absent == 0,
        required: required == 0,
    })
}

fn intent(lane: Lane, edit: BoxedStrategy<Edit>) -> BoxedStrategy<Intent> {
    (edit, precondition(), conduct(), "[ab]")
        .prop_map(move |(edit, precondition, conduct, manager)| Intent {
            lane,
            edit,
            precondition,
            conduct,
            manager,
        })
        .boxed()
}

fn either_lane() -> impl Strategy<Value = Intent> {
    prop_oneof![intent(Lane::Main, main_edit()), intent(Lane::Status, status_edit())]
}

/// A device with a past, seen through any of the versions of its kind.
fn world(versions: &'static [&'static str]) -> BoxedStrategy<World> {
    let created = (metadata(), option::of(spec()));
    let writes = vec(either_lane(), 0..4);
    (created, writes, proptest::sample::select(versions))
        .prop_map(|((metadata, spec), writes, version)| {
            let document = some(vec![("metadata", Some(metadata)), ("spec", spec)]);
            let mut world = World::empty();
            if world.write(&main(crate::world::create(document))).is_err() {
                world.wrote(&main(crate::world::create(json!({}))));
            }
            for write in writes {
                // Whether it is accepted does not matter: the past is what it is.
                let _ = world.write(&Intent { precondition: Precondition::default(), ..write });
            }
            world.speaking(version)
        })
        .boxed()
}

const WITH_SUBRESOURCE: &[&str] = &["v1", "v1beta1", "v2"];
const ALL_VERSIONS: &[&str] = &["v1", "v1alpha1", "v1beta1", "v2"];

/// Everything that a status write has to leave as it is.
fn outside_status(object: &Object) -> Object {
    Object {
        status: None,
        ledger: None,
        status_revision: Revision::ZERO,
        status_version: None,
        revision: Revision::ZERO,
        updated_at: pintle_model::Timestamp(0),
        ..object.clone()
    }
}

fn lanes(world: &World) -> Option<(Object, Value, pintle_model::Generation)> {
    let object = world.current.as_ref()?;
    let without_revisions =
        Object { body_revision: Revision::ZERO, body_version: None, ..outside_status(object) };
    Some((without_revisions, world.status(), object.generation()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Rules 1, 8 and 10: whatever a status write is, nothing outside status changes by a byte.
    #[test]
    fn a_status_write_changes_status_and_nothing_else(
        mut world in world(ALL_VERSIONS),
        intent in intent(Lane::Status, status_edit()),
    ) {
        let before = Arc::clone(world.current.as_ref().unwrap());
        if let Ok(decision) = world.write(&intent) {
            let after = world.object();
            prop_assert_eq!(outside_status(after), outside_status(&before));
            prop_assert!(Arc::ptr_eq(&after.metadata, &before.metadata));
            match decision.verdict {
                Verdict::Unchanged(object) => prop_assert_eq!(object, before),
                Verdict::Change(change) => {
                    prop_assert!(matches!(change.put, Put::Status(_)));
                    prop_assert!(after.status != before.status, "a change changes something");
                    prop_assert_eq!(after.status_revision, after.revision);
                }
            }
        }
    }

    /// Rule 1 the other way round, and the meaning of generation.
    #[test]
    fn a_main_write_changes_no_status(
        mut world in world(WITH_SUBRESOURCE),
        intent in intent(Lane::Main, main_edit()),
    ) {
        let before = Arc::clone(world.current.as_ref().unwrap());
        if world.write(&intent).is_ok() && let Some(after) = &world.current {
            prop_assert_eq!(&after.status, &before.status);
            prop_assert_eq!(&after.ledger, &before.ledger);
            prop_assert_eq!(after.status_revision, before.status_revision);
            let bumped = after.generation() != before.generation();
            prop_assert_eq!(bumped, after.body != before.body);
            prop_assert_eq!(after.body_revision != before.body_revision, bumped);
            prop_assert_eq!(after.uid(), before.uid());
            prop_assert_eq!(after.metadata.deletion_timestamp, before.metadata.deletion_timestamp);
        }
    }

    /// Spec and status have different owners, who need not wait for each other.
    #[test]
    fn writes_to_different_lanes_commute(
        world in world(WITH_SUBRESOURCE),
        first in intent(Lane::Main, main_edit()),
        second in intent(Lane::Status, status_edit()),
    ) {
        let free = |intent: Intent| Intent { precondition: Precondition::default(), ..intent };
        let (first, second) = (free(first), free(second));
        // The server's clock is not the writers'.
        let both = |one: &Intent, other: &Intent| {
            let mut world = world.clone();
            let now = world.stamp.now;
            let one = world.write(one).is_ok();
            world.stamp.now = now;
            ((one, world.write(other).is_ok()), world)
        };
        let (forward, backward) = (both(&first, &second), both(&second, &first));
        // A status may speak of the generation, and a patch of the version, that the other made.
        if forward.0 == (true, true) && backward.0 == (true, true) && forward.1.current.is_some() {
            prop_assert_eq!(lanes(&forward.1), lanes(&backward.1));
        }
    }

    /// Rule 5: an accepted write that says what shall be, said again, is no write.
    #[test]
    fn an_accepted_write_said_again_is_unchanged(
        mut world in world(ALL_VERSIONS),
        intent in either_lane(),
    ) {
        // A JSON patch says what to do, and one that names a version is held to it.
        let idempotent = match &intent.edit {
            Edit::Patch(Patch::Merge(_) | Patch::Shorthand(_), _)
            | Edit::Replace(_)
            | Edit::MergeStatus(_)
            | Edit::ApplyConditions(_)
            | Edit::Finalize(_)
            | Edit::Emptied
            | Edit::Scale(Scaling::Put(_)) => true,
            Edit::Condition(edit) => matches!(edit, ConditionEdit::Put { .. }),
            Edit::Patch(Patch::Json(_) | Patch::Strategic(_), _)
            | Edit::Create(_)
            | Edit::Scale(Scaling::Patch(_))
            | Edit::Delete(_) => false,
        };
        let intent = Intent { precondition: Precondition::default(), ..intent };
        if idempotent && world.write(&intent).is_ok() && world.current.is_some() {
            match world.decide(&intent) {
                Ok(decision) => {
                    let stored = world.current.unwrap();
                    prop_assert_eq!(decision.verdict, Verdict::Unchanged(stored));
                }
                Err(refusal) => {
                    let conflict = matches!(refusal, Refusal::Conflict(_));
                    prop_assert!(conflict, "{:?}", refusal);
                }
            }
        }
    }

    /// Whatever comes in, the answer is a decision or a refusal, and a change is of what was there.
    #[test]
    fn decide_is_total(
        mut world in world(ALL_VERSIONS),
        exists in any::<bool>(),
        intent in prop_oneof![intent(Lane::Main, any_edit()), intent(Lane::Status, any_edit())],
    ) {
        world.current = world.current.filter(|_| exists);
        if let Ok(decision) = world.decide(&intent) {
            match decision.verdict {
                Verdict::Unchanged(object) => prop_assert_eq!(Some(object), world.current),
                Verdict::Change(change) => {
                    let revision = world.current.as_ref().map(|current| current.revision);
                    prop_assert_eq!(change.expect, revision);
                    let lane = match change.put {
                        Put::Status(_) => Lane::Status,
                        Put::Create { .. } | Put::Main { .. } | Put::Delete => Lane::Main,
                    };
                    prop_assert_eq!(lane, intent.lane);
                }
            }
        }
    }

    /// Rule 2: an accepted write that named a version was computed from the newest one.
    #[test]
    fn no_write_is_lost(
        world in world(WITH_SUBRESOURCE),
        mut intent in either_lane(),
        revision in 0_u64..20,
    ) {
        intent.precondition.revision = Some(Revision(revision));
        let object = world.object();
        if world.decide(&intent).is_ok() {
            let newest = match intent.precondition.scope {
                ConflictScope::Object => object.revision.0 == revision,
                ConflictScope::Status => object.status_revision.0 <= revision,
                ConflictScope::Conditions => listed_are_as_at(object, &intent.edit, revision),
            };
            prop_assert!(newest && revision > 0);
        }
    }
}

/// Whether nobody wrote a condition that the edit lists after this revision; of an edit that lists
/// none, the status.
fn listed_are_as_at(object: &Object, edit: &Edit, revision: u64) -> bool {
    let Edit::ApplyConditions(wanted) = edit else { return object.status_revision.0 <= revision };
    let Some(ledger) = &object.ledger else { return true };
    let ledger = ledger.settled(object.status_revision);
    wanted.types().all(|kind| {
        let changed = ledger.entries.get(kind).and_then(|entry| entry.changed);
        changed.is_none_or(|changed| changed.0 <= revision)
    })
}

/// The generators above have to make writes that are accepted, or the properties say little.
#[test]
fn the_properties_speak_of_something() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut changes, mut unchanged, mut refused) = (0, 0, 0);
    let writes = (world(ALL_VERSIONS), either_lane());
    for _ in 0..400 {
        let (world, intent) = writes.new_tree(&mut runner).unwrap().current();
        match world
            .decide(&Intent { precondition: Precondition::default(), ..intent })
            .map(|it| it.verdict)
        {
            Ok(Verdict::Change(_)) => changes += 1,
            Ok(Verdict::Unchanged(_)) => unchanged += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(changes > 40 && unchanged > 40 && refused > 40, "{changes} {unchanged} {refused}");
}
