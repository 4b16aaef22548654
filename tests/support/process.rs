//! A process of the built binary with a configuration file in a temporary home.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::http::{self, Answer};
use super::{SOON, eventually};

/// The owner's key of every test instance, URL-safe.
pub const KEY: &str = "0123456789abcdef0123456789abcdef";
/// Lines of log kept for a failure.
const LOG_LINES: usize = 2000;

/// The built binary.
pub const BINARY: &str = env!("CARGO_BIN_EXE_jackdaw");

/// A configuration in the making. Everything it names lies below one directory.
#[derive(Clone)]
pub struct Config {
    dir: PathBuf,
    jackdaw: String,
    rest: String,
}

impl Config {
    /// Listens on a port the kernel picks; data in `dir/data`.
    pub fn new(dir: &Path) -> Config {
        fs::create_dir_all(dir).unwrap();
        Config {
            dir: dir.to_path_buf(),
            jackdaw: format!(
                "[jackdaw]\nlisten = 127.0.0.1:0\napi_key = {KEY}\ndata_dir = {}\nlog = debug\n",
                dir.join("data").display()
            ),
            rest: String::new(),
        }
    }

    /// Listens there instead.
    pub fn listen(mut self, address: &str) -> Config {
        self.jackdaw = self.jackdaw.replace("127.0.0.1:0", address);
        self
    }

    /// Logs at this level instead of debug.
    pub fn log(mut self, level: &str) -> Config {
        self.jackdaw = self
            .jackdaw
            .replace("log = debug", &format!("log = {level}"));
        self
    }

    /// A line more in `[jackdaw]`.
    pub fn jackdaw(mut self, line: &str) -> Config {
        self.jackdaw.push_str(line);
        self.jackdaw.push('\n');
        self
    }

    /// Any other section.
    pub fn section(mut self, text: &str) -> Config {
        self.rest.push_str(text);
        self.rest.push('\n');
        self
    }

    /// `[downloads]` into `dir/completed`, with short retry delays and `more` lines.
    pub fn downloads(self, more: &str) -> Config {
        let completed = self.completed();
        fs::create_dir_all(&completed).unwrap();
        let idle_timeout = match more.contains("idle_timeout") {
            true => "",
            false => "idle_timeout = 2s\n",
        };
        self.section(&format!(
            "[downloads]\ncompleted_path = {}\nmin_free_space = 0\nretry_base_delay = 1s\n\
             retry_max_delay = 1s\n{idle_timeout}{more}",
            completed.display()
        ))
    }

    /// Where its downloads end.
    pub fn completed(&self) -> PathBuf {
        self.dir.join("completed")
    }

    /// `[peer]`.
    pub fn peer(self, name: &str, url: &str, key: &str) -> Config {
        self.section(&format!("[peer \"{name}\"]\nurl = {url}\napi_key = {key}"))
    }

    /// `[folder]`; `kind` is `movies` or `tv`.
    pub fn folder(self, title: &str, path: &Path, kind: &str) -> Config {
        let path = path.display();
        self.section(&format!(
            "[folder \"{title}\"]\npath = {path}\nkind = {kind}"
        ))
    }

    /// `[server]` that nobody listens at: only its name counts, as a login.
    pub fn server(self, title: &str, kind: &str) -> Config {
        self.section(&format!(
            "[server \"{title}\"]\ntype = {kind}\nurl = http://127.0.0.1:9\n\
             api_key = ffffffffffffffffffffffffffffffff\ndestination = true\nsource = false\n\
             autoregister = false"
        ))
    }

    /// Writes `dir/jackdaw.ini`.
    pub fn write(&self) -> PathBuf {
        let file = self.dir.join("jackdaw.ini");
        fs::write(&file, format!("{}\n{}", self.jackdaw, self.rest)).unwrap();
        file
    }
}

/// How a process that should have ended ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the binary with these arguments to its end, which must come soon.
pub fn run(arguments: &[&str], dir: &Path) -> Ended {
    let mut command = Command::new(BINARY);
    command.args(arguments).current_dir(dir);
    run_command(command)
}

/// As [`run`], for a prepared command.
pub fn run_command(mut command: Command) -> Ended {
    let child = command
        .env_remove("JACKDAW_CONFIG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let (done, output) = channel::<std::io::Result<Output>>();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    match output.recv_timeout(SOON) {
        Ok(output) => {
            let output = output.unwrap();
            Ended {
                code: output.status.code(),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            }
        }
        Err(_) => {
            signal(pid, rustix::process::Signal::KILL);
            panic!("{command:?} did not end within {SOON:?}");
        }
    }
}

/// Sends a signal.
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

type Log = Arc<Mutex<VecDeque<String>>>;

