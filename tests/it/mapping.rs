//! `map`, `map_unordered` and `for_each`: lazy, within their window, and one error ends nothing.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;

use futures_lite::future::{block_on, poll_once};
use workmill::{Builder, CancelReason, Overflow, TaskError, ThreadPoolExecutor};

use crate::support::{Drops, Flag, limited, occupy};

fn pool(threads: usize) -> ThreadPoolExecutor {
    ThreadPoolExecutor::new(threads).unwrap()
}

#[test]
fn results_come_in_the_order_of_the_items() {
    limited(|| {
        for (threads, window, chunk) in [(1, 1, 1), (2, 3, 1), (2, 4, 7), (3, 100, 1000)] {
            let pool = pool(threads);
            let squares = pool.map(0..1000_u64, |n| n * n).window(window).chunk(chunk);
            assert_eq!(squares.size_hint(), (1000, Some(1000)));
            let squares: Vec<_> = squares.map(Result::unwrap).collect();
            assert!(squares.into_iter().eq((0..1000).map(|n| n * n)));
            let unordered = pool
                .map_unordered(0..1000_u64, |n| n)
                .window(window)
                .chunk(chunk);
            let mut all: Vec<_> = unordered.map(Result::unwrap).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..1000));
        }
    });
}

/// In CPython `map` takes all items first, so it hangs here; with `buffersize` one item too many is
/// in flight.
#[test]
fn an_infinite_input_is_taken_as_far_as_the_window() {
    limited(|| {
        let pool = pool(2);
        let taken = Rc::new(Cell::new(0_usize));
        let counts = Rc::clone(&taken);
        let endless = (0_usize..).inspect(move |_| counts.set(counts.get() + 1));
        let mut map = pool.map(endless, |n| n).window(5);
        assert_eq!(taken.get(), 0, "lazy");
        for n in 0..100 {
            assert_eq!(map.next().unwrap().unwrap(), n);
            assert!(
                taken.get() <= n + 5,
                "{} taken, {} returned",
                taken.get(),
                n + 1
            );
        }
        drop(map);
        let endless = pool.map_unordered(0_usize.., |n| n).window(5);
        assert_eq!(endless.take(1000).filter(Result::is_ok).count(), 1000);
    });
}

#[test]
fn an_error_does_not_end_the_iteration() {
    limited(|| {
        let pool = pool(2);
        for chunk in [1, 3] {
            let calls = |n: u32| match n % 10 {
                3 => panic!("out of flour"),
                _ => n,
            };
            let outcomes: Vec<_> = pool.map(0..100, calls).chunk(chunk).collect();
            assert_eq!(outcomes.len(), 100);
            for (n, outcome) in (0..100).zip(outcomes) {
                match outcome {
                    Ok(value) => assert_eq!(value, n),
                    Err(error) => {
                        assert_eq!((n % 10, error.panic_message()), (3, Some("out of flour")));
                        assert!(error.task_name().contains("mapping"), "{error}");
                    }
                }
            }
            let unordered = pool.map_unordered(0..100, calls).chunk(chunk);
            assert_eq!(unordered.filter(Result::is_err).count(), 10);
        }
    });
}

#[test]
fn a_chunk_that_has_begun_ends_when_nobody_wants_its_results() {
    limited(|| {
        let pool = pool(1);
        let (begun, go) = (Flag::default(), Flag::default());
        let ran = Arc::new(AtomicUsize::new(0));
        let call = {
            let (begun, go, ran) = (begun.clone(), go.clone(), Arc::clone(&ran));
            move |n: u32| {
                ran.fetch_add(1, Ordering::SeqCst);
                if n == 3 {
                    begun.set();
                    go.wait();
                }
            }
        };
        let mut results = pool.map(0..100, call).chunk(100).into_stream();
        assert!(block_on(poll_once(results.next())).is_none());
        begun.wait();
        drop(results);
        go.set();
        pool.wait_idle().unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), 4);
    });
}

