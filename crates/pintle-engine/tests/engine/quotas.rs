//! Quotas: creates are counted, and nothing else, and never more than there may be.

use std::sync::Arc;

use pintle_engine::{QuotaExceeded, Refusal};
use pintle_model::{GroupResource, Object, ObjectKey};
use pintle_rules::Refusal as RulesRefusal;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::double::Fate;
use crate::world::{
    World, crd, create, delete, device, device_in, devices_crd, merge, namespace, replace, report,
};

fn quota(name: &str) -> ObjectKey {
    ObjectKey::new(GroupResource::from_text("resourcequotas"), "lab", name)
}

fn secret(name: &str) -> ObjectKey {
    ObjectKey::new(GroupResource::from_text("secrets"), "lab", name)
}

fn hard(limits: &Value) -> Value {
    json!({"spec": {"hard": limits}})
}

const DEVICES: &str = "count/devices.infra.example.io";

async fn limited(limits: &Value) -> World {
    let world = World::new().await;
    world.put(&quota("q"), create(hard(limits))).await;
    world
}

async fn make(world: &World, name: &str) -> Result<Arc<Object>, Refusal> {
    world.write(&device(name), create(json!({}))).await.map(|written| written.object)
}

fn exceeded(refusal: Refusal) -> QuotaExceeded {
    match refusal {
        Refusal::QuotaExceeded(exceeded) => *exceeded,
        other => panic!("{other:?}"),
    }
}

/// What it says once all there was to do is done.
async fn status(world: &World, name: &str) -> Value {
    world.engine.calm().await;
    let quota = world.peek(&quota(name)).expect("the quota is there");
    quota.status.as_ref().map(pintle_model::Json::to_value).unwrap_or_default()
}

#[tokio::test]
async fn creates_are_counted_and_what_is_one_too_many_is_refused() {
    let world = limited(&json!({DEVICES: "2"})).await;
    make(&world, "a").await.unwrap();
    make(&world, "b").await.unwrap();
    let said = world.peek(&quota("q")).unwrap().status.clone().unwrap().to_value();
    let full = json!({"hard": {DEVICES: "2"}, "used": {DEVICES: "2"}});
    assert_eq!(said, full, "it is right when the create is answered");

    let refused = exceeded(make(&world, "c").await.unwrap_err());
    assert_eq!((refused.quota.as_str(), &refused.key), ("q", &device("c")));
    let message = format!(
        "exceeded quota: q, requested: {DEVICES}=1, used: {DEVICES}=2, limited: {DEVICES}=2"
    );
    assert_eq!(refused.to_string(), message);
    assert_eq!(world.peek(&device("c")), None);
    let again = make(&world, "a").await.unwrap_err();
    assert!(matches!(again, Refusal::Rules(RulesRefusal::AlreadyExists { .. })), "{again:?}");

    // Other kinds, other namespaces, and everything that is no create.
    world.put(&secret("s"), create(json!({}))).await;
    world.create_namespace("attic").await;
    world.put(&device_in("attic", "c"), create(json!({}))).await;
    world.put(&device("a"), merge(json!({"spec": {"color": "red"}}))).await;
    world.put(&device("a"), replace(json!({"spec": {"color": "blue"}}))).await;
    world.put(&device("a"), report(json!({"phase": "Ready"}))).await;

    world.put(&device("a"), delete()).await;
    make(&world, "c").await.expect("there is room at once");
    exceeded(make(&world, "d").await.unwrap_err());
    assert_eq!(status(&world, "q").await, full);
    world.put(&device("b"), delete()).await;
    assert_eq!(status(&world, "q").await["used"], json!({DEVICES: "1"}));
}

#[tokio::test]
async fn a_new_quota_says_what_is_there() {
    let world = World::new().await;
    make(&world, "a").await.unwrap();
    let limits = json!({DEVICES: "1k", "resourcequotas": 3, "cpu": "0.5"});
    let made = world.put(&quota("q"), create(hard(&limits))).await;
    let said = json!({"hard": {DEVICES: "1k", "resourcequotas": "3", "cpu": "500m"},
                      "used": {DEVICES: "1", "resourcequotas": "1"}});
    assert_eq!(made.status.as_ref().map(pintle_model::Json::to_value), Some(said));
    world.engine.calm().await;
    assert_eq!(world.peek(&quota("q")), Some(made), "there is nothing to add");
}

