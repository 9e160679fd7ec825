//! Names of users: `/etc/passwd` (passwd(5)). Users of a directory service have
//! none there; asking for them could block, so they stay numbers.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::source::Source;
use crate::text::{lines, parse_name, parse_u64};

/// More users than this are shown as numbers.
const USERS_MAX: usize = 4096;

/// A longer name is somebody's mistake.
const NAME_MAX_BYTES: usize = 256;

/// What tells that the file is another.
type Version = (u64, u64, Option<SystemTime>);

/// The users that the machine knows by itself.
#[derive(Debug)]
pub struct UserNames {
    path: PathBuf,
    version: Option<Version>,
    names: HashMap<u32, String>,
}

impl UserNames {
    /// The users of the machine below `rootfs`, none before the first refresh.
    pub fn new(rootfs: &Path) -> Self {
        Self {
            path: rootfs.join("etc/passwd"),
            version: None,
            names: HashMap::new(),
        }
    }

    /// Reads the file again if it is another than before.
    pub(crate) fn refresh(&mut self, source: &mut Source) {
        let metadata = fs::metadata(&self.path).ok();
        let version = metadata.map(|file| (file.ino(), file.len(), file.modified().ok()));
        if version == self.version {
            return;
        }
        let names = version.and_then(|_| source.read_text(&self.path).map(parse_passwd).ok());
        self.names = names.unwrap_or_default();
        self.version = version;
    }

    /// A user's name, or its number where it has none.
    pub fn render(&self, uid: u32) -> Cow<'_, str> {
        match self.names.get(&uid) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(uid.to_string()),
        }
    }
}

/// Parses `name:password:uid:…` lines; the first line of a number counts, as
/// it does for getpwuid(3).
fn parse_passwd(text: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in lines(text) {
        let mut columns = line.split(|byte| *byte == b':');
        let name = columns.next().unwrap_or_default();
        let uid = columns.nth(1).and_then(parse_u64);
        let Some(uid) = uid.and_then(|uid| u32::try_from(uid).ok()) else {
            continue;
        };
        if (1..=NAME_MAX_BYTES).contains(&name.len()) && names.len() < USERS_MAX {
            names.entry(uid).or_insert_with(|| parse_name(name));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rootfs(passwd: &str) -> tempfile::TempDir {
        let rootfs = tempfile::TempDir::new().unwrap();
        fs::create_dir(rootfs.path().join("etc")).unwrap();
        fs::write(rootfs.path().join("etc/passwd"), passwd).unwrap();
        rootfs
    }

    #[test]
    fn users_have_names_or_numbers() {
        let rootfs = rootfs(
            "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n:x:5:5::/:\n\
            odd:x:-1:0::/:\nbig:x:4294967296:0::/:\nshort\nmail:x:8\ncut:x:9:9:",
        );
        let mut users = UserNames::new(rootfs.path());
        assert_eq!(users.render(0), "0");
        users.refresh(&mut Source::default());
        for (uid, name) in [
            (0, "root"),
            (5, "5"),
            (8, "mail"),
            (9, "9"),
            (u32::MAX, "4294967295"),
        ] {
            assert_eq!(users.render(uid), name);
        }
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_lost_one_forgotten() {
        let rootfs = rootfs("root:x:0:\n");
        let source = &mut Source::default();
        let mut users = UserNames::new(rootfs.path());
        users.refresh(source);
        fs::write(rootfs.path().join("etc/passwd"), "admin:x:0:\n").unwrap();
        users.refresh(source);
        assert_eq!(users.render(0), "admin");
        fs::remove_file(rootfs.path().join("etc/passwd")).unwrap();
        users.refresh(source);
        assert_eq!(users.render(0), "0");
    }

    #[test]
    fn the_list_is_bounded() {
        let text = (0..10_000).fold(String::new(), |text, uid| format!("{text}u:x:{uid}:\n"));
        assert_eq!(parse_passwd(text.as_bytes()).len(), USERS_MAX);
    }
}
