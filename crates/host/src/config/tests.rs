use super::*;
use crate::thresholds::Wait;

fn error_of(text: &str) -> String {
    Config::parse(Path::new("config.toml"), text)
        .expect_err("the configuration is wrong")
        .to_string()
}

#[test]
fn what_is_wrong_is_shown_in_its_line_with_what_to_do() {
    let table = [
        (
            "[monitr]\n",
            "config.toml:1:2: unknown key 'monitr'",
            "did you mean 'monitor'?",
        ),
        (
            "[thresholds]\ncpu = { warnin = 1 }",
            "config.toml:2:9: unknown key 'warnin'",
            "did you mean 'warning'?",
        ),
        (
            "[thresholds]\ncpu = { warning = 80, critical = 70.5 }",
            "config.toml:2:34: 70.5 is not above 80",
            "rise from",
        ),
        (
            "[thresholds]\ndisk = { error = 130 }",
            "config.toml:2:18: a threshold of 130",
            "0 to 100",
        ),
        (
            "[thresholds]\n\"swap in\" = { info = inf }",
            "config.toml:2:22: a threshold of inf",
            "can be reached",
        ),
        (
            "[thresholds.left]\nwarning = 9\nerror = 5\nemergency = 5",
            "config.toml:4:13: 5 is not below 5",
            "or fall",
        ),
        (
            "[thresholds]\nleft = { warning = 9, error = 10, critical = 1 }",
            "config.toml:2:46: 1 is not above 10",
            "rise from",
        ),
        (
            "[thresholds]\ncpu = { for = \"5\" }",
            "config.toml:2:15: '5' is no duration: give numbers with units",
            "30s",
        ),
        (
            "[thresholds]\ncpu = { hold = \"-5m\" }",
            "config.toml:2:16: '-5m' is negative",
            "",
        ),
        (
            "[thresholds]\ncpu = { hold = 5 }",
            "config.toml:2:16: invalid type: integer `5`, expected a string",
            "",
        ),
        (
            "[thresholds]\ncpu = 5",
            "config.toml:2:7: invalid type: integer `5`",
            "",
        ),
        (
            "[monitor]\ncpu_budget_percent = 0",
            "config.toml:2:22: a budget of 0 per cent of a core",
            "give 0.1 to 100 per cent",
        ),
        (
            "[monitor]\ninterval_seconds = 0",
            "config.toml:2:20: an interval of 0",
            "0.1 to 3600",
        ),
        (
            "[monitor]\nlisten = \"0.0.0.0:80\"",
            "config.toml:2:10: 0.0.0.0:80 is not a loopback",
            "SSH tunnel",
        ),
        ("[monitor]\nlisten = \"here\"", "config.toml:2:10: ", ""),
        (
            "[collectors]\ntextfiles = \"/x\"",
            "config.toml:2:1: unknown key 'textfiles'",
            "did you mean 'textfile'?",
        ),
        (
            "[collectors]\ntextfile = \"prom\"",
            "config.toml:2:12: prom is not an absolute path",
            "begin with /",
        ),
        (
            "[[collectors.exec]]\nnam = \"a\"",
            "config.toml:2:1: unknown key 'nam'",
            "did you mean 'name'?",
        ),
        (
            "[[collectors.exec]]\ncommand = [\"/bin/true\"]",
            "config.toml:1:1: missing field `name`",
            "",
        ),
        (
            "[[collectors.exec]]\nname = \"A b\"\ncommand = [\"/a\"]",
            "config.toml:2:8: 'A b' is no name for a collector",
            "a-z",
        ),
        (
            "[[collectors.exec]]\nname = \"a\"\ncommand = [\"/a\"]\n\
             [[collectors.exec]]\nname = \"a\"\ncommand = [\"/a\"]",
            "config.toml:5:8: a second collector 'a'",
            "name of its own",
        ),
        (
            "[[collectors.exec]]\nname = \"a\"\ncommand = []",
            "config.toml:3:11: no program",
            "absolute",
        ),
        (
            "[[collectors.exec]]\nname = \"a\"\ncommand = [\"df\", \"-h\"]",
            "config.toml:3:11: df is not an absolute path",
            "begin with /",
        ),
        (
            "[[collectors.exec]]\nname = \"a\"\ncommand = [\"/a\"]\ninterval_seconds = 1",
            "config.toml:4:20: an interval of 1 seconds",
            "5 to 86400",
        ),
        (
            "[[collectors.exec]]\nname = \"a\"\ncommand = [\"/a\"]\ntimeout_seconds = 60",
            "config.toml:4:19: a time limit of 60 seconds",
            "below the interval",
        ),
        (
            "[[collectors.exec]]\nname = \"a\"\ncommand = [\"/a\"]\ntimeout_seconds = 0.01",
            "config.toml:4:19: a time limit of 0.01 seconds",
            "0.1",
        ),
        (
            "[history]\nmax_bytes = 5",
            "config.toml:2:13: too little",
            "33554432",
        ),
    ];
    for (text, begin, end) in table {
        let error = error_of(text);
        assert!(error.starts_with(begin) && error.contains(end), "{error}");
    }
}

