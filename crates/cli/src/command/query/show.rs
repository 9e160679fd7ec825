//! An answer as a person reads it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lfs_wrapper_history::{Labels, Stretch, Value, VectorSample, is_stale};
use lfs_wrapper_model::metric::render_number;
use lfs_wrapper_model::{TimeMsec, visible};

use crate::plot::{Frame, Scale, render_plot};
use crate::quantity::Quantity;
use crate::terminal::{Style, render_table};

/// Series that are drawn, and on a terminal listed.
const SHOWN_MAX: usize = 10;

/// Lines of one plot, and of one of several.
const ROWS: usize = 12;
const ROWS_OF_SEVERAL: usize = 4;

/// What times were asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    At(TimeMsec),
    Range {
        start_msec: TimeMsec,
        end_msec: TimeMsec,
        step_msec: i64,
    },
}

/// Where it is shown.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) columns: usize,
    pub(super) is_drawn: bool,
    pub(super) is_terminal: bool,
    pub(super) zone: TimeZone,
    pub(super) style: Style,
}

/// Whether there is nothing to show.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Vector { samples, .. } => samples.is_empty(),
        Value::Matrix(series) => series.is_empty(),
        Value::Scalar { .. } | Value::Text { .. } => false,
    }
}

pub(super) fn render(screen: &Screen, text: &str, asked: &Asked, value: &Value) -> String {
    let of_query = Quantity::of_query(text);
    match value {
        Value::Scalar { value, .. } => format!("{}\n", exact(*value)),
        Value::Text { value, .. } => format!("{}\n", visible(value)),
        Value::Vector { samples, .. } => render_vector(screen.style, of_query, samples),
        Value::Matrix(series) => render_matrix(screen, of_query, asked, series),
    }
}

/// `5 s`, `10 min`.
pub(super) fn length(length_msec: i64) -> String {
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1000, "s"),
    ];
    let whole = units.iter().find(|(unit, _)| length_msec % unit == 0);
    match whole {
        Some((unit, name)) => format!("{} {name}", length_msec / unit),
        None => format!("{length_msec} ms"),
    }
}

/// The unit of a series with a name; else of the query.
fn quantity(labels: &Labels, of_query: Quantity) -> Quantity {
    match labels.name() {
        "" => of_query,
        name => Quantity::of_metric(name),
    }
}

/// All digits; without an exponent where that is not long.
fn exact(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        1e-6..1e18 => value.to_string(),
        _ => render_number(value),
    }
}

fn render_vector(style: Style, of_query: Quantity, samples: &[VectorSample]) -> String {
    let row = |sample: &VectorSample| {
        let quantity = quantity(&sample.labels, of_query);
        let readable = match quantity {
            Quantity::Plain => String::new(),
            _ => quantity.render(sample.value),
        };
        vec![
            visible(&sample.labels.to_string()),
            exact(sample.value),
            readable,
        ]
    };
    let mut rows: Vec<Vec<String>> = samples.iter().map(row).collect();
    if rows.iter().all(|row| row[2].is_empty()) {
        rows.iter_mut().for_each(|row| row.truncate(2));
        return render_table(style, &["SERIES", "VALUE"], &rows, 1);
    }
    render_table(style, &["SERIES", "VALUE", ""], &rows, 1)
}

/// What a series' values come to.
struct Summary {
    least: f64,
    mean: f64,
    greatest: f64,
    last: f64,
}

impl Summary {
    /// Of the values that are numbers; the last one is whatever it is.
    fn of(stretch: &Stretch) -> Self {
        let numbers = stretch.values.iter().filter(|value| !value.is_nan());
        let mut summary = Self {
            least: f64::NAN,
            mean: f64::NAN,
            greatest: f64::NAN,
            last: f64::NAN,
        };
        let mut count = 0.0;
        for value in numbers {
            count += 1.0;
            summary.least = summary.least.min(*value);
            summary.greatest = summary.greatest.max(*value);
            summary.mean = match summary.mean.is_nan() {
                true => *value,
                false => summary.mean + (value - summary.mean) / count,
            };
        }
        let is_there = |value: &&f64| !is_stale(**value);
        let last = stretch.values.iter().rev().find(is_there);
        summary.last = last.copied().unwrap_or(f64::NAN);
        summary
    }
}

type Series = (Labels, Stretch);

