//! Futures of this crate can be awaited under tokio and smol as well, and those of others in a
//! pool.

use std::future::{Future, pending};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use async_executor::Executor;
use async_io::{Async, Timer};
use futures_lite::future::{or, poll_once, yield_now};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use futures_util::future::{Either, FutureExt, join_all, select, try_join_all};
use futures_util::select;
use futures_util::stream::{FuturesUnordered, StreamExt, iter};
use workmill::timer::{interval, sleep, timeout};
use workmill::{
    Builder, CancelReason, CancelToken, Event, Every, GetError, JoinHandle, JoinableQueue, Latch,
    PriorityQueue, Semaphore, ThreadPoolExecutor, blocking, current,
};

use crate::support::{Crowd, Drops, limited, occupy};

const SHORT: Duration = Duration::from_millis(5);

const HOUR: Duration = Duration::from_secs(3600);

/// Creates a tokio runtime with two threads and with timers.
fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap()
}

/// Creates a pool of two threads.
fn pool() -> Arc<ThreadPoolExecutor> {
    Arc::new(ThreadPoolExecutor::new(2).unwrap())
}

/// Runs a future as a task of tokio's.
fn in_tokio<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = tokio_runtime();
    let task = runtime.spawn(future);
    runtime.block_on(task).unwrap()
}

/// Runs a future on this thread, with tokio's clock.
fn in_tokio_alone<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap().block_on(future)
}

/// Runs a future as a task of smol's executor, which has two threads.
fn in_smol<T: Send>(future: impl Future<Output = T> + Send) -> T {
    let executor = Executor::new();
    let (stop, stopped) = async_channel::bounded::<()>(1);
    thread::scope(|scope| {
        scope.spawn(|| async_io::block_on(executor.run(stopped.recv())));
        let value = async_io::block_on(executor.spawn(future));
        drop(stop);
        value
    })
}

/// Runs a future as a task of a pool.
fn in_pool<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    pool().spawn(future).join().unwrap()
}

/// Runs a future in every runtime, one after the other.
fn everywhere<F: Future<Output = ()> + Send + 'static>(make: fn() -> F) {
    limited(move || {
        in_tokio(make());
        in_tokio_alone(make());
        in_smol(make());
        in_pool(make());
        workmill::block_on(make());
    });
}

#[test]
fn handles_of_closures_and_futures_give_their_outcomes_under_any_runtime() {
    everywhere(|| async {
        let pool = pool();
        let (forty, two) = (pool.submit(|| 40), pool.spawn(async { 2 }));
        assert_eq!(forty.await.unwrap() + two.await.unwrap(), 42);
        assert_eq!(pool.submit_after(SHORT, || 42).await.unwrap(), 42);
        let series = pool.submit_every(Every::rate(HOUR), || panic!("on purpose"));
        assert!(!series.is_finished() && series.cancel());
        assert!(series.await.unwrap_err().is_cancelled());
        let series = pool.submit_every(Every::rate(HOUR).end_on_panic(), || panic!("on purpose"));
        assert!(series.await.unwrap_err().is_panic());
        let panics: [JoinHandle<()>; 2] = [
            pool.submit(|| panic!("on purpose")),
            pool.spawn(async { panic!("on purpose") }),
        ];
        for handle in panics {
            let error = handle.await.unwrap_err();
            assert_eq!(error.panic_message(), Some("on purpose"));
        }
        let cancelled = pool.spawn(pending::<()>());
        assert!(cancelled.cancel());
        let reason = cancelled.await.unwrap_err().cancel_reason();
        assert_eq!(reason, Some(CancelReason::Cancelled));
        let shared = pool.spawn(async { String::from("flour") }).shared();
        let (first, second) = (shared.clone().await, shared.await);
        assert_eq!(first.unwrap(), second.unwrap());
    });
}

