//! The program in a place of its own: its own state folder, its own
//! environment, and nothing left behind.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A user that has nothing.
const NOBODY: u32 = 65_534;

/// How long something may take that takes no time: far more than it needs, so
/// that a busy machine fails no test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One state folder and the program to use it with.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    program: PathBuf,
    user: Option<u32>,
}

/// How a call of the program ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            program: env!("CARGO_BIN_EXE_lfs-wrapper").into(),
            user: None,
        }
    }

    /// Used by somebody without any right. The caller must be root.
    pub(crate) fn of_nobody() -> Self {
        let mut place = Self::new();
        // The program itself may lie where nobody can reach it.
        let copy = place.folder.path().join("lfs-wrapper");
        fs::copy(&place.program, &copy).unwrap();
        std::os::unix::fs::chown(place.folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        place.program = copy;
        place.user = Some(NOBODY);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .env("LFS_WRAPPER_STATE_DIR", self.state())
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ended {
        let output = self.command(arguments).output().unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs it and expects this exit status.
    #[track_caller]
    pub(crate) fn expect<S: AsRef<OsStr>>(&self, code: i32, arguments: &[S]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(
            ended.code, code,
            "stdout: {}\nstderr: {}",
            ended.stdout, ended.stderr
        );
        ended
    }

    /// Runs it with `--json` and reads what it says.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let ended = self.run(&arguments);
        serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", ended.stdout, ended.stderr))
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn write_script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A plan of steps with one phase each: id, needs, script.
    pub(crate) fn write_plan(&self, steps: &[(&str, &[&str], &str)]) -> PathBuf {
        let mut text = "[plan]\nname = \"test\"\n".to_owned();
        for (id, needs, script) in steps {
            text.push_str(&format!(
                "[[step]]\nid = \"{id}\"\nneeds = {needs:?}\n[[step.phase]]\nname = \"make\"\nscript = '''\n{script}\n'''\n"
            ));
        }
        self.write("plan.toml", &text)
    }

    /// Starts it in the background.
    pub(crate) fn start<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Background {
        let child = self.command(arguments).spawn().unwrap();
        Background { child }
    }

    /// Starts the monitor and waits until its page is there.
    pub(crate) fn start_monitor(&self) -> (Background, String) {
        self.start_monitor_at("127.0.0.1:0")
    }

    pub(crate) fn start_monitor_at(&self, listen: &str) -> (Background, String) {
        let mut monitor = self.start(&["up", "--listen", listen]);
        let mut lines = BufReader::new(monitor.child.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                Some(
                    line.strip_prefix("page: http://")?
                        .trim_end_matches('/')
                        .to_owned(),
                )
            })
            .expect("the monitor tells where its page is");
        // It must never wait for somebody to read what it says.
        thread::spawn(move || lines.for_each(drop));
        (monitor, address)
    }

    /// The state of each step of the newest run.
    pub(crate) fn step_states(&self) -> Vec<(String, String)> {
        let run = self.json(&["build", "status"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        run["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| (text(&step["id"]), text(&step["state"])))
            .collect()
    }
}

/// A call of the program that goes on.
pub(crate) struct Background {
    pub(crate) child: Child,
}

impl Background {
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end; the exit status, -1 for a signal.
    pub(crate) fn wait(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Waits for its end; what it wrote to standard output.
    pub(crate) fn output(mut self) -> String {
        let mut text = String::new();
        let mut stdout = self.child.stdout.take().unwrap();
        std::io::Read::read_to_string(&mut stdout, &mut text).unwrap();
        self.child.wait().unwrap();
        text
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `ready` gives something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Processes whose command line holds `mark`.
pub(crate) fn find_processes(mark: &str) -> Vec<u32> {
    let own = std::process::id();
    let holds = |pid: u32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(mark)
    };
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own && holds(*pid))
        .collect()
}

/// Every path below `folder` with what makes two trees the same.
pub(crate) fn read_tree(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap().flatten() {
            let path = entry.path();
            let data = fs::symlink_metadata(&path).unwrap();
            let content = if data.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else if data.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            let name = path.strip_prefix(folder).unwrap().to_owned();
            found.push((name, data.permissions().mode(), content));
        }
    }
    found.sort();
    found
}

/// A GET request over HTTP/1.1: status and body.
pub(crate) fn get(address: &str, path: &str, host: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    exchange(&mut stream, path, host)
}

/// The same over any stream.
pub(crate) fn exchange(
    stream: &mut (impl std::io::Read + std::io::Write),
    path: &str,
    host: &str,
) -> (u16, String) {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}
