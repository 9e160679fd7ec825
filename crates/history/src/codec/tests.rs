use proptest::prelude::*;

use super::bundle::Writer;
use super::fuzzing::is_same;
use super::{Block, BlockReader, Row, Run, Unfit, encode, envelope, fuzzing};

/// What each byte is changed to: kinds, lengths, and ends of ranges.
const VALUES: [u8; 7] = [0, 1, 2, 5, 0x7f, 0x80, 0xff];

/// A step that times and keys take, small as a rule.
fn step() -> impl Strategy<Value = u32> {
    prop_oneof![8 => Just(1000_u32), 4 => 990_u32..1010, 1 => 1_u32..10_000_000]
}

fn times(count: usize) -> impl Strategy<Value = Vec<i64>> {
    (
        -1_000_000_000_000_i64..2_000_000_000_000,
        prop::collection::vec(step(), count),
    )
        .prop_map(|(first, steps)| {
            steps
                .iter()
                .scan(first, |time, step| {
                    *time += i64::from(*step);
                    Some(*time)
                })
                .collect()
        })
}

/// Runs of a block of so many times, out of any numbers.
fn runs_of(times: u32, choices: &[(u32, u32, bool)]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut next = 0;
    for (gap, len, ends) in choices {
        let from = next + gap;
        let after = from + len + u32::from(*ends);
        if after > times || (*len == 0 && !ends) {
            continue;
        }
        runs.push(Run {
            from,
            len: *len,
            ends: *ends,
        });
        next = after;
    }
    runs
}

fn runs(times: usize) -> impl Strategy<Value = Vec<Run>> {
    let times = u32::try_from(times).unwrap();
    let everywhere = vec![Run {
        from: 0,
        len: times,
        ends: false,
    }];
    let some = prop::collection::vec((0..5_u32, 0..40_u32, any::<bool>()), 0..8);
    prop_oneof![
        Just(if times > 0 { everywhere } else { Vec::new() }),
        some.prop_map(move |choices| runs_of(times, &choices)),
    ]
}

fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        prop::sample::select(vec![
            0.0,
            -0.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            f64::from_bits(0x7ff0_0000_0000_0002),
            f64::from_bits(0xfff8_0000_0000_0001),
            f64::MIN_POSITIVE,
            f64::MAX,
            9_223_372_036_854_775_807.0,
            -9_223_372_036_854_775_808.0,
            18_446_744_073_709_551_615.0,
            9_007_199_254_740_993.0,
        ]),
    ]
}

/// As many values, of one of the kinds there are.
fn values(count: usize) -> BoxedStrategy<Vec<f64>> {
    let counter =
        (any::<u32>(), prop::collection::vec(0..1000_u32, count)).prop_map(|(first, steps)| {
            steps
                .iter()
                .scan(f64::from(first), |sum, step| {
                    *sum += f64::from(*step);
                    Some(*sum)
                })
                .collect::<Vec<f64>>()
        });
    let rare = prop::collection::vec((0..20_u8, -3..3_i8), count).prop_map(|choices| {
        choices
            .iter()
            .map(|(chance, value)| if *chance == 0 { f64::from(*value) } else { 7.0 })
            .collect()
    });
    prop_oneof![
        any_float().prop_map(move |value| vec![value; count]),
        (any::<i32>(), any::<i32>()).prop_map(move |(first, step)| {
            (0..count)
                .map(|number| f64::from(first) + f64::from(step) * number as f64)
                .collect()
        }),
        counter,
        rare,
        prop::collection::vec(any::<i64>().prop_map(|value| value as f64), count),
        prop::collection::vec(
            (-1_000_000..1_000_000_i32).prop_map(|value| f64::from(value) / 1000.0),
            count
        ),
        prop::collection::vec(0.0..1.0_f64, count),
        prop::collection::vec(any_float(), count),
    ]
    .boxed()
}

fn row(times: usize) -> impl Strategy<Value = Row> {
    (runs(times), 0..4_usize).prop_flat_map(|(runs, columns)| {
        let count = runs.iter().map(|run| run.len as usize).sum::<usize>();
        let column = prop_oneof![
            1 => Just(None),
            4 => values(count).prop_map(Some),
        ];
        prop::collection::vec(column, columns).prop_map(move |columns| Row {
            key: 0,
            runs: runs.clone(),
            columns,
        })
    })
}

fn block() -> impl Strategy<Value = Block> {
    let times = prop_oneof![0..5_usize, 0..700_usize];
    times.prop_flat_map(|count| {
        let rows = prop::collection::vec((row(count), 1..3_u32), 0..20);
        (times_of(count), rows, any::<bool>()).prop_map(|(times, choices, twice)| {
            let mut key = 0;
            let mut rows = Vec::new();
            for (row, step) in choices {
                for _ in 0..=u32::from(twice) {
                    key += step;
                    rows.push(Row { key, ..row.clone() });
                }
            }
            Block { times, rows }
        })
    })
}

