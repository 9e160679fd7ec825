//! What holds for any bytes and any record.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::exits::aggregate::{Aggregate, Telling};
use crate::exits::connector::{ProcEvent, Sequences, parse_event};
use crate::exits::task_exit::{Accounting, WaitStatus, parse_stats, parse_task_exit};
use crate::exits::taskstats::parse_drops;
use crate::netlink::push_attribute;

const ACCOUNTING: Accounting = Accounting {
    io: true,
    delays: true,
};

/// A struct taskstats, written field by field in the order of linux/taskstats.h;
/// the numbers are in the order of the fields, those of the delays' maxima and
/// minima all ones.
fn render_stats(version: u16, numbers: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut numbers = numbers.iter().copied().cycle();
    let mut next = || numbers.next().unwrap();
    let extremes = |bytes: &mut Vec<u8>| {
        if version == 15 {
            bytes.extend([0xff; 16]);
        }
    };
    bytes.extend(version.to_ne_bytes());
    bytes.extend([0; 2]);
    bytes.extend(next().to_ne_bytes());
    bytes.extend([0x20, 0, 0, 0, 0, 0, 0, 0]);
    let mut words = |bytes: &mut Vec<u8>, count: usize| {
        for _ in 0..count {
            bytes.extend(u64::from(next()).to_ne_bytes());
        }
    };
    for _cpu_blkio_swapin in 0..3 {
        words(&mut bytes, 2);
        extremes(&mut bytes);
    }
    words(&mut bytes, 2);
    bytes.extend(b"a name\0\xff");
    bytes.extend([0; 24 + 8]);
    for id in [11_u32, 12, 13, 14, 15, 0] {
        bytes.extend(id.to_ne_bytes());
    }
    // Elapsed time to the scaled run time.
    words(&mut bytes, 21);
    for _freepages_thrashing in 0..2 {
        words(&mut bytes, 2);
        extremes(&mut bytes);
    }
    words(&mut bytes, 1);
    words(&mut bytes, 2);
    extremes(&mut bytes);
    bytes.extend(16_u32.to_ne_bytes());
    bytes.extend([0; 4]);
    words(&mut bytes, 3);
    for _wpcopy_irq in 0..2 {
        words(&mut bytes, 2);
        extremes(&mut bytes);
    }
    if version >= 16 {
        bytes.extend([0xff; 128]);
    }
    if version >= 17 {
        bytes.extend([0xff; 128]);
    }
    bytes.truncate(match version {
        ..=9 => 344,
        10 => 352,
        11 => 368,
        12 => 400,
        13 => 416,
        14 => 432,
        _ => bytes.len(),
    });
    bytes
}

fn wrap(stats: &[u8], with_group: bool) -> Vec<u8> {
    let mut payload = vec![2, 1, 0, 0];
    for (outer, inner) in [(4, 1), (5, 2)]
        .into_iter()
        .take(1 + usize::from(with_group))
    {
        let mut nested = Vec::new();
        push_attribute(&mut nested, inner, &16_u32.to_ne_bytes());
        push_attribute(&mut nested, 3, stats);
        push_attribute(&mut payload, outer, &nested);
    }
    payload
}

fn telling(bits: u8) -> Telling {
    Telling {
        records: bits & 1 != 0,
        names: bits & 2 != 0,
        events: bits & 4 != 0,
    }
}

