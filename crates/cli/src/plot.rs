//! Values over time, drawn with dots: a character has two columns of four.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lfs_wrapper_history::Stretch;
use lfs_wrapper_model::TimeMsec;

use crate::quantity::Quantity;
use crate::terminal::Style;

/// The first of the 256 characters of dots.
const DOTS: u32 = 0x2800;

/// A dot by its place: from the top, left and right.
const DOT: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// A plot is never narrower.
const COLUMNS_MIN: usize = 20;

/// What is drawn, and how large.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'frame> {
    pub(crate) start_msec: TimeMsec,
    pub(crate) end_msec: TimeMsec,
    pub(crate) step_msec: i64,
    /// The whole width, labels included, and the height without the time axis.
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    pub(crate) quantity: Quantity,
    pub(crate) zone: &'frame TimeZone,
    pub(crate) style: Style,
}

/// The values at the lower and the upper edge, and from one label to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    tick: f64,
}

impl Scale {
    /// Holds all values of these curves; `None` where there is none to show.
    pub(crate) fn of(curves: &[&Stretch], quantity: Quantity) -> Option<Self> {
        let values = curves.iter().flat_map(|curve| &curve.values).copied();
        let mut values = values.filter(|value| value.is_finite());
        let first = values.next()?;
        let (mut low, mut high) = values.fold((first, first), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        // What is far from 0 is looked at closely; else 0 is where one expects it.
        if low > 0.0 && low < high * 0.5 {
            low = 0.0;
        }
        if low >= high {
            let around = (high.abs() * 0.1).max(1.0);
            (low, high) = if high == 0.0 {
                (0.0, 1.0)
            } else {
                (low - around, high + around)
            };
        }
        let tick = round_up((high - low) / 4.0, quantity.base());
        let scale = Self {
            low: (low / tick).floor() * tick,
            high: (high / tick).ceil() * tick,
            tick,
        };
        (scale.high - scale.low).is_finite().then_some(scale)
    }

    /// 0 at the lower edge, 1 at the upper one.
    fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        const TICKS_MAX: u32 = 8;
        let (low, tick, end) = (self.low, self.tick, self.high + self.tick / 2.0);
        (0..TICKS_MAX)
            .map(move |number| low + f64::from(number) * tick)
            .take_while(move |value| *value < end)
    }
}

/// The next larger round number: 1, 2, 2.5 and 5 times a power of ten, or of
/// what is counted in multiples of 1024, a power of two.
fn round_up(value: f64, base: f64) -> f64 {
    let is_binary = base > 1000.0 && value >= 1.0;
    let (root, factors): (f64, &[f64]) = match is_binary {
        true => (2.0, &[1.0, 2.0]),
        false => (10.0, &[1.0, 2.0, 2.5, 5.0, 10.0]),
    };
    let power = root.powf(value.log(root).floor());
    let rounded = factors
        .iter()
        .map(|factor| factor * power)
        .find(|rounded| *rounded >= value * (1.0 - 1e-9));
    // Without an answer the value is itself none.
    rounded
        .filter(|rounded| *rounded > 0.0)
        .unwrap_or(f64::MIN_POSITIVE)
}

/// Dots and to which curve each character belongs.
struct Canvas {
    columns: usize,
    rows: usize,
    cells: Vec<(u32, usize)>,
}

impl Canvas {
    fn new(columns: usize, rows: usize) -> Self {
        Self {
            columns,
            rows,
            cells: vec![(0, 0); columns * rows],
        }
    }

    /// Sets a dot; from the left and from the lower edge, 0 to 1.
    fn place(&self, right: f64, up: f64) -> (i64, i64) {
        (
            scaled(right, self.columns * 2 - 1),
            scaled(1.0 - up, self.rows * 4 - 1),
        )
    }

    fn set(&mut self, (right, down): (i64, i64), curve: usize) {
        let (Ok(right), Ok(down)) = (usize::try_from(right), usize::try_from(down)) else {
            return;
        };
        let place = down / 4 * self.columns + right / 2;
        if let Some(cell) = self.cells.get_mut(place) {
            *cell = (cell.0 | DOT[down % 4][right % 2], curve);
        }
    }

