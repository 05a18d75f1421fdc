//! A source, a receiver and files, and a delivery between them.

#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use pintle_delivery::{
    Delivery, Gap, Numbers, Outcome, Parcel, Patience, Portion, Position, Progress, Records,
    Source, SourceError, Start, Transport,
};
use pintle_model::{Revision, Timestamp};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const NAME: &str = "receiver";

/// What a receiver is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// A revision, and the part of it.
    Event(u64, u32),
    Gap(Gap),
}

#[derive(Debug)]
struct State {
    newest: u64,
    kept_after: u64,
    parts: u32,
    portion_max: u64,
    fit: usize,
    start: Start,
    source_failures: u32,
    unready: u32,
    /// Given before anything is taken.
    answers: VecDeque<Outcome>,
    refused: BTreeSet<u64>,
    hang_at: u64,
    received: Vec<Told>,
    opened: u32,
}

pub(crate) struct World {
    state: Arc<Mutex<State>>,
    /// Wakes sources and tests whenever something has happened.
    happened: watch::Sender<u64>,
    progress: Arc<Progress>,
    dir: TempDir,
}

pub(crate) struct Run {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Run {
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }

    pub(crate) fn kill(self) {
        self.task.abort();
    }
}

impl World {
    /// So many revisions, of one event each; a new receiver begins with the oldest.
    pub(crate) fn of(revisions: u64) -> Self {
        let world = Self::with_parts(1);
        world.append(revisions);
        world
    }

    /// No revisions yet; each will have so many events.
    pub(crate) fn with_parts(parts: u32) -> Self {
        let state = State {
            newest: 0,
            kept_after: 0,
            parts,
            portion_max: 3,
            fit: 1,
            start: Start::Oldest,
            source_failures: 0,
            unready: 0,
            answers: VecDeque::new(),
            refused: BTreeSet::new(),
            hang_at: 0,
            received: Vec::new(),
            opened: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            happened: watch::Sender::new(0),
            progress: Arc::default(),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.happened.send_modify(|count| *count += 1);
    }

    pub(crate) fn append(&self, revisions: u64) {
        self.change(|state| state.newest += revisions);
    }

    pub(crate) fn expire(&self, kept_after: u64) {
        self.change(|state| state.kept_after = kept_after);
    }

    pub(crate) fn forget_after(&self, newest: u64) {
        self.change(|state| state.newest = newest);
    }

    pub(crate) fn start(&self, start: Start) {
        self.change(|state| state.start = start);
    }

    pub(crate) fn fit(&self, fit: usize) {
        self.change(|state| state.fit = fit);
    }

    pub(crate) fn portions_of(&self, revisions: u64) {
        self.change(|state| state.portion_max = revisions);
    }

    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Outcome>) {
        self.change(|state| state.answers.extend(answers));
    }

    pub(crate) fn refuse(&self, revision: u64) {
        self.change(|state| {
            state.refused.insert(revision);
        });
    }

    /// The receiver gets ready only after so many attempts.
    pub(crate) fn unready(&self, times: u32) {
        self.change(|state| state.unready = times);
    }

    pub(crate) fn hang_at(&self, revision: u64) {
        self.change(|state| state.hang_at = revision);
    }

    pub(crate) fn fail_source(&self, times: u32) {
        self.change(|state| state.source_failures = times);
    }

    pub(crate) fn received(&self) -> Vec<Told> {
        self.state().received.clone()
    }

    pub(crate) fn newest(&self) -> u64 {
        self.state().newest
    }

    pub(crate) fn numbers(&self) -> Numbers {
        self.progress.numbers(Timestamp(0), Revision(self.newest()))
    }

    /// Counts from zero, as another process does.
    pub(crate) fn count_anew(&mut self) {
        self.progress = Arc::default();
    }

    /// Nothing can be written where the dead letters go.
    pub(crate) fn obstruct_dead_letters(&self, obstruct: bool) {
        let file = self.dead_file();
        if obstruct {
            std::fs::create_dir(file).unwrap();
        } else {
            std::fs::remove_dir(file).unwrap();
        }
    }

    fn dead_file(&self) -> PathBuf {
        self.dir.path().join(format!("{NAME}.dead.jsonl"))
    }

