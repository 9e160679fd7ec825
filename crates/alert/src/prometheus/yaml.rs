//! YAML as a tree.

use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use crate::document::tree::{Entry, Node, Value, Wrong};

/// Nothing is nested deeper than this.
const DEPTH_MAX: usize = 32;

/// The most values in a file, those that aliases repeat counted again.
const NODES_MAX: usize = 200_000;

/// The one document of `text`.
pub(super) fn parse(text: &str) -> Result<Node, Wrong> {
    let mut reader = Reader::new(text);
    let mut document = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart(_) if document.is_some() => {
                let start = reader.bytes(&span);
                return Err(Wrong::new(&start, "a second document in one file")
                    .with_help("put it into a file of its own"));
            }
            Event::DocumentStart(_) => {
                let first = reader.next()?;
                document = Some(reader.node(first, 0)?);
            }
            _ => {}
        }
    }
    Ok(document.unwrap_or(Node {
        span: 0..0,
        value: Value::Null,
    }))
}

/// The most keys of one table.
const KEYS_MAX: usize = 1_000;

struct Reader<'a> {
    text: &'a str,
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    /// Where each character begins: the parser counts characters.
    starts: Vec<usize>,
    anchors: Vec<(usize, Node, usize)>,
    count: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            parser: Parser::new_from_str(text),
            starts: text.char_indices().map(|(start, _)| start).collect(),
            anchors: Vec::new(),
            count: 0,
        }
    }

    fn byte(&self, marker: &Marker) -> usize {
        let start = self.starts.get(marker.index());
        start.copied().unwrap_or(self.text.len())
    }

    fn bytes(&self, span: &Span) -> Range<usize> {
        let start = self.byte(&span.start);
        start..self.byte(&span.end).max(start)
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Wrong> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let at = self.byte(error.marker());
                Err(Wrong::new(
                    &(at..at),
                    lfs_wrapper_model::visible(error.info()),
                ))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, (event, span): (Event<'a>, Span), depth: usize) -> Result<Node, Wrong> {
        let start = self.bytes(&span);
        let before = self.count;
        self.count(1, &start)?;
        if depth > DEPTH_MAX {
            return Err(Wrong::new(
                &start,
                format!("more than {DEPTH_MAX} tables and lists within each other"),
            ));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (scalar(&text, style, tag.as_deref()), anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(anchor) => return self.alias(anchor, start),
            _ => return Err(Wrong::new(&start, "a value is missing")),
        };
        let node = Node { span: start, value };
        if anchor > 0 {
            let size = self.count - before;
            self.anchors.push((anchor, node.clone(), size));
        }
        Ok(node)
    }

    /// Ten lines can say a billion values with aliases.
    fn count(&mut self, more: usize, at: &Range<usize>) -> Result<(), Wrong> {
        self.count += more;
        match self.count > NODES_MAX {
            true => Err(Wrong::new(at, format!("more than {NODES_MAX} values"))
                .with_help("make several files of it, and use fewer aliases")),
            false => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize, at: Range<usize>) -> Result<Node, Wrong> {
        let found = self.anchors.iter().find(|(id, _, _)| *id == anchor);
        let Some((_, node, size)) = found else {
            return Err(Wrong::new(&at, "an alias within what it stands for"));
        };
        let (node, size) = (node.clone(), *size);
        self.count(size, &at)?;
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Wrong> {
        let mut nodes = Vec::new();
        loop {
            let next = self.next()?;
            if matches!(next.0, Event::SequenceEnd) {
                return Ok(Value::List(nodes));
            }
            nodes.push(self.node(next, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Wrong> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let next = self.next()?;
            if matches!(next.0, Event::MappingEnd) {
                return merged(entries).map(Value::Map);
            }
            let key = self.node(next, depth + 1)?;
            let key_span = key.span;
            let Value::Text(key) = key.value else {
                return Err(Wrong::new(&key_span, "a key that is no text"));
            };
            if entries.iter().any(|entry| entry.key == key) {
                let shown = lfs_wrapper_model::visible(&key);
                return Err(Wrong::new(&key_span, format!("a second '{shown}'"))
                    .with_help("give each key once"));
            }
            if entries.len() >= KEYS_MAX {
                return Err(Wrong::new(&key_span, format!("more than {KEYS_MAX} keys")));
            }
            let value = self.next()?;
            let node = self.node(value, depth + 1)?;
            entries.push(Entry {
                key,
                key_span,
                node,
            });
        }
    }
}

/// YAML 1.1's `<<`, which Prometheus knows: what it names is added where it is
/// not there.
fn merged(mut entries: Vec<Entry>) -> Result<Vec<Entry>, Wrong> {
    let Some(index) = entries.iter().position(|entry| entry.key == "<<") else {
        return Ok(entries);
    };
    let merge = entries.remove(index);
    let maps = match merge.node.value {
        Value::List(nodes) => nodes,
        _ => vec![merge.node],
    };
    for node in maps {
        for entry in node.map()? {
            if entries.len() >= KEYS_MAX {
                return Err(Wrong::new(
                    &merge.key_span,
                    format!("more than {KEYS_MAX} keys"),
                ));
            }
            if entries.iter().all(|own| own.key != entry.key) {
                entries.push(entry.clone());
            }
        }
    }
    Ok(entries)
}

/// Prometheus takes `1` and `true` as texts where it wants a text, and so do we:
/// a number is read where one belongs.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
    let is_null = matches!(text, "" | "~" | "null" | "Null" | "NULL");
    if style == ScalarStyle::Plain && is_null && !is_text {
        Value::Null
    } else {
        Value::Text(text.to_owned())
    }
}