#[test]
fn the_first_error_of_a_flat_map_cancels_the_rest() {
    limited(|| {
        let pool = pool(1);
        let begun = Arc::new(AtomicUsize::new(0));
        let begins = Arc::clone(&begun);
        let parse = move |text: String| {
            begins.fetch_add(1, Ordering::SeqCst);
            text.parse::<u32>()
        };
        let texts = ["1", "2", "three"].map(String::from).into_iter();
        let texts = texts.chain((0..1000).map(|n| n.to_string()));
        let all = pool
            .map(texts, parse)
            .window(4)
            .flat()
            .collect::<Result<Vec<_>, _>>();
        assert!(matches!(all, Err(TaskError::Returned(_))));
        pool.wait_idle().unwrap();
        assert!(begun.load(Ordering::SeqCst) <= 6);
        let panics = |n: u32| -> Result<u32, std::num::ParseIntError> { panic!("{n}") };
        let first = pool.map_unordered(0..10, panics).flat().next().unwrap();
        assert!(matches!(first, Err(TaskError::Join(error)) if error.is_panic()));
    });
}

#[test]
fn the_drop_of_a_map_cancels_what_has_not_begun() {
    limited(|| {
        for unordered in [false, true] {
            let pool = pool(1);
            let drops = Drops::default();
            let items: Vec<_> = (0..100).map(|_| drops.value()).collect();
            let (begun, go) = (mpsc::channel(), Arc::new(workmill::Event::new()));
            let (begins, waits) = (begun.0, Arc::clone(&go));
            let f = move |item| {
                begins.send(()).unwrap();
                waits.wait();
                drop(item);
            };
            go.set();
            if unordered {
                let mut map = pool.map_unordered(items, f).window(10);
                map.next().unwrap().unwrap();
                go.clear();
                drop(map);
            } else {
                let mut map = pool.map(items, f).window(10);
                map.next().unwrap().unwrap();
                go.clear();
                drop(map);
            }
            go.set();
            pool.wait_idle().unwrap();
            assert_eq!(drops.count(), 100);
            assert!(begun.1.try_iter().count() <= 10);
        }
    });
}

#[test]
fn for_each_leaves_nothing_running_behind() {
    limited(|| {
        let pool = pool(4);
        let (running, calls) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = |panics_at: usize| {
            let (running, calls) = (Arc::clone(&running), Arc::clone(&calls));
            move |n: usize| {
                running.fetch_add(1, Ordering::SeqCst);
                calls.fetch_add(1, Ordering::SeqCst);
                thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                assert_ne!(n, panics_at, "the call that fails");
            }
        };
        pool.for_each(0..1000, work(usize::MAX)).unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 1000);
        let error = pool.for_each(0..100_000, work(500)).unwrap_err();
        assert!(error.is_panic());
        assert_eq!(running.load(Ordering::SeqCst), 0, "all have ended");
        assert!(
            calls.load(Ordering::SeqCst) < 50_000,
            "the rest was not begun"
        );
    });
}

#[test]
fn a_map_inside_a_task_needs_no_other_thread() {
    limited(|| {
        let pool = pool(1);
        let sum = pool.submit(|| {
            let pool = workmill::current().unwrap();
            let inner = |n: u64| {
                let pool = workmill::current().unwrap();
                pool.map(0..n, |n| n).map(Result::unwrap).sum::<u64>()
            };
            pool.map(0..50, inner).map(Result::unwrap).sum::<u64>()
        });
        let expected = (0..50_u64).map(|n| (0..n).sum::<u64>()).sum::<u64>();
        assert_eq!(sum.join().unwrap(), expected);
    });
}

#[test]
fn a_map_goes_on_in_a_bounded_pool_and_ends_with_a_closed_one() {
    limited(|| {
        let bounded = Builder::new().threads(1).queue_capacity(2).build().unwrap();
        let sum: u32 = bounded.map(0..1000, |n| n).map(Result::unwrap).sum();
        assert_eq!(sum, 499_500);
        let refusing = Builder::new()
            .threads(1)
            .queue_capacity(0)
            .overflow(Overflow::Reject)
            .build()
            .unwrap();
        let sum = block_on(async {
            let mut stream = refusing.map(0..1000_u32, |n| n).into_stream();
            let mut sum = 0;
            while let Some(n) = stream.next().await {
                sum += n.unwrap();
            }
            sum
        });
        assert_eq!(
            sum, 499_500,
            "a stream waits for room, whatever the policy is"
        );
        bounded.shutdown();
        for chunk in [1, 10] {
            let refused: Vec<_> = bounded.map(0..25, |n| n).chunk(chunk).collect();
            assert_eq!(refused.len(), 25);
            let all = refused.into_iter().all(|outcome| {
                outcome.unwrap_err().cancel_reason() == Some(CancelReason::Shutdown)
            });
            assert!(all);
        }
    });
}

