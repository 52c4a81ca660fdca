//! A copy of the crate, into which bugs are put.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use crate::table::Row;
use crate::together::{CHOICE, Mutants, VARIABLE};

/// The time that a model may take with a bug in it.
const LIMIT: Duration = Duration::from_secs(120);

/// The time for which a model is run without a bug.
const LOOK: Duration = Duration::from_secs(1);

/// The pause between two looks at whether a model has ended.
const PAUSE: Duration = Duration::from_millis(5);

/// The number of lines that are kept of what the compiler says.
const LAST_WORDS: usize = 20;

/// A copy of the crate, with a target directory that no other copy uses.
pub(crate) struct CrateCopy {
    folder: PathBuf,
    target: PathBuf,
}

/// The models, compiled with many bugs, of which each run has one or none.
pub(crate) struct Program {
    path: PathBuf,
    /// The numbers of the bugs.
    pub(crate) bugs: BTreeSet<usize>,
}

/// The outcome of a model with a bug in it.
pub(crate) enum Outcome {
    /// The model failed, as it should.
    Killed,
    Passed,
    TimedOut,
    /// With the end of the compiler's output.
    NotCompiled(String),
}

impl CrateCopy {
    /// Copies the crate for the job with the number.
    ///
    /// The first job shares the target directory with the models, and each of the others begins
    /// with a copy of it. So the dependencies are compiled once.
    pub(crate) fn make(root: &Path, job: usize) -> io::Result<Self> {
        let root = root.canonicalize()?;
        let folder = root.join(format!("target/mutants/{job}"));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        for name in ["Cargo.toml", "Cargo.lock", "README.md"] {
            fs::copy(root.join(name), folder.join(name))?;
        }
        for name in ["src", "tests", "examples", "benches"] {
            copy_folder(&root.join(name), &folder.join(name))?;
        }
        // A bug may leave a name unused.
        let lib = |text: &str| format!("#![allow(warnings)]\n{text}{CHOICE}");
        rewrite(&folder.join("src/lib.rs"), lib)?;
        // Under a version of its own, so that cargo takes the crate and its copy for two.
        // Alone, since other packages of the workspace ask for the crate's own version.
        let alone = |text: &str| {
            let text = text.replacen("\nversion = \"", "\nversion = \"0.0.0-mutant.", 1);
            let is_members = |line: &&str| !line.starts_with("members = ");
            text.lines()
                .filter(is_members)
                .fold(String::new(), |all, line| all + line + "\n")
        };
        rewrite(&folder.join("Cargo.toml"), alone)?;
        let target = make_target(&root.join("target"), job)?;
        Ok(Self { folder, target })
    }

    /// Puts the row's bug in, runs the model, and takes the bug out again.
    pub(crate) fn try_row(&self, row: &Row) -> io::Result<Outcome> {
        let path = self.folder.join("src").join(&row.file);
        let source = fs::read_to_string(&path)?;
        let mutant = row.apply(&source);
        let mutant = mutant.map_err(|problem| io::Error::other(problem.to_string()))?;
        fs::write(&path, mutant)?;
        let outcome = match self.compile()? {
            Ok(tests) => outcome(&mut model(Path::new(&tests), &row.model))?,
            Err(words) => Outcome::NotCompiled(last_lines(&words)),
        };
        fs::write(&path, source)?;
        Ok(outcome)
    }

    /// Compiles the models with all bugs that one program can have.
    pub(crate) fn compile_together(&self, rows: &[Row]) -> io::Result<Program> {
        let mut files: BTreeMap<&str, Vec<(usize, &Row)>> = BTreeMap::new();
        for (number, row) in rows.iter().enumerate() {
            files.entry(&row.file).or_default().push((number, row));
        }
        let mut sources = BTreeMap::new();
        for &file in files.keys() {
            let source = fs::read_to_string(self.folder.join("src").join(file))?;
            sources.insert(file.to_owned(), source);
        }
        let program = self.compile_most(files, &sources);
        for (file, source) in &sources {
            fs::write(self.folder.join("src").join(file), source)?;
        }
        program
    }