#[tokio::test]
async fn a_dry_run_is_checked_and_not_counted() {
    let world = limited(&json!({DEVICES: "1"})).await;
    for _ in 0..3 {
        world.write(&device("a"), create(json!({})).dry()).await.expect("there is room");
    }
    assert_eq!(status(&world, "q").await["used"], json!({DEVICES: "0"}));
    make(&world, "a").await.unwrap();
    let refused = world.write(&device("b"), create(json!({})).dry()).await;
    exceeded(refused.unwrap_err());
}

#[tokio::test]
async fn generated_names_are_limited_as_well() {
    let world = limited(&json!({DEVICES: "1"})).await;
    let generate = || create(json!({"metadata": {"generateName": "x-"}}));
    world.put(&device(""), generate()).await;
    let refused = exceeded(world.write(&device(""), generate()).await.unwrap_err());
    assert!(refused.key.name.name.starts_with("x-"), "{}", refused.key);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_creates_at_once_as_many_are_made_as_may_be() {
    for round in 0..5 {
        let world = Arc::new(limited(&json!({DEVICES: "7", "count/secrets": "3"})).await);
        let mut writers = JoinSet::new();
        for writer in 0..40 {
            let world = Arc::clone(&world);
            writers.spawn(async move {
                let name = format!("w{writer}");
                let key = if writer % 4 == 0 { secret(&name) } else { device(&name) };
                match world.write(&key, create(json!({}))).await {
                    Ok(written) => Some(written.object.key.resource.to_string()),
                    Err(refusal) => {
                        exceeded(refusal);
                        None
                    }
                }
            });
        }
        let made = writers.join_all().await;
        let of = |resource: &str| made.iter().flatten().filter(|it| *it == resource).count();
        let counts = (of("devices.infra.example.io"), of("secrets"));
        assert_eq!(counts, (7, 3), "round {round}");
        let used = json!({DEVICES: "7", "count/secrets": "3"});
        assert_eq!(status(&world, "q").await["used"], used);
    }
}

/// Makers and removers at the same time never see more than there may be, and in the end the quota
/// says what is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_that_is_given_back_is_used_once() {
    let world = Arc::new(limited(&json!({DEVICES: "3"})).await);
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let world = Arc::clone(&world);
        writers.spawn(async move {
            for round in 0..20 {
                let name = format!("w{writer}-{round}");
                if make(&world, &name).await.is_ok() {
                    let there = world.engine.store_info().by_resource;
                    let there = there.iter().find(|(of, _)| of.plural() == "devices");
                    assert!(there.is_some_and(|(_, count)| *count <= 3), "{there:?}");
                    if round % 5 != 0 {
                        world.put(&device(&name), delete()).await;
                    }
                }
            }
        });
    }
    writers.join_all().await;
    let there = world.list(crate::world::all(world.selection(Some("lab")))).await.unwrap();
    let used = json!({DEVICES: there.objects.len().to_string()});
    assert_eq!(status(&world, "q").await["used"], used);
}

/// Whoever was told that a limit is there can rely on it: what looked before it was there is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_began_before_a_limit_comes_after_it() {
    let world = Arc::new(World::new().await);
    for (round, limits) in ["0", "1"].into_iter().enumerate() {
        let (name, tried) = (format!("late-{round}"), world.store.tried());
        world.store.fate([Fate::Slow(200)]);
        let late = tokio::spawn({
            let (world, name) = (Arc::clone(&world), name.clone());
            async move { make(&world, &name).await }
        });
        while world.store.tried() == tried {
            tokio::task::yield_now().await;
        }
        let name_of_quota = quota(&format!("q{round}"));
        let want = create(hard(&json!({"secrets": limits})));
        world.put(&name_of_quota, want).await;
        world.put(&name_of_quota, merge(hard(&json!({DEVICES: limits})))).await;
        assert!(world.peek(&device(&name)).is_some(), "it was not waited for");
        late.await.unwrap().expect("it looked before");
        exceeded(make(&world, "x").await.unwrap_err());
        world.put(&name_of_quota, delete()).await;
    }
}

