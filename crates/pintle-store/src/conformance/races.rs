//! Many at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use pintle_model::Revision;
use tokio::task::JoinSet;

use super::Backend;
use super::fixture::{commit, commit_one, created, device, key, put_body, put_status};
use crate::{Committed, HistoryLimits, ListQuery};

pub async fn one_of_many_rivals_wins_each_round(backend: &dyn Backend) {
    const RIVALS: usize = 8;
    let store = backend.open(HistoryLimits::default());
    let mut object = commit_one(&*store, created(&key("a"))).await;
    for round in 0..20 {
        let mut rivals = JoinSet::new();
        for rival in 0..RIVALS {
            let change = put_status(&object, &format!("{round} {rival}"));
            let store = Arc::clone(&store);
            rivals.spawn(async move { store.commit(vec![change]).await.unwrap() });
        }
        let mut wins = Vec::new();
        let mut rivals_seen = Vec::new();
        for answer in rivals.join_all().await {
            match answer {
                Committed::At(mut versions) => wins.append(&mut versions),
                Committed::Lost { theirs, .. } => rivals_seen.extend(theirs),
            }
        }
        assert_eq!((wins.len(), rivals_seen.len()), (1, RIVALS - 1));
        assert!(rivals_seen.iter().all(|seen| *seen == wins[0]), "losers learn who won");
        assert_eq!(wins[0].revision, object.revision.next());
        object = Arc::clone(&wins[0]);
    }
}

pub async fn writers_of_many_objects_do_not_disturb_each_other(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            let mut object = commit_one(&*store, created(&key(&writer.to_string()))).await;
            let mut revisions = vec![object.revision];
            for n in 0..20 {
                object = commit_one(&*store, put_status(&object, &n.to_string())).await;
                revisions.push(object.revision);
            }
            assert!(revisions.is_sorted());
            revisions
        });
    }
    let all: BTreeSet<_> = writers.join_all().await.into_iter().flatten().collect();
    assert!(all.into_iter().eq((1..=16 * 21).map(Revision)), "each revision once, none left out");
    let info = store.info();
    assert_eq!((info.objects, info.changes, info.newest), (16, 16 * 21, Revision(16 * 21)));
    assert!(info.commits >= 21 && info.commits <= info.changes);
}

pub async fn readers_see_whole_commits(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let mut pair = commit(&*store, vec![created(&key("a")), created(&key("b"))]).await;
    let reader = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let resource = device();
            let query = ListQuery {
                resource: &resource,
                namespace: None,
                after: None,
                limit: 10,
                at: None,
            };
            loop {
                let page = store.list(query).await.unwrap();
                if page.revision > Revision(2) {
                    let [a, b] = [&page.objects[0], &page.objects[1]];
                    assert_eq!((&a.body, a.revision.next()), (&b.body, b.revision));
                    assert!(b.revision <= page.revision);
                }
                if page.revision >= Revision(402) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
    });
    for n in 0..200 {
        pair =
            commit(&*store, pair.iter().map(|object| put_body(object, &n.to_string())).collect())
                .await;
    }
    reader.await.unwrap();
}
