//! The picture: a row for each thread, a box for each time in which it ran a task.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use crate::recorder::Piece;

const LEFT: f64 = 110.0;
const WIDTH: f64 = 850.0;
const ROW: f64 = 40.0;
const TOP: f64 = 52.0;
const COLOURS: [&str; 6] = [
    "#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#e15759", "#76b7b2",
];

/// Returns the picture of a run of a pool with that many slots.
pub(crate) fn draw(pieces: &[Piece], slots: usize) -> String {
    let mut threads: Vec<&str> = pieces.iter().map(|piece| piece.thread.as_str()).collect();
    threads.sort_unstable_by_key(|name| (name.len(), *name));
    threads.dedup();
    let row = |name: &str| threads.iter().position(|it| *it == name);
    let mut colours = BTreeMap::new();
    for piece in pieces.iter().filter(|piece| !piece.is_wait) {
        let next = colours.len() % COLOURS.len();
        colours.entry(piece.task.as_str()).or_insert(COLOURS[next]);
    }
    let first = pieces
        .iter()
        .map(|piece| piece.from)
        .min()
        .unwrap_or_default();
    let last = pieces
        .iter()
        .map(|piece| piece.to)
        .max()
        .unwrap_or_default();
    let scale = WIDTH / (last - first).as_secs_f64().max(1e-9);
    let x = |time: Duration| LEFT + time.saturating_sub(first).as_secs_f64() * scale;
    let y = |row: usize, depth: usize| TOP + row as f64 * ROW + 4.0 * depth as f64;
    let bottom = TOP + threads.len() as f64 * ROW;

    let mut svg = Svg(String::new());
    let (width, height) = (LEFT + WIDTH + 10.0, bottom + 40.0);
    svg.line(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"100%\" font-family=\"sans-serif\" font-size=\"11\">"
    ));
    svg.line(format_args!(
        "<defs><pattern id=\"waits\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><rect width=\"5\" height=\"5\" fill=\"#fff\"/>\
         <rect width=\"1.5\" height=\"5\" fill=\"#888\"/></pattern></defs>"
    ));
    svg.line(format_args!(
        "<rect width=\"{width:.0}\" height=\"{height:.0}\" fill=\"#fff\"/>"
    ));
    legend(&mut svg, &colours);
    for (index, name) in threads.iter().enumerate() {
        let number = name
            .rsplit('-')
            .next()
            .and_then(|it| it.parse::<usize>().ok());
        let (at, kind) = (
            y(index, 0),
            if number >= Some(slots) {
                " (spare)"
            } else {
                ""
            },
        );
        svg.line(format_args!(
            "<line x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#ddd\"/>",
            LEFT + WIDTH,
            at + ROW - 6.0,
        ));
        svg.text(4.0, at + 18.0, "#222", &format!("{name}{kind}"));
    }
    axis(&mut svg, first, last, bottom, x);
    for piece in pieces.iter().filter(|piece| !piece.is_wait) {
        let Some(row) = row(&piece.thread) else {
            continue;
        };
        svg.piece(
            piece,
            x(piece.from),
            x(piece.to),
            y(row, piece.depth),
            colours[&*piece.task],
        );
    }
    for piece in pieces.iter().filter(|piece| piece.is_wait) {
        let Some(row) = row(&piece.thread) else {
            continue;
        };
        let at = y(row, piece.depth) + 16.0;
        svg.piece(piece, x(piece.from), x(piece.to), at, "url(#waits)");
    }
    // Tasks that a worker has submitted, and another has run: they were stolen.
    for piece in pieces {
        let Some((by, when)) = piece
            .submitted
            .as_ref()
            .filter(|(by, _)| *by != piece.thread)
        else {
            continue;
        };
        let (Some(from), Some(to)) = (row(by), row(&piece.thread)) else {
            continue;
        };
        let (x1, y1, x2, y2) = (
            x(*when),
            y(from, 0) + 12.0,
            x(piece.from),
            y(to, piece.depth),
        );
        svg.line(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{:.1}\" stroke=\"#222\" \
             stroke-dasharray=\"3 2\"/><circle cx=\"{x2:.1}\" cy=\"{:.1}\" r=\"2.5\" \
             fill=\"#222\"/>",
            y2 + 12.0,
            y2 + 12.0,
        ));
    }
    svg.0.push_str("</svg>\n");
    svg.0
}

/// The text of the picture, without empty lines.
struct Svg(String);

impl Svg {
    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.0, "{text}");
    }

    fn text(&mut self, x: f64, y: f64, colour: &str, text: &str) {
        let text = escape(text);
        self.line(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\">{text}</text>"
        ));
    }

    fn piece(&mut self, piece: &Piece, from: f64, to: f64, y: f64, fill: &str) {
        let height = if piece.is_wait { 8.0 } else { 24.0 };
        let (width, task) = ((to - from).max(0.7), escape(&piece.task));
        let time = piece.to - piece.from;
        self.line(format_args!(
            "<rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" \
             fill=\"{fill}\" stroke=\"#fff\" stroke-width=\"0.5\"><title>{task}: {time:.1?}\
             </title></rect>"
        ));
        if !piece.is_wait && width > 7.0 * piece.task.len() as f64 {
            self.text(from + 3.0, y + 12.0, "#fff", &piece.task);
        }
    }
}

fn legend(svg: &mut Svg, colours: &BTreeMap<&str, &str>) {
    let mut at = LEFT;
    let boxes = colours.iter().map(|(task, colour)| (*task, *colour));
    for (task, colour) in boxes.chain([("waits", "url(#waits)")]) {
        svg.line(format_args!(
            "<rect x=\"{at:.0}\" y=\"10\" width=\"12\" height=\"12\" fill=\"{colour}\" \
             stroke=\"#888\" stroke-width=\"0.5\"/>"
        ));
        svg.text(at + 16.0, 20.0, "#222", task);
        at += 32.0 + 6.5 * task.len() as f64;
    }
    svg.line(format_args!(
        "<line x1=\"{at:.0}\" y1=\"16\" x2=\"{0:.0}\" y2=\"16\" stroke=\"#222\" \
         stroke-dasharray=\"3 2\"/><circle cx=\"{0:.0}\" cy=\"16\" r=\"2.5\" fill=\"#222\"/>",
        at + 24.0,
    ));
    svg.text(
        at + 30.0,
        20.0,
        "#222",
        "submitted by one worker, run by another",
    );
}

/// Draws a scale of some ten steps.
fn axis(svg: &mut Svg, first: Duration, last: Duration, y: f64, x: impl Fn(Duration) -> f64) {
    let tenth = (last - first).as_secs_f64() / 10.0;
    let power = 10_f64.powf(tenth.max(1e-9).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|it| it * power);
    let step = step.into_iter().find(|it| *it >= tenth).unwrap_or(power);
    let mut at = 0.0;
    while first + Duration::from_secs_f64(at) <= last {
        let x = x(first + Duration::from_secs_f64(at));
        svg.line(format_args!(
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{y:.1}\" stroke=\"#eee\"/>"
        ));
        svg.text(
            x - 8.0,
            y + 16.0,
            "#666",
            format!("{:.3}", at * 1000.0)
                .trim_end_matches('0')
                .trim_end_matches('.'),
        );
        at += step;
    }
    svg.text(LEFT + WIDTH - 20.0, y + 32.0, "#666", "ms");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
