//! Text about the machine that seldom changes.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::cpu::frequency::{LISTED_MAX, parse_list};
use crate::doctor::config::{CONFIG_MAX_BYTES, parse_config, read_bounded};
use crate::doctor::host;
use crate::fuzzing::check::check_cut;
use crate::hardware::hwmon::{derive_clean, parse_file_name};
use crate::network::class::parse_property;
use crate::system::clock::{parse_numbers, parse_uptime};
use crate::system::{parse_os_release, parse_version};

/// os-release, the kernel's configuration, plain and compressed, its version,
/// and what single files below sysfs hold.
pub fn machine(data: &[u8]) {
    check_cut(data, parse_os_release);
    check_cut(data, parse_config);
    for name in parse_os_release(data).keys() {
        assert!(!name.is_empty() && name.is_ascii());
    }
    check_compressed(data);
    check_words(data);
    check_cut(data, parse_uptime);
    check_cut(data, parse_numbers::<3>);
    assert!(parse_uptime(data).is_none_or(|seconds| seconds.is_finite() && seconds >= 0.0));
    let _property = parse_property(data);
}

fn check_words(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let version = parse_version(&text);
    assert!(version.is_none_or(|version| version > 0.0));
    let _version = host::parse_version(&text);
    if let Some((kind, _, _)) = parse_file_name(&text) {
        assert!(text.starts_with(kind));
    }
    let clean = derive_clean(&text);
    assert!(clean.is_ascii() && clean.len() <= 2 * text.len());
    let listed = parse_list(&text).unwrap_or_default();
    assert!(listed.len() as u64 <= LISTED_MAX);
    assert!(listed.iter().all(|number| *number < LISTED_MAX));
}

/// As compressed text, whatever it is, and as text that was compressed.
fn check_compressed(data: &[u8]) {
    if let Ok(text) = read_bounded(MultiGzDecoder::new(data)) {
        assert!(text.len() as u64 <= CONFIG_MAX_BYTES);
        drop(parse_config(&text));
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(data).and_then(|()| encoder.finish());
    let read = written.and_then(|gzip| {
        let mut text = Vec::new();
        MultiGzDecoder::new(gzip.as_slice())
            .read_to_end(&mut text)
            .map(|_| text)
    });
    assert_eq!(read.ok().as_deref(), Some(data));
}