#[test]
fn collectors_have_an_interval_and_a_time_limit_below_it() {
    let text = "[collectors]\ntextfile = \"/var/lib/prom\"\n\
        [[collectors.exec]]\nname = \"a\"\ncommand = [\"/bin/a\", \"-b\"]\n\
        [[collectors.exec]]\nname = \"b-2_c\"\ncommand = [\"/b\"]\ninterval_seconds = 6\n\
        [[collectors.exec]]\nname = \"c\"\ncommand = [\"/c\"]\ntimeout_seconds = 59.5\n";
    let collectors = Config::parse(Path::new("config.toml"), text)
        .unwrap()
        .collectors;
    assert_eq!(
        collectors.textfile.unwrap().get_ref(),
        Path::new("/var/lib/prom")
    );
    let times = collectors
        .exec
        .iter()
        .map(|exec| (exec.interval(), exec.timeout()));
    assert_eq!(
        times.collect::<Vec<_>>(),
        [(60.0, 10.0), (6.0, 3.0), (60.0, 59.5)].map(|(interval, timeout)| (
            Duration::from_secs_f64(interval),
            Duration::from_secs_f64(timeout)
        ))
    );
}

#[test]
fn more_collectors_than_allowed_are_refused() {
    let one =
        |index: u32| format!("[[collectors.exec]]\nname = \"c{index}\"\ncommand = [\"/c\"]\n");
    let text = |count| (0..count).map(one).collect::<String>();
    assert!(Config::parse(Path::new("config.toml"), &text(32)).is_ok());
    let error = error_of(&text(33));
    assert!(
        error.starts_with("config.toml:98:8: more than 32"),
        "{error}"
    );
}

#[test]
fn a_missing_file_gives_the_defaults_unless_it_was_asked_for() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("config.toml");
    let config = Config::read(&path, false).unwrap();
    assert_eq!(
        config.monitor.listen.get_ref().to_string(),
        "127.0.0.1:9723"
    );
    assert!(Config::read(&path, true).is_err());
}

#[test]
fn thresholds_are_of_any_rule_and_what_does_not_fit_is_shown_at_its_name() {
    let text = "[thresholds]\ncpu = { warning = 70, for = \"10m\" }\n\
        \"time to full\" = { warning = 24, critical = 4, hold = \"0s\" }\n\
        oom = { enabled = false }\n";
    let config = Config::parse(Path::new("config.toml"), text).unwrap();
    let shown: Vec<String> = config
        .thresholds
        .iter()
        .map(|(name, levels)| {
            let msec = |wait: Option<Wait>| wait.map(|wait| wait.msec);
            format!(
                "{name}: {:?} {:?} {:?} {:?}",
                levels.values().iter().flatten().collect::<Vec<_>>(),
                msec(levels.lasting),
                msec(levels.hold),
                levels.enabled
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "cpu: [70.0] Some(600000) None None",
            "oom: [] None None Some(false)",
            "time to full: [24.0, 4.0] None Some(0) None",
        ]
    );
    let error = config
        .threshold_error("oom", "no such rule")
        .with_help("did you mean 'oom-kill'?");
    assert_eq!(
        error.to_string(),
        "config.toml:4:1: no such rule\n  4 | oom = { enabled = false }\n    | ^^^\n  \
         did you mean 'oom-kill'?"
    );
    let error = Config::default().threshold_error("oom", "no such rule");
    assert_eq!(error.to_string(), "the defaults: no such rule");
}

#[test]
fn the_example_in_the_documentation_loads() {
    let documentation = include_str!("../../../../docs/alert-rules.md");
    let (_, example) = documentation.split_once("```toml\n[thresholds]").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let text = format!("[thresholds]{example}");
    let config = Config::parse(Path::new("config.toml"), &text).unwrap();
    let names: Vec<&str> = config.thresholds.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["cpu", "memory", "processes"]);
}

#[test]
fn secrets_beside_a_mistake_are_not_shown() {
    let head = "[[remote_write]]\nname = \"far\"\nurl = \"https://me:TOPSECRET@h/w\"";
    let table = [
        (
            "headers = { \"X-Api-Key\" = \"TOPSECRET\", \"X-B\" = 5 }",
            "4 | headers = { *********** = ***********, ***** = * }",
        ),
        (
            "headers = \"TOPSECRET\"",
            "invalid type: string \"…\", expected a map",
        ),
        (
            "[remote_write.headers]\n\"X-Api-Key\" = [\"TOPSECRET\"]",
            "5 | \"X-Api-Key\" = [***********]",
        ),
        (
            "headers = { \"X-Api-Key\" = \"TOPSECRET }",
            "4 | headers = {",
        ),
        ("headers = { \"X-Api-Key\" = TOPSECRET }", "4 | headers = {"),
        ("user = \"me\"", "a user without a password"),
        (
            "hedaers = { \"X-Api-Key\" = \"TOPSECRET\" }",
            "did you mean 'headers'?",
        ),
    ];
    for (text, expected) in table {
        let error = Config::parse(Path::new("c.toml"), &format!("{head}\n{text}\n"));
        let error = error.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("TOPSECRET"), "{error}");
    }
    // What is not of an endpoint is shown as it stands.
    let text = format!("{head}\n[monitor]\ninterval_seconds = \"ten\"\n");
    let error = Config::parse(Path::new("c.toml"), &text);
    let error = error.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("5 | interval_seconds = \"ten\""), "{error}");
}