fn render_matrix(screen: &Screen, of_query: Quantity, asked: &Asked, series: &[Series]) -> String {
    let mut shown: Vec<(&Series, Summary)> = series
        .iter()
        .map(|one| (one, Summary::of(&one.1)))
        .collect();
    let is_cut = (screen.is_terminal || screen.is_drawn) && shown.len() > SHOWN_MAX;
    if is_cut {
        shown.sort_by(|one, other| other.1.mean.total_cmp(&one.1.mean));
        shown.truncate(SHOWN_MAX);
    }
    let drawn: Vec<&Series> = shown.iter().map(|one| one.0).collect();
    let mut text = String::new();
    if let Asked::Range {
        start_msec,
        end_msec,
        step_msec,
    } = *asked
    {
        text.push_str(&render_heading(screen, (start_msec, end_msec, step_msec)));
        if screen.is_drawn {
            let quantities = drawn.iter().map(|one| quantity(&one.0, of_query));
            let frame = Frame {
                start_msec,
                end_msec,
                step_msec,
                columns: screen.columns,
                rows: ROWS,
                quantity: common(quantities),
                zone: &screen.zone,
                style: screen.style,
            };
            text.push_str(&draw(&frame, &drawn));
        }
    }
    text.push_str(&render_summaries(screen, of_query, &shown));
    if is_cut {
        text.push_str(&format!(
            "{} of {} series are shown, those with the greatest averages; --json has all\n",
            shown.len(),
            series.len()
        ));
    }
    text
}

/// What all of them are, if they are the same.
fn common(quantities: impl Iterator<Item = Quantity>) -> Quantity {
    let mut quantities: Vec<Quantity> = quantities.collect();
    quantities.dedup();
    match quantities[..] {
        [quantity] => quantity,
        _ => Quantity::Plain,
    }
}

fn render_heading(screen: &Screen, (start, end, step): (TimeMsec, TimeMsec, i64)) -> String {
    let local = |time_msec: TimeMsec| {
        let time = Timestamp::from_millisecond(time_msec).unwrap_or_default();
        time.to_zoned(screen.zone.clone())
    };
    let (first, last) = (local(start), local(end));
    let heading = format!(
        "{} to {}, step {}",
        first.strftime("%Y-%m-%d %H:%M:%S"),
        last.strftime("%Y-%m-%d %H:%M:%S %Z"),
        length(step)
    );
    format!("{}\n", screen.style.faint(&heading))
}

/// All in one where colours tell them apart, else one below another.
fn draw(frame: &Frame<'_>, series: &[&Series]) -> String {
    let curves: Vec<&Stretch> = series.iter().map(|one| &one.1).collect();
    let Some(scale) = Scale::of(&curves, frame.quantity) else {
        return "none of the values can be drawn\n".to_owned();
    };
    if frame.style.is_colored() || series.len() == 1 {
        let curves: Vec<(usize, &Stretch)> = curves.into_iter().enumerate().collect();
        return render_plot(frame, &scale, &curves);
    }
    let small = Frame {
        rows: ROWS_OF_SEVERAL,
        ..*frame
    };
    let mut text = String::new();
    for (number, (labels, stretch)) in series.iter().enumerate() {
        text.push_str(&visible(&labels.to_string()));
        text.push('\n');
        text.push_str(&render_plot(&small, &scale, &[(number, stretch)]));
    }
    text
}

fn render_summaries(screen: &Screen, of_query: Quantity, shown: &[(&Series, Summary)]) -> String {
    let row = |(series, summary): &(&Series, Summary)| {
        let quantity = quantity(&series.0, of_query);
        let mut row = vec![visible(&series.0.to_string())];
        let values = [summary.least, summary.mean, summary.greatest, summary.last];
        row.extend(values.map(|value| quantity.render(value)));
        row
    };
    let rows: Vec<Vec<String>> = shown.iter().map(row).collect();
    let header = ["SERIES", "MIN", "AVG", "MAX", "LAST"];
    let table = render_table(screen.style, &header, &rows, 1);
    if !screen.is_drawn || !screen.style.is_colored() || shown.len() < 2 {
        return table;
    }
    // The colours' legend.
    let mut lines = table.lines();
    let mut text = format!("   {}\n", lines.next().unwrap_or_default());
    for (number, line) in lines.enumerate() {
        text.push_str(&format!("{} {line}\n", screen.style.curve(number, "━━")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_left_out_of_the_average() {
        let stretch = Stretch {
            times: vec![1, 2, 3, 4],
            values: vec![1.0, f64::NAN, 3.0, 2.0],
        };
        let summary = Summary::of(&stretch);
        assert_eq!(
            [summary.least, summary.mean, summary.greatest, summary.last],
            [1.0, 2.0, 3.0, 2.0]
        );
        assert!(Summary::of(&Stretch::default()).mean.is_nan());
    }

    #[test]
    fn lengths_are_in_the_largest_unit_that_fits() {
        let lengths = [500, 1000, 90_000, 600_000, 7_200_000, 86_400_000];
        let expected = ["500 ms", "1 s", "90 s", "10 min", "2 h", "1 d"];
        assert_eq!(lengths.map(length), expected);
    }
}
