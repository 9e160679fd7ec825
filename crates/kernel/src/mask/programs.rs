//! What single programs do with secrets that no option name tells.

use super::value::Kind;

/// How an option has its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Only in the same argument: `-psecret`; alone it asks.
    Joined,
    /// Only in the next.
    Separate,
    Either,
}

use Form::{Either, Joined, Separate};

/// An option, how it has its value, and what that is.
type ProgramOption = (&'static str, Form, Kind);

/// Some programs that are alike.
pub(super) struct Program {
    names: &'static [&'static str],
    /// The operand behind which the rest is true; empty for from the start.
    pub(super) after: &'static str,
    options: &'static [ProgramOption],
    /// The letters besides that take a value, where letters can share a dash;
    /// empty where they cannot.
    valued: &'static str,
    /// From which operand on all are secrets.
    pub(super) secret_operands_from: Option<usize>,
    /// Whether the first operand begins another program's command.
    pub(super) ends_at_operand: bool,
}

const OTHERWISE: Program = Program {
    names: &[],
    after: "",
    options: &[],
    valued: "",
    secret_operands_from: None,
    ends_at_operand: false,
};

const fn program(names: &'static [&'static str], options: &'static [ProgramOption]) -> Program {
    Program {
        names,
        options,
        ..OTHERWISE
    }
}

const fn operands(names: &'static [&'static str], after: &'static str, from: usize) -> Program {
    Program {
        names,
        after,
        secret_operands_from: Some(from),
        ..OTHERWISE
    }
}

const MYSQL: &[&str] = &[
    "mysql",
    "mysqldump",
    "mysqladmin",
    "mysqlcheck",
    "mysqlimport",
    "mysqlshow",
    "mariadb",
    "mariadb-admin",
    "mariadb-check",
    "mariadb-dump",
    "mariadb-import",
    "mariadb-show",
];
const MONGO: &[&str] = &[
    "mongo",
    "mongosh",
    "mongodump",
    "mongoexport",
    "mongoimport",
    "mongorestore",
];
const SHELLS: &[&str] = &[
    "ash", "bash", "busybox", "dash", "fish", "ksh", "mksh", "runuser", "script", "sh", "su", "zsh",
];
const LDAP: &[&str] = &[
    "ldapadd",
    "ldapcompare",
    "ldapdelete",
    "ldapmodify",
    "ldapmodrdn",
    "ldappasswd",
    "ldapsearch",
    "ldapwhoami",
];
const CURL: &[ProgramOption] = &[
    ("-u", Either, Kind::AfterColon),
    ("-U", Either, Kind::AfterColon),
    ("-E", Either, Kind::AfterColon),
    ("-H", Either, Kind::Header),
    ("-b", Either, Kind::Cookie),
    ("-x", Either, Kind::Authority),
    ("--user", Either, Kind::AfterColon),
    ("--proxy-user", Either, Kind::AfterColon),
    ("--cert", Either, Kind::AfterColon),
    ("--proxy-cert", Either, Kind::AfterColon),
    ("--cookie", Either, Kind::Cookie),
    ("--proxy", Either, Kind::Authority),
    ("--preproxy", Either, Kind::Authority),
];
const OPENSSL: &[ProgramOption] = &[
    ("-k", Separate, Kind::Whole),
    ("-K", Separate, Kind::Whole),
    ("-hmac", Separate, Kind::Whole),
    ("-psk", Separate, Kind::Whole),
    ("-passin", Separate, Kind::PassSource),
    ("-passout", Separate, Kind::PassSource),
];

pub(super) static PROGRAMS: [Program; 28] = [
    program(MYSQL, &[("-p", Joined, Kind::Whole)]),
    program(MONGO, &[("-p", Either, Kind::Whole)]),
    Program {
        valued: "AcCdDeFKmoPQrtTwXyYz",
        ..program(&["curl"], CURL)
    },
    Program {
        valued: "oO",
        ..program(
            SHELLS,
            &[
                ("-c", Separate, Kind::Script),
                ("--command", Either, Kind::Script),
            ],
        )
    },
    program(&["openssl"], OPENSSL),
    operands(&["openssl"], "passwd", 0),
    Program {
        ends_at_operand: true,
        ..program(&["sshpass"], &[("-p", Either, Kind::Whole)])
    },
    Program {
        valued: "binstxZ",
        ..program(
            &["unzip", "zip", "zipcloak"],
            &[("-P", Either, Kind::Whole)],
        )
    },
    program(
        &["ssh-keygen"],
        &[("-N", Either, Kind::Whole), ("-P", Either, Kind::Whole)],
    ),
    Program {
        after: "upload",
        ..program(&["twine"], &[("-p", Either, Kind::Whole)])
    },
    operands(&["cargo"], "login", 0),
    program(
        &["7z", "7za", "7zr", "7zz", "p7zip"],
        &[("-p", Joined, Kind::Whole)],
    ),
    program(
        &["rar", "unrar"],
        &[("-p", Joined, Kind::Whole), ("-hp", Joined, Kind::Whole)],
    ),
    Program {
        after: "login",
        ..program(
            &["buildah", "docker", "helm", "nerdctl", "podman", "skopeo"],
            &[("-p", Either, Kind::Whole)],
        )
    },
    program(LDAP, &[("-w", Either, Kind::Whole)]),
    program(
        &["ldappasswd"],
        &[("-a", Either, Kind::Whole), ("-s", Either, Kind::Whole)],
    ),
    program(&["redis-cli", "valkey-cli"], &[("-a", Either, Kind::Whole)]),
    operands(&["redis-cli", "valkey-cli"], "auth", 0),
    program(
        &["net", "rpcclient", "smbcacls", "smbclient", "smbget"],
        &[
            ("-U", Either, Kind::AfterPercent),
            ("--user", Either, Kind::AfterPercent),
        ],
    ),
    program(
        &["groupadd", "groupmod", "useradd", "usermod"],
        &[("-p", Either, Kind::Whole)],
    ),
    program(
        &["http", "https", "httpie", "xh"],
        &[("-a", Either, Kind::AfterColon)],
    ),
    program(
        &["ab"],
        &[
            ("-A", Either, Kind::AfterColon),
            ("-P", Either, Kind::AfterColon),
        ],
    ),
    program(
        &["ipmitool", "mosquitto_pub", "mosquitto_sub"],
        &[("-P", Either, Kind::Whole)],
    ),
    program(&["bcp", "sqlcmd"], &[("-P", Either, Kind::Whole)]),
    operands(&["mkpasswd"], "", 0),
    operands(&["wpa_passphrase"], "", 1),
    operands(&["htpasswd"], "", 2),
    operands(&["vault"], "login", 0),
];

