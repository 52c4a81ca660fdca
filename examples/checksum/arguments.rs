//! The command line.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::exit;

use lexopt::prelude::*;

/// Printed by `--help`.
const HELP: &str = "\
Hash every regular file under the paths with SHA-256, in parallel.

Hidden and ignored files too; symbolic links are not followed. Prints lines that `sha256sum -c`
accepts, in bytewise order of the paths.

Usage: checksum [OPTIONS] [PATH]...

Arguments:
  [PATH]...  Files, and directories to search

Options:
      --check <FILE>  Read hashes and paths from FILE (`-`: standard input) and check them
      --threads <N>   Threads that hash [default: as many as the machine gives]
  -h, --help          Print help

Example:
  checksum --threads 4 photos > photos.sha256
  checksum --check photos.sha256
";

/// The usual exit status of a program that does not understand its command line.
const MISUSED: i32 = 2;

/// The options and paths of the command line.
#[derive(Default)]
pub(crate) struct Arguments {
    /// Files, and directories to search.
    pub(crate) paths: Vec<PathBuf>,
    /// The list to check, if there is one. Then there are no paths.
    pub(crate) check: Option<PathBuf>,
    /// The number of threads that hash, if it was given.
    pub(crate) threads: Option<u16>,
}

impl Arguments {
    /// Reads the command line. Ends the program if it asks for help, or for nothing, or makes no
    /// sense.
    pub(crate) fn read() -> Self {
        let arguments = Self::parse(lexopt::Parser::from_env()).unwrap_or_else(|error| {
            eprintln!("error: {error}\n\nFor more information, try '--help'.");
            exit(MISUSED)
        });
        if arguments.paths.is_empty() && arguments.check.is_none() {
            eprint!("{HELP}");
            exit(MISUSED);
        }
        arguments
    }

    fn parse(mut parser: lexopt::Parser) -> Result<Self, lexopt::Error> {
        let mut arguments = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("check") => {
                    let list = PathBuf::from(parser.value()?);
                    set(&mut arguments.check, list, "--check <FILE>")?;
                }
                Long("threads") => {
                    let threads = number(&parser.value()?)?;
                    set(&mut arguments.threads, threads, "--threads <N>")?;
                }
                Short('h') | Long("help") => {
                    print!("{HELP}");
                    exit(0);
                }
                Value(path) => arguments.paths.push(path.into()),
                other => return Err(other.unexpected()),
            }
        }
        if arguments.check.is_some() && !arguments.paths.is_empty() {
            return Err("the argument '--check <FILE>' cannot be used with '[PATH]...'".into());
        }
        Ok(arguments)
    }
}

/// Returns the number of threads that is meant.
fn number(value: &OsStr) -> Result<u16, lexopt::Error> {
    let number = value.to_str().and_then(|text| text.parse().ok());
    number.filter(|number| *number > 0).ok_or_else(|| {
        let value = value.to_string_lossy();
        format!("invalid value '{value}' for '--threads <N>': it is not in 1..=65535").into()
    })
}

/// Sets an option that may be given once.
fn set<T>(option: &mut Option<T>, value: T, name: &str) -> Result<(), lexopt::Error> {
    match option.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("the argument '{name}' cannot be used multiple times").into()),
    }
}
