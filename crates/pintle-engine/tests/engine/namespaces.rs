//! Namespaces: their phase, and what goes with them.

use std::sync::Arc;

use serde_json::json;

use crate::world::{World, create, delete, device_in, merge, namespace, status};

#[tokio::test]
async fn a_namespace_says_its_phase_and_goes_when_it_is_empty() {
    let world = World::new().await;
    let lab = namespace("lab");
    let phase = |world: &World| world.peek(&lab).map(|object| status(&object)["phase"].clone());
    world.until("it is active", |world| phase(world) == Some(json!("Active"))).await;
    for number in 0..60 {
        world.create(&format!("d{number}"), "red").await;
    }
    let held = json!({"metadata": {"finalizers": ["example.io/wait"]}});
    world.put(&device_in("lab", "held"), create(held)).await;
    world.put(&device_in("default", "other"), create(json!({}))).await;

    world.put(&lab, delete()).await;
    world.until("it says so", |world| phase(world) == Some(json!("Terminating"))).await;
    world.until_gone(&device_in("lab", "d59")).await;
    assert!(world.peek(&device_in("lab", "held")).is_some() && world.peek(&lab).is_some());

    let world = world.crash().await;
    world.put(&device_in("lab", "held"), merge(json!({"metadata": {"finalizers": []}}))).await;
    world.until_gone(&lab).await;
    assert!(world.peek(&device_in("default", "other")).is_some());
}

/// However creates and the end of a namespace fall together, nothing is left in one that is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_in_a_namespace_that_is_gone() {
    let world = Arc::new(World::new().await);
    for round in 0..20 {
        let place = format!("n{round}");
        world.create_namespace(&place).await;
        let (making, into) = (Arc::clone(&world), place.clone());
        let maker = tokio::spawn(async move {
            let mut made = 0;
            while making
                .write(&device_in(&into, &made.to_string()), create(json!({})))
                .await
                .is_ok()
            {
                made += 1;
                tokio::task::yield_now().await;
            }
            made
        });
        world.put(&namespace(&place), delete()).await;
        let made: usize = maker.await.unwrap();
        world.until_gone(&namespace(&place)).await;
        for name in 0..=made {
            assert_eq!(world.peek(&device_in(&place, &name.to_string())), None, "{name} of {made}");
        }
    }
}
