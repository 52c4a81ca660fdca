//! One task puts a word into a queue, another takes it out.
//!
//! In Python `q.put('hello')` and `q.get()` in two processes, or `send` and `recv` of the ends of a
//! `Pipe()`. Within a process a queue without room replaces the pipe: a put ends when the word has
//! been taken.

use std::error::Error;
use std::sync::Arc;

use workmill::{GetError, JoinableQueue, PutError, ThreadPoolExecutor, TryPutError};

pub(crate) fn hello() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;
    let queue = Arc::new(JoinableQueue::unbounded());
    let producing = pool.submit({
        let queue = Arc::clone(&queue);
        move || queue.put("hello")
    });
    let consuming = pool.submit(move || queue.get());
    producing.join()??;
    let word = consuming.join()??;
    println!("{word}");
    assert_eq!(word, "hello");
    Ok(())
}

pub(crate) fn pipe() -> Result<(), Box<dyn Error>> {
    let pipe = Arc::new(JoinableQueue::bounded(0));
    assert_eq!(pipe.try_put("nobody"), Err(TryPutError::Full("nobody")));

    let pool = ThreadPoolExecutor::new(2)?;
    let sending = pool.submit({
        let pipe = Arc::clone(&pipe);
        move || send(&pipe)
    });
    let receiving = pool.submit({
        let pipe = Arc::clone(&pipe);
        move || receive(&pipe)
    });
    sending.join()??;
    assert_eq!(receiving.join()??, "Hello, receiver!");
    assert_eq!(pipe.get(), Err(GetError));
    Ok(())
}

fn send(pipe: &JoinableQueue<&'static str>) -> Result<(), PutError<&'static str>> {
    pipe.put("Hello, receiver!")?;
    pipe.close();
    Ok(())
}

fn receive(pipe: &JoinableQueue<&'static str>) -> Result<&'static str, GetError> {
    let message = pipe.get()?;
    println!("{message}");
    Ok(message)
}