/// A running jackdaw; killed when dropped.
pub struct Jackdaw {
    config: Config,
    descriptor_limit: Option<u32>,
    child: Child,
    address: SocketAddr,
    log: Log,
}

impl Jackdaw {
    /// Starts it and waits until `/ping` is answered.
    pub fn start(config: &Config) -> Jackdaw {
        Jackdaw::start_limited(config, None)
    }

    /// As [`Jackdaw::start`], with at most so many descriptors.
    pub fn start_limited(config: &Config, descriptor_limit: Option<u32>) -> Jackdaw {
        let log = Log::default();
        let (child, address) = launch(config, descriptor_limit, &log);
        Jackdaw {
            config: config.clone(),
            descriptor_limit,
            child,
            address,
            log,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// GET with the owner's key.
    pub fn get(&self, target: &str) -> Answer {
        http::get(self.address, target, KEY)
    }

    /// Everything it logged, over all restarts.
    pub fn log(&self) -> String {
        Vec::from_iter(self.log.lock().unwrap().iter().cloned()).join("\n")
    }

    /// SIGKILL, as a power cut does it to a process.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; how long it took, and the exit status.
    pub fn terminate(&mut self) -> (Duration, ExitStatus) {
        let start = Instant::now();
        signal(self.pid(), rustix::process::Signal::TERM);
        let status = eventually("the process to stop", SOON, || {
            self.child.try_wait().unwrap()
        });
        (start.elapsed(), status)
    }

    /// Starts it again, on the same home, after it has ended. The port changes.
    pub fn restart(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_some(), "restart of a running process");
        (self.child, self.address) = launch(&self.config, self.descriptor_limit, &self.log);
    }

    /// Panics if the process has ended.
    pub fn assert_alive(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert_eq!(ended, None, "the process ended");
    }

    /// A line of `/proc/PID/status` that counts KiB, in bytes: `VmRSS`, `VmHWM`.
    pub fn memory(&self, name: &str) -> u64 {
        self.status(name) * 1024
    }

    /// Number of threads.
    pub fn threads(&self) -> u64 {
        self.status("Threads")
    }

    /// Number of threads with a name of their own: all but the main one, that for signals, and
    /// tiny_http's, of which there are between none and six however much was asked before.
    pub fn named_threads(&self) -> usize {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        tasks
            .flatten()
            // One that has just ended has no name.
            .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
            .filter(|name| name.trim_end() != "jackdaw")
            .count()
    }

    fn status(&self, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok())
            .unwrap_or_else(|| panic!("no {name} in the status of the process"))
    }

    /// Number of open descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .unwrap()
            .count()
    }
}

impl Drop for Jackdaw {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of {}\n{}", self.url(), self.log());
        }
    }
}

fn launch(config: &Config, descriptor_limit: Option<u32>, log: &Log) -> (Child, SocketAddr) {
    let file = config.write();
    let mut command = match descriptor_limit {
        None => {
            let mut command = Command::new(BINARY);
            command.arg("run").arg("--config").arg(&file);
            command
        }
        Some(limit) => {
            let mut command = Command::new("sh");
            command
                .arg("-c")
                .arg(format!(
                    "ulimit -n {limit}; exec \"$0\" run --config \"$1\""
                ))
                .arg(BINARY)
                .arg(&file);
            command
        }
    };
    let mut child = command
        .current_dir(&config.dir)
        .env_remove("JACKDAW_CONFIG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (found, address) = channel();
    let stderr = child.stderr.take().unwrap();
    let lines = Arc::clone(log);
    std::thread::spawn(move || read_log(BufReader::new(stderr), &lines, &found));
    let address = match address.recv_timeout(SOON) {
        Ok(address) => address,
        Err(error) => {
            let _ = child.kill();
            let status = child.wait();
            let log = log.lock().unwrap();
            panic!(
                "no address ({error}), {status:?}; log:\n{}",
                Vec::from_iter(log.iter().cloned()).join("\n")
            );
        }
    };
    eventually("an answer to /ping", SOON, || {
        http::ping(address).then_some(())
    });
    (child, address)
}

fn read_log(reader: impl BufRead, lines: &Log, found: &Sender<SocketAddr>) {
    for line in reader.split(b'\n') {
        let Ok(line) = line else { return };
        let line = String::from_utf8_lossy(&line).into_owned();
        let address = line
            .split_once("listening on http://")
            .and_then(|(_, rest)| rest.split([' ', ',', '/']).next()?.parse().ok());
        if let Some(address) = address {
            let _ = found.send(address);
        }
        // A poll that went well says nothing, and there are thousands of them.
        if line.contains(" GET /api/v2/") && line.contains(" 200 ") {
            continue;
        }
        let mut lines = lines.lock().unwrap();
        if lines.len() == LOG_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}
