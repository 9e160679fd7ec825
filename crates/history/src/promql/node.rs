//! A query as a tree.

use lfs_wrapper_model::TimeMsec;

use crate::labels::Labels;
use crate::source::Matcher;

/// What a node gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar,
    Vector,
    Matrix,
    Text,
}

/// When a selector or subquery looks, apart from the moment of evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shift {
    pub(super) offset_msec: i64,
    pub(super) at: Option<At>,
}

/// `@`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Start,
    End,
    Time(TimeMsec),
}

/// Which series, and when.
#[derive(Debug)]
pub(super) struct Selector {
    pub(super) matchers: Vec<Matcher>,
    pub(super) shift: Shift,
}

/// An expression in brackets with a range and a step.
#[derive(Debug)]
pub(super) struct Subquery {
    pub(super) node: Box<Node>,
    pub(super) range_msec: i64,
    pub(super) step_msec: Option<i64>,
    pub(super) shift: Shift,
}

/// A function of values, one each.
pub(super) type Plain = fn(f64) -> f64;

/// A function of a window of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Absent,
    Average,
    Changes,
    Count,
    Delta,
    Derivative,
    InstantDelta,
    InstantRate,
    Increase,
    Last,
    Max,
    Min,
    PredictLinear,
    Present,
    Quantile,
    Rate,
    Resets,
    StandardDeviation,
    StandardVariance,
    Sum,
}

/// A part of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DatePart {
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    DaysInMonth,
    Hour,
    Minute,
    Month,
    Year,
}

/// What is called.
#[derive(Clone, Debug)]
pub(super) enum Function {
    /// One value to one value.
    Plain(Plain),
    /// With the labels of the one series that is absent.
    Absent(Labels),
    Clamp,
    ClampMax,
    ClampMin,
    Date(DatePart),
    HistogramFraction,
    HistogramQuantile,
    LabelJoin,
    LabelReplace,
    /// Of a window; the labels are of the series that `absent_over_time` makes.
    Over(Over, Labels),
    Pi,
    Round,
    Scalar,
    Sort {
        descending: bool,
    },
    Time,
    Timestamp,
    Vector,
}

/// How a vector is aggregated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregator {
    Average,
    BottomK,
    Count,
    CountValues,
    Group,
    Max,
    Min,
    Quantile,
    StandardDeviation,
    StandardVariance,
    Sum,
    TopK,
}

/// Which labels count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Grouping {
    /// `by` and `on`; else `without` and `ignoring`.
    pub(super) only: bool,
    pub(super) names: Vec<String>,
}

/// An operator between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Atan2,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Unless,
}

impl Operator {
    pub(super) fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessOrEqual
                | Self::Greater
                | Self::GreaterOrEqual
        )
    }

    pub(super) fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

/// Which side has many series for one of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cardinality {
    OneToOne,
    /// `group_left`, with the labels taken from the right side.
    ManyToOne(Vec<String>),
    /// `group_right`, with the labels taken from the left side.
    OneToMany(Vec<String>),
}

/// Two expressions and what joins them.
#[derive(Debug)]
pub(super) struct Binary {
    pub(super) operator: Operator,
    pub(super) left: Box<Node>,
    pub(super) right: Box<Node>,
    pub(super) is_bool: bool,
    pub(super) matching: Grouping,
    pub(super) cardinality: Cardinality,
}

/// An aggregation.
#[derive(Debug)]
pub(super) struct Aggregation {
    pub(super) aggregator: Aggregator,
    pub(super) node: Box<Node>,
    pub(super) parameter: Option<Box<Node>>,
    pub(super) grouping: Grouping,
}

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) function: Function,
    pub(super) arguments: Vec<Node>,
}

/// A query as a tree.
#[derive(Debug)]
pub(super) enum Node {
    Number(f64),
    Text(String),
    Vector(Selector),
    Range(Selector, i64),
    Subquery(Subquery),
    Call(Call),
    Aggregation(Aggregation),
    Binary(Binary),
    Negation(Box<Node>),
    /// The same at each moment: evaluated once.
    Fixed(Box<Node>),
}

impl Node {
    /// Calls `visit` with each selector of the query.
    pub(super) fn visit_selectors<'node>(&'node self, visit: &mut impl FnMut(&'node Selector)) {
        match self {
            Self::Number(_) | Self::Text(_) => {}
            Self::Vector(selector) | Self::Range(selector, _) => visit(selector),
            Self::Subquery(subquery) => subquery.node.visit_selectors(visit),
            Self::Call(call) => {
                for argument in &call.arguments {
                    argument.visit_selectors(visit);
                }
            }
            Self::Aggregation(aggregation) => {
                aggregation.node.visit_selectors(visit);
                if let Some(parameter) = &aggregation.parameter {
                    parameter.visit_selectors(visit);
                }
            }
            Self::Binary(binary) => {
                binary.left.visit_selectors(visit);
                binary.right.visit_selectors(visit);
            }
            Self::Negation(node) | Self::Fixed(node) => node.visit_selectors(visit),
        }
    }

    /// What it gives.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Number(_) => Kind::Scalar,
            Self::Text(_) => Kind::Text,
            Self::Vector(_) | Self::Aggregation(_) => Kind::Vector,
            Self::Range(..) | Self::Subquery(_) => Kind::Matrix,
            Self::Call(call) => match call.function {
                Function::Pi | Function::Scalar | Function::Time => Kind::Scalar,
                _ => Kind::Vector,
            },
            Self::Binary(binary) => match (binary.left.kind(), binary.right.kind()) {
                (Kind::Scalar, Kind::Scalar) => Kind::Scalar,
                _ => Kind::Vector,
            },
            Self::Negation(node) | Self::Fixed(node) => node.kind(),
        }
    }
}
