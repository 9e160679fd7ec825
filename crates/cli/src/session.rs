//! One call of the program: what was asked for in general, and what it gives
//! access to.

use std::env;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use lfs_wrapper_host::config::Config;
use lfs_wrapper_model::Severity;
use lfs_wrapper_state::audit::{self, Entry};
use lfs_wrapper_state::{Database, StateDir};

use crate::failure::{Failure, Kind};
use crate::places::{Places, plan_places};
use crate::terminal::Style;

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct General {
    /// Results as JSON: one document, or one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The folder for everything the program keeps
    #[arg(long, global = true, value_name = "DIR", env = "LFS_WRAPPER_STATE_DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Say more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Say only what is wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Whether to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) json: bool,
    pub(crate) verbose: u8,
    pub(crate) quiet: bool,
    color: Color,
    places: Option<Places>,
    config_given: Option<PathBuf>,
}

impl Session {
    pub(crate) fn new(general: &General) -> Self {
        let root = rustix::process::geteuid().is_root();
        let variable = |name: &str| env::var_os(name).map(PathBuf::from);
        Self {
            json: general.json,
            verbose: general.verbose,
            quiet: general.quiet,
            color: general.color,
            places: plan_places(general.state_dir.as_deref(), root, variable),
            config_given: general.config.clone(),
        }
    }

    fn places(&self) -> Result<&Places, Failure> {
        let lost = "finding the state folder: neither HOME nor XDG_STATE_HOME is set; \
                    give a folder with --state-dir";
        self.places
            .as_ref()
            .ok_or_else(|| Failure::new(Kind::Environment, lost))
    }

    /// Where the state folder is or would be.
    pub(crate) fn state_path(&self) -> Result<&Path, Failure> {
        Ok(&self.places()?.state)
    }

    /// The state folder, made where it is missing.
    pub(crate) fn state_dir(&self) -> Result<StateDir, Failure> {
        let places = self.places()?;
        Ok(StateDir::open(&places.state, &places.runtime)?)
    }

    /// The state folder and its database.
    pub(crate) fn open(&self) -> Result<(StateDir, Database), Failure> {
        let state_dir = self.state_dir()?;
        let database = Database::open(&state_dir)?;
        Ok((state_dir, database))
    }

    /// Whether there is a state folder to open.
    pub(crate) fn has_state(&self) -> bool {
        self.places().is_ok_and(|places| places.state.is_dir())
    }

    /// The configuration, and where it was looked for.
    pub(crate) fn config(&self) -> Result<(Config, PathBuf), Failure> {
        let path = match &self.config_given {
            Some(path) => path.clone(),
            None => self.places()?.config.clone(),
        };
        let config = Config::read(&path, self.config_given.is_some())?;
        Ok((config, path))
    }

    /// Appends a record to the audit log.
    pub(crate) fn audit(
        &self,
        database: &Database,
        unit: &str,
        what: &str,
        outcome: &str,
    ) -> Result<(), Failure> {
        let write = || {
            let transaction = database.begin()?;
            let entry = Entry {
                unit,
                level: Severity::Info,
                what,
                outcome,
            };
            audit::append(&transaction, &entry)?;
            transaction.commit()
        };
        write().map_err(|error| database.error(error).into())
    }

    pub(crate) fn style(&self) -> Style {
        self.style_of(io::stdout().is_terminal())
    }

    pub(crate) fn error_style(&self) -> Style {
        self.style_of(io::stderr().is_terminal())
    }

    fn style_of(&self, terminal: bool) -> Style {
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Style::new(match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !no_color,
        })
    }
}
