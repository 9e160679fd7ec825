//! What promtool says to an export, and whether what it prints is read.

use std::fs;
use std::process::Command;

use super::export::{OtherNames, export};
use super::samples::Samples;

#[test]
#[ignore = "needs promtool"]
fn an_export_becomes_blocks_and_their_dump_is_read_bit_for_bit() {
    let mut text = String::from("# TYPE a counter\n# TYPE h histogram\n# TYPE g gauge\n");
    for step in 0..5_000_i64 {
        let (seconds, msec) = (1_700_000_000 + step, step * 7 % 1000);
        let value = f64::from_bits(0x3ff1_2345_6789_abcd_u64.wrapping_add(step.unsigned_abs()));
        text += &format!("a_total{{x=\"1\\n\\\"ü\"}} {step} {seconds}.{msec:03}\n");
        text += &format!("g {value:e} {seconds}.{msec:03}\n");
        text += &format!("h_bucket{{le=\"+Inf\"}} {step} {seconds}.{msec:03}\n");
        text += &format!("kernel -Inf {seconds}\n");
    }
    text += "# EOF\n";
    let history = Samples::read(&text);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export");
    let mut exported = fs::File::create(&file).unwrap();
    let always = (i64::MIN, i64::MAX);
    let counts = export(&history, &[], always, OtherNames::LeaveOut, &mut exported).unwrap();
    assert_eq!(counts.samples, 20_000);
    let blocks = folder.path().join("blocks");
    let run = |arguments: &[&str]| {
        let mut command = Command::new("promtool");
        let output = command.arg("tsdb").args(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (file, blocks) = (file.to_str().unwrap(), blocks.to_str().unwrap());
    run(&["create-blocks-from", "openmetrics", "--quiet", file, blocks]);
    // It opens the folder of a whole database.
    fs::create_dir_all(format!("{blocks}/wal")).unwrap();
    let dump = run(&["dump", blocks]);
    assert!(
        Samples::read(&dump).bits() == history.bits(),
        "{}",
        dump.lines().count()
    );
}