#[test]
fn a_handle_that_is_awaited_before_its_task_ends_wakes_any_runtime() {
    everywhere(|| async {
        let pool = pool();
        for _ in 0..100 {
            let (go, wait) = async_channel::bounded(1);
            let mut future = pool.spawn(async move { wait.recv().await.unwrap() });
            let event = Arc::new(Event::new());
            let seen = Arc::clone(&event);
            let mut closure = pool.submit(move || seen.wait());
            assert!(poll_once(&mut future).await.is_none());
            assert!(poll_once(&mut closure).await.is_none());
            go.send(42).await.unwrap();
            assert_eq!(future.await.unwrap(), 42);
            event.set();
            closure.await.unwrap();
        }
    });
}

#[test]
fn permits_go_from_hand_to_hand_between_a_runtime_and_a_pool() {
    everywhere(|| async {
        let (pool, semaphore, crowd) = (pool(), Arc::new(Semaphore::new(2)), Crowd::default());
        let tasks = (0..8).map(|n| {
            let (semaphore, crowd) = (Arc::clone(&semaphore), crowd.clone());
            pool.spawn(async move {
                for _ in 0..50 {
                    let _permit = semaphore.acquire_many_async(1 + n % 2).await.unwrap();
                    crowd.join_in();
                    yield_now().await;
                }
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let here = (0..4).map(|_| async {
            for _ in 0..50 {
                let _permit = semaphore.acquire_owned_async().await.unwrap();
                crowd.join_in();
                yield_now().await;
            }
        });
        join_all(here).await;
        try_join_all(tasks).await.unwrap();
        assert!(crowd.most() <= 2);
        assert_eq!(semaphore.available_permits(), 2);
    });
}

#[test]
fn a_runtime_waits_for_what_a_pool_does() {
    everywhere(|| async {
        let pool = pool();
        for _ in 0..50 {
            let (event, latch, token) = (
                Arc::new(Event::new()),
                Arc::new(Latch::new(3)),
                CancelToken::new(),
            );
            let child = token.child();
            // Woken one by one: each is set when the one before it has been seen.
            let (sets, seen) = (Arc::clone(&event), Arc::clone(&latch));
            let closure = pool.submit(move || {
                sets.set();
                seen.wait();
                token.cancel();
            });
            event.wait_async().await;
            assert!(event.is_set() && !child.is_cancelled());
            for _ in 0..3 {
                let latch = Arc::clone(&latch);
                pool.execute(move || latch.count_down());
            }
            latch.wait_async().await;
            child.wait_async().await;
            closure.await.unwrap();
        }
    });
}

#[test]
fn items_go_to_and_fro_between_a_runtime_and_a_pool() {
    async fn to_and_fro(there: Arc<JoinableQueue<usize>>, back: Arc<JoinableQueue<usize>>) {
        let pool = pool();
        let (from, to) = (Arc::clone(&there), Arc::clone(&back));
        let doubling = pool.spawn(async move {
            while let Ok(n) = from.get_async().await {
                to.put_async(2 * n).await.unwrap();
                from.task_done().unwrap();
            }
            to.close();
        });
        let put = async {
            for n in 0..200 {
                there.put_async(n).await.unwrap();
            }
            there.join_async().await.unwrap();
            there.close();
        };
        let get = async {
            for n in 0..200 {
                assert_eq!(back.get_async().await, Ok(2 * n));
            }
            assert_eq!(back.get_async().await, Err(GetError));
        };
        futures_util::future::join(put, get).await;
        doubling.await.unwrap();
    }
    everywhere(|| async {
        for capacity in [0, 1, 3, 1000] {
            let queue = || Arc::new(JoinableQueue::bounded(capacity));
            to_and_fro(queue(), queue()).await;
        }
    });
}

#[test]
fn a_queue_is_joined_from_a_runtime_when_a_pool_has_done_all() {
    everywhere(|| async {
        let (pool, queue) = (pool(), Arc::new(PriorityQueue::unbounded()));
        for n in (0..100).rev() {
            queue.put_async(n).await.unwrap();
        }
        let tasks = Arc::clone(&queue);
        let taken = pool.spawn(async move {
            let mut taken = Vec::new();
            while let Ok(guard) = tasks.get_task_async().await {
                taken.push(*guard);
            }
            taken
        });
        queue.join_async().await.unwrap();
        assert_eq!(queue.unfinished(), 0);
        queue.close();
        assert!(taken.await.unwrap().into_iter().eq(0..100));
    });
}

#[test]
fn a_runtime_waits_for_room_in_a_pool() {
    everywhere(|| async {
        let builder = Builder::new().threads(1).queue_capacity(1);
        let pool = builder.build().unwrap();
        let release = occupy(&pool);
        let first = pool.submit_async(|| 1).await.unwrap();
        let mut second = pin!(pool.submit_async(|| 2));
        assert!(poll_once(&mut second).await.is_none());
        drop(Box::pin(pool.submit_async(|| unreachable!())));
        release.set();
        let second = second.await.unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (1, 2));
        pool.shutdown_async().await;
        let refused = pool.submit_async(|| 3).await.unwrap_err();
        assert!(refused.is_shutdown());
        assert_eq!(refused.into_inner()(), 3);
    });
}

#[test]
fn a_runtime_waits_for_a_pool_to_be_idle_and_to_end() {
    everywhere(|| async {
        let pool = pool();
        let release = occupy(&pool);
        let spawned = pool.spawn(async { sleep(SHORT).await });
        {
            let mut idle = pin!(pool.wait_idle_async());
            assert!(poll_once(&mut idle).await.is_none());
            release.set();
            assert_eq!(idle.await, Ok(()));
        }
        assert!(spawned.is_finished());
        let release = occupy(&pool);
        let last = pool.spawn(async { 42 });
        let mut end = pin!(pool.shutdown_async());
        assert!(poll_once(&mut end).await.is_none());
        assert!(pool.is_shutdown());
        release.set();
        end.await;
        assert!(pool.is_terminated());
        assert_eq!(last.await.unwrap(), 42);
    });
}

#[test]
fn sleeps_time_limits_and_intervals_tell_the_time_under_any_runtime() {
    everywhere(|| async {
        let start = Instant::now();
        join_all((0..100).map(|_| sleep(SHORT))).await;
        assert!(start.elapsed() >= SHORT);
        assert!(timeout(SHORT, pending::<()>()).await.is_err());
        assert!(start.elapsed() >= 2 * SHORT);
        assert_eq!(timeout(HOUR, yield_now()).await, Ok(()));
        let mut ticks = interval(SHORT);
        let first = ticks.tick().await;
        for _ in 0..3 {
            ticks.tick().await;
        }
        assert!(first.elapsed() >= 3 * SHORT);
    });
}

#[test]
fn time_limits_of_tokio_and_of_this_crate_work_around_each_other() {
    limited(|| {
        in_tokio(async {
            let semaphore = Semaphore::new(0);
            let limit = tokio::time::timeout(SHORT, semaphore.acquire_async());
            assert!(limit.await.is_err());
            // It left the queue, so the next waiter is the first.
            let mut next = pin!(semaphore.acquire_async());
            assert!(poll_once(&mut next).await.is_none());
            semaphore.add_permits(1).unwrap();
            assert!(next.await.is_ok());
            let theirs = timeout(SHORT, tokio::time::sleep(HOUR));
            assert!(theirs.await.is_err());
            let ours = tokio::time::timeout(SHORT, sleep(HOUR));
            assert!(ours.await.is_err());
        });
    });
}

#[test]
fn what_loses_a_select_takes_nothing_with_it() {
    everywhere(|| async {
        let (pool, queue) = (pool(), Arc::new(JoinableQueue::bounded(1)));
        let (stop, source) = (CancelToken::new(), Arc::clone(&queue));
        let puts = pool.spawn(async move {
            for n in 0..200 {
                source.put_async(n).await.unwrap();
            }
        });
        for n in 0..200 {
            // A wait that is given up once it is in the queue, unless an item comes first.
            let given_up = select! {
                item = pin!(queue.get_async().fuse()) => Some(item),
                () = pin!(yield_now().fuse()) => None,
            };
            let item = match given_up {
                Some(item) => item,
                None => queue.get_async().await,
            };
            assert_eq!(item, Ok(n));
        }
        puts.await.unwrap();
        let stopped = stop.clone();
        pool.execute(move || stopped.cancel());
        match select(pin!(stop.wait_async()), pin!(queue.get_async())).await {
            Either::Left(_) => queue.try_put(1).unwrap(),
            Either::Right(item) => panic!("{:?}", item.0),
        }
        assert_eq!(queue.try_get(), Ok(1));
    });
}

#[test]
fn a_pool_runs_the_combinators_of_others() {
    limited(|| {
        in_pool(async {
            let pool = current().unwrap();
            let all = join_all((0..100).map(|n| pool.submit(move || n))).await;
            assert!(all.into_iter().map(Result::unwrap).eq(0..100));

            let mut unordered: FuturesUnordered<_> = (0..100)
                .map(|n| pool.spawn(async move { n }))
                .chain([pool.spawn(async {
                    sleep(SHORT).await;
                    100
                })])
                .collect();
            let mut got = Vec::new();
            while let Some(n) = unordered.next().await {
                got.push(n.unwrap());
            }
            got.sort_unstable();
            assert!(got.into_iter().eq(0..=100));

            let buffered = iter(0..100).map(|n| pool.spawn(async move { n }));
            let sum = buffered
                .buffer_unordered(7)
                .fold(0, |sum, n| async move { sum + n.unwrap() });
            assert_eq!(sum.await, 99 * 50);

            let (fast, never) = (pool.submit(|| 1), pool.spawn(pending()));
            let cancel = never.cancel_handle();
            let (mut fast, mut never) = (fast.fuse(), never.fuse());
            let first = select! {
                fast = fast => fast,
                never = never => never,
            };
            assert_eq!(first.unwrap(), 1);
            assert!(cancel.cancel() && never.await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn a_pool_runs_the_channels_of_others() {
    limited(|| {
        let pool = pool();
        let (sender, receiver) = async_channel::bounded(2);
        let (forward, mut forwarded) = tokio::sync::mpsc::channel(3);
        let (tell, told) = tokio::sync::oneshot::channel();
        let sends = pool.spawn(async move {
            for n in 0..1000 {
                sender.send(n).await.unwrap();
            }
        });
        let forwards = pool.spawn(async move {
            let mut receiver = pin!(receiver);
            while let Some(n) = receiver.next().await {
                forward.send(n).await.unwrap();
            }
        });
        let sums = pool.spawn(async move {
            let mut sum = 0;
            while let Some(n) = forwarded.recv().await {
                sum += n;
            }
            tell.send(sum).unwrap();
        });
        assert_eq!(pool.block_on(told), Ok(999 * 500));
        for handle in [sends, forwards, sums] {
            handle.join().unwrap();
        }
    });
}

#[test]
fn a_pool_runs_what_tokio_waits_with_but_not_its_clock() {
    limited(|| {
        let pool = pool();
        let (count, drops) = (Arc::new(tokio::sync::Mutex::new(0)), Drops::default());
        let (all_in, notify) = (
            Arc::new(Latch::new(8)),
            Arc::new(tokio::sync::Notify::new()),
        );
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (count, value) = (Arc::clone(&count), drops.value());
                let (all_in, notify) = (Arc::clone(&all_in), Arc::clone(&notify));
                pool.spawn(async move {
                    let _value = value;
                    let mut notified = pin!(notify.notified());
                    notified.as_mut().enable();
                    all_in.count_down();
                    notified.await;
                    for _ in 0..100 {
                        let mut count = count.lock().await;
                        workmill::yield_now().await;
                        *count += 1;
                    }
                })
            })
            .collect();
        all_in.wait();
        notify.notify_waiters();
        tasks.into_iter().for_each(|task| task.join().unwrap());
        assert_eq!((*count.blocking_lock(), drops.count()), (800, 8));
        let panics = pool.spawn(async { tokio::time::sleep(SHORT).await });
        assert!(panics.join().unwrap_err().is_panic());
    });
}

#[test]
fn tasks_of_tokio_and_smol_are_awaited_in_a_pool() {
    limited(|| {
        let (pool, runtime) = (pool(), tokio_runtime());
        let tokio = runtime.handle().clone();
        let slept = pool.spawn(async move {
            let start = Instant::now();
            let sleeping = tokio.spawn(async { tokio::time::sleep(SHORT).await });
            sleeping.await.unwrap();
            start.elapsed()
        });
        assert!(slept.join().unwrap() >= SHORT);
        // Threads of other runtimes wait in ours, too.
        let tokio = runtime.handle().clone();
        let waits = pool.submit(move || {
            let handle = current().unwrap().spawn(async { 42 });
            blocking(|| tokio.block_on(async { handle.await.unwrap() }))
        });
        assert_eq!(waits.join().unwrap(), 42);
        // The threads of a pool can be those of an executor.
        let executor = Arc::new(Executor::new());
        let runs = Arc::clone(&executor);
        let running = pool.spawn(async move { runs.run(pending::<()>()).await });
        let handle = pool.spawn(executor.spawn(async { 42 }));
        assert_eq!(handle.join().unwrap(), 42);
        assert!(running.cancel());
        assert!(running.join().is_err());
    });
}

#[test]
fn a_pool_runs_the_timers_of_async_io() {
    limited(|| {
        in_pool(async {
            let start = Instant::now();
            join_all((0..100).map(|_| Timer::after(SHORT))).await;
            assert!(start.elapsed() >= SHORT);
            let ticks = Timer::interval(SHORT).take(3);
            assert_eq!(ticks.count().await, 3);
            assert!(timeout(SHORT, Timer::after(HOUR)).await.is_err());
            assert!(timeout(HOUR, Timer::after(SHORT)).await.is_ok());
        });
    });
}

#[test]
fn a_pool_serves_streams() {
    async fn echo(mut stream: Async<TcpStream>) -> io::Result<()> {
        let mut buffer = [0; 16];
        loop {
            match stream.read(&mut buffer).await? {
                0 => return Ok(()),
                length => stream.write_all(&buffer[..length]).await?,
            }
        }
    }
    limited(|| {
        let pool = pool();
        let listener = Async::<TcpListener>::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.get_ref().local_addr().unwrap();
        let stop = CancelToken::new();
        let stopped = stop.clone();
        let serving = pool.spawn(async move {
            let pool = current().unwrap();
            let mut served = 0;
            loop {
                let next = async { Some(listener.accept().await.unwrap()) };
                let end = async {
                    stopped.wait_async().await;
                    None
                };
                match or(next, end).await {
                    Some((stream, _)) => drop(pool.spawn(echo(stream))),
                    None => return served,
                }
                served += 1;
            }
        });
        let clients: Vec<_> = (0..50)
            .map(|client| {
                pool.spawn(async move {
                    let mut stream = Async::<TcpStream>::connect(address).await?;
                    for round in 0..5 {
                        let sent = format!("round {round} of client {client}");
                        stream.write_all(sent.as_bytes()).await?;
                        let mut answer = vec![0; sent.len()];
                        stream.read_exact(&mut answer).await?;
                        assert_eq!(answer, sent.as_bytes());
                    }
                    io::Result::Ok(())
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap().unwrap();
        }
        stop.cancel();
        assert_eq!(serving.join().unwrap(), 50);
        pool.shutdown();
    });
}

#[test]
fn a_pool_serves_packets() {
    limited(|| {
        let pool = pool();
        let bind = || Async::<UdpSocket>::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (server, client) = (bind(), bind());
        let address = server.get_ref().local_addr().unwrap();
        let serving = pool.spawn(async move {
            let mut buffer = [0; 16];
            loop {
                let (length, from) = server.recv_from(&mut buffer).await.unwrap();
                server.send_to(&buffer[..length], from).await.unwrap();
            }
        });
        let asking = pool.spawn(async move {
            client.get_ref().connect(address).unwrap();
            for round in 0..100_u8 {
                let mut answer = [0; 16];
                // Again and again, in case packets get lost; and answers to an earlier packet are
                // late.
                loop {
                    client.send(&[round]).await.unwrap();
                    let answered = timeout(50 * SHORT, client.recv(&mut answer)).await;
                    if answered.is_ok_and(|length| length.unwrap() == 1) && answer[0] == round {
                        break;
                    }
                }
            }
        });
        asking.join().unwrap();
        assert!(serving.cancel());
        let _ended: Result<(), _> = serving.join();
        pool.shutdown();
    });
}
