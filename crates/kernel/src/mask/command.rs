//! The arguments of one command, one after the other: what one says of the
//! next, and which programs' options count.

use std::mem;

use super::field::mask_fields;
use super::header::{self, is_scheme, mask_header_value};
use super::name::{judge, judge_option};
use super::pair::{find_name_at_end, is_secret_pair, mask_pairs};
use super::programs::{Found, Program, find_programs};
use super::shell::{Piece, Word, read_piece};
use super::token::{begins_key, ends_key, mask_keys, mask_tokens};
use super::url::{mask_authority, mask_urls};
use super::value::{Kind, MASK, mask_value};

/// How deep commands in words of commands are read; deeper ones are masked.
const DEPTH_MAX: usize = 4;

/// How many commands in brackets are kept open; inside deeper ones, the
/// outermost are forgotten.
const OPEN_MAX: usize = 16;

/// What a command begins with before its program.
const KEYWORDS: [&str; 9] = [
    "!", "{", "do", "elif", "else", "if", "then", "until", "while",
];

/// A program whose options count.
struct Active {
    program: &'static Program,
    /// How many operands came since it began, or since the one behind which
    /// the row counts; `None` before that one.
    operands: Option<usize>,
}

/// What the arguments so far say about the next.
#[derive(Default)]
pub(super) struct Command {
    has_program: bool,
    runs_others: bool,
    active: Vec<Active>,
    next: Option<Kind>,
    is_in_key: bool,
    follows_define: bool,
    follows_config: bool,
}

/// Whether an argument can only be an option, even where a secret is due: a
/// program asks for the password where the option stands alone.
fn is_surely_option(argument: &str) -> bool {
    let long = argument.strip_prefix("--");
    let is_long = long.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
    is_long || (argument.len() == 2 && argument.starts_with('-'))
}

/// Whether a word sets a variable for the command that it stands before.
fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && find_name_at_end(name) == name)
}

impl Command {
    /// The next argument without its secrets.
    pub(super) fn mask(&mut self, argument: &str) -> String {
        self.mask_at(argument, 0)
    }

    fn mask_at(&mut self, argument: &str, depth: usize) -> String {
        if self.is_in_key {
            self.is_in_key = !ends_key(argument);
            return MASK.to_owned();
        }
        let text = mask_fields(&mask_keys(argument));
        self.is_in_key = begins_key(&text);
        let masked = match self.next.take() {
            Some(kind) if !is_surely_option(&text) => self.mask_known(kind, &text, depth),
            _ => self.mask_unknown(&text, depth),
        };
        mask_tokens(&masked)
    }

    /// An argument whose place says what it is.
    fn mask_known(&mut self, kind: Kind, text: &str, depth: usize) -> String {
        match kind {
            Kind::Header => self
                .mask_header(text)
                .unwrap_or_else(|| self.mask_free(text, depth)),
            Kind::Scheme if is_scheme(text) => {
                self.next = Some(Kind::Whole);
                text.to_owned()
            }
            Kind::Script => mask_script(text, depth),
            Kind::Authority if text.contains("://") => mask_urls(text),
            Kind::Authority => mask_authority(text),
            _ => mask_value(kind, text),
        }
    }

    fn mask_unknown(&mut self, text: &str, depth: usize) -> String {
        if let Some(masked) = self.mask_header(text) {
            return masked;
        }
        let is_first = !self.has_program;
        if is_first {
            let is_before = is_assignment(text) || KEYWORDS.contains(&text);
            self.has_program = !is_before;
        }
        if is_first && self.has_program {
            self.enter(text, true);
        }
        if text.starts_with('-') {
            return self.mask_option(text, depth);
        }
        let is_secret = !is_first && self.see_operand(text);
        if is_secret {
            MASK.to_owned()
        } else {
            self.mask_free(text, depth)
        }
    }

    fn mask_header(&mut self, text: &str) -> Option<String> {
        let (name, value) = text.split_at_checked(header::find_value(text)?)?;
        if value.is_empty() {
            self.next = Some(Kind::Scheme);
        }
        Some(format!("{name}{}", mask_header_value(value)))
    }

