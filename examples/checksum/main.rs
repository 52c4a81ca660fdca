//! Hashes every file under some paths with SHA-256 on a thread pool, and checks such lists.
//!
//! ```text
//! cargo run --release --example checksum -- PATH…
//! cargo run --release --example checksum -- --check FILE
//! ```
//!
//! It shows these parts of the pool: a bounded queue that holds the walk back when the threads are
//! busy, handles joined in the order in which they were submitted, and an orderly end on Ctrl-C.
//! One thread walks and submits, the pool hashes, and the main thread joins and prints.
//!
//! In reading order: [`arguments`] is the command line, [`files`] finds the files to hash,
//! [`hashing`] is the work of the pool's threads, [`lines`] is the format of `sha256sum`.

mod arguments;
mod files;
mod hashing;
mod lines;

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use workmill::{Builder, JoinHandle, ThreadPoolExecutor};

use arguments::Arguments;
use hashing::{Failure, Hash, Hasher};
use lines::Line;

/// The number of files that may wait in the pool for each of its threads.
const QUEUED_A_THREAD: usize = 64;
/// The number of files that may be hashed and wait for an earlier one to be printed.
const UNPRINTED: usize = 16_384;
/// The usual exit status of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    match run(&Arguments::read()) {
        Ok(code) => code,
        // The reader of our output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let threads = match arguments.threads {
        Some(threads) => usize::from(threads),
        None => thread::available_parallelism().map_or(1, usize::from),
    };
    let pool = Builder::new()
        .threads(threads)
        .thread_name(|index| format!("checksum-{index}"))
        .queue_capacity(threads * QUEUED_A_THREAD)
        .build()?;
    let bar = progress_bar();
    let hasher = Hasher::new(bar.clone());
    stop_on_signal(&pool, &hasher);
    let job = Job { pool, hasher, bar };
    let outcome = match &arguments.check {
        Some(list) => check(&job, list),
        None => hash(&job, &arguments.paths),
    };
    // Also after an error: the handler of signals owns the pool as well, so no drop shuts it down.
    job.pool.shutdown();
    job.bar.finish_and_clear();
    let mut outcome = outcome?;
    outcome.interrupted |= job.hasher.is_stopped();
    Ok(outcome.code())
}

/// The things that both uses of the program work with.
struct Job {
    pool: ThreadPoolExecutor,
    hasher: Hasher,
    bar: ProgressBar,
}

/// How it went, as far as the exit status is concerned.
#[derive(Default)]
struct Outcome {
    failed: bool,
    interrupted: bool,
}

