//! [`EventCache`]: events of watches as they go out, made once for all who are told them alike.
//!
//! What alike means is the door's business: it names an [`Audience`]. The cache knows that events
//! about one object come in bursts, one look of each watcher, and keeps the newest of them.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use pintle_model::Object;

/// So many of the newest events are kept.
const KEPT_MAX: usize = 1_024;
/// Longer ones are kept only for as long as somebody is being sent them, so that all of them take
/// at most so much times [`KEPT_MAX`].
const KEPT_BYTES_MAX: usize = 32 * 1024;

/// The newest events of one door.
#[derive(Debug)]
pub struct EventCache<A> {
    slots: Vec<Mutex<Option<Kept<A>>>>,
}

/// Those who are told events alike: everything that an event looks like by, but what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience<A> {
    of: A,
    /// Events of different audiences are kept in different slots, mostly.
    spread: u64,
}

/// A value that is told apart by its address, which nobody else can take while this is held.
#[derive(Debug)]
pub struct ByAddress<T>(pub Arc<T>);

#[derive(Debug)]
struct Kept<A> {
    audience: A,
    event: &'static str,
    /// Compared by address. An object that is gone has no address that another could take while
    /// this is held.
    object: Weak<Object>,
    text: Text,
}

#[derive(Debug)]
enum Text {
    /// There is nothing to tell this audience.
    Nothing,
    Small(Bytes),
    Large(Weak<Vec<u8>>),
}

/// Bytes that know when nobody sends them any more.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<A: Hash> Audience<A> {
    /// Those who are alike in all of this.
    pub fn new(of: A) -> Self {
        let spread = BuildHasherDefault::<DefaultHasher>::default().hash_one(&of);
        Self { of, spread }
    }
}

impl<A> Default for EventCache<A> {
    fn default() -> Self {
        Self { slots: std::iter::repeat_with(Mutex::default).take(KEPT_MAX).collect() }
    }
}

impl<A: Clone + Eq> EventCache<A> {
    /// An event about an object for an audience. It is made where nobody of them was told it
    /// lately; `make` must not ask this cache.
    pub fn get(
        &self,
        audience: &Audience<A>,
        event: &'static str,
        object: &Arc<Object>,
        make: impl FnOnce() -> Bytes,
    ) -> Bytes {
        self.get_or_nothing(audience, event, object, || Some(make())).unwrap_or_default()
    }

    /// As [`EventCache::get`], where there may be nothing to tell.
    pub fn get_or_nothing(
        &self,
        audience: &Audience<A>,
        event: &'static str,
        object: &Arc<Object>,
        make: impl FnOnce() -> Option<Bytes>,
    ) -> Option<Bytes> {
        // Those of one audience lie side by side, so that the newest push out the oldest.
        let place = object.revision.0.wrapping_add(audience.spread) % KEPT_MAX as u64;
        let slot = usize::try_from(place).ok().and_then(|index| self.slots.get(index));
        let Some(slot) = slot else { return make() };
        // Held while the event is made: whoever else wants it waits for it.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = &*slot
            && kept.event == event
            && std::ptr::eq(kept.object.as_ptr(), Arc::as_ptr(object))
            && kept.audience == audience.of
        {
            match &kept.text {
                Text::Nothing => return None,
                Text::Small(bytes) => return Some(bytes.clone()),
                Text::Large(shared) => {
                    if let Some(shared) = shared.upgrade() {
                        return Some(Bytes::from_owner(Shared(shared)));
                    }
                }
            }
        }
        let (text, bytes) = Text::of(make());
        let (audience, object) = (audience.of.clone(), Arc::downgrade(object));
        *slot = Some(Kept { audience, event, object, text });
        bytes
    }
}

impl Text {
    fn of(made: Option<Bytes>) -> (Self, Option<Bytes>) {
        let Some(bytes) = made else { return (Self::Nothing, None) };
        if bytes.len() <= KEPT_BYTES_MAX {
            return (Self::Small(bytes.clone()), Some(bytes));
        }
        let shared = Arc::new(Vec::from(bytes));
        (Self::Large(Arc::downgrade(&shared)), Some(Bytes::from_owner(Shared(shared))))
    }
}

impl<T> Clone for ByAddress<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> PartialEq for ByAddress<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Eq for ByAddress<T> {}

