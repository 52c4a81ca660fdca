//! The measurements, as tables and as JSON.

use std::fmt;
use std::fs;
use std::thread;

use serde::Serialize;

use crate::measure::{Sample, median};
use crate::rig::light_ns;
use crate::rows::{Figure, RowSpec, Side};

/// The measurements of one contender in one row.
pub(crate) struct Track {
    name: &'static str,
    side: Side,
    pub(crate) samples: Vec<Sample>,
    /// A further turn, with the heap counted.
    pub(crate) counted: Option<Sample>,
}

impl Track {
    pub(crate) fn new(name: &'static str, side: Side) -> Self {
        Self {
            name,
            side,
            samples: Vec::new(),
            counted: None,
        }
    }

    pub(crate) fn is_floor(&self) -> bool {
        self.side == Side::Floor
    }
}

#[derive(Serialize)]
pub(crate) struct Report {
    facts: Facts,
    pub(crate) rows: Vec<RowReport>,
}

impl Report {
    pub(crate) fn new(facts: Facts) -> Self {
        Self {
            facts,
            rows: Vec::new(),
        }
    }
}

/// The machine and the settings.
#[derive(Serialize)]
pub(crate) struct Facts {
    cpus: usize,
    cpu_model: Option<String>,
    os: &'static str,
    architecture: &'static str,
    threads: usize,
    rounds: usize,
    scale: f64,
    /// The time in which a light task of `uneven` computes, in nanoseconds.
    light_ns: f64,
}

impl Facts {
    pub(crate) fn gather(threads: usize, rounds: usize, scale: f64) -> Self {
        let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let is_model = |line: &&str| line.starts_with("model name");
        let model = cpu_info.lines().find(is_model);
        let model = model.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()));
        Self {
            cpus: thread::available_parallelism().map_or(0, usize::from),
            cpu_model: model,
            os: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
            threads,
            rounds,
            scale,
            light_ns: light_ns(),
        }
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = self.cpu_model.as_deref().unwrap_or(self.architecture);
        write!(
            f,
            "{} processors ({model}, {}), pools of {} threads, {} rounds, scale {}; \
             the computation of 100 ns takes {:.0} ns",
            self.cpus, self.os, self.threads, self.rounds, self.scale, self.light_ns
        )
    }
}

/// A row's table.
#[derive(Serialize)]
pub(crate) struct RowReport {
    pub(crate) name: &'static str,
    about: &'static str,
    #[serde(skip)]
    figure: Figure,
    unit: &'static str,
    ops: usize,
    rounds: usize,
    /// Ours, then the others from the best to the worst, then the floor.
    contenders: Vec<Line>,
    strongest_other: Option<&'static str>,
    comparisons: Vec<Comparison>,
}

/// One contender's line. The figures are medians over the rounds, unless another name says so.
#[derive(Serialize)]
struct Line {
    name: &'static str,
    side: Side,
    median: f64,
    min: f64,
    max: f64,
    wall_ns_per_op: f64,
    cpu_ns_per_op: f64,
    voluntary_switches_per_1000_ops: f64,
    involuntary_switches_per_1000_ops: f64,
    allocations_per_op: Option<f64>,
    /// The row's figure, round by round.
    rounds: Vec<f64>,
    samples: Vec<Sample>,
}

/// The ratio of a contender of ours to the strongest other.
#[derive(Serialize)]
struct Comparison {
    name: &'static str,
    /// The median over the rounds of each round's ratio.
    gross: f64,
    /// The ratio of the medians less the floor, if there is a floor and both are above it.
    net: Option<f64>,
}

impl Figure {
    fn of(self, sample: &Sample) -> f64 {
        let live_bytes = |sample: &Sample| sample.heap.as_ref().map(|heap| heap.live_bytes as f64);
        match self {
            Self::Wall => sample.per_op(sample.wall_ns),
            Self::Cpu => sample.per_op(sample.cpu_ns),
            Self::CpuInAll => sample.cpu_ns / 1e3,
            Self::Bytes => sample.per_op(live_bytes(sample).unwrap_or(f64::NAN)),
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Wall => "ns/op",
            Self::Cpu => "CPU ns/op",
            Self::CpuInAll => "CPU µs",
            Self::Bytes => "bytes/op",
        }
    }

    /// Returns the name of the time beside the figure, and the function that reads it.
    fn other_time(self) -> (&'static str, fn(&Line) -> f64) {
        match self {
            Self::Cpu => ("wall ns/op", |line| line.wall_ns_per_op),
            _ => ("CPU ns/op", |line| line.cpu_ns_per_op),
        }
    }
}

