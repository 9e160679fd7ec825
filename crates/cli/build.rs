//! The examples are embedded in the program.

fn main() {
    println!("cargo::rerun-if-changed=../../examples");
}