/// A limit that somebody lowers between the count and the commit is not overlooked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_is_committed_on_the_limits_that_it_was_counted_by() {
    let world = Arc::new(limited(&json!({DEVICES: "1"})).await);
    let tried = world.store.tried();
    world.store.fate([Fate::Slow(200)]);
    let maker = tokio::spawn({
        let world = Arc::clone(&world);
        async move { make(&world, "a").await }
    });
    while world.store.tried() == tried {
        tokio::task::yield_now().await;
    }
    world.store.commit_body(&quota("q"), &hard(&json!({DEVICES: "0"}))).await;
    exceeded(maker.await.unwrap().unwrap_err());
    assert_eq!(world.store.tried(), tried + 1, "it was counted again");
    assert_eq!(world.peek(&device("a")), None);
}

#[tokio::test]
async fn a_limit_can_be_changed_and_go() {
    let world = limited(&json!({DEVICES: "1", "cpu": "500m"})).await;
    make(&world, "a").await.unwrap();
    world.put(&quota("q"), merge(hard(&json!({DEVICES: 2})))).await;
    make(&world, "b").await.unwrap();
    let said = json!({"hard": {DEVICES: "2", "cpu": "500m"}, "used": {DEVICES: "2"}});
    assert_eq!(status(&world, "q").await, said);
    world.put(&quota("q"), merge(hard(&json!({DEVICES: "1", "cpu": null, "secrets": "1k"})))).await;
    exceeded(make(&world, "c").await.unwrap_err());
    let said =
        json!({"hard": {DEVICES: "1", "secrets": "1k"}, "used": {DEVICES: "2", "secrets": "0"}});
    assert_eq!(status(&world, "q").await, said, "more can be there than may be");
    world.put(&quota("q"), delete()).await;
    make(&world, "c").await.unwrap();
}

#[tokio::test]
async fn several_quotas_all_have_to_have_room() {
    let world = limited(&json!({"count/secrets": "2", "secrets": "1"})).await;
    world
        .put(&quota("r"), create(hard(&json!({"count/secrets": "5", "resourcequotas": "2"}))))
        .await;
    world.put(&secret("a"), create(json!({}))).await;
    assert_eq!(
        status(&world, "r").await["used"],
        json!({"count/secrets": "1", "resourcequotas": "2"})
    );
    let refused = exceeded(world.write(&secret("b"), create(json!({}))).await.unwrap_err());
    assert_eq!(
        refused.to_string(),
        "exceeded quota: q, requested: secrets=1, used: secrets=1, limited: secrets=1"
    );
    let refused = exceeded(world.write(&quota("s"), create(json!({}))).await.unwrap_err());
    assert_eq!(refused.quota, "r");
    world.put(&quota("q"), merge(hard(&json!({"count/secrets": "1"})))).await;
    let refused = exceeded(world.write(&secret("b"), create(json!({}))).await.unwrap_err());
    let limits = "count/secrets=1,secrets=1";
    assert_eq!(
        refused.to_string(),
        format!("exceeded quota: q, requested: {limits}, used: {limits}, limited: {limits}")
    );
}

