//! The loop: take, send, remember.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pintle_model::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::dead::DeadLetter;
use crate::retry::{Attempts, Decision};
use crate::{
    Gap, Outcome, Parcel, Patience, Portion, Position, Progress, Records, Source, SourceError,
    Start, Transport,
};

/// A server that goes down lets a message that is on its way arrive, for so long.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// How far a delivery came is written down at most so long after it came there. What was delivered
/// in between is repeated after a crash.
const SAVE_INTERVAL: Duration = Duration::from_millis(250);

/// The pause after a failure of a file, or of the source.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// Brings the events of a source to one receiver, until the server goes down.
#[derive(Debug)]
pub struct Delivery<S, T> {
    /// The name of the receiver, for the log.
    pub name: Arc<str>,
    /// Where events come from.
    pub source: S,
    /// What brings them away.
    pub transport: T,
    /// Where to begin when no place is remembered.
    pub start: Start,
    /// What outlives the process.
    pub records: Records,
    /// How long to try.
    pub patience: Patience,
    /// Where it counts.
    pub progress: Arc<Progress>,
    /// Turns true when the server goes down.
    pub stop: watch::Receiver<bool>,
}

/// The server is going down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stopped;

/// What came of going to a place.
enum Opened {
    At(Position),
    /// Some of what comes after it is gone.
    Missed(Gap),
}

impl<S: Source, T: Transport<S::Event>> Delivery<S, T> {
    /// Delivers. Ends when the server goes down; the place that was reached is remembered then.
    pub async fn run(self) {
        let now = Instant::now();
        if let Some(position) = self.records.position() {
            self.progress.reached(position.revision());
        }
        let start = self.records.position().map_or(self.start, Start::After);
        let mut run = Run {
            position: self.records.position(),
            saved: None,
            saved_at: now,
            began: now,
            of: self,
        };
        let Err(Stopped) = run.deliver_for_ever(start).await;
        run.save().await;
    }
}

/// A delivery that is somewhere.
struct Run<S, T> {
    of: Delivery<S, T>,
    /// Nothing before the source was opened for the first time.
    position: Option<Position>,
    saved: Option<Position>,
    saved_at: Instant,
    began: Instant,
}

impl<S: Source, T: Transport<S::Event>> Run<S, T> {
    async fn deliver_for_ever(&mut self, start: Start) -> Result<Infallible, Stopped> {
        let mut opened = self.open(start).await?;
        loop {
            opened = match opened {
                Opened::Missed(gap) => {
                    self.tell_of(gap).await?;
                    self.open(Start::After(Position::after(gap.up_to))).await?
                }
                Opened::At(position) => {
                    self.reached(position);
                    // That a new receiver begins here holds from now on, whatever happens next.
                    self.save().await;
                    self.get_ready().await?;
                    self.deliver_until_an_error().await?
                }
            };
        }
    }

    /// Opens the source at a place, and goes on trying until that works.
    async fn open(&mut self, mut start: Start) -> Result<Opened, Stopped> {
        loop {
            match self.of.source.open(start).await {
                Ok(position) => return Ok(Opened::At(position)),
                Err(error) => match self.fallback(start, error).await? {
                    Fallback::Missed(gap) => return Ok(Opened::Missed(gap)),
                    Fallback::From(other) => start = other,
                },
            }
        }
    }

