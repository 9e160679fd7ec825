//! From the parser's tree to the tree that is evaluated.

mod fix;
mod functions;
mod matchers;

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use promql_parser::parser::{
    AggregateExpr, AtModifier, BinModifier, BinaryExpr, Call as ParsedCall, Expr, LabelModifier,
    Offset, SubqueryExpr, VectorMatchCardinality, VectorSelector,
};

use super::error::{LimitHit, QueryError};
use super::limits::Deadline;
use super::node::{
    Aggregation, Aggregator, At, Binary, Call, Cardinality, Function, Grouping, Node, Operator,
    Selector, Shift, Subquery,
};
use super::number::to_whole;
use super::text::{Literals, Parsed, error_at};
use crate::pattern::Patterns;

/// Ranges, offsets and times beyond this are refused: 292 years.
const SECONDS_MAX: f64 = 9_223_372_036.0;

/// The tree of a query.
pub(super) fn plan(
    text: &str,
    parsed: &Parsed,
    depth_max: usize,
    deadline: Deadline,
) -> Result<Node, QueryError> {
    let planner = Planner {
        text,
        literals: &parsed.literals,
        depth_max,
        deadline,
        patterns: RefCell::default(),
    };
    let node = planner.node(&parsed.expression, 0)?;
    Ok(fix::fix(node))
}

struct Planner<'query> {
    text: &'query str,
    literals: &'query Literals,
    depth_max: usize,
    deadline: Deadline,
    /// Compiled for the whole query, whose tree is walked by reference.
    patterns: RefCell<Patterns>,
}

