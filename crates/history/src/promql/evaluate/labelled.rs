//! Functions that change labels.

use super::super::error::QueryError;
use super::super::node::Call;
use super::super::plan::matchers::compile;
use super::rows::{Row, require_distinct};
use super::{Evaluator, Steps};
use crate::source::is_stale;

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
        let pattern = compile(&pattern).map_err(|error| {
            let message =
                format!("invalid regular expression in label_replace(): {pattern}: {error}");
            QueryError::Execution(message)
        })?;
        require_label("destination", &target, call.name)?;
        let mut rows = self.argument_rows(call, 0, steps)?;
        for row in &mut rows {
            let Some(found) = pattern.captures(row.labels.get(&source)) else {
                continue;
            };
            let mut value = String::new();
            found.expand(&replacement, &mut value);
            row.labels = row.labels.with(&target, &value);
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
        for row in &mut rows {
            let values: Vec<&str> = sources.iter().map(|name| row.labels.get(name)).collect();
            let value = values.join(&separator);
            row.labels = row.labels.with(&target, &value);
        }
        rows.retain(|row| row.values.iter().any(|value| !is_stale(*value)));
        require_distinct(&rows)?;
        Ok(rows)
    }
}

/// Any text but the empty one names a label.
fn require_label(which: &str, name: &str, function: &str) -> Result<(), QueryError> {
    if name.is_empty() {
        let message = format!("invalid {which} label name in {function}(): {name:?}");
        return Err(QueryError::Execution(message));
    }
    Ok(())
}
