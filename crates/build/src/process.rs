//! Processes: who one is for certain, what it has started, and how to end it.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::str::FromStr;

use rustix::process::{Pid, PidfdFlags, Signal};

/// A process for certain: a pid alone may have been given to another process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    boot: String,
    /// The process id.
    pub pid: u32,
    start_ticks: u64,
}

/// What `/proc/PID/stat` says of a process' place (proc_pid_stat(5)).
struct Place {
    pid: u32,
    state: u8,
    parent: u32,
    start_ticks: u64,
}

impl Identity {
    /// The process that has this pid now; `None` when there is none.
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self {
            boot: read_boot_id(),
            pid,
            start_ticks: read_place(pid)?.start_ticks,
        })
    }

    /// This process.
    pub fn current() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// Whether the process still runs; one that only waits to be reaped does not.
    pub fn is_alive(&self) -> bool {
        let same = |place: Place| place.start_ticks == self.start_ticks && place.state != b'Z';
        self.boot == read_boot_id() && read_place(self.pid).is_some_and(same)
    }

    /// Sends `signal`, to this process or to none. `false` when it is gone.
    pub fn signal(&self, signal: Signal) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return false;
        };
        // The descriptor holds the process; only then is it looked at.
        match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) if self.is_alive() => {
                rustix::process::pidfd_send_signal(pidfd, signal).is_ok()
            }
            _ => false,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.boot, self.pid, self.start_ticks)
    }
}

/// A text that is no process identity.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no process identity")]
pub struct NotAnIdentity(String);

impl FromStr for Identity {
    type Err = NotAnIdentity;

    fn from_str(text: &str) -> Result<Self, NotAnIdentity> {
        let parse = || {
            let mut parts = text.split(':');
            let identity = Self {
                boot: parts.next()?.to_owned(),
                pid: parts.next()?.parse().ok()?,
                start_ticks: parts.next()?.parse().ok()?,
            };
            parts.next().is_none().then_some(identity)
        };
        parse().ok_or_else(|| NotAnIdentity(text.to_owned()))
    }
}

fn read_boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

fn read_place(pid: u32) -> Option<Place> {
    parse_place(pid, &fs::read(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_place(pid: u32, stat: &[u8]) -> Option<Place> {
    // The name stands in parentheses and may hold any byte, parentheses too.
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    let start_ticks = fields.nth(17)?.parse().ok()?;
    Some(Place {
        pid,
        state,
        parent,
        start_ticks,
    })
}

/// Every live process that `root` or one of its descendants has started; with
/// `root` as child subreaper these are all, whatever they did to get away.
pub(crate) fn read_descendants(root: u32) -> Vec<Identity> {
    let boot = read_boot_id();
    let mut children: HashMap<u32, Vec<Place>> = HashMap::new();
    for place in read_all_places() {
        children.entry(place.parent).or_default().push(place);
    }
    let mut found = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for place in children.remove(&parent).unwrap_or_default() {
            parents.push(place.pid);
            if place.state != b'Z' {
                found.push(Identity {
                    boot: boot.clone(),
                    pid: place.pid,
                    start_ticks: place.start_ticks,
                });
            }
        }
    }
    found
}

/// Every live process of this user whose environment holds `variable`
/// (`NAME=value`): what is left of an attempt whose keeper was killed and that
/// had no control group.
pub(crate) fn read_marked(variable: &str) -> Vec<Identity> {
    let is_marked = |pid: u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == variable.as_bytes())
    };
    read_all_places()
        .filter(|place| place.state != b'Z' && is_marked(place.pid))
        .filter_map(|place| Identity::of(place.pid))
        .collect()
}

fn read_all_places() -> impl Iterator<Item = Place> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| read_place(entry.file_name().to_str()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_move_the_fields() {
        let stat = b"42 (a) S 9 (b) R 7 1 1 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 12345 0 0";
        let place = parse_place(42, stat).unwrap();
        assert_eq!(
            (place.state, place.parent, place.start_ticks),
            (b'R', 7, 12_345)
        );
    }

    #[test]
    fn an_identity_is_read_back_and_another_start_is_another_process() {
        let current = Identity::current().unwrap();
        let again: Identity = current.to_string().parse().unwrap();
        assert_eq!(again, current);
        assert!(again.is_alive());
        let earlier = Identity {
            start_ticks: current.start_ticks - 1,
            ..current
        };
        assert!(!earlier.is_alive());
        assert!(!earlier.signal(Signal::KILL));
        assert!("1:2".parse::<Identity>().is_err());
    }
}