    fn line(&mut self, from: (i64, i64), to: (i64, i64), curve: usize) {
        let (across, along) = (to.0 - from.0, to.1 - from.1);
        let steps = across.abs().max(along.abs()).max(1);
        for step in 0..=steps {
            let on = |start: i64, length: i64| start + (2 * length * step + steps) / (2 * steps);
            let down = if along < 0 {
                from.1 - (2 * -along * step + steps) / (2 * steps)
            } else {
                on(from.1, along)
            };
            self.set((on(from.0, across), down), curve);
        }
    }

    fn row(&self, number: usize, style: Style) -> String {
        let cells = self.cells.iter().skip(number * self.columns);
        let mut text = String::new();
        for (dots, curve) in cells.take(self.columns) {
            match char::from_u32(DOTS + dots) {
                Some(character) if *dots > 0 => {
                    text.push_str(&style.curve(*curve, &character.to_string()));
                }
                _ => text.push(' '),
            }
        }
        text.trim_end().to_owned()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a share of a few dots"
)]
fn scaled(share: f64, last: usize) -> i64 {
    (share.clamp(0.0, 1.0) * last as f64).round() as i64
}

/// Draws the curves, the first in the first colour, with labelled axes.
pub(crate) fn render_plot(
    frame: &Frame<'_>,
    scale: &Scale,
    curves: &[(usize, &Stretch)],
) -> String {
    let labels = labels(frame, scale);
    let width = labels.iter().flatten().map(|label| label.chars().count());
    let width = width.max().unwrap_or(0);
    let columns = frame.columns.max(COLUMNS_MIN + width + 1) - width - 1;
    let mut canvas = Canvas::new(columns, frame.rows);
    for (number, curve) in curves {
        draw(&mut canvas, frame, scale, *number, curve);
    }
    let mut text = String::new();
    for (row, label) in labels.iter().enumerate() {
        let (label, edge) = match label {
            Some(label) => (label.as_str(), '┤'),
            None => ("", '│'),
        };
        let axis = frame.style.faint(&format!("{label:>width$}{edge}"));
        text.push_str(&format!("{axis}{}\n", canvas.row(row, frame.style)));
    }
    let times = render_times(frame, columns);
    let line = format!(
        "{:width$}└{}\n{:width$} {times}",
        "",
        "─".repeat(columns),
        ""
    );
    text.push_str(&frame.style.faint(&line));
    text.push('\n');
    text
}

/// The label of each row, from the top.
fn labels(frame: &Frame<'_>, scale: &Scale) -> Vec<Option<String>> {
    let mut labels = vec![None; frame.rows];
    for value in scale.ticks() {
        let dots = scaled(1.0 - scale.share(value), frame.rows * 4 - 1);
        let row = usize::try_from(dots / 4).unwrap_or(0);
        // Rounding leaves something of what should be 0.
        let is_zero = value.abs() < scale.tick / 1e6;
        if let Some(label) = labels.get_mut(row) {
            *label = Some(
                frame
                    .quantity
                    .render_round(if is_zero { 0.0 } else { value }),
            );
        }
    }
    labels
}

fn draw(canvas: &mut Canvas, frame: &Frame<'_>, scale: &Scale, number: usize, curve: &Stretch) {
    #[expect(clippy::cast_precision_loss, reason = "a share of a time")]
    let share = |time: TimeMsec| {
        (time - frame.start_msec) as f64 / (frame.end_msec - frame.start_msec).max(1) as f64
    };
    let mut last: Option<(TimeMsec, (i64, i64))> = None;
    for (time, value) in curve.times.iter().zip(&curve.values) {
        if !value.is_finite() {
            last = None;
            continue;
        }
        let place = canvas.place(share(*time), scale.share(*value));
        match last {
            // Where a value is missing there is a gap.
            Some((before, from)) if time - before <= frame.step_msec * 3 / 2 => {
                canvas.line(from, place, number);
            }
            _ => canvas.set(place, number),
        }
        last = Some((*time, place));
    }
}

