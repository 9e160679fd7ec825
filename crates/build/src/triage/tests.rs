//! Excerpts of logs as tools write them, each with the line that names the
//! cause.

use super::*;
use std::fs;

/// Name, log, the line that is to be found.
type Case = (&'static str, &'static str, &'static str);

const COMPILERS: [Case; 14] = [
    (
        "gcc",
        "gcc -Werror -c error.c\nerror.c: In function 'main':\n\
         error.c:3:5: error: 'x' undeclared\nmake: *** [Makefile:9: error.o] Error 1",
        "error.c:3:5: error: 'x' undeclared",
    ),
    (
        "gcc, header missing, in parallel",
        "gcc -c a.c\ngcc -c b.c\na.c:1:10: fatal error: zlib.h: No such file or directory\n\
         compilation terminated.\nmake[2]: *** [Makefile:9: a.o] Error 1\n\
         make[2]: *** Waiting for unfinished jobs....\nb.c:7:1: warning: unused 'y' [-Wunused]\n\
         mv -f b.Tpo b.Po\nmake[1]: *** [Makefile:3: all] Error 2",
        "a.c:1:10: fatal error: zlib.h: No such file or directory",
    ),
    (
        "g++ out of memory",
        "c++ -c big.cc\nc++: fatal error: Killed signal terminated program cc1plus\n\
         compilation terminated.\nmake: *** [big.o] Error 1",
        "c++: fatal error: Killed signal terminated program cc1plus",
    ),
    (
        "cc1 without memory",
        "x86_64-lfs-linux-gnu-gcc-15.2 -c insn.c\nvirtual memory exhausted: Cannot allocate memory",
        "virtual memory exhausted: Cannot allocate memory",
    ),
    (
        "gcc itself",
        "a.c:3:1: internal compiler error: Segmentation fault\nPlease submit a full bug report",
        "a.c:3:1: internal compiler error: Segmentation fault",
    ),
    (
        "gas",
        "/tmp/my dir/x.s: Assembler messages:\n{standard input}:12: Error: no such instruction: `foo'",
        "{standard input}:12: Error: no such instruction: `foo'",
    ),
    (
        "ld",
        "/usr/bin/ld: b.o: in function `main':\nb.c:(.text+0x5): undefined reference to `f'\n\
         collect2: error: ld returned 1 exit status",
        "b.c:(.text+0x5): undefined reference to `f'",
    ),
    (
        "ld, library missing",
        "/bin/sh ./libtool --tag=CC --mode=link gcc -Werror -o x x.o -lfoo\n\
         libtool: link: gcc -Werror -o x x.o -lfoo\n\
         /usr/bin/ld: skipping incompatible /usr/lib/libfoo.so when searching for -lfoo\n\
         /usr/bin/ld: cannot find -lfoo: No such file or directory\n\
         collect2: error: ld returned 1 exit status",
        "/usr/bin/ld: cannot find -lfoo: No such file or directory",
    ),
    (
        "ld of a target",
        "/tools/bin/x86_64-lfs-linux-gnu-ld: DWARF error: could not find variable\n\
         /tools/bin/x86_64-lfs-linux-gnu-ld: a.o: relocation R_X86_64_32 against `.rodata' can not be used",
        "/tools/bin/x86_64-lfs-linux-gnu-ld: a.o: relocation R_X86_64_32 against `.rodata' can not be used",
    ),
    (
        "libtool",
        "libtool: compile:  gcc -c error.c  -fPIC -DPIC\n\
         libtool:   error: cannot find the library 'libgmp.la'\nlibtool: error: giving up",
        "libtool:   error: cannot find the library 'libgmp.la'",
    ),
    (
        "rustc",
        "   Compiling foo v0.1.0\nwarning: unused variable: `error`\n\
         error[E0308]: mismatched types\n  --> src/lib.rs:3:5\n\
         error: could not compile `foo` (lib) due to 1 previous error",
        "error[E0308]: mismatched types",
    ),
    (
        "cargo after a harmless rm",
        "rm: cannot remove 'x': No such file or directory\n   Compiling foo v0.1.0\n\
         error: could not compile `foo` (lib)\nmake: *** [Makefile:2: all] Error 101",
        "error: could not compile `foo` (lib)",
    ),
    (
        "shared library",
        "./gen: error while loading shared libraries: libz.so.1: cannot open shared object file: \
         No such file or directory\nmake: *** [gen.h] Error 127",
        "./gen: error while loading shared libraries: libz.so.1: cannot open shared object file: \
         No such file or directory",
    ),
    (
        "colours of gcc",
        "\x1b[01m\x1b[Ka.c:3:5:\x1b[m\x1b[K \x1b[01;31m\x1b[Kerror: \x1b[m\x1b[Kno \x07bell",
        "a.c:3:5: error: no \u{fffd}bell",
    ),
];

const CONFIGURES: [Case; 9] = [
    (
        "configure",
        "checking for strerror... yes\nchecking for error.h... no\nchecking for cc... no\n\
         configure: WARNING: no error: here\nconfigure: error: no acceptable C compiler\n\
         See `config.log' for more details",
        "configure: error: no acceptable C compiler",
    ),
    (
        "configure in the middle of a line",
        "checking whether error: works... configure: error: cannot run C programs",
        "checking whether error: works... configure: error: cannot run C programs",
    ),
    (
        "configure of glibc",
        "checking version of bison... v. ?, bad\nconfigure: error: \n\
         *** These critical programs are missing or too old: bison\n*** Check the INSTALL file",
        "*** These critical programs are missing or too old: bison",
    ),
    (
        "autoconf",
        "fatal: not a git repository (or any of the parent directories): .git\n\
         configure.ac:12: error: possibly undefined macro: AM_ICONV\n\
         autoreconf: error: /usr/bin/autoconf failed with exit status: 1",
        "configure.ac:12: error: possibly undefined macro: AM_ICONV",
    ),
    (
        "cmake",
        "-- Looking for strerror - found\n-- Performing Test error: - Failed\n\
         CMake Error at CMakeLists.txt:5 (find_package):\n\n  Could not find Foo\n\n\
         -- Configuring incomplete, errors occurred!",
        "Could not find Foo",
    ),
    (
        "cmake, one line",
        "CMake Error: The source directory \"/x\" does not exist.\nSpecify --help",
        "CMake Error: The source directory \"/x\" does not exist.",
    ),
    (
        "meson",
        "Compiler for C supports arguments -Werror: YES\nChecking for function \"strerror\" : YES\n\
         ../meson.build:12:0: ERROR: Dependency \"glib-2.0\" not found\n\
         A full log can be found at /x/meson-log.txt",
        "../meson.build:12:0: ERROR: Dependency \"glib-2.0\" not found",
    ),
    (
        "ninja",
        "ninja: Entering directory `build'\nninja: error: loading 'build.ninja': No such file or directory",
        "ninja: error: loading 'build.ninja': No such file or directory",
    ),
    (
        "ninja with a compiler",
        "[1/9] gcc -c error.c\n[2/9] cc -DE=': error: ' -c a.c\nFAILED: b.o\n\
         cc -Werror -c b.c\nb.c:2:1: error: expected ';'\n[3/9] cc -c d.c\n\
         ninja: build stopped: subcommand failed.",
        "b.c:2:1: error: expected ';'",
    ),
];

const TOOLS: [Case; 20] = [
    (
        "python",
        "Traceback (most recent call last):\n  File \"setup.py\", line 3, in <module>\n\
         \x20   import foo\nModuleNotFoundError: No module named 'foo'\nmake: *** [x] Error 1",
        "ModuleNotFoundError: No module named 'foo'",
    ),
    (
        "pip",
        "  × Building wheel\n      Traceback (most recent call last):\n        File \"a.py\", line 1\n\
         \x20     custom.Failure: bad\n      [end of output]\nERROR: Failed to build",
        "custom.Failure: bad",
    ),
    (
        "python, cut off",
        "Traceback (most recent call last):\n  File \"a.py\", line 1",
        "Traceback (most recent call last):",
    ),
    (
        "python syntax",
        "  File \"a.py\", line 1\n    x =\n       ^\nSyntaxError: invalid syntax",
        "SyntaxError: invalid syntax",
    ),
    (
        "perl",
        "Can't locate XML/Parser.pm in @INC (you may need to install it) at x line 3.\n\
         BEGIN failed--compilation aborted at x line 3.",
        "Can't locate XML/Parser.pm in @INC (you may need to install it) at x line 3.",
    ),
    (
        "shell",
        "bash: line 3: foo: command not found",
        "bash: line 3: foo: command not found",
    ),
    (
        "dash",
        "/bin/sh: 1: makeinfo: not found\nmake: *** [doc] Error 127",
        "/bin/sh: 1: makeinfo: not found",
    ),
    (
        "shell syntax",
        "+ echo error: traced\n./configure: line 9: syntax error near unexpected token `('\n\
         ./configure: line 9: `AM_X(y)'",
        "./configure: line 9: syntax error near unexpected token `('",
    ),
    (
        "shell, crash",
        "./run.sh: line 3: 12345 Segmentation fault      (core dumped) ./gen > x.h",
        "./run.sh: line 3: 12345 Segmentation fault      (core dumped) ./gen > x.h",
    ),
    (
        "shell, killed",
        "./run.sh: line 3: 12345 Killed                  ./gen",
        "./run.sh: line 3: 12345 Killed                  ./gen",
    ),
    (
        "tar",
        "tar: foo.tar.xz: Cannot open: No such file or directory\n\
         tar: Error is not recoverable: exiting now",
        "tar: foo.tar.xz: Cannot open: No such file or directory",
    ),
    (
        "tar, child",
        "tar (child): cannot run lzip\ntar: Child returned status 2\n\
         tar: Error is not recoverable: exiting now",
        "tar: Error is not recoverable: exiting now",
    ),
    (
        "tar, disk full",
        "tar: foo/a.c: Cannot write: No space left on device\ntar: Exiting with failure status",
        "tar: foo/a.c: Cannot write: No space left on device",
    ),
    (
        "patch",
        "patching file error.c\nHunk #1 succeeded at 3 (offset 2 lines).\n\
         Hunk #2 FAILED at 12.\n1 out of 2 hunks FAILED -- saving rejects to file error.c.rej",
        "Hunk #2 FAILED at 12.",
    ),
    (
        "patch, malformed",
        "patching file a.c\npatch: **** malformed patch at line 7: @@",
        "patch: **** malformed patch at line 7: @@",
    ),
    (
        "make, no rule",
        "rm -f x\nmake[1]: *** No rule to make target 'y.h', needed by 'y.o'.  Stop.\n\
         make: *** [Makefile:3: all] Error 2",
        "make[1]: *** No rule to make target 'y.h', needed by 'y.o'.  Stop.",
    ),
    (
        "make, syntax",
        "Makefile:12: *** missing separator.  Stop.",
        "Makefile:12: *** missing separator.  Stop.",
    ),
    (
        "make, nothing else",
        "make[1]: [Makefile:2: clean] Error 1 (ignored)\n\
         make[1]: *** [Makefile:3: gen] Error 3\nmake: *** [Makefile:9: all] Error 2\ndone",
        "make[1]: *** [Makefile:3: gen] Error 3",
    ),
    (
        "install",
        "rm: cannot remove 'x': No such file or directory\n\
         /usr/bin/install: cannot create regular file '/usr/x': Permission denied\n\
         make: *** [install] Error 1",
        "/usr/bin/install: cannot create regular file '/usr/x': Permission denied",
    ),
    (
        "unknown",
        "found 0 errors\nsomething odd\n\n",
        "something odd",
    ),
];

const SUITES: [Case; 8] = [
    (
        "automake",
        "PASS: error: handling\nXFAIL: t0\nFAIL: t1\n# TOTAL: 3\n# FAIL:  1\n# ERROR: 0\n\
         make[3]: *** [Makefile:5: test-suite.log] Error 1",
        "FAIL: t1",
    ),
    (
        "automake, summary",
        "cp: cannot stat 'a': No such file or directory\n# PASS:  9\n# XFAIL: 0\n# FAIL:  2\n\
         # ERROR: 0\nmake: *** [check] Error 1",
        "# FAIL:  2",
    ),
    (
        "automake, none failed",
        "# FAIL:  0\n# ERROR: 0\nmake: *** [check] Error 1",
        "make: *** [check] Error 1",
    ),
    (
        "tap",
        "ok 1 - fatal error: seen\nnot ok 2 # TODO later\nnot ok 3 - sum\n1..3",
        "not ok 3 - sum",
    ),
    (
        "dejagnu",
        "Running gcc.dg/dg.exp ...\nFAIL: gcc.dg/a.c (test for excess errors)\n\
         # of expected passes\t\t9\n# of unexpected failures\t1",
        "FAIL: gcc.dg/a.c (test for excess errors)",
    ),
    (
        "ctest",
        "1/2 Test #1: error ..........   Passed    0.01 sec\n\
         2/2 Test #2: io .............***Failed    0.10 sec\nErrors while running CTest",
        "2/2 Test #2: io .............***Failed    0.10 sec",
    ),
    (
        "meson test",
        " 1/2 glib:error   OK     0.01s\n 2/2 glib:io      FAIL   0.12s   exit status 1\n\nFail: 1",
        "2/2 glib:io      FAIL   0.12s   exit status 1",
    ),
    (
        "cargo test",
        "test error ... ok\ntest io ... FAILED\ntest result: FAILED. 1 passed; 1 failed",
        "test io ... FAILED",
    ),
];

const PHASES: [Case; 6] = [
    (
        "last phase, any kind",
        "==> check\nFAIL: t1\na.c:1:1: error: in a test\n==> install\nmake: *** [install] Error 1",
        "make: *** [install] Error 1",
    ),
    (
        "last phase, unknown line",
        "==> check\nFAIL: t1\n==> install\nsomething odd",
        "something odd",
    ),
    (
        "last phase without output",
        "==> make\na.c:1:1: error: x\nmore\n==> install\n",
        "a.c:1:1: error: x",
    ),
    (
        "system message of the last phase",
        "==> make\ncp: a: Permission denied\n==> install\ncp: b: Permission denied\nbye",
        "cp: b: Permission denied",
    ),
    (
        "tail is no phase",
        "==> check\nnot ok 1\n==> a.log <==\nx",
        "not ok 1",
    ),
    ("headers are no lines", "hello\n==> make", "hello"),
];

fn lines_of(log: &str) -> Vec<String> {
    log.lines().map(clean).collect()
}

#[test]
fn the_cause_is_found_before_its_consequences() {
    let tables: [&[Case]; 5] = [&COMPILERS, &CONFIGURES, &TOOLS, &SUITES, &PHASES];
    for (name, log, expected) in tables.concat() {
        let found = find_first_error(&lines_of(log));
        assert_eq!(found.as_deref(), Some(expected), "{name}");
    }
    assert_eq!(find_first_error(&[]), None);
    assert_eq!(find_first_error(&lines_of("==> make\n\n")), None);
}

#[test]
fn a_line_that_only_speaks_of_errors_has_no_kind() {
    let lines = [
        "checking for strerror... yes",
        "[3/10] /usr/bin/gcc -Werror -c error.c",
        "/bin/sh ./libtool --mode=compile gcc -DX='a: error: b' -c a.c",
        "a.c:3:5: warning: 'error' is set: No such file or directory",
        "make: [Makefile:3: clean] Error 1 (ignored)",
        "make: *** Waiting for unfinished jobs....",
        "parser: no errors, 2 notes",
        "a.c: 0 errors",
        "  CC      fatal-error.o",
        "installing error.h",
        "# FAIL:  0",
    ];
    for line in lines {
        assert!(classify(line.trim()).is_none(), "{line}");
    }
}

#[test]
fn a_pattern_is_the_whole_line() {
    for (line, pattern, expected) in [
        ("abc", "abc", true),
        ("abcd", "abc", false),
        ("abc", "a%", true),
        ("abc", "%c", true),
        ("abc", "%b%", true),
        ("abc", "%b", false),
        ("aba", "ab%ba", false),
        ("a-b-c", "a%b%c", true),
        ("a-c-b", "a%b%c", false),
        ("aXX", "a%X%X", true),
        ("aX", "a%X%X", false),
    ] {
        assert_eq!(is_like(line, pattern), expected, "{line} {pattern}");
    }
}

#[test]
fn no_escape_sequence_is_left() {
    for (text, expected) in [
        ("a\tb\r", "a\tb"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;no end", "\u{fffd}]0;no end"),
        ("\x1b[12é", "\u{fffd}[12é"),
        ("a\x1b", "a\u{fffd}"),
        ("\x1b\x1b[0m[2Jx", "\u{fffd}[2Jx"),
        ("\u{9b}2J\x08", "\u{fffd}2J\u{fffd}"),
    ] {
        assert_eq!(clean(text), expected, "{text:?}");
    }
}

#[test]
fn a_file_is_read_with_its_times() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("log");
    let time = "2026-01-01T00:00:00.000Z";
    let long = "x".repeat(LINE_CHARS_MAX);
    fs::write(
        &path,
        format!("{time} error: early\n{time} ==> make\n{time} error: {long}\n{time} end"),
    )
    .unwrap();
    let found = read_first_error(&path).unwrap().unwrap();
    assert!(found.starts_with("error: xxx"));
    assert_eq!(found.chars().count(), LINE_CHARS_MAX);
    fs::write(&path, "").unwrap();
    assert_eq!(read_first_error(&path).unwrap(), None);
    let filler = format!("{}\n", "y".repeat(1023));
    let fillers = filler.repeat(TAIL_BYTES_MAX as usize / filler.len());
    fs::write(&path, format!("error: lost\n{fillers}")).unwrap();
    let found = read_first_error(&path).unwrap().unwrap();
    assert!(found.starts_with("yyy"));
}

#[test]
fn only_a_time_is_stripped() {
    assert_eq!(strip_time("2026-01-01T00:00:00.000Z make all"), "make all");
    assert_eq!(strip_time("make all"), "make all");
}
