//! Captured trees of whole machines, read as a live one is.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use lfs_wrapper_kernel::{Look, Reader, Roots, Sample, Space, StatFn, expose};
use lfs_wrapper_model::metric::render_prometheus;

/// The trees that `capture` and `make-large` made.
pub(crate) const MACHINES: [&str; 3] = ["idle", "loaded", "large"];

/// 1000 bytes, 600 used, 300 of the rest for everybody.
const SPACE: Space = Space {
    size_bytes: Some(1000),
    free_bytes: Some(400),
    available_bytes: Some(300),
    files: Some(50),
    files_free: Some(20),
};

/// Where a captured tree is.
pub(crate) fn fixture(machine: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    folder.join(machine)
}

/// A reader of the tree in `folder`, whose file systems are all alike.
pub(crate) fn reader(folder: &Path) -> Reader {
    let roots = Roots {
        procfs: folder.join("proc"),
        sysfs: folder.join("sys"),
        rootfs: folder.join("root"),
    };
    let mut reader = Reader::with_stat(roots, StatFn::new(|_| Ok(SPACE)));
    reader.set_look(Look::Lean);
    reader
}

/// Copies a tree; the files' paths from there. Links stay links.
pub(crate) fn copy(from: &Path, to: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(from.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().unwrap();
            if kind.is_symlink() {
                symlink(fs::read_link(entry.path()).unwrap(), to.join(&path)).unwrap();
            } else if kind.is_dir() {
                fs::create_dir(to.join(&path)).unwrap();
                folders.push(path);
            } else if path != Path::new("expected.prom") {
                fs::copy(entry.path(), to.join(&path)).unwrap();
                files.push(path);
            }
        }
    }
    files
}

/// One look at the tree in `folder`.
pub(crate) fn read(folder: &Path) -> Sample {
    reader(folder).read(None)
}

/// Prometheus text, taken apart.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Exposition {
    /// The value of each series, by its text with labels in order.
    pub(crate) values: BTreeMap<String, f64>,
    /// `# HELP` and `# TYPE` lines, by their first three words.
    pub(crate) about: BTreeMap<String, String>,
    /// Series that are there more than once, which no reader of the text takes.
    pub(crate) repeated: Vec<String>,
}

/// Takes Prometheus text apart.
pub(crate) fn parse(text: &str) -> Exposition {
    let mut found = Exposition::default();
    for line in text.lines() {
        if line.starts_with('#') {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            let about = words.get(3).copied().unwrap_or_default();
            found.about.insert(words[..3].join(" "), about.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let before = found
                .values
                .insert(series.to_owned(), value.parse().unwrap());
            found.repeated.extend(before.map(|_| series.to_owned()));
        }
    }
    found
}

/// What a sample of the tree in `folder` is exposed as, folders as seen from
/// there.
pub(crate) fn exposition(sample: &Sample, folder: &Path) -> Exposition {
    let text = render_prometheus(&expose(sample));
    parse(&text.replace(&format!("{}/", folder.display()), ""))
}

/// The metric's name of a series.
pub(crate) fn name(series: &str) -> &str {
    series.split('{').next().unwrap_or_default()
}
