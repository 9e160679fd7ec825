/// `text` without characters that would do something to a terminal instead of
/// being seen: each becomes U+FFFD.
pub fn visible(text: &str) -> String {
    let seen = |character: char| {
        if character.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            character
        }
    };
    text.chars().map(seen).collect()
}
