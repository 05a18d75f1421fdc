//! [`Watch`]: following objects, also over broken connections.

use std::fmt;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::api::{Api, ListOptions};
use crate::retry::growing;
use crate::transport::Pieces;
use crate::{Error, Refused};

/// What happened to the objects that are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<T> {
    /// It is there, or has come to be among the selected ones.
    Added(T),
    /// It was written.
    Modified(T),
    /// It is gone, or no longer among the selected ones; its last state.
    Deleted(T),
    /// All objects that there were have been told; changes follow.
    Synced,
    /// What was told before may have gaps, because history does not go back so far: what is there
    /// is told again from here on, and what is not told until [`Event::Synced`] is gone.
    Restarted,
}

/// An open watch. A connection that breaks is made again, and the watch goes on where it was.
pub struct Watch<T> {
    api: Api<T>,
    options: ListOptions,
    /// Everything up to here was told, and can be gone on from.
    from: Option<String>,
    lines: Option<Lines>,
    /// All that there was has been told.
    synced: bool,
    /// Events of a state that is not complete were told.
    told: bool,
    failures: u32,
    /// Not before this time, because it just failed.
    connects_at: Option<tokio::time::Instant>,
}

impl<T> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("from", &self.from).finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned> Watch<T> {
    pub(crate) const fn new(api: Api<T>, options: ListOptions, from: Option<String>) -> Self {
        let synced = from.is_some();
        Self {
            api,
            options,
            from,
            lines: None,
            synced,
            told: false,
            failures: 0,
            connects_at: None,
        }
    }

    /// The next event; waits until there is one. An error that time does not heal, such as a
    /// missing right, ends the watch.
    ///
    /// Cancel-safe: dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Event<T>, Error> {
        loop {
            if self.lines.is_none() {
                if let Some(at) = self.connects_at {
                    tokio::time::sleep_until(at).await;
                    self.connects_at = None;
                }
                let opened = self.connect().await;
                if let Some(event) = self.absorb(opened)? {
                    return Ok(event);
                }
                continue;
            }
            let line = match &mut self.lines {
                Some(lines) => lines.next().await,
                None => continue,
            };
            match line {
                Ok(Some(line)) => {
                    if let Some(event) = self.read(&line)? {
                        return Ok(event);
                    }
                }
                Ok(None) => {
                    let ended = Error::Interrupted("the watch ended".to_owned());
                    if let Some(event) = self.absorb(Err(ended))? {
                        return Ok(event);
                    }
                }
                Err(error) => {
                    if let Some(event) = self.absorb(Err(error))? {
                        return Ok(event);
                    }
                }
            }
        }
    }

    /// Where to go on after what was told, for [`Api::watch_from`]; nothing while the first objects
    /// are being told.
    pub fn resource_version(&self) -> Option<&str> {
        self.from.as_deref()
    }

    /// The events as a stream, up to the error that ends it.
    pub fn into_stream(self) -> impl Stream<Item = Result<Event<T>, Error>> {
        futures_util::stream::unfold(Some(self), |watch| async move {
            let mut watch = watch?;
            let next = watch.next().await;
            let goes_on = next.is_ok();
            Some((next, Some(watch).filter(|_| goes_on)))
        })
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let call = self.api.watch_call(&self.options, self.from.as_deref());
        let response = self.api.client().open(call).await?;
        self.lines = Some(Lines { pieces: response.into_body(), buffer: BytesMut::new() });
        Ok(())
    }

    /// Goes on after what time heals.
    fn absorb(&mut self, result: Result<(), Error>) -> Result<Option<Event<T>>, Error> {
        let Err(error) = result else { return Ok(None) };
        self.lines = None;
        if matches!(error, Error::Expired(_)) {
            return Ok(self.start_over());
        }
        if !error.may_pass() {
            return Err(error);
        }
        self.failures = self.failures.saturating_add(1);
        let pause = error.retry_after().unwrap_or_else(|| growing(self.failures));
        tracing::debug!(%error, ?pause, "a watch connects again");
        // Waited for by the next call: here, whoever stops waiting would lose what follows.
        self.connects_at = Some(tokio::time::Instant::now() + pause);
        // Without a place to go on from, what there is comes once more.
        Ok(if self.from.is_none() && self.told { self.start_over() } else { None })
    }

    fn start_over(&mut self) -> Option<Event<T>> {
        self.lines = None;
        self.from = None;
        let (told, synced) = (std::mem::take(&mut self.told), std::mem::take(&mut self.synced));
        (told || synced).then_some(Event::Restarted)
    }

    fn read(&mut self, line: &[u8]) -> Result<Option<Event<T>>, Error> {
        let unreadable = |error: serde_json::Error| Error::Unreadable(error.to_string());
        let Line { kind, object } = serde_json::from_slice(line).map_err(unreadable)?;
        self.failures = 0;
        if kind == "ERROR" {
            let details: Map<String, Value> =
                serde_json::from_str(object.get()).unwrap_or_default();
            let code = details.get("code").and_then(Value::as_u64);
            let code = code.and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
            return self.absorb(Err(Error::of(Refused::new(code, details))));
        }
        let envelope: Envelope = serde_json::from_str(object.get()).map_err(unreadable)?;
        let version = envelope.metadata.resource_version;
        if kind == "BOOKMARK" {
            self.from = version;
            return Ok((!std::mem::replace(&mut self.synced, true)).then_some(Event::Synced));
        }
        if self.synced {
            self.from = version;
        }
        self.told = true;
        let object = serde_json::from_str(object.get()).map_err(unreadable)?;
        match kind.as_ref() {
            "ADDED" => Ok(Some(Event::Added(object))),
            "MODIFIED" => Ok(Some(Event::Modified(object))),
            "DELETED" => Ok(Some(Event::Deleted(object))),
            other => Err(Error::Unreadable(format!("an event of the unknown type {other:?}"))),
        }
    }
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    object: Box<RawValue>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    resource_version: Option<String>,
}

/// The lines of an answer.
struct Lines {
    pieces: Pieces,
    buffer: BytesMut,
}

/// One line holds one object, which is at most so large.
const LINE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A watch with nothing to tell says so twice a minute. One that does not has lost its server.
const SILENCE_MAX: Duration = Duration::from_mins(2);

impl Lines {
    /// The next line that is not empty; nothing at the end. Cancel-safe.
    async fn next(&mut self) -> Result<Option<BytesMut>, Error> {
        let mut looked_at = 0;
        loop {
            let new = self.buffer.get(looked_at..).unwrap_or_default();
            if let Some(end) = new.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(looked_at + end + 1);
                looked_at = 0;
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            looked_at = self.buffer.len();
            if looked_at > LINE_BYTES_MAX {
                let why = format!("a line is longer than {LINE_BYTES_MAX} bytes");
                return Err(Error::Unreadable(why));
            }
            match timeout(SILENCE_MAX, self.pieces.next()).await {
                // A line that does not end was cut off.
                Ok(None) => return Ok(None),
                Ok(Some(Ok(piece))) => self.buffer.extend_from_slice(&piece),
                Ok(Some(Err(why))) => return Err(Error::Interrupted(why)),
                Err(_) => {
                    let why = format!("nothing was heard for {SILENCE_MAX:?}");
                    return Err(Error::Interrupted(why));
                }
            }
        }
    }
}
