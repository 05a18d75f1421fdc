//! What one decision costs. `cargo test --release -p pintle-rules decide_rate -- --ignored
//! --nocapture`

use std::hint::black_box;
use std::time::Instant;

use pintle_rules::Intent;
use serde_json::{Value, json};

use crate::world::{But as _, World, on_status, replace_status};

const ROUNDS: u32 = 50_000;

fn print_cost(name: &str, world: &World, intent: &Intent) {
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        black_box(black_box(world).decide(black_box(intent))).unwrap();
    }
    println!("{:>6} ns  {name}", begun.elapsed().as_nanos() / u128::from(ROUNDS));
}

/// A status of about 370 bytes with one condition.
fn report(load: u32) -> Value {
    let message = "the device answered its last three probes within the time that was agreed upon; \
                   the next probe is due in a minute";
    json!({"status": {
        "health": "Healthy", "observedGeneration": 1, "load": load, "phase": "Running",
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "ProbesAnswered", "message": message,
            "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:01Z",
        }],
    }})
}

#[test]
#[ignore = "prints a time; it asserts nothing"]
fn decide_rate() {
    for bytes in [1_800, 15_000] {
        let settings: serde_json::Map<_, _> = (0..bytes / 40)
            .map(|n| (format!("setting-{n:04}"), json!("some value, quite short")))
            .collect();
        let mut world = World::with(json!({"spec": {"location": "dc1", "settings": settings}}));
        world.wrote(&on_status(replace_status(report(1))));
        let object = world.object();
        let status = object.status.as_ref().unwrap().len();
        println!("object of {} bytes, {status} of them status", object.size());
        let revision = object.revision.0;
        let changed = on_status(replace_status(report(2))).expecting(revision);
        print_cost("status replace with one condition", &world, &changed);
        let same = on_status(replace_status(report(1))).expecting(revision);
        print_cost("the same without a change", &world, &same);
        let merge = on_status(crate::world::merge(json!({"status": {"load": 2}})));
        print_cost("status merge patch of one field", &world, &merge);
    }
}
