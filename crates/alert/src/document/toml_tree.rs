//! TOML as a tree.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::tree::{Entry, Node, Value, Wrong};

pub(super) fn parse(text: &str) -> Result<Node, Wrong> {
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        Wrong::new(&span, error.message())
    })?;
    let span = table.span();
    Ok(Node {
        span: span.clone(),
        value: map(table.get_ref()),
    })
}

fn map(table: &DeTable<'_>) -> Value {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: key.span(),
            node: node(value.span(), value.get_ref()),
        })
        .collect();
    // The first thing that is wrong in the file is told first.
    entries.sort_by_key(|entry| entry.key_span.start);
    Value::Map(entries)
}

fn node(span: Range<usize>, value: &DeValue<'_>) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => Value::Number(
            i64::from_str_radix(integer.as_str(), integer.radix())
                .map_or(f64::INFINITY, |integer| integer as f64),
        ),
        DeValue::Float(float) => Value::Number(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(array) => Value::List(
            array
                .iter()
                .map(|item| node(item.span(), item.get_ref()))
                .collect(),
        ),
        DeValue::Table(table) => map(table),
    };
    Node { span, value }
}
