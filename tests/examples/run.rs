//! Runs a program, and checks what it has printed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fmt, fs, io, process, thread};

/// The time after which a program hangs. It is many times what any takes, also unoptimised and
/// while others want the processors.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs an example, which has to succeed.
#[track_caller]
pub(crate) fn run(name: &str) -> Run {
    let run = Folder::new().run(&mut Command::new(program(name)));
    run.exits(0);
    run
}

/// Returns the path of an example, which stands beside the tests' own folder.
///
/// Panics if it was not built since one of its files has changed.
#[track_caller]
pub(crate) fn program(name: &str) -> PathBuf {
    let tests = env::current_exe().expect("the tests have a path");
    let target = tests.parent().and_then(Path::parent);
    let examples = target.expect("which has two folders").join("examples");
    let program = examples.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    let changed = |file: &Path| -> io::Result<SystemTime> { file.metadata()?.modified() };
    let Ok(built) = changed(&program) else {
        panic!("{} is not there: cargo build --examples", program.display());
    };
    // Cargo's list of what the program was built from: `program: file file`.
    let list = fs::read_to_string(examples.join(format!("{name}.d"))).unwrap_or_default();
    let files = list.split_once(": ").map_or("", |(_program, files)| files);
    for file in files.replace("\\ ", "\0").split_whitespace() {
        let file = file.replace('\0', " ");
        if changed(Path::new(&file)).is_ok_and(|changed| changed > built) {
            panic!("{name} is older than {file}: cargo build --examples");
        }
    }
    program
}