    /// Compiles the models with bugs, without those that keep it from being compiled.
    fn compile_most(
        &self,
        mut files: BTreeMap<&str, Vec<(usize, &Row)>>,
        sources: &BTreeMap<String, String>,
    ) -> io::Result<Program> {
        loop {
            let (mut bugs, mut mutants) = (BTreeSet::new(), BTreeMap::new());
            for (&file, rows) in &files {
                let made = Mutants::make(&sources[file], rows.iter().copied(), &mut bugs);
                let made = made.map_err(|problem| io::Error::other(problem.to_string()))?;
                fs::write(self.folder.join("src").join(file), &made.text)?;
                mutants.insert(format!("src/{file}"), made);
            }
            let words = match self.compile()? {
                Ok(tests) => {
                    // The next program has the same name.
                    let path = self.folder.join("models");
                    fs::copy(tests, &path)?;
                    return Ok(Program { path, bugs });
                }
                Err(words) => words,
            };
            let wrong = places(&words).filter_map(|(file, line)| Some(mutants.get(file)?.at(line)));
            let wrong: BTreeSet<_> = wrong.flatten().collect();
            if wrong.is_empty() {
                return Err(io::Error::other(last_lines(&words)));
            }
            for rows in files.values_mut() {
                rows.retain(|(number, _)| !wrong.contains(number));
            }
        }
    }

    /// Compiles the models. Returns the path of the program, or the compiler's output.
    fn compile(&self) -> io::Result<Result<String, String>> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["test", "--quiet", "--profile", "model", "--lib", "--no-run"])
            .arg("--message-format=json-render-diagnostics")
            .current_dir(&self.folder)
            // As for the models, so that the dependencies need not be compiled again.
            .env("RUSTFLAGS", "--cfg workmill_loom -D warnings")
            .env("CARGO_TARGET_DIR", &self.target)
            .stdin(Stdio::null())
            .output()?;
        let messages = String::from_utf8_lossy(&output.stdout);
        let program = messages.rsplit_once("\"executable\":\"");
        let program = program.and_then(|(_, rest)| rest.split_once('"'));
        Ok(match program.filter(|_| output.status.success()) {
            Some((path, _)) => Ok(path.to_owned()),
            None => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        })
    }
}

impl Program {
    /// Runs the model of a row with its bug.
    pub(crate) fn try_row(&self, number: usize, row: &Row) -> io::Result<Outcome> {
        let mut model = model(&self.path, &row.model);
        outcome(model.env(VARIABLE, number.to_string()))
    }

    /// Returns `true` if the model fails without a bug. It is stopped after a short time.
    pub(crate) fn fails_without_bug(&self, name: &str) -> io::Result<bool> {
        let mut child = model(&self.path, name).spawn()?;
        let status = wait_or_kill(&mut child, LOOK)?;
        Ok(status.is_some_and(|status| !status.success()))
    }
}

/// Returns the command that runs a model.
fn model(program: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args([name, "--exact", "--quiet"])
        .env("RUST_BACKTRACE", "0")
        .env_remove(VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Runs a model with a bug in it, to its end or for [`LIMIT`].
fn outcome(model: &mut Command) -> io::Result<Outcome> {
    Ok(match wait_or_kill(&mut model.spawn()?, LIMIT)? {
        Some(status) if status.success() => Outcome::Passed,
        Some(_) => Outcome::Killed,
        None => Outcome::TimedOut,
    })
}

/// Returns the files and lines of which the compiler's output says that something is wrong there.
fn places(words: &str) -> impl Iterator<Item = (&str, usize)> {
    words.lines().filter_map(|line| {
        let place = line.trim_start().strip_prefix("--> ")?;
        let mut parts = place.split(':');
        Some((parts.next()?, parts.next()?.parse().ok()?))
    })
}

/// Returns the target directory for the job with the number.
fn make_target(targets: &Path, job: usize) -> io::Result<PathBuf> {
    let first = targets.join("loom");
    fs::create_dir_all(&first)?;
    let own = match job {
        0 => first.clone(),
        _ => targets.join(format!("loom-{job}")),
    };
    if !own.exists() {
        // With the times of its files, by which cargo knows what is up to date.
        let status = Command::new("cp").arg("-a").args([&first, &own]).status()?;
        if !status.success() {
            return Err(io::Error::other("`cp` failed"));
        }
    }
    Ok(own)
}

/// Copies a folder, without target directories.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            fs::copy(entry.path(), to)?;
        } else if entry.file_name() != "target" {
            copy_folder(&entry.path(), &to)?;
        }
    }
    Ok(())
}

fn rewrite(path: &Path, change: impl FnOnce(&str) -> String) -> io::Result<()> {
    fs::write(path, change(&fs::read_to_string(path)?))
}

/// Waits until the child has ended, and kills it after the time. Returns `None` if it was killed.
fn wait_or_kill(child: &mut Child, time: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + time;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(PAUSE);
    }
}

/// Returns the last lines of a text.
fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
}
