//! What every store promises, as tests that run against any of them.
//!
//! An adapter names a [`Backend`] and lets [`conformance!`](crate::conformance!) make one test of
//! each case. Promises that only a durable store can give (reopening, crashes, a full disk) are
//! tested where that store lives.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests: a failed assumption is a failed test"
)]
#![expect(missing_docs, reason = "the name of a case says what it promises")]

mod fixture;
mod history;
mod lists;
mod model;
mod races;
mod writes;

use std::future::Future;
use std::sync::Arc;

pub use fixture::{
    change, commit, created, device, key, put_body, put_labels, put_status, removal,
};
pub use history::*;
pub use lists::*;
pub use model::{RESOURCES, Wish, agrees_with_the_model, wish};
pub use races::*;
pub use writes::*;

use crate::{HistoryLimits, Store};

/// Where the stores under test come from.
pub trait Backend {
    /// A new, empty store.
    fn open(&self, limits: HistoryLimits) -> Arc<dyn Store>;
}

/// Runs one case on a runtime with two threads.
pub fn run<'b, F: Future<Output = ()>>(
    backend: &'b dyn Backend,
    case: impl FnOnce(&'b dyn Backend) -> F,
) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(case(backend));
}

/// Makes a test of each case of the suite: `conformance!(MyBackend)`, where `MyBackend` has a
/// default.
#[macro_export]
macro_rules! conformance {
    ($backend:ty) => {
        $crate::conformance! { @cases $backend:
            creation_needs_absence
            stale_writes_lose_and_learn_the_rival
            a_commit_is_all_or_nothing
            changes_of_one_commit_see_each_other
            unwritten_lanes_are_shared
            a_status_write_leaves_the_rest_alone
            a_removed_object_is_gone_and_can_come_back
            uids_lead_to_living_objects
            odd_names_stay_apart
            a_closed_store_takes_nothing
            lists_are_in_key_order
            namespaces_and_prefixes_do_not_mix
            objects_are_counted_by_namespace
            pages_make_up_the_whole_list
            pages_stay_at_their_revision_while_writes_go_on
            a_list_shows_any_revision_in_reach
            lists_refuse_what_they_cannot_show
            tails_have_every_event_in_order
            tails_of_one_resource_skip_the_others
            tails_say_what_was_replaced
            tails_say_how_a_write_was_asked_for
            tails_refuse_what_they_cannot_show
            history_ends_exactly_at_its_line
            history_is_bounded_by_bytes
            history_is_bounded_by_events
            lists_go_on_within_the_bound_on_events
            the_head_moves_after_the_event_is_there
            one_of_many_rivals_wins_each_round
            writers_of_many_objects_do_not_disturb_each_other
            readers_see_whole_commits
        }

        #[test]
        fn agrees_with_the_model() {
            $crate::conformance::agrees_with_the_model(&<$backend as Default>::default());
        }
    };
    (@cases $backend:ty: $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                let backend = <$backend as Default>::default();
                $crate::conformance::run(&backend, $crate::conformance::$case);
            }
        )*
    };
}