    fn mask_option(&mut self, text: &str, depth: usize) -> String {
        let active = self
            .active
            .iter()
            .filter(|active| active.operands.is_some());
        let found = active
            .filter_map(|active| active.program.find_option(text))
            .next();
        match found {
            Some(Found::From(start, kind)) => {
                let (option, value) = text.split_at_checked(start).unwrap_or((text, ""));
                return format!("{option}{}", self.mask_known(kind, value, depth));
            }
            Some(Found::Next(kind)) => self.next = Some(kind),
            None if !text.contains('=') => self.next = judge_option(text),
            None => {}
        }
        let masked = self.mask_free(text, depth);
        self.follows_define = text == "-D";
        masked
    }

    /// Takes note of an argument that is no option; whether it is a secret.
    fn see_operand(&mut self, text: &str) -> bool {
        let mut is_secret = false;
        self.active.retain_mut(|Active { program, operands }| {
            match operands {
                Some(count) => {
                    is_secret |= program
                        .secret_operands_from
                        .is_some_and(|from| *count >= from);
                    *count += 1;
                }
                None if text.eq_ignore_ascii_case(program.after) => *operands = Some(0),
                None => {}
            }
            !program.ends_at_operand
        });
        let is_setting = self.follows_config && judge(find_name_at_end(text)).is_some();
        if text == "Bearer" || (is_setting && !text.contains('=')) {
            self.next = Some(Kind::Whole);
        }
        self.follows_config |= matches!(text, "config" | "configure");
        if self.runs_others {
            self.enter(text, false);
        }
        is_secret
    }

    /// Takes note of a word that may be a program. One that was seen stays:
    /// `sudo -u mysql curl` is not mysql.
    fn enter(&mut self, word: &str, is_first: bool) {
        let (programs, runs_others) = find_programs(word, is_first);
        self.runs_others |= runs_others;
        for program in programs {
            let is_known = |active: &Active| std::ptr::eq(active.program, program);
            if !self.active.iter().any(is_known) {
                let operands = program.after.is_empty().then_some(0);
                self.active.push(Active { program, operands });
            }
        }
    }

    /// An argument of which only its own text tells.
    fn mask_free(&mut self, text: &str, depth: usize) -> String {
        let is_define = mem::take(&mut self.follows_define);
        if text.contains(char::is_whitespace) && !is_secret_pair(text) {
            return mask_script(text, depth);
        }
        mask_pairs(&mask_urls(text), is_define)
    }
}

/// The commands of a script, or the words of any text, without their secrets.
fn mask_script(text: &str, depth: usize) -> String {
    if depth >= DEPTH_MAX {
        return MASK.to_owned();
    }
    // What chpasswd(8) reads was mostly printed by the same script.
    let sets_passwords = text.contains("chpasswd");
    let mut open: Vec<Command> = Vec::new();
    let mut command = Command::default();
    let mut masked = String::new();
    let mut rest = text;
    while let Some((piece, next)) = read_piece(rest) {
        rest = next;
        match piece {
            Piece::Blank(blank) => masked.push_str(blank),
            Piece::Sign(sign) => {
                masked.push(sign);
                follow_sign(sign, &mut command, &mut open);
            }
            Piece::Word(word) if sets_passwords && is_user_line(&word) => {
                masked.push_str(&word.render(&mask_value(Kind::AfterColon, &word.plain)));
            }
            Piece::Word(word) => {
                let plain = command.mask_at(&word.plain, depth + 1);
                masked.push_str(&word.render(&plain));
            }
        }
    }
    masked
}

fn is_user_line(word: &Word<'_>) -> bool {
    word.plain.contains(':') && !word.plain.contains("://")
}

/// A bracket begins a command inside another one, which goes on behind it.
fn follow_sign(sign: char, command: &mut Command, open: &mut Vec<Command>) {
    match sign {
        '(' => {
            if open.len() == OPEN_MAX {
                open.remove(0);
            }
            open.push(mem::take(command));
        }
        ')' => *command = open.pop().unwrap_or_default(),
        _ => *command = Command::default(),
    }
}
