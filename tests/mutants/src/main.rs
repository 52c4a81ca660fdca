//! Puts bugs into copies of workmill, and sees the models fail with each.
//!
//! A model that passes with its bug in place proves nothing. The folder `bugs` is a table of all
//! bugs that the models name in their documentation; `tests/tidy/mutants/table.rs` describes it.
//! Before anything is compiled, the table is compared with the models and the sources.
//!
//! ```sh
//! cargo run -p workmill-mutants -- [PART] [--jobs N]
//! ```
//!
//! `PART` is a part of a model's name: only the bugs of such models are tried. Two are tried at a
//! time, or `N`. The exit status is 0 if every model failed with every bug.
//!
//! Most bugs are compiled [together] into one program. There the models are also run without a bug
//! for a moment, so that no model is taken to fail with its bug that fails anyway.

#[path = "../../tidy/mutants/check.rs"]
mod check;
mod crate_copy;
#[path = "../../tidy/mutants/table.rs"]
mod table;
mod together;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;
use std::{env, io};

use crate_copy::{CrateCopy, Outcome, Program};
use table::Row;

struct Arguments {
    /// A part of the names of the models, empty for all.
    part: String,
    /// The number of bugs that are tried at a time.
    jobs: usize,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let (mut part, mut jobs) = (None, 2);
        while let Some(word) = words.next() {
            match &*word {
                "--jobs" => jobs = words.next()?.parse().ok().filter(|&jobs| jobs > 0)?,
                _ if word.starts_with('-') || part.is_some() => return None,
                _ => part = Some(word),
            }
        }
        let part = part.unwrap_or_default();
        Some(Self { part, jobs })
    }
}

fn main() -> ExitCode {
    let Some(arguments) = Arguments::parse(env::args().skip(1)) else {
        eprintln!("usage: workmill-mutants [PART_OF_A_MODEL'S_NAME] [--jobs N]");
        return ExitCode::FAILURE;
    };
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Tries the rows that are asked for. Returns `true` if all models failed.
fn run(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut rows = checked_rows(&root)?;
    rows.retain(|row| row.model.contains(&arguments.part));
    if rows.is_empty() {
        return Err(format!("no model has `{}` in its name", arguments.part).into());
    }
    let begin = Instant::now();
    let jobs = 0..arguments.jobs.min(rows.len());
    let copies: Vec<_> = jobs
        .map(|job| CrateCopy::make(&root, job))
        .collect::<Result<_, _>>()?;
    let program = copies[0].compile_together(&rows)?;
    println!(
        "{} of {} bugs in one program",
        program.bugs.len(),
        rows.len()
    );
    let (killed, broken) = try_all(&rows, &program, &copies)?;
    let (survived, seconds) = (rows.len() - killed, begin.elapsed().as_secs());
    println!("{killed} killed, {survived} not, in {seconds} s");
    Ok(survived + broken == 0)
}

/// Returns the rows of the table if it agrees with the sources.
fn checked_rows(root: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    check::check(&check::read(root)?).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n").into()
    })
}

/// Tries the rows in the program, or else each in one of the copies, and prints the outcomes.
/// Returns the number of models that failed with their bugs, and of those that failed without one.
fn try_all(rows: &[Row], program: &Program, copies: &[CrateCopy]) -> io::Result<(usize, usize)> {
    let in_program = program.bugs.iter().map(|&number| &*rows[number].model);
    let models: Vec<_> = in_program.collect::<BTreeSet<_>>().into_iter().collect();
    let (next, killed, broken) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let job = |copy: &CrateCopy| -> io::Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if let Some(model) = models.get(number) {
                if program.fails_without_bug(model)? {
                    broken.fetch_add(1, Ordering::Relaxed);
                    println!("BROKEN       {model}: fails without a bug.");
                }
                continue;
            }
            let number = number - models.len();
            let Some(row) = rows.get(number) else {
                return Ok(());
            };
            let outcome = match program.bugs.contains(&number) {
                true => program.try_row(number, row)?,
                false => copy.try_row(row)?,
            };
            if matches!(outcome, Outcome::Killed) {
                killed.fetch_add(1, Ordering::Relaxed);
            }
            println!("{}", report(row, &outcome));
        }
    };
    let job = &job;
    thread::scope(|scope| {
        let spawned = copies.iter().map(|copy| scope.spawn(move || job(copy)));
        let threads: Vec<_> = spawned.collect();
        let mut ended = threads.into_iter().map(|it| it.join());
        ended.try_for_each(|result| result.expect("a job does not panic"))
    })?;
    Ok((killed.into_inner(), broken.into_inner()))
}

/// Returns the line for a row, and the compiler's last words if there are any.
fn report(row: &Row, outcome: &Outcome) -> String {
    let bug = format!("{}: {}", row.model, row.bug);
    match outcome {
        Outcome::Killed => format!("killed       {bug}"),
        Outcome::Passed => format!("SURVIVED     {bug}"),
        Outcome::TimedOut => format!("SURVIVED     {bug} (stopped, it took too long)"),
        Outcome::NotCompiled(words) => format!("NOT COMPILED {bug}\n{words}"),
    }
}
