//! What holds for any arguments.

use proptest::collection::vec;
use proptest::prelude::*;

use super::places::PLACES;
use super::{MASKED_BYTES_MAX, mask_arguments, mask_command_line};

fn mask(line: &str) -> String {
    let arguments: Vec<String> = line.split(' ').map(|word| word.replace('␣', " ")).collect();
    mask_arguments(&arguments).join(" ")
}

/// Pieces of which command lines are made, so that random ones get deep.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "--password",
            "=",
            " ",
            "'",
            "\"",
            "\\",
            "(",
            ")",
            "`",
            ";",
            "&",
            "?",
            "token",
            "://",
            "@",
            ":",
            "-----BEGIN",
            " PRIVATE KEY-----",
            "-----END",
            "ghp_0123456789abcdefgh",
            "sh",
            "-c",
            "curl",
            "-u",
            "{",
            "}",
            "eyJ",
            "é",
            "\0",
            "\n",
            "sudo",
            "mysql",
            "-p",
            "-",
            "$(",
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
        vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_masked_within_the_limit(raw in prop_oneof![pieces(), vec(any::<u8>(), 0..9000)]) {
        let masked = mask_command_line(&raw);
        let count: usize = masked.iter().map(|text| text.len() + 1).sum();
        prop_assert!(count <= MASKED_BYTES_MAX);
    }

    #[test]
    fn masking_keeps_the_number_of_arguments(arguments in vec(pieces(), 0..6)) {
        let masked = mask_arguments(&arguments);
        prop_assume!(!masked.last().is_some_and(|text| text.ends_with('…')));
        prop_assert_eq!(masked.len(), arguments.len());
    }

    #[test]
    fn a_secret_never_shows(secret in "[A-Za-z0-9]{8,40}", place in 0..PLACES.len()) {
        let line = PLACES.get(place).map_or(String::new(), |place| place.replace("{}", &secret));
        prop_assert!(!mask(&line).contains(&secret), "{} -> {}", line, mask(&line));
        // The same as one word for a shell, and behind other commands.
        let script = line.replace('␣', "\\ ").replace("{\"", "'{\"").replace("\"}", "\"}'");
        for script in [script.clone(), format!("cd /x && A=b {script}; ls"), format!("x $({script})")] {
            let arguments = ["sh", "-c", &script];
            let masked = mask_arguments(arguments).join(" ");
            prop_assert!(!masked.contains(&secret), "{} -> {}", script, masked);
        }
    }
}
