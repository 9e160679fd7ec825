//! Blobs whose checksum is right and whose contents are not: an error or other
//! values, never a panic.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::proptest;

use crate::moments::block::{self, BlockBuilder};
use crate::moments::block_reader::BlockReader;
use crate::moments::exit::{self, ExitRecord, decode_exits, encode_exits};
use crate::moments::frame::{ProcessFrame, ProcessRow, Step};
use crate::moments::packed::{Magic, pack, unpack};
use crate::moments::segment::{self, Replay, SegmentReader, SegmentWriter};

fn frames() -> Vec<ProcessFrame> {
    let row = |pid: u32, second: u32| ProcessRow {
        pid,
        start_ticks: 5,
        parent_pid: 1,
        uid: None,
        name: Arc::from("cc"),
        arguments: Some(Arc::from("cc -c")),
        step: Some(Arc::new(Step {
            run: 1,
            id: "gcc".to_owned(),
        })),
        state: 'S',
        threads: 1,
        cpu_usec: u64::from(second * pid) * 10_000,
        rss_bytes: 4096,
        read_bytes: None,
        write_bytes: Some(0),
        minor_faults: u64::from(second),
        major_faults: 0,
    };
    let frame = |second: u32| ProcessFrame {
        time_msec: 1_795_256_400_000 + i64::from(second) * 1000,
        rows: (second..second + 4).map(|pid| row(pid, second)).collect(),
        dropped: 0,
    };
    (1..6).map(frame).collect()
}

fn read_segment(blob: &[u8]) -> usize {
    let Ok(mut reader) = SegmentReader::open(blob) else {
        return 0;
    };
    let mut replay = Replay::default();
    let mut count = 0;
    while let Ok(Some(_)) = reader.next_msec() {
        if reader.step(&mut replay).is_err() {
            break;
        }
        replay.frame();
        count += 1;
    }
    count
}

fn read_block(blob: &[u8]) -> usize {
    let Ok(mut reader) = BlockReader::open(blob) else {
        return 0;
    };
    let count = reader.times().len();
    (0..count).filter_map(|number| reader.frame(number)).count()
}

/// Changes some bytes, and makes the checksum right again.
fn spoil(magic: Magic, blob: &[u8], changes: &[(usize, usize, u8)]) -> Vec<u8> {
    let mut sections = unpack(magic, blob).unwrap();
    for (section, place, value) in changes {
        let count = sections.len();
        let section = &mut sections[section % count];
        match section.len() {
            0 => section.push(*value),
            length if place % 7 == 0 => section.truncate(place % length),
            length => section[place % length] = *value,
        }
    }
    pack(magic, 1, &sections).unwrap()
}

proptest! {
    #[test]
    fn spoilt_blobs_end_no_reader(changes in vec((0..64_usize, 0..4096_usize, any::<u8>()), 1..6)) {
        let mut writer = SegmentWriter::default();
        let mut builder = BlockBuilder::default();
        let frames = frames();
        for frame in &frames {
            writer.push(frame.time_msec, 0, frame.rows.iter());
            builder.push(frame);
        }
        let row = writer.take(0).unwrap().unwrap().data;
        assert_eq!(read_segment(&row), frames.len());
        read_segment(&spoil(segment::MAGIC, &row, &changes));
        let block = builder.finish().unwrap().unwrap().bytes;
        assert_eq!(read_block(&block), frames.len());
        read_block(&spoil(block::MAGIC, &block, &changes));
        let record = |pid: u32| ExitRecord {
            pid,
            parent_pid: Some(1),
            uid: Some(0),
            name: Arc::from("cc"),
            start_msec: None,
            end_msec: i64::from(pid) * 10,
            exit_code: Some(1),
            signal: None,
            cpu_usec: Some(10_000),
            rss_peak_bytes: None,
            read_bytes: Some(4096),
            write_bytes: None,
            minor_faults: Some(3),
            major_faults: None,
            step: None,
        };
        let mut records: Vec<ExitRecord> = (2..20).map(record).collect();
        let batch = encode_exits(&mut records, 1).unwrap();
        assert_eq!(decode_exits(&batch).unwrap(), records);
        let _ = decode_exits(&spoil(exit::MAGIC, &batch, &changes));
    }
}
