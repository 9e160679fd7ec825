//! The rules that come with the program, over the series of default-rules.toml.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;
use std::path::Path;

use lfs_wrapper_alert::defaults::built_in;
use lfs_wrapper_alert::route::Routing;
use lfs_wrapper_alert::rule::Rule;
use lfs_wrapper_daemon::proof::{Document, parse_tests, run};
use lfs_wrapper_daemon::rulebook::{PromQl, Rulebook};

fn rules() -> Vec<Rule> {
    built_in(&PromQl).unwrap()
}

fn document() -> Document {
    let text = include_str!("default-rules.toml");
    parse_tests(Path::new("default-rules.toml"), text).unwrap()
}

#[test]
fn they_fire_when_they_should_and_only_then() {
    let (rules, routing) = (rules(), Routing::new(vec!["console".to_owned()]));
    for test in document().tests {
        let outcome = run(&test, &rules, &routing).unwrap();
        assert!(
            outcome.wrong.is_empty(),
            "{}: {:#?}",
            test.name,
            outcome.wrong
        );
    }
}

#[test]
fn each_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() {
    let tests = document().tests;
    let named = |is_fired: bool| -> BTreeSet<String> {
        let tests = tests
            .iter()
            .filter(|test| test.expect.is_empty() != is_fired);
        tests.flat_map(|test| test.rules.clone()).collect()
    };
    let all: BTreeSet<String> = rules().into_iter().map(|rule| rule.name).collect();
    assert_eq!(all.difference(&named(true)).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(all.difference(&named(false)).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn each_says_what_it_found_and_what_to_do() {
    for rule in rules() {
        for name in ["summary", "runbook"] {
            let text = rule.annotations.get(name).map(|text| text.source().len());
            assert!(
                text.is_some_and(|length| length > 10),
                "{}: {name}",
                rule.name
            );
        }
    }
    Rulebook::compile(rules()).unwrap();
}
