//! One record of taskstats: what a thread that ended has used
//! (linux/taskstats.h, struct taskstats).

use std::fmt;

use crate::netlink::{parse_attributes, read_u16, read_u32, read_u64};

/// Attributes of a record's message.
const TYPE_TGID: u16 = 2;
const TYPE_STATS: u16 = 3;
const TYPE_AGGR_PID: u16 = 4;
const TYPE_AGGR_TGID: u16 = 5;

/// Command, version and padding of a generic netlink message.
pub(crate) const GENERIC_HEADER_BYTES: usize = 4;

/// Set in `ac_flag` of a process's last thread (linux/acct.h), since version 12.
const AGROUP: u8 = 0x20;
const GROUP_VERSION_MIN: u16 = 12;

/// Since this version (Linux 2.6.20) all that is read here is in its place.
const VERSION_MIN: u16 = 6;
const BYTES_MIN: usize = 328;

/// Linux 6.14 put two numbers behind each delay, in the middle of the struct;
/// version 16 moved them to its end.
const SHIFTED_VERSION: u16 = 15;
const SHIFTED_BYTES_MIN: usize = 560;
const SHIFT_BYTES: usize = 16;

/// Where each delay's count and total end in all other versions.
const DELAY_ENDS: [usize; 8] = [32, 48, 64, 328, 344, 368, 416, 432];

/// The kernel's names are 15 bytes and a zero; threads of the kernel may say
/// more, up to this.
const COMM_MAX_BYTES: usize = 32;
const COMM_OFFSET: usize = 80;

/// What a wait(2) would give as the status of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitStatus(pub u32);

impl WaitStatus {
    /// What the process gave to exit(3), 0 to 255; `None` if a signal ended it.
    pub fn code(self) -> Option<u8> {
        let [low, code, ..] = self.0.to_le_bytes();
        (low & 0x7f == 0).then_some(code)
    }

    /// The signal that ended the process.
    pub fn signal(self) -> Option<u8> {
        let signal = self.0.to_le_bytes()[0] & 0x7f;
        (signal != 0).then_some(signal)
    }
}

/// The name of a process: its program's file name, cut to 15 bytes, or what it
/// calls itself; any bytes but zero. Empty where it is not known.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Comm {
    bytes: [u8; COMM_MAX_BYTES],
}

impl Comm {
    pub(crate) fn new(text: &[u8]) -> Self {
        let mut comm = Self::default();
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        for (to, from) in comm.bytes.iter_mut().zip(text) {
            *to = *from;
        }
        comm
    }

    /// As the kernel gave it.
    pub fn as_bytes(&self) -> &[u8] {
        let mut parts = self.bytes.split(|byte| *byte == 0);
        parts.next().unwrap_or_default()
    }
}

impl fmt::Display for Comm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

/// What a thread, or all threads of a process, used. `None` is what the kernel
/// does not account for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time in user mode.
    pub user_usec: Option<u64>,
    /// Processor time in the kernel.
    pub system_usec: Option<u64>,
    /// Processor time as the scheduler measured it, without what has passed
    /// since its last look (a tick or a switch): a short process may have 0.
    pub run_nsec: Option<u64>,
    /// Pages that were mapped without I/O.
    pub minor_faults: Option<u64>,
    /// Pages that had to be read.
    pub major_faults: Option<u64>,
    /// Most memory in use at once.
    pub rss_peak_bytes: Option<u64>,
    /// Largest address space.
    pub vm_peak_bytes: Option<u64>,
    /// Read from disks.
    pub read_bytes: Option<u64>,
    /// Made to be written to disks.
    pub write_bytes: Option<u64>,
    /// Read by system calls, from anything.
    pub read_chars: Option<u64>,
    /// Written by system calls, to anything.
    pub write_chars: Option<u64>,
    /// Waited for a processor.
    pub cpu_delay_usec: Option<u64>,
    /// Waited for disks; this and the next two only with `kernel.task_delayacct`.
    pub blkio_delay_usec: Option<u64>,
    /// Waited for pages to come back from swap.
    pub swapin_delay_usec: Option<u64>,
    /// Waited for memory to become free.
    pub freepages_delay_usec: Option<u64>,
}

