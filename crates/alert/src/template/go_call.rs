//! Functions of Go's templates as expressions of ours.

use std::ops::Range;

use super::TemplateError;

/// Filters of ours, by the name of Go's function of one argument.
pub(super) const FUNCTIONS: [(&str, &str); 8] = [
    ("humanize", "humanize"),
    ("humanize1024", "humanize1024"),
    ("humanizePercentage", "humanize_percentage"),
    ("humanizeDuration", "humanize_duration"),
    ("humanizeTimestamp", "humanize_timestamp"),
    ("title", "title"),
    ("toUpper", "upper"),
    ("toLower", "lower"),
];

const COMPARISONS: [(&str, &str); 6] = [
    ("eq", "=="),
    ("ne", "!="),
    ("lt", "<"),
    ("le", "<="),
    ("gt", ">"),
    ("ge", ">="),
];

/// What Prometheus knows and this does not.
pub(super) fn unsupported(span: Range<usize>, what: &str) -> TemplateError {
    TemplateError::new(span, format!("{what} is not supported here")).with_help(
        "supported: $labels, $value, printf, print, humanize, humanize1024, \
         humanizePercentage, humanizeDuration, humanizeTimestamp, title, toUpper, toLower, reReplaceAll, index, \
         if, with, eq, ne, lt, le, gt, ge, and, or, not",
    )
}

/// The function `name` of Go's templates with its arguments, in our syntax.
pub(super) fn call(
    name: &str,
    arguments: &[String],
    span: Range<usize>,
) -> Result<String, TemplateError> {
    let find = |table: &'static [(&str, &str)]| {
        table
            .iter()
            .find(|(go, _)| *go == name)
            .map(|(_, ours)| *ours)
    };
    if let (Some(filter), [value]) = (find(&FUNCTIONS), arguments) {
        return Ok(format!("({value} | {filter})"));
    }
    match (name, find(&COMPARISONS), arguments) {
        (_, Some(operator), [left, right]) => Ok(format!("({left} {operator} {right})")),
        ("eq", _, [left, rest @ ..]) if !rest.is_empty() => {
            let each: Vec<String> = rest
                .iter()
                .map(|right| format!("({left} == {right})"))
                .collect();
            Ok(format!("({})", each.join(" or ")))
        }
        ("and" | "or", _, [_, _, ..]) => Ok(format!("({})", arguments.join(&format!(" {name} ")))),
        ("not", _, [value]) => Ok(format!("(not {value})")),
        ("printf", _, [_, ..]) => Ok(format!("printf({})", arguments.join(", "))),
        ("print", _, [_, ..]) => Ok(format!(
            "printf(\"{}\", {})",
            "%v".repeat(arguments.len()),
            arguments.join(", ")
        )),
        ("reReplaceAll", _, [pattern, new, text]) => {
            Ok(format!("({text} | re_replace({pattern}, {new}))"))
        }
        ("index", _, [map, key]) if map == "labels" => Ok(format!("labels[{key}]")),
        _ if find(&FUNCTIONS).is_some()
            || find(&COMPARISONS).is_some()
            || [
                "and",
                "or",
                "not",
                "printf",
                "print",
                "reReplaceAll",
                "index",
            ]
            .contains(&name) =>
        {
            let count = arguments.len();
            let message = format!("'{name}' with {count} values");
            Err(TemplateError::new(span, message)
                .with_help("give it as many as Prometheus' template reference says"))
        }
        _ => Err(unsupported(
            span,
            &format!("'{}'", lfs_wrapper_model::visible(name)),
        )),
    }
}
