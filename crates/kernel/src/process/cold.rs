//! What takes longer to read of a process, or may block: its arguments, limits,
//! open files, status and share of memory.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, fstatfs, openat, statat};
use rustix::thread::ClockId;
use rustix::time::clock_gettime;

use crate::mask::mask_command_line;
use crate::process::folder::{ProcFolder, for_each_name, read_piece};
use crate::process::row::ColdFields;
use crate::process::stat::{ProcessIdentity, parse_process_stat};
use crate::text::{lines, parse_u64, words};

/// More of the arguments than this is cut off; nobody reads further.
const ARGUMENTS_MAX_BYTES: usize = 16 << 10;

/// `status` of a machine with thousands of processors has long masks.
const TEXT_MAX_BYTES: usize = 16 << 10;

/// Where open files can only be counted one by one: more are not counted.
const OPEN_FILES_COUNTED_MAX: u64 = 1 << 16;

/// statfs(2)'s word for a procfs.
const PROCFS_MAGIC: i64 = 0x9fa0;

/// What to read of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// All but the share of memory.
    Fields,
    /// The share of memory.
    Pss,
}

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) identity: ProcessIdentity,
    /// Which of the programs that the process became one after the other: an
    /// answer about another one is of no use.
    pub(crate) program: u32,
    pub(crate) subject: Subject,
}

/// What was found, for the same question.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) request: Request,
    /// Without a measure of memory, when the fields were asked for.
    pub(crate) fields: ColdFields,
    pub(crate) pss_bytes: Option<u64>,
    /// Processor time the answer took.
    pub(crate) cost_usec: u64,
}

/// Reads the seldom read parts of processes.
#[derive(Debug)]
pub(crate) struct ColdReader {
    folder: ProcFolder,
    /// The size of `fd` is the number of open files, since Linux 6.2.
    counts_files_by_size: bool,
    buffer: Vec<u8>,
}

impl ColdReader {
    pub(crate) fn open(procfs: &Path) -> io::Result<Self> {
        Ok(Self {
            folder: ProcFolder::open(procfs)?,
            counts_files_by_size: counts_files_by_size(procfs),
            buffer: Vec::new(),
        })
    }

    /// Answers one question; with nothing for a process that is gone.
    pub(crate) fn read(&mut self, request: Request) -> Answer {
        let began_usec = read_thread_usec();
        let mut answer = Answer {
            request,
            fields: ColdFields::default(),
            pss_bytes: None,
            cost_usec: 0,
        };
        if let Some(process) = self.open_process(request.identity) {
            match request.subject {
                Subject::Fields => answer.fields = self.read_fields(&process),
                Subject::Pss => answer.pss_bytes = self.read_pss(&process),
            }
        }
        answer.cost_usec = read_thread_usec().saturating_sub(began_usec);
        answer
    }

    /// The folder of this very process, whoever has its pid later.
    fn open_process(&mut self, identity: ProcessIdentity) -> Option<OwnedFd> {
        let process = self.folder.open_process(identity.pid).ok()?;
        self.read_text(&process, "stat", TEXT_MAX_BYTES)?;
        // Sizes do not matter here.
        let stat = parse_process_stat(&self.buffer, 1)?;
        (stat.identity == identity).then_some(process)
    }

    fn read_text(&mut self, process: &OwnedFd, file: &str, max_bytes: usize) -> Option<&[u8]> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(process, file, flags, Mode::empty()).ok()?;
        read_piece(file, &mut self.buffer, max_bytes).ok()?;
        Some(&self.buffer)
    }

    fn read_fields(&mut self, process: &OwnedFd) -> ColdFields {
        let arguments = self.read_text(process, "cmdline", ARGUMENTS_MAX_BYTES);
        let arguments = arguments.map(parse_arguments);
        let limits = self.read_text(process, "limits", TEXT_MAX_BYTES);
        let open_files_limit = limits.and_then(parse_open_files_limit);
        let open_files = self.count_open_files(process);
        let status = self.read_text(process, "status", TEXT_MAX_BYTES);
        ColdFields {
            arguments,
            open_files_limit,
            open_files,
            ..status.map(parse_status).unwrap_or_default()
        }
    }

    fn read_pss(&mut self, process: &OwnedFd) -> Option<u64> {
        parse_pss(self.read_text(process, "smaps_rollup", TEXT_MAX_BYTES)?)
    }

    fn count_open_files(&mut self, process: &OwnedFd) -> Option<u64> {
        if self.counts_files_by_size {
            let size = statat(process, "fd", AtFlags::empty()).ok()?.st_size;
            return u64::try_from(size).ok();
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(process, "fd", flags, Mode::empty()).ok()?;
        count_numbered(&folder, &mut self.buffer)
    }
}

fn count_numbered(folder: impl AsFd, buffer: &mut Vec<u8>) -> Option<u64> {
    let mut count = 0;
    for_each_name(folder, buffer, |name| {
        count += u64::from(parse_u64(name).is_some());
    })
    .ok()?;
    (count <= OPEN_FILES_COUNTED_MAX).then_some(count)
}