#[test]
fn a_result_is_not_held_back_until_another_task_ends() {
    limited(|| {
        let pool = pool(2);
        let taken = Arc::new((Mutex::new(0), Condvar::new()));
        // Quick ones at first, so that the iterator waits for several at a time.
        let (tell, results) = (
            Arc::clone(&taken),
            pool.map(0..1000, move |n| {
                // By then, the results of all before it have to be taken.
                let too_few = |count: &mut usize| n >= 500 && *count < n;
                drop(
                    taken
                        .1
                        .wait_while(taken.0.lock().unwrap(), too_few)
                        .unwrap(),
                );
                n
            }),
        );
        for (n, result) in results.enumerate() {
            assert_eq!(result.unwrap(), n);
            *tell.0.lock().unwrap() += 1;
            tell.1.notify_all();
        }
    });
}

#[test]
fn streams_give_the_same_as_iterators() {
    limited(|| {
        let pool = pool(2);
        let release = occupy(&pool);
        block_on(async {
            for chunk in [1, 4] {
                let mut stream = pool
                    .map(0..100_u32, |n| n)
                    .chunk(chunk)
                    .window(3)
                    .into_stream();
                assert_eq!(stream.size_hint(), (100, Some(100)));
                let mut expected = 0..100;
                while let Some(n) = stream.next().await {
                    assert_eq!(n.ok(), expected.next());
                }
                assert!(expected.next().is_none() && stream.next().await.is_none());
                let unordered = pool.map_unordered(0..100_u32, |n| n).chunk(chunk).window(3);
                let (mut stream, mut sum) = (unordered.into_stream(), 0);
                while let Some(n) = stream.next().await {
                    sum += n.unwrap();
                }
                assert_eq!(sum, 4950);
            }
            let parse = |text: &str| text.parse::<u32>();
            let mut flat = pool.map(["1", "x"], parse).flat().into_stream();
            assert_eq!(flat.next().await.unwrap().unwrap(), 1);
            assert!(flat.next().await.unwrap().is_err());
        });
        release.set();
    });
}

#[test]
fn a_map_in_a_scope_borrows_and_stays_within_its_window() {
    limited(|| {
        let pool = pool(2);
        let words: Vec<_> = (0..100).map(|n| n.to_string()).collect();
        let (calls, begun) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let count = |word: &String| {
            calls.fetch_add(1, Ordering::SeqCst);
            assert_ne!(word, "50", "the item that fails");
            word.len()
        };
        let lengths: Vec<_> = pool.scope(|scope| scope.map(&words, count).window(3).collect());
        assert_eq!((lengths.len(), calls.load(Ordering::SeqCst)), (100, 100));
        for (n, length) in lengths.into_iter().enumerate() {
            match length {
                Ok(length) => assert_eq!(length, words[n].len()),
                Err(error) => assert!(n == 50 && error.is_panic(), "{error}"),
            }
        }
        let endless = |scope: &mut dyn Iterator<Item = Result<usize, _>>| scope.take(10).count();
        let taken = pool.scope(|scope| {
            let mut map = scope.map(0_usize.., |n| begun.fetch_add(n, Ordering::SeqCst));
            endless(&mut map)
        });
        assert_eq!(taken, 10);
    });
}

#[test]
#[should_panic(expected = "a window of 0 tasks")]
fn a_window_of_nothing_is_refused() {
    let _ = pool(1).map(0..1, |n| n).window(0);
}

#[test]
#[should_panic(expected = "a chunk has at least 1 item")]
fn a_chunk_of_nothing_is_refused() {
    let _ = pool(1).map(0..1, |n| n).chunk(0);
}