impl<T> Hash for ByAddress<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        Arc::as_ptr(&self.0).hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use pintle_model::{
        Generation, GroupResource, Json, Metadata, ObjectKey, Revision, Timestamp, Uid,
    };

    use super::*;

    fn object(revision: u64) -> Arc<Object> {
        let metadata = Metadata {
            name: "a".to_owned(),
            generate_name: None,
            namespace: "default".to_owned(),
            uid: Uid::from("a-1"),
            generation: Generation::FIRST,
            creation_timestamp: Timestamp(0),
            deletion_timestamp: None,
            deletion_grace_period_seconds: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            finalizers: Vec::new(),
            owner_references: Vec::new(),
        };
        Arc::new(Object {
            key: ObjectKey::new(GroupResource::from_text("things"), "default", "a"),
            metadata: Arc::new(metadata),
            body: Json::empty_object(),
            status: None,
            ledger: None,
            updated_at: Timestamp(0),
            revision: Revision(revision),
            created_revision: Revision(1),
            body_revision: Revision(1),
            status_revision: Revision(1),
            body_version: None,
            status_version: None,
        })
    }

    struct Counted {
        cache: EventCache<u8>,
        made: Cell<u32>,
    }

    impl Counted {
        fn new() -> Self {
            Self { cache: EventCache::default(), made: Cell::new(0) }
        }

        fn tell(&self, audience: u8, event: &'static str, object: &Arc<Object>) -> Bytes {
            self.cache.get(&Audience::new(audience), event, object, || {
                self.made.set(self.made.get() + 1);
                format!("{audience} {event} {}", object.revision).into()
            })
        }
    }

    #[test]
    fn what_is_alike_is_made_once_and_nothing_else_is_taken_for_it() {
        let counted = Counted::new();
        let (one, two) = (object(7), object(8));
        let told =
            [(1, "ADDED", &one), (1, "MODIFIED", &one), (2, "ADDED", &one), (1, "ADDED", &two)];
        for (audience, event, object) in told {
            let expected = format!("{audience} {event} {}", object.revision);
            let before = counted.made.get();
            for _ in 0..10 {
                assert_eq!(counted.tell(audience, event, object), expected);
            }
            assert_eq!(counted.made.get(), before + 1, "{expected}");
        }
        // The same revision, and not the same object: another schema was there before.
        let before = counted.made.get();
        counted.tell(1, "ADDED", &object(8));
        assert_eq!(counted.made.get(), before + 1);
    }

    #[test]
    fn as_many_as_there_is_room_for_are_kept_of_one_audience() {
        let counted = Counted::new();
        let count = KEPT_MAX as u64;
        let objects: Vec<_> = (100..100 + count).map(object).collect();
        for _ in 0..3 {
            for object in &objects {
                counted.tell(1, "ADDED", object);
            }
        }
        assert_eq!(u64::from(counted.made.get()), count);
        counted.tell(1, "ADDED", &object(100 + count));
        counted.tell(1, "ADDED", &objects[0]);
        assert_eq!(u64::from(counted.made.get()), count + 2, "the newest pushed out the oldest");
    }

    #[test]
    fn long_events_are_kept_while_somebody_sends_them() {
        let (cache, made) = (EventCache::default(), Cell::new(0));
        let (object, audience) = (object(7), Audience::new(0));
        let tell = || {
            cache.get(&audience, "ADDED", &object, || {
                made.set(made.get() + 1);
                vec![b'x'; KEPT_BYTES_MAX + 1].into()
            })
        };
        let (first, second) = (tell(), tell());
        assert_eq!((made.get(), first.as_ptr()), (1, second.as_ptr()), "shared, not copied");
        drop((first, second));
        assert_eq!(tell().len(), KEPT_BYTES_MAX + 1);
        assert_eq!(made.get(), 2);
    }

    #[test]
    fn that_there_is_nothing_to_tell_is_found_out_once() {
        let (cache, made) = (EventCache::default(), Cell::new(0));
        for _ in 0..3 {
            let told = cache.get_or_nothing(&Audience::new(0), "MODIFIED", &object(7), || {
                made.set(made.get() + 1);
                None
            });
            assert_eq!(told, None);
        }
        assert_eq!(made.get(), 3, "each of these objects was another one");
        let object = object(7);
        for _ in 0..3 {
            cache.get_or_nothing(&Audience::new(0), "MODIFIED", &object, || {
                made.set(made.get() + 1);
                None
            });
        }
        assert_eq!(made.get(), 4);
    }
}
