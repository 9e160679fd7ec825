//! A file that holds disk space back, so that the end of a build can still be
//! written down on a full disk.

use std::fs::{self, File};
use std::path::Path;

use rustix::fs::FallocateFlags;

/// Enough for the last records of a run and the write-ahead log they go to.
const RESERVE_BYTES: u64 = 256 * 1024;

const NAME: &str = "reserve";

/// Makes the file where it is missing. On a disk that is nearly full already
/// there is none, and that is no error: there is only nothing to fall back to.
pub(crate) fn hold(folder: &Path) {
    let path = folder.join(NAME);
    if path
        .metadata()
        .is_ok_and(|data| data.len() == RESERVE_BYTES)
    {
        return;
    }
    let held = File::create(&path).and_then(|file| {
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES)
            .map_err(std::io::Error::from)
    });
    if held.is_err() {
        release(folder);
    }
}

/// Gives the space back to the disk. `true` if there was any.
pub(crate) fn release(folder: &Path) -> bool {
    fs::remove_file(folder.join(NAME)).is_ok()
}
