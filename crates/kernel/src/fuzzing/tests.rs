//! Every target over the captured files and thousands of mutations of them: a
//! little of what a fuzzer does, wherever tests run.

use std::fs;
use std::path::{Path, PathBuf};

use super::{SEPARATOR, TARGETS};

/// Mutations of each seed for each target.
const MUTATIONS: usize = 2;

/// Longer inputs than this are cut, so that mutations of mutations stay small.
const INPUT_MAX_BYTES: usize = 4096;

const NUMBERS: [&[u8]; 6] = [
    b"18446744073709551615",
    b"18446744073709551616",
    b"-1",
    b"0",
    b"9007199254740993",
    b"1e309",
];

/// Numbers that are the same in each run (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }
}

fn list_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        // A link leads to a file that is found without it.
        if path.is_symlink() {
            continue;
        } else if path.is_dir() {
            list_files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn read_seeds() -> Vec<Vec<u8>> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    list_files(&own.join("tests/fixtures"), &mut files);
    list_files(&own.join("../../fuzz/seeds"), &mut files);
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// One of the ways in which kernel text can be damaged.
fn mutate(text: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    let at = numbers.below(text.len());
    match numbers.below(8) {
        0 => text.truncate(at),
        1 if !text.is_empty() => text[at] = numbers.next().to_le_bytes()[0],
        2 if !text.is_empty() => text[at] ^= 1 << numbers.below(8),
        3 => double_line(text, at),
        4 => replace_number(text, at, NUMBERS[numbers.below(NUMBERS.len())]),
        5 => text.insert(at, 0),
        6 => drop(text.drain(at..text.len().min(at + 8))),
        _ => {
            text.push(SEPARATOR);
            text.extend(other);
        }
    }
    text.truncate(INPUT_MAX_BYTES);
}

fn double_line(text: &mut Vec<u8>, at: usize) {
    let line = text.split_inclusive(|byte| *byte == b'\n').nth(at % 8);
    let line = line.unwrap_or_default().to_vec();
    text.extend(line);
}

fn replace_number(text: &mut Vec<u8>, at: usize, number: &[u8]) {
    let is_digit = |index: &usize| text[*index].is_ascii_digit();
    let Some(start) = (at..text.len()).find(is_digit) else {
        return;
    };
    let end = (start..text.len()).find(|index| !is_digit(index));
    text.splice(start..end.unwrap_or(text.len()), number.iter().copied());
}

#[test]
fn no_seed_and_no_mutation_of_one_breaks_a_promise() {
    let seeds = read_seeds();
    assert!(seeds.len() > 60, "the seeds are not where they should be");
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut count = 0_usize;
    for target in &TARGETS {
        for (index, seed) in seeds.iter().enumerate() {
            (target.run)(seed);
            let mut text = seed.clone();
            for mutation in 0..MUTATIONS {
                if mutation % 6 == 0 {
                    text.clone_from(seed);
                }
                let other = &seeds[(index + mutation) % seeds.len()];
                mutate(&mut text, other, &mut numbers);
                (target.run)(&text);
                count += 1;
            }
        }
    }
    assert!(count > 10_000);
}

#[test]
fn every_target_has_a_binary_and_seeds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for target in &TARGETS {
        let file = format!("fuzz_targets/{}.rs", target.name);
        assert!(folder.join(&file).exists(), "{file}");
        assert!(manifest.contains(&file), "{file}");
        assert!(
            folder.join("seeds").join(target.name).is_dir(),
            "{}",
            target.name
        );
    }
}
