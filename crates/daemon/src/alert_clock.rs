//! The alert clock outlives the monitor: a file of 16 bytes that is written
//! over at each look, and not synchronised. A kill loses nothing of it, a power
//! cut some seconds; the state database has what it said when an alert last
//! changed, which is never more.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

const NAME: &str = "alert.clock";

/// The file.
#[derive(Debug)]
pub(crate) struct AlertClock {
    file: File,
}

impl AlertClock {
    /// Opens the file in the state folder, and reads it: the milliseconds that
    /// were counted, `None` where it is new or was torn.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Option<i64>)> {
        let path = folder.join(NAME);
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let mut bytes = [0; 16];
        let read = file.read_exact_at(&mut bytes, 0);
        Ok((Self { file }, read.ok().and_then(|()| parse(bytes))))
    }

    /// Writes what it says now.
    pub(crate) fn write(&self, msec: i64) -> io::Result<()> {
        self.file.write_all_at(&render(msec), 0)
    }
}

/// The number and its complement, little-endian.
fn render(msec: i64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&msec.to_le_bytes());
    bytes[8..].copy_from_slice(&(!msec).to_le_bytes());
    bytes
}

fn parse(bytes: [u8; 16]) -> Option<i64> {
    let number = |half: &[u8]| Some(i64::from_le_bytes(half.try_into().ok()?));
    let (msec, complement) = (number(&bytes[..8])?, number(&bytes[8..])?);
    (msec == !complement && msec >= 0).then_some(msec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_where_it_was_and_nothing_torn_is_believed() {
        let folder = tempfile::TempDir::new().unwrap();
        let (clock, before) = AlertClock::open(folder.path()).unwrap();
        assert_eq!(before, None);
        clock.write(1_234).unwrap();
        clock.write(5_678).unwrap();
        assert_eq!(AlertClock::open(folder.path()).unwrap().1, Some(5_678));
        for at in 0..16 {
            let mut bytes = render(5_678);
            bytes[at] ^= 1;
            assert_eq!(parse(bytes), None, "byte {at}");
        }
    }
}