/// An empty folder, which is removed in the end.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("examples-{}-{number}", process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a folder can be made");
        Self { path }
    }

    /// Runs a command in this folder until it ends, and kills it when it hangs.
    #[track_caller]
    pub(crate) fn run(&self, command: &mut Command) -> Run {
        self.start(command.stdin(Stdio::null())).end()
    }

    /// Starts a command in this folder.
    #[track_caller]
    pub(crate) fn start(&self, command: &mut Command) -> Running {
        let [out, err] = ["out", "err"].map(|name| self.path.join(name));
        let file = |path: &Path| fs::File::create(path).expect("a file can be made");
        let (stdout, stderr) = (file(&out), file(&err));
        let command = command
            .current_dir(&self.path)
            .stdout(stdout)
            .stderr(stderr);
        let name = format!("{command:?}");
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let began = Instant::now();
        Running {
            name,
            child,
            began,
            out,
            err,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A process that is killed when this is dropped.
pub(crate) struct Running {
    name: String,
    pub(crate) child: Child,
    began: Instant,
    /// The file with what it prints.
    pub(crate) out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Calls `check` again and again until it returns a value. Fails at the limit.
    #[track_caller]
    pub(crate) fn until<T>(&mut self, mut check: impl FnMut(&mut Self) -> Option<T>) -> T {
        loop {
            if let Some(value) = check(self) {
                return value;
            }
            if self.began.elapsed() > LIMIT {
                let [out, err] = self.texts();
                let (name, err) = (&self.name, String::from_utf8_lossy(&err));
                panic!("{name} hangs\n{}{err}", String::from_utf8_lossy(&out));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the process has ended. Fails at the limit.
    #[track_caller]
    pub(crate) fn end(mut self) -> Run {
        let status = self.until(|it| it.child.try_wait().expect("a child can be waited for"));
        let took = self.began.elapsed();
        let [out, err] = self.texts();
        let text = String::from_utf8_lossy(&out).into_owned();
        let err = String::from_utf8_lossy(&err).into_owned();
        let name = self.name.clone();
        Run {
            name,
            status,
            took,
            out,
            text,
            err,
        }
    }

    fn texts(&self) -> [Vec<u8>; 2] {
        [&self.out, &self.err].map(|path| fs::read(path).expect("the output can be read"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has done.
pub(crate) struct Run {
    name: String,
    status: ExitStatus,
    took: Duration,
    /// The bytes that it has printed.
    #[cfg_attr(not(unix), expect(dead_code, reason = "checksum's tests need unix"))]
    pub(crate) out: Vec<u8>,
    /// The text that it has printed.
    pub(crate) text: String,
    /// The text that it has printed to standard error.
    pub(crate) err: String,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            status,
            text,
            err,
            ..
        } = self;
        write!(
            f,
            "{name}: {status}\n-- printed\n{text}-- to standard error\n{err}--"
        )
    }
}

impl Run {
    #[track_caller]
    pub(crate) fn exits(&self, status: i32) -> &Self {
        assert_eq!(self.status.code(), Some(status), "{self}");
        self
    }

    #[track_caller]
    pub(crate) fn takes_at_least(&self, time: Duration) {
        assert!(self.took >= time, "{:?}, not {time:?}\n{self}", self.took);
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }

    pub(crate) fn lines_with<'a>(&'a self, part: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines().filter(move |line| line.contains(part))
    }

    pub(crate) fn count(&self, is_counted: impl Fn(&str) -> bool) -> usize {
        self.lines().filter(|line| is_counted(line)).count()
    }

    /// These lines are printed, and no others.
    #[track_caller]
    pub(crate) fn prints(&self, expected: impl IntoIterator<Item = impl AsRef<str>>) {
        let expected = listed(expected);
        assert!(self.lines().eq(&expected), "expected {expected:#?}\n{self}");
    }

    /// These lines are printed, in any order, and no others.
    #[track_caller]
    pub(crate) fn prints_in_any_order(&self, expected: impl IntoIterator<Item = impl AsRef<str>>) {
        let lines: Vec<_> = self.lines().collect();
        self.are_in_any_order(&lines, expected);
    }

    #[track_caller]
    pub(crate) fn are_in_any_order(
        &self,
        lines: &[&str],
        expected: impl IntoIterator<Item = impl AsRef<str>>,
    ) {
        let (mut lines, mut expected) = (lines.to_vec(), listed(expected));
        lines.sort_unstable();
        expected.sort_unstable();
        assert!(
            lines == expected,
            "expected, in any order, {expected:#?}\n{self}"
        );
    }

    /// These lines are printed in this order, once each, others left aside.
    #[track_caller]
    pub(crate) fn prints_in_order(&self, expected: impl IntoIterator<Item = impl AsRef<str>>) {
        let expected = listed(expected);
        let is_expected = |line: &&str| expected.iter().any(|it| it == line);
        let lines = self.lines().filter(is_expected);
        assert!(
            lines.eq(&expected),
            "expected in order {expected:#?}\n{self}"
        );
    }

    /// Each name in front of `enters` comes again in front of `leaves`, and no more than `most` are
    /// in between at any time.
    #[track_caller]
    pub(crate) fn inside(&self, most: usize, enters: &str, leaves: &str) {
        let name = |line: &str, verb| Some(line.strip_suffix(verb)?.strip_suffix(' ')?.to_owned());
        let mut inside = BTreeSet::new();
        for line in self.lines() {
            if let Some(name) = name(line, enters) {
                assert!(inside.insert(name), "twice: {line}\n{self}");
                assert!(inside.len() <= most, "more than {most}: {line}\n{self}");
            } else if let Some(name) = name(line, leaves) {
                assert!(inside.remove(&name), "never entered: {line}\n{self}");
            }
        }
        assert!(inside.is_empty(), "{inside:?} never leave\n{self}");
    }

    /// What stands behind `second` in a line has stood behind `first` in an earlier one.
    #[track_caller]
    pub(crate) fn after(&self, first: &str, second: &str) {
        let [first, second] = [first, second].map(|verb| format!(" {verb} "));
        let mut seen = BTreeSet::new();
        for line in self.lines() {
            if let Some((_, what)) = line.split_once(&*first) {
                seen.insert(what);
            } else if let Some((_, what)) = line.split_once(&*second) {
                assert!(seen.contains(what), "too early: {line}\n{self}");
            }
        }
    }

    /// Returns the number between `before` and `behind` in the only line that has them.
    #[track_caller]
    pub(crate) fn figure(&self, before: &str, behind: &str) -> f64 {
        let figure = |line: &str| {
            let figure = line.strip_prefix(before)?.strip_suffix(behind)?;
            figure.parse().ok()
        };
        let figures: Vec<_> = self.lines().filter_map(figure).collect();
        let [figure] = *figures else {
            panic!("expected one line {before}…{behind}\n{self}");
        };
        figure
    }
}

fn listed(lines: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    let lines = lines.into_iter();
    lines.map(|line| line.as_ref().to_owned()).collect()
}
