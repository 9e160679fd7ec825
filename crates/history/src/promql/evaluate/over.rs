//! Functions of range vectors.

use std::collections::HashMap;

use super::super::error::QueryError;
use super::super::node::{Call, Node, Over, Selector};
use super::feed::Feed;
use super::reduce::{View, reduce};
use super::rows::{Row, require_distinct, without_name};
use super::window::Window;
use super::{Evaluator, Steps};
use crate::labels::Labels;
use crate::source::{Channel, STALE};

/// A series that windows slide over.
struct Input {
    labels: Labels,
    samples: Feed,
    counts: Option<Feed>,
}

/// What is common to all series of a call.
struct Job<'call> {
    over: Over,
    steps: &'call Steps,
    moments: Steps,
    range_msec: i64,
    parameters: Vec<f64>,
}

impl Evaluator<'_> {
    /// A function of a range vector.
    pub(super) fn over(
        &mut self,
        over: Over,
        absent: &Labels,
        call: &Call,
        steps: &Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let is_range = |node: &&Node| matches!(node, Node::Range(..) | Node::Subquery(_));
        let range = call.arguments.iter().find(is_range);
        let parameter = call.arguments.iter().find(|node| !is_range(node));
        let parameters = match parameter {
            Some(node) => self.scalar(node, steps)?,
            None => Vec::new(),
        };
        if over == Over::Quantile {
            self.warn_of_quantiles(&parameters);
        }
        let Some(range) = range else {
            return Err(QueryError::Execution("expected a range vector".to_owned()));
        };
        let (inputs, moments, range_msec) = self.inputs(over, range, steps)?;
        let job = Job {
            over,
            steps,
            moments,
            range_msec,
            parameters,
        };
        let mut rows = Vec::new();
        for input in inputs {
            let name = input.labels.name().to_owned();
            let row = self.slide(&job, input)?;
            if row.values.is_empty() {
                continue;
            }
            if matches!(over, Over::Rate | Over::Increase) {
                self.tell_of_counter(&name);
            }
            rows.push(row);
        }
        if over == Over::Absent {
            return self.absent(&rows, absent, steps);
        }
        require_distinct(&rows)?;
        Ok(rows)
    }

    fn inputs(
        &mut self,
        over: Over,
        range: &Node,
        steps: &Steps,
    ) -> Result<(Vec<Input>, Steps, i64), QueryError> {
        match range {
            Node::Range(selector, range_msec) => {
                let moments = self.shifted(selector.shift, steps);
                let inputs = self.selected(over, selector, &moments, *range_msec)?;
                Ok((inputs, moments, *range_msec))
            }
            Node::Subquery(subquery) => {
                let moments = self.shifted(subquery.shift, steps);
                let series = self.subquery(subquery, &moments)?;
                let to_input = |(labels, mut samples): (Labels, Feed)| {
                    if over == Over::Count {
                        samples.count_each_as_one();
                    }
                    Input {
                        labels,
                        samples,
                        counts: None,
                    }
                };
                let inputs = series.into_iter().map(to_input).collect();
                Ok((inputs, moments, subquery.range_msec))
            }
            _ => Ok((Vec::new(), *steps, 0)),
        }
    }

    fn selected(
        &mut self,
        over: Over,
        selector: &Selector,
        moments: &Steps,
        range_msec: i64,
    ) -> Result<Vec<Input>, QueryError> {
        let channel = channel(over);
        let selected = self.select(selector, moments, range_msec, range_msec, channel)?;
        let mut counts = HashMap::new();
        if over == Over::Average {
            let counted = self.select(selector, moments, range_msec, range_msec, Channel::Count)?;
            counts.extend(
                counted
                    .into_iter()
                    .map(|series| (series.labels, series.samples)),
            );
        }
        let to_input = |series: crate::source::Selected| Input {
            counts: counts.remove(&series.labels).map(Feed::new),
            labels: series.labels,
            samples: Feed::new(series.samples),
        };
        Ok(selected.into_iter().map(to_input).collect())
    }

    fn slide(&mut self, job: &Job<'_>, mut input: Input) -> Result<Row, QueryError> {
        let labels = if job.over == Over::Last {
            input.labels
        } else {
            without_name(&input.labels)
        };
        let mut row = Row::new(labels);
        let mut window = Window::default();
        let mut counts = Window::default();
        for step in 0..job.steps.count {
            let to_msec = job.moments.time(step);
            let from_msec = to_msec.saturating_sub(job.range_msec);
            window.slide(&mut input.samples, from_msec, to_msec, &mut self.budget)?;
            if let Some(feed) = &mut input.counts {
                counts.slide(feed, from_msec, to_msec, &mut self.budget)?;
            }
            let view = View {
                window: &window,
                counts: input.counts.as_ref().map(|_| &counts),
                from_msec,
                to_msec,
                moment_msec: job.steps.time(step),
                parameter: job.parameters.get(step).copied().unwrap_or(f64::NAN),
            };
            if let Some(value) = reduce(job.over, &view) {
                row.push(step, value);
            }
            self.budget.work(window.values().len() / 4)?;
        }
        self.budget.hold(row.values.len())?;
        Ok(row)
    }

    /// One series, there where none of `rows` is.
    pub(super) fn absent(
        &mut self,
        rows: &[Row],
        labels: &Labels,
        steps: &Steps,
    ) -> Result<Vec<Row>, QueryError> {
        self.budget.hold(steps.count)?;
        let mut values = vec![1.0; steps.count];
        for (step, _) in rows.iter().flat_map(Row::present) {
            if let Some(value) = values.get_mut(step) {
                *value = STALE;
            }
        }
        let row = Row {
            labels: labels.clone(),
            first: 0,
            values,
        };
        Ok(if row.is_empty() {
            Vec::new()
        } else {
            vec![row]
        })
    }

    fn tell_of_counter(&mut self, name: &str) {
        let endings = ["_total", "_sum", "_count", "_bucket"];
        if name.is_empty() || endings.iter().any(|ending| name.ends_with(ending)) {
            return;
        }
        self.infos.insert(format!(
            "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name:?}"
        ));
    }

    /// Warns of quantiles beyond 0 and 1.
    pub(super) fn warn_of_quantiles(&mut self, portions: &[f64]) {
        for portion in portions {
            if !(0.0..=1.0).contains(portion) {
                let portion = super::super::number::render_sample(*portion);
                self.warnings.insert(format!(
                    "PromQL warning: quantile value should be between 0 and 1, got {portion}"
                ));
                return;
            }
        }
    }
}

/// What of a roll-up the function looks at.
fn channel(over: Over) -> Channel {
    match over {
        Over::Min => Channel::Min,
        Over::Max => Channel::Max,
        Over::Sum | Over::Average => Channel::Sum,
        Over::Count => Channel::Count,
        Over::Rate | Over::Increase | Over::InstantRate | Over::Resets => Channel::Counter,
        Over::Absent
        | Over::Changes
        | Over::Delta
        | Over::Derivative
        | Over::InstantDelta
        | Over::Last
        | Over::PredictLinear
        | Over::Present
        | Over::Quantile
        | Over::StandardDeviation
        | Over::StandardVariance => Channel::Last,
    }
}
