//! Texts as numbers: names, command lines and steps are few, and come again and
//! again.

use std::collections::HashMap;
use std::sync::Arc;

use crate::codec::Damage;
use crate::moments::bytes::{Bytes, NONE, put, put_text};
use crate::moments::frame::Step;

/// Longer command lines are cut.
const TEXT_BYTES_MAX: usize = 1024;

/// Texts in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Texts {
    numbers: HashMap<Arc<str>, u32>,
    all: Vec<Arc<str>>,
}

impl Texts {
    pub(super) fn number(&mut self, text: &Arc<str>) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return u64::from(*number);
        }
        let Ok(number) = u32::try_from(self.all.len()) else {
            return NONE;
        };
        self.all.push(Arc::clone(text));
        self.numbers.insert(Arc::clone(text), number);
        u64::from(number)
    }

    pub(super) fn step_number(&mut self, step: &Step) -> u64 {
        self.number(&Arc::from(format!("{} {}", step.run, step.id)))
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.all.clear();
    }

    /// Writes those from the number `from` on, and how many.
    pub(super) fn write_from(&self, from: usize, out: &mut Vec<u8>) {
        let new = self.all.get(from..).unwrap_or_default();
        put(out, new.len() as u64);
        for text in new {
            put_text(out, cut(text));
        }
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Texts by their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct TextTable {
    all: Vec<Arc<str>>,
    steps: HashMap<u64, Arc<Step>>,
}

impl TextTable {
    /// Reads what [`Texts::write_from`] wrote.
    pub(super) fn read_more(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Damage> {
        for _ in 0..bytes.count()? {
            self.all.push(Arc::from(bytes.text()?));
        }
        Ok(())
    }

    pub(super) fn get(&self, number: u64) -> Option<&Arc<str>> {
        self.all.get(usize::try_from(number).ok()?)
    }

    pub(super) fn step(&mut self, number: u64) -> Option<Arc<Step>> {
        if let Some(step) = self.steps.get(&number) {
            return Some(Arc::clone(step));
        }
        let (run, id) = self.get(number)?.split_once(' ')?;
        let step = Arc::new(Step {
            run: run.parse().ok()?,
            id: id.to_owned(),
        });
        self.steps.insert(number, Arc::clone(&step));
        Some(step)
    }
}