impl Planner<'_> {
    /// An error about the query as a whole.
    fn error(&self, message: impl Into<String>) -> QueryError {
        error_at(self.text, 0, 0, message)
    }

    fn lost(&self) -> QueryError {
        self.error("the query cannot be read")
    }

    fn node(&self, expression: &Expr, depth: usize) -> Result<Node, QueryError> {
        if depth > self.depth_max {
            let limit = self.depth_max;
            return Err(LimitHit::Depth { limit }.into());
        }
        let below = depth + 1;
        Ok(match expression {
            Expr::NumberLiteral(literal) => {
                let number = self.literals.number(literal.val);
                Node::Number(number.ok_or_else(|| self.lost())?)
            }
            Expr::StringLiteral(literal) => Node::Text(self.literal_text(&literal.val)?),
            Expr::Paren(inner) => self.node(&inner.expr, below)?,
            Expr::Unary(inner) => Node::Negation(Box::new(self.node(&inner.expr, below)?)),
            Expr::VectorSelector(selector) => Node::Vector(self.selector(selector)?),
            Expr::MatrixSelector(matrix) => {
                Node::Range(self.selector(&matrix.vs)?, self.range(matrix.range)?)
            }
            Expr::Subquery(subquery) => Node::Subquery(self.subquery(subquery, below)?),
            Expr::Call(call) => Node::Call(self.call(call, below)?),
            Expr::Aggregate(aggregate) => Node::Aggregation(self.aggregation(aggregate, below)?),
            Expr::Binary(binary) => Node::Binary(self.binary(binary, below)?),
            Expr::Extension(_) => return Err(self.lost()),
        })
    }

    fn literal_text(&self, index: &str) -> Result<String, QueryError> {
        let text = self.literals.text(index);
        text.map(str::to_owned).ok_or_else(|| self.lost())
    }

    fn labels(&self, list: &[String]) -> Result<Vec<String>, QueryError> {
        match list.first() {
            None => Ok(Vec::new()),
            Some(name) => {
                let labels = self.literals.labels(name);
                labels.map(<[String]>::to_vec).ok_or_else(|| self.lost())
            }
        }
    }

    fn selector(&self, selector: &VectorSelector) -> Result<Selector, QueryError> {
        let mut written = Vec::new();
        for matcher in &selector.matchers.matchers {
            let list = self.literals.matchers(&matcher.value);
            written.extend_from_slice(list.ok_or_else(|| self.lost())?);
        }
        self.deadline.check()?;
        let name = selector.name.as_deref();
        let mut patterns = self.patterns.borrow_mut();
        Ok(Selector {
            matchers: matchers::plan(self.text, name, &written, &mut patterns)?,
            shift: self.shift(selector.offset.as_ref(), selector.at.as_ref())?,
        })
    }

    fn msec(&self, index: Duration) -> Result<i64, QueryError> {
        let seconds = self.literals.seconds(index.as_secs());
        let seconds = seconds.ok_or_else(|| self.lost())?;
        if seconds.is_finite() && seconds.abs() <= SECONDS_MAX {
            Ok(to_whole((seconds * 1000.0).round()))
        } else {
            Err(self.error(format!("duration out of range: {seconds} s")))
        }
    }

    fn range(&self, index: Duration) -> Result<i64, QueryError> {
        match self.msec(index)? {
            0 => Err(self.error("duration must be greater than 0")),
            msec => Ok(msec),
        }
    }

    fn shift(&self, offset: Option<&Offset>, at: Option<&AtModifier>) -> Result<Shift, QueryError> {
        let offset_msec = match offset {
            None => 0,
            Some(Offset::Pos(index)) => self.msec(*index)?,
            Some(Offset::Neg(index)) => -self.msec(*index)?,
        };
        let at = match at {
            None => None,
            Some(AtModifier::Start) => Some(At::Start),
            Some(AtModifier::End) => Some(At::End),
            Some(AtModifier::At(index)) => Some(At::Time(self.time(*index)?)),
        };
        Ok(Shift { offset_msec, at })
    }

    fn time(&self, index: SystemTime) -> Result<i64, QueryError> {
        let (index, sign) = match index.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => (after, 1.0),
            Err(before) => (before.duration(), -1.0),
        };
        let seconds = self.literals.seconds(index.as_secs());
        let seconds = sign * seconds.ok_or_else(|| self.lost())?;
        if seconds.is_finite() && seconds.abs() <= SECONDS_MAX {
            Ok(to_whole((seconds * 1000.0).round()))
        } else {
            Err(self.error(format!("timestamp out of bounds for @ modifier: {seconds}")))
        }
    }

    fn subquery(&self, subquery: &SubqueryExpr, depth: usize) -> Result<Subquery, QueryError> {
        Ok(Subquery {
            node: Box::new(self.node(&subquery.expr, depth)?),
            range_msec: self.range(subquery.range)?,
            step_msec: subquery.step.map(|step| self.range(step)).transpose()?,
            shift: self.shift(subquery.offset.as_ref(), subquery.at.as_ref())?,
        })
    }

    fn call(&self, call: &ParsedCall, depth: usize) -> Result<Call, QueryError> {
        let name = call.func.name;
        let unsupported = || QueryError::Unsupported(format!("the function {name}()"));
        let mut function = functions::find(name).ok_or_else(unsupported)?;
        let arguments: Result<Vec<Node>, QueryError> = call
            .args
            .args
            .iter()
            .map(|argument| self.node(argument, depth))
            .collect();
        let arguments = arguments?;
        if let Function::Absent(labels) | Function::Over(_, labels) = &mut function
            && let Some(Node::Vector(selector) | Node::Range(selector, _)) = arguments.first()
        {
            // Only a bare selector tells what is absent.
            *labels = matchers::absent_labels(&selector.matchers);
        }
        Ok(Call {
            name,
            function,
            arguments,
        })
    }

    fn grouping(&self, modifier: Option<&LabelModifier>) -> Result<Grouping, QueryError> {
        Ok(match modifier {
            None => Grouping::default(),
            Some(LabelModifier::Include(list)) => Grouping {
                only: true,
                names: self.labels(&list.labels)?,
            },
            Some(LabelModifier::Exclude(list)) => Grouping {
                only: false,
                names: self.labels(&list.labels)?,
            },
        })
    }

    fn aggregation(
        &self,
        aggregate: &AggregateExpr,
        depth: usize,
    ) -> Result<Aggregation, QueryError> {
        let name = aggregate.op.to_string();
        let aggregator = match name.as_str() {
            "avg" => Aggregator::Average,
            "bottomk" => Aggregator::BottomK,
            "count" => Aggregator::Count,
            "count_values" => Aggregator::CountValues,
            "group" => Aggregator::Group,
            "max" => Aggregator::Max,
            "min" => Aggregator::Min,
            "quantile" => Aggregator::Quantile,
            "stddev" => Aggregator::StandardDeviation,
            "stdvar" => Aggregator::StandardVariance,
            "sum" => Aggregator::Sum,
            "topk" => Aggregator::TopK,
            _ => return Err(QueryError::Unsupported(format!("the aggregation {name}()"))),
        };
        // Without a modifier, everything is one group.
        let grouping = match &aggregate.modifier {
            None => Grouping {
                only: true,
                names: Vec::new(),
            },
            modifier => self.grouping(modifier.as_ref())?,
        };
        let parameter = match &aggregate.param {
            Some(parameter) => Some(Box::new(self.node(parameter, depth)?)),
            None => None,
        };
        if let (Aggregator::CountValues, Some(Node::Text(label))) =
            (aggregator, parameter.as_deref())
            && label.is_empty()
        {
            return Err(QueryError::Execution(format!(
                "invalid label name {label:?}"
            )));
        }
        Ok(Aggregation {
            aggregator,
            node: Box::new(self.node(&aggregate.expr, depth)?),
            parameter,
            grouping,
        })
    }

    fn binary(&self, binary: &BinaryExpr, depth: usize) -> Result<Binary, QueryError> {
        let name = binary.op.to_string();
        let operator = operator(&name).ok_or_else(|| self.lost())?;
        let modifier = binary.modifier.as_ref();
        if modifier.is_some_and(has_fill) {
            let what = "the modifier fill()".to_owned();
            return Err(QueryError::Unsupported(what));
        }
        let matching = self.grouping(modifier.and_then(|modifier| modifier.matching.as_ref()))?;
        let cardinality = match modifier.map(|modifier| &modifier.card) {
            Some(VectorMatchCardinality::ManyToOne(list)) => {
                Cardinality::ManyToOne(self.labels(&list.labels)?)
            }
            Some(VectorMatchCardinality::OneToMany(list)) => {
                Cardinality::OneToMany(self.labels(&list.labels)?)
            }
            _ => Cardinality::OneToOne,
        };
        if let (true, Cardinality::ManyToOne(extra) | Cardinality::OneToMany(extra)) =
            (matching.only, &cardinality)
            && let Some(label) = extra.iter().find(|label| matching.names.contains(label))
        {
            let message = format!("label {label:?} must not occur in ON and GROUP clause at once");
            return Err(self.error(message));
        }
        Ok(Binary {
            operator,
            left: Box::new(self.node(&binary.lhs, depth)?),
            right: Box::new(self.node(&binary.rhs, depth)?),
            is_bool: modifier.is_some_and(|modifier| modifier.return_bool),
            matching,
            cardinality,
        })
    }
}

fn has_fill(modifier: &BinModifier) -> bool {
    modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some()
}

fn operator(name: &str) -> Option<Operator> {
    Some(match name {
        "+" => Operator::Add,
        "-" => Operator::Subtract,
        "*" => Operator::Multiply,
        "/" => Operator::Divide,
        "%" => Operator::Modulo,
        "^" => Operator::Power,
        "atan2" => Operator::Atan2,
        "==" => Operator::Equal,
        "!=" => Operator::NotEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        "and" => Operator::And,
        "or" => Operator::Or,
        "unless" => Operator::Unless,
        _ => return None,
    })
}
