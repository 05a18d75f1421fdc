//! A delivery between a source and a receiver that do whatever a test says.

mod world;

use std::time::Duration;

use pintle_delivery::{Gap, Outcome, Position, Start};
use pintle_model::Revision;
use proptest::prelude::*;

use world::{Told, World};

fn away() -> Outcome {
    Outcome::Away { why: "nobody there".to_owned(), wait: None }
}

fn failing() -> Outcome {
    Outcome::Failing { why: "500".to_owned(), wait: None }
}

fn refused() -> Outcome {
    Outcome::Refused { why: "400".to_owned() }
}

fn told(revisions: impl IntoIterator<Item = u64>) -> Vec<Told> {
    revisions.into_iter().map(|revision| Told::Event(revision, 0)).collect()
}

#[tokio::test(start_paused = true)]
async fn events_come_in_order_and_once() {
    let world = World::of(10);
    world.run_until(10).await;
    assert_eq!(world.received(), told(1..=10));
    world.append(5);
    world.run_until(15).await;
    assert_eq!(world.received(), told(1..=15), "the second run goes on where the first ended");
    assert_eq!(world.numbers().delivered, 15);
    assert_eq!((world.numbers().lag_revisions, world.numbers().lag), (0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_new_receiver_begins_where_it_should() {
    for (start, expected) in [(Start::Oldest, 1..=8), (Start::Now, 6..=8)] {
        let world = World::of(5);
        world.start(start);
        let run = world.run();
        world.opened().await;
        world.append(3);
        world.reaches(8).await;
        assert_eq!(world.received(), told(expected), "{start:?}");
        run.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_a_new_receiver_begins_is_remembered_at_once() {
    let world = World::of(5);
    world.start(Start::Now);
    let run = world.run();
    world.remembers(5).await;
    run.kill();
    world.append(3);
    world.run_until(8).await;
    assert_eq!(world.received(), told(6..=8));
}

#[tokio::test(start_paused = true)]
async fn who_is_away_gets_everything_later() {
    let world = World::of(3);
    world.answer(std::iter::repeat_n(away(), 200));
    world.run_until(3).await;
    assert_eq!(world.received(), told(1..=3));
    let numbers = world.numbers();
    assert_eq!((numbers.failed_attempts, numbers.dead_letters), (200, 0));
    assert!(!numbers.failing);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_ready_is_told_nothing_and_asked_again() {
    let world = World::of(3);
    world.unready(u32::MAX);
    let run = world.run();
    world.opened().await;
    tokio::time::sleep(Duration::from_hours(48)).await;
    run.stop().await;
    assert_eq!(world.received(), []);
    let before = world.numbers();
    assert!(before.failed_attempts > 1_000 && before.dead_letters == 0);
    world.unready(100);
    world.run_until(3).await;
    assert_eq!(world.received(), told(1..=3));
    assert_eq!(world.numbers().failed_attempts, before.failed_attempts + 100);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_patience_gets_it() {
    let world = World::of(1);
    let wait = Some(Duration::from_mins(10));
    world.answer([Outcome::Away { why: "429".to_owned(), wait }]);
    let before = tokio::time::Instant::now();
    world.run_until(1).await;
    assert!(before.elapsed() >= Duration::from_mins(10), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_put_away_and_the_rest_goes_on() {
    let world = World::of(3);
    world.refuse(2);
    world.run_until(3).await;
    assert_eq!(world.received(), told([1, 3]));
    assert_eq!(world.dead(), told([2]));
    let numbers = world.numbers();
    assert_eq!((numbers.delivered, numbers.failed_attempts, numbers.dead_letters), (2, 5, 1));
}

#[tokio::test(start_paused = true)]
async fn what_the_receiver_fails_at_for_a_day_is_put_away() {
    let world = World::of(2);
    world.answer(std::iter::repeat_n(failing(), 100));
    let before = tokio::time::Instant::now();
    let run = world.run();
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!((world.received(), world.numbers().dead_letters), (vec![], 0));
    world.reaches(2).await;
    assert_eq!(world.received(), told([1, 2]), "it recovered in time");
    run.stop().await;
    world.append(1);
    world.answer(std::iter::repeat_n(failing(), 3000));
    world.run_until(3).await;
    assert_eq!(world.dead(), told([3]));
    assert!(before.elapsed() >= Duration::from_hours(24));
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_only_what_is_refused_is_put_away() {
    let world = World::of(7);
    world.fit(5);
    world.refuse(2);
    world.run_until(7).await;
    assert_eq!(world.received(), told([1, 3, 4, 5, 6, 7]));
    assert_eq!(world.dead(), told([2]));
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_told() {
    let world = World::of(4);
    world.run_until(4).await;
    world.append(6);
    world.expire(8);
    world.run_until(10).await;
    let gap = Gap { after: Position::after(Revision(4)), up_to: Revision(8) };
    let mut expected = told(1..=4);
    expected.push(Told::Gap(gap));
    expected.extend(told(9..=10));
    assert_eq!(world.received(), expected);
    assert_eq!(world.numbers().gaps, 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_told_of_a_gap_yet_is_behind_since_before_it() {
    let mut world = World::of(4);
    world.run_until(4).await;
    world.count_anew();
    world.append(6);
    world.expire(8);
    world.answer(std::iter::repeat_n(away(), 100));
    let run = world.run();
    world.fails().await;
    assert_eq!(world.numbers().lag_revisions, 6);
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_history_that_ends_while_nobody_listens_is_a_gap_too() {
    let world = World::of(2);
    world.portions_of(1);
    world.answer(std::iter::repeat_n(away(), 5));
    let run = world.run();
    world.fails().await;
    world.append(4);
    world.expire(5);
    world.reaches(6).await;
    run.stop().await;
    let gap = Gap { after: Position::after(Revision(1)), up_to: Revision(5) };
    assert_eq!(world.received(), [told([1]), vec![Told::Gap(gap)], told([6])].concat());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_went_back_begins_anew() {
    let world = World::of(9);
    world.run_until(9).await;
    world.forget_after(4);
    let run = world.run();
    world.opened().await;
    world.append(2);
    world.reaches(6).await;
    run.stop().await;
    assert_eq!(world.received(), [told(1..=9), told(5..=6)].concat());
    assert_eq!(world.numbers().gaps, 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_asked_again() {
    let world = World::of(3);
    world.fail_source(3);
    world.run_until(3).await;
    assert_eq!(world.received(), told(1..=3));
}

#[tokio::test(start_paused = true)]
async fn dead_letters_that_cannot_be_written_hold_delivery_up() {
    let world = World::of(2);
    world.refuse(1);
    world.obstruct_dead_letters(true);
    let run = world.run();
    world.fails().await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(world.received(), []);
    world.obstruct_dead_letters(false);
    world.reaches(2).await;
    run.stop().await;
    assert_eq!((world.received(), world.dead()), (told([2]), told([1])));
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_nobody() {
    let world = World::of(3);
    world.hang_at(2);
    let run = world.run();
    world.reaches(1).await;
    let before = tokio::time::Instant::now();
    run.stop().await;
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    world.hang_at(0);
    world.run_until(3).await;
    assert_eq!(world.received(), told(1..=3));
}

#[derive(Debug, Clone)]
enum Step {
    Append(u64),
    Answer(Outcome),
    Sleep(u64),
    Stop,
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..5_u64).prop_map(Step::Append),
        prop_oneof![Just(away()), Just(failing()), Just(refused())].prop_map(Step::Answer),
        (0..3000_u64).prop_map(Step::Sleep),
        Just(Step::Stop),
        Just(Step::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever fails, stops and is killed: each event is taken or put away, first deliveries are
    /// in order, and only what a crash forgot is repeated.
    #[test]
    fn nothing_is_lost_and_order_is_kept(
        steps in proptest::collection::vec(step(), 1..40),
        parts in 1..4_u32,
        fit in 1..4_usize,
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let world = World::with_parts(parts);
            world.fit(fit);
            let mut run = world.run();
            let mut kills = 0;
            for step in steps {
                match step {
                    Step::Append(revisions) => world.append(revisions),
                    Step::Answer(outcome) => world.answer([outcome]),
                    Step::Sleep(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                    Step::Stop => {
                        run.stop().await;
                        run = world.run();
                    }
                    Step::Kill => {
                        kills += 1;
                        run.kill();
                        run = world.run();
                    }
                }
            }
            let newest = world.newest();
            world.reaches(newest).await;
            run.stop().await;
            world.check_complete(kills);
        });
    }
}