/// The times at both ends, and between them where there is room.
fn render_times(frame: &Frame<'_>, columns: usize) -> String {
    const MINUTES: i64 = 60_000;
    let form = match frame.end_msec - frame.start_msec {
        length if length < 10 * MINUTES => "%H:%M:%S",
        length if length < 36 * 60 * MINUTES => "%H:%M",
        length if length < 30 * 24 * 60 * MINUTES => "%m-%d %H:%M",
        _ => "%Y-%m-%d",
    };
    let render = |time_msec: TimeMsec| {
        let time = Timestamp::from_millisecond(time_msec).unwrap_or_default();
        time.to_zoned(frame.zone.clone()).strftime(form).to_string()
    };
    let middle = frame.start_msec + (frame.end_msec - frame.start_msec) / 2;
    let [first, middle, last] = [frame.start_msec, middle, frame.end_msec].map(render);
    let taken = first.len() + middle.len() + last.len();
    if columns < taken + 4 {
        let space = columns.saturating_sub(first.len() + last.len());
        return format!("{first}{}{last}", " ".repeat(space.max(1)));
    }
    let left = (columns - middle.len()) / 2 - first.len();
    let right = columns - taken - left;
    format!(
        "{first}{}{middle}{}{last}",
        " ".repeat(left),
        " ".repeat(right)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(values: &[f64]) -> Stretch {
        let times = (0..).map(|number| number * 60_000).take(values.len());
        Stretch {
            times: times.collect(),
            values: values.to_vec(),
        }
    }

    fn plot(curves: &[&Stretch], quantity: Quantity) -> String {
        let frame = Frame {
            start_msec: 0,
            end_msec: 20 * 60_000,
            step_msec: 60_000,
            columns: 40,
            rows: 5,
            quantity,
            zone: &TimeZone::UTC,
            style: Style::new(false),
        };
        let scale = Scale::of(curves, quantity).unwrap();
        let numbered: Vec<_> = curves.iter().copied().enumerate().collect();
        render_plot(&frame, &scale, &numbered)
    }

    const EXPECTED: &str = "\
20┤                              ⣀⣀⠤⠤⠒⠊⠉
15┤                       ⣀⡠⠤⠔⠒⠊⠉
10┤              ⣀⡠⠤   ⠒⠉⠉
 5┤      ⢀⣀⡠⠤⠒⠒⠉⠉
 0┤⣀⠤⠤⠒⠊⠉⠁
  └─────────────────────────────────────
   00:00           00:10           00:20
";

    #[test]
    fn a_curve_is_drawn_with_its_axes_and_a_gap_where_values_are_missing() {
        let mut values: Vec<f64> = (0..=20).map(f64::from).collect();
        values[10] = f64::NAN;
        let text = plot(&[&curve(&values)], Quantity::Plain);
        assert_eq!(text, EXPECTED, "{text}");
    }

    #[test]
    fn labels_are_round_numbers_of_the_unit() {
        let mib = f64::from(1 << 20);
        let text = plot(&[&curve(&[mib, 190.0 * mib])], Quantity::Bytes);
        for label in ["    0 B┤", " 64 MiB┤", "192 MiB┤"] {
            assert!(text.contains(label), "{text}");
        }
    }

    #[test]
    fn a_value_that_does_not_change_and_one_that_is_infinite_do_no_harm() {
        for values in [
            vec![5.0; 3],
            vec![0.0; 3],
            vec![-3.0, f64::INFINITY, 4.0],
            vec![1e-300, 2e-300],
            vec![-1e300, 1e300],
        ] {
            let text = plot(&[&curve(&values)], Quantity::Plain);
            assert_eq!(text.lines().count(), 7, "{values:?}: {text}");
        }
        let none = curve(&[f64::NAN]);
        assert_eq!(Scale::of(&[&none], Quantity::Plain), None);
        let huge = curve(&[f64::MIN, f64::MAX]);
        assert_eq!(Scale::of(&[&huge], Quantity::Plain), None);
    }
}
