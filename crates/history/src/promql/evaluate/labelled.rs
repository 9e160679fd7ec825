//! Functions that change labels.

use super::super::error::{LimitHit, QueryError};
use super::super::node::Call;
use super::rows::{Row, label_size, require_distinct};
use super::template::Template;
use super::{Evaluator, Steps};
use crate::pattern::PatternError;
use crate::source::is_stale;

/// How long a label's value may be that a query makes, in bytes.
const LABEL_VALUE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of labels that are as much work to copy or match as one sample.
const BYTES_PER_WORK: usize = 8;

impl Evaluator<'_> {
    pub(super) fn label_replace(
        &mut self,
        call: &Call,
        steps: &Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let target = self.argument_text(call, 1, steps)?;
        let replacement = self.argument_text(call, 2, steps)?;
        let source = self.argument_text(call, 3, steps)?;
        let pattern = self.argument_text(call, 4, steps)?;
        let compiled = self.patterns.compile_groups(&pattern);
        let pattern = compiled.map_err(|error| wrong_pattern(&pattern, error))?;
        require_label("destination", &target, call.name)?;
        let template = Template::parse(&replacement, &pattern);
        let mut rows = self.argument_rows(call, 0, steps)?;
        let mut made = 0;
        for row in &mut rows {
            let matched = row.labels.get(&source);
            self.budget.work(matched.len() / BYTES_PER_WORK)?;
            let Some(found) = pattern.captures(matched) else {
                continue;
            };
            let value = template.expand(&found, LABEL_VALUE_BYTES_MAX);
            let value = value.ok_or_else(|| too_long(call))?;
            self.set_label(row, &target, &value, &mut made)?;
        }
        require_distinct(&rows)?;
        Ok(rows)
    }

    pub(super) fn label_join(
        &mut self,
        call: &Call,
        steps: &Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let target = self.argument_text(call, 1, steps)?;
        let separator = self.argument_text(call, 2, steps)?;
        let mut sources = Vec::new();
        for at in 3..call.arguments.len() {
            let source = self.argument_text(call, at, steps)?;
            require_label("source", &source, call.name)?;
            sources.push(source);
        }
        require_label("destination", &target, call.name)?;
        let mut rows = self.argument_rows(call, 0, steps)?;
        let mut made = 0;
        for row in &mut rows {
            let values: Vec<&str> = sources.iter().map(|name| row.labels.get(name)).collect();
            let separators = separator.len() * values.len().saturating_sub(1);
            let bytes = values.iter().map(|value| value.len()).sum::<usize>() + separators;
            if bytes > LABEL_VALUE_BYTES_MAX {
                return Err(too_long(call));
            }
            let value = values.join(&separator);
            self.set_label(row, &target, &value, &mut made)?;
        }
        rows.retain(|row| row.values.iter().any(|value| !is_stale(*value)));
        require_distinct(&rows)?;
        Ok(rows)
    }

    /// Sets a label within the budget; `made` is what the labels made before count for.
    fn set_label(
        &mut self,
        row: &mut Row,
        target: &str,
        value: &str,
        made: &mut usize,
    ) -> Result<(), QueryError> {
        let bytes = row.labels.bytes() + target.len() + value.len();
        *made = made.saturating_add(label_size(bytes));
        self.budget.hold_at_least(*made)?;
        self.budget.work(bytes / BYTES_PER_WORK)?;
        row.labels = row.labels.with(target, value);
        Ok(())
    }
}

fn wrong_pattern(pattern: &str, error: PatternError) -> QueryError {
    match error {
        PatternError::TooLarge { limit } => LimitHit::Patterns { limit }.into(),
        PatternError::Wrong(error) => QueryError::Execution(format!(
            "invalid regular expression in label_replace(): {pattern}: {error}"
        )),
    }
}

fn too_long(call: &Call) -> QueryError {
    let limit = LABEL_VALUE_BYTES_MAX;
    let function = call.name;
    LimitHit::LabelValue { function, limit }.into()
}

/// Any text but the empty one names a label.
fn require_label(which: &str, name: &str, function: &str) -> Result<(), QueryError> {
    if name.is_empty() {
        let message = format!("invalid {which} label name in {function}(): {name:?}");
        return Err(QueryError::Execution(message));
    }
    Ok(())
}
