//! What the kernel prints, and what it never would.

use super::*;
use proptest::prelude::*;

/// The line that the kernel would print.
pub(crate) fn render_stat(
    identity: ProcessIdentity,
    name: &[u8],
    counts: &ProcessCounts,
) -> Vec<u8> {
    let ProcessIdentity { pid, start_ticks } = identity;
    let ProcessCounts {
        state,
        parent_pid,
        tty,
        flags,
        ..
    } = counts;
    let pages = counts.rss_bytes / 4096;
    let mut text = format!("{pid} (").into_bytes();
    text.extend(name);
    text.extend(format!(") {state} {parent_pid} 7 8 {tty} -1 {flags} ").into_bytes());
    let faults = (counts.minor_faults, counts.major_faults);
    text.extend(format!("{} 9 {} 10 ", faults.0, faults.1).into_bytes());
    for ticks in [
        counts.user_ticks,
        counts.system_ticks,
        counts.children_user_ticks,
        counts.children_system_ticks,
    ] {
        text.extend(format!("{ticks} ").into_bytes());
    }
    let (nice, threads, virtual_bytes) = (counts.nice, counts.threads, counts.virtual_bytes);
    text.extend(
        format!("20 {nice} {threads} 0 {start_ticks} {virtual_bytes} {pages} ").into_bytes(),
    );
    text.extend(b"18446744073709551615 1 1 77 0 0 0 0 0 0 0 0 0 17 ");
    let (processor, wait) = (counts.processor, counts.storage_wait_ticks);
    text.extend(format!("{processor} 0 0 {wait} 0 0 0 0 0 0 0 0 0 0\n").into_bytes());
    text
}

/// A process that sleeps and never did anything.
pub(crate) const ASLEEP: ProcessCounts = ProcessCounts {
    state: 'S',
    parent_pid: 1,
    tty: 0,
    flags: 0x0040_0000,
    minor_faults: 103,
    major_faults: 0,
    user_ticks: 0,
    system_ticks: 0,
    children_user_ticks: 0,
    children_system_ticks: 0,
    nice: 0,
    threads: 1,
    virtual_bytes: 1_155_712,
    rss_bytes: 765 * 4096,
    processor: 1,
    storage_wait_ticks: 0,
    io: None,
};

const IDENTITY: ProcessIdentity = ProcessIdentity {
    pid: 18_864,
    start_ticks: 3_133_440,
};

fn parsed(text: &[u8]) -> Option<ProcessStat<'_>> {
    parse_process_stat(text, 4096)
}

#[test]
fn a_line_of_the_kernel_is_taken_apart() {
    let text = b"18864 (cat) R 18852 18852 15659 34816 -1 4194304 103 1 5 2 11 12 13 14 20 -5 3 0 \
        3133440 1155712 412 18446744073709551615 94279670808576 94279670828457 140721910918624 \
        0 0 0 0 0 0 0 0 0 17 6 0 0 9 0 0 94279670844464 94279670846080 94280665235456 \
        140721910926024 140721910926044 140721910926044 140721910927339 0\n";
    let counts = ProcessCounts {
        state: 'R',
        parent_pid: 18_852,
        tty: 34_816,
        flags: 4_194_304,
        minor_faults: 103,
        major_faults: 5,
        user_ticks: 11,
        system_ticks: 12,
        children_user_ticks: 13,
        children_system_ticks: 14,
        nice: -5,
        threads: 3,
        virtual_bytes: 1_155_712,
        rss_bytes: 412 * 4096,
        processor: 6,
        storage_wait_ticks: 9,
        io: None,
    };
    let stat = ProcessStat {
        identity: IDENTITY,
        name: b"cat",
        stack_address: 140_721_910_918_624,
        counts,
    };
    assert_eq!(parsed(text), Some(stat));
    assert!(!counts.is_kernel_thread());
    let flags = 0x0020_8040;
    assert!(ProcessCounts { flags, ..counts }.is_kernel_thread());
}

#[test]
fn a_name_is_whatever_stands_between_the_outer_parentheses() {
    let names: [&[u8]; 9] = [
        b"",
        b"a b",
        b") R 1 (",
        b"(((",
        b")))",
        b"a\nb\n",
        b"\xff\xfe\x80",
        b"1 (x) S 1 2\n",
        b"\0\t",
    ];
    for name in names {
        let text = render_stat(IDENTITY, name, &ASLEEP);
        let stat = parsed(&text).unwrap();
        assert_eq!((stat.name, stat.counts), (name, ASLEEP), "{name:?}");
    }
}

