//! Thumbnails of all PNG files in a folder, made in worker processes: a file that kills the decoder
//! costs its own thumbnail, and no other.
//!
//! ```sh
//! cargo run --release -p workmill-process --example thumbnails -- --samples pictures
//! cargo run --release -p workmill-process --example thumbnails -- pictures --into small
//! ```
//!
//! The first command writes some files to try it with. One says that it has ten billion pixels, so
//! whoever decodes it asks for ten gigabytes. Each process may have one.

use std::collections::VecDeque;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use workmill_process::workmill::{CancelToken, JoinError};
use workmill_process::{Builder, Jobs, serve_if_worker};

/// The size of a thumbnail's longer side.
const SIDE: u32 = 64;

/// The number of jobs in flight, for each process.
const IN_FLIGHT: usize = 16;

/// The sizes of a picture and of its thumbnail.
type Sizes = [(u32, u32); 2];

/// Decodes a picture, shrinks it and writes it.
fn thumbnail(from: PathBuf, to: PathBuf) -> Result<Sizes, String> {
    shrink(&from, &to).map_err(|error| error.to_string())
}

fn jobs() -> Jobs {
    Jobs::new().with("thumbnail", thumbnail)
}

fn shrink(from: &Path, to: &Path) -> Result<Sizes, Box<dyn Error>> {
    let mut decoder = png::Decoder::new(BufReader::new(File::open(from)?));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let bytes = reader.output_buffer_size().ok_or("too large to count")?;
    let mut pixels = vec![1; bytes];
    let frame = reader.next_frame(&mut pixels)?;
    let samples = frame.color_type.samples();
    let by = frame.width.max(frame.height).div_ceil(SIDE);
    let (width, height) = ((frame.width / by).max(1), (frame.height / by).max(1));
    let mut small = Vec::new();
    for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x * by, y * by))) {
        let at = y as usize * frame.line_size + x as usize * samples;
        small.extend(&pixels[at..at + samples]);
    }
    write(to, (width, height), frame.color_type, &small)?;
    Ok([(frame.width, frame.height), (width, height)])
}

fn write(
    to: &Path,
    (width, height): (u32, u32),
    color: png::ColorType,
    pixels: &[u8],
) -> Result<(), Box<dyn Error>> {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(to)?), width, height);
    encoder.set_color(color);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(())
}

/// Writes pictures, a text that is none, and a file that claims to be a huge one.
fn write_samples(folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    for number in 1..=8_u32 {
        let (width, height) = (100 * number, 80 * number);
        let pixel = |at: u32| [at % width, at / width, number * 30].map(|it| it as u8);
        let pixels: Vec<_> = (0..width * height).flat_map(pixel).collect();
        let path = folder.join(format!("{number}.png"));
        write(&path, (width, height), png::ColorType::Rgb, &pixels)?;
    }
    fs::write(folder.join("text.png"), "this is no picture")?;
    let mut bomb = Vec::new();
    png::Encoder::new(&mut bomb, 100_000, 100_000).write_header()?;
    // The signature and the header; then pixels begin, and never come.
    bomb.truncate(8 + 25);
    bomb.extend(*b"\0\0\0\x0aIDAT\x78\x9c\xed\xc1\x01\x01\0\0\0\x80");
    fs::write(folder.join("bomb.png"), bomb)?;
    Ok(())
}

struct Arguments {
    folder: PathBuf,
    into: PathBuf,
    processes: usize,
}

/// Returns `None` if samples were asked for, and written.
fn arguments() -> Result<Option<Arguments>, Box<dyn Error>> {
    use lexopt::prelude::*;

    let (mut folder, mut into, mut processes) = (None, PathBuf::from("thumbnails"), 2);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("samples") => {
                write_samples(&PathBuf::from(parser.value()?))?;
                return Ok(None);
            }
            Long("into") => into = parser.value()?.into(),
            Long("processes") => processes = parser.value()?.parse()?,
            Value(path) if folder.is_none() => folder = Some(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    let folder = folder.ok_or("say which folder")?;
    Ok(Some(Arguments {
        folder,
        into,
        processes,
    }))
}

#[derive(Default)]
struct Tally {
    made: u32,
    failed: u32,
}

impl Tally {
    /// Says what became of a picture, and counts it.
    fn add(&mut self, name: &str, outcome: Result<Result<Sizes, String>, JoinError>) {
        match outcome {
            Ok(Ok([(width, height), (small_width, small_height)])) => {
                println!("{name}: {width} x {height}, {small_width} x {small_height}");
                self.made += 1;
            }
            Ok(Err(error)) => {
                println!("{name}: {error}");
                self.failed += 1;
            }
            Err(error) if error.is_cancelled() => {}
            // Which file it was, and how the process died.
            Err(error) => {
                println!("{name}: {error}");
                self.failed += 1;
            }
        }
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    serve_if_worker(jobs());
    let Some(Arguments {
        folder,
        into,
        processes,
    }) = arguments()?
    else {
        return Ok(ExitCode::SUCCESS);
    };
    let pool = Builder::new(jobs())
        .processes(processes)
        .memory_limit(1 << 30) // for each process
        .timeout(Duration::from_secs(60)) // for each picture
        .build()?;
    // The workers are no part of the terminal's group: Ctrl-C is for this process alone.
    let stop = CancelToken::new();
    let stopped = stop.clone();
    ctrlc::set_handler(move || stop.cancel())?;
    let thumbnails = pool.cancel_with(&stopped);

    fs::create_dir_all(&into)?;
    let mut paths: Vec<_> = fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "png"))
        .collect();
    paths.sort();
    // A job is a path, not a picture: what stands in memory are those that are being decoded. And
    // few handles are kept, however many pictures there are.
    let mut in_flight = VecDeque::new();
    let mut tally = Tally::default();
    for path in &paths {
        let name = path.file_name().unwrap_or_default();
        let handle = thumbnails.submit(thumbnail, (path.clone(), into.join(name)));
        in_flight.push_back((name.to_string_lossy(), handle));
        if in_flight.len() == IN_FLIGHT * processes {
            let (name, oldest) = in_flight.pop_front().expect("some are in flight");
            tally.add(&name, oldest.join());
        }
    }
    for (name, handle) in in_flight {
        tally.add(&name, handle.join());
    }
    let Tally { made, failed } = tally;
    pool.shutdown();
    println!("{made} thumbnails, {failed} failed");
    if stopped.is_cancelled() {
        println!("stopped");
        return Ok(ExitCode::from(130));
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}
