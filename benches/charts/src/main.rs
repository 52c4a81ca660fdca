//! Draws the figures of the race as SVG: a row for each workload, and how much longer, or shorter,
//! each contender took than workmill.
//!
//! ```sh
//! cargo run --release -p workmill-race -- --json race.json
//! cargo run -p workmill-charts -- race.json race.svg --rows chain,tree
//! ```
//!
//! `figures.json` has the published medians, in the form of the race's JSON; `race.svg` and
//! `all.svg` were drawn from it, and a test draws them again.

mod chart;
mod figures;

use std::error::Error;
use std::path::PathBuf;

use lexopt::prelude::*;

const HELP: &str = "\
Draws the figures of the race as SVG.

Usage: workmill-charts [OPTIONS] <JSON> <SVG>

  <JSON>                the file that the race has written with --json
  <SVG>                 the file to write
  --rows <ROW,…>        the rows to draw, in this order; all if none is named
  --title <TEXT>        the line at the top
  --help                shows this";

/// The title of the published charts.
const TITLE: &str = "Time of other libraries, if workmill takes 1";

struct Arguments {
    json: PathBuf,
    svg: PathBuf,
    rows: Vec<String>,
    title: String,
}

/// Returns the arguments, or nothing if help was asked for.
fn arguments(mut parser: lexopt::Parser) -> Result<Option<Arguments>, lexopt::Error> {
    let (mut paths, mut rows, mut title) = (Vec::new(), Vec::new(), TITLE.to_owned());
    while let Some(argument) = parser.next()? {
        match argument {
            Long("rows") => {
                let list = parser.value()?.string()?;
                rows.extend(list.split(',').map(str::to_owned));
            }
            Long("title") => title = parser.value()?.string()?,
            Long("help") => return Ok(None),
            Value(path) => paths.push(PathBuf::from(path)),
            _ => return Err(argument.unexpected()),
        }
    }
    let Ok([json, svg]) = <[PathBuf; 2]>::try_from(paths) else {
        return Err("name two files, one to read and one to write; --help says more".into());
    };
    Ok(Some(Arguments {
        json,
        svg,
        rows,
        title,
    }))
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(arguments) = arguments(lexopt::Parser::from_env())? else {
        println!("{HELP}");
        return Ok(());
    };
    let text = std::fs::read_to_string(&arguments.json)
        .map_err(|error| format!("{}: {error}", arguments.json.display()))?;
    let rows = figures::read(&text)?;
    let rows = figures::select(rows, &arguments.rows)?;
    let svg = chart::draw(&rows, &arguments.title)?;
    std::fs::write(&arguments.svg, svg)
        .map_err(|error| format!("{}: {error}", arguments.svg.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows in the chart of the README: twelve, of which the last four are losses.
    const README: [&str; 12] = [
        "spawn_ext",
        "chain",
        "tree",
        "submit_all",
        "pingpong",
        "window",
        "uneven",
        "start_stop",
        "fib",
        "async_pingpong",
        "map_light",
        "limited",
    ];

    fn drawn(names: &[&str]) -> String {
        let rows = figures::read(include_str!("../figures.json")).unwrap();
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        chart::draw(&figures::select(rows, &names).unwrap(), TITLE).unwrap()
    }

    /// With `WORKMILL_DRAW` set, the charts are written instead.
    #[test]
    fn the_charts_in_the_repository_are_those_of_their_figures() {
        for (name, rows) in [("race.svg", README.as_slice()), ("all.svg", &[])] {
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
            let drawn = drawn(rows);
            if std::env::var_os("WORKMILL_DRAW").is_some() {
                std::fs::write(&path, &drawn).unwrap();
            }
            let kept = std::fs::read_to_string(&path).unwrap();
            assert!(
                kept == drawn,
                "draw {name} anew: WORKMILL_DRAW=1 cargo test -p workmill-charts"
            );
        }
    }

    #[test]
    fn a_row_that_is_not_there_is_named() {
        let rows = figures::read(include_str!("../figures.json")).unwrap();
        let error = figures::select(rows, &["no_row".to_owned()]).unwrap_err();
        assert!(error.contains("no_row"), "{error}");
    }

    #[test]
    fn text_that_is_no_report_is_refused() {
        for text in ["", "{}", r#"{"rows": [{"name": 1}]}"#] {
            assert!(figures::read(text).is_err(), "{text}");
        }
        let nothing_to_compare = r#"{"rows": [{"name": "a", "about": "b", "unit": "ns/op",
            "contenders": [{"name": "workmill", "side": "ours", "median": 1.0},
                {"name": "book", "side": "other", "median": null}]}]}"#;
        let rows = figures::read(nothing_to_compare).unwrap();
        assert!(chart::draw(&rows, TITLE).is_err());
    }

    #[test]
    fn a_text_in_a_chart_is_escaped() {
        let rows = figures::read(include_str!("../figures.json")).unwrap();
        let svg = chart::draw(&rows, "a < b & c").unwrap();
        assert!(svg.contains("a &lt; b &amp; c"));
    }

    #[test]
    fn two_files_are_asked_for() {
        let parse = |args: &[&str]| arguments(lexopt::Parser::from_args(args));
        assert!(parse(&["a.json"]).is_err());
        assert!(parse(&["a.json", "a.svg", "--colour"]).is_err());
        assert!(parse(&["--help"]).unwrap().is_none());
        let all = parse(&["a.json", "--rows", "b,c", "a.svg"])
            .unwrap()
            .unwrap();
        assert_eq!(all.rows, ["b", "c"]);
        assert_eq!(all.title, TITLE);
    }
}
