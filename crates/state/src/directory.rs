use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// The folder that holds everything the program keeps, and the runtime folder
/// for what need not outlive a boot. Both belong to the user who runs it.
#[derive(Clone, Debug)]
pub struct StateDir {
    root: PathBuf,
    runtime: PathBuf,
}

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The folder is there, but somebody else's.
    #[error(
        "opening the state folder {path}: it belongs to user {owner}, and this is user {user}; \
         run as that user, or give another folder with --state-dir"
    )]
    ForeignOwner {
        /// The folder.
        path: PathBuf,
        /// The uid it belongs to.
        owner: u32,
        /// The uid of this process.
        user: u32,
    },
    /// The folder cannot be made or looked at.
    #[error("{what} {path}: {source}; give a folder that can be written with --state-dir")]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which folder.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

impl StateDir {
    /// Makes both folders where they are missing (mode 0700) and checks that
    /// they belong to the user of this process.
    pub fn open(root: &Path, runtime: &Path) -> Result<Self, DirectoryError> {
        open_own_folder(root)?;
        open_own_folder(runtime)?;
        let absolute = |path: &Path| {
            fs::canonicalize(path).map_err(|source| DirectoryError::Io {
                what: "resolving",
                path: path.to_owned(),
                source,
            })
        };
        Ok(Self {
            root: absolute(root)?,
            runtime: absolute(runtime)?,
        })
    }

    /// The folder itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// For sockets and status files; gone after a boot.
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// Where `NAME.status` files lie.
    pub fn status_files(&self) -> PathBuf {
        self.runtime.join("status")
    }

    /// The logs of the attempts, one folder for each run.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The build folders of the attempts, one folder for each run.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }
}

fn open_own_folder(path: &Path) -> Result<(), DirectoryError> {
    let io_error = |what, source| DirectoryError::Io {
        what,
        path: path.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| io_error("making the state folder", source))?;
    let owner = fs::metadata(path)
        .map_err(|source| io_error("looking at the state folder", source))?
        .uid();
    let user = rustix::process::geteuid().as_raw();
    if owner == user {
        Ok(())
    } else {
        Err(DirectoryError::ForeignOwner {
            path: path.to_owned(),
            owner,
            user,
        })
    }
}
