//! Small made-up trees for tests of readers.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use lfs_wrapper_model::metric::Point;
use tempfile::TempDir;

use crate::roots::Roots;
use crate::source::Source;

/// A folder with `proc`, `sys` and `root` in it, gone with the value.
pub(crate) struct Tree {
    folder: TempDir,
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(Path::new(target), path).unwrap();
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots {
            procfs: self.path("proc"),
            sysfs: self.path("sys"),
            rootfs: self.path("root"),
        }
    }
}

/// What a reader gives for a tree, as lines of series and value, sorted. That
/// it writes down nothing as absent is part of what is asked.
pub(crate) fn render(
    tree: &Tree,
    read: impl Fn(&mut Source, &Roots, &mut Vec<Point>),
) -> Vec<String> {
    let (mut source, mut points) = (Source::default(), Vec::new());
    read(&mut source, &tree.roots(), &mut points);
    assert_eq!(source.take_absent(), []);
    let mut lines: Vec<String> = points
        .iter()
        .map(|point| format!("{} {}", point.series(), point.value))
        .collect();
    lines.sort();
    lines
}
