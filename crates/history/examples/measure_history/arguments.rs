//! The words behind a command.

use std::collections::HashMap;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Failure;

/// A file and options.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) file: PathBuf,
    options: HashMap<String, String>,
}

impl Arguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let file = words.next().ok_or(super::USAGE)?.into();
        let mut options = HashMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or(super::USAGE)?;
            options.insert(name.to_owned(), words.next().ok_or(super::USAGE)?);
        }
        Ok(Self { file, options })
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    pub(crate) fn number<N: FromStr>(&self, name: &str, default: N) -> Result<N, Failure> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| format!("--{name}: expected a number, found {text:?}").into()),
        }
    }
}
