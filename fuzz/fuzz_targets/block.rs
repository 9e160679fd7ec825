#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lfs_wrapper_history::fuzzing::block(data));
