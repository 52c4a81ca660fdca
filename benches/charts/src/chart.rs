//! The chart: workmill is the line at 1; a contender that is left of it was faster.

use std::error::Error;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::figures::Row;

const WIDTH: u32 = 1040;
const ROW: u32 = 34;
/// The height of the title, the legend and the axis.
const TOP: u32 = 96;
const BOTTOM: u32 = 44;
/// The width of the names of the rows.
const LEFT: i32 = 460;
const RIGHT: i32 = 28;

const INK: RGBColor = RGBColor(32, 36, 42);
const FAINT: RGBColor = RGBColor(110, 116, 124);
const RULE: RGBColor = RGBColor(226, 229, 233);
const OURS: RGBColor = RGBColor(200, 60, 40);
const REST: RGBColor = RGBColor(160, 165, 172);

/// The contenders that have a colour of their own, by the first words of their names. The colours
/// can be told apart by those who see few of them.
const COLOURS: [(&str, RGBColor); 9] = [
    ("rayon", RGBColor(0, 114, 178)),
    ("tokio", RGBColor(230, 159, 0)),
    ("async-executor", RGBColor(0, 158, 115)),
    ("futures", RGBColor(204, 121, 167)),
    ("threadpool", RGBColor(86, 180, 233)),
    ("rusty_pool", RGBColor(120, 94, 240)),
    ("chili", RGBColor(120, 70, 20)),
    ("by hand", RGBColor(60, 60, 60)),
    ("book", RGBColor(150, 150, 40)),
];

fn colour(name: &str) -> Option<(&'static str, RGBColor)> {
    let is_name = |first: &str| {
        let rest = name.strip_prefix(first);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    COLOURS.into_iter().find(|(first, _)| is_name(first))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws the rows, and returns the SVG.
///
/// A row without another contender is left out. Fails if none is left.
pub(crate) fn draw(rows: &[Row], title: &str) -> Result<String, Box<dyn Error>> {
    let rows: Vec<_> = rows.iter().filter(|row| !row.ratios().is_empty()).collect();
    if rows.is_empty() {
        return Err("no row has workmill and another contender".into());
    }
    let height = TOP + ROW * u32::try_from(rows.len())? + BOTTOM;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?; // also on a dark page
        let scale = Scale::of(&rows);
        text(&area, title, (24, 24), 20, &INK, HPos::Left)?;
        legend(&area, &rows)?;
        axis(&area, &scale, height)?;
        for (number, row) in (0..).zip(&rows) {
            draw_row(
                &area,
                &scale,
                row,
                i32::try_from(TOP)? + ROW as i32 * number,
            )?;
        }
        area.present()?;
    }
    Ok(svg)
}

/// The logarithmic axis.
struct Scale(Range<f64>);

impl Scale {
    fn of(rows: &[&Row]) -> Self {
        let ratios = rows.iter().flat_map(|row| row.ratios());
        let (mut low, mut high) = (0.5, 2.0);
        for (_, ratio) in ratios {
            low = f64::min(low, ratio);
            high = f64::max(high, ratio);
        }
        // On the left with room for the name of the strongest.
        Self(low / 2.2..high * 1.3)
    }

    /// Returns the column of a ratio.
    fn column(&self, ratio: f64) -> i32 {
        let (low, high) = (self.0.start.ln(), self.0.end.ln());
        let width = f64::from(WIDTH as i32 - LEFT - RIGHT);
        LEFT + ((ratio.ln() - low) / (high - low) * width).round() as i32
    }

    /// Returns the marks of the axis: 1, 2 and 5 of each power of ten.
    fn marks(&self) -> impl Iterator<Item = f64> {
        let powers = (-4..5).map(|power| 10_f64.powi(power));
        let marks = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * power));
        marks.filter(|mark| self.0.contains(mark))
    }
}

fn text(
    area: &Area<'_>,
    text: &str,
    at: (i32, i32),
    size: u32,
    colour: &RGBColor,
    side: HPos,
) -> Result<(), Box<dyn Error>> {
    let style = ("sans-serif", size).into_font().color(colour);
    area.draw_text(text, &style.pos(Pos::new(side, VPos::Center)), at)?;
    Ok(())
}

fn line(
    area: &Area<'_>,
    from: (i32, i32),
    to: (i32, i32),
    style: ShapeStyle,
) -> Result<(), Box<dyn Error>> {
    area.draw(&PathElement::new(vec![from, to], style))?;
    Ok(())
}

