//! Command lines with and without secrets.

use crate::mask::places::PLACES;
use crate::mask::{MASKED_BYTES_MAX, mask_arguments, mask_command_line};

/// What follows the secret's own bytes of an input may be this long.
const SECRET_MIN_BYTES: usize = 8;
const SECRETS_LENGTHS: usize = 33;

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Any bytes as a command line; and a secret of some bytes in a place of a
/// command line where it is known as one, with other bytes around it.
pub fn command_line(data: &[u8]) {
    let masked = mask_command_line(data);
    let shown: usize = masked.iter().map(|text| text.len() + 1).sum();
    assert!(shown <= MASKED_BYTES_MAX);
    let arguments = data.split(|byte| *byte == 0).collect::<Vec<_>>();
    let all = mask_arguments(&arguments);
    let is_cut = all.last().is_some_and(|text| text.ends_with('…'));
    assert!(is_cut || all.len() == arguments.len());
    check_secret(data);
}

/// The first bytes choose place and surroundings, the next are the secret, and
/// the rest is what surrounds it.
fn check_secret(data: &[u8]) {
    let Some(([place, shape, length], rest)) = data.split_first_chunk::<3>() else {
        return;
    };
    let length = SECRET_MIN_BYTES + usize::from(*length) % SECRETS_LENGTHS;
    let Some((secret, around)) = rest.split_at_checked(length) else {
        return;
    };
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
    let secret: String = secret.iter().map(letter).collect();
    let place = PLACES[usize::from(*place) % PLACES.len()];
    let around = String::from_utf8_lossy(around);
    let letters: String = around.chars().filter(char::is_ascii_alphanumeric).collect();
    // It would not be the secret that shows.
    if place.contains(&secret) || letters.contains(&secret) {
        return;
    }
    let arguments = surround(&place.replace("{}", &secret), *shape, &around);
    let masked = mask_arguments(&arguments).join(" ");
    assert!(
        !masked.contains(&secret),
        "{secret} in {arguments:?} -> {masked}"
    );
}

fn surround(line: &str, shape: u8, around: &str) -> Vec<String> {
    // The same as one word for a shell.
    let script = line
        .replace('␣', "\\ ")
        .replace("{\"", "'{\"")
        .replace("\"}", "\"}'");
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || " ./_-".contains(*letter);
    let plain: String = around.chars().filter(is_plain).collect();
    let script = match shape % 6 {
        0 => {
            let arguments = line.split(' ').map(|word| word.replace('␣', " "));
            let around = around.split('\0').map(str::to_owned);
            return arguments.chain(around).collect();
        }
        1 => format!("{script}; {around}"),
        2 => format!("{plain}; {script}"),
        3 => format!("x $({script}) {around}"),
        4 => format!("{plain}\n{script}\n{around}"),
        _ => format!("{plain} && {script} | {around}"),
    };
    vec!["sh".to_owned(), "-c".to_owned(), script]
}
