//! What the pools offer for many tasks at once.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use futures_lite::future::block_on;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use tokio::runtime::Handle;
use workmill::ThreadPoolExecutor;

use super::inline::Inline;

/// Calls a function with each of many items.
pub(crate) trait MapItems {
    /// Returns the results in the order of the items. `chunk` is the number of items in a task, for
    /// a pool that has to be told.
    fn map_items(&self, items: Vec<usize>, chunk: usize, f: fn(usize) -> usize) -> Vec<usize>;
}

impl MapItems for ThreadPoolExecutor {
    fn map_items(&self, items: Vec<usize>, chunk: usize, f: fn(usize) -> usize) -> Vec<usize> {
        let results = self.map(items, f).chunk(chunk);
        results.collect::<Result<_, _>>().expect("no task panics")
    }
}

impl MapItems for Arc<rayon::ThreadPool> {
    fn map_items(&self, items: Vec<usize>, _: usize, f: fn(usize) -> usize) -> Vec<usize> {
        self.install(|| items.into_par_iter().map(f).collect())
    }
}

impl MapItems for Inline {
    fn map_items(&self, items: Vec<usize>, _: usize, f: fn(usize) -> usize) -> Vec<usize> {
        items.into_iter().map(f).collect()
    }
}

/// Takes tasks and returns their results, as many tasks in flight as the limit says.
pub(crate) trait JoinSet {
    fn sum_in_flight(&self, tasks: usize, limit: usize) -> usize;
}

impl JoinSet for ThreadPoolExecutor {
    fn sum_in_flight(&self, tasks: usize, limit: usize) -> usize {
        let mut set = workmill::JoinSet::new(self);
        let mut sum = 0;
        for n in 0..tasks {
            if set.len() == limit {
                let ((), result) = set.join_next().expect("there are tasks");
                sum += result.expect("no task panics");
            }
            set.submit((), move || n);
        }
        while let Some(((), result)) = set.join_next() {
            sum += result.expect("no task panics");
        }
        sum
    }
}

impl JoinSet for Handle {
    fn sum_in_flight(&self, tasks: usize, limit: usize) -> usize {
        block_on(async {
            let mut set = tokio::task::JoinSet::new();
            let mut sum = 0;
            for n in 0..tasks {
                if set.len() == limit {
                    let result = set.join_next().await.expect("there are tasks");
                    sum += result.expect("no task panics");
                }
                set.spawn_on(async move { n }, self);
            }
            while let Some(result) = set.join_next().await {
                sum += result.expect("no task panics");
            }
            sum
        })
    }
}

/// Returns the results of tasks in the order in which they come.
pub(crate) trait AsCompleted {
    fn sum_completed(&self, tasks: usize) -> usize;
}

impl AsCompleted for ThreadPoolExecutor {
    fn sum_completed(&self, tasks: usize) -> usize {
        let handles: Vec<_> = (0..tasks).map(|n| self.submit(move || n)).collect();
        let results = workmill::as_completed(handles);
        results
            .map(|(_, result)| result.expect("no task panics"))
            .sum()
    }
}

impl AsCompleted for Handle {
    fn sum_completed(&self, tasks: usize) -> usize {
        let handles: FuturesUnordered<_> =
            (0..tasks).map(|n| self.spawn(async move { n })).collect();
        block_on(handles.fold(0, |sum, result| async move {
            sum + result.expect("no task panics")
        }))
    }
}
