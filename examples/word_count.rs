//! Counts the words of text files on a thread pool, and prints the most frequent.
//!
//! ```text
//! cargo run --release --example word_count -- PATH…
//! ```
//!
//! Without a path it counts the words of the folder that it is run in. Each file is an item of
//! [`map_unordered`](workmill::PoolRef::map_unordered), which has only a few files in memory at a
//! time. The counts of the files are added as they come. In the end the words are counted once more
//! by this thread alone, and both counts have to be the same.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::{env, fs};

use indicatif::{ProgressBar, ProgressDrawTarget};
use walkdir::WalkDir;
use workmill::Builder;

type Counts = HashMap<String, usize>;

fn main() -> Result<(), Box<dyn Error>> {
    let files = text_files(env::args_os().skip(1).map(PathBuf::from))?;
    let pool = Builder::new().build()?;
    let bar = progress_bar(files.len());
    let mut counts = Counts::new();
    for of_file in pool
        .map_unordered(files.clone(), |path| words(&path))
        .flat()
    {
        add(&mut counts, of_file?); // the first file that cannot be read ends it
        bar.inc(1);
    }
    bar.finish_and_clear();
    let mut words: Vec<_> = counts.iter().collect();
    words.sort_by_key(|&(word, count)| (std::cmp::Reverse(count), word));
    for (word, count) in words.iter().take(10) {
        println!("{count:7} {word}");
    }
    println!("{} words in {} files", words.len(), files.len());
    assert_eq!(counts, serial(&files)?, "the same as without a pool");
    Ok(())
}

/// Counts the words of a file. Bytes that are no text separate words.
fn words(path: &Path) -> io::Result<Counts> {
    let text = fs::read(path)?;
    let text = String::from_utf8_lossy(&text).to_lowercase();
    let mut counts = Counts::new();
    for word in text.split(|c: char| !c.is_alphabetic()) {
        if !word.is_empty() {
            *counts.entry(word.to_owned()).or_default() += 1;
        }
    }
    Ok(counts)
}

fn add(sum: &mut Counts, counts: Counts) {
    for (word, count) in counts {
        *sum.entry(word).or_default() += count;
    }
}

fn serial(files: &[PathBuf]) -> io::Result<Counts> {
    let mut sum = Counts::new();
    for path in files {
        add(&mut sum, words(path)?);
    }
    Ok(sum)
}

/// Returns the files below some paths whose names end like those of texts.
fn text_files(paths: impl Iterator<Item = PathBuf>) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<_> = paths.collect();
    if paths.is_empty() {
        paths.push(PathBuf::from("."));
    }
    let mut files = Vec::new();
    for entry in paths.into_iter().flat_map(WalkDir::new) {
        let path = entry?.into_path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_file() && matches!(extension, Some("md" | "rs" | "toml" | "txt")) {
            files.push(path);
        }
    }
    Ok(files)
}

/// Returns a bar, which is drawn on a terminal only.
fn progress_bar(files: usize) -> ProgressBar {
    let target = match io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    ProgressBar::with_draw_target(Some(files as u64), target)
}
