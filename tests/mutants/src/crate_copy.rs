//! A copy of the crate, into which bugs are put.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use crate::table::Row;

/// The time that a model may take with a bug in it.
const LIMIT: Duration = Duration::from_secs(120);

/// The pause between two looks at whether a model has ended.
const PAUSE: Duration = Duration::from_millis(5);

/// The number of lines that are kept of what the compiler says.
const LAST_WORDS: usize = 20;

/// A copy of the crate, with a target directory that no other copy uses.
pub(crate) struct CrateCopy {
    folder: PathBuf,
    target: PathBuf,
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
        let allow = |text: &str| format!("#![allow(warnings)]\n{text}");
        rewrite(&folder.join("src/lib.rs"), allow)?;
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
            Ok(tests) => self.run(&tests, &row.model)?,
            Err(words) => Outcome::NotCompiled(words),
        };
        fs::write(&path, source)?;
        Ok(outcome)
    }

    /// Compiles the models. Returns the path of the program, or the end of the compiler's output.
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
            None => Err(last_lines(&String::from_utf8_lossy(&output.stderr))),
        })
    }

    /// Runs one model.
    fn run(&self, tests: &str, model: &str) -> io::Result<Outcome> {
        let mut child = Command::new(tests)
            .args([model, "--exact", "--quiet"])
            .current_dir(&self.folder)
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(match wait_or_kill(&mut child)? {
            Some(status) if status.success() => Outcome::Passed,
            Some(_) => Outcome::Killed,
            None => Outcome::TimedOut,
        })
    }
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

/// Waits until the child has ended, and kills it after [`LIMIT`]. Returns `None` if it was killed.
fn wait_or_kill(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + LIMIT;
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
