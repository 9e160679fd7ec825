//! One process's line of counters, `/proc/PID/stat` (proc_pid_stat(5)), and
//! its bytes read and written, `/proc/PID/io` (proc_pid_io(5)).

use crate::text::{lines, parse_u64, words};

/// Ticks of `/proc/PID/stat` in a second: USER_HZ.
pub(crate) const TICKS_PER_SECOND: u64 = 100;

/// The flag of a thread of the kernel (`PF_KTHREAD`).
const KERNEL_THREAD_FLAG: u32 = 0x0020_0000;

/// What names a process for as long as the machine runs: pids are used again,
/// but not within one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessIdentity {
    /// Its number now.
    pub pid: u32,
    /// When it was forked, in ticks of 10 ms since the machine was booted.
    pub start_ticks: u64,
}

/// Bytes that a process moved since it was forked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessIo {
    /// Fetched from storage on its behalf (`read_bytes`).
    pub read_bytes: u64,
    /// Dirtied by it, to be sent to storage (`write_bytes`).
    pub write_bytes: u64,
    /// Passed to it by read(2) and the like, caches and pipes included
    /// (`rchar`).
    pub read_call_bytes: u64,
    /// Passed by it to write(2) and the like (`wchar`).
    pub write_call_bytes: u64,
}

/// The counters and gauges of one process, all its threads together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessCounts {
    /// The kernel's letter: `R` runs or could, `S` sleeps, `D` sleeps
    /// uninterruptibly, `T` stopped, `t` traced, `Z` ended but not reaped,
    /// `I` idle thread of the kernel, and rarer ones. Of its main thread.
    pub state: char,
    /// Its parent, 0 for those that the kernel itself started.
    pub parent_pid: u32,
    /// Device number of its terminal; 0 without one.
    pub tty: i32,
    /// The kernel's `PF_` flags.
    pub flags: u32,
    /// Page faults that needed no disk, since the fork.
    pub minor_faults: u64,
    /// Page faults that had to read from a disk, since the fork.
    pub major_faults: u64,
    /// Processor time in user mode since the fork, ticks of 10 ms.
    pub user_ticks: u64,
    /// Processor time in the kernel since the fork, ticks of 10 ms.
    pub system_ticks: u64,
    /// User time of the children that ended and were waited for, ticks.
    pub children_user_ticks: u64,
    /// Kernel time of the children that ended and were waited for, ticks.
    pub children_system_ticks: u64,
    /// -20 (first served) to 19.
    pub nice: i32,
    /// How many threads it has.
    pub threads: u32,
    /// Address space, used or not.
    pub virtual_bytes: u64,
    /// Memory that is resident, shared pages counted in full.
    pub rss_bytes: u64,
    /// The processor that its main thread ran on last.
    pub processor: u32,
    /// Time it waited for storage since the fork, ticks of 10 ms; stays 0
    /// unless the sysctl `kernel.task_delayacct` is on.
    pub storage_wait_ticks: u64,
    /// `/proc/PID/io`; absent where it may not be read. It is read when time,
    /// faults or memory changed, so it may be late by what 10 ms of processor
    /// time can move.
    pub io: Option<ProcessIo>,
}

impl ProcessCounts {
    /// Whether this is a thread of the kernel.
    pub const fn is_kernel_thread(&self) -> bool {
        self.flags & KERNEL_THREAD_FLAG != 0
    }

    /// Whether it has ended and only waits to be reaped.
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Whether it did something since `before` that may have moved bytes.
    pub(crate) const fn has_worked_since(&self, before: &Self) -> bool {
        self.user_ticks != before.user_ticks
            || self.system_ticks != before.system_ticks
            || self.minor_faults != before.minor_faults
            || self.major_faults != before.major_faults
            || self.rss_bytes != before.rss_bytes
            || self.storage_wait_ticks != before.storage_wait_ticks
    }
}

/// What one `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessStat<'a> {
    pub(crate) identity: ProcessIdentity,
    /// Any bytes, at most 15 for a process.
    pub(crate) name: &'a [u8],
    /// Where its stack begins: another address after each exec. 0 where the
    /// reader may not know.
    pub(crate) stack_address: u64,
    /// Without `io`.
    pub(crate) counts: ProcessCounts,
}

