//! Series as Prometheus' unit tests write them: `1 2 3`, `0+5x10` (ten more,
//! each 5 greater), `7x3` (three more of the same), `_` and `_x4` (no sample),
//! `stale` (the series ends).

use lfs_wrapper_history::STALE;

/// Samples that one text may stand for.
const SAMPLES_MAX: usize = 1_000_000;

/// The samples, one each interval; `None` where there is none.
pub(super) fn parse_values(text: &str) -> Result<Vec<Option<f64>>, String> {
    let mut values = Vec::new();
    for word in text.split_ascii_whitespace() {
        parse_word(word, &mut values)?;
        if values.len() > SAMPLES_MAX {
            return Err(format!("more than {SAMPLES_MAX} samples"));
        }
    }
    if values.is_empty() {
        return Err("no samples".to_owned());
    }
    Ok(values)
}

fn parse_word(word: &str, values: &mut Vec<Option<f64>>) -> Result<(), String> {
    let wrong = || {
        format!("'{word}' is no samples; write 1, 7x3, 0+5x10, 10-1x5, _, _x4, NaN, Inf or stale")
    };
    if word == "stale" {
        values.push(Some(STALE));
        return Ok(());
    }
    let (value, count) = match word.rsplit_once('x') {
        Some((value, count)) => (value, count.parse::<usize>().map_err(|_| wrong())?),
        None if word == "_" => ("_", 1),
        None => (word, 0),
    };
    if count > SAMPLES_MAX {
        return Err(format!("more than {SAMPLES_MAX} samples"));
    }
    if value == "_" {
        values.extend(std::iter::repeat_n(None, count));
        return Ok(());
    }
    let (first, step) = parse_slope(value).ok_or_else(wrong)?;
    for index in 0..=count {
        #[expect(
            clippy::cast_precision_loss,
            reason = "there are no more than a million"
        )]
        let value = first + step * index as f64;
        // Where nothing is added an infinity stays one.
        values.push(Some(if step == 0.0 { first } else { value }));
    }
    Ok(())
}

/// `3`, `3+0.5` or `3-0.5`; the sign of an exponent is none of them.
fn parse_slope(text: &str) -> Option<(f64, f64)> {
    if let Ok(value) = text.parse() {
        return Some((value, 0.0));
    }
    let signs = text
        .char_indices()
        .skip(1)
        .filter(|(_, c)| matches!(c, '+' | '-'));
    signs
        .filter_map(|(at, _)| Some((text[..at].parse().ok()?, text[at..].parse().ok()?)))
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_stands_for_its_samples() {
        let some = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        let table = [
            ("1 2.5 -3", some(&[1.0, 2.5, -3.0])),
            ("7x3", some(&[7.0; 4])),
            ("0+5x2", some(&[0.0, 5.0, 10.0])),
            ("10-1x2 4", some(&[10.0, 9.0, 8.0, 4.0])),
            ("-2-2x1", some(&[-2.0, -4.0])),
            ("1e-3+1e-3x1", some(&[0.001, 0.002])),
            (
                "Inf -Inf+1x1",
                some(&[f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY]),
            ),
            ("_ 1 _x2 1", vec![None, Some(1.0), None, None, Some(1.0)]),
        ];
        for (text, expected) in table {
            assert_eq!(parse_values(text), Ok(expected), "{text}");
        }
        let ended = parse_values("1 stale").unwrap();
        assert!(ended[1].is_some_and(lfs_wrapper_history::is_stale));
        for wrong in [
            "",
            " ",
            "x",
            "1x",
            "1+x3",
            "one",
            "1x-1",
            "1x9999999999",
            "++1x2",
            "_x",
        ] {
            assert!(parse_values(wrong).is_err(), "{wrong}");
        }
    }
}