impl Outcome {
    fn code(&self) -> ExitCode {
        if self.interrupted {
            complain(&"interrupted");
            ExitCode::from(INTERRUPTED)
        } else if self.failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

/// A file to hash.
struct Listed {
    path: PathBuf,
    /// The hash in the list, when there is one.
    expected: Option<Hash>,
}

/// A file on its way through the pool.
struct Pending {
    file: Listed,
    hash: JoinHandle<Result<Hash, Failure>>,
}

/// Prints the outcome of a file.
type Print<'a> = dyn FnMut(&mut dyn Write, &Listed, io::Result<Hash>) -> io::Result<()> + 'a;

impl Job {
    fn submit(&self, path: PathBuf, expected: Option<Hash>) -> Pending {
        let (hasher, to_hash) = (self.hasher.clone(), path.clone());
        let hash = self.pool.submit(move || hasher.hash(&to_hash));
        let file = Listed { path, expected };
        Pending { file, hash }
    }

    /// Joins the handles that `submit_all` sends, in that order, and passes the outcomes to
    /// `print`.
    ///
    /// Stops early when the program was interrupted, or when printing fails.
    fn in_order(
        &self,
        submit_all: impl FnOnce(&SyncSender<Pending>) -> io::Result<()> + Send,
        print: &mut Print,
    ) -> io::Result<()> {
        let (sender, receiver) = sync_channel(UNPRINTED);
        thread::scope(|scope| {
            let submitter = scope.spawn(move || submit_all(&sender));
            let printed = self.print_in_order(receiver, print);
            if printed.is_err() {
                self.hasher.stop();
            }
            if self.hasher.is_stopped() {
                // Files that have not begun need not be hashed any more.
                self.pool.shutdown_now();
            }
            let submitted = submitter.join().expect("the submitting thread returns");
            printed.and(submitted)
        })
    }

    fn print_in_order(&self, receiver: Receiver<Pending>, print: &mut Print) -> io::Result<()> {
        let mut out = Vec::new();
        for Pending { file, mut hash } in receiver {
            let ready = hash.try_join();
            if ready.is_none() || out.len() > 1 << 16 {
                self.show(&mut out)?;
            }
            match ready.unwrap_or_else(|| hash.join()) {
                Ok(Ok(hash)) => print(&mut out, &file, Ok(hash))?,
                Ok(Err(Failure::Io(error))) => print(&mut out, &file, Err(error))?,
                // Interrupted while it ran, or before it began.
                Ok(Err(Failure::Stopped)) => break,
                Err(error) if error.is_cancelled() => break,
                Err(error) => print(&mut out, &file, Err(io::Error::other(error)))?,
            }
        }
        self.show(&mut out)
    }

    /// Writes lines to standard output, above the bar.
    fn show(&self, lines: &mut Vec<u8>) -> io::Result<()> {
        if !lines.is_empty() {
            self.bar.suspend(|| {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()
            })?;
            lines.clear();
        }
        Ok(())
    }

    /// Writes a message to standard error, above the bar.
    fn complain(&self, message: &dyn std::fmt::Display) {
        self.bar.suspend(|| complain(message));
    }

    /// Reports an error with a file.
    fn complain_about(&self, path: &Path, error: &dyn std::fmt::Display) {
        self.complain(&format_args!("{}: {error}", path.display()));
    }
}

fn complain(message: &dyn std::fmt::Display) {
    eprintln!("checksum: {message}");
}

/// The main job: a line for each file under `paths`.
fn hash(job: &Job, paths: &[PathBuf]) -> io::Result<Outcome> {
    if !job.bar.is_hidden() {
        let (bar, paths, hasher) = (job.bar.clone(), paths.to_vec(), job.hasher.clone());
        job.pool.execute(move || {
            if let Some(bytes) = files::total_size(&paths, || hasher.is_stopped()) {
                bar.set_length(bytes);
            }
        });
    }
    let mut failed = false;
    let mut unread = false;
    job.in_order(
        |pending| {
            for file in files::in_order(paths) {
                match file {
                    Ok(path) => {
                        if pending.send(job.submit(path, None)).is_err() {
                            break;
                        }
                    }
                    Err(message) => {
                        job.complain(&message);
                        unread = true;
                    }
                }
            }
            Ok(())
        },
        &mut |out, file, hash| match hash {
            Ok(hash) => lines::write(out, &hash, &file.path),
            Err(error) => {
                failed = true;
                job.complain_about(&file.path, &error);
                Ok(())
            }
        },
    )?;
    Ok(Outcome {
        failed: failed || unread,
        interrupted: false,
    })
}

/// The findings of a check.
#[derive(Default)]
struct Tally {
    matched: usize,
    mismatched: usize,
    unreadable: usize,
}

/// Checks the files that a list names against the hashes in the list.
fn check(job: &Job, list: &Path) -> io::Result<Outcome> {
    let about_list =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", list.display()));
    let mut reader: Box<dyn BufRead + Send> = if list == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(
            std::fs::File::open(list).map_err(about_list)?,
        ))
    };
    let mut malformed = 0_usize;
    let mut tally = Tally::default();
    job.in_order(
        |pending| {
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).map_err(about_list)? > 0 {
                match lines::parse(&line) {
                    Line::Entry(hash, path) => {
                        if pending.send(job.submit(path, Some(hash))).is_err() {
                            break;
                        }
                    }
                    Line::Comment => {}
                    Line::Malformed => malformed += 1,
                }
                line.clear();
            }
            Ok(())
        },
        &mut |out, file, hash| {
            let verdict = match hash {
                Ok(hash) if Some(hash) == file.expected => {
                    tally.matched += 1;
                    "OK"
                }
                Ok(_) => {
                    tally.mismatched += 1;
                    "FAILED"
                }
                Err(error) => {
                    tally.unreadable += 1;
                    job.complain_about(&file.path, &error);
                    "FAILED open or read"
                }
            };
            lines::write_verdict(out, &file.path, verdict)
        },
    )?;
    let checked = tally.matched + tally.mismatched + tally.unreadable;
    if checked == 0 && !job.hasher.is_stopped() {
        job.complain_about(list, &"no properly formatted checksum lines found");
    } else {
        warn(job, malformed, "line", "improperly formatted");
        warn(job, tally.unreadable, "listed file", "unreadable");
        warn(job, tally.mismatched, "computed checksum", "wrong");
    }
    Ok(Outcome {
        failed: checked == 0 || tally.mismatched + tally.unreadable > 0,
        interrupted: false,
    })
}

fn warn(job: &Job, count: usize, what: &str, is: &str) {
    match count {
        0 => {}
        1 => job.complain(&format_args!("WARNING: 1 {what} is {is}")),
        _ => job.complain(&format_args!("WARNING: {count} {what}s are {is}")),
    }
}

/// A bar with bytes, speed and the remaining time; on a terminal only.
fn progress_bar() -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = "{wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}, {eta} left";
    let style = ProgressStyle::with_template(style).expect("the template is right");
    ProgressBar::with_draw_target(None, target).with_style(style)
}

/// Ends the work in order when the program is asked to stop, at once when asked again.
fn stop_on_signal(pool: &ThreadPoolExecutor, hasher: &Hasher) {
    let (pool, hasher) = (pool.clone(), hasher.clone());
    let handler = move || {
        if hasher.is_stopped() {
            std::process::exit(INTERRUPTED.into());
        }
        hasher.stop();
        pool.shutdown_now();
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        complain(&format_args!(
            "Ctrl-C will end the program out of order: {error}"
        ));
    }
}

/// Makes a path from the bytes in a list, if the system accepts them.
fn path_from(bytes: Vec<u8>) -> Option<PathBuf> {
    #[cfg(unix)]
    let name = Some(std::os::unix::ffi::OsStringExt::from_vec(bytes));
    #[cfg(not(unix))]
    let name = String::from_utf8(bytes).ok().map(OsString::from);
    name.map(|name: OsString| PathBuf::from(name))
}
