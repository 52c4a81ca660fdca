//! `?` carries every error into the types that programs collect errors in.

use std::error::Error;
use std::io;
use std::sync::mpsc;

use workmill::{
    CancelReason, JoinError, JoinableQueue, PutError, ThreadPoolExecutor, TryPutError,
    TrySubmitError, current,
};

#[cfg(unix)]
use crate::child::alone;
use crate::support::{limited, occupy};

/// An error of any kind, in the form in which the crates that collect errors want it, too.
type AnyError = Box<dyn Error + Send + Sync>;

/// A closure that threads may send, and may not share.
type Closure = Box<dyn FnOnce() -> u32 + Send>;

const fn is_collectable<E: Error + Send + Sync + 'static>() {}

const _: () = {
    is_collectable::<JoinError>();
    is_collectable::<TrySubmitError<Closure>>();
    is_collectable::<PutError<Closure>>();
    is_collectable::<TryPutError<Closure>>();
};

#[test]
fn the_error_of_a_task_is_an_io_error_if_that_is_wanted() {
    fn fails(pool: &ThreadPoolExecutor) -> io::Result<u32> {
        let answer = pool.submit(|| panic!("out of flour")).join()?;
        Ok(answer)
    }

    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let error = fails(&pool).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Other);
        assert!(error.to_string().contains("out of flour"));
        let error = error.downcast::<JoinError>().unwrap();
        let payload = error.into_panic();
        assert_eq!(payload.downcast_ref(), Some(&"out of flour"));
    });
}

fn bake() -> u32 {
    panic!("out of flour")
}

fn knead() -> u32 {
    unreachable!("it was cancelled")
}

async fn rise() -> u32 {
    panic!("out of yeast")
}

#[test]
fn an_error_names_its_task_however_the_task_has_failed() {
    fn assert_named(error: &JoinError, function: &str) {
        let name = error.task_name();
        assert!(name.contains(function), "{name}");
        assert!(error.to_string().contains(name), "{error}");
    }

    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        assert_named(&pool.submit(bake).join().unwrap_err(), "errors::bake");
        assert_named(&pool.install(bake).unwrap_err(), "errors::bake");
        let inside = pool.submit(|| current().unwrap().install(bake));
        assert_named(&inside.join().unwrap().unwrap_err(), "errors::bake");
        assert_named(&pool.spawn(rise()).join().unwrap_err(), "errors::rise");
        let shared = pool.submit(bake).shared();
        assert_named(&shared.join().unwrap_err(), "errors::bake");
        let release = occupy(&pool);
        let (cancelled, asleep) = (pool.submit(knead), pool.spawn(rise()));
        assert!(cancelled.cancel() && asleep.cancel());
        release.set();
        assert_named(&cancelled.join().unwrap_err(), "errors::knead");
        assert_named(&asleep.join().unwrap_err(), "errors::rise");
        pool.shutdown();
        assert_named(&pool.submit(knead).join().unwrap_err(), "errors::knead");
        assert_named(&pool.install(knead).unwrap_err(), "errors::knead");
        assert_named(&pool.spawn(rise()).join().unwrap_err(), "errors::rise");
    });
}

#[test]
fn an_error_is_two_words_so_that_it_makes_no_result_larger() {
    const WORD: usize = size_of::<usize>();
    assert_eq!(size_of::<JoinError>(), 2 * WORD);
    assert_eq!(size_of::<Result<usize, JoinError>>(), 2 * WORD);
}

#[test]
fn a_refused_closure_comes_back_out_of_any_error() {
    fn submit(pool: &ThreadPoolExecutor, closure: Closure) -> Result<u32, AnyError> {
        Ok(pool.try_submit(closure)?.join()?)
    }

    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        assert_eq!(submit(&pool, Box::new(|| 41)).unwrap(), 41);
        pool.shutdown();
        // A receiver cannot be shared, so neither can the closure.
        let (sender, receiver) = mpsc::channel();
        let refused = submit(&pool, Box::new(move || receiver.recv().unwrap())).unwrap_err();
        let refused = refused.downcast::<TrySubmitError<Closure>>().unwrap();
        assert_eq!(refused.reason(), CancelReason::Shutdown);
        assert_eq!(
            refused.to_string(),
            "the pool was shut down; `into_inner` has the closure"
        );
        sender.send(42).unwrap();
        assert_eq!(refused.into_inner()(), 42);
    });
}

#[test]
fn a_refused_item_comes_back_out_of_any_error() {
    fn put(queue: &JoinableQueue<Closure>, item: Closure) -> Result<(), AnyError> {
        Ok(queue.put(item)?)
    }

    fn try_put(queue: &JoinableQueue<Closure>, item: Closure) -> Result<(), AnyError> {
        Ok(queue.try_put(item)?)
    }

    limited(|| {
        let queue = JoinableQueue::bounded(1);
        put(&queue, Box::new(|| 1)).unwrap();
        let full = try_put(&queue, Box::new(|| 2)).unwrap_err();
        assert_eq!(full.to_string(), "the queue was full; `put` waits for room");
        let full = full.downcast::<TryPutError<Closure>>().unwrap();
        assert_eq!(full.into_inner()(), 2);
        queue.close();
        let closed = put(&queue, Box::new(|| 3)).unwrap_err();
        assert_eq!(
            closed.to_string(),
            "the queue was closed; `into_inner` has the item"
        );
        let closed = closed.downcast::<PutError<Closure>>().unwrap();
        assert_eq!(TryPutError::from(*closed).into_inner()(), 3);
    });
}

/// The hook is the process's, so this test has one of its own.
#[cfg(unix)]
#[test]
fn a_panic_has_its_place_once_places_are_noted() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use workmill::note_panic_places;

    alone(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let error = pool.submit(|| panic!("no grain")).join().unwrap_err();
        assert_eq!(error.panic_place(), None);
        assert!(error.to_string().ends_with(" panicked: no grain"));

        let before = Arc::new(AtomicUsize::new(0));
        let calls = Arc::clone(&before);
        std::panic::set_hook(Box::new(move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
        }));
        note_panic_places();
        note_panic_places();
        let line = line!() + 1;
        let error = pool.submit(|| panic!("no grain")).join().unwrap_err();
        let place = error.panic_place().unwrap();
        assert!(
            place.starts_with(&format!("{}:{line}:", file!())),
            "{place}"
        );
        let text = format!(" panicked at {place}: no grain");
        assert!(error.to_string().ends_with(&text), "{error}");
        assert_eq!(
            before.load(Ordering::SeqCst),
            1,
            "the hook before is called"
        );

        let future = pool.spawn(async { panic!("no grain") });
        let future: Result<(), _> = future.join();
        assert_ne!(future.unwrap_err().panic_place(), Some(place));
        let elsewhere = JoinError::panicked("no grain");
        assert_eq!(elsewhere.panic_place(), None);
        let cancelled = pool.submit(|| ());
        cancelled.cancel();
        let _ = cancelled
            .join()
            .map_err(|it| assert_eq!(it.panic_place(), None));
    });
}
