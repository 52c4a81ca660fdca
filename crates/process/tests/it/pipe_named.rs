//! Named pipes: who comes first, what is at the path, and how they end.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::{block_on, poll_once};
use rustix::process::Signal;
use workmill_process::workmill::ThreadPoolExecutor;
use workmill_process::{Jobs, NamedPipe};

use crate::jobs;
use crate::runner::tests;
use crate::support::{HANG, Sign, descriptors, kill, lost, outcome, path, pool, until};

tests! {
    the_reader_comes_first
    the_writer_comes_first
    a_foreign_program_reads_and_writes
    a_named_pipe_that_is_there_is_told_and_can_be_opened
    a_file_at_the_path_is_told_and_kept
    nothing_at_the_path_is_told
    a_killed_writer_ends_the_reader
    a_reader_that_has_gone_ends_the_writer
    a_writer_that_comes_later_can_be_read
    several_writers_do_not_mix_small_pieces
    a_named_pipe_is_removed_with_what_created_it
    what_another_has_put_at_the_path_is_kept
    what_another_has_put_there_after_a_removal_is_kept
    a_writer_without_a_reader_waits_as_it_likes
    a_writer_that_gave_up_leaves_nothing
    a_writer_that_gave_up_while_the_name_changed_leaves_no_thread
    a_writer_that_gave_up_with_too_many_open_files_leaves_no_thread
    an_empty_or_full_named_pipe_is_told
    tasks_that_wait_for_the_other_end_give_their_slots_away
}

pub(crate) fn with_jobs(jobs: Jobs) -> Jobs {
    jobs.with("pipe_named::write_to", write_to)
        .with("pipe_named::read_from", read_from)
        .with("pipe_named::write_and_hang", write_and_hang)
}

fn write_to(path: String, text: String) {
    let mut writer = NamedPipe::open(path).unwrap().writer().unwrap();
    writer.write_all(text.as_bytes()).unwrap();
}

fn read_from(path: String) -> String {
    let mut text = String::new();
    let mut reader = NamedPipe::open(path).unwrap().reader().unwrap();
    reader.read_to_string(&mut text).unwrap();
    text
}

fn write_and_hang(path: String, sign: String) {
    let mut writer = NamedPipe::open(path).unwrap().writer().unwrap();
    writer.write_all(b"half of a").unwrap();
    jobs::begin_and_hang(sign);
}

fn created() -> NamedPipe {
    NamedPipe::create(path()).unwrap()
}

fn text(pipe: &NamedPipe) -> String {
    pipe.path().to_str().unwrap().to_owned()
}