/// The reader itself has open files, so that none means an older kernel; a
/// folder of a captured tree has a size too.
fn counts_files_by_size(procfs: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(own) = openat(
        rustix::fs::CWD,
        procfs.join("self/fd"),
        flags,
        Mode::empty(),
    ) else {
        return false;
    };
    let is_procfs =
        fstatfs(&own).is_ok_and(|stat| i128::from(stat.f_type) == i128::from(PROCFS_MAGIC));
    is_procfs && statat(&own, "", AtFlags::EMPTY_PATH).is_ok_and(|stat| stat.st_size > 0)
}

fn read_thread_usec() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let usec = time
        .tv_sec
        .saturating_mul(1_000_000)
        .saturating_add(time.tv_nsec / 1000);
    u64::try_from(usec).unwrap_or_default()
}

/// The arguments, each ended by a zero byte, or, where a process wrote over
/// them, whatever it wrote; secrets are masked. One that was cut off by the
/// room there is may hold half a secret, which nothing would recognise.
pub(crate) fn parse_arguments(text: &[u8]) -> Arc<[String]> {
    let whole = if text.len() >= ARGUMENTS_MAX_BYTES {
        let last = text.iter().rposition(|byte| *byte == 0);
        text.get(..last.unwrap_or(0)).unwrap_or_default()
    } else {
        text
    };
    mask_command_line(whole).into()
}

pub(crate) fn parse_open_files_limit(limits: &[u8]) -> Option<u64> {
    let of_files = lines(limits).find_map(|line| line.strip_prefix(b"Max open files"))?;
    match words(of_files).next()? {
        b"unlimited" => Some(u64::MAX),
        number => parse_u64(number),
    }
}

pub(crate) fn parse_status(text: &[u8]) -> ColdFields {
    let number = |key: &[u8]| {
        let value = lines(text).find_map(|line| line.strip_prefix(key))?;
        words(value).next().and_then(parse_u64)
    };
    let bytes = |key: &[u8]| number(key)?.checked_mul(1024);
    ColdFields {
        peak_rss_bytes: bytes(b"VmHWM:"),
        swap_bytes: bytes(b"VmSwap:"),
        voluntary_switches: number(b"voluntary_ctxt_switches:"),
        involuntary_switches: number(b"nonvoluntary_ctxt_switches:"),
        ..ColdFields::default()
    }
}

pub(crate) fn parse_pss(smaps_rollup: &[u8]) -> Option<u64> {
    let share = lines(smaps_rollup).find_map(|line| line.strip_prefix(b"Pss:"))?;
    words(share).next().and_then(parse_u64)?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &[u8]) -> Vec<String> {
        parse_arguments(text).to_vec()
    }

    #[test]
    fn arguments_are_cut_where_they_end() {
        let cases: [(&[u8], &[&str]); 6] = [
            (b"", &[]),
            (b"\0", &[]),
            (b"sh\0-c\0a b\0", &["sh", "-c", "a b"]),
            (b"sh\0\0x\0", &["sh", "", "x"]),
            (b"sshd: root@pts/0", &["sshd: root@pts/0"]),
            (b"a\xff\0b", &["a\u{fffd}", "b"]),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn secrets_do_not_show_and_half_an_argument_neither() {
        let masked = parse_arguments(b"mysql\0--password=secret\0-v\0");
        assert_eq!(*masked, ["mysql", "--password=***", "-v"]);
        let long = [b"cc\0".to_vec(), vec![b'x'; ARGUMENTS_MAX_BYTES]].concat();
        assert_eq!(*parse_arguments(&long[..ARGUMENTS_MAX_BYTES]), ["cc"]);
    }

    #[test]
    fn limits_of_open_files_are_the_soft_ones() {
        let head =
            "Limit                     Soft Limit           Hard Limit           Units     \n";
        for (line, expected) in [
            (
                "Max open files            1024                 524288               files     \n",
                Some(1024),
            ),
            (
                "Max open files            unlimited            unlimited            files     \n",
                Some(u64::MAX),
            ),
            (
                "Max open files            x                    524288               files     \n",
                None,
            ),
            ("Max open files            1024 ", None),
            ("Max open files\n", None),
            ("", None),
        ] {
            let text = format!("{head}{line}");
            assert_eq!(
                parse_open_files_limit(text.as_bytes()),
                expected,
                "{line:?}"
            );
        }
    }

    #[test]
    fn status_gives_what_it_has() {
        let text = "Name:\tcat\nVmHWM:\t    1772 kB\nVmSwap:\t       0 kB\n\
            voluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t7\n";
        let fields = ColdFields {
            peak_rss_bytes: Some(1772 * 1024),
            swap_bytes: Some(0),
            voluntary_switches: Some(5),
            involuntary_switches: Some(7),
            ..ColdFields::default()
        };
        assert_eq!(parse_status(text.as_bytes()), fields);
        assert_eq!(
            parse_status(b"Name:\tkthreadd\nVmHWM:\t18446744073709551615 kB\n"),
            ColdFields::default()
        );
    }

    #[test]
    fn the_share_is_the_sum_of_all_mappings() {
        let text = b"5555-7ffe ---p 00000000 00:00 0   [rollup]\nRss:  884 kB\nPss:  385 kB\nPss_Anon:  9 kB\n";
        assert_eq!(parse_pss(text), Some(385 * 1024));
        assert_eq!(parse_pss(b"Pss_Anon:  9 kB\n"), None);
    }
}
