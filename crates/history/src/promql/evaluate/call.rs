//! Functions of instant vectors and scalars.

use super::super::error::QueryError;
use super::super::node::{Call, DatePart, Function, Node};
use super::super::number::{compare, from_msec, max, min, to_whole};
use super::rows::{Row, Table, collect};
use super::{Evaluator, Steps};
use crate::labels::Labels;

impl Evaluator<'_> {
    pub(super) fn call(&mut self, call: &Call, steps: &Steps) -> Result<Table, QueryError> {
        let rows = match &call.function {
            Function::Pi => return self.scalars(steps, |_| std::f64::consts::PI),
            Function::Time => {
                return self.scalars(steps, |step| from_msec(steps.time(step)) / 1000.0);
            }
            Function::Scalar => return self.scalar_of(call, steps),
            Function::Plain(function) => {
                let mut rows = self.argument_rows(call, 0, steps)?;
                for row in &mut rows {
                    row.map(function);
                }
                unnamed(rows)
            }
            Function::Absent(labels) => {
                let rows = self.argument_rows(call, 0, steps)?;
                self.absent(&rows, labels, steps)
            }
            Function::Over(over, labels) => self.over(*over, labels, call, steps),
            Function::Clamp | Function::ClampMax | Function::ClampMin => self.clamp(call, steps),
            Function::Round => self.round(call, steps),
            Function::Date(part) => self.date(*part, call, steps),
            Function::HistogramFraction => self.histogram_fraction(call, steps),
            Function::HistogramQuantile => self.histogram_quantile(call, steps),
            Function::LabelJoin => self.label_join(call, steps),
            Function::LabelReplace => self.label_replace(call, steps),
            Function::Sort { descending } => {
                let mut rows = self.argument_rows(call, 0, steps)?;
                if steps.count == 1 {
                    sort(&mut rows, *descending);
                }
                Ok(rows)
            }
            Function::Timestamp => self.timestamp(call, steps),
            Function::Vector => {
                let values = self.argument_scalar(call, 0, steps)?;
                let row = Row {
                    labels: Labels::default(),
                    first: 0,
                    values,
                };
                Ok(vec![row])
            }
        };
        rows.map(Table::Rows)
    }

    fn argument<'call>(&self, call: &'call Call, at: usize) -> Result<&'call Node, QueryError> {
        let missing = || {
            let name = call.name;
            QueryError::Execution(format!("{name}() has too few arguments"))
        };
        call.arguments.get(at).ok_or_else(missing)
    }

    pub(super) fn argument_rows(
        &mut self,
        call: &Call,
        at: usize,
        steps: &Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let node = self.argument(call, at)?;
        self.rows(node, steps)
    }

    pub(super) fn argument_scalar(
        &mut self,
        call: &Call,
        at: usize,
        steps: &Steps,
    ) -> Result<Vec<f64>, QueryError> {
        let node = self.argument(call, at)?;
        self.scalar(node, steps)
    }

    pub(super) fn argument_text(
        &mut self,
        call: &Call,
        at: usize,
        steps: &Steps,
    ) -> Result<String, QueryError> {
        let node = self.argument(call, at)?;
        self.text(node, steps)
    }

    fn scalars(
        &mut self,
        steps: &Steps,
        value: impl Fn(usize) -> f64,
    ) -> Result<Table, QueryError> {
        self.budget.hold(steps.count)?;
        Ok(Table::Scalar((0..steps.count).map(value).collect()))
    }

    /// The value of the one series there is, else NaN.
    fn scalar_of(&mut self, call: &Call, steps: &Steps) -> Result<Table, QueryError> {
        let rows = self.argument_rows(call, 0, steps)?;
        self.budget.hold(steps.count)?;
        let mut values = vec![f64::NAN; steps.count];
        let mut counts = vec![0_usize; steps.count];
        for (step, value) in rows.iter().flat_map(Row::present) {
            counts[step] += 1;
            values[step] = if counts[step] == 1 { value } else { f64::NAN };
        }
        Ok(Table::Scalar(values))
    }

    fn clamp(&mut self, call: &Call, steps: &Steps) -> Result<Vec<Row>, QueryError> {
        let mut rows = self.argument_rows(call, 0, steps)?;
        let first = self.argument_scalar(call, 1, steps)?;
        let second = match call.function {
            Function::Clamp => self.argument_scalar(call, 2, steps)?,
            _ => Vec::new(),
        };
        for row in &mut rows {
            match call.function {
                Function::ClampMax => row.filter_map(|step, value| Some(min(first[step], value))),
                Function::ClampMin => row.filter_map(|step, value| Some(max(first[step], value))),
                _ => row.filter_map(|step, value| {
                    let (least, most) = (first[step], second[step]);
                    let is_empty = most < least;
                    (!is_empty).then(|| max(least, min(most, value)))
                }),
            }
        }
        unnamed(rows)
    }

    fn round(&mut self, call: &Call, steps: &Steps) -> Result<Vec<Row>, QueryError> {
        let mut rows = self.argument_rows(call, 0, steps)?;
        let nearest = match call.arguments.len() {
            1 => Vec::new(),
            _ => self.argument_scalar(call, 1, steps)?,
        };
        for row in &mut rows {
            row.filter_map(|step, value| {
                // Prometheus multiplies by the inverse, against errors of rounding.
                let inverse = 1.0 / nearest.get(step).copied().unwrap_or(1.0);
                Some((value * inverse + 0.5).floor() / inverse)
            });
        }
        unnamed(rows)
    }

    fn date(&mut self, part: DatePart, call: &Call, steps: &Steps) -> Result<Vec<Row>, QueryError> {
        let mut rows = if call.arguments.is_empty() {
            self.budget.hold(steps.count)?;
            let seconds = |step| from_msec(steps.time(step)) / 1000.0;
            vec![Row {
                labels: Labels::default(),
                first: 0,
                values: (0..steps.count).map(seconds).collect(),
            }]
        } else {
            self.argument_rows(call, 0, steps)?
        };
        for row in &mut rows {
            row.map(|seconds| from_msec(date_part(part, to_whole(seconds))));
        }
        unnamed(rows)
    }

    /// When the samples of a selector were; of anything else, the moment itself.
    fn timestamp(&mut self, call: &Call, steps: &Steps) -> Result<Vec<Row>, QueryError> {
        let argument = match self.argument(call, 0)? {
            Node::Fixed(inner) => inner,
            node => node,
        };
        let rows = if let Node::Vector(selector) = argument {
            self.vector(selector, steps, true)?
        } else {
            let mut rows = self.rows(argument, steps)?;
            for row in &mut rows {
                row.filter_map(|step, _| Some(from_msec(steps.time(step)) / 1000.0));
            }
            rows
        };
        unnamed(rows)
    }
}