impl Usage {
    /// Both together: sums, but the larger of two peaks, which belong to the
    /// memory that the threads of a process share.
    pub(crate) fn derive_joined(&self, other: &Self) -> Self {
        let sum = |get: fn(&Self) -> Option<u64>| get(self)?.checked_add(get(other)?);
        let max = |get: fn(&Self) -> Option<u64>| get(self).max(get(other));
        Self {
            user_usec: sum(|usage| usage.user_usec),
            system_usec: sum(|usage| usage.system_usec),
            run_nsec: sum(|usage| usage.run_nsec),
            minor_faults: sum(|usage| usage.minor_faults),
            major_faults: sum(|usage| usage.major_faults),
            rss_peak_bytes: max(|usage| usage.rss_peak_bytes),
            vm_peak_bytes: max(|usage| usage.vm_peak_bytes),
            read_bytes: sum(|usage| usage.read_bytes),
            write_bytes: sum(|usage| usage.write_bytes),
            read_chars: sum(|usage| usage.read_chars),
            write_chars: sum(|usage| usage.write_chars),
            cpu_delay_usec: sum(|usage| usage.cpu_delay_usec),
            blkio_delay_usec: sum(|usage| usage.blkio_delay_usec),
            swapin_delay_usec: sum(|usage| usage.swapin_delay_usec),
            freepages_delay_usec: sum(|usage| usage.freepages_delay_usec),
        }
    }
}

/// What this kernel accounts for, since a record says 0 for what it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accounting {
    /// Bytes read and written (CONFIG_TASK_IO_ACCOUNTING).
    pub(crate) io: bool,
    /// Delays other than the processor's (`kernel.task_delayacct`).
    pub(crate) delays: bool,
}

/// A thread that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskExit {
    pub(crate) pid: u32,
    /// The process; before Linux 5.19 only the last of several threads tells.
    pub(crate) tgid: Option<u32>,
    pub(crate) parent_pid: Option<u32>,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) comm: Comm,
    pub(crate) status: WaitStatus,
    /// Seconds since 1970.
    pub(crate) begin_sec: Option<u64>,
    /// Of the thread.
    pub(crate) elapsed_usec: u64,
    /// Of the process, up to now.
    pub(crate) group_elapsed_usec: Option<u64>,
    pub(crate) usage: Usage,
    /// Whether it was the last of its process; `None` where it cannot be told.
    pub(crate) is_last: Option<bool>,
    /// That its process had other threads; only ever said with the last one.
    pub(crate) had_siblings: bool,
}

/// The thread that a message (after netlink's header) tells of.
pub(crate) fn parse_task_exit(payload: &[u8], accounting: Accounting) -> Option<TaskExit> {
    let mut task = parse_stats(find_stats(payload)?, accounting)?;
    let group = find_attribute(payload.get(GENERIC_HEADER_BYTES..)?, TYPE_AGGR_TGID);
    if let Some(group) = group {
        task.had_siblings = true;
        let tgid = find_attribute(group, TYPE_TGID).and_then(|tgid| read_u32(tgid, 0));
        if task.is_last.is_none() {
            task.tgid = tgid;
            task.is_last = Some(true);
        }
    }
    Some(task)
}

/// The struct taskstats of the thread in a message.
pub(crate) fn find_stats(payload: &[u8]) -> Option<&[u8]> {
    let attributes = payload.get(GENERIC_HEADER_BYTES..)?;
    find_attribute(find_attribute(attributes, TYPE_AGGR_PID)?, TYPE_STATS)
}

fn find_attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut attributes = parse_attributes(bytes);
    Some(attributes.find(|(kind, _)| *kind == wanted)?.1)
}

/// `version` of a struct taskstats, if its form is known.
pub(crate) fn parse_version(stats: &[u8]) -> Result<u16, u16> {
    let version = read_u16(stats, 0).unwrap_or_default();
    let bytes_min = match version {
        SHIFTED_VERSION => SHIFTED_BYTES_MIN,
        _ => BYTES_MIN,
    };
    // Newer versions are taken for longer ones: that was broken only once.
    if version >= VERSION_MIN && stats.len() >= bytes_min {
        Ok(version)
    } else {
        Err(version)
    }
}

/// Whether each record of this version names its process.
pub(crate) fn names_process(version: u16) -> bool {
    version >= GROUP_VERSION_MIN
}

/// A struct taskstats of a known form.
struct Fields<'a> {
    stats: &'a [u8],
    version: u16,
}

impl Fields<'_> {
    /// Where this version has what all others have at `offset`.
    fn offset(&self, offset: usize) -> usize {
        if self.version != SHIFTED_VERSION {
            return offset;
        }
        let before = DELAY_ENDS.iter().filter(|end| **end <= offset).count();
        offset + before * SHIFT_BYTES
    }

    fn u32(&self, offset: usize) -> Option<u32> {
        read_u32(self.stats, self.offset(offset))
    }

    fn u64(&self, offset: usize) -> Option<u64> {
        read_u64(self.stats, self.offset(offset))
    }

    fn since(&self, version: u16, offset: usize) -> Option<u64> {
        (self.version >= version).then(|| self.u64(offset))?
    }
}