#[test]
fn a_line_that_was_cut_says_nothing_wherever_it_was_cut() {
    for name in [b"cat".as_slice(), b") R 1 (\n", b"x) S 1\n) "] {
        let text = render_stat(IDENTITY, name, &ASLEEP);
        for length in 0..text.len() {
            assert_eq!(parsed(&text[..length]), None, "{length} of {name:?}");
        }
    }
}

#[test]
fn what_is_no_number_of_its_size_makes_the_line_nothing() {
    let text = String::from_utf8(render_stat(IDENTITY, b"cat", &ASLEEP)).unwrap();
    assert!(parsed(text.as_bytes()).is_some());
    for (old, new) in [
        ("18864 (", "4294967296 ("),
        ("18864 (", "("),
        (") S ", ") SS "),
        (") S ", ") 5 "),
        (" 3133440 ", " 18446744073709551616 "),
        (" 3133440 ", " -1 "),
        // Pages whose bytes do not fit.
        (" 765 ", " 18446744073709551615 "),
        (" 20 0 1 ", " 20 2147483648 1 "),
        (" 20 0 1 ", " 20 0 4294967296 "),
        (" 103 9 ", " 1e3 9 "),
    ] {
        let damaged = text.replacen(old, new, 1);
        assert_ne!(damaged, text, "{old}");
        assert_eq!(parsed(damaged.as_bytes()), None, "{new}");
    }
}

#[test]
fn input_and_output_are_all_or_nothing() {
    let text = "rchar: 6976\nwchar: 5\nsyscr: 10\nsyscw: 0\nread_bytes: 4096\n\
        write_bytes: 8192\ncancelled_write_bytes: 1\n";
    let io = ProcessIo {
        read_bytes: 4096,
        write_bytes: 8192,
        read_call_bytes: 6976,
        write_call_bytes: 5,
    };
    assert_eq!(parse_io(text.as_bytes()), Some(io));
    for damaged in [
        "",
        "rchar: 6976\n",
        &text[..text.len() - 30],
        &text.replace("4096", "x"),
    ] {
        assert_eq!(parse_io(damaged.as_bytes()), None, "{damaged:?}");
    }
}

fn counts() -> impl Strategy<Value = ProcessCounts> {
    let longs = proptest::array::uniform9(any::<u64>());
    let shorts = any::<(u32, u32, u32, u32)>();
    let letter = proptest::char::range('A', 'Z');
    (letter, longs, shorts, any::<i32>(), any::<i32>()).prop_map(
        |(state, longs, shorts, tty, nice)| {
            let [minor_faults, major_faults, user_ticks, system_ticks, ..] = longs;
            ProcessCounts {
                state,
                parent_pid: shorts.0,
                tty,
                flags: shorts.1,
                minor_faults,
                major_faults,
                user_ticks,
                system_ticks,
                children_user_ticks: longs[4],
                children_system_ticks: longs[5],
                nice,
                threads: shorts.2,
                virtual_bytes: longs[6],
                rss_bytes: longs[7] & !4095,
                processor: shorts.3,
                storage_wait_ticks: longs[8],
                io: None,
            }
        },
    )
}

proptest! {
    #[test]
    fn what_was_printed_is_parsed(pid: u32, start_ticks: u64, name: Vec<u8>, counts in counts()) {
        let identity = ProcessIdentity { pid, start_ticks };
        let text = render_stat(identity, &name, &counts);
        let stat = ProcessStat { identity, name: &name, stack_address: 77, counts };
        prop_assert_eq!(parsed(&text), Some(stat));
    }

    #[test]
    fn any_bytes_are_taken(text: Vec<u8>) {
        let _stat = parsed(&text);
        let _io = parse_io(&text);
    }

    #[test]
    fn any_damage_is_taken(
        name: Vec<u8>,
        counts in counts(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9),
    ) {
        let mut text = render_stat(IDENTITY, &name, &counts);
        for (index, byte) in damage {
            let index = index.index(text.len());
            text[index] = byte;
        }
        let _stat = parsed(&text);
    }
}