#[tokio::test]
async fn a_quota_for_some_pods_limits_nothing_here() {
    let world = World::new().await;
    let selector =
        json!({"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]});
    for (name, key, value) in
        [("scopes", "scopes", json!(["BestEffort"])), ("selector", "scopeSelector", selector)]
    {
        let mut scoped = hard(&json!({DEVICES: "0"}));
        scoped["spec"][key] = value;
        world.put(&quota(name), create(scoped)).await;
    }
    make(&world, "a").await.unwrap();
    for name in ["scopes", "selector"] {
        assert_eq!(status(&world, name).await["used"], json!({DEVICES: "0"}), "{name}");
    }
    let open = json!({"spec": {"scopes": [], "scopeSelector": {}, "hard": {DEVICES: "1"}}});
    world.put(&quota("open"), create(open)).await;
    exceeded(make(&world, "b").await.unwrap_err());
}

/// A status is a user's to write, and counts for nothing.
#[tokio::test]
async fn a_status_that_somebody_wrote_is_corrected_when_it_is_counted_again() {
    let world = limited(&json!({DEVICES: "1", "cpu": "2"})).await;
    make(&world, "a").await.unwrap();
    let used = json!({DEVICES: "0", "cpu": "1", "memory": "1"});
    let claims = json!({"used": used, "hard": {DEVICES: "9"}});
    let claimed = world.put(&quota("q"), report(claims.clone())).await;
    assert_eq!(claimed.status.as_ref().map(pintle_model::Json::to_value), Some(claims));
    exceeded(make(&world, "b").await.unwrap_err());
    world.put(&secret("s"), create(json!({}))).await;
    let said = json!({"hard": {DEVICES: "1", "cpu": "2"}, "used": {DEVICES: "1", "cpu": "1"}});
    assert_eq!(status(&world, "q").await, said, "what is no count is left to others");
}

#[tokio::test]
async fn a_kind_that_is_not_served_has_nothing_used() {
    let world = limited(&json!({"count/gauges.infra.example.io": "1", DEVICES: "5"})).await;
    assert_eq!(status(&world, "q").await["used"], json!({DEVICES: "0"}));
    world.declare(crd("gauges", "Gauge")).await;
    let both = json!({"count/gauges.infra.example.io": "0", DEVICES: "0"});
    assert_eq!(status(&world, "q").await["used"], both);
    let name = devices_crd()["metadata"]["name"].as_str().unwrap().to_owned();
    world.put(&crate::world::definition(&name), delete()).await;
    world.until_gone(&crate::world::definition(&name)).await;
    let one = json!({"count/gauges.infra.example.io": "0"});
    assert_eq!(status(&world, "q").await["used"], one);
}

/// What was removed when nobody was left to count is counted after a start.
#[tokio::test]
async fn a_new_life_begins_with_a_count() {
    let world = limited(&json!({DEVICES: "2"})).await;
    make(&world, "a").await.unwrap();
    make(&world, "b").await.unwrap();
    world.engine.calm().await;
    let World { engine, store, .. } = world;
    drop(engine);
    store.commit_removal(&device("a")).await;
    let world = World::found(store).await;
    assert_eq!(status(&world, "q").await["used"], json!({DEVICES: "1"}));
    make(&world, "c").await.unwrap();
    exceeded(make(&world, "d").await.unwrap_err());
}

/// A create whose commit met a rival is counted once, and one that failed is not.
#[tokio::test]
async fn only_what_is_committed_is_counted() {
    let world = limited(&json!({DEVICES: "1"})).await;
    let broken = pintle_store::StoreError::Unavailable("no disk".into());
    world.store.fate([Fate::Fails(broken)]);
    assert!(matches!(make(&world, "a").await, Err(Refusal::Unavailable(_))));
    assert_eq!(status(&world, "q").await["used"], json!({DEVICES: "0"}));
    make(&world, "a").await.unwrap();
    assert_eq!(status(&world, "q").await["used"], json!({DEVICES: "1"}));
}

/// A namespace with quotas goes as any other.
#[tokio::test]
async fn a_quota_does_not_keep_its_namespace() {
    let world = limited(&json!({DEVICES: "2", "resourcequotas": "1"})).await;
    make(&world, "a").await.unwrap();
    world.put(&namespace("lab"), delete()).await;
    world.until_gone(&namespace("lab")).await;
    assert_eq!((world.peek(&quota("q")), world.peek(&device("a"))), (None, None));
}

#[tokio::test]
async fn limits_that_mean_nothing_are_refused() {
    let world = World::new().await;
    let bad = [
        json!({DEVICES: "-1"}),
        json!({DEVICES: "many"}),
        json!({DEVICES: "1500m"}),
        json!({"devices": "1"}),
    ];
    for limits in bad {
        let refused = world.write(&quota("q"), create(hard(&limits))).await;
        assert!(matches!(refused, Err(Refusal::Rules(RulesRefusal::Invalid(_)))), "{limits}");
    }
}
