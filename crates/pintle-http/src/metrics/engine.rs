//! What the engine and its store say of themselves.

use pintle_engine::{Engine, Flushes};
use pintle_model::GroupResource;

use super::SERIES_MAX;
use super::text::{Kind, Text};

pub(super) fn show(text: &mut Text, engine: &Engine) {
    watches(text, engine);
    store(text, engine);
}

fn watches(text: &mut Text, engine: &Engine) {
    let newest = engine.newest();
    text.gauge("pintle_watchers", "Watchers that are open in the engine.", engine.watchers());
    let lag = engine.slowest_watcher().map_or(0, |told| newest.0.saturating_sub(told.0));
    text.gauge(
        "pintle_watch_lag_revisions",
        "How many revisions the slowest watcher is behind.",
        lag,
    );
    text.gauge(
        "pintle_lifecycle_tasks",
        "What the server has to do by itself: kinds, namespaces and owners to look after.",
        engine.tasks(),
    );
    let behind = newest.0.saturating_sub(engine.followed_up_to().0);
    text.gauge(
        "pintle_follower_lag_revisions",
        "How many revisions catalogue and rules are behind what was written.",
        behind,
    );
}

fn store(text: &mut Text, engine: &Engine) {
    let (info, measures) = (engine.store_info(), engine.measures());
    text.gauge("pintle_store_revision", "The newest revision.", info.newest.0);
    text.gauge(
        "pintle_store_oldest_revision",
        "History is complete after this revision.",
        info.oldest.0,
    );
    objects(text, info.by_resource);
    text.gauge("pintle_store_disk_bytes", "What the store takes on disk.", info.disk_bytes);
    text.gauge("pintle_store_waiting", "Commits that wait for the store.", info.waiting);
    text.gauge("pintle_store_history_bytes", "About how much history takes.", info.history_bytes);
    text.gauge(
        "pintle_store_history_cut_short",
        "Whether the byte limit keeps less history than its age limit asks for.",
        u8::from(info.history_cut_short),
    );
    text.counter("pintle_store_flushes_total", "Flushes to disk.", info.commits);
    text.counter("pintle_store_changes_total", "Changes in those.", info.changes);
    flushes(text, engine.flushes());
    text.family(
        "pintle_store_commit_duration_seconds",
        Kind::Histogram,
        "Commits, from when the store was asked until it had answered, waiting included.",
    );
    text.histogram("pintle_store_commit_duration_seconds", &[], &measures.commits);
    text.counter(
        "pintle_store_compaction_steps_total",
        "Steps of the compaction of history.",
        measures.compaction_steps(),
    );
    text.counter(
        "pintle_store_compacted_events_total",
        "Events that compaction dropped from history.",
        measures.compacted_events(),
    );
}

/// By resource, the first ones in order; what there is no room for is `other`.
fn objects(text: &mut Text, mut counts: Vec<(GroupResource, u64)>) {
    counts.sort();
    text.family("pintle_store_objects", Kind::Gauge, "Objects, by resource.");
    for (resource, count) in counts.iter().take(SERIES_MAX) {
        text.sample("pintle_store_objects", &[("resource", resource.as_str())], count);
    }
    let others: u64 = counts.iter().skip(SERIES_MAX).map(|(_, count)| count).sum();
    if others > 0 {
        text.sample("pintle_store_objects", &[("resource", "other")], others);
    }
}

fn flushes(text: &mut Text, flushes: &Flushes) {
    text.family(
        "pintle_store_flush_duration_seconds",
        Kind::Histogram,
        "Flushes to disk, without the waiting before.",
    );
    text.histogram("pintle_store_flush_duration_seconds", &[], &flushes.times);
    text.family("pintle_store_flush_changes", Kind::Histogram, "Changes in a flush.");
    text.histogram("pintle_store_flush_changes", &[], &flushes.sizes);
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;

    #[test]
    fn objects_of_more_kinds_than_there_is_room_for_are_others() {
        let count = |number| (GroupResource::new("x.io", &format!("kind{number}")), 2);
        let mut text = Text::new(Format::Prometheus);
        objects(&mut text, (0..SERIES_MAX + 3).map(count).collect());
        let page = text.end();
        assert_eq!(page.lines().count(), 2 + SERIES_MAX + 1);
        assert!(page.ends_with("\npintle_store_objects{resource=\"other\"} 6\n"), "{page}");
    }
}