/// Draws the names of the contenders that take part and have a colour.
fn legend(area: &Area<'_>, rows: &[&Row]) -> Result<(), Box<dyn Error>> {
    let mut column = 30;
    let entries = COLOURS.into_iter().filter(|(name, _)| {
        let names = rows.iter().flat_map(|row| row.ratios());
        names
            .into_iter()
            .any(|(it, _)| colour(&it.name).is_some_and(|(first, _)| first == *name))
    });
    for (name, colour) in entries {
        area.draw(&Circle::new((column, 54), 5, colour.filled()))?;
        text(area, name, (column + 10, 54), 13, &INK, HPos::Left)?;
        column += 26 + 8 * name.len() as i32;
    }
    let all = rows.iter().flat_map(|row| row.ratios());
    if all.into_iter().any(|(it, _)| colour(&it.name).is_none()) {
        area.draw(&Circle::new((column, 54), 5, REST.filled()))?;
        text(area, "others", (column + 10, 54), 13, &INK, HPos::Left)?;
    }
    Ok(())
}

fn axis(area: &Area<'_>, scale: &Scale, height: u32) -> Result<(), Box<dyn Error>> {
    let (top, bottom) = (TOP as i32 - 8, (height - BOTTOM) as i32);
    for mark in scale.marks() {
        let column = scale.column(mark);
        line(area, (column, top), (column, bottom), RULE.stroke_width(1))?;
        text(
            area,
            &format!("{mark}×"),
            (column, bottom + 14),
            12,
            &FAINT,
            HPos::Center,
        )?;
    }
    let one = scale.column(1.0);
    line(area, (one, top), (one, bottom), OURS.stroke_width(2))?;
    text(area, "workmill", (one, top - 8), 13, &OURS, HPos::Center)?;
    text(
        area,
        "faster than workmill",
        (one - 34, top - 8),
        12,
        &FAINT,
        HPos::Right,
    )?;
    text(area, "slower", (one + 34, top - 8), 12, &FAINT, HPos::Left)
}

fn draw_row(area: &Area<'_>, scale: &Scale, row: &Row, top: i32) -> Result<(), Box<dyn Error>> {
    let (middle, end) = (top + ROW as i32 / 2, LEFT - 18);
    let ours = row.ours().unwrap_or_default();
    text(area, &row.about, (end, middle - 7), 13, &INK, HPos::Right)?;
    let figure = format!("{}: workmill {} {}", row.name, grouped(ours), row.unit);
    text(area, &figure, (end, middle + 8), 11, &FAINT, HPos::Right)?;
    let ratios = row.ratios();
    let reach = ratios.iter().map(|(_, ratio)| scale.column(*ratio));
    let from = reach.clone().min().unwrap_or(LEFT).min(scale.column(1.0));
    let to = reach.max().unwrap_or(LEFT).max(scale.column(1.0));
    line(area, (from, middle), (to, middle), REST.stroke_width(1))?;
    for (contender, ratio) in ratios.iter().rev() {
        let colour = colour(&contender.name).map_or(REST, |(_, colour)| colour);
        let at = (scale.column(*ratio), middle);
        area.draw(&Circle::new(at, 6, WHITE.filled()))?;
        area.draw(&Circle::new(at, 5, colour.filled()))?;
    }
    if let Some((strongest, ratio)) = ratios.first() {
        let label = format!("{} {ratio:.2}×", strongest.name);
        let column = scale.column(*ratio);
        // Beside the line of workmill, not across it.
        let (at, side) = match *ratio < 1.0 {
            true => (column + 6, HPos::Right),
            false => (column - 6, HPos::Left),
        };
        text(area, &label, (at, middle - 12), 11, &INK, side)?;
    }
    Ok(())
}

/// Returns a number with a comma before each three digits, and one digit behind the point if it is
/// small.
fn grouped(number: f64) -> String {
    if number < 100.0 {
        return format!("{number:.1}").trim_end_matches(".0").to_owned();
    }
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[test]
fn numbers_are_grouped() {
    let numbers = [0.06, 56.1, 57.0, 157.0, 1_159.0, 157_436.0, 1e6];
    let texts = ["0.1", "56.1", "57", "157", "1,159", "157,436", "1,000,000"];
    assert_eq!(numbers.map(grouped), texts);
}
