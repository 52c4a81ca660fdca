//! Operations a second with items of 100 bytes, in turn with Python's persist-queue, round by
//! round, and how soon a waiter in another process is woken.
//!
//! ```sh
//! python3 -m venv target/persist && target/persist/bin/pip install persist-queue
//! cargo bench -p workmill-file-queue -- --python target/persist/bin/python
//! ```
//!
//! `--rounds 11`, `--count 300` (operations of each kind a round) and `--folder PATH` (where the
//! files are, which decides how long the disk takes) change what is measured.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use std::{env, io};

use std::io::BufRead;

use workmill_file_queue::{Builder, FileQueue, FileQueueError, SyncMode};

type Item = String;

const NAMES: [&str; 4] = ["put", "get", "task", "batch"];

struct Options {
    python: Option<PathBuf>,
    folder: PathBuf,
    rounds: usize,
    count: u32,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        python: None,
        folder: env::temp_dir(),
        rounds: 11,
        count: 300,
    };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match &*word {
            "--python" => options.python = Some(value()?.into()),
            "--folder" => options.folder = value()?.into(),
            "--rounds" => options.rounds = value()?.parse()?,
            "--count" => options.count = value()?.parse()?,
            "--bench" => {}
            _ => return Err(format!("unknown: {word}").into()),
        }
    }
    Ok(options)
}

/// Makes that many calls, and returns the number of calls a second.
fn rate(
    count: u32,
    mut call: impl FnMut() -> Result<(), FileQueueError>,
) -> Result<f64, FileQueueError> {
    let begin = Instant::now();
    for _ in 0..count {
        call()?;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}

fn ours(folder: &Path, count: u32, sync: SyncMode) -> Result<[f64; 4], Box<dyn Error>> {
    let item = "x".repeat(100);
    let open = |name: &str| -> Result<FileQueue<Item>, FileQueueError> {
        Builder::new().sync(sync).open(folder.join(name))
    };
    let queue = open("one")?;
    let put = rate(count, || queue.put(&item))?;
    let get = rate(count, || queue.get().map(drop))?;
    for _ in 0..count {
        queue.put(&item)?;
    }
    let task = rate(count, || queue.get_task()?.done())?;
    let queue = open("many")?;
    let items = vec![item; 100];
    let batch = 100.0 * rate((count / 10).max(1), || queue.put_all(&items))?;
    Ok([put, get, task, batch])
}

fn theirs(python: &Path, folder: &Path, count: u32) -> Result<[f64; 4], Box<dyn Error>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/persist_queue.py");
    let mut command = Command::new(python);
    let output = command.arg(script).arg(count.to_string()).arg(folder);
    let output = output.stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut rates = [0.0; 4];
    for (name, rate) in NAMES.iter().zip(&mut rates) {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        *rate = line.ok_or("the script has failed")?.trim().parse()?;
    }
    Ok(rates)
}

fn now() -> Duration {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default()
}

/// The process that waits: says for each item how long after the return of its put, which the test
/// tells on standard input, it was there.
fn wait(path: &str) -> Result<(), Box<dyn Error>> {
    let queue = Builder::new().open::<u32>(path)?;
    let mut lines = io::stdin().lines();
    for item in &queue {
        item?;
        let at = now();
        let put = Duration::from_nanos(lines.next().ok_or("no line")??.parse()?);
        println!("{}", at.saturating_sub(put).as_nanos());
    }
    Ok(())
}

/// Returns how late a waiter in another process has its items, after the puts have returned.
fn lateness(folder: &Path, count: u32, sync: SyncMode) -> Result<Vec<f64>, Box<dyn Error>> {
    let path = folder.join("waits");
    let queue = Builder::new().sync(sync).open(&path)?;
    let mut child = Command::new(env::current_exe()?)
        .env("WAIT", &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().ok_or("no pipe")?;
    let mut lines = io::BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
    let mut late = Vec::new();
    for n in 0..count {
        thread::sleep(Duration::from_millis(10)); // it waits by then
        queue.put(&n)?;
        io::Write::write_all(&mut stdin, format!("{}\n", now().as_nanos()).as_bytes())?;
        late.push(lines.next().ok_or("the waiter has ended")??.parse()?);
    }
    queue.close()?;
    child.wait()?;
    Ok(late)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(path) = env::var("WAIT") {
        return wait(&path);
    }
    let options = options()?;
    let (mut full, mut normal, mut python) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let folder = || tempfile::tempdir_in(&options.folder);
        full.push(ours(folder()?.path(), options.count, SyncMode::Full)?);
        if let Some(program) = &options.python {
            python.push(theirs(program, folder()?.path(), options.count)?);
        }
        normal.push(ours(
            folder()?.path(),
            10 * options.count,
            SyncMode::Normal,
        )?);
    }
    let of = |rows: &[[f64; 4]], column: usize| median(rows.iter().map(|it| it[column]).collect());
    println!("operations a second, medians of {} rounds", options.rounds);
    println!(
        "{:8}{:>10}{:>10}{:>15}{:>8}",
        "", "normal", "full", "persist-queue", "ratio"
    );
    for (column, name) in NAMES.into_iter().enumerate() {
        let (normal, full) = (of(&normal, column), of(&full, column));
        print!("{name:8}{normal:10.0}{full:10.0}");
        if !python.is_empty() {
            print!(
                "{:15.0}{:8.2}",
                of(&python, column),
                full / of(&python, column)
            );
        }
        println!();
    }
    if !python.is_empty() {
        let batches = of(&full, 3) / of(&python, 0);
        println!("a batch to its puts one by one: {batches:.1}");
    }
    for (name, sync) in [("full", SyncMode::Full), ("normal", SyncMode::Normal)] {
        let folder = tempfile::tempdir_in(&options.folder)?;
        let late = lateness(folder.path(), 200, sync)?;
        let longest = late.iter().copied().fold(0.0, f64::max);
        println!(
            "another process has its item {:.0} us after the put ({name} sync; longest {:.0})",
            median(late) / 1e3,
            longest / 1e3
        );
    }
    Ok(())
}