    async fn get_ready(&mut self) -> Result<(), Stopped> {
        let patience = self.of.patience;
        let mut attempts = Attempts::default();
        loop {
            let mut stop = self.of.stop.clone();
            let ready = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return Err(Stopped),
                ready = self.of.transport.ready() => ready,
            };
            let Err(why) = ready else { return Ok(()) };
            let away = Outcome::Away { why, wait: None };
            // Nobody who is away is given up.
            if let Decision::Again { after, why } =
                attempts.decide(away, &patience, self.began.elapsed(), chance())
            {
                self.tell_failure(&why, after);
                self.pause(after).await?;
            }
        }
    }

    async fn deliver_until_an_error(&mut self) -> Result<Opened, Stopped> {
        loop {
            match self.next().await? {
                Ok(portion) => self.deliver(portion).await?,
                Err(error) => {
                    let start = self.position.map_or(self.of.start, Start::After);
                    return match self.fallback(start, error).await? {
                        Fallback::Missed(gap) => Ok(Opened::Missed(gap)),
                        Fallback::From(start) => self.open(start).await,
                    };
                }
            }
        }
    }

    /// What to do when the source has nothing more to give from `start` on.
    async fn fallback(&self, start: Start, error: SourceError) -> Result<Fallback, Stopped> {
        let receiver = &*self.of.name;
        match (error, start) {
            (SourceError::Closing, _) => Err(Stopped),
            (SourceError::Expired { kept_after }, Start::After(after)) => {
                Ok(Fallback::Missed(Gap { after, up_to: kept_after }))
            }
            (SourceError::Ahead { newest }, _) => {
                tracing::error!(
                    receiver, %newest, reached = ?self.position,
                    "what was delivered is not in the store (was an older backup restored?); going \
                     on with what happens from now on"
                );
                self.of.progress.missed();
                Ok(Fallback::From(Start::Now))
            }
            (error @ (SourceError::Expired { .. } | SourceError::Failed(_)), start) => {
                tracing::error!(receiver, %error, "cannot read events; trying again");
                self.pause(FAILURE_PAUSE).await?;
                Ok(Fallback::From(start))
            }
        }
    }

    /// The next portion. While there is none, the place that was reached is written down.
    async fn next(&mut self) -> Result<Result<Portion<S::Event>, SourceError>, Stopped> {
        self.of.progress.trying(None);
        loop {
            let (due, is_due) = (self.saved_at + SAVE_INTERVAL, self.saved != self.position);
            tokio::select! {
                biased;
                _ = self.of.stop.wait_for(|stop| *stop) => return Err(Stopped),
                portion = self.of.source.next() => return Ok(portion),
                () = sleep_until(due), if is_due => {}
            }
            self.save().await;
        }
    }

    async fn deliver(&mut self, portion: Portion<S::Event>) -> Result<(), Stopped> {
        let mut rest = portion.parcels.as_slice();
        while !rest.is_empty() {
            let fit = self.of.transport.fit(rest).clamp(1, rest.len());
            let (message, others) = rest.split_at(fit);
            self.bring(message).await?;
            rest = others;
        }
        self.reached(Position::after(portion.up_to));
        Ok(())
    }

    /// Brings one message there, or gives it up; either way, it is done with afterwards.
    async fn bring(&mut self, message: &[Parcel<S::Event>]) -> Result<(), Stopped> {
        let given_up = self.send(message).await?;
        if given_up.is_some() && message.len() > 1 {
            // Perhaps it is only one of them that the receiver does not want.
            for alone in message.chunks(1) {
                let given_up = self.send(alone).await?;
                self.done(alone, given_up).await?;
            }
            return Ok(());
        }
        self.done(message, given_up).await
    }

    /// Tries until the message is there; says why when it is given up.
    async fn send(&mut self, message: &[Parcel<S::Event>]) -> Result<Option<GivenUp>, Stopped> {
        let mut patience = self.of.patience;
        if message.len() > 1 {
            patience.refusals_max = 1;
        }
        self.of.progress.trying(message.first().map(|parcel| parcel.at));
        let mut attempts = Attempts::default();
        loop {
            let outcome = self.attempt(message).await?;
            match attempts.decide(outcome, &patience, self.began.elapsed(), chance()) {
                Decision::Done => return Ok(None),
                Decision::Again { after, why } => {
                    self.tell_failure(&why, after);
                    self.pause(after).await?;
                }
                Decision::GiveUp { why } => {
                    self.tell_failure(&why, Duration::ZERO);
                    return Ok(Some(GivenUp { why, attempts: attempts.failed }));
                }
            }
        }
    }

    /// Sends once. A message that is on its way when the server goes down may still arrive.
    async fn attempt(&mut self, message: &[Parcel<S::Event>]) -> Result<Outcome, Stopped> {
        let mut stop = self.of.stop.clone();
        if *stop.borrow() {
            return Err(Stopped);
        }
        let too_late = async {
            drop(stop.wait_for(|stop| *stop).await);
            sleep(STOP_GRACE).await;
        };
        tokio::select! {
            biased;
            outcome = self.of.transport.send(message) => Ok(outcome),
            () = too_late => Err(Stopped),
        }
    }

    /// The first failure after a success is news; those that follow are not.
    fn tell_failure(&self, why: &str, pause: Duration) {
        let receiver = &*self.of.name;
        if self.of.progress.failed() {
            tracing::warn!(receiver, why, ?pause, "cannot deliver; trying again");
        } else {
            tracing::debug!(receiver, why, ?pause, "still cannot deliver; trying again");
        }
    }

    /// These were taken, or given up.
    async fn done(
        &mut self,
        message: &[Parcel<S::Event>],
        given_up: Option<GivenUp>,
    ) -> Result<(), Stopped> {
        match given_up {
            None => {
                if self.of.progress.delivered(message.len()) {
                    tracing::info!(receiver = &*self.of.name, "delivering again");
                }
            }
            Some(given_up) => {
                for parcel in message {
                    self.bury(parcel, &given_up).await?;
                }
            }
        }
        if let Some(last) = message.last() {
            self.reached(last.position);
        }
        if self.saved_at.elapsed() >= SAVE_INTERVAL {
            self.save().await;
        }
        Ok(())
    }

    /// Puts an event away. It is not passed over before that has worked.
    async fn bury(&self, parcel: &Parcel<S::Event>, given_up: &GivenUp) -> Result<(), Stopped> {
        let GivenUp { why, attempts } = given_up;
        let (receiver, position) = (&*self.of.name, parcel.position);
        tracing::error!(receiver, why, attempts, %position, "an event is given up");
        let event = self.of.transport.json(&parcel.event);
        let letter = DeadLetter { why: why.clone(), attempts: *attempts, event };
        while let Err(why) = self.of.records.bury(letter.clone(), now()).await {
            tracing::error!(receiver, why, "a dead letter cannot be put away; trying again");
            self.pause(FAILURE_PAUSE).await?;
        }
        self.of.progress.died();
        Ok(())
    }

    async fn tell_of(&mut self, gap: Gap) -> Result<(), Stopped> {
        let Gap { after, up_to } = gap;
        tracing::error!(
            receiver = &*self.of.name, %after, %up_to,
            "history ended before it was delivered; the receiver is told what it missed"
        );
        self.of.progress.missed();
        let event = self.of.source.gap(gap);
        self.bring(&[Parcel { position: Position::after(up_to), at: now(), event }]).await
    }

    fn reached(&mut self, position: Position) {
        self.position = Some(position);
        self.of.progress.reached(position.revision());
    }

    /// Writes down what was reached. A failure costs repeats after a crash, and no more, so
    /// delivery goes on.
    async fn save(&mut self) {
        self.saved_at = Instant::now();
        let Some(position) = self.position.filter(|_| self.saved != self.position) else { return };
        match self.of.records.save(position).await {
            Ok(()) => self.saved = Some(position),
            Err(why) => {
                let receiver = &*self.of.name;
                tracing::error!(receiver, why, "what was delivered will be repeated after a crash");
            }
        }
    }

    async fn pause(&self, pause: Duration) -> Result<(), Stopped> {
        let mut stop = self.of.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Err(Stopped),
            () = sleep(pause) => Ok(()),
        }
    }
}

enum Fallback {
    From(Start),
    Missed(Gap),
}

struct GivenUp {
    why: String,
    attempts: u32,
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// From 0 to 1. Without chance, the pause is a middling one.
fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX))
}
