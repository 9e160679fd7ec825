//! Which of the two formats of `/metrics` an Accept header asks for (RFC 9110,
//! section 12.5.1).

/// A format of `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus' text format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// OpenMetrics where it is asked for by name and the text format is not liked
/// better; the text format in every other case.
pub(crate) fn choose_format<'a, H: Iterator<Item = &'a str>>(headers: H) -> Format {
    let ranges: Vec<Range<'_>> = headers
        .flat_map(|header| split_outside_quotes(header, ','))
        .filter_map(parse_range)
        .collect();
    let open_metrics = ranges.iter().filter_map(|range| {
        let is_asked = range.is_of("application/openmetrics-text", "1.0.0");
        is_asked.then_some(range.quality)
    });
    let open_metrics = open_metrics.max().unwrap_or(0);
    // The range that says most about a type counts, not the one with most q.
    let text = ranges
        .iter()
        .filter_map(|range| Some((range.rank_for_text()?, range.quality)))
        .max()
        .map_or(0, |(_, quality)| quality);
    if open_metrics > 0 && open_metrics >= text {
        Format::OpenMetrics
    } else {
        Format::Prometheus
    }
}

/// One entry of the header.
struct Range<'a> {
    /// `type/subtype`, lower case.
    kind: String,
    version: Option<&'a str>,
    /// In thousandths.
    quality: u16,
}

impl Range<'_> {
    fn is_of(&self, kind: &str, version: &str) -> bool {
        self.kind == kind && self.version.is_none_or(|wanted| wanted == version)
    }

    /// How exactly the text format is meant, if it is.
    fn rank_for_text(&self) -> Option<u8> {
        match self.kind.as_str() {
            "text/plain" if self.version == Some("0.0.4") => Some(3),
            "text/plain" if self.version.is_none() => Some(2),
            "text/*" => Some(1),
            "*/*" => Some(0),
            _ => None,
        }
    }
}

/// `None` for what is no range; it asks for nothing.
fn parse_range(text: &str) -> Option<Range<'_>> {
    let mut parts = split_outside_quotes(text, ';').map(str::trim);
    let kind = parts.next()?.to_ascii_lowercase();
    kind.split_once('/')?;
    let mut range = Range {
        kind,
        version: None,
        quality: 1000,
    };
    for part in parts {
        let Some((name, value)) = part.split_once('=') else {
            continue;
        };
        let value = value.trim();
        if name.trim().eq_ignore_ascii_case("version") {
            range.version = Some(value.trim_matches('"'));
        } else if name.trim().eq_ignore_ascii_case("q") {
            range.quality = parse_quality(value)?;
        }
    }
    Some(range)
}

/// `0` to `1` with at most three digits behind the point, in thousandths.
fn parse_quality(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(whole, "0" | "1") || fraction.len() > 3 || !is_number(fraction) {
        return None;
    }
    let thousandths: u16 = format!("{whole}{fraction:0<3}").parse().ok()?;
    (thousandths <= 1000).then_some(thousandths)
}

/// The parts between `separator`, those in quoted strings aside.
fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    text.split(move |character| {
        if is_escaped {
            is_escaped = false;
        } else if is_quoted && character == '\\' {
            is_escaped = true;
        } else if character == '"' {
            is_quoted = !is_quoted;
        }
        !is_quoted && character == separator
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_for_those_who_ask_for_it_and_like_nothing_better() {
        use Format::{OpenMetrics, Prometheus};
        let open = "application/openmetrics-text";
        let table = [
            ("", Prometheus),
            ("*/*", Prometheus),
            ("application/*", Prometheus),
            ("text/html,application/xml;q=0.9,*/*;q=0.8", Prometheus),
            ("nonsense;;,=,/;q=x", Prometheus),
            // What Prometheus 2.42 and node_exporter's other readers send.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            ("OPEN", OpenMetrics),
            (
                "Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.5",
                OpenMetrics,
            ),
            ("OPEN;version=0.0.1", Prometheus),
            ("OPEN;version=2.0.0,*/*;q=0.1", Prometheus),
            ("OPEN;q=0.5,text/plain;q=0.5", OpenMetrics),
            ("OPEN;q=0.499,text/plain;q=0.5", Prometheus),
            ("OPEN;q=0", Prometheus),
            ("OPEN;q=0.0,*/*", Prometheus),
            ("OPEN;q=1.5,text/plain;q=0.1", Prometheus),
            ("OPEN;q=0.6,text/*;q=0.7", Prometheus),
            // The range that says more about the text format counts.
            ("OPEN;q=0.6,text/plain;q=0.5,*/*", OpenMetrics),
            (
                "OPEN;q=0.6,text/plain;version=0.0.4;q=0.5,text/plain;q=0.9",
                OpenMetrics,
            ),
            ("OPEN;q=0.6,text/plain;version=9;q=0.9", OpenMetrics),
            ("text/plain;x=\",OPEN,\"", Prometheus),
        ];
        for (header, expected) in table {
            let header = header.replace("OPEN", open);
            assert_eq!(
                choose_format([header.as_str()].into_iter()),
                expected,
                "{header}"
            );
        }
        let several = ["text/plain;q=0.5", "application/openmetrics-text"];
        assert_eq!(choose_format(several.into_iter()), OpenMetrics);
    }
}