fn the_reader_comes_first() {
    let pool = pool(2);
    let named = created();
    let mut reader = named.reader().unwrap();
    assert_eq!(
        reader.try_read(&mut [0; 10]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    let writes = pool.submit(write_to, (text(&named), "Hello, receiver!".to_owned()));
    let mut all = String::new();
    reader.read_to_string(&mut all).unwrap();
    assert_eq!(all, "Hello, receiver!");
    outcome(writes).unwrap();
    // And between two processes.
    let reads = pool.submit(read_from, text(&named));
    let writes = pool.submit(write_to, (text(&named), "again".to_owned()));
    assert_eq!(outcome(reads).unwrap(), "again");
    outcome(writes).unwrap();
}

fn the_writer_comes_first() {
    let pool = pool(1);
    let named = created();
    let writes = pool.submit(write_to, (text(&named), "Hello, receiver!".to_owned()));
    until(|| pool.metrics().sent_jobs == 1);
    assert!(!writes.is_finished());
    let mut all = String::new();
    named.reader().unwrap().read_to_string(&mut all).unwrap();
    assert_eq!(all, "Hello, receiver!");
    outcome(writes).unwrap();
}

fn a_foreign_program_reads_and_writes() {
    let (to, from) = (created(), created());
    let mut shell = std::process::Command::new("sh");
    shell.args([
        "-c",
        "read line < \"$1\"; echo \"$line, too\" > \"$2\"",
        "sh",
    ]);
    let mut shell = shell.arg(to.path()).arg(from.path()).spawn().unwrap();
    to.writer().unwrap().write_all(b"flour\n").unwrap();
    let mut all = String::new();
    from.reader().unwrap().read_to_string(&mut all).unwrap();
    assert_eq!(all, "flour, too\n");
    assert!(shell.wait().unwrap().success());
}

fn a_named_pipe_that_is_there_is_told_and_can_be_opened() {
    let named = created();
    let again = NamedPipe::create(named.path());
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
    for open in [NamedPipe::open, NamedPipe::create_or_open] {
        let opened = open(named.path()).unwrap();
        let _reader = opened.reader().unwrap();
        named.try_writer().unwrap();
        drop(opened);
        assert!(named.path().exists(), "it was not the one that created it");
    }
}

fn a_file_at_the_path_is_told_and_kept() {
    let sign = Sign::new();
    fs::write(&sign.0, "mine").unwrap();
    let error = NamedPipe::create(&sign.0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    for open in [NamedPipe::open, NamedPipe::create_or_open] {
        let error = open(&sign.0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(
            error
                .to_string()
                .ends_with("is there, and is no named pipe"),
            "{error}"
        );
    }
    // One that takes the place of a named pipe.
    let named = created();
    fs::remove_file(named.path()).unwrap();
    fs::write(named.path(), "mine").unwrap();
    let kinds = [
        named.reader().unwrap_err().kind(),
        named.writer().unwrap_err().kind(),
        named.try_writer().unwrap_err().kind(),
        named.writer_timeout(HANG).unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::InvalidInput; 4]);
    let path = named.path().to_owned();
    assert_eq!(named.remove().unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    assert_eq!(fs::read(&sign.0).unwrap(), b"mine");
    fs::remove_file(path).unwrap();
}

fn nothing_at_the_path_is_told() {
    assert_eq!(
        NamedPipe::open(path()).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let named = NamedPipe::create(path().join("missing")).unwrap_err();
    assert_eq!(named.kind(), ErrorKind::NotFound);
    let named = created();
    fs::remove_file(named.path()).unwrap();
    assert_eq!(named.reader().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(named.writer().unwrap_err().kind(), ErrorKind::NotFound);
}

fn a_killed_writer_ends_the_reader() {
    let pool = pool(1);
    let named = created();
    let sign = Sign::new();
    let writes = pool.submit(write_and_hang, (text(&named), sign.text()));
    let mut reader = named.reader().unwrap();
    let mut first = [0; 9];
    reader.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"half of a");
    let process = sign.wait().parse().unwrap();
    assert_eq!(
        reader.try_read(&mut first).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    let ends = thread::spawn(move || reader.read(&mut [0; 10]).unwrap());
    kill(process, Signal::KILL);
    assert_eq!(ends.join().unwrap(), 0);
    lost(writes);
}

fn a_reader_that_has_gone_ends_the_writer() {
    let named = created();
    let reader = named.reader().unwrap();
    let mut writer = named.writer().unwrap();
    writer.write_all(b"a").unwrap();
    while writer.try_write(&[0; 4096]).is_ok() {}
    let waits = thread::spawn(move || writer.write_all(&[0; 1 << 20]).unwrap_err().kind());
    drop(reader);
    assert_eq!(waits.join().unwrap(), ErrorKind::BrokenPipe);
}

fn a_writer_that_comes_later_can_be_read() {
    let named = created();
    let mut reader = named.reader().unwrap();
    for round in 0..3_u8 {
        named.writer().unwrap().write_all(&[round]).unwrap();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, [round]);
    }
    assert_eq!(reader.try_read(&mut [0; 10]).unwrap(), 0);
}

fn several_writers_do_not_mix_small_pieces() {
    let named = created();
    let mut reader = named.reader().unwrap();
    let mut all = Vec::new();
    thread::scope(|scope| {
        for writer in 0..4_u8 {
            let mut end = named.writer().unwrap();
            scope.spawn(move || {
                for _ in 0..100 {
                    assert_eq!(end.write(&[writer; 1000]).unwrap(), 1000);
                }
            });
        }
        reader.read_to_end(&mut all).unwrap();
    });
    assert_eq!(all.len(), 400_000);
    for piece in all.chunks(1000) {
        assert!(piece.iter().all(|it| *it == piece[0]));
    }
}

fn a_named_pipe_is_removed_with_what_created_it() {
    let named = created();
    let path = named.path().to_owned();
    assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
    drop(named);
    assert!(!path.exists());
    NamedPipe::create(&path).unwrap().keep();
    assert!(path.exists());
    NamedPipe::open(&path).unwrap().remove().unwrap();
    assert!(!path.exists());
}

fn what_another_has_put_at_the_path_is_kept() {
    let named = created();
    let path = named.path().to_owned();
    let aside = crate::support::path();
    fs::rename(&path, &aside).unwrap();
    let other = NamedPipe::create(&path).unwrap();
    drop(named);
    assert!(path.exists());
    drop(other);
    fs::remove_file(aside).unwrap();
}

fn what_another_has_put_there_after_a_removal_is_kept() {
    let named = created();
    let path = named.path().to_owned();
    // File systems like to give the number of the file that was removed to the next.
    fs::remove_file(&path).unwrap();
    let other = NamedPipe::create(&path).unwrap();
    assert!(named.remove().is_err());
    assert!(path.exists());
    // Nor is a link removed that leads to it.
    let aside = crate::support::path();
    fs::rename(&path, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &path).unwrap();
    drop(other);
    assert!(path.exists());
    fs::remove_file(path).unwrap();
    fs::remove_file(aside).unwrap();
}

fn a_writer_without_a_reader_waits_as_it_likes() {
    let named = created();
    assert_eq!(
        named.try_writer().unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    let time = Duration::from_millis(20);
    let began = Instant::now();
    assert_eq!(
        named.writer_timeout(time).unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    assert!(began.elapsed() >= time);
    let mut opens = Box::pin(named.writer_async());
    assert!(block_on(poll_once(&mut opens)).is_none());
    let mut reader = named.reader().unwrap();
    let mut writer = block_on(opens).unwrap();
    block_on(writer.write_async(b"1")).unwrap();
    let mut others = [
        named.writer().unwrap(),
        named.try_writer().unwrap(),
        named.writer_timeout(HANG).unwrap(),
    ];
    others.iter_mut().for_each(|it| it.write_all(b"2").unwrap());
    drop((writer, others));
    let mut got = Vec::new();
    loop {
        let mut room = [0; 1];
        match block_on(reader.read_async(&mut room)).unwrap() {
            0 => break,
            _ => got.push(room[0]),
        }
    }
    assert_eq!(got, *b"1222");
    // One that waits while the reader comes.
    thread::scope(|scope| {
        drop(reader);
        let waits = scope.spawn(|| named.writer_timeout(HANG).unwrap().write_all(b"3"));
        let mut all = String::new();
        named.reader().unwrap().read_to_string(&mut all).unwrap();
        waits.join().unwrap().unwrap();
        assert_eq!(all, "3");
    });
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// Waits until a thread sleeps that waits for a reader.
fn until_it_waits() {
    until(|| {
        let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
        let stats = threads.filter_map(|it| fs::read_to_string(it.path().join("stat")).ok());
        // Its name is cut off.
        stats
            .into_iter()
            .any(|stat| stat.contains("(workmill-named-) S"))
    });
}

fn a_writer_that_gave_up_leaves_nothing() {
    let named = created();
    let time = Duration::from_millis(1);
    let round = || {
        assert_eq!(
            named.writer_timeout(time).unwrap_err().kind(),
            ErrorKind::TimedOut
        );
        let mut opens = Box::pin(named.writer_async());
        assert!(block_on(poll_once(&mut opens)).is_none());
    };
    round();
    until(|| threads() == 1);
    let before = descriptors();
    (0..20).for_each(|_| round());
    until(|| threads() == 1);
    assert_eq!(descriptors(), before);
    let mut reader = named.reader().unwrap();
    assert_eq!(
        reader.try_read(&mut [0; 1]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
}

fn a_writer_that_gave_up_while_the_name_changed_leaves_no_thread() {
    let named = created();
    let mut opens = Box::pin(named.writer_async());
    assert!(block_on(poll_once(&mut opens)).is_none());
    until_it_waits();
    let aside = path();
    fs::rename(named.path(), &aside).unwrap();
    drop(opens);
    until(|| threads() == 1);
    fs::remove_file(aside).unwrap();
}

fn a_writer_that_gave_up_with_too_many_open_files_leaves_no_thread() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let named = created();
    let mut opens = Box::pin(named.writer_async());
    assert!(block_on(poll_once(&mut opens)).is_none());
    until_it_waits();
    let limit = Rlimit {
        current: Some(64),
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let files: Vec<_> = (0..64)
        .map_while(|_| File::open("/dev/null").ok())
        .collect();
    assert!(files.len() < 64);
    drop(opens);
    drop(files);
    until(|| threads() == 1);
}

fn an_empty_or_full_named_pipe_is_told() {
    let named = created();
    let mut reader = named.reader().unwrap();
    let mut writer = named.writer().unwrap();
    let time = Duration::from_millis(5);
    let mut room = [0; 4096];
    assert_eq!(
        reader.try_read(&mut room).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(
        reader.read_timeout(&mut room, time).unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    assert_eq!(reader.read_timeout(&mut [], time).unwrap(), 0);
    let mut written = 0;
    while let Ok(bytes) = writer.try_write(&room) {
        written += bytes;
    }
    assert!(written >= 4096, "{written}");
    assert_eq!(
        writer.try_write(&room).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(
        writer.write_timeout(&room, time).unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    drop(writer);
    let mut all = Vec::new();
    reader.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), written);
}

fn tasks_that_wait_for_the_other_end_give_their_slots_away() {
    let pool = ThreadPoolExecutor::new(1).unwrap();
    let path = path();
    let named = NamedPipe::create(&path).unwrap();
    let place = path.clone();
    let writes = pool.submit(move || {
        let mut writer = NamedPipe::open(place).unwrap().writer().unwrap();
        writer.write_all(&[1; 200_000]).unwrap();
    });
    let place = path.clone();
    let reads = pool.submit(move || {
        let mut all = Vec::new();
        let mut reader = NamedPipe::open(place).unwrap().reader().unwrap();
        reader.read_to_end(&mut all).unwrap();
        all.len()
    });
    outcome(writes).unwrap();
    assert_eq!(outcome(reads).unwrap(), 200_000);
    drop(named);
    assert!(File::open(path).is_err());
}