impl Line {
    fn new(track: Track, figure: Figure) -> Self {
        let Track {
            name,
            side,
            samples,
            counted,
        } = track;
        let rounds: Vec<_> = samples.iter().map(|sample| figure.of(sample)).collect();
        let median_per_op = |total: fn(&Sample) -> f64| {
            median(samples.iter().map(|sample| sample.per_op(total(sample))))
        };
        // Where the figure is bytes, the heap was counted in the round itself.
        let counted = counted.or_else(|| samples.first().cloned());
        let allocations = |sample: &Sample| {
            let heap = sample.heap.as_ref()?;
            Some(sample.per_op(heap.allocations as f64))
        };
        Self {
            name,
            side,
            median: median(rounds.iter().copied()),
            min: rounds.iter().copied().fold(f64::INFINITY, f64::min),
            max: rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            wall_ns_per_op: median_per_op(|sample| sample.wall_ns),
            cpu_ns_per_op: median_per_op(|sample| sample.cpu_ns),
            voluntary_switches_per_1000_ops: 1e3
                * median_per_op(|sample| sample.voluntary_switches as f64),
            involuntary_switches_per_1000_ops: 1e3
                * median_per_op(|sample| sample.involuntary_switches as f64),
            allocations_per_op: counted.as_ref().and_then(allocations),
            rounds,
            samples,
        }
    }

    fn fmt(&self, figure: Figure, ops: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<18}{:>12.1}", self.name, self.median)?;
        let voluntary = self.voluntary_switches_per_1000_ops;
        let allocations = self.allocations_per_op.unwrap_or(f64::NAN);
        match figure {
            Figure::Wall | Figure::Cpu => {
                let (_, other) = figure.other_time();
                writeln!(
                    f,
                    "{:>12.1}{:>12.1}{:>12.1}{voluntary:>12.2}{allocations:>10.3}",
                    self.min,
                    self.max,
                    other(self)
                )
            }
            Figure::CpuInAll => {
                let in_all = |per_1000: f64| per_1000 * ops as f64 / 1e3;
                let involuntary = self.involuntary_switches_per_1000_ops;
                let (voluntary, involuntary) = (in_all(voluntary), in_all(involuntary));
                writeln!(f, "{voluntary:>12.0}{involuntary:>12.0}")
            }
            Figure::Bytes => writeln!(f, "{allocations:>12.3}"),
        }
    }
}

impl RowReport {
    pub(crate) fn new(row: &RowSpec, ops: usize, rounds: usize, tracks: Vec<Track>) -> Self {
        let figure = row.figure;
        let lines = tracks.into_iter().map(|track| Line::new(track, figure));
        let mut lines: Vec<_> = lines.collect();
        lines.sort_by(|a, b| {
            let by_side = a.side.cmp(&b.side);
            by_side.then_with(|| match a.side {
                Side::Other => a.median.total_cmp(&b.median),
                _ => std::cmp::Ordering::Equal,
            })
        });
        let is_floor = |line: &&Line| line.side == Side::Floor && !row.computes;
        let floor = lines.iter().find(is_floor);
        let strongest = lines.iter().find(|line| line.side == Side::Other);
        let compare = |ours: &Line, strongest: &Line| {
            let pairs = ours.rounds.iter().zip(&strongest.rounds);
            let net = |floor: &Line| {
                let (ours, strongest) =
                    (ours.median - floor.median, strongest.median - floor.median);
                (ours > 0.0 && strongest > 0.0).then(|| ours / strongest)
            };
            Comparison {
                name: ours.name,
                gross: median(pairs.map(|(ours, strongest)| ours / strongest)),
                net: floor.and_then(net),
            }
        };
        let ours = lines.iter().filter(|line| line.side == Side::Ours);
        let comparisons = strongest.map(|strongest| ours.map(|ours| compare(ours, strongest)));
        Self {
            name: row.name,
            about: row.about,
            figure,
            unit: figure.unit(),
            ops,
            rounds,
            strongest_other: strongest.map(|line| line.name),
            comparisons: comparisons.into_iter().flatten().collect(),
            contenders: lines,
        }
    }

    /// Returns `true` if a contender of ours and another have figures to compare.
    pub(crate) fn compares(&self) -> bool {
        let has = |side| {
            let mut lines = self.contenders.iter();
            lines.any(|line| line.side == side && line.median.is_finite())
        };
        has(Side::Ours) && has(Side::Other)
    }
}

impl fmt::Display for RowReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, about, ops) = (self.name, self.about, self.ops);
        let ops_are = match self.figure {
            Figure::CpuInAll => "ms",
            _ => "ops",
        };
        writeln!(
            f,
            "{name}: {about} ({ops} {ops_are}, rounds: {})",
            self.rounds
        )?;
        write!(f, "{:<18}{:>12}", "", self.unit)?;
        match self.figure {
            Figure::Wall | Figure::Cpu => writeln!(
                f,
                "{:>12}{:>12}{:>12}{:>12}{:>10}",
                "min",
                "max",
                self.figure.other_time().0,
                "vol./1000",
                "allocs/op"
            )?,
            Figure::CpuInAll => writeln!(f, "{:>12}{:>12}", "voluntary", "involuntary")?,
            Figure::Bytes => writeln!(f, "{:>12}", "allocs/op")?,
        }
        for line in &self.contenders {
            line.fmt(self.figure, ops, f)?;
        }
        let Some(strongest) = self.strongest_other else {
            return Ok(());
        };
        write!(f, "strongest other: {strongest}")?;
        for Comparison { name, gross, net } in &self.comparisons {
            write!(f, "; {name} / {strongest} = {gross:.3} gross")?;
            match net {
                Some(net) => write!(f, ", {net:.3} net")?,
                None => write!(f, ", no net")?,
            }
        }
        writeln!(f)
    }
}