/// Programs that run another one named by their operands, with its arguments.
/// Only behind these is a word taken for a program: elsewhere `zip` is as
/// likely a folder.
static RUNNERS: [&str; 48] = [
    "ash",
    "bash",
    "busybox",
    "chroot",
    "chrt",
    "command",
    "dash",
    "distrobox",
    "doas",
    "docker",
    "env",
    "exec",
    "fakeroot",
    "flock",
    "ionice",
    "kubectl",
    "ksh",
    "ltrace",
    "nerdctl",
    "nice",
    "node",
    "nohup",
    "nsenter",
    "parallel",
    "perl",
    "pkexec",
    "podman",
    "proot",
    "python",
    "ruby",
    "runuser",
    "setarch",
    "setpriv",
    "setsid",
    "sh",
    "ssh",
    "sshpass",
    "stdbuf",
    "strace",
    "su",
    "sudo",
    "systemd-run",
    "taskset",
    "time",
    "timeout",
    "unshare",
    "xargs",
    "zsh",
];

/// What an option was found to hold.
pub(super) enum Found {
    /// The next argument is a secret.
    Next(Kind),
    /// The argument itself has one from this byte on.
    From(usize, Kind),
}

impl Program {
    /// What an argument means that begins with a dash.
    pub(super) fn find_option(&self, argument: &str) -> Option<Found> {
        let found = self.options.iter().find_map(|(name, form, kind)| {
            let rest = argument.strip_prefix(name)?;
            let is_long = name.starts_with("--");
            match (rest.is_empty(), form) {
                (true, Joined) => None,
                (true, _) => Some(Found::Next(*kind)),
                (false, _) if is_long => rest
                    .starts_with('=')
                    .then_some(Found::From(name.len() + 1, *kind)),
                (false, Separate) => None,
                (false, _) => Some(Found::From(name.len(), *kind)),
            }
        });
        found.or_else(|| self.find_letter(argument))
    }

    /// The same where the letter shares its dash: `-sSu user:secret`.
    fn find_letter(&self, argument: &str) -> Option<Found> {
        let letters = argument.strip_prefix('-')?;
        if self.valued.is_empty() || letters.starts_with('-') {
            return None;
        }
        for (at, letter) in letters.char_indices() {
            let is_this = |name: &str| {
                name.strip_prefix('-')
                    .is_some_and(|name| name.chars().eq([letter]))
            };
            if let Some((_, form, kind)) = self.options.iter().find(|(name, ..)| is_this(name)) {
                let is_last = at + 1 == letters.len();
                return match form {
                    Either if !is_last => Some(Found::From(at + 2, *kind)),
                    Joined => None,
                    _ => Some(Found::Next(*kind)),
                };
            }
            if !letter.is_ascii_alphanumeric() || self.valued.contains(letter) {
                return None;
            }
        }
        None
    }
}

/// A program's name without its folder, the dash of a login shell and its
/// version; `None` for a path that hardly names a program.
fn read_name(word: &str, is_first: bool) -> Option<&str> {
    let (folder, name) = word.rsplit_once('/').unwrap_or(("bin", word));
    if !is_first && !folder.ends_with("bin") {
        return None;
    }
    Some(
        name.trim_start_matches('-')
            .trim_end_matches(|end: char| end.is_ascii_digit() || end == '.'),
    )
}

/// The rows of the table for a word, and whether it runs other programs.
pub(super) fn find_programs(word: &str, is_first: bool) -> (Vec<&'static Program>, bool) {
    let Some(name) = read_name(word, is_first) else {
        return (Vec::new(), false);
    };
    let rows = PROGRAMS.iter().filter(|row| row.names.contains(&name));
    (rows.collect(), RUNNERS.contains(&name))
}
