//! Pipes, shared memory and sockets: what processes can have in common, and what to use when.
//!
//! # What to use
//!
//! | what is to go from one process to another | what to use |
//! |---|---|
//! | an answer to a question | the arguments and the result of a job |
//! | one item after the other, while both run | [`pipe`](crate::pipe()) |
//! | bytes to or from a program that is not this one | [`NamedPipe`](crate::NamedPipe), or a socket |
//! | a counter, a flag | [`SharedValue`](crate::SharedValue) |
//! | many numbers that some read and some write | [`SharedArray`](crate::SharedArray) and its lock |
//! | many numbers that all read | a [`SharedArray`](crate::SharedArray) that is frozen |
//! | bytes of any kind, copied in and out | [`SharedMemory`](crate::SharedMemory) |
//! | a file, a listener, a connection | [`Descriptor`](crate::Descriptor) |
//!
//! All of these (a named pipe by its path) can be arguments and results of jobs, also inside of
//! structures and vectors, and items of pipes. They go beside the encoded bytes, as what the system
//! calls file descriptors. So they can be encoded nowhere else.
//!
//! # For those who know Python
//!
//! | in `multiprocessing`, and elsewhere | here |
//! |---|---|
//! | `Pipe()` | [`pipe`](crate::pipe()); it is typed, and both ends send and receive |
//! | `Pipe(duplex=False)` | `pipe::<A, ()>()` |
//! | `conn.send(x)`, `conn.recv()` | [`send`](crate::Connection::send), [`recv`](crate::Connection::recv), and three further forms of each |
//! | `conn.poll(timeout)` | [`recv_timeout`](crate::Connection::recv_timeout), [`try_recv`](crate::Connection::try_recv) |
//! | `EOFError`, after all have closed their copies | an error that [`is_closed`](crate::PipeError::is_closed); no copy is left in this process |
//! | `os.mkfifo`, `open` | [`NamedPipe`](crate::NamedPipe), which removes what it has created |
//! | `Value('i', 0)` | `SharedValue::new(0_i32)`, an atomic |
//! | `Value('d', 0.0)` | `SharedValue::new(0.0_f64.to_bits())`, or an array of one element |
//! | `Array('i', range(10))` | `SharedArray::new(&[…])`, with a lock that cannot be forgotten |
//! | `RawArray`, `Array(…, lock=False)` | missing on purpose; [`freeze`](crate::SharedArray::freeze), if all only read |
//! | `shared_memory.SharedMemory(create=True, size=n)`, `close`, `unlink` | `SharedMemory::new(n)`; it is freed with its last user |
//! | `SharedMemory(name=…)` | the memory has no name: it is passed as an argument |
//! | `reduction.send_handle`, sockets as arguments | [`Descriptor`](crate::Descriptor) |
//!
//! # What is promised
//!
//! - An item of a pipe arrives whole or not at all. A process that is killed amid a large one
//!   leaves an error to the other end, and then the end.
//! - A process that dies leaves no memory, no descriptor and no lock behind. That it died while it
//!   had the lock of an array and wrote is told to the next holder
//!   ([`LockError::Torn`](crate::LockError::Torn)).
//! - No safe function returns a reference to memory to which another process can write meanwhile,
//!   except to atomics. The source says why, in `sys/shared.rs`.
//! - A message has at most 253 descriptors. More, or more than the receiving process may have open,
//!   fail the job or the call, and no process ends.
//! - A task of a thread pool that waits for any of these gives its slot to another thread.
//!
//! # What waits for what
//!
//! A job that is submitted with a connection is sent to a process that has nothing to do, so it
//! waits for one. Two jobs that talk to each other need two processes. In a pool of one, the first
//! waits forever for the second.
//!
//! The end of a pipe comes when all that have the other end have dropped it: also the process that
//! has created it. `pool.submit(f, end)` takes it; a clone or a `&end` in what was sent before
//! stays.
//!
//! # Where it runs
//!
//! On Linux all of it. On macOS, by its documentation and not tested: shared memory, values, named
//! pipes and descriptors; [`pipe`](crate::pipe()) and [`SharedArray`](crate::SharedArray) return an
//! error of the kind [`Unsupported`](std::io::ErrorKind::Unsupported). On other systems all of them
//! do that.
