//! Processes that ended, many as one blob: their fields as columns.

use std::sync::Arc;

use lfs_wrapper_model::TimeMsec;

use crate::codec::Damage;
use crate::moments::bytes::{Bytes, NONE, put, put_signed};
use crate::moments::column::{read_plain, write_plain};
use crate::moments::frame::Step;
use crate::moments::packed::{Magic, pack, unpack};
use crate::moments::texts::{TextTable, Texts};

pub(super) const MAGIC: Magic = Magic(*b"LFSx");

/// A process that ended. `None` is what the kernel does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitRecord {
    /// Its number.
    pub pid: u32,
    /// Its parent at the end.
    pub parent_pid: Option<u32>,
    /// Its real user at the end.
    pub uid: Option<u32>,
    /// The kernel's name for it (`comm`), empty where it is not known.
    pub name: Arc<str>,
    /// When it began, by the wall clock.
    pub start_msec: Option<TimeMsec>,
    /// When it ended, by the wall clock.
    pub end_msec: TimeMsec,
    /// What it gave to exit(3); `None` too where a signal ended it.
    pub exit_code: Option<u8>,
    /// The signal that ended it.
    pub signal: Option<u8>,
    /// Processor time of all its threads, user mode and kernel together.
    pub cpu_usec: Option<u64>,
    /// The most memory that was resident.
    pub rss_peak_bytes: Option<u64>,
    /// Fetched from storage.
    pub read_bytes: Option<u64>,
    /// Sent to storage.
    pub write_bytes: Option<u64>,
    /// Page faults that needed no disk.
    pub minor_faults: Option<u64>,
    /// Page faults that had to read from a disk.
    pub major_faults: Option<u64>,
    /// The step it belonged to.
    pub step: Option<Arc<Step>>,
}

/// What of a record is a plain number.
type Get = fn(&ExitRecord) -> Option<u64>;

const PLAIN: [Get; 7] = [
    |record| record.uid.map(u64::from),
    |record| record.cpu_usec,
    |record| record.rss_peak_bytes,
    |record| record.read_bytes,
    |record| record.write_bytes,
    |record| record.minor_faults,
    |record| record.major_faults,
];

/// Sections before the plain ones.
const SECTIONS: usize = 6;

/// Sorts the records by their ends, and makes them a blob.
pub(super) fn encode_exits(records: &mut [ExitRecord], level: i32) -> Result<Vec<u8>, Damage> {
    records.sort_by_key(|record| record.end_msec);
    let mut texts = Texts::default();
    let records = &*records;
    let numbers: Vec<(u64, u64)> = records
        .iter()
        .map(|record| {
            let step = record.step.as_deref();
            let step = step.map_or(NONE, |step| texts.step_number(step));
            (texts.number(&record.name), step)
        })
        .collect();
    let mut text_section = Vec::new();
    texts.write_from(0, &mut text_section);
    let mut sections = vec![
        write_times(records),
        write_kin(records),
        text_section,
        write_plain(numbers.iter().map(|numbers| numbers.0)),
        write_plain(numbers.iter().map(|numbers| numbers.1)),
        write_plain(records.iter().map(status_number)),
    ];
    for get in PLAIN {
        let values = records.iter().map(|record| get(record).unwrap_or(NONE));
        sections.push(write_plain(values));
    }
    pack(MAGIC, level, &sections)
}

/// How it ended: codes even, signals odd.
fn status_number(record: &ExitRecord) -> u64 {
    match (record.signal, record.exit_code) {
        (Some(signal), _) => 2 * u64::from(signal) + 1,
        (None, Some(code)) => 2 * u64::from(code),
        (None, None) => NONE,
    }
}

fn write_times(records: &[ExitRecord]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, records.len() as u64);
    let mut before = 0_i64;
    for record in records {
        put_signed(&mut out, record.end_msec.wrapping_sub(before));
        before = record.end_msec;
    }
    let lived = |record: &ExitRecord| {
        let lived_msec = record.end_msec.checked_sub(record.start_msec?)?;
        u64::try_from(lived_msec).ok()
    };
    for record in records {
        put(&mut out, lived(record).unwrap_or(NONE).wrapping_add(1));
    }
    out
}

