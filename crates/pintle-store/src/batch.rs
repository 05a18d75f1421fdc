//! Deciding which changes win: the one place where revisions are given out.
//!
//! A batch is what a store makes durable in one go. Each change is compared with the image *and*
//! with what earlier changes of the same batch made of it, so that two waiting writes to one
//! version never both win.

use std::collections::HashMap;
use std::sync::Arc;

use pintle_model::{Change, Object, ObjectKey, Put, Revision};

use crate::{Event, Image};

/// Changes being decided against an [`Image`]. Only the one writer of the image may make one, and
/// only one at a time.
#[derive(Debug)]
pub struct Batch<'a> {
    image: &'a Image,
    newest: Revision,
    /// What this batch has made of the objects it touches; nothing where it removed one.
    touched: HashMap<ObjectKey, Option<Arc<Object>>>,
    events: Vec<Arc<Event>>,
}

/// What became of the changes of one commit.
#[derive(Debug, Clone)]
pub enum Decided {
    /// They hold, once the batch is durable. One version for each change.
    Wins(Vec<Arc<Object>>),
    /// One of them met a rival, so that none of them holds.
    Lost {
        /// Which one.
        index: usize,
        /// The rival's version; nothing when there is no object.
        theirs: Option<Arc<Object>>,
        /// Whether the rival may be of this very batch, and so must not be shown before it is
        /// durable.
        rival_in_batch: bool,
    },
}

impl<'a> Batch<'a> {
    /// An empty batch on top of what `image` shows.
    pub fn new(image: &'a Image) -> Self {
        let (touched, events) = (HashMap::new(), Vec::new());
        Self { image, newest: image.newest(), touched, events }
    }

    /// Decides the changes of one commit, in order; each sees the ones before it. They get
    /// consecutive revisions, or none of them gets one.
    pub fn decide(&mut self, changes: &[Change]) -> Decided {
        let start = self.events.len();
        for (index, change) in changes.iter().enumerate() {
            if let Some(event) = self.event(change) {
                self.push(event);
            } else {
                self.take_back(start);
                let theirs = self.current(&change.key);
                let rival_in_batch = self.touched.contains_key(&change.key);
                return Decided::Lost { index, theirs, rival_in_batch };
            }
        }
        let won = self.events.iter().skip(start);
        Decided::Wins(won.map(|event| Arc::clone(&event.object)).collect())
    }

    /// The events of the changes that won so far, in revision order.
    pub fn events(&self) -> &[Arc<Event>] {
        &self.events
    }

    /// The events, to be made durable and then given to [`Image::apply`].
    pub fn into_events(self) -> Vec<Arc<Event>> {
        self.events
    }

    fn current(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        match self.touched.get(key) {
            Some(touched) => touched.clone(),
            None => self.image.peek(key),
        }
    }

    /// What `change` does as the next write; nothing when it does not fit what is there.
    fn event(&self, change: &Change) -> Option<Event> {
        let before = self.current(&change.key);
        if before.as_ref().map(|before| before.revision) != change.expect {
            return None;
        }
        let (revision, manner) = (self.newest.next(), change.manner);
        let flips = change.put.flips().cloned().unwrap_or_default();
        if matches!(change.put, Put::Delete) {
            let last = Object { revision, updated_at: change.at, ..(**before.as_ref()?).clone() };
            let object = Arc::new(last);
            return Some(Event { revision, before, object, removed: true, manner, flips });
        }
        if matches!(change.put, Put::Create { .. }) && before.is_some() {
            return None;
        }
        let object = Arc::new(Object::after(before.as_deref(), change, revision)?);
        Some(Event { revision, before, object, removed: false, manner, flips })
    }

    fn push(&mut self, event: Event) {
        let now = Some(Arc::clone(&event.object)).filter(|_| !event.removed);
        self.touched.insert(event.object.key.clone(), now);
        self.newest = event.revision;
        self.events.push(Arc::new(event));
    }

    /// Makes the batch what it was when it had `len` events.
    fn take_back(&mut self, len: usize) {
        for event in self.events.drain(len..).rev() {
            self.newest = Revision(event.revision.0 - 1);
            self.touched.insert(event.object.key.clone(), event.before.clone());
        }
    }
}