fn times_of(count: usize) -> impl Strategy<Value = Vec<i64>> {
    times(count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_block_comes_back_bit_for_bit(block in block()) {
        let bytes = encode(&block).unwrap();
        let back = BlockReader::open(&bytes).unwrap().block().unwrap();
        prop_assert!(is_same(&block, &back));
        fuzzing::block(&bytes);
    }

    #[test]
    fn any_bytes_are_a_block_or_damage(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzzing::block(&bytes);
    }
}

fn small() -> Block {
    let times: Vec<i64> = (0..60)
        .map(|second| 1_700_000_000_000 + second * 1000 + second % 3)
        .collect();
    let everywhere = vec![Run {
        from: 0,
        len: 60,
        ends: false,
    }];
    let row = |key: u32, values: Vec<f64>| Row {
        key,
        runs: everywhere.clone(),
        columns: vec![Some(values)],
    };
    let noise = |number: u32| f64::from(number.wrapping_mul(2_654_435_761) >> 20);
    Block {
        times,
        rows: vec![
            row(3, vec![5.0; 60]),
            row(4, (0..60).map(|number| f64::from(number) * 1.5).collect()),
            row(7, (0..60).map(noise).collect()),
            row(8, (0..60).map(|number| noise(number).sqrt()).collect()),
            row(9, (0..60).map(noise).collect()),
            Row {
                key: 11,
                runs: vec![
                    Run {
                        from: 2,
                        len: 0,
                        ends: true,
                    },
                    Run {
                        from: 5,
                        len: 3,
                        ends: true,
                    },
                ],
                columns: vec![None, Some(vec![1.0, f64::NAN, -0.0])],
            },
        ],
    }
}

#[test]
fn a_changed_byte_is_damage() {
    let bytes = encode(&small()).unwrap();
    for place in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut changed = bytes.clone();
            *changed.get_mut(place).unwrap() ^= flip;
            assert!(BlockReader::open(&changed).is_err(), "byte {place}");
        }
    }
}

#[test]
fn a_block_that_is_cut_or_longer_is_damage() {
    let mut bytes = encode(&small()).unwrap();
    for length in 0..bytes.len() {
        assert!(
            BlockReader::open(bytes.get(..length).unwrap()).is_err(),
            "{length} bytes"
        );
    }
    bytes.push(0);
    assert!(BlockReader::open(&bytes).is_err());
}

#[test]
fn a_changed_byte_under_a_right_checksum_never_panics() {
    let bytes = encode(&small()).unwrap();
    let body = envelope::open(&bytes).unwrap();
    for place in 0..body.len() {
        for value in VALUES {
            let mut changed = body.to_vec();
            *changed.get_mut(place).unwrap() = value;
            fuzzing::block(&envelope::seal(&changed));
        }
    }
}

/// The rows of the small block as one bundle that is not compressed, as
/// [`fuzzing::around`] takes it.
fn small_bundle() -> Vec<u8> {
    let block = small();
    let mut bundle = Writer::default();
    for row in &block.rows {
        bundle.add(row, block.times.len());
    }
    let rows = u8::try_from(block.rows.len()).unwrap();
    [&[60, rows], bundle.bytes.as_slice()].concat()
}

#[test]
fn a_bundle_that_is_not_compressed_is_read() {
    let bytes = envelope::seal(&fuzzing::around(&small_bundle()));
    let read = BlockReader::open(&bytes).unwrap().block().unwrap();
    let mut block = small();
    block.times = (0..60).collect();
    for (key, row) in (0..).zip(&mut block.rows) {
        row.key = key;
    }
    assert!(is_same(&read, &block));
}

#[test]
fn a_changed_byte_of_a_bundle_never_panics() {
    let bundle = small_bundle();
    for place in 0..bundle.len() {
        for value in VALUES {
            let mut changed = bundle.clone();
            *changed.get_mut(place).unwrap() = value;
            fuzzing::block(&changed);
        }
    }
}

#[test]
fn a_row_is_read_without_the_others() {
    let block = small();
    let mut reader = BlockReader::open(&encode(&block).unwrap()).unwrap();
    assert_eq!(reader.keys().collect::<Vec<u32>>(), [3, 4, 7, 8, 9, 11]);
    assert!(reader.row(5).unwrap().is_none());
    let row = reader.row(11).unwrap().unwrap();
    drop(reader);
    assert_eq!(row.times().len(), 60);
    assert_eq!(row.columns(), 2);
    let mut values = vec![1.0];
    assert!(!row.column(0, &mut values).unwrap());
    assert!(row.column(1, &mut values).unwrap());
    assert_eq!(values.len(), 3);
    assert!(!row.column(2, &mut values).unwrap());
    assert_eq!(row.runs().unwrap(), block.rows.last().unwrap().runs);
}

#[test]
fn a_column_that_another_row_has_too_is_stored_once() {
    let mut block = small();
    let once = encode(&block).unwrap().len();
    let copy = block.rows.get(3).unwrap().clone();
    block.rows.extend((20..40).map(|key| Row {
        key,
        ..copy.clone()
    }));
    assert!(encode(&block).unwrap().len() < once + 60);
}

#[test]
fn what_is_no_block_is_refused() {
    let unfit = |change: fn(&mut Block)| {
        let mut block = small();
        change(&mut block);
        assert!(matches!(encode(&block), Err(Unfit(_))));
    };
    unfit(|block| block.times.reverse());
    unfit(|block| block.rows.reverse());
    unfit(|block| block.times.truncate(59));
    unfit(|block| block.times = (0..70_000).collect());
    unfit(|block| block.rows.first_mut().unwrap().columns = vec![Some(vec![1.0])]);
    unfit(|block| block.rows.first_mut().unwrap().columns = vec![None; 33]);
    unfit(|block| {
        block.rows.first_mut().unwrap().runs = vec![Run {
            from: 9,
            len: 0,
            ends: false,
        }];
    });
    unfit(|block| {
        block.rows.first_mut().unwrap().runs = vec![Run {
            from: u32::MAX,
            len: u32::MAX,
            ends: true,
        }];
    });
}