/// Pids, which rise, and how far each parent's is from its child's.
fn write_kin(records: &[ExitRecord]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut before = 0_i64;
    for record in records {
        let pid = i64::from(record.pid);
        put_signed(&mut out, pid - before);
        before = pid;
    }
    for record in records {
        match record.parent_pid {
            // Nothing is its own parent.
            None => put_signed(&mut out, 0),
            Some(parent) => put_signed(&mut out, i64::from(record.pid) - i64::from(parent)),
        }
    }
    out
}

pub(super) fn decode_exits(blob: &[u8]) -> Result<Vec<ExitRecord>, Damage> {
    let sections = unpack(MAGIC, blob)?;
    if sections.len() < SECTIONS + PLAIN.len() {
        return Err(Damage("a section is missing"));
    }
    let section = |number: usize| sections.get(number).map_or(&[][..], Vec::as_slice);
    let mut times = Bytes(section(0));
    let count = times.count()?;
    let ends = read_rising(&mut times, count)?;
    let lived = read_numbers(&mut times, count)?;
    let mut kin = Bytes(section(1));
    let pids = read_rising(&mut kin, count)?;
    let mut texts = TextTable::default();
    texts.read_more(&mut Bytes(section(2)))?;
    let plain = |number| read_plain(section(number), count);
    let (names, steps, status) = (plain(3)?, plain(4)?, plain(5)?);
    let mut rest = Vec::new();
    for number in SECTIONS..SECTIONS + PLAIN.len() {
        rest.push(plain(number)?);
    }
    let number = |list: &[u64], at: usize| list.get(at).copied().filter(|value| *value != NONE);
    let mut records = Vec::with_capacity(count);
    for (at, (end_msec, pid)) in ends.into_iter().zip(pids).enumerate() {
        let field = |field: usize| rest.get(field).and_then(|list| number(list, at));
        let pid = u32::try_from(pid).map_err(|_| Damage("a pid is too large"))?;
        let distance = kin.signed()?;
        let parent = i64::from(pid).checked_sub(distance);
        let parent = parent.filter(|_| distance != 0);
        let status = number(&status, at);
        let half = status.and_then(|status| u8::try_from(status / 2).ok());
        let is_signal = status.is_some_and(|status| status % 2 == 1);
        let lived_msec = number(&lived, at).and_then(|lived| lived.checked_sub(1));
        let lived_msec = lived_msec.and_then(|lived| i64::try_from(lived).ok());
        let name = number(&names, at).and_then(|name| texts.get(name).map(Arc::clone));
        records.push(ExitRecord {
            pid,
            parent_pid: parent.and_then(|parent| u32::try_from(parent).ok()),
            uid: field(0).and_then(|uid| u32::try_from(uid).ok()),
            name: name.unwrap_or_else(|| Arc::from("")),
            start_msec: lived_msec.and_then(|lived| end_msec.checked_sub(lived)),
            end_msec,
            exit_code: half.filter(|_| !is_signal),
            signal: half.filter(|_| is_signal),
            cpu_usec: field(1),
            rss_peak_bytes: field(2),
            read_bytes: field(3),
            write_bytes: field(4),
            minor_faults: field(5),
            major_faults: field(6),
            step: number(&steps, at).and_then(|step| texts.step(step)),
        });
    }
    Ok(records)
}

fn read_rising(bytes: &mut Bytes<'_>, count: usize) -> Result<Vec<i64>, Damage> {
    let mut value = 0_i64;
    let read = |_| {
        value = value.wrapping_add(bytes.signed()?);
        Ok(value)
    };
    (0..count).map(read).collect()
}

fn read_numbers(bytes: &mut Bytes<'_>, count: usize) -> Result<Vec<u64>, Damage> {
    (0..count).map(|_| bytes.number()).collect()
}
