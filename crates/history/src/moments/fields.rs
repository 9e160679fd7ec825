//! A process as a row of numbers, which is how it is kept.

use std::sync::Arc;

use crate::moments::bytes::NONE;
use crate::moments::frame::{ProcessKey, ProcessRow, Step};
use crate::moments::texts::{TextTable, Texts};

/// How many numbers a process has besides its key.
pub(super) const FIELDS: usize = 13;

/// The numbers of one process: parent, user, name, arguments, step, state,
/// threads, processor time, memory, bytes read, bytes written, minor faults,
/// major faults. Texts by their numbers; [`NONE`] is not known.
pub(super) type Values = [u64; FIELDS];

/// The fields that are numbers of texts.
pub(super) const NAME: usize = 2;
pub(super) const ARGUMENTS: usize = 3;
const STEP: usize = 4;

/// A process that lives, as it was seen last.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) key: ProcessKey,
    name: Arc<str>,
    arguments: Option<Arc<str>>,
    step: Option<Arc<Step>>,
    pub(super) values: Values,
}

impl Known {
    pub(super) fn new(row: &ProcessRow, texts: &mut Texts) -> Self {
        let mut known = Self {
            key: row.key(),
            name: Arc::clone(&row.name),
            arguments: row.arguments.clone(),
            step: row.step.clone(),
            values: [NONE; FIELDS],
        };
        known.number_texts(texts);
        known.set_numbers(row);
        known
    }

    /// Takes in what the process is now; returns what it was.
    pub(super) fn update(&mut self, row: &ProcessRow, texts: &mut Texts) -> Values {
        let before = self.values;
        if !is_same(Some(&self.name), Some(&row.name)) {
            self.name = Arc::clone(&row.name);
            self.values[NAME] = texts.number(&self.name);
        }
        if !is_same(self.arguments.as_ref(), row.arguments.as_ref()) {
            self.arguments.clone_from(&row.arguments);
            self.values[ARGUMENTS] = number_of(self.arguments.as_ref(), texts);
        }
        if !is_same(self.step.as_ref(), row.step.as_ref()) {
            self.step.clone_from(&row.step);
            self.values[STEP] = step_number_of(self.step.as_deref(), texts);
        }
        self.set_numbers(row);
        before
    }

    /// Gives the texts their numbers in another list.
    pub(super) fn number_texts(&mut self, texts: &mut Texts) {
        self.values[NAME] = texts.number(&self.name);
        self.values[ARGUMENTS] = number_of(self.arguments.as_ref(), texts);
        self.values[STEP] = step_number_of(self.step.as_deref(), texts);
    }

    fn set_numbers(&mut self, row: &ProcessRow) {
        let [
            parent,
            uid,
            _,
            _,
            _,
            state,
            threads,
            cpu,
            rss,
            read,
            write,
            minor,
            major,
        ] = &mut self.values;
        *parent = u64::from(row.parent_pid);
        *uid = row.uid.map_or(NONE, u64::from);
        *state = u64::from(u32::from(row.state));
        *threads = u64::from(row.threads);
        *cpu = row.cpu_usec;
        *rss = row.rss_bytes;
        *read = row.read_bytes.unwrap_or(NONE);
        *write = row.write_bytes.unwrap_or(NONE);
        *minor = row.minor_faults;
        *major = row.major_faults;
    }
}

fn is_same<T: Eq + ?Sized>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
        (None, None) => true,
        _ => false,
    }
}

fn number_of(text: Option<&Arc<str>>, texts: &mut Texts) -> u64 {
    text.map_or(NONE, |text| texts.number(text))
}

fn step_number_of(step: Option<&Step>, texts: &mut Texts) -> u64 {
    step.map_or(NONE, |step| texts.step_number(step))
}

/// The process that these numbers are of. What cannot be shows as unknown.
pub(super) fn to_row(key: ProcessKey, values: &Values, texts: &mut TextTable) -> ProcessRow {
    let [
        parent,
        uid,
        name,
        arguments,
        step,
        state,
        threads,
        cpu,
        rss,
        read,
        write,
        minor,
        major,
    ] = *values;
    let small = |value: u64| u32::try_from(value).ok();
    let known = |value: u64| (value != NONE).then_some(value);
    ProcessRow {
        pid: key.0,
        start_ticks: key.1,
        parent_pid: small(parent).unwrap_or(0),
        uid: small(uid),
        name: texts.get(name).map_or_else(|| Arc::from("?"), Arc::clone),
        arguments: texts.get(arguments).map(Arc::clone),
        step: texts.step(step),
        state: small(state).and_then(char::from_u32).unwrap_or('?'),
        threads: small(threads).unwrap_or(0),
        cpu_usec: known(cpu).unwrap_or(0),
        rss_bytes: known(rss).unwrap_or(0),
        read_bytes: known(read),
        write_bytes: known(write),
        minor_faults: known(minor).unwrap_or(0),
        major_faults: known(major).unwrap_or(0),
    }
}
