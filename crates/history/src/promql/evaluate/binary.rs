//! Operators between two values.

use super::super::error::QueryError;
use super::super::node::{Binary, Operator};
use super::rows::{Row, Table, collect};
use super::{Evaluator, Steps};

impl Evaluator<'_> {
    pub(super) fn binary(&mut self, binary: &Binary, steps: &Steps) -> Result<Table, QueryError> {
        let left = self.evaluate(&binary.left, steps)?;
        let right = self.evaluate(&binary.right, steps)?;
        match (left, right) {
            (Table::Scalar(mut left), Table::Scalar(right)) => {
                for (left, right) in left.iter_mut().zip(right) {
                    *left = scalars(binary.operator, *left, right);
                }
                Ok(Table::Scalar(left))
            }
            (Table::Rows(rows), Table::Scalar(scalars)) => self
                .with_scalar(binary, rows, &scalars, false)
                .map(Table::Rows),
            (Table::Scalar(scalars), Table::Rows(rows)) => self
                .with_scalar(binary, rows, &scalars, true)
                .map(Table::Rows),
            (Table::Rows(left), Table::Rows(right)) => {
                if binary.operator.is_set() {
                    self.set_operation(binary, left, &right, steps)
                        .map(Table::Rows)
                } else {
                    self.matched(binary, left, right, steps).map(Table::Rows)
                }
            }
            _ => Err(QueryError::Execution(
                "operators stand between scalars and instant vectors".to_owned(),
            )),
        }
    }

    fn with_scalar(
        &mut self,
        binary: &Binary,
        mut rows: Vec<Row>,
        scalars: &[f64],
        is_swapped: bool,
    ) -> Result<Vec<Row>, QueryError> {
        let operator = binary.operator;
        let is_unnamed = !operator.is_comparison() || binary.is_bool;
        for row in &mut rows {
            row.filter_map(|step, value| {
                let scalar = scalars.get(step).copied()?;
                let (left, right) = if is_swapped {
                    (scalar, value)
                } else {
                    (value, scalar)
                };
                match apply(operator, left, right) {
                    Applied::Value(value) => Some(value),
                    Applied::Holds(holds) if binary.is_bool => Some(f64::from(u8::from(holds))),
                    // The vector's value stays, whichever side it is on.
                    Applied::Holds(holds) => holds.then_some(value),
                }
            });
            if is_unnamed {
                row.drop_name();
            }
            self.budget.work(row.values.len())?;
        }
        collect(rows)
    }
}

/// What an operator gives.
pub(super) enum Applied {
    /// A number.
    Value(f64),
    /// Whether a comparison holds.
    Holds(bool),
}

/// Applies an operator that is no set operation.
pub(super) fn apply(operator: Operator, left: f64, right: f64) -> Applied {
    match operator {
        Operator::Add => Applied::Value(left + right),
        Operator::Subtract => Applied::Value(left - right),
        Operator::Multiply => Applied::Value(left * right),
        Operator::Divide => Applied::Value(left / right),
        Operator::Modulo => Applied::Value(left % right),
        Operator::Power => Applied::Value(left.powf(right)),
        Operator::Atan2 => Applied::Value(left.atan2(right)),
        Operator::Equal => Applied::Holds(left == right),
        Operator::NotEqual => Applied::Holds(left != right),
        Operator::Less => Applied::Holds(left < right),
        Operator::LessOrEqual => Applied::Holds(left <= right),
        Operator::Greater => Applied::Holds(left > right),
        Operator::GreaterOrEqual => Applied::Holds(left >= right),
        Operator::And | Operator::Or | Operator::Unless => Applied::Holds(false),
    }
}

fn scalars(operator: Operator, left: f64, right: f64) -> f64 {
    match apply(operator, left, right) {
        Applied::Value(value) => value,
        Applied::Holds(holds) => f64::from(u8::from(holds)),
    }
}