pub(crate) fn parse_stats(stats: &[u8], accounting: Accounting) -> Option<TaskExit> {
    let version = parse_version(stats).ok()?;
    let fields = Fields { stats, version };
    let comm = fields.offset(COMM_OFFSET);
    let is_last =
        names_process(version).then(|| stats.get(8).is_some_and(|flag| flag & AGROUP != 0));
    let positive = |number: &u64| *number > 0;
    let tgid = names_process(version).then(|| fields.u32(368)).flatten();
    let btime = fields.u32(136).map(u64::from);
    Some(TaskExit {
        pid: fields.u32(128)?,
        tgid: tgid.filter(|tgid| *tgid != 0),
        parent_pid: fields.u32(132).filter(|pid| *pid != 0),
        uid: fields.u32(120)?,
        gid: fields.u32(124)?,
        comm: Comm::new(stats.get(comm..comm + COMM_MAX_BYTES)?),
        status: WaitStatus(read_u32(stats, 4)?),
        begin_sec: fields.since(10, 344).or(btime).filter(positive),
        elapsed_usec: fields.u64(144)?,
        group_elapsed_usec: fields.since(GROUP_VERSION_MIN, 376).filter(positive),
        usage: parse_usage(&fields, accounting),
        is_last,
        had_siblings: false,
    })
}

fn parse_usage(fields: &Fields<'_>, accounting: Accounting) -> Usage {
    // What no thread that ran can have as 0 is 0 where it is not accounted for.
    let positive = |number: &u64| *number > 0;
    let kib = |offset| fields.u64(offset).filter(positive)?.checked_mul(1024);
    let io = |offset| accounting.io.then(|| fields.u64(offset)).flatten();
    let usec = |offset| fields.u64(offset).map(|nsec| nsec / 1000);
    let delay = |offset| accounting.delays.then(|| usec(offset)).flatten();
    // How often it got a processor.
    let ran = fields.u64(16).filter(positive);
    Usage {
        user_usec: fields.u64(152),
        system_usec: fields.u64(160),
        run_nsec: ran.and_then(|_| fields.u64(72)),
        minor_faults: fields.u64(168),
        major_faults: fields.u64(176),
        rss_peak_bytes: kib(200),
        vm_peak_bytes: kib(208),
        read_bytes: io(248),
        write_bytes: io(256),
        read_chars: io(216),
        write_chars: io(224),
        cpu_delay_usec: ran.and_then(|_| usec(24)),
        blkio_delay_usec: delay(40),
        swapin_delay_usec: delay(56),
        freepages_delay_usec: delay(320),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_code_or_a_signal() {
        let table = [
            (0, Some(0), None),
            (3 << 8, Some(3), None),
            (255 << 8, Some(255), None),
            (9, None, Some(9)),
            (0x80 | 11, None, Some(11)),
        ];
        for (status, code, signal) in table {
            let status = WaitStatus(status);
            assert_eq!((status.code(), status.signal()), (code, signal));
        }
    }

    #[test]
    fn a_name_ends_at_its_zero_or_where_the_room_ends() {
        assert_eq!(Comm::new(b"a (b)\0rest").as_bytes(), b"a (b)");
        assert_eq!(Comm::new(&[b'x'; 40]).as_bytes(), [b'x'; COMM_MAX_BYTES]);
        assert_eq!(Comm::new(b"a\xff").to_string(), "a\u{fffd}");
    }

    #[test]
    fn unknown_forms_are_refused_and_longer_ones_read() {
        let stats = |version: u16, bytes: usize| {
            let mut stats = vec![0; bytes];
            stats[..2].copy_from_slice(&version.to_ne_bytes());
            stats
        };
        let table = [
            (5, 328, Err(5)),
            (8, 327, Err(8)),
            (8, 328, Ok(8)),
            (14, 432, Ok(14)),
            (15, 496, Err(15)),
            (15, 560, Ok(15)),
            (16, 560, Ok(16)),
            (17, 688, Ok(17)),
        ];
        for (version, bytes, known) in table {
            assert_eq!(
                parse_version(&stats(version, bytes)),
                known,
                "{version} {bytes}"
            );
        }
    }
}