/// Parses a whole `/proc/PID/stat`. A line that was cut short, or with anything
/// but a number where one is needed, says nothing at all: a name may hold any
/// bytes, so half a line can look like another process's whole one.
pub(crate) fn parse_process_stat(text: &[u8], page_bytes: u64) -> Option<ProcessStat<'_>> {
    let line = text.strip_suffix(b"\n")?;
    // The name is the only part that may hold a parenthesis.
    let name_start = line.iter().position(|byte| *byte == b'(')?;
    let name_end = line.iter().rposition(|byte| *byte == b')')?;
    let pid = line.get(..name_start)?.strip_suffix(b" ")?;
    let name = line.get(name_start + 1..name_end)?;
    let mut columns = Columns(words(line.get(name_end + 1..)?));
    let state = columns.letter()?;
    let parent_pid = columns.number()?;
    let tty = columns.skip(2)?.signed()?;
    let flags = columns.skip(1)?.number()?;
    let minor_faults = columns.long()?;
    let major_faults = columns.skip(1)?.long()?;
    let user_ticks = columns.skip(1)?.long()?;
    let system_ticks = columns.long()?;
    let children_user_ticks = columns.long()?;
    let children_system_ticks = columns.long()?;
    let nice = columns.skip(1)?.signed()?;
    let threads = columns.number()?;
    let start_ticks = columns.skip(1)?.long()?;
    let virtual_bytes = columns.long()?;
    let rss_bytes = columns.long()?.checked_mul(page_bytes)?;
    let stack_address = columns.skip(3)?.long()?;
    let processor = columns.skip(10)?.number()?;
    let storage_wait_ticks = columns.skip(2)?.long()?;
    let pid = u32::try_from(parse_u64(pid)?).ok()?;
    Some(ProcessStat {
        identity: ProcessIdentity { pid, start_ticks },
        name,
        stack_address,
        counts: ProcessCounts {
            state,
            parent_pid,
            tty,
            flags,
            minor_faults,
            major_faults,
            user_ticks,
            system_ticks,
            children_user_ticks,
            children_system_ticks,
            nice,
            threads,
            virtual_bytes,
            rss_bytes,
            processor,
            storage_wait_ticks,
            io: None,
        },
    })
}

/// The words after the name, one after the other.
struct Columns<I>(I);

impl<'a, I: Iterator<Item = &'a [u8]>> Columns<I> {
    fn skip(&mut self, count: usize) -> Option<&mut Self> {
        self.0.nth(count.checked_sub(1)?)?;
        Some(self)
    }

    fn letter(&mut self) -> Option<char> {
        match self.0.next()? {
            [letter] if letter.is_ascii_alphabetic() => Some(char::from(*letter)),
            _ => None,
        }
    }

    fn long(&mut self) -> Option<u64> {
        parse_u64(self.0.next()?)
    }

    fn number(&mut self) -> Option<u32> {
        u32::try_from(self.long()?).ok()
    }

    fn signed(&mut self) -> Option<i32> {
        let word = self.0.next()?;
        let negative = word.strip_prefix(b"-");
        let size = i64::try_from(parse_u64(negative.unwrap_or(word))?).ok()?;
        i32::try_from(if negative.is_some() { -size } else { size }).ok()
    }
}

/// Parses `/proc/PID/io`; `None` where it lacks a number.
pub(crate) fn parse_io(text: &[u8]) -> Option<ProcessIo> {
    let number = |key: &[u8]| {
        let mut numbers = lines(text).filter_map(|line| line.strip_prefix(key));
        numbers.next().and_then(parse_u64)
    };
    Some(ProcessIo {
        read_bytes: number(b"read_bytes: ")?,
        write_bytes: number(b"write_bytes: ")?,
        read_call_bytes: number(b"rchar: ")?,
        write_call_bytes: number(b"wchar: ")?,
    })
}

#[cfg(test)]
pub(crate) mod tests;
