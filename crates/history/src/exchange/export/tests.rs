use super::*;
use crate::exchange::samples::Samples;
use crate::source::STALE;

const ALWAYS: (TimeMsec, TimeMsec) = (TimeMsec::MIN, TimeMsec::MAX);

fn exported(source: &Samples, other_names: OtherNames) -> (String, ExportCounts) {
    let mut text = Vec::new();
    let counts = export(source, &[], ALWAYS, other_names, &mut text).unwrap();
    (String::from_utf8(text).unwrap(), counts)
}

#[test]
fn families_stand_together_under_their_metadata() {
    let text = "# TYPE a counter\n# HELP a So \\\"many\\\".\n# TYPE h histogram\n\
        # TYPE kernel counter\n# TYPE g gauge\n\
        h_bucket{le=\"1\"} 1 1\nh_bus 5 1\nh_count 1 1\na_total{x=\"1\"} 1 1\na_total{x=\"1\"} 2 2.5\n\
        a_total{x=\"2\"} -0 1\ng NaN 1\nkernel 1 1\n# EOF\n";
    let mut source = Samples::read(text);
    // The text format has counters under any name.
    for metadata in &mut source.metadata {
        metadata.name = metadata.name.replace("kernel_total", "kernel");
    }
    let (text, counts) = exported(&source, OtherNames::Quote);
    assert_eq!(
        text,
        "# HELP a So \\\"many\\\".\n# TYPE a counter\n\
         a_total{x=\"1\"} 1.0 1\na_total{x=\"1\"} 2.0 2.500\na_total{x=\"2\"} -0.0 1\n\
         # TYPE g gauge\ng NaN 1\n\
         # TYPE h histogram\nh_bucket{le=\"1\"} 1.0 1\nh_count 1.0 1\n\
         # TYPE h_bus unknown\nh_bus 5.0 1\n\
         # TYPE kernel unknown\nkernel 1.0 1\n# EOF\n"
    );
    assert_eq!((counts.series, counts.samples), (7, 8));
}

#[test]
fn only_what_matches_in_the_time_asked_for_is_there() {
    let source = Samples::read("a 1 1\na 2 2\na 3 3\nb 1 2\nb 1 9\n# EOF\n");
    let mut text = Vec::new();
    let matchers = [Matcher::equal("__name__", "a")];
    let counts = export(
        &source,
        &matchers,
        (2000, 3000),
        OtherNames::Quote,
        &mut text,
    );
    assert_eq!(counts.unwrap().samples, 2);
    assert_eq!(text, b"# TYPE a unknown\na 2.0 2\na 3.0 3\n# EOF\n");
    let counts = export(
        &source,
        &matchers,
        (4000, 9000),
        OtherNames::Quote,
        &mut Vec::new(),
    );
    assert_eq!(counts.unwrap(), ExportCounts::default());
}

#[test]
fn a_counter_does_not_take_the_name_of_another_family() {
    let source = Samples::read("# TYPE a counter\na 1 1\na_total 1 1\n# EOF\n");
    let (text, _) = exported(&source, OtherNames::Quote);
    assert!(text.contains("# TYPE a_total unknown\n"), "{text}");
}

#[test]
fn what_has_no_place_in_the_text_is_left_out_and_counted() {
    let mut source = Samples::read("a 1 1\n{\"b.c\"} 2 1\n{x=\"nameless\"} 3 1000\na 1 2\n# EOF\n");
    source.series[0].1.values[0] = STALE;
    let found = source
        .series
        .iter()
        .position(|one| one.0.name() == "a")
        .unwrap();
    assert_eq!(found, 0);
    let (text, counts) = exported(&source, OtherNames::Quote);
    let expected = "# TYPE a unknown\na 1.0 2\n# TYPE \"b.c\" unknown\n{\"b.c\"} 2.0 1\n# EOF\n";
    assert_eq!(text, expected);
    assert_eq!((counts.markers_left_out, counts.series_left_out), (1, 1));
    let (text, counts) = exported(&source, OtherNames::LeaveOut);
    assert_eq!(text, "# TYPE a unknown\na 1.0 2\n# EOF\n");
    assert_eq!(counts.series_left_out, 2);
}

#[test]
fn every_time_arrives_at_prometheus_as_what_it_is() {
    let mut nudged = 0;
    for time_msec in 1_700_000_000_000..1_700_000_020_000_i64 {
        let text = render_seconds(time_msec);
        let product = (text.parse::<f64>().unwrap() * 1000.0).trunc();
        assert_eq!(format!("{product:.0}"), time_msec.to_string());
        nudged += u32::from(text.ends_with("0003"));
    }
    assert!(nudged > 0);
    assert_eq!(render_seconds(-1), "-0.001");
    assert_eq!(render_seconds(-1500), "-1.500");
    assert_eq!(render_seconds(0), "0");
}

/// Refuses to give more than one metric at once.
struct Narrow(Samples);

impl Source for Narrow {
    fn select(&self, selection: &Selection<'_>) -> Result<Vec<Selected>, ReadError> {
        let selected = self.0.select(selection)?;
        let names: BTreeSet<&str> = selected.iter().map(|one| one.labels.name()).collect();
        match names.len() {
            0 | 1 => Ok(selected),
            _ => Err(ReadError::TooManySeries { limit: 1 }),
        }
    }

    fn series(
        &self,
        matchers: &[Matcher],
        from_msec: TimeMsec,
        to_msec: TimeMsec,
        deadline: Option<std::time::Instant>,
    ) -> Result<Vec<crate::labels::Labels>, ReadError> {
        self.0.series(matchers, from_msec, to_msec, deadline)
    }

    fn metadata(&self) -> Result<Vec<Metadata>, ReadError> {
        self.0.metadata()
    }
}

#[test]
fn more_than_a_query_may_hold_is_exported_family_by_family() {
    let text = "# TYPE a counter\n# TYPE h histogram\n# TYPE h_sum gauge\n# TYPE g gauge\n\
        h_bucket{le=\"1\"} 1 1\nh_sum 5 1\nh_count 1 1\na_total{x=\"1\"} 1 1\ng 1 1\n# EOF\n";
    let whole = exported(&Samples::read(text), OtherNames::Quote);
    let mut text_of_parts = Vec::new();
    let source = Narrow(Samples::read(text));
    let counts = export(&source, &[], ALWAYS, OtherNames::Quote, &mut text_of_parts).unwrap();
    assert_eq!(String::from_utf8(text_of_parts).unwrap(), whole.0);
    assert_eq!(counts, whole.1);
}

#[test]
fn what_was_written_until_nobody_read_on_is_counted() {
    struct Pipe(usize);
    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let source = Samples::read("a 1 1\na 2 2\na 3 3\na 4 4\nb 1 2\n# EOF\n");
    let result = export(&source, &[], ALWAYS, OtherNames::Quote, &mut Pipe(1));
    let Err(ExportError::Write { counts, .. }) = result else {
        panic!("{result:?}");
    };
    assert_eq!((counts.series, counts.samples), (1, 4));
}
