//! What the suite for all stores cannot see: lists between whose steps others write, and the
//! accounts of the ring.

use std::sync::Arc;

use pintle_model::{Change, Object, Revision, Timestamp};

use super::listing::Listing;
use super::*;
use crate::conformance::{created, device, key, put_status, removal};
use crate::{Batch, Decided};

fn write(image: &Image, changes: &[Change]) -> Vec<Arc<Object>> {
    let mut batch = Batch::new(image);
    let Decided::Wins(versions) = batch.decide(changes) else { unreachable!("it fits") };
    image.apply(&batch.into_events());
    versions
}

fn bounded(memory_bytes_max: usize) -> HistoryLimits {
    HistoryLimits { memory_bytes_max, ..HistoryLimits::default() }
}

fn filled(count: usize, ring_bytes_max: usize) -> (Image, Vec<Arc<Object>>) {
    let image = Image::new(Vec::new(), Revision::ZERO, &bounded(ring_bytes_max));
    let changes: Vec<_> = (0..count).map(|n| created(&key(&format!("{n:04}")))).collect();
    let made = write(&image, &changes);
    (image, made)
}

#[test]
fn a_list_in_many_steps_shows_one_moment() {
    let (image, made) = filled(3_500, usize::MAX);
    let resource = device();
    let query =
        ListQuery { resource: &resource, namespace: None, after: None, limit: 3_000, at: None };
    let mut listing = Listing::start(query, &image.read()).unwrap();
    let mut steps = 0;
    while !listing.step(&image.read()).unwrap() {
        // Before, in and behind what has been read: changes, removals and creations.
        for n in [10, 1_200, 2_900] {
            let (changed, gone) = (&made[n + steps], &made[n + 50 + steps]);
            let fresh = key(&format!("{n:04}-{steps}"));
            write(&image, &[put_status(changed, "x"), removal(gone), created(&fresh)]);
        }
        steps += 1;
    }
    let page = listing.into_page();
    assert!(steps >= 3, "{steps}");
    assert_eq!((page.objects.as_slice(), page.more), (&made[..3_000], true));
}

#[test]
fn a_list_that_the_ring_cannot_follow_says_so_and_is_read_at_once() {
    let (image, made) = filled(2_500, 0);
    let resource = device();
    let query =
        ListQuery { resource: &resource, namespace: None, after: None, limit: 9_999, at: None };
    let mut listing = Listing::start(query, &image.read()).unwrap();
    assert!(!listing.step(&image.read()).unwrap());
    write(&image, &[removal(&made[0])]);
    assert!(matches!(listing.step(&image.read()), Err(StoreError::Expired { .. })));
    assert_eq!(image.list_at_once(query).unwrap().objects, &made[1..]);
}

#[test]
fn the_ring_counts_what_it_keeps_alive() {
    let (image, made) = filled(1, usize::MAX);
    let creation = image.ring_bytes();
    let large = put_status(&made[0], &"x".repeat(10_000));
    let large = write(&image, &[large]);
    let after_growth = image.ring_bytes();
    assert!(after_growth < 3 * creation, "the new status is the object's own: {after_growth}");
    let small = write(&image, &[put_status(&large[0], "x")]);
    let after_shrinking = image.ring_bytes();
    assert!(after_shrinking > after_growth + 10_000, "the old one is the ring's");
    write(&image, &[removal(&small[0])]);
    image.expire(Timestamp(i64::MAX), usize::MAX);
    assert_eq!((image.ring_bytes(), image.oldest()), (0, Revision(4)));
    assert!(image.is_empty());
}

#[test]
fn a_loaded_image_is_what_was_given_to_it() {
    let (image, mut made) = filled(100, 0);
    made.reverse();
    let loaded = Image::new(made.clone(), image.newest(), &bounded(0));
    for object in &made {
        assert_eq!(loaded.peek(&object.key).as_ref(), Some(object));
        assert_eq!(loaded.find(&object.key.resource, object.uid()).as_ref(), Some(object));
    }
    let counted = |namespace| loaded.count(&device(), namespace);
    assert_eq!((counted(&made[0].key.name.namespace), counted("elsewhere")), (100, 0));
    assert_eq!(
        (loaded.len(), loaded.newest(), loaded.oldest()),
        (100, Revision(100), Revision(100))
    );
}