/// The rows without the metrics' names.
pub(super) fn unnamed(mut rows: Vec<Row>) -> Result<Vec<Row>, QueryError> {
    for row in &mut rows {
        row.drop_name();
    }
    collect(rows)
}

fn sort(rows: &mut [Row], descending: bool) {
    rows.sort_by(|one, other| {
        let (one, other) = (
            one.at(0).unwrap_or(f64::NAN),
            other.at(0).unwrap_or(f64::NAN),
        );
        // A NaN comes last either way.
        match (one.is_nan(), other.is_nan()) {
            (false, false) if descending => compare(other, one),
            (false, false) => compare(one, other),
            (one, other) => one.cmp(&other),
        }
    });
}

/// A part of the date of a Unix time in UTC.
fn date_part(part: DatePart, seconds: i64) -> i64 {
    let days = seconds.div_euclid(86_400);
    let second = seconds.rem_euclid(86_400);
    match part {
        DatePart::Hour => second / 3600,
        DatePart::Minute => second / 60 % 60,
        DatePart::DayOfWeek => (days + 4).rem_euclid(7),
        DatePart::Year => civil(days).0,
        DatePart::Month => civil(days).1,
        DatePart::DayOfMonth => civil(days).2,
        DatePart::DaysInMonth => {
            let (year, month, _) = civil(days);
            days_in_month(year, month)
        }
        DatePart::DayOfYear => {
            let (year, month, day) = civil(days);
            (1..month)
                .map(|month| days_in_month(year, month))
                .sum::<i64>()
                + day
        }
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian
/// calendar: counted in eras of 400 years that begin in March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_at_ends_of_months_and_before_1970() {
        let cases = [
            (DatePart::Year, 951_782_400, 2000),
            (DatePart::Month, 951_782_400, 2),
            (DatePart::DayOfMonth, 951_782_400, 29),
            (DatePart::DayOfYear, 951_782_400, 60),
            (DatePart::DaysInMonth, 951_782_400, 29),
            (DatePart::DayOfWeek, 951_782_400, 2),
            (DatePart::Year, -1, 1969),
            (DatePart::Hour, -1, 23),
            (DatePart::Minute, -1, 59),
            (DatePart::DayOfWeek, -1, 3),
        ];
        for (part, seconds, value) in cases {
            assert_eq!(date_part(part, seconds), value, "{part:?} of {seconds}");
        }
    }
}