proptest! {
    #[test]
    fn no_bytes_stop_a_parser(bytes in vec(any::<u8>(), 0..700), version in 0_u16..20) {
        let mut stats = bytes.clone();
        if let Some(start) = stats.first_chunk_mut() {
            *start = version.to_ne_bytes();
        }
        let _ = parse_stats(&stats, ACCOUNTING);
        let _ = parse_task_exit(&wrap(&stats, true), ACCOUNTING);
        let _ = parse_task_exit(&bytes, ACCOUNTING);
        let _ = parse_drops(&bytes, 1);
        if let Some(numbered) = parse_event(&bytes) {
            Sequences::default().derive_gap(numbered.cpu, numbered.sequence);
        }
    }

    #[test]
    fn a_record_is_parsed_as_it_was_printed(
        version in 8_u16..18,
        n in vec(1_u32..1_000_000, 41),
        with_group: bool,
    ) {
        let bytes = wrap(&render_stats(version, &n), with_group);
        let task = parse_task_exit(&bytes, ACCOUNTING).unwrap();
        let word = |index: usize| u64::from(n[index]);
        prop_assert_eq!(task.status, WaitStatus(n[0]));
        prop_assert_eq!((task.uid, task.gid, task.pid, task.parent_pid), (11, 12, 13, Some(14)));
        prop_assert_eq!(task.comm.as_bytes(), b"a name");
        let names = version >= 12;
        prop_assert_eq!(task.tgid, (names || with_group).then_some(16));
        prop_assert_eq!(task.is_last, (names || with_group).then_some(true));
        prop_assert_eq!(task.had_siblings, with_group);
        prop_assert_eq!(task.begin_sec, Some(if version >= 10 { word(34) } else { 15 }));
        prop_assert_eq!(task.elapsed_usec, word(9));
        prop_assert_eq!(task.group_elapsed_usec, names.then(|| word(37)));
        let usage = task.usage;
        let table = [
            (usage.cpu_delay_usec, word(2) / 1000),
            (usage.blkio_delay_usec, word(4) / 1000),
            (usage.swapin_delay_usec, word(6) / 1000),
            (usage.run_nsec, word(8)),
            (usage.user_usec, word(10)),
            (usage.system_usec, word(11)),
            (usage.minor_faults, word(12)),
            (usage.major_faults, word(13)),
            (usage.rss_peak_bytes, word(16) * 1024),
            (usage.vm_peak_bytes, word(17) * 1024),
            (usage.read_chars, word(18)),
            (usage.write_chars, word(19)),
            (usage.read_bytes, word(22)),
            (usage.write_bytes, word(23)),
            (usage.freepages_delay_usec, word(31) / 1000),
        ];
        for (index, (found, expected)) in table.into_iter().enumerate() {
            prop_assert_eq!(found, Some(expected), "{}", index);
        }
    }

    #[test]
    fn what_is_not_accounted_for_is_absent(version in 8_u16..18) {
        let none = Accounting { io: false, delays: false };
        let usage = parse_stats(&render_stats(version, &[0]), none).unwrap().usage;
        let absent = [
            usage.read_bytes, usage.write_chars, usage.blkio_delay_usec, usage.cpu_delay_usec,
            usage.rss_peak_bytes, usage.run_nsec,
        ];
        prop_assert_eq!(absent, [None; 6]);
        prop_assert_eq!(usage.minor_faults, Some(0));
    }

    #[test]
    fn an_event_is_parsed_as_it_was_printed(cpu in 0_u32..64, sequence: u32, n in vec(1_u32..9999, 6)) {
        let render = |what: u32| {
            let mut bytes = Vec::new();
            for word in [1, 1, sequence, 5] {
                bytes.extend(word.to_ne_bytes());
            }
            bytes.extend(40_u16.to_ne_bytes());
            bytes.extend([0; 2]);
            for word in [what, cpu, 0, 0].iter().chain(&n) {
                bytes.extend(word.to_ne_bytes());
            }
            bytes
        };
        let table = [
            (1, ProcEvent::Fork { parent_tgid: n[1], child_pid: n[2], child_tgid: n[3] }),
            (2, ProcEvent::Exec { pid: n[0], tgid: n[1] }),
            (4, ProcEvent::Uid { pid: n[0], tgid: n[1], real: n[2], effective: n[3] }),
            (0x200, ProcEvent::Other),
            (0x8000_0000, ProcEvent::Exit {
                pid: n[0], tgid: n[1], status: WaitStatus(n[2]), parent_tgid: Some(n[5]),
            }),
            (0, ProcEvent::Answer { to: 4, error: n[0] }),
        ];
        for (what, event) in table {
            let found = parse_event(&render(what)).unwrap();
            prop_assert_eq!((found.cpu, found.sequence, found.event), (cpu, sequence, event));
        }
    }

    #[test]
    fn no_timeline_stops_the_aggregate_or_counts_a_record_twice(
        bits: u8,
        steps in vec((0_u8..6, 1_u32..5, 1_u32..5, any::<bool>()), 0..200),
    ) {
        let mut aggregate = Aggregate::new(telling(bits));
        let stats = render_stats(16, &[1]);
        let task = parse_stats(&stats, ACCOUNTING).unwrap();
        let mut records = 0;
        for (round, (kind, pid, tgid, flag)) in steps.into_iter().enumerate() {
            aggregate.begin_round(round as u64 * 30);
            let status = WaitStatus(0);
            match kind {
                0 => {
                    records += 1;
                    let mut task = task;
                    task.pid = pid;
                    task.tgid = (bits & 2 != 0).then_some(tgid);
                    task.is_last = (bits & 2 != 0).then_some(flag);
                    aggregate.on_record(&task);
                }
                1 => aggregate.on_event(&ProcEvent::Fork { parent_tgid: 1, child_pid: pid, child_tgid: tgid }),
                2 => aggregate.on_event(&ProcEvent::Exit { pid, tgid, status, parent_tgid: None }),
                3 => aggregate.on_event(&ProcEvent::Exec { pid, tgid }),
                4 => aggregate.on_events_lost(),
                _ => aggregate.end_round(),
            }
        }
        let given: u32 = aggregate.ready.iter().map(|exit| exit.threads).sum();
        prop_assert!(given <= records);
    }
}
