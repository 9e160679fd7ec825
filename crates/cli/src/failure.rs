//! Why a command did not do what it was asked to, and the exit status that
//! says so.

use std::process::ExitCode;

use lfs_wrapper_build::plan::PlanError;
use lfs_wrapper_build::supervisor::SuperviseError;
use lfs_wrapper_daemon::MonitorError;
use lfs_wrapper_history::{ErrorKind, HistoryError, QueryError, ReadError};
use lfs_wrapper_host::config::ConfigError;
use lfs_wrapper_state::{DatabaseError, DirectoryError};

use crate::terminal::{Style, say};

/// The exit statuses; 0 is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The thing asked about is bad.
    Bad = 1,
    /// Wrong usage.
    Usage = 2,
    /// Wrong configuration.
    Config = 3,
    /// The environment lacks something.
    Environment = 4,
    /// No permission.
    Permission = 5,
    /// Not found.
    NotFound = 6,
    /// Interrupted.
    Interrupted = 130,
}

impl From<Kind> for ExitCode {
    fn from(kind: Kind) -> Self {
        Self::from(kind as u8)
    }
}

/// An error that ends a command.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// What went wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Tells the user, and gives the exit status.
    pub(crate) fn report(self, style: Style) -> ExitCode {
        say(&format!("{}: {}", style.bad("error"), self.message));
        self.kind.into()
    }

    fn of_io(error: &std::io::Error) -> Kind {
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Kind::Permission,
            std::io::ErrorKind::NotFound => Kind::NotFound,
            _ => Kind::Environment,
        }
    }

    /// An error of the operating system while doing `what`.
    pub(crate) fn io(what: impl Into<String>, error: &std::io::Error) -> Self {
        Self::new(Self::of_io(error), format!("{}: {error}", what.into()))
    }
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        let kind = match &error {
            DirectoryError::ForeignOwner { .. } => Kind::Permission,
            DirectoryError::Io { source, .. } => Self::of_io(source),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        let kind = match &error {
            DatabaseError::Damaged { .. } => Kind::Bad,
            DatabaseError::Foreign { .. } | DatabaseError::Newer { .. } => Kind::Config,
            DatabaseError::Aside { .. } | DatabaseError::Sqlite { .. } => Kind::Environment,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Kind::Config, error.to_string())
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        let kind = match &error {
            HistoryError::Foreign { .. } | HistoryError::Version { .. } => Kind::Config,
            HistoryError::Damaged { .. } => Kind::Bad,
            HistoryError::Busy { .. }
            | HistoryError::NoRoom { .. }
            | HistoryError::NoRoomToSave { .. }
            | HistoryError::Sqlite { .. } => Kind::Environment,
            HistoryError::Io { source, .. } => Self::of_io(source),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        let kind = match error.kind() {
            ErrorKind::BadData => Kind::Usage,
            ErrorKind::Execution | ErrorKind::Timeout => Kind::Bad,
            ErrorKind::Internal => Kind::Environment,
        };
        Self::new(kind, format!("answering the query: {error}"))
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let kind = match error {
            ReadError::Store(_) => Kind::Environment,
            ReadError::TimedOut | ReadError::TooManySeries { .. } | ReadError::TooMuch { .. } => {
                Kind::Bad
            }
        };
        Self::new(kind, error.to_string())
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let kind = match &error {
            PlanError::NotFound { .. } | PlanError::NoScripts { .. } => Kind::NotFound,
            PlanError::Io { source, .. } => Self::of_io(source),
            PlanError::Document(_) => Kind::Config,
            PlanError::NotUtf8 { .. } => Kind::Usage,
            PlanError::NotExecutable { .. } => Kind::Permission,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<SuperviseError> for Failure {
    fn from(error: SuperviseError) -> Self {
        let kind = match error {
            SuperviseError::Database(error) => return error.into(),
            SuperviseError::NoRun { .. } => Kind::NotFound,
            SuperviseError::Busy { .. } => Kind::Usage,
            SuperviseError::NoProc => Kind::Environment,
            SuperviseError::NothingLeft { .. } => Kind::Bad,
            SuperviseError::Unrecordable { .. } => Kind::Environment,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<MonitorError> for Failure {
    fn from(error: MonitorError) -> Self {
        let kind = match error {
            MonitorError::Database(error) => return error.into(),
            MonitorError::Listen { ref source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => Kind::Permission,
                _ => Kind::Environment,
            },
            MonitorError::RemoteWrite(_) | MonitorError::Rule(_) => Kind::Config,
            MonitorError::History(_)
            | MonitorError::Read(_)
            | MonitorError::Running { .. }
            | MonitorError::Io { .. } => Kind::Environment,
        };
        Self::new(kind, error.to_string())
    }
}
