//! Compares workmill with other thread pools, semaphores and queues.
//!
//! The contenders take turns round by round inside one process, so that a disturbance of the
//! machine disturbs all of them alike. Each turn builds its pool, warms it, measures one workload
//! and drops the pool; likewise a semaphore or a queue. `--list` shows the rows and the contenders.
//!
//! Unless `--contenders` chooses some, the race fails if a row has no result of workmill, or none
//! of any other.
//!
//! ```sh
//! cargo run --release -p workmill-race -- --rows chain,tree --rounds 21
//! ```

mod contenders;
mod entries;
mod families;
mod hogs;
mod measure;
mod report;
mod rig;
mod rows;

use std::error::Error;
use std::fs::File;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::Parser;
use entries::GROUPS;
use hogs::Hogs;
use measure::CountingAllocator;
use report::{Facts, Report, RowReport, Track};
use rig::{Setup, Turn};
use rows::{ROWS, RowSpec, Side};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Compares workmill with other thread pools, semaphores and queues, in turn.
#[derive(Parser)]
struct Arguments {
    /// The rows to run, by name or by its first words; all if none is named
    #[arg(long, value_name = "ROW,…", value_delimiter = ',')]
    rows: Vec<String>,

    /// The contenders that take part, by a part of their names; all if none is named
    #[arg(long, value_name = "PART,…", value_delimiter = ',')]
    contenders: Vec<String>,

    /// How many rounds count; one more comes first to warm up
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// How many threads each pool has
    #[arg(long, default_value = "2")]
    threads: NonZero<usize>,

    /// The factor by which the numbers of operations are multiplied
    #[arg(long, default_value_t = 1.0)]
    scale: f64,

    /// Writes everything that was measured to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Lists the rows and the contenders, and runs nothing
    #[arg(long)]
    list: bool,

    /// Computes until the input ends, and runs nothing: a busy neighbour of another race
    #[arg(long, hide = true)]
    hog: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if arguments.list {
        list();
        return Ok(());
    }
    if arguments.hog {
        hogs::hog();
        return Ok(());
    }
    let rows = selected_rows(&arguments.rows)?;
    if !(arguments.scale.is_finite() && arguments.scale > 0.0) {
        return Err("the scale is a positive number".into());
    }

    let rounds = arguments.rounds as usize;
    let threads = arguments.threads.get();
    let facts = Facts::gather(threads, rounds, arguments.scale);
    println!("{facts}");
    let are_chosen = !arguments.contenders.is_empty();
    let mut report = Report::new(facts);
    let mut one_sided = Vec::new();
    for row in rows {
        let ops = row.ops(arguments.scale);
        let rounds = if row.once() { 1 } else { rounds };
        let hogs = Hogs::start(row.hogs)?;
        let tracks = race(row, ops, threads, rounds, &arguments.contenders);
        drop(hogs);
        if are_chosen && tracks.iter().all(Track::is_floor) {
            continue;
        }
        let row = RowReport::new(row, ops, rounds, tracks);
        print!("\n{row}");
        if !are_chosen && !row.compares() {
            one_sided.push(row.name);
        }
        report.rows.push(row);
        if let Some(path) = &arguments.json {
            write(path, &report)?;
        }
    }
    if report.rows.is_empty() {
        return Err("no contender of that name takes part in these rows".into());
    }
    if !one_sided.is_empty() {
        let rows = one_sided.join(", ");
        return Err(format!("no result of workmill, or none of any other: {rows}").into());
    }
    Ok(())
}

/// Runs all rounds of a row. Each contender has one sample a round.
///
/// The floor takes part in every row that has one, whichever contenders are named.
fn race(row: &RowSpec, ops: usize, threads: usize, rounds: usize, wanted: &[String]) -> Vec<Track> {
    let mut tracks = Vec::new();
    let mut turns = Vec::new();
    for (side, (entry, turn)) in row.parts() {
        if side == Side::Floor || is_wanted(entry.name, wanted) {
            tracks.push(Track::new(entry.name, side));
            turns.push(turn);
        }
    }
    let mut setup = Setup {
        threads,
        counting: false,
    };
    let run = |turn: Turn, setup: &Setup| {
        let sample = turn(setup, ops);
        measure::await_end_of_threads();
        sample
    };
    let warm_ups = if row.once() { 0 } else { 1 };
    for round in 0..warm_ups + rounds {
        for place in 0..turns.len() {
            let index = (place + round) % turns.len();
            let sample = run(turns[index], &setup);
            if round >= warm_ups {
                tracks[index].samples.push(sample);
            }
        }
    }
    if !row.once() {
        setup.counting = true;
        for (track, turn) in tracks.iter_mut().zip(&turns) {
            track.counted = Some(run(*turn, &setup));
        }
    }
    tracks
}

/// Returns `true` if a contender of this name is to take part.
fn is_wanted(name: &str, wanted: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|part| name.contains(part))
}

/// Returns the rows with the given names, or whose names begin with these words: `memory` selects
/// two. Returns all rows if no name is given.
fn selected_rows(wanted: &[String]) -> Result<Vec<&'static RowSpec>, String> {
    let is_named = |row: &RowSpec, name: &String| {
        let rest = row.name.strip_prefix(name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    for name in wanted {
        if !ROWS.iter().any(|row| is_named(row, name)) {
            return Err(format!("there is no row {name}; --list shows them"));
        }
    }
    let is_selected =
        |row: &&RowSpec| wanted.is_empty() || wanted.iter().any(|name| is_named(row, name));
    Ok(ROWS.iter().filter(is_selected).collect())
}

fn list() {
    println!("rows:");
    for row in ROWS {
        println!("  {:<20}{}", row.name, row.about);
    }
    for group in &GROUPS {
        println!("{}:", group.name);
        for entry in group.entries {
            println!("  {:<20}{}", entry.name, entry.about);
        }
    }
}

fn write(path: &Path, report: &Report) -> Result<(), Box<dyn Error>> {
    serde_json::to_writer_pretty(File::create(path)?, report)?;
    Ok(())
}