    pub(crate) fn dead(&self) -> Vec<Told> {
        let text = std::fs::read_to_string(self.dead_file()).unwrap_or_default();
        let events = text.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let (revision, part) =
                serde_json::from_value(line.get("event").cloned().unwrap()).unwrap();
            Told::Event(revision, part)
        });
        events.collect()
    }

    pub(crate) fn run(&self) -> Run {
        let (stop, stopped) = watch::channel(false);
        let delivery = Delivery {
            name: NAME.into(),
            source: Pages { world: self.view(), after: Position::after(Revision::ZERO) },
            transport: Receiver { world: self.view() },
            start: self.state().start,
            records: Records::open(self.dir.path(), NAME).unwrap(),
            patience: Patience::default(),
            progress: Arc::clone(&self.progress),
            stop: stopped,
        };
        Run { stop, task: tokio::spawn(delivery.run()) }
    }

    fn view(&self) -> View {
        View { state: Arc::clone(&self.state), happened: self.happened.clone() }
    }

    /// Runs until this revision was reached, and stops.
    pub(crate) async fn run_until(&self, revision: u64) {
        let run = self.run();
        self.reaches(revision).await;
        run.stop().await;
    }

    pub(crate) async fn reaches(&self, revision: u64) {
        self.until(|| {
            let numbers = self.progress.numbers(Timestamp(0), Revision(revision));
            numbers.lag_revisions == 0
        })
        .await;
    }

    pub(crate) async fn opened(&self) {
        let before = self.state().opened;
        self.until(|| self.state().opened > before).await;
    }

    pub(crate) async fn fails(&self) {
        self.until(|| self.numbers().failing).await;
    }

    pub(crate) async fn remembers(&self, revision: u64) {
        let file = self.dir.path().join(format!("{NAME}.place"));
        let text = format!("{revision}\n");
        self.until(|| std::fs::read_to_string(&file).is_ok_and(|it| it == text)).await;
    }

    /// The clock of these tests stands still while anybody has something to do, so looking again
    /// costs no time.
    async fn until(&self, holds: impl Fn() -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_hours(24 * 10);
        while !holds() {
            assert!(tokio::time::Instant::now() < deadline, "{:?}", self.state());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Each event was taken or put away, first deliveries in order; repeats only after kills.
    pub(crate) fn check_complete(&self, kills: usize) {
        let (received, dead) = (self.received(), self.dead());
        let mut firsts = Vec::new();
        let mut repeated = 0;
        for told in &received {
            if firsts.contains(told) {
                repeated += 1;
            } else {
                firsts.push(*told);
            }
        }
        let key = |told: &Told| match told {
            Told::Event(revision, part) => (*revision, *part),
            Told::Gap(_) => (0, 0),
        };
        assert!(firsts.iter().map(key).is_sorted(), "{received:?}");
        let all: BTreeSet<_> = firsts.iter().chain(&dead).map(key).collect();
        let state = self.state();
        let expected: BTreeSet<_> = (1..=state.newest)
            .flat_map(|revision| (0..state.parts).map(move |part| (revision, part)))
            .collect();
        assert_eq!(all, expected, "received {received:?}, dead {dead:?}");
        assert!(repeated == 0 || kills > 0, "{received:?}");
    }
}

#[derive(Clone)]
struct View {
    state: Arc<Mutex<State>>,
    happened: watch::Sender<u64>,
}

struct Pages {
    world: View,
    after: Position,
}

impl Source for Pages {
    type Event = Told;

    async fn open(&mut self, start: Start) -> Result<Position, SourceError> {
        let mut state = self.world.state.lock().unwrap();
        state.opened += 1;
        let position = match start {
            Start::Now => Position::after(Revision(state.newest)),
            Start::Oldest => Position::after(Revision(state.kept_after)),
            Start::After(position) => position,
        };
        if position.revision().0 > state.newest {
            return Err(SourceError::Ahead { newest: Revision(state.newest) });
        }
        check_kept(&state, position)?;
        self.after = position;
        Ok(position)
    }

    async fn next(&mut self) -> Result<Portion<Told>, SourceError> {
        let mut woken = self.world.happened.subscribe();
        loop {
            woken.borrow_and_update();
            if let Some(portion) = self.portion()? {
                return Ok(portion);
            }
            woken.changed().await.unwrap();
        }
    }

    fn gap(&self, gap: Gap) -> Told {
        Told::Gap(gap)
    }
}

impl Pages {
    fn portion(&mut self) -> Result<Option<Portion<Told>>, SourceError> {
        let mut state = self.world.state.lock().unwrap();
        if state.source_failures > 0 {
            state.source_failures -= 1;
            return Err(SourceError::Failed("the disk hiccups".to_owned()));
        }
        check_kept(&state, self.after)?;
        let first = self.after.read_after().0 + 1;
        let last = state.newest.min(first + state.portion_max - 1);
        if first > last {
            return Ok(None);
        }
        let parts = state.parts;
        let all = (first..=last).flat_map(|it| (0..parts).map(move |part| (it, part)));
        let parcels = all.map(|(revision, part)| Parcel {
            position: Position::within(Revision(revision), part),
            at: Timestamp(1),
            event: Told::Event(revision, part),
        });
        let parcels = parcels.filter(|parcel| parcel.position > self.after).collect();
        self.after = Position::after(Revision(last));
        Ok(Some(Portion { parcels, up_to: Revision(last) }))
    }
}

fn check_kept(state: &State, position: Position) -> Result<(), SourceError> {
    if position.read_after().0 < state.kept_after {
        return Err(SourceError::Expired { kept_after: Revision(state.kept_after) });
    }
    Ok(())
}

struct Receiver {
    world: View,
}

impl Transport<Told> for Receiver {
    fn fit(&self, _: &[Parcel<Told>]) -> usize {
        self.world.state.lock().unwrap().fit
    }

    async fn ready(&mut self) -> Result<(), String> {
        let mut state = self.world.state.lock().unwrap();
        if state.unready == 0 {
            return Ok(());
        }
        state.unready -= 1;
        Err("not yet".to_owned())
    }

    async fn send(&mut self, parcels: &[Parcel<Told>]) -> Outcome {
        let answer = self.answer(parcels);
        match answer {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    }

    fn json(&self, told: &Told) -> Vec<u8> {
        match told {
            Told::Event(revision, part) => format!("[{revision},{part}]").into_bytes(),
            Told::Gap(_) => b"null".to_vec(),
        }
    }
}

impl Receiver {
    fn answer(&self, parcels: &[Parcel<Told>]) -> Option<Outcome> {
        let mut state = self.world.state.lock().unwrap();
        let has = |wanted: &dyn Fn(u64) -> bool| {
            parcels.iter().any(|it| matches!(it.event, Told::Event(at, _) if wanted(at)))
        };
        if has(&|revision| revision == state.hang_at) {
            return None;
        }
        if let Some(answer) = state.answers.pop_front() {
            return Some(answer);
        }
        if has(&|revision| state.refused.contains(&revision)) {
            return Some(Outcome::Refused { why: "400".to_owned() });
        }
        state.received.extend(parcels.iter().map(|parcel| parcel.event));
        Some(Outcome::Taken)
    }
}
