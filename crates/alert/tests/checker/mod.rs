//! Stands for PromQL, which is read in another crate: brackets must match, and
//! `!` stands only before `=` and `~`.

use lfs_wrapper_alert::document::{ExprCheck, ExprError};

pub(crate) struct Brackets;

impl ExprCheck for Brackets {
    fn check(&self, expr: &str) -> Result<(), ExprError> {
        let mut open = Vec::new();
        for (row, line) in expr.lines().enumerate() {
            let chars: Vec<char> = line.chars().collect();
            for (column, c) in chars.iter().enumerate() {
                let wrong = |message: &str| ExprError {
                    line: row + 1,
                    column: column + 1,
                    message: message.to_owned(),
                };
                match c {
                    '(' => open.push(wrong("'(' is never closed")),
                    ')' if open.pop().is_none() => return Err(wrong("')' closes nothing")),
                    '!' if !matches!(chars.get(column + 1), Some('=' | '~')) => {
                        return Err(wrong("'!' is no operator"));
                    }
                    _ => {}
                }
            }
        }
        open.pop().map_or(Ok(()), Err)
    }
}
